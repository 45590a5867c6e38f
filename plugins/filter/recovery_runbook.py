# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the disaster recovery runbook from the description."""

from typing import Any, Callable, Dict

from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.runbook import runbook

DOCUMENTATION = r"""
name: recovery_runbook
short_description: Write the disaster recovery runbook from the description
version_added: 0.1.0
description:
  - Takes what M(bulkhead.stack.platform_info) has made of a description, and gives the runbook as Markdown. It holds
    nothing that changes by the day.
author:
  - bulkhead.stack authors (@bulkhead-stack)
positional: host, inventory, status_file
options:
  _input:
    description: The projection C(phases.docs) of M(bulkhead.stack.platform_info).
    type: dict
    required: true
  host:
    description: The host's name, for the title.
    type: str
    required: true
  inventory:
    description: The inventory's path, for the commands.
    type: str
    required: true
  status_file:
    description: The name of the status file beside the runbook.
    type: str
    default: recovery-status.md
"""

EXAMPLES = r"""
- name: Show the runbook
  ansible.builtin.debug:
    msg: "{{ platform.phases.docs | bulkhead.stack.recovery_runbook(inventory_hostname, '/srv/inventories/mine') }}"
"""

RETURN = r"""
_value:
  description: The runbook, as Markdown.
  type: str
"""


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"recovery_runbook": runbook}
