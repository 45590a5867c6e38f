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
    description: Whether to hand over a database that exists and is owned by another role, with the objects in it.
    type: bool
    default: false
  extensions:
    description:
      - Extensions to create before the database is filled, each by its name, or as a mapping with C(name) and
        C(schema), which is C(public) by default.
      - What is copied brings the extensions that it needs with it.
    type: list
    elements: raw
    default: []
  connect_roles:
    description: Roles beside the owner that may connect, such as PostgREST's C(authenticator), a backup or an
      exporter role.
    type: list
    elements: str
    default: []
  strategy:
    description:
      - V(database) gives the service a database of its own.
      - With V(schema) and V(prefix) it stays in the shared one, which O(database) and O(legacy.database) both name. Its
        objects get O(owner); what others could do with them is taken away, but from O(connect_roles).
      - With V(schema) they move to O(target_schema), which is the first in the owner's search path.
      - With V(prefix) they stay where they are, and each table gets a row policy.
      - RV(cannot_contain) says what each can't keep apart.
    type: str
    choices: [database, schema, prefix]
    default: database
  target_schema:
    description: The schema that the objects move to, with O(strategy=schema). By default that of the owner's name.
    type: str
  prelude:
    description:
      - What a database needs before the migrations of its service can run.
      - V(postgrest) makes the roles C(anon), C(authenticated) and C(service_role), the schema C(auth) with
        C(auth.uid(\)) and C(auth.role(\)), and default privileges for these roles on what the owner creates in
        C(public).
      - Where the connection's role is a superuser, event triggers tell PostgREST of each change of a schema. Elsewhere
        C(NOTIFY pgrst, 'reload schema') is needed after each migration.
    type: str
    choices: [none, postgrest]
    default: none
  migrations:
    description:
      - SQL files on the target, in order, each as its path, or as a mapping with C(path) and C(transaction).
      - Each runs once, as the owner, whole, in one transaction together with its journal row.
      - A file that controls transactions itself, or holds what can't run inside one, is refused unless its
        C(transaction) is V(own). It then runs outside of one, and what it has committed stays where it fails later on.
    type: list
    elements: raw
    default: []
  expect:
    description:
      - What must be there afterwards; anything else is a failure, and what was begun is taken back.
      - Where O(legacy) is given, the tables, columns, functions and triggers that aren't stated are those of the
        legacy objects. In any case the owner must own the tables, and be able to make one.
    type: dict
    default: {}
    suboptions:
      tables:
        description: Tables, in C(public) where no schema is named.
        type: list
        elements: str
        default: []
      columns:
        description: Names of columns, a list by table.
        type: dict
        default: {}
      policies:
        description: The exact number of row security policies.
        type: int
      functions:
        description: Functions, by name.
        type: list
        elements: str
        default: []
      triggers:
        description: Triggers, by name.
        type: list
        elements: str
        default: []
      rows:
        description: The least number of rows, by table.
        type: dict
        default: {}
      roles:
        description:
          - By role, statements that it must be able to run (C(works)) and statements that must be refused (C(refused)).
          - Each runs in a transaction that is rolled back.
        type: dict
        default: {}
  data:
    description:
      - V(fresh) fills the database by its migrations.
      - V(copy) moves the rows of the legacy objects, with all that they need, out of one snapshot, and compares both
        sides. The new database has the encoding and locale of the old one.
    type: str
    choices: [fresh, copy]
    default: fresh
  rehearsal:
    description:
      - Whether a copy is taken while services write, to be taken again when they have stopped.
      - Without it writers are kept out while the copy is taken, and what was a rehearsal is replaced.
    type: bool
    default: false
  legacy:
    description: Where the service's objects lie until now. One of O(legacy.tables), O(legacy.schemas) and
      O(legacy.owner) says which.
    type: dict
    suboptions:
      database:
        description: The shared database, in the same cluster.
        type: str
        required: true
      tables:
        description: A schema, a dot, and a name in which a star stands for anything, as in C(public.archon_*); or
          several of these.
        type: raw
      schemas:
        description: Schemas that hold nothing else.
        type: list
        elements: str
        default: []
      owner:
        description: The role whose objects are meant.
        type: str
      include:
        description: More objects, such as C(function public.touch(\)).
        type: list
        elements: str
        default: []
      exclude:
        description: Objects that stay.
        type: list
        elements: str
        default: []
      archive_schema:
        description: The schema, in that database, that takes the objects.
        type: str
      action:
        description:
          - V(keep) leaves the objects where they are.
          - V(archive) moves them to O(legacy.archive_schema), once the new database is as expected. Refused where
            tables were written to after they had been copied.
          - V(drop) drops them, if O(legacy.confirm) says so, after a dump whose manifest O(legacy.manifest) names.
            Nothing cascades.
        type: str
        choices: [keep, archive, drop]
        default: keep
      confirm:
        description: What confirms that they are dropped; the error message gives the sentence.
        type: str
      manifest:
        description:
          - The manifest of a dump of O(legacy.database) that M(bulkhead.stack.pg_dump_rotate) took with C(verify=read),
            after the copy or the migrations that filled O(database).
        type: path
  encoding:
    description: The encoding of the database, V(UTF8) where nothing is copied.
    type: str
  lc_collate:
    description: Its collation order. The default is the cluster's, or what the copied database has.
    type: str
  lc_ctype:
    description: Its character classes. The default is the cluster's, or what the copied database has.
    type: str
  template:
    description: The template that it is made of.
    type: str
    default: template0
  conn_limit:
    description: How many connections there may be at once; -1 is any number.
    type: int
  search_path:
    description: The schemas in which names are looked up, for every role.
    type: list
    elements: str
    default: []
  default_privileges:
    description: What other roles may do with what the owner will create.
    type: list
    elements: dict
    default: []
    suboptions:
      role:
        description: The role.
        type: str
        required: true
      schema:
        description: Where.
        type: str
        default: public
      objects:
        description: The kind of objects.
        type: str
        choices: [tables, sequences, functions, types]
        default: tables
      privileges:
        description: The privileges.
        type: list
        elements: str
        choices: [SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, USAGE, EXECUTE]
        required: true
  lock_timeout:
    description: How many seconds to wait for another run that works on this database, and for services that write to
      the tables that are copied.
    type: int
    default: 60
  status_file:
    description: A file of JSON that says, while this runs, what is being done, and how much of it.
    type: path
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

