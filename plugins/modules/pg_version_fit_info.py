#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database uses that another server lacks or treats otherwise."""

DOCUMENTATION = r"""
module: pg_version_fit_info
short_description: What a database uses that another server lacks
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Reads what a database uses, and what another server offers, and lists what that one lacks or treats otherwise -
    types, functions, operators, syntax in views and functions, indexes, constraints, privileges, settings, collations
    and locales, extensions, replication, encoding, and room for the data. Each has its evidence.
  - Both ways are known, from PostgreSQL 13 to 18. The table is docs/versions.md, each row with its source.
  - The target is a live server, or a major version. A major alone doesn't say which extensions and locales there are,
    which is told as unseen.
  - Not seen are the values of rows, SQL that functions put together at run time, and the SQL that programs send.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  database:
    description:
      - The database that is looked at.
    type: str
    required: true
  target:
    description:
      - The server that it may move to, as options like those of this module's connection. The same cluster is refused,
        known by its system identifier.
      - Exactly one of this and O(target_version) is needed.
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
  target_version:
    description:
      - The major version that it may move to, V(13) to V(18).
    type: int
seealso:
  - module: bulkhead.stack.pg_blast_radius_info
"""

EXAMPLES = r"""
- name: Could Langfuse's database live in the shared server?
  bulkhead.stack.pg_version_fit_info:
    container: langfuse-postgres
    database: langfuse
    target:
      container: supabase-ai-db

- name: What would an upgrade to 18 meet?
  bulkhead.stack.pg_version_fit_info:
    container: supabase-ai-db
    database: odoo_db
    target_version: 18
"""

RETURN = r"""
database:
  description: The database.
  returned: success
  type: str
  sample: langfuse
source_version:
  description: The version of its server, as C(server_version_num) has it.
  returned: success
  type: int
  sample: 170012
target_version:
  description: The same of the target; V(150000) for O(target_version=15).
  returned: success
  type: int
  sample: 150020
verdict:
  description:
    - The worst grade of all. V(blocks) - something would be lost, refused or broken. V(converts) - the move takes care
      of it. V(harmless) - worth knowing. V(fits) - nothing to say.
  returned: success
  type: str
  sample: blocks
counts:
  description: How many findings there are of each grade.
  returned: success
  type: dict
  sample: {blocks: 1, converts: 0, harmless: 0}
findings:
  description:
    - Those that block first. Of each row of the table at most fifty objects, then one finding that counts the rest.
  returned: success
  type: list
  elements: dict
  contains:
    feature:
      description: The row of the table.
      type: str
      sample: nulls-not-distinct
    title:
      description: What it is.
      type: str
      sample: UNIQUE NULLS NOT DISTINCT
    grade:
      description: V(blocks), V(converts) or V(harmless).
      type: str
      sample: blocks
    object:
      description: What has it.
      type: str
      sample: index public.one_active
    evidence:
      description: What was seen.
      type: str
      sample: CREATE UNIQUE INDEX one_active ON public.keys USING btree (project_id) NULLS NOT DISTINCT
    remedy:
      description: What to do, or what the move does.
      type: str
      sample: Write a unique index over coalesce().
    source:
      description: Where it is written.
      type: str
      sample: https://www.postgresql.org/docs/release/15.0/
    tested:
      description: Whether a test has shown the row on real servers.
      type: bool
      sample: true
unseen:
  description: What couldn't be looked at, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
size_bytes:
  description: The size of the database.
  returned: success
  type: int
  sample: 52428800
free_bytes:
  description: What is free where the target keeps its data; null where that isn't known.
  returned: success
  type: int
  sample: 107374182400
page:
  description: The same as lines for a terminal.
  returned: success
  type: list
  elements: str
  sample: ["langfuse (17.12) at PostgreSQL 15.20: fits; 0 blocks, 0 converts, 0 harmless"]
"""

from typing import Any, Dict, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.places import free_bytes, server_facts
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.fit import compare, page
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.offer import (
    check_target,
    offer_of,
    read_offer,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.uses import read_uses

SPEC: Dict[str, Any] = {
    **CONNECTION_SPEC,
    "database": {"type": "str", "required": True},
    "target": {"type": "dict", "options": CONNECTION_SPEC},
    "target_version": {"type": "int"},
}


def room(target: Postgres) -> Optional[int]:
    """Return what is free where a container's server keeps its data; None where nobody here can look."""
    if not target.in_container:
        return None
    try:
        return free_bytes(target, server_facts(target))
    except OutsideError:
        # Only some roles may know the folder.
        return None


def run(options: Dict[str, Any]) -> Dict[str, Any]:
    """Read both sides and compare them; return the module's result."""
    if options["target_version"] is not None:
        check_target(options["target_version"])
    with open_postgres(options) as source:
        if options["target"] is None:
            uses = read_uses(source, options["database"])
            fit = compare(uses, offer_of(uses, options["target_version"]))
        else:
            with open_postgres(options["target"]) as target:
                offer = read_offer(target)
                fit = compare(read_uses(source, options["database"]), offer, room(target))
    return dict(fit.to_json(), page=page(fit))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        SPEC,
        supports_check_mode=True,
        mutually_exclusive=[("target", "target_version")],
        required_one_of=[("target", "target_version")],
    )
    try:
        result = run(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
