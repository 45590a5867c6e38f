# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that is dropped is renamed, closed and kept for a while: what must hold before, how, and how back.

The order is such that a run that was killed anywhere is seen by the next: the audit log and the register are told
before, so they may promise what never came to be, never the other way round. A database is known by its oid, which
a renaming doesn't change.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Collection, Dict, Iterable, List, Mapping, Optional, Protocol, Sequence

from .._core.errors import BulkheadError, ConflictError, InputError, StateError
from .._core.plan import Change, Plan
from .._core.sessions import described, end, set_open, users
from .._core.sql import Sql, name_with
from .._core.text import format_size, iso_utc
from .register import Kept, ended_line

BEGUN, SET_ASIDE, UNDONE = "database_drop_begun", "database_set_aside", "database_drop_undone"
RESTORE_BEGUN, RESTORED = "database_restore_begun", "database_restored"
_STAMP = "_dropped_%Y%m%dT%H%M%SZ"
# Where every client and tool connects that was told no database, and where this collection's own locks are taken.
_NEEDED_BY_ALL = ("postgres", "template0", "template1")

_DATABASE = """
SELECT d.datname::text AS name, d.oid::bigint AS oid, pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
       d.datallowconn AS is_open, d.datistemplate AS is_template,
       pg_catalog.pg_database_size(d.oid)::bigint AS size_bytes
  FROM pg_catalog.pg_database d
"""
# The server goes on with what a killed run had asked for. The name that a database gets is in no other run's statement.
_END_LEFT = """
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
 WHERE application_name LIKE 'bulkhead/%%' AND state = 'active' AND pid <> pg_catalog.pg_backend_pid()
   AND query LIKE 'ALTER DATABASE %%' AND position(%s IN query) > 0
"""
_PATIENCE = "SELECT pg_catalog.set_config('lock_timeout', %s, false)"
_SLOTS = "SELECT slot_name::text AS name FROM pg_catalog.pg_replication_slots WHERE database = %s ORDER BY 1"
_PREPARED = "SELECT gid AS name FROM pg_catalog.pg_prepared_xacts WHERE database = %s ORDER BY 1"


