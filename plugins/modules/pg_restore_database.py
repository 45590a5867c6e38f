#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a verified copy of a database, compare it with its manifest, and only then put it in place."""

DOCUMENTATION = r"""
module: pg_restore_database
short_description: Restore a Postgres database from a verified copy, in its place or under another name
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Takes a copy that M(bulkhead.stack.pg_dump_rotate) has made, the newest verified one unless another is named.
  - Everything that can be known is looked at first. The copy's bytes must have its manifest's checksum, the server
    must be able to take it (its version, its extensions, its roles, its disk), nobody may be in the way.
  - It is restored under a scratch name, compared with its manifest (tables and their rows, sequences, extensions,
    owners, grants, policies, triggers, views, functions, indexes, constraints, settings), and only then takes the old
    one's place, in one transaction. The database that was there is kept aside as C(<name>_before_<YYYYMMDDTHHMMSSZ>).
  - What only C(pg_restore --create) would apply (owner, settings, grants and comment of the database, settings of
    roles in it) is applied out of the archive, under the actual name.
  - Roles that are missing are made out of the copy's globals, with their password verifiers. A role that is there
    stays as it is.
  - Where anything fails the database that was there is as it was, and nothing else is left.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
  - bulkhead.stack.clock
attributes:
  check_mode:
    support: full
    details:
      - The copy is read and the server is looked at, neither is changed.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - Every call restores. What was there is put aside once more.
options:
  database:
    description:
      - The database whose copy is meant, as its server called it.
    type: str
    required: true
  folder:
    description:
      - The folder that holds its copies. Needed unless O(back_to) is given.
    type: path
  copy:
    description:
      - Which copy, by its stem (V(backup_archon_db_20261124_020000)), the name of one of its files, or a path of one.
        By default the newest that was verified.
    type: str
  before:
    description:
      - Only copies from before this moment, as V(2026-11-23T10:00:00Z).
    type: str
  level:
    description:
      - How far the copy must have been verified.
    type: str
    choices: [hashed, read, drilled]
    default: read
  target:
    description:
      - The name that the restored database gets. By default O(database). Another name must be free.
    type: str
  tables:
    description:
      - Tables, as V(public.archon_settings), whose rows alone are wanted. The database is then left where it is, and
        gets them beside its own tables, in the schema O(tables_schema), for a person to compare and to take over.
    type: list
    elements: str
    default: []
  tables_schema:
    description:
      - The schema for O(tables); it must not be there yet. By default C(restored_<YYYYMMDD_HHMMSS>), the copy's own
        time.
    type: str
  roles:
    description:
      - Which roles are made out of the copy's globals where they are missing. V(needed) makes those that own or may do
        something in the database, and what they are members of; V(all) every role of the cluster.
      - With V(as_dumped) every role of the cluster gets back what the copy has, those included that are there, their
        passwords, settings and memberships, but for the one that logs in. That is for a cluster whose volume was lost.
    type: str
    choices: [needed, all, as_dumped, none]
    default: needed
  jobs:
    description:
      - How many jobs C(pg_restore) runs at a time. With more than one the copy is unpacked beside the server first,
        unless it is small or of directory format. V(0) takes as many as the server's side has cores.
    type: int
    default: 0
  end_sessions:
    description:
      - Whether sessions in the database that is replaced may be ended. Without it any session is a reason to refuse.
    type: bool
    default: false
  major_upgrade:
    description:
      - Whether a server of a newer major version than the copy's is meant. An older one is always refused.
    type: bool
    default: false
  checks:
    description:
      - SQL of your own; each must return true in the restored database before it takes its place.
    type: list
    elements: str
    default: []
  back_to:
    description:
      - A database that was put aside by an earlier call. It takes its old place again, and no copy is restored.
    type: str
  identity_file:
    description:
      - File with the private key to an encrypted copy.
    type: path
  keep_for:
    description:
      - How long the database that was put aside is kept, by O(register). M(bulkhead.stack.kept_expire) ends it.
    type: str
    default: 7d
  register:
    description:
      - File of JSON lines that says what is kept until when.
    type: path
  cluster:
    description:
      - What the register calls the cluster.
    type: str
    default: ""
  audit_log:
    description:
      - File to which a line is written for each database that was replaced. See M(bulkhead.stack.audit_log_info).
    type: path
  log:
    description:
      - File to which a JSON line is appended for each call, with the time that it took.
    type: path
  key:
    description:
      - What O(log) calls the database. By default O(database).
    type: str
  rto:
    description:
      - The recovery time objective; the result says whether it was met.
    type: str
  began_at:
    description:
      - When the recovery began, in seconds since 1970, where other things were done before, such as stopping
        services.
    type: float
  lock_timeout:
    description:
      - How long to wait for another run of this collection on the same database, in seconds.
    type: int
    default: 60
  status_file:
    description:
      - File that says what is being done, as one JSON object. On a terminal it is shown meanwhile.
    type: path
seealso:
  - module: bulkhead.stack.pg_restore_verify
  - module: bulkhead.stack.pg_dump_rotate
  - module: bulkhead.stack.pg_dump_info
"""

