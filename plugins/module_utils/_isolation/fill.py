# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a database was filled, noted in it, in a schema of ours: what an interrupted run left is told from what counts.

The note holds the transaction after which nothing had been written yet: rows that came later are known by their xmin.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Protocol, Sequence

from .._core.sql import Sql

# Where our own notes lie in a service's database; PUBLIC has no right on it.
JOURNAL_SCHEMA = "bulkhead"
FILL_TABLE = (JOURNAL_SCHEMA, "fill")


class Server(Protocol):
    """What notes need of a cluster."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""

    def execute(self, statement: Sql) -> None:
        """Run one statement, committed at once."""


@dataclass(frozen=True)
class Fill:
    """How a database was filled.

    Arguments:
        how: ``copy`` or ``migrations``. source: the database that was copied.
        state: ``started`` (and never finished), ``rehearsal`` or ``final``.
        tables: rows and sha256 of each table, by its label, as they were copied.
        after_xid: the transaction that ended the filling.
    """

    how: str
    source: str
    state: str
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    after_xid: str = ""


def start_fill(server: Server, database: str, how: str, source: str, final: bool) -> None:
    """Note that filling begins."""
    for text in (
        "CREATE SCHEMA IF NOT EXISTS {}",
        "REVOKE ALL ON SCHEMA {} FROM PUBLIC",
    ):
        server.execute(Sql(text, (JOURNAL_SCHEMA,), database=database))
    server.execute(
        Sql(
            "CREATE TABLE IF NOT EXISTS {} (number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, how text NOT NULL,"
            " source text NOT NULL, state text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(),"
            " finished_at timestamptz, after_xid text, tables jsonb)",
            (FILL_TABLE,),
            database=database,
        )
    )
    server.execute(
        Sql("INSERT INTO {} (how, source, state) VALUES (%s, %s, 'started')", (FILL_TABLE,), (how, source), database)
    )


def finish_fill(server: Server, database: str, fill: Fill) -> None:
    """Note that filling has ended, and how."""
    server.execute(
        Sql(
            "UPDATE {} SET state = %s, tables = %s, finished_at = now(),"
            " after_xid = pg_catalog.pg_current_xact_id()::text WHERE number = (SELECT max(number) FROM {})",
            (FILL_TABLE, FILL_TABLE),
            (fill.state, json.dumps(fill.tables, sort_keys=True)),
            database,
        )
    )


def read_fill(server: Server, database: str) -> Optional[Fill]:
    """Return the newest note, or None where we never filled this database."""
    there = server.rows(
        Sql("SELECT to_regclass(%s) IS NOT NULL AS there", values=("%s.%s" % FILL_TABLE,), database=database)
    )
    if not there[0]["there"]:
        return None
    rows = server.rows(
        Sql(
            "SELECT how, source, state, coalesce(tables, '{{}}') AS tables, coalesce(after_xid, '') AS after_xid"
            " FROM {} ORDER BY number DESC LIMIT 1",
            (FILL_TABLE,),
            database=database,
        )
    )
    return (
        Fill(rows[0]["how"], rows[0]["source"], rows[0]["state"], rows[0]["tables"], rows[0]["after_xid"])
        if rows
        else None
    )


@dataclass(frozen=True)
class Written:
    """What was written to a table after it was filled: rows that came or changed, and rows that went or changed."""

    came: int
    gone: int


def written_since(server: Server, database: str, fill: Fill, tables: Sequence[str]) -> Dict[str, Written]:
    """Return what was written after a database was filled, by table, those without any left out.

    A row's xmin is the transaction that wrote it (PostgreSQL's manual, "System Columns").

    Arguments:
        tables: the tables of today, by label (``public.archon_settings``).
    """
    found: Dict[str, Written] = {}
    if not fill.after_xid:
        return found
    for start in range(0, len(tables), 100):
        some = list(tables[start : start + 100])
        text = " UNION ALL ".join(
            [
                "SELECT %s::int AS number, count(*) AS rows,"
                " count(*) FILTER (WHERE age(xmin) < age(%s::xid8::xid)) AS came FROM ONLY {}"
            ]
            * len(some)
        )
        values = tuple(value for number in range(len(some)) for value in (number, fill.after_xid))
        names = tuple(tuple(label.split(".", 1)) for label in some)
        for row in server.rows(Sql(text, names, values, database)):
            label = some[row["number"]]
            then = int(fill.tables.get(label, {}).get("rows", 0))
            gone = max(0, then - (row["rows"] - row["came"]))
            if row["came"] or gone:
                found[label] = Written(row["came"], gone)
    return found
