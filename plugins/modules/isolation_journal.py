#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Close or take back what the journal of an isolation holds."""

DOCUMENTATION = r"""
module: isolation_journal
short_description: Close or take back what the journal of an isolation holds
version_added: 0.1.0
description:
  - The phases C(isolate) and C(postgrest) write one journal for each database, with what they do and how to undo it.
  - This module closes it once all is proven, or takes everything back in reverse order.
  - The connection options are needed only where the journal holds changes of a database.
extends_documentation_fragment:
  - bulkhead.stack.connection
  - bulkhead.stack.attributes
options:
  journal:
    description: The journal, a file of JSON lines on the target. One that doesn't exist is empty.
    type: path
    required: true
  state:
    description:
      - V(prepared) says that a phase came to its end, and that the next one goes on.
      - V(noted) writes down the services of O(project), which are about to be stopped.
      - V(completed) closes what is open; it is not taken back any more.
      - V(forgotten) closes what completed runs did, because its things have moved on since.
      - V(undone) takes back what is open. A database that got rows since it was filled is renamed, never dropped.
    type: str
    choices: [prepared, noted, completed, undone, forgotten]
    required: true
  also_completed:
    description:
      - With O(state=undone), whether to take back what completed runs did too. It is for services that stay in a shared
        database; a service that has moved comes back with M(bulkhead.stack.isolation_rollback), rows and all.
    type: bool
    default: false
  containers_last:
    description:
      - With O(state=undone), whether services are brought up after files and databases were taken back, each once.
        For who has stopped them before.
    type: bool
    default: false
  project:
    description: With O(state=noted), the Compose project, as the modules for compose files return it.
    type: dict
  services:
    description: With O(state=noted), its services.
    type: list
    elements: str
    default: []
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
- name: Go back to where we were
  bulkhead.stack.isolation_journal:
    container: supabase-ai-db
    journal: /var/lib/bulkhead/journal/archon_db.jsonl
    state: undone
"""

RETURN = r"""
open:
  description: How many entries were open before.
  returned: success
  type: int
  sample: 9
interrupted:
  description: How many of them a run left that was cut off.
  returned: success
  type: int
  sample: 0
completed:
  description: How many entries of completed runs M(bulkhead.stack.isolation_rollback) could take back.
  returned: success
  type: int
  sample: 0
restored:
  description: What is as it was, with O(state=undone).
  returned: success
  type: list
  elements: str
  sample: ["/srv/archon/.env is as it was"]
kept:
  description: What was put aside because rows came since.
  returned: success
  type: list
  elements: str
  sample: []
set_aside:
  description: The names under which databases were put aside.
  returned: success
  type: list
  elements: str
  sample: []
left:
  description: What could not be taken back, and why. Where there is any, the module fails.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import files
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.hands import HostHands
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.wiring import open_postgres
from ansible_collections.bulkhead.stack.plugins.module_utils._core.argspec import CONNECTION_SPEC
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.journal import (
    completed_entries,
    containers_entry,
    interrupted_entries,
    open_entries,
    undo,
)

_WORDS = {"prepared": "prepared", "noted": "open", "completed": "closed", "undone": "taken back", "forgotten": "closed"}


def take_back(options: Dict[str, Any], entries: List[Dict[str, Any]]) -> Dict[str, List[str]]:
    """Undo the open entries.

    Raises:
        OutsideError: something could not be taken back; the journal stays open, so that a later run tries again.
    """
    if any(entry["kind"] in ("sql", "fingerprint") for entry in entries):
        with open_postgres(options) as postgres:
            report = undo(entries, HostHands(postgres, options["docker_host"] or ""), options["containers_last"])
    else:
        report = undo(entries, HostHands(None, options["docker_host"] or ""), options["containers_last"])
    if report["left"]:
        raise OutsideError(
            "Not everything could be taken back: %s." % "; ".join(report["left"]),
            "Mend that, and run this again.",
            **report,
        )
    return report


def stopping(project: Dict[str, Any], services: List[str]) -> Dict[str, Any]:
    """Return the entry for services that are about to be stopped."""
    return containers_entry(
        project["name"], project["directory"], project["files"], project["env_files"], services, False
    )


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Read the journal, and add to it or take back what it holds; return the module's result."""
    state, journal = options["state"], options["journal"]
    entries = files.read_json_lines(journal)
    cut_off = interrupted_entries(entries)
    concerned = open_entries(entries)
    if (options["also_completed"] or state == "forgotten") and not concerned:
        concerned = completed_entries(entries)
    report: Dict[str, List[str]] = {"restored": [], "kept": [], "set_aside": [], "left": []}
    if not check_mode:
        if state == "noted":
            files.append_json_line(journal, stopping(options["project"], options["services"]))
        elif state == "prepared":
            if cut_off:
                files.append_json_line(journal, {"kind": state})
        elif concerned:
            if state == "undone":
                report = take_back(options, concerned)
            files.append_json_line(journal, {"kind": state})
    diff = {"before": "%d open entries\n" % len(concerned), "after": "all %s\n" % _WORDS[state]} if concerned else {}
    # Keeping the journal is bookkeeping: nothing that a user knows of is different afterwards.
    return dict(
        report,
        changed=bool(concerned) and state == "undone",
        open=len(open_entries(entries)),
        interrupted=len(cut_off),
        completed=len(completed_entries(entries)),
        diff=diff if state in ("completed", "undone") else {},
    )


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        {
            **CONNECTION_SPEC,
            "journal": {"type": "path", "required": True},
            "state": {"type": "str", "choices": list(_WORDS), "required": True},
            "also_completed": {"type": "bool", "default": False},
            "containers_last": {"type": "bool", "default": False},
            "project": {"type": "dict"},
            "services": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("state", "noted", ("project", "services"))],
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
