#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put services of a compose file behind a profile, or take them out again."""

DOCUMENTATION = r"""
module: compose_retire
short_description: Put services of a compose file behind a profile
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Puts services of a compose file behind a profile, so that C(docker compose up -d) of the project doesn't start their
    stopped containers again. Containers and volumes stay as they are. C(docker compose down) leaves them too, C(up)
    with the service's name starts it all the same.
  - Compose refuses a project in which a service depends on one whose profile is off. So the services that depend on
    them lose that entry of C(depends_on), unless it says C(required=false), or they stand behind this profile only.
    RV(removed_depends_on) says what went.
  - A service that takes something of one of them with C(links), C(network_mode), C(volumes_from), C(pid) or C(ipc)
    can't do without it. The module fails and names it.
  - Nothing but the lines that have to change is touched. Comments, quotes, indentation, anchors and line ends stay.
    What comes back with O(state=absent) stands at the end of its list or mapping.
  - A profile never reaches a service that was not asked for. Where one shares the definition through an anchor, a merge
    key or C(extends), the module fails and names it.
  - The containers are not touched. RV(running_services) says which ones are still to be stopped, and
    RV(pending_services) which ones have to be made anew.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.compose_file
options:
  services:
    description:
      - The services. V(*) or V(all) is every service of the file.
    type: list
    elements: str
    required: true
  profile:
    description:
      - The profile. It has to be one with which nobody starts the project.
    type: str
    default: retired
  state:
    description:
      - With V(present) the services stand behind the profile, and no other.
      - With V(absent) they don't stand behind it, and O(depends_on) is there.
    type: str
    choices: [present, absent]
    default: present
  replace_profiles:
    description:
      - A service starts with any one of its profiles. So one that has another profile is refused, unless this is set.
        Then the other ones go, and RV(removed_profiles) says which.
    type: bool
    default: false
  depends_on:
    description:
      - With O(state=absent), the dependencies to put back where they aren't, by service, as RV(removed_depends_on) says
        them. Each is written in the form that the service has, a list or a mapping.
      - With O(mode=override) they are those that the override file takes away.
    type: dict
    default: {}
  previous_profiles:
    description:
      - With O(state=absent), the profiles that a service gets back in this one's place, as RV(removed_profiles) says
        them.
    type: dict
    default: {}
notes:
  - With O(mode=override) the tags C(!reset) and C(!override) are written to the override file where something has to be
    taken away. They need Compose 2.18, and C(!override) 2.24.4. What the override file says of the same already is
    never rewritten; the module fails then.
seealso:
  - module: bulkhead.stack.compose_networks
  - module: bulkhead.stack.isolation_journal
"""

EXAMPLES = r"""
- name: Keep a stopped database stopped
  bulkhead.stack.compose_retire:
    path: /srv/app/docker-compose.yml
    services: [old-db]
    journal: /var/lib/bulkhead/journal/run.jsonl
  register: retired

- name: Make the containers anew that depended on it
  community.docker.docker_compose_v2:
    project_src: /srv/app
    services: "{{ retired.pending_services }}"
    dependencies: false
    wait: true
  when: retired.pending_services | length > 0

- name: Take it back
  bulkhead.stack.compose_retire:
    path: /srv/app/docker-compose.yml
    services: [old-db]
    state: absent
    depends_on: "{{ retired.removed_depends_on }}"
    previous_profiles: "{{ retired.removed_profiles }}"
"""

