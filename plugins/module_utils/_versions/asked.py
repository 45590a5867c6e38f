# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what is asked for a decision holds together, before anything is looked at."""

from typing import Any, List, Mapping, Sequence

from .._core.errors import InputError
from .._core.text import nearest
from .model import NEWEST, OLDEST
from .releases import END_OF_LIFE


def check_asked(options: Mapping[str, Any]) -> None:
    """Refuse names that are there twice, names of nothing, and majors that aren't known.

    Raises:
        InputError: with the path of the first mistake.
    """
    clusters = [item["name"] for item in options["clusters"]]
    services = [item["name"] for item in options["services"]]
    for title, names in (
        ("clusters", clusters),
        ("databases", [item["key"] for item in options["databases"]]),
        ("services", services),
    ):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError("%s has %s twice." % (title, twice), "Give each one entry.")
    for item in options["databases"]:
        _refer("databases.%s.cluster" % item["key"], item["cluster"], clusters)
        for name in item["services"]:
            _refer("databases.%s.services" % item["key"], name, services)
    for item in options["services"]:
        least = item.get("minimum_postgres")
        if least is not None and least not in END_OF_LIFE:
            raise InputError(
                "services.%s.minimum_postgres: %d is no major of PostgreSQL that is known." % (item["name"], least),
                "Write it like 15.",
            )
    for major in options["versions"]:
        if not OLDEST <= major <= NEWEST:
            raise InputError(
                "versions: %d is no major that is known here." % major, "Known are %d to %d." % (OLDEST, NEWEST)
            )


def _refer(path: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        near: List[str] = [word for word in [nearest(name, known)] if word]
        hint = "Did you mean %s?" % near[0] if near else "There are: %s." % (", ".join(known) or "none")
        raise InputError("%s: there is no %s." % (path, name), hint)
