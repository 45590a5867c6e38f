# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``networks`` of the services of a compose file: attach and detach, and declare what is attached to.

A service that names no network is on ``default``; one that names any is on those only (compose-spec, "networks"). So
the first one that it is given brings ``default`` along, and it keeps its neighbours.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .._core.errors import ConflictError, InputError, StateError
from .._core.text import nearest
from .document import Document, Node
from .edit import Editor, edit_with_fallback
from .model import Comparison, Model
from .outcome import Edited, Outcome, finish, refuse_sharing
from .target import Target, add_key, check_service, find_target, inherited_value, remove_key

KEY = "networks"
DEFAULT = "default"
_NAME = re.compile(r"^[a-zA-Z0-9._-]+$")


@dataclass(frozen=True, eq=False)
class Attachment:
    """A network that services are to be on.

    Arguments:
        name: the network's key in the compose files.
        options: what the service says of it: ``aliases`` (a list), ``ipv4_address``, ``ipv6_address``.
        declared: what the top level is to say of it (``external``, ``name``, ``driver``); None leaves that to the file.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    declared: Optional[Mapping[str, Any]] = None


def checked_attachments(networks: Sequence[Mapping[str, Any]]) -> List[Attachment]:
    """Return attachments from a module's option, what is None in it left out.

    Raises:
        InputError: there is none, one is named twice, or a name can't be one.
    """
    if not networks:
        raise InputError("No network is named.")
    checked: Dict[str, Attachment] = {}
    for item in networks:
        name = str(item["name"])
        if not _NAME.match(name):
            raise InputError("%r is no name of a network." % name)
        if name in checked:
            raise InputError("Network %s is named twice." % name)
        declared = item.get("declare")
        if declared is not None:
            declared = {key: value for key, value in declared.items() if value is not None and value is not False}
            if declared.get("external") and declared.get("driver"):
                raise InputError(
                    "Network %s can't be external and have a driver: who made it chose that." % name,
                    "Leave out one of them.",
                )
        options = {key: item[key] for key in ("aliases", "ipv4_address", "ipv6_address") if item.get(key)}
        checked[name] = Attachment(name, options, declared)
    return list(checked.values())


def read_networks(value: Optional[Node]) -> Dict[str, Optional[Node]]:
    """Return the networks of a value of ``networks``, each with what is said of it: a mapping, or None."""
    if value is None:
        return {}
    value = value.resolved()
    if value.kind == "sequence":
        return {item.resolved().value: None for item in value.items}
    if value.kind != "mapping":
        return {}
    found = Comparison().flat(value).items()
    return {str(name): item.resolved() if item.resolved().kind == "mapping" else None for name, item in found}


def networks_of(model: Model, service: str) -> Dict[str, Optional[Node]]:
    """Return the networks that a service names, those of what it extends in this file included."""
    networks: Dict[str, Optional[Node]] = {}
    for name in reversed([service] + model.base_chain(service)):
        found = model.find(name, KEY)
        if found is not None:
            networks.update(read_networks(found.value))
    return networks


def declared_networks(document: Document) -> Dict[str, Optional[Node]]:
    """Return the networks that a document declares at its top level."""
    root = document.root
    return read_networks(root.get(KEY)) if root is not None and root.kind == "mapping" else {}


def attached_services(document: Document, network: str) -> List[str]:
    """Return the services of a document that name a network."""
    model = Model(document)
    return [name for name in model.nodes if network in networks_of(model, name)]


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
        before, current = networks_of(model, name), networks_of(after, name)
        kept = set(before) or (set() if name in named_elsewhere else {DEFAULT})
        return kept <= set(current) and all(_is_attached(after, name, item) for item in attachments)

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


def engine_name(documents: Sequence[Document], project: str, item: Attachment) -> Optional[str]:
    """Return a network's name in the engine; None where only Compose can tell, for it holds a variable."""
    declared = dict(item.declared or {})
    for document in documents:
        declared.update(_says(declared_networks(document).get(item.name)))
    name = declared.get("name") or (item.name if declared.get("external") else "%s_%s" % (project, item.name))
    return None if "$" in str(name) else str(name)


