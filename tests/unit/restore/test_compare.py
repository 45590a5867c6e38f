"""What a database holds against what its copy's manifest says: a sentence for each difference, and none without."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._restore.compare import KINDS, differences, notes

Facts = dict[str, Any]
Change = Callable[[Facts], Any]


def sequence(name: str, value: int, column: int | None, called: bool = True, descends: bool = False) -> Facts:
    return {
        "schema": "public",
        "name": name,
        "owner": "archon",
        "descends": descends,
        "value": value,
        "is_called": called,
        "column_value": column,
    }


def facts(version: int = 150020) -> Facts:
    """Return what one database holds, with the fields that are read from a server."""
    public = {"schema": "public"}
    pages = {"schema": "public", "table": "pages"}
    return {
        "server_version": "15.20",
        "server_version_num": version,
        "owner": "archon",
        "encoding": "UTF8",
        "lc_collate": "en_US.utf8",
        "lc_ctype": "en_US.utf8",
        "schemas": [{"name": "public", "owner": "pg_database_owner"}, {"name": "app", "owner": "archon"}],
        "extensions": [{"name": "vector", "version": "0.8.0", "schema": "public"}],
        "tables": [
            dict(public, name="pages", owner="archon", rows=200),
            dict(public, name="tags", owner="archon", rows=1),
        ],
        "sequences": [
            sequence("up", 7, 7),
            sequence("down", -7, -7, descends=True),
            sequence("fresh", 1, None, called=False),
            sequence("loose", 4, None),
        ],
        "views": [dict(public, name="seen", kind="view", owner="archon", sha256="1")],
        "functions": [dict(public, name="told", arguments="a integer", owner="archon", sha256="2")],
        "indexes": [dict(public, name="pages_body", table="pages", sha256="3")],
        "constraints": [dict(pages, name="pages_check", sha256="4")],
        "row_security": [dict(pages, forced=False)],
        "policies": [dict(pages, name="mine", sha256="5")],
        "triggers": [
            dict(pages, name="telling", enabled="O", sha256="6"),
            {"schema": None, "table": None, "name": "watching", "enabled": "O", "sha256": "7"},
        ],
        "grants": [
            {"kind": "database", "schema": None, "name": "", "acl": ["archon=CTc/archon", "reader=c/archon"]},
            {"kind": "schema", "schema": None, "name": "app", "acl": ["archon=UC/archon", "reader=U/archon"]},
            {
                "kind": "relation",
                "schema": "public",
                "name": "pages",
                "acl": ["archon=arwdDxt/archon", '"m=m/m"=rm*/archon', "reader=r/archon"],
            },
            {"kind": "column", "schema": "public", "name": "pages.body", "acl": ["reader=w/archon"]},
            {"kind": "default", "schema": None, "name": "archon r", "acl": ["reader=r/archon"]},
        ],
        "settings": [
            {"role": None, "name": "app.jwt", "sha256": "8"},
            {"role": "archon", "name": "work_mem", "sha256": "9"},
        ],
    }


def manifest(version: int = 150020) -> Facts:
    return dict(facts(version), cluster={"server_version": "15.20", "server_version_num": version})


def without(field: str, place: int = 0) -> Change:
    return lambda found: found[field].pop(place)


def given(field: str, place: int = 0, **values: Any) -> Change:
    return lambda found: found[field][place].update(values)


DIFFERENCES: dict[str, tuple[Change, str]] = {
    "another owner of the database": (
        lambda found: found.update(owner="postgres"),
        "the database has owner postgres, not archon",
    ),
    "another encoding": (lambda found: found.update(encoding="LATIN1"), "the database has encoding LATIN1, not UTF8"),
    "another locale": (lambda found: found.update(lc_collate="C"), "the database has lc_collate C, not en_US.utf8"),
    "another character type": (lambda found: found.update(lc_ctype="C"), "the database has lc_ctype C, not en_US.utf8"),
    "a row missing": (given("tables", rows=199), "table public.pages has 199 rows, not 200"),
    "a table empty": (given("tables", 1, rows=0), "table public.tags has 0 rows, not 1"),
    "a table missing": (without("tables", 1), "table public.tags is missing"),
    "a table more": (
        lambda found: found["tables"].append({"schema": "app", "name": "new", "owner": "archon", "rows": 0}),
        "table app.new is there, and the manifest hasn't it",
    ),
    "a wrong owner": (given("tables", owner="postgres"), "table public.pages has owner postgres, not archon"),
    "a schema missing": (without("schemas", 1), "schema app is missing"),
    "a schema's owner": (given("schemas", 1, owner="postgres"), "schema app has owner postgres, not archon"),
    "an extension missing": (without("extensions"), "extension vector is missing"),
    "an extension elsewhere": (
        given("extensions", schema="extensions"),
        "extension vector has schema extensions, not public",
    ),
    "a sequence missing": (without("sequences", 3), "sequence public.loose is missing"),
    "a sequence's owner": (given("sequences", owner="postgres"), "sequence public.up has owner postgres, not archon"),
    "a sequence elsewhere": (given("sequences", 3, value=3), "sequence public.loose is at 3, not 4"),
    "a sequence ahead": (given("sequences", value=9), "sequence public.up is at 9, not 7"),
    "a sequence behind": (given("sequences", value=3), "sequence public.up is at 3, and its column at 7"),
    "a sequence not called": (
        given("sequences", is_called=False),
        "sequence public.up is at 7 (not called yet), and its column at 7",
    ),
    "a sequence that begins again": (
        given("sequences", value=1, is_called=False),
        "sequence public.up is at 1 (not called yet), and its column at 7",
    ),
    "a descending one behind": (given("sequences", 1, value=-3), "sequence public.down is at -3, and its column at -7"),
    "a descending one not called": (
        given("sequences", 1, is_called=False),
        "sequence public.down is at -7 (not called yet), and its column at -7",
    ),
    "a fresh one called": (
        given("sequences", 2, is_called=True),
        "sequence public.fresh is at 1, not 1 (not called yet)",
    ),
    "a fresh one behind its column": (
        given("sequences", 2, column_value=1),
        "sequence public.fresh is at 1 (not called yet), and its column at 1",
    ),
    "a view missing": (without("views"), "view public.seen is missing"),
    "a view changed": (given("views", sha256="x"), "view public.seen has another definition"),
    "a function missing": (without("functions"), "function public.told(a integer) is missing"),
    "a function changed": (given("functions", sha256="x"), "function public.told(a integer) has another definition"),
    "a function's owner": (
        given("functions", owner="postgres"),
        "function public.told(a integer) has owner postgres, not archon",
    ),
    "an index lost": (without("indexes"), "index public.pages_body is missing"),
    "an index changed": (given("indexes", sha256="x"), "index public.pages_body has another definition"),
    "a constraint lost": (without("constraints"), "constraint pages_check on public.pages is missing"),
    "row security off": (without("row_security"), "row security of table public.pages is missing"),
    "row security forced": (
        given("row_security", forced=True),
        "row security of table public.pages is for the owner as well, not for others alone",
    ),
    "a policy dropped": (without("policies"), "policy mine on public.pages is missing"),
    "a policy changed": (given("policies", sha256="x"), "policy mine on public.pages has another definition"),
    "a trigger missing": (without("triggers"), "trigger telling on public.pages is missing"),
    "a trigger disabled": (given("triggers", enabled="D"), "trigger telling on public.pages is disabled, not enabled"),
    "a trigger for replicas": (
        given("triggers", enabled="R"),
        "trigger telling on public.pages is enabled on replicas alone, not enabled",
    ),
    "an event trigger missing": (without("triggers", 1), "trigger watching is missing"),
    "grants on the database lost": (
        given("grants", acl=["archon=CTc/archon"]),
        "grants on the database are archon=CTc/archon, not archon=CTc/archon, reader=c/archon",
    ),
    "a grant lost": (
        given("grants", 2, acl=["archon=arwdDxt/archon", '"m=m/m"=rm*/archon']),
        'grants on relation public.pages are archon=arwdDxt/archon, "m=m/m"=rm*/archon,'
        ' not archon=arwdDxt/archon, "m=m/m"=rm*/archon, reader=r/archon',
    ),
    "all grants lost": (without("grants", 2), "grants on relation public.pages are missing"),
    "a schema's grants lost": (without("grants", 1), "grants on schema app are missing"),
    "a column's grants none": (
        given("grants", 3, acl=[]),
        "grants on column public.pages.body are none, not reader=w/archon",
    ),
    "grants more": (
        lambda found: found["grants"].append({"kind": "schema", "schema": None, "name": "public", "acl": ["=U/x"]}),
        "grants on schema public are there, and the manifest hasn't them",
    ),
    "default privileges lost": (
        without("grants", 4),
        "default privileges of role archon on tables in any schema are missing",
    ),
    "a setting lost": (without("settings"), "setting app.jwt is missing"),
    "a setting changed": (given("settings", sha256="x"), "setting app.jwt has another definition"),
    "a role's setting lost": (without("settings", 1), "setting work_mem of role archon is missing"),
}


def test_what_is_as_it_was_has_no_difference() -> None:
    assert differences(manifest(), facts()) == []
    assert notes(manifest(), facts()) == []


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_difference_is_one_sentence(name: str) -> None:
    change, sentence = DIFFERENCES[name]
    found = facts()
    change(found)
    assert differences(manifest(), found) == [sentence]


def test_every_kind_is_among_them() -> None:
    for kind in KINDS:
        found = facts()
        found[kind.field] = []
        assert len(differences(manifest(), found)) == len(facts()[kind.field])


def test_the_order_says_nothing() -> None:
    found = facts()
    for kind in KINDS:
        found[kind.field].reverse()
    assert differences(manifest(), found) == []


def test_default_privileges_in_a_schema() -> None:
    default = {"kind": "default", "schema": "app", "name": "odd role S", "acl": ["reader=r/odd role"]}
    wanted = manifest()
    wanted["grants"].append(default)
    assert differences(wanted, facts()) == [
        "default privileges of role odd role on sequences in schema app are missing"
    ]


def test_a_sequence_that_was_behind_already_isnt_the_restores_fault() -> None:
    wanted, found = manifest(), facts()
    for side in (wanted, found):
        side["sequences"][0]["value"] = 3
    assert differences(wanted, found) == []
    found["sequences"][0]["value"] = 4
    assert differences(wanted, found) == ["sequence public.up is at 4, not 3"]


def test_what_an_older_manifest_hasnt_is_passed_over() -> None:
    changed = facts()
    for change, _sentence in (DIFFERENCES["a policy dropped"], DIFFERENCES["a sequence behind"]):
        change(changed)
    for field in ("policies", "sequences"):
        wanted = manifest()
        del wanted[field]
        assert len(differences(wanted, changed)) == 1
    bare = {
        "tables": [{"schema": "public", "name": name, "rows": rows} for name, rows in (("pages", 200), ("tags", 1))]
    }
    assert differences(bare, facts()) == []
    assert differences(bare, dict(facts(), tables=[])) == [
        "table public.pages is missing",
        "table public.tags is missing",
    ]
    # A sequence whose value wasn't read out of the archive.
    wanted = manifest()
    wanted["sequences"][3].update(value=None, is_called=None)
    assert differences(wanted, facts()) == []


def test_the_right_that_a_newer_version_adds_is_no_difference() -> None:
    found = facts(170012)
    entries = ["archon=arwdDxtm/archon", '"m=m/m"=rm*/archon', "reader=r/archon"]
    found["grants"][2]["acl"] = entries
    wanted = manifest()
    wanted["grants"][2]["acl"] = ["archon=arwdDxt/archon", '"m=m/m"=r/archon', "reader=r/archon"]
    assert differences(wanted, found) == []
    # Of the same version it is one; so is another right.
    told = differences(dict(wanted, cluster={"server_version_num": 170001}), found)
    assert len(told) == 1
    found["grants"][2]["acl"] = entries[:2]
    assert len(differences(wanted, found)) == 1
    found["grants"][2]["acl"] = entries
    unknown = dict(copy.deepcopy(wanted), cluster=None)
    unknown["grants"][2]["acl"] = entries
    assert differences(unknown, found) == []


def test_another_version_of_an_extension_is_a_note() -> None:
    found = facts()
    found["extensions"][0]["version"] = "0.8.1"
    assert differences(manifest(), found) == []
    assert notes(manifest(), found) == ["extension vector is of version 0.8.1, it was of 0.8.0"]
    assert notes(manifest(), dict(found, extensions=[])) == []
