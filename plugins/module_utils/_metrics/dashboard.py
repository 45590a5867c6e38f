# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Grafana dashboard: one for all hosts, clusters and databases, which its variables choose among."""

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import families as metric

# Of Grafana 10; later ones migrate it.
SCHEMA_VERSION = 39
UID = "bulkhead-stack"
# The width of a row, in Grafana's units.
_COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_GREEN, _YELLOW, _RED = "green", "orange", "red"

# What the variables choose: of the description's databases, and of all that a server has.
_DATABASE = '{platform=~"$platform",cluster=~"$cluster",database=~"$database"}'
_CLUSTER = '{platform=~"$platform",cluster=~"$cluster"}'
_PLATFORM = '{platform=~"$platform"}'

# Where a number turns yellow and red; nothing of it where a panel only shows.
Thresholds = Sequence[Tuple[Optional[float], str]]


@dataclass(frozen=True)
class Panel:
    """One panel: its queries, each with its legend."""

    title: str
    kind: str
    unit: str
    queries: Sequence[Tuple[str, str]]
    description: str = ""
    thresholds: Thresholds = ((None, _GREEN),)
    width: int = 8


_WRONG_AT_1: Thresholds = ((None, _GREEN), (1, _RED))
_WRONG_BELOW_1: Thresholds = ((None, _RED), (1, _GREEN))


def _of(family: metric.Family, labels: str = _DATABASE) -> str:
    return family.name + labels


