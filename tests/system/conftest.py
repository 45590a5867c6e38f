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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
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
def environment() -> dict[str, str]:
    """Return the variables with which modules and playbooks of this checkout are run."""
    paths = subprocess.run(
        [str(ROOT / "scripts" / "collections-path.sh")], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    return dict(
        os.environ,
        ANSIBLE_COLLECTIONS_PATH=paths,
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
