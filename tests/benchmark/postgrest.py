# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the message to the first answer on a new table: the module beside a bare NOTIFY and a tight loop.

What the server takes to read its schema again is in both; the difference is ours. The runs alternate, so that noise
hits both alike.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import requests
from backup import LABEL, call_module, importable, own_container

IMAGE = os.environ.get("BULKHEAD_POSTGREST_IMAGE", "bulkhead/postgrest-double:1")
ROUNDS = 5
MOST_BEYOND_S = 0.5
GIVE_UP_S = 30.0
PASSWORD = "only-for-this-run"
ROLES = f"""
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD '{PASSWORD}';
GRANT anon TO authenticator;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO anon;
"""


def inspected(form: str, container: str) -> str:
    """Return what the engine says of a container."""
    argv = ["docker", "inspect", "--format", form, container]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def address(container: str) -> str:
    """Return a container's address."""
    return inspected("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)


def first_answer(url: str) -> None:
    """Return when a URL is answered with 200."""
    deadline = time.monotonic() + GIVE_UP_S
    with requests.Session() as session:
        session.trust_env = False
        while True:
            try:
                if session.get(url, timeout=5).status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            if time.monotonic() > deadline:
                raise SystemExit(f"{url} isn't answered")


@contextmanager
def instance(server: str) -> Iterator[str]:
    """Start an instance beside a server; remove it in the end."""
    name = f"bulkhead-benchmark-{uuid.uuid4().hex[:8]}"
    settings = {
        "PGRST_DB_URI": f"postgres://authenticator:{PASSWORD}@{server}:5432/postgres",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_ADMIN_SERVER_PORT": "3001",
    }
    words = [word for variable in settings for word in ("-e", variable)]
    argv = ["docker", "run", "-d", "--name", name, "--network", server, "--label", LABEL, *words, IMAGE]
    try:
        subprocess.run(argv, check=True, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
        first_answer(f"http://{address(name)}:3001/ready")
        yield name
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, stdout=subprocess.DEVNULL)


def figures() -> Iterator[tuple[str, str, str, bool]]:
    """Yield what `make bench ONLY=postgrest` prints."""
    with importable(), tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch:
        with own_container(ROLES) as server, instance(server) as name:
            yield from _reload(server, name, Path(scratch))


def _reload(server: str, name: str, folder: Path) -> Iterator[tuple[str, str, str, bool]]:
    environment = dict(
        line.partition("=")[::2] for line in inspected("{{range .Config.Env}}{{println .}}{{end}}", server).splitlines()
    )
    connection = psycopg2.connect(
        host=address(server), user="postgres", password=environment["POSTGRES_PASSWORD"], dbname="postgres"
    )
    connection.autocommit = True
    bare: list[float] = []
    ours: list[float] = []
    with connection.cursor() as cursor:
        for number in range(ROUNDS):
            cursor.execute("CREATE TABLE bare_%s (id int)", (number,))
            begin = time.monotonic()
            cursor.execute("NOTIFY pgrst, 'reload schema'")
            first_answer(f"http://{address(name)}:3000/bare_{number}")
            bare.append(time.monotonic() - begin)
            cursor.execute("CREATE TABLE ours_%s (id int)", (number,))
            table = f"ours_{number}"
            result = call_module("postgrest_reload", folder, container=server, instance=name, wait_for_table=table)[2]
            if not result["changed"]:
                raise SystemExit(f"{table} was known before it was asked for")
            ours.append(result["waited_s"])
    connection.close()
    beyond = statistics.median(ours) - statistics.median(bare)
    print(f"# bare {statistics.median(bare):.2f} s, ours {statistics.median(ours):.2f} s (medians of {ROUNDS})")
    yield (
        "postgrest_notify_to_first_200_beyond_the_servers_own_reload",
        f"{beyond:.2f} s",
        f"at most {MOST_BEYOND_S} s",
        beyond <= MOST_BEYOND_S,
    )
