# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dumps need of the outside, as protocols; the adapters fit them without knowing."""

from typing import (
    Any,
    Callable,
    ContextManager,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Protocol,
    Sequence,
    Tuple,
)

from .._core.sql import Sql

# Hears what is being done: ``doing``, and where they are known ``bytes_done`` and ``bytes_total``.
Tell = Callable[[Mapping[str, Any]], None]


def ignore(_report: Mapping[str, Any]) -> None:
    """Hear nothing."""


class ClientResult(Protocol):
    """What a client program left."""

    @property
    def rc(self) -> int:
        """Its exit status; -1 where the engine doesn't know it any more."""

    @property
    def stdout(self) -> bytes:
        """Its output, unless it went to a sink."""

    @property
    def stderr(self) -> str:
        """What it had to say."""


class Transaction(Protocol):
    """Statements on one connection that see one snapshot."""

    def execute(self, statement: Sql) -> int:
        """Run one statement."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query."""


class Server(Protocol):
    """A cluster: its SQL, and its own client programs."""

    @property
    def maintenance_database(self) -> str:
        """A database that is always there."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query, committed at once."""

    def transaction(self, database: str, isolation: str = ..., read_only: bool = ...) -> ContextManager[Transaction]:
        """Open a transaction on a connection of its own."""

    def run_client(
        self,
        argv: Sequence[str],
        stdin: Optional[Iterable[bytes]] = ...,
        sink: Optional[Callable[[bytes], Any]] = ...,
        connect: bool = ...,
    ) -> ClientResult:
        """Run a client program beside the server."""

    def path_beside_server(self, path: str) -> Optional[str]:
        """Return where a path of this host lies for the client programs, or None where they don't see it."""

    def seen_beside_server(self) -> str:
        """Say which folders of this host the client programs see."""


class Writer(Protocol):
    """A file that is being written."""

    def write(self, data: bytes) -> None:
        """Append."""

    def finish(self) -> None:
        """Make it survive a power cut, and close it."""

    def close(self) -> None:
        """Close it as it is."""


class LockState(Protocol):
    """A note in the lock file: what a run was at; a run that was killed can't take it back."""

    def read(self) -> Dict[str, Any]:
        """Return the note; empty where the last run came to its end."""

    def write(self, note: Dict[str, Any]) -> None:
        """Replace the note, synced."""


class Folder(Protocol):
    """The folder that holds the copies of one database. Its methods raise OutsideError."""

    @property
    def path(self) -> str:
        """Where it is."""

    def entries(self) -> List[Tuple[str, int]]:
        """Return name and size of its regular files; none where there is no folder yet.

        A dump in directory format is one of them, with the size of its files together, or -1 where it holds anything
        else.
        """

    def warnings(self) -> List[str]:
        """Return what is doubtful about it."""

    def make(self) -> None:
        """Make it, 0700, where it is missing."""

    def read(self, name: str) -> bytes:
        """Return a small file whole."""

    def json_lines(self, name: str) -> List[Dict[str, Any]]:
        """Return the lines of a file of JSON lines; none where there is no such file."""

    def append_json_line(self, name: str, line: Dict[str, Any]) -> None:
        """Append one line, synced."""

    def files(self, name: str) -> List[Tuple[str, int]]:
        """Return name and size of the files of a dump in directory format, sorted by the bytes of their names."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a large file piece by piece; one of a dump in directory format has that one's name before it."""

    def create(self, name: str) -> Writer:
        """Open a new file, 0600."""

    def rename(self, old: str, new: str) -> None:
        """Give a file or a folder its final name; one that is there is never replaced."""

    def remove(self, name: str) -> None:
        """Remove a file, or a dump in directory format whole; one that is gone already is no error."""

    def sync_files(self, name: str) -> None:
        """Make the files of a dump in directory format survive a power cut."""

    def sync(self) -> None:
        """Make renames and removals survive a power cut."""

    def free_bytes(self) -> int:
        """Return how much this user may still write there."""

    def lock(self, name: str) -> ContextManager[LockState]:
        """Hold a lock for one run. Raises ConflictError where another run holds it."""


class Encryptor(Protocol):
    """Encrypts copies to public keys."""

    @property
    def recipients(self) -> Sequence[str]:
        """The public keys."""

    def check(self) -> None:
        """See that it will work. Raises BulkheadError."""

    def encrypt(self, chunks: Iterable[bytes], sink: Callable[[bytes], Any]) -> None:
        """Encrypt a stream. Raises OutsideError."""
