# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each phase has to do, read off the description alone."""

import copy
from typing import Any, Dict

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import DescriptionError
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.projections import (
    backup_folder,
    connection,
    database_name,
    journal_path,
    project,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate

PROFILES: Dict[str, Any] = {
    "archon": {
        "rest_url_variable": "SUPABASE_URL",
        "owns": {"tables": "public.archon_*"},
        "database": {"expect_tables": ["archon_settings"], "extensions": ["vector"]},
    },
    "n8n": {"owns": {"tables": "public.n8n_*"}},
    "supabase": {"owns": {"schemas": ["auth"], "platform": True}},
}
DESCRIPTION: Dict[str, Any] = {
    "timezone": "Europe/Berlin",
    "backup_root": "/backups",
    "state_dir": "/var/lib/bulkhead",
    "clusters": {
        "main": {"container": "db", "superuser": "supabase_admin"},
        "other": {"host": "db.example", "port": 5433, "password": "hunter2", "maintenance_database": "admin"},
        "near": {"unix_socket": "/run/postgresql"},
    },
    "databases": {
        "postgres": {"cluster": "main", "criticality": "critical", "rpo": "6h", "rto": "30m"},
        "archon": {
            "cluster": "main",
            "name": "archon_db",
            "owner": "archon",
            "adopt": True,
            "migrations": ["migration/setup.sql", "../shared/more.sql", "/abs/last.sql"],
            "expect": {"policies": 18, "rows": {"archon_settings": 45}},
            "legacy": {"database": "postgres", "tables": "public.archon_*", "archive_schema": "archive"},
            "backup": {
                "schedule": "0 2 * * *",
                "retention": {"last": 14, "within": "7d"},
                "before": [["sync"]],
            },
        },
        "lonely": {
            "cluster": "other",
            "owner": "lonely",
            "owner_password": "hunter2",
            "migrations": ["/srv/lonely.sql"],
            "backup": {"schedule": "@daily", "folder": "/elsewhere", "verify": "hashed", "compression": "none"},
        },
    },
    "services": {
        "supabase": {"profile": "supabase", "compose_file": "/srv/supabase/docker-compose.yml", "database": "postgres"},
        "archon-server": {
            "profile": "archon",
            "compose_file": "/srv/archon/docker-compose.yml",
            "project": "archon",
            "files": ["docker-compose.yml", "../more.yml"],
            "env_files": [".env"],
            "profiles": ["full"],
            "service": "server",
            "container": "archon-1",
            "database": "archon",
            "postgrest": "archon",
            "reaches_host": True,
            "health_url": "http://localhost:8181/health",
        },
        "archon-mcp": {
            "profile": "archon",
            "compose_file": "/srv/archon/docker-compose.yml",
            "project": "archon",
            "database": "archon",
            "postgrest": "archon",
            "reaches_host": True,
        },
        "other-mcp": {
            "compose_file": "/srv/other/compose.yml",
            "postgrest": "archon",
            "reaches_host": True,
        },
    },
    "postgrest": {
        "main": {"compose_file": "/srv/supabase/docker-compose.yml", "service": "rest", "database": "postgres"},
        "archon": {
            "compose_file": "/srv/supabase/docker-compose.yml",
            "service": "rest-archon",
            "container": "supabase-rest-archon",
            "extends": "rest",
            "database": "archon",
            "settings": {"db-schemas": "public"},
            "gateway": {
                "container": "gateway",
                "file": "volumes/api/default.conf",
                "route": "/archon",
                "url": "http://host.docker.internal:18000/archon",
            },
            "probe": {
                "url": "http://localhost:18000/archon/rest/v1/archon_settings",
                "apikey_from": {"file": ".env", "variable": "SERVICE_ROLE_KEY"},
            },
        },
    },
    "neighbours": {"qdrant": {"url": "http://localhost:6333"}},
}


@pytest.fixture(scope="module")
def platform() -> Dict[str, Any]:
    """Return the description, validated."""
    return validate(DESCRIPTION, PROFILES)


@pytest.fixture(scope="module")
def phases(platform: Dict[str, Any]) -> Dict[str, Any]:
    """Return what the phases have to do."""
    return project(platform, PROFILES)


@pytest.mark.parametrize(
    ("cluster", "options"),
    [
        ("main", {"container": "db", "login_user": "supabase_admin", "login_db": "postgres"}),
        (
            "other",
            {"login_host": "db.example", "login_port": 5433, "login_password": "hunter2", "login_db": "admin"},
        ),
        ("near", {"login_unix_socket": "/run/postgresql", "login_db": "postgres"}),
    ],
)
def test_a_clusters_options_hold_what_is_said_and_no_more(
    platform: Dict[str, Any], cluster: str, options: Dict[str, Any]
) -> None:
    assert connection(platform, cluster) == options


def test_names_and_paths_of_a_database(platform: Dict[str, Any]) -> None:
    assert database_name(platform, "archon") == "archon_db"
    assert database_name(platform, "lonely") == "lonely"
    assert backup_folder(platform, "archon") == "/backups/archon"
    assert backup_folder(platform, "lonely") == "/elsewhere"
    assert backup_folder(platform, "postgres") == "/backups/postgres"
    assert journal_path(platform, "archon") == "/var/lib/bulkhead/journal/archon.jsonl"


def test_services_of_one_project_reach_the_host_together(phases: Dict[str, Any]) -> None:
    archon, other = phases["dns"]
    assert archon == {
        "compose": {
            "path": "/srv/archon/docker-compose.yml",
            "project_name": "archon",
            "files": ["/srv/archon/docker-compose.yml", "/srv/more.yml"],
            "env_files": ["/srv/archon/.env"],
        },
        "services": ["server", "archon-mcp"],
        "networks": [],
        "profiles": ["full"],
        "probes": [{"container": "archon-1"}, {"container": "archon-mcp"}],
        "journal": "/var/lib/bulkhead/journal/dns-archon.jsonl",
    }
    assert other["services"] == ["other-mcp"]
    assert other["compose"] == {"path": "/srv/other/compose.yml"}
    assert other["journal"] == "/var/lib/bulkhead/journal/dns-other.jsonl"


def services(**fields: Any) -> Dict[str, Any]:
    """The description with these fields in one of its services."""
    changed = dict(DESCRIPTION["services"])
    changed["archon-mcp"] = dict(changed["archon-mcp"], **fields)
    return dict(DESCRIPTION, services=changed)


def test_networks_are_attached_together_where_they_are_the_same() -> None:
    outer = {"name": "outer", "external": True, "network": "outer_1", "aliases": ["mcp"]}
    described = services(networks=["app-network", outer], reaches=["https://host.docker.internal/x"])
    archon, _other = project(validate(described, PROFILES), PROFILES)["dns"]
    assert archon["networks"] == [
        {
            "services": ["archon-mcp"],
            "networks": [
                {"name": "app-network"},
                {"name": "outer", "declare": {"external": True, "name": "outer_1"}, "aliases": ["mcp"]},
            ],
        }
    ]
    assert archon["probes"][1:] == [
        {"container": "archon-mcp"},
        {
            "container": "archon-mcp",
            "host": "host.docker.internal",
            "port": 443,
            "url": "https://host.docker.internal/x",
        },
    ]


VARIABLES = {"name": "DB_NAME", "user": "DB_USER", "password": "DB_PASSWORD", "host": "DB_HOST"}


def test_a_program_is_pointed_at_its_database_by_its_own_variables() -> None:
    known = dict(PROFILES, n8n={"database_variables": VARIABLES})
    fields = {"profile": "n8n", "postgrest": None, "health_url": "http://localhost/", "ready_log": "ready"}
    fields.update(
        repoint=True,
        start=["./start.sh", "-q"],
        stop=["./stop.sh"],
        edits=[{"file": "start.sh", "before": "postgres", "after": "archon_db"}],
    )
    phases = project(validate(services(**fields), known), known)
    (switch,) = phases["switch"]
    assert [item["switched"] for item in phases["isolate"]] == [True, False]
    assert switch["settings"][-1] == {
        "path": "/srv/archon/docker-compose.yml",
        "project_name": "archon",
        "services": ["archon-mcp"],
        "variables": {"DB_NAME": "archon_db", "DB_USER": "archon"},
        "variables_from": {"DB_PASSWORD": "/var/lib/bulkhead/secrets/archon.password"},
        "journal": "/var/lib/bulkhead/journal/archon.jsonl",
    }
    assert switch["projects"][0]["start"] == [{"argv": ["./start.sh", "-q"], "chdir": "/srv/archon"}]
    assert switch["projects"][0]["stop"] == [{"argv": ["./stop.sh"], "chdir": "/srv/archon"}]
    assert switch["ready"] == [{"container": "archon-mcp", "pattern": "ready"}]
    assert switch["edits"] == [
        {
            "path": "/srv/archon/start.sh",
            "edits": [{"before": "postgres", "after": "archon_db"}],
            "journal": "/var/lib/bulkhead/journal/archon.jsonl",
        }
    ]


def test_a_service_may_say_itself_which_variables_hold_its_database() -> None:
    described = services(postgrest=None, repoint=True, database_variables={"name": "A", "user": "B", "password": "C"})
    (switch,) = project(validate(described, PROFILES), PROFILES)["switch"]
    assert switch["settings"][-1]["variables"] == {"A": "archon_db", "B": "archon"}
    assert switch["settings"][-1]["variables_from"] == {"C": "/var/lib/bulkhead/secrets/archon.password"}


@pytest.mark.parametrize("final", [True, False])
def test_rows_are_copied_as_a_rehearsal_where_a_phase_takes_the_copy_that_counts(final: bool) -> None:
    databases = dict(DESCRIPTION["databases"])
    databases["archon"] = dict(databases["archon"], data="copy")
    described = dict(services(postgrest=None), databases=databases)
    if not final:
        described["services"] = {name: dict(item, postgrest=None) for name, item in described["services"].items()}
    else:
        described["services"]["archon-mcp"].update(
            repoint=True, database_variables={"name": "A", "user": "B", "password": "C"}
        )
        described["services"]["archon-server"] = dict(described["services"]["archon-server"], postgrest=None)
    phases = project(validate(described, PROFILES), PROFILES)
    assert phases["isolate"][0]["rehearsal"] is final
    assert [item["copies"] for item in phases["switch"]] == ([True] if final else [])


def test_databases_that_are_only_listed_get_who_may_connect() -> None:
    (access, *_rest) = project(validate(DESCRIPTION, PROFILES), PROFILES)["access"]
    assert access["options"]["databases"] == [{"name": "postgres", "connect_roles": []}]
    assert access["options"]["container"] == "db"
    assert access["options"]["journal"] == "/var/lib/bulkhead/journal/access-main.jsonl"
    databases = dict(DESCRIPTION["databases"])
    databases["postgres"] = dict(databases["postgres"], restrict_connect=False)
    assert all(
        item["cluster"] != "main"
        for item in project(validate(dict(DESCRIPTION, databases=databases), PROFILES), PROFILES)["access"]
    )


@pytest.mark.parametrize(
    ("variables", "fields", "mistake"),
    [
        ({}, {"repoint": True}, "needs database_variables that say which"),
        (dict(VARIABLES, url="DATABASE_URL"), {"repoint": True}, "needs database_variables that say which"),
        (VARIABLES, {"repoint": True, "database": "postgres"}, "needs a database with an owner"),
        ({}, {"reaches": ["host.docker.internal:80"]}, "is no URL of a host"),
        ({}, {"networks": [{"name": "a", "external": True, "driver": "bridge"}]}, "leave one out"),
        ({}, {"networks": [{"nme": "a"}]}, "did you mean name"),
    ],
)
def test_what_a_service_can_not_ask_for(variables: Dict[str, str], fields: Dict[str, Any], mistake: str) -> None:
    with pytest.raises(DescriptionError, match=mistake):
        validate(services(profile="n8n", **fields), dict(PROFILES, n8n={"database_variables": variables}))


def test_only_databases_with_an_owner_are_isolated(phases: Dict[str, Any]) -> None:
    assert [item["key"] for item in phases["isolate"]] == ["archon", "lonely"]


def test_migrations_lie_in_the_folder_of_the_service_that_they_belong_to(phases: Dict[str, Any]) -> None:
    archon, lonely = phases["isolate"]
    assert archon["options"]["migrations"] == [
        "/srv/archon/migration/setup.sql",
        "/srv/shared/more.sql",
        "/abs/last.sql",
    ]
    assert lonely["options"]["migrations"] == ["/srv/lonely.sql"]


def test_an_isolation_is_the_modules_options(phases: Dict[str, Any]) -> None:
    archon, lonely = phases["isolate"]
    options = archon["options"]
    assert options["container"] == "db"
    assert options["database"] == "archon_db"
    assert options["owner"] == "archon"
    assert options["adopt"] is True
    assert options["extensions"] == ["vector"]
    assert options["expect"] == {"policies": 18, "rows": {"archon_settings": 45}, "tables": ["archon_settings"]}
    assert options["legacy"] == {"database": "postgres", "tables": "public.archon_*", "archive_schema": "archive"}
    assert options["journal"] == archon["journal"] == "/var/lib/bulkhead/journal/archon.jsonl"
    assert options["owner_password_file"] == "/var/lib/bulkhead/secrets/archon.password"
    assert "owner_password" not in options
    assert lonely["options"]["owner_password"] == "hunter2"
    assert "owner_password_file" not in lonely["options"]
    assert "legacy" not in lonely["options"]
    assert lonely["connection"] == connection(validate(DESCRIPTION, PROFILES), "other")


def test_everything_that_will_be_touched_is_dumped_before(phases: Dict[str, Any]) -> None:
    archon, lonely = phases["isolate"]
    assert [(item["options"]["database"], item["options"]["dest"], item["reference"]) for item in archon["safety"]] == [
        ("postgres", "/backups/before-isolation/postgres", True),
        ("archon_db", "/backups/before-isolation/archon", False),
    ]
    assert [item["options"]["database"] for item in lonely["safety"]] == ["lonely"]
    for item in archon["safety"]:
        assert item["options"]["container"] == "db"
        assert item["options"]["verify"] == "read"
        assert item["options"]["label"] == "before-isolation"
        assert item["options"]["encrypt_to"] == []


def test_whoever_dumps_a_database_encrypts_it_to_its_recipients() -> None:
    description = copy.deepcopy(DESCRIPTION)
    description["databases"]["archon"].setdefault("backup", {"schedule": "@daily"})["encrypt_to"] = ["age1archon"]
    phases = project(validate(description, PROFILES), PROFILES)
    archon = next(item for item in phases["isolate"] if item["key"] == "archon")
    encrypted = {item["options"]["database"]: item["options"]["encrypt_to"] for item in archon["safety"]}
    assert encrypted == {"postgres": [], "archon_db": ["age1archon"]}
    assert phases["kept"]["encrypt_to"] == {"archon_db": ["age1archon"]}


def test_an_instance_that_no_service_uses_is_left_alone(phases: Dict[str, Any]) -> None:
    assert [item["name"] for item in phases["postgrest"]] == ["archon"]


def test_an_instance_with_its_gateway_and_its_proof(phases: Dict[str, Any]) -> None:
    (archon,) = phases["postgrest"]
    assert archon["key"] == "archon"
    assert archon["config"] == {
        "path": "/srv/supabase/docker-compose.yml",
        "service": "rest-archon",
        "mode": "override",
        "database": "archon_db",
        "settings": {"db-schemas": "public"},
        "container_name": "supabase-rest-archon",
        "extends": "rest",
        "journal": "/var/lib/bulkhead/journal/archon.jsonl",
    }
    assert archon["gateway"] == {
        "kind": "nginx",
        "container": "gateway",
        "path": "/srv/supabase/volumes/api/default.conf",
        "clusters_path": None,
        "like": "/rest/v1/",
        "route": "/archon",
        "service": "rest-archon",
        "journal": "/var/lib/bulkhead/journal/archon.jsonl",
    }
    assert archon["probe"] == {
        "container": "db",
        "login_user": "supabase_admin",
        "login_db": "postgres",
        "url": "http://localhost:18000/archon/rest/v1/archon_settings",
        "database": "archon_db",
        "instance": "supabase-rest-archon",
        "apikey_file": "/srv/supabase/.env",
        "apikey_variable": "SERVICE_ROLE_KEY",
    }
    assert archon["journal"] == "/var/lib/bulkhead/journal/archon.jsonl"


def test_where_compose_files_are_named_the_last_is_the_override() -> None:
    instance = dict(DESCRIPTION["postgrest"]["archon"], files=["docker-compose.yml", "mine/override.yml"])
    platform = validate(dict(DESCRIPTION, postgrest={"archon": instance}), PROFILES)
    (archon,) = project(platform, PROFILES)["postgrest"]
    assert archon["config"]["override_path"] == "/srv/supabase/mine/override.yml"


def test_only_services_whose_variable_is_known_are_switched(phases: Dict[str, Any]) -> None:
    (switch,) = phases["switch"]
    (setting,) = switch["settings"]
    assert setting["path"] == "/srv/archon/docker-compose.yml"
    assert setting["services"] == ["server", "archon-mcp"]
    assert setting["variables"] == {"SUPABASE_URL": "http://host.docker.internal:18000/archon"}
    (moved,) = switch["projects"]
    assert (moved["services"], moved["profiles"]) == (["server", "archon-mcp"], ["full"])
    assert switch["health"] == ["http://localhost:8181/health"]
    assert [item["url"] for item in switch["probes"]] == ["http://localhost:18000/archon/rest/v1/archon_settings"]
    assert switch["isolation"] == phases["isolate"][0]["options"]
    assert switch["archive"] == {
        "path": "/var/lib/bulkhead/register.jsonl",
        "kind": "archive",
        "name": "archive",
        "cluster": "main",
        "database": "postgres",
        "keep_for": "2592000s",
        "reason": "what postgres held before it moved to archon_db",
    }


def test_without_a_gateway_nobody_is_switched() -> None:
    instance = {key: DESCRIPTION["postgrest"]["archon"][key] for key in ("compose_file", "service", "database")}
    platform = validate(dict(DESCRIPTION, postgrest={"archon": instance}), PROFILES)
    phases = project(platform, PROFILES)
    (archon,) = phases["postgrest"]
    assert (phases["switch"][0]["settings"], phases["switch"][0]["projects"]) == ([], [])
    assert archon["gateway"] is None
    assert archon["probe"] is None
    assert "container_name" not in archon["config"]
    assert "extends" not in archon["config"]
    # Which database it serves is left as it is: nobody asked for it to be repointed.
    assert "database" not in archon["config"]


@pytest.mark.parametrize("data", ["fresh", "copy"])
def test_an_instance_that_is_repointed_is_a_part_of_the_switch(data: str) -> None:
    fields = ("compose_file", "service", "database", "probe")
    instance = {key: DESCRIPTION["postgrest"]["archon"][key] for key in fields}
    described = dict(DESCRIPTION, postgrest={"archon": dict(instance, repoint=True)})
    described["services"] = {name: item for name, item in DESCRIPTION["services"].items() if name != "supabase"}
    described["databases"] = {
        name: dict(item, data=data) if name == "archon" else item for name, item in described["databases"].items()
    }
    phases = project(validate(described, PROFILES), PROFILES)
    assert phases["postgrest"] == []
    (archon,) = [item for item in phases["switch"] if item["key"] == "archon"]
    (repoint,) = archon["repoints"]
    assert repoint["config"]["database"] == "archon_db"
    assert repoint["config"]["settings"] == {"db-schemas": "public"}
    assert archon["probes"] == [repoint["probe"]]
    assert archon["settings"] == []
    # Nobody may write to the old place while its rows are copied; without that, they needn't notice.
    stopped = [name for project_ in archon["projects"] for name in project_["services"]]
    assert bool(stopped) is (data == "copy")


def test_only_databases_with_a_schedule_are_backed_up(phases: Dict[str, Any]) -> None:
    archon, lonely = phases["backup"]["databases"]
    assert archon == {
        "key": "archon",
        "options": {
            "container": "db",
            "login_user": "supabase_admin",
            "login_db": "postgres",
            "database": "archon_db",
            "dest": "/backups/archon",
            "mount": None,
            "schedule": "0 2 * * *",
            "timezone": "Europe/Berlin",
            "retention": {"last": 14, "within": "604800s"},
            "verify": "read",
            "format": "custom",
            "dump_jobs": None,
            "compression": "auto",
            "globals": True,
            "shrink_ratio": 0.5,
            "encrypt_to": [],
        },
        "before": [["sync"]],
        "after": [],
    }
    assert lonely["options"]["dest"] == "/elsewhere"
    assert lonely["options"]["verify"] == "hashed"
    assert lonely["options"]["retention"] == {"last": 7}


def test_what_the_audit_looks_at(phases: Dict[str, Any]) -> None:
    audit = phases["audit"]
    assert [item["name"] for item in audit["clusters"]] == ["main", "other", "near"]
    # n8n isn't described here; its tables are its own all the same.
    assert set(audit["tenants"]) == {"archon", "n8n", "supabase"}
    assert audit["databases"]["archon"] == {
        "name": "archon_db",
        "cluster": "main",
        "folder": "/backups/archon",
        "rpo": None,
        "rto": None,
        "criticality": "medium",
        "owner": "archon",
        "extensions": ["vector"],
        "dumped": True,
    }
    assert audit["databases"]["postgres"]["rpo"] == 21600
    assert audit["folders"] == {"archon": "/backups/archon", "lonely": "/elsewhere"}
    assert audit["neighbours"] == {"qdrant": {"url": "http://localhost:6333", "required": False}}


def test_the_audit_asks_services_first_and_then_instances(phases: Dict[str, Any]) -> None:
    audit = phases["audit"]
    assert [(item["container"], item.get("variables") or []) for item in audit["questions"]] == [
        ("supabase", []),
        ("archon-1", ["SUPABASE_URL"]),
        ("archon-mcp", ["SUPABASE_URL"]),
        ("other-mcp", []),
        ("rest", []),
        ("supabase-rest-archon", []),
    ]
    assert [item["name"] for item in audit["services"]] == list(DESCRIPTION["services"])
    assert [(item["name"], item["container"], item["route"]) for item in audit["instances"]] == [
        ("main", "rest", ""),
        ("archon", "supabase-rest-archon", "/archon"),
    ]


def test_a_database_that_is_dropped_names_what_the_description_still_has_of_it(phases: Dict[str, Any]) -> None:
    drop = {item["key"]: item for item in phases["drop"]}
    assert list(drop) == ["postgres", "archon", "lonely"]
    assert drop["archon"]["connection"] == {"container": "db", "login_user": "supabase_admin", "login_db": "postgres"}
    assert drop["archon"]["options"] == {
        "database": "archon_db",
        "dest": "/backups/archon",
        "services": ["archon-server", "archon-mcp", "other-mcp", "PostgREST instance archon"],
        "register": "/var/lib/bulkhead/register.jsonl",
        "cluster": "main",
        "audit_log": "/var/lib/bulkhead/audit.jsonl",
    }
    assert drop["lonely"]["options"]["services"] == []
    assert drop["lonely"]["options"]["dest"] == "/elsewhere"
    assert phases["kept"]["audit_log"] == "/var/lib/bulkhead/audit.jsonl"


def test_a_service_inside_of_a_shared_database_is_no_database_and_uses_that_one() -> None:
    database = {"cluster": "main", "name": "postgres", "owner": "app", "strategy": "schema"}
    description = {
        "clusters": {"main": {"container": "db"}, "other": {"container": "second"}},
        "databases": {
            "postgres": {"cluster": "main"},
            "app": dict(database, legacy={"database": "postgres", "tables": "public.app_*"}),
            "same_name": {"cluster": "other", "name": "postgres"},
        },
        "services": {"app-server": {"compose_file": "/srv/app/docker-compose.yml", "database": "app"}},
    }
    drop = {item["key"]: item["options"]["services"] for item in project(validate(description), {})["drop"]}
    assert drop == {"postgres": ["app-server"], "same_name": []}


def test_a_platform_of_one_cluster_has_nothing_to_do() -> None:
    phases = project(validate({"clusters": {"main": {"container": "db"}}}), {})
    assert {name: phases[name] for name in ("dns", "isolate", "access", "postgrest", "switch")} == {
        "dns": [],
        "isolate": [],
        "access": [],
        "postgrest": [],
        "switch": [],
    }
    assert phases["backup"]["databases"] == []
    assert phases["audit"]["questions"] == []
