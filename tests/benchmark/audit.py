# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of a crowded cluster beside the same catalogue queries in psql.

By hand it is one psql in the server's container that runs the queries in one database after the other, and throws away
what they give. Ours is the module, its start-up and its connections from outside included, and the document that is
made of what it returns. The runs alternate, so that noise hits both alike.
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
DATABASES, TABLES = 200, 100
TENANTS = {"archon": {"tables": "public.archon_*"}, "supabase": {"schemas": ["auth"], "platform": True}}
# A hundred tables of three services in each database: what is made once is cloned.
SEED = f"""
CREATE DATABASE crowd_1 TEMPLATE template0;
\\connect crowd_1
DO $$ BEGIN FOR number IN 1..{TABLES} LOOP
  EXECUTE format('CREATE TABLE %I (id int, body text)',
                 (ARRAY['archon_', 'flow_', 'n8n_'])[1 + number % 3] || number);
END LOOP; END $$;
\\connect postgres
""" + "".join(
    f"CREATE DATABASE crowd_{number} TEMPLATE crowd_1 STRATEGY wal_log;\n" for number in range(2, DATABASES + 1)
)


def queries() -> tuple[list[str], list[str]]:
    """Return what the audit asks once, and what it asks in each database, as psql takes it."""
    from ansible_collections.bulkhead.stack.plugins.module_utils._audit import facts  # noqa: PLC0415
    from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Sql  # noqa: PLC0415

    once = ["_SETTINGS", "_DATABASES", "_ROLES", "_SESSIONS", "_HOLDERS", "_SUBSCRIPTIONS", "_RULES", "_STATS"]
    each = ["_TABLES", "_SERVERS", "_DBLINKS", "_EXTENSIONS", "_PUBLICATIONS"]
    texts = {name: Sql(getattr(facts, name)).display().strip() + ";" for name in once + each}
    return [texts[name] for name in once], [texts[name] for name in each]


def by_hand(container: str, script: str) -> float:
    """Run the queries in psql; return the seconds."""
    argv = ["docker", "exec", "-i", container, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
    begin = time.monotonic()
    subprocess.run([*argv, "-o", "/dev/null"], check=True, input=script, text=True)
    return time.monotonic() - begin


def document(container: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return the audit's document of what the module returned."""
    from ansible_collections.bulkhead.stack.plugins.module_utils._audit.report import report  # noqa: PLC0415

    described = {
        f"crowd_{number}": {
            "name": f"crowd_{number}", "cluster": "main", "rpo": None, "rto": None, "criticality": "medium",
            "folder": "/backups", "owner": None, "extensions": [], "dumped": False,
        }
        for number in range(1, DATABASES + 1)
    }  # fmt: skip
    wanted = {
        "clusters": [{"name": "main", "connection": {"container": container}}], "databases": described,
        "tenants": TENANTS, "services": [], "instances": [], "probes": [], "neighbours": {}, "accepted": [],
    }  # fmt: skip
    return report(wanted, {"clusters": [found], "host": {"containers": {}}})


def figures() -> Iterator[tuple[str, str, str, bool]]:
    """Yield what `make bench ONLY=audit` prints."""
    with importable(), tempfile.TemporaryDirectory(prefix="bulkhead-benchmark-") as scratch:
        once, each = queries()
        with own_container(SEED) as container:
            names = [f"crowd_{number}" for number in range(1, DATABASES + 1)] + ["postgres"]
            script = "\n".join([*once, *(line for name in names for line in (f"\\connect {name}", *each))])
            hand: list[float] = []
            ours: list[float] = []
            peaks: list[int] = []
            for _number in range(ROUNDS):
                hand.append(by_hand(container, script))
                seconds, peak, found = call_module(
                    "pg_blast_radius_info", Path(scratch), container=container, tenants=TENANTS
                )
                begin = time.monotonic()
                made = document(container, found)
                ours.append(seconds + time.monotonic() - begin)
                peaks.append(peak)
        seen = sum(database["tables"] or 0 for database in found["databases"])
    yield "audit_tables_seen", str(seen), f"{DATABASES * TABLES}", seen == DATABASES * TABLES
    shared = sum(item["name"] == "blast-radius" for item in made["findings"])
    yield "audit_shared_databases_found", str(shared), str(DATABASES), shared == DATABASES
    ratio = statistics.median(ours) / statistics.median(hand)
    print(f"# by hand {statistics.median(hand):.2f} s, ours {statistics.median(ours):.2f} s (medians of {ROUNDS})")
    yield f"audit_of_{DATABASES * TABLES}_tables_to_psql", f"{ratio:.2f}", "at most 3.00", ratio <= 3
    memory = max(peaks) / 1e6
    yield "audit_memory", f"{memory:.0f} MB", "below 150 MB", memory < 150
