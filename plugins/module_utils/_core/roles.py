# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles that are members of roles."""

from typing import List, Mapping, Sequence, TypeVar

Role = TypeVar("Role")


def groups_of(role: Role, member_of: Mapping[Role, Sequence[Role]]) -> List[Role]:
    """Return the groups that a role is in, directly or through others, the nearest first.

    Arguments:
        member_of: of each role that there is, the groups that it is in directly, by name or by identifier.
    """
    found: List[Role] = []
    waiting = list(member_of[role])
    while waiting:
        group = waiting.pop(0)
        if group not in found and group in member_of:
            found.append(group)
            waiting += member_of[group]
    return found
