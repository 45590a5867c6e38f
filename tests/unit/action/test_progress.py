# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the terminal shows while rows are copied, and while dumps are made."""

import json
import subprocess
from pathlib import Path
from typing import Any, Dict

import pytest

from ansible_collections.bulkhead.stack.plugins.plugin_utils.progress import cat, describe, running

COPYING = {
    "database": "tryton",
    "state": "running",
    "doing": "rows",
    "table": "public.party_party",
    "tables_done": 77,
    "tables_total": 141,
    "bytes_done": 3 * 1024**2,
    "bytes_total": 4 * 1024**2,
}


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (COPYING, "tryton: rows, 77 of 141 tables, 3.0 MiB of about 4.0 MiB (75 %), public.party_party"),
        # A table's size is told beforehand, and may be more in the end.
        (
            dict(COPYING, bytes_done=5 * 1024**2),
            "tryton: rows, 77 of 141 tables, 5.0 MiB of about 4.0 MiB (100 %), public.party_party",
        ),
        ({"database": "n8n_db", "doing": "extension vector in n8n_db"}, "n8n_db: extension vector in n8n_db"),
        (
            {"database": "a", "doing": "dump", "bytes_done": 3 * 1024**2, "bytes_total": 4 * 1024**2, "seconds": 1.5},
            "a: dump, 3.0 MiB of about 4.0 MiB (75 %), 2.0 MiB/s, 1 s",
        ),
        # A first dump: nobody knows how much it will be.
        ({"database": "a", "doing": "dump", "bytes_done": 1024**2, "seconds": 2}, "a: dump, 1.0 MiB, 512 KiB/s, 2 s"),
        ({"database": "a", "doing": "verify"}, "a: verify"),
        ({"database": "n8n_db"}, ""),
        ({}, ""),
    ],
)
def test_a_status_is_one_line(status: Dict[str, Any], line: str) -> None:
    assert describe(status) == line


def test_only_what_is_being_done_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "it's a status"
    folder.mkdir()
    for name, state in (("a", "running"), ("b", "done"), ("c", "running")):
        (folder / f"{name}.json").write_text(json.dumps({"database": name, "state": state}))
    (folder / "d.json").write_text("half of a li")
    printed = subprocess.run(["sh", "-c", cat(folder, "/*.json")], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert [status["database"] for status in running("Welcome to this host\n" + printed)] == ["a", "c"]
    nothing = subprocess.run(["sh", "-c", cat(tmp_path / "none")], check=False, stdout=subprocess.PIPE, text=True)
    assert (running(nothing.stdout), cat(None)) == ([], "")
