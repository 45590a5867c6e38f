# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Save what a database is useless without: look, plan, and where the newest set isn't that any more make another."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Callable, ContextManager, Dict, Iterable, Iterator, List, Mapping, Protocol, Sequence, Tuple

from .._core.errors import BulkheadError, ConflictError, InputError
from .._core.plan import Change, Plan
from .._core.text import iso_utc
from .._dumps.catalogue import check_database_name, partial_name
from .._dumps.ports import Encryptor, LockState, Writer
from .contents import Contents, Reader, digest_of, gather, stream
from .needs import Sources
from .sets import (
    Newest,
    expired,
    free_name,
    leftovers,
    lock_name,
    newest_name,
    parse_newest,
    sets_of,
    why_due,
)


class SetFolder(Protocol):
    """The folder that holds the sets. Its methods raise OutsideError."""

    @property
    def path(self) -> str:
        """Where it is."""

    def entries(self) -> List[Tuple[str, int]]:
        """Return name and size of its regular files; none where there is no folder yet."""

    def make(self) -> None:
        """Make it, 0700, where it is missing."""

    def read(self, name: str) -> bytes:
        """Return a small file whole."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a large file piece by piece."""

    def create(self, name: str) -> Writer:
        """Open a new file, 0600."""

    def replace(self, name: str, data: bytes) -> None:
        """Write a small file, 0600, whole or not at all."""

    def rename(self, old: str, new: str) -> None:
        """Give a file its final name; one that is there is never replaced."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""

    def sync(self) -> None:
        """Make renames and removals survive a power cut."""

    def lock(self, name: str) -> ContextManager[LockState]:
        """Hold a lock for one run. Raises ConflictError where another run holds it."""


@dataclass(frozen=True)
class Decision:
    """What a run will do: the same for a check as for real.

    Arguments:
        reason: why a set is made; empty where none is.
        name: the set that is made, else the newest.
        removed: the sets that go. left: what runs that were killed have left.
    """

    reason: str
    name: str
    removed: Tuple[str, ...]
    left: Tuple[str, ...]

    def plan(self, path: str, contents: Contents) -> Plan:
        """Return the plan: sets by name, and by name what is in the new one."""
        plan = Plan()
        added = [self.name, *("  " + name for name in contents.names)] if self.reason else []
        if added or self.removed or self.left:
            plan.add(Change(path, "\n".join(self.left + self.removed), "\n".join(added)))
        return plan


def check_request(options: Mapping[str, Any]) -> None:
    """See that what is asked for one database can be done.

    Raises:
        InputError: it can't; nothing was looked at yet.
    """
    check_database_name(options["database"])
    if not options["encrypt_to"]:
        raise InputError(
            "%s: nobody is named to whom its secrets are to be encrypted, and they are never written plain."
            % options["key"],
            "Name public keys in encrypt_to (`age-keygen -o FILE` makes a pair), and keep the secret one elsewhere.",
        )
    if options["keep"] < 1:
        raise InputError("%s: keep is %d, which would keep nothing." % (options["key"], options["keep"]))


def save(
    options: Mapping[str, Any],
    folder: SetFolder,
    sources: Sources,
    reader: Reader,
    encryptor: Encryptor,
    now: datetime,
    new_salt: str,
    check_mode: bool,
) -> Tuple[Plan, Dict[str, Any]]:
    """Save what one database needs; return the plan, and what became of it.

    Arguments:
        options: key, database, keep, and what is looked for and where: needs, volumes, services, server.
        new_salt: random; taken where nothing was saved yet.

    Raises:
        BulkheadError: nothing that is needed was found, or it can't be read or written. Then nothing of it is left.
    """
    contents = gather(options, sources)
    work = _Work(options, folder, contents, reader, encryptor, now, new_salt)
    decision = work.decide()
    if decision.plan(folder.path, contents).changed and not check_mode:
        folder.make()
        with folder.lock(lock_name(options["database"])):
            # What another run did before we had the lock counts.
            decision = work.decide()
            for name in decision.left:
                folder.remove(name)
            if decision.reason:
                work.write(decision.name)
            for name in decision.removed:
                folder.remove(name)
            folder.sync()
    plan = decision.plan(folder.path, contents)
    plan.warnings += contents.doubts
    return plan, {
        "key": options["key"],
        "made": bool(decision.reason),
        "reason": decision.reason or "the newest recovery set holds just this",
        "path": _join(folder, decision.name),
        "contents": contents.names,
        "missing": [item["what"] for item in contents.missing],
        "removed": [_join(folder, name) for name in decision.removed],
    }


class _Work:
    """One database's set: what is there, what would be in it, and the making of it."""

    def __init__(
        self,
        options: Mapping[str, Any],
        folder: SetFolder,
        contents: Contents,
        reader: Reader,
        encryptor: Encryptor,
        now: datetime,
        new_salt: str,
    ) -> None:
        self._options, self._folder, self._contents = options, folder, contents
        self._reader, self._encryptor, self._now = reader, encryptor, now
        self._new_salt = new_salt
        # By salt, the hash of each part: what is large is read once for it.
        self._seen: Dict[str, Dict[str, str]] = {}
        self._salt = ""

    def decide(self) -> Decision:
        """Return what is to be done, as the folder is now."""
        database = self._options["database"]
        names = [name for name, _size in self._folder.entries()]
        sets = sets_of(database, names)
        newest = None
        if newest_name(database) in names:
            newest = parse_newest(self._folder.read(newest_name(database)))
        self._salt = newest.salt if newest is not None else self._new_salt
        reason = why_due(newest, self._digest(), sets, self._sha256)
        name = newest.file if newest is not None else ""
        if reason:
            name = free_name(database, self._now, names)
            sets = [name, *sets]
        removed = expired(sets, self._options["keep"], name)
        return Decision(reason, name, removed, tuple(leftovers(database, names)))

    def write(self, name: str) -> None:
        """Make the set, whole or not at all."""
        folder, partial = self._folder, partial_name(name)
        sha256 = hashlib.sha256()
        seen: Dict[str, str] = {}
        writer = folder.create(partial)

        def sink(data: bytes) -> None:
            sha256.update(data)
            writer.write(data)

        try:
            self._encryptor.encrypt(stream(self._contents, self._reader, self._now, self._salt, seen), sink)
            writer.finish()
            self._check_unchanged(seen)
            folder.rename(partial, name)
            folder.sync()
            newest = Newest(self._salt, self._digest(), name, sha256.hexdigest(), iso_utc(self._now))
            folder.replace(newest_name(self._options["database"]), newest.to_bytes())
        except BaseException:
            writer.close()
            for item in (partial, name):
                with suppress(BulkheadError):
                    folder.remove(item)
            raise

    def _check_unchanged(self, seen: Mapping[str, str]) -> None:
        before = self._seen[self._salt]
        changed = [name for name in before if seen.get(name) != before[name]]
        if changed:
            raise ConflictError(
                "%s changed while it was read; no recovery set was made." % ", ".join(changed),
                "Run this again. If something writes there all the time, name the folder below it that matters.",
            )

    def _digest(self) -> str:
        seen = self._seen.get(self._salt)
        if seen is None:
            seen = {}
            for _piece in stream(self._contents, self._reader, self._now, self._salt, seen):
                pass
            self._seen[self._salt] = seen
        return digest_of(seen, self._encryptor.recipients, self._salt)

    def _sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        for chunk in self._folder.chunks(name):
            digest.update(chunk)
        return digest.hexdigest()


