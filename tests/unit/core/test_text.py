# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations, sizes, times and near misses as text."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import (
    format_duration,
    format_size,
    iso_utc,
    nearest,
    parse_duration,
    parse_iso_utc,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("30m", 1800),
        ("6h", 21600),
        ("7d", 604800),
        ("2w", 1209600),
        ("1h30m", 5400),
        (" 1H 30 m ", 5400),
        ("90", 90),
        (90, 90),
        (1.5, 1),
    ],
)
def test_a_duration_is_read(text: Any, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "6 hours", "1h30", "6x", "h", "-6h", "1.5h", None, True, False])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(InputError, match="duration") as caught:
        parse_duration(text)
    assert caught.value.remedy is not None
    assert "30m" in caught.value.remedy


@pytest.mark.parametrize("text", ["0", 0, "0h", -1, 0.5])
def test_a_duration_of_nothing_is_refused(text: Any) -> None:
    with pytest.raises(InputError, match="longer than nothing"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (59.6, "1 min"),
        (720, "12 min"),
        (3599, "59 min"),
        (21600, "6 h"),
        (5400, "1 h 30 min"),
        (604800, "7 d"),
        (90061, "1 d 1 h"),
        (86400 + 1800, "1 d 30 min"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(1, 10**9))
def test_a_formatted_duration_is_never_longer_than_the_real_one(seconds: int) -> None:
    again = parse_duration(format_duration(seconds).replace("min", "m").replace(" ", ""))
    assert again <= seconds
    assert seconds - again < (3600 if seconds >= 86400 else 60)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (23 * 1024**2, "23 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2000 * 1024**3, "2000 GiB"),
    ],
)
def test_a_size(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


def test_a_moment_goes_to_text_in_utc_and_back() -> None:
    there = datetime(2026, 11, 23, 12, 15, 0, 999999, tzinfo=timezone(timedelta(hours=2)))
    assert iso_utc(there) == "2026-11-23T10:15:00Z"
    assert parse_iso_utc("2026-11-23T10:15:00Z") == there.replace(microsecond=0)


@pytest.mark.parametrize("text", ["2026-11-23", "2026-11-23T10:15:00", "2026-11-23T10:15:00+02:00", ""])
def test_a_moment_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time data"):
        parse_iso_utc(text)


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("schedul", "schedule"),
        ("retenton", "retention"),
        ("backup_folder", "folder"),
        ("port", None),
        ("", None),
        ("folder", "folder"),
    ],
)
def test_the_nearest_word(word: str, near: Any) -> None:
    assert nearest(word, {"schedule": 1, "retention": 2, "folder": 3, "verify": 4}) == near


def test_nothing_is_near_where_nothing_is_known() -> None:
    assert nearest("schedule", []) is None