RETURN = r"""
changed_services:
  description: The services whose definition changed, or would change, those that depend on the named ones included.
  returned: success
  type: list
  elements: str
  sample: [app, old-db]
removed_depends_on:
  description:
    - The dependencies that went, by service, each with what was said of it. Nothing is said where C(depends_on) was a
      list. This is what O(depends_on) takes.
  returned: success
  type: dict
  sample: {app: {old-db: {condition: service_healthy}}}
removed_profiles:
  description: The profiles that went, by service. This is what O(previous_profiles) takes.
  returned: success
  type: dict
  sample: {}
running_services:
  description: With O(state=present), those of O(services) that have a running container; Compose doesn't stop them.
  returned: success
  type: list
  elements: str
  sample: []
pending_services:
  description:
    - The services that need C(docker compose up -d). With O(state=present) their container was made with a dependency
      that went, and so the next C(up) makes it anew. With O(state=absent) they are those whose container was made
      without one that came back, and those of O(services) whose container is stopped.
    - Empty where there is no engine or no container.
  returned: success
  type: list
  elements: str
  sample: [app]
path_written:
  description: The file that was written, or would be; an empty text where nothing changes.
  returned: success
  type: str
  sample: /srv/app/docker-compose.yml
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
  description: The copy of the old content; an empty text where none was asked for or needed.
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
  sample: {name: app, directory: /srv/app, files: [/srv/app/docker-compose.yml], env_files: []}
changes:
  description: The files that change.
  returned: success
  type: list
  elements: str
  sample: [/srv/app/docker-compose.yml]
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_context import ComposeContext
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.dependence import (
    DEPENDS,
    PROFILES,
    checked_dependencies,
    checked_previous,
    checked_profile,
    goes_along,
    restored_problem,
    retired_problem,
    services_of,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.model import Model
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.resolved import Wanted, service_paths
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.retire import (
    Retired,
    plan_inline_restored,
    plan_inline_retired,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.retire_override import (
    plan_override_restored,
    plan_override_retired,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import COMPOSE_FILE_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError


def plan_retired(context: ComposeContext, options: Dict[str, Any]) -> Retired:
    """Return what the file is to hold so that the services stand behind the profile."""
    asked = (options["services"], options["profile"], options["replace_profiles"])
    if context.is_override:
        return plan_override_retired(context.documents(), context.override, *asked, context.override_path)
    return plan_inline_retired(context.documents(), *asked)


def plan_restored(context: ComposeContext, options: Dict[str, Any]) -> Retired:
    """Return what the file is to hold so that they don't."""
    asked = (options["services"], options["profile"], options["previous_profiles"], options["depends_on"])
    if context.is_override:
        planned = plan_override_restored(context.documents(), context.override, *asked, context.override_path)
    else:
        planned = plan_inline_restored(context.documents(), *asked)
    return Retired(planned.data, planned.changed, planned.changed_services, planned.warnings)


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Edit the file; return the module's result."""
    present, profile = options["state"] == "present", checked_profile(options["profile"])
    back = checked_dependencies(options["depends_on"])
    options = dict(options, depends_on=back, previous_profiles=checked_previous(options["previous_profiles"]))
    context = ComposeContext(options)
    try:
        chosen = context.document.choose_services(options["services"])
        planned = plan_retired(context, options) if present else plan_restored(context, options)
        skipped = [] if context.is_override else sorted(Model(context.document).bases)
        wanted = Wanted(
            service_paths(chosen, PROFILES) + service_paths(planned.changed_services, DEPENDS),
            lambda model: (
                retired_problem(model, chosen, profile, skipped)
                if present
                else restored_problem(model, chosen, profile, back, skipped)
            ),
        )
        # Nothing starts or stops by this: taken back, the journal brings up only what runs now.
        running = context.with_containers([*chosen, *planned.changed_services])
        renewed = [name for name in planned.changed_services if name in running]
        result = context.carry_out(planned, wanted, check_mode, renewed)
        if present:
            models = [Model(document) for document in context.documents(without_override=False)]
            others = [name for name in services_of(models) if not goes_along(models, name, chosen, profile)]
            pending = context.pending_dependencies(others, {name: dict.fromkeys(chosen, {}) for name in others}, False)
        else:
            pending = context.pending_dependencies(sorted(back), back, True)
            pending += [name for name in context.stopped(chosen) if name not in pending]
        return dict(
            result,
            removed_depends_on=planned.removed_depends_on,
            removed_profiles=planned.removed_profiles,
            running_services=[name for name in chosen if present and name in running],
            pending_services=pending,
        )
    finally:
        context.close()


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        argument_spec=dict(
            COMPOSE_FILE_SPEC,
            services={"type": "list", "elements": "str", "required": True},
            profile={"type": "str", "default": "retired"},
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            replace_profiles={"type": "bool", "default": False},
            depends_on={"type": "dict", "default": {}},
            previous_profiles={"type": "dict", "default": {}},
        ),
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
