# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy that is there and good at this moment: what must be shown before something is destroyed."""

import hashlib
from datetime import datetime
from typing import Any, Dict, List, NamedTuple

from .._core.errors import BulkheadError, StateError
from .._core.text import format_duration, iso_utc
from .catalogue import MANIFEST_SUFFIX, Copy, look
from .manifest import COUNTED
from .ports import Folder
from .verify import HashedFile


class Proven(NamedTuple):
    """A copy whose bytes were just read, its manifest, and that one's hash."""

    copy: Copy
    manifest: Dict[str, Any]
    manifest_sha256: str


def newest_proven(database: str, folder: Folder, level: str, now: datetime, max_age_s: int) -> Proven:
    """Return the newest copy of a database that was verified so far, and whose file is still what the manifest says.

    Raises:
        StateError: there is none, or none that is young enough.
    """
    remedy = "Take one: pg_dump_rotate with dest=%s and verify=read" % folder.path
    remedy += ", and drill it." if level == "drilled" else "."
    faults: List[str] = []
    for copy in reversed(look(database, folder).copies):
        if copy.taken_at > now or not copy.is_good(level) or copy.manifest is None:
            continue
        if (now - copy.taken_at).total_seconds() > max_age_s:
            raise StateError(
                "The newest good copy of %s in %s was taken at %s, and none may be older than %s%s."
                % (database, folder.path, iso_utc(copy.taken_at), format_duration(max_age_s), _besides(faults)),
                remedy,
            )
        fault = _fault_of_bytes(copy, folder)
        if not fault:
            return Proven(copy, copy.manifest, _manifest_sha256(copy.stem, folder))
        faults.append("%s: %s" % (copy.dump, fault))
    raise StateError(
        "There is no copy of %s in %s that was verified to the level %s%s."
        % (database, folder.path, level, _besides(faults)),
        remedy,
    )


def fault_of(database: str, stem: str, manifest_sha256: str, folder: Folder) -> str:
    """Return what is wrong with a copy that was proven before, an empty text where nothing is."""
    try:
        copy = next((copy for copy in look(database, folder).copies if copy.stem == stem), None)
        if copy is None:
            return "it is gone"
        if not copy.is_good(COUNTED):
            return copy.problem or "it was never read back"
        if _manifest_sha256(stem, folder) != manifest_sha256:
            return "its manifest is another one now"
        return _fault_of_bytes(copy, folder)
    except BulkheadError as error:
        return error.message.rstrip(".")


def _fault_of_bytes(copy: Copy, folder: Folder) -> str:
    try:
        same = copy.manifest is not None and HashedFile(folder, copy.dump).hexdigest() == copy.manifest["sha256"]
    except BulkheadError as error:
        return error.message.rstrip(".")
    return "" if same else "its bytes aren't those that were written"


def _manifest_sha256(stem: str, folder: Folder) -> str:
    return hashlib.sha256(folder.read(stem + MANIFEST_SUFFIX)).hexdigest()


def _besides(faults: List[str]) -> str:
    return " (not good any more: %s)" % "; ".join(faults) if faults else ""
