# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two models that Compose made of a project, and what may differ between them."""

from typing import Any, Dict, List, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.resolved import (
    hosts_problem,
    networks_problem,
    service_paths,
    stray_paths,
    variables_problem,
)

BEFORE: Dict[str, Any] = {
    "name": "shop",
    "services": {
        "web": {"image": "x", "environment": {"A": "1"}, "networks": {"default": None}},
        "db": {"image": "y"},
    },
}


def changed(*path: str, value: Any) -> Dict[str, Any]:
    """The model with another value at a path."""

    def copy(node: Any, rest: Tuple[str, ...]) -> Any:
        return {**node, rest[0]: copy(node.get(rest[0], {}), rest[1:])} if rest else value

    model: Dict[str, Any] = copy(BEFORE, path)
    return model


@pytest.mark.parametrize(
    ("after", "stray"),
    [
        (BEFORE, []),
        (changed("services", "web", "extra_hosts", value=["a=1"]), []),
        (changed("services", "db", "extra_hosts", value=["a=1"]), [("services", "db", "extra_hosts")]),
        (changed("services", "web", "environment", "A", value="2"), [("services", "web", "environment")]),
        (changed("services", "third", value={"image": "z"}), [("services", "third", "image")]),
        (changed("networks", "outer", value={"external": True}), [("networks", "outer", "external")]),
        (changed("name", value="shop2"), [("name",)]),
        (changed("services", "db", value=None), [("services", "db", "image")]),
    ],
)
def test_only_what_is_allowed_may_differ(after: Dict[str, Any], stray: List[Tuple[str, ...]]) -> None:
    assert stray_paths(BEFORE, after, service_paths(["web"], "extra_hosts")) == stray


def test_a_service_as_a_whole() -> None:
    assert service_paths(["web"]) == [("services", "web")]
    assert stray_paths(BEFORE, changed("services", "web", "image", value="z"), service_paths(["web"])) == []


@pytest.mark.parametrize(
    ("held", "present", "says"),
    [
        (["h=10.0.0.1"], True, ""),
        (["H:10.0.0.1"], True, ""),
        ({"h": "10.0.0.1"}, True, ""),
        ([], True, "would not have h"),
        (["h=10.0.0.1", "h=10.0.0.2"], True, "at 10.0.0.1 and at 10.0.0.2"),
        (["h=10.0.0.1"], False, "still have h"),
        (["h=10.0.0.2"], False, ""),
        ([], False, ""),
    ],
)
def test_hosts(held: Any, present: bool, says: str) -> None:
    model = changed("services", "web", "extra_hosts", value=held)
    found = hosts_problem(model, ["web"], {"h": "10.0.0.1"}, present)
    assert says in found
    assert bool(found) == bool(says)


def test_networks() -> None:
    assert networks_problem(BEFORE, ["web"], ["default"], True) == ""
    assert "not be on network outer" in networks_problem(BEFORE, ["web"], ["outer"], True)
    assert "still be on network default" in networks_problem(BEFORE, ["web"], ["default"], False)


def test_variables_are_named_and_never_shown() -> None:
    assert variables_problem(BEFORE, ["web"], {"A": "1", "B": None, "C": "${X}"}) == ""
    problem = variables_problem(BEFORE, ["web"], {"A": "secret"})
    assert "another value of A" in problem
    assert "secret" not in problem
