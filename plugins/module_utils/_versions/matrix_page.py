# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision matrix as a page of Markdown, with all of its evidence."""

import textwrap
from typing import Any, Dict, List, Mapping, Optional

from .._core.text import format_size
from .._recovery.markdown import code, plain, table
from .releases import END_OF_LIFE, split
from .scores import CRITERIA

_WIDTH = 110
_MAKERS = "what its makers say isn't known"


def markdown_of(matrix: Mapping[str, Any]) -> str:
    """Return the matrix as a page of Markdown."""
    lines = ["# Which PostgreSQL for which database", "", "As of %s." % matrix["as_of"], ""]
    lines += table(_CLUSTER_HEADER, [[plain(cell) for cell in row] for row in cluster_rows(matrix)]) + [""]
    for item in matrix["databases"]:
        lines += _section(item)
    lines += ["## What the programs need", ""] + table(_NEED_HEADER, _need_rows(matrix)) + [""]
    if matrix["unused"]:
        lines += ["## Not in use", ""]
        lines += ["- %s %s" % (plain(item["text"]), plain(item["proposal"])) for item in matrix["unused"]] + [""]
    if matrix["unseen"]:
        lines += ["## What could not be seen", ""] + ["- %s" % plain(text) for text in matrix["unseen"]] + [""]
    weights = ", ".join("%s %g" % item for item in matrix["weights"].items())
    lines += ["## How it is scored", ""]
    lines += textwrap.wrap(
        "Each criterion gives 0 to 4. They are weighted (%s), and the sum is shown as a part of the most that can be"
        " had, in percent. An option that can't be had is excluded whatever its sum, and where two are worth the same"
        " the one that changes less is recommended." % weights,
        _WIDTH,
    )
    return "\n".join(lines) + "\n"


def _section(item: Mapping[str, Any]) -> List[str]:
    answer = item["recommendation"]
    where = "%s on %s" % (code(item["name"]), code(item["cluster"]))
    if item["size_bytes"] is not None:
        where += ", %s" % format_size(item["size_bytes"])
    if item["services"]:
        where += ", of %s" % ", ".join(code(name) for name in item["services"])
    lines = ["## %s" % plain(item["database"]), "", where + ".", ""]
    lines += ["**%s** Confidence: %s." % (plain(answer["summary"]), answer["confidence"]), ""]
    if answer["reasons"]:
        lines += ["- %s" % plain(text) for text in answer["reasons"]]
        compared = next((option for option in item["options"] if option["id"] == answer["compared_with"]), None)
        lines += ["", "Compared with: %s." % plain(compared["title"])] if compared else []
        lines += [""]
    if not item["options"]:
        return lines
    lines += table(_OPTION_HEADER, [[plain(cell) for cell in row] for row in _option_rows(item)]) + [""]
    if answer["against"]:
        lines += ["Why not the others:", ""] + ["- %s" % plain(other["text"]) for other in answer["against"]] + [""]
    unknown = list(dict.fromkeys(text for option in item["options"] for text in option["unknown"]))
    if unknown:
        lines += ["What isn't known:", ""] + ["- %s" % plain(text) for text in unknown] + [""]
    lines += ["Evidence:", ""]
    for option in item["options"]:
        lines.append("- %s" % plain(option["title"]))
        for name, score in option["criteria"].items():
            lines.append("    - %s %d: %s" % (name, score["score"], plain(score["evidence"] or "not known.")))
    return lines + [""]


_CLUSTER_HEADER = ["CLUSTER", "POSTGRESQL", "FIXES UNTIL", "MEMORY", "SIZE", "DATABASES"]
_OPTION_HEADER = ["OPTION", *(name.upper() for name in CRITERIA), "SUM"]
_NEED_HEADER = ["SERVICE", "PROGRAM", "MINIMUM", "RECOMMENDED", "NEWEST NAMED", "SOURCE"]


def cluster_rows(matrix: Mapping[str, Any]) -> List[List[str]]:
    """Return a row for each cluster."""
    rows = []
    for item in matrix["clusters"]:
        if not item["version"]:
            rows.append([item["cluster"], "can't be seen", "-", "-", "-", "-"])
            continue
        end = END_OF_LIFE.get(split(item["version"])[0])
        rows.append(
            [
                item["cluster"],
                "%d.%d" % split(item["version"]),
                end.isoformat() if end else "not known",
                _size(item["memory_bytes"]),
                _size(item["size_bytes"]),
                ", ".join(item["databases"]),
            ]
        )
    return rows


def _option_rows(item: Mapping[str, Any]) -> List[List[str]]:
    return [
        [option["title"], *(str(score["score"]) for score in option["criteria"].values()), _sum(option)]
        for option in item["options"]
    ]


def _sum(option: Mapping[str, Any]) -> str:
    return "excluded" if option["excluded"] else "%g %%" % option["total"]


def _need_rows(matrix: Mapping[str, Any]) -> List[List[str]]:
    rows = []
    for item in matrix["services"]:
        need: Dict[str, Any] = item["need"]
        least = "what is maintained" if need["maintained"] else _major(need["minimum"])
        source = "%s, %s" % (need["source"], need["as_of"]) if need["source"] else _MAKERS
        program = item["profile"] and "%s %s" % (item["profile"], item["version"] or "(version not known)")
        cells = [item["service"], program or "-", least, _major(need["recommended"]), _major(need["tested_up_to"])]
        rows.append([plain(cell) for cell in cells] + [plain("the description" if need["stated"] else source)])
    return rows


def _major(major: Optional[int]) -> str:
    return "not known" if major is None else str(major)


def _size(size_bytes: Optional[int]) -> str:
    return "not known" if size_bytes is None else format_size(size_bytes)
