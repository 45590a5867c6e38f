# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that run this collection's playbooks, with the user's own inventory."""

import json
import re
from typing import Any, Dict, Mapping

from .._core.sql import name_with
from .markdown import Command
from .stock import word

# What a shell and Ansible's key=value reader both take as one word.
_PLAIN = re.compile(r"^[A-Za-z0-9_.:/+-]+$")


def play(playbook: str, inventory: str, **variables: Any) -> str:
    """Return the command that runs a playbook; variables that aren't plain words are given as JSON."""
    words = ["ansible-playbook bulkhead.stack.%s -i %s" % (playbook, word(inventory))]
    for name, value in variables.items():
        text = "true" if value is True else value
        if isinstance(text, str) and _PLAIN.match(text):
            words.append("-e %s=%s" % (name, text))
        else:
            words.append("-e %s" % word(json.dumps({name: value}, ensure_ascii=False)))
    return " ".join(words)


def _identity(playbook: str, encrypted: bool) -> Dict[str, str]:
    """Return the variable without which a playbook can do nothing with an encrypted copy."""
    return {"bulkhead_%s_identity_file" % playbook: "IDENTITY_FILE"} if encrypted else {}


def database_commands(database: Mapping[str, Any], inventory: str) -> Dict[str, Command]:
    """Return the blocks of one database by what they do."""
    key = database["key"]
    identity = _identity("restore", database["encrypted"])

    def restore(**variables: Any) -> str:
        return play("restore", inventory, bulkhead_restore_database=key, **variables, **identity)

    found = {
        "restore": restore(),
        "restore-end-sessions": restore(bulkhead_restore_end_sessions=True),
        "restore-copy": restore(bulkhead_restore_copy="COPY_NAME"),
        "restore-before": restore(bulkhead_restore_before="YYYY-MM-DDTHH:MM:SSZ"),
        "look": restore(bulkhead_restore_as=name_with(database["name"], "_look")),
        "table": restore(bulkhead_restore_tables=["SCHEMA.TABLE"]),
        "drill": play("drill", inventory, bulkhead_drill_databases=[key], **_identity("drill", database["encrypted"])),
        "back": play("restore", inventory, bulkhead_restore_database=key, bulkhead_restore_back_to="ASIDE_NAME"),
    }
    if database["archived"]:
        found["undo-isolation"] = play("rollback", inventory, bulkhead_rollback_database=key)
    return {part: Command("%s %s" % (part, key), text) for part, text in found.items()}


def host_commands(inventory: str, encrypted: bool) -> Dict[str, Command]:
    """Return the blocks that concern the whole host."""
    found = {
        "audit": play("audit", inventory),
        "copies": play("copies", inventory),
        "status": play("runbook", inventory),
        "restore-all": play("restore", inventory, bulkhead_restore_all=True, **_identity("restore", encrypted)),
        "drill-all": play("drill", inventory, **_identity("drill", encrypted)),
        "backup": play("backup", inventory),
        "site": play("site", inventory),
    }
    return {part: Command(part, text) for part, text in found.items()}
