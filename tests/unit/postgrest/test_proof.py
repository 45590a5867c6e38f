# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that postgrest_probe_info gives: a request that succeeds, and sessions in the wanted database."""

import re
from typing import Any, Dict, List, Optional, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import VerificationError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import judge, wait_for


def wrong_with(answer: Optional[Tuple[int, Dict[str, Any]]], sessions: List[str], error: str = "") -> str:
    """Return what is wrong, and what mends it, as text."""
    wrong = judge(answer, sessions, "archon_db", error)
    assert wrong is not None
    assert wrong.remedy
    return str(wrong)


@pytest.mark.parametrize("sessions", [["archon_db"], ["archon_db", "archon_db"]])
def test_an_answer_and_sessions_in_the_database_are_the_proof(sessions: List[str]) -> None:
    assert judge((200, {}), sessions, "archon_db") is None


@pytest.mark.parametrize(
    ("answer", "sessions", "says"),
    [
        (None, ["archon_db"], "Nobody answers: connection refused"),
        ((404, {}), ["archon_db"], "no such route"),
        ((404, {"code": "PGRST205", "message": "no table."}), ["archon_db"], "404 PGRST205: no table. .*schema cache"),
        ((401, {}), ["archon_db"], "refuses the key"),
        ((401, {"code": "PGRST301"}), ["archon_db"], "401 PGRST301: no message. .*JWT secret"),
        ((401, {"code": "PGRST303", "message": "JWT expired"}), ["archon_db"], "The key has expired"),
        ((403, {"code": "42501", "message": "permission denied"}), ["archon_db"], "isn't granted"),
        ((503, {"code": "PGRST002"}), [], "can't read its database"),
        ((500, {}), ["archon_db"], "answered with 500.*See the instance's log"),
        ((200, {}), ["postgres"], "connected to postgres, not to archon_db"),
        ((200, {}), ["archon_db", "postgres", "other"], "connected to other, postgres, not"),
        ((200, {}), [], "no session in any database"),
    ],
)
def test_anything_else_is_wrong_in_a_way_that_can_be_mended(answer: Any, sessions: List[str], says: str) -> None:
    error = wrong_with(answer, sessions, "connection refused")
    assert re.search(says, error), error


class Clock:
    """A clock that only goes on while somebody pauses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses = 0

    def read(self) -> float:
        """Return the time."""
        return self.now

    def pause(self) -> None:
        """Let half a second pass."""
        self.pauses += 1
        self.now += 0.5


def test_nothing_wrong_is_nothing_waited() -> None:
    clock = Clock()
    assert wait_for(lambda: None, clock.read, clock.pause, 30) == {"waited_s": 0.0}
    assert clock.pauses == 0


def test_it_asks_until_nothing_is_wrong() -> None:
    clock = Clock()
    answers = [VerificationError("first"), VerificationError("second"), None]
    assert wait_for(lambda: answers.pop(0), clock.read, clock.pause, 30) == {"waited_s": 1.0}
    assert answers == []


def test_the_last_thing_that_was_wrong_is_told_when_the_time_is_over() -> None:
    clock = Clock()
    asked: List[float] = []

    def ask() -> VerificationError:
        asked.append(clock.now)
        return VerificationError("wrong at %.1f" % clock.now)

    with pytest.raises(VerificationError, match="wrong at 102.0"):
        wait_for(ask, clock.read, clock.pause, 2)
    assert asked == [100.0, 100.5, 101.0, 101.5, 102.0]


def test_it_asks_once_even_without_time() -> None:
    clock = Clock()
    assert wait_for(lambda: None, clock.read, clock.pause, 0) == {"waited_s": 0.0}
    with pytest.raises(VerificationError):
        wait_for(lambda: VerificationError("no"), clock.read, clock.pause, 0)
    assert clock.pauses == 0
