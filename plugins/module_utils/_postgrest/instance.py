# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgREST instance in compose files: its settings, and a second one that is based on the first by ``extends``."""

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._compose.document import Document, Node
from .._compose.environment import Variables, plan_environment, read_environment
from .._compose.model import Model
from .._compose.override import plan_override_environment
from .._compose.placement import is_secret as is_secret_variable
from .._compose.service import add_service, remove_service
from .._core.errors import ConflictError, InputError, StateError
from .._core.text import nearest
from . import uri
from .settings import PREFIX, Setting, find, unknown_variables

DB_URI = find("db-uri")
OWN_KEYS = ("extends", "container_name", "environment")

_SHORTEST_MASKED_EVERYWHERE = 8


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


def plan_settings(files: Files, service: str, settings: Mapping[Setting, str], database: Optional[str]) -> InstancePlan:
    """Return the files in which an instance that is there has these settings, and serves this database.

    Raises:
        InputError: there is no such service, or its db-uri has a form in which the database can't be changed.
        StateError: the service isn't PostgREST.
    """
    bases = [document for document in files.documents() if service in _services(document)]
    if not bases:
        raise _no_service(files, service)
    require_postgrest(bases, service)
    current = environment_of(bases, service)
    variables = _variables(settings, current)
    if database is not None:
        name = _name_in(DB_URI, current)
        variables[name] = uri.change_database(
            _written_uri(current, service, files), database, "%s of service %s" % (name, service)
        )
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
    return InstancePlan(data, changed, environment, warnings)


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


def plan_instance(
    files: Files,
    service: str,
    base: str,
    container_name: Optional[str],
    settings: Mapping[Setting, str],
    database: Optional[str],
) -> InstancePlan:
    """Return the file in which there is a second instance, based on the first.

    Raises:
        InputError: the first one isn't there, or nothing tells the two apart.
        StateError: the first one isn't PostgREST, or has what a second one can't have too.
        ConflictError: a service of that name is there and isn't ours.
    """
    first = files.bases[0]
    if service == base:
        raise InputError(
            "Service %s can't be based on itself." % service, "Name another service, or leave out extends."
        )
    if base not in _services(first):
        raise _no_service(Files([first]), base)
    require_postgrest([first], base)
    inherited = environment_of([first], base)
    name = _name_in(DB_URI, inherited)
    variables = _variables(settings, inherited)
    if database is not None:
        written = _written_uri(inherited, base, files)
        variables[name] = uri.change_database(written, database, "%s of service %s" % (name, base))
    elif name not in variables:
        raise InputError(
            "Nothing says which database service %s is for." % service, "Set database, or the setting db-uri."
        )
    _refuse_what_cannot_be_twice(first, base, container_name)
    extends: Dict[str, Any] = {"service": base}
    if files.override_name:
        extends = {"file": files.base_file, "service": base}
    definition: Dict[str, Any] = {"extends": extends}
    if container_name:
        definition["container_name"] = container_name
    definition["environment"] = {key: variables[key] for key in sorted(variables, key=lambda key: (key != name, key))}
    elsewhere = [
        document for document in files.bases if service in _services(document) and document.name != files.target_name
    ]
    if elsewhere:
        raise ConflictError(
            "Service %s is there already, in %s, and isn't based on %s." % (service, elsewhere[0].name, base),
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
    if all(key.value in OWN_KEYS for key, _value in own.pairs):
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
        extended = _extended(services[service])
        if extended is not None and extended not in services and extended != service:
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


def is_pending(environment: Variables, container_environments: Sequence[Sequence[str]]) -> bool:
    """Return whether any container was made with another environment than the written one, or there is none at all."""
    if not container_environments:
        return True
    for entries in container_environments:
        held = dict(text.partition("=")[::2] for text in entries)
        if any(not agrees(written, held.get(name)) for name, written in environment.items() if name.startswith(PREFIX)):
            return True
    return False


def written_out_secrets(settings: Mapping[Setting, str]) -> List[Tuple[str, str]]:
    """Return the settings whose value is a secret that stands there itself, each with that secret."""
    found = []
    for setting, text in settings.items():
        if setting == DB_URI:
            span = uri.parse(text).password
            if span is not None and uri.masked(text) != text:
                found.append((setting.name, text[span[0] : span[1]]))
        elif setting.secret and text and not text.startswith("@") and is_secret_variable(setting.variable, text):
            found.append((setting.name, text))
    return found


def _variables(settings: Mapping[Setting, str], current: Variables) -> Dict[str, Optional[str]]:
    return {_name_in(setting, current): text for setting, text in settings.items()}


def _name_in(setting: Setting, current: Variables) -> str:
    """Return the variable of a setting: an older name where the service has it under that one."""
    return next((variable for variable in setting.variables if variable in current), setting.variable)


def _written_uri(current: Variables, service: str, files: Files) -> str:
    name = _name_in(DB_URI, current)
    written = current.get(name)
    if written is None:
        raise StateError(
            "%s of service %s doesn't stand in %s, so its database can't be changed there."
            % (name, service, files.bases[0].name),
            "Write it there, with ${…} for what is secret, or set the setting db-uri.",
        )
    return written


def _warnings(service: str, current: Variables, settings: Mapping[Setting, str]) -> List[str]:
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


def _own_environment(data: bytes, name: str, service: str) -> Variables:
    return read_environment(Model(Document(data, name)), service)


def _no_service(files: Files, service: str) -> InputError:
    names = list(dict.fromkeys(name for document in files.documents() for name in _services(document)))
    near = nearest(service, names)
    return InputError(
        "%s has no service %s." % (files.bases[0].name, service),
        "%sThere are: %s." % ("Did you mean %s? " % near if near else "", ", ".join(names) or "none"),
    )
