# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask from inside a container, with whatever its image has."""

from typing import Optional, Sequence, Tuple

from .._core.errors import OutsideError
from .docker import Docker

_NO_SUCH_PROGRAM = 127


class ContainerProber:
    """Runs the questions of ``_compose.reachability`` through the engine."""

    def __init__(self, engine: Docker) -> None:
        self._engine = engine

    def run(self, container: str, argv: Sequence[str]) -> Tuple[int, str, str]:
        """Return exit status, output and errors of a command; 127 where the container has no such program."""
        try:
            done = self._engine.run(container, argv)
        except OutsideError as error:
            # Some engines answer a missing program with an error instead of an exit status.
            return _NO_SUCH_PROGRAM, "", error.message
        output = done.stdout.decode("utf-8", "replace")
        if "executable file not found" in output or "executable file not found" in done.stderr:
            return _NO_SUCH_PROGRAM, "", output
        return done.rc, output, done.stderr

    def hosts_file(self, container: str) -> Optional[str]:
        """Return the container's /etc/hosts, or None where it can't be read."""
        rc, output, _errors = self.run(container, ["cat", "/etc/hosts"])
        if rc == 0:
            return output
        try:
            return self._engine.read_file(container, "/etc/hosts").decode("utf-8", "replace")
        except OutsideError:
            return None
