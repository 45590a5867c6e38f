# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database behind PostgREST needs before a service's own migration can run."""

from typing import List, Optional

from .._core.errors import StateError
from .._core.plan import Change
from .._core.sql import Sql
from .model import State, Wanted

AUTHENTICATOR = "authenticator"
API_ROLES = ("anon", "authenticated", "service_role")

_UID = """
CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $body$
  SELECT coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$body$"""
_ROLE = """
CREATE OR REPLACE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $body$
  SELECT coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$body$"""

# What changes what PostgREST keeps in its schema cache (its documentation, "Schema Cache Reloading"). A temporary table
# is nobody else's, and a refreshed view has the columns that it had.
_WATCH = """
CREATE OR REPLACE FUNCTION auth.pgrst_watch() RETURNS event_trigger LANGUAGE plpgsql SET search_path TO '' AS $body$
BEGIN
  IF TG_EVENT = 'sql_drop' THEN
    PERFORM FROM pg_catalog.pg_event_trigger_dropped_objects() WHERE NOT is_temporary;
  ELSE
    PERFORM FROM pg_catalog.pg_event_trigger_ddl_commands()
      WHERE schema_name IS DISTINCT FROM 'pg_temp' AND command_tag <> 'REFRESH MATERIALIZED VIEW';
  END IF;
  IF FOUND THEN
    NOTIFY pgrst, 'reload schema';
  END IF;
END
$body$"""
_WATCHES = (("pgrst_watch_ddl", "ddl_command_end"), ("pgrst_watch_drop", "sql_drop"))


def check_prelude(state: State) -> None:
    """Raise StateError where PostgREST's own login role is missing: its password is not ours to invent."""
    if AUTHENTICATOR not in state.roles:
        raise StateError(
            "The role %s, as which PostgREST logs in, isn't in this cluster." % AUTHENTICATOR,
            "Create it (LOGIN NOINHERIT, with the password of PostgREST's db-uri), or set prelude to none.",
        )


def prelude_roles(state: State) -> List[Change]:
    """Return the changes that make the roles of PostgREST's requests; they belong to the whole cluster."""
    changes = []
    for role in API_ROLES:
        if role not in state.roles:
            attributes = " BYPASSRLS" if role == "service_role" else ""
            changes.append(
                Change(
                    "role %s" % role,
                    after="no login%s, member: %s" % (attributes.lower(), AUTHENTICATOR),
                    statements=(
                        Sql("CREATE ROLE {} NOLOGIN NOINHERIT" + attributes, (role,)),
                        Sql("GRANT {} TO {}", (role, AUTHENTICATOR)),
                    ),
                    undo=(Sql("DROP ROLE IF EXISTS {}", (role,)),),
                )
            )
    return changes


def prelude_content(wanted: Wanted) -> Change:
    """Return the change that makes schema auth, its functions, and default privileges for what the owner creates.

    The functions come last: their presence is what says that the rest is there.
    """
    database, owner = wanted.database, wanted.owner
    statements = [Sql("CREATE SCHEMA IF NOT EXISTS auth", database=database)]
    undo = [Sql("DROP SCHEMA IF EXISTS auth CASCADE", database=database)]
    if wanted.data == "copy":
        # What is copied may bring more functions of that schema, such as auth.jwt(), which its policies call.
        statements.append(Sql("GRANT CREATE ON SCHEMA auth TO {}", (owner,), database=database))
    for role in (owner,) + API_ROLES:
        statements.append(Sql("GRANT USAGE ON SCHEMA auth TO {}", (role,), database=database))
    for role in API_ROLES:
        statements.append(Sql("GRANT USAGE ON SCHEMA public TO {}", (role,), database=database))
        undo.append(Sql("REVOKE USAGE ON SCHEMA public FROM {}", (role,), database=database))
        for objects in ("TABLES", "SEQUENCES", "FUNCTIONS"):
            names = (owner, role)
            statements.append(
                Sql(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA public GRANT ALL ON %s TO {}" % objects,
                    names,
                    database=database,
                )
            )
            undo.append(
                Sql(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA public REVOKE ALL ON %s FROM {}" % objects,
                    names,
                    database=database,
                )
            )
    statements += [Sql(_UID, database=database), Sql(_ROLE, database=database)]
    return Change(
        "prelude of PostgREST in %s" % database,
        after="schema auth with uid() and role(); default privileges for %s" % ", ".join(API_ROLES),
        statements=tuple(statements),
        undo=tuple(undo),
    )


def schema_watch(wanted: Wanted, state: State) -> Optional[Change]:
    """Return the change that lets each DDL tell PostgREST to read its schemas again; event triggers are a database's.

    Only a superuser can make one (PostgreSQL's manual, "CREATE EVENT TRIGGER"). None where there is one that does it,
    whoever made it.
    """
    if state.content.schema_watch or not state.superuser:
        return None
    database = wanted.database
    statements = [Sql(_WATCH, database=database)]
    undo = [Sql("DROP FUNCTION IF EXISTS auth.pgrst_watch()", database=database)]
    for name, event in _WATCHES:
        # One that is there was disabled, or calls what is gone.
        statements.append(Sql("DROP EVENT TRIGGER IF EXISTS {}", (name,), database=database))
        statements.append(
            Sql("CREATE EVENT TRIGGER {} ON %s EXECUTE FUNCTION auth.pgrst_watch()" % event, (name,), database=database)
        )
        undo.insert(0, Sql("DROP EVENT TRIGGER IF EXISTS {}", (name,), database=database))
    return Change(
        "event triggers for PostgREST in %s" % database,
        after="each change of a schema is told: NOTIFY pgrst, 'reload schema'",
        statements=tuple(statements),
        undo=tuple(undo),
    )


def unwatched(wanted: Wanted, state: State) -> List[str]:
    """Return what is to be said where new tables won't be told to PostgREST."""
    if state.superuser or state.content.schema_watch or state.content.prelude:
        return []
    return [
        "%s is no superuser and can make no event trigger: PostgREST doesn't hear of new tables by itself. After each"
        " migration, run in %s: NOTIFY pgrst, 'reload schema'" % (state.user, wanted.database)
    ]
