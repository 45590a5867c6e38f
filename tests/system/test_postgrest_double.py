"""The double of PostgREST against what was read off the real server, line by line, in real containers.

Without a Docker engine or without the images these tests fail: the scenarios' trust in the double rests on them.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Optional

import docker
import psycopg2
import pytest
import requests

from .conftest import eventually

POSTGRES_IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
POSTGREST_IMAGE = os.environ.get("BULKHEAD_POSTGREST_IMAGE", "bulkhead/postgrest-double:1")
LABELS = {"bulkhead.test": "true"}
PASSWORD = "only-for-this-test"
SECRET = "a-secret-of-more-than-thirty-two-characters"
WAIT_SECONDS = 20.0

SETUP = """
CREATE ROLE anon NOLOGIN;
CREATE ROLE service_role NOLOGIN BYPASSRLS;
CREATE ROLE never_granted NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD 'only-for-this-test';
GRANT anon, service_role TO authenticator;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon, service_role;
CREATE SCHEMA storage;
GRANT USAGE ON SCHEMA storage TO anon;
CREATE TABLE fruits (id int PRIMARY KEY, name text NOT NULL, colour text);
INSERT INTO fruits VALUES (1, 'apple', 'red'), (2, 'banana', 'yellow'), (3, 'cherry', NULL);
CREATE TABLE storage.buckets (id text PRIMARY KEY);
INSERT INTO storage.buckets VALUES ('avatars');
CREATE TABLE secrets (id int);
REVOKE ALL ON secrets FROM anon;
CREATE VIEW claims AS SELECT current_user::text AS who, current_setting('request.jwt.claims', true) AS claims,
    current_setting('app.settings.colour', true) AS colour;
"""


def jwt(claims: dict[str, Any], secret: str = SECRET) -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    text = ".".join(part(json.dumps(piece).encode()) for piece in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{part(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}"


def bearer(claims: dict[str, Any], secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": f"Bearer {jwt(claims, secret)}"}


class Database:
    def __init__(self, engine: Any, network: Any, name: str) -> None:
        self.container = engine.containers.run(
            POSTGRES_IMAGE,
            name=name,
            detach=True,
            labels=LABELS,
            network=network.name,
            environment={"POSTGRES_PASSWORD": PASSWORD},
            ports={"5432/tcp": ("127.0.0.1", None)},
        )
        self.name = name
        self.wait()
        self.run(SETUP)

    def connect(self, database: str = "postgres") -> Any:
        # Asked for each time: the engine gives a container that is started again another port.
        self.container.reload()
        port = int(self.container.ports["5432/tcp"][0]["HostPort"])
        connection = psycopg2.connect(
            host="127.0.0.1", port=port, user="postgres", password=PASSWORD, dbname=database, connect_timeout=5
        )
        connection.autocommit = True
        return connection

    def wait(self) -> None:
        def answers() -> bool:
            self.container.reload()
            if not (self.container.ports.get("5432/tcp") or []):
                return False
            self.run("SELECT 1")
            return True

        eventually("the database answers", answers, 40)

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def uri(self, user: str = "authenticator", password: str = PASSWORD, database: str = "postgres") -> str:
        return f"postgres://{user}:{password}@{self.name}:5432/{database}"


class Rest:
    """One running double, and its two addresses."""

    def __init__(self, container: Any) -> None:
        self.container = container
        self.session = requests.Session()
        # A proxy of the machine's environment has nothing to do with a container on this host.
        self.session.trust_env = False

    def port(self, inner: int) -> int:
        self.container.reload()
        bound = self.container.ports.get(f"{inner}/tcp")
        if not bound:
            raise requests.ConnectionError(f"{inner} is not published: {self.container.status}")
        return int(bound[0]["HostPort"])

    def ask(self, path: str, method: str = "GET", **more: Any) -> requests.Response:
        return self.session.request(method, f"http://127.0.0.1:{self.port(3000)}{path}", timeout=15, **more)

    def admin(self, path: str) -> requests.Response:
        return self.session.get(f"http://127.0.0.1:{self.port(3001)}{path}", timeout=15)

    def is_ready(self) -> bool:
        return self.admin("/ready").status_code == 200

    def ready(self, seconds: float = WAIT_SECONDS) -> "Rest":
        eventually("the double is ready", self.is_ready, seconds)
        return self

    def up(self) -> "Rest":
        eventually("the double is alive", lambda: self.admin("/live").status_code == 200, WAIT_SECONDS)
        return self

    def exit_status(self) -> int:
        return int(self.container.wait(timeout=15)["StatusCode"])

    def heeds_signals(self) -> bool:
        """Whether a SIGTERM waits for the program, or is taken by it."""
        self.container.reload()
        status = pathlib.Path("/proc", str(self.container.attrs["State"]["Pid"]), "status").read_text()
        masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith(("SigBlk", "SigCgt")))
        return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks.values())

    def logs(self) -> str:
        return str(self.container.logs().decode())


Starter = Callable[..., Rest]


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    client = docker.from_env()
    client.ping()
    yield client
    client.close()


@pytest.fixture(scope="module")
def network(engine: Any) -> Iterator[Any]:
    made = engine.networks.create(f"bulkhead-test-{uuid.uuid4().hex[:8]}", labels=LABELS)
    yield made
    made.remove()


def removed_afterwards(containers: list[Any]) -> None:
    for container in containers:
        container.remove(force=True, v=True)


def start(engine: Any, network: Any, made: list[Any], uri: Optional[str], **settings: str) -> Rest:
    environment = {
        "PGRST_DB_URI": uri,
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_JWT_SECRET": SECRET,
        "PGRST_ADMIN_SERVER_PORT": "3001",
        **{f"PGRST_{name.upper()}": value for name, value in settings.items()},
    }
    container = engine.containers.run(
        POSTGREST_IMAGE,
        detach=True,
        labels=LABELS,
        network=network.name,
        environment={name: value for name, value in environment.items() if value},
        ports={"3000/tcp": ("127.0.0.1", None), "3001/tcp": ("127.0.0.1", None)},
    )
    made.append(container)
    return Rest(container)


@pytest.fixture(scope="module")
def database(engine: Any, network: Any) -> Iterator[Database]:
    made = Database(engine, network, f"bulkhead-test-db-{uuid.uuid4().hex[:8]}")
    yield made
    removed_afterwards([made.container])


@pytest.fixture
def double(engine: Any, network: Any, database: Database) -> Iterator[Starter]:
    """Starts doubles of this one test."""
    made: list[Any] = []
    yield lambda uri=None, **settings: start(engine, network, made, uri or database.uri(), **settings)
    removed_afterwards(made)


@pytest.fixture(scope="module")
def shared(engine: Any, network: Any, database: Database) -> Iterator[Rest]:
    """One that all is well with, for what needs no settings of its own; others set the database's, so it reads none."""
    made: list[Any] = []
    yield start(
        engine,
        network,
        made,
        database.uri(),
        db_schemas="public,storage",
        app_settings_colour="blue",
        db_config="false",
    ).ready()
    removed_afterwards(made)


