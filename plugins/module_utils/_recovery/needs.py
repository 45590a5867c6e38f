# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery needs besides the dump, and whether it is there. Values are looked at and never told."""

import posixpath
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple

from .._compose.document import Document
from .._compose.dotenv import read_dotenv
from .._compose.environment import read_environment, reference_of
from .._compose.model import Model
from .._compose.placement import EnvironmentState, service_env_paths
from .._compose.volumes import mounts_of, volume_name
from .._core.errors import BulkheadError, InputError
from .._core.inspection import environment_of

FOUND = "found"
MISSING = "missing"
# It goes with the container: whoever brings the service up elsewhere hasn't got it.
ONLY_IN_CONTAINER = "only_in_container"
# Nothing that could be asked knows it.
UNSEEN = "unseen"

Inspection = Mapping[str, Any]


@dataclass(frozen=True)
class Project:
    """What is known of a compose project: its name, its files, and its containers by service."""

    name: str
    state: EnvironmentState
    containers: Mapping[str, Sequence[Inspection]] = field(default_factory=dict)


class Sources(Protocol):
    """What is asked; nothing is changed."""

    @property
    def has_engine(self) -> bool:
        """Whether there is a container engine to ask."""

    def project(self, service: Mapping[str, Any]) -> Project:
        """Return the project of a service. Raises BulkheadError where its compose file can't be read."""

    def container(self, name: str) -> Optional[Inspection]:
        """Return what the engine says of a container, or None."""

    def volume(self, name: str) -> bool:
        """Whether the engine has a volume of that name."""

    def content(self, path: str) -> Optional[bytes]:
        """Return a file's content, or None where there is no file."""

    def entries(self, path: str) -> Optional[int]:
        """Return how much a folder holds, or None where there is no folder."""


class Place(NamedTuple):
    """Where files lie: a path of this host, or a volume with one of the containers that mount it, and at which path."""

    path: str = ""
    volume: str = ""
    container: str = ""


# The services of a database, each with its project; None where its compose file can't be read.
Projects = Sequence[Tuple[Mapping[str, Any], Optional[Project]]]


@dataclass(frozen=True)
class Need:
    """One thing that is needed, as it was found.

    Arguments:
        described: what the description says of it.
        finding: what may be told of it.
        places: where its files lie; of a variable none.
    """

    described: Mapping[str, Any]
    finding: Dict[str, Any]
    places: Tuple[Place, ...] = ()


@dataclass
class _Search:
    """Where something was looked for, and where it is."""

    where: List[str] = field(default_factory=list)
    looked: List[str] = field(default_factory=list)
    places: List[Place] = field(default_factory=list)

    def see(self, place: str, is_there: bool, at: Optional[Place] = None) -> None:
        """Note one place; at: where its files lie, if it holds any."""
        if place not in self.looked:
            self.looked.append(place)
        if is_there and place not in self.where:
            self.where.append(place)
            if at is not None:
                self.places.append(at)


def read_projects(database: Mapping[str, Any], sources: Sources) -> Projects:
    """Return the services of a database with their projects."""
    projects: List[Tuple[Mapping[str, Any], Optional[Project]]] = []
    for service in database["services"]:
        try:
            projects.append((service, sources.project(service)))
        except BulkheadError:
            projects.append((service, None))
    return projects


def find_needs(database: Mapping[str, Any], sources: Sources) -> List[Dict[str, Any]]:
    """Return each need of a database with its state, where it is, and where it was looked for.

    Arguments:
        database: its projection: key, needs, volumes, services, server (the container of its server, or None).
    """
    return [need.finding for need in look_for(database, read_projects(database, sources), sources)]


def look_for(database: Mapping[str, Any], projects: Projects, sources: Sources) -> List[Need]:
    """Return each need of a database as it was found."""
    unread = [service["path"] for service, project in projects if project is None]
    found = []
    for need in database["needs"]:
        kind = next((name for name in ("variable", "file") if need.get(name)), "other")
        what = need["what"] if kind == "other" else need[kind]
        try:
            search, state = _find_need(need, kind, projects, sources)
        except BulkheadError as error:
            search, state = _Search([], [str(error)]), UNSEEN
        if kind == "variable" and not need.get("env_file"):
            for path in unread:
                search.see(path, False)
        found.append(_found(database["key"], kind, what, need, search, state))
    for volume in database["volumes"]:
        try:
            search, state = _find_volume(volume, projects, database.get("server"), sources)
        except BulkheadError as error:
            search, state = _Search([], [str(error)]), UNSEEN
        found.append(_found(database["key"], "volume", volume.get("name") or volume["target"], volume, search, state))
    return found


def _find_need(
    need: Mapping[str, Any],
    kind: str,
    projects: Projects,
    sources: Sources,
) -> Tuple[_Search, str]:
    if kind == "variable":
        return _find_variable(need, projects, sources)
    search = _Search()
    if kind == "other":
        return search, UNSEEN
    search.see(need["file"], bool(sources.content(need["file"])), Place(need["file"]))
    return search, FOUND if search.where else MISSING


def _found(key: str, kind: str, what: str, need: Mapping[str, Any], search: _Search, state: str) -> Need:
    finding = {
        "key": key,
        "kind": kind,
        "what": what,
        "state": state,
        "where": search.where,
        "looked": search.looked,
        "note": need.get("note") or "",
    }
    return Need(need, finding, tuple(search.places))


