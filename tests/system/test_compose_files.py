# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that edit compose files, on files of their own, with the real Compose and the real engine beside them."""

import json
import os
import pathlib
import shutil
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

BASE = """\
# kept
services:
  web:
    image: example   # the program
    environment: {TOKEN: "${TOKEN}"}
  db:
    image: example
    profiles: [later]
"""
IMAGE = os.environ.get("BULKHEAD_DEBIAN_IMAGE", "bulkhead/debian:bookworm")
EXTERNAL = [{"name": "localai_default", "declare": {"external": True}}]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project that nothing runs of."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "compose.yaml").write_text(BASE)
    (project / ".env").write_text("TOKEN=only-for-this-test\n")
    return project


def content(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file of a folder, with what it holds."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def four_runs(call: Any, folder: pathlib.Path, module: str, **arguments: Any) -> dict[str, Any]:
    """Check, run, check again, run again; return what the first real run said."""
    before = content(folder)
    checked = call(module, check=True, **arguments)
    assert checked.get("failed") is not True, checked
    assert checked["changed"] is True
    assert content(folder) == before
    done: dict[str, Any] = call(module, **arguments)
    assert done.get("failed") is not True, done
    assert done["diff"] == checked["diff"]
    assert content(folder) != before
    for check in (True, False):
        again = call(module, check=check, **arguments)
        assert again["changed"] is False, again["diff"]
    return done


EDITS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("compose_extra_hosts", {}, {"state": "absent"}),
    ("compose_networks", {"networks": EXTERNAL}, {"networks": EXTERNAL, "state": "absent"}),
    ("compose_environment", {"variables": {"LEVEL": "info"}}, {"variables": {"LEVEL": None}}),
]


@pytest.mark.parametrize("mode", ["inline", "override"])
@pytest.mark.parametrize(("module", "there", "gone"), EDITS, ids=[edit[0] for edit in EDITS])
def test_it_comes_and_goes(
    call: Any, folder: pathlib.Path, module: str, there: dict[str, Any], gone: dict[str, Any], mode: str
) -> None:
    before = content(folder)
    options = {"path": str(folder / "compose.yaml"), "services": ["web", "db"], "mode": mode}
    done = four_runs(call, folder, module, **options, **there)
    assert done["validated"] == "yes"
    assert done["changed_services"] == ["web", "db"]
    assert "only-for-this-test" not in json.dumps(done)
    if mode == "override":
        assert (folder / "compose.yaml").read_bytes() == before["compose.yaml"]
        assert (folder / "compose.override.yaml").exists()
    four_runs(call, folder, module, **options, **gone)
    assert content(folder) == before


def test_an_override_keeps_the_implied_network(call: Any, folder: pathlib.Path) -> None:
    call(
        "compose_networks",
        path=str(folder / "compose.yaml"),
        services=["web"],
        networks=[dict(EXTERNAL[0], aliases=["shop"])],
        mode="override",
    )
    command = ["docker", "compose", "--profile", "*", "config", "--format", "json"]
    model = json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)
    assert model["services"]["web"]["networks"] == {"default": None, "localai_default": {"aliases": ["shop"]}}
    assert model["networks"]["localai_default"]["external"] is True


def test_what_another_file_of_the_project_says_is_refused(call: Any, folder: pathlib.Path) -> None:
    (folder / "more.yml").write_text("services: {web: {extra_hosts: ['host.docker.internal:10.0.0.1']}}\n")
    before = content(folder)
    failed = call(
        "compose_extra_hosts",
        path=str(folder / "compose.yaml"),
        services=["web"],
        files=[str(folder / "compose.yaml"), str(folder / "more.yml")],
    )
    assert failed["failed"] is True
    assert "10.0.0.1" in failed["msg"]
    assert "Nothing was written" in failed["msg"]
    assert content(folder) == before


def test_what_an_extended_file_says_is_refused(call: Any, folder: pathlib.Path) -> None:
    (folder / "base.yml").write_text("services: {one: {image: x, extra_hosts: ['host.docker.internal:10.0.0.1']}}\n")
    (folder / "compose.yaml").write_text("services:\n  web:\n    extends: {file: base.yml, service: one}\n")
    before = content(folder)
    failed = call("compose_extra_hosts", path=str(folder / "compose.yaml"), services=["web"])
    assert "at 10.0.0.1 and at host-gateway" in failed["msg"]
    assert content(folder) == before


def test_who_extends_it_in_another_file_is_named(call: Any, folder: pathlib.Path) -> None:
    (folder / "more.yml").write_text("services: {worker: {extends: {file: compose.yaml, service: web}}}\n")
    before = content(folder)
    options = {
        "path": str(folder / "compose.yaml"),
        "services": ["web"],
        "files": [str(folder / "compose.yaml"), str(folder / "more.yml")],
    }
    failed = call("compose_extra_hosts", **options)
    assert "worker of %s" % (folder / "more.yml") in failed["msg"]
    assert content(folder) == before


