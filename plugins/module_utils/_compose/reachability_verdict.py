# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""At which layer a container's way to a host ends, and what mends it there."""

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import BulkheadError
from .._core.inspection import LABEL_DIRECTORY, LABEL_FILES
from .document import Document
from .extra_hosts import hosts_of
from .model import Model
from .reachability_host import (
    Network,
    answers_for,
    firewall_lines,
    is_loopback,
    leaving_network,
    listening,
    read_network,
)
from .reachability_model import (
    HOST_NAMES,
    Question,
    Surroundings,
    defined_address,
    labels_of,
    network_mode,
    networks_of,
    service_of,
)
from .reachability_programs import ACCEPTED, DROPPED, HOST_UNREACHABLE, REFUSED, Facts

_BEHIND_ITS_HOST = ("macvlan", "ipvlan")
_ROOTLESS = (
    "This engine is rootless: host-gateway is an address of its own network namespace, not of the host. Start it with "
    "DOCKERD_ROOTLESS_ROOTLESSKIT_DISABLE_HOST_LOOPBACK=false (slirp4netns without --disable-host-loopback), where "
    "10.0.2.2 is the host's 127.0.0.1, and let the entry say %s:10.0.2.2"
)


@dataclass(frozen=True)
class Verdict:
    """The layer at which it ends, what is wrong there, what mends it; and where the host listens, if that was seen."""

    layer: str
    error: str = ""
    remedy: str = ""
    listeners: Optional[List[str]] = None


def judge(
    question: Question,
    inspection: Mapping[str, Any],
    facts: Facts,
    surroundings: Surroundings,
    why_untold: Sequence[str] = (),
) -> Verdict:
    """Return at which layer it ends.

    Arguments:
        why_untold: for what nothing could tell, what stood in the way.
    """
    case = _Case(question, inspection, facts, surroundings)
    untold = facts.untold(question.port, question.url)
    if untold:
        return case.unknown(untold, why_untold)
    if not facts.resolves:
        error = "%s doesn't resolve %s: %s." % (question.container, question.host, facts.resolve_error.rstrip("."))
        return Verdict("resolve", error, case.resolve_remedy())
    if facts.route is False:
        return case.no_route()
    if question.port is not None and facts.port != ACCEPTED:
        return case.port(question.port)
    if question.url and (facts.http_status is None or facts.http_status >= 500):
        error = "%s answers with status %s." % (question.url, facts.http_status)
        if facts.http_status is None:
            error = "%s gives no answer: %s." % (question.url, (facts.http_error or "").rstrip("."))
        return Verdict("http", error, "See the logs of what listens there.")
    return Verdict("ok")


