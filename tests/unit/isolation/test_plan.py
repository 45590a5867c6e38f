# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""state -> plan: what pg_database_isolate would do, and in which order it is taken back."""

from typing import Any, Dict, List, Optional, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    ConflictError,
    InputError,
    StateError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Secret
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation import scram
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.catalogue import Thing
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.legacy import parse_legacy
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.model import (
    Content,
    Database,
    Expectation,
    Extension,
    Legacy,
    LegacyState,
    Migration,
    Role,
    State,
    Wanted,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.plan import check_names, make_plan
from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.selection import Selection

SETUP = Migration("setup.sql", b"SELECT 1;", "1" * 64)
PASSWORD = Secret("correct horse")
VERIFIER = scram.make_verifier("correct horse", b"0123456789abcdef")
EVERYONE: Tuple[str, ...] = ("", "postgres")
ARCHON = Role("archon", True, VERIFIER)
AVAILABLE = {"vector": False, "pg_trgm": True, "pgcrypto": True}


def legacy_of(database: str, action: str) -> Legacy:
    """Return Archon's old tables."""
    return parse_legacy(
        {"database": database, "tables": "public.archon_*", "archive_schema": "archon_legacy_archive"}, action
    )


def tables(*names: str) -> Selection:
    """Return tables as they were found in the old place."""
    found = [
        Thing(("pg_class", 20000 + number), "r", "public", name, "postgres", 0, "", "table public.%s" % name)
        for number, name in enumerate(names)
    ]
    return Selection({thing.node: thing for thing in found})


def salt() -> bytes:
    """Give the same salt each time."""
    return b"0123456789abcdef"


def wanted(**fields: Any) -> Wanted:
    """Return what is wanted for Archon, with these fields."""
    return Wanted(**{"database": "archon_db", "owner": "archon", "password": PASSWORD, **fields})


def database(owner: str = "archon", connect: Tuple[str, ...] = ("archon",), **fields: Any) -> Database:
    """Return Archon's database as the server has it."""
    return Database(
        **{
            "name": "archon_db",
            "owner": owner,
            "is_template": False,
            "connect": connect,
            "temporary": connect,
            **fields,
        }
    )


def state(
    found: Optional[Database] = None,
    content: Optional[Content] = None,
    roles: Tuple[Role, ...] = (),
    **fields: Any,
) -> State:
    """Return the state of a server, Debian's 15 by default."""
    known: Dict[str, Role] = {role.name: role for role in (Role("postgres", True), *roles)}
    return State(
        **{
            "version": 150008,
            "user": "postgres",
            "superuser": True,
            "roles": known,
            "database": found,
            "databases": ("postgres",) + (("archon_db",) if found else ()),
            "content": content or Content(),
            "available": AVAILABLE,
            "legacy": LegacyState(),
            **fields,
        }
    )


def plan_of(want: Wanted, there: State) -> Plan:
    """Return the plan, made with the same salt each time."""
    return make_plan(want, there, salt)


def whats(plan: Plan) -> List[str]:
    """Return the names of a plan's changes."""
    return [change.what for change in plan]


def displayed(change: Change) -> List[str]:
    """Return what a change does, as a person would type it."""
    return [statement.display() for statement in change.statements]


def undone(change: Change) -> List[str]:
    """Return how a change is taken back."""
    return [statement.display() for statement in change.undo]


def test_a_fresh_server_gets_everything_in_order() -> None:
    plan = plan_of(
        wanted(
            extensions=(
                Extension("vector"),
                Extension("pg_trgm"),
            ),
            connect_roles=("authenticator",),
            prelude="postgrest",
            migrations=(SETUP,),
        ),
        state(roles=(Role("authenticator", True),)),
    )
    assert whats(plan) == [
        "role archon",
        "role anon",
        "role authenticated",
        "role service_role",
        "database archon_db",
        "who may connect to archon_db",
        "extension vector in archon_db",
        "extension pg_trgm in archon_db",
        "prelude of PostgREST in archon_db",
        "migration setup.sql in archon_db",
        "event triggers for PostgREST in archon_db",
    ]
    assert plan.changed
    assert plan.warnings == []
    for change in plan:
        assert change.after
        assert not change.before or change.what.startswith("who may connect")
        assert change.undo, "%s can't be taken back" % change.what


def test_the_owner_is_made_with_a_verifier_and_no_rights() -> None:
    role = next(iter(plan_of(wanted(), state())))
    assert displayed(role) == ["CREATE ROLE \"archon\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '********'"]
    assert undone(role) == ['DROP ROLE IF EXISTS "archon"']
    (verifier,) = role.statements[0].values
    assert verifier == Secret(VERIFIER)
    assert "correct horse" not in repr(role)


def test_the_database_is_made_whole_and_nobody_enters() -> None:
    _role, made, connect = plan_of(wanted(), state())
    assert displayed(made) == ['CREATE DATABASE "archon_db" OWNER "archon" TEMPLATE "template0" ENCODING \'UTF8\'']
    assert undone(made) == ['DROP DATABASE IF EXISTS "archon_db" WITH (FORCE)']
    assert displayed(connect) == ['REVOKE CONNECT, TEMPORARY ON DATABASE "archon_db" FROM PUBLIC']
    assert (connect.before, connect.after) == ("PUBLIC", "archon")


def test_a_role_that_is_missing_needs_a_password() -> None:
    with pytest.raises(InputError, match="no password is given") as caught:
        plan_of(wanted(password=None), state())
    assert "owner_password_file" in str(caught.value)


def test_nothing_to_do_is_no_change() -> None:
    plan = plan_of(
        wanted(
            extensions=(Extension("vector"),),
            connect_roles=("authenticator",),
            migrations=(SETUP,),
            prelude="postgrest",
        ),
        state(
            database(connect=("archon", "authenticator")),
            Content(
                tables=("archon_settings",),
                extensions={"vector": "public"},
                applied={"setup.sql": SETUP.checksum},
                prelude=True,
                schema_watch=True,
                public_objects=3,
            ),
            roles=(
                ARCHON,
                Role("authenticator", True),
                Role("anon", False),
                Role("authenticated", False),
                Role("service_role", False),
            ),
        ),
    )
    assert not plan.changed
    assert plan.result() == {"changed": False, "diff": [], "changes": []}


def test_an_applied_plan_leads_to_no_plan() -> None:
    first = plan_of(wanted(), state())
    assert first.changed
    (verifier,) = next(iter(first)).statements[0].values
    assert not plan_of(wanted(), state(database(), roles=(Role("archon", True, verifier.value),))).changed


@pytest.mark.parametrize(
    ("role", "password", "superuser", "does", "takes_back"),
    [
        (Role("archon", True, VERIFIER), PASSWORD, True, None, None),
        (Role("archon", True, VERIFIER), None, True, None, None),
        (Role("archon", True, None), PASSWORD, False, None, None),
        (Role("archon", True, VERIFIER), Secret("new"), True, "ALTER ROLE {} LOGIN PASSWORD %s", None),
        (Role("archon", True, None), PASSWORD, True, "ALTER ROLE {} LOGIN PASSWORD %s", None),
        (Role("archon", True, "md5" + 32 * "0"), PASSWORD, True, "ALTER ROLE {} LOGIN PASSWORD %s", None),
        (Role("archon", False, VERIFIER), None, True, "ALTER ROLE {} LOGIN", "ALTER ROLE {} NOLOGIN"),
        (Role("archon", False, None), PASSWORD, False, "ALTER ROLE {} LOGIN PASSWORD %s", "ALTER ROLE {} NOLOGIN"),
    ],
)
def test_a_role_that_is_there(
    role: Role, password: Optional[Secret], superuser: bool, does: Optional[str], takes_back: Optional[str]
) -> None:
    plan = plan_of(wanted(password=password), state(database(), roles=(role,), superuser=superuser))
    assert [statement.text for change in plan for statement in change.statements] == ([does] if does else [])
    if takes_back:
        assert [statement.text for change in plan for statement in change.undo] == [takes_back]


def test_an_empty_database_of_another_owner_is_a_conflict() -> None:
    with pytest.raises(ConflictError, match="owned by postgres, not archon") as caught:
        plan_of(wanted(), state(database("postgres", EVERYONE), roles=(ARCHON,)))
    assert "adopt=true" in str(caught.value)


def test_an_empty_database_of_another_owner_is_handed_over_when_that_is_wanted() -> None:
    plan = plan_of(wanted(adopt=True), state(database("postgres", EVERYONE), roles=(ARCHON,)))
    assert whats(plan) == ["database archon_db", "who may connect to archon_db"]
    owner, connect = plan
    assert (owner.before, owner.after) == ("owner postgres", "owner archon")
    assert displayed(owner) == ['ALTER DATABASE "archon_db" OWNER TO "archon"']
    assert undone(owner) == ['ALTER DATABASE "archon_db" OWNER TO "postgres"']
    assert undone(connect) == [
        'GRANT CONNECT ON DATABASE "archon_db" TO PUBLIC',
        'GRANT TEMPORARY ON DATABASE "archon_db" TO PUBLIC',
    ]
    for change in plan:
        assert not any("DROP DATABASE" in text for text in undone(change))


def test_adopting_what_is_ours_changes_nothing() -> None:
    assert not plan_of(wanted(adopt=True), state(database(), roles=(ARCHON,))).changed


def test_a_template_is_a_conflict() -> None:
    with pytest.raises(ConflictError, match="template"):
        plan_of(wanted(adopt=True), state(database(is_template=True), roles=(ARCHON,)))


def test_roles_that_may_connect_are_granted_what_they_lack_and_no_more() -> None:
    roles = (ARCHON, Role("authenticator", True), Role("backup", True), Role("exporter", True))
    plan = plan_of(
        wanted(connect_roles=("authenticator", "backup", "exporter", "archon")),
        state(database(connect=("archon", "backup")), roles=roles),
    )
    (change,) = plan
    assert displayed(change) == [
        'GRANT CONNECT ON DATABASE "archon_db" TO "authenticator"',
        'GRANT CONNECT ON DATABASE "archon_db" TO "exporter"',
    ]
    assert undone(change) == [
        'REVOKE CONNECT ON DATABASE "archon_db" FROM "exporter"',
        'REVOKE CONNECT ON DATABASE "archon_db" FROM "authenticator"',
    ]
    assert change.before == "archon, backup"
    assert change.after == "archon, authenticator, backup, exporter"


def test_temporary_tables_of_everyone_are_enough_to_close_it() -> None:
    (change,) = plan_of(wanted(), state(database(temporary=("", "archon")), roles=(ARCHON,)))
    assert displayed(change) == ['REVOKE CONNECT, TEMPORARY ON DATABASE "archon_db" FROM PUBLIC']


def test_a_role_that_is_not_there_can_not_connect() -> None:
    with pytest.raises(StateError, match="connect_roles names authenticator"):
        plan_of(wanted(connect_roles=("authenticator",)), state())


def test_a_role_that_the_prelude_makes_may_connect() -> None:
    plan = plan_of(wanted(connect_roles=("anon",), prelude="postgrest"), state(roles=(Role("authenticator", True),)))
    names = whats(plan)
    assert names.index("role anon") < names.index("who may connect to archon_db")
    with pytest.raises(StateError, match="connect_roles names anon"):
        plan_of(wanted(connect_roles=("anon",)), state())


def test_an_extension_that_is_not_installed_is_told_with_its_package() -> None:
    with pytest.raises(StateError, match="Extension vector isn't installed") as caught:
        plan_of(wanted(extensions=(Extension("vector"),)), state(available={}, version=170002))
    assert "postgresql-17-pgvector" in str(caught.value)


def test_another_extension_that_is_not_installed() -> None:
    with pytest.raises(StateError, match="Extension hstore isn't installed") as caught:
        plan_of(wanted(extensions=(Extension("hstore"),)), state(available={}))
    assert "Postgres 15" in str(caught.value)


def test_an_untrusted_extension_needs_a_superuser() -> None:
    with pytest.raises(StateError, match="vector isn't a trusted one, and postgres is no superuser") as caught:
        plan_of(
            wanted(
                extensions=(
                    Extension("pg_trgm"),
                    Extension("vector"),
                )
            ),
            state(superuser=False),
        )
    assert "supabase_admin" in str(caught.value)


def test_a_trusted_extension_needs_none_and_one_that_is_there_nothing() -> None:
    there = state(
        database(), Content(extensions={"vector": "extensions"}), roles=(Role("archon", True),), superuser=False
    )
    plan = plan_of(
        wanted(
            extensions=(
                Extension("vector"),
                Extension("pg_trgm"),
            )
        ),
        there,
    )
    assert whats(plan) == ["extension pg_trgm in archon_db"]
    (change,) = plan
    assert displayed(change) == ['CREATE EXTENSION IF NOT EXISTS "pg_trgm" SCHEMA "public"']
    assert undone(change) == ['DROP EXTENSION IF EXISTS "pg_trgm" CASCADE']
    assert {statement.database for statement in change.statements + change.undo} == {"archon_db"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"database": "x" * 64}, "database .* has 64 bytes; Postgres cuts names after 63"),
        ({"owner": "x" * 64}, "role .* has 64 bytes"),
        ({"database": "ä" * 32}, "has 64 bytes"),
        ({"database": ""}, "can't name a database"),
        ({"owner": ""}, "can't name a role"),
        ({"database": "a\0b"}, "can't name a database"),
        ({"owner": "pg_archon"}, "belong to Postgres itself"),
        ({"legacy": legacy_of("archon_db", "archive")}, "legacy names the database archon_db"),
    ],
)
def test_names_that_postgres_would_cut_or_refuse(fields: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_names(wanted(**fields))
    with pytest.raises(InputError, match=says):
        plan_of(wanted(**fields), state())


@pytest.mark.parametrize("name", ["x" * 63, "ä" * 31, "Archon DB", 'say "hi"', "a; DROP DATABASE postgres; --"])
def test_any_other_name_is_taken_and_quoted(name: str) -> None:
    plan = plan_of(wanted(database=name, owner=name), state())
    quoted = '"%s"' % name.replace('"', '""')
    for change in plan:
        for text in displayed(change) + undone(change):
            assert quoted in text


def test_the_archive_comes_last_and_is_taken_back_first() -> None:
    legacy = legacy_of("postgres", "archive")
    plan = plan_of(
        wanted(legacy=legacy, migrations=(SETUP,)),
        state(legacy=LegacyState(selection=tables("archon_a", "archon_b"))),
    )
    assert whats(plan)[-1] == "legacy objects (public.archon_*) in postgres"
    backwards = [text for change in reversed(plan.changes) for text in undone(change)]
    assert backwards[0] == 'ALTER TABLE IF EXISTS "archon_legacy_archive".archon_b SET SCHEMA "public"'
    assert backwards[1] == 'ALTER TABLE IF EXISTS "archon_legacy_archive".archon_a SET SCHEMA "public"'
    assert backwards[2] == 'DROP SCHEMA IF EXISTS "archon_legacy_archive"'
    assert backwards[-2:] == ['DROP DATABASE IF EXISTS "archon_db" WITH (FORCE)', 'DROP ROLE IF EXISTS "archon"']


def test_the_legacy_stays_where_it_is_when_it_is_to_be_kept() -> None:
    legacy = legacy_of("postgres", "keep")
    plan = plan_of(
        wanted(legacy=legacy), state(database(), roles=(ARCHON,), legacy=LegacyState(selection=tables("archon_a")))
    )
    assert not plan.changed


def test_postgrests_own_role_is_not_ours_to_make() -> None:
    with pytest.raises(StateError, match="role authenticator"):
        plan_of(wanted(prelude="postgrest"), state())


def test_the_prelude_makes_what_a_service_takes_for_granted() -> None:
    plan = plan_of(
        wanted(prelude="postgrest"),
        state(database(), roles=(ARCHON, Role("authenticator", True), Role("anon", False))),
    )
    assert whats(plan) == [
        "role authenticated",
        "role service_role",
        "prelude of PostgREST in archon_db",
        "event triggers for PostgREST in archon_db",
    ]
    authenticated, service_role, prelude, watch = plan
    assert "NOTIFY pgrst, 'reload schema'" in displayed(watch)[0]
    assert {statement.database for statement in watch.statements + watch.undo} == {"archon_db"}
    assert displayed(authenticated) == [
        'CREATE ROLE "authenticated" NOLOGIN NOINHERIT',
        'GRANT "authenticated" TO "authenticator"',
    ]
    assert displayed(service_role)[0] == 'CREATE ROLE "service_role" NOLOGIN NOINHERIT BYPASSRLS'
    assert undone(service_role) == ['DROP ROLE IF EXISTS "service_role"']
    done = displayed(prelude)
    assert done[0] == "CREATE SCHEMA IF NOT EXISTS auth"
    assert "FUNCTION auth.uid()" in done[-2]
    assert "FUNCTION auth.role()" in done[-1]
    for role in ("anon", "authenticated", "service_role"):
        assert 'GRANT USAGE ON SCHEMA public TO "%s"' % role in done
        for objects in ("TABLES", "SEQUENCES", "FUNCTIONS"):
            default = 'ALTER DEFAULT PRIVILEGES FOR ROLE "archon" IN SCHEMA public '
            assert default + 'GRANT ALL ON %s TO "%s"' % (objects, role) in done
            assert default + 'REVOKE ALL ON %s FROM "%s"' % (objects, role) in undone(prelude)
    assert {statement.database for statement in prelude.statements + prelude.undo} == {"archon_db"}


def test_a_prelude_that_is_there_is_left_alone() -> None:
    roles = tuple(Role(name, False) for name in ("anon", "authenticated", "service_role", "authenticator"))
    assert not plan_of(
        wanted(prelude="postgrest"),
        state(database(), Content(prelude=True, schema_watch=True), roles=(ARCHON, *roles)),
    ).changed


@pytest.mark.parametrize(("prelude", "warned"), [(False, True), (True, False)])
def test_who_is_no_superuser_is_told_to_notify_where_the_prelude_is_new(prelude: bool, warned: bool) -> None:
    roles = tuple(Role(name, False) for name in ("anon", "authenticated", "service_role", "authenticator"))
    plan = plan_of(
        wanted(prelude="postgrest"),
        state(database(), Content(prelude=prelude), roles=(ARCHON, *roles), superuser=False),
    )
    assert "event triggers for PostgREST in archon_db" not in whats(plan)
    assert any("NOTIFY pgrst, 'reload schema'" in warning for warning in plan.warnings) is warned


@pytest.mark.parametrize(
    ("version", "owner", "right"), [(150000, "pg_database_owner", "USAGE"), (140011, "postgres", "ALL")]
)
def test_a_migration_of_an_empty_database_is_taken_back_by_emptying_it(version: int, owner: str, right: str) -> None:
    plan = plan_of(
        wanted(migrations=(SETUP,)),
        state(
            database(),
            Content(extensions={"vector": "public", "plpgsql": "pg_catalog"}),
            roles=(ARCHON,),
            version=version,
        ),
    )
    (change,) = plan
    assert change.data is SETUP
    assert change.after == "applied, checksum " + "1" * 12
    assert undone(change) == [
        'DROP SCHEMA IF EXISTS "bulkhead" CASCADE',
        "DROP SCHEMA IF EXISTS public CASCADE",
        "CREATE SCHEMA public",
        "COMMENT ON SCHEMA public IS 'standard public schema'",
        'ALTER SCHEMA public OWNER TO "%s"' % owner,
        "GRANT %s ON SCHEMA public TO PUBLIC" % right,
        'CREATE EXTENSION IF NOT EXISTS "vector" SCHEMA public',
    ]
    assert {statement.database for statement in change.statements + change.undo} == {"archon_db"}


def test_a_database_that_held_something_is_never_emptied() -> None:
    for content in (
        Content(tables=("archon_settings",), applied={"first.sql": "x"}, public_objects=4),
        Content(functions=("helper",), public_objects=1),
    ):
        (change,) = plan_of(wanted(migrations=(SETUP,)), state(database(), content, roles=(ARCHON,)))
        assert change.what == "migration setup.sql in archon_db"
        assert undone(change) == []


def test_what_ran_before_we_kept_a_record_is_adopted() -> None:
    (change,) = plan_of(
        wanted(migrations=(SETUP,), expect=Expectation(tables=("archon_settings",))),
        state(database(), Content(tables=("archon_settings",), public_objects=1), roles=(ARCHON,)),
    )
    assert change.what == "record of migration setup.sql in archon_db"
    assert displayed(change)[-1].startswith('INSERT INTO "bulkhead"."migration"')
    assert undone(change) == ['DROP SCHEMA IF EXISTS "bulkhead" CASCADE']


def test_what_is_not_as_expected_is_neither_run_nor_adopted() -> None:
    with pytest.raises(ConflictError, match="table archon_tasks is missing"):
        plan_of(
            wanted(migrations=(SETUP,), expect=Expectation(tables=("archon_tasks",))),
            state(database(), Content(tables=("other",)), roles=(ARCHON,)),
        )


def test_warnings_do_not_make_a_change() -> None:
    plan = plan_of(
        wanted(migrations=(SETUP,)),
        state(database(), Content(tables=("x",), applied={"setup.sql": "old"}), roles=(ARCHON,)),
    )
    assert not plan.changed
    assert len(plan.warnings) == 1


def test_no_password_stands_in_what_is_shown_or_journalled() -> None:
    plan = plan_of(wanted(), state())
    shown = repr(plan.result()) + repr(plan)
    assert "correct horse" not in shown
    assert VERIFIER not in shown
    for change in plan:
        for statement in change.undo:
            assert statement.to_json()


def test_only_what_public_held_is_given_back() -> None:
    held = database(temporary=("", "archon"))
    (change,) = plan_of(wanted(), state(held, roles=(ARCHON,)))
    assert undone(change) == ['GRANT TEMPORARY ON DATABASE "archon_db" TO PUBLIC']
