# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is expected of a database, held against what it holds. "All tables exist" proves nothing."""

from typing import List

from .._core.text import nearest
from .model import Content, Wanted


def differences(wanted: Wanted, content: Content) -> List[str]:
    """Return a sentence for each thing that isn't as expected; an empty list is the proof."""
    expect = wanted.expect
    wrong = []
    for table in expect.tables:
        if table not in content.tables:
            near = nearest(table, content.tables)
            wrong.append("table %s is missing%s" % (table, " (there is %s)" % near if near else ""))
    for function in expect.functions:
        if function not in content.functions:
            wrong.append("function %s is missing" % function)
    if expect.policies is not None and content.policies != expect.policies:
        wrong.append("%d policies instead of %d" % (content.policies, expect.policies))
    for extension in wanted.extensions:
        if extension not in content.extensions:
            wrong.append("extension %s is missing" % extension)
    for table, least in expect.rows.items():
        if table in content.rows and content.rows[table] < least:
            wrong.append("table %s has %d rows, at least %d are expected" % (table, content.rows[table], least))
        elif table not in content.rows and table not in expect.tables:
            wrong.append("table %s is missing" % table)
    return wrong
