# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's report: what was read off servers and containers, put together; playbooks compute nothing."""

from typing import Any, Dict, Mapping

from .accepted import accept, failing
from .copies import calendar, look_at_copies, look_at_kept
from .exposure import look_at_host
from .graph import graph, wanted_graph
from .isolation import look_at_databases
from .kinds import SEVERITIES
from .servers import look_at_servers
from .services import look_at_services
from .terminal import lines_of
from .view import moment_text, read_view

SCHEMA = 1


def report(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the audit's document, and the same as ``text`` (lines for a terminal).

    Arguments:
        wanted: the audit's projection of the description.
        seen: ``clusters``, for each, in the description's order, what pg_blast_radius_info returned, or its ``msg``
            where it failed; ``copies`` (pg_dump_info), ``reached`` (compose_reachability_info, services first, then
            instances, then probes), ``host`` (audit_host_info), ``kept`` (kept_info); ``hostname``; and ``fail_on``,
            the severity from which on a finding stands in ``failing``.
    """
    view = read_view(wanted, seen)
    databases = look_at_databases(view)
    look_at_servers(view)
    services = look_at_services(view)
    look_at_copies(view)
    look_at_host(view)
    look_at_kept(view)
    accept(view)
    view.findings.sort(key=lambda item: (SEVERITIES.index(item["severity"]), item["id"], item["thing"]))
    document: Dict[str, Any] = {
        "schema": SCHEMA,
        "made_at": moment_text(view.now),
        "host": view.host,
        "timezone": wanted.get("timezone") or "UTC",
        "described": bool(wanted.get("described", True)),
        "unseen": view.unseen,
        "findings": view.findings,
        "databases": databases,
        "services": services,
        "graph": graph(view),
        "wanted_graph": wanted_graph(view),
        "calendar": calendar(view),
        "kept": view.kept,
    }
    document["failing"] = failing(view.findings, str(seen.get("fail_on") or ""))
    document["text"] = lines_of(document)
    return document
