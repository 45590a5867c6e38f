# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgREST instance in compose files: its settings, and a second one that is based on the first by ``extends``."""

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import Any, Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._compose.display import shown
from .._compose.document import Document, Node
from .._compose.edit import matches
from .._compose.environment import Variables, plan_environment, read_environment
from .._compose.model import Model, extended_by
from .._compose.override import plan_override_environment
from .._compose.placement import is_secret as is_secret_variable
from .._compose.service import add_service, remove_service
from .._core.errors import ConflictError, InputError, StateError
from .._core.inspection import variables_of
from .._core.text import nearest
from . import uri
from .settings import PREFIX, Setting, find, unknown_variables

DB_URI = find("db-uri")
SERVER_PORT, ADMIN_PORT = find("server-port"), find("admin-server-port")
OWN_KEYS = ("extends", "container_name", "environment")
# Of version 14 and later: it asks the admin server. By default Compose would wait for half a minute before it asks.
FIRST_WITH_READY = 14
HEALTHCHECK = {"test": ["CMD", "postgrest", "--ready"], "interval": "5s", "timeout": "5s", "start_period": "30s"}
DEFAULT_SERVER_PORT, HIGHEST_PORT = 3000, 65535
# By name, its value; None is a setting that is to be removed.
Settings = Mapping[Setting, Optional[str]]

# A line of a file: what stands behind an app setting's name, and the password of a URI, to the last @ of it.
_APP_SETTING = re.compile(r"(PGRST_APP_SETTINGS_\w+[\"']?\s*[:=][ \t]*)([^\s#][^\r\n]*)", re.IGNORECASE)
_URI_PASSWORD = re.compile(r"(postgres(?:ql)?://[^\s:/@\"']*:)([^\s\"']+)(@)")


@dataclass(frozen=True)
class Files:
    """What a plan looks at.

    Arguments:
        bases: the project's compose files, the one that was named first; the override file left out.
        override: the override file's content; None where there is none. override_name: what messages call it;
            empty where the compose file itself is edited.
        base_file: the named compose file as the override file refers to it.
        order: the names of the documents as Compose merges them; one that isn't there comes after them.
    """

    bases: Sequence[Document]
    override: Optional[bytes] = None
    override_name: str = ""
    base_file: str = ""
    order: Sequence[str] = ()

    @property
    def before(self) -> Optional[bytes]:
        """The content of the file that is edited."""
        return self.override if self.override_name else self.bases[0].data

    @property
    def target_name(self) -> str:
        """What messages call that file."""
        return self.override_name or self.bases[0].name

    def target_document(self) -> Optional[Document]:
        """Return the file that is edited; None where it doesn't exist or is empty."""
        if not self.override_name:
            return self.bases[0]
        return (
            None if self.override is None or not self.override.strip() else Document(self.override, self.override_name)
        )

    def with_target(self, data: Optional[bytes]) -> "Files":
        """Return the same, with another content of the file that is edited."""
        if self.override_name:
            return replace(self, override=data)
        return replace(self, bases=[Document(data or b"", self.bases[0].name), *self.bases[1:]])

    def documents(self) -> List[Document]:
        """Return all files that have services, in the order in which Compose merges them."""
        order = list(self.order) or [document.name for document in self.bases]
        documents = sorted(
            self.bases,
            key=lambda document: order.index(document.name) if document.name in order else len(order),
        )
        override = self.target_document() if self.override_name else None
        return documents + ([override] if override is not None and _services(override) else [])

    def after_target(self) -> List[Document]:
        """Return the files of which Compose takes the values instead of those of the file that is edited."""
        if self.override_name:
            return []
        documents = self.documents()
        return documents[documents.index(self.bases[0]) + 1 :]


@dataclass
class InstancePlan:
    """What is to become of an instance.

    Arguments:
        data: the new content of the file that is edited; None where it is to be gone or stays away.
        environment: what the instance's containers are to have, as it is written.
        reverted: whether the instance is to be gone.
    """

    data: Optional[bytes]
    changed: bool
    environment: Variables = field(default_factory=dict)
    warnings: List[str] = field(default_factory=list)


