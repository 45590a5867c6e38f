# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text format in which the node exporter's textfile collector takes metrics.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple, Union

Value = Union[int, float, bool]


@dataclass(frozen=True)
class Family:
    """One metric.

    Arguments:
        name: by Prometheus' conventions: the unit is in it, a counter ends in ``_total``.
        help: what it says, one sentence.
        kind: ``gauge`` or ``counter``.
        measured: whether it is another number at every look although nothing has happened, such as a free space.
    """

    name: str
    help: str
    kind: str = "gauge"
    measured: bool = False


@dataclass(frozen=True)
class Sample:
    """One number of a metric."""

    family: Family
    labels: Tuple[Tuple[str, str], ...]
    value: Value


class Samples:
    """Numbers in the making; each gets the labels that all share before its own."""

    def __init__(self, **shared: str) -> None:
        self._shared = shared
        self._samples: List[Sample] = []

    def add(self, family: Family, value: Union[Value, None], labels: Mapping[str, str]) -> None:
        """Add a number. None, for one that isn't known, is left out: absent is not the same as 0."""
        if value is not None:
            self._samples.append(Sample(family, tuple({**self._shared, **labels}.items()), value))

    def all(self) -> List[Sample]:
        """Return them in the order in which they came."""
        return list(self._samples)


def render(samples: Sequence[Sample], families: Sequence[Family], measured: bool = True) -> str:
    """Return the samples as text: metrics in the order of families, samples by their labels.

    Arguments:
        measured: whether to tell those that differ at every look as well.
    """
    by_family: Dict[Family, List[Sample]] = {}
    for sample in samples:
        by_family.setdefault(sample.family, []).append(sample)
    lines: List[str] = []
    for family in families:
        if family in by_family and (measured or not family.measured):
            lines.append("# HELP %s %s" % (family.name, _escaped(family.help)))
            lines.append("# TYPE %s %s" % (family.name, family.kind))
            lines.extend(_line(sample) for sample in sorted(by_family[family], key=lambda sample: sample.labels))
    return "\n".join(lines) + "\n" if lines else ""


def without(text: str, families: Sequence[Family]) -> str:
    """Return a text that ``render`` wrote, without the lines of some metrics."""
    names = {family.name for family in families}
    kept = [line for line in text.splitlines(keepends=True) if _name_of(line) not in names]
    return "".join(kept)


def selector(name: str, labels: Mapping[str, str]) -> str:
    """Return what PromQL calls a metric with these labels; a label's text is escaped as in the exposition."""
    inside = ",".join('%s="%s"' % (label, _quoted(text)) for label, text in labels.items())
    return "%s{%s}" % (name, inside) if inside else name


def _line(sample: Sample) -> str:
    return "%s %s" % (selector(sample.family.name, dict(sample.labels)), _number(sample.value))


def _name_of(line: str) -> str:
    words = line.split(None, 3)
    if line.startswith("#"):
        return words[2] if len(words) > 2 else ""
    return words[0].partition("{")[0] if words else ""


def _number(value: Value) -> str:
    return repr(value) if isinstance(value, float) else str(int(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
