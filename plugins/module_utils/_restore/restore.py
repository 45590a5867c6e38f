# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a copy: under a scratch name, compared with its manifest, and only then in the old one's place.

Until the one transaction that renames both, the database that is there is as it was; from then on it is kept aside.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import ConflictError, InputError, OutsideError, StateError, VerificationError
from .._core.plan import Change, Plan
from .._core.sessions import described, users
from .._core.sql import Sql
from .._core.text import format_size, iso_utc
from .._dumps.catalogue import Catalogue, check_database_name
from .._dumps.pipeline import Stopwatch
from .._dumps.ports import Folder
from .archive import Archive, cores, database_statements, facts_of, restore_archive, run_script
from .choose import Wanted, check_server, choose_copy, needed_roles
from .compare import differences, notes, read_facts
from .places import (
    Place,
    aside_name,
    check_leave,
    clean_up,
    drop,
    escape,
    free_bytes,
    list_places,
    mark_scratch,
    scratch_name,
    server_facts,
    swap,
)
from .ports import Decrypt, Server
from .statements import as_dumped, missing_roles, of_database, tokens
from .tables import check_tables, restore_tables


@dataclass(frozen=True)
class RestoreRequest:
    """What is asked for.

    Arguments:
        database: the one whose copies are meant. target: the name that it gets.
        roles: needed, all, as_dumped or none.
        jobs: how many pg_restore runs at a time.
        checks: SQL of one's own that must return true in the restored database.
        back_to: a database that was put aside; it takes its old place again, and no copy is restored.
        tables: where only these are wanted, in a schema of their own in the target.
    """

    database: str
    target: str
    wanted: Wanted
    run: str
    roles: str = "needed"
    jobs: int = 1
    end_sessions: bool = False
    major_upgrade: bool = False
    checks: Tuple[str, ...] = ()
    back_to: str = ""
    lock_timeout_s: int = 60
    tables: Tuple[str, ...] = ()
    tables_schema: str = ""

    @property
    def may_replace(self) -> bool:
        """Whether a database that is there may be replaced."""
        return self.target == self.database and not self.tables


@dataclass
class Restoration:
    """What will be done.

    Arguments:
        aside: the name that the database gets that is there; empty where there is none.
        role_lines: what makes the missing roles. lines: what the archive says of the database, for its scratch name.
    """

    request: RestoreRequest
    aside: str
    archive: Optional[Archive] = None
    role_lines: List[str] = field(default_factory=list, repr=False)
    role_names: List[str] = field(default_factory=list)
    lines: List[str] = field(default_factory=list, repr=False)
    facts: Dict[str, Any] = field(default_factory=dict)
    warnings: List[str] = field(default_factory=list)

    @property
    def schema(self) -> str:
        """The schema that takes single tables."""
        taken_at = self.archive.copy.taken_at if self.archive else None
        return self.request.tables_schema or (taken_at.strftime("restored_%Y%m%d_%H%M%S") if taken_at else "")

    def plan(self) -> Plan:
        """Return the plan: each role that is made, the database, and the one that is put aside."""
        plan = Plan(warnings=self.warnings)
        for name in self.role_names:
            plan.add(Change("role %s" % name, "", "as the copy has it"))
        before = "as it is" if self.aside else ""
        if self.archive is None:
            plan.add(Change("database %s" % self.request.target, before, "%s, as it was" % self.request.back_to))
        elif self.request.tables:
            what = "schema %s in database %s" % (self.schema, self.request.target)
            plan.add(Change(what, "", "%s out of %s" % (", ".join(self.request.tables), self.archive.copy.stem)))
        else:
            told = facts_of(self.archive)
            after = "%(copy)s, taken at %(taken_at)s: %(tables)d tables, %(rows)d rows" % told
            plan.add(Change("database %s" % self.request.target, before, after))
        if self.aside:
            plan.add(Change("database %s" % self.aside, "", "%s, as it is" % self.request.target))
        return plan


def check_request(request: RestoreRequest) -> None:
    """Refuse what is wrong in itself. Raises InputError."""
    check_database_name(request.database)
    check_database_name(request.target)
    if request.jobs < 0:
        raise InputError("jobs is %d." % request.jobs, "Give a number, or 0 for as many as there are cores.")
    if request.tables and request.back_to:
        raise InputError("Both tables and back_to are given.", "Leave one of them out.")
    if request.target in ("template0", "template1"):
        raise InputError("%s is a template, and no database of a service." % request.target, "Name another target.")


