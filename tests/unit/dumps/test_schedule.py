"""When something is due."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.schedule import parse_moment, parse_schedule

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return parse_moment(text)


@pytest.mark.parametrize(
    ("text", "moment", "previous", "following"),
    [
        ("0 2 * * *", "2026-11-23T02:00:00Z", "2026-11-23T02:00:00Z", "2026-11-24T02:00:00Z"),
        ("0 2 * * *", "2026-11-23T01:59:59Z", "2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z"),
        ("@daily", "2026-11-23T12:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
        ("@hourly", "2026-11-23T12:30:00Z", "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z"),
        ("0 0,6,12,18 * * *", "2026-01-01T05:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T06:00:00Z"),
        ("*/20 8-10 * * *", "2026-01-01T10:59:00Z", "2026-01-01T10:40:00Z", "2026-01-02T08:00:00Z"),
        ("0 4 * * sun", "2026-11-23T00:00:00Z", "2026-11-22T04:00:00Z", "2026-11-29T04:00:00Z"),
        ("0 4 * * 7", "2026-11-23T00:00:00Z", "2026-11-22T04:00:00Z", "2026-11-29T04:00:00Z"),
        ("0 4 * * fri-sun", "2026-11-23T00:00:00Z", "2026-11-22T04:00:00Z", "2026-11-27T04:00:00Z"),
        ("0 0 1 jan,jul *", "2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z"),
        # Both day fields restricted: either one is enough. The 13th, and Fridays (the 6th is one).
        ("0 0 13 * 5", "2026-11-12T00:00:00Z", "2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z"),
        ("0 0 13 * 1", "2026-10-13T12:00:00Z", "2026-10-13T00:00:00Z", "2026-10-19T00:00:00Z"),
        # A field that begins with a star isn't restricted: both must match.
        ("0 0 */2 * 1", "2026-11-03T00:00:00Z", "2026-10-19T00:00:00Z", "2026-11-09T00:00:00Z"),
        ("0 0 29 2 *", "2026-03-01T00:00:00Z", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 29 2 *", "2097-01-01T00:00:00Z", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"),
        ("every 6h", "2026-11-23T13:00:00Z", "2026-11-23T12:00:00Z", "2026-11-23T18:00:00Z"),
        ("1w", "2026-11-25T13:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("every 1h30m", "2026-11-23T02:00:00Z", "2026-11-23T01:30:00Z", "2026-11-23T03:00:00Z"),
    ],
)
def test_due_times(text: str, moment: str, previous: str, following: str) -> None:
    schedule = parse_schedule(text)
    assert schedule.previous(at(moment)) == at(previous)
    assert schedule.next(at(moment)) == at(following)


def due_times(text: str, start: str, end: str, zone: str = BERLIN) -> list[str]:
    schedule = parse_schedule(text, zone)
    found, moment = [], at(start)
    while (moment := schedule.next(moment)) <= at(end):
        found.append(moment.strftime("%H:%M"))
    return found


def test_a_time_that_the_clock_jumps_over_comes_right_after_the_jump() -> None:
    # 29 March 2026: 02:00 becomes 03:00, at 01:00 UTC.
    assert due_times("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z") == ["01:00"]
    assert due_times("*/15 2,3 * * *", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z") == [
        "01:00",
        "01:15",
        "01:30",
        "01:45",
    ]


def test_a_time_that_the_clock_passes_twice_comes_once() -> None:
    # 25 October 2026: 03:00 becomes 02:00, at 01:00 UTC.
    assert due_times("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z") == ["00:30"]


def test_every_hour_follows_the_hours_that_pass() -> None:
    for day in ("2026-03-28", "2026-10-24"):
        following = str(int(day[-2:]) + 1)
        found = due_times("0 * * * *", day + "T22:00:00Z", day[:-2] + following + "T04:00:00Z")
        assert found == ["23:00", "00:00", "01:00", "02:00", "03:00", "04:00"]


def test_a_jump_at_midnight_and_a_day_that_never_was() -> None:
    # Beirut's clocks jumped from 00:00 to 01:00 on 27 March 2022; Samoa left out 30 December 2011.
    assert due_times("@daily", "2022-03-26T12:00:00Z", "2022-03-27T12:00:00Z", "Asia/Beirut") == ["22:00"]
    samoa = parse_schedule("0 12 * * *", "Pacific/Apia")
    assert samoa.previous(at("2011-12-30T12:00:00Z")) == at("2011-12-30T10:00:00Z")


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
@given(
    minute=st.sampled_from(["0", "*/15", "30", "*", "5,50"]),
    hour=st.sampled_from(["*", "2", "*/2", "0,6,12,18", "1-3"]),
    day=st.sampled_from(["*", "1", "*/2", "28-31"]),
    weekday=st.sampled_from(["*", "0", "mon-fri", "7"]),
    offset_s=st.integers(0, 4 * 366 * 86400),
)
@settings(max_examples=60, deadline=None)
def test_previous_and_next_agree(zone: str, minute: str, hour: str, day: str, weekday: str, offset_s: int) -> None:
    schedule = parse_schedule("%s %s %s * %s" % (minute, hour, day, weekday), zone)
    moment = datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=offset_s)
    previous, following = schedule.previous(moment), schedule.next(moment)
    assert previous <= moment < following
    assert schedule.next(previous) == following
    assert schedule.previous(following - timedelta(seconds=1)) == previous
    assert schedule.previous(following) == following


@pytest.mark.parametrize(
    ("text", "gap_s"),
    [
        ("0 8,12,16,20 * * *", 12 * 3600),
        ("0 0,6,12,18 * * *", 6 * 3600),
        ("0 2 * * *", 86400),
        ("* * * * *", 60),
        ("0 4 * * sun", 7 * 86400),
        ("0 9 * * mon-fri", 3 * 86400),
        ("0 9,17 * * mon-fri", 64 * 3600),
        ("0 0 1 * *", 31 * 86400),
        ("0 0 31 * *", 61 * 86400),
        ("0 0 29 2 *", 1461 * 86400),
        ("@yearly", 366 * 86400),
        ("every 6h", 6 * 3600),
    ],
)
def test_widest_gap(text: str, gap_s: int) -> None:
    assert parse_schedule(text, BERLIN).widest_gap_s() == gap_s


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "is no schedule"),
        ("0 2 * *", "is no schedule"),
        ("0 2 * * * *", "is no schedule"),
        ("3600", "is no schedule"),
        ("every day", "is no schedule"),
        ("every 0h", "no duration"),
        ("@reboot", "isn't known"),
        ("60 * * * *", "'60' in the field for the minute"),
        ("* 24 * * *", "'24' in the field for the hour"),
        ("* * 0 * *", "'0' in the field for the day of the month"),
        ("* * * 13 *", "'13' in the field for the month"),
        ("* * * * 8", "'8' in the field for the day of the week"),
        ("* * * * mun", "'mun' in the field for the day of the week"),
        ("30-10 * * * *", "runs backwards"),
        ("*/0 * * * *", "has no step"),
        ("5/10 * * * *", "is neither a number"),
        ("1,,2 * * * *", "'' in the field for the minute"),
        ("-5 * * * *", "is neither a number"),
        ("٣ * * * *", "is neither a number"),
        ("0 0 31 feb,apr *", "never comes"),
    ],
)
def test_what_is_no_schedule(text: str, named: str) -> None:
    with pytest.raises(InputError, match=".*") as caught:
        parse_schedule(text)
    assert named in str(caught.value)


@pytest.mark.parametrize("zone", ["Europe/Berlim", "", "../etc/passwd", "Europe"])
def test_unknown_time_zones(zone: str) -> None:
    with pytest.raises(InputError, match="no time zone"):
        parse_schedule("@daily", zone)


def test_time_zone_in_the_wrong_case_is_named() -> None:
    with pytest.raises(InputError, match="Did you mean Europe/Berlin"):
        parse_schedule("@daily", "europe/berlin")


@pytest.mark.parametrize("text", ["* * * * *", "0 0 29 2 *", "59 23 31 12 *", "*/5 * * * *"])
def test_it_is_quick(text: str) -> None:
    schedule = parse_schedule(text, BERLIN)
    began = time.perf_counter()
    for number in range(20):
        moment = at("2026-03-01T00:00:00Z") + timedelta(days=number)
        schedule.previous(moment)
        schedule.next(moment)
    schedule.widest_gap_s()
    assert time.perf_counter() - began < 2.0


def test_moments() -> None:
    assert at("2026-11-23T02:00:00Z") == datetime(2026, 11, 23, 2, tzinfo=timezone.utc)
    with pytest.raises(InputError, match="is no moment"):
        at("2026-11-23 02:00")
