# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal after a power cut, and an undo that can't see everything."""

import pathlib

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.files import append_json_line, read_json_lines
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import DescriptionError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Sql
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate


def test_a_line_that_was_cut_off_swallows_no_other(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"kind": "sql", "wh')
    append_json_line(str(path), {"kind": "file"})
    append_json_line(str(path), {"kind": "gateway"})
    assert read_json_lines(str(path)) == [{"kind": "file"}, {"kind": "gateway"}]


def test_a_name_with_a_placeholder_in_it_is_shown_as_it_is() -> None:
    assert Sql("COMMENT ON ROLE {} IS %s", ("50%s {}",), ("x",)).display() == "COMMENT ON ROLE \"50%s {}\" IS 'x'"


def test_a_key_can_not_leave_the_backup_root() -> None:
    with pytest.raises(DescriptionError, match="can't name a backup folder"):
        validate(
            {"clusters": {"main": {"container": "c"}}, "databases": {"../../etc": {"cluster": "main", "name": "ok"}}}
        )
