# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the terminal shows while rows are copied."""

from typing import Any, Dict

import pytest

from ansible_collections.bulkhead.stack.plugins.action.pg_database_isolate import describe

COPYING = {
    "database": "tryton",
    "state": "running",
    "doing": "rows",
    "table": "public.party_party",
    "tables_done": 77,
    "tables_total": 141,
    "bytes_done": 3 * 1024**2,
    "bytes_total": 4 * 1024**2,
}


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (COPYING, "tryton: rows, 77 of 141 tables, 3.0 MiB of about 4.0 MiB (75 %), public.party_party"),
        # A table's size is told beforehand, and may be more in the end.
        (
            dict(COPYING, bytes_done=5 * 1024**2),
            "tryton: rows, 77 of 141 tables, 5.0 MiB of about 4.0 MiB (100 %), public.party_party",
        ),
        ({"database": "n8n_db", "doing": "extension vector in n8n_db"}, "n8n_db: extension vector in n8n_db"),
        ({"database": "n8n_db"}, ""),
        ({}, ""),
    ],
)
def test_a_status_is_one_line(status: Dict[str, Any], line: str) -> None:
    assert describe(status) == line
