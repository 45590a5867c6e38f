# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_restore_database and pg_restore_verify on real servers, with faults that come from outside.

Whether a database came back is told by pg_dump's own text of it, taken before: a manifest would prove itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from .conftest import eventually

IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
IMAGE_17 = os.environ.get("BULKHEAD_POSTGRES17_IMAGE", "bulkhead/postgres:17")
MODULES = "ansible_collections.bulkhead.stack.plugins.modules"
DATA = "/var/lib/postgresql/data"
CLOCK = "2026-11-23T10:15:00Z"
DRILL = "label=bulkhead.stack.drill"
WAIT_S = 60
WITHOUT_SERVER = ("audit_log_info", "kept_info", "pg_dump_info")
OWN_ROLES = ("archon", "reader", "Odd \"Role; x'")

ROLES = """
CREATE ROLE archon LOGIN PASSWORD 'archon-password';
CREATE ROLE reader; CREATE ROLE "Odd ""Role; x'"; GRANT reader TO archon;
ALTER ROLE archon SET work_mem = '8MB';
CREATE DATABASE model OWNER archon;
"""
SETUP = """
CREATE EXTENSION vector;
SET ROLE archon;
CREATE TYPE mood AS ENUM ('calm', 'busy');
CREATE TABLE settings (id serial PRIMARY KEY, value text, mood mood DEFAULT 'calm');
INSERT INTO settings (value) SELECT 'setting ' || g FROM generate_series(1, 45) AS g;
CREATE TABLE pages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, setting int REFERENCES settings, body text,
                    embedding vector(3));
INSERT INTO pages (setting, body, embedding)
SELECT g % 45 + 1, repeat('x', g), '[1,2,3]' FROM generate_series(1, 200) g;
CREATE INDEX pages_body ON pages (left(body, 20));
CREATE TABLE "Odd ""Table" (a int, b text);
INSERT INTO "Odd ""Table" VALUES (1, E'line\\nbreak\\tand \\\\');
CREATE SEQUENCE loose; SELECT nextval('loose');
ALTER TABLE pages ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON pages FOR SELECT TO reader USING (setting = 1);
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER telling BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION told();
CREATE VIEW seen AS SELECT value FROM settings;
GRANT SELECT ON settings TO reader;
GRANT UPDATE (value) ON settings TO "Odd ""Role; x'";
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;
"""
PROPERTIES = """
ALTER DATABASE archon_db SET app.jwt_secret = 'it''s a key; that \\ signs';
ALTER ROLE archon IN DATABASE archon_db SET work_mem = '5MB';
COMMENT ON DATABASE archon_db IS 'it''s {ours} 100%';
REVOKE CONNECT ON DATABASE archon_db FROM PUBLIC;
GRANT CONNECT ON DATABASE archon_db TO reader;
"""


