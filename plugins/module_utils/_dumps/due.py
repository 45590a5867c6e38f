# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a dump is due, judged by the newest good copy: what was missed is caught up, once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from .._core.schedule import Schedule
from .._core.text import format_duration, iso_utc
from .catalogue import Catalogue


@dataclass(frozen=True)
class Due:
    """Whether, why, and when the schedule comes round next (None without a schedule)."""

    due: bool
    reason: str
    next_due: Optional[datetime] = None


def decide_due(schedule: Optional[Schedule], catalogue: Catalogue, now: datetime, level: str) -> Due:
    """Return whether a dump is due now.

    Arguments:
        schedule: without one a dump is due whenever it is asked for.
        level: how far a copy must be verified to count; one dated in the future never does.
    """
    if schedule is None:
        return Due(True, "no schedule: a dump is due whenever it is asked for")
    since, following = schedule.previous(now), schedule.next(now)
    newest = catalogue.newest_good(level, now)
    if newest is None:
        ignored = len(catalogue.copies)
        what = "there is no copy" if not ignored else "none of the %d copies counts as verified by now" % ignored
        return Due(True, "%s, and one was due at %s" % (what, iso_utc(since)), following)
    age = format_duration((now - newest.taken_at).total_seconds())
    if newest.taken_at < since:
        return Due(True, "the newest good copy is %s old, and one was due at %s" % (age, iso_utc(since)), following)
    return Due(
        False, "the newest good copy, %s old, is from after %s, when one was due" % (age, iso_utc(since)), following
    )
