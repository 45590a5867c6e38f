#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether databases should move to another cluster, or their cluster to another major, and why."""

DOCUMENTATION = r"""
module: consolidation_info
short_description: Whether databases should move to another cluster, and why
version_added: 0.1.0
description:
  - Reads each cluster, what each database uses and what the services need, and scores for each database what can be
    done with it - to stay, to move to another of the clusters, to upgrade its cluster, or to upgrade the other one
    first and move then.
  - The recommendation may well be to leave it. What blocks, and a service below its minimum, exclude an option whatever
    its score.
  - Facts are measured or have a source with a date. What isn't known is listed, and lowers the confidence.
  - It only reads. A cluster that can't be reached is named in RV(unseen), and is no failure of the module.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
  - bulkhead.stack.clock
options:
  clusters:
    description: The clusters.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What it is called here.
        type: str
        required: true
      container:
        description: Name of the container in which the server runs. Of others no memory is measured.
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
    description:
      - The databases to decide on, as C(phases.consolidate.options) of M(bulkhead.stack.platform_info) has them.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description: What it is called here.
        type: str
        required: true
      name:
        description: What its server calls it. By default O(databases[].key).
        type: str
      cluster:
        description: Which of O(clusters) it is in.
        type: str
        required: true
      criticality:
        description: How critical it is. Neighbours of a V(critical) one are told.
        type: str
        default: medium
      services:
        description: Which of O(services) use it.
        type: list
        elements: str
        default: []
      schedule:
        description: When it is dumped.
        type: str
      folder:
        description: The folder of its copies.
        type: path
  services:
    description: The services, and what is known of their programs.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is called here.
        type: str
        required: true
      container:
        description:
          - Its container. The tag of its image says which version of the program runs, where that is one of
            O(services[].images).
        type: str
      images:
        description:
          - Patterns of the names of the program's own images, without registry and tag, such as V(langfuse/*). Of any
            other image the tag says nothing of the program, and its version isn't known.
        type: list
        elements: str
        default: []
      profile:
        description: What program it is.
        type: str
      minimum_postgres:
        description: The oldest major that it runs with. It wins over O(services[].postgres).
        type: int
      postgres:
        description:
          - What its makers say - C(minimum), C(recommended), C(tested_up_to), C(maintained), C(image), C(by_version),
            C(source), C(as_of), C(note), as in the role platform's profiles.
        type: dict
        default: {}
  versions:
    description: More majors that clusters could be upgraded to, beside the newest and what all their services know.
    type: list
    elements: int
    default: []
  weights:
    description:
      - How much each criterion counts, from 0 to 100 - by default C(compatibility) 4, C(support) 3, C(memory) 2,
        C(isolation) 2, C(backup) 1, C(effort) 2.
    type: dict
    default: {}
  connect_timeout:
    description: How long to wait for a connection, for example V(5s).
    type: str
    default: 5s
  statement_timeout:
    description: How long a server may work on one question.
    type: str
    default: 2m
  docker_host:
    description:
      - The URL of the container engine. By default what E(DOCKER_HOST) says, else the local socket.
    type: str
seealso:
  - module: bulkhead.stack.pg_version_fit_info
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
- name: Should Langfuse's own PostgreSQL 17 give way to the shared 15?
  bulkhead.stack.consolidation_info:
    clusters:
      - {name: main, container: supabase-ai-db}
      - {name: localai, container: localai-postgres-1}
    databases:
      - {key: langfuse, cluster: localai, services: [langfuse-web], schedule: "0 4 * * sun"}
    services:
      - name: langfuse-web
        container: langfuse-web
        images: [langfuse/langfuse]
        postgres: {minimum: 15, recommended: 16}
  register: decision

- name: Tell it
  ansible.builtin.debug:
    msg: "{{ decision.page }}"
"""

