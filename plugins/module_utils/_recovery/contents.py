# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a recovery set, and the set as a tar archive, piece by piece: nothing of it is whole in memory or plain.

| name in it | what it is |
| --- | --- |
| ``CONTENTS.json`` | what it holds, from where, of which database, and what wasn't found; nothing secret |
| ``variables.env`` | the variables, as ``docker compose --env-file`` reads them |
| ``files/…`` | files and folders of the host, by their paths |
| ``volumes/…`` | volumes, by their names in the engine |
"""

import hashlib
import json
import re
import tarfile
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Protocol, Sequence, Tuple

from .._compose.dotenv import literal
from .._core.errors import InputError, StateError
from .._core.text import iso_utc
from .needs import FOUND, ONLY_IN_CONTAINER, Need, Place, Projects, Sources, look_for, read_projects
from .values import Value, value_of

CONTENTS, VARIABLES = "CONTENTS.json", "variables.env"
FORMAT_VERSION = 1
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

Member = Tuple[tarfile.TarInfo, Iterable[bytes]]


class Reader(Protocol):
    """Reads what lies at a place."""

    def members(self, place: Place) -> Iterator[Member]:
        """Yield what lies there, always in the same order, each with the pieces of its content.

        The first is the place itself, with an empty name; the others have theirs relative to it, as have the links
        from one to another. Each must be read to its end before the next. Raises BulkheadError where something can't
        be read, or changes meanwhile.
        """


@dataclass(frozen=True)
class Tree:
    """A file, a folder or a volume: its name in the set, and where it lies."""

    name: str
    place: Place
    source: str


@dataclass(frozen=True)
class Contents:
    """What a set of one database holds.

    Arguments:
        listing: each thing, as ``CONTENTS.json`` tells it.
        missing: each thing that is needed and is not in it.
        doubts: what is doubtful about it, as sentences.
    """

    key: str
    database: str
    variables: Mapping[str, Value] = field(repr=False)
    trees: Tuple[Tree, ...]
    listing: Tuple[Mapping[str, str], ...]
    missing: Tuple[Mapping[str, str], ...] = ()
    doubts: Tuple[str, ...] = ()

    @property
    def names(self) -> List[str]:
        """What is in it, by names."""
        return [item["what"] if item["in"] == VARIABLES else item["in"] for item in self.listing]


def gather(database: Mapping[str, Any], sources: Sources) -> Contents:
    """Return what a set of a database would hold.

    Arguments:
        database: key, database (its name on the server), needs, volumes, services, server.

    Raises:
        StateError: nothing that it needs was found.
    """
    for need in database["needs"]:
        if need.get("variable") and not _NAME.fullmatch(need["variable"]):
            raise InputError("%r is no name of a variable." % need["variable"])
    projects = read_projects(database, sources)
    variables: Dict[str, Value] = {}
    trees: Dict[str, Tree] = {}
    listing: List[Mapping[str, str]] = []
    missing: List[Mapping[str, str]] = []
    doubts: List[str] = []
    for need in look_for(database, projects, sources):
        added = _add(need, projects, sources, variables, trees, doubts)
        kind, what = need.finding["kind"], need.finding["what"]
        if not added:
            missing.append({"kind": kind, "what": what, "note": need.finding["note"]})
            # What stands in words nobody can look for but a person.
            if kind != "other":
                doubts.append(_not_there(need))
        for name, source in added:
            listing.append({"kind": kind, "what": what, "in": name, "from": source})
    if not listing:
        raise StateError(
            "Nothing of what a recovery of %s needs was found: %s."
            % (database["key"], ", ".join(item["what"] for item in missing) or "nothing is described"),
            "Correct `recovery` in the description, or leave its `save` out.",
        )
    return Contents(
        database["key"],
        database["database"],
        variables,
        tuple(trees.values()),
        tuple(listing),
        tuple(missing),
        tuple(doubts),
    )


def _add(
    need: Need,
    projects: Projects,
    sources: Sources,
    variables: Dict[str, Value],
    trees: Dict[str, Tree],
    doubts: List[str],
) -> List[Tuple[str, str]]:
    """Put a need into the set; return under which name each part of it is there, and where it is from."""
    if need.finding["state"] not in (FOUND, ONLY_IN_CONTAINER):
        return []
    if need.finding["kind"] == "variable":
        value, doubt = value_of(need.described, projects, sources)
        if doubt:
            doubts.append(doubt)
        if value is None:
            return []
        variables[need.finding["what"]] = value
        return [(VARIABLES, value.source)]
    added = []
    for place in need.places:
        if place.volume:
            tree = Tree("volumes/" + place.volume, place, "volume " + place.volume)
        else:
            tree = Tree("files/" + place.path.strip("/"), place, place.path)
        # The same volume may be mounted in several containers.
        trees.setdefault(tree.name, tree)
        if (tree.name, tree.source) not in added:
            added.append((tree.name, tree.source))
    return added


def _not_there(need: Need) -> str:
    looked = ", ".join(need.finding["looked"])
    found = need.finding["state"] in (FOUND, ONLY_IN_CONTAINER)
    why = "has a value that only Compose can make out, and no container has it" if found else "wasn't found"
    return "%s needs %s, which %s and isn't in the recovery set%s.%s" % (
        need.finding["key"],
        need.finding["what"],
        why,
        ". Looked in %s" % looked if looked else "",
        " %s" % need.finding["note"] if need.finding["note"] else "",
    )


def stream(contents: Contents, reader: Reader, at: datetime, salt: str, seen: Dict[str, str]) -> Iterator[bytes]:
    """Yield a set as a tar archive, to be encrypted.

    Arguments:
        salt: what goes before everything that is hashed.
        seen: gets the hash of each part by its name, once the part is through. Moments aren't in it.
    """
    about = {
        "format_version": FORMAT_VERSION,
        "key": contents.key,
        "database": contents.database,
        "at": iso_utc(at),
        "contents": list(contents.listing),
        "missing": list(contents.missing),
    }
    yield from _text(CONTENTS, json.dumps(about, indent=2, ensure_ascii=False) + "\n", at)
    # Where something was found may differ while it is the same: a container goes, and its env file is still there.
    held = [[item["kind"], item["what"], item["in"]] for item in contents.listing]
    seen[CONTENTS] = _hash(salt, json.dumps(held)).hexdigest()
    if contents.variables:
        lines = ["%s=%s\n" % (name, literal(value.text)) for name, value in contents.variables.items()]
        yield from _text(VARIABLES, "".join(lines), at)
        seen[VARIABLES] = _hash(salt, "".join(lines)).hexdigest()
    for tree in contents.trees:
        digest = _hash(salt)
        for info, chunks in reader.members(tree.place):
            told = [info.name, info.type.decode(), info.mode, info.uid, info.gid, info.size, info.linkname]
            digest.update(json.dumps(told).encode("ascii"))
            info.name = "%s/%s" % (tree.name, info.name) if info.name else tree.name
            if info.islnk():
                info.linkname = "%s/%s" % (tree.name, info.linkname)
            yield from _packed(info, _hashed(chunks, digest))
        seen[tree.name] = digest.hexdigest()
    yield b"\0" * 2 * tarfile.BLOCKSIZE


def digest_of(seen: Mapping[str, str], recipients: Sequence[str], salt: str) -> str:
    """Return one hash for what is in a set, and for whom it is encrypted."""
    return _hash(salt, json.dumps([sorted(seen.items()), sorted(recipients)])).hexdigest()


def _hash(salt: str, text: str = "") -> "hashlib._Hash":
    return hashlib.sha256((salt + text).encode("utf-8", "surrogateescape"))


def _text(name: str, text: str, at: datetime) -> Iterator[bytes]:
    data = text.encode("utf-8", "surrogateescape")
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), 0o600, int(at.timestamp())
    return _packed(info, [data])


def _hashed(chunks: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _packed(info: tarfile.TarInfo, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield one member: its header, its content, and what fills its last block."""
    yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    yield from chunks
    yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
