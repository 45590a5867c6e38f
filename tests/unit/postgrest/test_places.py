# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an instance's settings live, which place a change goes to, and what becomes of env files."""

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import places
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.conf_file import ConfFile
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.in_database import DatabaseSettings
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.instance import Files, plan_settings
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.places import (
    AUTO,
    DATABASE,
    ENV_FILE,
    ENVIRONMENT,
    FILE,
    Found,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.settings import find, parse

ENV = b"# rest\nPGRST_DB_SCHEMAS=public # both\nPGRST_DB_URI='postgres://a:hunter2@db/app'\nPGRST_LOG_LEVEL=info\n"
CONF = b'db-max-rows = 10\nserver-timing-enabled = false\ndb-anon-role = "$(ANON)"\n'


def found(**more):
    values = {
        "environment": {"PGRST_DB_ANON_ROLE": "anon", "PGRST_DB_SCHEMA": "api"},
        "env_files": [("/srv/a.env", b"PGRST_DB_PLAN_ENABLED=true\n"), ("/srv/rest.env", ENV)],
        "conf": ConfFile(CONF, "/srv/rest.conf"),
        "database": DatabaseSettings("authenticator", "app", {"db_pre_request": "f"}, {"jwt_aud": "all"}),
        **more,
    }
    return Found("rest", **values)


def assigned(wanted, place=AUTO, version=None, where=None):
    result = places.assign(parse(wanted), place, where or found(), version)
    return {name: {setting.name: value for setting, value in items.items()} for name, items in result.items() if items}


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("db-anon-role", "web", ENVIRONMENT),
        # Under its older name, and in an env file as well: the environment wins.
        ("db-schemas", "public", ENVIRONMENT),
        ("log-level", "warn", ENV_FILE),
        ("db-plan-enabled", "false", ENV_FILE),
        ("db-max-rows", "5", FILE),
        ("db-pre-request", "g", DATABASE),
        ("jwt-aud", "x", DATABASE),
        # It lives nowhere.
        ("openapi-mode", "disabled", ENVIRONMENT),
    ],
)
def test_a_setting_is_changed_where_it_lives(name, value, place):
    assert assigned({name: value}) == {place: {name: value}}


def test_null_takes_it_away_from_everywhere():
    assert assigned({"db-anon-role": None, "db-schemas": None, "openapi-mode": None}) == {
        ENVIRONMENT: {"db-anon-role": None, "db-schemas": None},
        ENV_FILE: {"db-schemas": None},
        FILE: {"db-anon-role": None},
    }
    assert assigned({"db-schemas": None}, ENV_FILE) == {ENV_FILE: {"db-schemas": None}}


@pytest.mark.parametrize(
    ("name", "value", "place", "says"),
    [
        ("db-pre-request", "g", ENVIRONMENT, "set in the database app too, which wins over the environment"),
        ("jwt-aud", "x", FILE, "set in the database app too, which wins over the file /srv/rest.conf"),
        ("db-anon-role", "web", FILE, "set in the environment too, which wins over the file"),
        ("db-schemas", "public", ENV_FILE, "set in the environment too, which wins over the env file /srv/rest.env"),
        ("log-level", "warn", FILE, "set in the env file /srv/rest.env too"),
    ],
)
def test_what_a_stronger_place_undoes_is_a_conflict(name, value, place, says):
    with pytest.raises(ConflictError) as refused:
        assigned({name: value}, place)
    assert says in refused.value.message
    assert "place=" in str(refused.value)
    assert assigned({name: None}, place)


def test_a_stronger_place_may_say_the_same():
    assert assigned({"db-pre-request": "f"}, ENVIRONMENT)
    assert assigned({"db-max-rows": 5}, DATABASE) == {DATABASE: {"db-max-rows": "5"}}


@pytest.mark.parametrize(
    ("name", "place", "more", "version", "says"),
    [
        ("db-max-rows", DATABASE, {"database": None}, None, "no server is named"),
        ("server-port", DATABASE, {}, None, "doesn't take server-port from the database"),
        ("jwt-cache-max-entries", DATABASE, {}, 14, "PostgREST 14 doesn't take jwt-cache-max-entries"),
        ("openapi-mode", FILE, {"conf": None}, None, "Name it as config_file"),
        ("openapi-mode", ENV_FILE, {"env_files": []}, None, "service rest has none"),
    ],
)
def test_a_place_that_is_not_there_is_refused(name, place, more, version, says):
    value = {"openapi-mode": "disabled"}.get(name, 5)
    with pytest.raises(InputError) as refused:
        assigned({name: value}, place, version, found(**more))
    assert says in str(refused.value)


def test_a_dollar_is_written_as_the_file_wants_it():
    assert assigned({"jwt-aud": "a$b"}, FILE, where=found(database=None)) == {FILE: {"jwt-aud": "a$$b"}}


