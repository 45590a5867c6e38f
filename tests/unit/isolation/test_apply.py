# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan -> apply, on a server of our own making: journalled first, and taken back where something fails."""

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Sequence

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    OutsideError,
    VerificationError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Sql
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.apply import apply
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.model import (
    Content,
    Database,
    Expectation,
    LegacyState,
    Migration,
    State,
    Wanted,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.read import count_rows, read_content

DATA = b"CREATE TABLE t (a int);\n"
SETUP = Migration("setup.sql", DATA, hashlib.sha256(DATA).hexdigest())
STATE = State(150000, "postgres", True, {}, None, ("postgres",), Content(), {}, LegacyState())
WANTED = Wanted("archon_db", "archon", migrations=(SETUP,), expect=Expectation(tables=("t",)))


@dataclass
class Ran:
    """What a client program left."""

    rc: int = 0
    stdout: bytes = b""
    stderr: str = ""


@dataclass
class MemoryServer:
    """A server that keeps what it was told, and refuses what it is to refuse."""

    refuses: Sequence[str] = ()
    tables: Sequence[str] = ("t",)
    psql: Ran = field(default_factory=Ran)
    cut: bool = False
    seen: List[str] = field(default_factory=list)
    files: Dict[str, bytes] = field(default_factory=dict)
    maintenance_database: str = "postgres"

    def execute(self, statement: Sql) -> None:
        """Keep a statement, or refuse it. Our notes in the database are no part of the order that is looked at."""
        text = statement.display()
        if '"bulkhead"' in text:
            return
        if text in self.refuses:
            raise OutsideError("The server refused %s." % text)
        self.seen.append(text)

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Answer what is asked of the content, and of rows."""
        if "public_objects" in statement.text:
            found: Dict[str, Any] = {
                "tables": list(self.tables),
                "extensions": {},
                "schemas": ["public"],
                "policies": 0,
                "functions": [],
                "journal": False,
                "prelude": False,
                "schema_watch": False,
                "public_objects": 1,
                "columns": {},
                "triggers": [],
                "owners": dict.fromkeys(self.tables, "archon"),
                "create_in_public": [],
                "public_owner": "pg_database_owner",
                "default_privileges": [],
                "settings": {},
                "filled": False,
            }
            return [found]
        return [{"name": name, "rows": 45} for name in statement.values]

    def value(self, statement: Sql) -> Any:
        """Answer nothing."""
        raise NotImplementedError(statement.display())

    def disconnect(self, database: str) -> None:
        """Keep that we left a database."""
        self.seen.append("leave " + database)

    @contextmanager
    def transaction(self, database: str) -> Iterator["MemoryTransaction"]:
        """Keep its statements where all of them succeed."""
        inner = MemoryTransaction(self)
        yield inner
        self.seen.append("transaction in %s: %s" % (database, "; ".join(inner.seen)))

    @contextmanager
    def client_file(self, data: bytes, suffix: str) -> Iterator[str]:
        """Hold a file while it is needed."""
        path = "/tmp/file" + suffix
        self.files[path] = data[:-1] if self.cut else data
        yield path
        del self.files[path]

    def run_client(self, argv: Sequence[str]) -> Ran:
        """Hash a file for real; run psql as it was told."""
        if argv[0] == "sha256sum":
            return Ran(0, hashlib.sha256(self.files[argv[1]]).hexdigest().encode() + b"  " + argv[1].encode())
        assert argv[argv.index("-f") + 1] in self.files
        self.seen.append("psql in %s" % argv[argv.index("-d") + 1])
        return self.psql


@dataclass
class MemoryTransaction:
    """Statements that stand or fall together."""

    server: MemoryServer
    seen: List[str] = field(default_factory=list)

    def execute(self, statement: Sql) -> int:
        """Keep a statement, or refuse it."""
        if statement.display() in self.server.refuses:
            raise OutsideError("The server refused %s." % statement.display())
        self.seen.append(statement.display())
        return 0


def plan() -> Plan:
    """Return a role, a database and a migration."""
    return Plan(
        [
            Change("role a", statements=(Sql("MAKE ROLE"),), undo=(Sql("DROP ROLE"),)),
            Change(
                "database d",
                statements=(Sql("MAKE DATABASE"), Sql("CLOSE IT")),
                undo=(Sql("OPEN IT"), Sql("DROP DATABASE {}", ("d",))),
            ),
            Change("migration m", statements=(Sql("MAKE JOURNAL"),), undo=(Sql("DROP JOURNAL"),), data=SETUP),
        ]
    )


def test_all_is_journalled_before_it_is_done() -> None:
    server = MemoryServer()
    journal: List[Dict[str, Any]] = []
    done_when_written: List[int] = []

    def record(entry: Dict[str, Any]) -> None:
        journal.append(entry)
        done_when_written.append(len(server.seen))

    apply(plan(), WANTED, STATE, server, record)
    assert [entry["kind"] for entry in journal] == ["sql", "sql", "sql", "fingerprint"]
    assert [entry.get("what") for entry in journal[:3]] == ["role a", "database d", "migration m"]
    assert done_when_written[:3] == [0, 1, 3]
    assert journal[3] == {
        "kind": "fingerprint",
        "database": "archon_db",
        "rows": {"t": 45},
        "existed": False,
        "owner": "archon",
    }
    assert server.seen == [
        "MAKE ROLE",
        "MAKE DATABASE",
        "CLOSE IT",
        "MAKE JOURNAL",
        "psql in archon_db",
        "SELECT pg_notify('pgrst', 'reload schema')",
    ]
    assert server.files == {}


def test_it_works_without_a_journal() -> None:
    server = MemoryServer()
    apply(plan(), WANTED, STATE, server)
    assert "psql in archon_db" in server.seen


def test_the_fingerprint_of_a_database_that_was_there_names_its_old_owner() -> None:
    journal: List[Dict[str, Any]] = []
    there = State(
        150000,
        "postgres",
        True,
        {},
        Database("archon_db", "postgres", False, (), ()),
        (),
        Content(),
        {},
        LegacyState(),
    )
    apply(plan(), WANTED, there, MemoryServer(), journal.append)
    assert (journal[-1]["existed"], journal[-1]["owner"]) == (True, "postgres")


def test_a_failure_takes_back_what_was_begun_the_newest_first() -> None:
    server = MemoryServer(refuses=("CLOSE IT",))
    journal: List[Dict[str, Any]] = []
    with pytest.raises(OutsideError, match="refused CLOSE IT") as caught:
        apply(plan(), WANTED, STATE, server, journal.append)
    assert "nothing is left of it" in str(caught.value)
    assert server.seen == ["MAKE ROLE", "MAKE DATABASE", "OPEN IT", "leave d", 'DROP DATABASE "d"', "DROP ROLE"]
    assert journal[-1] == {"kind": "taken_back", "ids": [entry["id"] for entry in journal[:-1]]}


def test_what_can_not_be_taken_back_is_told_and_stays_in_the_journal() -> None:
    server = MemoryServer(refuses=("CLOSE IT", "OPEN IT"))
    journal: List[Dict[str, Any]] = []
    with pytest.raises(BulkheadError) as caught:
        apply(plan(), WANTED, STATE, server, journal.append)
    assert "Taking it back failed as well: database d (The server refused OPEN IT.)" in str(caught.value)
    assert server.seen[-3:] == ["leave d", 'DROP DATABASE "d"', "DROP ROLE"]
    assert [entry["kind"] for entry in journal] == ["sql", "sql"]


def test_a_result_that_is_not_as_expected_is_taken_back() -> None:
    server = MemoryServer(tables=("other",))
    with pytest.raises(VerificationError, match="table t is missing"):
        apply(plan(), WANTED, STATE, server)
    assert server.seen[-5:] == ["DROP JOURNAL", "OPEN IT", "leave d", 'DROP DATABASE "d"', "DROP ROLE"]


def test_psqls_own_words_are_told_under_the_name_of_the_file() -> None:
    server = MemoryServer(psql=Ran(3, b"", 'NOTICE: x\npsql:/tmp/file.sql:7: ERROR:  role "x" does not exist\n'))
    with pytest.raises(OutsideError) as caught:
        apply(plan(), WANTED, STATE, server)
    assert 'setup.sql failed in database archon_db; nothing of it was kept: setup.sql:7: ERROR:  role "x"' in str(
        caught.value
    )
    assert "/tmp/file.sql" not in repr(caught.value.result())
    assert caught.value.details["rc"] == 3
    assert server.files == {}


def test_a_file_that_did_not_arrive_whole_is_not_run() -> None:
    server = MemoryServer(cut=True)
    with pytest.raises(OutsideError, match="didn't arrive whole"):
        apply(plan(), WANTED, STATE, server)
    assert "psql in archon_db" not in server.seen


def test_the_archive_is_one_transaction() -> None:
    change = Change(
        "legacy", statements=(Sql("A", database="postgres"), Sql("B", database="postgres")), data="transaction"
    )
    server = MemoryServer()
    apply(Plan([change]), WANTED, STATE, server)
    assert server.seen == ["transaction in postgres: A; B"]
    server = MemoryServer(refuses=("B",))
    with pytest.raises(OutsideError):
        apply(Plan([change]), WANTED, STATE, server)
    assert server.seen == []


def test_rows_are_counted_by_one_query() -> None:
    asked: List[Sql] = []

    class Counting(MemoryServer):
        def rows(self, statement: Sql) -> List[Dict[str, Any]]:
            asked.append(statement)
            return super().rows(statement)

    assert count_rows(Counting(), "archon_db", ("t", "auth.u")) == {"t": 45, "auth.u": 45}
    assert count_rows(Counting(), "archon_db", ()) == {}
    (query,) = asked
    assert query.database == "archon_db"
    assert query.display() == (
        'SELECT \'t\' AS name, count(*) AS rows FROM "public"."t"'
        ' UNION ALL SELECT \'auth.u\' AS name, count(*) AS rows FROM "auth"."u"'
    )


def test_only_tables_whose_rows_are_expected_are_counted() -> None:
    expecting = Wanted("archon_db", "archon", expect=Expectation(rows={"t": 1, "gone": 1}))
    assert read_content(MemoryServer(tables=("t", "u")), expecting).rows == {"t": 45}
    assert read_content(MemoryServer(tables=("t", "u")), WANTED).rows == {}
