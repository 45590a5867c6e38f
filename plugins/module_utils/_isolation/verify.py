# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is expected of a database, held against what it holds. "All tables exist" proves nothing."""

from dataclasses import replace
from typing import Any, ContextManager, Dict, List, Protocol

from .._core.errors import BulkheadError
from .._core.sql import Sql, quoted_name
from .._core.text import nearest
from .model import Content, Expectation, State, Wanted


def expected(wanted: Wanted, state: State) -> Expectation:
    """Return what is expected: what the description states, and for the rest what the old place holds.

    A newer migration may make more than the old place has; what the old place has must be there.
    """
    expect = wanted.expect
    selection = state.legacy.selection
    if not selection.tables:
        return expect
    stated: Dict[str, Any] = {}
    if not expect.tables:
        stated["tables"] = tuple(_label(thing.schema, thing.name) for thing in selection.tables)
    if not expect.columns:
        stated["columns"] = state.legacy.columns
    if not expect.functions:
        stated["functions"] = tuple(sorted({thing.name for thing in selection.own("pg_proc")}))
    if not expect.triggers:
        stated["triggers"] = tuple(sorted({thing.name for thing in selection.own("pg_trigger")}))
    return replace(expect, **stated)


def _label(schema: str, name: str) -> str:
    return name if schema == "public" else "%s.%s" % (schema, name)


def differences(wanted: Wanted, content: Content, expect: Expectation) -> List[str]:
    """Return a sentence for each thing that isn't as expected; an empty list is the proof."""
    wrong = []
    for table in expect.tables:
        if table not in content.tables:
            near = nearest(table, content.tables)
            wrong.append("table %s is missing%s" % (table, " (there is %s)" % near if near else ""))
    for table, columns in expect.columns.items():
        there = content.columns.get(table)
        if there is None:
            if table not in expect.tables:
                wrong.append("table %s is missing" % table)
            continue
        wrong += ["column %s of table %s is missing" % (column, table) for column in columns if column not in there]
    for function in expect.functions:
        if function not in content.functions:
            wrong.append("function %s is missing" % function)
    for trigger in expect.triggers:
        if trigger not in content.triggers:
            wrong.append("trigger %s is missing" % trigger)
    if expect.policies is not None and content.policies != expect.policies:
        wrong.append("%d policies instead of %d" % (content.policies, expect.policies))
    for extension in wanted.extensions:
        if extension.name not in content.extensions:
            wrong.append("extension %s is missing" % extension.name)
    for table, least in expect.rows.items():
        if table in content.rows and content.rows[table] < least:
            wrong.append("table %s has %d rows, at least %d are expected" % (table, content.rows[table], least))
        elif table not in content.rows and table not in expect.tables:
            wrong.append("table %s is missing" % table)
    return wrong


class Server(Protocol):
    """What asking as a role needs of a cluster."""

    def transaction(self, database: str) -> ContextManager[Any]:
        """Open a transaction."""


class _Enough(Exception):
    """A question was answered; whatever it wrote is to be forgotten."""


def role_differences(server: Server, wanted: Wanted, expect: Expectation) -> List[str]:
    """Ask as the roles that will use the database: what must work, and what must be refused. Nothing is kept.

    As the owner, always: that it can make a table in its schema.
    """
    asked = {role: (list(works), list(refused)) for role, (works, refused) in expect.roles.items()}
    own = asked.setdefault(wanted.owner, ([], []))
    schema = "public" if wanted.strategy != "schema" else quoted_name(wanted.target_schema)
    own[0].append("CREATE TABLE %s.bulkhead_may_create ()" % schema)
    wrong = []
    for role, (works, refused) in asked.items():
        for question in works:
            answer = _ask(server, wanted.database, role, question)
            if answer:
                wrong.append("role %s can't run `%s`: %s" % (role, question, answer))
        for question in refused:
            if not _ask(server, wanted.database, role, question):
                wrong.append("role %s can run `%s`, which must be refused" % (role, question))
    return wrong


def _ask(server: Server, database: str, role: str, question: str) -> str:
    """Return why a statement is refused, or an empty text."""
    try:
        with server.transaction(database) as transaction:
            transaction.execute(Sql("SET LOCAL ROLE {}", (role,)))
            transaction.execute(Sql(question.replace("{", "{{").replace("}", "}}")))
            raise _Enough
    except _Enough:
        return ""
    except BulkheadError as error:
        return str(error.message).rpartition("`: ")[2] or error.message
