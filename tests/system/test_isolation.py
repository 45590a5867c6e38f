# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's objects move into a database of their own: with all that they need, or not at all.

Real servers, and faults from outside: a process is killed where pg_stat_activity shows what it does.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import eventually, wait_for_server

IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
NAME = "bulkhead-test-isolation"
LABEL = "bulkhead.test=isolation"

# Two services in one schema, with what real programs hold: STACK_FACTS 22 to 25 name them.
SHARED = """
CREATE ROLE app LOGIN; CREATE ROLE reader; CREATE ROLE other LOGIN;
CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TYPE pair AS (a mood, b int);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE SEQUENCE loose START 100; CREATE SEQUENCE app_item_003;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN new.version := nextval('loose'); RETURN new; END $$;
CREATE TABLE app_item (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mood mood DEFAULT 'good', moods mood[],
  both_of pair, amount positive, version bigint, upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON app_item FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE app_link (item int REFERENCES app_item DEFERRABLE INITIALLY DEFERRED, note jsonb);
CREATE TABLE app_event (day date, body text) PARTITION BY RANGE (day);
CREATE TABLE app_event_1 PARTITION OF app_event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE "app_Mixed ""{}% é" ("A b" bytea, "select" point);
CREATE TABLE app_none ();
CREATE VIEW app_view AS SELECT name FROM app_item;
CREATE MATERIALIZED VIEW app_sum AS SELECT count(*) AS items FROM app_item;
CREATE INDEX ON app_item (lower(name)); COMMENT ON TABLE app_item IS 'items';
ALTER TABLE app_item ENABLE ROW LEVEL SECURITY; CREATE POLICY everyone ON app_item USING (true);
GRANT SELECT ON app_item TO reader; GRANT SELECT (note) ON app_link TO reader;
CREATE TABLE other_thing (id serial PRIMARY KEY);
CREATE FUNCTION find_items(text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT name FROM public.app_item $$;
CREATE FUNCTION elsewhere() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM public.other_thing $$;
INSERT INTO app_item (name, moods, both_of, amount)
  SELECT 'item ' || n, '{good,bad}', ROW('bad', n)::pair, n FROM generate_series(1, 500) n;
INSERT INTO app_link SELECT id, jsonb '{"a": 1}' FROM app_item;
INSERT INTO app_event SELECT date '2026-05-05', repeat('x', n) FROM generate_series(1, 50) n;
INSERT INTO "app_Mixed ""{}% é" VALUES ('\\x0001ff', '(1,2)');
REFRESH MATERIALIZED VIEW app_sum; SELECT nextval('app_item_003');
"""
APP = {"database": "app_db", "owner": "app", "owner_password": "only-for-this-test", "data": "copy"}
LEGACY = {"database": "postgres", "tables": "public.app_*", "archive_schema": "app_archive"}


def docker(*arguments: str, check: bool = True) -> str:
    """Run docker; return what it prints."""
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


