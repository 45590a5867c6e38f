"""Names of databases that take each other's place, and the memory that drills share."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.choose import Wanted
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.drill import Drill, Memory, Outcome, run_all
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.places import (
    aside_name,
    check_leave,
    name_with,
    scratch_name,
)

MOMENT = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: len(name.encode("utf-8")) <= 63
)
WIDE = st.text(st.sampled_from("aé日😀"), min_size=10, max_size=60).filter(lambda name: len(name.encode("utf-8")) <= 63)


def test_names() -> None:
    assert aside_name("archon_db", MOMENT) == "archon_db_before_20261123T101500Z"
    berlin = MOMENT.astimezone(timezone(timedelta(hours=1)))
    assert aside_name("archon_db", berlin) == aside_name("archon_db", MOMENT)
    assert scratch_name("archon_db", "a1b2") == "archon_db_restoring_a1b2"
    assert name_with("x" * 63, "_y") == "x" * 61 + "_y"
    # Three bytes each: the one that doesn't fit goes whole.
    assert name_with("日" * 21, "_y") == "日" * 20 + "_y"


@given(NAMES | WIDE, st.sampled_from(["_before_20261123T101500Z", "_restoring_0123456789ab", "_größe"]))
def test_a_name_is_cut_where_a_character_ends(name: str, suffix: str) -> None:
    found = name_with(name, suffix)
    assert len(found.encode("utf-8")) <= 63
    assert found.endswith(suffix)
    kept = found[: len(found) - len(suffix)]
    assert name.startswith(kept)
    rest = name[len(kept) :]
    # No more than had to go.
    assert not rest or len((kept + rest[0] + suffix).encode("utf-8")) > 63


def test_sessions_are_ended_with_leave_only() -> None:
    archon = {"role": "archon", "application": "no name", "address": "172.17.0.3", "sessions": 2}
    n8n = {"role": "n8n", "application": "x", "address": "a local socket", "sessions": 1}
    check_leave([], "archon_db", False)
    check_leave([archon], "archon_db", True)
    said = r"archon_db is in use: 2 of archon \(no name, from 172.17.0.3\), 1 of n8n \(x, from a local socket\)\."
    with pytest.raises(StateError, match=said) as error:
        check_leave([archon, n8n], "archon_db", False)
    assert "end_sessions=true" in str(error.value)


def test_never_more_memory_than_there_is() -> None:
    memory, lock, in_use, most = Memory(100), threading.Lock(), [0], [0]

    def one(drill: Drill) -> Outcome:
        size = int(drill.key) % 70 + 1
        with memory.share(size) as had:
            with lock:
                in_use[0] += size
                most[0] = max(most[0], in_use[0])
            # Give the others a chance to take too much.
            threading.Event().wait(0.001)
            with lock:
                in_use[0] -= size
        return Outcome(drill.key, {"passed": had})

    drills = [Drill(str(number), "db", Wanted()) for number in range(200)]
    outcomes = run_all(drills, one, 8)
    assert [outcome.key for outcome in outcomes] == [drill.key for drill in drills]
    assert all(outcome.passed for outcome in outcomes)
    assert most[0] <= 100
    # They did run side by side.
    assert most[0] > 70
    with memory.share(100) as had:
        assert had


def test_what_is_too_large_takes_nothing() -> None:
    memory = Memory(100)
    with memory.share(100) as first, memory.share(101) as second:
        assert (first, second) == (True, False)
    with Memory(0).share(1) as had:
        assert not had


def test_one_waits_until_another_is_done() -> None:
    memory, done = Memory(100), threading.Event()
    seen = []

    def take() -> None:
        with memory.share(60):
            seen.append(done.is_set())

    with memory.share(50):
        waiting = threading.Thread(target=take)
        waiting.start()
        # 60 can't be had now, 40 can.
        with memory.share(40) as had:
            assert had
            waiting.join(0.05)
        done.set()
    waiting.join()
    assert seen == [True]


def test_memory_is_given_back_by_what_fails() -> None:
    memory = Memory(100)
    with pytest.raises(ValueError, match="x"), memory.share(100):
        raise ValueError("x")
    with memory.share(100) as had:
        assert had
