# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether databases should move, asked of two real servers: a shared 15, and a 17 that is one program's own."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Of the day on which the shared cluster has less than a year left.
CLOCK = "2026-11-29T12:00:00Z"
SHARED = """
CREATE TABLE workflow (id int PRIMARY KEY, nodes jsonb); CREATE VIEW names AS SELECT nodes ->> 'name' FROM workflow;
"""
# In the shape of Langfuse's tables: enums, arrays, jsonb, an index on an expression.
TRACES = """
CREATE TYPE "ObservationType" AS ENUM ('SPAN', 'EVENT', 'GENERATION');
CREATE TABLE projects (id text PRIMARY KEY, name text NOT NULL, created_at timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE traces (id text PRIMARY KEY, project_id text REFERENCES projects, tags text[] DEFAULT '{}', metadata jsonb,
  kind "ObservationType");
CREATE INDEX traces_name ON traces (lower(metadata ->> 'name'));
INSERT INTO projects SELECT 'p' || n, 'project' FROM generate_series(1, 2000) n;
INSERT INTO traces SELECT 't' || n, 'p' || n, '{a,b}', '{"name": "x"}', 'SPAN' FROM generate_series(1, 2000) n;
"""


def profile(name: str) -> dict[str, Any]:
    """Return what is known of the PostgreSQL that a program needs."""
    path = ROOT / "roles" / "platform" / "vars" / "profiles" / f"{name}.yml"
    facts: dict[str, Any] = yaml.safe_load(path.read_text())[name]["postgres"]
    return facts


@pytest.fixture(scope="module")
def main(start_server: Any) -> Iterator[Any]:
    """Yield the shared server: n8n's database, and one for Langfuse that nobody uses."""
    server = start_server("bulkhead/postgres:15")
    server.sql("postgres", "CREATE DATABASE n8n_db")
    server.sql("postgres", "CREATE DATABASE langfuse_db")
    server.script("n8n_db", SHARED)
    return server


@pytest.fixture(scope="module")
def own(start_server: Any) -> Iterator[Any]:
    """Yield Langfuse's own server."""
    server = start_server("bulkhead/postgres:17")
    server.sql("postgres", "CREATE DATABASE langfuse")
    server.script("langfuse", TRACES)
    return server


def options(main: Any, own: Any, **changes: Any) -> dict[str, Any]:
    """Return the module's options."""
    given = {
        "clock": CLOCK,
        "clusters": [{"name": "main", "container": main.name}, {"name": "localai", "container": own.name}],
        "databases": [
            {
                "key": "n8n_db",
                "cluster": "main",
                "services": ["n8n"],
                "criticality": "critical",
                "schedule": "0 3 * * *",
            },
            {"key": "langfuse", "cluster": "localai", "services": ["langfuse-web"], "schedule": "0 4 * * sun"},
        ],
        "services": [
            {"name": "n8n", "profile": "n8n", "postgres": profile("n8n")},
            {"name": "langfuse-web", "profile": "langfuse", "postgres": profile("langfuse")},
        ],
    }
    return dict(given, **changes)


def ask(call: Any, **given: Any) -> dict[str, Any]:
    """Return the decision."""
    result: dict[str, Any] = call("consolidation_info", **given)
    assert result.get("failed") is not True, result
    assert result["changed"] is False
    return result


