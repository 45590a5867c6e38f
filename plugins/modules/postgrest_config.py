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

import calendar
import os
import time
import uuid
from contextlib import ExitStack
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_context import ComposeContext
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_files import FileChange
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_project import (
    open_engine,
    service_containers,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.files import (
    append_json_line,
    read_bytes,
    read_bytes_or_none,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.web import get_json
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.resolved import (
    Wanted,
    service_paths,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import COMPOSE_FILE_SPEC, CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    InputError,
    OutsideError,
    StateError,
    VerificationError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Secret
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.journal import gateway_entry, sql_entry
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import in_database, instance, places, uri
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.conf_file import ConfFile
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.process import DEFAULT_LOGIN, Process
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import wait_for
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.settings import (
    NEW_CONTAINER,
    NOTHING,
    RELOAD_CONFIG,
    RELOAD_SCHEMA,
    check_version,
    find,
    major_of,
    parse,
    strongest,
)

POLL_S = 0.1
# A reload of the schema is of the settings too: the schema cache is made from them.
MESSAGES = {RELOAD_CONFIG: [RELOAD_CONFIG], RELOAD_SCHEMA: [RELOAD_CONFIG, RELOAD_SCHEMA]}
SIGNALS = {RELOAD_CONFIG: "SIGUSR2", RELOAD_SCHEMA: "SIGUSR1"}


class Sight(NamedTuple):
    """What a run has looked at.

    Arguments:
        files: the compose files. found: the settings, by place. conf: where the configuration file is.
        inspections: of the service's containers. version: the major one, None where nothing tells it.
    """

    files: instance.Files
    found: places.Found
    conf: Optional[places.ConfPath]
    inspections: List[Dict[str, Any]]
    version: Optional[int]

    @property
    def processes(self) -> List[Process]:
        """The service's containers."""
        return [Process.of(item) for item in self.inspections]


def compose_files(context: ComposeContext) -> instance.Files:
    """Return the project's compose files, and which of them is edited."""
    base_file = os.path.relpath(context.path, os.path.dirname(context.override_path)) if context.is_override else ""
    order = [
        context.path if os.path.realpath(path) == os.path.realpath(context.path) else path
        for path in context.project.files
    ]
    return instance.Files(context.documents(), context.override, context.override_path, base_file, order)


def look(
    options: Dict[str, Any], settings: instance.Settings, context: ComposeContext, engine: Optional[Docker]
) -> Sight:
    """Return what there is, but for what the database says: files, and one inspection for each container."""
    files, service = compose_files(context), options["service"]
    inspections = service_containers(engine, context.project, context.path, service).get(service, [])
    if options["extends"] or options["state"] == "absent":
        if options["place"] in (places.ENV_FILE, places.FILE):
            raise InputError(
                "With extends a setting can't be in the env_file or the configuration file: both are the first one's.",
                "Set place=environment or place=database.",
            )
        documents = [
            document for document in files.documents() if options["extends"] in instance.services_of([document])
        ]
        base = options["extends"] or ""
        named = instance.image_of(documents, base)
        directory = context.project.directory
        env_files = places.env_file_paths(files.documents(), base, directory) if documents else []
        conf = places.conf_path(files.documents(), base, directory) if documents else None
        found = places.Found(
            service,
            instance.environment_of(documents, base),
            [(path, read_bytes_or_none(path)) for path in env_files],
            None if conf is None else readable_conf(conf.path),
        )
        # Of the first one's configuration file nothing is to change.
        sight = Sight(files, found, None, inspections, None)
    else:
        documents = instance.require_service(files, service)
        named = instance.image_of(documents, service)
        directory = context.project.directory
        env_files = places.env_file_paths(files.documents(), service, directory)
        conf = places.conf_path(files.documents(), service, directory)
        if options["config_file"]:
            path = os.path.abspath(options["config_file"])
            # What the command names tells how it is mounted.
            conf = conf if conf is not None and os.path.realpath(conf.path) == os.path.realpath(path) else None
            conf = conf or places.ConfPath(path, is_alone=is_mounted_alone(inspections, path))
        content = None if conf is None else read_bytes_or_none(conf.path)
        if options["config_file"] and content is None:
            content = read_bytes(options["config_file"])
        found = places.Found(
            service,
            instance.environment_of(documents, service),
            [(path, read_bytes_or_none(path)) for path in env_files],
            None if conf is None or content is None else ConfFile(content, conf.path),
        )
        sight = Sight(files, found, conf, inspections, None)
    version = options["version"] or major_of(named)
    # A second one's own container isn't asked: another run would plan another file than the first.
    for inspection in [] if options["extends"] else inspections:
        version = version or major_of(str(inspection["Config"].get("Image") or ""))
    check_version(settings, version)
    return sight._replace(version=version)


def readable_conf(path: str) -> Optional[ConfFile]:
    """Return a configuration file that is only looked at; None where it isn't there or has another form."""
    content = read_bytes_or_none(path)
    try:
        return None if content is None else ConfFile(content, path)
    except BulkheadError:
        return None


def is_mounted_alone(inspections: List[Dict[str, Any]], path: str) -> bool:
    """Return whether a container has a file of the host mounted by itself."""
    return any(
        os.path.realpath(mount.get("Source") or os.sep) == os.path.realpath(path)
        for inspection in inspections
        for mount in inspection.get("Mounts") or []
    )


def has_connection(options: Dict[str, Any]) -> bool:
    """Return whether a server is named."""
    return any(options[name] for name in ("container", "login_host", "login_unix_socket"))


def in_use(sight: Sight, name: str) -> str:
    """Return a setting as the instance's files have it, where they tell, else as its container has it."""
    written = sight.found.written(find(name))
    if written is not None and not uri.has_reference(written) and "$(" not in written:
        return written
    return next((process.setting(name) for process in sight.processes if process.setting(name)), "")


def look_into_database(options: Dict[str, Any], postgres: Postgres, sight: Sight) -> None:
    """Add what the database says; it is left out where the instance takes no settings from there.

    Raises:
        InputError: nothing tells which database it is.
    """
    if in_use(sight, "db-config").lower() in ("false", "no", "off", "0"):
        if options["place"] == places.DATABASE:
            raise StateError(
                "Service %s takes no settings from its database: its db-config is false." % options["service"],
                "Set db-config to true first, or name another place.",
            )
        return
    text = sight.found.written(instance.DB_URI) or ""
    database = options["database"] or known(uri.database_of(text)) or known(uri.database_of(in_use(sight, "db-uri")))
    if not database:
        if options["place"] != places.DATABASE:
            return
        raise InputError(
            "Nothing tells which database service %s serves: its db-uri doesn't, and it has no container."
            % options["service"],
            "Name it as database.",
        )
    role = options["user"] or uri.user_of(text) or uri.user_of(in_use(sight, "db-uri")) or DEFAULT_LOGIN
    sight.found.database = in_database.read(postgres, role, database)


def known(name: Optional[str]) -> str:
    """Return a name that holds no variable, else an empty text."""
    return "" if name is None or uri.has_reference(name) or "$(" in name else name


class Edit(NamedTuple):
    """What is to be done.

    Arguments:
        planned: what becomes of the compose file. plan: every change. edited: those of other files.
        statements: those of the database. assigned: by place, the settings.
        reload: what lets a running instance take them up without a new container.
        absent: variables that a container isn't to have.
    """

    planned: instance.InstancePlan
    plan: Plan
    edited: List[Change]
    statements: List[Change]
    assigned: places.Asked
    reload: str
    absent: List[str]


def make_edit(options: Dict[str, Any], settings: instance.Settings, context: ComposeContext, sight: Sight) -> Edit:
    """Return what is to become of the files and of the database, from what is there."""
    service, found = options["service"], sight.found
    parts = {name: options[name] for name in ("database", "user", "host")}
    nothing: places.Asked = {name: {} for name in places.PLACES}
    if options["state"] == "absent":
        planned = instance.plan_absent(sight.files, service, options["extends"])
        return _edit(planned, context, [], [], nothing, sight)
    if options["extends"]:
        place = places.ENVIRONMENT if options["place"] == places.AUTO else options["place"]
        assigned = places.assign(settings, place, found, sight.version)
        planned = instance.plan_instance(
            sight.files,
            service,
            options["extends"],
            options["container_name"],
            assigned[places.ENVIRONMENT],
            **parts,
            version=sight.version,
            elsewhere=found.outside_compose_file(),
        )
        return _edit(planned, context, [], database_changes(sight, assigned), assigned, sight)
    instance.refuse_two_uris(settings, *parts.values())
    assigned = places.assign(settings, options["place"], found, sight.version)
    elsewhere = places.changed_uri(found, **parts)
    if elsewhere is not None:
        assigned[elsewhere[0]][instance.DB_URI] = elsewhere[1]
        parts = dict.fromkeys(parts)
    planned = instance.plan_settings(sight.files, service, assigned[places.ENVIRONMENT], **parts)
    documents, directory = sight.files.documents(), context.project.directory
    if planned.changed:
        before_it, documents = documents, sight.files.with_target(planned.data).documents()
        places.refuse_to_change_others(before_it, documents, service)
    edited = places.env_file_changes(found, assigned[places.ENV_FILE], documents, directory)
    if sight.conf is not None and found.conf is not None:
        planned.warnings += [
            "%s of %s is no setting of PostgREST, which ignores it." % (name, sight.conf.path)
            for name in found.conf.unknown()
        ]
        before = read_bytes(sight.conf.path)
        edited += places.conf_changes(found, assigned[places.FILE], documents, directory, before)
    # Of the environment a container has what its env files say, too.
    variables = dict(found.env_file_variables())
    for change in edited:
        if change.what in dict(found.env_files):
            found.env_files = [
                (path, change.data[1] if path == change.what else data) for path, data in found.env_files
            ]
            variables = found.env_file_variables()
    planned.environment = dict(variables, **planned.environment)
    return _edit(planned, context, edited, database_changes(sight, assigned), assigned, sight)


def database_changes(sight: Sight, assigned: places.Asked) -> List[Change]:
    """Return the changes of the database's settings."""
    wanted = assigned[places.DATABASE]
    return [] if sight.found.database is None else in_database.make_changes(sight.found.database, wanted)


def _edit(
    planned: instance.InstancePlan,
    context: ComposeContext,
    edited: List[Change],
    statements: List[Change],
    assigned: places.Asked,
    sight: Sight,
) -> Edit:
    before = context.override if context.is_override else context.document.data
    plan = Plan(warnings=context.warnings + planned.warnings)
    if planned.changed:
        plan.add(
            Change(
                context.target,
                instance.shown_file(before, context.target),
                instance.shown_file(planned.data, context.target),
            )
        )
    for change in edited + statements:
        plan.add(change)
    if any(setting.secret for setting, value in assigned[places.DATABASE].items() if value is not None):
        plan.warnings.append(
            "Every role of the server can read what is set in the database, secrets as well. Keep them in the"
            " environment."
        )
    reloads = []
    if statements:
        reloads += [setting.reload_in(sight.version) for setting in assigned[places.DATABASE]]
    if sight.conf is not None and any(change.what == sight.conf.path for change in edited):
        reloads += (
            [NEW_CONTAINER]
            if sight.conf.is_alone
            else [setting.reload_in(sight.version) for setting in assigned[places.FILE]]
        )
    names = [
        name
        for place in (places.ENVIRONMENT, places.ENV_FILE)
        for setting, value in assigned[place].items()
        if value is None
        for name in setting.variables
        if name not in planned.environment
    ]
    return Edit(planned, plan, edited, statements, assigned, strongest(reloads), names)


def is_stale(sight: Sight, edit: Edit, check_mode: bool) -> bool:
    """Return whether a container is older than its configuration file, and needs a new start for what changed in it."""
    if sight.conf is None or not edit.assigned[places.FILE]:
        return False
    for_start = sight.conf.is_alone or any(
        setting.reload_in(sight.version) == NEW_CONTAINER for setting in edit.assigned[places.FILE]
    )
    if not for_start:
        return False
    if check_mode and any(change.what == sight.conf.path for change in edit.edited):
        return True
    changed_at = os.stat(sight.conf.path).st_mtime
    return any(changed_at > started_at(inspection) for inspection in sight.inspections)


def started_at(inspection: Mapping[str, Any]) -> float:
    """Return when a container was started, in seconds since 1970."""
    text = str(inspection["State"].get("StartedAt") or "").rstrip("Z")
    whole, _dot, fraction = text.partition(".")
    try:
        return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (fraction or "0"))
    except ValueError:
        return 0.0


def is_pending(sight: Sight, edit: Edit, engine: Optional[Docker], check_mode: bool) -> bool:
    """Return whether a container has to be made, made anew or started anew."""
    environments = [list(item["Config"].get("Env") or []) for item in sight.inspections]
    absent = edit.absent
    held = {text.partition("=")[0] for environment in environments for text in environment}
    if engine is not None and held.intersection(absent):
        # What its image says is there whatever the files say.
        for item in sight.inspections:
            image = (engine.image_or_none(item["Image"]) or {}).get("Config") or {}
            given = dict(text.partition("=")[::2] for text in image.get("Env") or [])
            absent = [name for name in absent if name not in given]
    return (
        instance.is_pending(edit.planned.environment, environments, absent)
        or is_stale(sight, edit, check_mode)
        # Only this run can tell: nothing shows what a process has read from its database.
        or (edit.reload == NEW_CONTAINER and bool(edit.statements))
    )


def check_journal(edit: Edit) -> None:
    """Raise StateError where a change couldn't be taken back from a journal, since those hold no secrets."""
    for change in edit.statements:
        if any(isinstance(value, Secret) for statement in change.undo for value in statement.values):
            raise StateError(
                "%s can't be taken back later: a journal holds no secrets." % change.what,
                "Leave out journal, or take it away first.",
            )


def apply(
    options: Dict[str, Any],
    context: ComposeContext,
    sight: Sight,
    edit: Edit,
    postgres: Optional[Postgres],
    check_mode: bool,
) -> Dict[str, Any]:
    """Write the journal, the database's settings and the files, all or nothing as far as the server allows it."""
    service, journal = options["service"], options["journal"]
    before = context.override if context.is_override else context.document.data
    changes: List[FileChange] = []
    if edit.planned.changed:
        # A db-uri with its password may be copied: whoever can't read the one file is not to read the other.
        mode = os.stat(context.path).st_mode & 0o777
        changes.append(FileChange(context.target, before, edit.planned.data, mode))
    changes += [FileChange(change.what, *change.data) for change in edit.edited]
    of_environment = edit.planned.changed or any(change.what != conf_of(sight) for change in edit.edited)
    if journal:
        check_journal(edit)
    if journal and not check_mode:
        if edit.reload != NOTHING:
            # Undone after what stands below it: what the process has read is read anew with a new start.
            for process in sight.processes:
                append_json_line(os.path.abspath(journal), gateway_entry(process.name, restart=True))
    with ExitStack() as stack:
        if edit.statements and postgres is not None and not check_mode:
            transaction = stack.enter_context(postgres.transaction(""))
            for change in edit.statements:
                if journal:
                    append_json_line(os.path.abspath(journal), sql_entry(uuid.uuid4().hex, change.what, change.undo))
                for statement in change.statements:
                    transaction.execute(statement)
        wanted = Wanted(service_paths([service]))
        services = [service] if of_environment else []
        result = context.apply(changes, wanted, services, check_mode, created=not sight.inspections)
    backups = result.pop("backup_files")
    result.update(path_written=changes[0].path if changes else "", backup_file=backups[0] if backups else "")
    return result


def conf_of(sight: Sight) -> str:
    """Return the configuration file's path, an empty text where there is none."""
    return "" if sight.conf is None else sight.conf.path


def reload(sight: Sight, edit: Edit, engine: Optional[Docker], postgres: Optional[Postgres]) -> bool:
    """Let running instances read their settings again; return whether any was told to."""
    running = [process for process in sight.processes if process.runs]
    if edit.reload not in MESSAGES or not running:
        return False
    messages, found = MESSAGES[edit.reload], sight.found.database
    if postgres is not None and found is not None and hears_messages(sight, running):
        for channel in sorted({process.channel for process in running}):
            for statement in in_database.notify(channel, messages, found.database):
                postgres.execute(statement)
        return True
    if engine is None:
        return False
    for process in running:
        for message in messages:
            engine.signal(process.name, SIGNALS[message])
    return True


def hears_messages(sight: Sight, running: List[Process]) -> bool:
    """Return whether all of them listen to a channel that their environment tells."""
    conf = sight.found.conf
    if conf is not None and any(conf.get(find(name)) is not None for name in ("db-channel", "db-channel-enabled")):
        return False
    return all(process.channel for process in running)


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
