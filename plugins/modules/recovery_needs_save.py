#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Save, encrypted, what a recovery needs besides the dump."""

DOCUMENTATION = r"""
module: recovery_needs_save
short_description: Save, encrypted, what a recovery needs besides the dump
version_added: 0.1.0
description:
  - Looks for what M(bulkhead.stack.recovery_needs_info) looks for, and writes what it finds, variables with their
    values, files, folders and volumes, as a recovery set beside the copies of the database,
    C(recovery_<database>_<YYYYMMDD_HHMMSS>.tar.age) in UTC.
  - A set is a tar archive that goes through the program C(age) as it is read. Nothing of it lies anywhere plain, and
    who makes it can't read it. C(age --decrypt -i IDENTITY_FILE FILE | tar -x -C DIR) opens it.
  - In it are C(CONTENTS.json), which says what it holds and from where; C(variables.env), which
    C(docker compose --env-file) reads; files and folders of the host below C(files/); and volumes below C(volumes/).
  - A variable has the value that its container runs with; without a container, the one that the files of the project
    give it. Where these differ there is a warning.
  - A folder is read from the host, a volume through a container that mounts it, running or not.
  - A set is made only where the newest one wouldn't hold the same, is for other recipients, is gone, or isn't what was
    written any more. What the newest holds is known by a salted hash in C(recovery_<database>.json) beside it.
  - What is needed and isn't there is a warning. Where nothing of it is, the module fails.
  - One database that fails keeps no other from being saved. The module fails in the end, and names it.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.clock
attributes:
  check_mode:
    support: full
    details:
      - All that would be in a set is read, and compared with the newest one.
  diff_mode:
    support: full
    details:
      - The names of sets and of what is in a new one. Never a value.
  idempotent:
    support: full
options:
  databases:
    description: The databases, as C(phases.backup.saves) of M(bulkhead.stack.platform_info) has them.
    type: list
    elements: dict
    required: true
    suboptions:
      key:
        description: The database's name in the description.
        type: str
        required: true
      database:
        description: Its name on the server, which becomes part of file names.
        type: str
        required: true
      dest:
        description: The folder of its copies. It is made with mode C(0700) where it is missing.
        type: path
        required: true
      mount:
        description: The mount point on which O(databases[].dest) must lie.
        type: path
      encrypt_to:
        description:
          - Public keys to which the set is encrypted, C(age1...), or of SSH. Without one it is refused, for secrets are
            never written plain. The host needs the program C(age).
        type: list
        elements: str
        default: []
      keep:
        description: How many sets stay, the newest among them.
        type: int
        default: 3
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
            description: What only a person can look for, or a title. It is named in the set.
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
  - module: bulkhead.stack.recovery_needs_info
  - module: bulkhead.stack.pg_dump_run
"""

EXAMPLES = r"""
- name: Save n8n's key and its home folder beside the copies of its database
  bulkhead.stack.recovery_needs_save:
    databases:
      - key: n8n_db
        database: n8n_db
        dest: /backups/n8n_db
        encrypt_to: [age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg]
        needs: [{variable: N8N_ENCRYPTION_KEY}]
        volumes: [{target: /home/node/.n8n}]
        services: [{service: n8n, container: n8n, path: /srv/n8n/docker-compose.yml}]
"""

RETURN = r"""
sets:
  description: What became of each database that didn't fail.
  returned: always
  type: list
  elements: dict
  contains:
    key:
      description: The database.
      type: str
      sample: n8n_db
    made:
      description: Whether a set was made, or would be.
      type: bool
    reason:
      description: Why, or why not.
      type: str
      sample: there is no recovery set yet
    path:
      description: The newest set.
      type: str
      sample: /backups/n8n_db/recovery_n8n_db_20261124_020000.tar.age
    contents:
      description: Names of what is in it.
      type: list
      elements: str
      sample: [N8N_ENCRYPTION_KEY, volumes/n8n_n8n_data]
    missing:
      description: Names of what is needed and isn't in it.
      type: list
      elements: str
      sample: []
    removed:
      description: Sets that went, or would go.
      type: list
      elements: str
      sample: []
changes:
  description: The folders in which something changes.
  returned: always
  type: list
  elements: str
  sample: [/backups/n8n_db]
page:
  description: A line for each set that was made, and for each database that failed.
  returned: always
  type: list
  elements: str
  sample: []
failed_databases:
  description: The databases that failed.
  returned: always
  type: list
  elements: str
  sample: []
errors:
  description: By database, why it failed.
  returned: always
  type: dict
  sample: {}
"""

import secrets
from typing import Any, Dict, Mapping, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.age import Age
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.recovery import RecoverySources
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import RECOVERY_NEEDS_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.save import check_request, save, save_all

_DATABASE = {
    **RECOVERY_NEEDS_SPEC,
    "database": {"type": "str", "required": True},
    "dest": {"type": "path", "required": True},
    "mount": {"type": "path"},
    "encrypt_to": {"type": "list", "elements": "str", "default": []},
    "keep": {"type": "int", "default": 3},
}


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Build the adapters and hand them in.

    Raises:
        BulkheadError: what is asked for is wrong in itself; nothing was done.
    """
    folders: Dict[str, Tuple[DumpFolder, Age]] = {}
    for options in params["databases"]:
        check_request(options)
        if options["key"] in folders:
            raise InputError("Database %s is there twice." % options["key"])
        folders[options["key"]] = (DumpFolder(options["dest"], options["mount"]), Age(options["encrypt_to"]))
    for _folder, age in folders.values():
        age.check()
    sources = RecoverySources(params["docker_host"])

    def save_one(options: Mapping[str, Any]) -> Tuple[Plan, Dict[str, Any]]:
        folder, age = folders[options["key"]]
        now, salt = clock.now(params["clock"]), secrets.token_hex(32)
        return save(options, folder, sources, sources, age, now, salt, check_mode)

    try:
        return save_all(params["databases"], save_one, check_mode)
    finally:
        sources.close()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {
            "databases": {"type": "list", "elements": "dict", "required": True, "options": _DATABASE},
            "docker_host": {"type": "str"},
            "clock": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    if result["failed_databases"]:
        errors = ["%s: %s" % (key, text.rstrip(".")) for key, text in result["errors"].items()]
        module.fail_json(msg="Recovery sets couldn't be made. %s." % ". ".join(errors), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
