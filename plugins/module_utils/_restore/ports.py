# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What restores need of the outside beside what dumps need, as protocols; the adapters fit them without knowing."""

from typing import Any, Callable, ContextManager, Dict, Iterable, Iterator, List, Optional, Protocol, Sequence

from .._core.sql import Sql
from .._dumps import ports


class ClientFolder(Protocol):
    """A folder beside the client programs."""

    @property
    def path(self) -> str:
        """Where it is, for them."""

    def put(self, name: str, data: bytes) -> str:
        """Write a small file into it, whole; return its path."""


class Server(ports.Server, Protocol):
    """A cluster in which databases are made and renamed."""

    def execute(self, statement: Sql) -> None:
        """Run one statement, committed at once."""

    def disconnect(self, database: str) -> None:
        """Close our own connection to a database."""

    def client_folder(self) -> ContextManager[ClientFolder]:
        """Make a folder beside the client programs; it is removed afterwards."""

    def working_on(
        self, database: str, others: Sequence[str], timeout_s: int, only_looking: bool = ...
    ) -> ContextManager[List[str]]:
        """Keep other runs off a database. Raises ConflictError."""


class Decryptor(Protocol):
    """Decrypts copies with a private key."""

    def decrypt(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the plain stream. Raises OutsideError where it can't be decrypted, or was cut off."""


# Writes a line into a log of JSON lines: event, and what else there is to say.
Record = Callable[[str, Dict[str, Any]], None]
Decrypt = Optional[Decryptor]
