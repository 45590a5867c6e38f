# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back from a completed isolation: what was put aside returns to its place, with the rows that came since if asked."""

from dataclasses import dataclass, field, replace
from typing import Any, ContextManager, Dict, List, Mapping, Optional, Protocol, Sequence, Set, Tuple

from .._core.errors import ConflictError, StateError
from .._core.plan import Change, Plan
from .._core.sql import Sql, quoted_name
from .fill import JOURNAL_SCHEMA, Fill, Written, read_fill, written_since

Entry = Mapping[str, Any]
# What of a journal is taken back on the host; roles and the database itself stay, for the rows in it.
ON_THE_HOST = ("file", "containers", "gateway")

_TABLES = """
SELECT n.nspname || '.' || c.relname AS label,
       coalesce((SELECT jsonb_object_agg(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
                   FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
                '{{}}') AS columns,
       (SELECT jsonb_agg(jsonb_build_object('primary', i.indisprimary, 'columns', k.columns) ORDER BY i.indexrelid)
          FROM pg_catalog.pg_index i
          CROSS JOIN LATERAL (SELECT jsonb_agg(a.attname ORDER BY u.position) AS columns,
                                     bool_and(a.attnotnull) AS complete
                                FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (number, position)
                                LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number
                               WHERE u.position <= i.indnkeyatts) k
         WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
           AND k.complete) AS keys,
       (SELECT coalesce(jsonb_agg(a.attname), '[]') FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND (a.atthasdef OR a.attidentity <> '')) AS defaults,
       (SELECT coalesce(jsonb_agg(t.tgname), '[]') FROM pg_catalog.pg_trigger t
         WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled = 'O') AS triggers,
       (SELECT coalesce(jsonb_agg(DISTINCT pn.nspname || '.' || p.relname), '[]')
          FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class p ON p.oid = f.confrelid
          JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
         WHERE f.conrelid = c.oid AND f.contype = 'f') AS parents
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', %s)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                   AND d.objid = c.oid AND d.deptype = 'e')
"""
_SEQUENCES = """
SELECT schemaname || '.' || sequencename AS label, schemaname AS schema, sequencename AS name, last_value
  FROM pg_catalog.pg_sequences WHERE last_value IS NOT NULL
"""


class Source(Protocol):
    """A transaction of the service's own database."""

    def execute(self, statement: Sql) -> int:
        """Run one statement."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""


class Server(Protocol):
    """What going back needs of a cluster; the Postgres adapter is one."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""

    def value(self, statement: Sql) -> Any:
        """Run one query; return its first value."""

    def execute(self, statement: Sql) -> None:
        """Run one statement, committed at once."""

    def transaction(self, database: str, isolation: str = ..., read_only: bool = ...) -> ContextManager[Any]:
        """Open a transaction."""

    def copy_rows(self, source: Any, query: Sql, target: Any, into: Sql) -> int:
        """Stream the rows of one transaction's query into another's table; return how many."""


@dataclass(frozen=True)
class Table:
    """A table of the shared database or of the service's own.

    Arguments:
        columns: their types, by name, generated ones left out.
        key: the columns by which a row of one database is known in the other; none where it can't be told.
        surrogate: columns of a primary key that each database made for itself.
        parents: tables that its foreign keys refer to.
    """

    label: str
    columns: Mapping[str, str]
    key: Tuple[str, ...] = ()
    triggers: Tuple[str, ...] = ()
    parents: Tuple[str, ...] = ()
    surrogate: Tuple[str, ...] = ()

    @property
    def name(self) -> Tuple[str, str]:
        """Schema and name."""
        schema, dot, name = self.label.partition(".")
        return schema, name


@dataclass(frozen=True)
class RollbackState:
    """What there is to go back from.

    Arguments:
        entries: what the completed runs did, oldest first.
        written: rows of the own database that came, changed or went since it was filled.
        archived: whether the archive is there; a run that was cut off may have brought it back already.
        own, shared: the tables of both databases by label; those of the archive under the label of their old place.
    """

    entries: Sequence[Entry]
    fill: Optional[Fill] = None
    written: Mapping[str, Written] = field(default_factory=dict)
    archived: bool = True
    own: Mapping[str, Table] = field(default_factory=dict)
    shared: Mapping[str, Table] = field(default_factory=dict)


