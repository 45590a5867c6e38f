# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations: what a file may hold, and which are run, adopted or refused."""

import hashlib
from typing import Any, Dict, List

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.migration import (
    journal_statement,
    pending,
    psql_command,
    read_migration,
    statements,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.model import (
    Content,
    Expectation,
    Migration,
    Wanted,
)

SETUP = Migration("setup.sql", b"SELECT 1;", "1" * 64)
LATER = Migration("later.sql", b"SELECT 2;", "2" * 64)


def wanted(**fields: Any) -> Wanted:
    """Return an isolation of Archon with these fields."""
    return Wanted(**{"database": "archon_db", "owner": "archon", "migrations": (SETUP,), **fields})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1", ["SELECT 1"]),
        (";; ;\n;", []),
        ("-- COMMIT;\nSELECT 1;", ["SELECT 1"]),
        ("/* COMMIT; */ SELECT 1;", ["SELECT 1"]),
        ("SELECT 'a;b', \"c;d\";", ["SELECT '', ''"]),
        ("SELECT 'it''s; x'; SELECT 2", ["SELECT ''", "SELECT 2"]),
        ("SELECT E'\\'; COMMIT; --'; SELECT 2", ["SELECT ''", "SELECT 2"]),
        ("SELECT '\\'; SELECT 2", ["SELECT ''", "SELECT 2"]),
        ("SELECT $$a;b$$; SELECT $tag$ $$ ; $$ $tag$;", ["SELECT ''", "SELECT ''"]),
        ("SELECT $1; SELECT 2", ["SELECT $1", "SELECT 2"]),
        ("SELECT 1 -- it's\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
    ],
)
def test_statements_end_where_postgres_ends_them(text: str, found: List[str]) -> None:
    assert [" ".join(statement.split()) for _line, statement in statements(text)] == found


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN;",
        "begin; SELECT 1; commit;",
        "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
        "START  TRANSACTION;",
        "SELECT 1; COMMIT",
        "SELECT 1; COMMIT AND CHAIN;",
        "END;",
        "ABORT;",
        "ROLLBACK;",
        "SELECT 'it''s'; ROLLBACK WORK;",
        "-- now\n/* really */ COMMIT;",
        "PREPARE TRANSACTION 'x';",
        "VACUUM;",
        "VACUUM ANALYZE archon_sources;",
        "ALTER SYSTEM SET work_mem = '1GB';",
        "CREATE DATABASE x;",
        "DROP DATABASE x;",
        "CREATE TABLESPACE x LOCATION '/x';",
        "CREATE INDEX CONCURRENTLY i ON t (a);",
        "create unique index\n  concurrently i ON t (a);",
        "DROP INDEX CONCURRENTLY i;",
        "REINDEX INDEX CONCURRENTLY i;",
        "REINDEX (VERBOSE) TABLE CONCURRENTLY t;",
        "\ufeffBEGIN;",
        "BEGIN;\r\nSELECT 1;\r\nCOMMIT;\r\n",
    ],
)
def test_what_can_not_run_in_one_transaction_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="Migration setup.sql, line .*can't run in one transaction"):
        read_migration("setup.sql", text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "SAVEPOINT a; SELECT 1; ROLLBACK TO SAVEPOINT a; RELEASE SAVEPOINT a;",
        "ROLLBACK TO a;",
        "SELECT 'BEGIN; COMMIT;';",
        "SELECT E'\\'; COMMIT; --';",
        'SELECT 1 AS "x; COMMIT; y";',
        "-- BEGIN;\n/* COMMIT;\n VACUUM; */ SELECT 1;",
        "CREATE FUNCTION f() RETURNS trigger AS $$\nBEGIN\n  NEW.a = now();\n  RETURN NEW;\nEND;\n$$ LANGUAGE plpgsql;",
        "CREATE FUNCTION f() RETURNS int AS $body$ BEGIN; COMMIT; END; $body$ LANGUAGE plpgsql;",
        "DO $$ BEGIN IF true THEN PERFORM $x$COMMIT;$x$; END IF; END $$;",
        "SELECT CASE WHEN a THEN 1 ELSE 2 END FROM t;",
        "PREPARE q AS SELECT 1;",
        "CREATE INDEX i ON t (a);",
        "REINDEX TABLE t;",
        "REFRESH MATERIALIZED VIEW v;",
        "COMMENT ON TABLE t IS 'COMMIT';",
        "ALTER DATABASE postgres SET app.x = '1';",
        "CREATE TABLE beginning (a int); CREATE TABLE x (committed int);",
    ],
)
def test_what_only_looks_like_transaction_control_is_not(text: str) -> None:
    assert read_migration("setup.sql", text.encode()).data == text.encode()


