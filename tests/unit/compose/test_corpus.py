# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus of the benchmark: every edit pure, repeatable, reversible, and meant for one service alone."""

import importlib.util
import pathlib
import sys
from typing import Any, Callable, Dict, List, NamedTuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.attachments import checked_attachments
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.environment import plan_environment
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.extra_hosts import plan_absent, plan_present
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.networks import plan_attached, plan_detached
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.outcome import Outcome
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError


def _corpus() -> Any:
    path = pathlib.Path(__file__).resolve().parents[2] / "benchmark" / "_compose_corpus.py"
    spec = importlib.util.spec_from_file_location("bulkhead_compose_corpus", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Plans(NamedTuple):
    """An edit, and the one that takes it back."""

    there: Callable[[Document, List[str]], Outcome]
    gone: Callable[[Document, List[str]], Outcome]


corpus = _corpus()
CASES = corpus.cases()
HOSTS = {corpus.HOST: corpus.ADDRESS}
OUTER = checked_attachments([{"name": corpus.NETWORK, "declare": {"external": True}}])
PLANS: Dict[str, Plans] = {
    "extra_hosts": Plans(
        lambda document, services: plan_present(document, services, HOSTS),
        lambda document, services: plan_absent(document, services, HOSTS),
    ),
    "environment": Plans(
        lambda document, services: plan_environment(document, services, {corpus.VARIABLE: corpus.VALUE}),
        lambda document, services: plan_environment(document, services, {corpus.VARIABLE: None}),
    ),
    "networks": Plans(
        lambda document, services: plan_attached(document, services, OUTER),
        lambda document, services: plan_detached(document, services, OUTER),
    ),
}
PARTS = 6


@pytest.mark.parametrize("key", corpus.KEYS)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_file_becomes_what_is_expected(key: str, part: int) -> None:
    plans = PLANS[key]
    for number, case in enumerate(CASES[part::PARTS]):
        # Both parsers give the same; PyYAML's own is twenty times slower, so it takes a turn now and then.
        pure = number % 15 == part
        for parser in (False, True) if pure else (False,):
            try:
                outcome = plans.there(Document(case.data, pure=parser), [case.service])
            except BulkheadError as error:
                assert type(error).__name__ == case.expected[key], case.name
                continue
            if outcome.document is None:
                assert case.expected[key] == corpus.ALREADY, case.name
                continue
            assert case.expected[key] == corpus.EDIT, case.name
            after = outcome.document
            tabs = b"\t" in case.data
            assert not corpus.wrong_meaning(case.data, after.data, [case.service], key, pure and not tabs), case.name
            assert plans.there(after, [case.service]).document is None, case.name
            if key in case.null:
                continue
            assert not corpus.lost_or_strange(case.data, after.data, corpus.words_of(key, case.carried)), case.name
            back = plans.gone(after, [case.service]).document
            assert back is not None and back.data == case.data, case.name


@pytest.mark.parametrize("key", corpus.KEYS)
def test_all_services_at_once(key: str) -> None:
    plans = PLANS[key]
    for case in CASES[:: PARTS // 2]:
        if case.merges_services:
            with pytest.raises(InputError):
                plans.there(Document(case.data), ["*"])
        if not case.is_for_all(key):
            continue
        after = plans.there(Document(case.data), ["*"]).document
        assert after is not None, case.name
        services = Document(case.data).service_names()
        assert not corpus.wrong_meaning(case.data, after.data, services, key), case.name
        assert not corpus.lost_or_strange(case.data, after.data, corpus.words_of(key, case.carried)), case.name
        assert plans.there(after, ["*"]).document is None, case.name
        back = plans.gone(after, ["*"]).document
        assert back is not None and back.data == case.data, case.name


@pytest.mark.parametrize("key", ["extra_hosts", "environment"])
def test_files_that_several_people_edited(key: str) -> None:
    plans = PLANS[key]
    edited = 0
    for data in corpus.mangled(1000):
        try:
            after = plans.there(Document(data), [corpus.SERVICE]).document
        except BulkheadError:
            continue
        if after is None:
            continue
        assert not corpus.wrong_meaning(data, after.data, [corpus.SERVICE], key), data
        assert plans.there(after, [corpus.SERVICE]).document is None, data
        edited += 1
        back = plans.gone(after, [corpus.SERVICE]).document
        # A null, which Compose refuses too, doesn't come back.
        assert back is not None
        assert back.data == data or corpus.is_null(data, corpus.SERVICE, key), data
    assert edited > 700


def test_a_null_that_compose_refuses_takes_an_entry_and_ends_as_nothing() -> None:
    nulls = [(case, key) for case in CASES for key in case.null if case.expected[key] == corpus.EDIT]
    assert {key for _case, key in nulls} == set(corpus.KEYS)
    for case, key in nulls:
        after = PLANS[key].there(Document(case.data), [case.service]).document
        assert after is not None
        back = PLANS[key].gone(after, [case.service]).document
        assert back is not None
        old, new = corpus.meaning(case.data), corpus.meaning(back.data)
        assert not new[case.service].pop(key, None), case.name
        old[case.service].pop(key, None)
        assert new == old, case.name


def test_the_corpus_holds_what_it_says() -> None:
    assert len(CASES) > 1000
    assert len({case.name for case in CASES}) == len(CASES)
    for key in corpus.KEYS:
        found = {case.expected[key] for case in CASES}
        assert found >= {corpus.EDIT, "InputError", "StateError", "ConflictError"}
    assert {case.data for case in CASES} == {case.data for case in corpus.cases()}


BEFORE = b"services:\n  web: &web\n    image: x\n  db: *web\n"
ALONE = b"services:\n  web:\n    image: x\n  db: {image: y}\n"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (ALONE, ALONE.replace(b"x\n", b"x\n    extra_hosts: ['host.docker.internal:host-gateway']\n"), ""),
        (BEFORE, BEFORE.replace(b"x\n", b"x\n    extra_hosts: ['host.docker.internal:host-gateway']\n"), "leak: db"),
        (ALONE, ALONE.replace(b"x\n", b"x\n    extra_hosts: ['host.docker.internal:1.2.3.4']\n"), "extra_hosts of web"),
        (ALONE, ALONE.replace(b"x\n", b"z\n    extra_hosts: ['host.docker.internal:host-gateway']\n"), "another key"),
        (ALONE, ALONE + b"volumes: {}\n", "the file beside"),
        (ALONE, ALONE, "extra_hosts of web"),
        (ALONE, ALONE.replace(b"  db: {image: y}\n", b""), "the services' names"),
    ],
)
def test_the_judge_sees_what_a_file_means(before: bytes, after: bytes, problem: str) -> None:
    for pure in (False, True):
        assert corpus.wrong_meaning(before, after, ["web"], "extra_hosts", pure).startswith(problem)
        assert bool(problem) == bool(corpus.wrong_meaning(before, after, ["web"], "extra_hosts", pure))


