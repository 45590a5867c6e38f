# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with databases: who goes down together, who gets in, and where they aren't as described."""

from typing import Any, Dict, List, Mapping, Optional

from .._core.sql import Sql, quoted_name
from .kinds import evidence, finding
from .view import View, asked, client_of

Row = Dict[str, Any]
_WHOSE = (
    "SELECT n.nspname, c.relowner::regrole, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') GROUP BY 1, 2"
)
_LINKS = "SELECT srvname, srvoptions FROM pg_foreign_server"
_NAMES = "SELECT datname FROM pg_database WHERE NOT datistemplate"


def look_at_databases(view: View) -> List[Row]:
    """Add what is found, and return the document's rows of the databases."""
    rows = []
    for cluster, seen in zip(view.wanted["clusters"], view.clusters):
        if seen.get("databases") is None:
            _cluster_unseen(view, cluster, str(seen.get("msg") or "nothing was read"))
            continue
        for reason in seen.get("unseen") or []:
            view.not_seen("cluster %s" % cluster["name"], reason)
        for found in seen["databases"]:
            key = view.key_of(cluster["name"], found["name"])
            _isolation(view, cluster, seen, found, key)
            _drift(view, cluster, seen, found, key)
            rows.append(_row(view, cluster["name"], found, key))
        _missing(view, cluster, seen)
    return rows


def _cluster_unseen(view: View, cluster: Row, reason: str) -> None:
    container = cluster["connection"].get("container")
    view.not_seen("cluster %s" % cluster["name"], reason)
    remedy = "See whether it runs: docker logs --tail 50 %s" % container if container else "See whether it runs there."
    view.add(
        finding(
            "cluster-unseen",
            cluster["name"],
            "It can't be read: %s" % reason,
            evidence("command", "%s -c 'SELECT 1'" % client_of(cluster), reason),
            edit=remedy,
        )
    )


def _isolation(view: View, cluster: Row, seen: Row, found: Mapping[str, Any], key: Optional[str]) -> None:
    name = found["name"]
    if found["verdict"] in ("catastrophic", "shared"):
        holds = ", ".join("%s (%d tables)" % item for item in sorted(found["tenants"].items()))
        view.add(
            finding(
                "blast-radius",
                name,
                "%s." % _capital("; ".join(found["reasons"])),
                evidence("command", asked(cluster, name, _WHOSE), holds or "; ".join(found["reasons"])),
                severity="critical" if found["verdict"] == "catastrophic" else "high",
            )
        )
    elif found["verdict"] is None:
        _database_unseen(view, cluster, seen, found)
    for link in found.get("links") or ():
        if link["to"]:
            view.add(
                finding(
                    "cross-database",
                    name,
                    "%s %s leads to database %s of the same cluster."
                    % (_capital(link["kind"]), link["name"], link["to"]),
                    evidence("command", asked(cluster, name, _LINKS), link["name"]),
                )
            )
    # Every role may connect to the maintenance database in nearly every cluster: only a service's own database counts.
    platforms = {tenant for tenant, owns in view.wanted["tenants"].items() if owns.get("platform")} | {"supabase"}
    if found["public_connect"] and key and found["verdict"] == "contained" and not platforms & set(found["tenants"]):
        view.add(
            finding(
                "public-connect",
                name,
                "Every role of the cluster may connect to it.",
                evidence(
                    "sql",
                    Sql("SELECT datacl FROM pg_database WHERE datname = %s", (), (name,)).display(),
                    "CONNECT is granted to PUBLIC, and so it is where nothing was ever granted or revoked",
                ),
            )
        )


