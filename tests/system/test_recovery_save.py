# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database is useless without, saved encrypted beside its copies, and opened with age and tar alone."""

import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("BULKHEAD_POSTGRES17_IMAGE", "bulkhead/postgres:17")
CLOCK = "2026-11-24T02:00:00Z"
SECRET = 'it\'s a $KEY that \\ must ${NOT:-be} "shown" #'
# How it stands in a file or in a result, whichever way it is quoted.
MARKS = ("must ${NOT", "that \\ must", "in-the-file-only", "in-the-folder-only", "in-the-volume-only", "not-for-anyone")
COMPOSE = """
name: PROJECT
services:
  app:
    image: IMAGE
    environment:
      APP_KEY: ${THE_KEY}
"""


class Host:
    """A host with one server, which mounts a named volume; a described program, with a key, a file and a folder."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str], server: Any, volume: str) -> None:
        self.folder, self.environment, self.server, self.volume = folder, environment, server, volume
        self.dest = folder / "backups" / "app_db"
        self.identity = folder / "identity.txt"
        made = subprocess.run(["age-keygen", "-o", str(self.identity)], check=True, capture_output=True, text=True)
        self.recipient = made.stderr.split()[-1]
        name = "bulkhead-test-" + uuid.uuid4().hex[:8]
        (folder / "compose.yml").write_text(COMPOSE.replace("PROJECT", name).replace("IMAGE", IMAGE))
        self.set_key(SECRET)
        (folder / "key.pem").write_text("in-the-file-only")
        (folder / "key.pem").chmod(0o640)
        uploads = folder / "uploads"
        (uploads / "deep" / "empty").mkdir(parents=True)
        (uploads / "deep" / "ünï cödé").write_bytes(os.urandom(3 * 1024 * 1024) + b"in-the-folder-only")
        (uploads / "link").symlink_to("deep")
        self.inside("mkdir -p /keep/deep && head -c 2500000 /dev/urandom > /keep/deep/large && cd /keep"
                    " && echo in-the-volume-only > root.key && chmod 0600 root.key && ln root.key hard"
                    " && ln -s root.key soft && chown -R postgres: deep")  # fmt: skip
        self.options: dict[str, Any] = {
            "key": "app_db",
            "database": "app_db",
            "dest": str(self.dest),
            "encrypt_to": [self.recipient],
            "needs": [{"variable": "APP_KEY"}, {"file": str(folder / "key.pem")}],
            "volumes": [{"name": str(uploads)}, {"target": "/keep"}],
            "services": [{"service": "app", "container": name + "-app", "path": str(folder / "compose.yml")}],
            "server": server.name,
        }

    def set_key(self, value: str) -> None:
        """Write the project's env file."""
        written = '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
        (self.folder / ".env").write_text("THE_KEY=%s\n" % written)

    def inside(self, command: str) -> str:
        """Run a command where the volume is mounted."""
        argv = ["docker", "exec", self.server.name, "sh", "-ec", command]
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout

    def files(self) -> list[str]:
        """Return what lies in the folder of the copies, but for the lock."""
        return sorted(path.name for path in self.dest.iterdir() if not path.name.endswith(".lock"))

    def sets(self) -> list[pathlib.Path]:
        """Return the sets, oldest first."""
        return sorted(self.dest.glob("recovery_app_db_*.tar.age"))

    def open(self, path: pathlib.Path, into: pathlib.Path) -> pathlib.Path:
        """Open a set as a person would."""
        into.mkdir()
        command = "age --decrypt -i %s %s | tar -x -C %s" % (self.identity, path, into)
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return into


@pytest.fixture(scope="module")
def volume() -> Iterator[str]:
    name = "bulkhead-test-" + uuid.uuid4().hex[:8]
    silent = subprocess.DEVNULL
    subprocess.run(["docker", "volume", "create", "--label", "bulkhead.test=true", name], check=True, stdout=silent)
    yield name
    subprocess.run(["docker", "volume", "rm", name], check=True, stdout=silent)


