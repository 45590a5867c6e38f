# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projections of a validated description for the bad day: how each database is restored, and how that is rehearsed."""

import posixpath
from typing import Any, Dict, List, Mapping

from .projections import (
    Thing,
    audit_path,
    backup_folder,
    by_project,
    connection,
    container_name,
    database_name,
    project_services,
    register_path,
    users_of,
)


def restores_path(platform: Mapping[str, Any]) -> str:
    """Return the file that says how long each restore took."""
    return posixpath.join(platform["state_dir"], "restores.jsonl")


def restore(platform: Mapping[str, Any]) -> List[Thing]:
    """Return, for each database that is dumped, how it is restored, and whom that stops meanwhile."""
    return [_restore(platform, key, database) for key, database in _dumped(platform).items()]


def _restore(platform: Mapping[str, Any], key: str, database: Mapping[str, Any]) -> Thing:
    services, instances = users_of(platform, key)
    options = {
        "key": key,
        "database": database_name(platform, key),
        "folder": backup_folder(platform, key),
        "checks": _checks(database),
        "register": register_path(platform),
        "cluster": database["cluster"],
        "audit_log": audit_path(platform),
        "log": restores_path(platform),
        "status_file": posixpath.join(platform["state_dir"], "status", "restore-%s.json" % key),
    }
    if database.get("rto"):
        options["rto"] = "%ds" % database["rto"]
    return {
        "key": key,
        "connection": connection(platform, database["cluster"]),
        "options": options,
        # Whoever asks through PostgREST is started after it, and stopped before.
        "projects": [project_services(group) for users in (instances, services) for group in by_project(users)],
        "health": [item["health_url"] for item in services.values() if item.get("health_url")],
        "ready": [
            {"container": container_name(name, item), "pattern": item["ready_log"]}
            for name, item in services.items()
            if item.get("ready_log")
        ],
    }


def drill(platform: Mapping[str, Any]) -> List[Thing]:
    """Return, for each cluster, how the copies of its databases are drilled, as options of a module."""
    clusters: Dict[str, List[Thing]] = {}
    for key, database in _dumped(platform).items():
        item = {
            "key": key,
            "database": database_name(platform, key),
            "folder": backup_folder(platform, key),
            "checks": _checks(database),
        }
        if database.get("rto"):
            item["rto"] = "%ds" % database["rto"]
        clusters.setdefault(database["cluster"], []).append(item)
    return [
        {"cluster": name, "connection": connection(platform, name), "databases": databases}
        for name, databases in clusters.items()
    ]


def _dumped(platform: Mapping[str, Any]) -> Dict[str, Thing]:
    return {key: item for key, item in platform["databases"].items() if item.get("backup")}


def _checks(database: Mapping[str, Any]) -> List[str]:
    probe = (database.get("recovery") or {}).get("probe")
    return [probe] if probe else []