def outcome(answer: requests.Response) -> tuple[int, Optional[str]]:
    return answer.status_code, answer.json().get("code") if answer.status_code >= 400 else None


# --- the table ------------------------------------------------------------------------------------------------------


def test_all_well(shared: Rest) -> None:
    assert shared.admin("/live").status_code == 200
    assert shared.admin("/ready").status_code == 200
    answer = shared.ask("/fruits")
    assert answer.status_code == 200
    assert [row["name"] for row in answer.json()] == ["apple", "banana", "cherry"]
    missing = shared.ask("/no_such_table")
    assert outcome(missing) == (404, "PGRST205")
    assert missing.json()["message"] == "Could not find the table 'public.no_such_table' in the schema cache"
    assert shared.ask("/fruit").json()["hint"] == "Perhaps you meant the table 'public.fruits'"


@pytest.mark.parametrize(
    "fault", ["database-missing", "server-down", "host-unresolvable", "uri-malformed", "schema-missing"]
)
def test_no_schema_cache(double: Starter, database: Database, network: Any, fault: str) -> None:
    settings: dict[str, str] = {}
    uri = database.uri()
    if fault == "database-missing":
        uri = database.uri(database="nowhere")
    elif fault == "server-down":
        # The gateway of the test's own network: nothing listens there on this port.
        network.reload()
        gateway = network.attrs["IPAM"]["Config"][0]["Gateway"]
        uri = f"postgres://authenticator:{PASSWORD}@{gateway}:1/postgres"
    elif fault == "host-unresolvable":
        uri = f"postgres://authenticator:{PASSWORD}@no-such-host.invalid:5432/postgres"
    elif fault == "uri-malformed":
        uri = "postgres://authenticator:secret@[broken:5432/postgres"
    else:
        settings["db_schemas"] = "public,no_such_schema"
    rest = double(uri, **settings).up()
    assert rest.admin("/ready").status_code == 503
    for path in ("/fruits", "/no_such_table"):
        answer = rest.ask(path)
        assert outcome(answer) == (503, "PGRST002")
        assert answer.json()["message"] == "Could not query the database for the schema cache. Retrying."
    if fault == "schema-missing":
        eventually("the log names the state", lambda: "3F000" in rest.logs(), WAIT_SECONDS)


