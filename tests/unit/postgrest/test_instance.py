# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance in compose files: its settings, a second one by extends, and whether containers agree with the files."""

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    ConflictError,
    InputError,
    StateError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import instance
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.settings import parse

URI = "postgres://authenticator:${POSTGRES_PASSWORD}@${POSTGRES_HOST}:${POSTGRES_PORT}/"

BASE = b"""# by hand
services:
  db:
    image: postgres:15

  rest:
    container_name: supabase-rest
    image: postgrest/postgrest:v13.0.8
    environment:
      # the shared database
      PGRST_DB_URI: %(uri)s${POSTGRES_DB}
      PGRST_DB_SCHEMAS: public,storage   # both
      PGRST_JWT_SECRET: ${JWT_SECRET}
""" % {b"uri": URI.encode()}

LIST = b"""services:
  rest:
    image: postgrest/postgrest
    environment:
      - PGRST_DB_URI=%(uri)s${POSTGRES_DB}
      - "PGRST_DB_SCHEMA=public"
""" % {b"uri": URI.encode()}

INSTANCE = (
    """services:
  rest-archon:
    extends:
      file: "docker-compose.yml"
      service: "rest"
    container_name: "rest-archon"
    environment:
      PGRST_DB_URI: "%sarchon_db"
      PGRST_ADMIN_SERVER_PORT: "3001"
      PGRST_DB_SCHEMAS: "public"
"""
    % URI
)


def files(base=BASE, override=None, more=(), inline=False):
    documents = [Document(base, "docker-compose.yml"), *(Document(data, name) for name, data in more)]
    if inline:
        return instance.Files(documents)
    return instance.Files(documents, override, "docker-compose.override.yml", "docker-compose.yml")


def add(where, service="rest-archon", base="rest", name="rest-archon", settings=None, database="archon_db", **more):
    wanted = parse({"db-schemas": "public"} if settings is None else settings)
    return instance.plan_instance(where, service, base, name, wanted, database, **more)


HEALTHCHECK = """    healthcheck:
      test:
        - "CMD"
        - "postgrest"
        - "--ready"
      interval: "5s"
      timeout: "5s"
      start_period: "30s"
"""


# Settings of an instance that is there.


def test_settings_and_the_database_change_and_nothing_else():
    plan = instance.plan_settings(files(inline=True), "rest", parse({"db-schemas": "public"}), "archon_db")
    assert plan.changed
    assert plan.data == BASE.replace(b"${POSTGRES_DB}", b"archon_db").replace(b"public,storage", b"public")
    again = instance.plan_settings(files(plan.data, inline=True), "rest", parse({"db-schemas": "public"}), "archon_db")
    assert (again.changed, again.data) == (False, plan.data)


def test_other_parts_of_the_uri_change_as_the_database_does():
    plan = instance.plan_settings(files(inline=True), "rest", {}, None, "api", "db2")
    assert plan.data == BASE.replace(b"authenticator", b"api").replace(b"${POSTGRES_HOST}", b"db2")


def test_a_uri_as_a_whole_and_in_parts_is_refused():
    wanted = parse({"db-uri": URI + "x"})
    with pytest.raises(InputError) as refused:
        instance.plan_settings(files(inline=True), "rest", wanted, "archon_db")
    assert "as a whole and in parts" in refused.value.message
    with pytest.raises(InputError):
        instance.plan_instance(files(), "rest-archon", "rest", "rest-archon", wanted, None, user="api")
    assert instance.plan_settings(files(inline=True), "rest", wanted, None).changed


@pytest.mark.parametrize(
    ("base", "gone"),
    [
        (BASE, b"      PGRST_DB_SCHEMAS: public,storage   # both\n"),
        (LIST, b'      - "PGRST_DB_SCHEMA=public"\n'),
    ],
)
def test_null_takes_a_setting_away(base, gone):
    plan = instance.plan_settings(files(base, inline=True), "rest", parse({"db-schemas": None}), None)
    assert plan.data == base.replace(gone, b"")
    assert "PGRST_DB_SCHEMAS" not in plan.environment
    assert not instance.plan_settings(files(plan.data, inline=True), "rest", parse({"db-schemas": None}), None).changed