# The volume is asked for first: it goes when the server has gone.
@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], volume: str, start_server: Any) -> Host:
    server = start_server(IMAGE, "-v", volume + ":/keep")
    server.sql("postgres", "CREATE DATABASE app_db")
    return Host(tmp_path_factory.mktemp("host"), environment, server, volume)


@pytest.fixture
def save(host: Host, call: Any) -> Any:
    """Return a function that saves; nothing secret is in what it gives, nor plain in the folder."""

    def run(clock: str = CLOCK, check: bool = False, _path: str = "", **more: Any) -> dict[str, Any]:
        options = {**host.options, **more}
        result: dict[str, Any] = call("recovery_needs_save", check, _path=_path, databases=[options], clock=clock)
        plain = [path.read_bytes() for path in pathlib.Path(options["dest"]).rglob("*") if path.is_file()]
        for mark in MARKS:
            assert mark not in json.dumps(result, ensure_ascii=False)
            assert json.dumps(mark)[1:-1] not in json.dumps(result)
            assert not any(mark.encode() in content for content in plain)
        return result

    return run


LISTING = (
    "cd '%s' && find . -printf '%%P\\t%%y\\t%%m\\t%%U\\t%%G\\t%%l\\n' | LC_ALL=C sort"
    " && find . -type f -exec sha256sum {} + | LC_ALL=C sort"
)


def listing(folder: pathlib.Path) -> str:
    """Return what lies in a folder: names, kinds, modes, owners, and hashes of what files hold."""
    return subprocess.run(["sh", "-ec", LISTING % folder], check=True, stdout=subprocess.PIPE, text=True).stdout


# The tests of this file are steps: a host that has no set yet, one that has, one on which things change.


def test_what_is_refused_leaves_nothing(host: Host, save: Any) -> None:
    refused = save(encrypt_to=[])
    assert "app_db: nobody is named to whom its secrets are to be encrypted" in refused["msg"]
    assert "age-keygen" in refused["msg"]
    secret = [line for line in host.identity.read_text().splitlines() if line.startswith("AGE-SECRET-KEY")]
    refused = save(encrypt_to=secret)
    assert "One of encrypt_to is a secret key" in refused["msg"]
    assert secret[0] not in refused["msg"]
    assert "is no public key that age knows" in save(encrypt_to=["age1nobody"])["msg"]
    assert "keep is 0" in save(keep=0)["msg"]
    assert "isn't mounted" in save(mount=str(host.folder))["msg"]
    nothing = save(needs=[{"variable": "NOWHERE"}], volumes=[])
    assert "Nothing of what a recovery of app_db needs was found: NOWHERE." in nothing["msg"]
    assert not host.dest.exists()


def test_a_check_tells_and_touches_nothing(host: Host, save: Any) -> None:
    checked = save(check=True)
    assert checked["changed"]
    assert not host.dest.exists()
    assert checked["diff"][0]["after"].splitlines() == [
        "recovery_app_db_20261124_020000.tar.age",
        "  APP_KEY",
        "  files%s/key.pem" % host.folder,
        "  files%s/uploads" % host.folder,
        "  volumes/" + host.volume,
    ]
    assert checked["page"][0].startswith("app_db: recovery set would be made: recovery_app_db_20261124_020000.tar.age")


