# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``extra_hosts`` of the services of a compose file: what each has, and the edit that gives or takes entries.

A change never reaches a service that was not asked for: whoever shares a list with one through an anchor, a merge
key or ``extends`` is named, and nothing is written.
"""

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .._core.errors import BulkheadError, ConflictError, InputError, StateError
from .document import Document, Node
from .edit import Editor
from .model import Comparison, Found, Model
from .outcome import Edited, Outcome, finish, refuse_sharing
from .target import Target, add_key, check_service, find_target, inherited_value, remove_key

KEY = "extra_hosts"
_HOST = re.compile(r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$")
_ADDRESS = re.compile(r"^(\$\{[^\s]+\}|host-gateway|[0-9A-Fa-f:.]+|\[[0-9A-Fa-f:.]+\])$")
Hosts = Dict[str, Optional[str]]


class Entry(NamedTuple):
    """One entry: host, address (None where it is no fixed text), where it stands, and as it is written."""

    host: str
    address: Optional[str]
    place: int
    written: str
    inherited: bool = False


def normal_address(address: str) -> str:
    """Return an address as it is compared: IPv6 without brackets, in small letters."""
    address = address.strip()
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    return address.lower()


def split_entry(text: str) -> Optional[Tuple[str, str]]:
    """Return host and address of ``host:address`` or ``host=address``; None where a variable holds both."""
    if text.startswith("$"):
        return None
    equal, colon = text.find("="), text.find(":")
    separator = equal if equal >= 0 and (colon < 0 or equal < colon) else colon
    if separator < 0:
        return None
    return text[:separator].strip(), text[separator + 1 :].strip()


def read_entries(value: Optional[Node]) -> List[Entry]:
    """Return the entries of a value of ``extra_hosts``: a list, a mapping or nothing."""
    if value is None:
        return []
    value = value.resolved()
    entries: List[Entry] = []
    if value.kind == "sequence":
        for place, item in enumerate(value.items):
            written = item.resolved().value
            parts = split_entry(written)
            if parts is not None:
                entries.append(Entry(parts[0], parts[1], place, written))
    elif value.kind == "mapping":
        own = {key.value for key, _value in value.pairs}
        for name, content in Comparison().flat(value).items():
            content = content.resolved()
            addresses = (
                [item.resolved().value for item in content.items] if content.kind == "sequence" else [content.value]
            )
            for address in addresses:
                entries.append(Entry(str(name), address, value.index(str(name)), address, str(name) not in own))
    return entries


def hosts_of(model: Model, service: str) -> List[Entry]:
    """Return all entries that a service ends up with, those of what it extends in this file included."""
    entries: List[Entry] = []
    for name in [service] + model.base_chain(service):
        found = model.find(name, KEY)
        if found is not None:
            entries.extend(read_entries(found.value))
    return entries


def missing_hosts(entries: Sequence[Entry], hosts: Hosts) -> Tuple[Hosts, List[Entry]]:
    """Return the hosts that no entry has, and the entries that name one of the hosts with another address only."""
    missing: Hosts = {}
    conflicts: List[Entry] = []
    for host, address in hosts.items():
        same = [entry for entry in entries if entry.host.lower() == host.lower()]
        if not same:
            missing[host] = address
        elif address is not None and not any(_agrees(entry, address) for entry in same):
            conflicts.extend(same)
    return missing, conflicts


def _agrees(entry: Entry, address: Optional[str]) -> bool:
    return address is None or (entry.address is not None and normal_address(entry.address) == normal_address(address))


def plan_present(document: Document, services: Sequence[str], hosts: Hosts) -> Outcome:
    """Return the document in which each of these services has each of these hosts.

    Raises:
        ConflictError: a host has another address, or a service shares its entries with one that was not asked for.
        BulkheadError: the edit can't be made safely.
    """
    model = Model(document)
    everywhere = list(services) == ["*"] or (list(services) == ["all"] and "all" not in model.nodes)
    chosen = document.choose_services(services)
    warnings: List[str] = []
    wanted: Dict[str, Hosts] = {}
    problems: List[str] = []
    for name in list(chosen):
        check_service(model, name, KEY)
        reason = _pointless(model, name)
        if reason and everywhere:
            warnings.append("Service %s was left out: %s." % (name, reason))
            chosen.remove(name)
            continue
        if reason:
            raise StateError(
                "Service %s can't have extra_hosts: %s." % (name, reason), "Give them to the other service."
            )
        if model.network_mode(name) == "host":
            warnings.append("Service %s is on the host's own network: there the host is localhost." % name)
        missing, conflicts = missing_hosts(hosts_of(model, name), hosts)
        problems += ["%s has %s at %s" % (name, entry.host, entry.address) for entry in conflicts]
        if missing:
            wanted[name] = missing
    if problems:
        raise address_conflict(document, problems, hosts)
    asked = set(chosen)
    lacking = [name for name in wanted if model.find(name, KEY) is None]
    targets: Dict[int, Tuple[Target, Hosts]] = {}
    for name, missing in wanted.items():
        if any(base in wanted for base in model.base_chain(name)):
            continue
        target = find_target(model, name, KEY, asked, lacking)
        if target is not None:
            targets.setdefault(id(target.node), (target, {}))[1].update(missing)

    def make(editor: Editor) -> None:
        for target, missing in targets.values():
            if target.found is None:
                carried = [] if target.carried is None else _texts_of(target.carried)
                add_key(editor, target, KEY, carried + _entry_texts(missing, _separator(carried)))
            else:
                _add_entries(editor, target.found, target.node, missing)

    return finish(
        document,
        KEY,
        make,
        asked,
        warnings,
        lambda name, after: not any(missing_hosts(hosts_of(after, name), hosts)),
        chosen,
    )


def _pointless(model: Model, name: str) -> str:
    mode = model.network_mode(name)
    if mode.startswith(("service:", "container:")):
        return "it uses the network of %s, and has no hosts file of its own" % mode.partition(":")[2]
    return "it has no network (network_mode: none)" if mode == "none" else ""


def address_conflict(document: Document, problems: List[str], hosts: Hosts) -> ConflictError:
    """Return the refusal to give a host a second address."""
    wanted = ", ".join("%s at %s" % (host, address) for host, address in hosts.items())
    return ConflictError(
        "%s already names another address: %s; asked for: %s." % (document.name, "; ".join(problems), wanted),
        "Remove that entry, or ask for its address.",
        conflicts=problems,
    )


def _texts_of(value: Node) -> List[str]:
    """Return the entries of a value as a list's texts."""
    if value.kind == "mapping":
        return ["%s:%s" % (entry.host, entry.address) for entry in read_entries(value)]
    return [item.resolved().value for item in value.items]