class Server(Protocol):
    """What this needs of a cluster; the Postgres adapter is one."""

    @property
    def maintenance_database(self) -> str:
        """The database in which cluster-wide statements run."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""

    def execute(self, statement: Sql) -> None:
        """Run one statement, committed at once."""

    def disconnect(self, database: str) -> None:
        """Close our own connection to a database."""


class Trail(Protocol):
    """The audit log."""

    def append(self, event: str, **facts: Any) -> Any:
        """Append one line, synced."""


class Register(Protocol):
    """The register of what is kept."""

    def append(self, line: Dict[str, Any]) -> None:
        """Append one line, synced."""


@dataclass(frozen=True)
class Database:
    """A database as its server knows it."""

    name: str
    oid: int
    owner: str
    is_open: bool
    is_template: bool
    size_bytes: int


def find(server: Server, name: str) -> Optional[Database]:
    """Return the database of a name, or None."""
    return _first(server, Sql(_DATABASE + " WHERE d.datname = %s", values=(name,)))


def find_oid(server: Server, oid: int) -> Optional[Database]:
    """Return the database of an oid, whatever it is called now, or None."""
    return _first(server, Sql(_DATABASE + " WHERE d.oid = %s::bigint", values=(oid,)))


def names(server: Server) -> List[str]:
    """Return the names of all databases."""
    return [row["name"] for row in server.rows(Sql("SELECT datname::text AS name FROM pg_catalog.pg_database"))]


def _first(server: Server, statement: Sql) -> Optional[Database]:
    found = server.rows(statement)
    return Database(**found[0]) if found else None


def check_request(database: str, confirm: str, maintenance_database: str, needs_confirm: bool) -> None:
    """Refuse what is wrong in itself.

    Raises:
        InputError: another name was typed, or none; or the database is one that a cluster can't be without.
    """
    if database in _NEEDED_BY_ALL or database == maintenance_database:
        raise InputError(
            "Database %s isn't dropped by this: clients and tools connect to it, or databases are made of it."
            % database,
            "Drop the objects in it instead, or move a service out of it with pg_database_isolate.",
        )
    if confirm != database and (confirm or needs_confirm):
        typed = "%r was typed" % confirm if confirm else "Nothing was typed"
        raise InputError(
            "%s to confirm that database %s is to be dropped." % (typed, database), "Type its name exactly."
        )


def aside_name(database: str, moment: datetime, taken: Collection[str]) -> str:
    """Return the name that a dropped database gets: within 63 bytes, cut between two characters, and free."""
    moment = moment.replace(microsecond=0)
    while True:
        stamp = moment.strftime(_STAMP)
        name = name_with(database, stamp)
        if name not in taken:
            return name
        moment += timedelta(seconds=1)


def dropped_as(kept: Iterable[Kept], database: str, cluster: str) -> List[Kept]:
    """Return what stands in the register of a database that was dropped, the newest first.

    Arguments:
        database: its name before, or the one that it has now.
    """
    found = [
        item
        for item in kept
        if item.dropped is not None and item.cluster == cluster and database in (item.dropped.database, item.name)
    ]
    return sorted(found, key=lambda item: item.since, reverse=True)


def end_leftovers(server: Server, before: Sequence[Kept]) -> None:
    """End renamings that killed runs have asked for and that wait still; the caller keeps other runs off."""
    for kept in before:
        server.rows(Sql(_END_LEFT, values=(kept.name,)))


def bonds(server: Server, database: str, links: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return what holds a database that no renaming must tear.

    Arguments:
        links: what leads out of it, as the audit tells it.
    """
    found = []
    for kind, names in (
        ("replication slot", [row["name"] for row in server.rows(Sql(_SLOTS, values=(database,)))]),
        ("subscription", [link["name"] for link in links if link["kind"] == "subscription"]),
        ("prepared transaction", [row["name"] for row in server.rows(Sql(_PREPARED, values=(database,)))]),
    ):
        found += ["%s %s" % (kind, name) for name in names]
    return found


def loss(
    database: Database,
    tables: Sequence[Mapping[str, Any]],
    there: Sequence[Mapping[str, Any]],
    blast_radius: Sequence[Mapping[str, Any]],
    services: Sequence[str],
    copied: Optional[Sequence[Mapping[str, Any]]],
) -> Dict[str, Any]:
    """Return what would be lost, as JSON.

    Arguments:
        tables: those that it has now, with their rows. there: who is connected.
        blast_radius: the databases of the cluster, as the audit tells them.
        copied: the tables that the copy has, with their rows; None where there is no copy.
    """
    before = {_label(table): int(table["rows"]) for table in copied or ()}
    now = {_label(table): int(table["rows"]) for table in tables}
    here = next((entry for entry in blast_radius if entry["name"] == database.name), {})
    return {
        "database": database.name,
        "owner": database.owner,
        "size_bytes": database.size_bytes,
        "rows": sum(now.values()),
        "tables": [{"table": name, "rows": rows} for name, rows in now.items()],
        "not_in_copy": [name for name in now if name not in before] if copied is not None else [],
        "changed_since_copy": [
            {"table": name, "rows_in_copy": before[name], "rows": rows}
            for name, rows in now.items()
            if before.get(name, rows) != rows
        ],
        "sessions": list(there),
        "services": list(services),
        "enters": dict(here.get("enters") or {}),
        "led_to_from": [
            {"database": entry["name"], "kind": link["kind"], "name": link["name"]}
            for entry in blast_radius
            for link in entry["links"]
            if link["to"] == database.name
        ],
    }


def refusals(lost: Mapping[str, Any], end_sessions: bool, held_by: Sequence[str], copy_fault: str) -> List[str]:
    """Return why a database must not be dropped, each reason with its remedy; none where it may.

    Arguments:
        held_by: what bonds returned. copy_fault: why there is no good copy of it; empty where there is one.
    """
    found = [copy_fault] if copy_fault else []
    if lost["services"]:
        found.append(
            "The description says that it is used by %s. Take it out of %s first."
            % (", ".join(lost["services"]), "these" if len(lost["services"]) > 1 else "this")
        )
    if lost["not_in_copy"]:
        found.append(
            "The copy hasn't %s, which the database has now. Take another copy." % ", ".join(lost["not_in_copy"])
        )
    if lost["sessions"] and not end_sessions:
        found.append("Somebody is connected: %s. Let them go, or set end_sessions=true." % described(lost["sessions"]))
    if held_by:
        found.append("It is held by %s. End or drop these first." % ", ".join(held_by))
    return found


