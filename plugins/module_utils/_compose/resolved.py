# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Compose makes of a project, before and after an edit: the two may differ in what was asked for only.

The models are what ``docker compose config --format json`` prints: includes, extends, merges and variables resolved,
secrets included. No value of theirs is ever part of a message.
"""

from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple

from .extra_hosts import Hosts, normal_address, split_entry

Path = Tuple[str, ...]
Resolved = Mapping[str, Any]
# How deep a path is that a message names: services.NAME.KEY.
_DEPTH = 3


class Wanted:
    """What an edit is meant to change.

    Arguments:
        paths: what may differ, each with all that is below it: ``("services", "web", "extra_hosts")``.
        problem: says what the new model lacks, empty where it is as it was asked for.
    """

    def __init__(self, paths: Collection[Path], problem: Optional[Callable[[Resolved], str]] = None) -> None:
        self.paths = set(paths)
        self.problem = problem or (lambda _model: "")


def stray_paths(before: Any, after: Any, allowed: Collection[Path], path: Path = ()) -> List[Path]:
    """Return where two models differ outside the allowed paths, without what is there.

    Extension fields (``x-…``) are passed over: they mean nothing but what services get of them (compose-spec).
    """
    if path in allowed or before == after:
        return []
    if len(path) == _DEPTH or not all(part is None or isinstance(part, dict) for part in (before, after)):
        return [path]
    before, after = before or {}, after or {}
    found: List[Path] = []
    for key in sorted(set(before) | set(after)):
        if not path and key.startswith("x-"):
            continue
        found += stray_paths(before.get(key), after.get(key), allowed, (*path, key))
    return found


def service_paths(services: Sequence[str], *keys: str) -> List[Path]:
    """Return the paths of these keys of services; the services as a whole where there are none."""
    return [("services", service, *([key] if key else [])) for service in services for key in keys or ("",)]


def hosts_problem(model: Resolved, services: Sequence[str], hosts: Hosts, present: bool) -> str:
    """Return which service doesn't have these hosts, or has one at a second address; or still has one."""
    for service in services:
        held: Dict[str, List[str]] = {}
        written = ((model.get("services") or {}).get(service) or {}).get("extra_hosts") or []
        for text in written if isinstance(written, list) else ["%s=%s" % pair for pair in written.items()]:
            entry = split_entry(text)
            if entry is not None:
                held.setdefault(entry[0].lower(), []).append(normal_address(entry[1]))
        for host, address in hosts.items():
            there = held.get(host.lower(), [])
            wanted = None if address is None or "$" in address else normal_address(address)
            if present and not there:
                return "service %s would not have %s" % (service, host)
            if present and wanted is not None and set(there) != {wanted}:
                return "service %s would have %s at %s" % (service, host, " and at ".join(sorted(set(there))))
            if not present and there and (wanted is None or wanted in there):
                return "service %s would still have %s, from a file that it extends or includes" % (service, host)
    return ""


def networks_problem(model: Resolved, services: Sequence[str], names: Sequence[str], present: bool) -> str:
    """Return which service isn't on these networks, or still is on one."""
    for service in services:
        held = ((model.get("services") or {}).get(service) or {}).get("networks") or {}
        for name in names:
            if (name in held) != present:
                return "service %s would %s on network %s" % (service, "not be" if present else "still be", name)
    return ""


def variables_problem(model: Resolved, services: Sequence[str], variables: Mapping[str, Optional[str]]) -> str:
    """Return which service would get another value of a variable; those with references are not compared."""
    for service in services:
        held = ((model.get("services") or {}).get(service) or {}).get("environment") or {}
        for name, value in variables.items():
            if value is not None and "$" not in value and str(held.get(name)) != value:
                return "service %s would get another value of %s" % (service, name)
    return ""
