# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Close a playbook with a short table instead of pages of task lines."""

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
type: stdout
short_description: A line for each phase, and a short table at the end
version_added: 0.1.0
description:
  - Instead of a line for each task it shows one for each role, once that has ended, and closes with a table of what
    changed - the role, how it ended, how long it took, and what it changed.
  - Failures, diffs, warnings and the recap are shown as P(ansible.builtin.default#callback) shows them. Messages of
    M(ansible.builtin.debug) are shown as text.
  - What C(no_log) hides stays hidden.
  - With C(-v) and more, each task is shown as well.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout in configuration
options:
  show_unchanged:
    description: Whether the table lists roles in which nothing changed.
    type: bool
    default: true
    env:
      - name: BULKHEAD_SUMMARY_SHOW_UNCHANGED
    ini:
      - section: callback_bulkhead_summary
        key: show_unchanged
  width:
    description: So many columns the table may have. By default those of the terminal, and 120 where there is none.
    type: int
    default: 0
    env:
      - name: BULKHEAD_SUMMARY_WIDTH
    ini:
      - section: callback_bulkhead_summary
        key: width
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
# For one run:
#   ANSIBLE_STDOUT_CALLBACK=bulkhead.stack.summary ansible-playbook bulkhead.stack.site -i inventories/mine
# For all, in ansible.cfg:
#   [defaults]
#   stdout_callback = bulkhead.stack.summary
"""

import shutil
import sys
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as Default

from ansible_collections.bulkhead.stack.plugins.plugin_utils.phases import (
    Phase,
    kept_changes,
    line,
    message_lines,
    printable,
    table,
    things_changed,
)

_DEBUG = ("debug", "ansible.builtin.debug", "ansible.legacy.debug")
# Lines of tasks that the default callback leaves out by these, and we always do.
_LINES = ("display_ok_hosts", "display_skipped_hosts")


class CallbackModule(Default):
    """The default callback, without its lines for tasks that went well."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "bulkhead.stack.summary"

    def __init__(self) -> None:
        super().__init__()
        self._phases: Dict[str, Phase] = {}
        self._phase: Optional[Phase] = None
        # The phase as it is since it was last begun: a role may be in several plays.
        self._stretch: Optional[Phase] = None
        self._began = 0.0
        self._check = False
        self._failures = 0

    @property
    def _quiet(self) -> bool:
        return bool(self._display.verbosity == 0)

    def get_option(self, k: str, hostvars: Any = None) -> Any:
        """Return an option; without -v the lines of tasks that went well are off."""
        if k in _LINES and self._quiet:
            return False
        # Callbacks have no use for variables of hosts, and ansible-core 2.18 takes none.
        return super().get_option(k)

    # --- phases

    def _enter(self, name: str) -> None:
        if self._stretch is not None and self._stretch.name == name:
            return
        self._leave()
        self._phase = self._phases.setdefault(name, Phase(name))
        self._stretch = Phase(name)
        self._began = time.monotonic()
        if self._quiet and sys.stdout.isatty():
            self._display.display("%s ..." % name, color=C.COLOR_VERBOSE)

    def _leave(self) -> None:
        """Close the phase that runs, and show its line."""
        if self._phase is None or self._stretch is None:
            return
        self._stretch.seconds = time.monotonic() - self._began
        self._phase.seconds += self._stretch.seconds
        self._display.display(line(self._stretch, self._check), color=_color(self._stretch))
        self._phase = self._stretch = None

    def _of(self, task: Any) -> List[Phase]:
        """Return the phases that a task's result counts for: its own, and that phase's present stretch."""
        name = self._name_of(task)
        found = [self._phases.setdefault(name, Phase(name))]
        if self._stretch is not None and self._stretch.name == name:
            found.append(self._stretch)
        return found

    def _name_of(self, task: Any) -> str:
        role = getattr(task, "_role", None)
        if role is not None:
            return str(role.get_name()).rsplit(".", 1)[-1]
        return self._play.get_name().strip() if self._play is not None else "tasks"

    # --- events

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Name the play."""
        self._leave()
        self._check = self._check or bool(play.check_mode)
        super().v2_playbook_on_play_start(play)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Begin a phase where the task is of another one."""
        self._enter(self._name_of(task))
        super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Begin a phase where the handler is of another one."""
        self._enter(self._name_of(task))
        super().v2_playbook_on_handler_task_start(task)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Remember what changed; show messages and warnings."""
        self._remember(result, things_changed(result._result, result._task.get_name().strip()))
        if not self._quiet:
            super().v2_runner_on_ok(result)
            return
        self._handle_warnings(result._result)
        # Of a loop each item has been shown.
        if "results" not in result._result:
            self._show_message(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Show an item's messages and warnings."""
        if not self._quiet:
            super().v2_runner_item_on_ok(result)
            return
        self._handle_warnings(result._result)
        self._show_message(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Show warnings alone."""
        if not self._quiet:
            super().v2_runner_on_skipped(result)
            return
        self._handle_warnings(result._result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Show a failure whole; what a loop changed before it failed is changed."""
        self._remember(result, kept_changes(result._result, result._task.get_name().strip()))
        if not ignore_errors:
            self._fail(result)
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Show a host that can't be reached."""
        self._fail(result)
        super().v2_runner_on_unreachable(result)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Say nothing of files that were read."""
        if not self._quiet:
            super().v2_playbook_on_include(included_file)

    def v2_runner_retry(self, result: Any) -> None:
        """Say nothing of what is tried again: if it never works, it fails."""
        if not self._quiet:
            super().v2_runner_retry(result)

    def v2_runner_on_async_poll(self, result: Any) -> None:
        """Say nothing of what is still at work."""
        if not self._quiet:
            super().v2_runner_on_async_poll(result)

    def v2_runner_on_async_ok(self, result: Any) -> None:
        """Say nothing of a job that went well."""
        if not self._quiet:
            super().v2_runner_on_async_ok(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Show the table, and the recap."""
        self._leave()
        hosts: Mapping[str, Mapping[str, int]] = {host: stats.summarize(host) for host in stats.processed}
        width = self.get_option("width") or shutil.get_terminal_size((120, 24)).columns
        lines = table(list(self._phases.values()), hosts, self._check, self.get_option("show_unchanged"), width)
        if lines:
            self._display.banner("SUMMARY")
            for text in lines:
                self._display.display(text)
        super().v2_playbook_on_stats(stats)

    # --- help

    def _remember(self, result: Any, things: Sequence[str]) -> None:
        for phase in self._of(result._task):
            phase.add_changes(result._host.get_name(), things)

    def _fail(self, result: Any) -> None:
        self._failures += 1
        for phase in self._of(result._task):
            phase.add_failure(result._host.get_name(), self._failures)

    def _show_message(self, result: Any) -> None:
        """Show what a debug task says, as text."""
        if result._task.action not in _DEBUG or "censored" in result._result:
            return
        self._clean_results(result._result, result._task.action)
        shown = {name: value for name, value in result._result.items() if not name.startswith("_ansible_")}
        loop_variable = result._result.get("ansible_loop_var")
        message = shown["msg"] if "msg" in shown else {name: shown[name] for name in shown if name != loop_variable}
        self._display.display("%s [%s]:" % (result._task.get_name().strip(), self.host_label(result)))
        for text in message_lines(message):
            self._display.display("  " + printable(text) if text else "", color=C.COLOR_OK)
        self._display.display("")


def _color(phase: Phase) -> Any:
    if phase.failures:
        return C.COLOR_ERROR
    return C.COLOR_CHANGED if phase.changes else C.COLOR_OK
