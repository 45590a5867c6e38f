# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's report: a finding for each kind of trouble, and none on a clean platform."""

import copy
from typing import Any, Dict, List, Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.report import report
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError

COMMON = {"rto": None, "folder": "/backups/a", "owner": None, "extensions": [], "dumped": True}
WANTED: Dict[str, Any] = {
    "timezone": "UTC",
    "clusters": [{"name": "main", "connection": {"container": "db", "login_user": "supabase_admin"}}],
    "tenants": {"supabase": {"schemas": ["auth"], "platform": True}},
    "databases": {
        "postgres": {"name": "postgres", "cluster": "main", "rpo": 21600, "criticality": "critical", **COMMON},
        "archon": {"name": "archon_db", "cluster": "main", "rpo": 86400, "criticality": "medium", **COMMON},
    },
    "services": [
        {
            "name": "archon-server",
            "reaches_host": True,
            "database": "archon",
            "cluster": "main",
            "container": "archon-server",
        }
    ],
    "instances": [
        {"name": "main", "container": "rest", "route": "", "database": "postgres", "cluster": "main"},
        {"name": "archon", "container": "rest-archon", "route": "/archon/", "database": "archon_db", "cluster": "main"},
    ],
    "neighbours": {},
    "probes": [],
    "accepted": [],
}


def database(name: str, **fields: Any) -> Dict[str, Any]:
    """Return a database as pg_blast_radius_info has it."""
    return {
        "name": name,
        "owner": "archon",
        "allows_connections": True,
        "extensions": {"plpgsql": "1.0"},
        "verdict": "contained",
        "reasons": ["only %s lies here" % name],
        "tenants": {"archon": 11},
        "archived": {},
        "size_bytes": 8 * 1024**2,
        "public_connect": False,
        "may_connect": ["archon"],
        "sessions": [],
        **fields,
    }


def session(name: str, address: str, application: str = "PostgREST 12.2") -> Dict[str, Any]:
    """Return a session as pg_blast_radius_info has it."""
    return {"database": name, "application": application, "role": "authenticator", "address": address, "sessions": 1}


def container(name: str, *addresses: str, **fields: Any) -> Dict[str, Any]:
    """Return a container as audit_host_info has it."""
    row = {"name": name, "state": "running", "health": None, "exit_code": 0, "restarts": 0, "up_s": 86400}
    return {**row, "image": "image:1", "addresses": list(addresses), "published": [], **fields}


def rule(address: str, method: str) -> Dict[str, Any]:
    """Return a line of pg_hba.conf as pg_blast_radius_info has it."""
    line = {"line_number": 12, "type": "host", "databases": "all", "users": "all", "netmask": "", "file": "/data/hba"}
    return {**line, "address": address, "method": method}


class Seen:
    """What was seen of a clean platform; a test makes one thing worse."""

    def __init__(self) -> None:
        self.wanted = copy.deepcopy(WANTED)
        # The description calls the database as the server does, so that where a service lives can be compared.
        self.wanted["services"][0]["database"] = "archon_db"
        self.postgres = database(
            "postgres", tenants={"supabase": 9}, public_connect=True, sessions=[session("postgres", "172.18.0.5")]
        )
        self.archon = database("archon_db", sessions=[session("archon_db", "172.18.0.6")])
        self.cluster: Dict[str, Any] = {
            "databases": [self.postgres, self.archon],
            "superusers": ["supabase_admin"],
            "version": "15.20",
            "settings": {
                "version_num": 150020,
                "version": "15.20",
                "fsync": "on",
                "full_page_writes": "on",
                "data_checksums": "on",
            },
            "rules": [rule("127.0.0.1", "trust"), rule("all", "scram-sha-256")],
            "unseen": [],
        }
        self.clusters: List[Any] = [self.cluster]
        self.copies: Dict[str, Any] = {}
        self.probes: List[Any] = []
        self.dumps: Dict[str, Optional[Dict[str, Any]]] = {
            "postgres": {"path": "/backups/p.dump", "age_s": 3600},
            "archon": {"path": "/backups/a.dump", "age_s": 7200},
        }
        self.service: Dict[str, Any] = {
            "state": "running",
            "health": "healthy",
            "resolves": True,
            "variables": {"SUPABASE_URL": "http://host.docker.internal:18000/archon"},
        }
        self.instances: List[Any] = [
            {"state": "running", "addresses": ["172.18.0.5"]},
            {"state": "running", "addresses": ["172.18.0.6"]},
        ]
        self.kept: List[Any] = []
        self.host: Dict[str, Any] = {
            "now": "2026-11-25T19:00:00Z",
            "containers": {
                "db": container("db"),
                "archon-server": container("archon-server", "172.18.0.7"),
                "rest": container("rest", "172.18.0.5"),
                "rest-archon": container("rest-archon", "172.18.0.6"),
            },
            "files": {"secrets": [], "readable": [], "missing": [], "unread": []},
            "urls": {},
            "drills": {},
            "unseen": [],
        }

    def report(self, **more: Any) -> Dict[str, Any]:
        """Return the report on what was seen."""
        seen = {
            "clusters": self.clusters,
            "copies": {"newest_verified": self.dumps, **self.copies},
            "reached": {"services": [self.service, *self.instances, *self.probes]},
            "host": self.host,
            "kept": {"kept": self.kept},
            "hostname": "demo",
        }
        return report(self.wanted, {**seen, **more})

    def names(self) -> List[str]:
        """Return the names of the findings."""
        return [finding["name"] for finding in self.report()["findings"]]

    def only_finding(self) -> Dict[str, Any]:
        """Return the one finding that there must be."""
        (finding,) = self.report()["findings"]
        return dict(finding)


