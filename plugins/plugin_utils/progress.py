# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module, and show on a terminal what its status files say meanwhile."""

from __future__ import annotations

import json
import shlex
import sys
import threading
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.bulkhead.stack.plugins.module_utils._core.text import format_size

# A task that is done before has nothing to show.
_FIRST_S = 3.0
_EVERY_S = 5.0


class ProgressAction(ActionBase):
    """Runs the module of its name; where a person looks on, lines tell how far it is. In a log there are none."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; a line is shown whenever a status is another one."""
        super().run(tmp, task_vars)
        command = self.status_command()
        done = threading.Event()
        watcher = None
        if command and sys.stdout.isatty() and not self._task.check_mode and not self._task.async_val:
            watcher = threading.Thread(target=self._watch, args=(command, done), daemon=True)
            watcher.start()
        try:
            result: dict[str, Any] = self._execute_module(task_vars=task_vars, wrap_async=bool(self._task.async_val))
        finally:
            done.set()
            if watcher is not None:
                watcher.join(_EVERY_S)
        return result

    def status_command(self) -> str:
        """Return the command that prints the status files, a JSON object a line; empty where there is none."""
        raise NotImplementedError

    def _watch(self, command: str, done: threading.Event) -> None:
        display = Display()
        shown: dict[str, str] = {}
        waited = _FIRST_S
        while not done.wait(waited):
            waited = _EVERY_S
            for status in running(self._print_status(command)):
                line = describe(status)
                if line and shown.get(str(status.get("database"))) != line:
                    display.display(line)
                    shown[str(status.get("database"))] = line

    def _print_status(self, command: str) -> str:
        try:
            return str(self._low_level_execute_command(command, sudoable=True).get("stdout", ""))
        except (AnsibleError, OSError):
            # A status is shown, never needed.
            return ""


def cat(path: Any, pattern: str = "") -> str:
    """Return the command that prints a status file, or those of a folder, each as a line of its own."""
    if not path:
        return ""
    return 'for f in %s%s; do cat "$f" 2>/dev/null && echo; done' % (shlex.quote(str(path)), pattern)


def running(text: str) -> list[dict[str, Any]]:
    """Return the statuses of what is being done; what a login shell prints besides is no status."""
    found = []
    for line in text.splitlines():
        status = _parse(line)
        if isinstance(status, dict) and status.get("state") == "running":
            found.append(status)
    return found


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def describe(status: dict[str, Any]) -> str:
    """Return a status as a line for the terminal."""
    if not status.get("doing"):
        return ""
    parts = ["%s: %s" % (status.get("database"), status["doing"])]
    if status.get("tables_total"):
        parts.append("%d of %d tables" % (status.get("tables_done", 0), status["tables_total"]))
    done, total, seconds = (status.get(name) or 0 for name in ("bytes_done", "bytes_total", "seconds"))
    if total:
        parts.append("%s of about %s (%d %%)" % (format_size(done), format_size(total), min(100, 100 * done // total)))
    elif done:
        parts.append(format_size(done))
    if done and seconds:
        parts.append("%s/s, %d s" % (format_size(done / seconds), seconds))
    if status.get("table"):
        parts.append(str(status["table"]))
    return ", ".join(parts)
