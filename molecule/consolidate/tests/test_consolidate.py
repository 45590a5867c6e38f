# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was there before, after each move, and after the way back; and what is there in the end."""

import json
import os
import pathlib
import re
from typing import Any, Dict, List

import pytest

FILES = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "files"
STEPS = ("before", "down", "back", "up")
PASSWORD = re.compile(r"(?<=langfuse:)[^@]+(?=@)")


@pytest.fixture(scope="module")
def seen() -> Dict[str, Dict[str, Any]]:
    """Return what was seen at each step."""
    return {step: json.loads((FILES / (step + ".json")).read_text()) for step in STEPS}


def lines(name: str) -> List[Dict[str, Any]]:
    """Return the lines of a file of the state folder."""
    return [json.loads(line) for line in (FILES / "state" / name).read_text().splitlines()]


def test_every_row_is_the_same_at_each_step(seen: Dict[str, Dict[str, Any]]) -> None:
    places = [("before", "langfuse-db/postgres"), ("down", "db/langfuse_db"), ("back", "langfuse-db/postgres")]
    found = [seen[step]["langfuse"][place] for step, place in [*places, ("up", "modern/langfuse_db")]]
    assert len({item["rows"] for item in found}) == 1
    assert found[0]["rows"].endswith(" 5000")
    assert {item["sequence"] for item in found} == {"100"}


def test_what_was_written_meanwhile_is_there(seen: Dict[str, Dict[str, Any]]) -> None:
    beats = {(step, place): int(item["beats"]) for step in STEPS for place, item in seen[step]["langfuse"].items()}
    assert beats[("down", "db/langfuse_db")] >= beats[("before", "langfuse-db/postgres")] > 0
    # Those of the new place are put aside, not lost.
    assert beats[("back", "db/langfuse_db_undone")] > beats[("down", "db/langfuse_db")]
    assert beats[("up", "modern/langfuse_db")] >= beats[("back", "langfuse-db/postgres")]


def test_the_new_place_is_its_owners_alone(seen: Dict[str, Dict[str, Any]]) -> None:
    for step, place in (("down", "db/langfuse_db"), ("up", "modern/langfuse_db")):
        item = seen[step]["langfuse"][place]
        assert (item["owner"], item["owners"]) == ("langfuse", "langfuse")


def test_the_services_follow(seen: Dict[str, Dict[str, Any]]) -> None:
    hosts = {
        "before": "langfuse-db:5432/postgres",
        "down": "bulkhead-consolidate-db:5432/langfuse_db",
        "back": "langfuse-db:5432/postgres",
        "up": "bulkhead-consolidate-modern:5432/langfuse_db",
    }
    for step, place in hosts.items():
        for name in ("web", "worker"):
            container = seen[step]["containers"][name]
            assert container["health"] == "healthy", (step, name)
            url, direct = (item.partition("=")[2] for item in container["urls"])
            assert url.endswith(place + "?connect_timeout=5"), (step, name)
            assert direct.endswith(place), (step, name)


def test_the_old_server_is_stopped_and_stays_so(seen: Dict[str, Dict[str, Any]]) -> None:
    # Between "down" and "back" the project was started as a whole; its volume is still there: "back" has its rows.
    running = [seen[step]["containers"]["langfuse-db"]["running"] for step in STEPS]
    assert running == [True, False, True, False]
    assert "profiles:" in seen["down"]["compose"]
    assert seen["back"]["compose"] == seen["before"]["compose"]


def test_nothing_else_in_the_compose_file_changed(seen: Dict[str, Dict[str, Any]]) -> None:
    before, after = (seen[step]["compose"].splitlines() for step in ("before", "down"))
    assert [line.strip() for line in before if line not in after] == [
        "depends_on: &depends-on",
        "langfuse-db:",
        "condition: service_healthy",
        "DIRECT_URL: postgresql://postgres:own-secret@langfuse-db:5432/postgres",
    ]
    assert [PASSWORD.sub("…", line.strip()) for line in after if line not in before] == [
        # An anchor stays where it is: what else it is used for, nobody knows.
        "depends_on: &depends-on {}",
        "DIRECT_URL: postgresql://langfuse:…@bulkhead-consolidate-db:5432/langfuse_db",
        "profiles:",
        "- retired",
    ]


def test_the_register_knows_until_when(seen: Dict[str, Dict[str, Any]]) -> None:
    kept: Dict[str, Dict[str, Any]] = {}
    for line in lines("register.jsonl"):
        if line["kind"] == "ended":
            kept.pop(line["id"], None)
        else:
            kept[line["id"]] = line
    assert {(item["kind"], re.sub(r"_\d{8}T\d{6}Z$", "", item["name"])) for item in kept.values()} == {
        ("container", "bulkhead-consolidate-langfuse-db"),
        ("database", "langfuse_db_dropped"),
        ("database", "langfuse_db_undone"),
    }


def test_the_unused_database_and_its_line_are_gone() -> None:
    script = (FILES / "stack" / "shared" / "init" / "01-databases.sql").read_text()
    assert "CREATE DATABASE langfuse_db" not in script
    assert "CREATE DATABASE n8n_db;" in script


def test_what_only_a_17_can_hold_is_refused_by_name(sql: Any) -> None:
    said = (FILES / "refused.txt").read_text()
    for thing in ("view public.order_lines", "view public.shelves", "collation public.plain", "public.lines_of"):
        assert thing in said, said
    databases = sql("postgres", "SELECT datname FROM pg_database", container="bulkhead-consolidate-db")
    assert "features" not in databases


def test_the_decision_is_written_down() -> None:
    report = json.loads((FILES / "state" / "consolidation" / "report.json").read_text())
    decision = next(item for item in report["databases"] if item["database"] == "langfuse_db")
    # Down to an older major, beside a critical database, for a few MiB: an honest answer is to stay.
    assert decision["recommendation"]["option"] == "stay"
    page = (FILES / "state" / "consolidation" / "report.md").read_text()
    assert decision["recommendation"]["summary"].rstrip(".") in page.replace("\\", "")
    assert report["unused"][0]["database"] == "langfuse_db"


def test_no_secret_is_written_down() -> None:
    password = (FILES / "state" / "secrets" / "langfuse_db.password").read_text().strip()
    for folder in ("journal", "consolidation"):
        for path in (FILES / "state" / folder).iterdir():
            if path.suffix in (".jsonl", ".json", ".md"):
                text = path.read_text()
                assert password not in text and "own-secret" not in text and "shared-secret" not in text, path
