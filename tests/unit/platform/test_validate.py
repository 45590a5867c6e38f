# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A description is read in one pass: every mistake by its path, or the description with its defaults."""

import copy
import pathlib
from typing import Any, Dict, List

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import DescriptionError
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.projections import project
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.recovery import project_saves
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate

ROOT = pathlib.Path(__file__).resolve().parents[3]
INVENTORIES = sorted((ROOT / "inventories").glob("*/group_vars/*/platform.yml"))
GOOD: Dict[str, Any] = {
    "clusters": {"main": {"container": "supabase-ai-db"}},
    "databases": {
        "archon_db": {
            "cluster": "main",
            "rpo": "24h",
            "owner": "archon",
            "backup": {"schedule": "0 2 * * *", "retention": {"last": 14}},
        }
    },
    "services": {"archon": {"profile": "archon", "compose_file": "/srv/archon/compose.yml", "database": "archon_db"}},
}


def load(path: pathlib.Path) -> Any:
    """Return a YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def profiles() -> Dict[str, Any]:
    """Return what the role platform knows of programs."""
    known: Dict[str, Any] = {}
    for path in sorted((ROOT / "roles" / "platform" / "vars" / "profiles").glob("*.yml")):
        known.update(load(path))
    return known


def changed(path: str, value: Any) -> Dict[str, Any]:
    """Return the good description with one thing different; the path's parts are divided by slashes."""
    description = copy.deepcopy(GOOD)
    inner: Any = description
    *folders, last = path.split("/")
    for name in folders:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return description


def mistakes_of(description: Any, known: Any = None) -> List[str]:
    """Return the mistakes of a description that must have some."""
    with pytest.raises(DescriptionError) as caught:
        validate(description, known)
    for mistake in caught.value.mistakes:
        assert mistake in str(caught.value)
    return caught.value.mistakes


def test_defaults_are_filled_in_and_durations_are_seconds() -> None:
    platform = validate(GOOD)
    assert (platform["timezone"], platform["backup_root"], platform["state_dir"]) == (
        "UTC",
        "/backups",
        "/var/lib/bulkhead",
    )
    assert platform["clusters"]["main"]["maintenance_database"] == "postgres"
    database = platform["databases"]["archon_db"]
    assert database["rpo"] == 86400
    assert database["criticality"] == "medium"
    assert database["adopt"] is False
    assert database["backup"]["verify"] == "read"
    assert database["backup"]["compression"] == "auto"
    assert platform["services"]["archon"]["reaches_host"] is False
    assert platform["postgrest"] == {}
    assert platform["neighbours"] == {}


def test_the_description_itself_is_left_alone() -> None:
    description = copy.deepcopy(GOOD)
    known = profiles()
    before = copy.deepcopy(known)
    platform = validate(description, known)
    platform["databases"]["archon_db"]["backup"]["retention"]["last"] = 99
    assert description == GOOD
    assert known == before


def test_the_least_description() -> None:
    platform = validate({"clusters": {"main": {"host": "localhost"}}})
    assert platform["databases"] == {}


def test_a_retention_is_kept_by_default() -> None:
    platform = validate(changed("databases/archon_db/backup", {"schedule": "@daily"}))
    assert platform["databases"]["archon_db"]["backup"]["retention"] == {"last": 7}


def test_all_mistakes_are_told_at_once_each_by_its_path() -> None:
    description = {
        "timezon": "UTC",
        "clusters": {"main": {"container": "a", "host": "b"}},
        "databases": {
            "archon_db": {
                "cluster": "mian",
                "rpo": "soon",
                "criticality": "hihg",
                "backup": {"schedule": "0 25 * * *"},
            },
        },
        "services": {"archon": {"database": "archon_dv"}},
    }
    assert sorted(mistake.partition(": ")[0] for mistake in mistakes_of(description)) == [
        "clusters.main",
        "databases.archon_db.backup.schedule",
        "databases.archon_db.cluster",
        "databases.archon_db.criticality",
        "databases.archon_db.rpo",
        "services.archon.compose_file",
        "services.archon.database",
        "timezon",
    ]
    with pytest.raises(DescriptionError, match="^bulkhead_platform has 8 mistakes:\n  - "):
        validate(description)


