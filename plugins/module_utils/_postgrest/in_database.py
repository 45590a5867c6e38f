# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgREST's settings in the database: of the role that it logs in as, in that one database.

Without ``IN DATABASE`` a setting of the role reaches every instance of the cluster. One with it beats one without
(PostgREST's documentation, "In-Database Configuration"). What a function of ``db-pre-config`` sets isn't seen here.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Protocol

from .._core.errors import InputError, StateError
from .._core.plan import Change
from .._core.sql import Secret, Sql
from .settings import Setting, shown_value

_PREFIX = "pgrst."
_THERE = (
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s) AS role,"
    " EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s) AS database"
)
_READ = (
    "SELECT s.setdatabase <> 0 AS own, unnest(s.setconfig) AS setting FROM pg_catalog.pg_db_role_setting s"
    " JOIN pg_catalog.pg_roles r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase"
    " WHERE r.rolname = %s AND (s.setdatabase = 0 OR d.datname = %s) ORDER BY s.setdatabase"
)
_SET = "ALTER ROLE {} IN DATABASE {} SET {} TO %s"
_RESET = "ALTER ROLE {} IN DATABASE {} RESET {}"


class Cluster(Protocol):
    """What reads the settings."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows as dictionaries."""


@dataclass(frozen=True)
class DatabaseSettings:
    """What the database says to an instance.

    Arguments:
        role: as whom the instance logs in. database: where.
        own: by the parameter's name without ``pgrst.``, what is set for the role in this database.
        everywhere: what is set for the role in all databases.
    """

    role: str
    database: str
    own: Mapping[str, str] = field(default_factory=dict, repr=False)
    everywhere: Mapping[str, str] = field(default_factory=dict, repr=False)

    def get(self, setting: Setting) -> Optional[str]:
        """Return what counts for the instance; None where the database says nothing of it."""
        # Older names are read from files and the environment only.
        name = setting.parameter[1]
        return self.own.get(name, self.everywhere.get(name))


def read(cluster: Cluster, role: str, database: str) -> DatabaseSettings:
    """Return what is set there.

    Raises:
        StateError: there is no such role or database.
    """
    there = cluster.rows(Sql(_THERE, values=(role, database)))[0]
    if not there["role"]:
        raise StateError(
            "There is no role %s, as which the instance would log in." % role, "Create it first, or correct user."
        )
    if not there["database"]:
        raise StateError(
            "There is no database %s, which the instance would serve." % database,
            "Create it first (pg_database_isolate), or correct database.",
        )
    own: Dict[str, str] = {}
    everywhere: Dict[str, str] = {}
    for row in cluster.rows(Sql(_READ, values=(role, database))):
        name, _equals, value = row["setting"].partition("=")
        if name.startswith(_PREFIX):
            (own if row["own"] else everywhere)[name[len(_PREFIX) :]] = value
    return DatabaseSettings(role, database, own, everywhere)


def make_changes(found: DatabaseSettings, wanted: Mapping[Setting, Optional[str]]) -> List[Change]:
    """Return a change for each setting that isn't as it is wanted; None as a value takes it away.

    Raises:
        InputError: it holds ``${…}``, which nobody replaces there.
        StateError: it is set for all databases, and so can't be taken away for one.
    """
    changes = []
    for setting, value in wanted.items():
        if value is not None and "${" in value:
            raise InputError("%s holds ${…}, which Postgres doesn't replace." % setting.name, "Write the value itself.")
        name = setting.parameter[1]
        held = found.own.get(name)
        if value is None and held is None and name in found.everywhere:
            raise StateError(
                "%s is set for role %s in all databases, and can't be taken away for %s alone."
                % (setting.name, found.role, found.database),
                "Set another value, or take it away for all: `ALTER ROLE %s RESET pgrst.%s`." % (found.role, name),
            )
        if held != value:
            changes.append(_change(found, setting, held, value))
    return changes


def _change(found: DatabaseSettings, setting: Setting, held: Optional[str], value: Optional[str]) -> Change:
    return Change(
        "%s of role %s in database %s" % (setting.name, found.role, found.database),
        "" if held is None else shown_value(setting, held),
        _after(setting, held, value),
        (_statement(found, setting, value),),
        (_statement(found, setting, held),),
    )


def _after(setting: Setting, held: Optional[str], value: Optional[str]) -> str:
    if value is None:
        return ""
    shown = shown_value(setting, value)
    return shown + " (another one)" if held is not None and shown_value(setting, held) == shown else shown


def _statement(found: DatabaseSettings, setting: Setting, value: Optional[str]) -> Sql:
    # Where the database is gone, an undo is passed over.
    names = (found.role, found.database, setting.parameter)
    if value is None:
        return Sql(_RESET, names, database=found.database)
    return Sql(_SET, names, (Secret(value) if setting.secret else value,), found.database)


def notify(channel: str, messages: List[str], database: str) -> List[Sql]:
    """Return the statements that let the instances of a database read their settings, or their schema cache, again."""
    return [Sql("SELECT pg_catalog.pg_notify(%s, %s)", values=(channel, text), database=database) for text in messages]