@pytest.fixture
def seen() -> Seen:
    """Return a clean platform."""
    return Seen()


def test_a_clean_platform_has_no_findings(seen: Seen) -> None:
    found = seen.report()
    assert found["findings"] == []
    assert found["text"][-1] == "No findings."
    postgres, archon = found["databases"]
    assert postgres["described"]
    assert archon["newest_verified"] == "/backups/a.dump"
    assert archon["newest_verified_age_s"] == 7200
    (service,) = found["services"]
    assert service["service"] == "archon-server"
    assert service["served_from"] == "archon_db"


def test_the_text_is_a_table(seen: Seen) -> None:
    text = seen.report()["text"]
    assert text[0].split("  ")[0] == "CLUSTER"
    assert text[1].split() == ["main", "postgres", "contained", "supabase", "(9)", "8.0", "MiB", "1", "h", "old"]
    assert text[2].split() == ["main", "archon_db", "contained", "archon", "(11)", "8.0", "MiB", "2", "h", "old"]
    assert text[1].index("contained") == text[2].index("contained") == text[0].index("BLAST RADIUS")
    assert text[3] == ""
    assert text[5].split() == ["archon-server", "running", "(healthy)", "yes", "archon_db"]
    assert not any(line != line.rstrip() for line in text)


def test_what_leads_to_another_database_is_told(seen: Seen) -> None:
    seen.postgres["links"] = [
        {"kind": "foreign server", "name": "erp", "to": "odoo_db"},
        {"kind": "publication", "name": "all", "to": ""},
    ]
    (finding,) = [item for item in seen.report()["findings"] if item["name"] == "cross-database"]
    assert finding["text"] == "Foreign server erp leads to database odoo_db of the same cluster."


def test_what_is_kept_is_listed_and_what_is_over_is_told(seen: Seen) -> None:
    entry = {
        "kind": "archive",
        "name": "old",
        "database": "postgres",
        "until": "2026-12-23T10:00:00Z",
        "reason": "moved",
    }
    seen.kept = [dict(entry, over=False), dict(entry, name="older", over=True)]
    result = seen.report()
    assert [item["thing"] for item in result["findings"] if item["name"] == "kept-over"] == ["older"]
    assert any(
        "archive old in postgres" in line and "2026-12-23" in line and "moved" in line for line in result["text"]
    )


@pytest.mark.parametrize(("verdict", "severity"), [("catastrophic", "critical"), ("shared", "high")])
def test_what_goes_down_together(seen: Seen, verdict: str, severity: str) -> None:
    seen.postgres.update(verdict=verdict, reasons=["supabase and archon go down together"])
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("blast-radius", severity, "postgres")
    assert finding["text"] == "Supabase and archon go down together."
    assert finding["remedy"] == "ansible-playbook bulkhead.stack.site --tags isolate,postgrest"


