# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgREST's settings wherever they live, with real containers: what changes, for whom, and what it takes to count."""

import json
import os
import pathlib
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from .conftest import eventually

POSTGRES_IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
POSTGREST_IMAGE = os.environ.get("BULKHEAD_POSTGREST_IMAGE", "bulkhead/postgrest-double:1")
PASSWORD = "only-for-these-settings"
SECRET = "a-secret-of-more-than-thirty-two-characters"
OTHER_SECRET = "another-secret-of-more-than-thirty-two-characters"

SETUP = f"""
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD '{PASSWORD}';
GRANT anon TO authenticator;
CREATE DATABASE app_db;
CREATE DATABASE other_db;
"""
TABLES = """
CREATE TABLE numbers AS SELECT generate_series(1, 9) AS number;
GRANT SELECT ON numbers TO anon;
CREATE SCHEMA reports;
CREATE TABLE reports.monthly AS SELECT 1 AS month;
GRANT USAGE ON SCHEMA reports TO anon;
GRANT SELECT ON reports.monthly TO anon;
"""
COMPOSE = f"""
name: THE-PROJECT
x-rest: &rest
  image: {POSTGREST_IMAGE}
  labels: {{bulkhead.test: "true"}}
  networks: [outside]
services:
  rest:
    <<: *rest
    env_file: [rest.env]
    environment:
      PGRST_DB_URI: postgres://authenticator:{PASSWORD}@THE-SERVER:5432/app_db
      PGRST_DB_ANON_ROLE: anon
      PGRST_ADMIN_SERVER_PORT: "3001"
  other:
    <<: *rest
    environment:
      - PGRST_DB_URI=postgres://authenticator:{PASSWORD}@THE-SERVER:5432/other_db
      - PGRST_DB_ANON_ROLE=anon
      - PGRST_ADMIN_SERVER_PORT=3001
  filed:
    <<: *rest
    command: [/etc/postgrest/api.conf]
    volumes: ["./conf:/etc/postgrest:ro"]
  alone:
    <<: *rest
    command: [/etc/alone.conf]
    volumes: ["./alone.conf:/etc/alone.conf:ro"]
networks:
  outside: {{external: true, name: THE-PROJECT}}
"""
CONF = f"""# by hand
db-uri = "postgres://authenticator:{PASSWORD}@THE-SERVER:5432/app_db"   # the shared server
db-anon-role = "anon"
admin-server-port = 3001
db-schemas = "public"
"""