def test_what_stands_outside_of_the_compose_file_is_known_where_nobody_replaces_it():
    where = found(
        env_files=[("/srv/rest.env", b"PGRST_SERVER_PORT=${PORT}\nPGRST_DB_POOL=3\nOTHER=x\n")],
        conf=ConfFile(b'server-port = 8000\ndb-pool = 9\ndb-anon-role = "$(ANON)"\ndb-schema = "a"\n', "rest.conf"),
    )
    assert where.outside_compose_file() == {
        "PGRST_SERVER_PORT": None,
        "PGRST_DB_POOL": "3",
        "PGRST_DB_ANON_ROLE": None,
        "PGRST_DB_SCHEMAS": "a",
    }


# Env files.


def compose(text):
    return [Document(b"services:\n" + text, "compose.yml")]


ALONE = compose(b"  rest:\n    image: postgrest/postgrest\n    env_file: [a.env, ./rest.env]\n")
SHARED = compose(
    b"  rest:\n    image: postgrest/postgrest\n    env_file: rest.env\n"
    b"  rest2:\n    image: postgrest/postgrest\n    env_file: rest.env\n"
)


@pytest.mark.parametrize(
    ("wanted", "after"),
    [
        ({"db-schemas": "api"}, ENV.replace(b"=public #", b"=api #")),
        ({"db-max-rows": 5}, ENV + b"PGRST_DB_MAX_ROWS=5\n"),
        ({"log-level": None}, ENV.replace(b"PGRST_LOG_LEVEL=info\n", b"")),
        ({"db-schemas": "a, b"}, ENV.replace(b"=public #", b"='a, b' #")),
    ],
)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_only_the_variable_of_an_env_file_changes(wanted, after, newline):
    before = ENV.replace(b"\n", newline)
    where = found(env_files=[("/srv/a.env", b""), ("/srv/rest.env", before)])
    (change,) = places.env_file_changes(where, parse(wanted), ALONE, "/srv")
    assert (change.what, change.data) == ("/srv/rest.env", (before, after.replace(b"\n", newline)))
    again = found(env_files=[("/srv/a.env", b""), ("/srv/rest.env", change.data[1])])
    assert places.env_file_changes(again, parse(wanted), ALONE, "/srv") == []


def test_a_variable_is_changed_in_the_last_file_that_has_it_and_removed_from_each():
    where = found(env_files=[("/srv/a.env", b"PGRST_DB_POOL=1\nX=1\n"), ("/srv/rest.env", b"PGRST_DB_POOL=2\n")])
    (changed,) = places.env_file_changes(where, parse({"db-pool": 3}), ALONE, "/srv")
    assert changed.data == (b"PGRST_DB_POOL=2\n", b"PGRST_DB_POOL=3\n")
    removed = places.env_file_changes(where, parse({"db-pool": None}), ALONE, "/srv")
    assert [change.data[1] for change in removed] == [b"X=1\n", b""]


def test_an_env_file_that_another_instance_reads_is_a_conflict():
    where = found(environment={}, env_files=[("/srv/rest.env", ENV)])
    with pytest.raises(ConflictError) as refused:
        places.env_file_changes(where, parse({"db-schemas": "api"}), SHARED, "/srv")
    assert "read by service rest2 too" in refused.value.message
    assert places.env_file_changes(where, parse({"db-schemas": "public"}), SHARED, "/srv") == []


def test_the_uri_of_an_env_file_changes_in_its_parts_and_is_masked():
    place, text = places.changed_uri(found(), "other", "b", None)
    assert (place, text) == (ENV_FILE, "postgres://b:hunter2@db/other")
    (change,) = places.env_file_changes(found(), {find("db-uri"): text}, ALONE, "/srv")
    assert b"PGRST_DB_URI='postgres://b:hunter2@db/other'\n" in change.data[1]
    assert "hunter2" not in repr(change)
    assert change.before == "PGRST_DB_URI=postgres://a:********@db/app"


def test_two_values_that_look_the_same_masked_are_told_apart():
    (change,) = places.env_file_changes(found(), parse({"db-uri": "postgres://a:other@db/app"}), ALONE, "/srv")
    assert change.before != change.after


def test_the_uri_of_the_environment_is_not_looked_for_elsewhere():
    assert places.changed_uri(found(environment={"PGRST_DB_URI": "x"}), "other", None, None) is None
    assert places.changed_uri(found(), None, None, None) is None
    with pytest.raises(StateError):
        places.changed_uri(found(env_files=[]), "other", None, None)


# The configuration file.


def test_the_configuration_file_changes_and_is_masked():
    where = found(environment={}, env_files=[])
    wanted = parse({"db-max-rows": 5, "jwt-secret": "hunter2" * 6, "db-anon-role": None})
    (change,) = places.conf_changes(where, wanted, ALONE, "/srv", CONF)
    assert change.data == (
        CONF,
        b'db-max-rows = 5\nserver-timing-enabled = false\njwt-secret = "%s"\n' % (b"hunter2" * 6),
    )
    assert "hunter2" not in repr(change)
    assert "db-anon-role = $(ANON)" in change.before
    assert places.conf_changes(where, parse({"db-max-rows": 10}), ALONE, "/srv", CONF) == []