@pytest.mark.parametrize(
    ("path", "value", "mistake"),
    [
        ("databses", {}, "databses: no such field; did you mean databases?"),
        ("databases/archon_db/bakcup", {}, "databases.archon_db.bakcup: no such field; did you mean backup?"),
        (
            "databases/archon_db/backup/retention/monthley",
            2,
            "databases.archon_db.backup.retention.monthley: no such field; did you mean monthly?",
        ),
        (
            "databases/archon_db/cluster",
            "mian",
            "databases.archon_db.cluster: there is no cluster mian; did you mean main?",
        ),
        ("databases/archon_db/cluster", "x", "databases.archon_db.cluster: there is no cluster x; there are: main."),
        (
            "services/archon/postgrest",
            "archon",
            "services.archon.postgrest: there is no PostgREST instance archon; there are: none.",
        ),
        (
            "services/archon/database",
            "archon",
            "services.archon.database: there is no database archon; did you mean archon_db?",
        ),
        (
            "databases/archon_db/criticality",
            "critcal",
            "databases.archon_db.criticality: critcal is none of low, medium, high, critical; did you mean critical?",
        ),
    ],
)
def test_what_was_meant_is_said(path: str, value: Any, mistake: str) -> None:
    assert [found.rstrip(" .") for found in mistakes_of(changed(path, value))] == [mistake.rstrip(" .")]


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("clusters/main", {}, "clusters.main: name either container, or host (or unix_socket)."),
        ("clusters/main/host", "db", "clusters.main: name either container, or host (or unix_socket)."),
        ("clusters/main/port", "many", "clusters.main.port: must be a whole number, not 'many'."),
        ("clusters/main/port", True, "clusters.main.port: must be a whole number, not True."),
        ("databases/archon_db", "yes", "databases.archon_db: must be a mapping, not str."),
        ("databases/archon_db/adopt", "maybe", "databases.archon_db.adopt: must be true or false, not 'maybe'."),
        ("databases/archon_db/owner", ["a"], "databases.archon_db.owner: must be a text, not ['a']."),
        ("databases/archon_db/extensions", "vector", "databases.archon_db.extensions: must be a list, not str."),
        (
            "databases/archon_db/extensions",
            [{}],
            "databases.archon_db.extensions[0]: must be a text, or a mapping of name and schema.",
        ),
        ("databases/archon_db/connect_roles", ["a", True], "databases.archon_db.connect_roles[1]: must be a text."),
        ("databases/archon_db/backup/schedule", None, "databases.archon_db.backup.schedule: is missing."),
        (
            "databases/archon_db/name",
            "../etc",
            "databases.archon_db: a name with a slash or two dots can't name a backup folder.",
        ),
        (
            "databases/archon_db/name",
            "ä" * 32,
            "databases.archon_db: Postgres cuts names after 63 bytes; this one has more.",
        ),
        (
            "databases/archon_db/backup/retention",
            {"last": 0},
            "databases.archon_db.backup.retention: would keep nothing; say last: N, or within, daily, …",
        ),
        (
            "databases/archon_db/backup/retention",
            {"last": 1, "daily": -1},
            "databases.archon_db.backup.retention: a count below nothing.",
        ),
        (
            "databases/archon_db/legacy",
            {"database": "archon_db", "tables": "public.a_*", "archive_schema": "old"},
            "databases.archon_db.legacy.database: is the database itself.",
        ),
        ("neighbours/qdrant", {}, "neighbours.qdrant.url: is missing."),
    ],
)
def test_one_mistake(path: str, value: Any, says: str) -> None:
    assert mistakes_of(changed(path, value)) == [says]


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("clusters", None, "clusters: is missing."),
        ("clusters", [], "clusters: must be a mapping of named things."),
        ("databases", ["archon_db"], "databases: must be a mapping of named things."),
    ],
)
def test_a_whole_kind_that_can_not_be_read_comes_first(path: str, value: Any, says: str) -> None:
    assert mistakes_of(changed(path, value))[0] == says


