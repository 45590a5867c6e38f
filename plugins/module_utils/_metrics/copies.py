# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the copies of a database, its drills and its restores say, as metrics."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._core.errors import BulkheadError, InputError
from .._core.schedule import Schedule, parse_schedule
from .._core.text import parse_iso_utc
from .._dumps.catalogue import ENCRYPTED_SUFFIX, Catalogue, Copy, check_database_name, look
from .._dumps.log import DUMPED, log_name
from .._dumps.manifest import COUNTED, LEVELS, ManifestError, parse_verdict
from .._dumps.ports import Folder
from . import families as metric
from .exposition import Samples

# Of how many dumps the slowest says how long the next one may take.
_RECENT = 10
# What a dump leaves free besides, and by how much it may be larger than the one before: as the dump itself reckons.
_RESERVE_BYTES = 8 * 1024 * 1024
_GROWTH = 1.1


@dataclass(frozen=True)
class Watched:
    """One database of the description; folder: empty where it isn't dumped."""

    key: str
    name: str
    cluster: str
    criticality: str = "medium"
    folder: str = ""
    schedule: Optional[Schedule] = None
    rpo_s: Optional[int] = None
    rto_s: Optional[int] = None

    @property
    def labels(self) -> Dict[str, str]:
        """Return the labels of its metrics."""
        return {"cluster": self.cluster, "database": self.key}


def parse_databases(databases: Sequence[Mapping[str, Any]], timezone: str) -> List[Watched]:
    """Return the databases of an option.

    Raises:
        InputError: a key is there twice, or a name or a schedule is wrong.
    """
    found: List[Watched] = []
    for item in databases:
        name = str(item.get("name") or item["key"])
        check_database_name(name)
        if any(other.key == item["key"] for other in found):
            raise InputError("databases has %s twice." % item["key"], "Give each database one entry.")
        found.append(
            Watched(
                item["key"],
                name,
                item["cluster"],
                item.get("criticality") or "medium",
                item.get("folder") or "",
                parse_schedule(str(item["schedule"]), timezone) if item.get("schedule") else None,
                item.get("rpo_s"),
                item.get("rto_s"),
            )
        )
    return found


def add_database(
    samples: Samples,
    watched: Watched,
    folder: Optional[Folder],
    restores: Sequence[Mapping[str, Any]],
    size_bytes: Optional[int],
    now: datetime,
) -> str:
    """Add what there is to say of one database; return why its copies can't be read, an empty text where they can.

    Arguments:
        folder: of its copies; None where it isn't dumped.
        restores: the lines that restores have left, oldest first.
        size_bytes: the database's size on its server, where that is known.
    """
    labels = watched.labels
    samples.add(metric.INFO, 1, {**labels, "datname": watched.name, "criticality": watched.criticality})
    samples.add(metric.RPO, watched.rpo_s, labels)
    samples.add(metric.RTO, watched.rto_s, labels)
    _add_restores(samples, watched, restores)
    if folder is None:
        return ""
    if watched.schedule is not None:
        samples.add(metric.PREVIOUS_DUE, int(watched.schedule.previous(now).timestamp()), labels)
    try:
        catalogue = look(watched.name, folder)
        _add_copies(samples, watched, catalogue, folder, size_bytes, now)
    except BulkheadError as error:
        samples.add(metric.READABLE, False, labels)
        return str(error)
    samples.add(metric.READABLE, True, labels)
    return ""


