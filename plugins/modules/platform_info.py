#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validate a platform's description and return what the phases need of it."""

DOCUMENTATION = r"""
module: platform_info
short_description: Validate a platform's description and project it
version_added: 0.1.0
description:
  - Reads the description of a host's clusters, databases, services and PostgREST instances in one pass, and reports
    every mistake
    at once, each with its path.
  - Returns the description with defaults and profiles filled in, and a list for each phase with paths resolved
    against the
    services' compose folders.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  platform:
    description: The description, usually the variable C(bulkhead_platform). The README shows one.
    type: dict
    required: true
  profiles:
    description: What is known of programs wherever they run, by name. The role P(bulkhead.stack.platform#role) brings
      them.
    type: dict
    default: {}
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
- name: Validate the description
  bulkhead.stack.platform_info:
    platform:
      clusters:
        main: {container: supabase-ai-db}
      databases:
        n8n_db:
          cluster: main
          rpo: 24h
          backup: {schedule: "0 3 * * *", retention: {last: 14}}
  register: platform
"""

RETURN = r"""
platform:
  description: The description, defaults and profiles filled in, durations in seconds.
  returned: success
  type: dict
  sample: {clusters: {main: {container: supabase-ai-db}}}
phases:
  description: What each phase has to do, as options of its modules. Holds passwords where the description does.
  returned: success
  type: dict
  contains:
    dns:
      description: Compose files and their services that must reach the host.
      type: list
      elements: dict
      sample: []
    isolate:
      description: Databases with an owner, each with the options of M(bulkhead.stack.pg_database_isolate).
      type: list
      elements: dict
      sample: []
    access:
      description: By cluster, databases that are only listed, as options of M(bulkhead.stack.pg_database_access).
      type: list
      elements: dict
      sample: []
    postgrest:
      description: PostgREST instances that services use, with their gateway and probe.
      type: list
      elements: dict
      sample: []
    switch:
      description: By database, how its services get there, and how that is proven.
      type: list
      elements: dict
      sample: []
    kept:
      description: Where the register of what is kept lies.
      type: dict
      sample: {register: /var/lib/bulkhead/register.jsonl, audit_log: /var/lib/bulkhead/audit.jsonl}
    drop:
      description: For each database, the options of M(bulkhead.stack.pg_database_drop), and its cluster's connection.
      type: list
      elements: dict
      sample: []
    backup:
      description:
        - The databases with a schedule, as options of M(bulkhead.stack.pg_dump_run); in C(saves) those of which more
          than the rows is saved, as options of M(bulkhead.stack.recovery_needs_save).
      type: dict
      sample: {}
    copies:
      description: The same databases' folders, schedules and objectives, as options of M(bulkhead.stack.pg_dump_info).
      type: dict
      sample: {}
    restore:
      description: By database, the options of M(bulkhead.stack.pg_restore_database), and who is stopped meanwhile.
      type: list
      elements: dict
      sample: []
    drill:
      description: By cluster, whose copies are drilled, as options of M(bulkhead.stack.pg_restore_verify).
      type: list
      elements: dict
      sample: []
    audit:
      description: What audit looks at.
      type: dict
      sample: {}
    metrics:
      description: Clusters and databases as options of M(bulkhead.stack.metrics_textfile), and what alerts need.
      type: dict
      sample: {}
    consolidate:
      description:
        - Clusters, databases and what their services need, as C(options) of M(bulkhead.stack.consolidation_info); in
          C(moves) what it takes to move a database, in C(servers) how each cluster is reached.
      type: dict
      sample: {}
    docs:
      description: What the runbook and its status file tell. Nothing secret is in it.
      type: dict
      sample: {runbook: /var/lib/bulkhead/docs/disaster-recovery-runbook.md}
    documents:
      description: The user's own files that have marked blocks, and what these tell. Nothing secret is in it.
      type: dict
      sample: {files: [{path: /srv/archon/README.md, blocks: [architecture, backups]}]}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._platform import restores
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.documents import project_documents
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.moves import project_moves, project_servers
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.projections import project
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.recovery import (
    project_recovery,
    project_saves,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate


def main() -> None:
    """Wire options and domain."""
    module = AnsibleModule(
        {"platform": {"type": "dict", "required": True}, "profiles": {"type": "dict", "default": {}}},
        supports_check_mode=True,
    )
    try:
        platform = validate(module.params["platform"], module.params["profiles"])
        phases = dict(project(platform, module.params["profiles"]), docs=project_recovery(platform))
        phases["backup"]["saves"] = project_saves(platform)
        phases["consolidate"]["moves"] = project_moves(platform, module.params["profiles"])
        phases["consolidate"]["servers"] = project_servers(platform)
        phases["documents"] = project_documents(platform, module.params["profiles"])
        phases.update(restore=restores.restore(platform), drill=restores.drill(platform))
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, platform=platform, phases=phases)


if __name__ == "__main__":
    main()
