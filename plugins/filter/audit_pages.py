# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare what the audit's pages show."""

from typing import Any, Callable, Dict

from ansible.errors import AnsibleFilterError

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._report.page import pages

DOCUMENTATION = r"""
name: audit_pages
short_description: Prepare what the audit's pages show
version_added: 0.1.0
description:
  - Takes the document of an audit, and gives everything that the templates of the role
    P(bulkhead.stack.audit#role) write, each text chosen and each coordinate of its drawings worked out.
  - All texts are escaped for the form that is asked for, so that no template can forget one.
author:
  - bulkhead.stack authors (@bulkhead-stack)
positional: form
options:
  _input:
    description: The document of an audit, of schema 1.
    type: dict
    required: true
  form:
    description: What the texts are escaped for.
    type: str
    choices: [html, markdown]
    required: true
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.template:
    src: report.html.j2
    dest: /srv/reports/audit.html
    mode: "0600"
  vars:
    audit_page: "{{ audit_document | bulkhead.stack.audit_pages('html') }}"
"""

RETURN = r"""
_value:
  description: >-
    C(host), C(made_at), C(summary), C(counts), C(unseen), C(findings), C(accepted), C(pictures), C(databases),
    C(calendar), C(services) and C(kept), as the templates show them.
  type: dict
"""


def audit_pages(document: Any, form: str) -> Dict[str, Any]:
    """Return what a template shows; an error names what is wrong with the document."""
    try:
        return pages(document, form)
    except BulkheadError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"audit_pages": audit_pages}
