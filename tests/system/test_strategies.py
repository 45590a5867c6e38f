# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that stays in the shared database: its objects are its own, by a schema or by their prefix."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

SETUP = """
CREATE ROLE neighbour LOGIN PASSWORD 'pw'; CREATE ROLE readers;
CREATE ROLE reporter LOGIN PASSWORD 'pw' IN ROLE readers;
CREATE ROLE service_role NOLOGIN BYPASSRLS; CREATE ROLE api LOGIN PASSWORD 'pw' NOINHERIT; GRANT service_role TO api;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO neighbour;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO readers;
CREATE TYPE archon_mood AS ENUM ('good', 'bad');
CREATE FUNCTION archon_touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.seen := now(); RETURN new; END $$;
CREATE TABLE archon_setting (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Key" text, mood archon_mood, seen timestamptz);
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON archon_setting FOR EACH ROW EXECUTE FUNCTION archon_touch();
CREATE TABLE archon_event (day date, body text) PARTITION BY RANGE (day);
CREATE TABLE archon_event_1 PARTITION OF archon_event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE archon_base (a int); CREATE TABLE archon_child (b int) INHERITS (archon_base);
CREATE TABLE "archon_Mixed ""{}% é" (id serial);
CREATE VIEW archon_names AS SELECT "Key" FROM archon_setting;
ALTER TABLE archon_base ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON archon_base USING (a > 0);
GRANT SELECT ("Key") ON archon_setting TO readers; GRANT UPDATE (mood) ON archon_setting TO neighbour WITH GRANT OPTION;
CREATE TABLE other_thing (id int);
INSERT INTO archon_setting ("Key", mood) SELECT 'key ' || n, 'good' FROM generate_series(1, 20) n;
"""
# In one visit of the container.
CLEAN_UP = """
DROP SCHEMA IF EXISTS archon CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO PUBLIC;
SELECT format(statement, rolname)
  FROM pg_roles, unnest(ARRAY['REVOKE ALL ON DATABASE postgres FROM %I', 'DROP OWNED BY %I', 'DROP ROLE %I'])
    WITH ORDINALITY AS step (statement, number)
 WHERE rolname IN ('neighbour', 'readers', 'reporter', 'service_role', 'api', 'archon') ORDER BY rolname, number \\gexec
"""
LEGACY = {"database": "postgres", "tables": "public.archon_*"}
OPTIONS = {"database": "postgres", "owner": "archon", "owner_password": "only-for-this-test", "legacy": LEGACY}


@pytest.fixture
def cluster(servers: Any) -> Iterator[Any]:
    """Yield a server with a service's tables beside another's."""
    servers.sql("postgres", SETUP)
    yield servers
    servers.script("postgres", CLEAN_UP)