def plan_restore(
    request: RestoreRequest,
    catalogue: Catalogue,
    folder: Folder,
    decryptor: Decrypt,
    server: Server,
    now: datetime,
) -> Restoration:
    """Look at the copy and at the server; touch neither.

    Raises:
        BulkheadError: there is no such copy, it isn't whole, the server can't take it, or somebody is in the way.
    """
    if request.back_to:
        return _look(request, None, server, now)
    copy = choose_copy(catalogue, request.wanted, now, folder.path)
    archive = Archive(copy, copy.manifest or {}, folder, decryptor)
    # Reading all of a large copy takes its time, and so does asking the server.
    with ThreadPoolExecutor(2, "look") as pool:
        checked = pool.submit(archive.check)
        told = pool.submit(database_statements, archive, server, scratch_name(request.target, request.run))
        try:
            restoration = _look(request, archive, server, now)
        finally:
            # That a copy isn't whole comes before whatever else is wrong.
            checked.result()
        restoration.lines = told.result()
    if not any(line.startswith("CREATE DATABASE") for line in restoration.lines):
        raise VerificationError(
            "Copy %s doesn't say how its database is made." % archive.copy.stem, "Name another copy."
        )
    return restoration


def _look(request: RestoreRequest, archive: Optional[Archive], server: Server, now: datetime) -> Restoration:
    places = list_places(server)
    _check_places(request, places)
    is_replaced = request.target in places and request.may_replace
    aside = aside_name(request.target, now) if is_replaced else ""
    restoration = Restoration(request, aside, archive)
    if aside:
        who = users(server, request.target)
        check_leave(who, request.target, request.end_sessions)
        if who:
            restoration.warnings.append("Sessions in %s are ended: %s." % (request.target, described(who)))
    if archive is not None:
        restoration.facts = server_facts(server)
        check_server(archive.manifest, restoration.facts, restoration.facts["extensions"], request.major_upgrade)
        _plan_roles(restoration, archive, restoration.facts["login"])
        _check_space(server, archive, restoration.facts)
        if request.tables:
            check_tables(archive.manifest, request.tables, request.target, restoration.schema, server)
    return restoration


def _check_places(request: RestoreRequest, places: Mapping[str, Place]) -> None:
    if request.tables:
        if request.target not in places:
            raise StateError(
                "There is no database %s that could take the tables." % request.target, "Restore it whole first."
            )
        return
    if not request.may_replace and request.target in places:
        raise ConflictError(
            "There is a database %s already, and only %s itself may be replaced by its copy."
            % (request.target, request.database),
            "Name another target, or drop that one first.",
        )
    if request.back_to and request.back_to not in places:
        known = sorted(name for name in places if name.startswith(request.database[:40] + "_"))
        raise InputError(
            "There is no database %s to go back to." % request.back_to,
            "There are: %s." % (", ".join(known) or "none that was put aside"),
        )


def _plan_roles(restoration: Restoration, archive: Archive, login: str) -> None:
    request, there = restoration.request, restoration.facts["roles"]
    needed = needed_roles(archive.manifest)
    lacking = sorted(set(needed) - set(there))
    if request.roles == "none" or (not lacking and request.roles == "needed"):
        roles = None
    else:
        roles = archive.roles()
    if roles is not None:
        if request.roles == "as_dumped":
            restoration.role_lines = as_dumped(roles, there, login)
        else:
            wanted = list(roles.made) if request.roles == "all" else needed
            restoration.role_lines = missing_roles(roles, wanted, there)
        told = set(restoration.role_lines)
        restoration.role_names = sorted(name for name, lines in roles.made.items() if told & set(lines))
        lacking = sorted(set(lacking) - set(roles.made))
    if lacking:
        raise StateError(
            "The copy needs role%s %s, which this server hasn't%s."
            % ("s"[: len(lacking) > 1], ", ".join(lacking), "" if roles is not None else " and which aren't restored"),
            "Create %s first, or name a copy whose globals hold %s."
            % (("them", "them") if len(lacking) > 1 else ("it", "it")),
        )


def _check_space(server: Server, archive: Archive, facts: Mapping[str, Any]) -> None:
    """Refuse a disk that can't hold the old database and the new one.

    Raises:
        StateError: it can't. What can't be seen is no reason to refuse.
    """
    free, needed = free_bytes(server, facts), int(archive.manifest.get("database_size_bytes") or 0)
    if free is not None and free < needed:
        raise StateError(
            "The server's disk has %s free, and the database had %s: both don't fit. Nothing was touched."
            % (format_size(free), format_size(needed)),
            "Free some space there; the old database can't be put aside otherwise.",
        )