@pytest.mark.parametrize("fault", ["wrong-password", "no-such-user"])
def test_exits_1(double: Starter, database: Database, fault: str) -> None:
    uri = database.uri(password="wrong") if fault == "wrong-password" else database.uri(user="nobody_here")
    assert double(uri).exit_status() == 1


def test_just_after_the_start(double: Starter, database: Database) -> None:
    # Sessions that wait for a lock on the catalogue make the first moments long enough to be seen.
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE pg_catalog.pg_db_role_setting IN ACCESS EXCLUSIVE MODE")
        rest = double().up()
        assert rest.admin("/ready").status_code == 503
        assert outcome(rest.ask("/fruits")) == (503, "PGRST002")
        cursor.execute("ROLLBACK")
    connection.close()
    assert outcome(rest.ready().ask("/fruits")) == (200, None)


def test_anonymous_role_missing(double: Starter) -> None:
    rest = double(db_anon_role="no_such_role").ready()
    answer = rest.ask("/fruits")
    assert outcome(answer) == (401, "22023")
    assert answer.json()["message"] == 'role "no_such_role" does not exist'
    assert outcome(rest.ask("/no_such_table")) == (404, "PGRST205")


def test_anonymous_role_not_granted(double: Starter) -> None:
    answer = double(db_anon_role="never_granted").ready().ask("/fruits")
    assert outcome(answer) == (401, "42501")
    assert answer.json()["message"].startswith("permission denied to set role")


def test_no_anonymous_role(double: Starter) -> None:
    answer = double(db_anon_role="").ready().ask("/fruits")
    assert outcome(answer) == (401, "PGRST302")
    assert answer.json()["message"] == "Anonymous access is disabled"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(bearer({"role": "service_role", "exp": 1_000_000_000}), (401, "PGRST303"), id="expired"),
        pytest.param(bearer({"role": "service_role"}, "x" * 40), (401, "PGRST301"), id="badly-signed"),
        pytest.param({"Authorization": "Bearer nonsense"}, (401, "PGRST301"), id="no-token-at-all"),
        pytest.param(bearer({"role": "ghost"}), (401, "22023"), id="unknown-role"),
        pytest.param(bearer({"role": "service_role"}), (200, None), id="good"),
    ],
)
def test_jwt(shared: Rest, headers: dict[str, str], expected: tuple[int, Optional[str]]) -> None:
    assert shared.is_ready()
    assert outcome(shared.ask("/fruits", headers=headers)) == expected


@pytest.mark.parametrize("way", ["notify", "SIGUSR1"])
def test_new_table_is_seen_after_a_reload_only(shared: Rest, database: Database, way: str) -> None:
    table = f"new_by_{way.lower()}"
    database.run(f"CREATE TABLE {table} (id int)")
    assert outcome(shared.ask(f"/{table}")) == (404, "PGRST205")
    began = time.monotonic()
    if way == "notify":
        database.run("NOTIFY pgrst, 'reload schema'")
    else:
        shared.container.kill(signal=way)
    eventually("the new table is served", lambda: shared.ask(f"/{table}").status_code == 200, 5)
    # 0.1 s of debouncing at least; the upper bound leaves room for a busy machine.
    assert 0.1 <= time.monotonic() - began < 2


def test_notifications_are_debounced(shared: Rest, database: Database) -> None:
    def loads() -> float:
        line = next(
            n
            for n in shared.admin("/metrics").text.splitlines()
            if n.startswith("pgrst_schema_cache_loads_total") and "SUCCESS" in n
        )
        return float(line.split()[-1])

    before = loads()
    connection = database.connect()
    with connection.cursor() as cursor:
        for number in range(5):
            cursor.execute(f"NOTIFY pgrst, 'reload schema'; SELECT {number}")
    connection.close()
    eventually("it reloads", lambda: loads() > before, WAIT_SECONDS)
    assert loads() == before + 1