class _Case:
    """One question with all that is known about it."""

    def __init__(
        self, question: Question, inspection: Mapping[str, Any], facts: Facts, surroundings: Surroundings
    ) -> None:
        self._question = question
        self._inspection = inspection
        self._facts = facts
        self._surroundings = surroundings
        self._mode = network_mode(inspection)
        self._service = service_of(inspection)

    # --- words

    @property
    def _place(self) -> str:
        address = self._facts.address
        if address and address != self._question.host:
            return "%s (%s)" % (self._question.host, address)
        return self._question.host

    @property
    def _it(self) -> str:
        return "service %s" % self._service if self._service else "the container"

    def _new_container(self) -> str:
        """Return how the container is made anew: what an entry needs, because a restart keeps the old definition."""
        if not self._service:
            return "make the container anew (docker run --add-host)"
        folder = labels_of(self._inspection).get(LABEL_DIRECTORY)
        return "docker compose up -d %s%s" % (self._service, " (in %s)" % folder if folder else "")

    # --- layers

    def unknown(self, layer: str, why: Sequence[str]) -> Verdict:
        """Return that nothing could tell."""
        question = self._question
        what = {
            "resolve": "%s resolves" % question.host,
            "port": "port %s of %s accepts" % (question.port, self._place),
            "http": "%s answers" % question.url,
        }[layer]
        error = "Nothing could tell whether %s in container %s." % (what, question.container)
        remedy = (
            "Name an image in probe_image that is on the engine's machine and has python3, or sh with getent, nc and "
            "curl."
        )
        if layer == "resolve" and self._names_the_host() and not defined_address(question.host, self._inspection):
            remedy += " If it doesn't: %s" % self.resolve_remedy()
        return Verdict("unknown", " ".join([error, *why]), remedy)

    def resolve_remedy(self) -> str:
        """Return what gives the container the name."""
        question, inspection = self._question, self._inspection
        defined = defined_address(question.host, inspection)
        engine = self._surroundings.engine()
        if defined:
            return "Its definition names it at %s, so its /etc/hosts was changed since: docker compose up -d " % (
                defined
            ) + ("--force-recreate %s." % (self._service or question.container))
        if self._mode.startswith("container:"):
            owner = self._owner()
            name = owner["Name"].lstrip("/") if owner else self._mode.partition(":")[2]
            return (
                "It has the network and the names of container %s: give that one the entry in extra_hosts, then make "
                "both anew with docker compose up -d." % name
            )
        if self._mode == "none":
            return "It has network_mode: none. Give %s a network, then %s." % (self._it, self._new_container())
        if not self._names_the_host():
            return (
                "A service is found by its name on a network that both share: attach %s to it. Where the name stands "
                "for the host, give it the entry %s:host-gateway in extra_hosts, then %s."
                % (self._it, question.host, self._new_container())
            )
        if self._mode == "host":
            return "With network_mode: host the host is localhost: ask for that name, or %s" % (
                _first_small(self._entry_remedy("127.0.0.1"))
            )
        if engine.podman:
            return "Podman itself names the host host.containers.internal: ask for that name, or %s" % (
                _first_small(self._entry_remedy("host-gateway"))
            )
        if engine.rootless:
            return (_ROOTLESS + ", then %s.") % (question.host, self._new_container())
        if not engine.knows_host_gateway:
            return "This engine (%s) doesn't know host-gateway, which came with 20.10: update it, or %s" % (
                engine.written_version,
                _first_small(self._entry_remedy(self._bridge_address())),
            )
        return self._entry_remedy("host-gateway")

    def _entry_remedy(self, address: str) -> str:
        host = self._question.host
        path = self._file_with_entry()
        if path:
            return "Run %s: %s names it, but the container was made before that, and a restart keeps it so." % (
                self._new_container(),
                path,
            )
        return "Give %s the entry %s:%s in extra_hosts (bulkhead.stack.compose_extra_hosts), then %s%s." % (
            self._it,
            host,
            address,
            self._new_container(),
            ": a restart keeps the definition that lacks it" if self._service else "",
        )

    def no_route(self) -> Verdict:
        """Return that no packet can leave for the address."""
        facts = self._facts
        error = "%s has no route to %s." % (self._question.container, self._place)
        networks = self._networks()
        if self._mode == "none":
            remedy = "It has network_mode: none. Give %s a network, then %s." % (self._it, self._new_container())
        elif networks and all(network.internal for network in networks):
            remedy = "All its networks are internal (%s): attach %s to one that isn't, then %s." % (
                ", ".join(sorted(network.name for network in networks)),
                self._it,
                self._new_container(),
            )
        elif ":" in (facts.address or ""):
            remedy = "None of its networks has IPv6: name the IPv4 address, or enable_ipv6 for one of them."
        else:
            remedy = "See its routes: docker exec %s ip route; attach %s to a network that leads there." % (
                self._question.container,
                self._it,
            )
        return Verdict("route", error, remedy)

    def port(self, port: int) -> Verdict:
        """Return why a port doesn't accept: whom the packets meet is found out from the host's side, where it can."""
        facts, question = self._facts, self._question
        in_itself = is_loopback(facts.address) and self._mode != "host"
        sockets = None if in_itself or not facts.address else self._surroundings.host_sockets(facts.address)
        listeners = None if sockets is None else listening(sockets, port)
        on_host = sockets is not None or self._names_the_host()
        place = "Port %d of %s" % (port, self._place)
        network = leaving_network(self._networks(), facts.source, facts.gateway, facts.address)
        if in_itself and facts.port == REFUSED:
            return Verdict(
                "port",
                "%s refuses connections: that address is the container itself." % place,
                self._not_itself(),
            )
        if facts.port == HOST_UNREACHABLE and not on_host:
            return Verdict(
                "route",
                "%s is not there: nobody answers for the address." % self._place,
                "See whether the machine runs, and whether its firewall prohibits the connection.",
            )
        if on_host and network is not None and network.driver in _BEHIND_ITS_HOST:
            return Verdict(
                "port",
                "%s isn't reached through network %s." % (place, network.name),
                "A %s network never leads to its own host: attach %s to a bridge network as well, then %s."
                % (network.driver, self._it, self._new_container()),
                listeners,
            )
        if facts.port == REFUSED:
            error, remedy = self._refused(port, place, listeners, network)
        elif facts.port == DROPPED:
            error, remedy = self._dropped(port, place, listeners, network)
        elif facts.port == HOST_UNREACHABLE:
            error = "%s prohibits the connection: a firewall rejects it." % place
            remedy = firewall_lines(network, facts.address, port)
        else:
            error = "%s doesn't accept: %s." % (place, str(facts.port).rstrip("."))
            remedy = "See the logs of what listens there."
        engine = self._surroundings.engine()
        if on_host and engine.rootless and not engine.podman:
            remedy = _ROOTLESS % question.host + ", then %s." % self._new_container()
        elif on_host and engine.podman and engine.rootless:
            remedy = (
                "This is rootless Podman: ask for host.containers.internal, which it leads to the host; it doesn't "
                "lead to what listens on 127.0.0.1 only, unless pasta has --map-host-loopback or slirp4netns has "
                "allow_host_loopback=true."
            )
        return Verdict("port", error, remedy, listeners)

    def _refused(
        self, port: int, place: str, listeners: Optional[List[str]], network: Optional[Network]
    ) -> Tuple[str, str]:
        address = self._facts.address or self._question.host
        error = "%s refuses connections" % place
        if listeners is None:
            return error + ".", (
                "See whether something listens there on 0.0.0.0 or on %s (ss -ltn 'sport = :%d'): what listens on "
                "127.0.0.1 only can't be reached from a container." % (address, port)
            )
        published = self._surroundings.publishers(port)
        if published and not any(answers_for(item.address or "0.0.0.0", address) for item in published):
            item = published[0]
            return "%s: container %s publishes it on %s only." % (error, item.container, item.address), (
                "Publish it on %s as well (ports: ['%s:%d:%d']), or attach both to one network and ask for %s:%d."
                % (address, address, port, item.port, item.container, item.port)
            )
        if not listeners:
            if published:
                item = published[0]
                return "%s: container %s publishes it, but nothing in it accepts." % (error, item.container), (
                    "See whether something in it listens on 0.0.0.0, port %d: docker logs --tail 50 %s."
                    % (item.port, item.container)
                )
            return "%s: nothing on the host listens on that port." % error, (
                "Start what is to listen there, on 0.0.0.0 or on %s." % address
            )
        if any(answers_for(listener, address) for listener in listeners):
            return "%s, though something listens there on %s: a firewall rejects them." % (
                error,
                ", ".join(listeners),
            ), firewall_lines(network, self._facts.address, port)
        if all(is_loopback(listener) for listener in listeners):
            return "%s: what listens there listens on %s only." % (error, ", ".join(listeners)), (
                "Let it listen on %s, the host's address for containers, or on 0.0.0.0 behind a firewall." % address
            )
        elsewhere = [listener for listener in listeners if not is_loopback(listener)]
        return "%s: what listens there listens on %s, not on %s." % (error, ", ".join(listeners), address), (
            "Let it listen on %s as well, or let the entry of extra_hosts say %s:%s."
            % (address, self._question.host, elsewhere[0])
        )

    def _dropped(
        self, port: int, place: str, listeners: Optional[List[str]], network: Optional[Network]
    ) -> Tuple[str, str]:
        address = self._facts.address or self._question.host
        error = "%s doesn't answer: the packets are dropped." % place
        remedy = "Let the firewall admit the containers. " + firewall_lines(network, self._facts.address, port)
        if listeners is not None and not any(answers_for(listener, address) for listener in listeners):
            where = "only %s has a listener" % ", ".join(listeners) if listeners else "nothing listens"
            error += " Besides, %s on that port." % where
            remedy += " Then let something listen there on %s or on 0.0.0.0." % address
        return error, remedy

    # --- what the surroundings say

    def _not_itself(self) -> str:
        if defined_address(self._question.host, self._inspection):
            return "Let its entry of extra_hosts say %s:host-gateway, then %s." % (
                self._question.host,
                self._new_container(),
            )
        return "Ask for host.docker.internal, where the host is meant; else see whether something in it listens there."

    def _names_the_host(self) -> bool:
        host = self._question.host
        return host.lower() in HOST_NAMES or defined_address(host, self._inspection) == "host-gateway"

    def _owner(self) -> Optional[Mapping[str, Any]]:
        """Return the container whose network this one has."""
        return self._surroundings.inspect(self._mode.partition(":")[2])

    def _networks(self) -> List[Network]:
        inspection: Optional[Mapping[str, Any]] = self._inspection
        if self._mode.startswith("container:"):
            inspection = self._owner()
        found = [self._surroundings.network(name) for name in networks_of(inspection)] if inspection else []
        engine = self._surroundings.engine()
        return [read_network(item, engine) for item in found if item is not None]

    def _bridge_address(self) -> str:
        """Return the address of the default bridge: what host-gateway stands for."""
        bridge = self._surroundings.network("bridge") or {}
        configured = (bridge.get("IPAM") or {}).get("Config") or ()
        return next((item["Gateway"] for item in configured if item.get("Gateway")), "172.17.0.1")

    def _file_with_entry(self) -> str:
        """Return the compose file that has the entry which the container lacks; an empty text where none has."""
        paths = labels_of(self._inspection).get(LABEL_FILES) or ""
        for path in paths.split(","):
            content = self._surroundings.compose_file(path) if path and self._service else None
            try:
                model = Model(Document(content, path)) if content is not None else None
                entries = hosts_of(model, self._service or "") if model and self._service in model.nodes else []
            except BulkheadError:
                # Whatever is wrong with that file is for those to say who edit it.
                continue
            if any(entry.host.lower() == self._question.host.lower() for entry in entries):
                return path
        return ""


def _first_small(text: str) -> str:
    return text[:1].lower() + text[1:]
