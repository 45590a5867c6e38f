# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a service's database, and what is there: plain data, no behaviour."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Protocol, Tuple

from .._core.sql import Secret, Sql

# Where our own record of applied migrations lives in a service's database; PUBLIC has no right on it.
JOURNAL_SCHEMA = "bulkhead"
JOURNAL_TABLE = (JOURNAL_SCHEMA, "migration")


class Cluster(Protocol):
    """What this domain needs of a Postgres cluster; the Postgres adapter is one."""

    @property
    def maintenance_database(self) -> str:
        """The database in which cluster-wide statements run."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows as dictionaries."""

    def value(self, statement: Sql) -> Any:
        """Run one query; return the first column of its first row, or None."""


@dataclass(frozen=True)
class Migration:
    """A SQL file of the service's authors, read whole, line ends normalised; its checksum is of those bytes."""

    name: str
    data: bytes = field(repr=False)
    checksum: str


@dataclass(frozen=True)
class Expectation:
    """What must be there after the migrations."""

    tables: Tuple[str, ...] = ()
    policies: Optional[int] = None
    functions: Tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Legacy:
    """Where the service's tables lie today, and where they are put aside."""

    database: str
    schema: str
    pattern: str
    archive_schema: str
    archive: bool = False


@dataclass(frozen=True)
class Wanted:
    """A database as the description has it."""

    database: str
    owner: str
    password: Optional[Secret] = None
    adopt: bool = False
    extensions: Tuple[str, ...] = ()
    connect_roles: Tuple[str, ...] = ()
    prelude: str = "none"
    migrations: Tuple[Migration, ...] = ()
    expect: Expectation = field(default_factory=Expectation)
    legacy: Optional[Legacy] = None


@dataclass(frozen=True)
class Role:
    """A role of the cluster; the verifier is None where it can't be read or there is none."""

    name: str
    login: bool
    verifier: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class Database:
    """A database of the cluster. ``connect`` holds who may CONNECT; the empty name is PUBLIC."""

    name: str
    owner: str
    is_template: bool
    connect: Tuple[str, ...]
    temporary: Tuple[str, ...]


@dataclass(frozen=True)
class Content:
    """What a database holds, our own schema left out; public_objects: relations, functions and types in public."""

    tables: Tuple[str, ...] = ()
    extensions: Mapping[str, str] = field(default_factory=dict)
    schemas: Tuple[str, ...] = ()
    policies: int = 0
    functions: Tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    applied: Mapping[str, str] = field(default_factory=dict)
    prelude: bool = False
    public_objects: int = 0

    @property
    def empty(self) -> bool:
        """Whether nobody has put anything in yet."""
        return not self.tables


@dataclass(frozen=True)
class LegacyState:
    """The tables in their old place (name and rows), and those in the archive already."""

    tables: Tuple[str, ...] = ()
    archived: Tuple[str, ...] = ()
    archive_schema_exists: bool = False


@dataclass(frozen=True)
class State:
    """What is there."""

    version: int
    user: str
    superuser: bool
    roles: Mapping[str, Role]
    database: Optional[Database]
    databases: Tuple[str, ...]
    content: Content
    available: Mapping[str, bool]
    legacy: LegacyState
