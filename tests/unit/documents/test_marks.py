# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what is between the marks is ours: every other byte stays, whatever the file is."""

from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    ConflictError,
    InputError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._documents.marks import (
    STYLES,
    body_of,
    read_text,
    style_of,
    with_block,
    without_block,
)

BEGIN, END = b"<!-- bulkhead: architecture (begin) -->", b"<!-- bulkhead: architecture (end) -->"
BODY = "## Databases\n\n| a | b |\n| - | - |\n\n```sh\nls\n```\n"

# Pieces of which files are made: every kind of line end, code blocks, tabs, other encodings, marks of other blocks.
PIECES = st.sampled_from(
    [b"text", b"\ttab ", b"", b"~~~", b"```", b"````sh", b"`` `", b"    ```", b"\xe9", "ü".encode(), b"# title",
     b"<!-- bulkhead: other (begin) -->\nx\n<!-- bulkhead: other (end) -->", b"<!-- note -->"]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b""])
FILES = st.builds(
    lambda bom, pairs: bom + b"".join(piece + end for piece, end in pairs),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(PIECES, ENDS), max_size=8),
)


def put(content: bytes, body: str = BODY, style: str = "markdown", name: str = "architecture") -> bytes:
    """Return a file with a block in it."""
    return with_block(read_text("README.md", content, style), name, body).content()


def take(content: bytes, style: str = "markdown", name: str = "architecture") -> bytes:
    """Return a file without the block."""
    return without_block(read_text("README.md", content, style), name).content()


@given(FILES, st.sampled_from(STYLES))
def test_what_is_added_can_be_taken_out_to_the_byte(content: bytes, style: str) -> None:
    try:
        added = put(content, style=style)
    except BulkheadError:
        # Marks of the other block that are glued to another line, or a code block without an end: refused as a whole.
        return
    assert added.startswith(content)
    assert put(added, style=style) == added
    assert take(added, style=style) == content


@given(FILES, FILES, st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_the_rest_stays_byte_for_byte(before: bytes, after: bytes, end: bytes) -> None:
    head = before + (b"" if before.endswith((b"\n", b"\r")) or not before else end)
    content = head + BEGIN + end + b"old" + end + END + end + after
    try:
        changed = put(content, "new\nwords\n")
    except BulkheadError:
        return
    if read_text("README.md", content, "markdown").blocks.get("architecture") is None:
        # The marks were inside of a code block.
        assert changed.startswith(content)
        return
    inner = end + b"new" + end + b"words" + end + end
    assert changed == head + BEGIN + end + inner + END + end + after


def test_two_blocks_are_taken_out_in_any_order() -> None:
    for content in (b"", b"a\n", b"a", b"a\r\nb", b"a\n\n"):
        both = put(put(content), "other words", name="backups")
        assert take(take(both), name="backups") == content
        assert take(take(both, name="backups")) == content


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_blocks_lines_end_as_the_file_does(end: bytes) -> None:
    added = put(b"title" + end)
    assert added.replace(end, b"|").count(b"\n") == added.replace(end, b"|").count(b"\r") == 0
    assert end + BEGIN + end in added


def test_an_edit_by_hand_is_replaced() -> None:
    content = put(b"a\n")
    edited = content.replace(b"## Databases", b"## My databases")
    text = read_text("README.md", edited, "markdown")
    assert "My databases" in body_of(text, "architecture")
    assert put(edited) == content


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ([b"a", BEGIN, b"b"], "line 2: block architecture begins and doesn't end"),
        ([b"a", END], "line 2: block architecture ends and didn't begin"),
        ([BEGIN, BEGIN, END], "line 2: block architecture begins inside of block architecture of line 1"),
        ([BEGIN, END, b"", BEGIN, END], "line 4: block architecture is there twice, first in line 1"),
        ([BEGIN, b"<!-- bulkhead: dns (end) -->", END], "line 2: block dns ends and didn't begin"),
        ([b"<!-- bulkhead: architecture begin -->"], "line 1: is no mark"),
        ([BEGIN, b"```", END], "line 1: block architecture begins and doesn't end outside of the code block of line 2"),
    ],
)
def test_wrong_marks_are_named_by_their_line(lines: List[bytes], place: str) -> None:
    with pytest.raises(ConflictError) as error:
        put(b"\n".join(lines) + b"\n")
    assert place in str(error.value)
    assert "README.md" in str(error.value)


@pytest.mark.parametrize(
    "code",
    [
        b"```\n%s\n%s\n```\n",
        b"~~~~ md\n%s\n~~~\n%s\n~~~~~\n",
        b"   ````\n%s\n```\n%s\n````\n",
        b"```md\n%s\n``` x\n%s\n```\n",
        b"    %s\n    %s\n",
    ],
)
def test_marks_in_code_are_no_marks(code: bytes) -> None:
    content = code % (BEGIN, END)
    assert read_text("README.md", content, "markdown").blocks == {}
    assert put(content).startswith(content + b"\n" + BEGIN)


def test_behind_a_code_block_without_an_end_there_is_no_place() -> None:
    with pytest.raises(ConflictError, match="line 2: a code block begins and doesn't end"):
        put(b"a\n```\nb\n")


def test_a_block_holds_no_mark_and_no_open_code() -> None:
    for body in (BEGIN.decode(), "a\n" + END.decode(), "```\nopen", "a\rb"):
        with pytest.raises(InputError, match="for block architecture of README.md"):
            put(b"", body)


def test_what_is_no_utf8_is_refused_where_it_matters() -> None:
    for content in ("a".encode("utf-16"), b"a\0b"):
        with pytest.raises(InputError, match="no text in UTF-8"):
            put(content)
    assert put(b"caf\xe9\n", "plain").startswith(b"caf\xe9\n")
    with pytest.raises(ConflictError, match="isn't in UTF-8"):
        put(b"caf\xe9\n", "ü")


def test_each_kind_of_file_has_its_comments() -> None:
    assert put(b"A=1\n", "a\n\nb <x>", "hash") == (
        b"A=1\n\n# bulkhead: architecture (begin)\n# a\n#\n# b <x>\n# bulkhead: architecture (end)\n"
    )
    assert b"<pre>\na &lt;x&gt; &amp;\n</pre>" in put(b"<p>\n", "a <x> &", "html")
    assert put(b"", "a <x>", "text").splitlines()[2] == b"a <x>"


@pytest.mark.parametrize(
    ("path", "style"),
    [("/a/README.md", "markdown"), ("/a/CLAUDE.MD", "markdown"), ("/a/x.html", "html"), ("/a/notes.txt", "text"),
     ("/a/.env", "hash"), ("/a/.env.local", "hash"), ("/a/compose.yml", "hash")],
)  # fmt: skip
def test_the_name_says_which(path: str, style: str) -> None:
    assert style_of(path) == style


def test_a_name_that_says_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="Say comments: markdown, html, text or hash"):
        style_of("/a/README")
