# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of PostgreSQL's releases: which minor closed which holes, and until when a major gets fixes.

As of ``AS_OF``: what came out later isn't in here, and a finding says so.
"""

from datetime import date
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

AS_OF = date(2026, 11, 13)
# The last fix of a major comes out on this day (https://www.postgresql.org/support/versioning/).
END_OF_LIFE: Mapping[int, date] = {
    9: date(2021, 11, 11),
    10: date(2022, 11, 10),
    11: date(2023, 11, 9),
    12: date(2024, 11, 21),
    13: date(2025, 11, 13),
    14: date(2026, 11, 12),
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}
NEAR_DAYS = 180


class Release(NamedTuple):
    """A day on which minors came out: of each major the minor, and what they closed."""

    day: date
    minors: Mapping[int, int]
    closed: Tuple[str, ...]


# From the changelog of Debian's postgresql-15 (15.20-0+deb12u1), the announcements of February and May 2026
# (https://www.postgresql.org/about/news/3235/, /3297/), and https://www.postgresql.org/support/security/. The numbers
# are those that concern 15; most concern every major. All majors come out on one day, so where the changelog names 15
# alone the others' minors follow from the release before.
RELEASES: Tuple[Release, ...] = (
    Release(
        date(2026, 11, 12),
        {14: 25, 15: 20, 16: 16, 17: 12, 18: 6},
        (
            "CVE-2026-6460",
            "CVE-2026-6467",
            "CVE-2026-14661",
            "CVE-2026-16237",
            "CVE-2026-16240",
            "CVE-2026-18447",
            "CVE-2026-116303",
            "CVE-2026-116304",
            "CVE-2026-116306",
            "CVE-2026-116307",
            "CVE-2026-116308",
            "CVE-2026-116309",
            "CVE-2026-116311",
            "CVE-2026-116312",
            "CVE-2026-116314",
            "CVE-2026-116315",
            "CVE-2026-116316",
            "CVE-2026-116317",
            "CVE-2026-116319",
            "CVE-2026-116320",
            "CVE-2026-116321",
            "CVE-2026-116323",
            "CVE-2026-116326",
            "CVE-2026-116327",
            "CVE-2026-116328",
            "CVE-2026-116330",
            "CVE-2026-116331",
            "CVE-2026-116332",
            "CVE-2026-116335",
            "CVE-2026-116336",
            "CVE-2026-120139",
            "CVE-2026-120141",
            "CVE-2026-120143",
            "CVE-2026-120145",
            "CVE-2026-120146",
            "CVE-2026-120147",
            "CVE-2026-120148",
            "CVE-2026-120149",
            "CVE-2026-120150",
            "CVE-2026-120151",
            "CVE-2026-120153",
            "CVE-2026-120154",
        ),
    ),
    Release(
        date(2026, 8, 13),
        {14: 24, 15: 19, 16: 15, 17: 11, 18: 5},
        (
            "CVE-2026-6464",
            "CVE-2026-6469",
            "CVE-2026-6470",
            "CVE-2026-6471",
            "CVE-2026-14662",
            "CVE-2026-14663",
            "CVE-2026-14664",
            "CVE-2026-14666",
            "CVE-2026-14668",
            "CVE-2026-14669",
            "CVE-2026-14670",
            "CVE-2026-14671",
            "CVE-2026-14672",
            "CVE-2026-14673",
            "CVE-2026-14676",
            "CVE-2026-14677",
            "CVE-2026-14678",
            "CVE-2026-14679",
            "CVE-2026-14680",
            "CVE-2026-14681",
            "CVE-2026-15741",
            "CVE-2026-15742",
            "CVE-2026-16238",
            "CVE-2026-16239",
            "CVE-2026-16241",
            "CVE-2026-18024",
            "CVE-2026-18408",
            "CVE-2026-19385",
        ),
    ),
    Release(
        date(2026, 5, 14),
        {14: 23, 15: 18, 16: 14, 17: 10, 18: 4},
        (
            "CVE-2026-6472",
            "CVE-2026-6473",
            "CVE-2026-6474",
            "CVE-2026-6475",
            "CVE-2026-6477",
            "CVE-2026-6478",
            "CVE-2026-6479",
            "CVE-2026-6637",
        ),
    ),
    Release(
        date(2026, 2, 12),
        {14: 21, 15: 16, 16: 12, 17: 8, 18: 2},
        ("CVE-2026-2003", "CVE-2026-2004", "CVE-2026-2005", "CVE-2026-2006"),
    ),
    Release(date(2025, 11, 13), {13: 23, 14: 20, 15: 15, 16: 11, 17: 7, 18: 1}, ("CVE-2025-12817", "CVE-2025-12818")),
    Release(
        date(2025, 8, 14),
        {13: 22, 14: 19, 15: 14, 16: 10, 17: 6},
        ("CVE-2025-8713", "CVE-2025-8714", "CVE-2025-8715"),
    ),
    Release(date(2025, 5, 8), {13: 21, 14: 18, 15: 13, 16: 9, 17: 5}, ("CVE-2025-4207",)),
    Release(date(2025, 2, 13), {13: 19, 14: 16, 15: 11, 16: 7, 17: 3}, ("CVE-2025-1094",)),
    Release(
        date(2024, 11, 14),
        {12: 21, 13: 17, 14: 14, 15: 9, 16: 5, 17: 1},
        ("CVE-2024-10976", "CVE-2024-10977", "CVE-2024-10978", "CVE-2024-10979"),
    ),
    Release(date(2024, 8, 8), {12: 20, 13: 16, 14: 13, 15: 8, 16: 4}, ("CVE-2024-7348",)),
    Release(date(2024, 5, 9), {14: 12, 15: 7, 16: 3}, ("CVE-2024-4317",)),
    Release(date(2024, 2, 8), {12: 18, 13: 14, 14: 11, 15: 6, 16: 2}, ("CVE-2024-0985",)),
    Release(
        date(2023, 11, 9),
        {11: 22, 12: 17, 13: 13, 14: 10, 15: 5, 16: 1},
        ("CVE-2023-5868", "CVE-2023-5869", "CVE-2023-5870"),
    ),
)


def split(number: int) -> Tuple[int, int]:
    """Return major and minor of ``server_version_num``."""
    return (number // 10000, number % 10000) if number >= 100000 else (number // 10000, number % 100)


def open_holes(number: int) -> Optional[Dict[str, Any]]:
    """Return what a server of this version lacks: ``fixed_in``, the minor that closes all that is known, and ``cves``,
    the newest first; None where nothing is known to be open."""
    major, minor = split(number)
    missing = [release for release in RELEASES if release.minors.get(major, 0) > minor]
    if not missing:
        return None
    cves: List[str] = list(dict.fromkeys(cve for release in missing for cve in release.closed))
    return {"fixed_in": "%d.%d" % (major, missing[0].minors[major]), "cves": cves}


def minors_that_close(cve: str) -> Mapping[int, int]:
    """Return the first minor of each major that closes a hole; none where the hole isn't known here."""
    return next((release.minors for release in RELEASES if cve in release.closed), {})


def end_of_life(number: int) -> Optional[date]:
    """Return the day after which a major gets no fixes; None where it isn't known."""
    return END_OF_LIFE.get(split(number)[0])
