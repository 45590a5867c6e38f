# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery would have today: the newest verified copy, its objective, the newest time that was measured."""

import hashlib
import json
from datetime import datetime, timezone
from typing import Any, Dict, List, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.status import status, status_text

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc)
DATABASE = {"key": "app", "name": "app_db", "criticality": "high", "rpo_s": 21600, "rto_s": 600, "folder": "/b/app"}


class Folder:
    """A folder of copies, in memory."""

    path = "/b/app"

    def __init__(self) -> None:
        self.files: Dict[str, bytes] = {}
        self.log: List[Dict[str, Any]] = []

    def add(self, stamp: str, taken_at: str, roles: bool = True, suffix: str = ".dump.zst") -> str:
        """Add a whole copy; return its stem."""
        stem = "backup_app_db_" + stamp
        manifest = {
            "format_version": 1, "database": "app_db", "file": stem + suffix, "taken_at": taken_at, "size_bytes": 4,
            "sha256": "x", "compression": "zstd_wrapped", "tables": [], "verified": {"level": "read"},
            "restore": "the manifest's own line",
        }  # fmt: skip
        content = json.dumps(manifest).encode()
        self.files.update({stem + suffix: b"dump", stem + ".manifest.json": content})
        if roles:
            self.files[stem + ".globals.sql"] = b"roles"
        digest = hashlib.sha256(content).hexdigest()
        self.log.append({"event": "dumped", "stem": stem, "manifest_sha256": digest, "at": taken_at})
        return stem

    def drill(self, stem: str, stamp: str, at: str, passed: bool, **more: Any) -> None:
        """Add a verdict."""
        digest = hashlib.sha256(self.files[stem + ".manifest.json"]).hexdigest()
        verdict = {"format_version": 1, "passed": passed, "at": at, "manifest_sha256": digest, **more}
        self.files["%s.drill_%s.json" % (stem, stamp)] = json.dumps(verdict).encode()

    def entries(self) -> List[Tuple[str, int]]:
        return [(name, len(content)) for name, content in self.files.items()]

    def read(self, name: str) -> bytes:
        return self.files[name]

    def json_lines(self, name: str) -> List[Dict[str, Any]]:
        return self.log


def look(folder: Any, restores: Any = (), needs: Any = (), **more: Any) -> Tuple[Dict[str, Any], List[str], str]:
    """Return the row of the database, what is missing, and the page."""
    found = status([dict(DATABASE, **more)], {"app": folder}, restores, needs, NOW)
    return found["databases"][0], found["missing"], status_text(found, needs, "h", NOW)


def test_a_good_copy() -> None:
    folder = Folder()
    folder.add("20261122_080000", "2026-11-22T08:00:00Z")
    newest = folder.add("20261123_080000", "2026-11-23T08:00:00Z")
    folder.add("20261123_120000", "2026-11-23T12:00:00Z")
    row, missing, text = look(folder)
    # One that is dated in the future isn't the newest.
    assert row["dump"] == newest + ".dump.zst"
    assert (row["good_until"], row["rpo_met"], row["level"]) == ("2026-11-23T14:00:00Z", True, "read")
    assert (row["measured_s"], row["rto_met"], missing) == (None, None, [])
    assert "Nothing that was looked for is missing." in text
    assert "- opened by: `the manifest's own line`" in text
    assert "never tried" in text


def test_the_objective_is_missed() -> None:
    folder = Folder()
    folder.add("20261120_080000", "2026-11-20T08:00:00Z", roles=False)
    row, missing, text = look(folder)
    assert row["rpo_met"] is False
    assert [text.partition(":")[0] for text in missing] == ["`app`", "`app`"]
    assert "nobody could log in" in missing[1]
    assert "3 days ago" in text
    assert text.index("## MISSING: 2") < text.index("## Databases")


