"""A real Prometheus, which scrapes a real node exporter: every query is answered, and alerts fire when they must."""

import datetime
import json
import os
import pathlib
import re
import stat
import time
import urllib.parse
from typing import Any, Callable, Dict, List, Set, Tuple

import pytest
import yaml

FOLDER = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "metrics"
TEXTFILE = FOLDER / "textfile" / "bulkhead.prom"
RULES = FOLDER / "rules" / "bulkhead.rules.yml"
PROMETHEUS = "http://127.0.0.1:19090/api/v1/"

# What is empty where all is well: nothing fires, and no dump has failed.
EMPTY = {
    'ALERTS{alertname=~"Bulkhead.+",alertstate="firing",platform=~".*"}',
    'time() - bulkhead_backup_failed_timestamp_seconds{platform=~".*",cluster=~".*",database=~".*"}',
}
# With everything chosen.
VARIABLES = {"$platform": ".*", "$cluster": ".*", "$database": ".*"}


def rules() -> List[Dict[str, Any]]:
    """Return the rules of the file."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard_queries() -> List[str]:
    """Return the queries of all panels, with everything chosen."""
    found = []
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            found.append(text)
    return found


@pytest.fixture(scope="module")
def ask(http: Callable[..., Tuple[int, Any]]) -> Callable[[str], List[Dict[str, Any]]]:
    """Return a function that sends a query and gives its result."""

    def query(text: str) -> List[Dict[str, Any]]:
        status, answer = http(PROMETHEUS + "query?" + urllib.parse.urlencode({"query": text}))
        assert (status, answer["status"]) == (200, "success"), (text, answer)
        result: List[Dict[str, Any]] = answer["data"]["result"]
        return result

    return query


@pytest.fixture(scope="module")
def firing(http: Callable[..., Tuple[int, Any]]) -> Callable[[], Set[Tuple[str, str]]]:
    """Return a function that gives the alerts that fire, each with what it is about."""

    def look() -> Set[Tuple[str, str]]:
        _status, answer = http(PROMETHEUS + "alerts")
        return {
            (alert["labels"]["alertname"], alert["labels"].get("database") or alert["labels"].get("cluster", ""))
            for alert in answer["data"]["alerts"]
            if alert["state"] == "firing"
        }

    return look


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Return what a condition gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found or time.monotonic() > deadline:
            assert found, "it didn't come about within %d s" % seconds
            return found
        time.sleep(0.2)


@pytest.fixture
def play_now(play):
    """Return a function that runs a playbook at the real moment, not at the one that the scenario has begun with."""
    return lambda name: play(name, "-e", "bulkhead_clock=")


def test_prometheus_has_seen_the_textfile(ask):
    wait_for(lambda: ask("bulkhead_metrics_last_run_timestamp_seconds"))
    assert [sample["value"][1] for sample in ask("node_textfile_scrape_error")] == ["0"]
    assert stat.S_IMODE(TEXTFILE.stat().st_mode) == 0o644
    # Nothing of the writing is left, and nothing secret is told.
    assert [path.name for path in TEXTFILE.parent.iterdir()] == ["bulkhead.prom"]
    assert "postgres-password" not in TEXTFILE.read_text() + RULES.read_text()


@pytest.mark.parametrize("command", ["check rules bulkhead.rules.yml", "test rules bulkhead.rules.trials.yml"])
def test_promtool_proves_the_rules(machine, command):
    result = machine.run("docker exec --workdir /rules bulkhead-metrics-prometheus promtool " + command)
    assert result.rc == 0, result.stdout + result.stderr
    assert "SUCCESS" in result.stdout


def test_promtool_finds_a_rule_without_grace(machine, tmp_path):
    # A copy each six hours, and an RPO of six hours: without its grace the alert fires in each cycle.
    trials = yaml.safe_load(RULES.with_name("bulkhead.rules.trials.yml").read_text())
    trials["tests"] = [test for test in trials["tests"] if test["name"] == "shop rests through its cycles"]
    assert len(trials["tests"]) == 1
    alert = next(
        item for item in rules() if (item["alert"], item["labels"].get("database")) == ("BulkheadRpoMissed", "shop")
    )
    hasty = dict(alert, expr=re.sub(r"> \d+ \+ .*", "> 21600", alert["expr"]))
    for name, content in (("trials.yml", dict(trials, rule_files=["rules.yml"])),
                          ("rules.yml", {"groups": [{"name": "hasty", "rules": [hasty]}]})):  # fmt: skip
        (tmp_path / name).write_text(yaml.safe_dump(content))
        machine.check_output("docker cp %s bulkhead-metrics-prometheus:/tmp/%s", str(tmp_path / name), name)
    result = machine.run("docker exec --workdir /tmp bulkhead-metrics-prometheus promtool test rules trials.yml")
    assert result.rc == 1
    assert "BulkheadRpoMissed" in result.stdout + result.stderr


def test_prometheus_has_taken_the_rules(http):
    _status, answer = http(PROMETHEUS + "rules")
    taken = [rule["name"] for group in answer["data"]["groups"] for rule in group["rules"]]
    assert taken == [rule["alert"] for rule in rules()]
    assert len(taken) > 25


def test_nothing_fires_where_all_is_well(http, firing):
    def evaluated() -> bool:
        _status, answer = http(PROMETHEUS + "rules")
        every = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
        return bool(every) and all(rule["health"] == "ok" for rule in every)

    wait_for(evaluated)
    assert wait_for(lambda: not firing())


def test_every_query_of_the_dashboard_is_answered(ask):
    queries = dashboard_queries()
    assert len(queries) > 30
    # A rate needs a second look.
    answered = wait_for(lambda: {query for query in queries if ask(query)} | EMPTY >= set(queries) and queries)
    assert EMPTY <= set(answered)
    assert [query for query in EMPTY if ask(query)] == []


def test_every_expression_of_a_rule_is_answered_and_its_metrics_are_there(ask):
    selectors = set()
    for rule in rules():
        # Right where nothing is wrong.
        assert ask(rule["expr"]) == [], rule["expr"]
        selectors |= set(re.findall(r"bulkhead_\w+\{[^}]*\}", rule["expr"]))
    assert len(selectors) > 20
    assert [text for text in sorted(selectors) if not ask(text)] == []


def test_the_numbers_are_those_of_the_servers(ask, sql):
    def value(text: str) -> float:
        return float(ask(text)[0]["value"][1])

    size = int(sql("shop", "SELECT pg_database_size('shop')", "bulkhead-metrics-db")[0])
    assert value('bulkhead_database_size_bytes{datname="shop"}') == pytest.approx(size, rel=0.2)
    limit = int(sql("shop", "SHOW max_connections", "bulkhead-metrics-db")[0])
    assert value('bulkhead_cluster_max_connections{cluster="main"}') == limit
    assert value('bulkhead_database_connections{datname="shop",state="active"}') == 1
    newest = max((FOLDER / "backups" / "shop").glob("*.manifest.json"))
    manifest = json.loads(newest.read_text())
    assert value('bulkhead_backup_newest_verified_size_bytes{database="shop"}') == manifest["size_bytes"]
    taken_at = datetime.datetime.strptime(manifest["taken_at"], "%Y-%m-%dT%H:%M:%SZ").replace(
        tzinfo=datetime.timezone.utc
    )
    assert value('bulkhead_backup_newest_verified_timestamp_seconds{database="shop"}') == taken_at.timestamp()


def test_an_alert_fires_when_a_backup_is_old_and_ends_with_the_next(firing, play_now):
    newest = max((FOLDER / "backups" / "shop").glob("*.manifest.json")).name.replace(".manifest.json", "")
    for path in (FOLDER / "backups" / "shop").glob(newest + "*"):
        path.unlink()
    assert re.search(r"changed=1\b", play_now("metrics"))
    found = wait_for(lambda: ("BulkheadRpoMissed", "shop") in firing() and firing())
    assert ("BulkheadRpoMissed", "blog") not in found
    alert = next(
        item for item in rules() if (item["alert"], item["labels"].get("database")) == ("BulkheadRpoMissed", "shop")
    )
    assert alert["annotations"]["command"] == "ansible-playbook bulkhead.stack.backup -i /srv/inventories/mine"
    assert alert["labels"]["severity"] == "critical"
    # What the alert names mends it.
    play_now("backup")
    play_now("metrics")
    wait_for(lambda: ("BulkheadRpoMissed", "shop") not in firing())


def test_a_server_that_stands_still_is_told_as_down(machine, ask, firing, play_now):
    machine.check_output("docker pause bulkhead-metrics-db")
    try:
        said = play_now("metrics")
        assert "main: " in said
        assert wait_for(lambda: ("BulkheadClusterDown", "main") in firing())
        # Of its other numbers there are none, instead of zeros; what is known of the copies is there.
        wait_for(lambda: not ask('bulkhead_database_connections{cluster="main"}'))
        assert not ask('bulkhead_blast_radius{cluster="main"}')
        assert ask('bulkhead_backup_newest_verified_timestamp_seconds{database="shop"}')
    finally:
        machine.check_output("docker unpause bulkhead-metrics-db")
