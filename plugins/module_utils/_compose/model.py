# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a compose file means once aliases and merge keys are followed: who gets which value from where."""

import posixpath
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from .document import Document, Node


class Found(NamedTuple):
    """A key's value as a service has it: the mapping it stands in, and the value as it is written there."""

    owner: Node
    value: Node


def lineage(node: Node) -> List[Node]:
    """Return a mapping and those it merges, nearest first: the first that has a key gives its value."""
    line: List[Node] = []
    seen: Set[int] = set()

    def visit(mapping: Node) -> None:
        mapping = mapping.resolved()
        if mapping.kind == "sequence":
            for item in mapping.items:
                visit(item)
            return
        if mapping.kind != "mapping" or id(mapping) in seen:
            return
        seen.add(id(mapping))
        line.append(mapping)
        # Of two `<<` the later one wins, as in PyYAML.
        for key, value in reversed(mapping.pairs):
            if key.is_merge_key:
                visit(value)

    visit(node)
    return line


def find_key(node: Node, key: str) -> Optional[Found]:
    """Return where a mapping has a key from: itself, or what it merges."""
    for mapping in lineage(node):
        value = mapping.get(key)
        if value is not None:
            return Found(mapping, value)
    return None


def extended_by(node: Node, path: str) -> Tuple[str, Optional[str]]:
    """Return which file's service a service extends: that file's path, and the service, or None.

    Arguments:
        path: the file in which the service stands. A file is named relative to it (compose-spec, "extends").
    """
    found = find_key(node, "extends")
    value = None if found is None else found.value.resolved()
    if value is None or value.kind == "sequence" or value.is_null:
        return posixpath.normpath(path), None
    if value.kind == "scalar":
        return posixpath.normpath(path), value.value
    file, service = value.get("file"), value.get("service")
    other = path if file is None else posixpath.join(posixpath.dirname(path), file.resolved().value)
    return posixpath.normpath(other), None if service is None else service.resolved().value


def included_files(document: Document) -> List[str]:
    """Return the files that a document includes, as it names them (compose-spec, "include")."""
    root = document.root
    value = root.get("include") if root is not None and root.kind == "mapping" else None
    files: List[str] = []
    for item in value.resolved().items if value is not None else ():
        item = item.resolved()
        path = item.get("path") if item.kind == "mapping" else item
        if path is not None:
            path = path.resolved()
            files += [part.resolved().value for part in path.items] if path.kind == "sequence" else [path.value]
    return files


def extenders_elsewhere(documents: Sequence[Document], services: Sequence[str]) -> List[str]:
    """Return who extends these services of the first document in another one, each as ``service of file``."""
    target = posixpath.normpath(documents[0].name)
    found = []
    for document in documents[1:]:
        for key, node in document.services().pairs:
            if key.kind == "scalar" and not key.is_merge_key:
                path, service = extended_by(node, document.name)
                if path == target and service in services:
                    found.append("%s of %s" % (key.value, document.name))
    return found


