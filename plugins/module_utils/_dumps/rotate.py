# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotate the copies of one database: look, plan, and unless nothing is to be done dump and prune under a lock."""

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Any, Callable, ContextManager, Dict, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import BulkheadError, InputError, OutsideError
from .._core.plan import Change, Plan
from .._core.schedule import Schedule, parse_schedule, parse_timezone
from .._core.text import format_size, iso_utc, parse_duration
from .catalogue import Catalogue, Copy, check_database_name, free_stem, lock_name, look
from .due import Due, decide_due
from .log import ACKNOWLEDGED, FAILED, HELD, PRUNED, record
from .manifest import COUNTED, CUSTOM, DIRECTORY
from .pipeline import Cluster, DumpRequest, Stopwatch, end_sessions, make_copy
from .ports import Encryptor, Folder, LockState, Server, Tell, ignore
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
    shrink_ratio: float = 0.5
    acknowledge: bool = False
    format: str = CUSTOM
    jobs: Optional[int] = None


def parse_request(options: Mapping[str, Any], run: str) -> RotateRequest:
    """Return what the module's options ask for.

    Raises:
        InputError: one of them is wrong; nothing was looked at yet.
    """
    check_database_name(options["database"])
    if not 0 <= options["shrink_ratio"] < 1:
        raise InputError(
            "shrink_ratio is %r." % options["shrink_ratio"],
            "Give a part of the last copy's size, such as 0.5; 0 never holds the retention.",
        )
    _check_format(options["format"], options["dump_jobs"], options["encrypt_to"])
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
        options["shrink_ratio"],
        options["acknowledge"],
        options["format"],
        options["dump_jobs"],
    )


def _check_format(archive_format: str, jobs: Optional[int], encrypt_to: Sequence[str]) -> None:
    if jobs is not None and jobs < 1:
        raise InputError(
            "dump_jobs is %d: nothing would be dumped." % jobs,
            "Give at least 1, or leave it out: then there are as many jobs as the server's side has cores.",
        )
    if jobs is not None and archive_format != DIRECTORY:
        raise InputError(
            "dump_jobs is given, and a dump in custom format is made by one job.",
            "Say format=directory, or leave dump_jobs out.",
        )
    if encrypt_to and archive_format == DIRECTORY:
        raise InputError(
            "A dump in directory format can't be encrypted: it is written plain, by the server's own pg_dump.",
            "Use format=custom, or leave encrypt_to out and keep the copies on an encrypted disk.",
        )


@dataclass(frozen=True)
class Rotation:
    """What a run will do: the same for a check as for real.

    Arguments:
        acknowledged: the hold that ends; empty where none does.
        hold: why nothing is removed until somebody acknowledges; empty where nothing waits for that.
    """

    catalogue: Catalogue
    due: Due
    stem: str
    taken_at: datetime
    verdicts: Tuple[Verdict, ...]
    acknowledged: str = ""
    hold: str = ""

    @property
    def pruned(self) -> List[Copy]:
        """The copies that go, oldest first."""
        return [verdict.copy for verdict in reversed(self.verdicts) if not verdict.keep]

    def plan(self, path: str) -> Plan:
        """Return the plan: of the catalogue, named set by set, and of a hold on it that ends."""
        plan = Plan()
        added = [self.stem] if self.due.due else []
        removed = [copy.stem for copy in self.pruned]
        if added or removed:
            plan.add(Change(path, "\n".join(removed), "\n".join(added)))
        if self.acknowledged:
            plan.add(Change("hold on the retention of %s" % path, self.acknowledged, ""))
        return plan


def plan_rotation(request: RotateRequest, catalogue: Catalogue, now: datetime) -> Rotation:
    """Return what is to be done; the retention counts a dump that is due as the verified copy that it must become."""
    due = decide_due(request.schedule, catalogue, now, request.verify)
    stem, taken_at = free_stem(request.database, now, set(catalogue.stems()))
    log, copies, waits = catalogue.log, list(catalogue.copies), ""
    if due.due:
        copies.append(Copy(request.database, stem, "", taken_at, level=request.verify))
    hold, acknowledged = ("", log.hold) if request.acknowledge else (log.hold, "")
    if hold:
        waits = "%s; it ends by acknowledge" % hold
    elif log.failure and not due.due:
        waits = "the last run failed"
    verdicts = decide(copies, request.retention, max(now, taken_at), request.zone, waits)
    return Rotation(catalogue, due, stem, taken_at, tuple(verdicts), acknowledged, hold)