def test_a_file_that_names_itself_in_extends(call: Any, folder: pathlib.Path) -> None:
    (folder / "compose.yaml").write_text(
        "services:\n  one: {image: x}\n  two:\n    extends: {file: compose.yaml, service: one}\n"
    )
    assert "two" in call("compose_extra_hosts", path=str(folder / "compose.yaml"), services=["one"])["msg"]
    done = call("compose_extra_hosts", path=str(folder / "compose.yaml"), services=["one", "two"])
    assert done["changed_services"] == ["one", "two"]
    assert done["validated"] == "yes"


def test_a_variable_that_is_missing_before_and_after_is_no_reason_to_refuse(call: Any, folder: pathlib.Path) -> None:
    (folder / "compose.yaml").write_text(BASE.replace("image: example   #", "image: ${MISSING:?} #"))
    done = call("compose_extra_hosts", path=str(folder / "compose.yaml"), services=["web"])
    assert (done["changed"], done["validated"]) == (True, "skipped")
    assert "MISSING" in done["validated_reason"]


def test_a_content_that_compose_refuses_is_not_written(call: Any, folder: pathlib.Path) -> None:
    (folder / "base.yml").write_text("services: {one: {image: x, network_mode: host}}\n")
    (folder / "compose.yaml").write_text("services:\n  web:\n    extends: {file: base.yml, service: one}\n")
    before = content(folder)
    options = {"path": str(folder / "compose.yaml"), "services": ["web"], "networks": EXTERNAL}
    failed = call("compose_networks", **options)
    assert "Compose refuses the new content" in failed["msg"]
    assert "network_mode" in failed["msg"]
    assert content(folder) == before
    assert call("compose_networks", check=True, **options)["failed"] is True
    done = call("compose_networks", validate=False, check=True, **options)
    assert (done["changed"], done["validated"]) == (True, "no")


def test_an_env_file_is_changed_for_those_who_were_asked_for(call: Any, folder: pathlib.Path) -> None:
    options = {"path": str(folder / "compose.yaml"), "services": ["web"], "variables": {"TOKEN": "another-one"}}
    done = four_runs(call, folder, "compose_environment", **options)
    assert done["validated"] == "yes"
    assert (folder / ".env").read_text() == "TOKEN=another-one\n"
    assert "another-one" not in json.dumps(done)
    # The file's top level reads it too: no service's business, and so refused.
    (folder / "compose.yaml").write_text(BASE + 'volumes:\n  data:\n    name: "${TOKEN}"\n')
    (folder / "compose.yaml").write_text(
        (folder / "compose.yaml").read_text().replace("db:", "db:\n    volumes: [data:/d]")
    )
    refused = call("compose_environment", **dict(options, variables={"TOKEN": "third"}))
    assert "volumes.data" in refused["msg"]
    assert (folder / ".env").read_text() == "TOKEN=another-one\n"


INCLUDED = "services:\n  app:\n    image: %s\n    command: [sleep, infinity]\n    labels: [bulkhead.test=true]\n"


