# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's tables in their old place: put aside in an archive schema, whole, with a note on each."""

from typing import List, Optional

from .._core.errors import ConflictError, InputError
from .._core.plan import Change
from .._core.sql import Sql
from .model import Legacy, State, Wanted


def parse_legacy(database: str, tables: str, archive_schema: str, archive: bool) -> Legacy:
    """Return the legacy of a service.

    Arguments:
        tables: ``public.archon_*``: a schema, a dot, and a name in which a star stands for anything.

    Raises:
        InputError: the pattern names no schema, or every table of one.
    """
    schema, dot, pattern = tables.partition(".")
    if not dot or not schema or not pattern.strip("*"):
        raise InputError("%r doesn't say which legacy tables are meant." % tables, "Write it like public.archon_*.")
    if archive_schema == schema:
        raise InputError("archive_schema is the schema %s that the tables lie in." % schema, "Choose another.")
    return Legacy(database, schema, pattern, archive_schema, archive)


def archive_change(wanted: Wanted, state: State) -> Optional[Change]:
    """Return the change that puts the legacy tables aside, or None.

    Raises:
        ConflictError: a table of that name lies in the archive already.
    """
    legacy = wanted.legacy
    if legacy is None or not legacy.archive or not state.legacy.tables:
        return None
    clash = sorted(set(state.legacy.tables) & set(state.legacy.archived))
    if clash:
        raise ConflictError(
            "The archive %s in %s holds tables already that lie in %s again: %s."
            % (legacy.archive_schema, legacy.database, legacy.schema, ", ".join(clash)),
            "Rename the archive, or choose another archive_schema.",
        )
    do: List[Sql] = []
    undo: List[Sql] = []
    if not state.legacy.archive_schema_exists:
        schema = legacy.archive_schema
        note = "Tables %s.%s, moved here by bulkhead.stack: their service lives in database %s now." % (
            legacy.schema,
            legacy.pattern,
            wanted.database,
        )
        do.append(Sql("CREATE SCHEMA IF NOT EXISTS {}", (schema,), database=legacy.database))
        do.append(Sql("REVOKE ALL ON SCHEMA {} FROM PUBLIC", (schema,), database=legacy.database))
        do.append(Sql("COMMENT ON SCHEMA {} IS %s", (schema,), (note,), legacy.database))
        undo.append(Sql("DROP SCHEMA IF EXISTS {}", (schema,), database=legacy.database))
    for table in state.legacy.tables:
        old, new = (legacy.schema, table), (legacy.archive_schema, table)
        do.append(Sql("ALTER TABLE {} SET SCHEMA {}", (old, legacy.archive_schema), database=legacy.database))
        undo.insert(0, Sql("ALTER TABLE IF EXISTS {} SET SCHEMA {}", (new, legacy.schema), database=legacy.database))
    reload_cache = Sql("SELECT pg_notify('pgrst', 'reload schema')", database=legacy.database)
    return Change(
        "legacy tables %s.%s in %s" % (legacy.schema, legacy.pattern, legacy.database),
        "".join("%s.%s\n" % (legacy.schema, table) for table in state.legacy.tables),
        "".join("%s.%s\n" % (legacy.archive_schema, table) for table in state.legacy.tables),
        tuple(do) + (reload_cache,),
        tuple(undo) + (reload_cache,),
        data="transaction",
    )
