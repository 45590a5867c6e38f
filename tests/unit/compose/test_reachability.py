# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a container comes: what its programs print, and what is said of it. Real containers ask in tests/system."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.reachability import ask
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.reachability_host import (
    Engine,
    Publisher,
    listening,
    read_engine,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.reachability_model import Question
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.reachability_programs import read_facts

HOST = "host.docker.internal"
SUBNET = {
    "Name": "shop_default",
    "Id": "0123456789abcdef",
    "Driver": "bridge",
    "IPAM": {"Config": [{"Subnet": "10.9.0.0/16"}]},
}
# Of /proc/net/tcp: 127.0.0.1:5432 and 0.0.0.0:80 listen, 10.0.0.1:8080 is connected.
SOCKETS = """  sl  local_address rem_address   st
   0: 0100007F:1538 00000000:0000 0A
   1: 00000000:0050 00000000:0000 0A
   2: 0100000A:1F90 0100000A:0016 01
"""


def inspection(status: str = "running", hosts: Sequence[str] = (), mode: str = "shop_default") -> Dict[str, Any]:
    """What the engine says of a container."""
    return {
        "Id": "abc",
        "Name": "/shop-app-1",
        "Image": "sha256:own",
        "State": {"Status": status, "ExitCode": 3, "Running": status == "running"},
        "Config": {"Labels": {"com.docker.compose.service": "app"}, "Env": ["A=b", "SECRET=x"]},
        "HostConfig": {"ExtraHosts": list(hosts), "NetworkMode": mode},
        "NetworkSettings": {"Networks": {"shop_default": {"IPAddress": "10.9.0.2", "NetworkID": "0123456789abcdef"}}},
    }


class Machine:
    """Answers with lines that the programs print; what a container of it can't run ends with 127."""

    def __init__(self, lines: Optional[str], thrown: Optional[str] = None, engine: Optional[Engine] = None) -> None:
        self.lines, self.thrown, self.kind = lines, thrown, engine or Engine()
        self.made: List[Tuple[str, bool]] = []
        self.now: Optional[Mapping[str, Any]] = None
        self.flapping = False

    def run(self, _container: str, _argv: Sequence[str]) -> Tuple[int, str, str]:
        return (127, "", "") if self.lines is None else (0, self.lines, "")

    def probe_images(self, _inspection: Mapping[str, Any], _in_namespace: bool) -> List[str]:
        return ["one", "two"]

    def throwaway(
        self, _inspection: Mapping[str, Any], image: str, in_namespace: bool, _argv: Sequence[str]
    ) -> Tuple[int, str, str]:
        self.made.append((image, in_namespace))
        unable = self.thrown is None or image == "one" or (in_namespace and self.flapping)
        return (127, "", "no such file") if unable else (0, self.thrown or "", "")

    def inspect(self, _container: str) -> Optional[Mapping[str, Any]]:
        return self.now

    def engine(self) -> Engine:
        return self.kind

    def network(self, _name: str) -> Optional[Mapping[str, Any]]:
        return SUBNET

    def host_sockets(self, _address: str) -> Optional[str]:
        return SOCKETS

    def publishers(self, _port: int) -> List[Publisher]:
        return []

    def compose_file(self, _path: str) -> Optional[bytes]:
        return None


COMES = "address 172.17.0.1\nsource 10.9.0.2\n"


@pytest.mark.parametrize(
    ("lines", "port", "url", "layer", "says"),
    [
        (COMES, None, None, "ok", ""),
        (COMES + "port accepted\n", 80, None, "ok", ""),
        (COMES + "port accepted\nhttp 404\n", 80, "http://x/", "ok", ""),
        (COMES + "port accepted\nhttp 502\n", 80, "http://x/", "http", "status 502"),
        (COMES + "port accepted\nhttp-failed reset\n", 80, "http://x/", "http", "reset"),
        (COMES + "port refused\n", 5432, None, "port", "listens on 127.0.0.1 only"),
        (COMES + "port refused\n", 81, None, "port", "nothing on the host listens"),
        (COMES + "port refused\n", 80, None, "port", "a firewall rejects them"),
        (COMES + "port dropped\n", 80, None, "port", "ufw allow in on br-0123456789ab from 10.9.0.0/16"),
        ("address 172.17.0.1\nno-route\n", 80, None, "route", "no route"),
        ("unresolved Name or service not known\n", None, None, "resolve", "host.docker.internal:host-gateway"),
        ("getent 2\n", 80, None, "resolve", "a restart keeps the definition"),
        ("hosts 127.0.0.1 localhost\n", None, None, "unknown", "probe_image"),
    ],
)
def test_a_running_container(lines: str, port: Optional[int], url: Optional[str], layer: str, says: str) -> None:
    answer = ask(Question("app", HOST, port, url), inspection(), Machine(lines))
    assert (answer["layer"], answer["asked_in"]) == (layer, "container")
    assert says in "%s %s" % (answer["error"], answer["remedy"])
    assert bool(answer["remedy"]) == (layer != "ok")


def test_variables_are_those_that_were_asked_for() -> None:
    answer = ask(Question("app", HOST, variables=["A", "B"]), inspection(), Machine(COMES))
    assert answer["variables"] == {"A": "b"}
    assert (answer["service"], answer["addresses"], answer["state"]) == ("app", ["10.9.0.2"], "running")


def test_no_container() -> None:
    assert ask(Question("app", HOST), None, Machine(COMES))["layer"] == "container"


def test_where_the_image_has_nothing_a_throwaway_container_asks_in_its_namespace() -> None:
    machine = Machine(None, COMES)
    answer = ask(Question("app", HOST), inspection(), machine)
    assert (answer["layer"], answer["asked_in"], answer["address"]) == ("ok", "throwaway", "172.17.0.1")
    assert machine.made == [("one", True), ("one", True), ("two", True)]
    silent = ask(Question("app", HOST), inspection(), Machine(None, None))
    assert silent["layer"] == "unknown"
    assert "neither sh nor python3" in silent["error"] or "can't be run" in silent["error"]


@pytest.mark.parametrize("state", ["exited", "restarting", "created"])
def test_one_that_does_not_stay_up_is_asked_in_a_throwaway_container_like_it(state: str) -> None:
    machine = Machine(None, COMES)
    answer = ask(Question("app", HOST), inspection(state), machine)
    assert (answer["layer"], answer["asked_in"]) == ("container", "throwaway")
    assert "docker logs" in answer["remedy"]
    assert machine.made[-1] == ("two", False)
    lost = ask(Question("app", HOST), inspection(state), Machine(None, "getent 2\n"))
    assert (lost["layer"], lost["resolves"]) == ("resolve", False)


def test_one_that_runs_between_two_restarts_does_not_stay_up() -> None:
    machine = Machine(None, COMES)
    machine.now, machine.flapping = dict(inspection(), RestartCount=4), True
    answer = ask(Question("app", HOST), inspection(), machine)
    assert (answer["layer"], answer["state"], machine.made[-1]) == ("container", "restarting", ("two", False))
    steady = Machine(None, COMES)
    steady.now = machine.now
    assert ask(Question("app", HOST), inspection(), steady)["layer"] == "ok", "it restarted once, long ago"


@pytest.mark.parametrize(("hosts", "layer"), [([HOST + ":host-gateway"], "container"), ([], "resolve")])
def test_without_throwaway_containers_the_definition_answers(hosts: List[str], layer: str) -> None:
    machine = Machine(None, COMES)
    answer = ask(Question("app", HOST), inspection("exited", hosts), machine, throwaway=False)
    assert (answer["layer"], answer["asked_in"], answer["resolves"]) == (layer, "definition", bool(hosts))
    assert machine.made == []


@pytest.mark.parametrize(
    ("engine", "mode", "says"),
    [
        (Engine(version=(19, 3), written_version="19.03"), "shop_default", "19.03"),
        (Engine(rootless=True), "shop_default", "rootless"),
        (Engine(podman=True), "shop_default", "host.containers.internal"),
        (Engine(), "host", "localhost"),
        (Engine(), "none", "network_mode: none"),
    ],
)
def test_what_mends_it_depends_on_the_engine_and_the_network(engine: Engine, mode: str, says: str) -> None:
    answer = ask(Question("app", HOST), inspection(mode=mode), Machine("getent 2\n", engine=engine))
    assert says in answer["remedy"]


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("getent 0 172.17.0.1 STREAM host 172.17.0.1 DGRAM", (True, "172.17.0.1", None, None)),
        ("hosts 172.17.0.1 host.docker.internal x\nport refused", (True, "172.17.0.1", "refused", None)),
        ("getent 0 ::1 STREAM h\nport accepted\ncurl 0 HTTP/1 204", (True, "::1", "accepted", 204)),
        ("getent 0 1.2.3.4 STREAM h\nport accepted\nwget 1 HTTP/1.1 500 x", (True, "1.2.3.4", "accepted", 500)),
        ("something else entirely", (None, None, None, None)),
        ("", (None, None, None, None)),
    ],
)
def test_what_the_programs_print(output: str, found: Tuple[Any, ...]) -> None:
    facts = read_facts(output, HOST, 80, "http://%s/" % HOST)
    assert (facts.resolves, facts.address, facts.port, facts.http_status) == found


def test_who_listens() -> None:
    assert listening(SOCKETS, 5432) == ["127.0.0.1"]
    assert listening(SOCKETS, 80) == ["0.0.0.0"]
    assert listening(SOCKETS, 8080) == []


def test_the_kind_of_an_engine() -> None:
    engine = read_engine({"Version": "20.10.24+dfsg1"}, {"SecurityOptions": ["name=seccomp,profile=default"]})
    assert (engine.version, engine.rootless, engine.podman, engine.knows_host_gateway) == ((20, 10), False, False, True)
    assert read_engine({"Version": "28.0.1"}, {"SecurityOptions": ["name=rootless"]}).rootless
    assert read_engine({"Version": "5.3.1", "Components": [{"Name": "Podman Engine"}]}, {}).podman
