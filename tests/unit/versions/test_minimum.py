# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which PostgreSQL a program needs: by its version, by what the description states, and with its source."""

import copy
import pathlib
import re
from datetime import date
from typing import Any, Dict, List, Optional

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import DescriptionError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.inspection import repository_of
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.projections import project
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.asked import check_asked
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.minimum import (
    Need,
    own_version,
    read_need,
    version_of,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.releases import END_OF_LIFE

ROOT = pathlib.Path(__file__).resolve().parents[3]
TODAY = date(2026, 11, 29)
FOLDER = ROOT / "roles" / "platform" / "vars" / "profiles"
PROFILES: Dict[str, Any] = {}
for _path in sorted(FOLDER.glob("*.yml")):
    PROFILES.update(yaml.safe_load(_path.read_text()))
PROGRAMS = sorted(PROFILES)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("langfuse/langfuse:4.2.1", "4.2.1"),
        ("langfuse/langfuse:3", "3"),
        ("ghcr.io:5000/langfuse/langfuse:v4.0@sha256:0123", "4.0"),
        ("odoo:19.0-20260901", "19.0"),
        ("n8nio/n8n:2.49.8-alpine", "2.49.8"),
        ("n8nio/n8n:latest", None),
        ("n8nio/n8n:stable", None),
        ("n8nio/n8n", None),
        ("localhost:5000/odoo", None),
        ("langfuse/langfuse@sha256:0123", None),
        ("supabase/studio:2026.05.01-sha-9aa1", "2026.05.01"),
        ("program:release-4", None),
        ("program:20260901", None),
        ("program:0123456789", None),
        ("program:9aa1b2c", None),
        ("program:v3.4.1-alpine", "3.4.1"),
        ("", None),
    ],
)
def test_a_version_is_read_off_the_tag(image: str, version: Optional[str]) -> None:
    assert version_of(image) == version


@pytest.mark.parametrize(
    ("program", "image", "version"),
    [
        ("langfuse", "langfuse/langfuse:4.2.1", "4.2.1"),
        ("langfuse", "ghcr.io/langfuse/langfuse-worker:3", "3"),
        ("langfuse", "langfuse/langfuse:latest", None),
        # The tag of a server's image is the server's.
        ("langfuse", "bulkhead/postgres:17", None),
        ("odoo", "odoo:19.0-20260901", "19.0"),
        ("odoo", "registry.example:5000/company/odoo:18", "18"),
        ("odoo", "company/odoo-proxy:2.4", None),
        ("n8n", "", None),
    ],
)
def test_only_the_tag_of_its_own_image_is_a_programs_version(program: str, image: str, version: Optional[str]) -> None:
    assert own_version(image, PROFILES[program]["images"]) == version
    assert own_version(image, []) is None


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("supabase/postgres:15.8.1.085", "supabase/postgres"),
        ("docker.io/supabase/postgres", "supabase/postgres"),
        ("localhost:5000/odoo:19", "odoo"),
        ("postgres@sha256:0123", "postgres"),
    ],
)
def test_an_image_has_a_name(image: str, name: str) -> None:
    assert repository_of(image) == name


@pytest.mark.parametrize(
    ("program", "version", "least", "recommended"),
    [
        ("langfuse", "2.95", 12, None),
        ("langfuse", "3.120.0", 12, None),
        ("langfuse", "4.0.0", 15, 16),
        ("langfuse", "5.1", 15, 16),
        ("langfuse", None, 15, 16),
        ("odoo", "17.0", 12, None),
        ("odoo", "19.0", 13, None),
        ("odoo", "20.0", 16, None),
        ("odoo", "21.0", 16, None),
        ("odoo", None, 16, None),
        # Only what still gets fixes: 14 had its last on 2026-11-12.
        ("n8n", "2.49.8", 15, None),
        ("supabase", None, 15, 17),
        ("flowise", "3.0.0", None, None),
        ("archon", None, None, None),
    ],
)
def test_what_is_known_of_programs(
    program: str, version: Optional[str], least: Optional[int], recommended: Optional[int]
) -> None:
    need = read_need(PROFILES[program]["postgres"], version)
    assert (need.least(TODAY), need.recommended) == (least, recommended)


def test_a_version_that_is_not_known_is_said_so_where_it_matters() -> None:
    assert read_need(PROFILES["odoo"]["postgres"], None).guessed
    assert not read_need(PROFILES["odoo"]["postgres"], "19.0").guessed
    assert not read_need(PROFILES["supabase"]["postgres"], None).guessed


def test_what_is_maintained_changes_with_time() -> None:
    need = read_need(PROFILES["n8n"]["postgres"], "2.0")
    assert [need.least(day) for day in (date(2026, 11, 12), date(2026, 11, 13), date(2027, 11, 12))] == [14, 15, 16]


def test_the_description_wins() -> None:
    need = read_need(PROFILES["langfuse"]["postgres"], "4.0", 17)
    assert (need.least(TODAY), need.stated, need.guessed) == (17, True, False)
    # 16 can't be recommended to whom needs 17.
    assert need.recommended is None
    stated = read_need(PROFILES["n8n"]["postgres"], None, 13)
    assert (stated.least(TODAY), stated.maintained) == (13, False)


