# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds in one snapshot: pg_dump dumps the same one, so the manifest and the dump can't disagree."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Sequence

from .._core.errors import OutsideError
from .._core.sql import Sql
from .ports import Transaction

# Each count is one more table in one statement's range: a bounded statement keeps planning and locking bounded.
_COUNTS_PER_QUERY = 200

_OPEN = """
SELECT pg_export_snapshot() AS snapshot,
       to_char(transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS wal_position
"""

_FACTS = """
SELECT current_setting('server_version') AS server_version,
       current_setting('server_version_num')::int AS server_version_num,
       pg_database_size(d.oid) AS database_size_bytes,
       pg_get_userbyid(d.datdba) AS owner,
       pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS lc_collate,
       d.datctype AS lc_ctype,
       has_function_privilege('pg_control_system()', 'EXECUTE') AS identifier_shown
  FROM pg_database d
 WHERE d.datname = current_database()
"""

_IDENTIFIER = "SELECT system_identifier::text AS id FROM pg_control_system()"

# A table that an extension brings is no user's table: pg_dump leaves it to CREATE EXTENSION.
_TABLES = """
SELECT n.nspname AS schema, c.relname AS name, pg_get_userbyid(c.relowner) AS owner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
 ORDER BY 1, 2
"""


# The first rows of the largest tables: cheap to have, and what most of the dump will be like.
_LARGEST = """
SELECT n.nspname AS schema, c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
 ORDER BY pg_table_size(c.oid) DESC
 LIMIT 2
"""
# A few wide rows tell as much as many narrow ones, and are asked for first.
_SAMPLED_ROWS = (30, 300)
_SAMPLED_BYTES = 16 * 1024


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that is exported for as long as its transaction is open."""

    name: str
    at: str
    wal_position: str


@contextmanager
def without_locks(transaction: Transaction) -> Iterator[None]:
    """Give back the locks that the block takes: who goes back to a savepoint has none of those taken since (lock.c).

    A transaction that waits for pg_dump while it holds them may wait forever: who refreshes a materialised view that it
    has looked at waits for it, pg_dump waits behind that one, and no deadlock detector sees that it waits for pg_dump.
    """
    transaction.execute(Sql("SAVEPOINT bulkhead_look"))
    yield
    transaction.execute(Sql("ROLLBACK TO SAVEPOINT bulkhead_look"))
    transaction.execute(Sql("RELEASE SAVEPOINT bulkhead_look"))


def open_snapshot(transaction: Transaction, lock_timeout_s: int) -> Snapshot:
    """Export the snapshot of a REPEATABLE READ transaction."""
    # Like pg_dump: where a policy would hide rows this fails instead of counting fewer.
    transaction.execute(Sql("SET LOCAL row_security = off"))
    transaction.execute(Sql("SELECT set_config('lock_timeout', %s, true)", values=("%ds" % lock_timeout_s,)))
    # A server's or a role's limits are meant for its applications.
    transaction.execute(Sql("SET LOCAL statement_timeout = 0"))
    transaction.execute(Sql("SET LOCAL idle_in_transaction_session_timeout = 0"))
    row = transaction.rows(Sql(_OPEN))[0]
    return Snapshot(row["snapshot"], row["at"], row["wal_position"])


def database_facts(transaction: Transaction) -> Dict[str, Any]:
    """Return versions, size, owner and locale of a database, and its cluster's identifier where we may see it."""
    facts: Dict[str, Any] = dict(transaction.rows(Sql(_FACTS))[0])
    facts["database_size_bytes"] = int(facts["database_size_bytes"])
    facts["system_identifier"] = None
    if facts.pop("identifier_shown"):
        facts["system_identifier"] = transaction.rows(Sql(_IDENTIFIER))[0]["id"]
    return facts


def count_rows(transaction: Transaction) -> List[Dict[str, Any]]:
    """Return schema, name, owner and number of rows of every user table, as the transaction's snapshot has them."""
    tables = transaction.rows(Sql(_TABLES))
    counted: List[Dict[str, Any]] = []
    for start in range(0, len(tables), _COUNTS_PER_QUERY):
        try:
            with without_locks(transaction):
                counted.extend(_count_some(transaction, tables[start : start + _COUNTS_PER_QUERY]))
        except OutsideError as error:
            raise explained(error) from error
    return counted


def explained(error: OutsideError) -> OutsideError:
    """Return the error of a query over many tables as one that says which it was, and what mends it."""
    # The statement counts many tables; it would only hide what the server says after it.
    said = error.message.rpartition("`: ")[2]
    if error.details.get("sqlstate") == "42501":
        return OutsideError(
            "The role that dumps may not read every table: %s" % said,
            "Use the database's owner or a superuser (Supabase's is supabase_admin).",
        )
    if error.details.get("sqlstate") == "55P03":
        return OutsideError(
            "A table is held locked, so its rows can't be counted: %s" % said,
            "See pg_locks for who holds it, or raise lock_timeout.",
        )
    return OutsideError("The tables' rows can't be counted: %s" % said)


def _count_some(transaction: Transaction, tables: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    text = " UNION ALL ".join(["SELECT %s::int AS number, count(*) AS rows FROM ONLY {}"] * len(tables))
    names = tuple((table["schema"], table["name"]) for table in tables)
    found = transaction.rows(Sql(text, names=names, values=tuple(range(len(tables)))))
    by_number = {row["number"]: int(row["rows"]) for row in found}
    return [dict(table, rows=by_number[number]) for number, table in enumerate(tables)]


def sample_rows(transaction: Transaction) -> bytes:
    """Return some rows of the largest tables as text, to see how well they can be compressed.

    Raises:
        OutsideError: they may not be read.
    """
    texts: List[str] = []
    for table in transaction.rows(Sql(_LARGEST)):
        name = (table["schema"], table["name"])
        rows: List[str] = []
        for limit in _SAMPLED_ROWS:
            try:
                with without_locks(transaction):
                    found = transaction.rows(Sql("SELECT t::text AS row FROM ONLY {} t LIMIT %s", (name,), (limit,)))
            except OutsideError as error:
                raise explained(error) from error
            rows = [row["row"] for row in found]
            if len(rows) < limit or sum(map(len, rows)) >= _SAMPLED_BYTES:
                break
        texts.extend(rows)
    return "\n".join(texts).encode("utf-8")