@pytest.mark.parametrize("description", [None, [], "clusters", 3])
def test_what_is_no_mapping_at_all(description: Any) -> None:
    (mistake,) = mistakes_of(description)
    assert mistake.startswith("bulkhead_platform: must be a mapping")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("migrations", ["a.sql"]),
        ("extensions", ["vector"]),
        ("owner_password", "x"),
        ("owner_password_file", "/x"),
        ("prelude", "postgrest"),
        ("legacy", {"database": "postgres", "tables": "public.a_*", "archive_schema": "old"}),
    ],
)
def test_what_needs_an_owner(field: str, value: Any) -> None:
    description = changed("databases/archon_db/" + field, value)
    assert validate(description)
    del description["databases"]["archon_db"]["owner"]
    assert mistakes_of(description) == ["databases.archon_db.owner: is missing, and %s needs one." % field]


def test_passwords_stand_in_no_mistake() -> None:
    description = changed("databases/archon_db/owner_password", "hunter2")
    description["clusters"]["main"]["password"] = "hunter2"
    description["databases"]["archon_db"]["rpo"] = "soon"
    assert "hunter2" not in "\n".join(mistakes_of(description))


def test_a_schedule_that_leaves_more_than_the_rpo_is_a_mistake() -> None:
    (mistake,) = mistakes_of(changed("databases/archon_db/rpo", "4h"))
    assert mistake.startswith(
        "databases.archon_db.backup.schedule: leaves up to 1 d between two dumps, and the RPO is 4 h."
    )
    assert "accept_gap" in mistake


@pytest.mark.parametrize("rpo", ["24h", "7d", None])
def test_a_schedule_that_keeps_to_the_rpo_is_none(rpo: Any) -> None:
    assert validate(changed("databases/archon_db/rpo", rpo))


def odoo(**backup: Any) -> Dict[str, Any]:
    """Return Odoo's database, dumped four times by day and never at night."""
    return {
        "clusters": {"main": {"container": "db"}},
        "databases": {
            "odoo_db": {
                "cluster": "main",
                "rpo": "4h",
                "backup": {"schedule": "0 8,12,16,20 * * *", "retention": {"last": 60}, **backup},
            }
        },
    }


def test_odoos_night_is_longer_than_its_rpo() -> None:
    (mistake,) = mistakes_of(odoo())
    assert "leaves up to 12 h between two dumps, and the RPO is 4 h" in mistake


def test_odoos_night_can_be_accepted_with_a_reason() -> None:
    platform = validate(odoo(accept_gap="Nobody books between 20 h and 8 h."))
    assert platform["databases"]["odoo_db"]["backup"]["accept_gap"] == "Nobody books between 20 h and 8 h."
    assert len(mistakes_of(odoo(accept_gap=""))) == 1


def test_a_time_zone_that_does_not_exist_is_told() -> None:
    (mistake,) = mistakes_of(changed("timezone", "Europe/Berlim"))
    assert "Europe/Berlim" in mistake


def test_a_profile_fills_in_what_it_knows() -> None:
    database = validate(GOOD, profiles())["databases"]["archon_db"]
    assert database["extensions"] == ["vector", "pg_trgm", "pgcrypto"]
    assert database["prelude"] == "postgrest"
    assert database["connect_roles"] == ["authenticator"]
    assert len(database["expect_tables"]) == 11


def test_what_the_description_says_wins_over_the_profile() -> None:
    description = changed("databases/archon_db/extensions", [])
    description["databases"]["archon_db"]["prelude"] = "none"
    description["services"]["archon"]["ready_log"] = "up"
    platform = validate(description, profiles())
    assert platform["databases"]["archon_db"]["extensions"] == []
    assert platform["databases"]["archon_db"]["prelude"] == "none"
    assert platform["databases"]["archon_db"]["connect_roles"] == ["authenticator"]
    assert platform["services"]["archon"]["ready_log"] == "up"


