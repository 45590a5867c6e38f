# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit takes from outside: files that are only read, and every container at once."""

import os
import stat
import time
from typing import Any, Dict, Mapping, Optional, Sequence

from .._audit.host import read_container
from .._core.errors import OutsideError
from .._core.inspection import started_at
from .docker import Docker
from .files import read_bytes_or_none


class HostFiles:
    """The files of this host, for who only reads them."""

    def read(self, path: str) -> Optional[bytes]:
        """Return a file's content, or None where there is none of that name.

        Raises:
            InputError: it can't be read.
        """
        return read_bytes_or_none(path)

    def mode(self, path: str) -> Optional[int]:
        """Return a file's permissions, or None where there is none of that name."""
        try:
            return stat.S_IMODE(os.stat(path).st_mode)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutsideError("%s can't be looked at: %s." % (path, (error.strerror or "").lower())) from error


def read_containers(docker_host: Optional[str], named: Sequence[str]) -> Dict[str, Optional[Dict[str, Any]]]:
    """Return what matters of each container that runs, and of those that are named, by name.

    One that goes away meanwhile is left out, or None where it is named.
    """
    engine = Docker(docker_host)
    try:
        found: Dict[str, Optional[Dict[str, Any]]] = {}
        for item in engine.containers():
            names = item["names"]
            if item["state"] in ("running", "restarting", "paused") or set(names) & set(named):
                inspection = engine.inspect_or_none(item["id"])
                if inspection is not None:
                    row = read_container(inspection, _up_s(inspection))
                    found[row["name"]] = row
        for name in named:
            found.setdefault(name, None)
        return found
    finally:
        engine.close()


def _up_s(inspection: Mapping[str, Any]) -> Optional[int]:
    began = started_at(inspection) if inspection["State"].get("Running") else None
    return None if began is None else max(0, int(time.time() - int(began)))
