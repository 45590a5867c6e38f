# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that postgrest_probe_info gives: its steps, and why one of them fails."""

import base64
import json
from dataclasses import replace
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import VerificationError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.diagnosis import (
    Case,
    Facts,
    Question,
    role_of,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.process import Process, scrubbed, table_in
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import (
    Proof,
    Reply,
    Step,
    Wanted,
    judge,
    prove,
    wait_for,
)

URL = "http://gateway:8000/archon/rest/v1/fruits?limit=1"
SETTINGS = {
    "PGRST_DB_URI": "postgres://authenticator:s3cret-of-db@db:5432/archon_db",
    "PGRST_DB_SCHEMAS": "public, api",
    "PGRST_DB_ANON_ROLE": "anon",
    "PGRST_JWT_SECRET": "a-secret-of-more-than-thirty-two-characters",
    "PGRST_ADMIN_SERVER_PORT": "3001",
}
ROLES = frozenset({"anon", "service_role"})


def token(claims: Any) -> str:
    """Return a token that nobody signed."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return "eyJhbGciOiJIUzI1NiJ9.%s.c2lnbmF0dXJl" % payload


KEY = token({"role": "service_role", "exp": 1700000000})
WANTED = Wanted("archon_db", URL, KEY)


def process(status: str = "running", exit_code: int = 0, **settings: Optional[str]) -> Process:
    """Return an instance's container; a setting of None is left out."""
    merged = {name: value for name, value in {**SETTINGS, **settings}.items() if value is not None}
    return Process("rest-archon", status, exit_code, 3, "2026-11-23T10:00:00", ("172.18.0.4",), merged)


def steady(**settings: Optional[str]) -> Process:
    """Return one that was never started again."""
    return replace(process(**settings), restarts=0)


def facts(**differs: Any) -> Facts:
    """Return what the catalogues say where nothing is missing, but for what differs."""
    known: Dict[str, Any] = {
        "schemas": ("public", "api"),
        "anonymous_role": "anon",
        "roles": ROLES,
        "granted": ROLES,
        "there": frozenset({"public", "api"}),
        "homes": ("public",),
    }
    return Facts(**{**known, **differs})


def case(log: str = "", running: Optional[Process] = None, **differs: Any) -> Case:
    """Return all that is known of an instance, but for what differs."""
    return Case(running or process(), Question("archon_db", "fruits", "", "service_role"), facts(**differs), log)


def at(name: str, status: int, code: str = "", message: str = "", by_gateway: Optional[bool] = None) -> Step:
    """Return a step that failed with an answer."""
    body = {"code": code, "message": message} if code else {}
    reply = Reply(status, body)
    return Step(name, False, reply.seen(), URL, reply, name == "key" if by_gateway is None else by_gateway)


NOT_READY = at("ready", 503)
RETRYING = at("key", 503, "PGRST002", "Could not query the database for the schema cache. Retrying.")
REFUSED = Step("live", False, "Connection refused", URL, Reply(0, {}, "Connection refused"))


# The table of what the real server does, with what is missing behind each row.
@pytest.mark.parametrize("step", [NOT_READY, RETRYING], ids=["ready", "key"])
@pytest.mark.parametrize(
    ("differs", "cause", "remedy"),
    [
        ({"has_database": False}, "database archon_db, which its db-uri names, doesn't exist", "pg_database_isolate"),
        ({"has_login": False}, "role authenticator, as which it logs in, doesn't exist", "LOGIN NOINHERIT"),
        (
            {"can_login": False},
            "authenticator, as which it logs in, may not log in",
            'ALTER ROLE "authenticator" LOGIN',
        ),
        ({"has_expired": True}, "the password of role authenticator has expired", "VALID UNTIL"),
        ({"may_connect": False}, "may not connect to database archon_db", 'GRANT CONNECT ON DATABASE "archon_db"'),
        ({"there": frozenset({"public"})}, "schema api, which db-schemas of its environment names", "CREATE SCHEMA"),
        (
            {"there": frozenset({"public"}), "in_database": frozenset({"db-schemas"})},
            "schema api, which db-schemas of the database's own settings names",
            "SET pgrst.db_schemas",
        ),
        ({}, "it can't read database archon_db; its log ends with: 57P03 starting up", "docker logs"),
    ],
)
def test_a_schema_cache_that_can_not_be_read_has_its_cause(
    step: Step, differs: Dict[str, Any], cause: str, remedy: str
) -> None:
    name, why = judge(step, WANTED, case("57P03 starting up", **differs))
    assert name == step.name
    assert cause in why.why
    assert remedy in why.remedy


def test_a_uri_that_can_not_be_read_is_the_cause_and_is_not_shown() -> None:
    running = process(PGRST_DB_URI="postgres://authenticator:hid@den@db:5432/archon_db")
    _name, why = judge(NOT_READY, WANTED, case(running=running, has_database=False))
    assert "its password holds an @ that isn't encoded" in why.why
    assert "hid" not in why.why + why.remedy


@pytest.mark.parametrize(
    ("log", "differs", "settings", "cause", "remedy"),
    [
        ('FATAL: password authentication failed for user "authenticator"', {}, {}, "refuses the password", "env file"),
        ("x", {"has_login": False}, {}, "role authenticator, as which it logs in, doesn't exist", "CREATE ROLE"),
        ("x", {"can_login": False}, {}, "may not log in", "LOGIN"),
        ("no pg_hba.conf entry for host", {}, {}, "pg_hba.conf doesn't let role authenticator", "reload the server"),
        ("The JWT secret must be at least 32 characters long.", {}, {}, "shorter than 32", "openssl rand"),
        ("x", {}, {"PGRST_SERVER_PORT": "3001"}, "admin-server-port is its server-port", "another"),
        ("cannot listen on port 3000: Address already in use", {}, {}, "its port is in use", "server-port"),
        ("something else", {}, {}, "its log ends with: something else", "docker logs --tail 50 rest-archon"),
    ],
)
@pytest.mark.parametrize("status", ["restarting", "exited", "running"])
def test_a_process_that_ends_says_why(
    log: str, differs: Dict[str, Any], settings: Dict[str, Any], cause: str, remedy: str, status: str
) -> None:
    running = process(status, 1, **settings)
    step = REFUSED if status == "running" else Step("container", False, status)
    name, why = judge(step, WANTED, case(log, running, **differs))
    assert name == step.name
    assert cause in why.why
    assert remedy in why.remedy


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("restarting", "ends with status 1, and was started again 3 times"),
        ("exited", "it is exited since 2026-11-23T10:00:00, with exit status 1"),
        ("created", "was never started"),
        ("paused", "it is paused"),
    ],
)
def test_a_container_says_its_state(status: str, says: str) -> None:
    why = judge(Step("container", False, status), WANTED, case("x", process(status, 1)))[1]
    assert says in why.why


