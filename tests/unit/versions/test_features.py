# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of features, the names that majors added and removed, and the words of functions' bodies."""

import pathlib
import re
from typing import List, Set, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._versions.bodies import Body, tokens
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.builtins import CHANGES
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.catalogue import (
    FUNCTION,
    KINDS,
    answers,
    by_name,
    changed_in,
    changing,
    moved,
    signature,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.features import BY_ID, FEATURES, of_builtin
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.model import GRADES, NEWEST, OLDEST
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.probes import MARKS, PROBES, SUPERUSER_PROBES

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_the_page_shows_the_table() -> None:
    text = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| (.+) \| (\d+|any) \| (\w*) \| (\w*) \| (yes|no) \| \[\w+\]\((\S+)\) \|$", text, re.M
    )
    assert rows == [
        (
            feature.id,
            feature.title,
            str(feature.major or "any"),
            feature.down,
            feature.up,
            "yes" if feature.tested else "no",
            feature.source,
        )
        for feature in FEATURES
    ]


def test_rows_are_whole() -> None:
    assert len(BY_ID) == len(FEATURES) >= 50
    for feature in FEATURES:
        assert feature.down in ("", *GRADES)
        assert feature.up in ("", *GRADES)
        assert feature.down or feature.up, feature.id
        assert feature.remedy.endswith("."), feature.id
        assert (OLDEST < feature.major <= NEWEST) or (feature.major == 0 and feature.page), feature.id
        assert feature.source.startswith("https://www.postgresql.org/docs/"), feature.id


def test_whatever_is_looked_for_is_a_row() -> None:
    looked_for = {probe.feature for probe in (*PROBES, *SUPERUSER_PROBES)} | {mark.feature for mark in MARKS}
    assert looked_for <= set(BY_ID)
    for probe in PROBES:
        feature = BY_ID[probe.feature]
        # A catalogue shows what is new from its major on, and what is gone up to the one before.
        if feature.down and feature.major:
            assert probe.first == feature.major, probe.feature
        if feature.up and probe.last < NEWEST:
            assert probe.last == feature.major - 1, probe.feature


def test_every_family_names_what_its_major_changed() -> None:
    for feature in FEATURES:
        for pattern in feature.names:
            kind = pattern.partition(":")[0]
            added, removed = changed_in(feature.major, kind)
            names = added if feature.down else removed
            mine = [name for name in names if of_builtin(kind, name, feature.major) is feature]
            assert mine, "%s: %s is of no name of %d" % (feature.id, pattern, feature.major)


@pytest.mark.parametrize("major", range(OLDEST + 1, NEWEST + 1))
def test_a_major_there_and_back_is_the_same(major: int) -> None:
    for kind in KINDS:
        added, removed = changed_in(major, kind)
        assert not added & removed
    before = {kind: changed_in(major, kind)[1] | {"kept"} for kind in KINDS}
    after = moved(before, major - 1, major)
    assert after == {kind: changed_in(major, kind)[0] | {"kept"} for kind in KINDS}
    assert moved(after, major, major - 1) == before


def test_what_the_release_notes_say_is_in_the_list() -> None:
    assert set(CHANGES) == set(range(OLDEST + 1, NEWEST + 1))
    assert "any_value(anyelement)" in changed_in(16, "function")[0]
    assert "random(integer, integer)" in changed_in(17, "function")[0]
    assert "pg_start_backup(text, boolean=, boolean=)" in changed_in(15, "function")[1]
    assert "transaction_timeout" in changed_in(17, "setting")[0]
    assert "system_user" in changed_in(16, "reserved word")[0]
    assert "pg_maintain" in changed_in(17, "role")[0]
    assert "pg_stat_bgwriter.buffers_backend" in changed_in(17, "column")[1]
    assert "!(bigint, )" in changed_in(14, "operator")[1]


@pytest.mark.parametrize(
    ("wanted", "offered", "answered"),
    [
        ("array_append(anycompatiblearray, anycompatible)", "array_append(anyarray, anyelement)", True),
        ("json_strip_nulls(json)", "json_strip_nulls(json, boolean=)", True),
        ("json_strip_nulls(json, boolean=)", "json_strip_nulls(json)", True),
        ("random(integer, integer)", "random()", False),
        ("pg_terminate_backend(integer)", "pg_terminate_backend(integer, bigint=)", True),
        ("regexp_like(text, text)", "regexp_match(text, text)", False),
        ("f(text)", "f(bytea)", False),
        ("f(text)", "f(text, text)", False),
    ],
)
def test_which_function_answers_a_call(wanted: str, offered: str, answered: bool) -> None:
    assert answers(wanted, by_name(frozenset([offered]))) is answered


def test_signatures_are_taken_apart() -> None:
    assert signature("f()") == ("f", (), 0)
    assert signature("f(timestamp with time zone, text=)") == ("f", ("timestamp with time zone", "text"), 1)
    assert signature("!(bigint, )").name == "!"


CALLED = frozenset(name.partition("(")[0] for name in changing(FUNCTION))


def features(text: str, own: Tuple[str, ...] = (), trigger: bool = False) -> Set[str]:
    """Return the features of a body's syntax."""
    return {feature for feature, dummy in Body(text, trigger).syntax(frozenset(own))}


