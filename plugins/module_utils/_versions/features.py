# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the majors of PostgreSQL have and others haven't, or treat otherwise: the table that a database is held against.

docs/versions.md shows it; a test holds both equal.
"""

import fnmatch
from typing import Dict, NamedTuple, Tuple

from .model import BLOCKS, CONVERTS, HARMLESS

RELEASE_NOTES = "https://www.postgresql.org/docs/release/%d.0/"
_DOCS = "https://www.postgresql.org/docs/current/%s.html"


class Feature(NamedTuple):
    """One row.

    Arguments:
        id: never changes its meaning. title: as a person names it.
        major: the first that has it, or treats it the new way; 0 where it isn't a matter of majors.
        down: the grade at a server older than that; empty where it is nothing there.
        up: the grade at a server of that major or a newer one, coming from an older one; likewise.
        remedy: what to do, or what the move does.
        names: patterns of builtins that this row is about, as ``kind:name``.
        page: of the documentation, where it isn't in the release notes of the major.
        tested: whether the system's tests plant it on real servers.
    """

    id: str
    title: str
    major: int
    down: str
    up: str
    remedy: str
    names: Tuple[str, ...] = ()
    page: str = ""
    tested: bool = True

    @property
    def source(self) -> str:
        """Where it is written."""
        return _DOCS % self.page if self.page else RELEASE_NOTES % self.major

    def grade(self, source: int, target: int) -> str:
        """Return the grade between two majors; empty where the row says nothing of them."""
        if not self.major:
            return self.down if target <= source else self.up
        if target < self.major <= source:
            return self.down
        return self.up if source < self.major <= target else ""


_REWRITE = "Write it with what the server has, before the move."
_FUNCTION = "Give the database a function of its own for it, or write the call otherwise."


def _calls(identifier: str, title: str, major: int, *names: str, tested: bool = True) -> Feature:
    patterns = tuple("function:" + name for name in names)
    return Feature(identifier, title, major, BLOCKS, "", _FUNCTION, patterns, tested=tested)


def _syntax(identifier: str, title: str, major: int, remedy: str = _REWRITE, tested: bool = True) -> Feature:
    return Feature(identifier, title, major, BLOCKS, "", remedy, tested=tested)


FEATURES: Tuple[Feature, ...] = (
    # Types and what works on them.
    Feature(
        "multirange",
        "Multiranges: types, functions and operators",
        14,
        BLOCKS,
        "",
        "Keep arrays of ranges instead.",
        ("type:*multirange*", "function:*multirange*", "operator:*multirange*", "operator class:*multirange*")
        + ("function:range_agg(*", "function:range_intersect_agg(*"),
    ),
    _syntax(
        "range-type",
        "A range type of one's own, which has a multirange beside it",
        14,
        "Make the type at the target first, and leave it out of the dump.",
    ),
    _syntax(
        "numeric-scale", "numeric with a negative scale, or one above its precision", 15, "Give it a scale that fits."
    ),
    _syntax("jsonb-subscript", "Subscripts of jsonb", 14, "Write -> and jsonb_set()."),
    _syntax("integer-literal", "Integers as 0x1F, 0o17, 0b11, or with underscores", 16, "Write them as decimals."),
    # Functions.
    _calls("bit-functions", "bit_count(), bit_xor()", 14, "bit_count(*", "bit_xor(*"),
    _calls("date-bin", "date_bin()", 14, "date_bin(*"),
    _calls("string-to-table", "string_to_table()", 14, "string_to_table(*"),
    _calls("trim-functions", "trim_array(), ltrim() and rtrim() of bytea", 14, "trim_array(*", "?trim(bytea*"),
    _calls("unistr", "unistr()", 14, "unistr(*"),
    Feature(
        "extract",
        "EXTRACT yields numeric, before it yielded double precision",
        14,
        HARMLESS,
        "",
        "It is written alike. Look at what is calculated with many digits.",
        ("function:extract(*",),
    ),
    _calls("regexp-functions", "regexp_count(), regexp_instr(), regexp_like(), regexp_substr()", 15, "regexp_*"),
    _calls("any-value", "any_value()", 16, "any_value*"),
    _calls("array-random", "array_sample(), array_shuffle()", 16, "array_sample(*", "array_shuffle(*"),
    _calls("date-add", "date_add(), date_subtract()", 16, "date_add(*", "date_subtract(*"),
    _calls("error-function", "erf(), erfc()", 16, "erf(*", "erfc(*"),
    _calls("random-normal", "random_normal()", 16, "random_normal(*"),
    _calls("input-is-valid", "pg_input_is_valid(), pg_input_error_info()", 16, "pg_input_*"),
    _calls("system-user", "SYSTEM_USER", 16, "system_user()"),
    _calls("random-range", "random() within bounds", 17, "random(*"),
    _calls("to-bin", "to_bin(), to_oct()", 17, "to_bin(*", "to_oct(*"),
    _calls("uuid-extract", "uuid_extract_timestamp(), uuid_extract_version()", 17, "uuid_extract_*"),
    _calls("unicode", "unicode_assigned(), unicode_version()", 17, "unicode_*"),
    _calls("xmltext", "xmltext()", 17, "xmltext(*"),
    _calls("at-local", "AT LOCAL", 17, "timezone(*"),
    _calls("array-sort", "array_sort(), array_reverse()", 18, "array_sort(*", "array_reverse(*"),
    _calls("casefold", "casefold()", 18, "casefold(*"),
    _calls("crc32", "crc32(), crc32c()", 18, "crc32*"),
    _calls("gamma", "gamma(), lgamma()", 18, "gamma(*", "lgamma(*"),
    _calls("bytea-casts", "Casts between integers and bytea", 18, "bytea(*", "int?(bytea)"),
    _calls("reverse-bytea", "reverse() of bytea", 18, "reverse(bytea)"),
    _calls("min-max", "min() and max() of bytea and of rows", 18, "min(bytea)", "max(bytea)", "m??(record)"),
    _calls("uuidv7", "uuidv7(), uuidv4()", 18, "uuidv?(*"),
    Feature(
        "exclusive-backup",
        "pg_start_backup() and its like, gone in 15",
        15,
        "",
        BLOCKS,
        "Call pg_backup_start() and pg_backup_stop().",
        ("function:pg_start_backup(*", "function:pg_stop_backup(*", "function:pg_is_in_backup(*")
        + ("function:pg_backup_start_time(*",),
    ),
    # JSON as the standard has it.
    _syntax("json-constructor", "JSON_ARRAY, JSON_OBJECT and their aggregates", 16, "Write json_build_object() etc."),
    _syntax("is-json", "IS JSON", 16),
    _syntax("json-scalar", "JSON(), JSON_SCALAR, JSON_SERIALIZE", 17, "Write casts and to_json()."),
    _syntax("json-query", "JSON_VALUE, JSON_QUERY, JSON_EXISTS", 17, "Write jsonb_path_query_first() etc."),
    _syntax("json-table", "JSON_TABLE", 17, "Write jsonb_to_recordset() or jsonb_path_query()."),
    # Queries.
    _syntax("group-by-distinct", "GROUP BY DISTINCT", 14),
    _syntax("search-clause", "SEARCH DEPTH or BREADTH FIRST", 14, "Carry an array of the path along."),
    _syntax("cycle-clause", "CYCLE", 14, "Carry an array of the path along."),
    _syntax("join-using-alias", "JOIN ... USING (...) AS", 14),
    _syntax("merge", "MERGE", 15, "Write INSERT ... ON CONFLICT."),
    _syntax("merge-returning", "MERGE ... RETURNING, merge_action()", 17),
    _syntax("merge-by-source", "MERGE ... WHEN NOT MATCHED BY SOURCE", 17),
    _syntax("returning-old-new", "RETURNING old and new", 18),
    _syntax("xml-indent", "XMLSERIALIZE ... INDENT", 16),
    # Tables, their columns and constraints.
    Feature(
        "column-compression",
        "A column with a compression of its own",
        14,
        CONVERTS,
        "",
        "The move leaves the clause out: the server's own compression takes its place.",
    ),
    _syntax("virtual-column", "A virtual generated column", 18, "Make it STORED, or a view's."),
    _syntax("without-overlaps", "WITHOUT OVERLAPS and PERIOD in a key", 18, "Write EXCLUDE USING gist."),
    _syntax("not-enforced", "A constraint that is NOT ENFORCED", 18, "Drop it: it holds nothing."),
    _syntax("not-null-not-valid", "NOT NULL that isn't validated", 18, "ALTER TABLE ... VALIDATE CONSTRAINT."),
    _syntax("not-null-no-inherit", "NOT NULL NO INHERIT", 18, "Let children inherit it, or write a CHECK."),
    Feature(
        "not-null-name",
        "NOT NULL under a name of its own",
        18,
        HARMLESS,
        "",
        "The column stays NOT NULL; the name is forgotten.",
    ),
    _syntax(
        "foreign-key-partitioned",
        "A foreign key of a partitioned table that isn't validated",
        18,
        "ALTER TABLE ... VALIDATE CONSTRAINT.",
    ),
    _syntax("foreign-key-columns", "ON DELETE SET NULL or DEFAULT of some columns", 15, "Write a trigger."),
    _syntax("nulls-not-distinct", "UNIQUE NULLS NOT DISTINCT", 15, "Write a unique index over coalesce()."),
    _syntax(
        "identity-partitioned", "An identity column of a partitioned table", 17, "Write DEFAULT nextval() instead."
    ),
    _syntax("exclusion-partitioned", "An exclusion constraint of a partitioned table", 17, "Put it on partitions."),
    _syntax(
        "access-method-partitioned",
        "A partitioned table with an access method of its own",
        17,
        "ALTER TABLE ... SET ACCESS METHOD DEFAULT.",
    ),
    Feature(
        "unlogged-sequence",
        "An unlogged sequence",
        15,
        CONVERTS,
        "",
        "The move makes it a logged one.",
    ),
    Feature(
        "unlogged-partitioned",
        "An unlogged partitioned table, refused from 18 on",
        18,
        "",
        CONVERTS,
        "The move makes it a logged one: it holds no rows itself.",
    ),
    # Indexes and statistics.
    Feature(
        "brin-bloom",
        "A BRIN index over bloom filters or several ranges",
        14,
        BLOCKS,
        "",
        "Use the class minmax, or no index.",
        ("operator class:brin *_bloom_ops", "operator class:brin *_minmax_multi_ops"),
    ),
    _syntax("spgist-include", "INCLUDE in an SP-GiST index", 14, "Leave the columns out."),
    _syntax("expression-statistics", "Extended statistics of expressions", 14, "Drop them; only plans need them."),
    Feature(
        "index-search-path",
        "An index over a function that doesn't set its search_path, which maintenance does from 17 on",
        17,
        "",
        HARMLESS,
        "ALTER FUNCTION ... SET search_path, else REINDEX and ANALYZE may fail.",
    ),
    # Views, functions, triggers, operators.
    _syntax("security-invoker", "A view with security_invoker", 15, "Its readers' rights would be the owner's."),
    _syntax("sql-body", "A function with a body of parsed SQL", 14, "Give it a body that is a text."),
    _syntax("procedure-out", "A procedure with OUT arguments", 14, "Make them INOUT."),
    _syntax("login-trigger", "An event trigger on login", 17, "Drop it."),
    Feature(
        "postfix-operator",
        "An operator behind its operand, gone in 14",
        14,
        "",
        BLOCKS,
        "Make it a prefix operator or a function.",
    ),
    Feature(
        "polymorphic-array",
        "An aggregate or operator made of array_append() and its like, whose types changed in 14",
        14,
        "",
        BLOCKS,
        "Drop it, and make it anew with anycompatiblearray and anycompatible.",
    ),
    Feature(
        "geometric-containment",
        "The operators @ and ~ for containment, and ! and !! for factorials, gone in 14",
        14,
        "",
        BLOCKS,
        "Write <@ and @>, and factorial().",
        ("operator:@(*", "operator:~(*", "operator:!(*", "operator:!!(*"),
    ),
    # Privileges.
    Feature(
        "maintain",
        "The privilege MAINTAIN",
        17,
        CONVERTS,
        "",
        "The move leaves it out: only the owner maintains there.",
    ),
    Feature(
        "parameter-privilege",
        "A right to set a parameter",
        15,
        HARMLESS,
        "",
        "It is the cluster's, and doesn't come along.",
    ),
    Feature(
        "public-create",
        "Everybody may make objects in the schema public, which isn't so in databases made from 15 on",
        15,
        "",
        HARMLESS,
        "A restore keeps the right as it is. Think of revoking it.",
    ),
    Feature(
        "md5-password",
        "An owner whose password is kept as md5, which 18 warns of",
        18,
        "",
        HARMLESS,
        "Set the password anew, with password_encryption scram-sha-256.",
    ),
    # Replication.
    _syntax("publication-schema", "A publication of a schema's tables", 15, "Name the tables."),
    _syntax("publication-filter", "A publication that filters rows", 15, "Publish the whole table."),
    _syntax("publication-columns", "A publication of some columns", 15, "Publish the whole table."),
    _syntax("publication-generated", "A publication of generated columns", 18, "Leave the option out."),
    Feature(
        "publication",
        "A publication",
        0,
        HARMLESS,
        HARMLESS,
        "It comes along. Its subscribers must be pointed to the new server, and copy anew.",
        page="logical-replication-publication",
    ),
    Feature(
        "subscription",
        "A subscription",
        0,
        BLOCKS,
        BLOCKS,
        "Its slot feeds the old database. Drop it, and make it at the target after the move.",
        page="logical-replication-subscription",
    ),
    Feature(
        "replication-slot",
        "A logical replication slot",
        0,
        BLOCKS,
        BLOCKS,
        "A slot can't move: its consumer would miss changes. Let it finish, drop the slot, make one at the target.",
        page="logicaldecoding-explanation",
    ),
    # Locales.
    _syntax("database-icu", "A database with a locale of ICU", 15, "Make it with one of the C library."),
    _syntax("database-builtin", "A database with a builtin locale", 17, "Make it with one of ICU or the C library."),
    _syntax("icu-rules", "Rules of one's own for ICU", 16, "Collate by a locale that needs none."),
    _syntax("collation-builtin", "A builtin collation", 17, "Collate by C or by one of ICU."),
    _syntax("pg-unicode-fast", "The locale PG_UNICODE_FAST", 18, "Use C.UTF-8."),
    # What isn't a matter of majors.
    Feature(
        "large-objects",
        "Large objects",
        0,
        HARMLESS,
        HARMLESS,
        "They come along; a copy by schemas or tables would leave them behind.",
        page="largeobjects",
    ),
    Feature(
        "extension-missing",
        "An extension that the server hasn't",
        0,
        BLOCKS,
        BLOCKS,
        "Install its package beside the server.",
        page="sql-createextension",
    ),
    Feature(
        "extension-version",
        "An extension in another version",
        0,
        CONVERTS,
        HARMLESS,
        "The move takes the server's version. Look into its changes: an older one lacks what is new.",
        page="sql-createextension",
    ),
    Feature(
        "collation-missing",
        "A collation that the server hasn't",
        0,
        BLOCKS,
        BLOCKS,
        "Install the locale at the target, and pg_import_system_collations(); or collate otherwise.",
        page="collation",
    ),
    Feature(
        "locale-missing",
        "A locale of the database that the server hasn't",
        0,
        BLOCKS,
        BLOCKS,
        "Install the locale at the target, or make the database with another one.",
        page="locale",
    ),
    Feature(
        "encoding",
        "An encoding other than the server's own databases have",
        0,
        CONVERTS,
        CONVERTS,
        "The move makes the database from template0, with its own encoding.",
        page="multibyte",
    ),
    Feature(
        "free-space",
        "More than there is room for",
        0,
        BLOCKS,
        BLOCKS,
        "Make room where the target keeps its data: 1.3 times the size of the database.",
        page="diskusage",
        tested=False,
    ),
    Feature(
        "tablespace",
        "A tablespace that the server hasn't",
        0,
        CONVERTS,
        CONVERTS,
        "The move puts it where the database is.",
        page="manage-ag-tablespaces",
        tested=False,
    ),
    Feature(
        "setting",
        "A setting of the database or of a role in it that the server hasn't",
        0,
        CONVERTS,
        CONVERTS,
        "The move leaves it out.",
        page="runtime-config",
    ),
    Feature(
        "function-setting",
        "A function with a setting that the server hasn't",
        0,
        BLOCKS,
        BLOCKS,
        "ALTER FUNCTION ... RESET it.",
        page="sql-createfunction",
    ),
    Feature(
        "role",
        "A predefined role that the server hasn't",
        0,
        BLOCKS,
        BLOCKS,
        "Grant to a role of your own.",
        page="predefined-roles",
    ),
    Feature(
        "reserved-word",
        "A name that is a reserved word there",
        0,
        CONVERTS,
        CONVERTS,
        "The move quotes it. Look at functions and programs, which don't.",
        page="sql-keywords-appendix",
    ),
    Feature(
        "type",
        "Another builtin type that the server hasn't",
        0,
        BLOCKS,
        BLOCKS,
        "Keep it as another type.",
        page="datatype",
        tested=False,
    ),
    Feature(
        "function", "Another builtin function that the server hasn't", 0, BLOCKS, BLOCKS, _FUNCTION, page="functions"
    ),
    Feature(
        "operator", "Another builtin operator that the server hasn't", 0, BLOCKS, BLOCKS, _REWRITE, page="functions"
    ),
    Feature(
        "operator-class",
        "Another operator class that the server hasn't",
        0,
        BLOCKS,
        BLOCKS,
        "Use another class, or no index.",
        page="indexes-opclass",
        tested=False,
    ),
    Feature(
        "relation",
        "A system view or catalogue that the server hasn't",
        0,
        BLOCKS,
        BLOCKS,
        _REWRITE,
        page="views",
    ),
    Feature(
        "column",
        "A column of a system view or catalogue that the server hasn't",
        0,
        BLOCKS,
        BLOCKS,
        _REWRITE,
        page="views",
    ),
)

BY_ID: Dict[str, Feature] = {feature.id: feature for feature in FEATURES}


def of_builtin(kind: str, name: str, major: int) -> Feature:
    """Return the row that a builtin belongs to: the one of its major that names it, else the one of its kind."""
    wanted = "%s:%s" % (kind, name)
    for feature in FEATURES:
        if feature.major == major and any(fnmatch.fnmatchcase(wanted, pattern) for pattern in feature.names):
            return feature
    return BY_ID[kind.replace(" ", "-")]
