# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text of a page made harmless at once, before a template sees it: none can forget to.

Ansible's templates don't escape by themselves: Jinja's ``autoescape`` does nothing in the environment that they run in.
"""

import html
import re
from typing import Any, Callable

# What HTML doesn't allow, and what turns the direction of what follows, so that a name looks like another.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


class Code(str):
    """A name, a query, a command: shown as code, and copied as it is."""


class Raw(str):
    """Text of our own making, in which nothing of anybody's stands unescaped."""


def for_html(view: Any) -> Any:
    """Return a view whose texts stand in HTML, in an attribute too, as what they are."""
    return _each(view, lambda text: html.escape(_fit(text), quote=True))


def for_markdown(view: Any) -> Any:
    """Return a view whose texts stand in Markdown, in a table too, as what they are; each on one line."""
    return _each(view, _markdown)


def _each(view: Any, escape: Callable[[str], str]) -> Any:
    if isinstance(view, str):
        return escape(view)
    if isinstance(view, dict):
        return {key: _each(value, escape) for key, value in view.items()}
    if isinstance(view, (list, tuple)):
        return [_each(value, escape) for value in view]
    return view


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)


def _markdown(text: str) -> str:
    if isinstance(text, Raw):
        return str(text)
    line = " ".join(_fit(text).split())
    if isinstance(text, Code):
        return _code(line)
    return re.sub(r"([\\`*_~$&<>|\[\]#])", r"\\\1", line)


def _code(line: str) -> str:
    if not line:
        return ""
    # GitHub Flavored Markdown, 4.10: a bar ends a cell even in code, and only there its backslash goes away.
    line = line.replace("|", "\\|")
    runs = re.findall("`+", line)
    fence = "`" * (max([0, *map(len, runs)]) + 1)
    return "%s %s %s" % (fence, line, fence) if runs else "%s%s%s" % (fence, line, fence)


def block(text: str, language: str = "") -> Raw:
    """Return a block of code for Markdown, whose fence nothing in it can end."""
    runs = re.findall("`+", text)
    fence = "`" * max(3, max([0, *map(len, runs)]) + 1)
    return Raw("%s%s\n%s\n%s" % (fence, language, _fit(text).strip("\n"), fence))
