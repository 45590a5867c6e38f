# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""state -> plan: what leads from the cluster as it is to a database of the service's own."""

from dataclasses import replace
from typing import Callable, List

from .._core.errors import ConflictError, InputError, StateError
from .._core.plan import Change, Plan
from .._core.sql import Sql
from . import migration as migrations
from .changes import (
    adoption,
    clear,
    connect,
    connection_limit,
    database,
    default_privilege,
    display_locale,
    extension_change,
    handing_over,
    membership,
    migration_change,
    public_schema,
    role_change,
    search_path,
    wanted_locale,
)
from .copying import Copy
from .legacy import is_copied_by_name, legacy_change
from .model import Content, Extension, Legacy, State, Wanted
from .prelude import API_ROLES, check_prelude, prelude_content, prelude_roles, schema_watch, unwatched
from .selection import Selection
from .verify import expected


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
    plan.add(membership(wanted, state))
    plan.add(database(wanted, state))
    plan.add(handing_over(wanted, state))
    plan.add(connection_limit(wanted, state))
    plan.add(search_path(wanted, state))
    plan.add(connect(wanted, state, plan.warnings))
    plan.add(public_schema(wanted, state))
    for extension in _extensions(wanted, state, copies):
        plan.add(extension_change(wanted, extension, content))
    if wanted.prelude == "postgrest" and not content.prelude:
        plan.add(prelude_content(wanted))
    for privilege in wanted.default_privileges:
        plan.add(default_privilege(wanted, privilege, content))
    if copies and wanted.legacy is not None:
        plan.add(_copy(wanted, state, wanted.legacy))
    for item in to_run:
        plan.add(migration_change(wanted, state, item))
    for item in to_adopt:
        plan.add(adoption(wanted, item))
    if wanted.prelude == "postgrest":
        plan.add(schema_watch(wanted, state))
        plan.warnings += unwatched(wanted, state)
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
    if fill is None and state.database is not None and state.database.locale != wanted_locale(wanted, state):
        raise ConflictError(
            "Database %s has the locale %s, what is to be copied needs %s."
            % (wanted.database, display_locale(state.database.locale), display_locale(wanted_locale(wanted, state))),
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
        undo=clear(wanted, state) if state.database is not None else (),
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
    there = state.database
    if there is not None and there.is_template:
        raise ConflictError("%s is a template database." % wanted.database, "Choose another name.")
    if there is not None and there.owner != wanted.owner and not wanted.adopt:
        raise ConflictError(
            "Database %s exists and is owned by %s, not %s." % (wanted.database, there.owner, wanted.owner),
            "Set adopt=true to hand it over.",
        )
    for role in wanted.connect_roles:
        if role not in state.roles and not (wanted.prelude == "postgrest" and role in API_ROLES):
            raise StateError("connect_roles names %s, but there is no such role." % role, "Create it, or leave it out.")
    _check_locale(wanted, state)
    for extension in _extensions(wanted, state, wanted.data == "copy"):
        lies_in = state.content.extensions.get(extension.name)
        if lies_in is not None and lies_in != extension.schema and _said_schema(wanted, extension):
            raise ConflictError(
                "Extension %s lies in schema %s of %s, not in %s."
                % (extension.name, lies_in, wanted.database, extension.schema),
                "Correct the description, or move it (ALTER EXTENSION ... SET SCHEMA).",
            )
        if lies_in is not None:
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


def _package(extension: str, version: int) -> str:
    major = version // 10000
    if extension == "vector":
        return "postgresql-%d-pgvector on Debian, or an image with pgvector" % major
    return "postgresql-contrib, or the extension's own package for Postgres %d" % major
