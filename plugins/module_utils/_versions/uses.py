# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database uses of its server: read in a few queries, on a server of any major that the table knows."""

from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._core.errors import StateError
from .._core.sql import Sql
from .bodies import Body
from .catalogue import (
    COLUMN,
    FUNCTION,
    OPCLASS,
    OPERATOR,
    RELATION,
    RESERVED,
    ROLE,
    TYPE,
    Builtins,
    Reader,
    changing,
    read_builtins,
)
from .model import NEWEST, OLDEST
from .probes import MARKS, OWN, PROBES, SUPERUSER_PROBES, TREES, Probe
from .queries import BARE, FEATURED, OWN_NAMES, PARSED, PROBED, TEXTS, USED_BY_TREES, USED_NAMES, USED_OTHERS, VIEWS

# Beside the builtins: a collation by its name, the locale of one of the database's own, a tablespace, and settings of
# functions, which are part of their definition. A called name is a function in a text: its arguments aren't known.
COLLATION, LOCALE, TABLESPACE, FUNCTION_SETTING = "collation", "locale", "tablespace", "function setting"
CALLED = "called"
_MARK = "mark"


class Seen(NamedTuple):
    """A feature that an object of the database shows: the row of the table, the object, and what was seen."""

    feature: str
    object: str
    evidence: str


class Name(NamedTuple):
    """A name of the server's that an object of the database uses."""

    kind: str
    name: str
    object: str


class Uses(NamedTuple):
    """What a database uses.

    Arguments:
        database: its name. version: as server_version_num has it. system_identifier: of its cluster; empty where this
            role may not know it.
        size_bytes: on disk. encoding, provider, collate, ctype: of the database; its provider is a letter, c, i or b.
        builtins: the server's own names. seen: what needs no comparison of names. names: the others.
        extensions: with their versions. unseen: what this role may not see, a sentence each.
    """

    database: str
    version: int
    system_identifier: str
    size_bytes: int
    encoding: str
    provider: str
    collate: str
    ctype: str
    builtins: Builtins
    seen: Tuple[Seen, ...]
    names: Tuple[Name, ...]
    extensions: Mapping[str, str]
    unseen: Tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """The source's major."""
        return self.version // 10000


def check_major(major: int, what: str) -> None:
    """Refuse a server that the table says nothing of.

    Raises:
        StateError: it is older or newer.
    """
    if not OLDEST <= major <= NEWEST:
        raise StateError(
            "%s is PostgreSQL %d, and this collection knows what %d to %d have." % (what, major, OLDEST, NEWEST),
            "Upgrade that server first." if major < OLDEST else "Use a newer release of this collection.",
        )


_SERVER = """
SELECT current_setting('server_version_num')::int AS version,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
    has_function_privilege('pg_control_system()', 'EXECUTE') AS may_identify
"""
_DATABASE = """
SELECT pg_encoding_to_char(d.encoding) AS encoding, d.datcollate::text AS collate, d.datctype::text AS ctype,
    pg_database_size(d.oid) AS size_bytes, to_jsonb(d) ->> 'datlocprovider' AS provider, d.datallowconn AS open
FROM pg_database d WHERE d.datname = %s
"""
_EXTENSIONS = "SELECT extname AS name, extversion AS version FROM pg_extension"


def read_uses(server: Reader, database: str) -> Uses:
    """Read what a database uses. Nothing is changed.

    Arguments:
        server: its server; ``Sql.database`` of a query names the database.

    Raises:
        StateError: there is no such database, it lets nobody in, or its server is one that the table doesn't know.
    """
    facts = server.rows(Sql(_SERVER))[0]
    version = int(str(facts["version"]))
    major = version // 10000
    check_major(major, "The server of database %s" % database)
    found = server.rows(Sql(_DATABASE, values=(database,)))
    if not found:
        raise StateError("There is no database %s on this server." % database, "Correct its name.")
    described = found[0]
    if not described["open"]:
        raise StateError(
            "Database %s allows no connections, so that nothing of it can be read." % database,
            "Allow them: ALTER DATABASE ... ALLOW_CONNECTIONS true.",
        )
    reading = _Reading(server, database, major)
    reading.read(bool(facts["superuser"]))
    unseen = []
    if not facts["superuser"]:
        unseen.append("How passwords are kept can't be seen: this role is no superuser.")
    return Uses(
        database=database,
        version=version,
        system_identifier=identifier_of(server) if facts["may_identify"] else "",
        size_bytes=int(str(described["size_bytes"])),
        encoding=str(described["encoding"]),
        provider=str(described["provider"] or "c"),
        collate=str(described["collate"]),
        ctype=str(described["ctype"]),
        builtins=read_builtins(server, database),
        seen=tuple(sorted(set(reading.seen))),
        names=tuple(sorted(set(reading.names))),
        extensions={str(row["name"]): str(row["version"]) for row in server.rows(Sql(_EXTENSIONS, database=database))},
        unseen=tuple(unseen),
    )


def identifier_of(server: Reader) -> str:
    """Return what tells a cluster from every other."""
    return str(server.rows(Sql("SELECT system_identifier::text AS id FROM pg_control_system()"))[0]["id"])


