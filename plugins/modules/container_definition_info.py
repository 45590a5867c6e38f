#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the definitions of containers say, of variables their names alone."""

DOCUMENTATION = r"""
module: container_definition_info
short_description: What the definitions of containers say, without values of variables
version_added: 0.1.0
description:
  - Tells of containers what stays the same for as long as they aren't made anew. Of their variables the names are
    returned, never a value.
  - A container that isn't there is null, and no failure.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  containers:
    description: The containers' names.
    type: list
    elements: str
    required: true
  docker_host:
    description: URL of the container engine. By default E(DOCKER_HOST), else the local socket.
    type: str
requirements:
  - the Python library docker
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
- name: Which variables does Archon have?
  bulkhead.stack.container_definition_info:
    containers: [archon-server]
  register: archon
"""

RETURN = r"""
containers:
  description:
    - By name, null where there is none - C(image), C(service) and C(project) of Compose, C(networks), C(network_mode),
      C(published) (its ports, as Compose writes them), C(hosts) (names that it was given beside those of DNS), and
      C(variables), the names of those that it doesn't have from its image.
  returned: success
  type: dict
  sample:
    archon-server: {image: "archon:1", service: archon-server, project: archon, networks: [archon_app-network],
      network_mode: archon_app-network, published: ["8181:8181"], hosts: [host.docker.internal],
      variables: [SUPABASE_SERVICE_KEY, SUPABASE_URL]}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._documents.containers import read_definition


def look(options: Dict[str, Any]) -> Dict[str, Any]:
    """Return the module's result."""
    if not options["containers"]:
        return {"containers": {}}
    engine = Docker(options["docker_host"])
    try:
        found: Dict[str, Any] = {}
        for name in options["containers"]:
            inspection = engine.inspect_or_none(name)
            found[name] = inspection and read_definition(inspection, engine.image_or_none(inspection["Image"]))
        return {"containers": found}
    finally:
        engine.close()


def main() -> None:
    """Wire options, adapter and domain."""
    module = AnsibleModule(
        {"containers": {"type": "list", "elements": "str", "required": True}, "docker_host": {"type": "str"}},
        supports_check_mode=True,
    )
    try:
        result = look(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
