# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decision on clusters is made from: asked of engine, servers and folders; who doesn't answer is named."""

from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._core.errors import BulkheadError
from .._core.text import iso_utc
from .._dumps.catalogue import look
from .._restore.places import free_bytes, server_facts
from .._versions.facts import Cluster, Database, Service
from .._versions.minimum import own_version, read_need
from .._versions.survey import Surveyed, survey
from .docker import Docker
from .dump_folder import DumpFolder
from .impatience import ImpatientPostgres
from .memory import anonymous_memory
from .wiring import open_cluster

# How far a copy must be verified to count: as everywhere where nothing else is said.
_VERIFIED = "read"


class Surveyor:
    """Asks everybody once.

    Arguments:
        docker_host: the engine of the services, and of clusters that name none.
        connect_s, statement_s: how long to wait for a connection, and for an answer.
    """

    def __init__(self, docker_host: Optional[str], connect_s: int, statement_s: int) -> None:
        self._docker_host = docker_host
        self._connect_s = connect_s
        self._statement_s = statement_s
        self._engines: Dict[str, Docker] = {}
        self.unseen: List[str] = []

    def __enter__(self) -> "Surveyor":
        return self

    def __exit__(self, *error: object) -> None:
        for engine in self._engines.values():
            engine.close()

    def _engine(self, docker_host: Optional[str]) -> Docker:
        host = docker_host or self._docker_host
        if (host or "") not in self._engines:
            self._engines[host or ""] = Docker(host)
        return self._engines[host or ""]

    def database(self, item: Mapping[str, Any], now: datetime) -> Database:
        """Return a described database, with the moment of its newest verified copy."""
        name = str(item.get("name") or item["key"])
        verified_at: Optional[str] = None
        if item.get("folder"):
            try:
                copy = look(name, DumpFolder(item["folder"])).newest_good(_VERIFIED, now)
                verified_at = iso_utc(copy.taken_at) if copy else ""
            except BulkheadError as error:
                self.unseen.append("Copies of database %s: %s" % (item["key"], error))
        services, schedule = tuple(item["services"]), str(item.get("schedule") or "")
        return Database(item["key"], item["cluster"], name, services, item["criticality"], schedule, verified_at)

    def service(self, item: Mapping[str, Any]) -> Service:
        """Return a service, with the version that its container's image names where that is the program's own."""
        version: Optional[str] = None
        reason = "no container of it is named"
        if item.get("container"):
            try:
                found = self._engine(None).inspect_or_none(item["container"])
                image = str((found or {}).get("Config", {}).get("Image") or "")
                version = own_version(image, item["images"])
                reason = "the image of container %s is %s" % (item["container"], image)
                if found is None:
                    reason = ""
                    self.unseen.append("Service %s: there is no container %s." % (item["name"], item["container"]))
            except BulkheadError as error:
                reason = ""
                self.unseen.append("Service %s: %s" % (item["name"], error))
        need = read_need(item["postgres"], version, item.get("minimum_postgres"))
        if need.guessed and reason:
            text = "Version of service %s: %s. Taken is what its newest needs."
            self.unseen.append(text % (item["name"], reason))
        return Service(item["name"], item.get("profile") or "", version or "", need)

    def cluster(self, item: Mapping[str, Any], databases: Sequence[Database]) -> Surveyed:
        """Return what a cluster says of itself; one that can't be reached carries its error."""
        options = dict(item, docker_host=item.get("docker_host") or self._docker_host)
        cluster = Cluster(item["name"], container=item.get("container") or "")
        unseen: List[str] = []
        try:
            with open_cluster(ImpatientPostgres, options) as postgres:
                postgres.be_impatient(self._connect_s, self._statement_s)
                if cluster.container:
                    cluster = self._with_engine(cluster, options["docker_host"], unseen)
                surveyed = survey(postgres, cluster, databases)
                server = server_facts(postgres)
                free, identifier = free_bytes(postgres, server), server["system_identifier"]
        except BulkheadError as error:
            reason = str(error)
            lost = Cluster(item["name"], container=cluster.container, error=reason)
            return Surveyed(lost, None, {}, ("Cluster %s: %s" % (item["name"], reason),))
        return surveyed._replace(unseen=(*unseen, *surveyed.unseen), identifier=identifier, free_bytes=free)

    def _with_engine(self, cluster: Cluster, docker_host: Optional[str], unseen: List[str]) -> Cluster:
        """Return a cluster with what its engine knows: its image, and the memory that it holds."""
        engine = self._engine(docker_host)
        image = str(engine.require_running(cluster.container)["Config"]["Image"])
        try:
            memory_bytes = anonymous_memory(engine, cluster.container)
        except BulkheadError as error:
            memory_bytes = None
            unseen.append("Memory of cluster %s: %s" % (cluster.key, error))
        return Cluster(cluster.key, container=cluster.container, image=image, memory_bytes=memory_bytes)
