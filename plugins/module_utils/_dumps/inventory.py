# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds beside its rows, as the manifest tells it and a drill compares it.

Definitions may hold secrets (a trigger that calls a webhook carries its key as an argument, a setting the secret that
signs tokens), so they are told by their SHA-256; a setting's is salted with the copy's stem. What an extension brings
is left out: pg_dump leaves it to CREATE EXTENSION.
"""

import hashlib
from typing import Any, Dict, List

from .._core.errors import OutsideError
from .._core.sql import Sql
from .ports import Transaction
from .snapshot import explained, without_locks

_USERS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"


def _not_of_an_extension(catalogue: str, oid: str) -> str:
    text = "NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'CATALOGUE'::regclass AND e.objid = OID"
    return (text + " AND e.deptype = 'e')").replace("CATALOGUE", catalogue).replace("OID", oid)


_DECORATION = r"::(character varying|text|bpchar|character)(\(\d+\))?(\[\])?|[()\s]"


def _hashed(definition: str) -> str:
    """Return two columns: the hash of a definition, and that of its plain form.

    The server doesn't always write an expression as it did before it was dumped and restored: CHECK (a IN ('x')) on a
    varchar comes back with its casts in other places (ruleutils.c). The plain form has neither these nor parentheses.
    """
    plain = "regexp_replace(DEFINITION, '%s', '', 'g')" % _DECORATION
    hashed = "encode(sha256(convert_to(%s, 'UTF8')), 'hex')"
    columns = hashed % "DEFINITION" + " AS sha256, left(" + hashed % plain + ", 16) AS plain"
    return columns.replace("DEFINITION", definition)


_SCHEMAS = """
SELECT n.nspname AS name, pg_get_userbyid(n.nspowner) AS owner
  FROM pg_namespace n
 WHERE USERS AND FREE
 ORDER BY 1
""".replace("USERS", _USERS).replace("FREE", _not_of_an_extension("pg_namespace", "n.oid"))

# A column owns the sequence of serial (a) and of identity (i).
_SEQUENCES = """
SELECT n.nspname AS schema, c.relname AS name, pg_get_userbyid(c.relowner) AS owner,
       s.seqincrement < 0 AS descends, m.nspname AS table_schema, t.relname AS table, a.attname AS column
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
  LEFT JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.deptype IN ('a', 'i')
                       AND o.refclassid = 'pg_class'::regclass AND o.refobjsubid > 0
  LEFT JOIN pg_class t ON t.oid = o.refobjid AND t.relkind IN ('r', 'p')
  LEFT JOIN pg_namespace m ON m.oid = t.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = o.refobjsubid
                          AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
 WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND FREE
 ORDER BY 1, 2
""".replace("FREE", _not_of_an_extension("pg_class", "c.oid"))

_EXTENSIONS = """
SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 ORDER BY 1
"""

_VIEWS = (
    """
SELECT n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END AS kind,
       pg_get_userbyid(c.relowner) AS owner, HASHED
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('v', 'm') AND USERS AND FREE
 ORDER BY 1, 2
""".replace("USERS", _USERS)
    .replace("FREE", _not_of_an_extension("pg_class", "c.oid"))
    .replace("HASHED", _hashed("pg_get_viewdef(c.oid)"))
)

# pg_get_functiondef refuses aggregates.
_FUNCTIONS = """
SELECT n.nspname AS schema, p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
       pg_get_userbyid(p.proowner) AS owner,
       CASE WHEN p.prokind <> 'a'
            THEN encode(sha256(convert_to(pg_get_functiondef(p.oid), 'UTF8')), 'hex') END AS sha256
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE USERS AND FREE
 ORDER BY 1, 2, 3
""".replace("USERS", _USERS).replace("FREE", _not_of_an_extension("pg_proc", "p.oid"))

_INDEXES = (
    """
SELECT n.nspname AS schema, c.relname AS name, t.relname AS table, HASHED
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE i.indisvalid AND t.relpersistence <> 't' AND USERS AND FREE
 ORDER BY 1, 2
""".replace("USERS", _USERS)
    .replace("FREE", _not_of_an_extension("pg_class", "t.oid"))
    .replace("HASHED", _hashed("pg_get_indexdef(c.oid)"))
)

_CONSTRAINTS = (
    """
SELECT n.nspname AS schema, coalesce(c.relname, t.typname) AS table, k.conname AS name, HASHED
  FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
  LEFT JOIN pg_class c ON c.oid = k.conrelid
  LEFT JOIN pg_type t ON t.oid = k.contypid
 WHERE k.contype <> 't' AND coalesce(c.relpersistence, 'p') <> 't' AND USERS AND FREE_CLASS AND FREE_TYPE
 ORDER BY 1, 2, 3
""".replace("USERS", _USERS)
    .replace("FREE_CLASS", _not_of_an_extension("pg_class", "k.conrelid"))
    .replace("FREE_TYPE", _not_of_an_extension("pg_type", "k.contypid"))
    .replace("HASHED", _hashed("pg_get_constraintdef(k.oid)"))
)

# Without it a policy is there and means nothing.
_ROW_SECURITY = """
SELECT n.nspname AS schema, c.relname AS table, c.relforcerowsecurity AS forced
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relrowsecurity
 ORDER BY 1, 2
"""

_POLICIES = """
SELECT d.schema, d.table, d.name, HASHED
  FROM (SELECT n.nspname AS schema, c.relname AS table, p.polname AS name,
               concat_ws('|', p.polcmd, p.polpermissive,
                         (SELECT string_agg(r::regrole::text, ',' ORDER BY r::regrole::text) FROM unnest(p.polroles) r),
                         pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) AS definition
          FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace) d
 ORDER BY 1, 2, 3
