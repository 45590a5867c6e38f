# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a dump as it lies on the disk.

``hashed``: its bytes are the ones that came out of pg_dump. ``read``: besides, the server's own pg_restore reads the
whole archive, every row of it (``--list`` would read the table of contents only).
"""

import hashlib
import re
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import BulkheadError, VerificationError
from .ports import Folder, Server

# Every stage reports its own status on a descriptor of its own: dash has no pipefail.
_READ_WRAPPED = r"""
failed=$(
  {
    { zstd -q -dc 4>&- || echo "zstd=$?" >&4; } |
    { pg_restore --file=/dev/null 4>&- || echo "pg_restore=$?" >&4; }
  } 4>&1 </dev/stdin
)
[ -z "$failed" ] || { echo "failed stages: $failed" >&2; exit 1; }
"""


class HashedFile:
    """The chunks of a file, hashed while someone reads them; what nobody read is read by ``hexdigest``."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._chunks = folder.chunks(name)
        self._hash = hashlib.sha256()
        self._error: Optional[BulkheadError] = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._chunks:
                self._hash.update(chunk)
                yield chunk
        except BulkheadError as error:
            # The reader may be another thread: the error is kept for the one that asks for the digest.
            self._error = error

    def hexdigest(self) -> str:
        """Return the SHA-256 of the whole file."""
        for _rest in self:
            continue
        if self._error is not None:
            raise self._error
        return self._hash.hexdigest()


def first_lines(text: str, count: int = 3) -> str:
    """Return the first lines of what a program said, as one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[:count]).rstrip(".") or "it said nothing"


def verify_archive(folder: Folder, name: str, sha256: str, level: str, wrapped: bool, server: Server) -> None:
    """Verify a file of custom format.

    Raises:
        VerificationError: it isn't what was written, or pg_restore can't read it to its end.
    """
    content = HashedFile(folder, name)
    problem = ""
    if level == "read":
        argv = ["sh", "-c", _READ_WRAPPED] if wrapped else ["pg_restore", "--file=/dev/null"]
        found = server.run_client(argv, stdin=content, sink=_ignore, connect=False)
        if found.rc != 0:
            problem = "pg_restore can't read it to its end (exit status %d): %s" % (found.rc, first_lines(found.stderr))
    if content.hexdigest() != sha256:
        problem = "its bytes on the disk aren't those that were written"
    if problem:
        raise VerificationError(
            "The dump that was just made isn't good: %s. It was removed." % problem,
            "See the disk's health and the server's log; the copies from before are all still there.",
        )


def sequence_values(
    folder: Folder, name: str, sequences: Sequence[Mapping[str, Any]], wrapped: bool, server: Server
) -> List[Dict[str, Any]]:
    """Return the sequences, each with its value and whether that was handed out, as the archive sets them.

    Sequences follow no snapshot: what the archive says is what a restore gives, and only pg_restore tells it.
    """
    if not sequences:
        return []
    argv = ["pg_restore", "--data-only", "--file=-"] + ["--table=%s" % item["name"] for item in sequences]
    if wrapped:
        # pg_restore has read enough long before the end, and so zstd is cut off.
        argv = ["sh", "-c", 'zstd -q -dc 2>/dev/null | "$@"', "bulkhead-sequences"] + argv
    values: Dict[Tuple[str, ...], Tuple[int, bool]] = {}
    lines = _Lines(values)
    found = server.run_client(argv, stdin=folder.chunks(name), sink=lines, connect=False)
    if found.rc != 0:
        raise VerificationError("pg_restore can't read the sequences of the dump: %s." % first_lines(found.stderr))
    told = []
    for item in sequences:
        value, is_called = values.get((item["schema"], item["name"]), (None, None))
        told.append(dict(item, value=value, is_called=is_called))
    return told


class _Lines:
    """Takes pg_restore's output; keeps what it sets, and leaves out rows of a table that has a sequence's name."""

    _SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('((?:[^']|'')*)', (-?\d+), (true|false)\);")
    _PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')

    def __init__(self, values: Dict[Tuple[str, ...], Tuple[int, bool]]) -> None:
        self._values = values
        self._rest = b""
        self._in_rows = False

    def __call__(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._in_rows:
                self._in_rows = line != b"\\."
            elif line.startswith(b"COPY "):
                self._in_rows = True
            else:
                self._take(line)

    def _take(self, line: bytes) -> None:
        found = self._SETVAL.fullmatch(line)
        if found:
            name = found.group(1).decode("utf-8", "replace").replace("''", "'")
            parts = [quoted.replace('""', '"') or plain for quoted, plain in self._PART.findall(name)]
            self._values[tuple(parts)] = (int(found.group(2)), found.group(3) == b"true")


def _ignore(_data: bytes) -> Any:
    return None
