# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds, held against what the manifest of its copy says: each difference as a sentence."""

import re
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from .._core.sql import Sql
from .._dumps.inventory import list_objects
from .._dumps.ports import Transaction
from .._dumps.snapshot import count_rows, database_facts, open_snapshot, without_locks

_SEQUENCES_PER_QUERY = 200
# The first version that has the privilege MAINTAIN (release notes of PostgreSQL 17).
MAINTAIN_SINCE = 17
# The role of an entry of an access list, and its rights.
_ENTRY = re.compile(r'^((?:"(?:[^"]|"")*"|[^"=]*)=)([A-Za-z*]*)')
# By whether it is many.
_MISSING = ("%s is missing", "%s are missing")
_NEW = ("%s is there, and the manifest hasn't it", "%s are there, and the manifest hasn't them")
# What the catalogues' letters mean (pg_trigger.tgenabled, pg_default_acl.defaclobjtype).
_WORDS: Dict[str, Dict[Any, str]] = {
    "enabled": {"O": "enabled", "D": "disabled", "R": "enabled on replicas alone", "A": "always enabled"},
    "forced": {True: "for the owner as well", False: "for others alone"},
}
_OBJECTS = {"r": "tables", "S": "sequences", "f": "functions", "T": "types", "n": "schemas", "L": "large objects"}


class Kind(NamedTuple):
    """How things of one kind are known and compared.

    Arguments:
        keys: the fields that say which one it is. fields: those that must be the same.
        many: whether its label is a plural.
    """

    field: str
    keys: Tuple[str, ...]
    fields: Tuple[str, ...]
    label: Callable[[Mapping[str, Any]], str]
    many: bool = False


def _of(kind: str, name: str = "name") -> Callable[[Mapping[str, Any]], str]:
    return lambda item: "%s %s.%s" % (kind, item["schema"], item[name])


def _on(kind: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda item: (
        "%s %s on %s.%s" % (kind, item["name"], item["schema"], item["table"])
        if item.get("table")
        else "%s %s" % (kind, item["name"])
    )


def _grants(item: Mapping[str, Any]) -> str:
    if item["kind"] == "default":
        role, _space, letter = item["name"].rpartition(" ")
        where = "in schema %s" % item["schema"] if item["schema"] else "in any schema"
        return "default privileges of role %s on %s %s" % (role, _OBJECTS.get(letter, letter), where)
    if item["kind"] == "database":
        return "grants on the database"
    return "grants on %s %s" % (item["kind"], ".".join(part for part in (item["schema"], item["name"]) if part))


def _setting(item: Mapping[str, Any]) -> str:
    return "setting %s%s" % (item["name"], " of role %s" % item["role"] if item["role"] else "")


KINDS = (
    Kind("schemas", ("name",), ("owner",), lambda item: "schema %s" % item["name"]),
    Kind("extensions", ("name",), ("schema",), lambda item: "extension %s" % item["name"]),
    Kind("tables", ("schema", "name"), ("owner", "rows"), _of("table")),
    Kind("sequences", ("schema", "name"), ("owner",), _of("sequence")),
    Kind("views", ("schema", "name"), ("owner", "sha256"), _of("view")),
    Kind(
        "functions",
        ("schema", "name", "arguments"),
        ("owner", "sha256"),
        lambda item: "function %s.%s(%s)" % (item["schema"], item["name"], item["arguments"]),
    ),
    Kind("indexes", ("schema", "name"), ("table", "sha256"), _of("index")),
    Kind("constraints", ("schema", "table", "name"), ("sha256",), _on("constraint")),
    Kind("row_security", ("schema", "table"), ("forced",), _of("row security of table", "table")),
    Kind("policies", ("schema", "table", "name"), ("sha256",), _on("policy")),
    Kind("triggers", ("schema", "table", "name"), ("enabled", "sha256"), _on("trigger")),
    Kind("grants", ("kind", "schema", "name"), ("acl",), _grants, many=True),
    Kind("settings", ("role", "name"), ("sha256",), _setting),
)
_PROPERTIES = ("owner", "encoding", "lc_collate", "lc_ctype")


def read_facts(transaction: Transaction, salt: str, lock_timeout_s: int = 60) -> Dict[str, Any]:
    """Return what a database holds, with the fields of a manifest.

    Arguments:
        transaction: a REPEATABLE READ one. salt: the stem of the copy that it is to be compared with.
    """
    facts = database_facts(transaction)
    open_snapshot(transaction, lock_timeout_s)
    facts.update(list_objects(transaction, salt))
    facts["tables"] = count_rows(transaction)
    with without_locks(transaction):
        _add_values(transaction, facts["sequences"])
    return facts


def _add_values(transaction: Transaction, sequences: List[Dict[str, Any]]) -> None:
    for start in range(0, len(sequences), _SEQUENCES_PER_QUERY):
        some = sequences[start : start + _SEQUENCES_PER_QUERY]
        text = " UNION ALL ".join(["SELECT %s::int AS number, last_value, is_called FROM {}"] * len(some))
        names = tuple((item["schema"], item["name"]) for item in some)
        for row in transaction.rows(Sql(text, names, tuple(range(len(some))))):
            some[row["number"]].update(value=row["last_value"], is_called=row["is_called"])


def differences(manifest: Mapping[str, Any], found: Mapping[str, Any]) -> List[str]:
    """Return what isn't as the manifest says, a sentence without a full stop each; none where all is.

    Fields that the manifest hasn't, because an older version wrote it, are passed over.
    """
    told = [
        "the database has %s %s, not %s" % (name, found[name], manifest[name])
        for name in _PROPERTIES
        if manifest.get(name) is not None and manifest[name] != found[name]
    ]
    if 0 < _major(manifest.get("cluster") or {}) < MAINTAIN_SINCE <= _major(found):
        found = dict(found, grants=[dict(item, acl=_without_maintain(item["acl"])) for item in found["grants"]])
    for kind in KINDS:
        if kind.field in manifest:
            told += _differences_of(kind, manifest[kind.field], found[kind.field])
    return told + _positions(manifest.get("sequences") or (), found["sequences"])


def _major(facts: Mapping[str, Any]) -> int:
    return int(facts.get("server_version_num") or 0) // 10000


def _without_maintain(acl: Sequence[str]) -> List[str]:
    """Return an access list without the privilege that all of a table's rights have come to include."""
    return [_ENTRY.sub(lambda found: found.group(1) + re.sub(r"m\*?", "", found.group(2)), entry) for entry in acl]


def _differences_of(kind: Kind, wanted: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]) -> List[str]:
    before, after = ({tuple(item[key] for key in kind.keys): item for item in items} for items in (wanted, there))
    told = [_MISSING[kind.many] % kind.label(item) for key, item in before.items() if key not in after]
    for key, item in before.items():
        for field in kind.fields if key in after else ():
            if field in item and item[field] != after[key][field] and not _same_plainly(field, item, after[key]):
                told.append(_difference(kind.label(item), field, item[field], after[key][field]))
    return told + [_NEW[kind.many] % kind.label(item) for key, item in after.items() if key not in before]


