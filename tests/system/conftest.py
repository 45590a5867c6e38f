# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system tests share: the demo's stack, broken as its user met it, and playbooks run against it."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest
import requests
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = "ansible_collections.bulkhead.stack.plugins.modules"
CLOCK = "2026-11-23T10:00:00Z"


def _fingerprint_module() -> Any:
    """Return the module that also the scenarios take fingerprints with."""
    path = ROOT / "molecule" / "resources" / "fingerprint.py"
    spec = importlib.util.spec_from_file_location("bulkhead_fingerprint", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Stack:
    """The demo's stack in a folder of its own."""

    folder: pathlib.Path
    environment: dict[str, str] = field(default_factory=dict)

    def play(self, name: str, *arguments: str, platform: dict[str, Any] | None = None, **environment: str) -> Any:
        """Run a playbook of the collection; return the finished process with its output as text.

        Arguments:
            platform: a description instead of the inventory's.
            environment: more variables for the run.
        """
        return subprocess.run(
            self.command(name, *arguments, platform=platform),
            env=dict(self.environment, **environment),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def command(self, name: str, *arguments: str, platform: dict[str, Any] | None = None) -> list[str]:
        """Return the command that runs a playbook."""
        command = ["ansible-playbook", f"bulkhead.stack.{name}", "-i", "inventories/demo"]
        command += ["-e", f"bulkhead_clock={CLOCK}", *arguments]
        if platform is not None:
            path = self.folder / "logs" / "platform.yml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(yaml.safe_dump({"bulkhead_platform": platform}), encoding="utf-8")
            command += ["-e", f"@{path}"]
        return command

    def platform(self) -> dict[str, Any]:
        """Return the inventory's description, to be changed for one run."""
        text = (ROOT / "inventories" / "demo" / "group_vars" / "bulkhead" / "platform.yml").read_text(encoding="utf-8")
        described: dict[str, Any] = yaml.safe_load(text.replace("{{ demo_dir }}", str(self.folder)))
        platform: dict[str, Any] = described["bulkhead_platform"]
        return platform

    def fingerprint(self) -> dict[str, str]:
        """Return what must be as it was after a failure; containers may be new ones of the same definition."""
        found: dict[str, str] = _fingerprint_module().fingerprint(self.folder, identifiers=False)
        # What a run that failed rightly keeps: copies, the journal, and a copy of the file that it edited.
        kept = ("file backups/", "file state/")
        return {name: value for name, value in found.items() if not name.startswith(kept) and not name.endswith("~")}

    def sql(self, database: str, statement: str) -> list[str]:
        """Run SQL in the shared cluster; return its lines."""
        command = [
            "docker",
            "exec",
            "supabase-ai-db",
            "psql",
            "-U",
            "postgres",
            "-XAtq",
            "-d",
            database,
            "-c",
            statement,
        ]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables with which modules and playbooks of this checkout are run."""
    settings = tmp_path_factory.mktemp("ansible") / "ansible.cfg"
    # At the default a play looks a thousand times a second whether its task has ended: a tenth of a core's time.
    settings.write_text("[defaults]\ninternal_poll_interval = 0.01\n")
    paths = subprocess.run(
        [str(ROOT / "scripts" / "collections-path.sh")], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    return dict(
        os.environ,
        ANSIBLE_COLLECTIONS_PATH=paths,
        ANSIBLE_CONFIG=str(settings),
        ANSIBLE_NOCOLOR="true",
        PATH=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
    )


@pytest.fixture
def call(tmp_path: pathlib.Path, environment: dict[str, str]) -> Any:
    """Return a function that calls a module directly and gives its result.

    Its ``_prefix`` is a command that runs the module's, its ``_path`` a folder of programs that come first.
    """

    def run(
        module: str, check: bool = False, _prefix: Sequence[str] = (), _path: str = "", **arguments: Any
    ) -> dict[str, Any]:
        path = tmp_path / "arguments.json"
        path.write_text(
            json.dumps({"ANSIBLE_MODULE_ARGS": dict(arguments, _ansible_check_mode=check, _ansible_diff=True)})
        )
        variables = dict(environment, PYTHONPATH=environment["ANSIBLE_COLLECTIONS_PATH"])
        if _path:
            variables["PATH"] = f"{_path}:{variables['PATH']}"
        command = [*_prefix, sys.executable, "-m", f"{MODULES}.{module}", str(path)]
        process = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
        assert process.stdout.strip(), process.stderr
        result: dict[str, Any] = json.loads(process.stdout)
        return result

    return run


class Project:
    """A compose project of a test's own, started as ``docker compose -p NAME -f … -f …``.

    Its services and networks carry the label ``bulkhead.test=true``; it is removed in the end.
    """

    def __init__(self, folder: pathlib.Path, environment: dict[str, str], files: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.name = "bulkhead-test-" + uuid.uuid4().hex[:8]
        self.files = [folder / name for name in files]
        self.networks: list[str] = []
        for path, text in zip(self.files, files.values()):
            path.write_text(text.replace("PROJECT", self.name))

    @staticmethod
    def docker(*arguments: str) -> str:
        """Run a docker command; return its output."""
        return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def compose(self, *arguments: str) -> str:
        """Run a compose command on the project as it was started."""
        files = [word for path in self.files for word in ("-f", str(path))]
        return self.docker("compose", "-p", self.name, *files, *arguments)

    def network(self, name: str) -> str:
        """Make a network beside the project; return its name in the engine."""
        self.networks.append(f"{self.name}-{name}")
        self.docker("network", "create", "--label", "bulkhead.test=true", self.networks[-1])
        return self.networks[-1]

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine says of a service's container."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", f"{self.name}-{service}-1"))
        return found[0]

    def start(self, playbook: str, platform: dict[str, Any]) -> "subprocess.Popen[bytes]":
        """Start a playbook with a description, in a group of processes of its own; return its process."""
        command = self.command(playbook, platform)
        silent = subprocess.DEVNULL
        return subprocess.Popen(
            command, env=self.environment, cwd=self.folder, stdout=silent, stderr=silent, start_new_session=True
        )

    def play(self, playbook: str, platform: dict[str, Any], *arguments: str) -> Any:
        """Run a playbook with a description; return the finished process with its output as text."""
        command = self.command(playbook, platform, *arguments)
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=300, check=False, cwd=self.folder
        )

    def command(self, playbook: str, platform: dict[str, Any], *arguments: str) -> list[str]:
        """Return the command that runs a playbook with a description."""
        inventory = self.folder / "inventory.yml"
        described = {"state_dir": str(self.folder / "state"), "backup_root": str(self.folder / "backups")}
        host = {
            "ansible_connection": "local",
            # One transfer less a task.
            "ansible_pipelining": True,
            "ansible_python_interpreter": sys.executable,
            "bulkhead_platform": {**described, "clusters": {}, "databases": {}, **platform},
        }
        inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": host}}}))
        return ["ansible-playbook", f"bulkhead.stack.{playbook}", "-i", str(inventory), *arguments]

    def remove(self) -> None:
        """Take it all away."""
        self.compose("down", "--timeout", "0", "--volumes")
        for network in self.networks:
            self.docker("network", "rm", network)


@pytest.fixture
def make_project(tmp_path: pathlib.Path, environment: dict[str, str]) -> Iterator[Any]:
    """Return a function that makes a project of files, by name, and starts it."""
    made: list[Project] = []

    def make(**files: str) -> Project:
        project = Project(tmp_path, environment, {f"{name}.yml": text for name, text in files.items()})
        made.append(project)
        project.compose("up", "--detach", "--wait")
        return project

    try:
        yield make
    finally:
        for project in made:
            project.remove()


@pytest.fixture(scope="module")
def stack(environment: dict[str, str]) -> Iterator[Stack]:
    """Start the stack for a file of tests, and take it away afterwards."""
    folder = ROOT / ".demo"
    script = str(ROOT / "scripts" / "demo-stack.sh")
    environment = dict(environment, BULKHEAD_DEMO_DIR=str(folder))
    subprocess.run([script, "up"], check=True, env=environment, stdout=subprocess.PIPE)
    try:
        yield Stack(folder, environment)
    finally:
        subprocess.run([script, "down"], check=True, env=environment, stdout=subprocess.PIPE)


def eventually(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what a condition gives as soon as that is true: tests wait for conditions, never for times.

    Where nobody answers yet, it isn't true yet.

    Raises:
        AssertionError: not within this time; with what was seen last.
    """
    deadline = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = condition()
        except (requests.RequestException, psycopg2.OperationalError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what} (last: {last!r})")


def wait_for_server(container: str) -> None:
    """Return when a server lets one in, for good: while it is being made it listens on its socket alone."""
    # One command that asks again and again: to start one each time takes the processor that the server needs.
    ready = "until pg_isready -q -h 127.0.0.1 -U postgres; do sleep 0.05; done"
    done = subprocess.run(["docker", "exec", container, "timeout", "60", "sh", "-c", ready], check=False)
    assert done.returncode == 0, f"the server in {container} doesn't come up"


class Server:
    """A Postgres container of a test's own, labelled, and removed in the end."""

    password = "only-for-this-test"

    def __init__(self, image: str, *options: str) -> None:
        self.name = "bulkhead-test-" + uuid.uuid4().hex[:8]
        Project.docker(
            "run", "-d", "--name", self.name, "--label", "bulkhead.test=true",
            "-e", "POSTGRES_PASSWORD=" + self.password, *options, image
        )  # fmt: skip

    def wait(self) -> None:
        """Return when it lets one in, for good."""
        wait_for_server(self.name)

    def sql(self, database: str, statement: str, user: str = "postgres", password: str = "") -> str:
        """Run SQL; return what it prints. With a password the role logs in over TCP.

        Raises:
            AssertionError: the server refused; with its words.
        """
        login = (
            ["-e", "PGPASSWORD=" + password, self.name, "psql", "-h", "127.0.0.1"] if password else [self.name, "psql"]
        )
        command = [
            "docker",
            "exec",
            *login,
            "-U",
            user,
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
            "-c",
            statement,
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def script(self, database: str, text: str) -> None:
        """Run statements one after the other, each committed at once; the first that fails ends it."""
        command = ["docker", "exec", "-i", self.name, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
        done = subprocess.run([*command, "-d", database], check=False, capture_output=True, text=True, input=text)
        assert done.returncode == 0, done.stderr

    def address(self) -> str:
        """Return its address on its network."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return Project.docker("inspect", "--format", form, self.name)

    def remove(self) -> None:
        """Take it away, with its volumes."""
        Project.docker("rm", "-f", "-v", self.name)


@pytest.fixture(scope="module")
def start_server() -> Iterator[Any]:
    """Return a function that starts a server from an image, with more options of ``docker run``."""
    made: list[Server] = []

    def start(image: str, *options: str) -> Server:
        made.append(Server(image, *options))
        made[-1].wait()
        return made[-1]

    try:
        yield start
    finally:
        for server in made:
            server.remove()


@pytest.fixture(scope="module", params=["15", "17"])
def servers(request: pytest.FixtureRequest, start_server: Any) -> Any:
    """Return a server of each version that the house has an image of."""
    return start_server(os.environ.get(f"BULKHEAD_POSTGRES{request.param}_IMAGE", f"bulkhead/postgres:{request.param}"))


class CronHost:
    """A container with cron and sendmail of its own, this checkout's collection, and the engine's socket."""

    def __init__(self, folder: pathlib.Path, collections: str) -> None:
        self.name = "bulkhead-test-" + uuid.uuid4().hex[:8]
        self.collections = collections
        mounts = [str(folder), "/var/run/docker.sock"]
        mounts += ["%s:%s:ro" % (path, path) for path in [str(ROOT), *collections.split(":")]]
        volumes = [word for path in mounts for word in ("-v", path if ":" in path else "%s:%s" % (path, path))]
        label = ("--label", "bulkhead.test=true")
        Project.docker("run", "-d", "--name", self.name, *label, "--network", "host", *volumes, "bulkhead/cron:1")

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in it; return the finished process with its output."""
        argv = ["docker", "exec", "-e", "ANSIBLE_COLLECTIONS_PATH=" + self.collections, self.name, *command]
        return subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def remove(self) -> None:
        """Take it away."""
        Project.docker("rm", "-f", "-v", self.name)


@pytest.fixture
def cron_host(tmp_path: pathlib.Path, environment: dict[str, str]) -> Iterator[CronHost]:
    """Start a container that stands for the host that runs Ansible."""
    subprocess.run([str(ROOT / "images" / "build.sh"), "bulkhead/cron:1"], check=True, stdout=subprocess.PIPE)
    host = CronHost(tmp_path, environment["ANSIBLE_COLLECTIONS_PATH"])
    try:
        yield host
    finally:
        host.remove()
