# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of a compose file as splices of its text, proven before anything is written.

Every edit says two things: which characters change, and which change of the tree that is to be. The new text is parsed
again and both trees are walked together: anything else that differs, and the edit is refused.
"""

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .._core.errors import BulkheadError, InputError
from .document import Document, Node
from .style import Style, Tagged, is_plain_string, key_text, render_block, render_flow, scalar_text

# What a new value may be: text, a number or truth value or null written plain, or a list or mapping of such.
Value = Any

_COLON = re.compile(r"\s*:")
_LIST_COMMENT = re.compile(r"#\s*-\s")


class _MappingEdit:
    """What is to be different in one mapping's own pairs."""

    def __init__(self) -> None:
        self.removed: Set[int] = set()
        self.added: Dict[str, Value] = {}


class _SequenceEdit:
    """What is to be different in one sequence's items."""

    def __init__(self) -> None:
        self.removed: Set[int] = set()
        self.added: List[Value] = []


class Editor:
    """Collects edits of one document, then makes the new content at once.

    Arguments:
        document: what is edited; it stays as it is.
        early: put new keys before a mapping's last pair instead of after it. The other place is tried where a
            last value would swallow what follows it.
    """

    def __init__(self, document: Document, early: bool = False) -> None:
        self.document = document
        self.text = document.text
        self.style = Style(document)
        self._early = early
        self._splices: List[Tuple[int, int, str]] = []
        self._mappings: Dict[int, _MappingEdit] = {}
        self._sequences: Dict[int, _SequenceEdit] = {}
        self._replaced: Dict[int, Value] = {}

    # Adding.

    def add_pair(self, mapping: Node, key: str, value: Value, quote: Optional[str] = None) -> None:
        """Add a key with a value to a mapping, at its end.

        Arguments:
            mapping: the node as it stands in the file: a mapping, or a null that becomes one.
            value: text, None, a number, a truth value, or a list or mapping of these.
            quote: how new texts are quoted; by default as the neighbours are.
        """
        if mapping.is_null:
            raise ValueError("a null becomes a mapping by fill_null")
        change = self._mappings.setdefault(id(mapping), _MappingEdit())
        change.added[key] = value
        name = key_text(key, mapping, mapping.flow)
        if quote is None:
            quote = self.style.quote_beside(mapping, key)
        if mapping.flow:
            text = name + ": " + render_flow(value, quote)
            if not mapping.pairs and len(change.added) > 1:
                # It comes behind the first one of a mapping that was empty.
                text = ", " + text
            self._add_flow(mapping, [_pair_span(pair) for pair in mapping.pairs], [text])
            return
        first = mapping.pairs[0][0]
        indent = self.style.column(first.start)
        # How lists and mappings are indented is asked of the whole document, and so only for one.
        offset, step, dash = 0, 0, "- "
        if isinstance(value, (dict, list, tuple)):
            offset, dash = self.style.offset_beside(mapping), self.style.dash_beside(mapping)
        if isinstance(value, dict):
            step = self.style.step(mapping)
        lines = [" " * indent + line for line in render_block(name, value, offset, step, quote, dash)]
        if self._early:
            self._insert_lines(self.style.line_start(mapping.pairs[-1][0].start), lines)
            return
        if mapping is self.document.root and self._is_spaced(mapping):
            lines.insert(0, "")
        self._insert_lines(self._after_comments(self._line_after(mapping), indent), lines)

    def _is_spaced(self, mapping: Node) -> bool:
        """Return whether blank lines stand between a mapping's keys; a single one is taken for such."""
        starts = [self.style.line_start(key.start) for key, _value in mapping.pairs[1:]]
        before = [self.text[self.style.line_start(start - 1) : start] for start in starts if start]
        return not before or any(not line.strip() for line in before)

    def fill_null(self, key: Node, value: Node, content: Value, quote: str = '"') -> None:
        """Give a key without a value a list or a mapping.

        Arguments:
            key: the key's node. value: its value, a null.
        """
        self._replaced[id(value)] = content
        if value.value or value.anchor:
            # `null`, `~`: the word gives way to the value in flow style, on the same line.
            self._splice(self.document.content_start(value), value.end, render_flow(content, quote))
            return
        column = self.style.column(key.start)
        if self.style.is_in_flow(value) or self.text[self.style.line_start(key.start) : key.start].strip(" "):
            self._splice(value.end, value.end, " " + render_flow(content, quote))
            return
        rendered = render_block("", content, self.style.offset(), self.style.default_step(), quote, self.style.dash())
        self._insert_lines(self.style.line_after(value.end), [" " * column + line for line in rendered[1:]])

    def append_items(self, sequence: Node, values: Sequence[Value], quote: Optional[str] = None) -> None:
        """Append texts to a list, in its own style."""
        change = self._sequences.setdefault(id(sequence), _SequenceEdit())
        change.added.extend(values)
        if quote is None:
            quote = self.style.quote_in(sequence)
        if sequence.flow:
            spans = [(item.start, content_end(item)[0]) for item in sequence.items]
            texts = [render_flow(value, quote) for value in values]
            if not spans and self._in_flow(sequence) and self.text[sequence.end - 2] == "[":
                texts = [" " + ", ".join(texts) + " "]
            self._add_flow(sequence, spans, texts)
            return
        last = sequence.items[-1]
        prefix = self.text[self.style.line_start(last.start) : last.start]
        if not re.match(r"^ *-[ \t]+$", prefix):
            prefix = " " * self.style.column(sequence.start) + "- "
        self._insert_lines(self._line_after(sequence), [prefix + scalar_text(value, quote, False) for value in values])

    def list_to_mapping(self, sequence: Node, values: Mapping[str, Value]) -> None:
        """Turn a list of texts into a mapping with these texts as keys, and give it values.

        Arguments:
            values: by key; those of the list get theirs where they stand, others come after them.

        Raises:
            BulkheadError: an item is more than a text, or stands in an unusual way.
        """
        names = [item.value for item in sequence.items]
        if sequence.anchor or any(item.kind != "scalar" or item.anchor or item.tag for item in sequence.items):
            raise self._refused("the list in line %d is more than texts" % self.document.line_number(sequence.start))
        self._replaced[id(sequence)] = {**dict.fromkeys(names), **values}
        if sequence.flow:
            if "#" in self.text[sequence.start : sequence.end]:
                raise self._refused("a comment stands in line %d" % self.document.line_number(sequence.start))
            self._splice(sequence.start, sequence.end, render_flow(self._replaced[id(sequence)], ""))
            return
        step, offset, dash = self.style.default_step(), self.style.offset(), self.style.dash()
        indent = " " * self.style.column(sequence.start)
        for item in sequence.items:
            start = self.style.line_start(item.start)
            prefix = self.text[start : item.start]
            if not re.match(r"^ *-[ \t]+$", prefix):
                raise self._refused("line %d holds more than one item" % self.document.line_number(item.start))
            # A list may stand as far out as its key; a mapping can't.
            indent = " " * (len(prefix) - len(prefix.lstrip(" ")) or 0)
            indent += " " * (step if self._column_of_key(sequence) == len(indent) else 0)
            rendered = render_block(
                scalar_text(item.value, item.style, False), values.get(item.value), offset, step, "", dash
            )
            self._splice(start, item.end, indent + rendered[0])
            if rendered[1:]:
                self._insert_lines(self.style.line_after(item.end), [indent + line for line in rendered[1:]])
        lines = [
            indent + line
            for name, value in values.items()
            if name not in names
            for line in render_block(scalar_text(name, "", False), value, offset, step, "", dash)
        ]
        if lines:
            self._insert_lines(self._line_after(sequence), lines)

    def _column_of_key(self, value: Node) -> int:
        """Return the column of the key whose value begins on a later line."""
        line = self.style.line_start(value.start)
        while line:
            line = self.style.line_start(line - 1)
            text = self.text[line : self.style.line_after(line)]
            if text.strip() and not text.lstrip().startswith("#"):
                return len(text) - len(text.lstrip(" "))
        return 0

    # Changing.

    def replace(self, node: Node, value: Value, quote: Optional[str] = None) -> None:
        """Put another text where a scalar or an alias stands, quoted as it was."""
        if node.kind not in ("scalar", "alias") or node.anchor or node.tag not in (None, "tag:yaml.org,2002:str"):
            raise self._refused("the value in line %d has an anchor or a tag" % self.document.line_number(node.start))
        if node.style in ("|", ">"):
            raise self._refused("the value in line %d is a block of lines" % self.document.line_number(node.start))
        self._replaced[id(node)] = value
        if node.kind == "alias" or (node.is_null and quote is None):
            quote = quote or '"'
        text = scalar_text(value, node.style if quote is None else quote, self._in_flow(node))
        if node.start == node.end:
            text = " " + text if self.text[node.start - 1 : node.start] not in (" ", "\t") else text
        self._splice(node.start, node.end, text)

    def _in_flow(self, node: Node) -> bool:
        return self.style.is_in_flow(node)

    # Removing.

    def remove_items(self, sequence: Node, places: Sequence[int]) -> None:
        """Remove some, not all, of a block list's items, or any of a flow list's."""
        self._sequences.setdefault(id(sequence), _SequenceEdit()).removed.update(places)
        if sequence.flow:
            self._remove_flow(sequence, [(item.start, content_end(item)[0]) for item in sequence.items], set(places))
            return
        for place in places:
            self._remove_lines(sequence.items[place].start, self._line_after(sequence.items[place]), "-")

    def remove_pair(self, mapping: Node, key: str, parent: Optional[Tuple[Node, Node]] = None) -> None:
        """Remove a key with its value.

        Arguments:
            parent: the pair whose value the mapping is: where nothing is left of it, it becomes ``{}``.
        """
        self.remove_pairs(mapping, [mapping.index(key)], parent)

    def remove_pairs(self, mapping: Node, places: Sequence[int], parent: Optional[Tuple[Node, Node]] = None) -> None:
        """Remove pairs by their places, as ``remove_pair`` does."""
        change = self._mappings.setdefault(id(mapping), _MappingEdit())
        change.removed.update(places)
        if mapping.flow:
            self._remove_flow(mapping, [_pair_span(pair) for pair in mapping.pairs], set(places))
            return
        if len(change.removed) == len(mapping.pairs):
            if parent is None:
                raise self._refused("nothing would be left of a mapping")
            self._write_empty(parent[0], mapping, "{}")
        for place in sorted(places):
            name, value = mapping.pairs[place]
            end = max(self._line_after(value), self.style.line_after(name.end))
            start = self.style.line_start(name.start)
            if mapping is self.document.root and start and place == len(mapping.pairs) - 1:
                # The blank line above a last section goes with it.
                before = self.style.line_start(start - 1)
                if not self.text[before:start].strip():
                    self._remove_lines(before, end, "")
                    continue
            self._remove_lines(name.start, end, "")

    def without_root(self) -> Optional[str]:
        """Return the text without all that the document holds; None where comments inside it would go as well."""
        root = self.document.root
        if root is None or root.flow or not root.pairs:
            return None
        start, end = self.style.line_start(root.start), self._line_after(root)
        return None if "#" in self.text[start:end] else self.text[:start] + self.text[end:]

    def stays_when_empty(self, collection: Node) -> bool:
        """Return whether a list or mapping that loses all it has is to stay, as ``[]`` or ``{}``.

        In block style it goes with its key: it came with it. One in flow style stays, for a block mapping is never
        given a new one; inside another flow mapping it stays where it has blanks inside its brackets, which is how
        ``append_items`` fills an empty one there.
        """
        if not collection.flow:
            return False
        return not self._in_flow(collection) or self.text[collection.end - 2 : collection.end - 1] == " "

    def clear(self, key: Node, collection: Node) -> None:
        """Empty a list or mapping that has to stay: ``key: []`` or ``key: {}``; comments in a block one stay too."""
        if collection.flow and collection.kind == "sequence":
            self.remove_items(collection, range(len(collection.items)))
            return
        if collection.flow:
            self.remove_pairs(collection, range(len(collection.pairs)))
            return
        if collection.kind == "sequence":
            self._sequences.setdefault(id(collection), _SequenceEdit()).removed.update(range(len(collection.items)))
            self._write_empty(key, collection, "[]")
            for item in collection.items:
                self._remove_lines(item.start, self._line_after(item), "-")
            return
        self._mappings.setdefault(id(collection), _MappingEdit()).removed.update(range(len(collection.pairs)))
        self._write_empty(key, collection, "{}")
        for name, value in collection.pairs:
            self._remove_lines(name.start, max(self._line_after(value), self.style.line_after(name.end)), "")

    def holds_comments(self, key: Node, collection: Node) -> bool:
        """Return whether comments of their own lines stand in a block list or mapping, or beside its key."""
        if collection.flow:
            return False
        start, end = key.end, self._line_after(collection)
        elements = [(item.start, content_end(item)[0]) for item in collection.items]
        elements += [_pair_span(pair) for pair in collection.pairs]
        first = self.style.line_start(elements[0][0])
        if "#" in _COLON.sub("", self.text[start:first], count=1):
            return True
        for (_begin, done), (begin, _done) in zip(elements, elements[1:]):
            if "#" in self.text[self.style.line_after(done) : self.style.line_start(begin)]:
                return True
        column = self.style.column(key.start)
        line = self.text[end : self.style.line_after(end)]
        comment = line.lstrip(" ")
        own = len(line) - len(comment)
        return comment.startswith("#") and (own > column or (own == column and bool(_LIST_COMMENT.match(comment))))

    # The result.

    @property
    def changed(self) -> bool:
        """Whether there is any edit."""
        return bool(self._splices)

    def result(self) -> Document:
        """Return the edited document.

        Raises:
            BulkheadError: the new text does not hold exactly the wanted difference. Nothing is to be written.
        """
        pieces: List[str] = []
        position = 0
        for start, end, new in sorted(self._splices, key=lambda splice: (splice[0], splice[1])):
            if start < position:
                raise self._refused("two of its edits overlap in line %d" % self.document.line_number(start))
            pieces.append(self.text[position:start])
            pieces.append(new)
            position = end
        pieces.append(self.text[position:])
        text = "".join(pieces)
        if not self.text.endswith("\n") and text.endswith("\n"):
            # Its last lines went, and it never ended with a line end.
            text = text[:-2] if text.endswith("\r\n") else text[:-1]
        try:
            after = Document(self.document.encode(text), self.document.name, self.document.pure)
        except InputError as error:
            raise self._refused("the result would not be the YAML that is wanted (%s)" % error.message) from error
        problem = self._difference(self.document.root, after.root)
        if problem:
            raise self._refused("more than what was asked for would change: %s" % problem)
        return after

    def _refused(self, reason: str) -> BulkheadError:
        return BulkheadError(
            "%s can't be edited safely: %s. Nothing was written." % (self.document.name, reason),
            "Make this change by hand, or use mode=override.",
        )

    def owners_edited(self, owners: Mapping[str, Node], key: str) -> Optional[Set[str]]:
        """Return which of these mappings get another value of a key; None where anything else is edited too.

        Arguments:
            owners: nodes by name: mappings, or nulls that become one.
        """
        edits = set(self._mappings) | set(self._sequences) | set(self._replaced)
        edited: Set[str] = set()
        for name, owner in owners.items():
            names = set()
            change = self._mappings.get(id(owner))
            if change is not None:
                names = set(change.added) | {owner.pairs[place][0].value for place in change.removed}
            elif id(owner) in self._replaced:
                names = set(self._replaced[id(owner)])
            if not names <= {key}:
                return None
            value = owner.get(key)
            inner = [] if value is None else [value, *value.items, *(item for _name, item in value.pairs)]
            places = {id(owner), *(id(node) for node in inner)} & edits
            if places:
                edited.add(name)
                edits -= places
        return None if edits else edited

    # Splices.

    def _splice(self, start: int, end: int, new: str) -> None:
        self._splices.append((start, end, new))

    def _insert_lines(self, position: int, lines: Sequence[str]) -> None:
        ending = self.style.newline_before(position)
        if position and self.text[position - 1] != "\n":
            self._splice(position, position, "".join(ending + line for line in lines))
        else:
            self._splice(position, position, "".join(line + ending for line in lines))

    def _line_after(self, node: Node) -> int:
        """Return the start of the line after a node's content."""
        position, is_block = content_end(node)
        if not is_block:
            return self.style.line_after(position)
        start = self.style.line_start(position)
        if self.text[start:position].strip(" "):
            return self.style.line_after(position)
        if "+" in self.text[_last(node).start : self.style.line_after(_last(node).start)]:
            return start
        while start > 1:
            previous = self.style.line_start(start - 1)
            if self.text[previous:start].strip() or previous <= _last(node).start:
                break
            start = previous
        return start

    def _after_comments(self, position: int, indent: int) -> int:
        """Pass over the comment lines that follow directly and are indented at least as far."""
        while position < len(self.text):
            end = self.style.line_after(position)
            line = self.text[position:end]
            comment = line.lstrip(" ")
            if not comment.startswith("#") or len(line) - len(comment) < max(indent, 1):
                break
            position = end
        return position

    def _remove_lines(self, start: int, end: int, mark: str) -> None:
        begin = self.style.line_start(start)
        if self.text[begin:start].strip() not in ("", mark):
            raise self._refused("line %d holds more than what is to go" % self.document.line_number(start))
        self._splice(begin, end, "")

    def _write_empty(self, key: Node, collection: Node, empty: str) -> None:
        if collection.anchor or collection.tag:
            position = self.document.content_start(collection)
            self._splice(position, position, empty if self.text[position - 1] in " \t" else " " + empty)
            return
        colon = _COLON.match(self.text, key.end)
        if colon is None:
            raise self._refused("line %d is written in an unusual way" % self.document.line_number(key.start))
        self._splice(colon.end(), colon.end(), " " + empty)

    def _add_flow(self, node: Node, spans: Sequence[Tuple[int, int]], texts: Sequence[str]) -> None:
        if not spans:
            position = self.text.index("[" if node.kind == "sequence" else "{", self.document.content_start(node)) + 1
            self._splice(position, position, ", ".join(texts))
            return
        start, end = spans[-1]
        line = self.style.line_start(start)
        closing = self.style.line_start(node.end - 1)
        if not self.text[line:start].strip() and closing > end:
            rest = self.text[end : self.style.line_after(end)]
            trailing = rest.lstrip().startswith(",") or self.text[end : node.end - 1].lstrip().startswith(",")
            if not trailing:
                self._splice(end, end, ",")
            lines = [self.text[line:start] + text + "," for text in texts]
            if not trailing:
                lines[-1] = lines[-1][:-1]
            self._insert_lines(self.style.line_after(end), lines)
            return
        gap = self.text[spans[-2][1] : start] if len(spans) > 1 else ", "
        separator = gap if re.match(r"^, *$", gap) else ", "
        self._splice(end, end, "".join(separator + text for text in texts))

    def _remove_flow(self, node: Node, spans: Sequence[Tuple[int, int]], places: Set[int]) -> None:
        ordered = sorted(places)
        count = len(spans)
        runs: List[List[int]] = []
        for place in ordered:
            if runs and runs[-1][1] == place - 1:
                runs[-1][1] = place
            else:
                runs.append([place, place])
        for first, last in runs:
            if first:
                start, end = spans[first - 1][1], spans[last][1]
            elif last < count - 1:
                start, end = spans[0][0], spans[last + 1][0]
            else:
                start, end = spans[0][0], spans[last][1]
                comma = re.compile(r"\s*,").match(self.text, end)
                end = comma.end() if comma else end
            gaps = "".join(
                self.text[spans[place][1] : spans[place + 1][0]]
                for place in range(max(first - 1, 0), min(last if first else last + 1, count - 1))
            )
            if "#" in gaps or all(self._stands_alone(*span) for span in spans[first : last + 1]):
                self._remove_flow_lines(node, spans, first, last)
            else:
                self._splice(start, end, "")

    def _stands_alone(self, start: int, end: int) -> bool:
        """Return whether an entry of a flow list or mapping has its lines to itself, with its comma and a comment."""
        before = self.text[self.style.line_start(start) : start]
        after = self.text[end : self.style.line_after(end)].strip()
        after = after[1:].lstrip() if after.startswith(",") else after
        return not before.strip() and (not after or after.startswith("#"))

    def _remove_flow_lines(self, node: Node, spans: Sequence[Tuple[int, int]], first: int, last: int) -> None:
        for place in range(first, last + 1):
            start, end = spans[place]
            if not self._stands_alone(start, end):
                raise self._refused(
                    "a comment stands between the entries in line %d" % self.document.line_number(start)
                )
            self._remove_lines(start, self.style.line_after(end), "")
        comma_after_last = self.text[spans[-1][1] : node.end - 1].lstrip().startswith(",")
        if last == len(spans) - 1 and first and not comma_after_last:
            comma = self.text.index(",", spans[first - 1][1])
            self._splice(comma, comma + 1, "")

    # The proof.

    def _difference(self, before: Optional[Node], after: Optional[Node]) -> str:
        """Return where two trees differ otherwise than wanted; an empty text where they don't."""
        if before is None or after is None:
            return "" if before is after else "the document"
        # Two lists in step: a list of pairs would make a tuple for each node of the file.
        olds, news = [before], [after]
        while olds:
            old, new = olds.pop(), news.pop()
            if id(old) in self._replaced:
                if not matches(new, self._replaced[id(old)]) or new.anchor != old.anchor:
                    return "line %d" % self.document.line_number(old.start)
                continue
            kind = old.kind
            if (
                old.value != new.value
                or kind != new.kind
                or old.style != new.style
                or old.tag != new.tag
                or old.anchor != new.anchor
            ):
                return "line %d" % self.document.line_number(old.start)
            if kind == "mapping":
                pairs, others = self._without_changed_pairs(old, new)
                if pairs is None or others is None or len(pairs) != len(others):
                    return "line %d" % self.document.line_number(old.start)
                for old_pair, new_pair in zip(pairs, others):
                    olds += old_pair
                    news += new_pair
            elif kind == "sequence":
                items = old.items
                added: List[Value] = []
                if id(old) in self._sequences:
                    change = self._sequences[id(old)]
                    items = [item for place, item in enumerate(items) if place not in change.removed]
                    added = change.added
                if len(new.items) != len(items) + len(added):
                    return "line %d" % self.document.line_number(old.start)
                if not all(matches(item, value) for item, value in zip(new.items[len(items) :], added)):
                    return "line %d" % self.document.line_number(old.start)
                olds += items
                news += new.items[: len(items)]
        return ""

    def _without_changed_pairs(
        self, old: Node, new: Node
    ) -> Tuple[Optional[List[Tuple[Node, Node]]], Optional[List[Tuple[Node, Node]]]]:
        change = self._mappings.get(id(old))
        if change is None:
            return old.pairs, new.pairs
        kept = [pair for place, pair in enumerate(old.pairs) if place not in change.removed]
        rest = []
        missing = dict(change.added)
        for key, value in new.pairs:
            if key.kind == "scalar" and key.value in missing:
                if not matches(key, key.value) or not matches(value, missing.pop(key.value)):
                    return None, None
            else:
                rest.append((key, value))
        return (None, None) if missing else (kept, rest)


