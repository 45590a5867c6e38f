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
  lock_timeout:
    description: How many seconds to wait for another run that works on a database.
    type: int
    default: 60
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.kept_info
  - module: bulkhead.stack.pg_dump_rotate
"""

EXAMPLES = r"""
- name: End what is over, once it was dumped
  bulkhead.stack.kept_expire:
    path: /var/lib/bulkhead/register.jsonl
    cluster: main
    container: supabase-ai-db
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
"""

import contextlib
from typing import Any, Callable, Dict, List

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
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
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.expiry import end_container, end_in_cluster
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.register import Kept, ended_line, kept_things


def expire(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """End what is over; return the module's result, with what could not go."""
    now = clock.now(options["clock"])
    over = [
        kept
        for kept in kept_things(files.read_json_lines(options["path"]))
        if kept.is_over(now) and kept.cluster == options["cluster"]
    ]
    plan, failed = Plan(), []
    with contextlib.ExitStack() as stack:
        end = ending(options, check_mode, stack)
        for kept in over:
            try:
                how = end(kept)
            except BulkheadError as error:
                failed.append(str(error))
                continue
            plan.add(Change(kept.label, "kept until %s" % iso_utc(kept.until), ""))
            if not check_mode:
                files.append_json_line(options["path"], ended_line(kept, now, how))
    return dict(plan.result(), failed_things=failed)


def ending(options: Dict[str, Any], check_mode: bool, stack: contextlib.ExitStack) -> Callable[[Kept], str]:
    """Return what ends one thing and says how; engine and cluster are opened once, and only if something is of them."""
    opened: Dict[str, Any] = {}

    def end(kept: Kept) -> str:
        if kept.kind == "container":
            if "engine" not in opened:
                opened["engine"] = Docker(options["docker_host"])
                stack.callback(opened["engine"].close)
            return end_container(kept, opened["engine"], check_mode)
        if "postgres" not in opened:
            opened["postgres"] = stack.enter_context(open_postgres(options))
        postgres = opened["postgres"]
        database = kept.database or kept.name
        with postgres.working_on(database, (), options["lock_timeout"], only_looking=check_mode):
            return end_in_cluster(
                kept, postgres, lambda name: read_manifest(options["manifests"].get(name)), check_mode
            )

    return end


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
