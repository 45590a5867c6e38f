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
  - Reads off a server which services' tables lie in which database, who may connect and by which way, who is connected,
    what leads from one database to another, and gives a verdict on each database.
  - Facts come from the server, never from a description, out of one read-only transaction for each database.
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
  connect_timeout:
    description:
      - How long to wait for a connection, for example V(5s). A server that doesn't answer by then is told as an error,
        a database as one that can't be seen.
    type: str
    default: 5s
  statement_timeout:
    description:
      - How long the server may work on one question. After that its database counts as one that can't be seen.
    type: str
    default: 2m
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
      description: Its size on disk, or null where this role may not know it.
      type: int
      sample: 52428800
    allows_connections:
      description: Whether anybody may connect at all.
      type: bool
      sample: true
    public_connect:
      description: Whether every role of the cluster may connect.
      type: bool
      sample: true
    may_connect:
      description: The roles that may connect by name.
      type: list
      elements: str
      sample: [postgres]
    enters:
      description: By which way each role that can log in may connect, superusers left out.
      type: dict
      sample: {n8n: through PUBLIC, authenticator: by name, reporter: as a member of readers}
    sessions:
      description: Who is connected, by application, role and address.
      type: list
      elements: dict
      sample: []
    services:
      description:
        - The services that lie here beside what everything depends on, or that may enter although they have nothing
          here. Each has C(service), C(tables), C(size_bytes), and C(enters), the way, where it has nothing here.
        - A group of tables that no tenant claims and that begin alike counts as a service where another lies here.
      type: list
      elements: dict
      sample:
        - {service: archon, tables: 11, size_bytes: 9437184, enters: null}
        - {service: n8n, tables: 0, size_bytes: 0, enters: through PUBLIC}
    tenants:
      description: How many tables of each program lie here.
      type: dict
      sample: {archon: 11, supabase: 9}
    groups:
      description: Tables that no tenant claims, by schema, owner, and what their names begin with.
      type: list
      elements: dict
      sample:
        - {schema: public, owner: n8n, prefix: execution_, label: public.execution_*, tables: 4, size_bytes: 65536}
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
    links:
      description:
        - What leads out of it - foreign servers, calls of dblink in functions and views, subscriptions, publications.
        - C(to) is the database of this cluster that it leads to, an empty text where it leads elsewhere.
      type: list
      elements: dict
      sample: [{kind: foreign server, name: erp, host: localhost, dbname: odoo_db, to: odoo_db}]
    extensions:
      description: Its extensions, by name, with their versions.
      type: dict
      sample: {plpgsql: "1.0", vector: 0.7.4}
    error:
      description: Why it can't be seen.
      type: str
      returned: where it can't be seen
      sample: it allows no connections
    verdict:
      description:
        - V(none) holds no tables. V(contained) holds one service. V(shared) holds several. In V(catastrophic) they lie
          beside what everything depends on.
        - Null where the database can't be seen.
      type: str
      sample: catastrophic
    reasons:
      description: Why.
      type: list
      elements: str
      sample: ["one DROP DATABASE destroys supabase together with archon (11 tables)"]
superusers:
  description: The roles that may do anything anywhere.
  returned: success
  type: list
  elements: str
  sample: [postgres]
version:
  description: The server's version, as it says it.
  returned: success
  type: str
  sample: 15.20 (Debian 15.20-0+deb12u1)
settings:
  description:
    - Settings of the server that decide whether it can lose what it was given, C(version_num), and C(role), as whom it
      was asked.
  returned: success
  type: dict
  sample: {version_num: 150020, version: "15.20", fsync: "on", full_page_writes: "on", data_checksums: "off",
    role: auditor, may_see_rules: false}
rules:
  description:
    - Who is let in over the network, and how - the lines of C(pg_hba.conf), each with C(line_number), C(type),
      C(databases), C(users), C(address), C(netmask), C(method) and C(file).
    - Null where this role may not see them.
  returned: success
  type: list
  elements: dict
  sample: [{line_number: 117, type: host, databases: all, users: all, address: all, netmask: "", method: scram-sha-256,
    file: /var/lib/postgresql/data/pg_hba.conf}]
unseen:
  description: What this role may not see.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.impatience import ImpatientPostgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_cluster
from ansible_collections.bulkhead.stack.plugins.module_utils._audit.blast_radius import read_blast_radius
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import parse_duration

SPEC = {
    **CONNECTION_SPEC,
    "tenants": {"type": "dict", "default": {}},
    "connect_timeout": {"type": "str", "default": "5s"},
    "statement_timeout": {"type": "str", "default": "2m"},
}


def main() -> None:
    """Wire options, adapter and domain."""
    module = AnsibleModule(SPEC, supports_check_mode=True)
    try:
        patience_s = parse_duration(module.params["statement_timeout"])
        with open_cluster(ImpatientPostgres, module.params) as postgres:
            postgres.be_impatient(parse_duration(module.params["connect_timeout"]), patience_s)
            names = [name for name in (postgres.endpoint.container, postgres.endpoint.host) if name]
            found = read_blast_radius(postgres, module.params["tenants"], names, patience_s)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
