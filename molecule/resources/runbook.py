# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of a runbook, taken out by their names as they stand there, so that tests run what a person would.

As a program: ``runbook.py FILE 'restore archon_db' [WORD=text …]`` prints one of them, its words filled in.
"""

import pathlib
import re
import sys
from typing import Dict, Sequence

_BLOCK = re.compile(r"^<!-- command: (?P<name>.+?) -->\n```sh\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# What a person fills in.
WORDS = ("COPY_NAME", "DUMP_FILE", "MANIFEST_FILE", "ROLES_FILE", "ASIDE_NAME", "IDENTITY_FILE", "NEW_FOLDER")
WORDS += ("SCHEMA.TABLE",)
MOMENT = "YYYY-MM-DDTHH:MM:SSZ"


def commands(markdown: str) -> Dict[str, str]:
    """Return the blocks of commands by name.

    Raises:
        ValueError: a block has no name, or two of one name aren't the same.
    """
    found: Dict[str, str] = {}
    for match in _BLOCK.finditer(markdown):
        name, text = match.group("name"), match.group("text")
        if found.setdefault(name, text) != text:
            raise ValueError("two blocks are called %s and aren't the same" % name)
    blocks = markdown.count("\n```sh\n")
    if blocks != len(_BLOCK.findall(markdown)):
        raise ValueError("%d blocks of commands, and %d with a name" % (blocks, len(_BLOCK.findall(markdown))))
    return found


def filled(command: str, **words: str) -> str:
    """Return a command with its words in capitals filled in.

    Raises:
        ValueError: one is left.
    """
    for word, text in words.items():
        command = command.replace({"MOMENT": MOMENT, "TABLE": "SCHEMA.TABLE"}.get(word, word), text)
    left = [word for word in (*WORDS, MOMENT) if word in command]
    if left:
        raise ValueError("not filled in: %s" % ", ".join(left))
    return command


def main(arguments: Sequence[str]) -> int:
    """Print one command."""
    file, name, *words = arguments
    found = commands(pathlib.Path(file).read_text(encoding="utf-8"))
    if name not in found:
        print("There is no command %s. There are: %s." % (name, ", ".join(found)), file=sys.stderr)
        return 1
    sys.stdout.write(filled(found[name], **dict(word.split("=", 1) for word in words)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
