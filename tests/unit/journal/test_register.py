# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the register's lines say is kept, and what a copy must be before something goes."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, Dict

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.expiry import check_copy
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.register import (
    Dropped,
    Kept,
    ended_line,
    kept_things,
)

NOW = datetime(2026, 11, 23, 10, tzinfo=timezone.utc)
ARCHIVE = Kept("archive", "old", "main", "postgres", NOW, NOW + timedelta(days=30), "moved")
DATABASE = Kept("database", "aside", "main", "", NOW, NOW + timedelta(days=7), "")


def test_what_is_written_is_read_again_the_first_to_end_first() -> None:
    assert kept_things([ARCHIVE.to_json(), DATABASE.to_json()]) == [DATABASE, ARCHIVE]


def test_what_a_dropped_database_was_is_read_again() -> None:
    dropped = replace(
        DATABASE, dropped=Dropped("app_db", 16402, "/backups/app_db", "backup_app_db_20261123_020000", "ab")
    )
    line = dropped.to_json()
    assert kept_things([line]) == [dropped]
    # A field of a later format changes nothing.
    assert kept_things([dict(line, dropped=dict(line["dropped"], more=1))]) == [dropped]


def test_a_later_line_takes_the_place_of_an_earlier_one() -> None:
    longer = replace(ARCHIVE, until=NOW + timedelta(days=90), reason="asked for")
    assert kept_things([ARCHIVE.to_json(), longer.to_json()]) == [longer]


def test_what_was_ended_is_kept_no_more_until_it_is_kept_again() -> None:
    lines = [ARCHIVE.to_json(), DATABASE.to_json(), ended_line(ARCHIVE, NOW, "dropped")]
    assert kept_things(lines) == [DATABASE]
    assert kept_things([*lines, ARCHIVE.to_json()]) == [DATABASE, ARCHIVE]


def test_the_same_name_elsewhere_is_another_thing() -> None:
    elsewhere = [replace(ARCHIVE, cluster="other"), replace(ARCHIVE, database="second")]
    assert len(kept_things([ARCHIVE.to_json(), *(kept.to_json() for kept in elsewhere)])) == 3


def test_lines_of_what_is_not_known_are_passed_over() -> None:
    assert kept_things([{"kind": "volume", "name": "x"}, {"kind": "ended", "id": "nobody"}]) == []


@pytest.mark.parametrize(("after", "over"), [(29, False), (30, True), (31, True)])
def test_its_time_is_over_on_its_day(after: int, over: bool) -> None:
    assert ARCHIVE.is_over(NOW + timedelta(days=after)) is over


GOOD: Dict[str, Any] = {"database": "postgres", "verified": {"level": "read"}, "taken_at": "2026-12-23T10:00:00Z"}


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (None, "There is no dump of postgres"),
        (dict(GOOD, database="other"), "There is no dump of postgres"),
        (dict(GOOD, verified={"level": "hashed"}), "wasn't read back"),
        (dict(GOOD, taken_at="2026-11-22T10:00:00Z"), "is older than what is to go"),
    ],
)
def test_nothing_goes_without_a_copy_that_was_read_back(manifest: Any, says: str) -> None:
    check_copy(ARCHIVE, GOOD)
    with pytest.raises(StateError, match=says):
        check_copy(ARCHIVE, manifest)
