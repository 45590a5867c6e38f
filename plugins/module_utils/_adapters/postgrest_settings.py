# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance's settings where they live: looked at, planned, written, and taken up by what runs."""

import os
import uuid
from contextlib import ExitStack
from typing import Any, Dict, List, NamedTuple, Optional

from .._compose.resolved import Wanted, service_paths
from .._core.errors import BulkheadError, InputError, StateError
from .._core.inspection import environment_of, started_at
from .._core.plan import Change, Plan
from .._core.sql import Secret
from .._journal.journal import gateway_entry, sql_entry
from .._postgrest import in_database, instance, places, uri
from .._postgrest.conf_file import ConfFile
from .._postgrest.process import DEFAULT_LOGIN, Process
from .._postgrest.settings import (
    NEW_CONTAINER,
    NOTHING,
    RELOAD_CONFIG,
    RELOAD_SCHEMA,
    check_version,
    find,
    major_of,
    strongest,
)
from .compose_context import ComposeContext
from .compose_files import FileChange
from .compose_project import service_containers
from .docker import Docker
from .files import append_json_line, read_bytes, read_bytes_or_none
from .postgres import Postgres

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
    return any(changed_at > (started_at(inspection) or 0.0) for inspection in sight.inspections)


def is_pending(sight: Sight, edit: Edit, engine: Optional[Docker], check_mode: bool) -> bool:
    """Return whether a container has to be made, made anew or started anew."""
    environments = [list(item["Config"].get("Env") or []) for item in sight.inspections]
    absent = edit.absent
    held = {text.partition("=")[0] for environment in environments for text in environment}
    if engine is not None and held.intersection(absent):
        # What its image says is there whatever the files say.
        for item in sight.inspections:
            given = environment_of(engine.image_or_none(item["Image"]) or {})
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
