# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first description of a host that nobody has described: what is there, and nothing that is only guessed.

What has to be decided by a person (how critical a database is, how much of it may be lost) is set to what is usual, and
said to be so.
"""

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .containers import POSTGRES, POSTGREST, SERVICE, Seen, by_kind, database_wanted, leads_to

Thing = Dict[str, Any]
# Lines above an entry, by its path: ("databases", "postgres").
Remarks = Dict[Tuple[str, ...], List[str]]

# What is lost at most, how long it may take, when it is dumped (a minute of its own each), how many copies stay.
_BY_CRITICALITY = {
    "critical": {"rpo": "6h", "rto": "30m", "hours": "*/6", "last": 28},
    "medium": {"rpo": "24h", "rto": "1h", "hours": "2", "last": 14},
}


class Description:
    """A description in the making, with the remarks that go above its entries."""

    def __init__(self) -> None:
        self.platform: Thing = {"clusters": {}, "databases": {}, "services": {}, "postgrest": {}}
        self.remarks: Remarks = {}
        # The description's name of a database, by cluster and name.
        self.keys: Dict[Tuple[str, str], str] = {}

    def add(self, kind: str, name: str, entry: Thing, remarks: Sequence[str] = ()) -> None:
        """Add an entry, with what is to be said of it."""
        self.platform[kind][name] = {field: value for field, value in entry.items() if value not in (None, "", [], {})}
        if remarks:
            self.remarks[(kind, name)] = list(remarks)


def describe(
    containers: Sequence[Seen], clusters: Mapping[str, Mapping[str, Any]], profiles: Mapping[str, Any]
) -> Description:
    """Return the description of what runs.

    Arguments:
        clusters: what pg_blast_radius_info returns, by the name of the server's container; or its ``error``.
    """
    found = by_kind(list(containers))
    made = Description()
    names: Dict[str, str] = {}
    for server in found[POSTGRES]:
        key = "main" if len(found[POSTGRES]) == 1 else _key(server.name)
        names[server.name] = key
        seen = clusters.get(server.name) or {"error": "it wasn't asked"}
        remarks = ["It can't be read: %s" % seen["error"]] if seen.get("error") else []
        made.add("clusters", key, {"container": server.name}, remarks)
    several = len(found[POSTGRES]) > 1
    for server in found[POSTGRES]:
        for database in (clusters.get(server.name) or {}).get("databases") or ():
            _add_database(made, names[server.name], database, profiles, several)
    for instance in found[POSTGREST]:
        _add_instance(made, instance, found[POSTGRES], names)
    for service in found[SERVICE]:
        _add_service(made, service, found[POSTGRES], clusters, names, profiles)
    made.platform = {kind: things for kind, things in made.platform.items() if things or kind == "clusters"}
    return made


def _key(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "unnamed"


def _free(key: str, taken: Mapping[str, Any]) -> str:
    """Return a key that isn't taken."""
    number, free = 2, key
    while free in taken:
        free, number = "%s_%d" % (key, number), number + 1
    return free


def _add_database(
    made: Description, cluster: str, database: Mapping[str, Any], profiles: Mapping[str, Any], several: bool
) -> None:
    name = database["name"]
    if database["verdict"] == "none" and not database["sessions"]:
        # Nothing is in it and nobody uses it: Postgres' own, in nearly every cluster.
        return
    key = (
        name if name not in made.platform["databases"] else _free("%s_%s" % (cluster, name), made.platform["databases"])
    )
    made.keys[(cluster, name)] = key
    platforms = [
        tenant for tenant in database["tenants"] if ((profiles.get(tenant) or {}).get("owns") or {}).get("platform")
    ]
    criticality = "critical" if platforms else "medium"
    usual = _BY_CRITICALITY[criticality]
    minute = 7 * len(made.platform["databases"]) % 60
    entry = {
        "cluster": cluster,
        "name": name if key != name else None,
        "holds": ", ".join(sorted(database["tenants"])),
        "criticality": criticality,
        "rpo": usual["rpo"],
        "rto": usual["rto"],
        "backup": {"schedule": "%d %s * * *" % (minute, usual["hours"]), "retention": {"last": usual["last"]}},
    }
    made.add("databases", key, entry, _remarks_on(database, key, cluster, platforms, profiles))


