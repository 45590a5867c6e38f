#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dump a database when it is due, verify the dump, and keep as many good copies as the retention asks for."""

DOCUMENTATION = r"""
module: pg_dump_rotate
short_description: Dump a Postgres database when due, verify it, and prune by retention
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Makes a dump with the server's own C(pg_dump), when one is due by O(schedule).
  - The dump is written under a hidden name, hashed while it streams, synced and verified, and only then gets its name,
    C(backup_<database>_<YYYYMMDD_HHMMSS>.dump) in UTC. Where the server's side compresses with the program C(zstd), the
    name ends in C(.dump.zst), and C(zstd -dc FILE | pg_restore ...) opens it. In directory format it is a folder,
    C(....dump.dir).
  - A manifest beside it, C(....manifest.json), says what the dump's own snapshot held, with the rows of every table,
    and how far the dump was verified. The cluster's roles are in C(....globals.sql).
  - Retention counts copies only that C(pg_restore) has read whole. It never removes the newest of them, nor the newest
    that a drill restored, nor anything after a run that failed.
  - What happened is in C(catalogue_<database>.jsonl) in the same folder, with the hash of every manifest. A file that
    isn't in there is never removed.
  - What a run that was killed has left is removed by the next one that has something to do.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
  - bulkhead.stack.clock
attributes:
  check_mode:
    support: full
    details:
      - The folder is looked at and the server isn't, so that a plan can be made before there is a database.
  diff_mode:
    support: full
    details:
      - One line for each copy (dump, manifest and globals) that is added or removed.
  idempotent:
    support: partial
    details:
      - With a schedule a second run changes nothing until the next dump is due. Without one every call takes a dump.
options:
  database:
    description:
      - Database to dump. It becomes part of file names, so one with a slash or two dots in a row is refused.
    type: str
    required: true
  dest:
    description:
      - Folder for the copies, made with mode C(0700) where it is missing. Files have mode C(0600). A link is refused.
    type: path
    required: true
  mount:
    description:
      - Mount point on which O(dest) must lie. A disk that isn't mounted is refused then, instead of filling the one
        below it.
    type: path
  retention:
    description:
      - Which verified copies stay. Rules add up, so a copy that any of them wants stays.
      - Numbers are at least 1. Without a rule nothing is ever removed.
    type: dict
    default: {}
    suboptions:
      last:
        description: The newest so many.
        type: int
      keep:
        description: Short for O(retention.last).
        type: int
      within:
        description: All that are younger than this, for example V(7d).
        type: str
      hourly:
        description: The newest of each of the last so many hours that have a copy.
        type: int
      daily:
        description: The newest of each of the last so many days that have a copy.
        type: int
      weekly:
        description: The newest of each of the last so many ISO weeks that have a copy.
        type: int
      monthly:
        description: The newest of each of the last so many months that have a copy.
        type: int
      yearly:
        description: The newest of each of the last so many years that have a copy.
        type: int
      unverified:
        description:
          - How long a copy stays that C(pg_restore) never read whole, or that turned out damaged. It goes only where a
            newer one was read, and only if it is in the catalogue's log.
        type: str
        default: 30d
  shrink_ratio:
    description:
      - A new dump that is smaller than this part of the copy before it holds the retention, which then removes
        nothing until O(acknowledge). V(0) never does.
    type: float
    default: 0.5
  acknowledge:
    description:
      - Ends a hold on the retention, after somebody looked at the dump that was so much smaller.
    type: bool
    default: false
  schedule:
    description:
      - When a dump is due, as five fields of cron (V(0 2 * * *)), a word (V(@daily)) or an interval (V(every 6h),
        counted from Monday, 00:00 UTC).
      - A dump is due when the newest good copy is older than the last time that the schedule came round. What was
        missed is caught up once. A copy that is dated in the future never counts.
      - Without it a dump is due on every run.
    type: str
  timezone:
    description:
      - Time zone of O(schedule) and of the days, weeks, months and years of O(retention).
    type: str
    default: UTC
  verify:
    description:
      - How far a new dump is verified, and how far a copy must have been verified to count.
      - V(hashed) compares the bytes on the disk with those that were dumped; with O(format=directory) with those that
        lay there once they were synced.
      - V(read) also has the server's C(pg_restore) read the whole archive.
    type: str
    choices: [hashed, read]
    default: read
  format:
    description:
      - V(custom) is one file, which comes as a stream.
      - V(directory) is a folder with a file for each table, which parallel jobs write where the server's C(pg_dump)
        runs. So O(dest), or a folder above it, must be mounted into the server's container, writable. That both sides
        see the same place, and that this user can read what C(pg_dump)'s user writes, is proven before anything is
        begun.
      - A folder's SHA-256 in the manifest is that of its listing, C(LC_ALL=C sha256sum * | sha256sum).
    type: str
    choices: [custom, directory]
    default: custom
  dump_jobs:
    description:
      - How many jobs dump the database at the same time, at least 1; each takes a connection. Only with
        O(format=directory).
      - By default there are as many as the server's side has cores.
    type: int
  compression:
    description:
      - V(auto) takes zstd where the server's side has it, else gzip at its quickest level.
      - With O(format=directory) zstd needs a C(pg_dump) 16 or newer.
    type: str
    choices: [auto, zstd, gzip, none]
    default: auto
  globals:
    description:
      - Whether the cluster's roles, memberships and password verifiers are dumped beside the database.
        It needs a superuser.
    type: bool
    default: true
  data_only_tables:
    description:
      - Patterns of tables, as C(pg_dump --table) takes them, of which a dump of the rows alone is made besides, in the
        same snapshot, as C(....reference.dump). It is in custom format always.
    type: list
    elements: str
    default: []
  label:
    description:
      - A short word for the manifest, for example V(before-isolate).
    type: str
  lock_timeout:
    description:
      - How long to wait for a table that someone holds locked, before the dump fails.
    type: str
    default: 1m
  encrypt_to:
    description:
      - Public keys to which the copy is encrypted, after it was verified; C(age1...), or of SSH. The host needs the
        program C(age). The names of the files end in C(.age), but for the manifest's.
      - For a moment the verified copy lies there plain, under a hidden name, with mode C(0600).
      - Not with O(format=directory).
    type: list
    elements: str
    default: []
seealso:
  - module: bulkhead.stack.pg_dump_run
  - module: bulkhead.stack.pg_dump_info
"""

