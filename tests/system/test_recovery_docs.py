# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook and its status file, for a real server; and the commands that it gives, taken out of it and run."""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.runbook import runbook

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
CLOCK = "2026-11-23T10:00:00Z"
NEXT_DAY = "2026-11-24T10:00:00Z"
SECRET = "a-key-that-must-not-be-shown"
APP = """
CREATE TABLE item (id serial PRIMARY KEY, name text); INSERT INTO item (name) VALUES ('one'), ('two');
CREATE SCHEMA "Odd ""Schema"; CREATE TABLE "Odd ""Schema"."Odd|Table" (a int);
CREATE EXTENSION pg_trgm;
"""
COMPOSE = """
name: PROJECT
services:
  app:
    image: IMAGE
    container_name: SERVER
    environment:
      APP_KEY: ${THE_KEY}
      APP_DEFAULT: ${NOWHERE:-of-the-file}
      APP_UNSET: ${NOWHERE}
    volumes: ["./uploads:/srv/uploads"]
"""


def runbook_module() -> Any:
    """Return the parser that the scenarios use too."""
    spec = importlib.util.spec_from_file_location("bulkhead_runbook", ROOT / "molecule" / "resources" / "runbook.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Host:
    """A host with one server, described; its runbook."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str], server: Any) -> None:
        self.folder = folder
        self.environment = environment
        self.server = server
        self.docs = folder / "state" / "docs"
        self.runbook = self.docs / "disaster-recovery-runbook.md"
        self.status = self.docs / "recovery-status.md"
        self.parser = runbook_module()
        (folder / "compose.yml").write_text(COMPOSE.replace("SERVER", server.name).replace("IMAGE", IMAGE))
        (folder / ".env").write_text("THE_KEY=%s\nEMPTY=\n" % SECRET)
        self.identity = folder / "identity.txt"
        made = subprocess.run(["age-keygen", "-o", str(self.identity)], check=True, capture_output=True, text=True)
        public = made.stderr.split()[-1]
        needs: list[Any] = [
            "APP_KEY", "APP_DEFAULT", "APP_UNSET", "EMPTY", "POSTGRES_PASSWORD",
            {"variable": "THE_KEY", "env_file": ".env"}, {"file": "key.pem", "note": "Without it nobody | is let in."},
            {"what": "the safe's combination"},
        ]  # fmt: skip
        app = {
            "cluster": "main",
            "holds": "orders",
            "criticality": "critical",
            "rpo": "6h",
            "rto": "10m",
            "backup": {"schedule": "every 6h"},
            "recovery": {
                "needs": needs,
                "volumes": [
                    "no_such_volume",
                    "uploads/",
                    {"target": "/var/lib/postgresql/data"},
                    {"target": "/nowhere"},
                ],
                "probe": "SELECT count(*) = 2 FROM item",
                "checklist": ["an order can be placed"],
            },
        }
        self.platform: dict[str, Any] = {
            "state_dir": str(folder / "state"),
            "backup_root": str(folder / "backups"),
            "clusters": {"main": {"container": server.name}},
            "databases": {
                "sealed_db": {"cluster": "main", "backup": {"schedule": "every 6h", "encrypt_to": [public]}},
                "app_db": app,
                "empty_db": {"cluster": "main"},
            },
            "services": {
                "app": {"compose_file": str(folder / "compose.yml"), "container": server.name, "database": "app_db"}
            },
            "contacts": [{"name": "Ada", "phone": "+49 30 1"}],
        }

    def play(self, name: str, *arguments: str, clock: str = CLOCK) -> Any:
        """Run a playbook as a user would; return the finished process."""
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "bulkhead_platform": self.platform,
        }
        inventory = self.folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": host}}}))
        command = ["ansible-playbook", f"bulkhead.stack.{name}", "-i", str(inventory), "-e", f"bulkhead_clock={clock}"]
        done = subprocess.run(
            [*command, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=self.folder,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout
        assert SECRET not in done.stdout
        return done

    def status_at(self, call: Any, clock: str) -> str:
        """Return the status file as it would be written at a moment."""
        docs = call("platform_info", platform=self.platform)["phases"]["docs"]
        options = {"databases": docs["databases"], "restores": docs["restores"], "clock": clock}
        text: str = call("recovery_status_info", **options)["text"]
        return text

    def newest(self, key: str) -> dict[str, str]:
        """Return the words that a person fills in, as the status file names them."""
        section = self.status.read_text().partition("### %s\n" % key)[2].partition("\n#")[0]
        names = {"DUMP_FILE": "dump", "MANIFEST_FILE": "manifest", "ROLES_FILE": "roles"}
        found = {word: re.search(r"^- %s: `([^`]+)`" % title, section, re.MULTILINE) for word, title in names.items()}
        words = {word: match.group(1) for word, match in found.items() if match}
        assert set(words) == set(names), section
        return dict(words, IDENTITY_FILE=str(self.identity))

    def run(self, name: str, **words: str) -> str:
        """Run one block of the runbook in a shell; return what it printed."""
        text = self.parser.filled(self.parser.commands(self.runbook.read_text())[name], **words)
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def restore_by_hand(self, key: str) -> None:
        """Restore a copy by the block that its file's name asks for."""
        words = self.newest(key)
        part = "restore-zst" if ".dump.zst" in words["DUMP_FILE"] else "restore"
        self.run("stock-%s %s" % (part, key), **words)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], start_server: Any) -> Iterator[Host]:
    server = start_server(IMAGE)
    server.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'of-the-app'")
    for name in ("app_db", "sealed_db"):
        server.sql("postgres", "CREATE DATABASE %s OWNER app" % name)
        server.sql(name, APP)
    server.sql("app_db", "ALTER TABLE item OWNER TO app; ALTER DATABASE app_db SET app.colour = 'blue'")
    yield Host(tmp_path_factory.mktemp("host"), environment, server)


