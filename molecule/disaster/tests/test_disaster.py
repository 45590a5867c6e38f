"""After a database, and then the whole cluster, were gone: every row, grant and policy, and the services answer."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
FOLDER = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "disaster"
DATABASES = ["postgres", "archon_db", "n8n_db", "flowise_db", "odoo_db"]


@pytest.mark.parametrize("thing", [*DATABASES, "roles"])
def test_the_stock_tools_say_the_same_as_before(machine, thing):
    command = "%s %s/fingerprint.py compare %s/before.json %s"
    result = machine.run(command, sys.executable, str(SCENARIO), str(FOLDER), thing)
    assert result.rc == 0, result.stdout


def test_the_matrix_servers_user_finds_what_was_said(machine):
    programs = SCENARIO.parent / "tenants" / "programs.py"
    facts = (FOLDER / "synapse.json").read_text()
    subprocess.run([sys.executable, str(programs), "read", "synapse", facts], check=True)


def test_the_service_answers(http):
    status, settings = http("http://localhost:8181/api/settings")
    assert status == 200
    assert settings


def test_rows_come_through_the_gateway(http, service_key):
    url = "http://localhost:18000/archon/rest/v1/archon_settings?limit=1"
    status, rows = http(url, apikey=service_key, Authorization="Bearer " + service_key)
    assert (status, len(rows)) == (200, 1)


def test_times_are_recorded_against_the_objectives(demo):
    lines = [json.loads(line) for line in (demo / "state" / "restores.jsonl").read_text().splitlines()]
    restored = [line["key"] for line in lines]
    assert restored == ["archon_db", *DATABASES[:5], "synapse"]
    assert all(line["passed"] and line["seconds"] < line["rto_s"] for line in lines)


def test_what_the_new_server_had_is_kept_aside(sql):
    aside = sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE '%_before_%' ORDER BY 1")
    assert "postgres" in [name.split("_before_")[0] for name in aside]
    assert sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%restoring%' OR NOT datallowconn") == [
        "1"
    ]