def test_a_list_stays_a_list_and_an_older_name_is_used_where_it_stands():
    plan = instance.plan_settings(files(LIST, inline=True), "rest", parse({"db-schemas": "a,b"}), "archon_db")
    assert plan.data == LIST.replace(b"${POSTGRES_DB}", b"archon_db").replace(b"SCHEMA=public", b"SCHEMA=a,b")


def test_in_override_mode_only_the_override_file_changes():
    plan = instance.plan_settings(files(), "rest", parse({"db-schemas": "public"}), None)
    assert plan.data == b'services:\n  rest:\n    environment:\n      PGRST_DB_SCHEMAS: "public"\n'
    assert plan.environment["PGRST_DB_SCHEMAS"] == "public"
    again = instance.plan_settings(files(override=plan.data), "rest", parse({"db-schemas": "public"}), None)
    assert not again.changed


def test_what_is_right_in_the_base_needs_no_override():
    plan = instance.plan_settings(files(), "rest", parse({"db-schemas": "public,storage"}), "${POSTGRES_DB}")
    assert (plan.changed, plan.data) == (False, None)


def test_a_value_that_a_later_file_undoes_is_a_conflict():
    later = (("docker-compose.override.yml", b'services:\n  rest:\n    environment:\n      PGRST_DB_SCHEMAS: "x"\n'),)
    with pytest.raises(ConflictError) as refused:
        instance.plan_settings(files(more=later, inline=True), "rest", parse({"db-schemas": "public"}), None)
    assert "docker-compose.override.yml" in refused.value.message
    assert instance.plan_settings(files(more=later, inline=True), "rest", parse({"db-max-rows": 5}), None).changed


def test_the_order_of_files_is_composes_own():
    override = Document(b'services:\n  rest:\n    environment:\n      PGRST_DB_SCHEMAS: "x"\n', "over.yml")
    named_last = instance.Files([override, Document(BASE, "base.yml")], order=["base.yml", "over.yml"])
    plan = instance.plan_settings(named_last, "rest", parse({"db-schemas": "y"}), None)
    assert plan.data == override.data.replace(b'"x"', b'"y"')
    assert plan.environment["PGRST_DB_SCHEMAS"] == "y"


def test_a_service_that_is_not_postgrest_is_refused():
    with pytest.raises(StateError) as refused:
        instance.plan_settings(files(inline=True), "db", parse({"db-schemas": "public"}), None)
    assert "isn't PostgREST" in refused.value.message
    with pytest.raises(InputError) as unknown:
        instance.plan_settings(files(inline=True), "ret", parse({"db-schemas": "public"}), None)
    assert "Did you mean rest?" in str(unknown.value)


def test_an_instance_is_known_by_its_variables_where_its_image_says_nothing():
    base = BASE.replace(b"postgrest/postgrest:v13.0.8", b"registry.example/api:1")
    assert instance.plan_settings(files(base, inline=True), "rest", parse({"db-schemas": "public"}), None).changed


def test_a_misspelt_variable_of_the_file_is_told():
    base = BASE.replace(b"PGRST_DB_SCHEMAS", b"PGRST_DB_SHEMAS")
    plan = instance.plan_settings(files(base, inline=True), "rest", {}, None)
    assert not plan.changed
    assert plan.warnings == [
        "PGRST_DB_SHEMAS of service rest is no setting of PostgREST, which ignores it. Did you mean PGRST_DB_SCHEMAS?"
    ]


def test_a_uri_that_does_not_stand_in_the_file_is_told():
    base = BASE.replace(b"      PGRST_DB_URI: " + URI.encode() + b"${POSTGRES_DB}\n", b"")
    with pytest.raises(StateError) as refused:
        instance.plan_settings(files(base, inline=True), "rest", {}, "archon_db")
    assert "PGRST_DB_URI of service rest" in refused.value.message


