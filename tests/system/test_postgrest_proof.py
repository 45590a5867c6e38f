# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way in which an instance can fail to serve, planted for real: the message names the cause, and what mends it."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import subprocess
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from .conftest import eventually

POSTGRES_IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
POSTGREST_IMAGE = os.environ.get("BULKHEAD_POSTGREST_IMAGE", "bulkhead/postgrest-double:1")
NGINX_IMAGE = "bulkhead/nginx:1"
PASSWORD = "only-for-this-proof"
SECRET = "a-secret-of-more-than-thirty-two-characters"
# Kept out of what the proof shows, wherever it stands.
SECRETS = (PASSWORD, SECRET, "wrong-on-purpose")

SETUP = f"""
CREATE ROLE anon NOLOGIN;
CREATE ROLE service_role NOLOGIN BYPASSRLS;
CREATE ROLE reader_of_nothing NOLOGIN;
CREATE ROLE never_granted NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD '{PASSWORD}';
GRANT anon, service_role, reader_of_nothing TO authenticator;
CREATE DATABASE app_db;
CREATE DATABASE closed_db;
REVOKE CONNECT ON DATABASE closed_db FROM PUBLIC;
"""
TABLES = """
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO anon, service_role;
CREATE TABLE fruits (id int PRIMARY KEY);
CREATE TABLE hidden (id int);
REVOKE ALL ON hidden FROM anon;
"""
GATEWAY = """
server {
    listen 80;
    resolver 127.0.0.11;
    location ~ ^/to/(?<instance>[a-z0-9-]+)/(?<asked>.*)$ {
        if ($http_apikey = "") { return 401 "no key"; }
        proxy_pass http://$instance:3000/$asked$is_args$args;
    }
}
"""


def jwt(claims: dict[str, Any], secret: str = SECRET) -> str:
    """Return a signed token."""

    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    text = ".".join(part(json.dumps(piece).encode()) for piece in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{part(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}"


KEYS = {
    "SERVICE": jwt({"role": "service_role"}),
    "FORGED": jwt({"role": "service_role"}, "another-secret-of-more-than-thirty-two"),
    "EXPIRED": jwt({"role": "service_role", "exp": 1700000000}),
    "GHOST": jwt({"role": "ghost_of_a_key"}),
    "NEVER": jwt({"role": "never_granted"}),
    "READER": jwt({"role": "reader_of_nothing"}),
}


def docker(*arguments: str) -> str:
    """Run a docker command; return its output."""
    return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Place:
    """A network with a server, a gateway and instances; what the tests ask the modules about."""

    def __init__(self, folder: pathlib.Path, start_server: Any) -> None:
        self.network = f"bulkhead-test-{uuid.uuid4().hex[:8]}"
        self.made: list[str] = []
        docker("network", "create", "--label", "bulkhead.test=true", self.network)
        self.server = start_server(POSTGRES_IMAGE, "--network", self.network)
        self.server.script("postgres", SETUP)
        self.server.script("app_db", TABLES)
        (folder / "gateway.conf").write_text(GATEWAY)
        mount = f"{folder / 'gateway.conf'}:/etc/nginx/conf.d/default.conf:ro"
        self.gateway = self.run(NGINX_IMAGE, "-v", mount)
        self.keys = folder / "keys.env"
        self.keys.write_text("".join(f"{name}={value}\n" for name, value in KEYS.items()))

    def run(self, image: str, *options: str) -> str:
        """Start a container; return its name."""
        name = f"bulkhead-test-{uuid.uuid4().hex[:8]}"
        self.made.append(name)
        docker(
            "run", "-d", "--name", name, "--label", "bulkhead.test=true", "--network", self.network, *options, image
        )  # fmt: skip
        return name

    def instance(self, *options: str, user: str = "authenticator", database: str = "app_db", **settings: str) -> str:
        """Start an instance; return its container."""
        password = settings.pop("password", PASSWORD)
        environment = {
            "db_uri": f"postgres://{user}:{password}@{self.server.name}:5432/{database}",
            "db_anon_role": "anon",
            "jwt_secret": SECRET,
            "admin_server_port": "3001",
            **settings,
        }
        words = [
            word for name, value in environment.items() if value for word in ("-e", f"PGRST_{name.upper()}={value}")
        ]
        return self.run(POSTGREST_IMAGE, *words, *options)

    def address(self, name: str) -> str:
        """Return a container's address."""
        return docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)

    def status(self, name: str, port: int, path: str) -> int:
        """Ask an instance itself; return the answer's status."""
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"http://{self.address(name)}:{port}{path}", timeout=5).status_code

    def live(self, name: str) -> str:
        """Return the name when the instance is alive."""
        eventually("it is alive", lambda: self.status(name, 3001, "/live") == 200)
        return name

    def ready(self, name: str) -> str:
        """Return the name when the instance serves its database."""
        eventually("it is ready", lambda: self.status(name, 3001, "/ready") == 200)
        return name

    def url(self, name: str, path: str = "fruits?limit=1") -> str:
        """Return the URL of a request through the gateway."""
        return f"http://{self.address(self.gateway)}/to/{name}/{path}"

    def options(self, name: str, key: str = "SERVICE", **options: Any) -> dict[str, Any]:
        """Return the options of a proof."""
        return {
            "container": self.server.name,
            "instance": name,
            "database": "app_db",
            "url": self.url(name),
            "apikey_file": str(self.keys),
            "apikey_variable": key,
            # What is planted stays: one look is enough.
            "timeout": 0,
            **options,
        }

    def remove(self) -> None:
        """Take it all away, but for the server, which its fixture removes: it is taken off the network."""
        if self.made:
            docker("rm", "-f", "-v", *self.made)
        subprocess.run(["docker", "network", "disconnect", "-f", self.network, self.server.name], check=True)
        docker("network", "rm", self.network)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[Place]:
    """Build it once for all tests."""
    made = Place(tmp_path_factory.mktemp("place"), start_server)
    try:
        yield made
    finally:
        made.remove()