def test_a_configuration_file_of_two_instances_is_a_conflict():
    documents = compose(
        b"  rest: &a\n    image: postgrest/postgrest\n    command: postgrest /etc/rest.conf\n"
        b"    volumes: [./rest.conf:/etc/rest.conf]\n  rest2: *a\n"
    )
    with pytest.raises(ConflictError) as refused:
        places.conf_changes(found(), parse({"db-max-rows": 5}), documents, "/srv", CONF)
    assert "service rest2 too" in refused.value.message


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (
            b'command: ["/etc/postgrest/rest.conf"]\n    volumes: [./conf:/etc/postgrest:ro]',
            ("/srv/conf/rest.conf", False),
        ),
        (b"command: postgrest /etc/rest.conf\n    volumes: [./rest.conf:/etc/rest.conf]", ("/srv/rest.conf", True)),
        (b"command: /bin/postgrest '/etc/my conf'\n    volumes: ['/opt/my conf:/etc/my conf']", ("/opt/my conf", True)),
        (
            b"command: [/etc/rest.conf]\n    volumes:\n      - {type: bind, source: ./r.conf, target: /etc/rest.conf}",
            ("/srv/r.conf", True),
        ),
        # Of this host nothing is there.
        (b"command: [/etc/rest.conf]\n    volumes: [conf:/etc]", None),
        (b"command: [/etc/rest.conf]", None),
        (b"command: [/etc/rest.conf]\n    volumes: ['${CONF}:/etc/rest.conf']", None),
        (b"command: ['${CONF}']\n    volumes: [./conf:/etc]", None),
        (b"command: [--ready]\n    volumes: [./conf:/etc]", None),
        (b"volumes: [./conf:/etc]", None),
        (b'command: "postgrest \'open"', None),
    ],
)
def test_the_configuration_file_is_what_the_command_names(definition, expected):
    documents = compose(b"  rest:\n    image: postgrest/postgrest\n    " + definition + b"\n")
    path = places.conf_path(documents, "rest", "/srv")
    assert (None if path is None else (path.path, path.is_alone)) == expected


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (b"env_file: rest.env", ["/srv/rest.env"]),
        (b"env_file: [a.env, {path: ./b/rest.env, required: false}, a.env]", ["/srv/a.env", "/srv/b/rest.env"]),
        (b"env_file: ['${NAME}.env', /opt/x.env]", ["/opt/x.env"]),
        (b"restart: always", []),
    ],
)
def test_env_files_are_in_their_order(definition, expected):
    documents = compose(b"  rest:\n    image: postgrest/postgrest\n    " + definition + b"\n")
    assert places.env_file_paths(documents, "rest", "/srv") == expected


# Who else is concerned.

REST = (
    b"services:\n  rest:\n    image: postgrest/postgrest\n    env_file: rest.env\n    environment: {PGRST_DB_POOL: 5}\n"
)
FAR = b"services:\n  far: {extends: {file: compose.yml, service: rest}, environment: {PGRST_DB_SCHEMAS: far}}\n"
BOTH = Files([Document(REST, "compose.yml"), Document(FAR, "compose.override.yml")])


def test_who_extends_the_service_in_another_file_is_not_changed_with_it():
    plan = plan_settings(BOTH, "rest", parse({"db-pool": 9, "db-schemas": "x"}), None)
    with pytest.raises(ConflictError) as refused:
        places.refuse_to_change_others(BOTH.documents(), BOTH.with_target(plan.data).documents(), "rest")
    assert "Service far extends rest, and PGRST_DB_POOL would change for it too" in refused.value.message
    # What it sets itself stays as it is.
    plan = plan_settings(BOTH, "rest", parse({"db-schemas": "x"}), None)
    places.refuse_to_change_others(BOTH.documents(), BOTH.with_target(plan.data).documents(), "rest")


def test_in_the_override_file_it_is_the_services_own():
    where = Files([Document(REST, "compose.yml")], FAR, "compose.override.yml", "compose.yml")
    plan = plan_settings(where, "rest", parse({"db-pool": 9}), None)
    assert b"PGRST_DB_POOL" in plan.data
    places.refuse_to_change_others(where.documents(), where.with_target(plan.data).documents(), "rest")


def test_what_is_removed_from_both_is_still_read_by_others_from_the_env_file():
    wanted = parse({"db-pool": None})
    plan = plan_settings(BOTH, "rest", wanted, None)
    held = Found("rest", {"PGRST_DB_POOL": "5"}, [("/srv/rest.env", b"PGRST_DB_POOL=3\n")])
    with pytest.raises(ConflictError) as refused:
        places.env_file_changes(held, wanted, BOTH.with_target(plan.data).documents(), "/srv")
    assert "read by service far too" in refused.value.message