NO_ROLE = 'role "%s" does not exist'
SET_ROLE = 'permission denied to set role "%s"'
NO_RIGHT = "permission denied for table fruits"


@pytest.mark.parametrize(
    ("step", "differs", "cause", "remedy"),
    [
        (
            at("anonymous", 401, "22023", NO_ROLE % "anon"),
            {"roles": frozenset()},
            "role anon, which db-anon-role names, doesn't exist",
            'GRANT "anon" TO "authenticator"',
        ),
        (
            at("anonymous", 401, "42501", SET_ROLE % "anon"),
            {"granted": frozenset()},
            "role anon, which db-anon-role names, isn't granted to authenticator",
            'GRANT "anon" TO "authenticator"',
        ),
        (at("anonymous", 401, "PGRST302"), {}, "it has no anonymous role", "db-anon-role"),
        (
            at("anonymous", 401, "42501", NO_RIGHT),
            {"without_select": frozenset({"anon"})},
            "role anon may not read table public.fruits",
            'GRANT SELECT ON "public"."fruits" TO "anon"',
        ),
        (
            at("anonymous", 401, "42501", "permission denied for schema public"),
            {"without_usage": frozenset({"anon"})},
            "role anon may not use schema public",
            'GRANT USAGE ON SCHEMA "public" TO "anon"',
        ),
        (at("key", 401, "22023", NO_ROLE % "service_role"), {}, "service_role, which the key names", "CREATE ROLE"),
        (at("key", 401, "22023", ""), {"roles": frozenset()}, "service_role, which the key names", "CREATE ROLE"),
        (at("key", 403, "42501", ""), {"granted": frozenset()}, "service_role, which the key names, isn't", "GRANT"),
        (at("key", 403, "42501", "for function f"), {}, "role service_role lacks a right (42501: for function f)", ""),
        (at("key", 401, "PGRST301"), {}, "the key isn't signed with its jwt-secret", "postgrest_config"),
        (at("key", 401, "PGRST303", "JWT expired"), {}, "the key has expired since 2023-11-14T22:13:20Z", "new one"),
        (at("key", 401, "PGRST303", "JWT not in audience"), {}, "PGRST303: JWT not in audience", "jwt-aud"),
        (at("key", 500, "PGRST300"), {}, "it has no jwt-secret", "jwt-secret"),
        (at("key", 406, "PGRST106"), {}, "doesn't serve that schema (PGRST106), but public, api", "db-schemas"),
        (at("key", 500, "XX000", "it broke."), {}, "XX000 says: it broke", "docker logs"),
    ],
)
def test_a_request_that_is_refused_has_its_cause(step: Step, differs: Dict[str, Any], cause: str, remedy: str) -> None:
    name, why = judge(step, WANTED, case(**differs))
    assert name == step.name
    assert cause in why.why
    assert remedy in why.remedy
    assert KEY not in why.why + why.remedy


