# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compose file as a diff may show it: line for line as it is, its secrets masked."""

import re
from typing import List, Optional, Tuple

from .document import Document, Node
from .placement import MASK, masked

# PGRST_JWT_SECRET_IS_BASE64, KEY_LENGTH: named like a secret, and none.
_NO_SECRET = re.compile(r"(true|false|yes|no|on|off|\d{1,6})$", re.IGNORECASE)
_KEYWORD_PASSWORD = re.compile(r"(\bpassword\s*=\s*)(?!\$)('[^']*'|[^\s']+)")


def shown(data: Optional[bytes], name: str) -> str:
    """Return a compose file's text in which values whose names look like a secret's, and passwords in URLs, are masked.

    Arguments:
        data: the file; None, where there is none, is an empty text. References (``${…}``) stay as they are written.
    """
    if data is None:
        return ""
    document = Document(data, name)
    pieces: List[str] = []
    position = 0
    for start, end, text in sorted(_masks(document)):
        pieces += [document.text[position:start], text]
        position = end
    return "".join(pieces) + document.text[position:]


def _masks(document: Document) -> List[Tuple[int, int, str]]:
    masks: List[Tuple[int, int, str]] = []
    waiting = [] if document.root is None else [document.root]
    while waiting:
        node = waiting.pop()
        waiting += [item for item in node.items if item.kind != "scalar"]
        waiting += [value for _key, value in node.pairs if value.kind != "scalar"]
        for item in node.items:
            variable, equals, _value = item.value.partition("=") if item.kind == "scalar" else ("", "", "")
            _add(masks, document, variable if equals else "", item)
        for key, value in node.pairs:
            _add(masks, document, key.value, value)
    return masks


def _add(masks: List[Tuple[int, int, str]], document: Document, variable: str, node: Node) -> None:
    if node.kind != "scalar" or node.is_null:
        return
    prefix = variable + "=" if variable and node.value.startswith(variable + "=") else ""
    value = node.value[len(prefix) :]
    hidden = _KEYWORD_PASSWORD.sub(lambda found: found.group(1) + MASK, masked(variable, value) or "")
    if hidden == value or _NO_SECRET.match(value):
        return
    # A scalar may begin with the sign of a property only where it is quoted.
    start = document.content_start(node) if node.anchor or node.tag else node.start
    if node.style in ("|", ">"):
        # Of a block of lines its number of lines is kept.
        written = document.text[start : node.end]
        lines = written.splitlines(keepends=True)
        text = lines[0] + "".join(MASK + line[len(line.rstrip("\r\n")) :] for line in lines[1:])
    else:
        text = "%s%s%s%s" % (node.style, prefix, hidden, node.style)
    masks.append((start, node.end, text))
