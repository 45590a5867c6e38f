# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's document as lines for a terminal."""

from typing import Any, Dict, List, Mapping

from .._core.text import format_duration, format_size
from .copies import kept_label

Row = Dict[str, Any]


def lines_of(document: Mapping[str, Any]) -> List[str]:
    """Return the document as lines."""
    lines = _table(
        ["CLUSTER", "DATABASE", "BLAST RADIUS", "HOLDS", "SIZE", "NEWEST VERIFIED COPY"],
        [
            [
                row["cluster"],
                row["database"],
                row["verdict"] or "can't be seen",
                _holds(row),
                "-" if row["size_bytes"] is None else format_size(row["size_bytes"]),
                "none" if row["newest_verified"] is None else format_duration(row["newest_verified_age_s"]) + " old",
            ]
            for row in document["databases"]
        ],
    )
    lines += [""] + _table(
        ["SERVICE", "STATE", "RESOLVES THE HOST", "SERVED FROM"],
        [
            [
                row["service"],
                "%s%s" % (row["state"] or "absent", " (%s)" % row["health"] if row["health"] else ""),
                {True: "yes", False: "no"}.get(row["resolves"], "-"),
                row["served_from"] or "-",
            ]
            for row in document["services"]
        ],
    )
    lines += [""]
    if document["kept"]:
        lines += _table(
            ["KEPT", "UNTIL", "WHY"],
            [[kept_label(item), item["until"][:10], item["reason"] or "-"] for item in document["kept"]],
        ) + [""]
    if document["unseen"]:
        lines.append("What could not be seen, and may be fine or not:")
        lines += ["  %(thing)s: %(reason)s" % item for item in document["unseen"]] + [""]
    return lines + _findings(document["findings"])


def _findings(findings: List[Row]) -> List[str]:
    counting = [item for item in findings if not item["accepted"]]
    lines = []
    if counting:
        lines.append("%d finding%s:" % (len(counting), "" if len(counting) == 1 else "s"))
    else:
        lines.append("No findings.")
    for item in counting:
        lines.append("[%(severity)s] %(thing)s: %(text)s (%(id)s %(name)s)" % item)
        lines.append("    seen by: %s" % item["evidence"]["query"])
        lines.append("    mend it: %s" % item["remedy"])
    accepted = [item for item in findings if item["accepted"]]
    if accepted:
        lines.append("%d accepted:" % len(accepted))
        for item in accepted:
            lines.append("[%(severity)s] %(thing)s: %(text)s (%(id)s %(name)s)" % item)
            lines.append("    accepted until %(until)s: %(reason)s" % item["accepted"])
    return lines


def _holds(row: Mapping[str, Any]) -> str:
    parts = ["%s (%d)" % item for item in sorted(row["tenants"].items())]
    parts += ["%s (%d, archive)" % item for item in sorted(row["archived"].items())]
    return ", ".join(parts) or "-"


def _table(header: List[str], rows: List[List[str]]) -> List[str]:
    table = [header] + rows
    widths = [max(len(line[column]) for line in table) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
