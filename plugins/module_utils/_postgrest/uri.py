# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The value of ``db-uri``: which database it names, and the same value with another one.

Both of libpq's forms, read as libpq reads them (PostgreSQL's manual, "Connection Strings"): a URI, and keywords with
values. Compose's ``${…}`` may stand anywhere; it is never looked into and stays as it is written.
"""

import re
from dataclasses import dataclass
from typing import List, Optional, Tuple
from urllib.parse import quote, unquote

from .._core.errors import InputError

MASK = "********"

_SCHEME = re.compile(r"postgres(?:ql)?://")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_KEYWORD_VALUE = re.compile(r"^[A-Za-z0-9_.-]+\Z")
_ONE_REFERENCE = re.compile(r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:?[-?+][^{}]*)?\}\Z")

Span = Tuple[int, int]


@dataclass(frozen=True)
class DbUri:
    """A value of ``db-uri``, with the places of what matters in it.

    Arguments:
        text: the value, as it is written.
        is_uri: whether it is a URI; else keywords and values.
        database: where the database's name stands, quotes of the keyword form included; None where it names none.
        password: where the password stands.
        problem: why the database can't be changed; empty where it can.
        remedy: what the user can do about that.
    """

    text: str
    is_uri: bool
    database: Optional[Span] = None
    password: Optional[Span] = None
    problem: str = ""
    remedy: str = ""

    def database_name(self) -> Optional[str]:
        """Return the database's name, decoded; one with ``${…}`` in it as it is written, None where there is none."""
        if self.database is None:
            return None
        written = self.text[self.database[0] : self.database[1]]
        if has_reference(written):
            return written
        if self.is_uri:
            return unquote(written)
        return _unquoted(written).replace("$$", "$")


def replaced_spans(text: str) -> List[Span]:
    """Return where Compose replaces something: each ``${…}``, each ``$NAME``, and each ``$$`` that becomes a dollar."""
    spans: List[Span] = []
    position = text.find("$")
    while position >= 0:
        end = position + 1
        if text.startswith("$$", position):
            end = position + 2
        elif text.startswith("${", position):
            end = _closing_brace(text, position + 2)
        else:
            name = _NAME.match(text, position + 1)
            end = name.end() if name else end
        if end > position + 1:
            spans.append((position, end))
        position = text.find("$", end)
    return spans


def shape_of(text: str) -> str:
    """Return a text of the same length in which everything that Compose replaces is the letter x."""
    shape = text
    for start, end in replaced_spans(text):
        shape = shape[:start] + "x" * (end - start) + shape[end:]
    return shape


def _closing_brace(text: str, position: int) -> int:
    depth = 1
    while position < len(text):
        if text.startswith("${", position):
            depth += 1
            position += 1
        elif text[position] == "}":
            depth -= 1
            if not depth:
                return position + 1
        position += 1
    return len(text)


def has_reference(text: str) -> bool:
    """Return whether Compose replaces anything in a text."""
    return bool(re.search(r"\$(\{|[A-Za-z_])", text.replace("$$", "")))


def parse(text: str) -> DbUri:
    """Return where everything stands in a value of ``db-uri``. What is wrong with it is its ``problem``."""
    stripped = text.strip()
    if not stripped:
        return DbUri(text, False, problem="it is empty", remedy="Write the whole URI first.")
    if stripped.startswith("@"):
        return DbUri(text, False, problem="it is read from a file", remedy="Change it in that file.")
    shape = shape_of(text)
    if _SCHEME.match(shape):
        return _parse_uri(text, shape)
    if "://" in shape:
        return DbUri(
            text, True, problem="it isn't a URI of postgres:// or postgresql://", remedy="Correct how it begins."
        )
    if "=" not in shape:
        return DbUri(
            text,
            False,
            problem="it is neither a URI nor keywords with values"
            + (", but a variable as a whole" if has_reference(text) else ""),
            remedy="Write it out, with ${…} for its parts, or change the variable.",
        )
    return _parse_keywords(text, shape)


def _parse_uri(text: str, shape: str) -> DbUri:
    scheme = _SCHEME.match(shape)
    start = scheme.end() if scheme else 0
    password: Optional[Span] = None
    # As libpq looks for them: credentials end at the first @ that no slash precedes.
    found = re.compile(r"[@/]").search(shape, start)
    host = start
    if found and found.group() == "@":
        colon = shape.find(":", start, found.start())
        if colon >= 0:
            password = (colon + 1, found.start())
        host = found.end()
    path = re.compile(r"[/?]").search(shape, host)
    host_end = path.start() if path else len(shape)
    hosts = shape[host:host_end]

    def wrong(problem: str, remedy: str, span: Optional[Span] = None) -> DbUri:
        return DbUri(text, True, None, span or password, problem, remedy)

    if "@" in hosts:
        span = (password[0] if password else start, shape.rindex("@", host, host_end))
        return wrong("its password holds an @ that isn't encoded", "Write %40 for it.", span)
    if _BAD_ESCAPE.search(shape):
        return wrong(
            "it holds a % that begins no percent-encoding", "Write %25 for a % of the password.", (start, len(text))
        )
    query = shape.find("?", host_end)
    database = (host_end + 1, len(shape) if query < 0 else query)
    if path is None or path.group() == "?":
        return wrong("it names no database: nothing stands behind the host", "Write a / and the database's name there.")
    name = shape[database[0] : database[1]]
    at = shape.find("@", database[0])
    if 0 <= at < database[1] or "/" in name:
        return wrong(
            "a / stands where none may be, probably one of the password that isn't encoded",
            "Write %2F for a / of the password, and %40 for an @.",
            (start, at if at >= 0 else len(text)),
        )
    if "," in hosts:
        return wrong("it names several hosts", "PostgREST's instance is to use one: name that.")
    parameters = "" if query < 0 else shape[query + 1 :]
    for parameter in parameters.split("&"):
        key, _equals, value = parameter.partition("=")
        if key == "dbname":
            return wrong("its parameters name a database too", "Remove dbname= from its parameters.")
        if key in ("host", "hostaddr") and ("," in value or "%2c" in value.lower()):
            return wrong("it names several hosts", "PostgREST's instance is to use one: name that.")
        if key == "password" and password is None:
            begin = text.index("password=", query) + len("password=")
            password = (begin, begin + len(value))
    if not name:
        return wrong("it names no database: nothing stands behind the last /", "Write the database's name there.")
    return DbUri(text, True, database, password)


