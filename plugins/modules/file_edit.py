#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace exact texts in a file, so that it can be taken back."""

DOCUMENTATION = r"""
module: file_edit
short_description: Replace exact texts in a file, reversibly
version_added: 0.1.0
description:
  - For files of a service's authors that name the old database, such as a launcher.
  - A text is replaced where it stands exactly as often as is said; everything else stays byte for byte. Line ends,
    mode and owner are kept.
  - With O(journal) the edit is written down before it is made, and M(bulkhead.stack.isolation_journal) takes it back.
extends_documentation_fragment:
  - bulkhead.stack.attributes
options:
  path:
    description: The file. It must exist.
    type: path
    required: true
  edits:
    description: What is replaced, in order.
    type: list
    elements: dict
    required: true
    suboptions:
      before:
        description: The text to be replaced. No pattern.
        type: str
        required: true
      after:
        description: The text that is to stand there.
        type: str
        required: true
      count:
        description: How often the text must stand there.
        type: int
        default: 1
  backup:
    description: Whether to keep the old content beside the file.
    type: bool
    default: false
  journal:
    description: A file of JSON lines, on the target, that takes what is done and how to undo it. Made with mode 0600.
    type: path
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.isolation_journal
"""

EXAMPLES = r"""
- name: The launcher saves the service's own database
  bulkhead.stack.file_edit:
    path: /srv/archon/start-archon.sh
    edits:
      - before: local target_db="postgres"
        after: local target_db="archon_db"
"""

RETURN = r"""
changes:
  description: The file, where it was changed, or would be.
  returned: success
  type: list
  elements: str
  sample: [/srv/archon/start-archon.sh]
backup_file:
  description: The copy of the old content, or an empty text.
  returned: success
  type: str
  sample: ""
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_files import FileChange, write_change
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.files import read_bytes
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._core.replace import Replacement, replace


def edit(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Plan the edit, and unless in check mode make it; return the module's result."""
    path = options["path"]
    before = read_bytes(path)
    wanted = [
        Replacement(item["before"].encode("utf-8"), item["after"].encode("utf-8"), item["count"])
        for item in options["edits"]
    ]
    after = replace(before, wanted, path)
    plan = Plan()
    kept = ""
    if after != before:
        # Only what is replaced is shown: a launcher may hold secrets elsewhere.
        old, new = ("\n".join(item[field] for item in options["edits"]) for field in ("before", "after"))
        plan.add(Change(path, old, new))
        if not check_mode:
            kept = write_change(FileChange(path, before, after), options["journal"], options["backup"])
    return dict(plan.result(), backup_file=kept)


def main() -> None:
    """Wire options, adapter and domain."""
    module = AnsibleModule(
        {
            "path": {"type": "path", "required": True},
            "edits": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "before": {"type": "str", "required": True},
                    "after": {"type": "str", "required": True},
                    "count": {"type": "int", "default": 1},
                },
            },
            "backup": {"type": "bool", "default": False},
            "journal": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = edit(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
