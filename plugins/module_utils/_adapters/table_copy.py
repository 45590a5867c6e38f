# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table's rows as a COPY stream: from one connection into another, hashed on the way, never whole in memory."""

import contextlib
import fcntl
import hashlib
import io
import os
import threading
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from .._core.errors import OutsideError
from .._core.sql import Sql
from .._isolation.copying import CopyTable, Digest
from .postgres import Postgres, Transaction, compose, statement_error

# The connections that come here were made with it: where it is missing, postgres.py has said so by then.
with contextlib.suppress(ImportError):
    import psycopg2
    from psycopg2 import sql as pg_sql

_CHUNK = 1024 * 1024
# What the text form of a value depends on; both ends of a comparison must agree.
_SETTINGS = (
    "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET bytea_output = 'hex';"
    " SET extra_float_digits = 1; SET synchronize_seqscans = off; SET row_security = off; SET statement_timeout = 0"
)


class CopyingPostgres(Postgres):
    """A cluster whose rows move: apart from what every module needs of one."""

    def copy_table(self, source: Transaction, table: CopyTable, target: str, progress: Callable[[int], None]) -> Digest:
        """Stream a table's rows from a transaction into another database; return what was sent."""
        with self._copying(source, target) as connection:
            return copy_table(source.connection, connection, table, progress)

    def copy_tables(self, source: Transaction, tables: Sequence[CopyTable], target: str) -> List[Digest]:
        """Stream tables' rows, one after the other, into a database that nobody needs yet; return what was sent."""
        with self._copying(source, target) as connection:
            with connection, connection.cursor() as cursor:
                # What gives the database its name waits for the disk, and then all before it is there.
                cursor.execute("SET synchronous_commit = off")
            return [copy_table(source.connection, connection, table, lambda size: None) for table in tables]

    @contextlib.contextmanager
    def _copying(self, source: Transaction, target: str) -> Iterator[Any]:
        """Give a connection to a database that rows are copied into, both ends prepared."""
        with contextlib.closing(self.connect(target)) as connection:
            connection.autocommit = False
            prepare(connection)
            connection.commit()
            prepare(source.connection)
            yield connection

    def copy_rows(self, source: Transaction, query: Sql, target: Transaction, into: Sql) -> int:
        """Stream what a transaction's COPY gives into another's table; return the number of rows."""
        for transaction in (source, target):
            prepare(transaction.connection)
        texts = [
            compose(statement).as_string(transaction.connection)
            for statement, transaction in ((query, source), (into, target))
        ]
        try:
            with target.connection.cursor() as cursor:
                return pipe(source.connection, texts[0], cursor, texts[1], lambda size: None)[0]
        except psycopg2.Error as error:
            raise statement_error(error, into) from error

    def digest_table(self, database: str, table: CopyTable) -> Digest:
        """Return what a table holds: rows, bytes, and the checksum of its COPY stream."""
        with contextlib.closing(self.connect(database)) as connection:
            prepare(connection)
            return digest_table(connection, table)


class _Hash(io.RawIOBase):
    """A sink that hashes and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.sha256 = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return len(data)


class _Reading:
    """The pipe's end for psycopg2, which fails where the other end failed: a half table must not be committed."""

    def __init__(self, handle: int, failed: List[BaseException], progress: Callable[[int], None]) -> None:
        self._handle = handle
        self._failed = failed
        self._progress = progress
        self.hash = _Hash()

    def read(self, size: int = _CHUNK) -> bytes:
        """Return the next bytes, none at the end."""
        data = os.read(self._handle, size)
        if not data and self._failed:
            raise self._failed[0]
        self.hash.write(data)
        self._progress(self.hash.size)
        return data


def prepare(connection: Any) -> None:
    """Let two connections write the same text for the same value; all are in UTF-8 where there is an encoding."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTINGS)


def pipe(source: Any, query: str, cursor: Any, statement: str, progress: Callable[[int], None]) -> Tuple[int, _Hash]:
    """Stream what one connection's COPY gives into another's; return the number of rows, and what went through.

    Arguments:
        cursor: of the target's connection, in a transaction of the caller's.

    Raises:
        psycopg2.Error, OSError, ValueError, OutsideError: either end failed; the caller rolls back.
    """
    reading, writing = os.pipe()
    # Larger than the default of 64 KiB: fewer changes between the two.
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(writing, getattr(fcntl, "F_SETPIPE_SZ", 1031), _CHUNK)
    failed: List[BaseException] = []
    rows = [0]

    def send() -> None:
        try:
            with os.fdopen(writing, "wb", buffering=_CHUNK) as stream, source.cursor() as sending:
                sending.copy_expert(query, stream, size=_CHUNK)
                rows[0] = sending.rowcount
        except BrokenPipeError:
            # The other end says why.
            return
        except (psycopg2.Error, OSError, ValueError) as error:
            failed.append(error)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    stream = _Reading(reading, failed, progress)
    try:
        cursor.copy_expert(statement, stream, size=_CHUNK)
        received = int(cursor.rowcount)
    finally:
        os.close(reading)
        sender.join()
        if failed:
            raise failed[0]
    if received != rows[0]:
        raise OutsideError("%d rows were sent and %d came." % (rows[0], received))
    return received, stream.hash


def copy_table(source: Any, target: Any, table: CopyTable, progress: Callable[[int], None]) -> Digest:
    """Stream a table's rows from one connection into another, in one transaction of the target's.

    Arguments:
        source, target: connections, both prepared.
        progress: is told how many bytes have come so far.

    Raises:
        OutsideError: either end failed; the target's table is empty then.
    """
    try:
        with target, target.cursor() as cursor:
            # Emptied in the transaction that fills it, so that its rows needn't be written twice (COPY, "FREEZE").
            cursor.execute(pg_sql.SQL("TRUNCATE ONLY {}").format(pg_sql.Identifier(table.schema, table.name)))
            rows, seen = pipe(
                source,
                _statement(table, "TO STDOUT", source),
                cursor,
                _statement(table, "FROM STDIN", target, ", FREEZE"),
                progress,
            )
    except (psycopg2.Error, OSError, ValueError, OutsideError) as error:
        raise _copy_error(table, error) from error
    return Digest(rows, seen.size, seen.sha256.hexdigest())


def digest_table(connection: Any, table: CopyTable) -> Digest:
    """Return what a table holds, as it would be copied."""
    sink = _Hash()
    try:
        with io.BufferedWriter(sink, _CHUNK) as stream, connection.cursor() as cursor:
            cursor.copy_expert(_statement(table, "TO STDOUT", connection), stream, size=_CHUNK)
            rows = cursor.rowcount
            stream.flush()
            return Digest(rows, sink.size, sink.sha256.hexdigest())
    except psycopg2.Error as error:
        raise _copy_error(table, error) from error


def _statement(table: CopyTable, direction: str, connection: Any, options: str = "") -> str:
    names = pg_sql.SQL(", ").join(pg_sql.Identifier(name) for name in table.columns)
    columns = pg_sql.SQL(" ({})" if table.columns else "{}").format(names)
    statement = pg_sql.SQL("COPY {}{} %s (FORMAT %s%s)" % (direction, "binary" if table.is_binary else "text", options))
    text: str = statement.format(pg_sql.Identifier(table.schema, table.name), columns).as_string(connection)
    return text


def _copy_error(table: CopyTable, error: Optional[BaseException]) -> OutsideError:
    text = str(error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    return OutsideError(
        "The rows of table %s can't be copied: %s." % (table.label, first.rstrip(".")),
        "Is the server's disk full, or was the server stopped?",
        sqlstate=getattr(error, "pgcode", None),
    )
