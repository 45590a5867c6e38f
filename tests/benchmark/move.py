# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A move of 200 MB from 17 to 15 beside the bare pipe by hand, and the memory that one server less gives back.

By hand nothing is filtered, hashed, read back or compared. The runs alternate, so that noise hits both alike. Memory is
the anonymous memory of the containers' cgroups, with the same sessions open and the same queries run before and after.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg2
from backup import call_module, importable, own_container
from postgrest import address, inspected

IMAGES = {"source": "bulkhead/postgres:17", "target": "bulkhead/postgres:15"}
ROUNDS = 3
AT_MOST = 1.3
SESSIONS = 10
SIZE_BYTES = 200_000_000
# About 310 bytes a row as COPY writes it.
ROWS = """
CREATE DATABASE service;
\\connect service
CREATE TYPE level AS ENUM ('DEBUG', 'DEFAULT');
CREATE TABLE projects (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE traces (
  id text PRIMARY KEY, at timestamp(3) NOT NULL, name text, project_id text NOT NULL REFERENCES projects,
  input jsonb, tags text[], level level NOT NULL, tokens integer,
  cost numeric GENERATED ALWAYS AS (tokens * 0.0002) STORED
);
CREATE INDEX ON traces (project_id, at DESC);
CREATE INDEX ON traces USING gin (tags);
INSERT INTO projects SELECT 'p' || i, 'project ' || i FROM generate_series(0, 49) i;
INSERT INTO traces
  SELECT md5(i::text), now() - i * interval '1 s', 'trace ' || i, 'p' || i % 50,
         jsonb_build_object('x', i, 'text', repeat(md5(i::text), 5)), ARRAY['t' || i % 10], 'DEFAULT', i
    FROM generate_series(1, 720000) i;
VACUUM ANALYZE;
"""
# What a program asks after it was started.
WARM_UP = (
    "SELECT count(*), max(input ->> 'text') FROM traces",
    "SELECT project_id, count(*), sum(cost) FROM traces GROUP BY 1 ORDER BY 2",
    "SELECT * FROM traces WHERE tags @> ARRAY['t1'] ORDER BY at DESC LIMIT 1000",
)


def psql(container: str, database: str, statement: str) -> str:
    """Return what a statement gives."""
    argv = ["docker", "exec", container, "psql", "-U", "postgres", "-XAtqc", statement, "-d", database]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()


def by_hand(source: str, target: str) -> float:
    """Pipe pg_dump into psql; return the seconds."""
    psql(target, "postgres", "CREATE DATABASE hand")
    psql(target, "postgres", "CHECKPOINT")
    begin = time.monotonic()
    quiet = {"stderr": subprocess.DEVNULL}
    with subprocess.Popen(
        ["docker", "exec", source, "pg_dump", "-U", "postgres", "service"], stdout=subprocess.PIPE, **quiet
    ) as dump:
        load = ["docker", "exec", "-i", target, "psql", "-U", "postgres", "-q", "hand"]
        subprocess.run(load, check=True, stdin=dump.stdout, stdout=subprocess.DEVNULL, **quiet)
    took = time.monotonic() - begin
    rows = "SELECT count(*) FROM traces"
    if psql(target, "hand", rows) != psql(source, "service", rows):
        raise SystemExit("by hand not every row came")
    psql(target, "postgres", "DROP DATABASE hand")
    return took


def by_module(source: str, target: str, folder: Path) -> tuple[float, int]:
    """Move the database; return the seconds, and how much was carried."""
    psql(target, "postgres", "CHECKPOINT")
    took, _peak, result = call_module(
        "pg_database_move",
        folder,
        container=source,
        database="service",
        target={"container": target},
        owner="service",
        owner_password_file=str(folder / "password"),
    )
    return took, int(result["moved"]["size_bytes"])


def anonymous(container: str) -> int:
    """Return the bytes of anonymous memory of a container's cgroup, of either version."""
    argv = ["docker", "exec", container, "sh", "-c", "cat /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat"]
    said = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    fields = dict(line.split(" ", 1) for line in said.splitlines())
    return int(fields.get("anon") or fields["total_rss"])


def warmed(container: str, database: str, stack: ExitStack) -> None:
    """Open a pool's sessions, and let each ask what a program asks."""
    password = inspected("{{range .Config.Env}}{{println .}}{{end}}", container)
    secret = next(line.partition("=")[2] for line in password.splitlines() if line.startswith("POSTGRES_PASSWORD="))
    for _number in range(SESSIONS):
        connection = psycopg2.connect(host=address(container), user="postgres", password=secret, dbname=database)
        stack.callback(connection.close)
        with connection.cursor() as cursor:
            for statement in WARM_UP:
                cursor.execute(statement)
        connection.rollback()


def figures() -> Iterator[tuple[str, str, str, bool]]:
    """Yield what `make bench ONLY=move` prints."""
    with importable(), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-")))
        source = stack.enter_context(own_container(ROWS, IMAGES["source"]))
        target = stack.enter_context(own_container("SELECT 1;", IMAGES["target"]))
        hand: list[float] = []
        ours: list[float] = []
        size = 0
        for number in range(ROUNDS):
            if number:
                psql(target, "postgres", "DROP DATABASE service")
            hand.append(by_hand(source, target))
            took, size = by_module(source, target, folder)
            ours.append(took)
        ratio = statistics.median(ours) / statistics.median(hand)
        print(f"# by hand {statistics.median(hand):.1f} s, ours {statistics.median(ours):.1f} s (medians of {ROUNDS})")
        yield ("move_of_200_mb_beside_the_bare_pipe", f"{ratio:.2f}", f"at most {AT_MOST}", ratio <= AT_MOST)
        yield ("move_size", f"{size / 1e6:.0f} MB", "at least 200 MB", size >= SIZE_BYTES)
        with ExitStack() as sessions:
            warmed(source, "service", sessions)
            of_source, of_target = anonymous(source), anonymous(target)
        subprocess.run(["docker", "stop", source], check=True, stdout=subprocess.DEVNULL)
        with ExitStack() as sessions:
            warmed(target, "service", sessions)
            after = anonymous(target)
        before = of_source + of_target
        print(
            f"# memory: source {of_source / 1e6:.1f} MB and target {of_target / 1e6:.1f} MB, then {after / 1e6:.1f} MB"
        )
        yield ("memory_given_back", f"{(before - after) / 1e6:.1f} MB", "more than 0 MB", before > after)
