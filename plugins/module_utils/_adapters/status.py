# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that says how far a long task is: one JSON object, replaced whole, so that a reader never sees half of it."""

import contextlib
import json
import os
import time
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, Dict, Mapping, Optional, Type

from .files import make_private_folder

# Telling costs a file each time; more often than this nobody looks.
_EVERY_S = 0.5


class StatusFile:
    """Tells what is being done, while it is being done.

    A status that can't be written stops no work: it is only a status.

    Arguments:
        path: the file; without one nothing is written. thing: what is worked on.
    """

    def __init__(self, path: Optional[str], thing: str) -> None:
        self._path = path
        self._last = 0.0
        self._status: Dict[str, Any] = {"database": thing, "state": "running", "started_at": _now(), "pid": os.getpid()}

    def __enter__(self) -> "StatusFile":
        if self._path:
            make_private_folder(os.path.dirname(os.path.abspath(self._path)))
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._status["state"] = "failed" if error is not None else "done"
        self._write()

    def tell(self, report: Mapping[str, Any]) -> None:
        """Take in what is being done (``doing``) and how much of it; what is new is written at once."""
        is_new = any(self._status.get(key) != report.get(key) for key in ("doing", "table"))
        if report.get("doing") != self._status.get("doing"):
            for key in ("table", "tables_done", "tables_total", "bytes_done", "bytes_total", "seconds"):
                self._status.pop(key, None)
        self._status.update(report)
        if is_new or time.monotonic() - self._last > _EVERY_S:
            self._write()

    def _write(self) -> None:
        if not self._path:
            return
        self._last = time.monotonic()
        self._status["updated_at"] = _now()
        partial = "%s.%d.tmp" % (self._path, os.getpid())
        with contextlib.suppress(OSError):
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
                json.dump(self._status, stream, sort_keys=True)
            os.replace(partial, self._path)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