@pytest.mark.parametrize(
    ("homes", "cause", "remedy"),
    [
        (("public",), "its schema cache doesn't know table public.fruits, which is there", "postgrest_reload"),
        (("api",), "no table public.fruits in database archon_db, but one in schema api", "Accept-Profile"),
        ((), "there is no table public.fruits in database archon_db", "Create it"),
    ],
)
def test_a_table_that_is_unknown_is_the_caches_fault_only_where_it_is_there(
    homes: Tuple[str, ...], cause: str, remedy: str
) -> None:
    name, why = judge(at("key", 404, "PGRST205", "Could not find the table"), WANTED, case(homes=homes))
    assert name == "cache"
    assert cause in why.why
    assert remedy in why.remedy


def test_an_unknown_table_in_another_database_is_not_the_caches_fault() -> None:
    running = process(PGRST_DB_URI="postgres://authenticator:x@db/postgres")
    name, why = judge(at("key", 404, "PGRST205"), WANTED, case(running=running))
    assert name == "sessions"
    assert "connected to postgres, not to archon_db" in why.why
    assert "a restart keeps the environment" in why.remedy


@pytest.mark.parametrize(
    ("reply", "beside", "cause", "remedy"),
    [
        (Reply(404), Reply(200), "The gateway has no such route (404)", "Instance rest-archon itself answers."),
        (Reply(404, {"message": "no Route matched"}), None, "The gateway has no such route (404)", "gateway_route"),
        (Reply(401, {"message": "Unauthorized"}), Reply(200), "The gateway refuses the key (401)", "apikey_variable"),
        (Reply(403, {"code": 403}), None, "The gateway refuses the key (403)", "the key that the gateway knows"),
        (Reply(502), Reply(200), "The gateway doesn't reach the instance (502)", "rest-archon, port 3000"),
        (Reply(504), Reply(503, {"code": "PGRST002"}), "doesn't reach the instance (504)", "answers with 503 PGRST002"),
        (Reply(502), Reply(0, error="refused"), "which doesn't listen, and was started again 3 times: its", "logs"),
        (Reply(502), None, "which doesn't listen, and was started again 3 times: its log", "docker logs"),
        (Reply(0, error="Connection refused"), Reply(200), "Nobody answers at " + URL, "whether the gateway runs"),
        (Reply(301, location="https://x/"), None, "leads to https://x/", "Name that URL"),
        (Reply(418), None, "answered with 418: no message", "logs of the gateway"),
    ],
)
def test_what_only_the_gateway_can_have_said_is_its_fault(
    reply: Reply, beside: Optional[Reply], cause: str, remedy: str
) -> None:
    step = Step("key", False, reply.seen(), URL, reply, True)
    name, why = judge(step, WANTED, case(), beside)
    assert name == "key"
    assert cause in why.why
    assert remedy in why.remedy


