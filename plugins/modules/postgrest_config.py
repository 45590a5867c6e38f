#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set what a PostgREST service of a compose file serves, or add a second instance beside it."""

DOCUMENTATION = r"""
module: postgrest_config
short_description: Configure PostgREST in a compose file, or add a second instance for another database
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Sets documented settings of a PostgREST service in a compose file, and the database part of its C(db-uri).
    Everything else of the value stays, C(${…}) and percent-encoding included.
  - With O(extends) a second instance is added. One PostgREST serves one database, so a further database needs a further
    instance. It takes everything from the first one but its name, its database and O(settings).
  - PostgREST ignores a setting that it doesn't know without a word. Such a name is refused here, with the nearest one.
  - The containers are not touched. RV(pending) says whether a new one is needed, which C(docker compose up -d SERVICE)
    makes.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.compose_file
options:
  service:
    description:
      - The service that runs PostgREST, or with O(extends) the one that is to be there beside it.
    type: str
    required: true
  extends:
    description:
      - A service of O(path), on which O(service) is based. It must run PostgREST, and stays as it is.
      - With O(mode=override) the new service goes to the override file, else to O(path).
      - It may not publish ports or have network aliases, because the new one would have the same.
    type: str
  container_name:
    description:
      - Container name of the instance that is added. Needed where the service of O(extends) has one.
    type: str
  settings:
    description:
      - Settings, by PostgREST's documented names (C(db-schemas)) or by their variables (E(PGRST_DB_SCHEMAS)), with
        their values.
      - C(${…}) is for Compose to replace and is written as it is. That is how a secret is to be given. One that is
        written out is masked in what this module returns, but Ansible logs a module's arguments on the target. Use
        C(no_log) there.
    type: dict
    default: {}
  database:
    description:
      - The database that the instance is to serve. Only this part of C(db-uri) changes.
    type: str
  ready_url:
    description:
      - A URL that must answer 200 when the module is done, for example the admin server's C(/ready).
      - Not asked in check mode, nor where RV(pending) is true, since nothing can answer for the new settings yet.
    type: str
  ready_timeout:
    description:
      - How many seconds to wait for that.
    type: int
    default: 60
  state:
    description:
      - With V(absent) an instance that was added with O(extends) is removed from the file. No other service ever is.
    type: str
    choices: [present, absent]
    default: present
notes:
  - For RV(pending) the values that a container was made with are compared with those of the file. Where C(${…}) stands
    in one, any text counts as right.
seealso:
  - module: bulkhead.stack.gateway_route
  - module: community.docker.docker_compose_v2
  - name: PostgREST's settings
    description: The settings with their types and defaults.
    link: https://docs.postgrest.org/en/stable/references/configuration.html
"""

EXAMPLES = r"""
- name: Have a second PostgREST for Archon's database
  bulkhead.stack.postgrest_config:
    path: /srv/supabase/docker-compose.yml
    mode: override
    service: rest-archon
    extends: rest
    container_name: supabase-ai-rest-archon
    database: archon_db
    settings:
      db-schemas: public
  register: instance

- name: Make its container
  community.docker.docker_compose_v2:
    project_src: /srv/supabase
    services: [rest-archon]
    wait: true
  when: instance.pending

- name: Let the first one serve no more than 1000 rows at once
  bulkhead.stack.postgrest_config:
    path: /srv/supabase/docker-compose.yml
    service: rest
    settings:
      db-max-rows: "1000"
"""

RETURN = r"""
path_written:
  description: The file that was written, or would be. An empty text where nothing changes.
  returned: success
  type: str
  sample: /srv/supabase/docker-compose.override.yml
pending:
  description:
    - Whether a container has to be made anew, or made at all, for the file to count.
    - With O(state=absent) whether there is one still.
  returned: success
  type: bool
  sample: true
needs:
  description: What it takes for the settings to count, V(nothing) or V(new container).
  returned: success
  type: str
  sample: new container
ready:
  description: Whether O(ready_url) answered 200. It is V(false) where it wasn't asked.
  returned: when O(ready_url) is set
  type: bool
  sample: false
validated:
  description:
    - Whether C(docker compose config) reads nothing but this change out of the new content - V(yes), V(no) (not asked)
      or V(skipped).
  returned: success
  type: str
  sample: 'yes'
validated_reason:
  description: Why the check was skipped.
  returned: when RV(validated) is V(skipped)
  type: str
  sample: 'Compose refuses the project as it was in the same way: ...'
backup_file:
  description: The copy of the old content. An empty text where none was asked for or needed.
  returned: success
  type: str
  sample: ''
project:
  description:
    - The Compose project as it is once the edit is written, for C(docker compose) or
      M(community.docker.docker_compose_v2), whoever started it in whatever way - C(name) (an empty text where no
      container of it is known), C(directory), C(files) and C(env_files).
  returned: success
  type: dict
  sample: {name: archon, directory: /srv/archon, files: [/srv/archon/docker-compose.yml], env_files: []}
changes:
  description: The files that change.
  returned: success
  type: list
  elements: str
  sample: [/srv/supabase/docker-compose.override.yml]
"""

