# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a recovery needs is there: where a variable may stand, what a volume may be."""

from typing import Any, Dict, List, Mapping, Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.model import Model
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.placement import EnvironmentState
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.volumes import mounts_of, volume_name
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.needs import Project, find_needs

SECRET = "a-key-that-must-not-be-shown"
FILE = "/srv/n8n/compose.yml"


class World:
    """A host as it would be: what its files hold, what its engine has."""

    def __init__(
        self,
        compose: str = "services: {n8n: {image: n8n}}",
        env: str = "",
        own_env: str = "",
        containers: Optional[Mapping[str, List[Any]]] = None,
        volumes: Any = (),
        files: Optional[Mapping[str, bytes]] = None,
        folders: Optional[Mapping[str, int]] = None,
    ) -> None:
        own = {"/srv/n8n/n8n.env": own_env.encode()} if own_env else {}
        state = EnvironmentState([Document(compose.encode(), FILE)], "/srv/n8n", {"/srv/n8n/.env": env.encode()}, own)
        self._project = Project("n8n", state, containers or {})
        self._volumes, self._files, self._folders = volumes, files or {}, folders or {}
        self.has_engine = True

    def project(self, service: Mapping[str, Any]) -> Project:
        if service["path"] != FILE:
            raise InputError("There is no such file.")
        return self._project

    def container(self, name: str) -> Optional[Mapping[str, Any]]:
        return None

    def volume(self, name: str) -> bool:
        return name in self._volumes

    def content(self, path: str) -> Optional[bytes]:
        if path == "/forbidden":
            raise InputError("/forbidden can't be read: permission denied.")
        return self._files.get(path)

    def entries(self, path: str) -> Optional[int]:
        return self._folders.get(path)


def search(world: World, **wanted: Any) -> Dict[str, Any]:
    """Return what is found of one need."""
    kind = "volumes" if {"target", "name"} & set(wanted) else "needs"
    service = {"service": "n8n", "container": "n8n", "path": FILE}
    database = {"key": "n8n_db", "needs": [], "volumes": [], "services": [service], "server": None, kind: [wanted]}
    (found,) = find_needs(database, world)
    assert SECRET not in repr(found)
    return found


def container(*env: str, mounts: Any = ()) -> Dict[str, Any]:
    """Return what docker inspect says of a container."""
    return {"Name": "/n8n-1", "Config": {"Env": list(env)}, "Mounts": list(mounts)}


@pytest.mark.parametrize(
    ("world", "state", "where"),
    [
        (World(env="KEY=" + SECRET), "found", ["/srv/n8n/.env"]),
        (World(env="KEY="), "missing", []),
        (World(env="OTHER=" + SECRET), "missing", []),
        (World("services: {n8n: {environment: {KEY: %s}}}" % SECRET), "found", [FILE]),
        (World("services: {n8n: {environment: [KEY=%s]}}" % SECRET), "found", [FILE]),
        (World("services: {n8n: {environment: {KEY: ''}}}"), "missing", []),
        (World("services: {n8n: {environment: {KEY: '${X}'}}}", env="X=" + SECRET), "found", ["/srv/n8n/.env"]),
        (World("services: {n8n: {environment: {KEY: '${X}'}}}"), "missing", []),
        (World("services: {n8n: {environment: {KEY: '${X:?set it}'}}}"), "missing", []),
        (World("services: {n8n: {environment: {KEY: '${X:-%s}'}}}" % SECRET), "found", [FILE]),
        (World("services: {n8n: {environment: {KEY: '${X:-}'}}}"), "missing", []),
        (World("services: {other: {environment: {KEY: %s}}}" % SECRET), "missing", []),
        (World("services: {n8n: {env_file: n8n.env}}", own_env="KEY=" + SECRET), "found", ["/srv/n8n/n8n.env"]),
        (World(containers={"n8n": [container("KEY=" + SECRET)]}), "only_in_container", ["container n8n-1"]),
        (World(containers={"n8n": [container("KEY=")]}), "missing", []),
        (World(env="KEY=" + SECRET, containers={"n8n": [container("KEY=x")]}), "found", ["/srv/n8n/.env"]),
    ],
)
def test_a_variable(world: World, state: str, where: List[str]) -> None:
    found = search(world, variable="KEY", note="n")
    assert (found["state"], found["where"], found["kind"], found["note"]) == (state, where, "variable", "n")


