"""pg_dump_run and the playbook ``backup`` on a real server: several databases, hooks, a summary, what fails."""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import sys
from typing import Any

import pytest
import yaml

from .conftest import Server

KEYS = ("large", "small", "other")
FILL = {
    "large": "CREATE TABLE t AS SELECT g, sha512(g::text::bytea) AS h FROM generate_series(1, 400000) g",
    "small": "CREATE TABLE t AS SELECT 1 AS g",
    "other": "CREATE TABLE t AS SELECT 2 AS g",
}


@pytest.fixture(scope="module")
def server(start_server: Any) -> Server:
    found: Server = start_server(os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15"))
    for key, statement in FILL.items():
        found.sql("postgres", "CREATE DATABASE %s" % key)
        found.sql(key, statement)
    return found


@pytest.fixture
def databases(server: Server, tmp_path: pathlib.Path) -> list[dict[str, Any]]:
    """Return three databases of a run."""
    common = {"container": server.name, "schedule": "@daily", "retention": {"last": 1}}
    return [{"key": key, "options": dict(common, database=key, dest=str(tmp_path / key))} for key in KEYS]


def test_all_that_is_due_and_no_more(call: Any, databases: list[dict[str, Any]], tmp_path: pathlib.Path) -> None:
    log = tmp_path / "state" / "backup.jsonl"
    run: dict[str, Any] = {"databases": databases, "log": str(log), "status_dir": str(tmp_path / "status")}
    check = call("pg_dump_run", check=True, clock="2026-11-22T01:00:00Z", **run)
    assert (check["changed"], log.exists()) == (True, False)
    assert "would run" in check["page"][1]
    first = call("pg_dump_run", clock="2026-11-22T01:00:00Z", **run)
    assert (check["diff"], first["summary"]["dumped"]) == (first["diff"], list(KEYS))
    assert first["page"][-1].startswith("3 due, 3 dumped, 0 failed, 0 not due, 0 removed")
    again = call("pg_dump_run", clock="2026-11-22T23:00:00Z", **run)
    assert (again["changed"], again["summary"]["current"]) == (False, list(KEYS))
    databases.sort(key=lambda item: str(item["key"]), reverse=True)
    for item in databases:
        item["before"] = [["sh", "-c", 'echo "$BULKHEAD_DATABASE" >>"$0"', str(tmp_path / "order")]]
    third = call("pg_dump_run", clock="2026-11-24T01:00:00Z", jobs=1, **run)
    assert third["summary"]["dumped"] == ["small", "other", "large"]
    # One at a time: what took longest before began first, and what is told has the order of the description.
    assert (tmp_path / "order").read_text().split()[0] == "large"
    assert third["summary"]["pruned"] == dict.fromkeys(KEYS, 1)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["state"] for line in lines] == ["ok", "ok", "ok"]
    assert lines[0] == first["summary"]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    status = {key: json.loads((tmp_path / "status" / f"{key}.json").read_text()) for key in KEYS}
    assert {item["state"] for item in status.values()} == {"done"}
    assert third["results"]["large"]["manifest"]["taken_at"] == "2026-11-24T01:00:00Z"


def test_what_fails_stops_nothing_else(call: Any, databases: list[dict[str, Any]]) -> None:
    databases[0]["options"]["database"] = "lrage"
    result = call("pg_dump_run", databases=databases)
    assert result["failed"]
    assert "large: Role postgres can't connect to database lrage" in result["msg"]
    assert result["msg"].endswith("or correct its name.")
    assert result["failed_databases"] == ["large"]
    assert result["summary"]["dumped"] == ["small", "other"]
    assert "failed" in result["page"][1]


