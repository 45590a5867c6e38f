# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""compose_retire, with the real Compose: a stopped service stays stopped, and comes back when it is asked for."""

import json
import os
import pathlib
import subprocess
from typing import Any

import pytest

IMAGE = os.environ.get("BULKHEAD_DEBIAN_IMAGE", "bulkhead/debian:bookworm")
STACK = (
    """\
# kept
x-common: &common
  image: %s
  command: [sleep, infinity]
  stop_grace_period: 0s
  labels: [bulkhead.test=true]
services:
  old:
    <<: *common
    volumes: [data:/data]
  db: {<<: *common}
  web:
    <<: *common
    depends_on:
      - db   # fast
      - old
  api:
    <<: *common
    depends_on:
      old:
        condition: service_started
volumes:
  data:
    labels: [bulkhead.test=true]
networks:
  default:
    labels: [bulkhead.test=true]
"""
    % IMAGE
)


def running(project: Any) -> list[str]:
    """The services of a project that run."""
    return sorted(project.compose("ps", "--services", "--status", "running").split())


def identifier(project: Any, service: str) -> str:
    """A container's identifier: another one is another container."""
    found: str = project.inspect(service)["Id"]
    return found


@pytest.mark.parametrize("mode", ["inline", "override"])
def test_a_stopped_service_stays_stopped_until_it_is_taken_back(call: Any, make_project: Any, mode: str) -> None:
    project = make_project(compose=STACK)
    path = project.files[0]
    written = path.read_bytes()
    options = {"path": str(path), "services": ["old"], "mode": mode}
    checked = call("compose_retire", check=True, **options)
    assert (checked["changed"], checked["running_services"]) == (True, ["old"])
    assert path.read_bytes() == written
    done = call("compose_retire", **options)
    assert done["validated"] == "yes"
    assert done["diff"] == checked["diff"]
    assert sorted(done["changed_services"]) == ["api", "old", "web"]
    assert done["removed_depends_on"] == {"web": {"old": {}}, "api": {"old": {"condition": "service_started"}}}
    # Their containers were made with the dependency: Compose makes them anew.
    assert sorted(done["pending_services"]) == ["api", "web"]
    if mode == "override":
        assert path.read_bytes() == written
        project.files.append(pathlib.Path(done["path_written"]))
    old, web = identifier(project, "old"), identifier(project, "web")
    project.docker("stop", old)
    project.compose("up", "--detach", "--remove-orphans")
    assert running(project) == ["api", "db", "web"]
    assert identifier(project, "old") == old
    assert identifier(project, "web") != web
    again = call("compose_retire", **options)
    assert (again["changed"], again["pending_services"], again["running_services"]) == (False, [], [])
    back = call("compose_retire", state="absent", depends_on=done["removed_depends_on"], **options)
    assert (back["changed"], back["validated"]) == (True, "yes")
    assert sorted(back["pending_services"]) == ["api", "old", "web"]
    assert path.read_bytes() == written
    if mode == "override":
        assert not project.files.pop().exists()
    project.compose("up", "--detach")
    assert running(project) == ["api", "db", "old", "web"]
    # The same container with the same volume: nothing of its definition is another one.
    assert identifier(project, "old") == old
    last = call("compose_retire", state="absent", depends_on=done["removed_depends_on"], **options)
    assert (last["changed"], last["pending_services"]) == (False, [])


def test_what_the_journal_undoes_is_byte_for_byte_as_it_was(call: Any, make_project: Any, tmp_path: Any) -> None:
    project = make_project(compose=STACK.replace("\n", "\r\n"))
    path, journal = project.files[0], str(tmp_path / "state" / "run.jsonl")
    (tmp_path / "state").mkdir()
    written = path.read_bytes()
    project.compose("stop", "old")
    done = call("compose_retire", path=str(path), services=["old"], journal=journal)
    assert done["changed"] is True
    assert b"retired" in path.read_bytes()
    undone = call("isolation_journal", journal=journal, state="undone")
    assert undone["changed"] is True, undone
    assert path.read_bytes() == written
    # It was stopped when the file was edited, and so it isn't started either.
    assert running(project) == ["api", "db", "web"]


def test_who_cannot_do_without_it_is_refused_as_compose_would(call: Any, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "compose.yaml"
    for line in ("network_mode: service:old", "links: [old]", "volumes_from: [old]", "pid: service:old"):
        path.write_text("services:\n  web: {image: x, %s}\n  old: {image: y}\n" % line)
        before = path.read_bytes()
        failed = call("compose_retire", path=str(path), services=["old"])
        assert "web" in failed["msg"] and "nothing was written" in failed["msg"]
        assert path.read_bytes() == before
        path.write_text("services:\n  web: {image: x, %s}\n  old: {image: y, profiles: [retired]}\n" % line)
        refused = subprocess.run(
            ["docker", "compose", "config"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert "depends on undefined service" in refused.stderr


def test_what_is_included_is_seen_by_compose(call: Any, tmp_path: pathlib.Path) -> None:
    # No file that the module reads says it: Compose's own reading does.
    (tmp_path / "part.yml").write_text("services: {worker: {image: x, depends_on: [old]}}\n")
    path = tmp_path / "compose.yaml"
    path.write_text("services:\n  web: {extends: {file: part.yml, service: worker}}\n  old: {image: y}\n")
    before = path.read_bytes()
    failed = call("compose_retire", path=str(path), services=["old"])
    assert "service web would still depend on old" in failed["msg"]
    assert path.read_bytes() == before


def test_profiles_are_replaced_in_an_override(call: Any, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text("services:\n  web: {image: x}\n  old: {image: y, profiles: [later]}\n")
    options = {"path": str(path), "services": ["old"], "mode": "override"}
    assert "replace_profiles=true" in call("compose_retire", **options)["msg"]
    done = call("compose_retire", replace_profiles=True, **options)
    assert (done["validated"], done["removed_profiles"]) == ("yes", {"old": ["later"]})
    command = ["docker", "compose", "--profile", "*", "config", "--format", "json"]
    model = json.loads(subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout)
    assert model["services"]["old"]["profiles"] == ["retired"]
    assert call("compose_retire", replace_profiles=True, **options)["changed"] is False
    back = call("compose_retire", state="absent", previous_profiles=done["removed_profiles"], **options)
    assert (back["changed"], back["validated"]) == (True, "yes")
    assert not (tmp_path / "compose.override.yaml").exists()
