# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios' tests ask with, from outside: files, SQL, HTTP, containers. Nothing of the collection is used."""

import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any, Callable, Dict, List, Tuple

import pytest
from testinfra.host import Host

ARCHON_TABLES = 11


@pytest.fixture(scope="session")
def machine() -> Host:
    """Return this machine, whatever the scenario's platform is."""
    return Host.get_host("local://")


@pytest.fixture(scope="session")
def demo() -> pathlib.Path:
    """Return the folder in which the demo lives."""
    return pathlib.Path(os.environ["BULKHEAD_DEMO_DIR"])


@pytest.fixture(scope="session")
def sql(machine: Host) -> Callable[..., List[str]]:
    """Return a function that runs SQL in a database and gives its lines."""

    def run(database: str, statement: str, container: str = "supabase-ai-db", user: str = "postgres") -> List[str]:
        command = "docker exec %s psql -U %s -XAtq -v ON_ERROR_STOP=1 -d %s -c %s"
        result = machine.run(command, container, user, database, statement)
        assert result.rc == 0, result.stderr
        return [line for line in result.stdout.splitlines() if line]

    return run


@pytest.fixture(scope="session")
def play() -> Callable[..., str]:
    """Return a function that runs a playbook of the collection on the scenario's inventory and gives what it says."""

    def run(name: str, *arguments: str) -> str:
        argv = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "bulkhead.stack." + name]
        argv += ["-i", os.environ["MOLECULE_INVENTORY_FILE"], *arguments]
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


@pytest.fixture(scope="session")
def http() -> Callable[..., Tuple[int, Any]]:
    """Return a function that asks a URL and gives status and JSON body."""
    # What proxies the environment names is for the world outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(url: str, **headers: str) -> Tuple[int, Any]:
        request = urllib.request.Request(url, headers=headers)
        try:
            with opener.open(request, timeout=10) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    return get


@pytest.fixture(scope="session")
def service_key(demo: pathlib.Path) -> str:
    """Return the key that the gateway knows."""
    return variables(demo / "supabase" / ".env")["SERVICE_ROLE_KEY"]


@pytest.fixture(scope="session")
def inspect(machine: Host) -> Callable[[str], Dict[str, Any]]:
    """Return a function that inspects a container."""

    def look(name: str) -> Dict[str, Any]:
        found: Dict[str, Any] = json.loads(machine.check_output("docker inspect %s", name))[0]
        return found

    return look


def variables(path: pathlib.Path) -> Dict[str, str]:
    """Return the variables of a dotenv file that the demo wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("=")[::2] for line in lines if "=" in line and not line.startswith("#")]
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs}
