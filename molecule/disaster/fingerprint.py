# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stock tools say of the cluster: whether it came back isn't asked of what brought it back.

Usage: fingerprint.py write|compare FILE DATABASE... | roles
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
from typing import Dict, List

CONTAINER = "supabase-ai-db"
# What differs from one time to the next, and says nothing of the database.
PASSING = re.compile(r"^(\\(un)?restrict .*|-- .*|)\n", re.MULTILINE)
# Where the server puts casts and parentheses is another matter once an expression was restored.
DECORATION = re.compile(r"::(?:character varying|text)(?:\[\])?|[()]")
# Whoever restores logs in as this role, whose password the container's own variable says.
LOGIN = "ALTER ROLE postgres WITH "


def said(*argv: str) -> str:
    """Return what a command in the server's container prints."""
    command = ["docker", "exec", CONTAINER, *argv]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def fingerprint(names: List[str]) -> Dict[str, str]:
    """Return the hash of what pg_dump and pg_dumpall say: every row, grant, policy and setting; every role."""
    found = {}
    for name in names:
        text = (
            said("pg_dumpall", "-U", "postgres", "--globals-only")
            if name == "roles"
            else said("pg_dump", "-U", "postgres", "--create", name)
        )
        # Memberships are told in an order of their own.
        lines = DECORATION.sub("", PASSING.sub("", text)).splitlines()
        if name == "roles":
            lines = sorted(line for line in lines if not line.startswith(LOGIN))
        found[name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return found


def main() -> int:
    """Write or compare."""
    order, path, names = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    if order == "write":
        path.write_text(json.dumps(fingerprint(names)))
        return 0
    before = json.loads(path.read_text())
    now = fingerprint(names)
    different = [name for name in names if before[name] != now[name]]
    print("different: %s" % ", ".join(different) if different else "the same: %s" % ", ".join(names))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
