# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second route beside one that is there, in a gateway's YAML: what Kong's files and Envoy's have in common.

What is copied are the lines of the file itself, with comments and ``${…}``; only names, paths and hosts are others.
Between two marks it stands behind the original, and taking it away gives the file back, byte for byte.
"""

import re
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .._compose.document import Document, Node
from .._compose.edit import content_end
from .._compose.style import Style
from .._core.errors import ConflictError, InputError, StateError
from . import gateway

Spot = Tuple[Node, str]


class Copy(NamedTuple):
    """An item of a list that is copied behind itself, and which of its scalars become what."""

    item: Node
    spots: List[Spot]


class Wanted(NamedTuple):
    """A route: the path of the one that is copied, what goes before it, and where both lead."""

    like: str
    route: str
    host: str
    port: str

    @property
    def path(self) -> str:
        """The path of the new route."""
        return self.route + self.like

    @property
    def suffix(self) -> str:
        """What tells the names of the copy from those of the original."""
        return self.route.replace("/", "-")


def wanted_route(like: str, route: str, service: str) -> Wanted:
    """Return a route from options; service is a host, or host and port."""
    gateway.check_route(route)
    gateway.check_service(service, "service")
    if not like.startswith("/"):
        raise InputError("like is %r, and a path begins with a slash." % like, "For example /rest/v1/.")
    host, _colon, port = service.partition(":")
    return Wanted(like, route, host, port)


def remove(data: bytes, route: str) -> bytes:
    """Return a file without the blocks of a route; nothing else differs."""
    gateway.check_route(route)
    text = data.decode("latin-1")
    begin, end = gateway.marks(route)
    pattern = re.compile(
        r"\r?\n[ ]*%s[ ]*\r?\n(?:.*\r?\n)*?[ ]*%s[ ]*(?=\r?\n|\Z)" % (re.escape(begin), re.escape(end))
    )
    bare = pattern.sub("", text)
    left = [mark for mark in (begin, end) if re.search(r"^[ ]*%s[ ]*\r?$" % re.escape(mark), bare, re.MULTILINE)]
    if left:
        raise ConflictError(
            "The mark `%s` is without its counterpart." % left[0], "Remove the mark, and the block that belongs to it."
        )
    return bare.encode("latin-1")


def with_copies(data: bytes, route: str, name: str, plan: Callable[[Document], List[Copy]]) -> bytes:
    bare = remove(data, route)
    document = Document(bare, name)
    style = Style(document)
    text = document.text
    # What several aliases stand for is there once.
    copies = {copy.item.start: copy for copy in plan(document)}
    for _start, copy in sorted(copies.items(), reverse=True):
        place, block = _block(document, style, copy, route)
        # Behind the last line's content, before its line end: what a removal takes away begins with a line end too.
        text = text[:place] + block + text[place:]
    after = document.encode(text)
    Document(after, name)
    if remove(after, route) != bare:
        raise StateError("The route can't be written into %s so that it can be taken away again." % name)
    return after


def _block(document: Document, style: Style, copy: Copy, route: str) -> Tuple[int, str]:
    """Return where the copy of an item belongs, and the copy with its marks."""
    text = document.text
    start = style.line_start(copy.item.start)
    lead = text[start : copy.item.start]
    if not re.match(r"^[ ]*-[ ]+\Z", lead):
        raise cannot(document, copy.item, "it doesn't begin a line of its own", "Write the list in block style.")
    for node in nodes(copy.item):
        if node.anchor is not None:
            raise cannot(document, node, "it has the anchor %s, and two can't" % node.anchor, "Write it out.")
    position, is_block = content_end(copy.item)
    end = position if is_block else style.line_after(position)
    while end > start and text[end - 1] in "\r\n":
        end -= 1
    pieces: List[str] = []
    done = start
    for node, value in sorted(copy.spots, key=lambda spot: spot[0].start):
        if node.kind == "alias" or not start <= node.start < end:
            raise cannot(document, copy.item, "a part of it stands elsewhere, by an alias", "Write it out.")
        pieces += [text[done : node.start], _rewritten(document, node, value)]
        done = node.end
    body = "".join(pieces) + text[done:end]
    newline = style.newline_before(start)
    indent = re.sub(r"\S.*", "", lead)
    begin, finish = gateway.marks(route)
    return end, newline + newline.join((indent + begin, body, indent + finish))


def _rewritten(document: Document, node: Node, value: str) -> str:
    """Return the source of a scalar with another value, quoted as it was."""
    source = document.text[node.start : node.end]
    if node.kind != "scalar" or source not in (node.value, '"%s"' % node.value, "'%s'" % node.value):
        raise cannot(document, node, "it is written in a way that can't be changed", "Write it in one line.")
    return source.replace(node.value, value)


def named(document: Document, thing: Node, key: str, suffix: str) -> Spot:
    found = thing.get(key)
    if found is None or not found.resolved().value:
        raise cannot(document, thing, "it has no %s" % key, "Give it one: the copy's is made of it.")
    return found, found.value + suffix


def refuse_taken(document: Document, items: Sequence[Node], paths: Callable[[Node], List[str]], wanted: Wanted) -> None:
    for item in items:
        if wanted.path in paths(item) or wanted.path.rstrip("/") in paths(item):
            raise ConflictError(
                "Line %d of %s has a route %s already, and it isn't marked as ours."
                % (document.line_number(item.start), document.name, wanted.path),
                "Remove it, or choose another route.",
            )


def no_route(document: Document, like: str, paths: Sequence[str]) -> InputError:
    near = [path for path in paths if path.strip("/") == like.strip("/")]
    return InputError(
        "There is no route %s in %s." % (like, document.name),
        "Did you mean %s?" % near[0] if near else "It has: %s." % (", ".join(paths) or "no route at all"),
    )


def cannot(document: Document, node: Node, reason: str, remedy: str) -> InputError:
    line = document.line_number(node.start)
    return InputError("What stands in line %d of %s can't be copied: %s." % (line, document.name, reason), remedy)


def sequence(document: Document, keys: Tuple[str, ...]) -> List[Node]:
    node: Optional[Node] = document.root
    for key in keys:
        node = node.get(key) if node is not None and node.kind == "mapping" else None
        node = node.resolved() if node is not None else None
    return [] if node is None else [item.resolved() for item in node.items]


def items_of(mapping: Node, key: str) -> List[Node]:
    found = mapping.get(key) if mapping.kind == "mapping" else None
    return [] if found is None else [item.resolved() for item in found.resolved().items]


def text_of(mapping: Node, key: str) -> str:
    found = mapping.get(key) if mapping.kind == "mapping" else None
    return str(found.resolved().value) if found is not None else ""


def nodes(node: Optional[Node]) -> Iterator[Node]:
    """Yield a node and all within it; what an alias stands for is somewhere else."""
    if node is None:
        return
    yield node
    for key, value in node.pairs:
        yield from nodes(key)
        yield from nodes(value)
    for item in node.items:
        yield from nodes(item)


def fields(node: Node, key: str) -> Iterator[Tuple[str, Node]]:
    """Yield the values within a node that are scalars, each with the key that it stands under."""
    for name, value in node.pairs:
        yield from fields(value, name.value)
    for item in node.items:
        yield from fields(item, key)
    if node.kind == "scalar":
        yield key, node


def values_of(node: Optional[Node], key: str) -> Iterator[Node]:
    """Yield each value of a key, wherever it stands."""
    for found in nodes(node):
        value = found.get(key)
        if value is not None:
            yield value


# What is left for the environment to fill in is no secret.
_FILLED_IN = r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?"
_CREDENTIAL = re.compile(
    r"""
    (?P<key>(?:^|[{,\s-])["']?(?:[a-z_]*(?:key|password|secret)|exact)["']?(?:[ ]*:[ ]+|[ ]*=[ ]*(?=["'])))
    (?:
        (?P<quote>["'])(?!%s(?P=quote))(?:(?!(?P=quote)).)+(?P=quote)
        | (?!%s(?:[\s,}]|\Z))[^\s"',{}\[\]|>&*\#][^\r\n,}]*?(?=[ ]+\#|[ ]*[\r\n,}]|\Z)
    )
    """
    % (_FILLED_IN, _FILLED_IN),
    re.MULTILINE | re.VERBOSE | re.IGNORECASE,
)
# The hash of Envoy's basic authentication; a key of Supabase's newer form.
_TELLING = re.compile(r"(?<=\{SHA\})[A-Za-z0-9+/=]+|(?<=sb_secret_)[A-Za-z0-9_-]+")


def for_display(data: bytes) -> str:
    """Return a file for a diff: credentials that are written out are masked."""

    def masked(found: "re.Match[str]") -> str:
        quote = found.group("quote") or ""
        return found.group("key") + quote + "********" + quote

    text = _CREDENTIAL.sub(masked, data.decode("utf-8", "replace"))
    return gateway.without_tokens(_TELLING.sub("********", text))
