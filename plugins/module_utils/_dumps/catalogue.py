# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: every copy of one database in a folder, and what is known of each.

A copy is a recovery set of files that share a stem, ``backup_<database>_<YYYYMMDD_HHMMSS>``: the dump (in directory
format a folder), its manifest, where they were asked for the globals and a reference dump, and the verdicts of later
drills. Only names of exactly this database belong to it, and only what the catalogue's log has counts.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Collection, Dict, Iterable, List, NamedTuple, Optional, Pattern, Tuple

from .._core.errors import BulkheadError, InputError
from .log import Log, log_name, read_log
from .manifest import LEVELS, ManifestError, parse_manifest, parse_verdict
from .ports import Folder

STAMP_FORMAT = "%Y%m%d_%H%M%S"
ENCRYPTED_SUFFIX = ".age"
DIRECTORY_SUFFIX = ".dump.dir"
_FILE_SUFFIXES = (".dump", ".dump.zst", ".dump.age", ".dump.zst.age")
DUMP_SUFFIXES = (*_FILE_SUFFIXES, DIRECTORY_SUFFIX)
MANIFEST_SUFFIX = ".manifest.json"
GLOBALS_SUFFIX = ".globals.sql"
REFERENCE_SUFFIXES = tuple(".reference" + suffix for suffix in _FILE_SUFFIXES)
_SUFFIXES = DUMP_SUFFIXES + (MANIFEST_SUFFIX, GLOBALS_SUFFIX, GLOBALS_SUFFIX + ENCRYPTED_SUFFIX) + REFERENCE_SUFFIXES
# What the problem of a copy begins with that may be drilled again.
DRILL_FAILED = "a drill of it failed"
_VERDICT = r"\.drill_\d{8}_\d{6}\.json"
# What the name of a folder that is being removed ends in, before it is hidden as what isn't whole.
_REMOVED = DIRECTORY_SUFFIX + ".removed"
_DIRECTORY = re.compile(
    r"backup_[^/]+_\d{{8}}_\d{{6}}{0}|\.backup_[^/]+_\d{{8}}_\d{{6}}(?:{0}|{1})\.partial".format(
        re.escape(DIRECTORY_SUFFIX), re.escape(_REMOVED)
    )
)


class Entry(NamedTuple):
    """One regular file, or a dump in directory format; size_bytes: -1 where that holds anything but regular files."""

    name: str
    size_bytes: int


@dataclass(frozen=True)
class Copy:
    """One copy.

    Arguments:
        stem: what the names of its files begin with.
        dump: the dump's file name; empty where the copy is only planned.
        taken_at: when, from its name.
        files: all files of the recovery set.
        level: how far it was verified; empty where it is no good copy.
        problem: why it is no good copy; empty where it is one.
        logged: whether the catalogue's log has it: what isn't in there is never removed.
    """

    database: str
    stem: str
    dump: str
    taken_at: datetime
    size_bytes: int = 0
    files: Tuple[str, ...] = ()
    level: str = ""
    problem: str = ""
    logged: bool = True
    manifest: Optional[Dict[str, Any]] = field(default=None, repr=False, compare=False)

    def is_good(self, level: str) -> bool:
        """Whether it was verified at least that far."""
        return bool(self.level) and LEVELS.index(self.level) >= LEVELS.index(level)


@dataclass(frozen=True)
class Catalogue:
    """All copies of one database, oldest first, and the files that belong to none."""

    database: str
    copies: Tuple[Copy, ...]
    orphans: Tuple[Tuple[str, str], ...]
    partials: Tuple[str, ...]
    log: Log = Log()

    def newest_good(self, level: str, now: datetime) -> Optional[Copy]:
        """Return the newest copy that was verified that far and isn't dated in the future."""
        for copy in reversed(self.copies):
            if copy.taken_at <= now and copy.is_good(level):
                return copy
        return None

    def stems(self) -> List[str]:
        """Return every stem that is taken."""
        return [copy.stem for copy in self.copies] + [_stem_of(name) for name, _why in self.orphans]