def sql(database: str, statement: str) -> str:
    """Run SQL in the test's server."""
    return docker(
        "exec", NAME, "psql", "-U", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement
    )


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the name of a container with a Postgres of its own."""
    docker("rm", "-f", "-v", NAME, check=False)
    docker("run", "-d", "--name", NAME, "--label", LABEL, "-e", "POSTGRES_PASSWORD=only-for-this-test", IMAGE)
    try:
        wait_for_server(NAME)
        yield NAME
    finally:
        docker("rm", "-f", "-v", NAME)


@pytest.fixture
def shared(server: str) -> Iterator[str]:
    """Yield the server with both services in the database postgres, and nothing else; all is gone afterwards."""
    sql("postgres", SHARED)
    yield server
    wait_for_server(NAME)
    drop = "DROP DATABASE IF EXISTS %s WITH (FORCE)"
    for database in sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'app%'").split():
        sql("postgres", drop % database)
    sql("postgres", "DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS app_archive CASCADE; CREATE SCHEMA public")
    sql("postgres", "DROP OWNED BY app, reader, other; DROP ROLE app, reader, other")


def test_a_service_moves_whole_and_what_it_left_is_put_aside(call: Any, shared: str) -> None:
    options = {"container": shared, **APP, "legacy": LEGACY}
    checked = call("pg_database_isolate", check=True, **options)
    assert checked["changed"], checked
    assert sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_db'") == "0"
    done = call("pg_database_isolate", **options)
    assert done.get("changes") == checked["changes"], done
    for label in (
        "function public.touch()",
        "function public.find_items(text)",
        "sequence public.loose",
        "sequence public.app_item_003",
        "type public.mood",
        "type public.positive",
        "table public.app_event_1",
        "materialized view public.app_sum",
    ):
        assert label in done["legacy_objects"], label
    assert "function public.elsewhere()" not in done["legacy_objects"]
    assert not call("pg_database_isolate", **options)["changed"]

    both = "SELECT count(*), max(id), min(both_of::text), max(moods::text), max(version) FROM app_item"
    assert sql("app_db", both) == sql("postgres", both)
    assert sql("app_db", 'SELECT count(*) FROM "app_Mixed ""{}% é"') == "1"
    assert sql("app_db", "SELECT items FROM app_sum") == "500"
    assert (
        sql("app_db", "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'public'") == "app"
    )
    # As the service itself: its sequences, its trigger, its enum.
    used = "SET ROLE app; INSERT INTO app_item (name, mood) VALUES ('new', 'bad') RETURNING id, version, upper_name"
    assert sql("app_db", used) == "501|600|NEW"
    assert sql("app_db", "SET ROLE app; ALTER TABLE app_item ADD later int") == ""
    assert sql("app_db", "SELECT nextval('app_item_003')") == "2"
    assert sql("app_db", "SET ROLE reader; SELECT count(*) FROM app_item") == "501"
    assert sql("app_db", "SELECT count(*) FROM pg_policies") == "1"
    assert sql("app_db", "SELECT has_database_privilege('other', 'app_db', 'CONNECT')") == "f"

    # A row that came late is never put aside with the others.
    archive = {**options, "legacy": {**LEGACY, "action": "archive"}}
    sql("postgres", "INSERT INTO app_link (note) VALUES ('{}')")
    refused = call("pg_database_isolate", **archive)
    assert "written to after they had been copied to app_db: public.app_link" in refused["msg"]
    sql("postgres", "DELETE FROM app_link WHERE item IS NULL")
    assert call("pg_database_isolate", **archive)["changed"]
    left = "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert sql("postgres", left + " AND relkind IN ('r', 'p', 'v', 'm', 'S')") == "other_thing,other_thing_id_seq"
    assert sql(
        "postgres", "SELECT string_agg(proname, ',') FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    ) == ("elsewhere")
    assert sql("postgres", "SELECT count(*) FROM app_archive.app_item") == "500"
    assert not call("pg_database_isolate", **archive)["changed"]


def test_what_it_left_is_dropped_once_it_was_dumped_and_confirmed(
    call: Any, shared: str, tmp_path: pathlib.Path
) -> None:
    options = {"container": shared, **APP}
    assert call("pg_database_isolate", legacy=LEGACY, **options)["changed"]
    drop = {**LEGACY, "action": "drop"}
    assert "type `drop public.app_* from postgres`" in call("pg_database_isolate", legacy=drop, **options)["msg"]
    drop["confirm"] = "drop public.app_* from postgres"
    there = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'app%'"
    before = sql("postgres", there)
    assert "There is no verified dump of postgres" in call("pg_database_isolate", legacy=drop, **options)["msg"]
    dump = {"container": shared, "database": "postgres", "dest": str(tmp_path), "retention": {"last": 5}}
    hashed = call("pg_dump_rotate", verify="hashed", clock="2026-11-23T10:00:00Z", **dump)["manifest_path"]
    refused = call("pg_database_isolate", legacy={**drop, "manifest": hashed}, **options)
    assert "There is no verified dump of postgres" in refused["msg"]
    assert sql("postgres", there) == before
    read = call("pg_dump_rotate", verify="read", clock="2026-11-23T11:00:00Z", **dump)["manifest_path"]
    done = call("pg_database_isolate", legacy={**drop, "manifest": read}, **options)
    assert done.get("changed"), done
    assert sql("postgres", there) == "0"
    assert sql("postgres", "SELECT count(*) FROM other_thing") == "0"
    assert sql("app_db", "SELECT count(*) FROM app_item") == "500"
    assert not call("pg_database_isolate", legacy={**drop, "manifest": read}, **options)["changed"]


def test_what_can_not_be_decided_is_asked_for(call: Any, shared: str) -> None:
    sql(
        "postgres",
        "ALTER TABLE other_thing ADD item int REFERENCES app_item; CREATE VIEW both_view AS"
        " SELECT 1 FROM app_item, other_thing; CREATE FUNCTION count_all() RETURNS bigint LANGUAGE sql AS"
        " 'SELECT count(*) FROM public.app_item, public.other_thing'",
    )
    options = {"container": shared, **APP, "legacy": LEGACY}
    asked = call("pg_database_isolate", **options)
    assert "3 things must be decided" in asked["msg"]
    assert len(asked["questions"]) == 3
    assert sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_db'") == "0"
    wrong = call("pg_database_isolate", **{**options, "legacy": {**LEGACY, "exclude": ["view public.both_vie"]}})
    assert "Did you mean view public.both_view" in wrong["msg"]
    leave = ["other_thing_item_fkey on public.other_thing", "view public.both_view", "function public.count_all()"]
    done = call("pg_database_isolate", **{**options, "legacy": {**LEGACY, "exclude": leave}})
    assert done.get("changed"), done


def test_a_rehearsal_is_taken_again_unless_it_is_in_use(call: Any, shared: str) -> None:
    options = {"container": shared, **APP, "legacy": LEGACY}
    first = call("pg_database_isolate", rehearsal=True, **options)
    assert first["changed"]
    again = call("pg_database_isolate", rehearsal=True, **options)
    assert not again["changed"]
    for said in (first, again):
        assert any("is a rehearsal" in text for text in said["warnings_found"]), said
    sql("postgres", "INSERT INTO app_item (name) VALUES ('meanwhile')")
    sql("app_db", "UPDATE app_item SET name = 'used' WHERE id = 1")
    refused = call("pg_database_isolate", **options)
    assert "2 rows came to app_db or changed there since the rehearsal" in refused["msg"]
    sql("app_db", "TRUNCATE app_item CASCADE")
    sql("postgres", "DROP DATABASE app_db")
    assert call("pg_database_isolate", rehearsal=True, **options)["changed"]
    final = call("pg_database_isolate", **options)
    assert final["changes"][0] == "rehearsal of app_db", final
    assert sql("app_db", "SELECT count(*) FROM app_item") == "501"


def test_writers_keep_the_copy_that_counts_waiting(call: Any, shared: str) -> None:
    writing = subprocess.Popen(
        ["docker", "exec", "-i", "-e", "PGAPPNAME=the-service", shared, "psql", "-U", "postgres", "-q"],
        stdin=subprocess.PIPE,
        text=True,
    )
    assert writing.stdin is not None
    writing.stdin.write("BEGIN; INSERT INTO app_item (name) VALUES ('open');\n")
    writing.stdin.flush()
    seen = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'the-service' AND state = 'idle in transaction'"
    )
    eventually("the writer", lambda: sql("postgres", seen) == "1")
    refused = call("pg_database_isolate", container=shared, lock_timeout=1, legacy=LEGACY, **APP)
    writing.communicate("ROLLBACK;\n")
    assert "Somebody still writes" in refused["msg"]
    assert "the-service" in refused["msg"]
    assert sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_db'") == "0"


def start(environment: dict[str, str], folder: pathlib.Path, options: dict[str, Any]) -> subprocess.Popen[str]:
    """Start the module; return its process, which a test may kill."""
    path = folder / "killed.json"
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    module = "ansible_collections.bulkhead.stack.plugins.modules.pg_database_isolate"
    variables = dict(environment, PYTHONPATH=environment["ANSIBLE_COLLECTIONS_PATH"])
    return subprocess.Popen(
        [sys.executable, "-m", module, str(path)],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def doing(pattern: str) -> bool:
    """Whether a session of ours does something."""
    seen = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'bulkhead/%%' AND query LIKE '%s'"
    return sql("postgres", seen % pattern) not in ("", "0")


def test_killed_in_mid_file_nothing_of_it_stays(
    call: Any, shared: str, environment: dict[str, str], tmp_path: pathlib.Path
) -> None:
    sql("postgres", "CREATE DATABASE app_slow")
    slow = "SELECT pg_sleep(300) WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'app_slow')"
    migration = tmp_path / "setup.sql"
    migration.write_text(f"CREATE TABLE first ();\n{slow};\nCREATE TABLE second ();\n")
    options = {"container": shared, **APP, "data": "fresh", "migrations": [str(migration)]}
    process = start(environment, tmp_path, options)
    eventually("the migration", lambda: doing("%pg_sleep(300)%"))
    # Another run waits, and says for whom.
    busy = call("pg_database_isolate", lock_timeout=1, **options)
    assert "works on database app_db; waited 1 s in vain" in busy["msg"], busy
    assert "bulkhead/" in busy["msg"]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert doing("%pg_sleep(300)%"), "psql outlives its module"
    sql("postgres", "DROP DATABASE app_slow")
    again = call("pg_database_isolate", **options)
    assert again.get("changed"), again
    assert any("killed run" in warning for warning in again["warnings_found"]), again
    assert sql("app_db", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "2"
    assert sql("app_db", "SELECT count(*) FROM bulkhead.migration") == "1"
    assert not call("pg_database_isolate", **options)["changed"]


@pytest.mark.parametrize("fault", ["module killed", "server killed"])
def test_a_copy_that_was_cut_off_is_taken_again(
    call: Any, shared: str, environment: dict[str, str], tmp_path: pathlib.Path, fault: str
) -> None:
    sql("postgres", "INSERT INTO app_link (note) SELECT to_jsonb(repeat('x', 2000)) FROM generate_series(1, 200000)")
    options = {"container": shared, **APP, "legacy": LEGACY}
    process = start(environment, tmp_path, options)
    eventually("the rows", lambda: doing("COPY %app_link%"))
    if fault == "module killed":
        process.send_signal(signal.SIGKILL)
        process.communicate()
    else:
        docker("kill", shared)
        said = json.loads(process.communicate()[0])
        assert said["failed"], said
        docker("start", shared)
        wait_for_server(NAME)
    assert sql("postgres", "SELECT count(*) FROM app_link") == "200500"
    again = call("pg_database_isolate", **options)
    assert again.get("changed"), again
    assert sql("app_db", "SELECT count(*) FROM app_link") == "200500"
    assert sql("app_db", "SELECT string_agg(state, ',') FROM bulkhead.fill") == "final"
    assert not call("pg_database_isolate", **options)["changed"]


def test_it_is_asked_as_the_roles_that_will_use_it(call: Any, shared: str, tmp_path: pathlib.Path) -> None:
    migration = tmp_path / "setup.sql"
    migration.write_text(
        "CREATE TABLE t (a int);\nCREATE INDEX CONCURRENTLY i ON t (a);\nGRANT SELECT ON t TO reader;\n"
    )
    options: dict[str, Any] = {"container": shared, **APP, "data": "fresh", "connect_roles": ["reader"]}
    refused = call("pg_database_isolate", migrations=[str(migration)], **options)
    assert "transaction: own" in refused["msg"]
    options["migrations"] = [{"path": str(migration), "transaction": "own"}]
    asked = {"reader": {"works": ["INSERT INTO t VALUES (1)"], "refused": ["SELECT * FROM t"]}}
    wrong = call("pg_database_isolate", expect={"roles": asked}, **options)
    assert "role reader can't run `INSERT INTO t VALUES (1)`: permission denied for table t" in wrong["msg"]
    assert "role reader can run `SELECT * FROM t`, which must be refused" in wrong["msg"]
    assert sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_db'") == "0"
    asked = {"reader": {"works": ["SELECT * FROM t"], "refused": ["INSERT INTO t VALUES (1)"]}}
    privileges = [{"role": "reader", "privileges": ["SELECT"]}]
    fine = dict(
        options,
        expect={"roles": asked, "columns": {"t": ["a"]}},
        search_path=["public", 'od"d'],
        conn_limit=7,
        lc_collate="C",
        lc_ctype="C",
        default_privileges=privileges,
    )
    done = call("pg_database_isolate", **fine)
    assert done.get("changed"), done
    assert not call("pg_database_isolate", **fine)["changed"]
    assert sql("app_db", "SHOW search_path") == 'public, "od""d"'
    assert sql("postgres", "SELECT datconnlimit, datcollate FROM pg_database WHERE datname = 'app_db'") == "7|C"
    sql("app_db", "SET ROLE app; CREATE TABLE later (); RESET ROLE; SET ROLE reader; SELECT * FROM later")
    other = call("pg_database_isolate", **{**fine, "lc_collate": "en_US.utf8"})
    assert "fixed for its life" in other["msg"]
    assert call("pg_database_isolate", **{**fine, "conn_limit": 9})["changed"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"legacy": {"database": "app_db", "tables": "public.app_*"}}, "legacy names the database app_db itself"),
        (
            {"legacy": {"database": "nowhere", "tables": "public.app_*"}},
            "legacy database nowhere isn't in this cluster",
        ),
        ({"legacy": {"database": "postgres", "tables": "public.none_*"}}, "There is nothing to copy"),
        ({"legacy": None}, "data is copy, but legacy doesn't say from where"),
        ({"database": "template1"}, "template1 is a template database"),
        ({"database": "x" * 64}, "has 64 bytes"),
        ({"extensions": [{"nam": "vector"}]}, "extensions holds"),
        ({"extensions": ["no_such"]}, "Extension no_such isn't installed"),
        ({"default_privileges": [{"role": "nobody", "privileges": ["SELECT"]}]}, "default_privileges names nobody"),
        ({"template": "no_such"}, "There is no template no_such"),
        ({"migrations": ["/no/such.sql"]}, "/no/such.sql can't be read: there is no such file"),
    ],
)
def test_bad_input_is_told_and_nothing_is_done(call: Any, shared: str, options: dict[str, Any], says: str) -> None:
    everything = "SELECT string_agg(datname, ',' ORDER BY 1) FROM pg_database"
    before = sql("postgres", everything)
    failed = call("pg_database_isolate", **{"container": shared, **APP, "legacy": LEGACY, **options})
    assert says in failed.get("msg", ""), failed
    assert sql("postgres", everything) == before


def test_names_that_nobody_should_give_are_names(call: Any, shared: str) -> None:
    name = 'app "; DROP DATABASE postgres; -- é %s {}'
    options = {**APP, "database": name, "owner": 'Own "er; %', "owner_password": "x"}
    done = call("pg_database_isolate", container=shared, legacy=LEGACY, **options)
    assert done.get("changed"), done
    quoted = "'" + name.replace("'", "''") + "'"
    assert sql("postgres", f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = {quoted}") == 'Own "er; %'
    assert not call("pg_database_isolate", container=shared, legacy=LEGACY, **options)["changed"]
    sql("postgres", 'DROP DATABASE "%s"' % name.replace('"', '""'))
    sql("postgres", 'DROP ROLE "Own ""er; %"')
