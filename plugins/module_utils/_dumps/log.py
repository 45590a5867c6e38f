# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue's log: one JSON line for each thing that happened to the copies of a database, never changed.

It holds the hash of every manifest, so that a manifest that was changed later shows; which copies are this catalogue's
own, so that nothing else is ever removed; how the last run ended; and the holds on its retention.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Dict, Iterable, Mapping, Optional

from .._core.text import iso_utc
from .ports import Folder

DUMPED, PRUNED, FAILED, HELD, ACKNOWLEDGED = "dumped", "pruned", "failed", "held", "acknowledged"


@dataclass(frozen=True)
class Log:
    """What the lines say, read from first to last.

    Arguments:
        manifests: SHA-256 of the manifest of each copy that should be there, by the copy's stem.
        pruned: stems of the copies that were removed by retention.
        failure: why the last run failed; empty where it didn't.
        failed_at: when, as it stands in the log.
        hold: why retention waits for a person; empty where it doesn't.
        duration_s: how long the last dump took; None where there was none.
    """

    manifests: Mapping[str, str] = field(default_factory=dict)
    pruned: int = 0
    failure: str = ""
    failed_at: str = ""
    hold: str = ""
    duration_s: Optional[float] = None


def log_name(database: str) -> str:
    """Return the name of the log's file."""
    return "catalogue_%s.jsonl" % database


def record(folder: Folder, database: str, event: str, moment: datetime, **more: Any) -> None:
    """Append one line to the log, synced."""
    folder.append_json_line(log_name(database), dict(more, event=event, at=iso_utc(moment)))


def read_log(lines: Iterable[Mapping[str, Any]]) -> Log:
    """Return what the lines of a log say."""
    manifests: Dict[str, str] = {}
    pruned, failure, failed_at, hold = 0, "", "", ""
    duration_s: Optional[float] = None
    for line in lines:
        event, stem = line.get("event"), str(line.get("stem") or "")
        if event == DUMPED:
            manifests[stem] = str(line.get("manifest_sha256") or "")
            failure = failed_at = ""
            duration_s = line.get("duration_s")
        elif event == PRUNED:
            for gone in line.get("stems") or ():
                pruned += manifests.pop(str(gone), None) is not None
        elif event == FAILED:
            manifests.pop(stem, None)
            failure, failed_at = str(line.get("reason") or "it doesn't say why"), str(line.get("at") or "")
        elif event == HELD:
            hold = str(line.get("reason") or "it doesn't say why")
        elif event == ACKNOWLEDGED:
            hold = ""
    return Log(manifests, pruned, failure, failed_at, hold, duration_s)
