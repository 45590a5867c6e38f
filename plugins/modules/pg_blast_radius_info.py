#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dies with each database of a cluster."""

DOCUMENTATION = r"""
module: pg_blast_radius_info
short_description: What dies with each database of a cluster
version_added: 0.1.0
description:
  - Reads off a server which services' tables lie in which database, who may connect, and who is connected, and gives
    a verdict on
    each database. Facts come from the server, never from a description.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  tenants:
    description:
      - Whose a table is, by the name of the program. Each has C(tables) (a pattern like C(public.archon_*), or
        several), C(schemas)
        (a list), and C(platform) (whether the other services depend on it).
    type: dict
    default: {}
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
- name: What would a DROP DATABASE take along?
  bulkhead.stack.pg_blast_radius_info:
    container: supabase-ai-db
    tenants:
      supabase: {schemas: [auth, storage, realtime], platform: true}
      archon: {tables: public.archon_*}
"""

RETURN = r"""
databases:
  description: The cluster's databases, templates left out.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The database.
      type: str
      sample: postgres
    owner:
      description: The role that owns it.
      type: str
      sample: postgres
    size_bytes:
      description: Its size on disk.
      type: int
      sample: 52428800
    public_connect:
      description: Whether every role of the cluster may connect.
      type: bool
      sample: true
    may_connect:
      description: The roles that may connect by name.
      type: list
      elements: str
      sample: [postgres]
    sessions:
      description: Who is connected, by application, role and address.
      type: list
      elements: dict
      sample: []
    tenants:
      description: How many tables of each program lie here.
      type: dict
      sample: {archon: 11, supabase: 9}
    archived:
      description: How many tables lie in each archive schema.
      type: dict
      sample: {archon_legacy_archive: 11}
    tables:
      description: How many tables lie here, or null where the database can't be seen.
      type: int
      sample: 20
    unclaimed_tables:
      description: How many of them no tenant claims.
      type: int
      sample: 0
    verdict:
      description: V(none), V(contained), V(shared) or V(catastrophic); null where the database can't be seen.
      type: str
      sample: catastrophic
    reasons:
      description: Why.
      type: list
      elements: str
      sample: ["supabase and archon go down together: one DROP DATABASE destroys both"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._audit.blast_radius import read_blast_radius
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError


def main() -> None:
    """Wire options, adapter and domain."""
    module = AnsibleModule({**CONNECTION_SPEC, "tenants": {"type": "dict", "default": {}}}, supports_check_mode=True)
    try:
        with open_postgres(module.params) as postgres:
            found = read_blast_radius(postgres, module.params["tenants"])
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
