# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What time it is."""

from datetime import datetime, timezone
from typing import Optional

from .._core.schedule import parse_moment


def now(given: Optional[str] = None) -> datetime:
    """Return this moment in UTC, or the one that is given to be taken as such: a module's option C(clock).

    Raises:
        InputError: what is given is no moment.
    """
    return parse_moment(given) if given else datetime.now(timezone.utc)