def test_hooks(call: Any, databases: list[dict[str, Any]], tmp_path: pathlib.Path) -> None:
    def told(name: str) -> list[str]:
        return [
            "sh",
            "-c",
            'echo "$BULKHEAD_DATABASE $BULKHEAD_STATE ${BULKHEAD_DUMP##*/}" >>"$0"',
            str(tmp_path / name),
        ]

    databases[0].update(before=[told("before")], after=[told("after")])
    databases[1].update(before=[["sh", "-c", "echo no space >&2; exit 3"]], after=[told("after-failure")])
    databases[2].update(after=[["/no/such/program"]])
    result = call("pg_dump_run", clock="2026-11-22T01:00:00Z", databases=databases)
    assert result["summary"]["failed"] == ["small", "other"]
    assert result["summary"]["errors"]["small"] == "Hook `sh` failed with exit status 3: no space."
    assert "can't be run" in result["summary"]["errors"]["other"]
    # The copy was made, and is good, whatever was to follow.
    assert result["results"]["other"]["dump"]
    assert "small" not in result["results"]
    assert (tmp_path / "before").read_text() == "large  \n"
    after = (tmp_path / "after").read_text()
    assert after.startswith("large dumped backup_large_20261122_010000.dump")
    assert (tmp_path / "after-failure").read_text() == "small failed \n"
    # Nothing is due any more, so there is nothing to hook on.
    call("pg_dump_run", clock="2026-11-22T02:00:00Z", databases=databases[:1])
    assert (tmp_path / "before").read_text() == "large  \n"


def test_every_mistake_at_once_before_anything_is_done(
    call: Any, databases: list[dict[str, Any]], tmp_path: pathlib.Path
) -> None:
    databases[0]["options"]["dset"] = "x"
    databases[1]["options"]["login_password"] = "no-secret-here"
    databases[2]["key"] = "large"
    result = call("pg_dump_run", databases=databases, passwords={"nobody": "hunter2"}, jobs=0)
    for mistake in (
        "dset",
        "small: say login_password in passwords",
        "is there twice",
        "no database nobody",
        "jobs is 0",
    ):
        assert mistake in result["msg"]
    assert "hunter2" not in json.dumps(result)
    assert not (tmp_path / "small").exists()


def play(
    folder: pathlib.Path,
    environment: dict[str, str],
    platform: dict[str, Any],
    *arguments: str,
    name: str = "bulkhead.stack.backup",
) -> Any:
    """Run the playbook on a description; return the finished process with its output as text."""
    described = dict(platform, state_dir=str(folder / "state"))
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    host = dict(local, bulkhead_platform=described)
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": host}}}))
    command = ["ansible-playbook", name, "-i", str(inventory), *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False, cwd=folder
    )


def test_the_playbook(server: Server, environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    backup = {"schedule": "@daily", "retention": {"last": 2}}
    platform: dict[str, Any] = {
        "clusters": {"main": {"container": server.name, "password": server.password}},
        "backup_root": str(tmp_path / "backups"),
        "databases": {key: {"cluster": "main", "backup": backup} for key in KEYS},
    }
    first = play(tmp_path, environment, platform, "-e", "bulkhead_clock=2026-11-22T01:00:00Z")
    assert first.returncode == 0, first.stdout
    assert "3 due, 3 dumped, 0 failed" in first.stdout
    quiet = play(
        tmp_path, environment, platform, "-e", "bulkhead_clock=2026-11-22T02:00:00Z", "-e", "{bulkhead_quiet: true}"
    )
    assert (quiet.returncode, "changed=0" in quiet.stdout, "DATABASE" in quiet.stdout) == (0, True, False)
    at_one = ("-e", "bulkhead_clock=2026-11-22T03:00:00Z", "--diff")
    listed = play(tmp_path, environment, platform, *at_one, name="bulkhead.stack.copies")
    assert (listed.returncode, listed.stdout.count("2026-11-22T01:00:00Z") >= 3) == (0, True), listed.stdout
    assert "changed=0" in play(tmp_path, environment, platform, *at_one, name="bulkhead.stack.copies").stdout
    platform["databases"]["small"]["name"] = "smal"
    failed = play(tmp_path, environment, platform, "-e", "bulkhead_clock=2026-11-23T01:00:00Z", "-v")
    assert failed.returncode != 0
    assert "3 due, 2 dumped, 1 failed" in failed.stdout
    assert "can't connect to database smal" in failed.stdout
    for said in (first.stdout, quiet.stdout, failed.stdout):
        assert not [line for line in said.splitlines() if server.password in line]
    assert not [name for name in (tmp_path / "backups" / "small").iterdir() if "20261123" in name.name]
