# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of an isolation: what was done and how it is taken back, across phases and runs.

An entry is written before its change is made: after a power cut the journal may promise to take back what never came
to be,
never the other way round; so every undo must bear being run where there is nothing to undo.

Kinds of entries: ``sql`` (statements), ``file`` (restore its old bytes), ``containers`` (bring services up again from
their
compose files, or remove those that were made), ``gateway`` (reload it), ``fingerprint`` (rows of a database after it
was
filled); and the markers ``taken_back`` (single entries), ``completed``, ``undone``, ``rolled_back`` and ``forgotten``
(everything before them is closed).
"""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Protocol, Sequence, Set, Tuple

from .._core.errors import BulkheadError
from .._core.sql import Sql

# What can't be taken back by this journal any more: somebody did, or its things have moved on.
_GONE = ("undone", "rolled_back", "forgotten")
CLOSING = ("completed", *_GONE)
_MARKERS = CLOSING + ("prepared", "taken_back")

Entry = Dict[str, Any]


class Hands(Protocol):
    """What takes entries back; a module builds it from adapters."""

    def execute(self, statement: Sql) -> None:
        """Run one statement, committed at once."""

    def rows_of(self, database: str, tables: Sequence[str]) -> Mapping[str, int]:
        """Return the number of rows of each of these tables that is there; an absent database has none."""

    def set_aside(self, database: str) -> str:
        """Rename a database, so that nothing in it is lost; return its new name."""

    def restore_file(self, entry: Entry) -> str:
        """Put the old bytes of a file back, unless someone else changed it since; return a sentence."""

    def bring_up(self, entry: Entry) -> str:
        """Bring services up again as their files say; remove those that were made; return a sentence."""

    def reload_gateway(self, entry: Entry) -> str:
        """Let a gateway read its files again; return a sentence."""


def sql_entry(identifier: str, what: str, undo: Iterable[Sql]) -> Entry:
    """Return the entry for a change made by SQL."""
    return {"kind": "sql", "id": identifier, "what": what, "undo": [statement.to_json() for statement in undo]}


def fingerprint_entry(database: str, rows: Mapping[str, int], existed: bool, owner: str) -> Entry:
    """Return the entry that says what a database held right after it was filled.

    Arguments:
        existed: whether the database was there, empty, before.
        owner: who owned it then.
    """
    return {"kind": "fingerprint", "database": database, "rows": dict(rows), "existed": existed, "owner": owner}


def containers_entry(
    project: str,
    working_dir: str,
    files: Sequence[str],
    env_files: Sequence[str],
    services: Sequence[str],
    created: bool,
) -> Entry:
    """Return the entry for services that get new containers; ``created``: they were not there before."""
    return {
        "kind": "containers",
        "project": project,
        "working_dir": working_dir,
        "files": list(files),
        "env_files": list(env_files),
        "services": list(services),
        "created": created,
    }


def gateway_entry(container: str, restart: bool = False) -> Entry:
    """Return the entry for a gateway whose configuration is about to change; ``restart``: it reads it at its start."""
    return {"kind": "gateway", "container": container, **({"restart": True} if restart else {})}


def open_entries(entries: Sequence[Entry]) -> List[Entry]:
    """Return what is not closed yet, oldest first."""
    return _after(entries, CLOSING)


def interrupted_entries(entries: Sequence[Entry]) -> List[Entry]:
    """Return what a run left that neither came to its end nor took itself back, oldest first."""
    return _after(entries, CLOSING + ("prepared",))


def completed_entries(entries: Sequence[Entry]) -> List[Entry]:
    """Return what completed runs did that wasn't taken back by any later one, oldest first."""
    return [] if open_entries(entries) else _after(entries, _GONE)


