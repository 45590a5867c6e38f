# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of a compose file behind a profile, so that ``docker compose up -d`` leaves their stopped containers alone.

Who depends on one loses that dependency, and whoever shares its definition and was not asked for is named.
"""

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Sequence, Set, Tuple

from .._core.errors import BulkheadError, ConflictError, InputError, StateError
from .._core.text import nearest
from .dependence import (
    DEPENDS,
    PROFILES,
    STARTED,
    Dependencies,
    Says,
    dependencies_of,
    needed_of,
    profiles_of,
    read_dependencies,
    read_profiles,
    refuse_users,
    services_of,
)
from .document import Document
from .edit import Editor
from .model import Model, lineage
from .outcome import Edited, Outcome, all_pairs, finish, refuse_sharing
from .target import Target, add_key, check_service, find_target, inherited_value, remove_key


@dataclass
class Retired(Edited):
    """What a file is to hold, and what it then no longer says: what it takes to come back."""

    removed_depends_on: Dependencies = field(default_factory=dict)
    removed_profiles: Dict[str, List[str]] = field(default_factory=dict)


def plan_inline_retired(
    documents: Sequence[Document], services: Sequence[str], profile: str, replace_profiles: bool = False
) -> Retired:
    """Return the compose file in which these services stand behind a profile, and nobody depends on them.

    Arguments:
        documents: the project's compose files, the one to be edited first.
        replace_profiles: other profiles of theirs go; without it they are refused, for a service starts with any one
            of its profiles.

    Raises:
        StateError: a service that stays takes something of one of them that no edit can replace.
        ConflictError: one has other profiles, or shares its definition with one that was not asked for; or another
        file depends on one.
    """
    document, others = documents[0], documents[1:]
    models = [Model(one) for one in documents]
    chosen = document.choose_services(services)
    removed_profiles = _lost_profiles(models, chosen, profile, replace_profiles)
    refuse_users(models, chosen, profile)
    needed = needed_of(models, chosen, profile)
    freed = _without_dependencies(document, needed)
    after = freed.document or document
    later = [Model(one) for one in (after, *others)]
    for name, held in needed_of(later, chosen, profile).items():
        where = [model.document.name for model in later if held.keys() & dependencies_of([model], name).keys()]
        raise ConflictError(
            "Service %s depends on %s in %s, not in %s."
            % (name, ", ".join(held), ", ".join(where) or "another file", document.name),
            "Take that out there first.",
        )
    behind = _with_profile(after, later, chosen, profile)
    changed = set(freed.changed_services + behind.changed_services)
    last = behind.document or after
    return Retired(
        last.data,
        last is not document,
        [name for name in document.service_names() if name in changed],
        [],
        _lost_dependencies(models, [Model(one) for one in (last, *others)]),
        removed_profiles,
    )


def plan_inline_restored(
    documents: Sequence[Document],
    services: Sequence[str],
    profile: str,
    previous: Mapping[str, Sequence[str]],
    wanted: Dependencies,
) -> Edited:
    """Return the compose file in which these services don't stand behind a profile, and these dependencies are back.

    Arguments:
        previous: profiles that a service gets in its place. wanted: as ``removed_depends_on`` says it.
    """
    document, others = documents[0], documents[1:]
    chosen = document.choose_services(services)
    out = _without_profile(document, chosen, profile, previous)
    after = out.document or document
    models = [Model(one) for one in (after, *others)]
    held = [name for name in chosen if profile in profiles_of(models, name)]
    if held:
        raise StateError(
            "Service %s has the profile %s from another place than its definition in %s."
            % (", ".join(held), profile, document.name),
            "Take it away there: in what it extends, or in a further file of the project (mode=override).",
        )
    check_known(models, wanted)
    back = _with_dependencies(after, models, wanted, chosen)
    changed = set(out.changed_services + back.changed_services)
    last = back.document or after
    return Edited(last.data, last is not document, [name for name in document.service_names() if name in changed], [])


def check_known(models: Sequence[Model], wanted: Dependencies) -> None:
    """Raise InputError where a service that is to depend on another, or that other one, is nowhere."""
    known = services_of(models)
    for name in dict.fromkeys(name for service, others in wanted.items() for name in (service, *others)):
        if name not in known:
            near = nearest(name, known)
            raise InputError(
                "The project has no service %s, which depends_on names." % name,
                "Did you mean %s?" % near if near else None,
            )


def _lost_profiles(
    models: Sequence[Model], chosen: Sequence[str], profile: str, replace_profiles: bool
) -> Dict[str, List[str]]:
    """Return the profiles that services lose; raise where they may not, or stand elsewhere."""
    lost: Dict[str, List[str]] = {}
    for name in chosen:
        check_service(models[0], name, PROFILES)
        more = [held for held in profiles_of(models, name) if held != profile]
        if more and not replace_profiles:
            raise other_profiles(name, more)
        found = models[0].find(name, PROFILES)
        away = [held for held in more if held not in read_profiles(None if found is None else found.value)]
        for base in models[0].base_chain(name):
            found = models[0].find(base, PROFILES) if base not in chosen else None
            away += [] if found is None else [held for held in read_profiles(found.value) if held in more]
        away += [held for model in models[1:] for held in profiles_of([model], name) if held in more]
        if away:
            raise ConflictError(
                "Service %s has the profile %s from what it extends, or from another file of the project."
                % (name, ", ".join(dict.fromkeys(away))),
                "Take it away there first.",
            )
        if more:
            lost[name] = more
    return lost


def other_profiles(name: str, more: Sequence[str]) -> ConflictError:
    """Return the refusal to take profiles away that nobody spoke of."""
    return ConflictError(
        "Service %s stands behind the profile %s already, and would still start with it." % (name, ", ".join(more)),
        "Set replace_profiles=true to have it replaced; the result then says what was there.",
        profiles=list(more),
    )


def _lost_dependencies(before: Sequence[Model], after: Sequence[Model]) -> Dependencies:
    lost: Dependencies = {}
    for name in services_of(before):
        rest = dependencies_of(after, name)
        gone = {other: says for other, says in dependencies_of(before, name).items() if other not in rest}
        if gone:
            lost[name] = gone
    return lost


# Dependencies.


def _without_dependencies(document: Document, needed: Dependencies) -> Outcome:
    """Take out of a document what it says of these dependencies."""
    model = Model(document)
    targets: Dict[int, Tuple[Target, Set[int]]] = {}
    gone: Dict[str, Set[str]] = {}
    for name in needed:
        for owner in [name, *model.base_chain(name)] if name in model.nodes else ():
            check_service(model, owner, DEPENDS)
            found = model.find(owner, DEPENDS)
            if found is None:
                continue
            value = found.value.resolved()
            for member in lineage(value) if value.kind == "mapping" else [value]:
                keys = [item.resolved().value for item in member.items] or [key.value for key, _value in member.pairs]
                places = {place for place, key in enumerate(keys) if key in needed[name]}
                if places:
                    target = Target(owner, member, found, None)
                    targets.setdefault(id(member), (target, set()))[1].update(places)
                    for user in model.users_of_value(member, DEPENDS):
                        gone.setdefault(user, set()).update(keys[place] for place in places)

    def make(editor: Editor) -> None:
        for target, places in targets.values():
            count = len(target.node.items) + len(target.node.pairs)
            if len(places) == count:
                _empty(editor, model, target)
            elif target.node.kind == "sequence":
                editor.remove_items(target.node, sorted(places))
            else:
                editor.remove_pairs(target.node, sorted(places))

    def holds(name: str, after: Model) -> bool:
        before, now = dependencies_of([model], name), dependencies_of([after], name)
        # One that is retired itself may keep an entry of its own beside the one that its base loses.
        kept = all(now.get(other) == says for other, says in before.items() if other not in gone[name])
        return kept and now.keys() <= before.keys() and not now.keys() & needed.get(name, {}).keys()

    return finish(document, DEPENDS, make, set(gone), [], holds, list(gone))


def _empty(editor: Editor, model: Model, target: Target) -> None:
    """Take all dependencies away: with their key, unless others stand in its place then, or it stands elsewhere."""
    found, node = target.found, target.node
    own = found is not None and found.value is node
    if own and inherited_value(model, target, DEPENDS) is None:
        remove_key(editor, target, DEPENDS)
        return
    pair = next((pair for pair in all_pairs(editor.document) if pair[1] is node), None)
    if pair is None:
        raise StateError(
            "depends_on of service %s stands in an unusual place (line %d)."
            % (target.service, editor.document.line_number(node.start)),
            "Take its entries out by hand.",
        )
    editor.clear(*pair)


def _with_dependencies(
    document: Document, models: Sequence[Model], wanted: Dependencies, chosen: Sequence[str]
) -> Outcome:
    """Put dependencies back that no file has, in the form that each service has.

    Arguments:
        chosen: services that may get what a service that they extend gets.
    """
    model = models[0]
    missing: Dependencies = {}
    for name, others in wanted.items():
        held = dependencies_of(models, name)
        lacking = {other: says for other, says in others.items() if other not in held}
        if not lacking:
            continue
        if name not in model.nodes:
            raise StateError("Service %s stands in another file than %s." % (name, document.name), "Name that file.")
        check_service(model, name, DEPENDS)
        missing[name] = lacking
    expected = dict(missing)
    for name, lacking in list(missing.items()):
        bases = [base for base in model.base_chain(name) if base in missing]
        own = {
            other: says
            for other, says in lacking.items()
            if not any(missing[base].get(other) == says for base in bases)
        }
        if own:
            missing[name] = own
        else:
            del missing[name]
    asked = (set(wanted) | set(chosen)) & set(model.nodes)
    lacking_key = [name for name in missing if model.find(name, DEPENDS) is None]
    targets: Dict[int, Tuple[Target, Dict[str, Says]]] = {}
    for name, lacking in missing.items():
        target = find_target(model, name, DEPENDS, asked, lacking_key)
        if target is not None:
            targets.setdefault(id(target.node), (target, {}))[1].update(lacking)

    def make(editor: Editor) -> None:
        for target, lacking in targets.values():
            _depend(editor, target, lacking)

    def holds(name: str, after: Model) -> bool:
        known = set(dependencies_of([model], name))
        for one in (name, *model.base_chain(name)):
            known |= set(wanted.get(one, ()))
        return set(dependencies_of([after], name)) <= known

    outcome = finish(document, DEPENDS, make, asked, [], holds, sorted(asked))
    after = Model(outcome.document or document)
    for name, lacking in expected.items():
        back = dependencies_of([after], name)
        if any(other not in back or _in_full(back[other]) != _in_full(says) for other, says in lacking.items()):
            raise BulkheadError(
                "The edit of %s would not reach service %s; nothing was written." % (document.name, name)
            )
    return outcome


def _in_full(says: Says) -> Says:
    """Return what is said of a dependency together with what is meant where nothing is."""
    return {"condition": STARTED, "required": True, "restart": False, **says}


def _as_mapping(lacking: Mapping[str, Says]) -> Dict[str, Says]:
    return {other: {"condition": STARTED, **says} for other, says in lacking.items()}


def _depend(editor: Editor, target: Target, lacking: Dict[str, Says]) -> None:
    node, found = target.node, target.found
    # Nothing is said where a list stood; a mapping says its condition at least.
    was_list = not any(lacking.values())
    if found is None:
        carried = {other: says or {} for other, says in read_dependencies(target.carried).items()}
        content = {**carried, **lacking}
        as_list = not any(content.values())
        add_key(editor, target, DEPENDS, list(content) if as_list else _as_mapping(content), "")
    elif node.is_null:
        key = next(pair[0] for pair in found.owner.pairs if pair[1] is found.value)
        editor.fill_null(key, found.value, list(lacking) if was_list else _as_mapping(lacking), "")
    elif node.kind == "sequence" and (
        was_list or (node.items and all(_in_full(says) == _in_full({}) for says in lacking.values()))
    ):
        editor.append_items(node, list(lacking), None if node.items else "")
    elif node.kind == "sequence":
        kept: Dict[str, Says] = {item.resolved().value: {} for item in node.items}
        editor.list_to_mapping(node, _as_mapping({**kept, **lacking}))
    else:
        for other, says in _as_mapping(lacking).items():
            editor.add_pair(node, other, says, "")


# Profiles.


def _with_profile(document: Document, models: Sequence[Model], chosen: Sequence[str], profile: str) -> Outcome:
    model = models[0]
    missing = [name for name in chosen if profiles_of(models, name) != [profile]]
    lacking = [name for name in missing if model.find(name, PROFILES) is None]
    targets: Dict[int, Target] = {}
    for name in missing:
        if name in lacking and any(base in missing for base in model.base_chain(name)):
            continue
        target = find_target(model, name, PROFILES, chosen, lacking)
        if target is not None:
            targets.setdefault(id(target.node), target)

    def make(editor: Editor) -> None:
        for target in targets.values():
            if target.found is None:
                add_key(editor, target, PROFILES, [profile], "")
            else:
                _put(editor, target, [profile])

    def holds(name: str, after: Model) -> bool:
        return profiles_of([after, *models[1:]], name) == [profile]

    return finish(document, PROFILES, make, set(chosen), [], holds, chosen)


def _without_profile(
    document: Document, chosen: Sequence[str], profile: str, previous: Mapping[str, Sequence[str]]
) -> Outcome:
    model = Model(document)
    targets: Dict[int, Tuple[Target, List[str]]] = {}
    for name in chosen:
        check_service(model, name, PROFILES)
        found = model.find(name, PROFILES)
        held = read_profiles(None if found is None else found.value)
        if found is None or profile not in held:
            continue
        value = found.value.resolved()
        others = set(model.users_of_value(value, PROFILES)) - set(chosen)
        if others:
            raise refuse_sharing(model, name, list(others), value)
        rest = [one for one in held if one != profile]
        rest += [one for one in previous.get(name) or () if one not in rest]
        targets.setdefault(id(value), (Target(name, value, found, None), rest))

    def make(editor: Editor) -> None:
        for target, rest in targets.values():
            inherited = inherited_value(model, target, PROFILES)
            if inherited is not None and read_profiles(inherited) == rest:
                remove_key(editor, target, PROFILES)
            elif rest:
                _put(editor, target, rest)
            elif inherited is not None:
                editor.clear(next(pair[0] for pair in all_pairs(document) if pair[1] is target.node), target.node)
            else:
                remove_key(editor, target, PROFILES)

    def holds(name: str, after: Model) -> bool:
        found = after.find(name, PROFILES)
        return profile not in read_profiles(None if found is None else found.value)

    return finish(document, PROFILES, make, set(chosen), [], holds, chosen)


def _put(editor: Editor, target: Target, names: List[str]) -> None:
    """Make a list hold just these names: what stays is left where it stands, the first that goes gives its place."""
    node, found = target.node, target.found
    written = read_profiles(node)
    gone = [place for place, name in enumerate(written) if name not in names or name in written[:place]]
    new = [name for name in names if name not in written]
    if node.is_null and found is not None:
        key = next(pair[0] for pair in found.owner.pairs if pair[1] is found.value)
        editor.fill_null(key, found.value, names, "")
        return
    if gone and new:
        editor.replace(node.items[gone.pop(0)], new.pop(0))
    if gone:
        editor.remove_items(node, gone)
    if new:
        editor.append_items(node, new, None if node.items else "")
