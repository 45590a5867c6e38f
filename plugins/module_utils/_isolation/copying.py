# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a service's objects and rows into its own database, out of one snapshot, and prove that they are the same.

Definitions travel through the server's own pg_dump and pg_restore, filtered by a list of identifiers. Rows travel as
COPY streams, hashed on their way; what the new database then holds is read back and hashed again.
"""

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Mapping, Protocol, Sequence, Tuple

from .._core.errors import ConflictError, OutsideError, VerificationError
from .._core.sql import Sql, quoted_name
from .catalogue import Node, Thing, read_catalogue
from .contents import wanted_entries
from .fill import JOURNAL_SCHEMA, Fill, finish_fill, start_fill
from .selection import Chosen, Selection, select

# Binary COPY carries the identifiers of types inside arrays and rows, and those of our own types differ between
# databases: such tables travel as text (PostgreSQL's array_recv and record_recv refuse them).
_TABLES = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       pg_catalog.pg_table_size(c.oid) AS size_bytes,
       coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = ''), '{{}}') AS columns,
       coalesce(bool_and(b.typsend <> 0 AND b.typtype IN ('b', 'e', 'r', 'm')
                         AND (b.typcategory <> 'A' OR b.typelem < 16384)) FILTER (WHERE a.attgenerated = ''), true)
         AS is_binary
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
 WHERE c.oid = ANY (%s::oid[]) AND c.relkind = 'r'
 GROUP BY c.oid, n.nspname, c.relname
 ORDER BY pg_catalog.pg_table_size(c.oid) DESC, 2, 3
"""
_SETTINGS = """
SELECT s.setconfig AS settings
  FROM pg_catalog.pg_db_role_setting s
  JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = current_database()
  JOIN pg_catalog.pg_roles r ON r.oid = s.setrole AND r.rolname = %s
"""
_POPULATED = "SELECT oid::bigint AS oid FROM pg_catalog.pg_class WHERE relkind = 'm' AND relispopulated ORDER BY oid"


@dataclass(frozen=True)
class CopyTable:
    """A table whose rows are copied; ``columns``: those that aren't generated."""

    schema: str
    name: str
    columns: Tuple[str, ...]
    is_binary: bool
    size_bytes: int

    @property
    def label(self) -> str:
        """The table as a person names it."""
        return "%s.%s" % (self.schema, self.name)


@dataclass(frozen=True)
class Digest:
    """What a table held: number of rows, bytes of its COPY stream, and that stream's SHA-256."""

    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Copy:
    """A copy as it is planned.

    Arguments:
        source, target: databases. owner: owns what is restored.
        chosen: what is copied.
        final: whether writers are kept out while it is taken: the copy that counts.
        tables: the tables of the plan; others found when it is carried out mean that somebody changed the schema.
        lock_timeout_s: how long to wait for writers, in seconds.
    """

    source: str
    target: str
    owner: str
    chosen: Chosen
    final: bool
    tables: Tuple[str, ...]
    lock_timeout_s: int = 30


class Transaction(Protocol):
    """A transaction of the source."""

    def execute(self, statement: Sql) -> int:
        """Run one statement."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""


class Server(Protocol):
    """What copying needs of a cluster; the Postgres adapter is one."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""

    def value(self, statement: Sql) -> Any:
        """Run one query; return its first value."""

    def execute(self, statement: Sql) -> None:
        """Run one statement, committed at once."""

    def transaction(self, database: str, isolation: str = ..., read_only: bool = ...) -> ContextManager[Any]:
        """Open a transaction."""

    def client_folder(self) -> ContextManager[Any]:
        """Make a folder beside the client programs: ``path``, and ``put(name, data)``."""

    def run_client(self, argv: Sequence[str]) -> Any:
        """Run a client program beside the server; its rc, stdout and stderr."""

    def copy_table(self, source: Any, table: CopyTable, target: str, progress: Callable[[int], None]) -> Digest:
        """Stream a table's rows from a transaction into another database; return what was sent."""

    def digest_table(self, database: str, table: CopyTable) -> Digest:
        """Return what a table holds."""


Progress = Callable[[Mapping[str, Any]], None]


