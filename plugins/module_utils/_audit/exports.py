# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's findings in the forms that CI reads: SARIF 2.1.0 for code scanning, JUnit for test reports."""

import hashlib
import json
import re
from typing import Any, Dict, List, Mapping
from xml.sax.saxutils import escape, quoteattr

from .._core.errors import InputError
from .kinds import KINDS

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_HOME = "https://github.com/bulkhead/stack"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "note": "note"}
# GitHub's scale, from which it takes critical, high, medium and low.
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.0", "low": "3.0", "note": "0.0"}
# What XML 1.0 can't hold, not even escaped.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def export(document: Mapping[str, Any], form: str) -> str:
    """Return the findings as text of one of these forms: ``sarif``, ``junit``.

    Raises:
        InputError: there is no such form.
    """
    if form == "sarif":
        return json.dumps(sarif(document), indent=1) + "\n"
    if form == "junit":
        return junit(document)
    raise InputError("There is no form %s of the audit's findings." % form, "There are: sarif, junit.")


def sarif(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the findings as SARIF 2.1.0; what is accepted is suppressed, and what wasn't seen is a notification."""
    kinds = list(KINDS.values())
    places = {kind.id: index for index, kind in enumerate(kinds)}
    rules = [
        {
            "id": kind.id,
            "name": kind.name,
            "shortDescription": {"text": kind.name},
            "fullDescription": {"text": kind.meaning},
            "defaultConfiguration": {"level": _LEVELS[kind.severity]},
            "properties": {"security-severity": _SCORES[kind.severity], "tags": [kind.of]},
        }
        for kind in kinds
    ]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "bulkhead.stack audit",
                        "informationUri": _HOME,
                        "rules": rules,
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "endTimeUtc": document["made_at"],
                        "toolExecutionNotifications": [
                            {
                                "level": "warning",
                                "message": {"text": "Not seen: %(thing)s: %(reason)s" % item},
                            }
                            for item in document["unseen"]
                        ],
                    }
                ],
                "results": [_result(document, item, places[item["id"]]) for item in document["findings"]],
            }
        ],
    }


def _result(document: Mapping[str, Any], item: Mapping[str, Any], place: int) -> Dict[str, Any]:
    shown = item["evidence"]
    text = "%s: %s %s Mend it: %s" % (item["thing"], item["text"], item["meaning"], item["remedy"])
    identity = "|".join([document["host"], item["id"], item["thing"]])
    location: Dict[str, Any] = {
        "logicalLocations": [
            {
                "name": item["thing"],
                "kind": item["kind"],
                "fullyQualifiedName": "%s/%s" % (document["host"], item["thing"]),
            }
        ]
    }
    path, _colon, line = shown["query"].rpartition(":")
    if shown["how"] == "file" and path.startswith("/") and line.isdigit():
        location["physicalLocation"] = {
            "artifactLocation": {"uri": path.lstrip("/")},
            "region": {"startLine": int(line)},
        }
    result: Dict[str, Any] = {
        "ruleId": item["id"],
        "ruleIndex": place,
        "level": _LEVELS[item["severity"]],
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"bulkhead/v1": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()},
        "properties": {"severity": item["severity"], "evidence": dict(shown)},
    }
    if item["accepted"]:
        reason = "%(reason)s (until %(until)s)" % item["accepted"]
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": reason}]
    return result


def junit(document: Mapping[str, Any]) -> str:
    """Return the findings as JUnit: a suite for each kind of finding, a case for each finding, or one that passes.

    What is accepted is skipped. What wasn't seen is an error: it isn't known to be fine.
    """
    found: Dict[str, List[Mapping[str, Any]]] = {}
    for item in document["findings"]:
        found.setdefault(item["name"], []).append(item)
    suites = [_suite(document, name, found.get(name, [])) for name in KINDS]
    cases = [
        "    <testcase classname=%s name=%s><error message=%s/></testcase>"
        % (_attribute("unseen"), _attribute(item["thing"]), _attribute(item["reason"]))
        for item in document["unseen"]
    ]
    if cases:
        head = '  <testsuite name="unseen" tests="%d" failures="0" errors="%d" skipped="0" timestamp=%s hostname=%s>'
        stamps = (_attribute(document["made_at"].rstrip("Z")), _attribute(document["host"]))
        suites.append("\n".join([head % (len(cases), len(cases), *stamps), *cases, "  </testsuite>"]))
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", *suites, "</testsuites>", ""])


def _suite(document: Mapping[str, Any], name: str, findings: List[Mapping[str, Any]]) -> str:
    kind = KINDS[name]
    lines = []
    for item in findings:
        lines.append("    <testcase classname=%s name=%s>" % (_attribute(name), _attribute(item["thing"])))
        if item["accepted"]:
            reason = "accepted until %(until)s: %(reason)s" % item["accepted"]
            lines.append("      <skipped message=%s/>" % _attribute(reason))
        else:
            text = "%s\nseen by: %s\nshown: %s\nmend it: %s" % (
                item["meaning"],
                item["evidence"]["query"],
                item["evidence"]["shown"],
                item["remedy"],
            )
            lines.append(
                "      <failure type=%s message=%s>%s</failure>"
                % (_attribute(item["severity"]), _attribute(item["text"]), escape(_fit(text)))
            )
        lines.append("    </testcase>")
    if not findings:
        lines.append("    <testcase classname=%s name=%s/>" % (_attribute(name), _attribute("none")))
    skipped = sum(1 for item in findings if item["accepted"])
    head = "  <testsuite name=%s tests=%s failures=%s errors=%s skipped=%s timestamp=%s hostname=%s>" % tuple(
        _attribute(str(value))
        for value in (
            "%s %s" % (kind.id, kind.name),
            max(1, len(findings)),
            len(findings) - skipped,
            0,
            skipped,
            document["made_at"].rstrip("Z"),
            document["host"],
        )
    )
    return "\n".join([head, *lines, "  </testsuite>"])


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)


def _attribute(text: str) -> str:
    return quoteattr(_fit(text))