- name: n8n's rows move; it has been stopped before
  bulkhead.stack.pg_database_isolate:
    container: supabase-ai-db
    database: n8n_db
    owner: n8n
    owner_password_file: /etc/bulkhead/n8n.password
    data: copy
    legacy:
      database: postgres
      schemas: [n8n]

- name: Archon stays in the shared database, and nobody else touches its tables
  bulkhead.stack.pg_database_isolate:
    container: supabase-ai-db
    database: postgres
    strategy: prefix
    owner: archon
    owner_password_file: /etc/bulkhead/archon.password
    connect_roles: [service_role]
    legacy: {database: postgres, tables: public.archon_*}

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
legacy_patterns:
  description: The same tables as C(pg_dump) takes them.
  returned: success
  type: list
  elements: str
  sample: ['"public"."archon_settings"', '"public"."archon_sources"']
legacy_objects:
  description: All objects that belong to them and lay there.
  returned: success
  type: list
  elements: str
  sample: ["function public.archon_touch()", "table public.archon_settings"]
contains:
  description: What this isolation keeps apart.
  returned: success
  type: str
  sample: A dropped database, a migration gone wrong, a role that pries.
cannot_contain:
  description: What it can't keep apart, whatever is done.
  returned: success
  type: str
  sample: A full disk, a superuser, a server that stops.
