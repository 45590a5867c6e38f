#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set what a PostgREST service of a compose file serves, or add a second instance beside it."""

DOCUMENTATION = r"""
module: postgrest_config
short_description: Configure PostgREST where its settings live, or add a second instance for another database
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Sets documented settings of a PostgREST service of a compose file, and parts of its C(db-uri). Everything else of
    the value stays, C(${…}) and percent-encoding included.
  - A setting is changed where it lives - in the compose file, in an C(env_file), in PostgREST's configuration file or
    in the database. O(place) names another place.
  - With O(extends) a second instance is added. One PostgREST serves one database, so a further database needs a further
    instance. It takes everything from the first one but its name, its database and O(settings).
  - PostgREST ignores a setting that it doesn't know without a word. Such a name is refused here, with the nearest one,
    and so is one that its version doesn't know.
  - What counts after a reload is reloaded. What needs a new container is left to C(docker compose up -d SERVICE), and
    RV(pending) says so.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.compose_file
  - bulkhead.stack.connection
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
      - The new one gets an admin server where the first has none, on the port behind the server's own (C(3001)). Where
        the version is known to be 14 or newer and the first one has no C(healthcheck), the new one gets
        C(postgrest --ready) as its own.
    type: str
  container_name:
    description:
      - Container name of the instance that is added. Needed where the service of O(extends) has one.
    type: str
  settings:
    description:
      - Settings, by PostgREST's documented names (C(db-schemas)) or by their variables (E(PGRST_DB_SCHEMAS)), with
        their values. C(null) removes a setting.
      - C(${…}) is for Compose to replace and is written as it is. That is how a secret is to be given. One that is
        written out is masked in what this module returns, but Ansible logs a module's arguments on the target. Use
        C(no_log) there.
    type: dict
    default: {}
  place:
    description:
      - Where O(settings) are to be. PostgREST takes a setting from the database, else from the environment, else from
        its configuration file. Where a stronger place says something else, nothing is written.
      - With V(auto) each is changed where it lives now. One that lives nowhere goes to the environment, and C(null)
        removes it from everywhere. With O(extends) it is the environment.
      - With V(environment) it is C(environment) of the compose file, as a map or a list.
      - With V(env_file) it is the file that the service names as its C(env_file).
      - With V(file) it is the configuration file that the service's C(command) names, see O(config_file).
      - With V(database) it is C(ALTER ROLE … IN DATABASE … SET pgrst.…) for the role of C(db-uri), so that no other
        instance has it. This needs a connection as a superuser. Every role of the server can read it.
      - The database is looked at wherever O(container) or O(login_host) is named.
    type: str
    choices: [auto, database, environment, env_file, file]
    default: auto
  config_file:
    description:
      - PostgREST's configuration file on this host. By default it is found by the service's C(command) and C(volumes).
      - It is replaced as a whole. A container that mounts its folder reads the new one at a reload. One that mounts the
        file by itself has to be started anew, and RV(pending) says so.
    type: path
  version:
    description:
      - PostgREST's major version. By default the image's tag tells it (C(postgrest/postgrest:v14.1)). Where nothing
        does, no setting is refused for it.
    type: int
  database:
    description:
      - The database that the instance is to serve. Only this part of C(db-uri) changes.
    type: str
  user:
    description:
      - The role as which the instance is to log in. Only this part of C(db-uri) changes, so the password stays.
    type: str
  host:
    description:
      - The host of the instance's server. Only this part of C(db-uri) changes.
    type: str
  container:
    description:
      - Name of the container in which the instance's Postgres server runs.
      - Needed for O(place=database), as O(login_host) or O(login_unix_socket) instead. Also, a reload is then asked for
        by C(NOTIFY), and else by a signal to the instance's container.
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
      - With V(absent) an instance that was added with O(extends) is removed from the file. No other service ever is,
        and settings in the database stay.
    type: str
    choices: [present, absent]
    default: present
notes:
  - For RV(pending) the values that a container was made with are compared with those of the files. Where C(${…})
    stands in one, any text counts as right.
  - What a function of C(db-pre-config) sets in the database is not seen.
  - PostgREST can miss a message while it reloads. M(bulkhead.stack.postgrest_reload) repeats it until it was heard.
seealso:
  - module: bulkhead.stack.gateway_route
  - module: bulkhead.stack.postgrest_reload
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

- name: Let the second one serve a further schema, without a new container
  bulkhead.stack.postgrest_config:
    path: /srv/supabase/docker-compose.override.yml
    service: rest-archon
    place: database
    database: archon_db
    container: supabase-ai-db
    login_user: supabase_admin
    settings:
      db-schemas: public,reports

- name: Change PostgREST's configuration file
  bulkhead.stack.postgrest_config:
    path: /srv/api/compose.yml
    service: api
    place: file
    settings:
      server-timing-enabled: true
      db-pool: 20
  register: api

- name: Start it anew where a reload isn't enough; nothing in the compose file has changed
  community.docker.docker_compose_v2:
    project_src: /srv/api
    services: [api]
    recreate: always
  when: api.pending
"""