RETURN = r"""
as_of:
  description: The day of the decision.
  returned: success
  type: str
  sample: "2026-11-29"
weights:
  description: How much each criterion counted.
  returned: success
  type: dict
  sample: {compatibility: 4, support: 3, memory: 2, isolation: 2, backup: 1, effort: 2}
clusters:
  description: The clusters with C(version), C(image), C(memory_bytes), C(size_bytes), C(databases), and C(error).
  returned: success
  type: list
  elements: dict
  sample: [{cluster: main, version: 150020, memory_bytes: 41943040, databases: [postgres], error: ""}]
services:
  description: The services with the version of their program and what it needs.
  returned: success
  type: list
  elements: dict
  sample: [{service: langfuse-web, profile: langfuse, version: "4.2", need: {minimum: 15, recommended: 16}}]
databases:
  description: The decision on each database.
  returned: success
  type: list
  elements: dict
  contains:
    database:
      description: The database.
      type: str
      sample: langfuse
    name:
      description: What its server calls it.
      type: str
      sample: langfuse
    cluster:
      description: Where it is.
      type: str
      sample: localai
    version:
      description: What that runs, or null where it can't be reached.
      type: int
      sample: 170012
    size_bytes:
      description: Its size.
      type: int
      sample: 62914560
    services:
      description: Who uses it.
      type: list
      elements: str
      sample: [langfuse-web]
    options:
      description:
        - What can be done, the best first. Each has C(id), C(kind), C(target), C(major), C(title), C(total) (in
          percent of all that can be had), C(excluded) (why it can't be had), C(unknown), and C(criteria), each with
          C(score) (0 to 4) and C(evidence).
      type: list
      elements: dict
      sample:
        - {id: stay, kind: stay, target: localai, major: 17, total: 82.1, excluded: [], unknown: []}
    recommendation:
      description:
        - C(option), the identifier of the best (null where nothing is known), its C(summary), C(reasons) in words,
          C(confidence) (V(high), V(medium) or V(low)), C(compared_with), the option that the reasons hold it against,
          and C(against), why not each of the others.
      type: dict
      sample: {option: stay, confidence: high, summary: Stay on localai (PostgreSQL 17).}
fits:
  description: What each comparison said, with what blocks.
  returned: success
  type: list
  elements: dict
  sample: [{database: langfuse, place: main, verdict: converts, blocks: [], error: null}]
unused:
  description: Databases that hold no table while what their service has lies elsewhere, each with a C(proposal).
  returned: success
  type: list
  elements: dict
  sample: [{cluster: main, database: langfuse_db, proposal: Drop it.}]
unseen:
  description: What couldn't be looked at, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["Cluster old: There is no container old-db."]
page:
  description:
    - The short of it as lines for a terminal. Databases of a cluster that get the same answer are told together.
  returned: success
  type: list
  elements: str
markdown:
  description: All of it as a page of Markdown.
  returned: success
  type: str
"""

from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import clock
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.consolidation import Surveyor
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import parse_duration
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.asked import check_asked
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.facts import Facts
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.matrix import make_matrix, read_weights
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.matrix_lines import lines_of
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.matrix_page import markdown_of
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.survey import fits_json, with_fits

SPEC = {
    "clusters": {
        "type": "list",
        "elements": "dict",
        "required": True,
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
            "services": {"type": "list", "elements": "str", "default": []},
            "schedule": {"type": "str"},
            "folder": {"type": "path"},
        },
    },
    "services": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "container": {"type": "str"},
            "images": {"type": "list", "elements": "str", "default": []},
            "profile": {"type": "str"},
            "minimum_postgres": {"type": "int"},
            "postgres": {"type": "dict", "default": {}},
        },
    },
    "versions": {"type": "list", "elements": "int", "default": []},
    "weights": {"type": "dict", "default": {}},
    "connect_timeout": {"type": "str", "default": "5s"},
    "statement_timeout": {"type": "str", "default": "2m"},
    "docker_host": {"type": "str"},
    "clock": {"type": "str"},
}


def run(options: Dict[str, Any]) -> Dict[str, Any]:
    """Build the adapters and hand them in."""
    now, weights, versions = clock.now(options["clock"]), read_weights(options["weights"]), options["versions"]
    check_asked(options)
    with Surveyor(
        options["docker_host"],
        parse_duration(options["connect_timeout"]),
        parse_duration(options["statement_timeout"]),
    ) as surveyor:
        databases = [surveyor.database(item, now) for item in options["databases"]]
        services = [surveyor.service(item) for item in options["services"]]
        surveyed = [
            surveyor.cluster(item, [known for known in databases if known.cluster == item["name"]])
            for item in options["clusters"]
        ]
    facts = Facts(
        now.date(),
        {item.cluster.key: item.cluster for item in surveyed},
        {item.key: item for item in databases},
        {item.name: item for item in services},
    )
    facts = with_fits(facts, surveyed, versions)
    unseen: List[str] = surveyor.unseen + [text for item in surveyed for text in item.unseen]
    matrix = make_matrix(facts, weights, versions, unseen)
    return dict(matrix, fits=fits_json(facts), page=lines_of(matrix), markdown=markdown_of(matrix))


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(SPEC, supports_check_mode=True)
    try:
        result = run(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