ROWS: Sequence[Tuple[str, Sequence[Panel]]] = (
    (
        "Now",
        (
            Panel(
                "Alerts",
                "table",
                "none",
                [('ALERTS{alertname=~"Bulkhead.+",alertstate="firing",platform=~"$platform"}', "")],
                "Those that fire; empty is good.",
                width=12,
            ),
            Panel(
                "RPO used",
                "bargauge",
                "percentunit",
                [("(time() - %s) / %s" % (_of(metric.NEWEST), _of(metric.RPO)), "{{database}}")],
                "The age of the newest verified copy, as part of the recovery point objective.",
                ((None, _GREEN), (0.8, _YELLOW), (1, _RED)),
                6,
            ),
            Panel(
                "RTO used",
                "bargauge",
                "percentunit",
                [("%s / %s" % (_of(metric.DRILL_DURATION), _of(metric.RTO)), "{{database}}")],
                "What the newest drill took, as part of the recovery time objective.",
                ((None, _GREEN), (0.8, _YELLOW), (1, _RED)),
                6,
            ),
            Panel(
                "Servers answer",
                "stat",
                "none",
                [(_of(metric.UP, _CLUSTER), "{{cluster}}")],
                thresholds=_WRONG_BELOW_1,
                width=6,
            ),
            Panel(
                "Folders readable",
                "stat",
                "none",
                [(_of(metric.READABLE), "{{database}}")],
                thresholds=_WRONG_BELOW_1,
                width=6,
            ),
            Panel(
                "Last dump failed",
                "stat",
                "none",
                [(_of(metric.FAILING), "{{database}}")],
                thresholds=_WRONG_AT_1,
                width=6,
            ),
            Panel(
                "Age of these metrics",
                "stat",
                "s",
                [("time() - %s" % _of(metric.LAST_RUN, _PLATFORM), "{{platform}}")],
                width=6,
            ),
        ),
    ),
    (
        "Copies",
        (
            Panel(
                "Age of the newest verified copy",
                "timeseries",
                "s",
                [("time() - %s" % _of(metric.NEWEST), "{{database}}"), (_of(metric.RPO), "RPO of {{database}}")],
            ),
            Panel(
                "Size of the newest verified copy", "timeseries", "bytes", [(_of(metric.NEWEST_SIZE), "{{database}}")]
            ),
            Panel(
                "How long a dump takes",
                "timeseries",
                "s",
                [
                    (_of(metric.DURATION), "{{database}}"),
                    (_of(metric.LONGEST), "slowest of the ten newest of {{database}}"),
                ],
            ),
            Panel(
                "How far the newest is verified",
                "table",
                "none",
                [("%s == 1" % _of(metric.LEVEL), "")],
            ),
            Panel(
                "Copies",
                "timeseries",
                "none",
                [(_of(metric.COPIES), "{{database}}"), (_of(metric.VERIFIED), "verified of {{database}}")],
            ),
            Panel(
                "Space: free, and needed by the next dump",
                "timeseries",
                "bytes",
                [(_of(metric.FREE), "free for {{database}}"), (_of(metric.NEEDED), "needed by {{database}}")],
            ),
            Panel(
                "Since a dump was due", "timeseries", "s", [("time() - %s" % _of(metric.PREVIOUS_DUE), "{{database}}")]
            ),
            Panel(
                "Retention is held",
                "stat",
                "none",
                [(_of(metric.HELD), "{{database}}")],
                thresholds=_WRONG_AT_1,
            ),
            Panel(
                "Last failure",
                "table",
                "s",
                [("time() - %s" % _of(metric.FAILED_AT), "")],
                "How long ago; of those whose last dump failed.",
            ),
        ),
    ),
    (
        "Drills and restores",
        (
            Panel(
                "Age of the newest drill", "timeseries", "s", [("time() - %s" % _of(metric.DRILLED_AT), "{{database}}")]
            ),
            Panel(
                "How long a restore takes",
                "timeseries",
                "s",
                [
                    (_of(metric.DRILL_DURATION), "drill of {{database}}"),
                    (_of(metric.RESTORE_DURATION), "restore of {{database}}"),
                    (_of(metric.RTO), "RTO of {{database}}"),
                ],
            ),
            Panel(
                "Newest drill passed",
                "stat",
                "none",
                [(_of(metric.DRILL_PASSED), "{{database}}")],
                thresholds=_WRONG_BELOW_1,
                width=4,
            ),
            Panel(
                "Age of the newest restore",
                "stat",
                "s",
                [("time() - %s" % _of(metric.RESTORED_AT), "{{database}}")],
                width=4,
            ),
        ),
    ),
    (
        "Servers",
        (
            Panel(
                "Connections taken",
                "timeseries",
                "percentunit",
                [
                    (
                        "sum by (platform, cluster) (%s) / max by (platform, cluster) (%s)"
                        % (_of(metric.CONNECTIONS, _CLUSTER), _of(metric.USABLE_CONNECTIONS, _CLUSTER)),
                        "{{cluster}}",
                    )
                ],
                "As part of those that aren't reserved for superusers.",
                ((None, _GREEN), (0.8, _YELLOW), (0.95, _RED)),
            ),
            Panel(
                "Connections by database",
                "timeseries",
                "none",
                [
                    ("sum by (cluster, datname) (%s)" % _of(metric.CONNECTIONS, _CLUSTER), "{{datname}}"),
                    (_of(metric.CONNECTION_LIMIT, _CLUSTER), "limit of {{datname}}"),
                ],
            ),
            Panel(
                "Connections by state",
                "timeseries",
                "none",
                [
                    ("sum by (cluster, state) (%s)" % _of(metric.CONNECTIONS, _CLUSTER), "{{cluster}}: {{state}}"),
                    (_of(metric.MAX_CONNECTIONS, _CLUSTER), "max_connections of {{cluster}}"),
                ],
            ),
            Panel(
                "Locks",
                "timeseries",
                "none",
                [
                    ("sum by (cluster, datname) (%s)" % _of(metric.LOCKS, _CLUSTER), "{{datname}}"),
                    (
                        "sum by (cluster, datname) (%s)" % _of(metric.LOCKS, _CLUSTER[:-1] + ',granted="false"}'),
                        "waited for in {{datname}}",
                    ),
                ],
            ),
            Panel(
                "Oldest open transaction",
                "timeseries",
                "s",
                [("time() - %s" % _of(metric.OLDEST_TRANSACTION, _CLUSTER), "{{datname}}")],
            ),
            Panel("Size", "timeseries", "bytes", [(_of(metric.SIZE, _CLUSTER), "{{datname}}")]),
            Panel(
                "Transactions a second",
                "timeseries",
                "ops",
                [
                    # The textfile is written every quarter of an hour: within less there is nothing to compare.
                    ("rate(%s[1h])" % _of(metric.COMMITS, _CLUSTER), "{{datname}}"),
                    ("rate(%s[1h])" % _of(metric.ROLLBACKS, _CLUSTER), "rolled back in {{datname}}"),
                ],
            ),
            Panel(
                "Deadlocks in an hour",
                "timeseries",
                "none",
                [("increase(%s[1h])" % _of(metric.DEADLOCKS, _CLUSTER), "{{datname}}")],
            ),
            Panel(
                "Temporary files",
                "timeseries",
                "Bps",
                [("rate(%s[1h])" % _of(metric.TEMPORARY, _CLUSTER), "{{datname}}")],
            ),
        ),
    ),
    (
        "Blast radius",
        (
            Panel(
                "What dies with each database",
                "table",
                "none",
                [("%s == 1" % _of(metric.BLAST_RADIUS, _CLUSTER), "")],
                "none: no tables; contained: one service; shared: several; catastrophic: beside what all depend on.",
                width=12,
            ),
            Panel("The description", "table", "none", [(_of(metric.INFO), "")], width=12),
        ),
    ),
)


