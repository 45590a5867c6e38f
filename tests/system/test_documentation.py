# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents say where things really are: described as archon_db, found in postgres; and follow when they move."""

import os
import pathlib
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
SECRET = "a-value-that-must-not-be-shown"
README = b"\xef\xbb\xbf# Archon\r\n\r\n\tmine\r\n```\r\n<!-- bulkhead: backups (begin) -->\r\n```\r\nno end"


class Host:
    """A host with one server, and documents of its own."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str], server: Any) -> None:
        self.folder = folder
        self.environment = environment
        self.server = server
        self.readme, self.notes, self.docs = folder / "README.md", folder / "CLAUDE.md", folder / "docs"
        self.readme.write_bytes(README)
        self.readme.chmod(0o640)
        self.platform: dict[str, Any] = {
            "state_dir": str(folder / "state"),
            "backup_root": str(folder / "backups"),
            "clusters": {"main": {"container": server.name}},
            "databases": {
                "postgres": {"cluster": "main", "backup": {"schedule": "every 6h"}},
                "archon_db": {"cluster": "main", "owner": "archon", "restrict_connect": False},
            },
            "services": {
                "archon-server": {
                    "compose_file": str(folder / "compose.yml"),
                    "container": server.name,
                    "database": "archon_db",
                    "profile": "archon",
                }
            },
            "neighbours": {"qdrant": {"url": "http://localhost:6333/healthz"}},
            "documents": [
                {"path": str(self.readme), "blocks": ["architecture", "backups"]},
                {"path": str(self.notes)},
            ],
        }

    def play(self, *arguments: str) -> Any:
        """Run the playbook; return the finished process with its output."""
        host = {
            "ansible_connection": "local",
            "ansible_pipelining": True,
            "ansible_python_interpreter": sys.executable,
            "bulkhead_platform": self.platform,
        }
        inventory = self.folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": host}}}))
        command = ["ansible-playbook", "bulkhead.stack.docs", "-i", str(inventory)]
        command += ["-e", f"bulkhead_docs_folder={self.docs}", *arguments]
        environment = dict(self.environment, ANSIBLE_STDOUT_CALLBACK="bulkhead.stack.summary", COLUMNS="200")
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, cwd=self.folder, timeout=120
        )
        assert SECRET not in done.stdout + done.stderr
        return done

    def files(self) -> dict[str, bytes]:
        """Return every file that the documents could be in."""
        places = [self.readme, self.notes, *(self.docs.glob("*") if self.docs.is_dir() else ())]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in places if path.exists()}


@pytest.fixture(scope="module")
def host(start_server: Any, environment: dict[str, str], tmp_path_factory: Any) -> Iterator[Host]:
    """Yield a host whose Archon is described as having a database of its own, and lies in postgres."""
    server = start_server(IMAGE, "-e", "APP_KEY=" + SECRET, "-p", "127.0.0.1::5432")
    server.script(
        "postgres",
        "CREATE ROLE archon; CREATE DATABASE archon_db OWNER archon;"
        " CREATE TABLE archon_settings (id int); CREATE TABLE archon_tasks (id int);",
    )
    yield Host(tmp_path_factory.mktemp("documents"), environment, server)


def test_documents_follow_what_is_really_there(host: Host) -> None:
    # Check mode, on a host where nothing is written yet.
    planned = host.play("--check", "--diff")
    assert planned.returncode == 0, planned.stdout
    assert "described as `archon_db`, found in `postgres`" in planned.stdout
    assert host.files() == {"README.md": README}

    first = host.play()
    assert first.returncode == 0, first.stdout
    written = host.files()
    blocks = ("architecture", "connections", "inventory", "environment", "dns", "neighbours", "backups", "restore")
    assert set(written) == {"README.md", "CLAUDE.md", "docs/README.md"} | {f"docs/{name}.md" for name in blocks}
    assert written["README.md"].startswith(README + b"\r\n\r\n<!-- bulkhead: architecture (begin) -->\r\n")
    assert written["README.md"].endswith(b"<!-- bulkhead: backups (end) -->")
    assert b"\n" not in written["README.md"].replace(b"\r\n", b"")
    assert b"described as `archon_db`, found in `postgres`" in written["README.md"]
    assert stat.S_IMODE(host.readme.stat().st_mode) == 0o640
    assert stat.S_IMODE(host.notes.stat().st_mode) == 0o600
    notes = written["CLAUDE.md"].decode()
    for words in ("PostgreSQL 15", "`APP_KEY`", "optional: nothing here fails without it", "`every 6h`", "127.0.0.1:"):
        assert words in notes
    assert "bulkhead_restore_database=postgres" in notes
    assert SECRET not in notes
    assert (host.docs / "README.md").read_text().count(".md)") == 8

    # CI's run, which fails where a document isn't current: a second one finds nothing to do.
    current = ("--check", "-e", "bulkhead_docs_require_current=true")
    second = host.play(*current)
    assert second.returncode == 0, second.stdout
    assert "changed=0" in second.stdout

    # The tables move to where they are described to be.
    host.server.script("postgres", "DROP TABLE archon_settings, archon_tasks;")
    host.server.script("archon_db", "CREATE TABLE archon_settings (id int);")
    stale = host.play(*current)
    assert stale.returncode != 0
    assert "3 document(s) aren't current: " in stale.stdout
    assert all(str(path) in stale.stdout for path in (host.readme, host.notes, host.docs / "architecture.md"))
    assert host.files() == written

    # The documents follow; and what was theirs is theirs again.
    host.platform["documents"][0]["state"] = "absent"
    third = host.play()
    assert third.returncode == 0, third.stdout
    # The table at its end names them.
    assert re.search(r"^documentation +4 changed .* %s: block architecture$" % host.readme, third.stdout, re.MULTILINE)
    moved = host.files()
    assert {name for name in moved if moved[name] != written[name]} == {
        "README.md",
        "CLAUDE.md",
        "docs/architecture.md",
    }
    assert b"found in" not in moved["CLAUDE.md"]
    assert moved["README.md"] == README


def test_the_module_writes_all_or_nothing(call: Any, tmp_path: pathlib.Path) -> None:
    first, second, link = tmp_path / "a.md", tmp_path / "b.md", tmp_path / "link.md"
    first.write_bytes(b"one\n")
    link.symlink_to(first)
    second.write_bytes(b"<!-- bulkhead: x (begin) -->\n")
    wanted = [{"path": str(path), "blocks": ["x"]} for path in (link, second)]
    refused = call("document_blocks", blocks={"x": "text"}, documents=wanted)
    assert f"{second}, line 1: block x begins and doesn't end" in refused["msg"]
    assert first.read_bytes() == b"one\n"

    second.unlink()
    planned = call("document_blocks", True, blocks={"x": "text"}, documents=wanted)
    done = call("document_blocks", blocks={"x": "text"}, documents=wanted, backup=True)
    assert (planned["changed"], planned["changes"], planned["diff"]) == (True, done["changes"], done["diff"])
    assert link.is_symlink() and b"text" in first.read_bytes()
    assert pathlib.Path(done["backup_files"][str(link)]).read_bytes() == b"one\n"
    assert not call("document_blocks", blocks={"x": "text"}, documents=wanted)["changed"]

    absent = [{"path": str(tmp_path / "no" / "a.md"), "blocks": ["x"]}]
    assert "there is no folder" in call("document_blocks", blocks={"x": "text"}, documents=absent)["msg"]

    # A file that can't be written, as its name is too long for the one that it is written under first.
    long = tmp_path / ("b" * 250 + ".md")
    long.write_bytes(b"long\n")
    changed = [{"path": str(path), "blocks": ["x"]} for path in (first, long)]
    before = first.read_bytes()
    failed = call("document_blocks", blocks={"x": "other"}, documents=changed)
    assert "can't be written" in failed["msg"]
    assert (first.read_bytes(), long.read_bytes()) == (before, b"long\n")


def test_a_container_tells_no_values(call: Any, host: Host) -> None:
    found = call("container_definition_info", containers=[host.server.name, "no-such-container"])["containers"]
    assert found["no-such-container"] is None
    assert {"APP_KEY", "POSTGRES_PASSWORD"} <= set(found[host.server.name]["variables"])
    assert SECRET not in str(found)
