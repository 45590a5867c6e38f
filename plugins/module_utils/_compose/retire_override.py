# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same in an override file, which can take away what a file before it says only by Compose's tags.

``!reset null`` on one dependency takes just that one away, whether the file before it has a list or a mapping; a list
of profiles is added to the one before it, unless it has the tag ``!override``.
"""

from typing import Any, Dict, KeysView, List, Mapping, Optional, Sequence

from .._core.errors import StateError
from .dependence import (
    DEPENDS,
    PROFILES,
    Dependencies,
    dependencies_of,
    needed_of,
    profiles_of,
    read_dependencies,
    refuse_users,
)
from .document import Document, Node
from .edit import Editor, edit_with_fallback
from .model import Model
from .outcome import Edited
from .override import names_in, open_override, without_empty
from .retire import Retired, check_known, other_profiles
from .service import add_missing, new_file
from .style import Tagged
from .target import check_service

RESET = "!reset"
OVERRIDE = "!override"


def plan_override_retired(
    bases: Sequence[Document],
    data: Optional[bytes],
    services: Sequence[str],
    profile: str,
    replace_profiles: bool,
    name: str,
) -> Retired:
    """Return the override file with which these services stand behind a profile, and nobody depends on them.

    Arguments:
        bases: the compose files before it, the first one being the one that was named.
        data: the override file; None where there is none. name: what messages call it.

    Raises:
        StateError: a service takes something of one of them that no edit can replace, or the override file already
        says something of it that can't be joined. ConflictError: one has other profiles.
    """
    document = open_override(data, name)
    known = names_in(document)
    own = Model(document) if document is not None and known else None
    models = [Model(base) for base in bases] + ([own] if own is not None else [])
    chosen = bases[0].choose_services(services)
    removed: Dict[str, List[str]] = {}
    content: Dict[str, Dict[str, Any]] = {}
    for service in chosen:
        held = profiles_of(models, service)
        more = [one for one in held if one != profile]
        if more and not replace_profiles:
            raise other_profiles(service, more)
        if held != [profile]:
            if own is not None and service in known:
                if check_service(own, service, PROFILES) is not None or not own.document.is_plain:
                    raise _written_otherwise(PROFILES, service, name)
            content[service] = {PROFILES: Tagged(OVERRIDE, [profile]) if more else [profile]}
        if more:
            removed[service] = more
    refuse_users(models, chosen, profile)
    needed = needed_of(models, chosen, profile)
    for service, gone in needed.items():
        if own is not None and service in known:
            value = check_service(own, service, DEPENDS)
            joins = value is None or (value.kind == "mapping" and not value.tag and not gone.keys() & _keys(value))
            if not joins or not own.document.is_plain:
                raise _written_otherwise(DEPENDS, service, name)
        content.setdefault(service, {})[DEPENDS] = {other: Tagged(RESET, None) for other in gone}
    if not content:
        return Retired(data, False)
    lost = {service: dict(gone) for service, gone in needed.items()}
    order = [*content]
    if document is None:
        return Retired(new_file(content), True, order, [], lost, removed)
    current = document
    present = {service: says for service, says in content.items() if service in known}
    if present:
        current = edit_with_fallback(current, lambda editor: _give(editor, present)) or current
    current = add_missing(current, {service: says for service, says in content.items() if service not in known}, "")
    return Retired(current.data, True, order, [], lost, removed)


def plan_override_restored(
    bases: Sequence[Document],
    data: Optional[bytes],
    services: Sequence[str],
    profile: str,
    previous: Mapping[str, Sequence[str]],
    wanted: Dependencies,
    name: str,
) -> Edited:
    """Return the override file that neither puts these services behind a profile nor takes these dependencies away.

    Raises:
        StateError: what is to go, or to come back, stands in a base file.
    """
    document = open_override(data, name)
    known = names_in(document)
    chosen = bases[0].choose_services(services)
    below = [Model(base) for base in bases]
    check_known(below, wanted)
    for service in chosen:
        if profile in profiles_of(below, service):
            raise StateError(
                "The profile %s of service %s stands in %s, not in %s." % (profile, service, bases[0].name, name),
                "Take it away there with mode=inline.",
            )
    if document is None or not known:
        _check_back(below, chosen, previous, wanted, bases[0].name)
        return Edited(data, False)
    own = Model(document)

    def make(editor: Editor) -> None:
        for service in known:
            mapping = own.nodes[service]
            gone = [PROFILES] if _takes_profile(own, chosen, service, profile) else []
            value = mapping.get(DEPENDS)
            resets = _resets(value, wanted.get(service, {}))
            if value is not None and len(resets) == len(value.pairs) and resets:
                gone.append(DEPENDS)
            elif value is not None and resets:
                editor.remove_pairs(value, resets)
            if gone:
                pair = next(pair for pair in document.services().pairs if pair[1] is mapping)
                editor.remove_pairs(mapping, [mapping.index(key) for key in gone], pair)

    changed = [
        service
        for service in known
        if _takes_profile(own, chosen, service, profile)
        or _resets(own.nodes[service].get(DEPENDS), wanted.get(service, {}))
    ]
    after = edit_with_fallback(document, make) if changed else None
    _check_back([*below, Model(after or document)], chosen, previous, wanted, bases[0].name)
    if after is None:
        return Edited(data, False)
    return Edited(without_empty(document, after.data, changed), True, changed)


def _keys(value: Node) -> KeysView[str]:
    return read_dependencies(value).keys()


def _written_otherwise(key: str, service: str, name: str) -> StateError:
    return StateError(
        "%s of service %s is written in %s already, in a way that this can't be joined to." % (key, service, name),
        "Change it there by hand, or use mode=inline.",
    )


def _give(editor: Editor, content: Mapping[str, Dict[str, Any]]) -> None:
    for key, node in editor.document.services().pairs:
        says = content.get(key.value)
        if says is None:
            continue
        if node.is_null:
            editor.fill_null(key, node, says, "")
            continue
        for part, value in says.items():
            held = node.get(part)
            if held is None:
                editor.add_pair(node, part, value, "")
            else:
                for other, item in value.items():
                    editor.add_pair(held, other, item, "")


def _takes_profile(own: Model, chosen: Sequence[str], service: str, profile: str) -> bool:
    """Return whether an override file puts a service behind this profile; raise where it names others beside it."""
    if service not in chosen:
        return False
    value = own.nodes[service].get(PROFILES)
    names = [] if value is None else [item.value for item in value.items]
    if profile in names and names != [profile]:
        raise _written_otherwise(PROFILES, service, own.document.name)
    return names == [profile]


def _resets(value: Optional[Node], others: Mapping[str, Any]) -> List[int]:
    """Return the places of these services' ``!reset`` in a value of ``depends_on``."""
    pairs = [] if value is None else value.pairs
    return [place for place, (key, item) in enumerate(pairs) if item.tag == RESET and key.value in others]


def _check_back(
    models: Sequence[Model],
    chosen: Sequence[str],
    previous: Mapping[str, Sequence[str]],
    wanted: Dependencies,
    base: str,
) -> None:
    for service, others in wanted.items():
        lacking = sorted(set(others) - set(dependencies_of(models, service)))
        if lacking:
            raise StateError(
                "%s says nothing of service %s that depends on %s." % (base, service, ", ".join(lacking)),
                "Put it back with mode=inline.",
            )
    for service in chosen:
        lacking = sorted(set(previous.get(service) or ()) - set(profiles_of(models, service)))
        if lacking:
            raise StateError(
                "%s doesn't put service %s behind the profile %s." % (base, service, ", ".join(lacking)),
                "Put it back with mode=inline.",
            )
