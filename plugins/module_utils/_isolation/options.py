# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's options as what is wanted."""

import posixpath
from dataclasses import replace
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

from .._core.errors import InputError
from .._core.sql import Secret
from .legacy import parse_legacy
from .migration import read_migration
from .model import DefaultPrivilege, Expectation, Extension, Legacy, Migration, Wanted


def parse_wanted(options: Mapping[str, Any], read: Callable[[str], bytes], password: Optional[Secret]) -> Wanted:
    """Return what the options of pg_database_isolate want.

    Arguments:
        read: returns the bytes of a file on the target.

    Raises:
        InputError: an option is wrong in itself, or a migration can't be read or run.
    """
    return Wanted(
        database=options["database"],
        owner=options["owner"],
        password=password,
        adopt=options["adopt"],
        extensions=tuple(_extension(item) for item in options["extensions"]),
        connect_roles=tuple(options["connect_roles"]),
        prelude=options["prelude"],
        migrations=tuple(_migration(item, read) for item in options["migrations"]),
        expect=_expectation(options["expect"]),
        legacy=_legacy(options),
        encoding=options["encoding"] or "",
        lc_collate=options["lc_collate"] or "",
        lc_ctype=options["lc_ctype"] or "",
        template=options["template"],
        conn_limit=options["conn_limit"],
        search_path=tuple(options["search_path"]),
        default_privileges=tuple(
            DefaultPrivilege(item["role"], item["objects"].upper(), tuple(item["privileges"]), item["schema"])
            for item in options["default_privileges"]
        ),
        data=options["data"],
        rehearsal=options["rehearsal"],
        lock_timeout_s=options["lock_timeout"],
        strategy=options["strategy"],
        target_schema=options["target_schema"] or options["owner"],
    )


def _legacy(options: Mapping[str, Any]) -> Optional[Legacy]:
    if not options["legacy"]:
        return None
    legacy = parse_legacy(options["legacy"])
    if options["strategy"] != "schema":
        return legacy
    # What was moved there before is the service's as well.
    schemas = (*legacy.chosen.schemas, options["target_schema"] or options["owner"])
    return replace(legacy, chosen=replace(legacy.chosen, schemas=schemas))


def _extension(item: Any) -> Extension:
    if isinstance(item, str) and item:
        return Extension(item)
    if isinstance(item, Mapping) and item.get("name") and set(item) <= {"name", "schema"}:
        return Extension(str(item["name"]), str(item.get("schema") or "public"))
    raise InputError("extensions holds %r." % (item,), "Give a name, or a mapping with name and schema.")


def _migration(item: Any, read: Callable[[str], bytes]) -> Migration:
    path, transaction = item, "single"
    if isinstance(item, Mapping):
        path, transaction = item.get("path"), item.get("transaction", "single")
        if set(item) - {"path", "transaction"} or transaction not in ("single", "own"):
            path = None
    if not isinstance(path, str) or not path:
        raise InputError(
            "migrations holds %r." % (item,), "Give a path, or a mapping with path and transaction (single or own)."
        )
    return read_migration(posixpath.basename(path), read(path), transaction == "own")


def _expectation(options: Mapping[str, Any]) -> Expectation:
    return Expectation(
        tables=tuple(options.get("tables") or ()),
        policies=options.get("policies"),
        functions=tuple(options.get("functions") or ()),
        rows={str(name): _number(name, count) for name, count in (options.get("rows") or {}).items()},
        columns={str(name): tuple(_texts(name, "columns", found)) for name, found in _items(options, "columns")},
        triggers=tuple(options.get("triggers") or ()),
        roles={str(name): _questions(name, found) for name, found in _items(options, "roles")},
    )


def _items(options: Mapping[str, Any], field: str) -> Any:
    return (options.get(field) or {}).items()


def _number(name: str, count: Any) -> int:
    try:
        return int(count)
    except (TypeError, ValueError) as error:
        raise InputError("expect.rows.%s is %r, no number." % (name, count)) from error


def _texts(name: str, field: str, found: Any) -> Sequence[str]:
    if not isinstance(found, (list, tuple)) or not all(isinstance(item, str) for item in found):
        raise InputError("expect.%s.%s is no list of texts." % (field, name))
    return found


def _questions(name: str, found: Any) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    if not isinstance(found, Mapping) or set(found) - {"works", "refused"}:
        raise InputError("expect.roles.%s holds %r." % (name, found), "Give works and refused, each a list of SQL.")
    asked: Dict[str, Tuple[str, ...]] = {
        field: tuple(_texts(name, "roles", found.get(field) or [])) for field in ("works", "refused")
    }
    return asked["works"], asked["refused"]
