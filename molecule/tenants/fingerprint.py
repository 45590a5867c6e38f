# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check run must leave as it is: fingerprint.py STACK FILE writes it, or ends with what differs from FILE."""

import hashlib
import json
import pathlib
import subprocess
import sys

CONTAINERS = ("tenants-db", "tenants-synapse", "tenants-airflow", "tenants-tryton")
CATALOGUE = """
SELECT string_agg(datname || datdba || coalesce(datacl::text, ''), ' ' ORDER BY datname) FROM pg_database
 UNION ALL SELECT string_agg(rolname || coalesce(rolpassword, ''), ' ' ORDER BY rolname) FROM pg_authid
 UNION ALL SELECT count(*) || ' ' || coalesce(sum(relnamespace::bigint * relowner::bigint), 0) FROM pg_class
"""


def fingerprint(stack: pathlib.Path) -> dict[str, str]:
    """Return files, containers, and what the cluster's catalogues say, by name."""
    found = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in stack.rglob("*") if path.is_file()}
    for name in CONTAINERS:
        command = ["docker", "inspect", "--format", "{{ .Id }} {{ .State.StartedAt }}", name]
        found[name] = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    command = ["docker", "exec", "tenants-db", "psql", "-U", "postgres", "-XAtq", "-c", CATALOGUE]
    found["catalogue"] = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return found


def main() -> None:
    """Write the fingerprint, or compare with what is written."""
    stack, path = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    now = fingerprint(stack)
    if not path.exists():
        path.write_text(json.dumps(now), encoding="utf-8")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    different = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if different:
        sys.exit("not as it was: %s" % ", ".join(different))


if __name__ == "__main__":
    main()
