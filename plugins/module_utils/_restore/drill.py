# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill: a copy is restored into a throwaway server, compared with its manifest, timed, and thrown away.

What it found is a verdict, a file of its own beside the copy; the newest decides how far the copy counts as verified.
"""

import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import BulkheadError, InputError, OutsideError, StateError, VerificationError
from .._core.sql import Sql
from .._core.text import format_duration, iso_utc
from .._dumps.catalogue import STAMP_FORMAT, Catalogue, partial_name
from .._dumps.log import record
from .._dumps.manifest import FORMAT_VERSION
from .._dumps.pipeline import Stopwatch, connection_text
from .._dumps.ports import Folder
from .._dumps.verify import first_lines
from .archive import Archive, cores, database_statements, restore_archive, run_script
from .choose import Wanted, choose_copy
from .compare import differences, notes, read_facts
from .places import list_places
from .ports import Decrypt, Server
from .restore import run_checks
from .statements import missing_roles, without_tablespace

DRILLED = "drilled"
# What the drill's own surroundings lack says nothing of the copy.
_NOT_OF_THE_COPY = (
    "No space left on device",
    "out of memory",
    "Permission denied",
    "could not resize shared memory",
    "terminating connection",
    "server closed the connection",
    "it said nothing",
)
# Write-ahead log, temporary files, and the three databases that every cluster has.
_OVERHEAD_BYTES = 640 * 1024 * 1024
_GROWTH = 1.3
# What a throwaway server needs of a live one's settings beside those of its libraries.
_TAKEN = ("shared_preload_libraries", "max_locks_per_transaction", "max_connections", "max_worker_processes")
_SETTINGS = """
SELECT name::text, setting::text FROM pg_catalog.pg_settings
 WHERE name = ANY (%s) OR (name LIKE '%%.%%' AND source IN ('configuration file', 'command line'))
"""
# Quick rather than safe, and doing nothing by itself: no jobs of pg_cron, no archiving, no subscriptions.
_OF_A_DRILL = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "archive_mode": "off",
    "autovacuum": "off",
    "max_logical_replication_workers": "0",
    "maintenance_work_mem": "128MB",
    "logging_collector": "off",
}


@dataclass(frozen=True)
class Drill:
    """One copy that is drilled.

    Arguments:
        key: what the description calls the database.
        checks: SQL of one's own that must return true in it.
    """

    key: str
    database: str
    wanted: Wanted
    checks: Tuple[str, ...] = ()
    rto_s: Optional[int] = None
    amcheck: bool = False
    jobs: int = 0
    lock_timeout_s: int = 60


@dataclass
class Outcome:
    """What became of one drill; error: why there is no verdict."""

    key: str
    verdict: Dict[str, Any] = field(default_factory=dict)
    path: str = ""
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether the copy was restored, and is what its manifest says."""
        return bool(self.verdict.get("passed"))


class Memory:
    """What drills that run side by side may take together, in bytes."""

    def __init__(self, size_bytes: int) -> None:
        self._left = self._all = size_bytes
        self._changed = threading.Condition()

    @contextmanager
    def share(self, size_bytes: int) -> Iterator[bool]:
        """Wait for so much, and yield whether it could be had at all; if not, none is taken."""
        if size_bytes > self._all:
            yield False
            return
        with self._changed:
            self._changed.wait_for(lambda: self._left >= size_bytes)
            self._left -= size_bytes
        try:
            yield True
        finally:
            with self._changed:
                self._left += size_bytes
                self._changed.notify_all()


def needed_bytes(manifest: Mapping[str, Any]) -> int:
    """Return how large a throwaway server's data may get."""
    return int(int(manifest.get("database_size_bytes") or 0) * _GROWTH) + _OVERHEAD_BYTES


def throwaway_settings(live: Server, database: str) -> Dict[str, str]:
    """Return the settings of a throwaway server like a live one.

    Arguments:
        database: the name that the restored database has there: pg_cron can be created in one database only.
    """
    settings = {row["name"]: row["setting"] for row in live.rows(Sql(_SETTINGS, values=(list(_TAKEN),)))}
    settings = {name: value for name, value in settings.items() if not name.startswith("cron.")}
    if "pg_cron" in settings.get("shared_preload_libraries", ""):
        settings.update({"cron.database_name": database, "cron.launch_active_jobs": "off"})
    return {**settings, **_OF_A_DRILL}


