# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's pages, written by the role and opened in a browser: on a phone, on a desk, in the dark, on paper."""

import base64
import json
import os
import pathlib
import subprocess
import sys
import uuid
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from ansible_collections.bulkhead.stack.tests.unit.report.sample import HOSTILE, golden, hostile, huge

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: bulkhead.stack.audit
        tasks_from: pages
      loop: "{{ names }}"
      vars:
        audit_document: "{{ lookup('ansible.builtin.file', folder ~ '/' ~ item ~ '.json') | from_json }}"
        bulkhead_audit_html: "{{ folder }}/{{ item }}.html"
        bulkhead_audit_markdown: "{{ folder }}/{{ item }}.md"
"""
# A browser that ended by itself says nothing of the page, and is started once more.
BROWSER_ENDED = 75
PHONE = {"width": 390, "height": 844}
VIEWS = {
    "phone": PHONE,
    "small-phone-dark": {"width": 360, "height": 740, "scheme": "dark"},
    "desk": {"width": 1280, "height": 900},
    "desk-dark": {"width": 1280, "height": 900, "scheme": "dark"},
    # Who reads in the dark prints black on white all the same.
    "paper": {"width": 760, "height": 1000, "scheme": "dark", "media": "print"},
}


def browse(asked: str) -> subprocess.CompletedProcess[str]:
    """Have a browser look at what was asked, in a container of its own."""
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--label", "bulkhead.test=true"]
    command += ["--name", "bulkhead-test-%s" % uuid.uuid4().hex[:8], "bulkhead/browser:1"]
    return subprocess.run(command, input=asked, capture_output=True, text=True, check=False, timeout=180)


class Pages:
    """The pages of some documents, and what a browser says of them."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.seen: dict[str, Any] = {}

    def write(self, documents: dict[str, Any]) -> None:
        """Write them as the role does."""
        for name, document in documents.items():
            (self.folder / (name + ".json")).write_text(json.dumps(document), encoding="utf-8")
        (self.folder / "play.yml").write_text(PLAY, encoding="utf-8")
        variables = {"folder": str(self.folder), "names": list(documents), "ansible_python_interpreter": sys.executable}
        (self.folder / "variables.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", str(self.folder / "play.yml")]
        command += ["-e", "@%s" % (self.folder / "variables.yml")]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    def text(self, name: str) -> str:
        """Return a file that was written."""
        return (self.folder / name).read_text(encoding="utf-8")

    def look(self, name: str, views: dict[str, Any]) -> Any:
        """Open a page in the browser, once; return what was seen."""
        if name not in self.seen:
            asked = json.dumps({"html": self.text(name + ".html"), "views": views, "print": "paper" in views})
            done = browse(asked)
            if done.returncode == BROWSER_ENDED:
                done = browse(asked)
            assert done.returncode == 0, done.stderr[-2000:]
            found = json.loads(done.stdout)
            kept = os.environ.get("BULKHEAD_PICTURES")
            for view, seen in found["views"].items():
                picture = base64.b64decode(seen.pop("png", ""))
                if kept and picture:
                    (pathlib.Path(kept) / ("%s-%s.png" % (name, view))).write_bytes(picture)
            self.seen[name] = found
        return self.seen[name]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Pages:
    """Write the pages of every document."""
    subprocess.run([str(ROOT / "images" / "build.sh"), "bulkhead/browser:1"], check=True, stdout=subprocess.PIPE)
    made = Pages(tmp_path_factory.mktemp("pages"), environment)
    documents = {name: golden(name) for name in ("broken", "mended", "empty")}
    made.write(dict(documents, hostile=hostile(golden("broken")), huge=huge()))
    return made


def look(pages: Pages, name: str) -> Any:
    """Open one of the pages as is fit for it: pictures of the huge one would take longer than they tell."""
    views = {"broken": VIEWS, "huge": {"phone": dict(PHONE, picture=False)}}
    return pages.look(name, views.get(name, {"phone": PHONE, "desk": VIEWS["desk"]}))


EVERY = pytest.mark.parametrize("name", ["broken", "mended", "empty", "hostile", "huge"])


@EVERY
def test_the_page_is_valid_and_asks_for_nothing(pages: Pages, name: str) -> None:
    seen = look(pages, name)
    assert seen["mistakes"] == []
    assert seen["requests"] == []
    assert seen["complaints"] == []
    assert [view["scripts"] for view in seen["views"].values()] == [0] * len(seen["views"])


@EVERY
def test_it_can_be_read_wherever_it_is_opened(pages: Pages, name: str) -> None:
    for view, found in look(pages, name)["views"].items():
        assert found["client_width"] == VIEWS[view]["width"]
        assert found["scroll_width"] <= found["client_width"], view
        for trouble in ("wide", "pale", "small", "cut", "overlapping"):
            assert found[trouble] == [], (view, trouble)
        # No heading is deeper by two than the one before it.
        levels = found["levels"]
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False)), view


