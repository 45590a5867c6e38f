# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put together what the audit has read."""

from typing import Any, Callable, Dict

from ansible.errors import AnsibleFilterError

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.report import report
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError

DOCUMENTATION = r"""
name: audit_report
short_description: Put together what an audit has read
version_added: 0.1.0
description:
  - Takes what the modules of the role P(bulkhead.stack.audit#role) returned, and gives the audit's document - findings,
    tables, the platform as a graph, a calendar of copies and drills - and lines for a terminal.
author:
  - bulkhead.stack authors (@bulkhead-stack)
positional: seen
options:
  _input:
    description: The audit's projection, C(phases.audit) of M(bulkhead.stack.platform_info).
    type: dict
    required: true
  seen:
    description:
      - What was read. C(clusters) is a list of results of M(bulkhead.stack.pg_blast_radius_info), one a cluster, in
        their order. C(copies), C(reached), C(host) and C(kept) are the results of M(bulkhead.stack.pg_dump_info),
        M(bulkhead.stack.compose_reachability_info), M(bulkhead.stack.audit_host_info) and M(bulkhead.stack.kept_info).
        C(hostname) is what the document calls the host. C(fail_on) is a severity.
      - A result that failed is told as what could not be seen.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the report
  ansible.builtin.debug:
    msg: "{{ (described.phases.audit | bulkhead.stack.audit_report(seen)).text }}"
  vars:
    seen:
      clusters: "{{ clusters.results }}"
      copies: "{{ copies }}"
      reached: "{{ reached }}"
      host: "{{ host }}"
      kept: "{{ kept }}"
      hostname: "{{ inventory_hostname }}"
"""

RETURN = r"""
_value:
  description: >-
    C(schema), C(made_at), C(host), C(timezone), C(described), C(unseen), C(findings), C(databases), C(services),
    C(graph), C(wanted_graph), C(calendar), C(kept), C(failing), the findings that aren't accepted and are at least as
    grave as C(fail_on), and C(text).
  type: dict
"""


def audit_report(wanted: Any, seen: Any) -> Dict[str, Any]:
    """Return the document; an error names what is wrong."""
    try:
        return report(wanted, seen)
    except BulkheadError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"audit_report": audit_report}
