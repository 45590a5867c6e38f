#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a service a database of its own, as one verified and reversible change."""

DOCUMENTATION = r"""
module: pg_database_isolate
short_description: Give a service a database of its own, verified and reversible
version_added: 0.1.0
description:
  - Makes the owner role, the database, its extensions and who may connect, runs the service's own migrations, and
    verifies what
    they left.
  - Everything is planned first. What fails half-way is taken back, in reverse order, and the message says so.
  - By default PostgreSQL lets every role connect to every database. Here C(CONNECT) and C(TEMPORARY) are revoked from
    C(PUBLIC)
    on this database.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
options:
  database:
    description: The service's database. At most 63 bytes.
    type: str
    required: true
  owner:
    description: The role that owns the database and everything that the migrations create.
    type: str
    required: true
  owner_password:
    description:
      - The owner's password. Its SCRAM-SHA-256 verifier is computed on the target, and is left alone while it matches.
    type: str
  owner_password_file:
    description:
      - A file on the target that holds the owner's password. It is made, with a random password and mode 0600, where
        it doesn't
        exist.
    type: path
  adopt:
    description: Whether to hand over a database that exists and is owned by another role.
    type: bool
    default: false
  extensions:
    description: Extensions to create, in the schema C(public), before the migrations run.
    type: list
    elements: str
    default: []
  connect_roles:
    description: Roles beside the owner that may connect, such as PostgREST's C(authenticator), a backup or an
      exporter role.
    type: list
    elements: str
    default: []
  prelude:
    description:
      - What a database needs before the migrations of its service can run.
      - V(postgrest) makes the roles C(anon), C(authenticated) and C(service_role), the schema C(auth) with
        C(auth.uid(\)) and
        C(auth.role(\)), and default privileges for these roles on what the owner creates in C(public).
    type: str
    choices: [none, postgrest]
    default: none
  migrations:
    description:
      - SQL files on the target, in order. Each runs once, as the owner, whole, in one transaction together with its
        journal row.
      - A file that controls transactions itself is refused.
    type: list
    elements: path
    default: []
  expect:
    description: What must be there afterwards; anything else is a failure, and what was begun is taken back.
    type: dict
    default: {}
    suboptions:
      tables:
        description: Tables, in C(public) where no schema is named.
        type: list
        elements: str
        default: []
      policies:
        description: The exact number of row security policies.
        type: int
      functions:
        description: Functions, by name.
        type: list
        elements: str
        default: []
      rows:
        description: The least number of rows, by table.
        type: dict
        default: {}
  legacy:
    description: Where the service's tables lie until now.
    type: dict
    suboptions:
      database:
        description: The shared database, in the same cluster.
        type: str
        required: true
      tables:
        description: A schema, a dot, and a name in which a star stands for anything, as in C(public.archon_*).
        type: str
        required: true
      archive_schema:
        description: The schema, in that database, that takes the tables.
        type: str
        required: true
      action:
        description:
          - V(keep) leaves the tables where they are.
          - V(archive) moves them to O(legacy.archive_schema), once the new database is as expected.
        type: str
        choices: [keep, archive]
        default: keep
  journal:
    description: A file of JSON lines, on the target, that takes what is done and how to undo it. Made with mode 0600.
    type: path
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.isolation_journal
  - module: bulkhead.stack.pg_blast_radius_info
"""

EXAMPLES = r"""
- name: A database of its own for Archon
  bulkhead.stack.pg_database_isolate:
    container: supabase-ai-db
    database: archon_db
    owner: archon
    owner_password_file: /etc/bulkhead/archon.password
    adopt: true
    prelude: postgrest
    extensions: [vector, pg_trgm, pgcrypto]
    connect_roles: [authenticator]
    migrations: [/srv/archon/migration/complete_setup.sql]
    expect:
      tables: [archon_settings, archon_sources]
      policies: 18
      rows: {archon_settings: 45}

- name: Put the old tables aside, once the service runs on its own database
  bulkhead.stack.pg_database_isolate:
    container: supabase-ai-db
    database: archon_db
    owner: archon
    legacy:
      database: postgres
      tables: public.archon_*
      archive_schema: archon_legacy_archive
      action: archive
"""

