#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a recovery needs besides the dump is there."""

DOCUMENTATION = r"""
module: recovery_needs_info
short_description: Whether what a recovery needs besides the dump is there
version_added: 0.1.0
description:
  - Looks for variables (an encryption key, a secret that signs tokens) in the env files of a service's compose project,
    in its environment in the compose files, in its C(env_file), and in its container; for files; and for volumes in
    the container engine, by their name or by where they are mounted.
  - A variable without a value isn't there. A reference (C(${NAME})) is followed to the project's env files.
  - Values are looked at on the target and never returned.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  databases:
    description: The databases, as C(phases.docs.needs) of M(bulkhead.stack.platform_info) has them.
    type: list
    elements: dict
    required: true
    suboptions:
      key:
        description: The database's name in the description.
        type: str
        required: true
      needs:
        description: What is needed.
        type: list
        elements: dict
        default: []
        suboptions:
          variable:
            description: A variable of the database's services.
            type: str
          env_file:
            description: The file in which the variable must be. By default everywhere that Compose would look.
            type: path
          file:
            description: A file.
            type: path
          what:
            description: What only a person can look for, or a title.
            type: str
          note:
            description: What happens without it.
            type: str
            default: ""
      volumes:
        description: Volumes and folders that are needed.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: A volume by its name, or a folder by its path.
            type: str
          target:
            description: Whatever is mounted at this path in a container of the services' projects, or of the server.
            type: str
          note:
            description: What happens without it.
            type: str
            default: ""
      services:
        description: The services that use the database.
        type: list
        elements: dict
        default: []
        suboptions:
          service:
            description: Its name in the compose file.
            type: str
            required: true
          container:
            description: Its container, where the project has none of it.
            type: str
            required: true
          path:
            description: Its compose file.
            type: path
            required: true
          project_name:
            description: The project's name. By default its containers say it.
            type: str
          files:
            description: All compose files of the project. By default its containers say them.
            type: list
            elements: path
          env_files:
            description: The project's env files. By default its containers say them, else it is C(.env).
            type: list
            elements: path
      server:
        description: The container of the database's server.
        type: str
  docker_host:
    description: URL of the container engine. By default E(DOCKER_HOST), else the local socket.
    type: str
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.recovery_needs_save
  - module: bulkhead.stack.recovery_status_info
"""

EXAMPLES = r"""
- name: See whether n8n's key is where it must be
  bulkhead.stack.recovery_needs_info:
    databases:
      - key: n8n_db
        needs: [{variable: N8N_ENCRYPTION_KEY}]
        volumes: [{target: /home/node/.n8n}]
        services: [{service: n8n, container: n8n, path: /srv/n8n/docker-compose.yml}]
  register: needs
"""

RETURN = r"""
needs:
  description: Each thing that is needed.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The database.
      type: str
      sample: n8n_db
    kind:
      description: V(variable), V(file), V(volume) or V(other).
      type: str
      sample: variable
    what:
      description: Its name, its path, or what it is in words.
      type: str
      sample: N8N_ENCRYPTION_KEY
    state:
      description:
        - V(found); V(missing); V(only_in_container), where it stands in no file and is gone with the container; or
          V(unseen), where nothing that could be asked knows it.
      type: str
      sample: found
    where:
      description: Where it is.
      type: list
      elements: str
      sample: [/srv/n8n/.env]
    looked:
      description: Where it was looked for.
      type: list
      elements: str
      sample: [/srv/n8n/.env, /srv/n8n/docker-compose.yml]
    note:
      description: What happens without it.
      type: str
      sample: Without it every credential is empty.
missing:
  description: How many are missing, or stand only in a container.
  returned: success
  type: int
  sample: 0
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.recovery import RecoverySources
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import RECOVERY_NEEDS_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.needs import (
    MISSING,
    ONLY_IN_CONTAINER,
    find_needs,
)


def search(options: Dict[str, Any]) -> Dict[str, Any]:
    """Build the adapter and hand it in."""
    sources = RecoverySources(options["docker_host"])
    try:
        needs = [item for database in options["databases"] for item in find_needs(database, sources)]
    finally:
        sources.close()
    return {"needs": needs, "missing": sum(item["state"] in (MISSING, ONLY_IN_CONTAINER) for item in needs)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {
            "databases": {"type": "list", "elements": "dict", "required": True, "options": RECOVERY_NEEDS_SPEC},
            "docker_host": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = search(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
