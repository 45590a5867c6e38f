# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest beside a dump: what it is of, how it was made, what its snapshot held, how far it was verified.

It is written once, after the dump was verified, and never changed: its hash stands in the catalogue's log. What a drill
finds later is a verdict, a file of its own beside it.
"""

import json
from typing import Any, Dict, Tuple

FORMAT_VERSION = 1
# Of pg_dump's archive formats those that are used: one file, or a folder with a file for each table.
CUSTOM, DIRECTORY = "custom", "directory"
# In order: each level includes those before it.
LEVELS = ("hashed", "read", "drilled")
# How far a dump can be verified when it is made.
VERIFIABLE = LEVELS[:2]
# From here on retention counts a copy: a hash alone doesn't show that pg_restore can read it.
COUNTED = "read"

_NEEDED: Tuple[Tuple[str, type], ...] = (
    ("database", str),
    ("file", str),
    ("taken_at", str),
    ("size_bytes", int),
    ("sha256", str),
    ("compression", str),
    ("tables", list),
    ("verified", dict),
)


class ManifestError(ValueError):
    """A file that should be a manifest isn't one that this version understands."""


def restore_command(file: str, compression: str, encrypted: bool = False, jobs: int = 0) -> str:
    """Return what opens the dump with the stock tools alone, for a person to adapt; with jobs where it was made so."""
    restore = "pg_restore --exit-on-error %s--dbname=DATABASE" % ("--jobs=%d " % jobs if jobs else "")
    steps = ["age --decrypt --identity=IDENTITY %s" % file] if encrypted else []
    if compression == "zstd_wrapped":
        steps.append("zstd -dc" if steps else "zstd -dc %s" % file)
    return " | ".join([*steps, restore]) if steps else "%s %s" % (restore, file)


def manifest_bytes(manifest: Dict[str, Any]) -> bytes:
    """Return the manifest's file: readable, with sorted keys."""
    return (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def parse_manifest(data: bytes) -> Dict[str, Any]:
    """Return what a manifest says.

    Raises:
        ManifestError: it is no JSON object, of a version that isn't known, or without a field that is needed.
    """
    try:
        found = json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise ManifestError("it is no JSON (%s)" % error) from error
    if not isinstance(found, dict):
        raise ManifestError("it is no JSON object")
    version = found.get("format_version")
    if version != FORMAT_VERSION:
        raise ManifestError("its format_version is %r, and this version knows %d" % (version, FORMAT_VERSION))
    for name, kind in _NEEDED:
        if not isinstance(found.get(name), kind) or isinstance(found.get(name), bool):
            raise ManifestError("its field %s is missing or of the wrong type" % name)
    if found["verified"].get("level") not in VERIFIABLE:
        raise ManifestError("its level of verification is %r" % found["verified"].get("level"))
    return found


def parse_verdict(data: bytes) -> Dict[str, Any]:
    """Return what a drill's verdict says: passed, at, and manifest_sha256, the hash of the manifest that it is of.

    Raises:
        ManifestError: it is no verdict that this version understands.
    """
    try:
        found = json.loads(data)
    except ValueError as error:
        raise ManifestError("it is no JSON (%s)" % error) from error
    if not isinstance(found, dict) or found.get("format_version") != FORMAT_VERSION:
        raise ManifestError("its format_version isn't %d" % FORMAT_VERSION)
    if not isinstance(found.get("passed"), bool) or not isinstance(found.get("manifest_sha256"), str):
        raise ManifestError("its fields passed or manifest_sha256 are missing")
    return dict(found, at=str(found.get("at") or "an unknown time"))
