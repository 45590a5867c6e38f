# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a database into another cluster, up or down in its version: definitions rewritten, rows hashed, all compared.

The pg_dump of the newer side writes it as SQL; what the older side can't read is rewritten by exact rules; psql stops
at the first error. The tables' rows go from COPY to COPY, in pg_dump's snapshot and form: two programs and two
containers' pipes in between would take time, and check nothing. A rehearsal is the same move into a throwaway server.
"""

import re
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Protocol, Sequence, Set, Tuple

from .._core.errors import BulkheadError, ConflictError, OutsideError, StateError, VerificationError
from .._core.sql import Sql
from .._dumps import ports as dump_ports
from .._dumps.pipeline import Stopwatch, connection_text
from .._dumps.verify import first_lines
from .._isolation.copying import CopyTable, Digest
from .._restore import ports
from .._restore.compare import MAINTAIN_SINCE, differences, notes, read_facts
from .._restore.places import mark_scratch
from .._restore.statements import of_database, statements
from .releases import minors_that_close
from .rewrite import Rewriting
from .stream import Lines, pump

# The text of a value depends on these.
_TEXT = "PGOPTIONS=-c bytea_output=hex -c TimeZone=UTC -c statement_timeout=0 -c lock_timeout=60s -c row_security=off"
_LOAD = "PGOPTIONS=-c client_encoding=UTF8"
_LOAD += " -c statement_timeout=0 -c log_min_error_statement=panic -c synchronous_commit=off"
_PSQL = ["psql", "--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-"]
_RESTRICT_CVE = "CVE-2025-8714"
_ENTRY = re.compile(r'^("(?:[^"]|"")*"|[^"=]*)=([A-Za-z*]*)/(.+)$')
_CREATE = "CREATE DATABASE "
_NO_ENCODING = "SQL_ASCII"
# A materialized view is refreshed with its owner's rights, and would be refused where a table has policies for it.
_ROW_SECURITY = "SET row_security = off"
_QUOTED = r'"(?:[^"]|"")*"'
_EXCLUSIVE = re.compile(
    r"ALTER TABLE (?:ONLY )?%s\.%s\s+ADD CONSTRAINT %s (?:PRIMARY KEY|UNIQUE|EXCLUDE)\b" % ((_QUOTED,) * 3)
)
# Who builds an index with workers while there is no processor for them waits for them. At work are who builds, who
# reads back, and who is sent that.
_BUSY = 3
_WORKERS = """
SELECT pg_catalog.set_config(name, least(setting::int, %d)::text, false)
  FROM pg_catalog.pg_settings WHERE name = 'max_parallel_maintenance_workers'
"""
_OWNED = ("sequences", "tables", "views", "functions", "schemas")

# Whose the objects are, and to whom something is granted; the first superuser is written down nowhere.
_ROLES = """
SELECT r.rolname::text AS name, r.rolsuper AS superuser,
       bool_or(d.deptype = 'o' AND d.classid NOT IN ('pg_catalog.pg_default_acl'::pg_catalog.regclass,
                                                     'pg_catalog.pg_user_mapping'::pg_catalog.regclass)) AS owns
  FROM pg_catalog.pg_shdepend d
  JOIN pg_catalog.pg_roles r ON d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND r.oid = d.refobjid
 WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
 GROUP BY 1, 2
 UNION
SELECT r.rolname::text, r.rolsuper, false
  FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 WHERE s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
 UNION
SELECT r.rolname::text, r.rolsuper, true
  FROM pg_catalog.pg_roles r
 WHERE r.oid = 10 OR r.oid = (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database())
"""
# As pg_dump copies them: what is generated isn't among them.
_COLUMNS = """
SELECT n.nspname::text AS schema, c.relname::text AS name,
       array(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
              ORDER BY a.attnum) AS columns
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' ORDER BY 1, 2
"""
_NOT_NULL = """
SELECT n.nspname::text AS schema, coalesce(c.relname, t.typname)::text AS table, k.conname::text AS name
  FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
  LEFT JOIN pg_catalog.pg_class c ON c.oid = k.conrelid LEFT JOIN pg_catalog.pg_type t ON t.oid = k.contypid
 WHERE k.contype = 'n'