def test_reload_config_takes_settings_of_the_database(double: Starter, database: Database) -> None:
    rest = double(db_schemas="public").ready()
    database.run("ALTER ROLE authenticator IN DATABASE postgres SET pgrst.db_max_rows = '2'")
    try:
        assert len(rest.ask("/fruits").json()) == 3
        database.run("NOTIFY pgrst, 'reload config'")
        eventually("two rows are served", lambda: len(rest.ask("/fruits").json()) == 2, WAIT_SECONDS)
        assert 'db-max-rows = "2"' in rest.admin("/config").text
        database.run("ALTER ROLE authenticator IN DATABASE postgres RESET pgrst.db_max_rows")
        rest.container.kill(signal="SIGUSR2")
        eventually("three rows are served", lambda: len(rest.ask("/fruits").json()) == 3, WAIT_SECONDS)
    finally:
        database.run("ALTER ROLE authenticator IN DATABASE postgres RESET ALL")


@pytest.mark.parametrize(("db_config", "rows"), [("", 1), ("false", 3)], ids=["beats-the-environment", "turned-off"])
def test_settings_of_the_database(double: Starter, database: Database, db_config: str, rows: int) -> None:
    database.run("ALTER ROLE authenticator SET pgrst.db_max_rows = '1'")
    try:
        assert len(double(db_config=db_config, db_max_rows="3").ready().ask("/fruits").json()) == rows
    finally:
        database.run("ALTER ROLE authenticator RESET ALL")


def test_a_schema_created_later_is_found_at_its_next_retry(double: Starter, database: Database) -> None:
    rest = double(db_schemas="late").up()
    # The wait of two seconds has just begun when the second look has failed.
    eventually("two looks have failed", lambda: "in 2 seconds" in rest.logs(), WAIT_SECONDS)
    began = time.monotonic()
    database.run("CREATE SCHEMA late; NOTIFY pgrst, 'reload schema'")
    rest.ready()
    assert time.monotonic() - began > 1, "NOTIFY must not shorten the wait"
    assert "in 1 seconds" in rest.logs()
    database.run("DROP SCHEMA late")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"log_level": "loud"}, 1, id="bad-enum"),
        pytest.param({"jwt_secret": "short"}, 1, id="short-secret"),
        pytest.param({"admin_server_port": "3000"}, 1, id="equal-ports"),
    ],
)
def test_refuses_to_start(double: Starter, settings: dict[str, str], expected: int) -> None:
    assert double(**settings).exit_status() == expected


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"server_port": "abc"}, id="bad-number"),
        pytest.param({"db_config": "perhaps"}, id="bad-boolean"),
        pytest.param({"db_shcemas": "storage"}, id="unknown-name"),
    ],
)
def test_starts_without_a_word(double: Starter, settings: dict[str, str]) -> None:
    assert double(**settings).ready().ask("/fruits").status_code == 200


def test_ends_on_sigterm_with_130(double: Starter) -> None:
    rest = double().ready()
    began = time.monotonic()
    rest.container.kill(signal="SIGTERM")
    assert rest.exit_status() == 130
    # Mostly the engine's own time.
    assert time.monotonic() - began < 1.5


def test_a_sigterm_just_after_the_start_is_not_lost(double: Starter) -> None:
    rest = double()
    # A process that the kernel has only just made takes none: PID 1 has no default for a signal.
    eventually("signals aren't lost any more", rest.heeds_signals, WAIT_SECONDS)
    rest.container.kill(signal="SIGTERM")
    assert rest.exit_status() == 130


def test_no_admin_server_unless_asked_for(double: Starter) -> None:
    rest = double(admin_server_port="")
    eventually("it serves", lambda: rest.ask("/fruits").status_code == 200, WAIT_SECONDS)
    with pytest.raises(requests.ConnectionError):
        rest.admin("/live")


def test_admin_pages(shared: Rest) -> None:
    assert SECRET in shared.admin("/config").text
    assert "public.fruits" in shared.admin("/schema_cache").json()["dbTables"]
    metrics = shared.admin("/metrics").text
    assert 'pgrst_schema_cache_loads_total{status="SUCCESS"}' in metrics
    assert "pgrst_db_pool_available" in metrics


def test_says_that_it_is_a_double(shared: Rest, database: Database) -> None:
    answer = shared.ask("/fruits")
    assert "a double, not PostgREST" in answer.headers["Server"]
    assert "this is not PostgREST" in shared.logs()
    rows = database.run(
        "SELECT DISTINCT application_name, datname FROM pg_stat_activity WHERE usename = 'authenticator'"
    )
    assert rows
    assert all(name.startswith("PostgREST") and datname == "postgres" for name, datname in rows)


