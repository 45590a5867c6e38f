# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan -> apply: one change after the other, each journalled first; a failure takes back what this plan had done."""

import contextlib
import uuid
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Protocol, Sequence, Tuple

from .._core.errors import BulkheadError, OutsideError, VerificationError
from .._core.plan import Change, Plan
from .._core.sql import Secret, Sql
from .._journal.journal import fingerprint_entry, sql_entry
from .copying import Copy, Progress, carry_out
from .fill import Fill, finish_fill, start_fill
from .migration import psql_command
from .model import Cluster, Content, Migration, State, Wanted
from .read import count_rows, qualified, read_content
from .shared import verify_shared
from .verify import differences, expected, role_differences

Record = Callable[[Dict[str, Any]], None]


class Server(Cluster, Protocol):
    """What applying needs of a cluster; the Postgres adapter is one."""

    @property
    def maintenance_database(self) -> str:
        """The database in which cluster-wide statements run."""

    def disconnect(self, database: str) -> None:
        """Close our own connection to a database."""

    def client_file(self, data: bytes, suffix: str) -> ContextManager[str]:
        """Put a file beside the client programs; yield its path there."""


def apply(
    plan: Plan,
    wanted: Wanted,
    state: State,
    server: Server,
    record: Optional[Record] = None,
    progress: Optional[Progress] = None,
) -> None:
    """Apply a plan, and verify what is expected of the database that it leaves.

    Arguments:
        record: writes an entry to the journal, durably; without one there is none.
        progress: is told what is being done, and how much of it.

    Raises:
        BulkheadError: something failed; what this plan had done was taken back, and the message says so.
    """
    write = record or (lambda entry: None)
    tell = progress or (lambda report: None)
    with _all_or_nothing(wanted, server, write) as (done, begin):
        for change in plan:
            begin(change)
            tell({"doing": change.what})
            _apply_one(change, wanted, server, tell)
        content = read_content(server, wanted)
        _verify(wanted, state, server, content, done)
        if any(isinstance(change.data, (Migration, Copy)) for change in done):
            if not any(isinstance(change.data, Copy) for change in done):
                labels = {"%s.%s" % qualified(table): table for table in content.tables}
                counts = count_rows(server, wanted.database, content.tables)
                kept = {label: {"rows": counts[table]} for label, table in labels.items()}
                start_fill(server, wanted.database, "migrations", "", True)
                finish_fill(server, wanted.database, Fill("migrations", "", "final", kept))
            rows = count_rows(server, wanted.database, content.tables)
            existed = state.database is not None
            owner = state.database.owner if state.database is not None else wanted.owner
            write(fingerprint_entry(wanted.database, rows, existed, owner))


def apply_shared(plan: Plan, wanted: Wanted, state: State, server: Server, record: Optional[Record] = None) -> None:
    """Apply a plan that isolates inside of a shared database, and verify that nobody else is let in.

    Raises:
        BulkheadError: something failed; what this plan had done was taken back, and the message says so.
    """
    with _all_or_nothing(wanted, server, record or (lambda entry: None)) as (_done, begin):
        for change in plan:
            begin(change)
            _apply_one(change, wanted, server, lambda report: None)
        verify_shared(server, wanted, state)
        wrong = role_differences(server, wanted, wanted.expect)
        if wrong:
            raise VerificationError("Database %s isn't as expected: %s." % (wanted.database, "; ".join(wrong)))


@contextlib.contextmanager
def _all_or_nothing(
    wanted: Wanted, server: Server, write: Record
) -> Iterator[Tuple[List[Change], Callable[[Change], None]]]:
    """Yield the list of changes that were begun, and what begins one: it is in the journal before it is made."""
    done: List[Change] = []
    identifiers: List[str] = []

    def begin(change: Change) -> None:
        done.append(change)
        identifiers.append(uuid.uuid4().hex)
        write(sql_entry(identifiers[-1], change.what, change.undo))

    try:
        yield done, begin
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


def _verify(wanted: Wanted, state: State, server: Server, content: Content, done: Sequence[Change]) -> None:
    """Raise where the database isn't as expected: as its owner, and as each role that will use it.

    A plan that puts the old tables aside takes what the old place held with it: what the description states remains.
    """
    expect = expected(wanted, state)
    wrong = differences(wanted, content, expect)
    filled = any(isinstance(change.data, (Migration, Copy)) for change in done)
    if filled:
        wrong += [
            "table %s is owned by %s: the next upgrade of its program would fail" % (table, owner)
            for table, owner in sorted(content.owners.items())
            if owner != wanted.owner and table in expect.tables
        ]
    if not wrong and (filled or wanted.expect.roles):
        wrong += role_differences(server, wanted, expect)
    if wrong:
        raise VerificationError("Database %s isn't as expected: %s." % (wanted.database, "; ".join(wrong)))


def _apply_one(change: Change, wanted: Wanted, server: Server, progress: Progress) -> None:
    if isinstance(change.data, Copy):
        carry_out(change.data, server, progress)
    elif isinstance(change.data, Migration):
        for statement in change.statements:
            server.execute(statement)
        run_migration(change.data, wanted, server)
    elif change.data == "transaction":
        with server.transaction(change.statements[0].database) as transaction:
            for statement in change.statements:
                transaction.execute(statement)
    else:
        for statement in change.statements:
            _leave_first(statement, server)
            server.execute(statement)


def _leave_first(statement: Sql, server: Server) -> None:
    """Close our own connection to a database that is about to go."""
    if statement.text.startswith("DROP DATABASE"):
        server.disconnect(str(statement.names[0]))


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
            "Migration %s failed in database %s; %s: %s."
            % (
                migration.name,
                wanted.database,
                "what it had committed before stays" if migration.own_transactions else "nothing of it was kept",
                wrong[0].replace("psql:", "").strip().rstrip("."),
            ),
            None,
            rc=result.rc,
            stderr="\n".join(lines[:20]),
        )
    server.execute(Sql("SELECT pg_notify('pgrst', 'reload schema')", database=wanted.database))


def _take_back(done: Sequence[Change], wanted: Wanted, server: Server) -> List[str]:
    """Undo changes, the newest first; return what could not be undone."""
    left = []
    for change in reversed(done):
        old_password = change.data if isinstance(change.data, Secret) else None
        back = (Sql("ALTER ROLE {} PASSWORD %s", (wanted.owner,), (old_password,)),) if old_password else ()
        for statement in change.undo + back:
            _leave_first(statement, server)
            try:
                server.execute(statement)
            except BulkheadError as error:
                left.append("%s (%s)" % (change.what, error.message))
    return left