@pytest.mark.parametrize(("key", "severity"), [("postgres", "critical"), ("archon", "high")])
def test_no_verified_copy(seen: Seen, key: str, severity: str) -> None:
    seen.dumps[key] = None
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("no-verified-backup", severity, key)
    assert finding["remedy"] == "ansible-playbook bulkhead.stack.backup"
    assert "none" in " ".join(seen.report()["text"])


def test_a_copy_that_is_older_than_the_rpo(seen: Seen) -> None:
    seen.dumps["archon"] = {"path": "/backups/a.dump", "age_s": 86401 + 3600}
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("rpo-missed", "high", "archon")
    assert finding["text"] == "Its newest verified copy is 1 d 1 h old, and its RPO is 1 d."
    seen.dumps["archon"] = {"path": "/backups/a.dump", "age_s": 86400}
    assert seen.report()["findings"] == []


def test_without_an_rpo_no_copy_is_too_old(seen: Seen) -> None:
    seen.wanted["databases"]["archon"]["rpo"] = None
    seen.dumps["archon"] = {"path": "/backups/a.dump", "age_s": 10**9}
    assert seen.report()["findings"] == []


def test_a_database_that_is_not_backed_up_at_all_is_not_asked_for_a_copy(seen: Seen) -> None:
    del seen.dumps["archon"]
    assert seen.report()["findings"] == []


def test_a_cluster_that_can_not_be_read(seen: Seen) -> None:
    seen.clusters[0] = {"msg": "It refuses."}
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("cluster-unseen", "critical", "main")
    assert "It refuses." in finding["text"]


def test_a_database_that_can_not_be_seen(seen: Seen) -> None:
    seen.archon.update(verdict=None, reasons=["it can't be seen"], tenants={}, error="no pg_hba entry")
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("database-unseen", "high", "archon_db")
    assert "no pg_hba entry" in finding["text"]
    assert "can't be seen" in seen.report()["text"][2]


def test_a_database_that_the_server_does_not_have(seen: Seen) -> None:
    seen.clusters[0]["databases"].remove(seen.archon)
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("database-missing", "medium", "archon")


def test_a_database_that_the_description_does_not_have(seen: Seen) -> None:
    seen.clusters[0]["databases"].append(database("guest", tenants={}, public_connect=True))
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("database-undescribed", "low", "guest")
    assert [row["key"] for row in seen.report()["databases"]] == ["postgres", "archon", None]


def test_a_database_that_everyone_may_connect_to(seen: Seen) -> None:
    seen.archon["public_connect"] = True
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("public-connect", "medium", "archon_db")


@pytest.mark.parametrize("state", ["exited", "paused", "absent", None])
def test_a_service_that_does_not_run(seen: Seen, state: Optional[str]) -> None:
    seen.service.update(state=state, health=None, resolves=None)
    seen.host["containers"]["archon-server"] = container("archon-server", state=state) if state else None
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("service-down", "high", "archon-server")
    assert (state if state not in (None, "absent") else "not there") in finding["text"]


def test_a_service_that_is_unhealthy(seen: Seen) -> None:
    seen.service["health"] = "unhealthy"
    assert seen.only_finding()["name"] == "service-unhealthy"


def test_a_service_that_does_not_reach_the_host(seen: Seen) -> None:
    seen.service.update(resolves=False, error="no such host")
    finding = seen.only_finding()
    assert (finding["name"], finding["remedy"]) == (
        "host-unreachable",
        "ansible-playbook bulkhead.stack.site --tags dns",
    )
    assert "no such host" in finding["text"]
    seen.wanted["services"][0]["reaches_host"] = False
    assert seen.names() == []


def test_a_service_that_is_served_from_another_database(seen: Seen) -> None:
    seen.service["variables"] = {"SUPABASE_URL": "http://host.docker.internal:18000"}
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("wrong-database", "high", "archon-server")
    assert finding["text"] == "Its data is served from postgres, not from archon_db."


def test_only_sessions_of_the_instance_itself_count(seen: Seen) -> None:
    seen.archon["sessions"].append(session("archon_db", "172.18.0.5", "psql"))
    # An address that no container has: somebody at the host's own port.
    seen.archon["sessions"].append(session("archon_db", "172.18.0.9"))
    seen.service["variables"] = {"SUPABASE_URL": "http://host.docker.internal:18000/archon/"}
    found = seen.report()
    assert found["findings"] == []
    assert found["services"][0]["served_from"] == "archon_db"


