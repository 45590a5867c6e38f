-- Run by psql in each of the two databases; README.md says how.
\set db :DBNAME
REVOKE CONNECT, TEMPORARY ON DATABASE :"db" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"db" TO "o'brien";
GRANT CREATE ON DATABASE :"db" TO "DATABASE" WITH GRANT OPTION;
GRANT TEMPORARY ON DATABASE :"db" TO database;
COMMENT ON DATABASE :"db" IS 'the database "DATABASE ""odd"" it''s"; ALTER DATABASE plain OWNER TO loner;
\connect plain
-- its comment';
ALTER DATABASE :"db" SET search_path TO "$user", 'a;b', public;
ALTER DATABASE :"db" SET application_name TO 'ALTER DATABASE plain \ it''s';
ALTER ROLE "DATABASE" IN DATABASE :"db" SET work_mem TO '8MB';
ALTER ROLE database IN DATABASE :"db" SET application_name TO 'IN DATABASE plain';
ALTER ROLE "two words; DROP ROLE archon;" IN DATABASE :"db" SET statement_timeout TO '5s';
CREATE TABLE t (id bigserial PRIMARY KEY, what text);
COMMENT ON TABLE t IS 'GRANT ALL ON DATABASE plain TO loner;';
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'ALTER DATABASE plain SET x TO 1;' $$;
