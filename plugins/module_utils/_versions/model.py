# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a database fits a server: each thing that the server lacks or treats otherwise, graded, with its evidence."""

from typing import Any, Dict, NamedTuple, Optional, Tuple

BLOCKS, CONVERTS, HARMLESS = "blocks", "converts", "harmless"
GRADES = (BLOCKS, CONVERTS, HARMLESS)
# What this engine knows: the majors of the table of features.
OLDEST, NEWEST = 13, 18


class Finding(NamedTuple):
    """One thing of a database that a server lacks or treats otherwise.

    Arguments:
        feature: the identifier of the table's row. title: the row, as a person names it.
        grade: one of GRADES. ``converts``: the move, or a rewrite that it makes, takes care of it.
        object: what has it, as a person names it: ``view public.report``.
        evidence: what was seen: a part of its definition, or a value of the catalogue.
        remedy: what to do, or what the move does.
        source: the release notes, or the page of the documentation, that says so.
        tested: whether a test has shown the row on real servers.
    """

    feature: str
    title: str
    grade: str
    object: str
    evidence: str
    remedy: str
    source: str
    tested: bool


class Fit(NamedTuple):
    """A database beside a server.

    Arguments:
        database: its name. source, target: versions as server_version_num has them; target of a bare major: 150000.
        findings: those that block first. unseen: what couldn't be looked at, a sentence each.
        size_bytes: of the database. free_bytes: where the target keeps its data; None where that isn't known.
    """

    database: str
    source: int
    target: int
    findings: Tuple[Finding, ...]
    unseen: Tuple[str, ...]
    size_bytes: int
    free_bytes: Optional[int] = None

    def graded(self, grade: str) -> Tuple[Finding, ...]:
        """Return the findings of one grade."""
        return tuple(finding for finding in self.findings if finding.grade == grade)

    @property
    def verdict(self) -> str:
        """The worst grade of all; ``fits`` where there is nothing to say."""
        return next((grade for grade in GRADES if self.graded(grade)), "fits")

    def to_json(self) -> Dict[str, Any]:
        """Return it as a module's result."""
        return {
            "database": self.database,
            "source_version": self.source,
            "target_version": self.target,
            "verdict": self.verdict,
            "findings": [finding._asdict() for finding in self.findings],
            "counts": {grade: len(self.graded(grade)) for grade in GRADES},
            "unseen": list(self.unseen),
            "size_bytes": self.size_bytes,
            "free_bytes": self.free_bytes,
        }
