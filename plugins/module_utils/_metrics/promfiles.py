# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that Prometheus takes: the rules, and what ``promtool test rules`` proves them by."""

import json
import math
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .._core.schedule import parse_schedule
from .._core.yaml_text import dump
from . import families as metric
from .exposition import selector
from .rules import TRIAL_DUMP_S, Alert, Tolerances, Trial

_HEAD = "# Written by bulkhead.stack.metrics out of bulkhead_platform; a change here is lost.\n"
_MINUTE_S = 60
# How often promtool evaluates all rules: that is what its time goes into.
_STEP_MINUTES = 5
# A longer cycle is only walked through at its end: a year of minutes proves nothing more.
_WALK_S = 6 * 3600


def rules_text(alerts: Sequence[Alert], platform: str, tolerances: Tolerances) -> str:
    """Return the file of rules."""
    rules = [
        {
            "alert": item.name,
            "expr": item.expr,
            "for": "%ds" % tolerances.hold_s,
            # The series have them all but where one is absent; promtool wants rules of one name to differ by them.
            "labels": {**_scope(item), "severity": item.severity},
            "annotations": _annotations(item),
        }
        for item in alerts
    ]
    return _text({"groups": [{"name": "bulkhead-%s" % platform, "rules": rules}]})


def trials_text(
    alerts: Sequence[Alert],
    rules_file: str,
    projection: Mapping[str, Any],
    platform: str,
    tolerances: Tolerances,
) -> str:
    """Return a file for ``promtool test rules``.

    Every alert fires with numbers that are just wrong, and rests with those that are just right; and whoever is dumped
    by a schedule goes through its cycles as late as it may be, without an alert.

    Arguments:
        rules_file: where the rules are, relative to this file.
    """
    names = list(dict.fromkeys(item.name for item in alerts))
    tests: List[Dict[str, Any]] = []
    for name in names:
        same = [item for item in alerts if item.name == name]
        for fires in (True, False):
            tests.append(_trial(name, same, fires, tolerances))
    for item in projection["databases"]:
        if item.get("folder") and item.get("schedule"):
            labels = {"platform": platform, "cluster": item["cluster"], "database": item["key"]}
            tests.append(_cycle(item, labels, projection.get("timezone") or "UTC", tolerances))
    return _text({"rule_files": [rules_file], "evaluation_interval": "%dm" % _STEP_MINUTES, "tests": tests})


def _trial(name: str, alerts: Sequence[Alert], fires: bool, tolerances: Tolerances) -> Dict[str, Any]:
    # By then it has been wrong for so long that it is told.
    minutes = (math.ceil(tolerances.hold_s / _MINUTE_S / _STEP_MINUTES) + 1) * _STEP_MINUTES
    # A dictionary: several alerts may be proven by one number, such as the moment of the run.
    series: Dict[str, Dict[str, str]] = {}
    for item in alerts:
        for trial in item.fires if fires else item.rests:
            value = _value(trial, 0 if fires else minutes * _MINUTE_S)
            text = selector(trial.family.name, trial.labels)
            series[text] = {"series": text, "values": "%s+0x%d" % (value, minutes + 1)}
    expected = [
        {"exp_labels": {**item.labels, "severity": item.severity}, "exp_annotations": _annotations(item)}
        for item in alerts
    ]
    return {
        "name": "%s %s" % (name, "fires" if fires else "rests"),
        "interval": "1m",
        "input_series": list(series.values()),
        "alert_rule_test": [{"eval_time": "%dm" % minutes, "alertname": name, "exp_alerts": expected if fires else []}],
    }


def _cycle(item: Mapping[str, Any], labels: Mapping[str, str], timezone: str, tolerances: Tolerances) -> Dict[str, Any]:
    """Return a test that walks through cycles of a schedule in which each dump is as late as it may be."""
    gap_s = parse_schedule(str(item["schedule"]), timezone).widest_gap_s()
    begun_s, seen_s = tolerances.trigger_s, tolerances.grace_s + TRIAL_DUMP_S
    # The walk begins when the copy is so old already.
    age_s = max(0, gap_s - _WALK_S)
    cycles = 2 if gap_s <= _WALK_S and gap_s > seen_s else 1
    # Where the next dump is due before the last one is seen, the last due time is younger than the grace anyway.
    newest, due = [(0, -age_s)], [(0, -age_s)]
    for number in range(1, cycles + 1):
        due_at = number * gap_s - age_s
        due.append((due_at, due_at))
        newest.append((due_at + seen_s, due_at + begun_s))
    end_s = newest[-1][0] + 5 * _MINUTE_S
    moments = sorted({moment for at, _value_then in newest[1:] for moment in (at - _MINUTE_S, at, at + _MINUTE_S)})
    minutes = sorted({max(0, moment) // _MINUTE_S for moment in moments})
    return {
        "name": "%s rests through its cycles" % item["key"],
        "interval": "1m",
        "input_series": [
            {"series": selector(metric.NEWEST.name, labels), "values": _steps(newest, end_s)},
            {"series": selector(metric.PREVIOUS_DUE.name, labels), "values": _steps(due, end_s)},
            {"series": selector(metric.LONGEST.name, labels), "values": _steps([(0, TRIAL_DUMP_S)], end_s)},
        ],
        "alert_rule_test": [
            {"eval_time": "%dm" % minute, "alertname": name, "exp_alerts": []}
            for minute in minutes
            for name in ("BulkheadRpoMissed", "BulkheadBackupOverdue")
        ],
    }


def _steps(steps: Sequence[Tuple[int, int]], end_s: int) -> str:
    """Return values, one a minute, of what changes at some moments; a change within a minute counts from the next."""
    parts = []
    starts = [math.ceil(at / _MINUTE_S) for at, _value_then in steps] + [math.ceil(end_s / _MINUTE_S)]
    for (_at, value), start, following in zip(steps, starts, starts[1:]):
        if following > start:
            parts.append("%d+0x%d" % (value, following - start - 1))
    return " ".join(parts)


def _value(trial: Trial, eval_s: int) -> str:
    if trial.age_s is not None:
        return str(eval_s - trial.age_s)
    return str(int(trial.value))


def _scope(item: Alert) -> Dict[str, str]:
    return {name: item.labels[name] for name in ("platform", "cluster", "database") if name in item.labels}


def _annotations(item: Alert) -> Dict[str, str]:
    # A brace of Go's templates in a name would be run.
    texts = {"summary": item.summary, "description": item.description, "command": item.command}
    return {name: text.replace("{{", "{ {") for name, text in texts.items()}


def _text(content: Mapping[str, Any]) -> str:
    # Ansible's texts are more than texts, and YAML's safe writer takes nothing but texts.
    plain = json.loads(json.dumps(content))
    return _HEAD + dump(plain, width=1000)