""".replace("HASHED", _hashed("d.definition"))

_TRIGGERS = (
    """
SELECT d.schema, d.table, d.name, d.enabled, HASHED
  FROM (SELECT n.nspname AS schema, c.relname AS table, t.tgname AS name, t.tgenabled::text AS enabled,
               pg_get_triggerdef(t.oid) AS definition
          FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT t.tgisinternal AND FREE
         UNION ALL
        SELECT NULL, NULL, v.evtname, v.evtenabled::text, concat_ws('|', v.evtevent, v.evtfoid::regproc, v.evttags)
          FROM pg_event_trigger v
         WHERE FREE_EVENT) d
 ORDER BY 1, 2, 3
""".replace("FREE_EVENT", _not_of_an_extension("pg_event_trigger", "v.oid"))
    .replace("FREE", _not_of_an_extension("pg_class", "c.oid"))
    .replace("HASHED", _hashed("d.definition"))
)

# What is granted by default isn't told: whether the server writes it down depends on what was done before.
_GRANTS = (
    """
SELECT f.kind, f.schema, f.name, f.acl
  FROM (SELECT g.kind, g.schema, g.name, array(SELECT i::text FROM unnest(g.acl) i ORDER BY 1) AS acl,
               array(SELECT i::text FROM unnest(g.usual) i ORDER BY 1) AS usual
          FROM (SELECT 'database' AS kind, NULL::name AS schema, ''::text AS name, d.datacl AS acl,
                       acldefault('d', d.datdba) AS usual
                  FROM pg_database d WHERE d.datname = current_database()
                 UNION ALL
                SELECT 'schema', NULL, n.nspname, n.nspacl, acldefault('n', n.nspowner)
                  FROM pg_namespace n WHERE USERS
                 UNION ALL
                SELECT 'relation', n.nspname, c.relname, c.relacl,
                       acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE USERS AND FREE
                 UNION ALL
                SELECT 'column', n.nspname, c.relname || '.' || a.attname, a.attacl, NULL
                  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE a.attnum > 0 AND USERS AND FREE
                 UNION ALL
                SELECT 'function', n.nspname, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
                       p.proacl, acldefault('f', p.proowner)
                  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE USERS AND FREEPROC
                 UNION ALL
                SELECT 'default', n.nspname, pg_get_userbyid(d.defaclrole) || ' ' || d.defaclobjtype::text,
                       d.defaclacl, NULL
                  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace) g
         WHERE g.acl IS NOT NULL) f
 WHERE f.acl <> f.usual
 ORDER BY 1, 2, 3
""".replace("USERS", _USERS)
    .replace("FREEPROC", _not_of_an_extension("pg_proc", "p.oid"))
    .replace("FREE", _not_of_an_extension("pg_class", "c.oid"))
)

_SETTINGS = """
SELECT CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END AS role, c AS setting
  FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c
 WHERE d.datname = current_database()
 ORDER BY 1, 2
"""

_QUERIES = {
    "schemas": _SCHEMAS,
    "sequences": _SEQUENCES,
    "extensions": _EXTENSIONS,
    "views": _VIEWS,
    "functions": _FUNCTIONS,
    "indexes": _INDEXES,
    "constraints": _CONSTRAINTS,
    "row_security": _ROW_SECURITY,
    "policies": _POLICIES,
    "triggers": _TRIGGERS,
    "grants": _GRANTS,
}


# Each is one more table in one statement's range.
_COLUMNS_PER_QUERY = 100
_GREATEST = "SELECT %s::int AS number, max({})::bigint AS value FROM {}"
_LEAST = "SELECT %s::int AS number, min({})::bigint AS value FROM {}"


def list_objects(transaction: Transaction, salt: str) -> Dict[str, List[Dict[str, Any]]]:
    """Return schemas, sequences, extensions, views, functions, indexes, constraints, policies and the tables that heed
    them, triggers, grants and the database's settings.

    Arguments:
        salt: goes before the value of each setting into its hash.
    """
    with without_locks(transaction):
        return _list_objects(transaction, salt)


def _list_objects(transaction: Transaction, salt: str) -> Dict[str, List[Dict[str, Any]]]:
    # Definitions are written by the names that this connection would have to use.
    transaction.execute(Sql("SELECT set_config('search_path', '', true)"))
    found = {name: [dict(row) for row in transaction.rows(Sql(text))] for name, text in _QUERIES.items()}
    _add_columns(transaction, found["sequences"])
    found["settings"] = []
    for row in transaction.rows(Sql(_SETTINGS)):
        name, _equals, value = row["setting"].partition("=")
        digest = hashlib.sha256((salt + value).encode("utf-8")).hexdigest()
        found["settings"].append({"role": row["role"], "name": name, "sha256": digest})
    return found


def _add_columns(transaction: Transaction, sequences: List[Dict[str, Any]]) -> None:
    """Tell of each sequence how far the column is that owns it: one that is behind hands out what is there already."""
    owned = [item for item in sequences if item["column"] is not None]
    for item in sequences:
        item["column_value"] = None
    for start in range(0, len(owned), _COLUMNS_PER_QUERY):
        some = owned[start : start + _COLUMNS_PER_QUERY]
        text = " UNION ALL ".join(_LEAST if item["descends"] else _GREATEST for item in some)
        names: List[Any] = []
        for item in some:
            names += [item["column"], (item["table_schema"], item["table"])]
        try:
            found = transaction.rows(Sql(text, tuple(names), tuple(range(len(some)))))
        except OutsideError as error:
            raise explained(error) from error
        for row in found:
            some[row["number"]]["column_value"] = row["value"]
