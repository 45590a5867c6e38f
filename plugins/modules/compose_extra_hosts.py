#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give services of a compose file entries of extra_hosts, or take them away."""

DOCUMENTATION = r"""
module: compose_extra_hosts
short_description: Give services of a compose file entries of extra_hosts
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Adds entries to C(extra_hosts) of services in a compose file, or removes them, so that their containers find a host
    by name.
  - Nothing but the lines that have to change is touched. Comments, quotes, indentation, anchors and line ends stay.
  - A change never reaches a service that was not asked for. Where one shares its entries through an anchor, a merge key
    or C(extends), the module fails and names it.
  - The containers are not touched. RV(pending_services) says which ones have to be made anew.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.compose_file
options:
  services:
    description:
      - The services. V(*) or V(all) is every service of the file.
    type: list
    elements: str
    required: true
  hosts:
    description:
      - Names, each with its address.
      - The name with another address is a conflict, and the module fails.
      - With O(state=absent) an address may be V(null), for any address.
    type: dict
    default:
      host.docker.internal: host-gateway
  state:
    description:
      - Whether the services are to have the entries.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: bulkhead.stack.compose_reachability_info
  - module: community.docker.docker_compose_v2
"""

EXAMPLES = r"""
- name: Let two services find the host
  bulkhead.stack.compose_extra_hosts:
    path: /srv/archon/docker-compose.yml
    services: [archon-server, archon-ui]
  register: hosts

- name: Make the containers anew that need it
  community.docker.docker_compose_v2:
    project_src: /srv/archon
    services: "{{ hosts.pending_services }}"
    dependencies: false
    wait: true
  when: hosts.pending_services | length > 0

- name: The same in an override file, because the compose file is someone else's
  bulkhead.stack.compose_extra_hosts:
    path: /srv/archon/docker-compose.yml
    services: ['*']
    mode: override
    journal: /var/lib/bulkhead/journal/run.jsonl
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
    - The services of which a container was made without the wanted entries; they need C(docker compose up -d).
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

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_context import (
    ComposeContext,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.extra_hosts import (
    checked_hosts,
    plan_inline_hosts,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.override import (
    plan_override_hosts,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.resolved import (
    Wanted,
    hosts_problem,
    service_paths,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import COMPOSE_FILE_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Edit the file; return the module's result."""
    present = options["state"] == "present"
    hosts = checked_hosts(options["hosts"], present)
    context = ComposeContext(options)
    try:
        services = options["services"]
        if context.is_override:
            planned = plan_override_hosts(
                context.documents(), context.override, services, hosts, present, context.override_path
            )
        else:
            planned = plan_inline_hosts(context.document, services, hosts, present)
        changed = planned.changed_services
        wanted = Wanted(
            service_paths(changed, "extra_hosts"),
            lambda model: hosts_problem(model, context.without_extenders(changed), hosts, present),
        )
        result = context.carry_out(planned, wanted, check_mode)
        chosen = context.document.choose_services(services)
        return dict(result, pending_services=context.pending_hosts(chosen, hosts, present))
    finally:
        context.close()


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        argument_spec=dict(
            COMPOSE_FILE_SPEC,
            services={"type": "list", "elements": "str", "required": True},
            hosts={"type": "dict", "default": {"host.docker.internal": "host-gateway"}},
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
