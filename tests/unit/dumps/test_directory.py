"""Dumps in directory format: which folders are copies, how they are compressed, what can't be asked for."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import ROTATE_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import (
    Catalogue,
    is_directory,
    read_catalogue,
    removed_name,
    stem,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.compression import Tools, choose_compression
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.log import Log
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.manifest import (
    FORMAT_VERSION,
    manifest_bytes,
    restore_command,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.rotate import parse_request

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
STEM = stem("db", NOON)


def ask() -> bytes:
    raise AssertionError("the rows matter to the program zstd only")


def catalogue_of(size_bytes: int) -> Catalogue:
    """Return the catalogue of one copy, whose manifest says that it has 100 bytes."""
    manifest = manifest_bytes(
        {
            "format_version": FORMAT_VERSION,
            "database": "db",
            "file": STEM + ".dump.dir",
            "taken_at": "2026-11-23T12:00:00Z",
            "size_bytes": 100,
            "sha256": "0" * 64,
            "compression": "gzip",
            "tables": [],
            "verified": {"level": "read", "at": "2026-11-23T12:00:00Z"},
        }
    )
    entries = [(STEM + ".dump.dir", size_bytes), (STEM + ".manifest.json", len(manifest))]
    log = Log({STEM: hashlib.sha256(manifest).hexdigest()})
    return read_catalogue("db", entries, {STEM + ".manifest.json": manifest}.__getitem__, log)


@pytest.mark.parametrize(
    ("size_bytes", "problem"),
    [
        (100, ""),
        (99, "it has 99 bytes, its manifest says 100"),
        (-1, "it isn't a folder of regular files alone"),
    ],
)
def test_a_folder_is_a_copy(size_bytes: int, problem: str) -> None:
    (copy,) = catalogue_of(size_bytes).copies
    assert (copy.dump, copy.problem, copy.is_good("read")) == (STEM + ".dump.dir", problem, not problem)
    assert copy.size_bytes >= 0
    assert copy.files == (STEM + ".dump.dir", STEM + ".manifest.json")


def test_what_killed_runs_have_left() -> None:
    written, removed = ".%s.dump.dir.partial" % STEM, ".%s.dump.dir.removed.partial" % STEM
    others = ".backup_db-x_20261123_120000.dump.dir.partial"
    found = read_catalogue("db", [(written, 5), (removed, 5), (others, 5)], lambda _name: b"", Log())
    assert found.partials == (written, removed)
    assert dict(found.orphans) == {
        written: "a run was killed while it wrote this",
        removed: "a run was killed while it removed this",
    }
    assert {removed_name(name) for name in (STEM + ".dump.dir", written, removed)} == {removed}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (STEM + ".dump.dir", True),
        (".%s.dump.dir.partial" % STEM, True),
        (".%s.dump.dir.removed.partial" % STEM, True),
        ("backup_a.dump.dir_20261123_120000.dump.dir", True),
        (STEM + ".dump", False),
        (STEM + ".reference.dump.dir", False),
        (STEM + ".dump.dir/" + STEM + ".dump.dir", False),
        (STEM + ".dump.dir\n", False),
        ("db.dump.dir", False),
    ],
)
def test_names_of_folders(name: str, found: bool) -> None:
    assert is_directory(name) is found


def test_a_name_that_looks_like_ours_in_the_middle() -> None:
    assert removed_name("backup_a.dump.dir_20261123_120000.dump.dir") == (
        ".backup_a.dump.dir_20261123_120000.dump.dir.removed.partial"
    )


@pytest.mark.parametrize(
    ("wanted", "built_in", "name", "argument"),
    [
        ("auto", True, "zstd", "--compress=zstd:2"),
        ("zstd", True, "zstd", "--compress=zstd:2"),
        # The program is there, and of no use: pg_dump writes the files itself.
        ("auto", False, "gzip", "--compress=1"),
        ("gzip", True, "gzip", "--compress=1"),
        ("none", True, "none", "--compress=0"),
    ],
)
def test_compressions(wanted: str, built_in: bool, name: str, argument: str) -> None:
    found = choose_compression(wanted, Tools("15.14", True, built_in), ask, "directory")
    assert (found.name, found.suffix, found.argument, found.wrapped) == (name, ".dump.dir", argument, False)
    # Sizes of two formats say nothing of each other.
    assert found.by == "pg_dump --format=directory " + argument


def test_zstd_that_pg_dump_does_not_know() -> None:
    with pytest.raises(StateError, match=r"pg_dump 15.14 can't compress a dump in directory format .* or newer\."):
        choose_compression("zstd", Tools("15.14", True, False), ask, "directory")


def test_the_command_of_the_stock_tools() -> None:
    assert restore_command("d.dump.dir", "gzip", jobs=4) == (
        "pg_restore --exit-on-error --jobs=4 --dbname=DATABASE d.dump.dir"
    )


def options(**given: Any) -> dict[str, Any]:
    """Return the module's options, as Ansible gives them."""
    return {name: given.get(name, spec.get("default")) for name, spec in ROTATE_SPEC.items()}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"dump_jobs": 0, "format": "directory"}, "dump_jobs is 0: nothing would be dumped. Give at least 1"),
        ({"dump_jobs": -1}, "dump_jobs is -1"),
        ({"dump_jobs": 2}, "is made by one job. Say format=directory"),
        ({"format": "directory", "encrypt_to": ["age1x"]}, "can't be encrypted: .* Use format=custom"),
    ],
)
def test_what_can_not_be_asked_for(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_request(options(database="db", **given), "run")


def test_what_can() -> None:
    found = parse_request(options(database="db", format="directory", dump_jobs=3), "run")
    assert (found.format, found.jobs) == ("directory", 3)
    assert parse_request(options(database="db"), "run").format == "custom"