@pytest.mark.parametrize(
    ("databases", "uri", "says"),
    [
        ((), SETTINGS["PGRST_DB_URI"], "has no session in any database"),
        (("postgres",), SETTINGS["PGRST_DB_URI"], "connected to postgres, not to archon_db"),
        (("archon_db", "other", "postgres"), SETTINGS["PGRST_DB_URI"], "connected to other, postgres, not"),
        (("postgres",), "postgres://a:b@db/postgres", "not to archon_db: its db-uri says so"),
    ],
)
def test_sessions_elsewhere_are_no_proof(databases: Tuple[str, ...], uri: str, says: str) -> None:
    step = Step("sessions", False, "x", databases=databases)
    name, why = judge(step, WANTED, case(running=process(PGRST_DB_URI=uri)))
    assert name == "sessions"
    assert says in why.why
    assert why.remedy


def test_without_the_catalogues_the_answers_must_do() -> None:
    unasked = Case(process(), Question("archon_db", "fruits"), None, "the log")
    for step, says in [
        (NOT_READY, "its log ends with: the log"),
        (at("anonymous", 401, "22023", NO_ROLE % "anon"), "role anon"),
        (at("key", 404, "PGRST205"), "doesn't know the table"),
        (at("key", 403, "42501", NO_RIGHT), NO_RIGHT),
    ]:
        assert says in judge(step, WANTED, unasked)[1].why


class Surroundings:
    """An instance, a gateway and a server that answer as they are told to; they count what they are asked."""

    def __init__(
        self, running: Process, answers: Mapping[str, Reply], sessions: Sequence[str] = ("archon_db",)
    ) -> None:
        self.running = running
        self.answers = answers
        self.databases = sessions
        self.asked: List[Tuple[str, FrozenSet[str]]] = []
        self.inspections = 0
        self.lookups = 0

    def inspect(self) -> Process:
        """Return the container."""
        self.inspections += 1
        return self.running

    def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Answer."""
        self.asked.append((url, frozenset(headers)))
        return self.answers.get(url, Reply(200))

    def sessions(self, addresses: Sequence[str]) -> List[str]:
        """Return the databases."""
        assert tuple(addresses) == self.running.addresses
        return list(self.databases)

    def facts(self, process: Process, question: Question) -> Facts:
        """Return what is known."""
        self.lookups += 1
        return facts()

    def log(self) -> str:
        """Return a log that shows more than it should."""
        return "of postgres://u:another@db/x with s3cret-of-db and " + KEY


class Clock:
    """A clock that only goes on while somebody pauses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses = 0

    def read(self) -> float:
        """Return the time."""
        return self.now

    def pause(self) -> None:
        """Let half a second pass."""
        self.pauses += 1
        self.now += 0.5


ADMIN, DIRECT = "http://172.18.0.4:3001", "http://172.18.0.4:3000"


