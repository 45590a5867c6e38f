#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop a database, not by mistake, and not at once."""

DOCUMENTATION = r"""
module: pg_database_drop
short_description: Drop a database, not by mistake, and not at once
version_added: 0.1.0
description:
  - Renames a database and closes it, so that nobody enters it any more, and writes down until when it is kept.
    M(bulkhead.stack.kept_expire) drops it after that. Until then O(state=restored) brings it back.
  - It refuses without a copy that is good at this moment, and while anybody uses the database. Every reason is named at
    once.
  - Never dropped are C(postgres), C(template0), C(template1), the maintenance database (O(login_db)), any other
    template, and a database with replication slots, subscriptions or prepared transactions.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
  - bulkhead.stack.clock
options:
  database:
    description: The database. With O(state=restored) also the name that it has now.
    type: str
    required: true
  state:
    description: Whether it is dropped, or one that was dropped is brought back.
    type: str
    choices: [absent, restored]
    default: absent
  confirm:
    description:
      - The name of the database, typed once more. Needed to drop it, other than in check mode.
    type: str
    default: ""
  dest:
    description: The folder of its copies, as M(bulkhead.stack.pg_dump_rotate) fills it. Needed with O(state=absent).
    type: path
  max_age:
    description: How old the copy may be, such as V(24h).
    type: str
    default: 24h
  level:
    description: How far the copy must have been verified.
    type: str
    choices: [read, drilled]
    default: read
  services:
    description: Whatever still uses the database by a description. While there is one, it isn't dropped.
    type: list
    elements: str
    default: []
  end_sessions:
    description:
      - Whether open sessions are ended. Otherwise they keep the database from being dropped.
      - The database is closed before, so that pools can't come back.
    type: bool
    default: false
  keep_for:
    description: How long it is kept under its new name, such as V(7d).
    type: str
    default: 7d
  register:
    description: The register of what is kept, as of M(bulkhead.stack.kept_register).
    type: path
    required: true
  cluster:
    description: The cluster's name in the register.
    type: str
    default: ""
  audit_log:
    description:
      - The audit log. It gets a line before the database is renamed, and one after. What can't be written down isn't
        done.
    type: path
  lock_timeout:
    description: How many seconds to wait for another run that works on the database, and for tables that are locked.
    type: int
    default: 60
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.kept_expire
  - module: bulkhead.stack.pg_dump_rotate
  - module: bulkhead.stack.audit_log_info
"""

EXAMPLES = r"""
- name: Drop what nobody uses any more
  bulkhead.stack.pg_database_drop:
    container: supabase-ai-db
    database: archon_db
    confirm: archon_db
    dest: /backups/archon_db
    register: /var/lib/bulkhead/register.jsonl
    audit_log: /var/lib/bulkhead/audit.jsonl
    cluster: main

- name: That was a mistake
  bulkhead.stack.pg_database_drop:
    container: supabase-ai-db
    database: archon_db
    state: restored
    register: /var/lib/bulkhead/register.jsonl
    audit_log: /var/lib/bulkhead/audit.jsonl
    cluster: main
"""

RETURN = r"""
set_aside:
  description: The name that the database has, or would have, until it goes. Empty where there is none.
  returned: success
  type: str
  sample: archon_db_dropped_20261123T101500Z
kept_until:
  description: Until when it is kept, in UTC. Empty where it isn't.
  returned: success
  type: str
  sample: "2026-11-30T10:15:00Z"
would_lose:
  description: What is lost with the database. Empty where it isn't there, or where it is brought back.
  returned: success, and where it is refused
  type: dict
  contains:
    database:
      description: The database.
      type: str
      sample: archon_db
    owner:
      description: The role that owns it.
      type: str
      sample: archon
    size_bytes:
      description: Its size on disk.
      type: int
      sample: 9437184
    rows:
      description: The rows of all tables.
      type: int
      sample: 4711
    tables:
      description: Each table with its rows, counted.
      type: list
      elements: dict
      sample: [{table: public.archon_settings, rows: 45}]
    not_in_copy:
      description: Tables that the copy hasn't.
      type: list
      elements: str
      sample: []
    changed_since_copy:
      description: Tables with another number of rows than in the copy.
      type: list
      elements: dict
      sample: [{table: public.archon_sources, rows_in_copy: 3, rows: 5}]
    sessions:
      description: Who is connected, by role, application and address.
      type: list
      elements: dict
      sample: [{role: archon, application: archon-server, address: 172.18.0.5, sessions: 3}]
    services:
      description: O(services).
      type: list
      elements: str
      sample: [archon-server]
    enters:
      description: Who may connect, superusers left out, and by which way.
      type: dict
      sample: {archon: as its owner}
    led_to_from:
      description: What leads to it from other databases of the cluster.
      type: list
      elements: dict
      sample: [{database: postgres, kind: foreign server, name: archon}]
refusals:
  description: Why it isn't dropped, each reason with its remedy.
  returned: where it is refused
  type: list
  elements: str
  sample: ["The description says that it is used by archon-server. Take it out of this first."]
copy:
  description: The copy that was proven.
  returned: where the database is dropped
  type: dict
  contains:
    file:
      description: Its dump.
      type: str
      sample: backup_archon_db_20261123_020000.dump
    taken_at:
      description: When, in UTC.
      type: str
      sample: "2026-11-23T02:00:00Z"
    level:
      description: How far it was verified.
      type: str
      sample: read
ended_sessions:
  description: Processes that a killed run had left in the database, and that were ended.
  returned: success
  type: list
  elements: str
  sample: []
"""

