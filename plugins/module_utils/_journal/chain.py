# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log's chain: each line holds the hash of the line before, so that what was done can't be rewritten unseen.

A line is canonical JSON: ``seq``, ``at``, ``event``, ``facts``, ``previous`` (the hash of the last line before it that
is whole) and ``sha256`` (of itself without that field). Whoever can write the file can write all of it anew: that shows
only against a head that lies elsewhere, in the system's log or in ``expected_head``.

A line that a power cut left half-written stays where it is. The next one names it and its bytes' hash, and goes on from
the last that is whole; so it is neither lost nor hidden, and what follows it is still a chain.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import InputError

GENESIS = "0" * 64
# The event of the line that names damaged ones before it.
DAMAGE_NOTED = "damage_noted"
_FIELDS = {"seq": int, "at": str, "event": str, "facts": dict, "previous": str, "sha256": str}

Line = Dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a log, and where.

    Arguments:
        kind: ``half`` (a line isn't whole), ``changed``, ``removed``, ``reordered``, or ``cut_off`` (the end is
            missing).
        line: the line's number in the file, from 1.
        noted: whether a later line names it: a power cut left it, and the run after that saw it.
    """

    kind: str
    line: int
    message: str
    noted: bool = False

    def to_json(self) -> Dict[str, Any]:
        """Return the problem as a module returns it."""
        return {"kind": self.kind, "line": self.line, "message": self.message, "noted": self.noted}


@dataclass(frozen=True)
class Verified:
    """A log that was read whole: the lines that are what they were when they were written, its head, its problems."""

    entries: Tuple[Line, ...]
    head: str
    problems: Tuple[Problem, ...]

    @property
    def is_broken(self) -> bool:
        """Whether anything is wrong that isn't a power cut's half line, named by the line after it."""
        return any(not problem.noted for problem in self.problems)


def split_lines(content: bytes) -> List[bytes]:
    """Return the raw lines of a file, each with its newline where it has one."""
    return re.findall(rb"[^\n]*\n|[^\n]+", content)


def next_lines(tail: Sequence[bytes], at: str, event: str, facts: Mapping[str, Any]) -> Tuple[bytes, List[Line]]:
    """Return the bytes to append, and the lines that they hold; the last of them is the event's.

    Arguments:
        tail: the file's last raw lines: the last that is whole and all after it, or all of them.
        at: the moment, ISO 8601 in UTC.

    Raises:
        InputError: the facts aren't JSON.
    """
    seq, previous, damaged = _last_whole(tail)
    lines: List[Line] = []
    if damaged:
        noted = {"lines": [hashlib.sha256(_body(raw)).hexdigest() for raw in damaged]}
        lines.append(_sealed(seq + 1, at, DAMAGE_NOTED, noted, previous))
        seq, previous = lines[-1]["seq"], lines[-1]["sha256"]
    lines.append(_sealed(seq + 1, at, event, facts, previous))
    data = b"".join(_canonical(line) + b"\n" for line in lines)
    return (b"" if not tail or tail[-1].endswith(b"\n") else b"\n") + data, lines


def has_whole_line(tail: Sequence[bytes]) -> bool:
    """Whether any of these raw lines is whole, so that a new one can go on from it."""
    return any(_parsed(raw)[1] == "" for raw in tail)


def verify(lines: Sequence[bytes], expected_head: str = "") -> Verified:
    """Verify a log.

    Arguments:
        lines: its raw lines, oldest first, as split_lines returns them.
        expected_head: the hash of a line that must be there, such as the head that the system's log has; empty for
            none.
    """
    walk = _Walk([_parsed(raw) for raw in lines])
    problems: List[Problem] = []
    noted = walk.noted()
    for number, raw in enumerate(lines, 1):
        found = walk.step(number)
        if found is not None:
            is_noted = found.kind == "half" and hashlib.sha256(_body(raw)).hexdigest() in noted
            problems.append(Problem(found.kind, number, found.message, is_noted))
    entries = tuple(line for line, why in walk.parsed if line is not None and not why)
    head = entries[-1]["sha256"] if entries else GENESIS
    if expected_head and expected_head not in {GENESIS, *(line["sha256"] for line in entries)}:
        message = "no line has the hash %s that was expected: the end was cut off, or written anew" % expected_head
        problems.append(Problem("cut_off", len(lines), message))
    return Verified(entries, head, tuple(problems))


class _Walk:
    """Goes through the lines once, and remembers after which one the next must have been written."""

    def __init__(self, parsed: Sequence[Tuple[Optional[Line], str]]) -> None:
        self.parsed = parsed
        self._seqs = {line["seq"] for line, _why in parsed if line is not None}
        self._seq, self._hash, self._unread = 0, GENESIS, 0
        # Where the chain goes on if a changed line was the last when the next was written.
        self._fork: Optional[Tuple[int, str]] = None

    def noted(self) -> List[str]:
        """Return the hashes of the damaged lines that whole ones name."""
        return [
            str(item)
            for line, why in self.parsed
            if line is not None and not why and line["event"] == DAMAGE_NOTED
            for item in line["facts"].get("lines") or ()
        ]

    def step(self, number: int) -> Optional[Problem]:
        """Return what is wrong with a line, or None."""
        line, why = self.parsed[number - 1]
        if line is None:
            self._unread += 1
            return Problem("half", number, "it isn't whole: %s" % why)
        if not why and self._fork == (line["seq"] - 1, line["previous"]):
            self._seq, self._hash = self._fork
        seq, missing = line["seq"], line["seq"] - self._seq - 1
        if missing < 0:
            return Problem("reordered", number, "it is number %d, and stands behind number %d" % (seq, self._seq))
        found = Problem("changed", number, why) if why else None
        if missing > self._unread:
            if self._seq + 1 in self._seqs:
                found = found or Problem(
                    "reordered", number, "it is number %d, before number %d" % (seq, self._seq + 1)
                )
            else:
                found = Problem(
                    "removed", number, "before it %d are missing, from number %d on" % (missing, self._seq + 1)
                )
        elif missing == 0 and line["previous"] != self._hash:
            found = found or Problem("changed", number, "the line before it isn't the one that it was written after")
        self._fork = (self._fork or (self._seq, self._hash)) if why else None
        self._seq, self._hash, self._unread = seq, line["sha256"], 0
        return found


def _last_whole(tail: Sequence[bytes]) -> Tuple[int, str, List[bytes]]:
    """Return number and hash of the last line that is whole, and the raw lines after it."""
    damaged: List[bytes] = []
    for raw in reversed(tail):
        line, why = _parsed(raw)
        if line is not None and not why:
            return line["seq"], line["sha256"], damaged
        damaged.insert(0, raw)
    return 0, GENESIS, damaged


def _parsed(raw: bytes) -> Tuple[Optional[Line], str]:
    """Return a raw line's fields, None where it has none, and what is wrong with it, empty where nothing is."""
    body = _body(raw)
    try:
        line = json.loads(body.decode("ascii"))
    except ValueError:
        return None, "it was cut off, or something else was written over it"
    if not isinstance(line, dict) or set(line) != set(_FIELDS):
        return None, "it hasn't the fields of a line of this log"
    for name, kind in _FIELDS.items():
        if not isinstance(line[name], kind) or isinstance(line[name], bool):
            return None, "its field %s is of the wrong type" % name
    # Compared as bytes: a second field of one name, or another spelling, is a change as well.
    content = {name: value for name, value in line.items() if name != "sha256"}
    if _hash(content) != line["sha256"] or _canonical(line) != body:
        return line, "its content isn't what its hash says"
    return line, ""


def _sealed(seq: int, at: str, event: str, facts: Mapping[str, Any], previous: str) -> Line:
    content = {"seq": seq, "at": at, "event": event, "facts": dict(facts), "previous": previous}
    try:
        # As it will be read again: texts as keys, lists for tuples.
        content = json.loads(_canonical(content))
    except (TypeError, ValueError) as error:
        raise InputError("The facts of the event %s can't be written to the audit log: %s." % (event, error)) from error
    return dict(content, sha256=_hash(content))


def _body(raw: bytes) -> bytes:
    return raw[:-1] if raw.endswith(b"\n") else raw


def _canonical(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()
