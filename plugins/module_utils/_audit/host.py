# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of its containers and compose files: who has which address, what is published, where secrets lie."""

import posixpath
from typing import Any, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from .._compose.document import Document, Node
from .._compose.dotenv import read_dotenv
from .._compose.environment import KEY, env_files_of, variables_in
from .._compose.model import Model
from .._compose.placement import is_secret
from .._core.errors import BulkheadError
from .._core.inspection import addresses_of

Row = Dict[str, Any]
# Names that speak of secrets and hold none, and values that can't be one.
_NO_SECRETS = ("_FILE", "_PATH", "_URL", "_LENGTH", "_EXP", "_EXPIRY", "_TTL", "_TOKENS", "_HEADER", "_ALGORITHM")
_SWITCHES = ("true", "false", "yes", "no", "on", "off", "none", "null", "disabled", "enabled")
_SHORTEST = 4
_WORLD = ("0.0.0.0", "::", "")


class Files(Protocol):
    """What this domain needs of a file system."""

    def read(self, path: str) -> Optional[bytes]:
        """Return a file's content, or None where there is none of that name."""

    def mode(self, path: str) -> Optional[int]:
        """Return a file's permissions, or None where there is none of that name."""


def read_container(inspection: Mapping[str, Any], up_s: Optional[int]) -> Row:
    """Return what matters of a container.

    Arguments:
        inspection: what ``docker inspect`` says of it.
        up_s: for how long it has been running, or None where it isn't.
    """
    state, config = inspection["State"], inspection.get("Config") or {}
    return {
        "name": str(inspection.get("Name", "")).lstrip("/"),
        "state": state.get("Status"),
        "health": (state.get("Health") or {}).get("Status"),
        "exit_code": state.get("ExitCode"),
        "restarts": int(inspection.get("RestartCount") or 0),
        "up_s": up_s,
        "image": config.get("Image"),
        "addresses": addresses_of(inspection),
        "published": _published(inspection),
    }


def _published(inspection: Mapping[str, Any]) -> List[Row]:
    """Return the ports that everyone who reaches the host reaches, each once."""
    # A container that doesn't run publishes nothing now, and will when it is started.
    now = (inspection.get("NetworkSettings") or {}).get("Ports") or {}
    wanted = (inspection.get("HostConfig") or {}).get("PortBindings") or {}
    found: Dict[Tuple[str, str], Row] = {}
    for inner, bindings in [*wanted.items(), *now.items()]:
        for binding in bindings or []:
            if (binding.get("HostIp") or "") in _WORLD and binding.get("HostPort"):
                key = (inner, str(binding["HostPort"]))
                found[key] = {"inner": inner, "port": key[1], "address": binding.get("HostIp") or "0.0.0.0"}
    return list(found.values())


class ProjectFiles:
    """The compose and env files of projects, each read once."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.secrets: List[Row] = []
        self.readable: List[Row] = []
        self.missing: List[str] = []
        self.unread: List[Row] = []
        self._seen: Dict[str, Optional[bytes]] = {}

    def look(self, path: str, files: Sequence[str] = (), env_files: Sequence[str] = ()) -> None:
        """Look at a project.

        Arguments:
            path: its compose file. files, env_files: more of them, where they are known.
        """
        folder = posixpath.dirname(path)
        for compose_file in dict.fromkeys([path, *files]):
            data = self._read(compose_file, compose_file == path)
            if data:
                self._compose(compose_file, data, folder)
        for env_file in env_files or [posixpath.join(folder, ".env")]:
            self._env(env_file)

    def result(self) -> Row:
        """Return what was found."""
        return {
            "secrets": self.secrets,
            "readable": self.readable,
            "missing": self.missing,
            "unread": self.unread,
        }

    def _read(self, path: str, must_be: bool) -> Optional[bytes]:
        """Return a file that wasn't looked at before."""
        if path in self._seen:
            return None
        try:
            data = self._files.read(path)
        except BulkheadError as error:
            self.unread.append({"path": path, "reason": str(error)})
            data = None
        else:
            if data is None and must_be:
                self.missing.append(path)
        self._seen[path] = data
        return data

    def _compose(self, path: str, data: bytes, folder: str) -> None:
        try:
            document = Document(data, path)
            model = Model(document)
            for service in model.nodes:
                self.secrets += _written_out(document, model, service)
                for env_file in env_files_of(model, service):
                    if not variables_in(env_file):
                        self._env(posixpath.normpath(posixpath.join(folder, env_file)))
        except BulkheadError as error:
            self.unread.append({"path": path, "reason": str(error)})

    def _env(self, path: str) -> None:
        data = self._read(path, False)
        if not data:
            return
        try:
            names = sorted(name for name, value in read_dotenv(data, path).items() if _holds_secret(name, value))
            mode = self._files.mode(path)
        except BulkheadError as error:
            self.unread.append({"path": path, "reason": str(error)})
            return
        if names and mode is not None and mode & 0o004:
            self.readable.append({"path": path, "mode": "%04o" % mode, "variables": names})


def _written_out(document: Document, model: Model, service: str) -> List[Row]:
    """Return the secrets that a compose file itself holds, by place; never their values."""
    found = model.find(service, KEY)
    if found is None:
        return []
    rows = []
    for name, value, node in _pairs(found.value.resolved()):
        if _holds_secret(name, value):
            line = document.line_number(node.start)
            rows.append({"path": document.name, "line": line, "service": service, "variable": name})
    return rows


def _holds_secret(name: str, value: Optional[str]) -> bool:
    """Whether a value itself is a secret, or holds one: no reference, no switch, no number, no path of a file."""
    if not value or name.upper().endswith(_NO_SECRETS) or value.lower() in _SWITCHES or len(value) < _SHORTEST:
        return False
    # A name says it of a whole value; a password within a URL is one whatever the variable is called.
    return is_secret("", value) or (is_secret(name, value) and not variables_in(value))


def _pairs(value: Node) -> List[Tuple[str, Optional[str], Node]]:
    if value.kind == "sequence":
        items = [item.resolved() for item in value.items]
        split = [(item.value.partition("="), item) for item in items if item.kind == "scalar"]
        return [(parts[0], parts[2] if parts[1] else None, item) for parts, item in split]
    pairs = []
    for key, node in value.pairs if value.kind == "mapping" else []:
        inner = node.resolved()
        if key.is_merge_key:
            pairs += _pairs(inner)
        elif inner.kind == "scalar":
            pairs.append((key.value, None if inner.is_null else inner.value, key))
    return pairs
