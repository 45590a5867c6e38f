# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults from outside, while a service gets its database: the old state serves, or the new one, and no row is lost."""

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import eventually

IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
PASSWORD = "only-for-this-test"
APP = {"database": "app_db", "owner": "app", "owner_password": PASSWORD}
LEGACY = {"database": "postgres", "tables": "public.app_*"}
# A playbook has to come to it, on a machine where others run too.
ALLOWED_S = 240
ROWS = "SELECT count(*) FROM app_row"
# In one visit of the container.
CLEAN_UP = """
SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE datname LIKE 'app_%' \\gexec
DROP TABLE IF EXISTS app_row;
SELECT format(statement, rolname)
  FROM pg_roles, unnest(ARRAY['DROP OWNED BY %I CASCADE', 'DROP ROLE %I']) WITH ORDINALITY AS step (statement, number)
 WHERE rolname IN ('app', 'supabase') ORDER BY rolname, number \\gexec
"""


def docker(*arguments: str) -> None:
    """Run a docker command."""
    subprocess.run(["docker", *arguments], check=True, stdout=subprocess.DEVNULL)


def start(environment: dict[str, str], folder: pathlib.Path, **options: Any) -> "subprocess.Popen[str]":
    """Start the module by itself; return its process."""
    path = folder / "arguments.json"
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    module = "ansible_collections.bulkhead.stack.plugins.modules.pg_database_isolate"
    variables = dict(environment, PYTHONPATH=environment["ANSIBLE_COLLECTIONS_PATH"])
    command = [sys.executable, "-m", module, str(path)]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def small(start_server: Any) -> Any:
    """Return a server whose data lies on a small tmpfs; its write-ahead log lies elsewhere, so that it lives on."""
    log = "POSTGRES_INITDB_WALDIR=/var/lib/postgresql/wal"
    return start_server(IMAGE, "--tmpfs", "/var/lib/postgresql/data:size=120m", "-e", log)


def test_a_disk_that_fills_up_loses_nothing(call: Any, small: Any, tmp_path: pathlib.Path) -> None:
    # Rows without a pattern, uncompressed: there is no room for them twice.
    small.sql(
        "postgres",
        "CREATE TABLE app_row (id serial PRIMARY KEY, body text); ALTER TABLE app_row ALTER body SET STORAGE PLAIN;"
        " INSERT INTO app_row (body) SELECT repeat(md5(n::text), 25) FROM generate_series(1, 70000) n",
    )
    journal = tmp_path / "journal.jsonl"
    options = {"container": small.name, **APP, "data": "copy", "legacy": LEGACY, "journal": str(journal)}
    failed = call("pg_database_isolate", **options)
    assert failed.get("failed") is True, failed
    assert "could not extend file" in failed["msg"]
    assert "Is the server's disk full" in failed["msg"]
    assert "What was begun was taken back" in failed["msg"]
    assert small.sql("postgres", ROWS) == "70000"
    assert small.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_db'") == "0"
    assert small.sql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'app'") == "0"
    # The server serves on, and once there is room it is done.
    small.sql("postgres", "DELETE FROM app_row WHERE id > 20000")
    small.sql("postgres", "VACUUM FULL app_row")
    done = call("pg_database_isolate", **options)
    assert done.get("changed") is True, done
    assert small.sql("app_db", ROWS) == "20000"


@pytest.fixture
def server(servers: Any) -> Iterator[Any]:
    """Yield a server without what the test before left."""
    yield servers
    servers.script("postgres", CLEAN_UP)


