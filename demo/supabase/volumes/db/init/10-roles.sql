-- Roles. Cluster-wide, so once is enough for all databases.

\set password `echo "$POSTGRES_PASSWORD"`

CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;

-- PostgREST logs in as this one and becomes one of the three above
CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD :'password';
GRANT anon, authenticated, service_role TO authenticator;
ALTER ROLE anon SET statement_timeout = '3s';
ALTER ROLE authenticated SET statement_timeout = '8s';

CREATE ROLE supabase_auth_admin LOGIN NOINHERIT CREATEROLE PASSWORD :'password';
CREATE ROLE supabase_storage_admin LOGIN NOINHERIT CREATEROLE PASSWORD :'password';
CREATE ROLE supabase_realtime_admin NOLOGIN NOINHERIT;

-- the other programs on this server, each with its own owner
CREATE ROLE n8n LOGIN PASSWORD :'password';
CREATE ROLE flowise LOGIN PASSWORD :'password';
CREATE ROLE odoo LOGIN CREATEDB PASSWORD :'password';
CREATE ROLE langfuse LOGIN PASSWORD :'password';
