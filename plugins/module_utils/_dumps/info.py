# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to say of the copies of several databases."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional

from .._core.errors import InputError
from .._core.schedule import Schedule, parse_schedule
from .._core.text import format_duration, format_size, iso_utc, nearest, parse_duration
from .catalogue import MANIFEST_SUFFIX, Catalogue, Copy, check_database_name, look
from .due import decide_due
from .ports import Folder
from .verify import HashedFile


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


def report(
    watches: List[Watch], folders: Mapping[str, Folder], now: datetime, level: str, checksums: str = "none"
) -> Dict[str, Any]:
    """Return every copy, and for each database its newest verified one, whether it is young enough, what is odd.

    Arguments:
        checksums: whose bytes are read and hashed: of none, of the newest verified copy, or of all.
    """
    names = ("newest_verified", "rpo_met", "due", "gaps", "holds", "failures", "findings", "orphans")
    result: Dict[str, Any] = {name: {} for name in names}
    result["copies"] = []
    for watch in watches:
        folder, key = folders[watch.database], watch.database
        catalogue = _hash(look(watch.name or key, folder), folder, now, level, checksums)
        newest = catalogue.newest_good(level, now)
        # By its key: two clusters may each have a database of the same name.
        lines = [dict(_line(copy, folder.path, now, level), key=key) for copy in reversed(catalogue.copies)]
        result["copies"].extend(lines)
        result["newest_verified"][key] = _line(newest, folder.path, now, level) if newest else None
        result["orphans"][key] = [
            {"path": _join(folder.path, name), "reason": reason} for name, reason in catalogue.orphans
        ]
        result["rpo_met"][key] = None
        if watch.rpo_s is not None:
            young = newest is not None and (now - newest.taken_at).total_seconds() <= watch.rpo_s
            result["rpo_met"][key] = young
        result["due"][key] = None
        if watch.schedule is not None:
            due = decide_due(watch.schedule, catalogue, now, level)
            result["due"][key] = {
                "due": due.due,
                "reason": due.reason,
                "next_due": iso_utc(due.next_due) if due.next_due else None,
            }
        result["gaps"][key] = find_gaps(catalogue, watch, now, level)
        result["holds"][key] = catalogue.log.hold or None
        result["failures"][key] = catalogue.log.failure or None
        result["findings"][key] = _findings(newest)
    return result


def _hash(catalogue: Catalogue, folder: Folder, now: datetime, level: str, checksums: str) -> Catalogue:
    """Return the catalogue without the good copies whose bytes aren't those that were written."""
    if checksums == "none":
        return catalogue
    copies = list(catalogue.copies)
    for place in reversed(range(len(copies))):
        copy = copies[place]
        if copy.manifest is None or copy.problem:
            continue
        if HashedFile(folder, copy.dump).hexdigest() != copy.manifest["sha256"]:
            copies[place] = replace(copy, level="", problem="its bytes aren't those that were written")
        elif checksums == "newest" and copy.is_good(level) and copy.taken_at <= now:
            # What is older needn't be looked at: this one is what a restore takes.
            break
    return replace(catalogue, copies=tuple(copies))


def find_gaps(catalogue: Catalogue, watch: Watch, now: datetime, level: str) -> List[Dict[str, Any]]:
    """Return the times, oldest first, that went by without a verified copy for longer than they may.

    They may as long as the recovery point objective says, else as long as the schedule's widest gap.
    """
    limit_s = watch.rpo_s
    if limit_s is None and watch.schedule is not None:
        limit_s = watch.schedule.widest_gap_s()
    moments = [copy.taken_at for copy in catalogue.copies if copy.is_good(level) and copy.taken_at <= now]
    if limit_s is None or not moments:
        return []
    ends: List[Optional[datetime]] = [*moments[1:], None]
    gaps = []
    for before, after in zip(moments, ends):
        seconds = int(((after or now) - before).total_seconds())
        if seconds > limit_s:
            gaps.append({"from": iso_utc(before), "to": iso_utc(after) if after else None, "seconds": seconds})
    return gaps


def _findings(newest: Optional[Copy]) -> List[str]:
    """Return what the newest verified copy lacks."""
    manifest = (newest.manifest or {}) if newest is not None else {}
    if newest is None or manifest.get("globals"):
        return []
    return ["%s has no roles beside it: after the volume is lost no service could log in." % newest.dump]


def table(result: Mapping[str, Any], with_ages: bool) -> List[str]:
    """Return the report as lines for a terminal; without ages it is the same until something happened."""
    keys = list(result["newest_verified"])
    width = max([len(key) for key in keys] + [8])
    row = "%-{0}s  %-20s  %8s  %10s  %-8s  %s".format(width)
    lines = [row % ("DATABASE", "TAKEN AT", "AGE" if with_ages else "", "SIZE", "VERIFIED", "REMARK")]
    for key in keys:
        for copy in (item for item in result["copies"] if item["key"] == key):
            age = format_duration(copy["age_s"]) if with_ages and copy["age_s"] >= 0 else ""
            remark = copy["problem"] or copy["label"] or ""
            size = format_size(copy["size_bytes"])
            lines.append((row % (key, copy["taken_at"], age, size, copy["how"] or "no", remark)).rstrip())
        lines.extend("%-*s  %s" % (width, key, text) for text in _remarks(result, key))
    return lines


def _remarks(result: Mapping[str, Any], key: str) -> List[str]:
    remarks = []
    if result["newest_verified"][key] is None:
        remarks.append("NO VERIFIED COPY")
    if result["rpo_met"][key] is not None:
        remarks.append("recovery point objective met" if result["rpo_met"][key] else "RECOVERY POINT OBJECTIVE MISSED")
    if result["failures"][key]:
        remarks.append("THE LAST RUN FAILED: %s" % result["failures"][key])
    if result["holds"][key]:
        remarks.append("HELD: %s" % result["holds"][key])
    for gap in result["gaps"][key]:
        until = " to %s" % gap["to"] if gap["to"] else ""
        remarks.append("no verified copy from %s%s" % (gap["from"], until or " until now"))
    remarks.extend("%(path)s: %(reason)s" % orphan for orphan in result["orphans"][key])
    remarks.extend(result["findings"][key])
    return remarks


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
