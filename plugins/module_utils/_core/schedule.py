# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When something is due: cron expressions and intervals, in a time zone.

One object answers for the run that looks whether a dump is due, for the alert that knows how old a copy may get, and
for the table that the runbook prints.
"""

import re
import zoneinfo
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Set, Tuple

from .errors import InputError
from .text import parse_duration, parse_iso_utc

_REMEDY = 'Write five fields of cron ("0 2 * * *"), a word like @daily, or an interval like "every 6h".'
_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_INTERVAL = re.compile(r"(?:every\s+)?((?:\d+\s*[smhdw]\s*)+)", re.IGNORECASE)
_DAY_MINUTES = 1440
# A Monday: an interval of whole weeks begins with the week, one of whole hours with the day.
_ANCHOR = datetime(1970, 1, 5, tzinfo=timezone.utc)
# Days of the month and of the week fall together anew after 28 years, and 29 February comes at the latest after 8.
_CYCLE_DAYS = 28 * 365 + 7
_LONGEST_WAIT_DAYS = 8 * 366


class Schedule(ABC):
    """When something is due. ``text`` is as the user wrote it."""

    text: str

    @abstractmethod
    def previous(self, moment: datetime) -> datetime:
        """Return the last due time at or before an aware moment, in UTC."""

    @abstractmethod
    def next(self, moment: datetime) -> datetime:
        """Return the first due time after an aware moment, in UTC."""

    @abstractmethod
    def widest_gap_s(self) -> int:
        """Return the longest time between two due times in seconds, by the wall clock (a shift of it not counted)."""


@dataclass(frozen=True)
class IntervalSchedule(Schedule):
    """Due every so many seconds, counted from a Monday, 00:00 UTC: a late run doesn't shift the next ones."""

    text: str
    interval_s: int

    def previous(self, moment: datetime) -> datetime:
        """Return the last due time at or before the moment."""
        elapsed_s = (moment - _ANCHOR) // timedelta(seconds=1)
        return _ANCHOR + timedelta(seconds=elapsed_s - elapsed_s % self.interval_s)

    def next(self, moment: datetime) -> datetime:
        """Return the first due time after the moment."""
        return self.previous(moment) + timedelta(seconds=self.interval_s)

    def widest_gap_s(self) -> int:
        """Return the interval."""
        return self.interval_s


@dataclass(frozen=True)
class CronSchedule(Schedule):
    """Due by a cron expression in a time zone.

    A due time that the clock jumps over comes right after the jump; one that the clock passes twice comes the first
    time only. A schedule of every hour follows the hours that really pass instead: none left out, none doubled.
    """

    text: str
    zone: tzinfo
    minutes: Tuple[int, ...]
    hours: Tuple[int, ...]
    days: FrozenSet[int]
    months: FrozenSet[int]
    weekdays: FrozenSet[int]
    either_day: bool

    def previous(self, moment: datetime) -> datetime:
        """Return the last due time at or before the moment."""
        today = moment.astimezone(self.zone).date()
        # Where the clock goes back over midnight two dates interleave: three days are looked at together.
        near = [due for shift in (-1, 0, 1) for due in self._due_on(today + timedelta(days=shift)) if due <= moment]
        if near:
            return max(near)
        for shift in range(2, _LONGEST_WAIT_DAYS + 2):
            found = self._due_on(today - timedelta(days=shift))
            if found:
                return found[-1]
        raise InputError("Schedule %r never comes." % self.text, _REMEDY)

    def next(self, moment: datetime) -> datetime:
        """Return the first due time after the moment."""
        today = moment.astimezone(self.zone).date()
        near = [due for shift in (-1, 0, 1) for due in self._due_on(today + timedelta(days=shift)) if due > moment]
        if near:
            return min(near)
        for shift in range(2, _LONGEST_WAIT_DAYS + 2):
            found = self._due_on(today + timedelta(days=shift))
            if found:
                return found[0]
        raise InputError("Schedule %r never comes." % self.text, _REMEDY)

    def widest_gap_s(self) -> int:
        """Return the longest gap, found by going through a whole cycle of the calendar."""
        times = [hour * 60 + minute for hour in self.hours for minute in self.minutes]
        widest = max([after - before for before, after in zip(times, times[1:])] or [0])
        overnight = times[0] - times[-1]
        start = date(2001, 1, 1).toordinal()
        matching = [n for n in range(start, start + _CYCLE_DAYS) if self._falls_on(date.fromordinal(n))]
        matching.append(matching[0] + _CYCLE_DAYS)
        furthest = max(after - before for before, after in zip(matching, matching[1:]))
        return max(widest, furthest * _DAY_MINUTES + overnight) * 60

    def _falls_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (of_month or of_week) if self.either_day else (of_month and of_week)

    def _due_on(self, day: date) -> List[datetime]:
        """Return the due times of one date of the zone, in order, in UTC."""
        if not self._falls_on(day):
            return []
        midnight = datetime.combine(day, time.min)
        wall = [midnight + timedelta(hours=hour, minutes=minute) for hour in self.hours for minute in self.minutes]
        offset = _offset(midnight, self.zone)
        if offset == _offset(midnight + timedelta(days=1), self.zone):
            return [(moment - offset).replace(tzinfo=timezone.utc) for moment in wall]
        return sorted({due for moment in wall for due in self._on_the_day_of_a_shift(moment)})

    def _on_the_day_of_a_shift(self, wall: datetime) -> List[datetime]:
        first, second = [wall.replace(tzinfo=self.zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1)]
        every_hour = len(self.hours) == 24
        if first.astimezone(self.zone).replace(tzinfo=None) == wall:
            return [first, second] if every_hour and first != second else [first]
        if every_hour:
            return []
        # The wall clock never shows this time. PEP 495: fold 1 lies before the jump, fold 0 after it.
        before, after = second, first
        offset_before = before.astimezone(self.zone).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            if middle.astimezone(self.zone).utcoffset() == offset_before:
                before = middle
            else:
                after = middle
        return [after]


