# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an option is worth on each criterion: a number from 0 to 4, and a sentence of evidence.

A number says what was found, never what is hoped for: what isn't known is listed as unknown, and gains nothing.
"""

import fnmatch
from typing import List, NamedTuple, Optional, Sequence, Tuple

from .._core.inspection import repository_of
from .._core.text import format_size
from .facts import Database, Facts, Place, Service
from .model import BLOCKS, CONVERTS, Fit
from .releases import END_OF_LIFE

STAY, UPGRADE, MOVE, UPGRADE_AND_MOVE = "stay", "upgrade", "move", "upgrade_and_move"
MIB = 1024 * 1024
GIB = 1024 * MIB
# How many objects or services a sentence names.
_NAMED = 4


class Score(NamedTuple):
    """0 to 4 with its evidence; unknown: what isn't known; excluded: why the option can't be had at all."""

    score: int
    evidence: str
    unknown: Tuple[str, ...] = ()
    excluded: Tuple[str, ...] = ()


class Option(NamedTuple):
    """What can be done with a database.

    Arguments:
        kind: stay, upgrade (its own cluster), move, or upgrade_and_move (the other cluster first).
        target: the cluster in which it would be. major: what that would run.
    """

    kind: str
    target: str
    major: int

    @property
    def id(self) -> str:
        """Return a name for results: ``move:main``, ``upgrade:18``, ``upgrade_and_move:main:17``."""
        parts = {STAY: (), UPGRADE: (str(self.major),), MOVE: (self.target,)}
        return ":".join([self.kind, *parts.get(self.kind, (self.target, str(self.major)))])


def compatibility(facts: Facts, database: Database, option: Option) -> Score:
    """Whether it runs there: what the database uses, and what its services need."""
    moved = _affected(facts, database, option)
    results = [_needs(facts, option, facts.users(moved), database)]
    for item, place in comparisons(facts, database, option):
        results.append(_fit(facts, item, place))
    if option.kind == STAY:
        results.insert(0, Score(4, "It runs there today."))
    else:
        results.append(Score(4, "", tuple(_not_described(facts, database, option))))
    worst = min(item.score for item in results)
    return Score(
        worst,
        " ".join(item.evidence for item in results if item.evidence),
        tuple(text for item in results for text in item.unknown),
        tuple(text for item in results for text in item.excluded),
    )


def _not_described(facts: Facts, database: Database, option: Option) -> List[str]:
    """Return what can't be known because nobody has described it."""
    said = []
    if not database.services:
        said.append("No service is described that uses %s, so what it needs isn't known." % database.key)
    if option.kind in (UPGRADE, UPGRADE_AND_MOVE):
        described = {item.key for item in facts.inside(option.target)}
        others = [name for name in facts.neighbours(option.target, database) if name not in described]
        if others:
            text = "Whether %s of %s fits PostgreSQL %d isn't known: the description doesn't have it."
            said += [text % (name, option.target, option.major) for name in others]
    return said


def _affected(facts: Facts, database: Database, option: Option) -> List[Database]:
    """Return the databases that an option gives another server, this one first."""
    cluster = {UPGRADE: database.cluster, UPGRADE_AND_MOVE: option.target}.get(option.kind)
    return [database] + [item for item in facts.inside(cluster or "") if item.key != database.key]


def comparisons(facts: Facts, database: Database, option: Option) -> List[Tuple[Database, Place]]:
    """Return which databases have to be compared with which place for an option."""
    if option.kind == MOVE:
        return [(database, option.target)]
    if option.kind == STAY:
        return []
    return [(item, option.major) for item in _affected(facts, database, option)]


def _fit(facts: Facts, database: Database, place: Place) -> Score:
    where = "PostgreSQL %d" % place if isinstance(place, int) else facts.clusters[place].title
    fit = facts.fits.get((database.key, place))
    if not isinstance(fit, Fit):
        reason = "Whether %s fits %s isn't known: %s" % (database.key, where, fit or "it wasn't compared.")
        return Score(2, "", (reason,))
    unknown = tuple("%s on %s: %s" % (database.key, where, text) for text in fit.unseen)
    blocking, converted = fit.graded(BLOCKS), fit.graded(CONVERTS)
    if blocking:
        text = "%s doesn't fit %s: %s." % (database.key, where, _named(blocking))
        return Score(0, text, unknown, (text,))
    if converted:
        return Score(3, "%s fits %s after conversion of %s." % (database.key, where, _named(converted)), unknown)
    return Score(4, "%s uses nothing that %s lacks." % (database.key, where), unknown)