def carry_out(copy: Copy, server: Server, progress: Progress) -> Dict[str, Digest]:
    """Copy, compare, and note in the new database what was copied.

    Returns: what each table held, by its label.

    Raises:
        ConflictError: the tables aren't those of the plan, or somebody writes to them.
        VerificationError: the copy isn't like its source.
        OutsideError: a server or a client program refused.
    """
    start_fill(server, copy.target, "copy", copy.source, copy.final)
    with _source(copy, server) as (transaction, snapshot):
        selection = select(read_catalogue(transaction), copy.chosen)
        _check_unchanged(copy, selection)
        with server.client_folder() as folder:
            _restore_definitions(copy, server, folder, selection, snapshot)
            digests = _copy_rows(copy, server, transaction, selection, progress)
            progress({"doing": "indexes, constraints, triggers and policies"})
            _restore(copy, server, folder, "post-data")
        _set_sequences(copy, server, transaction, selection)
        _refresh_views(copy, server, transaction, selection)
        _set_role_settings(copy, server, transaction)
    _compare(copy, server, selection)
    finish_fill(server, copy.target, Fill("copy", copy.source, "final" if copy.final else "rehearsal", _kept(digests)))
    server.execute(Sql("ANALYZE", database=copy.target))
    progress({"doing": "done"})
    return digests


def _kept(digests: Mapping[str, Digest]) -> Dict[str, Dict[str, Any]]:
    return {name: {"rows": digest.rows, "sha256": digest.sha256} for name, digest in digests.items()}


@contextmanager
def _source(copy: Copy, server: Server) -> Iterator[Tuple[Any, str]]:
    """Yield a transaction with an exported snapshot; for the copy that counts, writers wait until its end."""
    with server.transaction(copy.source, "REPEATABLE READ", not copy.final) as transaction:
        for statement in ("SET LOCAL row_security = off", "SET LOCAL statement_timeout = 0"):
            transaction.execute(Sql(statement))
        transaction.execute(Sql("SET LOCAL idle_in_transaction_session_timeout = 0"))
        # A scan that joins another one starts in the middle: the order of rows is a part of the checksum.
        transaction.execute(Sql("SET LOCAL synchronize_seqscans = off"))
        # No query before the locks, set_config() included: it would take the snapshot, which is to be of a time after
        # the last writer.
        transaction.execute(Sql("SET LOCAL lock_timeout = %s", values=("%ds" % copy.lock_timeout_s,)))
        if copy.final and copy.tables:
            names = tuple(tuple(label.split(".", 1)) for label in copy.tables)
            text = "LOCK TABLE %s IN SHARE MODE" % ", ".join(["{}"] * len(names))
            try:
                transaction.execute(Sql(text, names))
            except OutsideError as error:
                if error.details.get("sqlstate") != "55P03":
                    raise
                raise ConflictError(
                    "Somebody still writes to the tables of %s in %s: %s."
                    % (copy.target, copy.source, _writers(copy, server) or "see pg_locks"),
                    "Stop the services that use them; nothing was copied.",
                ) from error
        yield transaction, transaction.rows(Sql("SELECT pg_catalog.pg_export_snapshot() AS name"))[0]["name"]


def _writers(copy: Copy, server: Server) -> str:
    rows = server.rows(
        Sql(
            "SELECT DISTINCT a.usename::text AS role, a.application_name AS application, a.pid"
            " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)"
            " WHERE a.datname = %s AND l.granted AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock',"
            " 'ExclusiveLock', 'AccessExclusiveLock') AND l.locktype = 'relation' AND l.relation >= 16384",
            values=(copy.source,),
        )
    )
    return ", ".join(
        "role %s, %s, process %d" % (row["role"], row["application"] or "no name", row["pid"]) for row in rows
    )


def _check_unchanged(copy: Copy, selection: Selection) -> None:
    labels = {"%s.%s" % (thing.schema, thing.name) for thing in selection.tables}
    if labels != set(copy.tables) or selection.questions:
        raise ConflictError(
            "The tables in %s changed since the plan was made: %s."
            % (copy.source, ", ".join(sorted(labels ^ set(copy.tables))) or "; ".join(selection.questions)),
            "Run this again.",
        )


