-- Supabase's own schemas in the database "postgres".

CREATE EXTENSION vector;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION pgcrypto;

GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;

-- auth ------------------------------------------------------------------

CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
SET ROLE supabase_auth_admin;

CREATE TABLE auth.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    aud text NOT NULL DEFAULT 'authenticated',
    role text NOT NULL DEFAULT 'authenticated',
    email text UNIQUE,
    encrypted_password text,
    email_confirmed_at timestamptz,
    last_sign_in_at timestamptz,
    raw_app_meta_data jsonb NOT NULL DEFAULT '{}',
    raw_user_meta_data jsonb NOT NULL DEFAULT '{}',
    banned_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TYPE auth.assurance_level AS ENUM ('aal1', 'aal2', 'aal3');
CREATE TABLE auth.sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    level auth.assurance_level NOT NULL DEFAULT 'aal1',
    user_agent text,
    ip inet,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sessions_user_id_idx ON auth.sessions (user_id, created_at);
CREATE TABLE auth.refresh_tokens (
    id bigserial PRIMARY KEY,
    token text NOT NULL UNIQUE,
    session_id uuid NOT NULL REFERENCES auth.sessions ON DELETE CASCADE,
    parent text,
    revoked boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE auth.identities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    provider text NOT NULL,
    provider_id text NOT NULL,
    UNIQUE (provider, provider_id)
);

-- who is asking? PostgREST puts the token's claims into the transaction's settings
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb
$$;
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('request.jwt.claim.role', true), ''), auth.jwt() ->> 'role')
$$;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), auth.jwt() ->> 'sub')::uuid
$$;

INSERT INTO auth.users (email, encrypted_password, email_confirmed_at, raw_user_meta_data, created_at)
SELECT format('user%s@example.org', n), md5('not a hash ' || n), now() - n * interval '3 hours',
       jsonb_build_object('name', 'User ' || n), now() - n * interval '4 hours'
FROM generate_series(1, 250) n;
INSERT INTO auth.identities (user_id, provider, provider_id) SELECT id, 'email', id::text FROM auth.users;
INSERT INTO auth.sessions (user_id, user_agent, ip)
SELECT id, 'Mozilla/5.0', '192.0.2.1'::inet + (row_number() OVER ())::int % 200 FROM auth.users, generate_series(1, 3);
INSERT INTO auth.refresh_tokens (token, session_id, revoked)
SELECT md5(id::text || n), id, n = 1 FROM auth.sessions, generate_series(1, 2) n;
RESET ROLE;

-- storage ---------------------------------------------------------------

CREATE SCHEMA storage AUTHORIZATION supabase_storage_admin;
GRANT USAGE ON SCHEMA storage TO anon, authenticated, service_role;
SET ROLE supabase_storage_admin;
CREATE TABLE storage.buckets (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    owner uuid,
    public boolean NOT NULL DEFAULT false,
    file_size_limit bigint,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE storage.objects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    bucket_id text NOT NULL REFERENCES storage.buckets,
    name text NOT NULL,
    owner uuid,
    metadata jsonb,
    path_tokens text[] GENERATED ALWAYS AS (string_to_array(name, '/')) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (bucket_id, name)
);
ALTER TABLE storage.buckets ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
CREATE POLICY "avatars are public" ON storage.objects FOR SELECT USING (bucket_id = 'avatars');
GRANT ALL ON ALL TABLES IN SCHEMA storage TO anon, authenticated, service_role;
INSERT INTO storage.buckets (id, name, public) VALUES
    ('avatars', 'avatars', true), ('documents', 'documents', false), ('exports', 'exports', false);
INSERT INTO storage.objects (bucket_id, name, metadata)
SELECT (ARRAY['avatars', 'documents', 'exports'])[1 + n % 3], format('%s/%s/file-%s.bin', n % 20, n % 7, n),
       jsonb_build_object('size', n * 37, 'mimetype', 'application/octet-stream')
FROM generate_series(1, 900) n;
RESET ROLE;

-- realtime --------------------------------------------------------------

CREATE SCHEMA realtime AUTHORIZATION supabase_realtime_admin;
SET ROLE supabase_realtime_admin;
CREATE TYPE realtime.action AS ENUM ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ERROR');
CREATE TABLE realtime.messages (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    topic text NOT NULL,
    extension text NOT NULL,
    payload jsonb,
    event text,
    private boolean NOT NULL DEFAULT false,
    inserted_at timestamp NOT NULL DEFAULT now(),
    PRIMARY KEY (id, inserted_at)
) PARTITION BY RANGE (inserted_at);
CREATE TABLE realtime.messages_default PARTITION OF realtime.messages DEFAULT;
CREATE TABLE realtime.subscription (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription_id uuid NOT NULL,
    entity regclass NOT NULL,
    claims jsonb NOT NULL,
    created_at timestamp NOT NULL DEFAULT now()
);
INSERT INTO realtime.messages (topic, extension, payload, event)
SELECT 'room:' || n % 12, 'broadcast', jsonb_build_object('n', n), 'message' FROM generate_series(1, 400) n;
RESET ROLE;

-- PostgREST's schema cache follows what happens to tables -----------------

CREATE FUNCTION public.pgrst_ddl_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY pgrst, 'reload schema';
END
$$;
CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION public.pgrst_ddl_watch();
CREATE EVENT TRIGGER pgrst_drop_watch ON sql_drop EXECUTE FUNCTION public.pgrst_ddl_watch();