def _named(findings: Sequence[object]) -> str:
    texts = ["%s (%s)" % (getattr(item, "object", ""), getattr(item, "title", "")) for item in findings]
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (" and %d more" % more if more > 0 else "")


def _needs(facts: Facts, option: Option, services: Sequence[Service], database: Database) -> Score:
    """What the makers of the programs say; the worst of them counts."""
    score = 4
    said: List[str] = []
    unknown: List[str] = []
    excluded: List[str] = []
    for service in services:
        need, name = service.need, _program(service)
        least = need.least(facts.today)
        moves = option.kind in (MOVE, UPGRADE_AND_MOVE) and service.name in database.services
        if least is None:
            # Where it is it runs: there nothing is open.
            unknown += ["Which PostgreSQL %s needs isn't known. %s" % (name, need.note)] * (option.kind != STAY)
        elif option.major < least:
            said.append("%s needs %d or newer%s." % (name, least, _by(service)))
            score = 0
            # Where it is it runs, whatever its makers say.
            excluded += [said[-1]] if option.kind != STAY else []
        elif need.recommended and option.major < need.recommended:
            text = "%s needs %d or newer, which is met, but its makers recommend %d%s."
            said.append(text % (name, least, need.recommended, _by(service)))
            score = min(score, 2)
        else:
            said.append("%s needs %d or newer, which is met." % (name, least))
        if need.guessed and option.kind != STAY:
            unknown.append("The version of %s isn't known: taken is what its newest needs." % name)
        if need.tested_up_to and option.major > need.tested_up_to:
            said.append("Its makers name %d as the newest for %s." % (need.tested_up_to, name))
            score = min(score, 2)
            if need.image and option.kind != STAY:
                excluded.append("%s needs an image %s, and none is known for %d." % (name, need.image, option.major))
        image = facts.clusters[option.target].image
        if moves and need.image and not fnmatch.fnmatchcase(repository_of(image), need.image):
            text = "%s runs on the image %s only; %s has %s."
            excluded.append(text % (name, need.image, option.target, image or "another"))
            score = 0
    return Score(score, " ".join(said), tuple(text.strip() for text in unknown), tuple(excluded))


def _program(service: Service) -> str:
    known = " ".join(part for part in (service.profile, service.version) if part)
    return known if service.profile == service.name else "%s (%s)" % (service.name, known) if known else service.name


def _by(service: Service) -> str:
    need = service.need
    if need.stated:
        return " (as the description says)"
    if need.maintained:
        return " (what still gets fixes; %s, %s)" % (need.source, need.as_of)
    return " (%s, %s)" % (need.source, need.as_of) if need.source else ""


def support(facts: Facts, database: Database, option: Option) -> Score:
    """How long the server gets fixes."""
    end = END_OF_LIFE.get(option.major)
    if end is None:
        return Score(2, "", ("Until when PostgreSQL %d gets fixes isn't known." % option.major,))
    days = (end - facts.today).days
    if days < 0:
        return Score(0, "PostgreSQL %d has had no fixes since %s." % (option.major, end.isoformat()))
    score = sum(days >= least for least in (180, 365, 730, 1095))
    return Score(score, "PostgreSQL %d gets fixes until %s, for %d days." % (option.major, end.isoformat(), days))


def memory(facts: Facts, database: Database, option: Option) -> Score:
    """What is given back, as it was measured: a server of its own can be stopped where nothing stays in it."""
    if option.kind in (STAY, UPGRADE):
        return Score(1, "Nothing is saved.")
    source = facts.clusters[database.cluster]
    staying = facts.neighbours(source.key, database)
    if staying:
        return Score(1, "Nothing is saved: %s goes on for %s." % (source.key, _listed(staying)))
    if source.memory_bytes is None:
        return Score(1, "", ("How much memory %s holds couldn't be measured." % source.key,))
    score = 1 + sum(source.memory_bytes >= least for least in (32 * MIB, 128 * MIB, 384 * MIB))
    text = "%s of memory, measured now, are given back when %s is stopped; what %s takes more isn't known."
    return Score(score, text % (format_size(source.memory_bytes), source.key, option.target))


