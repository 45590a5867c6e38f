-- The programs that were put in with it: no superuser among them, and all in the schema public.

CREATE ROLE synapse LOGIN PASSWORD 'synapse-password';
CREATE ROLE airflow LOGIN PASSWORD 'airflow-password';
CREATE ROLE tryton LOGIN PASSWORD 'tryton-password';

GRANT CONNECT ON DATABASE postgres TO synapse, airflow, tryton;
GRANT USAGE, CREATE ON SCHEMA public TO synapse, airflow, tryton;