EXAMPLES = r"""
- name: Dump Archon's database at two o'clock, and keep fourteen copies
  bulkhead.stack.pg_dump_rotate:
    container: supabase-ai-db
    database: archon_db
    dest: /backups/supabase-ai/archon_db
    schedule: "0 2 * * *"
    timezone: Europe/Berlin
    retention:
      last: 14

- name: Dump now, before something is changed, with the rows of Archon's tables for reference
  bulkhead.stack.pg_dump_rotate:
    container: supabase-ai-db
    database: postgres
    dest: /backups/supabase-ai/postgres
    label: before-isolate
    data_only_tables:
      - public.archon_*

- name: Dump a large database by four jobs, into a folder that its container sees
  bulkhead.stack.pg_dump_rotate:
    container: supabase-ai-db
    database: langfuse_db
    dest: /backups/supabase-ai/langfuse_db
    format: directory
    dump_jobs: 4
    retention:
      last: 7

- name: Keep two days whole, then thin out
  bulkhead.stack.pg_dump_rotate:
    container: supabase-ai-db
    database: odoo_db
    dest: /backups/supabase-ai/odoo_db
    schedule: every 4h
    retention:
      within: 2d
      daily: 14
      weekly: 8
      monthly: 12
"""

RETURN = r"""
due:
  description: Whether a dump was due.
  returned: success
  type: bool
due_reason:
  description: Why it was due or not.
  returned: success
  type: str
next_due:
  description: When O(schedule) comes round next, in UTC. V(null) without a schedule.
  returned: success
  type: str
dump:
  description: Path of the new dump, of a folder with O(format=directory). V(null) where none was made.
  returned: success
  type: str
manifest_path:
  description: Path of the new dump's manifest. V(null) where none was made.
  returned: success
  type: str
manifest:
  description:
    - The manifest's content. V(null) where no dump was made.
    - Of a dump in directory format it also has C(jobs), and C(files) with name, size and SHA-256 of each.
  returned: success
  type: dict
  sample:
    format_version: 1
    database: archon_db
    file: backup_archon_db_20261123_010000.dump.zst
    compression: zstd_wrapped
    restore: zstd -dc backup_archon_db_20261123_010000.dump.zst | pg_restore --exit-on-error --dbname=DATABASE
    size_bytes: 183204
    tables:
      - {schema: public, name: archon_settings, rows: 45}
    verified: {level: read, at: "2026-11-23T01:00:00Z"}
pruned:
  description: Paths of the dumps that were removed, each with the files beside it.
  returned: success
  type: list
  elements: str
kept:
  description: Each copy that stays, newest first, with its name, its path, when it was taken and why it stays.
  returned: success
  type: list
  elements: dict
hold:
  description: Why the retention waits for O(acknowledge). V(null) where it doesn't.
  returned: success
  type: str
last_failure:
  description: Why the run before failed. V(null) where it didn't.
  returned: success
  type: str
seconds:
  description: How long each stage took. C(counts) and C(globals) run beside C(dump).
  returned: success
  type: dict
"""

from contextlib import AbstractContextManager
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.age import Age
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import new_run_id, open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC, ROTATE_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.rotate import parse_request, rotate


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Build the adapters and hand them in."""
    request = parse_request(options, new_run_id())
    now = clock.now(options["clock"])

    def open_server() -> "AbstractContextManager[Postgres]":
        return open_postgres(options, request.run)

    folder = DumpFolder(options["dest"], options["mount"])
    age = Age(options["encrypt_to"]) if options["encrypt_to"] else None
    return rotate(request, folder, open_server, now, check_mode, encryptor=age)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(CONNECTION_SPEC, **ROTATE_SPEC, clock={"type": "str"}), supports_check_mode=True
    )
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
