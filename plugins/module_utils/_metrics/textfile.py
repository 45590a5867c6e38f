# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The textfile: what it is to hold, and whether that tells anything new."""

from typing import Optional, Sequence

from .._core.errors import InputError
from .._core.plan import Change, Plan
from .exposition import Sample, render, without
from .families import FAMILIES, MEASURED

SUFFIX = ".prom"


def check_path(path: str) -> None:
    """Refuse a file that the node exporter wouldn't read.

    Raises:
        InputError: its name doesn't end in ``.prom``, or it is hidden.
    """
    name = path.rpartition("/")[2]
    if not name.endswith(SUFFIX) or name.startswith(".") or name == SUFFIX:
        raise InputError(
            "%s is no textfile of the node exporter: it reads names that end in %s." % (path, SUFFIX),
            "Call it bulkhead%s." % SUFFIX,
        )


def content(samples: Sequence[Sample]) -> bytes:
    """Return the file's bytes."""
    return render(samples, FAMILIES).encode("utf-8")


def plan_textfile(path: str, samples: Sequence[Sample], current: Optional[bytes]) -> Plan:
    """Return what the file would tell that it doesn't tell yet.

    Free spaces, sessions and the moment of the run differ at every look: they make no change, though they are written.
    """
    plan = Plan()
    before = without((current or b"").decode("utf-8", "replace"), MEASURED)
    after = render(samples, FAMILIES, measured=False)
    if current is None or before != after:
        plan.add(Change(path, before, after))
    return plan
