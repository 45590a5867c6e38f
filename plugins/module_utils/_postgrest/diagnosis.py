# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an instance doesn't serve: what it answers, what its container says and what the catalogues say, put together.

An answer alone names no cause: a missing database, a missing schema and a server that is down are the same PGRST002.
The catalogues are asked once in the cluster and once in the database.
"""

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Protocol, Sequence, Tuple

from .._core.errors import OutsideError
from .._core.sql import Sql, quoted_name
from .._core.text import iso_utc
from .process import Process, schemas_of

_CLUSTER = """
WITH asked AS (SELECT %s::text AS database, %s::text AS login, %s::text[] AS roles),
     lines AS (SELECT line, s.setdatabase
                 FROM asked
                 JOIN pg_catalog.pg_roles u ON u.rolname = asked.login
                 JOIN pg_catalog.pg_db_role_setting s ON s.setrole = u.oid
                 LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
                CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS line
                WHERE (s.setdatabase = 0 OR d.datname = asked.database)
                  AND pg_catalog.split_part(line, '=', 1) IN ('pgrst.db_schemas', 'pgrst.db_anon_role')),
     roles AS (SELECT r.oid, r.rolname::text AS name
                 FROM asked, pg_catalog.pg_roles r
                WHERE r.rolname = ANY (asked.roles)
                   OR EXISTS (SELECT FROM lines WHERE line = 'pgrst.db_anon_role=' || r.rolname))
SELECT d.oid IS NOT NULL AS has_database,
       u.oid IS NOT NULL AS has_login,
       coalesce(u.rolcanlogin, false) AS can_login,
       coalesce(u.rolvaliduntil < pg_catalog.now(), false) AS has_expired,
       coalesce(d.datallowconn AND pg_catalog.has_database_privilege(u.oid, d.oid, 'CONNECT'), false) AS may_connect,
       ARRAY (SELECT line FROM lines ORDER BY setdatabase) AS settings,
       ARRAY (SELECT name FROM roles) AS roles,
       ARRAY (SELECT name FROM roles
               WHERE pg_catalog.pg_has_role(u.oid, roles.oid,
                       CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000
                            THEN 'SET' ELSE 'MEMBER' END)) AS granted
  FROM asked
  LEFT JOIN pg_catalog.pg_database d ON d.datname = asked.database
  LEFT JOIN pg_catalog.pg_roles u ON u.rolname = asked.login