import contextlib
from datetime import timedelta
from typing import Any, Dict, List, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.audit_log import AuditLog
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._audit.blast_radius import read_blast_radius
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sessions import users
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import iso_utc, parse_duration
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import lock_name
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.proof import Proven, newest_proven
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.snapshot import count_rows, open_snapshot
from ansible_collections.bulkhead.stack.plugins.module_utils._journal import guard
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.chain import split_lines, verify
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.register import (
    Dropped,
    Kept,
    kept_things,
)


class Register:
    """The register's file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def kept(self) -> List[Kept]:
        """Return what is kept."""
        return kept_things(files.read_json_lines(self._path))

    def append(self, line: Dict[str, Any]) -> None:
        """Append one line, synced."""
        files.append_json_line(self._path, line)


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Drop or bring back; return the module's result."""
    parse_duration(options["keep_for"])
    parse_duration(options["max_age"])
    if options["state"] == "absent":
        guard.check_request(options["database"], options["confirm"], options["login_db"], not check_mode)
    with open_postgres(options) as postgres:
        with postgres.working_on(options["database"], (), options["lock_timeout"], only_looking=check_mode) as ended:
            act = drop if options["state"] == "absent" else restore
            return dict(act(options, postgres, check_mode), ended_sessions=ended)


def drop(options: Dict[str, Any], postgres: Postgres, check_mode: bool) -> Dict[str, Any]:
    """Look at the database, refuse or plan, and put it aside unless in check mode."""
    name, register, trail = options["database"], Register(options["register"]), AuditLog(options["audit_log"])
    before = guard.dropped_as(register.kept(), name, options["cluster"])
    if not check_mode:
        guard.end_leftovers(postgres, before)
    database = guard.find(postgres, name)
    if database is None:
        return finish(options, postgres, before, trail, check_mode)
    interrupted = guard.interrupted(database, before)
    if interrupted is not None:
        if check_mode:
            return unchanged(guard.plan_reopen(interrupted))
        guard.reopen(postgres, register, trail, interrupted, clock.now(options["clock"]))
        database = guard.find(postgres, name) or database
    guard.check_open(database)
    folder, now = DumpFolder(options["dest"]), clock.now(options["clock"])
    with contextlib.ExitStack() as stack:
        if folder.entries() and not check_mode:
            # No retention removes the copy while it is counted on.
            stack.enter_context(folder.lock(lock_name(name)))
        proven, fault = prove(options, folder)
        lost, links, unseen = look(options, postgres, database, proven)
        held_by = guard.bonds(postgres, name, links)
        guard.check_allowed(lost, guard.refusals(lost, options["end_sessions"], held_by, fault))
        if proven is None:
            raise StateError(fault)
        aside = guard.aside_name(name, now, guard.names(postgres))
        dropped = Dropped(name, database.oid, folder.path, proven.copy.stem, proven.manifest_sha256)
        until = now + timedelta(seconds=parse_duration(options["keep_for"]))
        kept = Kept("database", aside, options["cluster"], "", now, until, "%s was dropped" % name, dropped)
        plan = guard.plan_drop(lost, kept)
        if not check_mode:
            facts, timeout_s = facts_of(options, kept, lost), options["lock_timeout"]
            guard.set_aside(postgres, register, trail, kept, options["end_sessions"], timeout_s, facts)
    copy = {"file": proven.copy.dump, "taken_at": iso_utc(proven.copy.taken_at), "level": proven.copy.level}
    result = {"set_aside": aside, "kept_until": iso_utc(until), "would_lose": lost, "copy": copy, "unseen": unseen}
    return dict(plan.result(), **result)


