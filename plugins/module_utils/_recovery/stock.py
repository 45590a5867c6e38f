# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands for the day on which no Ansible is at hand: docker and Postgres' own programs, for a person to paste.

SQL goes in by a here-document: a name in it needs the server's quotes only, and no shell looks at it.
"""

import re
import shlex
from typing import Any, Dict, List, Mapping, Sequence

from .._core.sql import Sql, name_with
from .markdown import Command
from .sets import SUFFIX

# Nothing is dropped by these commands: both databases are kept until somebody has looked.
BROKEN, RESTORED = "_broken", "_restored"

_WHO = "SELECT pid, usename, application_name, client_addr FROM pg_stat_activity WHERE datname = %s"
# The same tables that a manifest has, and their rows.
_ROWS = """\
SELECT n.nspname, c.relname, (xpath('/row/rows/text()', query_to_xml(
         format('SELECT count(*) AS rows FROM ONLY %I.%I', n.nspname, c.relname), false, true, '')))[1]
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e');"""
_MANIFEST_ROWS = (
    "import json, sys; [print(t['schema'], t['name'], t['rows'], sep='|') "
    "for t in json.load(open(sys.argv[1]))['tables']]"
)


def word(text: object) -> str:
    """Return one word of a command, quoted where a shell would take it apart."""
    return shlex.quote(str(text))


class Tools:
    """Postgres' own programs beside one server.

    Arguments:
        cluster: its projection.
    """

    def __init__(self, cluster: Mapping[str, Any]) -> None:
        self.cluster = cluster

    def run(self, program: str, arguments: str = "", fed: bool = False) -> str:
        """Return the command that runs a program as the server's superuser; fed: something goes into it."""
        user = "-U %s" % word(self.cluster["user"])
        words = [program, self._where(), user, arguments]
        return " ".join(item for item in [self._inside(fed), *words] if item)

    def unpack(self, arguments: str) -> str:
        """Return the one command that unpacks what goes into it with zstd, and restores it."""
        restore = Tools(dict(self.cluster, container=None)).run("pg_restore", arguments)
        # In the container: its zstd has written it, and this host may have none.
        return ("%s sh -c %s" % (self._inside(True), word("zstd -dc | " + restore))).lstrip()

    def restore_directory(self, arguments: str) -> str:
        """Return the commands that restore a dump in directory format, a folder: it can't be fed."""
        if not self.cluster["container"]:
            return self.run("pg_restore", arguments + " DUMP_FILE")
        container, there = word(self.cluster["container"]), "/tmp/bulkhead-restore"
        return "\n".join(
            [
                "docker cp DUMP_FILE %s:%s" % (container, there),
                self.run("pg_restore", "%s %s" % (arguments, there)),
                "docker exec %s rm -r %s" % (container, there),
            ]
        )

    def sql(self, database: str, statements: Sequence[str], quiet: bool = False) -> str:
        """Return the command that runs statements, and stops at the first that fails."""
        arguments = "%s -v ON_ERROR_STOP=1 -d %s <<'SQL'" % ("-XAtq" if quiet else "-X", word(database))
        return "\n".join([self.run("psql", arguments, True), *statements, "SQL"])

    def _inside(self, fed: bool) -> str:
        container = self.cluster["container"]
        return "docker exec %s%s" % ("-i " if fed else "", word(container)) if container else ""

    def _where(self) -> str:
        if not self.cluster["host"]:
            return ""
        port = " -p %s" % self.cluster["port"] if self.cluster.get("port") else ""
        return "-h %s%s" % (word(self.cluster["host"]), port)


def rename(old: str, new: str) -> List[str]:
    """Return what gives a database another name, whoever is connected; it stays open under the new one."""
    statements = [
        Sql("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", (old,)),
        Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", values=(old,)),
        Sql("ALTER DATABASE {} RENAME TO {}", (old, new)),
        Sql("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true", (new,)),
    ]
    return [statement.display() + ";" for statement in statements]


def commands(database: Mapping[str, Any], cluster: Mapping[str, Any]) -> Dict[str, Command]:
    """Return the blocks of one database by what they do, in the order in which they are run."""
    tools, key, name = Tools(cluster), database["key"], database["name"]
    # template1 is always there; the maintenance database may be the one that is lost.
    elsewhere = "template1"
    folder = "cd %s" % word(database["folder"])
    restore = "--exit-on-error --create --dbname=%s" % elsewhere
    decrypt = "age --decrypt --identity=IDENTITY_FILE %s | "
    encrypted = database["encrypted"]

    def fed(command: str, file: str) -> str:
        return (decrypt % file) + command if encrypted else "%s < %s" % (command, file)

    found = {
        "files": "ls -1t %s | head -n 20" % word(database["folder"]),
        "stop": _containers("stop", database["containers"]),
        "roles": "%s\n%s" % (folder, fed(tools.run("psql", "-X -d %s" % elsewhere, True), "ROLES_FILE")),
        "who": tools.sql(elsewhere, [Sql(_WHO, values=(name,)).display() + ";"]),
        "aside": tools.sql(elsewhere, rename(name, name_with(name, BROKEN))),
        "restore": "%s\n%s" % (folder, fed(tools.run("pg_restore", restore, True), "DUMP_FILE")),
        "restore-zst": "%s\n%s" % (folder, fed(tools.unpack(restore), "DUMP_FILE")),
        "restore-directory": "%s\n%s" % (folder, tools.restore_directory(restore)) if database["directory"] else "",
        "rows": "\n".join(
            [
                folder,
                "rows=$(mktemp -d)",
                # It has no double quote, dollar, backtick or backslash: it stays readable so.
                'python3 -c "%s" MANIFEST_FILE | LC_ALL=C sort > "$rows/copy"' % _MANIFEST_ROWS,
                tools.sql(name, [_ROWS], quiet=True).replace("<<'SQL'", "<<'SQL' | LC_ALL=C sort > \"$rows/now\"", 1),
                'diff "$rows/copy" "$rows/now" && echo "Every table has the rows of its copy."',
            ]
        ),
        "start": _containers("start", database["containers"]),
        "clear": tools.sql(elsewhere, rename(name, name_with(name, RESTORED))),
        "back": tools.sql(elsewhere, rename(name_with(name, BROKEN), name)),
    }
    if database.get("probe"):
        found["probe"] = probe_command(database, cluster).text
    return {part: Command("stock-%s %s" % (part, key), text) for part, text in found.items() if text}


def probe_command(database: Mapping[str, Any], cluster: Mapping[str, Any]) -> Command:
    """Return what asks the description's question, which must be answered by ``t``."""
    statement = re.sub(r"[;\s]+$", "", database["probe"]) + ";"
    return Command("probe %s" % database["key"], Tools(cluster).sql(database["name"], [statement], quiet=True))


def open_set(database: Mapping[str, Any]) -> Command:
    """Return what decrypts and unpacks the newest recovery set; only who runs it can read what is unpacked."""
    begin = word("%s/recovery_%s_" % (database["folder"].rstrip("/"), database["name"]))
    stamp = "[0-9]" * 8 + "_" + "[0-9]" * 6
    newest = '"$(ls %s%s%s | tail -n 1)"' % (begin, stamp, SUFFIX)
    text = "mkdir -m 0700 NEW_FOLDER\nage --decrypt -i IDENTITY_FILE %s | tar -x -C NEW_FOLDER" % newest
    return Command("open-set %s" % database["key"], text)


def _containers(verb: str, containers: Sequence[str]) -> str:
    return "docker %s %s" % (verb, " ".join(word(name) for name in containers)) if containers else ""