def calls(text: str, own: Tuple[str, ...] = ()) -> List[str]:
    """Return the changed functions that a body calls."""
    return Body(text).calls(CALLED, frozenset(own))


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("BEGIN MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE; END", "merge"),
        ("merge into t as x using s on true when matched then delete", "merge"),
        ("WITH s AS (SELECT 1) MERGE INTO t USING s ON true WHEN MATCHED THEN DO NOTHING", "merge"),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE RETURNING *", "merge-returning"),
        ("MERGE INTO t USING s ON true WHEN NOT MATCHED BY SOURCE THEN DELETE", "merge-by-source"),
        ("SELECT * FROM JSON_TABLE(a, '$' COLUMNS (x int))", "json-table"),
        ("x := json_value(a, '$.b')", "json-query"),
        ("SELECT JSON_OBJECT('a' : 1)", "json-constructor"),
        ("SELECT JSON_OBJECT(KEY 'a' VALUE 1)", "json-constructor"),
        ("SELECT JSON_ARRAYAGG(a)", "json-constructor"),
        ("IF a IS NOT JSON THEN", "is-json"),
        ("SELECT 0xFF", "integer-literal"),
        ("SELECT 1_000", "integer-literal"),
        ("SELECT a FROM t GROUP BY DISTINCT ROLLUP (a)", "group-by-distinct"),
        ("SELECT j.a FROM t JOIN u USING (a, b) AS j", "join-using-alias"),
        ("doc['a'] := '1'", "jsonb-subscript"),
        ("SELECT (d)['a']", ""),
        ("UPDATE t SET a = 1 RETURNING old.a, new.a", "returning-old-new"),
        ("UPDATE t SET a = 1 RETURNING WITH (OLD AS o) o.a", "returning-old-new"),
        ("SELECT at AT LOCAL", "at-local"),
        ("SELECT system_user", "system-user"),
        ("CREATE UNIQUE INDEX ON t (a) NULLS NOT DISTINCT", "nulls-not-distinct"),
    ],
)
def test_new_syntax_is_seen(text: str, feature: str) -> None:
    assert features(text) >= ({feature} if feature else set())


@pytest.mark.parametrize(
    "text",
    [
        "-- MERGE INTO t USING s\nSELECT 1",
        "/* MERGE INTO t /* JSON_TABLE(a, b) */ IS JSON */ SELECT 1",
        "SELECT 'MERGE INTO t USING s', $q$ JSON_TABLE(a, b) 0xFF $q$, E'\\' IS JSON '",
        'SELECT "merge" FROM "json_table" ("a")',
        "merge := merge + 1; t.merge := 2",
        "SELECT json_object('{a, b}'::text[]), json_object(a, b)",
        "SELECT t.json_array, json_array FROM t",
        "INSERT INTO json_value (a) VALUES (1)",
        "DELETE FROM t USING (SELECT a FROM u) AS x WHERE x.a = t.a",
        "MERGE_things(1)",
        "SELECT ARRAY['a'], ARRAY[ARRAY['a']], a[1], b[i], x'0F', 10.5, 1e5",
        "SELECT a FROM t WHERE a IS DISTINCT FROM b GROUP BY a",
        "UPDATE t SET a = old.a WHERE b = new.b RETURNING a INTO x; y := old.c",
        'SELECT t.system_user, "system_user" FROM t',
    ],
)
def test_what_only_looks_new_is_left_alone(text: str) -> None:
    assert features(text) == set()


def test_old_and_new_of_a_trigger_are_its_rows() -> None:
    assert features("UPDATE t SET a = 1 RETURNING new.a INTO x", trigger=True) == set()


def test_own_functions_are_not_the_servers() -> None:
    assert features("SELECT json_value(a, b)", own=("json_value",)) == set()
    assert calls("SELECT regexp_like(a, b)") == ["regexp_like"]
    assert calls("SELECT regexp_like(a, b)", own=("regexp_like",)) == []
    assert calls("SELECT pg_catalog.regexp_like(a, b)", own=("regexp_like",)) == ["regexp_like"]
    assert calls("SELECT mine.regexp_like(a, b)") == []
    assert calls("SELECT regexp_like FROM t WHERE regexp_like = 1") == []
    assert calls("WITH w AS (SELECT 1), regexp_like (a) AS (SELECT 2) SELECT a FROM regexp_like") == []
    assert calls("INSERT INTO regexp_like (a) VALUES (1)") == []
    assert calls("PERFORM 'regexp_like(a)'; -- regexp_like(a)\n") == []


def test_literals_never_show() -> None:
    found = Body("MERGE INTO t USING (SELECT 'a secret' AS x) s ON true WHEN MATCHED THEN DELETE").syntax(frozenset())
    assert found == [("merge", "MERGE INTO t USING ( SELECT '...' AS")]
    assert [token.text for token in tokens("SELECT $a$ secret $a$, 'x''y', \"A\"\"b\" /* open")] == [
        "SELECT",
        "'...'",
        ",",
        "'...'",
        ",",
        'A"b',
    ]
