#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say whether containers reach a host, asked from inside, layer by layer."""

DOCUMENTATION = r"""
module: compose_reachability_info
short_description: Say whether containers reach a host, asked from inside
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Asks from inside each container, layer by layer - is it running, does the name resolve, is there a route to the
    address, does the port accept, does HTTP answer - and says at which layer it ends and what mends it there.
  - Uses what the image has (C(python3), or C(sh) with C(getent), C(bash), C(nc), C(curl), C(wget)).
  - Where the image has nothing to ask with, a throwaway container asks in the container's own network namespace. For a
    container that has exited or keeps restarting, there is none to enter, and a throwaway container with the same
    networks, DNS and extra_hosts asks in its place. RV(services[].asked_in) says so.
  - A throwaway container has no capabilities, volumes, ports or variables of the service, carries the label
    C(bulkhead.stack.throwaway), and is removed in the end. What a killed run left is removed by the next.
  - A service that is not reached is an answer, not a failure.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  services:
    description:
      - What to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      container:
        description: The container that asks.
        type: str
        required: true
      host:
        description: The name or address that it is to reach.
        type: str
        default: host.docker.internal
      port:
        description: A TCP port there.
        type: int
      url:
        description: A URL that is to answer with a status below 500.
        type: str
      variables:
        description: Variables of the container's environment to return. Name none that holds a secret.
        type: list
        elements: str
        default: []
  throwaway:
    description:
      - Whether throwaway containers may be made where a container can't be asked itself.
      - Without them a container that isn't running is judged by its definition.
    type: bool
    default: true
  probe_image:
    description:
      - The image of throwaway containers. It must be on the engine already, as nothing is pulled.
      - By default the container's own image is tried, then those of up to three running containers.
    type: str
  docker_host:
    description:
      - The URL of the container engine. By default what E(DOCKER_HOST) says, else the local socket.
    type: str
requirements:
  - the Python library docker
seealso:
  - module: bulkhead.stack.compose_extra_hosts
"""

EXAMPLES = r"""
- name: Does Archon reach Supabase on the host?
  bulkhead.stack.compose_reachability_info:
    services:
      - container: archon-server
        port: 18000
        url: http://host.docker.internal:18000/rest/v1/
  register: reach

- name: Show what is wrong, and what mends it
  ansible.builtin.debug:
    msg: "{{ item.error }} {{ item.remedy }}"
  loop: "{{ reach.services | rejectattr('layer', 'eq', 'ok') }}"
"""

RETURN = r"""
services:
  description: One answer for each question, in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    container:
      description: The container.
      type: str
      returned: success
    service:
      description: Its Compose service.
      type: str
      returned: success
    host:
      description: The name that was asked for.
      type: str
      returned: success
    port:
      description: The port that was asked for.
      type: int
      returned: success
    url:
      description: The URL that was asked for.
      type: str
      returned: success
    addresses:
      description: The container's addresses on its networks.
      type: list
      elements: str
      returned: success
    variables:
      description: The variables that were asked for, where it has them.
      type: dict
      returned: success
    state:
      description: The container's state, as the engine says it, or V(absent).
      type: str
      returned: success
    health:
      description: What its health check says, where it has one.
      type: str
      returned: success
    asked_in:
      description:
        - Where the answer is from - the V(container) itself, a V(throwaway) container, or the container's
          V(definition).
      type: str
      returned: success
    resolves:
      description: Whether the name resolves. V(null) where nothing in the container can tell.
      type: bool
      returned: success
    address:
      description: The address that it resolves to.
      type: str
      returned: success
    route:
      description: Whether there is a route to that address. V(null) where nothing can tell.
      type: bool
      returned: success
    listeners:
      description:
        - The addresses on which something listens on that port of the host. V(null) where the port accepts, and where
          the host isn't the machine on which the module runs.
      type: list
      elements: str
      returned: success
    http_status:
      description: The status with which the URL answers.
      type: int
      returned: success
    layer:
      description:
        - The layer at which it ends - V(container), V(resolve), V(route), V(port), V(http) - or V(ok).
        - V(unknown) where nothing could tell.
      type: str
      returned: success
    error:
      description: What is wrong there.
      type: str
      returned: success
    remedy:
      description: What mends it.
      type: str
      returned: success
unreached:
  description: The containers that don't come through - neither V(ok) nor V(unknown) as a layer.
  returned: success
  type: list
  elements: str
  sample: [archon-server]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.probe import ContainerProber
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.reachability import ask
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.reachability_model import Question
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError

SPEC = {
    "services": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "container": {"type": "str", "required": True},
            "host": {"type": "str", "default": "host.docker.internal"},
            "port": {"type": "int"},
            "url": {"type": "str"},
            "variables": {"type": "list", "elements": "str", "default": []},
        },
    },
    "throwaway": {"type": "bool", "default": True},
    "probe_image": {"type": "str"},
    "docker_host": {"type": "str"},
}


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(SPEC, supports_check_mode=True)
    try:
        engine = Docker(module.params["docker_host"])
        try:
            prober = ContainerProber(engine, module.params["probe_image"])
            throwaway = module.params["throwaway"]
            answers = [
                ask(Question(**question), engine.inspect_or_none(question["container"]), prober, throwaway)
                for question in module.params["services"]
            ]
        finally:
            engine.close()
    except BulkheadError as error:
        module.fail_json(**error.result())
    unreached = [answer["container"] for answer in answers if answer["layer"] not in ("ok", "unknown")]
    module.exit_json(changed=False, services=answers, unreached=list(dict.fromkeys(unreached)))


if __name__ == "__main__":
    main()
