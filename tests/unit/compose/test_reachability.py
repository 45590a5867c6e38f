# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a container comes, from what its programs answer."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.reachability import Question, ask

Answers = Dict[str, Tuple[int, str, str]]


class Image:
    """A container with these programs, each with one answer a call."""

    def __init__(self, answers: Dict[str, List[Tuple[int, str, str]]], hosts: Optional[str] = None) -> None:
        self._answers = answers
        self._hosts = hosts

    def run(self, container: str, argv: Sequence[str]) -> Tuple[int, str, str]:
        answers = self._answers.get(argv[0])
        return answers.pop(0) if answers else (127, "", "")

    def hosts_file(self, container: str) -> Optional[str]:
        return self._hosts


def inspection(status: str = "running", hosts: Optional[List[str]] = None) -> Dict[str, Any]:
    return {
        "State": {"Status": status, "ExitCode": 1},
        "Config": {"Labels": {"com.docker.compose.service": "web"}},
        "HostConfig": {"ExtraHosts": hosts},
    }


QUESTION = Question("web-1", "host.docker.internal", 18000, "http://host.docker.internal:18000/")
FOUND = (0, "172.17.0.1 host.docker.internal\n", "")


@pytest.mark.parametrize(
    ("answers", "hosts", "layer", "remedy"),
    [
        ({"getent": [(2, "", "")]}, None, "resolve", "extra_hosts"),
        ({}, "127.0.0.1 localhost\n", "resolve", "extra_hosts"),
        ({"getent": [FOUND], "python3": [(7, "", "")]}, None, "port", "127.0.0.1"),
        ({"getent": [FOUND], "python3": [(28, "", "")]}, None, "port", "ufw"),
        ({"getent": [FOUND], "curl": [(7, "", "")]}, None, "port", "127.0.0.1"),
        ({"getent": [FOUND]}, None, "port", "another container"),
        ({"getent": [FOUND], "python3": [(0, "", ""), (0, "502\n", "")]}, None, "http", "logs"),
        ({"getent": [FOUND], "python3": [(0, "", ""), (1, "", "reset")]}, None, "http", "logs"),
        ({"getent": [FOUND], "python3": [(0, "", ""), (0, "401\n", "")]}, None, "ok", ""),
        ({"getent": [FOUND], "nc": [(0, "", "")], "wget": [(0, "", "  HTTP/1.1 200 OK\n")]}, None, "ok", ""),
        ({"curl": [(52, "", ""), (0, "200", "")]}, "172.17.0.1 host.docker.internal\n", "ok", ""),
    ],
)
def test_layers(answers: Dict[str, List[Tuple[int, str, str]]], hosts: Optional[str], layer: str, remedy: str) -> None:
    answer = ask(QUESTION, inspection(), Image(answers, hosts))
    assert answer["layer"] == layer
    assert remedy in answer["remedy"]
    assert answer["asked_in"] == "container"


def test_a_container_that_keeps_restarting_is_judged_by_its_definition() -> None:
    lacking = ask(QUESTION, inspection("restarting"), Image({}))
    assert (lacking["asked_in"], lacking["resolves"], lacking["layer"]) == ("definition", False, "resolve")
    knowing = ask(QUESTION, inspection("restarting", ["host.docker.internal:host-gateway"]), Image({}))
    assert (knowing["resolves"], knowing["address"], knowing["layer"]) == (True, "host-gateway", "container")


def test_no_container() -> None:
    assert ask(QUESTION, None, Image({}))["state"] == "absent"