def choose(drill: Drill, catalogue: Catalogue, folder: Folder, decryptor: Decrypt, now: datetime) -> Archive:
    """Return the copy that is to be drilled.

    Raises:
        BulkheadError: there is none of that name, or no verified one.
    """
    copy = choose_copy(catalogue, drill.wanted, now, folder.path)
    return Archive(copy, copy.manifest or {}, folder, decryptor)


def check_not_live(found: Optional[str], live: Optional[str], archive: Archive) -> None:
    """Refuse a target that is the live server, by its system identifier: a name says nothing.

    Raises:
        StateError: it is, or it can't be told.
    """
    of_copy = (archive.manifest.get("cluster") or {}).get("system_identifier")
    if found is None:
        raise StateError(
            "The target's system identifier can't be seen, so nobody knows whether it is the live server.",
            "Give a login_user that may call pg_control_system().",
        )
    if found in (live, of_copy):
        raise StateError(
            "The target is the live server itself: its system identifier is %s. Nothing was done." % found,
            "Name another server, or none, to have a throwaway container.",
        )


def run_drill(
    drill: Drill, archive: Archive, server: Server, database: str, began: float, watch: Stopwatch, now: datetime
) -> Dict[str, Any]:
    """Restore a copy into an empty server and hold it against its manifest; return the verdict.

    Arguments:
        database: the name that it gets there; whatever happens, the caller throws it away.
        began: when the drill began, by the monotonic clock: a server had to be started before.
    """
    wrong: List[str] = []
    told: List[str] = []
    jobs = drill.jobs
    try:
        with watch.stage("check"):
            archive.check()
        _restore(archive, server, database, drill, watch)
        jobs = drill.jobs or cores(server)
    except (VerificationError, OutsideError) as error:
        if not _is_of_the_copy(error, server):
            raise
        wrong.append(error.message.rstrip("."))
    restored_s = time.monotonic() - began
    if not wrong:
        with watch.stage("compare"):
            server.disconnect(database)
            with server.transaction(database, "REPEATABLE READ", True) as transaction:
                found = read_facts(transaction, archive.copy.stem, drill.lock_timeout_s)
                wrong = differences(archive.manifest, found)
                told = notes(archive.manifest, found)
            wrong += run_checks(server, database, drill.checks)
        if drill.amcheck:
            with watch.stage("amcheck"):
                wrong += _amcheck(server, database)
    return {
        "format_version": FORMAT_VERSION,
        "database": archive.copy.database,
        "copy": archive.copy.stem,
        "at": iso_utc(now),
        "passed": not wrong,
        "differences": wrong,
        "notes": told,
        # What a restore would take, the comparison included; starting the server isn't part of it.
        "seconds": round(restored_s + watch.seconds.get("compare", 0.0) - watch.seconds.get("start", 0.0), 3),
        "stages": watch.seconds,
        "rto_s": drill.rto_s,
        "jobs": jobs,
    }


def _is_of_the_copy(error: BulkheadError, server: Server) -> bool:
    """Whether the copy is to blame, and not a full disk, a server that was killed or a program that isn't there."""
    if any(text in error.message for text in _NOT_OF_THE_COPY):
        return False
    try:
        server.rows(Sql("SELECT 1 AS answers"))
    except OutsideError:
        return False
    return isinstance(error, VerificationError) or "ERROR:" in error.message or "pg_restore: error:" in error.message


