# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the textfile holds: of copies, drills, restores and servers, and when it tells anything new."""

import hashlib
import json
import re
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError, OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics import families
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.cluster import (
    add_cluster,
    add_unreachable,
    add_verdicts,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.copies import add_database, parse_databases
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.exposition import Family, Samples, render, without
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.textfile import (
    check_path,
    content,
    plan_textfile,
)

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc)
UNIX = int(NOW.timestamp())
SHOP = {
    "key": "shop", "name": "shop_db", "cluster": "main", "folder": "/b/shop", "criticality": "high",
    "schedule": "every 6h", "rpo_s": 21600, "rto_s": 600,
}  # fmt: skip
MIB = 1024 * 1024


class Folder:
    """A folder of copies, in memory."""

    path = "/b/shop"

    def __init__(self, free: Optional[int] = 1000) -> None:
        self.files: Dict[str, bytes] = {}
        self.log: List[Dict[str, Any]] = []
        self.free = free

    def add(self, hour: int, took_s: Optional[float] = 5.0, suffix: str = ".dump", **more: Any) -> str:
        """Add a whole copy of that hour; return its stem."""
        stem = "backup_shop_db_20261123_%02d0000" % hour
        manifest = {
            "format_version": 1, "database": "shop_db", "file": stem + suffix, "size_bytes": 4, "sha256": "x",
            "taken_at": "2026-11-23T%02d:00:00Z" % hour, "compression": "gzip", "tables": [],
            "verified": {"level": "read"}, "duration_s": took_s, **more,
        }  # fmt: skip
        data = json.dumps(manifest).encode()
        self.files.update({stem + suffix: b"dump", stem + ".manifest.json": data})
        digest = hashlib.sha256(data).hexdigest()
        self.log.append({"event": "dumped", "stem": stem, "manifest_sha256": digest, "duration_s": took_s})
        return stem

    def drill(self, stem: str, at: str, passed: bool, seconds: Any) -> None:
        """Add a verdict."""
        digest = hashlib.sha256(self.files[stem + ".manifest.json"]).hexdigest()
        verdict = {"format_version": 1, "passed": passed, "at": at, "manifest_sha256": digest, "seconds": seconds}
        stamp = re.sub(r"[-:Z]", "", at).replace("T", "_")
        self.files["%s.drill_%s.json" % (stem, stamp)] = json.dumps(verdict).encode()

    def entries(self) -> List[Tuple[str, int]]:
        return [(name, len(data)) for name, data in self.files.items()]

    def read(self, name: str) -> bytes:
        return self.files[name]

    def json_lines(self, name: str) -> List[Dict[str, Any]]:
        assert name == "catalogue_shop_db.jsonl"
        return self.log

    def free_bytes(self) -> int:
        if self.free is None:
            raise FileNotFoundError(2, "there is no folder yet")
        return self.free


def told(folder: Any, restores: Any = (), size_bytes: Optional[int] = None, **more: Any) -> Dict[str, Any]:
    """Return the numbers of the database by their metrics, the level's by its label."""
    samples = Samples(platform="host")
    reason = add_database(samples, parse_databases([dict(SHOP, **more)], "UTC")[0], folder, restores, size_bytes, NOW)
    found: Dict[str, Any] = {"reason": reason}
    for sample in samples.all():
        labels = dict(sample.labels)
        assert {"platform": "host", "cluster": "main", "database": "shop"}.items() <= labels.items()
        name = sample.family.name.replace("bulkhead_", "")
        found[name + ("_" + labels["level"] if "level" in labels else "")] = sample.value
    return found


def test_of_copies_moments_are_told_and_no_ages() -> None:
    folder = Folder()
    folder.add(2, took_s=50.5)
    folder.drill(folder.add(4), "2026-11-23T05:00:00Z", True, 7.5)
    folder.add(8, took_s=3.25, database_size_bytes=1000)
    found = told(folder, size_bytes=2000)
    assert found["backup_newest_verified_timestamp_seconds"] == UNIX - 2 * 3600
    assert found["backup_newest_verified_size_bytes"] == 4
    assert found["backup_newest_verified_duration_seconds"] == 3.25
    assert found["backup_longest_recent_duration_seconds"] == 50.5
    assert (found["backup_copies"], found["backup_verified_copies"]) == (3, 3)
    levels = [found["backup_newest_verified_level_" + level] for level in ("hashed", "read", "drilled")]
    assert levels == [False, True, False]
    assert (found["backup_failing"], found["backup_held"], found["backup_readable"]) == (False, False, True)
    assert "backup_failed_timestamp_seconds" not in found
    assert found["backup_previous_due_timestamp_seconds"] == UNIX - 4 * 3600
    # The last copy's size, a tenth more, doubled as the database was, and the reserve.
    assert found["backup_next_needed_bytes"] == 8 * MIB + 8
    assert found["backup_free_bytes"] == 1000
    assert (found["drill_timestamp_seconds"], found["drill_passed"], found["drill_duration_seconds"]) == (
        UNIX - 5 * 3600, True, 7.5,
    )  # fmt: skip
    assert (found["database_rpo_seconds"], found["database_rto_seconds"]) == (21600, 600)
    assert found["reason"] == ""


