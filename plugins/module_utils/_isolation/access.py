# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may connect to databases that stay as they are: nobody by default, and those who have something there."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Protocol, Sequence, Tuple

from .._core.errors import ConflictError, StateError
from .._core.plan import Change, Plan
from .._core.roles import groups_of
from .._core.sql import Sql

_ROLES = Sql(
    """
    SELECT r.oid::bigint AS oid, r.rolname::text AS name, r.rolcanlogin AS login, r.rolsuper AS superuser,
           r.rolname = current_user AS me,
           coalesce((SELECT array_agg(m.roleid::bigint) FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid),
                    '{{}}') AS member_of
      FROM pg_catalog.pg_roles r
    """
)
# What belongs to a role or was granted to it, of each database, from the one catalogue that all databases share.
_DATABASES = """
SELECT d.datname::text AS name, d.datistemplate AS is_template, d.datdba::bigint AS owner,
       coalesce((SELECT array_agg(a.grantee::bigint) FROM pg_catalog.aclexplode(
                   coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a WHERE a.privilege_type = 'CONNECT'),
                '{{}}') AS connect,
       coalesce((SELECT array_agg(a.grantee::bigint) FROM pg_catalog.aclexplode(
                   coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a WHERE a.privilege_type = 'TEMPORARY'),
                '{{}}') AS temporary,
       coalesce((SELECT array_agg(DISTINCT s.refobjid::bigint) FROM pg_catalog.pg_shdepend s
                  WHERE s.dbid = d.oid AND s.refclassid = 'pg_catalog.pg_authid'::regclass
                    AND s.deptype IN ('o', 'a', 'r')), '{{}}') AS holders,
       coalesce((SELECT array_agg(DISTINCT s.setrole::bigint) FROM pg_catalog.pg_db_role_setting s
                  WHERE s.setdatabase = d.oid AND s.setrole <> 0), '{{}}') AS settings,
       coalesce((SELECT jsonb_object_agg(b.usesysid::text, b.sessions) FROM (
                   SELECT usesysid, count(*)::int AS sessions FROM pg_catalog.pg_stat_activity
                    WHERE datid = d.oid AND usesysid IS NOT NULL AND application_name NOT LIKE 'bulkhead/%%'
                    GROUP BY 1) b), '{{}}') AS sessions
  FROM pg_catalog.pg_database d WHERE d.datname = ANY (%s)
"""
_PUBLIC = 0


