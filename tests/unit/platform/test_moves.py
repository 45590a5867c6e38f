# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that could live in another cluster: how each gets there, and what a description must say for it."""

import copy
from typing import Any, Dict, List

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import DescriptionError
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.moves import project_moves, project_servers
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate

PROFILES: Dict[str, Any] = {
    "langfuse": {
        "database_variables": {
            "url": "DATABASE_URL",
            "direct_url": "DIRECT_URL",
            "host": "DATABASE_HOST",
            "name": "DATABASE_NAME",
            "user": "DATABASE_USERNAME",
            "password": "DATABASE_PASSWORD",
        }
    }
}
DESCRIPTION: Dict[str, Any] = {
    "backup_root": "/backups",
    "state_dir": "/state",
    "clusters": {
        "shared": {"container": "supabase-ai-db", "superuser": "supabase_admin"},
        "own": {
            "container": "langfuse-postgres",
            "compose_file": "/srv/langfuse/compose.yml",
            "service": "postgres",
            "project": "lf",
            "files": ["compose.yml", "more.yml"],
            "env_files": [".env"],
            "init_scripts": ["/srv/langfuse/init.sql"],
        },
        "far": {"host": "db.example", "port": 5433, "password": "hunter2"},
    },
    "databases": {
        "langfuse": {
            "cluster": "own",
            "name": "postgres",
            "consolidate": {
                "to": "shared",
                "name": "langfuse_db",
                "owner": "langfuse",
                "leave_out_roles": ["grafana"],
                "keep_for": "10d",
            },
            "backup": {"schedule": "@daily", "retention": {"last": 3}, "encrypt_to": ["age1" + "q" * 58]},
        },
        "stays": {"cluster": "shared"},
    },
    "services": {
        "web": {
            "profile": "langfuse",
            "compose_file": "/srv/langfuse/compose.yml",
            "project": "lf",
            "service": "langfuse-web",
            "container": "lf-web",
            "database": "langfuse",
            "health_url": "http://localhost:3000/health",
            "ready_log": "Ready",
        },
        "worker": {
            "profile": "langfuse",
            "compose_file": "/srv/langfuse/compose.yml",
            "project": "lf",
            "database": "langfuse",
        },
        "report": {
            "compose_file": "/srv/report/compose.yml",
            "database": "langfuse",
            "database_variables": {"host": "PGHOST", "port": "PGPORT", "password": "PGPASSWORD"},
        },
        "other": {"compose_file": "/srv/other/compose.yml", "database": "stays"},
    },
}


def changed(**more: Any) -> Dict[str, Any]:
    """Return the description with parts set by their path, divided by two underscores; None takes one away."""
    description = copy.deepcopy(DESCRIPTION)
    for path, value in more.items():
        inner: Any = description
        *folders, last = path.split("__")
        for name in folders:
            inner = inner[name]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
    return description


def moves(**more: Any) -> List[Dict[str, Any]]:
    """Return what a changed description says."""
    return project_moves(validate(changed(**more), PROFILES), PROFILES)


@pytest.fixture(scope="module")
def move() -> Dict[str, Any]:
    """Return the one move that the description has."""
    (found,) = moves()
    return found


def test_what_the_move_itself_is_told(move: Dict[str, Any]) -> None:
    told = move["move"]
    assert (told["container"], told["database"]) == ("langfuse-postgres", "postgres")
    assert told["target"]["container"] == "supabase-ai-db"
    assert told["target"]["login_user"] == "supabase_admin"
    assert (told["target_database"], told["owner"], told["leave_out_roles"]) == ("langfuse_db", "langfuse", ["grafana"])
    assert told["owner_password_file"] == "/state/secrets/langfuse.password"
    assert told["journal"] == move["journal"] == "/state/journal/consolidate-langfuse-from-own-to-shared.jsonl"


def test_a_copy_is_taken_before_and_encrypted_as_all_are(move: Dict[str, Any]) -> None:
    assert move["dump"]["dest"] == "/backups/before-consolidation/langfuse"
    assert (move["dump"]["database"], move["dump"]["verify"]) == ("postgres", "read")
    assert move["dump"]["encrypt_to"] == ["age1" + "q" * 58]


def test_services_are_pointed_to_the_new_place_each_kind_together(move: Dict[str, Any]) -> None:
    place = {"host": "supabase-ai-db", "port": "5432", "database": "langfuse_db", "user": "langfuse"}
    url = dict(place, password_from="/state/secrets/langfuse.password")
    first, second = move["settings"]
    assert first["services"] == ["langfuse-web", "worker"]
    assert first["urls"] == {"DATABASE_URL": url, "DIRECT_URL": url}
    assert first["variables"] == {
        "DATABASE_HOST": "supabase-ai-db",
        "DATABASE_NAME": "langfuse_db",
        "DATABASE_USERNAME": "langfuse",
    }
    assert first["variables_from"] == {"DATABASE_PASSWORD": "/state/secrets/langfuse.password"}
    assert (first["path"], first["project_name"], first["only_set"]) == ("/srv/langfuse/compose.yml", "lf", True)
    assert (second["services"], second["urls"]) == (["report"], {})
    assert second["variables"] == {"PGHOST": "supabase-ai-db", "PGPORT": "5432"}
    assert second["variables_from"] == {"PGPASSWORD": "/state/secrets/langfuse.password"}
    assert [item["services"] for item in move["projects"]] == [["langfuse-web", "worker"], ["report"]]


