# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run over several databases: what takes longest begins first, what fails stops nothing else, and a summary."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import BulkheadError
from .._core.text import format_size, iso_utc
from .rotate import RotateRequest

Command = Sequence[str]
# Runs a hook with more variables in its environment. Raises BulkheadError where it fails.
RunHook = Callable[[Command, Mapping[str, str]], None]


@dataclass(frozen=True)
class Job:
    """One database of a run.

    Arguments:
        key: what the description calls it.
        due: whether a dump is due, as it was when the run began.
        seconds_before: how long its last dump took; None where there was none.
        before, after: commands around its dump, run on this host, only where one is due.
    """

    key: str
    request: RotateRequest
    folder: str
    due: bool
    seconds_before: Optional[float] = None
    before: Tuple[Command, ...] = ()
    after: Tuple[Command, ...] = ()


@dataclass
class Outcome:
    """What became of one database."""

    key: str
    result: Dict[str, Any] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """Say it in a word: failed, dumped, or current where nothing was due."""
        if self.error:
            return "failed"
        return "dumped" if self.result.get("due") else "current"


def run_jobs(
    jobs: Sequence[Job],
    rotate: Callable[[Job], Dict[str, Any]],
    at_once: int,
    run_hook: Optional[RunHook] = None,
) -> List[Outcome]:
    """Rotate the copies of each database; return what became of each, in the order in which they were given.

    Arguments:
        rotate: does one. at_once: how many at a time.
        run_hook: without one no hook is run: a check.
    """

    def one(job: Job) -> Outcome:
        started = time.monotonic()
        outcome = Outcome(job.key)
        variables = {"BULKHEAD_DATABASE": job.key, "BULKHEAD_DEST": job.folder}
        try:
            if job.due and run_hook is not None:
                for command in job.before:
                    run_hook(command, variables)
            outcome.result = rotate(job)
        except BulkheadError as error:
            outcome.error = str(error)
        try:
            if job.due and run_hook is not None:
                more = {"BULKHEAD_STATE": outcome.state, "BULKHEAD_DUMP": str(outcome.result.get("dump") or "")}
                for command in job.after:
                    run_hook(command, dict(variables, **more))
        except BulkheadError as error:
            # The copy is good and stays; that what was to follow failed must not pass unseen.
            outcome.error = outcome.error or str(error)
        outcome.seconds = round(time.monotonic() - started, 3)
        return outcome

    # What has no history yet may take long.
    slowest_first = sorted(jobs, key=lambda job: -job.seconds_before if job.seconds_before is not None else -math.inf)
    with ThreadPoolExecutor(max(1, at_once), "dump") as pool:
        running = {job.key: pool.submit(one, job) for job in slowest_first}
        return [running[job.key].result() for job in jobs]


def summarize(outcomes: Sequence[Outcome], now: datetime, seconds: float) -> Dict[str, Any]:
    """Return what a run did, as the line of its log says it."""
    by_state: Dict[str, List[str]] = {"dumped": [], "current": [], "failed": []}
    for outcome in outcomes:
        by_state[outcome.state].append(outcome.key)
    return {
        "at": iso_utc(now),
        "seconds": round(seconds, 3),
        "state": "failed" if by_state["failed"] else "ok",
        **by_state,
        "errors": {outcome.key: outcome.error for outcome in outcomes if outcome.error},
        "held": {outcome.key: outcome.result["hold"] for outcome in outcomes if outcome.result.get("hold")},
        "pruned": {outcome.key: len(outcome.result["pruned"]) for outcome in outcomes if outcome.result.get("pruned")},
        "size_bytes": {
            outcome.key: outcome.result["manifest"]["size_bytes"]
            for outcome in outcomes
            if outcome.result.get("manifest")
        },
        "took": {outcome.key: outcome.seconds for outcome in outcomes if outcome.state != "current"},
    }


def page(outcomes: Sequence[Outcome], summary: Mapping[str, Any], check_mode: bool) -> List[str]:
    """Return the summary as lines for a terminal."""
    width = max([len(outcome.key) for outcome in outcomes] + [8])
    lines = ["%-*s  %-9s  %10s  %8s  %s" % (width, "DATABASE", "DUMP", "SIZE", "SECONDS", "WHAT ELSE")]
    for outcome in outcomes:
        manifest = outcome.result.get("manifest")
        size = format_size(manifest["size_bytes"]) if manifest else ""
        state = "would run" if check_mode and outcome.state == "dumped" else outcome.state
        took = "%.1f" % outcome.seconds if outcome.state != "current" and not check_mode else ""
        row = "%-*s  %-9s  %10s  %8s  %s" % (width, outcome.key, state, size, took, _remark(outcome, check_mode))
        lines.append(row.rstrip())
        if check_mode:
            lines.extend(_reasons(outcome, width))
    dumped, failed = len(summary["dumped"]), len(summary["failed"])
    lines.append(
        "%d due, %d %s, %d failed, %d not due, %d removed, in %.1f s"
        % (
            dumped + failed,
            dumped,
            "to be dumped" if check_mode else "dumped",
            failed,
            len(summary["current"]),
            sum(summary["pruned"].values()),
            summary["seconds"],
        )
    )
    return lines


def _remark(outcome: Outcome, check_mode: bool) -> str:
    if outcome.error:
        return outcome.error
    result, parts = outcome.result, []
    if outcome.state == "current" or check_mode:
        parts.append(str(result.get("due_reason") or ""))
    if result.get("next_due"):
        parts.append("next %s" % result["next_due"])
    if result.get("pruned"):
        parts.append("%s %d" % ("would remove" if check_mode else "removed", len(result["pruned"])))
    if result.get("hold"):
        parts.append("HELD: %s" % result["hold"])
    return "; ".join(part for part in parts if part)


def _reasons(outcome: Outcome, width: int) -> List[str]:
    """Return for a check which copy would go, and why each other one stays."""
    lines = ["%-*s  would go: %s" % (width, "", path) for path in outcome.result.get("pruned") or []]
    for copy in outcome.result.get("kept") or []:
        lines.append("%-*s  stays: %s (%s)" % (width, "", copy["name"], copy["reason"]))
    return lines
