# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module metrics_textfile on a real server: its numbers, what a plain role may know, and when it says "changed"."""

import os
import pathlib
import re
import stat
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest


@pytest.fixture(scope="module")
def server(start_server: Any) -> Iterator[Any]:
    """Yield a server with two databases, and a role that may nothing."""
    server = start_server("bulkhead/postgres:17")
    server.sql("postgres", "CREATE DATABASE shop CONNECTION LIMIT 20")
    server.sql("postgres", "CREATE DATABASE closed")
    server.sql("postgres", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    server.sql("postgres", "CREATE ROLE plain LOGIN PASSWORD 'pw'")
    server.sql("shop", "CREATE TABLE shop_order (id int)")
    yield server


@pytest.fixture
def write(call: Any, server: Any, tmp_path: pathlib.Path) -> Any:
    """Return a function that writes the textfile and gives the module's result."""

    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        cluster = {"name": "main", "container": server.name, **options.pop("cluster", {})}
        given = {
            "path": str(tmp_path / "bulkhead.prom"),
            "platform": "here",
            "clusters": [cluster],
            "databases": [{"key": "shop", "cluster": "main", "folder": str(tmp_path / "copies"), "rpo_s": 60}],
            **options,
        }
        found: dict[str, Any] = call("metrics_textfile", check, **given)
        return found

    return run


def numbers(path: str) -> dict[str, float]:
    """Return the numbers by what stands before them, the labels that all share left out."""
    lines = [line for line in pathlib.Path(path).read_text().splitlines() if not line.startswith("#")]
    pairs = [re.sub(r'platform="here",?|cluster="main",?', "", line).rsplit(" ", 1) for line in lines]
    return {name.replace(",}", "}").removeprefix("bulkhead_"): float(value) for name, value in pairs}


def test_sessions_and_locks_of_each_database(write: Any, server: Any) -> None:
    address, password = server.address(), server.password
    opened = [psycopg2.connect(host=address, user="postgres", password=password, dbname="shop") for _number in range(3)]
    holder, waiter, idle = opened
    idle.autocommit = True
    try:
        idle.cursor().execute("SELECT 1")
        holder.cursor().execute("LOCK TABLE shop_order")

        def wait() -> None:
            waiter.cursor().execute("SELECT FROM shop_order")

        thread = threading.Thread(target=wait)
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        deadline = time.monotonic() + 30
        while server.sql("postgres", waiting) != "1":
            assert time.monotonic() < deadline, "nobody waits for the lock"
        found = numbers(write()["path"])
        holder.rollback()
        thread.join(30)
    finally:
        for connection in opened:
            connection.close()
    states = {name: found['database_connections{datname="shop",state="%s"}' % name] for name in ("active", "idle")}
    assert states == {"active": 1, "idle": 1}
    assert found['database_connections{datname="shop",state="idle in transaction"}'] == 1
    assert found['database_locks{datname="shop",granted="false"}'] == 1
    assert found['database_locks{datname="shop",granted="true"}'] >= 1
    assert found['database_oldest_transaction_timestamp_seconds{datname="shop"}'] > 1.7e9
    assert found['database_connection_limit{datname="shop"}'] == 20
    assert 'database_oldest_transaction_timestamp_seconds{datname="closed"}' not in found
    assert found["cluster_max_connections{}"] - found["cluster_usable_connections{}"] == 3
    # Whose tables are locked isn't judged, instead of waiting for them.
    assert [name for name in found if name.startswith('blast_radius{datname="shop"')] == []
    assert found['backup_verified_copies{database="shop"}'] == 0


def test_a_plain_role_may_know_less(write: Any) -> None:
    result = write(cluster={"login_user": "plain", "login_password": "pw"})
    found = numbers(result["path"])
    assert found["cluster_up{}"] == 1
    assert 'database_size_bytes{datname="shop"}' in found
    assert 'database_size_bytes{datname="closed"}' not in found
    assert found['blast_radius{datname="shop",verdict="contained"}'] == 1
    assert 'blast_radius{datname="closed",verdict="none"}' not in found
    assert "pw" not in pathlib.Path(result["path"]).read_text()


def test_it_is_written_by_each_run_and_changes_only_where_something_happened(
    write: Any, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "bulkhead.prom"
    assert write(check=True)["changed"]
    assert not path.exists()
    assert write(clock="2026-11-23T10:00:00Z")["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    first = path.stat()
    assert not write(clock="2026-11-23T10:15:00Z")["changed"]
    # It is another file: put in its place whole.
    assert path.stat().st_ino != first.st_ino
    assert path.stat().st_mtime_ns > first.st_mtime_ns
    assert numbers(str(path))["metrics_last_run_timestamp_seconds{}"] == 1795428900
    # Of the exporter's own: a mode that somebody gave it stays.
    os.chmod(path, 0o640)
    result = write(databases=[{"key": "shop", "cluster": "main", "rpo_s": 61}])
    assert result["changed"]
    assert (
        'bulkhead_database_rpo_seconds{platform="here",cluster="main",database="shop"} 61' in result["diff"][0]["after"]
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [item.name for item in tmp_path.iterdir() if item.suffix in (".prom", ".tmp")] == ["bulkhead.prom"]


def test_a_cluster_that_cant_be_read_is_no_failure(write: Any) -> None:
    result = write(cluster={"container": "bulkhead-there-is-none"})
    assert result.get("failed") is not True
    assert "bulkhead-there-is-none" in result["unreadable"]["main"]
    found = numbers(result["path"])
    assert found["cluster_up{}"] == 0
    assert [name for name in found if name.startswith(("cluster_max", "database_conn", "blast"))] == []


def test_mistakes_are_told_before_anything_is_asked(write: Any, tmp_path: pathlib.Path) -> None:
    wrong = write(path=str(tmp_path / "bulkhead.txt"))
    assert wrong["failed"]
    assert "names that end in .prom" in wrong["msg"]
    wrong = write(path=str(tmp_path / "nowhere" / "bulkhead.prom"))
    assert wrong["failed"]
    assert "can't be written" in wrong["msg"]
