# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``docker inspect`` says of a container, read in one way by all (Docker Engine API, "Inspect a container")."""

import calendar
import time
from typing import Any, Dict, Iterable, List, Mapping, Optional

# What Compose writes on each container that it makes.
LABEL_PROJECT = "com.docker.compose.project"
LABEL_DIRECTORY = "com.docker.compose.project.working_dir"
LABEL_FILES = "com.docker.compose.project.config_files"
LABEL_ENV_FILES = "com.docker.compose.project.environment_file"
LABEL_SERVICE = "com.docker.compose.service"
LABEL_ONE_OFF = "com.docker.compose.oneoff"


def variables_of(entries: Optional[Iterable[str]]) -> Dict[str, str]:
    """Return an environment that stands as ``NAME=value``, or nothing."""
    return dict(text.partition("=")[::2] for text in entries or ())


def environment_of(inspection: Mapping[str, Any]) -> Dict[str, str]:
    """Return the environment that a container, or an image, was made with."""
    return variables_of((inspection.get("Config") or {}).get("Env"))


def addresses_of(inspection: Mapping[str, Any]) -> List[str]:
    """Return a container's addresses on its networks, of both families."""
    networks = (inspection.get("NetworkSettings") or {}).get("Networks") or {}
    kinds = ("IPAddress", "GlobalIPv6Address")
    return [network[kind] for network in networks.values() for kind in kinds if network.get(kind)]


def started_at(inspection: Mapping[str, Any]) -> Optional[float]:
    """Return when a container was started, in seconds since 1970; None where it never was."""
    whole, _dot, fraction = str(inspection["State"].get("StartedAt") or "").rstrip("Z").partition(".")
    try:
        return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (fraction or "0"))
    except ValueError:
        return None


def repository_of(image: str) -> str:
    """Return an image's name without registry, tag and digest: ``supabase/postgres``."""
    path = image.partition("@")[0].split("/")
    if len(path) > 1 and (path[0] == "localhost" or "." in path[0] or ":" in path[0]):
        path = path[1:]
    return "/".join([*path[:-1], path[-1].partition(":")[0]])
