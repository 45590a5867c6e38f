# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start of every edit of a service: which node is edited, and that nobody shares it who was not asked for."""

from typing import Collection, NamedTuple, Optional

from .._core.errors import StateError
from .document import Node
from .edit import Editor
from .model import Found, Model
from .outcome import all_pairs, refuse_sharing


class Target(NamedTuple):
    """What is edited so that a service gets another value of a key.

    Arguments:
        service: the service it was looked for.
        node: the key's value as it is there; where the service is to get a key of its own, the service itself.
        found: where the key stands; None where the service is to get one of its own.
        carried: the merged value that such a key takes the place of, and has to repeat.
    """

    service: str
    node: Node
    found: Optional[Found]
    carried: Optional[Node]


def check_service(model: Model, service: str, key: str) -> Optional[Node]:
    """Return the value of a service's key, or None; raise where it is written in a way that no edit can follow.

    Raises:
        InputError: a key stands twice. StateError: the service is no mapping, or the value neither a list nor one.
    """
    document = model.document
    mapping = model.nodes[service].resolved()
    if mapping.kind != "mapping" and not mapping.is_null:
        raise StateError("Service %s of %s is no mapping." % (service, document.name))
    for member in model.lineages[service]:
        document.refuse_duplicates(member, "services.%s" % service)
    found = model.find(service, key)
    if found is None:
        return None
    value = found.value.resolved()
    if value.tag == "!reset":
        raise StateError("%s of service %s is taken away by !reset." % (key, service), "Remove the tag first.")
    if value.kind == "scalar" and not value.is_null:
        raise StateError(
            "%s of service %s is neither a list nor a mapping (line %d)."
            % (key, service, document.line_number(value.start))
        )
    if value.kind == "mapping":
        document.refuse_duplicates(value, "services.%s.%s" % (service, key))
    return value


def find_target(
    model: Model, service: str, key: str, asked: Collection[str], lacking: Collection[str] = ()
) -> Optional[Target]:
    """Return what to edit for a service; None where it gets the value from another one that is edited anyway.

    Arguments:
        asked: the services that may change. lacking: those that are about to get the key.

    Raises:
        ConflictError: a service that was not asked for would change too.
    """
    node = model.nodes[service]
    own = node.resolved()
    found = model.find(service, key)
    if found is not None:
        value = found.value.resolved()
        others = set(model.users_of_value(value, key)) - set(asked)
        if not others:
            return Target(service, value, found, None)
        if found.owner is own:
            raise refuse_sharing(model, service, list(others), value)
    if own.is_null:
        return Target(service, node, None, None)
    others = set(model.reached_by_new_key(own, key)) - set(asked)
    if others:
        raise refuse_sharing(model, service, list(others), own)
    if found is not None:
        return Target(service, own, None, found.value.resolved())
    # Where a service merges another one that lacks the key as well, that one's new key is inherited.
    about_to = {id(model.nodes[name].resolved()) for name in lacking}
    if any(id(mapping) in about_to for mapping in model.lineages[service][1:]):
        return None
    return Target(service, own, None, None)


def add_key(editor: Editor, target: Target, key: str, content: object, quote: Optional[str] = None) -> None:
    """Give a service a key of its own."""
    if not target.node.is_null:
        editor.add_pair(target.node, key, content, quote)
        return
    name = next(name for name, value in editor.document.services().pairs if value is target.node)
    editor.fill_null(name, target.node, {key: content})


def remove_key(editor: Editor, target: Target, key: str) -> None:
    """Take a key with all that is in it away; what has an anchor, a tag or comments stays, emptied.

    Raises:
        StateError: its value is an alias, so that it stands elsewhere.
    """
    found = target.found
    pair = None if found is None else next((pair for pair in found.owner.pairs if pair[1] is found.value), None)
    if found is None or pair is None:
        raise StateError("%s of service %s stands in an unusual place." % (key, target.service))
    if found.value.kind == "alias":
        raise StateError(
            "%s of service %s is an alias of what stands in line %d."
            % (key, target.service, editor.document.line_number(target.node.start)),
            "Remove the entries there.",
        )
    if target.node.anchor or target.node.tag or editor.holds_comments(pair[0], target.node):
        editor.clear(pair[0], target.node)
        return
    parent = next((outer for outer in all_pairs(editor.document) if outer[1] is found.owner), None)
    editor.remove_pair(found.owner, key, parent)


def inherited_value(model: Model, target: Target, key: str) -> Optional[Node]:
    """Return the value that a service would have without the key of its own; None where it would have none.

    None too where its own has an anchor or isn't its own.
    """
    found = target.found
    if found is None or found.value is not target.node or target.node.anchor:
        return None
    line = model.lineages[target.service]
    if not line or found.owner is not line[0]:
        return None
    value = next((member.get(key) for member in line[1:] if member.get(key) is not None), None)
    return None if value is None else value.resolved()
