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

CONTAINERS = ("supabase-ai-db", "localai-postgres-1")
# What the stack's own programs write all the time, and the demo's own logs.
IGNORED = ("logs",)
NAMES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1"
ROLES = "SELECT rolname, rolcanlogin FROM pg_roles ORDER BY 1"
ROWS = """\
SELECT format('SELECT %L, count(*) FROM %I.%I', schemaname || '.' || relname, schemaname, relname)
 FROM pg_stat_user_tables ORDER BY 1 \\gexec
"""
# One visit of a container for all of it: to enter it takes longer than most of what is asked there. Each answer ends
# with a null character: the roles, and then for each database its name, its definition and its rows.
VISIT = r"""
ask() { psql -U postgres -XAtq "$@"; }
names=$(ask -c "$1")
ask -c "$2"
printf '\000'
printf '%s\n' "$names" | while IFS= read -r name; do
  printf '%s\000' "$name"
  pg_dump -U postgres --schema-only --create "$name" </dev/null
  printf '\000'
  printf '%s' "$3" | ask -d "$name"
  printf '\000'
done
"""


def output(argv: List[str]) -> str:
    """Return what a command prints; it must succeed."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def cluster(container: str) -> Dict[str, str]:
    """Return a cluster's roles, and for each database a hash of its schema, owners and grants, and its tables' rows."""
    visit = output(["docker", "exec", container, "sh", "-euc", VISIT, "sh", NAMES, ROLES, ROWS])
    roles, *said = visit.split("\0")[:-1]
    found = {"roles of %s" % container: roles}
    for name, dump, rows in zip(said[0::3], said[1::3], said[2::3]):
        # A dump of a minor since CVE-2025-8714 has lines with a random word in them.
        lines = [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
        text = "\n".join([*lines, rows])
        found["database %s in %s" % (name, container)] = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return found


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
        found.update(cluster(container))
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
