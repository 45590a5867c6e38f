# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The message that lets an instance read again: when it is sent, how often, and what no message mends."""

from typing import List, Optional, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import reload
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.diagnosis import Case, Facts, Question
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.process import Process
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import Reply

UNKNOWN = Reply(404, {"code": "PGRST205", "message": "Could not find the table."})
RETRYING = Reply(503, {"code": "PGRST002"})


def process(status: str = "running", **settings: str) -> Process:
    """Return an instance's container."""
    return Process("rest", status, environment={"PGRST_DB_URI": "postgres://a:b@db/archon_db", **settings})


@pytest.mark.parametrize(
    ("reply", "known"),
    [
        (Reply(200), True),
        (Reply(206), True),
        (Reply(401, {"code": "22023"}), True),
        (Reply(401, {"code": "42501"}), True),
        (Reply(403, {"code": "42501"}), True),
        (UNKNOWN, False),
        (RETRYING, False),
        (Reply(401, {"code": "PGRST302"}), False),
        (Reply(404), False),
        (Reply(0), False),
    ],
)
def test_a_message_is_sent_only_where_the_table_is_unknown(reply: Reply, known: bool) -> None:
    assert reload.is_known(reply) is known
    assert reload.make_plan(process(), "archon_db", ["schema"], reply).changed is not known


def test_settings_are_read_before_schemas_in_the_database_and_channel_of_the_instance() -> None:
    plan = reload.make_plan(process(PGRST_DB_CHANNEL="other"), "archon_db", ["schema", "config"], None)
    assert plan.result()["changes"] == ["settings of rest", "schema cache of rest"]
    assert [statement.display() for change in plan for statement in change.statements] == [
        "SELECT pg_catalog.pg_notify('other', 'reload config')",
        "SELECT pg_catalog.pg_notify('other', 'reload schema')",
    ]
    assert {statement.database for change in plan for statement in change.statements} == {"archon_db"}


@pytest.mark.parametrize(
    ("running", "wanted", "reply", "says"),
    [
        (process("exited"), ["schema"], None, "isn't running: it is exited"),
        (process(PGRST_DB_URI="postgres://a:b@db/other"), ["schema"], None, "serves database other"),
        (process(PGRST_DB_CHANNEL_ENABLED="false"), ["schema"], None, "SIGUSR1 rest"),
        (process(), ["schema"], Reply(0, error="timed out"), r"nobody answers at .*timed out.*as url"),
        (process(), ["schema"], Reply(401, {"code": "PGRST302", "message": "x."}), r"401 PGRST302 \(x\).*a key"),
        (process(), ["schema"], Reply(406, {"code": "PGRST106"}), "406 PGRST106"),
        (process(), ["schema"], Reply(404), "the gateway answers http://u with 404"),
    ],
)
def test_what_no_message_mends_is_refused_before_one_is_sent(
    running: Process, wanted: List[str], reply: Optional[Reply], says: str
) -> None:
    with pytest.raises(BulkheadError, match=says):
        reload.check(running, "archon_db", wanted, reply, "http://u")


@pytest.mark.parametrize("reply", [None, UNKNOWN, RETRYING, Reply(200), Reply(401, {"code": "42501"})])
def test_what_a_message_may_mend_is_not_refused(reply: Optional[Reply]) -> None:
    reload.check(process(), "archon_db", ["schema"], reply)


def test_settings_that_are_read_again_may_let_in_who_was_refused() -> None:
    reload.check(process(), "archon_db", ["config"], Reply(406, {"code": "PGRST106"}))


@pytest.mark.parametrize(
    ("homes", "schema", "says"),
    [
        ((), "", "There is no table public.t in database db.*Create it"),
        (("api", "hidden"), "", "There is one in schema api: name it"),
        (("public",), "api", "There is no table api.t"),
    ],
)
def test_a_table_that_is_nowhere_is_not_waited_for(homes: Tuple[str, ...], schema: str, says: str) -> None:
    with pytest.raises(BulkheadError, match=says):
        reload.require_table(Facts(("public", "api"), "anon", homes=homes), "db", schema, "t")
    reload.require_table(Facts(("public", "api"), "anon", homes=("public",)), "db", "", "t")


class World:
    """An instance that hears some of the messages, and a clock that goes on by a hundredth whenever somebody pauses."""

    def __init__(self, heard: int, delay_s: float = 0.0, reply: Reply = UNKNOWN) -> None:
        self.heard = heard
        self.delay_s = delay_s
        self.reply = reply
        self.now = 0.0
        self.sent: List[float] = []

    def send(self) -> None:
        """Take a message."""
        self.sent.append(round(self.now, 2))

    def ask(self) -> Reply:
        """Answer: it is known some time after the message that was heard."""
        is_known = len(self.sent) >= self.heard and self.now >= self.sent[self.heard - 1] + self.delay_s
        return Reply(200) if is_known else self.reply

    def pause(self) -> None:
        """Let time pass."""
        self.now += 0.01

    def run(self, timeout_s: float = 30.0) -> Tuple[int, float, Reply]:
        """Send until it is known."""
        told = reload.send_until_known(self.send, self.ask, lambda: self.now, self.pause, timeout_s)
        return told["sent"], told["waited_s"], told["reply"]


def test_one_message_that_is_heard_is_enough() -> None:
    assert World(1, 0.2).run() == (1, 0.2, Reply(200))


def test_a_message_that_is_lost_is_sent_again_ever_more_seldom() -> None:
    world = World(4)
    assert world.run()[0] == 4
    assert world.sent == pytest.approx([0.0, 0.3, 0.9, 2.1], abs=0.05)


def test_a_reload_that_takes_its_time_is_not_begun_again_and_again() -> None:
    assert World(1, 20.0).run()[0] <= 8


def test_who_waits_for_its_next_try_is_told_once() -> None:
    world = World(99, reply=RETRYING)
    sent, waited_s, reply = world.run(5.0)
    assert (sent, reply) == (1, RETRYING)
    assert waited_s == pytest.approx(5.0, abs=0.05)


def case(**differs: bool) -> Case:
    """Return what is known of an instance."""
    return Case(process(), Question("archon_db", "t", "api"), Facts(("public",), "anon", **differs), "the log")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (UNKNOWN, r"doesn't know table api.t after 2 messages: it answers with 404 PGRST205.*listens on channel pgrst"),
        (RETRYING, r"hears none meanwhile; schema public.*doesn't exist in database archon_db.*docker restart rest"),
        (Reply(0, error="Connection refused"), r"Connection refused.*docker logs"),
    ],
)
def test_a_table_that_stays_unknown_says_why(reply: Reply, says: str) -> None:
    with pytest.raises(BulkheadError, match=says):
        raise reload.unknown(case(), reply, 2)
