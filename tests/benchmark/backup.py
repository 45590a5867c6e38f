"""Backups side by side with the command that this collection was asked to replace, on one server, in one run.

The seed's command is ``docker exec CONTAINER pg_dump -U USER -Fc DATABASE > FILE``: it hashes, counts and verifies
nothing. Ours is the whole module, start-up included. Each line is ``name value bound holds|falls short``, on medians.

    python tests/benchmark/backup.py --container supabase-ai-db --database postgres --tables 'public.archon_*'

Without --container a labelled one is started, filled (--fill embeddings|pgbench) and removed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
LABEL = "bulkhead.test=true"
ROOT = Path(__file__).resolve().parents[2]

FILL = {
    # 768 dimensions as embeddings have them: numbers without a pattern. About 200 MB as text.
    "embeddings": """
        CREATE EXTENSION IF NOT EXISTS vector;
        CREATE TABLE archon_crawled_pages (id bigserial PRIMARY KEY, url text, content text, embedding vector(768));
        INSERT INTO archon_crawled_pages (url, content, embedding)
        SELECT 'https://example.org/' || g, repeat(md5(g::text) || ' ', 40),
               (SELECT array_agg((random() * 2 - 1)::real) FROM generate_series(1, 768 + g * 0))::vector(768)
          FROM generate_series(1, 18000) AS g;
    """,
    # What `pgbench -i -s 40` makes, without the program: about 450 MB.
    "pgbench": """
        CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
        INSERT INTO pgbench_accounts SELECT g, g / 100000, 0, '' FROM generate_series(1, 3500000) AS g;
    """,
}
# How many times as fast as the seed's command, with verify: hashed and with verify: read; how much of its size.
BOUNDS = {"embeddings": (4.0, 2.5, 1.0), "pgbench": (1 / 1.1, 1 / 1.1, 1.0)}


@contextmanager
def own_container(rows: str, image: str = IMAGE) -> Iterator[str]:
    """Start a container of ours, on a network of its own, with what SQL makes in its database; remove it in the end."""
    name = f"bulkhead-benchmark-{uuid.uuid4().hex[:8]}"
    password = uuid.uuid4().hex
    environment = dict(os.environ, POSTGRES_PASSWORD=password)
    argv = [
        "docker",
        "run",
        "-d",
        "--name",
        name,
        "--network",
        name,
        "--label",
        LABEL,
        "-e",
        "POSTGRES_PASSWORD",
        image,
    ]
    subprocess.run(["docker", "network", "create", "--label", LABEL, name], check=True, stdout=subprocess.DEVNULL)
    try:
        subprocess.run(argv, check=True, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        # The image's first, temporary server listens on its socket only.
        while subprocess.run(["docker", "exec", name, "pg_isready", "-q", "-h", "127.0.0.1"], check=False).returncode:
            if time.monotonic() > deadline:
                raise SystemExit(f"the server in {name} didn't answer within 60 s")
            time.sleep(0.1)
        psql = ["docker", "exec", "-i", name, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
        subprocess.run(psql, check=True, input=rows + "CHECKPOINT;", text=True)
        yield name
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, stdout=subprocess.DEVNULL)
        subprocess.run(["docker", "network", "rm", name], check=True, stdout=subprocess.DEVNULL)


# The kernel counts a program's peak from what started it on: so something small starts the module, and tells.
_STARTER = """
import json, resource, subprocess, sys, time
begin = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
seconds = time.monotonic() - begin
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak": peak, "said": done.stdout.decode(), "errors": done.stderr.decode()}))
"""


def call_module(module: str, folder: Path, /, **options: Any) -> tuple[float, int, dict[str, Any]]:
    """Run a module as Ansible would; return seconds, the peak of its memory in bytes, and its result."""
    arguments = folder / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    name = "ansible_collections.bulkhead.stack.plugins.modules." + module
    argv = [sys.executable, "-c", _STARTER, sys.executable, "-m", name, str(arguments)]
    told = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)
    result: dict[str, Any] = json.loads(told["said"] or json.dumps({"failed": True, "msg": told["errors"]}))
    if result.get("failed"):
        raise SystemExit(result["msg"])
    return told["seconds"], told["peak"], result


def time_seed(container: str, user: str, database: str, tables: list[str], folder: Path) -> tuple[float, int]:
    """Run the seed's command, and where there are tables its data-only dump; return seconds and bytes."""
    begin, size = time.monotonic(), 0
    runs: list[list[str]] = [[]]
    if tables:
        runs.append(["-a"] + [word for table in tables for word in ("-t", table)])
    for number, more in enumerate(runs):
        file = folder / f"seed{number}.dump"
        with file.open("wb") as stream:
            argv = ["docker", "exec", container, "pg_dump", "-U", user, "-Fc", *more, database]
            subprocess.run(argv, check=True, stdout=stream)
        size += file.stat().st_size
    return time.monotonic() - begin, size