def test_a_server_that_is_killed_in_mid_migration(
    call: Any, server: Any, environment: dict[str, str], tmp_path: pathlib.Path
) -> None:
    server.sql("postgres", "CREATE DATABASE app_slow")
    slow = "SELECT pg_sleep(300) WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'app_slow')"
    migration = tmp_path / "setup.sql"
    migration.write_text(f"CREATE TABLE first ();\n{slow};\nCREATE TABLE second ();\n")
    options = {"container": server.name, **APP, "migrations": [str(migration)]}
    process = start(environment, tmp_path, **options)
    seen = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND datname = 'app_db'"
    eventually("the migration", lambda: server.sql("postgres", seen) == "1", ALLOWED_S)
    docker("kill", server.name)
    said = json.loads(process.communicate()[0])
    assert said["failed"] is True, said
    docker("start", server.name)
    server.wait()
    server.sql("postgres", "DROP DATABASE app_slow")
    again = call("pg_database_isolate", **options)
    assert again.get("changed") is True, again
    assert server.sql("app_db", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "2"
    assert server.sql("app_db", "SELECT count(*) FROM bulkhead.migration") == "1"
    assert call("pg_database_isolate", **options)["changed"] is False


def test_the_password_of_a_role_in_use_is_never_replaced(call: Any, server: Any) -> None:
    server.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'as-it-is'; CREATE TABLE app_row (id int)")
    verifier = "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'"
    before = server.sql("postgres", verifier)
    command = [
        "docker",
        "exec",
        "-e",
        "PGPASSWORD=as-it-is",
        server.name,
        "psql",
        "-h",
        "127.0.0.1",
        "-U",
        "app",
        "postgres",
    ]
    session = subprocess.Popen([*command, "-c", "SELECT pg_sleep(60)"], stderr=subprocess.DEVNULL)
    seen = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"
    try:
        eventually("its session", lambda: server.sql("postgres", seen) == "1", ALLOWED_S)
        refused = call("pg_database_isolate", container=server.name, **APP)
        assert "Role app has another password, and is in use: 1 sessions in postgres" in refused["msg"]
        assert server.sql("postgres", verifier) == before
        assert server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_db'") == "0"
        same = call("pg_database_isolate", container=server.name, **{**APP, "owner_password": "as-it-is"})
        assert same.get("changed") is True, same
    finally:
        server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
        session.wait()
    # Nobody uses it now: it gets the new one; and has the old one again where the rest fails.
    wrong = call("pg_database_isolate", container=server.name, expect={"tables": ["never"]}, **APP)
    assert "table never is missing" in wrong["msg"], wrong
    assert server.sql("postgres", verifier) == before
    done = call("pg_database_isolate", container=server.name, **APP)
    assert done["changes"] == ["role app"]
    assert server.sql("app_db", "SELECT 1", "app", PASSWORD) == "1"


def test_a_login_that_is_no_superuser(call: Any, server: Any, tmp_path: pathlib.Path) -> None:
    server.sql("postgres", "CREATE ROLE supabase LOGIN CREATEDB CREATEROLE PASSWORD 'pw'")
    login = {"container": server.name, "login_user": "supabase", "login_password": "pw"}
    refused = call("pg_database_isolate", extensions=["vector"], **login, **APP)
    assert "vector isn't a trusted one, and supabase is no superuser" in refused["msg"]
    assert "supabase_admin" in refused["msg"]
    assert server.sql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'app'") == "0"
    migration = tmp_path / "setup.sql"
    migration.write_text("CREATE TABLE thing (id uuid DEFAULT gen_random_uuid());")
    options = dict(login, **APP, extensions=["pgcrypto"], migrations=[str(migration)])
    done = call("pg_database_isolate", **options)
    assert done.get("changed") is True, done
    assert server.sql("app_db", "INSERT INTO thing DEFAULT VALUES RETURNING 1", "app", PASSWORD) == "1"
    assert call("pg_database_isolate", **options)["changed"] is False
    # The verifier can't be read by this login; a wrong password is told from a right one all the same.
    other = call("pg_database_isolate", check=True, **{**options, "owner_password": "another"})
    assert other["changes"] == ["role app"], other


def test_an_adopted_database_is_handed_over_with_what_is_in_it(call: Any, server: Any, tmp_path: pathlib.Path) -> None:
    server.sql("postgres", "CREATE DATABASE app_db")
    server.sql(
        "app_db",
        "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE thing (id serial PRIMARY KEY, mood mood, day date);"
        " CREATE VIEW things AS SELECT * FROM thing; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        " CREATE EXTENSION pgcrypto",
    )
    migration = tmp_path / "setup.sql"
    migration.write_text("CREATE TABLE thing (id serial PRIMARY KEY);")
    options = {"container": server.name, **APP, "migrations": [str(migration)], "expect": {"tables": ["thing"]}}
    assert "is owned by postgres, not app" in call("pg_database_isolate", **options)["msg"]
    done = call("pg_database_isolate", adopt=True, **options)
    assert done.get("changed") is True, done
    upgrade = (
        "ALTER TABLE thing ADD COLUMN more int; ALTER TYPE mood ADD VALUE 'bad'; DROP VIEW things; DROP FUNCTION f()"
    )
    server.sql("app_db", upgrade, "app", PASSWORD)
    assert server.sql("app_db", "SELECT count(*) FROM bulkhead.migration") == "1"
    assert call("pg_database_isolate", adopt=True, **options)["changed"] is False


@pytest.mark.parametrize("name", ["é" * 31 + "x", "é" * 32])
def test_a_name_as_long_as_postgres_takes_it(call: Any, server: Any, name: str) -> None:
    done = call("pg_database_isolate", container=server.name, **{**APP, "database": "app_" + name[4:]})
    whole = "app_" + name[4:]
    there = server.sql("postgres", f"SELECT count(*) FROM pg_database WHERE datname = '{whole}'")
    fits = len(whole.encode()) <= 63
    assert (done.get("changed"), there) == ((True, "1") if fits else (None, "0")), done


STACK = """\
services:
  db:
    image: IMAGE
    environment: {POSTGRES_PASSWORD: only-for-this-test}
    labels: [bulkhead.test=true]
    healthcheck: {test: "pg_isready -q -h 127.0.0.1", interval: 1s, retries: 60}
  n8n:
    image: IMAGE
    init: true
    command: [sleep, infinity]
    depends_on: {db: {condition: service_healthy}}
    labels: [bulkhead.test=true]
    environment: {NAME: postgres, USER: postgres, PASSWORD: only-for-this-test}
    # Well in the old place at once; in the new one only once it is let.
    healthcheck:
      test: 'test "$$NAME" = postgres || test -e /tmp/well'
      interval: 1s
      retries: 100
networks:
  default:
    labels: [bulkhead.test=true]
"""


@pytest.mark.parametrize("then", ["finished", "undone"])
def test_a_run_that_is_killed_after_the_switch(make_project: Any, then: str) -> None:
    project = make_project(stack=STACK.replace("IMAGE", IMAGE))
    container = f"{project.name}-n8n-1"

    def sql(database: str, statement: str) -> str:
        command = ["exec", "-T", "db", "psql", "-U", "postgres", "-XAtq", "-d", database, "-c", statement]
        return str(project.compose(*command))

    sql(
        "postgres",
        "CREATE TABLE app_row (id serial PRIMARY KEY); INSERT INTO app_row SELECT FROM generate_series(1, 50)",
    )
    described = {
        "clusters": {"main": {"container": f"{project.name}-db-1"}},
        "databases": {
            "app_db": {
                "cluster": "main",
                "owner": "app",
                "data": "copy",
                "legacy": {"database": "postgres", "tables": "public.app_*", "archive_schema": "app_archive"},
            }
        },
        "services": {
            "n8n": {
                "compose_file": str(project.files[0]),
                "container": container,
                "database": "app_db",
                "repoint": True,
                "database_variables": {"name": "NAME", "user": "USER", "password": "PASSWORD"},
            }
        },
    }
    process = project.start("site", described)

    def runs_on_its_own() -> bool:
        # Not inspect(): while Compose makes the container anew, there is none of its name.
        command = ["docker", "inspect", "--format", "{{.State.Running}} {{.Config.Env}}", container]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return said.startswith("true ") and "NAME=app_db" in said

    # It runs on its own database, and isn't well yet: the run waits.
    eventually("the switch", lambda: runs_on_its_own() or process.poll() is not None, ALLOWED_S)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    sql("app_db", "INSERT INTO app_row DEFAULT VALUES")
    if then == "finished":
        docker("exec", container, "touch", "/tmp/well")
        again = project.play("site", described)
        assert again.returncode == 0, again.stdout
        assert sql("app_db", ROWS) == "51"
        assert sql("postgres", "SELECT count(*) FROM app_archive.app_row") == "50"
        assert project.inspect("n8n")["State"]["Health"]["Status"] == "healthy"
        assert "changed=0" in project.play("site", described).stdout
        return
    undone = project.play("rollback", described, "-e", "bulkhead_rollback_database=app_db")
    assert undone.returncode == 0, undone.stdout
    assert "NAME=postgres" in project.inspect("n8n")["Config"]["Env"]
    assert sql("postgres", ROWS) == "50"
    # The row that came meanwhile isn't lost: its database is put aside.
    aside = sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'app_db_undone%'")
    assert sql(aside, ROWS) == "51"
