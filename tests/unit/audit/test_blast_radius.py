# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dies with a database: the verdicts of pg_blast_radius_info."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.blast_radius import (
    enters,
    judge,
    links,
    read_blast_radius,
    strangers,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Sql

TENANTS: Dict[str, Any] = {
    "supabase": {"schemas": ["auth", "storage"], "platform": True},
    "archon": {"tables": "public.archon_*"},
    "n8n": {"tables": ["public.workflow_*", "n8n.*"]},
}


def tables(*names: str) -> List[Dict[str, Any]]:
    """Return these tables, each named with its schema."""
    split = [name.split(".") for name in names]
    return [{"schema": schema, "name": name, "owner": "postgres", "size_bytes": 10} for schema, name in split]


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
    found = judge(tables(*names), TENANTS, {})
    assert (found["verdict"], found["tenants"]) == (verdict, counts)
    assert found["reasons"]
    assert found["tables"] == len(names)


def test_reasons_name_who_goes_down_together() -> None:
    found = judge(tables("auth.users", "public.archon_a", "n8n.x"), TENANTS, {})
    assert found["reasons"] == ["one DROP DATABASE destroys supabase together with archon (1 tables), n8n (1 tables)"]
    assert judge(tables("n8n.x", "public.archon_a"), TENANTS, {})["reasons"] == [
        "archon (1 tables), n8n (1 tables) lie in one database"
    ]
    assert judge(tables("public.archon_a"), TENANTS, {})["reasons"] == ["only archon lies here"]


def test_an_archive_is_counted_apart_and_makes_nothing_worse() -> None:
    found = judge(tables("auth.users", "archon_legacy_archive.archon_a", "archon_legacy_archive.archon_b"), TENANTS, {})
    assert found["verdict"] == "contained"
    assert found["tenants"] == {"supabase": 1}
    assert found["archived"] == {"archon_legacy_archive": 2}
    assert found["unclaimed_tables"] == 0


def test_a_database_of_archives_alone_holds_something() -> None:
    found = judge(tables("archon_legacy_archive.archon_a"), TENANTS, {})
    assert (found["verdict"], found["reasons"][0]) == ("contained", "nothing lies here but what was put aside")


def test_tables_that_nobody_claims_are_counted() -> None:
    found = judge(tables("public.x", "public.y", "public.archon_a"), TENANTS, {})
    assert found["unclaimed_tables"] == 2
    assert found["tables"] == 3
    assert found["verdict"] == "shared"
    assert "2 tables" in found["reasons"][0]
    assert "archon" in found["reasons"][0]


@pytest.mark.parametrize("name", ["public.Archon_a", "other.archon_a", "public.xarchon_a", "public.archon"])
def test_a_pattern_is_taken_word_for_word(name: str) -> None:
    assert judge(tables(name), TENANTS, {})["tenants"] == {}


def test_without_tenants_nothing_is_claimed() -> None:
    assert judge(tables("public.a"), {}, {})["tenants"] == {}
    assert judge(tables("public.a"), {"empty": {}}, {})["tenants"] == {}


def test_who_may_enter_and_has_nothing_here_is_a_service_that_could_do_harm() -> None:
    entering = {"n8n": "through PUBLIC", "odoo": "as a member of readers", "archon": "by name"}
    found = judge(tables("auth.users", "public.archon_a"), TENANTS, entering)
    assert [(item["service"], item["tables"], item["enters"]) for item in found["services"]] == [
        ("archon", 1, None),
        ("n8n", 0, "through PUBLIC"),
        ("odoo", 0, "as a member of readers"),
    ]
    assert (
        found["reasons"][1] == "n8n (through PUBLIC), odoo (as a member of readers) may enter it and have nothing here"
    )
    # A service's own database is contained, whoever else may look in; that is a finding of its own.
    assert judge(tables("public.archon_a"), TENANTS, entering)["services"] == [
        {"service": "archon", "tables": 1, "size_bytes": 10, "enters": None}
    ]


