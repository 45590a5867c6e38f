# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: when they count as lost, who uses a database, and how nobody does."""

import contextlib
from typing import Any, Dict, Iterator, List, Mapping, Protocol, Sequence

from .errors import BulkheadError
from .sql import Sql

# A killed container takes its network along: what its server still had to send never comes, nor does the connection's
# end. Who is silent for 10 s is asked, and given up 20 s later; Linux alone would wait for two hours.
KEEPALIVES = {"idle": 10, "interval": 5, "count": 4}
# libpq's parameters. No tcp_user_timeout: a server that waits for a lock reads nothing either, and would count as gone.
CLIENT_KEEPALIVES: Dict[str, Any] = {"keepalives_" + name: number for name, number in KEEPALIVES.items()}

# A background worker that is connected, such as pg_cron's, uses it as well, and keeps it from being renamed; what the
# server starts by itself ends by itself. The kind of another role's session is shown to few. Sessions of one run have
# one name. A health check is nobody who uses a database: pg_isready comes for a moment, and asks nothing.
_USERS = """
SELECT coalesce(usename::text, 'none') AS role,
       coalesce(nullif(application_name, ''), nullif(backend_type, 'client backend'), 'no name') AS application,
       coalesce(host(client_addr), 'a local socket') AS address, count(*)::int AS sessions
  FROM pg_catalog.pg_stat_activity
 WHERE datname = %s AND coalesce(backend_type, '') NOT IN ('autovacuum worker', 'parallel worker')
   AND application_name <> pg_catalog.current_setting('application_name')
   AND NOT (application_name = 'pg_isready' AND query = '')
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_END = """
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
 WHERE datname = %s AND pid <> pg_catalog.pg_backend_pid()
"""
_OF_OTHERS = " AND application_name <> pg_catalog.current_setting('application_name')"


class Queries(Protocol):
    """What queries are run by."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""


class Statements(Protocol):
    """What statements are run by: a cluster, or a transaction in one."""

    def execute(self, statement: Sql) -> Any:
        """Run one statement."""


class Server(Queries, Statements, Protocol):
    """A cluster; the Postgres adapter is one."""

    def disconnect(self, database: str) -> None:
        """Close our own connection to a database."""


def users(server: Queries, database: str) -> List[Dict[str, Any]]:
    """Return who is connected but this run: role, application, address, and the number of sessions of each."""
    return server.rows(Sql(_USERS, values=(database,)))


def described(found: Sequence[Mapping[str, Any]]) -> str:
    """Return what users gave as a person reads it."""
    return ", ".join("%(sessions)d of %(role)s (%(application)s, from %(address)s)" % row for row in found)


def end(server: Server, database: str, of_others: bool = False) -> None:
    """End whatever is connected to a database; what just ends may still be there for a moment.

    Arguments:
        of_others: whether this run's own sessions stay, such as the one that holds its locks.
    """
    server.disconnect(database)
    server.rows(Sql(_END + (_OF_OTHERS if of_others else ""), values=(database,)))


def set_open(server: Statements, database: str, is_open: bool) -> None:
    """Let everybody in again who may, or nobody any more."""
    server.execute(Sql("ALTER DATABASE {} WITH ALLOW_CONNECTIONS %s" % str(is_open).lower(), (database,)))


@contextlib.contextmanager
def closed(server: Server, database: str) -> Iterator[None]:
    """Let nobody in, since pools come back within milliseconds; everybody again where what is done meanwhile fails."""
    server.disconnect(database)
    set_open(server, database, False)
    try:
        yield
    except BulkheadError:
        set_open(server, database, True)
        raise
