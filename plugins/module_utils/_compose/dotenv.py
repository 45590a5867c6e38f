# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Env files as Compose reads them: one value changed, everything else kept byte for byte."""

import re
from typing import Dict, List, NamedTuple, Optional

from .._core.errors import InputError
from .document import BOM

_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?:=|:(?=[ \t]))[ \t]*")
_BARE_COMMENT = re.compile(r"[ \t]+#.*$")
_SAFE = re.compile(r"^[^\s#'\"`\\$]*$")
_REFERENCE = re.compile(r"\$\{[A-Za-z_]")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$"}


class Assignment(NamedTuple):
    """One assignment: its name, value and where the value stands as it is written, quotes included."""

    name: str
    value: str
    start: int
    end: int
    line: int
    quote: str


def _decode(data: bytes, name: str) -> str:
    try:
        return data[len(BOM) :].decode("utf-8") if data.startswith(BOM) else data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("%s isn't UTF-8: byte %d can't be read." % (name, error.start), "Save it as UTF-8.") from error


def _assignments(text: str) -> List[Assignment]:
    found: List[Assignment] = []
    position = 0
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        match = _ASSIGNMENT.match(text, position, end)
        if match is None:
            position = end + 1
            continue
        start = match.end()
        quote = text[start : start + 1]
        if quote in ("'", '"'):
            close = start + 1
            while close < len(text) and text[close] != quote:
                close += 2 if text[close] == "\\" and quote == '"' else 1
            if close < len(text):
                raw = text[start + 1 : close]
                value = (
                    raw
                    if quote == "'"
                    else re.sub(r"\\(.)", lambda mark: _ESCAPES.get(mark.group(1), mark.group()), raw)
                )
                found.append(Assignment(match.group(1), value, start, close + 1, position, quote))
                end = text.find("\n", close)
                position = len(text) if end < 0 else end + 1
                continue
        raw = text[start:end]
        raw = "" if raw.startswith("#") else _BARE_COMMENT.sub("", raw).rstrip()
        found.append(Assignment(match.group(1), raw, start, start + len(raw), position, ""))
        position = end + 1
    return found


def read_dotenv(data: bytes, name: str = "The env file") -> Dict[str, str]:
    """Return an env file's variables; the last assignment of a name wins; references stay as they are written."""
    return {item.name: item.value for item in _assignments(_decode(data, name))}


def read_certain(data: bytes, name: str = "The env file") -> Dict[str, Optional[str]]:
    """Return an env file's variables as Compose reads them; None: it refers to another, and only Compose can tell."""
    text = _decode(data, name)
    found: Dict[str, Optional[str]] = {}
    for item in _assignments(text):
        written = text[item.start : item.end]
        refers = item.quote != "'" and "$" in (written.replace("\\$", "") if item.quote else written)
        found[item.name] = None if refers else item.value
    return found


def set_dotenv(data: Optional[bytes], variable: str, value: Optional[str], name: str = "The env file") -> bytes:
    """Return an env file in which one variable has a value: its last assignment is changed, or one is appended.

    Arguments:
        data: the file; None where there is none yet.
        value: None removes the variable's assignments, with their lines.
    """
    text = _decode(data or b"", name)
    found = [item for item in _assignments(text) if item.name == variable]
    newline = "\r\n" if "\r\n" in text else "\n"
    if value is None:
        for item in reversed(found):
            end = text.find("\n", item.end)
            text = text[: item.line] + ("" if end < 0 else text[end + 1 :])
    elif found:
        last = found[-1]
        if last.value == value:
            return data or b""
        rest = text[last.end :]
        text = text[: last.start] + quoted(value, last.quote) + (" " if rest.startswith("#") else "") + rest
    else:
        line = "%s=%s" % (variable, quoted(value, ""))
        text += newline + line if text and not text.endswith("\n") else line + newline
    return (BOM if data and data.startswith(BOM) else b"") + text.encode("utf-8")


def quoted(value: str, quote: str) -> str:
    """Return a value as it is written in an env file: in this quote where it can be, else in one in which it can."""
    if not quote and _SAFE.match(value):
        return value
    plain = "\n" not in value and "\r" not in value
    if _REFERENCE.search(value):
        # A reference stays one: in single quotes it would be a text.
        return value if not quote and plain and not re.search(r"[\s#'\"`\\]", value) else _double(value, False)
    if quote != '"' and plain and "'" not in value:
        return "'%s'" % value
    return _double(value, True)


def literal(value: str) -> str:
    """Return a value as it is written in an env file so that Compose reads exactly it: no dollar in it refers."""
    if value and _SAFE.match(value):
        return value
    if not re.search(r"['\n\r]", value) and not value.endswith("\\"):
        return "'%s'" % value
    return _double(value, True)


def _double(value: str, escape_dollar: bool) -> str:
    text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return '"%s"' % (text.replace("$", "\\$") if escape_dollar else text)
