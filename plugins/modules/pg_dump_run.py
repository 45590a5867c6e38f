#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dump those of several databases that are due, some at a time, and sum up what became of each."""

DOCUMENTATION = r"""
module: pg_dump_run
short_description: Dump every Postgres database that is due, some at a time
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Does for each of several databases what M(bulkhead.stack.pg_dump_rotate) does for one, O(jobs) at a time. The one
    whose last dump took longest begins first.
  - A database that fails stops none of the others. In the end the module fails, and says what became of each.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.clock
attributes:
  check_mode:
    support: full
    details:
      - The folders are looked at and no server is. The summary names each copy that would go, and why each other stays.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - A second run changes nothing until the next dump is due. A database without a schedule is dumped by every run.
options:
  databases:
    description:
      - The databases. Mistakes in any of them are reported before anything is done.
    type: list
    elements: dict
    required: true
    suboptions:
      key:
        description: What to call the database here; each once.
        type: str
        required: true
      options:
        description:
          - The options of M(bulkhead.stack.pg_dump_rotate) but C(clock) and C(login_password).
        type: dict
        required: true
      before:
        description:
          - Commands to run on this host before its dump, where one is due, each as a list of its words. Where one
            fails, the database isn't dumped.
          - They find C(BULKHEAD_DATABASE) and C(BULKHEAD_DEST) in their environment.
        type: list
        elements: list
        default: []
      after:
        description:
          - Commands to run after it, whether it succeeded or not. They find C(BULKHEAD_STATE) (V(dumped) or V(failed))
            and C(BULKHEAD_DUMP) besides.
        type: list
        elements: list
        default: []
  passwords:
    description:
      - The C(login_password) of each cluster that needs one, by the database's key.
    type: dict
    default: {}
  acknowledge:
    description:
      - Keys of the databases whose hold on the retention ends with this run.
    type: list
    elements: str
    default: []
  jobs:
    description:
      - How many databases are dumped at a time. By default as many as this host has cores.
    type: int
  log:
    description:
      - File to which the summary is appended, a JSON line a run.
    type: path
  status_dir:
    description:
      - Folder for a status file of each database, which says how far its dump is. On a terminal it is shown meanwhile.
    type: path
seealso:
  - module: bulkhead.stack.pg_dump_rotate
  - module: bulkhead.stack.pg_dump_info
"""

EXAMPLES = r"""
- name: Dump what is due, two at a time
  bulkhead.stack.pg_dump_run:
    databases:
      - key: archon_db
        options:
          container: supabase-ai-db
          database: archon_db
          dest: /backups/supabase-ai/archon_db
          schedule: "0 2 * * *"
          retention:
            last: 14
      - key: odoo_db
        options:
          container: supabase-ai-db
          database: odoo_db
          dest: /backups/supabase-ai/odoo_db
          schedule: every 4h
          retention:
            within: 2d
            daily: 14
        after:
          - [/usr/local/bin/copy-off-site, odoo_db]
    jobs: 2
    log: /var/lib/bulkhead/backup.jsonl
"""

RETURN = r"""
summary:
  description: What the run did, as the line of O(log) says it.
  returned: always, once the options were read
  type: dict
  sample:
    at: "2026-11-23T02:00:00Z"
    seconds: 4.2
    state: ok
    dumped: [archon_db]
    current: [odoo_db]
    failed: []
    errors: {}
    held: {}
    pruned: {archon_db: 1}
    size_bytes: {archon_db: 183204}
    took: {archon_db: 3.9}
page:
  description: The same as lines for a terminal. In check mode with each copy that would go, and why each other stays.
  returned: always, once the options were read
  type: list
  elements: str
failed_databases:
  description: The databases that failed.
  returned: always, once the options were read
  type: list
  elements: str
state_before:
  description: How the run before ended by O(log), V(ok) or V(failed). V(ok) where there was none.
  returned: always, once the options were read
  type: str
results:
  description: What M(bulkhead.stack.pg_dump_rotate) returns, by the database's key, of those that didn't fail.
  returned: always, once the options were read
  type: dict
"""

