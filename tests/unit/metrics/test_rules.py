# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert rules, what proves them, and the dashboard; the scenario ``metrics`` hands them to the real programs."""

import pathlib
import re
from typing import Any, Dict, List, Optional

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.bulkhead.stack.plugins.filter.metrics_rules import metrics_rules
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics import families
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.dashboard import dashboard
from ansible_collections.bulkhead.stack.plugins.module_utils._metrics.rules import (
    Alert,
    Tolerances,
    alerts,
    parse_tolerances,
    rpo_limit_s,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]
SHOP = {
    "key": "shop", "cluster": "main", "criticality": "critical", "folder": "/b/shop", "schedule": "0 0,6,12,18 * * *",
    "rpo_s": 21600, "rto_s": 600,
}  # fmt: skip
PROJECTION: Dict[str, Any] = {
    "timezone": "UTC",
    "clusters": [{"name": "main"}],
    "databases": [
        SHOP,
        {"key": "plain", "cluster": "main", "folder": "/b/plain", "schedule": "@daily", "criticality": "low"},
        {"key": "seen", "cluster": "main", "folder": None, "rpo_s": 60, "rto_s": 60},
    ],
}
METRIC = re.compile(r"\bbulkhead_[a-z_]+\b")
NAMES = {family.name for family in families.FAMILIES}


def made(tolerances: Optional[Tolerances] = None) -> List[Alert]:
    """Return the alerts."""
    return alerts(PROJECTION, "host", "/srv/my inventories/x", tolerances or Tolerances())


def of(name: str, database: str = "shop") -> Alert:
    """Return one."""
    return next(item for item in made() if item.name == name and item.labels.get("database") == database)


def test_who_gets_which_alerts() -> None:
    by_database: Dict[Any, List[str]] = {}
    for item in made():
        by_database.setdefault(item.labels.get("database"), []).append(item.name)
    assert "seen" not in by_database
    assert set(by_database["shop"]) - set(by_database["plain"]) == {"BulkheadRpoMissed", "BulkheadRtoExceeded"}
    assert "BulkheadBackupOverdue" in by_database["plain"]
    assert (of("BulkheadBackupFailing").severity, of("BulkheadBackupFailing", "plain").severity) == (
        "critical",
        "warning",
    )


def test_the_grace_is_the_triggers_interval_that_of_the_metrics_and_the_longest_dump() -> None:
    tolerances = Tolerances(trigger_s=3600, every_s=900)
    rule = next(item for item in made(tolerances) if item.name == "BulkheadRpoMissed")
    sel = '{platform="host",cluster="main",database="shop"}'
    newest, longest = families.NEWEST.name + sel, families.LONGEST.name + sel
    assert rule.expr == "time() - %s > %d + (%s or %s * 0)" % (newest, 21600 + 3600 + 900, longest, newest)
    # A gap that was accepted is no alert each night; without a schedule there is none.
    assert rpo_limit_s(dict(SHOP, schedule="0 8,12,16,20 * * *"), "UTC", tolerances) == 12 * 3600 + 4500
    assert rpo_limit_s(dict(SHOP, schedule=None), "UTC", tolerances) == 21600 + 4500


def test_every_alert_names_what_mends_it_and_only_metrics_that_there_are() -> None:
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    for item in made():
        assert set(METRIC.findall(item.expr)) <= NAMES, item.name
        command = re.match(r"ansible-playbook bulkhead\.stack\.(\w+) -i '/srv/my inventories/x'", item.command)
        assert command and command.group(1) in playbooks, item.command
    assert of("BulkheadRetentionHeld").command.endswith("""-e '{"bulkhead_backup_acknowledge": ["shop"]}'""")


def test_every_alert_is_proven_to_fire_and_to_rest() -> None:
    trials = yaml.safe_load(metrics_rules(PROJECTION, "host", "/i", {}, "bulkhead.rules.yml"))
    assert trials["rule_files"] == ["bulkhead.rules.yml"]
    by_name = {test["name"]: test for test in trials["tests"]}
    for name in {item.name for item in made()}:
        fires = by_name[name + " fires"]["alert_rule_test"][0]
        rests = by_name[name + " rests"]["alert_rule_test"][0]
        assert len(fires["exp_alerts"]) == len([item for item in made() if item.name == name])
        assert rests["exp_alerts"] == []
        assert by_name[name + " rests"]["input_series"]
    assert {"shop rests through its cycles", "plain rests through its cycles"} <= set(by_name)


def test_the_walk_goes_through_two_cycles_as_late_as_they_may_be() -> None:
    trials = yaml.safe_load(metrics_rules(PROJECTION, "host", "/i", {"trigger": "1h"}, "r.yml"))
    walk = next(test for test in trials["tests"] if test["name"] == "shop rests through its cycles")
    # Due at 6 h, begun an hour later, seen when it took 10 minutes and the metrics a quarter of an hour.
    assert walk["input_series"][0]["values"] == "0+0x444 25200+0x359 46800+0x4"
    assert walk["input_series"][1]["values"] == "0+0x359 21600+0x359 43200+0x89"
    asked = {(test["eval_time"], test["alertname"]) for test in walk["alert_rule_test"]}
    assert ("445m", "BulkheadRpoMissed") in asked


def test_rules_of_one_name_differ_by_their_labels() -> None:
    groups = yaml.safe_load(metrics_rules(PROJECTION, "host", "/i"))["groups"]
    assert [group["name"] for group in groups] == ["bulkhead-host"]
    keys = [(rule["alert"], tuple(sorted(rule["labels"].items()))) for rule in groups[0]["rules"]]
    assert len(keys) == len(set(keys)) == len(made())
    assert {rule["for"] for rule in groups[0]["rules"]} == {"300s"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"triger": "1h"}, "Alerts have no tolerance triger. Did you mean trigger?"),
        ({"trigger": "soon"}, "'soon' is no duration"),
        ({"connections_ratio": 80}, "connections_ratio is 80"),
        ({"connections_ratio": "many"}, "connections_ratio is 'many'"),
    ],
)
def test_mistakes_in_tolerances(given: Dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        parse_tolerances(given)
    with pytest.raises(AnsibleFilterError, match=re.escape(message)):
        metrics_rules(PROJECTION, "host", "/i", given)


# --- the dashboard -------------------------------------------------------------------------------------------------


def test_the_dashboard_is_whole() -> None:
    board = dashboard()
    panels = board["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    assert board["schemaVersion"] >= 39
    variables = {item["name"] for item in board["templating"]["list"]}
    assert variables == {"datasource", "platform", "cluster", "database"}
    for panel in panels:
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEF"[: len(panel["targets"])])
        for target in panel["targets"]:
            assert set(METRIC.findall(target["expr"])) <= NAMES, target["expr"]
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        name
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
        for name in METRIC.findall(target["expr"])
    }
    assert NAMES - shown == set()


def test_no_panel_lies_on_another() -> None:
    taken = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_metrics_and_alerts_are_documented() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    assert sorted(name for name in NAMES if "`%s" % name not in text) == []
    assert sorted({item.name for item in made() if "`%s`" % item.name not in text}) == []
