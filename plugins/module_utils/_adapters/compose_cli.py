# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``docker compose``: whether it accepts a file, asked before the file is replaced; and services brought up again.

Its standard output holds resolved secrets and is thrown away. Its messages are shown with the values of the
project's env files masked.
"""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from .._compose.dotenv import read_dotenv
from .._core.errors import BulkheadError, InputError, OutsideError

VALIDATED = "yes"
SKIPPED = "skipped"
OFF = "no"

_TIMEOUT_S = 120
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Project:
    """How a project is put together: what ``docker compose`` must be told to see it as its owner does.

    Arguments:
        name: the project's name; empty leaves it to Compose.
        directory: its working directory.
        files: its compose files, in order. env_files: its env files; none leaves ``.env`` to Compose.
    """

    name: str
    directory: str
    files: Tuple[str, ...]
    env_files: Tuple[str, ...] = ()


class ComposeCli:
    """The ``docker compose`` client of this host.

    Arguments:
        docker_host: the engine's URL; by default what the client itself takes.
    """

    def __init__(self, docker_host: Optional[str] = None) -> None:
        self._docker_host = docker_host

    def config_problem(self, project: Project, files: Sequence[str]) -> str:
        """Return what Compose says against these files; an empty text where it accepts them.

        Raises:
            OutsideError: there is no docker client, or it has no compose.
        """
        done = self._run(project, files, ["--profile", "*", "config", "--quiet"])
        return self._problem(project, done)

    def up(self, project: Project, services: Sequence[str]) -> None:
        """Bring services up as their files say, without their dependencies.

        Raises:
            OutsideError: Compose refused, or a service didn't come up.
        """
        files = [path for path in project.files if os.path.exists(path)]
        wanted = ["up", "--detach", "--no-deps", "--wait", "--wait-timeout", str(_TIMEOUT_S - 20), *services]
        problem = self._problem(project, self._run(project, files, wanted))
        if problem and "unhealthy" not in problem:
            raise OutsideError("%s can't be brought up again: %s." % (", ".join(services), problem.rstrip(".")))

    def _run(
        self, project: Project, files: Sequence[str], command: Sequence[str]
    ) -> "subprocess.CompletedProcess[bytes]":
        argv = ["docker", "compose", "--project-directory", project.directory]
        if project.name:
            argv += ["--project-name", project.name]
        for env_file in project.env_files:
            argv += ["--env-file", env_file]
        for path in files:
            argv += ["--file", path]
        argv += command
        environment = dict(os.environ, LC_ALL="C")
        for variable in ("COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "COMPOSE_ENV_FILES"):
            environment.pop(variable, None)
        if self._docker_host:
            environment["DOCKER_HOST"] = self._docker_host
        try:
            return subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=project.directory,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OutsideError(
                "`docker compose %s` gave no answer within %d seconds." % (" ".join(command), _TIMEOUT_S)
            ) from error
        except OSError as error:
            raise OutsideError(
                "`docker compose` can't be run on this host: %s." % error.strerror,
                "Install the docker client with its compose plugin, or set validate=false.",
            ) from error

    def _problem(self, project: Project, done: "subprocess.CompletedProcess[bytes]") -> str:
        """Return what Compose said against it, secrets masked; an empty text where it did what it was told."""
        if done.returncode == 0:
            return ""
        text = done.stderr.decode("utf-8", "replace")
        if "is not a docker command" in text or "unknown flag: --project-directory" in text:
            raise OutsideError(
                "The docker client of this host has no `docker compose`.",
                "Install Debian's docker-compose, or Docker's docker-compose-plugin, or set validate=false.",
            )
        lines = [line for line in text.splitlines() if line.strip() and "level=warning" not in line]
        return mask(" ".join(lines) or "exit status %d" % done.returncode, self._secrets(project))

    @staticmethod
    def _secrets(project: Project) -> List[str]:
        values: List[str] = []
        for path in project.env_files or (os.path.join(project.directory, ".env"),):
            try:
                with open(path, "rb") as stream:
                    values.extend(read_dotenv(stream.read()).values())
            except (OSError, InputError):
                continue
        return values

    def validate(
        self, project: Project, path: str, new: bytes, old: Optional[bytes], last: bool = False
    ) -> Tuple[str, str]:
        """Ask Compose about a file's new content before it replaces the old one.

        Arguments:
            path: the file that is to be replaced. old: its content; None where it doesn't exist.
            last: the file comes after the project's files even where it isn't one of them (an override file).

        Returns: ``yes`` and an empty text, or ``skipped`` and why: Compose refuses the old content in the same way.

        Raises:
            BulkheadError: Compose refuses the new content; nothing was written.
        """
        target = os.path.realpath(path)
        candidate = self._write_candidate(target, new)
        try:
            others = list(project.files)
            known = [os.path.realpath(item) for item in others]
            if target in known:
                place = known.index(target)
            else:
                place = len(others) if last else 0
                others.insert(place, path)
            files = others[:place] + [candidate] + others[place + 1 :]
            # A new override file is no part of what was there before.
            before = others if old is not None else others[:place] + others[place + 1 :]
            problem = self.config_problem(project, files).replace(candidate, path)
            if not problem:
                return VALIDATED, ""
            if before and self.config_problem(project, before).replace(target, path) == problem:
                return SKIPPED, "Compose refuses the file as it was in the same way: %s" % problem
        finally:
            os.unlink(candidate)
        raise BulkheadError(
            "Compose refuses the new content of %s: %s. Nothing was written." % (path, problem.rstrip(".")),
            "If this is wanted all the same, set validate=false.",
        )

    @staticmethod
    def _write_candidate(target: str, data: bytes) -> str:
        try:
            handle, candidate = tempfile.mkstemp(
                prefix="." + os.path.basename(target) + ".", suffix=".check.yml", dir=os.path.dirname(target)
            )
        except OSError as error:
            raise OutsideError(
                "No file can be made beside %s: %s; it is as it was." % (target, (error.strerror or "").lower())
            ) from error
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
        except OSError as error:
            os.unlink(candidate)
            raise OutsideError("%s can't be written: %s." % (candidate, (error.strerror or "").lower())) from error
        return candidate


def mask(text: str, secrets: Sequence[str]) -> str:
    """Return a text in which none of these values is left."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "********")
    return text
