# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: what is open, and how isolation_journal takes it back."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Sequence

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Secret, Sql
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.journal import (
    Entry,
    completed_entries,
    containers_entry,
    fingerprint_entry,
    gateway_entry,
    interrupted_entries,
    open_entries,
    sql_entry,
    undo,
)


@dataclass
class MemoryHands:
    """Hands that keep what they were told, and fail at what they are to fail at."""

    rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    fails: Sequence[str] = ()
    seen: List[str] = field(default_factory=list)

    def _do(self, what: str) -> None:
        if what in self.fails:
            raise OutsideError("no %s today" % what)
        self.seen.append(what)

    def execute(self, statement: Sql) -> None:
        """Keep a statement."""
        self._do(statement.display())

    def rows_of(self, database: str, tables: Sequence[str]) -> Mapping[str, int]:
        """Return the rows that there are now."""
        return {table: rows for table, rows in self.rows.get(database, {}).items() if table in tables}

    def set_aside(self, database: str) -> str:
        """Keep that a database was renamed."""
        self._do("set aside " + database)
        return database + "_undone"

    def restore_file(self, entry: Entry) -> str:
        """Keep that a file was restored."""
        if entry["path"] == "/changed":
            raise ConflictError("someone else has changed it since", "Look at it.")
        self._do("restore " + entry["path"])
        return "%s is as it was" % entry["path"]

    def bring_up(self, entry: Entry) -> str:
        """Keep that services were brought up."""
        self._do("up " + ",".join(entry["services"]))
        return "%s brought up as before" % ",".join(entry["services"])

    def reload_gateway(self, entry: Entry) -> str:
        """Keep that a gateway was reloaded."""
        self._do("reload " + entry["container"])
        return "gateway %s reloaded" % entry["container"]


