-- Flowise: flows and what was said in them. Needs uuid-ossp.
\connect flowise_db
SET ROLE flowise;

CREATE EXTENSION "uuid-ossp";
CREATE TYPE chat_flow_type AS ENUM ('CHATFLOW', 'AGENTFLOW', 'MULTIAGENT', 'ASSISTANT');
CREATE TABLE chat_flow (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    name varchar NOT NULL,
    "flowData" text NOT NULL,
    type chat_flow_type NOT NULL DEFAULT 'CHATFLOW',
    deployed boolean,
    "createdDate" timestamp NOT NULL DEFAULT now()
);
CREATE TABLE chat_message (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    role varchar NOT NULL CHECK (role IN ('userMessage', 'apiMessage')),
    chatflowid uuid NOT NULL REFERENCES chat_flow ON DELETE CASCADE,
    content text NOT NULL,
    "chatId" varchar NOT NULL,
    "createdDate" timestamp NOT NULL DEFAULT now()
);
CREATE INDEX "IDX_chat_message_flow" ON chat_message (chatflowid, "createdDate");
CREATE TABLE credential (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    name varchar NOT NULL,
    "credentialName" varchar NOT NULL,
    "encryptedData" text NOT NULL
);
CREATE TABLE tool (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    name varchar NOT NULL UNIQUE,
    description text NOT NULL,
    func text
);
INSERT INTO chat_flow (name, "flowData", type, deployed)
SELECT 'Flow ' || n, format('{"nodes":[{"id":"chatOpenAI_%s"}],"edges":[]}', n), (ARRAY['CHATFLOW', 'AGENTFLOW', 'ASSISTANT'])[1 + n % 3]::chat_flow_type, n % 2 = 0 FROM generate_series(1, 25) n;
INSERT INTO chat_message (role, chatflowid, content, "chatId", "createdDate")
SELECT CASE WHEN n % 2 = 0 THEN 'apiMessage' ELSE 'userMessage' END, id, repeat(md5(id::text || n), 6), md5('chat' || n / 10), now() - n * interval '7 minutes'
FROM chat_flow, generate_series(1, 60) n;
INSERT INTO credential (name, "credentialName", "encryptedData") SELECT 'Key ' || n, 'openAIApi', encode(sha256(n::text::bytea), 'base64') FROM generate_series(1, 9) n;
INSERT INTO tool (name, description, func) SELECT 'tool_' || n, 'Does thing ' || n, 'return 1;' FROM generate_series(1, 14) n;
