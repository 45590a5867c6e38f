# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""changed, diff and changes are read off the plan."""

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    ConflictError,
    DescriptionError,
    InputError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Secret, Sql


def test_a_plan_without_changes_changes_nothing() -> None:
    plan = Plan(warnings=["look here"])
    plan.add(None)
    assert not plan.changed
    assert plan.result() == {"changed": False, "diff": [], "changes": []}
    assert list(plan) == []


def test_a_plan_tells_its_changes_in_order() -> None:
    plan = Plan()
    plan.add(Change("role archon", "", "login"))
    plan.add(None)
    plan.add(Change("database archon_db", "owner postgres\n", "owner archon\n"))
    assert plan.result() == {
        "changed": True,
        "changes": ["role archon", "database archon_db"],
        "diff": [
            {"before_header": "role archon", "after_header": "role archon", "before": "", "after": "login\n"},
            {
                "before_header": "database archon_db",
                "after_header": "database archon_db",
                "before": "owner postgres\n",
                "after": "owner archon\n",
            },
        ],
    }
    assert [change.what for change in plan] == ["role archon", "database archon_db"]


def test_two_plans_share_nothing() -> None:
    Plan().add(Change("x"))
    assert not Plan().changed


def test_what_a_change_needs_is_never_shown() -> None:
    change = Change("file x", statements=(Sql("SELECT %s", values=(Secret("hunter2"),)),), data={"key": "hunter2"})
    plan = Plan([change])
    assert "hunter2" not in repr(change)
    assert "hunter2" not in repr(plan)
    assert "hunter2" not in repr(plan.result())


def test_an_error_tells_its_remedy_its_kind_and_its_details() -> None:
    error = ConflictError("It is there.", "Take it away.", path="/x")
    assert str(error) == "It is there. Take it away."
    assert error.result() == {"msg": "It is there. Take it away.", "error_kind": "ConflictError", "path": "/x"}
    assert str(InputError("It is there.")) == "It is there."


def test_the_mistakes_of_a_description_are_counted() -> None:
    assert str(DescriptionError(["a: is missing."])).splitlines() == [
        "bulkhead_platform has 1 mistake:",
        "  - a: is missing.",
    ]
    assert DescriptionError(["a", "b"]).result()["mistakes"] == ["a", "b"]
