# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blast radius: what dies with a database, judged by what its server says and never by a description."""

import fnmatch
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .._core.roles import groups_of
from .facts import Cluster, read_facts

Row = Dict[str, Any]
Tenants = Mapping[str, Mapping[str, Any]]

# Whose everything is where nobody says whose what is: the schemas of Supabase's own database.
PLATFORMS: Tenants = {
    "supabase": {
        "schemas": ["auth", "storage", "realtime", "_realtime", "graphql", "vault", "supabase_functions", "extensions"],
        "platform": True,
    }
}
# Addresses that mean this very server, from its own point of view.
_HERE = {"", "localhost", "127.0.0.1", "::1"}
_OURS = "bulkhead"


def read_blast_radius(
    cluster: Cluster, tenants: Tenants, names: Sequence[str] = (), timeout_s: int = 120
) -> Dict[str, Any]:
    """Return the databases of a cluster, what they hold, who may enter them, and a verdict on each.

    Arguments:
        tenants: whose a table is, by the tenant's name: ``tables`` (``public.archon_*``, or a list), ``schemas`` (a
            list), ``platform`` (true: everything else depends on it). By default Supabase's schemas.
        names: host names and addresses under which this cluster is known, such as its container's.
        timeout_s: how long the server may work on one question.

    A database that refuses the connection is listed with its error and no verdict.
    """
    tenants = tenants or PLATFORMS
    facts = read_facts(cluster, timeout_s)
    superusers = [role["name"] for role in facts["roles"] if role["superuser"] and role["login"]]
    databases = []
    for row in facts["databases"]:
        name = row["name"]
        content = facts["contents"][name]
        entry: Row = dict(row, sessions=[item for item in facts["sessions"] if item["database"] == name])
        entry["enters"] = enters(row, facts["roles"])
        if "error" in content:
            entry.update(error=content["error"], verdict=None, reasons=["it can't be seen"], tenants={}, archived={})
            entry.update(tables=None, unclaimed_tables=None, groups=[], services=[], links=[], extensions={})
        else:
            holders = {item["role"] for item in facts["holders"] if item["database"] == name}
            here = strangers(entry["enters"], holders, facts["roles"])
            entry.update(judge(content["tables"], tenants, here, superusers))
            entry["extensions"] = content["extensions"]
            entry["links"] = links(name, content, facts, {*names, *_HERE})
            for link in entry["links"]:
                if link["to"]:
                    entry["reasons"].append("%s %s leads to database %s" % (link["kind"], link["name"], link["to"]))
        databases.append(entry)
    return {
        "databases": databases,
        "superusers": superusers,
        "version": facts["settings"]["version"],
        "settings": facts["settings"],
        "rules": facts["rules"],
        "unseen": facts["unseen"],
    }


def enters(database: Mapping[str, Any], roles: Sequence[Mapping[str, Any]]) -> Dict[str, str]:
    """Return which roles may connect to a database, superusers left out, and by which way."""
    found = {}
    for role in roles:
        if not role["login"] or role["superuser"]:
            continue
        name = role["name"]
        groups = [group for group in role["inherits"] if group in database["may_connect"]]
        if name == database["owner"]:
            found[name] = "as its owner"
        elif name in database["may_connect"]:
            found[name] = "by name"
        elif groups:
            found[name] = "as a member of %s" % ", ".join(groups)
        elif database["public_connect"]:
            found[name] = "through PUBLIC"
    return found


def strangers(entering: Mapping[str, str], holders: Set[str], roles: Sequence[Mapping[str, Any]]) -> Dict[str, str]:
    """Return those who may enter a database in which they have nothing, and by which way."""
    member_of = {role["name"]: role["member_of"] for role in roles}
    return {
        name: way
        for name, way in entering.items()
        if way != "as its owner" and not ({name, *groups_of(name, member_of)} & holders)
    }


def judge(
    tables: Sequence[Mapping[str, Any]], tenants: Tenants, entering: Mapping[str, str], superusers: Sequence[str] = ()
) -> Dict[str, Any]:
    """Return the verdict on a database that holds these tables, with its reasons.

    Arguments:
        entering: who may enter although it has nothing here, and by which way.
        superusers: whose tables may be anybody's.
    """
    counts: Dict[str, int] = {}
    sizes: Dict[str, int] = {}
    archived: Dict[str, int] = {}
    unclaimed = []
    for table in tables:
        if table["schema"] == _OURS:
            continue
        tenant = _tenant(table, tenants)
        if tenant is not None:
            counts[tenant] = counts.get(tenant, 0) + 1
            sizes[tenant] = sizes.get(tenant, 0) + table["size_bytes"]
        elif table["schema"].endswith("_archive"):
            archived[table["schema"]] = archived.get(table["schema"], 0) + 1
        else:
            unclaimed.append(table)
    platforms = sorted(name for name in counts if tenants[name].get("platform"))
    groups = _grouped(unclaimed)
    foreign = _programs(groups, superusers)
    # One program that nobody knows, alone in its database, is its own.
    if not counts and len(foreign) == 1:
        foreign = {}
    services: List[Row] = [
        {"service": name, "tables": counts[name], "size_bytes": sizes[name], "enters": None}
        for name in sorted(counts)
        if name not in platforms
    ]
    services += [
        {"service": name, "tables": tables_here, "size_bytes": size, "enters": None}
        for name, (tables_here, size) in foreign.items()
    ]
    guests = [service["service"] for service in services]
    verdict, reasons = _verdict(platforms, services, len(unclaimed), bool(counts))
    if archived and verdict == "none":
        verdict, reasons = "contained", ["nothing lies here but what was put aside"]
    if verdict in ("shared", "catastrophic") or platforms:
        for role, way in sorted(entering.items()):
            if role not in guests:
                services.append({"service": role, "tables": 0, "size_bytes": 0, "enters": way})
        strangers_here = [service for service in services if service["enters"]]
        if strangers_here:
            reasons.append(
                "%s may enter it and %s nothing here"
                % (
                    ", ".join("%(service)s (%(enters)s)" % service for service in strangers_here),
                    "has" if len(strangers_here) == 1 else "have",
                )
            )
    reasons += ["%s holds %d tables that were put aside" % item for item in sorted(archived.items())]
    return {
        "verdict": verdict,
        "reasons": reasons,
        "tenants": counts,
        "archived": archived,
        "tables": len(tables),
        "unclaimed_tables": len(unclaimed),
        "groups": groups,
        "services": services,
    }


