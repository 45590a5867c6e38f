# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The value of ``db-uri``: which database it names, as whom and where, and the same value with another one of these.

Both of libpq's forms, read as libpq reads them (PostgreSQL's manual, "Connection Strings"): a URI, and keywords with
values. Compose's ``${…}`` may stand anywhere; it is never looked into and stays as it is written.
"""

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple
from urllib.parse import quote, unquote

from .._core.errors import InputError

MASK = "********"

_SCHEME = re.compile(r"postgres(?:ql)?://")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A port isn't the host's. An address of version 6 stands in brackets.
_HOST = re.compile(r"\[[^\]]*\]|[^:]*")
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
        user: where the role's name stands, and host: the host's, both as the database.
        is_broken: whether PostgREST could do nothing with it either, or not what was meant.
        has_address: whether it names the host's address too, which wins over its name.
    """

    text: str
    is_uri: bool
    database: Optional[Span] = None
    password: Optional[Span] = None
    problem: str = ""
    remedy: str = ""
    user: Optional[Span] = None
    host: Optional[Span] = None
    is_broken: bool = False
    has_address: bool = False

    def database_name(self) -> Optional[str]:
        """Return the database's name, decoded; one with ``${…}`` in it as it is written, None where there is none."""
        return self.name_at(self.database)

    def name_at(self, span: Optional[Span]) -> Optional[str]:
        """Return what stands at a place, decoded; with ``${…}`` in it as it is written; None for no place."""
        if span is None:
            return None
        written = self.text[span[0] : span[1]]
        if has_reference(written):
            return written
        if self.is_uri:
            return unquote(written[1:-1] if written.startswith("[") else written)
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
            text,
            True,
            problem="it isn't a URI of postgres:// or postgresql://",
            remedy="Correct how it begins.",
            is_broken=True,
        )
    if "=" not in shape:
        return DbUri(
            text,
            False,
            problem="it is neither a URI nor keywords with values"
            + (", but a variable as a whole" if has_reference(text) else ""),
            remedy="Write it out, with ${…} for its parts, or change the variable.",
            is_broken=not has_reference(text),
        )
    return _parse_keywords(text, shape)


def _parse_uri(text: str, shape: str) -> DbUri:
    scheme = _SCHEME.match(shape)
    start = scheme.end() if scheme else 0
    password: Optional[Span] = None
    # As libpq looks for them: credentials end at the first @ that no slash precedes.
    found = re.compile(r"[@/]").search(shape, start)
    host = start
    parts: Dict[str, Span] = {}
    if found and found.group() == "@":
        colon = shape.find(":", start, found.start())
        if colon >= 0:
            password = (colon + 1, found.start())
        parts["user"] = (start, found.start() if colon < 0 else colon)
        host = found.end()
    path = re.compile(r"[/?]").search(shape, host)
    host_end = path.start() if path else len(shape)
    hosts = shape[host:host_end]
    named = _HOST.match(hosts)
    parts["host"] = (host, host + (named.end() if named else 0))

    def wrong(problem: str, remedy: str, span: Optional[Span] = None) -> DbUri:
        return DbUri(text, True, None, span or password, problem, remedy, is_broken=True)

    def without_database(problem: str, remedy: str) -> DbUri:
        return DbUri(text, True, None, password, problem, remedy, parts.get("user"), parts["host"])

    if "@" in hosts:
        span = (password[0] if password else start, shape.rindex("@", host, host_end))
        return wrong("its password holds an @ that isn't encoded", "Write %40 for it.", span)
    if _BAD_ESCAPE.search(shape):
        return wrong(
            "it holds a % that begins no percent-encoding", "Write %25 for a % of the password.", (start, len(text))
        )
    query = shape.find("?", host_end)
    database = (host_end + 1, len(shape) if query < 0 else query)
    has_path = path is not None and path.group() == "/"
    name = shape[database[0] : database[1]] if has_path else ""
    at = shape.find("@", database[0])
    if has_path and (0 <= at < database[1] or "/" in name):
        return wrong(
            "a / stands where none may be, probably one of the password that isn't encoded",
            "Write %2F for a / of the password, and %40 for an @.",
            (start, at if at >= 0 else len(text)),
        )
    if "," in hosts:
        return wrong("it names several hosts", "PostgREST's instance is to use one: name that.")
    has_address = doubled = False
    position = len(shape) if query < 0 else query + 1
    for parameter in shape[position:].split("&"):
        key, equals, value = parameter.partition("=")
        place = (position + len(key) + len(equals), position + len(parameter))
        position += len(parameter) + 1
        if key in ("host", "hostaddr") and ("," in value or "%2c" in value.lower()):
            return wrong("it names several hosts", "PostgREST's instance is to use one: name that.")
        # Of what stands twice libpq takes the last.
        if key in ("user", "host"):
            parts[key] = place
        doubled = doubled or key == "dbname"
        has_address = has_address or key == "hostaddr"
        if key == "password" and password is None:
            password = place
    if doubled:
        return without_database("its parameters name a database too", "Remove dbname= from its parameters.")
    if not has_path:
        return without_database(
            "it names no database: nothing stands behind the host", "Write a / and the database's name there."
        )
    if not name:
        return without_database(
            "it names no database: nothing stands behind the last /", "Write the database's name there."
        )
    return DbUri(text, True, database, password, user=parts.get("user"), host=parts["host"], has_address=has_address)


