#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that a PostgREST instance serves the wanted database through its route."""

DOCUMENTATION = r"""
module: postgrest_probe_info
short_description: Prove that a PostgREST instance serves the wanted database
version_added: 0.1.0
description:
  - Looks until all of it holds. The instance's container runs; its admin server answers C(/live) and C(/ready) with
    200; a request without a token succeeds, where O(table) or O(anonymous_url) asks for one; a request through the
    gateway succeeds with the key; and the instance's own sessions, known by its container's address, are in the wanted
    database and in no other. C(/ready) alone proves neither the role nor the database.
  - The error message says which step failed, why, and what mends it. For that the catalogues are asked once in the
    cluster and once in the database, and the last lines of the container's log are read, without their secrets.
  - The ports are those that the container's environment names. Where it has no C(admin-server-port), a warning says so,
    and the other steps are the proof. The admin server's C(/config), which holds secrets, is never asked.
  - A run that finds everything well inspects the instance's container once, and makes no request that writes.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  url:
    description: A request through the gateway that must answer 200 with the key. A redirect isn't followed.
    type: str
    required: true
  apikey_file:
    description: A dotenv file, on the target, that holds the keys.
    type: path
  apikey_variable:
    description: The variable of O(apikey_file) that holds the key. It goes into the headers C(apikey) and
      C(Authorization).
    type: str
  table:
    description:
      - A table or view that must answer 200 to a request without a token, at the container's own address, so as the
        anonymous role. No row is asked for.
      - A name with a schema (V(api.items)) is asked for with the header C(Accept-Profile); without one it is looked for
        in the first of C(db-schemas).
    type: str
  anonymous_url:
    description: A request through the gateway that must answer 200 without a token, so as the anonymous role.
    type: str
  anonymous_apikey_variable:
    description: The variable of O(apikey_file) that holds the key which the gateway wants to see with O(anonymous_url).
      It goes into the header C(apikey) alone.
    type: str
  ready_url:
    description:
      - The URL of C(/ready), where this host doesn't reach the container's own address, as with a rootless engine or
        Docker Desktop. Publish the admin server's port on 127.0.0.1 for it. C(/live) is asked beside it.
    type: str
  database:
    description: The database that the instance is to serve.
    type: str
    required: true
  instance:
    description: The instance's container.
    type: str
    required: true
  timeout:
    description: Seconds to look before it fails. It looks at least once; a key that has expired fails at once.
    type: int
    default: 30
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.postgrest_config
  - module: bulkhead.stack.postgrest_reload
  - module: bulkhead.stack.gateway_route
"""

EXAMPLES = r"""
- name: Archon's route answers from Archon's database
  bulkhead.stack.postgrest_probe_info:
    container: supabase-ai-db
    instance: supabase-ai-rest-archon
    database: archon_db
    url: http://localhost:18000/archon/rest/v1/archon_settings?limit=1
    apikey_file: /srv/supabase/.env
    apikey_variable: SERVICE_ROLE_KEY

- name: What needs no token is served to the anonymous role as well
  bulkhead.stack.postgrest_probe_info:
    container: supabase-ai-db
    instance: supabase-ai-rest
    database: postgres
    url: http://localhost:18000/rest/v1/articles?limit=1
    apikey_file: /srv/supabase/.env
    apikey_variable: SERVICE_ROLE_KEY
    table: articles
    anonymous_url: http://localhost:18000/rest/v1/articles?limit=1
    anonymous_apikey_variable: ANON_KEY
"""

RETURN = r"""
waited_s:
  description: Seconds until all was well.
  returned: success
  type: float
  sample: 0.21
admin:
  description: Whether the instance's admin server was asked - V(present), V(absent) where its environment names no port
    for it, or V(unreachable) where this host doesn't reach the container's address.
  returned: when the instance was looked at
  type: str
  sample: present
steps:
  description: What was seen the last time, in order, up to what failed.
  returned: when the instance was looked at
  type: list
  elements: dict
  contains:
    name:
      description: C(container), C(live), C(ready), C(anonymous), C(key) or C(sessions).
      type: str
    holds:
      description: Whether it was as it must be.
      type: bool
    seen:
      description: The container's state, an answer's status and code, or the databases of the sessions.
      type: str
    url:
      description: What was asked.
      type: str
  sample:
    - {name: container, holds: true, seen: running}
    - {name: live, holds: true, seen: "200", url: "http://172.18.0.5:3001/live"}
    - {name: ready, holds: true, seen: "200", url: "http://172.18.0.5:3001/ready"}
    - {name: key, holds: true, seen: "200", url: "http://localhost:18000/archon/rest/v1/archon_settings?limit=1"}
    - {name: sessions, holds: true, seen: archon_db}
failed_step:
  description: The step that failed; C(cache) where the instance is well, and only doesn't know the table.
  returned: failure
  type: str
  sample: ready
warnings_found:
  description: What isn't wrong, but keeps the proof from being whole.
  returned: success
  type: list
  elements: str
  sample: []
"""

import time
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import web
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgrest import Instance
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import Proof, Wanted, prove

POLL_S = 0.1


def look(options: Dict[str, Any]) -> Dict[str, Any]:
    """Look until the instance serves the database; return the module's result."""
    # A key of the gateway's alone is optional where the file is named.
    anonymous_variable = options["anonymous_apikey_variable"]
    wanted = Wanted(
        options["database"],
        options["url"],
        web.read_key(options["apikey_file"], options["apikey_variable"]),
        options["table"] or "",
        options["anonymous_url"] or "",
        web.read_key(options["apikey_file"] if anonymous_variable else None, anonymous_variable),
        options["ready_url"] or "",
    )
    engine = Docker(options["docker_host"])
    try:
        with open_postgres(options) as postgres:
            proof = Proof(wanted, Instance(engine, postgres, options["instance"], options["timeout"]))
            # The addresses of an engine on another machine are none of ours.
            proof.is_direct = engine.is_local
            result = prove(proof, time.monotonic, lambda: time.sleep(POLL_S), options["timeout"])
            return dict(result, warnings_found=proof.warnings())
    finally:
        engine.close()


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        {
            **CONNECTION_SPEC,
            "url": {"type": "str", "required": True},
            "apikey_file": {"type": "path", "no_log": False},
            "apikey_variable": {"type": "str", "no_log": False},
            "table": {"type": "str"},
            "anonymous_url": {"type": "str"},
            "anonymous_apikey_variable": {"type": "str", "no_log": False},
            "ready_url": {"type": "str"},
            "database": {"type": "str", "required": True},
            "instance": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
        required_by={
            "apikey_variable": ["apikey_file"],
            "anonymous_apikey_variable": ["apikey_file", "anonymous_url"],
        },
        required_together=[("apikey_file", "apikey_variable")],
    )
    try:
        result = look(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in result["warnings_found"]:
        module.warn(warning)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
