# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same changes in an override file, where the compose file itself belongs to someone's git clone.

Compose appends an override's ``extra_hosts`` to those of the file before it, and lets its ``environment`` win name by
name.
"""

from typing import Any, Callable, Collection, Dict, List, Optional, Sequence, Set

from .._core.errors import StateError
from .attachments import DEFAULT, Attachment, check_declared, networks_of, undeclared, who_lacks
from .document import Document
from .environment import Variables, plan_environment, read_environment
from .extra_hosts import (
    Entry,
    Hosts,
    address_conflict,
    hosts_of,
    missing_hosts,
    normal_address,
    plan_absent,
    plan_present,
)
from .model import Model
from .networks import plan_attached, plan_detached, with_declared
from .outcome import Edited, Outcome
from .service import add_missing, new_file, remove_service


def open_override(data: Optional[bytes], name: str) -> Optional[Document]:
    """Return an override file's document; None where there is no such file, or nothing in it."""
    return None if data is None or not data.strip() else Document(data, name)


def names_in(document: Optional[Document]) -> List[str]:
    """Return the services of an override file, which need not have any."""
    if document is None or document.root is None or document.root.kind != "mapping":
        return []
    services = document.root.get("services")
    return [] if services is None or services.kind != "mapping" else document.service_names()


def plan_override_hosts(
    bases: Sequence[Document], data: Optional[bytes], services: Sequence[str], hosts: Hosts, present: bool, name: str
) -> Edited:
    """Return the override file with which these services have, or don't have, these hosts.

    Arguments:
        bases: the compose files before it, the first one being the one that was named.
        data: the override file; None where there is none. name: what messages call it.

    Raises:
        ConflictError: a base file names another address. StateError: a host that is to go stands in a base file.
    """
    document = open_override(data, name)
    known = names_in(document)
    chosen = bases[0].choose_services(services)
    models = [Model(base) for base in bases]
    override = Model(document) if document is not None and known else None
    wanted: Dict[str, Hosts] = {}
    problems: List[str] = []
    for service in chosen:
        base_entries: List[Entry] = []
        for model in models:
            if service in model.nodes:
                base_entries += hosts_of(model, service)
        own = hosts_of(override, service) if override is not None and service in known else []
        if present:
            missing, conflicts = missing_hosts(base_entries + own, hosts)
            problems += ["%s has %s at %s" % (service, entry.host, entry.address) for entry in conflicts]
            if missing:
                wanted[service] = missing
            continue
        held = [entry.host for entry in base_entries if _is_named(entry, hosts)]
        if held:
            raise StateError(
                "%s of service %s stands in %s, not in %s." % (", ".join(held), service, bases[0].name, name),
                "Remove it there with mode=inline.",
            )
        if own:
            wanted[service] = hosts
    if problems:
        raise address_conflict(bases[0], problems, hosts)
    if not present:
        return _take_away(document, data, wanted, lambda current: plan_absent(current, list(wanted), hosts))
    content = {
        service: {"extra_hosts": ["%s:%s" % pair for pair in missing.items()]} for service, missing in wanted.items()
    }
    return _give(
        document, data, known, content, lambda current, service: plan_present(current, [service], wanted[service])
    )


def plan_override_environment(
    bases: Sequence[Document], data: Optional[bytes], services: Sequence[str], variables: Variables, name: str
) -> Edited:
    """Return the override file with which these services have these variables; None as a value takes one back.

    Raises:
        StateError: a variable that is to be unset stands in a base file.
    """
    document = open_override(data, name)
    known = names_in(document)
    override = Model(document) if document is not None and known else None
    wanted: Dict[str, Variables] = {}
    for service in bases[0].choose_services(services):
        base: Variables = {}
        for base_document in bases:
            model = Model(base_document)
            if service in model.nodes:
                base.update(read_environment(model, service))
        own = read_environment(override, service) if override is not None and service in known else {}
        current = dict(base, **own)
        held = [key for key, value in variables.items() if value is None and key in base and key not in own]
        if held:
            raise StateError(
                "%s of service %s stands in %s, not in %s." % (", ".join(held), service, bases[0].name, name),
                "Unset it there with mode=inline.",
            )
        change = {
            key: value
            for key, value in variables.items()
            if (key in own if value is None else key not in current or current[key] != value)
        }
        if change:
            wanted[service] = change
    content: Dict[str, Any] = {}
    for service, change in wanted.items():
        content[service] = {"environment": {key: value for key, value in change.items() if value is not None}}
    return _give(
        document, data, known, content, lambda current, service: plan_environment(current, [service], wanted[service])
    )


