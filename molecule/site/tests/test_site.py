"""The whole job, looked at from outside: in the containers, in the databases, over HTTP."""

import pytest

ROUTE = "http://localhost:18000/archon/rest/v1/archon_settings"


@pytest.mark.parametrize("service", ["archon-server", "archon-mcp", "archon-agent-work-orders", "archon-ui"])
def test_the_services_are_healthy(inspect, service):
    assert inspect(service)["State"]["Health"]["Status"] == "healthy"


def test_the_route_answers_from_archon_db(http, sql, service_key):
    sql("archon_db", "UPDATE archon_settings SET description = 'seen by the test' WHERE key = 'LLM_PROVIDER'")
    status, rows = http(ROUTE + "?key=eq.LLM_PROVIDER", apikey=service_key)
    assert status == 200
    assert [row["description"] for row in rows] == ["seen by the test"]


def test_the_service_reads_it_too(http):
    status, settings = http("http://localhost:8181/api/settings")
    assert status == 200
    assert len(settings) == 45


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"apikey": "wrong"}, 401)])
def test_the_new_route_wants_the_key_as_the_old_one_does(http, headers, status):
    assert http(ROUTE, **headers)[0] == status
    assert http("http://localhost:18000/rest/v1/buckets", **headers)[0] == status


def test_supabases_own_instance_serves_its_own_database(http, service_key, sql):
    headers = {"apikey": service_key, "Accept-Profile": "storage"}
    assert http("http://localhost:18000/rest/v1/buckets", **headers)[0] == 200
    sessions = "SELECT DISTINCT datname FROM pg_stat_activity WHERE application_name LIKE 'PostgREST%' ORDER BY 1"
    assert sql("postgres", sessions) == ["archon_db", "postgres"]


def test_the_old_tables_are_archived_whole(sql):
    assert sql(
        "postgres", "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'archon\\_%' AND schemaname = 'public'"
    ) == ["0"]
    archived = "SELECT count(*) FROM pg_tables WHERE schemaname = 'archon_legacy_archive'"
    assert sql("postgres", archived) == ["11"]
    assert int(sql("postgres", "SELECT count(*) FROM archon_legacy_archive.archon_crawled_pages")[0]) >= 3000
    assert "archon_db" in sql("postgres", "SELECT obj_description('archon_legacy_archive'::regnamespace)")[0]


def test_the_old_route_has_them_no_more(http, service_key):
    status, body = http("http://localhost:18000/rest/v1/archon_settings", apikey=service_key)
    assert (status, body["code"]) == (404, "PGRST205")


def test_every_database_has_a_copy(demo):
    folder = demo / "backups" / "supabase-ai"
    for name in ("postgres", "archon_db", "n8n_db", "flowise_db", "odoo_db", "langfuse_db", "langfuse"):
        assert list((folder / name).glob("backup_*.dump*")), name


def test_the_journal_is_closed(demo):
    lines = (demo / "state" / "journal" / "archon_db.jsonl").read_text().splitlines()
    assert '"completed"' in lines[-1]


def test_no_secret_in_what_was_written_down(demo, service_key):
    password = (demo / "state" / "secrets" / "archon_db.password").read_text().strip()
    database_password = next(
        line.partition("=")[2]
        for line in (demo / "supabase" / ".env").read_text().splitlines()
        if line.startswith("POSTGRES_PASSWORD=")
    )
    for path in (demo / "state" / "journal").glob("*.jsonl"):
        for secret in (password, service_key, database_password):
            assert secret not in path.read_text(), path


def test_the_target_had_debians_own_libraries(machine):
    version = machine.check_output(
        "docker exec bulkhead-target /usr/bin/python3 -c 'import docker, psycopg2; print(docker.__file__)'"
    )
    assert version.startswith("/usr/lib/python3/dist-packages/")
