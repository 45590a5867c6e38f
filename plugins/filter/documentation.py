# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare what the blocks of documents show."""

from typing import Any, Callable, Dict

from ansible.errors import AnsibleFilterError

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._documents.model import documentation as model

DOCUMENTATION = r"""
name: documentation
short_description: Prepare what the blocks of documents show
version_added: 0.1.0
description:
  - Holds the description against what servers and containers say of themselves, and gives what the templates of the
    role P(bulkhead.stack.documentation#role) show. All texts are Markdown, escaped.
  - It holds nothing that changes by the day.
author:
  - bulkhead.stack authors (@bulkhead-stack)
positional: clusters, containers, host, inventory
options:
  _input:
    description: The projection C(phases.documents) of M(bulkhead.stack.platform_info).
    type: dict
    required: true
  clusters:
    description: What M(bulkhead.stack.pg_blast_radius_info) said of each cluster, in their order.
    type: list
    elements: dict
    required: true
  containers:
    description: What M(bulkhead.stack.container_definition_info) said, C(containers).
    type: dict
    required: true
  host:
    description: The host's name.
    type: str
    required: true
  inventory:
    description: The inventory's path, for the commands.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show where things differ
  ansible.builtin.debug:
    msg: "{{ blocks.architecture.differences }}"
  vars:
    blocks: >-
      {{ platform.phases.documents
         | bulkhead.stack.documentation(clusters.results, found.containers, inventory_hostname, 'inventories/mine') }}
"""

RETURN = r"""
_value:
  description: What each block shows, by its name.
  type: dict
"""


def documentation(wanted: Any, clusters: Any, containers: Any, host: str, inventory: str) -> Dict[str, Any]:
    """Return what the templates show; an error names what is missing."""
    try:
        return dict(model(wanted, clusters, containers, host, inventory))
    except BulkheadError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"documentation": documentation}
