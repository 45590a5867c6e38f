# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's ``volumes`` in a compose file: what is mounted where; only read, never changed."""

import re
from typing import Dict, Optional, Sequence

from .document import Document, Node
from .model import Model

KEY = "volumes"

# A reference may have a colon of its own, ``${DATA:-./data}``: it is passed over whole.
_PART = re.compile(r"((?:\$\{[^}]*\}|[^:])+)")


def mounts_of(model: Model, service: str) -> Dict[str, str]:
    """Return what a service has mounted, by the path inside; an empty source is a volume without a name."""
    mounts: Dict[str, str] = {}
    for name in reversed([service] + model.base_chain(service)):
        found = model.find(name, KEY)
        for item in found.value.resolved().items if found is not None else ():
            mounts.update(_mount(item.resolved()))
    return mounts


def _mount(item: Node) -> Dict[str, str]:
    if item.kind == "mapping":
        target, source = item.get("target"), item.get("source")
        if target is None:
            return {}
        return {_path(target.resolved().value): "" if source is None else source.resolved().value}
    parts = _PART.findall(item.value)
    if not parts:
        return {}
    return {_path(parts[1]): parts[0]} if len(parts) > 1 else {_path(parts[0]): ""}


def _path(text: str) -> str:
    return text.rstrip("/") or "/"


def volume_name(documents: Sequence[Document], project: str, name: str) -> Optional[str]:
    """Return a volume's name in the engine; None where only Compose can tell, for it holds a variable."""
    actual = "%s_%s" % (project, name)
    for document in documents:
        root = document.root
        declared = root.get(KEY) if root is not None and root.kind == "mapping" else None
        node = declared.resolved().get(name) if declared is not None and declared.resolved().kind == "mapping" else None
        if node is None or node.resolved().kind != "mapping":
            continue
        own, external = node.resolved().get("name"), node.resolved().get("external")
        if own is not None:
            actual = own.resolved().value
        elif external is not None and external.resolved().value == "true":
            actual = name
    return None if "$" in actual else actual
