# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole services of a compose or override file: added, replaced and removed, with everything else left alone."""

from typing import Any, Dict, List, Mapping, Optional

from .._core.errors import BulkheadError, InputError
from .document import Document, Node
from .edit import Editor, edit_with_fallback, matches
from .style import render_block, scalar_text


def new_file(services: Mapping[str, Any], networks: Optional[Mapping[str, Any]] = None) -> bytes:
    """Return a compose file that holds these services and networks, and nothing else."""
    lines = ["services:"]
    for name, definition in services.items():
        lines += ["  " + line for line in render_block(scalar_text(name, "", False), definition, 2, 2, '"')]
    if networks:
        lines += ["", *render_block("networks", networks, 2, 2, '"')]
    return ("\n".join(lines) + "\n").encode("utf-8")


def add_service(
    data: Optional[bytes], name: str, definition: Mapping[str, Any], file_name: str = "The override file"
) -> bytes:
    """Return a compose file in which a service has exactly this definition, in block style and in the file's manner.

    Arguments:
        data: the file; None or an empty one becomes a new file.
        name: the service; one that is there with another definition is replaced.
        definition: text, numbers, truth values, None, lists and mappings. ``$`` means what it means to Compose.
    """
    if not definition:
        raise InputError("A definition of service %s is needed." % name)
    return add_services(data, {name: definition}, file_name)


def add_services(
    data: Optional[bytes], services: Mapping[str, Mapping[str, Any]], file_name: str = "The override file"
) -> bytes:
    """Return a compose file in which each of these services has exactly its definition."""
    if not services:
        return data or b""
    if data is None or not data.strip():
        return new_file(services)
    document = Document(data, file_name)
    if document.root is None or document.root.is_null:
        return _append_to_comments(document, services)
    root = document.root
    if root.kind != "mapping":
        raise InputError("%s holds no mapping, so it is no compose file." % file_name)
    document.refuse_duplicates(root, "")
    missing: Dict[str, Any] = {}
    for name, definition in services.items():
        existing = _find(document, name)
        if existing is not None and matches(existing, dict(definition)):
            continue
        if existing is not None:
            data = remove_service(document.data, name, file_name)
            if data is None:
                return new_file(services)
            document = Document(data, file_name)
        missing[name] = dict(definition)
    return add_missing(document, missing).data


def add_missing(document: Document, services: Mapping[str, Any], quote: str = '"') -> Document:
    """Return a document with services that it doesn't have yet."""
    if not services:
        return document
    root = document.root
    if root is None or root.is_null:
        return Document(_append_to_comments(document, services), document.name)
    place = root.index("services")
    if place < 0:
        edited = edit_with_fallback(document, lambda editor: editor.add_pair(root, "services", dict(services), quote))
    else:
        key, node = root.pairs[place]
        if node.is_null:
            edited = edit_with_fallback(document, lambda editor: editor.fill_null(key, node, dict(services), quote))
        else:
            mapping = document.services()

            def make(editor: Any) -> None:
                for name, definition in services.items():
                    editor.add_pair(mapping, name, definition, quote)

            edited = edit_with_fallback(document, make)
    if edited is None:
        raise BulkheadError("%s can't be edited; nothing was written." % document.name)
    return edited


def remove_service(data: bytes, name: str, file_name: str = "The override file") -> Optional[bytes]:
    """Return a compose file without a service; None where nothing is left of the file, and it can go.

    Raises:
        ConflictError, BulkheadError: other services use the service's anchor, or the edit can't be made safely.
    """
    document = Document(data, file_name)
    if _find(document, name) is None:
        return data
    root = document.root
    mapping = document.services()
    only = len(mapping.pairs) == 1 and isinstance(root, Node)
    if only and root is not None and len(root.pairs) == 1:
        rest = Editor(document).without_root()
        if rest is not None:
            return document.encode(rest) if rest.strip() else None
    if only and root is not None and len(root.pairs) > 1 and not mapping.flow:
        edited = edit_with_fallback(document, lambda editor: editor.remove_pair(root, "services"))
    else:
        parent = next((pair for pair in root.pairs if pair[1] is mapping), None) if root is not None else None
        edited = edit_with_fallback(document, lambda editor: editor.remove_pair(mapping, name, parent))
    return data if edited is None else edited.data


def has_service(data: Optional[bytes], name: str, definition: Mapping[str, Any]) -> bool:
    """Return whether a file has a service with exactly this definition."""
    if data is None or not data.strip():
        return False
    existing = _find(Document(data), name)
    return existing is not None and matches(existing, dict(definition))


def _find(document: Document, name: str) -> Optional[Node]:
    root = document.root
    services = root.get("services") if root is not None and root.kind == "mapping" else None
    return services.get(name) if services is not None and services.kind == "mapping" else None


def _append_to_comments(document: Document, services: Mapping[str, Any]) -> bytes:
    """A file of comments only: the services go below them."""
    if document.root is not None and document.root.value:
        raise InputError("%s holds no mapping, so it is no compose file." % document.name)
    newline = "\r\n" if "\r\n" in document.text else "\n"
    lines: List[str] = new_file(services).decode("utf-8").splitlines()
    text = document.text + ("" if document.text.endswith("\n") else newline) + newline.join(lines) + newline
    return Document(document.encode(text), document.name).data
