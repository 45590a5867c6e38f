# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of every edit of a service: it reached whom it was to reach, and nobody else."""

from dataclasses import dataclass, field
from typing import Callable, List, Optional, Sequence, Set, Tuple

from .._core.errors import BulkheadError, ConflictError
from .document import Document, Node
from .edit import Editor, edit
from .model import Comparison, Model


@dataclass
class Outcome:
    """What became of a plan: the document to be written, or None where nothing is to change."""

    document: Optional[Document]
    changed_services: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


@dataclass
class Edited:
    """What a file is to hold: its bytes, or None where it is to be gone or stays away."""

    data: Optional[bytes]
    changed: bool
    changed_services: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def finish(
    document: Document,
    key: str,
    make: Callable[[Editor], None],
    asked: Set[str],
    warnings: List[str],
    holds: Callable[[str, Model], bool],
    chosen: Sequence[str],
    top_level: str = "",
) -> Outcome:
    """Make an edit and prove that it means what was asked for, and nothing more.

    Arguments:
        key: the services' key that may change. asked: the services that may change.
        holds: says whether a service is then as it is to be; asked for each of ``chosen``.
        top_level: a key of the document itself that may change as well.
    """
    editor, after = edit(document, make)
    if after is None:
        return Outcome(None, [], warnings)
    differences = _differences(document, after, editor, key, asked)
    differences.discard((top_level,))
    hit = {part[1] for part in differences if _is_of(part, key, asked)}
    stray = sorted(".".join(part) for part in differences if not _is_of(part, key, asked))
    if stray:
        raise BulkheadError(
            "The edit of %s would also change %s; nothing was written." % (document.name, ", ".join(stray)),
            "Ask for these services as well, or use mode=override.",
        )
    model = Model(after)
    for name in chosen:
        if not holds(name, model):
            raise BulkheadError(
                "The edit of %s would not reach service %s; nothing was written." % (document.name, name)
            )
    changed = set(model.with_extenders(sorted(hit)))
    return Outcome(after, [name for name in document.service_names() if name in changed], warnings)


def _differences(
    document: Document, after: Document, editor: Editor, key: str, asked: Set[str]
) -> Set[Tuple[str, ...]]:
    """Return what differs, as ``Comparison.differences`` says it.

    Where nothing of a document stands in two places, what the editor proved of the tree holds for the services too.
    """
    if document.is_plain and after.is_plain:
        services = document.services()
        edited = editor.owners_edited({name: value for name in asked if (value := services.get(name))}, key)
        if edited is not None:
            return {("services", name, key) for name in edited}
    return Comparison().differences(document, after)


def _is_of(part: Tuple[str, ...], key: str, asked: Set[str]) -> bool:
    # A service that was a null differs as a whole.
    return len(part) == 3 and part[0] == "services" and part[1] in asked and part[2] == key


def refuse_sharing(model: Model, name: str, others: Sequence[str], node: Node) -> ConflictError:
    """Return the refusal to change what other services share."""
    others = sorted(others)
    return ConflictError(
        "Service %s shares this part of %s (line %d) with %s, through an anchor, a merge key or extends; "
        "they would change too."
        % (name, model.document.name, model.document.line_number(node.start), ", ".join(others)),
        "Ask for them as well, or use mode=override.",
        shared_with=others,
    )


def all_pairs(document: Document) -> List[Tuple[Node, Node]]:
    """Return every key and value of a document."""
    pairs: List[Tuple[Node, Node]] = []
    waiting = [] if document.root is None else [document.root]
    while waiting:
        node = waiting.pop()
        pairs.extend(node.pairs)
        waiting.extend(value for _key, value in node.pairs)
        waiting.extend(node.items)
    return pairs
