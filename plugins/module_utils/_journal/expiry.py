# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of what was kept: nothing goes that something else needs, that is in use, or of which no copy was proven."""

from typing import Any, Callable, ContextManager, Dict, List, Mapping, Optional, Protocol

from .._core.errors import ConflictError, StateError
from .._core.sessions import described, users
from .._core.sql import Sql
from .register import Dropped, Kept

# Of what depends on the objects of a schema, that which lies outside of it. A rule stands for its view, a constraint
# or a trigger for its table, a default for its table as well.
_DEPENDENTS = """
WITH inside AS (
  SELECT 'pg_class'::regclass::oid AS classid, oid FROM pg_catalog.pg_class WHERE relnamespace = %s::regnamespace
  UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_catalog.pg_proc WHERE pronamespace = %s::regnamespace
  UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_catalog.pg_type WHERE typnamespace = %s::regnamespace
), needing AS (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d JOIN inside i ON (d.refclassid, d.refobjid) = (i.classid, i.oid)
   WHERE d.deptype IN ('n', 'a', 'x')
), owning AS (
  SELECT coalesce(r.ev_class, c.conrelid, t.tgrelid, a.adrelid, p.polrelid,
                  CASE WHEN n.classid = 'pg_class'::regclass THEN n.objid END) AS relation,
         CASE WHEN n.classid = 'pg_proc'::regclass THEN n.objid END AS routine
    FROM needing n
    LEFT JOIN pg_catalog.pg_rewrite r ON n.classid = 'pg_rewrite'::regclass AND r.oid = n.objid
    LEFT JOIN pg_catalog.pg_constraint c ON n.classid = 'pg_constraint'::regclass AND c.oid = n.objid
    LEFT JOIN pg_catalog.pg_trigger t ON n.classid = 'pg_trigger'::regclass AND t.oid = n.objid
    LEFT JOIN pg_catalog.pg_attrdef a ON n.classid = 'pg_attrdef'::regclass AND a.oid = n.objid
    LEFT JOIN pg_catalog.pg_policy p ON n.classid = 'pg_policy'::regclass AND p.oid = n.objid
)
SELECT DISTINCT o.relation::regclass::text AS name FROM owning o
  JOIN pg_catalog.pg_class k ON k.oid = o.relation
 WHERE k.relnamespace <> %s::regnamespace AND k.relnamespace <> 'pg_toast'::regnamespace
UNION
SELECT o.routine::regprocedure::text FROM owning o JOIN pg_catalog.pg_proc f ON f.oid = o.routine
 WHERE f.pronamespace <> %s::regnamespace
ORDER BY 1
"""


class Server(Protocol):
    """What ending needs of a cluster; the Postgres adapter is one."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""

    def value(self, statement: Sql) -> Any:
        """Run one query; return its first value."""

    def execute(self, statement: Sql) -> None:
        """Run one statement, committed at once."""

    def disconnect(self, database: str) -> None:
        """Close our own connection to a database."""

    def transaction(self, database: str, isolation: str = ..., read_only: bool = ...) -> ContextManager[Any]:
        """Open a transaction."""


class Engine(Protocol):
    """What ending needs of a container engine."""

    def inspect_or_none(self, container: str) -> Optional[Dict[str, Any]]:
        """Return a container's inspection, or None."""

    def remove_container(self, container: str) -> None:
        """Remove a container that is stopped, with the volumes that have no name."""


def check_copy(kept: Kept, manifest: Optional[Mapping[str, Any]]) -> None:
    """Raise StateError unless a verified copy was taken of what is to go, after it was put aside."""
    database = kept.database or kept.name
    if manifest is None or manifest.get("database") != database:
        raise StateError("There is no dump of %s." % database, "Take one with pg_dump_rotate, and name its manifest.")
    if (manifest.get("verified") or {}).get("level") != "read":
        raise StateError("The dump of %s wasn't read back." % database, "Take one with verify=read.")
    if str(manifest.get("taken_at")) < kept.to_json()["since"]:
        raise StateError("The dump of %s is older than what is to go." % database, "Take one now.")


# Returns the manifest of the newest dump of a database, or None.
FindManifest = Callable[[str], Optional[Mapping[str, Any]]]
# Returns what is wrong with the copy that a database was dropped with, an empty text where nothing is.
FindFault = Callable[[Dropped], str]
# Called when all is well and the thing is about to go: what can't be written down isn't done.
Tell = Callable[[], object]


