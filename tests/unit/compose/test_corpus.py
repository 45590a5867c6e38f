# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus of the benchmark: every edit pure, repeatable, reversible, and meant for one service alone."""

import importlib.util
import pathlib
import sys
from typing import Any, Callable

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.attachments import (
    checked_attachments,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.environment import plan_environment
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.extra_hosts import plan_absent, plan_present
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.model import Model
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.networks import (
    plan_attached,
    plan_detached,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.outcome import Outcome
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, ConflictError

Plan = Callable[[Document], Outcome]
HOSTS = {"host.docker.internal": "host-gateway"}


def _corpus() -> Any:
    path = pathlib.Path(__file__).resolve().parents[2] / "benchmark" / "_compose_corpus.py"
    spec = importlib.util.spec_from_file_location("bulkhead_compose_corpus", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


corpus = _corpus()
CASES = corpus.cases()


@pytest.mark.parametrize("part", range(8))
def test_every_file_of_the_corpus(part: int) -> None:
    for number, case in enumerate(CASES[part::8]):
        # Both parsers give the same; PyYAML's own is twenty times slower, so it takes every eighth turn.
        for pure in (False, True) if number % 8 == part else (False,):
            document = Document(case.data, pure=pure)
            if case.refused:
                with pytest.raises(ConflictError):
                    plan_present(document, ["web"], HOSTS)
                continue
            after = plan_present(document, ["web"], HOSTS).document
            assert after is not None, case.name
            assert corpus.is_pure(case.data, after.data, 200), case.name
            before, now = corpus.meaning(case.data), corpus.meaning(after.data)
            assert corpus.has(now, "web", "host.docker.internal", "host-gateway"), case.name
            before["web"].pop("extra_hosts", None)
            now["web"].pop("extra_hosts")
            assert now == before, case.name
            assert plan_present(after, ["web"], HOSTS).document is None, case.name
            back = plan_absent(after, ["web"], HOSTS).document
            assert back is not None and back.data == case.data, case.name


@pytest.mark.parametrize("part", range(4))
def test_variables_and_networks_come_and_go_too(part: int) -> None:
    outer = checked_attachments([{"name": "outer", "declare": {"external": True}}])
    plans: "list[tuple[str, Plan, Plan]]" = [
        (
            "environment",
            lambda document: plan_environment(document, ["web"], {"NEW": "a: b #c"}),
            lambda document: plan_environment(document, ["web"], {"NEW": None}),
        ),
        (
            "networks",
            lambda document: plan_attached(document, ["web"], outer),
            lambda document: plan_detached(document, ["web"], outer),
        ),
    ]
    for case in CASES[part::4]:
        for key, there, gone in plans:
            document = Document(case.data)
            if case.refused and b"%s:" % key.encode() not in case.data:
                with pytest.raises(ConflictError):
                    there(document)
                continue
            if case.refused:
                continue
            after = there(document).document
            assert after is not None, (key, case.name)
            assert corpus.is_pure(case.data, after.data, 200), (key, case.name)
            before, now = corpus.meaning(case.data), corpus.meaning(after.data)
            before["web"].pop(key, None)
            now["web"].pop(key)
            assert now == before, (key, case.name)
            assert there(after).document is None, (key, case.name)
            back = gone(after).document
            assert back is not None and back.data == case.data, (key, case.name)


def test_files_that_several_people_edited() -> None:
    edited = 0
    for data in corpus.mangled(1500):
        try:
            after = plan_present(Document(data), ["web"], HOSTS).document
        except BulkheadError:
            continue
        assert after is not None, data
        before, now = corpus.meaning(data), corpus.meaning(after.data)
        before["web"].pop("extra_hosts", None)
        now["web"].pop("extra_hosts")
        assert now == before, data
        assert plan_present(after, ["web"], HOSTS).document is None, data
        back = plan_absent(after, ["web"], HOSTS).document
        assert back is not None
        was = Model(Document(data)).find("web", "extra_hosts")
        # A null, which Compose refuses too, doesn't come back.
        assert back.data == data or (was is not None and was.value.is_null), data
        edited += 1
    assert edited > 700


def test_the_judge_sees_a_leak_and_an_impurity() -> None:
    shared = b"services:\n  web: &web\n    image: x\n  db: *web\n"
    leaked = shared.replace(b"image: x\n", b"image: x\n    extra_hosts: ['a:1']\n")
    assert corpus.meaning(shared)["db"] != corpus.meaning(leaked)["db"]
    assert not corpus.is_pure(b"a: 'b'\n", b'a: "b"\n', 200)
    assert len(CASES) >= 200
    assert {case.refused for case in CASES} == {True, False}
