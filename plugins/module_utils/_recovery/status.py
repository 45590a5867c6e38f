# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status file beside the runbook: the newest verified copy of each database, how long a restore took, what lacks.

It tells days and moments, not ages in hours: within a day it changes only where something happened.
"""

from datetime import datetime, timedelta
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._core.errors import BulkheadError
from .._core.text import format_duration, format_size, iso_utc
from .._dumps.catalogue import Catalogue, Copy, look
from .._dumps.manifest import COUNTED, ManifestError, parse_verdict, restore_command
from .._dumps.ports import Folder
from .markdown import code, plain, table
from .needs import MISSING, ONLY_IN_CONTAINER, UNSEEN
from .sets import sets_of, taken_at

Row = Dict[str, Any]
_STATES = {MISSING: "MISSING", ONLY_IN_CONTAINER: "ONLY IN THE CONTAINER", UNSEEN: "look yourself"}


def status(
    databases: Sequence[Mapping[str, Any]],
    folders: Mapping[str, Folder],
    restores: Sequence[Mapping[str, Any]],
    needs: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Dict[str, Any]:
    """Return ``databases``, one row each, and ``missing``, sentences about what a recovery would lack.

    Arguments:
        databases: their projections, of those that live in a database of their own or are dumped.
        folders: by key, the folder of the copies; a database that is not dumped has none.
        restores: the lines that restores have left, oldest first.
        needs: what the search for needs has found.
    """
    rows = [_row(item, folders.get(item["key"]), restores, now) for item in databases]
    missing = [text for row in rows for text in _lacks(row)]
    missing += [_need_lacks(item) for item in needs if item["state"] in (MISSING, ONLY_IN_CONTAINER)]
    return {"databases": rows, "missing": missing}


def _row(
    item: Mapping[str, Any], folder: Optional[Folder], restores: Sequence[Mapping[str, Any]], now: datetime
) -> Row:
    row: Row = {
        "key": item["key"],
        "criticality": item["criticality"],
        "rpo_s": item.get("rpo_s"),
        "rto_s": item.get("rto_s"),
        "inside": item.get("inside"),
        "folder": item.get("folder"),
        "dump": None,
        "manifest": None,
        "roles": None,
        "restore": None,
        "taken_at": None,
        "size_bytes": None,
        "level": None,
        "good_until": None,
        "rpo_met": None,
        "measured_s": None,
        "measured_at": None,
        "measured_by": None,
        "rto_met": None,
        "failed_drill": None,
        "saved": bool(item.get("saved")),
        "set": None,
        "set_at": None,
        "problem": None,
    }
    if folder is None:
        return row
    try:
        catalogue = look(item["name"], folder)
        newest = catalogue.newest_good(COUNTED, now)
        if newest is not None:
            row.update(_copy(newest, item, now))
        elif item.get("rpo_s"):
            row["rpo_met"] = False
        row.update(_measured(item, catalogue, folder, restores))
        row.update(_newest_set(item, folder))
    except BulkheadError as error:
        row["problem"] = str(error)
    return row


def _newest_set(item: Mapping[str, Any], folder: Folder) -> Row:
    """Return the newest recovery set that isn't empty."""
    for name in sets_of(item["name"], [name for name, size_bytes in folder.entries() if size_bytes]):
        moment = taken_at(name)
        if moment is not None:
            return {"set": name, "set_at": iso_utc(moment)}
    return {}


def _copy(newest: Copy, item: Mapping[str, Any], now: datetime) -> Row:
    manifest = newest.manifest or {}
    encrypted = newest.dump.endswith(".age")
    roles = [name for name in newest.files if ".globals.sql" in name]
    until = newest.taken_at + timedelta(seconds=item["rpo_s"]) if item.get("rpo_s") else None
    return {
        "dump": newest.dump,
        "manifest": next((name for name in newest.files if name.endswith(".manifest.json")), None),
        "roles": roles[0] if roles else None,
        "restore": manifest.get("restore") or restore_command(newest.dump, manifest.get("compression", ""), encrypted),
        "taken_at": iso_utc(newest.taken_at),
        "size_bytes": newest.size_bytes,
        "level": newest.level,
        "good_until": iso_utc(until) if until else None,
        "rpo_met": now <= until if until else None,
    }


