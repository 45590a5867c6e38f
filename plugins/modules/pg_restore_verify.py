#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drill copies: restore each into a throwaway server of the live one's image, compare, time, throw away."""

DOCUMENTATION = r"""
module: pg_restore_verify
short_description: Prove that copies of Postgres databases can be restored
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Restores a copy of each database into a throwaway container of the very image that the live server runs, with its
    shared memory, its preloaded libraries and the settings that they need. It is a bare cluster, without the image's
    own scripts, without a network, reached by a socket alone. Jobs of pg_cron, archiving and subscriptions are off.
  - The restored database is compared with the copy's manifest, table by table and row count by row count, with its
    sequences, extensions, owners, grants, policies, triggers, views, functions, indexes, constraints and settings. What
    isn't as it was is a sentence of the verdict.
  - The verdict is written beside the copy, with the seconds that it took, and decides how far the copy counts as
    verified. The manifest stays as it is.
  - Data lie in memory where they fit into O(memory), else in a volume of the drill's own. Container, volume and folder
    are removed whatever happens; what a killed drill has left is removed by the next.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
  - bulkhead.stack.clock
attributes:
  check_mode:
    support: full
    details:
      - Says which copies would be drilled. No container is made.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - Every call is a drill, and writes a verdict.
options:
  databases:
    description:
      - The databases whose copies are drilled.
    type: list
    elements: dict
    required: true
    suboptions:
      key:
        description: What to call it here; each once.
        type: str
        required: true
      database:
        description: What its server calls it. By default O(databases[].key).
        type: str
      folder:
        description: The folder that holds its copies.
        type: path
        required: true
      copy:
        description:
          - Which copy; by default the newest that was verified. One whose drill failed is drilled again if it is named.
        type: str
      checks:
        description: SQL of your own; each must return true in the restored database.
        type: list
        elements: str
        default: []
      rto:
        description: The recovery time objective; the verdict holds it.
        type: str
  target:
    description:
      - A scratch server of your own instead of a throwaway container, as options like those of this module's connection
        (C(container) or C(login_host) and so on). The live server is refused, known by its system identifier.
      - The database is dropped there afterwards. Roles of the copy that are missing there stay.
    type: dict
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
        description: As O(login_user).
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
  at_once:
    description:
      - How many drills run side by side. By default as many as this host has cores.
    type: int
  jobs:
    description:
      - How many jobs C(pg_restore) runs in each. V(0) takes as many as there are cores.
    type: int
    default: 0
  memory:
    description:
      - How much memory the data of all drills may take together, in MiB. By default half of what is available.
    type: int
  amcheck:
    description:
      - Whether C(pg_amcheck) looks at every index and table as well.
    type: bool
    default: false
  identity_file:
    description:
      - File with the private key to encrypted copies.
    type: path
seealso:
  - module: bulkhead.stack.pg_restore_database
  - module: bulkhead.stack.pg_dump_info
"""

EXAMPLES = r"""
- name: Prove that the newest copies can be restored
  bulkhead.stack.pg_restore_verify:
    container: supabase-ai-db
    databases:
      - key: archon_db
        folder: /backups/supabase-ai/archon_db
        rto: 15m
        checks:
          - SELECT count(*) > 0 FROM public.archon_settings
      - key: odoo_db
        folder: /backups/supabase-ai/odoo_db
"""

RETURN = r"""
verdicts:
  description: What each drill found, by the database's key. The same is in the file beside the copy.
  returned: always, once the options were read
  type: dict
  sample:
    archon_db:
      copy: backup_archon_db_20261124_020000
      at: "2026-11-24T03:00:00Z"
      passed: true
      differences: []
      seconds: 4.1
      rto_s: 900
paths:
  description: The verdicts' files, by the database's key.
  returned: always, once the options were read
  type: dict
page:
  description: The same as lines for a terminal.
  returned: always, once the options were read
  type: list
  elements: str
failed_databases:
  description: The databases whose copy couldn't be restored, or isn't what its manifest says.
  returned: always, once the options were read
  type: list
  elements: str
copies:
  description: The copies, by the database's key.
  returned: always, once the options were read
  type: dict
"""

import os
import time
from contextlib import ExitStack, contextmanager
from typing import Any, Dict, Iterator, List, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.age import Identity
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.throwaway import Throwaways, available_memory
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import new_run_id, open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import parse_duration
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import Catalogue, look
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.pipeline import Stopwatch
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.archive import Archive
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.choose import Wanted
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.drill import (
    Drill,
    Memory,
    Outcome,
    check_drills,
    check_not_live,
    choose,
    needed_bytes,
    page,
    run_all,
    run_drill,
    throwaway_settings,
    write_verdict,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.places import drop, server_facts
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.ports import Server

SCRATCH = "bulkhead_drill"
SPEC: Dict[str, Any] = {
    **CONNECTION_SPEC,
    "databases": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "key": {"type": "str", "required": True, "no_log": False},
            "database": {"type": "str"},
            "folder": {"type": "path", "required": True},
            "copy": {"type": "str"},
            "checks": {"type": "list", "elements": "str", "default": []},
            "rto": {"type": "str"},
        },
    },
    "target": {"type": "dict", "options": CONNECTION_SPEC},
    "at_once": {"type": "int"},
    "jobs": {"type": "int", "default": 0},
    "memory": {"type": "int"},
    "amcheck": {"type": "bool", "default": False},
    "identity_file": {"type": "path"},
    "clock": {"type": "str"},
}


