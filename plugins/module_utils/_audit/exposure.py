# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies open on the host: ports that everyone reaches, and secrets that everyone reads."""

from typing import Any, Dict, List

from .kinds import evidence, finding
from .view import View

Row = Dict[str, Any]
_POSTGRES = "5432/tcp"


def look_at_host(view: View) -> None:
    """Add what is found."""
    _ports(view)
    by_path: Dict[str, List[Row]] = {}
    for secret in view.files.get("secrets") or []:
        by_path.setdefault(secret["path"], []).append(secret)
    for path, secrets in by_path.items():
        named = ["%(service)s.%(variable)s" % secret for secret in secrets]
        places = ", ".join("line %(line)d: %(service)s: %(variable)s=********" % secret for secret in secrets)
        text = "It holds %d secret%s itself: %s." % (len(named), "" if len(named) == 1 else "s", ", ".join(named))
        first = secrets[0]
        edit = "Put the value into an env file with mode 0600, and write %s: ${%s} into %s." % (
            first["variable"],
            first["variable"],
            path,
        )
        view.add(
            finding(
                "secret-in-compose", path, text, evidence("file", "%s:%d" % (path, first["line"]), places), edit=edit
            )
        )
    for item in view.files.get("readable") or []:
        text = "Every user of this host may read it (%s), and it holds %s." % (
            item["mode"],
            ", ".join(item["variables"]),
        )
        shown = evidence("command", "stat -c %%a %s" % item["path"], item["mode"])
        view.add(finding("env-file-readable", item["path"], text, shown, path=item["path"]))
    for path in view.files.get("missing") or []:
        text = "The description has this compose file, and it isn't there."
        view.add(finding("compose-file-missing", path, text, evidence("command", "ls %s" % path, "none"), path=path))


def _ports(view: View) -> None:
    for container, described in view.described_containers().items():
        row = view.container(container)
        published = (row or {}).get("published") or []
        if not published:
            continue
        of, _colon, name = described.partition(":")
        is_server = of == "cluster" or any(port["inner"] == _POSTGRES for port in published)
        ports = ["%(address)s:%(port)s -> %(inner)s" % port for port in published]
        text = "%s published to everyone who reaches this host: %s." % (
            "A port is" if len(ports) == 1 else "Ports are",
            ", ".join(ports),
        )
        first = published[0]
        inner = first["inner"].partition("/")[0]
        edit = 'Write "127.0.0.1:%s:%s" under ports of its compose file, then: docker compose up -d' % (
            first["port"],
            inner,
        )
        view.add(
            finding(
                "port-published",
                name,
                text,
                evidence("command", "docker port %s" % container, ", ".join(ports)),
                severity="high" if is_server else "low",
                of="service" if of == "gateway" else of,
                edit=edit,
            )
        )
