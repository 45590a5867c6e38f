# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""state -> plan: what leads from the cluster as it is to a database of the service's own."""

from dataclasses import replace
from typing import Any, Callable, List, Optional, Set, Tuple

from .._core.errors import ConflictError, InputError, StateError
from .._core.plan import Change, Plan
from .._core.sql import Secret, Sql, quoted_name
from . import migration as migrations
from . import scram
from .copying import Copy, names_of, set_setting
from .fill import JOURNAL_SCHEMA
from .legacy import is_copied_by_name, legacy_change
from .model import Content, DefaultPrivilege, Extension, Legacy, Locale, Migration, State, Wanted
from .prelude import API_ROLES, check_prelude, prelude_content, prelude_roles
from .selection import Selection
from .verify import expected

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
    plan = Plan()
    copies = _is_copied(wanted, state)
    fill = state.content.fill
    if wanted.rehearsal and (copies or (fill is not None and fill.state == "rehearsal")):
        plan.warnings.append(
            "The copy in %s is a rehearsal, for the services still write: it is taken again once they have stopped."
            % wanted.database
        )
    if copies:
        _check_copy(wanted, state)
        state = _without_old_copy(wanted, state, plan)
    content = state.content
    expect = expected(wanted, state)
    to_run, to_adopt, warnings = migrations.pending(wanted, content, expect)
    if wanted.data == "copy":
        # They ran in the old place: what they made comes with the copy.
        to_run, to_adopt = [], to_run + to_adopt
    plan.warnings += warnings + list(state.legacy.selection.notes)
    if not copies and wanted.legacy is not None and wanted.legacy.action != "keep":
        plan.warnings += ["After the move: %s" % question for question in state.legacy.selection.questions]
    plan.add(role_change(wanted, state, new_salt))
    if wanted.prelude == "postgrest":
        check_prelude(state)
        for change in prelude_roles(state):
            plan.add(change)
    plan.add(_membership(wanted, state))
    plan.add(_database(wanted, state))
    plan.add(_limit(wanted, state))
    plan.add(_search_path(wanted, state))
    plan.add(_connect(wanted, state, plan.warnings))
    plan.add(_public(wanted, state))
    for extension in _extensions(wanted, state, copies):
        plan.add(_extension(wanted, extension, content))
    if wanted.prelude == "postgrest" and not content.prelude:
        plan.add(prelude_content(wanted))
    for privilege in wanted.default_privileges:
        plan.add(_default_privilege(wanted, privilege, content))
    if copies and wanted.legacy is not None:
        plan.add(_copy(wanted, state, wanted.legacy))
    for item in to_run:
        plan.add(_migration(wanted, state, item))
    for item in to_adopt:
        plan.add(_adoption(wanted, item))
    plan.add(legacy_change(wanted, state))
    return plan


def _is_copied(wanted: Wanted, state: State) -> bool:
    """Whether a copy is to be taken now: there is none yet, it was cut off, or it was a rehearsal."""
    if wanted.data != "copy":
        return False
    fill = state.content.fill
    if fill is None or fill.how != "copy":
        return bool(state.legacy.selection.tables) or not state.content.tables
    return fill.state == "started" or (fill.state == "rehearsal" and not wanted.rehearsal)


def _check_copy(wanted: Wanted, state: State) -> None:
    """Raise where a copy can't be taken, or would take the place of something that counts."""
    legacy = wanted.legacy
    if legacy is None:
        raise InputError("data is copy, but legacy doesn't say from where.", "Give legacy.database and legacy.tables.")
    selection = state.legacy.selection
    if not selection.tables:
        raise StateError(
            "There is nothing to copy: %s holds no tables of %s." % (legacy.database, legacy.chosen.describe()),
            "Correct legacy, or set data to fresh.",
        )
    refuse_questions(selection, "copied")
    content, fill = state.content, state.content.fill
    if fill is None and not content.empty:
        raise ConflictError(
            "Database %s holds %d tables that weren't copied there by us." % (wanted.database, len(content.tables)),
            "Empty it, give another name, or set data to fresh.",
        )
    if state.written_since:
        raise ConflictError(
            "%d rows came to %s or changed there since the rehearsal: it seems to be in use."
            % (state.written_since, wanted.database),
            "See who writes there. A new copy would lose those rows; nothing was done.",
        )
    if fill is None and state.database is not None and state.database.locale != _locale(wanted, state):
        raise ConflictError(
            "Database %s has the locale %s, what is to be copied needs %s."
            % (wanted.database, _display(state.database.locale), _display(_locale(wanted, state))),
            "It is empty: drop it, and it is made anew with the right locale.",
        )


