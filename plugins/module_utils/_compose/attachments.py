# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services are to be on which network, and what compose files say of networks now."""

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._core.errors import ConflictError, InputError, StateError
from .._core.text import nearest
from .document import Document, Node
from .model import Comparison, Model
from .target import check_service

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


def engine_name(documents: Sequence[Document], project: str, item: Attachment) -> Optional[str]:
    """Return a network's name in the engine; None where only Compose can tell, for it holds a variable."""
    declared = dict(item.declared or {})
    for document in documents:
        declared.update(declaration(declared_networks(document).get(item.name)))
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
            found[name] = [item for item in attachments if not any(is_attached(model, name, item) for model in here)]
    return found


def undeclared(documents: Sequence[Document], attachments: Sequence[Attachment]) -> Dict[str, Any]:
    """Return what the top level has to say of networks of which no document says anything."""
    known = {name for document in documents for name in declared_networks(document)}
    return {
        item.name: dict(item.declared) or None
        for item in attachments
        if item.declared is not None and item.name not in known
    }


def _mode(model: Model, name: str) -> str:
    """Return a service's ``network_mode``; raise where its networks are written in a way that can't be edited."""
    value = check_service(model, name, KEY)
    if value is not None and value.tag == "!override":
        raise StateError("networks of service %s has the tag !override." % name, "Change it by hand.")
    return model.network_mode(name)


def check_declared(documents: Sequence[Document], attachments: Sequence[Attachment]) -> None:
    known = {name: (document, says) for document in documents for name, says in declared_networks(document).items()}
    for item in attachments:
        if item.name in known and item.declared is not None:
            document, says = known[item.name]
            held = declaration(says)
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


def declaration(node: Optional[Node]) -> Dict[str, Any]:
    """Return what a declaration says, as Compose reads it."""
    return {str(name): plain_value(value) for name, value in Comparison().flat(node).items()}


def plain_value(node: Node) -> Any:
    """Return a scalar as Compose reads it: true and false are no texts."""
    node = node.resolved()
    if node.kind == "scalar" and not node.style and node.value in ("true", "false"):
        return node.value == "true"
    return node.value if node.kind == "scalar" else None


def _shown(declared: Mapping[str, Any]) -> str:
    return ", ".join("%s=%s" % (name, str(value).lower()) for name, value in declared.items()) or "nothing"


def is_attached(model: Model, service: str, item: Attachment) -> bool:
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
