# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copy is restored, and whether this server can take it: all of it before anything is touched."""

import posixpath
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Collection, Dict, List, Mapping, Optional, Set

from .._core.errors import InputError, StateError
from .._core.text import iso_utc, nearest
from .._dumps.catalogue import DRILL_FAILED, Catalogue, Copy
from .._dumps.manifest import COUNTED


@dataclass(frozen=True)
class Wanted:
    """Which copy is meant.

    Arguments:
        copy: its stem, the name of one of its files, or a path of one; empty for the newest that was verified.
        before: only copies from before this moment.
        level: how far it must be verified.
        again: whether a copy that is named may be one whose last drill failed.
    """

    copy: str = ""
    before: Optional[datetime] = None
    level: str = COUNTED
    again: bool = False


def choose_copy(catalogue: Catalogue, wanted: Wanted, now: datetime, folder: str) -> Copy:
    """Return the copy that is meant.

    Raises:
        InputError: there is none of that name. StateError: it is no good copy, or there is no verified one at all.
    """
    if wanted.copy:
        return _named(catalogue, wanted)
    limit = min(now, wanted.before) if wanted.before else now
    found = catalogue.newest_good(wanted.level, limit)
    if found is not None:
        return found
    what = "There is no verified copy of %s in %s" % (catalogue.database, folder)
    if wanted.before:
        what += " from before %s" % iso_utc(wanted.before)
    reasons = ["%s: %s" % (copy.stem, _why(copy, wanted, limit)) for copy in reversed(catalogue.copies[-5:])]
    raise StateError(
        "%s%s." % (what, " (%s)" % "; ".join(reasons) if reasons else ": it holds no copy at all"),
        "Name another folder or an earlier time, or mend what the reasons say.",
    )


def _named(catalogue: Catalogue, wanted: Wanted) -> Copy:
    name = posixpath.basename(wanted.copy.rstrip("/"))
    by_name = {known: copy for copy in catalogue.copies for known in (copy.stem, *copy.files)}
    found = by_name.get(name)
    if found is None:
        near = nearest(name, by_name)
        newest = ", ".join(copy.stem for copy in reversed(catalogue.copies[-3:]))
        raise InputError(
            "There is no copy %s of %s." % (name, catalogue.database),
            "Did you mean %s?" % near if near else "The newest are: %s." % (newest or "none at all"),
        )
    if wanted.again and found.problem.startswith(DRILL_FAILED):
        return found
    if not found.is_good(wanted.level):
        raise StateError(
            "Copy %s is no good one: %s." % (found.stem, found.problem or "verified only as far as %s" % found.level),
            "Leave copy out to take the newest good one.",
        )
    return found


def _why(copy: Copy, wanted: Wanted, limit: datetime) -> str:
    if copy.problem:
        return copy.problem
    if copy.taken_at > limit:
        return "taken at %s%s" % (
            iso_utc(copy.taken_at),
            "" if wanted.before else ", in the future: is the clock right?",
        )
    return "verified only as far as %s" % (copy.level or "nothing")


def needed_roles(manifest: Mapping[str, Any]) -> List[str]:
    """Return the roles without which the copy can't be restored: owners, grantees, and whose settings it holds."""
    found: Set[str] = {str(manifest["owner"])} if manifest.get("owner") else set()
    for field in ("schemas", "tables", "sequences", "views", "functions"):
        found |= {str(item["owner"]) for item in manifest.get(field) or () if item.get("owner")}
    for grant in manifest.get("grants") or ():
        for entry in grant["acl"]:
            found.add(grantee(entry))
        if grant["kind"] == "default":
            found.add(str(grant["name"]).rpartition(" ")[0])
    found |= {str(item["role"]) for item in manifest.get("settings") or () if item.get("role")}
    # Roles that every server has, and PUBLIC.
    return sorted(name for name in found if name and not name.startswith("pg_"))


def grantee(entry: str) -> str:
    """Return the role of one entry of an access list, ``role=rights/grantor``; empty for PUBLIC."""
    if entry.startswith('"'):
        name, _quote, _rest = entry[1:].replace('""', "\0").partition('"')
        return name.replace("\0", '"')
    return entry.partition("=")[0]


def check_server(
    manifest: Mapping[str, Any], server: Mapping[str, Any], extensions: Collection[str], major_upgrade: bool
) -> None:
    """Refuse a server that can't take the copy.

    Arguments:
        server: server_version and server_version_num. extensions: those that the server could make.
        major_upgrade: whether a newer major version is meant.

    Raises:
        StateError: it is older than the copy's, of another major version without leave, or lacks an extension.
    """
    cluster: Dict[str, Any] = manifest.get("cluster") or {}
    before, now = (int(facts.get("server_version_num") or 0) // 10000 for facts in (cluster, server))
    if before > now:
        raise StateError(
            "The copy is of PostgreSQL %s, and this server is %s: an older one can't be relied on to read it."
            % (cluster.get("server_version"), server["server_version"]),
            "Restore it on a server of version %d or newer." % before,
        )
    if 0 < before < now and not major_upgrade:
        raise StateError(
            "The copy is of PostgreSQL %s, and this server is %s, another major version."
            % (cluster.get("server_version"), server["server_version"]),
            "Say major_upgrade=true if that is meant, and rehearse it under another name first.",
        )
    lacking = sorted({item["name"] for item in manifest.get("extensions") or ()} - set(extensions))
    if lacking:
        raise StateError(
            "The copy needs extension%s %s, which this server hasn't." % ("s"[: len(lacking) > 1], ", ".join(lacking)),
            "Use the image that the copy was made with, or install %s." % ("them" if len(lacking) > 1 else "it"),
        )