def refuse_questions(selection: Selection, what: str) -> None:
    """Raise ConflictError where it must be decided whose an object is before anything is done."""
    if selection.questions:
        raise ConflictError(
            "Before the objects can be %s, %d thing%s must be decided:\n%s"
            % (
                what,
                len(selection.questions),
                "" if len(selection.questions) == 1 else "s",
                "\n".join("  - " + question for question in selection.questions),
            ),
            "\nName them under legacy.include or legacy.exclude.",
            questions=list(selection.questions),
        )


def _without_old_copy(wanted: Wanted, state: State, plan: Plan) -> State:
    """Return the state once a rehearsal, or what a killed run left, is dropped; its database is made anew."""
    fill = state.content.fill
    if fill is None:
        return state
    what = "rehearsal of %s" % wanted.database if fill.state == "rehearsal" else "half copy in %s" % wanted.database
    plan.add(
        Change(
            what,
            "%d tables, copied from %s" % (len(state.content.tables), fill.source),
            "",
            (Sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", (wanted.database,)),),
        )
    )
    return replace(state, database=None, content=Content(), sessions=())


def _copy(wanted: Wanted, state: State, legacy: Legacy) -> Change:
    selection = state.legacy.selection
    things = sorted(thing.label for thing in selection.things.values() if is_copied_by_name(thing))
    return Change(
        "%s of %d tables from %s to %s"
        % ("rehearsal copy" if wanted.rehearsal else "copy", len(selection.tables), legacy.database, wanted.database),
        after="".join(label + "\n" for label in things),
        undo=_clear(wanted, state) if state.database is not None else (),
        data=Copy(
            legacy.database,
            wanted.database,
            wanted.owner,
            legacy.chosen,
            not wanted.rehearsal,
            tuple("%s.%s" % (thing.schema, thing.name) for thing in selection.tables),
            wanted.lock_timeout_s,
        ),
    )


def check_names(wanted: Wanted) -> None:
    """Raise InputError for a name that Postgres would cut or refuse."""
    named = [("database", wanted.database), ("role", wanted.owner)]
    if wanted.legacy is not None and wanted.legacy.archive_schema:
        named.append(("schema", wanted.legacy.archive_schema))
    for what, name in named:
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
    if wanted.strategy == "database" and wanted.legacy is not None and wanted.legacy.database == wanted.database:
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
    _check_locale(wanted, state)
    for extension in _extensions(wanted, state, wanted.data == "copy"):
        there = state.content.extensions.get(extension.name)
        if there is not None and there != extension.schema and _said_schema(wanted, extension):
            raise ConflictError(
                "Extension %s lies in schema %s of %s, not in %s."
                % (extension.name, there, wanted.database, extension.schema),
                "Correct the description, or move it (ALTER EXTENSION ... SET SCHEMA).",
            )
        if there is not None:
            continue
        if extension.name not in state.available:
            raise StateError(
                "Extension %s isn't installed on this server." % extension.name,
                "Install its package where the server runs (%s)." % _package(extension.name, state.version),
            )
        if not state.superuser and not state.available[extension.name]:
            raise StateError(
                "Extension %s isn't a trusted one, and %s is no superuser." % (extension.name, state.user),
                "Give a login_user that is one (Supabase's is supabase_admin).",
            )
    for privilege in wanted.default_privileges:
        if privilege.role not in state.roles and not (wanted.prelude == "postgrest" and privilege.role in API_ROLES):
            raise StateError("default_privileges names %s, but there is no such role." % privilege.role, "Create it.")
    if not state.superuser and wanted.owner not in state.roles and wanted.data == "copy":
        raise StateError(
            "%s is no superuser: rows can't be copied for a role that it has only just made." % state.user,
            "Give a login_user that is one (Supabase's is supabase_admin).",
        )


def _said_schema(wanted: Wanted, extension: Extension) -> bool:
    return any(item == extension and item.schema != "public" for item in wanted.extensions)


def _check_locale(wanted: Wanted, state: State) -> None:
    if state.database is None:
        if wanted.template != "template0" and wanted.template not in state.databases:
            raise StateError(
                "There is no template %s." % wanted.template, "There are: %s." % ", ".join(state.databases)
            )
        return
    there = state.database.locale
    for option, stated, found in (
        ("encoding", wanted.encoding, there.encoding),
        ("lc_collate", wanted.lc_collate, there.lc_collate),
        ("lc_ctype", wanted.lc_ctype, there.lc_ctype),
    ):
        if stated and stated.replace("-", "").lower() != found.replace("-", "").lower():
            raise ConflictError(
                "Database %s has %s %s, not %s; that is fixed for its life." % (wanted.database, option, found, stated),
                "Correct the description, or move its content into a new database.",
            )


def _extensions(wanted: Wanted, state: State, copies: bool) -> List[Extension]:
    """Return the extensions to have: those of the description, and those that what is copied needs, where they lay."""
    stated = list(wanted.extensions)
    if copies:
        names = {extension.name for extension in stated}
        stated += [
            Extension(name, schema)
            for name, schema in state.legacy.selection.extensions.items()
            if name not in names and name != "plpgsql"
        ]
    return stated


def _locale(wanted: Wanted, state: State) -> Locale:
    """Return the locale of the new database: stated, or that of what is copied."""
    source = state.legacy.locale if wanted.data == "copy" else Locale()
    return Locale(
        wanted.encoding or source.encoding,
        wanted.lc_collate or source.lc_collate,
        wanted.lc_ctype or source.lc_ctype,
        source.provider,
        source.icu_locale,
    )


def _display(locale: Locale) -> str:
    parts = [locale.encoding, locale.lc_collate, locale.lc_ctype, locale.icu_locale]
    return " ".join(part for part in parts if part) or "the cluster's default"


def _membership(wanted: Wanted, state: State) -> Optional[Change]:
    """Who is no superuser must be a member of the owner to make a database for it (CREATE DATABASE, "OWNER")."""
    if state.superuser or state.user == wanted.owner or state.database is not None:
        return None
    return Change(
        "%s as a member of %s" % (state.user, wanted.owner),
        after="member",
        statements=(Sql("GRANT {} TO {}", (wanted.owner, state.user)),),
        undo=(Sql("REVOKE {} FROM {}", (wanted.owner, state.user)),),
    )


def _limit(wanted: Wanted, state: State) -> Optional[Change]:
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


def _search_path(wanted: Wanted, state: State) -> Optional[Change]:
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


def _public(wanted: Wanted, state: State) -> Optional[Change]:
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


def _default_privilege(wanted: Wanted, privilege: DefaultPrivilege, content: Content) -> Optional[Change]:
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


def _package(extension: str, version: int) -> str:
    major = version // 10000
    if extension == "vector":
        return "postgresql-%d-pgvector on Debian, or an image with pgvector" % major
    return "postgresql-contrib, or the extension's own package for Postgres %d" % major


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


def _database(wanted: Wanted, state: State) -> Optional[Change]:
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


def _new_database(wanted: Wanted, state: State, what: str) -> Change:
    locale = _locale(wanted, state)
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
        after="owner %s, encoding %s" % (wanted.owner, _display(locale)),
        statements=(Sql(text, (wanted.database, wanted.owner, wanted.template), tuple(values)),),
        undo=(Sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", (wanted.database,)),),
    )


def _connect(wanted: Wanted, state: State, warnings: List[str]) -> Optional[Change]:
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


def _extension(wanted: Wanted, extension: Extension, content: Content) -> Optional[Change]:
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