"""
_LARGE_OBJECTS = """
SELECT count(DISTINCT loid)::int AS number, coalesce(sum(octet_length(data)), 0)::bigint AS bytes
  FROM pg_catalog.pg_largeobject
"""
_POLICIES = """
SELECT n.nspname::text AS schema, c.relname::text AS table, p.polname::text AS name,
       array(SELECT pg_catalog.pg_get_userbyid(r)::text FROM unnest(p.polroles) r WHERE r <> 0 ORDER BY 1) AS roles
  FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
"""
_SERVER = """
SELECT current_setting('server_version_num')::int AS version,
       array(SELECT rolname::text FROM pg_catalog.pg_roles) AS roles,
       array(SELECT name::text FROM pg_catalog.pg_settings) AS settings
"""
_LOCKABLE = """
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
 ORDER BY 1, 2
"""


class Target(ports.Server, Protocol):
    """The server that a database moves into."""

    def copy_tables(self, source: Any, tables: Sequence[CopyTable], target: str) -> List[Digest]:
        """Stream tables' rows from a transaction of another server into a database, frozen; return what was sent."""

    def digest_table(self, database: str, table: CopyTable) -> Digest:
        """Return what a table holds, as UTF-8 where its database has an encoding at all."""


class Reader(Protocol):
    """A server that is asked."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""


class Locker(Protocol):
    """A transaction that keeps writers out."""

    def execute(self, statement: Sql) -> int:
        """Run one statement."""


class Move(NamedTuple):
    """A move as it is wanted.

    Arguments:
        database: in the source. target_database: its name in the target.
        leave_out_roles: roles of the source that the target hasn't, and whose rights aren't carried.
        takes_place_of: the name that it gets in the end; until then it is marked as a scratch database. Empty for none.
        owner: the role of the target that owns everything then; it is there already.
        lock_timeout_s: how long to wait for writers, in seconds. run: this run's name.
        processors: of the target's machine; 0 where that isn't known.
    """

    database: str
    target_database: str
    owner: str
    leave_out_roles: Tuple[str, ...] = ()
    takes_place_of: str = ""
    lock_timeout_s: int = 30
    run: str = ""
    processors: int = 0

    @property
    def final(self) -> bool:
        """Whether it is the move that counts: writers are kept out of the source."""
        return bool(self.takes_place_of)


@dataclass
class Moved:
    """What became of a move.

    Arguments:
        conversions: what was rewritten. notes: what is otherwise, and may be.
        rows, size_bytes: of its tables, as COPY writes them.
        disk_bytes: how large the database is at the target.
    """

    conversions: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    differences: List[str] = field(default_factory=list)
    tables: int = 0
    rows: int = 0
    size_bytes: int = 0
    disk_bytes: int = 0
    counts: Dict[str, int] = field(default_factory=dict)
    seconds: Dict[str, float] = field(default_factory=dict)

    def to_json(self) -> Dict[str, Any]:
        """Return it as a module's result."""
        return {
            "conversions": self.conversions,
            "notes": self.notes,
            "differences": self.differences,
            "tables": self.tables,
            "rows": self.rows,
            "size_bytes": self.size_bytes,
            "disk_bytes": self.disk_bytes,
            "seconds": self.seconds,
        }


class Sides(NamedTuple):
    """Both sides of a move.

    Arguments:
        clients: run pg_dump against the source: the source's own, or a newer server's beside it.
    """

    source: ports.Server
    clients: dump_ports.Server
    target: Target


