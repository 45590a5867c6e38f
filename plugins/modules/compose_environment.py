#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set, change or unset variables of services, where they are set."""

DOCUMENTATION = r"""
module: compose_environment
short_description: Set, change or unset variables of services of a compose file
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Changes variables of services where they are set - in the compose file, in the project's env file, or in the
    service's C(env_file).
  - Nothing but the lines that have to change is touched.
  - Values whose name looks like a secret's, and passwords in URLs, are masked in the diff and in the result.
  - The containers are not touched. RV(pending_services) says which ones have to be made anew.
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
  variables:
    description:
      - Names, each with its value as text. V(null) unsets one.
      - V(${NAME}) is written as it is and means what it means to Compose.
      - This, O(variables_from) or O(urls) is needed.
    type: dict
    default: {}
  variables_from:
    description:
      - Names, each with a file on the target that holds its value, for example a generated password. The line end of
        its last line is left out.
      - In check mode a file may be missing yet.
    type: dict
    default: {}
  urls:
    description:
      - Names of variables that hold a database's whole URL, each with what is to stand in it. What follows the question
        mark of the URL that is there stays.
      - Each is a dictionary of C(host), C(port), C(database), C(user) and C(password_from), a file on the target that
        holds the password.
    type: dict
    default: {}
  only_set:
    description:
      - Whether variables are left out that none of the services has. A program that can be told its database in two
        ways is then changed in the way that it uses.
    type: bool
    default: false
  where:
    description:
      - With V(auto), a variable that the compose file takes from V(${NAME}) is changed in the project's env file,
        one that stands in the service's C(env_file) there, and any other in the compose file.
      - With V(compose) it is always set in the compose file.
      - With V(env_file) it is never set there.
    type: str
    choices: [auto, compose, env_file]
    default: auto
  allow_shared:
    description:
      - Whether a variable of an env file may change although services that were not asked for read it too.
    type: bool
    default: false
seealso:
  - module: bulkhead.stack.compose_extra_hosts
"""

EXAMPLES = r"""
- name: Point n8n to a database of its own
  bulkhead.stack.compose_environment:
    path: /srv/n8n/docker-compose.yml
    services: [n8n]
    variables:
      DB_POSTGRESDB_DATABASE: n8n_db
      DB_POSTGRESDB_USER: n8n
    backup: true
  register: environment_change

- name: Point Langfuse to its database in the shared cluster, whether by a URL or by single variables
  bulkhead.stack.compose_environment:
    path: /srv/langfuse/docker-compose.yml
    services: [langfuse-web, langfuse-worker]
    only_set: true
    urls:
      DATABASE_URL: &url
        host: supabase-ai-db
        port: "5432"
        database: langfuse_db
        user: langfuse
        password_from: /var/lib/bulkhead/passwords/langfuse
      DIRECT_URL: *url
    variables:
      DATABASE_HOST: supabase-ai-db
      DATABASE_NAME: langfuse_db
      DATABASE_USERNAME: langfuse
    variables_from:
      DATABASE_PASSWORD: /var/lib/bulkhead/passwords/langfuse

- name: Make its container anew
  community.docker.docker_compose_v2:
    project_src: /srv/n8n
    services: "{{ environment_change.pending_services }}"
    dependencies: false
    wait: true
  when: environment_change.pending_services | length > 0
"""

RETURN = r"""
changed_services:
  description: The services whose variables changed, or would change.
  returned: success
  type: list
  elements: str
  sample: [n8n]
pending_services:
  description:
    - The services of which a container was made with another value; they need C(docker compose up -d).
    - Empty where there is no engine or no container. Values with references are not compared.
  returned: success
  type: list
  elements: str
  sample: [n8n]
paths_written:
  description: The files that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/srv/n8n/docker-compose.yml]
previous:
  description:
    - By service, what each variable was before, as it was written.
    - Secrets are masked. V(null) stands where it was not set.
  returned: success
  type: dict
  sample: {n8n: {DB_POSTGRESDB_DATABASE: postgres}}
shared_with:
  description: By variable of an env file, the services that read it too and were not asked for.
  returned: success
  type: dict
  sample: {}
validated:
  description:
    - Whether C(docker compose config) reads nothing but this change out of the new content - V(yes), V(no) (not asked
      or not needed) or V(skipped).
  returned: success
  type: str
  sample: 'yes'
validated_reason:
  description: Why the check was skipped.
  returned: when RV(validated) is V(skipped)
  type: str
  sample: 'Compose refuses the project as it was in the same way: ...'
backup_files:
  description: The copies of the old contents.
  returned: success
  type: list
  elements: str
  sample: []
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
  sample: [/srv/n8n/docker-compose.yml]
"""

