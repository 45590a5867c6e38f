# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables in their old place, and the pattern that names them."""

from typing import Any

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.catalogue import Thing
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.legacy import legacy_change, parse_legacy
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.model import (
    Content,
    LegacyState,
    State,
    Wanted,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.read import qualified
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.selection import Chosen, Selection

OLD = {"database": "postgres", "tables": "public.archon_*", "archive_schema": "archon_legacy_archive"}


def state(selection: Selection, **fields: Any) -> State:
    """Return a state with this legacy."""
    legacy = LegacyState(selection=selection, **fields)
    return State(150000, "postgres", True, {}, None, ("postgres",), Content(), {}, legacy)


def wanted(action: str = "archive", **options: Any) -> Wanted:
    """Return what is wanted of Archon's old tables."""
    return Wanted("archon_db", "archon", legacy=parse_legacy({**OLD, **options}, action))


def thing(catalogue: str, number: int, kind: str, label: str, schema: str = "public") -> Thing:
    """Return an object of the old place."""
    name = label.rpartition(".")[2].partition("(")[0].strip('"')
    return Thing((catalogue, number), kind, schema, name, "postgres", 0, "", label)


def tables(*names: str) -> Selection:
    """Return tables as they were found in the old place."""
    found = [thing("pg_class", 20000 + n, "r", "table public.%s" % name) for n, name in enumerate(names)]
    return Selection({item.node: item for item in found})


def test_patterns_schemas_and_owners_choose() -> None:
    assert parse_legacy(OLD).chosen == Chosen(("public.archon_*",), archive="archon_legacy_archive")
    several = parse_legacy({"database": "d", "tables": ["a.b*", "c.d"], "schemas": ["n8n"], "owner": "n8n"})
    assert several.chosen == Chosen(("a.b*", "c.d"), ("n8n",), "n8n")
    assert several.action == "keep"


@pytest.mark.parametrize("chosen", ["archon_*", "public.", ".archon_*", "public.*", "public.**", "public"])
def test_a_pattern_that_does_not_say_which_is_refused(chosen: str) -> None:
    with pytest.raises(InputError, match="which legacy tables") as caught:
        parse_legacy({"database": "postgres", "tables": chosen})
    assert "public.archon_*" in str(caught.value)


def test_nothing_chosen_is_refused() -> None:
    with pytest.raises(InputError, match="doesn't say which"):
        parse_legacy({"database": "postgres", "tables": ""})


def test_the_archive_is_another_schema_and_has_a_name() -> None:
    with pytest.raises(InputError, match="archive_schema"):
        parse_legacy({**OLD, "archive_schema": "public"})
    with pytest.raises(InputError, match="archive_schema is missing"):
        parse_legacy({"database": "postgres", "schemas": ["n8n"]}, "archive")


@pytest.mark.parametrize(
    ("table", "names"), [("t", ("public", "t")), ("auth.users", ("auth", "users")), ("a.b.c", ("a", "b.c"))]
)
def test_a_table_without_a_schema_lies_in_public(table: str, names: Any) -> None:
    assert qualified(table) == names


@pytest.mark.parametrize(("action", "found"), [("keep", ("archon_settings",)), ("archive", ())])
def test_there_is_nothing_to_put_aside(action: str, found: Any) -> None:
    assert legacy_change(wanted(action), state(tables(*found))) is None


def test_tables_go_to_the_archive_and_back_in_the_reverse_order() -> None:
    change = legacy_change(wanted(), state(tables("archon_a", "archon_b")))
    assert change is not None
    assert change.what == "legacy objects (public.archon_*) in postgres"
    assert change.before == "table public.archon_a\ntable public.archon_b\n"
    assert change.data == "transaction"
    assert {statement.database for statement in change.statements + change.undo} == {"postgres"}
    done = [statement.display() for statement in change.statements]
    assert done[0] == 'CREATE SCHEMA IF NOT EXISTS "archon_legacy_archive"'
    assert done[1] == 'REVOKE ALL ON SCHEMA "archon_legacy_archive" FROM PUBLIC'
    assert done[2].startswith('COMMENT ON SCHEMA "archon_legacy_archive" IS \'Tables public.archon_*, moved here')
    assert done[3:] == [
        'ALTER TABLE public.archon_a SET SCHEMA "archon_legacy_archive"',
        'ALTER TABLE public.archon_b SET SCHEMA "archon_legacy_archive"',
        "SELECT pg_notify('pgrst', 'reload schema')",
    ]
    assert [statement.display() for statement in change.undo] == [
        'ALTER TABLE IF EXISTS "archon_legacy_archive".archon_b SET SCHEMA "public"',
        'ALTER TABLE IF EXISTS "archon_legacy_archive".archon_a SET SCHEMA "public"',
        'DROP SCHEMA IF EXISTS "archon_legacy_archive"',
        "SELECT pg_notify('pgrst', 'reload schema')",
    ]


def test_functions_go_first_and_come_back_last() -> None:
    # A function's identity names the types of its arguments: after those have moved it is another one.
    found = [
        thing("pg_type", 1, "e", 'type public."Mo{}od"'),
        thing("pg_proc", 2, "f", 'function public.f(public."Mo{}od")'),
        thing("pg_class", 3, "S", "sequence public.owned"),
        thing("pg_class", 4, "S", "sequence public.loose"),
    ]
    selection = Selection(
        {item.node: item for item in [*found, *tables("t").things.values()]},
        owned_sequences=frozenset([("pg_class", 3)]),
        shared=frozenset([("pg_class", 4)]),
    )
    change = legacy_change(wanted(), state(selection, archive_schema_exists=True))
    assert change is not None
    assert [statement.display() for statement in change.statements[:-1]] == [
        'ALTER ROUTINE public.f(public."Mo{}od") SET SCHEMA "archon_legacy_archive"',
        'ALTER TYPE public."Mo{}od" SET SCHEMA "archon_legacy_archive"',
        'ALTER TABLE public.t SET SCHEMA "archon_legacy_archive"',
    ]
    assert change.undo[-2].display() == 'ALTER ROUTINE "archon_legacy_archive".f(public."Mo{}od") SET SCHEMA "public"'


def test_an_archive_that_was_there_stays_there() -> None:
    change = legacy_change(wanted(), state(tables("archon_b"), archive_schema_exists=True))
    assert change is not None
    for statement in change.statements + change.undo:
        assert "CREATE SCHEMA" not in statement.text
        assert "DROP SCHEMA" not in statement.text


def test_an_object_that_is_in_the_archive_already_is_a_conflict() -> None:
    archived = (("pg_class", "archon_b"), ("pg_class", "archon_c"))
    with pytest.raises(ConflictError, match="again: archon_b\\."):
        legacy_change(wanted(), state(tables("archon_a", "archon_b"), archived=archived, archive_schema_exists=True))


def test_rows_that_came_after_the_copy_are_never_put_aside() -> None:
    with pytest.raises(ConflictError, match="written to after they had been copied to archon_db: public.archon_a"):
        legacy_change(wanted(), state(tables("archon_a"), changed=("public.archon_a",)))


def test_to_drop_is_to_be_typed() -> None:
    with pytest.raises(InputError, match="would be dropped") as caught:
        legacy_change(wanted("drop", confirm="yes"), state(tables("archon_a")))
    assert "`drop public.archon_* from postgres`" in str(caught.value)
    change = legacy_change(wanted("drop", confirm="drop public.archon_* from postgres"), state(tables("archon_a")))
    assert change is not None
    assert change.statements[0].display() == 'DROP TABLE "public"."archon_a"'
    assert change.undo == ()
