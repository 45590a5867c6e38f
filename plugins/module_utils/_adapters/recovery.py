# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what a recovery needs is looked for, and read: compose projects, containers, volumes, files. Read-only."""

import os
from typing import Any, Dict, Iterator, Mapping, Optional

from .._core.errors import OutsideError, StateError
from .._recovery.needs import Place, Project
from .compose_context import ComposeContext
from .compose_project import open_engine, service_containers
from .files import read_bytes
from .trees import Member, archive_members, host_members


class RecoverySources:
    """Answers what the search for needs asks.

    Arguments:
        docker_host: the engine's URL; by default what DOCKER_HOST says, else the local socket. Without an engine files
        are looked at all the same.
    """

    def __init__(self, docker_host: Optional[str] = None) -> None:
        self._docker_host = docker_host
        self._engine = open_engine(docker_host)

    def close(self) -> None:
        """Give back the engine's connections."""
        if self._engine is not None:
            self._engine.close()

    @property
    def has_engine(self) -> bool:
        """Whether there is a container engine to ask."""
        return self._engine is not None

    def project(self, service: Mapping[str, Any]) -> Project:
        """Return the project of a service.

        Raises:
            BulkheadError: its compose file can't be read.
        """
        context = ComposeContext({"mode": "inline", "docker_host": self._docker_host, **service})
        try:
            return Project(
                context.project.name or os.path.basename(context.project.directory),
                context.environment_state([service["service"]]),
                service_containers(self._engine, context.running, context.path),
            )
        finally:
            context.close()

    def container(self, name: str) -> Optional[Dict[str, Any]]:
        """Return what the engine says of a container, or None."""
        return self._engine.inspect_or_none(name) if self._engine is not None else None

    def volume(self, name: str) -> bool:
        """Whether the engine has a volume of that name."""
        return self._engine is not None and self._engine.has_volume(name)

    def content(self, path: str) -> Optional[bytes]:
        """Return a file's content, or None where there is no file."""
        return read_bytes(path) if os.path.isfile(path) else None

    def entries(self, path: str) -> Optional[int]:
        """Return how much a folder holds, or None where there is no folder."""
        if not os.path.isdir(path):
            return None
        try:
            return len(os.listdir(path))
        except OSError as error:
            raise OutsideError("Folder %s can't be read: %s." % (path, (error.strerror or "").lower())) from error

    def members(self, place: Place) -> Iterator[Member]:
        """Yield what lies at a place, as members of a tar archive.

        A volume is read through a container that mounts it, running or not.

        Raises:
            StateError: none does. OutsideError: something can't be read. ConflictError: it changes meanwhile.
        """
        if not place.volume:
            return host_members(place.path)
        if self._engine is None:
            raise StateError("There is no container engine to read volume %s through." % place.volume)
        container, path = place.container, place.path
        if not container:
            mounting = self._engine.mounting(place.volume)
            if not mounting:
                raise StateError(
                    "Volume %s is mounted in no container, so it can't be read." % place.volume,
                    "Bring its service up once (`docker compose up --no-start` will do), or take it out of `recovery`.",
                )
            container, path = mounting[0]
        # With the dot the archive is of what is in it, wherever it is mounted.
        chunks = self._engine.archive(container, path.rstrip("/") + "/.")
        return archive_members(chunks, "Volume %s" % place.volume)
