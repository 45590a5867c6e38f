# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dies with a database: the verdicts of pg_blast_radius_info."""

from typing import Any, Dict, List

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.blast_radius import judge, read_blast_radius
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Sql

TENANTS: Dict[str, Any] = {
    "supabase": {"schemas": ["auth", "storage"], "platform": True},
    "archon": {"tables": "public.archon_*"},
    "n8n": {"tables": ["public.workflow_*", "n8n.*"]},
}


def tables(*names: str) -> List[Dict[str, Any]]:
    """Return these tables, each named with its schema."""
    return [{"schema": name.split(".")[0], "name": name.split(".")[1], "owner": "postgres"} for name in names]


@pytest.mark.parametrize(
    ("names", "verdict", "counts"),
    [
        ([], "none", {}),
        (["bulkhead.migration"], "none", {}),
        (["public.archon_settings"], "contained", {"archon": 1}),
        (["public.archon_a", "public.archon_b", "bulkhead.migration"], "contained", {"archon": 2}),
        (["auth.users", "storage.objects"], "contained", {"supabase": 2}),
        (["public.something"], "contained", {}),
        (["public.archon_a", "n8n.x", "public.workflow_entity"], "shared", {"archon": 1, "n8n": 2}),
        (["auth.users", "public.archon_a"], "catastrophic", {"supabase": 1, "archon": 1}),
        (["auth.users", "public.archon_a", "n8n.x"], "catastrophic", {"supabase": 1, "archon": 1, "n8n": 1}),
    ],
)
def test_verdicts(names: List[str], verdict: str, counts: Dict[str, int]) -> None:
    found = judge(tables(*names), TENANTS)
    assert (found["verdict"], found["tenants"]) == (verdict, counts)
    assert found["reasons"]
    assert found["tables"] == len(names)


def test_reasons_name_who_goes_down_together() -> None:
    found = judge(tables("auth.users", "public.archon_a", "n8n.x"), TENANTS)
    assert found["reasons"] == ["supabase and archon, n8n go down together: one DROP DATABASE destroys both"]
    assert judge(tables("n8n.x", "public.archon_a"), TENANTS)["reasons"] == ["archon and n8n lie in one database"]
    assert judge(tables("public.archon_a"), TENANTS)["reasons"] == ["only archon lies here"]


def test_an_archive_is_counted_apart_and_makes_nothing_worse() -> None:
    found = judge(tables("auth.users", "archon_legacy_archive.archon_a", "archon_legacy_archive.archon_b"), TENANTS)
    assert found["verdict"] == "contained"
    assert found["tenants"] == {"supabase": 1}
    assert found["archived"] == {"archon_legacy_archive": 2}
    assert found["unclaimed_tables"] == 0


def test_tables_that_nobody_claims_are_counted() -> None:
    found = judge(tables("public.x", "public.y", "public.archon_a"), TENANTS)
    assert found["unclaimed_tables"] == 2
    assert found["tables"] == 3
    assert found["verdict"] == "shared"
    assert "2 tables" in found["reasons"][0]
    assert "archon" in found["reasons"][0]


@pytest.mark.parametrize("name", ["public.Archon_a", "other.archon_a", "public.xarchon_a", "public.archon"])
def test_a_pattern_is_taken_word_for_word(name: str) -> None:
    assert judge(tables(name), TENANTS)["tenants"] == {}


def test_without_tenants_nothing_is_claimed() -> None:
    assert judge(tables("public.a"), {})["tenants"] == {}
    assert judge(tables("public.a"), {"empty": {}})["tenants"] == {}


class MemoryCluster:
    """A cluster with two databases, of which one lets nobody in."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Answer what is asked."""
        if "pg_stat_activity" in statement.text:
            return [
                {"database": "postgres", "application": "psql", "role": "postgres", "address": None, "sessions": 1},
                {"database": "secret", "application": "app", "role": "app", "address": "10.0.0.1", "sessions": 2},
            ]
        if "pg_database_size" in statement.text:
            return [
                {"name": name, "owner": "postgres", "size_bytes": 1024, "public_connect": True, "may_connect": []}
                for name in ("postgres", "secret")
            ]
        if statement.database == "secret":
            raise OutsideError("Role postgres can't connect to database secret.")
        return tables("auth.users", "public.archon_a")


def test_databases_are_read_with_their_sessions_and_one_that_refuses_is_listed() -> None:
    shared, secret = read_blast_radius(MemoryCluster(), TENANTS)["databases"]
    assert (shared["name"], shared["verdict"]) == ("postgres", "catastrophic")
    assert [session["application"] for session in shared["sessions"]] == ["psql"]
    assert "error" not in shared
    assert (secret["name"], secret["verdict"], secret["tables"]) == ("secret", None, None)
    assert "can't connect to database secret" in secret["error"]
    assert [session["sessions"] for session in secret["sessions"]] == [2]