def plan_settings(
    files: Files,
    service: str,
    settings: Settings,
    database: Optional[str],
    user: Optional[str] = None,
    host: Optional[str] = None,
) -> InstancePlan:
    """Return the files in which an instance that is there has these settings, and serves this database.

    Arguments:
        database, user, host: the parts of its db-uri that are to change.

    Raises:
        InputError: there is no such service, or its db-uri has a form in which that part can't be changed.
        StateError: the service isn't PostgREST.
    """
    refuse_two_uris(settings, database, user, host)
    bases = require_service(files, service)
    current = environment_of(bases, service)
    variables = _variables(settings, current)
    if (database, user, host) != (None, None, None):
        name = name_in(DB_URI, current)
        where = "%s of service %s" % (name, service)
        variables[name] = uri.change_parts(_written_uri(current, service, files), database, user, host, where)
    _refuse_what_another_file_undoes(files, service, variables)
    warnings = _warnings(service, current, settings)
    changed, data = False, files.before
    if variables and files.override_name and service in _services(files.bases[0]):
        outcome = plan_override_environment(files.bases, files.override, [service], variables, files.override_name)
        changed, data = outcome.changed, outcome.data
    elif variables:
        document = files.target_document()
        if document is None or service not in _services(document):
            raise StateError(
                "Service %s stands in %s, not in %s." % (service, bases[0].name, files.target_name),
                "Name that file as path.",
            )
        edited = plan_environment(document, [service], variables).document
        changed, data = edited is not None, files.before if edited is None else edited.data
    environment = dict(current)
    environment.update(variables)
    removed = {name for name, value in variables.items() if value is None}
    environment = {name: value for name, value in environment.items() if name not in removed}
    if any(name in variables for name in ADMIN_PORT.variables + SERVER_PORT.variables):
        _refuse_one_port_for_two(service, environment)
    return InstancePlan(data, changed, environment, warnings)


def refuse_two_uris(settings: Settings, *parts: Optional[str]) -> None:
    """Raise InputError where db-uri is asked for as a whole and in parts: one of the two would be lost."""
    if DB_URI in settings and any(part is not None for part in parts):
        raise InputError(
            "db-uri is asked for as a whole and in parts.", "Leave it out of settings, or leave out its parts."
        )


def require_service(files: Files, service: str) -> List[Document]:
    """Return the files that have a service; raise InputError where none has it, StateError where it isn't PostgREST."""
    documents = [document for document in files.documents() if service in _services(document)]
    if not documents:
        raise _no_service(files, service)
    require_postgrest(documents, service)
    return documents


def _refuse_what_another_file_undoes(files: Files, service: str, variables: Variables) -> None:
    for document in files.after_target():
        if service not in _services(document):
            continue
        later = read_environment(Model(document), service)
        undone = [name for name, value in variables.items() if name in later and later[name] != value]
        if undone:
            raise ConflictError(
                "%s of service %s is set in %s too, which wins." % (", ".join(undone), service, document.name),
                "Change it there with mode=override, or take it out of that file.",
            )
    for document in [] if files.override_name else files.documents():
        if document is files.bases[0] or service not in _services(document):
            continue
        held = read_environment(Model(document), service)
        left = [name for name, value in variables.items() if value is None and name in held]
        if left:
            raise ConflictError(
                "%s of service %s is set in %s too." % (", ".join(left), service, document.name),
                "Take it out of that file: name it as path.",
            )


def plan_instance(
    files: Files,
    service: str,
    base: str,
    container_name: Optional[str],
    settings: Settings,
    database: Optional[str],
    user: Optional[str] = None,
    host: Optional[str] = None,
    version: Optional[int] = None,
    elsewhere: Optional[Variables] = None,
) -> InstancePlan:
    """Return the file in which there is a second instance, based on the first.

    It has an admin server, which its readiness is asked of, and is checked for it where the first one isn't.

    Arguments:
        database, user, host: the parts of the first one's db-uri that are others for this one.
        version: the major one, as the first one's image or the caller says it; None where neither does.
        elsewhere: what the first one's env files and configuration file say, by variables; None: nobody can tell.

    Raises:
        InputError: the first one isn't there, or nothing tells the two apart.
        StateError: the first one isn't PostgREST, or has what a second one can't have too.
        ConflictError: a service of that name is there and isn't ours.
    """
    refuse_two_uris(settings, database, user, host)
    first = files.bases[0]
    if service == base:
        raise InputError(
            "Service %s can't be based on itself." % service, "Name another service, or leave out extends."
        )
    if base not in _services(first):
        raise _no_service(Files([first]), base)
    require_postgrest([first], base)
    inherited = environment_of([first], base)
    name = name_in(DB_URI, inherited)
    variables = _variables(settings, inherited)
    held = {**(elsewhere or {}), **inherited}
    kept = [variable for variable, value in variables.items() if value is None and variable in held]
    if kept:
        raise ConflictError(
            "%s comes to service %s from service %s, and can't be removed here." % (", ".join(kept), service, base),
            "Give it another value; an empty text is PostgREST's default.",
        )
    variables = {variable: value for variable, value in variables.items() if value is not None}
    if database is not None or (name in inherited and (user, host) != (None, None)):
        written = _written_uri(inherited, base, files)
        variables[name] = uri.change_parts(written, database, user, host, "%s of service %s" % (name, base))
    elif name not in variables:
        raise InputError(
            "Nothing says which database service %s is for." % service, "Set database, or the setting db-uri."
        )
    has_admin_server = _add_admin_port(variables, held)
    _refuse_one_port_for_two(service, {**held, **variables})
    _refuse_what_cannot_be_twice(first, base, container_name)
    extends: Dict[str, Any] = {"service": base}
    if files.override_name:
        extends = {"file": files.base_file, "service": base}
    definition: Dict[str, Any] = {"extends": extends}
    if container_name:
        definition["container_name"] = container_name
    definition["environment"] = {key: variables[key] for key in sorted(variables, key=lambda key: (key != name, key))}
    if has_admin_server and (version or 0) >= FIRST_WITH_READY and not _has_healthcheck(first, base):
        definition["healthcheck"] = HEALTHCHECK
    others = [
        document for document in files.bases if service in _services(document) and document.name != files.target_name
    ]
    if others:
        raise ConflictError(
            "Service %s is there already, in %s, and isn't based on %s." % (service, others[0].name, base),
            "Choose another name, or leave out extends to change its settings.",
        )
    data = _with_instance(files, service, base, definition)
    environment = dict(inherited)
    environment.update(_own_environment(data, files.target_name, service))
    return InstancePlan(data, data != files.before, environment, _warnings(service, environment, settings))


