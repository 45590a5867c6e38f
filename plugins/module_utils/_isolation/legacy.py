# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a service's objects in their old place: put aside in an archive schema, whole, or dropped."""

from typing import Any, Iterable, List, Mapping, Optional, Tuple, Union

from .._core.errors import ConflictError, InputError
from .._core.plan import Change
from .._core.sql import Sql
from .catalogue import Thing
from .model import Legacy, State, Wanted
from .selection import Chosen, Selection

# Which command moves or drops an object of a catalogue. Parts of tables, row types and array types follow them.
_COMMANDS = {
    "pg_proc": "ROUTINE",
    "pg_collation": "COLLATION",
    "pg_operator": "OPERATOR",
    "pg_conversion": "CONVERSION",
    "pg_ts_config": "TEXT SEARCH CONFIGURATION",
    "pg_ts_dict": "TEXT SEARCH DICTIONARY",
    "pg_statistic_ext": "STATISTICS",
}
_RELATIONS = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE", "S": "SEQUENCE"}
_TYPES = {"e": "TYPE", "d": "DOMAIN", "r": "TYPE", "b": "TYPE"}


def parse_legacy(options: Mapping[str, Any], action: str = "") -> Legacy:
    """Return the legacy of a service, as the option of the module has it.

    Arguments:
        options: database; tables (``public.archon_*``: a schema, a dot, and a name in which a star stands for
            anything; one or several), schemas, owner, include, exclude; archive_schema; action; confirm.
        action: in place of the options' own.

    Raises:
        InputError: nothing is chosen, a pattern names no schema, or every table of one.
    """
    tables: Union[str, List[str]] = options.get("tables") or []
    patterns = [tables] if isinstance(tables, str) else list(tables)
    archive = options.get("archive_schema") or ""
    schemas = tuple(options.get("schemas") or ())
    for pattern in patterns:
        schema, dot, name = pattern.partition(".")
        if not dot or not schema or not name.strip("*"):
            raise InputError(
                "%r doesn't say which legacy tables are meant." % pattern,
                "Write it like public.archon_*. Everything of a schema is schemas, everything of a role is owner.",
            )
        schemas += () if archive != schema else (schema,)
    if archive and archive in schemas:
        raise InputError("archive_schema is the schema %s that the tables lie in." % archive, "Choose another.")
    if not (patterns or options.get("schemas") or options.get("owner")):
        raise InputError("legacy doesn't say which tables are meant.", "Give tables, schemas or owner.")
    chosen = Chosen(
        tuple(patterns),
        tuple(options.get("schemas") or ()),
        options.get("owner") or "",
        tuple(options.get("include") or ()),
        tuple(options.get("exclude") or ()),
        archive,
    )
    wanted = action or options.get("action") or "keep"
    if wanted == "archive" and not archive:
        raise InputError("legacy is to be archived, but archive_schema is missing.", "Name one.")
    return Legacy(options["database"], chosen, archive, wanted, options.get("confirm") or "")


def legacy_change(wanted: Wanted, state: State) -> Optional[Change]:
    """Return the change that puts the service's objects aside, or drops them, or None.

    Raises:
        ConflictError: something of that name lies in the archive already, or rows came after they were copied.
        InputError: they are to be dropped, and that wasn't confirmed.
    """
    legacy = wanted.legacy
    selection = state.legacy.selection
    if legacy is None or legacy.action == "keep" or not selection.tables:
        return None
    if state.legacy.changed:
        raise ConflictError(
            "Tables in %s were written to after they had been copied to %s: %s."
            % (legacy.database, wanted.database, ", ".join(state.legacy.changed)),
            "Stop what writes there, and take the copy again; nothing was put aside.",
        )
    moved = [thing for thing in movable(selection) if thing.node not in selection.shared]
    reload_cache = Sql("SELECT pg_notify('pgrst', 'reload schema')", database=legacy.database)
    what = "legacy objects (%s) in %s" % (legacy.chosen.describe(), legacy.database)
    before = "".join("%s\n" % thing.label for thing in moved)
    if legacy.action == "drop":
        return Change(what, before, "", (*_drop(wanted, legacy, moved), reload_cache), data="transaction")
    do, undo = _archive(wanted, state, legacy, moved)
    after = "".join("%s, in schema %s\n" % (thing.label, legacy.archive_schema) for thing in moved)
    return Change(what, before, after, (*do, reload_cache), (*undo, reload_cache), data="transaction")


def is_copied_by_name(thing: Thing) -> bool:
    """Whether a thing is one of its own, and not a part of another."""
    return bool(command_of(thing))