import os
import time
from contextlib import AbstractContextManager
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.age import Age
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.hooks import run_hook
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.status import StatusFile
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import new_run_id, open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC, ROTATE_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import look
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.pipeline import Cluster
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.ports import ignore
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.rotate import (
    parse_request,
    plan_rotation,
    rotate,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.run import Job, page, run_jobs, summarize


class Run:
    """The databases of one run, with the adapters that each needs."""

    def __init__(self, params: Dict[str, Any], check_mode: bool) -> None:
        self._check_mode = check_mode
        self._clock = params["clock"]
        self._status_dir = params["status_dir"]
        self._options: Dict[str, Dict[str, Any]] = {}
        self._clusters: Dict[Any, Cluster] = {}
        mistakes: List[str] = []
        for item in params["databases"]:
            key = item["key"]
            if key in self._options:
                mistakes.append("%s: is there twice." % key)
            given = dict(item["options"])
            if "login_password" in given:
                mistakes.append("%s: say login_password in passwords." % key)
            given["login_password"] = params["passwords"].get(key)
            given["acknowledge"] = given.get("acknowledge", False) or key in params["acknowledge"]
            read = ArgumentSpecValidator(dict(CONNECTION_SPEC, **ROTATE_SPEC)).validate(given)
            mistakes.extend("%s: %s." % (key, message.rstrip(".")) for message in read.error_messages)
            self._options[key] = read.validated_parameters
        for option in ("passwords", "acknowledge"):
            # An empty answer to a survey is a list with nothing in it.
            unknown = sorted(set(params[option]) - set(self._options) - {""})
            mistakes.extend("%s: there is no database %s." % (option, key) for key in unknown)
        if params["jobs"] is not None and params["jobs"] < 1:
            mistakes.append("jobs is %d: nothing would ever be done." % params["jobs"])
        if mistakes:
            raise InputError("Nothing was done. %s" % " ".join(mistakes))
        self.at_once = params["jobs"] or os.cpu_count() or 1
        # All are read before the first is begun: one that is wrong in itself is no failure of a dump.
        self.jobs = [self._job(item) for item in params["databases"]]

    def _job(self, item: Dict[str, Any]) -> Job:
        options = self._options[item["key"]]
        request = parse_request(options, new_run_id())
        catalogue = look(request.database, DumpFolder(options["dest"], options["mount"]))
        due = plan_rotation(request, catalogue, clock.now(self._clock)).due.due
        hooks = [tuple(tuple(command) for command in item[when]) for when in ("before", "after")]
        return Job(item["key"], request, options["dest"], due, catalogue.log.duration_s, *hooks)

    def rotate(self, job: Job) -> Dict[str, Any]:
        """Do one database, at its own moment: it may have waited for others."""

        def open_server() -> "AbstractContextManager[Postgres]":
            return open_postgres(self._options[job.key], job.request.run)

        folder = DumpFolder(job.folder, self._options[job.key]["mount"])
        # The same connection is the same cluster.
        place = tuple(sorted((name, str(self._options[job.key].get(name))) for name in CONNECTION_SPEC))
        cluster = self._clusters.setdefault(place, Cluster())
        options, now = self._options[job.key], clock.now(self._clock)
        age = Age(options["encrypt_to"]) if options["encrypt_to"] else None
        path = self._status_dir if job.due and not self._check_mode else None
        with StatusFile(path and os.path.join(path, "%s.json" % job.key), job.key) as status:
            tell = status.tell if path else ignore
            return rotate(job.request, folder, open_server, now, self._check_mode, tell, cluster, age)


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Do all of them; return the module's result."""
    started = time.monotonic()
    now = clock.now(params["clock"])
    wanted = Run(params, check_mode)
    outcomes = run_jobs(wanted.jobs, wanted.rotate, wanted.at_once, None if check_mode else run_hook)
    summary = summarize(outcomes, now, time.monotonic() - started)
    before = files.read_json_lines(params["log"])[-1:] if params["log"] else []
    if params["log"] and not check_mode:
        files.append_json_line(params["log"], summary)
    results = {outcome.key: outcome.result for outcome in outcomes if outcome.result}
    warnings = ["%s: %s" % (key, text) for key, found in results.items() for text in found.pop("warnings", [])]
    result: Dict[str, Any] = {
        "changed": any(found["changed"] for found in results.values()),
        "diff": [entry for found in results.values() for entry in found.pop("diff")],
        "summary": summary,
        "page": page(outcomes, summary, check_mode),
        "failed_databases": summary["failed"],
        "state_before": str(before[0].get("state", "ok")) if before else "ok",
        "results": results,
    }
    if warnings:
        result["warnings"] = warnings
    return result


def main() -> None:
    """Run the module."""
    commands: Dict[str, Any] = {"type": "list", "elements": "list", "default": []}
    module = AnsibleModule(
        argument_spec={
            "databases": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "key": {"type": "str", "required": True, "no_log": False},
                    "options": {"type": "dict", "required": True},
                    "before": commands,
                    "after": commands,
                },
            },
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "acknowledge": {"type": "list", "elements": "str", "default": []},
            "jobs": {"type": "int"},
            "log": {"type": "path"},
            "status_dir": {"type": "path"},
            "clock": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    if result["failed_databases"]:
        errors = ["%s: %s" % (key, text.rstrip(".")) for key, text in result["summary"]["errors"].items()]
        module.fail_json(msg="Dumps failed. %s." % ". ".join(errors), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
