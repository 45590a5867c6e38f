# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention: which copies stay, which go, and why.

Only copies that pg_restore has read whole are counted, so failures never push a good copy out. The newest of them and
the newest that a drill restored stay whatever the rules say. What was never verified goes on a term of its own, and
only where something newer was.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import InputError
from .._core.text import format_duration, nearest, parse_duration
from .catalogue import Copy
from .manifest import COUNTED

_PERIODS: Tuple[Tuple[str, Callable[[datetime], Tuple[int, ...]]], ...] = (
    ("hourly", lambda moment: (moment.year, moment.month, moment.day, moment.hour)),
    ("daily", lambda moment: (moment.year, moment.month, moment.day)),
    ("weekly", lambda moment: tuple(moment.isocalendar())[:2]),
    ("monthly", lambda moment: (moment.year, moment.month)),
    ("yearly", lambda moment: (moment.year,)),
)
_KEYS = ("last", "keep", "within", "unverified") + tuple(name for name, _bucket in _PERIODS)


@dataclass(frozen=True)
class Retention:
    """Rules that add up: a copy that any of them wants stays. Without a rule everything stays."""

    last: Optional[int] = None
    within_s: Optional[int] = None
    hourly: Optional[int] = None
    daily: Optional[int] = None
    weekly: Optional[int] = None
    monthly: Optional[int] = None
    yearly: Optional[int] = None
    unverified_s: int = 30 * 86400

    @property
    def keeps_everything(self) -> bool:
        """Whether there is no rule at all."""
        return self == Retention(unverified_s=self.unverified_s)


@dataclass(frozen=True)
class Verdict:
    """What becomes of one copy, and why."""

    copy: Copy
    keep: bool
    reason: str


def parse_retention(options: Optional[Mapping[str, Any]]) -> Retention:
    """Return the rules.

    Arguments:
        options: last (or keep), within, hourly, daily, weekly, monthly, yearly; missing and null are no rule. And
            unverified: how long a copy stays that never was verified, by default 30 days.

    Raises:
        InputError: a key isn't known, a number is below 1, or last and keep are both given.
    """
    given = {key: value for key, value in (options or {}).items() if value is not None}
    for key in given:
        if key not in _KEYS:
            near = nearest(key, _KEYS)
            raise InputError(
                "Retention has no rule %r." % key,
                "Did you mean %s?" % near if near else "Known: %s." % ", ".join(_KEYS),
            )
    if "last" in given and "keep" in given:
        raise InputError("Retention says both keep and last, and they mean the same.", "Leave one of them out.")
    within, unverified = given.pop("within", None), given.pop("unverified", None)
    numbers = {("last" if key == "keep" else key): _number(key, value) for key, value in given.items()}
    return Retention(
        within_s=None if within is None else parse_duration(within),
        unverified_s=Retention.unverified_s if unverified is None else parse_duration(unverified),
        **numbers,
    )


def _number(key: str, value: Any) -> int:
    try:
        number = int(str(value))
    except ValueError as error:
        raise InputError("Retention's %s is %r, which is no whole number." % (key, value)) from error
    if isinstance(value, bool) or number < 1:
        raise InputError(
            "Retention's %s is %r: that would keep nothing." % (key, value),
            "Give a number of at least 1, or leave the rule out.",
        )
    return number


def decide(copies: Sequence[Copy], retention: Retention, now: datetime, zone: tzinfo, waits: str = "") -> List[Verdict]:
    """Return what becomes of each copy, newest first.

    Arguments:
        zone: where days, weeks, months and years begin.
        waits: why nothing may be removed now; empty where it may.
    """
    newest_first = sorted(copies, key=lambda copy: (copy.taken_at, copy.dump), reverse=True)
    counted = [copy for copy in newest_first if copy.is_good(COUNTED) and copy.taken_at <= now]
    reasons = _wanted(counted, retention, now, zone)
    if counted:
        reasons.setdefault(counted[0].stem, ["the newest verified copy always stays"])
    drilled = [copy for copy in counted if copy.is_good("drilled")]
    if drilled:
        reasons.setdefault(drilled[0].stem, ["the newest drilled copy always stays"])
    verdicts = []
    for copy in newest_first:
        keep, reason = True, ", ".join(reasons.get(copy.stem, ()))
        if copy.taken_at > now:
            reason = "not counted: it is dated in the future"
        elif not copy.is_good(COUNTED):
            keep, reason = _unverified(copy, counted, retention, now)
        elif retention.keeps_everything:
            reason = "no retention is asked for"
        elif not reason:
            keep, reason = False, "no rule of the retention wants it"
        if not keep and waits:
            keep, reason = True, "%s, but nothing is removed: %s" % (reason, waits)
        verdicts.append(Verdict(copy, keep, reason))
    return verdicts


def _unverified(copy: Copy, counted: Sequence[Copy], retention: Retention, now: datetime) -> Tuple[bool, str]:
    why = "not counted: %s" % (copy.problem or "verified only as far as %s" % (copy.level or "nothing"))
    over = copy.taken_at < now - timedelta(seconds=retention.unverified_s)
    replaced = bool(counted) and counted[0].taken_at > copy.taken_at
    if retention.keeps_everything or not (copy.logged and over and replaced):
        return True, why
    return False, "%s, and older than %s" % (why, format_duration(retention.unverified_s))


def _wanted(counted: Sequence[Copy], retention: Retention, now: datetime, zone: tzinfo) -> Dict[str, List[str]]:
    reasons: Dict[str, List[str]] = {}

    def want(copy: Copy, reason: str) -> None:
        reasons.setdefault(copy.stem, []).append(reason)

    for number, copy in enumerate(counted[: retention.last or 0], 1):
        want(copy, "last %d of %d" % (number, retention.last or 0))
    if retention.within_s is not None:
        oldest = now - timedelta(seconds=retention.within_s)
        for copy in counted:
            if copy.taken_at >= oldest:
                want(copy, "within %s" % format_duration(retention.within_s))
    for name, bucket in _PERIODS:
        wanted: int = getattr(retention, name) or 0
        seen: Dict[Tuple[int, ...], None] = {}
        for copy in counted:
            if len(seen) == wanted:
                break
            key = bucket(copy.taken_at.astimezone(zone))
            if key not in seen:
                seen[key] = None
                want(copy, "%s %d of %d" % (name, len(seen), wanted))
    return reasons
