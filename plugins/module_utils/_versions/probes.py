# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a catalogue shows a feature: a query for each, and the marks of parsed expressions.

What belongs to an extension is the extension's, and what lies in a system schema the server's: neither is looked at.
"""

from typing import NamedTuple, Tuple

# rel, fn, con: the database's own relations, functions and constraints.
OWN = """
WITH part AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
space AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT 1 FROM part WHERE classid = 'pg_namespace'::regclass AND objid = pg_namespace.oid)),
rel AS (SELECT c.* FROM pg_class c JOIN space s ON s.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT 1 FROM part WHERE classid = 'pg_class'::regclass AND objid = c.oid)),
fn AS (SELECT p.*, l.lanname FROM pg_proc p JOIN space s ON s.oid = p.pronamespace
    JOIN pg_language l ON l.oid = p.prolang
    WHERE NOT EXISTS (SELECT 1 FROM part WHERE classid = 'pg_proc'::regclass AND objid = p.oid)),
typ AS (SELECT t.* FROM pg_type t JOIN space s ON s.oid = t.typnamespace
    WHERE NOT EXISTS (SELECT 1 FROM part WHERE classid = 'pg_type'::regclass AND objid = t.oid)),
con AS (SELECT k.*, c.relkind FROM pg_constraint k JOIN rel c ON c.oid = k.conrelid),
col AS (SELECT a.*, c.relkind, c.relname FROM pg_attribute a JOIN rel c ON c.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'm', 'v', 'c'))
"""


class Probe(NamedTuple):
    """A query for one feature.

    Arguments:
        feature: the row of the table.
        sql: yields the catalogue, the identifier and the column's number of an object, and what is seen.
        first, last: the majors whose catalogues have what it asks for.
    """

    feature: str
    sql: str
    first: int = 0
    last: int = 99


PROBES: Tuple[Probe, ...] = (
    Probe(
        "column-compression",
        "SELECT 'pg_class', attrelid, attnum, 'COMPRESSION ' || CASE attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END"
        " FROM col WHERE attcompression::text <> ''",
        14,
    ),
    Probe(
        "numeric-scale",
        "SELECT 'pg_class', attrelid, attnum, format_type(atttypid, atttypmod) FROM col"
        " WHERE atttypid IN (1700, 1231) AND atttypmod >= 4 AND ((((atttypmod - 4) & 2047) # 1024) - 1024 < 0"
        " OR (((atttypmod - 4) & 2047) # 1024) - 1024 > (((atttypmod - 4) >> 16) & 65535))",
        15,
    ),
    Probe(
        "virtual-column",
        "SELECT 'pg_class', attrelid, attnum, 'GENERATED ALWAYS AS (...) VIRTUAL' FROM col WHERE attgenerated = 'v'",
        18,
    ),
    Probe(
        "identity-partitioned",
        "SELECT 'pg_class', attrelid, attnum, 'GENERATED AS IDENTITY' FROM col"
        " WHERE attidentity <> '' AND relkind = 'p'",
        17,
    ),
    Probe(
        "without-overlaps",
        "SELECT 'pg_constraint', oid, 0, pg_get_constraintdef(oid) FROM con WHERE conperiod AND conparentid = 0",
        18,
    ),
    Probe(
        "not-enforced",
        "SELECT 'pg_constraint', oid, 0, pg_get_constraintdef(oid) FROM con WHERE NOT conenforced AND conparentid = 0",
        18,
    ),
    Probe(
        "not-null-not-valid",
        "SELECT 'pg_constraint', oid, 0, pg_get_constraintdef(oid) FROM con WHERE contype = 'n' AND NOT convalidated",
        18,
    ),
    Probe(
        "not-null-no-inherit",
        "SELECT 'pg_constraint', oid, 0, pg_get_constraintdef(oid) FROM con WHERE contype = 'n' AND connoinherit",
        18,
    ),
    Probe(
        "not-null-name",
        "SELECT 'pg_constraint', oid, 0, 'NOT NULL, named ' || conname FROM con"
        " WHERE contype = 'n' AND conislocal AND conname !~ '_not_null[0-9]*$'",
        18,
    ),
    Probe(
        "foreign-key-partitioned",
        "SELECT 'pg_constraint', oid, 0, pg_get_constraintdef(oid) FROM con"
        " WHERE contype = 'f' AND NOT convalidated AND conenforced AND relkind = 'p'",
        18,
    ),
    Probe(
        "foreign-key-columns",
        "SELECT 'pg_constraint', oid, 0, pg_get_constraintdef(oid) FROM con"
        " WHERE confdelsetcols IS NOT NULL AND conparentid = 0",
        15,
    ),
    Probe(
        "exclusion-partitioned",
        "SELECT 'pg_constraint', oid, 0, pg_get_constraintdef(oid) FROM con WHERE contype = 'x' AND relkind = 'p'",
        17,
    ),
    Probe(
        "nulls-not-distinct",
        "SELECT 'pg_class', i.indexrelid, 0, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " JOIN rel c ON c.oid = i.indrelid WHERE i.indnullsnotdistinct",
        15,
    ),
    Probe(
        "spgist-include",
        "SELECT 'pg_class', i.indexrelid, 0, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " JOIN rel c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
        " WHERE a.amname = 'spgist' AND i.indnatts > i.indnkeyatts",
        14,
    ),
    Probe(
        "expression-statistics",
        "SELECT 'pg_statistic_ext', e.oid, 0, pg_get_statisticsobjdef(e.oid) FROM pg_statistic_ext e"
        " JOIN rel c ON c.oid = e.stxrelid WHERE e.stxexprs IS NOT NULL",
        14,
    ),
    Probe(
        "access-method-partitioned",
        "SELECT 'pg_class', c.oid, 0, 'USING ' || a.amname FROM rel c JOIN pg_am a ON a.oid = c.relam"
        " WHERE c.relkind = 'p'",
        17,
    ),
    Probe(
        "unlogged-sequence",
        "SELECT 'pg_class', oid, 0, 'UNLOGGED' FROM rel WHERE relkind = 'S' AND relpersistence = 'u'",
        15,
    ),
    Probe(
        "unlogged-partitioned",
        "SELECT 'pg_class', oid, 0, 'UNLOGGED' FROM rel WHERE relkind = 'p' AND relpersistence = 'u'",
        0,
        17,
    ),
    Probe(
        "security-invoker",
        "SELECT 'pg_class', oid, 0, array_to_string(reloptions, ', ') FROM rel"
        " WHERE relkind = 'v' AND array_to_string(reloptions, ',') ~ 'security_invoker=(true|on|1|yes)'",
        15,
    ),
    Probe(
        "index-search-path",
        "SELECT DISTINCT 'pg_class', c.oid, 0, 'calls ' || fn.oid::regprocedure::text FROM pg_depend d"
        " JOIN fn ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = fn.oid"
        " JOIN rel c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid WHERE c.relkind IN ('i', 'I')"
        " AND fn.lanname IN ('sql', 'plpgsql') AND fn.prosrc <> ''"
        " AND coalesce(array_to_string(fn.proconfig, ','), '') !~ 'search_path='",
    ),
    Probe(
        "range-type",
        "SELECT 'pg_type', typ.oid, 0, 'multirange_type_name = ' || format_type(r.rngmultitypid, NULL) FROM pg_range r"
        " JOIN typ ON typ.oid = r.rngtypid",
        14,
    ),
    Probe("sql-body", "SELECT 'pg_proc', oid, 0, 'BEGIN ATOMIC or RETURN' FROM fn WHERE prosqlbody IS NOT NULL", 14),
    Probe(
        "procedure-out",
        "SELECT 'pg_proc', oid, 0, pg_get_function_arguments(oid) FROM fn"
        " WHERE prokind = 'p' AND 'o' = ANY (proargmodes)",
        14,
    ),
    Probe(
        "postfix-operator",
        "SELECT 'pg_operator', o.oid, 0, 'no right operand' FROM pg_operator o JOIN space s ON s.oid = o.oprnamespace"
        " WHERE o.oprright = 0 AND NOT EXISTS (SELECT 1 FROM part"
        " WHERE classid = 'pg_operator'::regclass AND objid = o.oid)",
        0,
        13,
    ),
    Probe(
        "polymorphic-array",
        "SELECT 'pg_proc', a.aggfnoid::oid, 0, 'SFUNC = ' || p.proname || ', STYPE = anyarray' FROM pg_aggregate a"
        " JOIN fn ON fn.oid = a.aggfnoid JOIN pg_proc p ON p.oid = a.aggtransfn"
        " WHERE p.pronamespace = 'pg_catalog'::regnamespace AND a.aggtranstype = 2277"
        " AND p.proname IN ('array_append', 'array_prepend', 'array_cat', 'array_remove', 'array_replace')",
        0,
        13,
    ),
    Probe(
        "polymorphic-array",
        "SELECT 'pg_operator', o.oid, 0, 'FUNCTION = ' || p.proname FROM pg_operator o"
        " JOIN space s ON s.oid = o.oprnamespace JOIN pg_proc p ON p.oid = o.oprcode"
        " WHERE p.pronamespace = 'pg_catalog'::regnamespace AND 2277 IN (o.oprleft, o.oprright)"
        " AND p.proname IN ('array_append', 'array_prepend', 'array_cat', 'array_remove', 'array_position',"
        " 'array_positions', 'width_bucket')",
        0,
        13,
    ),
    Probe(
        "login-trigger",
        "SELECT 'pg_event_trigger', oid, 0, 'ON login' FROM pg_event_trigger WHERE evtevent = 'login' AND NOT EXISTS"
        " (SELECT 1 FROM part WHERE classid = 'pg_event_trigger'::regclass AND objid = pg_event_trigger.oid)",
        17,
    ),
    # All of the rights of a table are written as ALL, which every major reads.
    Probe(
        "maintain",
        "SELECT 'pg_class', c.oid, 0, 'granted to ' || CASE a.grantee WHEN 0 THEN 'PUBLIC'"
        " ELSE pg_get_userbyid(a.grantee) END FROM rel c, aclexplode(c.relacl) a GROUP BY c.oid, a.grantee, a.grantor"
        " HAVING bool_or(a.privilege_type = 'MAINTAIN') AND count(DISTINCT a.privilege_type) < 8",
        17,
    ),
    Probe(
        "maintain",
        "SELECT 'pg_default_acl', d.oid, 0, 'granted to ' || CASE a.grantee WHEN 0 THEN 'PUBLIC'"
        " ELSE pg_get_userbyid(a.grantee) END FROM pg_default_acl d, aclexplode(d.defaclacl) a"
        " GROUP BY d.oid, a.grantee, a.grantor"
        " HAVING bool_or(a.privilege_type = 'MAINTAIN') AND count(DISTINCT a.privilege_type) < 8",
        17,
    ),
    Probe("parameter-privilege", "SELECT 'parameter ' || parname, 0, 0, paracl::text FROM pg_parameter_acl", 15),
    Probe(
        "public-create",
        "SELECT 'pg_namespace', n.oid, 0, 'CREATE granted to PUBLIC' FROM pg_namespace n, aclexplode(n.nspacl) a"
        " WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'",
    ),
    Probe(
        "publication-schema",
        "SELECT 'pg_publication', p.oid, 0, 'TABLES IN SCHEMA ' || n.pnnspid::regnamespace::text"
        " FROM pg_publication p JOIN pg_publication_namespace n ON n.pnpubid = p.oid",
        15,
    ),
    Probe(
        "publication-filter",
        "SELECT 'pg_publication', prpubid, 0, 'a WHERE of ' || prrelid::regclass::text FROM pg_publication_rel"
        " WHERE prqual IS NOT NULL",
        15,
    ),
    Probe(
        "publication-columns",
        "SELECT 'pg_publication', prpubid, 0, 'a list of columns of ' || prrelid::regclass::text"
        " FROM pg_publication_rel WHERE prattrs IS NOT NULL",
        15,
    ),
    Probe(
        "publication-generated",
        "SELECT 'pg_publication', oid, 0, 'publish_generated_columns = stored' FROM pg_publication"
        " WHERE pubgencols <> 'n'",
        18,
    ),
    Probe("publication", "SELECT 'pg_publication', oid, 0, 'logical replication' FROM pg_publication"),
    Probe(
        "subscription",
        "SELECT 'subscription ' || quote_ident(s.subname), 0, 0, CASE WHEN s.subenabled THEN 'enabled'"
        " ELSE 'disabled' END"
        " FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()",
    ),
    Probe(
        "replication-slot",
        "SELECT 'replication slot ' || slot_name, 0, 0, 'plugin ' || plugin FROM pg_replication_slots"
        " WHERE database = current_database() AND NOT temporary",
    ),
    Probe(
        "database-icu",
        "SELECT 'pg_database', oid, 0, 'LOCALE_PROVIDER icu' FROM pg_database"
        " WHERE datname = current_database() AND datlocprovider = 'i'",
        15,
    ),
    Probe(
        "database-builtin",
        "SELECT 'pg_database', oid, 0, 'LOCALE_PROVIDER builtin' FROM pg_database"
        " WHERE datname = current_database() AND datlocprovider = 'b'",
        17,
    ),
    Probe(
        "icu-rules",
        "SELECT 'pg_database', oid, 0, 'ICU_RULES' FROM pg_database"
        " WHERE datname = current_database() AND daticurules IS NOT NULL",
        16,
    ),
    Probe(
        "icu-rules",
        "SELECT 'pg_collation', c.oid, 0, 'RULES' FROM pg_collation c JOIN space s ON s.oid = c.collnamespace"
        " WHERE c.collicurules IS NOT NULL",
        16,
    ),
    Probe(
        "pg-unicode-fast",
        "SELECT 'pg_database', oid, 0, 'LOCALE PG_UNICODE_FAST' FROM pg_database"
        " WHERE datname = current_database() AND datlocale = 'PG_UNICODE_FAST'",
        18,
    ),
    Probe(
        "pg-unicode-fast",
        "SELECT 'pg_collation', c.oid, 0, 'LOCALE PG_UNICODE_FAST' FROM pg_collation c"
        " JOIN space s ON s.oid = c.collnamespace WHERE c.colllocale = 'PG_UNICODE_FAST'",
        18,
    ),
    Probe(
        "collation-builtin",
        "SELECT 'pg_collation', c.oid, 0, 'PROVIDER builtin' FROM pg_collation c"
        " JOIN space s ON s.oid = c.collnamespace WHERE c.collprovider = 'b'",
        17,
    ),
    Probe(
        "large-objects",
        "SELECT count(*) || CASE count(*) WHEN 1 THEN ' large object' ELSE ' large objects' END, 0, 0,"
        " 'pg_largeobject_metadata' FROM pg_largeobject_metadata HAVING count(*) > 0",
    ),
)

# Only a superuser may ask.
SUPERUSER_PROBES: Tuple[Probe, ...] = (
    Probe(
        "md5-password",
        "SELECT 'role ' || quote_ident(a.rolname), 0, 0, 'its password begins with md5' FROM pg_authid a"
        " WHERE a.rolpassword LIKE 'md5%' AND a.oid IN (SELECT relowner FROM rel UNION"
        " SELECT datdba FROM pg_database WHERE datname = current_database())",
        0,
        17,
    ),
)

# Expressions as the server keeps them: their texts name functions, operators and types by number, and say what kind of
# node each is.
TREES = (
    Probe("", "SELECT 'pg_class', c.oid, 0, r.ev_action::text FROM pg_rewrite r JOIN rel c ON c.oid = r.ev_class"),
    Probe("", "SELECT 'pg_class', c.oid, 0, r.ev_qual::text FROM pg_rewrite r JOIN rel c ON c.oid = r.ev_class"),
    Probe("", "SELECT 'pg_class', d.adrelid, d.adnum, d.adbin::text FROM pg_attrdef d JOIN rel c ON c.oid = d.adrelid"),
    Probe("", "SELECT 'pg_constraint', oid, 0, conbin::text FROM con WHERE conbin IS NOT NULL"),
    Probe(
        "",
        "SELECT 'pg_constraint', k.oid, 0, k.conbin::text FROM pg_constraint k JOIN typ ON typ.oid = k.contypid"
        " WHERE k.conbin IS NOT NULL",
    ),
    Probe(
        "",
        "SELECT 'pg_class', i.indexrelid, 0, concat(i.indexprs::text, i.indpred::text) FROM pg_index i"
        " JOIN rel c ON c.oid = i.indrelid WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL",
    ),
    Probe(
        "",
        "SELECT 'pg_policy', p.oid, 0, concat(p.polqual::text, p.polwithcheck::text) FROM pg_policy p"
        " JOIN rel c ON c.oid = p.polrelid",
    ),
    Probe(
        "",
        "SELECT 'pg_trigger', t.oid, 0, t.tgqual::text FROM pg_trigger t JOIN rel c ON c.oid = t.tgrelid"
        " WHERE t.tgqual IS NOT NULL AND NOT t.tgisinternal",
    ),
    Probe("", "SELECT 'pg_type', oid, 0, typdefaultbin::text FROM typ WHERE typdefaultbin IS NOT NULL"),
    Probe("", "SELECT 'pg_proc', oid, 0, proargdefaults::text FROM fn WHERE proargdefaults IS NOT NULL"),
    Probe(
        "",
        "SELECT 'pg_class', p.partrelid, 0, p.partexprs::text FROM pg_partitioned_table p"
        " JOIN rel c ON c.oid = p.partrelid WHERE p.partexprs IS NOT NULL",
    ),
    Probe("", "SELECT 'pg_proc', oid, 0, prosqlbody::text FROM fn WHERE prosqlbody IS NOT NULL", 14),
    Probe(
        "",
        "SELECT 'pg_statistic_ext', e.oid, 0, e.stxexprs::text FROM pg_statistic_ext e"
        " JOIN rel c ON c.oid = e.stxrelid WHERE e.stxexprs IS NOT NULL",
        14,
    ),
    Probe(
        "",
        "SELECT 'pg_publication', prpubid, 0, prqual::text FROM pg_publication_rel WHERE prqual IS NOT NULL",
        15,
    ),
)


class Mark(NamedTuple):
    """What shows a feature in the text of a parsed expression: a pattern of Postgres', and how a person writes it."""

    feature: str
    pattern: str
    written: str
    first: int = 14


