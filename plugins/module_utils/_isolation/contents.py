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
    entries: List[Tuple[str, Node, str]] = []
    needs: Dict[str, List[str]] = {}
    for line in listing.splitlines():
        found = _ENTRY.match(line)
        if found:
            # Row security and a table's rows have the table's identifier and no catalogue.
            catalogue = _CATALOGUES.get(int(found.group(2)), "pg_class" if found.group(2) == "0" else "")
            entries.append((found.group(1), (catalogue, int(found.group(3))), line))
            continue
        depends = _DEPENDS.match(line)
        if depends and entries:
            needs[entries[-1][0]] = depends.group(1).split()
    listed = {number for number, node, line in entries}
    kept: Set[str] = {number for number, node, line in entries if node in selected and node not in there}
    waiting = [number for number, node, line in entries if not node[1]]
    # One may depend on another of its kind: the grants on a column on those on its table.
    before = -1
    while before != len(kept):
        before = len(kept)
        for number in waiting:
            about = [item for item in needs.get(number, ()) if item in listed]
            if about and all(item in kept for item in about):
                kept.add(number)
    return "".join(line + "\n" for number, node, line in entries if number in kept)
