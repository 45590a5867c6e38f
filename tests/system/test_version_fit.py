# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each row of the table of features on real servers of all majors: planted, found, graded; and refused where it blocks.

The majors that Debian doesn't have come from the image bulkhead/postgres-npm.
"""

import pathlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Endpoint, Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.features import BY_ID, FEATURES
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.fit import compare
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.offer import Offer, offer_of, read_offer
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.uses import read_uses

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = "only-for-this-test"
MAJORS = (13, 14, 15, 16, 17, 18)
OF_DEBIAN = (15, 17)
NPM_IMAGE = "bulkhead/postgres-npm:1"
SETTINGS = ("-c", "wal_level=logical", "-c", "fsync=off", "-c", "max_replication_slots=4")


@dataclass(frozen=True)
class Plant:
    """A feature to be planted.

    Arguments:
        feature: the row of the table. object: what must be found to have it.
        sql: what plants it, a statement each. Every one of a row that blocks is refused by an older server, or one is
            at least.
        before: what it needs, and every server takes.
        refused: whether an older server refuses it: a text that is only run later is taken.
    """

    feature: str
    object: str
    sql: tuple[str, ...]
    before: tuple[str, ...] = ()
    refused: bool = True


def view(feature: str, query: str) -> Plant:
    """Return a view that uses a feature."""
    name = "p.v_" + feature.replace("-", "_")
    return Plant(feature, "view " + name, (f"CREATE VIEW {name} AS SELECT {query}",))


def text(feature: str, name: str, body: str) -> Plant:
    """Return a function that uses a feature in a body that is only a text."""
    create = f"CREATE FUNCTION p.{name}() RETURNS void LANGUAGE plpgsql AS $body$ BEGIN {body} END $body$"
    return Plant(feature, f"function p.{name}()", (create,), refused=False)


TABLES = (
    "CREATE SCHEMA p",
    "CREATE TABLE p.t (id int PRIMARY KEY, grp int, name text, doc jsonb, data json, raw bytea, at timestamptz)",
)
DOWN = (
    Plant("multirange", "table column p.multirange.spans", ("CREATE TABLE p.multirange (spans int4multirange)",)),
    Plant("range-type", "type p.span", (), ("CREATE TYPE p.span AS RANGE (subtype = float8)",), refused=False),
    Plant("numeric-scale", "table column p.numeric_scale.n", ("CREATE TABLE p.numeric_scale (n numeric(3, -2))",)),
    view("jsonb-subscript", "doc['a'] FROM p.t"),
    text("integer-literal", "hex", "PERFORM 0xFF + 1_000;"),
    view("bit-functions", "bit_count(raw) FROM p.t"),
    view("date-bin", "date_bin('1 hour', at, at) FROM p.t"),
    view("string-to-table", "string_to_table(name, ',') FROM p.t"),
    view("trim-functions", "ltrim(raw, raw) FROM p.t"),
    view("unistr", "unistr(name) FROM p.t"),
    Plant(
        "extract",
        "view p.v_extract",
        (),
        ("CREATE VIEW p.v_extract AS SELECT extract(year FROM at) FROM p.t",),
        refused=False,
    ),
    view("regexp-functions", "regexp_count(name, 'a') FROM p.t"),
    view("any-value", "any_value(name) FROM p.t"),
    view("array-random", "array_shuffle(ARRAY[1, 2])"),
    view("date-add", "date_add(at, '1 day') FROM p.t"),
    view("error-function", "erf(1)"),
    view("random-normal", "random_normal()"),
    view("input-is-valid", "pg_input_is_valid(name, 'integer') FROM p.t"),
    view("system-user", "SYSTEM_USER"),
    view("random-range", "random(1, 6)"),
    view("to-bin", "to_bin(7)"),
    view("uuid-extract", "uuid_extract_version(gen_random_uuid())"),
    view("unicode", "unicode_assigned(name) FROM p.t"),
    view("xmltext", "xmltext(name) FROM p.t"),
    view("at-local", "at AT LOCAL FROM p.t"),
    view("array-sort", "array_sort(ARRAY[2, 1])"),
    view("casefold", "casefold(name) FROM p.t"),
    view("crc32", "crc32(raw) FROM p.t"),
    view("gamma", "gamma(3)"),
    view("bytea-casts", "id::bytea FROM p.t"),
    view("reverse-bytea", "reverse(raw) FROM p.t"),
    view("min-max", "max(raw) FROM p.t"),
    Plant("uuidv7", "table column p.uuidv7.id", ("CREATE TABLE p.uuidv7 (id uuid DEFAULT uuidv7())",)),
    view("json-constructor", "JSON_ARRAY(id, name) FROM p.t"),
    view("is-json", "name IS JSON OBJECT FROM p.t"),
    view("json-scalar", "JSON_SCALAR(id) FROM p.t"),
    view("json-query", "JSON_VALUE(doc, '$.a') FROM p.t"),
    view("json-table", "j.a FROM p.t, JSON_TABLE(doc, '$[*]' COLUMNS (a int PATH '$.a')) AS j"),
    view("group-by-distinct", "grp, name, count(*) FROM p.t GROUP BY DISTINCT ROLLUP (grp, name), ROLLUP (grp)"),
    Plant(
        "search-clause",
        "view p.search_clause",
        (
            "CREATE VIEW p.search_clause AS WITH RECURSIVE w AS (SELECT id, grp FROM p.t UNION ALL"
            " SELECT t.id, t.grp FROM p.t JOIN w ON t.grp = w.id) SEARCH DEPTH FIRST BY id SET o SELECT id FROM w",
        ),
    ),
    Plant(
        "cycle-clause",
        "view p.cycle_clause",
        (
            "CREATE VIEW p.cycle_clause AS WITH RECURSIVE w AS (SELECT id, grp FROM p.t UNION ALL"
            " SELECT t.id, t.grp FROM p.t JOIN w ON t.grp = w.id) CYCLE id SET c USING path SELECT id FROM w",
        ),
    ),
    view("join-using-alias", "j.id FROM p.t JOIN p.t AS u USING (id) AS j"),
    Plant(
        "merge",
        "function p.merge()",
        (
            "CREATE FUNCTION p.merge() RETURNS void LANGUAGE sql BEGIN ATOMIC MERGE INTO p.t USING p.t AS u"
            " ON t.id = u.id WHEN MATCHED THEN DO NOTHING; END",
        ),
    ),
    Plant(
        "merge-returning",
        "function p.merge_returning()",
        (
            "CREATE FUNCTION p.merge_returning() RETURNS SETOF int LANGUAGE sql BEGIN ATOMIC MERGE INTO p.t"
            " USING p.t AS u ON t.id = u.id WHEN MATCHED THEN UPDATE SET grp = 1 RETURNING t.id; END",
        ),
    ),
    Plant(
        "merge-by-source",
        "function p.merge_by_source()",
        (
            "CREATE FUNCTION p.merge_by_source() RETURNS void LANGUAGE sql BEGIN ATOMIC MERGE INTO p.t USING p.t AS u"
            " ON t.id = u.id WHEN NOT MATCHED BY SOURCE THEN DELETE; END",
        ),
    ),
    Plant(
        "returning-old-new",
        "function p.returning_old_new()",
        (
            "CREATE FUNCTION p.returning_old_new() RETURNS int LANGUAGE sql BEGIN ATOMIC"
            " UPDATE p.t SET grp = 2 RETURNING old.grp; END",
        ),
    ),
    view("xml-indent", "xmlserialize(document xmlparse(document '<a/>') AS text INDENT)"),
    Plant(
        "column-compression",
        "table column p.column_compression.c",
        ("CREATE TABLE p.column_compression (c text COMPRESSION pglz)",),
    ),
    Plant(
        "virtual-column",
        "table column p.virtual_column.b",
        ("CREATE TABLE p.virtual_column (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL)",),
    ),
    Plant(
        "without-overlaps",
        "table constraint k on p.without_overlaps",
        ("CREATE TABLE p.without_overlaps (id int4range, at tsrange, CONSTRAINT k UNIQUE (id, at WITHOUT OVERLAPS))",),
    ),
    Plant(
        "not-enforced",
        "table constraint k on p.not_enforced",
        ("CREATE TABLE p.not_enforced (a int, CONSTRAINT k CHECK (a > 0) NOT ENFORCED)",),
    ),
    Plant(
        "not-null-not-valid",
        "table constraint k on p.not_null_not_valid",
        ("ALTER TABLE p.not_null_not_valid ADD CONSTRAINT k NOT NULL a NOT VALID",),
        ("CREATE TABLE p.not_null_not_valid (a int)",),
    ),
    Plant(
        "not-null-no-inherit",
        "table constraint k on p.not_null_no_inherit",
        ("CREATE TABLE p.not_null_no_inherit (a int, CONSTRAINT k NOT NULL a NO INHERIT)",),
    ),
    Plant(
        "not-null-name",
        "table constraint mine on p.not_null_name",
        (),
        ("CREATE TABLE p.not_null_name (a int CONSTRAINT mine NOT NULL)",),
        refused=False,
    ),
    Plant(
        "foreign-key-partitioned",
        "table constraint k on p.foreign_key_partitioned",
        ("ALTER TABLE p.foreign_key_partitioned ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES p.t NOT VALID",),
        ("CREATE TABLE p.foreign_key_partitioned (id int) PARTITION BY RANGE (id)",),
    ),
    Plant(
        "foreign-key-columns",
        "table constraint k on p.foreign_key_columns",
        (
            "CREATE TABLE p.foreign_key_columns (a int, CONSTRAINT k FOREIGN KEY (a) REFERENCES p.t"
            " ON DELETE SET NULL (a))",
        ),
    ),
    Plant(
        "nulls-not-distinct",
        "index p.one_null",
        ("CREATE UNIQUE INDEX one_null ON p.t (grp) NULLS NOT DISTINCT",),
    ),
    Plant(
        "identity-partitioned",
        "table column p.identity_partitioned.id",
        (
            "CREATE TABLE p.identity_partitioned (id int GENERATED ALWAYS AS IDENTITY) PARTITION BY RANGE (id)",
            "CREATE TABLE p.identity_one PARTITION OF p.identity_partitioned FOR VALUES FROM (1) TO (9)",
            "INSERT INTO p.identity_one DEFAULT VALUES",
        ),
    ),
    Plant(
        "exclusion-partitioned",
        "table constraint no_two on p.exclusion_partitioned",
        (
            "CREATE TABLE p.exclusion_partitioned (id int4range, CONSTRAINT no_two EXCLUDE USING gist (id WITH =))"
            " PARTITION BY RANGE (id)",
        ),
    ),
    Plant(
        "access-method-partitioned",
        "table p.access_method_partitioned",
        ("CREATE TABLE p.access_method_partitioned (id int) PARTITION BY RANGE (id) USING heap",),
    ),
    Plant("unlogged-sequence", "sequence p.unlogged_sequence", ("CREATE UNLOGGED SEQUENCE p.unlogged_sequence",)),
    Plant("brin-bloom", "index p.bloom", ("CREATE INDEX bloom ON p.t USING brin (grp int4_bloom_ops)",)),
    Plant("spgist-include", "index p.included", ("CREATE INDEX included ON p.t USING spgist (name) INCLUDE (grp)",)),
    Plant(
        "expression-statistics",
        "statistics object p.lowered",
        ("CREATE STATISTICS p.lowered ON (lower(name)) FROM p.t",),
    ),
    Plant(
        "security-invoker",
        "view p.security_invoker",
        ("CREATE VIEW p.security_invoker WITH (security_invoker = true) AS SELECT id FROM p.t",),
    ),
    Plant("sql-body", "function p.sql_body()", ("CREATE FUNCTION p.sql_body() RETURNS int LANGUAGE sql RETURN 1",)),
    Plant(
        "procedure-out",
        "procedure p.procedure_out()",
        ("CREATE PROCEDURE p.procedure_out(OUT a int) LANGUAGE plpgsql AS 'BEGIN a := 1; END'",),
    ),
    Plant(
        "login-trigger",
        "event trigger on_login",
        (
            "CREATE EVENT TRIGGER on_login ON login EXECUTE FUNCTION p.at_login()",
            "ALTER EVENT TRIGGER on_login DISABLE",
        ),
        ("CREATE FUNCTION p.at_login() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",),
    ),
    Plant(
        "maintain",
        "table p.maintained",
        ("GRANT SELECT, MAINTAIN ON p.maintained TO planted",),
        ("CREATE TABLE p.maintained (a int)",),
    ),
    Plant(
        "parameter-privilege",
        "parameter log_min_duration_statement",
        ("GRANT SET ON PARAMETER log_min_duration_statement TO planted",),
    ),
    Plant("publication-schema", "publication by_schema", ("CREATE PUBLICATION by_schema FOR TABLES IN SCHEMA p",)),
    Plant("publication-filter", "publication filtered", ("CREATE PUBLICATION filtered FOR TABLE p.t WHERE (id > 1)",)),
    Plant("publication-columns", "publication columned", ("CREATE PUBLICATION columned FOR TABLE p.t (id)",)),
    Plant(
        "publication-generated",
        "publication generated",
        ("CREATE PUBLICATION generated FOR TABLE p.t WITH (publish_generated_columns = stored)",),
    ),
    Plant(
        "icu-rules",
        "collation p.ruled",
        ("CREATE COLLATION p.ruled (provider = icu, locale = 'und', rules = '&V << w')",),
    ),
    Plant(
        "collation-builtin",
        "collation p.builtin",
        ("CREATE COLLATION p.builtin (provider = builtin, locale = 'C.UTF-8')",),
    ),
    Plant(
        "pg-unicode-fast",
        "collation p.fast",
        ("CREATE COLLATION p.fast (provider = builtin, locale = 'PG_UNICODE_FAST')",),
    ),
    # Rows that name no family: one builtin each, by its major.
    Plant(
        "function-setting",
        "function p.slow()",
        ("ALTER FUNCTION p.slow() SET enable_group_by_reordering = off",),
        ("CREATE FUNCTION p.slow() RETURNS void LANGUAGE plpgsql AS 'BEGIN END'",),
    ),
    Plant("role", "table p.kept", ("GRANT SELECT ON p.kept TO pg_maintain",), ("CREATE TABLE p.kept (a int)",)),
    view("function", "pg_basetype('integer'::regtype)"),
    view("operator", "'0/1'::pg_lsn + 1::numeric"),
    view("relation", "name FROM pg_catalog.pg_wait_events"),
    view("column", "query_id FROM pg_catalog.pg_stat_activity"),
    # The same in texts.
    text("merge", "merges", "MERGE INTO p.t USING p.t AS u ON t.id = u.id WHEN MATCHED THEN DO NOTHING;"),
    text(
        "merge-returning",
        "merges_more",
        "MERGE INTO p.t USING p.t u ON t.id = u.id WHEN MATCHED THEN DELETE RETURNING t.id;",
    ),
    text("json-table", "tabled", "PERFORM * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a int PATH '$')) j;"),
    text("regexp-functions", "counts", "PERFORM pg_catalog.regexp_count('a', 'a');"),
    text("uuidv7", "numbered", "PERFORM uuidv7();"),
    text("returning-old-new", "returns", "UPDATE p.t SET grp = 3 RETURNING old.grp, new.grp;"),
    text("relation", "waits", "PERFORM name FROM pg_wait_events;"),
)
# The major of a row that names none: that of what was planted for it.
PLANTED_MAJOR = {"function-setting": 17, "role": 17, "function": 17, "operator": 14, "relation": 17, "column": 14}

UP_FROM_13 = (
    Plant("postfix-operator", "operator p.!!!(bigint,NONE)",
          ("CREATE OPERATOR p.!!! (FUNCTION = numeric_fac, LEFTARG = bigint)",)),
    Plant("polymorphic-array", "aggregate p.collect(pg_catalog.anyelement)",
          ("CREATE AGGREGATE p.collect(anyelement) (SFUNC = array_append, STYPE = anyarray, INITCOND = '{}')",)),
    Plant("geometric-containment", "view p.geometric_containment",
          ("CREATE VIEW p.geometric_containment AS SELECT '(0,0)'::point @ '(1,1),(0,0)'::box",)),
    text("exclusive-backup", "backs_up", "PERFORM pg_start_backup('a');"),
    Plant("exclusive-backup", "view p.exclusive_backup",
          ("CREATE VIEW p.exclusive_backup AS SELECT pg_is_in_backup()",)),
    Plant("column", "view p.bgwriter",
          ("CREATE VIEW p.bgwriter AS SELECT buffers_backend FROM pg_catalog.pg_stat_bgwriter",)),
    Plant("reserved-word", "table column p.words.system_user", (),
          ("CREATE TABLE p.words (system_user text)",), refused=False),
    Plant("extension-missing", "extension adminpack", ("CREATE EXTENSION adminpack",)),
    Plant("extension-version", "extension pg_trgm", (), ("CREATE EXTENSION pg_trgm",), refused=False),
    Plant("setting", "database planted_db",
          ("ALTER DATABASE planted_db SET vacuum_cleanup_index_scale_factor = 0.2",)),
    Plant("public-create", "schema public", (), (), refused=False),
    Plant("md5-password", "role weak", (),
          ("SET password_encryption = md5", "CREATE ROLE weak PASSWORD 'x'", "CREATE TABLE p.weak (a int)",
           "ALTER TABLE p.weak OWNER TO weak"), refused=False),
    Plant("index-search-path", "index p.loose", (),
          ("CREATE FUNCTION p.plain(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)'",
           "CREATE INDEX loose ON p.t (p.plain(name))"), refused=False),
    Plant("unlogged-partitioned", "table p.unlogged_partitioned",
          ("CREATE UNLOGGED TABLE p.unlogged_partitioned (a int) PARTITION BY RANGE (a)",)),
)  # fmt: skip
UP_MAJOR = {"column": 17, "reserved-word": 16, "extension-missing": 17, "extension-version": 14, "setting": 14}

# What doesn't hang on a major: found whatever the target.
ALWAYS = (
    Plant("publication", "publication all_of_it", ("CREATE PUBLICATION all_of_it FOR TABLE p.t",)),
    Plant("subscription", "subscription copies",
          ("CREATE SUBSCRIPTION copies CONNECTION 'host=far.example' PUBLICATION x WITH (connect = false)",)),
    Plant("replication-slot", "replication slot follower",
          ("SELECT pg_create_logical_replication_slot('follower', 'pgoutput')",)),
    Plant("large-objects", "1 large object", ("SELECT lo_create(0)",)),
)  # fmt: skip

# What a program of today does, in shapes and words that only look like something new: nothing may block.
CLEAN = """
CREATE EXTENSION pg_trgm;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION "uuid-ossp";
CREATE TYPE "ObservationType" AS ENUM ('SPAN', 'EVENT', 'GENERATION');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE projects (id text PRIMARY KEY, name text NOT NULL, created_at timestamptz DEFAULT now(), quota positive,
  metadata jsonb DEFAULT '{}', tags text[] DEFAULT ARRAY[]::text[], price numeric(65, 30), at tsrange,
  "system" text, "json_table" text, merge text, old int, any_value int);