# The tests of this file are steps: a host that has nothing yet, one with copies, one that has lost a database.


def test_a_fresh_host_in_check_mode(host: Host) -> None:
    done = host.play("runbook", "--check", "--diff")
    assert "+# Disaster recovery: here" in done.stdout
    assert "+# Recovery status: here" in done.stdout
    assert not (host.folder / "state").exists()


def test_a_fresh_host(host: Host) -> None:
    done = host.play("runbook")
    assert "changed=3" in done.stdout
    assert {path.name: path.stat().st_mode & 0o777 for path in (host.docs, host.runbook, host.status)} == {
        "docs": 0o700, host.runbook.name: 0o600, host.status.name: 0o600
    }  # fmt: skip
    status = host.status.read_text()
    # What lacks comes before everything else.
    assert status.index("## MISSING") < status.index("## Databases")
    assert "`app_db` has no verified copy: there is nothing to restore it from." in status
    assert "`empty_db` is not dumped" in status
    assert "changed=0" in host.play("runbook").stdout


def test_another_day_changes_the_status_alone(host: Host) -> None:
    runbook, status = host.runbook.read_bytes(), host.status.read_text()
    assert "changed=1" in host.play("runbook", clock=NEXT_DAY).stdout
    assert host.runbook.read_bytes() == runbook
    assert host.status.read_text() == status.replace("As of 2026-11-23", "As of 2026-11-24")
    # Earlier on the same day it says the same.
    assert "changed=0" in host.play("runbook", clock="2026-11-24T01:00:00Z").stdout


