# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was kept goes when its time is over: dumped before, needed by nobody, used by nobody."""

import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest
import yaml

LATER = "2026-12-25T10:00:00Z"
CLOCK = "2026-11-23T10:00:00Z"
KEPT = """
CREATE SCHEMA app_archive; CREATE TABLE app_archive.item (id serial PRIMARY KEY, name text);
CREATE FUNCTION app_archive.touch() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE app_archive.part (day date) PARTITION BY RANGE (day);
CREATE TABLE app_archive.part_1 PARTITION OF app_archive.part FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW app_archive.names AS SELECT name FROM app_archive.item;
INSERT INTO app_archive.item (name) VALUES ('kept');
"""
THERE = "SELECT count(*) FROM pg_namespace WHERE nspname = 'app_archive'"


@pytest.fixture
def cluster(servers: Any) -> Any:
    """Yield a server with an archive and a database that was put aside."""
    servers.sql("postgres", KEPT)
    servers.sql("postgres", "CREATE DATABASE app_db_undone")
    yield servers
    servers.sql("postgres", "DROP SCHEMA IF EXISTS app_archive CASCADE; DROP VIEW IF EXISTS needing")
    servers.sql("postgres", "DROP DATABASE IF EXISTS app_db_undone WITH (FORCE)")


@pytest.fixture
def register(call: Any, tmp_path: pathlib.Path) -> Any:
    """Return a function that registers a thing, for thirty days."""
    path = str(tmp_path / "state" / "register.jsonl")

    def write(kind: str, name: str, **more: Any) -> Any:
        return call("kept_register", path=path, kind=kind, name=name, **{"clock": CLOCK, "keep_for": "30d", **more})

    return write


def expire(cluster: Any, folder: pathlib.Path, environment: dict[str, str], clock: str, *arguments: str) -> Any:
    """Run the playbook as a user would; return the finished process."""
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "bulkhead_platform": {
            "state_dir": str(folder / "state"),
            "backup_root": str(folder / "backups"),
            "clusters": {"main": {"container": cluster.name}},
        },
    }
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": host}}}))
    command = ["ansible-playbook", "bulkhead.stack.expire", "-i", str(inventory), "-e", f"bulkhead_clock={clock}"]
    return subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, check=False, cwd=folder, timeout=120
    )


def test_it_is_kept_until_its_day_and_goes_then(
    call: Any, cluster: Any, register: Any, tmp_path: pathlib.Path, environment: dict[str, str]
) -> None:
    first = register("archive", "app_archive", cluster="main", database="postgres", reason="moved")
    assert (first["changed"], first["until"]) == (True, "2026-12-23T10:00:00Z")
    # A second run doesn't move the day; another period does.
    again = register("archive", "app_archive", cluster="main", database="postgres", reason="moved", clock=LATER)
    assert (again["changed"], again["until"]) == (False, "2026-12-23T10:00:00Z")
    assert register("database", "app_db_undone", cluster="main", keep_for="90d")["changed"] is True
    path = tmp_path / "state" / "register.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600

    early = expire(cluster, tmp_path, environment, CLOCK)
    assert early.returncode == 0, early.stdout
    assert "changed=0" in early.stdout
    checked = expire(cluster, tmp_path, environment, LATER, "--check", "--diff")
    assert checked.returncode == 0, checked.stdout
    assert "archive app_archive in database postgres" in checked.stdout
    assert cluster.sql("postgres", THERE) == "1"
    assert not (tmp_path / "backups").exists()

    done = expire(cluster, tmp_path, environment, LATER)
    assert done.returncode == 0, done.stdout
    assert cluster.sql("postgres", THERE) == "0"
    assert cluster.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_db_undone'") == "1"
    dumps = list((tmp_path / "backups" / "before-expiry" / "postgres").glob("backup_postgres_*.dump*"))
    assert len(dumps) == 1
    left = call("kept_info", path=str(path), clock=LATER)["kept"]
    assert [(item["name"], item["over"]) for item in left] == [("app_db_undone", False)]
    assert "changed=0" in expire(cluster, tmp_path, environment, LATER).stdout


def test_what_is_needed_or_used_stays_and_keeps_no_other(
    cluster: Any, register: Any, tmp_path: pathlib.Path, environment: dict[str, str]
) -> None:
    register("archive", "app_archive", cluster="main", database="postgres")
    register("database", "app_db_undone", cluster="main")
    register("database", "gone_already", cluster="main")
    cluster.sql("postgres", "CREATE VIEW needing AS SELECT name FROM app_archive.item")
    done = expire(cluster, tmp_path, environment, LATER)
    assert done.returncode != 0
    assert "is needed by needing" in done.stdout
    assert cluster.sql("postgres", THERE) == "1"
    assert cluster.sql("postgres", "SELECT name FROM needing") == "kept"
    assert cluster.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_db_undone'") == "0"


def test_a_database_in_use_stays(call: Any, cluster: Any, register: Any, tmp_path: pathlib.Path) -> None:
    register("database", "app_db_undone", cluster="main")
    command = [
        "docker",
        "exec",
        cluster.name,
        "psql",
        "-U",
        "postgres",
        "-d",
        "app_db_undone",
        "-c",
        "SELECT pg_sleep(60)",
    ]
    session = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while cluster.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app_db_undone'") != "1":
            assert session.poll() is None
        path = str(tmp_path / "state" / "register.jsonl")
        done = call("kept_expire", path=path, cluster="main", container=cluster.name, clock=LATER)
    finally:
        cluster.sql(
            "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app_db_undone'"
        )
        session.wait()
    assert "Somebody is connected" in done["msg"]
    assert "1 of postgres (psql, from a local socket)" in done["msg"]
    # Nobody is connected now, but there is no dump of it.
    refused = call("kept_expire", path=path, cluster="main", container=cluster.name, clock=LATER)
    assert "There is no dump of app_db_undone" in refused["msg"]
    assert cluster.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_db_undone'") == "1"


def test_a_container_goes_when_it_is_stopped(call: Any, register: Any, tmp_path: pathlib.Path) -> None:
    image = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
    name = "bulkhead-test-retired"
    subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)
    run = [
        "docker",
        "run",
        "-d",
        "--name",
        name,
        "--label",
        "bulkhead.test=true",
        "--entrypoint",
        "sleep",
        image,
        "600",
    ]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    try:
        register("container", name, reason="its service lives elsewhere")
        path = str(tmp_path / "state" / "register.jsonl")
        assert "is running" in call("kept_expire", path=path, clock=LATER)["msg"]
        subprocess.run(["docker", "kill", name], check=True, stdout=subprocess.DEVNULL)
        assert call("kept_expire", path=path, clock=LATER, check=True)["changed"] is True
        assert call("kept_expire", path=path, clock=LATER)["changes"] == [f"container {name}"]
        assert subprocess.run(["docker", "inspect", name], check=False, capture_output=True).returncode != 0
        assert call("kept_expire", path=path, clock=LATER)["changed"] is False
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)


def test_bad_input(register: Any) -> None:
    assert "An archive lies in a database" in register("archive", "x")["msg"]
    assert "a while" in register("container", "x", keep_for="a while")["msg"]
