# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A move and its rehearsal: what is refused beforehand, what is made, and what is left where it fails."""

import secrets
from contextlib import suppress
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .._core.errors import ConflictError, InputError, OutsideError, StateError
from .._core.plan import Change, Plan
from .._core.sessions import end, users
from .._core.sql import Secret, Sql
from .._core.text import format_size
from .._dumps.pipeline import Stopwatch
from .._isolation import scram
from .._journal.journal import fingerprint_entry, sql_entry
from .._restore.places import (
    check_leave,
    clean_up,
    drop,
    list_places,
    scratch_name,
    swap,
)
from .model import BLOCKS, Fit
from .move import Move, Moved, Reader, Sides, make_rewriting, move

# What the database is called in a throwaway server.
REHEARSED = "bulkhead_rehearsal"
_TOLD = 20
Note = Callable[[Dict[str, Any]], None]

_ROLE = """
SELECT r.rolsuper AS superuser, r.rolcanlogin AS login, a.rolpassword AS verifier
  FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_authid a ON a.oid = r.oid
 WHERE r.rolname = %s
"""
# What somebody has made there, and no extension.
_CONTENT = """
SELECT c.oid::regclass::text AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname !~ '^pg_toast'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
 ORDER BY 1 LIMIT 5
"""


def check_fit(fit: Fit) -> None:
    """Refuse what can't be moved. Raises StateError; the message names each object."""
    blocks = fit.graded(BLOCKS)
    if not blocks:
        return
    told = ["%s: %s (%s)" % (item.object, item.title, item.evidence) for item in blocks[:_TOLD]]
    more = "; and %d more" % (len(blocks) - _TOLD) if len(blocks) > _TOLD else ""
    remedies = list(dict.fromkeys(item.remedy.rstrip(".") for item in blocks))
    raise StateError(
        "Database %s can't live on PostgreSQL %d: %s%s. Nothing was touched."
        % (fit.database, fit.target // 10000, "; ".join(told), more),
        "%s." % "; ".join(remedies[:5]),
        blocks=[item._asdict() for item in blocks],
    )


def make_plan(wanted: Move, fit: Fit, sides: Sides, rehearsal: bool, leave: bool) -> Plan:
    """Return what would be made at the target; a rehearsal makes nothing that stays.

    Arguments:
        leave: whether sessions of the source may be ended.

    Raises:
        InputError: the owner is a superuser. StateError: something blocks, or the source is in use.
        ConflictError: the database is there already, and not empty.
    """
    check_fit(fit)
    plan = Plan()
    role = _role(wanted, sides.target)
    if role is not None and role["superuser"]:
        raise InputError(
            "Role %s is a superuser of the target." % wanted.owner,
            "Name a role of the service's own as owner: one that owns its database and nothing else.",
        )
    make_rewriting(wanted, sides.source, sides.target)
    if rehearsal:
        return plan
    if role is None:
        plan.add(Change("role %s" % wanted.owner, "", "login, owner of %s" % wanted.target_database))
    existed = is_there(wanted, sides)
    check_leave(users(sides.source, wanted.database), wanted.database, leave)
    content = "what %s holds, from %d" % (wanted.database, fit.source // 10000)
    plan.add(Change("database %s" % wanted.target_database, "empty" if existed else "", content))
    return plan


def is_there(wanted: Move, sides: Sides) -> bool:
    """Return whether there is an empty database of that name. Raises ConflictError where it isn't empty."""
    if wanted.target_database not in list_places(sides.target):
        return False
    found = sides.target.rows(Sql(_CONTENT, database=wanted.target_database))
    if found:
        raise ConflictError(
            "The target has a database %s, and it isn't empty: it holds %s. Nothing was touched."
            % (wanted.target_database, ", ".join(row["name"] for row in found)),
            "Name another target_database, or move that one out of the way.",
        )
    return True


def _role(wanted: Move, target: Reader) -> Optional[Mapping[str, Any]]:
    return next(iter(target.rows(Sql(_ROLE, values=(wanted.owner,)))), None)


def carry_out(wanted: Move, sides: Sides, password: Optional[Secret], note: Note, watch: Stopwatch) -> Moved:
    """Move it; where that fails, nothing of it is left at the target, and the source is as it was.

    Arguments:
        note: gets the journal's entries, each before its change is made.

    Raises:
        InputError: the owner isn't there, and no password was given. ConflictError: it has another one.
    """
    target, name = sides.target, wanted.target_database
    clean_up(target, name)
    existed = is_there(wanted, sides)
    owner_before = target.rows(Sql(_OWNER_OF, values=(name,)))[0]["owner"] if existed else ""
    made = _make_owner(wanted, sides.target, password, note)
    scratch = scratch_name(name, wanted.run)
    try:
        end(sides.source, wanted.database, of_others=True)
        moved = move(wanted._replace(target_database=scratch, takes_place_of=name), sides, watch)
        undo = [Sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", (name,))]
        if existed:
            undo.append(Sql("CREATE DATABASE {} OWNER {} TEMPLATE template0", (name, owner_before)))
        note(sql_entry("database", "database %s" % name, undo))
        with watch.stage("swap"):
            if existed:
                drop(target, name)
            swap(target, scratch, name, "")
        note(fingerprint_entry(name, moved.counts, existed, owner_before))
        made = False
        return moved
    finally:
        # It isn't there any more where all went well. A server that is gone can't drop it: then the next run does.
        with suppress(OutsideError):
            if scratch in list_places(target):
                _give_back_room(target, scratch)
        with suppress(OutsideError):
            drop(target, scratch)
            if made:
                target.execute(Sql("DROP ROLE IF EXISTS {}", (wanted.owner,)))


def _give_back_room(target: Any, scratch: str) -> None:
    """Empty a database that is dropped then: DROP DATABASE makes a checkpoint, where a full disk ends the server."""
    end(target, scratch)
    for row in target.rows(Sql(_SCHEMAS, database=scratch)):
        target.execute(Sql("DROP SCHEMA {} CASCADE", (row["name"],), database=scratch))


# Event triggers would see what is dropped; they are made last, when there was room for all rows.
_SCHEMAS = """
SELECT nspname::text AS name FROM pg_catalog.pg_namespace
 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger)
"""
_OWNER_OF = "SELECT pg_catalog.pg_get_userbyid(datdba)::text AS owner FROM pg_catalog.pg_database WHERE datname = %s"


def _make_owner(wanted: Move, target: Any, password: Optional[Secret], note: Note) -> bool:
    """Make the owner where it is missing; return whether it was."""
    role = _role(wanted, target)
    if role is not None:
        if password is not None and role["verifier"] and not scram.matches(password.value, role["verifier"]):
            raise ConflictError(
                "Role %s is at the target, and has another password." % wanted.owner,
                "Give the password that it has, or name another owner.",
            )
        return False
    if password is None:
        raise InputError(
            "Role %s isn't at the target yet, and no password is given for it." % wanted.owner,
            "Set owner_password, or owner_password_file to have one made.",
        )
    note(sql_entry("role", "role %s" % wanted.owner, [Sql("DROP ROLE IF EXISTS {}", (wanted.owner,))]))
    verifier = Secret(scram.make_verifier(password.value, secrets.token_bytes(16)))
    text = "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %s"
    target.execute(Sql(text, (wanted.owner,), (verifier,)))
    return True


def rehearse(wanted: Move, sides: Sides, roles: Sequence[str], watch: Stopwatch) -> Moved:
    """Do it in a throwaway server that has roles of the real target's names.

    Arguments:
        sides: with the throwaway server as the target.
    """
    there = {row["name"] for row in sides.target.rows(Sql("SELECT rolname::text AS name FROM pg_catalog.pg_roles"))}
    for role in sorted({*roles, wanted.owner} - there):
        sides.target.execute(Sql("CREATE ROLE {}", (role,)))
    return move(wanted._replace(target_database=REHEARSED), sides, watch)


def move_page(wanted: Move, fit: Fit, result: Mapping[str, Any]) -> List[str]:
    """Return what was found and done as lines for a terminal."""
    lines = [
        "%s from PostgreSQL %d to %d: %s" % (wanted.database, fit.source // 10000, fit.target // 10000, fit.verdict)
    ]
    lines += ["  %-9s %s: %s" % (item.grade, item.object, item.title) for item in fit.findings[:_TOLD]]
    lines += ["  unseen    %s" % sentence for sentence in fit.unseen]
    moved = result.get("moved")
    if moved:
        lines.append(
            "  %d tables, %d rows, %s carried in %.1f s; %s on the disk there; all compared"
            % (
                moved["tables"],
                moved["rows"],
                format_size(moved["size_bytes"]),
                sum(moved["seconds"].values()),
                format_size(moved["disk_bytes"]),
            )
        )
        lines += ["  rewritten %s" % what for what in moved["conversions"]]
        lines += ["  note      %s" % what for what in moved["notes"]]
    for name, size in sorted((result.get("memory") or {}).items()):
        lines.append("  memory    %s: %s" % (name, format_size(size) if size is not None else "can't be read"))
    return lines
