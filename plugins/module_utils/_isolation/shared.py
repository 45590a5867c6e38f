# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Isolation inside of a shared database, where a service stays: by a schema of its own, or by its tables' prefix.

What belongs to it gets its owner, who else was let in is kept out, and with a prefix each table gets a row policy.
"""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Sequence, Set, Tuple

from .._core.errors import InputError, StateError, VerificationError
from .._core.plan import Change, Plan
from .._core.sql import Sql
from .catalogue import Thing
from .changes import role_change
from .legacy import command_of, identity_of, movable
from .model import Cluster, State, Wanted
from .plan import check_names, refuse_questions

STRATEGIES = ("database", "schema", "prefix")
_TABLE_KINDS = ("r", "p", "v", "m", "f")
# What roles that are named beside the owner may do, by the kind of object.
_FOR_OTHERS = {
    "TABLE": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "SEQUENCE": ("USAGE", "SELECT"),
    "ROUTINE": ("EXECUTE",),
}

# Who may do what, with each object and each column of its own list; 0 is PUBLIC.
_GRANTS = """
SELECT 'pg_class' AS catalogue, c.oid::bigint AS oid, ''::text AS attribute, a.grantee::bigint AS grantee,
       a.privilege_type AS privilege, a.is_grantable AS grantable
  FROM pg_catalog.pg_class c
 CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault(
   CASE WHEN c.relkind = 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner))) a
 WHERE c.oid = ANY (%s::oid[]) AND a.grantee <> c.relowner
UNION ALL
SELECT 'pg_class', t.attrelid::bigint, t.attname::text, a.grantee::bigint, a.privilege_type, a.is_grantable
  FROM pg_catalog.pg_attribute t CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) a
 WHERE t.attrelid = ANY (%s::oid[]) AND t.attacl IS NOT NULL
UNION ALL
SELECT 'pg_proc', p.oid::bigint, '', a.grantee::bigint, a.privilege_type, a.is_grantable
  FROM pg_catalog.pg_proc p
 CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
 WHERE p.oid = ANY (%s::oid[]) AND a.grantee <> p.proowner
UNION ALL
SELECT 'pg_namespace', n.oid::bigint, n.nspname::text, a.grantee::bigint, a.privilege_type, a.is_grantable
  FROM pg_catalog.pg_namespace n
 CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
"""
_ROLES = "SELECT oid::bigint AS oid, rolname::text AS name, rolbypassrls AS bypasses FROM pg_catalog.pg_roles"
_ROW_SECURITY = """
SELECT c.oid::bigint AS oid, c.relrowsecurity AS enabled,
       (SELECT array_agg(r.rolname::text ORDER BY r.rolname) FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_roles r
          ON r.oid = ANY (p.polroles) WHERE p.polrelid = c.oid AND p.polname = %s) AS policy_roles
  FROM pg_catalog.pg_class c WHERE c.oid = ANY (%s::oid[]) AND c.relkind IN ('r', 'p')
"""
_SEARCH_PATH = """
SELECT substr(c, 13) FROM pg_catalog.pg_db_role_setting s
  JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 CROSS JOIN LATERAL unnest(s.setconfig) c
 WHERE d.datname = %s AND r.rolname = %s AND c LIKE 'search_path=%%'