CREATE TABLE observations (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, project_id text NOT NULL REFERENCES projects
  ON DELETE CASCADE ON UPDATE CASCADE, type "ObservationType" NOT NULL, start_time timestamp(3) DEFAULT
  CURRENT_TIMESTAMP, latency double precision GENERATED ALWAYS AS (1.5) STORED,
  n bigint GENERATED BY DEFAULT AS IDENTITY,
  CONSTRAINT no_overlap EXCLUDE USING gist (at WITH &&), at tsrange);
CREATE TABLE events (id bigserial, at timestamptz NOT NULL, body jsonb) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE UNLOGGED TABLE sessions (id text PRIMARY KEY, doc json);
CREATE TABLE date_add (id int, n int);
CREATE INDEX ON observations (project_id, start_time DESC);
CREATE INDEX ON projects USING gin (name gin_trgm_ops);
CREATE INDEX ON projects USING gin (metadata jsonb_path_ops);
CREATE INDEX ON events USING brin (at);
CREATE INDEX ON projects (lower(name)) WHERE name IS NOT NULL;
CREATE UNIQUE INDEX ON projects (coalesce(name, ''));
CREATE STATISTICS both_names (dependencies) ON id, name FROM projects;
CREATE VIEW report AS SELECT p.id, p.tags || 'x'::text AS more, array_append(p.tags, 'y') AS grown,
  array_position(p.tags, 'y') AS found, extract(epoch FROM p.created_at) AS epoch, date_part('year', p.created_at) AS y,
  p.metadata ->> 'a' AS a, jsonb_path_query_first(p.metadata, '$.a') AS b, json_build_object('a', 1) AS c, count(o.id)
  FILTER (WHERE o.type = 'SPAN') AS spans, string_agg(o.type::text, ',' ORDER BY o.start_time) AS types,
  lag(p.quota::int, 1, 0) OVER (ORDER BY p.id) AS before, jsonb_strip_nulls(p.metadata) AS short,
  regexp_replace(p.name, 'a', 'b') AS renamed, random() AS dice, width_bucket(p.price, ARRAY[1.0, 2.0]) AS bucket
  FROM projects p LEFT JOIN observations o ON o.project_id = p.id GROUP BY p.id;
