# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server brings by itself: names of functions, types, operators, settings, roles, words and relations."""

from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Protocol, Tuple

from .._core.sql import Sql
from .builtins import CHANGES

FUNCTION, TYPE, OPERATOR, OPCLASS, SETTING = "function", "type", "operator", "operator class", "setting"
ROLE, RESERVED, RELATION, COLUMN = "role", "reserved word", "relation", "column"
KINDS = (FUNCTION, TYPE, OPERATOR, OPCLASS, SETTING, ROLE, RESERVED, RELATION, COLUMN)

# A server's own names by kind. A function's are signatures; an argument with a default ends with "=".
Builtins = Mapping[str, FrozenSet[str]]


class Reader(Protocol):
    """What is asked of a server."""

    def rows(self, statement: Sql) -> List[Dict[str, object]]:
        """Run one query; return its rows as dictionaries."""


# How a function, an operator and an operator class are named, of pg_proc p, pg_operator o, pg_am a and pg_opclass c.
FUNCTION_NAME = """p.proname || '(' || coalesce((
        SELECT string_agg(format_type(u.type, NULL) || CASE WHEN u.at > p.pronargs - p.pronargdefaults
                          THEN '=' ELSE '' END, ', ' ORDER BY u.at)
        FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u(type, at)), '') || ')'"""
OPERATOR_NAME = """o.oprname || '(' || concat_ws(', ', format_type(nullif(o.oprleft, 0), NULL),
       coalesce(format_type(nullif(o.oprright, 0), NULL), '')) || ')'"""
OPCLASS_NAME = "a.amname || ' ' || c.opcname"

# What only the server itself can call (internal, cstring) isn't read. Types are named without a schema.
_BUILTINS = (
    """
SELECT 'function' AS kind, FUNCTION_NAME AS name
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.oid < 16384
  AND NOT p.proargtypes::oid[] && ARRAY[2281, 2275]::oid[] AND p.prorettype NOT IN (2281, 2275)
UNION ALL
SELECT 'type', format_type(t.oid, NULL) FROM pg_type t
WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.oid < 16384 AND t.typrelid = 0 AND t.typcategory <> 'A'
UNION ALL
SELECT 'operator', OPERATOR_NAME
FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oid < 16384
UNION ALL
SELECT 'operator class', OPCLASS_NAME FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
WHERE c.opcnamespace = 'pg_catalog'::regnamespace AND c.oid < 16384
UNION ALL
SELECT 'setting', name FROM pg_settings WHERE name NOT LIKE '%.%'
UNION ALL
SELECT 'role', rolname FROM pg_roles WHERE oid < 16384 AND rolname LIKE 'pg\\_%'
UNION ALL
SELECT 'reserved word', word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')
UNION ALL
SELECT 'relation', relname FROM pg_class
WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v') AND oid < 16384
UNION ALL
SELECT 'column', c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v') AND c.oid < 16384
  AND a.attnum > 0 AND NOT a.attisdropped
""".replace("FUNCTION_NAME", FUNCTION_NAME)
    .replace("OPERATOR_NAME", OPERATOR_NAME)
    .replace("OPCLASS_NAME", OPCLASS_NAME)
)


def read_builtins(server: Reader, database: str = "") -> Dict[str, FrozenSet[str]]:
    """Read a server's own names, all kinds at once."""
    found: Dict[str, List[str]] = {kind: [] for kind in KINDS}
    for row in server.rows(Sql(_BUILTINS, database=database)):
        found[str(row["kind"])].append(str(row["name"]))
    return {kind: frozenset(names) for kind, names in found.items()}


def changed_in(major: int, kind: str) -> Tuple[FrozenSet[str], FrozenSet[str]]:
    """Return the names that a major added to the one before, and those that it removed."""
    added, removed = CHANGES.get(major, {}).get(kind, ("", ""))
    return _names(added), _names(removed)


def _names(text: str) -> FrozenSet[str]:
    return frozenset(" ".join(name.split()) for name in text.split(";") if name.strip())


def changing(kind: str) -> FrozenSet[str]:
    """Return every name of a kind that some major added or removed."""
    return frozenset(name for major in CHANGES for names in changed_in(major, kind) for name in names)


def moved(names: Builtins, source: int, target: int) -> Dict[str, FrozenSet[str]]:
    """Return what a bare major brings, from what a server of another one has."""
    result = {kind: set(names[kind]) for kind in KINDS}
    for major in range(source + 1, target + 1):
        for kind in KINDS:
            added, removed = changed_in(major, kind)
            result[kind] = (result[kind] - removed) | added
    for major in range(source, target, -1):
        for kind in KINDS:
            added, removed = changed_in(major, kind)
            result[kind] = (result[kind] - added) | removed
    return {kind: frozenset(found) for kind, found in result.items()}


def major_that_changed(kind: str, name: str, source: int, target: int) -> int:
    """Return the major between two in which a name came or went; 0 where the table doesn't know."""
    for major in range(min(source, target) + 1, max(source, target) + 1):
        if any(name in names for names in changed_in(major, kind)):
            return major
    return 0


class Signature(NamedTuple):
    """A function as it is called.

    Arguments:
        name: without a schema. arguments: types; polymorphic ones of both generations are one.
        required: how many must be given.
    """

    name: str
    arguments: Tuple[str, ...]
    required: int


# 14 gave array_append and its like other polymorphic types; a call is written and answered as before.
_SAME = {"anycompatiblearray": "anyarray", "anycompatible": "anyelement", "anycompatiblerange": "anyrange"}


def signature(text: str) -> Signature:
    """Return the parts of a function's or an operator's name with its types."""
    name, dummy, rest = text.partition("(")
    written = [part.strip() for part in rest[:-1].split(", ")] if rest != ")" else []
    types = tuple(_SAME.get(part.rstrip("="), part.rstrip("=")) for part in written)
    return Signature(name, types, sum(1 for part in written if not part.endswith("=")))


def by_name(signatures: FrozenSet[str]) -> Dict[str, List[Signature]]:
    """Return signatures by their functions' names."""
    found: Dict[str, List[Signature]] = {}
    for text in signatures:
        parts = signature(text)
        found.setdefault(parts.name, []).append(parts)
    return found


def answers(wanted: str, offered: Mapping[str, List[Signature]]) -> bool:
    """Return whether a call of a function is answered: by the same signature, or by one that differs in what may be
    left out."""
    call = signature(wanted)
    for other in offered.get(call.name, []):
        shared = min(len(call.arguments), len(other.arguments))
        if call.arguments[:shared] == other.arguments[:shared] and shared >= max(call.required, other.required):
            return True
    return False