def move(wanted: Move, sides: Sides, watch: Stopwatch) -> Moved:
    """Make the database at the target, and fill and compare it. What it has made is the caller's to drop.

    Raises:
        ConflictError: somebody writes to the source. OutsideError: a server or a program refused.
        VerificationError: what is at the target isn't what was sent.
    """
    moved = Moved()
    source, clients, target = sides
    with source.transaction(wanted.database, "REPEATABLE READ", not wanted.final) as transaction:
        _keep_writers_out(wanted, source, transaction)
        salt = secrets.token_hex(8)
        with watch.stage("read"):
            facts = read_facts(transaction, salt, wanted.lock_timeout_s)
            name = transaction.rows(Sql("SELECT pg_catalog.pg_export_snapshot() AS name"))[0]["name"]
            not_null = transaction.rows(Sql(_NOT_NULL))
            facts["policy_roles"] = transaction.rows(Sql(_POLICIES))
            facts["large_objects"] = transaction.rows(Sql(_LARGE_OBJECTS))[0]
            # What an extension brings has rows of its own at the target.
            ours = {(item["schema"], item["name"]) for item in facts["tables"]}
            tables = [
                CopyTable(row["schema"], row["name"], tuple(row["columns"]), False, 0)
                for row in transaction.rows(Sql(_COLUMNS))
                if (row["schema"], row["name"]) in ours
            ]
            rewriting = make_rewriting(wanted, source, target)
        dump = _Dump(clients, wanted.database, name, facts["encoding"], wanted.lock_timeout_s)
        with watch.stage("definitions"):
            with ThreadPoolExecutor(1) as pool:
                later = pool.submit(dump.text, "post-data")
                own, inside = _sorted(wanted, dump.text("pre-data", "--create"))
                tail = statements(later.result())
            own = rewriting.rewritten(own, moved.conversions)
            inside = rewriting.rewritten(inside, moved.conversions)
        with watch.stage("rows"):
            _make(wanted, own, inside, target)
            with ThreadPoolExecutor(1) as pool:
                others = pool.submit(_carry_others, wanted, dump, tables, Lines(rewriting.line), target)
                sent = dict(zip(tables, target.copy_tables(transaction, tables, wanted.target_database)))
                others.result()
        moved.size_bytes = sum(digest.size_bytes for digest in sent.values())
        with watch.stage("indexes"):
            held = _finish(wanted, tail, rewriting, target, tables, moved)
    _check_rows(sent, held)
    moved.rows = sum(digest.rows for digest in held.values())
    _make_usable(wanted, own, target)
    with watch.stage("compare"):
        _compare(wanted, facts, not_null, rewriting, target, salt, moved)
    moved.seconds = watch.seconds
    return moved


def _keep_writers_out(wanted: Move, source: ports.Server, transaction: Locker) -> None:
    """Let the snapshot be of a time after the last writer, and writers wait until the end."""
    if not wanted.final:
        return
    tables = tuple((row["schema"], row["name"]) for row in source.rows(Sql(_LOCKABLE, database=wanted.database)))
    if not tables:
        return
    # No query before the locks: it would take the snapshot.
    transaction.execute(Sql("SET LOCAL lock_timeout = %s", values=("%ds" % wanted.lock_timeout_s,)))
    try:
        transaction.execute(Sql("LOCK TABLE %s IN SHARE MODE" % ", ".join(["{}"] * len(tables)), tables))
    except OutsideError as error:
        if error.details.get("sqlstate") != "55P03":
            raise
        raise ConflictError(
            "Somebody still writes to the tables of %s." % wanted.database,
            "Stop the services that use it (pg_locks names their sessions); nothing was moved.",
        ) from error


