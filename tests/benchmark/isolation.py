# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's rows moved, checksums of both sides included, beside what a person would type; and a crowded cluster.

By hand it is ``pg_dump -t … | psql -1`` inside the container: nothing is compared. Ours is the whole module, start-up
included. The runs alternate, so that noise hits all alike.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backup import call_module, importable, own_container

ROUNDS = 3
# 500,000 rows: embeddings as numbers without a pattern, and plain ones with indexes, a foreign key and a sequence.
ROWS = """
CREATE EXTENSION vector;
CREATE TABLE app_page (id bigserial PRIMARY KEY, url text, body text, embedding vector(768));
CREATE TABLE app_event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, page bigint REFERENCES app_page, kind text,
                        amount numeric(12, 2), at timestamptz, data jsonb);
INSERT INTO app_page (url, body, embedding)
SELECT 'https://example.org/' || g, repeat(md5(g::text) || ' ', 20),
       (SELECT array_agg((random() * 2 - 1)::real) FROM generate_series(1, 768 + g * 0))::vector(768)
  FROM generate_series(1, 20000) AS g;
INSERT INTO app_event (page, kind, amount, at, data)
SELECT 1 + g % 20000, 'kind ' || g % 7, g / 3.0, timestamptz '2026-01-01' + g * interval '1 s',
       jsonb_build_object('n', g, 'text', md5(g::text))
  FROM generate_series(1, 480000) AS g;
CREATE INDEX ON app_event (page, at); CREATE INDEX ON app_event (kind);
CREATE TABLE other_thing (id int);
ANALYZE;
"""
CROWD = 200
MANY = "".join(f"CREATE DATABASE crowd_{number} TEMPLATE template0 STRATEGY wal_log;\n" for number in range(CROWD - 2))


def sql(container: str, statement: str) -> None:
    """Run SQL in the maintenance database."""
    command = ["docker", "exec", "-i", container, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
    subprocess.run(command, check=True, input=statement, text=True)


def call(folder: Path, check: bool = False, **options: Any) -> tuple[float, int, dict[str, Any]]:
    """Run the module as Ansible would; return seconds, the peak of its memory in bytes, and its result."""
    return call_module("pg_database_isolate", folder, _ansible_check_mode=check, **options)


def by_hand(container: str) -> float:
    """Copy the tables as a person would, into a database that is there; return the seconds."""
    sql(container, "CREATE DATABASE hand_db OWNER app TEMPLATE template0")
    create = ["docker", "exec", container, "psql", "-qU", "postgres", "hand_db", "-c", "CREATE EXTENSION vector"]
    subprocess.run(create, check=True)
    pipe = (
        "pg_dump -U postgres -t 'public.app_*' postgres | psql -q -1 -v ON_ERROR_STOP=1 -U postgres hand_db >/dev/null"
    )
    begin = time.monotonic()
    subprocess.run(["docker", "exec", container, "sh", "-c", pipe], check=True)
    seconds = time.monotonic() - begin
    sql(container, "DROP DATABASE hand_db WITH (FORCE)")
    return seconds


def figures() -> Iterator[tuple[str, str, str, bool]]:
    """Yield what `make bench ONLY=isolation` prints."""
    with importable(), tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch:
        folder = Path(scratch)
        with own_container(ROWS) as container:
            yield from _copy(container, folder)
        with own_container("") as lonely, own_container(MANY) as crowded:
            yield from _crowd(lonely, crowded, folder)


def _copy(container: str, folder: Path) -> Iterator[tuple[str, str, str, bool]]:
    options = {"container": container, "database": "app_db", "owner": "app", "owner_password": "only-for-this-run"}
    legacy = {"database": "postgres", "tables": "public.app_*"}
    sql(container, "CREATE ROLE app LOGIN PASSWORD 'only-for-this-run'")
    hand: list[float] = []
    ours: list[float] = []
    peaks: list[int] = []
    for _number in range(ROUNDS):
        hand.append(by_hand(container))
        seconds, peak, _result = call(folder, data="copy", legacy=legacy, **options)
        ours.append(seconds)
        peaks.append(peak)
        sql(container, "DROP DATABASE app_db WITH (FORCE)")
    ratio = statistics.median(ours) / statistics.median(hand)
    print(f"# by hand {statistics.median(hand):.2f} s, ours {statistics.median(ours):.2f} s (medians of {ROUNDS})")
    yield "isolation_copy_of_500000_rows_to_by_hand", f"{ratio:.2f}", "at most 1.60", ratio <= 1.6
    memory = max(peaks) / 1e6
    yield "isolation_copy_memory", f"{memory:.0f} MB", "below 100 MB", memory < 100


def _crowd(lonely: str, crowded: str, folder: Path) -> Iterator[tuple[str, str, str, bool]]:
    options = {"database": "app_db", "owner": "app", "owner_password": "only-for-this-run"}
    for container in (lonely, crowded):
        call(folder, container=container, **options)
    for what, check in (("unchanged", False), ("check", True)):
        took: dict[str, list[float]] = {lonely: [], crowded: []}
        for _number in range(5):
            for container, found in took.items():
                found.append(call(folder, check=check, container=container, **options)[0])
        ratio = statistics.median(took[crowded]) / statistics.median(took[lonely])
        yield f"isolation_one_of_{CROWD}_databases_to_one ({what})", f"{ratio:.2f}", "at most 1.50", ratio <= 1.5
