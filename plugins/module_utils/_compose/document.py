# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compose file as bytes: what it says, and at which character each thing stands.

The tree is made from the parser's events, not by ``yaml.compose``: that one forgets where an alias stands.
libyaml's parser is used where PyYAML was built with it, PyYAML's own otherwise; both count characters, so both
give the same tree.
"""

import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .._core.errors import InputError, OutsideError
from .._core.text import nearest

try:
    import yaml
except ImportError as import_error:
    YAML_IMPORT_ERROR: Optional[ImportError] = import_error
else:
    YAML_IMPORT_ERROR = None

BOM = b"\xef\xbb\xbf"
MERGE_TAG = "tag:yaml.org,2002:merge"
STRING_TAG = "tag:yaml.org,2002:str"
_NULLS = ("", "~", "null", "Null", "NULL")
_MAXIMUM_DEPTH = 100
# Where libyaml takes a tab for white space and PyYAML's own parser gives up: before a comment, at a line's end,
# after a sign.
_LOOSE_TAB = re.compile(r"[ \t]*\t[ \t]*(?=#|\r?\n|$)|(?<=[:,\-])[ \t]*\t[ \t]*")
_TEMPLATE = re.compile(r"\{%|\{\{|<%")


class Node:
    """One node of the tree, or one alias: aliases stay where they stand.

    ``start`` and ``end`` are positions in the document's text; ``pairs`` are a mapping's, ``items`` a sequence's.
    """

    __slots__ = ("kind", "start", "end", "anchor", "tag", "value", "style", "flow", "items", "pairs", "target")

    def __init__(self, kind: str, start: int, end: int, anchor: Optional[str], tag: Optional[str]) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.anchor = anchor
        self.tag = tag
        self.value = ""
        self.style = ""
        self.flow = False
        self.items: List["Node"] = []
        self.pairs: List[Tuple["Node", "Node"]] = []
        self.target: Optional["Node"] = None

    @property
    def is_null(self) -> bool:
        """Whether this is a null: an absent value, ``~`` or ``null``."""
        return self.kind == "scalar" and self.tag is None and not self.style and self.value in _NULLS

    @property
    def is_merge_key(self) -> bool:
        """Whether this is a mapping's ``<<``."""
        if self.kind != "scalar":
            return False
        return self.tag == MERGE_TAG or (self.value == "<<" and not self.style and not self.tag)

    def resolved(self) -> "Node":
        """Return the node itself, or the one that an alias stands for."""
        return self if self.target is None else self.target

    def get(self, key: str) -> Optional["Node"]:
        """Return the value of one of a mapping's own keys, or None."""
        for name, value in self.pairs:
            if name.kind == "scalar" and name.value == key:
                return value
        return None

    def index(self, key: str) -> int:
        """Return the place of one of a mapping's own keys among its pairs, or -1."""
        for place, (name, _value) in enumerate(self.pairs):
            if name.kind == "scalar" and name.value == key:
                return place
        return -1


class Document:
    """One compose file: its bytes, its text and its tree.

    Arguments:
        data: the file's content.
        name: what messages call it.
        pure: use PyYAML's own parser even where libyaml is there.

    Raises:
        InputError: it is no YAML document, or it is two; the message says where.
    """

    def __init__(self, data: bytes, name: str = "The compose file", pure: bool = False) -> None:
        self.name = name
        self.pure = pure
        self.has_bom = data.startswith(BOM)
        self.data = data
        try:
            self.text = data[len(BOM) :].decode("utf-8") if self.has_bom else data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                "%s isn't UTF-8: byte %d can't be read." % (name, error.start), "Save it as UTF-8."
            ) from error
        self.root = parse(self.text, name, pure)

    def encode(self, text: str) -> bytes:
        """Return a new text of this file as bytes, with a BOM where it had one."""
        return (BOM if self.has_bom else b"") + text.encode("utf-8")

    def line_number(self, position: int) -> int:
        """Return the line in which a position is, counted from 1."""
        return self.text.count("\n", 0, position) + 1

    def services(self) -> Node:
        """Return the mapping of services.

        Raises:
            InputError: there is none.
        """
        root = self.root
        if root is None or root.kind != "mapping":
            raise InputError("%s holds no mapping, so it is no compose file." % self.name)
        self.refuse_duplicates(root, "")
        services = root.get("services")
        if services is None:
            keys = ", ".join(key.value for key, _value in root.pairs if key.kind == "scalar")
            raise InputError("%s has no `services:` at its top level; it has: %s." % (self.name, keys or "nothing"))
        if services.kind != "mapping":
            raise InputError(
                "`services` of %s is no mapping (line %d)." % (self.name, self.line_number(services.start))
            )
        self.refuse_duplicates(services, "services")
        return services

    def service_names(self) -> List[str]:
        """Return the names of all services, as they stand in the file."""
        return [key.value for key, _value in self.services().pairs if key.kind == "scalar" and not key.is_merge_key]

    def choose_services(self, wanted: Sequence[str]) -> List[str]:
        """Return the services named, each once; ``*`` and ``all`` (where no service has that name) are every one.

        Raises:
            InputError: a name is unknown; the message says which services there are.
        """
        names = self.service_names()
        chosen: List[str] = []
        for name in wanted:
            if name in names:
                chosen.append(name)
            elif name in ("*", "all"):
                chosen.extend(names)
            else:
                near = nearest(name, names)
                raise InputError(
                    "%s has no service %s." % (self.name, name),
                    "%sThere are: %s." % ("Did you mean %s? " % near if near else "", ", ".join(names) or "none"),
                    services=names,
                )
        return list(dict.fromkeys(chosen))

    def refuse_duplicates(self, mapping: Node, where: str) -> None:
        """Raise InputError where a key stands twice in a mapping: Compose refuses such a file."""
        seen: Dict[str, int] = {}
        for key, _value in mapping.pairs:
            if key.kind != "scalar" or key.is_merge_key:
                continue
            if key.value in seen:
                raise InputError(
                    "%s has the key %s twice: in line %d and in line %d."
                    % (
                        self.name,
                        ".".join(part for part in (where, key.value) if part),
                        self.line_number(seen[key.value]),
                        self.line_number(key.start),
                    ),
                    "Compose refuses such a file: keep one of them.",
                )
            seen[key.value] = key.start


