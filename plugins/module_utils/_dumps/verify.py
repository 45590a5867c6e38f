# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a dump as it lies on the disk.

``hashed``: its bytes are the ones that came out of pg_dump. ``read``: besides, the server's own pg_restore reads the
whole archive, every row of it (``--list`` would read the table of contents only).

In directory format pg_dump writes the files itself: their bytes are those that lay on the disk once they were synced.
The hash of such a dump is that of its listing, which ``LC_ALL=C sha256sum *`` prints.
"""

import hashlib
import itertools
import re
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import BulkheadError, VerificationError
from .catalogue import is_directory
from .ports import ClientResult, Folder, Server

# Every stage reports its own status on a descriptor of its own: dash has no pipefail. What comes first on stdin is the
# archive's head once more, $1 bytes of it: its table of contents sets the sequences, and one command is started less.
_READ = r"""
head=$1 unpack=$2
shift 2
if [ "$head" -gt 0 ]; then
  dd bs="$head" count=1 iflag=fullblock 2>/dev/null | $unpack 2>/dev/null |
    pg_restore --data-only --file=- "$@" 2>/dev/null
fi
failed=$(
  {
    { $unpack 4>&- || echo "unpacking=$?" >&4; } |
    { pg_restore --file=/dev/null 4>&- || echo "pg_restore=$?" >&4; }
  } 4>&1 </dev/stdin
)
[ -z "$failed" ] || { echo "failed stages: $failed" >&2; exit 1; }
"""
_HEAD_BYTES = 256 * 1024
_READ_SEQUENCES = ("pg_restore", "--data-only", "--file=-")
_UNREADABLE = "pg_restore can't read it to its end (exit status %d): %s"


def hash_files(folder: Folder, name: str) -> Iterator[Dict[str, Any]]:
    """Yield name, size_bytes and sha256 of each file of a dump in directory format, sorted by the bytes of its name."""
    for file, size_bytes in folder.files(name):
        digest = HashedFile(folder, "%s/%s" % (name, file)).hexdigest()
        yield {"name": file, "size_bytes": size_bytes, "sha256": digest}


def listed(file: Mapping[str, Any]) -> bytes:
    """Return the line of a file in the listing."""
    return ("%s  %s\n" % (file["sha256"], file["name"])).encode("utf-8", "surrogateescape")


class HashedFile:
    """The chunks of a file, hashed while someone reads them; what nobody read is read by ``hexdigest``.

    Those of a dump in directory format are the lines of its listing.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._chunks = map(listed, hash_files(folder, name)) if is_directory(name) else folder.chunks(name)
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


def verify_archive(
    folder: Folder,
    name: str,
    sha256: str,
    level: str,
    wrapped: bool,
    server: Server,
    sequences: Sequence[Mapping[str, Any]] = (),
) -> List[Dict[str, Any]]:
    """Verify a file of custom format; return the sequences, each with its value and whether that was handed out.

    Sequences follow no snapshot: what the archive says is what a restore gives, and only pg_restore tells it.

    Raises:
        VerificationError: it isn't what was written, or pg_restore can't read it to its end.
    """
    content = HashedFile(folder, name)
    problem, told = "", _Sequences(sequences)
    if level == "read":
        head = next(folder.chunks(name), b"")[:_HEAD_BYTES] if sequences else b""
        argv = ["sh", "-c", _READ, "bulkhead-read", str(len(head)), "zstd -q -dc" if wrapped else "cat"]
        stdin = itertools.chain([head], content) if head else content
        found = server.run_client(argv + told.patterns, stdin=stdin, sink=told, connect=False)
        if found.rc != 0:
            problem = _UNREADABLE % (found.rc, first_lines(found.stderr))
    _judge(content, sha256, problem)
    if not told.complete:
        _read_sequences(folder, name, wrapped, server, told)
    return told.values()


def verify_directory(
    folder: Folder,
    name: str,
    path: str,
    sha256: str,
    level: str,
    server: Server,
    sequences: Sequence[Mapping[str, Any]] = (),
) -> List[Dict[str, Any]]:
    """Do the same for a dump in directory format, whose bytes pg_restore takes from the disk itself.

    Arguments:
        path: where the server's programs see it.
        sha256: what it was before pg_restore read it.
    """
    problem, told = "", _Sequences(sequences)
    if level == "read":
        found = server.run_client(["pg_restore", "--file=/dev/null", path], connect=False)
        if found.rc != 0:
            problem = _UNREADABLE % (found.rc, first_lines(found.stderr))
    _judge(HashedFile(folder, name), sha256, problem)
    if not told.complete:
        argv = [*_READ_SEQUENCES, *told.patterns, path]
        _check_sequences(server.run_client(argv, sink=told, connect=False))
    return told.values()


def _judge(content: HashedFile, sha256: str, problem: str) -> None:
    if content.hexdigest() != sha256:
        problem = "its bytes on the disk aren't those that were written"
    if problem:
        raise VerificationError(
            "The dump that was just made isn't good: %s. It was removed." % problem,
            "See the disk's health and the server's log; the copies from before are all still there.",
        )


def _read_sequences(folder: Folder, name: str, wrapped: bool, server: Server, told: "_Sequences") -> None:
    """Read the sequences out of the whole archive: its table of contents is longer than its head, or it wasn't read."""
    argv = [*_READ_SEQUENCES, *told.patterns]
    if wrapped:
        # pg_restore has read enough long before the end, and so zstd is cut off.
        argv = ["sh", "-c", 'zstd -q -dc 2>/dev/null | "$@"', "bulkhead-sequences"] + argv
    _check_sequences(server.run_client(argv, stdin=folder.chunks(name), sink=told, connect=False))


def _check_sequences(found: ClientResult) -> None:
    if found.rc != 0:
        raise VerificationError("pg_restore can't read the sequences of the dump: %s." % first_lines(found.stderr))


class _Sequences:
    """Takes pg_restore's output; keeps what it sets, and leaves out rows of a table that has a sequence's name."""

    _SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('((?:[^']|'')*)', (-?\d+), (true|false)\);")
    _PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')

    def __init__(self, sequences: Sequence[Mapping[str, Any]]) -> None:
        self._sequences = sequences
        self._set: Dict[Tuple[str, ...], Tuple[int, bool]] = {}
        self._rest = b""
        self._in_rows = False

    @property
    def patterns(self) -> List[str]:
        """The options by which pg_restore is asked for them."""
        return ["--table=%s" % item["name"] for item in self._sequences]

    @property
    def complete(self) -> bool:
        """Whether each of them was set."""
        return all((item["schema"], item["name"]) in self._set for item in self._sequences)

    def values(self) -> List[Dict[str, Any]]:
        """Return the sequences with what was set; None where nothing was."""
        told = []
        for item in self._sequences:
            value, is_called = self._set.get((item["schema"], item["name"]), (None, None))
            told.append(dict(item, value=value, is_called=is_called))
        return told

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
            self._set[tuple(parts)] = (int(found.group(2)), found.group(3) == b"true")