def time_ours(
    container: str, user: str, database: str, tables: list[str], folder: Path, verify: str
) -> tuple[float, int, dict[str, float]]:
    """Run the module as Ansible would; return seconds, bytes of the dumps, and the seconds of its stages."""
    dest = folder / f"ours-{uuid.uuid4().hex[:8]}"
    options: dict[str, Any] = {"container": container, "database": database, "dest": str(dest), "verify": verify}
    options.update(login_user=user, data_only_tables=tables)
    seconds, _peak, result = call_module("pg_dump_rotate", folder, **options)
    size = sum(file.stat().st_size for file in dest.iterdir() if ".dump" in file.name)
    shutil.rmtree(dest)
    return seconds, size, result["seconds"]


def measure(
    container: str, database: str, user: str, tables: list[str], repeat: int, bounds: tuple[float, float, float]
) -> list[tuple[str, float, float, bool]]:
    """Return lines of name, value, bound and whether it holds; the runs alternate, so that noise hits all alike."""
    seed: list[float] = []
    ours: dict[str, list[float]] = {"hashed": [], "read": []}
    stages: dict[str, list[dict[str, float]]] = {"hashed": [], "read": []}
    seed_size = our_size = 0
    with tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch:
        folder = Path(scratch)
        for _number in range(repeat):
            seconds, seed_size = time_seed(container, user, database, tables, folder)
            seed.append(seconds)
            for level, found in ours.items():
                seconds, our_size, took = time_ours(container, user, database, tables, folder, level)
                found.append(seconds)
                stages[level].append(took)
    middle = statistics.median(seed)
    print(f"# seed's command {middle:.2f} s, {seed_size} bytes (median of {repeat})")
    for level, found in ours.items():
        names = stages[level][0]
        took = {name: statistics.median(run.get(name, 0.0) for run in stages[level]) for name in names}
        told = ", ".join(f"{name} {value:.2f}" for name, value in took.items())
        print(f"# ours, verify: {level}, {statistics.median(found):.2f} s, {our_size} bytes ({told})")
    hashed, read = (middle / statistics.median(ours[level]) for level in ("hashed", "read"))
    size = our_size / seed_size
    return [
        ("backup_times_as_fast_hashed", hashed, bounds[0], hashed >= bounds[0]),
        ("backup_times_as_fast_read", read, bounds[1], read >= bounds[1]),
        ("backup_size_ratio", size, bounds[2], size <= bounds[2]),
    ]


@contextmanager
def importable() -> Iterator[None]:
    """Let a Python that is started in here find this checkout as the collection."""
    before = os.environ.get("PYTHONPATH")
    with tempfile.TemporaryDirectory(prefix="bulkhead-import-") as scratch:
        namespace = Path(scratch) / "ansible_collections" / "bulkhead"
        namespace.mkdir(parents=True)
        (namespace / "stack").symlink_to(ROOT)
        os.environ["PYTHONPATH"] = os.pathsep.join([scratch] + ([before] if before else []))
        try:
            yield
        finally:
            os.environ.pop("PYTHONPATH")
            if before:
                os.environ["PYTHONPATH"] = before


SIX = ("postgres_db", "archon_db", "n8n_db", "flowise_db", "odoo_db", "langfuse_db")
# As a description's databases are: one large, some middling, some small.
SIX_ROWS = dict(zip(SIX, (12000, 6000, 3000, 1500, 800, 400)))
SIX_BOUND, CATALOGUE_BOUND = 1.3, 3.0
HAND_TUNED = "pg_dump -U postgres -Fc -Z0 %s | zstd -q -T0 -3"


def time_by_hand(container: str, jobs: int, folder: Path) -> float:
    """Dump the six with the pipeline that somebody who knows would write, so many at a time; return seconds."""

    def one(database: str) -> None:
        with (folder / f"{database}.dump.zst").open("wb") as stream:
            argv = ["docker", "exec", container, "sh", "-c", HAND_TUNED % database]
            subprocess.run(argv, check=True, stdout=stream)

    begin = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, SIX))
    return time.monotonic() - begin


