# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan -> apply: one change after the other, each journalled first; a failure takes back what this plan had done."""

import uuid
from typing import Any, Callable, ContextManager, Dict, List, Optional, Protocol, Sequence

from .._core.errors import BulkheadError, OutsideError, VerificationError
from .._core.plan import Change, Plan
from .._core.sql import Sql
from .._journal.journal import fingerprint_entry, sql_entry
from .migration import psql_command
from .model import Migration, State, Wanted
from .read import count_rows, read_content
from .verify import differences

Record = Callable[[Dict[str, Any]], None]


class Statements(Protocol):
    """Statements in one transaction."""

    def execute(self, statement: Sql) -> int:
        """Run one statement."""


class Server(Protocol):
    """What applying needs of a cluster; the Postgres adapter is one."""

    @property
    def maintenance_database(self) -> str:
        """The database in which cluster-wide statements run."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows as dictionaries."""

    def value(self, statement: Sql) -> Any:
        """Run one query; return the first column of its first row."""

    def execute(self, statement: Sql) -> None:
        """Run one statement, committed at once."""

    def disconnect(self, database: str) -> None:
        """Close our own connection to a database."""

    def transaction(self, database: str) -> ContextManager[Statements]:
        """Open a transaction."""

    def client_file(self, data: bytes, suffix: str) -> ContextManager[str]:
        """Put a file beside the client programs; yield its path there."""

    def run_client(self, argv: Sequence[str]) -> Any:
        """Run a client program beside the server; its rc, stdout and stderr."""


def apply(plan: Plan, wanted: Wanted, state: State, server: Server, record: Optional[Record] = None) -> List[str]:
    """Apply a plan and verify what the description expects.

    Arguments:
        record: writes an entry to the journal, durably; without one there is none.

    Returns: the differences that were found, always empty: any raises.

    Raises:
        BulkheadError: something failed; what this plan had done was taken back, and the message says so.
    """
    write = record or (lambda entry: None)
    done: List[Change] = []
    identifiers: List[str] = []
    try:
        for change in plan:
            done.append(change)
            identifiers.append(uuid.uuid4().hex)
            write(sql_entry(identifiers[-1], change.what, change.undo))
            _apply_one(change, wanted, server)
        content = read_content(server, wanted)
        wrong = differences(wanted, content)
        if wrong:
            raise VerificationError("Database %s isn't as expected: %s." % (wanted.database, "; ".join(wrong)))
        if any(isinstance(change.data, Migration) for change in done):
            rows = count_rows(server, wanted.database, content.tables)
            existed = state.database is not None
            owner = state.database.owner if state.database is not None else wanted.owner
            write(fingerprint_entry(wanted.database, rows, existed, owner))
    except BulkheadError as error:
        left = _take_back(done, wanted, server)
        if not left:
            write({"kind": "taken_back", "ids": identifiers})
        error.remedy = "%s%s" % (
            error.remedy + " " if error.remedy else "",
            "What was begun was taken back; nothing is left of it."
            if not left
            else "Taking it back failed as well: " + "; ".join(left),
        )
        raise
    return wrong


def _apply_one(change: Change, wanted: Wanted, server: Server) -> None:
    if isinstance(change.data, Migration):
        for statement in change.statements:
            server.execute(statement)
        run_migration(change.data, wanted, server)
    elif change.data == "transaction":
        with server.transaction(change.statements[0].database) as transaction:
            for statement in change.statements:
                transaction.execute(statement)
    else:
        for statement in change.statements:
            server.execute(statement)


def run_migration(migration: Migration, wanted: Wanted, server: Server) -> None:
    """Run a migration beside the server: the file is put there whole, checked by hash, and run in one transaction.

    Raises:
        OutsideError: psql failed: with its own words; nothing of the file stays.
    """
    with server.client_file(migration.data, ".sql") as path:
        hashed = server.run_client(["sha256sum", path]).stdout.decode("utf-8", "replace").split()
        if not hashed or hashed[0] != migration.checksum:
            raise OutsideError(
                "Migration %s didn't arrive whole beside the server." % migration.name, "Is its disk full?"
            )
        result = server.run_client(psql_command(wanted, migration, path))
    if result.rc != 0:
        lines = [line.replace(path, migration.name) for line in result.stderr.splitlines() if line.strip()]
        wrong = [line for line in lines if "ERROR" in line or "FATAL" in line] or lines or ["no message"]
        raise OutsideError(
            "Migration %s failed in database %s; nothing of it was kept: %s."
            % (migration.name, wanted.database, wrong[0].replace("psql:", "").strip().rstrip(".")),
            None,
            rc=result.rc,
            stderr="\n".join(lines[:20]),
        )
    server.execute(Sql("SELECT pg_notify('pgrst', 'reload schema')", database=wanted.database))


def _take_back(done: Sequence[Change], wanted: Wanted, server: Server) -> List[str]:
    """Undo changes, the newest first; return what could not be undone."""
    left = []
    for change in reversed(done):
        for statement in change.undo:
            if statement.text.startswith("DROP DATABASE"):
                server.disconnect(wanted.database)
            try:
                server.execute(statement)
            except BulkheadError as error:
                left.append("%s (%s)" % (change.what, error.message))
    return left
