# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of functions that the server keeps as text: what they call, and which syntax they use.

Comments and literals are no code. What is put together at run time can't be seen.
"""

import re
from typing import AbstractSet, Dict, Iterator, List, NamedTuple, Sequence, Tuple

WORD, QUOTED, NUMBER, TEXT, SIGN = "word", "quoted", "number", "text", "sign"

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<text>[eE]'(?:[^'\\]|\\.|'')*'|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<number>0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?)
  | (?P<word>[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*)
  | (?P<sign>:=|::|=>|<<|>>|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")
_NEW_INTEGER = re.compile(r"0[xXoObB]|\d+_")
_SHOWN = 8
# What stands before a statement's first word.
_BEGINS = ("", ";", "BEGIN", "ATOMIC", "THEN", "ELSE", "LOOP", "(", ")", ">>", "QUERY", "EXPLAIN")
# A name with brackets behind one of these is no call.
_NO_CALL_AFTER = ("INTO", "TABLE", "FUNCTION", "PROCEDURE", "REFERENCES", "AS", "WITH", "RECURSIVE", "UPDATE", "COPY")
_JSON_CALLS = {
    "JSON_TABLE": "json-table",
    "JSON_VALUE": "json-query",
    "JSON_QUERY": "json-query",
    "JSON_EXISTS": "json-query",
    "JSON_SCALAR": "json-scalar",
    "JSON_SERIALIZE": "json-scalar",
    "JSON_ARRAY": "json-constructor",
    "JSON_ARRAYAGG": "json-constructor",
    "JSON_OBJECTAGG": "json-constructor",
    "MERGE_ACTION": "merge-returning",
}
_PHRASES: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    ("is-json", ("IS", "JSON")),
    ("is-json", ("IS", "NOT", "JSON")),
    ("group-by-distinct", ("GROUP", "BY", "DISTINCT")),
    ("search-clause", ("SEARCH", "DEPTH", "FIRST")),
    ("search-clause", ("SEARCH", "BREADTH", "FIRST")),
    ("cycle-clause", (")", "CYCLE")),
    ("at-local", ("AT", "LOCAL")),
    ("nulls-not-distinct", ("NULLS", "NOT", "DISTINCT")),
    ("without-overlaps", ("WITHOUT", "OVERLAPS")),
    ("not-enforced", ("NOT", "ENFORCED")),
    ("security-invoker", ("SECURITY_INVOKER", "=")),
)


class Token(NamedTuple):
    """A piece of code: its kind, and its text; a quoted name without its quotes, a literal without what it holds."""

    kind: str
    text: str

    @property
    def upper(self) -> str:
        """The word or the sign; nothing that a keyword is for a quoted name or a literal."""
        return self.text.upper() if self.kind in (WORD, SIGN) else ""

    @property
    def name(self) -> str:
        """As Postgres folds a name."""
        return self.text.lower() if self.kind == WORD else self.text if self.kind == QUOTED else ""


def tokens(text: str) -> List[Token]:
    """Return the tokens of a body, in order."""
    found: List[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            break
        position = match.end()
        kind = match.lastgroup or ""
        if match.group("comment"):
            position = _after_comment(text, position)
        elif match.group("text"):
            found.append(Token(TEXT, "'...'"))
        elif match.group("quoted"):
            found.append(Token(QUOTED, match.group("quoted")[1:-1].replace('""', '"')))
        elif kind in (WORD, NUMBER, SIGN):
            found.append(Token(kind, match.group(0)))
    return found


def _after_comment(text: str, position: int) -> int:
    """Return where a comment ends; comments may hold comments."""
    depth = 1
    while depth:
        mark = _COMMENT_MARK.search(text, position)
        if mark is None:
            return len(text)
        depth += 1 if mark.group(0) == "/*" else -1
        position = mark.end()
    return position


class Body:
    """A body to be looked at.

    Arguments:
        text: as pg_proc has it. trigger: whether it is a trigger's, in which old and new are rows of its own.
    """

    def __init__(self, text: str, trigger: bool = False) -> None:
        self._tokens = tokens(text)
        self._words = [token.upper for token in self._tokens]
        self._trigger = trigger

    def mentions(self, names: AbstractSet[str]) -> List[str]:
        """Return those of some names that stand in it as a word, not as a part of another schema's or table's."""
        found: Dict[str, None] = {}
        for at, token in enumerate(self._tokens):
            if token.name in names and (self._word(at - 1) != "." or self._word(at - 2) == "PG_CATALOG"):
                found[token.name] = None
        return list(found)

    def has_name(self, name: str) -> bool:
        """Return whether a name stands in it anywhere."""
        return any(token.name == name for token in self._tokens)

    def calls(self, names: AbstractSet[str], own: AbstractSet[str]) -> List[str]:
        """Return which functions of some names it calls.

        Arguments:
            own: functions of the database itself: without a schema they may be meant.
        """
        found: Dict[str, None] = {}
        for at, token in enumerate(self._tokens):
            if token.name not in names or self._word(at + 1) != "(":
                continue
            qualified = self._word(at - 1) == "."
            if qualified and self._word(at - 2) != "PG_CATALOG":
                continue
            if not qualified and (token.name in own or self._word(at - 1) in _NO_CALL_AFTER):
                continue
            # WITH one AS (...), name (column) AS (...)
            behind = self._close(at + 1) + 1
            if self._word(behind) == "AS" and self._word(behind + 1) in ("(", "MATERIALIZED", "NOT"):
                continue
            found[token.name] = None
        return list(found)

    def syntax(self, own: AbstractSet[str]) -> List[Tuple[str, str]]:
        """Return the features whose syntax it uses, each with the words that show it."""
        found: Dict[str, str] = {}
        for at, feature in self._syntax(own):
            found.setdefault(feature, self._shown(at))
        return list(found.items())

    def _syntax(self, own: AbstractSet[str]) -> Iterator[Tuple[int, str]]:
        for at, token in enumerate(self._tokens):
            word = self._words[at]
            for feature, phrase in _PHRASES:
                if word == phrase[0] and tuple(self._words[at : at + len(phrase)]) == phrase:
                    yield at, feature
            if token.kind == NUMBER and _NEW_INTEGER.match(token.text):
                yield at, "integer-literal"
            elif word == "MERGE":
                yield from self._merge(at)
            elif word in _JSON_CALLS and self._is_plain_call(at, own):
                yield at, _JSON_CALLS[word]
            elif word == "JSON_OBJECT" and self._is_plain_call(at, own) and self._is_constructor(at + 1):
                yield at, "json-constructor"
            elif word == "USING" and self._word(at + 1) == "(":
                close = self._close(at + 1)
                if self._word(close + 1) == "AS" and self._joins(at) and self._lists_names(at + 2, close):
                    yield at, "join-using-alias"
            elif word == "[" and self._is_key(at):
                yield at - 1, "jsonb-subscript"
            elif word == "RETURNING" and not self._trigger and self._returns_old_or_new(at):
                yield at, "returning-old-new"
            elif word == "SYSTEM_USER" and "." not in (self._word(at - 1), self._word(at + 1)):
                yield at, "system-user"

    def _merge(self, at: int) -> Iterator[Tuple[int, str]]:
        behind = self._words[at + 1 : at + 9]
        if self._word(at - 1) not in _BEGINS or (behind[:1] != ["INTO"] and "USING" not in behind):
            return
        yield at, "merge"
        statement = self._words[at : self._end(at)]
        if "RETURNING" in statement:
            yield at, "merge-returning"
        if ("BY", "SOURCE") in zip(statement, statement[1:]):
            yield at, "merge-by-source"

    def _returns_old_or_new(self, at: int) -> bool:
        words = self._words[at : self._end(at)]
        if words[1:3] == ["WITH", "("]:
            return True
        return any(word in ("OLD", "NEW") and following == "." for word, following in zip(words, words[1:]))

    def _is_plain_call(self, at: int, own: AbstractSet[str]) -> bool:
        before = self._word(at - 1)
        return (
            self._word(at + 1) == "("
            and before != "."
            and before not in _NO_CALL_AFTER
            and self._tokens[at].name not in own
        )

    def _is_constructor(self, bracket: int) -> bool:
        """Return whether what is in brackets is what the standard's JSON_OBJECT takes, no array of text."""
        inside = self._words[bracket + 1 : self._close(bracket)]
        return not inside or any(word in (":", "VALUE", "ABSENT") for word in inside)

    def _is_key(self, at: int) -> bool:
        before = self._tokens[at - 1] if at else Token(SIGN, "")
        named = before.kind == QUOTED or (before.kind == WORD and before.upper != "ARRAY")
        literal = at + 2 < len(self._tokens) and self._tokens[at + 1].kind == TEXT
        return (named or before.text == "]") and literal and self._words[at + 2] == "]"

    def _joins(self, at: int) -> bool:
        """Return whether the join that a USING belongs to stands before it, in the same statement."""
        for word in reversed(self._words[:at]):
            if word in (";", "DELETE", "MERGE", "WHERE"):
                return False
            if word == "JOIN":
                return True
        return False

    def _lists_names(self, first: int, close: int) -> bool:
        inside: Sequence[Token] = self._tokens[first:close]
        return bool(inside) and all(token.kind in (WORD, QUOTED) or token.text == "," for token in inside)

    def _word(self, at: int) -> str:
        return self._words[at] if 0 <= at < len(self._words) else ""

    def _close(self, bracket: int) -> int:
        """Return where a bracket is closed; the end of the body where it isn't."""
        depth = 0
        for at in range(bracket, len(self._words)):
            if self._words[at] == "(":
                depth += 1
            elif self._words[at] == ")":
                depth -= 1
                if not depth:
                    return at
        return len(self._words)

    def _end(self, first: int) -> int:
        """Return where the statement ends in which something stands: a semicolon, or a bracket around it."""
        depth = 0
        for at in range(first, len(self._words)):
            word = self._words[at]
            if word == "(":
                depth += 1
            elif word == ")":
                depth -= 1
            if depth < 0 or (word == ";" and not depth):
                return at
        return len(self._words)

    def _shown(self, at: int) -> str:
        return " ".join(token.text for token in self._tokens[at : at + _SHOWN])
