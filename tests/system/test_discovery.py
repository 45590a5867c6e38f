# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that nobody has described: what runs there is found, and the description that is written is valid."""

import json
import pathlib
import subprocess
from typing import Any

import pytest
import yaml

COMPOSE = """
services:
  db:
    image: ${BULKHEAD_POSTGRES15_IMAGE:-bulkhead/postgres:15}
    container_name: PROJECT-db-1
    labels: {bulkhead.test: "true"}
    environment: {POSTGRES_PASSWORD: hidden-in-the-environment}
    healthcheck:
      test: [CMD, pg_isready, -q, -h, 127.0.0.1, -U, postgres]
      interval: 500ms
      retries: 60
  flows:
    image: bulkhead/python:3.11
    labels: {bulkhead.test: "true"}
    command: [sleep, infinity]
    stop_grace_period: 0s
    environment:
      DATABASE_URL: postgres://n8n:hidden-in-a-url@db:5432/n8n_db
      API: http://host.docker.internal:8000
  web:
    image: bulkhead/python:3.11
    labels: {bulkhead.test: "true"}
    command: [sleep, infinity]
    stop_grace_period: 0s
  locked:
    image: ${BULKHEAD_POSTGRES15_IMAGE:-bulkhead/postgres:15}
    labels: {bulkhead.test: "true"}
    environment: {POSTGRES_PASSWORD: first}
networks:
  default:
    labels: {bulkhead.test: "true"}
"""
TABLES = """
CREATE TABLE archon_settings (key text); CREATE TABLE archon_tasks (id int);
CREATE SCHEMA auth; CREATE TABLE auth.users (id int); CREATE DATABASE n8n_db; CREATE DATABASE empty_db;
"""


@pytest.fixture
def host(make_project: Any) -> Any:
    """Yield a project with two servers, one of which lets nobody in, and two services."""
    project = make_project(compose=COMPOSE)
    psql = ["exec", f"{project.name}-db-1", "psql", "-U", "postgres", "-qXv", "ON_ERROR_STOP=1"]
    for statement in TABLES.split(";"):
        project.docker(*psql, "-c", statement)
    project.docker(*psql, "-d", "n8n_db", "-c", "CREATE TABLE workflow (id int)")
    locked = ["exec", f"{project.name}-locked-1", "psql", "-U", "postgres", "-h", "127.0.0.1"]
    while subprocess.run(["docker", *locked, "-c", "SELECT 1"], capture_output=True, check=False).returncode:
        # Until it listens over TCP; its password is asked for there by nobody but strangers.
        pass
    project.docker(*locked, "-c", "ALTER ROLE postgres PASSWORD 'second'")
    return project


def test_a_host_that_nobody_described(
    host: Any, call: Any, environment: dict[str, str], tmp_path: pathlib.Path
) -> None:
    written = tmp_path / "platform.yml"
    command = ["ansible-playbook", "bulkhead.stack.discover", "-e", f"bulkhead_discovery_file={written}"]
    empty = tmp_path / "empty"
    empty.mkdir()

    def play() -> Any:
        done = subprocess.run(command, env=environment, cwd=empty, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = play()
    platform = yaml.safe_load(written.read_text())["bulkhead_platform"]
    clusters = {item["container"]: key for key, item in platform["clusters"].items()}
    main, locked = clusters[f"{host.name}-db-1"], clusters[f"{host.name}-locked-1"]
    ours = {key: item for key, item in platform["databases"].items() if item["cluster"] in (main, locked)}
    assert sorted(item.get("name") or key for key, item in ours.items()) == ["n8n_db", "postgres"]
    shared = next(item for key, item in ours.items() if (item.get("name") or key) == "postgres")
    assert (shared["holds"], shared["criticality"]) == ("archon, supabase", "critical")
    services = {
        key: item for key, item in platform["services"].items() if item["compose_file"] == str(tmp_path / "compose.yml")
    }
    (service,) = services.values()
    assert (service["project"], service["reaches_host"], service["container"]) == (
        host.name,
        True,
        f"{host.name}-flows-1",
    )
    assert ours[service["database"]]["cluster"] == main
    text = written.read_text()
    assert "archon_legacy_archive" in text
    assert f"can't be seen: cluster {host.name}-locked-1 " in said
    assert "password authentication failed" in text
    assert "hidden" not in said + text
    assert oct(written.stat().st_mode & 0o777) == "0o600"
    described = call("platform_info", platform=platform, profiles={})
    assert described.get("failed") is not True, described
    # Without profiles nobody's tables are known as anybody's, and no program by its image: ours are there all the same.
    bare = call("platform_discover_info")["platform"]
    assert {f"{host.name}-db-1", f"{host.name}-locked-1"} <= {item["container"] for item in bare["clusters"].values()}
    # The audit goes without a description as well, and says so.
    report = tmp_path / "audit.json"
    command[1:] = ["bulkhead.stack.audit", "-e", f"bulkhead_audit_json={report}"]
    play()
    document = json.loads(report.read_text())
    assert document["described"] is False
    radius = [item for item in document["findings"] if item["id"] == "BH101" and "archon" in item["text"]]
    assert radius
    assert "hidden" not in report.read_text()
    command[1:] = ["bulkhead.stack.discover", "-e", f"bulkhead_discovery_file={written}"]
    # What somebody went on with stays.
    written.write_text("mine: true\n")
    assert "changed=0" in play()
    assert written.read_text() == "mine: true\n"