"""
# Roles that can do something with the tables although they are neither named nor members of who is. Those that may
# read or write everything anywhere are named as what can't be contained.
_OPEN = """
SELECT r.rolname::text AS role, c.oid::regclass::text AS name
  FROM pg_catalog.pg_class c CROSS JOIN pg_catalog.pg_roles r
 WHERE c.oid = ANY (%s::oid[]) AND c.relkind IN ('r', 'p') AND NOT r.rolsuper AND NOT r.rolname LIKE 'pg\\_%%'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles a WHERE a.rolname = ANY (%s) AND pg_has_role(r.oid, a.oid, 'MEMBER'))
   AND NOT pg_has_role(r.oid, 'pg_read_all_data', 'MEMBER') AND NOT pg_has_role(r.oid, 'pg_write_all_data', 'MEMBER')
   AND (has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
        OR has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')) ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Grant:
    """A right to an object; ``column`` is empty where it is to the whole; the grantee is empty for PUBLIC."""

    column: str
    grantee: str
    privilege: str
    grantable: bool


@dataclass(frozen=True)
class SharedState:
    """What is there beside State.

    Arguments:
        grants: by catalogue and identifier. schemas: grants by a schema's name.
        row_security: by a table's identifier, whether it is on, and the roles of our policy, none where there is none.
        search_path: of the owner in this database.
        bypassing: roles that no row policy concerns.
    """

    grants: Mapping[Tuple[str, int], Tuple[Grant, ...]] = field(default_factory=dict)
    schemas: Mapping[str, Tuple[Grant, ...]] = field(default_factory=dict)
    row_security: Mapping[int, Tuple[bool, Tuple[str, ...]]] = field(default_factory=dict)
    search_path: str = ""
    bypassing: Tuple[str, ...] = ()


def read_shared(server: Cluster, wanted: Wanted, state: State) -> SharedState:
    """Return who may do what with the service's objects: four queries, however many there are."""
    things = state.legacy.selection.own()
    relations = [thing.node[1] for thing in things if thing.node[0] == "pg_class"]
    routines = [thing.node[1] for thing in things if thing.node[0] == "pg_proc"]
    known = server.rows(Sql(_ROLES))
    roles = {row["oid"]: row["name"] for row in known}
    roles[0] = ""
    grants: Dict[Tuple[str, int], List[Grant]] = {}
    schemas: Dict[str, List[Grant]] = {}
    values = (relations, relations, routines)
    for row in server.rows(Sql(_GRANTS, values=values, database=wanted.database)):
        name = roles.get(row["grantee"], "")
        if row["catalogue"] == "pg_namespace":
            schemas.setdefault(row["attribute"], []).append(Grant("", name, row["privilege"], row["grantable"]))
        else:
            found = Grant(row["attribute"], name, row["privilege"], row["grantable"])
            grants.setdefault((row["catalogue"], row["oid"]), []).append(found)
    security = {
        row["oid"]: (row["enabled"], tuple(row["policy_roles"] or ()))
        for row in server.rows(Sql(_ROW_SECURITY, values=(policy_name(wanted), relations), database=wanted.database))
    }
    return SharedState(
        {key: tuple(items) for key, items in grants.items()},
        {name: tuple(items) for name, items in schemas.items()},
        security,
        server.value(Sql(_SEARCH_PATH, values=(wanted.database, wanted.owner))) or "",
        tuple(sorted(row["name"] for row in known if row["bypasses"])),
    )


def policy_name(wanted: Wanted) -> str:
    """Return the name of the row policy, at most 63 bytes."""
    return ("bulkhead_" + wanted.owner).encode("utf-8")[:63].decode("utf-8", "ignore")


def make_shared_plan(wanted: Wanted, state: State, shared: SharedState, new_salt: Callable[[], bytes]) -> Plan:
    """Return the plan.

    Raises:
        InputError, StateError, ConflictError: it can't be done; nothing was changed.
    """
    check_names(wanted)
    _check(wanted, state)
    plan = Plan()
    plan.warnings += list(state.legacy.selection.notes)
    plan.add(role_change(wanted, state, new_salt))
    plan.add(_connect(wanted, state))
    plan.add(_objects(wanted, state, shared, plan.warnings))
    plan.add(_path(wanted, state, shared))
    return plan


def _check(wanted: Wanted, state: State) -> None:
    for name, given in (
        ("data", wanted.data != "fresh"),
        ("rehearsal", wanted.rehearsal),
        ("migrations", wanted.migrations),
        ("extensions", wanted.extensions),
        ("prelude", wanted.prelude != "none"),
        ("encoding", wanted.encoding),
        ("lc_collate", wanted.lc_collate),
        ("lc_ctype", wanted.lc_ctype),
        ("conn_limit", wanted.conn_limit is not None),
        ("search_path", wanted.search_path),
        ("default_privileges", wanted.default_privileges),
    ):
        if given:
            raise InputError(
                "%s says how a database is made; with strategy %s none is." % (name, wanted.strategy), "Leave it out."
            )
    legacy = wanted.legacy
    if legacy is None:
        raise InputError("strategy %s needs legacy." % wanted.strategy, "Say in legacy which tables are the service's.")
    if legacy.database != wanted.database:
        raise InputError(
            "With strategy %s the tables stay in %s, and legacy names %s."
            % (wanted.strategy, wanted.database, legacy.database),
            "Let both name the shared database.",
        )
    if legacy.action != "keep":
        raise InputError("With strategy %s nothing is put aside." % wanted.strategy, "Leave out legacy.action.")
    if state.database is None or state.database.is_template:
        raise StateError("There is no shared database %s." % wanted.database, "Correct its name.")
    if not state.superuser:
        raise StateError(
            "%s is no superuser: it can't give the tables another owner." % state.user,
            "Give a login_user that is one (Supabase's is supabase_admin).",
        )
    for role in wanted.connect_roles:
        if role not in state.roles:
            raise StateError("connect_roles names %s, but there is no such role." % role, "Create it, or leave it out.")
    selection = state.legacy.selection
    if not selection.tables:
        raise StateError("%s holds no tables of %s." % (wanted.database, legacy.chosen.describe()), "Correct legacy.")
    refuse_questions(selection, "isolated")


def _connect(wanted: Wanted, state: State) -> Any:
    """The service's roles may connect by name: others may go on through PUBLIC, or not."""
    there = state.database.connect if state.database is not None else ()
    missing = [role for role in (wanted.owner, *wanted.connect_roles) if role not in there]
    if not missing:
        return None
    return Change(
        "who may connect to %s" % wanted.database,
        ", ".join(role or "PUBLIC" for role in there),
        ", ".join([role or "PUBLIC" for role in there] + missing),
        tuple(Sql("GRANT CONNECT ON DATABASE {} TO {}", (wanted.database, role)) for role in missing),
        tuple(Sql("REVOKE CONNECT ON DATABASE {} FROM {}", (wanted.database, role)) for role in missing),
    )


def _objects(wanted: Wanted, state: State, shared: SharedState, warnings: List[str]) -> Any:
    steps = _Steps(wanted.database)
    selection = state.legacy.selection
    mine = [thing for thing in movable(selection) if thing.node not in selection.shared]
    losing: Set[str] = set()
    _schemas(wanted, selection.tables, shared, steps)
    for thing in mine:
        if thing.owner != wanted.owner:
            text = "ALTER %s %s OWNER TO {}" % (command_of(thing), identity_of(thing))
            steps.add(
                "%s: owner %s" % (thing.label, wanted.owner), Sql(text, (wanted.owner,)), Sql(text, (thing.owner,))
            )
    for thing in selection.own():
        if thing.node not in selection.shared:
            losing |= _rights(wanted, thing, shared, steps)
    if wanted.strategy == "prefix":
        for thing in selection.tables:
            _policy(wanted, thing, shared, steps)
        everywhere = [role for role in shared.bypassing if not _is_superuser(state, role)]
        if everywhere and steps.done:
            warnings.append("No row policy concerns %s: they pass all of them by." % ", ".join(everywhere))
    else:
        _move(wanted, mine, steps)
    if losing:
        warnings.append(
            "These lose what they could do with the objects of %s: %s." % (wanted.owner, ", ".join(sorted(losing)))
        )
    if not steps.done:
        return None
    what = "objects of %s in %s" % (wanted.owner, wanted.database)
    return Change(
        what, "", "".join(line + "\n" for line in steps.lines), tuple(steps.done), tuple(steps.undo), "transaction"
    )


class _Steps:
    """Statements with what takes them back, newest first, and what they do in words."""

    def __init__(self, database: str) -> None:
        self._database = database
        self.done: List[Sql] = []
        self.undo: List[Sql] = []
        self.lines: List[str] = []

    def add(self, line: str, do: Sql, undo: Sql) -> None:
        """Add one."""
        self.lines.append(line)
        self.done.append(Sql(do.text, do.names, do.values, self._database))
        self.undo.insert(0, Sql(undo.text, undo.names, undo.values, self._database))


def _is_superuser(state: State, role: str) -> bool:
    return role in state.roles and state.roles[role].superuser


def _schemas(wanted: Wanted, tables: Sequence[Thing], shared: SharedState, steps: _Steps) -> None:
    """Let the service's roles use its schemas, and its owner make tables there: without that its upgrades fail."""
    target = wanted.target_schema
    names = {thing.schema for thing in tables} if wanted.strategy == "prefix" else {target}
    if wanted.strategy == "schema" and target not in shared.schemas:
        steps.add(
            "schema %s" % target,
            Sql("CREATE SCHEMA {} AUTHORIZATION {}", (target, wanted.owner)),
            Sql("DROP SCHEMA IF EXISTS {}", (target,)),
        )
    for name in sorted(names):
        there = shared.schemas.get(name, ())
        for role in (wanted.owner, *wanted.connect_roles):
            for privilege in ("USAGE", "CREATE") if role == wanted.owner else ("USAGE",):
                if name == target and role == wanted.owner:
                    continue
                if any(grant.grantee in (role, "") and grant.privilege == privilege for grant in there):
                    continue
                steps.add(
                    "%s on schema %s for %s" % (privilege.lower(), name, role),
                    Sql("GRANT %s ON SCHEMA {} TO {}" % privilege, (name, role)),
                    Sql("REVOKE %s ON SCHEMA {} FROM {}" % privilege, (name, role)),
                )


def _rights(wanted: Wanted, thing: Thing, shared: SharedState, steps: _Steps) -> Set[str]:
    """Take from others what they may do with an object, and give the named roles what they need; return who loses."""
    kind = _grant_kind(thing)
    if not kind:
        return set()
    losing = set()
    grants = shared.grants.get(thing.node, ())
    keep = {wanted.owner, *wanted.connect_roles}
    # The last first: they are given back in the order in which they stood.
    for grant in reversed(grants):
        if grant.grantee in keep:
            continue
        to, names = ("{}", (grant.grantee,)) if grant.grantee else ("PUBLIC", ())
        columns, inner = (" ({})", (grant.column,)) if grant.column else ("", ())
        on = " ON %s %s" % (kind, identity_of(thing))
        option = " WITH GRANT OPTION" if grant.grantable else ""
        steps.add(
            "%s: %s not for %s" % (thing.label, grant.privilege.lower(), grant.grantee or "PUBLIC"),
            Sql("REVOKE %s%s%s FROM %s" % (grant.privilege, columns, on, to), (*inner, *names)),
            Sql("GRANT %s%s%s TO %s%s" % (grant.privilege, columns, on, to, option), (*inner, *names)),
        )
        if kind == "TABLE":
            losing.add(grant.grantee or "PUBLIC")
    for role in wanted.connect_roles:
        there = {grant.privilege for grant in grants if grant.grantee == role and not grant.column}
        missing = [privilege for privilege in _FOR_OTHERS[kind] if privilege not in there]
        if missing:
            text = "%s ON %s %s" % (", ".join(missing), kind, identity_of(thing))
            steps.add(
                "%s: %s for %s" % (thing.label, ", ".join(missing).lower(), role),
                Sql("GRANT %s TO {}" % text, (role,)),
                Sql("REVOKE %s FROM {}" % text, (role,)),
            )
    return losing


def _grant_kind(thing: Thing) -> str:
    if thing.node[0] == "pg_proc":
        return "ROUTINE"
    if thing.node[0] == "pg_class":
        return "SEQUENCE" if thing.is_sequence else "TABLE" if thing.kind in _TABLE_KINDS else ""
    return ""


def _policy(wanted: Wanted, thing: Thing, shared: SharedState, steps: _Steps) -> None:
    """Let rows be seen and written by the service's roles alone; other policies of the table stay."""
    enabled, there = shared.row_security.get(thing.node[1], (False, ()))
    name = (thing.schema, thing.name)
    roles = tuple(sorted({wanted.owner, *wanted.connect_roles}))
    marks = ", ".join(["{}"] * len(roles))
    if not there:
        text = "CREATE POLICY {} ON {} FOR ALL TO " + marks + " USING (true) WITH CHECK (true)"
        steps.add(
            "%s: row policy %s" % (thing.label, policy_name(wanted)),
            Sql(text, (policy_name(wanted), name, *roles)),
            Sql("DROP POLICY IF EXISTS {} ON {}", (policy_name(wanted), name)),
        )
    elif there != roles:
        before = ", ".join(["{}"] * len(there))
        steps.add(
            "%s: row policy %s for %s" % (thing.label, policy_name(wanted), ", ".join(roles)),
            Sql("ALTER POLICY {} ON {} TO " + marks, (policy_name(wanted), name, *roles)),
            Sql("ALTER POLICY {} ON {} TO " + before, (policy_name(wanted), name, *there)),
        )
    if not enabled:
        steps.add(
            "%s: row security" % thing.label,
            Sql("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", (name,)),
            Sql("ALTER TABLE {} DISABLE ROW LEVEL SECURITY", (name,)),
        )


def _move(wanted: Wanted, things: Sequence[Thing], steps: _Steps) -> None:
    for thing in things:
        if thing.schema == wanted.target_schema:
            continue
        steps.add(
            "%s, in schema %s" % (thing.label, wanted.target_schema),
            Sql("ALTER %s %s SET SCHEMA {}" % (command_of(thing), identity_of(thing)), (wanted.target_schema,)),
            Sql(
                "ALTER %s %s SET SCHEMA {}" % (command_of(thing), identity_of(thing, wanted.target_schema)),
                (thing.schema,),
            ),
        )


def _path(wanted: Wanted, state: State, shared: SharedState) -> Any:
    """Let the owner find its tables without a schema's name, and the extensions that it needs."""
    if wanted.strategy != "schema":
        return None
    path = [wanted.target_schema]
    path += sorted({name for name in state.legacy.selection.extensions.values() if name not in path} | {"public"})
    if shared.search_path.replace('"', "") == ", ".join(path).replace('"', ""):
        return None
    set_path = "ALTER ROLE {} IN DATABASE {} SET search_path TO "
    names = (wanted.owner, wanted.database)
    before = [name.strip().strip('"') for name in shared.search_path.split(",") if name.strip()]
    back = Sql(set_path + ", ".join(["{}"] * len(before)), (*names, *before))
    return Change(
        "search_path of %s in %s" % names,
        shared.search_path,
        ", ".join(path),
        (Sql(set_path + ", ".join(["{}"] * len(path)), (*names, *path)),),
        (back if before else Sql("ALTER ROLE {} IN DATABASE {} RESET search_path", names),),
    )


def verify_shared(server: Cluster, wanted: Wanted, state: State) -> None:
    """Raise VerificationError where somebody else can do something with the service's tables."""
    tables = [thing.node[1] for thing in state.legacy.selection.tables]
    allowed = [wanted.owner, *wanted.connect_roles]
    found = server.rows(Sql(_OPEN, values=(tables, allowed), database=wanted.database))
    if found:
        raise VerificationError(
            "Role %s can still do something with %s." % (found[0]["role"], found[0]["name"]),
            "See by which membership, and take it away or name the role in connect_roles.",
        )
