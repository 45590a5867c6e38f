# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that take each other's place: closed, emptied of sessions, and renamed in one transaction."""

import contextlib
import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._core.errors import ConflictError, OutsideError, StateError
from .._core.sessions import closed, described, end, set_open
from .._core.sql import Sql, name_with
from .ports import Server

_GONE_S = 30
_SCRATCH = re.compile(r"_restoring_[0-9a-f]{12}$")
_MARK = "bulkhead.stack makes this to take the place of "

_DATABASES = """
SELECT d.datname::text AS name, d.datallowconn AS open, d.datistemplate AS template,
       coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '') AS comment
  FROM pg_catalog.pg_database d
"""
_COUNT_SESSIONS = """
SELECT count(*)::int AS number FROM pg_catalog.pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
"""


@dataclass(frozen=True)
class Place:
    """A database as it is listed: open says whether anybody may connect."""

    name: str
    open: bool
    template: bool
    comment: str


def list_places(server: Server) -> Dict[str, Place]:
    """Return the cluster's databases by name."""
    return {row["name"]: Place(**row) for row in server.rows(Sql(_DATABASES))}


def aside_name(database: str, moment: datetime) -> str:
    """Return the name of a database that is put aside: ``archon_db_before_20261123T101500Z``."""
    return name_with(database, moment.astimezone(timezone.utc).strftime("_before_%Y%m%dT%H%M%SZ"))


def scratch_name(database: str, run: str) -> str:
    """Return the name under which a database is made until it is known to be good."""
    return name_with(database, "_restoring_" + run)


def is_scratch(name: str, database: str) -> bool:
    """Whether a name is one that scratch_name gives: a run may be killed before it has marked what it made."""
    found = _SCRATCH.search(name)
    return found is not None and name == name_with(database, found.group(0))


def mark_scratch(server: Server, scratch: str, database: str) -> None:
    """Write down what a scratch database is for: a run that is killed can't take it away itself."""
    # COMMENT takes no parameter, and its text is no identifier: the server quotes it.
    quoted = server.rows(Sql("SELECT pg_catalog.quote_literal(%s) AS text", values=(_MARK + database,)))[0]["text"]
    server.execute(Sql("COMMENT ON DATABASE {} IS " + escape(quoted), (scratch,)))
    # Only superusers get in while it is being filled.
    server.execute(Sql("ALTER DATABASE {} CONNECTION LIMIT 0", (scratch,)))


def escape(literal: str) -> str:
    """Return what the server, or pg_dump, has quoted as a part of an Sql's text."""
    return literal.replace("{", "{{").replace("}", "}}")


def clean_up(server: Server, database: str) -> List[str]:
    """Take away what runs left that were killed while they made this database; return a sentence for each."""
    told = []
    places = list_places(server)
    left = [
        name
        for name, place in places.items()
        if place.comment == _MARK + database or (is_scratch(name, database) and not place.comment.startswith(_MARK))
    ]
    for name in left:
        drop(server, name)
        told.append("Database %s, which a killed run had left half made, was dropped." % name)
    live = places.get(database)
    if left and live is not None and not live.open:
        set_open(server, database, True)
        told.append("Database %s, which a killed run had closed, is open again." % database)
    return told


def drop(server: Server, database: str) -> None:
    """Drop a scratch database, whoever is in it."""
    end(server, database)
    place = list_places(server).get(database)
    if place is not None and place.template:
        # As the archive said that it is; a template can't be dropped.
        server.execute(Sql("ALTER DATABASE {} IS_TEMPLATE false", (database,)))
    server.execute(Sql("DROP DATABASE IF EXISTS {}", (database,)))


def check_leave(users: Sequence[Mapping[str, Any]], database: str, end_sessions: bool) -> None:
    """Refuse to end sessions without leave.

    Raises:
        StateError: there are some; the message names them.
    """
    if users and not end_sessions:
        raise StateError(
            "Database %s is in use: %s. Nothing was touched." % (database, described(users)),
            "Stop these programs, or say end_sessions=true.",
        )


def swap(server: Server, scratch: str, database: str, aside: str) -> None:
    """Let a database take another one's place, in one transaction; where that fails, all is as it was.

    Arguments:
        aside: the name that the old one gets; empty where there is no old one.

    Raises:
        OutsideError: a session doesn't end, or the server refuses.
    """
    places = list_places(server)
    if aside in places:
        raise ConflictError("There is a database %s already." % aside, "Try again: the name has the second in it.")
    server.disconnect(scratch)
    with closed(server, database) if aside else contextlib.nullcontext():
        if aside:
            _empty(server, database)
        with server.transaction(server.maintenance_database) as transaction:
            if aside:
                transaction.execute(Sql("ALTER DATABASE {} RENAME TO {}", (database, aside)))
                set_open(transaction, aside, True)
            transaction.execute(Sql("ALTER DATABASE {} RENAME TO {}", (scratch, database)))
            set_open(transaction, database, True)
            # One that was put aside has a comment of its own.
            if scratch in places and places[scratch].comment == _MARK + database:
                transaction.execute(Sql("COMMENT ON DATABASE {} IS NULL", (database,)))


def _empty(server: Server, database: str) -> None:
    """End every session in a database that lets nobody in, and wait until they are gone."""
    deadline = time.monotonic() + _GONE_S
    while True:
        end(server, database)
        if not server.rows(Sql(_COUNT_SESSIONS, values=(database,)))[0]["number"]:
            return
        if time.monotonic() > deadline:
            raise OutsideError(
                "Sessions in database %s don't end. It is as it was." % database, "See pg_stat_activity for them."
            )
        time.sleep(0.05)


def server_facts(server: Server) -> Dict[str, Any]:
    """Return version, roles, the first superuser, extensions that could be made, data folder and system identifier."""
    facts = dict(server.rows(Sql(_SERVER))[0])
    facts["system_identifier"] = None
    if facts.pop("identifier_shown"):
        facts["system_identifier"] = server.rows(Sql(_IDENTIFIER))[0]["id"]
    return facts


def free_bytes(server: Server, facts: Mapping[str, Any]) -> Optional[int]:
    """Return how much is free where a server keeps its data; None where that can't be seen.

    Arguments:
        facts: the server's, as server_facts gives them.
    """
    if not facts.get("data_directory"):
        return None
    found = server.run_client(["df", "-P", "-k", str(facts["data_directory"])], connect=False)
    fields = (found.stdout.decode("utf-8", "replace").strip().splitlines()[-1:] or [""])[0].split()
    if found.rc != 0 or len(fields) < 4 or not fields[3].isdigit():
        return None
    return int(fields[3]) * 1024


_IDENTIFIER = "SELECT system_identifier::text AS id FROM pg_catalog.pg_control_system()"
_SERVER = """
SELECT current_setting('server_version') AS server_version,
       session_user::text AS login,
       (SELECT rolname::text FROM pg_catalog.pg_roles WHERE oid = 10) AS superuser,
       current_setting('server_version_num')::int AS server_version_num,
       current_setting('data_directory', true) AS data_directory,
       array(SELECT rolname::text FROM pg_catalog.pg_roles) AS roles,
       array(SELECT name::text FROM pg_catalog.pg_available_extensions) AS extensions,
       has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS identifier_shown
"""
