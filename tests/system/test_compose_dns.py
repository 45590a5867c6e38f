# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase ``dns`` on projects as people start them: under another name, of two files, beside a drifted database."""

import http.server
import os
import pathlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

IMAGE = os.environ.get("BULKHEAD_PYTHON_IMAGE", "bulkhead/python:3.11")
HEALTHY = "true"
# A program that can't bear what it was asked for.
ALLERGIC = "! grep -q host.docker.internal /etc/hosts"


STACK = """\
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
"""
MORE = "services:\n  app:\n    environment:\n      LEVEL: info\n"


class Shop:
    """A service and its database, started under a name of its own and of two files."""

    def __init__(self, project: Any) -> None:
        self.project = project
        self.base: pathlib.Path = project.files[0]

    def app(self) -> dict[str, Any]:
        found: dict[str, Any] = self.project.inspect("app")
        return found

    def database(self) -> str:
        return str(self.project.inspect("db")["Id"])

    def play(self, *arguments: str, **service: Any) -> Any:
        """Run the phase with a description of this one service."""
        container = "%s-app-1" % self.project.name
        described = {"compose_file": str(self.base), "service": "app", "container": container, **service}
        return self.project.play("dns", {"services": {"app": described}}, *arguments)


@pytest.fixture
def shop(make_project: Any, request: pytest.FixtureRequest) -> Shop:
    return Shop(make_project(stack=STACK % (IMAGE, getattr(request, "param", HEALTHY), IMAGE), more=MORE))


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
    network = shop.project.network("shared")
    database, app = shop.database(), shop.app()["Id"]
    # Someone changed the database's definition and didn't bring it up.
    shop.base.write_text(shop.base.read_text().replace("  db:\n", "  db:\n    hostname: drifted\n"))
    described = {
        "reaches_host": True,
        "reaches": ["http://host.docker.internal:%d/" % listener],
        "networks": [{"name": "shared", "external": True, "network": network}],
    }
    checked = shop.play("--check", "--diff", **described)
    assert checked.returncode == 0, checked.stdout
    assert "- host.docker.internal:host-gateway" in checked.stdout
    assert shop.app()["Id"] == app
    assert "extra_hosts" not in shop.base.read_text()

    done = shop.play(**described)
    assert done.returncode == 0, done.stdout
    after = shop.app()
    assert shop.database() == database
    assert after["Id"] != app
    assert after["Config"]["Labels"]["com.docker.compose.project"] == shop.project.name
    assert "LEVEL=info" in after["Config"]["Env"]
    assert sorted(after["NetworkSettings"]["Networks"]) == sorted([network, shop.project.name + "_default"])
    assert after["HostConfig"]["ExtraHosts"] == ["host.docker.internal:host-gateway"]
    names = shop.project.docker(
        "ps", "-a", "--filter", "label=com.docker.compose.project.working_dir=%s" % shop.project.folder, "-q"
    ).split()
    assert len(names) == 2, "a second project was started"

    again = shop.play(**described)
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
    assert shop.app()["Id"] == after["Id"]


def test_an_override_file_is_read_by_the_project_that_it_is_for(shop: Shop) -> None:
    before = shop.base.read_bytes()
    done = shop.play("-e", "compose_dns_mode=override", reaches_host=True, files=["stack.yml", "more.yml", "local.yml"])
    assert "override_path" in done.stdout, "a file of another name has no override file of its own"
    assert done.returncode != 0
    assert shop.base.read_bytes() == before


@pytest.mark.parametrize("shop", [ALLERGIC], indirect=True)
def test_a_service_that_does_not_get_healthy_is_put_back(shop: Shop) -> None:
    before = shop.base.read_bytes()
    database = shop.database()
    done = shop.play("-e", "compose_dns_wait_timeout=20", reaches_host=True)
    assert done.returncode != 0
    assert "unhealthy" in done.stdout
    assert "Back as before" in done.stdout
    assert shop.base.read_bytes() == before
    after = shop.app()
    assert after["State"]["Health"]["Status"] == "healthy"
    assert not after["HostConfig"]["ExtraHosts"]
    assert shop.database() == database


def test_what_listens_on_loopback_only_is_named_and_the_file_put_back(shop: Shop) -> None:
    before = shop.base.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = "http://host.docker.internal:%d/" % server.getsockname()[1]
        done = shop.play(reaches_host=True, reaches=[url])
    assert done.returncode != 0
    assert "127.0.0.1" in done.stdout
    assert "Back as before" in done.stdout
    assert shop.base.read_bytes() == before
    assert not shop.app()["HostConfig"]["ExtraHosts"]