def rotate(
    request: RotateRequest,
    folder: Folder,
    open_server: Callable[[], ContextManager[Server]],
    now: datetime,
    check_mode: bool,
    tell: Tell = ignore,
    cluster: Optional[Cluster] = None,
    encryptor: Optional[Encryptor] = None,
) -> Dict[str, Any]:
    """Do what is due; return the module's result.

    Arguments:
        open_server: connects; called only where a dump is made.
        tell: hears what is being done.
        cluster: what other databases of the same cluster share in this run.
        encryptor: encrypts the files of a copy after they were verified; without one they stay plain.

    Raises:
        BulkheadError: the dump failed. Then nothing is pruned and nothing of it is left.
    """
    started = time.monotonic()
    watch = Stopwatch(tell)
    with watch.stage("catalogue"):
        rotation = plan_rotation(request, look(request.database, folder), now)
    manifest: Optional[Dict[str, Any]] = None
    names: List[str] = []
    if rotation.plan(folder.path).changed and not check_mode:
        folder.make()
        with folder.lock(lock_name(request.database)) as note:
            left = note.read()
            # What another run did before we had the lock counts.
            catalogue = look(request.database, folder)
            if left or catalogue.partials:
                _clean_up(request, folder, catalogue, left, now)
                catalogue = look(request.database, folder)
            rotation = plan_rotation(request, catalogue, now)
            if rotation.acknowledged:
                record(folder, request.database, ACKNOWLEDGED, now)
            if rotation.due.due:
                last = rotation.catalogue.newest_good("hashed", now)
                make = partial(
                    make_copy,
                    folder=folder,
                    request=_dump_request(request, rotation, encryptor),
                    last=last,
                    watch=watch,
                    cluster=cluster or Cluster(),
                )
                manifest, names = _dump(request, rotation, folder, open_server, make, str(left.get("run") or ""), note)
                shrunk = _shrunk(manifest, last, request.shrink_ratio)
                if shrunk and not rotation.hold:
                    record(folder, request.database, HELD, now, reason=shrunk)
                    rotation = _held(request, rotation, now, shrunk)
            with watch.stage("prune"):
                _prune(request, rotation.pruned, folder, note, now)
            note.write({})
    watch.seconds["total"] = round(time.monotonic() - started, 3)
    return _result(request, rotation, folder, manifest, names, watch)


def _dump(
    request: RotateRequest,
    rotation: Rotation,
    folder: Folder,
    open_server: Callable[[], ContextManager[Server]],
    make: Callable[[Server], Tuple[Dict[str, Any], List[str]]],
    killed_run: str,
    note: LockState,
) -> Tuple[Dict[str, Any], List[str]]:
    note.write({"run": request.run, "stem": rotation.stem})
    try:
        with open_server() as server:
            if killed_run:
                end_sessions(server, killed_run)
            return make(server)
    except BaseException as error:
        note.write({})
        reason = error.message if isinstance(error, BulkheadError) else type(error).__name__
        # The disk may be full: the failure itself is what is to be reported.
        with suppress(OutsideError):
            record(folder, request.database, FAILED, rotation.taken_at, stem=rotation.stem, reason=reason)
        raise


def _shrunk(manifest: Dict[str, Any], last: Optional[Copy], ratio: float) -> str:
    """Return why a dump that is much smaller than the one before makes the retention wait; empty where it isn't."""
    if last is None or last.manifest is None:
        return ""
    if manifest["compressed_by"] == last.manifest.get("compressed_by"):
        size, size_before = int(manifest["size_bytes"]), last.size_bytes
        told = "%s has %s, and %s before it has %s"
        shown = (format_size(size), format_size(size_before))
    else:
        # Sizes that were made in two ways say nothing of each other.
        size, size_before = _rows(manifest), _rows(last.manifest)
        told = "%s has %s rows, and %s before it has %s"
        shown = (str(size), str(size_before))
    return told % (manifest["file"], shown[0], last.dump, shown[1]) if size < ratio * size_before else ""


def _rows(manifest: Mapping[str, Any]) -> int:
    return sum(int(table["rows"]) for table in manifest["tables"])


def _held(request: RotateRequest, rotation: Rotation, now: datetime, hold: str) -> Rotation:
    copies = [verdict.copy for verdict in rotation.verdicts]
    verdicts = decide(copies, request.retention, max(now, rotation.taken_at), request.zone, hold)
    return replace(rotation, verdicts=tuple(verdicts), hold=hold)


def _dump_request(request: RotateRequest, rotation: Rotation, encryptor: Optional[Encryptor]) -> DumpRequest:
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
        encryptor,
        request.format,
        request.jobs,
    )


def _clean_up(
    request: RotateRequest, folder: Folder, catalogue: Catalogue, left: Mapping[str, Any], now: datetime
) -> None:
    """Finish what a run that was killed had begun, by the note that it left."""
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
        record(folder, request.database, FAILED, now, stem=stem, reason="its run was killed")
    ours = {name for name, _size in folder.entries()} & set(left.get("pruning") or [])
    owned = {name for copy in catalogue.copies for name in copy.files} | {name for name, _why in catalogue.orphans}
    _remove(tuple(sorted(ours & owned)), folder)
    folder.sync()
    if left.get("stems"):
        record(folder, request.database, PRUNED, now, stems=left["stems"])


def _prune(request: RotateRequest, copies: List[Copy], folder: Folder, note: LockState, now: datetime) -> None:
    if not copies:
        return
    stems = [copy.stem for copy in copies]
    note.write({"pruning": [name for copy in copies for name in copy.files], "stems": stems})
    for copy in copies:
        _remove(copy.files, folder)
    folder.sync()
    record(folder, request.database, PRUNED, now, stems=stems)


def _remove(names: Tuple[str, ...], folder: Folder) -> None:
    for name in names:
        folder.remove(name)


def _result(
    request: RotateRequest,
    rotation: Rotation,
    folder: Folder,
    manifest: Optional[Dict[str, Any]],
    names: List[str],
    watch: Stopwatch,
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
        hold=rotation.hold or None,
        last_failure=rotation.catalogue.log.failure or None,
        seconds=watch.seconds,
    )
    warnings = folder.warnings() + _future_warnings(rotation)
    if rotation.hold:
        warnings.append("Nothing is removed from %s until somebody acknowledges: %s." % (folder.path, rotation.hold))
    if request.verify != COUNTED and not request.retention.keeps_everything:
        warnings.append("Retention counts copies that were read whole, and these are hashed only: use verify=read.")
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
