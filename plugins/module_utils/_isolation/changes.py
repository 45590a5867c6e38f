# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The single changes that lead to a database of the service's own: each function returns one, or None."""

from typing import Any, Callable, List, Optional, Set, Tuple

from .._core.errors import ConflictError, InputError
from .._core.plan import Change
from .._core.sql import Secret, Sql, quoted_name
from . import migration as migrations
from . import scram
from .copying import names_of, set_setting
from .fill import JOURNAL_SCHEMA
from .legacy import command_of, identity_of
from .model import Content, DefaultPrivilege, Extension, Locale, Migration, State, Wanted
from .prelude import prelude_content

_PUBLIC = ""


def wanted_locale(wanted: Wanted, state: State) -> Locale:
    """Return the locale of the new database: stated, or that of what is copied."""
    source = state.legacy.locale if wanted.data == "copy" else Locale()
    return Locale(
        wanted.encoding or source.encoding,
        wanted.lc_collate or source.lc_collate,
        wanted.lc_ctype or source.lc_ctype,
        source.provider,
        source.icu_locale,
    )


def display_locale(locale: Locale) -> str:
    """Return a locale as a person reads it."""
    parts = [locale.encoding, locale.lc_collate, locale.lc_ctype, locale.icu_locale]
    return " ".join(part for part in parts if part) or "the cluster's default"


def membership(wanted: Wanted, state: State) -> Optional[Change]:
    """Who is no superuser must be a member of the owner to make a database for it (CREATE DATABASE, "OWNER")."""
    if state.superuser or state.user == wanted.owner or state.database is not None:
        return None
    return Change(
        "%s as a member of %s" % (state.user, wanted.owner),
        after="member",
        statements=(Sql("GRANT {} TO {}", (wanted.owner, state.user)),),
        undo=(Sql("REVOKE {} FROM {}", (wanted.owner, state.user)),),
    )


def connection_limit(wanted: Wanted, state: State) -> Optional[Change]:
    """Return what sets how many connections there may be at once."""
    if wanted.conn_limit is None or state.database is None or state.database.conn_limit == wanted.conn_limit:
        return None
    text = "ALTER DATABASE {} CONNECTION LIMIT %s"
    return Change(
        "connection limit of %s" % wanted.database,
        str(state.database.conn_limit),
        str(wanted.conn_limit),
        (Sql(text, (wanted.database,), (wanted.conn_limit,)),),
        (Sql(text, (wanted.database,), (state.database.conn_limit,)),),
    )


def search_path(wanted: Wanted, state: State) -> Optional[Change]:
    """Return what sets the schemas in which names are looked up; a copy has those of its source."""
    there = state.content.settings.get("search_path", "")
    path = wanted.search_path
    if not path and wanted.data == "copy" and state.database is None:
        path = names_of(state.legacy.search_path)
    if not path or path == names_of(there):
        return None
    names = ("DATABASE {}", (wanted.database,), "search_path")
    reset = Sql("ALTER DATABASE {} RESET search_path", (wanted.database,))
    return Change(
        "search_path of %s" % wanted.database,
        there,
        ", ".join(path),
        (set_setting(*names, ", ".join(quoted_name(item) for item in path)),),
        (set_setting(*names, there) if there else reset,),
    )


def public_schema(wanted: Wanted, state: State) -> Optional[Change]:
    """Only the owner makes things in public: until PostgreSQL 14 every role could."""
    name = wanted.database
    content = state.content
    if state.database is None:
        if state.version >= 150000:
            return None
        others, owner_may = [_PUBLIC], False
    else:
        kept = {wanted.owner, "pg_database_owner", content.public_owner}
        others = sorted(set(content.create_in_public) - kept)
        owner_may = wanted.owner in content.create_in_public or content.public_owner in (
            wanted.owner,
            "pg_database_owner",
        )
    if not others and owner_may:
        return None
    do: List[Sql] = []
    undo: List[Sql] = []
    if not owner_may:
        do.append(Sql("GRANT ALL ON SCHEMA public TO {}", (wanted.owner,), database=name))
        undo.append(Sql("REVOKE ALL ON SCHEMA public FROM {}", (wanted.owner,), database=name))
    for role in others:
        to, names = ("{}", (role,)) if role else ("PUBLIC", ())
        do.append(Sql("REVOKE CREATE ON SCHEMA public FROM " + to, names, database=name))
        undo.append(Sql("GRANT CREATE ON SCHEMA public TO " + to, names, database=name))
    return Change(
        "who may create in schema public of %s" % name,
        ", ".join(role or "PUBLIC" for role in others),
        wanted.owner,
        tuple(do),
        tuple(undo) if state.database is not None else (),
    )


