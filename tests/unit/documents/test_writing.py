# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing documents: one run at a time."""

import fcntl
import os
import pathlib

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import documents
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError


def test_two_runs_do_not_write_at_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_LOCK_S", 0)
    path = tmp_path / "a.md"
    path.write_bytes(b"one")
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="Another run has held folder"):
            documents.write({str(path): b"two"}, {str(path): b"one"}, None, False)
    finally:
        os.close(handle)
    assert path.read_bytes() == b"one"
    documents.write({str(path): b"two"}, {str(path): b"one"}, None, False)
    assert path.read_bytes() == b"two"
    with pytest.raises(ConflictError, match="changed by someone else meanwhile"):
        documents.write({str(path): b"three"}, {str(path): b"one"}, None, False)
