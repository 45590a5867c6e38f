# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for several files: what it shows, and what it refuses before anything is written."""

from typing import Any, Dict, Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._documents.blocks import (
    Document,
    in_folder,
    plan_documents,
    result,
)

TEXTS = {"architecture": "one database", "backups": "every day"}


def document(path: str, content: Optional[bytes], *blocks: str, **options: Any) -> Document:
    """Return a document that is no link."""
    return Document(path, options.pop("target", path), content, blocks, **options)


def test_only_blocks_are_shown() -> None:
    outcome = plan_documents([document("/a.md", b"a secret\n", "architecture", "backups")], TEXTS)
    done = result(outcome)
    assert done["changes"] == ["/a.md: block architecture", "/a.md: block backups"]
    assert done["stale"] == ["/a.md"]
    assert "secret" not in str(done["diff"])
    assert "one database" in done["diff"][0]["after"]
    again = plan_documents([document("/a.md", outcome.files["/a.md"], "architecture", "backups")], TEXTS)
    assert (again.plan.changed, again.files, again.stale) == (False, {}, [])


def test_a_block_that_is_taken_out_needs_no_text() -> None:
    content = plan_documents([document("/a.md", b"a", "architecture")], TEXTS).files["/a.md"]
    outcome = plan_documents([document("/a.md", content, "architecture", present=False)], {})
    assert outcome.files == {"/a.md": b"a"}
    assert not plan_documents([document("/a.md", None, "architecture", present=False)], {}).plan.changed


def test_without_create_nothing_is_added_and_that_is_said() -> None:
    outcome = plan_documents([document("/a.md", None, "architecture", create=False)], TEXTS)
    assert not outcome.files
    assert outcome.plan.warnings == [
        "/a.md has no marks for block architecture, and create is false: it was left as it is."
    ]


def test_marks_of_no_known_block_are_told() -> None:
    content = b"<!-- bulkhead: backup (begin) -->\n<!-- bulkhead: backup (end) -->\n"
    outcome = plan_documents([document("/a.md", content, "architecture")], TEXTS)
    assert outcome.plan.warnings == ["/a.md, line 1: there is no block backup; did you mean backups?"]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([document("/a.md", b"", "x")], "there is no text for block x"),
        (
            [document("/a.md", b"", target="/t"), document("/b.md", b"", target="/t")],
            "/a.md and /b.md are the same file",
        ),
        ([document("/Makefile", b"", "backups")], "how comments are written"),
    ],
)
def test_refusals(documents: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_documents(documents, TEXTS)


def test_a_folder_has_a_file_for_each_block_and_an_index() -> None:
    texts: Dict[str, str] = dict(TEXTS, index="all")
    assert in_folder("/docs", texts) == [
        ("/docs/architecture.md", "architecture"), ("/docs/backups.md", "backups"), ("/docs/README.md", "index")
    ]  # fmt: skip
