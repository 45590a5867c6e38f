#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down until when something is kept, and why."""

DOCUMENTATION = r"""
module: kept_register
short_description: Write down until when something is kept, and why
version_added: 0.1.0
description:
  - Archives, databases that were put aside and containers that were retired stand in one register, a file of JSON
    lines.
  - Nothing is removed by this module. M(bulkhead.stack.kept_expire) ends what is over.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.clock
options:
  path:
    description: The register. Made with mode 0600.
    type: path
    required: true
  kind:
    description: What is kept. V(archive) is a schema.
    type: str
    choices: [archive, database, container]
    required: true
  name:
    description: Its name.
    type: str
    required: true
  cluster:
    description: The cluster's name in the description, of an archive or a database.
    type: str
    default: ""
  database:
    description: The database that an archive lies in.
    type: str
    default: ""
  keep_for:
    description: How long it is kept, such as V(30d), counted from when it was written down first.
    type: str
    default: 30d
  reason:
    description: Why it is kept.
    type: str
    default: ""
  state:
    description: With V(ended) it isn't kept any more, because somebody ended it otherwise.
    type: str
    choices: [present, ended]
    default: present
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.kept_info
  - module: bulkhead.stack.kept_expire
"""

EXAMPLES = r"""
- name: Archon's old tables are kept for a month
  bulkhead.stack.kept_register:
    path: /var/lib/bulkhead/register.jsonl
    kind: archive
    name: archon_legacy_archive
    cluster: main
    database: postgres
    keep_for: 30d
    reason: what postgres held before it moved to archon_db
"""

RETURN = r"""
until:
  description: Until when it is kept, an empty text where it isn't.
  returned: success
  type: str
  sample: "2026-12-23T02:00:00Z"
"""

from datetime import timedelta
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, files
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import iso_utc, parse_duration
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.register import (
    KINDS,
    Kept,
    ended_line,
    kept_things,
)


def register(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Plan the line, and unless in check mode write it; return the module's result."""
    if (options["kind"] == "archive") != bool(options["database"]):
        raise InputError("An archive lies in a database, and nothing else does.", "Correct kind or database.")
    now = clock.now(options["clock"])
    keep_s = parse_duration(options["keep_for"])
    known = {kept.identifier: kept for kept in kept_things(files.read_json_lines(options["path"]))}
    fields = (options["kind"], options["name"], options["cluster"], options["database"])
    wanted = Kept(*fields, now, now, options["reason"])
    there = known.get(wanted.identifier)
    since = there.since if there is not None else now
    dropped = there.dropped if there is not None else None
    wanted = Kept(*fields, since, since + timedelta(seconds=keep_s), options["reason"], dropped)
    plan = Plan()
    if options["state"] == "ended":
        line = ended_line(wanted, now, "ended otherwise")
        if there is not None:
            plan.add(Change(wanted.label, "kept until %s" % iso_utc(there.until), ""))
    else:
        line = wanted.to_json()
        if there is None or there.to_json() != line:
            before = "kept until %s: %s" % (iso_utc(there.until), there.reason) if there is not None else ""
            plan.add(Change(wanted.label, before, "kept until %s: %s" % (line["until"], wanted.reason)))
    if plan.changed and not check_mode:
        files.append_json_line(options["path"], line)
    return dict(plan.result(), until=line.get("until", ""))


def main() -> None:
    """Wire options, adapter and domain."""
    module = AnsibleModule(
        {
            "path": {"type": "path", "required": True},
            "kind": {"type": "str", "choices": list(KINDS), "required": True},
            "name": {"type": "str", "required": True},
            "cluster": {"type": "str", "default": ""},
            "database": {"type": "str", "default": ""},
            "keep_for": {"type": "str", "default": "30d"},
            "reason": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["present", "ended"], "default": "present"},
            "clock": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = register(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
