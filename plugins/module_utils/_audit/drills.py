# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts of drills, as they lie beside the copies."""

from datetime import datetime
from typing import Any, Dict, List

from .._core.errors import BulkheadError
from .._core.text import iso_utc
from .._dumps.catalogue import look
from .._dumps.manifest import ManifestError, parse_verdict
from .._dumps.ports import Folder


def read_drills(database: str, folder: Folder, now: datetime) -> List[Dict[str, Any]]:
    """Return the drills of a database's copies, oldest first: ``at``, ``ok``, ``seconds``, and ``path`` of the verdict.

    Those that are dated in the future are left out.
    """
    found = []
    for copy in look(database, folder).copies:
        for name in copy.files:
            if not name.startswith(copy.stem + ".drill_"):
                continue
            try:
                verdict = parse_verdict(folder.read(name))
            except (ManifestError, BulkheadError):
                # One that can't be read says nothing; the catalogue passes it by as well.
                continue
            seconds = verdict.get("seconds")
            found.append(
                {
                    "at": verdict["at"],
                    "ok": verdict["passed"],
                    "seconds": seconds if isinstance(seconds, (int, float)) else None,
                    "path": folder.path.rstrip("/") + "/" + name,
                }
            )
    return sorted((item for item in found if item["at"] <= iso_utc(now)), key=lambda item: str(item["at"]))