def test_what_is_asked_before_and_after(move: Dict[str, Any]) -> None:
    assert [item["container"] for item in move["questions"]][0] == "lf-web"
    assert len(move["questions"]) == 3
    assert all((item["host"], item["port"]) == ("supabase-ai-db", 5432) for item in move["questions"])
    assert move["health"] == ["http://localhost:3000/health"]
    assert move["ready"] == [{"container": "lf-web", "pattern": "Ready"}]


def test_what_becomes_of_the_old_server(move: Dict[str, Any]) -> None:
    retire = move["retire"]
    assert retire["container"] == "langfuse-postgres"
    assert retire["options"]["services"] == retire["project"]["services"] == ["postgres"]
    assert retire["options"]["path"] == "/srv/langfuse/compose.yml"
    assert move["kept"]["keep_for"] == "864000s"
    assert move["kept"]["reason"] == "the server that langfuse had before it moved to shared"
    assert "name: langfuse_db" in move["then"] and "clusters.own goes" in move["then"]


def test_a_server_that_others_need_or_that_nobody_describes_is_not_retired() -> None:
    assert moves(databases__more={"cluster": "own"})[0]["retire"] is None
    assert moves(clusters__own__compose_file=None)[0]["retire"] is None
    assert moves(clusters__own={"host": "db.example"})[0]["retire"] is None


def test_another_host_port_and_password_file() -> None:
    far = {"to": "far", "owner": "lf", "host": "10.0.0.1", "port": 5433}
    (found,) = moves(
        databases__langfuse__consolidate=far,
        databases__langfuse__owner="lf",
        databases__langfuse__owner_password_file="/secrets/lf",
    )
    assert found["settings"][0]["urls"]["DATABASE_URL"] == {
        "host": "10.0.0.1",
        "port": "5433",
        "database": "langfuse",
        "user": "lf",
        "password_from": "/secrets/lf",
    }
    assert found["move"]["target_database"] == "langfuse"
    assert found["kept"]["keep_for"] == "%ds" % (30 * 86400)
    assert "name:" not in found["then"]


def test_the_servers() -> None:
    servers = project_servers(validate(DESCRIPTION, PROFILES))
    assert list(servers) == ["shared", "own", "far"]
    assert servers["own"]["init_scripts"] == ["/srv/langfuse/init.sql"]
    assert servers["shared"]["init_scripts"] == []
    assert servers["far"]["connection"]["login_host"] == "db.example"


def test_nothing_moves_that_is_not_said_to() -> None:
    assert moves(databases__langfuse__consolidate=None) == []


@pytest.mark.parametrize(
    ("more", "mistake"),
    [
        ({"databases__langfuse__consolidate__to": None}, "databases.langfuse.consolidate.to: "),
        ({"databases__langfuse__consolidate__owner": None}, "databases.langfuse.consolidate.owner: "),
        (
            {"databases__langfuse__consolidate__to": "shard"},
            "databases.langfuse.consolidate.to: there is no cluster shard; did you mean shared?",
        ),
        (
            {"databases__langfuse__consolidate__to": "own"},
            "databases.langfuse.consolidate.to: is the cluster that it is in already.",
        ),
        ({"databases__langfuse__consolidate__to": "far"}, "databases.langfuse.consolidate.host: is missing"),
        ({"databases__langfuse__consolidate__port": "x"}, "databases.langfuse.consolidate.port: "),
        ({"databases__langfuse__consolidate__keep_for": "soon"}, "databases.langfuse.consolidate.keep_for: "),
        ({"databases__langfuse__consolidate__ower": "x"}, "databases.langfuse.consolidate.ower: "),
        ({"databases__langfuse__consolidate": "shared"}, "databases.langfuse.consolidate: "),
        ({"services__report__database_variables": None}, "services.report.database_variables: are needed"),
        ({"services__report__minimum_postgres": 150000}, "services.report.minimum_postgres: 150000 is no major"),
        ({"clusters__own__init_scripts": "x.sql"}, "clusters.own.init_scripts: "),
        ({"clusters__own__compose": "x"}, "clusters.own.compose: "),
    ],
)
def test_a_mistake_is_told_by_its_path(more: Dict[str, Any], mistake: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        validate(changed(**more), PROFILES)
    assert [text for text in caught.value.mistakes if text.startswith(mistake)], caught.value.mistakes
