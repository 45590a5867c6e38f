# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queries that read what a database uses; each stands behind probes.OWN, and names its objects as a person does."""

from .catalogue import FUNCTION_NAME, OPCLASS_NAME, OPERATOR_NAME

# Of what is no object of the catalogue the class is the name.
_OBJECT = """CASE WHEN t.id = 0 THEN t.class
    ELSE (SELECT o.type || ' ' || o.identity FROM pg_identify_object(t.class::regclass, t.id, t.sub) o) END"""


def _named(text: str) -> str:
    """Return a query with what names its objects and builtins in it."""
    for mark, name in (
        ("OBJECT_NAME", _OBJECT),
        ("FUNCTION_NAME", FUNCTION_NAME),
        ("OPERATOR_NAME", OPERATOR_NAME),
        ("OPCLASS_NAME", OPCLASS_NAME),
    ):
        text = text.replace(mark, name)
    return text


# A probe among others, with its feature and without one.
BARE = "SELECT p.* FROM (PROBE) AS p(class, id, sub, evidence)"
FEATURED = "SELECT 'FEATURE', p.* FROM (PROBE) AS p(class, id, sub, evidence)"
PROBED = _named(
    """, t(feature, class, id, sub, evidence) AS (PROBES)
SELECT t.feature, OBJECT_NAME AS object, t.evidence FROM t
"""
)
# A number of one digit more is that of an object of the database's own.
USED_BY_TREES = _named(
    """, tree(class, id, sub, evidence) AS (TREES),
num AS (SELECT DISTINCT t.class, t.id, t.sub, m[1] AS what, m[2]::oid AS number
    FROM tree t, regexp_matches(t.evidence,
        ':(funcid|opno|aggfnoid|winfnoid|relid|consttype|resulttype|funcresulttype) (\\d+)', 'g') m
    WHERE length(m[2]) <= 5),
used(class, id, sub, kind, name) AS (
    SELECT n.class, n.id, n.sub, 'function', FUNCTION_NAME FROM num n JOIN pg_proc p ON p.oid = n.number
    WHERE n.what IN ('funcid', 'aggfnoid', 'winfnoid') AND p.pronamespace = 'pg_catalog'::regnamespace
    UNION ALL SELECT n.class, n.id, n.sub, 'operator', OPERATOR_NAME FROM num n JOIN pg_operator o ON o.oid = n.number
    WHERE n.what = 'opno' AND o.oprnamespace = 'pg_catalog'::regnamespace
    UNION ALL SELECT n.class, n.id, n.sub, 'type', format_type(coalesce(nullif(y.typelem, 0), y.oid), NULL)
    FROM num n JOIN pg_type y ON y.oid = n.number WHERE n.what LIKE '%%type'
    UNION ALL SELECT n.class, n.id, n.sub, 'relation', c.relname
    FROM num n JOIN pg_class c ON c.oid = n.number
    WHERE n.what = 'relid' AND c.relnamespace = 'pg_catalog'::regnamespace)
SELECT DISTINCT OBJECT_NAME AS object, t.class, t.id, t.kind, t.name
FROM used t JOIN unnest(%s::text[], %s::text[]) AS w(kind, name) ON w.kind = t.kind AND w.name = t.name
UNION ALL
SELECT OBJECT_NAME, t.class, t.id, 'mark', p.name FROM tree t, unnest(%s::text[], %s::text[]) AS p(name, pattern)
WHERE t.evidence ~ p.pattern
"""
)
USED_NAMES = _named(
    """, used(class, id, sub, kind, name) AS (
    SELECT 'pg_class', a.attrelid, a.attnum::int, 'type',
        format_type(CASE y.typcategory WHEN 'A' THEN y.typelem ELSE y.oid END, NULL)
    FROM col a JOIN pg_type y ON y.oid = a.atttypid WHERE a.relkind NOT IN ('v', 'm')
    UNION ALL SELECT 'pg_proc', fn.oid, 0, 'type',
        format_type(CASE y.typcategory WHEN 'A' THEN y.typelem ELSE y.oid END, NULL)
    FROM fn, unnest(coalesce(fn.proallargtypes, fn.proargtypes::oid[]) || fn.prorettype) AS g(type)
    JOIN pg_type y ON y.oid = g.type
    UNION ALL SELECT 'pg_type', typ.oid, 0, 'type', format_type(typ.typbasetype, NULL) FROM typ WHERE typtype = 'd'
    UNION ALL SELECT 'pg_class', i.indexrelid, 0, 'operator class', OPCLASS_NAME
    FROM pg_index i JOIN rel r ON r.oid = i.indexrelid CROSS JOIN unnest(i.indclass::oid[]) AS k(oid)
    JOIN pg_opclass c ON c.oid = k.oid JOIN pg_am a ON a.oid = c.opcmethod
    WHERE c.opcnamespace = 'pg_catalog'::regnamespace
    UNION ALL SELECT 'pg_class', c.oid, 0, 'role', pg_get_userbyid(c.relowner) FROM rel c
    UNION ALL SELECT 'pg_class', c.oid, 0, 'role', pg_get_userbyid(g.grantee) FROM rel c, aclexplode(c.relacl) g
    UNION ALL SELECT 'pg_proc', fn.oid, 0, 'role', pg_get_userbyid(fn.proowner) FROM fn
    UNION ALL SELECT 'pg_proc', fn.oid, 0, 'role', pg_get_userbyid(g.grantee) FROM fn, aclexplode(fn.proacl) g
    UNION ALL SELECT 'pg_namespace', n.oid, 0, 'role', pg_get_userbyid(g.oid)
    FROM pg_namespace n JOIN space s ON s.oid = n.oid CROSS JOIN LATERAL
        (SELECT n.nspowner AS oid UNION SELECT grantee FROM aclexplode(n.nspacl)) g
    WHERE n.nspname <> 'public' OR pg_get_userbyid(g.oid) <> 'pg_database_owner'
    UNION ALL SELECT 'pg_default_acl', d.oid, 0, 'role', pg_get_userbyid(g.grantee)
    FROM pg_default_acl d, aclexplode(d.defaclacl) g
    UNION ALL SELECT 'pg_policy', p.oid, 0, 'role', pg_get_userbyid(g.oid)
    FROM pg_policy p JOIN rel c ON c.oid = p.polrelid CROSS JOIN unnest(p.polroles) AS g(oid)
    UNION ALL SELECT 'pg_class', a.attrelid, a.attnum, 'reserved word', a.attname::text FROM col a
    UNION ALL SELECT 'pg_class', c.oid, 0, 'reserved word', c.relname::text FROM rel c
    WHERE c.relkind NOT IN ('i', 'I')
    UNION ALL SELECT 'pg_proc', fn.oid, 0, 'reserved word', fn.proname::text FROM fn)
SELECT DISTINCT OBJECT_NAME AS object, t.kind, t.name FROM used t JOIN unnest(%s::text[], %s::text[]) AS w(kind, name)
    ON w.kind = t.kind AND w.name = t.name
"""
)
USED_OTHERS = _named(
    """, used(class, id, sub, kind, name) AS (
    SELECT 'pg_class', a.attrelid, a.attnum::int, 'collation', l.collname::text
    FROM col a JOIN pg_collation l ON l.oid = a.attcollation
    WHERE l.collnamespace = 'pg_catalog'::regnamespace AND a.relkind NOT IN ('v', 'm')
      AND l.collname NOT IN ('default', 'C', 'POSIX', 'ucs_basic')
    UNION ALL SELECT 'pg_collation', l.oid, 0, 'locale',
        l.collprovider::text || ':' || coalesce(l.collcollate::text, '')
    FROM pg_collation l JOIN space s ON s.oid = l.collnamespace
    UNION ALL SELECT CASE d.setrole WHEN 0 THEN 'database ' ELSE 'role ' || quote_ident(pg_get_userbyid(d.setrole))
        || ' in database ' END || quote_ident(b.datname), 0, 0, 'setting', split_part(g.text, '=', 1)
    FROM pg_db_role_setting d JOIN pg_database b ON b.oid = d.setdatabase CROSS JOIN unnest(d.setconfig) AS g(text)
    WHERE b.datname = current_database()
    UNION ALL SELECT 'pg_proc', fn.oid, 0, 'function setting', split_part(g.text, '=', 1)
    FROM fn, unnest(fn.proconfig) AS g(text)
    UNION ALL SELECT 'pg_class', c.oid, 0, 'tablespace', p.spcname::text
    FROM rel c JOIN pg_tablespace p ON p.oid = c.reltablespace)
SELECT DISTINCT OBJECT_NAME AS object, t.kind, t.name FROM used t
"""
)
_BODIES = """
SELECT (SELECT o.type || ' ' || o.identity FROM pg_identify_object('pg_proc'::regclass, fn.oid, 0) o) AS object,
    BODY AS body, fn.prorettype = 2279 AS trigger FROM fn WHERE fn.lanname IN ('sql', 'plpgsql')
"""
# A body of parsed SQL has no text of its own.
TEXTS = _BODIES.replace("BODY", "fn.prosrc")
PARSED = _BODIES.replace("BODY", "pg_get_function_sqlbody(fn.oid)") + " AND fn.prosqlbody IS NOT NULL"
OWN_NAMES = "SELECT proname::text AS name, true AS called FROM fn UNION SELECT relname::text, false FROM rel"
VIEWS = "SELECT oid, pg_get_viewdef(oid) AS body FROM rel WHERE oid = ANY (%s::oid[])"
