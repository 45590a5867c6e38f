# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as people write them, every trait crossed: an edit adds lines and does nothing else, and can be taken back."""

import itertools
from typing import Dict, List, Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.environment import plan_environment
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.extra_hosts import (
    hosts_of,
    plan_absent,
    plan_present,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.model import Model
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.service import add_service, remove_service

HOSTS: Dict[str, Optional[str]] = {"host.docker.internal": "host-gateway"}

# What a service holds beside its image; %s is the list's indentation beyond its key's.
SHAPES: Dict[str, List[str]] = {
    "absent": [],
    "list": ["extra_hosts:", '%s- "a:1.2.3.4"'],
    "commented_list": ["extra_hosts: # why", "%s- a:1.2.3.4 # x", "%s# c", "%s- 'b:::1'"],
    "equals": ["extra_hosts:", "%s- a=1.2.3.4"],
    "flow": ['extra_hosts: ["a:1.2.3.4"]'],
    "flow_empty": ["extra_hosts: []"],
    "flow_trailing": ["extra_hosts: [ 'a:1.2.3.4', ]"],
    "flow_lines": ["extra_hosts: [", "    'a:1.2.3.4', # one", "    'b:1.2.3.4' # two", "  ]"],
    "flow_below": ["extra_hosts:", "  [", "    'a:1.2.3.4',", "    'b:1.2.3.4',", "  ]"],
    "map": ["extra_hosts:", "  a: 1.2.3.4"],
    "map_quoted": ["extra_hosts:", '  "a": "1.2.3.4" # x'],
    "map_flow": ["extra_hosts: {a: 1.2.3.4}"],
    "map_flow_empty": ["extra_hosts: {}"],
    "literal_last": ["command: |", "  echo a", "", "  echo b"],
    "keep_last": ["command: |+", "  echo a", "  ", ""],
    "folded_last": ["command: >-", "  echo a", " "],
    "null_last": ["environment:", "  A:"],
    "quoted_keys": ['"dns": 1.2.3.4', "'ports':", "%s- 22:22"],
    "tabs": ["dns:\t1.2.3.4\t# tab"],
    "wide": ["labels:", "  note: " + "x" * 300],
}


def build(
    shape: List[str], indent: int, offset: int, newline: str, final: bool, bom: bytes, comment: str, last: bool
) -> bytes:
    step, inner = " " * indent, " " * (2 * indent)
    lines = ["services:", step + "web:", inner + "image: x"]
    lines += [inner + (line % (" " * offset) if "%s" in line else line) if line.strip() else line for line in shape]
    if comment:
        lines.append({"same": inner, "deep": inner + "  ", "low": step}[comment] + "# comment")
    if not last:
        lines += [
            "",
            step + "db:",
            inner + "image: y",
            inner + "ports:",
            inner + " " * offset + "- 22:22",
            "",
            "volumes: {}",
        ]
    return bom + (newline.join(lines) + (newline if final else "")).encode("utf-8")


def only_added(before: bytes, after: bytes) -> bool:
    """Whether nothing but an entry was put in: the old bytes are all there, in order."""
    rest = iter(after)
    return len(after) - len(before) < 120 and all(byte in rest for byte in before)


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("indent", [1, 2, 3, 4])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("final", [True, False], ids=["newline_at_end", "none_at_end"])
def test_an_edit_touches_nothing_else_and_can_be_taken_back(name: str, indent: int, newline: str, final: bool) -> None:
    # The corpus crosses more traits; what it leaves out is that both parsers lead to the same bytes.
    crossed = itertools.product((0, 3), (b"",), ("", "same", "deep", "low"), (True, False))
    for offset, bom, comment, last in crossed:
        data = build(SHAPES[name], indent, offset, newline, final, bom, comment, last)
        results = []
        for pure in (False, True):
            outcome = plan_present(Document(data, pure=pure), ["web"], HOSTS)
            assert outcome.document is not None
            assert outcome.changed_services == ["web"]
            after = outcome.document.data
            results.append(after)
            assert only_added(data, after)
            assert plan_present(Document(after, pure=pure), ["web"], HOSTS).document is None
            back = plan_absent(Document(after, pure=pure), ["web"], HOSTS).document
            assert back is not None
            assert back.data == data
        assert results[0] == results[1]


@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"null_last"}))
@pytest.mark.parametrize("indent", [1, 2, 4])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_variable_and_a_service_come_and_go(name: str, indent: int, newline: str) -> None:
    for offset, final, last in itertools.product((0, 2, 4), (True, False), (True, False)):
        data = build(SHAPES[name], indent, offset, newline, final, b"", "", last)
        changed = plan_environment(Document(data), ["web"], {"NEW": "a: b #c"}).document
        assert changed is not None
        restored = plan_environment(changed, ["web"], {"NEW": None}).document
        assert restored is not None
        assert restored.data == data
        added = add_service(data, "second", {"image": "a:1", "environment": {"PORT": "1"}, "ports": ["1:2"]})
        assert add_service(added, "second", {"image": "a:1", "environment": {"PORT": "1"}, "ports": ["1:2"]}) == added
        assert remove_service(added, "second") == data


def test_mixed_line_ends_stay_mixed() -> None:
    data = b"services:\r\n  web:\n    image: x\r\n  db:\n    image: y\n"
    outcome = plan_present(Document(data), ["*"], HOSTS)
    assert outcome.document is not None
    assert outcome.document.data == (
        b'services:\r\n  web:\n    image: x\r\n    extra_hosts:\r\n      - "host.docker.internal:host-gateway"\r\n'
        b'  db:\n    image: y\n    extra_hosts:\n      - "host.docker.internal:host-gateway"\n'
    )


@pytest.mark.parametrize("text", ["extra_hosts:", "extra_hosts: null", "extra_hosts: ~", "extra_hosts: # none yet"])
def test_a_null_is_filled(text: str) -> None:
    data = ("services:\n  web:\n    %s\n    image: x\n" % text).encode()
    outcome = plan_present(Document(data), ["web"], HOSTS)
    assert outcome.document is not None
    assert [(entry.host, entry.address) for entry in hosts_of(Model(outcome.document), "web")] == [
        ("host.docker.internal", "host-gateway")
    ]
    assert plan_absent(outcome.document, ["web"], HOSTS).document is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "services: {web: {image: x}}\n",
            'services: {web: {image: x, extra_hosts: ["host.docker.internal:host-gateway"]}}\n',
        ),
        (
            '{"services": {"web": {"image": "x"}}}',
            '{"services": {"web": {"image": "x", "extra_hosts": ["host.docker.internal:host-gateway"]}}}',
        ),
        ("services:\n  web: {}\n", 'services:\n  web: {extra_hosts: ["host.docker.internal:host-gateway"]}\n'),
    ],
)
def test_flow_mappings(before: str, after: str) -> None:
    outcome = plan_present(Document(before.encode()), ["web"], HOSTS)
    assert outcome.document is not None
    assert outcome.document.text == after
    back = plan_absent(outcome.document, ["web"], HOSTS).document
    assert back is not None
    if "image" in before:
        assert plan_present(back, ["web"], HOSTS).document is not None


def test_many_services_in_one_pass() -> None:
    data = ("services:\n" + "".join("  s%d:\n    image: x\n" % number for number in range(200))).encode()
    outcome = plan_present(Document(data), ["*"], HOSTS)
    assert outcome.document is not None
    assert len(outcome.changed_services) == 200
    back = plan_absent(outcome.document, ["*"], HOSTS).document
    assert back is not None
    assert back.data == data
