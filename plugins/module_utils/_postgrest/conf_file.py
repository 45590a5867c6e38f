# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgREST's configuration file: settings read and changed, everything else kept byte for byte.

Its form is that of Haskell's library Configurator, which PostgREST reads it with: ``name = value``, comments from ``#``
to the end of the line; texts in double quotes with backslashes, in which ``$(NAME)`` is a variable of the process and
``$$`` a dollar. Groups in braces and ``import``, which that library knows too, are refused here.
"""

import re
from typing import Dict, List, NamedTuple, Optional

from .._core.errors import ConflictError, InputError
from .settings import BOOLEAN, INTEGER, Setting, find

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_EQUALS = re.compile(r"[ \t\r\n]*=[ \t\r\n]*")
_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_BARE = re.compile(r"[^\s#\"{}\[\];]+")
# What may follow a value: the next setting begins in a line of its own.
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?\r?(?=\n|\Z)")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_VARIABLE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_]*\)|\$\$")
_COMPOSE_REFERENCE = re.compile(r"\$\{")


class Entry(NamedTuple):
    """One setting: its name, its value with ``$(NAME)`` and ``$$`` as they are written, and where it stands."""

    name: str
    value: str
    start: int
    end: int
    line_start: int
    line_end: int
    is_quoted: bool


class ConfFile:
    """A configuration file.

    Arguments:
        data: its content. name: what messages call it.

    Raises:
        InputError: it isn't of that form. ConflictError: a setting stands in it twice.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        try:
            self._text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                "%s isn't UTF-8: byte %d can't be read." % (name, error.start), "Save it as UTF-8."
            ) from error
        self._entries = self._read()
        lines: Dict[str, int] = {}
        for entry in self._entries:
            if entry.name in lines:
                raise ConflictError(
                    "%s sets %s twice, in lines %d and %d."
                    % (name, entry.name, lines[entry.name], self._line(entry.start)),
                    "Keep one of them: PostgREST takes the last.",
                )
            lines[entry.name] = self._line(entry.start)

    def _line(self, position: int) -> int:
        return self._text.count("\n", 0, position) + 1

    def _read(self) -> List[Entry]:
        text, entries = self._text, []
        position = _end(_BLANK, text, 0)
        while position < len(text):
            name = _NAME.match(text, position)
            equals = _EQUALS.match(text, name.end()) if name else None
            if name is None or equals is None:
                raise self._unreadable(position, "is no name with a value")
            quoted = _TEXT.match(text, equals.end())
            value = quoted or _BARE.match(text, equals.end())
            rest = _REST.match(text, value.end()) if value else None
            if value is None or rest is None:
                raise self._unreadable(equals.end(), "has a value that is neither a text in quotes nor one word")
            line_start = text.rfind("\n", 0, position) + 1
            written = _decoded(value.group()[1:-1]) if quoted else value.group()
            line_end = rest.end() + (1 if rest.end() < len(text) else 0)
            entries.append(Entry(name.group(), written, *value.span(), line_start, line_end, quoted is not None))
            position = _end(_BLANK, text, value.end())
        return entries

    def _unreadable(self, position: int, what: str) -> InputError:
        return InputError(
            "Line %d of %s %s." % (self._line(position), self.name, what),
            'Write each setting as `name = "value"` in a line of its own; groups and imports can\'t be edited here.',
        )

    def _entry(self, setting: Setting) -> Optional[Entry]:
        """Return where a setting stands, under its own name or else an older one."""
        for name in (setting.name, *setting.aliases):
            for entry in self._entries:
                if entry.name == name or (setting.name.startswith("app.settings.") and _is_app(entry.name, name)):
                    return entry
        return None

    def get(self, setting: Setting) -> Optional[str]:
        """Return a setting's value, ``$(NAME)`` and ``$$`` as they are written; None where it isn't set."""
        entry = self._entry(setting)
        return None if entry is None else entry.value

    def unknown(self) -> List[str]:
        """Return the names that are no settings of PostgREST."""
        names = []
        for entry in self._entries:
            try:
                find(entry.name)
            except InputError:
                names.append(entry.name)
        return names

    def with_value(self, setting: Setting, value: Optional[str]) -> bytes:
        """Return the file with a setting's value; at its end where it isn't set, and None takes it away with its line.

        Arguments:
            value: ``$(NAME)`` and ``$$`` as they are to be written.
        """
        text = self._text
        entry = self._entry(setting)
        if value is None:
            if entry is not None:
                text = text[: entry.line_start] + text[entry.line_end :]
        elif entry is None:
            newline = "\r\n" if "\r\n" in text else "\n"
            gap = newline if text and not text.endswith("\n") else ""
            text += "%s%s = %s%s" % (gap, setting.name, _written(setting, value, False), newline)
        elif entry.value != value:
            text = text[: entry.start] + _written(setting, value, entry.is_quoted) + text[entry.end :]
        return text.encode("utf-8")


def conf_value(setting: Setting, value: str) -> str:
    """Return a value as a configuration file holds it: a dollar is doubled, ``$(NAME)`` stays a variable.

    Raises:
        InputError: it holds Compose's ``${…}``, which nobody replaces there.
    """
    if _COMPOSE_REFERENCE.search(value.replace("$$", "")):
        raise InputError(
            "%s holds ${…}, which Compose doesn't replace in a configuration file." % setting.name,
            "Write $(VARIABLE) for a variable of the container.",
        )
    position, written = 0, ""
    for found in _VARIABLE.finditer(value):
        # A doubled dollar of the user's is Compose's, and is one dollar there too.
        written += value[position : found.start()].replace("$", "$$") + found.group()
        position = found.end()
    return written + value[position:].replace("$", "$$")


def is_variable(value: str) -> bool:
    """Return whether a value is nothing but ``$(NAME)``."""
    found = _VARIABLE.match(value)
    return found is not None and found.end() == len(value) and value != "$$"


def _end(pattern: "re.Pattern[str]", text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _is_app(written: str, name: str) -> bool:
    try:
        return find(written).name == name
    except InputError:
        return False


def _decoded(written: str) -> str:
    def decode(found: "re.Match[str]") -> str:
        mark = found.group(1)
        return chr(int(mark[1:], 16)) if len(mark) == 5 else _ESCAPES.get(mark, mark)

    return _ESCAPE.sub(decode, written)


def _written(setting: Setting, value: str, is_quoted: bool) -> str:
    bare = setting.kind in (INTEGER, BOOLEAN) and "$" not in value and value
    if bare and not is_quoted:
        return value
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
