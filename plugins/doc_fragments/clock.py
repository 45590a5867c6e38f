# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option that takes another moment as now."""


class ModuleDocFragment:
    """Goes with ``now`` in module_utils/_adapters/clock.py."""

    DOCUMENTATION = r"""
options:
  clock:
    description:
      - The moment to take as now, as V(2026-11-23T02:00:00Z), for tests and demonstrations.
    type: str
"""
