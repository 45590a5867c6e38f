-- Supabase's own parts of the database, as far as they matter to its tenants: they stay where they are.

CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
CREATE ROLE supabase_auth_admin NOLOGIN NOINHERIT;
CREATE ROLE supabase_storage_admin NOLOGIN NOINHERIT;

GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;

-- Tryton finds it and makes indexes that need it
CREATE EXTENSION pg_trgm SCHEMA public;

CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
SET ROLE supabase_auth_admin;
CREATE TABLE auth.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- Synapse and Airflow have tables of nearly the same names
CREATE TABLE auth.sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE
);
CREATE TABLE auth.refresh_tokens (
    id bigserial PRIMARY KEY,
    token text NOT NULL UNIQUE,
    session_id uuid NOT NULL REFERENCES auth.sessions ON DELETE CASCADE
);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid
$$;
INSERT INTO auth.users (email) SELECT format('user%s@example.org', n) FROM generate_series(1, 20) n;
INSERT INTO auth.sessions (user_id) SELECT id FROM auth.users;
INSERT INTO auth.refresh_tokens (token, session_id) SELECT md5(id::text), id FROM auth.sessions;
RESET ROLE;

CREATE SCHEMA storage AUTHORIZATION supabase_storage_admin;
SET ROLE supabase_storage_admin;
CREATE TABLE storage.buckets (
    id text PRIMARY KEY,
    public boolean NOT NULL DEFAULT false
);
CREATE TABLE storage.objects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    bucket_id text NOT NULL REFERENCES storage.buckets,
    name text NOT NULL,
    path_tokens text[] GENERATED ALWAYS AS (string_to_array(name, '/')) STORED,
    UNIQUE (bucket_id, name)
);
ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
CREATE POLICY "avatars are public" ON storage.objects FOR SELECT USING (bucket_id = 'avatars');
INSERT INTO storage.buckets VALUES ('avatars', true), ('documents', false);
INSERT INTO storage.objects (bucket_id, name) SELECT 'avatars', format('%s/face.png', n) FROM generate_series(1, 20) n;
RESET ROLE;