def test_a_profile_fills_in_the_service_of_that_name() -> None:
    description = copy.deepcopy(GOOD)
    description["services"]["server"] = dict(description["services"]["archon"], service="archon-server")
    services = validate(description, profiles())["services"]
    assert services["server"]["ready_log"] == "Database schema initialization complete"
    assert services["archon"]["ready_log"] is None


def test_a_database_that_is_only_backed_up_gets_nothing_of_a_profile() -> None:
    description = copy.deepcopy(GOOD)
    del description["databases"]["archon_db"]["owner"]
    assert validate(description, profiles())["databases"]["archon_db"]["extensions"] is None


def test_a_profile_that_nobody_knows_is_told() -> None:
    description = changed("services/archon/profile", "archn")
    assert mistakes_of(description, profiles()) == [
        "services.archon.profile: there is no profile archn; did you mean archon?"
    ]
    assert validate(description)


def test_there_are_inventories_and_profiles_to_look_at() -> None:
    assert {path.parts[-4] for path in INVENTORIES} >= {"archon", "demo"}
    assert {"archon", "n8n", "flowise", "langfuse", "odoo", "supabase"} <= set(profiles())


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.parts[-4])
def test_our_own_inventories_are_right(path: pathlib.Path) -> None:
    # The demo's paths hold a template: a text like any other.
    description = load(path)["bulkhead_platform"]
    platform = validate(description, profiles())
    phases = project(platform, profiles())
    inside = path.parts[-4] == "archon-prefix"
    assert [item["key"] for item in phases["isolate"]] == ["archon" if inside else "archon_db"]
    assert [item["options"]["strategy"] for item in phases["isolate"]] == ["prefix" if inside else "database"]
    assert [item["name"] for item in phases["postgrest"]] == ([] if inside else ["archon"])
    assert [item["key"] for item in phases["switch"]] == ([] if inside else ["archon_db"])
    own = [name for name, item in description["databases"].items() if "strategy" not in item]
    assert [item["key"] for item in phases["backup"]["databases"]] == own == list(phases["audit"]["databases"])
    assert len(phases["audit"]["services"]) == len(description["services"])
    (dns,) = phases["dns"]
    assert dns["services"] == ["archon-server", "archon-mcp", "archon-agent-work-orders"]


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.parts[-4])
def test_odoos_gap_is_the_only_one_that_our_inventories_accept(path: pathlib.Path) -> None:
    description = load(path)["bulkhead_platform"]
    del description["databases"]["odoo_db"]["backup"]["accept_gap"]
    (mistake,) = mistakes_of(description, profiles())
    assert mistake.startswith("databases.odoo_db.backup.schedule: leaves up to 12 h")


