# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform as nodes and edges: services, gateways, PostgREST, databases, clusters; as it is, and as wanted."""

from typing import Any, Dict, Mapping, Optional, Tuple

from .._core.text import format_size
from .services import asked_instance, instance_databases
from .view import View

Row = Dict[str, Any]


class _Graph:
    """Nodes and edges, each once; the connections of an edge that is drawn twice add up."""

    def __init__(self) -> None:
        self.nodes: Dict[str, Row] = {}
        self.edges: Dict[Tuple[str, str], Row] = {}

    def node(self, kind: str, name: str, label: str = "", status: str = "ok", note: str = "") -> str:
        key = "%s:%s" % (kind, name)
        new = {"id": key, "kind": kind, "label": label or name, "status": status, "note": note}
        self.nodes.setdefault(key, new)
        return key

    def edge(self, start: str, end: str, connections: int = 0, status: str = "ok", label: str = "") -> None:
        new = {"from": start, "to": end, "connections": 0, "status": status, "label": label}
        edge = self.edges.setdefault((start, end), new)
        edge["connections"] += connections
        if status == "foreign":
            edge["status"] = status
        if label and not edge["label"]:
            edge["label"] = label

    def result(self) -> Row:
        for edge in self.edges.values():
            node = self.nodes.get(edge["from"])
            if edge["status"] == "foreign" and node is not None and node["kind"] == "service":
                node["status"] = "foreign"
        return {"nodes": list(self.nodes.values()), "edges": list(self.edges.values())}


def graph(view: View) -> Row:
    """Return the platform as it is: who is connected, through what, to which database."""
    found = _Graph()
    _servers(view, found)
    names = _things(view, found)
    _through_postgrest(view, found)
    _sessions(view, found, names)
    _tables(view, found)
    return found.result()


def _servers(view: View, found: _Graph) -> None:
    for cluster, seen in zip(view.wanted["clusters"], view.clusters):
        databases = seen.get("databases")
        note = str(seen.get("version") or "").partition(" ")[0]
        node = found.node("cluster", cluster["name"], "", "ok" if databases is not None else "unseen", note)
        for item in databases or []:
            size = "" if item["size_bytes"] is None else format_size(item["size_bytes"])
            status = "ok" if item["verdict"] is not None else "unseen"
            database = found.node("database", "%s/%s" % (cluster["name"], item["name"]), item["name"], status, size)
            found.edge(database, node, sum(session["sessions"] for session in item["sessions"]))
    for item in view.wanted["databases"].values():
        name = "%s/%s" % (item["cluster"], item["name"])
        seen_cluster = any(cluster["name"] == item["cluster"] for cluster, _seen in view.read_clusters())
        database = found.node("database", name, item["name"], "absent" if seen_cluster else "unseen")
        found.edge(database, "cluster:" + item["cluster"])


def _status(view: View, container: str) -> str:
    if view.containers is None:
        return "unseen"
    row = view.container(container)
    return "absent" if row is None or row["state"] != "running" else "ok"


def _things(view: View, found: _Graph) -> Dict[str, str]:
    """Add services, gateways and instances; return the node of each container."""
    nodes = {}
    for item in view.wanted["services"]:
        status = _status(view, item["container"])
        nodes[item["container"]] = found.node("service", item["name"], "", status)
    for item in view.wanted["instances"]:
        if item.get("gateway"):
            status = _status(view, item["gateway"])
            nodes[item["gateway"]] = found.node("gateway", item["gateway"], "", status)
        nodes[item["container"]] = found.node("postgrest", item["name"], "", _status(view, item["container"]))
    return nodes


def _gateway_of(wanted: Mapping[str, Any], instance: Mapping[str, Any]) -> Optional[str]:
    """Return the gateway in front of an instance: its own, else the only one there is in its project."""
    if instance.get("gateway"):
        return str(instance["gateway"])
    others = {
        item["gateway"]
        for item in wanted["instances"]
        if item.get("gateway") and item.get("path") == instance.get("path")
    }
    return others.pop() if len(others) == 1 else None


