# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database can't be dropped by mistake: refused, kept aside, brought back, and gone only after its day."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg2
import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Endpoint, Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sessions import users
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Sql

from .conftest import eventually

WAIT_S = 30
IMAGE = os.environ.get("BULKHEAD_POSTGRES17_IMAGE", "bulkhead/postgres:17")
INITDB = "POSTGRES_INITDB_ARGS=-c wal_level=logical -c max_prepared_transactions=5"
SETUP = """
CREATE TABLE item (id int PRIMARY KEY, name text);
INSERT INTO item SELECT g, 'item' FROM generate_series(1, 7) g;
CREATE SCHEMA other; CREATE TABLE other.empty (a int);
"""


def moment(**later: int) -> str:
    """Return now, or so much later, as the modules write it."""
    return (datetime.now(timezone.utc) + timedelta(**later)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def server(start_server: Any) -> Any:
    """Return a server that can have logical slots and prepared transactions."""
    return start_server(IMAGE, "-e", INITDB, "-p", "127.0.0.1::5432")


class World:
    """A database with a copy, and the folder that holds copies, register and audit log."""

    def __init__(self, server: Any, call: Any, folder: pathlib.Path, environment: dict[str, str]) -> None:
        self.server, self.call, self.folder, self.environment = server, call, folder, environment
        self.register, self.audit = folder / "state" / "register.jsonl", folder / "state" / "audit.jsonl"
        self.copies = folder / "backups" / "app_db"
        server.sql("postgres", "CREATE DATABASE app_db")
        server.sql("app_db", SETUP)

    def dump(self) -> pathlib.Path:
        """Take a copy, and return its dump."""
        done = self.call(
            "pg_dump_rotate", container=self.server.name, database="app_db", dest=str(self.copies), verify="read"
        )
        assert done["changed"] is True, done
        return next(self.copies.glob("backup_app_db_*.dump*"))

    def options(self, **more: Any) -> dict[str, Any]:
        """Return the module's options."""
        common = {"container": self.server.name, "database": "app_db", "dest": str(self.copies), "cluster": "main"}
        paths = {"register": str(self.register), "audit_log": str(self.audit)}
        return {**common, **paths, "confirm": "app_db", **more}

    def drop(self, check: bool = False, **more: Any) -> dict[str, Any]:
        """Call the module."""
        return self.call("pg_database_drop", check=check, **self.options(**more))

    def start(self, name: str = "run", **more: Any) -> "subprocess.Popen[str]":
        """Start the module; return its process."""
        path = self.folder / (name + ".json")
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": self.options(**more)}))
        module = "ansible_collections.bulkhead.stack.plugins.modules.pg_database_drop"
        variables = dict(self.environment, PYTHONPATH=self.environment["ANSIBLE_COLLECTIONS_PATH"])
        return subprocess.Popen([sys.executable, "-m", module, str(path)], env=variables, stdout=-1, text=True)

    def expire(self, clock: str, check: bool = False, **more: Any) -> dict[str, Any]:
        """Call kept_expire."""
        paths = {"path": str(self.register), "audit_log": str(self.audit), "container": self.server.name}
        return self.call("kept_expire", check=check, cluster="main", clock=clock, **paths, **more)

    def databases(self) -> dict[str, str]:
        """Return the databases of the test, and whether they let anybody in."""
        text = "SELECT datname, datallowconn FROM pg_database WHERE datname LIKE 'app_db%' ORDER BY 1"
        return dict(line.split("|") for line in self.server.sql("postgres", text).splitlines())

    def events(self) -> list[str]:
        """Return what the audit log tells, once its chain is verified."""
        found = self.call("audit_log_info", path=str(self.audit))
        assert found["problems"] == []
        return [line["event"] for line in found["entries"]]

    def kept(self) -> list[str]:
        """Return the names of what is kept."""
        return [item["name"] for item in self.call("kept_info", path=str(self.register))["kept"]]

    def connect(self, database: str, program: str = "a-pool", user: str = "postgres") -> Any:
        """Open a session."""
        port = self.server_port()
        login = {"host": "127.0.0.1", "port": port, "user": user, "password": self.server.password}
        connection = psycopg2.connect(dbname=database, application_name=program, **login)
        connection.autocommit = True
        return connection

    def server_port(self) -> int:
        """Return the port that the server is published on."""
        shown = subprocess.run(
            ["docker", "port", self.server.name, "5432/tcp"], check=True, stdout=subprocess.PIPE, text=True
        )
        return int(shown.stdout.split()[0].rpartition(":")[2])

    def clean(self) -> None:
        """Drop what the test has left."""
        for name in self.databases():
            self.server.sql("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def world(server: Any, call: Any, tmp_path: pathlib.Path, environment: dict[str, str]) -> Iterator[World]:
    """Yield a database to drop."""
    made = World(server, call, tmp_path, environment)
    try:
        yield made
    finally:
        made.clean()


def test_a_role_that_may_see_little_sees_who_uses_a_database(world: World, server: Any) -> None:
    server.sql("postgres", "CREATE ROLE little LOGIN PASSWORD '%s'" % server.password)
    endpoint = Endpoint("127.0.0.1", world.server_port(), "little", server.password)
    seen = Postgres(endpoint, application_name="bulkhead/seen")
    try:
        # Of another role's session it isn't told what kind it is, nor from where.
        with contextlib.closing(world.connect("app_db")), contextlib.closing(world.connect("app_db", "", "little")):
            assert seen.value(Sql("SELECT 1", database="app_db")) == 1
            found = [(row["role"], row["application"], row["sessions"]) for row in users(seen, "app_db")]
        assert found == [("little", "no name", 1), ("postgres", "a-pool", 1)]
        eventually("they are gone", lambda: users(seen, "app_db") == [], WAIT_S)
    finally:
        seen.close()
        server.sql("postgres", "DROP ROLE little")


def test_it_is_refused(world: World, server: Any) -> None:
    def says(*texts: str, **more: Any) -> dict[str, Any]:
        found = world.drop(**more)
        for text in texts:
            assert text in found.get("msg", ""), found
        return found

    says("There is no copy of app_db in", "verified to the level read", "pg_dump_rotate")
    dump = world.dump()
    says("'app_DB' was typed", confirm="app_DB")
    says("'app_DB' was typed", confirm="app_DB", check=True)
    says("Nothing was typed", confirm="")
    for name in ("postgres", "template1"):
        says(f"Database {name} isn't dropped by this", database=name, confirm=name)
    says("'a while' is no duration", keep_for="a while")
    says("was taken at", "none may be older than 1 d", clock=moment(days=2))
    says("verified to the level drilled", level="drilled")
    # Each reason at once, and what would be lost.
    server.sql("app_db", "CREATE TABLE newer (a int); INSERT INTO newer VALUES (1); INSERT INTO item VALUES (8, 'new')")
    session = world.connect("app_db")
    found = says(
        "is used by app-server, PostgREST instance app",
        "The copy hasn't public.newer",
        "1 of postgres (a-pool, from 1",
        services=["app-server", "PostgREST instance app"],
    )
    assert len(found["refusals"]) == 3
    lost = found["would_lose"]
    assert {item["table"]: item["rows"] for item in lost["tables"]} == {
        "other.empty": 0,
        "public.item": 8,
        "public.newer": 1,
    }
    assert lost["changed_since_copy"] == [{"table": "public.item", "rows_in_copy": 7, "rows": 8}]
    assert (lost["rows"], lost["size_bytes"] > 0, lost["not_in_copy"]) == (9, True, ["public.newer"])
    session.close()
    server.sql("app_db", "DROP TABLE newer")
    # What holds it, inside and outside.
    server.sql("app_db", "SELECT pg_create_logical_replication_slot('app_slot', 'pgoutput')")
    subscription = "CREATE SUBSCRIPTION app_sub CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)"
    server.sql("app_db", subscription)
    server.sql("app_db", "BEGIN; INSERT INTO item VALUES (9, 'x'); PREPARE TRANSACTION 'app-two-phases'")
    says("It is held by replication slot app_slot, subscription app_sub, prepared transaction app-two-phases.")
    server.sql("app_db", "ROLLBACK PREPARED 'app-two-phases'")
    server.sql("app_db", "ALTER SUBSCRIPTION app_sub SET (slot_name = NONE)")
    server.sql("app_db", "DROP SUBSCRIPTION app_sub")
    server.sql("postgres", "SELECT pg_drop_replication_slot('app_slot')")
    # A byte of the copy that is another one, and a folder that isn't one.
    content = dump.read_bytes()
    dump.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    says("its bytes aren't those that were written")
    dump.write_bytes(content)
    says("it isn't a folder", dest=str(dump))
    # Nobody sees what is in it.
    server.sql("postgres", "ALTER DATABASE app_db ALLOW_CONNECTIONS false")
    says("allows no connections")
    server.sql("postgres", "ALTER DATABASE app_db ALLOW_CONNECTIONS true")
    assert world.databases() == {"app_db": "t"}
    assert not world.register.exists()
    assert not world.audit.exists()
    # It was none of all that which let it through; and a health check that comes just now is nobody who uses it.
    with contextlib.closing(world.connect("app_db", "pg_isready")):
        assert world.drop(check=True)["changed"] is True


def test_it_is_kept_aside_brought_back_and_gone_after_its_day(world: World, server: Any) -> None:
    dump = world.dump()
    server.sql("app_db", "INSERT INTO item VALUES (8, 'new')")
    server.sql("postgres", "CREATE EXTENSION IF NOT EXISTS postgres_fdw")
    server.sql(
        "postgres",
        "CREATE SERVER to_app FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'localhost', dbname 'app_db')",
    )
    checked = world.drop(check=True, confirm="")
    server.sql("postgres", "DROP EXTENSION postgres_fdw CASCADE")
    assert (checked["changed"], world.databases()) == (True, {"app_db": "t"})
    assert not world.register.exists() and not world.audit.exists()
    shown = checked["diff"][0]["before"]
    assert "table public.item: 8 rows\n" in shown and "since the copy: public.item had 7 rows" in shown
    assert checked["would_lose"]["led_to_from"] == [
        {"database": "postgres", "kind": "foreign server", "name": "to_app"}
    ]

    # Who is connected is let go only where that was asked for.
    session = world.connect("app_db")
    assert "Somebody is connected" in world.drop()["msg"]
    done = world.drop(end_sessions=True)
    with pytest.raises(psycopg2.OperationalError):
        session.cursor().execute("SELECT 1")
    aside = done["set_aside"]
    assert done["copy"]["file"] == dump.name
    assert aside.startswith("app_db_dropped_2") and aside.endswith("Z")
    assert (done["changed"], world.databases(), world.kept()) == (True, {aside: "f"}, [aside])
    assert world.events() == ["database_drop_begun", "database_set_aside"]
    for name in ("app_db", aside):
        with pytest.raises(psycopg2.OperationalError):
            world.connect(name)
    again = world.drop()
    assert (again["changed"], again["set_aside"], again["kept_until"]) == (False, aside, done["kept_until"])
    assert "was dropped already" in world.drop(database=aside, confirm=aside)["msg"]

    # Who keeps it for longer doesn't lose what it was.
    longer = {"path": str(world.register), "kind": "database", "name": aside, "cluster": "main", "keep_for": "30d"}
    assert world.call("kept_register", **longer)["changed"] is True

    # Not while another one has its name, and not in check mode.
    server.sql("postgres", "CREATE DATABASE app_db")
    assert "there is another one of that name" in world.drop(state="restored")["msg"]
    server.sql("postgres", "DROP DATABASE app_db")
    assert world.drop(check=True, state="restored")["changed"] is True
    assert world.databases() == {aside: "f"}
    assert world.drop(state="restored")["changed"] is True
    assert (world.databases(), world.kept()) == ({"app_db": "t"}, [])
    assert server.sql("app_db", "SELECT count(*) FROM item") == "8"
    assert world.drop(state="restored")["changed"] is False
    assert "that was dropped as nobody" in world.drop(state="restored", database="nobody")["msg"]

    aside = world.drop()["set_aside"]
    assert world.expire(moment(days=6))["changed"] is False
    later = moment(days=8)
    checked = world.expire(later, check=True)
    assert (checked["changes"], checked["dumps_needed"], world.databases()) == ([f"database {aside}"], [], {aside: "f"})
    # Not if the copy isn't what it was; not another database of that name; and an open one needs a new dump.
    content = dump.read_bytes()
    dump.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "isn't good any more: its bytes aren't those" in world.expire(later)["msg"]
    dump.write_bytes(content)
    server.sql("postgres", f'ALTER DATABASE "{aside}" ALLOW_CONNECTIONS true')
    refused = world.expire(later)
    assert (f"There is no dump of {aside}" in refused["msg"], refused["dumps_needed"]) == (True, [aside])
    server.sql("postgres", f'ALTER DATABASE "{aside}" RENAME TO app_db_kept')
    server.sql("postgres", f'CREATE DATABASE "{aside}"')
    assert "is another one than the one that was dropped as app_db" in world.expire(later)["msg"]
    server.sql("postgres", f'DROP DATABASE "{aside}"')
    server.sql("postgres", f'ALTER DATABASE app_db_kept RENAME TO "{aside}"')
    server.sql("postgres", f'ALTER DATABASE "{aside}" ALLOW_CONNECTIONS false')
    assert world.events()[-2:] == ["database_drop_begun", "database_set_aside"]
    assert world.expire(later)["changes"] == [f"database {aside}"]
    assert (world.databases(), world.kept()) == ({}, [])
    assert world.events()[-2:] == ["kept_ending", "kept_ended"]
    last = world.call("audit_log_info", path=str(world.audit))["entries"][-1]["facts"]
    assert (last["name"], last["dropped"]["database"], last["taken_as_now"]) == (aside, "app_db", later)
    assert (world.drop()["changed"], world.expire(later)["changed"]) == (False, False)
    assert "there is none of that name" in world.drop(state="restored")["msg"]


def test_two_runs_at_once_drop_it_once(world: World) -> None:
    world.dump()
    running = [world.start(name) for name in ("first", "second")]
    results = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    assert sorted(result["changed"] for result in results) == [False, True], results
    (aside,) = world.databases()
    assert [result["set_aside"] for result in results] == [aside, aside]
    assert (world.kept(), world.events()) == ([aside], ["database_drop_begun", "database_set_aside"])


def kill_at_the_renaming(world: World) -> Any:
    """Kill a run that waits to rename; return the session that it waits for, in which it is let go on."""
    holder = world.connect("postgres")
    holder.autocommit = False
    holder.cursor().execute("COMMENT ON DATABASE app_db IS 'held'")
    process = world.start()
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER DATABASE%RENAME%' AND wait_event_type = 'Lock'"
    )
    eventually("it waits", lambda: world.server.sql("postgres", waiting) == "1", WAIT_S)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return holder


def test_a_run_that_was_killed_before_the_renaming_is_done_again(world: World) -> None:
    world.dump()
    holder = kill_at_the_renaming(world)
    assert (world.databases(), world.events()) == ({"app_db": "f"}, ["database_drop_begun"])
    checked = world.drop(check=True)
    assert "left by a run that was killed" in checked["diff"][0]["before"]
    assert world.databases() == {"app_db": "f"}
    # The server would still rename it for the dead one, were that not ended. This run fails for the same reason.
    failed = world.drop(lock_timeout=1)
    assert "is as it was; it wasn't dropped" in failed["msg"]
    assert "lock timeout" in failed["msg"]
    holder.rollback()
    holder.close()
    assert (world.databases(), world.kept()) == ({"app_db": "t"}, [])
    aside = world.drop()["set_aside"]
    assert (world.databases(), world.kept()) == ({aside: "f"}, [aside])
    begun = ["database_drop_begun", "database_drop_undone"]
    assert world.events() == [*begun, *begun, "database_drop_begun", "database_set_aside"]


def test_a_run_that_was_killed_right_after_the_renaming_is_finished(world: World) -> None:
    world.dump()
    holder = kill_at_the_renaming(world)
    holder.rollback()
    holder.close()
    eventually("it is renamed", lambda: "app_db" not in world.databases(), WAIT_S)
    (aside,) = world.databases()
    # It was written down before, so that it is kept and can be brought back; only the log lacks its end.
    assert (world.kept(), world.events()) == ([aside], ["database_drop_begun"])
    assert world.drop(check=True)["changed"] is True
    finished = world.drop()
    assert (finished["changed"], finished["changes"], finished["set_aside"]) == (True, ["audit log"], aside)
    assert world.events() == ["database_drop_begun", "database_set_aside"]
    assert world.drop()["changed"] is False
    assert world.drop(state="restored", database=aside)["changed"] is True
    assert world.server.sql("app_db", "SELECT count(*) FROM item") == "7"


def play(world: World, name: str, *arguments: str, **more: Any) -> Any:
    """Run a playbook as a user would; return the finished process."""
    described = {
        "state_dir": str(world.folder / "state"),
        "backup_root": str(world.folder / "backups"),
        "clusters": {"main": {"container": world.server.name}},
        "databases": {"app_db": {"cluster": "main"}},
        **more,
    }
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "bulkhead_platform": described,
    }
    inventory = world.folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": host}}}))
    command = ["ansible-playbook", name, "-i", str(inventory), *arguments]
    return subprocess.run(
        command, env=world.environment, capture_output=True, text=True, check=False, cwd=world.folder, timeout=120
    )


