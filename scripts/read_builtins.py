# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write plugins/module_utils/_versions/builtins.py: what each major added and removed beside the one before.

    python3 scripts/read_builtins.py HOST HOST [HOST ...]

Each is a server of one major, the majors without a gap; user postgres, password in PGPASSWORD. The collection must be
found by Python as the tests find it: PYTHONPATH names the folder that holds ansible_collections.
"""

import os
import pathlib
import sys
import textwrap
from typing import Dict, FrozenSet, Iterable, List

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.postgres import Endpoint, Postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Sql
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.catalogue import KINDS, read_builtins

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGET = ROOT / "plugins" / "module_utils" / "_versions" / "builtins.py"
# Settings that only one way of building a server has.
BUILD = ("debug_", "trace_", "wal_debug", "optimize_bounded_sort", "jit_", "io_uring")

HEAD = '''\
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each major of PostgreSQL added and removed beside the one before, read off servers by scripts/read_builtins.py.

Of each kind two texts, the added names and the removed ones, divided by semicolons.
"""

from typing import Mapping, Tuple

# Read off:
%s
CHANGES: Mapping[int, Mapping[str, Tuple[str, str]]] = {
'''


def block(names: Iterable[str]) -> str:
    """Return names as a text of lines that fit."""
    text = "; ".join(sorted(names))
    if not text:
        return '            "",\n'
    lines = textwrap.wrap(text, 104, break_long_words=False, break_on_hyphens=False)
    return '            """\n%s\n            """,\n' % "\n".join(" " * 12 + line for line in lines)


def wanted(kind: str, names: FrozenSet[str]) -> FrozenSet[str]:
    """Leave out what depends on how a server was built."""
    return frozenset(name for name in names if kind != "setting" or not name.startswith(BUILD))


def main() -> None:
    """Read the servers and write the file."""
    found: Dict[int, Dict[str, FrozenSet[str]]] = {}
    seen: List[str] = []
    for host in sys.argv[1:]:
        server = Postgres(Endpoint(host, 5432, "postgres", os.environ.get("PGPASSWORD", "")))
        number = int(server.value(Sql("SHOW server_version_num")))
        found[number // 10000] = {kind: wanted(kind, names) for kind, names in read_builtins(server).items()}
        seen.append("%d.%d" % (number // 10000, number % 10000))
        server.close()
    majors = sorted(found)
    if len(majors) < 2 or majors != list(range(majors[0], majors[-1] + 1)):
        sys.exit("the servers must be of majors that follow each other; they are of %s" % majors)
    text = HEAD % ("# " + ", ".join(sorted(seen)) + ".")
    for before, major in zip(majors, majors[1:]):
        text += "    %d: {\n" % major
        for kind in KINDS:
            old, new = found[before][kind], found[major][kind]
            if old != new:
                text += '        "%s": (\n%s%s        ),\n' % (kind, block(new - old), block(old - new))
        text += "    },\n"
    TARGET.write_text(text + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
