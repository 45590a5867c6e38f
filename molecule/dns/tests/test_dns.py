"""The containers reach the host, and nothing else of the compose file is different."""

import difflib
import ipaddress
import pathlib

import pytest

ORIGINAL = pathlib.Path(__file__).resolve().parents[3] / "demo" / "archon" / "docker-compose.yml"
SERVICES = ["archon-server", "archon-mcp", "archon-agent-work-orders"]


def test_only_two_lines_were_added(demo):
    before = ORIGINAL.read_text().splitlines()
    after = (demo / "archon" / "docker-compose.yml").read_text().splitlines()
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert len(changed) == 2, changed
    assert all(line.startswith("+") for line in changed), changed
    assert "extra_hosts:" in changed[0]
    assert "host.docker.internal:host-gateway" in changed[1]


@pytest.mark.parametrize("service", SERVICES)
def test_the_name_resolves_inside(machine, service):
    answer = machine.run("docker exec %s getent hosts host.docker.internal", service)
    assert answer.rc == 0
    subnet = machine.check_output("docker network inspect -f %s bridge", "{{(index .IPAM.Config 0).Subnet}}")
    # host-gateway is the default bridge's own address, its network's first.
    assert ipaddress.ip_address(answer.stdout.split()[0]) == next(ipaddress.ip_network(subnet).hosts())


@pytest.mark.parametrize("service", SERVICES)
def test_the_service_is_healthy(inspect, service):
    assert inspect(service)["State"]["Health"]["Status"] == "healthy"


def test_it_answers_with_the_settings(http):
    assert http("http://localhost:8181/health")[0] == 200
    status, settings = http("http://localhost:8181/api/settings")
    assert status == 200
    assert len(settings) == 45


def test_its_log_says_ready(machine):
    assert (
        "Database schema initialization complete"
        in machine.run("docker logs archon-server").stdout + machine.run("docker logs archon-server").stderr
    )


def test_its_neighbours_kept_their_containers(machine):
    created = {
        name: machine.check_output("docker inspect -f %s %s", "{{.Created}}", name) for name in SERVICES + ["archon-ui"]
    }
    assert max(created.values()) == created["archon-server"]
    assert machine.check_output("docker inspect -f %s archon-server", "{{json .HostConfig.Dns}}") == '["127.0.0.1"]'


def test_it_kept_its_networks(inspect):
    networks = inspect("archon-server")["NetworkSettings"]["Networks"]
    assert sorted(networks) == ["archon_app-network", "sporterp-ai-unified"]