def _same_plainly(field: str, wanted: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    """Whether a definition differs only in casts and parentheses, which the server writes anew when it is restored."""
    return field == "sha256" and wanted.get("plain") is not None and wanted["plain"] == there.get("plain")


def _difference(label: str, field: str, wanted: Any, there: Any) -> str:
    if field == "sha256":
        return "%s has another definition" % label
    if field == "rows":
        return "%s has %d rows, not %d" % (label, there, wanted)
    if field == "acl":
        return "%s are %s, not %s" % (label, ", ".join(there) or "none", ", ".join(wanted) or "none")
    if field in _WORDS:
        words = _WORDS[field]
        return "%s is %s, not %s" % (label, words.get(there, there), words.get(wanted, wanted))
    return "%s has %s %s, not %s" % (label, field, there, wanted)


def _positions(wanted: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return what isn't as it was of the sequences' positions; worst are those that hand out what a column holds."""
    before = {(item["schema"], item["name"]): item for item in wanted}
    told = []
    for item in there:
        was = before.get((item["schema"], item["name"]))
        if was is None:
            continue
        label = "sequence %s.%s is at %s" % (item["schema"], item["name"], _position(item))
        if _is_behind(item) and not _is_behind(was):
            told.append("%s, and its column at %s" % (label, item["column_value"]))
        elif was.get("value") is not None and _position(was) != _position(item):
            told.append("%s, not %s" % (label, _position(was)))
    return told


def _position(item: Mapping[str, Any]) -> str:
    return "%s%s" % (item["value"], "" if item["is_called"] else " (not called yet)")


def _is_behind(item: Mapping[str, Any]) -> bool:
    value, column = item.get("value"), item.get("column_value")
    if value is None or column is None:
        return False
    if item["is_called"]:
        return bool(value > column if item["descends"] else value < column)
    # One that wasn't called yet hands out its value itself.
    return bool(value >= column if item["descends"] else value <= column)


def notes(manifest: Mapping[str, Any], found: Mapping[str, Any]) -> List[str]:
    """Return what is otherwise and may be: an extension is made in the version that the server has."""
    versions = {item["name"]: item["version"] for item in found["extensions"]}
    return [
        "extension %s is of version %s, it was of %s" % (item["name"], versions[item["name"]], item["version"])
        for item in manifest.get("extensions") or ()
        if item["name"] in versions and versions[item["name"]] != item["version"]
    ]
