# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations: what a file may hold, which were applied, and the command that runs one in a single transaction."""

import hashlib
import re
from typing import Iterator, List, Tuple

from .._core.errors import ConflictError, InputError
from .._core.sql import Sql, quoted_name
from .fill import JOURNAL_SCHEMA
from .model import JOURNAL_TABLE, Content, Expectation, Migration, Wanted
from .verify import differences

# What breaks `psql -1`: PostgreSQL's documentation of each command says "cannot be executed inside a transaction
# block", or it ends the transaction itself.
_FORBIDDEN = re.compile(
    r"^(BEGIN(?!\s+ATOMIC)|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|PREPARE\s+TRANSACTION|VACUUM|ALTER\s+SYSTEM"
    r"|(CREATE|DROP)\s+(DATABASE|TABLESPACE)|(CREATE|DROP)\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY"
    r"|REINDEX\s.*CONCURRENTLY|ALTER\s+TABLE\s.*\sDETACH\s+PARTITION\s.*CONCURRENTLY)\b(?!(\s+(WORK|TRANSACTION))?\s+TO\b)",
    re.IGNORECASE | re.DOTALL,
)
# What lets psql leave the file, the connection or ON_ERROR_STOP, or run something that we haven't read.
_META_COMMAND = re.compile(r"\\(!|(?:connect|copy|c|include_relative|include|ir|i|gexec|set|unset)\b)")
_BODY_BEGINS = re.compile(r"\bBEGIN\s+ATOMIC\b", re.IGNORECASE)
_BODY_ENDS = re.compile(r"^\s*END\s*$", re.IGNORECASE)
_COPY_FROM_STDIN = re.compile(r"^COPY\b.*\bFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)
_COPY_ENDS = re.compile(r"^\\\.[ \t]*$", re.MULTILINE)
# Everything that can hide a semicolon or a keyword: comments, strings, quoted names, dollar quotes.
_TOKEN = re.compile(
    r"""--[^\n]*|/\*|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$(?:[A-Za-z_]\w*)?\$).*?\1|;""",
    re.DOTALL,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")


# A label that was added to an enum can't be used in the transaction that added it ("ALTER TYPE", notes).
_NEW_LABEL = re.compile(
    r"^\s*ALTER\s+TYPE\s+(\S+)\s+ADD\s+VALUE\s+(?:IF\s+NOT\s+EXISTS\s+)?('(?:[^']|'')*')", re.IGNORECASE | re.MULTILINE
)


def read_migration(name: str, data: bytes, own_transactions: bool = False) -> Migration:
    """Return a migration ready to run.

    Arguments:
        name: how the journal calls it: the file's name without its folder.
        data: the file's bytes; CRLF becomes LF (it would stay in function bodies otherwise), a BOM is dropped.
        own_transactions: it controls transactions itself, and isn't wrapped in one.

    Raises:
        InputError: it isn't UTF-8, is empty, or holds what can't run in one transaction; with the line.
    """
    normalised = data.replace(b"\r\n", b"\n")
    if normalised.startswith(b"\xef\xbb\xbf"):
        normalised = normalised[3:]
    try:
        text = normalised.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("Migration %s isn't UTF-8 text: %s." % (name, error), "Convert it first.") from error
    if not text.strip():
        raise InputError("Migration %s is empty." % name, "Name the right file.")
    for line, statement in statements(text):
        if _FORBIDDEN.match(statement) and not own_transactions:
            raise InputError(
                "Migration %s, line %d, can't run in one transaction: `%s`."
                % (name, line, " ".join(statement.split())[:80]),
                "Say `transaction: own` of this file: what it has committed then stays where it fails later on.",
            )
        found = _META_COMMAND.search(statement)
        if found:
            raise InputError(
                "Migration %s, line %d, leaves the file or the connection: `%s`." % (name, line, found.group(0)),
                "Write the SQL out instead.",
            )
    if not own_transactions:
        _check_new_labels(name, text)
    return Migration(name, normalised, hashlib.sha256(normalised).hexdigest(), own_transactions)


def _check_new_labels(name: str, text: str) -> None:
    for found in _NEW_LABEL.finditer(text):
        kind, label = found.group(1), found.group(2)
        made_here = re.search(r"CREATE\s+TYPE\s+%s\s+AS\s+ENUM" % re.escape(kind), text[: found.start()], re.IGNORECASE)
        if label in text[found.end() :] and not made_here:
            raise InputError(
                "Migration %s, line %d, adds %s to type %s and uses it further on: not possible in one transaction."
                % (name, text.count("\n", 0, found.start(1)) + 1, label, kind),
                "Split the file there, or say `transaction: own` of it.",
            )


def statements(text: str) -> Iterator[Tuple[int, str]]:
    """Yield line and text of each statement, comments and quoted parts blanked, rows of COPY left out."""
    parts: List[str] = []
    begin = position = 0
    while True:
        token = _TOKEN.search(text, position)
        parts.append(text[position : token.start() if token else len(text)])
        if token is not None and token.group(0) != ";":
            position = _comment_end(text, token.start()) if token.group(0) == "/*" else token.end()
            parts.append(" " if token.group(0).startswith(("--", "/*")) else "''")
            continue
        statement = "".join(parts)
        inside_body = _BODY_BEGINS.search(statement) and not _BODY_ENDS.match(statement.rpartition("\0")[2])
        if token is not None and inside_body:
            parts.append("\0")
            position = token.end()
            continue
        if statement.strip():
            first = begin + _leading(text[begin:])
            yield text.count("\n", 0, first) + 1, statement.replace("\0", ";").strip()
        if token is None:
            return
        position = token.end()
        if _COPY_FROM_STDIN.match(statement.strip()):
            data = _COPY_ENDS.search(text, position)
            position = data.end() if data else len(text)
        parts, begin = [], position


def _comment_end(text: str, start: int) -> int:
    """Return where a comment ends that begins here: Postgres nests them."""
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += 1 if mark.group(0) == "/*" else -1
        if not depth:
            return mark.end()
    return len(text)


def _leading(text: str) -> int:
    """Return how many characters of blanks and comments come before a statement."""
    position = 0
    while True:
        blank = len(text) - len(text[position:].lstrip())
        if text.startswith("--", blank):
            newline = text.find("\n", blank)
            position = len(text) if newline < 0 else newline
        elif text.startswith("/*", blank):
            position = _comment_end(text, blank)
        else:
            return blank


def pending(
    wanted: Wanted, content: Content, expect: Expectation
) -> Tuple[List[Migration], List[Migration], List[str]]:
    """Return the migrations to run, those to adopt (they ran before we kept a journal), and warnings.

    Raises:
        ConflictError: tables are there without a journal, and they aren't what the description expects.
    """
    warnings = [
        "Migration %s has changed since it was applied to %s; it is not run again. What it holds now is for a new file."
        % (migration.name, wanted.database)
        for migration in wanted.migrations
        if content.applied.get(migration.name, migration.checksum) != migration.checksum
    ]
    missing = [migration for migration in wanted.migrations if migration.name not in content.applied]
    if not missing or content.applied or content.empty:
        return missing, [], warnings
    wrong = differences(wanted, content, expect)
    if wrong or not expect.tables:
        raise ConflictError(
            "Database %s holds %d tables, but no record of the migration %s, and %s."
            % (
                wanted.database,
                len(content.tables),
                missing[0].name,
                "they aren't what is expected: " + "; ".join(wrong) if wrong else "nothing is said of what is expected",
            ),
            "Finish or empty it by hand, or correct `expect`; nothing was done.",
        )
    return [], missing, warnings


def journal_statement(wanted: Wanted, migration: Migration) -> Sql:
    """Return the row that says this migration was applied."""
    return Sql(
        "INSERT INTO {} (name, checksum) VALUES (%s, %s)",
        (JOURNAL_TABLE,),
        (migration.name, migration.checksum),
        wanted.database,
    )


def journal_table(wanted: Wanted) -> Tuple[Sql, ...]:
    """Return the statements that make our schema and its table; only its owner may look."""
    return (
        Sql("CREATE SCHEMA IF NOT EXISTS {}", (JOURNAL_SCHEMA,), database=wanted.database),
        Sql("REVOKE ALL ON SCHEMA {} FROM PUBLIC", (JOURNAL_SCHEMA,), database=wanted.database),
        Sql(
            "CREATE TABLE IF NOT EXISTS {} (name text PRIMARY KEY, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())",
            (JOURNAL_TABLE,),
            database=wanted.database,
        ),
    )


def psql_command(wanted: Wanted, migration: Migration, path: str) -> List[str]:
    """Return the command that runs a migration as the owner, with its journal row, in one transaction.

    ``-1`` spans every -f and -c of one call (psql's manual, "-1"): the row is there exactly if the file ran to its end.
    A file with transactions of its own has no such promise: its row comes after it.
    """
    return [
        "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *([] if migration.own_transactions else ["-1"]),
        "-d", wanted.database,
        "-c", "SET ROLE %s" % quoted_name(wanted.owner),
        "-f", path,
        "-c", "RESET ROLE",
        "-c", "RESET search_path",
        "-c", journal_statement(wanted, migration).display(),
    ]  # fmt: skip