def matches(node: Node, value: Value) -> bool:
    """Return whether a node is exactly a value: texts must be texts to every reader, numbers and nulls plain."""
    if isinstance(value, Tagged):
        if node.tag != value.tag:
            return False
        return node.value == "null" if value.value is None else matches(node, value.value)
    if value is None:
        return node.is_null
    if isinstance(value, bool):
        return node.kind == "scalar" and not node.style and node.value == ("true" if value else "false")
    if isinstance(value, (int, float)):
        return node.kind == "scalar" and not node.style and node.value == str(value)
    if isinstance(value, str):
        return node.kind == "scalar" and node.value == value and (bool(node.style) or is_plain_string(value))
    if isinstance(value, dict):
        if node.kind != "mapping" or len(node.pairs) != len(value):
            return False
        return all(
            key.kind == "scalar" and key.value == name and matches(item, wanted)
            for (key, item), (name, wanted) in zip(node.pairs, value.items())
        )
    return (
        node.kind == "sequence"
        and len(node.items) == len(value)
        and all(matches(item, wanted) for item, wanted in zip(node.items, value))
    )


def _last(node: Node) -> Node:
    while node.kind in ("mapping", "sequence") and not node.flow:
        if node.pairs:
            node = node.pairs[-1][1]
        elif node.items:
            node = node.items[-1]
        else:
            break
    return node


