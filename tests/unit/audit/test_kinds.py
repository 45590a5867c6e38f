# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of findings, what is known of releases, and what a finding says."""

import pathlib
import re
import shlex
import string
from datetime import date, timedelta

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.kinds import (
    KINDS,
    SEVERITIES,
    evidence,
    finding,
    known_words,
    named,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.releases import (
    AS_OF,
    END_OF_LIFE,
    RELEASES,
    end_of_life,
    open_holes,
    split,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_identifiers_and_names_are_unique_and_documented() -> None:
    assert len({kind.id for kind in KINDS.values()}) == len(KINDS) >= 40
    rows = re.findall(r"^\| `(BH\d{3})` \| `([a-z-]+)` \| (\w+) \|", (ROOT / "docs" / "audit.md").read_text(), re.M)
    assert rows == [(kind.id, kind.name, kind.severity) for kind in KINDS.values()]
    for kind in KINDS.values():
        assert re.fullmatch(r"BH[1-9]\d\d", kind.id)
        assert kind.severity in SEVERITIES
        assert named(kind.id) is named(kind.name) is kind
    assert named("blast") is None
    assert {"BH101", "blast-radius"} <= set(known_words())


def test_a_remedy_names_playbooks_and_variables_that_there_are() -> None:
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    site = (ROOT / "playbooks" / "site.yml").read_text()
    for kind in KINDS.values():
        for name in re.findall(r"bulkhead\.stack\.(\w+)", kind.remedy):
            assert name in playbooks, kind
        for tags in re.findall(r"--tags ([a-z,]+)", kind.remedy):
            assert all(re.search(r"tags:.*\b%s\b" % tag, site) for tag in tags.split(",")), kind


@pytest.mark.parametrize("name", list(KINDS))
def test_a_name_with_quotes_can_not_break_out_of_a_remedy(name: str) -> None:
    kind = KINDS[name]
    fields = [field for _text, field, _form, _conversion in string.Formatter().parse(kind.remedy) if field]
    evil = "x'; rm -rf $(pwd) #\n"
    values = {field: "psql" if field in ("edit", "psql") else evil for field in fields}
    made = finding(name, "thing", "It is.", evidence("sql", "SELECT  1\n", "shown"), **values)
    if evil in values.values():
        # Whole words: nothing of it stands outside of its quotes.
        assert any(evil in word for word in shlex.split(made["remedy"]))
    assert made["evidence"] == {"how": "sql", "query": "SELECT 1", "shown": "shown"}
    assert (made["id"], made["severity"], made["kind"], made["accepted"]) == (kind.id, kind.severity, kind.of, None)


def test_evidence_is_short() -> None:
    assert len(evidence("sql", "SELECT 1", "x" * 10000)["shown"]) == 501


@pytest.mark.parametrize(
    ("number", "expected"), [(150020, (15, 20)), (100023, (10, 23)), (90624, (9, 24)), (180000, (18, 0))]
)
def test_a_version_is_a_major_and_a_minor(number: int, expected: "tuple[int, int]") -> None:
    assert split(number) == expected


def test_a_minor_lacks_what_later_ones_closed() -> None:
    assert open_holes(150020) is None
    holes = open_holes(150019)
    assert holes is not None
    assert (holes["fixed_in"], len(holes["cves"])) == ("15.20", 42)
    older = open_holes(150004)
    assert older is not None
    assert older["fixed_in"] == "15.20"
    assert {"CVE-2023-5869", "CVE-2026-6473", "CVE-2026-120154"} <= set(older["cves"])
    assert len(set(older["cves"])) == len(older["cves"])
    # A minor that closed nothing is none of these: 15.17 lacks what 15.18 closed, and no more than 15.16 does.
    newer, same = open_holes(150017), open_holes(150016)
    assert newer is not None and same is not None
    assert newer["cves"] == same["cves"]
    # What isn't known isn't claimed.
    assert open_holes(990000) is None


def test_releases_are_in_order_and_complete() -> None:
    days = [release.day for release in RELEASES]
    assert days == sorted(days, reverse=True)
    assert days[0] <= AS_OF
    for newer, older in zip(RELEASES, RELEASES[1:]):
        for major, minor in newer.minors.items():
            assert minor > older.minors.get(major, -1)
    for release in RELEASES:
        assert all(re.fullmatch(r"CVE-20\d\d-\d{4,6}", cve) for cve in release.closed)
        # A major that has ended gets nothing any more, but for the release of that very day.
        assert all(END_OF_LIFE[major] + timedelta(days=1) > release.day for major in release.minors)
    assert end_of_life(150020) == date(2027, 11, 11)
    assert end_of_life(990000) is None