def parse(text: str, name: str, pure: bool = False) -> Optional[Node]:
    """Return the tree of a text's one document; None where there is no document.

    Raises:
        InputError: the text is no YAML, or two documents; the message says where.
    """
    if YAML_IMPORT_ERROR is not None:
        raise OutsideError(
            "The Python library PyYAML is missing on this host: %s." % YAML_IMPORT_ERROR,
            "Install Debian's python3-yaml, or `pip install pyyaml`, for the Python that Ansible uses here.",
        )
    try:
        return _tree(text, name, pure)
    except yaml.YAMLError as error:
        if "\t" in text:
            # Spaces of the same number: positions stay what they are.
            eased = _LOOSE_TAB.sub(lambda found: " " * len(found.group()), text)
            try:
                return _tree(eased, name, pure)
            except yaml.YAMLError:
                pass
        raise _not_yaml(error, text, name) from error


def _tree(text: str, name: str, pure: bool) -> Optional[Node]:
    loader: Any = yaml.SafeLoader if pure else getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    anchors: Dict[str, Node] = {}
    # Each open collection, with the key that waits for its value.
    open_nodes: List[Tuple[Node, List[Node]]] = []
    root: Optional[Node] = None
    documents = 0
    event: Any
    for event in yaml.parse(text, Loader=loader):
        kind = type(event).__name__
        if kind == "ScalarEvent":
            node = Node("scalar", event.start_mark.index, event.end_mark.index, event.anchor, event.tag)
            node.value = event.value
            node.style = event.style or ""
            if node.style == "" and event.tag is None and not event.implicit[0]:
                node.tag = STRING_TAG
        elif kind == "AliasEvent":
            node = Node("alias", event.start_mark.index, event.end_mark.index, None, None)
            node.value = event.anchor
            node.target = anchors.get(event.anchor)
            if node.target is None:
                raise InputError(
                    "%s uses the alias *%s in line %d, and no anchor of that name stands before it."
                    % (name, event.anchor, event.start_mark.line + 1)
                )
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            shape = "mapping" if kind == "MappingStartEvent" else "sequence"
            node = Node(shape, event.start_mark.index, event.end_mark.index, event.anchor, event.tag)
            node.flow = bool(event.flow_style)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            closed = open_nodes.pop()[0]
            closed.end = event.end_mark.index
            continue
        elif kind == "DocumentStartEvent":
            documents += 1
            if documents > 1:
                raise InputError(
                    "%s holds a second document from line %d on; a compose file is one."
                    % (name, event.start_mark.line + 1)
                )
            continue
        else:
            continue
        if node.anchor:
            anchors[node.anchor] = node
        if not open_nodes:
            root = node
        else:
            parent, waiting = open_nodes[-1]
            if parent.kind == "sequence":
                parent.items.append(node)
            elif waiting:
                parent.pairs.append((waiting.pop(), node))
            else:
                waiting.append(node)
        if node.kind in ("mapping", "sequence"):
            if len(open_nodes) >= _MAXIMUM_DEPTH:
                raise InputError("%s is nested more than %d levels deep." % (name, _MAXIMUM_DEPTH))
            open_nodes.append((node, []))
    return root


def _not_yaml(error: Any, text: str, name: str) -> InputError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where, column = "", None
    line = None
    if mark is not None:
        line, column = mark.line + 1, mark.column + 1
        where = " (line %d, column %d)" % (line, column)
    elif getattr(error, "position", None) is not None:
        line = text.count("\n", 0, error.position) + 1
        where = " (line %d)" % line
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it can't be parsed"
    if _TEMPLATE.search(text):
        return InputError(
            "%s looks like a template, not like YAML: %s%s." % (name, problem, where),
            "Name the file that the template makes.",
            line=line,
            column=column,
        )
    return InputError(
        "%s is not YAML: %s%s." % (name, problem, where), "Nothing was written.", line=line, column=column
    )
