-- Run by psql on an empty cluster; README.md says how.
SET password_encryption = 'scram-sha-256';
CREATE ROLE archon LOGIN PASSWORD 'it''s $1; \secret';
CREATE ROLE "o'brien" LOGIN PASSWORD 'x';
CREATE ROLE "two words; DROP ROLE archon;" CREATEDB CONNECTION LIMIT 3 VALID UNTIL '2030-01-01 00:00:00+00';
CREATE ROLE "say ""hi"" $body$" NOINHERIT CREATEROLE;
CREATE ROLE "new
line -- not a comment";
CREATE ROLE "DATABASE" LOGIN;
CREATE ROLE database;
CREATE ROLE "größe_日本" REPLICATION BYPASSRLS;
CREATE ROLE readers;
CREATE ROLE writers;
CREATE ROLE manager;
CREATE ROLE loner;
COMMENT ON ROLE archon IS 'its; owner''s role
\connect nowhere
-- CREATE ROLE intruder;
CREATE ROLE intruder; $x$ "quoted" \''backslash\';
COMMENT ON ROLE "o'brien" IS 'GRANT readers TO loner;';
ALTER ROLE archon SET search_path TO "$user", 'it''s', public;
ALTER ROLE archon SET application_name TO 'a\b; "c" ''d''';
ALTER ROLE "two words; DROP ROLE archon;" SET statement_timeout TO '30s';
GRANT readers TO writers;
GRANT readers TO manager WITH ADMIN OPTION;
GRANT writers TO archon;
GRANT "say ""hi"" $body$" TO "o'brien";
GRANT "two words; DROP ROLE archon;" TO "new
line -- not a comment";
GRANT writers TO "say ""hi"" $body$";
GRANT pg_monitor TO archon;
SET ROLE manager;
GRANT readers TO loner;
GRANT readers TO "o'brien" WITH ADMIN OPTION;
RESET ROLE;
GRANT SET, ALTER SYSTEM ON PARAMETER work_mem TO archon;
CREATE TABLESPACE "fast; disk" OWNER archon LOCATION '/tmp/fast';
COMMENT ON TABLESPACE "fast; disk" IS 'CREATE ROLE nobody;';
GRANT CREATE ON TABLESPACE "fast; disk" TO readers;
ALTER TABLESPACE "fast; disk" SET (random_page_cost = 1.1);
CREATE DATABASE "DATABASE ""odd"" it's" OWNER archon TEMPLATE template0 CONNECTION LIMIT 7;
CREATE DATABASE plain OWNER archon TEMPLATE template0 TABLESPACE "fast; disk";
