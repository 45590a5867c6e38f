# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody enters a database who has nothing there; whoever has goes on."""

import json
import pathlib
import subprocess
from typing import Any

import pytest

ODD = 'n8n "db"; DROP é'
ROLES = """
CREATE ROLE n8n LOGIN PASSWORD 'pw'; CREATE ROLE archon LOGIN PASSWORD 'pw'; CREATE ROLE exporter LOGIN PASSWORD 'pw';
CREATE ROLE app_readers; CREATE ROLE team IN ROLE app_readers; CREATE ROLE reporter LOGIN PASSWORD 'pw' IN ROLE team;
CREATE ROLE monitor LOGIN PASSWORD 'pw' IN ROLE pg_monitor; CREATE ROLE configured LOGIN PASSWORD 'pw';
CREATE ROLE keeper LOGIN PASSWORD 'pw';
"""
ACL = "SELECT datname, datacl FROM pg_database WHERE datname NOT LIKE 'template%' ORDER BY 1"


@pytest.fixture
def cluster(servers: Any) -> Any:
    """Yield a server with a service's database, and roles that have something there or not."""
    servers.sql("postgres", ROLES)
    servers.sql("postgres", 'CREATE DATABASE "%s" OWNER keeper' % ODD.replace('"', '""'))
    servers.sql("postgres", "CREATE DATABASE other")
    servers.sql(ODD, "CREATE TABLE flow (); GRANT SELECT ON flow TO n8n, app_readers")
    servers.sql("postgres", 'ALTER ROLE configured IN DATABASE "%s" SET work_mem = 8000' % ODD.replace('"', '""'))
    yield servers
    for database in (ODD, "other"):
        servers.sql("postgres", 'DROP DATABASE "%s" WITH (FORCE)' % database.replace('"', '""'))
    for role in ("n8n", "archon", "exporter", "reporter", "team", "app_readers", "monitor", "configured", "keeper"):
        servers.sql("postgres", f"DROP OWNED BY {role}; DROP ROLE {role}")


def enters(cluster: Any, role: str, database: str) -> bool:
    """Whether a role logs in to a database."""
    try:
        cluster.sql(database, "SELECT 1", role, "pw")
    except AssertionError as error:
        assert "permission denied for database" in str(error)
        return False
    return True


def test_who_has_something_there_keeps_it_and_nobody_else(call: Any, cluster: Any, tmp_path: pathlib.Path) -> None:
    before = cluster.sql("postgres", ACL)
    journal = tmp_path / "journal.jsonl"
    options = {
        "container": cluster.name,
        "databases": [{"name": ODD, "connect_roles": ["exporter"]}],
        "journal": str(journal),
    }
    checked = call("pg_database_access", check=True, **options)
    assert checked["changed"] is True
    assert cluster.sql("postgres", ACL) == before
    assert not journal.exists()
    done = call("pg_database_access", **options)
    assert done["changes"] == checked["changes"] == [f"who may connect to {ODD}"]
    assert done["kept"] == {
        ODD: {
            "configured": "it has settings there",
            "exporter": "it is one of connect_roles",
            "n8n": "it owns or uses objects there",
            "reporter": "it is a member of app_readers",
        }
    }
    assert any("archon, monitor" in text for text in done["warnings_found"])
    for role in ("n8n", "exporter", "reporter", "configured", "keeper"):
        assert enters(cluster, role, ODD), role
    for role in ("archon", "monitor"):
        assert not enters(cluster, role, ODD), role
        assert enters(cluster, role, "other"), role
    again = call("pg_database_access", **options)
    assert (again["changed"], again["warnings_found"]) == (False, [])

    # Taken back as if the run had been cut off: the rights are what they were.
    lines = [line for line in journal.read_text().splitlines() if '"completed"' not in line]
    assert len(lines) == 1
    journal.write_text("\n".join(lines) + "\n")
    undone = call("isolation_journal", container=cluster.name, journal=str(journal), state="undone")
    assert undone["restored"] == [f"who may connect to {ODD}"]
    assert enters(cluster, "archon", ODD)
    assert json.loads(lines[0])["kind"] == "sql"


def test_who_is_connected_keeps_it_and_is_named(call: Any, cluster: Any) -> None:
    command = [
        "docker",
        "exec",
        "-e",
        "PGPASSWORD=pw",
        cluster.name,
        "psql",
        "-h",
        "127.0.0.1",
        "-U",
        "archon",
        "other",
    ]
    session = subprocess.Popen([*command, "-c", "SELECT pg_sleep(60)"], stderr=subprocess.DEVNULL)
    open_there = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'archon' AND query LIKE '%pg_sleep%'"
    try:
        while cluster.sql("postgres", open_there) != "1":
            assert session.poll() is None
        done = call("pg_database_access", container=cluster.name, databases=[{"name": "other"}])
    finally:
        cluster.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'archon'")
        session.wait()
    assert any("archon has nothing in other, but 1 of its sessions is open" in text for text in done["warnings_found"])
    assert enters(cluster, "archon", "other")
    assert not enters(cluster, "n8n", "other")
    again = call("pg_database_access", container=cluster.name, databases=[{"name": "other"}])
    assert again["changed"] is False


@pytest.mark.parametrize(
    ("databases", "says"),
    [
        ([{"name": "nothere"}, {"name": "nor"}], "There is no database nor, nothere"),
        ([{"name": "template1"}], "is a template database"),
        ([{"name": "other", "connect_roles": ["nobody"]}], "there is no such role"),
    ],
)
def test_bad_input_changes_nothing(call: Any, cluster: Any, databases: Any, says: str) -> None:
    before = cluster.sql("postgres", ACL)
    done = call("pg_database_access", container=cluster.name, databases=[{"name": "postgres"}, *databases])
    assert says in done["msg"]
    assert cluster.sql("postgres", ACL) == before


def test_who_does_not_own_a_database_is_told(call: Any, cluster: Any) -> None:
    login = {"container": cluster.name, "login_user": "keeper", "login_password": "pw"}
    assert "doesn't own other" in call("pg_database_access", databases=[{"name": "other"}], **login)["msg"]
    done = call("pg_database_access", databases=[{"name": ODD}], **login)
    assert done["changed"] is True
    assert not enters(cluster, "archon", ODD)
