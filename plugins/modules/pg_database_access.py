#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let nobody into a database who has nothing there."""

DOCUMENTATION = r"""
module: pg_database_access
short_description: Let nobody into a database who has nothing there
version_added: 0.1.0
description:
  - By default PostgreSQL lets every role connect to every database. On the databases named C(CONNECT) and C(TEMPORARY)
    are revoked from C(PUBLIC).
  - Before that C(CONNECT) is granted by name to who has something there - owns or may use an object, has settings or an
    open session there, or is a member of such a role.
  - No other database is touched, and no right that was granted by name is taken away.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
options:
  databases:
    description: The databases.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      connect_roles:
        description: Roles that may connect beside those who have something there, such as an exporter's.
        type: list
        elements: str
        default: []
  journal:
    description: A file of JSON lines, on the target, that takes what is done and how to undo it. Made with mode 0600.
    type: path
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.pg_database_isolate
"""

EXAMPLES = r"""
- name: Archon can't enter the others' databases
  bulkhead.stack.pg_database_access:
    container: supabase-ai-db
    databases:
      - {name: n8n_db}
      - {name: odoo_db, connect_roles: [exporter]}
"""

RETURN = r"""
changes:
  description: What was changed, or would be, in order.
  returned: success
  type: list
  elements: str
  sample: [who may connect to n8n_db]
warnings_found:
  description: Roles that lose the right to connect, and those that keep it for an open session alone.
  returned: success
  type: list
  elements: str
  sample: ["These roles can't connect to n8n_db any more: archon."]
kept:
  description: By database, the roles that keep the right to connect, and why.
  returned: success
  type: dict
  sample: {n8n_db: {n8n: it owns or uses objects there}}
"""

import uuid
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.access import (
    WantedAccess,
    keeps,
    plan_access,
    read_access,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.journal import sql_entry


def restrict(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Read, plan, and unless in check mode apply; return the module's result."""
    journal = options["journal"]
    wanted = [WantedAccess(item["name"], tuple(item["connect_roles"])) for item in options["databases"]]
    with open_postgres(options) as postgres:
        state = read_access(postgres, wanted)
        plan = plan_access(wanted, state)
        if plan.changed and not check_mode:
            # All or nothing: what the rights of databases are stands in a catalogue that all share.
            with postgres.transaction("") as transaction:
                for change in plan:
                    if journal:
                        files.append_json_line(journal, sql_entry(uuid.uuid4().hex, change.what, change.undo))
                    for statement in change.statements:
                        transaction.execute(statement)
            if journal:
                files.append_json_line(journal, {"kind": "completed"})
    kept = {item.database: keeps(item, state.databases[item.database]) for item in wanted}
    return dict(plan.result(), warnings_found=plan.warnings, kept=kept)


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        {
            **CONNECTION_SPEC,
            "databases": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "connect_roles": {"type": "list", "elements": "str", "default": []},
                },
            },
            "journal": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = restrict(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in result["warnings_found"]:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