def test_the_first_line_is_named() -> None:
    with pytest.raises(InputError, match="Migration setup.sql, line 1, .*`BEGIN`"):
        read_migration("setup.sql", b"BEGIN;\nSELECT 1;\n")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("\\c other", 1),
        ("\\connect other", 1),
        ("\\i more.sql", 1),
        ("SELECT 1;\n\n\\ir more.sql", 3),
        ("\\include more.sql", 1),
        ("\\!ls", 1),
        ("\\copy t FROM x", 1),
    ],
)
def test_what_leaves_the_file_is_refused_with_its_line(command: str, line: int) -> None:
    with pytest.raises(InputError, match="line %d, leaves the file or the connection" % line):
        read_migration("setup.sql", command.encode() + b"\n")


@pytest.mark.parametrize("command", ["\\if :x", "\\conninfo", "\\cd /", "\\crosstabview", "\\echo hello", "\\."])
def test_other_commands_of_psql_stay(command: str) -> None:
    assert read_migration("setup.sql", command.encode() + b"\n").name == "setup.sql"


def test_line_ends_and_the_mark_at_the_start_are_taken_away() -> None:
    plain = b"CREATE FUNCTION f() AS $$\nSELECT 1;\n$$;\n"
    migration = read_migration("setup.sql", b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"))
    assert migration.data == plain
    assert migration.checksum == hashlib.sha256(plain).hexdigest()
    assert migration == read_migration("setup.sql", plain)


def test_a_carriage_return_alone_stays() -> None:
    assert read_migration("setup.sql", b"SELECT 'a\rb';").data == b"SELECT 'a\rb';"


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="Migration setup.sql is empty"):
        read_migration("setup.sql", data)


@pytest.mark.parametrize("data", ["SELECT 1;".encode("utf-16"), "SELECT 'ä';".encode("latin-1")])
def test_another_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="isn't UTF-8"):
        read_migration("setup.sql", data)


def test_a_migration_does_not_show_what_it_holds() -> None:
    assert "hunter2" not in repr(read_migration("setup.sql", b"SELECT 'hunter2';"))


def pending_of(want: Wanted, content: Content) -> Any:
    """Return what is pending, expecting what was stated."""
    return pending(want, content, want.expect)


def test_an_empty_database_gets_every_migration() -> None:
    assert pending_of(wanted(migrations=(SETUP, LATER)), Content()) == ([SETUP, LATER], [], [])


def test_nothing_is_run_twice() -> None:
    content = Content(tables=("archon_settings",), applied={"setup.sql": SETUP.checksum})
    assert pending_of(wanted(), content) == ([], [], [])
    assert pending_of(wanted(migrations=(SETUP, LATER)), content) == ([LATER], [], [])


def test_a_changed_file_is_told_and_not_run_again() -> None:
    content = Content(tables=("archon_settings",), applied={"setup.sql": "9" * 64})
    to_run, to_adopt, warnings = pending_of(wanted(), content)
    assert (to_run, to_adopt) == ([], [])
    assert len(warnings) == 1
    assert "setup.sql has changed" in warnings[0]
    assert "archon_db" in warnings[0]