def dashboard() -> Dict[str, Any]:
    """Return the dashboard."""
    return {
        "uid": UID,
        "title": "bulkhead.stack",
        "tags": ["bulkhead", "postgresql", "backup"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                _source(),
                _variable("platform", "Host", "label_values(%s, platform)" % metric.LAST_RUN.name),
                _variable("cluster", "Cluster", "label_values(%s, cluster)" % _of(metric.UP, _PLATFORM)),
                _variable("database", "Database", "label_values(%s, database)" % _of(metric.INFO, _CLUSTER)),
            ]
        },
        "panels": _panels(),
    }


def dashboard_text() -> str:
    """Return the dashboard's file."""
    return json.dumps(dashboard(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _source() -> Dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _variable(name: str, label: str, query: str) -> Dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "variable-%s" % name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "hide": 0,
    }


def _panels() -> List[Dict[str, Any]]:
    panels: List[Dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        place = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": place}
        )
        top, left, line_height = top + 1, 0, 0
        for panel in row:
            height = 4 if panel.kind == "stat" else 8
            if left + panel.width > _COLUMNS:
                top, left, line_height = top + line_height, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": height}
            panels.append(_panel(len(panels) + 1, panel, place))
            left, line_height = left + panel.width, max(line_height, height)
        top += line_height
    return panels


def _panel(number: int, panel: Panel, place: Dict[str, int]) -> Dict[str, Any]:
    is_table = panel.kind == "table"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": chr(ord("A") + place_in_list),
                "datasource": _SOURCE,
                "expr": expr,
                "legendFormat": legend,
                "editorMode": "code",
                "instant": panel.kind != "timeseries",
                "range": panel.kind == "timeseries",
                "format": "table" if is_table else "time_series",
            }
            for place_in_list, (expr, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"color": color, "value": value} for value, color in panel.thresholds],
                },
            },
            "overrides": [],
        },
        "options": _OPTIONS.get(panel.kind, {}),
        # A table shows labels; the moment of the query and what finds the target are noise.
        "transformations": [_TIDY] if is_table else [],
    }


_OPTIONS: Dict[str, Dict[str, Any]] = {
    "stat": {"colorMode": "value", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}},
    "bargauge": {"displayMode": "basic", "orientation": "horizontal", "reduceOptions": {"calcs": ["lastNotNull"]}},
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    "table": {"showHeader": True},
}
_TIDY = {
    "id": "organize",
    "options": {"excludeByName": {"Time": True, "__name__": True, "instance": True, "job": True}},
}
