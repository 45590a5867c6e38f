# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read off servers and containers, asked by the names of the description."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._recovery.markdown import code

Thing = Mapping[str, Any]


class Found:
    """What is really there.

    Arguments:
        wanted: the projection ``documents`` of the description.
        clusters: what pg_blast_radius_info said of each cluster, in the projection's order.
        containers: what container_definition_info said.
    """

    def __init__(self, wanted: Thing, clusters: Sequence[Thing], containers: Mapping[str, Optional[Thing]]) -> None:
        self._clusters: Dict[str, Thing] = {item["name"]: one for item, one in zip(wanted["clusters"], clusters)}
        self._described = {item["name"]: item for item in wanted["clusters"]}
        self._containers = containers

    def version(self, cluster: str) -> str:
        """Return a server's version, as the server says it."""
        return str(self._clusters[cluster]["version"])

    def databases(self, cluster: str) -> List[Thing]:
        """Return the databases that a server has."""
        return list(self._clusters[cluster]["databases"])

    def database(self, cluster: str, name: str) -> Optional[Thing]:
        """Return a database, or None where the server has none of that name."""
        return next((item for item in self.databases(cluster) if item["name"] == name), None)

    @staticmethod
    def tenants(database: Thing) -> List[str]:
        """Return whose tables lie in a database: programs, groups of tables of nobody known, archives."""
        names = sorted(database.get("tenants") or {})
        names += sorted({item["label"] for item in database.get("groups") or []})
        return names + ["%s.*" % name for name in sorted(database.get("archived") or {})]

    @staticmethod
    def why_none(database: Thing) -> str:
        """Return why nobody's tables are named."""
        return "it can't be seen" if database.get("error") else "none"

    def homes(self, service: Thing) -> List[str]:
        """Return the databases in which the tables of a service's program lie, on its own server or on all."""
        clusters = [service["cluster"]] if service["cluster"] else list(self._clusters)
        return [
            str(item["name"])
            for cluster in clusters
            for item in self.databases(cluster)
            if service["program"] in (item.get("tenants") or {})
        ]

    def container(self, name: Optional[str]) -> Optional[Thing]:
        """Return a container's definition, or None where there is none of that name."""
        return self._containers.get(str(name))

    @staticmethod
    def place(cluster: Thing) -> str:
        """Return where a server is."""
        if cluster["container"]:
            return "container %s" % code(cluster["container"])
        return code("%s:%s" % (cluster["host"], cluster["port"]) if cluster["port"] else cluster["host"])

    def inner_address(self, cluster: Thing) -> str:
        """Return under which address containers on a server's networks find it."""
        definition = self.container(cluster["container"])
        # The engine's first network knows no names.
        if definition and definition["networks"] == ["bridge"]:
            return "by its address alone"
        return code("%s:5432" % cluster["container"]) if cluster["container"] else self.place(cluster)

    def networks_of(self, cluster: Thing) -> str:
        """Return the networks that a server is on."""
        definition = self.container(cluster["container"])
        return ", ".join(code(name) for name in definition["networks"]) if definition else ""

    def outer_address(self, cluster: Thing) -> str:
        """Return the ports under which the host finds a server."""
        if not cluster["container"]:
            return self.place(cluster)
        definition = self.container(cluster["container"])
        if definition is None:
            return "there is no such container"
        return ", ".join(code(port) for port in definition["published"]) or "not published"

    def shared_networks(self, service: Thing) -> Optional[List[str]]:
        """Return the networks that a service shares with its database's server; None where that can't be said."""
        ours = self.container(service["container"])
        server = self.container((self._described.get(service["cluster"]) or {}).get("container"))
        if ours is None or server is None:
            return None
        return sorted(set(ours["networks"]) & set(server["networks"]))
