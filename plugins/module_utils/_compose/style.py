# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a compose file is written: indentation, list marks, quotes and line ends, and new text in the same manner."""

import json
import re
from collections import Counter
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .document import STRING_TAG, Document, Node

# Texts that some reader of YAML 1.1 or 1.2 takes for something else.
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "="}
_PLAIN = re.compile(r"^[A-Za-z_/$.@][^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]*$")
_FLOW_SPECIAL = re.compile(r"[\[\]{},:#?*&!|>'\"%@`$ ]")
_NUMBER_LIKE = re.compile(r"^[.+-]?(\d[\d_.,:eExXobB+-]*|\.?(inf|nan))$", re.IGNORECASE)
# How far the siblings of a new key are looked at; a mapping with more is read from its end.
_SIBLINGS = 40


class Tagged(NamedTuple):
    """A value with one of Compose's own tags, for an override file: ``!reset null``, ``!override [retired]``."""

    tag: str
    value: Any


def is_plain_string(value: str) -> bool:
    """Return whether a text, written without quotes, is a text to every reader."""
    return bool(
        _PLAIN.match(value)
        and value == value.strip()
        and value.lower() not in _WORDS
        and not _NUMBER_LIKE.match(value)
        and ": " not in value
        and " #" not in value
        and "\t" not in value
        and not value.endswith(":")
        and not value.startswith(("@", "---", "..."))
    )