def _measured(
    item: Mapping[str, Any], catalogue: Catalogue, folder: Folder, restores: Sequence[Mapping[str, Any]]
) -> Row:
    """Return how long the newest drill or restore took that succeeded, and the newest drill if it failed."""
    found: List[Row] = [
        {"at": str(line["at"]), "seconds": line["seconds"], "by": "restore"}
        for line in restores
        if line.get("key") == item["key"] and line.get("passed") and _is_number(line.get("seconds")) and line.get("at")
    ]
    drills = [verdict for copy in catalogue.copies for verdict in _verdicts(copy, folder)]
    drills.sort(key=lambda verdict: str(verdict["at"]))
    found += [
        {"at": verdict["at"], "seconds": verdict["seconds"], "by": "drill"}
        for verdict in drills
        if verdict["passed"] and _is_number(verdict.get("seconds"))
    ]
    result: Row = {}
    if drills and not drills[-1]["passed"]:
        result["failed_drill"] = drills[-1]["at"]
    if found:
        newest = max(found, key=lambda entry: entry["at"])
        result.update(measured_s=newest["seconds"], measured_at=newest["at"], measured_by=newest["by"])
        if item.get("rto_s"):
            result["rto_met"] = newest["seconds"] <= item["rto_s"]
    return result


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _verdicts(copy: Copy, folder: Folder) -> List[Row]:
    verdicts = []
    for name in copy.files:
        if name.startswith(copy.stem + ".drill_"):
            try:
                verdicts.append(parse_verdict(folder.read(name)))
            except (ManifestError, BulkheadError):
                # One that can't be read says nothing; the catalogue passes it by as well.
                continue
    return verdicts


def _lacks(row: Row) -> List[str]:
    name, lacking = code(row["key"]), []
    if row["problem"]:
        return ["%s: its copies can't be looked at: %s" % (name, plain(row["problem"]))]
    if row["folder"] is None:
        return [] if row["inside"] else ["%s is not dumped: there is nothing to restore it from." % name]
    if row["saved"] and row["set"] is None:
        lacking.append("%s has no recovery set: what it needs besides its rows is not saved yet." % name)
    if row["dump"] is None:
        return ["%s has no verified copy: there is nothing to restore it from." % name, *lacking]
    if row["rpo_met"] is False:
        text = "%s: its newest verified copy is of %s; by its RPO of %s it was good until %s."
        lacking.append(text % (name, row["taken_at"], format_duration(row["rpo_s"]), row["good_until"]))
    if row["roles"] is None:
        lacking.append("%s: no roles lie beside its newest copy: on a new server nobody could log in." % name)
    if row["failed_drill"]:
        lacking.append("%s: its newest drill failed, at %s." % (name, row["failed_drill"]))
    if row["rto_met"] is False:
        text = "%s: the last %s took %s, and its RTO is %s."
        took = format_duration(row["measured_s"])
        lacking.append(text % (name, row["measured_by"], took, format_duration(row["rto_s"])))
    return lacking


def _need_lacks(need: Mapping[str, Any]) -> str:
    note = " %s" % plain(need["note"]) if need["note"] else ""
    subject = "%s needs %s" % (code(need["key"]), code(need["what"]))
    if need["state"] == ONLY_IN_CONTAINER:
        text = "%s, and it stands only in %s, in no file: with the container it is gone.%s"
        return text % (subject, ", ".join(plain(place) for place in need["where"]), note)
    places = ", ".join(code(place) for place in need["looked"])
    return "%s, and it isn't there%s.%s" % (subject, ". Looked in %s" % places if places else "", note)


