# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores beside the bare pipeline with as many jobs; six databases drilled; what killed drills leave.

By hand it is ``createdb`` and ``zstd -dc | pg_restore`` inside the container: nothing is checked, compared or put in
place. Ours is the whole module, start-up included. The runs alternate, so that noise hits all alike.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from backup import FILL, SIX, SIX_ROWS, call_module, importable, own_container

ROUNDS = 5
RESTORE_BOUND, COMPARE_BOUND, SIX_BOUND_S = 1.1, 0.25, 120.0
# Of the kinds that Archon's own migration makes on this table.
INDEXES = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX ON archon_crawled_pages USING ivfflat (embedding vector_cosine_ops);
CREATE INDEX ON archon_crawled_pages USING gin (url gin_trgm_ops);
"""
USER = ("-U", "postgres")
DRILL = "label=bulkhead.stack.drill"
FOLDERS = "bulkhead-drill-*"
SMALL = ("one_db", "two_db", "three_db", "four_db")
KILLED = 10
WAIT_S = 60


def inside(container: str, *command: str, stdin: Any = None) -> None:
    """Run a program in a container."""
    argv = ["docker", "exec", *(["-i"] if stdin else []), container, *command]
    subprocess.run(argv, check=True, stdin=stdin, stdout=subprocess.DEVNULL)


def sql(container: str, database: str, statements: str) -> None:
    """Run SQL in a database."""
    psql = ["docker", "exec", "-i", container, "psql", "-q", "-v", "ON_ERROR_STOP=1", *USER, "-d", database]
    subprocess.run(psql, check=True, input=statements, text=True, stdout=subprocess.DEVNULL)


def by_hand(container: str, dump: Path, jobs: int) -> float:
    """Restore as a person would who knows; return the seconds."""
    begin = time.monotonic()
    inside(container, "createdb", *USER, "-T", "template0", "by_hand")
    with dump.open("rb") as stream:
        if jobs == 1:
            inside(container, "sh", "-c", "zstd -q -dc | pg_restore -U postgres -d by_hand", stdin=stream)
        else:
            inside(container, "sh", "-c", "zstd -q -dc > /tmp/by_hand", stdin=stream)
            inside(container, "pg_restore", *USER, "-j", str(jobs), "-d", "by_hand", "/tmp/by_hand")
            inside(container, "rm", "/tmp/by_hand")
    return time.monotonic() - begin


def restores(jobs: int) -> Iterator[tuple[str, str, str, bool]]:
    """Yield the figures of one large database, with so many jobs."""
    hand: list[float] = []
    ours: list[float] = []
    stages: list[dict[str, float]] = []
    with (
        own_container(FILL["embeddings"] + INDEXES) as container,
        tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch,
    ):
        folder = Path(scratch)
        options: dict[str, Any] = {"container": container, "database": "postgres", "login_user": "postgres"}
        _seconds, _peak, copy = call_module("pg_dump_rotate", folder, dest=str(folder / "copies"), **options)
        options.update(folder=str(folder / "copies"), target="by_us", jobs=jobs)
        for number in range(ROUNDS):
            # Whoever is first finds the disk busy with what was dropped; so they take turns at that too.
            for mine in (number % 2 == 0, number % 2 == 1):
                if mine:
                    seconds, _peak, result = call_module("pg_restore_database", folder, **options)
                    ours.append(seconds - result["seconds"]["compare"])
                    stages.append(dict(result["seconds"], jobs=result["jobs"]))
                else:
                    hand.append(by_hand(container, Path(copy["dump"]), jobs))
                name = "by_us" if mine else "by_hand"
                sql(container, "postgres", "DROP DATABASE %s; CHECKPOINT;" % name)
    middle = {name: statistics.median(took[name] for took in stages) for name in stages[0]}
    by, us = statistics.median(hand), statistics.median(ours)
    told = ", ".join("%s %.2f" % item for item in middle.items())
    print(f"# {jobs} jobs: by hand {by:.2f} s, ours {us:.2f} s with start-up, without comparing ({told})")
    yield (
        f"restore_to_by_hand ({jobs} jobs)",
        f"{us / by:.2f}",
        f"at most {RESTORE_BOUND:.2f}",
        us / by <= RESTORE_BOUND,
    )
    share = middle["compare"] / by
    yield (
        f"restore_compare_to_by_hand ({jobs} jobs)",
        f"{share:.2f}",
        f"at most {COMPARE_BOUND:.2f}",
        (share <= COMPARE_BOUND),
    )


def copies_of(container: str, folder: Path, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Take a copy of each database; return what a drill is told of them."""
    databases = [
        {
            "key": name,
            "options": {"container": container, "database": name, "dest": str(folder / name), "login_user": "postgres"},
        }
        for name in names
    ]
    call_module("pg_dump_run", folder, databases=databases)
    return [{"key": name, "folder": str(folder / name)} for name in names]