# --- what its users do with it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("id=eq.2", [2]),
        ("id=neq.2", [1, 3]),
        ("id=gt.1&id=lt.3", [2]),
        ("id=gte.2&id=lte.3", [2, 3]),
        ("name=like.*an*", [2]),
        ("name=ilike.APP*", [1]),
        ("colour=is.null", [3]),
        ("colour=not.is.null", [1, 2]),
        ('name=in.(apple,"cherry")', [1, 3]),
        ("order=id.desc", [3, 2, 1]),
        ("order=id&limit=1&offset=1", [2]),
    ],
)
def test_filters(shared: Rest, query: str, ids: list[int]) -> None:
    answer = shared.ask(f"/fruits?select=id&{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json() == [{"id": number} for number in ids]


def test_ranges_and_counts(shared: Rest) -> None:
    answer = shared.ask("/fruits?order=id", headers={"Range": "0-1", "Prefer": "count=exact"})
    assert (answer.status_code, answer.headers["Content-Range"], len(answer.json())) == (206, "0-1/3", 2)
    assert shared.ask("/fruits").headers["Content-Range"] == "0-2/*"
    head = shared.ask("/fruits", method="HEAD", headers={"Prefer": "count=exact"})
    assert (head.status_code, head.headers["Content-Range"], head.content) == (200, "0-2/3", b"")
    assert outcome(shared.ask("/fruits?offset=9", headers={"Prefer": "count=exact"})) == (416, "PGRST103")


def test_writing(shared: Rest, database: Database) -> None:
    back = {"Prefer": "return=representation"}
    made = shared.ask(
        "/fruits", "POST", json=[{"id": 10, "name": "fig"}, {"id": 11, "name": '100% "kiwi"'}], headers=back
    )
    assert (made.status_code, [row["name"] for row in made.json()]) == (201, ["fig", '100% "kiwi"'])
    assert outcome(shared.ask("/fruits", "POST", json={"id": 10, "name": "fig"})) == (409, "23505")
    assert outcome(shared.ask("/fruits", "POST", json={"weight": 1})) == (400, "PGRST204")
    changed = shared.ask("/fruits?id=eq.10", "PATCH", json={"colour": "purple"}, headers=back)
    assert (changed.status_code, changed.json()) == (200, [{"id": 10, "name": "fig", "colour": "purple"}])
    assert shared.ask("/fruits?id=gte.10", "DELETE").status_code == 204
    assert database.run("SELECT count(*) FROM fruits") == [(3,)]


def test_roles_and_claims_are_of_one_request(shared: Rest) -> None:
    row = shared.ask("/claims", headers=bearer({"role": "service_role", "sub": "me"})).json()[0]
    assert (row["who"], json.loads(row["claims"])["sub"], row["colour"]) == ("service_role", "me", "blue")
    row = shared.ask("/claims").json()[0]
    assert (row["who"], json.loads(row["claims"])) == ("anon", {"role": "anon"})
    assert outcome(shared.ask("/secrets")) == (401, "42501")
    assert outcome(shared.ask("/secrets", headers=bearer({"role": "service_role"}))) == (200, None)


def test_profiles(shared: Rest) -> None:
    assert shared.ask("/buckets", headers={"Accept-Profile": "storage"}).json() == [{"id": "avatars"}]
    assert outcome(shared.ask("/buckets")) == (404, "PGRST205")
    assert outcome(shared.ask("/fruits", headers={"Accept-Profile": "auth"})) == (406, "PGRST106")


def test_one_object(shared: Rest) -> None:
    single = {"Accept": "application/vnd.pgrst.object+json"}
    assert shared.ask("/fruits?id=eq.1&select=name", headers=single).json() == {"name": "apple"}
    assert outcome(shared.ask("/fruits", headers=single)) == (406, "PGRST116")


@pytest.mark.parametrize("path", ["/rpc/now", "/fruits?select=a(b)", "/fruits?or=(id.eq.1)", "/fruits?id=cs.{1}"])
def test_what_it_does_not_cover_it_refuses(shared: Rest, path: str) -> None:
    assert outcome(shared.ask(path)) == (501, "DOUBLE")


# --- last, for it stops the database under the others ----------------------------------------------------------------


def test_the_database_stops_while_it_serves(double: Starter, database: Database) -> None:
    rest = double().ready()
    assert rest.ask("/fruits").status_code == 200
    database.container.stop(timeout=10)
    eventually("it is not ready", lambda: not rest.is_ready(), WAIT_SECONDS)
    assert rest.admin("/live").status_code == 200
    assert outcome(rest.ask("/fruits")) == (503, "57P01")
    assert outcome(rest.ask("/fruits")) == (503, "PGRST002")
    database.container.start()
    database.wait()
    rest.ready()
    assert rest.ask("/fruits").status_code == 200
