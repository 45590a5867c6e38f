# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as Ansible runs them, with their arguments in a file, as far as they come without a server."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Callable, Dict, List

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
Run = Callable[..., Dict[str, Any]]


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Run:
    """Return what runs a module, and returns its result."""
    path = subprocess.run(
        [str(ROOT / "scripts" / "collections-path.sh")], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()

    def run_module(name: str, check_mode: bool = False, **options: Any) -> Dict[str, Any]:
        arguments = tmp_path / "arguments.json"
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check_mode}}))
        done = subprocess.run(
            [sys.executable, "-B", "-m", "ansible_collections.bulkhead.stack.plugins.modules." + name, str(arguments)],
            env=dict(os.environ, PYTHONPATH=path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        arguments.unlink()
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        result = json.loads(done.stdout)
        assert bool(result.get("failed")) == (done.returncode != 0)
        return dict(result)

    return run_module


GOOD: Dict[str, Any] = {
    "clusters": {"main": {"container": "supabase-ai-db"}},
    "databases": {"n8n_db": {"cluster": "main", "rpo": "24h", "backup": {"schedule": "0 3 * * *"}}},
}


@pytest.mark.parametrize("check_mode", [False, True])
def test_platform_info_projects_a_good_description(run: Run, check_mode: bool) -> None:
    result = run("platform_info", check_mode, platform=GOOD)
    assert result["changed"] is False
    assert result["platform"]["databases"]["n8n_db"]["rpo"] == 86400
    phases = {"dns", "isolate", "access", "postgrest", "switch", "kept", "backup", "copies", "audit"}
    phases |= {"consolidate", "docs", "documents", "drill", "drop", "metrics", "restore"}
    assert set(result["phases"]) == phases
    (backup,) = result["phases"]["backup"]["databases"]
    assert backup["options"]["database"] == "n8n_db"


@pytest.mark.parametrize(
    ("platform", "mistakes"),
    [
        ({}, ["clusters: is missing."]),
        (
            {"clusters": {"main": {}}, "databases": {"a/b": {"cluster": "mian"}}},
            [
                "databases.a/b.cluster: there is no cluster mian; did you mean main?",
                "clusters.main: name either container, or host (or unix_socket).",
                "databases.a/b: a name with a slash or two dots can't name a backup folder.",
            ],
        ),
        (
            dict(GOOD, databases={"x" * 64: {"cluster": "main"}}),
            ["databases.%s: Postgres cuts names after 63 bytes; this one has more." % ("x" * 64)],
        ),
        (dict(GOOD, databases={"n": {"cluster": "main", "rpo": "x"}}), None),
    ],
)
def test_platform_info_tells_every_mistake(run: Run, platform: Dict[str, Any], mistakes: List[str]) -> None:
    result = run("platform_info", platform=platform)
    assert result["failed"]
    assert result["error_kind"] == "DescriptionError"
    assert len(result["mistakes"]) == (len(mistakes) if mistakes else 1)
    for mistake in mistakes or result["mistakes"]:
        assert mistake in result["mistakes"]
        assert "  - " + mistake in result["msg"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"database": "x" * 64, "owner": "archon"}, "Postgres cuts names after 63"),
        ({"database": "archon_db", "owner": "pg_archon"}, "belong to Postgres itself"),
        ({"database": "", "owner": "archon"}, "can't name a database"),
        ({"database": "archon_db", "owner": "archon", "login_host": "x", "container": "y"}, "Both a container"),
        ({"database": "archon_db", "owner": "archon"}, "Neither a container"),
    ],
)
def test_pg_database_isolate_refuses_before_it_connects(run: Run, options: Dict[str, Any], says: str) -> None:
    result = run("pg_database_isolate", **options)
    assert result["failed"]
    assert says in result["msg"]
    assert result["error_kind"] == "InputError"


def test_pg_blast_radius_info_needs_one_cluster(run: Run) -> None:
    assert "Name one cluster" in run("pg_blast_radius_info")["msg"]


def test_postgrest_probe_info_tells_that_the_key_is_missing(run: Run, tmp_path: pathlib.Path) -> None:
    (tmp_path / ".env").write_text("OTHER=x\n")
    result = run(
        "postgrest_probe_info",
        url="http://127.0.0.1:9/",
        database="archon_db",
        instance="rest",
        container="db",
        apikey_file=str(tmp_path / ".env"),
        apikey_variable="SERVICE_ROLE_KEY",
    )
    assert result["failed"]
    assert "holds no SERVICE_ROLE_KEY" in result["msg"]


@pytest.mark.parametrize("state", ["completed", "undone"])
def test_isolation_journal_has_nothing_to_do_where_nothing_is_open(
    run: Run, tmp_path: pathlib.Path, state: str
) -> None:
    result = run("isolation_journal", journal=str(tmp_path / "x.jsonl"), state=state)
    assert (result["changed"], result["open"], result["left"]) == (False, 0, [])
    assert not (tmp_path / "x.jsonl").exists()


def file_entry(tmp_path: pathlib.Path) -> Dict[str, Any]:
    """Return the journal's entry for a file that was changed from old to new, and make it so."""
    (tmp_path / ".env").write_bytes(b"new")
    (tmp_path / "backup").write_bytes(b"old")
    return {
        "kind": "file",
        "path": str(tmp_path / ".env"),
        "backup": str(tmp_path / "backup"),
        "before_sha256": hashlib.sha256(b"old").hexdigest(),
        "after_sha256": hashlib.sha256(b"new").hexdigest(),
    }


def test_isolation_journal_takes_a_file_back_once(run: Run, tmp_path: pathlib.Path) -> None:
    journal = tmp_path / "x.jsonl"
    journal.write_text(json.dumps(file_entry(tmp_path)) + "\n")
    result = run("isolation_journal", True, journal=str(journal), state="undone")
    assert (result["changed"], result["open"]) == (True, 1)
    assert (tmp_path / ".env").read_bytes() == b"new"
    result = run("isolation_journal", journal=str(journal), state="undone")
    assert (result["changed"], result["open"]) == (True, 1)
    assert result["restored"] == ["%s is as it was" % (tmp_path / ".env")]
    assert (tmp_path / ".env").read_bytes() == b"old"
    result = run("isolation_journal", journal=str(journal), state="undone")
    assert (result["changed"], result["open"]) == (False, 0)


def test_isolation_journal_leaves_what_someone_else_changed_and_stays_open(run: Run, tmp_path: pathlib.Path) -> None:
    journal = tmp_path / "x.jsonl"
    journal.write_text(json.dumps(file_entry(tmp_path)) + "\n")
    (tmp_path / ".env").write_bytes(b"theirs")
    for _again in range(2):
        result = run("isolation_journal", journal=str(journal), state="undone")
        assert result["failed"]
        assert "someone else has changed it since" in result["left"][0]
        assert (tmp_path / ".env").read_bytes() == b"theirs"


def test_isolation_journal_that_is_completed_is_not_taken_back(run: Run, tmp_path: pathlib.Path) -> None:
    journal = tmp_path / "x.jsonl"
    journal.write_text(json.dumps(file_entry(tmp_path)) + "\n")
    assert run("isolation_journal", journal=str(journal), state="completed")["changed"] is False
    result = run("isolation_journal", journal=str(journal), state="undone")
    assert (result["changed"], result["open"]) == (False, 0)
    assert (tmp_path / ".env").read_bytes() == b"new"