def described_copy(**fields: Any) -> Any:
    """Return a description of a service whose rows are to move."""
    n8n = {"profile": "n8n", "compose_file": "/srv/n8n/compose.yaml", "database": "n8n_db", "repoint": True}
    database = {
        "cluster": "main",
        "owner": "n8n",
        "data": "copy",
        "legacy": {"database": "postgres", "schemas": ["n8n"]},
    }
    services = {"n8n": n8n, **fields.pop("services", {})}
    return {
        "clusters": {"main": {"container": "db"}},
        "databases": {"n8n_db": {**database, **fields}},
        "services": services,
        "postgrest": {"rest": {"compose_file": "/srv/rest.yaml", "service": "rest", "database": "n8n_db"}},
    }


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"legacy": None}, "databases.n8n_db.legacy: is missing, and data: copy needs it."),
        ({"legacy": {"database": "postgres"}}, "databases.n8n_db.legacy: say which tables are meant"),
        (
            {"services": {"b": {"compose_file": "/srv/b.yaml", "database": "n8n_db", "stop": ["./stop.sh"]}}},
            "services.b.start: is missing",
        ),
        (
            {"migrations": [{"path": "a.sql", "transactions": "own"}]},
            "databases.n8n_db.migrations[0]: must be a text, or",
        ),
    ],
)
def test_what_a_copy_needs(fields: Any, says: str) -> None:
    variables = {"database_variables": {"name": "N", "user": "U", "password": "P"}}
    assert validate(described_copy(), {"n8n": variables})
    with pytest.raises(DescriptionError) as caught:
        validate(described_copy(**fields), {"n8n": variables})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"owner": None}, "databases.archon.owner: is missing, and strategy prefix needs one."),
        ({"legacy": None}, "databases.archon.legacy: is missing"),
        ({"legacy": {"database": "other", "tables": "public.archon_*"}}, "it is the database itself"),
        ({"extensions": ["vector"]}, "databases.archon.extensions: with strategy prefix no database is made"),
        ({"data": "copy"}, "no rows move"),
        ({"strategy": "schema"}, "archon (services.archon-server) can't live in a schema; it can in: database, prefix"),
    ],
)
def test_what_a_service_inside_of_a_shared_database_can_not_ask_for(fields: Any, says: str) -> None:
    (path,) = [path for path in INVENTORIES if path.parts[-4] == "archon-prefix"]
    description = load(path)["bulkhead_platform"]
    description["databases"]["archon"].update(fields)
    assert any(says in mistake for mistake in mistakes_of(description, profiles()))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("contacts", [{"name": "Ada"}], "contacts[0]: needs a phone, an email, or a note that says how to reach them."),
        ("contacts", [{"phone": "1"}], "contacts[0].name: is missing."),
        ("databases/archon_db/recovery/needs", [{}], "databases.archon_db.recovery.needs[0]: say what is needed: a"),
        (
            "databases/archon_db/recovery/needs",
            [{"variable": "A", "file": "b"}],
            "databases.archon_db.recovery.needs[0]: has a variable and a file; the file that holds a variable is",
        ),
        (
            "databases/archon_db/recovery/needs",
            [{"what": "x", "env_file": "b"}],
            "databases.archon_db.recovery.needs[0].env_file: needs a variable; a whole file is file.",
        ),
        (
            "databases/archon_db/recovery/volumes",
            [{}],
            "databases.archon_db.recovery.volumes[0]: needs a name or a target.",
        ),
        (
            "databases/archon_db/recovery/checklist",
            "x",
            "databases.archon_db.recovery.checklist: must be a list, not str.",
        ),
    ],
)
def test_a_recovery_that_can_not_be_looked_for(path: str, value: Any, says: str) -> None:
    (mistake,) = mistakes_of(changed(path, value))
    assert mistake.startswith(says)


def test_a_text_is_a_variable_that_is_needed_and_a_volume_that_has_a_name() -> None:
    description = changed("databases/archon_db/recovery", {"needs": ["KEY"], "volumes": ["data"]})
    recovery = validate(description)["databases"]["archon_db"]["recovery"]
    assert recovery["needs"] == [{"variable": "KEY", "what": None, "env_file": None, "file": None, "note": ""}]
    assert recovery["volumes"] == [{"name": "data", "target": None, "note": ""}]


def test_what_is_saved_is_encrypted_and_is_something() -> None:
    path = "databases/archon_db/recovery"
    wanted = {"save": True, "needs": ["KEY"]}
    where = "databases.archon_db.recovery.save: "
    assert mistakes_of(changed(path, wanted)) == [where + "needs backup.encrypt_to: secrets are never written plain."]
    description = changed(path, {"save": True, "needs": [{"what": "the safe"}]})
    description["databases"]["archon_db"]["backup"]["encrypt_to"] = ["age1x"]
    assert mistakes_of(description) == [
        where + "there is nothing to save: name variables or files in needs, or volumes."
    ]
    description["databases"]["archon_db"]["recovery"] = wanted
    platform = validate(description)
    assert platform["databases"]["archon_db"]["recovery"]["save"] is True
    (saved,) = project_saves(platform)
    assert {name: saved[name] for name in ("key", "database", "dest", "mount", "encrypt_to")} == {
        "key": "archon_db",
        "database": "archon_db",
        "dest": "/backups/archon_db",
        "mount": None,
        "encrypt_to": ["age1x"],
    }
    assert [item["variable"] for item in saved["needs"]] == ["KEY"]
    assert saved["services"][0]["path"] == "/srv/archon/compose.yml"
    # By default nothing is.
    assert project_saves(validate(changed(path, {"needs": ["KEY"]}))) == []