MARKS: Tuple[Mark, ...] = (
    Mark("json-query", r"\{JSONEXPR ", "JSON_VALUE, JSON_QUERY or JSON_EXISTS", 17),
    Mark("json-table", r"\{TABLEFUNC :functype 1 ", "JSON_TABLE", 17),
    Mark("json-scalar", r"\{JSONCONSTRUCTOREXPR :type [567] ", "JSON(), JSON_SCALAR or JSON_SERIALIZE", 17),
    Mark("json-constructor", r"\{JSONCONSTRUCTOREXPR :type [1234] ", "JSON_OBJECT, JSON_ARRAY or an aggregate", 16),
    Mark("is-json", r"\{JSONISPREDICATE ", "IS JSON", 16),
    Mark("xml-indent", r"\{XMLEXPR .*:indent true", "XMLSERIALIZE ... INDENT", 16),
    Mark("group-by-distinct", r":groupDistinct true", "GROUP BY DISTINCT"),
    Mark("search-clause", r"\{CTESEARCHCLAUSE ", "SEARCH ... FIRST BY"),
    Mark("cycle-clause", r"\{CTECYCLECLAUSE ", "CYCLE ... SET"),
    Mark("join-using-alias", r":join_using_alias \{ALIAS ", "USING (...) AS"),
    Mark("jsonb-subscript", r":refcontainertype 3802 ", "a subscript of jsonb"),
    Mark("merge", r"\{QUERY :commandType 5 ", "MERGE", 15),
    Mark("merge-returning", r"\{MERGESUPPORTFUNC ", "merge_action()", 17),
    Mark("merge-by-source", r"\{MERGEACTION :matchKind 1 ", "WHEN NOT MATCHED BY SOURCE", 17),
    Mark("returning-old-new", r":varreturningtype [12] |\{RETURNINGEXPR ", "RETURNING old or new", 18),
)