def time_run(container: str, jobs: int, folder: Path) -> tuple[float, dict[str, float]]:
    """Dump the six with one call of the module, as Ansible would; return seconds, and those of its stages added up."""
    root = folder / f"six-{uuid.uuid4().hex[:8]}"
    options = {"container": container, "verify": "read"}
    databases = [
        {"key": key, "options": dict(options, database=key, dest=str(root / key), login_user="postgres")} for key in SIX
    ]
    seconds, _peak, result = call_module("pg_dump_run", folder, databases=databases, jobs=jobs)
    shutil.rmtree(root)
    stages: dict[str, float] = {}
    for found in result["results"].values():
        for stage, took in found["seconds"].items():
            stages[stage] = stages.get(stage, 0.0) + took
    return seconds, stages


def six_databases(repeat: int) -> Iterator[tuple[str, str, str, bool]]:
    """Yield the figure of one run over six databases."""
    jobs = os.cpu_count() or 1
    with own_container("".join(f"CREATE DATABASE {name};" for name in SIX)) as container:
        for name, rows in SIX_ROWS.items():
            fill = FILL["embeddings"].replace("1, 18000", f"1, {rows}")
            psql = ["docker", "exec", "-i", container, "psql", "-q", "-U", "postgres", "-d", name]
            subprocess.run(psql, check=True, input=fill + "CHECKPOINT;", text=True)
        by_hand, ours, stages = [], [], []
        with tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch:
            for _number in range(repeat):
                by_hand.append(time_by_hand(container, jobs, Path(scratch)))
                seconds, took = time_run(container, jobs, Path(scratch))
                ours.append(seconds)
                stages.append(took)
    told = ", ".join(f"{name} {statistics.median(took[name] for took in stages):.2f}" for name in stages[0])
    hand, mine = statistics.median(by_hand), statistics.median(ours)
    print(f"# six by hand {hand:.2f} s, ours {mine:.2f} s with start-up, {jobs} at a time (stages added up: {told})")
    yield "backup_of_six_to_by_hand", f"{mine / hand:.2f}", f"at most {SIX_BOUND:.2f}", mine / hand <= SIX_BOUND


def large_database() -> Iterator[tuple[str, str, str, bool]]:
    """Yield memory and time of 1 GB and of 5 GB of embeddings. It takes minutes: `BULKHEAD_BENCH_LARGE=1`."""
    seconds, peaks = {}, {}
    with tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch:
        for size, rows in (("1 GB", 100_000), ("5 GB", 500_000)):
            with own_container(FILL["embeddings"].replace("1, 18000", f"1, {rows}")) as container:
                dest = Path(scratch) / "dest"
                options = {"container": container, "database": "postgres", "dest": str(dest)}
                seconds[size], peaks[size], result = call_module("pg_dump_rotate", Path(scratch), **options)
                told = ", ".join(f"{name} {value:.2f}" for name, value in result["seconds"].items())
                print(f"# {size}: {seconds[size]:.1f} s, {peaks[size] / 1e6:.0f} MB ({told})")
                shutil.rmtree(dest)
    for size, peak in peaks.items():
        yield f"backup_memory_of_{size}", f"{peak / 1e6:.0f} MB", "below 80 MB", peak < 80e6
    growth = seconds["5 GB"] / seconds["1 GB"]
    yield "backup_time_of_5_GB_to_1_GB", f"{growth:.2f}", "at most 5.50", growth <= 5.5