"""
_DATABASE = """
WITH asked AS (SELECT %s::text[] AS schemas, %s::text AS schema, %s::text AS relation, %s::text[] AS roles),
     relations AS (SELECT c.oid, n.nspname::text AS schema
                     FROM asked, pg_catalog.pg_class c
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE c.relname = asked.relation AND c.relkind IN ('r', 'v', 'm', 'f', 'p'))
SELECT ARRAY (SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE n.nspname = ANY (asked.schemas)) AS schemas,
       ARRAY (SELECT schema FROM relations WHERE schema !~ '^pg_' ORDER BY 1) AS homes,
       ARRAY (SELECT r.rolname::text FROM pg_catalog.pg_roles r, pg_catalog.pg_namespace n
               WHERE r.rolname = ANY (asked.roles) AND n.nspname = asked.schema
                 AND NOT pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')) AS without_usage,
       ARRAY (SELECT r.rolname::text FROM pg_catalog.pg_roles r, relations t
               WHERE r.rolname = ANY (asked.roles) AND t.schema = asked.schema
                 AND NOT pg_catalog.has_any_column_privilege(r.oid, t.oid, 'SELECT')) AS without_select
  FROM asked
"""
# How an instance gets another environment.
NEW_CONTAINER = (
    "Then give it a new container (`docker compose up -d` with its service): a restart keeps the environment."
)
# What a log says where the server didn't let the instance in. Only the server knows whether a password is right.
_PASSWORD = re.compile(r"password authentication failed|no password supplied|SCRAM|28P01", re.IGNORECASE)
_NO_HBA = re.compile(r"no pg_hba\.conf entry", re.IGNORECASE)
_SHORT_SECRET = re.compile(r"JWT secret must be at least|jwt-secret.*32", re.IGNORECASE)
_PORT_IN_USE = re.compile(r"address already in use|cannot listen", re.IGNORECASE)


class Reader(Protocol):
    """What this domain needs of a Postgres cluster; the Postgres adapter is one."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""


class Cause(NamedTuple):
    """Why it doesn't work, as a clause without a full stop, and what mends it, as sentences."""

    why: str
    remedy: str


@dataclass(frozen=True)
class Question:
    """What the catalogues are asked about.

    Arguments:
        database: the one that the instance serves, or is to serve. table: the one that is asked for, if any.
        schema: where that lies, if it is named. key_role: the role of the key, if it can be told.
    """

    database: str
    table: str = ""
    schema: str = ""
    key_role: str = ""


@dataclass(frozen=True)
class Facts:
    """What the catalogues say.

    Arguments:
        schemas: those that the instance is to serve. anonymous_role: the role of requests without a token.
        in_database: which of these two settings stand in the database, and beat the environment.
        has_database, has_login, can_login, has_expired, may_connect: the database, and the role that logs in.
        roles: which of the roles exist. granted: which of them the role that logs in may become.
        there: which of the schemas exist. homes: in which schemas there is a table of that name.
        without_usage, without_select: which of the roles may not use the schema, or not read the table.
    """

    schemas: Tuple[str, ...]
    anonymous_role: str
    in_database: FrozenSet[str] = frozenset()
    has_database: bool = True
    has_login: bool = True
    can_login: bool = True
    has_expired: bool = False
    may_connect: bool = True
    roles: FrozenSet[str] = frozenset()
    granted: FrozenSet[str] = frozenset()
    there: FrozenSet[str] = frozenset()
    homes: Tuple[str, ...] = ()
    without_usage: FrozenSet[str] = frozenset()
    without_select: FrozenSet[str] = frozenset()


@dataclass(frozen=True)
class Case:
    """All that is known of an instance that doesn't serve.

    Arguments:
        process: its container. facts: None where the catalogues couldn't be asked.
        question: what they were asked. log: the last lines of its log, fit to be shown.
    """

    process: Process
    question: Question
    facts: Optional[Facts] = None
    log: str = ""

    @property
    def login(self) -> str:
        """The role as which it logs in."""
        return self.process.login


def read_facts(reader: Reader, process: Process, question: Question) -> Facts:
    """Return what the catalogues say: one query in the cluster, and one in the database where that is there.

    Raises:
        OutsideError: the server refused.
    """
    asked_roles = [role for role in (process.anonymous_role, question.key_role) if role]
    row = reader.rows(Sql(_CLUSTER, values=(question.database, process.login, asked_roles)))[0]
    lines = dict(line.partition("=")[::2] for line in row["settings"]) if process.reads_database_settings else {}
    schemas = schemas_of(lines.get("pgrst.db_schemas", "")) or process.schemas
    anonymous = lines.get("pgrst.db_anon_role", "") or process.anonymous_role
    known: Dict[str, Any] = {
        "schemas": schemas,
        "anonymous_role": anonymous,
        "in_database": frozenset(name[len("pgrst.") :].replace("_", "-") for name in lines),
        **{name: row[name] for name in ("has_database", "has_login", "can_login", "has_expired", "may_connect")},
        **{name: frozenset(row[name]) for name in ("roles", "granted")},
    }
    if not row["has_database"]:
        return Facts(**known)
    roles = [role for role in (anonymous, question.key_role) if role]
    values = (list(schemas), question.schema or schemas[0], question.table, roles)
    content = reader.rows(Sql(_DATABASE, values=values, database=question.database))[0]
    return Facts(
        there=frozenset(content["schemas"]),
        homes=tuple(content["homes"]),
        without_usage=frozenset(content["without_usage"]),
        without_select=frozenset(content["without_select"]),
        **known,
    )


def facts_or_none(reader: Reader, process: Process, question: Question) -> Optional[Facts]:
    """Return what the catalogues say; None where they can't be asked: what failed is told all the same."""
    try:
        return read_facts(reader, process, question)
    except OutsideError:
        return None


def claims_of(key: str) -> Dict[str, Any]:
    """Return what a JSON web token says of itself, unproven; an empty dictionary where a key is no token."""
    parts = key.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def role_of(key: str) -> str:
    """Return the role that a key is for; empty where that can't be told."""
    role = claims_of(key).get("role")
    return role if isinstance(role, str) else ""


def why_it_ends(case: Case) -> Cause:
    """Return why an instance's process ends, again and again where it is started again."""
    found = _why_no_login(case)
    if found is not None:
        return found
    if _PASSWORD.search(case.log):
        return Cause(
            "the server refuses the password of role %s in its db-uri" % case.login,
            "Correct the variable of db-uri that holds it, usually in the project's env file. %s Or give the role that"
            " password: ALTER ROLE %s PASSWORD '…'." % (NEW_CONTAINER, quoted_name(case.login)),
        )
    if _NO_HBA.search(case.log):
        return Cause(
            "pg_hba.conf doesn't let role %s into database %s from its address" % (case.login, case.question.database),
            "Add a line for the network of its container, and reload the server.",
        )
    if _SHORT_SECRET.search(case.log):
        return Cause(
            "its jwt-secret is shorter than 32 characters",
            "Set a longer one (`openssl rand -hex 32`). %s" % NEW_CONTAINER,
        )
    process = case.process
    if process.admin_port is not None and process.admin_port == process.server_port:
        return Cause("its admin-server-port is its server-port", "Set another one. %s" % NEW_CONTAINER)
    if _PORT_IN_USE.search(case.log):
        return Cause("its port is in use", "Set another server-port or admin-server-port.")
    return Cause(
        "its log ends with: %s" % (case.log.rstrip(".") or "nothing"),
        "See `docker logs --tail 50 %s`." % process.name,
    )


def why_not_ready(case: Case) -> Cause:
    """Return why an instance can't read its database: PGRST002, or /ready that answers 503."""
    problem, remedy = case.process.uri_problem
    if problem:
        return Cause("of its db-uri: %s" % problem, "%s %s" % (remedy, NEW_CONTAINER))
    facts = case.facts
    database = case.question.database
    if facts is not None and not facts.has_database:
        return Cause(
            "database %s, which its db-uri names, doesn't exist" % database,
            "Create it with pg_database_isolate, or name another one with postgrest_config: database. The instance"
            " tries again by itself, ever more seldom: `docker restart %s` ends its waiting." % case.process.name,
        )
    found = _why_no_login(case)
    if found is not None:
        return found
    if facts is not None:
        missing = [schema for schema in facts.schemas if schema not in facts.there]
        if missing:
            where = "the database's own settings" if "db-schemas" in facts.in_database else "its environment"
            return Cause(
                "schema %s, which db-schemas of %s names, doesn't exist in database %s"
                % (", ".join(missing), where, database),
                "Create it (CREATE SCHEMA %s), or take it out of db-schemas%s. `docker restart %s` then ends its"
                " waiting."
                % (
                    quoted_name(missing[0]),
                    ": ALTER ROLE %s … SET pgrst.db_schemas" % quoted_name(case.login)
                    if "db-schemas" in facts.in_database
                    else " with postgrest_config: settings",
                    case.process.name,
                ),
            )
    if not case.process.runs or _PASSWORD.search(case.log):
        return why_it_ends(case)
    return Cause(
        "it can't read database %s; its log ends with: %s" % (database, case.log.rstrip(".") or "nothing"),
        "See whether it reaches the server that its db-uri names, and `docker logs --tail 50 %s`." % case.process.name,
    )


def _why_no_login(case: Case) -> Optional[Cause]:
    facts, login = case.facts, case.login
    if facts is None:
        return None
    name = quoted_name(login)
    if not facts.has_login:
        return Cause(
            "role %s, as which it logs in, doesn't exist" % login,
            "Create it (CREATE ROLE %s LOGIN NOINHERIT PASSWORD '…', and grant it the roles of requests), or correct"
            " db-uri." % name,
        )
    if not facts.can_login:
        return Cause("role %s, as which it logs in, may not log in" % login, "ALTER ROLE %s LOGIN mends it." % name)
    if facts.has_expired:
        return Cause(
            "the password of role %s has expired" % login, "ALTER ROLE %s VALID UNTIL 'infinity' mends it." % name
        )
    if facts.has_database and not facts.may_connect:
        database = case.question.database
        return Cause(
            "role %s may not connect to database %s" % (login, database),
            "GRANT CONNECT ON DATABASE %s TO %s mends it (pg_database_isolate: connect_roles)."
            % (quoted_name(database), name),
        )
    return None


def why_refused(case: Case, code: str, message: str, role: str, of_key: bool, key: str = "") -> Cause:
    """Return why an instance that is ready refuses a request.

    Arguments:
        code, message: of its answer. role: the one as which it was asked, empty where that can't be told.
        of_key: whether a key named the role; else db-anon-role does. key: that key; never shown.
    """
    known: Dict[str, Callable[[], Cause]] = {
        "PGRST002": lambda: why_not_ready(case),
        "PGRST301": lambda: Cause(
            "the key isn't signed with its jwt-secret (PGRST301)",
            "Take the key that belongs to that secret, or let jwt-secret be the one that the key is signed with"
            " (postgrest_config: settings). %s" % NEW_CONTAINER,
        ),
        "PGRST300": lambda: Cause(
            "it has no jwt-secret, so that it can check no key (PGRST300)",
            "Set jwt-secret with postgrest_config. %s" % NEW_CONTAINER,
        ),
        "PGRST302": lambda: Cause(
            "it has no anonymous role, and the request carried no token (PGRST302)",
            "Set db-anon-role with postgrest_config. %s" % NEW_CONTAINER,
        ),
        "PGRST303": lambda: _why_bad_claims(message, key),
        "PGRST205": lambda: _why_no_table(case),
        "PGRST106": lambda: Cause(
            "it doesn't serve that schema (PGRST106), but %s" % ", ".join(_schemas(case)),
            "Add it to db-schemas with postgrest_config. %s" % NEW_CONTAINER,
        ),
        "22023": lambda: _why_no_role(case, role, of_key, message),
        "42501": lambda: _why_no_right(case, role, of_key, message),
    }
    if code in known:
        return known[code]()
    return Cause(
        "%s says: %s" % (code or "it", message.rstrip(".") or "no message"),
        "See `docker logs --tail 50 %s`." % case.process.name,
    )


def _schemas(case: Case) -> Sequence[str]:
    return case.process.schemas if case.facts is None else case.facts.schemas


def _why_bad_claims(message: str, key: str) -> Cause:
    expires = claims_of(key).get("exp")
    if "expired" in message.lower() or not message:
        since = " since %s" % _moment(expires) if isinstance(expires, (int, float)) else ""
        return Cause("the key has expired%s (PGRST303)" % since, "Make a new one, signed with its jwt-secret.")
    return Cause(
        "what the key claims isn't accepted (PGRST303: %s)" % message.rstrip("."),
        "Make a new one; compare its aud with jwt-aud.",
    )


def _moment(seconds: float) -> str:
    try:
        return iso_utc(datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds))
    except (OverflowError, ValueError):
        # A claim may be any number.
        return "%s s after 1970" % seconds