def _parse_keywords(text: str, shape: str) -> DbUri:
    position = 0
    parts: Dict[str, Span] = {}
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
                is_broken=True,
            )
        position = value.end()
        # Of a keyword that stands twice libpq takes the last.
        parts[key.group(1)] = value.span()
        if key.group(1) in ("host", "hostaddr") and "," in value.group():
            problem, remedy = "it names several hosts", "PostgREST's instance is to use one: name that."
    database, password = parts.get("dbname"), parts.get("password")
    if problem:
        return DbUri(text, False, None, password, problem, remedy, is_broken=True)
    if database is None or not _unquoted(text[database[0] : database[1]]):
        database, problem, remedy = None, "it names no database", "Add dbname= and the database's name."
    return DbUri(
        text,
        False,
        database,
        password,
        problem,
        remedy,
        parts.get("user"),
        parts.get("host"),
        has_address="hostaddr" in parts,
    )


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


def change_parts(
    text: str,
    database: Optional[str] = None,
    user: Optional[str] = None,
    host: Optional[str] = None,
    where: str = "db-uri",
) -> str:
    """Return a value of ``db-uri`` that differs in nothing but these parts of it; None is a part that stays.

    Arguments:
        text: the value as it stands in a compose file.
        database, user, host: not encoded; a single ``${…}`` is written as it is.
        where: what messages call the value.

    Raises:
        InputError: the value has a form in which that can't be done; the message has no secret.
    """
    for part, name in (("database", database), ("user", user), ("host", host)):
        if name is not None:
            text = _change_part(text, part, name, where)
    return text


_WORDS = {"database": "a database", "user": "a role", "host": "a host"}
_KEYWORDS = {"database": "dbname", "user": "user", "host": "host"}


def _change_part(text: str, part: str, name: str, where: str) -> str:
    if not name or "\0" in name or "\n" in name or (part == "host" and "," in name):
        raise InputError("%r is no name of %s." % (name, _WORDS[part]))
    parsed = parse(text)
    span: Optional[Span] = getattr(parsed, part)
    # Without a database's name a value means another one than it says; without a role's or host's it can be given one.
    lacks = parsed.database is None if part == "database" else parsed.is_broken or not _has_form(text)
    if lacks:
        raise InputError("The %s of %s can't be changed: %s." % (part, where, parsed.problem), parsed.remedy)
    if part == "host" and parsed.has_address:
        raise InputError(
            "The host of %s can't be changed: its hostaddr wins over it." % where, "Remove hostaddr= from it first."
        )
    if span is not None and parsed.name_at(span) == name:
        return text
    if parsed.is_uri:
        return _put_in_uri(text, part, name, span)
    old = "" if span is None else text[span[0] : span[1]]
    if _ONE_REFERENCE.match(name):
        new = name
    else:
        new = name.replace("$", "$$")
        if old.startswith("'") or not _PLAIN_KEYWORD_VALUE.match(new):
            new = "'%s'" % new.replace("\\", "\\\\").replace("'", "\\'")
    if span is None:
        return "%s %s=%s" % (text.rstrip(), _KEYWORDS[part], new)
    return text[: span[0]] + new + text[span[1] :]


def _has_form(text: str) -> bool:
    """Return whether a value is a URI or keywords, so that a part can be put into it."""
    return bool(_SCHEME.match(shape_of(text))) or "=" in shape_of(text)


def _put_in_uri(text: str, part: str, name: str, span: Optional[Span]) -> str:
    new = name if _ONE_REFERENCE.match(name) else quote(name, safe="")
    if part == "host" and ":" in name and not _ONE_REFERENCE.match(name):
        new = "[%s]" % name
    if span is not None:
        return text[: span[0]] + new + text[span[1] :]
    scheme = _SCHEME.match(text)
    start = scheme.end() if scheme else 0
    return "%s%s@%s" % (text[:start], new, text[start:])


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
