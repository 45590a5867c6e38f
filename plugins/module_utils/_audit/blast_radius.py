# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blast radius: what dies with a database, read off the server and never off a description."""

import fnmatch
from typing import Any, Dict, List, Mapping, Protocol

from .._core.errors import BulkheadError
from .._core.sql import Sql

VERDICTS = ("none", "contained", "shared", "catastrophic")


class Cluster(Protocol):
    """What this domain needs of a Postgres cluster."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""


_DATABASES = Sql(
    """
    SELECT d.datname AS name, pg_catalog.pg_get_userbyid(d.datdba) AS owner, pg_catalog.pg_database_size(d.oid) AS
    size_bytes,
           bool_or(a.grantee = 0 AND a.privilege_type = 'CONNECT') AS public_connect,
           coalesce(array_agg(DISTINCT r.rolname::text) FILTER (WHERE a.privilege_type = 'CONNECT' AND r.rolname IS
           NOT NULL),
                    '{{}}') AS may_connect
    FROM pg_catalog.pg_database d
    LEFT JOIN LATERAL pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a ON true
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE NOT d.datistemplate AND d.datallowconn
    GROUP BY d.oid, d.datname, d.datdba ORDER BY d.datname
    """
)
_SESSIONS = Sql(
    """
    SELECT datname AS database, coalesce(nullif(application_name, ''), '(no name)') AS application, usename AS role,
           host(client_addr) AS address, count(*)::int AS sessions
    FROM pg_catalog.pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname IS NOT NULL
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
    """
)
_TABLES = """
    SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_get_userbyid(c.relowner) AS owner
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
    """


def read_blast_radius(cluster: Cluster, tenants: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """Return the databases of a cluster, what they hold, and a verdict on each.

    Arguments:
        tenants: whose a table is, by the tenant's name: ``tables`` (``public.archon_*``, or a list), ``schemas`` (a
        list),
            ``platform`` (true: everything else depends on it).

    A database that refuses the connection is listed with its error and no verdict.
    """
    sessions = cluster.rows(_SESSIONS)
    databases = []
    for row in cluster.rows(_DATABASES):
        entry: Dict[str, Any] = dict(row, sessions=[item for item in sessions if item["database"] == row["name"]])
        try:
            tables = cluster.rows(Sql(_TABLES, database=row["name"]))
        except BulkheadError as error:
            entry.update(
                error=str(error), verdict=None, reasons=["it can't be seen"], tenants={}, archived={}, tables=None
            )
        else:
            entry.update(judge(tables, tenants))
        databases.append(entry)
    return {"databases": databases}


def judge(tables: List[Dict[str, Any]], tenants: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """Return the verdict on a database that holds these tables, with its reasons."""
    counts: Dict[str, int] = {}
    archived: Dict[str, int] = {}
    unclaimed = 0
    for table in tables:
        if table["schema"] == "bulkhead":
            continue
        tenant = _tenant(table, tenants)
        if tenant is not None:
            counts[tenant] = counts.get(tenant, 0) + 1
        elif table["schema"].endswith("_archive"):
            archived[table["schema"]] = archived.get(table["schema"], 0) + 1
        else:
            unclaimed += 1
    platforms = [name for name in counts if tenants[name].get("platform")]
    guests = [name for name in counts if name not in platforms]
    if not tables or not (counts or unclaimed):
        verdict, reasons = "none", ["it holds no tables"]
    elif platforms and guests:
        verdict = "catastrophic"
        reasons = ["%s and %s go down together: one DROP DATABASE destroys both" % (platforms[0], ", ".join(guests))]
    elif len(counts) > 1:
        verdict, reasons = "shared", ["%s lie in one database" % " and ".join(sorted(counts))]
    elif counts and unclaimed:
        known = next(iter(counts))
        verdict, reasons = "shared", ["%d tables of nobody known lie beside %s" % (unclaimed, known)]
    else:
        verdict = "contained"
        reasons = ["only %s lies here" % (next(iter(counts)) if counts else "one service")]
    return {
        "verdict": verdict,
        "reasons": reasons,
        "tenants": counts,
        "archived": archived,
        "tables": len(tables),
        "unclaimed_tables": unclaimed,
    }


def _tenant(table: Mapping[str, Any], tenants: Mapping[str, Mapping[str, Any]]) -> Any:
    qualified = "%s.%s" % (table["schema"], table["name"])
    for name, owns in tenants.items():
        patterns = owns.get("tables") or []
        patterns = [patterns] if isinstance(patterns, str) else patterns
        if table["schema"] in (owns.get("schemas") or []) or any(
            fnmatch.fnmatchcase(qualified, item) for item in patterns
        ):
            return name
    return None