def check_database_name(database: str) -> None:
    """Refuse a name that can't be part of a file name.

    Raises:
        InputError: it is empty, hidden, has a slash or a control character, or is longer than Postgres allows.
    """
    why = ""
    if not database:
        why = "it is empty"
    elif "/" in database or "\\" in database:
        why = "it has a slash"
    elif ".." in database:
        why = "it has two dots in a row"
    elif any(ord(letter) < 32 or ord(letter) == 127 for letter in database):
        why = "it has a control character"
    elif len(database.encode("utf-8")) > 63:
        why = "it is longer than 63 bytes, and Postgres would cut it silently"
    if why:
        raise InputError(
            "Database name %r can't be part of a file name: %s." % (database, why),
            "Dump such a database by hand, or rename it.",
        )


def stem(database: str, moment: datetime) -> str:
    """Return what the names of a copy's files begin with."""
    return "backup_%s_%s" % (database, moment.astimezone(timezone.utc).strftime(STAMP_FORMAT))


def free_stem(database: str, moment: datetime, taken: Collection[str]) -> Tuple[str, datetime]:
    """Return the first stem that no copy has, and its moment: a second run within one second gets the next one."""
    moment = moment.replace(microsecond=0)
    while stem(database, moment) in taken:
        moment += timedelta(seconds=1)
    return stem(database, moment), moment


def lock_name(database: str) -> str:
    """Return the name of the lock file."""
    return ".backup_%s.lock" % database


def partial_name(name: str) -> str:
    """Return the hidden name under which a file is written until it is whole."""
    return ".%s.partial" % name


def is_directory(name: str) -> bool:
    """Whether a name is that of a dump in directory format, whole or not: a folder."""
    return bool(_DIRECTORY.fullmatch(name))


def removed_name(name: str) -> str:
    """Return the hidden name under which a folder is removed."""
    return partial_name(name.lstrip(".").rpartition(DIRECTORY_SUFFIX)[0] + _REMOVED)


def look(database: str, folder: Folder) -> Catalogue:
    """Return the catalogue of one database as it lies in a folder."""
    log = read_log(folder.json_lines(log_name(database)))
    return read_catalogue(database, folder.entries(), folder.read, log)


def read_catalogue(
    database: str, entries: Iterable[Tuple[str, int]], read: Callable[[str], bytes], log: Log
) -> Catalogue:
    """Return the catalogue of one database.

    Arguments:
        entries: name and size of the regular files of the folder, whatever they are, and of the folders of our names.
        read: returns a file's content; called for manifests and verdicts only.
        log: what the catalogue's log says.
    """
    pattern = _pattern(database)
    partial = re.compile(r"\.backup_%s_\d{8}_\d{6}(?:%s)\.partial" % (re.escape(database), _PARTIAL))
    sets: Dict[str, Dict[str, Entry]] = {}
    partials = []
    for name, size_bytes in entries:
        found = pattern.fullmatch(name)
        if found:
            sets.setdefault(found.group("stem"), {})[found.group("suffix")] = Entry(name, size_bytes)
        elif partial.fullmatch(name):
            partials.append(name)
    copies: List[Copy] = []
    orphans: List[Tuple[str, str]] = []
    for found_stem, files in sets.items():
        taken_at = _taken_at(found_stem)
        if taken_at is None:
            orphans.extend((entry.name, "its name holds no date") for entry in files.values())
            continue
        copy, left = _read_set(database, found_stem, taken_at, files, read, log)
        if copy is not None:
            copies.append(copy)
        orphans.extend(left)
    orphans.extend((name, "a run was killed while it %s this" % _was_at(name)) for name in partials)
    orphans.extend((name, "the log has it, and it is gone") for name in log.manifests if name not in sets)
    copies.sort(key=lambda copy: (copy.taken_at, copy.dump))
    return Catalogue(database, tuple(copies), tuple(sorted(orphans)), tuple(sorted(partials)), log)


_ANY_SUFFIX = "|".join([re.escape(suffix) for suffix in sorted(_SUFFIXES, key=len, reverse=True)] + [_VERDICT])
_PARTIAL = "%s|%s" % (_ANY_SUFFIX, re.escape(_REMOVED))


def _pattern(database: str) -> Pattern[str]:
    return re.compile(r"(?P<stem>backup_%s_\d{8}_\d{6})(?P<suffix>%s)" % (re.escape(database), _ANY_SUFFIX))