LOOPS: list[tuple[dict[str, str], str, str]] = [
    (
        {"password": "wrong-on-purpose"},
        "the server refuses the password of role authenticator",
        "Correct the variable of db-uri",
    ),
    ({"user": "nobody_here"}, "role nobody_here, as which it logs in, doesn't exist", "CREATE ROLE"),
    ({"jwt_secret": "short"}, "jwt-secret is shorter than 32", "openssl rand"),
    ({"admin_server_port": "3000"}, "admin-server-port is its server-port", "Set another one"),
]


@pytest.fixture(scope="module", autouse=True)
def loops(place: Place) -> list[str]:
    """Start what ends again and again, before all else: the engine waits longer each time."""
    return [place.instance("--restart", "always", **settings) for settings, _cause, _remedy in LOOPS]


@pytest.fixture(scope="module")
def rest(place: Place) -> str:
    """Return an instance that serves app_db."""
    return place.ready(place.instance())


def failure(result: dict[str, Any], step: str) -> str:
    """Return the message of a proof that failed at a step, without secrets."""
    assert result.get("failed"), result
    told = json.dumps(result)
    for secret in (*SECRETS, *KEYS.values()):
        assert secret not in told.replace(json.dumps(result.get("invocation")), "")
    assert result["failed_step"] == step, result["msg"]
    return str(result["msg"])


def test_all_well(call: Any, place: Place, rest: str) -> None:
    url = place.url(rest)
    options = place.options(rest, table="fruits", anonymous_url=url, anonymous_apikey_variable="FORGED", timeout=20)
    result = call("postgrest_probe_info", **options)
    assert result.get("failed") is not True, result["msg"]
    assert (result["changed"], result["admin"], result["warnings_found"]) == (False, "present", [])
    assert [(step["name"], step["seen"]) for step in result["steps"]] == [
        ("container", "running"),
        ("live", "200"),
        ("ready", "200"),
        ("anonymous", "200"),
        ("anonymous", "200"),
        ("key", "200"),
        ("sessions", "app_db"),
    ]


