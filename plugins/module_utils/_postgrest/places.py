# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an instance's settings live, and which of these places a change goes to.

PostgREST takes a setting from the database, else from the environment, else from its configuration file (its
documentation, "Configuration"). Of the environment Compose takes ``environment``, else the last ``env_file``.
"""

import posixpath
import re
import shlex
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .._compose.document import Document, Node
from .._compose.dotenv import read_certain, read_dotenv, set_dotenv
from .._compose.environment import Variables, env_files_of, variables_in
from .._compose.volumes import mounts_of
from .._core.errors import BulkheadError, ConflictError, InputError, StateError
from .._core.plan import Change
from . import uri
from .conf_file import ConfFile, conf_value, is_variable
from .in_database import DatabaseSettings
from .instance import DB_URI, Settings, environment_of, lineage, name_in, require_postgrest, services_of
from .settings import PREFIX, SETTINGS, Setting, shown_value

AUTO = "auto"
DATABASE, ENVIRONMENT, ENV_FILE, FILE = "database", "environment", "env_file", "file"
# The strongest first.
PLACES = (DATABASE, ENVIRONMENT, ENV_FILE, FILE)
Asked = Dict[str, Dict[Setting, Optional[str]]]

_PROGRAM = re.compile(r"(?:^|/)postgrest\Z")


@dataclass(frozen=True)
class ConfPath:
    """The configuration file: where it is on this host and inside, and whether it is mounted by itself.

    A file that is mounted by itself stays the old one inside after it was replaced, until the container starts anew.
    """

    path: str
    inside: str = ""
    is_alone: bool = False


@dataclass
class Found:
    """What is set for an instance now.

    Arguments:
        service: the instance's. environment: as its compose files have it.
        env_files: path and content of its env files, in order. conf: its configuration file.
        database: None where it isn't looked at.
    """

    service: str
    environment: Variables = field(default_factory=dict)
    env_files: Sequence[Tuple[str, Optional[bytes]]] = ()
    conf: Optional[ConfFile] = None
    database: Optional[DatabaseSettings] = None

    def in_env_files(self) -> Dict[str, str]:
        """Return the variables of its env files as they are written."""
        held: Dict[str, str] = {}
        for path, data in self.env_files:
            held.update(read_dotenv(data or b"", path))
        return held

    def value_at(self, place: str, setting: Setting) -> Optional[str]:
        """Return a setting's value at a place, as it is written there; None where it isn't set, or passed through."""
        if place == DATABASE:
            return None if self.database is None else self.database.get(setting)
        if place == FILE:
            return None if self.conf is None else self.conf.get(setting)
        held: Mapping[str, Optional[str]] = self.environment if place == ENVIRONMENT else self.in_env_files()
        return held.get(name_in(setting, held))

    def places_of(self, setting: Setting) -> List[str]:
        """Return where a setting is set, the strongest place first."""
        return [
            place
            for place in PLACES
            if self.value_at(place, setting) is not None
            or (place == ENVIRONMENT and name_in(setting, self.environment) in self.environment)
        ]

    def written(self, setting: Setting) -> Optional[str]:
        """Return what counts of the files."""
        places = [place for place in self.places_of(setting) if place != DATABASE]
        return self.value_at(places[0], setting) if places else None

    def outside_compose_file(self) -> Variables:
        """Return what its configuration file and env files say, by variables; None: nobody here can tell."""
        held: Variables = {}
        for setting in SETTINGS if self.conf is not None else ():
            value = self.value_at(FILE, setting)
            if value is not None:
                held[setting.variable] = None if "$" in value else value
        held.update(self.env_file_variables())
        return held

    def env_file_variables(self) -> Variables:
        """Return the settings of its env files as a container gets them; None: only Compose can tell."""
        held: Variables = {}
        for path, data in self.env_files:
            held.update(read_certain(data or b"", path))
        return {name: value for name, value in held.items() if name.startswith(PREFIX)}


def assign(asked: Settings, place: str, found: Found, version: Optional[int]) -> Asked:
    """Return by place what is to change there.

    Arguments:
        place: ``auto`` is where a setting lives now, the environment where it lives nowhere; what is to be removed is
            removed wherever it lives.
        version: the major one, None where it is unknown.

    Raises:
        InputError: a setting can't be at that place. ConflictError: a stronger place says something else.
    """
    assigned: Asked = {name: {} for name in PLACES}
    for setting, value in asked.items():
        here = found.places_of(setting)
        if place == AUTO and value is None:
            targets = here
        else:
            targets = [(here[0] if here else ENVIRONMENT) if place == AUTO else place]
        for target in targets:
            _check_place(setting, target, found, version)
            assigned[target][setting] = conf_value(setting, value) if target == FILE and value is not None else value
            stronger = [] if value is None else here[: here.index(target)] if target in here else here
            for other in stronger:
                if PLACES.index(other) < PLACES.index(target) and found.value_at(other, setting) != value:
                    raise ConflictError(
                        "%s of service %s is set in the %s too, which wins over the %s."
                        % (setting.name, found.service, _name(other, found), _name(target, found)),
                        "Change it there with place=%s, or take it away there: settings: {%s: null}."
                        % (other, setting.name),
                    )
    return assigned


def _name(place: str, found: Found) -> str:
    if place == DATABASE and found.database is not None:
        return "database %s" % found.database.database
    if place == FILE and found.conf is not None:
        return "file %s" % found.conf.name
    if place == ENV_FILE and found.env_files:
        return "env file %s" % found.env_files[-1][0]
    return "environment"


def _check_place(setting: Setting, place: str, found: Found, version: Optional[int]) -> None:
    if place == DATABASE:
        if not setting.in_database or (version is not None and version < setting.database_since):
            raise InputError(
                "PostgREST%s doesn't take %s from the database."
                % ("" if version is None or not setting.in_database else " %d" % version, setting.name),
                "Set it in the environment, or in its configuration file.",
            )
        if found.database is None:
            raise InputError(
                "%s is to be set in the database, and no server is named." % setting.name,
                "Name its container, or login_host.",
            )
    if place == FILE and found.conf is None:
        raise InputError(
            "%s is to be set in the configuration file, and service %s names none that is mounted from this host."
            % (setting.name, found.service),
            "Name it as config_file, or set place=environment.",
        )
    if place == ENV_FILE and not found.env_files:
        raise InputError(
            "%s is to be set in an env file, and service %s has none." % (setting.name, found.service),
            "Set place=environment, or give the service an env_file.",
        )


def changed_uri(
    found: Found, database: Optional[str], user: Optional[str], host: Optional[str]
) -> Optional[Tuple[str, str]]:
    """Return place and new value of a db-uri with other parts; None where the environment has it, or none is to change.

    Raises:
        StateError: it stands nowhere. InputError: its form doesn't let that part be changed.
    """
    places = [place for place in found.places_of(DB_URI) if place != DATABASE]
    if (database, user, host) == (None, None, None) or ENVIRONMENT in places:
        return None
    if not places:
        raise StateError(
            "The db-uri of service %s stands in none of its files, so its parts can't be changed." % found.service,
            "Write it there, with ${…} for what is secret, or set the setting db-uri.",
        )
    where = "db-uri of %s" % _name(places[0], found)
    text = found.value_at(places[0], DB_URI) or ""
    return places[0], uri.change_parts(text, database, user, host, where)


def env_file_changes(found: Found, wanted: Settings, documents: Sequence[Document], directory: str) -> List[Change]:
    """Return a change for each env file in which a setting isn't as it is wanted; data: its bytes before and after.

    Raises:
        ConflictError: another instance reads it too.
    """
    contents = dict(found.env_files)
    lines: Dict[str, Tuple[List[str], List[str]]] = {}
    held = found.in_env_files()
    for setting, value in wanted.items():
        name = name_in(setting, held)
        holders = [path for path, data in found.env_files if name in read_dotenv(data or b"", path)]
        for path in (holders or [found.env_files[-1][0]])[-1:] if value is not None else holders:
            old = read_dotenv(contents[path] or b"", path).get(name)
            if old == value:
                continue
            _refuse_other_readers(found.service, documents, directory, path, name)
            contents[path] = set_dotenv(contents[path], name, value, path)
            _add_line(lines.setdefault(path, ([], [])), setting, name + "=", old, value)
    return _changes(dict(found.env_files), contents, lines)


def _refuse_other_readers(service: str, documents: Sequence[Document], directory: str, path: str, name: str) -> None:
    others = [
        other
        for other in _other_instances(documents, service)
        if path in env_file_paths(documents, other, directory) and name not in environment_of(documents, other)
    ]
    if others:
        raise ConflictError(
            "%s of %s is read by service %s too." % (name, path, ", ".join(others)),
            "Set place=environment, which is this service's own.",
        )


def conf_changes(
    found: Found, wanted: Settings, documents: Sequence[Document], directory: str, before: bytes
) -> List[Change]:
    """Return the change of the configuration file; data: its bytes before and after.

    Raises:
        ConflictError: another instance reads it too.
    """
    conf = found.conf
    if conf is None:
        return []
    lines: Tuple[List[str], List[str]] = ([], [])
    data = before
    for setting, value in wanted.items():
        old = conf.get(setting)
        if old == value:
            continue
        _add_line(lines, setting, setting.name + " = ", old, value)
        data = ConfFile(data, conf.name).with_value(setting, value)
    if data == before:
        return []
    paths = [conf_path(documents, other, directory) for other in _other_instances(documents, found.service)]
    others = [
        other
        for other, path in zip(_other_instances(documents, found.service), paths)
        if path is not None and path.path == conf.name
    ]
    if others:
        raise ConflictError(
            "%s is the configuration file of service %s too." % (conf.name, ", ".join(others)),
            "Set place=environment, which is this service's own.",
        )
    return _changes({conf.name: before}, {conf.name: data}, {conf.name: lines})


def _add_line(
    lines: Tuple[List[str], List[str]], setting: Setting, begin: str, old: Optional[str], new: Optional[str]
) -> None:
    shown = [None if text is None else begin + _shown(setting, text) for text in (old, new)]
    if shown[0] is not None:
        lines[0].append(shown[0])
    if shown[1] is not None:
        lines[1].append(shown[1] + (" (another one)" if shown[0] == shown[1] else ""))


def _shown(setting: Setting, text: str) -> str:
    return text if is_variable(text) else shown_value(setting, text)


def _changes(
    before: Mapping[str, Optional[bytes]],
    after: Mapping[str, Optional[bytes]],
    lines: Mapping[str, Tuple[List[str], List[str]]],
) -> List[Change]:
    return [
        Change(path, "\n".join(old), "\n".join(new), data=(before[path], after[path]))
        for path, (old, new) in lines.items()
    ]


def _other_instances(documents: Sequence[Document], service: str) -> List[str]:
    others = []
    for other in services_of(documents):
        try:
            require_postgrest([document for document in documents if other in services_of([document])], other)
        except BulkheadError:
            continue
        if other != service:
            others.append(other)
    return others


def refuse_to_change_others(before: Sequence[Document], after: Sequence[Document], service: str) -> None:
    """Raise ConflictError where an instance of another file extends the service, and its environment changes too."""
    for other in _other_instances(before, service):
        held, holds = (environment_of(_files_of(documents, other), other) for documents in (before, after))
        names = sorted(name for name in {**held, **holds} if held.get(name) != holds.get(name))
        if names:
            raise ConflictError(
                "Service %s extends %s, and %s would change for it too." % (other, service, ", ".join(names)),
                "Use mode=override.",
                shared_with=[other],
            )


def _files_of(documents: Sequence[Document], service: str) -> List[Document]:
    """Return the files, those that have a service last: what it extends is read first."""
    return sorted(documents, key=lambda document: service in services_of([document]))


def env_file_paths(documents: Sequence[Document], service: str, directory: str) -> List[str]:
    """Return the paths of a service's env files, in order; those that hold a variable are left out."""
    paths: List[str] = []
    for model, name in lineage(documents, service):
        paths += [path for path in env_files_of(model, name) if not variables_in(path)]
    return list(dict.fromkeys(posixpath.normpath(posixpath.join(directory, path)) for path in paths))