_OBJECT_LETTERS = {"TABLES": "r", "SEQUENCES": "S", "FUNCTIONS": "f", "TYPES": "T"}


def default_privilege(wanted: Wanted, privilege: DefaultPrivilege, content: Content) -> Optional[Change]:
    """Return what lets a role do something with what the owner will create."""
    letter = _OBJECT_LETTERS[privilege.objects]
    there = {
        item[4]
        for item in content.default_privileges
        if item[:4] == (wanted.owner, privilege.schema, letter, privilege.role)
    }
    missing = [word for word in privilege.privileges if word not in there]
    if not missing:
        return None
    text = "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} %s " + ", ".join(missing) + " ON " + privilege.objects
    names = (wanted.owner, privilege.schema, privilege.role)
    return Change(
        "default privileges of %s on %s in %s" % (privilege.role, privilege.objects.lower(), wanted.database),
        ", ".join(sorted(there)),
        ", ".join(sorted(there | set(missing))),
        (Sql(text % "GRANT" + " TO {}", names, database=wanted.database),),
        (Sql(text % "REVOKE" + " FROM {}", names, database=wanted.database),),
    )


def role_change(wanted: Wanted, state: State, new_salt: Callable[[], bytes]) -> Optional[Change]:
    """Return what makes the owner, or gives it the password that is wanted, or None."""
    role = state.roles.get(wanted.owner)
    secret = wanted.password
    if role is not None and role.login:
        # Where no verifier can be read (we are no superuser) a login has proven the password, or not.
        unreadable = role.verifier is None and not state.superuser and state.password_holds is not False
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
    if verifier is not None and state.owner_sessions:
        raise ConflictError(
            "Role %s has another password, and is in use: %s."
            % (wanted.owner, ", ".join("%d sessions in %s" % (count, name) for name, count in state.owner_sessions)),
            "What logs in with the old one would be locked out. Give the password that it has (owner_password or"
            " owner_password_file), name another owner, or stop what uses this one.",
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
        # The old verifier goes back where this run fails; it is a secret, and no journal gets it.
        Secret(role.verifier) if role.verifier else None,
    )


def _unlogin(wanted: Wanted, login: bool) -> Tuple[Sql, ...]:
    return () if login else (Sql("ALTER ROLE {} NOLOGIN", (wanted.owner,)),)


def database(wanted: Wanted, state: State) -> Optional[Change]:
    """Return what makes the database, or hands it over."""
    what = "database %s" % wanted.database
    if state.database is None:
        return _new_database(wanted, state, what)
    if state.database.owner == wanted.owner:
        return None
    return Change(
        what,
        "owner %s" % state.database.owner,
        "owner %s" % wanted.owner,
        (Sql("ALTER DATABASE {} OWNER TO {}", (wanted.database, wanted.owner)),),
        (Sql("ALTER DATABASE {} OWNER TO {}", (wanted.database, state.database.owner)),),
    )


def handing_over(wanted: Wanted, state: State) -> Optional[Change]:
    """Return what gives the objects of an adopted database to its owner: else the next upgrade of its program fails."""
    if not state.strays:
        return None
    where = wanted.database
    altered = [("ALTER %s %s OWNER TO {}" % (command_of(thing), identity_of(thing)), thing) for thing in state.strays]
    return Change(
        "objects in %s" % where,
        "".join("%s: owner %s\n" % (thing.label, thing.owner) for thing in state.strays),
        "".join("%s: owner %s\n" % (thing.label, wanted.owner) for thing in state.strays),
        tuple(Sql(text, (wanted.owner,), database=where) for text, thing in altered),
        tuple(Sql(text, (thing.owner,), database=where) for text, thing in altered),
        "transaction",
    )