def test_it_waits_for_an_instance_that_has_only_begun(call: Any, place: Place) -> None:
    result = call("postgrest_probe_info", **place.options(place.instance(), timeout=20))
    assert result.get("failed") is not True, result["msg"]


def test_without_an_admin_server_it_says_so_and_proves_the_rest(call: Any, place: Place) -> None:
    name = place.instance(admin_server_port="")
    result = call("postgrest_probe_info", **place.options(name, timeout=20))
    assert result.get("failed") is not True, result["msg"]
    assert result["admin"] == "absent"
    assert "postgrest_config: {settings: {admin-server-port: 3001}}" in result["warnings_found"][0]
    assert [step["name"] for step in result["steps"]] == ["container", "key", "sessions"]


def test_an_instance_that_was_stopped(call: Any, place: Place) -> None:
    name = place.live(place.instance())
    docker("stop", name)
    message = failure(call("postgrest_probe_info", **place.options(name)), "container")
    assert "isn't running: it is exited" in message
    missing = call("postgrest_probe_info", **place.options(name, instance=name + "x"))
    assert f"Did you mean {name}?" in missing["msg"]


@pytest.mark.parametrize(
    ("settings", "cause", "remedy"),
    [
        ({"database": "nowhere"}, "database nowhere, which its db-uri names, doesn't exist", "pg_database_isolate"),
        (
            {"db_schemas": "public,no_such_schema"},
            "schema no_such_schema, which db-schemas of its environment names, doesn't exist in database app_db",
            'CREATE SCHEMA "no_such_schema"',
        ),
        (
            {"database": "closed_db"},
            "role authenticator may not connect to database closed_db",
            'GRANT CONNECT ON DATABASE "closed_db" TO "authenticator"',
        ),
    ],
)
def test_an_instance_that_is_not_ready(
    call: Any, place: Place, settings: dict[str, str], cause: str, remedy: str
) -> None:
    name = place.live(place.instance(**settings))
    options = place.options(name, database=settings.get("database", "app_db"))
    message = failure(call("postgrest_probe_info", **options), "ready")
    assert "isn't ready (/ready: 503)" in message
    assert cause in message
    assert remedy in message
    # Without an admin server the request says the same.
    name = place.instance(admin_server_port="", **settings)
    eventually("it is alive", lambda: place.status(name, 3000, "/fruits") == 503)
    message = failure(call("postgrest_probe_info", **dict(options, instance=name, url=place.url(name))), "key")
    assert "503" in message
    assert cause in message


@pytest.mark.parametrize(
    ("settings", "table", "cause", "remedy"),
    [
        (
            {"db_anon_role": "ghost"},
            "fruits",
            "role ghost, which db-anon-role names, doesn't exist",
            'GRANT "ghost" TO "authenticator"',
        ),
        (
            {"db_anon_role": "never_granted"},
            "fruits",
            "role never_granted, which db-anon-role names, isn't granted to authenticator",
            'GRANT "never_granted" TO "authenticator" mends it',
        ),
        ({"db_anon_role": ""}, "fruits", "it has no anonymous role", "Set db-anon-role"),
        ({}, "hidden", "role anon may not read table public.hidden", 'GRANT SELECT ON "public"."hidden" TO "anon"'),
        ({}, "nowhere", "there is no table public.nowhere in database app_db", "Create it"),
    ],
)
def test_the_anonymous_role(
    call: Any, place: Place, rest: str, settings: dict[str, str], table: str, cause: str, remedy: str
) -> None:
    name = place.ready(place.instance(**settings)) if settings else rest
    step = "cache" if table == "nowhere" else "anonymous"
    message = failure(call("postgrest_probe_info", **place.options(name, table=table)), step)
    assert "a request without a token" in message
    assert cause in message
    assert remedy in message


