# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``docker compose``: what it makes of files, asked before they are replaced; and services brought up again.

Its standard output holds resolved secrets: it is compared and thrown away, and never shown. Its messages are shown
with the values of the project's env files masked.
"""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .._compose.dotenv import read_dotenv
from .._compose.resolved import Wanted, stray_paths
from .._core.errors import BulkheadError, ConflictError, InputError, OutsideError
from .compose_files import FileChange

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

    def model(self, project: Project) -> Tuple[Optional[Dict[str, Any]], str]:
        """Return what Compose makes of a project's files, services behind profiles included; or what it says against.

        Raises:
            OutsideError: there is no docker client, or it has no compose.
        """
        done = self._run(project, project.files, ["--profile", "*", "config", "--format", "json"], subprocess.PIPE)
        problem = self._problem(project, done)
        return (None, problem) if problem else (json.loads(done.stdout), "")

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
        self, project: Project, files: Sequence[str], command: Sequence[str], stdout: int = subprocess.DEVNULL
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
                stdout=stdout,
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

    def validate(self, project: Project, changes: Sequence[FileChange], wanted: Wanted) -> Tuple[str, str]:
        """Ask Compose about files' new contents before they replace the old ones.

        Arguments:
            project: as it is. A changed file that is neither one of its files nor one of its env files comes last: it
                is a new override file.
            changes: what the files are to hold.
            wanted: in what Compose may read the project otherwise.

        Returns: ``yes`` and an empty text, or ``skipped`` and why: Compose refuses the old content in the same way.

        Raises:
            BulkheadError: Compose refuses the new content, or would read more than was asked for out of it.
        """
        after = project
        candidates: List[Tuple[str, str]] = []
        what = ", ".join(change.path for change in changes)
        try:
            for change in changes:
                candidate = None
                if change.after is not None:
                    candidate = self._write_candidate(os.path.realpath(change.path), change.after)
                    candidates.append((candidate, change.path))
                after = _with_file(after, change.path, candidate)
            model, problem = self.model(after)
            for candidate, path in candidates:
                problem = problem.replace(candidate, path)
            old, old_problem = self.model(project) if project.files else (None, "")
        finally:
            for candidate, _path in candidates:
                os.unlink(candidate)
        if model is None and project.files and problem == old_problem:
            return SKIPPED, "Compose refuses the project as it was in the same way: %s" % problem
        if model is None:
            raise BulkheadError(
                "Compose refuses the new content of %s: %s. Nothing was written." % (what, problem.rstrip(".")),
                "If this is wanted all the same, set validate=false.",
            )
        stray = stray_paths(old, model, wanted.paths) if old is not None else []
        if stray:
            raise BulkheadError(
                "With the new content of %s, Compose would also read another %s. Nothing was written."
                % (what, ", ".join(".".join(path) for path in stray)),
                "Name these services too, or make the change by hand.",
            )
        lacking = wanted.problem(model)
        if lacking:
            raise ConflictError(
                "With the new content of %s, %s. Nothing was written." % (what, lacking),
                "See what the project's other files say of it (include, extends, a further -f, an override file).",
            )
        return VALIDATED, ""

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


def _with_file(project: Project, path: str, candidate: Optional[str]) -> Project:
    """Return a project in which another file takes the place of one, or none does."""
    target = os.path.realpath(path)
    new = () if candidate is None else (candidate,)
    # The project's own `.env` is read only as long as no env file is named.
    env_files = project.env_files or (os.path.join(project.directory, ".env"),)
    if target in [os.path.realpath(one) for one in env_files]:
        names = [new if os.path.realpath(one) == target else (one,) for one in env_files]
        return replace(project, env_files=tuple(one for name in names for one in name))
    files = [new if os.path.realpath(one) == target else (one,) for one in project.files]
    if target not in [os.path.realpath(one) for one in project.files]:
        files.append(new)
    return replace(project, files=tuple(one for name in files for one in name))


def mask(text: str, secrets: Sequence[str]) -> str:
    """Return a text in which none of these values is left."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "********")
    return text