def database_entries(existed: bool = False) -> List[Entry]:
    """Return the journal of a database that was made, or taken over, and filled."""
    made = (
        sql_entry("2", "database archon_db", [Sql("ALTER DATABASE {} OWNER TO {}", ("archon_db", "postgres"))])
        if existed
        else sql_entry("2", "database archon_db", [Sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", ("archon_db",))])
    )
    return [
        sql_entry("1", "role archon", [Sql("DROP ROLE IF EXISTS {}", ("archon",))]),
        made,
        sql_entry("3", "migration", [Sql("DROP SCHEMA public CASCADE", database="archon_db")]),
        fingerprint_entry("archon_db", {"t": 45, "u": 0}, existed, "postgres"),
    ]


def entry(identifier: str) -> Entry:
    """Return an entry of SQL."""
    return sql_entry(identifier, "thing " + identifier, [Sql("UNDO " + identifier)])


@pytest.mark.parametrize("marker", ["completed", "undone"])
def test_a_marker_closes_everything_before_it(marker: str) -> None:
    assert open_entries([entry("1"), entry("2"), {"kind": marker}]) == []
    assert open_entries([entry("1"), {"kind": marker}, entry("2")]) == [entry("2")]
    assert open_entries([{"kind": marker}, entry("1"), {"kind": marker}, entry("2"), entry("3")]) == [
        entry("2"),
        entry("3"),
    ]


def test_without_a_marker_all_is_open_oldest_first() -> None:
    assert open_entries([]) == []
    assert open_entries([entry("1"), entry("2")]) == [entry("1"), entry("2")]


def test_what_was_taken_back_is_closed_alone() -> None:
    entries = [entry("1"), entry("2"), entry("3"), {"kind": "taken_back", "ids": ["2", "3"]}, entry("4")]
    assert open_entries(entries) == [entry("1"), entry("4")]


def test_an_entry_without_an_identifier_stays_open() -> None:
    gateway = gateway_entry("nginx")
    assert open_entries([gateway, {"kind": "taken_back", "ids": []}]) == [gateway]
    assert open_entries([gateway, {"kind": "taken_back"}]) == [gateway]


def test_an_identifier_of_a_closed_part_does_not_close_a_later_one() -> None:
    entries = [entry("1"), {"kind": "taken_back", "ids": ["1"]}, {"kind": "completed"}, entry("1")]
    assert open_entries(entries) == [entry("1")]


def test_entries_say_what_they_need_to_be_taken_back() -> None:
    assert containers_entry("archon", "/srv/archon", ["a.yml"], [".env"], ["web"], True) == {
        "kind": "containers",
        "project": "archon",
        "working_dir": "/srv/archon",
        "files": ["a.yml"],
        "env_files": [".env"],
        "services": ["web"],
        "created": True,
    }
    assert gateway_entry("nginx") == {"kind": "gateway", "container": "nginx"}
    assert entry("1")["undo"] == [{"text": "UNDO 1", "names": [], "values": [], "database": ""}]


def test_a_secret_never_gets_into_an_entry() -> None:
    with pytest.raises(ValueError, match="secret"):
        sql_entry("1", "role", [Sql("ALTER ROLE {} PASSWORD %s", ("a",), (Secret("hunter2"),))])


def test_the_newest_is_taken_back_first() -> None:
    hands = MemoryHands()
    entries: List[Dict[str, Any]] = [
        sql_entry("1", "role archon", [Sql("DROP ROLE {}", ("archon",))]),
        sql_entry("2", "who may connect", [Sql("FIRST"), Sql("SECOND")]),
        {"kind": "file", "path": "/srv/.env"},
        containers_entry("archon", "/srv", [], [], ["web", "db"], False),
        gateway_entry("nginx"),
    ]
    report = undo(entries, hands)
    assert hands.seen == ["reload nginx", "up web,db", "restore /srv/.env", "FIRST", "SECOND", 'DROP ROLE "archon"']
    assert report == {
        "restored": [
            "gateway nginx reloaded",
            "web,db brought up as before",
            "/srv/.env is as it was",
            "who may connect",
            "role archon",
        ],
        "kept": [],
        "set_aside": [],
        "left": [],
    }


def test_nothing_open_is_nothing_done() -> None:
    hands = MemoryHands()
    assert undo([], hands) == {"restored": [], "kept": [], "set_aside": [], "left": []}
    assert hands.seen == []


def test_one_failure_does_not_keep_the_others_from_being_tried() -> None:
    hands = MemoryHands(fails=("UNDO 2", "reload nginx"))
    report = undo([entry("1"), {"kind": "file", "path": "/changed"}, entry("2"), gateway_entry("nginx")], hands)
    assert hands.seen == ["UNDO 1"]
    assert report["restored"] == ["thing 1"]
    assert report["left"] == [
        "gateway: no reload nginx today",
        "thing 2: no UNDO 2 today",
        "/changed: someone else has changed it since Look at it.",
    ]


def test_after_a_failed_statement_the_rest_of_its_change_is_left() -> None:
    hands = MemoryHands(fails=("A",))
    report = undo([sql_entry("1", "both", [Sql("A"), Sql("B")])], hands)
    assert hands.seen == []
    assert report["left"] == ["both: no A today"]


@pytest.mark.parametrize("rows", [{}, {"archon_db": {}}, {"archon_db": {"t": 45, "u": 0}}])
def test_a_database_without_new_rows_is_dropped(rows: Mapping[str, Mapping[str, int]]) -> None:
    hands = MemoryHands(rows)
    report = undo(database_entries(), hands)
    assert hands.seen == [
        "DROP SCHEMA public CASCADE",
        'DROP DATABASE IF EXISTS "archon_db" WITH (FORCE)',
        'DROP ROLE IF EXISTS "archon"',
    ]
    assert report["kept"] == []


@pytest.mark.parametrize("now", [{"t": 46, "u": 0}, {"t": 44, "u": 0}, {"t": 45, "u": 1}, {"t": 45}])
def test_a_database_with_other_rows_is_set_aside_and_nothing_is_dropped(now: Mapping[str, int]) -> None:
    hands = MemoryHands({"archon_db": now})
    report = undo(database_entries(), hands)
    assert hands.seen == ["set aside archon_db"]
    assert report["kept"] == ["database archon_db, which got rows since it was filled, is kept as archon_db_undone"]
    assert report["left"] == []


def test_a_database_that_was_there_before_is_there_again_empty() -> None:
    hands = MemoryHands({"archon_db": {"t": 46, "u": 0}})
    undo(database_entries(existed=True), hands)
    assert hands.seen == [
        "set aside archon_db",
        'CREATE DATABASE "archon_db" OWNER "postgres" ENCODING \'UTF8\' TEMPLATE template0',
    ]


def test_where_one_database_is_set_aside_the_rest_is_taken_back_all_the_same() -> None:
    hands = MemoryHands({"archon_db": {"t": 46, "u": 0}})
    archive = sql_entry("9", "archive", [Sql("ALTER TABLE {} SET SCHEMA public", (("old", "t"),), database="postgres")])
    undo([*database_entries(), archive, gateway_entry("nginx")], hands)
    assert hands.seen == [
        "set aside archon_db",
        "reload nginx",
        'ALTER TABLE "old"."t" SET SCHEMA public',
    ]


def test_the_newest_fingerprint_counts() -> None:
    hands = MemoryHands({"archon_db": {"t": 50, "u": 0}})
    report = undo([*database_entries(), fingerprint_entry("archon_db", {"t": 50, "u": 0}, False, "x")], hands)
    assert report["kept"] == []
    assert 'DROP DATABASE IF EXISTS "archon_db" WITH (FORCE)' in hands.seen


def test_what_a_cut_off_run_left_is_told_from_what_a_phase_prepared() -> None:
    one, two = ({"kind": "sql", "id": name, "what": name, "undo": []} for name in "ab")
    assert interrupted_entries([one, {"kind": "prepared"}]) == []
    assert interrupted_entries([one, {"kind": "prepared"}, two]) == [two]
    assert open_entries([one, {"kind": "prepared"}, two]) == [one, two]
    assert interrupted_entries([one, {"kind": "taken_back", "ids": ["a"]}]) == []


def test_what_was_completed_is_known_until_it_is_rolled_back() -> None:
    one, two, three = ({"kind": "sql", "id": name, "what": name, "undo": []} for name in "abc")
    done = [one, {"kind": "completed"}, two, {"kind": "prepared"}, {"kind": "completed"}]
    assert completed_entries(done) == [one, two]
    assert completed_entries([*done, three]) == []
    assert completed_entries([*done, {"kind": "taken_back", "ids": ["b"]}]) == [one]
    assert completed_entries([*done, {"kind": "rolled_back"}]) == []
    assert completed_entries([one, {"kind": "undone"}, two, {"kind": "completed"}]) == [two]


def containers(project: str, *services: str, created: bool = False) -> Entry:
    """Return the entry for services of a project."""
    return containers_entry(project, "/srv/" + project, ["compose.yml"], [], services, created)


def test_services_that_were_stopped_come_up_last_and_once() -> None:
    entries = [
        containers("a", "web", "worker"),
        entry("1"),
        containers("a", "web"),
        {"kind": "file", "path": "/srv/a/.env"},
        containers("b", "web"),
        entry("2"),
        gateway_entry("gateway"),
        containers("a", "worker", "web", "cron"),
    ]
    hands = MemoryHands()
    report = undo(entries, hands, containers_last=True)
    assert report["left"] == []
    assert hands.seen == [
        "reload gateway",
        "UNDO 2",
        "restore /srv/a/.env",
        "UNDO 1",
        # What was stopped last comes up first. Of one name in two projects there are two.
        "up cron",
        "up web",
        "up web,worker",
    ]
    assert len(report["restored"]) == 7
    # The entries are the journal's own.
    assert entries[0]["services"] == ["web", "worker"]


def test_services_come_up_last_though_something_could_not_be_taken_back() -> None:
    entries = [containers("a", "web"), {"kind": "file", "path": "/changed"}, entry("1")]
    hands = MemoryHands(fails=["UNDO 1"])
    report = undo(entries, hands, containers_last=True)
    assert hands.seen == ["up web"]
    assert len(report["left"]) == 2


def test_without_being_asked_services_come_up_in_their_turn() -> None:
    entries = [containers("a", "web"), entry("1"), containers("a", "web"), entry("2")]
    hands = MemoryHands()
    undo(entries, hands)
    assert hands.seen == ["UNDO 2", "up web", "UNDO 1", "up web"]


def test_a_database_that_gave_way_comes_back_before_its_services() -> None:
    moved = [
        sql_entry("database", "database d", [Sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", ("d",))]),
        fingerprint_entry("d", {"public.t": 1}, False, ""),
        containers("a", "web"),
    ]
    hands = MemoryHands(rows={"d": {"public.t": 1}})
    assert undo(moved, hands, containers_last=True)["left"] == []
    assert hands.seen == ['DROP DATABASE IF EXISTS "d" WITH (FORCE)', "up web"]