import os
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_context import ComposeContext
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_files import FileChange
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.files import read_bytes
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.database_url import database_url
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.environment import Variables
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.placement import (
    MASK,
    EnvironmentState,
    Placement,
    checked_variables,
    is_secret,
    make_plan,
    masked,
    place_variables,
    present_variables,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.resolved import (
    Wanted,
    service_paths,
    variables_problem,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import COMPOSE_FILE_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError


def read_value(path: str) -> str:
    """Return what a file holds, without the end of its last line."""
    try:
        return read_bytes(path).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError("%s holds no text: byte %d can't be read." % (path, error.start)) from error


def read_values(paths: Dict[str, Any], check_mode: bool) -> Dict[str, str]:
    """Return what files hold, by variable; ``$`` in them is no reference."""
    return {
        name: MASK if check_mode and not os.path.exists(path) else read_value(path).replace("$", "$$")
        for name, path in paths.items()
    }


def read_urls(urls: Dict[str, Any], check_mode: bool) -> Dict[str, Dict[str, str]]:
    """Return what is to stand in each URL, with its password.

    Raises:
        InputError: something else is named.
    """
    read = {}
    for name, given in urls.items():
        parts = {part: str(value) for part, value in given.items()} if isinstance(given, dict) else {}
        unknown = sorted(set(parts) - {"host", "port", "database", "user", "password_from"})
        path = parts.pop("password_from", "")
        if unknown or not path:
            raise InputError(
                "urls.%s %s." % (name, "has an unknown %s" % ", ".join(unknown) if unknown else "has no password_from"),
                "Give it host, port, database, user and password_from.",
            )
        # Masked as a part of the URL: a file that isn't there yet is made in a real run.
        parts["password"] = MASK if check_mode and not os.path.exists(path) else read_value(path)
        read[name] = parts
    return read


def wanted_variables(
    variables: Variables, urls: Dict[str, Dict[str, str]], present: Variables, only_set: bool
) -> Variables:
    """Return the variables with the URLs among them, and where that is asked for, without those that nobody has.

    Raises:
        InputError: nobody has any of them.
    """
    made = {name: database_url(name, present.get(name), parts).replace("$", "$$") for name, parts in urls.items()}
    wanted = dict(variables, **made)
    if only_set:
        kept = {name: value for name, value in wanted.items() if name in present}
        if not kept:
            raise InputError(
                "None of the services has any of these variables: %s." % ", ".join(sorted(wanted)),
                "Name the variables that hold its database (database_variables in the description).",
            )
        return kept
    return wanted


def run(options: Dict[str, Any], given: Variables, urls: Dict[str, Dict[str, str]], check_mode: bool) -> Dict[str, Any]:
    """Edit the files; return the module's result."""
    context = ComposeContext(options)
    try:
        chosen = context.document.choose_services(options["services"])
        state: EnvironmentState = context.environment_state(chosen)
        variables = given
        if urls or options["only_set"]:
            variables = wanted_variables(given, urls, present_variables(state, chosen), options["only_set"])
        placed: Placement = place_variables(state, chosen, variables, options["where"], options["allow_shared"])
        override = (context.override_path, context.override) if context.is_override else None
        plan = make_plan(state, placed, override, context.documents())
        # A new env file may hold a password.
        changes = [
            FileChange(change.what, before, after, 0o600 if change.what in placed.env_files else 0o644)
            for change in plan
            for before, after in (change.data,)
        ]
        readers = sorted({name for names in placed.shared_with.values() for name in names})
        touched = placed.changed_services(chosen)
        # A variable of an env file may stand anywhere in the definition of those that read it.
        paths = service_paths(touched + readers, "" if placed.env_files else "environment")
        asked = [service for service in chosen if service in placed.touched]
        # Compose can only be asked about the new content of files that its command line names.
        seen = {} if set(placed.env_files) & set(state.service_files) else variables
        wanted = Wanted(paths, lambda model: variables_problem(model, asked, seen))
        done = context.apply(changes, wanted, touched + readers, check_mode)
        # What an override file no longer says, the compose file may.
        compared = {name: value for name, value in variables.items() if value is not None or not context.is_override}
        return dict(
            plan.result(),
            changed_services=touched,
            pending_services=context.pending_variables(chosen, compared) + context.with_containers(readers),
            paths_written=[change.path for change in changes],
            previous={
                service: {name: masked(name, value) for name, value in values.items()}
                for service, values in placed.previous.items()
            },
            shared_with=placed.shared_with,
            warnings=context.warnings + plan.warnings,
            project=context.project_after(),
            **done,
        )
    finally:
        context.close()


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        argument_spec=dict(
            COMPOSE_FILE_SPEC,
            services={"type": "list", "elements": "str", "required": True},
            # Masked in the system's log as a whole; in the result only what is a secret is, or every "5432" would be.
            variables={"type": "dict", "default": {}, "no_log": True},
            variables_from={"type": "dict", "default": {}, "no_log": False},
            urls={"type": "dict", "default": {}},
            only_set={"type": "bool", "default": False},
            where={"type": "str", "choices": ["auto", "compose", "env_file"], "default": "auto"},
            allow_shared={"type": "bool", "default": False},
        ),
        supports_check_mode=True,
    )
    try:
        read = read_values(module.params["variables_from"], module.check_mode)
        urls = read_urls(module.params["urls"], module.check_mode)
        given = dict(module.params["variables"], **read)
        variables = checked_variables(given) if given or not urls else {}
        module.no_log_values = {
            str(value)
            for name, value in variables.items()
            if value is not None and (name in read or is_secret(name, value)) and value != MASK
        } | {parts["password"] for parts in urls.values() if parts["password"] != MASK}
        result = run(module.params, variables, urls, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
