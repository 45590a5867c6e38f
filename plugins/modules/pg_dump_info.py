#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the copies of databases: age, size, how far verified, and whether the recovery point objective is met."""

DOCUMENTATION = r"""
module: pg_dump_info
short_description: List the dumps of Postgres databases, and whether they meet their objectives
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Reads the folders that M(bulkhead.stack.pg_dump_rotate) writes. Neither a server nor a container engine is asked.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
  - bulkhead.stack.clock
options:
  folders:
    description:
      - Folder of each database's copies, by the database's name. A folder that isn't there yet holds no copies.
    type: dict
    required: true
  names:
    description:
      - What the server calls a database, where O(folders) calls it otherwise; two clusters may each have a C(postgres).
    type: dict
    default: {}
  schedules:
    description:
      - Schedule of each database, by its name, as in O(bulkhead.stack.pg_dump_rotate#module:schedule).
    type: dict
    default: {}
  rpo:
    description:
      - Recovery point objective of each database, by its name, for example V(24h).
    type: dict
    default: {}
  timezone:
    description:
      - Time zone of O(schedules).
    type: str
    default: UTC
  verify:
    description:
      - How far a copy must have been verified to count.
    type: str
    choices: [hashed, read]
    default: read
  checksums:
    description:
      - Whose bytes are read and compared with the manifest's SHA-256. V(newest) is of each database the newest verified
        copy, and where that turns out damaged those before it up to a whole one.
    type: str
    choices: [none, newest, all]
    default: none
seealso:
  - module: bulkhead.stack.pg_dump_rotate
"""

EXAMPLES = r"""
- name: See which database has no fresh, verified copy
  bulkhead.stack.pg_dump_info:
    folders:
      postgres: /backups/supabase-ai/postgres
      archon_db: /backups/supabase-ai/archon_db
    schedules:
      archon_db: "0 2 * * *"
    rpo:
      postgres: 6h
      archon_db: 24h
  register: copies
"""

RETURN = r"""
copies:
  description: Every copy of every database, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: What O(folders) calls its database.
      type: str
    database:
      description: Its database.
      type: str
    path:
      description: Path of the dump.
      type: str
    taken_at:
      description: When it was taken, in UTC.
      type: str
    age_s:
      description: Its age in seconds. Negative where it is dated in the future.
      type: int
    size_bytes:
      description: Size of the dump.
      type: int
    verified:
      description: Whether it counts as verified.
      type: bool
    how:
      description: How far it was verified. V(null) where it is no good copy.
      type: str
    problem:
      description: Why it is no good copy. V(null) where it is one.
      type: str
    label:
      description: The label that it was made with, or V(null).
      type: str
    compression:
      description: How it is compressed, or V(null) where there is no manifest.
      type: str
    manifest_path:
      description: Path of its manifest, or V(null).
      type: str
newest_verified:
  description: For each database the newest copy that counts as verified, or V(null).
  returned: success
  type: dict
rpo_met:
  description: For each database whether that copy is young enough. V(null) where no objective is given.
  returned: success
  type: dict
due:
  description: For each database whether a dump is due, and why, and when next. V(null) where no schedule is given.
  returned: success
  type: dict
gaps:
  description:
    - For each database the times without a verified copy that were longer than O(rpo), or without one longer than the
      widest gap of O(schedules), each with C(from), C(to) (V(null) for one that lasts) and C(seconds).
  returned: success
  type: dict
holds:
  description: For each database why its retention waits for somebody to look, or V(null).
  returned: success
  type: dict
failures:
  description: For each database why its last run failed, or V(null) where it didn't.
  returned: success
  type: dict
findings:
  description: For each database what its newest verified copy lacks, such as the cluster's roles.
  returned: success
  type: dict
orphans:
  description:
    - For each database the files that belong to no whole copy, and the copies that the log has and that are gone, each
      with the reason.
  returned: success
  type: dict
table:
  description: All of this as lines for a terminal.
  returned: success
  type: list
  elements: str
listing:
  description: The same without ages, so that two of them differ only where something happened.
  returned: success
  type: list
  elements: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.info import parse_watches, report, table
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.manifest import VERIFIABLE


def run(options: Dict[str, Any]) -> Dict[str, Any]:
    """Build the adapters and hand them in."""
    now = clock.now(options["clock"])
    watches = parse_watches(options)
    folders = {watch.database: DumpFolder(watch.folder) for watch in watches}
    result = report(watches, folders, now, options["verify"], options["checksums"])
    return dict(result, table=table(result, True), listing=table(result, False))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "dict", "required": True},
            "names": {"type": "dict", "default": {}},
            "schedules": {"type": "dict", "default": {}},
            "rpo": {"type": "dict", "default": {}},
            "timezone": {"type": "str", "default": "UTC"},
            "verify": {"type": "str", "choices": list(VERIFIABLE), "default": "read"},
            "checksums": {"type": "str", "choices": ["none", "newest", "all"], "default": "none"},
            "clock": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