def test_tables_without_a_record_are_adopted_where_they_are_as_expected() -> None:
    expect = Expectation(tables=("archon_settings",), policies=18)
    content = Content(tables=("archon_settings", "more"), policies=18)
    assert pending_of(wanted(expect=expect), content) == ([], [SETUP], [])


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        (Expectation(), "nothing is said of what is expected"),
        (Expectation(policies=18), "nothing is said|policies"),
        (Expectation(tables=("archon_settings",), policies=18), "11 policies instead of 18"),
        (Expectation(tables=("archon_settings", "archon_tasks")), "table archon_tasks is missing"),
    ],
)
def test_tables_without_a_record_are_refused_otherwise(expect: Expectation, says: str) -> None:
    content = Content(tables=("archon_settings",), policies=11)
    with pytest.raises(ConflictError, match=says) as caught:
        pending_of(wanted(expect=expect), content)
    assert "holds 1 tables, but no record of the migration setup.sql" in caught.value.message
    assert "nothing was done" in str(caught.value)


def test_without_migrations_nothing_is_asked_of_the_content() -> None:
    assert pending_of(wanted(migrations=()), Content(tables=("x",))) == ([], [], [])


def test_the_record_is_a_statement_of_names_and_values() -> None:
    statement = journal_statement(wanted(), Migration("it's.sql", b"", "c"))
    assert statement.database == "archon_db"
    assert statement.display() == ("INSERT INTO \"bulkhead\".\"migration\" (name, checksum) VALUES ('it''s.sql', 'c')")


def test_a_migration_runs_as_the_owner_in_one_transaction_with_its_record() -> None:
    command = psql_command(wanted(owner='arc"hon'), Migration("it's.sql", b"", "c"), "/tmp/file.sql")
    assert command[0] == "psql"
    assert "-1" in command
    assert "ON_ERROR_STOP=1" in command
    assert "-X" in command
    steps: Dict[int, str] = {i: command[i + 1] for i, word in enumerate(command) if word in ("-c", "-f")}
    assert list(steps.values()) == [
        'SET ROLE "arc""hon"',
        "/tmp/file.sql",
        "RESET ROLE",
        "RESET search_path",
        "INSERT INTO \"bulkhead\".\"migration\" (name, checksum) VALUES ('it''s.sql', 'c')",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TYPE mood ADD VALUE 'new';\nINSERT INTO t VALUES ('new');",
        "ALTER TYPE public.mood ADD VALUE IF NOT EXISTS 'new' AFTER 'old';\nALTER TABLE t ALTER m SET DEFAULT 'new';",
    ],
)
def test_a_new_label_of_an_enum_is_not_used_in_the_transaction_that_adds_it(text: str) -> None:
    with pytest.raises(InputError, match="line 1, adds 'new' to type .*mood and uses it further on") as caught:
        read_migration("m.sql", text.encode())
    assert "transaction: own" in str(caught.value)
    assert read_migration("m.sql", text.encode(), True).own_transactions


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TYPE mood ADD VALUE 'new';\nINSERT INTO t VALUES ('old');",
        "CREATE TYPE mood AS ENUM ('old');\nALTER TYPE mood ADD VALUE 'new';\nINSERT INTO t VALUES ('new');",
    ],
)
def test_a_new_label_that_may_be_used_or_is_not_used_is_no_hindrance(text: str) -> None:
    assert not read_migration("m.sql", text.encode()).own_transactions


def test_a_file_with_transactions_of_its_own_is_run_outside_of_one() -> None:
    data = b"CREATE INDEX CONCURRENTLY i ON t (a);\n"
    with pytest.raises(InputError, match="transaction: own"):
        read_migration("m.sql", data)
    own = read_migration("m.sql", data, True)
    assert "-1" not in psql_command(wanted(), own, "/tmp/m.sql")
    assert "-1" in psql_command(wanted(), SETUP, "/tmp/m.sql")