def test_services_are_seen_without_any_description() -> None:
    names = ("public.erp_order", "public.erp_line", "public.flow_a", "public.flow_b", "public.x")
    found = judge(tables(*names), {}, {}, ["postgres"])
    assert found["verdict"] == "shared"
    assert [(item["service"], item["tables"]) for item in found["services"]] == [
        ("public.erp_*", 2),
        ("public.flow_*", 2),
    ]
    assert [(item["label"], item["tables"]) for item in found["groups"]] == [
        ("public.*", 1),
        ("public.erp_*", 2),
        ("public.flow_*", 2),
    ]
    assert judge(tables("public.erp_order", "public.erp_line"), {}, {}, ["postgres"])["verdict"] == "contained"
    # One program's role owns them all, however they are called: Odoo's ir_, res_ and sale_.
    alone = judge(tables(*names), {}, {})
    assert (alone["verdict"], alone["services"]) == ("contained", [])
    mixed = [*tables(*names), dict(tables("public.note")[0], owner="n8n")]
    assert [item["service"] for item in judge(mixed, {}, {})["services"]] == ["n8n", "postgres"]


def role(name: str, *member_of: str, login: bool = True, superuser: bool = False, inherits: Any = ()) -> Dict[str, Any]:
    """Return a role as the server has it."""
    return {
        "name": name,
        "login": login,
        "superuser": superuser,
        "member_of": list(member_of),
        "inherits": list(inherits),
    }


ROLES = [
    role("postgres", superuser=True),
    role("readers", login=False),
    role("team", "readers", login=False),
    role("reporter", "team", inherits=["team", "readers"]),
    # PostgREST's: it becomes what it is a member of, once it is in.
    role("authenticator", "readers"),
    role("keeper"),
    role("named"),
    role("anyone"),
]


@pytest.mark.parametrize("public", [True, False])
def test_by_which_way_a_role_enters(public: bool) -> None:
    database = {"owner": "keeper", "may_connect": ["named", "readers"], "public_connect": public}
    ways = {"keeper": "as its owner", "named": "by name", "reporter": "as a member of readers"}
    assert enters(database, ROLES) == (
        dict(ways, anyone="through PUBLIC", authenticator="through PUBLIC") if public else ways
    )
    here = strangers(enters(database, ROLES), {"team", "readers"}, ROLES)
    assert here == ({"named": "by name", "anyone": "through PUBLIC"} if public else {"named": "by name"})


def test_what_leads_out_of_a_database() -> None:
    content = {
        "servers": [
            {"name": "erp", "wrapper": "postgres_fdw", "options": {"host": "db", "dbname": "odoo_db"}, "tables": 1},
            {"name": "other", "wrapper": "mysql_fdw", "options": {"dbname": "odoo_db"}, "tables": 0},
            {
                "name": "far",
                "wrapper": "postgres_fdw",
                "options": {"host": "far.example", "dbname": "odoo_db"},
                "tables": 0,
            },
        ],
        "dblinks": [{"kind": "function", "name": "copy_it()", "dbname": "odoo_db", "host": None}],
        "publications": ["all_of_it"],
    }
    facts = {
        "databases": [{"name": "postgres"}, {"name": "odoo_db"}],
        "subscriptions": [{"database": "postgres", "name": "sub", "enabled": False}],
    }
    found = links("postgres", content, facts, {"", "localhost", "db"})
    assert [(item["kind"], item["name"], item["to"]) for item in found] == [
        ("foreign server", "erp", "odoo_db"),
        ("foreign server", "other", ""),
        ("foreign server", "far", ""),
        ("dblink in function", "copy_it()", "odoo_db"),
        ("subscription", "sub", ""),
        ("publication", "all_of_it", ""),
    ]