def definition(cluster: Any) -> str:
    """Return the database's whole definition, its rows left out."""
    command = ["docker", "exec", cluster.name, "pg_dump", "-s", "-U", "postgres", "postgres"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    # pg_dump makes up another word each time.
    return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


def works(cluster: Any, role: str, password: str, statement: str) -> bool:
    """Whether a role can run a statement; where it can't, it is for want of a right."""
    try:
        cluster.sql("postgres", statement, role, password)
    except AssertionError as error:
        assert "permission denied" in str(error) or "must be owner" in str(error), error
        return False
    return True


@pytest.mark.parametrize("strategy", ["prefix", "schema"])
def test_it_is_its_own_among_others(call: Any, cluster: Any, tmp_path: pathlib.Path, strategy: str) -> None:
    journal = tmp_path / "journal.jsonl"
    options = dict(OPTIONS, strategy=strategy, container=cluster.name, connect_roles=["service_role"])
    before = definition(cluster)
    checked = call("pg_database_isolate", check=True, **options)
    assert checked.get("failed") is not True, checked
    assert definition(cluster) == before
    done = call("pg_database_isolate", journal=str(journal), **options)
    assert done.get("failed") is not True, done
    assert done["changes"] == checked["changes"]
    assert "objects of archon in postgres" in done["changes"]
    assert "dropped" in done["cannot_contain"]
    assert "superuser" in done["cannot_contain"]
    assert any("neighbour, readers" in text for text in done["warnings_found"])
    schema = "public" if strategy == "prefix" else "archon"

    # The others are kept out, whichever way they were in.
    for role in ("neighbour", "reporter"):
        for statement in (
            f"SELECT * FROM {schema}.archon_setting",
            f'SELECT "Key" FROM {schema}.archon_setting',
            f"UPDATE {schema}.archon_setting SET mood = 'bad'",
            f"DELETE FROM {schema}.archon_event_1",
            f"SELECT * FROM {schema}.archon_names",
            f"DROP TABLE {schema}.archon_child",
        ):
            assert not works(cluster, role, "pw", statement), (role, statement)
    assert works(cluster, "neighbour", "pw", "INSERT INTO other_thing VALUES (1)")
    # Its owner owns: it uses, upgrades, and finds its tables by their bare names.
    for statement in (
        "INSERT INTO archon_setting (\"Key\") VALUES ('new'); UPDATE archon_setting SET mood = 'bad' WHERE id = 1",
        "ALTER TABLE archon_setting ADD COLUMN more int; ALTER TYPE archon_mood ADD VALUE 'so so'",
        "ALTER TABLE archon_setting DROP COLUMN more; CREATE TABLE archon_later (id int)",
        "INSERT INTO archon_event VALUES ('2026-05-05', 'x'); SELECT * FROM archon_names",
        'INSERT INTO "archon_Mixed ""{}% é" DEFAULT VALUES',
    ):
        cluster.sql("postgres", statement, "archon", "only-for-this-test")
    assert works(cluster, "api", "pw", f"SET ROLE service_role; SELECT count(*) FROM {schema}.archon_setting")
    assert works(cluster, "api", "pw", f"SET ROLE service_role; DELETE FROM {schema}.archon_event")
    assert cluster.sql("postgres", f"SELECT count(*) FROM {schema}.archon_setting") == "21"

    # What its program has made meanwhile is let in by default privileges of others, and taken in by the next run.
    taken_in = call("pg_database_isolate", journal=str(journal), **options)
    assert taken_in.get("failed") is not True, taken_in
    again = call("pg_database_isolate", journal=str(journal), **options)
    assert again["diff"] == []


@pytest.mark.parametrize("strategy", ["prefix", "schema"])
def test_it_is_taken_back_to_the_last_right(call: Any, cluster: Any, tmp_path: pathlib.Path, strategy: str) -> None:
    journal = tmp_path / "journal.jsonl"
    before = definition(cluster)
    options = dict(OPTIONS, strategy=strategy, container=cluster.name, connect_roles=["service_role"])
    done = call("pg_database_isolate", journal=str(journal), **options)
    assert done["changed"] is True, done
    assert definition(cluster) != before
    undone = call("isolation_journal", container=cluster.name, journal=str(journal), state="undone")
    assert undone.get("failed") is not True, undone
    assert definition(cluster) == before
    assert cluster.sql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'archon'") == "0"
    assert "only-for-this-test" not in journal.read_text()
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_playbooks_isolate_it_and_take_it_back(
    cluster: Any, tmp_path: pathlib.Path, environment: dict[str, str]
) -> None:
    """The playbooks bulkhead.stack.isolate and bulkhead.stack.rollback, with an inventory as a user has it."""
    before = definition(cluster)
    database = {"cluster": "main", "name": "postgres", "strategy": "prefix", "owner": "archon", "legacy": LEGACY}
    host = {
        "ansible_connection": "local",
        "ansible_pipelining": True,
        "ansible_python_interpreter": sys.executable,
        "bulkhead_platform": {
            "state_dir": str(tmp_path / "state"),
            "backup_root": str(tmp_path / "backups"),
            "clusters": {"main": {"container": cluster.name}},
            "databases": {"archon": {**database, "connect_roles": ["service_role"]}},
        },
    }
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": host}}}))

    def play(name: str, *arguments: str) -> str:
        command = ["ansible-playbook", f"bulkhead.stack.{name}", "-i", str(inventory), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
        return done.stdout

    play("isolate")
    assert definition(cluster) != before
    assert "changed=0" in play("isolate")
    assert list((tmp_path / "backups" / "before-isolation" / "postgres").glob("backup_*.reference.dump*"))
    play("rollback", "-e", "bulkhead_rollback_database=archon")
    assert definition(cluster) == before
    assert "changed=0" in play("rollback", "-e", "bulkhead_rollback_database=archon")


def test_what_it_expects_of_roles_is_asked_and_else_all_is_taken_back(call: Any, cluster: Any) -> None:
    before = definition(cluster)
    roles = {"neighbour": {"works": ["SELECT * FROM archon_setting"]}}
    done = call("pg_database_isolate", strategy="prefix", container=cluster.name, expect={"roles": roles}, **OPTIONS)
    assert "can't run `SELECT * FROM archon_setting`" in done["msg"]
    assert definition(cluster) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"data": "copy"}, "data says how a database is made"),
        ({"extensions": ["vector"]}, "extensions says how a database is made"),
        ({"legacy": None}, "strategy prefix needs legacy"),
        ({"legacy": dict(LEGACY, database="template1")}, "legacy names template1"),
        ({"legacy": dict(LEGACY, tables="public.nothing_*")}, "holds no tables of"),
        ({"connect_roles": ["nobody"]}, "there is no such role"),
        ({"database": "nothere", "legacy": dict(LEGACY, database="nothere")}, "nothere"),
        ({"login_user": "neighbour", "login_password": "pw"}, "is no superuser"),
    ],
)
def test_bad_input_changes_nothing(call: Any, cluster: Any, options: Any, says: str) -> None:
    before = definition(cluster)
    done = call("pg_database_isolate", **{**OPTIONS, "strategy": "prefix", "container": cluster.name, **options})
    assert done["failed"] is True
    assert says in done["msg"]
    assert definition(cluster) == before
