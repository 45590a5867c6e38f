# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway that reads its file when it starts gets it by a new start, and the old file back where it doesn't come up.

No package registry ships Kong or Envoy. What runs here is a stand-in: it prints the file that is mounted into it, and
ends where the file holds a word that it doesn't like.
"""

import os
import pathlib
import subprocess
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "gateway"
STAND_IN = "cat /gateway.yml; ! grep -q forbidden /gateway.yml || exit 3; touch /tmp/up; exec sleep infinity"
HEALTHY = ("--health-cmd", "test -e /tmp/up", "--health-interval", "200ms")


class Gateway:
    """The stand-in, and its file, which is mounted by itself as Supabase mounts Kong's."""

    def __init__(self, folder: pathlib.Path, *more: str, golden: str = "kong.yml") -> None:
        self.file = folder / golden
        self.file.write_bytes((GOLDEN / golden).read_bytes())
        self.name = "bulkhead-test-gateway-" + uuid.uuid4().hex[:8]
        mount = ["--volume", "%s:/gateway.yml:ro" % self.file, "--init", "--stop-signal", "KILL"]
        label = ["--label", "bulkhead.test=true", "--name", self.name]
        self.docker("run", "--detach", *label, *mount, *more, "bulkhead/python:3.11", "sh", "-c", STAND_IN)

    @staticmethod
    def docker(*arguments: str) -> str:
        """Run docker; return what it prints."""
        return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def printed(self) -> str:
        """Return what its last start has printed of the file."""
        return self.docker("logs", self.name).rpartition(self.file.read_text().splitlines()[0])[2]


@pytest.fixture
def gateway(tmp_path: pathlib.Path, request: Any) -> Iterator[Gateway]:
    """Yield a stand-in that runs; its options of docker are the parameter, by default a health check."""
    made = Gateway(tmp_path, *getattr(request, "param", HEALTHY))
    try:
        yield made
    finally:
        made.docker("rm", "--force", made.name)


def options(gateway: Gateway, **more: Any) -> dict[str, Any]:
    """Return the options of a route of Kong's."""
    same = {"kind": "kong", "container": gateway.name, "path": str(gateway.file), "route": "/archon"}
    return {**same, "service": "rest-archon", **more}


def test_a_new_start_brings_the_route_and_takes_it_away(gateway: Gateway, call: Any) -> None:
    before = gateway.file.read_bytes()
    checked = call("gateway_route", check=True, **options(gateway))
    assert (checked["changed"], gateway.file.read_bytes()) == (True, before)
    made = call("gateway_route", **options(gateway))
    assert (made.get("failed"), made["reloaded"], made["location"]) == (None, True, "/archon/rest/v1/")
    assert "written-out-for-the-test" not in str(made)
    assert "/archon/rest/v1/" in gateway.printed()
    again = call("gateway_route", **options(gateway))
    assert (again["changed"], again["reloaded"]) == (False, False)
    gone = call("gateway_route", **options(gateway, state="absent"))
    assert (gone["changed"], gateway.file.read_bytes()) == (True, before)
    assert "/archon" not in gateway.printed()


def test_one_that_started_before_the_file_changed_is_started_again(gateway: Gateway, call: Any) -> None:
    call("gateway_route", **options(gateway))
    result: dict[str, Any] = {"changed": False}
    deadline = time.monotonic() + 20
    while not result["changed"]:
        # As after a run that was killed between the file and the start. One second is told from the next.
        os.utime(gateway.file)
        result = call("gateway_route", **options(gateway))
        assert time.monotonic() < deadline
    assert (result["path_written"], result["reloaded"]) == ("", True)


@pytest.mark.parametrize("gateway", [HEALTHY, ("--restart", "always")], indirect=True, ids=["health check", "restarts"])
def test_where_it_does_not_come_up_the_old_file_is_back(gateway: Gateway, call: Any) -> None:
    before = gateway.file.read_bytes()
    result = call("gateway_route", **options(gateway, service="forbidden"))
    assert result["failed"] is True
    assert "Kong in container %s refuses" % gateway.name in result["msg"]
    assert "The old file is back, and it runs with that." in result["msg"]
    assert "written-out-for-the-test" not in result["msg"]
    assert gateway.file.read_bytes() == before
    assert gateway.docker("inspect", "--format", "{{.State.Running}}", gateway.name) == "true"


def test_a_file_that_it_does_not_have_is_refused(gateway: Gateway, call: Any, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other.yml"
    other.write_bytes(gateway.file.read_bytes())
    result = call("gateway_route", **options(gateway, path=str(other)))
    assert "isn't mounted into container %s" % gateway.name in result["msg"]
    assert other.read_bytes() == gateway.file.read_bytes()


@pytest.fixture
def envoy(tmp_path: pathlib.Path) -> Iterator[Gateway]:
    """Yield a stand-in with Envoy's two files."""
    clusters = tmp_path / "cds.yaml"
    clusters.write_bytes((GOLDEN / "envoy-cds.yaml").read_bytes())
    folder = ["--volume", "%s:/folder:ro" % tmp_path]
    made = Gateway(tmp_path, *HEALTHY, *folder, golden="envoy-lds.yaml")
    try:
        yield made
    finally:
        made.docker("rm", "--force", made.name)


def test_envoys_two_files_change_together(envoy: Gateway, call: Any) -> None:
    clusters = envoy.file.with_name("cds.yaml")
    files = {"kind": "envoy", "clusters_path": str(clusters)}
    made = call("gateway_route", **options(envoy, **files))
    assert (made.get("failed"), made["reloaded"], made["changes"]) == (None, True, [str(clusters), str(envoy.file)])
    assert envoy.file.read_bytes() == (GOLDEN / "after-envoy-lds.yaml").read_bytes()
    assert clusters.read_bytes() == (GOLDEN / "after-envoy-cds.yaml").read_bytes()
    assert "/archon/rest/v1/" in envoy.printed()
    assert call("gateway_route", **options(envoy, **files))["changed"] is False
    gone = call("gateway_route", **options(envoy, **files, state="absent"))
    assert gone["changes"] == [str(envoy.file), str(clusters)]
    assert envoy.file.read_bytes() == (GOLDEN / "envoy-lds.yaml").read_bytes()
    assert clusters.read_bytes() == (GOLDEN / "envoy-cds.yaml").read_bytes()


def test_where_the_second_file_cannot_be_written_the_first_is_as_it_was(envoy: Gateway, call: Any) -> None:
    clusters = envoy.file.with_name("cds.yaml")
    # A copy beside it would have a name that is longer than a name can be.
    listeners = envoy.file.with_name("l" * 250 + ".yaml")
    envoy.file.rename(listeners)
    files = {"kind": "envoy", "clusters_path": str(clusters), "path": str(listeners), "backup": True}
    result = call("gateway_route", **options(envoy, **files))
    assert result["failed"] is True
    assert clusters.read_bytes() == (GOLDEN / "envoy-cds.yaml").read_bytes()
    assert listeners.read_bytes() == (GOLDEN / "envoy-lds.yaml").read_bytes()


def test_envoy_needs_the_file_of_its_clusters(envoy: Gateway, call: Any) -> None:
    result = call("gateway_route", **options(envoy, kind="envoy"))
    assert "kind is envoy but all of the following are missing: clusters_path" in result["msg"]