def test_the_judge_follows_extends() -> None:
    before = b"services:\n  web: {image: x}\n  db: {extends: web, extra_hosts: ['a:1']}\n"
    after = before.replace(b"{image: x}", b"{image: x, extra_hosts: {host.docker.internal: host-gateway}}")
    assert corpus.wrong_meaning(before, after, ["web"], "extra_hosts") == "leak: db"
    assert corpus.wrong_meaning(before, after, ["web", "db"], "extra_hosts") == ""


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (b"a: b\n", b"a: b\nextra_hosts: []\n", ""),
        (b"a: 'b'\n", b'a: "b"\n', "bytes"),
        (b"a: b\n", b"a: b\nother: []\n", "other words"),
        (b"a: b\r\n", b"a: b\r\nextra_hosts: []\n", "a line end"),
        (b"a: b\n", b"a: b\nextra_hosts: []\r\n", "a line end"),
        (b"a: b\n", b"a: b\nextra_hosts: [] \n", "blanks"),
    ],
)
def test_the_judge_sees_what_happened_to_the_bytes(before: bytes, after: bytes, problem: str) -> None:
    found = corpus.lost_or_strange(before, after, corpus.words_of("extra_hosts"))
    assert found.startswith(problem)
    assert bool(found) == bool(problem)
