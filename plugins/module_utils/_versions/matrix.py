# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision matrix: for each database what can be done with it, what each option is worth, and which is best.

The answer may well be to leave it. An option that can't be had is excluded whatever its score, and where two are worth
the same the one that changes less is recommended.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._core.errors import InputError
from .._core.text import nearest
from .facts import Cluster, Database, Facts
from .model import NEWEST, OLDEST
from .scores import CRITERIA, MOVE, STAY, UPGRADE, UPGRADE_AND_MOVE, Option, Score, direction
from .unused import unused_databases

# Whether it runs counts most, then how long it gets fixes; memory is worth as much as who goes down with it.
WEIGHTS: Mapping[str, float] = {
    "compatibility": 4,
    "support": 3,
    "memory": 2,
    "isolation": 2,
    "backup": 1,
    "effort": 2,
}
_HIGHEST = 4
# Two options that differ by less than this part of all that can be had are nearly as good as each other.
_CLOSE = 0.05
# Who stays with no more than this is told to decide again soon.
_PRESSING = {"compatibility": 0, "support": 1}
_ORDER = (STAY, UPGRADE, MOVE, UPGRADE_AND_MOVE)


class Scored(NamedTuple):
    """An option with its scores; total: weighted, as a part of all that can be had, in percent."""

    option: Option
    title: str
    scores: Mapping[str, Score]
    total: float

    @property
    def excluded(self) -> Tuple[str, ...]:
        """Why it can't be had."""
        return tuple(dict.fromkeys(text for score in self.scores.values() for text in score.excluded))

    @property
    def unknown(self) -> Tuple[str, ...]:
        """What isn't known of it."""
        return tuple(dict.fromkeys(text for score in self.scores.values() for text in score.unknown))

    def to_json(self) -> Dict[str, Any]:
        """Return it as a part of a module's result."""
        return {
            "id": self.option.id,
            "kind": self.option.kind,
            "target": self.option.target,
            "major": self.option.major,
            "title": self.title,
            "total": self.total,
            "excluded": list(self.excluded),
            "unknown": list(self.unknown),
            "criteria": {
                name: {"score": score.score, "evidence": score.evidence} for name, score in self.scores.items()
            },
        }


def read_weights(given: Mapping[str, Any]) -> Dict[str, float]:
    """Return the weight of each criterion; what isn't given is as usual.

    Raises:
        InputError: there is no such criterion, a weight is no number from 0 to 100, or nothing counts.
    """
    weights = dict(WEIGHTS)
    for name, value in given.items():
        if name not in WEIGHTS:
            near = nearest(str(name), WEIGHTS)
            hint = "Did you mean %s?" % near if near else "There are: %s." % ", ".join(WEIGHTS)
            raise InputError("weights: there is no criterion %s." % name, hint)
        try:
            weights[name] = float(value)
        except (TypeError, ValueError):
            weights[name] = -1
        if not 0 <= weights[name] <= 100:
            raise InputError("weights.%s: %r is no number from 0 to 100." % (name, value))
    if not any(weights.values()):
        raise InputError("weights: nothing counts.", "Leave one criterion above 0.")
    return weights


def make_matrix(
    facts: Facts, weights: Mapping[str, float], versions: Sequence[int] = (), unseen: Sequence[str] = ()
) -> Dict[str, Any]:
    """Return the whole decision as JSON.

    Arguments:
        weights: what ``read_weights`` made. versions: more majors that clusters could be upgraded to.
        unseen: what couldn't be looked at, a sentence each.
    """
    databases = [decide(facts, item, weights, versions) for item in facts.databases.values()]
    answers = {item["database"]: item["recommendation"] for item in databases}
    return {
        "as_of": facts.today.isoformat(),
        "weights": dict(weights),
        "clusters": [_cluster_json(item) for item in facts.clusters.values()],
        "services": [
            {"service": item.name, "profile": item.profile, "version": item.version, "need": item.need.to_json()}
            for item in facts.services.values()
        ],
        "databases": databases,
        "unused": unused_databases(facts, answers),
        "unseen": list(unseen),
    }


def _cluster_json(cluster: Cluster) -> Dict[str, Any]:
    return {
        "cluster": cluster.key,
        "version": cluster.version,
        "container": cluster.container,
        "image": cluster.image,
        "memory_bytes": cluster.memory_bytes,
        "size_bytes": cluster.size_bytes if cluster.version else None,
        "databases": [item.name for item in cluster.found],
        "error": cluster.error,
    }


def decide(
    facts: Facts, database: Database, weights: Mapping[str, float], versions: Sequence[int] = ()
) -> Dict[str, Any]:
    """Return the options of one database with their scores, and the recommendation."""
    source = facts.clusters[database.cluster]
    result: Dict[str, Any] = {
        "database": database.key,
        "name": database.name,
        "cluster": database.cluster,
        "version": source.version,
        "size_bytes": None,
        "services": list(database.services),
        "options": [],
    }
    if facts.found(database) is None:
        reason = source.error or "cluster %s has no database %s" % (source.key, database.name)
        text = "Nothing can be said of %s: %s." % (database.key, reason.rstrip("."))
        answer: Dict[str, Any] = {
            "option": None,
            "kind": None,
            "confidence": "low",
            "summary": text,
            "reasons": [],
            "compared_with": None,
            "against": [],
        }
        return dict(result, recommendation=answer)
    scored = [_score(facts, database, option, weights) for option in options_of(facts, database, versions)]
    ranked = sorted(scored, key=lambda item: (bool(item.excluded), -item.total, _ORDER.index(item.option.kind)))
    return dict(
        result,
        size_bytes=facts.size(database),
        options=[item.to_json() for item in ranked],
        recommendation=_recommend(ranked, weights),
    )