def scalar_text(value: Any, quote: str, in_flow: bool) -> str:
    """Return a scalar as YAML text, quoted in this style where that is possible, else in one in which it is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if quote not in ("'", '"') and is_plain_string(value) and not (in_flow and _FLOW_SPECIAL.search(value)):
        return str(value)
    if quote == "'" and value.isprintable():
        return "'%s'" % value.replace("'", "''")
    # A JSON string is a YAML one; what JSON leaves bare and YAML doesn't print is escaped too.
    text = json.dumps(value, ensure_ascii=False)
    return "".join(
        mark if mark.isprintable() else ("\\u%04x" if ord(mark) < 0x10000 else "\\U%08x") % ord(mark) for mark in text
    )


def render_flow(value: Any, quote: str) -> str:
    """Return a value in flow style, on one line."""
    if isinstance(value, Tagged):
        return "%s %s" % (value.tag, render_flow(value.value, quote))
    if isinstance(value, dict):
        pairs = ["%s: %s" % (scalar_text(name, "", True), render_flow(item, quote)) for name, item in value.items()]
        return "{%s}" % ", ".join(pairs)
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(render_flow(item, quote) for item in value)
    return scalar_text(value, quote, True)


def render_block(name: str, value: Any, offset: int, step: int, quote: str, dash: str = "- ") -> List[str]:
    """Return ``name: value`` as lines in block style, without indentation of its own.

    Arguments:
        name: the key as it is to be written.
        offset: by how much a list stands further in than its key. step: the same of a mapping.
        dash: a list's mark with what follows it.
    """
    if isinstance(value, Tagged):
        return ["%s: %s" % (name, render_flow(value, quote))]
    if isinstance(value, dict) and value:
        lines = [name + ":"]
        for key, item in value.items():
            lines += [
                " " * step + line for line in render_block(scalar_text(key, "", False), item, offset, step, quote, dash)
            ]
        return lines
    if isinstance(value, (list, tuple)) and value:
        lines = [name + ":"]
        for item in value:
            text = (
                render_flow(item, quote) if isinstance(item, (dict, list, tuple)) else scalar_text(item, quote, False)
            )
            lines.append(" " * offset + dash + text)
        return lines
    if value is None:
        return [name + ":"]
    if isinstance(value, (dict, list, tuple)):
        return ["%s: %s" % (name, render_flow(value, quote))]
    return ["%s: %s" % (name, scalar_text(value, quote, False))]


def key_text(key: str, mapping: Node, in_flow: bool) -> str:
    """Return a new key as text: quoted where all its neighbours are."""
    styles = {
        name.style for name, _value in mapping.pairs[-_SIBLINGS:] if name.kind == "scalar" and not name.is_merge_key
    }
    quote = styles.pop() if len(styles) == 1 else ""
    return scalar_text(key, quote, in_flow)


class Style:
    """The manner of one document; what is asked of the whole document is found once."""

    def __init__(self, document: Document) -> None:
        self._text = document.text
        self._root = document.root
        self._whole: Optional[Tuple[int, str, int]] = None
        self._host_quotes: "Counter[str]" = Counter()
        self._flow_children: Dict[int, bool] = {}

    # Lines.

    def line_start(self, position: int) -> int:
        """Return the start of the line in which a position is."""
        return self._text.rfind("\n", 0, position) + 1

    def line_after(self, position: int) -> int:
        """Return the start of the next line, or the end of the text."""
        end = self._text.find("\n", position)
        return len(self._text) if end < 0 else end + 1

    def column(self, position: int) -> int:
        """Return how many characters stand before a position in its line."""
        return position - self.line_start(position)

    def newline_before(self, position: int) -> str:
        """Return the line end of the line before a position, or of the nearest one."""
        found = self._text.rfind("\n", 0, position)
        if found < 0:
            found = self._text.find("\n", position)
        return "\r\n" if found > 0 and self._text[found - 1] == "\r" else "\n"

    # Lists.

    def offset_beside(self, mapping: Node) -> int:
        """Return by how much a new list under a key of this mapping stands further in than the key."""
        found = self._sibling_lists(mapping)
        return found[0][0] if found else self.offset(self.step(mapping))

    def dash_beside(self, mapping: Node) -> str:
        """Return a list's mark, with the spaces after it, as the lists of this mapping have it."""
        found = self._sibling_lists(mapping)
        return found[0][1] if found else self.dash()

    def offset(self, default: Optional[int] = None) -> int:
        """Return by how much the document's lists stand further in than their keys."""
        offset = self._of_document()[0]
        return offset if offset >= 0 else (self.default_step() if default is None else default)

    def dash(self) -> str:
        """Return a list's mark as the document has it."""
        return self._of_document()[1]

    def default_step(self) -> int:
        """Return by how much the document's mappings stand further in than their keys."""
        return self._of_document()[2]

    def step(self, mapping: Node) -> int:
        """Return by how much mappings under this one's keys stand further in than the keys."""
        column = self.column(mapping.pairs[0][0].start) if mapping.pairs and not mapping.flow else 0
        for _key, value in mapping.pairs[-_SIBLINGS:]:
            if value.kind == "mapping" and not value.flow and value.pairs:
                step = self.column(value.pairs[0][0].start) - column
                if step > 0:
                    return step
        return self.default_step()

    def _sibling_lists(self, mapping: Node) -> List[Tuple[int, str]]:
        column = self.column(mapping.pairs[0][0].start)
        found: "Counter[Tuple[int, str]]" = Counter()
        for _key, value in mapping.pairs[-_SIBLINGS:]:
            if value.kind == "sequence" and not value.flow and value.items:
                found[(self._dash_column(value) - column, self._dash_of(value))] += 1
        return [shape for shape, _count in found.most_common() if shape[0] >= 0]

    def _dash_column(self, sequence: Node) -> int:
        line = self.line_start(sequence.items[0].start)
        prefix = self._text[line : sequence.items[0].start]
        return len(prefix) - len(prefix.lstrip(" "))

    def _dash_of(self, sequence: Node) -> str:
        first = sequence.items[0]
        prefix = self._text[self.line_start(first.start) : first.start]
        found = re.match(r"^ *(-[ \t]+)$", prefix)
        return found.group(1) if found and first.kind != "mapping" else "- "

    # Quotes.

    def quote_in(self, sequence: Node) -> str:
        """Return how a list's texts are quoted: as its last one is."""
        for item in reversed(sequence.items):
            if item.kind == "scalar" and item.style in ("", "'", '"'):
                return item.style
        return self._host_quote() or '"'

    def quote_beside(self, mapping: Node, key: str) -> str:
        """Return how new texts under a new key are quoted: as under that key elsewhere, else as beside it."""
        if key == "extra_hosts":
            known = self._host_quote()
            if known is not None:
                return known
        found: "Counter[str]" = Counter()
        for _name, value in mapping.pairs[-_SIBLINGS:]:
            for item in value.items[-_SIBLINGS:]:
                if item.kind == "scalar" and item.style in ("", "'", '"'):
                    found[item.style] += 1
        return found.most_common(1)[0][0] if found else '"'

    def _host_quote(self) -> Optional[str]:
        if "extra_hosts" not in self._text:
            return None
        self._of_document()
        return self._host_quotes.most_common(1)[0][0] if self._host_quotes else None

    def is_in_flow(self, node: Node) -> bool:
        """Return whether a node stands inside a flow list or mapping."""
        if not self._flow_children:
            self._flow_children[0] = True
            waiting: List[Tuple[Node, bool]] = [] if self._root is None else [(self._root, False)]
            while waiting:
                current, inside = waiting.pop()
                if inside:
                    self._flow_children[id(current)] = True
                inside = inside or current.flow
                waiting.extend((item, inside) for item in current.items)
                for name, value in current.pairs:
                    waiting.append((name, inside))
                    waiting.append((value, inside))
        return id(node) in self._flow_children

    def _of_document(self) -> Tuple[int, str, int]:
        if self._whole is not None:
            return self._whole
        offsets: "Counter[Tuple[int, str]]" = Counter()
        steps: "Counter[int]" = Counter()
        waiting = [] if self._root is None else [self._root]
        while waiting:
            node = waiting.pop()
            waiting.extend(item for item in node.items if item.kind in ("mapping", "sequence"))
            if node.flow or not node.pairs:
                waiting.extend(value for _key, value in node.pairs if value.kind in ("mapping", "sequence"))
                continue
            column = self.column(node.pairs[0][0].start)
            for key, value in node.pairs:
                if value.kind not in ("mapping", "sequence"):
                    continue
                waiting.append(value)
                if key.value == "extra_hosts":
                    self._host_quotes.update(
                        item.style for item in value.items if item.kind == "scalar" and item.style in ("", "'", '"')
                    )
                if value.flow:
                    continue
                if value.items:
                    offsets[(self._dash_column(value) - column, self._dash_of(value))] += 1
                elif value.pairs:
                    steps[self.column(value.pairs[0][0].start) - column] += 1
        found = [shape for shape, _count in offsets.most_common() if shape[0] >= 0]
        step = next((size for size, _count in steps.most_common() if size > 0), 2)
        self._whole = (found[0][0], found[0][1], step) if found else (-1, "- ", step)
        return self._whole


def is_text(node: Node) -> bool:
    """Return whether a scalar is a text to every reader."""
    return node.kind == "scalar" and (bool(node.style) or node.tag == STRING_TAG or is_plain_string(node.value))