CREATE MATERIALIZED VIEW per_day AS SELECT date_trunc('day', start_time) AS d, count(*) AS n
  FROM observations GROUP BY 1;
CREATE VIEW activity AS SELECT pid, state, query FROM pg_stat_activity;
CREATE VIEW tree AS WITH RECURSIVE w(id, depth) AS (SELECT id, 1 FROM projects UNION ALL SELECT id, depth + 1 FROM w
  WHERE depth < 3) SELECT * FROM w;
CREATE FUNCTION any_value(a int, b int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION regexp_count(a text) RETURNS int LANGUAGE sql AS 'SELECT length(a)';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE merge int := 0; -- MERGE INTO x USING y; JSON_TABLE(doc, '$')
  note text := 'MERGE INTO t USING s; SELECT uuidv7(), JSON_VALUE(a, b) 0xFF';
BEGIN
  /* uuidv7() /* nested regexp_like('a', 'b') */ array_sort(x) */
  merge := regexp_count('abc') + any_value(1, 2);
  INSERT INTO date_add (id, n) VALUES (1, merge) RETURNING id INTO merge;
  UPDATE projects SET old = 1 WHERE id = NEW.project_id RETURNING old INTO merge;
  WITH array_shuffle (x) AS (SELECT 1), random_normal (y) AS (SELECT 2) SELECT x INTO merge FROM array_shuffle;
  PERFORM p.merge, p.json_table, ARRAY['a'], json_object('{a,b}'::text[]), NEW.type IS DISTINCT FROM OLD.type
    FROM projects p WHERE p.id = NEW.project_id;
  DELETE FROM projects p USING (SELECT id FROM observations WHERE false) AS o WHERE o.id::text = p.id;
  EXECUTE 'SELECT uuidv7()';
  RETURN NEW;
END $$;
CREATE TRIGGER touched BEFORE UPDATE ON observations FOR EACH ROW WHEN (OLD.type IS DISTINCT FROM NEW.type)
  EXECUTE FUNCTION touch();
CREATE AGGREGATE longest(text) (SFUNC = textcat, STYPE = text);
CREATE OPERATOR === (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text);
ALTER TABLE projects ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON projects USING (name = current_user);
CREATE RULE quiet AS ON DELETE TO sessions DO INSTEAD NOTHING;
GRANT ALL ON projects TO PUBLIC;
GRANT SELECT, INSERT ON observations TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
INSERT INTO projects (id, name) VALUES ('a', 'b');
"""


class Majors:
    """A server of each major, with one database for what is planted and a clean one."""

    def __init__(self) -> None:
        self.names = {major: f"bulkhead-test-fit{major}-{time.time_ns() % 10**8}" for major in MAJORS}
        self.addresses: dict[int, str] = {}
        self.adapters: dict[int, Postgres] = {}

    def start(self) -> None:
        """Start them all, then wait for all."""
        subprocess.run([str(ROOT / "images" / "build.sh"), NPM_IMAGE], check=True, stdout=subprocess.PIPE)
        for major, name in self.names.items():
            image = f"bulkhead/postgres:{major}" if major in OF_DEBIAN else NPM_IMAGE
            command = [
                "docker",
                "run",
                "-d",
                "--name",
                name,
                "--label",
                "bulkhead.test=true",
                "-e",
                f"PG_MAJOR={major}",
            ]
            command += ["-e", "POSTGRES_PASSWORD=" + PASSWORD, "-e", "POSTGRES_INITDB_ARGS=--no-sync"]
            command += ["--tmpfs", "/var/lib/postgresql/data", image, "postgres", *SETTINGS]
            subprocess.run(command, check=True, stdout=subprocess.PIPE)
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        for major, name in self.names.items():
            command = ["docker", "inspect", "--format", form, name]
            self.addresses[major] = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True
            ).stdout.strip()
            self.adapters[major] = Postgres(Endpoint(self.addresses[major], 5432, "postgres", PASSWORD))
        for major in MAJORS:
            self.wait(major)
            self.run(major, "postgres", "CREATE ROLE planted", f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")

    def wait(self, major: int) -> None:
        """Return when a server lets one in: while it is being made it listens on its socket alone."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect(major).close()
            except psycopg2.OperationalError:
                assert time.monotonic() < deadline, f"PostgreSQL {major} doesn't come up"
                time.sleep(0.1)
            else:
                return

    def connect(self, major: int, database: str = "postgres") -> Any:
        connection = psycopg2.connect(
            host=self.addresses[major], user="postgres", password=PASSWORD, dbname=database, connect_timeout=5
        )
        connection.autocommit = True
        return connection

    def run(self, major: int, database: str, *statements: str) -> None:
        """Run statements, each committed at once."""
        connection = self.connect(major, database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def create(self, major: int, database: str, options: str = "LOCALE 'C'") -> None:
        self.run(major, "postgres", f"CREATE DATABASE {database} TEMPLATE template0 {options}")

    def remove(self) -> None:
        for adapter in self.adapters.values():
            adapter.close()
        subprocess.run(["docker", "rm", "-f", "-v", *self.names.values()], check=True, stdout=subprocess.PIPE)


@pytest.fixture(scope="module")
def majors() -> Iterator[Majors]:
    """Start a server of each major, and take all away afterwards."""
    servers = Majors()
    try:
        servers.start()
        yield servers
    finally:
        servers.remove()


@pytest.fixture(scope="module")
def offers(majors: Majors) -> dict[int, Offer]:
    """Return what each of them offers."""
    return {major: read_offer(adapter) for major, adapter in majors.adapters.items()}


def found(uses: Any, offer: Offer) -> set[tuple[str, str, str]]:
    """Return row, object and grade of each finding."""
    return {(item.feature, item.object, item.grade) for item in compare(uses, offer).findings}


def refuses(majors: Majors, major: int, plant: Plant) -> bool:
    """Return whether a server refuses what a plant does; nothing of it stays."""
    connection = majors.connect(major, "truth")
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            for statement in plant.before:
                cursor.execute(statement)
            try:
                for statement in plant.sql:
                    cursor.execute(statement)
            except psycopg2.Error:
                return True
            return False
    finally:
        connection.rollback()
        connection.close()


def test_everything_new_is_found_and_graded(majors: Majors, offers: dict[int, Offer]) -> None:
    majors.create(18, "planted_db")
    majors.run(18, "planted_db", *TABLES)
    for plant in DOWN:
        majors.run(18, "planted_db", *plant.before, *plant.sql)
    majors.run(18, "planted_db", *(statement for plant in ALWAYS for statement in plant.sql))
    uses = read_uses(majors.adapters[18], "planted_db")
    wrong = []
    for target in (13, 14, 15, 16, 17):
        for kind, offer in (("live", offers[target]), ("bare", offer_of(uses, target))):
            all_found = found(uses, offer)
            for plant in DOWN:
                feature = BY_ID[plant.feature]
                since = feature.major or PLANTED_MAJOR[plant.feature]
                wanted = (plant.feature, plant.object, feature.down)
                if (wanted in all_found) != (target < since):
                    wrong.append((kind, target, wanted))
            for plant in ALWAYS:
                assert (plant.feature, plant.object, BY_ID[plant.feature].down) in all_found
    assert wrong == []
    for plant in ALWAYS[1:3]:
        majors.run(18, "planted_db", *{
            "subscription": ("ALTER SUBSCRIPTION copies SET (slot_name = NONE)", "DROP SUBSCRIPTION copies"),
            "replication-slot": ("SELECT pg_drop_replication_slot('follower')",),
        }[plant.feature])  # fmt: skip


def test_what_blocks_is_refused_by_the_older_server(majors: Majors) -> None:
    for major in MAJORS:
        majors.create(major, "truth")
        majors.run(major, "truth", *TABLES)
    wrong = []
    for plant in DOWN:
        feature = BY_ID[plant.feature]
        since = feature.major or PLANTED_MAJOR[plant.feature]
        if plant.refused and not refuses(majors, since - 1, plant):
            wrong.append((since - 1, plant.feature, "is taken"))
        if refuses(majors, since, plant):
            wrong.append((since, plant.feature, "is refused by the major that has it"))
    assert wrong == []


def test_everything_that_is_gone_is_found_and_graded(majors: Majors, offers: dict[int, Offer]) -> None:
    majors.create(13, "planted_db")
    majors.run(13, "planted_db", *TABLES)
    for plant in UP_FROM_13:
        majors.run(13, "planted_db", *plant.before, *plant.sql)
    uses = read_uses(majors.adapters[13], "planted_db")
    wrong = []
    for target in (14, 15, 16, 17, 18):
        for kind, offer in (("live", offers[target]), ("bare", offer_of(uses, target))):
            all_found = found(uses, offer)
            for plant in UP_FROM_13:
                feature = BY_ID[plant.feature]
                since = UP_MAJOR.get(plant.feature) or feature.major
                if kind == "bare" and plant.feature == "extension-version":
                    continue
                if ((plant.feature, plant.object, feature.up) in all_found) != (target >= since):
                    wrong.append((kind, target, plant.feature, plant.object))
    assert wrong == []
    refused = [
        plant.feature
        for plant in UP_FROM_13
        if plant.sql
        and plant.refused
        and refuses(majors, UP_MAJOR.get(plant.feature) or BY_ID[plant.feature].major, plant)
    ]
    assert refused == [plant.feature for plant in UP_FROM_13 if plant.sql and plant.refused]


def test_locales_encodings_and_extensions(majors: Majors, offers: dict[int, Offer]) -> None:
    majors.create(17, "german", "LOCALE 'en_US.utf8'")
    majors.run(17, "german", 'CREATE TABLE names (name text COLLATE "en_US.utf8")', "CREATE EXTENSION vector")
    there = found(read_uses(majors.adapters[17], "german"), offers[16])
    assert ("locale-missing", "database german", "blocks") in there
    assert ("collation-missing", "table column public.names.name", "blocks") in there
    assert ("extension-missing", "extension vector", "blocks") in there
    majors.create(18, "latin", "LOCALE 'C' ENCODING 'LATIN1'")
    assert found(read_uses(majors.adapters[18], "latin"), offers[16]) == {("encoding", "database latin", "converts")}
    majors.create(18, "icu", "LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'und'")
    uses = read_uses(majors.adapters[18], "icu")
    assert ("database-icu", "database icu", "blocks") in found(uses, offers[14])
    assert found(uses, offers[15]) == set()
    majors.create(18, "builtin", "LOCALE 'C.UTF-8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'")
    majors.run(18, "builtin", "CREATE EXTENSION pg_trgm")
    uses = read_uses(majors.adapters[18], "builtin")
    assert ("database-builtin", "database builtin", "blocks") in found(uses, offers[16])
    assert found(uses, offers[13]) >= {("extension-version", "extension pg_trgm", "converts")}
    assert ("database-builtin", "database builtin", "blocks") not in found(uses, offers[17])


def test_a_clean_database_is_never_blocked(majors: Majors, offers: dict[int, Offer]) -> None:
    blocked = []
    for source in MAJORS:
        majors.create(source, "clean", "LOCALE 'C'")
        majors.run(source, "clean", CLEAN)
        uses = read_uses(majors.adapters[source], "clean")
        for target in MAJORS:
            for offer in [offer_of(uses, target)] + ([offers[target]] if target != source else []):
                found_there = compare(uses, offer).graded("blocks")
                blocked += [(source, target, item.feature, item.object, item.evidence) for item in found_there]
    assert blocked == []


@pytest.mark.parametrize("major", MAJORS)
def test_a_role_without_rights_reads_the_same(majors: Majors, offers: dict[int, Offer], major: int) -> None:
    majors.create(major, "plain", "LOCALE 'C'")
    majors.run(major, "plain", CLEAN, "CREATE PUBLICATION all_of_it FOR ALL TABLES", "SELECT lo_create(0)")
    reader = Postgres(Endpoint(majors.addresses[major], 5432, "reader", PASSWORD, "plain"))
    try:
        uses = read_uses(reader, "plain")
        offered = read_offer(reader)
    finally:
        reader.close()
    assert uses.unseen == ("How passwords are kept can't be seen: this role is no superuser.",)
    all_of_it = read_uses(majors.adapters[major], "plain")
    assert set(all_of_it.seen) - set(uses.seen) <= {item for item in all_of_it.seen if item.feature == "md5-password"}
    assert set(uses.names) == set(all_of_it.names)
    assert {item.feature for item in uses.seen} >= {"publication", "large-objects"}
    # What this role may not see of a target is never taken for missing.
    other = 13 if major == 18 else 18
    seen_by_reader = found(read_uses(majors.adapters[other], "postgres"), offered)
    assert seen_by_reader == found(read_uses(majors.adapters[other], "postgres"), offers[major])


def test_every_row_that_claims_to_be_tested_is_planted() -> None:
    elsewhere = {"database-icu", "database-builtin", "locale-missing", "collation-missing", "encoding"}
    planted = {plant.feature for plant in (*DOWN, *UP_FROM_13, *ALWAYS)} | elsewhere
    assert planted == {feature.id for feature in FEATURES if feature.tested}
    assert len({plant.feature for plant in DOWN}) >= 40


def test_the_module_reads_two_servers(majors: Majors, call: Any) -> None:
    majors.create(17, "langfuse")
    majors.run(17, "langfuse", "CREATE TABLE k (a int)", "CREATE UNIQUE INDEX one ON k (a) NULLS NOT DISTINCT")
    options = {"container": majors.names[17], "database": "langfuse"}
    result = call("pg_version_fit_info", **options, target={"container": majors.names[14]})
    assert result["changed"] is False
    assert result["verdict"] == "blocks"
    assert [item["object"] for item in result["findings"] if item["grade"] == "blocks"] == ["index public.one"]
    assert result["free_bytes"] > result["size_bytes"] > 0
    assert result["page"][0].startswith("langfuse (17.")
    assert result["counts"]["blocks"] == 1
    newer = call("pg_version_fit_info", check=True, **options, target_version=18)
    assert newer["verdict"] == "fits"
    assert newer["free_bytes"] is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"target_version": 12}, "There is no target PostgreSQL 12"),
        (
            {"target_version": 15, "database": "nowhere"},
            "There is no database nowhere on this server. Correct its name.",
        ),
        ({"target": {"container": "{17}"}}, "Source and target are one cluster"),
        ({}, "one of the following is required: target, target_version"),
        ({"target_version": 15, "target": {"container": "{14}"}}, "mutually exclusive"),
    ],
)
def test_what_can_not_be_compared_is_refused(majors: Majors, call: Any, more: dict[str, Any], message: str) -> None:
    options = {"container": majors.names[17], "database": "postgres", **more}
    if "target" in more:
        name = more["target"]["container"]
        options["target"] = {"container": majors.names[int(name.strip("{}"))]}
    result = call("pg_version_fit_info", **options)
    assert result["failed"] is True
    assert message in result["msg"]