EXAMPLES = r"""
- name: Restore the newest verified copy
  bulkhead.stack.pg_restore_database:
    container: supabase-ai-db
    database: archon_db
    folder: /backups/supabase-ai/archon_db
    register: /var/lib/bulkhead/register.jsonl
    cluster: main
    rto: 15m

- name: Look at yesterday's state under another name
  bulkhead.stack.pg_restore_database:
    container: supabase-ai-db
    database: archon_db
    folder: /backups/supabase-ai/archon_db
    before: "2026-11-23T00:00:00Z"
    target: archon_look

- name: Have the rows of one table beside today's
  bulkhead.stack.pg_restore_database:
    container: supabase-ai-db
    database: archon_db
    folder: /backups/supabase-ai/archon_db
    tables: [public.archon_settings]

- name: Go back to what was there before
  bulkhead.stack.pg_restore_database:
    container: supabase-ai-db
    database: archon_db
    back_to: archon_db_before_20261123T101500Z
"""

RETURN = r"""
database:
  description: The name of the database that is there now.
  returned: success
  type: str
aside:
  description: The name under which the one from before is kept. V(null) where there was none.
  returned: success
  type: str
  sample: archon_db_before_20261123T101500Z
copy:
  description: The copy, by its stem.
  returned: success, unless O(back_to) is given
  type: str
taken_at:
  description: When it was taken.
  returned: success, unless O(back_to) is given
  type: str
tables:
  description: How many tables it holds.
  returned: success, unless O(back_to) is given
  type: int
rows:
  description: How many rows they have.
  returned: success, unless O(back_to) is given
  type: int
size_bytes:
  description: The copy's size.
  returned: success, unless O(back_to) is given
  type: int
roles_made:
  description: Roles that were missing; with O(roles=as_dumped) all that were given back what the copy has.
  returned: success
  type: list
  elements: str
notes:
  description: What is otherwise than in the manifest and may be, such as an extension's version.
  returned: success, not in check mode
  type: list
  elements: str
jobs:
  description: How many jobs C(pg_restore) ran. V(null) with O(back_to).
  returned: success, not in check mode
  type: int
schema:
  description: With O(tables), the schema that holds them.
  returned: success, with O(tables)
  type: str
seconds:
  description: How long each stage took. C(recovery) counts from O(began_at).
  returned: success
  type: dict
rto_met:
  description: Whether C(seconds.recovery) is within O(rto). V(null) without it.
  returned: success, not in check mode
  type: bool
differences:
  description: What isn't as the manifest says.
  returned: when that is why it failed
  type: list
  elements: str
"""

import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any, Dict, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.age import Identity
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.audit_log import AuditLog
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.status import StatusFile
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import new_run_id, open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.schedule import parse_moment
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import parse_duration
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import Catalogue, look
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.manifest import LEVELS
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.pipeline import Stopwatch
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.register import Kept, ended_line, kept_things
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.choose import Wanted
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.restore import (
    Restoration,
    RestoreRequest,
    check_request,
    plan_restore,
    restore,
    result_of,
)

SPEC: Dict[str, Any] = {
    **CONNECTION_SPEC,
    "database": {"type": "str", "required": True},
    "folder": {"type": "path"},
    "copy": {"type": "str"},
    "before": {"type": "str"},
    "level": {"type": "str", "choices": list(LEVELS), "default": "read"},
    "target": {"type": "str"},
    "tables": {"type": "list", "elements": "str", "default": []},
    "tables_schema": {"type": "str"},
    "roles": {"type": "str", "choices": ["needed", "all", "as_dumped", "none"], "default": "needed"},
    "jobs": {"type": "int", "default": 0},
    "end_sessions": {"type": "bool", "default": False},
    "major_upgrade": {"type": "bool", "default": False},
    "checks": {"type": "list", "elements": "str", "default": []},
    "back_to": {"type": "str"},
    "identity_file": {"type": "path"},
    "keep_for": {"type": "str", "default": "7d"},
    "register": {"type": "path"},
    "cluster": {"type": "str", "default": ""},
    "audit_log": {"type": "path"},
    "log": {"type": "path"},
    "key": {"type": "str", "no_log": False},
    "rto": {"type": "str"},
    "began_at": {"type": "float"},
    "lock_timeout": {"type": "int", "default": 60},
    "status_file": {"type": "path"},
    "clock": {"type": "str"},
}