def _stem_of(name: str) -> str:
    return re.sub(r"(?:%s)$" % _ANY_SUFFIX, "", name)


def _was_at(partial: str) -> str:
    return "removed" if partial == removed_name(partial) else "wrote"


def _taken_at(found_stem: str) -> Optional[datetime]:
    stamp = found_stem[-15:]
    try:
        # Six times as quick as strptime, which tells where there are ten thousand.
        date = [int(stamp[start:end]) for start, end in ((0, 4), (4, 6), (6, 8), (9, 11), (11, 13), (13, 15))]
        return datetime(date[0], date[1], date[2], date[3], date[4], date[5], tzinfo=timezone.utc)
    except ValueError:
        return None


def _read_set(
    database: str,
    found_stem: str,
    taken_at: datetime,
    files: Dict[str, Entry],
    read: Callable[[str], bytes],
    log: Log,
) -> Tuple[Optional[Copy], List[Tuple[str, str]]]:
    dumps = [files[suffix] for suffix in DUMP_SUFFIXES if suffix in files]
    names = tuple(sorted(entry.name for entry in files.values()))
    if not dumps:
        why = "its dump is missing"
        return None, [(name, why) for name in names]
    orphans: List[Tuple[str, str]] = []
    manifest: Optional[Dict[str, Any]] = None
    digest = problem = ""
    if MANIFEST_SUFFIX not in files:
        problem = "it has no manifest"
        orphans.append((dumps[0].name, problem))
    else:
        try:
            content = read(files[MANIFEST_SUFFIX].name)
            digest = hashlib.sha256(content).hexdigest()
            manifest = parse_manifest(content)
        except (ManifestError, BulkheadError) as error:
            problem = "its manifest can't be read: %s" % str(error).rstrip(".")
    dump, level = dumps[0], ""
    if manifest is not None:
        dump = next((entry for entry in dumps if entry.name == manifest["file"]), dump)
        level = str(manifest["verified"]["level"])
        problem = _contradiction(database, manifest, dump, taken_at) or _not_logged(log, found_stem, digest)
    if not problem:
        level, problem = _judged(level, digest, files, read)
    orphans.extend((entry.name, "the manifest names another dump") for entry in dumps if entry is not dump)
    return (
        Copy(
            database,
            found_stem,
            dump.name,
            taken_at,
            max(0, dump.size_bytes),
            names,
            "" if problem else level,
            problem,
            found_stem in log.manifests,
            manifest,
        ),
        orphans,
    )


def _not_logged(log: Log, found_stem: str, digest: str) -> str:
    if found_stem not in log.manifests:
        return "it isn't in this catalogue's log: was it put here by hand?"
    if log.manifests[found_stem] != digest:
        return "its manifest was changed after it was written"
    return ""


def _judged(level: str, digest: str, files: Dict[str, Entry], read: Callable[[str], bytes]) -> Tuple[str, str]:
    """Return level and problem after the newest drill, which says more than the dump's own verification."""
    drills = sorted(entry.name for suffix, entry in files.items() if re.fullmatch(_VERDICT, suffix))
    if not drills:
        return level, ""
    try:
        verdict = parse_verdict(read(drills[-1]))
    except (ManifestError, BulkheadError):
        return level, ""
    if verdict["manifest_sha256"] != digest:
        return level, ""
    return ("drilled", "") if verdict["passed"] else (level, "%s at %s" % (DRILL_FAILED, verdict["at"]))


def _contradiction(database: str, manifest: Dict[str, Any], dump: Entry, taken_at: datetime) -> str:
    if manifest["database"] != database:
        return "its manifest is of database %s" % manifest["database"]
    if manifest["file"] != dump.name:
        return "its manifest is of file %s" % manifest["file"]
    if dump.size_bytes < 0:
        return "it isn't a folder of regular files alone"
    if manifest["size_bytes"] != dump.size_bytes:
        return "it has %d bytes, its manifest says %d" % (dump.size_bytes, manifest["size_bytes"])
    if manifest["taken_at"] != taken_at.isoformat()[:19] + "Z":
        return "its manifest says it was taken at %s" % manifest["taken_at"]
    return ""
