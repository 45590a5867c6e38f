# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a newer pg_dump writes that an older server can't read, and what a move makes of it: by exact rules.

A rule concerns whole statements as pg_dump writes them, never text inside of a function's body or of a row.
"""

import re
from dataclasses import dataclass
from typing import AbstractSet, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from .._core.sql import quoted_name
from .._restore.statements import Token, tokens

_RIGHTS = re.compile(
    r"^(?P<head>(?:ALTER DEFAULT PRIVILEGES\b.*?\b)?(?:GRANT|REVOKE)(?: GRANT OPTION FOR)?) (?P<rights>[A-Z, ]+?) ON "
    r"(?P<rest>.*)$",
    re.DOTALL,
)
_UNLOGGED_PARTITIONED = re.compile(r"^CREATE UNLOGGED TABLE (?P<rest>.*\)\s*PARTITION BY .*)$", re.DOTALL)
_PROVIDER = re.compile(r" LOCALE_PROVIDER = libc\b")
_SETTING = re.compile(r'^ALTER (?:DATABASE|ROLE) .*? SET "?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)"? TO ', re.DOTALL)
_OWNER = re.compile(r' OWNER TO (?P<role>"(?:[^"]|"")*"|[a-z_][a-z0-9_$]*)$')
_SUPERUSERS_OWN = ("ALTER EVENT TRIGGER ", "ALTER FOREIGN DATA WRAPPER ")
# What names roles beside its owner, and behind which words.
_NAMING: Tuple[Tuple[Tuple[str, ...], Tuple[str, ...]], ...] = (
    (("ALTER", "DEFAULT", "PRIVILEGES"), ("ROLE", "TO", "FROM")),
    (("GRANT",), ("TO",)),
    (("REVOKE",), ("FROM",)),
    (("ALTER", "ROLE"), ("ROLE",)),
    (("CREATE", "USER", "MAPPING"), ("FOR",)),
    (("SET", "SESSION", "AUTHORIZATION"), ("AUTHORIZATION",)),
)
_AS_ANOTHER, _AS_ONESELF = "SET SESSION AUTHORIZATION ", "RESET SESSION AUTHORIZATION"


class Rule(NamedTuple):
    """One rule.

    Arguments:
        name: its identifier. title: what it does, as a person says it.
        first: the first major that reads such a statement; an older server gets it rewritten.
        rewrite: gives what takes the statement's place; the statement itself where the rule doesn't concern it, None
            where nothing does.
        source: where it is written that the statement is new.
    """

    name: str
    title: str
    first: int
    rewrite: Callable[[str], Optional[str]]
    source: str


def _without_maintain(statement: str) -> Optional[str]:
    found = _RIGHTS.match(statement)
    if found is None:
        return statement
    rights = [right.strip() for right in found.group("rights").split(",")]
    kept = [right for right in rights if right != "MAINTAIN"]
    if len(kept) == len(rights):
        return statement
    return "%s %s ON %s" % (found.group("head"), ",".join(kept), found.group("rest")) if kept else None


def _dropped(pattern: str) -> Callable[[str], Optional[str]]:
    compiled = re.compile(pattern, re.DOTALL)
    return lambda statement: None if compiled.match(statement) else statement


_NOTES = "https://www.postgresql.org/docs/release/%d.0/"
RULES: Tuple[Rule, ...] = (
    Rule(
        "transaction-timeout",
        "pg_dump's own SET transaction_timeout is left out",
        17,
        _dropped(r"^SET transaction_timeout = 0$"),
        _NOTES % 17,
    ),
    Rule("maintain", "the privilege MAINTAIN is left out of what is granted", 17, _without_maintain, _NOTES % 17),
    Rule(
        "locale-provider",
        "the locale provider libc goes without saying",
        15,
        lambda statement: _PROVIDER.sub("", statement) if statement.startswith("CREATE DATABASE ") else statement,
        _NOTES % 15,
    ),
    Rule(
        "unlogged-sequence",
        "sequences of unlogged tables are logged",
        15,
        lambda statement: (
            None
            if re.match(r"^ALTER SEQUENCE .* SET (?:UN)?LOGGED$", statement)
            else re.sub(r"^CREATE UNLOGGED SEQUENCE ", "CREATE SEQUENCE ", statement)
        ),
        _NOTES % 15,
    ),
    Rule(
        "column-compression",
        "a column's compression is the server's own",
        14,
        _dropped(r"^ALTER TABLE (?:ONLY )?.* ALTER COLUMN .* SET COMPRESSION \w+$"),
        _NOTES % 14,
    ),
)
# The other way round: what a newer server refuses of an older one.
_UPWARD: Tuple[Rule, ...] = (
    Rule(
        "unlogged-partitioned",
        "a partitioned table, which holds no rows itself, isn't unlogged",
        18,
        lambda statement: _UNLOGGED_PARTITIONED.sub(r"CREATE TABLE \g<rest>", statement),
        _NOTES % 18,
    ),
)


def _name(token: Token) -> str:
    return token.value if token.quoted else token.value.lower()


@dataclass(frozen=True)
class Rewriting:
    """What a move does with the statements that it carries.

    Arguments:
        target: the server's major.
        owners: roles of the source that are another one's at the target.
        strangers: roles that the target hasn't: what is granted to them is left out.
        settings: the names of settings that the target knows.
    """

    target: int
    owners: Mapping[str, str]
    strangers: AbstractSet[str]
    settings: AbstractSet[str]

    def rewritten(self, given: Iterable[str], told: List[str]) -> List[str]:
        """Return statements of pg_dump's, rewritten.

        Arguments:
            told: gets a sentence for each rule that was used, with how often.
        """
        counts: Dict[str, int] = {}
        kept = []
        by_stranger = False
        for statement in given:
            line = self.statement(statement, counts)
            # What a role has granted that the target hasn't: pg_dump writes it as done by that role.
            if statement.startswith(_AS_ANOTHER):
                by_stranger = line is None
            if line is not None and not by_stranger:
                kept.append(line)
            by_stranger = by_stranger and statement != _AS_ONESELF
        told += ["%s (%d times)" % (what, count) if count > 1 else what for what, count in counts.items()]
        return kept

    def statement(self, statement: str, counts: Dict[str, int]) -> Optional[str]:
        """Return what takes a statement's place, None where nothing does."""
        current: Optional[str] = statement
        for rule in self.rules():
            before = current
            current = rule.rewrite(before) if before is not None else None
            if current != before:
                counts[rule.title] = counts.get(rule.title, 0) + 1
        if current is None:
            return None
        setting = _SETTING.match(current)
        if setting and "." not in setting.group("name") and setting.group("name").lower() not in self.settings:
            what = "setting %s, which the server hasn't, is left out" % setting.group("name")
            counts[what] = counts.get(what, 0) + 1
            return None
        return self._roles(current)

    def rules(self) -> List[Rule]:
        """Return the rules for this target."""
        return [rule for rule in RULES if self.target < rule.first] + [
            rule for rule in _UPWARD if self.target >= rule.first
        ]

    def line(self, line: bytes) -> bytes:
        """Return what takes the place of a line of the rows' script that isn't a row."""
        if line.startswith(b"\\"):
            # pg_dump's own \\restrict, which not every psql knows; and nothing else may be a command of psql's here.
            return b""
        text = line.decode("utf-8", "surrogateescape")
        if not text.rstrip("\n").endswith(";"):
            return line
        rewritten = self.statement(text.rstrip("\n;"), {})
        return b"" if rewritten is None else (rewritten + ";\n").encode("utf-8", "surrogateescape")

    def _roles(self, statement: str) -> Optional[str]:
        """Return a statement with the roles of the target."""
        owner = _OWNER.search(statement)
        if owner is not None:
            if statement.startswith(_SUPERUSERS_OWN):
                return None
            role = owner.group("role")
            name = role[1:-1].replace('""', '"') if role.startswith('"') else role
            if name in self.owners and statement.startswith("ALTER PUBLICATION "):
                # Only a superuser may own one of all tables.
                return None
            return statement[: owner.start("role")] + quoted_name(self.owners.get(name, name))
        words = tuple(statement.split(None, 3)[:3])
        if words[:2] == ("CREATE", "POLICY"):
            return self._policy(statement)
        for first, behind in _NAMING:
            if words[: len(first)] == first:
                return self._named(statement, behind)
        return statement

    def _policy(self, statement: str) -> Optional[str]:
        """Return a policy with the target's names; none where it concerns strangers alone."""
        found = tokens(statement)
        start = next((index for index, token in enumerate(found) if token.is_keyword("TO")), None)
        end = next((i for i, token in enumerate(found) if token.is_keyword("USING") or token.is_keyword("WITH")), None)
        if start is None or (end is not None and end < start):
            return statement
        roles = found[start + 1 : end]
        names = [_name(token) for token in roles]
        kept = [token for token in roles if _name(token) not in self.strangers]
        if kept == roles and not any(name in self.owners for name in names):
            return statement
        mapped = [
            quoted_name(self.owners.get(_name(token), token.value)) if token.quoted else token.value for token in kept
        ]
        if not mapped:
            return None
        text = ", ".join(dict.fromkeys(mapped))
        return statement[: roles[0].start] + text + statement[roles[-1].end :]

    def _named(self, statement: str, behind: Tuple[str, ...]) -> Optional[str]:
        """Return a statement with the target's names behind some words; none where one is a stranger's."""
        found = tokens(statement)
        # From the end: what stands before keeps its place.
        for before, token in reversed(list(zip(found, found[1:]))):
            if not any(before.is_keyword(word) for word in behind):
                continue
            name = _name(token)
            if name in self.strangers:
                return None
            if name in self.owners:
                statement = statement[: token.start] + quoted_name(self.owners[name]) + statement[token.end :]
        return statement
