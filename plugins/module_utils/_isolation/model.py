# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a service's database, and what is there: plain data, no behaviour."""

from dataclasses import dataclass, field
from typing import Mapping, Optional, Protocol, Tuple

from .._core.sql import Secret
from .catalogue import Thing
from .copying import Server as CopyServer
from .fill import JOURNAL_SCHEMA, Fill
from .selection import Chosen, Selection

# Our own record of applied migrations in a service's database; PUBLIC has no right on it.
JOURNAL_TABLE = (JOURNAL_SCHEMA, "migration")


class Cluster(CopyServer, Protocol):
    """What reading the state needs of a Postgres cluster; the Postgres adapter is one."""

    def password_holds(self, role: str, password: Secret, database: str) -> bool:
        """Return whether a role can log in with a password, and only with that."""


@dataclass(frozen=True)
class Migration:
    """A SQL file of the service's authors, read whole, line ends normalised; its checksum is of those bytes.

    ``own_transactions``: it controls transactions itself, so that it isn't wrapped in one.
    """

    name: str
    data: bytes = field(repr=False)
    checksum: str
    own_transactions: bool = False


@dataclass(frozen=True)
class Expectation:
    """What must be there after the database was filled; None is "nothing was said of it".

    Arguments:
        columns: by table. triggers: by name.
        roles: by role, statements that must work and statements that must be refused.
    """

    tables: Tuple[str, ...] = ()
    policies: Optional[int] = None
    functions: Tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    triggers: Tuple[str, ...] = ()
    roles: Mapping[str, Tuple[Tuple[str, ...], Tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Legacy:
    """Where the service's objects lie today, and what becomes of them there.

    Arguments:
        action: ``keep``, ``archive`` (into archive_schema), or ``drop``.
        confirm: what was typed to confirm that they are dropped.
    """

    database: str
    chosen: Chosen
    archive_schema: str
    action: str = "keep"
    confirm: str = ""


@dataclass(frozen=True)
class Extension:
    """An extension and the schema that it is to lie in."""

    name: str
    schema: str = "public"


@dataclass(frozen=True)
class DefaultPrivilege:
    """What a role may do with what the owner will create: ``objects`` is TABLES, SEQUENCES or FUNCTIONS."""

    role: str
    objects: str
    privileges: Tuple[str, ...]
    schema: str = "public"


@dataclass(frozen=True)
class Wanted:
    """A database as the description has it; an empty text is "nothing was said of it".

    Arguments:
        strategy: ``database``; or ``schema`` (which is target_schema) or ``prefix``, where ``database`` is the shared
            one and stays so.
    """

    database: str
    owner: str
    password: Optional[Secret] = None
    adopt: bool = False
    extensions: Tuple[Extension, ...] = ()
    connect_roles: Tuple[str, ...] = ()
    prelude: str = "none"
    migrations: Tuple[Migration, ...] = ()
    expect: Expectation = field(default_factory=Expectation)
    legacy: Optional[Legacy] = None
    encoding: str = ""
    lc_collate: str = ""
    lc_ctype: str = ""
    template: str = "template0"
    conn_limit: Optional[int] = None
    search_path: Tuple[str, ...] = ()
    default_privileges: Tuple[DefaultPrivilege, ...] = ()
    data: str = "fresh"
    rehearsal: bool = False
    lock_timeout_s: int = 60
    strategy: str = "database"
    target_schema: str = ""


@dataclass(frozen=True)
class Role:
    """A role of the cluster; the verifier is None where it can't be read or there is none."""

    name: str
    login: bool
    verifier: Optional[str] = field(default=None, repr=False)
    superuser: bool = False


@dataclass(frozen=True)
class Locale:
    """Encoding and locale of a database: what CREATE DATABASE fixes for its life."""

    encoding: str = "UTF8"
    lc_collate: str = ""
    lc_ctype: str = ""
    provider: str = "c"
    icu_locale: str = ""


@dataclass(frozen=True)
class Database:
    """A database of the cluster. ``connect`` holds who may CONNECT; the empty name is PUBLIC."""

    name: str
    owner: str
    is_template: bool
    connect: Tuple[str, ...]
    temporary: Tuple[str, ...]
    locale: Locale = field(default_factory=Locale)
    conn_limit: int = -1


@dataclass(frozen=True)
class Content:
    """What a database holds, our own schema left out; public_objects: relations, functions and types in public.

    Arguments:
        create_in_public: who may create there; the empty name is PUBLIC.
        default_privileges: role that creates, schema, kind of object (r, S, f), grantee, privilege.
        settings: what ALTER DATABASE ... SET gave it.
        owners: who owns its tables.
        schema_watch: whether an event trigger tells PostgREST of each change of a schema.
    """

    tables: Tuple[str, ...] = ()
    extensions: Mapping[str, str] = field(default_factory=dict)
    schemas: Tuple[str, ...] = ()
    policies: int = 0
    functions: Tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    applied: Mapping[str, str] = field(default_factory=dict)
    prelude: bool = False
    schema_watch: bool = False
    public_objects: int = 0
    columns: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    triggers: Tuple[str, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    create_in_public: Tuple[str, ...] = ()
    public_owner: str = "pg_database_owner"
    default_privileges: Tuple[Tuple[str, str, str, str, str], ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    fill: Optional[Fill] = None

    @property
    def empty(self) -> bool:
        """Whether nobody has put anything in yet."""
        return not self.tables


@dataclass(frozen=True)
class LegacyState:
    """What belongs to the service in the shared database, and what lies in the archive already.

    Arguments:
        locale: of the shared database.
        columns: of the service's tables.
        archived: catalogue and name of what lies in the archive.
        changed: tables that were written to after the copy that counts was taken.
        search_path: what ALTER DATABASE gave the shared database.
    """

    selection: Selection = field(default_factory=Selection)
    locale: Locale = field(default_factory=Locale)
    columns: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    archived: Tuple[Tuple[str, str], ...] = ()
    archive_schema_exists: bool = False
    changed: Tuple[str, ...] = ()
    search_path: str = ""


@dataclass(frozen=True)
class State:
    """What is there.

    Arguments:
        sessions: who is connected to the wanted database, by role and application, with the number of sessions.
        password_holds: whether a login with the wanted password works; None where the verifier was read.
        written_since: rows of the wanted database that came or changed after it was filled.
        strays: what lies in an adopted database and belongs to another role.
        owner_sessions: the owner's open sessions, with their number by database: another password would end them.
    """

    version: int
    user: str
    superuser: bool
    roles: Mapping[str, Role]
    database: Optional[Database]
    databases: Tuple[str, ...]
    content: Content
    available: Mapping[str, bool]
    legacy: LegacyState
    sessions: Tuple[Tuple[str, str, int], ...] = ()
    password_holds: Optional[bool] = None
    written_since: int = 0
    owner_sessions: Tuple[Tuple[str, int], ...] = ()
    strays: Tuple[Thing, ...] = ()
