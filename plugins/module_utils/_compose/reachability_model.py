# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question, the container that it is about, and what is asked of its surroundings."""

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Protocol, Sequence

from .._core.inspection import LABEL_SERVICE
from .extra_hosts import split_entry
from .reachability_host import Engine, Publisher

# What engines themselves call the host.
HOST_NAMES = ("host.docker.internal", "gateway.docker.internal", "host.containers.internal")


class Surroundings(Protocol):
    """What is asked about a container's surroundings once its way has ended somewhere."""

    def inspect(self, container: str) -> Optional[Mapping[str, Any]]:
        """Return what ``docker inspect`` says; None where there is no such container."""

    def engine(self) -> Engine:
        """Return what kind of engine it is."""

    def network(self, name: str) -> Optional[Mapping[str, Any]]:
        """Return what ``docker network inspect`` says; None where there is no such network."""

    def host_sockets(self, address: str) -> Optional[str]:
        """Return /proc/net/tcp and tcp6 of the machine with this address; None where that isn't the one we run on."""

    def publishers(self, port: int) -> List[Publisher]:
        """Return the containers that publish a port of the host."""

    def compose_file(self, path: str) -> Optional[bytes]:
        """Return a compose file of the engine's machine; None where it can't be read from here."""


@dataclass(frozen=True)
class Question:
    """Whether this container reaches this host, on this port, under this URL."""

    container: str
    host: str
    port: Optional[int] = None
    url: Optional[str] = None
    variables: Sequence[str] = ()


def service_of(inspection: Mapping[str, Any]) -> Optional[str]:
    """Return the Compose service that a container belongs to."""
    return labels_of(inspection).get(LABEL_SERVICE)


def defined_address(host: str, inspection: Mapping[str, Any]) -> Optional[str]:
    """Return where a container's definition names a host."""
    for text in inspection["HostConfig"].get("ExtraHosts") or []:
        entry = split_entry(text)
        if entry is not None and entry[0].lower() == host.lower():
            return entry[1]
    return None


def network_mode(inspection: Mapping[str, Any]) -> str:
    """Return a container's network mode: ``none``, ``host``, ``container:ID``, or the name of a network."""
    return str(inspection["HostConfig"].get("NetworkMode") or "default")


def networks_of(inspection: Mapping[str, Any]) -> List[str]:
    """Return the networks a container is attached to, by identifier where it has ever run, in the order of names."""
    attached = (inspection.get("NetworkSettings") or {}).get("Networks") or {}
    return [str(attached[name].get("NetworkID") or name) for name in sorted(attached)]


def labels_of(inspection: Mapping[str, Any]) -> Mapping[str, str]:
    """Return a container's labels."""
    return inspection["Config"].get("Labels") or {}
