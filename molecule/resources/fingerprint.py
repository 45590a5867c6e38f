"""A fingerprint of the demo's stack: what must be the same after a check run, or after a failure was taken back.

Usage: fingerprint.py write FILE | compare FILE. Files by their bytes, databases by their schema, rows and grants, the
cluster by
its roles, containers by their identifiers.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
from typing import Dict, List

CONTAINERS = {"supabase-ai-db": "postgres", "localai-postgres-1": "postgres"}
# What the stack's own programs write all the time, and the demo's own logs.
IGNORED = ("logs",)


def output(argv: List[str]) -> str:
    """Return what a command prints; it must succeed."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def database(container: str, name: str) -> str:
    """Return a hash of a database's schema, owners and grants, and of the number of rows of each table."""
    dump = output(["docker", "exec", container, "pg_dump", "-U", "postgres", "--schema-only", "--create", name])
    # A dump of a minor since CVE-2025-8714 has lines with a random word in them.
    lines = [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    tables = "SELECT format('SELECT %L, count(*) FROM %I.%I', schemaname || '.' || relname, schemaname, relname)"
    tables += " FROM pg_stat_user_tables ORDER BY 1 \\gexec"
    psql = ["docker", "exec", "-i", container, "psql", "-U", "postgres", "-XAtq", "-d", name]
    rows = subprocess.run(psql, check=True, stdout=subprocess.PIPE, input=tables, text=True).stdout
    return hashlib.sha256("\n".join([*lines, rows]).encode("utf-8")).hexdigest()


def fingerprint(folder: pathlib.Path, identifiers: bool = True) -> Dict[str, str]:
    """Return the fingerprint, a line for each thing.

    Arguments:
        folder: where the demo lives.
        identifiers: whether containers must be the very same, or only be there and of the same definition.
    """
    found: Dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative.parts[0] not in IGNORED:
            found["file %s" % relative] = hashlib.sha256(path.read_bytes()).hexdigest()
    listed = output(["docker", "ps", "-aq", "--filter", "label=bulkhead.demo", "--no-trunc"]).split()
    for item in json.loads(output(["docker", "inspect", *listed])):
        definition = (
            item["Id"] if identifiers else json.dumps([item["Config"]["Env"], item["HostConfig"]["ExtraHosts"]])
        )
        found["container %s" % item["Name"].lstrip("/")] = hashlib.sha256(definition.encode("utf-8")).hexdigest()
    for container in CONTAINERS:
        psql = ["docker", "exec", container, "psql", "-U", "postgres", "-XAtqc"]
        names = output([*psql, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1"]).splitlines()
        for name in names:
            found["database %s in %s" % (name, container)] = database(container, name)
        found["roles of %s" % container] = output([*psql, "SELECT rolname, rolcanlogin FROM pg_roles ORDER BY 1"])
    return found


def differences(before: Dict[str, str], after: Dict[str, str]) -> List[str]:
    """Return what is not the same."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def main() -> int:
    """Write a fingerprint, or compare with one."""
    action, path = sys.argv[1], pathlib.Path(sys.argv[2])
    now = fingerprint(pathlib.Path(os.environ["BULKHEAD_DEMO_DIR"]))
    if action == "write":
        path.write_text(json.dumps(now, indent=1), encoding="utf-8")
        return 0
    wrong = differences(json.loads(path.read_text(encoding="utf-8")), now)
    for name in wrong:
        print("not as it was: %s" % name)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