def test_what_a_recovery_needs_is_looked_for_and_not_shown(host: Host) -> None:
    status = host.status.read_text()
    lines = [line for line in status.partition("## Besides")[2].splitlines() if line.startswith("| `app_db`")]
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    assert {row[2]: row[3] for row in cells} == {
        "`APP_KEY`": "found", "`APP_DEFAULT`": "found", "`APP_UNSET`": "MISSING", "`EMPTY`": "MISSING",
        "`POSTGRES_PASSWORD`": "ONLY IN THE CONTAINER", "`THE_KEY`": "found",
        "`%s`" % (host.folder / "key.pem"): "MISSING", "`the safe's combination`": "look yourself",
        "`no_such_volume`": "MISSING", "`%s`" % (host.folder / "uploads"): "MISSING",
        "`/var/lib/postgresql/data`": "found", "`/nowhere`": "MISSING",
    }  # fmt: skip
    assert "Without it nobody \\| is let in." in status
    (host.folder / "key.pem").write_text(SECRET)
    (host.folder / "uploads").mkdir()
    (host.folder / "uploads" / "file").write_text("")
    host.play("runbook")
    status = host.status.read_text()
    assert re.search(r"`%s` *\| found" % re.escape(str(host.folder / "key.pem")), status)
    assert re.search(r"`%s` *\| found" % re.escape(str(host.folder / "uploads")), status)
    assert SECRET not in status + host.runbook.read_text()
    assert host.server.password not in status + host.runbook.read_text()


def test_a_volume_is_found_by_its_name_and_by_where_it_is_mounted(host: Host, call: Any) -> None:
    name = "bulkhead-test-" + uuid.uuid4().hex[:8]
    path = host.folder / "volumes.yml"
    path.write_text("name: %s\nservices: {app: {image: x, volumes: ['data:/data', './none:/none']}}\n" % name)
    subprocess.run(
        ["docker", "volume", "create", "--label", "bulkhead.test=true", name + "_data"], check=True, capture_output=True
    )
    try:
        volumes = [{"name": "data"}, {"name": name + "_data"}, {"target": "/data"}, {"target": "/none"}]
        service = {"service": "app", "container": name, "path": str(path), "project_name": name}
        database = {"key": "app_db", "volumes": volumes, "services": [service]}
        found = call("recovery_needs_info", databases=[database])
        assert [item["state"] for item in found["needs"]] == ["found", "found", "found", "missing"], found
        assert found["needs"][2]["where"] == ["volume %s_data" % name]
        # Without an engine, and without the compose file, the rest is still told.
        away = dict(service, path=str(host.folder / "gone.yml"))
        lost = {
            "key": "app_db",
            "needs": [{"variable": "APP_KEY"}],
            "volumes": [{"target": "/data"}],
            "services": [away],
        }
        found = call("recovery_needs_info", databases=[lost])
        assert [item["state"] for item in found["needs"]] == ["missing", "missing"]
        assert found["needs"][0]["looked"] == [str(host.folder / "gone.yml")]
    finally:
        subprocess.run(["docker", "volume", "rm", name + "_data"], check=True, capture_output=True)


def test_the_copies_are_in_the_status_and_not_in_the_runbook(host: Host, call: Any) -> None:
    runbook = host.runbook.read_bytes()
    host.play("backup")
    assert "changed=1" in host.play("runbook").stdout
    assert host.runbook.read_bytes() == runbook
    status = host.status.read_text()
    assert "has no verified copy" not in status
    assert re.search(
        r"\| `app_db` +\| 2026-11-23T10:00:00Z, today +\| read +\| 2026-11-23T16:00:00Z +\| 6 h, met", status
    )
    # A manifest's own line is in it.
    manifest = json.loads((host.folder / "backups" / "app_db" / host.newest("app_db")["MANIFEST_FILE"]).read_text())
    assert "- opened by: `%s`" % manifest["restore"] in status
    later = host.status_at(call, NEXT_DAY)
    assert "by its RPO of 6 h it was good until 2026-11-23T16:00:00Z" in later
    assert "yesterday" in later