def _after(entries: Sequence[Entry], markers: Sequence[str]) -> List[Entry]:
    start = 0
    for index, entry in enumerate(entries):
        if entry.get("kind") in markers:
            start = index + 1
    taken_back = {identifier for entry in entries[start:] for identifier in entry.get("ids") or ()}
    return [
        entry
        for entry in entries[start:]
        if entry.get("kind") not in _MARKERS and entry.get("id", object()) not in taken_back
    ]


def undo(entries: Sequence[Entry], hands: Hands, containers_last: bool = False) -> Dict[str, List[str]]:
    """Take open entries back, the newest first.

    Arguments:
        containers_last: whether services are brought up after all else was taken back, each once: whoever asks for it
            has stopped them.

    Returns ``restored`` (what is as it was), ``kept`` (what was put aside because rows came since), ``set_aside`` (the
    names of such databases) and ``left`` (what could not be taken back, with the reason): one failure doesn't keep the
    others from being tried.
    """
    report: Dict[str, List[str]] = {"restored": [], "kept": [], "set_aside": [], "left": []}
    aside = _set_aside(entries, hands, report)
    for entry in _containers_last(entries) if containers_last else reversed(entries):
        kind = entry.get("kind")
        try:
            if kind == "sql":
                if _undo_sql(entry, hands, aside):
                    report["restored"].append(entry["what"])
            elif kind == "file":
                report["restored"].append(hands.restore_file(entry))
            elif kind == "containers":
                report["restored"].append(hands.bring_up(entry))
            elif kind == "gateway":
                report["restored"].append(hands.reload_gateway(entry))
        except BulkheadError as error:
            report["left"].append("%s: %s" % (entry.get("what") or entry.get("path") or kind, error))
    return report


def _containers_last(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield entries in the order in which they are taken back, services at the end, each once.

    What was stopped first comes up last: it may need what was stopped after it.
    """
    yield from (entry for entry in reversed(entries) if entry.get("kind") != "containers")
    seen: Set[Tuple[str, str, str]] = set()
    first: List[Entry] = []
    for entry in entries:
        if entry.get("kind") == "containers":
            names = [(entry["project"], entry["working_dir"], service) for service in entry["services"]]
            first.append(dict(entry, services=[name[2] for name in names if name not in seen]))
            seen.update(names)
    yield from (entry for entry in reversed(first) if entry["services"])


def _set_aside(entries: Sequence[Entry], hands: Hands, report: Dict[str, List[str]]) -> Dict[str, Entry]:
    """Rename databases that got rows since they were filled: dropping them would lose those.

    A database of which that can't be told is left alone as it is.
    """
    newest: Dict[str, Entry] = {entry["database"]: entry for entry in entries if entry.get("kind") == "fingerprint"}
    aside = {}
    for database, entry in newest.items():
        try:
            rows = dict(hands.rows_of(database, list(entry["rows"])))
            if not rows or rows == entry["rows"]:
                continue
            name = hands.set_aside(database)
            aside[database] = entry
            report["set_aside"].append(name)
            report["kept"].append("database %s, which got rows since it was filled, is kept as %s" % (database, name))
            for statement in empty_as_before(entry):
                hands.execute(statement)
        except BulkheadError as error:
            aside[database] = entry
            report["left"].append("database %s: %s" % (database, error))
    return aside


def empty_as_before(entry: Entry) -> Sequence[Sql]:
    """Return what makes the empty database anew that was there before the one of a fingerprint, if there was one."""
    if not entry["existed"]:
        return ()
    text = "CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0"
    return (Sql(text, (entry["database"], entry["owner"])),)


def _undo_sql(entry: Entry, hands: Hands, aside: Mapping[str, Entry]) -> bool:
    """Take a change by SQL back; return whether it was: what concerns a database that was put aside stays."""
    done = True
    for data in entry["undo"]:
        statement = Sql.from_json(data)
        # What was put aside isn't emptied or handed over, and its owner still owns it.
        concerned = statement.database in aside or any(name in aside for name in statement.names)
        if concerned or (aside and statement.text.startswith("DROP ROLE")):
            done = False
        else:
            hands.execute(statement)
    return done
