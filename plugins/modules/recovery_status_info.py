#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which copy each database would be restored today, how long that took the last time, and what is missing."""

DOCUMENTATION = r"""
module: recovery_status_info
short_description: From which copy each database would be restored today, and what is missing for it
version_added: 0.1.0
description:
  - Reads the folders that M(bulkhead.stack.pg_dump_rotate) writes, the verdicts of drills beside the copies, and the
    lines that restores have left. Neither a server nor a container engine is asked.
  - RV(text) tells days and moments, not ages in hours. Within a day it changes only where something happened.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
  - bulkhead.stack.clock
options:
  databases:
    description: The databases, as C(phases.docs.databases) of M(bulkhead.stack.platform_info) has them.
    type: list
    elements: dict
    required: true
  restores:
    description: A file of JSON lines in which restores have told how long they took. It needn't be there.
    type: path
  needs:
    description: The RV(bulkhead.stack.recovery_needs_info#module:needs) of M(bulkhead.stack.recovery_needs_info).
    type: list
    elements: dict
    default: []
  host:
    description: The host's name, for the text's title.
    type: str
    default: this host
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.recovery_needs_info
  - module: bulkhead.stack.pg_dump_info
"""

EXAMPLES = r"""
- name: See what a recovery would have today
  bulkhead.stack.recovery_status_info:
    databases: "{{ platform.phases.docs.databases }}"
    restores: /var/lib/bulkhead/restores.jsonl
    needs: "{{ needs.needs }}"
    host: "{{ inventory_hostname }}"
"""

RETURN = r"""
databases:
  description: Each database.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: Its name in the description.
      type: str
    dump:
      description: File name of its newest verified copy, or V(null).
      type: str
    taken_at:
      description: When that was taken, in UTC.
      type: str
    level:
      description: How far it was verified.
      type: str
    good_until:
      description: Until when it is young enough, in UTC. V(null) where no objective is given.
      type: str
    rpo_met:
      description: Whether it is young enough. V(null) where no objective is given.
      type: bool
    measured_s:
      description: How long the newest drill or restore took that succeeded, or V(null).
      type: float
    set:
      description: File name of its newest recovery set, or V(null).
      type: str
    set_at:
      description: When that was made, in UTC.
      type: str
    rto_met:
      description: Whether that was quick enough. V(null) where it isn't known.
      type: bool
missing:
  description: What a recovery would lack today, as sentences in Markdown.
  returned: success
  type: list
  elements: str
  sample: ["`n8n_db` has no verified copy: there is nothing to restore it from."]
text:
  description: All of this as a page in Markdown.
  returned: success
  type: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.status import status, status_text

_NEEDED = ("key", "name", "criticality")


def run(options: Dict[str, Any]) -> Dict[str, Any]:
    """Build the adapters and hand them in.

    Raises:
        InputError: a database isn't what platform_info has made of it.
    """
    now = clock.now(options["clock"])
    for number, item in enumerate(options["databases"]):
        lacking = [name for name in _NEEDED if not item.get(name)]
        if lacking:
            raise InputError(
                "databases[%d] has no %s." % (number, ", ".join(lacking)),
                "Take it from phases.docs.databases of platform_info.",
            )
    folders = {item["key"]: DumpFolder(item["folder"]) for item in options["databases"] if item.get("folder")}
    restores = files.read_json_lines(options["restores"]) if options["restores"] else []
    found = status(options["databases"], folders, restores, options["needs"], now)
    return dict(found, text=status_text(found, options["needs"], options["host"], now))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {
            "databases": {"type": "list", "elements": "dict", "required": True},
            "restores": {"type": "path"},
            "needs": {"type": "list", "elements": "dict", "default": []},
            "host": {"type": "str", "default": "this host"},
            "clock": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