def content_end(node: Node) -> Tuple[int, bool]:
    """Return where a node's content ends, and whether it is a block scalar, whose end is the start of a line."""
    end = 0
    while node.kind in ("mapping", "sequence") and not node.flow:
        if node.pairs:
            end = node.pairs[-1][0].end
            node = node.pairs[-1][1]
        elif node.items:
            node = node.items[-1]
        else:
            break
    if node.kind == "scalar" and node.style in ("|", ">"):
        return node.end, True
    return max(node.end, end), False


def _pair_span(pair: Tuple[Node, Node]) -> Tuple[int, int]:
    return pair[0].start, max(pair[0].end, content_end(pair[1])[0])


def edit_with_fallback(document: Document, make: Callable[[Editor], None]) -> Optional[Document]:
    """Make edits as ``edit`` does; return only the edited document, or None where there was nothing to edit."""
    return edit(document, make)[1]


def edit(document: Document, make: Callable[[Editor], None]) -> Tuple[Editor, Optional[Document]]:
    """Make edits with new keys at the end of their mapping, and once more before its last pair where that fails.

    Arguments:
        make: is called with an Editor and makes the edits.

    Returns: the editor, and the edited document or None where there was nothing to edit.
    """
    editor = Editor(document)
    make(editor)
    if not editor.changed:
        return editor, None
    try:
        return editor, editor.result()
    except BulkheadError as first:
        second = Editor(document, early=True)
        make(second)
        try:
            return second, second.result()
        except BulkheadError:
            raise first from None
