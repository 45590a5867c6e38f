# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts, read off the description: when each fires, what mends it, and by which numbers that is proven.

A copy can't be as young as its RPO at every moment. One that is taken every 6 hours is 6 hours old before the next one
begins, which is only once the trigger comes round; it counts when it is verified, and is seen when the metrics are
written again. So much grace an alert gives: the trigger's interval, that of the metrics, and the longest recent dump.
"""

import json
import shlex
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .._core.errors import InputError
from .._core.schedule import parse_schedule
from .._core.text import format_duration, nearest, parse_duration
from . import families as metric
from .exposition import Family, selector

CRITICAL, WARNING, INFO = "critical", "warning", "info"
# How long the slowest recent dump takes, in what proves the rules.
TRIAL_DUMP_S = 600
# Metrics that were left out three times are stale.
_MISSED_RUNS = 3


@dataclass(frozen=True)
class Tolerances:
    """What alerts put up with.

    Arguments:
        trigger_s: how often something looks whether a dump is due.
        every_s: how often the metrics are written.
        hold_s: for how long something must be wrong before it is told.
        drill_max_age_s: how old the newest drill may be.
        connections_ratio: which part of the connections may be taken.
    """

    trigger_s: int = 900
    every_s: int = 900
    hold_s: int = 300
    drill_max_age_s: int = 35 * 86400
    connections_ratio: float = 0.8

    @property
    def grace_s(self) -> int:
        """Return the part of the grace that is known beforehand."""
        return self.trigger_s + self.every_s


@dataclass(frozen=True)
class Trial:
    """One number with which an alert is proven; with age_s it is a moment that lies so far back."""

    family: Family
    labels: Mapping[str, str]
    value: float = 0
    age_s: Optional[int] = None


@dataclass(frozen=True)
class Alert:
    """One alert.

    Arguments:
        labels: the labels that it has when it fires, its severity left out.
        fires: numbers with which it fires. rests: those with which it just doesn't.
    """

    name: str
    expr: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    description: str
    command: str
    fires: Tuple[Trial, ...]
    rests: Tuple[Trial, ...]


def parse_tolerances(given: Mapping[str, Any]) -> Tolerances:
    """Return the tolerances that a user gave: trigger, every, hold, drill_max_age (durations), connections_ratio.

    Raises:
        InputError: one isn't known, or is no duration or no part of one.
    """
    names = {"trigger": "trigger_s", "every": "every_s", "hold": "hold_s", "drill_max_age": "drill_max_age_s"}
    found: Dict[str, Any] = {}
    for name, value in given.items():
        if name == "connections_ratio":
            try:
                ratio = float(value)
            except (TypeError, ValueError):
                ratio = 0.0
            if not 0 < ratio < 1:
                raise InputError("connections_ratio is %r." % (value,), "Give a part between 0 and 1, such as 0.8.")
            found[name] = ratio
        elif name in names:
            found[names[name]] = parse_duration(value)
        else:
            near = nearest(name, [*names, "connections_ratio"])
            raise InputError("Alerts have no tolerance %s." % name, "Did you mean %s?" % near if near else None)
    return Tolerances(**found)


def alerts(projection: Mapping[str, Any], platform: str, inventory: str, tolerances: Tolerances) -> List[Alert]:
    """Return the alerts of a description.

    Arguments:
        projection: what platform_info says of metrics. platform: the label of this host's metrics.
        inventory: its path, for the commands.
    """
    maker = _Maker(platform, inventory, tolerances)
    found = maker.of_platform()
    for cluster in projection["clusters"]:
        found += maker.of_cluster(cluster["name"])
    for item in projection["databases"]:
        if item.get("folder"):
            found += maker.of_database(item, projection.get("timezone") or "UTC")
    return found


def rpo_limit_s(item: Mapping[str, Any], timezone: str, tolerances: Tolerances) -> int:
    """Return how old a newest copy may get, the dump's own time left out.

    A schedule with a gap wider than the RPO is one that was accepted with a reason: it is no alert each night.
    """
    gap_s = parse_schedule(str(item["schedule"]), timezone).widest_gap_s() if item.get("schedule") else 0
    return max(int(item["rpo_s"]), gap_s) + tolerances.grace_s


class _Maker:
    """Makes alerts of one platform."""

    def __init__(self, platform: str, inventory: str, tolerances: Tolerances) -> None:
        self._own = {"platform": platform}
        self._inventory = inventory
        self._may = tolerances

    def _play(self, playbook: str, **variables: Any) -> str:
        words = ["ansible-playbook", "bulkhead.stack.%s" % playbook, "-i", self._inventory]
        if variables:
            words += ["-e", json.dumps(variables, ensure_ascii=False)]
        return " ".join(shlex.quote(word) for word in words)

    def of_platform(self) -> List[Alert]:
        """Return what concerns the metrics themselves."""
        stale_s, own = _MISSED_RUNS * self._may.every_s, self._own
        last_run, command = selector(metric.LAST_RUN.name, own), self._play("metrics")
        return [
            Alert(
                "BulkheadMetricsStale",
                "time() - %s > %d" % (last_run, stale_s),
                WARNING,
                own,
                "The metrics of %(platform)s are stale" % own,
                "They were to be written every %s. What else is told of this host may be out of date."
                % format_duration(self._may.every_s),
                command,
                (Trial(metric.LAST_RUN, own, age_s=stale_s + 60),),
                (Trial(metric.LAST_RUN, own, age_s=stale_s),),
            ),
            Alert(
                "BulkheadMetricsMissing",
                "absent(%s)" % last_run,
                CRITICAL,
                own,
                "There are no metrics of %(platform)s" % own,
                "Prometheus doesn't reach its node exporter, or that doesn't read the textfile. No other alert of this"
                " host can fire.",
                command,
                (),
                (Trial(metric.LAST_RUN, own, age_s=0),),
            ),
        ]

    def _vanished(self, name: str, family: Family, labels: Mapping[str, str], what: str) -> Alert:
        # Where all is gone, one alert says so.
        expr = "absent(%s) and on () %s" % (
            selector(family.name, labels),
            selector(metric.LAST_RUN.name, self._own),
        )
        there = Trial(metric.LAST_RUN, self._own, age_s=0)
        return Alert(
            name,
            expr,
            WARNING,
            labels,
            "There are no metrics of %s" % what,
            "The alerts are older than the textfile, or younger: both are written from one description.",
            self._play("metrics"),
            (there,),
            (there, Trial(family, labels, 1)),
        )

    def of_cluster(self, name: str) -> List[Alert]:
        """Return what concerns a cluster."""
        own = {**self._own, "cluster": name}
        by = "platform, cluster"
        used = "sum by (%s) (%s)" % (by, selector(metric.CONNECTIONS.name, own))
        usable = "max by (%s) (%s)" % (by, selector(metric.USABLE_CONNECTIONS.name, own))
        session = {**own, "datname": "postgres", "state": "idle"}
        verdict = {**own, "datname": "postgres", "verdict": "shared"}
        few = int(self._may.connections_ratio * 1000)
        bad = "%s{%s,verdict=~%s}" % (
            metric.BLAST_RADIUS.name,
            selector("", own).strip("{}"),
            '"shared|catastrophic"',
        )
        return [
            Alert(
                "BulkheadClusterDown",
                "%s == 0" % selector(metric.UP.name, own),
                CRITICAL,
                own,
                "Cluster %s doesn't answer" % name,
                "The server was asked when the metrics were written. The playbook says why it couldn't be read.",
                self._play("metrics"),
                (Trial(metric.UP, own, 0),),
                (Trial(metric.UP, own, 1),),
            ),
            self._vanished("BulkheadClusterMissing", metric.UP, own, "cluster %s" % name),
            Alert(
                "BulkheadConnectionsNearLimit",
                "%s / %s > %s" % (used, usable, self._may.connections_ratio),
                WARNING,
                own,
                "Cluster %s is running out of connections" % name,
                "More than %d %% of those that are not reserved for superusers are taken. The audit says by whom."
                % round(self._may.connections_ratio * 100),
                self._play("audit"),
                (Trial(metric.CONNECTIONS, session, few + 1), Trial(metric.USABLE_CONNECTIONS, own, 1000)),
                (Trial(metric.CONNECTIONS, session, few), Trial(metric.USABLE_CONNECTIONS, own, 1000)),
            ),
            Alert(
                "BulkheadBlastRadius",
                "%s == 1" % bad,
                INFO,
                verdict,
                "A database of cluster %s is shared" % name,
                "Dropping or restoring it takes several services along. The audit says which, and the phase isolate"
                " parts them.",
                self._play("audit"),
                (Trial(metric.BLAST_RADIUS, verdict, 1),),
                (
                    Trial(metric.BLAST_RADIUS, verdict, 0),
                    Trial(metric.BLAST_RADIUS, {**verdict, "verdict": "contained"}, 1),
                ),
            ),
        ]

    def of_database(self, item: Mapping[str, Any], timezone: str) -> List[Alert]:
        """Return what concerns a database that is dumped."""
        key = item["key"]
        own = {**self._own, "cluster": item["cluster"], "database": key}
        severity = CRITICAL if item.get("criticality") in ("critical", "high") else WARNING
        found = [
            self._vanished("BulkheadDatabaseMissing", metric.READABLE, own, "database %s" % key),
            self._is(
                "BulkheadCopiesUnreadable",
                metric.READABLE,
                0,
                severity,
                own,
                "The copies of %s can't be read" % key,
                "Is the disk mounted, and may this user read it?",
                self._play("copies"),
            ),
            self._is(
                "BulkheadNoVerifiedCopy",
                metric.VERIFIED,
                0,
                severity,
                own,
                "%s has no verified copy" % key,
                "There is nothing to restore it from.",
                self._play("backup"),
            ),
            self._is(
                "BulkheadBackupFailing",
                metric.FAILING,
                1,
                severity,
                own,
                "The last dump of %s failed" % key,
                "Every good copy was kept. The playbook tries again, and says what is wrong.",
                self._play("backup"),
            ),
            self._is(
                "BulkheadRetentionHeld",
                metric.HELD,
                1,
                WARNING,
                own,
                "The retention of %s waits for somebody to look" % key,
                "Its newest dump is much smaller than the one before, so nothing is removed. Where that is as it should"
                " be, acknowledge it.",
                self._play("backup", bulkhead_backup_acknowledge=[key]),
            ),
            self._is(
                "BulkheadDrillFailed",
                metric.DRILL_PASSED,
                0,
                severity,
                own,
                "The newest drill of %s failed" % key,
                "That copy counts for nothing until a drill of it passes.",
                self._play("drill", bulkhead_drill_databases=[key]),
            ),
            *self._drill_age(key, own),
            self._space(key, own),
        ]
        if item.get("rpo_s"):
            found.append(self._rpo(item, own, severity, timezone))
        if item.get("schedule"):
            found.append(self._overdue(key, own))
        if item.get("rto_s"):
            found.append(self._rto(key, own, int(item["rto_s"])))
        return found

    @staticmethod
    def _is(
        name: str,
        family: Family,
        wrong: int,
        severity: str,
        labels: Mapping[str, str],
        summary: str,
        description: str,
        command: str,
    ) -> Alert:
        expr = "%s == %d" % (selector(family.name, labels), wrong)
        trials = [(Trial(family, labels, value),) for value in (wrong, 1 - wrong)]
        return Alert(name, expr, severity, labels, summary, description, command, trials[0], trials[1])

    def _dump_s(self, own: Mapping[str, str], instead: Family) -> str:
        """Return the longest recent dump's seconds, 0 where that isn't known: without it nothing would ever fire."""
        return "(%s or %s * 0)" % (selector(metric.LONGEST.name, own), selector(instead.name, own))

    def _rpo(self, item: Mapping[str, Any], own: Mapping[str, str], severity: str, timezone: str) -> Alert:
        limit_s = rpo_limit_s(item, timezone, self._may)
        dump = Trial(metric.LONGEST, own, TRIAL_DUMP_S)
        newest = selector(metric.NEWEST.name, own)
        return Alert(
            "BulkheadRpoMissed",
            "time() - %s > %d + %s" % (newest, limit_s, self._dump_s(own, metric.NEWEST)),
            severity,
            own,
            "The newest verified copy of %s is older than its RPO of %s"
            % (item["key"], format_duration(item["rpo_s"])),
            "It was to be replaced by now, with %s for the trigger and the metrics to come round and the time that a"
            " dump takes." % format_duration(self._may.grace_s),
            self._play("backup"),
            (Trial(metric.NEWEST, own, age_s=limit_s + TRIAL_DUMP_S + 60), dump),
            (Trial(metric.NEWEST, own, age_s=limit_s + TRIAL_DUMP_S), dump),
        )

    def _overdue(self, key: str, own: Mapping[str, str]) -> Alert:
        due, newest = selector(metric.PREVIOUS_DUE.name, own), selector(metric.NEWEST.name, own)
        late_s = self._may.grace_s + TRIAL_DUMP_S
        dump = Trial(metric.LONGEST, own, TRIAL_DUMP_S)
        return Alert(
            "BulkheadBackupOverdue",
            "time() - %s > %d + %s and %s < %s"
            % (due, self._may.grace_s, self._dump_s(own, metric.PREVIOUS_DUE), newest, due),
            WARNING,
            own,
            "A dump of %s was due and isn't there" % key,
            "Its schedule came round, and nothing ran, or what ran has made no verified copy.",
            self._play("backup"),
            (
                Trial(metric.PREVIOUS_DUE, own, age_s=late_s + 60),
                Trial(metric.NEWEST, own, age_s=late_s + 61),
                dump,
            ),
            # Much too late, and it is there.
            (
                Trial(metric.PREVIOUS_DUE, own, age_s=late_s + 60),
                Trial(metric.NEWEST, own, age_s=late_s + 60),
                dump,
            ),
        )

    def _rto(self, key: str, own: Mapping[str, str], rto_s: int) -> Alert:
        return Alert(
            "BulkheadRtoExceeded",
            "%s > %d" % (selector(metric.DRILL_DURATION.name, own), rto_s),
            WARNING,
            own,
            "The newest drill of %s took longer than its RTO of %s" % (key, format_duration(rto_s)),
            "On the bad day it would take as long. A drill on an idle host says whether it was the host.",
            self._play("drill", bulkhead_drill_databases=[key]),
            (Trial(metric.DRILL_DURATION, own, rto_s + 1),),
            (Trial(metric.DRILL_DURATION, own, rto_s),),
        )

    def _drill_age(self, key: str, own: Mapping[str, str]) -> List[Alert]:
        drilled, most_s = selector(metric.DRILLED_AT.name, own), self._may.drill_max_age_s
        command = self._play("drill", bulkhead_drill_databases=[key])
        copies = Trial(metric.VERIFIED, own, 2)
        return [
            Alert(
                "BulkheadDrillTooOld",
                "time() - %s > %d" % (drilled, most_s),
                WARNING,
                own,
                "No copy of %s was drilled within %s" % (key, format_duration(most_s)),
                "That its copies can be restored was last proven before that.",
                command,
                (Trial(metric.DRILLED_AT, own, age_s=most_s + 60),),
                (Trial(metric.DRILLED_AT, own, age_s=most_s),),
            ),
            Alert(
                "BulkheadNeverDrilled",
                "%s > 0 unless %s" % (selector(metric.VERIFIED.name, own), drilled),
                INFO,
                own,
                "No copy of %s was ever drilled" % key,
                "They were read, and never restored.",
                command,
                (copies,),
                (copies, Trial(metric.DRILLED_AT, own, age_s=0)),
            ),
        ]

    def _space(self, key: str, own: Mapping[str, str]) -> Alert:
        needed = Trial(metric.NEEDED, own, 1000)
        return Alert(
            "BulkheadSpaceLow",
            "%s < %s" % (selector(metric.FREE.name, own), selector(metric.NEEDED.name, own)),
            CRITICAL,
            own,
            "The next dump of %s won't fit" % key,
            "It would be refused before it begins. Free space where the copies lie, or keep fewer; the playbook says"
            " what is there.",
            self._play("copies"),
            (Trial(metric.FREE, own, 999), needed),
            (Trial(metric.FREE, own, 1000), needed),
        )
