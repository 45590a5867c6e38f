# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says beside its changes: what was found, and what an isolation is good for."""

from typing import Any, Dict

from .._core.sql import quoted_name
from .legacy import is_copied_by_name
from .model import State, Wanted

# By strategy: what it keeps apart, and what it can't.
CONTAINS = {
    "database": (
        "A dropped database, a migration gone wrong, a lock, a role that reads or writes beside its own, a restore:"
        " they concern this service alone.",
        "A full disk, a server that stops or is upgraded, too many connections, a superuser: they concern every"
        " database of the cluster.",
    ),
    "schema": (
        "A role that reads or writes beside its own; names that clash; a dump or an archive of this service alone.",
        "A dropped or restored database, a full disk, a lock on what all share, an extension that is upgraded, a server"
        " that stops, too many connections, a superuser: they concern every service in the database.",
    ),
    "prefix": (
        "A role that reads or writes beside its own, as long as it is no superuser and no role that passes row"
        " policies by.",
        "A dropped or restored database, a dropped schema, a full disk, a server that stops, too many connections, a"
        " superuser: they concern every service in the database. Its owner may make tables beside the others', under"
        " any name; and what a service makes outside of its prefix is nobody's.",
    ),
}


def describe(wanted: Wanted, state: State) -> Dict[str, Any]:
    """Return facts for the module's result."""
    selection = state.legacy.selection
    contains, cannot = CONTAINS[wanted.strategy]
    return {
        "database_exists": state.database is not None,
        "legacy_tables": [
            thing.name if thing.schema == "public" else "%s.%s" % (thing.schema, thing.name)
            for thing in selection.tables
        ],
        # For pg_dump: each name quoted, so that it means this table alone.
        "legacy_patterns": [quoted_name((thing.schema, thing.name)) for thing in selection.tables],
        "legacy_objects": sorted(thing.label for thing in selection.things.values() if is_copied_by_name(thing)),
        "contains": contains,
        "cannot_contain": cannot,
    }
