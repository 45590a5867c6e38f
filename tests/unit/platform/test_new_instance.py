# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a second PostgREST instance gets where the description leaves it open, and what is refused."""

from typing import Any, Dict

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import DescriptionError
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.projections import project
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate

COMPOSE = "/srv/supabase/docker-compose.yml"


def config(**instance: Any) -> Dict[str, Any]:
    """Return the options of postgrest_config for one second instance."""
    described = {
        "clusters": {"main": {"container": "db"}},
        "databases": {"archon_db": {"cluster": "main"}},
        "services": {"archon": {"compose_file": "/srv/archon/compose.yml", "postgrest": "archon"}},
        "postgrest": {
            "archon": {"compose_file": COMPOSE, "service": "rest-archon", "database": "archon_db", **instance},
        },
    }
    found: Dict[str, Any] = project(validate(described), {})["postgrest"][0]["config"]
    return found


def test_a_second_instance_serves_public_only() -> None:
    assert config(extends="rest")["settings"] == {"db-schemas": "public"}


@pytest.mark.parametrize("name", ["db-schemas", "PGRST_DB_SCHEMAS"])
def test_unless_the_description_says_otherwise(name: str) -> None:
    assert config(extends="rest", settings={name: "api"})["settings"] == {name: "api"}


def test_an_instance_that_is_there_keeps_its_schemas() -> None:
    assert config()["settings"] == {}


@pytest.mark.parametrize(("kind", "clusters"), [("envoy", None), ("kong", "cds.yaml"), ("nginx", "cds.yaml")])
def test_envoys_clusters_are_in_a_file_of_their_own(kind: str, clusters: Any) -> None:
    gateway = {"kind": kind, "container": "gw", "file": "lds.yaml", "route": "/archon", "url": "http://gw/archon"}
    with pytest.raises(DescriptionError, match=r"gateway\.clusters_file: is for envoy"):
        config(extends="rest", gateway=dict(gateway, clusters_file=clusters))


@pytest.mark.parametrize("field", ["extends", "gateway"])
def test_a_repointed_instance_is_the_one_that_is_there_behind_its_old_route(field: str) -> None:
    gateway = {"container": "gw", "file": "default.conf", "route": "/archon", "url": "http://gw/archon"}
    with pytest.raises(DescriptionError, match=r"postgrest\.archon\.repoint: %s .*leave one of the two out" % field):
        config(repoint=True, **{field: {"extends": "rest", "gateway": gateway}[field]})


@pytest.mark.parametrize(
    ("others", "readers"),
    [
        (
            {
                "services": {"web": {"compose_file": "/srv/web/compose.yml", "postgrest": "supabase"}},
                "postgrest": {"supabase": {"compose_file": COMPOSE, "service": "rest", "database": "postgres"}},
            },
            "services.web, postgrest.supabase",
        ),
        (
            {"services": {"studio": {"compose_file": COMPOSE, "profile": "supabase", "database": "postgres"}}},
            "services.studio",
        ),
    ],
)
def test_repointing_is_refused_while_others_read_the_old_database(others: Dict[str, Any], readers: str) -> None:
    rest = {"compose_file": COMPOSE, "service": "rest", "database": "archon_db", "repoint": True}
    described: Dict[str, Any] = {
        "clusters": {"main": {"container": "db"}},
        "databases": {"archon_db": {"cluster": "main"}, "postgres": {"cluster": "main"}},
        "services": {"archon": {"compose_file": "/srv/archon/compose.yml", "postgrest": "archon"}},
        "postgrest": {"archon": rest},
    }
    validate(described, {"supabase": {"owns": {"platform": True}}})
    for kind, things in others.items():
        described[kind] = dict(described[kind], **things)
    with pytest.raises(DescriptionError, match="serves another database for %s as well; use extends" % readers):
        validate(described, {"supabase": {"owns": {"platform": True}}})


def test_the_override_file_is_the_last_of_the_files() -> None:
    named = config(extends="rest", files=["docker-compose.yml", "archon.yml"])
    assert named["override_path"] == "/srv/supabase/archon.yml"


def test_files_without_an_override_file_are_refused() -> None:
    with pytest.raises(DescriptionError, match="name the override file as the last of them"):
        config(extends="rest", files=["docker-compose.yml"])


def test_two_clusters_may_have_a_database_of_one_name() -> None:
    backup = {"schedule": "0 2 * * *"}
    described = {
        "clusters": {"main": {"container": "db"}, "other": {"container": "db2"}},
        "databases": {
            "postgres": {"cluster": "main", "backup": backup},
            "other_postgres": {"cluster": "other", "name": "postgres", "backup": backup},
        },
    }
    phases = project(validate(described), {})
    dumps = [(item["options"]["database"], item["options"]["dest"]) for item in phases["backup"]["databases"]]
    assert dumps == [("postgres", "/backups/postgres"), ("postgres", "/backups/other_postgres")]
    assert phases["audit"]["names"] == {"postgres": "postgres", "other_postgres": "postgres"}


def test_each_program_has_its_own_variable_changed() -> None:
    compose = "/srv/all/compose.yml"
    described = {
        "clusters": {"main": {"container": "db"}},
        "databases": {"archon_db": {"cluster": "main"}},
        "services": {
            "one": {"compose_file": compose, "postgrest": "archon", "profile": "archon"},
            "two": {"compose_file": compose, "postgrest": "archon", "profile": "other"},
        },
        "postgrest": {
            "archon": {
                "compose_file": COMPOSE,
                "service": "rest-archon",
                "database": "archon_db",
                "gateway": {"container": "gw", "file": "default.conf", "route": "/archon", "url": "http://gw/archon"},
            },
        },
    }
    profiles = {"archon": {"rest_url_variable": "SUPABASE_URL"}, "other": {"rest_url_variable": "API_URL"}}
    settings = project(validate(described, profiles), profiles)["switch"][0]["settings"]
    assert [(item["services"], item["variables"]) for item in settings] == [
        (["one"], {"SUPABASE_URL": "http://gw/archon"}),
        (["two"], {"API_URL": "http://gw/archon"}),
    ]
