# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's ``environment`` in a compose file: read, set, changed and unset; ``${…}`` stays as it is written."""

import re
from typing import Dict, List, Optional, Sequence, Tuple

from .._core.errors import InputError, StateError
from .document import Document, Node
from .edit import Editor
from .model import Comparison, Found, Model
from .outcome import Outcome, finish, refuse_sharing
from .target import Target, add_key, check_service, find_target, remove_key

KEY = "environment"
Variables = Dict[str, Optional[str]]

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*$")
_REFERENCE = re.compile(r"^\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])(.*))?\}|([A-Za-z_][A-Za-z0-9_]*))$", re.DOTALL)
_USE = re.compile(r"(?<!\$)(?:\$\$)*\$(?:\{([A-Za-z_][A-Za-z0-9_]*)|([A-Za-z_][A-Za-z0-9_]*))")


def reference_of(value: Optional[str]) -> Optional[str]:
    """Return the variable that a value is nothing but a reference to (``${NAME}``, ``${NAME:-default}``), or None."""
    found = _REFERENCE.match(value or "")
    if found is None or (found.group(2) or "").endswith("+"):
        return None
    return found.group(1) or found.group(4)


def variables_in(text: str) -> List[str]:
    """Return the names of all variables that a text of a compose file refers to."""
    return list(dict.fromkeys(braced or bare for braced, bare in _USE.findall(text)))


def read_environment(model: Model, service: str) -> Variables:
    """Return a service's environment as it is written, merges followed; None is a variable that is passed through."""
    for name in [service] + model.base_chain(service):
        if model.find(name, KEY) is None:
            continue
        merged: Variables = {}
        for member in reversed([service] + model.base_chain(service)):
            found = model.find(member, KEY)
            if found is not None:
                merged.update(read_value(found.value))
        return merged
    return {}


def read_value(value: Node) -> Variables:
    """Return what a value of ``environment`` says: a list, a mapping or nothing."""
    value = value.resolved()
    variables: Variables = {}
    if value.kind == "sequence":
        for item in value.items:
            name, content = _split(item)
            variables[name] = content
    elif value.kind == "mapping":
        for key, node in Comparison().flat(value).items():
            node = node.resolved()
            variables[str(key)] = None if node.is_null else node.value
    return variables


def readers_of(model: Model, variable: str) -> List[str]:
    """Return the services that refer to a variable anywhere in their definition."""
    pattern = re.compile(r"\$\{?" + re.escape(variable) + r"(?![A-Za-z0-9_])")
    readers = []
    for name, line in model.lineages.items():
        waiting: List[Node] = list(line)
        seen = set()
        while waiting:
            node = waiting.pop().resolved()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.kind == "scalar" and pattern.search(node.value) and variable in variables_in(node.value):
                readers.append(name)
                break
            waiting.extend(node.items)
            waiting.extend(value for _key, value in node.pairs)
    return readers


def env_files_of(model: Model, service: str) -> List[str]:
    """Return the paths of a service's ``env_file``, as they are written, in order: a later one wins."""
    found = model.find(service, "env_file")
    if found is None:
        return []
    value = found.value.resolved()
    items = value.items if value.kind == "sequence" else [value]
    paths = []
    for item in items:
        item = item.resolved()
        path = item.get("path") if item.kind == "mapping" else item
        if path is not None and not path.resolved().is_null:
            paths.append(path.resolved().value)
    return paths


