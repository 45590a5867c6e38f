# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that nobody thought of: made by Hypothesis, dumped in a random manner, edited and taken back."""

from typing import Any, Dict, Optional

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.extra_hosts import (
    hosts_of,
    plan_absent,
    plan_present,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.model import Model

HOSTS: Dict[str, Optional[str]] = {"host.docker.internal": "host-gateway"}

names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name not in ("all", "y", "n"))
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufeff"), max_size=20
)
values = st.recursive(
    texts | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
services = st.dictionaries(
    names.filter(lambda name: name not in ("extends", "extra_hosts", "network_mode")), values, max_size=4
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    stack=st.dictionaries(names, services, min_size=1, max_size=4),
    indent=st.integers(2, 6),
    width=st.sampled_from([20, 80, 1000]),
    flow=st.sampled_from([None, False]),
    newline=st.sampled_from(["\n", "\r\n"]),
    final=st.booleans(),
    pure=st.booleans(),
)
def test_any_file(
    stack: Dict[str, Any], indent: int, width: int, flow: Optional[bool], newline: str, final: bool, pure: bool
) -> None:
    text = yaml.safe_dump(
        {"services": stack}, indent=indent, width=width, default_flow_style=flow, allow_unicode=True, line_break=newline
    )
    data = (text if final else text.rstrip("\r\n")).encode("utf-8")
    document = Document(data, pure=pure)
    name = next(iter(stack))
    outcome = plan_present(document, [name], HOSTS)
    assert outcome.document is not None
    after = Model(outcome.document)
    assert [(entry.host, entry.address) for entry in hosts_of(after, name)] == [
        ("host.docker.internal", "host-gateway")
    ]
    expected = yaml.safe_load(text)
    expected["services"][name]["extra_hosts"] = ["host.docker.internal:host-gateway"]
    assert yaml.safe_load(outcome.document.text) == expected
    assert plan_present(outcome.document, [name], HOSTS).document is None
    back = plan_absent(outcome.document, [name], HOSTS).document
    assert back is not None
    assert back.data == data