def _find_variable(need: Mapping[str, Any], projects: Projects, sources: Sources) -> Tuple[_Search, str]:
    name = need["variable"]
    search = _Search()
    if need.get("env_file"):
        search.see(need["env_file"], bool(_variables(sources.content(need["env_file"]), need["env_file"]).get(name)))
        return search, FOUND if search.where else MISSING
    for service, project in projects:
        if project is not None:
            _look_in_files(search, name, service["service"], project)
    running = _Search()
    for service, project in projects:
        for item in containers_of(service, project, sources):
            held = environment_of(item)
            running.see("container %s" % str(item.get("Name", "")).lstrip("/"), bool(held.get(name)))
    if search.where:
        return search, FOUND
    search.looked += running.looked
    search.where = running.where
    if running.where:
        return search, ONLY_IN_CONTAINER
    return search, MISSING


def _look_in_files(search: _Search, name: str, service: str, project: Project) -> None:
    """Look where Compose has a service's variable from."""
    state = project.state
    shared = {path: _variables(data, path) for path, data in state.project_files.items()}
    for path, variables in shared.items():
        search.see(path, bool(variables.get(name)))
    for document in state.documents:
        model = Model(document)
        if service not in model.nodes:
            continue
        value = read_environment(model, service).get(name)
        reference = reference_of(value)
        if reference is not None:
            for path, variables in shared.items():
                if variables.get(reference):
                    search.see(path, True)
        # A reference by itself is no value; one with a default is, for a text follows its dash.
        search.see(document.name, bool(value) and (reference is None or bool(default_of(str(value)))))
        for path in service_env_paths(state.directory, model, service):
            search.see(path, bool(_variables(state.service_files.get(path), path).get(name)))


def default_of(reference: str) -> str:
    """Return what a reference says where its variable isn't set: ``${NAME:-this}``."""
    return reference.partition("-")[2].rstrip("}") if reference.startswith("${") else ""


def _variables(data: Optional[bytes], path: str) -> Dict[str, str]:
    try:
        return read_dotenv(data or b"", path)
    except InputError:
        # One that isn't UTF-8 is none that Compose reads.
        return {}


def containers_of(service: Mapping[str, Any], project: Optional[Project], sources: Sources) -> Iterable[Inspection]:
    """Return a service's containers: those of its project, else the one that has its name."""
    known = list(project.containers.get(service["service"], ())) if project is not None else []
    if known:
        return known
    item = sources.container(service["container"])
    return [item] if item is not None else []


def _find_volume(
    volume: Mapping[str, Any],
    projects: Projects,
    server: Optional[str],
    sources: Sources,
) -> Tuple[_Search, str]:
    search = _Search()
    if volume.get("name"):
        state = _named(volume["name"], [project for _service, project in projects if project], sources, search)
        return search, state
    target = volume["target"].rstrip("/") or "/"
    inspections: List[Inspection] = []
    for service, project in projects:
        inspections += containers_of(service, project, sources)
        # What a program keeps often is another service's of its project: Supabase's storage.
        for others in project.containers.values() if project is not None else ():
            inspections += others
    item = sources.container(server) if server else None
    for inspection in inspections + ([item] if item is not None else []):
        container = "container %s" % str(inspection.get("Name", "")).lstrip("/")
        mount = next((one for one in inspection.get("Mounts") or () if one.get("Destination") == target), None)
        if mount is None or mount.get("Type") not in ("volume", "bind"):
            search.see(container, False)
        elif mount["Type"] == "volume":
            mounted = Place(target, str(mount.get("Name")), str(inspection.get("Name", "")).lstrip("/"))
            search.see("volume %s (%s)" % (mount.get("Name"), container), True, mounted)
        else:
            source = str(mount.get("Source"))
            search.see("%s (%s)" % (source, container), bool(sources.entries(source)), Place(source))
    if not search.where:
        _look_in_volumes(search, target, [project for _service, project in projects if project], sources)
    if search.where:
        return search, FOUND
    return search, MISSING if sources.has_engine or search.looked else UNSEEN


def _named(name: str, projects: Sequence[Project], sources: Sources, search: _Search) -> str:
    """Look for a folder by its path, or a volume by its name in the engine or in a project."""
    if "/" in name:
        search.see(name, bool(sources.entries(name)), Place(name))
        return FOUND if search.where else MISSING
    names = [name] + [str(volume_name(project.state.documents, project.name, name)) for project in projects]
    for candidate in dict.fromkeys(names):
        search.see("volume %s" % candidate, sources.volume(candidate), Place(volume=candidate))
    if search.where:
        return FOUND
    return MISSING if sources.has_engine else UNSEEN


def _look_in_volumes(search: _Search, target: str, projects: Sequence[Project], sources: Sources) -> None:
    """Look what the compose files mount at a path, where no container tells."""
    for project in projects:
        for document in project.state.documents:
            model = Model(document)
            for service in model.nodes:
                source = mounts_of(model, service).get(target)
                if source:
                    _look_at_source(search, source, project, document, sources)


def _look_at_source(search: _Search, source: str, project: Project, document: Document, sources: Sources) -> None:
    if source.startswith((".", "/", "~")):
        path = posixpath.normpath(posixpath.join(project.state.directory, source))
        search.see(path, bool(sources.entries(path)), Place(path))
        return
    name = volume_name(project.state.documents, project.name, source)
    if name is None:
        search.see("volume %s of %s" % (source, document.name), False)
    else:
        search.see("volume %s" % name, sources.volume(name), Place(volume=name))