@pytest.mark.parametrize("drilled", [True, False])
def test_the_newest_measure_counts_whoever_took_it(drilled: bool) -> None:
    folder = Folder()
    stem = folder.add("20261123_080000", "2026-11-23T08:00:00Z")
    folder.drill(stem, "20261123_090000", "2026-11-23T09:00:00Z", True, seconds=30)
    folder.drill(stem, "20261123_091000", "2026-11-23T09:10:00Z", True)
    at = "2026-11-23T08:30:00Z" if drilled else "2026-11-23T09:30:00Z"
    line = {"key": "app", "at": at, "seconds": 900, "passed": True}
    others = [dict(line, key="other", at="2026-11-23T09:50:00Z"), dict(line, passed=False, at="2026-11-23T09:55:00Z")]
    row, missing, _text = look(folder, [line, *others])
    assert (row["measured_by"], row["measured_s"]) == (("drill", 30) if drilled else ("restore", 900))
    assert row["rto_met"] is drilled
    assert ["its RTO is" in text for text in missing] == ([] if drilled else [True])
    assert row["level"] == "drilled"


def test_a_drill_that_failed_is_told() -> None:
    folder = Folder()
    folder.add("20261123_070000", "2026-11-23T07:00:00Z")
    stem = folder.add("20261123_080000", "2026-11-23T08:00:00Z")
    folder.drill(stem, "20261123_090000", "2026-11-23T09:00:00Z", False, seconds=30)
    folder.files[stem + ".drill_20261123_090500.json"] = b"cut o"
    row, missing, _text = look(folder)
    assert (row["failed_drill"], row["measured_s"]) == ("2026-11-23T09:00:00Z", None)
    # A verdict that can't be read says nothing, and the copy is what it was before.
    assert missing == ["`app`: its newest drill failed, at 2026-11-23T09:00:00Z."]


def test_no_copy_no_folder_and_one_that_can_not_be_read() -> None:
    row, missing, _text = look(Folder())
    assert (row["rpo_met"], missing) == (False, ["`app` has no verified copy: there is nothing to restore it from."])
    found = status([dict(DATABASE, folder=None)], {}, [], [], NOW)
    assert found["missing"] == ["`app` is not dumped: there is nothing to restore it from."]
    inside = status([dict(DATABASE, folder=None, inside="postgres")], {}, [], [], NOW)
    assert inside["missing"] == []
    assert "inside of `postgres`" in status_text(inside, [], "h", NOW)

    class Broken(Folder):
        def entries(self) -> List[Tuple[str, int]]:
            raise OutsideError("Folder /b/app can't be read: input/output error.")

    _row, missing, _text = look(Broken())
    assert "its copies can't be looked at: Folder /b/app can't be read" in missing[0]


def test_the_newest_recovery_set_and_that_there_is_none() -> None:
    folder = Folder()
    row, missing, text = look(folder, saved=True)
    assert missing[1] == "`app` has no recovery set: what it needs besides its rows is not saved yet."
    assert "| `app`    | NONE" in text
    folder.add("20261123_080000", "2026-11-23T08:00:00Z")
    for stamp in ("20261101_020000", "20261122_020000"):
        folder.files["recovery_app_db_%s.tar.age" % stamp] = b"x"
    # Another database's, and one that a full disk has left empty, are none.
    folder.files["recovery_app_db_x_20261123_020000.tar.age"] = b"x"
    folder.files["recovery_app_db_20261123_020000.tar.age"] = b""
    row, missing, text = look(folder, saved=True)
    assert (row["set"], row["set_at"]) == ("recovery_app_db_20261122_020000.tar.age", "2026-11-22T02:00:00Z")
    assert missing == []
    assert "`recovery_app_db_20261122_020000.tar.age` | 2026-11-22T02:00:00Z, yesterday" in text
    assert "recovery set" not in look(Folder())[2]


def test_what_is_needed_besides_is_at_the_top_where_it_lacks() -> None:
    need = {
        "key": "app",
        "kind": "variable",
        "what": "KEY",
        "where": [],
        "looked": ["/srv/.env"],
        "note": "Else nothing.",
    }
    needs = [
        dict(need, state="missing"),
        dict(need, what="HELD", state="only_in_container", where=["container app"]),
        dict(need, what="THERE", state="found", where=["/srv/.env"]),
        dict(need, what="SAFE", state="unseen"),
    ]
    folder = Folder()
    folder.add("20261123_080000", "2026-11-23T08:00:00Z")
    _row, missing, text = look(folder, needs=needs)
    assert missing == [
        "`app` needs `KEY`, and it isn't there. Looked in `/srv/.env`. Else nothing.",
        "`app` needs `HELD`, and it stands only in container app, in no file: with the container it is gone."
        " Else nothing.",
    ]
    assert "look yourself" in text
