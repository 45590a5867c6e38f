# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is expected of a database, held against what it holds."""

from typing import Any, List

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.model import (
    Content,
    Expectation,
    Extension,
    Wanted,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.verify import differences


@pytest.mark.parametrize(
    ("expect", "content", "wrong"),
    [
        ({}, {}, []),
        ({}, {"tables": ("x",), "policies": 3}, []),
        ({"tables": ("a", "b")}, {"tables": ("a", "b", "c")}, []),
        ({"tables": ("archon_task",)}, {}, ["table archon_task is missing"]),
        (
            {"tables": ("archon_task",)},
            {"tables": ("archon_tasks", "x")},
            ["table archon_task is missing (there is archon_tasks)"],
        ),
        ({"functions": ("match",)}, {"functions": ("match", "other")}, []),
        ({"functions": ("match",)}, {"functions": ("other",)}, ["function match is missing"]),
        ({"triggers": ("touch",)}, {"triggers": ("touch", "other")}, []),
        ({"triggers": ("touch",)}, {}, ["trigger touch is missing"]),
        ({"columns": {"t": ("a", "b")}}, {"columns": {"t": ("b", "a", "c")}}, []),
        ({"columns": {"t": ("a", "b")}}, {"columns": {"t": ("a",)}}, ["column b of table t is missing"]),
        ({"columns": {"t": ("a",)}}, {}, ["table t is missing"]),
        ({"tables": ("t",), "columns": {"t": ("a",)}}, {}, ["table t is missing"]),
        ({"policies": 18}, {"policies": 18}, []),
        ({"policies": 18}, {"policies": 0}, ["0 policies instead of 18"]),
        ({"policies": 18}, {"policies": 19}, ["19 policies instead of 18"]),
        ({"policies": 0}, {"policies": 1}, ["1 policies instead of 0"]),
        ({"rows": {"t": 45}}, {"tables": ("t",), "rows": {"t": 45}}, []),
        ({"rows": {"t": 45}}, {"tables": ("t",), "rows": {"t": 46}}, []),
        ({"rows": {"t": 45}}, {"tables": ("t",), "rows": {"t": 44}}, ["table t has 44 rows, at least 45 are expected"]),
        ({"rows": {"t": 45}}, {}, ["table t is missing"]),
        ({"tables": ("t",), "rows": {"t": 45}}, {}, ["table t is missing"]),
    ],
)
def test_each_difference_is_a_sentence(expect: Any, content: Any, wrong: List[str]) -> None:
    wanted = Wanted("archon_db", "archon", expect=Expectation(**expect))
    assert differences(wanted, Content(**content), wanted.expect) == wrong


def test_extensions_are_looked_at() -> None:
    wanted = Wanted("archon_db", "archon", extensions=(Extension("vector"), Extension("pg_trgm")))
    assert differences(wanted, Content(extensions={"vector": "public"}), wanted.expect) == [
        "extension pg_trgm is missing"
    ]


def test_eleven_tables_alone_prove_nothing() -> None:
    # A migration that failed 14 times still made all its tables.
    tables = tuple("archon_%d" % number for number in range(11))
    wanted = Wanted("archon_db", "archon", expect=Expectation(tables, 18, (), {"archon_0": 45}))
    assert len(differences(wanted, Content(tables=tables, policies=0, rows={"archon_0": 0}), wanted.expect)) == 2