def parse_request(options: Dict[str, Any], run: str) -> RestoreRequest:
    """Return what the options ask for. Raises InputError."""
    wanted = Wanted(
        options["copy"] or "", parse_moment(options["before"]) if options["before"] else None, options["level"]
    )
    request = RestoreRequest(
        options["database"],
        options["target"] or options["database"],
        wanted,
        run,
        options["roles"],
        options["jobs"],
        options["end_sessions"],
        options["major_upgrade"],
        tuple(options["checks"]),
        options["back_to"] or "",
        options["lock_timeout"],
        tuple(options["tables"]),
        options["tables_schema"] or "",
    )
    check_request(request)
    if not options["folder"] and not request.back_to:
        raise InputError("Neither folder nor back_to is given.", "Name the folder that holds the copies.")
    parse_duration(options["keep_for"])
    return request


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Read, plan, and unless in check mode apply; return the module's result."""
    started = time.time()
    request = parse_request(options, new_run_id())
    now = clock.now(options["clock"])
    rto_s = parse_duration(options["rto"]) if options["rto"] else None
    folder = DumpFolder(options["folder"] or "/")
    identity = Identity(options["identity_file"]) if options["identity_file"] else None
    if identity is not None:
        identity.check()
    with ExitStack() as stack:
        status = stack.enter_context(StatusFile(None if check_mode else options["status_file"], request.database))
        watch = Stopwatch(status.tell)
        postgres = stack.enter_context(open_postgres(away_from(options, request), request.run))
        if request.target == "postgres":
            postgres.locks_in = postgres.maintenance_database
        ended = stack.enter_context(
            postgres.working_on(request.target, (), request.lock_timeout_s, only_looking=check_mode)
        )
        with watch.stage("check"):
            catalogue = Catalogue(request.database, (), (), ()) if request.back_to else look(request.database, folder)
            restoration = plan_restore(request, catalogue, folder, identity, postgres, now)
        plan = restoration.plan()
        told: Dict[str, Any] = {}
        if not check_mode:
            told = carry_out(restoration, postgres, watch, options, now)
    watch.seconds["recovery"] = round(time.time() - (options["began_at"] or started), 3)
    result = dict(plan.result(), **result_of(restoration, watch, told, now))
    result["rto_met"] = None if rto_s is None or check_mode else watch.seconds["recovery"] <= rto_s
    if not check_mode and options["log"]:
        files.append_json_line(options["log"], log_line(options, result, rto_s))
    warnings = ended + plan.warnings
    if warnings:
        result["warnings"] = warnings
    return result


def away_from(options: Dict[str, Any], request: RestoreRequest) -> Dict[str, Any]:
    """Return the options of a connection from which the database can be renamed: not from inside of it."""
    return dict(options, login_db="template1") if options["login_db"] == request.target else options


def carry_out(
    restoration: Restoration, postgres: Postgres, watch: Stopwatch, options: Dict[str, Any], now: datetime
) -> Dict[str, Any]:
    """Restore; what is put aside is registered before it is, and what was done is written to the audit log."""
    request = restoration.request
    if restoration.aside and options["register"]:
        # What never came to be ends by itself: there is nothing of that name.
        until = now + timedelta(seconds=parse_duration(options["keep_for"]))
        reason = "what %s was before it was restored" % request.target
        kept = Kept("database", restoration.aside, options["cluster"], "", now, until, reason)
        files.append_json_line(options["register"], kept.to_json())
    for kept in kept_things(files.read_json_lines(options["register"])) if options["register"] else ():
        if request.back_to and (kept.kind, kept.name, kept.cluster) == (
            "database",
            request.back_to,
            options["cluster"],
        ):
            files.append_json_line(options["register"], ended_line(kept, now, "it took its place again"))
    audit_log = AuditLog(options["audit_log"])
    facts = {
        "database": request.target,
        "cluster": options["cluster"],
        "copy": restoration.archive.copy.stem if restoration.archive else None,
        "back_to": request.back_to or None,
        "aside": restoration.aside or None,
    }
    audit_log.append("copy_restore_begun", **facts)
    try:
        told = restore(restoration, postgres, watch)
    except BulkheadError:
        audit_log.append("copy_restore_failed", **facts)
        raise
    audit_log.append("copy_restored", **facts)
    return told


def log_line(options: Dict[str, Any], result: Dict[str, Any], rto_s: Optional[int]) -> Dict[str, Any]:
    """Return the line of the log of restores."""
    return {
        "at": result["at"],
        "key": options["key"] or options["database"],
        "database": result["database"],
        "copy": result.get("copy"),
        "seconds": result["seconds"]["recovery"],
        "stages": result["seconds"],
        "rto_s": rto_s,
        "passed": True,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(SPEC, supports_check_mode=True)
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