def test_where_no_route_is_known_nothing_is_claimed(seen: Seen) -> None:
    seen.service["variables"] = {"SUPABASE_URL": "http://elsewhere/unknown"}
    found = seen.report()
    assert found["findings"] == []
    assert found["services"][0]["served_from"] is None


def test_the_worst_comes_first(seen: Seen) -> None:
    seen.archon["public_connect"] = True
    seen.service["state"] = "exited"
    seen.host["containers"]["archon-server"]["state"] = "exited"
    seen.dumps["postgres"] = None
    found = seen.report()
    assert [finding["severity"] for finding in found["findings"]] == ["critical", "high", "medium"]
    assert "3 findings:" in found["text"]
    assert found["text"][-3].startswith("[medium] archon_db: ")
    assert found["text"][-3].endswith("(BH104 public-connect)")
    assert found["text"][-2].startswith("    seen by: SELECT datacl")
    assert found["text"][-1].startswith("    mend it: ")


def test_one_finding_is_one(seen: Seen) -> None:
    seen.service["state"] = "exited"
    assert "1 finding:" in seen.report()["text"]


def test_a_server_with_known_holes(seen: Seen) -> None:
    seen.cluster["settings"].update(version_num=150004, version="15.4")
    finding = seen.only_finding()
    assert (finding["name"], finding["severity"], finding["thing"]) == ("postgres-cve", "high", "main")
    assert finding["text"].startswith("Its version 15.4 is older than 15.20, which closes ")
    assert "as of 2026-11-13" in finding["text"]


def test_a_server_without_checksums(seen: Seen) -> None:
    seen.cluster["settings"]["data_checksums"] = "off"
    assert seen.names() == ["checksums-off"]


@pytest.mark.parametrize(
    ("address", "counts"), [("all", True), ("10.0.0.0", True), ("127.0.0.1", False), ("::1", False)]
)
def test_trust_counts_where_it_is_for_others(seen: Seen, address: str, counts: bool) -> None:
    seen.cluster["rules"] = [rule(address, "trust")]
    assert seen.names() == (["trust-authentication"] if counts else [])


@pytest.mark.parametrize(("restarts", "up_s", "counts"), [(3, 60, True), (2, 60, False), (3, 6000, False)])
def test_what_was_restarted_often_and_just_now_is_a_loop(seen: Seen, restarts: int, up_s: int, counts: bool) -> None:
    seen.host["containers"]["archon-server"].update(restarts=restarts, up_s=up_s)
    assert seen.names() == (["restart-loop"] if counts else [])


def test_an_instance_that_is_not_there_is_made_by_the_site(seen: Seen) -> None:
    seen.instances[1] = {"state": "absent", "addresses": []}
    seen.host["containers"]["rest-archon"] = None
    seen.wanted["instances"][1]["path"] = "/srv/compose.yml"
    finding = seen.only_finding()
    assert (finding["name"], finding["kind"]) == ("service-down", "postgrest")
    assert finding["remedy"] == "ansible-playbook bulkhead.stack.site --tags isolate,postgrest"


def test_a_container_that_changes_meanwhile_is_not_called_fine(seen: Seen) -> None:
    seen.host["containers"]["archon-server"]["state"] = "exited"
    (unseen,) = seen.report()["unseen"]
    assert unseen["thing"] == "service archon-server"
    assert "was exited, and running a moment later" in unseen["reason"]


@pytest.mark.parametrize(
    ("part", "thing"),
    [("copies", "the copies"), ("reached", "services from inside"), ("host", "the host"), ("kept", "what is kept")],
)
def test_a_module_that_failed_is_something_not_seen(seen: Seen, part: str, thing: str) -> None:
    # As Ansible has it with failed_when: false.
    document = seen.report(**{part: {"failed": False, "msg": "It broke."}})
    assert {"thing": thing, "reason": "It broke."} in document["unseen"]
    assert document["findings"] == []
    assert "  %s: It broke." % thing in document["text"]


def test_nothing_that_nobody_looked_at_is_drawn_as_fine(seen: Seen) -> None:
    seen.clusters[0] = {"msg": "It refuses."}
    document = seen.report(host={}, reached={})
    assert {node["status"] for node in document["graph"]["nodes"]} == {"unseen"}
    assert {node["status"] for node in document["wanted_graph"]["nodes"]} == {"ok"}


