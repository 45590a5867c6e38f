# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan first, apply second: ``changed`` and ``diff`` are read off the plan, in check mode and for real."""

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .sql import Sql


@dataclass(frozen=True)
class Change:
    """One thing that will be different afterwards.

    Arguments:
        what: the thing, as a person names it: ``role archon``, ``/srv/archon/docker-compose.yml``.
        before: its state now, as text for the diff; an empty text where it is absent.
        after: its wanted state, as text for the diff; an empty text where it is to be absent.
        statements: the SQL that does it, in order; empty where the module applies the change otherwise.
        undo: the SQL that takes it back, in order, to be run after the undo of later changes.
        data: what the module needs beside that in order to apply the change; never shown.
    """

    what: str
    before: str = ""
    after: str = ""
    statements: Tuple[Sql, ...] = ()
    undo: Tuple[Sql, ...] = ()
    data: Any = field(default=None, repr=False, compare=False)


@dataclass
class Plan:
    """The changes that lead from the state to what is wanted, in the order in which they are applied."""

    changes: List[Change] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)

    def add(self, change: Optional[Change]) -> None:
        """Append a change; None, for "nothing to do here", is passed over."""
        if change is not None:
            self.changes.append(change)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    @property
    def changed(self) -> bool:
        """Whether anything will be different."""
        return bool(self.changes)

    def diff(self) -> List[Dict[str, str]]:
        """Return Ansible's diff: one entry a change."""
        return [
            {
                "before_header": change.what,
                "after_header": change.what,
                "before": _with_newline(change.before),
                "after": _with_newline(change.after),
            }
            for change in self.changes
        ]

    def result(self) -> Dict[str, Any]:
        """Return ``changed``, ``diff`` and ``changes`` for ``exit_json``."""
        return {
            "changed": self.changed,
            "diff": self.diff(),
            "changes": [change.what for change in self.changes],
        }


def _with_newline(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
