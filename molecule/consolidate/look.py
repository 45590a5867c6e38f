# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down what containers, databases and files are like, for the tests at the end of the scenario.

look.py STACK FILE
"""

import json
import pathlib
import re
import subprocess
import sys
from typing import Any, Dict

STAMP = re.compile(r"_\d{8}T\d{6}Z$")
CONTAINERS = ("db", "modern", "langfuse-db", "web", "worker")
SERVERS = ("db", "modern", "langfuse-db")
# What the program's beat doesn't change; the enum's own name and the generated column included.
ROWS = """
SELECT md5(string_agg(t::text, '|' ORDER BY id)) || ' ' || count(*) FROM (
  SELECT id, name, project_id, input, tags, level, tokens, cost FROM traces WHERE name <> 'beat') t
"""


def docker(*words: str) -> str:
    """Run a docker command; return its output."""
    return subprocess.run(["docker", *words], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def sql(server: str, database: str, statement: str) -> str:
    """Return what a statement gives, on a line."""
    container = "bulkhead-consolidate-" + server
    return docker("exec", container, "psql", "-U", "postgres", "-XAtqc", statement, "-d", database)


def seen_container(name: str) -> Dict[str, Any]:
    """Return what a container is like."""
    found = json.loads(docker("inspect", "bulkhead-consolidate-" + name))[0]
    health = (found["State"].get("Health") or {}).get("Status")
    urls = sorted(item for item in found["Config"]["Env"] if "_URL=" in item)
    return {"running": found["State"]["Running"], "health": health, "urls": urls}


def seen_database(server: str, database: str) -> Dict[str, str]:
    """Return what a database like Langfuse's holds, and whose it is."""
    return {
        "rows": sql(server, database, ROWS),
        "beats": sql(server, database, "SELECT count(*) FROM traces WHERE name = 'beat'"),
        "owners": sql(
            server,
            database,
            "SELECT string_agg(DISTINCT tableowner::text, ',') FROM pg_tables WHERE schemaname = 'public'",
        ),
        "sequence": sql(server, database, "SELECT last_value FROM job_number"),
        "owner": sql(server, database, "SELECT datdba::regrole FROM pg_database WHERE datname = current_database()"),
    }


def main() -> None:
    """Look at everything once."""
    stack, target = (pathlib.Path(word) for word in sys.argv[1:])
    containers = {name: seen_container(name) for name in CONTAINERS}
    langfuse: Dict[str, Dict[str, str]] = {}
    for server in SERVERS:
        if containers[server]["running"]:
            for database in sql(server, "postgres", "SELECT datname FROM pg_database ORDER BY 1").splitlines():
                if database in ("langfuse_db", "postgres") or database.startswith("langfuse_db_undone"):
                    if sql(server, database, "SELECT to_regclass('public.traces')"):
                        langfuse["%s/%s" % (server, STAMP.sub("", database))] = seen_database(server, database)
    seen = {
        "containers": containers,
        "langfuse": langfuse,
        # Its line ends as they are.
        "compose": (stack / "langfuse" / "docker-compose.yml").read_bytes().decode("utf-8"),
    }
    target.write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main()
