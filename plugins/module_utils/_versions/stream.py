# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a dump on their way from one server into another: hashed table by table, never whole in memory."""

import contextlib
import hashlib
import queue
import re
import threading
from typing import AbstractSet, Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

from .._core.errors import BulkheadError, OutsideError
from .._dumps.ports import ClientResult

# A table without columns has no list of them; a name may hold the end of a line.
_COPY = re.compile(rb'^COPY ("(?:[^"]|"")*")\.("(?:[^"]|"")*")(?: \((.*)\)| )? FROM stdin;\n$', re.DOTALL)
_COPY_END = b" FROM stdin;\n"
_NAME = re.compile(r'"((?:[^"]|"")*)"')
_QUOTED = re.compile(rb"'[^']*'|\"[^\"]*\"")
# They are many, long, and whole: pg_dump writes one a line.
_LARGE_OBJECT = b"SELECT pg_catalog.lowrite("
_WAITING = 64
_PATIENCE_S = 0.2


class Sent(NamedTuple):
    """What was sent of a table: its columns, bytes and SHA-256 of what COPY reads. Rows are counted when read back."""

    columns: Tuple[str, ...]
    size_bytes: int
    sha256: str


class Rows:
    """Reads the rows' section of a dump as it passes.

    Arguments:
        rewrite: gives what takes the place of a line that isn't a row.
        fresh: tables, as schema and name, that were made for these rows. Each is emptied in the transaction that fills
            it, so that its rows needn't be written twice (COPY, "FREEZE").
    """

    def __init__(self, rewrite: Callable[[bytes], bytes], fresh: AbstractSet[Tuple[str, str]] = frozenset()) -> None:
        self._rewrite = rewrite
        self._fresh = fresh
        self._parts: List[bytes] = []
        self._table: Tuple[str, str] = ("", "")
        self._columns: Tuple[str, ...] = ()
        self._hash: Any = None
        self._size = 0
        # The lines so far of a statement whose quotes aren't closed yet.
        self._open = b""
        self.sent: Dict[Tuple[str, str], Sent] = {}
        self.size_bytes = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what is to be passed on: whole lines."""
        end = chunk.rfind(b"\n") + 1
        if not end:
            # A row may be larger than any chunk.
            self._parts.append(chunk)
            return b""
        lines = b"".join([*self._parts, chunk[:end]])
        self._parts = [chunk[end:]]
        self.size_bytes += len(lines)
        return self._pass(lines)

    def finish(self) -> bytes:
        """Return what is left at the end.

        Raises:
            OutsideError: the dump ended among a table's rows.
        """
        if self._hash is not None:
            raise OutsideError("The dump ended among the rows of %s.%s." % self._table)
        rest, self._parts, self._open = b"".join([self._open, *self._parts]), [], b""
        return self._rewrite(rest) if rest else b""

    def _pass(self, lines: bytes) -> bytes:
        passed = []
        start = 0
        while start < len(lines):
            if self._hash is not None:
                # The end of the rows is a line of its own.
                end = start if lines.startswith(b"\\.\n", start) else lines.find(b"\n\\.\n", start) + 1
                rows = lines[start:end] if end or lines.startswith(b"\\.\n", start) else lines[start:]
                self._hash.update(rows)
                self._size += len(rows)
                passed.append(rows)
                start += len(rows)
                if lines.startswith(b"\\.\n", start):
                    passed.append(b"\\.\n")
                    start += 3
                    passed.append(self._end())
                continue
            end = lines.index(b"\n", start) + 1
            line = self._open + lines[start:end]
            start = end
            if _is_open(line):
                self._open = line
                continue
            self._open = b""
            found = _COPY.match(line)
            if found:
                passed.append(self._begin(line, *(part or b"" for part in found.groups())))
            else:
                passed.append(self._rewrite(line))
        return b"".join(passed)

    def _begin(self, line: bytes, schema: bytes, table: bytes, columns: bytes) -> bytes:
        texts = [part.decode("utf-8", "surrogateescape") for part in (schema, table, columns)]
        names = [name.replace('""', '"') for text in texts for name in _NAME.findall(text)]
        self._table, self._columns = (names[0], names[1]), tuple(names[2:])
        self._hash, self._size = hashlib.sha256(), 0
        if self._table not in self._fresh:
            return line
        copy = line[: -len(_COPY_END)] + b" FROM stdin WITH (FREEZE);\n"
        return b"BEGIN;\nTRUNCATE ONLY %s.%s;\n%s" % (schema, table, copy)

    def _end(self) -> bytes:
        self.sent[self._table] = Sent(self._columns, self._size, self._hash.hexdigest())
        self._hash = None
        return b"COMMIT;\n" if self._table in self._fresh else b""


def _is_open(statement: bytes) -> bool:
    """Whether a quote in a statement isn't closed: what follows on the next line is part of it, whatever it looks like.

    Two quotes for one are a text that ends and another that begins, which comes to the same.
    """
    if statement.startswith((b"--", _LARGE_OBJECT)):
        return False
    rest = _QUOTED.sub(b"", statement)
    return b"'" in rest or b'"' in rest


class Stopped(Exception):
    """Nobody reads any more what is sent."""


def pump(
    dump: Callable[[Callable[[bytes], Any]], ClientResult], load: Callable[[Iterator[bytes]], ClientResult], rows: Rows
) -> Tuple[ClientResult, ClientResult]:
    """Let one program's output be another one's input, side by side; return what each left.

    Arguments:
        dump: runs the one, and calls its argument with each chunk.
        load: runs the other, and feeds it from its argument.

    Raises:
        BulkheadError: either couldn't be run at all, or the dump ended in the middle.
    """
    waiting: "queue.Queue[Any]" = queue.Queue(_WAITING)
    over = threading.Event()
    result: List[Any] = []

    def put(item: Any) -> None:
        while not over.is_set():
            try:
                waiting.put(item, timeout=_PATIENCE_S)
                return
            except queue.Full:
                continue
        raise Stopped()

    def send() -> None:
        try:
            found = dump(lambda chunk: put(rows.feed(chunk)))
            put(rows.finish() if found.rc == 0 else b"")
            result.append(found)
            put(None)
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, who reads would wait forever
            result.append(error)
            with contextlib.suppress(Stopped):
                put(error if isinstance(error, BulkheadError) else OutsideError("The dump broke off: %s." % error))

    def chunks() -> Iterator[bytes]:
        while True:
            item = waiting.get()
            if item is None:
                return
            if isinstance(item, BulkheadError):
                raise item
            if item:
                yield item

    sender = threading.Thread(target=send, daemon=True, name="dump")
    sender.start()
    try:
        loaded = load(chunks())
    finally:
        over.set()
        sender.join()
    if result and isinstance(result[0], Exception):
        raise result[0]
    # Where the one that loads has failed, the other one was stopped in the middle.
    return (result[0] if result else loaded), loaded