# A second instance.


def test_a_second_instance_goes_to_the_override_file():
    plan = add(files())
    assert plan.data == INSTANCE.encode()
    assert plan.environment == {
        "PGRST_DB_URI": URI + "archon_db",
        "PGRST_ADMIN_SERVER_PORT": "3001",
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_JWT_SECRET": "${JWT_SECRET}",
    }
    again = add(files(override=plan.data))
    assert (again.changed, again.data) == (False, plan.data)


def test_it_goes_below_what_the_override_file_holds():
    override = b"# mine\nservices:\n  db:\n    shm_size: 1g # enough\n"
    plan = add(files(override=override))
    assert plan.data.startswith(override)
    assert instance.plan_absent(files(override=plan.data), "rest-archon", None).data == override


def test_it_can_go_to_the_compose_file_itself():
    plan = add(files(inline=True))
    assert plan.data.startswith(BASE)
    assert b"extends:\n      service: " in plan.data
    assert b"file:" not in plan.data
    assert not add(files(plan.data, inline=True)).changed
    assert instance.plan_absent(files(plan.data, inline=True), "rest-archon", "rest").data == BASE


def test_other_settings_replace_those_it_had():
    changed = add(files(override=INSTANCE.encode()), settings={"db-max-rows": 10})
    assert b"PGRST_DB_SCHEMAS" not in changed.data
    assert b'PGRST_DB_MAX_ROWS: "10"' in changed.data


def test_keys_that_somebody_added_stay():
    override = INSTANCE.encode() + b"    restart: always # mine\n"
    plan = add(files(override=override), database="other_db")
    assert plan.data == override.replace(b"/archon_db", b"/other_db")
    with pytest.raises(ConflictError):
        add(files(override=override), name="another")


@pytest.mark.parametrize(
    ("addition", "says"),
    [
        (b'    ports: ["3000:3000"]\n', "publishes ports"),
        (b"    network_mode: host\n", "the host's network"),
        (b"    networks:\n      default:\n        aliases: [rest-api]\n", "aliases"),
        (b"    networks:\n      default:\n        ipv4_address: 10.0.0.9\n", "ipv4_address"),
    ],
)
def test_what_only_one_container_can_have_is_not_carried_over(addition, says):
    with pytest.raises(StateError) as refused:
        add(files(BASE + addition))
    assert says in refused.value.message


def test_what_two_containers_can_have_is():
    harmless = b"    ports: []\n    networks:\n      default:\n      other: {}\n    restart: always\n"
    assert add(files(BASE + harmless)).changed


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"name": None}, InputError, "container_name"),
        ({"database": None}, InputError, "which database"),
        ({"base": "nobody"}, InputError, "has no service nobody"),
        ({"base": "db"}, StateError, "isn't PostgREST"),
        ({"service": "rest"}, InputError, "based on itself"),
        ({"service": "db"}, ConflictError, "is there already"),
    ],
)
def test_what_can_not_be_added_is_refused(change, error, says):
    with pytest.raises(error) as refused:
        add(files(), **change)
    assert says in str(refused.value)


def test_a_service_of_that_name_that_is_not_based_on_the_first_is_a_conflict():
    with pytest.raises(ConflictError):
        add(files(override=b"services:\n  rest-archon:\n    image: postgrest/postgrest\n"))


@pytest.mark.parametrize(
    ("base", "settings", "port"),
    [
        (b"", {}, "3001"),
        (b"      PGRST_SERVER_PORT: 8000\n", {}, "8001"),
        (b"      PGRST_SERVER_PORT: 8000\n", {"server-port": 9000}, "9001"),
        (b"      PGRST_SERVER_PORT: abc\n", {}, "3001"),
        # What it has, or is given, stays as it is.
        (b"      PGRST_ADMIN_SERVER_PORT: 3005\n", {}, None),
        (b"", {"admin-server-port": 3005}, "3005"),
        # Nobody can tell the next one.
        (b"      PGRST_SERVER_PORT: ${PORT}\n", {}, None),
        (b"      PGRST_SERVER_PORT: 65535\n", {}, None),
    ],
)
def test_the_new_one_has_an_admin_server(base, settings, port):
    plan = add(files(BASE + base), settings=settings)
    written = b"" if port is None else b'PGRST_ADMIN_SERVER_PORT: "%s"' % port.encode()
    assert written in plan.data
    assert (b"ADMIN" in plan.data) is (port is not None)


