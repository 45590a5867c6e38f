# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first description of a host: what is recognised, what isn't guessed, and that a person can go on with it."""

from typing import Any, Dict, List, Optional

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._discovery.containers import (
    Seen,
    database_wanted,
    leads_to,
    read_container,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._discovery.describe import describe
from ansible_collections.bulkhead.stack.plugins.module_utils._discovery.written import as_yaml
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate

PROFILES: Dict[str, Any] = {
    "archon": {"images": ["*archon*"], "owns": {"tables": "public.archon_*"}},
    "supabase": {"images": ["supabase/*"], "owns": {"schemas": ["auth"], "platform": True}},
    "n8n": {
        "images": ["n8nio/n8n"],
        "database_variables": {"name": "DB_POSTGRESDB_DATABASE", "host": "DB_POSTGRESDB_HOST"},
    },
}


def inspection(
    name: str, image: str, service: str = "", env: Optional[List[str]] = None, address: str = "172.18.0.9", **more: Any
) -> Dict[str, Any]:
    """Return what docker inspect says of a container; without a service it isn't Compose's."""
    labels = {
        "com.docker.compose.project": "all",
        "com.docker.compose.service": service,
        "com.docker.compose.project.working_dir": "/srv/all",
        "com.docker.compose.project.config_files": "compose.yaml,/srv/all/more.yaml",
    }
    return {
        "Name": "/" + name,
        "Config": {
            "Image": image,
            "Env": env or [],
            "Labels": labels if service else {},
            "ExposedPorts": more.get("exposed"),
        },
        "NetworkSettings": {
            "Networks": {"default": {"IPAddress": address, "Aliases": [service] if service else None}},
            "Ports": more.get("ports") or {},
        },
    }


def seen(*arguments: Any, **more: Any) -> Seen:
    """Return a container as it is recognised."""
    return read_container(inspection(*arguments, **more), PROFILES)


DB = seen("db-1", "postgres:15", "db", ["PGDATA=/var/lib/postgresql/data", "POSTGRES_PASSWORD=hidden-one"])


def database(name: str, verdict: str = "contained", **more: Any) -> Dict[str, Any]:
    """Return a database as pg_blast_radius_info has it."""
    return {"name": name, "verdict": verdict, "reasons": [], "tenants": {}, "sessions": [], **more}


def cluster(*databases: Dict[str, Any]) -> Dict[str, Any]:
    """Return a cluster as pg_blast_radius_info has it."""
    return {"databases": list(databases)}


@pytest.mark.parametrize(
    ("image", "env", "exposed", "kind"),
    [
        ("postgres:15", ["PGDATA=/x"], None, "postgres"),
        ("registry.example:5000/mine/database@sha256:00", ["PGDATA=/x"], None, "postgres"),
        ("pgvector/pgvector:pg17", [], {"5432/tcp": {}}, "postgres"),
        ("supabase/supavisor:2", [], {"5432/tcp": {}}, "service"),
        ("n8nio/n8n", ["POSTGRES_PASSWORD=x"], None, "service"),
        ("postgrest/postgrest:v14", [], None, "postgrest"),
        ("mine:1", ["PGRST_DB_URI=postgres://a@b/c"], None, "postgrest"),
    ],
)
def test_what_a_container_is(image: str, env: List[str], exposed: Any, kind: str) -> None:
    assert seen("x", image, env=env, exposed=exposed).kind == kind


@pytest.mark.parametrize(
    ("image", "profile"),
    [
        ("n8nio/n8n:1.70", "n8n"),
        ("docker.n8n.io/n8nio/n8n", "n8n"),
        ("supabase/studio@sha256:00", "supabase"),
        ("ghcr.io/coleam00/archon-server:main", "archon"),
        ("nginx", ""),
    ],
)
def test_a_program_is_known_by_its_image(image: str, profile: str) -> None:
    assert seen("x", image).profile == profile


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        (["DATABASE_URL=postgresql://a:b@db:5433/n8n_db?sslmode=disable"], [("db", 5433, "n8n_db")]),
        (["U=postgres://a:b@db/with%20space"], [("db", 5432, "with space")]),
        (["U=postgres://a:p@ss@db/x/y"], [("db", 5432, "x/y")]),
        (["U=postgres://a:b@db"], []),
        (["U=postgres://[broken/x"], []),
        (["U=https://db/n8n_db"], []),
        (["DB_POSTGRESDB_DATABASE=n8n_db", "DB_POSTGRESDB_HOST=db"], [("db", 5432, "n8n_db")]),
        (["DB_POSTGRESDB_DATABASE=n8n_db"], []),
    ],
)
def test_the_database_that_variables_name(env: List[str], wanted: Any) -> None:
    assert database_wanted(seen("n8n", "n8nio/n8n", env=env), PROFILES) == wanted


