# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture as a Mermaid diagram, for where Markdown is drawn."""

from typing import Any, Dict, List, Mapping

from .escape import Raw

# GitHub's own limits are 500 lines and 50,000 letters; much below them nobody can read it any more.
_MOST_LINES = 120

_SHAPES = {"service": '("%s")', "gateway": '{{"%s"}}', "postgrest": '["%s"]', "database": '[("%s")]'}


def mermaid(drawn: Mapping[str, Any]) -> Raw:
    """Return the lines of a diagram; an empty text where there is nothing to draw, or too much.

    Arguments:
        drawn: what ``graph.picture`` gave.
    """
    nodes, lines = drawn["nodes"], drawn["lines"]
    if not nodes or len(nodes) + len(lines) > _MOST_LINES:
        return Raw("")
    names = {node["key"]: "n%d" % number for number, node in enumerate(nodes)}
    kinds = {node["key"]: node["kind"] for node in nodes}
    within = {line["from_key"]: line["to_key"] for line in lines if _is_inside(kinds, line)}
    text = ["flowchart LR"]
    for node in nodes:
        if node["kind"] != "cluster" and node["key"] not in within:
            text.append("  " + _node(names, node))
    for node in nodes:
        if node["kind"] == "cluster":
            text.append('  subgraph %s["cluster %s"]' % (names[node["key"]], label(_with_state(node))))
            text += ["    " + _node(names, other) for other in nodes if within.get(other["key"]) == node["key"]]
            text.append("  end")
    text += _lines(names, [line for line in lines if not _is_inside(kinds, line)])
    foreign = [names[node["key"]] for node in nodes if node["state"]["key"] == "foreign"]
    if foreign:
        text.append("  classDef foreign stroke:#c0262d,stroke-width:3px")
        text.append("  class %s foreign" % ",".join(foreign))
    return Raw("\n".join(text))


def label(text: str) -> str:
    """Return text for a label: what isn't a letter, a digit or harmless is written by its number."""
    return "".join(sign if sign.isalnum() or sign in " -.," else "#%d;" % ord(sign) for sign in text)


def _is_inside(kinds: Dict[str, str], line: Mapping[str, Any]) -> bool:
    return kinds[line["from_key"]] == "database" and kinds[line["to_key"]] == "cluster"


def _with_state(node: Mapping[str, Any]) -> str:
    word = node["state"]["word"]
    return "%s (%s)" % (node["label"], word) if word else str(node["label"])


def _node(names: Dict[str, str], node: Mapping[str, Any]) -> str:
    return names[node["key"]] + _SHAPES[node["kind"]] % label(_with_state(node))


def _lines(names: Dict[str, str], lines: List[Mapping[str, Any]]) -> List[str]:
    text, red = [], []
    for number, line in enumerate(lines):
        words = [str(line["connections"])] if line["connections"] else []
        if line["state"]["key"] == "foreign":
            red.append(str(number))
            words.append("foreign")
        elif line["state"]["word"]:
            words.append(line["state"]["word"])
        arrow = "-.->" if line["state"]["key"] == "unseen" else "-->"
        told = '|"%s"|' % label(" ".join(words)) if words else ""
        text.append("  %s %s%s %s" % (names[line["from_key"]], arrow, told, names[line["to_key"]]))
    if red:
        text.append("  linkStyle %s stroke:#c0262d,stroke-width:3px,stroke-dasharray:6 4" % ",".join(red))
    return text
