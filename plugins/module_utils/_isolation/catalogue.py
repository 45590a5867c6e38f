# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a database and what depends on what, from two queries however many objects there are."""

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Protocol, Set, Tuple

from .._core.sql import Sql

# An object that initdb made has a lower identifier: access/transam.h, FirstNormalObjectId.
_OBJECTS = """
SELECT o.catalogue, o.oid::bigint AS oid, o.kind::text AS kind, n.nspname::text AS schema, o.name::text AS name,
       pg_catalog.pg_get_userbyid(o.owner)::text AS owner, o.body, o.relation::bigint AS relation,
       i.type AS type, i.identity AS identity
  FROM (
    SELECT 'pg_class' AS catalogue, oid, relkind::text AS kind, relnamespace AS namespace, relname AS name,
           relowner AS owner, NULL::text AS body, 0::oid AS relation
      FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c', 'i', 'I')
    UNION ALL
    SELECT 'pg_proc', oid, prokind::text, pronamespace, proname, proowner, prosrc, 0 FROM pg_catalog.pg_proc
    UNION ALL
    SELECT 'pg_type', oid, typtype::text, typnamespace, typname, typowner, NULL, typrelid
      FROM pg_catalog.pg_type
    UNION ALL
    SELECT 'pg_namespace', oid, '', oid, nspname, nspowner, NULL, 0 FROM pg_catalog.pg_namespace
    UNION ALL
    SELECT 'pg_attrdef', d.oid, '', c.relnamespace, c.relname, c.relowner, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
           c.oid
      FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class c ON c.oid = d.adrelid
    UNION ALL
    SELECT 'pg_constraint', d.oid, d.contype::text, d.connamespace, d.conname, c.relowner, NULL, d.conrelid
      FROM pg_catalog.pg_constraint d JOIN pg_catalog.pg_class c ON c.oid = d.conrelid
    UNION ALL
    SELECT 'pg_trigger', d.oid, '', c.relnamespace, d.tgname, c.relowner, NULL, c.oid
      FROM pg_catalog.pg_trigger d JOIN pg_catalog.pg_class c ON c.oid = d.tgrelid WHERE NOT d.tgisinternal
    UNION ALL
    SELECT 'pg_rewrite', d.oid, '', c.relnamespace, d.rulename, c.relowner, NULL, c.oid
      FROM pg_catalog.pg_rewrite d JOIN pg_catalog.pg_class c ON c.oid = d.ev_class
    UNION ALL
    SELECT 'pg_policy', d.oid, '', c.relnamespace, d.polname, c.relowner, NULL, c.oid
      FROM pg_catalog.pg_policy d JOIN pg_catalog.pg_class c ON c.oid = d.polrelid
    UNION ALL
    SELECT 'pg_statistic_ext', oid, '', stxnamespace, stxname, stxowner, NULL, stxrelid FROM pg_catalog.pg_statistic_ext
    UNION ALL
    SELECT 'pg_collation', oid, '', collnamespace, collname, collowner, NULL, 0 FROM pg_catalog.pg_collation
    UNION ALL
    SELECT 'pg_operator', oid, '', oprnamespace, oprname, oprowner, NULL, 0 FROM pg_catalog.pg_operator
    UNION ALL
    SELECT 'pg_opclass', oid, '', opcnamespace, opcname, opcowner, NULL, 0 FROM pg_catalog.pg_opclass
    UNION ALL
    SELECT 'pg_opfamily', oid, '', opfnamespace, opfname, opfowner, NULL, 0 FROM pg_catalog.pg_opfamily
    UNION ALL
    SELECT 'pg_ts_config', oid, '', cfgnamespace, cfgname, cfgowner, NULL, 0 FROM pg_catalog.pg_ts_config
    UNION ALL
    SELECT 'pg_ts_dict', oid, '', dictnamespace, dictname, dictowner, NULL, 0 FROM pg_catalog.pg_ts_dict
    UNION ALL
    SELECT 'pg_conversion', oid, '', connamespace, conname, conowner, NULL, 0 FROM pg_catalog.pg_conversion
    UNION ALL
    SELECT 'pg_cast', oid, '', NULL, '', NULL, NULL, 0 FROM pg_catalog.pg_cast
    UNION ALL
    SELECT 'pg_foreign_server', oid, '', NULL, srvname, srvowner, NULL, 0 FROM pg_catalog.pg_foreign_server
    UNION ALL
    SELECT 'pg_event_trigger', oid, '', NULL, evtname, evtowner, NULL, 0 FROM pg_catalog.pg_event_trigger
  ) o
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.namespace
  CROSS JOIN LATERAL pg_catalog.pg_identify_object(('pg_catalog.' || o.catalogue)::regclass, o.oid, 0) i
 WHERE o.oid >= 16384 AND (n.nspname IS NULL OR (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'))
"""
_EDGES = """
SELECT DISTINCT classid::regclass::text AS catalogue, objid::bigint AS oid, refclassid::regclass::text AS on_catalogue,
       refobjid::bigint AS on_oid, deptype::text AS kind
  FROM pg_catalog.pg_depend
 WHERE objid >= 16384 AND refobjid >= 16384 AND (classid, objid) <> (refclassid, refobjid)
"""
# Functions whose names the server itself has are left out: code that calls them needs no extension.
_EXTENSIONS = """
SELECT e.oid::bigint AS oid, e.extname::text AS name, n.nspname::text AS schema,
       coalesce(array_agg(DISTINCT p.proname::text) FILTER (WHERE p.oid IS NOT NULL), '{{}}') AS functions
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
  LEFT JOIN pg_catalog.pg_depend d ON d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass
       AND d.refobjid = e.oid AND d.classid = 'pg_catalog.pg_proc'::regclass
  LEFT JOIN pg_catalog.pg_proc p ON p.oid = d.objid AND p.pronamespace <> 'pg_catalog'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc b
                        WHERE b.proname = p.proname AND b.pronamespace = 'pg_catalog'::regnamespace)
 GROUP BY e.oid, e.extname, n.nspname
"""

