#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit reads of a host, in one go."""

DOCUMENTATION = r"""
module: audit_host_info
short_description: What an audit reads of a host, in one go
version_added: 0.1.0
description:
  - Reads containers, compose files, env files, the verdicts of drills, and asks URLs.
  - It only reads. What can't be read is named with its reason, and is no failure of the module.
  - Of secrets their place and their variable's name is returned, never a value.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
  - bulkhead.stack.clock
options:
  containers:
    description:
      - Containers to be told of even where they don't run. Those that run are told of in any case.
    type: list
    elements: str
    default: []
  projects:
    description:
      - Compose projects whose files are looked at.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Its compose file.
        type: path
        required: true
      files:
        description: All its compose files, where there are more.
        type: list
        elements: path
        default: []
      env_files:
        description: Its env files; by default C(.env) beside the compose file.
        type: list
        elements: path
        default: []
  urls:
    description:
      - URLs to ask, by a name.
    type: dict
    default: {}
  folders:
    description:
      - Folder of each database's copies, by the description's name of the database.
    type: dict
    default: {}
  names:
    description:
      - What the server calls a database, where O(folders) calls it otherwise.
    type: dict
    default: {}
  url_timeout:
    description:
      - How long to wait for a URL to answer, for example V(5s).
    type: str
    default: 5s
  docker_host:
    description:
      - The URL of the container engine. By default what E(DOCKER_HOST) says, else the local socket.
    type: str
requirements:
  - the Python library docker
seealso:
  - module: bulkhead.stack.pg_blast_radius_info
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
- name: See who has which address, what is published to the world, and where secrets are written out
  bulkhead.stack.audit_host_info:
    containers: [supabase-ai-db, archon-server]
    projects:
      - path: /srv/archon/docker-compose.yml
    urls:
      qdrant: http://localhost:6333/healthz
  register: host
"""

RETURN = r"""
now:
  description: The moment at which the audit is made, in UTC.
  returned: success
  type: str
  sample: "2026-11-25T19:00:00Z"
containers:
  description:
    - Containers that run, and those of O(containers), by name. Each has C(state), C(health), C(exit_code), C(restarts),
      C(up_s) (for how long it has been running), C(image), C(addresses), and C(published), the ports that are published
      to the world.
    - Null where the engine doesn't answer; one of O(containers) is null where there is none of that name.
  returned: success
  type: dict
  sample:
    archon-server: {name: archon-server, state: running, health: healthy, exit_code: 0, restarts: 0, up_s: 86400,
      image: "archon:1", addresses: [172.18.0.6], published: [{inner: 8181/tcp, port: "8181", address: 0.0.0.0}]}
files:
  description:
    - What the files hold - C(secrets), those that compose files hold themselves, by C(path), C(line), C(service) and
      C(variable); C(readable), env files with secrets that every user may read; C(missing), compose files that aren't
      there; C(unread), what couldn't be read, with its C(reason).
  returned: success
  type: dict
  sample:
    secrets: [{path: /srv/archon/docker-compose.yml, line: 12, service: archon-server, variable: OPENAI_API_KEY}]
    readable: [{path: /srv/archon/.env, mode: "0644", variables: [SERVICE_KEY]}]
    missing: []
    unread: []
urls:
  description: What each of O(urls) answered - C(status), or C(error) where nobody did.
  returned: success
  type: dict
  sample: {qdrant: {url: "http://localhost:6333/healthz", status: 200, error: null}}
drills:
  description: Of each of O(folders) the drills, oldest first, each with C(at), C(ok), C(seconds) and C(path).
  returned: success
  type: dict
  sample:
    archon_db:
      - {at: "2026-11-01T04:00:00Z", ok: true, seconds: 41.2, path: /backups/archon_db/backup_a.drill_b.json}
unseen:
  description: What couldn't be looked at, each with C(thing) and C(reason).
  returned: success
  type: list
  elements: dict
  sample: [{thing: the container engine, reason: it doesn't answer}]
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, web
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.looking import HostFiles, read_containers
from ansible_collections.bulkhead.stack.plugins.module_utils._audit.drills import read_drills
from ansible_collections.bulkhead.stack.plugins.module_utils._audit.host import ProjectFiles
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import iso_utc, parse_duration

SPEC = {
    "containers": {"type": "list", "elements": "str", "default": []},
    "projects": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "env_files": {"type": "list", "elements": "path", "default": []},
        },
    },
    "urls": {"type": "dict", "default": {}},
    "folders": {"type": "dict", "default": {}},
    "names": {"type": "dict", "default": {}},
    "url_timeout": {"type": "str", "default": "5s"},
    "docker_host": {"type": "str"},
    "clock": {"type": "str"},
}


def run(options: Dict[str, Any]) -> Dict[str, Any]:
    """Build the adapters and hand them in; each part that can't be read is named and leaves the others alone."""
    now, url_timeout_s = clock.now(options["clock"]), parse_duration(options["url_timeout"])
    result: Dict[str, Any] = {"now": iso_utc(now), "containers": None, "urls": {}, "drills": {}, "unseen": []}
    try:
        result["containers"] = read_containers(options["docker_host"], options["containers"])
    except BulkheadError as error:
        result["unseen"].append({"thing": "the container engine", "reason": str(error)})
    files = ProjectFiles(HostFiles())
    for project in options["projects"]:
        files.look(project["path"], project["files"], project["env_files"])
    for name, url in options["urls"].items():
        answer: Dict[str, Any] = {"url": url, "status": None, "error": None}
        try:
            answer["status"] = web.get_json(url, {}, url_timeout_s)[0]
        except BulkheadError as error:
            answer["error"] = str(error)
        result["urls"][name] = answer
    for key, path in options["folders"].items():
        try:
            result["drills"][key] = read_drills(options["names"].get(key) or key, DumpFolder(path), now)
        except BulkheadError as error:
            result["unseen"].append({"thing": "copies of %s" % key, "reason": str(error)})
    return dict(result, files=files.result())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(SPEC, supports_check_mode=True)
    try:
        result = run(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
