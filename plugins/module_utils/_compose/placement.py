# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a service's variable is set: the compose file, the project's env file, or the service's ``env_file``."""

import posixpath
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .._core.errors import ConflictError, InputError, StateError
from .._core.plan import Change, Plan
from .document import Document
from .dotenv import read_dotenv, set_dotenv
from .environment import (
    Variables,
    env_files_of,
    plan_environment,
    read_environment,
    readers_of,
    reference_of,
    variables_in,
)
from .model import Model
from .override import plan_override_environment

_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|KEY|TOKEN|CREDENTIAL|_PASS$", re.IGNORECASE)
_INLINE_PASSWORD = re.compile(r"(://[^/@:\s]*:)([^@\s]+)(@)")
MASK = "********"


@dataclass
class Placement:
    """Which file gets which variable.

    Arguments:
        compose: by service, what changes in the compose or override file.
        env_files: by path, what changes there.
        previous: by service, what was set before (None where nothing was).
        shared_with: by variable of an env file, the services that read it and were not asked for.
        touched: the services of which a variable changes.
    """

    compose: Dict[str, Variables] = field(default_factory=dict)
    env_files: Dict[str, Variables] = field(default_factory=dict)
    previous: Dict[str, Variables] = field(default_factory=dict)
    shared_with: Dict[str, List[str]] = field(default_factory=dict)
    touched: Set[str] = field(default_factory=set)

    def changed_services(self, services: Sequence[str]) -> List[str]:
        """Return the services of which a variable changes, those that share one included."""
        shared = {name for names in self.shared_with.values() for name in names}
        return [name for name in services if name in self.touched] + sorted(shared - set(services))


@dataclass
class EnvironmentState:
    """What placement looks at.

    Arguments:
        documents: the project's compose files, in the order in which Compose merges them.
        directory: the project's working directory.
        project_files: the project's env files, in order, by path; None as content where there is no file yet.
        service_files: the content of every ``env_file`` of the services asked for, by absolute path.
    """

    documents: Sequence[Document]
    directory: str
    project_files: Mapping[str, Optional[bytes]]
    service_files: Mapping[str, Optional[bytes]]


def masked(name: str, value: Optional[str]) -> Optional[str]:
    """Return a value as it may be shown: secrets masked, references as they are written."""
    if value is None or reference_of(value) is not None:
        return value
    if _SECRET_NAME.search(name) and value:
        return MASK
    return _INLINE_PASSWORD.sub(
        lambda found: found.group() if reference_of(found.group(2)) else found.group(1) + MASK + found.group(3), value
    )


def is_secret(name: str, value: Optional[str]) -> bool:
    """Return whether any part of a value must not be shown."""
    return masked(name, value) != value


def service_env_paths(state_directory: str, model: Model, service: str) -> List[str]:
    """Return a service's ``env_file`` paths, absolute; those that hold a reference are left out."""
    paths = env_files_of(model, service)
    return [posixpath.normpath(posixpath.join(state_directory, path)) for path in paths if not variables_in(path)]


def present_variables(state: EnvironmentState, services: Sequence[str]) -> Variables:
    """Return the variables that any of these services has, each as it is written where its value stands."""
    models = [Model(document) for document in state.documents]
    present: Variables = {}
    for service in services:
        for model in models:
            if service in model.nodes:
                for path in service_env_paths(state.directory, model, service):
                    present.update(_content(state.service_files, path))
                present.update(read_environment(model, service))
    for name, written in present.items():
        variable = name if written is None else reference_of(written)
        for path in state.project_files if variable else ():
            present[name] = _content(state.project_files, path).get(str(variable), present[name])
    return present


def place_variables(
    state: EnvironmentState, services: Sequence[str], variables: Variables, where: str, allow_shared: bool
) -> Placement:
    """Return where each variable of each service has to change, so that the service gets it.

    Raises:
        ConflictError: another service reads the variable of an env file too. StateError: it isn't where it has to be.
    """
    models = [Model(document) for document in state.documents]
    placement = Placement()
    problems: List[str] = []
    for service in services:
        current: Variables = {}
        own_paths: List[str] = []
        for model in models:
            if service in model.nodes:
                current.update(read_environment(model, service))
                own_paths += service_env_paths(state.directory, model, service)
        for name, value in variables.items():
            _place_one(state, placement, service, name, value, current, own_paths, where)
    asked = set(services)
    for path, changes in placement.env_files.items():
        for name in changes:
            others = sorted(_readers(state, models, path, name) - asked)
            if others:
                placement.shared_with[name] = others
                problems.append("%s of %s is read by %s as well" % (name, path, ", ".join(others)))
    if problems and not allow_shared:
        raise ConflictError(
            "%s; nothing was written." % "; ".join(problems),
            "Ask for these services too, set allow_shared=true, or set where=compose.",
            shared_with=placement.shared_with,
        )
    return placement


