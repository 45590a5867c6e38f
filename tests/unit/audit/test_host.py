# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's files and containers say: secrets by their place, and ports that the world reaches."""

from typing import Any, Dict, List, Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.host import ProjectFiles, read_container
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError


class MemoryFiles:
    """Files in memory, with their permissions; None can't be read."""

    def __init__(self, **files: Any) -> None:
        self.files: Dict[str, Any] = {"/p/" + name.replace("_", "."): file for name, file in files.items()}

    def read(self, path: str) -> Optional[bytes]:
        """Return a file's content."""
        if path not in self.files:
            return None
        if self.files[path] is None:
            raise InputError("%s can't be read." % path)
        text: str = self.files[path][0]
        return text.encode("utf-8")

    def mode(self, path: str) -> Optional[int]:
        """Return its permissions."""
        found: int = self.files[path][1]
        return found


def looked_at(**files: Any) -> Dict[str, List[Any]]:
    """Return what is found in a project of these files."""
    project = ProjectFiles(MemoryFiles(**files))
    project.look("/p/compose.yml")
    project.look("/p/compose.yml")
    return project.result()


def variables(line: str) -> List[str]:
    """Return the variables of a compose file with this line that hold a secret themselves."""
    text = "services:\n  app:\n    environment:\n      %s\n" % line
    return [item["variable"] for item in looked_at(compose_yml=(text, 0o644))["secrets"]]


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASSWORD: hunter2",
        "- DB_PASSWORD=hunter2",
        "API_KEY: 'sk-12345'",
        "DATABASE: postgres://app:hunter2@db/app",
        "DATABASE: postgres://app:hunter2@db/${NAME}",
    ],
)
def test_a_secret_that_is_written_out(line: str) -> None:
    assert len(variables(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASSWORD: ${DB_PASSWORD}",
        "DB_PASSWORD: ${DB_PASSWORD:?is missing}",
        "- DB_PASSWORD",
        "DB_PASSWORD:",
        "DB_PASSWORD: ''",
        "DB_PASSWORD_FILE: /run/secrets/db",
        "DATABASE: postgres://app:${DB_PASSWORD}@db/app",
        "MAX_TOKENS: '4096'",
        "TOKEN_EXPIRY: 3600",
        "REQUIRE_PASSWORD: 'true'",
        "JWT_SECRET: prefix-${SECRET}",
        "LOG_LEVEL: debug",
    ],
)
def test_what_only_looks_like_one(line: str) -> None:
    assert variables(line) == []


def test_its_place_is_told_and_never_its_value() -> None:
    text = "x-all: &all\n  A_KEY: hidden\nservices:\n  one:\n    environment:\n      <<: *all\n      B_KEY: hidden\n"
    text += "  two:\n    env_file: [own.env, gone.env]\n"
    found = looked_at(
        compose_yml=(text, 0o644),
        own_env=("C_KEY=hidden\nLEVEL=debug\n", 0o644),
        _env=("D_KEY=hidden\n", 0o600),
    )
    places = [(item["line"], item["service"], item["variable"]) for item in found["secrets"]]
    assert places == [(2, "one", "A_KEY"), (7, "one", "B_KEY")]
    assert found["readable"] == [{"path": "/p/own.env", "mode": "0644", "variables": ["C_KEY"]}]
    assert (found["missing"], found["unread"]) == ([], [])
    assert "hidden" not in str(found)


def test_what_can_not_be_read_is_named() -> None:
    assert looked_at()["missing"] == ["/p/compose.yml"]
    (unread,) = looked_at(compose_yml=None)["unread"]
    assert unread == {"path": "/p/compose.yml", "reason": "/p/compose.yml can't be read."}
    (broken,) = looked_at(compose_yml=("services: [", 0o644))["unread"]
    assert broken["path"] == "/p/compose.yml"
    (other,) = looked_at(compose_yml=("services: {}\n", 0o644), _env=None)["unread"]
    assert other["path"] == "/p/.env"


def test_only_what_the_world_reaches_is_published() -> None:
    bindings = {
        "5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": "5432"}, {"HostIp": "::", "HostPort": "5432"}],
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "443/tcp": None,
    }
    inspection = {
        "Name": "/db",
        "State": {"Status": "running", "Running": True, "ExitCode": 0, "Health": {"Status": "healthy"}},
        "Config": {"Image": "postgres:15"},
        "RestartCount": 2,
        "NetworkSettings": {"Ports": bindings, "Networks": {"a": {"IPAddress": "172.18.0.2"}, "b": {"IPAddress": ""}}},
        "HostConfig": {"PortBindings": {"5432/tcp": [{"HostIp": "", "HostPort": "5432"}]}},
    }
    row = read_container(inspection, 60)
    assert [(port["inner"], port["port"]) for port in row["published"]] == [("5432/tcp", "5432")]
    assert (row["name"], row["health"], row["restarts"], row["addresses"]) == ("db", "healthy", 2, ["172.18.0.2"])
