# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as CI reads them."""

import json
from typing import Any, Dict
from xml.etree import ElementTree

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.exports import export
from ansible_collections.bulkhead.stack.plugins.module_utils._audit.kinds import KINDS, evidence, finding
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError

EVIL = 'a"b<c>&\x00\ud800]]>'


@pytest.fixture
def document() -> Dict[str, Any]:
    """Return a document with a finding of each severity, one of them accepted, and names that nobody would choose."""
    shown = evidence("file", "/srv/a/docker-compose.yml:12", "line 12")
    findings = [
        finding("blast-radius", EVIL, "It is %s." % EVIL, evidence("sql", "SELECT 1", EVIL)),
        finding("secret-in-compose", "/srv/a/docker-compose.yml", "It holds one.", shown, edit="Do."),
        finding("checksums-off", "main", "It has none.", evidence("sql", "SHOW data_checksums", "off"), edit="Do."),
        finding("neighbour-absent", "qdrant", "It is absent.", evidence("command", "curl", "no"), url="http://q/"),
    ]
    findings[2]["accepted"] = {"reason": "ZFS has its own", "until": "2027-01-01"}
    unseen = [{"thing": "cluster far", "reason": "no answer"}]
    return {"made_at": "2026-11-25T19:00:00Z", "host": "demo", "findings": findings, "unseen": unseen}


def test_sarif_has_a_result_for_each_finding(document: Dict[str, Any]) -> None:
    found = json.loads(export(document, "sarif"))
    (run,) = found["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [kind.id for kind in KINDS.values()]
    assert [result["ruleId"] for result in run["results"]] == ["BH101", "BH501", "BH606", "BH308"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note", "note"]
    assert run["results"][1]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "srv/a/docker-compose.yml"},
        "region": {"startLine": 12},
    }
    assert "physicalLocation" not in run["results"][0]["locations"][0]
    suppressions = [result.get("suppressions") for result in run["results"]]
    assert suppressions[2] == [
        {"kind": "external", "status": "accepted", "justification": "ZFS has its own (until 2027-01-01)"}
    ]
    assert suppressions[0] is suppressions[1] is suppressions[3] is None
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"] == "Not seen: cluster far: no answer"


def test_a_finding_keeps_its_fingerprint(document: Dict[str, Any]) -> None:
    def prints() -> Any:
        return [item["partialFingerprints"] for item in json.loads(export(document, "sarif"))["runs"][0]["results"]]

    before = prints()
    document["findings"][1]["text"] = "It holds two."
    assert prints() == before
    assert len({str(item) for item in before}) == 4
    document["host"] = "other"
    assert not {str(item) for item in prints()} & {str(item) for item in before}


def test_junit_has_a_suite_for_each_kind(document: Dict[str, Any]) -> None:
    suites = ElementTree.fromstring(export(document, "junit").encode("utf-8"))
    assert len(suites) == len(KINDS) + 1
    by_name = {suite.get("name"): suite for suite in suites}
    radius = by_name["BH101 blast-radius"]
    assert (radius.get("tests"), radius.get("failures"), radius.get("hostname")) == ("1", "1", "demo")
    failure = radius.find("./testcase/failure")
    assert failure is not None and failure.get("type") == "critical"
    # What XML can't hold is replaced, the rest is as it was.
    assert radius.find("./testcase").get("name") == EVIL.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")  # type: ignore[union-attr]
    skipped = by_name["BH606 checksums-off"]
    assert (skipped.get("skipped"), skipped.get("failures")) == ("1", "0")
    assert skipped.find("./testcase/skipped").get("message") == "accepted until 2027-01-01: ZFS has its own"  # type: ignore[union-attr]
    unseen = by_name["unseen"]
    assert (unseen.get("errors"), unseen.find("./testcase/error").get("message")) == ("1", "no answer")  # type: ignore[union-attr]
    passed = by_name["BH604 fsync-off"]
    assert (passed.get("tests"), passed.get("failures"), len(passed[0])) == ("1", "0", 0)


def test_another_form_is_refused(document: Dict[str, Any]) -> None:
    with pytest.raises(InputError, match="There are: sarif, junit"):
        export(document, "xml")
