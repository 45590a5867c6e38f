#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept, until when, and why."""

DOCUMENTATION = r"""
module: kept_info
short_description: What is kept, until when, and why
version_added: 0.1.0
description:
  - Reads the register of archives, databases that were put aside, and containers that were retired.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
  - bulkhead.stack.clock
options:
  path:
    description: The register. One that doesn't exist is empty.
    type: path
    required: true
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.kept_register
  - module: bulkhead.stack.kept_expire
"""

EXAMPLES = r"""
- name: See what is kept
  bulkhead.stack.kept_info:
    path: /var/lib/bulkhead/register.jsonl
"""

RETURN = r"""
kept:
  description: What is kept, the first to end first.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(archive), V(database) or V(container).
      type: str
      sample: archive
    name:
      description: Its name.
      type: str
      sample: archon_legacy_archive
    cluster:
      description: Its cluster's name in the description.
      type: str
      sample: main
    database:
      description: The database that an archive lies in.
      type: str
      sample: postgres
    since:
      description: Since when it is kept, in UTC.
      type: str
      sample: "2026-11-23T02:00:00Z"
    until:
      description: Until when, in UTC.
      type: str
      sample: "2026-12-23T02:00:00Z"
    reason:
      description: Why.
      type: str
      sample: what postgres held before it moved to archon_db
    over:
      description: Whether its time is over.
      type: bool
      sample: false
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, files
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.register import kept_things

_FIELDS = ("kind", "name", "cluster", "database", "since", "until", "reason")


def look(options: Dict[str, Any]) -> Dict[str, Any]:
    """Return the module's result."""
    now = clock.now(options["clock"])
    found = []
    for kept in kept_things(files.read_json_lines(options["path"])):
        line = kept.to_json()
        found.append(dict({field: line[field] for field in _FIELDS}, over=kept.is_over(now)))
    return {"kept": found}


def main() -> None:
    """Wire options, adapter and domain."""
    module = AnsibleModule(
        {"path": {"type": "path", "required": True}, "clock": {"type": "str"}}, supports_check_mode=True
    )
    try:
        result = look(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
