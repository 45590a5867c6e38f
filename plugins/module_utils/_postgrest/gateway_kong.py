# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second route in Kong's declarative file: a service with its routes and plugins, beside the one that is there.

Kong's documentation, "DB-less and Declarative Configuration".
"""

import re
from typing import List, Sequence

from .._compose.document import Document, Node
from .._core.errors import ConflictError
from .gateway_yaml import (
    Copy,
    Spot,
    Wanted,
    cannot,
    items_of,
    named,
    no_route,
    refuse_taken,
    sequence,
    text_of,
    values_of,
    with_copies,
)


def add_to_kong(data: bytes, wanted: Wanted) -> bytes:
    """Return a declarative file with a service beside the one that has a route of this path, with all of its plugins.

    Raises:
        InputError: there is no such route, or it can't be copied as it is written.
        ConflictError: a route of the new path is there and isn't ours.
    """

    def plan(document: Document) -> List[Copy]:
        services = sequence(document, ("services",))
        originals = [item for item in services if wanted.like in _kong_paths(item)]
        if not originals:
            paths = sorted({path for item in services for path in _kong_paths(item)})
            raise no_route(document, wanted.like, paths)
        refuse_taken(document, services, _kong_paths, wanted)
        _refuse_by_name(document, originals)
        copies = [Copy(item, _kong_spots(document, item, wanted)) for item in originals]
        _refuse_names(document, services, copies)
        return copies

    return with_copies(data, wanted.route, "Kong's declarative file", plan)


def _kong_routes(service: Node) -> List[Node]:
    return items_of(service, "routes")


def _kong_paths(service: Node) -> List[str]:
    return [path.value for route in _kong_routes(service) for path in items_of(route, "paths")]


def _kong_spots(document: Document, service: Node, wanted: Wanted) -> List[Spot]:
    routes = _kong_routes(service)
    plugins = items_of(service, "plugins") + [item for route in routes for item in items_of(route, "plugins")]
    for thing in [service, *routes, *plugins]:
        if thing.get("id") is not None:
            raise cannot(document, thing, "it has an id, and two can't have the same", "Remove the id: Kong makes one.")
    spots = [named(document, thing, "name", wanted.suffix) for thing in [service, *routes]]
    spots += [named(document, item, "instance_name", wanted.suffix) for item in plugins if item.get("instance_name")]
    for route in routes:
        if text_of(route, "strip_path").lower() in ("false", "no", "off"):
            raise cannot(
                document, route, "its path isn't stripped, so the service would be asked for another", "Strip it."
            )
        paths = route.get("paths")
        for path in paths.resolved().items if paths is not None else ():
            spots.append((path, wanted.route + path.value))
    url, host, port = (service.get(key) for key in ("url", "host", "port"))
    if url is not None:
        other = _other_host(document, url, wanted)
        spots.append((url, other))
        comment = service.get("_comment")
        if comment is not None:
            # Kong's own place for a word on a service: of the form "path -> url".
            said = comment.value.replace(wanted.like, wanted.path).replace(url.value, other)
            spots.append((comment, said))
    elif host is not None:
        spots.append((host, wanted.host))
        if port is not None and wanted.port:
            spots.append((port, wanted.port))
    else:
        raise cannot(document, service, "it says neither url nor host", "Write where it leads.")
    return spots


def _refuse_by_name(document: Document, originals: Sequence[Node]) -> None:
    """What asks for keys may stand elsewhere and name the service or the route: the copy would be open."""
    names = {text_of(thing, "name") for item in originals for thing in [item, *_kong_routes(item)]}
    inside = [(item.start, item.end) for item in originals]
    for plugins in values_of(document.root, "plugins"):
        for item in plugins.resolved().items:
            plugin = item.resolved()
            if any(start <= plugin.start < end for start, end in inside):
                continue
            named = {text_of(plugin, key) for key in ("service", "route")} & (names - {""})
            if named:
                raise cannot(
                    document,
                    plugin,
                    "a plugin that belongs to %s by its name" % named.pop(),
                    "Write it among that one's own plugins.",
                )


def _refuse_names(document: Document, services: Sequence[Node], copies: Sequence[Copy]) -> None:
    there = {text_of(thing, "name") for item in services for thing in [item, *_kong_routes(item)]}
    for copy in copies:
        for thing in [copy.item, *_kong_routes(copy.item)]:
            made = next(value for node, value in copy.spots if node is thing.get("name"))
            if made in there:
                raise ConflictError(
                    "%s has the name %s already, and it isn't marked as ours." % (document.name, made),
                    "Rename that one, or choose another route.",
                )


def _other_host(document: Document, url: Node, wanted: Wanted) -> str:
    found = re.match(r"(https?://)([^/:$]+)(:\d+)?", url.value)
    if found is None:
        raise cannot(document, url, "its url has no host that can be told", "Write it as http://host:port/.")
    port = ":" + wanted.port if wanted.port else found.group(3) or ""
    return found.group(1) + wanted.host + port + url.value[found.end() :]
