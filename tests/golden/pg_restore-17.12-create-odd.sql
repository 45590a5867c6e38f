--
-- PostgreSQL database dump
--

\restrict yY4qmChd8vcqzccl8n73UGBBDj2Whwon6WFiYkhFffy4fLOBgRtlLZfOdpqC3nJ

-- Dumped from database version 17.12 (Debian 17.12-0+deb13u1)
-- Dumped by pg_dump version 17.12 (Debian 17.12-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: DATABASE "odd" it's; Type: DATABASE; Schema: -; Owner: archon
--

CREATE DATABASE "DATABASE ""odd"" it's" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8';


ALTER DATABASE "DATABASE ""odd"" it's" OWNER TO archon;

\unrestrict yY4qmChd8vcqzccl8n73UGBBDj2Whwon6WFiYkhFffy4fLOBgRtlLZfOdpqC3nJ
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='DATABASE ""odd"" it\'s'"
\restrict yY4qmChd8vcqzccl8n73UGBBDj2Whwon6WFiYkhFffy4fLOBgRtlLZfOdpqC3nJ

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: DATABASE "DATABASE ""odd"" it's"; Type: COMMENT; Schema: -; Owner: archon
--

COMMENT ON DATABASE "DATABASE ""odd"" it's" IS 'the database "DATABASE ""odd"" it''s"; ALTER DATABASE plain OWNER TO loner;
\connect plain
-- its comment';


--
-- Name: DATABASE "odd" it's; Type: DATABASE PROPERTIES; Schema: -; Owner: archon
--

ALTER DATABASE "DATABASE ""odd"" it's" CONNECTION LIMIT = 7;
ALTER DATABASE "DATABASE ""odd"" it's" SET search_path TO '$user', 'a;b', 'public';
ALTER DATABASE "DATABASE ""odd"" it's" SET application_name TO E'ALTER DATABASE plain \\ it''s';
ALTER ROLE "two words; DROP ROLE archon;" IN DATABASE "DATABASE ""odd"" it's" SET statement_timeout TO '5s';
ALTER ROLE "DATABASE" IN DATABASE "DATABASE ""odd"" it's" SET work_mem TO '8MB';
ALTER ROLE database IN DATABASE "DATABASE ""odd"" it's" SET application_name TO 'IN DATABASE plain';


\unrestrict yY4qmChd8vcqzccl8n73UGBBDj2Whwon6WFiYkhFffy4fLOBgRtlLZfOdpqC3nJ
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='DATABASE ""odd"" it\'s'"
\restrict yY4qmChd8vcqzccl8n73UGBBDj2Whwon6WFiYkhFffy4fLOBgRtlLZfOdpqC3nJ

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: DATABASE "DATABASE ""odd"" it's"; Type: ACL; Schema: -; Owner: archon
--

REVOKE CONNECT,TEMPORARY ON DATABASE "DATABASE ""odd"" it's" FROM PUBLIC;
GRANT CONNECT ON DATABASE "DATABASE ""odd"" it's" TO "o'brien";
GRANT CREATE ON DATABASE "DATABASE ""odd"" it's" TO "DATABASE" WITH GRANT OPTION;
GRANT TEMPORARY ON DATABASE "DATABASE ""odd"" it's" TO database;


--
-- PostgreSQL database dump complete
--

\unrestrict yY4qmChd8vcqzccl8n73UGBBDj2Whwon6WFiYkhFffy4fLOBgRtlLZfOdpqC3nJ

