# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""state -> plan: what leads from the cluster as it is to a database of the service's own."""

from typing import Callable, List, Optional, Tuple

from .._core.errors import ConflictError, InputError, StateError
from .._core.plan import Change, Plan
from .._core.sql import Secret, Sql
from . import migration as migrations
from . import scram
from .legacy import archive_change
from .model import JOURNAL_SCHEMA, Content, Migration, State, Wanted
from .prelude import API_ROLES, check_prelude, prelude_content, prelude_roles

_PUBLIC = ""


def make_plan(wanted: Wanted, state: State, new_salt: Callable[[], bytes]) -> Plan:
    """Return the plan.

    Arguments:
        wanted: the database as the description has it.
        state: what is there.
        new_salt: gives 16 random bytes for a new verifier.

    Raises:
        InputError, StateError, ConflictError: it can't be done; nothing was changed.
    """
    check_names(wanted)
    _check(wanted, state)
    content = state.content
    to_run, to_adopt, warnings = migrations.pending(wanted, content)
    plan = Plan(warnings=warnings)
    plan.add(_role(wanted, state, new_salt))
    if wanted.prelude == "postgrest":
        check_prelude(state)
        for change in prelude_roles(state):
            plan.add(change)
    plan.add(_database(wanted, state))
    plan.add(_connect(wanted, state))
    for extension in wanted.extensions:
        plan.add(_extension(wanted, extension, content))
    if wanted.prelude == "postgrest" and not content.prelude:
        plan.add(prelude_content(wanted))
    for item in to_run:
        plan.add(_migration(wanted, state, item))
    for item in to_adopt:
        plan.add(_adoption(wanted, item))
    plan.add(archive_change(wanted, state))
    return plan


def check_names(wanted: Wanted) -> None:
    """Raise InputError for a name that Postgres would cut or refuse."""
    for what, name in (("database", wanted.database), ("role", wanted.owner)):
        if not name or "\0" in name:
            raise InputError("%r can't name a %s." % (name, what), "Give it a name.")
        if len(name.encode("utf-8")) > 63:
            raise InputError(
                "The name of %s %s has %d bytes; Postgres cuts names after 63."
                % (what, name, len(name.encode("utf-8"))),
                "Shorten it.",
            )
    if wanted.owner.startswith("pg_"):
        raise InputError(
            "Role names that begin with pg_ belong to Postgres itself: %s." % wanted.owner, "Choose another."
        )
    if wanted.legacy is not None and wanted.legacy.database == wanted.database:
        raise InputError(
            "legacy names the database %s itself." % wanted.database, "Name the one that its tables lie in now."
        )


def _check(wanted: Wanted, state: State) -> None:
    database = state.database
    if database is not None and database.is_template:
        raise ConflictError("%s is a template database." % wanted.database, "Choose another name.")
    if database is not None and database.owner != wanted.owner and not wanted.adopt:
        raise ConflictError(
            "Database %s exists and is owned by %s, not %s." % (wanted.database, database.owner, wanted.owner),
            "Set adopt=true to hand it over.",
        )
    for role in wanted.connect_roles:
        if role not in state.roles and not (wanted.prelude == "postgrest" and role in API_ROLES):
            raise StateError("connect_roles names %s, but there is no such role." % role, "Create it, or leave it out.")
    for extension in wanted.extensions:
        if extension in state.content.extensions:
            continue
        if extension not in state.available:
            raise StateError(
                "Extension %s isn't installed on this server." % extension,
                "Install its package where the server runs (%s)." % _package(extension, state.version),
            )
        if not state.superuser and not state.available[extension]:
            raise StateError(
                "Extension %s isn't a trusted one, and %s is no superuser." % (extension, state.user),
                "Give a login_user that is one (Supabase's is supabase_admin).",
            )


def _package(extension: str, version: int) -> str:
    major = version // 10000
    if extension == "vector":
        return "postgresql-%d-pgvector on Debian, or an image with pgvector" % major
    return "postgresql-contrib, or the extension's own package for Postgres %d" % major


def _role(wanted: Wanted, state: State, new_salt: Callable[[], bytes]) -> Optional[Change]:
    role = state.roles.get(wanted.owner)
    secret = wanted.password
    if role is not None and role.login:
        # Where no verifier can be read (we are no superuser) the module proves the password by a login instead.
        unreadable = role.verifier is None and not state.superuser
        if secret is None or unreadable or scram.matches(secret.value, role.verifier):
            return None
    verifier = Secret(scram.make_verifier(secret.value, new_salt())) if secret is not None else None
    what = "role %s" % wanted.owner
    if role is None:
        attributes = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"
        if verifier is None:
            raise InputError(
                "Role %s doesn't exist yet, and no password is given for it." % wanted.owner,
                "Set owner_password, or owner_password_file to have one made.",
            )
        return Change(
            what,
            after="login, password by SCRAM-SHA-256",
            statements=(Sql("CREATE ROLE {} " + attributes + " PASSWORD %s", (wanted.owner,), (verifier,)),),
            undo=(Sql("DROP ROLE IF EXISTS {}", (wanted.owner,)),),
        )
    before = "login" if role.login else "no login"
    if verifier is None:
        return Change(
            what, before, "login", (Sql("ALTER ROLE {} LOGIN", (wanted.owner,)),), _unlogin(wanted, role.login)
        )
    return Change(
        what,
        before + ", another password",
        "login, password by SCRAM-SHA-256",
        (Sql("ALTER ROLE {} LOGIN PASSWORD %s", (wanted.owner,), (verifier,)),),
        _unlogin(wanted, role.login),
    )


