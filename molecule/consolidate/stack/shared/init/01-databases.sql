-- One database for each service that was to come.
CREATE DATABASE n8n_db;
CREATE DATABASE langfuse_db;
-- The rights of a role that exists in both.
CREATE ROLE reader;
\connect n8n_db
CREATE TABLE workflow_entity (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO workflow_entity VALUES (1, 'invoices');
