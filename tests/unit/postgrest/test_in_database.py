# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the database: which statements lead to what is wanted, and back. Real servers run them elsewhere."""

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import in_database
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.in_database import DatabaseSettings
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.settings import find, parse

HELD = DatabaseSettings(
    "authenticator",
    "archon_db",
    own={"db_max_rows": "5", "jwt_secret": "hunter2hunter2hunter2hunter2hunter2"},
    everywhere={"db_max_rows": "9", "db_schemas": "public"},
)


def statements(wanted, held=HELD):
    changes = in_database.make_changes(held, parse(wanted))
    return [(change.statements[0].display(), change.undo[0].display()) for change in changes]


def test_what_is_as_it_is_wanted_stays():
    assert statements({"db-max-rows": 5}) == []
    assert statements({"db-pre-request": None}) == []


@pytest.mark.parametrize(
    ("wanted", "statement", "undo"),
    [
        (
            {"db-max-rows": 7},
            'ALTER ROLE "authenticator" IN DATABASE "archon_db" SET "pgrst"."db_max_rows" TO \'7\'',
            'ALTER ROLE "authenticator" IN DATABASE "archon_db" SET "pgrst"."db_max_rows" TO \'5\'',
        ),
        (
            {"db-max-rows": None},
            'ALTER ROLE "authenticator" IN DATABASE "archon_db" RESET "pgrst"."db_max_rows"',
            'ALTER ROLE "authenticator" IN DATABASE "archon_db" SET "pgrst"."db_max_rows" TO \'5\'',
        ),
        # What is set for all databases is this one's own afterwards, also with the same value.
        (
            {"db-schemas": "public"},
            'ALTER ROLE "authenticator" IN DATABASE "archon_db" SET "pgrst"."db_schemas" TO \'public\'',
            'ALTER ROLE "authenticator" IN DATABASE "archon_db" RESET "pgrst"."db_schemas"',
        ),
    ],
)
def test_only_this_database_gets_it_and_it_can_be_taken_back(wanted, statement, undo):
    assert statements(wanted) == [(statement, undo)]


def test_a_secret_is_in_no_display():
    secret = "y" * 40
    (change,) = in_database.make_changes(HELD, parse({"jwt-secret": secret}))
    shown = repr(change) + change.before + change.after + change.statements[0].display() + change.undo[0].display()
    assert secret not in shown
    assert "hunter2" not in shown
    assert change.before != change.after
    assert secret not in repr(HELD)


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        ({"jwt-secret": "${JWT_SECRET}"}, InputError, "Postgres doesn't replace"),
        ({"db-schemas": None}, StateError, "in all databases"),
    ],
)
def test_what_can_not_be_done_is_refused(wanted, error, says):
    with pytest.raises(error) as refused:
        in_database.make_changes(HELD, parse(wanted))
    assert says in refused.value.message


def test_what_counts_is_this_databases_own():
    assert HELD.get(find("db-max-rows")) == "5"
    assert HELD.get(find("db-schemas")) == "public"
    assert HELD.get(find("db-pre-request")) is None


def test_messages_go_to_the_instances_database():
    sent = in_database.notify("pgrst", ["reload config", "reload schema"], "archon_db")
    assert [statement.database for statement in sent] == ["archon_db"] * 2
    assert [statement.values for statement in sent] == [("pgrst", "reload config"), ("pgrst", "reload schema")]