def plan_absent(files: Files, service: str, base: Optional[str]) -> InstancePlan:
    """Return the file without a second instance.

    Raises:
        ConflictError: the service isn't based on another one, or on another one than was named.
    """
    document = files.target_document()
    services = {} if document is None else _services(document)
    if service not in services:
        for other in files.bases:
            if service in _services(other):
                raise ConflictError(
                    "Service %s stands in %s, which isn't edited here." % (service, other.name),
                    "Only an instance that was added with extends is removed; see mode and path.",
                )
        return InstancePlan(files.before, False)
    extended = _extended(services[service])
    if extended is None or (base and extended != base):
        raise ConflictError(
            "Service %s of %s is %s; it is not removed."
            % (
                service,
                files.target_name,
                "based on %s" % extended if extended else "no instance that was added with extends",
            ),
            "Only an instance that was added with extends is removed.",
        )
    data = remove_service(files.before or b"", service, files.target_name)
    return InstancePlan(data, True)


def _with_instance(files: Files, service: str, base: str, definition: Dict[str, Any]) -> bytes:
    document = files.target_document()
    own = None if document is None else _services(document).get(service)
    if document is None or own is None:
        return add_service(files.before, service, definition, files.target_name)
    if _extended(own) != base:
        raise ConflictError(
            "Service %s of %s is there already, and isn't based on %s." % (service, files.target_name, base),
            "Choose another name, or leave out extends to change its settings.",
        )
    if all(key.value in OWN_KEYS or _is_our_healthcheck(key, value) for key, value in own.pairs):
        return add_service(files.before, service, definition, files.target_name)
    # Somebody added keys: they stay.
    named = own.get("container_name")
    if definition.get("container_name") not in (None, named.resolved().value if named else None):
        raise ConflictError(
            "Service %s of %s has keys of its own and another container_name." % (service, files.target_name),
            "Change its container_name there, or leave it out here.",
        )
    edited = plan_environment(document, [service], definition["environment"]).document
    return document.data if edited is None else edited.data


def _is_our_healthcheck(key: Node, value: Node) -> bool:
    return key.value == "healthcheck" and matches(value.resolved(), HEALTHCHECK)


def _has_healthcheck(document: Document, base: str) -> bool:
    return any(model.find(name, "healthcheck") is not None for model, name in lineage([document], base))


def _add_admin_port(variables: Dict[str, Optional[str]], inherited: Variables) -> bool:
    """Give the new instance an admin server where it has none, next to its own port; return whether it has one."""
    held = {**inherited, **variables}
    if name_in(ADMIN_PORT, held) in held:
        return bool(held[name_in(ADMIN_PORT, held)])
    written = held.get(name_in(SERVER_PORT, held), "")
    # PostgREST takes its default for what is no number. A variable may be any.
    if written is None or uri.has_reference(written):
        return False
    port = (int(written) if re.match(r"^\d+\Z", written) else DEFAULT_SERVER_PORT) + 1
    if port <= HIGHEST_PORT:
        variables[ADMIN_PORT.variable] = str(port)
    return port <= HIGHEST_PORT


