"""archon_db is whole, closed and owned; everything else is as it was, and the services are still on the old tables."""

import pytest


def test_all_eleven_tables_belong_to_the_owner(sql):
    assert sql("archon_db", "SELECT tableowner, count(*) FROM pg_tables WHERE schemaname = 'public' GROUP BY 1") == [
        "archon|11"
    ]


@pytest.mark.parametrize(
    ("what", "statement", "expected"),
    [
        ("policies", "SELECT count(*) FROM pg_policies", "18"),
        ("settings", "SELECT count(*) FROM archon_settings", "45"),
        ("migrations", "SELECT count(*) FROM archon_migrations", "11"),
        ("journal", "SELECT count(*) FROM bulkhead.migration WHERE name = 'complete_setup.sql'", "1"),
        ("extensions", "SELECT count(*) FROM pg_extension WHERE extname IN ('vector', 'pg_trgm', 'pgcrypto')", "3"),
        ("prelude", "SELECT count(*) FROM pg_proc WHERE pronamespace = 'auth'::regnamespace", "3"),
        ("watch", "SELECT count(*) FROM pg_event_trigger WHERE evtenabled <> 'D'", "2"),
    ],
)
def test_what_the_migration_left(sql, what, statement, expected):
    assert sql("archon_db", statement) == [expected], what


def test_the_database_is_owned_and_closed(sql):
    assert sql("postgres", "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'archon_db'") == ["archon"]
    allowed = "SELECT has_database_privilege('%s', 'archon_db', 'CONNECT')"
    for role, may in {
        "archon": "t",
        "authenticator": "t",
        "n8n": "f",
        "flowise": "f",
        "odoo": "f",
        "anon": "f",
    }.items():
        assert sql("postgres", allowed % role) == [may], role


def test_the_owner_logs_in_with_the_password_of_its_file(machine, demo):
    path = demo / "state" / "secrets" / "archon_db.password"
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    address = machine.check_output(
        "docker inspect -f %s supabase-ai-db", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    )
    command = "docker exec -e PGPASSWORD=%s supabase-ai-db psql -h %s -U archon -XAtq archon_db"
    command += " -c 'CREATE TABLE t(i int); DROP TABLE t'"
    assert machine.run(command, path.read_text().strip(), address).rc == 0
    assert machine.run(command, "another", address).rc != 0


def test_the_api_roles_see_what_policies_let_them(sql):
    statement = "SET ROLE %s; SELECT count(*) FROM archon_settings"
    assert sql("archon_db", statement % "service_role") == ["45"]
    assert int(sql("archon_db", statement % "anon")[0]) < 45


def test_the_old_tables_are_untouched(sql):
    assert sql(
        "postgres", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'archon\\_%'"
    ) == ["11"]
    assert int(sql("postgres", "SELECT count(*) FROM archon_crawled_pages")[0]) >= 3000


def test_the_services_are_where_they_were(demo, inspect):
    assert "SUPABASE_URL=http://host.docker.internal:18000\n" in (demo / "archon" / ".env").read_text()
    assert "SUPABASE_URL=http://host.docker.internal:18000" in inspect("archon-mcp")["Config"]["Env"]


def test_safety_dumps_came_first(demo):
    folder = demo / "backups" / "supabase-ai" / "before-isolation"
    for name in ("postgres", "archon_db"):
        copies = [path for path in (folder / name).glob("backup_*.dump*") if ".reference." not in path.name]
        assert len(copies) == 1, name
    assert len(list((folder / "postgres").glob("backup_*.reference.dump*"))) == 1


def test_the_journal_is_private_and_open(demo):
    path = demo / "state" / "journal" / "archon_db.jsonl"
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    text = path.read_text()
    assert "completed" not in text
    assert (demo / "state" / "secrets" / "archon_db.password").read_text().strip() not in text


def test_nothing_is_left_in_the_servers_tmp(machine):
    assert machine.check_output("docker exec supabase-ai-db ls -A /tmp") == ""
