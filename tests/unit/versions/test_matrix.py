# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision matrix: which options there are, what each is worth, what is recommended and why."""

import json
import pathlib
from dataclasses import replace
from datetime import date
from typing import Any, Dict, List, Mapping, Optional, Tuple

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._versions import scores
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.facts import (
    Cluster,
    Database,
    Facts,
    Found,
    Service,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.matrix import (
    WEIGHTS,
    decide,
    make_matrix,
    options_of,
    read_weights,
    upgrades,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.matrix_lines import lines_of
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.matrix_page import markdown_of
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.minimum import read_need
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.model import (
    BLOCKS,
    CONVERTS,
    HARMLESS,
    Finding,
    Fit,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.scores import (
    MIB,
    MOVE,
    STAY,
    UPGRADE,
    UPGRADE_AND_MOVE,
    Option,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]
TODAY = date(2026, 11, 29)
MAIN, LOCALAI = "main", "localai"


def need(profile: str, version: Optional[str] = None, stated: Optional[int] = None) -> Any:
    """Return what a profile's file says that its program needs."""
    path = ROOT / "roles" / "platform" / "vars" / "profiles" / (profile + ".yml")
    return read_need(yaml.safe_load(path.read_text())[profile]["postgres"], version, stated)


def fit(name: str, source: int, target: int, grades: Tuple[str, ...] = (), unseen: Tuple[str, ...] = ()) -> Fit:
    """Return how a database fits, with a finding of each of these grades."""
    findings = [
        Finding("f%d" % number, "a thing", grade, "view public.v%d" % number, "seen", "mend", "https://x", True)
        for number, grade in enumerate(grades)
    ]
    return Fit(name, source, target, tuple(findings), unseen, 60 * MIB)


def seed(**changes: Any) -> Facts:
    """Return the platform that this was first asked for: Langfuse's 17 beside the shared 15."""
    clusters = {
        MAIN: Cluster(
            MAIN,
            150020,
            "supabase-ai-db",
            "supabase/postgres:15.8.1.085",
            300 * MIB,
            (Found("postgres", 200 * MIB, 40), Found("n8n_db", 20 * MIB, 30), Found("langfuse_db", 8 * MIB, 0)),
        ),
        LOCALAI: Cluster(
            LOCALAI,
            170012,
            "localai-postgres-1",
            "postgres:17",
            500 * MIB,
            (Found("postgres", 8 * MIB, 0), Found("langfuse", 60 * MIB, 50)),
        ),
    }
    databases = {
        "postgres": Database(
            "postgres", MAIN, "postgres", ("supabase-db",), "critical", "0 0,6,12,18 * * *", "2026-11-29T06:00:00Z"
        ),
        "n8n_db": Database("n8n_db", MAIN, "n8n_db", ("n8n",), "medium", "0 3 * * *", "2026-11-29T03:00:00Z"),
        "langfuse": Database(
            "langfuse", LOCALAI, "langfuse", ("langfuse-web",), "low", "0 4 * * sun", "2026-11-29T04:00:00Z"
        ),
    }
    services = {
        "supabase-db": Service("supabase-db", "supabase", "", need("supabase")),
        "n8n": Service("n8n", "n8n", "2.49.8", need("n8n", "2.49.8")),
        "langfuse-web": Service("langfuse-web", "langfuse", "4.2", need("langfuse", "4.2")),
    }
    fits: Dict[Any, Any] = {("langfuse", MAIN): fit("langfuse", 170012, 150020, (CONVERTS, HARMLESS))}
    for key, source in (("postgres", 150020), ("n8n_db", 150020), ("langfuse", 170012)):
        fits.update({(key, major): fit(key, source, major * 10000) for major in (17, 18)})
    fits.update({(key, LOCALAI): fit(key, 150020, 170012) for key in ("postgres", "n8n_db")})
    facts = Facts(TODAY, clusters, databases, services, fits)
    return replace(facts, **changes)


def answer(facts: Facts, key: str = "langfuse", weights: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """Return the decision on one database."""
    return decide(facts, facts.databases[key], read_weights(weights or {}))


def option(decision: Mapping[str, Any], identifier: str) -> Dict[str, Any]:
    """Return one option of a decision."""
    (found,) = [item for item in decision["options"] if item["id"] == identifier]
    return dict(found)


def text_of(decision: Mapping[str, Any], identifier: str) -> str:
    """Return why an option is not the one."""
    (found,) = [item for item in decision["recommendation"]["against"] if item["option"] == identifier]
    return str(found["text"])


def with_fit(facts: Facts, key: str, place: Any, made: Any) -> Facts:
    """Return the facts with another fit."""
    return replace(facts, fits={**facts.fits, (key, place): made})


def with_cluster(facts: Facts, key: str, **fields: Any) -> Facts:
    """Return the facts with a cluster that is otherwise."""
    return replace(facts, clusters={**facts.clusters, key: replace(facts.clusters[key], **fields)})


def with_need(facts: Facts, name: str, made: Any) -> Facts:
    """Return the facts with a service that needs something else."""
    return replace(facts, services={**facts.services, name: replace(facts.services[name], need=made)})


def test_langfuse_is_told_to_stay_for_the_right_reasons() -> None:
    decision = answer(seed())
    recommended = decision["recommendation"]
    assert recommended["option"] == "stay"
    assert recommended["summary"] == "Stay on localai (PostgreSQL 17)."
    down = text_of(decision, "move:main")
    assert down.startswith("Rather not move down to main (PostgreSQL 15): ")
    for reason in (
        "gets fixes until 2027-11-11, for 347 days",
        "needs 15 or newer, which is met, but its makers recommend 16",
        "Critical among them: postgres",
        "What would be gained, and weighs less: 500 MiB of memory, measured now",
    ):
        assert reason in down
    # What it would be good for comes second: the shared cluster first to where this one is.
    assert [item["id"] for item in decision["options"]] == [
        "stay",
        "upgrade_and_move:main:17",
        "upgrade:18",
        "move:main",
    ]
    assert "500 MiB" in text_of(decision, "upgrade_and_move:main:17")


def test_memory_decides_where_it_is_weighed_so() -> None:
    decision = answer(seed(), weights={"memory": 12})
    assert decision["recommendation"]["option"] == "upgrade_and_move:main:17"
    assert any(text.startswith("Memory: 500 MiB") for text in decision["recommendation"]["reasons"])
    assert any(text.startswith("What it costs, isolation: ") for text in decision["recommendation"]["reasons"])


def test_the_shared_cluster_is_to_be_upgraded_before_its_end() -> None:
    decision = answer(seed(), "n8n_db")
    assert decision["recommendation"]["option"] == "upgrade:17"
    assert "Support: PostgreSQL 17 gets fixes until 2029-11-08" in decision["recommendation"]["reasons"][0]
    # 18 is newer than what Supabase has an image of.
    assert option(decision, "upgrade:18")["excluded"] == [
        "supabase-db (supabase) needs an image supabase/postgres, and none is known for 18."
    ]


def test_a_platform_moves_to_no_image_but_its_own() -> None:
    decision = answer(seed(), "postgres")
    (reason,) = option(decision, "move:localai")["excluded"]
    assert "runs on the image supabase/postgres only; localai has postgres:17" in reason
    assert decision["recommendation"]["option"] != "move:localai"


@pytest.mark.parametrize("weights", [{}, {"memory": 100}, {"support": 100, "compatibility": 0}])
def test_what_blocks_excludes_whatever_the_score(weights: Dict[str, Any]) -> None:
    facts = with_fit(seed(), "langfuse", MAIN, fit("langfuse", 170012, 150020, (BLOCKS, CONVERTS)))
    decision = answer(facts, weights=weights)
    assert option(decision, "move:main")["excluded"] == [
        "langfuse doesn't fit main (PostgreSQL 15): view public.v0 (a thing)."
    ]
    assert text_of(decision, "move:main").startswith("Don't move down to main (PostgreSQL 15): langfuse doesn't fit")
    assert decision["options"][-1]["id"] == "move:main"


def test_one_database_that_blocks_holds_up_the_upgrade_of_its_cluster() -> None:
    facts = with_fit(seed(), "postgres", 17, fit("postgres", 150020, 170000, (BLOCKS,)))
    assert option(answer(facts, "n8n_db"), "upgrade:17")["excluded"]
    assert option(answer(facts), "upgrade_and_move:main:17")["excluded"]
    assert not option(answer(facts), "move:main")["excluded"]


def test_a_service_below_its_minimum_excludes() -> None:
    facts = with_need(seed(), "langfuse-web", need("langfuse", "4.2", stated=16))
    (reason,) = option(answer(facts), "move:main")["excluded"]
    assert reason == "langfuse-web (langfuse 4.2) needs 16 or newer (as the description says)."
    assert answer(facts, weights={"memory": 100})["recommendation"]["option"] == "upgrade_and_move:main:17"


def test_staying_is_never_excluded_but_told() -> None:
    decision = answer(with_need(seed(), "langfuse-web", need("langfuse", "4.2", stated=18)))
    stay = option(decision, "stay")
    assert (stay["excluded"], stay["criteria"]["compatibility"]["score"]) == ([], 0)
    assert "It runs there today." in stay["criteria"]["compatibility"]["evidence"]


@pytest.mark.parametrize(
    ("today", "score", "says"),
    [
        (date(2024, 11, 1), 4, "for 1105 days"),
        (date(2025, 11, 1), 3, "for 740 days"),
        (date(2026, 11, 1), 2, "for 375 days"),
        (TODAY, 1, "for 347 days"),
        (date(2027, 6, 1), 0, "for 163 days"),
        (date(2027, 11, 11), 0, "for 0 days"),
        (date(2027, 11, 12), 0, "has had no fixes since 2027-11-11"),
    ],
)
def test_support_is_counted_in_days(today: date, score: int, says: str) -> None:
    facts = replace(seed(), today=today)
    found = scores.support(facts, facts.databases["langfuse"], Option(MOVE, MAIN, 15))
    assert found.score == score
    assert says in found.evidence


@pytest.mark.parametrize(
    ("held", "score"),
    [(None, 1), (10 * MIB, 1), (32 * MIB, 2), (128 * MIB, 3), (383 * MIB, 3), (384 * MIB, 4), (4096 * MIB, 4)],
)
def test_memory_is_what_was_measured(held: Optional[int], score: int) -> None:
    facts = with_cluster(seed(), LOCALAI, memory_bytes=held)
    found = scores.memory(facts, facts.databases["langfuse"], Option(MOVE, MAIN, 15))
    assert found.score == score
    assert bool(found.unknown) == (held is None)


def test_a_server_that_goes_on_for_others_saves_nothing() -> None:
    facts = seed()
    found = scores.memory(facts, facts.databases["n8n_db"], Option(MOVE, LOCALAI, 17))
    assert (found.score, found.evidence) == (1, "Nothing is saved: main goes on for postgres.")


@pytest.mark.parametrize(
    ("key", "what", "score", "says"),
    [
        ("langfuse", Option(STAY, LOCALAI, 17), 4, "a server of its own"),
        ("langfuse", Option(MOVE, MAIN, 15), 1, "Critical among them: postgres."),
        ("n8n_db", Option(MOVE, LOCALAI, 17), 1, "langfuse has that server for itself today."),
        ("postgres", Option(STAY, MAIN, 15), 2, "with n8n_db"),
    ],
)
def test_isolation_names_who_goes_down_with_it(key: str, what: Option, score: int, says: str) -> None:
    facts = seed()
    found = scores.isolation(facts, facts.databases[key], what)
    assert found.score == score
    assert says in found.evidence


def test_copies_of_a_newer_server_are_no_use_on_an_older() -> None:
    facts = seed()
    langfuse = facts.databases["langfuse"]
    down = scores.backup(facts, langfuse, Option(MOVE, MAIN, 15))
    first = scores.backup(facts, langfuse, Option(UPGRADE_AND_MOVE, MAIN, 17))
    assert (down.score, first.score) == (3, 4)
    assert "of 15 may refuse them" in down.evidence
    none = replace(langfuse, schedule="")
    assert scores.backup(facts, none, Option(STAY, LOCALAI, 17)).score == 1
    doubtful, bare = replace(langfuse, verified_at=None), replace(langfuse, verified_at="")
    stay = Option(STAY, LOCALAI, 17)
    assert [scores.backup(facts, item, stay).score for item in (langfuse, doubtful, bare)] == [3, 3, 2]
    assert scores.backup(facts, doubtful, stay).unknown == ("Whether langfuse has a verified copy isn't known.",)
    assert "make one first" in scores.backup(facts, bare, Option(MOVE, MAIN, 15)).evidence


@pytest.mark.parametrize(("size", "move", "upgrade"), [(60, 2, 3), (5 * 1024, 1, 2), (30 * 1024, 0, 1)])
def test_effort_goes_by_size(size: int, move: int, upgrade: int) -> None:
    facts = with_cluster(seed(), LOCALAI, found=(Found("langfuse", size * MIB, 50),))
    langfuse = facts.databases["langfuse"]
    made = [
        scores.effort(facts, langfuse, what).score
        for what in (Option(STAY, LOCALAI, 17), Option(MOVE, MAIN, 15), Option(UPGRADE, LOCALAI, 18))
    ]
    assert made == [4, move, upgrade]


@pytest.mark.parametrize(
    ("grades", "score"),
    [((), 4), ((HARMLESS,), 4), ((CONVERTS,), 3), ((CONVERTS, HARMLESS), 3), ((BLOCKS,), 0)],
)
def test_compatibility_goes_by_the_worst_finding(grades: Tuple[str, ...], score: int) -> None:
    facts = with_need(seed(), "langfuse-web", read_need({"minimum": 15}, None))
    facts = with_fit(facts, "langfuse", MAIN, fit("langfuse", 170012, 150020, grades))
    found = scores.compatibility(facts, facts.databases["langfuse"], Option(MOVE, MAIN, 15))
    assert found.score == score


@pytest.mark.parametrize(
    ("facts", "score", "says"),
    [
        ({"minimum": 15}, 4, "needs 15 or newer, which is met."),
        ({"minimum": 15, "recommended": 16}, 2, "which is met, but its makers recommend 16."),
        ({"minimum": 13, "tested_up_to": 14}, 2, "Its makers name 14 as the newest"),
        ({"minimum": 16}, 0, "needs 16 or newer."),
    ],
)
def test_compatibility_goes_by_what_the_makers_say(facts: Dict[str, Any], score: int, says: str) -> None:
    known = with_fit(with_need(seed(), "langfuse-web", read_need(facts, None)), "langfuse", MAIN, fit("x", 17, 15))
    found = scores.compatibility(known, known.databases["langfuse"], Option(MOVE, MAIN, 15))
    assert found.score == score
    assert says in found.evidence


def test_what_was_not_compared_is_unknown_and_lowers_confidence() -> None:
    sure = answer(seed(), weights={"memory": 12, "isolation": 0})["recommendation"]["confidence"]
    facts = with_fit(seed(), "langfuse", 17, "Its server went away.")
    doubted = answer(facts, weights={"memory": 12, "isolation": 0})
    (unknown,) = option(doubted, "upgrade_and_move:main:17")["unknown"][:1]
    assert unknown == "Whether langfuse fits PostgreSQL 17 isn't known: Its server went away."
    rank = ["low", "medium", "high"]
    assert rank.index(doubted["recommendation"]["confidence"]) < rank.index(sure)


def test_what_is_known_of_no_option_makes_no_difference() -> None:
    facts = seed()
    unlooked = replace(facts.databases["langfuse"], verified_at=None)
    decision = answer(replace(facts, databases={**facts.databases, "langfuse": unlooked}))
    assert all("Whether langfuse has a verified copy isn't known." in item["unknown"] for item in decision["options"])
    assert decision["recommendation"]["confidence"] == "high"


def test_what_nobody_states_is_unknown_and_excludes_nothing() -> None:
    decision = answer(with_need(seed(), "langfuse-web", need("flowise")))
    down = option(decision, "move:main")
    assert down["excluded"] == []
    assert down["unknown"] == [
        "Which PostgreSQL langfuse-web (langfuse 4.2) needs isn't known."
        " Its documentation names no version of PostgreSQL."
    ]
    assert option(decision, "stay")["unknown"] == []


def test_what_nobody_has_described_is_unknown() -> None:
    facts = with_cluster(seed(), MAIN, found=(*seed().clusters[MAIN].found, Found("other_db", 90 * MIB, None)))
    text = "Whether other_db of main fits PostgreSQL 17 isn't known: the description doesn't have it."
    assert text in option(answer(facts, "n8n_db"), "upgrade:17")["unknown"]
    assert text in option(answer(facts), "upgrade_and_move:main:17")["unknown"]
    assert option(answer(facts), "move:main")["unknown"] == []
    nobodys = replace(facts.databases["langfuse"], services=())
    facts = replace(facts, databases={**facts.databases, "langfuse": nobodys})
    assert option(answer(facts), "stay")["unknown"] == []
    assert option(answer(facts), "move:main")["unknown"] == [
        "No service is described that uses langfuse, so what it needs isn't known."
    ]


def test_ties_go_to_what_changes_less() -> None:
    # With this alone every option is worth the same.
    facts = with_cluster(seed(), LOCALAI, memory_bytes=0)
    decision = answer(facts, weights={**dict.fromkeys(WEIGHTS, 0), "memory": 1})
    assert len({item["total"] for item in decision["options"]}) == 1
    assert decision["recommendation"]["option"] == "stay"
    assert decision["recommendation"]["reasons"][0].startswith("It is worth no less than")


def test_a_database_that_can_not_be_seen_gets_no_advice() -> None:
    facts = with_cluster(seed(), LOCALAI, version=None, found=(), error="There is no container x.")
    decision = answer(facts)
    assert (decision["options"], decision["recommendation"]["option"]) == ([], None)
    assert decision["recommendation"]["summary"] == "Nothing can be said of langfuse: There is no container x."
    # Nobody is sent to it either.
    assert "move:localai" not in [item["id"] for item in answer(facts, "n8n_db")["options"]]


def test_options_and_upgrades() -> None:
    facts = seed()
    found = [item.id for item in options_of(facts, facts.databases["langfuse"], (18, 16, 12))]
    assert found == ["stay", "upgrade:18", "move:main", "upgrade_and_move:main:17"]
    assert upgrades(facts, MAIN) == [17, 18]
    assert upgrades(facts, MAIN, (16,)) == [16, 17, 18]
    assert upgrades(with_cluster(facts, LOCALAI, version=180006), LOCALAI) == []


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"memry": 1}, "Did you mean memory?"),
        ({"memory": -1}, "no number from 0 to 100"),
        ({"memory": "much"}, "no number from 0 to 100"),
        ({"memory": float("nan")}, "no number from 0 to 100"),
        (dict.fromkeys(WEIGHTS, 0), "nothing counts"),
    ],
)
def test_wrong_weights_are_refused(weights: Dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_weights(weights)
    assert says in str(caught.value)


def unused(facts: Facts, weights: Optional[Mapping[str, Any]] = None) -> List[Dict[str, Any]]:
    """Return the databases that are not in use."""
    found: List[Dict[str, Any]] = make_matrix(facts, read_weights(weights or {}))["unused"]
    return found


def test_an_empty_database_whose_service_lives_elsewhere_is_unused() -> None:
    (found,) = unused(seed())
    assert (found["cluster"], found["database"], found["described"]) == (MAIN, "langfuse_db", None)
    assert found["lives_in"] == {"cluster": LOCALAI, "database": "langfuse"}
    assert found["proposal"].startswith("Drop it")
    (kept,) = unused(seed(), {"memory": 12})
    assert kept["proposal"] == "Keep it: the move that is recommended leads there."


def test_a_described_one_is_known_by_its_service() -> None:
    facts = seed()
    described = Database("traces", MAIN, "langfuse_db", ("langfuse-web",), "low", "0 4 * * sun")
    facts = replace(facts, databases={**facts.databases, "traces": described})
    (found,) = unused(facts)
    assert (found["described"], found["lives_in"]["database"]) == ("traces", "langfuse")


def test_what_is_not_alike_or_not_empty_is_in_use() -> None:
    assert unused(with_cluster(seed(), MAIN, found=(Found("langfuse_db", 8 * MIB, 3),))) == []
    assert unused(with_cluster(seed(), MAIN, found=(Found("langfuse_db", 8 * MIB, None),))) == []
    assert unused(with_cluster(seed(), MAIN, found=(Found("other_db", 8 * MIB, 0),))) == []


def test_the_matrix_is_json_and_the_same_every_time() -> None:
    first, second = (json.dumps(make_matrix(seed(), read_weights({}), (), ["x"])) for dummy in range(2))
    assert first == second
    assert json.loads(first)["unseen"] == ["x"]


def wide() -> Facts:
    """Return a platform with three clusters and eight databases, of which some get the same answer."""
    facts = seed()
    main = facts.clusters[MAIN]
    names = ("archon_db", "flowise_db", "odoo_db")
    clusters = dict(facts.clusters)
    clusters[MAIN] = replace(main, found=(*main.found, *(Found(name, 50 * MIB, 9) for name in names)))
    own = (Found("gitea", 90 * MIB, 100), Found("wiki", 30 * MIB, 20))
    clusters["gitea"] = Cluster("gitea", 160009, "gitea-db", "postgres:16", 60 * MIB, own)
    databases = dict(facts.databases)
    for name in names:
        databases[name] = Database(name, MAIN, name, (), "medium", "0 3 * * *", "2026-11-29T03:00:00Z")
    for name in ("gitea", "wiki"):
        databases[name] = Database(name, "gitea", name, (), "low", "0 3 * * *", "2026-11-29T03:00:00Z")
    fits: Dict[Any, Any] = {}
    for key, item in databases.items():
        source = clusters[item.cluster].version or 0
        fits.update({(key, major): fit(key, source, major * 10000) for major in (16, 17, 18)})
        for cluster in clusters.values():
            grades = (BLOCKS,) if (key, cluster.key) == ("wiki", MAIN) else ()
            fits[key, cluster.key] = fit(key, source, cluster.version or 0, grades)
    return replace(facts, clusters=clusters, databases=databases, fits=fits)


def test_databases_that_get_one_answer_are_told_together() -> None:
    matrix = make_matrix(wide(), read_weights({}))
    lines = lines_of(matrix)
    assert len(matrix["databases"]) == 8
    # It fits on two screens, and in 100 columns.
    assert len(lines) <= 70
    assert max(len(line) for line in lines) <= 100
    headings = [line for line in lines if "Confidence:" in line]
    told = [name for line in headings for name in line.partition(":")[0].split(", ")]
    assert sorted(told) == sorted(item["database"] for item in matrix["databases"])
    assert len(headings) < 8
    # Who stays comes last.
    assert headings[-1].startswith("langfuse: Stay on localai")
    (row,) = [line for line in lines if line.startswith("  move to main (15)") and line.endswith("% (some)")]
    assert row.split()[4] == "0-4"
    (reason,) = [line for line in lines if "can't move to main" in line]
    assert reason == "  - can't move to main (15): wiki doesn't fit main (PostgreSQL 15): view public.v0 (a thing)."
    # The long way is in the report.
    assert "Rather not" not in "\n".join(lines)
    assert "Rather not move up to localai" in markdown_of(matrix)


def test_what_holds_for_some_is_told_with_their_names() -> None:
    matrix = make_matrix(wide(), read_weights({}))
    for item in matrix["databases"]:
        if item["cluster"] == "gitea":
            item["recommendation"]["reasons"] = ["Both.", "Of %s." % item["database"]]
    lines = lines_of(matrix)
    assert lines.count("  - Both.") == 1
    assert "  - gitea: Of gitea." in lines
    assert "  - wiki: Of wiki." in lines
    for item in matrix["databases"]:
        if item["cluster"] == "gitea":
            item["recommendation"]["reasons"] = ["%s %d." % (item["database"], number) for number in range(3)]
    assert "  - and 3 more, of one or another: the report has them." in lines_of(matrix)


def test_the_report_says_what_an_answer_is_held_against() -> None:
    matrix = make_matrix(seed(), read_weights({}))
    (langfuse,) = [item for item in matrix["databases"] if item["database"] == "langfuse"]
    assert langfuse["recommendation"]["compared_with"] == "upgrade_and_move:main:17"
    assert "Compared with: Upgrade main from PostgreSQL 15 to 17 first, then move there." in markdown_of(matrix)


def test_the_pages_tell_it_in_words() -> None:
    facts = seed()
    hostile = replace(facts.databases["langfuse"], services=("langfuse-web", "a|b*<c>"))
    matrix = make_matrix(replace(facts, databases={**facts.databases, "langfuse": hostile}), WEIGHTS, (), ["gone."])
    lines = lines_of(matrix)
    assert "langfuse: Stay on localai (PostgreSQL 17). Confidence: high." in lines
    assert max(len(line) for line in lines) <= 100
    page = markdown_of(matrix)
    assert "**Stay on localai (PostgreSQL 17).** Confidence: high." in page
    assert "| langfuse-web " in page
    assert "Database langfuse\\_db of main (PostgreSQL 15) holds no table" in page
    assert "## What could not be seen\n\n- gone." in page
    assert "a\\|b\\*\\<c\\>" in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {row.count(" | ") for row in rows} == {5, 7}