def _new_database(wanted: Wanted, state: State, what: str) -> Change:
    locale = wanted_locale(wanted, state)
    text = "CREATE DATABASE {} OWNER {} TEMPLATE {} ENCODING %s"
    values: List[Any] = [locale.encoding]
    clauses: List[Tuple[str, Any]] = [("LC_COLLATE %s", locale.lc_collate), ("LC_CTYPE %s", locale.lc_ctype)]
    if locale.provider == "i":
        clauses += [("LOCALE_PROVIDER icu ICU_LOCALE %s", locale.icu_locale)]
    elif locale.provider == "b":
        clauses += [("LOCALE_PROVIDER builtin BUILTIN_LOCALE %s", locale.icu_locale)]
    if wanted.conn_limit is not None:
        clauses.append(("CONNECTION LIMIT %s", wanted.conn_limit))
    for clause, value in clauses:
        if value != "":
            text += " " + clause
            values.append(value)
    return Change(
        what,
        after="owner %s, encoding %s" % (wanted.owner, display_locale(locale)),
        statements=(Sql(text, (wanted.database, wanted.owner, wanted.template), tuple(values)),),
        undo=(Sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", (wanted.database,)),),
    )


def connect(wanted: Wanted, state: State, warnings: List[str]) -> Optional[Change]:
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
    if state.database is not None and _PUBLIC in connect:
        warnings += _who_loses(wanted, state, set(after))
    return Change(
        "who may connect to %s" % name,
        ", ".join(sorted(role or "PUBLIC" for role in connect)),
        ", ".join(after),
        tuple(statements),
        tuple(undo),
    )


def _who_loses(wanted: Wanted, state: State, keep: Set[str]) -> List[str]:
    """Return who could connect through PUBLIC alone, and who is connected right now and couldn't come back."""
    said = []
    roles = sorted(name for name, role in state.roles.items() if role.login and not role.superuser and name not in keep)
    if roles:
        said.append("These roles can't connect to %s any more: %s." % (wanted.database, ", ".join(roles)))
    sessions = [item for item in state.sessions if item[0] in roles]
    if sessions:
        said.append(
            "Sessions that are open in %s stay, and couldn't come back: %s."
            % (
                wanted.database,
                ", ".join("%d of %s (%s)" % (count, role, name or "no name") for role, name, count in sessions),
            )
        )
    return said


def extension_change(wanted: Wanted, extension: Extension, content: Content) -> Optional[Change]:
    """Return what makes an extension, and its schema where that is missing."""
    name = wanted.database
    if extension.name in content.extensions:
        return None
    do = [Sql("CREATE EXTENSION IF NOT EXISTS {} SCHEMA {}", (extension.name, extension.schema), database=name)]
    if extension.schema != "public" and extension.schema not in content.schemas:
        do.insert(0, Sql("CREATE SCHEMA IF NOT EXISTS {}", (extension.schema,), database=name))
        do.insert(1, Sql("GRANT USAGE ON SCHEMA {} TO PUBLIC", (extension.schema,), database=name))
    return Change(
        "extension %s in %s" % (extension.name, name),
        after="schema %s" % extension.schema,
        statements=tuple(do),
        undo=(Sql("DROP EXTENSION IF EXISTS {} CASCADE", (extension.name,), database=name),),
    )


def migration_change(wanted: Wanted, state: State, item: Migration) -> Change:
    """Return the change that runs a migration."""
    return Change(
        "migration %s in %s" % (item.name, wanted.database),
        after="applied, checksum %s" % item.checksum[:12],
        statements=migrations.journal_table(wanted),
        undo=clear(wanted, state) if not state.content.public_objects else (),
        data=item,
    )


def adoption(wanted: Wanted, item: Migration) -> Change:
    """Return the change that records a migration which ran before us."""
    return Change(
        "record of migration %s in %s" % (item.name, wanted.database),
        after="applied before, verified, checksum %s" % item.checksum[:12],
        statements=migrations.journal_table(wanted) + (migrations.journal_statement(wanted, item),),
        undo=(Sql("DROP SCHEMA IF EXISTS {} CASCADE", (JOURNAL_SCHEMA,), database=wanted.database),),
    )


def clear(wanted: Wanted, state: State) -> Tuple[Sql, ...]:
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
