# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors, aliases, merge keys and extends: nobody gets what was not meant for him, and nobody loses what he has."""

from typing import Dict, List, Optional

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.attachments import (
    checked_attachments,
    networks_of,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.environment import plan_environment
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.extra_hosts import (
    hosts_of,
    plan_absent,
    plan_present,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.model import Model
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.networks import plan_attached
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    ConflictError,
    InputError,
    StateError,
)

HOSTS: Dict[str, Optional[str]] = {"host.docker.internal": "host-gateway"}
LIST = (
    "x-hosts: &hosts\n  - a:1.1.1.1\n"
    "services:\n  one:\n    extra_hosts: *hosts\n  two:\n    extra_hosts: *hosts\n  three: {image: x}\n"
)
SERVICE = "services:\n  one: &one\n    image: x\n  two:\n    <<: *one\n    command: y\n  three: {image: x}\n"
ALIAS = "services:\n  one: &one\n    image: x\n  two: *one\n  three: {image: x}\n"
EXTENDS = "services:\n  one:\n    image: x\n  two:\n    extends: one\n  three: {image: x}\n"
INLINE = (
    "services:\n  one: &one\n    image: x\n    extra_hosts: ['a:1.1.1.1']\n  two:\n    <<: *one\n  three: {image: x}\n"
)
MERGED = (
    "x-common: &common\n  extra_hosts:\n    - a:1.1.1.1\n"
    "services:\n  one:\n    <<: *common\n    image: x\n  two:\n    <<: *common\n"
)


def hosts(data: str, service: str) -> List[str]:
    return [entry.host for entry in hosts_of(Model(Document(data.encode())), service)]


@pytest.mark.parametrize("text", [LIST, SERVICE, ALIAS, EXTENDS, INLINE])
def test_sharers_that_were_not_asked_for_are_named(text: str) -> None:
    with pytest.raises(ConflictError, match="two") as caught:
        plan_present(Document(text.encode()), ["one"], HOSTS)
    assert caught.value.details["shared_with"] == ["two"]


@pytest.mark.parametrize("text", [LIST, SERVICE, ALIAS, EXTENDS, INLINE])
def test_all_sharers_together_get_it_once(text: str) -> None:
    outcome = plan_present(Document(text.encode()), ["one", "two"], HOSTS)
    assert outcome.document is not None
    assert sorted(outcome.changed_services) == ["one", "two"]
    after = outcome.document.text
    assert after.count("host.docker.internal") == 1
    assert "host.docker.internal" in hosts(after, "one")
    assert "host.docker.internal" in hosts(after, "two")
    assert hosts(after, "three") == []
    back = plan_absent(outcome.document, ["one", "two"], HOSTS).document
    assert back is not None
    assert back.text == text


def test_a_merged_list_is_carried_over_and_given_back() -> None:
    outcome = plan_present(Document(MERGED.encode()), ["one"], HOSTS)
    assert outcome.document is not None
    assert hosts(outcome.document.text, "one") == ["a", "host.docker.internal"]
    assert hosts(outcome.document.text, "two") == ["a"]
    back = plan_absent(outcome.document, ["one"], HOSTS).document
    assert back is not None
    assert back.text == MERGED


def test_a_merged_list_of_all_who_share_it_is_edited_where_it_stands() -> None:
    outcome = plan_present(Document(MERGED.encode()), ["*"], HOSTS)
    assert outcome.document is not None
    assert outcome.document.text.count("host.docker.internal") == 1
    back = plan_absent(outcome.document, ["*"], HOSTS).document
    assert back is not None
    assert back.text == MERGED


def test_an_inherited_entry_is_not_taken_from_others() -> None:
    with pytest.raises(ConflictError, match="two"):
        plan_absent(Document(MERGED.encode()), ["one"], {"a": "1.1.1.1"})


def test_an_entry_that_is_inherited_already_is_no_change() -> None:
    assert plan_present(Document(MERGED.encode()), ["one"], {"a": "1.1.1.1"}).document is None


@pytest.mark.parametrize(
    "value", ["['h:1.1.1.1']", "['h=1.1.1.1']", "{h: 1.1.1.1}", "\n      - H:1.1.1.1", "\n      h: [1.1.1.1, '::1']"]
)
@pytest.mark.parametrize("present", [True, False])
def test_another_address_is_a_conflict(value: str, present: bool) -> None:
    data = ("services:\n  web:\n    extra_hosts: %s\n" % value).encode()
    plan = plan_present if present else plan_absent
    with pytest.raises(ConflictError, match=r"1\.1\.1\.1"):
        plan(Document(data), ["web"], {"h": "2.2.2.2"})


def test_any_address_can_be_taken_away() -> None:
    data = b"services:\n  web:\n    image: x\n    extra_hosts: ['h:1.1.1.1']\n"
    outcome = plan_absent(Document(data), ["web"], {"h": None})
    assert outcome.document is not None
    assert outcome.document.data == b"services:\n  web:\n    image: x\n    extra_hosts: []\n"


def test_the_last_key_leaves_an_empty_service_that_compose_accepts() -> None:
    data = b"services:\n  web: # mine\n    extra_hosts:\n      - h:1.1.1.1\n"
    outcome = plan_absent(Document(data), ["web"], {"h": None})
    assert outcome.document is not None
    assert outcome.document.data == b"services:\n  web: {} # mine\n"


def test_comments_in_the_list_survive_its_last_entry() -> None:
    data = b"services:\n  web:\n    extra_hosts:\n      # one\n      - h:1.1.1.1\n      # - i:1.1.1.1\n    image: x\n"
    outcome = plan_absent(Document(data), ["web"], {"h": None})
    assert outcome.document is not None
    assert (
        outcome.document.data
        == b"services:\n  web:\n    extra_hosts: []\n      # one\n      # - i:1.1.1.1\n    image: x\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services:\n  web:\n    image: [\n", "not YAML"),
        ("services:\n  web:\n\timage: x\n", "not YAML"),
        ("services:\n{% if x %}\n  web:\n{% endif %}\n", "template"),
        ("services:\n  web: {}\n---\nservices:\n  web: {}\n", "second document"),
        ("services:\n  web:\n    image: x\n  web:\n    image: y\n", "twice"),
        ("services:\n  web:\n    extra_hosts: []\n    extra_hosts: []\n", "twice"),
        ("version: '3'\n", "no `services:`"),
        ("- a\n", "no mapping"),
        ("", "no mapping"),
        ("services:\n  web: *nowhere\n", "nowhere"),
        ("services:\n  wep: {}\n", "Did you mean wep"),
        ("services:\n  web:\n    extra_hosts: !reset null\n", "reset"),
        ("services:\n  web:\n    network_mode: service:vpn\n", "network of vpn"),
    ],
)
@pytest.mark.parametrize("pure", [True, False])
def test_bad_input_is_named(text: str, message: str, pure: bool) -> None:
    with pytest.raises(BulkheadError, match=message):
        plan_present(Document(text.encode(), pure=pure), ["web"], HOSTS)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(InputError, match="UTF-8"):
        Document(b"services:\n  web: \xff\n")


