# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL as pg_dump and pg_dumpall write it, statement by statement: what creates a database, what creates its roles.

Only what these two programs write is understood, never what a person typed. A database's own statements are applied
under another name than the archive's; of the roles only those that are missing are made.
"""

import re
from dataclasses import dataclass
from typing import Collection, Dict, Iterator, List, Mapping, Set, Tuple

from .._core.sql import quoted_name

# In this order: a quote inside of a quoted text, a comment or a body begins nothing.
_TOKEN = re.compile(
    r"""
    (?P<text>E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<body>\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
  | (?P<comment>--[^\n]*)
  | (?P<word>[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*)
  | (?P<end>;)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# psql's own commands (\connect, since the minor releases of August 2025 \restrict) are lines outside of any statement.
_META = re.compile(r"^\\[^\n]*$", re.MULTILINE)


@dataclass(frozen=True)
class Token:
    """A word, or a quoted name; start and end: where it stands."""

    value: str
    quoted: bool
    start: int
    end: int

    def is_keyword(self, word: str) -> bool:
        """Whether it is this keyword."""
        return not self.quoted and self.value.upper() == word


def statements(text: str) -> List[str]:
    """Return the statements of a script without their semicolons, without comments and psql's own commands."""
    found: List[str] = []
    parts: List[str] = []
    position, between = 0, True
    while position < len(text):
        if between:
            meta = _META.match(text, position) if position == 0 or text[position - 1] == "\n" else None
            if meta:
                position = meta.end()
                continue
        token = _TOKEN.match(text, position)
        if token is None:
            break
        position = token.end()
        if token.group("comment"):
            continue
        if token.group("end"):
            found.append("".join(parts).strip())
            parts, between = [], True
        else:
            parts.append(token.group(0))
            between = between and token.group(0).isspace()
    return [statement for statement in found if statement]


def tokens(statement: str) -> List[Token]:
    """Return the words and names of a statement, in order; literals, numbers and signs are left out."""
    found = []
    for match in _TOKEN.finditer(statement):
        if match.group("word"):
            # Unquoted, a name is folded to lower case.
            found.append(Token(match.group("word"), False, match.start(), match.end()))
        elif match.group("quoted"):
            found.append(Token(match.group("quoted")[1:-1].replace('""', '"'), True, match.start(), match.end()))
    return found


def _name(token: Token) -> str:
    return token.value if token.quoted else token.value.lower()


def of_database(text: str, database: str, name: str) -> List[str]:
    """Return the statements that concern a database itself, applied to one of another name, in order.

    Arguments:
        text: what ``pg_restore --create --file=-`` writes. database: the name in there. name: the actual one.
    """
    renamed = []
    for statement in statements(text):
        found = tokens(statement)
        for before, token, following in zip(found, found[1:], found[2:]):
            # A role may be called database, without quotes.
            if token.is_keyword("DATABASE") and not before.is_keyword("ROLE") and _name(following) == database:
                renamed.append(statement[: following.start] + quoted_name(name) + statement[following.end :])
                break
    return renamed


def without_tablespace(statement: str) -> str:
    """Return what creates a database without the tablespace that it names, for a server that has none of its own."""
    found = tokens(statement)
    for token, following in zip(found, found[1:]):
        if token.is_keyword("TABLESPACE"):
            return statement[: token.start].rstrip() + statement[following.end :]
    return statement


@dataclass(frozen=True)
class Roles:
    """The roles of a cluster as pg_dumpall wrote them.

    Arguments:
        made: the statements that make each role, in order: itself, its attributes with its verifier, its settings, its
            rights to set the server's parameters.
        granted: pairs of role and member, with the statement that makes one of the other.
    """

    made: Mapping[str, Tuple[str, ...]]
    granted: Tuple[Tuple[str, str, str], ...]


def read_roles(text: str) -> Roles:
    """Return the roles in the output of ``pg_dumpall --globals-only``; tablespaces are left out."""
    made: Dict[str, List[str]] = {}
    granted: List[Tuple[str, str, str]] = []
    for statement in statements(text):
        found = tokens(statement)
        words = [token.value.upper() if not token.quoted else "" for token in found]
        if words[:2] in (["CREATE", "ROLE"], ["ALTER", "ROLE"]) and len(found) > 2:
            made.setdefault(_name(found[2]), []).append(statement)
        elif words[:3] == ["COMMENT", "ON", "ROLE"] and len(found) > 3:
            made.setdefault(_name(found[3]), []).append(statement)
        elif words[:1] == ["GRANT"] and len(found) > 3 and words[2] == "TO":
            granted.append((_name(found[1]), _name(found[3]), statement))
        elif words[:1] == ["GRANT"] and "PARAMETER" in words and "TO" in words[:-1]:
            grantee = _name(found[words.index("TO") + 1])
            if grantee in made:
                made[grantee].append(statement)
    return Roles({name: tuple(lines) for name, lines in made.items()}, tuple(granted))


def missing_roles(roles: Roles, needed: Collection[str], there: Collection[str]) -> List[str]:
    """Return the statements that make those of the needed roles that aren't there, and what they are members of.

    A role that is there stays as it is. One that is made becomes a member of what it was a member of, and gets back
    the members that are made with it or are there. Who granted it is told where the server has that role.

    Arguments:
        needed: names of roles; what they are members of is needed as well.
        there: the roles that the server has.
    """
    wanted = set(_with_memberships(roles, needed)) - set(there)
    lines = [line for name in roles.made if name in wanted for line in roles.made[name]]
    known = wanted | set(there)
    lines += [
        _without_strangers(line, known)
        for role, member, line in roles.granted
        if (role in wanted or member in wanted) and role in known and member in known
    ]
    return lines


def _without_strangers(line: str, known: Collection[str]) -> str:
    """Return a membership's statement without its grantor where that isn't known: whoever runs it grants it then."""
    found = tokens(line)
    if found[-3].is_keyword("GRANTED") and _name(found[-1]) not in known:
        return line[: found[-3].start].rstrip()
    return line


def as_dumped(roles: Roles, there: Collection[str], login: str) -> List[str]:
    """Return the statements that give every role what the dump has, those included that are there.

    Arguments:
        login: the role that this run logs in as: its password stays what it is.
    """
    lines = []
    for name, made in roles.made.items():
        if name != login:
            lines += [line for line in made if name not in there or not line.startswith("CREATE ROLE")]
    return lines + [line for _role, _member, line in roles.granted]


def _with_memberships(roles: Roles, needed: Collection[str]) -> Iterator[str]:
    seen: Set[str] = set()
    waiting = [name for name in needed if name in roles.made]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name
            waiting.extend(role for role, member, _line in roles.granted if member == name and role in roles.made)
