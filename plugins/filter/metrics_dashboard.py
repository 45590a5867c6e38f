# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the Grafana dashboard of the metrics."""

from typing import Any, Callable, Dict

from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.dashboard import dashboard_text

DOCUMENTATION = r"""
name: metrics_dashboard
short_description: Write the Grafana dashboard of the metrics
version_added: 0.1.0
description:
  - Gives the dashboard as Grafana's JSON. It is the same for every description, for its variables choose among hosts,
    clusters and databases.
author:
  - bulkhead.stack authors (@bulkhead-stack)
options:
  _input:
    description: The projection C(phases.metrics) of M(bulkhead.stack.platform_info). Nothing of it is used.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the dashboard
  ansible.builtin.copy:
    content: "{{ platform.phases.metrics | bulkhead.stack.metrics_dashboard }}"
    dest: /var/lib/grafana/dashboards/bulkhead.json
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The dashboard, as JSON.
  type: str
"""


def metrics_dashboard(_projection: Any) -> str:
    """Return the dashboard's file."""
    return dashboard_text()


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"metrics_dashboard": metrics_dashboard}