def test_the_playbooks(world: World) -> None:
    name, typed = ("-e", "bulkhead_drop_database=app_db"), ("-e", "bulkhead_destructive_confirm=app_db")
    world.dump()
    said = play(world, "bulkhead.stack.drop", *name)
    assert (said.returncode, "changed=0" in said.stdout) == (0, True), said.stdout
    assert "-e bulkhead_destructive_confirm=app_db" in said.stdout
    assert '"table": "public.item"' in said.stdout
    assert not world.register.exists()
    services = {"app": {"compose_file": "/srv/app/docker-compose.yml", "database": "app_db"}}
    assert "is used by app." in play(world, "bulkhead.stack.drop", *name, *typed, services=services).stdout
    checked = play(world, "bulkhead.stack.drop", *name, *typed, "--check", "--diff")
    assert (checked.returncode, world.databases()) == (0, {"app_db": "t"}), checked.stdout
    assert "-table public.item: 7 rows" in checked.stdout
    dropped = play(world, "bulkhead.stack.drop", *name, *typed)
    assert (dropped.returncode, "changed=1" in dropped.stdout) == (0, True), dropped.stdout
    (aside,) = world.databases()
    assert f"Database app_db is kept as {aside} until" in dropped.stdout
    back = play(world, "bulkhead.stack.drop", *name, "-e", "bulkhead_drop_state=restored")
    assert (back.returncode, world.databases()) == (0, {"app_db": "t"}), back.stdout
    assert world.drop()["changed"] is True
    ended = play(world, "bulkhead.stack.expire", "-e", "bulkhead_clock=" + moment(days=8))
    assert (ended.returncode, world.databases()) == (0, {}), ended.stdout

    log = play(world, "bulkhead.stack.audit_log")
    head = world.call("audit_log_info", path=str(world.audit))["head"]
    assert (log.returncode, f'"head": "{head}"' in log.stdout) == (0, True), log.stdout
    lines = world.audit.read_bytes().splitlines(keepends=True)
    world.audit.write_bytes(b"".join(lines[:-1]))
    assert world.call("audit_log_info", path=str(world.audit))["problems"] == []
    cut = play(world, "bulkhead.stack.audit_log", "-e", f"bulkhead_audit_log_expected_head={head}")
    assert (cut.returncode != 0, "the end was cut off" in cut.stdout) == (True, True), cut.stdout
    world.audit.write_bytes(b"".join(lines[:1] + lines[2:]))
    removed = world.call("audit_log_info", path=str(world.audit))
    assert (removed["failed"], "before it 1 are missing, from number 2 on" in removed["msg"]) == (True, True)
    tolerated = world.call("audit_log_info", path=str(world.audit), fail_on_broken=False)
    assert [item["kind"] for item in tolerated["problems"]] == ["removed"]