def catalogue_of_many(count: int) -> Iterator[tuple[str, str, str, bool]]:
    """Yield the figures of listing and judging many copies, to reading and parsing their manifests."""
    names = "ansible_collections.bulkhead.stack.plugins.module_utils."
    info, retention, adapter, catalogue = (
        importlib.import_module(names + name)
        for name in ("_dumps.info", "_dumps.retention", "_adapters.dump_folder", "_dumps.catalogue")
    )
    with tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch:
        folder = Path(scratch)
        make_copies(folder, count)
        now = datetime(2026, 11, 23, tzinfo=timezone.utc)
        rules = retention.parse_retention({"last": 14, "daily": 30, "monthly": 12})

        def plain() -> int:
            return sum(len(json.loads(path.read_bytes())["tables"]) for path in folder.glob("*.manifest.json"))

        def listed() -> int:
            watches = info.parse_watches({"folders": {"db": scratch}, "schedules": {"db": "@hourly"}})
            found = info.report(watches, {"db": adapter.DumpFolder(scratch)}, now, "read")
            return len(info.table(found, True))

        def judged() -> int:
            copies = catalogue.look("db", adapter.DumpFolder(scratch)).copies
            return len(retention.decide(copies, rules, now, timezone.utc))

        seconds: dict[str, list[float]] = {"plain": [], "listed": [], "judged": []}
        for _number in range(3):
            for name, work in (("plain", plain), ("listed", listed), ("judged", judged)):
                begin = time.monotonic()
                if work() < count:
                    raise SystemExit(f"{name}: not all {count} copies were seen")
                seconds[name].append(time.monotonic() - begin)
    middle = {name: statistics.median(found) for name, found in seconds.items()}
    print("# " + ", ".join(f"{name} {value:.2f} s" for name, value in middle.items()))
    for name in ("listed", "judged"):
        ratio = middle[name] / middle["plain"]
        yield (
            f"backup_catalogue_of_{count}_{name}",
            f"{ratio:.2f}",
            f"at most {CATALOGUE_BOUND:.2f}",
            (ratio <= CATALOGUE_BOUND),
        )


def make_copies(folder: Path, count: int) -> None:
    """Make so many copies of a database with twenty tables, an hour apart."""
    tables = [{"schema": "public", "name": f"table_{number}", "owner": "db", "rows": number} for number in range(20)]
    with open(folder / "catalogue_db.jsonl", "w", encoding="utf-8") as log:
        for number in range(count):
            moment = datetime(2026, 11, 22, tzinfo=timezone.utc) - timedelta(hours=number)
            stem = moment.strftime("backup_db_%Y%m%d_%H%M%S")
            manifest = {
                "format_version": 1,
                "database": "db",
                "file": stem + ".dump",
                "taken_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "size_bytes": 4,
                "sha256": "0" * 64,
                "compression": "zstd",
                "tables": tables,
                "globals": {"file": stem + ".globals.sql"},
                "verified": {"level": "read", "at": moment.isoformat()},
            }
            content = json.dumps(manifest, indent=1, sort_keys=True).encode()
            (folder / (stem + ".manifest.json")).write_bytes(content)
            (folder / (stem + ".dump")).write_bytes(b"dump")
            digest = hashlib.sha256(content).hexdigest()
            line = {"event": "dumped", "stem": stem, "manifest_sha256": digest, "at": manifest["taken_at"]}
            log.write(json.dumps(line) + "\n")


def figures() -> Iterator[tuple[str, str, str, bool]]:
    """Yield what `make bench ONLY=backup` prints, medians of five."""
    for fill, bounds in BOUNDS.items():
        with importable(), own_container(FILL[fill]) as container:
            for name, value, bound, holds in measure(container, "postgres", "postgres", [], 5, bounds):
                sign = "at most" if name.endswith("size_ratio") else "at least"
                yield f"{name} ({fill})", f"{value:.2f}", f"{sign} {bound:.2f}", holds
    with importable():
        yield from six_databases(5)
        yield from catalogue_of_many(10000)
        if os.environ.get("BULKHEAD_BENCH_LARGE"):
            yield from large_database()


def main() -> int:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="pg_dump_rotate side by side with docker exec pg_dump -Fc")
    parser.add_argument("--container", help="a container with a Postgres server; by default one of our own")
    parser.add_argument("--database", default="postgres")
    parser.add_argument("--user", default="postgres")
    parser.add_argument(
        "--tables", action="append", default=[], help="pattern of a data-only dump besides, on both sides"
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--fill", choices=sorted(FILL), default="embeddings", help="what our own container holds")
    arguments = parser.parse_args()
    wanted = (arguments.database, arguments.user, arguments.tables, arguments.repeat, BOUNDS[arguments.fill])
    with importable():
        if arguments.container:
            lines = measure(arguments.container, *wanted)
        else:
            with own_container(FILL[arguments.fill]) as container:
                lines = measure(container, *wanted)
    for name, value, bound, holds in lines:
        print(f"{name} {value:.2f} {bound:.2f} {'holds' if holds else 'falls short'}")
    return 0 if all(holds for _name, _value, _bound, holds in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