def _through_postgrest(view: View, found: _Graph) -> None:
    instances = {item["name"]: item for item in view.wanted["instances"]}
    for index, item in enumerate(view.wanted["services"]):
        seen = view.services[index] if index < len(view.services) else {}
        name = asked_instance(view, seen)
        if name is None:
            continue
        served = instance_databases(view, name)
        is_foreign = bool(served and item.get("database") and served != [item["database"]])
        _path(found, view.wanted, "service:" + item["name"], instances[name], "foreign" if is_foreign else "ok")
    for cluster, session in view.sessions():
        for index, item in enumerate(view.wanted["instances"]):
            answer = view.instances[index] if index < len(view.instances) else {}
            known = answer.get("addresses") or (view.container(item["container"]) or {}).get("addresses") or ()
            if session["application"].startswith("PostgREST") and session["address"] in known:
                is_foreign = bool(item.get("database")) and session["database"] != item["database"]
                end = "database:%s/%s" % (cluster, session["database"])
                status = "foreign" if is_foreign else "ok"
                found.edge("postgrest:" + item["name"], end, session["sessions"], status)


def _path(found: _Graph, wanted: Mapping[str, Any], service: str, instance: Mapping[str, Any], status: str) -> None:
    node = "postgrest:" + instance["name"]
    gateway = _gateway_of(wanted, instance)
    if gateway is None:
        found.edge(service, node, 0, status)
    else:
        found.edge(service, "gateway:" + gateway, 0, status, instance["route"])
        found.edge("gateway:" + gateway, node)


def _sessions(view: View, found: _Graph, nodes: Mapping[str, str]) -> None:
    """Add who is connected to a database directly."""
    services = {"service:" + item["name"]: item for item in view.wanted["services"]}
    for cluster, session in view.sessions():
        container = view.container_at(session["address"])
        node = nodes.get(container)
        if not container or (node or "").startswith("postgrest:"):
            continue
        if node is None:
            node = found.node("service", container, "", "ok", "not in the description")
        wanted = services.get(node, {}).get("database")
        status = "foreign" if wanted and wanted != session["database"] else "ok"
        found.edge(node, "database:%s/%s" % (cluster, session["database"]), session["sessions"], status)


def _tables(view: View, found: _Graph) -> None:
    """Add whose tables lie in another's database, also where nobody is connected at this moment."""
    for cluster, database in view.databases():
        if database["verdict"] not in ("shared", "catastrophic"):
            continue
        for guest in database.get("services") or []:
            for item in view.wanted["services"]:
                if item.get("profile") == guest["service"] and guest["tables"]:
                    is_foreign = item.get("database") != database["name"]
                    end = "database:%s/%s" % (cluster, database["name"])
                    label = "%d tables" % guest["tables"]
                    found.edge("service:" + item["name"], end, 0, "foreign" if is_foreign else "ok", label)


def wanted_graph(view: View) -> Optional[Row]:
    """Return the platform as the description wants it; None where nobody has described it."""
    wanted = view.wanted
    if not wanted.get("described", True):
        return None
    found = _Graph()
    for cluster in wanted["clusters"]:
        found.node("cluster", cluster["name"])
    for item in wanted["databases"].values():
        database = found.node("database", "%s/%s" % (item["cluster"], item["name"]), item["name"])
        found.edge(database, "cluster:" + item["cluster"])
    instances = {item["name"]: item for item in wanted["instances"]}
    for item in instances.values():
        if item.get("gateway"):
            found.node("gateway", item["gateway"])
        node = found.node("postgrest", item["name"])
        if item.get("database"):
            _end(found, node, item)
    for item in wanted["services"]:
        node = found.node("service", item["name"])
        if item.get("postgrest") in instances:
            _path(found, wanted, node, instances[item["postgrest"]], "ok")
        elif item.get("database"):
            _end(found, node, item)
    return found.result()


def _end(found: _Graph, node: str, item: Mapping[str, Any]) -> None:
    database = found.node("database", "%s/%s" % (item["cluster"], item["database"]), item["database"])
    found.edge(database, "cluster:" + item["cluster"])
    found.edge(node, database)