class MemoryCluster:
    """A cluster with three databases, of which one lets nobody in and one refuses us."""

    maintenance_database = "postgres"

    def __init__(self) -> None:
        self.opened: List[Tuple[str, bool]] = []
        self.asked = 0

    @contextmanager
    def transaction(self, database: str, isolation: str = "", read_only: bool = False) -> Iterator["MemoryCluster"]:
        """Open a transaction."""
        if database == "secret":
            raise OutsideError("Role postgres can't connect to database secret.")
        self.opened.append((database, read_only))
        yield self

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Answer what is asked."""
        self.asked += 1
        text = statement.text
        if "set_config" in text:
            assert statement.values == ("120s",)
            return [{}]
        if "server_version_num" in text:
            return [{"version": "15.20", "version_num": 150020, "may_see_rules": False}]
        if "pg_has_role('pg_read_all_stats', 'USAGE') AS may" in text:
            return [{"may": True}]
        if "has_column_privilege" in text:
            return [{"may": False}]
        if "pg_stat_activity" in text:
            return [
                {"database": "postgres", "application": "psql", "role": "postgres", "address": None, "sessions": 1},
                {"database": "secret", "application": "app", "role": "app", "address": "10.0.0.1", "sessions": 2},
            ]
        if "pg_database_size" in text:
            common = {"owner": "postgres", "size_bytes": 1024, "public_connect": True, "may_connect": []}
            return [
                dict(common, name=name, allows_connections=name != "closed")
                for name in ("postgres", "secret", "closed")
            ]
        if "pg_auth_members" in text:
            return [role("n8n"), role("authenticator")]
        if "pg_shdepend" in text:
            return [{"database": "postgres", "role": "authenticator"}]
        return tables("auth.users", "public.archon_a") if "pg_total_relation_size" in text else []


def test_databases_are_read_with_their_sessions_and_one_that_refuses_is_listed() -> None:
    cluster = MemoryCluster()
    found = read_blast_radius(cluster, TENANTS)
    shared, secret, closed = found["databases"]
    assert (shared["name"], shared["verdict"]) == ("postgres", "catastrophic")
    assert [item["service"] for item in shared["services"]] == ["archon", "n8n"]
    assert [session["application"] for session in shared["sessions"]] == ["psql"]
    assert "error" not in shared
    assert (secret["name"], secret["verdict"], secret["tables"]) == ("secret", None, None)
    assert "can't connect to database secret" in secret["error"]
    assert [session["sessions"] for session in secret["sessions"]] == [2]
    assert (closed["verdict"], closed["error"]) == (None, "it allows no connections")
    assert found["unseen"][0] == "Subscriptions can't be seen by this role."
    assert "pg_hba.conf" in found["unseen"][1]
    assert (found["version"], found["rules"]) == ("15.20", None)
    # One transaction for what all share, one in each database; nothing can be written in any.
    assert cluster.opened == [("postgres", True), ("postgres", True)]
    assert cluster.asked == 14


class VanishingCluster(MemoryCluster):
    """A cluster with many databases, whose server is gone after the first two."""

    def __init__(self, is_gone: bool) -> None:
        super().__init__()
        self.is_gone = is_gone
        self.tries = 0

    @contextmanager
    def transaction(self, database: str, isolation: str = "", read_only: bool = False) -> Iterator["MemoryCluster"]:
        """Open a transaction."""
        self.tries += 1
        if database == "postgres" and self.is_gone and self.tries > 3:
            raise OutsideError("no answer within 5 s")
        if database.startswith("db_") and self.tries > 3:
            raise OutsideError("Role auditor can't connect to database %s." % database)
        yield self

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Answer what is asked."""
        if "pg_database_size" in statement.text:
            common = {"owner": "postgres", "size_bytes": 1, "public_connect": True, "may_connect": []}
            return [dict(common, name="db_%d" % number, allows_connections=True) for number in range(50)]
        return super().rows(statement)


def test_a_server_that_is_gone_is_not_waited_for_in_each_database() -> None:
    cluster = VanishingCluster(is_gone=True)
    found = read_blast_radius(cluster, TENANTS)
    assert [item["verdict"] for item in found["databases"]].count(None) == 48
    assert found["databases"][-1]["error"] == "The server stopped answering meanwhile: no answer within 5 s"
    assert cluster.tries == 7


def test_where_only_databases_refuse_each_is_asked() -> None:
    cluster = VanishingCluster(is_gone=False)
    found = read_blast_radius(cluster, TENANTS)
    assert {item["error"] for item in found["databases"][2:]} == {
        "Role auditor can't connect to database db_%d." % number for number in range(2, 50)
    }