def plan_override_networks(
    bases: Sequence[Document],
    data: Optional[bytes],
    services: Sequence[str],
    attachments: Sequence[Attachment],
    present: bool,
    name: str,
) -> Edited:
    """Return the override file with which these services are, or aren't, on these networks.

    Compose adds an override's networks to those that a file before it names; where none names any, the implied
    ``default`` goes, so it is named beside them.

    Raises:
        StateError: a service has a ``network_mode``, or stands on a network that is to go in a base file.
        InputError, ConflictError: a network is declared nowhere, or otherwise.
    """
    document = open_override(data, name)
    known = names_in(document)
    held_in_bases: Dict[str, Set[str]] = {}
    for base in bases:
        model = Model(base)
        for service in model.nodes:
            held_in_bases.setdefault(service, set()).update(networks_of(model, service))
    named = [service for service, networks in held_in_bases.items() if networks]
    chosen = bases[0].choose_services(services)
    if not present:
        names = {item.name for item in attachments}
        for service in chosen:
            held = sorted(names & held_in_bases.get(service, set()))
            if held:
                raise StateError(
                    "Network %s of service %s stands in %s, not in %s."
                    % (", ".join(held), service, bases[0].name, name),
                    "Detach it there with mode=inline.",
                )
        asked = [service for service in chosen if service in known]
        return _take_away(
            document, data, asked, lambda current: plan_detached(current, asked, attachments, bases, named)
        )
    check_declared([*bases, *([document] if document is not None else [])], attachments)
    models = [Model(one) for one in bases] + ([Model(document)] if document is not None and known else [])
    warnings: List[str] = []
    lacks = who_lacks(models, chosen, services, attachments, warnings)
    lacks = {service: lacking for service, lacking in lacks.items() if lacking}
    if not lacks:
        return Edited(data, False, [], warnings)
    content: Dict[str, Any] = {}
    for service, lacking in lacks.items():
        own: Dict[str, Any] = {item.name: dict(item.options) or None for item in lacking}
        if not held_in_bases.get(service):
            own.setdefault(DEFAULT, None)
        content[service] = {"networks": own if any(own.values()) else list(own)}
    declared = undeclared([*bases, *([document] if document is not None else [])], attachments)
    if document is None:
        return Edited(new_file(content, declared), True, list(content), warnings)
    current = add_missing(document, {service: value for service, value in content.items() if service not in known})
    current = with_declared(current, declared)
    for service, lacking in lacks.items():
        if service in known:
            current = plan_attached(current, [service], lacking, bases, named).document or current
    return Edited(current.data, True, list(content), warnings)


def _is_named(entry: Entry, hosts: Hosts) -> bool:
    for host, address in hosts.items():
        if entry.host.lower() == host.lower():
            return address is None or normal_address(entry.address or "") == normal_address(address)
    return False


def _give(
    document: Optional[Document], data: Optional[bytes], known: List[str], content: Dict[str, Any], change: Any
) -> Edited:
    if not content:
        return Edited(data, False)
    if document is None:
        return Edited(new_file(content), True, list(content))
    current = document
    warnings: List[str] = []
    for service in content:
        if service in known:
            outcome: Outcome = change(current, service)
            warnings += outcome.warnings
            current = outcome.document or current
    current = add_missing(current, {service: value for service, value in content.items() if service not in known})
    rest = without_empty(document, current.data, known) if known else current.data
    return Edited(rest, rest != data, list(content), warnings)


def _take_away(
    document: Optional[Document],
    data: Optional[bytes],
    services: Collection[str],
    change: Callable[[Document], Outcome],
) -> Edited:
    if document is None or not services:
        return Edited(data, False)
    outcome = change(document)
    if outcome.document is None:
        return Edited(data, False)
    rest = without_empty(document, outcome.document.data, outcome.changed_services)
    return Edited(rest, True, outcome.changed_services, outcome.warnings)


def without_empty(before: Document, data: bytes, services: Sequence[str]) -> Optional[bytes]:
    """Take out the services of which nothing is said any more; None where nothing is left of the file."""
    rest: Optional[bytes] = data
    for service in services:
        if rest is None:
            break
        node = Document(rest, before.name).services().get(service)
        written = before.services().get(service)
        if node is not None and not node.pairs and not node.anchor and written is not None and not written.flow:
            rest = remove_service(rest, service, before.name)
    return rest
