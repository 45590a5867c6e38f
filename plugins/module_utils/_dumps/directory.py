# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump in directory format: parallel jobs write it, each a file of its own, so nothing of it comes as a stream.

pg_dump writes where it runs. What it writes is a copy only where that is our folder: proven before it begins.
"""

import hashlib
from contextlib import suppress
from typing import Any, Dict, List

from .._core.errors import BulkheadError, OutsideError, StateError
from .catalogue import DIRECTORY_SUFFIX, MANIFEST_SUFFIX, partial_name
from .ports import Folder, Server
from .verify import first_lines, hash_files, listed

# $1 is our folder as it is seen here, $2 a file in it. A folder with $4 in it is made beside it, as pg_dump will do.
_WRITE_BESIDE = r"""
umask 077
ls -d "$1/$2" >/dev/null || exit 3
mkdir "$1/$3" || exit
printf %s "$4" > "$1/$3/toc.dat" || { rm -r "$1/$3"; exit 1; }
"""
_NOT_SEEN = 3
# An engine that lost sight of a command may not know that it failed: only what ended well says a word.
_PRIVATELY = 'umask 077; "$@" && echo done'
_INSTEAD = "or use format=custom, which needs no mount"


class DirectoryDump:
    """A dump in directory format, and once it was synced what is known of its files."""

    def __init__(self, folder: Folder, final_name: str, place: str) -> None:
        self.final_name = final_name
        self.name = partial_name(final_name)
        self.path = _join(place, self.name)
        self.size_bytes = 0
        self.sha256 = ""
        self.files: List[Dict[str, Any]] = []
        self._folder = folder

    def command(self, pg_dump: List[str], jobs: int) -> List[str]:
        """Return the command that makes it, readable by its user alone."""
        more = ["--jobs=%d" % jobs, "--file=" + self.path]
        return ["sh", "-c", _PRIVATELY, "bulkhead-dump", *pg_dump, *more]

    def finish(self) -> None:
        """Make it survive a power cut, and hash what is on the disk."""
        self._folder.sync_files(self.name)
        self.files = list(hash_files(self._folder, self.name))
        self.size_bytes = sum(file["size_bytes"] for file in self.files)
        self.sha256 = hashlib.sha256(b"".join(map(listed, self.files))).hexdigest()

    def close(self) -> None:
        """Leave it as it is: no file of it is open here."""


def find_place(server: Server, folder: Folder, stem: str, token: str) -> str:
    """Return where the server's programs see our folder: what they write there is ours to read and to remove.

    Arguments:
        token: what nobody else would write.

    Raises:
        StateError: they don't see it, or can't write there, or we can't read what they write. Nothing is left of it.
    """
    place = server.path_beside_server(folder.path)
    if place is None:
        raise StateError(
            "A dump in directory format is written by the server's own pg_dump, and that doesn't see %s: %s. "
            "Nothing was begun." % (folder.path, server.seen_beside_server()),
            "Mount that folder, or one above it, into the container, %s." % _INSTEAD,
        )
    marker, tried = partial_name(stem + MANIFEST_SUFFIX), partial_name(stem + DIRECTORY_SUFFIX)
    folder.create(marker).close()
    try:
        argv = ["sh", "-c", _WRITE_BESIDE, "bulkhead-place", place, marker, tried, token]
        found = server.run_client(argv, connect=False)
        if found.rc == _NOT_SEEN:
            raise StateError(
                "The server's pg_dump should see %s as %s, and doesn't: %s. Nothing was begun."
                % (folder.path, place, first_lines(found.stderr)),
                "What was mounted after the container had started isn't seen in it, nor what its user may not enter: "
                "start it anew, give the folder to that user, %s." % _INSTEAD,
            )
        if found.rc != 0:
            raise StateError(
                "The server's pg_dump can't write into %s, which it sees as %s: %s. Nothing was begun."
                % (folder.path, place, first_lines(found.stderr)),
                "Mount it writable, for the user that the container runs as, %s." % _INSTEAD,
            )
        _see_that_it_is_ours(server, folder, tried, token, _join(place, tried))
        folder.remove(tried)
    finally:
        folder.remove(marker)
    return place


def _see_that_it_is_ours(server: Server, folder: Folder, name: str, token: str, path: str) -> None:
    try:
        if b"".join(folder.chunks(name + "/toc.dat")) == token.encode("ascii"):
            return
        problem = "it isn't there."
    except OutsideError as error:
        problem = error.message
    # Its own user can remove it still.
    with suppress(BulkheadError):
        server.run_client(["rm", "-r", path], connect=False)
    raise StateError(
        "What the server's pg_dump writes can't be read by this user: %s Nothing was begun." % problem,
        "Run this as root (become), %s." % _INSTEAD,
    )


def _join(place: str, name: str) -> str:
    return place.rstrip("/") + "/" + name
