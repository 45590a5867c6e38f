#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attach services of a compose file to networks, or detach them."""

DOCUMENTATION = r"""
module: compose_networks
short_description: Attach services of a compose file to networks
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Puts services of a compose file on networks, for example on one that another Compose project made, so that they find
    its containers by name. Or takes them off again.
  - A service that names no network is on C(default). The first one that it is given brings C(default) along, so that
    it keeps its neighbours.
  - Nothing but the lines that have to change is touched. Comments, quotes, indentation, anchors and line ends stay.
  - A change never reaches a service that was not asked for. Where one shares its networks through an anchor, a merge
    key or C(extends), the module fails and names it.
  - The containers are not touched. RV(pending_services) says which ones have to be made anew.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.compose_file
options:
  services:
    description:
      - The services. V(*) or V(all) is every service of the file; those with a C(network_mode) are then left out.
    type: list
    elements: str
    required: true
  networks:
    description:
      - The networks that the services are to be on, or are not to be on.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The network's key in the compose file.
        type: str
        required: true
      declare:
        description:
          - What the top level of the file says of the network. It is written where no file of the project declares it.
          - Where one declares it otherwise, the module fails.
          - With O(state=absent) the declaration goes as well, if it says just this and no service is on the network.
          - Without it the network has to be declared already.
        type: dict
        suboptions:
          external:
            description: Whether the network exists already and Compose neither makes nor removes it.
            type: bool
            default: false
          name:
            description: The network's name in the engine, where it isn't what Compose would call it.
            type: str
          driver:
            description: The driver with which Compose makes it.
            type: str
      aliases:
        description: Further names of the services on this network. A list in the file becomes a mapping for them.
        type: list
        elements: str
      ipv4_address:
        description: The services' IPv4 address on this network.
        type: str
      ipv6_address:
        description: The services' IPv6 address on this network.
        type: str
  state:
    description:
      - Whether the services are to be on the networks.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: bulkhead.stack.compose_extra_hosts
  - module: bulkhead.stack.compose_reachability_info
"""

EXAMPLES = r"""
- name: Let Archon find the containers of the local AI stack by name
  bulkhead.stack.compose_networks:
    path: /srv/archon/docker-compose.yml
    services: [archon-server, archon-mcp]
    networks:
      - name: localai_default
        declare:
          external: true
  register: networks

- name: Make the containers anew that need it
  community.docker.docker_compose_v2:
    project_src: /srv/archon
    services: "{{ networks.pending_services }}"
    dependencies: false
    wait: true
  when: networks.pending_services | length > 0

- name: Take them off again, in the override file into which it was written
  bulkhead.stack.compose_networks:
    path: /srv/archon/docker-compose.yml
    services: [archon-server, archon-mcp]
    networks:
      - name: localai_default
        declare:
          external: true
    mode: override
    state: absent
"""

RETURN = r"""
changed_services:
  description: The services whose definition changed, or would change.
  returned: success
  type: list
  elements: str
  sample: [archon-server]
pending_services:
  description:
    - The services of which a container isn't on the networks, or still is on them; they need C(docker compose up -d).
    - Empty where there is no engine or no container.
  returned: success
  type: list
  elements: str
  sample: [archon-server]
path_written:
  description: The file that was written, or would be; an empty text where nothing changes.
  returned: success
  type: str
  sample: /srv/archon/docker-compose.yml
validated:
  description:
    - Whether C(docker compose config) reads nothing but this change out of the new content - V(yes), V(no) (not asked)
      or V(skipped).
  returned: success
  type: str
  sample: 'yes'
validated_reason:
  description: Why the check was skipped.
  returned: when RV(validated) is V(skipped)
  type: str
  sample: 'Compose refuses the project as it was in the same way: ...'
backup_file:
  description: The copy of the old content; an empty text where none was asked for or needed.
  returned: success
  type: str
  sample: ''
project:
  description:
    - The Compose project as it is once the edit is written, for C(docker compose) or
      M(community.docker.docker_compose_v2), whoever started it in whatever way - C(name) (an empty text where no
      container of it is known), C(directory), C(files) and C(env_files).
  returned: success
  type: dict
  sample: {name: archon, directory: /srv/archon, files: [/srv/archon/docker-compose.yml], env_files: []}
changes:
  description: The files that change.
  returned: success
  type: list
  elements: str
  sample: [/srv/archon/docker-compose.yml]
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_context import ComposeContext
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.attachments import checked_attachments
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.networks import plan_inline_networks
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.override import plan_override_networks
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.resolved import (
    Wanted,
    networks_problem,
    service_paths,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import COMPOSE_FILE_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError

DECLARE = {
    "external": {"type": "bool", "default": False},
    "name": {"type": "str"},
    "driver": {"type": "str"},
}
NETWORK = {
    "name": {"type": "str", "required": True},
    "declare": {"type": "dict", "options": DECLARE},
    "aliases": {"type": "list", "elements": "str"},
    "ipv4_address": {"type": "str"},
    "ipv6_address": {"type": "str"},
}


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Edit the file; return the module's result."""
    present = options["state"] == "present"
    attachments = checked_attachments(options["networks"])
    names = [item.name for item in attachments]
    context = ComposeContext(options)
    try:
        services, documents = options["services"], context.documents()
        if context.is_override:
            planned = plan_override_networks(
                documents, context.override, services, attachments, present, context.override_path
            )
        else:
            planned = plan_inline_networks(documents, services, attachments, present)
        changed = planned.changed_services
        wanted = Wanted(
            # A network that the last service leaves, or the first one joins, goes from or comes to the model.
            service_paths(changed, "networks") + [("networks", name) for name in [*names, "default"]],
            lambda model: networks_problem(model, context.without_extenders(changed), names, present),
        )
        result = context.carry_out(planned, wanted, check_mode)
        chosen = context.document.choose_services(services)
        return dict(result, pending_services=context.pending_networks(chosen, attachments, present))
    finally:
        context.close()


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        argument_spec=dict(
            COMPOSE_FILE_SPEC,
            services={"type": "list", "elements": "str", "required": True},
            networks={"type": "list", "elements": "dict", "required": True, "options": NETWORK},
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        ),
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