def _restore(archive: Archive, server: Server, database: str, drill: Drill, watch: Stopwatch) -> None:
    roles = archive.roles()
    there = {row["name"] for row in server.rows(Sql("SELECT rolname::text AS name FROM pg_catalog.pg_roles"))}
    if roles is not None:
        with watch.stage("roles"):
            lines = missing_roles(roles, list(roles.made), there)
            run_script(server, server.maintenance_database, lines, together=True)
    with watch.stage("contents"):
        lines = database_statements(archive, server, database)
    made = [line for line in lines if line.startswith("CREATE DATABASE")]
    run_script(server, server.maintenance_database, [without_tablespace(line) for line in made], together=False)
    if database not in list_places(server):
        raise VerificationError("The copy doesn't say how its database is made.")
    with watch.stage("restore"):
        # The server of a drill has none of the live one's disks.
        restore_archive(archive, server, database, drill.jobs or cores(server), ["--no-tablespaces"])
    run_script(server, server.maintenance_database, [line for line in lines if line not in made], together=True)


def _amcheck(server: Server, database: str) -> List[str]:
    argv = ["pg_amcheck", "--install-missing", "--no-password", connection_text(database)]
    found = server.run_client(argv)
    if found.rc == 0:
        return []
    return ["pg_amcheck says: %s" % first_lines(found.stdout.decode("utf-8", "replace") + found.stderr)]


def write_verdict(verdict: Dict[str, Any], archive: Archive, catalogue: Catalogue, now: datetime) -> str:
    """Write a verdict beside its copy, and a line to the catalogue's log; return its path.

    Raises:
        StateError: the copy is gone meanwhile.
    """
    folder, stem = archive.folder, archive.copy.stem
    if archive.copy.dump not in {name for name, _size in folder.entries()}:
        raise StateError("Copy %s went while it was drilled." % stem, "Drill again: there is a newer one.")
    verdict["manifest_sha256"] = catalogue.log.manifests[stem]
    content = (json.dumps(verdict, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")
    name = "%s.drill_%s.json" % (stem, now.astimezone(timezone.utc).strftime(STAMP_FORMAT))
    writer = folder.create(partial_name(name))
    try:
        writer.write(content)
        writer.finish()
        folder.rename(partial_name(name), name)
    except BaseException:
        writer.close()
        folder.remove(partial_name(name))
        raise
    folder.sync()
    digest = hashlib.sha256(content).hexdigest()
    record(folder, archive.copy.database, DRILLED, now, copy=stem, passed=verdict["passed"], verdict_sha256=digest)
    return folder.path.rstrip("/") + "/" + name


def run_all(drills: Sequence[Drill], one: Callable[[Drill], Outcome], at_once: int) -> List[Outcome]:
    """Do all of them, so many at a time; one that fails stops no other. In the order in which they were given."""

    def guarded(drill: Drill) -> Outcome:
        try:
            return one(drill)
        except BulkheadError as error:
            return Outcome(drill.key, error=str(error))

    with ThreadPoolExecutor(max(1, at_once), "drill") as pool:
        return list(pool.map(guarded, drills))


def check_drills(drills: Sequence[Drill]) -> None:
    """Refuse what is wrong in itself. Raises InputError."""
    keys = [drill.key for drill in drills]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise InputError("Databases are there twice: %s." % ", ".join(twice))
    if any(drill.jobs < 0 for drill in drills):
        raise InputError("jobs is below 0.", "Give a number, or 0 for as many as there are cores.")


def page(outcomes: Sequence[Outcome]) -> List[str]:
    """Return what the drills found as lines for a terminal."""
    width = max([len(outcome.key) for outcome in outcomes] + [8])
    lines = [
        "%-*s  %-7s  %-32s  %9s  %9s  %s" % (width, "DATABASE", "DRILL", "COPY", "SECONDS", "RTO", "WHAT IT FOUND")
    ]
    for outcome in outcomes:
        verdict = outcome.verdict
        state = "passed" if outcome.passed else "FAILED"
        took = "%.1f" % verdict["seconds"] if verdict else ""
        rto = format_duration(verdict["rto_s"]) if verdict.get("rto_s") else ""
        what = outcome.error or "; ".join(verdict["differences"][:5])
        if outcome.passed and verdict.get("rto_s") and verdict["seconds"] > verdict["rto_s"]:
            what = "RECOVERY TIME OBJECTIVE MISSED"
        row = "%-*s  %-7s  %-32s  %9s  %9s  %s" % (width, outcome.key, state, verdict.get("copy", ""), took, rto, what)
        lines.append(row.rstrip())
    return lines
