# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold what a database uses against what a server offers."""

import re
from typing import Dict, Iterator, List, Optional, Tuple

from .._core.errors import InputError
from .._core.text import format_size
from .catalogue import (
    COLUMN,
    FUNCTION,
    OPERATOR,
    RELATION,
    RESERVED,
    SETTING,
    Signature,
    answers,
    by_name,
    major_that_changed,
    moved,
)
from .features import BY_ID, RELEASE_NOTES, Feature, of_builtin
from .model import GRADES, Finding, Fit
from .offer import CONTRIB, Offer, normal_locale
from .uses import CALLED, COLLATION, FUNCTION_SETTING, LOCALE, TABLESPACE, Name, Uses

# So many objects of one row are told, then how many more there are.
MOST_OBJECTS = 50
# A restore needs room for what it builds beside what it keeps.
_ROOM = 1.3
_FIXED_LOCALES = ("C", "POSIX")


def compare(uses: Uses, offer: Offer, free_bytes: Optional[int] = None) -> Fit:
    """Return how a database fits a server.

    Arguments:
        free_bytes: where the target keeps its data; None where that isn't known.

    Raises:
        InputError: source and target are the same cluster.
    """
    if uses.system_identifier and uses.system_identifier == offer.system_identifier:
        raise InputError(
            "Source and target are one cluster (system identifier %s)." % uses.system_identifier,
            "Name another server as the target, or a major version.",
        )
    found = _Comparison(uses, offer)
    found.compare(free_bytes)
    return Fit(
        database=uses.database,
        source=uses.version,
        target=offer.version,
        findings=tuple(_at_most(sorted(found.findings.values(), key=_order))),
        unseen=tuple(found.unseen),
        size_bytes=uses.size_bytes,
        free_bytes=free_bytes,
    )


def _order(finding: Finding) -> Tuple[int, str, str]:
    return GRADES.index(finding.grade), finding.feature, finding.object


def _at_most(findings: List[Finding]) -> Iterator[Finding]:
    """Yield findings, of each row at most so many, then one that counts the rest."""
    counts: Dict[Tuple[str, str], int] = {}
    last: Dict[Tuple[str, str], Finding] = {}
    for finding in findings:
        row = (finding.feature, finding.grade)
        counts[row] = counts.get(row, 0) + 1
        last[row] = finding
    shown: Dict[Tuple[str, str], int] = {}
    for finding in findings:
        row = (finding.feature, finding.grade)
        shown[row] = shown.get(row, 0) + 1
        if shown[row] <= MOST_OBJECTS:
            yield finding
        elif shown[row] == MOST_OBJECTS + 1:
            rest = counts[row] - MOST_OBJECTS
            yield finding._replace(object="%d more objects" % rest, evidence="as the %d before" % MOST_OBJECTS)