def read_rollback(server: Server, entries: Sequence[Entry], database: str, shared: str, archive: str) -> RollbackState:
    """Return what there is to go back from.

    Raises:
        StateError: nothing was completed, or one of the databases is gone.
    """
    if not entries:
        raise StateError(
            "The journal of %s holds nothing that was completed." % database,
            "What is still open is taken back by isolation_journal with state=undone.",
        )
    found = {row["datname"] for row in server.rows(Sql("SELECT datname::text FROM pg_catalog.pg_database"))}
    for name in (database, shared):
        if name and name not in found:
            raise StateError("There is no database %s any more." % name, "Restore it first.")
    fill = read_fill(server, database)
    natural = fill is None or fill.how != "copy"
    own = {table.label: table for table in _read_tables(server, database, natural)}
    found_there = {table.label: table for table in _read_tables(server, shared, natural)} if shared else {}
    old = {}
    for label, table in own.items():
        # Where it lies now, if it isn't in its old place; it is back there by the time that rows are carried.
        there = found_there.get(label) or found_there.get("%s.%s" % (archive, table.name[1]))
        if there is not None:
            old[label] = replace(there, label=label, parents=table.parents)
    written = written_since(server, database, fill, sorted(own)) if fill is not None else {}
    named = Sql("SELECT to_regnamespace(%s) IS NOT NULL", values=(quoted_name(archive),), database=shared)
    archived = not (shared and archive) or bool(server.value(named))
    return RollbackState(entries, fill, written, archived, own, old)


def _read_tables(server: Server, database: str, natural: bool) -> List[Table]:
    result = []
    for row in server.rows(Sql(_TABLES, values=(JOURNAL_SCHEMA,), database=database)):
        keys = row["keys"] or []
        primary = next((key["columns"] for key in keys if key["primary"]), None)
        others = [key["columns"] for key in keys if not key["primary"]]
        chosen = primary or (others[0] if others else [])
        surrogate: List[str] = []
        # A migration that ran in both databases gave the same row another number in each: its name tells it.
        if natural and primary and len(primary) == 1 and primary[0] in row["defaults"] and len(others) == 1:
            chosen, surrogate = others[0], primary
        # A type that was put aside with its table has another schema there.
        columns = {name: kind.rpartition(".")[2] for name, kind in row["columns"].items()}
        parts = (tuple(row["triggers"]), tuple(row["parents"]), tuple(surrogate))
        result.append(Table(row["label"], columns, tuple(chosen), *parts))
    return result


def plan_rollback(state: RollbackState, database: str, shared: str, rows: str) -> Plan:
    """Return the plan.

    Arguments:
        rows: ``refuse``, ``discard`` or ``copy_back``: what becomes of rows that came, changed or went since.

    Raises:
        ConflictError: rows came, and nothing was said of them; or they can't be carried back.
        StateError: what was put aside is gone, or it can't be told which rows came.
    """
    filled = state.fill.tables if state.fill else {}
    gone = sorted(label for label in filled if label in state.own and label not in state.shared)
    if shared and gone and len(gone) == len(state.own):
        raise StateError(
            "%s holds %s no more, in no archive either." % (shared, ", ".join(gone[:5])),
            "The archive's life is over: restore it from a dump, or stay.",
        )
    if state.fill is None and rows != "discard":
        raise StateError(
            "Database %s wasn't filled by us: which of its rows came later can't be told." % database,
            "Say rows=discard: the database is kept aside, whole.",
        )
    if state.written and rows == "refuse":
        raise ConflictError(
            "Since %s was filled rows came, changed or went: %s." % (database, describe(state.written)),
            "Say %srows=discard to go back without them; the database is kept aside, whole, in any case."
            % ("rows=copy_back to carry them to %s, or " % shared if shared else ""),
            written={label: vars(item) for label, item in state.written.items()},
        )
    plan = Plan()
    archive = archive_entries(state.entries, shared) if state.archived else []
    if archive:
        plan.add(
            Change(
                "what was put aside in %s" % shared,
                "in its archive",
                "in its old place",
                tuple(Sql.from_json(item) for entry in reversed(archive) for item in entry["undo"]),
                data="archive",
            )
        )
    if rows == "copy_back" and state.written and not shared:
        raise ConflictError("There is no shared database to carry rows to.", "Say rows=discard.")
    if rows == "copy_back" and state.written:
        _check_copy_back(state, shared)
        plan.add(
            Change(
                "rows of %d tables from %s to %s" % (len(state.written), database, shared),
                after=describe(state.written),
                data="rows",
            )
        )
        if state.fill is not None and state.fill.how != "copy" and any(item.gone for item in state.written.values()):
            plan.warnings.append(
                "Rows that a migration had made in %s too, and that were removed there since, stay in %s."
                % (database, shared)
            )
    host = [entry for entry in state.entries if entry["kind"] in ON_THE_HOST]
    if host:
        plan.add(
            Change(
                "files and services",
                after="".join("%s\n" % (entry.get("path") or ", ".join(entry.get("services") or ())) for entry in host),
                data="host",
            )
        )
    plan.add(Change("database %s" % database, "in use", "kept aside under another name", data="aside"))
    return plan