def test_a_set_is_opened_with_stock_tools_and_holds_it_all(host: Host, save: Any, tmp_path: pathlib.Path) -> None:
    checked = save(check=True)
    made = save()
    assert (made["changed"], made["diff"], made["sets"]) == (True, checked["diff"], checked["sets"])
    assert host.files() == ["recovery_app_db.json", "recovery_app_db_20261124_020000.tar.age"]
    assert host.dest.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in host.dest.iterdir()} == {0o600}
    assert set(json.loads((host.dest / "recovery_app_db.json").read_text())) == {
        "salt", "digest", "file", "sha256", "at"
    }  # fmt: skip
    opened = host.open(host.sets()[0], tmp_path / "opened")
    assert listing(pathlib.Path("%s/files/%s/uploads" % (opened, host.folder))) == listing(host.folder / "uploads")
    key = pathlib.Path("%s/files/%s/key.pem" % (opened, host.folder))
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("in-the-file-only", 0o640)
    volume = opened / "volumes" / host.volume
    assert listing(volume) == host.inside(LISTING % "/keep")
    assert (volume / "root.key").stat().st_ino == (volume / "hard").stat().st_ino
    told = json.loads((opened / "CONTENTS.json").read_text())
    assert {item["what"]: item["from"] for item in told["contents"]} == {
        "APP_KEY": "%s/.env (THE_KEY)" % host.folder,
        str(host.folder / "key.pem"): str(host.folder / "key.pem"),
        str(host.folder / "uploads"): str(host.folder / "uploads"),
        "/keep": "volume " + host.volume,
    }
    assert "must" not in json.dumps(told)
    # Compose itself reads the value back.
    compose = "services: {a: {image: x, environment: {GOT: '${APP_KEY}'}}}"
    argv = ["docker", "compose", "--env-file", str(opened / "variables.env"), "-f", "-", "config", "--format", "json"]
    done = subprocess.run(argv, input=compose, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(done.stdout)["services"]["a"]["environment"]["GOT"].replace("$$", "$") == SECRET


def test_a_second_run_changes_nothing(host: Host, save: Any) -> None:
    before = listing(host.dest)
    for check in (True, False):
        again = save(clock="2026-11-24T03:00:00Z", check=check)
        assert (again["changed"], again["diff"], again["page"]) == (False, [], []), again
    assert listing(host.dest) == before


def test_what_changed_gets_another_set_and_old_ones_go(host: Host, save: Any, tmp_path: pathlib.Path) -> None:
    host.set_key("another not-for-anyone")
    assert save(clock="2026-11-24T04:00:00Z")["sets"][0]["reason"] == "something in it has changed"
    host.inside("echo more >> /keep/root.key")
    assert save(clock="2026-11-24T05:00:00Z")["changed"]
    newest = host.sets()[-1]
    assert "more" in (host.open(newest, tmp_path / "o") / "volumes" / host.volume / "root.key").read_text()
    with newest.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"damaged")
    made = save(clock="2026-11-24T06:00:00Z")["sets"][0]
    assert made["reason"] == newest.name + " isn't what was written any more"
    assert made["removed"] == [str(host.dest / "recovery_app_db_20261124_020000.tar.age")]
    host.sets()[-1].unlink()
    assert save(clock="2026-11-24T07:00:00Z")["sets"][0]["reason"].endswith("_060000.tar.age is gone")
    assert [path.name[-18:-8] for path in host.sets()] == ["124_040000", "124_050000", "124_070000"]
    # Fewer are to stay: that alone is a change.
    fewer = save(clock="2026-11-24T08:00:00Z", keep=1)
    assert (fewer["changed"], fewer["sets"][0]["made"], len(host.sets())) == (True, False, 1)


def test_what_is_not_there_is_named_and_the_rest_saved(host: Host, save: Any, tmp_path: pathlib.Path) -> None:
    dest = str(tmp_path / "copies")
    made = save(dest=dest, needs=[*host.options["needs"], {"variable": "NOWHERE", "note": "Then all is lost."}])
    assert made["sets"][0]["missing"] == ["NOWHERE"]
    # How a warning looks in JSON differs by Ansible's release.
    warnings = json.dumps(made["warnings"])
    assert "app_db needs NOWHERE, which wasn't found and isn't in the recovery set" in warnings
    assert "Then all is lost." in warnings


