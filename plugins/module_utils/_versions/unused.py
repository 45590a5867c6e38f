# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that were made for a service and hold nothing, while what the service has lies elsewhere."""

from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from .facts import Cluster, Facts, Found

# Every server has it, and it belongs to nobody.
_OF_THE_SERVER = "postgres"


def unused_databases(facts: Facts, answers: Mapping[str, Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """Return the empty databases whose service lives elsewhere, and those that are described and that nobody uses.

    Arguments:
        answers: of each described database the recommendation.
    """
    result = []
    for cluster in facts.clusters.values():
        described = {item.name: item for item in facts.inside(cluster.key)}
        for found in cluster.found:
            if found.tables != 0 or (found.name == _OF_THE_SERVER and found.name not in described):
                continue
            known = described.get(found.name)
            home = _home(facts, cluster, found)
            if home is None and (known is None or known.services):
                continue
            result.append(
                {
                    "cluster": cluster.key,
                    "database": found.name,
                    "described": known.key if known else None,
                    "lives_in": {"cluster": home[0].key, "database": home[1].name} if home else None,
                    "text": _text(cluster, found, home),
                    "proposal": _proposal(facts, cluster, found, home, answers),
                }
            )
    return result


def _home(facts: Facts, cluster: Cluster, found: Found) -> Optional[Tuple[Cluster, Found]]:
    """Return where the database lies that this one was made to take the place of."""
    words = _words(facts, cluster.key, found.name)
    for other in facts.clusters.values():
        for item in other.found:
            if other.key != cluster.key and item.tables != 0 and words & _words(facts, other.key, item.name):
                return other, item
    return None


def _words(facts: Facts, cluster: str, name: str) -> Set[str]:
    """Return what a database may be called after: itself, its key, its services and their programs."""
    words = set() if name == _OF_THE_SERVER else {_stem(name)}
    for item in facts.inside(cluster):
        if item.name == name:
            words.add(_stem(item.key))
            for service in facts.users([item]):
                words |= {_stem(word) for word in (service.name, service.profile) if word}
    return words


def _stem(name: str) -> str:
    """Return a name without what people put around it: langfuse_db, db-langfuse and langfuse are one."""
    parts = name.lower().replace("-", "_").split("_")
    return "_".join(part for part in parts if part not in ("db", "database", "")) or name.lower()


def _text(cluster: Cluster, found: Found, home: Optional[Tuple[Cluster, Found]]) -> str:
    text = "Database %s of %s holds no table" % (found.name, cluster.title)
    if home is None:
        return text + ", and no service is described that uses it."
    return text + "; what is in use is %s of %s." % (home[1].name, home[0].title)


def _proposal(
    facts: Facts,
    cluster: Cluster,
    found: Found,
    home: Optional[Tuple[Cluster, Found]],
    answers: Mapping[str, Mapping[str, Any]],
) -> str:
    described = any(item.name == found.name for item in facts.inside(cluster.key))
    drop = "Drop it" + (" (playbook bulkhead.stack.drop), and take it out of the description." if described else ".")
    if home is None:
        return drop
    key = next((item.key for item in facts.inside(home[0].key) if item.name == home[1].name), None)
    answer = (answers.get(key or "") or {}).get("option") or ""
    if answer.split(":")[1:2] == [cluster.key]:
        return "Keep it: the move that is recommended leads there."
    if key is None:
        return "Describe %s of %s, so that a decision can be made on it." % (home[1].name, home[0].key)
    return drop
