# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log's file: lines of one chain, appended under a lock and synced; its head goes to the system's log too."""

import contextlib
import errno
import fcntl
import os
import pwd
import syslog
import time
from datetime import datetime, timezone
from typing import Any, Dict, Iterator, List, Optional

from .._core.errors import ConflictError, OutsideError
from .._core.text import iso_utc
from .._journal.chain import has_whole_line, next_lines, split_lines
from .files import make_private_folder, sync_folder

IDENT = "bulkhead"
# How long another run may hold the lock: it appends a line, and lets go.
_LOCK_S = 30
_TAIL_BYTES = 64 * 1024


class AuditLog:
    """One audit log.

    Arguments:
        path: the file; None or empty where none is kept: then nothing is written.
    """

    def __init__(self, path: Optional[str]) -> None:
        self._path = path or ""

    def append(self, event: str, **facts: Any) -> Dict[str, Any]:
        """Append one line, synced; return it. What is destroyed is written here before.

        Its moment is this one, and who runs this is added to its facts as ``by``.

        Arguments:
            facts: of JSON types, and never secrets.

        Raises:
            InputError: the facts aren't JSON. ConflictError: another run holds the lock. OutsideError: it can't be
            written; it is as it was.
        """
        if not self._path:
            return {}
        folder = os.path.dirname(os.path.abspath(self._path))
        make_private_folder(folder)
        try:
            is_new = not os.path.lexists(self._path)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            handle = os.open(self._path, flags, 0o600)
            try:
                self._lock(handle)
                at = iso_utc(datetime.now(timezone.utc))
                data, lines = next_lines(_tail(handle), at, event, dict(facts, by=_who()))
                _write_whole(handle, data)
                if is_new:
                    sync_folder(folder)
            finally:
                os.close(handle)
        except OSError as error:
            why = "it is a link" if error.errno == errno.ELOOP else (error.strerror or str(error)).lower()
            raise OutsideError(
                "The audit log %s can't be written: %s." % (self._path, why),
                "Free some space there, or correct the path. What isn't written down isn't done.",
            ) from error
        for line in lines:
            _tell_system(line)
        return lines[-1]

    def content(self) -> bytes:
        """Return the file as it is, no line half-written by a run that is at it; empty where there is none."""
        if not self._path:
            return b""
        try:
            with open(self._path, "rb") as stream:
                self._lock(stream.fileno(), fcntl.LOCK_SH)
                return stream.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise OutsideError(
                "The audit log %s can't be read: %s." % (self._path, (error.strerror or str(error)).lower()),
                "Correct the path, or read it as its owner.",
            ) from error

    def _lock(self, handle: int, kind: int = fcntl.LOCK_EX) -> None:
        deadline = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise ConflictError(
                        "Another process has held the audit log %s for %d s." % (self._path, _LOCK_S),
                        "See which (`fuser %s`), and run this again." % self._path,
                    ) from error
            time.sleep(0.01)


def _tail(handle: int) -> List[bytes]:
    """Return the last raw lines: so many that one of them is whole, or all."""
    size = os.fstat(handle).st_size
    length = _TAIL_BYTES
    while True:
        start = max(0, size - length)
        lines = split_lines(_read(handle, start, size - start))
        # The first may have begun before.
        tail = lines if start == 0 else lines[1:]
        if start == 0 or has_whole_line(tail):
            return tail
        length *= 4


def _read(handle: int, start: int, length: int) -> bytes:
    return b"".join(_chunks(handle, start, length))


def _chunks(handle: int, start: int, length: int) -> Iterator[bytes]:
    while length > 0:
        chunk = os.pread(handle, length, start)
        if not chunk:
            return
        yield chunk
        start, length = start + len(chunk), length - len(chunk)


def _write_whole(handle: int, data: bytes) -> None:
    """Append all of it, or nothing: on a disk that is full the file gets its old length back."""
    before = os.fstat(handle).st_size
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, before)
        raise


def _who() -> str:
    """Return as whom this runs, and for whom."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = "user %d" % os.getuid()
    behind = os.environ.get("SUDO_USER")
    return "%s (sudo of %s)" % (user, behind) if behind else user


def _tell_system(line: Dict[str, Any]) -> None:
    """Hand the head's hash to the system's log; a machine without one takes it as well, and forgets it."""
    syslog.openlog(IDENT, 0, syslog.LOG_AUTH)
    syslog.syslog(
        syslog.LOG_NOTICE, "audit log: line %d, event %s, head %s" % (line["seq"], line["event"], line["sha256"])
    )
    syslog.closelog()
