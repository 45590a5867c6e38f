# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance reads its schemas or its settings again: a message, repeated until it was heard.

Messages are debounced by 100 ms, and one that comes while a reload runs can be lost (PostgREST's documentation,
"Listener", and an old issue of it). While an instance waits for its next try to reach the database it hears none.
"""

from typing import Any, Callable, Dict, List, Optional, Sequence

from .._core.errors import ConflictError, StateError, VerificationError
from .._core.plan import Change, Plan
from .._core.sql import Sql
from . import diagnosis
from .diagnosis import Case, Facts
from .process import Process
from .proof import Reply

SCHEMA, CONFIG = "schema", "config"
MESSAGES = {CONFIG: "reload config", SCHEMA: "reload schema"}

_READ = {CONFIG: "settings", SCHEMA: "schema cache"}
# Who is refused by Postgres was let through by the schema cache.
_BEHIND_THE_CACHE = ("22023", "42501")
# What is answered before the cache is asked: no reload of the schema changes it.
_BEFORE_THE_CACHE = ("PGRST106", "PGRST300", "PGRST301", "PGRST302", "PGRST303")
_WAITS = "PGRST002"
_FIRST_GAP_S = 0.3
# A large schema takes seconds: a message on top of it would only make it begin again.
_LONGEST_GAP_S = 5.0


def is_known(reply: Reply) -> bool:
    """Return whether the schema cache knows what was asked for, whoever may read it."""
    return reply.status in (200, 206) or reply.code in _BEHIND_THE_CACHE


def check(process: Process, database: str, wanted: Sequence[str], reply: Optional[Reply], url: str = "") -> None:
    """Refuse what no message can mend, before one is sent.

    Arguments:
        database: where the message is to be sent. wanted: what is to be read again.
        reply: what a request for the table met; None where none was made. url: of that request.

    Raises:
        StateError: the instance hears no message, or its answers can't tell whether it knows the table.
        ConflictError: it serves another database.
    """
    name = process.name
    if not process.runs:
        raise StateError(
            "Instance %s isn't running: it is %s, with exit status %d." % (name, process.status, process.exit_code),
            "Start it; it reads everything then. postgrest_probe_info says why it ended.",
        )
    if process.database not in ("", database):
        raise ConflictError(
            "Instance %s serves database %s, and wouldn't hear a message in %s." % (name, process.database, database),
            "Leave database out: its db-uri says where.",
        )
    if not process.channel:
        raise StateError(
            "Instance %s listens to no messages: its db-channel-enabled is false." % name,
            "Signal it: `docker kill --signal SIGUSR1 %s` for the schema cache, SIGUSR2 for the settings." % name,
        )
    if reply is None:
        return
    if not reply.status:
        raise StateError(
            "Whether instance %s knows the table can't be seen: nobody answers at %s (%s)."
            % (name, url or "an address of its container's", reply.error),
            "Name a URL of the table that this host reaches as url.",
        )
    if reply.code in _BEFORE_THE_CACHE and CONFIG not in wanted:
        raise StateError(
            "Whether instance %s knows the table can't be seen: it answers with %s." % (name, _said(reply)),
            "Give a key that it accepts as apikey_variable; or reload its settings too, if they were changed.",
        )
    if not reply.code and reply.status not in (200, 206):
        raise StateError(
            "Whether the instance knows the table can't be seen: the gateway answers %s with %d." % (url, reply.status),
            "Correct url and the key, or leave url out: the instance itself is asked then.",
        )


def require_table(facts: Facts, database: str, schema: str, table: str) -> None:
    """Raise StateError where there is no such table: no message makes it known."""
    schema = schema or facts.schemas[0]
    if schema not in facts.homes:
        elsewhere = [home for home in facts.homes if home in facts.schemas]
        raise StateError(
            "There is no table %s.%s in database %s." % (schema, table, database),
            "There is one in schema %s: name it with its schema." % ", ".join(elsewhere)
            if elsewhere
            else "Create it first, or correct wait_for_table.",
        )


def make_plan(process: Process, database: str, wanted: Sequence[str], reply: Optional[Reply]) -> Plan:
    """Return the messages to be sent; none where the table is known already."""
    plan = Plan()
    if reply is not None and is_known(reply):
        return plan
    for item in (CONFIG, SCHEMA):
        if item in wanted:
            plan.add(
                Change(
                    "%s of %s" % (_READ[item], process.name),
                    before="as it was read" if reply is None else reply.seen(),
                    after="read again",
                    statements=(
                        Sql(
                            "SELECT pg_catalog.pg_notify(%s, %s)",
                            values=(process.channel, MESSAGES[item]),
                            database=database,
                        ),
                    ),
                )
            )
    return plan


def send_until_known(
    send: Callable[[], None],
    ask: Callable[[], Reply],
    clock: Callable[[], float],
    pause: Callable[[], None],
    timeout_s: float,
) -> Dict[str, Any]:
    """Send the messages, and again while nothing shows that they were heard; return how often, and how long it took.

    ``reply`` is the last answer: where it isn't one of a cache that knows the table, the time is over.
    """
    began = clock()
    gap = _FIRST_GAP_S
    send()
    sent, sent_at = 1, clock()
    while True:
        reply = ask()
        now = clock()
        if is_known(reply) or now - began >= timeout_s:
            return {"sent": sent, "waited_s": round(now - began, 2), "reply": reply}
        if now - sent_at >= gap and reply.code != _WAITS:
            send()
            sent, sent_at, gap = sent + 1, clock(), min(gap * 2, _LONGEST_GAP_S)
        pause()


def unknown(case: Case, reply: Reply, sent: int) -> VerificationError:
    """Return what is wrong where the table stays unknown, and what mends it."""
    name, question = case.process.name, case.question
    what = "%s%s" % (question.schema + "." if question.schema else "", question.table)
    begin = "Instance %s doesn't know table %s after %d message%s" % (name, what, sent, "" if sent == 1 else "s")
    if reply.code == _WAITS:
        cause = diagnosis.why_not_ready(case)
        return VerificationError(
            "%s: it waits for its next try to read its database, and hears none meanwhile; %s." % (begin, cause.why),
            "%s A new start ends its waiting: `docker restart %s`." % (cause.remedy, name),
        )
    if reply.code == "PGRST205":
        return VerificationError(
            "%s: it answers with %s." % (begin, _said(reply)),
            "A large schema takes longer: raise timeout. Else its log says whether it listens on channel %s"
            " (`docker logs --tail 50 %s`); a pooler between it and the server keeps messages from it."
            % (case.process.channel, name),
        )
    return VerificationError(
        "%s: it answers with %s." % (begin, _said(reply)), "See `docker logs --tail 50 %s`." % name
    )


def _said(reply: Reply) -> str:
    parts: List[str] = [reply.seen()]
    if reply.message:
        parts.append("(%s)" % reply.message.rstrip("."))
    return " ".join(parts)
