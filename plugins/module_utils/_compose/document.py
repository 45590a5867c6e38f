# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compose file as bytes: what it says, and at which character each thing stands.

The tree is made from the parser's events, not by ``yaml.compose``: that one forgets where an alias stands.
libyaml's parser is used where PyYAML was built with it, PyYAML's own otherwise; both count characters, so both
give the same tree.
"""

import gc
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
_PROPERTY = re.compile(r"[&!][^\s]*[ \t]*")
_NO_NODES: Any = ()


class Node:
    """One node of the tree, or one alias: aliases stay where they stand.

    ``start`` and ``end`` are positions in the document's text; ``pairs`` are a mapping's, ``items`` a sequence's.
    """

    __slots__ = ("start", "end", "anchor", "tag")

    kind = ""
    start: int
    end: int
    anchor: Optional[str]
    tag: Optional[str]
    value = ""
    style = ""
    flow = False
    items: List["Node"] = _NO_NODES
    pairs: List[Tuple["Node", "Node"]] = _NO_NODES
    target: Optional["Node"] = None

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


class _Scalar(Node):
    # Most nodes are scalars, and each object costs: it has only what a scalar has, and the parser fills it in.
    __slots__ = ("value", "style")
    kind = "scalar"


class _Alias(Node):
    __slots__ = ("value", "target")
    kind = "alias"


class _Mapping(Node):
    __slots__ = ("flow", "pairs")
    kind = "mapping"


class _Sequence(Node):
    __slots__ = ("flow", "items")
    kind = "sequence"


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
        self.root, aliased = parse(self.text, name, pure)
        # Whether no part of it stands in two places, be it by an alias or by a merge.
        self.is_plain = not aliased and "<<" not in self.text

    def encode(self, text: str) -> bytes:
        """Return a new text of this file as bytes, with a BOM where it had one."""
        return (BOM if self.has_bom else b"") + text.encode("utf-8")

    def content_start(self, node: Node) -> int:
        """Return where a node's content begins, behind its anchor and its tag."""
        position = node.start
        while True:
            found = _PROPERTY.match(self.text, position)
            if found is None:
                return position
            position = found.end()

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
                merge = next((key for key, _value in self.services().pairs if key.is_merge_key), None)
                if merge is not None:
                    raise InputError(
                        "The services of %s are merged from elsewhere in line %d: not all of them stand there."
                        % (self.name, self.line_number(merge.start)),
                        "Name those that are meant: %s." % ", ".join(names),
                    )
                chosen.extend(names)
            else:
                near = nearest(name, names)
                included = self.root is not None and self.root.get("include") is not None
                raise InputError(
                    "%s has no service %s." % (self.name, name),
                    "%sThere are: %s.%s"
                    % (
                        "Did you mean %s? " % near if near else "",
                        ", ".join(names) or "none",
                        " It includes other files: name the one in which the service stands." if included else "",
                    ),
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


def parse(text: str, name: str, pure: bool = False) -> Tuple[Optional[Node], bool]:
    """Return the tree of a text's one document (None where there is no document), and whether it holds aliases.

    Raises:
        InputError: the text is no YAML, or two documents; the message says where.
    """
    if YAML_IMPORT_ERROR is not None:
        raise OutsideError(
            "The Python library PyYAML is missing on this host: %s." % YAML_IMPORT_ERROR,
            "Install Debian's python3-yaml, or `pip install pyyaml`, for the Python that Ansible uses here.",
        )
    # Nothing of a tree that grows can be collected, and looking for it again and again costs more the larger it is.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _tree_eased(text, name, pure)
    finally:
        if collects:
            gc.enable()


def _tree_eased(text: str, name: str, pure: bool) -> Tuple[Optional[Node], bool]:
    """Return the tree, and where the parser gives up at a tab that another one takes for a blank, that of spaces."""
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


def _tree(text: str, name: str, pure: bool) -> Tuple[Optional[Node], bool]:
    loader: Any = (yaml.SafeLoader if pure else getattr(yaml, "CSafeLoader", yaml.SafeLoader))(text)
    scalar, alias = yaml.ScalarEvent, yaml.AliasEvent
    starts = {yaml.MappingStartEvent: _Mapping, yaml.SequenceStartEvent: _Sequence}
    ends = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
    anchors: Dict[str, Node] = {}
    # The open collections around the current one, each with the key that waits for its value.
    outer: List[Tuple[Optional[Node], Optional[Node]]] = []
    parent: Optional[Node] = None
    waiting: Optional[Node] = None
    root: Optional[Node] = None
    documents = 0
    aliased = False
    node: Any
    # One pass, the most frequent event first: this loop is most of what an edit costs.
    next_event = loader.get_event
    try:
        while True:
            event = next_event()
            kind = event.__class__
            if kind is scalar:
                node = _Scalar()
                node.start = event.start_mark.index
                node.end = event.end_mark.index
                node.anchor = event.anchor
                node.tag = event.tag
                node.value = event.value
                node.style = event.style or ""
                if node.tag is None and not node.style and not event.implicit[0]:
                    node.tag = STRING_TAG
            elif kind in ends:
                if parent is not None:
                    parent.end = event.end_mark.index
                parent, waiting = outer.pop()
                continue
            elif kind in starts:
                node = starts[kind]()
                node.start = event.start_mark.index
                node.end = event.end_mark.index
                node.anchor = event.anchor
                node.tag = event.tag
                node.flow = bool(event.flow_style)
                if kind is yaml.MappingStartEvent:
                    node.pairs = []
                else:
                    node.items = []
            elif kind is alias:
                aliased = True
                node = _Alias()
                node.start = event.start_mark.index
                node.end = event.end_mark.index
                node.anchor = node.tag = None
                node.value = event.anchor
                node.target = anchors.get(event.anchor)
                if node.target is None:
                    raise InputError(
                        "%s uses the alias *%s in line %d, and no anchor of that name stands before it."
                        % (name, event.anchor, event.start_mark.line + 1)
                    )
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise InputError(
                        "%s holds a second document from line %d on; a compose file is one."
                        % (name, event.start_mark.line + 1)
                    )
                continue
            elif kind is yaml.StreamEndEvent:
                return root, aliased
            else:
                continue
            if node.anchor:
                anchors[node.anchor] = node
            if parent is None:
                root = node
            elif parent.kind == "sequence":
                parent.items.append(node)
            elif waiting is None:
                waiting = node
            else:
                parent.pairs.append((waiting, node))
                waiting = None
            if kind in starts:
                if len(outer) >= _MAXIMUM_DEPTH:
                    raise InputError("%s is nested more than %d levels deep." % (name, _MAXIMUM_DEPTH))
                outer.append((parent, waiting))
                parent, waiting = node, None
    finally:
        loader.dispose()


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