def test_of_an_unknown_program_nothing_is_known() -> None:
    assert read_need(None, "1.0") == Need()
    assert read_need({}, None, 14) == Need(minimum=14, stated=True)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_fact_has_a_source_and_a_date(program: str) -> None:
    facts = PROFILES[program]["postgres"]
    assert facts["source"].startswith("https://")
    assert date.fromisoformat(facts["as_of"]) <= date(2026, 11, 29)
    assert set(facts) <= {
        *("minimum", "recommended", "tested_up_to", "maintained", "image", "by_version", "source", "as_of", "note")
    }
    need = read_need(facts, None)
    assert all(major in END_OF_LIFE for major in (need.minimum, need.recommended, need.tested_up_to) if major)
    # Of whom nothing is known it is said why.
    assert need.least(TODAY) or need.note


def since(facts: Dict[str, Any], field: str) -> str:
    """Return a field as the documentation tells it."""

    def told(major: Optional[int]) -> str:
        return "not known" if major is None else str(major)

    if field == "minimum" and facts.get("maintained"):
        return "what still gets fixes"
    said = [told(facts.get(field))]
    for version, row in (facts.get("by_version") or {}).items():
        fields = row if isinstance(row, dict) else {"minimum": row}
        if field in fields:
            said.append("from %s on %s" % (version, told(fields[field])))
    return "; ".join(said)


def test_the_documentation_tells_the_same() -> None:
    text = (ROOT / "docs" / "description.md").read_text()
    rows: List[List[str]] = []
    for line in text[text.index("| profile | minimum |") :].splitlines()[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    expected = []
    for program in PROGRAMS:
        facts = PROFILES[program]["postgres"]
        newest = facts.get("tested_up_to")
        source = "%s, %s" % (facts["source"], facts["as_of"])
        cells = [since(facts, "minimum"), since(facts, "recommended"), "not known" if newest is None else str(newest)]
        expected.append(["`%s`" % program, *cells, source])
    assert rows == expected


DESCRIPTION: Dict[str, Any] = {
    "clusters": {"main": {"container": "db"}, "own": {"host": "pg.example", "password": "hunter2"}},
    "databases": {
        "traces": {"cluster": "own", "name": "langfuse", "criticality": "low"},
        "inside": {
            "cluster": "main",
            "name": "postgres",
            "strategy": "prefix",
            "owner": "x",
            "legacy": {"database": "postgres", "tables": "public.x_*"},
        },
        "core": {"cluster": "main", "name": "postgres", "backup": {"schedule": "0 3 * * *"}},
    },
    "services": {
        "web": {"compose_file": "/srv/c.yml", "database": "traces", "profile": "langfuse", "minimum_postgres": "16"},
        "other": {"compose_file": "/srv/c.yml", "container": "other-1"},
    },
}


def test_the_phase_gets_what_is_known() -> None:
    options = project(validate(DESCRIPTION, PROFILES), PROFILES)["consolidate"]["options"]
    assert options["clusters"] == [
        {"container": "db", "login_db": "postgres", "name": "main"},
        {"login_host": "pg.example", "login_password": "hunter2", "login_db": "postgres", "name": "own"},
    ]
    assert options["databases"] == [
        {
            "key": "traces",
            "name": "langfuse",
            "cluster": "own",
            "criticality": "low",
            "services": ["web"],
            "schedule": None,
            "folder": None,
        },
        {
            "key": "core",
            "name": "postgres",
            "cluster": "main",
            "criticality": "medium",
            "services": [],
            "schedule": "0 3 * * *",
            "folder": "/backups/core",
        },
    ]
    assert options["services"] == [
        {
            "name": "web",
            "container": "web",
            "profile": "langfuse",
            "images": ["langfuse/langfuse", "langfuse/langfuse-worker"],
            "minimum_postgres": 16,
            "postgres": PROFILES["langfuse"]["postgres"],
        },
        {
            "name": "other",
            "container": "other-1",
            "profile": None,
            "images": [],
            "minimum_postgres": None,
            "postgres": {},
        },
    ]


@pytest.mark.parametrize("value", [150020, 19, 0, 99])
def test_a_minimum_is_a_major(value: int) -> None:
    description = copy.deepcopy(DESCRIPTION)
    description["services"]["web"]["minimum_postgres"] = value
    with pytest.raises(DescriptionError) as caught:
        validate(description, PROFILES)
    assert caught.value.mistakes == [
        "services.web.minimum_postgres: %d is no major of PostgreSQL that is known; write it like 15." % value
    ]


GOOD: Dict[str, Any] = {
    "clusters": [{"name": "main"}],
    "databases": [{"key": "a", "cluster": "main", "services": ["s"]}],
    "services": [{"name": "s"}],
    "versions": [13, 18],
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"clusters": [{"name": "main"}, {"name": "main"}]}, "clusters has main twice"),
        ({"services": [{"name": "s"}, {"name": "s"}]}, "services has s twice"),
        ({"databases": [{"key": "a", "cluster": "mian", "services": []}]}, "Did you mean main?"),
        ({"databases": [{"key": "a", "cluster": "main", "services": ["t", "s"]}]}, "databases.a.services: there is no"),
        ({"versions": [12]}, "Known are 13 to 18"),
        ({"versions": [19]}, "Known are 13 to 18"),
        ({"services": [{"name": "s", "minimum_postgres": 150}]}, "services.s.minimum_postgres: 150 is no major"),
    ],
)
def test_what_is_asked_must_hold_together(changes: Dict[str, Any], says: str) -> None:
    check_asked(GOOD)
    with pytest.raises(InputError, match=re.escape(says)):
        check_asked({**GOOD, **changes})
