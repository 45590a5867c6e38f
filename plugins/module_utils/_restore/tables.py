# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single tables out of a copy: beside those of today, in a schema of their own. Nothing that is there is touched."""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .._core.errors import ConflictError, InputError, OutsideError, VerificationError
from .._core.sql import Sql
from .._core.text import nearest
from .._dumps.pipeline import Stopwatch, connection_text
from .._dumps.verify import first_lines
from .archive import Archive, read_listing, restore_archive
from .ports import Server

_OWNER = "SELECT pg_catalog.pg_get_userbyid(datdba)::text AS owner FROM pg_catalog.pg_database WHERE datname = %s"
_TO_LIVE = r"""
umask 077
pg_dump --format=custom --compress=0 --no-privileges --no-password --schema="$1" --dbname="$2" --file="$4/tables" &&
  pg_restore --exit-on-error --single-transaction --no-password --dbname="$3" "$4/tables"
"""


def check_tables(manifest: Mapping[str, Any], tables: Sequence[str], target: str, schema: str, server: Server) -> None:
    """Refuse tables that the copy hasn't, and a schema that is there.

    Raises:
        InputError: a name isn't of a table of the copy, or two would have the same one. ConflictError: the schema is
        there already.
    """
    known = {"%(schema)s.%(name)s" % table: table["name"] for table in manifest["tables"]}
    for table in tables:
        if table not in known:
            near = nearest(table, known)
            raise InputError(
                "The copy holds no table %s." % table,
                "Did you mean %s?" % near if near else "Name it with its schema; a partitioned table by its parts.",
            )
    names = [known[table] for table in tables]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("Several tables are called %s." % ", ".join(twice), "Take them one after the other.")
    if server.rows(Sql("SELECT 1 AS found FROM pg_catalog.pg_namespace WHERE nspname = %s", (), (schema,), target)):
        raise ConflictError(
            "There is a schema %s in database %s already." % (schema, target), "Name another one as tables_schema."
        )


def restore_tables(
    archive: Archive,
    server: Server,
    scratch: str,
    target: str,
    tables: Sequence[str],
    schema: str,
    watch: Stopwatch,
) -> Dict[str, Any]:
    """Restore them into a scratch database, count their rows, and carry them over in one transaction.

    Raises:
        BulkheadError: it failed; the target is as it was.
    """
    wanted = [table for table in archive.manifest["tables"] if "%(schema)s.%(name)s" % table in tables]
    with watch.stage("restore"), server.client_folder() as folder:
        restore_archive(archive, server, scratch, 1, ["--section=pre-data", "--no-privileges"])
        entries = _entries(read_listing(archive, server), wanted)
        path = folder.put("tables.list", "".join(line + "\n" for line in entries).encode("utf-8"))
        restore_archive(archive, server, scratch, 1, ["--use-list=" + path, "--no-privileges"])
    with watch.stage("compare"):
        _compare(server, scratch, wanted)
    with watch.stage("carry_over"):
        owner = server.rows(Sql(_OWNER, values=(target,)))[0]["owner"]
        server.execute(Sql("CREATE SCHEMA {} AUTHORIZATION {}", (schema, owner), database=scratch))
        for table in wanted:
            name = (table["schema"], table["name"])
            server.execute(Sql("ALTER TABLE {} SET SCHEMA {}", (name, schema), database=scratch))
        server.disconnect(scratch)
        _carry_over(server, scratch, target, schema)
    return {"notes": [], "jobs": 1}


def _entries(listing: Sequence[str], wanted: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return the lines that restore rows and keys of these tables; foreign keys lead to tables that are empty."""
    starts: Tuple[str, ...] = tuple(
        "%s %s %s " % (kind, table["schema"], table["name"])
        for table in wanted
        for kind in ("TABLE DATA", "CONSTRAINT")
    )
    return [line for line in listing if line.partition("; ")[2].split(" ", 2)[-1].startswith(starts)]


def _compare(server: Server, scratch: str, wanted: Sequence[Mapping[str, Any]]) -> None:
    for table in wanted:
        name = (table["schema"], table["name"])
        found = server.rows(Sql("SELECT count(*)::bigint AS number FROM ONLY {}", (name,), database=scratch))[0][
            "number"
        ]
        if found != table["rows"]:
            raise VerificationError(
                "Table %s.%s has %d rows, and its manifest says %d. Nothing was carried over."
                % (*name, found, table["rows"]),
                "Name another copy.",
            )


def _carry_over(server: Server, scratch: str, target: str, schema: str) -> None:
    with server.client_folder() as folder:
        argv = ["sh", "-c", _TO_LIVE, "bulkhead-tables", _exactly(schema)]
        argv += [connection_text(scratch), connection_text(target), folder.path]
        found = server.run_client(argv)
    if found.rc != 0:
        raise OutsideError(
            "The tables can't be carried over to database %s: %s. It is as it was."
            % (target, first_lines(found.stderr)),
            "A type or a function that they need may be gone there; restore the whole copy under another name instead.",
        )


def _exactly(schema: str) -> str:
    """Return a name as a pattern of pg_dump's that stands for nothing else."""
    return '"%s"' % schema.replace('"', '""')
