# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module by itself, called directly with a JSON file of arguments, on the demo's stack.

Those that change something run four times: check, run, check again, run again. The tests run in their order: what one
makes the next one needs.
"""

import json
import pathlib
import subprocess
from typing import Any


def four_runs(call: Any, stack: Any, module: str, **arguments: Any) -> dict[str, Any]:
    """Check, run, check again, run again; return what the first real run said."""
    before = stack.fingerprint()
    checked = call(module, check=True, **arguments)
    assert checked.get("failed") is not True, checked
    assert checked["changed"] is True
    assert stack.fingerprint() == before, "the check run has changed something"
    done = call(module, **arguments)
    assert done.get("failed") is not True, done
    assert done["changed"] is True
    assert done["diff"] == checked["diff"]
    for check in (True, False):
        again = call(module, check=check, **arguments)
        assert again.get("failed") is not True, again
        assert again["changed"] is False, again["diff"]
    return done


def test_platform_info(call: Any, stack: Any) -> None:
    result = call("platform_info", platform=stack.platform())
    assert [item["key"] for item in result["phases"]["isolate"]] == ["archon_db"]


def test_compose_extra_hosts(call: Any, stack: Any) -> None:
    path = stack.folder / "archon" / "docker-compose.yml"
    done = four_runs(call, stack, "compose_extra_hosts", path=str(path), services=["archon-server", "archon-mcp"])
    assert done["changed_services"] == ["archon-server"]
    assert done["path_written"] == str(path)
    assert done["validated"] == "yes"
    # The file is right; the container that runs was made without it.
    assert call("compose_extra_hosts", path=str(path), services=["archon-server"])["pending_services"] == [
        "archon-server"
    ]
    absent = call("compose_extra_hosts", path=str(path), services=["archon-server"], state="absent")
    assert absent["changed"] is True


def test_file_edit(call: Any, stack: Any) -> None:
    path = stack.folder / "archon" / "start-archon.sh"
    before = path.read_bytes()
    edit = {"before": 'local target_db="postgres"', "after": 'local target_db="archon_db"'}
    done = four_runs(call, stack, "file_edit", path=str(path), edits=[edit])
    assert done["changes"] == [str(path)]
    assert path.read_bytes() == before.replace(b'target_db="postgres"', b'target_db="archon_db"')
    assert path.stat().st_mode & 0o111
    wrong = call("file_edit", path=str(path), edits=[{"before": "no such line", "after": "nor this one"}])
    assert "0 times, not 1" in wrong["msg"]
    missing = call("file_edit", path=str(path) + ".none", edits=[edit])
    assert "there is no such file" in missing["msg"]
    back = call("file_edit", path=str(path), edits=[{"before": edit["after"], "after": edit["before"]}])
    assert back["changed"] is True
    assert path.read_bytes() == before


def test_compose_project_info(call: Any, stack: Any) -> None:
    path = stack.folder / "archon" / "docker-compose.yml"
    found = call("compose_project_info", path=str(path))
    assert found["project"] == {
        "name": "archon",
        "directory": str(path.parent),
        "files": [str(path)],
        "env_files": [],
    }
    assert found["services"]["archon-mcp"] == ["running"]
    elsewhere = call("compose_project_info", path=str(path), project_name="another")
    assert elsewhere["project"]["name"] == "another"


def test_container_log_info(call: Any) -> None:
    found = call("container_log_info", container="supabase-ai-db", pattern="ready to accept connections", timeout=5)
    assert found["waited_s"] < 5
    missing = call("container_log_info", container="supabase-ai-db", pattern="never said", timeout=0)
    assert "doesn't say 'never said'" in missing["msg"]
    assert "no regular expression" in call("container_log_info", container="supabase-ai-db", pattern="(")["msg"]
    assert "There is no container" in call("container_log_info", container="supabase-ai-dbb", pattern="x")["msg"]


def test_compose_reachability_info(call: Any) -> None:
    answers = call(
        "compose_reachability_info",
        services=[{"container": "archon-server"}, {"container": "archon-mcp", "port": 18000}],
    )["services"]
    assert [answer["resolves"] for answer in answers] == [False, True]
    assert [answer["layer"] for answer in answers] == ["resolve", "ok"]


def test_pg_database_isolate(call: Any, stack: Any) -> None:
    options = {
        "container": "supabase-ai-db",
        "database": "archon_db",
        "owner": "archon",
        "owner_password": "only-for-this-test",
        "extensions": ["vector", "pg_trgm", "pgcrypto"],
        "prelude": "postgrest",
        "connect_roles": ["authenticator"],
        "migrations": [str(stack.folder / "archon" / "migration" / "complete_setup.sql")],
        "expect": {"policies": 18, "rows": {"archon_settings": 45}},
    }
    refused = call("pg_database_isolate", **options)
    assert refused["failed"] is True
    assert refused["msg"] == (
        "Database archon_db exists and is owned by postgres, not archon. Set adopt=true to hand it over."
    )
    done = four_runs(call, stack, "pg_database_isolate", adopt=True, **options)
    assert "only-for-this-test" not in json.dumps(done)
    assert done["database_exists"] is True


def test_pg_database_isolate_makes_what_is_not_there_and_drops_it_when_it_fails(call: Any, stack: Any) -> None:
    name = 'Ärger mit "Namen"; DROP'
    options = {"container": "supabase-ai-db", "database": name, "owner": 'O"wner', "owner_password": "x"}
    before = stack.fingerprint()
    failed = call("pg_database_isolate", expect={"tables": ["never_made"]}, **options)
    assert failed["failed"] is True
    assert "table never_made is missing" in failed["msg"]
    assert stack.fingerprint() == before
    four_runs(call, stack, "pg_database_isolate", **options)
    assert stack.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%DROP'") == ["1"]


def test_postgrest_config(call: Any, stack: Any) -> None:
    path = stack.folder / "supabase" / "docker-compose.yml"
    options = {
        "path": str(path),
        "service": "rest-archon",
        "extends": "rest",
        "container_name": "supabase-ai-rest-archon",
    }
    settings = {"db-schemas": "public"}
    done = four_runs(
        call, stack, "postgrest_config", mode="override", database="archon_db", settings=settings, **options
    )
    assert "archon_db" in pathlib.Path(done["path_written"]).read_text()
    assert done["pending"] is True
    misspelt = call("postgrest_config", path=str(path), service="rest", settings={"db-schemass": "public"})
    assert "db-schemas" in misspelt["msg"]


def test_gateway_route(call: Any, stack: Any) -> None:
    options = {"container": "supabase-ai-gateway", "route": "/archon", "service": "rest-archon"}
    path = stack.folder / "supabase" / "volumes" / "api" / "default.conf"
    done = four_runs(call, stack, "gateway_route", path=str(path), **options)
    assert done["reloaded"] is True


def test_postgrest_probe_info(call: Any, stack: Any) -> None:
    subprocess.run(
        [
            "docker",
            "compose",
            "--project-directory",
            str(stack.folder / "supabase"),
            "up",
            "-d",
            "--no-deps",
            "rest-archon",
        ],
        check=True,
        capture_output=True,
    )
    options = {
        "container": "supabase-ai-db",
        "instance": "supabase-ai-rest-archon",
        "url": "http://localhost:18000/archon/rest/v1/archon_settings?limit=1",
        "apikey_file": str(stack.folder / "supabase" / ".env"),
        "apikey_variable": "SERVICE_ROLE_KEY",
    }
    assert call("postgrest_probe_info", database="archon_db", **options).get("failed") is not True
    wrong = call("postgrest_probe_info", database="postgres", timeout=1, **options)
    assert "The instance is connected to archon_db, not to postgres" in wrong["msg"]


def test_compose_environment(call: Any, stack: Any) -> None:
    services = ["archon-server", "archon-mcp", "archon-agent-work-orders"]
    url = "http://host.docker.internal:18000/archon"
    path = stack.folder / "archon" / "docker-compose.yml"
    done = four_runs(
        call, stack, "compose_environment", path=str(path), services=services, variables={"SUPABASE_URL": url}
    )
    assert f"SUPABASE_URL={url}\n" in (stack.folder / "archon" / ".env").read_text()
    assert sorted(done["changed_services"]) == sorted(services)


def test_pg_blast_radius_info(call: Any) -> None:
    schemas = ["auth", "storage", "realtime", "_realtime"]
    tenants = {"archon": {"tables": "public.archon_*"}, "supabase": {"schemas": schemas, "platform": True}}
    databases = call("pg_blast_radius_info", container="supabase-ai-db", tenants=tenants)["databases"]
    found = {item["name"]: item for item in databases}
    assert found["postgres"]["verdict"] == "catastrophic"
    # One lies in it, and four may enter it: numbers of the server, without a word of the description.
    services = {item["service"]: (item["tables"], item["enters"]) for item in found["postgres"]["services"]}
    # A role that a test before has made.
    services.pop('O"wner', None)
    assert services.pop("archon") == (11, None)
    assert services == dict.fromkeys(("flowise", "langfuse", "n8n", "odoo"), (0, "through PUBLIC"))
    assert found["archon_db"]["verdict"] == "contained"


def test_pg_dump_rotate_and_info(call: Any, stack: Any) -> None:
    folder = str(stack.folder / "backups" / "by-hand")
    options = {"container": "supabase-ai-db", "database": "n8n_db", "dest": folder, "clock": "2026-11-23T10:00:00Z"}
    done = four_runs(call, stack, "pg_dump_rotate", schedule="0 3 * * *", retention={"keep": 2}, **options)
    found = call("pg_dump_info", folders={"n8n_db": folder}, clock="2026-11-23T11:00:00Z")["newest_verified"]["n8n_db"]
    assert found["path"] == done["dump"]
    assert found["age_s"] == 3600
    named = call("pg_dump_info", folders={"workflows": folder}, names={"workflows": "n8n_db"})["newest_verified"]
    assert named["workflows"]["path"] == done["dump"]


def test_isolation_journal(call: Any, stack: Any) -> None:
    journal = stack.folder / "state" / "test.jsonl"
    path = stack.folder / "archon" / "docker-compose.yml"
    before = path.read_bytes()
    call("compose_extra_hosts", path=str(path), services=["archon-ui"], journal=str(journal))
    assert path.read_bytes() != before
    checked = call("isolation_journal", check=True, journal=str(journal), state="undone")
    assert checked["changed"] is True
    assert path.read_bytes() != before
    assert call("isolation_journal", journal=str(journal), state="undone")["changed"] is True
    assert path.read_bytes() == before
    assert call("isolation_journal", journal=str(journal), state="undone")["changed"] is False
