# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with copies and drills, measured against RPO and RTO; and their calendar."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, Mapping, Optional

from .._core.text import format_duration, iso_utc
from .._dumps.catalogue import DRILL_FAILED, STAMP_FORMAT
from .kinds import evidence, finding
from .view import View

Row = Dict[str, Any]
# The calendar goes back so far.
_DAYS = 35
_GONE = "the log has it, and it is gone"


def look_at_copies(view: View) -> None:
    """Add what is found."""
    for key, item in view.wanted["databases"].items():
        if item.get("rpo") and not item.get("dumped", True):
            text = "Its RPO is %s, and it has no backup." % format_duration(item["rpo"])
            edit = "Give databases.%s a backup with a schedule, then: ansible-playbook bulkhead.stack.backup" % key
            shown = evidence("file", "bulkhead_platform.databases.%s" % key, "rpo, and no backup")
            view.add(finding("backup-undescribed", key, text, shown, edit=edit))
    if view.copies is None:
        return
    unread = {item["thing"] for item in view.unseen}
    for key, newest in view.copies["newest_verified"].items():
        item = view.wanted["databases"].get(key)
        # Whose folder can't be read may have all it needs.
        if item is not None and "copies of %s" % key not in unread:
            _objectives(view, key, item, newest)
            _remarks(view, key, item)
            _drills(view, key, item, newest)


def _listing(item: Mapping[str, Any]) -> str:
    return "ls -l %s" % item["folder"]


def _objectives(view: View, key: str, item: Mapping[str, Any], newest: Optional[Mapping[str, Any]]) -> None:
    severity = "critical" if item["criticality"] == "critical" else "high"
    if not newest:
        copies = sum(copy.get("key") == key for copy in (view.copies or {}).get("copies") or [])
        shown = evidence("command", _listing(item), "%d copies, none verified" % copies if copies else "no copy")
        view.add(finding("no-verified-backup", key, "There is no verified copy of it.", shown, severity))
    elif item.get("rpo") and newest["age_s"] > item["rpo"]:
        text = "Its newest verified copy is %s old, and its RPO is %s." % (
            format_duration(newest["age_s"]),
            format_duration(item["rpo"]),
        )
        view.add(finding("rpo-missed", key, text, evidence("command", _listing(item), newest["path"]), severity))


def _remarks(view: View, key: str, item: Mapping[str, Any]) -> None:
    copies = view.copies or {}
    log = "%s/catalogue_%s.jsonl" % (item["folder"], item["name"])
    failure, hold = (copies.get("failures") or {}).get(key), (copies.get("holds") or {}).get(key)
    if failure:
        text = "Its last backup failed: %s" % _sentence(failure)
        view.add(finding("backup-failing", key, text, evidence("file", log, failure)))
    if hold:
        extra = json.dumps({"bulkhead_backup_acknowledge": [key]})
        text = "No copy of it is removed any more: %s" % _sentence(hold)
        view.add(finding("retention-held", key, text, evidence("file", log, hold), extra=extra))
    for lack in (copies.get("findings") or {}).get(key) or []:
        view.add(finding("copy-incomplete", key, lack, evidence("command", _listing(item), lack)))
    damaged = ["%s: %s" % (_base(copy["path"]), copy["problem"]) for copy in _damaged(copies, key)]
    gone = [_base(item["path"]) + ": it is gone" for item in _gone(copies, key)]
    if damaged or gone:
        text = "%d of its copies can't be used: %s." % (len(damaged + gone), "; ".join((damaged + gone)[:3]))
        shown = evidence("command", _listing(item), "; ".join(damaged + gone))
        view.add(finding("copy-damaged", key, text, shown, folder=item["folder"]))


def _damaged(copies: Mapping[str, Any], key: str) -> List[Row]:
    """Return the copies that were good once; what a drill found is told as that."""
    return [
        copy
        for copy in copies.get("copies") or []
        if copy.get("key") == key and copy.get("problem") and not copy["problem"].startswith(DRILL_FAILED)
    ]