@pytest.mark.parametrize(
    ("key", "cause", "remedy"),
    [
        ("FORGED", "the key isn't signed with its jwt-secret", "Take the key that belongs to that secret"),
        ("EXPIRED", "the key has expired since 2023-11-14T22:13:20Z", "Make a new one"),
        ("GHOST", "role ghost_of_a_key, which the key names, doesn't exist", "CREATE ROLE"),
        ("NEVER", "role never_granted, which the key names, isn't granted to authenticator", "GRANT"),
        ("READER", "role reader_of_nothing may not read table public.fruits", "GRANT SELECT ON"),
    ],
)
def test_the_key(call: Any, place: Place, rest: str, key: str, cause: str, remedy: str) -> None:
    # One that has expired stays so: it isn't waited for.
    timeout = 600 if key == "EXPIRED" else 0
    message = failure(call("postgrest_probe_info", **place.options(rest, key, timeout=timeout)), "key")
    assert "a request with the key" in message
    assert cause in message
    assert remedy in message


@pytest.mark.parametrize(
    ("fault", "cause", "remedy"),
    [
        ("no-route", "The gateway has no such route (404)", "Add it with gateway_route"),
        ("no-key", "The gateway refuses the key (401)", "the key that the gateway knows"),
        ("no-upstream", "The gateway doesn't reach the instance (502)", "Compare the route's host and port"),
        ("down", "Nobody answers at http://", "whether the gateway runs"),
    ],
)
def test_the_gateway(call: Any, place: Place, rest: str, fault: str, cause: str, remedy: str) -> None:
    gateway = f"http://{place.address(place.gateway)}"
    options = place.options(rest)
    if fault == "no-route":
        options["url"] = f"{gateway}/elsewhere/fruits"
    elif fault == "no-key":
        del options["apikey_file"], options["apikey_variable"]
    elif fault == "no-upstream":
        options["url"] = f"{gateway}/to/nobody-of-this-name/fruits"
    else:
        options["url"] = f"{gateway}:81/fruits"
    message = failure(call("postgrest_probe_info", **options), "key")
    assert cause in message
    assert remedy in message
    assert f"Instance {rest} itself answers." in message


@pytest.mark.parametrize("path", ["fruits", "only_elsewhere"])
def test_an_instance_on_another_database(call: Any, place: Place, rest: str, path: str) -> None:
    options = place.options(rest, database="postgres", url=place.url(rest, path))
    message = failure(call("postgrest_probe_info", **options), "sessions")
    assert "is connected to app_db, not to postgres: its db-uri says so" in message
    assert "a restart keeps the environment" in message


def test_a_table_that_was_just_made(call: Any, place: Place, rest: str) -> None:
    place.server.sql("app_db", "CREATE TABLE vegetables (id int)")
    probe = place.options(rest, url=place.url(rest, "vegetables"))
    message = failure(call("postgrest_probe_info", **probe), "cache")
    assert "its schema cache doesn't know table public.vegetables, which is there" in message
    assert "postgrest_reload" in message
    options = {"container": place.server.name, "instance": rest, "wait_for_table": "vegetables"}
    checked = call("postgrest_reload", check=True, **options)
    assert (checked["changed"], checked["sent"]) == (True, 0)
    assert "cache" in failure(call("postgrest_probe_info", **probe), "cache")
    done = call("postgrest_reload", **options)
    assert (done["changed"], done["changes"]) == (True, [f"schema cache of {rest}"])
    assert done["diff"] == checked["diff"]
    assert place.status(rest, 3000, "/vegetables") == 200
    again = call("postgrest_reload", **options)
    assert (again["changed"], again["sent"]) == (False, 0)
    # As somebody who may not read it, and through the gateway.
    place.server.sql("app_db", "CREATE TABLE roots (id int); REVOKE ALL ON roots FROM anon")
    assert call("postgrest_reload", **dict(options, wait_for_table="public.roots"))["changed"] is True
    assert place.status(rest, 3000, "/roots") == 401
    through = place.options(rest, wait_for_table="roots", url=place.url(rest, "roots"))
    assert call("postgrest_reload", **through)["changed"] is False


