# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx' worker processes: which configuration requests meet is seen by who serves them.

``nginx -s reload`` only sends a signal. Requests reach the new configuration when new workers have begun and the old
ones have stopped listening, which they say in their process title (nginx' manual, "Controlling nginx").
"""

import re
from typing import List, NamedTuple, Optional, Sequence, Tuple

# Constant, and made of what every image with a shell has. Field 22 of stat is the start, in ticks since boot (proc(5)).
COMMAND: Tuple[str, ...] = (
    "sh",
    "-c",
    "grep btime /proc/stat; for p in /proc/[0-9]*; do"
    ' printf "process %s title " "$p"; cat "$p/cmdline"; printf " stat "; cat "$p/stat" || echo;'
    " done 2>/dev/null; true",
)

# What Linux tells user space, whatever the kernel's own clock does (proc(5), sysconf(_SC_CLK_TCK)).
_TICKS_PER_S = 100
_PROCESS = re.compile(r"^process /proc/(\d+) title (.*?) stat (?:\d+ \(.*\) \S (.*))?$")
_STARTED_FIELD = 22 - 4
# The boot's time is told in whole seconds.
_TOLERANCE_S = 2.0


class Worker(NamedTuple):
    """A worker process. started_at is a Unix time, None where it can't be told; leaving: it takes no new connection."""

    pid: int
    leaving: bool
    started_at: Optional[float]


def parse_workers(output: str) -> List[Worker]:
    """Return the workers in what COMMAND printed."""
    found = re.search(r"^btime (\d+)", output, re.MULTILINE)
    workers = []
    for line in output.replace("\0", " ").splitlines():
        process = _PROCESS.match(line)
        if process is None or not process.group(2).startswith("nginx: worker process"):
            continue
        fields = (process.group(3) or "").split()
        started_at = None
        if found is not None and len(fields) > _STARTED_FIELD:
            started_at = int(found.group(1)) + int(fields[_STARTED_FIELD]) / _TICKS_PER_S
        workers.append(Worker(int(process.group(1)), "shutting down" in process.group(2), started_at))
    return workers


def has_reloaded(before: Sequence[Worker], now: Sequence[Worker]) -> bool:
    """Return whether none of the workers that were there takes connections any more, and others do."""
    old = {worker.pid for worker in before}
    serving = [worker.pid for worker in now if not worker.leaving]
    return bool(serving) and not old.intersection(serving)


def is_older_than(workers: Sequence[Worker], changed_at: float, now: float) -> bool:
    """Return whether a worker that serves began before a file changed, so that it can't know what the file says.

    Arguments:
        changed_at: the file's time. A time in the future tells nothing.
    """
    if changed_at > now:
        return False
    starts = [worker.started_at for worker in workers if not worker.leaving and worker.started_at is not None]
    return any(start + _TOLERANCE_S < changed_at for start in starts)