RETURN = r"""
path_written:
  description: The file that was written first, or would be. An empty text where no file changes.
  returned: success
  type: str
  sample: /srv/supabase/docker-compose.override.yml
pending:
  description:
    - Whether a container has to be made anew, or made at all, for the settings to count.
    - For what stands in the configuration file or in the database, C(docker compose up) sees no reason for a new one.
      Use its C(--force-recreate) there.
    - For a setting in the database that no reload brings (C(openapi-server-proxy-uri)), only the run that changes it
      says so.
    - With O(state=absent) whether there is one still.
  returned: success
  type: bool
  sample: true
needs:
  description:
    - What it takes, or took, for the settings to count - V(nothing), V(reload config), V(reload schema) or V(new
      container). To reload the schema cache is to reload the settings first.
    - It was done where RV(reloaded) is true. V(new container) is left to the caller.
  returned: success
  type: str
  sample: new container
reloaded:
  description: Whether running instances were told to read their settings again.
  returned: success
  type: bool
  sample: false
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
  description: The files and settings of the database that change.
  returned: success
  type: list
  elements: str
  sample: [/srv/supabase/docker-compose.override.yml]
"""

import time
from contextlib import ExitStack
from typing import Any, Dict, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_context import ComposeContext
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_project import open_engine
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgrest_settings import (
    apply,
    has_connection,
    is_pending,
    look,
    look_into_database,
    make_edit,
    reload,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.web import get_json
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import COMPOSE_FILE_SPEC, CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    OutsideError,
    VerificationError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import instance, places
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import wait_for
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.settings import NEW_CONTAINER, parse

POLL_S = 0.1


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


def run(options: Dict[str, Any], settings: instance.Settings, check_mode: bool) -> Dict[str, Any]:
    """Look, plan, and unless in check mode write and reload; return the module's result."""
    absent = options["state"] == "absent"
    with ExitStack() as stack:
        context = ComposeContext(options)
        stack.callback(context.close)
        engine = open_engine(options["docker_host"])
        if engine is not None:
            stack.callback(engine.close)
        sight = look(options, settings, context, engine)
        postgres: Optional[Postgres] = None
        if has_connection(options) and not absent:
            postgres = stack.enter_context(open_postgres(options))
            look_into_database(options, postgres, sight)
        edit = make_edit(options, settings, context, sight)
        result = apply(options, context, sight, edit, postgres, check_mode)
        pending = bool(sight.inspections) if absent else is_pending(sight, edit, engine, check_mode)
        result["reloaded"] = False if check_mode else reload(sight, edit, engine, postgres)
        if options["ready_url"]:
            result["ready"] = not (check_mode or pending or absent)
            if result["ready"]:
                wait_until_ready(options["ready_url"], options["ready_timeout"])
        needs = NEW_CONTAINER if pending and not absent else edit.reload
        project = context.project_after()
        return dict(
            edit.plan.result(), pending=pending, needs=needs, warnings=edit.plan.warnings, project=project, **result
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(
            {**CONNECTION_SPEC, **COMPOSE_FILE_SPEC},
            service={"type": "str", "required": True},
            extends={"type": "str"},
            container_name={"type": "str"},
            settings={"type": "dict", "default": {}},
            place={"type": "str", "choices": [places.AUTO, *places.PLACES], "default": places.AUTO},
            config_file={"type": "path"},
            version={"type": "int"},
            database={"type": "str"},
            user={"type": "str"},
            host={"type": "str"},
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
