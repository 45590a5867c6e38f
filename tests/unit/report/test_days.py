# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calendar: which day a copy is of, what a gap covers, and when an RPO or an RTO counts as kept."""

from datetime import datetime, timezone
from typing import Any, Dict
from zoneinfo import ZoneInfo

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._report.days import DAYS, Calendar, moment
from ansible_collections.bulkhead.stack.tests.unit.report.sample import NOW
from ansible_collections.bulkhead.stack.tests.unit.report.sample import moment as ago


def shown(**fields: Any) -> Dict[str, Any]:
    row = {"database": "db", "cluster": "main", "rpo_s": 86400, "rto_s": 900, "copies": [], "drills": [], "gaps": []}
    found: Dict[str, Any] = Calendar(NOW, timezone.utc).shown([dict(row, **fields)])["rows"][0]
    return found


def copy(days: int, state: str = "read", hour: int = 2) -> Dict[str, Any]:
    return {"at": ago(days, hour), "state": state, "size_bytes": 1024, "seconds": 3}


def drill(days: int, ok: bool = True, seconds: Any = 60) -> Dict[str, Any]:
    return {"at": ago(days, 4), "ok": ok, "seconds": seconds}


def test_each_day_has_its_letter() -> None:
    row = shown(
        copies=[copy(0), copy(1, "failed"), copy(2, "hashed"), copy(3, "unverified"), copy(4, "missing"), copy(40)],
        drills=[drill(5), drill(6, ok=False)],
    )
    assert row["letters"] == "." * 28 + "FDxuhxr"
    assert len(row["letters"]) == DAYS


def test_the_best_copy_and_the_trouble_of_a_day_are_both_shown() -> None:
    row = shown(copies=[copy(0, "failed", 1), copy(0, "unverified", 2), copy(0, "read", 3), copy(0, "hashed", 4)])
    assert [mark["shape"] for mark in row["marks"]] == ["read", "failed"]
    assert len({mark["x"] for mark in row["marks"]}) == 1
    assert row["letters"][-1] == "X"


def test_a_drill_that_failed_isnt_covered_by_one_of_the_same_day() -> None:
    assert [mark["shape"] for mark in shown(drills=[drill(2), drill(2, ok=False)])["marks"]] == ["drill-failed"]


def test_a_state_that_nobody_knows_is_no_copy() -> None:
    row = shown(copies=[copy(1, "glorious")])
    assert [mark["shape"] for mark in row["marks"]] == ["missing"]
    assert row["rpo"]["state"]["key"] == "broken"


def test_days_are_those_of_the_time_zone() -> None:
    late = {"at": "2026-11-24T23:30:00Z", "state": "read", "size_bytes": 1, "seconds": 1}
    row = {"database": "db", "cluster": "main", "rpo_s": None, "rto_s": None, "copies": [late]}
    by_zone = {
        name: Calendar(NOW, ZoneInfo(name)).shown([row])["rows"][0]["letters"][-2:]
        for name in ("UTC", "Europe/Berlin", "America/New_York")
    }
    assert by_zone == {"UTC": "r.", "Europe/Berlin": ".r", "America/New_York": "r."}


def test_a_gap_covers_its_hours_and_stays_in_the_strip() -> None:
    row = shown(gaps=[{"from": ago(60), "to": ago(34, 12)}, {"from": ago(1, 0), "to": ago(0, 0)}])
    assert [(gap["x"], gap["width"]) for gap in row["gaps"]] == [(0, 10), (660, 20)]
    # One that was over before the strip begins isn't drawn.
    assert shown(gaps=[{"from": ago(60), "to": ago(50)}])["gaps"] == []


@pytest.mark.parametrize(
    ("fields", "state", "text"),
    [
        ({"rpo_s": None, "copies": [copy(0)]}, "unstated", "no RPO is stated"),
        ({"copies": []}, "broken", "no copy that was read back"),
        ({"copies": [copy(0, "hashed")]}, "broken", "no copy that was read back"),
        ({"copies": [copy(0)]}, "kept", "no wider gap in 35 days"),
        ({"copies": [copy(0)], "gaps": [{"from": ago(9), "to": ago(6)}]}, "broken", "1 wider gap, the longest of 3 d"),
        (
            {"copies": [copy(3)], "gaps": [{"from": ago(3), "to": "2026-11-25T19:00:00Z"}]},
            "broken",
            "1 wider gap, the longest of 3 d 17 h; one is open now",
        ),
    ],
)
def test_rpo(fields: Dict[str, Any], state: str, text: str) -> None:
    rpo = shown(**fields)["rpo"]
    assert (rpo["state"]["key"], rpo["text"]) == (state, text)


@pytest.mark.parametrize(
    ("fields", "state", "text"),
    [
        ({}, "unknown", "no drill yet"),
        ({"rto_s": None}, "unstated", "no drill yet"),
        ({"drills": [drill(9, seconds=901)]}, "broken", "the last drill took 15 min"),
        ({"drills": [drill(9, seconds=901), drill(2, seconds=900)]}, "kept", "the last drill took 15 min"),
        ({"drills": [drill(2, ok=False), drill(9)]}, "broken", "the last drill failed"),
        ({"drills": [drill(2, seconds=None)]}, "unknown", "the last drill wasn't timed"),
        ({"rto_s": None, "drills": [drill(2)]}, "unstated", "the last drill took 1 min"),
    ],
)
def test_rto(fields: Dict[str, Any], state: str, text: str) -> None:
    rto = shown(**fields)["rto"]
    assert (rto["state"]["key"], rto["text"]) == (state, text)


def test_the_strip_in_words() -> None:
    row = shown(copies=[copy(0), copy(1), copy(2, "failed")], drills=[drill(3)], gaps=[{"from": ago(9), "to": ago(6)}])
    assert row["text"] == (
        "Copies: 2 read back and 1 failed. Nothing that counts from 2026-11-16 02:00 to 2026-11-19 02:00. "
        "Drills: passed 22 Nov."
    )
    assert shown()["text"] == "No copy. No drill."


def test_moments() -> None:
    assert (
        moment("2026-11-25T19:00:00Z")
        == NOW
        == moment("2026-11-25T20:00:00.000+01:00")
        == moment("2026-11-25T19:00:00")
    )
    assert moment("2026-11-25T19:00:00").tzinfo is not None
    assert datetime.now(timezone.utc) > moment("2020-01-01T00:00:00Z")
    with pytest.raises(InputError, match="'yesterday' is no time"):
        moment("yesterday")
