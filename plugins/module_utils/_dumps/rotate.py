# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotate the copies of one database: look, plan, and unless nothing is to be done dump and prune under a lock."""

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, Callable, ContextManager, Dict, List, Mapping, Optional, Tuple

from .._core.plan import Change, Plan
from .._core.schedule import Schedule, parse_schedule, parse_timezone
from .._core.text import iso_utc, parse_duration
from .catalogue import Catalogue, Copy, check_database_name, free_stem, lock_name, read_catalogue
from .due import Due, decide_due
from .pipeline import DumpRequest, Stopwatch, end_sessions, make_copy
from .ports import Folder, LockState, Server
from .retention import Retention, Verdict, decide, parse_retention


@dataclass(frozen=True)
class RotateRequest:
    """What is asked for, parsed."""

    database: str
    retention: Retention
    schedule: Optional[Schedule]
    zone: tzinfo
    run: str
    verify: str = "read"
    compression: str = "auto"
    with_globals: bool = True
    data_only_tables: Tuple[str, ...] = ()
    label: str = ""
    lock_timeout_s: int = 60


def parse_request(options: Mapping[str, Any], run: str) -> RotateRequest:
    """Return what the module's options ask for.

    Raises:
        InputError: one of them is wrong; nothing was looked at yet.
    """
    check_database_name(options["database"])
    return RotateRequest(
        options["database"],
        parse_retention(options["retention"]),
        parse_schedule(options["schedule"], options["timezone"]) if options["schedule"] else None,
        parse_timezone(options["timezone"]),
        run,
        options["verify"],
        options["compression"],
        options["globals"],
        tuple(options["data_only_tables"]),
        options["label"] or "",
        parse_duration(options["lock_timeout"]),
    )


@dataclass(frozen=True)
class Rotation:
    """What a run will do: the same for a check as for real."""

    catalogue: Catalogue
    due: Due
    stem: str
    taken_at: datetime
    verdicts: Tuple[Verdict, ...]

    @property
    def pruned(self) -> List[Copy]:
        """The copies that go, oldest first."""
        return [verdict.copy for verdict in reversed(self.verdicts) if not verdict.keep]

    def plan(self, path: str) -> Plan:
        """Return the plan: one change, of the catalogue, named set by set."""
        plan = Plan()
        added = [self.stem] if self.due.due else []
        removed = [copy.stem for copy in self.pruned]
        if added or removed:
            plan.add(Change(path, "\n".join(removed), "\n".join(added)))
        return plan


def plan_rotation(request: RotateRequest, catalogue: Catalogue, now: datetime) -> Rotation:
    """Return what is to be done; the retention counts a dump that is due as the verified copy that it must become."""
    due = decide_due(request.schedule, catalogue, now, request.verify)
    stem, taken_at = free_stem(request.database, now, set(catalogue.stems()))
    copies = list(catalogue.copies)
    if due.due:
        copies.append(Copy(request.database, stem, "", taken_at, level=request.verify))
    verdicts = decide(copies, request.retention, max(now, taken_at), request.verify, request.zone)
    return Rotation(catalogue, due, stem, taken_at, tuple(verdicts))


def look(request: RotateRequest, folder: Folder) -> Catalogue:
    """Read the catalogue."""
    return read_catalogue(request.database, folder.entries(), folder.read)


def rotate(
    request: RotateRequest,
    folder: Folder,
    open_server: Callable[[], ContextManager[Server]],
    now: datetime,
    check_mode: bool,
) -> Dict[str, Any]:
    """Do what is due; return the module's result.

    Arguments:
        open_server: connects; called only where a dump is made.

    Raises:
        BulkheadError: the dump failed. Then nothing is pruned and nothing of it is left.
    """
    started = time.monotonic()
    watch = Stopwatch()
    with watch.stage("catalogue"):
        rotation = plan_rotation(request, look(request, folder), now)
    manifest: Optional[Dict[str, Any]] = None
    names: List[str] = []
    if rotation.plan(folder.path).changed and not check_mode:
        folder.make()
        with folder.lock(lock_name(request.database)) as note:
            killed_run = _clean_up(request, folder, note)
            # What another run did before we had the lock counts.
            rotation = plan_rotation(request, look(request, folder), now)
            if rotation.due.due:
                note.write({"run": request.run, "stem": rotation.stem})
                try:
                    with open_server() as server:
                        if killed_run:
                            end_sessions(server, killed_run)
                        manifest, names = make_copy(
                            server,
                            folder,
                            _dump_request(request, rotation),
                            rotation.catalogue.newest_good("hashed", now),
                            watch,
                        )
                except BaseException:
                    note.write({})
                    raise
            with watch.stage("prune"):
                _prune(rotation.pruned, folder, note)
            note.write({})
    watch.seconds["total"] = round(time.monotonic() - started, 3)
    return _result(rotation, folder, manifest, names, watch)


