# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hides transaction control in a migration, and what only looks like it."""

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.migration import read_migration, statements


def test_the_line_is_that_of_the_statement() -> None:
    assert [line for line, _text in statements("SELECT 1;\n\n\nCOMMIT;")] == [1, 4]
    assert [line for line, _text in statements("-- why\n/* and\nhow */\nSELECT 1;")] == [4]


@pytest.mark.parametrize(
    "text",
    [
        "\\! ls",
        "SELECT 1;\n  \\c other",
        "SELECT 1; \\c other",
        "SELECT 'DROP TABLE t' \\gexec",
        "\\set ON_ERROR_STOP off",
        "/* /* */ ' */ COMMIT; '",
        "COPY t FROM stdin;\nit's\n\\.\nCOMMIT;\nSELECT 'x';",
        "ALTER TABLE t DETACH PARTITION u CONCURRENTLY;",
        "select 1;\nrollback;",
        "BEGIN;",
    ],
)
def test_what_leaves_the_transaction_is_found(text: str) -> None:
    with pytest.raises(InputError):
        read_migration("trap.sql", text.encode("utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "/* a /* b */ COMMIT; */ SELECT 1;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;",
        "ROLLBACK WORK TO SAVEPOINT x;",
        "DO $$\nBEGIN\n  PERFORM 1;\n  -- \\i\n  COMMIT;\nEND $$;",
        "SELECT 'COMMIT;', \"ROLLBACK;\" FROM t;",
        "COPY t FROM stdin;\nCOMMIT;\n\\.\nSELECT 1;",
    ],
)
def test_what_only_looks_like_it_is_let_through(text: str) -> None:
    assert read_migration("fine.sql", text.encode("utf-8")).data


def test_a_function_with_a_body_is_one_statement() -> None:
    text = "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END; COMMIT;"
    assert [statement for _line, statement in statements(text)][-1] == "COMMIT"
