# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody's documents: all read first, then written one after the other, or all as they were."""

import contextlib
import fcntl
import os
import time
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import BulkheadError, ConflictError, InputError, OutsideError
from .compose_files import FileChange, write_change
from .files import make_private_folder, read_bytes_or_none

# Writing a few small files takes no longer.
_LOCK_S = 10


def folder_of(path: str) -> str:
    """Return the folder in which a file is, links followed."""
    return os.path.dirname(os.path.realpath(path))


def read(path: str, may_make_folder: bool = False) -> Tuple[str, Optional[bytes]]:
    """Return the file that a path leads to, and what it holds; None where there is none yet.

    Raises:
        InputError: it can't be read, or is in a folder that isn't there.
    """
    target, folder = os.path.realpath(path), folder_of(path)
    if not os.path.isdir(folder) and not may_make_folder:
        raise InputError("%s: there is no folder %s." % (path, folder), "Make the folder, or correct the path.")
    return target, read_bytes_or_none(target)


def write(
    files: Mapping[str, bytes], before: Mapping[str, Optional[bytes]], folder: Optional[str], backup: bool
) -> Dict[str, str]:
    """Write files; return the copies of old content that were kept, by file.

    Arguments:
        files: the new content of each. before: what each was when it was read; None is no file.
        folder: one that is made where it isn't there. backup: whether the old content is kept beside each file.

    Raises:
        ConflictError: somebody else writes. OutsideError: one can't be written; all have their old content.
    """
    if folder:
        make_private_folder(folder)
    kept: Dict[str, str] = {}
    done: List[str] = []
    with _locked([folder_of(path) for path in files]):
        try:
            for path, content in files.items():
                copy = write_change(FileChange(path, before[path], content, 0o600), None, backup)
                done.append(path)
                if copy:
                    kept[path] = copy
        except BulkheadError as error:
            left = _put_back(done, files, before)
            if left:
                raise OutsideError("%s These keep what was written before: %s." % (error, ", ".join(left))) from error
            raise
    return kept


def _put_back(done: Sequence[str], files: Mapping[str, bytes], before: Mapping[str, Optional[bytes]]) -> List[str]:
    """Give files their old content back; return those for which that failed."""
    left = []
    for path in done:
        try:
            write_change(FileChange(path, files[path], before[path]))
        except BulkheadError:
            left.append(path)
    return left


@contextlib.contextmanager
def _locked(folders: Sequence[str]) -> Iterator[None]:
    """Keep other runs from writing in these folders; the kernel gives the locks back when this process ends."""
    with contextlib.ExitStack() as stack:
        # In one order, so that two runs don't wait for each other.
        for folder in sorted(set(folders)):
            try:
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise OutsideError(
                    "Folder %s can't be opened: %s." % (folder, (error.strerror or str(error)).lower())
                ) from error
            stack.callback(os.close, handle)
            _lock(folder, handle)
        yield


def _lock(folder: str, handle: int) -> None:
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise ConflictError(
                    "Another run has held folder %s for %d s; nothing was written." % (folder, _LOCK_S),
                    "Run this again when it has ended.",
                ) from error
        time.sleep(0.01)