class Run:
    """The drills of one call, with what they share."""

    def __init__(self, options: Dict[str, Any]) -> None:
        self._options = options
        self.now = clock.now(options["clock"])
        self._identity = Identity(options["identity_file"]) if options["identity_file"] else None
        if self._identity is not None:
            self._identity.check()
        self.drills = [self._drill(item) for item in options["databases"]]
        check_drills(self.drills)
        self.catalogues: Dict[str, Catalogue] = {}
        self.archives: Dict[str, Archive] = {}
        self.errors: Dict[str, str] = {}
        for drill, item in zip(self.drills, options["databases"]):
            try:
                folder = DumpFolder(item["folder"])
                self.catalogues[drill.key] = look(drill.database, folder)
                catalogue = self.catalogues[drill.key]
                self.archives[drill.key] = choose(drill, catalogue, folder, self._identity, self.now)
            except BulkheadError as error:
                # One database without a copy keeps no other from being drilled.
                self.errors[drill.key] = str(error)
        given = options["memory"]
        self._memory = Memory(given * 1024 * 1024 if given is not None else available_memory() // 2)
        self._throwaways: Optional[Throwaways] = None
        self._settings: Dict[str, str] = {}
        self._live_identifier: Optional[str] = None

    def _drill(self, item: Dict[str, Any]) -> Drill:
        return Drill(
            item["key"],
            item["database"] or item["key"],
            Wanted(item["copy"] or "", again=True),
            tuple(item["checks"]),
            parse_duration(item["rto"]) if item["rto"] else None,
            self._options["amcheck"],
            self._options["jobs"],
        )

    def prepare(self, engine: Optional[Docker], live: Postgres) -> List[str]:
        """See what the live server is like; return a sentence for each thing that a killed drill had left."""
        facts = server_facts(live)
        self._live_identifier = facts["system_identifier"]
        if self._options["target"]:
            return []
        if engine is None:
            raise StateError(
                "The server is no container, so there is no image to make a throwaway server of.",
                "Name a scratch server of your own as target.",
            )
        # Memberships name their grantor, and only the first superuser may be one without more ado.
        self._throwaways = Throwaways(engine, self._options["container"], facts["superuser"])
        self._settings = throwaway_settings(live, SCRATCH)
        return self._throwaways.remove_leftovers()

    def one(self, drill: Drill) -> Outcome:
        """Drill one database."""
        if drill.key in self.errors:
            return Outcome(drill.key, error=self.errors[drill.key])
        archive, began, watch = self.archives[drill.key], time.monotonic(), Stopwatch()
        with self._server(archive, watch) as (server, database):
            check_not_live(server_facts(server)["system_identifier"], self._live_identifier, archive)
            verdict = run_drill(drill, archive, server, database, began, watch, self.now)
        path = write_verdict(verdict, archive, self.catalogues[drill.key], self.now)
        return Outcome(drill.key, verdict, path)

    @contextmanager
    def _server(self, archive: Archive, watch: Stopwatch) -> Iterator[Any]:
        run = new_run_id()
        if self._throwaways is None:
            with open_postgres(self._options["target"], run) as target:
                yield from self._on_target(target, "%s_%s" % (SCRATCH, run))
            return
        size = needed_bytes(archive.manifest)
        copies = archive.folder.path if archive.is_directory else ""
        with self._memory.share(size) as in_memory, ExitStack() as stack:
            with watch.stage("start"):
                server = stack.enter_context(self._throwaways.server(run, self._settings, size, in_memory, copies))
            yield server, SCRATCH

    @staticmethod
    def _on_target(target: Server, database: str) -> Iterator[Any]:
        try:
            yield target, database
        finally:
            drop(target, database)


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Drill all of them; return the module's result."""
    wanted = Run(options)
    plan = Plan()
    for key, archive in wanted.archives.items():
        plan.add(Change("verdict on %s" % archive.copy.stem, "", "drill of %s" % key))
    result: Dict[str, Any] = dict(plan.result(), verdicts={}, paths={}, page=[], warnings=[])
    result["copies"] = {key: archive.copy.stem for key, archive in wanted.archives.items()}
    if check_mode:
        result["failed_databases"] = sorted(wanted.errors)
        result["page"] = ["%s: %s" % item for item in {**result["copies"], **wanted.errors}.items()]
        return result
    with ExitStack() as stack:
        live = stack.enter_context(open_postgres(options))
        engine = None
        if options["container"]:
            engine = Docker(options["docker_host"])
            stack.callback(engine.close)
        result["warnings"] += wanted.prepare(engine, live)
        outcomes = run_all(wanted.drills, wanted.one, options["at_once"] or os.cpu_count() or 1)
    result["verdicts"] = {outcome.key: outcome.verdict for outcome in outcomes if outcome.verdict}
    result["paths"] = {outcome.key: outcome.path for outcome in outcomes if outcome.path}
    result["page"] = page(outcomes)
    result["failed_databases"] = [outcome.key for outcome in outcomes if not outcome.passed]
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(SPEC, supports_check_mode=True)
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    if result["failed_databases"]:
        module.fail_json(msg="Drills failed. %s" % " ".join(result["page"][1:] or result["page"]), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