def archive_entries(entries: Sequence[Entry], shared: str) -> List[Entry]:
    """Return those entries that concern nothing but the shared database, oldest first."""
    return [
        entry
        for entry in entries
        if shared
        and entry["kind"] == "sql"
        and entry["undo"]
        and all(item["database"] == shared for item in entry["undo"])
    ]


def describe(written: Mapping[str, Written]) -> str:
    """Return what was written since, as a person reads it."""
    return ", ".join(
        "%s (%d came or changed, %d went or changed)" % (label, item.came, item.gone)
        for label, item in sorted(written.items())
    )


def _check_copy_back(state: RollbackState, shared: str) -> None:
    copied = state.fill is not None and state.fill.how == "copy"
    for label in sorted(state.written):
        table, old = state.own[label], state.shared.get(label)
        if old is None:
            raise ConflictError(
                "Table %s isn't in %s: the service was upgraded since." % (label, shared),
                "Its rows can't be carried back. Stay, or go back with rows=discard.",
            )
        if dict(table.columns) != dict(old.columns):
            raise ConflictError(
                "Table %s has other columns than in %s: the service was upgraded since." % (label, shared),
                "Its rows can't be carried back. Stay, or go back with rows=discard.",
            )
        if not table.key and not copied:
            raise ConflictError(
                "Table %s has no key: which of its rows are new in %s can't be told." % (label, shared),
                "Carry them by hand, or go back with rows=discard.",
            )


def bring_back(state: RollbackState, plan: Plan, server: Server, database: str, shared: str) -> None:
    """Do what concerns the shared database, in one transaction of it; writers are kept off the own one meanwhile.

    Raises:
        BulkheadError: nothing was changed.
    """
    if not shared:
        return
    with server.transaction(shared) as target:
        for change in plan:
            for statement in change.statements:
                target.execute(statement)
        if not any(change.data == "rows" for change in plan):
            return
        with server.transaction(database, "REPEATABLE READ") as source:
            tables = _in_order([state.shared[label] for label in state.written])
            for table in tables:
                source.execute(Sql("LOCK TABLE ONLY {} IN SHARE MODE", (table.name,)))
            _carry(state, tables, server, source, target)
            _carry_sequences(source, target, {table.name[0] for table in state.own.values()})


def _in_order(tables: Sequence[Table]) -> List[Table]:
    """Return tables with those first that others refer to."""
    waiting = {table.label: table for table in tables}
    result: List[Table] = []
    while waiting:
        free = [
            table
            for label, table in waiting.items()
            if not any(parent in waiting and parent != label for parent in table.parents)
        ]
        # Tables that refer to each other: their constraints decide.
        for table in free or list(waiting.values()):
            result.append(waiting.pop(table.label))
    return result


# COLUMNS, KEY, SAME, CHANGES and WHERE stand for so many identifiers as a table needs.
_STAGE = "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT COLUMNS FROM ONLY {} LIMIT 0"
_SEND = "COPY (SELECT COLUMNS FROM ONLY {} WHERE) TO STDOUT"
_SINCE = "WHERE age(xmin) < age('%d'::xid8::xid)"
_RECEIVE = "COPY pg_temp.{} (COLUMNS) FROM STDIN"
_INDEX = "CREATE INDEX ON pg_temp.{} (COLUMNS)"
_EMPTY = "DELETE FROM ONLY {}"
_REMOVE = "DELETE FROM ONLY {} o WHERE NOT EXISTS (SELECT FROM pg_temp.{} t WHERE SAME)"
_INSERT = "INSERT INTO {} (COLUMNS) OVERRIDING SYSTEM VALUE SELECT COLUMNS FROM pg_temp.{}"
_CONFLICT = " ON CONFLICT (KEY) DO CHANGES"


