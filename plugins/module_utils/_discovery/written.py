# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A description as YAML that a person goes on with: in the order of the documentation, with its remarks as comments."""

from typing import Any, List, Mapping, Sequence, Tuple

from .._core.yaml_text import dump

_HEADINGS = {
    "clusters": "The Postgres servers.",
    "databases": "How critical each is, and how much of it may be lost, is a guess: only you know. RPO is what may be"
    " lost, RTO how long it may take until it is back.",
    "services": "What uses them. One that isn't here was recognised neither by its image nor by its variables.",
    "postgrest": "PostgREST, each with the database that it serves.",
}
_WIDTH = 116


def as_yaml(platform: Mapping[str, Any], remarks: Mapping[Tuple[str, ...], Sequence[str]], made_at: str) -> str:
    """Return the file for an inventory's group_vars.

    Arguments:
        remarks: lines to stand above an entry, by its path.
        made_at: when the host was looked at, as text.
    """
    lines = ["---"]
    lines += _comment(
        "What was found running on %s. Read it, correct what is wrong, add what is missing:"
        " docs/description.md has every field." % made_at,
        "",
    )
    lines += ["bulkhead_platform:"]
    for kind, things in platform.items():
        if not isinstance(things, Mapping):
            lines += _indented(dump({kind: things}), "  ")
            continue
        lines += [""]
        lines += _comment(_HEADINGS.get(kind, ""), "  ") if kind in _HEADINGS else []
        lines += ["  %s:" % kind if things else "  %s: {}" % kind]
        for name, entry in things.items():
            for remark in remarks.get((kind, name), ()):
                lines += _comment(remark, "    ")
            lines += _indented(_entry(name, entry), "    ")
    return "\n".join(lines) + "\n"


def _entry(name: str, entry: Mapping[str, Any]) -> str:
    """Return a thing as YAML: its fields one a line, what they hold in flow style."""
    lines = ["%s:" % _scalar(name)]
    for field, value in entry.items():
        text = dump(value, flow=True).strip()
        if text.endswith("..."):
            text = text[:-3].strip()
        lines.append("  %s: %s" % (field, text))
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    return dump({text: None}).rpartition(":")[0]


def _indented(text: str, indent: str) -> List[str]:
    return [indent + line for line in text.splitlines()]


def _comment(text: str, indent: str) -> List[str]:
    """Return a comment, broken where it is too long; one that is indented itself is an example and stays whole."""
    if text.startswith("  "):
        return ["%s# %s" % (indent, text)]
    lines, line = [], ""
    for word in text.split():
        if line and len(indent) + 2 + len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = word
        else:
            line = "%s %s" % (line, word) if line else word
    return ["%s# %s" % (indent, part) for part in [*lines, line]]


def summary(platform: Mapping[str, Any], unseen: Sequence[Mapping[str, str]]) -> List[str]:
    """Return what was found, in lines for a terminal."""
    lines = [
        "%d %s%s" % (len(platform.get(kind) or {}), word, "" if len(platform.get(kind) or {}) == 1 else "s")
        for kind, word in (
            ("clusters", "Postgres server"),
            ("databases", "database"),
            ("services", "service"),
            ("postgrest", "PostgREST instance"),
        )
    ]
    for name, database in (platform.get("databases") or {}).items():
        holds = database.get("holds")
        lines.append("  database %s: %s%s" % (name, database["criticality"], ", holds %s" % holds if holds else ""))
    for name, service in (platform.get("services") or {}).items():
        lines.append("  service %s: %s" % (name, service.get("database") or "its database isn't known"))
    return lines + ["can't be seen: %s (%s)" % (item["thing"], item["reason"]) for item in unseen]