def test_the_measures_see_what_is_wrong(pages: Pages) -> None:
    page = pages.text("broken.html")
    assert page.count("--muted: #535c66") == 1
    spoilt = page.replace("--muted: #535c66", "--muted: #b0b6bc").replace("<main ", '<main style="width: 500px" ')
    spoilt = spoilt.replace("</main>", '</main><img src="http://192.0.2.1/x.png"><script>document.title = 1</script>')
    spoilt = spoilt.replace(">supabase-kong</text>", ">supabase-kong-with-more-to-its-name</text>")
    (pages.folder / "spoilt.html").write_text(spoilt, encoding="utf-8")
    seen = pages.look("spoilt", {"phone": dict(PHONE, picture=False)})
    found = seen["views"]["phone"]
    assert found["scroll_width"] > found["client_width"] == 390
    assert found["wide"]
    assert found["pale"]
    assert "supabase-kong-with-more-to-its-name" in found["cut"]
    assert any("wcag/h37" in mistake for mistake in seen["mistakes"])
    # What the page's own policy forbids isn't even asked for, and its script doesn't run.
    assert seen["requests"] == [] or seen["complaints"]
    assert any("Content Security Policy" in complaint for complaint in seen["complaints"])
    assert seen["title"] != "1"


def test_findings_come_first_and_with_words(pages: Pages) -> None:
    text = look(pages, "broken")["views"]["phone"]["text"]
    places = [
        text.index(part)
        for part in (
            "7 findings: 2 critical, 3 high, 1 medium and 1 low. 2 things could not be looked at.",
            "What could not be seen",
            "it is restarting; nothing could be asked from inside of it",
            "Dropping postgres takes the tables of archon, flowise and supabase with it.",
            "ansible-playbook bulkhead.stack.site -i inventories/mine --tags isolate,postgrest",
            "Before: as it is",
            "After: as described",
            "What goes with each database",
            "2 wider gaps, the longest of 3 d",
            "Accepted until 2027-01-01:",
        )
    ]
    assert places == sorted(places)


def test_an_empty_platform_has_a_whole_page(pages: Pages) -> None:
    text = look(pages, "empty")["views"]["desk"]["text"]
    for part in ("No findings.", "There is nothing to draw.", "No database was seen.", "No service was seen."):
        assert part in text
    assert "There is no description of this host" in text


def test_what_is_printed_is_whole_and_on_few_sheets(pages: Pages) -> None:
    seen = look(pages, "broken")
    # Lines in words are closed on a screen; paper can't be opened.
    assert "Who is connected to what." in seen["views"]["paper"]["text"]
    assert 3 <= seen["sheets"] <= 10
    assert base64.b64decode(seen["pdf"]).startswith(b"%PDF-")


def test_a_huge_platform_stays_usable(pages: Pages) -> None:
    size = (pages.folder / "huge.html").stat().st_size
    assert size < 2 * 1024 * 1024
    text = look(pages, "huge")["views"]["phone"]["text"]
    assert "149 boxes that nobody is connected to are folded" in text
    # Each database is on the page, folded or not.
    assert all("tenant_%03d_production" % number in text for number in range(200))


def test_a_hostile_name_is_shown_as_what_it_is(pages: Pages) -> None:
    found = look(pages, "hostile")["views"]["desk"]
    shown = " ".join(HOSTILE.replace("\u202e", "\ufffd").split())
    assert " ".join(found["text"].split()).count(shown) > 30
    # Nothing of it was taken for a template.
    assert str(7 * 191) not in pages.text("hostile.html") + pages.text("hostile.md")


def test_files_are_nobody_elses(pages: Pages) -> None:
    for kind in ("html", "md"):
        assert (pages.folder / ("broken." + kind)).stat().st_mode & 0o777 == 0o600


# --- Markdown ------------------------------------------------------------------------------------------------------


@EVERY
def test_markdown_is_read_as_it_was_meant(pages: Pages, name: str) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(pages.text(name + ".md"))
    headings = [
        tokens[number + 1].content for number, token in enumerate(tokens) if token.tag == "h2" and token.nesting == 1
    ]
    expected = ["Findings", "The platform", "Blast radius", "Backups and drills", "Services", "Kept for a while"]
    unseen = ["? What could not be seen"] if name in ("broken", "hostile") else []
    assert headings == [*unseen, *expected, "Accepted findings"]
    # Nothing of anybody's became HTML: only the line breaks in cells are.
    inline = [child for token in tokens for child in token.children or []]
    assert {child.content for child in inline if child.type == "html_inline"} <= {"<br>"}
    assert not [token for token in tokens if token.type == "html_block"]
    # Each row has as many cells as its head.
    cells, head = 0, 0
    for token in tokens:
        if token.type in ("th_open", "td_open"):
            cells += 1
        elif token.type == "tr_open":
            cells = 0
        elif token.type == "tr_close":
            head = head if head else cells
            assert cells == head
        elif token.type == "table_close":
            head = 0
    assert pages.text(name + ".md").count("```") % 2 == 0 or name == "hostile"


def test_markdown_has_the_same_content(pages: Pages) -> None:
    text = pages.text("broken.md")
    for part in (
        "7 findings: 2 critical, 3 high, 1 medium and 1 low. 2 things could not be looked at.",
        "```sh\nansible-playbook bulkhead.stack.site -i inventories/mine --tags isolate,postgrest\n```",
        "```mermaid\nflowchart LR\n",
        "| archon-server (service) | supabase-kong (gateway) | 6 | ! in another's database  |",
        "**Accepted until 2027-01-01:**",
    ):
        assert part in text
    assert "\n\n\n" not in text


def test_markdown_shows_a_hostile_name_as_what_it_is(pages: Pages) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(pages.text("hostile.md"))
    shown = " ".join(HOSTILE.replace("\u202e", "\ufffd").split())
    cells = [
        "".join(child.content for child in token.children or [])
        for number, token in enumerate(tokens)
        if token.type == "inline" and tokens[number - 1].type in ("td_open", "heading_open", "paragraph_open")
    ]
    assert sum(shown in cell for cell in cells) > 30