def test_how_long_it_took(host: Host, call: Any) -> None:
    folder = host.folder / "backups" / "app_db"
    (manifest,) = folder.glob("*.manifest.json")
    stem = manifest.name.partition(".")[0]
    verdict = {
        "format_version": 1,
        "passed": True,
        "at": "2026-11-23T11:00:00Z",
        "seconds": 240.5,
        "manifest_sha256": "0",
    }
    (folder / (stem + ".drill_20261123_110000.json")).write_text(json.dumps(verdict))
    assert re.search(r"4 min \(drill, 2026-11-23\) +\| 10 min, met", host.status_at(call, CLOCK))
    restored = {"key": "app_db", "database": "app_db", "at": "2026-11-24T09:00:00Z", "seconds": 1200, "passed": True}
    failed = dict(restored, at="2026-11-24T09:30:00Z", seconds=1, passed=False)
    lines = [json.dumps(line) for line in (restored, failed)]
    (host.folder / "state" / "restores.jsonl").write_text("\n".join(lines) + "\n")
    later = host.status_at(call, NEXT_DAY)
    assert re.search(r"20 min \(restore, 2026-11-24\) +\| 10 min, MISSED", later)
    assert "the last restore took 20 min, and its RTO is 10 min" in later
    (folder / (stem + ".drill_20261123_110000.json")).unlink()