class Host:
    """One server, the copies of its databases, and the modules."""

    def __init__(self, server: Any, folder: pathlib.Path, environment: dict[str, str]) -> None:
        self.server = server
        self.folder = folder
        self._environment = dict(environment, PYTHONPATH=environment["ANSIBLE_COLLECTIONS_PATH"])

    def start(self, module: str, **options: Any) -> subprocess.Popen[str]:
        """Start a module as Ansible does: a process of its own, its options in a file."""
        path = self.folder / f"{time.monotonic_ns()}.json"
        place = {} if module in WITHOUT_SERVER else {"container": self.server.name}
        wanted = dict(place, _ansible_diff=True, **options)
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": wanted}))
        command = [sys.executable, "-m", f"{MODULES}.{module}", str(path)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self._environment, stdout=pipe, stderr=pipe, text=True)

    def call(self, module: str, **options: Any) -> dict[str, Any]:
        """Run a module to its end; return its result."""
        stdout, stderr = self.start(module, **options).communicate(timeout=120)
        assert stdout, stderr
        assert "Traceback" not in stderr, stderr
        result: dict[str, Any] = json.loads(stdout)
        shown = json.dumps({name: value for name, value in result.items() if name != "invocation"})
        assert "archon-password" not in shown
        assert "that \\\\ signs" not in shown
        # As Ansible shows them.
        result["warnings"] = [str(item["event"]["msg"]) for item in result.get("warnings", ())]
        return result

    def works(self, module: str, **options: Any) -> dict[str, Any]:
        """Run a module that must succeed."""
        result = self.call(module, **options)
        assert not result.get("failed"), result["msg"]
        return result

    def fails(self, module: str, **options: Any) -> str:
        """Run a module that must fail, and must touch nothing; return what it says."""
        before = self.databases()
        result = self.call(module, **options)
        assert result.get("failed"), result
        assert self.databases() == before
        return str(result["msg"])

    def copies(self, database: str = "archon_db") -> str:
        """Return the folder of a database's copies."""
        return str(self.folder / database)

    def dump(self, database: str = "archon_db", clock: str = "2026-11-23T09:00:00Z", **options: Any) -> dict[str, Any]:
        """Take a copy."""
        wanted = {"database": database, "dest": self.copies(database), "clock": clock}
        return self.works("pg_dump_rotate", **wanted, **options)

    def restore(self, **options: Any) -> dict[str, Any]:
        """Restore the newest copy of the database."""
        return self.works("pg_restore_database", **self.wanted(**options))

    def wanted(self, **options: Any) -> dict[str, Any]:
        """Return the options of a restore."""
        return dict({"database": "archon_db", "folder": self.copies(), "clock": CLOCK}, **options)

    def databases(self) -> list[str]:
        """Return the names of the databases, and whether one may connect."""
        return sorted(self.server.sql("postgres", "SELECT datname, datallowconn FROM pg_database").splitlines())

    def text(self, database: str = "archon_db") -> str:
        """Return all that pg_dump says of a database, but for what differs from one time to the next."""
        command = ["docker", "exec", self.server.name, "pg_dump", "-U", "postgres", "--create", database]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return re.sub(r"^(\\(un)?restrict .*|-- .*|)\n", "", said, flags=re.MULTILINE)

    def connect(self, database: str, application: str) -> Any:
        """Return a connection of somebody else's."""
        host = self.server.address()
        return psycopg2.connect(
            host=host, user="postgres", password=self.server.password, dbname=database, application_name=application
        )


@pytest.fixture(scope="module")
def server(start_server: Any) -> Any:
    found = start_server(IMAGE)
    found.script("postgres", ROLES)
    found.script("model", SETUP)
    return found


