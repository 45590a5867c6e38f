# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgREST instance as it is seen from outside: its container, its answers, and its sessions in the server."""

import time
from typing import List, Mapping, Optional, Sequence

from .._core.sql import Sql
from .._postgrest.diagnosis import Facts, Question, facts_or_none
from .._postgrest.process import Process
from .._postgrest.proof import Reply
from . import web
from .docker import Docker
from .postgres import Postgres

_SESSIONS = (
    "SELECT DISTINCT datname AS database FROM pg_catalog.pg_stat_activity"
    " WHERE application_name LIKE 'PostgREST%%' AND host(client_addr) = ANY (%s)"
)
# A container next door is reached at once, or not at all.
_CONNECT_TIMEOUT_S = 2.0
_ANSWER_TIMEOUT_S = 10.0
_SHORTEST_TIMEOUT_S = 1.0


class Instance:
    """What a proof and a reload ask.

    Arguments:
        container: the instance's. timeout_s: for how long all of it may be asked; a single answer has a limit too.
    """

    def __init__(self, engine: Docker, postgres: Postgres, container: str, timeout_s: float) -> None:
        self._engine = engine
        self._postgres = postgres
        self._container = container
        self._deadline = time.monotonic() + timeout_s

    def inspect(self) -> Process:
        """Return what the container says now. Raises StateError where there is none of that name."""
        return Process.of(self._engine.inspect(self._container))

    def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Ask, for no longer than there is time; redirects aren't followed."""
        left = min(_ANSWER_TIMEOUT_S, max(_SHORTEST_TIMEOUT_S, self._deadline - time.monotonic()))
        answer = web.ask(url, headers, left, min(_CONNECT_TIMEOUT_S, left))
        return Reply(answer.status, answer.body, answer.error, answer.is_reachable, answer.location)

    def sessions(self, addresses: Sequence[str]) -> List[str]:
        """Return the databases in which PostgREST's sessions from these addresses are."""
        return [row["database"] for row in self._postgres.rows(Sql(_SESSIONS, values=(list(addresses),)))]

    def facts(self, process: Process, question: Question) -> Optional[Facts]:
        """Return what the catalogues say; None where they can't be asked."""
        return facts_or_none(self._postgres, process, question)

    def log(self) -> str:
        """Return the last lines of the container's log, as they are."""
        return self._engine.last_words(self._container)