RETURN = r"""
changes:
  description: What was changed, or would be, in order.
  returned: success
  type: list
  elements: str
  sample: [role archon, database archon_db, migration complete_setup.sql in archon_db]
warnings_found:
  description: What is worth knowing, such as a migration file that has changed since it was applied.
  returned: success
  type: list
  elements: str
  sample: []
database_exists:
  description: Whether the database was there before this run.
  returned: success
  type: bool
  sample: true
legacy_tables:
  description: The legacy tables that lay in their old place before this run.
  returned: success
  type: list
  elements: str
  sample: [archon_settings, archon_sources]
"""

import os
import secrets
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Secret
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.apply import apply
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.legacy import parse_legacy
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.migration import read_migration
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.model import Expectation, Wanted
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.plan import check_names, make_plan
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.read import read_state

SPEC: Dict[str, Any] = {
    **CONNECTION_SPEC,
    "database": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "owner_password": {"type": "str", "no_log": True},
    "owner_password_file": {"type": "path", "no_log": False},
    "adopt": {"type": "bool", "default": False},
    "extensions": {"type": "list", "elements": "str", "default": []},
    "connect_roles": {"type": "list", "elements": "str", "default": []},
    "prelude": {"type": "str", "choices": ["none", "postgrest"], "default": "none"},
    "migrations": {"type": "list", "elements": "path", "default": []},
    "expect": {
        "type": "dict",
        "default": {},
        "options": {
            "tables": {"type": "list", "elements": "str", "default": []},
            "policies": {"type": "int"},
            "functions": {"type": "list", "elements": "str", "default": []},
            "rows": {"type": "dict", "default": {}},
        },
    },
    "legacy": {
        "type": "dict",
        "options": {
            "database": {"type": "str", "required": True},
            "tables": {"type": "str", "required": True},
            "archive_schema": {"type": "str", "required": True},
            "action": {"type": "str", "choices": ["keep", "archive"], "default": "keep"},
        },
    },
    "journal": {"type": "path"},
}


def read_wanted(options: Dict[str, Any], check_mode: bool) -> Wanted:
    """Return what is wanted, its migration files and password read."""
    legacy = options["legacy"]
    expect = options["expect"]
    return Wanted(
        database=options["database"],
        owner=options["owner"],
        password=read_password(options, check_mode),
        adopt=options["adopt"],
        extensions=tuple(options["extensions"]),
        connect_roles=tuple(options["connect_roles"]),
        prelude=options["prelude"],
        migrations=tuple(
            read_migration(os.path.basename(path), files.read_bytes(path)) for path in options["migrations"]
        ),
        expect=Expectation(
            tuple(expect.get("tables") or ()),
            expect.get("policies"),
            tuple(expect.get("functions") or ()),
            {str(name): int(count) for name, count in (expect.get("rows") or {}).items()},
        ),
        legacy=parse_legacy(
            legacy["database"], legacy["tables"], legacy["archive_schema"], legacy["action"] == "archive"
        )
        if legacy
        else None,
    )


def read_password(options: Dict[str, Any], check_mode: bool) -> Any:
    """Return the owner's password: the one given, that of the file, or a new one that the file then holds."""
    path = options["owner_password_file"]
    if options["owner_password"] or not path:
        return Secret(options["owner_password"]) if options["owner_password"] else None
    content = files.read_bytes_or_none(path)
    if content is not None:
        return Secret(content.decode("utf-8").strip())
    made = secrets.token_urlsafe(32)
    if not check_mode:
        files.make_private_folder(os.path.dirname(path))
        files.write_atomically(path, (made + "\n").encode("ascii"), None)
    return Secret(made)


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        SPEC, supports_check_mode=True, mutually_exclusive=[("owner_password", "owner_password_file")]
    )
    journal = module.params["journal"]
    try:
        check_names(Wanted(module.params["database"], module.params["owner"]))
        with open_postgres(module.params) as postgres:
            wanted = read_wanted(module.params, module.check_mode)
            state = read_state(postgres, wanted)
            plan = make_plan(wanted, state, lambda: secrets.token_bytes(16))
            if plan.changed and not module.check_mode:
                apply(
                    plan,
                    wanted,
                    state,
                    postgres,
                    (lambda entry: files.append_json_line(journal, entry)) if journal else None,
                )
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in plan.warnings:
        module.warn(warning)
    module.exit_json(
        warnings_found=plan.warnings,
        database_exists=state.database is not None,
        legacy_tables=list(state.legacy.tables),
        **plan.result(),
    )


if __name__ == "__main__":
    main()
