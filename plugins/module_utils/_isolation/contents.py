# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump's table of contents, and the part of it that a selection needs.

``pg_restore --list --verbose`` names each entry's catalogue and object identifier, and the entries that it depends on:
grants and comments have no identifier of their own, and are known by what they are about.
"""

import re
from typing import Collection, Dict, List, Set, Tuple

from .catalogue import Node

# Fixed in the server's sources (src/include/catalog): the same in every cluster.
_CATALOGUES = {
    1247: "pg_type",
    1255: "pg_proc",
    1259: "pg_class",
    1417: "pg_foreign_server",
    2604: "pg_attrdef",
    2605: "pg_cast",
    2606: "pg_constraint",
    2607: "pg_conversion",
    2615: "pg_namespace",
    2616: "pg_opclass",
    2617: "pg_operator",
    2618: "pg_rewrite",
    2620: "pg_trigger",
    2753: "pg_opfamily",
    3256: "pg_policy",
    3381: "pg_statistic_ext",
    3456: "pg_collation",
    3600: "pg_ts_dict",
    3602: "pg_ts_config",
}
_ENTRY = re.compile(r"^(\d+); (\d+) (\d+) (.*)$")
_DEPENDS = re.compile(r"^;\s+depends on:([\d ]+)$")


def wanted_entries(listing: str, selected: Collection[Node], there: Collection[Node] = ()) -> str:
    """Return the lines of a listing that restore these objects, in its own order.

    Arguments:
        listing: the output of ``pg_restore --list --verbose``.
        selected: catalogue and identifier of each object that is wanted.
        there: those of them that the target has already: neither they nor their grants are restored.
    """
    entries: List[Tuple[str, int, int, str]] = []
    needs: Dict[str, List[str]] = {}
    for line in listing.splitlines():
        found = _ENTRY.match(line)
        if found:
            entries.append((found.group(1), int(found.group(2)), int(found.group(3)), line))
            continue
        depends = _DEPENDS.match(line)
        if depends and entries:
            needs[entries[-1][0]] = depends.group(1).split()
    listed = {entry[0] for entry in entries}
    kept: Set[str] = set()
    lines: Dict[str, str] = {}
    identified = [entry for entry in entries if entry[2]]
    unidentified = [entry for entry in entries if not entry[2]]
    for number, catalogue, oid, line in identified:
        node = (_CATALOGUES.get(catalogue, "pg_class" if not catalogue else ""), oid)
        if node in selected and node not in there:
            kept.add(number)
            lines[number] = line
    # One may depend on another of its kind: the grants on a column on those on its table.
    waiting = True
    while waiting:
        waiting = False
        for number, dummy, none, line in unidentified:
            about = [item for item in needs.get(number, ()) if item in listed]
            if number not in kept and about and all(item in kept for item in about):
                kept.add(number)
                lines[number] = line
                waiting = True
    return "".join(lines[entry[0]] + "\n" for entry in entries if entry[0] in lines)