def test_a_message_that_is_lost_is_sent_again(call: Any, place: Place) -> None:
    name = place.ready(place.instance())
    address = place.address(name)
    place.server.sql("app_db", "CREATE TABLE herbs (id int)")
    # Nobody listens any more, and for a while nobody can again.
    place.server.sql("app_db", "ALTER ROLE authenticator CONNECTION LIMIT 0")
    listens = f"host(client_addr) = '{address}' AND query LIKE 'LISTEN%'"
    found: dict[str, Any] = {}

    def reload() -> None:
        found.update(
            call("postgrest_reload", container=place.server.name, instance=name, wait_for_table="herbs", timeout=60)
        )

    worker = threading.Thread(target=reload)
    try:
        ended = place.server.sql(
            "app_db", f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {listens}"
        )
        if ended == "0":
            # The last thing that its session said is how it read the schema.
            listens = f"host(client_addr) = '{address}' AND application_name LIKE 'PostgREST%'"
            place.server.sql("app_db", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listens}")
        worker.start()
        said = "SELECT query_start FROM pg_stat_activity WHERE application_name LIKE 'bulkhead/%'"
        said += " AND query LIKE '%pg_notify%'"
        first = eventually("the first message is sent", lambda: place.server.sql("app_db", said))
        # Who comes back reads the schema by itself: not before it has missed two.
        eventually("the second one is sent", lambda: place.server.sql("app_db", said) not in ("", first))
    finally:
        place.server.sql("app_db", "ALTER ROLE authenticator CONNECTION LIMIT -1")
    worker.join()
    assert found.get("failed") is not True, found["msg"]
    assert found["sent"] > 1
    assert place.status(name, 3000, "/herbs") == 200


def test_what_a_reload_can_not_mend(call: Any, place: Place, rest: str) -> None:
    options = {"container": place.server.name, "instance": rest, "wait_for_table": "no_such_table", "timeout": 1}
    assert "There is no table public.no_such_table in database app_db" in call("postgrest_reload", **options)["msg"]
    elsewhere = call("postgrest_reload", database="postgres", **options)
    assert "serves database app_db, and wouldn't hear a message in postgres" in elsewhere["msg"]
    waiting = place.live(place.instance(db_schemas="public,not_made_yet"))
    message = call("postgrest_reload", **dict(options, instance=waiting, wait_for_table="fruits"))["msg"]
    assert "hears none meanwhile; schema not_made_yet" in message
    assert f"`docker restart {waiting}`" in message


def test_settings_are_read_again_as_well(call: Any, place: Place) -> None:
    name = place.ready(place.instance())
    place.server.script(
        "app_db", "CREATE SCHEMA api; GRANT USAGE ON SCHEMA api TO anon; CREATE TABLE api.tools (id int);"
    )
    options = {"container": place.server.name, "instance": name, "wait_for_table": "api.tools"}
    refused = call("postgrest_reload", **options)
    assert "PGRST106" in refused["msg"]
    place.server.sql("app_db", "ALTER ROLE authenticator IN DATABASE app_db SET pgrst.db_schemas = 'public, api'")
    try:
        done = call("postgrest_reload", reload=["schema", "config"], **options)
        assert done.get("failed") is not True, done["msg"]
        assert done["changes"] == [f"settings of {name}", f"schema cache of {name}"]
    finally:
        place.server.sql("app_db", "ALTER ROLE authenticator IN DATABASE app_db RESET pgrst.db_schemas")


@pytest.mark.parametrize("number", range(len(LOOPS)))
def test_an_instance_that_ends_again_and_again(call: Any, place: Place, loops: list[str], number: int) -> None:
    _settings, cause, remedy = LOOPS[number]
    form = "{{.State.Status}} {{.RestartCount}}"
    eventually(
        "it loops", lambda: re.match(r"restarting ([6-9]|\d\d)", docker("inspect", "--format", form, loops[number]))
    )

    def between_two_starts() -> str:
        """Ask; return the message, or nothing where it ran at that moment: that is told in other words."""
        result = call("postgrest_probe_info", **place.options(loops[number]))
        message = failure(result, result["failed_step"])
        assert re.search(r"was started again \d+ times", message)
        assert cause in message
        assert remedy in message
        return message if result["failed_step"] == "container" else ""

    message = eventually("it is asked between two starts", between_two_starts)
    assert re.search(r"ends with status 1, and was started again \d+ times", message)
