# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook has done, by phase: collected while it runs, and told as a short table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

# So many things of a phase are named; the rest is counted.
_NAMED = 8
_ELLIPSIS = "..."


@dataclass
class Phase:
    """One role, or the tasks of a play that are in none.

    Arguments:
        name: the role's name without its collection, or the play's.
        seconds: how long its tasks took.
        changes: what was changed, each once, in order, with its host.
        failures: which of all failures of the run were its own, by host, in order.
    """

    name: str
    seconds: float = 0.0
    changes: Dict[Tuple[str, str], None] = field(default_factory=dict)
    failures: Dict[str, List[int]] = field(default_factory=dict)

    def add_changes(self, host: str, things: Sequence[str]) -> None:
        """Add what was changed on a host."""
        self.changes.update({(host, thing): None for thing in things})

    def add_failure(self, host: str, number: int) -> None:
        """Add a task that failed: of all that did, which one."""
        self.failures.setdefault(host, []).append(number)


def things_changed(result: Mapping[str, Any], task: str) -> List[str]:
    """Return what a task's result says that it changed: its ``changes``, what its diff is of, or the task's name."""
    if not result.get("changed"):
        return []
    found: List[str] = []
    for item in result.get("results") or [result]:
        if isinstance(item, Mapping) and item.get("changed"):
            found += _named(item)
    return found or [task]


def kept_changes(result: Mapping[str, Any], task: str) -> List[str]:
    """Return what a loop that failed had changed with the items that went well."""
    items = result.get("results")
    if not isinstance(items, list):
        return []
    well = [item for item in items if isinstance(item, Mapping) and not item.get("failed") and item.get("changed")]
    return things_changed({"changed": True, "results": well}, task) if well else []


def _named(result: Mapping[str, Any]) -> List[str]:
    changes = result.get("changes")
    if isinstance(changes, list) and changes and all(isinstance(item, str) for item in changes):
        return list(changes)
    diffs = result.get("diff") or []
    headers = [
        item.get("after_header") or item.get("before_header")
        for item in (diffs if isinstance(diffs, list) else [diffs])
        if isinstance(item, Mapping)
    ]
    return [str(header) for header in headers if header]


def outcome(phase: Phase, ends: Mapping[str, int], check: bool) -> str:
    """Return in a few words how a phase ended.

    Arguments:
        ends: the failure that ended the run of each host, 0 where none did; empty while the playbook runs.
        check: whether it was only looked what would be done.
    """
    if phase.failures:
        return "failed" + _afterwards(phase, ends)
    if phase.changes:
        return "%d %s" % (len(phase.changes), "would change" if check else "changed")
    return "as it should be"


def _afterwards(phase: Phase, ends: Mapping[str, int]) -> str:
    """Return what a rescue block made of the failures: those that didn't end a host's run were caught."""
    if not ends:
        return ""
    if not any(ends.get(host) in numbers for host, numbers in phase.failures.items()):
        return ", rescued"
    # The first was caught, and what had been done was taken back before another one ended it.
    return ", taken back" if all(len(numbers) > 1 for numbers in phase.failures.values()) else ""


def ends_of(phases: Sequence[Phase], hosts: Mapping[str, Mapping[str, int]]) -> Dict[str, int]:
    """Return which failure ended the run of each host, 0 where none did: the last one, if it wasn't caught.

    Arguments:
        hosts: the recap's numbers, by host.
    """
    found = {}
    for host, numbers in hosts.items():
        ended = numbers.get("failures") or numbers.get("unreachable")
        failures = [number for phase in phases for number in phase.failures.get(host, [])]
        found[host] = max(failures) if ended and failures else 0
    return found


def duration(seconds: float) -> str:
    """Return how long something took, in a column's width."""
    minutes, rest = divmod(seconds, 60)
    return "%d min %02d s" % (minutes, rest) if minutes else "%.1f s" % rest


def line(phase: Phase, check: bool) -> str:
    """Return the line of a phase that has just ended."""
    return "%-24s %-20s %12s" % (phase.name, outcome(phase, {}, check), duration(phase.seconds))


def table(
    phases: Sequence[Phase], hosts: Mapping[str, Mapping[str, int]], check: bool, unchanged: bool, width: int
) -> List[str]:
    """Return the lines of the closing table.

    Arguments:
        hosts: the recap's numbers, by host.
        unchanged: whether phases are listed in which nothing changed.
        width: columns of the terminal; longer lines are cut off.
    """
    ends = ends_of(phases, hosts)
    shown = [phase for phase in phases if unchanged or phase.changes or phase.failures]
    rows = [["phase", "result", "took", "would change" if check else "changed"]]
    for phase in shown:
        first = [phase.name, outcome(phase, ends, check), duration(phase.seconds)]
        for thing in _listed(phase, len(hosts) > 1) or [""]:
            rows.append([*first, thing])
            first = ["", "", ""]
    if len(rows) == 1:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), row[3]]
        lines.append(_cut("  ".join(cells).rstrip(), width))
    return [lines[0], "-" * min(width, max(map(len, lines))), *lines[1:]]


def _listed(phase: Phase, several: bool) -> List[str]:
    things = ["%s: %s" % change if several else change[1] for change in phase.changes]
    if len(things) > _NAMED + 1:
        return [*things[:_NAMED], "and %d more" % (len(things) - _NAMED)]
    return things


def _cut(text: str, width: int) -> str:
    text = printable(text)
    return text if len(text) <= width else text[: max(0, width - len(_ELLIPSIS))] + _ELLIPSIS


def printable(text: str) -> str:
    """Return a text without what would steer a terminal: names on a server or a host are anybody's."""
    return "".join(character if character.isprintable() or character == "\t" else " " for character in text)


def message_lines(message: Any) -> Iterator[str]:
    """Yield the lines of a message as a person reads them: a list's items and a mapping's keys each on its own."""
    if isinstance(message, str):
        yield from message.rstrip("\n").split("\n")
    elif isinstance(message, Mapping):
        for key, value in message.items():
            if isinstance(value, (Mapping, list, tuple)) and value:
                yield "%s:" % key
                yield from ("  " + text for text in message_lines(value))
            else:
                yield "%s: %s" % (key, _scalar(value))
    elif isinstance(message, (list, tuple)):
        for item in message:
            first, *rest = list(message_lines(item)) or [""]
            yield "- " + first
            yield from ("  " + text for text in rest)
    else:
        yield _scalar(message)


def _scalar(value: Any) -> str:
    names = {True: "true", False: "false"}
    return names[value] if isinstance(value, bool) else "null" if value is None else str(value)