def make_rewriting(wanted: Move, source: Reader, target: ports.Server) -> Rewriting:
    """Return what is rewritten, by what the target has.

    Raises:
        StateError: roles that aren't at the target have rights in the database.
    """
    there = target.rows(Sql(_SERVER))[0]
    roles = source.rows(Sql(_ROLES, database=wanted.database))
    missing = {role["name"] for role in roles} - set(there["roles"])
    # It may stand there several times.
    owning = {role["name"] for role in roles if role["owns"] and (role["superuser"] or role["name"] in missing)}
    owners = dict.fromkeys(owning, wanted.owner)
    strangers = missing - owning
    unasked = sorted(strangers - set(wanted.leave_out_roles))
    if unasked:
        raise StateError(
            "Roles have rights in database %s and aren't at the target: %s." % (wanted.database, ", ".join(unasked)),
            "Make them there, or name them in leave_out_roles.",
        )
    return Rewriting(there["version"] // 10000, owners, frozenset(strangers), frozenset(there["settings"]))


class _Dump:
    """Dumps of one database in one snapshot."""

    def __init__(
        self, clients: dump_ports.Server, database: str, snapshot: str, encoding: str, lock_timeout_s: int
    ) -> None:
        self._clients = clients
        # Nothing is known of what bytes mean in a database without an encoding.
        in_utf8 = encoding != _NO_ENCODING
        self._argv = ["env", _TEXT, "pg_dump", "--no-password", "--snapshot=" + snapshot, "--quote-all-identifiers"]
        self._argv += ["--no-tablespaces", "--no-subscriptions", "--dbname=" + connection_text(database)]
        self._argv += ["--encoding=UTF8"] if in_utf8 else []
        self._argv += ["--lock-wait-timeout=%ds" % lock_timeout_s]

    def text(self, section: str, *options: str) -> str:
        """Return the definitions of one section."""
        found = self._clients.run_client([*self._argv, "--section=" + section, *options])
        if found.rc != 0:
            raise OutsideError("pg_dump failed with exit status %d: %s." % (found.rc, first_lines(found.stderr)))
        return found.stdout.decode("utf-8", "surrogateescape")

    def data(self, without: Sequence[CopyTable], sink: Callable[[bytes], Any]) -> dump_ports.ClientResult:
        """Send the data section to a sink, without the rows of some tables."""
        names = ([name.replace('"', '""') for name in (table.schema, table.name)] for table in without)
        left_out = ['--exclude-table-data="%s"."%s"' % (schema, name) for schema, name in names]
        return self._clients.run_client([*self._argv, "--section=data", *left_out], sink=sink)


def _sorted(wanted: Move, head: str) -> Tuple[List[str], List[str]]:
    """Return the statements that concern the database itself, under its name at the target, and those inside of it."""
    own: List[str] = []
    inside: List[str] = []
    for statement in statements(head):
        found = of_database(statement + ";", wanted.database, wanted.target_database)
        (own if found else inside).extend(found or [statement])
    return own, inside


def _make(wanted: Move, own: Sequence[str], inside: Sequence[str], target: ports.Server) -> None:
    """Make the database, and in it what comes before its rows."""
    made = [line for line in own if line.startswith(_CREATE)]
    if len(made) != 1:
        raise VerificationError("pg_dump doesn't say how database %s is made." % wanted.database)
    psql(target, target.maintenance_database, made, "Database %s can't be made" % wanted.target_database)
    if wanted.takes_place_of:
        mark_scratch(target, wanted.target_database, wanted.takes_place_of)
    psql(target, wanted.target_database, inside, "What comes before the rows can't be made")


def _make_usable(wanted: Move, own: Sequence[str], target: ports.Server) -> None:
    """Give the database its settings; nobody is let in but who owns it, unless the source says otherwise."""
    name = wanted.target_database
    if wanted.takes_place_of:
        target.execute(Sql("ALTER DATABASE {} CONNECTION LIMIT -1", (name,)))
    target.execute(Sql("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC", (name,)))
    left = [line for line in own if not line.startswith(_CREATE)]
    psql(target, target.maintenance_database, left, "Database %s can't be given its settings" % name)


def psql(target: ports.Server, database: str, lines: Sequence[str], failure: str) -> None:
    """Run statements as pg_dump wrote them; the first error ends it.

    Raises:
        OutsideError: one failed. The message has the server's own words, not the statement.
    """
    if not lines:
        return
    text = _restricted(target) + "".join(line + ";\n" for line in lines)
    argv = ["env", _LOAD, *_PSQL, "--dbname=" + connection_text(database)]
    found = target.run_client(argv, stdin=[text.encode("utf-8", "surrogateescape")])
    if found.rc != 0:
        raise OutsideError("%s: %s." % (failure, _errors(found.stderr)))


def _errors(said: str) -> str:
    wrong = [line for line in said.splitlines() if "ERROR:" in line or "FATAL:" in line]
    return first_lines("\n".join(wrong) or said)


def _carry_others(wanted: Move, dump: _Dump, tables: Sequence[CopyTable], lines: Lines, target: ports.Server) -> None:
    """Carry what isn't a table's row: where sequences stand, large objects, an extension's own settings."""
    argv = ["env", _LOAD, *_PSQL, "--dbname=" + connection_text(wanted.target_database)]
    head = [_restricted(target).encode("ascii")]
    dumped, loaded = pump(
        lambda sink: dump.data(tables, sink), lambda chunks: target.run_client(argv, stdin=chain(head, chunks)), lines
    )
    if loaded.rc != 0:
        raise OutsideError(
            "Sequences and large objects can't be loaded into %s: %s."
            % (wanted.target_database, _errors(loaded.stderr)),
            "Is the target's disk full, or was the server stopped?",
        )
    if dumped.rc != 0:
        raise OutsideError("pg_dump failed with exit status %d: %s." % (dumped.rc, first_lines(dumped.stderr)))


def _finish(
    wanted: Move,
    tail: Sequence[str],
    rewriting: Rewriting,
    target: Target,
    tables: Sequence[CopyTable],
    moved: Moved,
) -> Dict[CopyTable, Digest]:
    """Make what comes after the rows, and meanwhile read back what the tables hold."""
    held: Dict[CopyTable, Digest] = {}
    failed: List[BulkheadError] = []

    def read_back() -> None:
        try:
            for table in tables:
                held[table] = target.digest_table(wanted.target_database, table)
        except BulkheadError as error:
            failed.append(error)

    kept = rewriting.rewritten([line for line in tail if line != _ROW_SECURITY], moved.conversions)
    # A constraint with an index keeps readers out of its table; an index of its own and a foreign key don't.
    alone = max((number for number, line in enumerate(kept, 1) if _EXCLUSIVE.match(line)), default=0)
    failure = "What comes after the rows can't be made"
    psql(target, wanted.target_database, kept[:alone], failure)
    beside = [_WORKERS % max(0, wanted.processors - _BUSY)] if wanted.processors else []
    reader = threading.Thread(target=read_back, daemon=True, name="digest")
    reader.start()
    try:
        # Functions that statistics are kept of may look names up, and pg_dump leaves no path to do it by.
        psql(target, wanted.target_database, [*beside, *kept[alone:], "RESET search_path", "ANALYZE"], failure)
    finally:
        reader.join()
    if failed:
        raise failed[0]
    return held


def _check_rows(sent: Mapping[CopyTable, Digest], held: Mapping[CopyTable, Digest]) -> None:
    for table, digest in held.items():
        was = sent[table]
        if was != digest:
            raise VerificationError(
                "Table %s isn't what was sent: %d rows with checksum %s… were, %d with %s… are there."
                % (table.label, was.rows, was.sha256[:12], digest.rows, digest.sha256[:12])
            )


def _compare(
    wanted: Move,
    facts: Dict[str, Any],
    not_null: Sequence[Mapping[str, Any]],
    rewriting: Rewriting,
    target: Target,
    salt: str,
    moved: Moved,
) -> None:
    """Hold what is at the target against what the source had, as a drill does."""
    with target.transaction(wanted.target_database, "REPEATABLE READ", True) as transaction:
        found = read_facts(transaction, salt, wanted.lock_timeout_s)
        theirs = transaction.rows(Sql(_NOT_NULL))
        found["policy_roles"] = transaction.rows(Sql(_POLICIES))
        found["large_objects"] = transaction.rows(Sql(_LARGE_OBJECTS))[0]
    moved.disk_bytes = found["database_size_bytes"]
    moved.tables = len(found["tables"])
    moved.counts = {"%s.%s" % (item["schema"], item["name"]): item["rows"] for item in found["tables"]}
    names = {(row["schema"], row["table"], row["name"]) for row in (*not_null, *theirs)}
    majors = {item["server_version_num"] // 10000 for item in (facts, found)}
    before, after = (_as_at_target(item, rewriting, names, min(majors) >= MAINTAIN_SINCE) for item in (facts, found))
    if len(majors) > 1:
        # A major writes a view's text in its own way (ruleutils.c): psql has run the source's.
        for item in (*before["views"], *after["views"]):
            item.pop("sha256"), item.pop("plain", None)
        moved.notes.append("views are compared by name and owner, since majors write them differently")
    moved.notes += notes(facts, found)
    moved.differences = differences(before, after)
    if facts["large_objects"] != found["large_objects"]:
        moved.differences.append(
            "there are %(number)d large objects of %(bytes)d bytes" % found["large_objects"]
            + ", not %(number)d of %(bytes)d" % facts["large_objects"]
        )
    if moved.differences:
        raise VerificationError(
            "Database %s isn't what it was: %s." % (wanted.target_database, "; ".join(moved.differences[:5])),
            differences=moved.differences,
        )


def _as_at_target(
    facts: Mapping[str, Any], rewriting: Rewriting, not_null: Set[Tuple[str, str, str]], maintain: bool
) -> Dict[str, Any]:
    """Return facts as the target would tell them: its roles, its settings, and no NOT NULL as a constraint.

    Arguments:
        maintain: whether both know the privilege MAINTAIN.
    """
    told: Dict[str, Any] = {"server_version_num": facts["server_version_num"]}
    told["cluster"] = {"server_version_num": facts["server_version_num"]}
    for name in ("encoding", "lc_collate", "lc_ctype"):
        told[name] = facts[name]
    told["owner"] = owner = rewriting.owners.get(facts["owner"], facts["owner"])
    for kind, items in facts.items():
        if isinstance(items, list):
            told[kind] = [dict(item) for item in items]
    for kind in _OWNED:
        for item in told[kind]:
            item["owner"] = rewriting.owners.get(item["owner"], item["owner"])
    # Whose the schema public is depends on the major (15 made it the database owner's).
    told["schemas"] = [item for item in told["schemas"] if item["name"] != "public"]
    told["constraints"] = [
        item for item in told["constraints"] if (item["schema"], item["table"], item["name"]) not in not_null
    ]
    told["settings"] = [
        item for item in told["settings"] if "." in item["name"] or item["name"].lower() in rewriting.settings
    ]
    told["settings"] = [item for item in told["settings"] if item["role"] not in rewriting.strangers]
    for item in told["settings"]:
        item["role"] = rewriting.owners.get(item["role"], item["role"])
    told["policies"] = _policies(facts, rewriting)
    told["grants"] = [
        dict(item, acl=acl, name=_grants_name(item, rewriting))
        for item, acl in ((item, _entries(item["acl"], rewriting, owner, maintain)) for item in told["grants"])
        # Of the database and of the schema public the target has made its own.
        if acl and item["kind"] != "database" and (item["kind"], item["name"]) != ("schema", "public")
    ]
    return told


def _policies(facts: Mapping[str, Any], rewriting: Rewriting) -> List[Dict[str, Any]]:
    """Return the policies that somebody at the target is concerned by.

    Where a role has got another name, the definition's checksum is the roles' names.
    """
    kept = []
    roles = {(item["schema"], item["table"], item["name"]): item["roles"] for item in facts["policy_roles"]}
    for item in facts["policies"]:
        before = roles[(item["schema"], item["table"], item["name"])]
        names = sorted({rewriting.owners.get(name, name) for name in before if name not in rewriting.strangers})
        if names == before and not set(names) & set(rewriting.owners.values()):
            kept.append(dict(item))
        elif names:
            kept.append(dict(item, sha256=", ".join(names), plain=None))
    return kept


def _grants_name(item: Mapping[str, Any], rewriting: Rewriting) -> str:
    """Return the name of what rights are granted on; of default privileges it begins with a role's."""
    name: str = item["name"]
    if item["kind"] != "default":
        return name
    role, space, letter = name.rpartition(" ")
    return rewriting.owners.get(role, role) + space + letter


def _entries(acl: Sequence[str], rewriting: Rewriting, owner: str, maintain: bool) -> List[str]:
    """Return the entries of an access list for others than the owner, in the target's names."""
    kept = []
    for grantee, rights, grantor in (found.groups() for found in map(_ENTRY.match, acl) if found):
        names = [name.strip('"').replace('""', '"') for name in (grantee, grantor)]
        if set(names) & rewriting.strangers or rewriting.owners.get(names[0], names[0]) == owner:
            continue
        if not maintain:
            rights = re.sub(r"m\*?", "", rights)
        if not rights:
            continue
        kept.append("%s=%s/%s" % (names[0], rights, rewriting.owners.get(names[1], names[1])))
    return sorted(kept)


def _restricted(target: ports.Server) -> str:
    """Return the line after which psql takes no commands of its own, where this server's psql knows it.

    What is dumped from a server that isn't to be trusted could hold some (CVE-2025-8714).
    """
    version = target.rows(Sql("SELECT current_setting('server_version_num')::int AS version"))[0]["version"]
    major, minor = version // 10000, version % 10000
    first = minors_that_close(_RESTRICT_CVE).get(major, 0 if major >= 18 else None)
    return "\\restrict %s\n" % secrets.token_hex(16) if first is not None and minor >= first else ""