def _why_no_table(case: Case) -> Cause:
    table, facts, process = case.question.table, case.facts, case.process
    if facts is None or not table:
        return Cause(
            "it doesn't know the table (PGRST205)",
            "Create the table; where it is there, reload the schema cache with postgrest_reload.",
        )
    schema = case.question.schema or facts.schemas[0]
    named = "%s.%s" % (schema, table)
    if schema in facts.homes:
        return Cause(
            "its schema cache doesn't know table %s, which is there (PGRST205)" % named,
            "Reload it with postgrest_reload (NOTIFY %s, 'reload schema')." % (process.channel or "pgrst"),
        )
    if facts.homes:
        return Cause(
            "there is no table %s in database %s, but one in schema %s (PGRST205)"
            % (named, case.question.database, ", ".join(facts.homes)),
            "Ask with the header Accept-Profile, or put that schema first in db-schemas.",
        )
    return Cause(
        "there is no table %s in database %s (PGRST205)" % (named, case.question.database),
        "Create it, or correct the request.",
    )


def _why_no_role(case: Case, role: str, of_key: bool, message: str) -> Cause:
    is_missing = case.facts is not None and bool(role) and role not in case.facts.roles
    if not is_missing and not re.search(r"role .* does not exist", message):
        return Cause("22023 says: %s" % message.rstrip("."), "See `docker logs --tail 50 %s`." % case.process.name)
    named = "the key" if of_key else "db-anon-role"
    found = re.search(r'role "(.*)" does not exist', message)
    role = found.group(1) if found else role
    return Cause(
        "role %s, which %s names, doesn't exist (22023)" % (role, named),
        "Create it (CREATE ROLE %s NOLOGIN; GRANT %s TO %s), or correct %s."
        % (quoted_name(role), quoted_name(role), quoted_name(case.login), named),
    )