def _join(folder: SetFolder, name: str) -> str:
    return folder.path.rstrip("/") + "/" + name


def page(results: Sequence[Mapping[str, Any]], errors: Mapping[str, str], check_mode: bool) -> List[str]:
    """Return lines for a terminal: of sets that were made, and of databases that failed."""
    done = "would be made" if check_mode else "made"
    lines = [
        "%s: recovery set %s: %s, with %s (%s)"
        % (item["key"], done, item["path"].rpartition("/")[2], ", ".join(item["contents"]), item["reason"])
        for item in results
        if item["made"]
    ]
    return lines + ["%s: no recovery set: %s" % (key, text) for key, text in errors.items()]


# What one database's set takes: a module hands in the adapters.
Saver = Callable[[Mapping[str, Any]], Tuple[Plan, Dict[str, Any]]]


def save_all(databases: Iterable[Mapping[str, Any]], save_one: Saver, check_mode: bool) -> Dict[str, Any]:
    """Save one database after the other; one that fails keeps no other from it. Return the module's result."""
    plan, results = Plan(), []
    errors: Dict[str, str] = {}
    for options in databases:
        try:
            planned, result = save_one(options)
        except BulkheadError as error:
            errors[options["key"]] = str(error)
            continue
        results.append(result)
        plan.warnings += planned.warnings
        for change in planned:
            plan.add(change)
    result = dict(
        plan.result(),
        sets=results,
        failed_databases=list(errors),
        errors=errors,
        page=page(results, errors, check_mode),
    )
    if plan.warnings:
        result["warnings"] = plan.warnings
    return result
