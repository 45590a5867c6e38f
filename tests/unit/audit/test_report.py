# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's report: a finding for each kind of trouble, and none on a clean platform."""

import copy
from typing import Any, Dict, List, Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.report import report

WANTED: Dict[str, Any] = {
    "clusters": [{"name": "main"}],
    "databases": {
        "postgres": {"name": "postgres", "cluster": "main", "rpo": 21600, "criticality": "critical"},
        "archon": {"name": "archon_db", "cluster": "main", "rpo": 86400, "criticality": "medium"},
    },
    "services": [{"name": "archon-server", "reaches_host": True, "database": "archon", "container": "archon-server"}],
    "instances": [
        {"name": "main", "container": "rest", "route": ""},
        {"name": "archon", "container": "rest-archon", "route": "/archon/"},
    ],
}


def database(name: str, **fields: Any) -> Dict[str, Any]:
    """Return a database as pg_blast_radius_info has it."""
    return {
        "name": name,
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
        self.clusters: List[Any] = [{"databases": [self.postgres, self.archon]}]
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
            {"addresses": ["172.18.0.5"]},
            {"addresses": ["172.18.0.6"]},
        ]

    def report(self, **more: Any) -> Dict[str, Any]:
        """Return the report on what was seen."""
        return report(self.wanted, self.clusters, self.dumps, [self.service], self.instances, **more)

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
    (finding,) = [item for item in seen.report()["findings"] if item["id"] == "cross-database"]
    assert finding["text"] == "Foreign server erp leads to database odoo_db of the same cluster."


def test_what_is_kept_is_listed_and_what_is_over_is_told(seen: Seen) -> None:
    entry = {
        "kind": "archive",
        "name": "old",
        "database": "postgres",
        "until": "2026-12-23T10:00:00Z",
        "reason": "moved",
    }
    result = seen.report(kept=[dict(entry, over=False), dict(entry, name="older", over=True)])
    assert [item["thing"] for item in result["findings"] if item["id"] == "kept-over"] == ["older"]
    assert any(
        "archive old in postgres" in line and "2026-12-23" in line and "moved" in line for line in result["text"]
    )


@pytest.mark.parametrize(("verdict", "severity"), [("catastrophic", "critical"), ("shared", "high")])
def test_what_goes_down_together(seen: Seen, verdict: str, severity: str) -> None:
    seen.postgres.update(verdict=verdict, reasons=["supabase and archon go down together"])
    finding = seen.only_finding()
    assert (finding["id"], finding["severity"], finding["thing"]) == ("blast-radius", severity, "postgres")
    assert finding["text"] == "supabase and archon go down together."
    assert finding["remedy"] == "ansible-playbook bulkhead.stack.site --tags isolate,postgrest"


@pytest.mark.parametrize(("key", "severity"), [("postgres", "critical"), ("archon", "high")])
def test_no_verified_copy(seen: Seen, key: str, severity: str) -> None:
    seen.dumps[key] = None
    finding = seen.only_finding()
    assert (finding["id"], finding["severity"], finding["thing"]) == ("no-verified-backup", severity, key)
    assert finding["remedy"].endswith("--tags backup")
    assert "none" in " ".join(seen.report()["text"])


def test_a_copy_that_is_older_than_the_rpo(seen: Seen) -> None:
    seen.dumps["archon"] = {"path": "/backups/a.dump", "age_s": 86401 + 3600}
    finding = seen.only_finding()
    assert (finding["id"], finding["severity"], finding["thing"]) == ("rpo-missed", "high", "archon")
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
    seen.service["variables"] = {}
    finding = seen.only_finding()
    assert (finding["id"], finding["severity"], finding["thing"]) == ("cluster-unseen", "critical", "main")
    assert "It refuses." in finding["text"]


def test_a_database_that_can_not_be_seen(seen: Seen) -> None:
    seen.archon.update(verdict=None, reasons=["it can't be seen"], tenants={}, error="no pg_hba entry")
    finding = seen.only_finding()
    assert (finding["id"], finding["severity"], finding["thing"]) == ("database-unseen", "high", "archon_db")
    assert "no pg_hba entry" in finding["text"]
    assert "can't be seen" in seen.report()["text"][2]


def test_a_database_that_the_server_does_not_have(seen: Seen) -> None:
    seen.clusters[0]["databases"].remove(seen.archon)
    finding = seen.only_finding()
    assert (finding["id"], finding["severity"], finding["thing"]) == ("database-missing", "medium", "archon")


def test_a_database_that_the_description_does_not_have(seen: Seen) -> None:
    seen.clusters[0]["databases"].append(database("guest", tenants={}, public_connect=True))
    found = seen.report()
    assert found["findings"] == []
    assert [row["described"] for row in found["databases"]] == [True, True, False]


def test_a_database_that_everyone_may_connect_to(seen: Seen) -> None:
    seen.archon["public_connect"] = True
    finding = seen.only_finding()
    assert (finding["id"], finding["severity"], finding["thing"]) == ("public-connect", "medium", "archon_db")


@pytest.mark.parametrize("state", ["exited", "restarting", "absent", None])
def test_a_service_that_does_not_run(seen: Seen, state: Optional[str]) -> None:
    seen.service.update(state=state, health=None, resolves=None)
    finding = seen.only_finding()
    assert (finding["id"], finding["severity"], finding["thing"]) == ("service-down", "high", "archon-server")
    assert (state or "not there") in finding["text"]


def test_a_service_that_is_unhealthy(seen: Seen) -> None:
    seen.service["health"] = "unhealthy"
    assert seen.only_finding()["id"] == "service-unhealthy"


def test_a_service_that_does_not_reach_the_host(seen: Seen) -> None:
    seen.service.update(resolves=False, error="no such host")
    finding = seen.only_finding()
    assert (finding["id"], finding["remedy"]) == (
        "host-unreachable",
        "ansible-playbook bulkhead.stack.site --tags dns",
    )
    assert "no such host" in finding["text"]
    seen.wanted["services"][0]["reaches_host"] = False
    assert seen.report()["findings"] == []


def test_a_service_that_is_served_from_another_database(seen: Seen) -> None:
    seen.service["variables"] = {"SUPABASE_URL": "http://host.docker.internal:18000"}
    finding = seen.only_finding()
    assert (finding["id"], finding["severity"], finding["thing"]) == ("wrong-database", "high", "archon-server")
    assert finding["text"] == "Its data is served from postgres, not from archon_db."


def test_only_sessions_of_the_instance_itself_count(seen: Seen) -> None:
    seen.archon["sessions"].append(session("archon_db", "172.18.0.5", "psql"))
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
    seen.dumps["postgres"] = None
    found = seen.report()
    assert [finding["severity"] for finding in found["findings"]] == ["critical", "high", "medium"]
    assert "3 findings:" in found["text"]
    assert found["text"][-2].startswith("[medium] archon_db: ")
    assert found["text"][-1].startswith("    mend it: ")


def test_one_finding_is_one(seen: Seen) -> None:
    seen.service["state"] = "exited"
    assert "1 finding:" in seen.report()["text"]
