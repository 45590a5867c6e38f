# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase ``dns`` on projects as people start them: under another name, of two files, beside a drifted database."""

import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import textwrap
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

IMAGE = os.environ.get("BULKHEAD_PYTHON_IMAGE", "bulkhead/python:3.11")
HEALTHY = "true"
# A program that can't bear what it was asked for.
ALLERGIC = "! grep -q host.docker.internal /etc/hosts"


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Shop:
    """A compose project of a service and its database, started as ``docker compose -p NAME -f … -f …``."""

    def __init__(self, folder: pathlib.Path, health: str, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.name = "bulkhead-test-" + uuid.uuid4().hex[:8]
        self.network = self.name + "-shared"
        self.base = folder / "stack.yml"
        self.base.write_text(
            textwrap.dedent("""\
                # the shop
                services:
                  app:
                    image: %s
                    init: true
                    command: [sleep, infinity]
                    depends_on: [db]
                    labels: [bulkhead.test=true]
                    healthcheck: {test: "%s", interval: 1s, timeout: 2s, retries: 2}
                  db:
                    image: %s
                    init: true
                    command: [sleep, infinity]
                    labels: [bulkhead.test=true]
                networks:
                  default:
                    labels: [bulkhead.test=true]
                """)
            % (IMAGE, health, IMAGE)
        )
        (folder / "more.yml").write_text("services:\n  app:\n    environment:\n      LEVEL: info\n")
        docker("network", "create", "--label", "bulkhead.test=true", self.network)
        self.compose("up", "-d", "--wait")

    def compose(self, *arguments: str) -> str:
        files = ["-f", str(self.base), "-f", str(self.folder / "more.yml")]
        return docker("compose", "-p", self.name, *files, *arguments)

    def inspect(self, service: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(docker("inspect", "%s-%s-1" % (self.name, service)))
        return found[0]

    def play(self, *arguments: str, **service: Any) -> "subprocess.CompletedProcess[str]":
        """Run the phase with a description of this one service."""
        described = {"compose_file": str(self.base), "service": "app", "container": self.name + "-app-1", **service}
        platform = {
            "state_dir": str(self.folder / "state"),
            "clusters": {},
            "databases": {},
            "services": {"app": described},
        }
        inventory = self.folder / "inventory.yml"
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "bulkhead_platform": platform,
        }
        inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": host}}}))
        command = ["ansible-playbook", "bulkhead.stack.dns", "-i", str(inventory), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300, check=False)

    def remove(self) -> None:
        self.compose("down", "-t", "0", "--volumes")
        docker("network", "rm", self.network)


@pytest.fixture
def shop(tmp_path: pathlib.Path, request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[Shop]:
    project = Shop(tmp_path, getattr(request, "param", HEALTHY), environment)
    try:
        yield project
    finally:
        project.remove()


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def listener() -> Iterator[int]:
    """A program on the host that answers HTTP on every address; its port."""
    with http.server.ThreadingHTTPServer(("0.0.0.0", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_another_name_two_files_and_a_drifted_database(shop: Shop, listener: int) -> None:
    database, app = shop.inspect("db")["Id"], shop.inspect("app")["Id"]
    # Someone changed the database's definition and didn't bring it up.
    shop.base.write_text(shop.base.read_text().replace("  db:\n", "  db:\n    hostname: drifted\n"))
    described = {
        "reaches_host": True,
        "reaches": ["http://host.docker.internal:%d/" % listener],
        "networks": [{"name": "shared", "external": True, "network": shop.network}],
    }
    checked = shop.play("--check", "--diff", **described)
    assert checked.returncode == 0, checked.stdout
    assert "- host.docker.internal:host-gateway" in checked.stdout
    assert shop.inspect("app")["Id"] == app
    assert "extra_hosts" not in shop.base.read_text()

    done = shop.play(**described)
    assert done.returncode == 0, done.stdout
    after = shop.inspect("app")
    assert shop.inspect("db")["Id"] == database
    assert after["Id"] != app
    assert after["Config"]["Labels"]["com.docker.compose.project"] == shop.name
    assert "LEVEL=info" in after["Config"]["Env"]
    assert sorted(after["NetworkSettings"]["Networks"]) == sorted([shop.network, shop.name + "_default"])
    assert after["HostConfig"]["ExtraHosts"] == ["host.docker.internal:host-gateway"]
    names = docker(
        "ps", "-a", "--filter", "label=com.docker.compose.project.working_dir=%s" % shop.folder, "-q"
    ).split()
    assert len(names) == 2, "a second project was started"

    again = shop.play(**described)
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
    assert shop.inspect("app")["Id"] == after["Id"]


def test_an_override_file_is_read_by_the_project_that_it_is_for(shop: Shop) -> None:
    before = shop.base.read_bytes()
    done = shop.play("-e", "compose_dns_mode=override", reaches_host=True, files=["stack.yml", "more.yml", "local.yml"])
    assert "override_path" in done.stdout, "a file of another name has no override file of its own"
    assert done.returncode != 0
    assert shop.base.read_bytes() == before


@pytest.mark.parametrize("shop", [ALLERGIC], indirect=True)
def test_a_service_that_does_not_get_healthy_is_put_back(shop: Shop) -> None:
    before = shop.base.read_bytes()
    database = shop.inspect("db")["Id"]
    done = shop.play("-e", "compose_dns_wait_timeout=20", reaches_host=True)
    assert done.returncode != 0
    assert "unhealthy" in done.stdout
    assert "Back as before" in done.stdout
    assert shop.base.read_bytes() == before
    after = shop.inspect("app")
    assert after["State"]["Health"]["Status"] == "healthy"
    assert not after["HostConfig"]["ExtraHosts"]
    assert shop.inspect("db")["Id"] == database


def test_what_listens_on_loopback_only_is_named_and_the_file_put_back(shop: Shop) -> None:
    before = shop.base.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = "http://host.docker.internal:%d/" % server.getsockname()[1]
        done = shop.play(reaches_host=True, reaches=[url])
    assert done.returncode != 0
    assert "127.0.0.1" in done.stdout
    assert "Back as before" in done.stdout
    assert shop.base.read_bytes() == before
    assert not shop.inspect("app")["HostConfig"]["ExtraHosts"]