def decision(result: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the decision on one database, its options by their names."""
    (found,) = [item for item in result["databases"] if item["database"] == key]
    return dict(found, options={item["id"]: item for item in found["options"]})


def test_langfuse_stays_and_is_told_why(call: Any, main: Any, own: Any) -> None:
    result = ask(call, **options(main, own))
    langfuse = decision(result, "langfuse")
    assert (langfuse["version"] // 10000, langfuse["size_bytes"] > 1_000_000) == (17, True)
    assert langfuse["recommendation"]["option"] == "stay"
    assert set(langfuse["options"]) == {"stay", "upgrade:18", "move:main", "upgrade_and_move:main:17"}
    down = langfuse["options"]["move:main"]
    assert down["excluded"] == []
    assert "its makers recommend 16" in down["criteria"]["compatibility"]["evidence"]
    assert "2027-11-11, for 347 days" in down["criteria"]["support"]["evidence"]
    assert "Critical among them: n8n_db" in down["criteria"]["isolation"]["evidence"]
    fits = {(item["database"], item["place"]): item for item in result["fits"]}
    assert fits["langfuse", "main"]["verdict"] in ("fits", "harmless", "converts")
    assert fits["langfuse", "main"]["blocks"] == []
    # The shared one is upgraded rather than that everybody leaves it.
    assert decision(result, "n8n_db")["recommendation"]["option"].startswith("upgrade:")
    assert json.loads(json.dumps(result)) == result


def test_memory_is_what_the_container_holds(call: Any, main: Any, own: Any) -> None:
    clusters = {item["cluster"]: item for item in ask(call, **options(main, own))["clusters"]}
    for server, name in ((main, "main"), (own, "localai")):
        assert clusters[name]["container"] == server.name
        assert 1_000_000 < clusters[name]["memory_bytes"] < 1_000_000_000
    assert clusters["localai"]["image"] == "bulkhead/postgres:17"
    assert clusters["main"]["databases"] == ["langfuse_db", "n8n_db", "postgres"]


def test_the_empty_one_is_unused(call: Any, main: Any, own: Any) -> None:
    (unused,) = ask(call, **options(main, own))["unused"]
    assert (unused["cluster"], unused["database"], unused["described"]) == ("main", "langfuse_db", None)
    assert unused["lives_in"] == {"cluster": "localai", "database": "langfuse"}
    assert unused["proposal"] == "Drop it."
    main.script("langfuse_db", "CREATE TABLE kept (id int)")
    try:
        assert ask(call, **options(main, own))["unused"] == []
    finally:
        main.script("langfuse_db", "DROP TABLE kept")


def test_what_blocks_is_excluded_by_name(call: Any, main: Any, own: Any) -> None:
    # It came with 17.
    own.script(
        "langfuse",
        "CREATE VIEW names AS SELECT j.name FROM traces,"
        " JSON_TABLE(metadata, '$' COLUMNS (name text PATH '$.name')) AS j",
    )
    try:
        langfuse = decision(ask(call, **options(main, own, weights={"memory": 100})), "langfuse")
    finally:
        own.script("langfuse", "DROP VIEW names")
    (reason,) = langfuse["options"]["move:main"]["excluded"]
    assert "public.names" in reason
    assert langfuse["recommendation"]["option"] != "move:main"


def test_the_description_beats_what_is_known(call: Any, main: Any, own: Any) -> None:
    given = options(main, own)
    given["services"][1]["minimum_postgres"] = 16
    langfuse = decision(ask(call, **given), "langfuse")
    assert langfuse["options"]["move:main"]["excluded"] == [
        "langfuse-web (langfuse) needs 16 or newer (as the description says)."
    ]


def test_who_can_not_be_reached_is_told(call: Any, main: Any, own: Any) -> None:
    given = options(main, own)
    given["clusters"].append({"name": "old", "container": "bulkhead-test-nobody"})
    given["clusters"].append(
        {"name": "far", "login_host": "127.0.0.1", "login_port": 1, "login_password": "never-shown"}
    )
    given["databases"].append({"key": "legacy", "cluster": "old"})
    given["services"].append({"name": "gone", "container": "bulkhead-test-nobody-either"})
    result = ask(call, **given)
    said = "\n".join(result["unseen"])
    assert "Cluster old: There is no container bulkhead-test-nobody" in said
    assert "Cluster far: Role postgres can't connect" in said
    assert "Service gone: there is no container bulkhead-test-nobody-either." in said
    assert decision(result, "legacy")["recommendation"]["option"] is None
    assert decision(result, "langfuse")["recommendation"]["option"] == "stay"
    assert "never-shown" not in json.dumps(result["clusters"] + result["unseen"] + result["page"])


def test_one_server_by_two_names_is_refused(call: Any, main: Any, own: Any) -> None:
    given = options(main, own)
    given["clusters"].append({"name": "again", "login_host": own.address(), "login_password": own.password})
    result = call("consolidation_info", **given)
    assert result["failed"] is True
    assert "clusters: localai and again are one server" in result["msg"]


def test_a_version_comes_from_an_image_of_the_programs_own(call: Any, main: Any, own: Any) -> None:
    given = options(main, own)
    # As if the server's image were the program's.
    given["services"][1].update(container=own.name, images=["*/postgres"])
    services = {item["service"]: item for item in ask(call, **given)["services"]}
    assert services["langfuse-web"]["version"] == "17"
    assert services["langfuse-web"]["need"]["guessed"] is False
    assert services["n8n"]["version"] == ""


@pytest.mark.parametrize("images", [[], ["langfuse/*"]])
def test_the_tag_of_any_other_image_is_no_version(call: Any, main: Any, own: Any, images: list[str]) -> None:
    given = options(main, own)
    given["services"][1].update(container=own.name, images=images)
    result = ask(call, **given)
    services = {item["service"]: item for item in result["services"]}
    assert services["langfuse-web"]["version"] == ""
    assert services["langfuse-web"]["need"]["guessed"] is True
    told = "Version of service langfuse-web: the image of container %s is bulkhead/postgres:17." % own.name
    assert any(text.startswith(told) for text in result["unseen"])
    assert "| langfuse-web | langfuse (version not known) |" in result["markdown"]


def test_copies_are_looked_at(call: Any, main: Any, own: Any, tmp_path: pathlib.Path) -> None:
    given = options(main, own)
    folder = tmp_path / "langfuse"
    dump = {"database": "langfuse", "dest": str(folder), "retention": {"last": 3}, "container": own.name}
    folder.mkdir(mode=0o700)
    given["databases"][1]["folder"] = str(folder)
    before = decision(ask(call, **given), "langfuse")["options"]["stay"]["criteria"]["backup"]
    assert (before["score"], "It has no verified copy." in before["evidence"]) == (2, True)
    made = call("pg_dump_rotate", **dump)
    assert made.get("failed") is not True, made
    # The copy is younger than the moment that the others take as now.
    given.pop("clock")
    after = decision(ask(call, **given), "langfuse")["options"]["stay"]["criteria"]["backup"]
    assert (after["score"], after["evidence"]) == (3, "Its schedule stays.")


def test_both_pages_can_be_read(call: Any, main: Any, own: Any) -> None:
    result = ask(call, **options(main, own))
    assert "langfuse: Stay on localai (PostgreSQL 17)." in " ".join(result["page"])
    page = result["markdown"]
    assert page.startswith("# Which PostgreSQL for which database\n")
    assert "**Stay on localai (PostgreSQL 17).**" in page
    assert "| langfuse-web | langfuse " in page
    assert "Database langfuse\\_db of main (PostgreSQL 15) holds no table" in page
    # What wasn't asked for isn't known, and is said so.
    assert "The version of langfuse-web (langfuse) isn't known" in page


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"weights": {"memry": 3}}, "Did you mean memory?"),
        ({"versions": [12]}, "Known are 13 to 18."),
        ({"databases": [{"key": "a", "cluster": "mian"}]}, "Did you mean main?"),
        ({"clock": "yesterday"}, "no moment"),
    ],
)
def test_bad_input_is_refused_before_anybody_is_asked(call: Any, changes: dict[str, Any], says: str) -> None:
    nobody = {"clusters": [{"name": "main", "container": "bulkhead-test-nobody"}], "databases": [], "services": []}
    result = call("consolidation_info", **{**nobody, **changes})
    assert result["failed"] is True
    assert says in result["msg"]