def test_where_all_is_well_everything_is_asked_once_and_nothing_is_looked_up() -> None:
    around = Surroundings(process(), {})
    wanted = Wanted("archon_db", URL, KEY, "api.fruits", "http://gateway:8000/a", "key-of-the-gateway")
    clock = Clock()
    result = prove(Proof(wanted, around), clock.read, clock.pause, 30)
    assert around.asked == [
        (ADMIN + "/live", frozenset()),
        (ADMIN + "/ready", frozenset()),
        (DIRECT + "/fruits?limit=0", frozenset({"Accept-Profile"})),
        ("http://gateway:8000/a", frozenset({"apikey"})),
        (URL, frozenset({"apikey", "Authorization"})),
    ]
    assert (around.inspections, around.lookups, clock.pauses) == (1, 0, 0)
    assert (result["admin"], result["waited_s"]) == ("present", 0.0)
    names = ["container", "live", "ready", "anonymous", "anonymous", "key", "sessions"]
    assert [step["name"] for step in result["steps"]] == names
    assert all(step["holds"] for step in result["steps"])
    assert KEY not in json.dumps(result)


def test_without_an_admin_server_the_rest_is_proven_and_the_setting_is_named() -> None:
    around = Surroundings(process(PGRST_ADMIN_SERVER_PORT=None), {})
    proof = Proof(WANTED, around)
    assert proof.look() is None
    assert proof.admin == "absent"
    assert around.asked == [(URL, frozenset({"apikey", "Authorization"}))]
    (warning,) = proof.warnings()
    assert "settings: {admin-server-port: 3001}" in warning


@pytest.mark.parametrize("host", ["172.18.0.4", "127.0.0.1"])
def test_an_address_that_this_host_does_not_reach_is_asked_once_and_said(host: str) -> None:
    silent = Reply(0, {}, "timed out", False)
    around = Surroundings(steady(PGRST_SERVER_HOST=host), {ADMIN + "/live": silent})
    proof = Proof(Wanted("archon_db", URL, KEY, "fruits"), around)
    for _round in range(2):
        assert proof.look() is None
    direct = [url for url, _headers in around.asked if "172.18.0.4" in url]
    assert direct == ([ADMIN + "/live"] if host == "172.18.0.4" else [])
    assert proof.admin == "unreachable"
    (warning,) = proof.warnings()
    assert "ready_url" in warning


def test_one_that_ends_while_it_is_asked_is_not_taken_for_one_that_can_not_be_reached() -> None:
    around = Surroundings(process(), {ADMIN + "/live": Reply(0, {}, "No route to host", False)})
    proof = Proof(WANTED, around)
    states = [process(), process("restarting", 1), process(), process("restarting", 1)]
    around.inspect = lambda: states.pop(0)  # type: ignore[method-assign]
    for _round in range(2):
        failed = proof.look()
        assert failed is not None
        assert (failed.name, failed.seen) == ("live", "it has just ended")
    assert proof.is_direct


def test_a_published_port_takes_the_place_of_the_address() -> None:
    around = Surroundings(process(PGRST_ADMIN_SERVER_PORT=None), {})
    proof = Proof(Wanted("archon_db", URL, KEY, ready_url="http://127.0.0.1:3301/ready"), around)
    assert proof.look() is None
    assert [url for url, _headers in around.asked[:2]] == ["http://127.0.0.1:3301/live", "http://127.0.0.1:3301/ready"]
    assert proof.warnings() == []


def test_what_fails_is_asked_why_once_and_no_secret_is_told() -> None:
    around = Surroundings(process(), {ADMIN + "/ready": Reply(503)})
    clock = Clock()
    with pytest.raises(VerificationError) as raised:
        prove(Proof(WANTED, around), clock.read, clock.pause, 2)
    assert (around.inspections, around.lookups) == (5, 1)
    assert raised.value.details["failed_step"] == "ready"
    assert [step["name"] for step in raised.value.details["steps"]] == ["container", "live", "ready"]
    told = json.dumps(raised.value.result())
    for secret in ("another", "s3cret-of-db", KEY):
        assert secret not in told
    assert "********" in told


def test_what_fails_at_the_gateway_is_asked_of_the_instance_itself() -> None:
    around = Surroundings(process(), {URL: Reply(404)})
    with pytest.raises(VerificationError, match="no such route.*Instance rest-archon itself answers"):
        prove(Proof(WANTED, around), Clock().read, lambda: None, 0)
    assert around.asked[-1] == (DIRECT + "/fruits?limit=1", frozenset({"apikey", "Authorization"}))


