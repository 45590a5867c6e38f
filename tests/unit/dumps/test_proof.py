# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copy is good at this moment, before something is destroyed that it is to stand for."""

import hashlib
import pathlib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import stem
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.log import DUMPED, PRUNED, record
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.manifest import FORMAT_VERSION, manifest_bytes
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.proof import Proven, fault_of, newest_proven

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
HOUR, DAY_S = timedelta(hours=1), 86400


class Copies:
    """A folder of copies on the disk."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self.folder = path, DumpFolder(str(path))

    def add(self, taken_at: datetime, level: str = "read") -> pathlib.Path:
        """Write a copy as it is written, and return its dump."""
        name, content = stem("db", taken_at), b"rows of %s" % str(taken_at).encode()
        manifest = {
            "format_version": FORMAT_VERSION,
            "database": "db",
            "file": name + ".dump",
            "taken_at": taken_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "compression": "gzip",
            "tables": [],
            "verified": {"level": level},
        }
        data = manifest_bytes(manifest)
        (self.path / (name + ".dump")).write_bytes(content)
        (self.path / (name + ".manifest.json")).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        record(self.folder, "db", DUMPED, taken_at, stem=name, manifest_sha256=digest)
        return self.path / (name + ".dump")

    def newest(self, **more: Any) -> Proven:
        """Return the newest copy that is proven at noon."""
        options = {"level": "read", "now": NOON, "max_age_s": DAY_S, **more}
        return newest_proven("db", self.folder, **options)


@pytest.fixture
def copies(tmp_path: pathlib.Path) -> Copies:
    """Return a folder with no copies yet."""
    return Copies(tmp_path)


def damage(dump: pathlib.Path) -> None:
    """Change a byte, and no size."""
    dump.write_bytes(dump.read_bytes()[:-1] + b"X")


def test_the_newest_that_is_good_now_counts(copies: Copies) -> None:
    older, newer = copies.add(NOON - 3 * HOUR), copies.add(NOON - 2 * HOUR)
    copies.add(NOON - HOUR, level="hashed")
    copies.add(NOON + HOUR)
    assert copies.newest().copy.dump == newer.name
    damage(newer)
    assert copies.newest().copy.dump == older.name
    damage(older)
    with pytest.raises(StateError, match="verified to the level read") as raised:
        copies.newest()
    for dump in (older, newer):
        assert "%s: its bytes aren't those that were written" % dump.name in str(raised.value)


def test_a_copy_is_as_old_as_was_said_or_younger(copies: Copies) -> None:
    dump = copies.add(NOON - 24 * HOUR)
    assert copies.newest().copy.dump == dump.name
    with pytest.raises(StateError, match="was taken at 2026-11-22T12:00:00Z, and none may be older than 1 d"):
        copies.newest(now=NOON + timedelta(seconds=1))


def test_what_was_never_drilled_does_not_pass_for_drilled(copies: Copies) -> None:
    copies.add(NOON)
    with pytest.raises(StateError, match="verified to the level drilled.* drill it"):
        copies.newest(level="drilled")


def test_a_proven_copy_that_is_no_more_what_it_was(copies: Copies) -> None:
    dump = copies.add(NOON)
    proven = copies.newest()

    def fault() -> str:
        return fault_of("db", proven.copy.stem, proven.manifest_sha256, copies.folder)

    assert fault() == ""
    assert fault_of("db", proven.copy.stem, "0" * 64, copies.folder) == "its manifest is another one now"
    content = dump.read_bytes()
    damage(dump)
    assert fault() == "its bytes aren't those that were written"
    dump.write_bytes(content + b"more")
    assert "its manifest says" in fault()
    dump.write_bytes(content)
    record(copies.folder, "db", PRUNED, NOON, stems=[proven.copy.stem])
    assert "isn't in this catalogue's log" in fault()
    dump.unlink()
    assert fault() == "it is gone"


def test_no_folder_is_no_copy(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StateError, match="There is no copy of db"):
        Copies(tmp_path / "nowhere").newest()