import os
import time
from typing import Any, Dict, List, Mapping, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_context import ComposeContext
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_files import FileChange
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_project import (
    open_engine,
    service_containers,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.web import get_json
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.display import shown
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.resolved import (
    Wanted,
    service_paths,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import COMPOSE_FILE_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    OutsideError,
    VerificationError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import instance
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import wait_for
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.settings import (
    NEW_CONTAINER,
    Setting,
    parse,
)

POLL_S = 0.1


def make_plan(
    options: Dict[str, Any], settings: Mapping[Setting, str], context: ComposeContext
) -> instance.InstancePlan:
    """Return what is to become of the file, from what is there."""
    base_file = os.path.relpath(context.path, os.path.dirname(context.override_path)) if context.is_override else ""
    order = [
        context.path if os.path.realpath(path) == os.path.realpath(context.path) else path
        for path in context.project.files
    ]
    files = instance.Files(context.documents(), context.override, context.override_path, base_file, order)
    if options["state"] == "absent":
        return instance.plan_absent(files, options["service"], options["extends"])
    if not options["extends"]:
        return instance.plan_settings(files, options["service"], settings, options["database"])
    return instance.plan_instance(
        files,
        options["service"],
        options["extends"],
        options["container_name"],
        settings,
        options["database"],
    )


def container_environments(options: Dict[str, Any], context: ComposeContext) -> List[List[str]]:
    """Return the environment of each container that the project has of this service."""
    engine = open_engine(options["docker_host"])
    try:
        containers = service_containers(engine, context.project, context.path).get(options["service"], [])
        return [item["Config"].get("Env") or [] for item in containers]
    finally:
        if engine is not None:
            engine.close()


def wait_until_ready(url: str, timeout_s: int) -> None:
    """Ask until the answer is 200."""

    def ask() -> Optional[VerificationError]:
        try:
            status, body = get_json(url, {}, timeout_s=5)
            said = "the last answer was %d %s" % (status, body.get("code") or "")
        except OutsideError as error:
            status, said = 0, str(error)
        if status == 200:
            return None
        return VerificationError(
            "%s didn't answer 200 within %d seconds: %s." % (url, timeout_s, said.strip().rstrip(".")),
            "See the instance's log. The file stays as it was written.",
        )

    wait_for(ask, time.monotonic, lambda: time.sleep(POLL_S), timeout_s)


def run(options: Dict[str, Any], settings: Mapping[Setting, str], check_mode: bool) -> Dict[str, Any]:
    """Edit the file; return the module's result."""
    absent = options["state"] == "absent"
    context = ComposeContext(options)
    try:
        planned = make_plan(options, settings, context)
        plan = Plan(warnings=context.warnings + planned.warnings)
        before = context.override if context.is_override else context.document.data
        changes: List[FileChange] = []
        if planned.changed:
            # A db-uri with its password may be copied: whoever can't read the one file is not to read the other.
            mode = os.stat(context.path).st_mode & 0o777
            changes.append(FileChange(context.target, before, planned.data, mode))
            plan.add(Change(context.target, shown(before, context.target), shown(planned.data, context.target)))
        environments = container_environments(options, context)
        service = options["service"]
        wanted = Wanted(service_paths([service]))
        result = context.apply(changes, wanted, [service], check_mode, created=not environments)
        backups = result.pop("backup_files")
        result.update(path_written=context.target if changes else "", backup_file=backups[0] if backups else "")
        pending = bool(environments) if absent else instance.is_pending(planned.environment, environments)
        if options["ready_url"]:
            result["ready"] = not (check_mode or pending or absent)
            if result["ready"]:
                wait_until_ready(options["ready_url"], options["ready_timeout"])
        needs = NEW_CONTAINER if pending and not absent else "nothing"
        project = context.project_after()
        return dict(plan.result(), pending=pending, needs=needs, warnings=plan.warnings, project=project, **result)
    finally:
        context.close()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(
            COMPOSE_FILE_SPEC,
            service={"type": "str", "required": True},
            extends={"type": "str"},
            container_name={"type": "str"},
            settings={"type": "dict", "default": {}},
            database={"type": "str"},
            ready_url={"type": "str"},
            ready_timeout={"type": "int", "default": 60},
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        ),
        required_by={"container_name": ["extends"]},
        supports_check_mode=True,
    )
    try:
        settings = parse(module.params["settings"])
        module.no_log_values.update(secret for _name, secret in instance.written_out_secrets(settings))
        result = run(module.params, settings, module.check_mode)
        for warning in result.pop("warnings"):
            module.warn(warning)
        module.exit_json(**result)
    except BulkheadError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
