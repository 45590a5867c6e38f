# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a project's files: journal first, then the backup, then the file; or take a file away."""

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional

from .._core.errors import ConflictError, OutsideError
from .._core.text import iso_utc
from .files import append_json_line, make_private_folder, read_bytes_or_none, sha256, sync_folder, write_atomically


@dataclass(frozen=True)
class FileChange:
    """One file's content before and after; None is no file."""

    path: str
    before: Optional[bytes]
    after: Optional[bytes]
    mode: int = 0o644


def write_change(change: FileChange, journal: Optional[str] = None, backup: bool = False) -> str:
    """Write one file; return the path of the copy that was put beside it, or an empty text.

    Arguments:
        journal: a JSON lines file; the entry, and a private copy of the old content, are there before the file changes.
        backup: keep the old content beside the file.
    """
    if read_bytes_or_none(change.path) != change.before:
        raise ConflictError(
            "%s was changed by someone else meanwhile; nothing was written." % change.path, "Run this again."
        )
    if journal:
        journal_change(change, journal)
    kept = ""
    if backup and change.before is not None:
        target = os.path.realpath(change.path)
        kept = "%s.%d.%s~" % (target, os.getpid(), time.strftime("%Y-%m-%d@%H:%M:%S"))
        write_atomically(kept, change.before, None, os.stat(target).st_mode & 0o777)
    if change.after is None:
        _remove(change)
    else:
        write_atomically(change.path, change.after, change.before, change.mode)
    return kept


def journal_change(change: FileChange, journal: str) -> None:
    """Write down what a file held and will hold, so that the edit can be taken back, by others' edits too."""
    append_json_line(
        os.path.abspath(journal),
        {
            "time": iso_utc(datetime.now(timezone.utc)),
            "kind": "file",
            "path": os.path.realpath(change.path),
            "before_sha256": None if change.before is None else sha256(change.before),
            "after_sha256": None if change.after is None else sha256(change.after),
            "backup": _store(change.before, journal),
            "after_backup": _store(change.after, journal),
        },
    )


def _store(content: Optional[bytes], journal: str) -> Optional[str]:
    """Keep a file's content beside the journal, privately; return where."""
    if content is None:
        return None
    folder = os.path.join(os.path.dirname(os.path.abspath(journal)), "files")
    make_private_folder(folder)
    stored = os.path.join(folder, sha256(content))
    held = read_bytes_or_none(stored)
    if held != content:
        write_atomically(stored, content, held, 0o600)
    return stored


def _remove(change: FileChange) -> None:
    target = os.path.realpath(change.path)
    try:
        os.unlink(target)
        sync_folder(os.path.dirname(target))
    except OSError as error:
        raise OutsideError("%s can't be removed: %s." % (change.path, (error.strerror or "").lower())) from error