def _separator(written: Sequence[str]) -> str:
    """Return what stands between host and address in a new entry: ``=`` where every other one has it."""
    equals = [text for text in written if (split_entry(text) or ("", ""))[0] == text.partition("=")[0].strip()]
    return "=" if written and len(equals) == len(written) else ":"


def _entry_texts(missing: Hosts, separator: str = ":") -> List[str]:
    return ["%s%s%s" % (host, separator, address) for host, address in missing.items()]


def _add_entries(editor: Editor, found: Found, target: Node, missing: Hosts) -> None:
    if target.kind == "mapping":
        if not target.pairs and not target.flow:
            raise BulkheadError("An empty mapping is written in an unusual way.")
        quote = next((value.style for _key, value in reversed(target.pairs) if value.kind == "scalar"), '"')
        for host, address in missing.items():
            editor.add_pair(target, host, address, quote if quote in ("", "'", '"') else '"')
        return
    if target.is_null:
        for key, value in found.owner.pairs:
            if value is target:
                editor.fill_null(key, value, _entry_texts(missing), editor.style.quote_beside(found.owner, KEY))
                return
        raise StateError("extra_hosts is an alias of nothing (line %d)." % editor.document.line_number(target.start))
    written = [item.resolved().value for item in target.items]
    quote = editor.style.quote_in(target) if target.items else editor.style.quote_beside(found.owner, KEY)
    if target.flow and not target.items:
        quote = quote or '"'
    editor.append_items(target, _entry_texts(missing, _separator(written)), quote)


