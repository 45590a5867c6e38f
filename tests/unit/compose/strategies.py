# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files that nobody thought of: stacks made by Hypothesis, dumped in a random manner."""

from typing import Any, Dict, List, NamedTuple

import yaml
from hypothesis import strategies as st

NO_NAMES = ("all", "y", "n")
# What decides where hosts and variables go; the tests that are about them say so themselves.
NO_KEYS = ("extends", "extra_hosts", "environment", "network_mode", "networks")

names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name not in NO_NAMES)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufeff"), max_size=20
)
values = st.recursive(
    texts | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
services = st.dictionaries(names.filter(lambda name: name not in NO_KEYS), values, max_size=4)


class Made(NamedTuple):
    """A file: its bytes, what it says, and the service that is asked for.

    Arguments:
        sharers: the other services that are the very same node.
        list_sharers: those that have the very same list of hosts.
    """

    data: bytes
    stack: Dict[str, Any]
    service: str
    sharers: List[str]
    list_sharers: List[str]


@st.composite
def made_files(draw: Any, shared: bool = False) -> Made:
    """Return a strategy for files.

    Arguments:
        shared: some services are one node, and some have one list of hosts: PyYAML writes these as anchor and alias.
    """
    stack = draw(st.dictionaries(names, services, min_size=2 if shared else 1, max_size=4))
    members = list(stack)
    if shared:
        hosts = ["one:1.2.3.4"]
        for name in draw(st.lists(st.sampled_from(members), unique=True)):
            stack[name]["extra_hosts"] = hosts
        for name in draw(st.lists(st.sampled_from(members[1:]), unique=True)):
            stack[name] = stack[members[0]]
    service = draw(st.sampled_from(members))
    others = [name for name in members if name != service]
    own = stack[service].get("extra_hosts")
    text = yaml.safe_dump(
        {"services": stack},
        indent=draw(st.integers(2, 6)),
        width=draw(st.sampled_from([20, 80, 1000])),
        default_flow_style=draw(st.sampled_from([None, False])),
        allow_unicode=True,
        line_break=draw(st.sampled_from(["\n", "\r\n"])),
        sort_keys=draw(st.booleans()),
    )
    return Made(
        (text if draw(st.booleans()) else text.rstrip("\r\n")).encode("utf-8"),
        stack,
        service,
        [name for name in others if stack[name] is stack[service]],
        [name for name in others if own is not None and stack[name].get("extra_hosts") is own],
    )