class _Comparison:
    """One comparison as it goes."""

    def __init__(self, uses: Uses, offer: Offer) -> None:
        self._uses = uses
        self._offer = offer
        self._functions: Dict[str, List[Signature]] = by_name(offer.builtins[FUNCTION])
        self._operators: Dict[str, List[Signature]] = by_name(offer.builtins[OPERATOR])
        # What a role may not see isn't missing: a major's own settings count as there.
        self._settings = offer.builtins[SETTING] | moved(uses.builtins, uses.major, offer.major)[SETTING]
        self.findings: Dict[Tuple[str, str, str], Finding] = {}
        self.unseen: List[str] = list(uses.unseen)

    def compare(self, free_bytes: Optional[int]) -> None:
        """Hold everything against the offer."""
        for seen in self._uses.seen:
            self._add(BY_ID[seen.feature], seen.object, seen.evidence)
        for name in self._uses.names:
            self._name(name)
        self._extensions()
        self._locale()
        self._room(free_bytes)
        self._values()

    def _add(self, feature: Feature, thing: str, evidence: str, source: str = "", grade: str = "") -> None:
        grade = grade or feature.grade(self._uses.major, self._offer.major)
        if not grade:
            return
        finding = Finding(
            feature.id,
            feature.title,
            grade,
            thing,
            evidence,
            feature.remedy,
            source or feature.source,
            feature.tested,
        )
        self.findings.setdefault((feature.id, thing, grade), finding)

    def _name(self, used: Name) -> None:
        kind, name = used.kind, used.name
        if kind == CALLED:
            self._called(used)
        elif kind in (SETTING, FUNCTION_SETTING):
            if "." not in name and name not in self._settings:
                feature = BY_ID["setting" if kind == SETTING else "function-setting"]
                self._add(feature, used.object, "SET " + name, self._notes(SETTING, name))
        elif kind == RESERVED:
            if name in self._offer.builtins[RESERVED] and name not in self._uses.builtins[RESERVED]:
                self._add(BY_ID["reserved-word"], used.object, name, self._notes(RESERVED, name))
        elif kind == COLLATION:
            if self._offer.collations is not None and name not in self._offer.collations:
                self._add(BY_ID["collation-missing"], used.object, 'COLLATE "%s"' % name)
        elif kind == LOCALE:
            self._own_collation(used)
        elif kind == TABLESPACE:
            if self._offer.tablespaces is not None and name not in self._offer.tablespaces:
                self._add(BY_ID["tablespace"], used.object, "TABLESPACE " + name)
        elif self._is_missing(kind, name):
            self._builtin(kind, name, used.object)

    def _is_missing(self, kind: str, name: str) -> bool:
        if name not in self._uses.builtins[kind]:
            # A text mentions what its own server hasn't either.
            return False
        if name in self._offer.builtins[kind]:
            return False
        if kind == COLUMN and name.partition(".")[0] not in self._offer.builtins[RELATION]:
            return False
        if kind in (FUNCTION, OPERATOR):
            return not answers(name, self._functions if kind == FUNCTION else self._operators)
        return True

    def _builtin(self, kind: str, name: str, thing: str, evidence: str = "") -> None:
        major = major_that_changed(kind, name, self._uses.major, self._offer.major)
        feature = of_builtin(kind, name, major)
        self._add(feature, thing, evidence or _used(kind, name), self._notes(kind, name))

    def _called(self, used: Name) -> None:
        """A call in a text: of what arguments isn't known, so that it counts only where no function has the name."""
        if used.name in self._functions:
            return
        for signature in sorted(self._uses.builtins[FUNCTION]):
            if signature.partition("(")[0] == used.name:
                self._builtin(FUNCTION, signature, used.object, "calls %s()" % used.name)
                return

    def _notes(self, kind: str, name: str) -> str:
        major = major_that_changed(kind, name, self._uses.major, self._offer.major)
        return RELEASE_NOTES % major if major else ""

    def _own_collation(self, used: Name) -> None:
        provider, dummy, locale = used.name.partition(":")
        lacks_locale = (
            provider == "c"
            and self._offer.locales is not None
            and locale not in _FIXED_LOCALES
            and normal_locale(locale) not in self._offer.locales
        )
        if lacks_locale or (provider == "i" and self._offer.icu is False):
            self._add(
                BY_ID["collation-missing"], used.object, "LOCALE " + locale if provider == "c" else "PROVIDER icu"
            )

    def _extensions(self) -> None:
        unknown = []
        for name, version in sorted(self._uses.extensions.items()):
            thing = "extension %s" % name
            if self._offer.extensions is None:
                first, last = CONTRIB.get(name, (0, 0))
                if first and not first <= self._offer.major <= last:
                    evidence = "part of PostgreSQL %d to %d" % (first, last)
                    self._add(BY_ID["extension-missing"], thing, evidence)
                elif name != "plpgsql":
                    unknown.append("%s %s" % (name, version))
                continue
            offered = self._offer.extensions.get(name)
            if offered is None:
                self._add(BY_ID["extension-missing"], thing, "version %s" % version)
            elif offered != version:
                feature = BY_ID["extension-version"]
                grade = feature.down if _parts(offered) < _parts(version) else feature.up
                self._add(feature, thing, "%s here, %s there" % (version, offered), grade=grade)
        if unknown:
            self.unseen.append("A major alone doesn't say which extensions a server has: %s." % ", ".join(unknown))

    def _locale(self) -> None:
        thing = "database %s" % self._uses.database
        if self._offer.encoding is not None and self._offer.encoding != self._uses.encoding:
            evidence = "%s here, %s there" % (self._uses.encoding, self._offer.encoding)
            self._add(BY_ID["encoding"], thing, evidence)
        if self._uses.provider == "i" and self._offer.icu is False:
            self._add(BY_ID["locale-missing"], thing, "LOCALE_PROVIDER icu")
        names = [name for name in (self._uses.collate, self._uses.ctype) if name not in _FIXED_LOCALES]
        if not names:
            return
        if self._offer.locales is None:
            self.unseen.append(
                "A major alone doesn't say which locales a server has: %s." % ", ".join(dict.fromkeys(names))
            )
            return
        for name in dict.fromkeys(names):
            if normal_locale(name) not in self._offer.locales:
                self._add(BY_ID["locale-missing"], thing, "LOCALE " + name)

    def _room(self, free_bytes: Optional[int]) -> None:
        if free_bytes is None:
            self.unseen.append("How much room there is where the target keeps its data isn't known.")
        elif self._uses.size_bytes * _ROOM > free_bytes:
            evidence = "%s, and %s are free" % (format_size(self._uses.size_bytes), format_size(free_bytes))
            self._add(BY_ID["free-space"], "database %s" % self._uses.database, evidence)

    def _values(self) -> None:
        """Say what no catalogue shows."""
        for major, what in ((14, "infinity of numeric"), (17, "infinity of interval")):
            if self._offer.major < major <= self._uses.major:
                self.unseen.append("Rows aren't read: a value %s is refused by servers older than %d." % (what, major))


def _used(kind: str, name: str) -> str:
    if kind == FUNCTION:
        return "calls %s" % name.replace("=", "")
    return "%s %s" % (kind, name)


def _parts(version: str) -> Tuple[Tuple[int, str], ...]:
    """Return a version so that 1.10 is above 1.9."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.\-]", version))


def page(fit: Fit) -> List[str]:
    """Return a fit as lines for a terminal."""
    target = "%d" % (fit.target // 10000) if not fit.target % 10000 else _dotted(fit.target)
    counts = ", ".join("%d %s" % (len(fit.graded(grade)), grade) for grade in GRADES)
    lines = ["%s (%s) at PostgreSQL %s: %s; %s" % (fit.database, _dotted(fit.source), target, fit.verdict, counts)]
    for finding in fit.findings:
        mark = "" if finding.tested else " (no server tested)"
        lines.append("[%s] %s: %s%s" % (finding.grade, finding.object, finding.title, mark))
        lines.append("    seen: %s" % finding.evidence)
        lines.append("    mend it: %s" % finding.remedy)
        lines.append("    see: %s" % finding.source)
    lines += ["not seen: %s" % sentence for sentence in fit.unseen]
    return lines


def _dotted(version: int) -> str:
    return "%d.%d" % (version // 10000, version % 10000)
