#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep marked blocks in files that belong to somebody else."""

DOCUMENTATION = r"""
module: document_blocks
short_description: Keep marked blocks in files that belong to somebody else
version_added: 0.1.0
description:
  - >-
    Writes texts between marks such as V(<!-- bulkhead: architecture (begin\) -->) and
    V(<!-- bulkhead: architecture (end\) -->). Everything else in a file stays byte for byte - line ends, a byte order
    mark, a missing end of the last line, mode and owner too.
  - Marks inside of Markdown's fenced code blocks are no marks. Marks without counterpart, inside of one another, or
    there twice are an error that names the lines.
  - All files are read and planned before the first is written. If one can't be written, those before it get their old
    content back.
extends_documentation_fragment:
  - bulkhead.stack.attributes
options:
  blocks:
    description: The text of each block, by its name.
    type: dict
    default: {}
  documents:
    description: The files. Symbolic links are followed to the file that they name.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file.
        type: path
        required: true
      blocks:
        description: Which blocks it is to have, in the order in which those without marks are added at its end.
        type: list
        elements: str
        required: true
      comments:
        description:
          - How marks are written. In V(hash) each line of the text is a comment as well; in V(html) the text stands in
            C(<pre>); in V(text) only the marks begin with C(#).
          - V(auto) goes by the file's name.
        type: str
        choices: [auto, markdown, html, text, hash]
        default: auto
      create:
        description:
          - Whether a block that has no marks in the file is added at its end, behind an empty line, and a file that
            isn't there is made, with mode 0600.
        type: bool
        default: true
      state:
        description:
          - V(absent) takes the blocks out, with their marks and the empty line before them. That gives back the bytes
            that the file had before they were added.
        type: str
        choices: [present, absent]
        default: present
  folder:
    description:
      - A folder that gets one file a block, C(<block>.md), with its marks; a block named V(index) goes to
        C(README.md). It is made with mode 0700 where it isn't there.
    type: path
  backup:
    description: Whether to keep the old content beside each file that is changed.
    type: bool
    default: false
author:
  - bulkhead.stack authors (@bulkhead-stack)
seealso:
  - module: bulkhead.stack.file_edit
"""

EXAMPLES = r"""
- name: Two files of the service's authors say where its rows are
  bulkhead.stack.document_blocks:
    blocks:
      architecture: |
        Archon's tables lie in `archon_db`.
    documents:
      - path: /srv/archon/README.md
        blocks: [architecture]
      - path: /srv/archon/.env
        blocks: [architecture]
        create: false

- name: Take the block out again
  bulkhead.stack.document_blocks:
    documents:
      - path: /srv/archon/README.md
        blocks: [architecture]
        state: absent
"""

RETURN = r"""
changes:
  description: The blocks that were changed, or would be, each with its file.
  returned: success
  type: list
  elements: str
  sample: ["/srv/archon/README.md: block architecture"]
stale:
  description: The files that didn't hold what they should.
  returned: success
  type: list
  elements: str
  sample: [/srv/archon/README.md]
backup_files:
  description: The copies of old content that were kept, by file.
  returned: success
  type: dict
  sample: {}
"""

from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import documents as adapter
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError
from ansible_collections.bulkhead.stack.plugins.module_utils._documents.blocks import (
    Document,
    in_folder,
    plan_documents,
    result,
)

DOCUMENT_SPEC = {
    "path": {"type": "path", "required": True},
    "blocks": {"type": "list", "elements": "str", "required": True},
    "comments": {"type": "str", "choices": ["auto", "markdown", "html", "text", "hash"], "default": "auto"},
    "create": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Read the files, plan, and unless in check mode write; return the module's result."""
    documents: List[Document] = []
    for item in options["documents"]:
        target, content = adapter.read(item["path"])
        blocks, present = item["blocks"], item["state"] == "present"
        documents.append(Document(item["path"], target, content, blocks, item["comments"], item["create"], present))
    folder = options["folder"]
    for path, name in in_folder(folder, options["blocks"]) if folder else ():
        target, content = adapter.read(path, may_make_folder=True)
        documents.append(Document(path, target, content, [name], "markdown"))
    outcome = plan_documents(documents, options["blocks"])
    kept: Dict[str, str] = {}
    if outcome.files and not check_mode:
        before = {document.path: document.content for document in documents}
        kept = adapter.write(outcome.files, before, folder, options["backup"])
    return dict(result(outcome), backup_files=kept)


def main() -> None:
    """Wire options, adapter and domain."""
    module = AnsibleModule(
        {
            "blocks": {"type": "dict", "default": {}},
            "documents": {"type": "list", "elements": "dict", "default": [], "options": DOCUMENT_SPEC},
            "folder": {"type": "path"},
            "backup": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        done = run(module.params, module.check_mode)
    except BulkheadError as error:
        module.fail_json(**error.result())
    for warning in done.pop("warnings"):
        module.warn(warning)
    module.exit_json(**done)


if __name__ == "__main__":
    main()
