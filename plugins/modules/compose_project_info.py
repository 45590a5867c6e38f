#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Compose project was started, so that its services can be stopped and started as what they are."""

DOCUMENTATION = r"""
module: compose_project_info
short_description: How a Compose project was started
version_added: 0.1.0
description:
  - Reads off the containers' labels under which name, from which folder and from which files a project was started.
    Without these C(docker compose) would take its services for another project, and start it beside the first.
  - Where a project has no containers, it is as Compose would take it from its folder.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  path:
    description: One of its compose files.
    type: path
    required: true
  project_name:
    description: The project's name. By default the project's containers say it.
    type: str
  files:
    description: All its compose files, in order. By default the project's containers say them.
    type: list
    elements: path
  env_files:
    description: Its env files, in order. By default the project's containers say them, else it is C(.env).
    type: list
    elements: path
  docker_host:
    description: URL of the container engine. By default E(DOCKER_HOST), else the local socket.
    type: str
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
- name: See how Archon was started
  bulkhead.stack.compose_project_info:
    path: /srv/archon/docker-compose.yml
  register: archon

- name: Stop it
  community.docker.docker_compose_v2:
    project_src: "{{ archon.project.directory }}"
    project_name: "{{ archon.project.name | default(omit, true) }}"
    files: "{{ archon.project.files }}"
    state: stopped
"""

RETURN = r"""
project:
  description: The project.
  returned: success
  type: dict
  contains:
    name:
      description: Its name, an empty text where no container says it.
      type: str
      sample: archon
    directory:
      description: Its folder.
      type: str
      sample: /srv/archon
    files:
      description: Its compose files.
      type: list
      elements: str
      sample: [/srv/archon/docker-compose.yml]
    env_files:
      description: Its env files.
      type: list
      elements: str
      sample: []
services:
  description: The state of each container that it has, by service.
  returned: success
  type: dict
  sample: {archon-server: [running]}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_project import (
    including_project,
    open_engine,
    project_of,
    service_containers,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.files import read_bytes
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError


def look(options: Dict[str, Any]) -> Dict[str, Any]:
    """Return the module's result."""
    read_bytes(options["path"])
    engine = open_engine(options["docker_host"])
    try:
        project = project_of(engine, options["path"], options["project_name"], options["files"], options["env_files"])
        project = including_project(engine, options["path"]) or project
        containers = service_containers(engine, project, options["path"])
        return {
            "project": {
                "name": project.name,
                "directory": project.directory,
                "files": list(project.files),
                "env_files": list(project.env_files),
            },
            "services": {
                service: sorted(item["State"]["Status"] for item in found) for service, found in containers.items()
            },
        }
    finally:
        if engine is not None:
            engine.close()


def main() -> None:
    """Wire options and adapters."""
    module = AnsibleModule(
        {
            "path": {"type": "path", "required": True},
            "project_name": {"type": "str"},
            "files": {"type": "list", "elements": "path"},
            "env_files": {"type": "list", "elements": "path"},
            "docker_host": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = look(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
