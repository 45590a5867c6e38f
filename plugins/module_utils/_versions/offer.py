# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server offers a database: read off a live one, or worked out for a bare major."""

from typing import FrozenSet, Mapping, NamedTuple, Optional

from .._core.errors import InputError
from .._core.sql import Sql
from .catalogue import Builtins, Reader, moved, read_builtins
from .model import NEWEST, OLDEST
from .uses import Uses, check_major, identifier_of

# What PostgreSQL brought along as extensions for some majors only: the first and the last.
CONTRIB = {
    "adminpack": (OLDEST, 16),
    "hstore_plpython2u": (OLDEST, 14),
    "jsonb_plpython2u": (OLDEST, 14),
    "ltree_plpython2u": (OLDEST, 14),
    "old_snapshot": (14, 16),
    "pg_logicalinspect": (18, NEWEST),
    "pg_surgery": (14, NEWEST),
    "pg_walinspect": (15, NEWEST),
    "plpython2u": (OLDEST, 14),
    "plpythonu": (OLDEST, 14),
}


class Offer(NamedTuple):
    """What a server offers.

    Arguments:
        version: as server_version_num has it; of a bare major 150000.
        builtins: its own names.
        live: whether it was read off a server. What follows is unknown where it wasn't: None.
        system_identifier: what tells its cluster from others; empty where that isn't known.
        extensions: what could be created, with the version that it would have.
        collations: the names of the system's collations. locales: of the C library, written as normal_locale does.
        icu: whether it has ICU. encoding: of its own databases. tablespaces: their names.
    """

    version: int
    builtins: Builtins
    live: bool = False
    system_identifier: str = ""
    extensions: Optional[Mapping[str, str]] = None
    collations: Optional[FrozenSet[str]] = None
    locales: Optional[FrozenSet[str]] = None
    icu: Optional[bool] = None
    encoding: Optional[str] = None
    tablespaces: Optional[FrozenSet[str]] = None

    @property
    def major(self) -> int:
        """The target's major."""
        return self.version // 10000


_SERVER = """
SELECT current_setting('server_version_num')::int AS version,
    has_function_privilege('pg_control_system()', 'EXECUTE') AS may_identify,
    (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template1') AS encoding,
    EXISTS (SELECT 1 FROM pg_collation WHERE collprovider = 'i') AS icu
"""
_EXTENSIONS = "SELECT name, default_version AS version FROM pg_available_extensions"
_COLLATIONS = """
SELECT collname::text AS name, CASE collprovider WHEN 'c' THEN collcollate::text END AS locale FROM pg_collation
WHERE collnamespace = 'pg_catalog'::regnamespace
UNION SELECT NULL, datcollate::text FROM pg_database
UNION SELECT NULL, datctype::text FROM pg_database
"""
_TABLESPACES = "SELECT spcname::text AS name FROM pg_tablespace"


def normal_locale(name: str) -> str:
    """Return a locale of the C library so that two spellings of one are equal: en_US.UTF-8, en_US.utf8."""
    language, dot, rest = name.partition(".")
    return language + dot + rest.lower().replace("-", "")


def read_offer(server: Reader) -> Offer:
    """Read what a live server offers. Nothing is changed.

    Raises:
        StateError: it is one that the table doesn't know.
    """
    facts = server.rows(Sql(_SERVER))[0]
    version = int(str(facts["version"]))
    check_major(version // 10000, "The target")
    collations = server.rows(Sql(_COLLATIONS))
    return Offer(
        version=version,
        builtins=read_builtins(server),
        live=True,
        system_identifier=identifier_of(server) if facts["may_identify"] else "",
        extensions={str(row["name"]): str(row["version"]) for row in server.rows(Sql(_EXTENSIONS))},
        collations=frozenset(str(row["name"]) for row in collations if row["name"]),
        locales=frozenset(normal_locale(str(row["locale"])) for row in collations if row["locale"]),
        icu=bool(facts["icu"]),
        encoding=str(facts["encoding"]),
        tablespaces=frozenset(str(row["name"]) for row in server.rows(Sql(_TABLESPACES))),
    )


def offer_of(uses: Uses, major: int) -> Offer:
    """Return what a bare major offers, from what the database's own server has.

    Raises:
        InputError: a major that the table doesn't know.
    """
    check_target(major)
    return Offer(major * 10000, moved(uses.builtins, uses.major, major))


def check_target(major: int) -> None:
    """Refuse a major that the table doesn't know.

    Raises:
        InputError: it is older or newer.
    """
    if not OLDEST <= major <= NEWEST:
        raise InputError(
            "There is no target PostgreSQL %d in the table of what the majors have: it knows %d to %d."
            % (major, OLDEST, NEWEST),
            "Name one of them.",
        )
