# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the state: a query per question, never one per object."""

from dataclasses import replace
from typing import Any, Dict, Mapping, Tuple

from .._core.errors import StateError
from .._core.sessions import users
from .._core.sql import Sql
from .catalogue import Thing, read_catalogue
from .copying import changed_since
from .fill import FILL_TABLE, JOURNAL_SCHEMA, read_fill, written_since
from .legacy import movable
from .model import (
    JOURNAL_TABLE,
    Cluster,
    Content,
    Database,
    LegacyState,
    Locale,
    Role,
    State,
    Wanted,
)
from .selection import Chosen, Selection, select

_ROLES = Sql("SELECT rolname AS name, rolcanlogin AS login, rolsuper AS superuser FROM pg_catalog.pg_roles")
_VERIFIERS = Sql("SELECT rolname AS name, rolpassword AS verifier FROM pg_catalog.pg_authid WHERE rolname = %s")
_DATABASES = Sql(
    """
    SELECT d.datname AS name, pg_catalog.pg_get_userbyid(d.datdba) AS owner, d.datistemplate AS is_template,
           d.datconnlimit AS conn_limit, pg_catalog.pg_encoding_to_char(d.encoding) AS encoding,
           d.datcollate AS lc_collate, d.datctype AS lc_ctype,
           coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
           coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') AS icu_locale,
           coalesce(array_agg(DISTINCT coalesce(r.rolname::text, '')) FILTER (WHERE a.privilege_type = 'CONNECT'),
           '{{}}') AS connect,
           coalesce(array_agg(DISTINCT coalesce(r.rolname::text, '')) FILTER (WHERE a.privilege_type = 'TEMPORARY'),
           '{{}}') AS temporary
    FROM pg_catalog.pg_database d
    LEFT JOIN LATERAL pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a ON true
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    GROUP BY d.oid, d.*
    """
)
_OWNER_SESSIONS = """
    SELECT datname::text AS database, count(*)::int AS sessions FROM pg_catalog.pg_stat_activity
    WHERE usename = %s AND datname IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
      AND application_name NOT LIKE 'bulkhead/%%'
    GROUP BY 1 ORDER BY 1
    """
_SEARCH_PATH = """
    SELECT substr(c, 13) FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    CROSS JOIN LATERAL unnest(s.setconfig) c
    WHERE d.datname = %s AND s.setrole = 0 AND c LIKE 'search_path=%%'
    """
_COLUMNS = """
    SELECT CASE WHEN n.nspname = 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS name,
           array_agg(a.attname::text ORDER BY a.attnum) AS columns
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.oid = ANY (%s::oid[]) GROUP BY 1
    """
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
      (SELECT coalesce(jsonb_object_agg(t.name, t.columns), '{{}}') FROM (
         SELECT CASE WHEN n.nspname = 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS name,
                jsonb_agg(a.attname ORDER BY a.attnum) AS columns
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         GROUP BY 1) t) AS columns,
      (SELECT coalesce(jsonb_object_agg(CASE WHEN n.nspname = 'public' THEN c.relname
                                             ELSE n.nspname || '.' || c.relname END,
                                        pg_catalog.pg_get_userbyid(c.relowner)), '{{}}')
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema') AS owners,
      (SELECT coalesce(jsonb_agg(DISTINCT tgname), '[]') FROM pg_catalog.pg_trigger WHERE NOT tgisinternal) AS triggers,
      (SELECT coalesce(jsonb_agg(coalesce(r.rolname, '')), '[]') FROM pg_catalog.pg_namespace n
         CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
         WHERE n.nspname = 'public' AND a.privilege_type = 'CREATE') AS create_in_public,
      (SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = 'public')
        AS public_owner,
      (SELECT coalesce(jsonb_agg(jsonb_build_array(pg_catalog.pg_get_userbyid(p.defaclrole), coalesce(n.nspname, ''),
                                                   p.defaclobjtype, coalesce(r.rolname, ''), a.privilege_type)), '[]')
         FROM pg_catalog.pg_default_acl p LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.defaclnamespace
         CROSS JOIN LATERAL pg_catalog.aclexplode(p.defaclacl) a
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee) AS default_privileges,
      (SELECT coalesce(jsonb_object_agg(split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)), '{{}}')
         FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
         CROSS JOIN LATERAL unnest(s.setconfig) c
         WHERE d.datname = current_database() AND s.setrole = 0) AS settings,
      to_regclass(%s) IS NOT NULL AS journal,
      to_regclass(%s) IS NOT NULL AS filled,
      to_regprocedure('auth.role()') IS NOT NULL AND to_regprocedure('auth.uid()') IS NOT NULL AS prelude,
      EXISTS (SELECT FROM pg_catalog.pg_event_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.evtfoid
               WHERE t.evtenabled <> 'D' AND t.evtevent = 'ddl_command_end' AND p.prosrc ~* 'notify[[:space:]]+pgrst')
        AS schema_watch
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
    roles = {row["name"]: Role(row["name"], row["login"], None, row["superuser"]) for row in cluster.rows(_ROLES)}
    if me["superuser"] and wanted.owner in roles:
        found = cluster.rows(Sql(_VERIFIERS.text, values=(wanted.owner,)))
        roles[wanted.owner] = replace(roles[wanted.owner], verifier=found[0]["verifier"])
    databases = {row["name"]: _database(row) for row in cluster.rows(_DATABASES)}
    database = databases.get(wanted.database)
    content = Content()
    if database is not None and not database.is_template:
        content = read_content(cluster, wanted)
    holds = None
    if not me["superuser"] and wanted.owner in roles and wanted.password is not None:
        where = wanted.database if database is not None else ""
        holds = cluster.password_holds(wanted.owner, wanted.password, where)
    written = {}
    if content.fill is not None and content.fill.state == "rehearsal" and not wanted.rehearsal:
        labels = ["%s.%s" % qualified(table) for table in content.tables]
        written = written_since(cluster, wanted.database, content.fill, labels)
    return State(
        version=me["version"],
        user=me["name"],
        superuser=me["superuser"],
        roles=roles,
        database=database,
        databases=tuple(sorted(databases)),
        content=content,
        available={row["name"]: row["trusted"] for row in cluster.rows(_AVAILABLE)},
        legacy=_read_legacy(cluster, wanted, databases, content),
        sessions=tuple(
            (row["role"], row["application"], row["sessions"])
            for row in users(cluster, wanted.database)
            if not row["application"].startswith("bulkhead/")
        ),
        password_holds=holds,
        written_since=sum(item.came + item.gone for item in written.values()),
        strays=_strays(cluster, wanted, content),
        owner_sessions=tuple(
            (row["database"], row["sessions"]) for row in cluster.rows(Sql(_OWNER_SESSIONS, values=(wanted.owner,)))
        ),
    )