class Cluster(Protocol):
    """What this domain needs of a Postgres cluster; the Postgres adapter is one."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""


@dataclass(frozen=True)
class WantedAccess:
    """A database, and the roles that may connect beside those who have something there."""

    database: str
    connect_roles: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """Who may connect to a database, and why.

    Arguments:
        connect, temporary: roles that may by name; an empty name is PUBLIC.
        because: why a role that can log in is to keep it, by its name.
    """

    database: str
    owner: str
    is_template: bool
    connect: Tuple[str, ...]
    temporary: Tuple[str, ...]
    because: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AccessState:
    """What is there. Arguments: logins: roles that can log in and are no superusers. me: our own role."""

    databases: Mapping[str, Access]
    roles: Tuple[str, ...]
    logins: Tuple[str, ...]
    me: str
    superuser: bool


def read_access(cluster: Cluster, wanted: Sequence[WantedAccess]) -> AccessState:
    """Return who may connect to the databases that are wanted: two queries, however many there are."""
    roles = {row["oid"]: row for row in cluster.rows(_ROLES)}
    names = {oid: row["name"] for oid, row in roles.items()}
    names[_PUBLIC] = ""
    me = next(row for row in roles.values() if row["me"])
    databases = {}
    for row in cluster.rows(Sql(_DATABASES, values=([item.database for item in wanted],))):
        databases[row["name"]] = Access(
            row["name"],
            names.get(row["owner"], ""),
            row["is_template"],
            tuple(sorted(names[oid] for oid in set(row["connect"]) if oid in names)),
            tuple(sorted(names[oid] for oid in set(row["temporary"]) if oid in names)),
            _reasons(row, roles),
        )
    return AccessState(
        databases,
        tuple(sorted(row["name"] for row in roles.values())),
        tuple(sorted(row["name"] for row in roles.values() if row["login"] and not row["superuser"])),
        me["name"],
        me["superuser"],
    )


def _reasons(row: Mapping[str, Any], roles: Mapping[int, Mapping[str, Any]]) -> Dict[str, str]:
    """Return why each role that can log in has to do with a database; those that have nothing there are left out."""
    direct: Dict[int, str] = {}
    for oid in row["settings"]:
        direct[oid] = "it has settings there"
    for oid in row["holders"]:
        direct[oid] = "it owns or uses objects there"
    direct[row["owner"]] = "it owns the database"
    member_of = {oid: role["member_of"] for oid, role in roles.items()}
    found = {}
    for oid, role in roles.items():
        if not role["login"] or role["superuser"]:
            continue
        if oid in direct:
            found[role["name"]] = direct[oid]
            continue
        groups = groups_of(oid, member_of)
        # Who is in a group of Postgres' own (pg_monitor) has rights everywhere, and belongs nowhere.
        through = sorted(
            roles[group]["name"] for group in groups if group in direct and not roles[group]["name"].startswith("pg_")
        )
        sessions = row["sessions"].get(str(oid))
        if through:
            found[role["name"]] = "it is a member of %s" % ", ".join(through)
        elif sessions:
            found[role["name"]] = "%d of its sessions %s open there" % (sessions, "is" if sessions == 1 else "are")
    return found


def plan_access(wanted: Sequence[WantedAccess], state: AccessState) -> Plan:
    """Return the plan: by default nobody may connect, by name those who have something there.

    Raises:
        StateError, ConflictError: a database or a role is missing, or isn't ours to change; nothing was done.
    """
    _check(wanted, state)
    plan = Plan()
    for item in wanted:
        access = state.databases[item.database]
        if "" not in access.connect + access.temporary and not _missing(item, access):
            continue
        plan.add(_change(item, access))
        if "" in access.connect:
            plan.warnings += _warnings(item, access, state)
    return plan


def keeps(item: WantedAccess, access: Access) -> Dict[str, str]:
    """Return who keeps the right to connect, and why; the owner has it in any case."""
    found = dict.fromkeys(item.connect_roles, "it is one of connect_roles")
    # Without PUBLIC's right nobody else is to be asked: who lost it, or never had it, has nothing to keep.
    if "" in access.connect:
        found.update(access.because)
    return {role: reason for role, reason in found.items() if role != access.owner}


def _missing(item: WantedAccess, access: Access) -> List[str]:
    return sorted(role for role in keeps(item, access) if role not in access.connect)


def _change(item: WantedAccess, access: Access) -> Change:
    name = item.database
    missing = _missing(item, access)
    # Granted first: nobody who keeps it loses it for a moment.
    do = [Sql("GRANT CONNECT ON DATABASE {} TO {}", (name, role)) for role in missing]
    undo = [Sql("REVOKE CONNECT ON DATABASE {} FROM {}", (name, role)) for role in missing]
    for privilege, holders in (("TEMPORARY", access.temporary), ("CONNECT", access.connect)):
        if "" in holders:
            do.append(Sql("REVOKE %s ON DATABASE {} FROM PUBLIC" % privilege, (name,)))
            undo.insert(0, Sql("GRANT %s ON DATABASE {} TO PUBLIC" % privilege, (name,)))
    after = sorted((set(access.connect) - {""}) | set(missing) | {access.owner})
    return Change(
        "who may connect to %s" % name,
        ", ".join(role or "PUBLIC" for role in access.connect),
        ", ".join(after),
        tuple(do),
        tuple(undo),
    )


def _warnings(item: WantedAccess, access: Access, state: AccessState) -> List[str]:
    kept = keeps(item, access)
    said = []
    loses = [role for role in state.logins if role not in kept and role not in access.connect and role != access.owner]
    if loses:
        said.append("These roles can't connect to %s any more: %s." % (item.database, ", ".join(loses)))
    for role, reason in sorted(kept.items()):
        if "session" in reason:
            said.append(
                "%s has nothing in %s, but %s: it keeps the right to connect until you revoke it."
                % (role, item.database, reason)
            )
    return said


def _check(wanted: Sequence[WantedAccess], state: AccessState) -> None:
    absent = sorted(item.database for item in wanted if item.database not in state.databases)
    if absent:
        raise StateError("There is no database %s." % ", ".join(absent), "Correct its name, or leave it out.")
    templates = sorted(item.database for item in wanted if state.databases[item.database].is_template)
    if templates:
        raise ConflictError("%s is a template database." % ", ".join(templates), "Leave it out.")
    for item in wanted:
        unknown = sorted(role for role in item.connect_roles if role not in state.roles)
        if unknown:
            raise StateError(
                "connect_roles of %s names %s, but there is no such role." % (item.database, ", ".join(unknown)),
                "Create it, or leave it out.",
            )
    if not state.superuser:
        # Postgres only warns where somebody revokes what isn't his, and does nothing.
        foreign = sorted(item.database for item in wanted if state.databases[item.database].owner != state.me)
        if foreign:
            raise ConflictError(
                "%s is no superuser and doesn't own %s." % (state.me, ", ".join(foreign)),
                "Give a login_user that is one (Supabase's is supabase_admin).",
            )
