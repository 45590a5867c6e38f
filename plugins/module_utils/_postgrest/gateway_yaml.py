# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second route beside one that is there, in a gateway's YAML: Kong's declarative file, and Envoy's listeners and
clusters.

What is copied are the lines of the file itself, with comments and ``${…}``; only names, paths and hosts are others.
Kong: its documentation, "DB-less and Declarative Configuration". Envoy: its API v3, ``config.route.v3.Route`` (the
first route that matches is taken) and ``config.cluster.v3.Cluster``.
"""

import re
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .._compose.document import Document, Node
from .._compose.edit import content_end
from .._compose.style import Style
from .._core.errors import ConflictError, InputError, StateError
from . import gateway

Spot = Tuple[Node, str]


class Copy(NamedTuple):
    """An item of a list that is copied behind itself, and which of its scalars become what."""

    item: Node
    spots: List[Spot]


class Wanted(NamedTuple):
    """A route: the path of the one that is copied, what goes before it, and where both lead."""

    like: str
    route: str
    host: str
    port: str

    @property
    def path(self) -> str:
        """The path of the new route."""
        return self.route + self.like

    @property
    def suffix(self) -> str:
        """What tells the names of the copy from those of the original."""
        return self.route.replace("/", "-")


def wanted_route(like: str, route: str, service: str) -> Wanted:
    """Return a route from options; service is a host, or host and port."""
    gateway.check_route(route)
    gateway.check_service(service, "service")
    host, _colon, port = service.partition(":")
    return Wanted(like, route, host, port)


# --- Kong -----------------------------------------------------------------------------------------------------------


def add_to_kong(data: bytes, wanted: Wanted) -> bytes:
    """Return a declarative file with a service beside the one that has a route of this path, with all of its plugins.

    Raises:
        InputError: there is no such route, or it can't be copied as it is written.
        ConflictError: a route of the new path is there and isn't ours.
    """

    def plan(document: Document) -> List[Copy]:
        services = _sequence(document, ("services",))
        originals = [item for item in services if wanted.like in _kong_paths(item)]
        if not originals:
            paths = sorted({path for item in services for path in _kong_paths(item)})
            raise _no_route(document, wanted.like, paths)
        _refuse_taken(document, services, _kong_paths, wanted)
        return [Copy(item, _kong_spots(document, item, wanted)) for item in originals]

    return _with_copies(data, wanted.route, "Kong's declarative file", plan)


def _kong_routes(service: Node) -> List[Node]:
    found = service.get("routes") if service.kind == "mapping" else None
    return [] if found is None else [item.resolved() for item in found.resolved().items]


def _kong_paths(service: Node) -> List[str]:
    found = []
    for route in _kong_routes(service):
        paths = route.get("paths") if route.kind == "mapping" else None
        found += [] if paths is None else [item.resolved().value for item in paths.resolved().items]
    return found


def _kong_spots(document: Document, service: Node, wanted: Wanted) -> List[Spot]:
    routes = _kong_routes(service)
    for thing in [service, *routes]:
        if thing.get("id") is not None:
            raise _cannot(
                document, thing, "it has an id, and two can't have the same", "Remove the id: Kong makes one."
            )
    spots = [_named(document, thing, "name", wanted.suffix) for thing in [service, *routes]]
    for route in routes:
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
        raise _cannot(document, service, "it says neither url nor host", "Write where it leads.")
    return spots


def _other_host(document: Document, url: Node, wanted: Wanted) -> str:
    found = re.match(r"(https?://)([^/:$]+)(:\d+)?", url.value)
    if found is None:
        raise _cannot(document, url, "its url has no host that can be told", "Write it as http://host:port/.")
    port = ":" + wanted.port if wanted.port else found.group(3) or ""
    return found.group(1) + wanted.host + port + url.value[found.end() :]


# --- Envoy ----------------------------------------------------------------------------------------------------------

_MATCHES = ("prefix", "path", "path_separated_prefix")


def add_to_envoy(data: bytes, wanted: Wanted) -> bytes:
    """Return a configuration of listeners with a route beside each one of this path, which leads to another cluster.

    Raises:
        InputError: there is no such route, or it can't be copied as it is written.
        ConflictError: a route of the new path is there and isn't ours, or an earlier one takes its requests.
    """

    def plan(document: Document) -> List[Copy]:
        copies: List[Copy] = []
        paths: List[str] = []
        for routes in _values_of(document.root, "routes"):
            items = [item.resolved() for item in routes.resolved().items]
            originals = [item for item in items if wanted.like in _envoy_paths(item)]
            paths += [path for item in items for path in _envoy_paths(item)]
            if originals:
                _refuse_taken(document, items, _envoy_paths, wanted)
                _refuse_swallowed(document, items, originals[0], wanted)
            copies += [Copy(item, _envoy_spots(document, item, wanted)) for item in originals]
        if not copies:
            raise _no_route(document, wanted.like, sorted(set(paths)))
        return copies

    return _with_copies(data, wanted.route, "Envoy's configuration of listeners", plan)


def add_cluster(data: bytes, wanted: Wanted, like_cluster: str) -> bytes:
    """Return a configuration of clusters with one beside another, that leads to the new service.

    Arguments:
        like_cluster: the one that is copied; ``cluster_of`` finds it.
    """

    def plan(document: Document) -> List[Copy]:
        for clusters in (*_values_of(document.root, "resources"), *_values_of(document.root, "clusters")):
            items = [item.resolved() for item in clusters.resolved().items]
            names = {_text(item, "name"): item for item in items if item.kind == "mapping"}
            if like_cluster in names:
                if wanted.host in names:
                    line = document.line_number(names[wanted.host].start)
                    raise ConflictError(
                        "Line %d of %s has a cluster %s already, and it isn't marked as ours."
                        % (line, document.name, wanted.host),
                        "Remove it, or choose another service.",
                    )
                return [Copy(names[like_cluster], _cluster_spots(document, names[like_cluster], wanted))]
        raise InputError("There is no cluster %s in %s." % (like_cluster, document.name), "Name the file that has it.")

    return _with_copies(data, wanted.route, "Envoy's configuration of clusters", plan)


def cluster_of(data: bytes, like: str) -> str:
    """Return the cluster that the route of a path leads to.

    Raises:
        InputError: no route of that path says one cluster.
    """
    document = Document(data, "Envoy's configuration of listeners")
    clusters = set()
    for routes in _values_of(document.root, "routes"):
        for item in routes.resolved().items:
            if like in _envoy_paths(item.resolved()):
                action = item.resolved().get("route")
                clusters.add(_text(action.resolved(), "cluster") if action is not None else "")
    if len(clusters) != 1 or "" in clusters:
        raise InputError(
            "Which cluster the route %s leads to can't be told." % like, "Let its routes name one, as route.cluster."
        )
    return str(clusters.pop())


def _envoy_paths(route: Node) -> List[str]:
    match = route.get("match") if route.kind == "mapping" else None
    if match is None:
        return []
    return [path for path in (_text(match.resolved(), key) for key in _MATCHES) if path]


def _envoy_spots(document: Document, route: Node, wanted: Wanted) -> List[Spot]:
    match, action = route.get("match"), route.get("route")
    cluster = action.resolved().get("cluster") if action is not None else None
    if match is None or cluster is None:
        raise _cannot(document, route, "it leads to no cluster", "Let it name one, as route.cluster.")
    spots = [(cluster, wanted.host)]
    if route.get("name") is not None:
        spots.append(_named(document, route, "name", wanted.suffix))
    for key, value in match.resolved().pairs:
        if key.value in _MATCHES and value.resolved().value == wanted.like:
            spots.append((value, wanted.path))
    # What tells the service under which path it is asked (X-Forwarded-Prefix), and how the path is cut.
    taken = {node.start for node, _new in spots}
    for node in _scalars(route):
        if node.start in taken or node.style in ("|", ">"):
            continue
        if node.value.rstrip("/") == wanted.like.rstrip("/"):
            spots.append((node, wanted.route + node.value))
        elif node.value.startswith("^" + wanted.like.rstrip("/")):
            spots.append((node, "^" + wanted.route + node.value[1:]))
    return spots


def _cluster_spots(document: Document, cluster: Node, wanted: Wanted) -> List[Spot]:
    name = cluster.get("name")
    assert_name = _text(cluster, "name")
    spots: List[Spot] = [(name, wanted.host)] if name is not None else []
    for node in _values_of(cluster, "cluster_name"):
        if node.value == assert_name:
            spots.append((node, wanted.host))
    addresses = list(_values_of(cluster, "socket_address"))
    if len(addresses) != 1:
        raise _cannot(document, cluster, "it has %d addresses" % len(addresses), "Let it have one endpoint.")
    address, port = addresses[0].resolved().get("address"), addresses[0].resolved().get("port_value")
    if address is None or port is None:
        raise _cannot(document, cluster, "its address has no address or no port_value", "Write both.")
    spots.append((address, wanted.host))
    if wanted.port:
        spots.append((port, wanted.port))
    return spots


def _refuse_swallowed(document: Document, routes: Sequence[Node], original: Node, wanted: Wanted) -> None:
    """The first route that matches is taken: one before the copy must not match the new path."""
    for route in routes:
        if route.start >= original.start:
            return
        match = route.get("match") if route.kind == "mapping" else None
        prefix = _text(match.resolved(), "prefix") if match is not None else ""
        if prefix and wanted.path.startswith(prefix):
            raise ConflictError(
                "The route in line %d of %s, with the prefix %s, would take the requests of %s."
                % (document.line_number(route.start), document.name, prefix, wanted.path),
                "Choose another route, or move that one behind %s." % wanted.like,
            )


# --- both -----------------------------------------------------------------------------------------------------------


def remove(data: bytes, route: str) -> bytes:
    """Return a file without the blocks of a route; nothing else differs."""
    gateway.check_route(route)
    text = data.decode("latin-1")
    begin, end = gateway.marks(route)
    pattern = re.compile(
        r"\r?\n[ ]*%s[ ]*\r?\n(?:.*\r?\n)*?[ ]*%s[ ]*(?=\r?\n|\Z)" % (re.escape(begin), re.escape(end))
    )
    bare = pattern.sub("", text)
    left = [mark for mark in (begin, end) if re.search(r"^[ ]*%s[ ]*\r?$" % re.escape(mark), bare, re.MULTILINE)]
    if left:
        raise ConflictError(
            "The mark `%s` is without its counterpart." % left[0], "Remove the mark, and the block that belongs to it."
        )
    return bare.encode("latin-1")


def _with_copies(data: bytes, route: str, name: str, plan: Callable[[Document], List[Copy]]) -> bytes:
    bare = remove(data, route)
    document = Document(bare, name)
    style = Style(document)
    text = document.text
    for copy in sorted(plan(document), key=lambda item: -item.item.start):
        place, block = _block(document, style, copy, route)
        # Behind the last line's content, before its line end: what a removal takes away begins with a line end too.
        text = text[:place] + block + text[place:]
    after = document.encode(text)
    Document(after, name)
    if remove(after, route) != bare:
        raise StateError("The route can't be written into %s so that it can be taken away again." % name)
    return after


def _block(document: Document, style: Style, copy: Copy, route: str) -> Tuple[int, str]:
    """Return where the copy of an item belongs, and the copy with its marks."""
    text = document.text
    start = style.line_start(copy.item.start)
    lead = text[start : copy.item.start]
    if not re.match(r"^[ ]*-[ ]+\Z", lead):
        raise _cannot(document, copy.item, "it doesn't begin a line of its own", "Write the list in block style.")
    for node in _nodes(copy.item):
        if node.anchor is not None:
            raise _cannot(document, node, "it has the anchor %s, and two can't" % node.anchor, "Write it out.")
    position, is_block = content_end(copy.item)
    end = position if is_block else style.line_after(position)
    while end > start and text[end - 1] in "\r\n":
        end -= 1
    pieces: List[str] = []
    done = start
    for node, value in sorted(copy.spots, key=lambda spot: spot[0].start):
        pieces += [text[done : node.start], _rewritten(document, node, value)]
        done = node.end
    body = "".join(pieces) + text[done:end]
    newline = style.newline_before(start)
    indent = re.sub(r"\S.*", "", lead)
    begin, finish = gateway.marks(route)
    return end, newline + newline.join((indent + begin, body, indent + finish))


def _rewritten(document: Document, node: Node, value: str) -> str:
    """Return the source of a scalar with another value, quoted as it was."""
    source = document.text[node.start : node.end]
    if node.kind != "scalar" or source not in (node.value, '"%s"' % node.value, "'%s'" % node.value):
        raise _cannot(document, node, "it is written in a way that can't be changed", "Write it in one line.")
    return source.replace(node.value, value)


def _named(document: Document, thing: Node, key: str, suffix: str) -> Spot:
    found = thing.get(key)
    if found is None:
        raise _cannot(document, thing, "it has no %s" % key, "Give it one: the copy's is made of it.")
    return found, found.value + suffix


def _refuse_taken(
    document: Document, items: Sequence[Node], paths: Callable[[Node], List[str]], wanted: Wanted
) -> None:
    for item in items:
        if wanted.path in paths(item) or wanted.path.rstrip("/") in paths(item):
            raise ConflictError(
                "Line %d of %s has a route %s already, and it isn't marked as ours."
                % (document.line_number(item.start), document.name, wanted.path),
                "Remove it, or choose another route.",
            )


def _no_route(document: Document, like: str, paths: Sequence[str]) -> InputError:
    near = [path for path in paths if path.strip("/") == like.strip("/")]
    return InputError(
        "There is no route %s in %s." % (like, document.name),
        "Did you mean %s?" % near[0] if near else "It has: %s." % (", ".join(paths) or "no route at all"),
    )


def _cannot(document: Document, node: Node, reason: str, remedy: str) -> InputError:
    line = document.line_number(node.start)
    return InputError("What stands in line %d of %s can't be copied: %s." % (line, document.name, reason), remedy)


def _sequence(document: Document, keys: Tuple[str, ...]) -> List[Node]:
    node: Optional[Node] = document.root
    for key in keys:
        node = node.get(key) if node is not None and node.kind == "mapping" else None
        node = node.resolved() if node is not None else None
    return [] if node is None else [item.resolved() for item in node.items]


def _text(mapping: Node, key: str) -> str:
    found = mapping.get(key) if mapping.kind == "mapping" else None
    return str(found.resolved().value) if found is not None else ""


def _nodes(node: Optional[Node]) -> Iterator[Node]:
    """Yield a node and all within it; what an alias stands for is somewhere else."""
    if node is None:
        return
    yield node
    for key, value in node.pairs:
        yield from _nodes(key)
        yield from _nodes(value)
    for item in node.items:
        yield from _nodes(item)


def _scalars(node: Node) -> Iterator[Node]:
    """Yield the values within a node that are scalars."""
    for _key, value in node.pairs:
        yield from _scalars(value)
    for item in node.items:
        yield from _scalars(item)
    if node.kind == "scalar":
        yield node


def _values_of(node: Optional[Node], key: str) -> Iterator[Node]:
    """Yield each value of a key, wherever it stands."""
    for found in _nodes(node):
        value = found.get(key)
        if value is not None:
            yield value


_CREDENTIAL = re.compile(
    r"^([ ]*-?[ ]*(?:key|password|secret|exact)[ ]*:[ ]*)([\"']?)(?![\"'$])[^\s\"']+", re.MULTILINE
)


def for_display(data: bytes) -> str:
    """Return a file for a diff: credentials that are written out are masked."""
    return gateway.for_display(_CREDENTIAL.sub(r"\1\2********", data.decode("utf-8", "replace")).encode())
