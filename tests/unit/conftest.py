# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit tests share. The collection's name is made importable by the conftest.py at the root."""

from hypothesis import settings

# A change is judged by the same examples everywhere, however busy the machine is. New ones are looked for by hand:
# pytest tests/unit --hypothesis-profile=default --hypothesis-seed=random
settings.register_profile("bulkhead", derandomize=True, deadline=None, database=None)
settings.load_profile("bulkhead")
