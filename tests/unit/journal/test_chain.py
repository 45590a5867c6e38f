# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: whatever is done to it afterwards shows, and nothing that happened to it is lost."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Callable, Dict, List

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.audit_log import AuditLog
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError, OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Secret
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.chain import (
    DAMAGE_NOTED,
    GENESIS,
    next_lines,
    split_lines,
    verify,
)

AT = "2026-11-23T10:15:00Z"
FACTS = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=9), max_size=3)


def written(count: int) -> bytes:
    """Return a log of so many lines."""
    content = b""
    for number in range(count):
        content += next_lines(split_lines(content), AT, "dropped", {"database": "db_%d" % number})[0]
    return content


def problems(content: bytes, expected_head: str = "") -> List[Any]:
    """Return kind and line of what is wrong with a log."""
    return [(item.kind, item.line) for item in verify(split_lines(content), expected_head).problems]


def test_a_log_that_nobody_touched_has_no_problem() -> None:
    found = verify(split_lines(written(3)))
    assert found.problems == ()
    assert [(line["seq"], line["event"], line["facts"]) for line in found.entries] == [
        (number + 1, "dropped", {"database": "db_%d" % number}) for number in range(3)
    ]
    assert found.entries[0]["previous"] == GENESIS
    assert [line["previous"] for line in found.entries[1:]] == [line["sha256"] for line in found.entries[:-1]]
    assert found.head == found.entries[-1]["sha256"]
    assert verify([]).head == GENESIS


def resealed(lines: List[bytes]) -> None:
    """Change the second line and give it a hash that fits, as one does who knows how."""
    facts = dict(json.loads(lines[1])["facts"], database="another")
    lines[1] = next_lines(lines[:1], AT, "dropped", facts)[0]


def duplicate_field(lines: List[bytes]) -> None:
    """Put a field in twice: which of them counts is a matter of the reader."""
    lines[1] = lines[1].replace(b'"event"', b'"event":"harmless","event"')


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda lines: lines.__setitem__(1, lines[1].replace(b"db_1", b"db_9")), [("changed", 2)]),
        (lambda lines: lines.__setitem__(1, lines[1].replace(b",", b", ", 1)), [("changed", 2)]),
        (duplicate_field, [("changed", 2)]),
        (resealed, [("changed", 3)]),
        (lambda lines: lines.__delitem__(1), [("removed", 2)]),
        (lambda lines: lines.__delitem__(0), [("removed", 1)]),
        (lambda lines: lines.__delitem__(slice(1, 3)), [("removed", 2)]),
        (lambda lines: lines.insert(1, lines.pop(2)), [("reordered", 2), ("reordered", 3)]),
        (lambda lines: lines.insert(3, lines[1]), [("reordered", 4)]),
        (lambda lines: lines.__setitem__(1, lines[1][:40] + b"\n"), [("half", 2)]),
        (lambda lines: lines.__setitem__(3, lines[3][:40]), [("half", 4)]),
        (lambda lines: lines.__setitem__(1, b'{"seq": true}\n'), [("half", 2)]),
        (lambda lines: lines.__setitem__(1, b"\x00" * 50 + b"\n"), [("half", 2)]),
    ],
)
def test_tampering_shows_where_it_is(tamper: Callable[[List[bytes]], Any], found: List[Any]) -> None:
    lines = split_lines(written(4))
    tamper(lines)
    assert problems(b"".join(lines)) == found
    assert verify(lines).is_broken


def test_an_end_that_was_cut_off_shows_against_a_head_from_elsewhere() -> None:
    content = written(4)
    heads = [line["sha256"] for line in verify(split_lines(content)).entries]
    shorter = b"".join(split_lines(content)[:3])
    assert problems(shorter) == []
    assert problems(shorter, heads[3]) == [("cut_off", 3)]
    assert problems(b"", heads[3]) == [("cut_off", 0)]
    # An older head is there still; so is one that was the last.
    assert problems(content, heads[1]) == problems(content, heads[3]) == problems(b"", GENESIS) == []


def test_a_log_that_was_written_anew_shows_against_a_head_from_elsewhere() -> None:
    head = verify(split_lines(written(2))).head
    anew = next_lines([], "2026-11-23T10:15:01Z", "dropped", {"database": "db_0"})[0]
    assert problems(anew) == []
    assert problems(anew, head) == [("cut_off", 1)]


