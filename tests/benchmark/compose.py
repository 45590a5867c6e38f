# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compose editor: what it leaves alone, and what an edit costs beside parses of the same text in the same run.

``python tests/benchmark/compose.py --memory FILE --edit NAME`` prints the peak of one edit of a file, in KiB, and what
the process had before it: each measurement gets a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))
sys.path[:0] = [path for path in os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep) if path]

import _compose_corpus as corpus  # noqa: E402

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document  # noqa: E402
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.environment import plan_environment  # noqa: E402
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.extra_hosts import (  # noqa: E402
    plan_absent,
    plan_present,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.outcome import Outcome  # noqa: E402
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError  # noqa: E402

Figure = tuple[str, str, str, bool]
Plan = Callable[[Document, Sequence[str]], Outcome]
HOSTS: dict[str, str | None] = {corpus.HOST: corpus.ADDRESS}
# What puts an entry in, and what takes it out.
PLANS: dict[str, tuple[Plan, Plan]] = {
    "extra_hosts": (
        lambda document, services: plan_present(document, services, HOSTS),
        lambda document, services: plan_absent(document, services, HOSTS),
    ),
    "environment": (
        lambda document, services: plan_environment(document, services, {corpus.VARIABLE: corpus.VALUE}),
        lambda document, services: plan_environment(document, services, {corpus.VARIABLE: None}),
    ),
}
# An edit of the plain stack: a new key, a variable more, and one that goes.
EDITS: dict[str, Plan] = {
    "extra_hosts": PLANS["extra_hosts"][0],
    "environment set": PLANS["environment"][0],
    "environment unset": lambda document, services: plan_environment(document, services, {"LOG_LEVEL": None}),
}
ONE = ["s3"]


def edited(name: str, data: bytes, services: Sequence[str], pure: bool = False) -> bytes:
    """Return a file after one of the edits."""
    outcome = EDITS[name](Document(data, pure=pure), services)
    if outcome.document is None:
        raise AssertionError("%s changed nothing" % name)
    return outcome.document.data


# What an edit leaves alone.


def judge(key: str, data: bytes, services: list[str], words: tuple[str, ...], null: bool) -> Counter[str]:
    """Return what became of an edit: ``edited`` and what it kept, or the name of what refused it."""
    there, gone = PLANS[key]
    try:
        after = there(Document(data), services).document
    except BulkheadError as error:
        return Counter([type(error).__name__])
    if after is None:
        return Counter([corpus.ALREADY])
    reached = Document(data).service_names() if services == ["*"] else services
    meant = corpus.wrong_meaning(data, after.data, reached, key)
    found = Counter(leaks=int(meant.startswith("leak")), idempotent=int(there(after, services).document is None))
    if null:
        return found + Counter(["nulls"])
    back = gone(after, services).document
    found["pure"] = int(not meant and not corpus.lost_or_strange(data, after.data, words))
    found["bytes back after removal"] = int(back is not None and back.data == data)
    return found + Counter(["edited"])


def shares() -> Iterator[Figure]:
    """Go over the corpus: what was refused, and of the rest what is pure, repeatable, reversible, and leaks."""
    cases = corpus.cases()
    yield "files of the corpus", str(len(cases)), ">= 200", len(cases) >= 200
    for key in PLANS:
        total: Counter[str] = Counter()
        nulls: Counter[str] = Counter()
        wrongly = 0
        for case in cases:
            words, null = corpus.words_of(key, case.carried), key in case.null
            found = judge(key, case.data, [case.service], words, null)
            if null:
                nulls[case.form_of(key)] += 1
            outcome = corpus.EDIT if found["edited"] or found["nulls"] else sorted(found)[0]
            wrongly += outcome != case.expected[key]
            total += found
            if case.is_for_all(key):
                total += judge(key, case.data, ["*"], words, null)
        refused = sum(count for name, count in total.items() if name.endswith("Error"))
        yield "%s: refused" % key, str(refused), "not held", True
        yield "%s: there already" % key, str(total[corpus.ALREADY]), "not held", True
        yield "%s: neither edited nor refused as expected" % key, str(wrongly), "0", wrongly == 0
        yield from _kept(key, total)
        # Compose refuses such a file, before and after; the entry can go again, the null can't come back.
        for name, count in nulls.items():
            yield "%s: edited, not given back: %s" % (key, name), str(count), "not held", True
    yield from made_files()


def _kept(name: str, total: Counter[str]) -> Iterator[Figure]:
    """Yield the shares of the edits that were made: of one service, and of all that a file has."""
    edits = total["edited"]
    for what in ("pure", "bytes back after removal"):
        yield "%s: %s" % (name, what), _share(total[what], edits), "100 %", total[what] == edits > 0
    edits += total["nulls"]
    yield "%s: idempotent" % name, _share(total["idempotent"], edits), "100 %", total["idempotent"] == edits
    yield "%s: leaks" % name, str(total["leaks"]), "0", total["leaks"] == 0


def _share(count: int, of: int) -> str:
    return "%.1f %% of %d" % (100 * count / of if of else 0, of)


def made_files() -> Iterator[Figure]:
    """Do the same with files that Hypothesis makes, always the same ones."""
    from hypothesis import HealthCheck, Phase, given, settings

    from ansible_collections.bulkhead.stack.tests.unit.compose.strategies import Made, made_files

    for shared in (False, True):
        total: Counter[str] = Counter()
        wrongly = 0

        @settings(
            max_examples=200,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(made=made_files(shared=shared))
        def count(made: Made) -> None:
            nonlocal total, wrongly
            sharers = {"extra_hosts": [*made.sharers, *made.list_sharers], "environment": made.sharers}
            for key in PLANS:
                found = judge(key, made.data, [made.service], corpus.words_of(key), False)
                wrongly += bool(found["ConflictError"]) != bool(sharers[key]) or not (
                    found["edited"] or found["ConflictError"]
                )
                total = total + found

        count()
        name = "made files that share" if shared else "made files"
        yield "%s: neither edited nor refused as expected" % name, str(wrongly), "0", wrongly == 0
        yield from _kept(name, total)


# What an edit costs.


def medians(actions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return each action's median time in seconds; they take turns, so that a busy moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _round in range(rounds):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def costs() -> Iterator[Figure]:
    """Measure edits of 500 lines beside parses of them by the same parser."""
    data = corpus.large(500)
    text = data.decode()
    for parser, pure, loader in (("libyaml", False, yaml.CSafeLoader), ("PyYAML's own", True, yaml.SafeLoader)):
        actions: dict[str, Callable[[], object]] = {
            "yaml.compose": lambda loader=loader: yaml.compose(text, Loader=loader),
            "yaml.load": lambda loader=loader: yaml.load(text, Loader=loader),  # noqa: S506
            "yaml.parse": lambda loader=loader: sum(1 for _event in yaml.parse(text, Loader=loader)),
            "Document": lambda pure=pure: Document(data, pure=pure),
        }
        parses = list(actions)
        for name in EDITS:
            actions[name] = lambda name=name, pure=pure: edited(name, data, ONE, pure)
        found = medians(actions, 7 if pure else 61)
        for name in EDITS:
            for parse in parses:
                ratio = found[name] / found[parse]
                held = parse == "yaml.compose"
                yield (
                    "%s / %s, %s" % (name, parse, parser),
                    "%.2f" % ratio,
                    "<= 2.5" if held else "not held",
                    not held or ratio <= 2.5,
                )


def many() -> Iterator[Figure]:
    """Measure 200 services of one file at once: beside one of them, and how often the text is parsed."""
    data = corpus.large(0, services=200)
    for name in EDITS:
        found = medians(
            {"one": lambda name=name: edited(name, data, ONE), "all": lambda name=name: edited(name, data, ["*"])}, 5
        )
        ratio = found["all"] / found["one"]
        yield "%s: 200 services / one of them" % name, "%.2f" % ratio, "<= 3", ratio <= 3
        for parser, pure in (("libyaml", False), ("PyYAML's own", True)):
            parses = _count_parses(lambda name=name, pure=pure: edited(name, data, ["*"], pure))
            yield "%s: parses for 200 services, %s" % (name, parser), str(parses), "2", parses == 2


def _count_parses(action: Callable[[], object]) -> int:
    """Return how many loaders an action makes: nothing is parsed without one."""
    parses = 0
    loaders: list[Any] = [yaml.CSafeLoader, yaml.SafeLoader]
    originals = [loader.__init__ for loader in loaders]

    def counting(original: Callable[..., None]) -> Callable[..., None]:
        def counted(self: Any, stream: Any) -> None:
            nonlocal parses
            parses += 1
            original(self, stream)

        return counted

    try:
        for loader, original in zip(loaders, originals):
            loader.__init__ = counting(original)
        action()
    finally:
        for loader, original in zip(loaders, originals):
            loader.__init__ = original
    return parses


def growth() -> Iterator[Figure]:
    """Measure ten times as much, and the memory of a large file."""
    small, big = corpus.large(4100), corpus.large(41000)
    sizes = "%d KB / %d KB" % (len(big) // 1000, len(small) // 1000)
    # The collector of cycles goes over all that is alive, so it weighs more the larger a file is, in a parse as well.
    for name, action in {
        **{name: lambda data, name=name: edited(name, data, ONE) for name in EDITS},
        "yaml.compose": lambda data: yaml.compose(data.decode(), Loader=yaml.CSafeLoader),
    }.items():
        ratio = _growth_of(action, small, big)
        held = name in EDITS
        yield (
            "%s: time of %s" % (name, sizes),
            "%.1f" % ratio,
            "<= 13" if held else "not held",
            not held or ratio <= 13,
        )
        gc.disable()
        try:
            ratio = _growth_of(action, small, big)
        finally:
            gc.enable()
            gc.collect()
        yield "%s: the same without a collector" % name, "%.1f" % ratio, "not held", True
    with tempfile.NamedTemporaryFile(suffix=".yml") as file:
        file.write(big)
        file.flush()
        for name in EDITS:
            command = [sys.executable, __file__, "--memory", file.name, "--edit", name]
            first, peak = map(int, subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split())
            used = (peak - first) * 1024 / len(big)
            yield (
                "%s: memory / a file of %d KB" % (name, len(big) // 1000),
                "%.0f (%d MB)" % (used, (peak - first) // 1024),
                "<= 100",
                used <= 100,
            )


def _growth_of(action: Callable[[bytes], object], small: bytes, big: bytes) -> float:
    found = medians({"small": lambda: action(small), "big": lambda: action(big)}, 5)
    return found["big"] / found["small"]


def peak_kib() -> int:
    """Return the most memory that this process had; what ``getrusage`` says begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


def figures() -> Iterable[Figure]:
    """Yield every figure with its bound."""
    yield from shares()
    yield from costs()
    yield from many()
    yield from growth()


def main() -> None:
    """Measure the memory of one edit, for ``growth``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", type=Path, required=True)
    parser.add_argument("--edit", choices=list(EDITS), default="extra_hosts")
    arguments = parser.parse_args()
    data = arguments.memory.read_bytes()
    first = peak_kib()
    edited(arguments.edit, data, ONE)
    print(first, peak_kib())


if __name__ == "__main__":
    main()
