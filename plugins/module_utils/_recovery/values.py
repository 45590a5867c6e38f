# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of variables that a recovery needs, for an encrypted recovery set and for nothing else."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .._compose.dotenv import read_certain
from .._compose.environment import read_environment, reference_of
from .._compose.model import Model
from .._compose.placement import service_env_paths
from .._core.errors import InputError
from .._core.inspection import environment_of
from .needs import Project, Projects, Sources, containers_of, default_of


@dataclass(frozen=True)
class Value:
    """A value and where it is from. It is never shown."""

    text: str = field(repr=False)
    source: str


def value_of(need: Mapping[str, Any], projects: Projects, sources: Sources) -> Tuple[Optional[Value], str]:
    """Return a variable's value, and what is doubtful about it (empty where nothing is).

    What a container runs with comes first: Compose has made it, and the rows were written with it. Without a container
    it is what the files say, if that is more than a reference to something that only Compose knows.
    """
    name = need["variable"]
    if need.get("env_file"):
        found = _values(sources.content(need["env_file"]), need["env_file"]).get(name)
        return (found if found is not None and found.text else None), ""
    running: List[Value] = []
    written: List[Value] = []
    for service, project in projects:
        for item in containers_of(service, project, sources):
            held = environment_of(item)
            if held.get(name):
                running.append(Value(held[name], "container %s" % str(item.get("Name", "")).lstrip("/")))
        value = _written(name, service["service"], project) if project is not None else None
        if value is not None:
            written.append(value)
    values = running + written
    if not values:
        return None, ""
    others = [value.source for value in values if value.text != values[0].text]
    if not others:
        return values[0], ""
    text = "%s has another value in %s than in %s, whose value is in the recovery set."
    return values[0], text % (name, ", ".join(dict.fromkeys(others)), values[0].source)


def _written(name: str, service: str, project: Project) -> Optional[Value]:
    """Return what the files of a project give a service; None where they don't, or where only Compose can tell."""
    state = project.state
    shared: Dict[str, Optional[Value]] = {}
    for path, data in state.project_files.items():
        shared.update(_values(data, path))
    found = shared.get(name)
    stands: Optional[Tuple[Optional[str], str]] = None
    for document in state.documents:
        model = Model(document)
        if service not in model.nodes:
            continue
        for path in service_env_paths(state.directory, model, service):
            found = _values(state.service_files.get(path), path).get(name, found)
        environment = read_environment(model, service)
        if name in environment:
            stands = (environment[name], document.name)
    if stands is not None:
        found = _stated(name, stands[0], stands[1], shared)
    return found if found is not None and found.text else None


def _stated(name: str, value: Optional[str], place: str, shared: Mapping[str, Optional[Value]]) -> Optional[Value]:
    """Return what ``environment`` states: a text, or what it refers to."""
    if value is None:
        return shared.get(name)
    reference = reference_of(value)
    if reference is not None:
        held = shared.get(reference, Value("", place))
        if held is None or held.text:
            return held and Value(held.text, "%s (%s)" % (held.source, reference))
        value = default_of(value)
    # Two dollars stand for one (Compose, "Interpolation").
    return None if "$" in value.replace("$$", "") else Value(value.replace("$$", "$"), place)


def _values(data: Optional[bytes], path: str) -> Dict[str, Optional[Value]]:
    """Return what an env file gives, by name; None where only Compose can tell."""
    try:
        found = read_certain(data or b"", path)
    except InputError:
        # One that isn't UTF-8 is none that Compose reads.
        return {}
    return {name: None if text is None else Value(text, path) for name, text in found.items()}
