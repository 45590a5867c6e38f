# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations, sizes, times and near misses as text."""

import difflib
import math
import re
from datetime import datetime, timezone
from typing import Iterable, Optional, Union

from .errors import InputError

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"([0-9]+)\s*([smhdw])")


def parse_duration(text: Union[str, int, float]) -> int:
    """Return a duration in seconds.

    Arguments:
        text: ``30m``, ``6h``, ``7d``, ``1h30m``; a bare number is seconds.

    Raises:
        InputError: the text is no duration, or none that is longer than nothing.
    """
    if isinstance(text, bool) or text is None:
        raise InputError("%r is no duration." % (text,), "Write it like 30m, 6h, 7d or 1h30m.")
    if isinstance(text, (int, float)):
        seconds = int(text) if math.isfinite(text) else 0
    else:
        cleaned = text.strip().lower()
        if cleaned.isascii() and cleaned.isdigit():
            seconds = int(cleaned)
        elif _DURATION.sub("", cleaned).strip():
            raise InputError("%r is no duration." % text, "Write it like 30m, 6h, 7d or 1h30m.")
        else:
            seconds = sum(int(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION.findall(cleaned))
    if seconds <= 0:
        raise InputError("%r is no duration longer than nothing." % (text,), "Write it like 30m, 6h, 7d or 1h30m.")
    return seconds


def format_duration(seconds: Union[int, float]) -> str:
    """Return seconds as ``45 s``, ``12 min``, ``6 h``, ``1 h 30 min``, ``7 d``: at most two units."""
    rest = int(round(seconds))
    if rest < 60:
        return "%d s" % rest
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        count, rest = divmod(rest, size)
        if count:
            parts.append("%d %s" % (count, unit))
    return " ".join(parts[:2])


def format_size(size_bytes: Union[int, float]) -> str:
    """Return bytes as ``512 B``, ``1.5 KiB``, ``23 MiB``."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return "%d %s" % (size, unit) if unit == "B" or size >= 10 else "%.1f %s" % (size, unit)


def iso_utc(moment: datetime) -> str:
    """Return an aware moment as UTC, ISO 8601, whole seconds: ``2026-11-23T10:15:00Z``."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso_utc(text: str) -> datetime:
    """Return the aware moment that iso_utc wrote. Raises ValueError for other text."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def nearest(word: str, known: Iterable[str]) -> Optional[str]:
    """Return the known word that a misspelt one probably meant, or None."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
