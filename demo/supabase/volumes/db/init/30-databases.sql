-- The other databases on this server.

-- for Archon, one day. Nothing in it yet, its tables went into "postgres"
CREATE DATABASE archon_db;

CREATE DATABASE n8n_db OWNER n8n;
CREATE DATABASE flowise_db OWNER flowise;
CREATE DATABASE odoo_db OWNER odoo;
CREATE DATABASE langfuse_db OWNER langfuse;