class Model:
    """The services of a document, with what they share.

    Arguments:
        document: it must have services.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes: Dict[str, Node] = {}
        for key, value in document.services().pairs:
            if key.kind == "scalar" and not key.is_merge_key:
                self.nodes[key.value] = value
        plain = document.is_plain
        self.lineages: Dict[str, List[Node]] = {
            name: ([node] if node.kind == "mapping" else []) if plain else lineage(node)
            for name, node in self.nodes.items()
        }
        self.bases: Dict[str, str] = {}
        for name, node in self.nodes.items() if "extends" in document.text else ():
            base = self._extended(node)
            if base is not None and base in self.nodes and base != name:
                self.bases[name] = base
        self._extenders: Dict[str, List[str]] = {}
        for name, base in self.bases.items():
            self._extenders.setdefault(base, []).append(name)
        self._users: Dict[str, Dict[int, List[str]]] = {}
        self._members: Optional[Dict[int, List[str]]] = None

    def _extended(self, node: Node) -> Optional[str]:
        path, service = extended_by(node, self.document.name)
        return service if path == posixpath.normpath(self.document.name) else None

    def find(self, service: str, key: str) -> Optional[Found]:
        """Return where a service has a key from, ``extends`` left aside."""
        for mapping in self.lineages[service]:
            value = mapping.get(key)
            if value is not None:
                return Found(mapping, value)
        return None

    def network_mode(self, service: str) -> str:
        """Return a service's ``network_mode``, that of what it extends included; an empty text where it has none."""
        for name in [service, *self.base_chain(service)]:
            found = self.find(name, "network_mode")
            if found is not None:
                return "" if found.value.resolved().is_null else found.value.resolved().value
        return ""

    def base_chain(self, service: str) -> List[str]:
        """Return the services of this file that a service extends, nearest first."""
        chain: List[str] = []
        while service in self.bases and self.bases[service] not in chain:
            service = self.bases[service]
            chain.append(service)
        return chain

    def with_extenders(self, services: List[str]) -> List[str]:
        """Return services and those that extend them."""
        reached = list(services)
        seen = set(reached)
        for name in reached:
            for extender in self._extenders.get(name, ()):
                if extender not in seen:
                    seen.add(extender)
                    reached.append(extender)
        return reached

    def users_of_value(self, value: Node, key: str) -> List[str]:
        """Return the services that have this very node as the value of a key, or merge it into theirs."""
        users = self._users.get(key)
        if users is None:
            users = self._users[key] = {}
            for name in self.nodes:
                found = self.find(name, key)
                if found is None:
                    continue
                used = found.value.resolved()
                for member in lineage(used) if used.kind == "mapping" else [used]:
                    users.setdefault(id(member), []).append(name)
        return self.with_extenders(users.get(id(value), []))

    def reached_by_new_key(self, mapping: Node, key: str) -> List[str]:
        """Return the services that would have a key, or another value of it, if it were added to a mapping."""
        if self._members is None:
            self._members = {}
            for name, line in self.lineages.items():
                for member in line:
                    self._members.setdefault(id(member), []).append(name)
        reached = []
        for name in self._members.get(id(mapping), ()):
            for member in self.lineages[name]:
                if member is mapping:
                    reached.append(name)
                    break
                if member.get(key) is not None:
                    break
        return self.with_extenders(reached)


class Comparison:
    """Two documents by what they mean, aliases and merges followed."""

    def __init__(self) -> None:
        self._known: Dict[Tuple[int, int], bool] = {}
        self._flat: Dict[int, Dict[Any, Node]] = {}

    def same(self, one: Optional[Node], other: Optional[Node]) -> bool:
        """Return whether two nodes mean the same."""
        if one is None or other is None:
            return one is other
        one, other = one.resolved(), other.resolved()
        if one.kind != other.kind or one.tag != other.tag:
            return False
        if one.kind == "scalar":
            return one.value == other.value and bool(one.style) == bool(other.style)
        pair = (id(one), id(other))
        if pair not in self._known:
            # A node may hold itself: while it is being compared it counts as the same.
            self._known[pair] = True
            self._known[pair] = self._same_content(one, other)
        return self._known[pair]

    def _same_content(self, one: Node, other: Node) -> bool:
        if one.kind == "sequence":
            return len(one.items) == len(other.items) and all(
                self.same(item, counterpart) for item, counterpart in zip(one.items, other.items)
            )
        first, second = self.flat(one), self.flat(other)
        return first.keys() == second.keys() and all(self.same(value, second[key]) for key, value in first.items())

    def flat(self, node: Optional[Node]) -> Dict[Any, Node]:
        """Return a mapping's keys and values with merges applied; nothing for what is no mapping."""
        if node is None:
            return {}
        node = node.resolved()
        flat = self._flat.get(id(node))
        if flat is None:
            flat = self._flat[id(node)] = {}
            for mapping in lineage(node):
                for place, (key, value) in enumerate(mapping.pairs):
                    if not key.is_merge_key:
                        key = key.resolved()
                        flat.setdefault(key.value if key.kind == "scalar" else ("complex", place), value)
        return flat

    def differences(self, before: Document, after: Document) -> Set[Tuple[str, ...]]:
        """Return what differs: ``("services", service, key)``, ``("services", service)`` or ``(top-level key,)``.

        Extension fields (``x-``) mean nothing by themselves and are left out.
        """
        found: Set[Tuple[str, ...]] = set()
        first, second = self.flat(before.root), self.flat(after.root)
        for key in set(first) | set(second):
            if str(key).startswith("x-"):
                continue
            if key != "services":
                if not self.same(first.get(key), second.get(key)):
                    found.add((str(key),))
                continue
            services, others = self.flat(first.get(key)), self.flat(second.get(key))
            for name in set(services) | set(others):
                if name not in services or name not in others:
                    found.add(("services", str(name)))
                elif not self.same(services[name], others[name]):
                    one, other = self.flat(services[name]), self.flat(others[name])
                    keys = [part for part in set(one) | set(other) if not self.same(one.get(part), other.get(part))]
                    found.update(("services", str(name), str(part)) for part in keys)
        return found