@pytest.fixture
def host(server: Any, tmp_path: pathlib.Path, environment: dict[str, str]) -> Iterator[Host]:
    """Yield the server with its database as it was set up, however the test before left it."""
    found = Host(server, tmp_path, environment)
    server.sql("postgres", "DROP DATABASE IF EXISTS archon_db WITH (FORCE)")
    server.script("postgres", "CREATE DATABASE archon_db TEMPLATE model OWNER archon;" + PROPERTIES)
    yield found
    for line in found.databases():
        name = line.split("|")[0]
        if name.startswith(("archon_db", "look", "other")):
            server.sql("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')
    if server.sql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname LIKE '% gone'") != "0":
        for role in (quoted(name) for name in OWN_ROLES):
            server.script("postgres", f'DROP ROLE {role}; ALTER ROLE {role[:-1]} gone" RENAME TO {role};')


def quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def lose_the_database_and_its_roles(server: Any) -> None:
    """Leave nothing of them but what the model of the tests needs, by other names."""
    server.sql("postgres", "DROP DATABASE archon_db")
    for role in (quoted(name) for name in OWN_ROLES):
        server.sql("postgres", f'ALTER ROLE {role} RENAME TO {role[:-1]} gone"')


def docker(*arguments: str) -> list[str]:
    return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def left_behind() -> list[str]:
    """Return what drills have left on this host."""
    found = docker("ps", "--all", "--quiet", "--filter", DRILL) + docker("volume", "ls", "--quiet", "--filter", DRILL)
    return found + [str(path) for path in pathlib.Path("/tmp").glob("bulkhead-drill-*")]


def test_a_database_that_was_dropped_is_back_as_it_was(host: Host) -> None:
    host.dump(clock="2026-11-23T02:00:00Z")
    before = host.text()
    host.server.sql("postgres", "DROP DATABASE archon_db")
    options = host.wanted(rto="15m", log=str(host.folder / "restores.jsonl"))
    checked = host.works("pg_restore_database", _ansible_check_mode=True, **options)
    assert "archon_db|t" not in host.databases()
    result = host.works("pg_restore_database", **options)
    assert (checked["changed"], checked["diff"]) == (True, result["diff"])
    assert host.text() == before
    assert (result["aside"], result["rows"], result["rto_met"]) == (None, 246, True)
    line = json.loads((host.folder / "restores.jsonl").read_text())
    assert (line["key"], line["copy"], line["passed"]) == ("archon_db", "backup_archon_db_20261123_020000", True)
    assert [name for name in host.databases() if name.startswith("archon_db")] == ["archon_db|t"]


def test_what_was_there_is_kept_aside_and_comes_back(host: Host) -> None:
    host.dump()
    before = host.text()
    host.server.sql("archon_db", "DELETE FROM pages; DROP VIEW seen")
    broken = host.text()
    register, audit = str(host.folder / "register.jsonl"), str(host.folder / "audit.jsonl")
    result = host.restore(register=register, cluster="main", audit_log=audit, keep_for="3d")
    assert result["aside"] == "archon_db_before_20261123T101500Z"
    assert host.text() == before
    assert host.text(result["aside"]).replace(quoted(result["aside"]), "archon_db") == broken
    kept = host.works("kept_info", path=register, clock=CLOCK)["kept"]
    assert [(item["name"], item["until"]) for item in kept] == [(result["aside"], "2026-11-26T10:15:00Z")]
    told = {"register": register, "cluster": "main", "audit_log": audit}
    back = host.restore(folder=None, back_to=result["aside"], clock="2026-11-23T11:00:00Z", **told)
    assert host.text() == broken
    kept = host.works("kept_info", path=register, clock=CLOCK)["kept"]
    assert [item["name"] for item in kept] == [back["aside"]] == ["archon_db_before_20261123T110000Z"]
    events = [entry["event"] for entry in host.works("audit_log_info", path=audit)["entries"]]
    assert events == ["copy_restore_begun", "copy_restored"] * 2
    host.server.sql("postgres", "DROP DATABASE archon_db")
    host.restore(folder=host.copies())
    assert host.text() == before


def test_other_places_times_and_single_tables(host: Host) -> None:
    host.dump(clock="2026-11-22T02:00:00Z")
    before = host.text()
    host.server.sql("archon_db", "INSERT INTO settings (value) VALUES ('later')")
    host.dump(clock="2026-11-23T02:00:00Z")
    live = host.text()
    old = {"before": "2026-11-23T00:00:00Z"}
    host.restore(target="look", **old)
    assert host.text("look") == before.replace("archon_db", "look")
    assert "There is a database look already" in host.fails("pg_restore_database", **host.wanted(target="look", **old))
    table = host.restore(tables=["public.settings", 'public.Odd "Table'], **old)
    assert table["schema"] == "restored_20261122_020000"
    count = "SELECT (SELECT count(*) FROM restored_20261122_020000.settings), (SELECT count(*) FROM settings)"
    assert host.server.sql("archon_db", count) == "45|46"
    owner = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'restored_20261122_020000'"
    assert host.server.sql("archon_db", owner) == "archon"
    again = host.wanted(tables=["public.settings"], **old)
    assert "There is a schema restored_20261122_020000" in host.fails("pg_restore_database", **again)
    wrong = host.wanted(tables=["public.setings"], tables_schema="x", **old)
    assert "Did you mean public.settings?" in host.fails("pg_restore_database", **wrong)
    host.server.sql("archon_db", "DROP SCHEMA restored_20261122_020000 CASCADE")
    assert host.text() == live
    host.restore(copy="backup_archon_db_20261122_020000.manifest.json")
    assert host.text() == before


def test_roles_that_are_gone_come_back_with_their_passwords(host: Host) -> None:
    host.dump()
    before = host.text()
    roles = "SELECT rolname, rolpassword, rolcanlogin FROM pg_authid WHERE rolname !~ '^pg_| gone$' ORDER BY 1"
    verifiers = host.server.sql("postgres", roles)
    lose_the_database_and_its_roles(host.server)
    assert "needs roles " in host.fails("pg_restore_database", **host.wanted(roles="none"))
    result = host.restore()
    assert result["roles_made"] == ["Odd \"Role; x'", "archon", "reader"]
    assert host.server.sql("postgres", roles) == verifiers
    member = "SELECT pg_has_role('archon', 'reader', 'member'), current_setting('work_mem')"
    assert host.server.sql("archon_db", member, user="archon", password="archon-password") == "t|5MB"
    assert host.text() == before


def test_the_database_postgres_itself(host: Host) -> None:
    host.server.sql("postgres", "CREATE TABLE core (a int); INSERT INTO core VALUES (1), (2)")
    host.dump("postgres")
    host.server.sql("postgres", "DROP TABLE core")
    result = host.restore(database="postgres", folder=host.copies("postgres"))
    assert host.server.sql("postgres", "SELECT count(*) FROM core") == "2"
    assert result["aside"] == "postgres_before_20261123T101500Z"
    host.server.script("postgres", f'DROP TABLE core; DROP DATABASE "{result["aside"]}"')


def test_names_stay_within_what_postgres_allows(host: Host) -> None:
    long = "other_" + "ä" * 28
    host.server.sql("postgres", f'CREATE DATABASE "{long}"')
    host.dump(long)
    result = host.restore(database=long, folder=host.copies(long))
    assert len(result["aside"].encode()) <= 63
    assert result["aside"].endswith("ä_before_20261123T101500Z")
    assert {f"{long}|t", f"{result['aside']}|t"} < set(host.databases())


def test_sessions_are_ended_with_leave_only(host: Host) -> None:
    host.dump()
    stop = threading.Event()

    def pool() -> None:
        # Comes back within milliseconds, as pools do.
        while not stop.is_set():
            try:
                with host.connect("archon_db", "a pool") as connection, connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(0.01)")
            except psycopg2.Error:
                continue

    threads = [threading.Thread(target=pool) for _number in range(3)]
    for thread in threads:
        thread.start()
    try:
        sessions = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'a pool'"
        eventually("the pool is connected", lambda: host.server.sql("postgres", sessions) == "t")
        said = host.fails("pg_restore_database", **host.wanted())
        assert re.search(r"Database archon_db is in use: \d of postgres \(a pool, from ", said)
        assert "end_sessions=true" in said
        result = host.restore(end_sessions=True)
        assert "a pool" in result["warnings"][0]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert f"{result['aside']}|t" in host.databases()


def test_encrypted_copies(host: Host) -> None:
    identity, other = (host.folder / name for name in ("identity", "other"))
    for path in (identity, other):
        subprocess.run(["age-keygen", "-o", str(path)], check=True, capture_output=True)
    key = subprocess.run(["age-keygen", "-y", str(identity)], check=True, stdout=subprocess.PIPE, text=True).stdout
    host.dump(encrypt_to=[key.strip()])
    before = host.text()
    assert "no identity_file was given" in host.fails("pg_restore_database", **host.wanted())
    wrong = host.wanted(identity_file=str(other))
    assert "belong to one of the copy's recipients" in host.fails("pg_restore_database", **wrong)
    assert "isn't there" in host.fails("pg_restore_database", **host.wanted(identity_file=str(host.folder / "none")))
    lose_the_database_and_its_roles(host.server)
    host.restore(identity_file=str(identity))
    assert host.text() == before
    drill = {"databases": [{"key": "archon_db", "folder": host.copies()}], "identity_file": str(identity)}
    assert host.works("pg_restore_verify", **drill)["verdicts"]["archon_db"]["passed"]


def test_what_can_not_be_restored_is_refused_first(host: Host, start_server: Any) -> None:
    empty = host.wanted(folder=str(host.folder / "none"))
    assert "it holds no copy at all" in host.fails("pg_restore_database", **empty)
    # An extension that the server had when it was dumped.
    extension = "/usr/share/postgresql/15/extension/left_pad"
    make = f"echo \"default_version = '1.0'\" > {extension}.control; echo 'SELECT 1;' > {extension}--1.0.sql"
    docker("exec", host.server.name, "sh", "-c", make)
    host.server.sql("archon_db", "CREATE EXTENSION left_pad")
    host.dump(clock="2026-11-23T03:00:00Z")
    host.server.sql("archon_db", "DROP EXTENSION left_pad")
    docker("exec", host.server.name, "sh", "-c", f"rm {extension}*")
    assert "needs extension left_pad, which this server hasn't" in host.fails("pg_restore_database", **host.wanted())
    # A role that is gone, and a copy without the roles.
    host.server.sql("archon_db", "CREATE ROLE gone; CREATE TABLE of_gone (a int); ALTER TABLE of_gone OWNER TO gone")
    host.dump(clock="2026-11-23T04:00:00Z", globals=False)
    host.server.sql("archon_db", "DROP TABLE of_gone; DROP ROLE gone")
    assert "needs role gone, which this server hasn't" in host.fails("pg_restore_database", **host.wanted())
    # A dump that was never verified as far as is wanted, and one that isn't what was written.
    assert "verified only as far as read" in host.fails("pg_restore_database", **host.wanted(level="drilled"))
    newest = host.dump(clock="2026-11-23T05:00:00Z")
    path = pathlib.Path(newest["dump"])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert "its SHA-256 is another one" in host.fails("pg_restore_database", **host.wanted())
    path.write_bytes(bytes(data[:-10]))
    named = host.wanted(copy=newest["dump"])
    assert "its manifest says" in host.fails("pg_restore_database", **named)
    # Another major version, in both directions.
    newer = Host(start_server(IMAGE_17), host.folder, host._environment)
    newer.server.script("postgres", ROLES.replace("model", "archon_db"))
    older_copy = host.wanted(copy="backup_archon_db_20261123_040000", roles="all")
    assert "another major version" in newer.fails("pg_restore_database", **older_copy)
    newer.works("pg_dump_rotate", database="archon_db", dest=str(host.folder / "newer"), clock="2026-11-23T09:00:00Z")
    newer_copy = host.wanted(folder=str(host.folder / "newer"))
    assert "an older one can't be relied on" in host.fails("pg_restore_database", **newer_copy)


def test_a_copy_of_15_comes_to_17_where_that_is_meant(host: Host, start_server: Any) -> None:
    host.dump()
    newer = Host(start_server(IMAGE_17), host.folder, host._environment)
    result = newer.restore(major_upgrade=True)
    assert result["roles_made"] == ["Odd \"Role; x'", "archon", "reader"]
    assert newer.server.sql("archon_db", "SELECT count(*) FROM settings", "archon", "archon-password") == "45"


def test_a_disk_that_can_not_hold_both_is_refused(
    tmp_path: pathlib.Path, environment: dict[str, str], start_server: Any
) -> None:
    host = Host(start_server(IMAGE, "--tmpfs", f"{DATA}:size=400m"), tmp_path, environment)
    host.server.sql("postgres", "CREATE DATABASE archon_db")
    host.server.sql("archon_db", "CREATE TABLE large AS SELECT md5(g::text) FROM generate_series(1, 800000) g")
    host.dump()
    # Half of what the database takes is left.
    free = int(docker("exec", host.server.name, "df", "-k", "--output=avail", DATA)[-1]) * 1024
    size = int(host.server.sql("archon_db", "SELECT pg_database_size('archon_db')"))
    docker("exec", host.server.name, "sh", "-c", f"head -c {free - size // 2} /dev/zero > {DATA}/ballast")
    assert "both don't fit" in host.fails("pg_restore_database", **host.wanted())


def restoring(host: Host) -> bool:
    """Whether a pg_restore of ours is at work."""
    found = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'archon_db_restoring_%'"
    return host.server.sql("postgres", found) != "0"


@pytest.fixture
def slow(host: Host) -> Iterator[Host]:
    """Yield a database whose restore waits for a person: a check constraint sleeps as long as a lock is held."""
    wait = """
        CREATE FUNCTION waits(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
          IF current_database() LIKE 'archon\\_db\\_restoring%' THEN PERFORM pg_sleep(60); END IF; RETURN true; END $$;
        CREATE TABLE slow (a int CHECK (public.waits(a))); INSERT INTO slow VALUES (1);
    """
    host.server.sql("archon_db", wait)
    host.dump()
    host.server.sql("archon_db", "DROP TABLE slow; DROP FUNCTION waits")
    yield host


def test_killed_in_mid_restore_and_the_next_run_is_clean(slow: Host) -> None:
    before = slow.text()
    process = slow.start("pg_restore_database", **slow.wanted())
    eventually("it restores", lambda: restoring(slow))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert slow.text() == before
    left = [name for name in slow.databases() if "restoring" in name]
    assert len(left) == 1
    # A copy that doesn't wait.
    slow.dump(clock="2026-11-23T10:00:00Z")
    result = slow.restore()
    assert any("which a killed run had left half made, was dropped" in text for text in result["warnings"])
    assert slow.text() == before
    assert not [name for name in slow.databases() if "restoring" in name]


def test_a_server_that_is_killed_in_mid_restore_keeps_its_database(slow: Host) -> None:
    before = slow.text()
    process = slow.start("pg_restore_database", **slow.wanted())
    eventually("it restores", lambda: restoring(slow))
    docker("kill", slow.server.name)
    stdout, _stderr = process.communicate(timeout=WAIT_S)
    assert json.loads(stdout)["failed"]
    docker("start", slow.server.name)
    slow.server.wait()
    assert slow.text() == before
    slow.dump(clock="2026-11-23T10:00:00Z")
    slow.restore()
    assert slow.text() == before
    assert not [name for name in slow.databases() if "restoring" in name]


def test_two_at_once(slow: Host) -> None:
    process = slow.start("pg_restore_database", **slow.wanted())
    eventually("it restores", lambda: restoring(slow))
    result = slow.call("pg_restore_database", **slow.wanted(lock_timeout=1))
    assert "works on database archon_db" in result["msg"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    slow.dump(clock="2026-11-23T10:00:00Z")
    slow.restore()


# What is planted in a copy, with a word of the sentence that must tell it.
PLANTED = {
    "one row missing": ("DELETE FROM pages WHERE id = 7", "199 rows, not 200"),
    "a table empty": ('TRUNCATE "Odd ""Table"', "has 0 rows, not 1"),
    "a policy dropped": ("DROP POLICY mine ON pages", "policy mine on public.pages is missing"),
    "row security off": ("ALTER TABLE pages DISABLE ROW LEVEL SECURITY", "row security of table public.pages is"),
    "a grant lost": ("REVOKE SELECT ON settings FROM reader", "grants on relation public.settings are"),
    "a sequence behind": ("SELECT setval('settings_id_seq', 3)", "sequence public.settings_id_seq is at 3"),
    "an extension missing": ("ALTER TABLE pages DROP embedding; DROP EXTENSION vector", "extension vector is missing"),
    "a wrong owner": ("ALTER TABLE settings OWNER TO postgres", "table public.settings has owner postgres, not archon"),
    "a trigger missing": ("DROP TRIGGER telling ON settings", "trigger telling on public.settings is missing"),
    "a function changed": (
        "CREATE OR REPLACE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "function public.told() has another definition",
    ),
    "an index lost": ("DROP INDEX pages_body", "index public.pages_body is missing"),
    "a constraint lost": ("ALTER TABLE pages DROP CONSTRAINT pages_setting_fkey", "pages_setting_fkey"),
    "a setting lost": ("ALTER DATABASE PLANTED RESET app.jwt_secret", "setting app.jwt_secret is missing"),
}  # fmt: skip


def plant(host: Host, key: str, statement: str) -> None:
    """Forge a copy: another content under the manifest of the true one, with sizes and hashes that agree."""
    folder = pathlib.Path(host.copies(key))
    subprocess.run(["cp", "-a", host.copies(), str(folder)], check=True)
    name = "other_" + re.sub(r"\W", "_", key)
    user = ["-U", "postgres"]
    host.server.sql("postgres", f"CREATE DATABASE {name} TEMPLATE archon_db OWNER archon")
    settings = "ALTER DATABASE PLANTED SET app.jwt_secret = 'it''s a key; that \\ signs';"
    settings += "ALTER ROLE archon IN DATABASE PLANTED SET work_mem = '5MB';"
    settings += "REVOKE CONNECT ON DATABASE PLANTED FROM PUBLIC; GRANT CONNECT ON DATABASE PLANTED TO reader;"
    for text in (settings, statement):
        host.server.script(name, text.replace("PLANTED", name))
    # The archive's own database has the true one's name.
    host.server.sql("postgres", "ALTER DATABASE archon_db RENAME TO archon_true")
    host.server.sql("postgres", f"ALTER DATABASE {name} RENAME TO archon_db")
    try:
        command = ["docker", "exec", host.server.name, "pg_dump", *user, "-Fc", "-Z0", "archon_db"]
        plain = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    finally:
        host.server.sql("postgres", f"ALTER DATABASE archon_db RENAME TO {name}")
        host.server.sql("postgres", "ALTER DATABASE archon_true RENAME TO archon_db")
    packed = ["docker", "exec", "-i", host.server.name, "zstd", "-q", "-c"]
    data = subprocess.run(packed, check=True, input=plain, stdout=subprocess.PIPE).stdout
    (dump,) = folder.glob("*.dump.zst")
    dump.write_bytes(data)
    (path,) = folder.glob("*.manifest.json")
    manifest = json.loads(path.read_bytes())
    manifest.update(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    path.write_text(json.dumps(manifest))
    log = folder / "catalogue_archon_db.jsonl"
    line = dict(json.loads(log.read_text()), manifest_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    log.write_text(json.dumps(line) + "\n")


def test_a_drill_finds_what_was_planted(host: Host) -> None:
    host.dump()
    for key, (statement, _sentence) in PLANTED.items():
        plant(host, key, statement)
    databases = [{"key": key, "database": "archon_db", "folder": host.copies(key)} for key in [*PLANTED, "archon_db"]]
    result = host.call("pg_restore_verify", databases=databases, clock=CLOCK)
    assert result["failed_databases"] == list(PLANTED)
    assert result["verdicts"]["archon_db"]["passed"]
    for key, (_statement, sentence) in PLANTED.items():
        found = result["verdicts"][key]["differences"]
        assert any(sentence in text for text in found), (key, found)
    # A verdict decides how far the copy counts.
    folders = {key: host.copies(key) for key in ("archon_db", "one row missing")}
    listed = host.works("pg_dump_info", folders=folders, names=dict.fromkeys(folders, "archon_db"))
    by_key = {copy["key"]: copy for copy in listed["copies"]}
    assert (by_key["archon_db"]["how"], by_key["one row missing"]["how"]) == ("drilled", None)
    assert "a drill of it failed" in by_key["one row missing"]["problem"]
    assert left_behind() == []


@pytest.mark.parametrize("harm", ["truncated", "one bit flipped", "the manifest edited"])
def test_a_drill_finds_a_copy_that_was_harmed(host: Host, harm: str) -> None:
    result = host.dump()
    dump, manifest = pathlib.Path(result["dump"]), pathlib.Path(result["manifest_path"])
    if harm == "truncated":
        dump.write_bytes(dump.read_bytes()[:-100])
    elif harm == "one bit flipped":
        data = bytearray(dump.read_bytes())
        data[len(data) // 2] ^= 1
        dump.write_bytes(bytes(data))
    else:
        manifest.write_text(manifest.read_text().replace('"rows": 45', '"rows": 44'))
    found = host.call("pg_restore_verify", databases=[{"key": "archon_db", "folder": host.copies()}], clock=CLOCK)
    assert found["failed_databases"] == ["archon_db"]
    words = {"truncated": "its manifest says", "one bit flipped": "SHA-256", "the manifest edited": "was changed after"}
    assert words[harm] in found["page"][1]
    assert left_behind() == []


def test_a_drill_in_a_volume_with_checks_of_ones_own(host: Host) -> None:
    host.dump()
    checks = ["SELECT count(*) = 45 FROM settings", "SELECT false", "SELECT * FROM nowhere"]
    databases = [{"key": "archon_db", "folder": host.copies(), "checks": checks, "rto": "1m"}]
    options = {"databases": databases, "memory": 0, "amcheck": True}
    checked = host.works("pg_restore_verify", _ansible_check_mode=True, **options)
    assert checked["copies"]["archon_db"].startswith("backup_archon_db_")
    assert not list(pathlib.Path(host.copies()).glob("*.drill_*"))
    found = host.call("pg_restore_verify", **options)["verdicts"]["archon_db"]
    assert found["differences"] == [
        "check `SELECT false` isn't true",
        'check `SELECT * FROM nowhere` can\'t be run: relation "nowhere" does not exist',
    ]
    databases[0].update(checks=checks[:1], copy=found["copy"])
    found = host.works("pg_restore_verify", **options)["verdicts"]["archon_db"]
    assert found["passed"]
    assert found["rto_s"] == 60
    assert {"start", "restore", "compare", "amcheck"} <= set(found["stages"])
    assert left_behind() == []


def test_a_drill_never_touches_the_live_server(host: Host, start_server: Any) -> None:
    host.dump()
    before = host.text()
    databases = [{"key": "archon_db", "folder": host.copies()}]
    for target in (
        {"container": host.server.name},
        {"login_host": host.server.address(), "login_password": host.server.password},
    ):
        said = host.fails("pg_restore_verify", databases=databases, target=target)
        assert "The target is the live server itself" in said
    scratch = start_server(IMAGE)
    found = host.works("pg_restore_verify", databases=databases, target={"container": scratch.name})
    assert found["verdicts"]["archon_db"]["passed"]
    names = scratch.sql("postgres", "SELECT datname FROM pg_database").split()
    assert sorted(names) == ["postgres", "template0", "template1"]
    assert host.text() == before


def test_what_a_killed_drill_left_is_removed_by_the_next(host: Host) -> None:
    host.dump()
    databases = [{"key": "archon_db", "folder": host.copies()}]
    process = host.start("pg_restore_verify", databases=databases, memory=0)
    eventually("its container is there", lambda: docker("ps", "--quiet", "--filter", DRILL))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(left_behind()) == 3
    result = host.works("pg_restore_verify", databases=databases)
    assert "of a killed drill was removed" in result["warnings"][0]
    assert left_behind() == []