def restore(restoration: Restoration, server: Server, watch: Stopwatch) -> Dict[str, Any]:
    """Do it; return what is told of the result beside the plan: differences (none), notes and jobs.

    Raises:
        BulkheadError: it failed. Then nothing of it is left, and the database that was there is as it was.
    """
    request, archive = restoration.request, restoration.archive
    restoration.warnings[:0] = clean_up(server, request.target)
    if archive is None:
        with watch.stage("swap"):
            swap(server, request.back_to, request.target, restoration.aside)
        _reload(server, request.target)
        return {"notes": [], "jobs": None}
    with watch.stage("roles"):
        run_script(server, server.maintenance_database, restoration.role_lines, together=True)
    scratch = scratch_name(request.target, request.run)
    lines = restoration.lines
    made = [line for line in lines if line.startswith("CREATE DATABASE")]
    try:
        _apply(server, made)
        mark_scratch(server, scratch, request.target)
        if request.tables:
            return restore_tables(archive, server, scratch, request.target, request.tables, restoration.schema, watch)
        jobs = request.jobs or cores(server)
        with watch.stage("restore"):
            jobs = restore_archive(archive, server, scratch, jobs)
        server.execute(Sql("ALTER DATABASE {} CONNECTION LIMIT -1", (scratch,)))
        comments = [line for line in lines if line.startswith("COMMENT ON DATABASE")]
        properties = [line for line in lines if line not in made and line not in comments]
        _apply(server, properties)
        with watch.stage("compare"):
            told = compare(archive, server, scratch, request)
        with watch.stage("swap"):
            swap(server, scratch, request.target, restoration.aside)
    finally:
        # It isn't there any more where all went well. A server that is gone can't drop it: then the next run does.
        with suppress(OutsideError):
            drop(server, scratch)
    # Until it had its name, its comment said what it was for.
    own = of_database("".join(line + ";\n" for line in comments), scratch, request.target)
    _apply(server, own)
    _reload(server, request.target)
    return {"notes": told, "jobs": jobs}


def _apply(server: Server, lines: Sequence[str]) -> None:
    """Run what the archive says of its database.

    A connection that is open is quicker than psql, but its errors repeat the statement, and a setting may be secret.
    """
    secret = [line for line in lines if any(token.is_keyword("SET") for token in tokens(line))]
    for line in lines:
        if line not in secret:
            server.execute(Sql(escape(line)))
    run_script(server, server.maintenance_database, secret, together=True)


def compare(archive: Archive, server: Server, database: str, request: RestoreRequest) -> List[str]:
    """Hold a restored database against its manifest; return what is otherwise and may be.

    Raises:
        VerificationError: it isn't what the manifest says, or a check of one's own isn't true.
    """
    server.disconnect(database)
    with server.transaction(database, "REPEATABLE READ", True) as transaction:
        found = read_facts(transaction, archive.copy.stem, request.lock_timeout_s)
        wrong = differences(archive.manifest, found)
        told = notes(archive.manifest, found)
        before = int((archive.manifest.get("cluster") or {}).get("server_version_num") or 0)
        if before // 10000 != int(found["server_version_num"]) // 10000:
            # Another major version writes the same definition in other words.
            told += [text for text in wrong if text.endswith("another definition")]
            wrong = [text for text in wrong if not text.endswith("another definition")]
    wrong += run_checks(server, database, request.checks)
    if wrong:
        raise VerificationError(
            "What was restored out of %s isn't what its manifest says: %s. It was not put in place."
            % (archive.copy.stem, "; ".join(wrong[:10]) + ("; and %d more" % (len(wrong) - 10) if wrong[10:] else "")),
            "Name another copy.",
            differences=wrong,
        )
    return told


def run_checks(server: Server, database: str, checks: Sequence[str]) -> List[str]:
    """Return a sentence for each check of one's own that isn't true, or can't be run."""
    wrong = []
    for check in checks:
        what = "check `%s`" % " ".join(check.split())[:200]
        try:
            with server.transaction(database, read_only=True) as transaction:
                # It is the user's own SQL, whole; nothing is put into it.
                rows = transaction.rows(Sql(check.replace("{", "{{").replace("}", "}}")))
        except OutsideError as error:
            wrong.append("%s can't be run: %s" % (what, error.message.rpartition("`: ")[2].rstrip(".")))
            continue
        if not rows or next(iter(rows[0].values())) is not True:
            wrong.append("%s isn't true" % what)
    return wrong


def _reload(server: Server, database: str) -> None:
    """Let PostgREST read the database's schema again; where none listens, nobody hears it."""
    server.rows(Sql("SELECT pg_catalog.pg_notify('pgrst', 'reload schema')", database=database))


def result_of(restoration: Restoration, watch: Stopwatch, told: Mapping[str, Any], now: datetime) -> Dict[str, Any]:
    """Return what the module tells beside the plan."""
    request = restoration.request
    found: Dict[str, Any] = {
        "database": request.target,
        "schema": restoration.schema if request.tables else None,
        "aside": restoration.aside or None,
        "roles_made": restoration.role_names,
        "seconds": watch.seconds,
        "at": iso_utc(now),
        **told,
    }
    if restoration.archive is not None:
        found.update(facts_of(restoration.archive))
    return found
