# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that holds its database in variables gets one of its own: a stand-in for n8n that only logs in to it."""

import os
from typing import Any

import pytest

IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
# The stand-in is well while the variables let it in, and while it isn't kept from what a test calls forbidden.
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
    # the program
    command: [sleep, infinity]
    depends_on: {db: {condition: service_healthy}}
    labels: [bulkhead.test=true]
    environment:
      DB_TYPE: postgresdb
      DB_POSTGRESDB_HOST: db
      DB_POSTGRESDB_DATABASE: postgres   # shared
      DB_POSTGRESDB_USER: postgres
      DB_POSTGRESDB_PASSWORD: only-for-this-test
    healthcheck:
      test: >-
        test "$$DB_POSTGRESDB_DATABASE" != FORBIDDEN &&
        PGPASSWORD=$$DB_POSTGRESDB_PASSWORD psql -qXAt -h $$DB_POSTGRESDB_HOST -U $$DB_POSTGRESDB_USER
        -d $$DB_POSTGRESDB_DATABASE -c 'CREATE TABLE IF NOT EXISTS seen ()'
      interval: 1s
      timeout: 5s
      retries: 3
networks:
  default:
    labels: [bulkhead.test=true]
"""


def platform(project: Any) -> dict[str, Any]:
    """The description: n8n is to have a database of its own."""
    return {
        "clusters": {"main": {"container": "%s-db-1" % project.name, "superuser": "postgres"}},
        "databases": {"n8n_db": {"cluster": "main", "owner": "n8n", "criticality": "high"}},
        "services": {
            "n8n": {
                "profile": "n8n",
                "compose_file": str(project.files[0]),
                "container": "%s-n8n-1" % project.name,
                "database": "n8n_db",
                "repoint": True,
            }
        },
    }


def sql(project: Any, database: str, statement: str) -> str:
    """Run SQL in the project's server."""
    return str(project.compose("exec", "-T", "db", "psql", "-U", "postgres", "-XAtq", "-d", database, "-c", statement))


@pytest.mark.parametrize("forbidden", ["nothing", "n8n_db"])
def test_it_gets_a_database_of_its_own_or_stays(make_project: Any, forbidden: str) -> None:
    project = make_project(stack=STACK.replace("IMAGE", IMAGE).replace("FORBIDDEN", forbidden))
    before, old = project.files[0].read_text(), project.inspect("n8n")
    if forbidden == "nothing":
        # To a check run both are the same.
        checked = project.play("site", platform(project), "--check", "--diff")
        assert checked.returncode == 0, checked.stdout
        assert project.files[0].read_text() == before
        assert sql(project, "postgres", "SELECT count(*) FROM pg_database WHERE datname = 'n8n_db'") == "0"

    shorter = () if forbidden == "nothing" else ("-e", "database_switch_wait_timeout=20")
    done = project.play("site", platform(project), "--diff", *shorter)
    secret = project.folder / "state" / "secrets" / "n8n_db.password"
    if forbidden == "n8n_db":
        assert done.returncode != 0
        assert "are where they were" in done.stdout
        assert project.files[0].read_text() == before
        assert project.inspect("n8n")["State"]["Health"]["Status"] == "healthy"
        assert sql(project, "postgres", "SELECT count(*) FROM pg_database WHERE datname = 'n8n_db'") == "0"
        return
    assert done.returncode == 0, done.stdout
    password = secret.read_text().strip()
    assert password not in done.stdout
    assert "only-for-this-test" not in done.stdout
    after = project.files[0].read_text()
    assert "DB_POSTGRESDB_DATABASE: n8n_db   # shared" in after
    new = project.inspect("n8n")
    assert new["Id"] != old["Id"]
    assert "DB_POSTGRESDB_USER=n8n" in new["Config"]["Env"]
    assert new["State"]["Health"]["Status"] == "healthy"
    assert sql(project, "n8n_db", "SELECT tableowner FROM pg_tables WHERE tablename = 'seen'") == "n8n"

    again = project.play("site", platform(project))
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
    assert project.inspect("n8n")["Id"] == new["Id"]