def who_lacks(
    models: Sequence[Model],
    chosen: Sequence[str],
    services: Sequence[str],
    attachments: Sequence[Attachment],
    warnings: List[str],
) -> Dict[str, List[Attachment]]:
    """Return, for each service that can be on networks, on which of these it isn't yet.

    Arguments:
        models: the documents that say something of it.
        services: as they were asked for: with ``*`` those that can't be are left out, with a warning.

    Raises:
        StateError: a service has a ``network_mode``. ConflictError: it has another address on a network.
    """
    everywhere = list(services) == ["*"] or (list(services) == ["all"] and "all" not in chosen)
    found: Dict[str, List[Attachment]] = {}
    for name in chosen:
        here = [model for model in models if name in model.nodes]
        mode = next((mode for mode in (_mode(model, name) for model in here) if mode), "")
        if mode and everywhere:
            warnings.append("Service %s was left out: it has network_mode: %s." % (name, mode))
        elif mode:
            raise StateError(
                "Service %s can't be on networks: it has network_mode: %s." % (name, mode),
                "Remove network_mode first: Compose refuses the two together.",
            )
        else:
            found[name] = [item for item in attachments if not any(_is_attached(model, name, item) for model in here)]
    return found


def undeclared(documents: Sequence[Document], attachments: Sequence[Attachment]) -> Dict[str, Any]:
    """Return what the top level has to say of networks of which no document says anything."""
    known = {name for document in documents for name in declared_networks(document)}
    return {
        item.name: dict(item.declared) or None
        for item in attachments
        if item.declared is not None and item.name not in known
    }


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


def _mode(model: Model, name: str) -> str:
    """Return a service's ``network_mode``; raise where its networks are written in a way that can't be edited."""
    value = check_service(model, name, KEY)
    if value is not None and value.tag == "!override":
        raise StateError("networks of service %s has the tag !override." % name, "Change it by hand.")
    mode = next(
        (found for owner in [name] + model.base_chain(name) if (found := model.find(owner, "network_mode"))), None
    )
    return "" if mode is None or mode.value.resolved().is_null else mode.value.resolved().value


def check_declared(documents: Sequence[Document], attachments: Sequence[Attachment]) -> None:
    known = {name: (document, says) for document in documents for name, says in declared_networks(document).items()}
    for item in attachments:
        if item.name in known and item.declared is not None:
            document, says = known[item.name]
            held = _says(says)
            if any(held.get(name) != value for name, value in item.declared.items()):
                raise ConflictError(
                    "%s declares the network %s otherwise: %s there, %s asked for."
                    % (document.name, item.name, _shown(held), _shown(item.declared)),
                    "Ask for what is declared, or choose another name for the network.",
                )
        elif item.name not in known and item.declared is None and item.name != DEFAULT:
            near = nearest(item.name, sorted(known))
            raise InputError(
                "%s declares no network %s; it declares %s."
                % (documents[0].name, item.name, ", ".join(sorted(known)) or "none"),
                "%sSet declare, with external=true for a network that exists already."
                % ("Did you mean %s? " % near if near else ""),
            )


def _says(node: Optional[Node]) -> Dict[str, Any]:
    return {str(name): _plain(value) for name, value in Comparison().flat(node).items()}


def _plain(node: Node) -> Any:
    """Return a scalar as Compose reads it: true and false are no texts."""
    node = node.resolved()
    if node.kind == "scalar" and not node.style and node.value in ("true", "false"):
        return node.value == "true"
    return node.value if node.kind == "scalar" else None


def _shown(declared: Mapping[str, Any]) -> str:
    return ", ".join("%s=%s" % (name, str(value).lower()) for name, value in declared.items()) or "nothing"


def _is_attached(model: Model, service: str, item: Attachment) -> bool:
    """Return whether a service is on a network in the way that is asked for; raise where it is in another one."""
    current = networks_of(model, service)
    if item.name not in current:
        return False
    says = Comparison().flat(current[item.name])
    for option, value in item.options.items():
        held = says.get(option)
        if isinstance(value, list):
            if held is None or not set(value) <= {alias.resolved().value for alias in held.resolved().items}:
                return False
        elif held is None:
            return False
        elif held.resolved().value != value:
            raise ConflictError(
                "%s: service %s is on network %s with %s %s, not %s."
                % (model.document.name, service, item.name, option, held.resolved().value, value),
                "Ask for that one, or change it by hand.",
            )
    return True


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
            options[str(option)] = [item.resolved().value for item in held.items] if held.items else _plain(held)
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
        _says(known[item.name]) == dict(item.declared)
        and not users
        and not any(attached_services(one, item.name) for one in others)
    )
