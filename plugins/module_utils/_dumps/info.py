# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to say of the copies of several databases."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional

from .._core.errors import InputError
from .._core.schedule import Schedule, parse_schedule
from .._core.text import iso_utc, nearest, parse_duration
from .catalogue import MANIFEST_SUFFIX, Copy, check_database_name, look
from .due import decide_due
from .ports import Folder


@dataclass(frozen=True)
class Watch:
    """One database whose copies are looked at; name: what its server calls it, where that is another word."""

    database: str
    folder: str
    schedule: Optional[Schedule] = None
    rpo_s: Optional[int] = None
    name: str = ""


def parse_watches(options: Mapping[str, Any]) -> List[Watch]:
    """Return what the options folders, names, schedules, rpo and timezone name.

    Raises:
        InputError: a schedule or an objective is wrong, or is of a database without a folder.
    """
    folders: Mapping[str, Any] = options["folders"]
    schedules: Mapping[str, Any] = options.get("schedules") or {}
    objectives: Mapping[str, Any] = options.get("rpo") or {}
    names: Mapping[str, Any] = options.get("names") or {}
    for title, given in (("names", names), ("schedules", schedules), ("rpo", objectives)):
        for database in given:
            if database not in folders:
                near = nearest(database, folders)
                raise InputError(
                    "Option %s names database %s, which has no folder." % (title, database),
                    "Did you mean %s?" % near if near else "Name its folder in folders.",
                )
    watches = []
    for database, folder in folders.items():
        check_database_name(str(names.get(database) or database))
        if not isinstance(folder, str) or not folder:
            raise InputError("The folder of database %s is %r, which is no path." % (database, folder))
        schedule, rpo = schedules.get(database), objectives.get(database)
        watches.append(
            Watch(
                database,
                folder,
                parse_schedule(str(schedule), str(options.get("timezone") or "UTC")) if schedule else None,
                parse_duration(rpo) if rpo is not None else None,
                str(names.get(database) or ""),
            )
        )
    return watches


def report(watches: List[Watch], folders: Mapping[str, Folder], now: datetime, level: str) -> Dict[str, Any]:
    """Return copies, newest_verified, rpo_met, due and orphans of all databases."""
    result: Dict[str, Any] = {"copies": [], "newest_verified": {}, "rpo_met": {}, "due": {}, "orphans": {}}
    for watch in watches:
        folder = folders[watch.database]
        catalogue = look(watch.name or watch.database, folder)
        newest = catalogue.newest_good(level, now)
        result["copies"].extend(_line(copy, folder.path, now, level) for copy in reversed(catalogue.copies))
        result["newest_verified"][watch.database] = _line(newest, folder.path, now, level) if newest else None
        result["orphans"][watch.database] = [
            {"path": _join(folder.path, name), "reason": reason} for name, reason in catalogue.orphans
        ]
        result["rpo_met"][watch.database] = None
        if watch.rpo_s is not None:
            young = newest is not None and (now - newest.taken_at).total_seconds() <= watch.rpo_s
            result["rpo_met"][watch.database] = young
        result["due"][watch.database] = None
        if watch.schedule is not None:
            due = decide_due(watch.schedule, catalogue, now, level)
            result["due"][watch.database] = {
                "due": due.due,
                "reason": due.reason,
                "next_due": iso_utc(due.next_due) if due.next_due else None,
            }
    return result


def _line(copy: Copy, path: str, now: datetime, level: str) -> Dict[str, Any]:
    manifest = copy.manifest or {}
    has_manifest = copy.stem + MANIFEST_SUFFIX in copy.files
    return {
        "database": copy.database,
        "path": _join(path, copy.dump),
        "taken_at": iso_utc(copy.taken_at),
        "age_s": int((now - copy.taken_at).total_seconds()),
        "size_bytes": copy.size_bytes,
        "verified": copy.is_good(level),
        "how": copy.level or None,
        "problem": copy.problem or None,
        "label": manifest.get("label"),
        "compression": manifest.get("compression"),
        "manifest_path": _join(path, copy.stem + MANIFEST_SUFFIX) if has_manifest else None,
    }


def _join(path: str, name: str) -> str:
    return path.rstrip("/") + "/" + name
