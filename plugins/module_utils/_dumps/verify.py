# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a dump as it lies on the disk.

``hashed``: its bytes are the ones that came out of pg_dump. ``read``: besides, the server's own pg_restore reads the
whole archive, every row of it (``--list`` would read the table of contents only).
"""

import hashlib
from typing import Any, Iterator, Optional

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


def _ignore(_data: bytes) -> Any:
    return None
