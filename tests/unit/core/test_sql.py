# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements as data: what is shown of them, and what a journal may hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import (
    Name,
    Secret,
    Sql,
    quoted_name,
    quoted_value,
)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("archon", '"archon"'),
        ("Archon DB", '"Archon DB"'),
        ('say "hi"', '"say ""hi"""'),
        ("x; DROP TABLE y --", '"x; DROP TABLE y --"'),
        (("public", "archon_settings"), '"public"."archon_settings"'),
        (("a.b", 'c"d'), '"a.b"."c""d"'),
    ],
)
def test_a_name_is_quoted(name: Name, quoted: str) -> None:
    assert quoted_name(name) == quoted


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        (None, "NULL"),
        (True, "true"),
        (False, "false"),
        (18, "18"),
        (1.5, "1.5"),
        ("it's", "'it''s'"),
        ("", "''"),
        (Secret("hunter2"), "'********'"),
    ],
)
def test_a_value_is_a_literal(value: Any, quoted: str) -> None:
    assert quoted_value(value) == quoted


def test_a_statement_is_shown_as_one_would_type_it() -> None:
    statement = Sql("INSERT INTO {} ({}) VALUES (%s, %s)", (("public", "t"), 'a"b'), ("it's", None))
    assert statement.display() == 'INSERT INTO "public"."t" ("a""b") VALUES (\'it\'\'s\', NULL)'


def test_doubled_braces_are_shown_as_one() -> None:
    assert Sql("SELECT coalesce(%s, '{{}}') FROM {}", ("t",), (1,)).display() == "SELECT coalesce(1, '{}') FROM \"t\""


def test_a_name_that_looks_like_a_place_for_another_is_shown_as_it_is() -> None:
    assert Sql("ALTER TABLE {} SET SCHEMA {}", ("{}", "{{x}}")).display() == 'ALTER TABLE "{}" SET SCHEMA "{{x}}"'


def test_a_value_that_looks_like_a_place_for_another_is_shown_as_it_is() -> None:
    assert Sql("SELECT %s, %s", values=("%s", "{}")).display() == "SELECT '%s', '{}'"


def test_a_secret_shows_nowhere() -> None:
    secret = Secret("hunter2")
    statement = Sql("CREATE ROLE {} LOGIN PASSWORD %s", ("archon",), (secret,))
    assert statement.display() == "CREATE ROLE \"archon\" LOGIN PASSWORD '********'"
    for shown in (repr(secret), str(secret), repr(statement), str(statement), "%s" % (statement.values,)):
        assert "hunter2" not in shown


def test_a_secret_is_never_written_to_a_journal() -> None:
    with pytest.raises(ValueError, match="secret") as caught:
        Sql("ALTER ROLE {} PASSWORD %s", ("archon",), ("x", Secret("hunter2"))).to_json()
    assert "hunter2" not in str(caught.value)


names = st.text(min_size=1) | st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple)
values = st.none() | st.booleans() | st.integers() | st.text()


@given(st.text(), st.lists(names, max_size=3).map(tuple), st.lists(values, max_size=3).map(tuple), st.text())
def test_a_statement_survives_the_journal(text: str, names: Any, values: Any, database: str) -> None:
    statement = Sql(text, names, values, database)
    assert Sql.from_json(json.loads(json.dumps(statement.to_json()))) == statement