def test_every_block_has_a_name_and_a_shell_takes_it(host: Host) -> None:
    found = host.parser.commands(host.runbook.read_text())
    assert {"audit", "databases main", "restore app_db", "back app_db", "probe app_db", "restore-all"} <= set(found)
    assert not [name for name in found if "empty_db" in name]
    for name, text in found.items():
        done = subprocess.run(["sh", "-n", "-c", text], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (name, done.stderr)
    inventory = str(host.folder / "inventory.yml")
    assert "-i %s -e bulkhead_restore_database=app_db\n" % inventory in found["restore app_db"]
    with pytest.raises(ValueError, match="COPY_NAME"):
        host.parser.filled(found["restore-copy app_db"])
    program = [sys.executable, str(ROOT / "molecule" / "resources" / "runbook.py"), str(host.runbook)]
    printed = subprocess.run(
        [*program, "restore-copy app_db", "COPY_NAME=x"], check=True, capture_output=True, text=True
    )
    assert printed.stdout == found["restore-copy app_db"].replace("COPY_NAME", "x")
    moment = "2026-11-23T10:00:00Z"
    assert host.parser.filled(found["restore-before app_db"], MOMENT=moment).endswith("_before=%s\n" % moment)


def test_looking(host: Host) -> None:
    assert host.server.name in host.run("containers")
    assert "app_db" in host.run("databases main")
    assert "accepting connections" in host.run("ready main")
    assert host.newest("app_db")["DUMP_FILE"] in host.run("stock-files app_db")
    assert host.run("probe app_db") == "t\n"


def test_a_lost_database_and_its_lost_role_by_stock_tools_alone(host: Host) -> None:
    server = host.server
    for name in ("app_db", "sealed_db"):
        server.sql("postgres", "DROP DATABASE %s" % name)
    server.sql("postgres", "DROP ROLE app")
    words = host.newest("app_db")
    host.run("stock-roles app_db", **words)
    host.restore_by_hand("app_db")
    assert "Every table has the rows of its copy." in host.run("stock-rows app_db", **words)
    assert host.run("stock-probe app_db") == "t\n"
    # The owner can log in with the old password, owns what was the owner's, and has the database's settings.
    assert (
        server.sql("app_db", "SELECT name FROM item ORDER BY id; SHOW app.colour", "app", "of-the-app")
        == "one\ntwo\nblue"
    )
    owners = "SELECT tableowner FROM pg_tables WHERE tablename = 'item'"
    assert server.sql("app_db", owners) == "app"
    assert server.sql("postgres", "SELECT rolname FROM pg_database d JOIN pg_roles r ON r.oid = datdba"
                                  " WHERE datname = 'app_db'") == "app"  # fmt: skip
    # One whose copies are encrypted, with the key that isn't on the host otherwise.
    host.restore_by_hand("sealed_db")
    assert "Every table" in host.run("stock-rows sealed_db", **host.newest("sealed_db"))


def test_a_damaged_database_by_stock_tools_and_back(host: Host) -> None:
    server, words = host.server, host.newest("app_db")
    server.sql("app_db", "DELETE FROM item WHERE id = 1")
    text = host.parser.filled(host.parser.commands(host.runbook.read_text())["stock-rows app_db"], **words)
    compared = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    assert (compared.returncode, "public|item|1" in compared.stdout) == (1, True)
    session = subprocess.Popen(
        ["docker", "exec", server.name, "psql", "-U", "postgres", "-d", "app_db", "-c", "SELECT pg_sleep(600)"],
        stderr=subprocess.DEVNULL,
    )
    who = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app_db' AND query ~ 'sleep'"
    while server.sql("postgres", who) != "1":
        assert session.poll() is None
    assert "psql" in host.run("stock-who app_db")
    host.run("stock-aside app_db")
    session.wait(timeout=30)
    host.restore_by_hand("app_db")
    assert "Every table" in host.run("stock-rows app_db", **words)
    # What was there is kept whole, and takes its place again.
    assert server.sql("app_db_broken", "SELECT count(*) FROM item") == "1"
    host.run("stock-clear app_db")
    host.run("stock-back app_db")
    assert server.sql("app_db", "SELECT count(*) FROM item") == "1"
    assert server.sql("app_db_restored", "SELECT count(*) FROM item") == "2"


def test_a_folder_in_directory_format_by_stock_tools(host: Host, call: Any, tmp_path: pathlib.Path) -> None:
    platform = dict(host.platform, databases={"app_db": host.platform["databases"]["app_db"]})
    docs = call("platform_info", platform=platform)["phases"]["docs"]
    # What such a copy is restored by doesn't depend on who made it.
    docs["databases"][0].update(directory=True, folder=str(tmp_path))
    server, text = host.server, runbook(docs, "here", "i")
    dump = ["docker", "exec", server.name, "pg_dump", "-U", "postgres", "-Fd", "-f", "/tmp/dump", "app_db"]
    subprocess.run(dump, check=True)
    subprocess.run(["docker", "cp", "-q", server.name + ":/tmp/dump", str(tmp_path / "x.dump.dir")], check=True)
    before = server.sql("app_db", "SELECT count(*) FROM item")
    server.sql("postgres", "DROP DATABASE app_db")
    command = host.parser.filled(host.parser.commands(text)["stock-restore-directory app_db"], DUMP_FILE="x.dump.dir")
    subprocess.run(["sh", "-e", "-c", command], check=True, capture_output=True, timeout=60)
    assert server.sql("app_db", "SELECT count(*) FROM item") == before
    left = subprocess.run(["docker", "exec", server.name, "ls", "/tmp"], check=True, capture_output=True, text=True)
    assert "bulkhead-restore" not in left.stdout


def test_the_runbook_goes_where_it_is_wanted(host: Host, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    wanted = [
        "-e",
        f"bulkhead_runbook_file={folder}/bad-day.md",
        "-e",
        "bulkhead_runbook_inventory=/srv/inventories/mine",
    ]
    host.play("runbook", *wanted)
    assert {path.name for path in folder.iterdir()} == {"bad-day.md", "recovery-status.md"}
    assert folder.stat().st_mode & 0o777 == 0o755
    assert "-i /srv/inventories/mine " in (folder / "bad-day.md").read_text()


def test_bad_input(call: Any) -> None:
    found = call("recovery_status_info", databases=[{"key": "app_db"}])
    assert "databases[0] has no name, criticality" in found["msg"]
    found = call("recovery_needs_info", databases=[{"key": "app_db", "needs": [{}]}])
    assert "one of the following is required: variable, file, what" in found["msg"]
