# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data section of a dump on its way from one server into another: rewritten line by line, never whole in memory."""

import contextlib
import queue
import re
import threading
from typing import Any, Callable, Iterator, List, Tuple

from .._core.errors import BulkheadError, OutsideError
from .._dumps.ports import ClientResult

# A table without columns has no list of them; a name may hold the end of a line.
_COPY = re.compile(rb'^COPY ("(?:[^"]|"")*"\."(?:[^"]|"")*")(?: \(.*\)| )? FROM stdin;\n$', re.DOTALL)
_QUOTED = re.compile(rb"'[^']*'|\"[^\"]*\"")
# They are many, long, and whole: pg_dump writes one a line.
_LARGE_OBJECT = b"SELECT pg_catalog.lowrite("
_WAITING = 64
_PATIENCE_S = 0.2


class Lines:
    """Reads a dump's data section as it passes, and rewrites what isn't a row.

    Arguments:
        rewrite: gives what takes the place of a line that isn't a row.
    """

    def __init__(self, rewrite: Callable[[bytes], bytes]) -> None:
        self._rewrite = rewrite
        self._parts: List[bytes] = []
        # Whose rows pass; empty between two tables.
        self._table = ""
        # The lines so far of a statement whose quotes aren't closed yet.
        self._open = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what is to be passed on: whole lines."""
        end = chunk.rfind(b"\n") + 1
        if not end:
            # A row may be larger than any chunk.
            self._parts.append(chunk)
            return b""
        lines = b"".join([*self._parts, chunk[:end]])
        self._parts = [chunk[end:]]
        return self._pass(lines)

    def finish(self) -> bytes:
        """Return what is left at the end.

        Raises:
            OutsideError: the dump ended among a table's rows.
        """
        if self._table:
            raise OutsideError("The dump ended among the rows of %s." % self._table)
        rest, self._parts, self._open = b"".join([self._open, *self._parts]), [], b""
        return self._rewrite(rest) if rest else b""

    def _pass(self, lines: bytes) -> bytes:
        passed = []
        start = 0
        while start < len(lines):
            if self._table:
                # The end of the rows is a line of its own.
                at_once = lines.startswith(b"\\.\n", start)
                found = start if at_once else lines.find(b"\n\\.\n", start) + 1
                ends = at_once or found > 0
                end = found + 3 if ends else len(lines)
                passed.append(lines[start:end])
                start = end
                if ends:
                    self._table = ""
                continue
            end = lines.index(b"\n", start) + 1
            line = self._open + lines[start:end]
            start = end
            if _is_open(line):
                self._open = line
                continue
            self._open = b""
            copied = _COPY.match(line)
            if copied:
                self._table = copied.group(1).decode("utf-8", "replace")
            passed.append(line if copied else self._rewrite(line))
        return b"".join(passed)


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
    dump: Callable[[Callable[[bytes], Any]], ClientResult],
    load: Callable[[Iterator[bytes]], ClientResult],
    lines: Lines,
) -> Tuple[ClientResult, ClientResult]:
    """Let one program's output be another one's input, side by side; return what each left.

    Arguments:
        dump: runs the one, and calls its argument with each chunk.
        load: runs the other, and feeds it from its argument.
        lines: rewrites each line on its way, for a server that is older.

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
            found = dump(lambda chunk: put(lines.feed(chunk)))
            put(lines.finish() if found.rc == 0 else b"")
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
