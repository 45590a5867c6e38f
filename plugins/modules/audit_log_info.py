#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What destructive things were done, and whether the log of them is what it was."""

DOCUMENTATION = r"""
module: audit_log_info
short_description: What destructive things were done, and whether the log of them is what it was
version_added: 0.1.0
description:
  - Reads the audit log and verifies its chain. Each line holds the hash of the line before, so a line that was changed,
    removed or moved shows.
  - Whoever can write the file can also write all of it anew, or cut off its end. That shows against O(expected_head).
    Each head goes to the system's log as well (facility auth, ident bulkhead), which can be kept on another machine.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  path:
    description: The audit log. One that doesn't exist is empty.
    type: path
    required: true
  expected_head:
    description:
      - The hash of a line that must be there, such as the RV(head) of the last time, or the one in the system's log.
        Lines after it are no problem.
    type: str
    default: ""
  fail_on_broken:
    description:
      - Whether the module fails where the log isn't what it was.
      - A half line that a power cut left, and that the line after it names, is a warning and no failure.
    type: bool
    default: true
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.pg_database_drop
  - module: bulkhead.stack.kept_expire
"""

EXAMPLES = r"""
- name: See whether anybody has touched the log
  bulkhead.stack.audit_log_info:
    path: /var/lib/bulkhead/audit.jsonl
    expected_head: 6d9ff1c3b1b7c1d0a3d5b1a2f40c19a7a52f9a7f9d4f4d9cf7b1c0e5a1b2c3d4
"""

RETURN = r"""
entries:
  description: The lines that are what they were when they were written, oldest first.
  returned: always
  type: list
  elements: dict
  contains:
    seq:
      description: The line's number, from 1.
      type: int
      sample: 1
    at:
      description: When, in UTC, by the host's clock.
      type: str
      sample: "2026-11-23T10:15:00Z"
    event:
      description: What happened.
      type: str
      sample: database_set_aside
    facts:
      description: What it happened to, and C(by), who ran it.
      type: dict
      sample: {database: archon_db, set_aside: archon_db_dropped_20261123T101500Z, by: root (sudo of alice)}
    previous:
      description: The hash of the line before, zeros for the first.
      type: str
      sample: "0000000000000000000000000000000000000000000000000000000000000000"
    sha256:
      description: The line's own hash.
      type: str
      sample: 6d9ff1c3b1b7c1d0a3d5b1a2f40c19a7a52f9a7f9d4f4d9cf7b1c0e5a1b2c3d4
head:
  description: The hash of the last line, zeros where there is none.
  returned: always
  type: str
  sample: 6d9ff1c3b1b7c1d0a3d5b1a2f40c19a7a52f9a7f9d4f4d9cf7b1c0e5a1b2c3d4
problems:
  description: What is wrong, and where.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: V(half), V(changed), V(removed), V(reordered) or V(cut_off).
      type: str
      sample: changed
    line:
      description: The line's number in the file.
      type: int
      sample: 3
    message:
      description: What is wrong with it.
      type: str
      sample: its content isn't what its hash says
    noted:
      description: Whether it is a half line that a later one names.
      type: bool
      sample: false
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.audit_log import AuditLog
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, VerificationError
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.chain import split_lines, verify


def look(options: Dict[str, Any]) -> Dict[str, Any]:
    """Return the module's result.

    Raises:
        VerificationError: the log isn't what it was; it has the result too.
    """
    verified = verify(split_lines(AuditLog(options["path"]).content()), options["expected_head"])
    result = {
        "entries": list(verified.entries),
        "head": verified.head,
        "problems": [problem.to_json() for problem in verified.problems],
    }
    if verified.is_broken and options["fail_on_broken"]:
        wrong = ["line %d: %s" % (item.line, item.message) for item in verified.problems if not item.noted]
        raise VerificationError(
            "The audit log %s isn't what it was: %s." % (options["path"], "; ".join(wrong)),
            "Compare it with the heads in the system's log (`journalctl -t bulkhead`) and with a backup of it.",
            **result,
        )
    return result


def main() -> None:
    """Wire options, adapter and domain."""
    module = AnsibleModule(
        {
            "path": {"type": "path", "required": True},
            "expected_head": {"type": "str", "default": ""},
            "fail_on_broken": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    try:
        result = look(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for problem in result["problems"]:
        module.warn("Line %(line)d of the audit log: %(message)s." % problem)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