def _place_one(
    state: EnvironmentState,
    placement: Placement,
    service: str,
    name: str,
    value: Optional[str],
    current: Variables,
    own_paths: Sequence[str],
    where: str,
) -> None:
    stands = name in current
    written = current.get(name)
    variable = (reference_of(written) if written is not None else name) if stands else None
    own = [path for path in own_paths if name in _content(state.service_files, path)]
    previous = placement.previous.setdefault(service, {})
    to_compose = where == "compose" or (where == "auto" and (value is None or bool(variables_in(value))) and stands)
    if to_compose or (where == "auto" and ((stands and variable is None) or (not stands and not own))):
        previous[name] = written
        if stands if value is None else not stands or written != value:
            placement.compose.setdefault(service, {})[name] = value
            placement.touched.add(service)
        return
    if stands and variable is None:
        raise StateError(
            "%s of service %s is set in the compose file itself." % (name, service), "Set where=compose or where=auto."
        )
    if stands:
        files: Mapping[str, Optional[bytes]] = state.project_files
        target_name = str(variable)
        holders = [path for path in files if target_name in _content(files, path)]
        path = holders[-1] if holders else list(files)[-1]
    elif own:
        files, target_name, path = state.service_files, name, own[-1]
    else:
        files, target_name = state.project_files, name
        holders = [path for path in files if name in _content(files, path)]
        path = holders[-1] if holders else list(files)[-1]
    held = _content(files, path).get(target_name)
    previous[name] = held
    if held != value:
        placement.env_files.setdefault(path, {})[target_name] = value
        placement.touched.add(service)


def _content(files: Mapping[str, Optional[bytes]], path: str) -> Dict[str, str]:
    data = files.get(path)
    return {} if data is None else read_dotenv(data, path)


def _readers(state: EnvironmentState, models: Sequence[Model], path: str, name: str) -> Set[str]:
    readers: Set[str] = set()
    for model in models:
        if path in state.project_files:
            readers.update(readers_of(model, name))
            readers.update(
                service
                for service in model.nodes
                if name in read_environment(model, service) and read_environment(model, service)[name] is None
            )
        for service in model.nodes:
            if path in service_env_paths(state.directory, model, service) and name not in read_environment(
                model, service
            ):
                readers.add(service)
    return readers


def checked_variables(variables: Mapping[str, Any]) -> Variables:
    """Return variables as texts; numbers and truth values become what Compose would read.

    Raises:
        InputError: there is none, or a value is a list or a mapping.
    """
    if not variables:
        raise InputError("No variable is named.")
    checked: Variables = {}
    for name, value in variables.items():
        if isinstance(value, (dict, list)):
            raise InputError("The value of %s is neither text nor null." % name)
        checked[str(name)] = (
            ("true" if value else "false") if isinstance(value, bool) else None if value is None else str(value)
        )
    return checked


def make_plan(
    state: EnvironmentState,
    placement: Placement,
    override: Optional[Tuple[str, Optional[bytes]]],
    documents: Sequence[Document],
) -> Plan:
    """Return a change for each file; its data are the bytes before and after, its diff shows the variables only.

    Arguments:
        override: path and content of the override file, where changes go there and not to the compose file.
        documents: the project's compose files without the override file, the one to be edited first.
    """
    plan = Plan()
    for path, variables in placement.env_files.items():
        before = state.project_files[path] if path in state.project_files else state.service_files.get(path)
        after = before
        for name, value in variables.items():
            after = set_dotenv(after, name, value, path)
        held = _content({path: before}, path)
        lines = [(name, held.get(name), value) for name, value in variables.items()]
        plan.add(_change(path, [("", line) for line in lines], before, after))
    document = documents[0]
    target, content = (document.name, document.data) if override is None else override
    edited: Optional[bytes] = content
    shown: List[Tuple[str, Tuple[str, Optional[str], Optional[str]]]] = []
    for services, variables in _groups(placement.compose):
        if override is None:
            outcome = plan_environment(Document(edited or b"", target), services, variables)
            edited = edited if outcome.document is None else outcome.document.data
            plan.warnings += outcome.warnings
        else:
            planned = plan_override_environment(documents, edited, services, variables, target)
            edited = planned.data
            plan.warnings += planned.warnings
        for service in services:
            before_values = placement.previous.get(service, {})
            shown += [(service + ": ", (name, before_values.get(name), value)) for name, value in variables.items()]
    if edited != content:
        plan.add(_change(target, shown, content, edited))
    return plan


def _groups(compose: Mapping[str, Variables]) -> List[Tuple[List[str], Variables]]:
    """Services that get the same are edited together: they may share what is edited."""
    groups: List[Tuple[List[str], Variables]] = []
    for service, variables in compose.items():
        for services, others in groups:
            if others == variables:
                services.append(service)
                break
        else:
            groups.append(([service], variables))
    return groups


def _change(
    path: str,
    lines: Sequence[Tuple[str, Tuple[str, Optional[str], Optional[str]]]],
    before: Optional[bytes],
    after: Optional[bytes],
) -> Change:
    old: List[str] = []
    new: List[str] = []
    for prefix, (name, was, becomes) in lines:
        if was is not None:
            old.append("%s%s=%s" % (prefix, name, masked(name, was)))
        if becomes is not None:
            new.append("%s%s=%s" % (prefix, name, masked(name, becomes)))
            if old and old[-1] == new[-1]:
                new[-1] += " (another one)"
    return Change(path, "\n".join(old), "\n".join(new), data=(before, after))