def prove(options: Dict[str, Any], folder: DumpFolder) -> Tuple[Optional[Proven], str]:
    """Return the copy that is good now, or why there is none."""
    now, max_age_s = clock.now(options["clock"]), parse_duration(options["max_age"])
    try:
        return newest_proven(options["database"], folder, options["level"], now, max_age_s), ""
    except StateError as error:
        return None, str(error)


def look(
    options: Dict[str, Any], postgres: Postgres, database: guard.Database, proven: Optional[Proven]
) -> Tuple[Dict[str, Any], List[Dict[str, Any]], List[str]]:
    """Return what would be lost, what leads out of the database, and what this role may not see."""
    names = [name for name in (postgres.endpoint.container, postgres.endpoint.host) if name]
    audited = read_blast_radius(postgres, {}, names)
    radius = audited["databases"]
    with postgres.transaction(database.name, "REPEATABLE READ", True) as transaction:
        open_snapshot(transaction, options["lock_timeout"])
        tables = count_rows(transaction)
    there = users(postgres, database.name)
    copied = proven.manifest["tables"] if proven is not None else None
    lost = guard.loss(database, tables, there, radius, options["services"], copied)
    links = [link for entry in radius if entry["name"] == database.name for link in entry["links"]]
    unseen = [
        "Database %s can't be seen: it may lead to this one." % item["name"] for item in radius if "error" in item
    ]
    return lost, links, audited["unseen"] + unseen


def facts_of(options: Dict[str, Any], kept: Kept, lost: Dict[str, Any]) -> Dict[str, Any]:
    """Return what the audit log says of a database that is put aside; a moment that was only taken as now is named."""
    line = kept.to_json()
    facts = {name: line[name] for name in ("cluster", "until", "dropped")}
    facts.update({name: lost[name] for name in ("database", "size_bytes", "rows", "changed_since_copy", "sessions")})
    facts.update(set_aside=kept.name, tables=len(lost["tables"]))
    return dict(facts, taken_as_now=options["clock"]) if options["clock"] else facts


def unchanged(plan: Plan, kept: Optional[Kept] = None) -> Dict[str, Any]:
    """Return the result where the database isn't put aside by this run."""
    until = iso_utc(kept.until) if kept is not None else ""
    return dict(plan.result(), set_aside=kept.name if kept is not None else "", kept_until=until, would_lose={})


def finish(
    options: Dict[str, Any], postgres: Postgres, before: List[Kept], trail: AuditLog, check_mode: bool
) -> Dict[str, Any]:
    """Return the result of a database that isn't there; tell the audit log what a killed run didn't come to tell."""
    kept = next((item for item in before if item.dropped and guard.find_oid(postgres, item.dropped.oid)), None)
    plan = Plan()
    if kept is not None and options["audit_log"]:
        plan = guard.plan_finish(kept, verify(split_lines(trail.content())).entries)
        if plan.changed and not check_mode:
            trail.append(guard.SET_ASIDE, database=options["database"], set_aside=kept.name, told="by the next run")
    return unchanged(plan, kept)


def restore(options: Dict[str, Any], postgres: Postgres, check_mode: bool) -> Dict[str, Any]:
    """Plan what brings the database back, and do it unless in check mode."""
    register, trail = Register(options["register"]), AuditLog(options["audit_log"])
    candidates = guard.dropped_as(register.kept(), options["database"], options["cluster"])
    if not check_mode:
        guard.end_leftovers(postgres, candidates)
    found = guard.plan_restore(postgres, candidates, options["database"])
    if not check_mode:
        found.apply(postgres, register, trail, clock.now(options["clock"]))
    return unchanged(found.plan)


def main() -> None:
    """Wire options, adapters and domains."""
    module = AnsibleModule(
        {
            **CONNECTION_SPEC,
            "database": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["absent", "restored"], "default": "absent"},
            "confirm": {"type": "str", "default": ""},
            "dest": {"type": "path"},
            "max_age": {"type": "str", "default": "24h"},
            "level": {"type": "str", "choices": ["read", "drilled"], "default": "read"},
            "services": {"type": "list", "elements": "str", "default": []},
            "end_sessions": {"type": "bool", "default": False},
            "keep_for": {"type": "str", "default": "7d"},
            "register": {"type": "path", "required": True},
            "cluster": {"type": "str", "default": ""},
            "audit_log": {"type": "path"},
            "lock_timeout": {"type": "int", "default": 60},
            "clock": {"type": "str"},
        },
        required_if=[("state", "absent", ("dest",))],
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in result.pop("unseen", []):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