def _list(count: int) -> str:
    return ", ".join(["{}"] * count)


def _carry(state: RollbackState, tables: Sequence[Table], server: Server, source: Any, target: Any) -> None:
    after = state.fill.after_xid if state.fill is not None else ""
    copied = state.fill is not None and state.fill.how == "copy"
    for table in tables:
        for trigger in table.triggers:
            target.execute(Sql("ALTER TABLE {} DISABLE TRIGGER {}", (table.name, trigger)))
    target.execute(Sql("SET CONSTRAINTS ALL DEFERRED"))
    came = {table.label: "bulkhead_came_%d" % number for number, table in enumerate(tables)}
    for table in tables:
        since = _SINCE % int(after) if table.key else ""
        _stage(table, tuple(table.columns), came[table.label], since, server, source, target)
    for table in reversed(tables):
        if not table.key:
            target.execute(Sql(_EMPTY, (table.name,)))
        elif copied and state.written[table.label].gone:
            # What the shared database holds beside the keys that are there was removed since.
            there = came[table.label].replace("came", "there")
            _stage(table, table.key, there, "", server, source, target)
            target.execute(Sql(_INDEX.replace("COLUMNS", _list(len(table.key))), (there, *table.key)))
            same = " AND ".join(["o.{} = t.{}"] * len(table.key))
            pairs = tuple(name for column in table.key for name in (column, column))
            target.execute(Sql(_REMOVE.replace("SAME", same), (table.name, there, *pairs)))
    for table in tables:
        target.execute(_merge(table, came[table.label]))
    # A constraint that was put off must hold before the tables are altered again.
    target.execute(Sql("SET CONSTRAINTS ALL IMMEDIATE"))
    for table in tables:
        for trigger in table.triggers:
            target.execute(Sql("ALTER TABLE {} ENABLE TRIGGER {}", (table.name, trigger)))


def _stage(
    table: Table, columns: Tuple[str, ...], name: str, since: str, server: Server, source: Any, target: Any
) -> None:
    """Put columns of a table's rows, those written since or all of them, into a temporary table of the target's."""
    marks = _list(len(columns))
    target.execute(Sql(_STAGE.replace("COLUMNS", marks), (name, *columns, table.name)))
    query = Sql(_SEND.replace("COLUMNS", marks).replace("WHERE", since), (*columns, table.name))
    server.copy_rows(source, query, target, Sql(_RECEIVE.replace("COLUMNS", marks), (name, *columns)))


def _merge(table: Table, name: str) -> Sql:
    columns = tuple(table.columns)
    text = _INSERT.replace("COLUMNS", _list(len(columns)))
    names: Tuple[Any, ...] = (table.name, *columns, *columns, name)
    if not table.key:
        return Sql(text, names)
    # A row that is known by its name keeps its number, which others refer to.
    changing = [column for column in columns if column not in table.key and column not in table.surrogate]
    changes = "UPDATE SET " + ", ".join(["{} = EXCLUDED.{}"] * len(changing)) if changing else "NOTHING"
    text += _CONFLICT.replace("KEY", _list(len(table.key))).replace("CHANGES", changes)
    return Sql(text, (*names, *table.key, *(name for column in changing for name in (column, column))))


def _carry_sequences(source: Any, target: Any, schemas: Set[str]) -> None:
    """Let sequences of the shared database go on where those of the own one stand, where they are further."""
    there = {row["label"]: row["last_value"] for row in target.rows(Sql(_SEQUENCES))}
    for row in source.rows(Sql(_SEQUENCES)):
        if row["schema"] not in schemas or row["last_value"] <= there.get(row["label"], row["last_value"]):
            continue
        target.rows(
            Sql(
                "SELECT pg_catalog.setval(pg_catalog.format('%%I.%%I', %s, %s)::regclass, %s)",
                values=(row["schema"], row["name"], row["last_value"]),
            )
        )