def test_the_ports_of_an_env_file_or_a_configuration_file_count_too():
    assert b"ADMIN" not in add(files(), elsewhere={"PGRST_ADMIN_SERVER_PORT": "3009"}).data
    assert b'"8001"' in add(files(), elsewhere={"PGRST_SERVER_PORT": "8000"}).data
    assert b"ADMIN" not in add(files(), elsewhere={"PGRST_SERVER_PORT": None}).data


def test_an_admin_server_on_the_servers_own_port_is_a_conflict():
    base = BASE + b"      PGRST_ADMIN_SERVER_PORT: 3001\n"
    with pytest.raises(ConflictError) as refused:
        add(files(base), settings={"server-port": 3001})
    assert "on its own port, 3001" in refused.value.message
    with pytest.raises(ConflictError):
        instance.plan_settings(files(base, inline=True), "rest", parse({"server-port": 3001}), None)
    assert instance.plan_settings(files(base, inline=True), "rest", parse({"server-port": 3002}), None).changed


def test_the_new_one_is_checked_for_readiness_where_the_version_can_and_the_first_one_is_not():
    plan = add(files(), version=14)
    assert plan.data == (INSTANCE + HEALTHCHECK).encode()
    assert not add(files(override=plan.data), version=14).changed
    assert add(files(override=plan.data), version=13).data == INSTANCE.encode()
    for version in (13, None):
        assert add(files(), version=version).data == INSTANCE.encode()


def test_a_healthcheck_of_the_first_one_is_handed_on():
    base = BASE + b'    healthcheck: {test: ["CMD", "postgrest", "--ready"]}\n'
    assert b"healthcheck" not in add(files(base), version=14).data


def test_without_an_admin_server_nothing_can_be_asked():
    base = BASE + b"      PGRST_SERVER_PORT: ${PORT}\n"
    assert b"healthcheck" not in add(files(base), version=14).data


def test_a_healthcheck_that_somebody_wrote_stays():
    override = INSTANCE.encode() + b'    healthcheck:\n      test: ["CMD", "true"] # mine\n'
    assert not add(files(override=override), version=14).changed
    assert b"# mine" in add(files(override=override), version=14, database="other_db").data


def test_another_role_and_host_for_the_new_one():
    plan = add(files(), user="api", host="db2")
    assert b"postgres://api:${POSTGRES_PASSWORD}@db2:${POSTGRES_PORT}/archon_db" in plan.data
    assert b"/${POSTGRES_DB}" in add(files(), database=None, user="api").data


def test_what_comes_from_the_first_one_can_not_be_removed():
    for settings, more in (
        ({"jwt-secret": None}, {}),
        ({"db-max-rows": None}, {"elsewhere": {"PGRST_DB_MAX_ROWS": "5"}}),
    ):
        with pytest.raises(ConflictError) as refused:
            add(files(), settings=settings, **more)
        assert "comes to service rest-archon from service rest" in refused.value.message
    assert b"MAX_ROWS" not in add(files(), settings={"db-max-rows": None}).data


def test_only_what_was_added_is_removed():
    assert instance.plan_absent(files(), "rest-archon", "rest").changed is False
    gone = instance.plan_absent(files(override=INSTANCE.encode()), "rest-archon", "rest")
    assert (gone.changed, gone.data) == (True, None)
    for service, base in (("rest", None), ("rest-archon", "another")):
        with pytest.raises(ConflictError):
            instance.plan_absent(files(override=INSTANCE.encode()), service, base)
    with pytest.raises(ConflictError):
        instance.plan_absent(files(inline=True), "rest", None)


