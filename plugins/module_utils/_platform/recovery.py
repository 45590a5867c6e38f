# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projection of a validated description for the bad day: what the runbook tells, what its status file looks at."""

import posixpath
from typing import Any, Dict, List, Mapping, Optional

from .projections import Thing, backup_folder, container_name, database_name, users_of
from .restores import restores_path

_CRITICALITIES = ("critical", "high", "medium", "low")


def project_recovery(platform: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what the role recovery_docs works with; nothing secret is in it.

    Databases come in the order in which they are to be brought back: the most critical first.
    """
    keys = sorted(platform["databases"], key=lambda key: _rank(platform["databases"][key]))
    return {
        "runbook": posixpath.join(platform["state_dir"], "docs", "disaster-recovery-runbook.md"),
        "restores": restores_path(platform),
        "state_dir": platform["state_dir"],
        "timezone": platform["timezone"],
        "contacts": platform["contacts"],
        "clusters": [_cluster(name, item) for name, item in platform["clusters"].items()],
        "databases": [_database(platform, key) for key in keys],
        "needs": [_needs(platform, key) for key in keys],
    }


def project_saves(platform: Mapping[str, Any]) -> List[Thing]:
    """Return what is saved, encrypted, beside the copies of each database, as options of recovery_needs_save."""
    return [
        dict(
            _needs(platform, key),
            database=database_name(platform, key),
            dest=backup_folder(platform, key),
            mount=platform["backup_mount"],
            encrypt_to=item["backup"]["encrypt_to"],
        )
        for key, item in platform["databases"].items()
        if item.get("backup") and (item.get("recovery") or {}).get("save")
    ]


def _rank(database: Mapping[str, Any]) -> int:
    return _CRITICALITIES.index(database["criticality"])


def _cluster(name: str, cluster: Mapping[str, Any]) -> Thing:
    return {
        "name": name,
        "container": cluster.get("container"),
        "host": cluster.get("unix_socket") or cluster.get("host"),
        "port": cluster.get("port"),
        "user": cluster.get("superuser") or "postgres",
    }


def _own_services(platform: Mapping[str, Any], key: str) -> Dict[str, Thing]:
    """Return the services that name a database by its key."""
    return {name: item for name, item in platform["services"].items() if item.get("database") == key}


def _database(platform: Mapping[str, Any], key: str) -> Thing:
    database = platform["databases"][key]
    backup, recovery = database.get("backup"), database.get("recovery") or {}
    services, instances = users_of(platform, key)
    containers = [container_name(name, item) for name, item in services.items()]
    containers += [item.get("container") or item["service"] for item in instances.values()]
    return {
        "key": key,
        "name": database_name(platform, key),
        "cluster": database["cluster"],
        "holds": database["holds"],
        "criticality": database["criticality"],
        "rpo_s": database.get("rpo"),
        "rto_s": database.get("rto"),
        "folder": backup_folder(platform, key) if backup else None,
        "schedule": backup["schedule"] if backup else None,
        "encrypted": bool(backup and backup["encrypt_to"]),
        "directory": bool(backup and backup.get("format") == "directory"),
        "has_globals": bool(backup and backup["globals"]),
        "inside": _host_of(platform, key),
        "archived": bool((database.get("legacy") or {}).get("archive_schema")),
        # The instance of a gateway often is a service as well.
        "containers": list(dict.fromkeys(containers)),
        "health": [item["health_url"] for item in services.values() if item.get("health_url")],
        "tables": (database.get("expect") or {}).get("tables") or database.get("expect_tables") or [],
        "needs": [_resolved(platform, key, item) for item in recovery.get("needs") or []],
        "volumes": [_resolved(platform, key, item) for item in recovery.get("volumes") or []],
        "probe": recovery.get("probe"),
        "checklist": recovery.get("checklist") or [],
        "saved": bool(backup and recovery.get("save")),
    }


def _host_of(platform: Mapping[str, Any], key: str) -> Optional[str]:
    """Return the shared database in which a service stays; None where it has one of its own."""
    database, actual = platform["databases"][key], database_name(platform, key)
    if database["strategy"] == "database":
        return None
    for other, item in platform["databases"].items():
        same = (item["cluster"], database_name(platform, other)) == (database["cluster"], actual)
        if same and item["strategy"] == "database":
            return str(other)
    return actual


def _resolved(platform: Mapping[str, Any], key: str, item: Mapping[str, Any]) -> Thing:
    """Return a need or a volume with its paths resolved: relative to the compose folder of the first service."""
    home = next((posixpath.dirname(user["compose_file"]) for user in _own_services(platform, key).values()), "")
    found = dict(item)
    for field in ("env_file", "file"):
        if found.get(field):
            found[field] = posixpath.normpath(posixpath.join(home, found[field]))
    # Only what has a slash is a folder; the rest are names of volumes.
    if "/" in str(found.get("name") or ""):
        found["name"] = posixpath.normpath(posixpath.join(home, found["name"]))
    return found


def _needs(platform: Mapping[str, Any], key: str) -> Thing:
    """Return what is looked for, and where it usually is, as options of recovery_needs_info."""
    database = _database(platform, key)
    services: List[Thing] = []
    for name, item in _own_services(platform, key).items():
        folder = posixpath.dirname(item["compose_file"])
        service: Thing = {
            "service": item.get("service") or name,
            "container": container_name(name, item),
            "path": item["compose_file"],
        }
        if item.get("project"):
            service["project_name"] = item["project"]
        for field in ("files", "env_files"):
            if item.get(field):
                service[field] = [posixpath.normpath(posixpath.join(folder, path)) for path in item[field]]
        services.append(service)
    return {
        "key": key,
        "needs": database["needs"],
        "volumes": database["volumes"],
        "services": services,
        "server": platform["clusters"][database["cluster"]].get("container"),
    }