def parse_timezone(name: str) -> tzinfo:
    """Return the time zone of that name.

    Raises:
        InputError: there is none, or this host knows no time zones.
    """
    if name.upper() == "UTC":
        return timezone.utc
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        known = zoneinfo.available_timezones()
        if not known:
            raise InputError(
                "This host has no time zone data, so %r means nothing to it." % name,
                "Install Debian's tzdata, or write the schedule in UTC.",
            ) from error
        by_lower = {zone.lower(): zone for zone in known}
        near = by_lower.get(name.lower())
        raise InputError(
            "There is no time zone %r." % name,
            "Did you mean %s?" % near if near else "Use a name of the IANA database, such as Europe/Berlin or UTC.",
        ) from error


def parse_schedule(text: str, timezone: str = "UTC") -> Schedule:  # pylint: disable=redefined-outer-name
    """Return the schedule that a text means.

    Arguments:
        text: five fields of cron (lists, ranges, steps, names), ``@daily`` and its like, ``every 6h`` or ``6h``.
        timezone: an IANA name; where both day fields are restricted, either may match, as in cron.

    Raises:
        InputError: the text is no schedule, or one that never comes; the message says which field is wrong.
    """
    zone = parse_timezone(timezone)
    cleaned = " ".join(text.split())
    if cleaned.startswith("@"):
        if cleaned.lower() not in _WORDS:
            raise InputError("Schedule %r isn't known." % text, "Known words are %s." % ", ".join(_WORDS))
        return _parse_cron(text, _WORDS[cleaned.lower()].split(), zone)
    interval = _INTERVAL.fullmatch(cleaned)
    if interval:
        return IntervalSchedule(text, parse_duration(interval.group(1)))
    fields = cleaned.split()
    if len(fields) != 5:
        raise InputError("%r is no schedule." % text, _REMEDY)
    return _parse_cron(text, fields, zone)


def parse_moment(text: str) -> datetime:
    """Return the aware moment that a user wrote in UTC: ``2026-11-23T02:00:00Z``.

    Raises:
        InputError: it isn't written like that.
    """
    try:
        return parse_iso_utc(text)
    except ValueError as error:
        raise InputError("%r is no moment." % text, "Write it in UTC, like 2026-11-23T02:00:00Z.") from error


class _Field(NamedTuple):
    title: str
    low: int
    high: int
    names: Dict[str, int]


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of the month", 1, 31, {}),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTH_NAMES, 1)}),
    _Field("day of the week", 0, 7, {name: number for number, name in enumerate(_DAY_NAMES)}),
)


def _parse_cron(text: str, fields: List[str], zone: tzinfo) -> CronSchedule:
    minutes, hours, days, months, weekdays = [_parse_field(text, field, kind) for field, kind in zip(fields, _FIELDS)]
    either_day = not fields[2].startswith("*") and not fields[4].startswith("*")
    if not either_day and all(min(days) > _LONGEST_MONTH.get(month, 31) for month in months):
        raise InputError("Schedule %r never comes: no such month has a day %d." % (text, min(days)), _REMEDY)
    return CronSchedule(
        text,
        zone,
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        frozenset(days),
        frozenset(months),
        frozenset(weekday % 7 for weekday in weekdays),
        either_day,
    )


def _parse_field(text: str, field: str, kind: _Field) -> FrozenSet[int]:
    found: Set[int] = set()
    for part in field.lower().split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, {}) if slash else 1
        if span == "*":
            low, high = kind.low, (6 if kind.high == 7 else kind.high)
        else:
            first, dash, last = span.partition("-")
            low_found = _number(first, kind.names)
            high_found = _number(last, kind.names) if dash else low_found
            # "fri-sun": Sunday ends the week as well as it begins it.
            if dash and high_found == 0 and kind.high == 7 and low_found:
                high_found = 7
            if low_found is None or high_found is None or (slash and not dash):
                raise _field_error(text, part, kind, "is neither a number, a name nor a range")
            low, high = low_found, high_found
        if not step:
            raise _field_error(text, part, kind, "has no step to go by")
        if not kind.low <= low <= high <= kind.high:
            raise _field_error(text, part, kind, "lies outside of %d-%d, or runs backwards" % (kind.low, kind.high))
        found.update(range(low, high + 1, step))
    return frozenset(found)


def _number(text: str, names: Dict[str, int]) -> Optional[int]:
    return int(text) if text.isascii() and text.isdigit() else names.get(text)


def _field_error(text: str, part: str, kind: _Field, what: str) -> InputError:
    return InputError("Schedule %r is wrong: %r in the field for the %s %s." % (text, part, kind.title, what), _REMEDY)


def _offset(wall: datetime, zone: tzinfo) -> timedelta:
    return wall.replace(tzinfo=zone).utcoffset() or timedelta(0)