def test_a_key_that_has_expired_is_not_waited_for() -> None:
    clock = Clock()
    around = Surroundings(process(), {URL: Reply(401, {"code": "PGRST303", "message": "JWT expired"})})
    with pytest.raises(VerificationError, match="expired"):
        prove(Proof(WANTED, around), clock.read, clock.pause, 30)
    assert clock.pauses == 0


def test_an_inspection_says_how_an_instance_is_reached() -> None:
    found = Process.of(
        {
            "Name": "/rest",
            "RestartCount": 4,
            "Config": {"Env": ["PGRST_SERVER_PORT=abc", "PGRST_DB_SCHEMA=api", "PATH=/bin", "PGRST_DB_CHANNEL=x"]},
            "NetworkSettings": {
                "Networks": {"a": {"IPAddress": "172.18.0.9", "GlobalIPv6Address": "fd00::9"}, "b": {}}
            },
            "State": {"Status": "restarting", "Running": True, "Restarting": True, "ExitCode": 1},
        }
    )
    assert (found.name, found.addresses, found.server_port, found.admin_port) == (
        "rest",
        ("172.18.0.9", "fd00::9"),
        3000,
        None,
    )
    assert (found.schemas, found.login, found.anonymous_role, found.channel) == (("api",), "authenticator", "", "x")
    assert (found.runs, found.restarts, found.exit_code) == (False, 4, 1)
    assert found.url(3001, "/live", "fd00::9") == "http://[fd00::9]:3001/live"
    assert process(PGRST_DB_CHANNEL_ENABLED="false").channel == ""
    assert "s3cret" not in repr(process())


@pytest.mark.parametrize(
    ("key", "role"),
    [(token({"role": "anon"}), "anon"), (token({}), ""), (token([1]), ""), ("sb_secret_abc", ""), ("a.%%.c", "")],
)
def test_a_key_says_whose_it_is(key: str, role: str) -> None:
    assert role_of(key) == role


@pytest.mark.parametrize(
    ("url", "table"),
    [
        (URL, "fruits"),
        ("http://x/rest/v1/my%20fruits", "my fruits"),
        ("http://x/rest/v1/", ""),
        ("http://x/rest/v1/rpc/count", ""),
        ("http://x", ""),
    ],
)
def test_a_url_says_which_table_it_asks_for(url: str, table: str) -> None:
    assert table_in(url) == table


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    masked = scrubbed("short, shorter, long-enough and long-enough-too", ["short", "long-enough", ""])
    assert masked == "********, shorter, ******** and ********-too"


def test_nothing_wrong_is_nothing_waited() -> None:
    clock = Clock()
    assert wait_for(lambda: None, clock.read, clock.pause, 30) == {"waited_s": 0.0}
    assert clock.pauses == 0


def test_it_asks_until_nothing_is_wrong() -> None:
    clock = Clock()
    answers = [VerificationError("first"), VerificationError("second"), None]
    assert wait_for(lambda: answers.pop(0), clock.read, clock.pause, 30) == {"waited_s": 1.0}
    assert answers == []


def test_the_last_thing_that_was_wrong_is_told_when_the_time_is_over() -> None:
    clock = Clock()
    asked: List[float] = []

    def ask() -> VerificationError:
        asked.append(clock.now)
        return VerificationError("wrong at %.1f" % clock.now)

    with pytest.raises(VerificationError, match="wrong at 102.0"):
        wait_for(ask, clock.read, clock.pause, 2)
    assert asked == [100.0, 100.5, 101.0, 101.5, 102.0]


def test_it_asks_once_even_without_time() -> None:
    clock = Clock()
    assert wait_for(lambda: None, clock.read, clock.pause, 0) == {"waited_s": 0.0}
    with pytest.raises(VerificationError):
        wait_for(lambda: VerificationError("no"), clock.read, clock.pause, 0)
    assert clock.pauses == 0
