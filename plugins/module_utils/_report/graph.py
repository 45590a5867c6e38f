# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform as a drawing: a column for each kind, a frame around each cluster, every coordinate worked out."""

import math
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from .order import order, place
from .words import KINDS, NODES, NOT_RUNNING, State, counted, enumeration, state_of

# A column with more than this says "148 more" for those that nobody is connected to.
FOLD_ABOVE = 40

_COLUMNS = ("service", "gateway", "postgrest", "database")
_HEADINGS = {"service": "Services", "gateway": "Gateway", "postgrest": "PostgREST", "database": "Databases"}
_MARGIN = 12
_HEADING = 34
_NODE_HEIGHT = 46
_PORT = 20
_GAP = 14
# A line that passes a column by needs room there, but not a node's.
_PASSING = 10
_NARROWEST, _WIDEST = 104, 190
_LABEL_PX, _NOTE_PX = 13, 11
_BESIDE_LABEL = 22
_FRAME_HEAD, _FRAME_FOOT, _FRAME_SIDE = 30, 14, 14
_COLUMN_GAP = 92
_THICKEST = 9.0


class Edge(NamedTuple):
    """A line from one node to another."""

    start: str
    end: str
    connections: int
    status: str
    label: str


@dataclass
class Node:
    """A box of the drawing."""

    key: str
    kind: str
    label: str
    status: str
    note: str
    frame: str = ""
    outgoing: List[Edge] = field(default_factory=list)
    incoming: List[Edge] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = float(_NODE_HEIGHT)


def picture(graph: Mapping[str, Any], key: str, title: str, caption: str) -> Dict[str, Any]:
    """Return a graph of the audit as a template draws it, and as text.

    Arguments:
        graph: ``nodes`` and ``edges`` of the audit's document.
        key: begins the identifiers in the page.
        title: the picture's heading.
        caption: a sentence below the heading.
    """
    nodes, edges = _read(graph)
    drawing = _Drawing(nodes, edges)
    drawn = drawing.drawn() if nodes else None
    foreign = [edge for edge in edges if edge.status == "foreign"]
    return {
        "key": key,
        "title": title,
        "caption": caption,
        "text": _in_words(nodes, foreign),
        "drawing": drawn,
        "folded": drawing.folded,
        "lines": [_line(nodes, edge) for edge in edges],
        "foreign": len(foreign),
        "nodes": [_box(node) for node in nodes.values()],
    }


def _read(graph: Mapping[str, Any]) -> Tuple[Dict[str, Node], List[Edge]]:
    nodes = {
        item["id"]: Node(item["id"], item["kind"], str(item["label"]), item.get("status", "ok"), item.get("note") or "")
        for item in graph.get("nodes", [])
    }
    edges = []
    for item in graph.get("edges", []):
        edge = Edge(
            item["from"],
            item["to"],
            int(item.get("connections") or 0),
            item.get("status", "ok"),
            item.get("label") or "",
        )
        for end in (edge.start, edge.end):
            if end not in nodes:
                # A line into nowhere is still a line: what it leads to wasn't seen.
                kind, _colon, label = end.partition(":")
                nodes[end] = Node(end, kind if kind in KINDS else "service", label or end, "unseen", "")
        edges.append(edge)
    return nodes, edges


def _in_words(nodes: Mapping[str, Node], foreign: Sequence[Edge]) -> str:
    """Return the picture for who doesn't see it."""
    counts = []
    for kind, (one, several) in KINDS.items():
        number = sum(node.kind == kind for node in nodes.values())
        if number:
            counts.append(counted(number, one, several))
    if not counts:
        return "There is nothing to draw."
    text = "%s." % enumeration(counts)
    if foreign:
        text += " %s into another's database: %s." % (
            counted(len(foreign), "line leads", "lines lead"),
            enumeration("%s → %s" % (nodes[edge.start].label, nodes[edge.end].label) for edge in foreign),
        )
    else:
        text += " No line leads into another's database."
    for word in ("not there", "not running", "not seen"):
        named = [node.label for node in nodes.values() if _state(node).word == word]
        if named:
            text += " %s: %s." % (word.capitalize(), enumeration(named))
    return text


def _state(node: Node) -> State:
    if node.status == "absent" and node.kind not in ("database", "cluster"):
        return NOT_RUNNING
    return state_of(NODES, node.status)


def _line(nodes: Mapping[str, Node], edge: Edge) -> Dict[str, Any]:
    state = state_of(NODES, edge.status)
    return {
        "from": nodes[edge.start].label,
        "from_kind": KINDS[nodes[edge.start].kind][0],
        "from_key": edge.start,
        "to": nodes[edge.end].label,
        "to_kind": KINDS[nodes[edge.end].kind][0],
        "to_key": edge.end,
        "connections": edge.connections,
        "state": state.shown(),
        "note": edge.label,
    }


