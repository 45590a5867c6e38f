# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real containers ask the real host: with Python, with a shell, with nothing at all, and when they don't stay up."""

import json
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

PYTHON = os.environ.get("BULKHEAD_PYTHON_IMAGE", "bulkhead/python:3.11")
SHELL = os.environ.get("BULKHEAD_DEBIAN_IMAGE", "bulkhead/debian:bookworm")
HOST = "host.docker.internal"
ENTRY = ("--add-host", HOST + ":host-gateway")

# A program that waits for ever, and the only file of its image: `mov eax, 34; syscall (pause); jmp` behind the header
# of an ELF file of one segment (elf(5)).
WAITS = (
    b"\x7fELF\x02\x01\x01"
    + bytes(9)
    + b"\x02\x00\x3e\x00\x01\x00\x00\x00"
    + (0x400078).to_bytes(8, "little")
    + (64).to_bytes(8, "little")
    + bytes(12)
    + b"\x40\x00\x38\x00\x01\x00"
    + bytes(6)
    + b"\x01\x00\x00\x00\x05\x00\x00\x00"
    + bytes(8)
    + (0x400000).to_bytes(8, "little") * 2
    + (129).to_bytes(8, "little") * 2
    + (0x1000).to_bytes(8, "little")
    + b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7"
)


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture
def start() -> Iterator[Callable[..., str]]:
    """Return a function that starts a container of a test and gives its name; all of them are removed in the end."""
    mark = uuid.uuid4().hex

    def run(image: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
        name = "bulkhead-test-" + uuid.uuid4().hex[:8]
        labels = ("--label", "bulkhead.test=true", "--label", "bulkhead.case=" + mark)
        docker("run", "--detach", "--name", name, *labels, *options, image, *arguments)
        return name

    try:
        yield run
    finally:
        for found in docker("ps", "-aq", "--filter", "label=bulkhead.case=" + mark).split():
            docker("rm", "-fv", found)
        # Those of other runs on this machine go by themselves.
        throwaway = ("ps", "-aq", "--no-trunc", "--filter", "label=bulkhead.stack.throwaway")
        seen = set(docker(*throwaway).split())
        until(lambda: seen.isdisjoint(docker(*throwaway).split()), "a throwaway container is left")


@pytest.fixture
def ask(call: Any) -> Callable[..., dict[str, Any]]:
    """Return a function that asks one container one question."""

    def one(container: str, *, options: "dict[str, Any] | None" = None, **question: Any) -> dict[str, Any]:
        done = call("compose_reachability_info", services=[{"container": container, **question}], **(options or {}))
        assert done.get("failed") is not True, done
        answer: dict[str, Any] = done["services"][0]
        return answer

    return one


@pytest.fixture
def nothing(tmp_path: pathlib.Path) -> Iterator[str]:
    """An image without a shell, a library or any other file but one that waits."""
    if platform.machine() != "x86_64":
        pytest.skip("its program is one for x86_64")
    (tmp_path / "waits").write_bytes(WAITS)
    (tmp_path / "waits").chmod(0o755)
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY waits /waits\nENTRYPOINT ["/waits"]\n')
    name = "bulkhead-test/%s:1" % uuid.uuid4().hex[:8]
    docker("build", "--quiet", "--label", "bulkhead.test=true", "--tag", name, str(tmp_path))
    try:
        yield name
    finally:
        docker("image", "rm", "--force", name)


@pytest.fixture
def port() -> Iterator[int]:
    """A port of the host, on every address, that accepts and says nothing."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield server.getsockname()[1]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, half a minute at the most."""
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(0.05)


@pytest.mark.parametrize("image", [PYTHON, SHELL])
def test_it_comes_through(ask: Any, start: Any, port: int, image: str) -> None:
    name = start(image, "sleep", "infinity", options=ENTRY)
    answer = ask(name, host=HOST, port=port)
    assert (answer["layer"], answer["asked_in"], answer["error"]) == ("ok", "container", "")
    assert answer["address"].startswith("172.")
    assert answer["route"] is True


@pytest.mark.parametrize("image", [PYTHON, SHELL])
def test_the_name_is_unknown(ask: Any, start: Any, image: str) -> None:
    answer = ask(start(image, "sleep", "infinity", options=("--dns", "127.0.0.1")), host=HOST)
    assert (answer["layer"], answer["resolves"]) == ("resolve", False)
    assert HOST + ":host-gateway" in answer["remedy"]


def test_who_listens_on_loopback_only_is_told_so(ask: Any, start: Any) -> None:
    name = start(SHELL, "sleep", "infinity", options=ENTRY)
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = ask(name, host=HOST, port=server.getsockname()[1])
    assert (answer["layer"], answer["listeners"]) == ("port", ["127.0.0.1"])
    assert "127.0.0.1 only" in answer["error"]
    silent = ask(name, host=HOST, port=1)
    assert (silent["layer"], silent["listeners"]) == ("port", [])
    assert "nothing on the host listens" in silent["error"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("iptables"), reason="drops packets, which only root can")
def test_a_firewall_that_drops_is_named_with_the_line_that_mends_it(ask: Any, start: Any, port: int) -> None:
    name = start(SHELL, "sleep", "infinity", options=ENTRY)
    address = json.loads(docker("inspect", name))[0]["NetworkSettings"]["IPAddress"]
    rule = ["INPUT", "-s", address, "-p", "tcp", "--dport", str(port), "-j", "DROP"]
    subprocess.run(["iptables", "-I", *rule], check=True)
    try:
        answer = ask(name, host=HOST, port=port)
    finally:
        subprocess.run(["iptables", "-D", *rule], check=True)
    assert answer["layer"] == "port"
    assert "dropped" in answer["error"]
    assert "ufw allow in on docker0" in answer["remedy"]
    assert "firewall-cmd" in answer["remedy"]
    assert ask(name, host=HOST, port=port)["layer"] == "ok"


def test_an_image_with_nothing_in_it(ask: Any, start: Any, nothing: str, port: int) -> None:
    name = start(nothing, options=ENTRY)
    answer = ask(name, host=HOST, port=port, options={"probe_image": PYTHON})
    assert (answer["layer"], answer["asked_in"]) == ("ok", "throwaway")
    helper = start(SHELL, "sleep", "infinity")
    assert ask(name, host=HOST, port=port)["asked_in"] == "throwaway", helper
    without = ask(name, host=HOST, port=port, options={"throwaway": False})
    assert (without["layer"], without["asked_in"]) == ("unknown", "container")
    assert "probe_image" in without["remedy"]
    lost = ask(start(nothing, options=("--dns", "127.0.0.1")), host=HOST, options={"probe_image": PYTHON})
    assert (lost["layer"], lost["asked_in"]) == ("resolve", "throwaway")


def test_a_probe_image_that_is_not_there_is_named(call: Any, start: Any) -> None:
    name = start(SHELL, "true")
    until(lambda: docker("inspect", "-f", "{{.State.Status}}", name) == "exited", "it doesn't end")
    failed = call("compose_reachability_info", services=[{"container": name}], probe_image="bulkhead/none:0")
    assert "There is no image bulkhead/none:0" in failed["msg"]


@pytest.mark.parametrize("restart", ["no", "always"])
def test_one_that_does_not_stay_up(ask: Any, start: Any, port: int, restart: str) -> None:
    states = {"no": "exited", "always": "restarting"}
    options = ("--restart", restart, "--env", "SECRET=hunter2")
    name = start(SHELL, "false", options=(*ENTRY, *options))
    until(lambda: docker("inspect", "-f", "{{.State.Status}}", name) == states[restart], "it stays up")
    answer = ask(name, host=HOST, port=port)
    assert (answer["layer"], answer["asked_in"], answer["resolves"]) == ("container", "throwaway", True)
    assert "exit status 1" in answer["error"]
    lost = start(SHELL, "false", options=("--restart", restart, "--dns", "127.0.0.1"))
    until(lambda: docker("inspect", "-f", "{{.State.Status}}", lost) == states[restart], "it stays up")
    answer = ask(lost, host=HOST)
    assert (answer["layer"], answer["asked_in"], answer["resolves"]) == ("resolve", "throwaway", False)


def test_a_network_of_its_own_or_none(ask: Any, start: Any, port: int) -> None:
    alone = start(SHELL, "sleep", "infinity", options=("--network", "none"))
    answer = ask(alone, host="172.17.0.1", port=port)
    assert answer["layer"] == "route"
    assert "network_mode: none" in answer["remedy"]
    hosted = start(SHELL, "sleep", "infinity", options=("--network", "host"))
    assert ask(hosted, host="localhost", port=port)["layer"] == "ok"
    joined = start(SHELL, "sleep", "infinity", options=("--network", "container:" + alone))
    assert ask(joined, host="172.17.0.1", port=port)["layer"] == "route"
