# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes journal entries back, on this host: SQL, files, containers, a gateway."""

import os
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._core.errors import ConflictError, OutsideError
from .._core.inspection import LABEL_PROJECT, LABEL_SERVICE
from .._core.replace import without_edit
from .._core.sessions import closed, end, set_open
from .._core.sql import Sql, name_with, quoted_name
from .._isolation.read import qualified
from .compose_cli import ComposeCli, Project
from .docker import Docker
from .files import read_bytes, read_bytes_or_none, sha256, write_atomically
from .postgres import Postgres


class HostHands:
    """The hands of the journal's undo.

    Arguments:
        postgres: the cluster that the journal's statements belong to; None where it holds none.
        docker_host: the engine, by default the local one.
    """

    def __init__(self, postgres: Optional[Postgres], docker_host: str = "") -> None:
        self._given = postgres
        self._docker_host = docker_host or None

    @property
    def _postgres(self) -> Postgres:
        if self._given is None:
            raise OutsideError("no cluster was named for it")
        return self._given

    def execute(self, statement: Sql) -> None:
        """Run one statement; our own connection to a database that goes away is closed first."""
        if statement.text.startswith(("DROP DATABASE", "ALTER DATABASE")):
            self._postgres.disconnect(str(statement.names[0]))
        # An undo that is repeated finds databases gone that it has dropped before: there is nothing left to take back.
        if statement.database and not self._database_exists(statement.database):
            return
        if " ON DATABASE {}" in statement.text or statement.text.startswith("ALTER DATABASE"):
            if not self._database_exists(str(statement.names[0])):
                return
        self._postgres.execute(statement)

    def _database_exists(self, database: str) -> bool:
        found = self._postgres.value(
            Sql("SELECT true FROM pg_catalog.pg_database WHERE datname = %s", values=(database,))
        )
        return bool(found)

    def rows_of(self, database: str, tables: Sequence[str]) -> Mapping[str, int]:
        """Return the rows of those tables that are there; a database that is gone has none to lose."""
        if not self._database_exists(database):
            return {}
        counts: Dict[str, int] = {}
        for table in tables:
            name = qualified(table)
            there = "SELECT to_regclass(%s) IS NOT NULL"
            if not self._postgres.value(Sql(there, values=(quoted_name(name),), database=database)):
                continue
            counts[table] = self._postgres.value(Sql("SELECT count(*) FROM {}", (name,), database=database))
        return counts

    def set_aside(self, database: str) -> str:
        """Rename a database after its sessions were ended; pools can't come back in between.

        Raises:
            OutsideError: it is held, such as by a prepared transaction; it lets everybody in again.
        """
        stamp = datetime.now(timezone.utc).strftime("_undone_%Y%m%dT%H%M%SZ")
        name = name_with(database, stamp)
        with closed(self._postgres, database):
            end(self._postgres, database)
            self._postgres.execute(Sql("ALTER DATABASE {} RENAME TO {}", (database, name)))
        set_open(self._postgres, name, True)
        return name

    def restore_file(self, entry: Dict[str, Any]) -> str:
        """Put the old bytes back where the file is still as we left it."""
        path = entry["path"]
        current = read_bytes_or_none(path)
        if current is None or sha256(current) == entry.get("before_sha256"):
            return "%s is as it was" % path
        if sha256(current) != entry["after_sha256"]:
            return self._restore_lines(entry, current)
        if entry.get("backup"):
            write_atomically(path, read_bytes(entry["backup"]), current)
            return "%s is as it was" % path
        try:
            os.unlink(path)
        except OSError as error:
            raise OutsideError("it can't be removed: %s" % error.strerror) from error
        return "%s is removed again" % path

    @staticmethod
    def _restore_lines(entry: Dict[str, Any], current: bytes) -> str:
        """Take our edit out of a file that someone else has edited since, elsewhere in it."""
        path, backup, after = entry["path"], entry.get("backup"), entry.get("after_backup")
        without = None
        if backup and after:
            without = without_edit(read_bytes(backup), read_bytes(after), current)
        if without is None:
            raise ConflictError("someone else has changed it since", "Its old content is kept in %s." % backup)
        write_atomically(path, without, current)
        return "%s is without our edit; what others changed in it stays" % path

    def bring_up(self, entry: Dict[str, Any]) -> str:
        """Give services containers from their files as they are now; remove those that weren't there before."""
        names = ", ".join(entry["services"])
        if entry["created"]:
            engine = Docker(self._docker_host)
            removed: List[str] = []
            for service in entry["services"]:
                labels = ["%s=%s" % (LABEL_PROJECT, entry["project"]), "%s=%s" % (LABEL_SERVICE, service)]
                removed += engine.remove_containers(labels)
            engine.close()
            return "%s removed again" % (", ".join(removed) or names)
        project = Project(entry["project"], entry["working_dir"], tuple(entry["files"]), tuple(entry["env_files"]))
        ComposeCli(self._docker_host).up(project, entry["services"])
        return "%s brought up as before" % names

    def reload_gateway(self, entry: Dict[str, Any]) -> str:
        """Let a gateway read its files again: nginx as it runs, any other by a new start."""
        engine = Docker(self._docker_host)
        if entry.get("restart"):
            engine.restart(entry["container"])
            engine.close()
            return "gateway %s started again" % entry["container"]
        result = engine.run(entry["container"], ["nginx", "-s", "reload"])
        engine.close()
        if result.rc != 0:
            raise OutsideError("gateway %s didn't reload: %s" % (entry["container"], result.stderr.strip()))
        return "gateway %s reloaded" % entry["container"]