def plan_absent(document: Document, services: Sequence[str], hosts: Hosts) -> Outcome:
    """Return the document in which none of these services has any of these hosts.

    Raises:
        ConflictError: a host has another address than the one named, or the entries are shared with other services.
    """
    model = Model(document)
    chosen = document.choose_services(services)
    asked = set(chosen)
    problems: List[str] = []
    targets: Dict[int, Tuple[Target, Set[int]]] = {}
    for name in chosen:
        check_service(model, name, KEY)
        for owner_name in [name] + model.base_chain(name):
            found = model.find(owner_name, KEY)
            entries = read_entries(found.value) if found is not None else []
            for host, address in hosts.items():
                same = [entry for entry in entries if entry.host.lower() == host.lower()]
                agreeing = [entry for entry in same if _agrees(entry, address)]
                problems += ["%s has %s at %s" % (name, entry.host, entry.address) for entry in same if not agreeing]
                if not agreeing or found is None:
                    continue
                value = found.value.resolved()
                others = set(model.users_of_value(value, KEY)) - asked
                if others:
                    raise refuse_sharing(model, name, list(others), value)
                if any(entry.inherited for entry in agreeing):
                    raise StateError(
                        "extra_hosts of service %s has %s from a mapping that it merges." % (name, host),
                        "Remove it there.",
                    )
                target = Target(owner_name, value, found, None)
                targets.setdefault(id(value), (target, set()))[1].update(entry.place for entry in agreeing)
    if problems:
        raise address_conflict(document, sorted(set(problems)), hosts)

    def make(editor: Editor) -> None:
        for target, places in targets.values():
            _remove(editor, model, target, places)

    def gone(name: str, after: Model) -> bool:
        rest = hosts_of(after, name)
        return not any(
            entry.host.lower() == host.lower() and _agrees(entry, address)
            for entry in rest
            for host, address in hosts.items()
        )

    return finish(document, KEY, make, asked, [], gone, chosen)


def _remove(editor: Editor, model: Model, target: Target, places: Set[int]) -> None:
    value = target.node
    count = len(value.items) if value.kind == "sequence" else len(value.pairs)
    if _is_carried_over(model, target, places) or (len(places) == count and not editor.stays_when_empty(value)):
        remove_key(editor, target, KEY)
    elif value.kind == "sequence":
        editor.remove_items(value, sorted(places))
    else:
        editor.remove_pairs(value, sorted(places))


def _is_carried_over(model: Model, target: Target, places: Set[int]) -> bool:
    """Return whether what remains is just what the service would inherit without a list of its own."""
    inherited = inherited_value(model, target, KEY)
    rest = [item.resolved().value for place, item in enumerate(target.node.items) if place not in places]
    return inherited is not None and target.node.kind == "sequence" and rest == _texts_of(inherited)


def checked_hosts(hosts: Mapping[str, Any], present: bool) -> Hosts:
    """Return hosts as the other functions take them.

    Raises:
        InputError: there is none, or a name or an address can't be one.
    """
    if not hosts:
        raise InputError("No host is named.", "Name at least one, with its address.")
    checked: Hosts = {}
    for host, address in hosts.items():
        text = None if address is None else str(address).strip()
        if not _HOST.match(str(host)):
            raise InputError("%r is no name of a host." % host)
        if text is None and present:
            raise InputError("Host %s has no address." % host, "Give one, or host-gateway.")
        if text is not None and (not text or not _ADDRESS.match(text)):
            raise InputError("%r is no address of host %s." % (text, host), "Give an IP address, or host-gateway.")
        checked[str(host)] = text
    return checked


def plan_inline_hosts(document: Document, services: Sequence[str], hosts: Hosts, present: bool) -> Edited:
    """Return the compose file itself with, or without, these hosts."""
    outcome = plan_present(document, services, hosts) if present else plan_absent(document, services, hosts)
    after = document.data if outcome.document is None else outcome.document.data
    return Edited(after, outcome.document is not None, outcome.changed_services, outcome.warnings)