def test_a_variable_that_must_be_in_one_file() -> None:
    world = World(env="KEY=" + SECRET, files={"/etc/n8n.env": b"KEY=x", "/etc/other.env": b"KEY=", "/bad": b"\xff"})
    assert search(world, variable="KEY", env_file="/etc/n8n.env")["state"] == "found"
    for path in ("/etc/other.env", "/etc/none.env", "/bad"):
        assert search(world, variable="KEY", env_file=path)["state"] == "missing"


def test_a_file_and_what_only_a_person_can_see() -> None:
    world = World(files={"/key.pem": b"x", "/empty.pem": b""})
    assert search(world, file="/key.pem")["state"] == "found"
    assert search(world, file="/empty.pem")["state"] == "missing"
    assert search(world, what="the combination of the safe")["state"] == "unseen"
    # What can't be looked at is told as that, and keeps nothing else from being looked for.
    found = search(world, file="/forbidden")
    assert (found["state"], found["looked"]) == ("unseen", ["/forbidden can't be read: permission denied."])


MOUNTED = "services: {n8n: {volumes: [%s]}}\nvolumes: {data: {}}"
VOLUME = {"Type": "volume", "Name": "n8n_data", "Destination": "/data"}
BIND = {"Type": "bind", "Source": "/srv/data", "Destination": "/data"}


@pytest.mark.parametrize(
    ("world", "wanted", "state"),
    [
        (World(volumes=["data"]), {"name": "data"}, "found"),
        (World(volumes=["n8n_data"]), {"name": "data"}, "found"),
        (World(), {"name": "data"}, "missing"),
        (World(folders={"/srv/data": 3}), {"name": "/srv/data"}, "found"),
        (World(folders={"/srv/data": 0}), {"name": "/srv/data"}, "missing"),
        (World(), {"name": "/srv/data"}, "missing"),
        (World(containers={"n8n": [container(mounts=[VOLUME])]}), {"target": "/data/"}, "found"),
        (World(containers={"other": [container(mounts=[VOLUME])]}), {"target": "/data"}, "found"),
        (World(containers={"n8n": [container(mounts=[BIND])]}, folders={"/srv/data": 1}), {"target": "/data"}, "found"),
        (
            World(containers={"n8n": [container(mounts=[BIND])]}, folders={"/srv/data": 0}),
            {"target": "/data"},
            "missing",
        ),
        (World(containers={"n8n": [container()]}), {"target": "/data"}, "missing"),
        (World(MOUNTED % "'data:/data'", volumes=["n8n_data"]), {"target": "/data"}, "found"),
        (World(MOUNTED % "'data:/data'"), {"target": "/data"}, "missing"),
        (World(MOUNTED % "'./data:/data:ro'", folders={"/srv/n8n/data": 1}), {"target": "/data"}, "found"),
        (World(MOUNTED % "{type: bind, source: /x, target: /data}", folders={"/x": 1}), {"target": "/data"}, "found"),
        (World(MOUNTED % "/data"), {"target": "/data"}, "missing"),
    ],
)
def test_a_volume(world: World, wanted: Dict[str, Any], state: str) -> None:
    assert search(world, **wanted)["state"] == state


def test_without_an_engine_nobody_knows_of_a_volume() -> None:
    world = World()
    world.has_engine = False
    assert search(world, name="data")["state"] == "unseen"
    assert search(world, target="/data")["state"] == "unseen"


def test_a_compose_file_that_is_gone_is_a_place_that_was_looked_at() -> None:
    service = {"service": "n8n", "container": "n8n", "path": "/gone.yml"}
    database = {"key": "k", "needs": [{"variable": "KEY"}], "volumes": [], "services": [service], "server": None}
    (found,) = find_needs(database, World())
    assert (found["state"], found["looked"]) == ("missing", ["/gone.yml"])


def test_volumes_of_a_compose_file() -> None:
    text = """
services:
  base: {volumes: ["a:/a", "b:/b"]}
  app:
    extends: {service: base}
    volumes: ["c:/b:ro", "${D:-./d}:/d", /anonymous, {type: volume, source: e, target: /e/}]
volumes:
  a: {name: of-its-own}
  b: {external: true}
  c:
  e: {name: "${NAME}"}
"""
    document = Document(text.encode(), FILE)
    model = Model(document)
    assert mounts_of(model, "app") == {"/a": "a", "/b": "c", "/d": "${D:-./d}", "/anonymous": "", "/e": "e"}
    names = [volume_name([document], "p", name) for name in "abce"]
    assert names == ["of-its-own", "b", "p_c", None]
