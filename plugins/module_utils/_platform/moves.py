# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a description says of databases that could live in another cluster: how each gets there, and back."""

import posixpath
from typing import Any, Dict, List, Mapping, Optional

from .projections import (
    by_project,
    compose_of,
    connection,
    container_name,
    database_name,
    password_path,
    project_services,
    recipients_of,
    register_path,
    service_name,
)
from .validate import database_variables

Thing = Dict[str, Any]


def project_moves(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> List[Thing]:
    """Return, for each database that could move, how it and its services get there, and what becomes of its server."""
    return [
        _move(platform, profiles, key, database)
        for key, database in platform["databases"].items()
        if database.get("consolidate")
    ]


def project_servers(platform: Mapping[str, Any]) -> Dict[str, Thing]:
    """Return, for each cluster, how it is reached, and the scripts that made its databases."""
    return {
        name: {"connection": connection(platform, name), "init_scripts": cluster["init_scripts"]}
        for name, cluster in platform["clusters"].items()
    }


def _move(platform: Mapping[str, Any], profiles: Mapping[str, Any], key: str, database: Mapping[str, Any]) -> Thing:
    wanted = database["consolidate"]
    users = {name: item for name, item in platform["services"].items() if item.get("database") == key}
    target = wanted["to"]
    name = wanted.get("name") or key
    source = connection(platform, database["cluster"])
    # One for each way: where it was taken, what was done on the way before can't be taken back any more.
    journals = posixpath.join(platform["state_dir"], "journal")
    journal = posixpath.join(journals, "consolidate-%s-from-%s-to-%s.jsonl" % (key, database["cluster"], target))
    password_file = password_path(platform, key)
    host = wanted.get("host") or platform["clusters"][target]["container"]
    place = {"host": host, "port": str(wanted["port"]), "database": name, "user": wanted["owner"]}
    return {
        "key": key,
        "cluster": database["cluster"],
        "to": target,
        "journal": journal,
        "journals": {"folder": journals, "pattern": "consolidate-%s-from-*.jsonl" % key},
        "target": connection(platform, target),
        "move": {
            **source,
            "database": database_name(platform, key),
            "target": connection(platform, target),
            "target_database": name,
            "owner": wanted["owner"],
            "owner_password_file": password_file,
            "leave_out_roles": wanted["leave_out_roles"],
            "journal": journal,
        },
        "dump": {
            **source,
            "database": database_name(platform, key),
            "dest": posixpath.join(platform["backup_root"], "before-consolidation", key),
            "retention": {"last": 5},
            "verify": "read",
            "label": "before-consolidation",
            "encrypt_to": recipients_of(platform).get(database_name(platform, key), []),
        },
        "projects": [project_services(group) for group in by_project(users)],
        "settings": _settings(users, profiles, place, password_file, journal),
        "questions": [
            {"container": container_name(service, item), "host": host, "port": wanted["port"]}
            for service, item in users.items()
        ],
        "health": [item["health_url"] for item in users.values() if item.get("health_url")],
        "ready": [
            {"container": container_name(service, item), "pattern": item["ready_log"]}
            for service, item in users.items()
            if item.get("ready_log")
        ],
        "retire": _retire(platform, key, journal),
        "kept": {
            "path": register_path(platform),
            "keep_for": "%ds" % wanted["keep_for"],
            "reason": "the server that %s had before it moved to %s" % (key, target),
        },
        "then": _then(platform, key, name),
    }


def _then(platform: Mapping[str, Any], key: str, name: str) -> str:
    """Return what the description has to say once it has moved."""
    database = platform["databases"][key]
    wanted, cluster = database["consolidate"], database["cluster"]
    told = "databases.%s gets cluster: %s%s and owner: %s, and loses consolidate" % (
        key,
        wanted["to"],
        "" if name == key else ", name: " + name,
        wanted["owner"],
    )
    lonely = all(other == key or item["cluster"] != cluster for other, item in platform["databases"].items())
    return told + (", and clusters.%s goes" % cluster if lonely else "") + "."


def _settings(
    users: Mapping[str, Thing], profiles: Mapping[str, Any], place: Mapping[str, str], password_file: str, journal: str
) -> List[Thing]:
    """Return which services' variables are to hold what, as options of a module: those with the same ones together."""
    result: List[Thing] = []
    for group in by_project(users):
        first = next(iter(group.values()))
        for service, item in group.items():
            options = dict(compose_of(first), **_variables(database_variables(profiles, item), place, password_file))
            same = next((entry for entry in result if all(entry[key] == value for key, value in options.items())), None)
            if same is None:
                same = dict(options, services=[], journal=journal, only_set=True)
                result.append(same)
            same["services"].append(service_name(service, item))
    return result


def _variables(names: Mapping[str, str], place: Mapping[str, str], password_file: str) -> Thing:
    """Return what is to stand in a service's variables, as options of a module."""
    urls = {names[part]: dict(place, password_from=password_file) for part in ("url", "direct_url") if names.get(part)}
    parts = {"host": place["host"], "port": place["port"], "name": place["database"], "user": place["user"]}
    return {
        "urls": urls,
        "variables": {names[part]: value for part, value in parts.items() if names.get(part)},
        "variables_from": {names["password"]: password_file} if names.get("password") else {},
    }


def _retire(platform: Mapping[str, Any], key: str, journal: str) -> Optional[Thing]:
    """Return how a cluster's container is retired; None where others live in it, or where it isn't described."""
    cluster = platform["databases"][key]["cluster"]
    item = platform["clusters"][cluster]
    others = [
        other for other, database in platform["databases"].items() if database["cluster"] == cluster and other != key
    ]
    if others or not item.get("container") or not item.get("compose_file"):
        return None
    return {
        "container": item["container"],
        "project": {
            "compose": compose_of(item),
            "services": [service_name(cluster, item)],
            "profiles": [],
            "stop": [],
            "start": [],
        },
        "options": dict(compose_of(item), services=[service_name(cluster, item)], journal=journal),
    }