def options_of(facts: Facts, database: Database, versions: Sequence[int] = ()) -> List[Option]:
    """Return what can be done with a database, staying first."""
    source = facts.clusters[database.cluster]
    options = [Option(STAY, source.key, source.major)]
    options += [Option(UPGRADE, source.key, major) for major in upgrades(facts, source.key, versions)]
    for other in facts.clusters.values():
        if other.key == source.key or not other.version:
            continue
        options.append(Option(MOVE, other.key, other.major))
        if other.major < source.major:
            # The other first, to where this one is: then nothing goes down.
            options.append(Option(UPGRADE_AND_MOVE, other.key, source.major))
    return options


def upgrades(facts: Facts, cluster: str, versions: Sequence[int] = ()) -> List[int]:
    """Return the majors that a cluster could be upgraded to: the newest, and the newest that all its services know."""
    named = [service.need.tested_up_to for service in facts.users(facts.inside(cluster))]
    known = [major for major in named if major is not None]
    wanted = {NEWEST, *(versions or ()), *([min(known)] if known else [])}
    return sorted(major for major in wanted if max(facts.clusters[cluster].major, OLDEST - 1) < major <= NEWEST)


def _score(facts: Facts, database: Database, option: Option, weights: Mapping[str, float]) -> Scored:
    scores = {name: criterion(facts, database, option) for name, criterion in CRITERIA.items()}
    points = sum(weights[name] * score.score for name, score in scores.items())
    total = round(100.0 * points / (_HIGHEST * sum(weights.values())), 1)
    return Scored(option, _title(facts, database, option), scores, total)


def _title(facts: Facts, database: Database, option: Option) -> str:
    source, target = facts.clusters[database.cluster], facts.clusters[option.target]
    if option.kind == STAY:
        return "Stay on %s" % source.title
    if option.kind == UPGRADE:
        return "Upgrade %s from PostgreSQL %d to %d" % (source.key, source.major, option.major)
    if option.kind == UPGRADE_AND_MOVE:
        text = "Upgrade %s from PostgreSQL %d to %d first, then move there"
        return text % (target.key, target.major, option.major)
    way = {"down": "Move down to %s", "up": "Move up to %s"}.get(direction(facts, database, option) or "", "Move to %s")
    return way % target.title


def _recommend(ranked: Sequence[Scored], weights: Mapping[str, float]) -> Dict[str, Any]:
    """Return the best option with its reasons, and why not each of the others."""
    best = ranked[0]
    stay = next(item for item in ranked if item.option.kind == STAY)
    others = [item for item in ranked if item is not best]
    rival = next((item for item in others if not item.excluded), None)
    compared = stay if best is not stay else rival
    return {
        "option": best.option.id,
        "kind": best.option.kind,
        "confidence": _confidence(best, rival),
        "summary": best.title + ".",
        "reasons": _reasons(best, stay, compared, weights),
        "compared_with": compared.option.id if compared else None,
        "against": [_against(item, best, weights) for item in others],
    }


def _reasons(best: Scored, stay: Scored, compared: Optional[Scored], weights: Mapping[str, float]) -> List[str]:
    if compared is None:
        return ["Nothing else can be had."]
    gained, lost = _differences(best, compared, weights)
    reasons = ["%s: %s" % (name.capitalize(), best.scores[name].evidence or "as it was.") for name in gained]
    for name in lost:
        # Who stays gives up what the other has; who goes pays for it.
        word, giver = ("Given up", compared) if best is stay else ("What it costs", best)
        reasons.append("%s, %s: %s" % (word, name, giver.scores[name].evidence or "not known."))
    if not gained:
        reasons.insert(0, "It is worth no less than %s, and changes less." % _lowered(compared.title))
    if best is stay:
        pressing = [best.scores[name] for name, least in _PRESSING.items() if best.scores[name].score <= least]
        reasons += ["Not for long, though: %s" % score.evidence for score in pressing if score.evidence]
    return reasons


def _against(item: Scored, best: Scored, weights: Mapping[str, float]) -> Dict[str, Any]:
    """Return why an option isn't the one."""
    if item.excluded:
        return {"option": item.option.id, "text": "Don't %s: %s" % (_lowered(item.title), " ".join(item.excluded))}
    gained, lost = _differences(item, best, weights)
    text = "Rather not %s: " % _lowered(item.title)
    text += " ".join(item.scores[name].evidence for name in lost if item.scores[name].evidence) or "it gains nothing."
    if gained:
        text += " What would be gained, and weighs less: %s" % " ".join(
            item.scores[name].evidence for name in gained if item.scores[name].evidence
        )
    return {"option": item.option.id, "text": text}


def _differences(one: Scored, other: Scored, weights: Mapping[str, float]) -> Tuple[List[str], List[str]]:
    """Return where one is better than the other, and where it is worse, what weighs most first."""
    weighed = {name: weights[name] * (score.score - other.scores[name].score) for name, score in one.scores.items()}
    names = sorted(weighed, key=lambda name: (-abs(weighed[name]), list(CRITERIA).index(name)))
    return [name for name in names if weighed[name] > 0], [name for name in names if weighed[name] < 0]


def _confidence(best: Scored, rival: Optional[Scored]) -> str:
    """Return how sure it is: less where things aren't known, or where another option is nearly as good."""
    # What isn't known of either makes no difference between them.
    ours, theirs = set(best.unknown), set(rival.unknown if rival else ())
    doubts = bool(ours - theirs) + bool(theirs - ours)
    doubts += rival is not None and best.total - rival.total < 100 * _CLOSE
    return ("high", "medium", "low")[min(2, doubts)]


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]