def _restore_definitions(copy: Copy, server: Server, folder: Any, selection: Selection, snapshot: str) -> None:
    """Dump the definitions of the whole source, keep those of ours, and restore what comes before the rows."""
    dump = folder.path + "/definitions.dump"
    _run(
        server,
        ["pg_dump", "-Fc", "--schema-only", "--snapshot", snapshot, "-f", dump, "-d", copy.source],
        "The definitions in %s can't be dumped" % copy.source,
    )
    listing = _run(server, ["pg_restore", "--list", "--verbose", dump], "The dump of %s can't be read" % copy.source)
    entries = wanted_entries(listing.stdout.decode("utf-8"), selection.nodes, _there(copy, server, selection))
    folder.put("wanted.list", entries.encode("utf-8"))
    _restore(copy, server, folder, "pre-data")


def _there(copy: Copy, server: Server, selection: Selection) -> List[Node]:
    """Return what the new database has already: what its prelude made."""
    labels = {thing.label for thing in read_catalogue(server, copy.target).things.values()}
    return [node for node, thing in selection.things.items() if thing.label in labels]


def _restore(copy: Copy, server: Server, folder: Any, section: str) -> None:
    argv = ["pg_restore", "--section", section, "--use-list", folder.path + "/wanted.list", "--exit-on-error"]
    argv += ["--no-owner", "--role", copy.owner, "-d", copy.target]
    # Two at a time: indexes are most of what follows the rows.
    argv += ["--single-transaction"] if section == "pre-data" else ["--jobs", "2"]
    _run(
        server,
        argv + [folder.path + "/definitions.dump"],
        "What belongs %s the rows can't be made in %s" % ("before" if section == "pre-data" else "after", copy.target),
    )


def _run(server: Server, argv: Sequence[str], failure: str) -> Any:
    result = server.run_client(argv)
    if result.rc != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        wrong = (
            [line for line in lines if "error:" in line or "ERROR" in line or "FATAL" in line]
            or lines
            or ["no message"]
        )
        # The server's own advice, such as to look for free disk space.
        hints = [line.strip().replace("HINT:", "").strip() for line in lines if line.startswith("HINT:")]
        raise OutsideError(
            "%s: %s." % (failure, wrong[0].strip().rstrip(".")),
            hints[0] if hints else None,
            rc=result.rc,
            stderr="\n".join(lines[:20]),
        )
    return result


def _copy_rows(
    copy: Copy, server: Server, transaction: Any, selection: Selection, progress: Progress
) -> Dict[str, Digest]:
    tables = _tables_of(transaction, [thing.node[1] for thing in selection.tables])
    total = sum(table.size_bytes for table in tables)
    done = 0
    digests: Dict[str, Digest] = {}
    for number, table in enumerate(tables):

        def report(sent: int, number: int = number, table: CopyTable = table, done: int = done) -> None:
            progress(
                {
                    "doing": "rows",
                    "table": table.label,
                    "tables_done": number,
                    "tables_total": len(tables),
                    "bytes_done": done + min(sent, table.size_bytes),
                    "bytes_total": total,
                }
            )

        report(0)
        sent = server.copy_table(transaction, table, copy.target, report)
        held = server.digest_table(copy.target, table)
        if sent != held:
            raise VerificationError(
                "Table %s isn't in %s as it is in %s: %d rows with checksum %s… were sent, %d with %s… are there."
                % (table.label, copy.target, copy.source, sent.rows, sent.sha256[:12], held.rows, held.sha256[:12])
            )
        digests[table.label] = sent
        done += table.size_bytes
    return digests


def _tables_of(reader: Any, oids: Sequence[int]) -> List[CopyTable]:
    return [
        CopyTable(row["schema"], row["name"], tuple(row["columns"]), row["is_binary"], int(row["size_bytes"]))
        for row in reader.rows(Sql(_TABLES, values=(list(oids),)))
    ]


