"""Which files are copies of which database, which of them are good, and whether a dump is due."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.schedule import parse_schedule
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import (
    Catalogue,
    check_database_name,
    free_stem,
    read_catalogue,
    stem,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.due import decide_due
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.info import parse_watches
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.log import Log, read_log, record
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.manifest import (
    FORMAT_VERSION,
    ManifestError,
    manifest_bytes,
    parse_manifest,
    restore_command,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.ports import Folder

END = ".manifest.json"
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def manifest_of(database: str, moment: datetime, **changes: Any) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "database": database,
        "file": stem(database, moment) + ".dump",
        "taken_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "size_bytes": 100,
        "sha256": "0" * 64,
        "compression": "gzip",
        "tables": [{"schema": "public", "name": "Odd Näme", "rows": 3}],
        "verified": {"level": "read", "at": "2026-11-23T12:00:00Z"},
    }
    manifest.update(changes)
    return manifest


def catalogue_of(files: dict[str, bytes], database: str = "db", log: Log | None = None) -> Catalogue:
    """Return the catalogue of files, all of them in the log, unless another log is given."""
    hashes = {name[: -len(END)]: hashlib.sha256(data).hexdigest() for name, data in files.items() if name.endswith(END)}
    entries = [(name, len(data)) for name, data in files.items()]
    return read_catalogue(database, entries, files.__getitem__, log or Log(hashes))


def copy_files(moment: datetime, **changes: Any) -> dict[str, bytes]:
    name = stem("db", moment)
    return {
        name + ".dump": b"x" * 100,
        name + ".manifest.json": manifest_bytes(manifest_of("db", moment, **changes)),
        name + ".globals.sql": b"CREATE ROLE archon;",
    }


def test_a_whole_copy() -> None:
    found = catalogue_of(copy_files(NOON))
    assert [(copy.dump, copy.taken_at, copy.level, copy.problem) for copy in found.copies] == [
        ("backup_db_20261123_120000.dump", NOON, "read", "")
    ]
    assert len(found.copies[0].files) == 3
    assert found.orphans == ()


@pytest.mark.parametrize(
    "name",
    [
        "backup_db-x_20261123_120000.dump",
        "backup_db_x_20261123_120000.dump",
        "backup_dbx_20261123_120000.dump",
        "backup_xdb_20261123_120000.dump",
        "xbackup_db_20261123_120000.dump",
        "backup_db_20261123_120000_20261123_120000.dump",
        "backup_db_20261123_120000.dump.bak",
        "backup_db_20261123_120000.dump\n",
        "backup_db_20261123_12000.dump",
        "backup_DB_20261123_120000.dump",
        "backup_db_20261123_120000.sql",
        ".backup_db_x_20261123_120000.dump.partial",
        ".backup_db.lock",
        "notes.txt",
    ],
)
def test_files_that_belong_to_others(name: str) -> None:
    found = catalogue_of({name: b"x"})
    assert (found.copies, found.orphans, found.partials) == ((), (), ())


def test_a_name_is_no_pattern() -> None:
    assert catalogue_of({"backup_dxb_20261123_120000.dump": b""}, "d.b").copies == ()
    assert len(catalogue_of({"backup_d.b_20261123_120000.dump": b""}, "d.b").copies) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"size_bytes": 101}, "it has 100 bytes, its manifest says 101"),
        ({"database": "other"}, "its manifest is of database other"),
        ({"file": "backup_db_20261123_120000.dump.zst"}, "its manifest is of file"),
        ({"taken_at": "2026-11-22T12:00:00Z"}, "its manifest says it was taken at"),
        ({"format_version": 99}, "format_version is 99"),
        ({"verified": {"level": "sworn"}}, "level of verification is 'sworn'"),
        ({"size_bytes": True}, "field size_bytes is missing or of the wrong type"),
        ({"sha256": None}, "field sha256 is missing or of the wrong type"),
    ],
)
def test_a_copy_that_is_not_what_its_manifest_says(changes: dict[str, Any], problem: str) -> None:
    files = copy_files(NOON)
    files[stem("db", NOON) + ".manifest.json"] = manifest_bytes(dict(manifest_of("db", NOON), **changes))
    copy = catalogue_of(files).copies[0]
    assert problem in copy.problem
    assert not copy.is_good("hashed")


def test_orphans_are_told_with_the_reason() -> None:
    later = NOON + timedelta(hours=1)
    files = {
        stem("db", NOON) + ".dump": b"x",
        stem("db", later) + ".manifest.json": b"{}",
        ".%s.dump.partial" % stem("db", later): b"half",
        "backup_db_20261399_120000.dump": b"",
    }
    found = catalogue_of(files)
    assert dict(found.orphans) == {
        "backup_db_20261123_120000.dump": "it has no manifest",
        "backup_db_20261123_130000.manifest.json": "its dump is missing",
        ".backup_db_20261123_130000.dump.partial": "a run was killed while it wrote this",
        "backup_db_20261399_120000.dump": "its name holds no date",
    }
    assert found.partials == (".backup_db_20261123_130000.dump.partial",)


def test_levels() -> None:
    hashed = catalogue_of(copy_files(NOON, verified={"level": "hashed"})).copies[0]
    assert hashed.is_good("hashed")
    assert not hashed.is_good("read")


def test_a_stem_that_is_taken_gives_way() -> None:
    taken = [stem("db", NOON), stem("db", NOON + timedelta(seconds=1))]
    assert free_stem("db", NOON, taken) == ("backup_db_20261123_120002", NOON + timedelta(seconds=2))


@pytest.mark.parametrize("name", ["", "a/b", "..", "a..b", "a\\b", "a\nb", "a\0b", "x" * 64, "ä" * 32])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="can't be part of a file name"):
        check_database_name(name)


@pytest.mark.parametrize("name", ["postgres", "archon_db", "Odd Näme", "d.b", "-Fc", "a=b", "x" * 63])
def test_names_that_are_accepted(name: str) -> None:
    check_database_name(name)


def test_a_manifest_survives_a_round_trip() -> None:
    manifest = manifest_of("db", NOON)
    assert parse_manifest(manifest_bytes(manifest)) == manifest


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"[]", b"null", b'{"format_version": 1}', b'{"format_version": "1"}']
)
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(data)


def test_a_manifest_that_was_cut_off() -> None:
    data = manifest_bytes(manifest_of("db", NOON))
    for length in range(len(data) - 2):
        with pytest.raises(ManifestError):
            parse_manifest(data[:length])


def test_manifests_are_json_for_people() -> None:
    data = manifest_bytes(manifest_of("db", NOON))
    assert "Odd Näme" in data.decode()
    assert list(json.loads(data)) == sorted(json.loads(data))


def test_the_command_of_the_stock_tools() -> None:
    assert restore_command("f.dump.zst", "zstd_wrapped").startswith("zstd -dc f.dump.zst | pg_restore ")
    assert restore_command("f.dump", "zstd").startswith("pg_restore ")


# Due or not.


def test_without_a_schedule_it_is_always_due() -> None:
    assert decide_due(None, catalogue_of(copy_files(NOON)), NOON, "read").due


@pytest.mark.parametrize(
    ("taken_at", "due"),
    [
        ("2026-11-23T02:00:00", False),
        ("2026-11-23T02:00:07", False),
        ("2026-11-23T01:59:59", True),
        ("2026-11-20T02:00:00", True),
        ("2026-11-23T12:00:00", False),
        ("2026-11-23T12:00:01", True),
        ("2027-01-01T00:00:00", True),
    ],
)
def test_due_by_the_newest_good_copy(taken_at: str, due: bool) -> None:
    moment = datetime.fromisoformat(taken_at).replace(tzinfo=timezone.utc)
    found = decide_due(parse_schedule("0 2 * * *"), catalogue_of(copy_files(moment)), NOON, "read")
    assert found.due is due
    assert found.next_due == datetime(2026, 11, 24, 2, tzinfo=timezone.utc)


@pytest.mark.parametrize("changes", [{"size_bytes": 7}, {"verified": {"level": "hashed"}}, {"format_version": 2}])
def test_a_copy_that_is_not_good_never_satisfies_a_schedule(changes: dict[str, Any]) -> None:
    found = decide_due(parse_schedule("0 2 * * *"), catalogue_of(copy_files(NOON, **changes)), NOON, "read")
    assert found.due
    assert "none of the 1 copies counts" in found.reason


def test_what_was_missed_is_caught_up_once() -> None:
    schedule = parse_schedule("@hourly")
    files = copy_files(NOON - timedelta(days=3))
    assert decide_due(schedule, catalogue_of(files), NOON, "read").due
    files.update(copy_files(NOON))
    assert not decide_due(schedule, catalogue_of(files), NOON + timedelta(minutes=59), "read").due


def test_watches() -> None:
    watch = parse_watches({"folders": {"db": "/b"}, "schedules": {"db": "@daily"}, "rpo": {"db": "24h"}})[0]
    assert (watch.database, watch.folder, watch.rpo_s) == ("db", "/b", 86400)
    with pytest.raises(InputError, match="Did you mean archon_db"):
        parse_watches({"folders": {"archon_db": "/b"}, "rpo": {"archon_dv": "24h"}})
    with pytest.raises(InputError, match="is no path"):
        parse_watches({"folders": {"db": None}})


def test_only_what_the_log_has_counts() -> None:
    files = copy_files(NOON)
    name = stem("db", NOON)
    unknown = catalogue_of(files, log=Log({}))
    assert not unknown.copies[0].logged
    assert "isn't in this catalogue's log" in unknown.copies[0].problem
    changed = catalogue_of(files, log=Log({name: "0" * 64}))
    assert (changed.copies[0].logged, changed.copies[0].level) == (True, "")
    assert "was changed after it was written" in changed.copies[0].problem
    gone = catalogue_of({}, log=Log({name: "0" * 64}))
    assert gone.orphans == ((name, "the log has it, and it is gone"),)


@pytest.mark.parametrize(("passed", "level"), [(True, "drilled"), (False, "")])
def test_a_drill_says_more_than_the_dump(passed: bool, level: str) -> None:
    files = copy_files(NOON)
    name = stem("db", NOON)
    digest = hashlib.sha256(files[name + END]).hexdigest()
    verdict = {"format_version": FORMAT_VERSION, "passed": passed, "at": "2026-11-24", "manifest_sha256": digest}
    older = dict(verdict, passed=not passed)
    files[name + ".drill_20261124_000000.json"] = json.dumps(older).encode()
    files[name + ".drill_20261125_000000.json"] = json.dumps(verdict).encode()
    copy = catalogue_of(files).copies[0]
    assert copy.level == level
    assert bool(copy.problem) is not passed
    assert len(copy.files) == 5
    # A verdict on another manifest says nothing of this copy.
    files[name + ".drill_20261125_000000.json"] = json.dumps(dict(verdict, manifest_sha256="")).encode()
    assert catalogue_of(files).copies[0].level == "read"


def entry(event: str, **more: Any) -> dict[str, Any]:
    """Return the line that this event leaves in the log."""
    lines: list[dict[str, Any]] = []

    class Lines:
        def append_json_line(self, name: str, line: dict[str, Any]) -> None:
            assert name == "catalogue_db.jsonl"
            lines.append(line)

    record(cast(Folder, Lines()), "db", event, NOON, **more)
    return lines[0]


def test_the_log_from_first_to_last() -> None:
    name = stem("db", NOON)
    dumped = entry("dumped", stem=name, manifest_sha256="a")
    failed = entry("failed", stem="x", reason="no space left")
    held, acknowledged = entry("held", reason="small"), entry("acknowledged")
    assert read_log([dumped]).manifests == {name: "a"}
    assert read_log([dumped, failed]).failure == "no space left"
    assert read_log([failed, dumped]).failure == ""
    assert read_log([dumped, held]).hold == "small"
    assert read_log([dumped, held, acknowledged]).hold == ""
    pruned = read_log([dumped, entry("pruned", stems=[name])])
    assert (pruned.manifests, pruned.pruned) == ({}, 1)
    # A run that was killed between the log and the last rename.
    assert read_log([dumped, entry("failed", stem=name, reason="killed")]).manifests == {}