def test_all_leaves_out_who_has_no_hosts_file() -> None:
    data = b"services:\n  vpn:\n    image: x\n  web:\n    network_mode: service:vpn\n"
    outcome = plan_present(Document(data), ["all"], HOSTS)
    assert outcome.changed_services == ["vpn"]
    assert len(outcome.warnings) == 1


OUTER = checked_attachments([{"name": "outer", "declare": {"external": True}}])


def test_who_merges_an_environment_into_his_own_is_named() -> None:
    data = (
        b"services:\n  web:\n    environment: &env\n      A: b\n  db:\n    environment:\n      <<: *env\n      C: d\n"
    )
    with pytest.raises(ConflictError) as caught:
        plan_environment(Document(data), ["web"], {"NEW": "a"})
    assert caught.value.details["shared_with"] == ["db"]


@pytest.mark.parametrize("mode", ["none", "service:vpn", "container:vpn"])
def test_a_network_mode_that_comes_by_extends_counts_too(mode: str) -> None:
    data = "services:\n  web:\n    extends: base\n  base:\n    image: x\n    network_mode: '%s'\n  vpn: {image: y}\n"
    with pytest.raises(StateError):
        plan_present(Document((data % mode).encode()), ["web"], HOSTS)


def test_nobody_is_put_on_the_default_network_by_what_he_extends() -> None:
    data = (
        b"networks: {inner: {}}\nservices:\n  web:\n    extends: base\n    networks: [inner]\n  base:\n    image: x\n"
    )
    with pytest.raises(StateError, match="web would be put on network default as well"):
        plan_attached(Document(data), ["*"], OUTER)
    only = plan_attached(Document(data), ["web"], OUTER).document
    assert only is not None
    assert set(networks_of(Model(only), "web")) == {"inner", "outer"}


def test_all_is_refused_where_services_come_by_a_merge() -> None:
    data = b"x-more: &more\n  db: {image: y}\nservices:\n  <<: *more\n  web:\n    image: x\n"
    with pytest.raises(InputError, match="merged from elsewhere in line 4"):
        plan_present(Document(data), ["*"], HOSTS)
    assert plan_present(Document(data), ["web"], HOSTS).changed_services == ["web"]


def test_what_was_added_in_flow_style_goes_whatever_comment_follows() -> None:
    data = b"services:\n  web: {\n    image: x\n      # deep\n    }\n"
    after = plan_present(Document(data), ["web"], HOSTS).document
    assert after is not None
    back = plan_absent(after, ["web"], HOSTS).document
    assert back is not None and back.data == data
    changed = plan_environment(Document(data), ["web"], {"NEW": "a"}).document
    assert changed is not None
    restored = plan_environment(changed, ["web"], {"NEW": None}).document
    assert restored is not None and restored.data == data


@pytest.mark.parametrize("value", ["\U0001b2fc", "\U000d8000", "\ud7ff", "\x7f"])
def test_a_character_that_is_not_printed_is_escaped(value: str) -> None:
    document = Document(b"services:\n  web:\n    image: x\n    environment: {A: b}\n")
    after = plan_environment(document, ["web"], {"NEW": value}).document
    assert after is not None
    assert yaml.safe_load(after.text)["services"]["web"]["environment"]["NEW"] == value