def test_a_volume_that_nothing_mounts_can_not_be_read(host: Host, save: Any, tmp_path: pathlib.Path) -> None:
    name = "bulkhead-test-" + uuid.uuid4().hex[:8]
    subprocess.run(
        ["docker", "volume", "create", "--label", "bulkhead.test=true", name], check=True, stdout=subprocess.DEVNULL
    )
    try:
        failed = save(dest=str(tmp_path / "copies"), volumes=[{"name": name}])
        assert "Volume %s is mounted in no container, so it can't be read." % name in failed["msg"]
        # By its name alone it is found where it is mounted.
        assert save(dest=str(tmp_path / "copies"), volumes=[{"name": host.volume}])["changed"]
    finally:
        subprocess.run(["docker", "volume", "rm", name], check=True, stdout=subprocess.DEVNULL)


def test_a_folder_that_changes_all_the_time(host: Host, save: Any, tmp_path: pathlib.Path) -> None:
    busy, stop = tmp_path / "busy", threading.Event()
    busy.mkdir()

    def write() -> None:
        # It only grows: no two looks at it are the same.
        with (busy / "file").open("ab", buffering=0) as stream:
            while not stop.is_set():
                stream.write(b"x")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        failed = save(dest=str(tmp_path / "copies"), volumes=[{"name": str(busy)}])
    finally:
        stop.set()
        writer.join()
    assert "changed while it was read" in failed["msg"], failed
    assert failed["failed_databases"] == ["app_db"]
    assert [path.name for path in (tmp_path / "copies").rglob("*") if not path.name.endswith(".lock")] == []


def test_a_full_disk_leaves_nothing(save: Any, tmp_path: pathlib.Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "bulkhead-test", str(small)], check=True)
    try:
        failed = save(dest=str(small), mount=str(small))
        assert "no space left on device" in failed["msg"]
        assert [path.name for path in small.iterdir() if not path.name.endswith(".lock")] == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_run_that_is_killed_leaves_a_hidden_file_that_the_next_removes(
    host: Host, save: Any, tmp_path: pathlib.Path
) -> None:
    large, dest = tmp_path / "large", tmp_path / "copies"
    large.mkdir()
    # Zeros that take no room, and time to encrypt.
    with (large / "file").open("wb") as stream:
        stream.truncate(300 * 1024 * 1024)
    options = {**host.options, "dest": str(dest), "volumes": [{"name": str(large)}]}
    arguments = tmp_path / "killed.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"databases": [options], "clock": CLOCK}}))
    module = "ansible_collections.bulkhead.stack.plugins.modules.recovery_needs_save"
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(arguments)],
        env=dict(host.environment, PYTHONPATH=host.environment["ANSIBLE_COLLECTIONS_PATH"]),
        stdout=subprocess.DEVNULL,
    )
    partial = dest / ".recovery_app_db_20261124_020000.tar.age.partial"
    while not partial.exists() or not partial.stat().st_size:
        assert process.poll() is None, "it was too quick to be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert sorted(path.name for path in dest.iterdir()) == [".recovery_app_db.lock", partial.name]
    assert b"must" not in partial.read_bytes()
    (large / "file").unlink()
    (large / "small").write_text("x")
    checked = save(dest=str(dest), volumes=[{"name": str(large)}], check=True)
    assert partial.name in checked["diff"][0]["before"]
    save(dest=str(dest), volumes=[{"name": str(large)}])
    assert sorted(path.name for path in dest.iterdir()) == [
        ".recovery_app_db.lock", "recovery_app_db.json", "recovery_app_db_20261124_020000.tar.age"
    ]  # fmt: skip


# From here on by playbooks, with a description.