def test_a_profile_says_what_its_recovery_needs_with_and_without_an_owner() -> None:
    description = copy.deepcopy(GOOD)
    del description["databases"]["archon_db"]["owner"]
    description["services"]["n8n"] = dict(description["services"]["archon"], profile="n8n")
    recovery = validate(description, profiles())["databases"]["archon_db"]["recovery"]
    # Both programs use it, so it needs what either does.
    assert [item["variable"] for item in recovery["needs"]] == ["SUPABASE_SERVICE_KEY", "N8N_ENCRYPTION_KEY"]
    assert [item["target"] for item in recovery["volumes"]] == ["/home/node/.n8n"]
    description["databases"]["archon_db"]["recovery"] = {"needs": []}
    recovery = validate(description, profiles())["databases"]["archon_db"]["recovery"]
    assert recovery["needs"] == []
    assert [item["target"] for item in recovery["volumes"]] == ["/home/node/.n8n"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"format": "directory", "dump_jobs": 0}, "backup.dump_jobs: at least 1; without it, as many as the server"),
        ({"dump_jobs": 2}, "backup.dump_jobs: only a dump with format: directory has jobs."),
        ({"format": "directory", "encrypt_to": ["age1x"]}, "backup.encrypt_to: a dump with format: directory can't be"),
        ({"format": "tar"}, "backup.format: tar is none of custom, directory."),
    ],
)
def test_a_dump_in_directory_format_that_can_not_be(fields: Any, says: str) -> None:
    (mistake,) = mistakes_of(changed("databases/archon_db/backup", {"schedule": "@daily", **fields}))
    assert "databases.archon_db." + says in mistake


def accepted(**fields: Any) -> Dict[str, Any]:
    """Return the good description with an accepted finding."""
    entry = {"finding": "BH101", "thing": "postgres", "reason": "until the move", "until": "2027-01-31", **fields}
    return changed("accepted", [{name: value for name, value in entry.items() if value is not None}])


@pytest.mark.parametrize("until", ["2027-01-31", yaml.safe_load("2027-01-31"), yaml.safe_load("2027-01-31 10:00:00")])
def test_a_finding_is_accepted_until_a_day(until: Any) -> None:
    (entry,) = validate(accepted(until=until, finding="blast-radius"))["accepted"]
    assert (entry["finding"], entry["until"]) == ("blast-radius", "2027-01-31")


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        (
            {"finding": "blast-radios"},
            "accepted[0].finding: there is no finding blast-radios; did you mean blast-radius?",
        ),
        ({"finding": "zzz"}, "accepted[0].finding: there is no finding zzz; docs/audit.md lists them all."),
        ({"thing": None}, "accepted[0].thing: is missing."),
        ({"reason": None}, "accepted[0].reason: is missing."),
        ({"until": None}, "accepted[0].until: is missing."),
        ({"until": "soon"}, "accepted[0].until: 'soon' is no day. Write it like 2027-01-31."),
        ({"until": 2027}, "accepted[0].until: 2027 is no day. Write it like 2027-01-31."),
    ],
)
def test_mistakes_in_what_is_accepted(fields: Dict[str, Any], mistake: str) -> None:
    assert mistakes_of(accepted(**fields)) == [mistake]


def test_a_finding_is_accepted_once() -> None:
    description = accepted()
    description["accepted"].append(dict(description["accepted"][0], finding="blast-radius"))
    assert mistakes_of(description) == ["accepted[1]: is accepted[0] once more; leave one of the two out."]
