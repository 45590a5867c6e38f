# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of this name, and show on a terminal what it is at."""

from __future__ import annotations

from ansible_collections.bulkhead.stack.plugins.plugin_utils.progress import ProgressAction, cat


class ActionModule(ProgressAction):
    """Shows which step of a restore is being done."""

    def status_command(self) -> str:
        """Return the command that prints the status file."""
        return cat(self._task.args.get("status_file"))