def accepting(finding: str, thing: str, until: str) -> Dict[str, Any]:
    """Return an entry of a description."""
    return {"finding": finding, "thing": thing, "until": until, "reason": "a reason"}


@pytest.mark.parametrize("word", ["BH104", "public-connect"])
@pytest.mark.parametrize(("until", "counts"), [("2026-11-25", False), ("2026-11-24", True)])
def test_an_accepted_finding_counts_again_after_its_day(seen: Seen, word: str, until: str, counts: bool) -> None:
    seen.archon["public_connect"] = True
    seen.wanted["accepted"] = [accepting(word, "archon_db", until)]
    document = seen.report(fail_on="medium")
    (finding,) = document["findings"]
    assert (finding["accepted"] is None) == counts
    assert bool(document["failing"]) == counts
    assert ("It was accepted until" in finding["text"]) == counts
    assert ("1 accepted:" in document["text"]) != counts
    assert ("No findings." in document["text"]) != counts


def test_an_acceptance_of_something_else_accepts_nothing(seen: Seen) -> None:
    seen.archon["public_connect"] = True
    seen.wanted["accepted"] = [
        accepting("BH104", "other_db", "2027-01-01"),
        accepting("BH101", "archon_db", "2027-01-01"),
    ]
    assert seen.names() == ["public-connect", "acceptance-unmatched", "acceptance-unmatched"]


@pytest.mark.parametrize(("severity", "number"), [("", 0), ("critical", 0), ("high", 1), ("medium", 2), ("note", 2)])
def test_what_fails_is_as_grave_or_graver(seen: Seen, severity: str, number: int) -> None:
    seen.archon["public_connect"] = True
    seen.service["health"] = "unhealthy"
    assert len(seen.report(fail_on=severity)["failing"]) == number


def test_a_severity_that_is_none_is_refused(seen: Seen) -> None:
    with pytest.raises(InputError, match="no severity grave"):
        seen.report(fail_on="grave")


def test_a_stranger_at_a_database_is_told(seen: Seen) -> None:
    seen.host["containers"]["metabase"] = container("metabase", "172.18.0.20")
    seen.archon["sessions"].append(session("archon_db", "172.18.0.20", "metabase"))
    # This collection itself is none.
    seen.archon["sessions"].append(session("archon_db", "172.18.0.20", "bulkhead/0123456789ab"))
    finding = seen.only_finding()
    assert (finding["name"], finding["thing"]) == ("service-undescribed", "metabase")
    (edge,) = [item for item in seen.report()["graph"]["edges"] if item["from"] == "service:metabase"]
    assert (edge["to"], edge["connections"]) == ("database:main/archon_db", 1)
    seen.wanted["described"] = False
    document = seen.report()
    assert (document["findings"], document["wanted_graph"]) == ([], None)


def test_the_calendar_has_copies_drills_and_gaps_that_are_still_open(seen: Seen) -> None:
    copy_ = {
        "key": "archon",
        "path": "/b/x",
        "taken_at": "2026-11-20T02:00:00Z",
        "size_bytes": 9,
        "how": "drilled",
        "problem": None,
    }
    seen.copies = {
        "copies": [copy_, dict(copy_, taken_at="2026-01-01T02:00:00Z"), dict(copy_, how=None, problem="it has 1 byte")],
        "gaps": {"archon": [{"from": "2026-11-21T02:00:00Z", "to": None, "seconds": 9}]},
        "orphans": {
            "archon": [{"path": "/b/backup_archon_db_20261119_020000", "reason": "the log has it, and it is gone"}]
        },
    }
    seen.host["drills"] = {"archon": [{"at": "2026-11-20T03:00:00Z", "ok": True, "seconds": 3, "path": "/b/x"}]}
    (row,) = [item for item in seen.report()["calendar"] if item["database"] == "archon"]
    assert [(item["at"], item["state"]) for item in row["copies"]] == [
        ("2026-11-19T02:00:00Z", "missing"),
        ("2026-11-20T02:00:00Z", "read"),
        ("2026-11-20T02:00:00Z", "failed"),
    ]
    assert row["gaps"] == [{"from": "2026-11-21T02:00:00Z", "to": "2026-11-25T19:00:00Z"}]
    assert row["drills"] == [{"at": "2026-11-20T03:00:00Z", "ok": True, "seconds": 3}]
    assert seen.names() == ["copy-damaged"]
