# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which project a compose file belongs to: read from the labels that Compose puts on its containers."""

import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .._compose.document import Document
from .._compose.dotenv import read_dotenv
from .._compose.model import included_files
from .._core.errors import InputError, OutsideError
from .._core.inspection import (
    LABEL_DIRECTORY,
    LABEL_ENV_FILES,
    LABEL_FILES,
    LABEL_ONE_OFF,
    LABEL_PROJECT,
    LABEL_SERVICE,
)
from .compose_cli import Project
from .docker import Docker
from .files import read_bytes_or_none

# What Compose looks for, in its order (compose-go, cli/options.go).
DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
DEFAULT_OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)


def find_projects(engine: Docker) -> List[Project]:
    """Return the projects of which this engine has containers, running or not."""
    projects: Dict[Tuple[str, str, str], Project] = {}
    for item in engine.containers([LABEL_PROJECT]):
        labels = item["labels"]
        key = (labels.get(LABEL_PROJECT, ""), labels.get(LABEL_DIRECTORY, ""), labels.get(LABEL_FILES, ""))
        if key not in projects and key[1]:
            projects[key] = Project(
                key[0], key[1], _paths(key[2], key[1]), _paths(labels.get(LABEL_ENV_FILES, ""), key[1])
            )
    return list(projects.values())


def project_of(
    engine: Optional[Docker],
    path: str,
    project_name: Optional[str] = None,
    files: Optional[Sequence[str]] = None,
    env_files: Optional[Sequence[str]] = None,
) -> Project:
    """Return the project of a compose file: as its containers say, else as Compose would take it; options win.

    Arguments:
        engine: None where there is no engine to ask.
        path: one of the project's compose files.
    """
    target = os.path.realpath(path)
    found: List[Project] = []
    for project in find_projects(engine) if engine is not None else []:
        if target in [os.path.realpath(item) for item in project.files]:
            found.append(project)
    if project_name:
        found = [project for project in found if project.name == project_name] or found[:1]
    known = found[0] if found else Project("", os.path.dirname(os.path.abspath(path)), _default_files(path))
    return Project(
        project_name or known.name,
        known.directory if os.path.isdir(known.directory) else os.path.dirname(target),
        tuple(os.path.abspath(item) for item in files)
        if files
        else tuple(item for item in known.files if os.path.exists(item)),
        tuple(os.path.abspath(item) for item in env_files)
        if env_files
        else tuple(item for item in known.env_files if os.path.exists(item)),
    )


def including_project(engine: Optional[Docker], path: str) -> Optional[Project]:
    """Return the project of which a file includes this one, or None: its labels name the including file only."""
    target = os.path.realpath(path)
    projects = find_projects(engine) if engine is not None else []
    if any(target == os.path.realpath(file) for project in projects for file in project.files):
        return None
    for project in projects:
        for file in project.files:
            try:
                document = Document(read_bytes_or_none(file) or b"", file)
            except InputError:
                continue
            included = [os.path.join(os.path.dirname(file), item) for item in included_files(document)]
            if target in [os.path.realpath(item) for item in included]:
                return project
    return None


def override_path_of(project: Project, path: str, wanted: Optional[str] = None) -> str:
    """Return the override file's path: the one named, the one in use, or the one that Compose would find.

    Raises:
        InputError: no override file would be read.
    """
    if wanted:
        return os.path.abspath(wanted)
    folder = os.path.dirname(os.path.abspath(path))
    for name in DEFAULT_OVERRIDES if os.path.basename(path) in DEFAULT_FILES else ():
        candidate = os.path.join(folder, name)
        if os.path.exists(candidate):
            return candidate
    base, extension = os.path.splitext(os.path.basename(path))
    if os.path.basename(path) not in DEFAULT_FILES:
        raise InputError(
            "%s has a name of its own, so Compose reads no override file beside it." % path,
            "Name one with override_path, and start the project with it (COMPOSE_FILE, or a second -f).",
        )
    return os.path.join(folder, "%s.override%s" % (base, extension))


def override_warning(project: Project, path: str, override: str, including: Optional[Project]) -> str:
    """Return why a compose file's override file will not be read, or an empty text.

    A project that was started with ``-f`` reads just these files; its containers' labels say which. Of a file that is
    included, Compose reads no override file by itself (compose-spec, "include").
    """
    if including is not None:
        return "%s is included by %s: name both there, `include: [{path: [%s, %s]}]`, or Compose doesn't read %s." % (
            path,
            ", ".join(including.files),
            path,
            override,
            override,
        )
    target = os.path.realpath(override)
    known = [os.path.realpath(item) for item in project.files]
    if target in known or not known:
        return ""
    folder, name = os.path.split(target)
    beside = [item for item in known if os.path.dirname(item) == folder and os.path.basename(item) in DEFAULT_FILES]
    if name in DEFAULT_OVERRIDES and len(known) == 1 and beside:
        return ""
    return (
        "The project is made of %s: Compose reads %s only where it is named too, with a further -f "
        "or in COMPOSE_FILE=%s." % (", ".join(project.files), override, ":".join(list(project.files) + [override]))
    )


def service_containers(
    engine: Optional[Docker], project: Project, path: str, service: str = ""
) -> Dict[str, List[Dict[str, Any]]]:
    """Return a project's containers by service, each as ``docker inspect`` shows it; one-off ones are left out.

    Arguments:
        service: only its containers are looked at; by default those of all services.
    """
    found: Dict[str, List[Dict[str, Any]]] = {}
    if engine is None:
        return found
    target = os.path.realpath(path)
    for item in engine.containers(["%s=%s" % (LABEL_SERVICE, service) if service else LABEL_SERVICE]):
        labels = item["labels"]
        if labels.get(LABEL_ONE_OFF, "False").lower() == "true":
            continue
        paths = [os.path.realpath(one) for one in _paths(labels.get(LABEL_FILES, ""), labels.get(LABEL_DIRECTORY, ""))]
        same_name = bool(project.name) and labels.get(LABEL_PROJECT) == project.name
        if not (target in paths and (same_name or not project.name)) and not (same_name and not paths):
            continue
        inspection = engine.inspect_or_none(item["id"])
        if inspection is not None:
            found.setdefault(labels[LABEL_SERVICE], []).append(inspection)
    return found


def open_engine(docker_host: Optional[str]) -> Optional[Docker]:
    """Return the engine, or None where there is none: a file can be edited without one.

    Raises:
        OutsideError: an engine was named, and doesn't answer.
    """
    try:
        return Docker(docker_host)
    except OutsideError:
        if docker_host:
            raise
        return None


def _paths(label: str, directory: str) -> Tuple[str, ...]:
    return tuple(os.path.join(directory, item) for item in label.split(",") if item)


def _default_files(path: str) -> Tuple[str, ...]:
    """What Compose would read: what COMPOSE_FILE in the folder's ``.env`` names, else the file and its override."""
    folder, name = os.path.split(os.path.abspath(path))
    variables = read_dotenv(read_bytes_or_none(os.path.join(folder, ".env")) or b"")
    named = variables.get("COMPOSE_FILE", "")
    files = [
        os.path.abspath(os.path.join(folder, item))
        for item in named.split(variables.get("COMPOSE_PATH_SEPARATOR") or os.pathsep)
        if item
    ]
    if os.path.realpath(path) in [os.path.realpath(item) for item in files]:
        return tuple(files)
    files = [os.path.join(folder, name)]
    if name in DEFAULT_FILES:
        files += [
            os.path.join(folder, item) for item in DEFAULT_OVERRIDES if os.path.exists(os.path.join(folder, item))
        ][:1]
    return tuple(files)
