"""Both ways to another database, looked at from outside: with real clients, and with one that asked all the time."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
from collections import Counter

import pytest

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
EPHEMERAL = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
GATEWAY = "http://host.docker.internal:18000"
ALLOWED_S = 60


def load_module(name):
    """Return one of the scenario's own programs as a module."""
    spec = importlib.util.spec_from_file_location("postgrest_" + name, SCENARIO / (name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CLIENTS = load_module("clients")


def answers(name):
    """Return what the client that asks all the time has seen, by whom it asked for."""
    found = json.loads((EPHEMERAL / name).read_text())
    return {who: [item for item in found if item["who"] == who] for who in ("supabase", "archon")}


def play(playbook, *arguments):
    """Run a playbook of the collection with the description of the one that is repointed."""
    inventory = EPHEMERAL / "repoint-hosts.yml"
    inventory.write_text("bulkhead: {hosts: {localhost: {ansible_connection: local}}}\n")
    argv = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "bulkhead.stack." + playbook]
    argv += ["-i", str(inventory), "-e", "ansible_python_interpreter=" + sys.executable]
    argv += ["-e", "@%s" % (SCENARIO / "vars" / "repoint.yml"), *arguments]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(argv, check=False, timeout=ALLOWED_S * 5, **both)
    return done.returncode, done.stdout


# --- a second instance --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["supabase", "archon"])
def test_no_request_was_lost_on_the_way_to_the_second_instance(who):
    seen = answers("second.json")[who]
    assert [item for item in seen if item["status"] != 200] == []
    # It was asked all the time, and Archon's at both routes.
    assert len(seen) > 100
    routes = {item["path"].partition("/rest/v1/")[0] for item in seen}
    assert routes == ({"", "/archon"} if who == "archon" else {""})


def test_real_clients_read_and_write_at_the_new_route(service_key, sql):
    assert [client["client"].split()[0] for client in CLIENTS.use(GATEWAY + "/archon/rest/v1", service_key)] == [
        "postgrest",
        "postgrest-js",
    ]


def test_the_new_instance_is_made_of_the_first_one(inspect):
    first, second = (
        dict(text.partition("=")[::2] for text in inspect(name)["Config"]["Env"])
        for name in ("supabase-ai-rest", "supabase-ai-rest-archon")
    )
    assert second["PGRST_JWT_SECRET"] == first["PGRST_JWT_SECRET"]
    assert second["PGRST_ADMIN_SERVER_PORT"]
    assert second["PGRST_DB_URI"].rpartition("/")[::2][0] == first["PGRST_DB_URI"].rpartition("/")[0]
    assert second["PGRST_DB_URI"].endswith("/archon_db")


def test_the_secret_is_a_reference_in_what_was_written(demo):
    written = (demo / "supabase" / "docker-compose.override.yml").read_text()
    secrets = [
        line.partition("=")[2]
        for line in (demo / "supabase" / ".env").read_text().splitlines()
        if line.startswith(("JWT_SECRET=", "POSTGRES_PASSWORD=", "SERVICE_ROLE_KEY="))
    ]
    assert len(secrets) == 3
    assert not any(secret in written for secret in secrets)


def test_a_new_table_is_told_without_anybodys_notify(sql, http, service_key):
    sql("archon_db", "CREATE TABLE told_by_itself (id int); INSERT INTO told_by_itself VALUES (7)")
    headers = {"apikey": service_key, "Authorization": "Bearer " + service_key}
    status, body = 404, {}
    for _number in range(500):
        status, body = http("http://localhost:18000/archon/rest/v1/told_by_itself", **headers)
        if status != 404:
            break
    # The table is the superuser's, so the request may not read it: that it is known is what counts.
    assert body.get("code") != "PGRST205", body
    assert (status, body.get("code")) in ((403, "42501"), (200, None))
    sql("archon_db", "DROP TABLE told_by_itself")
    for _number in range(500):
        status, body = http("http://localhost:18000/archon/rest/v1/told_by_itself", **headers)
        if body["code"] == "PGRST205":
            break
    assert (status, body["code"]) == (404, "PGRST205")


# --- the one that is there, repointed -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repointed():
    """The instance is repointed while a client asks: what Docker saw of it, what the client saw, and a second run."""
    load = [sys.executable, str(SCENARIO / "load.py")]
    events = subprocess.Popen(
        ["docker", "events", "--format", "{{json .}}"]
        + ["--filter", "type=container", "--filter", "label=com.docker.compose.service=rest"],
        stdout=subprocess.PIPE,
        text=True,
    )
    path = EPHEMERAL / "repoint.json"
    try:
        assert play("isolate")[0] == 0
        subprocess.run([*load, "start", str(path)], check=True)
        first = play("postgrest")
        subprocess.run([*load, "stop", str(path)], check=True)
    finally:
        events.terminate()
        printed = events.communicate()[0]
    assert first[0] == 0, first[1]
    return {
        "events": [json.loads(line) for line in printed.splitlines()],
        "answers": json.loads(path.read_text()),
        "second": play("postgrest"),
    }


def test_requests_are_lost_only_within_the_restart(repointed):
    times = [(event["Action"], event["timeNano"] / 1e9) for event in repointed["events"]]
    # The engine tells of a signal after the process got it; Compose makes the new container before it stops the old.
    stopped_at = min(at for action, at in times if action == "create")
    started_at = max(at for action, at in times if action == "start")
    seen = sorted((item for item in repointed["answers"] if item["who"] == "supabase"), key=lambda item: item["at"])
    before = [item for item in seen if item["until"] < stopped_at]
    assert before
    assert {item["status"] for item in before} == {200}
    # It serves the new database at the old URL, which has no schema storage: answered, and no longer by the old one.
    answered = [item for item in seen if item["at"] > started_at and item["status"] not in (0, 502, 503, 504)]
    assert Counter(item["status"] for item in answered).keys() == {406}
    served_at = min(item["at"] for item in answered)
    lost = [item for item in seen if item["status"] in (0, 502, 503, 504)]
    assert all(stopped_at <= item["until"] and item["at"] <= served_at for item in lost)
    print("lost %d of %d, in %.1f s" % (len(lost), len(seen), served_at - stopped_at))


def test_real_clients_find_the_new_database_at_the_old_url(repointed, service_key, sql):
    sql("archon_two", "UPDATE archon_settings SET description = 'of the second' WHERE key = 'LLM_PROVIDER'")
    CLIENTS.use(GATEWAY + "/rest/v1", service_key)
    sessions = "SELECT DISTINCT datname FROM pg_stat_activity WHERE application_name LIKE 'PostgREST%' ORDER BY 1"
    assert sql("postgres", sessions) == ["archon_db", "archon_two"]


def test_a_second_run_changes_nothing(repointed):
    status, printed = repointed["second"]
    assert status == 0, printed
    assert "changed=0" in printed, printed


def test_one_command_takes_it_back(repointed, http, service_key, sql):
    rollback = ["rollback", "-e", "bulkhead_rollback_database=archon_two"]
    # A row was changed since, and there is no place to carry it to.
    status, printed = play(*rollback)
    assert status != 0
    assert "Say rows=discard to go back without them" in printed
    status, printed = play(*rollback, "-e", "bulkhead_rollback_rows=discard")
    assert status == 0, printed
    headers = {"apikey": service_key, "Accept-Profile": "storage"}
    assert http("http://localhost:18000/rest/v1/buckets", **headers)[0] == 200
    found = sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'archon_two%'")
    assert len(found) == 1
    assert found != ["archon_two"], "it is kept aside, not where it was"
