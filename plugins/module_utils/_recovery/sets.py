# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recovery sets of one database in a folder: their names, which is the newest, whether another is due, which go.

A set is ``recovery_<database>_<YYYYMMDD_HHMMSS>.tar.age``, beside the copies and none of them. What the newest holds is
known by a salted hash in ``recovery_<database>.json``: it can be compared, and tells nothing.
"""

import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta, timezone
from typing import Callable, Collection, Iterable, List, Optional, Sequence, Tuple

from .._dumps.catalogue import STAMP_FORMAT

SUFFIX = ".tar.age"
_STAMP = r"\d{8}_\d{6}"


@dataclass(frozen=True)
class Newest:
    """What is written down of the newest set.

    Arguments:
        salt, digest: the salted hash of what is in it.
        file: its name. sha256: of its bytes, encrypted as they are.
        at: when it was made.
    """

    salt: str
    digest: str
    file: str
    sha256: str
    at: str

    def to_bytes(self) -> bytes:
        """Return the content of the file that says it."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode("utf-8")


def parse_newest(data: bytes) -> Optional[Newest]:
    """Return what a file says, or None where it says nothing that can be read."""
    try:
        found = json.loads(data)
    except ValueError:
        return None
    names = [item.name for item in fields(Newest)]
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in names):
        return None
    return Newest(**{name: found[name] for name in names})


def newest_name(database: str) -> str:
    """Return the name of the file that says what the newest set holds."""
    return "recovery_%s.json" % database


def lock_name(database: str) -> str:
    """Return the name of the lock file."""
    return ".recovery_%s.lock" % database


def free_name(database: str, moment: datetime, taken: Collection[str]) -> str:
    """Return the first name that no set has: a second one within one second gets the next."""
    while True:
        name = "recovery_%s_%s%s" % (database, moment.astimezone(timezone.utc).strftime(STAMP_FORMAT), SUFFIX)
        if name not in taken:
            return name
        moment += timedelta(seconds=1)


def sets_of(database: str, names: Iterable[str]) -> List[str]:
    """Return the sets of exactly this database, the newest first."""
    pattern = re.compile(r"recovery_%s_%s%s" % (re.escape(database), _STAMP, re.escape(SUFFIX)))
    return sorted((name for name in names if pattern.fullmatch(name)), reverse=True)


def leftovers(database: str, names: Iterable[str]) -> List[str]:
    """Return what runs that were killed have left of this database's sets."""
    quoted = re.escape(database)
    # The second is what a file that is replaced is called until it is whole.
    unfinished = r"\.recovery_%s_%s%s\.partial|\.recovery_%s\.json\.[^./]+\.tmp" % (
        quoted,
        _STAMP,
        re.escape(SUFFIX),
        quoted,
    )
    return sorted(name for name in names if re.fullmatch(unfinished, name))


def taken_at(name: str) -> Optional[datetime]:
    """Return when a set was made, by its name; None where that is no date."""
    stamp = name[: -len(SUFFIX)][-15:]
    try:
        return datetime.strptime(stamp, STAMP_FORMAT).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def why_due(newest: Optional[Newest], digest: str, sets: Sequence[str], sha256_of: Callable[[str], str]) -> str:
    """Return why a set is to be made; empty where the newest one is whole and holds just this.

    Arguments:
        digest: of what would be in it, with the newest one's salt.
        sets: the names of those that are there. sha256_of: hashes one of them.
    """
    if newest is None:
        return "there is no recovery set yet" if not sets else "it isn't known what the newest recovery set holds"
    if newest.file not in sets:
        return "%s is gone" % newest.file
    if newest.digest != digest:
        return "something in it has changed"
    if sha256_of(newest.file) != newest.sha256:
        return "%s isn't what was written any more" % newest.file
    return ""


def expired(sets: Sequence[str], keep: int, newest: str) -> Tuple[str, ...]:
    """Return which sets go; the one that counts as the newest stays, whatever its name's date.

    Arguments:
        sets: newest first.
    """
    others = [name for name in sets if name != newest]
    return tuple(others[max(0, keep - 1) :])
