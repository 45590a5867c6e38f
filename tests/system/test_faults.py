# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and faults against the whole stack: a clear error, nothing lost, and a later run that finishes.

The tests of this file run in their order on one stack: what a fault leaves is where the next one begins; the last one
finishes the job.
"""

import os
import signal
import subprocess
from typing import Any

import pytest

from .conftest import eventually, wait_for_server

ARCHON_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'archon%'"
ALLOWED_S = 240


def container_exists(name: str) -> bool:
    """Return whether there is a container of this name."""
    return subprocess.run(["docker", "inspect", name], capture_output=True, check=False).returncode == 0


def failed(process: Any) -> str:
    """Return the output of a run that must have failed, on one line, so that a wrapped sentence is found."""
    assert process.returncode != 0, process.stdout
    assert "Traceback" not in process.stdout, process.stdout
    return " ".join(process.stdout.split())


@pytest.fixture(scope="module")
def before(stack: Any) -> dict[str, str]:
    """Return the fingerprint of the stack as it was at first."""
    found: dict[str, str] = stack.fingerprint()
    return found


def test_without_an_engine(stack: Any, before: dict[str, str]) -> None:
    said = failed(stack.play("site", "--tags", "isolate", DOCKER_HOST="unix:///nowhere/docker.sock"))
    assert "The container engine at unix:///nowhere/docker.sock doesn't answer" in said
    assert "Start it" in said
    assert stack.fingerprint() == before


def test_a_container_that_is_not_running(stack: Any, before: dict[str, str]) -> None:
    platform = stack.platform()
    platform["clusters"]["langfuse"] = {"container": "supabase-ai-dbb"}
    said = failed(stack.play("site", "--tags", "backup", platform=platform))
    assert "There is no container supabase-ai-dbb. Did you mean supabase-ai-db?" in said
    subprocess.run(["docker", "stop", "localai-postgres-1"], check=True, capture_output=True)
    try:
        said = failed(stack.play("backup"))
        assert "Container localai-postgres-1 isn't running" in said
        assert "docker start localai-postgres-1" in said
    finally:
        subprocess.run(["docker", "start", "localai-postgres-1"], check=True, capture_output=True)
    wait_for_server("localai-postgres-1")
    assert stack.fingerprint() == before


def test_one_failing_database_keeps_no_other_from_its_dump(stack: Any) -> None:
    folder = stack.folder / "backups" / "supabase-ai"
    # The run above failed for one cluster only.
    assert not list((folder / "langfuse").glob("backup_*"))
    for name in ("postgres", "n8n_db", "flowise_db", "odoo_db", "langfuse_db"):
        assert len(list((folder / name).glob("backup_*.dump*"))) == 1, name


def test_a_wrong_password(stack: Any, before: dict[str, str]) -> None:
    platform = stack.platform()
    platform["clusters"]["main"]["password"] = "wrong"
    said = failed(stack.play("site", "--tags", "isolate", platform=platform))
    assert 'password authentication failed for user "postgres"' in said
    assert "Give the right login_password for role postgres" in said
    assert stack.fingerprint() == before


def test_a_description_with_five_mistakes(stack: Any, before: dict[str, str]) -> None:
    platform = stack.platform()
    platform["clusters"]["main"]["containr"] = "supabase-ai-db"
    platform["databases"]["archon_db"]["cluster"] = "mainn"
    platform["databases"]["n8n_db"]["criticality"] = "hgh"
    platform["databases"]["odoo_db"]["backup"].pop("accept_gap")
    platform["databases"]["flowise_db"]["backup"]["schedule"] = "0 25 * * *"
    said = failed(stack.play("site", "--check", platform=platform))
    assert "bulkhead_platform has 5 mistakes" in said
    for path in (
        "clusters.main.containr: no such field; did you mean container?",
        "databases.archon_db.cluster: there is no cluster mainn; did you mean main?",
        "databases.n8n_db.criticality: hgh is none of",
        "databases.odoo_db.backup.schedule: leaves up to 12 h between two dumps, and the RPO is 4 h",
        "databases.flowise_db.backup.schedule:",
    ):
        assert path in said, path
    assert stack.fingerprint() == before


def test_a_compose_file_that_is_not_yaml(stack: Any, before: dict[str, str]) -> None:
    path = stack.folder / "archon" / "docker-compose.yml"
    content = path.read_bytes()
    try:
        path.write_bytes(b"services:\n  archon-server: {image: a\n")
        said = failed(stack.play("site", "--tags", "dns"))
        assert "docker-compose.yml" in said
        assert "line" in said
        assert path.read_bytes() == b"services:\n  archon-server: {image: a\n"
    finally:
        path.write_bytes(content)
    assert stack.fingerprint() == before


def test_a_service_that_never_gets_healthy_puts_the_file_back(stack: Any, before: dict[str, str]) -> None:
    said = failed(
        stack.play("site", "--tags", "dns", "-e", '{"compose_dns_hosts": {"host.docker.internal": "203.0.113.1"}}')
    )
    assert "docker-compose.yml" in said
    assert stack.fingerprint() == before


def test_a_migration_that_fails_on_its_last_line(stack: Any, before: dict[str, str]) -> None:
    good = stack.folder / "archon" / "migration" / "complete_setup.sql"
    broken = stack.folder / "archon" / "migration" / "broken.sql"
    broken.write_bytes(good.read_bytes() + b"\nSELECT no_such_column FROM archon_settings;\n")
    platform = stack.platform()
    platform["databases"]["archon_db"]["migrations"] = ["migration/broken.sql"]
    try:
        said = failed(stack.play("site", "--tags", "isolate,postgrest", platform=platform))
    finally:
        broken.unlink()
    assert 'column "no_such_column" does not exist' in said
    assert "nothing of it was kept" in said
    assert stack.fingerprint() == before


def test_a_route_that_never_proves_itself_takes_both_phases_back(stack: Any, before: dict[str, str]) -> None:
    platform = stack.platform()
    # Who may connect to the other databases is no part of what is switched.
    for database in platform["databases"].values():
        database["restrict_connect"] = False
    platform["postgrest"]["archon"]["probe"]["url"] = "http://localhost:18000/archon/rest/v1/no_such_table"
    said = failed(
        stack.play("site", "--tags", "isolate,postgrest", "-e", "postgrest_wait_timeout=3", platform=platform)
    )
    assert "PGRST205" in said
    assert stack.fingerprint() == before


def test_rows_that_came_meanwhile_are_not_lost(stack: Any, before: dict[str, str]) -> None:
    assert stack.play("site", "--tags", "isolate").returncode == 0
    stack.sql("archon_db", "INSERT INTO archon_settings (key, value) VALUES ('CAME_LATER', 'yes')")
    platform = stack.platform()
    platform["postgrest"]["archon"]["probe"]["url"] = "http://localhost:18000/archon/rest/v1/no_such_table"
    said = failed(stack.play("site", "--tags", "postgrest", "-e", "postgrest_wait_timeout=3", platform=platform))
    kept = stack.sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'archon_db_undone_%'")
    assert len(kept) == 1
    assert kept[0] in said
    assert stack.sql(kept[0], "SELECT value FROM archon_settings WHERE key = 'CAME_LATER'") == ["yes"]
    assert stack.sql("archon_db", ARCHON_TABLES) == ["0"]
    stack.sql("postgres", f'DROP DATABASE "{kept[0]}"')


def test_a_run_that_is_killed_between_phases_is_finished_by_the_next(stack: Any) -> None:
    process = subprocess.Popen(
        stack.command("site", "--tags", "dns,isolate,postgrest"),
        env=stack.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(
        "the new instance", lambda: container_exists("supabase-ai-rest-archon") or process.poll() is not None, ALLOWED_S
    )
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert stack.sql("postgres", ARCHON_TABLES) == ["11"]

    finished = stack.play("site")
    assert finished.returncode == 0, finished.stdout
    assert stack.sql("postgres", ARCHON_TABLES) == ["0"]
    assert stack.sql("archon_db", ARCHON_TABLES) == ["11"]
    again = stack.play("site")
    assert "changed=0 " in again.stdout, again.stdout


def test_audit_with_a_role_that_may_only_read(stack: Any) -> None:
    """The playbook bulkhead.stack.audit needs no right to write."""
    stack.sql("postgres", "CREATE ROLE auditor LOGIN PASSWORD 'reads-only'")
    for database in ("postgres", "archon_db", "n8n_db", "flowise_db", "odoo_db", "langfuse_db"):
        stack.sql("postgres", f"GRANT CONNECT ON DATABASE {database} TO auditor")
    stack.sql("postgres", "GRANT pg_read_all_stats TO auditor")
    platform = stack.platform()
    platform["clusters"]["main"].update(superuser="auditor", password="reads-only")
    before = stack.fingerprint()
    process = stack.play("audit", platform=platform)
    assert process.returncode == 0, process.stdout
    assert "archon (11)" in process.stdout
    assert "served from" not in process.stdout.lower() or "archon_db" in process.stdout
    assert "changed=0 " in process.stdout
    assert stack.fingerprint() == before
