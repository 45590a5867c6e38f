# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compose editor: what it leaves alone, and what an edit costs beside parses of the same text in the same run.

``python tests/benchmark/compose.py --memory FILE`` prints the peak of one edit of a file, in KiB, and what the process
had before it: each measurement gets a process of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))
sys.path[:0] = [path for path in os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep) if path]

import _compose_corpus as corpus  # noqa: E402

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document  # noqa: E402
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.extra_hosts import (  # noqa: E402
    plan_absent,
    plan_present,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError  # noqa: E402

HOST, ADDRESS = "host.docker.internal", "host-gateway"
HOSTS: dict[str, str | None] = {HOST: ADDRESS}
Figure = tuple[str, str, str, bool]


def edit(data: bytes, services: list[str], pure: bool = False) -> bytes:
    """Return a file in which services know the host."""
    outcome = plan_present(Document(data, pure=pure), services, HOSTS)
    return data if outcome.document is None else outcome.document.data


def shares() -> Iterator[Figure]:
    """Go over the corpus: what was refused, and of the rest what is pure, repeatable, reversible, and leaks."""
    cases = corpus.cases()
    refused = wrongly = pure = repeatable = reversible = leaks = 0
    for case in cases:
        try:
            after = edit(case.data, ["web"])
        except BulkheadError:
            refused += 1
            wrongly += not case.refused
            continue
        wrongly += case.refused
        before, now = corpus.meaning(case.data), corpus.meaning(after)
        leaks += any(before[name] != now[name] for name in before if name != "web")
        kept = {key: value for key, value in before["web"].items() if key != "extra_hosts"}
        same = kept == {key: value for key, value in now["web"].items() if key != "extra_hosts"}
        pure += same and corpus.has(now, "web", HOST, ADDRESS) and corpus.is_pure(case.data, after, 200)
        repeatable += edit(after, ["web"]) == after
        back = plan_absent(Document(after), ["web"], HOSTS).document
        reversible += back is not None and back.data == case.data
    edited = len(cases) - refused
    yield "files of the corpus", "%d, %d of them to be refused" % (len(cases), refused), ">= 200", len(cases) >= 200
    yield "refused or edited wrongly", str(wrongly), "0", wrongly == 0
    for name, count in (("pure", pure), ("idempotent", repeatable), ("bytes back after removal", reversible)):
        yield name, "%.1f %% of %d" % (100 * count / edited, edited), "100 %", count == edited
    yield "leaks", str(leaks), "0", leaks == 0


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
    """Measure an edit of 500 lines beside parses of them."""
    data = corpus.large(500)
    text = data.decode()
    for name, pure, loader in (("libyaml", False, yaml.CSafeLoader), ("PyYAML's own", True, yaml.SafeLoader)):
        found = medians(
            {
                "edit": lambda pure=pure: edit(data, ["s3"], pure),
                "all": lambda pure=pure: edit(data, ["*"], pure),
                "events": lambda loader=loader: sum(1 for _event in yaml.parse(text, Loader=loader)),
                "nodes": lambda loader=loader: yaml.compose(text, Loader=loader),
                "values": lambda loader=loader: yaml.load(text, Loader=loader),  # noqa: S506
            },
            9 if pure else 61,
        )
        for what, bound in (("values", 2.5), ("nodes", 2.5), ("events", 0)):
            ratio = found["edit"] / found[what]
            yield (
                "one edit / one parse to %s, %s" % (what, name),
                "%.2f" % ratio,
                "<= %.1f" % bound if bound else "not held",
                not bound or ratio <= bound,
            )
        ratio = found["all"] / found["edit"]
        yield "all %d services / one, %s" % (text.count("image:"), name), "%.2f" % ratio, "<= 3", ratio <= 3


def growth() -> Iterator[Figure]:
    """Measure ten times as much, 200 services at once, and the memory of a large file."""
    small, big = corpus.large(4100), corpus.large(41000)
    found = medians({"small": lambda: edit(small, ["s3"]), "big": lambda: edit(big, ["s3"])}, 5)
    ratio = found["big"] / found["small"] / (len(big) / len(small))
    yield (
        "time per byte, %d KB / %d KB" % (len(big) // 1000, len(small) // 1000),
        "%.2f" % ratio,
        "<= 1.5",
        ratio <= 1.5,
    )
    many = corpus.large(200 * 15 + 20)
    count = many.count(b"image:")
    parses = 0
    original = yaml.CSafeLoader.__init__

    def counted(self: yaml.CSafeLoader, stream: str) -> None:
        nonlocal parses
        parses += 1
        original(self, stream)

    yaml.CSafeLoader.__init__ = counted
    try:
        edit(many, ["*"])
    finally:
        yaml.CSafeLoader.__init__ = original
    yield "parses for %d services in one file" % count, str(parses), "2", parses == 2
    with tempfile.NamedTemporaryFile(suffix=".yml") as file:
        file.write(big)
        file.flush()
        command = [sys.executable, __file__, "--memory", file.name]
        first, peak = map(int, subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split())
    used = (peak - first) * 1024 / len(big)
    yield (
        "memory / a file of %d KB" % (len(big) // 1000),
        "%.0f (%d MB)" % (used, (peak - first) // 1024),
        "<= 150",
        used <= 150,
    )


def peak_kib() -> int:
    """Return the most memory that this process had; what ``getrusage`` says begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


def figures() -> Iterator[Figure]:
    """Yield every figure with its bound."""
    yield from shares()
    yield from costs()
    yield from growth()


def main() -> None:
    """Measure the memory of one edit, for ``growth``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", type=Path, required=True)
    data = parser.parse_args().memory.read_bytes()
    first = peak_kib()
    edit(data, ["s3"])
    print(first, peak_kib())


if __name__ == "__main__":
    main()