def test_a_file_that_a_running_project_includes(call: Any, make_project: Any, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "part.yml"
    path.write_text(INCLUDED % IMAGE)
    project = make_project(stack="include: [part.yml]\nnetworks:\n  default:\n    labels: [bulkhead.test=true]\n")
    wrong = call("compose_extra_hosts", path=str(project.files[0]), services=["app"])
    assert "no `services:`" in wrong["msg"]
    project.files[0].write_text(project.files[0].read_text() + "services: {other: {image: x}}\n")
    wrong = call("compose_extra_hosts", path=str(project.files[0]), services=["app"])
    assert "It includes other files" in json.dumps(wrong)
    overridden = call(
        "compose_extra_hosts",
        check=True,
        path=str(path),
        services=["app"],
        mode="override",
        override_path=str(tmp_path / "part.override.yml"),
    )
    assert "include: [{path: [" in json.dumps(overridden["warnings"])
    done = call("compose_extra_hosts", path=str(path), services=["app"])
    assert (done["changed"], done["validated"]) == (True, "yes")
    assert done["pending_services"] == ["app"]
    assert done["project"]["name"] == project.name
    assert done["project"]["files"] == [str(project.files[0])]


def test_an_override_of_a_project_that_was_started_with_files(
    call: Any, make_project: Any, tmp_path: pathlib.Path
) -> None:
    network = "networks:\n  default:\n    labels: [bulkhead.test=true]\n"
    project = make_project(compose=INCLUDED % IMAGE + network, more="services: {app: {environment: {A: b}}}\n")
    done = call("compose_extra_hosts", path=str(project.files[0]), services=["app"], mode="override")
    assert done["validated"] == "yes"
    assert "COMPOSE_FILE=" in json.dumps(done["warnings"])
    assert done["project"]["files"][-1] == str(tmp_path / "compose.override.yml")


def test_compose_file_in_the_env_file_names_the_project(call: Any, folder: pathlib.Path) -> None:
    (folder / "more.yml").write_text("services: {web: {extra_hosts: ['host.docker.internal:10.0.0.1']}}\n")
    (folder / ".env").write_text("TOKEN=x\nCOMPOSE_FILE=compose.yaml:more.yml\n")
    failed = call("compose_extra_hosts", path=str(folder / "compose.yaml"), services=["web"])
    assert "10.0.0.1" in failed["msg"]


# Bad input.

NOT_COMPOSE = {
    "not YAML": ("services: [", "is not YAML"),
    "a template": ("services:\n{% for a in b %}\n  a: {}\n{% endfor %}\n", "looks like a template"),
    "a tab": ("services:\n\tweb: {image: x}\n", "is not YAML"),
    "two documents": ("services: {web: {image: x}}\n---\nservices: {}\n", "second document"),
    "a key twice": ("services:\n  web:\n    image: x\n    image: y\n", "twice"),
    "an unknown service": ("services:\n  wep: {image: x}\n", "Did you mean wep"),
    "no services": ("volumes: {}\n", "no `services:`"),
}


@pytest.mark.parametrize("name", sorted(NOT_COMPOSE))
@pytest.mark.parametrize("module", [edit[0] for edit in EDITS])
def test_bad_input_is_named_and_left_as_it_was(call: Any, folder: pathlib.Path, module: str, name: str) -> None:
    text, says = NOT_COMPOSE[name]
    (folder / "compose.yaml").write_text(text)
    before = content(folder)
    arguments = next(edit[1] for edit in EDITS if edit[0] == module)
    failed = call(module, path=str(folder / "compose.yaml"), services=["web"], **arguments)
    assert failed["failed"] is True
    assert says in json.dumps(failed)
    assert content(folder) == before


def test_a_folder_is_no_compose_file(call: Any, folder: pathlib.Path) -> None:
    assert "it is a folder" in call("compose_extra_hosts", path=str(folder), services=["web"])["msg"]


def test_a_link_is_followed_and_mode_and_owner_stay(call: Any, folder: pathlib.Path) -> None:
    real = folder / "real.yaml"
    (folder / "compose.yaml").rename(real)
    (folder / "compose.yaml").symlink_to("real.yaml")
    real.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(real, 65534, 65534)
    owner = (real.stat().st_uid, real.stat().st_gid)
    done = call("compose_extra_hosts", path=str(folder / "compose.yaml"), services=["web"], backup=True)
    assert (folder / "compose.yaml").is_symlink()
    assert "host-gateway" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert (real.stat().st_uid, real.stat().st_gid) == owner
    assert pathlib.Path(done["backup_file"]).read_text() == BASE


@pytest.fixture
def small_disk(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A file system that is full but for what it holds already."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    try:
        (place / "compose.yaml").write_text(BASE)
        (place / ".env").write_text("TOKEN=only-for-this-test\n")
        with pytest.raises(OSError, match="No space left"), open(place / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a file system of its own")
@pytest.mark.parametrize("validate", [True, False])
def test_a_full_disk_leaves_the_file_and_nothing_else(call: Any, small_disk: pathlib.Path, validate: bool) -> None:
    before = content(small_disk)
    failed = call("compose_extra_hosts", path=str(small_disk / "compose.yaml"), services=["web"], validate=validate)
    assert failed["failed"] is True
    assert "no space left" in failed["msg"]
    assert content(small_disk) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="takes a capability away, which only root has")
def test_a_file_that_may_not_be_read(call: Any, folder: pathlib.Path) -> None:
    (folder / "compose.yaml").chmod(0o000)
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    failed = call("compose_extra_hosts", _prefix=without, path=str(folder / "compose.yaml"), services=["web"])
    assert "can't be read: permission denied" in failed["msg"]


def test_what_someone_else_writes_meanwhile_stays(call: Any, folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    # While Compose is asked about the new content, an editor saves the file.
    programs = tmp_path / "programs"
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text(
        "#!/bin/sh\necho '# someone else' >> %s\nexec %s \"$@\"\n" % (folder / "compose.yaml", shutil.which("docker"))
    )
    docker.chmod(0o755)
    failed = call("compose_extra_hosts", _path=str(programs), path=str(folder / "compose.yaml"), services=["web"])
    assert "was changed by someone else meanwhile" in failed["msg"]
    assert (folder / "compose.yaml").read_text().startswith(BASE + "# someone else\n")
    assert sorted(content(folder)) == [".env", "compose.yaml"]