def _strays(cluster: Cluster, wanted: Wanted, content: Content) -> Tuple[Thing, ...]:
    """Return what lies beside the tables of an adopted database and belongs to another role than its new owner."""
    if not wanted.adopt or not content.tables or wanted.data == "copy" or wanted.strategy != "database":
        return ()
    schemas = tuple(sorted({qualified(table)[0] for table in content.tables}))
    selection = select(read_catalogue(cluster, wanted.database), Chosen(schemas=schemas))
    return tuple(thing for thing in movable(selection) if thing.owner != wanted.owner)


def _database(row: Mapping[str, Any]) -> Database:
    return Database(
        row["name"],
        row["owner"],
        row["is_template"],
        tuple(row["connect"]),
        tuple(row["temporary"]),
        Locale(row["encoding"], row["lc_collate"] or "", row["lc_ctype"] or "", row["provider"], row["icu_locale"]),
        row["conn_limit"],
    )


def read_content(cluster: Cluster, wanted: Wanted) -> Content:
    """Return what the wanted database holds; rows are counted only of tables whose count is expected."""
    name = wanted.database
    found = cluster.rows(
        Sql(_CONTENT, values=(JOURNAL_SCHEMA, "%s.%s" % JOURNAL_TABLE, "%s.%s" % FILL_TABLE), database=name)
    )[0]
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
        schema_watch=found["schema_watch"],
        public_objects=found["public_objects"],
        columns={table: tuple(columns) for table, columns in found["columns"].items()},
        triggers=tuple(found["triggers"]),
        owners=found["owners"],
        create_in_public=tuple(found["create_in_public"]),
        public_owner=found["public_owner"] or "",
        default_privileges=tuple(tuple(item) for item in found["default_privileges"]),
        settings=found["settings"],
        fill=read_fill(cluster, name) if found["filled"] else None,
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


def _read_legacy(cluster: Cluster, wanted: Wanted, databases: Mapping[str, Database], content: Content) -> LegacyState:
    legacy = wanted.legacy
    if legacy is None:
        return LegacyState()
    if legacy.database not in databases:
        raise StateError(
            "The legacy database %s isn't in this cluster." % legacy.database,
            "There are: %s." % ", ".join(sorted(databases)),
        )
    catalogue = read_catalogue(cluster, legacy.database)
    selection = select(catalogue, legacy.chosen)
    changed: Tuple[str, ...] = ()
    fill = content.fill
    if legacy.action != "keep" and selection.tables and fill is not None and fill.how == "copy":
        changed = tuple(changed_since(cluster, legacy.database, fill.tables, selection.tables))
    return LegacyState(
        selection=selection,
        locale=databases[legacy.database].locale,
        columns=_columns(cluster, legacy.database, selection),
        archived=tuple((thing.node[0], thing.name) for thing in catalogue.of_schema(legacy.archive_schema)),
        archive_schema_exists=any(
            thing.node[0] == "pg_namespace" and thing.name == legacy.archive_schema
            for thing in catalogue.things.values()
        ),
        changed=changed,
        search_path=cluster.value(Sql(_SEARCH_PATH, values=(legacy.database,))) or "",
    )


def _columns(cluster: Cluster, database: str, selection: Selection) -> Dict[str, Tuple[str, ...]]:
    oids = [thing.node[1] for thing in selection.tables]
    if not oids:
        return {}
    rows = cluster.rows(Sql(_COLUMNS, values=(oids,), database=database))
    return {row["name"]: tuple(row["columns"]) for row in rows}
