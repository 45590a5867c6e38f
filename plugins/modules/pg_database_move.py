#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a database into another cluster, up or down in its version, or rehearse that."""

DOCUMENTATION = r"""
module: pg_database_move
short_description: Move a Postgres database into another cluster, up or down in its version
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Moves a database from the cluster of this module's connection into O(target). The C(pg_dump) of the newer side
    writes it as SQL. What the older side can't read is rewritten by exact rules, each of which the result names.
    C(psql) stops at the first error.
  - What blocks the move (M(bulkhead.stack.pg_version_fit_info)), a database of that name that isn't empty, roles that
    the target lacks, sessions without leave to end them, and a disk that is too small are said before anything is done.
  - The tables' rows go from C(COPY) to C(COPY) in the dump's snapshot, are written frozen, hashed table by table on
    their way and read back; owners, sequences, indexes, constraints, triggers, policies, grants and settings are
    compared as a drill does. Only then does the database get its name.
  - With O(state=rehearsed) the same happens in a throwaway container of the target's image, which is removed whatever
    happens. Neither cluster is changed.
  - The source stays as it is. Nothing stops its services, or points them to the new place - the role
    C(bulkhead.stack.consolidation) does.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
attributes:
  check_mode:
    support: full
    details:
      - Says what would be done, and refuses what would be refused. Nothing is rehearsed.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - A database that isn't empty is never replaced, so a second call is refused.
options:
  database:
    description: The database that is moved.
    type: str
    required: true
  target:
    description:
      - The cluster that it moves into, as options like those of this module's connection.
    type: dict
    required: true
    suboptions:
      container:
        description: As O(container).
        type: str
      login_host:
        description: As O(login_host).
        type: str
      login_port:
        description: As O(login_port).
        type: int
      login_unix_socket:
        description: As O(login_unix_socket).
        type: path
      login_user:
        description: As O(login_user). A superuser.
        type: str
      login_password:
        description: As O(login_password).
        type: str
      login_db:
        description: As O(login_db).
        type: str
        default: postgres
      docker_host:
        description: As O(docker_host).
        type: str
  target_database:
    description:
      - Its name there. By default O(database). An empty database of that name gives way to it.
    type: str
  owner:
    description:
      - The role that owns everything there. It takes the place of superusers, and of owners that the target lacks; what
        another role owns that the target has stays that one's.
    type: str
    required: true
  owner_password:
    description: The owner's password, where the role isn't there yet.
    type: str
  owner_password_file:
    description:
      - A file on this host that holds it. Made, with a random password and mode 0600, where it is missing.
    type: path
  leave_out_roles:
    description: Roles that the target lacks, and whose rights aren't carried.
    type: list
    elements: str
    default: []
  end_sessions:
    description: Whether sessions in the source are ended. Without leave the move is refused while there are any.
    type: bool
    default: false
  state:
    description: Whether the database is moved, or its move is rehearsed.
    type: str
    choices: [moved, rehearsed]
    default: moved
  memory:
    description:
      - How much memory the data of a rehearsal may take, in MiB. What is larger lies in a volume. By default half of
        what is available.
    type: int
  lock_timeout:
    description: How long to wait for writers and for other runs, in seconds.
    type: int
    default: 30
  journal:
    description:
      - A file that gets what is made, so that M(bulkhead.stack.isolation_journal) can take it back.
    type: path
seealso:
  - module: bulkhead.stack.pg_version_fit_info
  - module: bulkhead.stack.isolation_journal
"""

EXAMPLES = r"""
- name: Rehearse Langfuse's move from 17 into the shared 15
  bulkhead.stack.pg_database_move:
    container: localai-postgres-1
    database: postgres
    target: {container: supabase-ai-db}
    target_database: langfuse_db
    owner: langfuse
    state: rehearsed

- name: Move it, once its services are stopped
  bulkhead.stack.pg_database_move:
    container: localai-postgres-1
    database: postgres
    target: {container: supabase-ai-db}
    target_database: langfuse_db
    owner: langfuse
    owner_password_file: /var/lib/bulkhead/passwords/langfuse
    journal: /var/lib/bulkhead/consolidation/langfuse_db.journal
"""