def _unlogin(wanted: Wanted, login: bool) -> Tuple[Sql, ...]:
    return () if login else (Sql("ALTER ROLE {} NOLOGIN", (wanted.owner,)),)


def _database(wanted: Wanted, state: State) -> Optional[Change]:
    what = "database %s" % wanted.database
    if state.database is None:
        return Change(
            what,
            after="owner %s, encoding UTF8" % wanted.owner,
            statements=(
                Sql("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0", (wanted.database, wanted.owner)),
            ),
            undo=(Sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", (wanted.database,)),),
        )
    if state.database.owner == wanted.owner:
        return None
    return Change(
        what,
        "owner %s" % state.database.owner,
        "owner %s" % wanted.owner,
        (Sql("ALTER DATABASE {} OWNER TO {}", (wanted.database, wanted.owner)),),
        (Sql("ALTER DATABASE {} OWNER TO {}", (wanted.database, state.database.owner)),),
    )


def _connect(wanted: Wanted, state: State) -> Optional[Change]:
    """Nobody enters by default: by default every role may connect to every database."""
    connect = set(state.database.connect) if state.database else {_PUBLIC}
    temporary = set(state.database.temporary) if state.database else {_PUBLIC}
    name = wanted.database
    granted = [role for role in wanted.connect_roles if role not in connect and role != wanted.owner]
    statements: List[Sql] = []
    undo: List[Sql] = []
    if _PUBLIC in connect | temporary:
        statements.append(Sql("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC", (name,)))
        for privilege, holders in (("CONNECT", connect), ("TEMPORARY", temporary)):
            if _PUBLIC in holders:
                undo.append(Sql("GRANT %s ON DATABASE {} TO PUBLIC" % privilege, (name,)))
    for role in granted:
        statements.append(Sql("GRANT CONNECT ON DATABASE {} TO {}", (name, role)))
        undo.insert(0, Sql("REVOKE CONNECT ON DATABASE {} FROM {}", (name, role)))
    if not statements:
        return None
    after = sorted((connect - {_PUBLIC}) | set(granted) | {wanted.owner})
    return Change(
        "who may connect to %s" % name,
        ", ".join(sorted(role or "PUBLIC" for role in connect)),
        ", ".join(after),
        tuple(statements),
        tuple(undo),
    )


def _extension(wanted: Wanted, extension: str, content: Content) -> Optional[Change]:
    if extension in content.extensions:
        return None
    return Change(
        "extension %s in %s" % (extension, wanted.database),
        after="schema public",
        statements=(Sql("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public", (extension,), database=wanted.database),),
        undo=(Sql("DROP EXTENSION IF EXISTS {} CASCADE", (extension,), database=wanted.database),),
    )


def _migration(wanted: Wanted, state: State, item: Migration) -> Change:
    return Change(
        "migration %s in %s" % (item.name, wanted.database),
        after="applied, checksum %s" % item.checksum[:12],
        statements=migrations.journal_table(wanted),
        undo=_clear(wanted, state) if not state.content.public_objects else (),
        data=item,
    )


def _adoption(wanted: Wanted, item: Migration) -> Change:
    return Change(
        "record of migration %s in %s" % (item.name, wanted.database),
        after="applied before, verified, checksum %s" % item.checksum[:12],
        statements=migrations.journal_table(wanted) + (migrations.journal_statement(wanted, item),),
        undo=(Sql("DROP SCHEMA IF EXISTS {} CASCADE", (JOURNAL_SCHEMA,), database=wanted.database),),
    )


def _clear(wanted: Wanted, state: State) -> Tuple[Sql, ...]:
    """Empty a database again that was empty before: its schema public as it was, and our own schema gone."""
    name = wanted.database
    owner = "pg_database_owner" if state.version >= 150000 else state.user
    statements = [
        Sql("DROP SCHEMA IF EXISTS {} CASCADE", (JOURNAL_SCHEMA,), database=name),
        Sql("DROP SCHEMA IF EXISTS public CASCADE", database=name),
        Sql("CREATE SCHEMA public", database=name),
        Sql("COMMENT ON SCHEMA public IS 'standard public schema'", database=name),
        Sql("ALTER SCHEMA public OWNER TO {}", (owner,), database=name),
        Sql("GRANT %s ON SCHEMA public TO PUBLIC" % ("USAGE" if state.version >= 150000 else "ALL"), database=name),
    ]
    for extension, schema in sorted(state.content.extensions.items()):
        if schema == "public":
            statements.append(Sql("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public", (extension,), database=name))
    if wanted.prelude == "postgrest" and state.content.prelude:
        # Its grants and default privileges on public went with that schema.
        statements += prelude_content(wanted).statements
    return tuple(statements)