def test_what_isnt_known_is_absent() -> None:
    found = told(Folder(free=None), rpo_s=None, rto_s=None, schedule=None)
    assert found == {
        "reason": "", "database_info": 1, "backup_copies": 0, "backup_verified_copies": 0, "backup_failing": False,
        "backup_held": False, "backup_readable": True,
    }  # fmt: skip
    # The first dump is measured by the database.
    assert told(Folder(free=None), size_bytes=100 * MIB)["backup_next_needed_bytes"] == 58 * MIB
    # One that isn't dumped has objectives at most.
    assert told(None) == {"reason": "", "database_info": 1, "database_rpo_seconds": 21600, "database_rto_seconds": 600}


def test_a_failure_and_a_hold_are_told() -> None:
    folder = Folder()
    folder.add(4)
    folder.log.append({"event": "held", "reason": "it shrank"})
    folder.log.append({"event": "failed", "stem": "x", "reason": "full", "at": "2026-11-23T09:00:00Z"})
    found = told(folder)
    assert (found["backup_failing"], found["backup_held"]) == (True, True)
    assert found["backup_failed_timestamp_seconds"] == UNIX - 3600
    # What is good stays what it is.
    assert found["backup_newest_verified_timestamp_seconds"] == UNIX - 6 * 3600


def test_only_the_ten_newest_dumps_say_how_long_one_takes() -> None:
    folder = Folder()
    folder.add(0, took_s=900.0)
    for hour in range(1, 10):
        folder.add(hour, took_s=float(hour))
    assert told(folder)["backup_longest_recent_duration_seconds"] == 900.0
    folder.log.append({"event": "dumped", "stem": "gone", "manifest_sha256": "", "duration_s": 2})
    assert told(folder)["backup_longest_recent_duration_seconds"] == 9.0


def test_a_failed_drill_is_the_newest_and_measures_nothing() -> None:
    folder = Folder()
    stem = folder.add(4)
    folder.drill(stem, "2026-11-23T05:00:00Z", True, 7.5)
    folder.drill(stem, "2026-11-23T06:00:00Z", False, 99.0)
    folder.drill(stem, "some day", True, 1.0)
    found = told(folder)
    assert (found["drill_timestamp_seconds"], found["drill_passed"]) == (UNIX - 4 * 3600, False)
    assert found["drill_duration_seconds"] == 7.5
    # It doesn't count any more.
    assert found["backup_verified_copies"] == 0
    assert "backup_newest_verified_timestamp_seconds" not in found


def test_an_encrypted_copy_lies_there_twice() -> None:
    folder = Folder()
    folder.add(4, suffix=".dump.age")
    assert told(folder)["backup_next_needed_bytes"] == 8 * MIB + 8


def test_the_newest_restore_that_passed() -> None:
    lines = [
        {"key": "shop", "passed": True, "seconds": 30, "at": "2026-11-22T10:00:00Z"},
        {"key": "shop", "passed": True, "seconds": 20, "at": "2026-11-20T10:00:00Z"},
        {"key": "shop", "passed": False, "seconds": 1, "at": "2026-11-23T09:00:00Z"},
        {"key": "blog", "passed": True, "seconds": 2, "at": "2026-11-23T09:00:00Z"},
        {"key": "shop", "passed": True, "seconds": 3},
    ]
    found = told(None, lines)
    assert (found["restore_timestamp_seconds"], found["restore_duration_seconds"]) == (UNIX - 86400, 30)


def test_a_folder_that_cant_be_read_is_told() -> None:
    class Broken(Folder):
        def entries(self) -> List[Tuple[str, int]]:
            raise OutsideError("Folder /b/shop can't be read: it is on fire.")

    found = told(Broken())
    assert found.pop("reason") == "Folder /b/shop can't be read: it is on fire."
    assert found["backup_readable"] is False
    assert "backup_verified_copies" not in found


