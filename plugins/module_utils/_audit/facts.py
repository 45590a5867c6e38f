# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster says of itself: one read-only transaction for what all databases share, and one in each database."""

from typing import Any, ContextManager, Dict, List, Protocol

from .._core.errors import BulkheadError
from .._core.sql import Sql

_DATABASES = """
SELECT d.datname::text AS name, pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
       CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT')
              OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
            THEN pg_catalog.pg_database_size(d.oid) END AS size_bytes,
       d.datallowconn AS allows_connections,
       coalesce(bool_or(a.grantee = 0 AND a.privilege_type = 'CONNECT'), false) AS public_connect,
       coalesce(array_agg(DISTINCT r.rolname::text)
                FILTER (WHERE a.privilege_type = 'CONNECT' AND r.rolname IS NOT NULL), '{{}}') AS may_connect
  FROM pg_catalog.pg_database d
  LEFT JOIN LATERAL pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a ON true
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE NOT d.datistemplate
 GROUP BY d.oid, d.datname, d.datdba, d.datallowconn ORDER BY d.datname
"""
# A role without LOGIN enters no database; who inherits its rights does. Who is a member without inheriting them
# (NOINHERIT) can become it only once it is connected.
_ROLES = """
SELECT r.rolname::text AS name, r.rolcanlogin AS login, r.rolsuper AS superuser,
       coalesce((SELECT array_agg(g.rolname::text ORDER BY g.rolname) FROM pg_catalog.pg_auth_members m
                   JOIN pg_catalog.pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid), '{{}}') AS member_of,
       coalesce((SELECT array_agg(g.rolname::text ORDER BY g.rolname) FROM pg_catalog.pg_roles g
                  WHERE g.oid <> r.oid AND NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, g.oid, 'USAGE')),
                '{{}}') AS inherits
  FROM pg_catalog.pg_roles r ORDER BY 1
"""
_SESSIONS = """
SELECT datname::text AS database, coalesce(nullif(application_name, ''), '(no name)') AS application,
       usename::text AS role, host(client_addr) AS address, count(*)::int AS sessions
  FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid() AND datname IS NOT NULL
 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
"""
# Who owns something in a database, or was granted something there.
_HOLDERS = """
SELECT d.datname::text AS database, pg_catalog.pg_get_userbyid(s.refobjid)::text AS role
  FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_database d ON d.oid = s.dbid
 WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.deptype IN ('o', 'a', 'r') GROUP BY 1, 2
"""
# A subscription's connection string may hold a password: it isn't read.
_SUBSCRIPTIONS = """
SELECT d.datname::text AS database, s.subname::text AS name, s.subenabled AS enabled
  FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid ORDER BY 1, 2
"""
_STATS = "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS may"
# Sizes are asked of the files: a table that is locked by a migration must not let the audit wait for it.
_IMPATIENT = "SET LOCAL lock_timeout = '5s'"
_TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.pg_total_relation_size(c.oid) AS size_bytes
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                   AND d.objid = c.oid AND d.deptype = 'e')
"""
_SERVERS = """
SELECT s.srvname::text AS name, w.fdwname::text AS wrapper,
       coalesce((SELECT jsonb_object_agg(option_name, option_value) FROM pg_catalog.pg_options_to_table(s.srvoptions)
                  WHERE option_name IN ('host', 'hostaddr', 'dbname')), '{{}}') AS options,
       (SELECT count(*)::int FROM pg_catalog.pg_foreign_table f WHERE f.ftserver = s.oid) AS tables
  FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw ORDER BY 1
"""
# Calls of dblink in functions and views of one's own; the database that they name, and nothing else of the text.
_DBLINKS = """
SELECT f.kind, f.name, substring(f.body FROM 'dbname\\s*=\\s*''*([A-Za-z0-9_.$-]+)') AS dbname,
       substring(f.body FROM 'host(?:addr)?\\s*=\\s*''*([A-Za-z0-9_./:-]+)') AS host
  FROM (SELECT 'function' AS kind, p.oid::regprocedure::text AS name, p.prosrc AS body, p.oid,
               'pg_catalog.pg_proc'::regclass AS catalogue
          FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND p.prosrc ~* '\\mdblink(_connect|_exec)?\\s*\\('
        UNION ALL
        SELECT 'view', c.oid::regclass::text, pg_catalog.pg_get_viewdef(c.oid), c.oid, 'pg_catalog.pg_class'::regclass
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND pg_catalog.pg_get_viewdef(c.oid) ~* '\\mdblink\\s*\\(') f
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = f.catalogue AND d.objid = f.oid AND d.deptype = 'e') ORDER BY 1, 2
"""
_PUBLICATIONS = "SELECT pubname::text AS name FROM pg_catalog.pg_publication ORDER BY 1"


class Cluster(Protocol):
    """What this domain needs of a Postgres cluster."""

    @property
    def maintenance_database(self) -> str:
        """The database in which what all share is asked for."""

    def transaction(self, database: str, isolation: str = ..., read_only: bool = ...) -> ContextManager[Any]:
        """Open a transaction."""


def read_facts(cluster: Cluster) -> Dict[str, Any]:
    """Return ``databases``, ``roles``, ``sessions``, ``holders``, ``subscriptions``, ``contents`` by database, and
    ``unseen``: what our role may not see, as sentences.

    A database that refuses the connection has an ``error`` in its place.
    """
    facts: Dict[str, Any] = {"contents": {}, "unseen": []}
    with cluster.transaction(cluster.maintenance_database, "REPEATABLE READ", True) as transaction:
        for name, text in (
            ("databases", _DATABASES),
            ("roles", _ROLES),
            ("sessions", _SESSIONS),
            ("holders", _HOLDERS),
        ):
            facts[name] = transaction.rows(Sql(text))
        facts["subscriptions"] = _subscriptions(transaction, facts)
        if not transaction.rows(Sql(_STATS))[0]["may"]:
            facts["unseen"].append("Sessions of other roles can't be seen by this one: grant it pg_read_all_stats.")
    for database in facts["databases"]:
        if database["allows_connections"]:
            facts["contents"][database["name"]] = _read_content(cluster, database["name"])
        else:
            facts["contents"][database["name"]] = {"error": "it allows no connections"}
    return facts


def _subscriptions(transaction: Any, facts: Dict[str, Any]) -> List[Dict[str, Any]]:
    # Its columns are granted one by one; before PostgreSQL 16 subname and subenabled belong to superusers alone.
    may = Sql("SELECT pg_catalog.has_column_privilege('pg_catalog.pg_subscription', 'subname', 'SELECT') AS may")
    if transaction.rows(may)[0]["may"]:
        found: List[Dict[str, Any]] = transaction.rows(Sql(_SUBSCRIPTIONS))
        return found
    facts["unseen"].append("Subscriptions can't be seen by this role.")
    return []


def _read_content(cluster: Cluster, database: str) -> Dict[str, Any]:
    try:
        with cluster.transaction(database, "REPEATABLE READ", True) as transaction:
            transaction.execute(Sql(_IMPATIENT))
            return {
                "tables": transaction.rows(Sql(_TABLES)),
                "servers": transaction.rows(Sql(_SERVERS)),
                "dblinks": transaction.rows(Sql(_DBLINKS)),
                "publications": [row["name"] for row in transaction.rows(Sql(_PUBLICATIONS))],
            }
    except BulkheadError as error:
        return {"error": str(error)}
