# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the blocks of documents tell: the description, held against what servers and containers say of themselves.

Nothing in it is dated, counted or measured: as long as nothing is changed on the host, no document changes.
"""

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .._core.errors import InputError
from .._core.text import format_duration
from .._recovery.markdown import code, plain, table
from .._recovery.plays import database_commands, play
from .found import Found

Thing = Mapping[str, Any]
View = Dict[str, Any]
_HOST = "host.docker.internal"


def documentation(
    wanted: Thing, clusters: Sequence[Thing], containers: Mapping[str, Optional[Thing]], host: str, inventory: str
) -> Dict[str, View]:
    """Return what the templates show, by block; every text is Markdown, and every table a list of its lines.

    Arguments:
        wanted: the projection ``documents`` of the description.
        clusters: what pg_blast_radius_info said of each cluster, in the projection's order.
        containers: what container_definition_info said.
        host: the host's name in the inventory.
        inventory: the inventory's path on the machine that runs Ansible, for commands.

    Raises:
        InputError: a cluster is missing among what was read.
    """
    if len(clusters) != len(wanted["clusters"]):
        raise InputError("%d of %d clusters were read." % (len(clusters), len(wanted["clusters"])))
    found = Found(wanted, clusters, containers)
    views: Dict[str, View] = {name: view(wanted, found, inventory) for name, view in _VIEWS.items()}
    for view in views.values():
        view["host"] = plain(host)
    return views


def _architecture(wanted: Thing, found: Found, inventory: str) -> View:
    servers = [
        [code(item["name"]), found.place(item), "PostgreSQL %s" % plain(found.version(item["name"]))]
        for item in wanted["clusters"]
    ]
    described = {(item["cluster"], item["name"]): item for item in wanted["databases"] if not item["inside"]}
    databases = []
    for cluster in wanted["clusters"]:
        for database in found.databases(cluster["name"]):
            item = described.get((cluster["name"], database["name"]))
            databases.append(
                [
                    code(database["name"]),
                    code(cluster["name"]),
                    code(database["owner"]),
                    plain(item["holds"]) if item else "",
                    _codes(found.tenants(database)) or found.why_none(database),
                ]
            )
    services = [
        [
            code(item["name"]),
            code(item["database"]) if item["database"] else "",
            _and(map(code, found.homes(item))) if item["program"] else "no profile says which tables are its own",
        ]
        for item in wanted["services"]
    ]
    return {
        "servers": table(["server", "where", "version"], servers),
        "databases": table(["database", "server", "owner", "described as", "whose tables lie in it"], databases),
        "services": table(["service", "database, as described", "where its tables are"], services) if services else [],
        "differences": [*_misplaced(wanted, found), *_databases_apart(wanted, found)],
    }


def _misplaced(wanted: Thing, found: Found) -> List[str]:
    sentences = []
    for item in wanted["services"]:
        homes = found.homes(item)
        if not item["database"] or not item["program"] or homes == [item["database"]]:
            continue
        where = "found in %s" % _and(map(code, homes)) if homes else "its tables were found nowhere"
        sentences.append("%s: described as %s, %s." % (code(item["name"]), code(item["database"]), where))
    return sentences


def _databases_apart(wanted: Thing, found: Found) -> List[str]:
    """Return in which way the databases that are described and those on the servers differ."""
    sentences = []
    for item in wanted["databases"]:
        database = found.database(item["cluster"], item["name"])
        if database is None:
            sentences.append(
                "Database %s: described, and not on server %s." % (code(item["name"]), code(item["cluster"]))
            )
        elif item["owner"] and not item["inside"] and database["owner"] != item["owner"]:
            owners = (code(item["name"]), code(item["owner"]), code(database["owner"]))
            sentences.append("Database %s: its owner is described as %s, found was %s." % owners)
    names = {(item["cluster"], item["name"]) for item in wanted["databases"]}
    for cluster in wanted["clusters"]:
        for database in found.databases(cluster["name"]):
            # The one that every server has is worth a word only where something lies in it.
            usual = database["name"] == "postgres" and not database["tables"]
            if (cluster["name"], database["name"]) not in names and not usual:
                where = (code(database["name"]), code(cluster["name"]))
                sentences.append("Database %s: on server %s, and not described." % where)
    return sentences


def _connections(wanted: Thing, found: Found, inventory: str) -> View:
    servers = [
        [code(item["name"]), found.inner_address(item), found.networks_of(item), found.outer_address(item)]
        for item in wanted["clusters"]
    ]
    rows, differences = [], []
    for item in wanted["services"]:
        if not item["database"]:
            continue
        instance = next((one for one in wanted["instances"] if one["name"] == item["postgrest"]), None)
        shared = found.shared_networks(item)
        if instance is not None:
            way = "PostgREST (%s)" % code(instance["container"])
            way += " at %s" % code(instance["url"]) if instance["url"] else ""
        else:
            way = "PostgreSQL"
            if shared == []:
                differences.append(
                    "%s shares no network with its database's server: it gets there over the host alone."
                    % code(item["container"])
                )
        rows.append([code(item["name"]), code(item["database"]), way, _codes(shared or [])])
    return {
        "servers": table(["server", "from containers", "on networks", "from the host"], servers),
        "services": table(["service", "database", "by way of", "networks shared with the server"], rows)
        if rows
        else [],
        "differences": differences,
    }


def _inventory(wanted: Thing, found: Found, inventory: str) -> View:
    rows, absent = [], []
    kinds = (("server", "clusters"), ("service", "services"), ("PostgREST", "instances"))
    for kind, group in kinds:
        for item in wanted[group]:
            if not item["container"]:
                rows.append([code(item["name"]), kind, "", "", code(item["host"]), ""])
                continue
            definition = found.container(item["container"])
            if definition is None:
                absent.append("There is no container %s." % code(item["container"]))
            rows.append(
                [
                    code(item["name"]),
                    kind,
                    code(item["container"]),
                    code(definition["image"]) if definition else "",
                    _codes(definition["published"]) if definition else "",
                    code(item["path"]) if item.get("path") else "",
                ]
            )
    return {
        "things": table(["name", "what", "container", "image", "published ports", "compose file"], rows),
        "differences": list(dict.fromkeys(absent)),
    }


def _environment(wanted: Thing, found: Found, inventory: str) -> View:
    containers = []
    for name in wanted["containers"]:
        definition = found.container(name)
        if definition is not None:
            containers.append({"name": code(name), "variables": _codes(definition["variables"]) or "none"})
    absent = ["There is no container %s." % code(name) for name in wanted["containers"] if not found.container(name)]
    return {"containers": containers, "differences": absent}


def _dns(wanted: Thing, found: Found, inventory: str) -> View:
    rows, differences = [], []
    for item in wanted["services"]:
        if not item["reaches_host"]:
            continue
        definition = found.container(item["container"])
        entry = definition is not None and (_HOST in definition["hosts"] or definition["network_mode"] == "host")
        rows.append([code(item["name"]), code(item["container"]), "yes" if entry else "**no**"])
        if definition is None:
            differences.append("There is no container %s." % code(item["container"]))
        elif not entry:
            differences.append(
                "%s: described as reaching the host, and its definition doesn't name it." % code(item["container"])
            )
    first = next((item["container"] for item in wanted["services"] if item["reaches_host"]), None)
    return {
        "services": table(["service", "container", "its definition names the host"], rows) if rows else [],
        "ask": "docker exec %s getent hosts %s" % (first, _HOST) if first else "",
        "check": "%s --check --diff" % play("dns", inventory),
        "mend": play("dns", inventory),
        "differences": differences,
    }


def _neighbours(wanted: Thing, found: Found, inventory: str) -> View:
    rows = [
        [
            code(name),
            code(item["url"]),
            "required: the audit finds fault where it doesn't answer"
            if item["required"]
            else "optional: nothing here fails without it",
        ]
        for name, item in wanted["neighbours"].items()
    ]
    return {"neighbours": table(["neighbour", "answers at", "status"], rows) if rows else []}


def _backups(wanted: Thing, found: Found, inventory: str) -> View:
    rows, undumped = [], []
    for item in wanted["databases"]:
        if item["inside"]:
            continue
        if not item["schedule"]:
            undumped.append(code(item["key"]))
            continue
        rows.append(
            [
                code(item["key"]),
                code(item["schedule"]),
                format_duration(item["rpo_s"]) if item["rpo_s"] else "",
                format_duration(item["rto_s"]) if item["rto_s"] else "",
                _kept(item["retention"]),
                "yes" if item["encrypted"] else "no",
                code(item["folder"]),
            ]
        )
    header = ["database", "schedule", "RPO", "RTO", "kept copies", "encrypted", "folder"]
    return {
        "databases": table(header, rows) if rows else [],
        "undumped": _and(undumped),
        "timezone": plain(wanted["timezone"]),
        "status": code(wanted["status"]),
        "run": play("backup", inventory),
    }


def _kept(retention: Thing) -> str:
    words = []
    for rule, value in retention.items():
        if rule == "within":
            words.append("all of %s" % format_duration(value))
        elif rule in ("last", "keep") and value:
            words.append("the newest %d" % value)
        elif rule != "unverified" and value:
            words.append("%d %s" % (value, rule))
    return ", ".join(words)


def _restore(wanted: Thing, found: Found, inventory: str) -> View:
    databases = []
    for item in wanted["databases"]:
        if item["folder"] and not item["inside"]:
            commands = database_commands(item, inventory)
            databases.append(
                {"name": code(item["key"]), "look": commands["look"].text, "restore": commands["restore"].text}
            )
    return {
        "databases": databases,
        "runbook": code(wanted["runbook"]),
        "status": code(wanted["status"]),
        "copies": play("copies", inventory),
    }


_VIEWS: Dict[str, Callable[[Thing, Found, str], View]] = {
    "architecture": _architecture,
    "connections": _connections,
    "inventory": _inventory,
    "environment": _environment,
    "dns": _dns,
    "neighbours": _neighbours,
    "backups": _backups,
    "restore": _restore,
}


def _codes(names: Sequence[str]) -> str:
    return ", ".join(code(name) for name in names)


def _and(words: Any) -> str:
    listed = list(words)
    return " and ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else "".join(listed)
