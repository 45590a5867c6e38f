# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables in their old place, and the pattern that names them."""

from typing import Any

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.legacy import archive_change, parse_legacy
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.model import (
    Content,
    Legacy,
    LegacyState,
    State,
    Wanted,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.read import like_pattern, qualified


def state(legacy: LegacyState) -> State:
    """Return a state with this legacy."""
    return State(150000, "postgres", True, {}, None, ("postgres",), Content(), {}, legacy)


def wanted(archive: bool = True) -> Wanted:
    """Return what is wanted of Archon's old tables."""
    legacy = parse_legacy("postgres", "public.archon_*", "archon_legacy_archive", archive)
    return Wanted("archon_db", "archon", legacy=legacy)


def test_a_pattern_names_schema_and_tables() -> None:
    assert parse_legacy("postgres", "public.archon_*", "old", True) == Legacy(
        "postgres", "public", "archon_*", "old", True
    )


@pytest.mark.parametrize("tables", ["", "archon_*", "public.", ".archon_*", "public.*", "public.**", "public"])
def test_a_pattern_that_does_not_say_which_is_refused(tables: str) -> None:
    with pytest.raises(InputError, match="which legacy tables") as caught:
        parse_legacy("postgres", tables, "old", False)
    assert "public.archon_*" in str(caught.value)


def test_the_archive_is_another_schema() -> None:
    with pytest.raises(InputError, match="archive_schema"):
        parse_legacy("postgres", "public.archon_*", "public", False)


@pytest.mark.parametrize(
    ("glob", "like"),
    [
        ("archon_*", "archon\\_%"),
        ("*", "%"),
        ("50%", "50\\%"),
        ("a\\b", "a\\\\b"),
        ("plain", "plain"),
        ("a_b%c*d", "a\\_b\\%c%d"),
    ],
)
def test_only_the_star_is_special(glob: str, like: str) -> None:
    assert like_pattern(glob) == like


@pytest.mark.parametrize(
    ("table", "names"), [("t", ("public", "t")), ("auth.users", ("auth", "users")), ("a.b.c", ("a", "b.c"))]
)
def test_a_table_without_a_schema_lies_in_public(table: str, names: Any) -> None:
    assert qualified(table) == names


@pytest.mark.parametrize(
    ("archive", "legacy"),
    [
        (False, LegacyState(tables=("archon_settings",))),
        (True, LegacyState()),
        (True, LegacyState(archived=("archon_settings",), archive_schema_exists=True)),
    ],
)
def test_there_is_nothing_to_put_aside(archive: bool, legacy: LegacyState) -> None:
    assert archive_change(wanted(archive), state(legacy)) is None


def test_tables_go_to_the_archive_and_back_in_the_reverse_order() -> None:
    change = archive_change(wanted(), state(LegacyState(tables=("archon_a", "archon_b"))))
    assert change is not None
    assert change.what == "legacy tables public.archon_* in postgres"
    assert change.before == "public.archon_a\npublic.archon_b\n"
    assert change.after == "archon_legacy_archive.archon_a\narchon_legacy_archive.archon_b\n"
    assert change.data == "transaction"
    assert {statement.database for statement in change.statements + change.undo} == {"postgres"}
    done = [statement.display() for statement in change.statements]
    assert done[0] == 'CREATE SCHEMA IF NOT EXISTS "archon_legacy_archive"'
    assert done[1] == 'REVOKE ALL ON SCHEMA "archon_legacy_archive" FROM PUBLIC'
    assert done[2].startswith('COMMENT ON SCHEMA "archon_legacy_archive" IS \'Tables public.archon_*, moved here')
    assert done[3:] == [
        'ALTER TABLE "public"."archon_a" SET SCHEMA "archon_legacy_archive"',
        'ALTER TABLE "public"."archon_b" SET SCHEMA "archon_legacy_archive"',
        "SELECT pg_notify('pgrst', 'reload schema')",
    ]
    assert [statement.display() for statement in change.undo] == [
        'ALTER TABLE IF EXISTS "archon_legacy_archive"."archon_b" SET SCHEMA "public"',
        'ALTER TABLE IF EXISTS "archon_legacy_archive"."archon_a" SET SCHEMA "public"',
        'DROP SCHEMA IF EXISTS "archon_legacy_archive"',
        "SELECT pg_notify('pgrst', 'reload schema')",
    ]


def test_an_archive_that_was_there_stays_there() -> None:
    change = archive_change(
        wanted(), state(LegacyState(("archon_b",), archived=("archon_a",), archive_schema_exists=True))
    )
    assert change is not None
    for statement in change.statements + change.undo:
        assert "CREATE SCHEMA" not in statement.text
        assert "DROP SCHEMA" not in statement.text


def test_a_table_that_is_in_the_archive_already_is_a_conflict() -> None:
    legacy = LegacyState(("archon_a", "archon_b"), archived=("archon_b", "archon_c"), archive_schema_exists=True)
    with pytest.raises(ConflictError, match="again: archon_b\\."):
        archive_change(wanted(), state(legacy))
