#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a PostgREST instance read its schemas or its settings again, and see that it did."""

DOCUMENTATION = r"""
module: postgrest_reload
short_description: Let a PostgREST instance read its schemas or settings again, and see that it did
version_added: 0.1.0
description:
  - Sends C(NOTIFY pgrst) in the database that the instance serves. Where O(wait_for_table) names a table, the instance
    is asked for it, and the message is repeated until it knows it.
  - PostgREST waits for 100 ms after a message, and one that comes while a reload runs can be lost. So a message is
    repeated after 0.3 s, then after 0.6 s and so on, up to 5 s.
  - The table is known where a request for it succeeds, or is refused by a right of Postgres' own.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
attributes:
  idempotent:
    support: partial
    details:
      - With O(wait_for_table) nothing is sent where the table is known already.
      - Without it nothing shows what the instance has read, so each run sends the message.
options:
  instance:
    description: The instance's container.
    type: str
    required: true
  database:
    description: The database that the instance serves. By default the one that its C(db-uri) names.
    type: str
  reload:
    description:
      - What is to be read again. V(schema) is tables, functions and their relations, V(config) those settings that can
        change while it runs. Settings go first.
    type: list
    elements: str
    choices: [schema, config]
    default: [schema]
  wait_for_table:
    description:
      - A table or view that the instance is to know afterwards. It must be in the database.
      - A name with a schema (V(api.items)) is asked for with the header C(Accept-Profile); without one it is looked for
        in the first of C(db-schemas).
    type: str
  url:
    description:
      - A request for O(wait_for_table), where this host doesn't reach the container's own address, such as one through
        the gateway. It is asked as it is.
    type: str
  apikey_file:
    description: A dotenv file, on the target, that holds the key.
    type: path
  apikey_variable:
    description:
      - The variable of O(apikey_file) that holds the key. It goes into the headers C(apikey) and C(Authorization).
      - Needed where the gateway wants one, or where the instance has no anonymous role.
    type: str
  timeout:
    description: Seconds to wait until the instance knows the table.
    type: int
    default: 30
notes:
  - An instance that can't read its database tries again by itself, ever more seldom, and hears no message meanwhile. A
    new start (C(docker restart)) is what ends that; the error message says so, with the cause.
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.postgrest_probe_info
  - module: bulkhead.stack.postgrest_config
"""

EXAMPLES = r"""
- name: Let PostgREST know the table that a migration has just made
  bulkhead.stack.postgrest_reload:
    container: supabase-ai-db
    instance: supabase-ai-rest-archon
    wait_for_table: archon_prompts

- name: Serve one more schema, without a new container
  bulkhead.stack.postgrest_reload:
    container: supabase-ai-db
    instance: supabase-ai-rest-archon
    reload: [config, schema]
    wait_for_table: reports.monthly
"""

RETURN = r"""
sent:
  description: How often the message was sent.
  returned: success
  type: int
  sample: 1
waited_s:
  description: Seconds from the first message until the table was known.
  returned: success
  type: float
  sample: 0.16
changes:
  description: What is read again, or would be.
  returned: success
  type: list
  elements: str
  sample: [schema cache of supabase-ai-rest-archon]
"""

import time
from typing import Any, Dict, Optional
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import web
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgrest import Instance
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import reload
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.diagnosis import Case, Question, read_facts
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.process import (
    header_of_schema,
    scrubbed,
    split_table,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import Reply, ask_directly

POLL_S = 0.02


def notify(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Read, plan, and unless in check mode send the message until it was heard; return the module's result."""
    key = web.read_key(options["apikey_file"], options["apikey_variable"])
    engine = Docker(options["docker_host"])
    try:
        with open_postgres(options) as postgres:
            return _notify(
                options, check_mode, key, postgres, Instance(engine, postgres, options["instance"], options["timeout"])
            )
    finally:
        engine.close()


def _notify(
    options: Dict[str, Any], check_mode: bool, key: str, postgres: Postgres, instance: Instance
) -> Dict[str, Any]:
    process = instance.inspect()
    schema, table = split_table(options["wait_for_table"] or "")
    database = options["database"] or process.database
    if not database:
        raise InputError("The db-uri of instance %s names no database." % process.name, "Name it as database.")
    question = Question(database, table, schema)
    asked_at = options["url"] or ""

    def ask() -> Reply:
        nonlocal asked_at
        if options["url"]:
            return instance.get(options["url"], web.key_headers(key))
        headers = {**web.key_headers(key), **header_of_schema(schema)}
        path = "/%s?limit=0" % quote(table, safe="")
        asked_at, reply = ask_directly(instance.get, process, process.server_port, path, headers)
        return reply

    reply: Optional[Reply] = ask() if table and process.runs else None
    reload.check(process, database, options["reload"], reply, asked_at)
    plan: Plan = reload.make_plan(process, database, options["reload"], reply)
    result: Dict[str, Any] = dict(plan.result(), sent=0, waited_s=0.0)
    if check_mode or not plan.changed:
        return result
    if table and reload.CONFIG not in options["reload"]:
        reload.require_table(read_facts(postgres, process, question), database, schema, table)

    def send() -> None:
        for change in plan:
            for statement in change.statements:
                postgres.execute(statement)

    if not table:
        send()
        return dict(result, sent=1)
    told = reload.send_until_known(send, ask, time.monotonic, lambda: time.sleep(POLL_S), options["timeout"])
    last: Reply = told.pop("reply")
    if not reload.is_known(last):
        log = scrubbed(instance.log(), [key, *process.secrets()])
        raise reload.unknown(Case(process, question, instance.facts(process, question), log), last, told["sent"])
    return dict(result, **told)


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        {
            **CONNECTION_SPEC,
            "instance": {"type": "str", "required": True},
            "database": {"type": "str"},
            "reload": {"type": "list", "elements": "str", "choices": ["schema", "config"], "default": ["schema"]},
            "wait_for_table": {"type": "str"},
            "url": {"type": "str"},
            "apikey_file": {"type": "path", "no_log": False},
            "apikey_variable": {"type": "str", "no_log": False},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
        required_together=[("apikey_file", "apikey_variable")],
        required_by={"url": ["wait_for_table"]},
    )
    try:
        result = notify(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
