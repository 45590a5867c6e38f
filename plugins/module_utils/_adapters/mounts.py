# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container sees of its host's folders, by its inspection: bind mounts, and volumes that lie in a folder."""

import os
from typing import Any, List, Mapping, NamedTuple, Optional


class Mount(NamedTuple):
    """A folder of the host, with links followed (empty: of no folder, such as memory), and where it is inside."""

    source: str
    destination: str
    writable: bool


def path_in_container(inspection: Mapping[str, Any], path: str) -> Optional[str]:
    """Return where a path of the host lies inside, or None where it doesn't."""
    wanted = os.path.realpath(path)
    mounts = _mounts(inspection)
    for mount in sorted(mounts, key=lambda mount: len(mount.source), reverse=True):
        if not mount.source or not _is_below(wanted, mount.source):
            continue
        found = os.path.normpath(os.path.join(mount.destination, os.path.relpath(wanted, mount.source)))
        # Another mount may lie over this place.
        over = [other for other in mounts if _is_below(found, other.destination)]
        if max(over, key=lambda other: len(other.destination)) is mount:
            return found
    return None


def folders_in_container(inspection: Mapping[str, Any]) -> List[str]:
    """Return the folders of the host that are seen inside, each with where, for a person."""
    return [
        "%s (as %s%s)" % (mount.source, mount.destination, "" if mount.writable else ", read-only")
        for mount in sorted(_mounts(inspection), key=lambda mount: mount.destination)
        if mount.source
    ]


def _mounts(inspection: Mapping[str, Any]) -> List[Mount]:
    return [
        Mount(
            os.path.realpath(item["Source"]) if item.get("Source") else "",
            os.path.normpath(str(item.get("Destination") or "/")),
            bool(item.get("RW")),
        )
        for item in inspection.get("Mounts") or []
    ]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
