# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster says of its databases, read in one query, as metrics."""

from typing import Any, Dict, List, Mapping, Protocol, Sequence

from .._core.sql import Sql
from . import families as metric
from .exposition import Samples

VERDICTS = ("none", "contained", "shared", "catastrophic")
_STATES = {"active": "active", "idle": "idle", "idle_in_transaction": "idle in transaction", "other": "other"}

# One query, so that the numbers are of one moment and cost one round trip. Its own session isn't counted. The size is
# asked for only where the role may know it: elsewhere the query would fail as a whole.
_NUMBERS = Sql(
    """
SELECT d.datname::text AS name, nullif(d.datconnlimit, -1) AS connection_limit,
       CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT')
              OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
            THEN pg_catalog.pg_database_size(d.oid) END AS size_bytes,
       coalesce(a.active, 0) AS active, coalesce(a.idle, 0) AS idle,
       coalesce(a.idle_in_transaction, 0) AS idle_in_transaction, coalesce(a.other, 0) AS other,
       a.oldest_transaction, coalesce(l.granted, 0) AS granted, coalesce(l.waiting, 0) AS waiting,
       s.xact_commit AS commits, s.xact_rollback AS rollbacks, s.deadlocks, s.temp_bytes,
       pg_catalog.current_setting('max_connections')::int AS max_connections,
       pg_catalog.current_setting('superuser_reserved_connections')::int
         + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int AS reserved_connections
  FROM pg_catalog.pg_database d
  LEFT JOIN pg_catalog.pg_stat_database s ON s.datid = d.oid
  LEFT JOIN (SELECT datid, count(*) FILTER (WHERE state = 'active') AS active,
                    count(*) FILTER (WHERE state = 'idle') AS idle,
                    count(*) FILTER (WHERE left(state, 19) = 'idle in transaction') AS idle_in_transaction,
                    count(*) FILTER (WHERE state NOT IN ('active', 'idle') AND left(state, 19) <> 'idle in transaction'
                                        OR state IS NULL) AS other,
                    extract(epoch FROM min(xact_start))::bigint AS oldest_transaction
               FROM pg_catalog.pg_stat_activity
              WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
              GROUP BY datid) a ON a.datid = d.oid
  LEFT JOIN (SELECT database, count(*) FILTER (WHERE granted) AS granted,
                    count(*) FILTER (WHERE NOT granted) AS waiting
               FROM pg_catalog.pg_locks WHERE pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
              GROUP BY database) l ON l.database = d.oid
 WHERE NOT d.datistemplate ORDER BY d.datname
"""
)


class Server(Protocol):
    """A cluster that answers queries."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query."""


def read_numbers(server: Server) -> List[Dict[str, Any]]:
    """Return the numbers of each database of a cluster, templates left out."""
    return server.rows(_NUMBERS)


def add_cluster(samples: Samples, name: str, numbers: Sequence[Mapping[str, Any]]) -> None:
    """Add what a cluster that answers has said."""
    samples.add(metric.UP, True, {"cluster": name})
    for row in numbers[:1]:
        usable = row["max_connections"] - row["reserved_connections"]
        samples.add(metric.MAX_CONNECTIONS, row["max_connections"], {"cluster": name})
        samples.add(metric.USABLE_CONNECTIONS, usable, {"cluster": name})
    for row in numbers:
        labels = {"cluster": name, "datname": row["name"]}
        for column, state in _STATES.items():
            samples.add(metric.CONNECTIONS, row[column], {**labels, "state": state})
        samples.add(metric.CONNECTION_LIMIT, row["connection_limit"], labels)
        samples.add(metric.OLDEST_TRANSACTION, row["oldest_transaction"], labels)
        samples.add(metric.LOCKS, row["granted"], {**labels, "granted": "true"})
        samples.add(metric.LOCKS, row["waiting"], {**labels, "granted": "false"})
        samples.add(metric.SIZE, row["size_bytes"], labels)
        samples.add(metric.COMMITS, row["commits"], labels)
        samples.add(metric.ROLLBACKS, row["rollbacks"], labels)
        samples.add(metric.DEADLOCKS, row["deadlocks"], labels)
        samples.add(metric.TEMPORARY, row["temp_bytes"], labels)


def add_unreachable(samples: Samples, name: str) -> None:
    """Add that a cluster doesn't answer; its numbers are absent."""
    samples.add(metric.UP, False, {"cluster": name})


def add_verdicts(samples: Samples, name: str, databases: Sequence[Mapping[str, Any]]) -> None:
    """Add the verdicts on the databases of a cluster, as pg_blast_radius_info gives them; none on what it can't see."""
    for item in databases:
        if item["verdict"] is not None:
            for verdict in VERDICTS:
                labels = {"cluster": name, "datname": item["name"], "verdict": verdict}
                samples.add(metric.BLAST_RADIUS, item["verdict"] == verdict, labels)
