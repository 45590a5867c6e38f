# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put together what the audit has read."""

from typing import Any, Callable, Dict

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.report import report

DOCUMENTATION = r"""
name: audit_report
short_description: Put together what an audit has read
version_added: 0.1.0
description:
  - Takes what the modules of the role P(bulkhead.stack.audit#role) returned, and gives tables, findings, and lines
    for a terminal.
author:
  - bulkhead.stack authors (@bulkhead-stack)
positional: clusters, dumps, services, instances, kept
options:
  _input:
    description: The audit's projection, C(phases.audit) of M(bulkhead.stack.platform_info).
    type: dict
    required: true
  clusters:
    description: Results of M(bulkhead.stack.pg_blast_radius_info), one a cluster.
    type: list
    elements: dict
    required: true
  dumps:
    description: The C(newest_verified) of M(bulkhead.stack.pg_dump_info).
    type: dict
    required: true
  services:
    description: The services of M(bulkhead.stack.compose_reachability_info).
    type: list
    elements: dict
    required: true
  instances:
    description: The same for PostgREST instances.
    type: list
    elements: dict
    required: true
  kept:
    description: The C(kept) of M(bulkhead.stack.kept_info).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show the report
  ansible.builtin.debug:
    msg: "{{ (described.phases.audit | bulkhead.stack.audit_report(clusters, dumps, services, instances, kept)).text }}"
"""

RETURN = r"""
_value:
  description: C(databases), C(services), C(kept), C(findings) and C(text).
  type: dict
"""


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"audit_report": report}