def docker(*arguments: str) -> str:
    """Run a docker command; return its output."""
    return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Place:
    """A server, and a project of instances on it."""

    def __init__(self, folder: pathlib.Path, start_server: Any) -> None:
        self.folder = folder
        self.name = f"bulkhead-test-{uuid.uuid4().hex[:8]}"
        docker("network", "create", "--label", "bulkhead.test=true", self.name)
        self.server = start_server(POSTGRES_IMAGE, "--network", self.name)
        self.server.script("postgres", SETUP)
        for database in ("app_db", "other_db"):
            self.server.script(database, TABLES)
        (folder / "conf").mkdir()
        for path, text in (
            ("compose.yml", COMPOSE),
            ("conf/api.conf", CONF),
            ("alone.conf", CONF),
            ("rest.env", f"# shared by nobody\nPGRST_JWT_SECRET='{SECRET}'\nPGRST_DB_MAX_ROWS=8\n"),
        ):
            text = text.replace("THE-PROJECT", self.name).replace("THE-SERVER", self.server.name)
            (folder / path).write_text(text)

    def start(self) -> None:
        """Start the instances."""
        self.compose("up", "-d")
        for service in ("rest", "other", "filed", "alone"):
            self.ready(service)

    def compose(self, *arguments: str) -> str:
        """Run a compose command."""
        return docker("compose", "-f", str(self.folder / "compose.yml"), "-p", self.name, *arguments)

    def container(self, service: str) -> dict[str, Any]:
        """Return what the engine says of a service's container."""
        found: list[dict[str, Any]] = json.loads(docker("inspect", f"{self.name}-{service}-1"))
        return found[0]

    def get(self, service: str, path: str, port: int = 3000, **headers: str) -> requests.Response:
        """Ask an instance."""
        address = self.container(service)["NetworkSettings"]["Networks"][self.name]["IPAddress"]
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"http://{address}:{port}{path}", headers=headers, timeout=5)

    def ready(self, service: str) -> None:
        """Wait until an instance serves."""
        eventually(f"{service} is ready", lambda: self.get(service, "/ready", 3001).status_code == 200)

    def rows(self, service: str) -> int:
        """Return how many rows an instance serves at once."""
        return len(self.get(service, "/numbers").json())

    def path(self, name: str = "compose.yml") -> pathlib.Path:
        """Return a file of the project's."""
        return self.folder / name

    def connection(self) -> dict[str, str]:
        """Return the options that name the server."""
        return {"container": self.server.name}

    def remove(self) -> None:
        """Take it all away, but for the server, which its fixture removes: it is taken off the network."""
        subprocess.run(
            ["docker", "compose", "-f", str(self.path()), "-p", self.name, "down", "--timeout", "0"], check=False
        )
        subprocess.run(["docker", "network", "disconnect", "-f", self.name, self.server.name], check=True)
        docker("network", "rm", self.name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[Place]:
    """Build it once for all tests."""
    made = Place(tmp_path_factory.mktemp("place"), start_server)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def configure(call: Any, place: Place) -> Any:
    """Return a function that runs the module and looks for secrets in what comes of it."""

    def run(service: str, **options: Any) -> dict[str, Any]:
        result: dict[str, Any] = call("postgrest_config", path=str(place.path()), service=service, **options)
        shown = json.dumps(result)
        assert not [secret for secret in (PASSWORD, SECRET, OTHER_SECRET) if secret in shown]
        return result

    return run


def identifiers(place: Place) -> dict[str, str]:
    """Return which containers there are, and since when they run."""
    return {
        service: "%s %s" % (found["Id"], found["State"]["StartedAt"])
        for service in ("rest", "other", "filed", "alone")
        for found in [place.container(service)]
    }


def test_a_setting_of_the_database_is_that_instances_alone(configure: Any, place: Place) -> None:
    before, text = identifiers(place), place.path().read_bytes()
    limited = {"settings": {"db-max-rows": 2}, "place": "database", **place.connection()}
    shown = configure("rest", check=True, **limited)
    assert (shown["changed"], shown["needs"], shown["reloaded"]) == (True, "reload config", False)
    assert shown["changes"] == ["db-max-rows of role authenticator in database app_db"]
    assert place.rows("rest") == 8
    result = configure("rest", **limited)
    assert (result["changed"], result["needs"], result["reloaded"], result["pending"]) == (
        True, "reload config", True, False,
    )  # fmt: skip
    assert result["diff"] == shown["diff"]
    eventually("the limit counts", lambda: place.rows("rest") == 2)
    assert place.rows("other") == 9
    assert place.server.sql("postgres", "SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = 0") == "0"
    again = configure("rest", **limited)
    assert (again["changed"], again["reloaded"], again["needs"]) == (False, False, "nothing")
    # The environment wouldn't count.
    refused = configure("rest", settings={"db-max-rows": 5}, place="environment", **place.connection())
    assert refused["failed"] and "is set in the database app_db too, which wins" in refused["msg"]
    # Where it lives it is changed, and taken away.
    assert configure("rest", settings={"db-max-rows": 4}, **place.connection())["reloaded"]
    eventually("the new limit counts", lambda: place.rows("rest") == 4)
    gone = configure("rest", settings={"db-max-rows": None}, place="database", **place.connection())
    assert gone["reloaded"]
    eventually("the env file's limit counts again", lambda: place.rows("rest") == 8)
    assert place.server.sql("postgres", "SELECT count(*) FROM pg_db_role_setting") == "0"
    assert (identifiers(place), place.path().read_bytes()) == (before, text)


def test_a_schema_more_is_served_after_a_reload_of_settings_and_schema(configure: Any, place: Place) -> None:
    served = {"settings": {"db-schemas": "public,reports"}, "place": "database", **place.connection()}
    assert place.get("rest", "/monthly", **{"Accept-Profile": "reports"}).status_code == 406
    result = configure("rest", **served)
    assert (result["needs"], result["reloaded"], result["pending"]) == ("reload schema", True, False)
    eventually(
        "it is served", lambda: place.get("rest", "/monthly", **{"Accept-Profile": "reports"}).status_code == 200
    )
    assert place.get("other", "/monthly", **{"Accept-Profile": "reports"}).status_code == 406
    assert configure("rest", settings={"db-schemas": None}, **place.connection())["changed"]
    eventually(
        "it is served no more",
        lambda: place.get("rest", "/monthly", **{"Accept-Profile": "reports"}).status_code == 406,
    )


def test_a_setting_of_the_file_counts_after_a_signal(configure: Any, place: Place) -> None:
    before, text = identifiers(place), place.path("conf/api.conf").read_text()
    result = configure("filed", settings={"db-max-rows": 3}, place="file")
    assert (result["changed"], result["needs"], result["reloaded"], result["pending"]) == (
        True, "reload config", True, False,
    )  # fmt: skip
    assert result["path_written"] == str(place.path("conf/api.conf"))
    assert place.path("conf/api.conf").read_text() == text + "db-max-rows = 3\n"
    eventually("the limit counts", lambda: place.rows("filed") == 3)
    again = configure("filed", settings={"db-max-rows": 3})
    assert (again["changed"], again["reloaded"], again["needs"]) == (False, False, "nothing")
    # Where it lives it is changed, with the server's message this time; and the schemas need both.
    result = configure("filed", settings={"db-max-rows": None, "db-schemas": "public, reports"}, **place.connection())
    assert (result["needs"], result["reloaded"]) == ("reload schema", True)
    eventually("the limit is gone", lambda: place.rows("filed") == 9)
    eventually(
        "the schema is there",
        lambda: place.get("filed", "/monthly", **{"Accept-Profile": "reports"}).status_code == 200,
    )
    assert place.path("conf/api.conf").read_text() == text.replace('"public"', '"public, reports"')
    assert identifiers(place) == before


def test_what_no_reload_brings_is_pending_until_a_new_start(configure: Any, place: Place) -> None:
    for service, settings in (("filed", {"db-pool": 3}), ("alone", {"db-max-rows": 3})):
        assert configure(service, check=True, settings=settings, place="file")["pending"]
        for _run in range(2):
            result = configure(service, settings=settings, place="file")
            assert (result["pending"], result["needs"], result["reloaded"]) == (True, "new container", False)
        place.compose("restart", "--timeout", "0", service)
        result = configure(service, settings=settings, place="file")
        assert (result["changed"], result["pending"], result["needs"]) == (False, False, "nothing")
    place.ready("alone")
    assert place.rows("alone") == 3


def test_a_setting_of_an_env_file_needs_a_new_container(configure: Any, place: Place, tmp_path: pathlib.Path) -> None:
    text = place.path("rest.env").read_text()
    journal = tmp_path / "journal"
    wanted = {"settings": {"db-max-rows": 6, "jwt-secret": "${NEW_SECRET}"}}
    result = configure("rest", journal=str(journal), **wanted)
    assert (result["changed"], result["pending"], result["needs"]) == (True, True, "new container")
    assert result["changes"] == [str(place.path("rest.env"))]
    assert place.path("rest.env").read_text() == text.replace("'%s'" % SECRET, '"${NEW_SECRET}"').replace("=8", "=6")
    assert [json.loads(line)["kind"] for line in journal.read_text().splitlines()] == ["containers", "file"]
    again = configure("rest", **wanted)
    assert (again["changed"], again["pending"]) == (False, True)
    place.path("rest.env").write_text(text)
    assert not configure("rest")["pending"]


def test_a_rollback_takes_back_what_the_database_and_the_file_were_told(
    configure: Any, call: Any, place: Place, tmp_path: pathlib.Path
) -> None:
    journal = str(tmp_path / "journal")
    text = place.path("conf/api.conf").read_bytes()
    for service, where in (("other", "database"), ("filed", "file")):
        settings = {"settings": {"db-max-rows": 1}, "place": where}
        assert configure(service, journal=journal, **settings, **place.connection())["changed"]
        eventually("the limit counts", lambda service=service: place.rows(service) == 1)
    undone = call("isolation_journal", journal=journal, state="undone", **place.connection())
    assert undone["changed"] and not undone["left"], undone
    for service in ("other", "filed"):
        place.ready(service)
        eventually("there is no limit", lambda service=service: place.rows(service) == 9)
    assert place.path("conf/api.conf").read_bytes() == text
    assert place.server.sql("postgres", "SELECT count(*) FROM pg_db_role_setting") == "0"


def test_a_secret_in_the_database_is_warned_about_and_not_journalled(
    configure: Any, place: Place, tmp_path: pathlib.Path
) -> None:
    told = {"place": "database", **place.connection()}
    result = configure("other", settings={"jwt-secret": SECRET}, **told)
    assert "Every role of the server can read" in json.dumps(result["warnings"])
    refused = configure("other", settings={"jwt-secret": OTHER_SECRET}, journal=str(tmp_path / "journal"), **told)
    assert refused["failed"] and "a journal holds no secrets" in refused["msg"]
    assert configure("other", settings={"jwt-secret": None}, **told)["changed"]
    assert place.server.sql("postgres", "SELECT count(*) FROM pg_db_role_setting") == "0"


def test_a_role_that_may_not_set_it_changes_nothing(configure: Any, place: Place) -> None:
    login = {"login_user": "authenticator", "login_password": PASSWORD, "login_db": "app_db"}
    text = place.path().read_bytes()
    refused = configure("rest", settings={"db-plan-enabled": True}, place="database", **place.connection(), **login)
    assert refused["failed"] and "permission denied" in refused["msg"], refused
    assert place.path().read_bytes() == text


def test_bad_input_is_refused_with_its_cause_and_nothing_is_written(configure: Any, place: Place) -> None:
    files = [place.path(name) for name in ("compose.yml", "rest.env", "conf/api.conf", "alone.conf")]
    before = [path.read_bytes() for path in files]
    for says, service, options in (
        ("Did you mean db-max-rows?", "rest", {"settings": {"db-max-row": 5}}),
        ("PostgREST 14 has no setting jwt-cache-max-lifetime", "rest", {"settings": {"jwt-cache-max-lifetime": 5}}),
        ("shorter than 32", "filed", {"settings": {"jwt-secret": "short"}}),
        ("has no service rset", "rset", {"settings": {"db-max-rows": 5}}),
        ("has none", "other", {"settings": {"db-max-rows": 5}, "place": "env_file"}),
        ("no server is named", "other", {"settings": {"db-max-rows": 5}, "place": "database"}),
        ("doesn't take db-pool from the database", "rest", {"settings": {"db-pool": 5}, "place": "database"}),
    ):
        refused = configure(service, version=14, **options)
        assert refused.get("failed") and says in refused["msg"], refused
    assert [path.read_bytes() for path in files] == before


def test_only_the_parts_of_the_uri_that_are_asked_for_change(configure: Any, place: Place) -> None:
    for service, changed in (("other", "compose.yml"), ("filed", "conf/api.conf")):
        before = place.path(changed).read_text()
        result = configure(service, database="third_db", user="api", host="db2", backup=True)
        assert (result["changes"], result["needs"]) == ([str(place.path(changed))], "new container")
        old = f"authenticator:{PASSWORD}@{place.server.name}:5432/{'other_db' if service == 'other' else 'app_db'}"
        assert before.count(old) == 1
        assert place.path(changed).read_text() == before.replace(old, f"api:{PASSWORD}@db2:5432/third_db")
        place.path(changed).write_text(before)


def test_one_look_at_each_container_and_no_request_that_writes(
    place: Place, environment: dict[str, str], tmp_path: pathlib.Path
) -> None:
    program = tmp_path / "count.py"
    program.write_text(COUNTING)
    variables = dict(environment, PYTHONPATH=environment["ANSIBLE_COLLECTIONS_PATH"])
    for service, more in (
        ("rest", {"settings": {"db-max-rows": 8}}),
        ("filed", {"settings": {"db-anon-role": "anon"}, "place": "file"}),
        ("other", {"settings": {"db-anon-role": "anon"}, **place.connection()}),
    ):
        options = json.dumps({"path": str(place.path()), "service": service, **more})
        done = subprocess.run(
            [sys.executable, str(program), options], env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        counted = json.loads(done.stdout)
        assert counted["changed"] is False
        looks = [name for _method, name in counted["asked"] if re.search(r"/containers/[^/]+/json\Z", name)]
        # The server's own container is looked at to find its address.
        assert len([name for name in looks if place.server.name not in name]) == 1, counted["asked"]
        assert {method for method, _name in counted["asked"]} == {"GET"}


COUNTING = """
import json, sys
import requests
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import COMPOSE_FILE_SPEC, CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.modules import postgrest_config
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.settings import parse

asked = []
send = requests.Session.send

def counting(self, request, **more):
    asked.append((request.method, request.path_url.split("?")[0]))
    return send(self, request, **more)

requests.Session.send = counting
own = ("extends", "container_name", "config_file", "version", "database", "user", "host", "ready_url")
options = {name: spec.get("default") for name, spec in {**CONNECTION_SPEC, **COMPOSE_FILE_SPEC}.items()}
options.update(dict.fromkeys(own), place="auto", state="present", ready_timeout=1)
options.update(json.loads(sys.argv[1]))
result = postgrest_config.run(options, parse(options["settings"]), False)
print(json.dumps({"changed": result["changed"], "asked": asked}))
"""
