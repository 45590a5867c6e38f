# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster says of itself: one read-only transaction for what all databases share, and one in each database."""

from typing import Any, ContextManager, Dict, List, Optional, Protocol

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
# Sizes are asked of the files: a table that is locked by a migration must not let the audit wait for it. Nor must a
# server that is busy with something else.
_IMPATIENT = "SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', %s, true)"
_SETTINGS = """
SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
       current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('data_checksums') AS data_checksums, current_user::text AS role,
       pg_catalog.has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE')
         AND pg_catalog.has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT') AS may_see_rules
"""
# What comes in over the network; what is local is the container's own.
_RULES = """
SELECT line_number, type, array_to_string(database, ',') AS databases, array_to_string(user_name, ',') AS users,
       coalesce(address, '') AS address, coalesce(netmask, '') AS netmask, auth_method AS method,
       current_setting('hba_file') AS file
  FROM pg_catalog.pg_hba_file_rules WHERE type <> 'local' AND error IS NULL ORDER BY line_number
"""
# hba_file is for superusers and pg_read_all_settings alone.
_RULES_WITHOUT_FILE = _RULES.replace("current_setting('hba_file')", "''")
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
_EXTENSIONS = "SELECT extname::text AS name, extversion AS version FROM pg_catalog.pg_extension ORDER BY 1"
_PUBLICATIONS = "SELECT pubname::text AS name FROM pg_catalog.pg_publication ORDER BY 1"

# After so many databases in a row that couldn't be read, it is asked whether the server is there at all.
_FAILURES = 3


class Cluster(Protocol):
    """What this domain needs of a Postgres cluster."""

    @property
    def maintenance_database(self) -> str:
        """The database in which what all share is asked for."""

    def transaction(self, database: str, isolation: str = ..., read_only: bool = ...) -> ContextManager[Any]:
        """Open a transaction."""


def read_facts(cluster: Cluster, timeout_s: int = 120) -> Dict[str, Any]:
    """Return ``settings``, ``rules``, ``databases``, ``roles``, ``sessions``, ``holders``, ``subscriptions``,
    ``contents`` by database, and ``unseen``: what our role may not see, as sentences.

    A database that refuses the connection has an ``error`` in its place.

    Arguments:
        timeout_s: how long the server may work on one question.
    """
    facts: Dict[str, Any] = {"contents": {}, "unseen": []}
    patience = Sql(_IMPATIENT, (), ("%ds" % timeout_s,))
    with cluster.transaction(cluster.maintenance_database, "REPEATABLE READ", True) as transaction:
        transaction.rows(patience)
        facts["settings"] = transaction.rows(Sql(_SETTINGS))[0]
        for name, text in (
            ("databases", _DATABASES),
            ("roles", _ROLES),
            ("sessions", _SESSIONS),
            ("holders", _HOLDERS),
        ):
            facts[name] = transaction.rows(Sql(text))
        facts["subscriptions"] = _subscriptions(transaction, facts)
        facts["rules"] = _rules(transaction, facts)
        if not transaction.rows(Sql(_STATS))[0]["may"]:
            facts["unseen"].append("Sessions of other roles can't be seen by this one: grant it pg_read_all_stats.")
    _read_contents(cluster, facts, patience)
    return facts


def _read_contents(cluster: Cluster, facts: Dict[str, Any], patience: Sql) -> None:
    failures, gone = 0, ""
    for database in facts["databases"]:
        if gone:
            content: Dict[str, Any] = {"error": "The server stopped answering meanwhile: %s" % gone}
        elif database["allows_connections"]:
            content = _read_content(cluster, database["name"], patience)
            failures = failures + 1 if "error" in content else 0
        else:
            content = {"error": "it allows no connections"}
        facts["contents"][database["name"]] = content
        # Some databases refuse us, or the whole server is gone: then two hundred times its patience are too many.
        if failures >= _FAILURES and not gone:
            failures, gone = 0, _does_not_answer(cluster)


def _does_not_answer(cluster: Cluster) -> str:
    try:
        with cluster.transaction(cluster.maintenance_database, read_only=True) as transaction:
            transaction.rows(Sql("SELECT 1 AS one"))
        return ""
    except BulkheadError as error:
        return str(error)


def _rules(transaction: Any, facts: Dict[str, Any]) -> Optional[List[Dict[str, Any]]]:
    """Return the lines of pg_hba.conf for the network, or None where this role may not see them."""
    if not facts["settings"]["may_see_rules"]:
        facts["unseen"].append(
            "Who is let in how (pg_hba.conf) can't be seen by this role: grant it SELECT on pg_hba_file_rules and"
            " EXECUTE on pg_hba_file_rules()."
        )
        return None
    all_settings = "SELECT pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE') AS may"
    may = transaction.rows(Sql(all_settings))[0]["may"]
    found: List[Dict[str, Any]] = transaction.rows(Sql(_RULES if may else _RULES_WITHOUT_FILE))
    return found


def _subscriptions(transaction: Any, facts: Dict[str, Any]) -> List[Dict[str, Any]]:
    # Its columns are granted one by one; before PostgreSQL 16 subname and subenabled belong to superusers alone.
    may = Sql("SELECT pg_catalog.has_column_privilege('pg_catalog.pg_subscription', 'subname', 'SELECT') AS may")
    if transaction.rows(may)[0]["may"]:
        found: List[Dict[str, Any]] = transaction.rows(Sql(_SUBSCRIPTIONS))
        return found
    facts["unseen"].append("Subscriptions can't be seen by this role.")
    return []


def _read_content(cluster: Cluster, database: str, patience: Sql) -> Dict[str, Any]:
    try:
        with cluster.transaction(database, "REPEATABLE READ", True) as transaction:
            transaction.rows(patience)
            return {
                "tables": transaction.rows(Sql(_TABLES)),
                "servers": transaction.rows(Sql(_SERVERS)),
                "dblinks": transaction.rows(Sql(_DBLINKS)),
                "extensions": {row["name"]: row["version"] for row in transaction.rows(Sql(_EXTENSIONS))},
                "publications": [row["name"] for row in transaction.rows(Sql(_PUBLICATIONS))],
            }
    except BulkheadError as error:
        return {"error": str(error)}