def _remarks_on(
    database: Mapping[str, Any], key: str, cluster: str, platforms: Sequence[str], profiles: Mapping[str, Any]
) -> List[str]:
    """Return what is worth knowing of a database, and what would give each guest one of its own."""
    if database["verdict"] is None:
        return ["It can't be seen: %s" % "; ".join(database["reasons"])]
    remarks = ["%s." % reason for reason in database["reasons"] if database["verdict"] in ("shared", "catastrophic")]
    guests = [tenant for tenant in sorted(database["tenants"]) if tenant not in platforms]
    for guest in guests if platforms or len(guests) > 1 else ():
        tables = ((profiles.get(guest) or {}).get("owns") or {}).get("tables")
        if tables:
            patterns = tables if isinstance(tables, str) else ", ".join(tables)
            remarks += [
                "To give %s a database of its own:" % guest,
                "  %s_db:" % guest,
                "    cluster: %s" % cluster,
                "    owner: %s" % guest,
                "    legacy: {database: %s, tables: %s, archive_schema: %s_legacy_archive}" % (key, patterns, guest),
            ]
    return remarks


def _compose(seen: Seen) -> Thing:
    """Return how a container's service is found again in its compose file."""
    return {
        "compose_file": seen.files[0],
        "project": seen.project,
        "files": list(seen.files) if len(seen.files) > 1 else None,
    }


def _add_instance(made: Description, instance: Seen, servers: Sequence[Seen], names: Mapping[str, str]) -> None:
    if not instance.files:
        return
    key = _free(_key(instance.service or instance.name), made.platform["postgrest"])
    database = _database_of(database_wanted(instance, {}), servers, names, made)
    if not database:
        return
    entry = dict(_compose(instance), service=instance.service, container=instance.name, database=database)
    made.add("postgrest", key, entry)


def _database_of(
    wanted: Sequence[Tuple[str, int, str]], servers: Sequence[Seen], names: Mapping[str, str], made: Description
) -> str:
    for host, port, database in wanted:
        for server in servers:
            key = made.keys.get((names[server.name], database))
            if key and leads_to(host, port, server):
                return key
    return ""


def _add_service(
    made: Description,
    service: Seen,
    servers: Sequence[Seen],
    clusters: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    profiles: Mapping[str, Any],
) -> None:
    if not service.files or not service.service:
        return
    database = _database_of(database_wanted(service, profiles), servers, names, made)
    remarks = []
    if not database:
        database, application = _connected_to(service, servers, clusters, names, made)
        if database:
            remarks.append("It is connected to %s, as %s." % (database, application))
    if not (database or service.profile or service.reaches_host):
        return
    key = _free(service.service, made.platform["services"])
    entry = dict(
        {"profile": service.profile},
        **_compose(service),
        service=service.service if key != service.service else None,
        container=service.name if service.name != key else None,
        database=database,
        reaches_host=service.reaches_host or None,
    )
    made.add("services", key, entry, remarks)


def _connected_to(
    service: Seen,
    servers: Sequence[Seen],
    clusters: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    made: Description,
) -> Tuple[str, str]:
    """Return the database in which most of a container's sessions are, and what they call themselves."""
    best = (0, "", "")
    for server in servers:
        for database in (clusters.get(server.name) or {}).get("databases") or ():
            key = made.keys.get((names[server.name], database["name"]))
            for session in database["sessions"]:
                if key and session["address"] in service.addresses and session["sessions"] > best[0]:
                    best = (session["sessions"], key, session["application"])
    return best[1], best[2]