def _dump_request(request: RotateRequest, rotation: Rotation) -> DumpRequest:
    return DumpRequest(
        request.database,
        rotation.stem,
        rotation.taken_at,
        request.run,
        request.compression,
        request.verify,
        request.with_globals,
        request.data_only_tables,
        request.label,
        request.lock_timeout_s,
    )


def _clean_up(request: RotateRequest, folder: Folder, note: LockState) -> str:
    """Finish what a run that was killed had begun; return that run's name where it may have left sessions."""
    left = note.read()
    catalogue = look(request, folder)
    for name in catalogue.partials:
        folder.remove(name)
    stem = str(left.get("stem") or "")
    finished = any(copy.stem == stem and copy.manifest is not None for copy in catalogue.copies)
    if stem and not finished:
        # Only its own set, by the names that the catalogue knows: it was killed between its renames.
        for name, _why in catalogue.orphans:
            if name.startswith(stem + "."):
                folder.remove(name)
        for copy in catalogue.copies:
            if copy.stem == stem:
                _remove(copy.files, folder)
    ours = {name for name, _size in folder.entries()} & set(left.get("pruning") or [])
    owned = {name for copy in catalogue.copies for name in copy.files} | {name for name, _why in catalogue.orphans}
    _remove(tuple(sorted(ours & owned)), folder)
    folder.sync()
    return str(left.get("run") or "")


def _prune(copies: List[Copy], folder: Folder, note: LockState) -> None:
    if not copies:
        return
    note.write({"pruning": [name for copy in copies for name in copy.files]})
    for copy in copies:
        _remove(copy.files, folder)
    folder.sync()


def _remove(names: Tuple[str, ...], folder: Folder) -> None:
    for name in names:
        folder.remove(name)


def _result(
    rotation: Rotation, folder: Folder, manifest: Optional[Dict[str, Any]], names: List[str], watch: Stopwatch
) -> Dict[str, Any]:
    result = rotation.plan(folder.path).result()
    by_stem = {copy.stem: copy for copy in rotation.catalogue.copies}
    if names:
        planned = next(verdict.copy for verdict in rotation.verdicts if verdict.copy.stem == rotation.stem)
        by_stem[rotation.stem] = replace(planned, dump=names[0])
    result.update(
        due=rotation.due.due,
        due_reason=rotation.due.reason,
        next_due=iso_utc(rotation.due.next_due) if rotation.due.next_due else None,
        dump=_join(folder, names[0]) if names else None,
        manifest=manifest,
        manifest_path=_join(folder, names[-1]) if names else None,
        pruned=[_join(folder, copy.dump) for copy in rotation.pruned],
        kept=[
            {
                "name": verdict.copy.stem,
                "path": _join(folder, by_stem[verdict.copy.stem].dump) if verdict.copy.stem in by_stem else None,
                "taken_at": iso_utc(verdict.copy.taken_at),
                "reason": verdict.reason,
            }
            for verdict in rotation.verdicts
            if verdict.keep
        ],
        seconds=watch.seconds,
    )
    warnings = folder.warnings() + _future_warnings(rotation)
    if warnings:
        result["warnings"] = warnings
    return result


def _future_warnings(rotation: Rotation) -> List[str]:
    later = [
        copy.dump for copy in rotation.catalogue.copies if copy.taken_at > rotation.taken_at + timedelta(minutes=1)
    ]
    if not later:
        return []
    return ["%s is dated in the future and counts for nothing: was the clock set back?" % ", ".join(later)]


def _join(folder: Folder, name: str) -> str:
    return folder.path.rstrip("/") + "/" + name
