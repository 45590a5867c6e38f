# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept until a date, and why: archives, databases that were put aside, containers that were retired.

The register is a file of JSON lines that only grows. A line with a thing says until when it is kept; a later one of the
same thing takes its place; one of the kind ``ended`` says that it isn't kept any more.
"""

import hashlib
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Dict, Iterable, List, Mapping, Optional

from .._core.text import iso_utc, parse_iso_utc

KINDS = ("archive", "database", "container")
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Dropped:
    """What a database was that was dropped, and which copy of it was proven then. It was renamed, and closed.

    Arguments:
        database: its name before. oid: what it has kept.
        folder, stem: where the copy lies. manifest_sha256: what its manifest was.
    """

    database: str
    oid: int
    folder: str
    stem: str
    manifest_sha256: str


@dataclass(frozen=True)
class Kept:
    """One thing that is kept.

    Arguments:
        kind: one of KINDS. name: of the schema, database or container.
        cluster: the cluster in the description, empty for a container.
        database: the one that an archive's schema lies in.
        since, until: moments in UTC.
        dropped: of a database that was dropped.
    """

    kind: str
    name: str
    cluster: str
    database: str
    since: datetime
    until: datetime
    reason: str
    dropped: Optional[Dropped] = None

    @property
    def identifier(self) -> str:
        """What is the same for the same thing."""
        text = "\0".join((self.kind, self.cluster, self.database, self.name))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The thing as a person names it."""
        where = " in database %s" % self.database if self.database else ""
        return "%s %s%s" % (self.kind, self.name, where)

    def is_over(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.until <= now

    def to_json(self) -> Dict[str, Any]:
        """Return the register's line."""
        line = {
            "format_version": FORMAT_VERSION,
            "id": self.identifier,
            "kind": self.kind,
            "name": self.name,
            "cluster": self.cluster,
            "database": self.database,
            "since": iso_utc(self.since),
            "until": iso_utc(self.until),
            "reason": self.reason,
        }
        return line if self.dropped is None else dict(line, dropped=asdict(self.dropped))


def ended_line(kept: Kept, now: datetime, how: str) -> Dict[str, Any]:
    """Return the line that says that a thing isn't kept any more."""
    return {"format_version": FORMAT_VERSION, "kind": "ended", "id": kept.identifier, "at": iso_utc(now), "how": how}


def kept_things(lines: Iterable[Mapping[str, Any]]) -> List[Kept]:
    """Return what is kept, the first to end first.

    Arguments:
        lines: the register's, oldest first. Lines of a later format or of unknown kinds are passed over.
    """
    found: Dict[str, Kept] = {}
    for line in lines:
        if line.get("kind") == "ended":
            found.pop(str(line.get("id")), None)
        elif line.get("kind") in KINDS:
            kept = Kept(
                line["kind"],
                line["name"],
                line.get("cluster") or "",
                line.get("database") or "",
                parse_iso_utc(line["since"]),
                parse_iso_utc(line["until"]),
                line.get("reason") or "",
                _dropped(line.get("dropped")),
            )
            found[kept.identifier] = kept
    return sorted(found.values(), key=lambda kept: (kept.until, kept.label))


def _dropped(told: Optional[Mapping[str, Any]]) -> Optional[Dropped]:
    # Fields of a later format are passed over.
    return Dropped(**{field.name: told[field.name] for field in fields(Dropped)}) if told else None
