# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calendar of copies and drills: a strip of days for each database, measured against its RPO and RTO."""

from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any, Dict, Mapping, Optional, Sequence

from .._core.errors import InputError
from .._core.text import format_duration, format_size
from .words import BROKEN, COPIES, KEPT, UNKNOWN, UNSTATED, State, counted, enumeration, state_of

DAYS = 35
_DAY_PX = 20
_HEIGHT = 86
# The lanes of a strip, from its top.
_GOOD_Y, _BAD_Y, _DRILL_Y, _TICK_Y = 13, 33, 53, 81
_GAP_TOP, _GAP_HEIGHT = 2, 22
_LABEL_DAYS = 5
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Of several copies of a day the strip shows the one that is worth most.
_WORTH = ("read", "hashed", "unverified")
_TROUBLE = ("failed", "missing")


def moment(text: str) -> datetime:
    """Return an aware moment. Raises InputError for what is none."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, AttributeError) as error:
        raise InputError("%r is no time." % (text,), "The audit writes times like 2026-11-25T19:00:00Z.") from error
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def day_text(day: date) -> str:
    """Return ``3 Nov``."""
    return "%d %s" % (day.day, _MONTHS[day.month - 1])


def time_text(when: datetime) -> str:
    """Return ``2026-11-25 19:00``."""
    return when.strftime("%Y-%m-%d %H:%M")


class Calendar:
    """The days up to a moment, in a time zone."""

    def __init__(self, now: datetime, zone: tzinfo) -> None:
        self.now = now
        self.zone = zone
        self.first = now.astimezone(zone).date() - timedelta(days=DAYS - 1)

    def shown(self, rows: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
        """Return the calendar for a template."""
        days = [self.first + timedelta(days=number) for number in range(DAYS)]
        return {
            "first": day_text(days[0]),
            "last": day_text(days[-1]),
            "days": DAYS,
            "width": DAYS * _DAY_PX,
            "height": _HEIGHT,
            "ticks": [
                {
                    "x": number * _DAY_PX,
                    # Near its end the strip has no room to the right of a line.
                    "text_x": number * _DAY_PX + 3 if number <= DAYS - _LABEL_DAYS else DAYS * _DAY_PX,
                    "anchor": "start" if number <= DAYS - _LABEL_DAYS else "end",
                    "y": _TICK_Y,
                    "text": day_text(day),
                }
                for number, day in enumerate(days)
                if day.weekday() == 0
            ],
            "states": [state.shown() for state in COPIES.values()],
            "rows": [self._row(row) for row in rows],
        }

    def _row(self, row: Mapping[str, Any]) -> Dict[str, Any]:
        copies = sorted(row.get("copies") or [], key=lambda copy: moment(copy["at"]))
        drills = sorted(row.get("drills") or [], key=lambda drill: moment(drill["at"]))
        gaps = [(moment(gap["from"]), moment(gap["to"])) for gap in row.get("gaps") or []]
        rpo_s, rto_s = row.get("rpo_s"), row.get("rto_s")
        rpo = self._rpo(rpo_s, copies, gaps)
        rto = _rto(rto_s, drills)
        newest = next((copy for copy in reversed(copies) if copy["state"] == "read"), None)
        return {
            "database": row["database"],
            "cluster": row["cluster"],
            "rpo": dict(rpo, wanted=format_duration(rpo_s) if rpo_s else ""),
            "rto": dict(rto, wanted=format_duration(rto_s) if rto_s else ""),
            "newest": self._newest(newest) if newest else "",
            "size": format_size(newest["size_bytes"]) if newest and newest.get("size_bytes") is not None else "",
            "text": self._in_words(copies, drills, gaps),
            "letters": self._letters(copies, drills, gaps),
            **self._strip(copies, drills, gaps),
        }

    def _newest(self, copy: Mapping[str, Any]) -> str:
        when = moment(copy["at"])
        age = max(0, int((self.now - when).total_seconds()))
        return "%s, %s old" % (time_text(when.astimezone(self.zone)), format_duration(age))

    def _rpo(self, rpo_s: Optional[int], copies: Sequence[Any], gaps: Sequence[Any]) -> Dict[str, Any]:
        if not rpo_s:
            return _judged(UNSTATED, "no RPO is stated")
        if not any(copy["state"] == "read" for copy in copies):
            return _judged(BROKEN, "no copy that was read back")
        if gaps:
            longest = max((end - start).total_seconds() for start, end in gaps)
            text = "%s, the longest of %s" % (counted(len(gaps), "wider gap", "wider gaps"), format_duration(longest))
            if max(end for _start, end in gaps) >= self.now:
                text += "; one is open now"
            return _judged(BROKEN, text)
        return _judged(KEPT, "no wider gap in %d days" % DAYS)

    def _lanes(self, copies: Sequence[Any], drills: Sequence[Any]) -> Dict[str, Dict[int, Any]]:
        """Return what each day has, by the day's number: the best copy, the gravest trouble, the last drill."""
        good: Dict[int, str] = {}
        bad: Dict[int, str] = {}
        drilled: Dict[int, bool] = {}
        for copy in copies:
            day, state = self._day(moment(copy["at"])), str(copy["state"])
            if not 0 <= day < DAYS:
                continue
            if state in _WORTH:
                good[day] = min(state, good.get(day, state), key=_WORTH.index)
            else:
                known = state if state in _TROUBLE else "missing"
                bad[day] = min(known, bad.get(day, known), key=_TROUBLE.index)
        for drill in drills:
            day = self._day(moment(drill["at"]))
            if 0 <= day < DAYS:
                # One that failed isn't covered by one that passed on the same day.
                drilled[day] = drilled.get(day, True) and bool(drill["ok"])
        return {"good": good, "bad": bad, "drills": drilled}

    def _day(self, when: datetime) -> int:
        return (when.astimezone(self.zone).date() - self.first).days

    def _strip(self, copies: Sequence[Any], drills: Sequence[Any], gaps: Sequence[Any]) -> Dict[str, Any]:
        lanes = self._lanes(copies, drills)
        marks = [
            {"shape": state_of(COPIES, state).key, "x": _centre(day), "y": y}
            for lane, y in (("good", _GOOD_Y), ("bad", _BAD_Y))
            for day, state in sorted(lanes[lane].items())
        ]
        marks += [
            {"shape": "drill" if passed else "drill-failed", "x": _centre(day), "y": _DRILL_Y}
            for day, passed in sorted(lanes["drills"].items())
        ]
        drawn = []
        for start, end in gaps:
            left, right = self._x(start), self._x(end)
            if right > left:
                # A short one still has to be seen.
                drawn.append({
                    "x": round(min(left, DAYS * _DAY_PX - 3)), "width": max(3, round(right - left)),
                    "y": _GAP_TOP, "height": _GAP_HEIGHT,
                })  # fmt: skip
        return {"marks": marks, "gaps": drawn}

    def _x(self, when: datetime) -> float:
        local = when.astimezone(self.zone)
        seconds = local.hour * 3600 + local.minute * 60 + local.second
        return min(float(DAYS * _DAY_PX), max(0.0, ((local.date() - self.first).days + seconds / 86400) * _DAY_PX))

    def _letters(self, copies: Sequence[Any], drills: Sequence[Any], gaps: Sequence[Any]) -> str:
        """Return a letter for each day, for where nothing can be drawn."""
        lanes = self._lanes(copies, drills)
        letters = []
        for day in range(DAYS):
            letter = {"read": "r", "hashed": "h", "unverified": "u"}.get(lanes["good"].get(day, ""), ".")
            if day in lanes["bad"]:
                letter = "x" if letter == "." else "X"
            if day in lanes["drills"]:
                letter = "D" if lanes["drills"][day] else "F"
            letters.append(letter)
        return "".join(letters)

    def _in_words(self, copies: Sequence[Any], drills: Sequence[Any], gaps: Sequence[Any]) -> str:
        """Return the strip for who doesn't see it."""
        recent = [copy for copy in copies if 0 <= self._day(moment(copy["at"])) < DAYS]
        counts = []
        for key, state in COPIES.items():
            number = sum(copy["state"] == key for copy in recent)
            if number:
                counts.append("%d %s" % (number, state.word))
        text = "Copies: %s." % enumeration(counts) if counts else "No copy."
        for start, end in gaps[-3:]:
            text += " Nothing that counts from %s to %s." % tuple(
                time_text(when.astimezone(self.zone)) for when in (start, end)
            )
        if len(gaps) > 3:
            text += " %s before." % counted(len(gaps) - 3, "more gap", "more gaps")
        shown = [drill for drill in drills if 0 <= self._day(moment(drill["at"])) < DAYS]
        if shown:
            told = [
                "%s %s" % ("passed" if drill["ok"] else "failed", day_text(moment(drill["at"]).astimezone(self.zone)))
                for drill in shown[-3:]
            ]
            text += " Drills: %s." % enumeration(told)
        else:
            text += " No drill."
        return text


def _centre(day: int) -> int:
    return day * _DAY_PX + _DAY_PX // 2


def _judged(state: State, text: str) -> Dict[str, Any]:
    return {"state": state.shown(), "text": text}


def _rto(rto_s: Optional[int], drills: Sequence[Any]) -> Dict[str, Any]:
    """Compare the last drill's time with the RTO: a restore takes about as long."""
    if not drills:
        return _judged(UNKNOWN if rto_s else UNSTATED, "no drill yet")
    last = drills[-1]
    if not last["ok"]:
        return _judged(BROKEN, "the last drill failed")
    seconds = last.get("seconds")
    if seconds is None:
        return _judged(UNKNOWN, "the last drill wasn't timed")
    text = "the last drill took %s" % format_duration(seconds)
    if not rto_s:
        return _judged(UNSTATED, text)
    return _judged(KEPT if seconds <= rto_s else BROKEN, text)
