# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to stand in which files, as a plan."""

import posixpath
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import InputError
from .._core.plan import Change, Plan
from .._core.text import nearest
from .marks import Text, body_of, read_text, style_of, with_block, without_block


@dataclass(frozen=True)
class Document:
    """A file, and the blocks that it is to have.

    Arguments:
        path: the file. target: the file that it is, once symbolic links are followed.
        content: what it holds, or None where there is none.
        blocks: their names, in the order in which missing ones are added.
        comments: how comments are written in it; ``auto`` goes by the name.
        create: whether a block without marks is added at the end, and a file that isn't there is made.
        present: whether the blocks are to be there.
    """

    path: str
    target: str
    content: Optional[bytes]
    blocks: Sequence[str]
    comments: str = "auto"
    create: bool = True
    present: bool = True


@dataclass
class Outcome:
    """The plan, and each file that it changes with its new content."""

    plan: Plan = field(default_factory=Plan)
    files: Dict[str, bytes] = field(default_factory=dict)
    # Files that don't hold what they should, in order.
    stale: List[str] = field(default_factory=list)


def plan_documents(documents: Sequence[Document], texts: Mapping[str, str]) -> Outcome:
    """Return what is to be done for documents, with the text of each block.

    Raises:
        InputError: a block has no text, or two documents are one file. ConflictError: the marks of a file are wrong.
    """
    outcome = Outcome()
    seen: Dict[str, str] = {}
    for document in documents:
        if document.target in seen:
            raise InputError(
                "%s and %s are the same file." % (seen[document.target], document.path),
                "Name it once, with all its blocks.",
            )
        seen[document.target] = document.path
        _plan_document(document, texts, outcome)
    return outcome


def _plan_document(document: Document, texts: Mapping[str, str], outcome: Outcome) -> None:
    style = style_of(document.path) if document.comments == "auto" else document.comments
    text = read_text(document.path, document.content or b"", style)
    for name in text.blocks:
        if name not in texts and document.present:
            near = nearest(name, texts)
            hint = "did you mean %s?" % near if near else "there are: %s." % ", ".join(sorted(texts))
            outcome.plan.warnings.append(
                "%s, line %d: there is no block %s; %s" % (document.path, text.blocks[name].begin + 1, name, hint)
            )
    before = text
    for name in document.blocks:
        text = _plan_block(document, name, texts, text, outcome)
    if text is not before:
        outcome.files[document.path] = text.content()
        outcome.stale.append(document.path)


def _plan_block(document: Document, name: str, texts: Mapping[str, str], text: Text, outcome: Outcome) -> Text:
    if document.present:
        if name not in texts:
            raise InputError(
                "%s: there is no text for block %s." % (document.path, name),
                "There are: %s." % ", ".join(sorted(texts)),
            )
        after = with_block(text, name, texts[name], document.create)
        if name not in after.blocks:
            outcome.plan.warnings.append(
                "%s has no marks for block %s, and create is false: it was left as it is." % (document.path, name)
            )
    else:
        after = without_block(text, name)
    if after.content() == text.content():
        return text
    what = "%s: block %s" % (document.path, name)
    outcome.plan.add(Change(what, body_of(text, name), body_of(after, name)))
    return after


def in_folder(folder: str, texts: Mapping[str, str]) -> List[Tuple[str, str]]:
    """Return the files of a folder that has one for each block, with the block's name."""
    names = {name: "README" if name == "index" else name for name in texts}
    return [(posixpath.join(folder, "%s.md" % file), name) for name, file in names.items()]


def result(outcome: Outcome) -> Dict[str, Any]:
    """Return what the module tells."""
    return dict(outcome.plan.result(), stale=outcome.stale, warnings=outcome.plan.warnings)
