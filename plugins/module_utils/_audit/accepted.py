# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings that the description accepts until a day, with a reason."""

from typing import Any, Dict, List

from .._core.errors import InputError
from .kinds import SEVERITIES, evidence, finding, named
from .view import View

Row = Dict[str, Any]


def accept(view: View) -> None:
    """Mark what is accepted; what was accepted until a day that is over counts again, and says so."""
    today = view.now.date().isoformat()
    for index, item in enumerate(view.wanted.get("accepted") or []):
        kind = named(item["finding"])
        matching = [
            found for found in view.findings if kind and found["id"] == kind.id and found["thing"] == item["thing"]
        ]
        for found in matching:
            if today <= item["until"]:
                found["accepted"] = {"reason": item["reason"], "until": item["until"]}
            else:
                found["text"] += " It was accepted until %s (%s)." % (item["until"], item["reason"])
        if not matching:
            text = "It accepts %s of %s, and there is no such finding." % (item["finding"], item["thing"])
            shown = evidence("file", "bulkhead_platform.accepted[%d]" % index, "%(finding)s of %(thing)s" % item)
            edit = "Take accepted[%d] out of the description, or correct its thing." % index
            view.add(finding("acceptance-unmatched", "accepted[%d]" % index, text, shown, edit=edit))


def failing(findings: List[Row], severity: str) -> List[Row]:
    """Return the findings that count and are at least that grave; none where no severity is given.

    Raises:
        InputError: there is no such severity.
    """
    if not severity:
        return []
    if severity not in SEVERITIES:
        raise InputError("There is no severity %s." % severity, "There are: %s." % ", ".join(SEVERITIES))
    limit = SEVERITIES.index(severity)
    return [item for item in findings if not item["accepted"] and SEVERITIES.index(item["severity"]) <= limit]
