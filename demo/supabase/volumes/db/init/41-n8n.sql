-- n8n: workflows, their runs, credentials. Mixed-case names as its ORM makes them.
\connect n8n_db
SET ROLE n8n;

CREATE TABLE "user" (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email varchar(255) UNIQUE,
    "firstName" varchar(32),
    "lastName" varchar(32),
    password varchar(255),
    disabled boolean NOT NULL DEFAULT false,
    "createdAt" timestamptz(3) NOT NULL DEFAULT now()
);
CREATE TABLE credentials_entity (
    id varchar(36) PRIMARY KEY,
    name varchar(128) NOT NULL,
    data text NOT NULL,
    type varchar(128) NOT NULL,
    "updatedAt" timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX idx_credentials_type ON credentials_entity (type);
CREATE TABLE workflow_entity (
    id varchar(36) PRIMARY KEY,
    name varchar(128) NOT NULL,
    active boolean NOT NULL DEFAULT false,
    nodes json NOT NULL,
    connections json NOT NULL,
    settings json,
    "versionCounter" integer NOT NULL DEFAULT 1,
    "updatedAt" timestamptz(3) NOT NULL DEFAULT now()
);
CREATE TABLE execution_entity (
    id serial PRIMARY KEY,
    "workflowId" varchar(36) NOT NULL REFERENCES workflow_entity ON DELETE CASCADE,
    finished boolean NOT NULL,
    mode varchar NOT NULL,
    status varchar NOT NULL,
    "startedAt" timestamptz(3),
    "stoppedAt" timestamptz(3)
);
CREATE INDEX "IDX_execution_workflow" ON execution_entity ("workflowId", id);
CREATE TABLE execution_data (
    "executionId" integer PRIMARY KEY REFERENCES execution_entity ON DELETE CASCADE,
    "workflowData" json NOT NULL,
    data text NOT NULL
);
CREATE TABLE webhook_entity (
    "webhookPath" varchar NOT NULL,
    method varchar NOT NULL,
    node varchar NOT NULL,
    "workflowId" varchar(36) NOT NULL REFERENCES workflow_entity ON DELETE CASCADE,
    PRIMARY KEY ("webhookPath", method)
);
CREATE TABLE migrations (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL);

-- a copy of the tables alone loses this one, and n8n runs on without it
CREATE FUNCTION increment_workflow_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW."versionCounter" IS NOT DISTINCT FROM OLD."versionCounter" THEN
        NEW."versionCounter" = OLD."versionCounter" + 1;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER workflow_version_increment BEFORE UPDATE ON workflow_entity
    FOR EACH ROW EXECUTE FUNCTION increment_workflow_version();

INSERT INTO "user" (email, "firstName", "lastName") SELECT format('n8n%s@example.org', n), 'First' || n, 'Last' || n FROM generate_series(1, 12) n;
INSERT INTO credentials_entity SELECT md5('c' || n), 'Credential ' || n, encode(sha256(('secret' || n)::bytea), 'base64'), 'httpHeaderAuth' FROM generate_series(1, 30) n;
INSERT INTO workflow_entity (id, name, active, nodes, connections)
SELECT md5('w' || n), 'Workflow ' || n, n % 3 = 0, format('[{"name":"Webhook","type":"n8n-nodes-base.webhook","id":"%s"}]', n)::json, '{}' FROM generate_series(1, 60) n;
INSERT INTO execution_entity ("workflowId", finished, mode, status, "startedAt", "stoppedAt")
SELECT md5('w' || 1 + n % 60), true, 'trigger', CASE WHEN n % 17 = 0 THEN 'error' ELSE 'success' END, now() - n * interval '2 minutes', now() - n * interval '2 minutes' + interval '3 seconds'
FROM generate_series(1, 2500) n;
INSERT INTO execution_data SELECT id, '{"nodes":[]}', repeat(md5(id::text), 8) FROM execution_entity;
INSERT INTO webhook_entity SELECT 'hook-' || n, 'POST', 'Webhook', md5('w' || n) FROM generate_series(1, 20) n;
INSERT INTO migrations ("timestamp", name) SELECT 1600000000000 + n, 'Migration' || n FROM generate_series(1, 90) n;
