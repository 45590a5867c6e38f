# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postgres for who only looks: a server that is frozen or gone costs seconds, whatever it was asked.

A server's own ``statement_timeout`` doesn't help where the server stands still, and libpq's ``connect_timeout`` covers
the connection alone. psycopg2 lets its caller do the waiting instead.
"""

import select
import time
from typing import Any, Optional

from .postgres import Postgres

try:
    import psycopg2
    import psycopg2.extensions
except ImportError as import_error:
    PSYCOPG2_IMPORT_ERROR: Optional[ImportError] = import_error
else:
    PSYCOPG2_IMPORT_ERROR = None

# The server's own timeout comes first where it can: it says which statement it was.
_GRACE_S = 5


class ImpatientPostgres(Postgres):
    """A cluster that is asked for so long and no longer. COPY can't be used on it.

    It holds for every connection that psycopg2 makes in this process.
    """

    def be_impatient(self, connect_s: int, statement_s: int) -> None:
        """Wait for a connection and for an answer no longer than that."""

        def wait(connection: Any) -> None:
            is_new = connection.status == psycopg2.extensions.STATUS_SETUP
            limit_s = connect_s if is_new else statement_s + _GRACE_S
            deadline = time.monotonic() + limit_s
            while True:
                state = connection.poll()
                if state == psycopg2.extensions.POLL_OK:
                    return
                left = deadline - time.monotonic()
                reading = [connection.fileno()] if state == psycopg2.extensions.POLL_READ else []
                writing = [connection.fileno()] if state == psycopg2.extensions.POLL_WRITE else []
                if left <= 0 or not any(select.select(reading, writing, [], left)):
                    raise psycopg2.OperationalError("no answer within %d s" % limit_s)

        psycopg2.extensions.set_wait_callback(wait)