def _refuse_one_port_for_two(service: str, environment: Variables) -> None:
    """Raise ConflictError where the admin server would be on the server's own port."""
    admin = environment.get(name_in(ADMIN_PORT, environment))
    server = environment.get(name_in(SERVER_PORT, environment), str(DEFAULT_SERVER_PORT))
    if admin and admin == server:
        raise ConflictError(
            "Service %s would have its admin server on its own port, %s: PostgREST would end at once."
            % (service, admin),
            "Set admin-server-port to another one.",
        )


def _refuse_what_cannot_be_twice(document: Document, base: str, container_name: Optional[str]) -> None:
    """Raise StateError where ``extends`` would give the second instance what only one container can have."""
    ports = _effective(document, base, "ports")
    if ports is not None and (ports.items or ports.pairs):
        raise StateError(
            "Service %s publishes ports, and a service that extends it would publish the same (line %d of %s)."
            % (base, document.line_number(ports.start), document.name),
            "Services of a project reach each other without: remove them, or write the second service by hand.",
        )
    if _effective(document, base, "container_name") is not None and not container_name:
        raise InputError(
            "Service %s has a container_name, and a service that extends it would have the same." % base,
            "Set container_name for the new one.",
        )
    mode = _effective(document, base, "network_mode")
    if mode is not None and mode.value == "host":
        raise StateError(
            "Service %s is on the host's network: a second instance would listen on the same port." % base,
            "Give it a network of its own first, or write the second service by hand.",
        )
    networks = _effective(document, base, "networks")
    for key, value in networks.pairs if networks is not None else ():
        attachment = value.resolved()
        for forbidden in ("aliases", "ipv4_address", "ipv6_address"):
            held = attachment.get(forbidden) if attachment.kind == "mapping" else None
            if held is not None and not held.resolved().is_null:
                raise StateError(
                    "Service %s has %s in its network %s, and one that extends it would have the same (line %d of %s)."
                    % (base, forbidden, key.value, document.line_number(held.start), document.name),
                    "Requests for the one would reach the other: remove it, or write the second service by hand.",
                )


def require_postgrest(documents: Sequence[Document], service: str) -> None:
    """Raise StateError where a service isn't PostgREST: no variable of its settings, and not in its image's name."""
    image = ""
    for document in documents:
        found = _effective(document, service, "image")
        image = found.value if found is not None else image
    if "postgrest" in image.lower():
        return
    if any(variable.startswith(PREFIX) for variable in environment_of(documents, service)):
        return
    raise StateError(
        "Service %s of %s isn't PostgREST: its image is %s, and its environment has no %s variable."
        % (service, documents[0].name, image or "not named", PREFIX),
        "Name the service that runs PostgREST.",
    )


def environment_of(documents: Sequence[Document], service: str) -> Variables:
    """Return a service's environment as it is written, all files and what it extends taken together."""
    environment: Variables = {}
    for document in documents:
        services = _services(document)
        if service not in services:
            continue
        extended = _extended_elsewhere(document, service)
        if extended is not None:
            environment.update(environment_of([other for other in documents if other is not document], extended))
        environment.update(read_environment(Model(document), service))
    return environment


def agrees(written: Optional[str], actual: Optional[str]) -> bool:
    """Return whether a container's variable can be what is written: ``${…}`` may have been anything."""
    if written is None:
        return True
    if actual is None:
        return False
    pattern, position = "", 0
    for start, end in uri.replaced_spans(written):
        pattern += re.escape(written[position:start]) + (re.escape("$") if written[start:end] == "$$" else ".*")
        position = end
    pattern += re.escape(written[position:])
    return re.match(pattern + r"\Z", actual, re.DOTALL) is not None


def is_pending(
    environment: Variables, container_environments: Sequence[Sequence[str]], absent: Collection[str] = ()
) -> bool:
    """Return whether any container was made with another environment than the written one, or there is none at all.

    Arguments:
        absent: variables that a container isn't to have.
    """
    if not container_environments:
        return True
    for entries in container_environments:
        held = variables_of(entries)
        if any(not agrees(written, held.get(name)) for name, written in environment.items() if name.startswith(PREFIX)):
            return True
        if any(name in held for name in absent):
            return True
    return False


def lineage(documents: Sequence[Document], service: str) -> Iterator[Tuple[Model, str]]:
    """Yield the definitions that make up a service, also those that it extends; a later one wins."""
    for document in documents:
        services = _services(document)
        if service not in services:
            continue
        extended = _extended_elsewhere(document, service)
        if extended is not None:
            yield from lineage([other for other in documents if other is not document], extended)
        model = Model(document)
        for name in reversed([service, *model.base_chain(service)]):
            yield model, name


