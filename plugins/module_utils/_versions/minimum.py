# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which PostgreSQL a program needs: what its makers say, by its version, with source and date; or that nobody knows."""

import fnmatch
import re
from datetime import date
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._core.inspection import repository_of
from .releases import END_OF_LIFE

# What is written before a version or after it: v4.2, 19.0-20260101, 16-alpine. More digits are a day or a commit.
_VERSION = re.compile(r"[vV]?(\d{1,4}(?:\.\d+)*)(?:[-_+.].*)?\Z")


class Need(NamedTuple):
    """What a program needs of PostgreSQL; each is a major, None where it isn't known.

    Arguments:
        minimum: below it the program isn't supported, and may not start.
        recommended: from which on its makers would have it.
        tested_up_to: the newest that its makers name, or ship with it.
        maintained: whether they support just those majors that still get fixes, whichever those are.
        image: the pattern of the server's image, where it runs on no other.
        source, as_of: who says so, and when it was read. note: what else is to be known.
        stated: whether the description says it.
        guessed: whether it is what the newest version needs, because the program's own version isn't known.
    """

    minimum: Optional[int] = None
    recommended: Optional[int] = None
    tested_up_to: Optional[int] = None
    maintained: bool = False
    image: str = ""
    source: str = ""
    as_of: str = ""
    note: str = ""
    stated: bool = False
    guessed: bool = False

    def least(self, today: date) -> Optional[int]:
        """Return the oldest major that it is supported on; None where that isn't known."""
        if self.minimum is not None or not self.maintained:
            return self.minimum
        return min((major for major, end in END_OF_LIFE.items() if end >= today), default=None)

    def to_json(self) -> Dict[str, Any]:
        """Return it as a part of a module's result."""
        return dict(self._asdict())


def version_of(image: str) -> Optional[str]:
    """Return the version that an image's tag names; None where it names none, like ``latest`` or a digest alone."""
    name = image.partition("@")[0].rpartition("/")[2]
    found = _VERSION.match(name.partition(":")[2])
    return found.group(1) if found else None


def own_version(image: str, patterns: Sequence[str]) -> Optional[str]:
    """Return the version of a program that runs in an image; None where the tag is another program's, or names none.

    Arguments:
        patterns: of the names of the program's own images. Any other tag counts something else.
    """
    name = repository_of(image)
    return version_of(image) if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns) else None


def read_need(facts: Optional[Mapping[str, Any]], version: Optional[str], stated: Optional[int] = None) -> Need:
    """Return what a program needs.

    Arguments:
        facts: the profile's ``postgres``; None where nothing is known of the program. Its ``by_version`` says what
            changed, and from which version of the program on.
        version: the program's; None where it isn't known.
        stated: the minimum that the description states; it wins.
    """
    known = dict(facts or {})
    by_version = known.get("by_version") or {}
    if version is not None:
        known.update(_since(by_version, version))
    recommended, least = known.get("recommended"), known.get("minimum") if stated is None else stated
    return Need(
        minimum=least,
        recommended=recommended if recommended is None or least is None or recommended > least else None,
        tested_up_to=known.get("tested_up_to"),
        maintained=bool(known.get("maintained")) and stated is None,
        image=str(known.get("image") or ""),
        source=str(known.get("source") or ""),
        as_of=str(known.get("as_of") or ""),
        note=str(known.get("note") or ""),
        stated=stated is not None,
        guessed=version is None and bool(by_version) and stated is None,
    )


def _since(by_version: Mapping[str, Any], version: str) -> Dict[str, Any]:
    """Return the row of the newest version that isn't newer than this one; a number alone is a minimum."""
    rows = sorted((_parts(str(since)), row) for since, row in by_version.items())
    fitting: List[Any] = [row for since, row in rows if since <= _parts(version)]
    if not fitting:
        return {}
    return dict(fitting[-1]) if isinstance(fitting[-1], Mapping) else {"minimum": fitting[-1]}


def _parts(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
