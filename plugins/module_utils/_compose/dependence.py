# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Behind which profiles a service stands, and who can't do without it.

Compose refuses a project in which an enabled service needs one whose profile is off: by ``depends_on``, unless that
says ``required: false``, and by what it takes of the other's container.
"""

import re
from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence

from .._core.errors import InputError, StateError
from .attachments import plain_value
from .document import Node
from .model import Comparison, Model
from .resolved import Resolved

PROFILES = "profiles"
DEPENDS = "depends_on"
STARTED = "service_started"
_CONDITIONS = (STARTED, "service_healthy", "service_completed_successfully")
_PROFILE = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]+$")
# What a service can take of another one's container, and how a message says it.
_USES = {
    "links": "links to it",
    "network_mode": "uses its network",
    "volumes_from": "mounts its volumes",
    "pid": "shares its processes",
    "ipc": "shares its memory",
}

# What is said of a dependency: ``condition``, ``required``, ``restart``; nothing for a list's.
Says = Dict[str, Any]
# By service, and then by the service that it depends on.
Dependencies = Dict[str, Dict[str, Says]]


def checked_profile(name: str) -> str:
    """Return a profile's name.

    Raises:
        InputError: it can't be one.
    """
    if not _PROFILE.match(name):
        raise InputError(
            "%r is no name of a profile." % name,
            "A name has two or more letters, digits, dots, dashes or underscores, and begins with a letter or digit.",
        )
    return name


def checked_dependencies(wanted: Mapping[str, Any]) -> Dependencies:
    """Return dependencies from a module's option: a list of services, or a mapping with what is said of each.

    Raises:
        InputError: it is neither, or says what ``depends_on`` can't say.
    """
    checked: Dependencies = {}
    for service, value in wanted.items():
        if isinstance(value, (list, tuple)):
            value = {str(name): {} for name in value}
        if not isinstance(value, dict) or not value:
            raise InputError("depends_on of service %s is no mapping of the services that it depends on." % service)
        for name, says in value.items():
            says = {} if says is None else says
            if not isinstance(says, dict):
                raise InputError("What service %s says of %s is no mapping." % (service, name))
            for key, held in says.items():
                fits = held in _CONDITIONS if key == "condition" else isinstance(held, bool)
                if key not in ("condition", "required", "restart") or not fits:
                    raise InputError(
                        "depends_on of service %s can't say %s=%s of %s." % (service, key, held, name),
                        "It may say condition (%s), required and restart." % ", ".join(_CONDITIONS),
                    )
            checked.setdefault(str(service), {})[str(name)] = dict(says)
    return checked


def checked_previous(wanted: Mapping[str, Any]) -> Dict[str, List[str]]:
    """Return profiles by service from a module's option.

    Raises:
        InputError: a service's aren't a list of names.
    """
    for service, names in wanted.items():
        if not isinstance(names, (list, tuple)):
            raise InputError("previous_profiles of service %s is no list." % service)
    return {str(service): [checked_profile(str(name)) for name in names] for service, names in wanted.items()}


def read_profiles(value: Optional[Node]) -> List[str]:
    """Return the profiles of a value of ``profiles``."""
    return [] if value is None else [item.resolved().value for item in value.resolved().items]


def profiles_of(models: Sequence[Model], service: str) -> List[str]:
    """Return all profiles that a service ends up with: files, and what is extended, add to each other."""
    held: List[str] = []
    for value in _values(models, service, PROFILES):
        if value.tag in ("!override", "!reset"):
            held = []
        if value.tag != "!reset":
            held += [name for name in read_profiles(value) if name not in held]
    return held


def read_dependencies(value: Optional[Node]) -> Dict[str, Optional[Says]]:
    """Return what a value of ``depends_on`` names, with what it says of each; None where a tag takes one away."""
    if value is None:
        return {}
    value = value.resolved()
    if value.kind == "sequence":
        return {item.resolved().value: {} for item in value.items}
    found: Dict[str, Optional[Says]] = {}
    for name, item in Comparison().flat(value).items() if value.kind == "mapping" else ():
        item = item.resolved()
        says = {str(key): plain_value(held) for key, held in Comparison().flat(item).items()}
        found[str(name)] = None if item.tag == "!reset" else says
    return found


def dependencies_of(models: Sequence[Model], service: str) -> Dict[str, Says]:
    """Return on what a service depends in the end, over all files and what is extended in them."""
    held: Dict[str, Says] = {}
    for value in _values(models, service, DEPENDS):
        if value.tag in ("!override", "!reset"):
            held = {}
        for name, says in read_dependencies(value).items() if value.tag != "!reset" else ():
            if says is None:
                held.pop(name, None)
            else:
                held[name] = {**held.get(name, {}), **says}
    return held


def _values(models: Sequence[Model], service: str, key: str) -> List[Node]:
    values = []
    for model in models:
        for name in reversed([service, *model.base_chain(service)]) if service in model.nodes else ():
            found = model.find(name, key)
            if found is not None:
                values.append(found.value.resolved())
    return values


def services_of(models: Sequence[Model]) -> List[str]:
    """Return all services of these documents."""
    return list(dict.fromkeys(name for model in models for name in model.nodes))


def is_needed(says: Mapping[str, Any]) -> bool:
    """Return whether a dependency has to be there for Compose to accept the project."""
    return says.get("required") is not False


def needed_of(models: Sequence[Model], chosen: Collection[str], profile: str) -> Dependencies:
    """Return which services that stay enabled depend on these, each with what it says of them.

    A service that stands behind the same profile only goes and comes with them.
    """
    found: Dependencies = {}
    for name in services_of(models):
        if goes_along(models, name, chosen, profile):
            continue
        held = {
            other: says for other, says in dependencies_of(models, name).items() if other in chosen and is_needed(says)
        }
        if held:
            found[name] = held
    return found


def refuse_users(models: Sequence[Model], chosen: Collection[str], profile: str) -> None:
    """Raise StateError where a service that stays takes something of one of these that no edit can replace."""
    problems: Dict[str, List[str]] = {}
    for name in services_of(models):
        if goes_along(models, name, chosen, profile):
            continue
        for key, says in _USES.items():
            for value in _values(models, name, key):
                for used in _used(key, [item.resolved().value for item in value.items] or [value.value]):
                    if used in chosen:
                        problems.setdefault(used, []).append("%s %s (%s)" % (name, says, key))
    if problems:
        raise StateError(
            "%s; nothing was written."
            % "; ".join(
                "Service %s can't be put behind a profile: %s" % (used, ", ".join(dict.fromkeys(found)))
                for used, found in problems.items()
            ),
            "Compose refuses this of a service whose profile is off: take it out there, or name that service as well.",
        )


def _used(key: str, written: Sequence[str]) -> List[str]:
    """Return the services of which a value takes something."""
    if key in ("links", "volumes_from"):
        return [text.partition(":")[0] for text in written]
    return [text.partition(":")[2] for text in written if text.startswith("service:")]


def goes_along(models: Sequence[Model], name: str, chosen: Collection[str], profile: str) -> bool:
    """Return whether a service is one of these, or stands behind the same profile only."""
    return name in chosen or profiles_of(models, name) == [profile]


def retired_problem(model: Resolved, services: Collection[str], profile: str, skipped: Collection[str] = ()) -> str:
    """Return which of these services has another profile, or who still can't do without one.

    Arguments:
        skipped: services of which Compose still reads what stood there before.
    """
    held = model.get("services") or {}
    for name in services:
        profiles = (held.get(name) or {}).get(PROFILES) or []
        if name not in skipped and list(profiles) != [profile]:
            return "service %s would have the profiles %s" % (name, ", ".join(profiles) or "none")
    for name, says in held.items():
        if name in services or name in skipped or (says.get(PROFILES) or []) == [profile]:
            continue
        for other, item in (says.get(DEPENDS) or {}).items():
            if other in services and is_needed(item or {}):
                return "service %s would still depend on %s" % (name, other)
        for key in _USES:
            value = says.get(key) or []
            used = set(_used(key, value if isinstance(value, list) else [str(value)])) & set(services)
            if used:
                return "service %s would still use %s (%s)" % (name, ", ".join(sorted(used)), key)
    return ""


def restored_problem(
    model: Resolved, services: Collection[str], profile: str, wanted: Dependencies, skipped: Collection[str] = ()
) -> str:
    """Return which of these services still has the profile, or which dependency isn't back."""
    held = model.get("services") or {}
    for name in services:
        if name not in skipped and profile in ((held.get(name) or {}).get(PROFILES) or []):
            return "service %s would still have the profile %s" % (name, profile)
    for name, others in wanted.items():
        lacking = set(others) - set((held.get(name) or {}).get(DEPENDS) or {})
        if name not in skipped and lacking:
            return "service %s would not depend on %s" % (name, ", ".join(sorted(lacking)))
    return ""
