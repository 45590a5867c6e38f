# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit has seen, in one place: what could not be read is named once, and is nowhere taken for fine."""

import shlex
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._core.text import iso_utc, parse_iso_utc

Row = Dict[str, Any]
# Sessions of this collection's own modules say nothing of the services.
_OURS = "bulkhead/"
# The results of modules, what they are about, and what is in each that didn't fail.
_PARTS = (
    ("copies", "the copies", "newest_verified"),
    ("reached", "services from inside", "services"),
    ("host", "the host", "containers"),
    ("kept", "what is kept", "kept"),
)


@dataclass
class View:
    """What was seen, beside what the description wants.

    Arguments:
        wanted: the audit's projection of the description.
        clusters: what was read of each cluster, or its ``msg``, in the description's order.
        services, instances, probes: what was answered from inside, in that order too; empty where nobody was asked.
        containers: by name; None where the engine doesn't answer.
        copies: what pg_dump_info returned; None where it failed.
    """

    wanted: Mapping[str, Any]
    clusters: List[Row]
    services: List[Row]
    instances: List[Row]
    probes: List[Row]
    containers: Optional[Dict[str, Optional[Row]]]
    files: Row
    urls: Dict[str, Row]
    drills: Dict[str, List[Row]]
    copies: Optional[Row]
    kept: List[Row]
    now: datetime
    host: str
    findings: List[Row] = field(default_factory=list)
    unseen: List[Row] = field(default_factory=list)

    def not_seen(self, thing: str, reason: str) -> None:
        """Note what couldn't be looked at; once is enough."""
        entry = {"thing": thing, "reason": " ".join(reason.split())}
        if entry not in self.unseen:
            self.unseen.append(entry)

    def add(self, *findings: Row) -> None:
        """Add findings."""
        self.findings.extend(findings)

    def read_clusters(self) -> Iterator[Tuple[Row, Row]]:
        """Yield each cluster that could be read: as it is wanted, and as it is."""
        for cluster, seen in zip(self.wanted["clusters"], self.clusters):
            if seen.get("databases") is not None:
                yield cluster, seen

    def databases(self) -> Iterator[Tuple[str, Row]]:
        """Yield the databases of the clusters that could be read, with the cluster's name."""
        for cluster, seen in self.read_clusters():
            for database in seen["databases"]:
                yield cluster["name"], database

    def sessions(self) -> Iterator[Tuple[str, Row]]:
        """Yield who is connected, with the cluster's name, this collection itself left out."""
        for cluster, database in self.databases():
            for session in database["sessions"]:
                if not session["application"].startswith(_OURS):
                    yield cluster, session

    def key_of(self, cluster: str, name: str) -> Optional[str]:
        """Return what the description calls a database, or None."""
        for key, item in self.wanted["databases"].items():
            if (item["cluster"], item["name"]) == (cluster, name):
                return str(key)
        return None

    def container(self, name: str) -> Optional[Row]:
        """Return what is known of a container, or None."""
        return (self.containers or {}).get(name)

    def container_at(self, address: Optional[str]) -> str:
        """Return the name of the container that has an address, or an empty text."""
        for name, row in (self.containers or {}).items():
            if address and row is not None and address in row["addresses"]:
                return name
        return ""

    def described_containers(self) -> Dict[str, str]:
        """Return what the description calls each of its containers: a kind and a name."""
        found = {}
        for cluster in self.wanted["clusters"]:
            if cluster["connection"].get("container"):
                found[cluster["connection"]["container"]] = "cluster:" + cluster["name"]
        for item in self.wanted["instances"]:
            if item.get("gateway"):
                found[item["gateway"]] = "gateway:" + item["gateway"]
            found[item["container"]] = "postgrest:" + item["name"]
        for item in self.wanted["services"]:
            found.setdefault(item["container"], "service:" + item["name"])
        return found


def read_view(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> View:
    """Return what was seen, from the results of the modules; one that failed stands in ``unseen``.

    Arguments:
        seen: ``clusters`` (results of pg_blast_radius_info, or their ``msg``), ``copies`` (of pg_dump_info),
            ``reached`` (of compose_reachability_info), ``host`` (of audit_host_info), ``kept`` (of kept_info),
            ``hostname``.
    """
    host = seen.get("host") or {}
    answers: Sequence[Row] = (seen.get("reached") or {}).get("services") or []
    services, instances = len(wanted["services"]), len(wanted["instances"])
    copies = seen.get("copies") or {}
    view = View(
        wanted=wanted,
        clusters=list(seen.get("clusters") or []),
        services=list(answers[:services]),
        instances=list(answers[services : services + instances]),
        probes=list(answers[services + instances :]),
        containers=host.get("containers"),
        files=host.get("files") or {},
        urls=host.get("urls") or {},
        drills=host.get("drills") or {},
        copies=copies if copies.get("newest_verified") is not None else None,
        kept=list((seen.get("kept") or {}).get("kept") or []),
        now=parse_iso_utc(host["now"]) if host.get("now") else datetime.now(timezone.utc),
        host=str(seen.get("hostname") or "this host"),
        unseen=list(host.get("unseen") or []),
    )
    for part, name, essence in _PARTS:
        result = seen.get(part) or {}
        if essence not in result:
            view.not_seen(name, str(result.get("msg") or "nothing was read"))
    for item in view.files.get("unread") or []:
        view.not_seen(item["path"], item["reason"])
    return view


def client_of(cluster: Mapping[str, Any], database: str = "", superusers: Sequence[str] = ()) -> str:
    """Return the command that starts psql on a cluster, quoted for a shell.

    Arguments:
        superusers: those that there are, where one is needed; else it is the audit's own role.
    """
    options = cluster["connection"]
    user = options.get("login_user") or "postgres"
    if superusers and user not in superusers:
        user = "postgres" if "postgres" in superusers else superusers[0]
    words = ["psql", "-h", options.get("login_host") or options.get("login_unix_socket") or "localhost", "-U", user]
    if options.get("container"):
        words = ["docker", "exec", options["container"], "psql", "-U", user]
    elif options.get("login_port"):
        words += ["-p", str(options["login_port"])]
    return " ".join(shlex.quote(word) for word in words + (["-d", database] if database else []))


def asked(cluster: Mapping[str, Any], database: str, query: str) -> str:
    """Return the command that asks one database a question, quoted for a shell."""
    return "%s -Atc %s" % (client_of(cluster, database), shlex.quote(query))


def moment_text(moment: datetime) -> str:
    """Return a moment as the document tells it."""
    return iso_utc(moment)
