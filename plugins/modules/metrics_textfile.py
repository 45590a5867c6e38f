#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what copies, drills, restores and servers say as a textfile for the node exporter."""

DOCUMENTATION = r"""
module: metrics_textfile
short_description: Write metrics of dumps and Postgres clusters for Prometheus' node exporter
version_added: 0.1.0
description:
  - Reads the folders of the copies, the verdicts of drills, what restores have left, and each cluster in one query,
    and writes it as a file for the node exporter's textfile collector, whole or not at all.
  - Moments are told in unix seconds, never ages. How old a copy is Prometheus computes, so the file needn't be written
    for anything to grow older.
  - A cluster that can't be read is told as C(bulkhead_cluster_up 0), and its other numbers are absent. That is no
    failure of this module.
  - The file is new with mode 0644, for the exporter reads it as another user. Names, sizes and moments are in it,
    nothing secret. The mode of a file that is there stays.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.clock
attributes:
  idempotent:
    support: full
    details:
      - The file is written by every run, so that its age shows whether anybody still looks. RV(ignore:changed) says
        whether it tells anything new of what is described and what has happened. Sessions, locks, sizes, free space
        and the moment of the run make no change.
options:
  path:
    description:
      - The file. Its name ends in C(.prom), and its folder is the one that the exporter's
        C(--collector.textfile.directory) names.
    type: path
    required: true
  platform:
    description:
      - The label C(platform) of every metric, usually the host's name in the inventory.
    type: str
    required: true
  clusters:
    description: The clusters.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The label C(cluster).
        type: str
        required: true
      container:
        description: Name of the container in which the server runs.
        type: str
      login_host:
        description: Host name or address of a server that isn't a container of this host's engine.
        type: str
      login_port:
        description: Its port.
        type: int
      login_unix_socket:
        description: The folder of its socket.
        type: path
      login_user:
        description: The role to log in as.
        type: str
      login_password:
        description: Its password.
        type: str
      login_db:
        description: The database to connect to.
        type: str
        default: postgres
      docker_host:
        description: The URL of the container engine.
        type: str
  databases:
    description: The databases, as C(phases.metrics.databases) of M(bulkhead.stack.platform_info) has them.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description: The label C(database).
        type: str
        required: true
      name:
        description: What its server calls it, the label C(datname). By default O(databases[].key).
        type: str
      cluster:
        description: The label C(cluster).
        type: str
        required: true
      criticality:
        description: How critical it is.
        type: str
        default: medium
      folder:
        description: The folder of its copies. A database without one isn't dumped.
        type: path
      schedule:
        description: When a dump is due, as in O(bulkhead.stack.pg_dump_rotate#module:schedule).
        type: str
      rpo_s:
        description: Its recovery point objective in seconds.
        type: int
      rto_s:
        description: Its recovery time objective in seconds.
        type: int
  tenants:
    description: Whose a table is, as in O(bulkhead.stack.pg_blast_radius_info#module:tenants).
    type: dict
    default: {}
  blast_radius:
    description:
      - Whether to tell what dies with each database. That takes a transaction in each of them.
    type: bool
    default: true
  connect_timeout:
    description:
      - How long to wait for a connection. A server that doesn't answer by then is told as one that is down.
    type: str
    default: 5s
  statement_timeout:
    description: How long the server may work on one question.
    type: str
    default: 30s
  restores:
    description: A file of JSON lines in which restores have told how long they took. It needn't be there.
    type: path
  timezone:
    description: Time zone of the schedules.
    type: str
    default: UTC
seealso:
  - module: bulkhead.stack.pg_dump_info
  - module: bulkhead.stack.pg_blast_radius_info
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
- name: Tell Prometheus how old the copies are
  bulkhead.stack.metrics_textfile:
    path: /var/lib/prometheus/node-exporter/bulkhead.prom
    platform: "{{ inventory_hostname }}"
    clusters:
      - name: main
        container: supabase-ai-db
    databases:
      - key: archon_db
        cluster: main
        folder: /backups/supabase-ai/archon_db
        schedule: "0 2 * * *"
        rpo_s: 86400
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
metrics:
  description: How many numbers are in it.
  returned: success
  type: int
unreadable:
  description: What couldn't be read, with the reason, by the name of the cluster or of the database.
  returned: success
  type: dict
  sample: {main: There is no container supabase-ai-db.}
changes:
  description: The file, where it tells anything new.
  returned: success
  type: list
  elements: str
"""