def _verdict(
    platforms: Sequence[str], services: Sequence[Mapping[str, Any]], unclaimed: int, claimed: bool
) -> Tuple[str, List[str]]:
    named = ", ".join("%(service)s (%(tables)d tables)" % service for service in services)
    if not claimed and not unclaimed:
        return "none", ["it holds no tables"]
    if platforms and services:
        return "catastrophic", ["one DROP DATABASE destroys %s together with %s" % (" and ".join(platforms), named)]
    if len(services) > 1:
        return "shared", ["%s lie in one database" % named]
    if claimed and unclaimed:
        known = platforms[0] if platforms else services[0]["service"]
        return "shared", ["%d tables of nobody known lie beside %s" % (unclaimed, known)]
    only = platforms[0] if platforms else services[0]["service"] if services else "one service"
    return "contained", ["only %s lies here" % only]


def _grouped(tables: Sequence[Mapping[str, Any]]) -> List[Row]:
    """Return tables in groups by schema, owner, and what their names begin with.

    A beginning that one table alone has is none.
    """
    beginnings: Dict[Tuple[str, str, str], int] = {}
    for table in tables:
        key = (table["schema"], table["owner"], _prefix(table["name"]))
        beginnings[key] = beginnings.get(key, 0) + 1
    found: Dict[Tuple[str, str, str], Row] = {}
    for table in tables:
        schema, owner, prefix = table["schema"], table["owner"], _prefix(table["name"])
        if beginnings[(schema, owner, prefix)] < 2:
            prefix = ""
        label = "%s.%s*" % (schema, prefix)
        new = {"schema": schema, "owner": owner, "prefix": prefix, "label": label, "tables": 0, "size_bytes": 0}
        group = found.setdefault((schema, owner, prefix), new)
        group["tables"] += 1
        group["size_bytes"] += table["size_bytes"]
    return [found[key] for key in sorted(found)]


def _programs(groups: Sequence[Mapping[str, Any]], superusers: Sequence[str]) -> Dict[str, Tuple[int, int]]:
    """Return tables and bytes of each program that groups seem to be of, by a name for it.

    A role that is no superuser is one program's, whatever its tables are called. Of a superuser's tables those that
    begin alike are one program's.
    """
    found: Dict[str, Tuple[int, int]] = {}
    for group in groups:
        is_anybodys = group["owner"] in superusers
        if is_anybodys and not group["prefix"]:
            continue
        name = group["label"] if is_anybodys else group["owner"]
        tables, size = found.get(name, (0, 0))
        found[name] = (tables + group["tables"], size + group["size_bytes"])
    return dict(sorted(found.items()))


def _prefix(name: str) -> str:
    begin, mark, rest = name.partition("_")
    return begin + mark if begin and mark and rest else ""


def _tenant(table: Mapping[str, Any], tenants: Tenants) -> Optional[str]:
    qualified = "%s.%s" % (table["schema"], table["name"])
    for name, owns in tenants.items():
        patterns = owns.get("tables") or []
        patterns = [patterns] if isinstance(patterns, str) else patterns
        if table["schema"] in (owns.get("schemas") or []) or any(
            fnmatch.fnmatchcase(qualified, item) for item in patterns
        ):
            return name
    return None


def links(database: str, content: Mapping[str, Any], facts: Mapping[str, Any], here: Set[str]) -> List[Row]:
    """Return what leads out of a database: ``kind``, ``name``, ``host``, ``dbname``, and ``to``, the database of this
    cluster that it leads to, empty where it leads elsewhere or nowhere known."""
    known = {item["name"] for item in facts["databases"]}
    found: List[Row] = []

    def add(kind: str, name: str, host: Optional[str], dbname: Optional[str]) -> None:
        is_here = (host or "") in here or (host or "").startswith("/")
        to = dbname if dbname in known and is_here and dbname != database else ""
        found.append({"kind": kind, "name": name, "host": host or "", "dbname": dbname or "", "to": to})

    for server in content["servers"]:
        # Another product's server may have a database of the same name.
        options = server["options"] if server["wrapper"] in ("postgres_fdw", "dblink_fdw") else {}
        add("foreign server", server["name"], options.get("host") or options.get("hostaddr"), options.get("dbname"))
    for call in content["dblinks"]:
        add("dblink in %s" % call["kind"], call["name"], call["host"], call["dbname"])
    for subscription in facts["subscriptions"]:
        if subscription["database"] == database:
            add("subscription", subscription["name"], None, None)
    for publication in content["publications"]:
        add("publication", publication, None, None)
    return found