@pytest.mark.parametrize(
    ("databases", "message"),
    [
        ([SHOP, SHOP], "databases has shop twice"),
        ([dict(SHOP, name="a/b")], "it has a slash"),
        ([dict(SHOP, schedule="soon")], "'soon' is no schedule"),
    ],
)
def test_mistakes_in_databases(databases: List[Dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_databases(databases, "UTC")


NUMBERS = {
    "name": "shop_db", "connection_limit": None, "size_bytes": None, "active": 1, "idle": 2, "idle_in_transaction": 3,
    "other": 0, "oldest_transaction": 1234, "granted": 5, "waiting": 1, "commits": 10, "rollbacks": 2, "deadlocks": 0,
    "temp_bytes": 7, "max_connections": 100, "reserved_connections": 3,
}  # fmt: skip


def cluster_text(*rows: Dict[str, Any]) -> str:
    """Return the text of a cluster with these databases."""
    samples = Samples(platform="host")
    add_cluster(samples, "main", rows)
    return render(samples.all(), families.FAMILIES)


def test_of_a_server() -> None:
    text = cluster_text(dict(NUMBERS), dict(NUMBERS, name="blog", connection_limit=50, size_bytes=99))
    at = 'platform="host",cluster="main"'
    for line in (
        'bulkhead_cluster_up{%s} 1' % at,
        'bulkhead_cluster_usable_connections{%s} 97' % at,
        'bulkhead_database_connections{%s,datname="shop_db",state="idle in transaction"} 3' % at,
        'bulkhead_database_locks{%s,datname="shop_db",granted="false"} 1' % at,
        'bulkhead_database_connection_limit{%s,datname="blog"} 50' % at,
        'bulkhead_database_size_bytes{%s,datname="blog"} 99' % at,
        "# TYPE bulkhead_database_deadlocks_total counter",
        "# TYPE bulkhead_cluster_up gauge",
    ):  # fmt: skip
        assert line in text.splitlines()
    # Neither a limit nor a size is known of the other one.
    assert text.count("bulkhead_database_connection_limit{") == text.count("bulkhead_database_size_bytes{") == 1


def test_of_a_server_that_doesnt_answer_there_is_one_number() -> None:
    samples = Samples(platform="host")
    add_unreachable(samples, "main")
    assert [(sample.family.name, sample.value) for sample in samples.all()] == [("bulkhead_cluster_up", False)]


def test_one_verdict_holds_and_none_is_told_of_what_cant_be_seen() -> None:
    samples = Samples()
    add_verdicts(samples, "main", [{"name": "a", "verdict": "shared"}, {"name": "b", "verdict": None}])
    holding = [dict(sample.labels) for sample in samples.all() if sample.value]
    assert [(labels["datname"], labels["verdict"]) for labels in holding] == [("a", "shared")]
    assert len(samples.all()) == 4


# --- the text ------------------------------------------------------------------------------------------------------


def parsed(text: str) -> Dict[str, str]:
    """Read one label the way the format's own rules say."""
    found = re.fullmatch(r'thing\{label="((?:[^"\\\n]|\\[\\"n])*)"\} 1', text)
    assert found, text
    return {"label": re.sub(r"\\(.)", lambda mark: {"n": "\n"}.get(mark.group(1), mark.group(1)), found.group(1))}


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_any_label_is_read_as_it_was(value: str) -> None:
    family = Family("thing", "Help.")
    samples = Samples()
    samples.add(family, 1, {"label": value})
    line = render(samples.all(), [family]).split("\n", 2)[2][:-1]
    assert parsed(line) == {"label": value}


def test_every_metric_follows_the_conventions() -> None:
    names = [family.name for family in families.FAMILIES]
    assert len(set(names)) == len(names)
    for family in families.FAMILIES:
        assert re.fullmatch(r"bulkhead_[a-z_]+", family.name)
        assert (family.kind == "counter") == family.name.endswith("_total"), family.name
        assert not family.name.endswith(("_ms", "_minutes", "_kb", "_mb", "_age"))
        assert family.help.endswith(".") and "\n" not in family.help


def test_every_family_is_in_the_file_and_documented() -> None:
    defined = {name: value for name, value in vars(families).items() if isinstance(value, Family)}
    assert set(defined.values()) == set(families.FAMILIES)


def measured(value: int, held: bool = False) -> List[Any]:
    """Return a measured number and one that isn't."""
    samples = Samples(platform="host")
    samples.add(families.LAST_RUN, value, {})
    samples.add(families.FREE, value, {"database": "shop"})
    samples.add(families.HELD, held, {"database": "shop"})
    return samples.all()


def test_what_was_measured_makes_no_change() -> None:
    before = content(measured(1))
    assert not plan_textfile("/t/b.prom", measured(2), before).changed
    plan = plan_textfile("/t/b.prom", measured(2, held=True), before)
    assert plan.changed
    shown = plan.diff()[0]
    assert "bulkhead_backup_held" in shown["before"] and "free" not in shown["before"] + shown["after"]
    assert b"bulkhead_backup_free_bytes" in before
    # A file that isn't there is one, whatever it will hold.
    assert plan_textfile("/t/b.prom", [], None).changed


def test_without_leaves_out_a_metric_and_no_other_that_begins_alike() -> None:
    one, other = Family("thing", "A thing."), Family("thing_else", "Another: thing.")
    samples = Samples()
    samples.add(one, 1, {"label": "thing_else{"})
    samples.add(other, 2.5, {})
    text = render(samples.all(), [one, other])
    assert without(text, [one]) == "# HELP thing_else Another: thing.\n# TYPE thing_else gauge\nthing_else 2.5\n"


@pytest.mark.parametrize("path", ["/t/bulkhead.txt", "/t/.prom", "/t/.hidden.prom", "/t/b.prom.tmp"])
def test_a_file_that_the_exporter_wouldnt_read(path: str) -> None:
    with pytest.raises(InputError, match="no textfile of the node exporter"):
        check_path(path)
