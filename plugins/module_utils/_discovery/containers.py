# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container is, told from its inspection: a Postgres server, a PostgREST instance, or a service of a project."""

import fnmatch
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import unquote, urlsplit

from .._core.inspection import LABEL_DIRECTORY, LABEL_FILES, LABEL_PROJECT, LABEL_SERVICE, environment_of, repository_of

POSTGRES, POSTGREST, SERVICE = "postgres", "postgrest", "service"

_SERVER_PORT = "5432/tcp"
_SERVER_IMAGES = ("postgres", "pgvector", "postgis", "timescale")
_SCHEMES = ("postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2", "postgresql+psycopg")
# How a container calls the machine that it runs on.
HOST_NAMES = ("host.docker.internal", "gateway.docker.internal", "host-gateway", "172.17.0.1")


@dataclass(frozen=True)
class Seen:
    """A running container.

    Arguments:
        kind: postgres, postgrest or service.
        image: as it was named when the container was made.
        names: under which other containers reach it, its own among them.
        addresses: on its networks. ports: on the host, that lead to its server.
        project: of Compose; empty where it isn't one's. files: compose files, absolute.
        profile: the program that it runs, by the name of its profile; empty where none is known.
    """

    name: str
    kind: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    names: Tuple[str, ...] = ()
    addresses: Tuple[str, ...] = ()
    ports: Tuple[int, ...] = ()
    project: str = ""
    service: str = ""
    files: Tuple[str, ...] = ()
    profile: str = ""

    @property
    def reaches_host(self) -> bool:
        """Whether a variable of it names the host by the name that Docker has for it."""
        return any("host.docker.internal" in value for value in self.environment.values())


def read_container(inspection: Mapping[str, Any], profiles: Mapping[str, Any]) -> Seen:
    """Return what ``docker inspect`` says of a container."""
    config = inspection["Config"]
    image = str(config.get("Image") or "")
    environment = environment_of(inspection)
    labels = config.get("Labels") or {}
    networks = (inspection["NetworkSettings"].get("Networks") or {}).values()
    name = str(inspection["Name"]).lstrip("/")
    names = {name, *(alias for network in networks for alias in network.get("Aliases") or [])}
    service = labels.get(LABEL_SERVICE, "")
    files = labels.get(LABEL_FILES, "")
    folder = labels.get(LABEL_DIRECTORY, "")
    bindings = (inspection["NetworkSettings"].get("Ports") or {}).get(_SERVER_PORT) or []
    return Seen(
        name,
        _kind(image, environment, config.get("ExposedPorts") or {}),
        image,
        environment,
        tuple(sorted(names | ({service} if service else set()))),
        tuple(network["IPAddress"] for network in networks if network.get("IPAddress")),
        tuple(sorted({int(binding["HostPort"]) for binding in bindings})),
        labels.get(LABEL_PROJECT, ""),
        service,
        tuple(_absolute(path, folder) for path in files.split(",") if path),
        _profile(image, profiles),
    )


def _absolute(path: str, folder: str) -> str:
    return path if path.startswith("/") else "%s/%s" % (folder.rstrip("/"), path)


def _kind(image: str, environment: Mapping[str, str], exposed: Mapping[str, Any]) -> str:
    short = repository_of(image)
    if "postgrest" in short or "PGRST_DB_URI" in environment:
        return POSTGREST
    # The official image, and those built on it, set PGDATA; a program that merely uses a server doesn't.
    looks_like_one = any(word in short for word in _SERVER_IMAGES)
    if "PGDATA" in environment or (_SERVER_PORT in exposed and looks_like_one):
        return POSTGRES
    return SERVICE


def _profile(image: str, profiles: Mapping[str, Any]) -> str:
    short = repository_of(image)
    for name, profile in profiles.items():
        for pattern in profile.get("images") or []:
            if fnmatch.fnmatchcase(short, pattern):
                return str(name)
    return ""


def database_wanted(seen: Seen, profiles: Mapping[str, Any]) -> List[Tuple[str, int, str]]:
    """Return the databases that a container's variables name, each with the host and the port that lead there."""
    found = []
    for value in seen.environment.values():
        scheme, mark, _rest = value.partition("://")
        if mark and scheme in _SCHEMES:
            place = _of_url(value)
            if place is not None:
                found.append(place)
    variables = (profiles.get(seen.profile) or {}).get("database_variables") or {}
    name, host = (seen.environment.get(variables.get(part, "")) for part in ("name", "host"))
    if name and host:
        port = seen.environment.get(variables.get("port", ""), "5432")
        found.append((host, int(port) if port.isdigit() else 5432, name))
    return found


def _of_url(url: str) -> Optional[Tuple[str, int, str]]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 5432
    except ValueError:
        # A password that isn't encoded: nothing can be told.
        return None
    name = unquote(parts.path.lstrip("/"))
    return (host, port, name) if host and name else None


def leads_to(host: str, port: int, server: Seen) -> bool:
    """Return whether a container that names this host and port means a server."""
    if host in HOST_NAMES:
        return port in server.ports
    return host in server.names or host in server.addresses


def by_kind(containers: List[Seen]) -> Dict[str, List[Seen]]:
    """Return containers by what they are, in the order of their names."""
    found: Dict[str, List[Seen]] = {POSTGRES: [], POSTGREST: [], SERVICE: []}
    for seen in sorted(containers, key=lambda item: item.name):
        found[seen.kind].append(seen)
    return found
