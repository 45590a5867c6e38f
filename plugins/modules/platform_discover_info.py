#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe a host that nobody has described."""

DOCUMENTATION = r"""
module: platform_discover_info
short_description: Describe the Postgres servers and services that run on a host
version_added: 0.1.0
description:
  - Looks at the running containers and into the Postgres servers among them, and returns a first C(bulkhead_platform)
    for the host, as data and as commented YAML.
  - A container's inspection says what it is, the server what its databases hold and who is connected. Passwords that
    stand in variables are used to connect, and are in nothing that is returned.
  - It only reads.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  profiles:
    description:
      - What is known of programs, by name, as in the role P(bulkhead.stack.platform#role). C(images) are patterns of
        image names, by which a program is recognised.
    type: dict
    default: {}
  docker_host:
    description:
      - URL of the container engine. By default E(DOCKER_HOST), else the local socket.
    type: str
requirements:
  - docker, the Python library
  - psycopg2
  - PyYAML
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.platform_info
"""

EXAMPLES = r"""
- name: See what runs here
  bulkhead.stack.platform_discover_info:
    profiles:
      n8n: {images: [n8nio/n8n]}
  register: found

- name: Keep it as a first description
  ansible.builtin.copy:
    content: "{{ found.text }}"
    dest: group_vars/bulkhead/platform.yml
    mode: "0600"
    force: false
  delegate_to: localhost
"""

RETURN = r"""
platform:
  description: The description, valid for M(bulkhead.stack.platform_info).
  returned: success
  type: dict
  sample: {clusters: {main: {container: supabase-ai-db}}}
text:
  description: The same as a file for an inventory, with comments.
  returned: success
  type: str
  sample: "bulkhead_platform: ..."
summary:
  description: What was found, in lines for a terminal.
  returned: success
  type: list
  elements: str
  sample: [1 Postgres server, 'database postgres: critical, holds archon, supabase']
unseen:
  description: What could not be looked at, each with its reason.
  returned: success
  type: list
  elements: dict
  sample: [{thing: cluster legacy-db, reason: 'password authentication failed'}]
"""

from datetime import datetime, timezone
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._audit.blast_radius import read_blast_radius
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import iso_utc
from ansible_collections.bulkhead.stack.plugins.module_utils._discovery.containers import (
    POSTGRES,
    Seen,
    read_container,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._discovery.describe import describe
from ansible_collections.bulkhead.stack.plugins.module_utils._discovery.written import as_yaml, summary


def read_containers(options: Dict[str, Any]) -> List[Seen]:
    """Return the containers that run; one that ends meanwhile is none."""
    engine = Docker(options["docker_host"])
    try:
        running = [item["id"] for item in engine.containers() if item["state"] == "running"]
        inspections = [engine.inspect_or_none(identifier) for identifier in running]
        return [read_container(item, options["profiles"]) for item in inspections if item is not None]
    finally:
        engine.close()


def read_clusters(options: Dict[str, Any], containers: List[Seen]) -> Dict[str, Dict[str, Any]]:
    """Return what each server says of itself, or why it doesn't."""
    tenants = {name: profile["owns"] for name, profile in options["profiles"].items() if profile.get("owns")}
    found: Dict[str, Dict[str, Any]] = {}
    for server in containers:
        if server.kind != POSTGRES:
            continue
        connection = {"container": server.name, "docker_host": options["docker_host"]}
        try:
            with open_postgres(connection) as postgres:
                found[server.name] = read_blast_radius(postgres, tenants, [server.name, *server.addresses])
        except BulkheadError as error:
            found[server.name] = {"error": str(error)}
    return found


def discover(options: Dict[str, Any]) -> Dict[str, Any]:
    """Look at all of it; return the module's result."""
    containers = read_containers(options)
    clusters = read_clusters(options, containers)
    made = describe(containers, clusters, options["profiles"])
    unseen = [
        {"thing": "cluster %s" % name, "reason": found["error"]} for name, found in clusters.items() if "error" in found
    ]
    unseen += [
        {"thing": "database %s of %s" % (database["name"], name), "reason": database["error"]}
        for name, found in clusters.items()
        for database in found.get("databases") or ()
        if database.get("error")
    ]
    text = as_yaml(made.platform, made.remarks, iso_utc(datetime.now(timezone.utc)))
    return {"platform": made.platform, "text": text, "summary": summary(made.platform, unseen), "unseen": unseen}


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        {"profiles": {"type": "dict", "default": {}}, "docker_host": {"type": "str"}}, supports_check_mode=True
    )
    try:
        module.exit_json(changed=False, **discover(module.params))
    except BulkheadError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