def plan_environment(document: Document, services: Sequence[str], variables: Variables) -> Outcome:
    """Return the document in which each of these services has these variables; None as a value unsets one.

    Raises:
        ConflictError: the environment is shared with a service that was not asked for.
        BulkheadError: the edit can't be made safely.
    """
    for name in variables:
        if not _NAME.match(name):
            raise InputError("%r is no name of a variable." % name)
    model = Model(document)
    chosen = document.choose_services(services)
    wanted: Dict[str, Variables] = {}
    for service in chosen:
        check_service(model, service, KEY)
        current = read_environment(model, service)
        change = {
            name: value
            for name, value in variables.items()
            if (name in current if value is None else name not in current or current[name] != value)
        }
        if change:
            wanted[service] = change
    lacking = [service for service in wanted if model.find(service, KEY) is None]
    targets: Dict[int, Tuple[Target, Variables]] = {}
    for service, change in wanted.items():
        target = find_target(model, service, KEY, chosen, lacking)
        if target is None:
            continue
        if target.carried is not None:
            # Its own would take the place of the shared one, and no longer follow it.
            others = set(model.users_of_value(target.carried, KEY)) - set(chosen)
            raise refuse_sharing(model, service, list(others), target.carried)
        targets.setdefault(id(target.node), (target, {}))[1].update(change)

    def make(editor: Editor) -> None:
        for target, change in targets.values():
            if target.found is None:
                _add_key(editor, target, {name: value for name, value in change.items() if value is not None})
            else:
                _change(editor, target, target.found, change)

    def holds(service: str, after: Model) -> bool:
        current = read_environment(after, service)
        return all(
            name not in current if value is None else current.get(name) == value for name, value in variables.items()
        )

    return finish(document, KEY, make, set(chosen), [], holds, chosen)


def _split(item: Node) -> Tuple[str, Optional[str]]:
    name, equals, content = item.resolved().value.partition("=")
    return name, content if equals else None


def _add_key(editor: Editor, target: Target, wanted: Dict[str, str]) -> None:
    if not wanted:
        return
    services = [service.resolved() for _name, service in editor.document.services().pairs]
    forms = [value.resolved().kind for value in (service.get(KEY) for service in services) if value is not None]
    as_list = forms.count("sequence") > forms.count("mapping")
    content = ["%s=%s" % pair for pair in wanted.items()] if as_list else dict(wanted)
    add_key(editor, target, KEY, content, "" if as_list else None)


def _change(editor: Editor, whole: Target, found: Found, wanted: Variables) -> None:
    target = whole.node
    if target.is_null:
        key = next(pair[0] for pair in found.owner.pairs if pair[1] is found.value)
        editor.fill_null(key, target, {name: value for name, value in wanted.items() if value is not None})
        return
    if target.kind == "mapping":
        places = {name: target.index(name) for name in wanted}
    else:
        places = dict.fromkeys(wanted, -1)
        for place, item in enumerate(target.items):
            if _split(item)[0] in places:
                places[_split(item)[0]] = place
    gone = [place for name, place in places.items() if wanted[name] is None and place >= 0]
    inherited = [name for name, place in places.items() if wanted[name] is None and place < 0]
    if inherited:
        raise StateError(
            "Service %s has %s from what it merges or extends." % (whole.service, ", ".join(inherited)),
            "Unset it there.",
        )
    added: Dict[str, str] = {}
    for name, value in wanted.items():
        if value is None:
            continue
        if places[name] < 0:
            added[name] = value
        elif target.kind == "mapping":
            node = target.pairs[places[name]][1]
            editor.replace(node, value, '"' if node.is_null else None)
        else:
            editor.replace(target.items[places[name]], "%s=%s" % (name, value))
    count = len(target.pairs) if target.kind == "mapping" else len(target.items)
    if gone and len(gone) == count and not added and not editor.stays_when_empty(target):
        remove_key(editor, whole, KEY)
    elif gone and target.kind == "mapping":
        editor.remove_pairs(target, gone)
    elif gone:
        editor.remove_items(target, gone)
    if not added:
        return
    if target.kind == "mapping":
        last = target.pairs[-1][1] if target.pairs else None
        quote = last.style if last is not None and last.style in ("'", '"') else ""
        for name, value in added.items():
            editor.add_pair(target, name, value, quote)
    else:
        editor.append_items(target, ["%s=%s" % pair for pair in added.items()])
