# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write Prometheus' alert rules from the description, and what proves them."""

from typing import Any, Callable, Dict, Mapping, Optional

from ansible.errors import AnsibleFilterError

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.promfiles import rules_text, trials_text
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.rules import alerts, parse_tolerances

DOCUMENTATION = r"""
name: metrics_rules
short_description: Write Prometheus' alert rules from the description
version_added: 0.1.0
description:
  - Takes what M(bulkhead.stack.platform_info) has made of a description, and gives a file of rules for Prometheus. It
    changes only when the description or a tolerance does.
author:
  - bulkhead.stack authors (@bulkhead-stack)
positional: platform, inventory, tolerances, trials_of
options:
  _input:
    description: The projection C(phases.metrics) of M(bulkhead.stack.platform_info).
    type: dict
    required: true
  platform:
    description: The label C(platform) of the host's metrics.
    type: str
    required: true
  inventory:
    description: The inventory's path, for the commands that mend things.
    type: str
    required: true
  tolerances:
    description:
      - What alerts put up with. C(trigger), how often something looks whether a dump is due, C(every), how often the
        metrics are written, C(hold), for how long something must be wrong, C(drill_max_age), durations all of them;
        and C(connections_ratio).
    type: dict
    default: {}
  trials_of:
    description:
      - The path of the file of rules. With it the filter gives the file for C(promtool test rules) that proves them.
    type: str
"""

EXAMPLES = r"""
- name: Write the rules
  ansible.builtin.copy:
    content: >-
      {{ platform.phases.metrics
         | bulkhead.stack.metrics_rules(inventory_hostname, '/srv/inventories/mine', {'trigger': '1h'}) }}
    dest: /etc/prometheus/bulkhead.rules.yml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The file, as YAML.
  type: str
"""


def metrics_rules(
    projection: Mapping[str, Any],
    platform: str,
    inventory: str,
    tolerances: Optional[Mapping[str, Any]] = None,
    trials_of: str = "",
) -> str:
    """Return the file of rules, or the one that proves them."""
    try:
        may = parse_tolerances(tolerances or {})
        found = alerts(projection, platform, inventory, may)
    except BulkheadError as error:
        raise AnsibleFilterError(str(error)) from error
    if trials_of:
        return trials_text(found, trials_of, projection, platform, may)
    return rules_text(found, platform, may)


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"metrics_rules": metrics_rules}
