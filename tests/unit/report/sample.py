# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of an audit: those of tests/golden/report, one that is as large as platforms get, and a hostile one."""

import json
import pathlib
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden" / "report"
NOW = datetime(2026, 11, 25, 19, 0, tzinfo=timezone.utc)

# Means something to HTML, to Markdown, to Mermaid, to Jinja, and to who reads from right to left.
HOSTILE = "\"'><script>alert(1)</script>|`]]-->{{ 7 * 191 }}{% x %}\n*b*\u202etxt&lt;"


def golden(name: str) -> Dict[str, Any]:
    """Return a document by its name: broken, mended, empty."""
    document: Dict[str, Any] = json.loads((GOLDEN / (name + ".json")).read_text(encoding="utf-8"))
    return document


def moment(days: int, hour: int = 2) -> str:
    """Return a moment so many days before the audit."""
    return (NOW - timedelta(days=days)).replace(hour=hour).strftime("%Y-%m-%dT%H:%M:%SZ")


def hostile(value: Any, key: str = "") -> Any:
    """Return a document in which each text that somebody else chose is a hostile one."""
    chosen = (
        "thing", "text", "meaning", "query", "shown", "remedy", "label", "note", "database", "cluster", "service",
        "container", "state", "health", "served_from", "wanted_database", "application", "role", "address", "reason",
        "name", "id", "host", "criticality", "kind", "verdict", "severity",
    )  # fmt: skip
    if isinstance(value, dict):
        if "nodes" in value:
            # Kinds and identifiers of the graph are the audit's own; its labels are not.
            return {
                "nodes": [dict(node, label=HOSTILE, note=HOSTILE) for node in value["nodes"]],
                "edges": [dict(edge, label=HOSTILE) for edge in value["edges"]],
            }
        return {HOSTILE if key == "tenants" else name: hostile(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, "reason" if key in ("reasons", "services") else key) for item in value]
    return HOSTILE if key in chosen and isinstance(value, str) else value


def huge(databases: int = 200, services: int = 60) -> Dict[str, Any]:
    """Return a document of a platform with 20,000 tables."""
    names = ["tenant_%03d_production" % number for number in range(databases)]
    clusters = ["main", "side"]
    place = {name: clusters[number % 2] for number, name in enumerate(names)}
    nodes: List[Dict[str, Any]] = [
        {"id": "gateway:kong", "kind": "gateway", "label": "kong", "status": "ok", "note": ""}
    ]
    nodes += [
        {"id": "cluster:" + name, "kind": "cluster", "label": name, "status": "ok", "note": ""} for name in clusters
    ]
    edges: List[Dict[str, Any]] = []
    for name in names:
        key = "database:%s/%s" % (place[name], name)
        nodes.append({"id": key, "kind": "database", "label": name, "status": "ok", "note": "120 MiB"})
        edges.append({"from": key, "to": "cluster:" + place[name], "connections": 3, "status": "ok", "label": ""})
    for number in range(8):
        key = "postgrest:rest-%d" % number
        nodes.append({"id": key, "kind": "postgrest", "label": "rest-%d" % number, "status": "ok", "note": ""})
        edges.append({"from": "gateway:kong", "to": key, "connections": 9, "status": "ok", "label": ""})
        target = "database:%s/%s" % (place[names[number * 7]], names[number * 7])
        edges.append({"from": key, "to": target, "connections": 10, "status": "ok", "label": ""})
    for number in range(services):
        key = "service:app-%02d" % number
        status = "foreign" if number % 9 == 0 else "ok"
        nodes.append({"id": key, "kind": "service", "label": "app-%02d" % number, "status": status, "note": ""})
        target = "gateway:kong"
        if number % 4:
            name = names[(number * 3) % databases]
            target = "database:%s/%s" % (place[name], name)
        edges.append({"from": key, "to": target, "connections": number % 12, "status": status, "label": ""})
    graph = {"nodes": nodes, "edges": edges}
    findings = [
        {
            "id": "BH103", "name": "public-connect", "severity": ("high", "medium", "low")[number % 3], "thing": name,
            "kind": "database", "text": "Every role may connect to %s." % name,
            "meaning": "A password that leaks from any other service opens this database too.",
            "evidence": {"how": "sql", "query": "SELECT datacl FROM pg_database WHERE datname = '%s'" % name,
                         "shown": "\n".join("public.table_%d" % table for table in range(100))},
            "remedy": "ansible-playbook bulkhead.stack.site -i inventories/mine --tags isolate", "accepted": None,
        }
        for number, name in enumerate(names)
    ]  # fmt: skip
    return {
        "schema": 1, "made_at": moment(0, 19), "host": "large", "timezone": "UTC", "described": True, "unseen": [],
        "findings": findings,
        "databases": [
            {
                "cluster": place[name], "database": name, "key": name, "verdict": "contained",
                "reasons": ["only %s lies here" % name], "tenants": {"tenant_%03d" % number: 100},
                "services": ["app-%02d" % (number % services)], "archived": {}, "size_bytes": 125829120,
                "public_connect": True, "criticality": "medium", "rpo_s": 86400, "rto_s": 900,
                "newest_verified": "/backups/%s" % name, "newest_verified_age_s": 61200, "sessions": 3,
                "connections": [
                    {"application": "app", "role": "tenant_%03d" % number, "address": "172.18.0.9", "sessions": 3}
                ],
            }
            for number, name in enumerate(names)
        ],
        "services": [
            {"service": "app-%02d" % number, "container": "app-%02d" % number, "state": "running", "health": "healthy",
             "resolves": True, "served_from": names[number], "wanted_database": names[number]}
            for number in range(services)
        ],
        "graph": graph, "wanted_graph": graph,
        "calendar": [
            {
                "database": name, "cluster": place[name], "rpo_s": 86400, "rto_s": 900,
                "copies": [
                    {"at": moment(day), "state": "read", "size_bytes": 20971520, "seconds": 6} for day in range(35)
                ],
                "drills": [{"at": moment(3, 4), "ok": True, "seconds": 77}], "gaps": [],
            }
            for name in names
        ],
        "kept": [],
    }  # fmt: skip
