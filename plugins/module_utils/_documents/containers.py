# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the definition of a container says, of variables their names alone."""

from typing import Any, Dict, List, Mapping, Optional

from .._core.inspection import LABEL_PROJECT, LABEL_SERVICE


def read_definition(inspection: Mapping[str, Any], image: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return what documents tell of a container: nothing that changes while its definition doesn't.

    Arguments:
        inspection: what the engine says of it. image: what it says of its image, or None where that is gone.
    """
    config, host = inspection.get("Config") or {}, inspection.get("HostConfig") or {}
    labels = config.get("Labels") or {}
    # What the image sets is its authors' business; a variable that was given another value is the user's.
    inherited = set(((image or {}).get("Config") or {}).get("Env") or [])
    return {
        "image": config.get("Image", ""),
        "service": labels.get(LABEL_SERVICE, ""),
        "project": labels.get(LABEL_PROJECT, ""),
        "networks": sorted((inspection.get("NetworkSettings") or {}).get("Networks") or {}),
        "network_mode": host.get("NetworkMode", ""),
        "published": _published(host.get("PortBindings") or {}),
        "hosts": sorted(str(entry).split(":", 1)[0].split("=", 1)[0] for entry in host.get("ExtraHosts") or []),
        "variables": sorted(
            {entry.split("=", 1)[0] for entry in config.get("Env") or [] if entry not in inherited} - {""}
        ),
    }


def _published(bindings: Mapping[str, Any]) -> List[str]:
    """Return ports as Compose writes them: ``127.0.0.1:5433:5432``; the engine chooses one that isn't named."""
    found = []
    for inner, places in sorted(bindings.items()):
        port = inner[: -len("/tcp")] if inner.endswith("/tcp") else inner
        for place in places or []:
            address, outer = place.get("HostIp") or "", place.get("HostPort") or ""
            outer = "" if outer == "0" else outer
            found.append(":".join([address, outer, port] if address else [outer, port] if outer else [port]))
    return found
