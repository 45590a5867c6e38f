# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``networks``: attached and detached in every form, ``default`` kept, declared where nobody else does."""

import itertools
from typing import Any, Dict, List, Optional

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.attachments import (
    checked_attachments,
    engine_name,
    networks_of,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.model import Model
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.networks import (
    plan_attached,
    plan_detached,
    plan_inline_networks,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.override import plan_override_networks
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    ConflictError,
    InputError,
    StateError,
)

EXTERNAL: List[Dict[str, Any]] = [{"name": "outer", "declare": {"external": True, "name": None, "driver": None}}]
ALIASED = [dict(EXTERNAL[0], aliases=["shop", "store"], ipv4_address="10.9.0.4")]

SHAPES: Dict[str, List[str]] = {
    "absent": [],
    "list": ["networks:", "%s- inner"],
    "commented": ["networks: # why", "%s- inner # x", "%s# y", "%s- 'back'"],
    "flow": ["networks: [inner, back]"],
    "empty": ["networks: []"],
    "mapping": ["networks:", "  inner:", "    aliases: [a]", "  back: {}"],
    "mapping_of_nulls": ["networks:", "  inner:", "  back:"],
    "mapping_flow": ["networks: {inner: {aliases: [a]}, back: }"],
    "default": ["networks:", "%s- default"],
}


def build(shape: List[str], indent: int, offset: int, newline: str, final: bool, top: str) -> bytes:
    step, inner = " " * indent, " " * (2 * indent)
    lines = ["services:", step + "web:", inner + "image: x"]
    lines += [inner + (line % (" " * offset) if "%s" in line else line) for line in shape]
    lines += [step + "db:", inner + "image: y"]
    if top:
        lines += ["", "networks:" + ("" if top == "block" else " {inner: {}, back: {driver: bridge}}")]
    if top == "block":
        lines += [step + "inner: {}", step + "back:", step + step + "driver: bridge"]
    return (newline.join(lines) + (newline if final else "")).encode()


def after(data: Optional[bytes]) -> Any:
    return yaml.safe_load(data or b"")


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("indent", [2, 3, 4])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_attached_and_detached_again(name: str, indent: int, newline: str) -> None:
    attachments = checked_attachments(EXTERNAL)
    for offset, final, top, pure in itertools.product((0, 2, 4), (True, False), ("block", "flow", ""), (True, False)):
        data = build(SHAPES[name], indent, offset, newline, final, top)
        outcome = plan_attached(Document(data, pure=pure), ["web"], attachments)
        assert outcome.document is not None
        assert outcome.changed_services == ["web"]
        before, now = after(data), after(outcome.document.data)
        had = list(before["services"]["web"].pop("networks", None) or ["default"])
        assert sorted(now["services"]["web"].pop("networks")) == sorted([*had, "outer"])
        assert now["networks"].pop("outer") == {"external": True}
        assert now["networks"] == (before.pop("networks", None) or {})
        now.pop("networks")
        assert now == before
        assert plan_attached(outcome.document, ["web"], attachments).document is None
        back = plan_detached(outcome.document, ["web"], attachments)
        assert back.document is not None
        assert back.document.data == data
        assert back.warnings == []


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("indent", [2, 4])
def test_aliases_and_addresses(name: str, indent: int) -> None:
    attachments = checked_attachments(ALIASED)
    for offset, top in itertools.product((0, 2), ("block", "flow")):
        data = build(SHAPES[name], indent, offset, "\n", True, top)
        outcome = plan_attached(Document(data), ["web"], attachments)
        assert outcome.document is not None
        before, now = after(data)["services"]["web"], after(outcome.document.data)["services"]["web"]["networks"]
        assert now.pop("outer") == {"aliases": ["shop", "store"], "ipv4_address": "10.9.0.4"}
        held = before.get("networks") or {"default": None}
        assert now == (held if isinstance(held, dict) else dict.fromkeys(held))
        assert plan_attached(outcome.document, ["web"], attachments).document is None
        more = checked_attachments([dict(ALIASED[0], aliases=["third"])])
        third = plan_attached(outcome.document, ["web"], more).document
        assert third is not None
        assert after(third.data)["services"]["web"]["networks"]["outer"]["aliases"] == ["shop", "store", "third"]


def test_comments_of_a_list_that_becomes_a_mapping_stay() -> None:
    data = b"services:\n  web:\n    networks:\n    - a # one\n    # two\n    - b\nnetworks: {a: , b: }\n"
    outcome = plan_attached(Document(data), ["web"], checked_attachments([{"name": "b", "aliases": ["c"]}]))
    assert outcome.document is not None
    assert outcome.document.text == (
        "services:\n  web:\n    networks:\n      a: # one\n    # two\n      b:\n        aliases:\n        - c\n"
        "networks: {a: , b: }\n"
    )


def test_what_is_shared_is_refused_or_carried_over() -> None:
    shared = b"x-n: &n [inner]\nservices:\n  web: {networks: *n}\n  db: {networks: *n}\nnetworks: {inner: }\n"
    with pytest.raises(ConflictError, match="db"):
        plan_attached(Document(shared), ["web"], checked_attachments(EXTERNAL))
    both = plan_attached(Document(shared), ["web", "db"], checked_attachments(EXTERNAL)).document
    assert both is not None
    assert both.text.count("outer") == 2
    merged = (
        b"x-c: &c\n  networks: {inner: {aliases: [a]}}\nservices:\n  web:\n    <<: *c\n    image: x\n"
        b"  db:\n    <<: *c\nnetworks: {inner: }\n"
    )
    carried = plan_attached(Document(merged), ["web"], checked_attachments(EXTERNAL)).document
    assert carried is not None
    services = after(carried.data)["services"]
    assert services["web"]["networks"] == {"inner": {"aliases": ["a"]}, "outer": None}
    assert services["db"]["networks"] == {"inner": {"aliases": ["a"]}}
    back = plan_detached(carried, ["web"], checked_attachments(EXTERNAL)).document
    assert back is not None
    assert back.data == merged


def test_who_extends_keeps_the_networks_of_its_base() -> None:
    data = b"services:\n  one: {networks: [inner]}\n  two:\n    extends: one\nnetworks: {inner: }\n"
    outcome = plan_attached(Document(data), ["two"], checked_attachments(EXTERNAL)).document
    assert outcome is not None
    assert list(networks_of(Model(outcome), "two")) == ["inner", "outer"]
    assert after(outcome.data)["services"]["two"]["networks"] == ["outer"]
    with pytest.raises(ConflictError, match="two"):
        plan_attached(Document(data), ["one"], checked_attachments(EXTERNAL))


def test_the_last_network_leaves_the_default_one_and_says_so() -> None:
    data = b"services:\n  web:\n    image: x\n    networks: [inner]\nnetworks: {inner: }\n"
    outcome = plan_detached(Document(data), ["web"], checked_attachments([{"name": "inner"}]))
    assert "default one" in outcome.warnings[0]
    assert outcome.document is not None
    assert after(outcome.document.data)["services"]["web"].get("networks", []) == []
    assert after(outcome.document.data)["networks"] == {"inner": None}


@pytest.mark.parametrize(
    ("text", "networks", "error", "says"),
    [
        ("services: {web: {network_mode: host}}", EXTERNAL, StateError, "network_mode: host"),
        ("services: {web: {image: x}}\nnetworks: {intern: }", [{"name": "inter"}], InputError, "Did you mean intern"),
        ("services: {web: {image: x}}\nnetworks: {outer: }", EXTERNAL, ConflictError, "declares .* nothing there"),
        (
            "services: {web: {networks: {outer: {ipv4_address: 10.9.0.5}}}}\nnetworks: {outer: {external: true}}",
            ALIASED,
            ConflictError,
            "10.9.0.5",
        ),
        ("services: {web: {networks: !reset null}}", EXTERNAL, StateError, "!reset"),
        ("services: {web: {networks: inner}}", EXTERNAL, StateError, "neither a list nor a mapping"),
        ("services: {web: {image: x, networks: [a], networks: [b]}}", EXTERNAL, BulkheadError, "twice"),
    ],
)
def test_what_can_not_be_done_is_refused(text: str, networks: List[Dict[str, Any]], error: Any, says: str) -> None:
    with pytest.raises(error, match="(?s)" + says) as caught:
        plan_attached(Document(text.encode()), ["web"], checked_attachments(networks))
    assert caught.value.message


@pytest.mark.parametrize(
    ("networks", "says"),
    [
        ([], "No network"),
        ([{"name": "a b"}], "no name"),
        ([{"name": "a"}, {"name": "a"}], "twice"),
        ([{"name": "a", "declare": {"external": True, "driver": "bridge"}}], "external"),
    ],
)
def test_bad_options_are_refused(networks: List[Dict[str, Any]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        checked_attachments(networks)


def test_all_leaves_out_who_has_a_network_mode() -> None:
    data = b"services:\n  web: {image: x}\n  vpn: {image: x, network_mode: host}\n"
    outcome = plan_attached(Document(data), ["*"], checked_attachments(EXTERNAL))
    assert outcome.changed_services == ["web"]
    assert "vpn" in outcome.warnings[0]


def test_a_declaration_that_someone_uses_stays() -> None:
    data = (
        b"services:\n  web: {networks: [outer]}\n  db: {networks: [outer]}\nnetworks:\n  outer:\n    external: true\n"
    )
    outcome = plan_detached(Document(data), ["web"], checked_attachments(EXTERNAL)).document
    assert outcome is not None
    assert "external: true" in outcome.text


def test_another_file_of_the_project_declares_it_or_names_networks() -> None:
    base = Document(b"services:\n  web: {image: x}\n", "one.yml")
    other = Document(
        b"services:\n  web: {networks: [inner]}\nnetworks: {inner: , outer: {external: true}}\n", "two.yml"
    )
    edited = plan_inline_networks([base, other], ["web"], checked_attachments(EXTERNAL), True)
    assert after(edited.data) == {"services": {"web": {"image": "x", "networks": ["outer"]}}}


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"# nothing yet\n",
        b"services:\n  web:\n    environment: {A: b}\n",
        b"services:\n  db:\n    image: z\n\nnetworks:\n  other: {}\n",
    ],
)
def test_in_an_override_file(data: Optional[bytes]) -> None:
    base = Document(
        b"services:\n  web: {image: x}\n  db: {image: y, networks: [inner]}\nnetworks: {inner: }\n", "base.yml"
    )
    attachments = checked_attachments(EXTERNAL)
    edited = plan_override_networks([base], data, ["web", "db"], attachments, True, "override.yml")
    assert edited.changed_services == ["web", "db"]
    now = after(edited.data)
    assert now["services"]["web"]["networks"] == ["outer", "default"]
    assert now["services"]["db"]["networks"] == ["outer"]
    assert now["networks"]["outer"] == {"external": True}
    assert not plan_override_networks([base], edited.data, ["web"], attachments, True, "override.yml").changed
    back = plan_override_networks([base], edited.data, ["web", "db"], attachments, False, "override.yml")
    assert after(back.data) == after(data)
    if data and data.startswith(b"services"):
        assert back.data == data


def test_what_stands_in_the_base_file_is_not_taken_away_in_the_override() -> None:
    base = Document(b"services:\n  web: {networks: [outer]}\nnetworks: {outer: {external: true}}\n", "base.yml")
    with pytest.raises(StateError, match=r"stands in base\.yml"):
        plan_override_networks([base], None, ["web"], checked_attachments(EXTERNAL), False, "override.yml")


@pytest.mark.parametrize(
    ("text", "network", "name"),
    [
        ("networks: {a: }", {"name": "a"}, "shop_a"),
        ("networks: {a: {external: true}}", {"name": "a"}, "a"),
        ("networks: {a: {external: true, name: b}}", {"name": "a"}, "b"),
        ("networks: {a: {name: '${A}'}}", {"name": "a"}, None),
        ("services: {}", {"name": "a", "declare": {"external": True}}, "a"),
    ],
)
def test_the_name_in_the_engine(text: str, network: Dict[str, Any], name: Optional[str]) -> None:
    (item,) = checked_attachments([network])
    assert engine_name([Document(text.encode())], "shop", item) == name
