# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A SQL statement as data: a domain writes it, the Postgres adapter composes and runs it.

A domain must not import psycopg2, so a statement is a constant text with ``{}`` for each identifier
and ``%s`` for each value; the adapter turns it into ``psycopg2.sql`` objects.
"""

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Tuple, Union

# PostgreSQL's NAMEDATALEN, less its end.
_MAX_NAME_BYTES = 63
# An identifier, or a qualified one: ("public", "archon_settings").
Name = Union[str, Tuple[str, ...]]


@dataclass(frozen=True)
class Secret:
    """A value that must not be shown: it stands as ``'********'`` in every diff and log."""

    value: str

    def __repr__(self) -> str:
        return "Secret(********)"


def quoted_name(name: Name) -> str:
    """Return an identifier quoted for display, and for the few places where a client program reads SQL text."""
    parts = (name,) if isinstance(name, str) else name
    return ".".join('"%s"' % part.replace('"', '""') for part in parts)


def name_with(name: str, suffix: str) -> str:
    """Return a name with a suffix, within 63 bytes: Postgres would cut it silently, and in the wrong place."""
    kept = name.encode("utf-8")[: _MAX_NAME_BYTES - len(suffix.encode("utf-8"))]
    return kept.decode("utf-8", "ignore") + suffix


def quoted_value(value: Any) -> str:
    """Return a value as a SQL literal for display; secrets are masked."""
    if isinstance(value, Secret):
        return "'********'"
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return "'%s'" % str(value).replace("'", "''")


@dataclass(frozen=True)
class Sql:
    """One statement.

    Arguments:
        text: constant SQL; ``{}`` stands for an identifier, ``%s`` for a value, in order. Never made from input.
        names: the identifiers; a tuple is a qualified name.
        values: the values; a Secret is masked wherever the statement is shown.
        database: where to run it; empty is the maintenance database of the connection.
    """

    text: str
    names: Tuple[Name, ...] = ()
    values: Tuple[Any, ...] = ()
    database: str = ""

    def display(self) -> str:
        """Return the statement as a person would type it, secrets masked."""
        names, values = iter(self.names), iter(self.values)

        def fill(found: "re.Match[str]") -> str:
            mark = found.group(0)
            if mark == "{}":
                return quoted_name(next(names))
            if mark == "%s" and self.values:
                return quoted_value(next(values))
            return mark if mark == "%s" else mark[0]

        return re.sub(r"\{\{|\}\}|\{\}|%s" + ("|%%" if self.values else ""), fill, self.text)

    def to_json(self) -> Dict[str, Any]:
        """Return the statement for a journal. Raises ValueError where it holds a secret: journals never do."""
        if any(isinstance(value, Secret) for value in self.values):
            raise ValueError("a statement with a secret can't be written to a journal")
        return {
            "text": self.text,
            "names": [name if isinstance(name, str) else list(name) for name in self.names],
            "values": list(self.values),
            "database": self.database,
        }

    @classmethod
    def from_json(cls, data: Dict[str, Any]) -> "Sql":
        """Return the statement that to_json wrote."""
        names: List[Name] = [name if isinstance(name, str) else tuple(name) for name in data["names"]]
        return cls(data["text"], tuple(names), tuple(data["values"]), data["database"])
