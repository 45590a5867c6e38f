# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``networks`` of the services of a compose file: attach and detach, and declare what is attached to.

A service that names no network is on ``default``; one that names any is on those only (compose-spec, "networks"). So
the first one that it is given brings ``default`` along, and it keeps its neighbours.
"""

from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .._core.errors import StateError
from .attachments import (
    DEFAULT,
    KEY,
    Attachment,
    attached_services,
    check_declared,
    declaration,
    declared_networks,
    is_attached,
    networks_of,
    plain_value,
    read_networks,
    undeclared,
    who_lacks,
)
from .document import Document, Node
from .edit import Editor, edit_with_fallback
from .model import Comparison, Model
from .outcome import Edited, Outcome, finish, refuse_sharing
from .target import Target, add_key, check_service, find_target, inherited_value, remove_key


def plan_attached(
    document: Document,
    services: Sequence[str],
    attachments: Sequence[Attachment],
    others: Sequence[Document] = (),
    named_elsewhere: Collection[str] = (),
) -> Outcome:
    """Return the document in which each of these services is on each of these networks.

    Arguments:
        others: the project's other compose files: what they declare need not be declared here.
        named_elsewhere: services that other files give networks: none is implied for them.

    Raises:
        InputError: a network is declared nowhere. ConflictError: it is declared otherwise, or a service has another
        address on it, or shares its networks with one that was not asked for.
        StateError: a service has a ``network_mode``, which excludes networks.
    """
    model = Model(document)
    warnings: List[str] = []
    check_declared([document, *others], attachments)
    missing = who_lacks([model], document.choose_services(services), services, attachments, warnings)
    chosen = list(missing)
    missing = {name: lacks for name, lacks in missing.items() if lacks}
    lacking = [name for name in missing if model.find(name, KEY) is None]
    targets: Dict[int, Tuple[Target, List[Attachment], bool]] = {}
    for name, lacks in missing.items():
        if any(base in missing for base in model.base_chain(name)):
            continue
        target = find_target(model, name, KEY, chosen, lacking)
        if target is not None:
            implied = not networks_of(model, name) and name not in named_elsewhere
            targets.setdefault(id(target.node), (target, lacks, implied))
    new = undeclared([document, *others], attachments)

    def make(editor: Editor) -> None:
        for target, lacks, implied in targets.values():
            _attach(editor, target, lacks, implied)
        _declare(editor, new)

    def holds(name: str, after: Model) -> bool:
        current = set(networks_of(after, name))
        kept = set(networks_of(model, name)) or (set() if name in named_elsewhere else {DEFAULT})
        more = current - kept - {item.name for item in attachments}
        if more:
            raise StateError(
                "Service %s would be put on network %s as well, for it extends one that is on it."
                % (name, ", ".join(sorted(more))),
                "Name networks in what it extends first.",
            )
        return kept <= current and all(is_attached(after, name, item) for item in attachments)

    return finish(document, KEY, make, set(chosen), warnings, holds, chosen, top_level=KEY)


def plan_inline_networks(
    documents: Sequence[Document], services: Sequence[str], attachments: Sequence[Attachment], present: bool
) -> Edited:
    """Return the compose file itself with these services on, or off, these networks.

    Arguments:
        documents: the project's compose files, the one to be edited first.
    """
    document, others = documents[0], documents[1:]
    models = [Model(other) for other in others]
    named = {name for model in models for name in model.nodes if networks_of(model, name)}
    if present:
        outcome = plan_attached(document, services, attachments, others, named)
    else:
        outcome = plan_detached(document, services, attachments, others, named)
    after = document.data if outcome.document is None else outcome.document.data
    return Edited(after, outcome.document is not None, outcome.changed_services, outcome.warnings)


def with_declared(document: Document, networks: Mapping[str, Any]) -> Document:
    """Return a document that declares these networks as well."""
    return edit_with_fallback(document, lambda editor: _declare(editor, networks)) or document


def plan_detached(
    document: Document,
    services: Sequence[str],
    attachments: Sequence[Attachment],
    others: Sequence[Document] = (),
    named_elsewhere: Collection[str] = (),
) -> Outcome:
    """Return the document in which none of these services is on any of these networks.

    A declaration goes too where an attachment names it, the file says just that, and no service is on it any more.

    Arguments:
        others: the project's other compose files. named_elsewhere: services that they give networks.

    Raises:
        ConflictError: a service shares its networks with one that was not asked for.
    """
    model = Model(document)
    chosen = document.choose_services(services)
    names = [item.name for item in attachments]
    warnings: List[str] = []
    targets: Dict[int, Tuple[Target, Set[str]]] = {}
    for service in chosen:
        check_service(model, service, KEY)
        for owner in [service] + model.base_chain(service):
            found = model.find(owner, KEY)
            held = read_networks(found.value) if found is not None else {}
            here = [name for name in names if name in held]
            if not here or found is None:
                continue
            value = found.value.resolved()
            strangers = set(model.users_of_value(value, KEY)) - set(chosen)
            if strangers:
                raise refuse_sharing(model, service, list(strangers), value)
            targets.setdefault(id(value), (Target(owner, value, found, None), set()))[1].update(here)
        current = networks_of(model, service)
        if current and set(current) <= set(names) and DEFAULT not in current and service not in named_elsewhere:
            warnings.append("Service %s names no network any more: it is on the project's default one." % service)
    undeclared = [item for item in attachments if _can_go(document, item, chosen, others)]

    def make(editor: Editor) -> None:
        for target, gone in targets.values():
            _detach(editor, model, target, gone)
        _undeclare(editor, [item.name for item in undeclared])

    def holds(name: str, after: Model) -> bool:
        return not set(names) & set(networks_of(after, name))

    return finish(document, KEY, make, set(chosen), warnings, holds, chosen, top_level=KEY)


def _attach(editor: Editor, target: Target, lacks: Sequence[Attachment], implied: bool) -> None:
    value = target.node
    if target.found is None:
        carried = _content(target.carried)
        new: Dict[str, Any] = {item.name: dict(item.options) or None for item in lacks}
        # The order tells a later detaching that `default` came with these.
        content = {**carried, **new, **({DEFAULT: None} if implied and DEFAULT not in new else {})}
        add_key(editor, target, KEY, content if any(content.values()) else list(content), "")
        return
    known = read_networks(value)
    if value.is_null or not (value.items or value.pairs):
        names = {item.name: dict(item.options) or None for item in lacks}
        if implied:
            names.setdefault(DEFAULT, None)
        _fill(editor, target, names)
        return
    plain = [item for item in lacks if item.name not in known]
    if value.kind == "sequence":
        if any(item.options for item in lacks):
            editor.list_to_mapping(value, {item.name: dict(item.options) or None for item in lacks})
        else:
            editor.append_items(value, [item.name for item in plain], "" if value.flow else None)
        return
    for item in plain:
        editor.add_pair(value, item.name, dict(item.options) or None, "")
    for item in lacks:
        if item.name in known:
            _add_options(editor, value, item)


def _content(value: Optional[Node]) -> Dict[str, Any]:
    """Return merged networks as a new key repeats them."""
    if value is None:
        return {}
    content: Dict[str, Any] = {}
    for name, says in read_networks(value).items():
        options: Dict[str, Any] = {}
        for option, held in Comparison().flat(says).items():
            held = held.resolved()
            if held.kind == "mapping" or any(item.resolved().kind != "scalar" for item in held.items):
                raise StateError("Network %s says more than can be repeated: %s." % (name, option))
            options[str(option)] = [item.resolved().value for item in held.items] if held.items else plain_value(held)
        content[name] = options or None
    return content


def _fill(editor: Editor, target: Target, names: Dict[str, Any]) -> None:
    value, found = target.node, target.found
    content = names if any(names.values()) else list(names)
    if value.is_null and found is not None:
        key = next(pair[0] for pair in found.owner.pairs if pair[1] is found.value)
        editor.fill_null(key, value, content, "")
    elif value.kind == "sequence" and isinstance(content, list):
        editor.append_items(value, content, "")
    elif value.kind == "mapping":
        for name, options in names.items():
            editor.add_pair(value, name, options, "")
    else:
        editor.list_to_mapping(value, names)


def _add_options(editor: Editor, networks: Node, item: Attachment) -> None:
    key, written = next(pair for pair in networks.pairs if pair[0].value == item.name)
    if written.is_null:
        editor.fill_null(key, written, dict(item.options), "")
        return
    if written.kind != "mapping":
        raise StateError("Network %s is an alias (line %d)." % (item.name, editor.document.line_number(written.start)))
    for option, value in item.options.items():
        held = written.get(option)
        if held is None:
            editor.add_pair(written, option, value, "")
        elif isinstance(value, list) and held.kind == "sequence":
            known = {alias.resolved().value for alias in held.items}
            editor.append_items(held, [alias for alias in value if alias not in known])


def _detach(editor: Editor, model: Model, target: Target, gone: Set[str]) -> None:
    value = target.node
    elements = [item.resolved().value for item in value.items] or [key.value for key, _value in value.pairs]
    places = [place for place, name in enumerate(elements) if name in gone]
    missing = gone - set(elements)
    if missing:
        raise StateError(
            "Service %s has the network %s from what it merges." % (target.service, ", ".join(sorted(missing))),
            "Detach it there.",
        )
    rest = [place for place in range(len(elements)) if place not in places]
    # A `default` that stands behind what goes was written for its sake, and is implied without it.
    implied = [elements[place] for place in rest] == [DEFAULT] and max(places) < rest[0]
    implied = implied and (value.kind == "sequence" or value.pairs[rest[0]][1].is_null)
    inherited = inherited_value(model, target, KEY)
    carried = inherited is not None and _content(inherited) == {
        name: says for name, says in _content(value).items() if name not in gone
    }
    if carried or ((not rest or implied) and not editor.stays_when_empty(value)):
        remove_key(editor, target, KEY)
        return
    removed = places + rest if implied else places
    if value.kind == "sequence":
        editor.remove_items(value, removed)
    else:
        editor.remove_pairs(value, removed)


def _declare(editor: Editor, networks: Mapping[str, Any]) -> None:
    root = editor.document.root
    if not networks or root is None:
        return
    key, value = next((pair for pair in root.pairs if pair[0].value == KEY), (None, None))
    if key is None or value is None:
        editor.add_pair(root, KEY, dict(networks), "")
    elif value.is_null:
        editor.fill_null(key, value, dict(networks), "")
    elif value.kind != "mapping":
        raise StateError("networks of %s is no mapping." % editor.document.name)
    else:
        for name, says in networks.items():
            editor.add_pair(value, name, says, "")


def _undeclare(editor: Editor, names: Sequence[str]) -> None:
    root = editor.document.root
    value = root.get(KEY) if root is not None else None
    if not names or root is None or value is None:
        return
    places = [value.index(name) for name in names]
    if len(places) == len(value.pairs) and not editor.stays_when_empty(value):
        editor.remove_pair(root, KEY)
    else:
        editor.remove_pairs(value, places)


def _can_go(document: Document, item: Attachment, chosen: Sequence[str], others: Sequence[Document]) -> bool:
    known = declared_networks(document)
    if item.declared is None or item.name not in known:
        return False
    root = document.root
    value = root.get(KEY) if root is not None else None
    if value is None or value.kind != "mapping" or value.index(item.name) < 0:
        return False
    users = set(attached_services(document, item.name)) - set(chosen)
    return (
        declaration(known[item.name]) == dict(item.declared)
        and not users
        and not any(attached_services(one, item.name) for one in others)
    )
