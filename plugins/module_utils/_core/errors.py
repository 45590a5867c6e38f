# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that name the thing, the cause and the remedy.

A domain or an adapter raises one of these kinds; only a module turns one into ``fail_json``.
"""

from typing import Any, Dict, List, Optional, Sequence


class BulkheadError(Exception):
    """Something could not be done.

    Arguments:
        message: one or more sentences naming the thing and the cause.
        remedy: what the user can do about it, as a sentence; shown after the message.
        details: further facts for the module's result (never secrets), JSON types only.
    """

    def __init__(self, message: str, remedy: Optional[str] = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        return self.message if not self.remedy else "%s %s" % (self.message, self.remedy)

    def result(self) -> Dict[str, Any]:
        """Return the keyword arguments of ``fail_json``."""
        result: Dict[str, Any] = {"msg": str(self), "error_kind": type(self).__name__}
        result.update(self.details)
        return result


class InputError(BulkheadError):
    """What the user asked for is wrong in itself; nothing was looked at or changed."""


class DescriptionError(InputError):
    """The platform's description has mistakes: all of them at once, each with its path."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes: List[str] = list(mistakes)
        count = len(self.mistakes)
        super().__init__(
            "bulkhead_platform has %d mistake%s:\n%s"
            % (count, "" if count == 1 else "s", "\n".join("  - " + mistake for mistake in self.mistakes)),
            None,
            mistakes=self.mistakes,
        )


class StateError(BulkheadError):
    """The world isn't as it must be for this; nothing was changed."""


class ConflictError(StateError):
    """Something is there already that contradicts what was asked for; nothing was changed."""


class VerificationError(BulkheadError):
    """The result is not what it must be; what was done has been undone or was left unused."""


class OutsideError(BulkheadError):
    """A server, an engine, a command or a file system refused or failed."""
