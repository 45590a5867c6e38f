# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact replacements in a file's bytes, and taking an edit back out of a file that others have edited since."""

import difflib
from dataclasses import dataclass
from typing import List, Optional, Sequence

from .errors import ConflictError, InputError


@dataclass(frozen=True)
class Replacement:
    """One text in place of another, so many times as it stands there."""

    before: bytes
    after: bytes
    count: int = 1


def replace(content: bytes, replacements: Sequence[Replacement], path: str) -> bytes:
    """Return the content with each text replaced; one that is replaced already stays.

    Arguments:
        path: the file, for messages.

    Raises:
        InputError: a replacement says nothing.
        ConflictError: a text is neither there nor replaced, or is there more often or more seldom than it should be.
    """
    for item in replacements:
        if not item.before or item.before == item.after:
            raise InputError("An edit of %s replaces nothing." % path, "Give before and after, and let them differ.")
        # What stands inside of a text that is replaced already isn't one to be replaced.
        parts = content.split(item.after) if item.after else [content]
        there = sum(part.count(item.before) for part in parts)
        if there == 0 and len(parts) > 1:
            continue
        if there != item.count:
            raise ConflictError(
                "%s holds %r %d times, not %d." % (path, item.before.decode("utf-8", "replace"), there, item.count),
                "Give a text that stands there so often, such as the whole line.",
            )
        content = item.after.join(part.replace(item.before, item.after) for part in parts)
    return content


def without_edit(before: bytes, after: bytes, current: bytes) -> Optional[bytes]:
    """Return what a file is without one edit of its lines, or None where others changed the same lines.

    Arguments:
        before, after: the file around the edit. current: what it is now.
    """
    if current == after:
        return before
    old, new, now = (data.splitlines(keepends=True) for data in (before, after, current))
    # The lines of today, by the number of the line that they were right after the edit.
    today = {}
    for start, at, size in difflib.SequenceMatcher(None, new, now, autojunk=False).get_matching_blocks():
        today.update({start + offset: at + offset for offset in range(size)})
    result: List[bytes] = list(now)
    for tag, old_start, old_end, new_start, new_end in reversed(
        difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    ):
        if tag == "equal":
            continue
        # The edited lines and their neighbours must be there still, side by side.
        around = range(max(0, new_start - 1), min(len(new), new_end + 1))
        places = [today.get(number) for number in around]
        first = places[0] if places else 0
        if first is None or any(place != first + offset for offset, place in enumerate(places)):
            return None
        start = first + (new_start - around.start)
        result[start : start + new_end - new_start] = old[old_start:old_end]
    return b"".join(result)
