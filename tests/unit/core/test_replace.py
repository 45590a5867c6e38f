# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact replacements, and an edit that is taken out of a file that others have edited since."""

from typing import Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.replace import Replacement, replace, without_edit

LINE = Replacement(b'target_db="postgres"', b'target_db="archon_db"')


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_everything_else_stays_byte_for_byte(end: bytes) -> None:
    content = b"\xef\xbb\xbf# caf\xe9" + end + b'\tlocal target_db="postgres"' + end
    assert replace(content, [LINE], "f") == content.replace(b'"postgres"', b'"archon_db"')
    assert replace(replace(content, [LINE], "f"), [LINE], "f") == replace(content, [LINE], "f")


def test_a_text_that_is_a_part_of_the_new_one_is_replaced_once() -> None:
    longer = Replacement(b"db=postgres", b"db=postgres_archon")
    assert replace(b"db=postgres\n", [longer], "f") == b"db=postgres_archon\n"
    assert replace(b"db=postgres_archon\n", [longer], "f") == b"db=postgres_archon\n"


@pytest.mark.parametrize(
    ("content", "edit", "says"),
    [
        (b"nothing of it", LINE, "0 times, not 1"),
        (b'target_db="postgres" target_db="postgres"', LINE, "2 times, not 1"),
        (b'target_db="archon_db" target_db="postgres" target_db="postgres"', LINE, "2 times, not 1"),
        (b"x", Replacement(b"", b"y"), "replaces nothing"),
        (b"x", Replacement(b"x", b"x"), "replaces nothing"),
    ],
)
def test_what_is_not_as_said_is_told(content: bytes, edit: Replacement, says: str) -> None:
    with pytest.raises(BulkheadError, match=says):
        replace(content, [edit], "/srv/start.sh")


BEFORE = b"A=1\nURL=old\nB=2\nC=3\n"
AFTER = b"A=1\nURL=new\nB=2\nC=3\n"


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (AFTER, BEFORE),
        (AFTER + b"D=4\n", BEFORE + b"D=4\n"),
        (b"# mine\n" + AFTER, b"# mine\n" + BEFORE),
        (AFTER.replace(b"C=3", b"C=33"), BEFORE.replace(b"C=3", b"C=33")),
        # Somebody else gave it another value, or took it away: that is theirs.
        (AFTER.replace(b"new", b"newer"), None),
        (b"A=1\nB=2\nC=3\n", None),
        (b"", None),
    ],
)
def test_an_edit_is_taken_out_among_others(current: bytes, expected: Optional[bytes]) -> None:
    assert without_edit(BEFORE, AFTER, current) == expected


def test_an_edit_that_added_or_removed_lines_is_taken_out() -> None:
    assert without_edit(b"a\nb\n", b"a\nx\ny\nb\n", b"a\nx\ny\nb\nc\n") == b"a\nb\nc\n"
    assert without_edit(b"a\nx\nb\n", b"a\nb\n", b"0\na\nb\n") == b"0\na\nx\nb\n"
    assert without_edit(b"", b"x\n", b"x\ny\n") == b"y\n"
