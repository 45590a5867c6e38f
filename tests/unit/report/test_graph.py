# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawing of the platform: nothing lies on anything, nothing is left out without being said, red has a word."""

import itertools
from typing import Any, Dict, List

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._report.graph import (
    FOLD_ABOVE,
    fit,
    picture,
    thickness,
    width_of,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._report.mermaid import mermaid
from ansible_collections.bulkhead.stack.tests.unit.report.sample import HOSTILE, golden, huge


def drawn(graph: Any) -> Dict[str, Any]:
    return picture(graph, "is", "As it is", "What was seen.")


def node(key: str, status: str = "ok") -> Dict[str, Any]:
    return {"id": key, "kind": key.split(":")[0], "label": key.split(":")[1], "status": status, "note": ""}


def edge(start: str, end: str, connections: int = 1, status: str = "ok") -> Dict[str, Any]:
    return {"from": start, "to": end, "connections": connections, "status": status, "label": ""}


def overlap(one: Dict[str, Any], other: Dict[str, Any]) -> bool:
    return bool(
        one["x"] < other["x"] + other["width"]
        and other["x"] < one["x"] + one["width"]
        and one["y"] < other["y"] + other["height"]
        and other["y"] < one["y"] + one["height"]
    )


@pytest.mark.parametrize(
    "graph",
    [golden("broken")["graph"], golden("broken")["wanted_graph"], golden("mended")["graph"], huge(90, 60)["graph"]],
    ids=["broken", "wanted", "mended", "huge"],
)
def test_nothing_lies_on_anything(graph: Any) -> None:
    drawing = drawn(graph)["drawing"]
    boxes: List[Any] = drawing["boxes"] + drawing["pills"]
    assert [pair for pair in itertools.combinations(boxes, 2) if overlap(*pair)] == []
    assert [pair for pair in itertools.combinations(drawing["frames"], 2) if overlap(*pair)] == []
    for box in boxes + drawing["frames"]:
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= drawing["width"]
        assert box["y"] + box["height"] <= drawing["height"]


def test_a_frame_holds_its_databases() -> None:
    drawing = drawn(golden("broken")["graph"])["drawing"]
    frames = {frame["title"]: frame for frame in drawing["frames"]}
    assert sorted(frames) == ["cluster main", "cluster side: not seen"]
    side = frames["cluster side: not seen"]
    inside = [box["label"] for box in drawing["boxes"] if overlap(box, side)]
    assert inside == ["analytics"]
    assert side["state"]["tone"] == "warn"


def test_who_sits_in_anothers_database_has_a_word_and_a_mark() -> None:
    found = drawn(golden("broken")["graph"])
    assert found["foreign"] == 3
    assert "3 lines lead into another's database: archon-server → supabase-kong" in found["text"]
    box = next(box for box in found["drawing"]["boxes"] if box["label"] == "archon-server")
    assert (box["mark"], box["note"]) == ("!", "in another's database")
    assert sorted(pill["text"] for pill in found["drawing"]["pills"] if pill["state"]["tone"] == "bad") == [
        "! 2",
        "! 2",
        "! 6",
    ]
    # Drawn last, they lie on top.
    tones = [path["state"]["tone"] for path in found["drawing"]["paths"]]
    assert tones[-3:] == ["bad", "bad", "bad"]
    assert "bad" not in tones[:-3]


def test_more_connections_are_thicker() -> None:
    widths = [thickness(connections) for connections in (0, 1, 2, 5, 20, 1000)]
    assert widths == sorted(widths)
    assert widths[0] < widths[1] < widths[4]


def test_a_line_into_nowhere_is_shown_as_not_seen() -> None:
    found = drawn({"nodes": [node("service:app")], "edges": [edge("service:app", "database:gone", 2)]})
    assert "Not seen: gone." in found["text"]
    assert {box["label"]: box["mark"] for box in found["drawing"]["boxes"]} == {"app": "", "gone": "?"}


def test_a_container_is_not_running_where_a_database_is_not_there() -> None:
    found = drawn({"nodes": [node("service:app", "absent"), node("database:db", "absent")], "edges": []})
    assert found["text"].endswith("Not there: db. Not running: app.")
    assert [box["note"] for box in found["drawing"]["boxes"]] == ["not running", "not there"]


def test_who_is_connected_to_a_cluster_alone_ends_in_its_frame() -> None:
    graph = {"nodes": [node("service:app"), node("cluster:main")], "edges": [edge("service:app", "cluster:main")]}
    drawing = drawn(graph)["drawing"]
    assert [box["label"] for box in drawing["boxes"]] == ["app", "which one isn't known"]
    assert len(drawing["paths"]) == 1


def test_services_of_a_column_that_talk_to_each_other() -> None:
    graph = {"nodes": [node("service:a"), node("service:b")], "edges": [edge("service:a", "service:b")]}
    drawing = drawn(graph)["drawing"]
    assert len(drawing["paths"]) == 1
    assert [box["label"] for box in drawing["boxes"]] == ["a", "b"]


def test_many_quiet_databases_are_folded_and_no_other() -> None:
    document = huge()
    found = drawn(document["graph"])
    labels = [box["label"] for box in found["drawing"]["boxes"]]
    connected = {line["to"] for line in found["lines"] if line["to_kind"] == "database"}
    assert connected <= set(labels)
    assert found["folded"] == 200 - len(connected)
    assert found["folded"] == sum(int(label.split()[0]) for label in labels if label.endswith(" more"))
    # In words nothing is folded.
    assert len(found["nodes"]) == len(document["graph"]["nodes"])


def test_quiet_trouble_is_never_folded() -> None:
    nodes = [node("database:db-%d" % number, "unseen" if number == 7 else "ok") for number in range(FOLD_ABOVE + 1)]
    labels = [box["label"] for box in drawn({"nodes": nodes, "edges": []})["drawing"]["boxes"]]
    assert sorted(labels) == ["%d more" % FOLD_ABOVE, "db-7"]


def test_nothing_to_draw() -> None:
    found = drawn({"nodes": [], "edges": []})
    assert found["drawing"] is None
    assert found["text"] == "There is nothing to draw."
    assert mermaid(found) == ""


@pytest.mark.parametrize(
    "text", ["short", "a_very_long_name_of_a_database_in_production", "データベース" * 4, "W" * 80, ""]
)
def test_a_label_fits(text: str) -> None:
    short = fit(text, 120, 13)
    assert width_of(short, 13) <= 120
    assert short == text or ("…" in short and short[0] == text[0] and short[-1] == text[-1])


def test_mermaid_has_every_box_every_line_and_nothing_of_anybodys() -> None:
    graph = golden("broken")["graph"]
    graph["nodes"][0]["label"] = HOSTILE
    lines = mermaid(drawn(graph)).split("\n")
    assert lines[0] == "flowchart LR"
    assert sum("subgraph" in line for line in lines) == lines.count("  end") == 2
    assert sum("-->" in line or "-.->" in line for line in lines) == 8
    assert sum('"! ' in line or "foreign" in line for line in lines) >= 3
    assert "linkStyle 0,1,4 stroke:#c0262d" in "\n".join(lines)
    first = next(line for line in lines if line.startswith("  n0("))
    inner = first[len('  n0("') : -len('")')]
    assert not set(inner) & set("\"'<>|`]{}%*&")
    assert "script" in inner


def test_mermaid_gives_up_on_what_nobody_could_read() -> None:
    assert mermaid(drawn(huge()["graph"])) == ""