RETURN = r"""
fit:
  description: How the database fits the target, as M(bulkhead.stack.pg_version_fit_info) returns it.
  returned: success
  type: dict
moved:
  description:
    - What was carried - C(tables), C(rows), C(size_bytes) (of the rows as COPY writes them), C(disk_bytes) (of the
      database at the target), C(conversions), C(notes) and C(seconds) by stage.
  returned: success, not in check mode
  type: dict
  sample:
    tables: 41
    rows: 1200345
    size_bytes: 209715200
    disk_bytes: 260046848
    conversions: ["pg_dump's own SET transaction_timeout is left out (2 times)"]
    notes: ["views are compared by name and owner, since majors write them differently"]
    differences: []
    seconds: {rows: 6.1, indexes: 1.9, compare: 0.4}
memory:
  description:
    - Anonymous memory of the containers in bytes - C(source), C(target), and of a rehearsal C(before) and C(after) of
      the throwaway server. V(null) where it can't be read.
  returned: success, not in check mode
  type: dict
  sample: {source: 48234496, target: 61865984, before: 9437184, after: 31457280}
changes:
  description: What was made, or would be.
  returned: success
  type: list
  elements: str
  sample: [role langfuse, database langfuse_db]
page:
  description: The same as lines for a terminal.
  returned: success
  type: list
  elements: str
"""

import os
from contextlib import ExitStack
from typing import Any, Dict, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.files import append_json_line
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.memory import anonymous_memory
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.passwords import read_password
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.table_copy import CopyingPostgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.throwaway import Throwaways, available_memory
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import new_run_id, open_cluster
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.pipeline import Stopwatch
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.drill import needed_bytes, throwaway_settings
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.places import free_bytes, server_facts
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.fit import compare
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.move import Move, Sides
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.moving import (
    REHEARSED,
    carry_out,
    make_plan,
    move_page,
    rehearse,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.offer import read_offer
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.uses import read_uses

SPEC: Dict[str, Any] = {
    **CONNECTION_SPEC,
    "database": {"type": "str", "required": True},
    "target": {"type": "dict", "required": True, "options": CONNECTION_SPEC},
    "target_database": {"type": "str"},
    "owner": {"type": "str", "required": True},
    "owner_password": {"type": "str", "no_log": True},
    "owner_password_file": {"type": "path", "no_log": False},
    "leave_out_roles": {"type": "list", "elements": "str", "default": []},
    "end_sessions": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["moved", "rehearsed"], "default": "moved"},
    "memory": {"type": "int"},
    "lock_timeout": {"type": "int", "default": 30},
    "journal": {"type": "path"},
}