def check_allowed(lost: Mapping[str, Any], reasons: Sequence[str]) -> None:
    """Raise ConflictError where there are reasons not to."""
    if reasons:
        raise ConflictError(
            "Database %s is not dropped. %s" % (lost["database"], " ".join(reasons)),
            None,
            refusals=list(reasons),
            would_lose=dict(lost),
        )


def loss_lines(lost: Mapping[str, Any]) -> List[str]:
    """Return what would be lost as lines for a diff."""
    size = format_size(lost["size_bytes"])
    lines = ["owner %s, %s, %d tables, %d rows" % (lost["owner"], size, len(lost["tables"]), lost["rows"])]
    lines += ["table %(table)s: %(rows)d rows" % item for item in lost["tables"]]
    lines += ["since the copy: %(table)s had %(rows_in_copy)d rows" % item for item in lost["changed_since_copy"]]
    if lost["sessions"]:
        lines.append("connected: %s" % described(lost["sessions"]))
    lines += ["%s may enter it %s" % item for item in sorted(lost["enters"].items())]
    lines += ["%(kind)s %(name)s of database %(database)s leads to it" % item for item in lost["led_to_from"]]
    return lines


def plan_drop(lost: Mapping[str, Any], kept: Kept) -> Plan:
    """Return the plan that puts a database aside."""
    plan = Plan()
    after = "%s, closed, kept until %s" % (kept.name, iso_utc(kept.until))
    plan.add(Change("database %s" % lost["database"], "\n".join(loss_lines(lost)), after))
    return plan


def check_open(database: Database) -> None:
    """Raise StateError where nobody may see what is in a database, or it is a template."""
    if database.is_template:
        raise StateError(
            "Database %s is a template." % database.name,
            "ALTER DATABASE … IS_TEMPLATE false first, if none is made of it.",
        )
    if not database.is_open:
        raise StateError(
            "Database %s allows no connections, so what would be lost can't be seen." % database.name,
            "ALTER DATABASE … ALLOW_CONNECTIONS true first.",
        )


def set_aside(
    server: Server,
    register: Register,
    trail: Trail,
    kept: Kept,
    end_sessions: bool,
    lock_timeout_s: int,
    facts: Mapping[str, Any],
) -> None:
    """Close a database, end its sessions where that was asked for, and rename it.

    Raises:
        ConflictError: somebody came or stayed; it is as it was.
    """
    name = facts["database"]
    server.disconnect(name)
    trail.append(BEGUN, **facts)
    register.append(kept.to_json())
    try:
        # Pools come back within milliseconds: first the door, then the guests.
        set_open(server, name, False)
        if end_sessions:
            end(server, name)
        there = [] if end_sessions else users(server, name)
        if there:
            raise ConflictError("somebody came: %s" % described(there), "Let them go, or set end_sessions=true.")
        server.rows(Sql(_PATIENCE, values=("%ds" % lock_timeout_s,)))
        # It waits for five seconds until the others are gone.
        server.execute(Sql("ALTER DATABASE {} RENAME TO {}", (name, kept.name)))
    except BulkheadError as error:
        set_open(server, name, True)
        register.append(ended_line(kept, kept.since, "it was not dropped"))
        trail.append(UNDONE, database=name, set_aside=kept.name, reason=error.message)
        raise ConflictError(
            "Database %s is as it was; it wasn't dropped: %s." % (name, error.message.rstrip(".")), error.remedy
        ) from error
    trail.append(SET_ASIDE, **facts)


