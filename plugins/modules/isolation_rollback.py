#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a completed isolation back, within its archive's life."""

DOCUMENTATION = r"""
module: isolation_rollback
short_description: Take a completed isolation back
version_added: 0.1.0
description:
  - What was put aside in the shared database returns to its place, files and services are as they were, and the
    service's own database is kept aside under another name. Its role stays, because it owns what is in it.
  - Rows that came, changed or went since the database was filled are counted. Without a word on what becomes of them
    nothing is done.
  - The services must have been stopped, and a dump taken; the playbook C(bulkhead.stack.rollback) sees to both.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
options:
  database:
    description: The service's own database.
    type: str
    required: true
  shared:
    description: The database that its tables lay in before, in the same cluster. Without one there are none to go back
      to.
    type: str
    default: ""
  archive_schema:
    description: The schema of O(shared) in which they lie now.
    type: str
    default: ""
  rows:
    description:
      - V(refuse) fails where rows came, changed or went since, and says of which tables.
      - V(discard) goes back without them.
      - V(copy_back) carries them to the shared database, in the transaction that brings the tables back. A row is known
        by its primary key; where migrations filled the database, by its other key if there is one, since each
        database has numbers of its own then. Refused where tables have other columns by now.
    type: str
    choices: [refuse, discard, copy_back]
    default: refuse
  journal:
    description: The journal of the isolation.
    type: path
    required: true
  lock_timeout:
    description: How many seconds to wait for another run that works on this database.
    type: int
    default: 60
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.isolation_journal
  - module: bulkhead.stack.pg_database_isolate
"""

EXAMPLES = r"""
- name: Archon goes back to the shared database, with what it wrote since
  bulkhead.stack.isolation_rollback:
    container: supabase-ai-db
    database: archon_db
    shared: postgres
    archive_schema: archon_legacy_archive
    rows: copy_back
    journal: /var/lib/bulkhead/journal/archon_db.jsonl
"""

RETURN = r"""
changes:
  description: What was taken back, or would be, in order.
  returned: success
  type: list
  elements: str
  sample: [what was put aside in postgres, files and services, database archon_db]
written:
  description: By table, rows that came or changed (C(came)) and rows that went or changed (C(gone)) since.
  returned: success
  type: dict
  sample: {public.archon_settings: {came: 1, gone: 1}}
restored:
  description: What of files and services is as it was.
  returned: success
  type: list
  elements: str
  sample: ["/srv/archon/.env is as it was"]
set_aside:
  description: The name under which the service's own database is kept, or an empty text.
  returned: success
  type: str
  sample: archon_db_undone_20261124T101500Z
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.hands import HostHands
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.table_copy import CopyingPostgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_cluster
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.rollback import (
    ON_THE_HOST,
    archive_entries,
    bring_back,
    plan_rollback,
    read_rollback,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.journal import (
    completed_entries,
    empty_as_before,
    undo,
)


def roll_back(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Read, plan, and unless in check mode apply; return the module's result."""
    database, shared, journal = options["database"], options["shared"], options["journal"]
    entries = completed_entries(files.read_json_lines(journal))
    result: Dict[str, Any] = {"restored": [], "set_aside": ""}
    with open_cluster(CopyingPostgres, options) as postgres:
        others = (shared,) if shared else ()
        with postgres.working_on(database, others, options["lock_timeout"], only_looking=check_mode):
            state = read_rollback(postgres, entries, database, shared, options["archive_schema"])
            plan = plan_rollback(state, database, shared, options["rows"])
            if not check_mode:
                bring_back(state, plan, postgres, database, shared)
                done = [entry["id"] for entry in archive_entries(entries, shared)]
                if done:
                    files.append_json_line(journal, {"kind": "taken_back", "ids": done})
                result["restored"] = restore_host(entries, options)
                result["set_aside"] = put_aside(entries, postgres, database, options)
                files.append_json_line(journal, {"kind": "rolled_back"})
    written = {label: {"came": item.came, "gone": item.gone} for label, item in state.written.items()}
    return dict(plan.result(), written=written, warnings=plan.warnings, **result)


def restore_host(entries: Any, options: Dict[str, Any]) -> Any:
    """Put files and services back.

    Raises:
        OutsideError: not all could be; the journal says what, so that the next run goes on.
    """
    report = undo(
        [entry for entry in entries if entry["kind"] in ON_THE_HOST], HostHands(None, options["docker_host"] or "")
    )
    if report["left"]:
        raise OutsideError(
            "The tables are back, but not everything else: %s." % "; ".join(report["left"]),
            "Mend that, and run this again.",
            **report,
        )
    return report["restored"]


def put_aside(entries: Any, postgres: Any, database: str, options: Dict[str, Any]) -> str:
    """Rename the service's own database; make the empty one anew that was there before. Return its new name."""
    name = HostHands(postgres, options["docker_host"] or "").set_aside(database)
    before = next((entry for entry in entries if entry["kind"] == "fingerprint"), None)
    for statement in empty_as_before(before) if before is not None else ():
        postgres.execute(statement)
    return name


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        {
            **CONNECTION_SPEC,
            "database": {"type": "str", "required": True},
            "shared": {"type": "str", "default": ""},
            "archive_schema": {"type": "str", "default": ""},
            "rows": {"type": "str", "choices": ["refuse", "discard", "copy_back"], "default": "refuse"},
            "journal": {"type": "path", "required": True},
            "lock_timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        result = roll_back(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
