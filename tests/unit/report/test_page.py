# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages show of a document: nothing that wasn't seen sounds fine, and nothing of anybody's gets through."""

import html
from typing import Any, Iterator

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.filter.audit_pages import audit_pages
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._report.escape import Code, block, for_html, for_markdown
from ansible_collections.bulkhead.stack.plugins.module_utils._report.page import pages
from ansible_collections.bulkhead.stack.tests.unit.report.sample import golden, hostile, huge


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("name", ["broken", "mended", "empty"])
def test_every_document_has_its_pages(name: str) -> None:
    for form in ("html", "markdown"):
        page = pages(golden(name), form)
        assert page["host"]
        assert len(page["findings"]) + len(page["accepted"]) == len(golden(name)["findings"])


def test_the_summary() -> None:
    assert pages(golden("broken"), "html")["summary"] == (
        "7 findings: 2 critical, 3 high, 1 medium and 1 low. 2 things could not be looked at."
    )
    assert pages(golden("mended"), "html")["summary"] == "No findings."
    blind = dict(golden("mended"), unseen=[{"thing": "cluster main", "reason": "didn't answer within 5 s"}])
    assert pages(blind, "html")["summary"] == "No findings in what could be seen. 1 thing could not be looked at."


def test_the_gravest_first_and_an_unknown_severity_before_all() -> None:
    document = golden("broken")
    document["findings"][-2]["severity"] = "apocalyptic"
    page = pages(document, "html")
    assert [item["severity"]["word"] for item in page["findings"]][:3] == ["apocalyptic", "critical", "critical"]
    assert [item["anchor"] for item in page["findings"] + page["accepted"]] == [
        "finding-%d" % number for number in range(1, 9)
    ]


def test_accepted_ones_stand_apart_with_reason_and_date() -> None:
    page = pages(golden("broken"), "html")
    assert [(item["thing"], item["until"]) for item in page["accepted"]] == [("postgres", "2027-01-01")]
    assert "looked at by Ada" in page["accepted"][0]["reason"]
    assert sum(count["number"] for count in page["counts"]) == 7


def test_what_wasnt_seen_never_sounds_fine() -> None:
    page = pages(golden("broken"), "html")
    row = next(row for row in page["databases"] if row["database"] == "analytics")
    assert row["verdict"]["word"] == row["may_connect"]["word"] == row["tenants"][0] == "not seen"
    assert row["sessions"] == "sessions not seen"
    assert row["size"] == "size not known"
    states = [row["verdict"], row["may_connect"], row["newest_copy"]]
    service = next(row for row in page["services"] if row["service"] == "langfuse-web")
    states += [service["state"], service["reach"]]
    assert "good" not in [state["tone"] for state in states]


@pytest.mark.parametrize(
    ("age", "rpo", "word"),
    [
        (3600, 3600, "fresh enough"),
        (3601, 3600, "too old"),
        (9, None, "there is one"),
        (None, 60, "none"),
        (None, None, "none"),
    ],
)
def test_the_newest_copy(age: Any, rpo: Any, word: str) -> None:
    document = golden("broken")
    document["databases"] = [dict(document["databases"][1], newest_verified_age_s=age, rpo_s=rpo)]
    state = pages(document, "html")["databases"][0]["newest_copy"]
    assert state["word"] == word
    assert (state["tone"] == "good") == (word == "fresh enough")


def test_long_evidence_is_cut_and_says_so() -> None:
    document = golden("broken")
    document["findings"] = [dict(document["findings"][0], evidence={"how": "sql", "query": "x", "shown": "row\n" * 99})]
    shown = pages(document, "html")["findings"][0]["shown"]
    assert shown.count("row") == 15
    assert shown.endswith("… (84 more lines)")
    document["findings"][0]["evidence"]["shown"] = "y" * 1501
    assert pages(document, "html")["findings"][0]["shown"].endswith("y… (1 more letter)")


def test_many_findings_get_a_table_and_most_are_closed() -> None:
    page = pages(huge(), "html")
    assert [(rule["id"], rule["number"]) for rule in page["rules"]] == [("BH103", 200)]
    assert sum(item["open"] for item in page["findings"]) == 20
    assert pages(golden("broken"), "html")["rules"] == []


@pytest.mark.parametrize("document", [{"schema": 2}, {}, [], None], ids=str)
def test_another_document_is_refused(document: Any) -> None:
    with pytest.raises(InputError, match="has schema .*; these pages show schema 1"):
        pages(document, "html")
    with pytest.raises(AnsibleFilterError, match="Make it anew"):
        audit_pages(document, "html")


def test_another_form_is_refused() -> None:
    with pytest.raises(InputError, match="There is no form 'pdf'.*There are: html, markdown"):
        pages(golden("empty"), "pdf")


def test_a_hostile_document_is_harmless() -> None:
    for text in texts(pages(hostile(golden("broken")), "html")):
        assert not set(text) & set("<>\"'\u202e\x00")


@settings(max_examples=100)
@given(st.text())
def test_html_shows_what_it_was(text: str) -> None:
    escaped = for_html({"one": [text]})["one"][0]
    assert not set(escaped) & set("<>\"'")
    fit = html.unescape(escaped)
    assert len(fit) == len(text)
    assert all(left == right or left == "\ufffd" for left, right in zip(fit, text))


@settings(max_examples=100)
@given(st.text(alphabet="ab`|<>*_\\ \n&#~$[]"))
def test_a_block_ends_where_it_ends(text: str) -> None:
    lines = block(text, "sh").split("\n")
    fence = lines[-1]
    assert lines[0] == fence + "sh"
    assert set(fence) == {"`"}
    assert fence not in "\n".join(lines[1:-1])


def test_markdown_on_one_line() -> None:
    assert for_markdown("a|b\n# *c* <d> & $e") == r"a\|b \# \*c\* \<d\> \& \$e"
    assert for_markdown(Code("a|b ``c")) == r"``` a\|b ``c ```"
    assert for_markdown(Code("")) == ""
    assert for_markdown([1, True, None]) == [1, True, None]