"""

import contextlib
import secrets
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.passwords import read_password
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.status import StatusFile
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.table_copy import CopyingPostgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_cluster
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.manifest import ManifestError, parse_manifest
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.apply import apply, apply_shared
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.model import State, Wanted
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.options import parse_wanted
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.plan import check_names, make_plan
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.read import read_state
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.report import describe
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.shared import (
    STRATEGIES,
    make_shared_plan,
    read_shared,
)

PRIVILEGES = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "USAGE", "EXECUTE"]
SPEC: Dict[str, Any] = {
    **CONNECTION_SPEC,
    "database": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "owner_password": {"type": "str", "no_log": True},
    "owner_password_file": {"type": "path", "no_log": False},
    "adopt": {"type": "bool", "default": False},
    "extensions": {"type": "list", "elements": "raw", "default": []},
    "connect_roles": {"type": "list", "elements": "str", "default": []},
    "strategy": {"type": "str", "choices": list(STRATEGIES), "default": "database"},
    "target_schema": {"type": "str"},
    "prelude": {"type": "str", "choices": ["none", "postgrest"], "default": "none"},
    "migrations": {"type": "list", "elements": "raw", "default": []},
    "expect": {
        "type": "dict",
        "default": {},
        "options": {
            "tables": {"type": "list", "elements": "str", "default": []},
            "columns": {"type": "dict", "default": {}},
            "policies": {"type": "int"},
            "functions": {"type": "list", "elements": "str", "default": []},
            "triggers": {"type": "list", "elements": "str", "default": []},
            "rows": {"type": "dict", "default": {}},
            "roles": {"type": "dict", "default": {}},
        },
    },
    "data": {"type": "str", "choices": ["fresh", "copy"], "default": "fresh"},
    "rehearsal": {"type": "bool", "default": False},
    "legacy": {
        "type": "dict",
        "options": {
            "database": {"type": "str", "required": True},
            "tables": {"type": "raw"},
            "schemas": {"type": "list", "elements": "str", "default": []},
            "owner": {"type": "str"},
            "include": {"type": "list", "elements": "str", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "archive_schema": {"type": "str"},
            "action": {"type": "str", "choices": ["keep", "archive", "drop"], "default": "keep"},
            "confirm": {"type": "str"},
            "manifest": {"type": "path"},
        },
    },
    "encoding": {"type": "str"},
    "lc_collate": {"type": "str"},
    "lc_ctype": {"type": "str"},
    "template": {"type": "str", "default": "template0"},
    "conn_limit": {"type": "int"},
    "search_path": {"type": "list", "elements": "str", "default": []},
    "default_privileges": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "role": {"type": "str", "required": True},
            "schema": {"type": "str", "default": "public"},
            "objects": {
                "type": "str",
                "choices": ["tables", "sequences", "functions", "types"],
                "default": "tables",
            },
            "privileges": {"type": "list", "elements": "str", "choices": PRIVILEGES, "required": True},
        },
    },
    "lock_timeout": {"type": "int", "default": 60},
    "status_file": {"type": "path"},
    "journal": {"type": "path"},
}


def isolate(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Read, plan, and unless in check mode apply; return the module's result."""
    # The password file comes last: nothing is left of a run whose options are wrong.
    check_names(parse_wanted(options, files.read_bytes, None))
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(open_cluster(CopyingPostgres, options))
        wanted = parse_wanted(options, files.read_bytes, read_password(options, check_mode))
        others = (wanted.legacy.database,) if wanted.legacy else ()
        working = postgres.working_on(wanted.database, others, wanted.lock_timeout_s, only_looking=check_mode)
        ended = stack.enter_context(working)
        state = read_state(postgres, wanted)
        plan = make_plan_of(wanted, state, postgres)
        if not check_mode:
            check_dump(options, state)
            if plan.changed:
                carry_out(plan, wanted, state, postgres, options)
        return {**describe(wanted, state), **plan.result(), "warnings_found": ended + plan.warnings}


def make_plan_of(wanted: Wanted, state: State, postgres: CopyingPostgres) -> Plan:
    """Return the plan for the strategy that is wanted."""
    if wanted.strategy == "database":
        return make_plan(wanted, state, new_salt)
    return make_shared_plan(wanted, state, read_shared(postgres, wanted, state), new_salt)


def new_salt() -> bytes:
    """Return the random part of a new verifier."""
    return secrets.token_bytes(16)


def carry_out(plan: Plan, wanted: Wanted, state: State, postgres: CopyingPostgres, options: Dict[str, Any]) -> None:
    """Apply the plan, journalled, and told of in the status file while rows may be copied."""
    journal = options["journal"]
    record = (lambda entry: files.append_json_line(journal, entry)) if journal else None
    if wanted.strategy != "database":
        apply_shared(plan, wanted, state, postgres, record)
        return
    with StatusFile(options["status_file"], wanted.database) as status:
        apply(plan, wanted, state, postgres, record, status.tell)


def check_dump(options: Dict[str, Any], state: State) -> None:
    """Raise StateError unless what is about to be dropped lies in a dump that was read back."""
    legacy = options["legacy"]
    if not legacy or legacy["action"] != "drop" or not state.legacy.selection.tables:
        return
    remedy = "Take one with pg_dump_rotate, verify=read, and name its manifest as legacy.manifest."
    try:
        manifest = parse_manifest(files.read_bytes(legacy["manifest"])) if legacy["manifest"] else {}
    except ManifestError as error:
        raise StateError("%s is no manifest: %s." % (legacy["manifest"], error), remedy) from error
    if manifest.get("database") != legacy["database"] or manifest["verified"]["level"] != "read":
        raise StateError("There is no verified dump of %s." % legacy["database"], remedy)
    held = {(table["schema"], table["name"]) for table in manifest["tables"]}
    # A partitioned table holds nothing itself, and no manifest counts its rows.
    tables = [thing for thing in state.legacy.selection.tables if thing.kind == "r"]
    missing = [thing.label for thing in tables if (thing.schema, thing.name) not in held]
    if missing:
        raise StateError("The dump %s doesn't hold %s." % (manifest["file"], ", ".join(missing)), remedy)


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        SPEC, supports_check_mode=True, mutually_exclusive=[("owner_password", "owner_password_file")]
    )
    try:
        result = isolate(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in result["warnings_found"]:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