# Automatic and internal dependencies, and the two of partitions (pg_depend.deptype).
_PART = frozenset("aiPS")

# Who owns the database, or may make roles, owns things of everybody's.
_COMMON_OWNERS = """
SELECT r.rolname::text AS name FROM pg_catalog.pg_roles r
 WHERE r.rolsuper OR r.rolcreaterole
    OR r.oid = (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database())
"""

TABLE_KINDS = ("r", "p")
RELATION_KINDS = ("r", "p", "v", "m", "f")


class Reader(Protocol):
    """A transaction in which a database is read."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows as dictionaries."""


Node = Tuple[str, int]


@dataclass(frozen=True)
class Thing:
    """One object.

    Arguments:
        node: catalogue's name and object identifier.
        kind: as its catalogue has it: ``r`` of a table, ``f`` of a function, ``f`` of a foreign key.
        relation: of a part of a table (default, constraint, trigger, rule, policy), and of a row type: the relation.
        body: a function's source text, or a default's expression.
        label: type and identity, as PostgreSQL names it: ``function public.touch()``.
    """

    node: Node
    kind: str
    schema: str
    name: str
    owner: str
    relation: int
    body: str
    label: str

    @property
    def is_relation(self) -> bool:
        """Whether it is a table, view, materialised view or foreign table."""
        return self.node[0] == "pg_class" and self.kind in RELATION_KINDS

    @property
    def is_table(self) -> bool:
        """Whether it is a table, partitioned or not."""
        return self.node[0] == "pg_class" and self.kind in TABLE_KINDS

    @property
    def is_sequence(self) -> bool:
        """Whether it is a sequence."""
        return self.node[0] == "pg_class" and self.kind == "S"


@dataclass(frozen=True)
class Catalogue:
    """What a database holds.

    Arguments:
        things: every object of users, those of extensions left out.
        needs: what each object depends on.
        needed_by: the same, the other way round.
        parts: of these, what comes and goes with it: defaults, constraints, owned sequences, partitions.
        extension_of: the extension that an object belongs to, by its name.
        extensions: the schema of each extension.
        extension_functions: the extension that brings functions of a name.
        common_owners: roles that own things of everybody's: superusers, the owner of the database.
    """

    things: Mapping[Node, Thing]
    needs: Mapping[Node, FrozenSet[Node]]
    needed_by: Mapping[Node, FrozenSet[Node]]
    parts: Mapping[Node, FrozenSet[Node]]
    extension_of: Mapping[Node, str] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)
    extension_functions: Mapping[str, str] = field(default_factory=dict)
    common_owners: FrozenSet[str] = frozenset()

    def of_schema(self, schema: str) -> List[Thing]:
        """Return the objects of one schema."""
        return [thing for thing in self.things.values() if thing.schema == schema]

    def relation(self, thing: Thing) -> Optional[Thing]:
        """Return the relation that a thing is a part of, or None."""
        return self.things.get(("pg_class", thing.relation)) if thing.relation else None


def read_catalogue(reader: Reader, database: str = "") -> Catalogue:
    """Return what a database holds, as the reader's snapshot has it."""
    extensions = {row["oid"]: row for row in reader.rows(Sql(_EXTENSIONS, database=database))}
    needs: Dict[Node, Set[Node]] = {}
    needed_by: Dict[Node, Set[Node]] = {}
    parts: Dict[Node, Set[Node]] = {}
    extension_of: Dict[Node, str] = {}
    for row in reader.rows(Sql(_EDGES, database=database)):
        here: Node = (_plain(row["catalogue"]), row["oid"])
        there: Node = (_plain(row["on_catalogue"]), row["on_oid"])
        if row["kind"] == "e":
            extension_of[here] = extensions[there[1]]["name"]
            continue
        needs.setdefault(here, set()).add(there)
        needed_by.setdefault(there, set()).add(here)
        if row["kind"] in _PART:
            parts.setdefault(there, set()).add(here)
    things = {}
    for row in reader.rows(Sql(_OBJECTS, database=database)):
        node: Node = (row["catalogue"], row["oid"])
        if node not in extension_of:
            things[node] = Thing(
                node,
                row["kind"],
                row["schema"] or "",
                row["name"],
                row["owner"] or "",
                row["relation"] or 0,
                row["body"] or "",
                # Built-in types need no schema to be found.
                ("%s %s" % (row["type"], row["identity"])).replace("pg_catalog.", ""),
            )
    return Catalogue(
        things,
        _frozen(needs),
        _frozen(needed_by),
        _frozen(parts),
        extension_of,
        {row["name"]: row["schema"] for row in extensions.values()},
        {name: row["name"] for row in extensions.values() for name in row["functions"]},
        frozenset(row["name"] for row in reader.rows(Sql(_COMMON_OWNERS, database=database))),
    )


def _frozen(edges: Mapping[Node, Set[Node]]) -> Dict[Node, FrozenSet[Node]]:
    return {node: frozenset(found) for node, found in edges.items()}


def _plain(catalogue: str) -> str:
    return catalogue.rpartition(".")[2]