def _union(probes: Iterable[Probe], major: int, with_feature: bool) -> str:
    """Return the probes that fit a major as one query, of class, id, sub and evidence."""
    parts = []
    for probe in probes:
        if probe.first <= major <= probe.last:
            part = FEATURED if with_feature else BARE
            parts.append(part.replace("FEATURE", probe.feature).replace("PROBE", probe.sql))
    return "\nUNION ALL ".join(parts)


class _Reading:
    """One database as it is read."""

    def __init__(self, server: Reader, database: str, major: int) -> None:
        self._server = server
        self._database = database
        self._major = major
        self.seen: List[Seen] = []
        self.names: List[Name] = []

    def _rows(self, text: str, values: Sequence[Any] = ()) -> List[Dict[str, Any]]:
        rows = self._server.rows(Sql(text, values=tuple(values), database=self._database))
        # What is dropped meanwhile has no name any more.
        return [row for row in rows if row.get("object", "") is not None]

    def read(self, superuser: bool) -> None:
        """Read it all."""
        self._catalogue(PROBES + (SUPERUSER_PROBES if superuser else ()))
        views = self._trees()
        self._used()
        self._texts(views)

    def _catalogue(self, probes: Iterable[Probe]) -> None:
        text = OWN + PROBED.replace("PROBES", _union(probes, self._major, True))
        for row in self._rows(text):
            self.seen.append(Seen(row["feature"], row["object"], _short(row["evidence"])))

    def _trees(self) -> Dict[int, str]:
        """Read the parsed expressions; return the views that look into relations whose columns have changed."""
        kinds = (FUNCTION, OPERATOR, TYPE, RELATION)
        wanted = [(kind, name) for kind in kinds for name in sorted(changing(kind))]
        wanted += [(RELATION, name) for name in sorted(_changed_relations() - changing(RELATION))]
        marks = [(str(at), mark.pattern) for at, mark in enumerate(MARKS) if mark.first <= self._major]
        query = OWN + USED_BY_TREES.replace("TREES", _union(TREES, self._major, False))
        values = ([kind for kind, dummy in wanted], [name for dummy, name in wanted])
        patterns = ([name for name, dummy in marks], [pattern for dummy, pattern in marks])
        views: Dict[int, str] = {}
        rows = self._rows(query, values + patterns)
        marked = [row for row in rows if row["kind"] == _MARK]
        tables = {row["object"] for row in marked if MARKS[int(row["name"])].feature == "json-table"}
        for row in rows:
            if row["kind"] == _MARK:
                mark = MARKS[int(row["name"])]
                # A column of JSON_TABLE is kept as a JSON_VALUE.
                if mark.feature == "json-query" and row["object"] in tables:
                    continue
                self.seen.append(Seen(mark.feature, row["object"], mark.written))
                continue
            self.names.append(Name(row["kind"], row["name"], row["object"]))
            if row["kind"] == RELATION and row["class"] == "pg_class":
                views[int(row["id"])] = row["object"]
        return views

    def _used(self) -> None:
        wanted = [(kind, name) for kind in (TYPE, OPCLASS, ROLE, RESERVED) for name in sorted(changing(kind))]
        values = ([kind for kind, dummy in wanted], [name for dummy, name in wanted])
        rows = self._rows(OWN + USED_NAMES, values) + self._rows(OWN + USED_OTHERS)
        self.names += [Name(row["kind"], row["name"], row["object"]) for row in rows]

    def _texts(self, views: Mapping[int, str]) -> None:
        names = self._rows(OWN + OWN_NAMES)
        own = frozenset(str(row["name"]) for row in names if row["called"])
        relations = frozenset(str(row["name"]) for row in names if not row["called"])
        rows = self._rows(OWN + TEXTS)
        parsed = self._rows(OWN + PARSED) if self._major >= 14 else []
        called = frozenset(name.partition("(")[0] for name in changing(FUNCTION))
        for row in rows:
            body = Body(row["body"], row["trigger"])
            self.seen += [Seen(feature, row["object"], shown) for feature, shown in body.syntax(own)]
            self.names += [Name(CALLED, name, row["object"]) for name in body.calls(called, own)]
            self._relations(body, row["object"], relations)
        for row in parsed:
            self.seen += [Seen(feature, row["object"], shown) for feature, shown in Body(row["body"]).syntax(own)]
        if views:
            for row in self._rows(OWN + VIEWS, [sorted(views)]):
                self._relations(Body(row["body"]), views[int(row["oid"])], relations, columns_only=True)

    def _relations(self, body: Body, thing: str, own: FrozenSet[str], columns_only: bool = False) -> None:
        """Note the system's relations that a text mentions, and their columns that have changed."""
        columns = changing(COLUMN)
        wanted = changing(RELATION) | _changed_relations()
        for relation in body.mentions(wanted - own):
            if not columns_only:
                self.names.append(Name(RELATION, relation, thing))
            for column in sorted(name for name in columns if name.partition(".")[0] == relation):
                if body.has_name(column.partition(".")[2]):
                    self.names.append(Name(COLUMN, column, thing))


def _changed_relations() -> FrozenSet[str]:
    return frozenset(name.partition(".")[0] for name in changing(COLUMN))


def _short(text: Optional[str]) -> str:
    words = " ".join((text or "").split())
    return words if len(words) <= 200 else words[:199] + "…"
