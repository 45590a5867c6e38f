# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's report: what was read off servers and containers, put together; playbooks compute nothing."""

from typing import Any, Dict, List, Mapping, Optional, Sequence
from urllib.parse import urlsplit

from .._core.text import format_duration, format_size

Row = Dict[str, Any]
_SEVERITIES = ("critical", "high", "medium", "low")


def report(
    wanted: Mapping[str, Any],
    clusters: List[Mapping[str, Any]],
    dumps: Mapping[str, Any],
    services: List[Mapping[str, Any]],
    instances: List[Mapping[str, Any]],
    kept: Sequence[Mapping[str, Any]] = (),
) -> Dict[str, Any]:
    """Return ``databases``, ``services``, ``kept``, ``findings`` and the same as ``text`` (lines for a terminal).

    Arguments:
        wanted: the audit's projection of the description.
        clusters: for each, in the description's order, what pg_blast_radius_info returned, or its ``msg`` where it
        failed.
        dumps: the newest verified copy that pg_dump_info found, or None, by the description's name of the database.
        services, instances: what compose_reachability_info returned for services and for PostgREST instances.
        kept: what kept_info found.
    """
    findings: List[Row] = []
    databases = _databases(wanted, clusters, dumps, findings)
    people = _services(wanted, clusters, services, instances, findings)
    for item in kept:
        if item["over"]:
            text = "%s was kept until %s." % (_kept_label(item), item["until"][:10])
            findings.append(_finding("low", "kept-over", item["name"], text, "ansible-playbook bulkhead.stack.expire"))
    findings.sort(key=lambda item: _SEVERITIES.index(item["severity"]))
    result: Dict[str, Any] = {"databases": databases, "services": people, "kept": list(kept), "findings": findings}
    result["text"] = _text(result)
    return result


def _databases(
    wanted: Mapping[str, Any], clusters: List[Mapping[str, Any]], dumps: Mapping[str, Any], findings: List[Row]
) -> List[Row]:
    known = {(item["cluster"], item["name"]): key for key, item in wanted["databases"].items()}
    rows = []
    for cluster, seen in zip(wanted["clusters"], clusters):
        if seen.get("databases") is None:
            findings.append(
                _finding(
                    "critical",
                    "cluster-unseen",
                    cluster["name"],
                    "It can't be read: %s" % seen.get("msg"),
                    "Mend that first.",
                )
            )
            continue
        for found in seen["databases"]:
            key = known.get((cluster["name"], found["name"]))
            row = {
                "cluster": cluster["name"],
                "database": found["name"],
                "described": key is not None,
                "verdict": found["verdict"],
                "reasons": found["reasons"],
                "tenants": found["tenants"],
                "services": found.get("services") or [],
                "archived": found["archived"],
                "size_bytes": found["size_bytes"],
                "public_connect": found["public_connect"],
                "may_connect": found["may_connect"],
                "newest_verified": None,
                "newest_verified_age_s": None,
            }
            if key is not None:
                if key in dumps:
                    _backup(wanted["databases"][key], key, dumps[key], row, findings)
            _isolation(found, row, findings)
            rows.append(row)
    seen_names = {(row["cluster"], row["database"]) for row in rows}
    for (cluster_name, name), key in known.items():
        if (cluster_name, name) not in seen_names and any(row["cluster"] == cluster_name for row in rows):
            findings.append(
                _finding(
                    "medium", "database-missing", key, "The description has it, the server doesn't.", _play("isolate")
                )
            )
    return rows


def _backup(
    item: Mapping[str, Any], key: str, newest: Optional[Mapping[str, Any]], row: Row, findings: List[Row]
) -> None:
    if newest:
        row["newest_verified"] = newest["path"]
        row["newest_verified_age_s"] = newest["age_s"]
    severity = "critical" if item["criticality"] == "critical" else "high"
    if not newest:
        findings.append(
            _finding(severity, "no-verified-backup", key, "There is no verified copy of it.", _play("backup"))
        )
    elif item.get("rpo") and newest["age_s"] > item["rpo"]:
        text = "Its newest verified copy is %s old, and its RPO is %s." % (
            format_duration(newest["age_s"]),
            format_duration(item["rpo"]),
        )
        findings.append(_finding(severity, "rpo-missed", key, text, _play("backup")))


def _isolation(found: Mapping[str, Any], row: Row, findings: List[Row]) -> None:
    name = found["name"]
    if found["verdict"] in ("catastrophic", "shared"):
        severity = "critical" if found["verdict"] == "catastrophic" else "high"
        findings.append(
            _finding(severity, "blast-radius", name, "%s." % "; ".join(found["reasons"]), _play("isolate,postgrest"))
        )
    elif found["verdict"] is None:
        findings.append(
            _finding("high", "database-unseen", name, str(found.get("error")), "Let the audit's role connect.")
        )
    for link in found.get("links") or ():
        if link["to"]:
            text = "%s %s leads to database %s of the same cluster." % (link["kind"], link["name"], link["to"])
            remedy = "Before either database moves or is dropped, replace it."
            findings.append(_finding("medium", "cross-database", name, text[0].upper() + text[1:], remedy))
    # Every role may connect to the maintenance database in nearly every cluster: only a service's own database counts.
    if (
        found["public_connect"]
        and row["described"]
        and found["verdict"] == "contained"
        and not found["tenants"].get("supabase")
    ):
        remedy = "Give it an owner in the description, then: %s" % _play("isolate")
        findings.append(
            _finding("medium", "public-connect", name, "Every role of the cluster may connect to it.", remedy)
        )