def _database_unseen(view: View, cluster: Row, seen: Row, found: Mapping[str, Any]) -> None:
    name, reason = found["name"], str(found.get("error"))
    view.not_seen("database %s of cluster %s" % (name, cluster["name"]), reason)
    if not found.get("allows_connections", True) and name in {item["name"] for item in view.kept}:
        # It was set aside, and closed for that.
        return
    role = cluster["connection"].get("login_user") or "postgres"
    view.add(
        finding(
            "database-unseen",
            name,
            "It can't be seen: %s" % reason,
            evidence("command", "%s -c 'SELECT 1'" % client_of(cluster, name), reason),
            psql=client_of(cluster, superusers=seen.get("superusers") or ()),
            sql="GRANT CONNECT ON DATABASE %s TO %s" % (quoted_name(name), quoted_name(role)),
        )
    )


def _drift(view: View, cluster: Row, seen: Row, found: Mapping[str, Any], key: Optional[str]) -> None:
    name = found["name"]
    if key is None:
        ours = {"postgres", cluster["connection"].get("login_db")} | {item["name"] for item in view.kept}
        if view.wanted.get("described", True) and name not in ours:
            text = "The server has it, the description doesn't."
            view.add(finding("database-undescribed", name, text, evidence("sql", _NAMES, name), database=name))
        return
    wanted = view.wanted["databases"][key]
    owner = wanted.get("owner")
    if owner and found["owner"] != owner:
        text = "It belongs to %s, and by the description to %s." % (found["owner"], owner)
        query = Sql("SELECT datdba::regrole FROM pg_database WHERE datname = %s", (), (name,)).display()
        view.add(finding("owner-differs", name, text, evidence("sql", query, found["owner"]), key=key))
    if owner and owner in seen.get("superusers", ()):
        query = "SELECT rolname FROM pg_roles WHERE rolsuper"
        text = "Its owner %s is a superuser." % owner
        view.add(
            finding("superuser-login", name, text, evidence("sql", query, ", ".join(seen["superusers"])), of="database")
        )
    if found["verdict"] is None:
        return
    lacking = [
        extension for extension in wanted.get("extensions") or [] if extension not in found.get("extensions", {})
    ]
    if lacking:
        text = "It lacks what the description names: %s." % ", ".join(lacking)
        has = ", ".join(found.get("extensions", {})) or "none"
        query = asked(cluster, name, "SELECT extname FROM pg_extension")
        view.add(finding("extension-missing", name, text, evidence("command", query, has)))


def _missing(view: View, cluster: Row, seen: Row) -> None:
    there = {found["name"] for found in seen["databases"]}
    for key, item in view.wanted["databases"].items():
        if item["cluster"] == cluster["name"] and item["name"] not in there:
            text = "The description has it, the server doesn't."
            view.add(finding("database-missing", key, text, evidence("sql", _NAMES, ", ".join(sorted(there)))))


def _row(view: View, cluster: str, found: Mapping[str, Any], key: Optional[str]) -> Row:
    wanted = view.wanted["databases"].get(key) or {}
    newest = ((view.copies or {}).get("newest_verified") or {}).get(key) or {}
    return {
        "cluster": cluster,
        "database": found["name"],
        "key": key,
        "described": key is not None,
        "verdict": found["verdict"],
        "reasons": found["reasons"],
        "tenants": found["tenants"],
        "services": [_guest(service) for service in found.get("services") or []],
        "archived": found["archived"],
        "size_bytes": found["size_bytes"],
        "public_connect": found["public_connect"],
        "may_connect": found["may_connect"],
        "criticality": wanted.get("criticality"),
        "rpo_s": wanted.get("rpo"),
        "rto_s": wanted.get("rto"),
        "newest_verified": newest.get("path"),
        "newest_verified_age_s": newest.get("age_s"),
        "sessions": sum(session["sessions"] for session in found["sessions"]),
        "connections": [
            {name: session[name] for name in ("application", "role", "address", "sessions")}
            for session in found["sessions"]
        ],
    }


def _guest(service: Mapping[str, Any]) -> str:
    return "%(service)s (enters %(enters)s)" % service if service.get("enters") else str(service["service"])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
