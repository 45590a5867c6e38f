# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disaster recovery runbook: what to do on the bad day, for somebody who has just been woken.

It changes only when the description does: nothing in it is dated. What changes by the day is in the status file.
"""

from typing import Any, Dict, List, Mapping, Sequence

from .._core.sql import name_with
from .._core.text import format_duration
from .markdown import Command, code, command_block, plain, table
from .plays import database_commands, host_commands
from .stock import BROKEN, RESTORED, Tools, commands, open_set, probe_command

Thing = Mapping[str, Any]
_HERE = "disaster-recovery-runbook.md"


def runbook(wanted: Thing, host: str, inventory: str, status_file: str = "recovery-status.md") -> str:
    """Return the runbook as Markdown.

    Arguments:
        wanted: the projection ``docs`` of the description.
        host: the host's name in the inventory.
        inventory: the inventory's path on the machine that runs Ansible.
        status_file: the status file, relative to the runbook.
    """
    clusters = {item["name"]: item for item in wanted["clusters"]}
    copied = [item for item in wanted["databases"] if item["folder"]]
    general = host_commands(inventory, any(item["encrypted"] for item in copied))
    lines = _head(host, status_file)
    lines += _look(wanted, general, status_file)
    lines += _cases(copied)
    lines += ["## 3. Commands", ""] + _capitals(status_file, copied)
    lines += _server_down(wanted)
    lines += _one_database(wanted, clusters, copied, inventory, status_file)
    lines += _cluster_lost(wanted, clusters, copied, general)
    lines += _host_lost(wanted, copied, general, inventory)
    lines += _without_ansible(clusters, copied, status_file)
    lines += _verify(clusters, copied, general, inventory)
    lines += _back(clusters, copied, inventory)
    lines += _people(wanted["contacts"])
    lines += _afterwards(wanted, general)
    return "\n".join(lines).rstrip("\n") + "\n"


def _head(host: str, status_file: str) -> List[str]:
    return [
        "# Disaster recovery: %s" % plain(host),
        "",
        "Read it in order. Each step says what to do next. Slow is fast: a wrong restore costs more than ten minutes.",
        "",
        "What is newest, and what is missing: **[%s](%s)**, beside this file. Open it now."
        % (status_file, status_file),
        "",
        "Sections: 1 stop and look, 2 which case is it, 3 commands, 4 verify, 5 roll back, 6 whom to call, 7 after it.",
        "",
        "Written from the description by `bulkhead.stack.runbook`. What is changed here by hand is lost; change the",
        "description.",
        "",
    ]


def _look(wanted: Thing, general: Dict[str, Command], status_file: str) -> List[str]:
    critical = [code(item["key"]) for item in wanted["databases"] if item["criticality"] == "critical"]
    lines = [
        "## 1. Stop and look",
        "",
        "- **Delete nothing.** No `docker compose down -v`, `docker volume rm`, `docker system prune`, no `DROP`.",
        "- Write down the time, and what you see. A photo of the screen will do.",
    ]
    if critical:
        lines.append("- If one of these is concerned, call somebody now (section 6): %s." % ", ".join(critical))
    lines += ["- If %s begins with MISSING, read that first." % status_file, "", "Is every container up?", ""]
    lines += command_block(Command("containers", "docker ps -a --format 'table {{.Names}}\\t{{.Status}}'"))
    lines += ["Does each server answer, and which databases has it?", ""]
    for cluster in wanted["clusters"]:
        listing = Tools(cluster).run("psql", "-X -d template1 -l")
        lines += command_block(Command("databases %s" % cluster["name"], listing))
    lines += ["Is a disk full? Then nothing is lost: make room first, and look again.", ""]
    lines += command_block(Command("disks", "df -h"))
    lines += ["The whole picture, on the machine that runs Ansible. It changes nothing:", ""]
    return lines + command_block(general["audit"])


def _cases(copied: Sequence[Thing]) -> List[str]:
    rows = [
        ["A server's container is down or restarts, its data is there", "3.1"],
        ["One database is gone, damaged, or has wrong rows; the others are well", "3.2, that database"],
        ["Some rows or one table are gone; the rest must stay as it is", "3.2, that database, *beside it*"],
        ["A server runs and is empty: its volume is lost", "3.3"],
        ["The host is lost", "3.4"],
        ["There is no Ansible at hand, or it fails", "3.5"],
        ["A restore made it worse", "5"],
        ["Not sure", "6: call somebody. Restore *beside it* (3.2) and look: that touches nothing"],
    ]
    lines = ["## 2. Which case is it?", "", *table(["what you see", "go to"], rows), ""]
    if not copied:
        lines += ["**No database of the description is dumped: there is nothing to restore from.**", ""]
    return lines


def _capitals(status_file: str, copied: Sequence[Thing]) -> List[str]:
    words = [
        [
            "`COPY_NAME`",
            "a copy, such as `backup_archon_db_20261124_020000`: in %s, or `ls` of the folder" % status_file,
        ],
        ["`DUMP_FILE`", "its file that ends in `.dump`, `.dump.zst` or `.age`, or its folder that ends in `.dump.dir`"],
        ["`MANIFEST_FILE`", "its file that ends in `.manifest.json`. Its field `restore` says how the dump is opened"],
        ["`ROLES_FILE`", "its file that ends in `.globals.sql` (or `.globals.sql.age`)"],
        ["`ASIDE_NAME`", "the database that a restore has put aside: `psql -l` shows it (section 5)"],
    ]
    if any(item["encrypted"] for item in copied):
        words.append(
            ["`IDENTITY_FILE`", "the secret key of the copies. It is not on this host: who has it is in section 6"]
        )
    if any(item["saved"] for item in copied):
        words.append(["`NEW_FOLDER`", "a folder that isn't there yet. Remove it when all that was in it has its place"])
    lines = ["Words in capitals are for you to fill in:", "", *table(["word", "what to put there"], words), ""]
    return lines + ["`ansible-playbook` is run where Ansible is installed; everything else on the host itself.", ""]


def _server_down(wanted: Thing) -> List[str]:
    lines = ["### 3.1 A server is down, its data is there", ""]
    for cluster in wanted["clusters"]:
        if not cluster["container"]:
            lines += ["Server %s runs outside of a container: start it in its own way." % code(cluster["name"]), ""]
            continue
        name = cluster["container"]
        lines += ["Server %s: its last words, then start it, and wait until it answers." % code(cluster["name"]), ""]
        lines += command_block(Command("log %s" % cluster["name"], "docker logs --tail 50 %s" % name))
        ready = Tools(cluster).run("pg_isready", "")
        lines += command_block(Command("start %s" % cluster["name"], "docker start %s\n%s" % (name, ready)))
    return lines + [
        "It doesn't stay up: read its log to the end before anything else. A full disk is the usual reason.",
        "",
    ]


def _one_database(
    wanted: Thing, clusters: Mapping[str, Thing], copied: Sequence[Thing], inventory: str, status_file: str
) -> List[str]:
    lines = ["### 3.2 One database", ""]
    rows = [
        [
            code(item["key"]),
            item["criticality"],
            _duration(item["rpo_s"]),
            _duration(item["rto_s"]),
            plain(item["holds"]),
            ", ".join(code(name) for name in item["containers"]),
        ]
        for item in wanted["databases"]
    ]
    header = ["database", "criticality", "may lose (RPO)", "back within (RTO)", "holds", "used by"]
    lines += ["What comes first is brought back first.", "", *table(header, rows), ""]
    lines += [
        "How long it took the last time, and how old the newest copy is: [%s](%s)." % (status_file, status_file),
        "",
    ]
    for item in wanted["databases"]:
        if item["inside"]:
            lines += [
                "**%s** stays inside of %s: bring its tables back *beside it*, from there."
                % (code(item["key"]), code(item["inside"])),
                "",
            ]
        elif not item["folder"]:
            lines += ["**%s is not dumped.** This runbook can't bring it back." % code(item["key"]), ""]
    for item in copied:
        lines += _database(wanted, item, clusters[item["cluster"]], database_commands(item, inventory))
    return lines


def _database(wanted: Thing, item: Thing, cluster: Thing, blocks: Dict[str, Command]) -> List[str]:
    key = item["key"]
    where = "container %s" % code(cluster["container"]) if cluster["container"] else code(cluster["host"])
    lines = ["#### %s%s" % (key, ": %s" % plain(item["holds"]) if item["holds"] else ""), ""]
    facts = [
        "%s on server %s (%s)" % (code(item["name"]), code(item["cluster"]), where),
        "copies in %s, made by the schedule %s (%s)"
        % (code(item["folder"]), code(item["schedule"]), plain(wanted["timezone"])),
        item["criticality"],
    ]
    lines += ["%s." % "; ".join(facts), ""]
    lines += _besides(item)
    lines += [
        "1. Restore the newest verified copy in its place. The services are stopped, what is there now is put aside,",
        "   the services are started. Somebody else is connected? It names them, and stops before it touches anything.",
        "",
        *command_block(blocks["restore"]),
        "   Throw out whoever is connected:",
        "",
        *command_block(blocks["restore-end-sessions"]),
        "   Or an older state: a copy by its name, or the newest from before a moment (UTC).",
        "",
        *command_block(blocks["restore-copy"]),
        *command_block(blocks["restore-before"]),
        "2. Verify: section 4, %s. It isn't right? Roll back: section 5, %s." % (code(key), code(key)),
        "",
        "*Beside it*, with nothing stopped or swapped: all of it, under another name,",
        "",
        *command_block(blocks["look"]),
        "or the rows of one table, into a schema `restored_…` of today's database. Compare, and take what you need.",
        "",
        *command_block(blocks["table"]),
    ]
    return lines


def _besides(item: Thing) -> List[str]:
    """Return what a recovery needs besides the dump."""
    lines = []
    for need in item["needs"]:
        where = need.get("env_file") or ""
        what = code(need["variable"]) if need.get("variable") else code(need["file"]) if need.get("file") else ""
        words = [what, plain(need["what"]) if need.get("what") else "", "in %s" % code(where) if where else ""]
        lines.append(_bullet(" ".join(part for part in words if part), need["note"]))
    for volume in item["volumes"]:
        where = "what is mounted at %s" % code(volume.get("target"))
        named = "the %s %s" % ("folder" if "/" in str(volume.get("name")) else "volume", code(volume.get("name")))
        lines.append(_bullet(named if volume.get("name") else where, volume["note"]))
    if item["saved"]:
        lines += [
            "",
            "They were saved beside the copies, encrypted. Open the newest recovery set; `CONTENTS.json` in it says",
            "what it holds and where that was, `variables.env` has the values:",
            "",
            *command_block(open_set(item)),
        ]
    return ["The dump alone is not enough. It also needs:", "", *lines, ""] if lines else []


def _bullet(what: str, note: str) -> str:
    return "- [ ] %s%s" % (what, ". %s" % plain(note) if note else "")


def _cluster_lost(
    wanted: Thing, clusters: Mapping[str, Thing], copied: Sequence[Thing], general: Dict[str, Command]
) -> List[str]:
    lines = [
        "### 3.3 A server's data is gone",
        "",
        "1. Is it really gone? `docker volume ls` may show the old volume: a project that was started under another",
        "   name, or from another folder, gets a new one. Then start it as it was, and you are done.",
        "2. Bring the server's container up from its compose file, with an empty volume. It must answer:",
        "",
    ]
    for cluster in wanted["clusters"]:
        if any(item["cluster"] == cluster["name"] for item in copied):
            lines += command_block(Command("ready %s" % cluster["name"], Tools(cluster).run("pg_isready", "")))
    lines += ["3. Restore the roles, and then every database, the most critical first:", ""]
    lines += command_block(general["restore-all"])
    missing = [code(item["key"]) for item in copied if not item["has_globals"]]
    if missing:
        lines += ["   Copies of %s have no roles beside them: make these roles by hand first." % ", ".join(missing), ""]
    return lines + ["4. Verify each database: section 4.", ""]


def _host_lost(wanted: Thing, copied: Sequence[Thing], general: Dict[str, Command], inventory: str) -> List[str]:
    folders = sorted({item["folder"] for item in copied})
    lines = ["### 3.4 The host is lost", "", "On a new host with Docker, in this order:", ""]
    lines.append(
        "1. [ ] The copies, back in their folders: %s." % (", ".join(code(path) for path in folders) or "none")
    )
    lines.append("2. [ ] The inventory %s, and the vault's password." % code(inventory))
    lines.append("3. [ ] The compose folders with their `.env` files, and what the databases need besides their dumps:")
    for item in copied:
        names = [need.get("variable") or need.get("file") or need.get("what") for need in item["needs"]]
        names += [volume.get("name") or volume["target"] for volume in item["volumes"]]
        if names:
            saved = ". Its recovery set has them (3.2)" if item["saved"] else ""
            lines.append("   - [ ] %s: %s%s" % (code(item["key"]), ", ".join(code(name) for name in names), saved))
    lines += [
        "4. [ ] %s, if it was saved: the register, journals, and passwords that were made." % code(wanted["state_dir"]),
        "5. [ ] The servers, then everything of section 3.3.",
        "6. [ ] The services: `docker compose up -d` in their folders, then:",
        "",
    ]
    return lines + command_block(general["site"])


def _without_ansible(clusters: Mapping[str, Thing], copied: Sequence[Thing], status_file: str) -> List[str]:
    lines = [
        "### 3.5 Without Ansible",
        "",
        "Docker and Postgres' own programs are enough. Nothing here drops anything. If `psql` asks for a password,",
        "it is `POSTGRES_PASSWORD` in the `.env` of the server's compose project.",
        "",
    ]
    for item in copied:
        cluster = clusters[item["cluster"]]
        blocks, key, name = commands(item, cluster), item["key"], item["name"]
        lines += ["#### %s, without Ansible" % key, ""]
        lines += ["1. Which copy? %s names the newest verified one. Else take the newest here:" % status_file, ""]
        lines += command_block(blocks["files"])
        lines += ["2. Stop whatever writes to it%s" % (":" if "stop" in blocks else "."), ""]
        lines += command_block(blocks["stop"]) if "stop" in blocks else []
        lines += ["   Somebody is still connected?", ""] + command_block(blocks["who"])
        lines += [
            "3. Only if the server is new and empty: its roles. It says that roles exist already: that is all right.",
            "",
        ]
        lines += command_block(blocks["roles"])
        lines += ["4. Put what is there now aside, as %s. Leave this out if" % code(name_with(name, BROKEN))]
        lines += ["   %s isn't there any more." % code(name), ""]
        lines += command_block(blocks["aside"])
        lines += [
            "5. Restore, with owners, grants and settings. Either the file ends in `.dump.zst`%s:" % _age(item),
            "",
        ]
        lines += command_block(blocks["restore-zst"])
        lines += ["   or it ends in `.dump`%s:" % _age(item), ""]
        lines += command_block(blocks["restore"])
        if "restore-directory" in blocks:
            lines += ["   or it is a folder that ends in `.dump.dir`:", ""] + command_block(blocks["restore-directory"])
        lines += [
            "   It failed half-way? Put what it made aside, as %s, mend the reason," % code(name_with(name, RESTORED))
        ]
        lines += ["   and do step 5 again:", ""]
        lines += command_block(blocks["clear"])
        lines += ["6. Compare it with its copy, table by table. Rows that differ are shown.", ""]
        lines += command_block(blocks["rows"])
        if "probe" in blocks:
            lines += ["   This must say `t`:", ""] + command_block(blocks["probe"])
        lines += ["7. Start what was stopped.", ""]
        lines += command_block(blocks["start"]) if "start" in blocks else []
        lines += [
            "To go back to what was there before: stop (step 2), put the restored one aside (the block in step 5),",
            "then:",
            "",
        ]
        lines += command_block(blocks["back"])
    return lines


def _age(item: Thing) -> str:
    return " before its `.age`" if item["encrypted"] else ""


def _verify(
    clusters: Mapping[str, Thing], copied: Sequence[Thing], general: Dict[str, Command], inventory: str
) -> List[str]:
    lines = [
        "## 4. Verify",
        "",
        "A restore by Ansible has compared every table with its copy. Now from the outside:",
        "",
    ]
    lines += command_block(general["audit"])
    for item in copied:
        lines += ["### Verify %s" % item["key"], ""]
        if item["probe"]:
            lines += ["This must say `t`:", ""] + command_block(probe_command(item, clusters[item["cluster"]]))
        checks = ["%s answers 200" % code("curl -fsS %s" % url) for url in item["health"]]
        if item["containers"]:
            checks.append("no errors in the last lines of %s" % ", ".join(code(name) for name in item["containers"]))
        if item["tables"]:
            checks.append("%d tables are there, among them %s" % (len(item["tables"]), code(item["tables"][0])))
        checks += [plain(text) for text in item["checklist"]]
        checks.append("somebody who uses it has looked at the newest rows")
        lines += ["- [ ] %s" % text for text in checks] + [""]
        lines += [
            "Is a copy itself in doubt? Restore it into a container that is thrown away; this touches nothing:",
            "",
        ]
        lines += command_block(database_commands(item, inventory)["drill"])
    return lines


def _back(clusters: Mapping[str, Thing], copied: Sequence[Thing], inventory: str) -> List[str]:
    lines = [
        "## 5. Roll back",
        "",
        "What a restore has replaced is kept under another name until the register's date. Rows that came after the",
        "restore stay behind, in the database that is then put aside.",
        "",
    ]
    for item in copied:
        cluster, blocks = clusters[item["cluster"]], database_commands(item, inventory)
        listing = Tools(cluster).run("psql", '-XAtq -d template1 -c "SELECT datname FROM pg_database ORDER BY 1"')
        lines += ["### Roll back %s" % item["key"], "", "Its names, `ASIDE_NAME` among them:", ""]
        lines += command_block(Command("aside %s" % item["key"], listing))
        lines += command_block(blocks["back"])
        if "undo-isolation" in blocks:
            lines += ["Not a restore but the move out of the shared database was wrong:", ""]
            lines += command_block(blocks["undo-isolation"])
    return lines


def _people(contacts: Sequence[Thing]) -> List[str]:
    lines = ["## 6. Whom to call", ""]
    if not contacts:
        return lines + ["**Nobody is named.** Fill in `contacts` in the description.", ""]
    rows = [[plain(item[field]) for field in ("name", "role", "phone", "email", "note")] for item in contacts]
    return lines + table(["name", "role", "phone", "email", "note"], rows) + [""]


def _afterwards(wanted: Thing, general: Dict[str, Command]) -> List[str]:
    return [
        "## 7. Afterwards",
        "",
        "- [ ] A new copy of everything:",
        "",
        *command_block(general["backup"]),
        "- [ ] This file's status, with how long it took:",
        "",
        *command_block(general["status"]),
        "- [ ] What happened, when, and what was lost, written down in your own words.",
        "- [ ] What this runbook didn't say, into the description: `recovery.checklist`.",
        "- [ ] Databases that were put aside are dropped by `bulkhead.stack.expire`, when their time is over.",
        "- [ ] Every copy drilled, once things are calm:",
        "",
        *command_block(general["drill-all"]),
    ]


def _duration(seconds: Any) -> str:
    return format_duration(seconds) if seconds else "not said"
