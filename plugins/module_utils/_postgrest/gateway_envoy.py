# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second route in Envoy's configuration: routes and permissions of a listener, and the cluster that they lead to.

Envoy's API v3, ``config.route.v3.Route`` (the first route that matches is taken), ``config.rbac.v3.Policy`` (what it
compares is the path as it is asked, before the route cuts it) and ``config.cluster.v3.Cluster``.
"""

import re
from typing import List, Optional, Sequence, Set

from .._compose.document import Document, Node
from .._core.errors import ConflictError, InputError
from .gateway_yaml import (
    Copy,
    Spot,
    Wanted,
    cannot,
    fields,
    no_route,
    nodes,
    refuse_taken,
    text_of,
    values_of,
    with_copies,
)

LISTENERS = "Envoy's configuration of listeners"
CLUSTERS = "Envoy's configuration of clusters"
_MATCHES = ("prefix", "path", "path_separated_prefix")
# Keys whose value says how a path begins (``config.route.v3.RouteMatch``, ``type.matcher.v3.StringMatcher``).
_PREFIXES = ("prefix", "prefix_match", "path_separated_prefix")
# What the service is asked for: not a path of the gateway's.
_REWRITES = ("prefix_rewrite", "path_rewrite", "substitution")


def add_to_envoy(data: bytes, wanted: Wanted, like_cluster: Optional[str] = None) -> bytes:
    """Return a configuration of listeners with a route beside each one of this path, which leads to another cluster.

    Its filters let the new path through where, and with the keys with which, they do the old one.

    Arguments:
        like_cluster: where the clusters are in this file too, the one that is copied.

    Raises:
        InputError: there is no such route, or it can't be copied as it is written.
        ConflictError: a route of the new path is there and isn't ours, or an earlier one takes its requests.
    """

    def plan(document: Document) -> List[Copy]:
        copies = _listener_copies(document, wanted)
        return copies + (_cluster_copies(document, wanted, like_cluster) if like_cluster is not None else [])

    return with_copies(data, wanted.route, LISTENERS, plan)


def add_cluster(data: bytes, wanted: Wanted, like_cluster: str) -> bytes:
    """Return a configuration of clusters with one beside another, that leads to the new service.

    Arguments:
        like_cluster: the one that is copied; ``cluster_of`` finds it.
    """

    return with_copies(data, wanted.route, CLUSTERS, lambda document: _cluster_copies(document, wanted, like_cluster))


def cluster_of(data: bytes, like: str) -> str:
    """Return the cluster that the route of a path leads to.

    Raises:
        InputError: no route of that path says one cluster.
    """
    document = Document(data, LISTENERS)
    clusters = set()
    for routes in values_of(document.root, "routes"):
        for item in routes.resolved().items:
            if like in _envoy_paths(item.resolved()):
                action = item.resolved().get("route")
                clusters.add(text_of(action.resolved(), "cluster") if action is not None else "")
    if len(clusters) != 1 or "" in clusters:
        raise InputError(
            "Which cluster the route %s leads to can't be told." % like, "Let its routes name one, as route.cluster."
        )
    return str(clusters.pop())


def _envoy_paths(route: Node) -> List[str]:
    match = route.get("match") if route.kind == "mapping" else None
    if match is None:
        return []
    return [path for path in (text_of(match.resolved(), key) for key in _MATCHES) if path]


def _listener_copies(document: Document, wanted: Wanted) -> List[Copy]:
    copies: List[Copy] = []
    paths: List[str] = []
    for manager in nodes(document.root):
        routing, filters = manager.get("route_config"), manager.get("http_filters")
        found = False
        for routes in values_of(routing, "routes"):
            items = [item.resolved() for item in routes.resolved().items]
            originals = [item for item in items if wanted.like in _envoy_paths(item)]
            paths += [path for item in items for path in _envoy_paths(item)]
            if originals:
                refuse_taken(document, items, _envoy_paths, wanted)
                _refuse_swallowed(document, items, originals[0], wanted)
            copies += [Copy(item, _envoy_spots(document, item, wanted)) for item in originals]
            found = found or bool(originals)
        if found:
            if filters is None:
                raise cannot(
                    document,
                    manager,
                    "it has no http_filters, and they are what asks for keys",
                    "Write them beside it.",
                )
            copies += _filter_copies(document, filters.resolved(), wanted)
    if not copies:
        raise no_route(document, wanted.like, sorted(set(paths)))
    return copies


def _envoy_spots(document: Document, route: Node, wanted: Wanted) -> List[Spot]:
    """Return what differs in the copy of a route.

    Its name doesn't: filters know routes by their names (``streamInfo():routeName()``), Supabase's that asks for keys
    among them, and two may have the same.
    """
    match, action = route.get("match"), route.get("route")
    cluster = action.resolved().get("cluster") if action is not None else None
    if match is None or action is None or cluster is None:
        raise cannot(document, route, "it leads to no cluster", "Let it name one, as route.cluster.")
    if not any(action.resolved().get(key) for key in ("prefix_rewrite", "regex_rewrite", "path_rewrite_policy")):
        raise cannot(
            document,
            route,
            "its path isn't rewritten, so the service would be asked for another",
            "Write what it is asked for, as route.prefix_rewrite.",
        )
    # What tells the service under which path it is asked (X-Forwarded-Prefix), and how the path is cut, change too.
    return [(cluster, wanted.host), *_path_spots(route, wanted)]


def _path_spots(node: Node, wanted: Wanted) -> List[Spot]:
    """Return the scalars within a node that hold the path, or a part or more of it, each with that of the copy."""
    spots: List[Spot] = []
    old = wanted.like.rstrip("/")
    for key, scalar in fields(node, ""):
        value = scalar.value
        if scalar.style in ("|", ">") or key in _REWRITES:
            continue
        if value == old or value.startswith(old + "/") or _is_part(key, value, wanted):
            spots.append((scalar, wanted.route + value))
        elif value.startswith("^" + old):
            spots.append((scalar, "^" + wanted.route + value[1:]))
    return spots


def _is_part(key: str, value: str, wanted: Wanted) -> bool:
    """Return whether a prefix is that of the old path, and not of the new one."""
    if key not in _PREFIXES or not value.startswith("/"):
        return False
    return wanted.like.startswith(value) and not wanted.path.startswith(value)


def _filter_copies(document: Document, filters: Node, wanted: Wanted) -> List[Copy]:
    """Return the permissions (``config.rbac.v3.Policy``) that name the path: any of a list is enough, so one is added.

    Raises:
        InputError: a filter says something else of the path. Without that, the copy may be open where the original
            isn't.
    """
    copies = []
    understood: Set[int] = set()
    for permissions in values_of(filters, "permissions"):
        for item in permissions.resolved().items:
            permission = item.resolved()
            spots = _path_spots(permission, wanted)
            if not spots:
                continue
            for key in ("not_rule", "invert_match"):
                for negated in values_of(permission, key):
                    if key == "not_rule" or negated.value == "true":
                        raise cannot(document, permission, "it is a permission with %s" % key, "Write what is allowed.")
            understood.update(node.start for node, _value in spots)
            copies.append(Copy(permission, spots))
    mentioned = re.compile(r"(?<![A-Za-z0-9_.-])%s(?![A-Za-z0-9_-])" % re.escape(wanted.like.rstrip("/")))
    for key, scalar in fields(filters, ""):
        if scalar.start in understood:
            continue
        if mentioned.search(scalar.value) or _is_part(key, scalar.value, wanted) or _tells_apart(key, scalar, wanted):
            raise cannot(
                document,
                scalar,
                "a filter treats the path %s in a way of its own there" % wanted.like,
                "Let it go by a permission of RBAC, or by the route's name.",
            )
    return copies


def _tells_apart(key: str, scalar: Node, wanted: Wanted) -> bool:
    """Return whether a regular expression takes one of the two paths, and not the other."""
    if key not in ("regex", "safe_regex_match"):
        return False
    try:
        pattern = re.compile(scalar.value)
    except re.error:
        return True
    return any(
        bool(pattern.match(wanted.like + end)) != bool(pattern.match(wanted.path + end)) for end in ("", "table")
    )


def _cluster_copies(document: Document, wanted: Wanted, like_cluster: str) -> List[Copy]:
    for clusters in (*values_of(document.root, "resources"), *values_of(document.root, "clusters")):
        items = [item.resolved() for item in clusters.resolved().items]
        names = {text_of(item, "name"): item for item in items if item.kind == "mapping"}
        if like_cluster not in names:
            continue
        if wanted.host in names:
            raise ConflictError(
                "Line %d of %s has a cluster %s already, and it isn't marked as ours."
                % (document.line_number(names[wanted.host].start), document.name, wanted.host),
                "Remove it, or choose another service.",
            )
        return [Copy(names[like_cluster], _cluster_spots(document, names[like_cluster], wanted))]
    raise InputError("There is no cluster %s in %s." % (like_cluster, document.name), "Name the file that has it.")


def _cluster_spots(document: Document, cluster: Node, wanted: Wanted) -> List[Spot]:
    name = cluster.get("name")
    spots: List[Spot] = [(name, wanted.host)] if name is not None else []
    for node in values_of(cluster, "cluster_name"):
        if node.value == text_of(cluster, "name"):
            spots.append((node, wanted.host))
    addresses = list(values_of(cluster, "socket_address"))
    if len(addresses) != 1:
        raise cannot(document, cluster, "it has %d addresses" % len(addresses), "Let it have one endpoint.")
    address, port = addresses[0].resolved().get("address"), addresses[0].resolved().get("port_value")
    if address is None or port is None:
        raise cannot(document, cluster, "its address has no address or no port_value", "Write both.")
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
        prefixes = [text_of(match.resolved(), key) for key in _PREFIXES] if match is not None else []
        prefix = next((text for text in prefixes if text and wanted.path.startswith(text)), "")
        if prefix:
            raise ConflictError(
                "The route in line %d of %s, with the prefix %s, would take the requests of %s."
                % (document.line_number(route.start), document.name, prefix, wanted.path),
                "Choose another route, or move that one behind %s." % wanted.like,
            )
