# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of this name, and show on the terminal what its status file says meanwhile."""

from __future__ import annotations

import json
import shlex
import threading
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import format_size

# A task that is done before has nothing to show.
_FIRST_S = 3.0
_EVERY_S = 5.0


class ActionModule(ActionBase):
    """Shows what is done and what remains while rows are copied."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; a line is shown whenever its status is another one."""
        super().run(tmp, task_vars)
        path = self._task.args.get("status_file")
        done = threading.Event()
        watcher = None
        if path and not self._task.check_mode and not self._task.async_val:
            watcher = threading.Thread(target=self._watch, args=(str(path), done), daemon=True)
            watcher.start()
        try:
            result: dict[str, Any] = self._execute_module(task_vars=task_vars, wrap_async=bool(self._task.async_val))
        finally:
            done.set()
            if watcher is not None:
                watcher.join(_EVERY_S)
        return result

    def _watch(self, path: str, done: threading.Event) -> None:
        display = Display()
        last = ""
        waited = _FIRST_S
        while not done.wait(waited):
            waited = _EVERY_S
            line = describe(self._status(path))
            if line and line != last:
                display.display(line)
                last = line

    def _status(self, path: str) -> dict[str, Any]:
        """Return what the status file on the target says, nothing where it can't be read."""
        try:
            # As a whole line of its own: what a login shell prints before it is no status.
            read = self._low_level_execute_command("cat %s" % shlex.quote(path), sudoable=True)
            status = json.loads(str(read.get("stdout", "")).strip().splitlines()[-1])
        except (AnsibleError, ValueError, IndexError, OSError):
            # A status is shown, never needed.
            return {}
        return status if isinstance(status, dict) and status.get("state") == "running" else {}


def describe(status: dict[str, Any]) -> str:
    """Return a status as a line for the terminal."""
    if not status.get("doing"):
        return ""
    parts = ["%s: %s" % (status.get("database"), status["doing"])]
    if status.get("tables_total"):
        parts.append("%d of %d tables" % (status.get("tables_done", 0), status["tables_total"]))
    if status.get("bytes_total"):
        share = min(100, 100 * status.get("bytes_done", 0) // status["bytes_total"])
        parts.append(
            "%s of about %s (%d %%)"
            % (format_size(status.get("bytes_done", 0)), format_size(status["bytes_total"]), share)
        )
    if status.get("table"):
        parts.append(str(status["table"]))
    return ", ".join(parts)