def test_its_rows_move_with_it_and_back(call: Any, make_project: Any) -> None:
    """The playbooks bulkhead.stack.site and bulkhead.stack.rollback, and the module isolation_rollback by itself."""
    project = make_project(stack=STACK.replace("IMAGE", IMAGE).replace("FORBIDDEN", "nothing"))
    sql(
        project,
        "postgres",
        "CREATE SCHEMA n8n; CREATE SEQUENCE n8n.loose START 7; CREATE TYPE n8n.mood AS ENUM ('good', 'bad');"
        " CREATE TABLE n8n.workflow (id int PRIMARY KEY DEFAULT nextval('n8n.loose'), mood n8n.mood);"
        " INSERT INTO n8n.workflow (mood) SELECT 'good' FROM generate_series(1, 1000)",
    )
    described = platform(project)
    legacy = {"database": "postgres", "schemas": ["n8n"], "archive_schema": "n8n_archive"}
    described["databases"]["n8n_db"].update(data="copy", legacy=legacy)
    checked = project.play("site", described, "--check", "--diff")
    assert checked.returncode == 0, checked.stdout
    done = project.play("site", described)
    assert done.returncode == 0, done.stdout
    assert "down for" in done.stdout
    assert (
        sql(project, "n8n_db", "SELECT count(*), max(id), nextval('n8n.loose') FROM n8n.workflow") == "1000|1006|1007"
    )
    assert sql(project, "n8n_db", "SELECT state FROM bulkhead.fill ORDER BY number DESC LIMIT 1") == "final"
    assert "DB_POSTGRESDB_DATABASE=n8n_db" in project.inspect("n8n")["Config"]["Env"]
    assert project.inspect("n8n")["State"]["Health"]["Status"] == "healthy"
    again = project.play("site", described)
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout

    # It is used there, and goes back with what it wrote; the file was edited elsewhere meanwhile.
    sql(
        project,
        "n8n_db",
        "INSERT INTO n8n.workflow (mood) VALUES ('bad'); UPDATE n8n.workflow SET mood = 'bad' WHERE id = 7;"
        " DELETE FROM n8n.workflow WHERE id = 8",
    )
    compose = project.files[0]
    compose.write_text(compose.read_text().replace("# the program", "# the program, still"))
    back = ("-e", "bulkhead_rollback_database=n8n_db")
    refused = project.play("rollback", described, *back)
    assert refused.returncode != 0
    assert "n8n.workflow (2 came or changed, 2 went or changed)" in refused.stdout
    assert project.inspect("n8n")["State"]["Running"] is True
    assert "DB_POSTGRESDB_DATABASE=n8n_db" in project.inspect("n8n")["Config"]["Env"]

    journal = str(project.folder / "state" / "journal" / "n8n_db.jsonl")
    options = {"container": "%s-db-1" % project.name, "database": "n8n_db", "shared": "postgres", "journal": journal}
    planned = call("isolation_rollback", check=True, archive_schema="n8n_archive", rows="discard", **options)
    assert planned["changes"] == ["what was put aside in postgres", "files and services", "database n8n_db"]
    assert planned["written"] == {"n8n.workflow": {"came": 2, "gone": 2}}

    rolled = project.play("rollback", described, *back, "-e", "bulkhead_rollback_rows=copy_back")
    assert rolled.returncode == 0, rolled.stdout
    rows = "SELECT count(*), sum((mood = 'bad')::int), nextval('n8n.loose') FROM n8n.workflow"
    assert sql(project, "postgres", rows) == "1000|2|1009"
    assert sql(project, "postgres", "SELECT count(*) FROM n8n.workflow WHERE id = 8") == "0"
    assert "DB_POSTGRESDB_DATABASE: postgres   # shared" in compose.read_text()
    assert "# the program, still" in compose.read_text()
    assert "DB_POSTGRESDB_DATABASE=postgres" in project.inspect("n8n")["Config"]["Env"]
    assert project.inspect("n8n")["State"]["Health"]["Status"] == "healthy"
    aside = sql(project, "postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'n8n_db%'")
    assert aside.startswith("n8n_db_undone_")
    assert sql(project, aside, "SELECT count(*) FROM n8n.workflow") == "1000"
    register = (project.folder / "state" / "register.jsonl").read_text()
    assert aside in register
    assert sql(project, "postgres", "SELECT count(*) FROM pg_namespace WHERE nspname = 'n8n_archive'") == "0"
    nothing = project.play("rollback", described, *back)
    assert nothing.returncode == 0, nothing.stdout
    assert "holds nothing that could be taken back" in nothing.stdout
    assert "changed=0" in nothing.stdout
    wrong = project.play("rollback", described, "-e", "bulkhead_rollback_database=n8n")
    assert wrong.returncode != 0
    assert "It has: n8n_db" in wrong.stdout
