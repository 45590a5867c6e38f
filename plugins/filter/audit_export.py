# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an audit's findings as CI reads them."""

from typing import Any, Callable, Dict

from ansible.errors import AnsibleFilterError

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.exports import export
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError

DOCUMENTATION = r"""
name: audit_export
short_description: Write an audit's findings as CI reads them
version_added: 0.1.0
description:
  - Takes the document of an audit, and gives its findings as SARIF 2.1.0 for code scanning, or as JUnit for test
    reports.
  - In SARIF what is accepted is suppressed, and what could not be seen is a notification of the run. In JUnit the one
    is skipped, and the other an error.
author:
  - bulkhead.stack authors (@bulkhead-stack)
positional: form
options:
  _input:
    description: The document of P(bulkhead.stack.audit_report#filter).
    type: dict
    required: true
  form:
    description: The form.
    type: str
    choices: [sarif, junit]
    required: true
"""

EXAMPLES = r"""
- name: Write the findings for code scanning
  ansible.builtin.copy:
    content: "{{ audit_document | bulkhead.stack.audit_export('sarif') }}"
    dest: audit.sarif
    mode: "0600"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The findings as text.
  type: str
"""


def audit_export(document: Any, form: str) -> str:
    """Return the findings in a form; an error names what is wrong."""
    try:
        return export(document, form)
    except BulkheadError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"audit_export": audit_export}