def play(host: Host, name: str, *arguments: str, clock: str = CLOCK, fails: bool = False, **recovery: Any) -> str:
    """Run a playbook as a user would; return what it told, in which nothing secret may be.

    Arguments:
        recovery: what is described otherwise.
    """
    folder = host.folder / "described"
    folder.mkdir(exist_ok=True)
    database = {
        "cluster": "main",
        "backup": {"schedule": "@daily", "encrypt_to": [host.recipient]},
        "recovery": {
            "save": True,
            "needs": ["APP_KEY", {"file": "key.pem"}],
            "volumes": [{"target": "/keep"}, "uploads/"],
            **recovery,
        },
    }
    described = {
        "state_dir": str(folder / "state"),
        "backup_root": str(folder / "backups"),
        "clusters": {"main": {"container": host.server.name}},
        "databases": {"app_db": database, "other": {"name": "postgres", "cluster": "main"}},
        "services": {"app": {"compose_file": str(host.folder / "compose.yml"), "database": "app_db"}},
    }
    inventory = folder / "inventory.yml"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": {**local, "bulkhead_platform": described}}}}))
    command = ["ansible-playbook", f"bulkhead.stack.{name}", "-i", str(inventory), "-e", f"bulkhead_clock={clock}"]
    done = subprocess.run(
        [*command, *arguments],
        env=host.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode != 0) is fails, done.stdout
    for mark in MARKS:
        assert mark not in done.stdout
        assert json.dumps(mark)[1:-1] not in done.stdout
    return done.stdout


def test_the_backup_saves_and_says_so_only_then(host: Host) -> None:
    checked = play(host, "backup", "--check", "--diff")
    assert "app_db: recovery set would be made: recovery_app_db_20261124_020000.tar.age" in checked
    assert not (host.folder / "described" / "backups").exists()
    told = play(host, "backup", "--diff", "-vvv")
    assert "app_db: recovery set made: recovery_app_db_20261124_020000.tar.age" in told
    again = play(host, "backup", clock="2026-11-24T03:00:00Z")
    assert "recovery set" not in again
    assert "changed=0" in again
    # What can't be saved fails the play, once the dumps are made and told.
    failed = play(host, "backup", clock="2026-11-25T03:00:00Z", fails=True, needs=["NOWHERE"], volumes=[])
    assert re.search(r"app_db +dumped", failed)
    assert "app_db: no recovery set: Nothing of what a recovery of app_db needs was found: NOWHERE." in failed
    assert "Recovery sets couldn't be made." in failed


def test_the_runbook_opens_the_newest_set(host: Host, tmp_path: pathlib.Path) -> None:
    play(host, "runbook", clock="2026-11-25T03:00:00Z")
    docs = host.folder / "described" / "state" / "docs"
    status = (docs / "recovery-status.md").read_text()
    assert "has no recovery set" not in status
    assert "`recovery_app_db_20261124_020000.tar.age` | 2026-11-24T02:00:00Z, yesterday" in status
    spec = importlib.util.spec_from_file_location("bulkhead_runbook", ROOT / "molecule" / "resources" / "runbook.py")
    assert spec is not None and spec.loader is not None
    parser: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parser)
    command = parser.commands((docs / "disaster-recovery-runbook.md").read_text())["open-set app_db"]
    with pytest.raises(ValueError, match="NEW_FOLDER"):
        parser.filled(command, IDENTITY_FILE="x")
    # An older one, and what only looks like one, are passed by.
    copies = host.folder / "described" / "backups" / "app_db"
    for name in ("recovery_app_db_20200101_000000.tar.age", "recovery_app_db_x_20300101_000000.tar.age"):
        (copies / name).write_text("x")
    into = tmp_path / "opened"
    filled = parser.filled(command, IDENTITY_FILE=str(host.identity), NEW_FOLDER=str(into))
    subprocess.run(["sh", "-e", "-c", filled], check=True)
    assert into.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in into.iterdir()) == ["CONTENTS.json", "files", "variables.env", "volumes"]
    assert (into / "volumes" / host.volume / "root.key").read_text().startswith("in-the-volume-only")
