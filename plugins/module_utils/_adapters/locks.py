# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a database, and an end to what a killed run left behind.

Advisory locks belong to the database of the session that takes them, so all are taken in one: ``postgres``, wherever
the work itself is. Client programs outlive a killed module, because the engine started them; each carries its run's
name, and a run that lives holds a lock of that name.
"""

import contextlib
import json
import time
from typing import Any, Iterator, List, Sequence

from .._core.errors import BulkheadError, ConflictError, OutsideError
from .._core.sessions import KEEPALIVES

# Two keys of four bytes: ours, and a hash of what is locked. "bulk" and "bulr" in ASCII.
_WORK = 0x62756C6B
_RUN = 0x62756C72
_HOLDER = """
SELECT a.application_name, a.usename::text, a.pid, coalesce(host(a.client_addr), 'a local socket'),
       to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = (hashtext(%s)::bigint & 4294967295)::oid
"""
_LEFT = """
SELECT a.pid, a.application_name, a.datname::text, coalesce(left(a.query, 60), '')
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = ANY (%s) AND a.application_name LIKE 'bulkhead/%%' AND a.application_name <> %s
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity h USING (pid)
                    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s
                      AND h.application_name = a.application_name)
"""
# A run's own session has nothing to say for as long as the work takes; where its run was cut off, it has to end by
# itself, or its locks would stay. idle_session_timeout came with PostgreSQL 14.
_SESSION = dict(
    {"tcp_keepalives_" + name: str(number) for name, number in KEEPALIVES.items()}, idle_session_timeout="0"
)
_LIVE_ON = """
SELECT pg_catalog.set_config(name, wanted, false)
  FROM pg_catalog.jsonb_each_text(%s::jsonb) AS session (name, wanted) JOIN pg_catalog.pg_settings USING (name)
"""
# How long an ended session may take to give back what it holds.
_END_S = 30


def mark_run(connection: Any, run: str) -> None:
    """Let a session say, for as long as it lives, that the run of this name lives."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_advisory_lock_shared(%s, pg_catalog.hashtext(%s))", (_RUN, run))
        cursor.execute(_LIVE_ON, (json.dumps(_SESSION),))


@contextlib.contextmanager
def hold(connection: Any, thing: str, timeout_s: int) -> Iterator[None]:
    """Keep others from working on a thing, such as a database.

    Raises:
        ConflictError: somebody does, and hasn't ended within the time; the message says who.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.set_config('lock_timeout', %s, false)", ("%dms" % max(1, timeout_s * 1000),))
        try:
            cursor.execute("SELECT pg_catalog.pg_advisory_lock(%s, pg_catalog.hashtext(%s))", (_WORK, thing))
        except Exception as error:
            if getattr(error, "pgcode", None) != "55P03":
                raise
            cursor.execute(_HOLDER, (_WORK, thing))
            found = cursor.fetchone()
            who = "%s (role %s, process %d, from %s, since %s)" % found if found else "another run"
            raise ConflictError(
                "%s works on database %s; waited %d s in vain." % (who, thing, timeout_s),
                "Wait until it has ended, or raise lock_timeout.",
            ) from error
    try:
        yield
    finally:
        # A connection that broke has given the lock back already.
        with contextlib.suppress(Exception), connection.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.pg_advisory_unlock(%s, pg_catalog.hashtext(%s))", (_WORK, thing))


def end_leftovers(connection: Any, run: str, databases: Sequence[str]) -> List[str]:
    """End the sessions of killed runs in these databases, and wait until they are gone.

    Returns: a sentence for each.

    Raises:
        OutsideError: one doesn't end.
    """
    ended: List[str] = []
    deadline = time.monotonic() + _END_S
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_LEFT, (list(databases), run, _RUN))
            found = cursor.fetchall()
            if not found:
                return ended
            for pid, application, database, query in found:
                sentence = "The process %d of the killed run %s in %s was ended: %s" % (
                    pid,
                    application,
                    database,
                    query,
                )
                if sentence not in ended:
                    ended.append(sentence)
                cursor.execute("SELECT pg_catalog.pg_terminate_backend(%s)", (pid,))
            if time.monotonic() > deadline:
                raise OutsideError("A process of a killed run doesn't end: %s." % ended[-1], "End it by hand.")
            time.sleep(0.1)


def lock_database(connect: Any, usual: str, other: str) -> Any:
    """Return a connection to the database in which all locks are taken.

    Arguments:
        connect: connects to the database of a name. usual: that database. other: the one to fall back to.
    """
    try:
        return connect(usual)
    except BulkheadError:
        return connect(other)
