# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a cluster answers, read off what the engine says of its container."""

from typing import Any, Dict, Iterator, List, Optional, cast

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker, ExecResult
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import (
    Endpoint,
    Postgres,
    container_address,
    resolve_endpoint,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError, OutsideError, StateError


def inspection(
    ports: Optional[Dict[str, Any]] = None,
    networks: Optional[Dict[str, Any]] = None,
    mode: str = "bridge",
    environment: Optional[List[str]] = None,
) -> Dict[str, Any]:
    """Return what docker inspect says of a container."""
    return {
        "Name": "/supabase-ai-db",
        "NetworkSettings": {"Ports": ports, "Networks": networks},
        "HostConfig": {"NetworkMode": mode},
        "Config": {"Env": environment},
    }


def published(host: str, port: str) -> Dict[str, Any]:
    """Return the ports of a container that publishes its server's."""
    return {"5432/tcp": [{"HostIp": host, "HostPort": port}]}


@pytest.mark.parametrize(
    ("found", "address"),
    [
        (inspection(published("0.0.0.0", "15432")), ("127.0.0.1", 15432)),
        (inspection(published("::", "15432")), ("127.0.0.1", 15432)),
        (inspection(published("", "15432")), ("127.0.0.1", 15432)),
        (inspection(published("127.0.0.1", "5432")), ("127.0.0.1", 5432)),
        (inspection(published("10.0.0.5", "5432")), ("10.0.0.5", 5432)),
        (
            inspection(published("0.0.0.0", "15432"), {"a": {"IPAddress": "172.18.0.2"}}),
            ("127.0.0.1", 15432),
        ),
        (inspection({}, {"a": {"IPAddress": "172.18.0.2"}}), ("172.18.0.2", 5432)),
        (inspection(None, {"a": {"IPAddress": "172.18.0.2"}}), ("172.18.0.2", 5432)),
        (inspection({"5432/tcp": None}, {"a": {"IPAddress": "172.18.0.2"}}), ("172.18.0.2", 5432)),
        (
            inspection({"8080/tcp": [{"HostIp": "", "HostPort": "8080"}]}, {"a": {"IPAddress": "172.18.0.2"}}),
            ("172.18.0.2", 5432),
        ),
        (inspection({}, {"a": {"IPAddress": ""}, "b": {"IPAddress": "172.19.0.2"}}), ("172.19.0.2", 5432)),
        (inspection({}, {"host": {"IPAddress": ""}}, "host"), ("127.0.0.1", 5432)),
    ],
)
def test_the_address_of_a_container(found: Dict[str, Any], address: Any) -> None:
    assert container_address(found) == address


@pytest.mark.parametrize("networks", [None, {}, {"none": {"IPAddress": ""}}])
def test_a_container_without_an_address_is_told(networks: Any) -> None:
    with pytest.raises(StateError, match="Container supabase-ai-db publishes no port 5432") as caught:
        container_address(inspection({}, networks, "none"))
    assert "login_host" in str(caught.value)


class MemoryEngine:
    """An engine with one container, which holds a file with a password."""

    def __init__(self, environment: Optional[List[str]] = None) -> None:
        self.environment = environment

    def require_running(self, container: str) -> Dict[str, Any]:
        """Return what is known of the container."""
        if container != "supabase-ai-db":
            raise StateError("There is no container %s." % container)
        return inspection(published("", "15432"), environment=self.environment)

    def run(self, container: str, argv: List[str]) -> ExecResult:
        """Print the file."""
        assert (container, argv) == ("supabase-ai-db", ["cat", "/run/secrets/password"])
        return ExecResult(0, b"from the file\n", "")


def resolve(options: Dict[str, Any], environment: Optional[List[str]] = None) -> Endpoint:
    """Return the endpoint, found with the engine of above."""
    return resolve_endpoint(options, cast(Docker, MemoryEngine(environment)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "Neither a container and a host"),
        ({"container": "", "login_host": ""}, "Neither"),
        ({"container": "db", "login_host": "localhost"}, "Both a container and a host"),
        ({"container": "db", "login_unix_socket": "/run/postgresql"}, "Both a container and a host"),
    ],
)
def test_one_cluster_is_named(options: Dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        resolve_endpoint(options, None)
    assert "Name one cluster" in str(caught.value)


def test_a_container_needs_an_engine() -> None:
    with pytest.raises(InputError, match="no engine was given"):
        resolve_endpoint({"container": "db"}, None)


def test_a_container_that_is_not_there_is_told() -> None:
    with pytest.raises(StateError, match="There is no container gone"):
        resolve({"container": "gone"})


@pytest.mark.parametrize(
    ("options", "endpoint"),
    [
        ({"login_host": "localhost"}, Endpoint("localhost", 5432, "postgres", "", "postgres")),
        (
            {
                "login_host": "db",
                "login_port": 5433,
                "login_user": "me",
                "login_password": "hunter2",
                "login_db": "admin",
            },
            Endpoint("db", 5433, "me", "hunter2", "admin"),
        ),
        ({"login_unix_socket": "/run/postgresql"}, Endpoint("/run/postgresql", 5432, "postgres", "", "postgres")),
        (
            {"login_unix_socket": "/run/postgresql", "login_host": "db"},
            Endpoint("/run/postgresql", 5432, "postgres", "", "postgres"),
        ),
    ],
)
def test_a_host_is_taken_as_it_is_said(options: Dict[str, Any], endpoint: Endpoint) -> None:
    assert resolve_endpoint(options, None) == endpoint


@pytest.mark.parametrize(
    ("options", "environment", "user", "password"),
    [
        ({}, None, "postgres", ""),
        ({}, ["POSTGRES_USER=admin", "POSTGRES_PASSWORD=a=b"], "admin", "a=b"),
        ({}, ["POSTGRES_PASSWORD_FILE=/run/secrets/password"], "postgres", "from the file"),
        ({}, ["POSTGRES_PASSWORD=x", "POSTGRES_PASSWORD_FILE=/run/secrets/password"], "postgres", "x"),
        (
            {"login_user": "supabase_admin", "login_password": "mine"},
            ["POSTGRES_USER=admin", "POSTGRES_PASSWORD=x"],
            "supabase_admin",
            "mine",
        ),
        ({"login_user": "supabase_admin"}, ["POSTGRES_PASSWORD=x"], "supabase_admin", "x"),
    ],
)
def test_user_and_password_come_from_the_options_else_from_the_container(
    options: Dict[str, Any], environment: Optional[List[str]], user: str, password: str
) -> None:
    endpoint = resolve(dict(options, container="supabase-ai-db"), environment)
    assert endpoint == Endpoint("127.0.0.1", 15432, user, password, "postgres", "supabase-ai-db")


def test_an_endpoint_does_not_show_its_password() -> None:
    endpoint = Endpoint("db", 5432, "me", "hunter2", "postgres", "supabase-ai-db")
    assert "hunter2" not in repr(endpoint) + endpoint.describe()
    assert endpoint.describe() == "container supabase-ai-db (db port 5432)"
    assert Endpoint("db", 5432, "me").describe() == "db port 5432"


def client(argv: List[str], stdin: Optional[Iterator[bytes]]) -> Any:
    """Run a program of this host, without a server."""
    return Postgres(Endpoint("127.0.0.1", 1, "postgres")).run_client(argv, stdin=stdin, connect=False)


def test_a_program_that_is_fed_to_the_end() -> None:
    assert client(["cat"], iter([b"a", b"b" * 100000])).stdout == b"a" + b"b" * 100000
    # It ends before it has read all: its own status says why.
    assert client(["sh", "-c", "exit 3"], (b"x" * 100000 for dummy in range(50))).rc == 3


def test_a_program_whose_input_breaks_off_does_not_wait_for_more() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise OutsideError("the dump is gone")

    with pytest.raises(OutsideError, match="the dump is gone"):
        client(["cat"], broken())
