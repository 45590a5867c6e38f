# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask from inside a container with whatever its image has, or from a throwaway one; and what its surroundings are."""

import os
import socket
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._compose.reachability import joins_another
from .._compose.reachability_host import Engine, Publisher, read_engine
from .._compose.reachability_programs import WITHOUT_PROXY
from .._core.errors import BulkheadError, OutsideError
from .docker import Docker
from .files import read_bytes

_NO_SUCH_PROGRAM = 127
# How many images of running containers are tried where none was named.
_OTHER_IMAGES = 3


class ContainerProber:
    """Runs the questions of ``_compose.reachability`` through the engine.

    Arguments:
        probe_image: the image of throwaway containers; None takes the container's own, then those of running ones.

    Raises:
        OutsideError: the engine hasn't got that image.
    """

    def __init__(self, engine: Docker, probe_image: Optional[str] = None) -> None:
        self._docker = engine
        self._probe_image = probe_image
        self._kind: Optional[Engine] = None
        self._networks: Dict[str, Optional[Dict[str, Any]]] = {}
        self._swept = False
        if probe_image and engine.image_or_none(probe_image) is None:
            raise OutsideError(
                "There is no image %s on this engine." % probe_image,
                "Pull or load it there, or name another one in probe_image. Nothing is pulled unasked.",
            )

    def run(self, container: str, argv: Sequence[str]) -> Tuple[int, str, str]:
        """Return exit status, output and errors of a command; 127 where the container has no such program."""
        try:
            done = self._docker.run(container, argv, environment=WITHOUT_PROXY)
        except OutsideError as error:
            # Some engines answer a missing program with an error instead of an exit status.
            return _NO_SUCH_PROGRAM, "", error.message
        output = done.stdout.decode("utf-8", "replace")
        if "executable file not found" in output or "executable file not found" in done.stderr:
            return _NO_SUCH_PROGRAM, "", output
        return done.rc, output, done.stderr

    def probe_images(self, inspection: Mapping[str, Any], in_namespace: bool) -> List[str]:
        """Return the images that a throwaway container may be made of, the best first; all are on the engine."""
        if self._probe_image:
            return [self._probe_image]
        own = str(inspection["Image"])
        running = sorted(
            (item["names"], item["image"]) for item in self._docker.containers() if item["state"] == "running"
        )
        others = list(dict.fromkeys(image for _names, image in running if image != own))
        # A running container's own image was asked already, from inside.
        return ([] if in_namespace else [own]) + others[:_OTHER_IMAGES]

    def throwaway(
        self, inspection: Mapping[str, Any], image: str, in_namespace: bool, argv: Sequence[str]
    ) -> Tuple[int, str, str]:
        """Run a command in a throwaway container and remove it; see ``_compose.reachability.Prober``."""
        if not self._swept:
            self._swept = True
            self._docker.remove_old_throwaways()
        networks: List[str] = []
        joined = inspection["Id"] if in_namespace else joins_another(inspection)
        # In another container's namespace the engine refuses even empty lists of hosts and servers.
        settings: Dict[str, Any] = {"NetworkMode": "container:%s" % joined}
        if not joined:
            definition = inspection["HostConfig"]
            networks = sorted((inspection.get("NetworkSettings") or {}).get("Networks") or {})
            settings = {
                "NetworkMode": networks[0] if networks else definition.get("NetworkMode") or "default",
                "ExtraHosts": definition.get("ExtraHosts") or [],
                "Dns": definition.get("Dns") or [],
                "DnsOptions": definition.get("DnsOptions") or [],
                "DnsSearch": definition.get("DnsSearch") or [],
            }
        try:
            return self._docker.run_throwaway(image, argv, settings, networks[1:], WITHOUT_PROXY)
        except OutsideError as error:
            return _NO_SUCH_PROGRAM, "", error.message

    def inspect(self, container: str) -> Optional[Mapping[str, Any]]:
        """Return what ``docker inspect`` says; None where there is no such container."""
        return self._docker.inspect_or_none(container)

    def engine(self) -> Engine:
        """Return what kind of engine it is; it is asked once."""
        if self._kind is None:
            self._kind = read_engine(*self._docker.about())
        return self._kind

    def network(self, name: str) -> Optional[Mapping[str, Any]]:
        """Return what ``docker network inspect`` says; None where there is no such network."""
        if name not in self._networks:
            self._networks[name] = self._docker.network_or_none(name)
        return self._networks[name]

    def host_sockets(self, address: str) -> Optional[str]:
        """Return /proc/net/tcp and tcp6 of the machine with this address; None where that isn't the one we run on."""
        if not self._docker.is_local:
            return None
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            # Only an address of this machine can be bound; no port is opened to anyone.
            with socket.socket(family, socket.SOCK_DGRAM) as own:
                own.bind((address, 0))
            tables = [read_bytes(path) for path in ("/proc/net/tcp", "/proc/net/tcp6") if os.path.exists(path)]
        except (OSError, BulkheadError):
            return None
        return b"".join(tables).decode("ascii", "replace")

    def publishers(self, port: int) -> List[Publisher]:
        """Return the containers that publish a port of the host."""
        return [
            Publisher(item["names"][0], str(published.get("IP") or ""), int(published["PrivatePort"]))
            for item in self._docker.containers()
            for published in item["ports"]
            if published.get("PublicPort") == port and published.get("Type") == "tcp" and item["names"]
        ]

    def compose_file(self, path: str) -> Optional[bytes]:
        """Return a compose file of the engine's machine; None where it can't be read from here."""
        try:
            return read_bytes(path) if self._docker.is_local else None
        except BulkheadError:
            return None