def plan_restore(server: Server, candidates: Sequence[Kept], database: str) -> "Restore":
    """Return what brings a dropped database back.

    Raises:
        StateError: there is none, or it is gone. ConflictError: its old name is taken.
    """
    for kept in candidates:
        found = find_oid(server, kept.dropped.oid) if kept.dropped is not None else None
        if kept.dropped is None or found is None:
            continue
        name = kept.dropped.database
        if found.name != name and find(server, name) is not None:
            raise ConflictError(
                "Database %s can't be brought back: there is another one of that name." % name,
                "Rename that one, or drop it; what was dropped is kept as %s until %s."
                % (found.name, iso_utc(kept.until)),
            )
        plan = Plan()
        before = "%s, %s, kept until %s" % (found.name, "open" if found.is_open else "closed", iso_utc(kept.until))
        plan.add(Change("database %s" % name, before, "%s, open" % name))
        return Restore(plan, kept, found.name, name)
    if candidates:
        raise StateError(
            "Database %s was dropped as %s, and is gone." % (database, candidates[0].name),
            "Restore a copy of it: %s." % (candidates[0].dropped.stem if candidates[0].dropped else "the newest"),
        )
    if find(server, database) is None:
        raise StateError(
            "The register has no database that was dropped as %s, and there is none of that name." % database,
            "Correct database, cluster or register, or restore a copy.",
        )
    return Restore(Plan(), None, database, database)


@dataclass(frozen=True)
class Restore:
    """What brings a database back: its plan, its line of the register, its name now, and its name before."""

    plan: Plan
    kept: Optional[Kept]
    now: str
    before: str

    def apply(self, server: Server, register: Register, trail: Trail, moment: datetime) -> None:
        """Do it; a run that was killed in between is taken up by the next."""
        if self.kept is None:
            return
        facts = {"database": self.before, "set_aside": self.kept.name, "cluster": self.kept.cluster}
        trail.append(RESTORE_BEGUN, **facts)
        if self.now != self.before:
            server.disconnect(self.now)
            server.execute(Sql("ALTER DATABASE {} RENAME TO {}", (self.now, self.before)))
        set_open(server, self.before, True)
        register.append(ended_line(self.kept, moment, "brought back as %s" % self.before))
        trail.append(RESTORED, **facts)


def interrupted(database: Database, before: Sequence[Kept]) -> Optional[Kept]:
    """Return the line of the register that a killed run wrote before it renamed a database, or None.

    Raises:
        StateError: this is one that was dropped, under its new name.
    """
    found = next((kept for kept in before if kept.dropped is not None and kept.dropped.oid == database.oid), None)
    if found is not None and found.name == database.name:
        raise StateError(
            "Database %s was dropped already, and is kept until %s." % (database.name, iso_utc(found.until)),
            "kept_expire ends it then; kept_register with another keep_for changes the date.",
        )
    return found


def plan_reopen(kept: Kept) -> Plan:
    """Return the plan for what a killed run left: whether it may be dropped can be seen only when it is open again."""
    name = kept.dropped.database if kept.dropped is not None else kept.name
    plan = Plan()
    plan.add(Change("database %s" % name, "left by a run that was killed", "open, and looked at anew"))
    return plan


def reopen(server: Server, register: Register, trail: Trail, kept: Kept, moment: datetime) -> None:
    """Take back what a killed run left of a drop, right before the renaming."""
    if kept.dropped is not None:
        set_open(server, kept.dropped.database, True)
        register.append(ended_line(kept, moment, "the run was killed before it was dropped"))
        trail.append(UNDONE, database=kept.dropped.database, set_aside=kept.name, reason="the run was killed")


def plan_finish(kept: Kept, entries: Iterable[Mapping[str, Any]]) -> Plan:
    """Return what is left to do of a drop: a run that was killed right after the renaming hasn't told its end.

    Arguments:
        entries: the audit log's.
    """
    plan = Plan()
    told = any(line["event"] == SET_ASIDE and line["facts"].get("set_aside") == kept.name for line in entries)
    if not told:
        plan.add(Change("audit log", "", "%s was set aside" % kept.name))
    return plan


def _label(table: Mapping[str, Any]) -> str:
    return "%s.%s" % (table["schema"], table["name"])
