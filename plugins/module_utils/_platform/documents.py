# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projection of a validated description for documents: what is described, to be held against what is found."""

import posixpath
from typing import Any, Dict, List, Mapping

from .projections import Thing, container_name, database_name
from .recovery import project_recovery
from .spec import BLOCKS


def project_documents(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what the role documentation works with; nothing secret is in it."""
    recovery = project_recovery(platform)
    services = [_service(platform, profiles, name, item) for name, item in platform["services"].items()]
    instances = [_instance(platform, name, item) for name, item in platform["postgrest"].items()]
    containers = [item["container"] for item in [*recovery["clusters"], *services, *instances] if item["container"]]
    return {
        "files": [
            {
                "path": item["path"],
                "blocks": item["blocks"] or list(BLOCKS),
                "comments": item["comments"],
                "create": item["create"],
                "state": item["state"],
            }
            for item in platform["documents"]
        ],
        "runbook": recovery["runbook"],
        "status": posixpath.join(posixpath.dirname(recovery["runbook"]), "recovery-status.md"),
        "timezone": platform["timezone"],
        "clusters": recovery["clusters"],
        "databases": [dict(item, **_more(platform["databases"][item["key"]])) for item in recovery["databases"]],
        "services": services,
        "instances": instances,
        "containers": list(dict.fromkeys(containers)),
        "neighbours": platform["neighbours"],
    }


def _more(database: Mapping[str, Any]) -> Thing:
    backup: Mapping[str, Any] = database.get("backup") or {}
    return {
        "owner": database.get("owner"),
        "retention": {rule: value for rule, value in (backup.get("retention") or {}).items() if value is not None},
    }


def _service(platform: Mapping[str, Any], profiles: Mapping[str, Any], name: str, service: Mapping[str, Any]) -> Thing:
    key = service.get("database")
    networks: List[str] = [item["network"] or item["name"] for item in service.get("networks") or []]
    profile = service.get("profile")
    return {
        "name": name,
        "container": container_name(name, service),
        "path": service["compose_file"],
        "key": key,
        "database": database_name(platform, key) if key else None,
        "cluster": platform["databases"][key]["cluster"] if key else None,
        # Whose tables are its own is known of programs that have a profile.
        "program": profile if (profiles.get(str(profile)) or {}).get("owns") else None,
        "postgrest": service.get("postgrest"),
        "reaches_host": service["reaches_host"],
        "networks": networks,
        "health_url": service.get("health_url"),
    }


def _instance(platform: Mapping[str, Any], name: str, item: Mapping[str, Any]) -> Thing:
    return {
        "name": name,
        "container": item.get("container") or item["service"],
        "path": item["compose_file"],
        "database": database_name(platform, item["database"]),
        "cluster": platform["databases"][item["database"]]["cluster"],
        "url": (item.get("gateway") or {}).get("url"),
    }