def _gone(copies: Mapping[str, Any], key: str) -> List[Row]:
    return [item for item in (copies.get("orphans") or {}).get(key) or [] if item["reason"] == _GONE]


def _drills(view: View, key: str, item: Mapping[str, Any], newest: Optional[Mapping[str, Any]]) -> None:
    drills = view.drills.get(key)
    if drills is None:
        return
    if not drills:
        if newest and item.get("rto"):
            text = "Its RTO is %s, and no copy of it was ever drilled." % format_duration(item["rto"])
            view.add(finding("drill-missing", key, text, evidence("command", _listing(item), "no verdict of a drill")))
        return
    last = drills[-1]
    if not last["ok"]:
        text = "Its last drill failed, at %s." % last["at"]
        view.add(finding("drill-failed", key, text, evidence("file", last["path"], "passed: false")))
    elif item.get("rto") and last["seconds"] is not None and last["seconds"] > item["rto"]:
        text = "Its last drill took %s, and its RTO is %s." % tuple(
            format_duration(seconds) for seconds in (last["seconds"], item["rto"])
        )
        shown = evidence("file", last["path"], "seconds: %s" % last["seconds"])
        view.add(finding("rto-missed", key, text, shown))


def look_at_kept(view: View) -> None:
    """Add what is kept for longer than it was to be."""
    for item in view.kept:
        if item["over"]:
            text = "%s was kept until %s." % (kept_label(item), item["until"][:10])
            shown = evidence("command", "ansible-playbook bulkhead.stack.expire --check", item["until"])
            view.add(finding("kept-over", item["name"], text, shown))


def kept_label(item: Mapping[str, Any]) -> str:
    """Return what is kept as a person names it."""
    return "%s %s%s" % (item["kind"], item["name"], " in %s" % item["database"] if item["database"] else "")


def calendar(view: View) -> List[Row]:
    """Return copies, drills and gaps of each database that is dumped, of the last weeks, oldest first."""
    copies = view.copies
    if copies is None:
        return []
    first = iso_utc(view.now - timedelta(days=_DAYS))
    rows = []
    for key in copies["newest_verified"]:
        item = view.wanted["databases"].get(key)
        if item is None:
            continue
        found = [
            {"at": copy["taken_at"], "state": _state(copy), "size_bytes": copy["size_bytes"], "seconds": None}
            for copy in copies.get("copies") or []
            if copy.get("key") == key
        ]
        found += [
            {"at": moment, "state": "missing", "size_bytes": None, "seconds": None}
            for moment in (_moment_in(orphan["path"]) for orphan in _gone(copies, key))
            if moment
        ]
        gaps = [
            {"from": gap["from"], "to": gap["to"] or iso_utc(view.now)}
            for gap in (copies.get("gaps") or {}).get(key) or []
            if (gap["to"] or iso_utc(view.now)) >= first
        ]
        rows.append(
            {
                "database": key,
                "cluster": item["cluster"],
                "rpo_s": item.get("rpo"),
                "rto_s": item.get("rto"),
                "copies": sorted((copy for copy in found if copy["at"] >= first), key=lambda copy: str(copy["at"])),
                "drills": [
                    {name: drill[name] for name in ("at", "ok", "seconds")}
                    for drill in view.drills.get(key) or []
                    if drill["at"] >= first
                ],
                "gaps": gaps,
            }
        )
    return rows


def _state(copy: Mapping[str, Any]) -> str:
    if copy.get("problem"):
        return "failed"
    return {"drilled": "read", "read": "read", "hashed": "hashed"}.get(str(copy.get("how")), "unverified")


def _moment_in(path: str) -> Optional[str]:
    """Return when a copy was taken whose name ends in its moment."""
    try:
        return iso_utc(datetime.strptime(_base(path)[-15:], STAMP_FORMAT).replace(tzinfo=timezone.utc))
    except ValueError:
        return None


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."