class Run:
    """One call: both clusters, and what is asked of them."""

    def __init__(self, options: Dict[str, Any], stack: ExitStack) -> None:
        self._options = options
        self._stack = stack
        self.run_id = new_run_id()
        self.source = stack.enter_context(open_cluster(CopyingPostgres, options, self.run_id))
        self.target = stack.enter_context(open_cluster(CopyingPostgres, options["target"], self.run_id))
        self.facts = server_facts(self.source), server_facts(self.target)
        self._engines: Dict[str, Docker] = {}

    def engine(self, of: Dict[str, Any]) -> Optional[Docker]:
        """Return the engine of a cluster that is a container."""
        if not of["container"]:
            return None
        name = of["docker_host"] or ""
        if name not in self._engines:
            self._engines[name] = Docker(of["docker_host"])
            self._stack.callback(self._engines[name].close)
        return self._engines[name]

    def memory(self, of: Dict[str, Any]) -> Optional[int]:
        """Return the anonymous memory of a cluster's container."""
        engine = self.engine(of)
        return anonymous_memory(engine, of["container"]) if engine else None

    def throwaways(self) -> Throwaways:
        """Return what makes containers of the target's image."""
        engine = self.engine(self._options["target"])
        if engine is None:
            raise StateError(
                "The target is no container, so there is no image to rehearse in.",
                "Rehearse into a scratch server of your own with state=moved.",
            )
        return Throwaways(engine, self._options["target"]["container"], self.facts[1]["superuser"])

    def clients(self) -> Any:
        """Return the programs of the newer side: the source's own, or the target's beside the source."""
        newer = self.facts[1]["server_version_num"] // 10000 > self.facts[0]["server_version_num"] // 10000
        source = self._options["container"]
        if not newer or not self._options["target"]["container"] or self._options["login_unix_socket"]:
            return self.source
        network = "container:%s" % source if source else "host"
        throwaways = self.throwaways()
        throwaways.remove_leftovers()
        return self._stack.enter_context(throwaways.clients(self.run_id, self.source, network))

    def rehearse(self, wanted: Move, watch: Stopwatch, size_bytes: int) -> Dict[str, Any]:
        """Do it in a throwaway server; return what became of it, with its memory."""
        throwaways = self.throwaways()
        throwaways.remove_leftovers()
        settings = throwaway_settings(self.target, REHEARSED)
        needed = needed_bytes({"database_size_bytes": size_bytes * 2})
        limit = self._options["memory"]
        in_memory = needed <= (limit * 1024 * 1024 if limit is not None else available_memory() // 2)
        with throwaways.server(self.run_id, settings, needed, in_memory, "") as server:
            engine = self.engine(self._options["target"])
            before = anonymous_memory(engine, server.endpoint.container) if engine else None
            sides = Sides(self.source, self.clients(), server)
            moved = rehearse(wanted, sides, self.facts[1]["roles"], watch)
            after = anonymous_memory(engine, server.endpoint.container) if engine else None
        return {"moved": moved.to_json(), "memory": {"before": before, "after": after}}


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Look, plan, and unless in check mode move; return the module's result."""
    name, lock_timeout = options["target_database"] or options["database"], options["lock_timeout"]
    with ExitStack() as stack:
        both = Run(options, stack)
        if (
            both.facts[0]["system_identifier"]
            and both.facts[0]["system_identifier"] == both.facts[1]["system_identifier"]
        ):
            raise InputError(
                "Source and target are the same cluster: its system identifier is %s."
                % both.facts[0]["system_identifier"],
                "Name two; within one cluster pg_database_isolate copies.",
            )
        rehearsal = options["state"] == "rehearsed"
        # A killed run's pg_dump lives on beside the source, and would count as somebody who uses it.
        looking = both.source.working_on(options["database"], (), lock_timeout, check_mode or rehearsal)
        leftovers = stack.enter_context(looking)
        free = free_bytes(both.target, both.facts[1])
        fit = compare(read_uses(both.source, options["database"]), read_offer(both.target), free)
        wanted = Move(options["database"], name, options["owner"], tuple(options["leave_out_roles"]))
        wanted = wanted._replace(lock_timeout_s=lock_timeout, run=both.run_id, processors=os.cpu_count() or 0)
        sides = Sides(both.source, both.source, both.target)
        plan = make_plan(wanted, fit, sides, rehearsal, options["end_sessions"])
        result: Dict[str, Any] = dict(plan.result(), fit=fit.to_json())
        result["warnings"] = leftovers
        if not check_mode:
            watch = Stopwatch()
            if rehearsal:
                result.update(both.rehearse(wanted, watch, fit.size_bytes))
            else:
                password = read_password(options, check_mode)
                working = both.target.working_on(name, (), lock_timeout)
                result["warnings"] += stack.enter_context(working)
                sides = sides._replace(clients=both.clients())
                note = _journal(options["journal"])
                result["moved"] = carry_out(wanted, sides, password, note, watch).to_json()
                result["memory"] = {}
            result["memory"].update(source=both.memory(options), target=both.memory(options["target"]))
        result["page"] = move_page(wanted, fit, result)
        return result


def _journal(path: Optional[str]) -> Any:
    return (lambda entry: append_json_line(path, entry)) if path else (lambda entry: None)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        SPEC, supports_check_mode=True, mutually_exclusive=[("owner_password", "owner_password_file")]
    )
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