def _box(node: Node) -> Dict[str, Any]:
    state = _state(node)
    return {"key": node.key, "kind": node.kind, "label": node.label, "state": state.shown(), "note": node.note}


class _Drawing:
    """Nodes and edges, brought into columns."""

    def __init__(self, nodes: Mapping[str, Node], edges: Sequence[Edge]) -> None:
        self.clusters = {key: node for key, node in nodes.items() if node.kind == "cluster"}
        self.nodes = {key: node for key, node in nodes.items() if node.kind != "cluster"}
        self.edges: List[Edge] = []
        self.folded = 0
        entered = set()
        for edge in edges:
            start = self.nodes.get(edge.start)
            if edge.end in self.clusters and start is not None and start.kind == "database":
                # The frame around it says this.
                start.frame = edge.end
            elif edge.start not in self.clusters:
                self.edges.append(edge)
                if edge.end in self.clusters:
                    entered.add(edge.end)
        inhabited = {node.frame for node in self.nodes.values()}
        for key, cluster in self.clusters.items():
            if key not in inhabited or key in entered:
                # Something to end at, for who is connected to a cluster and nobody knows to which database.
                label = "which one isn't known" if key in entered else "no database seen"
                self.nodes[key] = Node(key, "database", label, cluster.status, "", frame=key)
        self._fold()
        for edge in self.edges:
            self.nodes[edge.start].outgoing.append(edge)
            self.nodes[edge.end].incoming.append(edge)

    def _fold(self) -> None:
        ends = {edge.start for edge in self.edges} | {edge.end for edge in self.edges}
        for kind in _COLUMNS:
            column = [node for node in self.nodes.values() if node.kind == kind]
            if len(column) <= FOLD_ABOVE:
                continue
            quiet: Dict[str, List[Node]] = {}
            for node in column:
                if node.status == "ok" and node.key not in ends:
                    quiet.setdefault(node.frame, []).append(node)
            for frame, members in quiet.items():
                if len(members) > 1:
                    for node in members:
                        del self.nodes[node.key]
                    key = "more:%s:%s" % (kind, frame)
                    self.nodes[key] = Node(key, kind, "%d more" % len(members), "ok", "nobody connected", frame=frame)
                    self.folded += len(members)

    def drawn(self) -> Dict[str, Any]:
        """Return the drawing's boxes, lines and texts with their coordinates."""
        columns = [kind for kind in _COLUMNS if any(node.kind == kind for node in self.nodes.values())]
        at = {kind: index for index, kind in enumerate(columns)}
        layers: List[List[str]] = [
            sorted((key for key, node in self.nodes.items() if node.kind == kind), key=self._first) for kind in columns
        ]
        # A line that passes columns by gets a place in each, so that it runs through no box.
        routes: List[List[str]] = []
        lines: List[Tuple[str, str]] = []
        for number, edge in enumerate(self.edges):
            left, right = at[self.nodes[edge.start].kind], at[self.nodes[edge.end].kind]
            start, end = (edge.start, edge.end) if left <= right else (edge.end, edge.start)
            passed = ["%d:%d" % (number, index) for index in range(min(left, right) + 1, max(left, right))]
            for index, name in zip(range(min(left, right) + 1, max(left, right)), passed):
                layers[index].append(name)
            route = [start, *passed, end]
            routes.append(route)
            if left != right:
                lines += list(zip(route, route[1:]))
        layers = order(layers, lines, {key: node.frame for key, node in self.nodes.items() if node.frame})
        self._measure(layers, columns)
        middle = self._stack(layers, lines)
        return self._shape(layers, columns, routes, middle)

    def _first(self, key: str) -> Tuple[str, bool, str]:
        node = self.nodes[key]
        return (node.frame, node.status != "foreign", node.label)

    def _measure(self, layers: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
        x = float(_MARGIN)
        for layer, kind in zip(layers, columns):
            boxes = [self.nodes[name] for name in layer if name in self.nodes]
            widest = max(_label_width(node) for node in boxes)
            if kind == "database":
                # The frame is as wide as its boxes and their margins.
                labels = [width_of(_frame_label(cluster), _NOTE_PX) for cluster in self.clusters.values()]
                widest = max([widest, *(label + _BESIDE_LABEL - 2 * _FRAME_SIDE for label in labels)])
            width = min(float(_WIDEST), max(float(_NARROWEST), math.ceil(widest)))
            if kind == "database" and self.clusters:
                x += _FRAME_SIDE
            for node in boxes:
                node.x, node.width = x, width
                ports = max(len(node.outgoing), (len(node.incoming) + 1) // 2)
                node.height = float(max(_NODE_HEIGHT, 8 + _PORT * ports))
            x += width + _COLUMN_GAP

    def _stack(self, layers: Sequence[Sequence[str]], lines: Sequence[Tuple[str, str]]) -> Dict[str, float]:
        """Return the middle of each box and of each passing line, from the top."""
        height = {
            name: self.nodes[name].height if name in self.nodes else float(_PASSING)
            for layer in layers
            for name in layer
        }
        distances = []
        for layer in layers:
            steps = [0.0]
            for above, name in zip(layer, layer[1:]):
                gap = float(_GAP)
                if self._frame(above) != self._frame(name):
                    gap += _FRAME_HEAD + _FRAME_FOOT
                steps.append((height[above] + height[name]) / 2 + gap)
            distances.append(steps)
        middle: Dict[str, float] = {}
        for layer, steps in zip(layers, distances):
            # Each column begins in the middle of the tallest.
            total, at = sum(steps), 0.0
            for name, step in zip(layer, steps):
                at += step
                middle[name] = at - total / 2
        near: Dict[str, List[str]] = {name: [] for name in middle}
        for first, second in lines:
            near[first].append(second)
            near[second].append(first)
        for sweep in range(8):
            for layer, steps in list(zip(layers, distances))[:: 1 if sweep % 2 else -1]:
                wanted = [
                    sum(middle[other] for other in near[name]) / len(near[name]) if near[name] else middle[name]
                    for name in layer
                ]
                middle.update(zip(layer, place(wanted, steps)))
        head = _HEADING + _MARGIN + (_FRAME_HEAD if self.clusters else 0)
        lowest = min(middle[name] - height[name] / 2 for name in middle)
        return {name: at - lowest + head for name, at in middle.items()}

    def _frame(self, name: str) -> str:
        return self.nodes[name].frame if name in self.nodes else ""

    def _shape(
        self,
        layers: Sequence[Sequence[str]],
        columns: Sequence[str],
        routes: Sequence[Sequence[str]],
        middle: Mapping[str, float],
    ) -> Dict[str, Any]:
        for key, node in self.nodes.items():
            node.y = middle[key] - node.height / 2
        right = max(node.x + node.width for node in self.nodes.values())
        bottom = max(middle[name] for layer in layers for name in layer)
        bottom = max([bottom, *(node.y + node.height for node in self.nodes.values())])
        framed = bool(self.clusters)
        headings = []
        for layer, kind in zip(layers, columns):
            box = next(self.nodes[name] for name in layer if name in self.nodes)
            headings.append({"x": round(box.x), "y": _MARGIN + 14, "text": _HEADINGS[kind]})
        paths, pills = self._lines(layers, routes, middle)
        return {
            "width": round(right + _MARGIN + (_FRAME_SIDE if framed else 0)),
            "height": round(bottom + _MARGIN + (_FRAME_FOOT if framed else 0)),
            "headings": headings,
            "frames": self._frames(),
            "boxes": [_shown(node) for node in self.nodes.values()],
            "paths": paths,
            "pills": pills,
        }

    def _frames(self) -> List[Dict[str, Any]]:
        frames = []
        for key, cluster in self.clusters.items():
            members = [node for node in self.nodes.values() if node.frame == key]
            top = min(node.y for node in members) - _FRAME_HEAD
            bottom = max(node.y + node.height for node in members) + _FRAME_FOOT
            width = members[0].width + 2 * _FRAME_SIDE
            state = _state(cluster)
            label = _frame_label(cluster)
            frames.append({
                "x": round(members[0].x - _FRAME_SIDE), "y": round(top),
                "width": round(width), "height": round(bottom - top),
                "label": fit(label, width - 20, _NOTE_PX), "title": label, "state": state.shown(),
                "label_x": round(members[0].x - _FRAME_SIDE + 10), "label_y": round(top + 19),
            })  # fmt: skip
        return frames

    def _lines(
        self, layers: Sequence[Sequence[str]], routes: Sequence[Sequence[str]], middle: Mapping[str, float]
    ) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
        column = {name: index for index, layer in enumerate(layers) for name in layer}
        bounds = []
        for layer in layers:
            box = next(self.nodes[name] for name in layer if name in self.nodes)
            bounds.append((box.x, box.x + box.width))
        # On each side of a box lines begin and end in the order of what they lead to.
        sides: Dict[Tuple[str, bool], List[int]] = {}
        for number, route in enumerate(routes):
            same = column[route[0]] == column[route[-1]]
            sides.setdefault((route[0], True), []).append(number)
            sides.setdefault((route[-1], same), []).append(number)
        port: Dict[Tuple[int, str], float] = {}
        for (name, to_the_right), numbers in sides.items():

            def goal(number: int, name: str = name, to_the_right: bool = to_the_right) -> float:
                route = routes[number]
                if route[0] == name:
                    return middle[route[1]]
                return middle[route[-2]]

            node = self.nodes[name]
            step = min(float(_PORT), (node.height - 8) / len(numbers))
            for at, number in enumerate(sorted(numbers, key=goal)):
                port[number, name] = node.y + node.height / 2 + (at - (len(numbers) - 1) / 2) * step
        paths: List[Dict[str, Any]] = []
        pills: List[Dict[str, Any]] = []
        for number, (edge, route) in enumerate(zip(self.edges, routes)):
            ends = [port[number, name] if name in self.nodes else middle[name] for name in route]
            if column[route[0]] == column[route[-1]]:
                path = _loop(bounds[column[route[0]]][1], ends)
            else:
                path = _curve(bounds[column[route[0]]][1], ends, [bounds[column[name]] for name in route[1:]])
            title = "%s → %s" % (self._label(edge.start), self._label(edge.end))
            state = state_of(NODES, edge.status)
            title += ", %s" % counted(edge.connections, "connection", "connections")
            if state.word:
                title += ", %s" % state.word
            paths.append({"d": path, "width": thickness(edge.connections), "state": state.shown(), "title": title})
            text = ("%s %s" % (state.mark, edge.connections or "")).strip()
            if text:
                width = round(10 + 7.5 * len(text))
                x, y = round(bounds[column[route[0]]][1]) + 8, round(ends[0])
                pills.append({
                    "x": x, "y": y - 8, "width": width, "height": 16, "text": text, "state": state.shown(),
                    "text_x": x + width / 2, "text_y": y + 4,
                })  # fmt: skip
        # What is wrong is drawn last, and lies on top.
        paths.sort(key=lambda line: line["state"]["key"] == "foreign")
        return paths, pills

    def _label(self, key: str) -> str:
        return self.clusters[key].label if key in self.clusters else self.nodes[key].label


def thickness(connections: int) -> float:
    """Return how thick a line is drawn: twice the connections are one step."""
    return round(min(_THICKEST, 1.4 + 1.5 * math.log2(1 + connections)), 1)


def _loop(x: float, ends: Sequence[float]) -> str:
    return "M%d %d C%d %d %d %d %d %d" % (x, ends[0], x + 56, ends[0], x + 56, ends[1], x, ends[1])


def _curve(x: float, ends: Sequence[float], bounds: Sequence[Tuple[float, float]]) -> str:
    parts = ["M%d %d" % (x, ends[0])]
    for index, (left, right) in enumerate(bounds):
        above, y = ends[index], ends[index + 1]
        bend = (left - x) / 2
        parts.append("C%d %d %d %d %d %d" % (x + bend, above, left - bend, y, left, y))
        if index < len(bounds) - 1:
            parts.append("H%d" % right)
        x = right
    return " ".join(parts)


def _shown(node: Node) -> Dict[str, Any]:
    state = _state(node)
    note = state.word or node.note
    inner = node.width - _BESIDE_LABEL
    middle = node.y + node.height / 2
    title = "%s %s" % (KINDS[node.kind][0], node.label)
    for more in (state.word, node.note):
        title += ": %s" % more if more else ""
    return {
        "x": round(node.x), "y": round(node.y), "width": round(node.width), "height": round(node.height),
        "label": fit(node.label, inner, _LABEL_PX), "label_x": round(node.x + 11),
        "label_y": round(middle + (-3 if note else 5)),
        "note": fit(note, inner, _NOTE_PX), "note_y": round(middle + 14),
        "mark": state.mark, "mark_x": round(node.x + node.width), "mark_y": round(node.y),
        "mark_text_y": round(node.y) + 4,
        "title": title, "state": state.shown(),
    }  # fmt: skip


def _frame_label(cluster: Node) -> str:
    word = _state(cluster).word
    return "cluster %s" % cluster.label + (": %s" % word if word else "")


def _label_width(node: Node) -> float:
    note = _state(node).word or node.note
    return max(width_of(node.label, _LABEL_PX), width_of(note, _NOTE_PX)) + _BESIDE_LABEL


def width_of(text: str, size: int) -> float:
    """Return about how wide a text is drawn, in a font that is wider than most."""
    width = 0.0
    for letter in text:
        if unicodedata.combining(letter):
            continue
        if unicodedata.east_asian_width(letter) in "WF":
            width += 1.0
        elif letter in "mwMW@%—…":
            width += 1.0
        elif letter in "iljtfI.,:;'|!()[]/- ":
            width += 0.42
        elif letter.isupper():
            width += 0.76
        else:
            width += 0.64
    return width * size


def fit(text: str, width: float, size: int) -> str:
    """Return a text that fits; a longer one loses its middle, for names differ at their ends."""
    if width_of(text, size) <= width:
        return text
    kept = len(text) - 1
    while kept > 2:
        head = (kept + 1) // 2
        short = text[:head] + "…" + text[len(text) - (kept - head) :]
        if width_of(short, size) <= width:
            return short
        kept -= 1
    return text[:1] + "…"