def _why_no_right(case: Case, role: str, of_key: bool, message: str) -> Cause:
    facts, login = case.facts, case.login
    is_not_granted = facts is not None and bool(role) and role in facts.roles - facts.granted
    if is_not_granted or "permission denied to set role" in message:
        found = re.search(r'set role "(.*)"', message)
        role = found.group(1) if found else role
        return Cause(
            "role %s, which %s names, isn't granted to %s (42501)"
            % (role, "the key" if of_key else "db-anon-role", login),
            "GRANT %s TO %s mends it." % (quoted_name(role), quoted_name(login)),
        )
    if facts is not None and role:
        schema = case.question.schema or facts.schemas[0]
        if role in facts.without_usage:
            return Cause(
                "role %s may not use schema %s (42501)" % (role, schema),
                "GRANT USAGE ON SCHEMA %s TO %s mends it." % (quoted_name(schema), quoted_name(role)),
            )
        if role in facts.without_select:
            table = (schema, case.question.table)
            return Cause(
                "role %s may not read table %s (42501)" % (role, ".".join(table)),
                "GRANT SELECT ON %s TO %s mends it." % (quoted_name(table), quoted_name(role)),
            )
    return Cause(
        "role %s lacks a right (42501: %s)" % (role or "of the request", message.rstrip(".")),
        "Grant what the message names.",
    )
