# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the state: a query per question, never one per object."""

from typing import Dict, Tuple

from .._core.errors import StateError
from .._core.sql import Sql
from .model import JOURNAL_SCHEMA, JOURNAL_TABLE, Cluster, Content, Database, LegacyState, Role, State, Wanted

_ROLES = Sql("SELECT rolname AS name, rolcanlogin AS login FROM pg_catalog.pg_roles")
_VERIFIERS = Sql("SELECT rolname AS name, rolpassword AS verifier FROM pg_catalog.pg_authid WHERE rolname = %s")
_DATABASES = Sql(
    """
    SELECT d.datname AS name, pg_catalog.pg_get_userbyid(d.datdba) AS owner, d.datistemplate AS is_template,
           coalesce(array_agg(DISTINCT coalesce(r.rolname::text, '')) FILTER (WHERE a.privilege_type = 'CONNECT'),
           '{{}}') AS connect,
           coalesce(array_agg(DISTINCT coalesce(r.rolname::text, '')) FILTER (WHERE a.privilege_type = 'TEMPORARY'),
           '{{}}') AS temporary
    FROM pg_catalog.pg_database d
    LEFT JOIN LATERAL pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a ON true
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    GROUP BY d.oid, d.datname, d.datdba, d.datistemplate
    """
)
_AVAILABLE = Sql(
    "SELECT name, bool_or(coalesce(trusted, false)) AS trusted"
    " FROM pg_catalog.pg_available_extension_versions GROUP BY name"
)
_CONTENT = """
    SELECT
      (SELECT coalesce(jsonb_object_agg(e.extname, n.nspname), '{{}}') FROM pg_catalog.pg_extension e
         JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace) AS extensions,
      (SELECT coalesce(jsonb_agg(nspname ORDER BY nspname), '[]') FROM pg_catalog.pg_namespace
         WHERE nspname !~ '^pg_' AND nspname <> 'information_schema') AS schemas,
      (SELECT coalesce(jsonb_agg(CASE WHEN n.nspname = 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END
                                 ORDER BY n.nspname, c.relname), '[]')
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', %s)
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                           AND d.objid = c.oid AND d.deptype = 'e')) AS tables,
      (SELECT count(*) FROM pg_catalog.pg_policy) AS policies,
      (SELECT coalesce(jsonb_agg(DISTINCT p.proname), '[]') FROM pg_catalog.pg_proc p
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_' AND n.nspname <>
         'information_schema'
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                           AND d.objid = p.oid AND d.deptype = 'e')) AS functions,
      (SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = 'public'::regnamespace
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                         AND d.objid = c.oid AND d.deptype = 'e'))
      + (SELECT count(*) FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'public'::regnamespace
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                         AND d.objid = p.oid AND d.deptype = 'e'))
      + (SELECT count(*) FROM pg_catalog.pg_type t WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN
      ('e', 'd')
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_type'::regclass
                         AND d.objid = t.oid AND d.deptype = 'e')) AS public_objects,
      to_regclass(%s) IS NOT NULL AS journal,
      to_regprocedure('auth.role()') IS NOT NULL AND to_regprocedure('auth.uid()') IS NOT NULL AS prelude
    """


def read_state(cluster: Cluster, wanted: Wanted) -> State:
    """Return what is there of the wanted database, its roles, and its legacy.

    Raises:
        StateError: the legacy database isn't there.
    """
    me = cluster.rows(
        Sql(
            "SELECT current_setting('server_version_num')::int AS version, current_user::text AS name,"
            " rolsuper AS superuser FROM pg_catalog.pg_roles WHERE rolname = current_user"
        )
    )[0]
    roles = {row["name"]: Role(row["name"], row["login"]) for row in cluster.rows(_ROLES)}
    if me["superuser"] and wanted.owner in roles:
        found = cluster.rows(Sql(_VERIFIERS.text, values=(wanted.owner,)))
        roles[wanted.owner] = Role(wanted.owner, roles[wanted.owner].login, found[0]["verifier"])
    databases = {
        row["name"]: Database(
            row["name"], row["owner"], row["is_template"], tuple(row["connect"]), tuple(row["temporary"])
        )
        for row in cluster.rows(_DATABASES)
    }
    legacy = wanted.legacy
    if legacy is not None and legacy.database not in databases:
        raise StateError(
            "The legacy database %s isn't in this cluster." % legacy.database,
            "There are: %s." % ", ".join(sorted(databases)),
        )
    database = databases.get(wanted.database)
    return State(
        version=me["version"],
        user=me["name"],
        superuser=me["superuser"],
        roles=roles,
        database=database,
        databases=tuple(sorted(databases)),
        content=read_content(cluster, wanted) if database is not None and not database.is_template else Content(),
        available={row["name"]: row["trusted"] for row in cluster.rows(_AVAILABLE)},
        legacy=_read_legacy(cluster, wanted),
    )


def read_content(cluster: Cluster, wanted: Wanted) -> Content:
    """Return what the wanted database holds; rows are counted only of tables whose count is expected."""
    name = wanted.database
    found = cluster.rows(Sql(_CONTENT, values=(JOURNAL_SCHEMA, "%s.%s" % JOURNAL_TABLE), database=name))[0]
    tables = tuple(found["tables"])
    applied: Dict[str, str] = {}
    if found["journal"]:
        rows = cluster.rows(Sql("SELECT name, checksum FROM {}", (JOURNAL_TABLE,), database=name))
        applied = {row["name"]: row["checksum"] for row in rows}
    counted = tuple(table for table in wanted.expect.rows if table in tables)
    return Content(
        tables=tables,
        extensions=found["extensions"],
        schemas=tuple(found["schemas"]),
        policies=found["policies"],
        functions=tuple(found["functions"]),
        rows=count_rows(cluster, name, counted),
        applied=applied,
        prelude=found["prelude"],
        public_objects=found["public_objects"],
    )


def qualified(table: str) -> Tuple[str, str]:
    """Return schema and name of a table as Content names it: without a schema it lies in public."""
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else ("public", table)


def count_rows(cluster: Cluster, database: str, tables: Tuple[str, ...]) -> Dict[str, int]:
    """Return the exact number of rows of each table, from one query."""
    if not tables:
        return {}
    text = " UNION ALL ".join(["SELECT %s AS name, count(*) AS rows FROM {}"] * len(tables))
    rows = cluster.rows(Sql(text, tuple(qualified(table) for table in tables), tables, database))
    return {row["name"]: row["rows"] for row in rows}


def _read_legacy(cluster: Cluster, wanted: Wanted) -> LegacyState:
    legacy = wanted.legacy
    if legacy is None:
        return LegacyState()
    like = like_pattern(legacy.pattern)
    named = Sql(
        "SELECT n.nspname AS schema, c.relname AS name FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND n.nspname IN (%s, %s) AND c.relname LIKE %s ORDER BY 2",
        values=(legacy.schema, legacy.archive_schema, like),
        database=legacy.database,
    )
    rows = cluster.rows(named)
    exists = cluster.value(
        Sql(
            "SELECT true FROM pg_catalog.pg_namespace WHERE nspname = %s",
            values=(legacy.archive_schema,),
            database=legacy.database,
        )
    )
    return LegacyState(
        tables=tuple(row["name"] for row in rows if row["schema"] == legacy.schema),
        archived=tuple(row["name"] for row in rows if row["schema"] == legacy.archive_schema),
        archive_schema_exists=bool(exists),
    )


def like_pattern(glob: str) -> str:
    """Return a glob (``archon_*``) as a LIKE pattern in which only the star is special."""
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")
