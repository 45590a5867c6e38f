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
      - V(completed) closes what is open; it is not taken back any more.
      - V(undone) takes back what is open. A database that got rows since it was filled is renamed, never dropped.
    type: str
    choices: [completed, undone]
    required: true
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
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.journal import open_entries, undo


def take_back(options: Dict[str, Any], entries: List[Dict[str, Any]]) -> Dict[str, List[str]]:
    """Undo the open entries.

    Raises:
        OutsideError: something could not be taken back; the journal stays open, so that a later run tries again.
    """
    if any(entry["kind"] in ("sql", "fingerprint") for entry in entries):
        with open_postgres(options) as postgres:
            report = undo(entries, HostHands(postgres, options["docker_host"] or ""))
    else:
        report = undo(entries, HostHands(None, options["docker_host"] or ""))
    if report["left"]:
        raise OutsideError(
            "Not everything could be taken back: %s." % "; ".join(report["left"]),
            "Mend that, and run this again.",
            **report,
        )
    return report


def main() -> None:
    """Wire options, adapters and domain."""
    module = AnsibleModule(
        {
            **CONNECTION_SPEC,
            "journal": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["completed", "undone"], "required": True},
        },
        supports_check_mode=True,
    )
    state, journal = module.params["state"], module.params["journal"]
    report: Dict[str, List[str]] = {"restored": [], "kept": [], "left": []}
    try:
        entries = open_entries(files.read_json_lines(journal))
        if entries and not module.check_mode:
            if state == "undone":
                report = take_back(module.params, entries)
            files.append_json_line(journal, {"kind": state})
    except BulkheadError as error:
        module.fail_json(**error.result())
    word = "closed" if state == "completed" else "taken back"
    diff = {"before": "%d open entries\n" % len(entries), "after": "all %s\n" % word} if entries else {}
    # Closing a journal is bookkeeping: nothing that a user knows of is different afterwards.
    module.exit_json(changed=bool(entries) and state == "undone", open=len(entries), diff=diff, **report)


if __name__ == "__main__":
    main()