@pytest.mark.parametrize(
    ("host", "port", "leads"),
    [
        ("db", 5432, True),
        ("db-1", 5432, True),
        ("172.18.0.9", 5432, True),
        ("other", 5432, False),
        ("host.docker.internal", 15432, True),
        ("host.docker.internal", 5432, False),
    ],
)
def test_where_a_host_and_a_port_lead(host: str, port: int, leads: bool) -> None:
    published = seen("db-1", "postgres:15", "db", ["PGDATA=/x"], ports={"5432/tcp": [{"HostPort": "15432"}]})
    assert leads_to(host, port, published) is leads


def described() -> Any:
    """Return the description of a host with a bit of everything."""
    sessions = [{"address": "172.18.0.20", "application": "odoo-1", "sessions": 3}]
    return describe(
        [
            DB,
            seen("rest", "postgrest/postgrest:v14", "rest", ["PGRST_DB_URI=postgres://a:hidden-two@db/postgres"]),
            seen(
                "n8n-1", "n8nio/n8n", "n8n", ["U=postgres://n:hidden-three@db/n8n_db", "H=http://host.docker.internal/"]
            ),
            seen("erp", "mine/erp", "erp", address="172.18.0.20"),
            seen("web", "nginx", "web"),
            seen("alone", "n8nio/n8n"),
        ],
        {
            "db-1": cluster(
                database(
                    "postgres",
                    "catastrophic",
                    tenants={"supabase": 9, "archon": 11},
                    reasons=["one DROP DATABASE destroys supabase together with archon (11 tables)"],
                ),
                database("n8n_db", tenants={}),
                database("odoo_db", sessions=sessions),
                database("template_like", "none"),
            )
        },
        PROFILES,
    )


def test_what_is_there_is_described_and_nothing_else() -> None:
    platform = described().platform
    assert platform["clusters"] == {"main": {"container": "db-1"}}
    assert list(platform["databases"]) == ["postgres", "n8n_db", "odoo_db"]
    assert platform["databases"]["postgres"]["criticality"] == "critical"
    assert platform["services"]["n8n"] == {
        "profile": "n8n",
        "compose_file": "/srv/all/compose.yaml",
        "project": "all",
        "files": ["/srv/all/compose.yaml", "/srv/all/more.yaml"],
        "container": "n8n-1",
        "database": "n8n_db",
        "reaches_host": True,
    }
    # Its variables name no database; its sessions do. Nothing is known of the web server, or of who isn't Compose's.
    assert platform["services"]["erp"]["database"] == "odoo_db"
    assert sorted(platform["services"]) == ["erp", "n8n"]
    assert platform["postgrest"]["rest"]["database"] == "postgres"


def test_it_is_valid_and_stays_so_as_a_file() -> None:
    made = described()
    text = as_yaml(made.platform, made.remarks, "2026-11-23T10:00:00Z")
    assert yaml.safe_load(text)["bulkhead_platform"] == made.platform
    validate(yaml.safe_load(text)["bulkhead_platform"], PROFILES)
    assert "hidden" not in text
    assert max(len(line) for line in text.splitlines()) <= 160


def test_what_a_guest_needs_to_move_out_stands_above_its_host() -> None:
    made = described()
    text = as_yaml(made.platform, made.remarks, "2026-11-23T10:00:00Z")
    remark = text[: text.index("    postgres:")]
    assert "# one DROP DATABASE destroys supabase together with archon (11 tables)." in remark
    assert "#   archon_db:" in remark
    # What is commented is a description too, once the comment's marks are taken away.
    block = [line.replace("    # ", "    ", 1) for line in remark.splitlines() if line.startswith("    #   ")]
    proposed = yaml.safe_load("\n".join(block))
    whole = dict(made.platform, databases=dict(made.platform["databases"], **proposed))
    whole["databases"]["archon_db"]["owner_password"] = "only-for-this-test"
    validate(whole, PROFILES)


def test_two_servers_with_databases_of_one_name() -> None:
    other = seen("legacy.db", "postgres:13", "other", ["PGDATA=/x"], address="172.18.0.10")
    facts = {
        "db-1": cluster(database("app", tenants={"x": 1})),
        "legacy.db": cluster(database("app", tenants={"x": 1})),
    }
    platform = describe([DB, other], facts, PROFILES).platform
    assert platform["clusters"] == {"db_1": {"container": "db-1"}, "legacy_db": {"container": "legacy.db"}}
    assert [(key, item.get("name")) for key, item in platform["databases"].items()] == [
        ("app", None),
        ("legacy_db_app", "app"),
    ]
    validate(platform, PROFILES)


def test_a_server_that_does_not_answer_is_described_and_said_to_be_unseen() -> None:
    made = describe([DB], {"db-1": {"error": "password authentication failed"}}, PROFILES)
    assert made.platform == {"clusters": {"main": {"container": "db-1"}}}
    assert "# It can't be read: password authentication failed" in as_yaml(made.platform, made.remarks, "now")


def test_a_host_without_a_server_has_nothing_to_describe() -> None:
    made = describe([seen("web", "nginx", "web")], {}, PROFILES)
    assert made.platform == {"clusters": {}}
    assert yaml.safe_load(as_yaml(made.platform, made.remarks, "now")) == {"bulkhead_platform": {"clusters": {}}}
