# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Markdown that can be read as it is written: tables in columns, commands in blocks that have a name."""

import re
from typing import List, NamedTuple, Sequence


class Command(NamedTuple):
    """A block of commands; its name stands in a comment before it, so that a test can take it out and run it."""

    name: str
    text: str


def command_block(command: Command) -> List[str]:
    """Return the lines of a block of commands."""
    # A comment ends at its first two dashes and a bracket.
    name = command.name.replace("--", "- -")
    return ["<!-- command: %s -->" % name, "```sh", *command.text.splitlines(), "```", ""]


def plain(text: object) -> str:
    """Return somebody's text on one line, in which nothing means anything to Markdown or HTML."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", " ".join(str(text).split()))


def code(text: object) -> str:
    """Return a name or a path as code."""
    line = " ".join(str(text).split())
    fence = "``" if "`" in line else "`"
    return "%s%s%s" % (fence, line, fence) if "`" not in line else "%s %s %s" % (fence, line, fence)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> List[str]:
    """Return a table, its columns padded: on a terminal at night nobody renders it."""
    lines = [list(header)] + [[_cell(cell) for cell in row] for row in rows]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(header))]

    def row(cells: Sequence[str]) -> str:
        return "| %s |" % " | ".join(cell.ljust(width) for cell, width in zip(cells, widths))

    return [row(lines[0]), "| %s |" % " | ".join("-" * width for width in widths), *(row(line) for line in lines[1:])]


def _cell(text: str) -> str:
    """Return a cell; a bar in it, in code too, would begin the next one (GitHub Flavored Markdown, 4.10)."""
    return re.sub(r"(?<!\\)\|", r"\\|", text) or "-"