def dump_needed(kept: Kept, server: Server) -> str:
    """Return the database of which a dump must be taken before a thing can go, an empty text where none must."""
    name = kept.database or kept.name
    there = _database(server, name) if kept.kind != "container" else None
    return "" if there is None or _is_closed(kept, there) else name


def _database(server: Server, name: str) -> Optional[Dict[str, Any]]:
    text = "SELECT oid::bigint AS oid, datallowconn AS is_open FROM pg_catalog.pg_database WHERE datname = %s"
    return next(iter(server.rows(Sql(text, values=(name,)))), None)


def _is_closed(kept: Kept, there: Mapping[str, Any]) -> bool:
    """Whether it was dropped and nobody could enter it since: the copy that was proven then is one of it still."""
    return kept.dropped is not None and not there["is_open"]


def end_in_cluster(
    kept: Kept, server: Server, find_manifest: FindManifest, find_fault: FindFault, tell: Tell, check_mode: bool
) -> str:
    """End an archive or a database; return how, as a person reads it.

    Raises:
        ConflictError: something else needs it, or it is in use; nothing was done to it.
        StateError: there is no proven copy of it.
    """
    there = _database(server, kept.database or kept.name)
    if there is None:
        return "it was gone already"
    if kept.kind == "archive":
        return _end_archive(kept, server, find_manifest, tell, check_mode)
    if kept.dropped is not None and there["oid"] != kept.dropped.oid:
        raise ConflictError(
            "%s is another one than the one that was dropped as %s." % (kept.label, kept.dropped.database),
            "See whose it is; kept_register with state=ended takes it out of the register.",
        )
    return _end_database(kept, there, server, find_manifest, find_fault, tell, check_mode)


def _end_archive(kept: Kept, server: Server, find_manifest: FindManifest, tell: Tell, check_mode: bool) -> str:
    with server.transaction(kept.database) as transaction:
        there = Sql("SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %s", values=(kept.name,))
        if not transaction.rows(there):
            return "it was gone already"
        schema = transaction.rows(Sql("SELECT pg_catalog.quote_ident(%s) AS name", values=(kept.name,)))[0]["name"]
        needing = [row["name"] for row in transaction.rows(Sql(_DEPENDENTS, values=(schema,) * 5))]
        if needing:
            raise ConflictError(
                "%s is needed by %s." % (kept.label, ", ".join(needing)), "Drop or alter these, then it can go."
            )
        if not check_mode:
            check_copy(kept, find_manifest(kept.database))
            tell()
            transaction.execute(Sql("DROP SCHEMA {} CASCADE", (kept.name,)))
    return "dropped"


def _end_database(
    kept: Kept,
    there: Mapping[str, Any],
    server: Server,
    find_manifest: FindManifest,
    find_fault: FindFault,
    tell: Tell,
    check_mode: bool,
) -> str:
    server.disconnect(kept.name)
    connected = users(server, kept.name)
    if connected:
        raise ConflictError(
            "Somebody is connected to %s: %s." % (kept.label, described(connected)), "Let them go elsewhere first."
        )
    if kept.dropped is not None and _is_closed(kept, there):
        fault = find_fault(kept.dropped)
        if fault:
            raise StateError(
                "The copy %s, with which %s was dropped, isn't good any more: %s."
                % (kept.dropped.stem, kept.dropped.database, fault),
                "Bring the database back with pg_database_drop, state=restored; dump it, and drop it again.",
            )
    elif not check_mode:
        check_copy(kept, find_manifest(kept.name))
    if not check_mode:
        tell()
        # Without FORCE: who connects in between keeps it.
        server.execute(Sql("DROP DATABASE {}", (kept.name,)))
    return "dropped"


def end_container(kept: Kept, engine: Engine, tell: Tell, check_mode: bool) -> str:
    """Remove a container; return how, as a person reads it.

    Raises:
        ConflictError: it is running.
    """
    found = engine.inspect_or_none(kept.name)
    if found is None:
        return "it was gone already"
    if found["State"].get("Running"):
        raise ConflictError("%s is running." % kept.label, "Stop it, or take it out of the register.")
    if not check_mode:
        tell()
        engine.remove_container(kept.name)
    return "removed"