def status_text(found: Mapping[str, Any], needs: Sequence[Mapping[str, Any]], host: str, now: datetime) -> str:
    """Return the status file as Markdown."""
    lines = [
        "# Recovery status: %s" % plain(host),
        "",
        "As of %s (UTC). Written by `bulkhead.stack.runbook`. What to do is in the runbook beside this file."
        % _day(now),
        "",
    ]
    if found["missing"]:
        lines += ["## MISSING: %d" % len(found["missing"]), "", *("- %s" % text for text in found["missing"]), ""]
    else:
        lines += ["Nothing that was looked for is missing.", ""]
    lines += ["## Databases", ""]
    header = ["database", "newest verified copy", "verified", "good until (RPO)", "RPO", "last restore took", "RTO"]
    lines += [*table(header, [_cells(row, now) for row in found["databases"]]), ""]
    lines += [
        "Levels: `hashed` its bytes are whole, `read` pg_restore has read it, `drilled` it was restored once.",
        "",
    ]
    lines += _files(found["databases"])
    lines += ["## Besides the dumps", ""]
    lines += _sets(found["databases"], now)
    if not needs:
        return "\n".join(lines + ["Nothing is described.", ""])
    rows = [
        [
            code(item["key"]),
            item["kind"],
            code(item["what"]),
            _STATES.get(item["state"], item["state"]),
            ", ".join(code(place) for place in item["where"]),
        ]
        for item in needs
    ]
    lines += table(["database", "what", "name", "state", "where"], rows)
    return "\n".join(lines) + "\n"


def _day(moment: datetime) -> str:
    return iso_utc(moment)[:10]


def _cells(row: Row, now: datetime) -> List[str]:
    rto = "not said" if not row["rto_s"] else format_duration(row["rto_s"])
    measured = "never tried"
    if row["measured_s"] is not None:
        took = format_duration(row["measured_s"])
        measured = "%s (%s, %s)" % (took, row["measured_by"], str(row["measured_at"])[:10])
    if row["folder"] is None:
        inside = "inside of %s" % code(row["inside"]) if row["inside"] else "NOT DUMPED"
        return [code(row["key"]), inside, "", "", "", "", rto]
    rpo = {True: "met", False: "MISSED", None: "not said"}[row["rpo_met"]]
    return [
        code(row["key"]),
        "NONE" if row["dump"] is None else "%s, %s" % (row["taken_at"], _days_ago(row["taken_at"], now)),
        row["level"] or "",
        row["good_until"] or "",
        rpo if not row["rpo_s"] else "%s, %s" % (format_duration(row["rpo_s"]), rpo),
        measured,
        rto if row["rto_met"] is None else "%s, %s" % (rto, "met" if row["rto_met"] else "MISSED"),
    ]


def _days_ago(taken_at: str, now: datetime) -> str:
    days = (now.date() - datetime.fromisoformat(taken_at[:10]).date()).days
    return {0: "today", 1: "yesterday"}.get(days, "%d days ago" % days)


def _sets(rows: Sequence[Row], now: datetime) -> List[str]:
    """Return the recovery sets, of databases that have one or should."""
    cells = [
        [
            code(row["key"]),
            code(row["set"]) if row["set"] else "NONE",
            "%s, %s" % (row["set_at"], _days_ago(row["set_at"], now)) if row["set"] else "",
        ]
        for row in rows
        if row["saved"] or row["set"]
    ]
    if not cells:
        return []
    return [
        "What was saved of it, encrypted; a new set is made only where something in it has changed:",
        "",
        *table(["database", "newest recovery set", "made"], cells),
        "",
    ]


def _files(rows: Sequence[Row]) -> List[str]:
    lines = []
    for row in rows:
        if row["dump"] is None:
            continue
        lines += [
            "### %s" % row["key"],
            "",
            "- folder: %s" % code(row["folder"]),
            "- dump: %s (%s)" % (code(row["dump"]), format_size(row["size_bytes"])),
            "- manifest: %s" % code(row["manifest"]),
            "- roles: %s" % (code(row["roles"]) if row["roles"] else "none"),
            "- opened by: %s" % code(row["restore"]),
            "",
        ]
    return ["## Files of the newest verified copies", "", *lines] if lines else []