def conf_path(documents: Sequence[Document], service: str, directory: str) -> Optional[ConfPath]:
    """Return the configuration file that a service's command names; None where it is none of this host's."""
    words: List[str] = []
    mounts: Dict[str, str] = {}
    for model, name in lineage(documents, service):
        found = model.find(name, "command")
        if found is not None:
            words = _words(found.value.resolved())
        mounts.update(mounts_of(model, name))
    named = [word for word in words if not word.startswith("-") and not _PROGRAM.search(word)]
    if not named or variables_in(named[-1]) or not named[-1].startswith("/"):
        return None
    inside = posixpath.normpath(named[-1])
    for target in sorted(mounts, key=len, reverse=True):
        source = mounts[target]
        if inside != target and not inside.startswith(target.rstrip("/") + "/"):
            continue
        # What isn't a path is the name of a volume.
        if variables_in(source) or not source.startswith((".", "/")):
            return None
        below = posixpath.relpath(inside, target)
        path = posixpath.normpath(posixpath.join(directory, source, "" if below == "." else below))
        return ConfPath(path, inside, inside == target)
    return None


def _words(value: Node) -> List[str]:
    if value.kind == "sequence":
        return [item.resolved().value for item in value.items if item.resolved().kind == "scalar"]
    if value.kind != "scalar" or value.is_null:
        return []
    try:
        return shlex.split(value.value)
    except ValueError:
        return []