# Containers and secrets.


@pytest.mark.parametrize(
    ("written", "actual", "agree"),
    [
        ("public", "public", True),
        ("public", "other", False),
        ("public", None, False),
        (None, "anything", True),
        ("${A}", "", True),
        (URI + "archon_db", "postgres://authenticator:s/e@c@db:5432/archon_db", True),
        (URI + "archon_db", "postgres://authenticator:secret@db:5432/postgres", False),
        ("${A:-${B:-x}}/y", "z/y", True),
        ("${A:-${B:-x}}/y", "z/x", False),
        ("a$$b", "a$b", True),
        ("a$$b", "a$$b", False),
        ("$A.$B", "x.y", True),
        ("$A.$B", "x-y", False),
    ],
)
def test_a_container_agrees_where_variables_may_have_been_anything(written, actual, agree):
    assert instance.agrees(written, actual) is agree


def test_a_container_is_needed_where_there_is_none_or_one_of_another_mind():
    environment = {"PGRST_DB_SCHEMAS": "public", "OTHER": "x"}
    assert instance.is_pending(environment, [])
    assert instance.is_pending(environment, [["PGRST_DB_SCHEMAS=other"]])
    assert instance.is_pending(environment, [["PGRST_DB_SCHEMAS=public"], ["PATH=/"]])
    assert not instance.is_pending(environment, [["PGRST_DB_SCHEMAS=public", "PATH=/"]])


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        ({"jwt-secret": "${JWT_SECRET}"}, []),
        ({"jwt-secret": "@/run/jwt"}, []),
        ({"jwt-secret": "x" * 32}, [("jwt-secret", "x" * 32)]),
        ({"db-uri": URI + "x"}, []),
        ({"db-uri": "postgres://a:hunter2@db/x"}, [("db-uri", "hunter2")]),
        ({"app.settings.jwt_exp": "3600"}, []),
        ({"app.settings.jwt_secret": "hunter2"}, [("app.settings.jwt_secret", "hunter2")]),
        ({"db-anon-role": "anon"}, []),
    ],
)
def test_secrets_that_are_written_out_are_found(settings, secrets):
    assert instance.written_out_secrets(parse(settings)) == secrets


def test_a_variable_that_is_to_be_gone_makes_a_container_pending():
    held = [["PGRST_DB_SCHEMAS=public", "PGRST_DB_MAX_ROWS=5"]]
    assert not instance.is_pending({"PGRST_DB_SCHEMAS": "public"}, held)
    assert instance.is_pending({"PGRST_DB_SCHEMAS": "public"}, held, ["PGRST_DB_MAX_ROWS"])


def test_a_diff_has_no_secret():
    data = (
        BASE
        + b"""      PGRST_APP_SETTINGS_KEY: hunter2-app
      PGRST_APP_SETTINGS_REF: ${REF}
      OTHER: postgres://a:hunter2@x@db/x
"""
    )
    shown = instance.shown_file(data.replace(b"${JWT_SECRET}", b"hunter2" * 6), "docker-compose.yml")
    assert "hunter2" not in shown
    assert "${REF}" in shown
    assert "${POSTGRES_PASSWORD}" in shown
    assert "PGRST_DB_SCHEMAS: public,storage" in shown


def test_the_image_is_that_of_the_last_file_that_names_one():
    later = Document(b"services:\n  rest:\n    image: postgrest/postgrest:v14.1\n", "override.yml")
    assert instance.image_of([Document(BASE, "a.yml")], "rest") == "postgrest/postgrest:v13.0.8"
    assert instance.image_of([Document(BASE, "a.yml"), later], "rest") == "postgrest/postgrest:v14.1"
    assert instance.image_of([Document(INSTANCE.encode(), "b.yml"), Document(BASE, "a.yml")], "rest-archon") == (
        "postgrest/postgrest:v13.0.8"
    )