from typing import Any, Dict, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock, files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.impatience import ImpatientPostgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_cluster
from ansible_collections.bulkhead.stack.plugins.module_utils._audit.blast_radius import read_blast_radius
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import parse_duration
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.cluster import (
    add_cluster,
    add_unreachable,
    add_verdicts,
    read_numbers,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.copies import add_database, parse_databases
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.exposition import Samples
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.families import LAST_RUN
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.textfile import (
    check_path,
    content,
    plan_textfile,
)

# The exporter runs as a user of its own.
_MODE = 0o644


def collect(params: Dict[str, Any]) -> Tuple[Samples, Dict[str, str]]:
    """Read everything; return it, and what couldn't be read with its reason."""
    now = clock.now(params["clock"])
    connect_s, patience_s = parse_duration(params["connect_timeout"]), parse_duration(params["statement_timeout"])
    databases = parse_databases(params["databases"], params["timezone"])
    restores = files.read_json_lines(params["restores"]) if params["restores"] else []
    samples, unreadable = Samples(platform=params["platform"]), {}
    sizes: Dict[Tuple[str, str], Any] = {}
    samples.add(LAST_RUN, int(now.timestamp()), {})
    for cluster in params["clusters"]:
        name = cluster["name"]
        try:
            with open_cluster(ImpatientPostgres, cluster) as postgres:
                postgres.be_impatient(connect_s, patience_s)
                numbers = read_numbers(postgres)
                known = [place for place in (postgres.endpoint.container, postgres.endpoint.host) if place]
                verdicts = []
                if params["blast_radius"]:
                    verdicts = read_blast_radius(postgres, params["tenants"], known, patience_s)["databases"]
        except BulkheadError as error:
            unreadable[name] = str(error)
            add_unreachable(samples, name)
            continue
        add_cluster(samples, name, numbers)
        add_verdicts(samples, name, verdicts)
        sizes.update({(name, row["name"]): row["size_bytes"] for row in numbers})
    for watched in databases:
        folder = DumpFolder(watched.folder) if watched.folder else None
        size_bytes = sizes.get((watched.cluster, watched.name))
        reason = add_database(samples, watched, folder, restores, size_bytes, now)
        if reason:
            unreadable[watched.key] = reason
    return samples, unreadable


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Build the adapters and hand them in."""
    path = params["path"]
    check_path(path)
    samples, unreadable = collect(params)
    current = files.read_bytes_or_none(path)
    plan = plan_textfile(path, samples.all(), current)
    if not check_mode:
        # Also where it tells nothing new: what was measured is newer, and so is the moment of the run.
        files.write_atomically(path, content(samples.all()), current, _MODE)
    return dict(plan.result(), path=path, metrics=len(samples.all()), unreadable=unreadable)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {
            "path": {"type": "path", "required": True},
            "platform": {"type": "str", "required": True},
            "clusters": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": dict(CONNECTION_SPEC, name={"type": "str", "required": True}),
            },
            "databases": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "key": {"type": "str", "required": True, "no_log": False},
                    "name": {"type": "str"},
                    "cluster": {"type": "str", "required": True},
                    "criticality": {"type": "str", "default": "medium"},
                    "folder": {"type": "path"},
                    "schedule": {"type": "str"},
                    "rpo_s": {"type": "int"},
                    "rto_s": {"type": "int"},
                },
            },
            "tenants": {"type": "dict", "default": {}},
            "blast_radius": {"type": "bool", "default": True},
            "connect_timeout": {"type": "str", "default": "5s"},
            "statement_timeout": {"type": "str", "default": "30s"},
            "restores": {"type": "path"},
            "timezone": {"type": "str", "default": "UTC"},
            "clock": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