def image_of(documents: Sequence[Document], service: str) -> str:
    """Return a service's image as it is written; an empty text where none is named."""
    image = ""
    for model, name in lineage(documents, service):
        found = model.find(name, "image")
        image = found.value.resolved().value if found is not None else image
    return image


def shown_file(data: Optional[bytes], name: str) -> str:
    """Return a compose file as a diff may show it: secrets masked, also those that only PostgREST's names tell."""
    return _URI_PASSWORD.sub(_mask_password, _APP_SETTING.sub(_mask_setting, shown(data, name)))


def _mask_setting(found: "re.Match[str]") -> str:
    value = found.group(2)
    return found.group() if uri.is_only_references(value.strip("\"'")) else found.group(1) + uri.MASK


def _mask_password(found: "re.Match[str]") -> str:
    return found.group() if uri.is_only_references(found.group(2)) else found.group(1) + uri.MASK + found.group(3)


def services_of(documents: Sequence[Document]) -> List[str]:
    """Return the names of all services."""
    return list(dict.fromkeys(name for document in documents for name in _services(document)))


def written_out_secrets(settings: Settings) -> List[Tuple[str, str]]:
    """Return the settings whose value is a secret that stands there itself, each with that secret."""
    found = []
    for setting, text in settings.items():
        if text is None:
            continue
        if setting == DB_URI:
            span = uri.parse(text).password
            if span is not None and uri.masked(text) != text:
                found.append((setting.name, text[span[0] : span[1]]))
        elif setting.secret and text and not text.startswith("@") and is_secret_variable(setting.variable, text):
            found.append((setting.name, text))
    return found


def _variables(settings: Settings, current: Variables) -> Dict[str, Optional[str]]:
    return {name_in(setting, current): text for setting, text in settings.items()}


def name_in(setting: Setting, current: Collection[str]) -> str:
    """Return the variable of a setting: an older name where the service has it under that one."""
    return next((variable for variable in setting.variables if variable in current), setting.variable)


def _written_uri(current: Variables, service: str, files: Files) -> str:
    name = name_in(DB_URI, current)
    written = current.get(name)
    if written is None:
        raise StateError(
            "%s of service %s doesn't stand in %s, so its database can't be changed there."
            % (name, service, files.bases[0].name),
            "Write it there, with ${…} for what is secret, or set the setting db-uri.",
        )
    return written


def _warnings(service: str, current: Variables, settings: Settings) -> List[str]:
    warnings = [
        "%s of service %s is no setting of PostgREST, which ignores it.%s"
        % (variable, service, " Did you mean %s?" % near if near else "")
        for variable, near in unknown_variables(current)
    ]
    for name, _secret in written_out_secrets(settings):
        warnings.append(
            "The value of %s is written out. Write ${VARIABLE} for it, and keep the secret in the project's env file."
            % name
        )
    return warnings


def _services(document: Document) -> Dict[str, Node]:
    root = document.root
    services = root.get("services") if root is not None and root.kind == "mapping" else None
    if services is None or services.kind != "mapping":
        return {}
    return {
        key.value: value.resolved() for key, value in services.pairs if key.kind == "scalar" and not key.is_merge_key
    }


def _effective(document: Document, service: str, key: str) -> Optional[Node]:
    if service not in _services(document):
        return None
    model = Model(document)
    for name in [service] + model.base_chain(service):
        found = model.find(name, key)
        if found is not None and not found.value.resolved().is_null:
            return found.value.resolved()
    return None


def _extended(service: Node) -> Optional[str]:
    value = service.get("extends") if service.kind == "mapping" else None
    if value is None:
        return None
    value = value.resolved()
    named = value.get("service") if value.kind == "mapping" else value
    return None if named is None else named.resolved().value


def _extended_elsewhere(document: Document, service: str) -> Optional[str]:
    """Return what a service of one file extends in another one; None where it extends nothing there."""
    services = _services(document)
    path, extended = extended_by(services[service], document.name)
    is_here = path == posixpath.normpath(document.name) and extended in services
    return None if extended is None or is_here or extended == service else extended


def _own_environment(data: bytes, name: str, service: str) -> Variables:
    return read_environment(Model(Document(data, name)), service)


def _no_service(files: Files, service: str) -> InputError:
    names = list(dict.fromkeys(name for document in files.documents() for name in _services(document)))
    near = nearest(service, names)
    return InputError(
        "%s has no service %s." % (files.bases[0].name, service),
        "%sThere are: %s." % ("Did you mean %s? " % near if near else "", ", ".join(names) or "none"),
    )