def isolation(facts: Facts, database: Database, option: Option) -> Score:
    """Who goes down with it: neighbours share the superuser, the settings, and every failure."""
    others = facts.neighbours(option.target, database)
    if not others:
        return Score(4, "It has a server of its own: its own superuser, and no failure takes others along.")
    critical = [
        item.key for item in facts.inside(option.target) if item.criticality == "critical" and item.key in others
    ]
    text = "It shares %s with %s: one superuser, one failure, one upgrade for all." % (option.target, _listed(others))
    if critical:
        text += " Critical among them: %s." % _listed(critical)
    if option.target != database.cluster and len(others) == 1:
        text += " %s has that server for itself today." % others[0]
        return Score(1, text)
    return Score(1 if critical else 2, text)


def backup(facts: Facts, database: Database, option: Option) -> Score:
    """What becomes of its copies: a dump is read by servers of its major and newer ones, by no older."""
    said, score = [], 3
    if database.schedule:
        said.append("Its schedule (%s) moves along." % database.schedule if _moves(option) else "Its schedule stays.")
    else:
        score = 1
        said.append("It has no schedule of dumps, here or there.")
    unknown: Tuple[str, ...] = ()
    if database.verified_at is None:
        unknown = ("Whether %s has a verified copy isn't known." % database.key,)
    elif not database.verified_at:
        score -= 1
        said.append("It has no verified copy%s." % ("" if option.kind == STAY else ": make one first"))
    major = facts.clusters[database.cluster].major
    if option.major < major:
        score -= 1
        text = "Its copies of today are of PostgreSQL %d: pg_restore of %d may refuse them, so its history begins anew."
        said.append(text % (major, option.major))
    elif option.major > major:
        said.append("Copies of PostgreSQL %d can be restored on %d." % (major, option.major))
    if _moves(option) and not facts.neighbours(database.cluster, database):
        score += 1 if database.schedule and facts.inside(option.target) else 0
        said.append("One server less has roles and settings to be saved.")
    return Score(max(0, score), " ".join(said), unknown)


def effort(facts: Facts, database: Database, option: Option) -> Score:
    """What has to be done, and how long services stand still: by what has to be copied."""
    if option.kind == STAY:
        return Score(4, "Nothing has to be done.")
    size = facts.size(database)
    move = max(0, _by_size(size) - 1)
    move_text = (
        "A rehearsal, then %s are copied to %s with %s stopped; their settings change, and the old database is kept."
    ) % (format_size(size), option.target, _listed(list(database.services)) or "its services")
    if option.kind == MOVE:
        return Score(move, move_text)
    cluster = facts.clusters[database.cluster if option.kind == UPGRADE else option.target]
    standing = [service.name for service in facts.users(facts.inside(cluster.key))]
    upgrade = _by_size(cluster.size_bytes)
    upgrade_text = "%s is upgraded once for all: %s in %d database%s, with %s stopped." % (
        cluster.key,
        format_size(cluster.size_bytes),
        len(cluster.found),
        "" if len(cluster.found) == 1 else "s",
        _listed(standing) or "its services",
    )
    if option.kind == UPGRADE:
        return Score(upgrade, upgrade_text)
    return Score(max(0, min(upgrade, move) - 1), "Two steps. %s Then: %s" % (upgrade_text, move_text))


def _by_size(size_bytes: int) -> int:
    return 3 - sum(size_bytes > most for most in (GIB, 20 * GIB))


def _moves(option: Option) -> bool:
    return option.kind in (MOVE, UPGRADE_AND_MOVE)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (" and %d more" % more if more > 0 else "")


def direction(facts: Facts, database: Database, option: Option) -> Optional[str]:
    """Return whether a move leads to an older major, a newer one or the same."""
    if not _moves(option):
        return None
    source = facts.clusters[database.cluster].major
    return "down" if option.major < source else "up" if option.major > source else "same"


CRITERIA = {
    "compatibility": compatibility,
    "support": support,
    "memory": memory,
    "isolation": isolation,
    "backup": backup,
    "effort": effort,
}
