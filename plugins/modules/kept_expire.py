#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End what was kept until now."""

DOCUMENTATION = r"""
module: kept_expire
short_description: End what was kept until now
version_added: 0.1.0
description:
  - Drops archives and databases and removes containers of which the register says that their time is over.
  - An archive goes only if nothing outside of it needs it, a database only if nobody is connected to it, a container
    only if it is stopped. Archives and databases go only after a dump that was read back.
  - A database that M(bulkhead.stack.pg_database_drop) put aside, and that nobody could enter since, needs no other dump
    than the one it was dropped with, as long as that one is still what it was.
  - One that can't go keeps no other from going. The module fails in the end, and names it.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
  - bulkhead.stack.clock
options:
  path:
    description: The register.
    type: path
    required: true
  cluster:
    description: The cluster's name in the register. Only what is of it goes, and containers where it is empty.
    type: str
    default: ""
  manifests:
    description: By database, the path of the manifest of a dump that was taken of it.
    type: dict
    default: {}
  audit_log:
    description:
      - The audit log, which gets a line before each thing goes (C(kept_ending)) and one after (C(kept_ended)). What
        can't be written down isn't done.
    type: path
  lock_timeout:
    description: How many seconds to wait for another run that works on a database.
    type: int
    default: 60
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.kept_info
  - module: bulkhead.stack.pg_dump_rotate
  - module: bulkhead.stack.pg_database_drop
  - module: bulkhead.stack.audit_log_info
"""

EXAMPLES = r"""
- name: End what is over, once it was dumped
  bulkhead.stack.kept_expire:
    path: /var/lib/bulkhead/register.jsonl
    cluster: main
    container: supabase-ai-db
    audit_log: /var/lib/bulkhead/audit.jsonl
    manifests:
      postgres: /backups/before-expiry/postgres/backup_postgres_20261223_020000.json
"""

RETURN = r"""
changes:
  description: What went, or would go.
  returned: success
  type: list
  elements: str
  sample: [archive archon_legacy_archive in database postgres]
failed_things:
  description: What could not go, and why.
  returned: always
  type: list
  elements: str
  sample: []
dumps_needed:
  description: The databases of which a dump must be taken first.
  returned: always
  type: list
  elements: str
  sample: [postgres]
"""

import contextlib
from typing import Any, Callable, Dict, List, Set

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.audit_log import AuditLog
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    ConflictError,
    InputError,
    StateError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import iso_utc
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.manifest import ManifestError, parse_manifest
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.proof import fault_of
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.expiry import (
    dump_needed,
    end_container,
    end_in_cluster,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.register import (
    Dropped,
    Kept,
    ended_line,
    kept_things,
)


def expire(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """End what is over; return the module's result, with what could not go."""
    now = clock.now(options["clock"])
    over = [
        kept
        for kept in kept_things(files.read_json_lines(options["path"]))
        if kept.is_over(now) and kept.cluster == options["cluster"]
    ]
    plan, failed = Plan(), []
    needed: Set[str] = set()
    audit = AuditLog(options["audit_log"])
    with contextlib.ExitStack() as stack:
        end = ending(options, check_mode, stack, needed.add)
        for kept in over:
            try:
                how = end(kept)
            except BulkheadError as error:
                failed.append(str(error))
                continue
            plan.add(Change(kept.label, "kept until %s" % iso_utc(kept.until), ""))
            if not check_mode:
                files.append_json_line(options["path"], ended_line(kept, now, how))
                audit.append("kept_ended", how=how, **told(kept, options))
    return dict(plan.result(), failed_things=failed, dumps_needed=sorted(needed - {""}))


def told(kept: Kept, options: Dict[str, Any]) -> Dict[str, Any]:
    """Return what the audit log says of a thing; a moment that was only taken as now is named."""
    line = kept.to_json()
    names = ("kind", "name", "cluster", "database", "since", "until", "reason", "dropped")
    found = {name: line[name] for name in names if line.get(name)}
    return dict(found, taken_as_now=options["clock"]) if options["clock"] else found


def ending(
    options: Dict[str, Any], check_mode: bool, stack: contextlib.ExitStack, needs_dump: Callable[[str], object]
) -> Callable[[Kept], str]:
    """Return what ends one thing and says how; engine and cluster are opened once, and only if something is of them.

    Arguments:
        needs_dump: gets the database of which a dump must be there.
    """
    opened: Dict[str, Any] = {}
    audit = AuditLog(options["audit_log"])

    def end(kept: Kept) -> str:
        def tell() -> None:
            audit.append("kept_ending", **told(kept, options))

        if kept.kind == "container":
            if "engine" not in opened:
                opened["engine"] = Docker(options["docker_host"])
                stack.callback(opened["engine"].close)
            return end_container(kept, opened["engine"], tell, check_mode)
        if "postgres" not in opened:
            opened["postgres"] = stack.enter_context(open_postgres(options))
        postgres = opened["postgres"]
        database = kept.database or kept.name
        with postgres.working_on(database, (), options["lock_timeout"], only_looking=check_mode):
            needs_dump(dump_needed(kept, postgres))
            manifests = options["manifests"]
            return end_in_cluster(
                kept, postgres, lambda name: read_manifest(manifests.get(name)), find_fault, tell, check_mode
            )

    return end


def find_fault(dropped: Dropped) -> str:
    """Return what is wrong with the copy that a database was dropped with."""
    return fault_of(dropped.database, dropped.stem, dropped.manifest_sha256, DumpFolder(dropped.folder))


def read_manifest(path: Any) -> Any:
    """Return a manifest, None where none is named.

    Raises:
        StateError: it can't be read.
    """
    if not path:
        return None
    try:
        return parse_manifest(files.read_bytes(path))
    except (ManifestError, InputError) as error:
        raise StateError("The manifest %s can't be read: %s." % (path, error), "Take another dump.") from error


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        {
            **CONNECTION_SPEC,
            "path": {"type": "path", "required": True},
            "cluster": {"type": "str", "default": ""},
            "manifests": {"type": "dict", "default": {}},
            "audit_log": {"type": "path"},
            "lock_timeout": {"type": "int", "default": 60},
            "clock": {"type": "str"},
        },
        supports_check_mode=True,
    )
    failed: List[str] = []
    try:
        result = expire(module.params, module.check_mode)
        failed = result["failed_things"]
        if failed:
            raise ConflictError("Not everything could go: %s" % " ".join(failed), **result)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