@given(facts=st.lists(FACTS, min_size=1, max_size=4), data=st.data())
def test_any_byte_that_is_changed_or_lost_shows(facts: List[Dict[str, Any]], data: st.DataObject) -> None:
    content = b""
    for item in facts:
        content += next_lines(split_lines(content), AT, "dropped", item)[0]
    found = verify(split_lines(content))
    assert (found.problems, [line["facts"] for line in found.entries]) == ((), facts)
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.sampled_from([b"", *(bytes([number]) for number in range(256))]))
    changed = content[:place] + byte + content[place + 1 :]
    # The last line's newline is no part of it.
    assume(changed not in (content, content[:-1]))
    assert verify(split_lines(changed), found.head).is_broken


@given(length=st.integers(0, len(written(3)) - 1))
def test_a_power_cut_anywhere_is_named_by_the_next_line_and_ends_no_chain(length: int) -> None:
    cut = written(3)[:length]
    before = verify(split_lines(cut))
    data, lines = next_lines(split_lines(cut), AT, "dropped", {"database": "after"})
    after = verify(split_lines(cut + data))
    # Nothing of what was there is lost: it is the beginning of what is there now.
    assert after.entries == before.entries + tuple(lines)
    assert not after.is_broken
    half = [(item.kind, item.noted) for item in after.problems]
    assert half == [("half", True)] * len(before.problems)
    assert [line["event"] for line in lines] == [DAMAGE_NOTED] * len(before.problems) + ["dropped"]


def test_a_changed_last_line_stays_a_problem_when_others_follow() -> None:
    content = written(2).replace(b"db_1", b"db_9")
    data, lines = next_lines(split_lines(content), AT, "dropped", {"database": "after"})
    assert [line["event"] for line in lines] == [DAMAGE_NOTED, "dropped"]
    found = verify(split_lines(content + data))
    assert [(item.kind, item.line, item.noted) for item in found.problems] == [("changed", 2, False)]
    assert found.is_broken


@pytest.mark.parametrize("fact", [Secret("hunter2"), b"bytes", {1, 2}, float("nan")])
def test_facts_are_json(fact: Any) -> None:
    with pytest.raises(InputError, match="can't be written to the audit log") as raised:
        next_lines([], AT, "dropped", {"fact": fact})
    assert "hunter2" not in str(raised.value)


def test_the_file_is_private_and_says_who(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state" / "audit.jsonl"
    log = AuditLog(str(path))
    line = log.append("dropped", database="archon_db")
    assert (line["seq"], line["facts"]["database"], bool(line["facts"]["by"])) == (1, "archon_db", True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert verify(split_lines(log.content())).head == line["sha256"]
    assert AuditLog(None).append("dropped") == {}


def test_a_line_longer_than_what_is_read_of_the_end(tmp_path: pathlib.Path) -> None:
    log = AuditLog(str(tmp_path / "audit.jsonl"))
    for _number in range(3):
        log.append("dropped", tables=["x" * 150_000])
    with (tmp_path / "audit.jsonl").open("ab") as stream:
        stream.write(b"y" * 200_000)
    log.append("dropped")
    found = verify(split_lines(log.content()))
    assert ([line["seq"] for line in found.entries], found.is_broken) == ([1, 2, 3, 4, 5], False)


def test_what_is_no_file_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutsideError, match="it is a link"):
        AuditLog(str(tmp_path / "link")).append("dropped")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(OutsideError, match="is a directory"):
        AuditLog(str(tmp_path)).append("dropped")


def test_many_processes_give_one_chain(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "audit.jsonl")
    script = (
        "import sys\n"
        "from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.audit_log import AuditLog\n"
        "for number in range(15): AuditLog(sys.argv[1]).append('dropped', process=sys.argv[2], number=number)\n"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    running = [
        subprocess.Popen([sys.executable, "-c", script, path, str(number)], env=environment) for number in range(8)
    ]
    assert [process.wait(timeout=60) for process in running] == [0] * 8
    found = verify(split_lines(AuditLog(path).content()))
    assert found.problems == ()
    assert [line["seq"] for line in found.entries] == list(range(1, 121))
    wrote = [(line["facts"]["process"], line["facts"]["number"]) for line in found.entries]
    assert sorted(wrote) == sorted((str(process), number) for process in range(8) for number in range(15))
