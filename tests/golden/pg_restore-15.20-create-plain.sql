--
-- PostgreSQL database dump
--

\restrict ewke893WYEcs4J6o5FR8dHOyK9eKsFHvwTzmuS7evfoWwi1DdUNDsb1cdF2w2TO

-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: plain; Type: DATABASE; Schema: -; Owner: archon
--

CREATE DATABASE plain WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8' TABLESPACE = "fast; disk";


ALTER DATABASE plain OWNER TO archon;

\unrestrict ewke893WYEcs4J6o5FR8dHOyK9eKsFHvwTzmuS7evfoWwi1DdUNDsb1cdF2w2TO
\connect plain
\restrict ewke893WYEcs4J6o5FR8dHOyK9eKsFHvwTzmuS7evfoWwi1DdUNDsb1cdF2w2TO

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: DATABASE plain; Type: COMMENT; Schema: -; Owner: archon
--

COMMENT ON DATABASE plain IS 'the database "DATABASE ""odd"" it''s"; ALTER DATABASE plain OWNER TO loner;
\connect plain
-- its comment';


--
-- Name: plain; Type: DATABASE PROPERTIES; Schema: -; Owner: archon
--

ALTER DATABASE plain SET search_path TO '$user', 'a;b', 'public';
ALTER DATABASE plain SET application_name TO E'ALTER DATABASE plain \\ it''s';
ALTER ROLE "two words; DROP ROLE archon;" IN DATABASE plain SET statement_timeout TO '5s';
ALTER ROLE "DATABASE" IN DATABASE plain SET work_mem TO '8MB';
ALTER ROLE database IN DATABASE plain SET application_name TO 'IN DATABASE plain';


\unrestrict ewke893WYEcs4J6o5FR8dHOyK9eKsFHvwTzmuS7evfoWwi1DdUNDsb1cdF2w2TO
\connect plain
\restrict ewke893WYEcs4J6o5FR8dHOyK9eKsFHvwTzmuS7evfoWwi1DdUNDsb1cdF2w2TO

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: DATABASE plain; Type: ACL; Schema: -; Owner: archon
--

REVOKE CONNECT,TEMPORARY ON DATABASE plain FROM PUBLIC;
GRANT CONNECT ON DATABASE plain TO "o'brien";
GRANT CREATE ON DATABASE plain TO "DATABASE" WITH GRANT OPTION;
GRANT TEMPORARY ON DATABASE plain TO database;


--
-- PostgreSQL database dump complete
--

\unrestrict ewke893WYEcs4J6o5FR8dHOyK9eKsFHvwTzmuS7evfoWwi1DdUNDsb1cdF2w2TO