def _parse_keywords(text: str, shape: str) -> DbUri:
    position = 0
    database: Optional[Span] = None
    password: Optional[Span] = None
    problem, remedy = "", ""
    pair = re.compile(r"\s*([A-Za-z_]+)\s*=\s*")
    value_pattern = re.compile(r"'(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.)*", re.DOTALL)
    while shape[position:].strip():
        key = pair.match(shape, position)
        value = value_pattern.match(shape, key.end()) if key else None
        if key is None or value is None:
            return DbUri(
                text,
                False,
                None,
                (position, len(text)),
                "what begins at character %d is no keyword with a value" % (position + 1),
                "Write it like `host=db dbname=postgres`, values with spaces in single quotes.",
            )
        position = value.end()
        # Of a keyword that stands twice libpq takes the last.
        if key.group(1) == "dbname":
            database = value.span()
        elif key.group(1) == "password":
            password = value.span()
        elif key.group(1) in ("host", "hostaddr") and "," in value.group():
            problem, remedy = "it names several hosts", "PostgREST's instance is to use one: name that."
    if problem:
        return DbUri(text, False, None, password, problem, remedy)
    if database is None or not _unquoted(text[database[0] : database[1]]):
        return DbUri(text, False, None, password, "it names no database", "Add dbname= and the database's name.")
    return DbUri(text, False, database, password)


def _unquoted(written: str) -> str:
    if len(written) >= 2 and written.startswith("'") and written.endswith("'"):
        written = written[1:-1]
    return re.sub(r"\\(.)", r"\1", written)


def database_of(text: str) -> Optional[str]:
    """Return the database that a value of ``db-uri`` names, or None where it names none that can be told."""
    return parse(text).database_name()


def user_of(text: str) -> Optional[str]:
    """Return the role that a value of ``db-uri`` logs in as, or None where it names none that can be told."""
    parsed = parse(text)
    if parsed.is_uri:
        found = re.match(r"postgres(?:ql)?://([^:@/?]+)(?::[^@/]*)?@", text)
        return unquote(found.group(1)) if found and not has_reference(found.group(1)) else None
    found = re.search(r"(?:^|\s)user\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']+)", text)
    return _unquoted(found.group(1)) if found else None


def change_database(text: str, database: str, where: str = "db-uri") -> str:
    """Return a value of ``db-uri`` that differs in nothing but its database.

    Arguments:
        text: the value as it stands in a compose file.
        database: the database's name, not encoded; a single ``${…}`` is written as it is.
        where: what messages call the value.

    Raises:
        InputError: the value has a form in which that can't be done; the message has no secret.
    """
    if not database or "\0" in database or "\n" in database:
        raise InputError("%r is no name of a database." % database)
    uri = parse(text)
    if uri.database is None:
        raise InputError("The database of %s can't be changed: %s." % (where, uri.problem), uri.remedy)
    if uri.database_name() == database:
        return text
    if _ONE_REFERENCE.match(database):
        new = database
    elif uri.is_uri:
        new = quote(database, safe="")
    else:
        quoted = text[uri.database[0]] == "'"
        new = database.replace("$", "$$")
        if quoted or not _PLAIN_KEYWORD_VALUE.match(new):
            new = "'%s'" % new.replace("\\", "\\\\").replace("'", "\\'")
    return text[: uri.database[0]] + new + text[uri.database[1] :]


def masked(text: str) -> str:
    """Return a value of ``db-uri`` for display: a password that is written out is masked, ``${…}`` stays."""
    uri = parse(text)
    if uri.password is None:
        return text
    start, end = uri.password
    if not is_only_references(text[start:end]):
        return text[:start] + MASK + text[end:]
    return text


def is_only_references(text: str) -> bool:
    """Return whether a text is nothing but ``${…}``, without a default that would be a secret written out."""
    return bool(re.match(r"^(\$\{[A-Za-z_][A-Za-z0-9_]*(:?\?[^{}]*)?\}|\$[A-Za-z_][A-Za-z0-9_]*)*\Z", text))
