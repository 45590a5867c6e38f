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
  - Asks until a request through the gateway succeeds with the key, and the instance's own sessions, known by its
    container's address,
    are in the wanted database. C(/ready) alone proves neither the role nor the database.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  url:
    description: A request that must answer 200.
    type: str
    required: true
  apikey_file:
    description: A dotenv file, on the target, that holds the key.
    type: path
  apikey_variable:
    description: The variable of O(apikey_file) that holds the key. It goes into the headers C(apikey) and
      C(Authorization).
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
    description: Seconds to ask before it fails.
    type: int
    default: 30
author:
  - bulkhead.stack authors (@bulkhead-stack)
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
"""

RETURN = r"""
waited_s:
  description: Seconds until all was well.
  returned: success
  type: float
  sample: 0.21
"""

import time
from typing import Any, Dict, List, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import files, web
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.dotenv import read_dotenv
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    InputError,
    OutsideError,
    VerificationError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Sql
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import judge, wait_for

_SESSIONS = (
    "SELECT DISTINCT datname AS database FROM pg_catalog.pg_stat_activity"
    " WHERE application_name LIKE 'PostgREST%%' AND host(client_addr) = ANY (%s)"
)


def read_key(options: Dict[str, Any]) -> str:
    """Return the key of the dotenv file, or an empty text where none is asked for."""
    if not options["apikey_file"]:
        return ""
    found = read_dotenv(files.read_bytes(options["apikey_file"]), options["apikey_file"]).get(
        options["apikey_variable"]
    )
    if not found:
        raise InputError(
            "%s holds no %s." % (options["apikey_file"], options["apikey_variable"]),
            "Name the variable that holds the key.",
        )
    return found


def prove(options: Dict[str, Any]) -> Dict[str, Any]:
    """Ask until the instance serves the database; return how long that took."""
    key = read_key(options)
    headers = {"apikey": key, "Authorization": "Bearer " + key} if key else {}
    engine = Docker(options["docker_host"])

    def addresses() -> List[str]:
        networks = engine.require_running(options["instance"])["NetworkSettings"]["Networks"] or {}
        return [network["IPAddress"] for network in networks.values() if network.get("IPAddress")]

    def ask() -> Optional[VerificationError]:
        answer: Optional[Tuple[int, Dict[str, Any]]] = None
        error = ""
        try:
            answer = web.get_json(options["url"], headers)
        except OutsideError as failure:
            error = str(failure).rstrip(".")
        rows = postgres.rows(Sql(_SESSIONS, values=(addresses(),)))
        return judge(answer, [row["database"] for row in rows], options["database"], error)

    with open_postgres(options) as postgres:
        return wait_for(ask, time.monotonic, lambda: time.sleep(0.1), options["timeout"])


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        {
            **CONNECTION_SPEC,
            "url": {"type": "str", "required": True},
            "apikey_file": {"type": "path", "no_log": False},
            "apikey_variable": {"type": "str", "no_log": False},
            "database": {"type": "str", "required": True},
            "instance": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
        required_together=[("apikey_file", "apikey_variable")],
    )
    try:
        result = prove(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
