# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the target: read whole, written whole or not at all."""

import errno
import hashlib
import json
import os
import stat
import tempfile
from typing import Any, Dict, List, Optional

from .._core.errors import ConflictError, InputError, OutsideError


def read_bytes(path: str) -> bytes:
    """Return a file's content.

    Raises:
        InputError: there is no such file, it is a folder, or it can't be read; the message says which.
    """
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise InputError(
            "%s can't be read: %s." % (path, _reason(error)), "Correct the path, or let this user read it."
        ) from error


def read_bytes_or_none(path: str) -> Optional[bytes]:
    """Return a file's content, or None where there is no file of that name."""
    return read_bytes(path) if os.path.lexists(path) else None


def write_atomically(path: str, data: bytes, expected: Optional[bytes], mode: Optional[int] = None) -> None:
    """Replace a file's content in one step; mode and owner are kept, symlinks are followed to the file they name.

    Arguments:
        path: the file. Its folder must exist.
        data: the new content.
        expected: what the file held when it was read (None: no file); another content now means that someone else
        wrote.
        mode: permissions of a file that is new, which then is its folder's owner's; 0600, and ours, by default.

    Raises:
        ConflictError: the file was changed meanwhile. OutsideError: it can't be written; nothing is left behind.
    """
    target = os.path.realpath(path)
    if read_bytes_or_none(target) != expected:
        raise ConflictError("%s was changed by someone else meanwhile; nothing was written." % path, "Run this again.")
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(
            prefix="." + os.path.basename(target) + ".", suffix=".tmp", dir=os.path.dirname(target)
        )
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            if expected is None:
                os.fchmod(stream.fileno(), 0o600 if mode is None else mode)
                folder = os.stat(os.path.dirname(target))
                if mode is not None and os.geteuid() == 0 and folder.st_uid != 0:
                    # Whoever runs Compose there must be able to read it.
                    os.fchown(stream.fileno(), folder.st_uid, folder.st_gid)
            else:
                status = os.stat(target)
                os.fchmod(stream.fileno(), stat.S_IMODE(status.st_mode))
                if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(stream.fileno(), status.st_uid, status.st_gid)
            os.fsync(stream.fileno())
        os.replace(temporary, target)
        temporary = ""
        sync_folder(os.path.dirname(target))
    except OSError as error:
        raise OutsideError("%s can't be written: %s; it is as it was." % (path, _reason(error))) from error
    finally:
        if temporary:
            os.unlink(temporary)


def sync_folder(folder: str) -> None:
    """Make a rename in this folder survive a power cut."""
    handle = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_private_folder(path: str) -> None:
    """Make a folder and its parents; what is made here is 0700. One that is there stays as it is."""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise OutsideError("Folder %s can't be made: %s." % (path, _reason(error))) from error


def append_json_line(path: str, entry: Dict[str, Any]) -> None:
    """Append one JSON line to a file 0600, synced: it is there after a power cut, or not at all."""
    folder = os.path.dirname(os.path.abspath(path))
    make_private_folder(folder)
    line = (json.dumps(entry, sort_keys=True) + "\n").encode("utf-8")
    try:
        with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b") as stream:
            # A line that a power cut left half-written must not swallow this one.
            if stream.seek(0, os.SEEK_END) and (stream.seek(-1, os.SEEK_END), stream.read(1))[1] != b"\n":
                line = b"\n" + line
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(folder)
    except OSError as error:
        raise OutsideError("%s can't be written: %s." % (path, _reason(error))) from error


def read_json_lines(path: str) -> List[Dict[str, Any]]:
    """Return the entries of a JSON lines file, oldest first; a last line that was cut off is left out."""
    content = read_bytes_or_none(path)
    entries = []
    for line in (content or b"").split(b"\n"):
        if line.strip():
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue
    return entries


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "there is no such file"
    if error.errno == errno.EISDIR:
        return "it is a folder"
    return (error.strerror or str(error)).lower()