def drill_of_six() -> Iterator[tuple[str, str, str, bool]]:
    """Yield how long one call takes that drills six databases."""
    with (
        own_container("".join(f"CREATE DATABASE {name};" for name in SIX)) as container,
        tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch,
    ):
        for name, rows in SIX_ROWS.items():
            sql(container, name, FILL["embeddings"].replace("1, 18000", f"1, {rows}") + INDEXES)
        databases = copies_of(container, Path(scratch), SIX)
        seconds, _peak, result = call_module(
            "pg_restore_verify", Path(scratch), container=container, login_user="postgres", databases=databases
        )
    stages: dict[str, float] = {}
    for verdict in result["verdicts"].values():
        for stage, took in verdict["stages"].items():
            stages[stage] = stages.get(stage, 0.0) + took
    print("# six drills, stages added up: " + ", ".join("%s %.2f" % item for item in stages.items()))
    yield "drill_of_six", f"{seconds:.1f} s", f"at most {SIX_BOUND_S:.0f} s", seconds <= SIX_BOUND_S


def listed(*command: str) -> set[str]:
    """Return the lines of a listing of the engine's."""
    return set(subprocess.run(["docker", *command], check=True, stdout=subprocess.PIPE, text=True).stdout.split())


def drill_containers() -> set[str]:
    """Return the throwaway servers, running or not."""
    return listed("ps", "--all", "--quiet", "--filter", DRILL)


def drill_volumes() -> set[str]:
    """Return the volumes of throwaway servers."""
    return listed("volume", "ls", "--quiet", "--filter", DRILL)


def unused_volumes() -> set[str]:
    """Return the volumes that no container has."""
    return listed("volume", "ls", "--quiet", "--filter", "dangling=true")


def drill_folders() -> set[str]:
    """Return the folders of throwaway servers."""
    return {str(path) for path in Path(tempfile.gettempdir()).glob(FOLDERS)}


def answers(*command: str) -> bool:
    """Whether a program in the throwaway server succeeds."""
    found = drill_containers()
    argv = ["docker", "exec", next(iter(found), ""), *command]
    return bool(found) and subprocess.run(argv, check=False, capture_output=True).returncode == 0


def has(table: str) -> bool:
    """Whether the restored database is there, with a table."""
    select = f"SELECT 1 / (to_regclass('{table}') IS NOT NULL)::int"
    return answers("psql", *USER, "-d", "bulkhead_drill", "-c", select)


# At which moments a drill is killed, from the first that it leaves something to the last.
MOMENTS: tuple[Callable[[], bool], ...] = (
    lambda: bool(drill_folders()),
    lambda: bool(drill_containers()),
    lambda: bool(listed("ps", "--quiet", "--filter", DRILL)),
    lambda: answers("pg_isready", "-q"),
    lambda: has("pg_class"),
)


def kill_a_drill(folder: Path, reached: Callable[[], bool], options: dict[str, Any]) -> bool:
    """Start a drill and kill it at a moment; return whether it lived until then."""
    arguments = folder / "killed.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    name = "ansible_collections.bulkhead.stack.plugins.modules.pg_restore_verify"
    process = subprocess.Popen(
        [sys.executable, "-m", name, str(arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + WAIT_S
    while not reached() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def leftovers() -> Iterator[tuple[str, str, str, bool]]:
    """Yield what is left of fifty drills, ten of which were killed, after one more."""
    if drill_containers() or drill_volumes() or drill_folders():
        raise SystemExit("a drill is at work on this machine, or left something")
    seen: set[str] = set()
    killed = done = 0
    with (
        own_container("".join(f"CREATE DATABASE {name};" for name in SMALL)) as container,
        tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch,
    ):
        folder = Path(scratch)
        for name in SMALL:
            sql(container, name, "CREATE TABLE kept AS SELECT g AS id FROM generate_series(1, 1000) AS g;")
        databases = copies_of(container, folder, SMALL)
        unused = unused_volumes()
        options: dict[str, Any] = {"container": container, "login_user": "postgres"}
        for number in range(KILLED):
            # In a volume and in memory by turns.
            single = dict(options, databases=databases[:1], memory=number % 2 and None)
            killed += kill_a_drill(folder, MOMENTS[number % len(MOMENTS)], single)
            seen |= drill_containers() | drill_folders() | drill_volumes()
            _seconds, _peak, result = call_module("pg_restore_verify", folder, **dict(options, databases=databases))
            done += len(result["verdicts"])
        call_module("pg_restore_verify", folder, **dict(options, databases=databases[:1]))
        # An image's own volumes have no label: they show in that nothing uses them.
        left = {
            "containers": drill_containers(),
            "folders": drill_folders(),
            "volumes": drill_volumes() | (unused_volumes() - unused),
        }
    print(f"# {done} drills to the end, {killed} killed, which had left {len(seen)} things")
    whole = killed == KILLED and done == KILLED * len(SMALL) and len(seen) >= KILLED
    yield "drills_done_and_killed", f"{done} and {killed}", "40 and 10", whole
    for name, found in left.items():
        yield f"drill_{name}_left_behind", str(len(found)), "0", not found


def figures() -> Iterator[tuple[str, str, str, bool]]:
    """Yield what `make bench ONLY=restore` prints, medians of five."""
    with importable():
        for jobs in (1, 2):
            yield from restores(jobs)
        yield from drill_of_six()
        yield from leftovers()
