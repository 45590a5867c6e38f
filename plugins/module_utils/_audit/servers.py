# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the servers themselves: versions, settings, and how they let people in."""

from typing import Any, Dict, Mapping, Sequence

from .._versions.releases import AS_OF, NEAR_DAYS, end_of_life, open_holes, split
from .kinds import evidence, finding
from .view import View, client_of

Row = Dict[str, Any]
_MOST_CVES = 6
# Who is on the server's own machine already.
_LOOPBACK = ("127.", "::1", "samehost")


def look_at_servers(view: View) -> None:
    """Add what is found."""
    for cluster, seen in view.read_clusters():
        settings = seen.get("settings") or {}
        if settings.get("version_num"):
            _version(view, cluster, settings)
        _settings(view, cluster, settings, seen.get("superusers") or ())
        _rules(view, cluster, seen)


def _version(view: View, cluster: Row, settings: Mapping[str, Any]) -> None:
    number, name = settings["version_num"], cluster["name"]
    shown = evidence("sql", "SHOW server_version", settings["version"])
    container = cluster["connection"].get("container")
    holes = open_holes(number)
    if holes:
        text = "Its version %d.%d is older than %s, which closes %d known holes, among them %s (as of %s)." % (
            *split(number),
            holes["fixed_in"],
            len(holes["cves"]),
            ", ".join(holes["cves"][:_MOST_CVES]),
            AS_OF.isoformat(),
        )
        where = "container %s" % container if container else "the server"
        edit = (
            "Give %s an image with %s or newer in its compose file, then: docker compose pull && docker compose up -d"
        )
        view.add(finding("postgres-cve", name, text, shown, edit=edit % (where, holes["fixed_in"])))
    end, today = end_of_life(number), view.now.date()
    if end is None:
        return
    if today > end:
        text = "PostgreSQL %d has had no fixes since %s." % (split(number)[0], end.isoformat())
        view.add(finding("postgres-end-over", name, text, shown))
    elif (end - today).days <= NEAR_DAYS:
        text = "PostgreSQL %d gets its last fix on %s, in %d days." % (
            split(number)[0],
            end.isoformat(),
            (end - today).days,
        )
        view.add(finding("postgres-end-near", name, text, shown))


def _settings(view: View, cluster: Row, settings: Mapping[str, Any], superusers: Sequence[str]) -> None:
    name, psql = cluster["name"], client_of(cluster, superusers=superusers)
    for setting, kind in (("fsync", "fsync-off"), ("full_page_writes", "full-page-writes-off")):
        if settings.get(setting) == "off":
            text = "Its setting %s is off." % setting
            view.add(finding(kind, name, text, evidence("sql", "SHOW %s" % setting, "off"), psql=psql))
    if settings.get("data_checksums") == "off":
        container = cluster["connection"].get("container") or "the server"
        edit = "Stop %s, run pg_checksums --enable on its data directory as its own user, start it again." % container
        shown = evidence("sql", "SHOW data_checksums", "off")
        view.add(finding("checksums-off", name, "Its pages have no checksums.", shown, edit=edit))


def _rules(view: View, cluster: Row, seen: Row) -> None:
    psql = client_of(cluster, superusers=seen.get("superusers") or ())
    for rule in seen.get("rules") or []:
        if rule["method"] != "trust" or rule["address"].startswith(_LOOPBACK):
            continue
        line = "%(type)s %(databases)s %(users)s %(address)s %(netmask)s %(method)s" % rule
        place = "%s:%s" % (rule.get("file") or "pg_hba.conf", rule["line_number"])
        text = "It lets %s into %s from %s without a password." % (
            "everybody" if rule["users"] == "all" else rule["users"],
            "every database" if rule["databases"] == "all" else rule["databases"],
            "everywhere" if rule["address"] == "all" else rule["address"],
        )
        edit = "Say scram-sha-256 instead of trust in %s, then: %s -c 'SELECT pg_reload_conf()'"
        view.add(
            finding(
                "trust-authentication",
                cluster["name"],
                text,
                evidence(
                    "sql", "SELECT * FROM pg_hba_file_rules WHERE auth_method = 'trust'", "%s: %s" % (place, line)
                ),
                edit=edit % (place, psql),
            )
        )
