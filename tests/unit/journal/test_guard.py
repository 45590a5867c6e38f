# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database is called once it is dropped, and what keeps it from being dropped."""

from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._journal import guard
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.register import Dropped, Kept

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
DROPPED = Dropped("app_db", 42, "/backups/app_db", "backup_app_db_20261123_020000", "ab")
KEPT = Kept("database", "app_db_dropped_20261123T101500Z", "main", "", NOW, NOW + timedelta(days=7), "", DROPPED)
DATABASE = guard.Database("app_db", 42, "app", True, False, 8192)


def lost(**more: Any) -> Dict[str, Any]:
    """Return what would be lost with a database of two tables, of which nothing keeps it from being dropped."""
    tables = [{"schema": "public", "name": "item", "rows": 7}, {"schema": "other", "name": "empty", "rows": 0}]
    options: Dict[str, Any] = {"there": [], "blast_radius": [], "services": [], "copied": tables, **more}
    return guard.loss(DATABASE, tables, **options)


def test_a_dropped_database_is_called_by_its_moment() -> None:
    assert guard.aside_name("app_db", NOW, set()) == "app_db_dropped_20261123T101500Z"
    assert guard.aside_name("app_db", NOW, {KEPT.name}) == "app_db_dropped_20261123T101501Z"
    assert guard.aside_name("ä" * 31, NOW, set()) == "ä" * 19 + "_dropped_20261123T101500Z"


@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=63))
def test_a_name_is_cut_between_two_characters_and_never_taken(name: str) -> None:
    first = guard.aside_name(name, NOW, set())
    second = guard.aside_name(name, NOW, {first})
    for found in (first, second):
        assert len(found.encode("utf-8")) <= 63
        assert name.startswith(found.rpartition("_dropped_")[0])
    assert first != second


@pytest.mark.parametrize(
    ("database", "confirm", "says"),
    [
        ("app_db", "", "Nothing was typed"),
        ("app_db", "app_db ", "'app_db ' was typed"),
        ("postgres", "postgres", "isn't dropped by this"),
        ("template0", "template0", "isn't dropped by this"),
        ("admin", "admin", "isn't dropped by this"),
    ],
)
def test_what_is_wrong_in_itself(database: str, confirm: str, says: str) -> None:
    guard.check_request("app_db", "app_db", "admin", True)
    guard.check_request("app_db", "", "admin", False)
    with pytest.raises(InputError, match=says):
        guard.check_request(database, confirm, "admin", True)


def test_nothing_is_refused_that_nothing_speaks_against() -> None:
    assert guard.refusals(lost(), False, [], "") == []
    guard.check_allowed(lost(), [])


def test_each_reason_is_named_at_once() -> None:
    session = {"role": "app", "application": "app-server", "address": "172.18.0.5", "sessions": 3}
    found = lost(there=[session], services=["app-server"], copied=[{"schema": "public", "name": "item", "rows": 5}])
    reasons = guard.refusals(found, False, ["replication slot s"], "There is no copy.")
    for text in ("There is no copy.", "app-server", "other.empty", "3 of app (app-server, from 172.18.0.5)", "slot s"):
        assert text in " ".join(reasons)
    assert len(reasons) == 5
    assert len(guard.refusals(found, True, ["replication slot s"], "There is no copy.")) == 4
    with pytest.raises(ConflictError, match="Database app_db is not dropped. There is no copy.") as raised:
        guard.check_allowed(found, reasons)
    assert raised.value.details == {"refusals": reasons, "would_lose": found}


def test_what_would_be_lost_names_rows_since_the_copy_and_what_leads_there() -> None:
    link = {"kind": "foreign server", "name": "app", "to": "app_db"}
    radius: List[Dict[str, Any]] = [
        {"name": "app_db", "enters": {"app": "as its owner"}, "links": []},
        {"name": "postgres", "enters": {}, "links": [link, dict(link, to="")]},
    ]
    found = lost(blast_radius=radius, copied=[{"schema": "public", "name": "item", "rows": 5}])
    assert found["changed_since_copy"] == [{"table": "public.item", "rows_in_copy": 5, "rows": 7}]
    assert (found["not_in_copy"], found["rows"]) == (["other.empty"], 7)
    assert found["led_to_from"] == [{"database": "postgres", "kind": "foreign server", "name": "app"}]
    shown = guard.plan_drop(found, KEPT).diff()[0]
    assert shown["before"].splitlines() == [
        "owner app, 8.0 KiB, 2 tables, 7 rows",
        "table public.item: 7 rows",
        "table other.empty: 0 rows",
        "since the copy: public.item had 5 rows",
        "app may enter it as its owner",
        "foreign server app of database postgres leads to it",
    ]
    assert shown["after"] == "app_db_dropped_20261123T101500Z, closed, kept until 2026-11-30T10:15:00Z\n"


def test_a_dropped_database_is_found_by_both_names_the_newest_first() -> None:
    older = Kept("database", "older", "main", "", NOW - timedelta(days=1), NOW, "", DROPPED)
    elsewhere = Kept("database", "x", "other", "", NOW, NOW, "", DROPPED)
    plain = Kept("database", "app_db", "main", "", NOW, NOW, "")
    known = [older, KEPT, elsewhere, plain]
    assert guard.dropped_as(known, "app_db", "main") == [KEPT, older]
    assert guard.dropped_as(known, KEPT.name, "main") == [KEPT]


def test_a_killed_run_is_known_by_the_oid() -> None:
    assert guard.interrupted(DATABASE, [KEPT]) == KEPT
    assert guard.interrupted(guard.Database("app_db", 43, "app", True, False, 0), [KEPT]) is None
    with pytest.raises(StateError, match="was dropped already"):
        guard.interrupted(guard.Database(KEPT.name, 42, "app", False, False, 0), [KEPT])


@pytest.mark.parametrize(("is_open", "is_template"), [(False, False), (True, True)])
def test_what_nobody_can_see_or_is_made_of_is_not_dropped(is_open: bool, is_template: bool) -> None:
    guard.check_open(DATABASE)
    with pytest.raises(StateError):
        guard.check_open(guard.Database("app_db", 42, "app", is_open, is_template, 0))
