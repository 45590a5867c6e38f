-- Langfuse, from before it got a server of its own (see localai).
\connect langfuse_db
SET ROLE langfuse;

CREATE TYPE "ObservationType" AS ENUM ('SPAN', 'EVENT', 'GENERATION');
CREATE TYPE "ScoreSource" AS ENUM ('ANNOTATION', 'API', 'EVAL');
CREATE TYPE "Role" AS ENUM ('OWNER', 'ADMIN', 'MEMBER', 'VIEWER');
CREATE TABLE users (
    id text PRIMARY KEY,
    name text,
    email text UNIQUE,
    role "Role" NOT NULL DEFAULT 'MEMBER',
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE projects (
    id text PRIMARY KEY,
    name text NOT NULL,
    retention_days integer,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE traces (
    id text PRIMARY KEY,
    "timestamp" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    name text,
    project_id text NOT NULL REFERENCES projects ON UPDATE CASCADE ON DELETE CASCADE,
    user_id text,
    metadata jsonb,
    tags text[] DEFAULT ARRAY[]::text[]
);
CREATE INDEX traces_project_id_timestamp_idx ON traces (project_id, "timestamp");
CREATE INDEX traces_tags_idx ON traces USING gin (tags);
CREATE TABLE observations (
    id text PRIMARY KEY,
    trace_id text REFERENCES traces ON DELETE CASCADE,
    project_id text NOT NULL REFERENCES projects ON DELETE CASCADE,
    type "ObservationType" NOT NULL,
    start_time timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    end_time timestamp(3),
    model text,
    prompt_tokens integer NOT NULL DEFAULT 0,
    completion_tokens integer NOT NULL DEFAULT 0,
    total_tokens integer GENERATED ALWAYS AS (prompt_tokens + completion_tokens) STORED,
    input jsonb,
    output jsonb
);
CREATE INDEX observations_trace_id_idx ON observations (trace_id);
CREATE TABLE scores (
    id text PRIMARY KEY,
    trace_id text NOT NULL REFERENCES traces ON DELETE CASCADE,
    name text NOT NULL,
    value double precision,
    source "ScoreSource" NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE _prisma_migrations (
    id varchar(36) PRIMARY KEY,
    checksum varchar(64) NOT NULL,
    finished_at timestamptz,
    migration_name varchar(255) NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count integer NOT NULL DEFAULT 0
);

INSERT INTO users (id, name, email, role) SELECT 'user-' || n, 'User ' || n, format('lf%s@example.org', n), CASE WHEN n = 1 THEN 'OWNER' ELSE 'MEMBER' END::"Role" FROM generate_series(1, 8) n;
INSERT INTO projects (id, name, retention_days) VALUES ('archon', 'Archon', 90), ('n8n', 'n8n flows', 30), ('lab', 'Lab', NULL);
INSERT INTO traces (id, "timestamp", name, project_id, user_id, metadata, tags)
SELECT md5('t' || n), now()::timestamp - n * interval '5 minutes', 'chat', (ARRAY['archon', 'n8n', 'lab'])[1 + n % 3], 'user-' || 1 + n % 8, jsonb_build_object('session', n / 5), ARRAY['prod', 'v' || n % 4]
FROM generate_series(1, 800) n;
INSERT INTO observations (id, trace_id, project_id, type, model, prompt_tokens, completion_tokens, input, output)
SELECT md5('o' || id || k), id, project_id, (ARRAY['SPAN', 'GENERATION'])[k]::"ObservationType", 'gpt-4o-mini', 100 + k, 20 * k, jsonb_build_object('text', repeat(md5(id), 4)), jsonb_build_object('text', md5(id))
FROM traces, generate_series(1, 2) k;
INSERT INTO scores (id, trace_id, name, value, source) SELECT md5('s' || id), id, 'helpful', length(id) % 5, 'API' FROM traces WHERE id < '8';
INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count)
SELECT gen_random_uuid()::text, encode(sha256(n::text::bytea), 'hex'), now(), format('202401%s_step_%s', lpad(n::text, 8, '0'), n), 1 FROM generate_series(1, 40) n;