def _services(
    wanted: Mapping[str, Any],
    clusters: List[Mapping[str, Any]],
    services: List[Mapping[str, Any]],
    instances: List[Mapping[str, Any]],
    findings: List[Row],
) -> List[Row]:
    sessions = [
        session
        for cluster in clusters
        for database in cluster.get("databases") or ()
        for session in database["sessions"]
        if session["application"].startswith("PostgREST")
    ]
    routes = {
        item["route"].rstrip("/"): set(seen.get("addresses") or ())
        for item, seen in zip(wanted["instances"], instances)
    }
    rows = []
    for item, seen in zip(wanted["services"], services):
        url = next((value for value in (seen.get("variables") or {}).values() if value), None)
        served = None
        if url is not None:
            addresses = routes.get(urlsplit(url).path.rstrip("/"), set())
            served = sorted({session["database"] for session in sessions if session["address"] in addresses}) or None
        rows.append(
            {
                "service": item["name"],
                "state": seen.get("state"),
                "health": seen.get("health"),
                "resolves": seen.get("resolves") if item["reaches_host"] else None,
                "served_from": ", ".join(served) if served else None,
                "wanted_database": item.get("database"),
            }
        )
        _service_findings(item, seen, served, findings)
    return rows


def _service_findings(
    item: Mapping[str, Any], seen: Mapping[str, Any], served: Optional[List[str]], findings: List[Row]
) -> None:
    name = item["name"]
    if seen.get("state") != "running":
        text = "Its container is %s." % (seen.get("state") or "not there")
        findings.append(_finding("high", "service-down", name, text, "Start it, or see its log."))
    elif seen.get("health") == "unhealthy":
        findings.append(_finding("high", "service-unhealthy", name, "Its container is unhealthy.", "See its log."))
    if item["reaches_host"] and seen.get("resolves") is False:
        text = "host.docker.internal doesn't resolve inside it: %s" % (seen.get("error") or "no such name")
        findings.append(_finding("high", "host-unreachable", name, text, _play("dns")))
    if served and item.get("database") and served != [item["database"]]:
        text = "Its data is served from %s, not from %s." % (", ".join(served), item["database"])
        findings.append(_finding("high", "wrong-database", name, text, _play("isolate,postgrest")))


def _finding(severity: str, identifier: str, thing: str, text: str, remedy: str) -> Row:
    return {"severity": severity, "id": identifier, "thing": thing, "text": text, "remedy": remedy}


def _play(tags: str) -> str:
    return "ansible-playbook bulkhead.stack.site --tags %s" % tags


def _text(result: Mapping[str, Any]) -> List[str]:
    lines = _table(
        ["CLUSTER", "DATABASE", "BLAST RADIUS", "HOLDS", "SIZE", "NEWEST VERIFIED COPY"],
        [
            [
                row["cluster"],
                row["database"],
                row["verdict"] or "can't be seen",
                _holds(row),
                "-" if row["size_bytes"] is None else format_size(row["size_bytes"]),
                "none" if row["newest_verified"] is None else format_duration(row["newest_verified_age_s"]) + " old",
            ]
            for row in result["databases"]
        ],
    )
    lines += [""] + _table(
        ["SERVICE", "STATE", "RESOLVES THE HOST", "SERVED FROM"],
        [
            [
                row["service"],
                "%s%s" % (row["state"] or "absent", " (%s)" % row["health"] if row["health"] else ""),
                {True: "yes", False: "no"}.get(row["resolves"], "-"),
                row["served_from"] or "-",
            ]
            for row in result["services"]
        ],
    )
    lines += [""]
    if result["kept"]:
        lines += _table(
            ["KEPT", "UNTIL", "WHY"],
            [[_kept_label(item), item["until"][:10], item["reason"] or "-"] for item in result["kept"]],
        ) + [""]
    if not result["findings"]:
        return lines + ["No findings."]
    lines.append("%d finding%s:" % (len(result["findings"]), "" if len(result["findings"]) == 1 else "s"))
    for finding in result["findings"]:
        lines.append("[%s] %s: %s" % (finding["severity"], finding["thing"], finding["text"]))
        lines.append("    mend it: %s" % finding["remedy"])
    return lines


def _kept_label(item: Mapping[str, Any]) -> str:
    return "%s %s%s" % (item["kind"], item["name"], " in %s" % item["database"] if item["database"] else "")


def _holds(row: Mapping[str, Any]) -> str:
    parts = ["%s (%d)" % item for item in sorted(row["tenants"].items())]
    parts += ["%s (%d, archive)" % item for item in sorted(row["archived"].items())]
    return ", ".join(parts) or "-"


def _table(header: List[str], rows: List[List[str]]) -> List[str]:
    table = [header] + rows
    widths = [max(len(line[column]) for line in table) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