def _add_copies(
    samples: Samples, watched: Watched, catalogue: Catalogue, folder: Folder, size_bytes: Optional[int], now: datetime
) -> None:
    labels, log = watched.labels, catalogue.log
    newest = catalogue.newest_good(COUNTED, now)
    durations = _durations(folder.json_lines(log_name(watched.name)))
    drills = [verdict for copy in catalogue.copies for verdict in _verdicts(copy, folder)]
    samples.add(metric.COPIES, len(catalogue.copies), labels)
    samples.add(metric.VERIFIED, len([copy for copy in catalogue.copies if copy.is_good(COUNTED)]), labels)
    if newest is not None:
        samples.add(metric.NEWEST, int(newest.taken_at.timestamp()), labels)
        samples.add(metric.NEWEST_SIZE, newest.size_bytes, labels)
        samples.add(metric.DURATION, _seconds((newest.manifest or {}).get("duration_s")), labels)
        for level in LEVELS:
            samples.add(metric.LEVEL, newest.level == level, {**labels, "level": level})
    samples.add(metric.LONGEST, max(durations) if durations else None, labels)
    samples.add(metric.FAILING, bool(log.failure), labels)
    samples.add(metric.FAILED_AT, _moment(log.failed_at), labels)
    samples.add(metric.HELD, bool(log.hold), labels)
    try:
        samples.add(metric.FREE, folder.free_bytes(), labels)
    except OSError:
        # There is no folder before the first dump.
        samples.add(metric.FREE, None, labels)
    samples.add(metric.NEEDED, needed_bytes(newest, size_bytes), labels)
    _add_drills(samples, labels, drills)


def _add_drills(samples: Samples, labels: Mapping[str, str], drills: List[Dict[str, Any]]) -> None:
    drills = sorted((verdict for verdict in drills if _moment(verdict["at"]) is not None), key=lambda item: item["at"])
    passed = [verdict for verdict in drills if verdict["passed"]]
    if drills:
        samples.add(metric.DRILLED_AT, _moment(drills[-1]["at"]), labels)
        samples.add(metric.DRILL_PASSED, drills[-1]["passed"], labels)
    if passed:
        samples.add(metric.DRILL_DURATION, _seconds(passed[-1].get("seconds")), labels)


def _add_restores(samples: Samples, watched: Watched, restores: Sequence[Mapping[str, Any]]) -> None:
    done = [
        line
        for line in restores
        if line.get("key") == watched.key and line.get("passed") and _moment(line.get("at")) is not None
    ]
    if done:
        newest = max(done, key=lambda line: str(line["at"]))
        samples.add(metric.RESTORED_AT, _moment(newest["at"]), watched.labels)
        samples.add(metric.RESTORE_DURATION, _seconds(newest.get("seconds")), watched.labels)


def needed_bytes(newest: Optional[Copy], size_bytes: Optional[int]) -> Optional[int]:
    """Return the space that the next dump needs, as the dump itself will reckon; None where nothing is known of it."""
    if newest is not None and newest.manifest is not None:
        size_then = _seconds(newest.manifest.get("database_size_bytes"))
        growth = max(1.0, size_bytes / size_then) if size_bytes and size_then else 1.0
        # What is encrypted lies there twice for a moment.
        times = 2 if newest.dump.endswith(ENCRYPTED_SUFFIX) else 1
        return int(newest.size_bytes * _GROWTH * growth) * times + _RESERVE_BYTES
    return None if size_bytes is None else size_bytes // 2 + _RESERVE_BYTES


def _durations(lines: Sequence[Mapping[str, Any]]) -> List[float]:
    found = [_seconds(line.get("duration_s")) for line in lines if line.get("event") == DUMPED]
    return [seconds for seconds in found if seconds is not None][-_RECENT:]


def _verdicts(copy: Copy, folder: Folder) -> List[Dict[str, Any]]:
    verdicts = []
    for name in copy.files:
        if name.startswith(copy.stem + ".drill_"):
            try:
                verdicts.append(parse_verdict(folder.read(name)))
            except ManifestError:
                # One that can't be read says nothing; the catalogue passes it by as well.
                continue
    return verdicts


def _seconds(value: Any) -> Optional[float]:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _moment(text: Any) -> Optional[int]:
    """Return a moment in unix seconds; None for what is none."""
    try:
        return int(parse_iso_utc(str(text)).timestamp())
    except ValueError:
        return None