def changed_since(
    server: Server, database: str, kept: Mapping[str, Mapping[str, Any]], things: Sequence[Thing]
) -> List[str]:
    """Return the labels of tables that aren't any more what a copy had of them.

    Arguments:
        kept: rows and sha256 by table, as the copy noted them. things: the tables of today.
    """
    changed = []
    with server.transaction(database, "REPEATABLE READ", True) as reader:
        for table in _tables_of(reader, [thing.node[1] for thing in things]):
            digest = server.digest_table(database, table)
            if dict(kept.get(table.label, {})) != {"rows": digest.rows, "sha256": digest.sha256}:
                changed.append(table.label)
    return changed


def _set_sequences(copy: Copy, server: Server, transaction: Any, selection: Selection) -> None:
    names = [(thing.schema, thing.name) for thing in selection.sequences]
    for start in range(0, len(names), 200):
        some = tuple(names[start : start + 200])
        text = " UNION ALL ".join(["SELECT %s::int AS number, last_value, is_called FROM {}"] * len(some))
        rows = transaction.rows(Sql(text, some, tuple(range(len(some)))))
        values: List[Any] = []
        for row in rows:
            values += [quoted_name(some[row["number"]]), row["last_value"], row["is_called"]]
        set_all = "SELECT " + ", ".join(["pg_catalog.setval(%s::regclass, %s, %s)"] * len(rows))
        server.rows(Sql(set_all, values=tuple(values), database=copy.target))


def _refresh_views(copy: Copy, server: Server, transaction: Any, selection: Selection) -> None:
    """A materialised view is restored without its rows; one may read another, made before it."""
    for row in transaction.rows(Sql(_POPULATED)):
        thing = selection.things.get(("pg_class", row["oid"]))
        if thing is not None:
            server.execute(Sql("REFRESH MATERIALIZED VIEW {}", ((thing.schema, thing.name),), database=copy.target))


def _set_role_settings(copy: Copy, server: Server, transaction: Any) -> None:
    """What the owner's sessions in the old database were given by ALTER ROLE ... IN DATABASE, they are given here."""
    for row in transaction.rows(Sql(_SETTINGS, values=(copy.owner,))):
        for setting in row["settings"]:
            name, dummy, value = setting.partition("=")
            server.execute(set_setting("ROLE {} IN DATABASE {}", (copy.owner, copy.target), name, value))


def set_setting(what: str, names: Tuple[str, ...], setting: str, value: str) -> Sql:
    """Return the statement that gives a setting to a role or a database.

    Arguments:
        what: ``DATABASE {}``, or ``ROLE {} IN DATABASE {}``. names: of these.
        value: as pg_db_role_setting holds it: of a list, names with commas between them.
    """
    # Setting names are identifiers, possibly with a dot; a list is given name by name.
    parts = tuple(setting.split("."))
    if setting in ("search_path", "session_preload_libraries", "local_preload_libraries", "temp_tablespaces"):
        items = names_of(value)
        text = "ALTER %s SET {} TO %s" % (what, ", ".join(["{}"] * len(items)) or "''")
        return Sql(text, (*names, parts, *items))
    return Sql("ALTER %s SET {} TO %%s" % what, (*names, parts), (value,))


def names_of(value: str) -> Tuple[str, ...]:
    """Return the names of a list as the server writes it: ``"$user", public``."""
    found = re.findall(r'"(?:[^"]|"")*"|[^\s,"]+', value)
    return tuple(name[1:-1].replace('""', '"') if name[0] == '"' else name for name in found)


def _compare(copy: Copy, server: Server, selection: Selection) -> None:
    """Hold the objects of the new database against those that were selected; rows were compared on their way."""
    found = read_catalogue(server, copy.target)
    labels = {thing.label: thing for thing in found.things.values()}
    missing = sorted(
        thing.label
        for thing in selection.things.values()
        if thing.label not in labels and not (thing.node[0] == "pg_namespace" and thing.name == "public")
    )
    foreign = sorted(
        thing.label
        for thing in found.things.values()
        if (thing.is_relation or thing.is_sequence) and thing.owner != copy.owner and thing.schema != JOURNAL_SCHEMA
    )
    if missing or foreign:
        raise VerificationError(
            "The copy in %s isn't whole: %s."
            % (
                copy.target,
                "; ".join(
                    ["%s is missing" % label for label in missing]
                    + ["%s isn't owned by %s" % (label, copy.owner) for label in foreign]
                ),
            )
        )
