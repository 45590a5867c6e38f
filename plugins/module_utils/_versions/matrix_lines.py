# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short of the decision matrix, as lines for a terminal: databases that get the same answer are told together.

The page of Markdown has all of it: every piece of evidence, and why not each of the others.
"""

import re
import textwrap
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .matrix_page import cluster_rows
from .scores import CRITERIA, MOVE, STAY, UPGRADE

_WIDTH = 100
# How many reasons are told that hold for one database of several alone.
_OWN = 3
_CLUSTER_HEADER = ["CLUSTER", "POSTGRESQL", "FIXES UNTIL", "MEMORY", "SIZE", "DATABASES"]
# The whole word would take the room of two columns.
_HEADINGS = {"compatibility": "COMPAT"}
_OPTION_HEADER = ["OPTION", *(_HEADINGS.get(name, name.upper()) for name in CRITERIA), "SUM"]

Decision = Mapping[str, Any]


def lines_of(matrix: Mapping[str, Any]) -> List[str]:
    """Return the matrix as lines for a terminal."""
    lines = _columns(_CLUSTER_HEADER, cluster_rows(matrix)) + [""]
    for group in _groups(matrix["databases"]):
        lines += _group_lines(group) + [""]
    for item in matrix["unused"]:
        lines += _wrapped("%(text)s %(proposal)s" % item, "- ")
    if matrix["unseen"]:
        lines += ["What could not be seen:"]
        for text in matrix["unseen"]:
            lines += _wrapped(text, "  - ")
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _groups(decisions: Sequence[Decision]) -> List[List[Decision]]:
    """Return the decisions in groups of one answer, those first that have something to be done."""
    groups: Dict[Any, List[Decision]] = {}
    for item in decisions:
        answer = item["recommendation"]
        # Of which nothing can be said, each has its own reason.
        key = (item["cluster"], answer["option"] or item["database"], answer["confidence"])
        groups.setdefault(key, []).append(item)
    return sorted(groups.values(), key=lambda group: group[0]["recommendation"]["kind"] in (STAY, None))


def _group_lines(group: Sequence[Decision]) -> List[str]:
    answer = group[0]["recommendation"]
    names = ", ".join(item["database"] for item in group)
    lines = _wrapped("%s: %s Confidence: %s." % (names, answer["summary"], answer["confidence"]), "", "  ")
    if not group[0]["options"]:
        return lines
    lines += _reason_lines(group)
    titles = {option["id"]: short_title(option) for item in group for option in item["options"]}
    rows = {name: [option for item in group for option in item["options"] if option["id"] == name] for name in titles}
    lines += ["  " + line for line in _columns(_OPTION_HEADER, [_row(titles[name], rows[name]) for name in rows])]
    for name, options in rows.items():
        # Of several databases the first tells it: an upgrade is excluded for all of a cluster by the same thing.
        reasons = [option["excluded"][0] for option in options if option["excluded"]]
        if reasons:
            lines += _wrapped("can't %s: %s" % (titles[name], reasons[0]), "  - ", most=2)
    return lines


def _reason_lines(group: Sequence[Decision]) -> List[str]:
    """Return the reasons, each as short as it can be: those of all databases, then those of one alone."""
    told: Dict[str, List[str]] = {}
    for item in group:
        for reason in item["recommendation"]["reasons"]:
            told.setdefault(_first_of(reason), []).append(item["database"])
    common = [reason for reason, names in told.items() if len(names) == len(group)]
    own = ["%s: %s" % (", ".join(names), reason) for reason, names in told.items() if len(names) < len(group)]
    if len(own) > _OWN:
        own = own[:_OWN] + ["and %d more, of one or another: the report has them." % (len(own) - _OWN)]
    lines: List[str] = []
    for text in common + own:
        lines += _wrapped(text, "  - ")
    return lines


def _first_of(reason: str) -> str:
    """Return as many sentences of a reason as a line takes, one at least."""
    sentences = re.split(r"(?<=[.]) ", reason)
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + len(sentence) + 5 > _WIDTH:
            break
        kept += " " + sentence
    return kept


def short_title(option: Mapping[str, Any]) -> str:
    """Return an option in a few words: ``move to main (15)``."""
    text = {STAY: "stay on %s (%d)", UPGRADE: "upgrade %s to %d", MOVE: "move to %s (%d)"}
    return text.get(option["kind"], "upgrade %s to %d, move there") % (option["target"], option["major"])


def _row(title: str, options: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return a row of the table; of several databases from the least to the most."""
    cells = [_span([option["criteria"][name]["score"] for option in options]) for name in CRITERIA]
    return [title, *cells, _sum(options)]


def _sum(options: Sequence[Mapping[str, Any]]) -> str:
    had = [round(option["total"]) for option in options if not option["excluded"]]
    if not had:
        return "excluded"
    return _span(had) + " %" + (" (some)" if len(had) < len(options) else "")


def _span(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else "%d-%d" % (least, most)


def _wrapped(text: str, bullet: str, indent: str = "", most: Optional[int] = None) -> List[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=bullet,
        subsequent_indent=indent or " " * len(bullet),
        break_on_hyphens=False,
        break_long_words=False,
        max_lines=most,
        placeholder=" …",
    )


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> List[str]:
    """Return a table; what the last column has no room for goes on below it."""
    everything = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in everything) for column in range(len(header))]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    lines: List[str] = []
    for row in everything:
        last = textwrap.wrap(row[-1], max(20, _WIDTH - before), break_on_hyphens=False) or [""]
        first = "  ".join(cell.ljust(width) for cell, width in zip([*row[:-1], last[0]], widths))
        lines += [first.rstrip()] + [" " * before + rest for rest in last[1:]]
    return lines