def movable(selection: Selection) -> List[Thing]:
    """Return what has to be moved by a command of its own, in an order in which no command undoes another's work.

    Functions first: their identity names the types of their arguments, which may move as well.
    """
    things = [thing for thing in selection.own() if command_of(thing) and thing.node not in selection.owned_sequences]
    return sorted(things, key=lambda thing: (thing.node[0] != "pg_proc", thing.is_table, thing.label))


def command_of(thing: Thing) -> str:
    """Return the kind of a thing as ALTER and DROP name it, an empty text for a part of another."""
    if thing.node[0] == "pg_class":
        return _RELATIONS.get(thing.kind, "TYPE" if thing.kind == "c" else "")
    if thing.node[0] == "pg_type":
        return "" if thing.relation or thing.label.endswith("[]") else _TYPES.get(thing.kind, "")
    return _COMMANDS.get(thing.node[0], "")


def identity_of(thing: Thing, schema: str = "") -> str:
    """Return an object's name as the server quotes it, for a statement's text; in another schema, if one is given."""
    quoted = '"%s".' % thing.schema.replace('"', '""')
    old = quoted if quoted in thing.label else thing.schema + "."
    name = thing.label[thing.label.index(old) :]
    if schema:
        name = '"%s".%s' % (schema.replace('"', '""'), name[len(old) :])
    return name.replace("{", "{{").replace("}", "}}")


def _drop(wanted: Wanted, legacy: Legacy, moved: Iterable[Thing]) -> List[Sql]:
    phrase = "drop %s from %s" % (legacy.chosen.describe(), legacy.database)
    if legacy.confirm != phrase:
        raise InputError(
            "The legacy objects (%s) in %s would be dropped." % (legacy.chosen.describe(), legacy.database),
            "To confirm it, type `%s` as legacy.confirm. Better, let them be archived first." % phrase,
        )
    things = list(moved)
    tables = [thing for thing in things if thing.is_table]
    # Tables in one command: they may refer to each other. Nothing cascades: what others need isn't dropped.
    statements = []
    for command in ("VIEW", "MATERIALIZED VIEW"):
        views = [thing for thing in things if command_of(thing) == command]
        if views:
            text = "DROP %s %s" % (command, ", ".join(identity_of(thing) for thing in views))
            statements.append(Sql(text, database=legacy.database))
    text = "DROP TABLE %s" % ", ".join(["{}"] * len(tables))
    statements.append(Sql(text, tuple((thing.schema, thing.name) for thing in tables), database=legacy.database))
    for thing in sorted(things, key=lambda item: (item.node[0] == "pg_type", -item.node[1])):
        if not thing.is_relation:
            statements.append(Sql("DROP %s %s" % (command_of(thing), identity_of(thing)), database=legacy.database))
    return statements


def _archive(wanted: Wanted, state: State, legacy: Legacy, moved: Iterable[Thing]) -> Tuple[List[Sql], List[Sql]]:
    things = list(moved)
    clash = sorted(thing.name for thing in things if (thing.node[0], thing.name) in state.legacy.archived)
    if clash:
        raise ConflictError(
            "The archive %s in %s holds objects already that lie in their old place again: %s."
            % (legacy.archive_schema, legacy.database, ", ".join(clash)),
            "Rename the archive, or choose another archive_schema.",
        )
    do: List[Sql] = []
    undo: List[Sql] = []
    if not state.legacy.archive_schema_exists:
        schema = legacy.archive_schema
        note = "Tables %s, moved here by bulkhead.stack: their service lives in database %s now." % (
            legacy.chosen.describe(),
            wanted.database,
        )
        do.append(Sql("CREATE SCHEMA IF NOT EXISTS {}", (schema,), database=legacy.database))
        do.append(Sql("REVOKE ALL ON SCHEMA {} FROM PUBLIC", (schema,), database=legacy.database))
        do.append(Sql("COMMENT ON SCHEMA {} IS %s", (schema,), (note,), legacy.database))
        undo.append(Sql("DROP SCHEMA IF EXISTS {}", (schema,), database=legacy.database))
    for thing in things:
        command = command_of(thing)
        text = "ALTER %s %s SET SCHEMA {}" % (command, identity_of(thing))
        do.append(Sql(text, (legacy.archive_schema,), database=legacy.database))
        exists = "IF EXISTS " if command in _RELATIONS.values() else ""
        back = "ALTER %s %s%s SET SCHEMA {}" % (command, exists, identity_of(thing, legacy.archive_schema))
        undo.insert(0, Sql(back, (thing.schema,), database=legacy.database))
    return do, undo
