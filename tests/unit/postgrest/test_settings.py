# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgREST's settings: names, near misses, values."""

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import settings


@pytest.mark.parametrize(
    ("name", "setting", "variable"),
    [
        ("db-schemas", "db-schemas", "PGRST_DB_SCHEMAS"),
        ("db_schemas", "db-schemas", "PGRST_DB_SCHEMAS"),
        ("PGRST_DB_SCHEMAS", "db-schemas", "PGRST_DB_SCHEMAS"),
        ("pgrst.db_schemas", "db-schemas", "PGRST_DB_SCHEMAS"),
        ("DB-SCHEMAS", "db-schemas", "PGRST_DB_SCHEMAS"),
        ("db-schema", "db-schemas", "PGRST_DB_SCHEMAS"),
        ("max-rows", "db-max-rows", "PGRST_DB_MAX_ROWS"),
        ("admin-server-port", "admin-server-port", "PGRST_ADMIN_SERVER_PORT"),
        ("PGRST_DB_USE_LEGACY_GUCS", "db-use-legacy-gucs", "PGRST_DB_USE_LEGACY_GUCS"),
        ("app.settings.jwt_secret", "app.settings.jwt_secret", "PGRST_APP_SETTINGS_JWT_SECRET"),
        ("PGRST_APP_SETTINGS_JWT_EXP", "app.settings.jwt_exp", "PGRST_APP_SETTINGS_JWT_EXP"),
    ],
)
def test_a_setting_is_found_by_each_of_its_names(name, setting, variable):
    found = settings.find(name)
    assert (found.name, found.variable) == (setting, variable)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("db-shemas", "db-schemas"),
        ("PGRST_DB_SCHEMS", "db-schemas"),
        ("schemas", "db-schemas"),
        ("anon-role", "db-anon-role"),
        ("db-anonrole", "db-anon-role"),
        ("PGRST_ADMIN_PORT", "admin-server-port"),
        ("jwt-secrets", "jwt-secret"),
        ("db-url", "db-uri"),
        ("loglevel", "log-level"),
        ("PGRST_SERVER_PROT", "server-port"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(InputError) as refused:
        settings.find(name)
    assert name in refused.value.message
    assert refused.value.remedy == "Did you mean %s?" % near


@pytest.mark.parametrize("name", ["zzzzzz", "PGRST_", "", "app.settings.", "postgrest"])
def test_a_name_that_is_near_nothing_is_refused_too(name):
    with pytest.raises(InputError) as refused:
        settings.find(name)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("db-schemas", "public,storage", "public,storage"),
        ("db-schemas", ["public", "storage"], "public,storage"),
        ("db-max-rows", 1000, "1000"),
        ("db-max-rows", "1000", "1000"),
        ("db-max-rows", "${MAX_ROWS:-1000}", "${MAX_ROWS:-1000}"),
        ("db-config", True, "true"),
        ("db-config", "False", "false"),
        ("db-config", "on", "true"),
        ("log-level", "info", "info"),
        ("jwt-secret", "${JWT_SECRET}", "${JWT_SECRET}"),
        ("jwt-secret", "@/run/secrets/jwt", "@/run/secrets/jwt"),
        ("jwt-secret", "x" * 32, "x" * 32),
        ("db-anon-role", "", ""),
    ],
)
def test_a_value_is_written_as_the_environment_holds_it(name, value, text):
    assert settings.normal_value(settings.find(name), value) == text


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("server-port", "abc", "whole number"),
        ("db-max-rows", "-1", "whole number"),
        ("db-max-rows", "10 ", "whole number"),
        ("db-pool", 1.5, "whole number"),
        ("db-config", "maybe", "true or false"),
        ("log-level", "warning", "Did you mean warn?"),
        ("db-tx-end", "commit_allow_override", "commit-allow-override"),
        ("openapi-mode", "off", "one of"),
        ("jwt-secret", "short", "shorter than 32"),
        ("db-schemas", "a\nb", "line break"),
        ("db-schemas", {"a": 1}, "text"),
        ("db-schemas", None, "text"),
    ],
)
def test_a_value_that_postgrest_would_not_take_is_refused(name, value, says):
    with pytest.raises(InputError) as refused:
        settings.normal_value(settings.find(name), value)
    assert says in str(refused.value)


def test_a_short_secret_is_not_in_the_message():
    with pytest.raises(InputError) as refused:
        settings.normal_value(settings.find("jwt-secret"), "hunter2")
    assert "hunter2" not in str(refused.value)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(InputError) as refused:
        settings.parse({"db-shemas": "a", "server-port": "abc", "log-level": "info"})
    assert "db-schemas" in str(refused.value)
    assert "whole number" in str(refused.value)
    assert "log-level" not in str(refused.value)


def test_a_setting_under_two_names_is_one():
    parsed = settings.parse({"db-schemas": "public", "PGRST_DB_SCHEMAS": "public"})
    assert [(setting.name, text) for setting, text in parsed.items()] == [("db-schemas", "public")]
    with pytest.raises(InputError):
        settings.parse({"db-schemas": "public", "PGRST_DB_SCHEMAS": "other"})


@pytest.mark.parametrize("ports", [{"admin-server-port": 3000}, {"admin-server-port": 8080, "server-port": "8080"}])
def test_the_admin_port_is_not_the_servers(ports):
    with pytest.raises(InputError) as refused:
        settings.parse(ports)
    assert "admin-server-port" in str(refused.value)


def test_ports_that_differ_are_taken():
    assert len(settings.parse({"admin-server-port": 3001, "server-port": 3000})) == 2


def test_unknown_variables_of_an_environment_are_told_with_the_nearest():
    found = settings.unknown_variables(
        ["PGRST_DB_SCHEMAS", "PGRST_DB_SHEMAS", "PGRST_APP_SETTINGS_X", "PGRST_QQQQQQ", "PATH", "PGRST_DB_SCHEMA"]
    )
    assert found == [("PGRST_DB_SHEMAS", "PGRST_DB_SCHEMAS"), ("PGRST_QQQQQQ", None)]


def test_names_and_variables_are_unique():
    variables = [variable for setting in settings.SETTINGS for variable in setting.variables]
    assert len(variables) == len(set(variables))
    assert all(settings.find(setting.name) is setting for setting in settings.SETTINGS)


@pytest.mark.parametrize(
    ("name", "reload"),
    [
        ("db-schemas", settings.RELOAD_CONFIG),
        ("jwt-secret", settings.RELOAD_CONFIG),
        ("db-uri", settings.NEW_CONTAINER),
        ("db-pool", settings.NEW_CONTAINER),
        ("db-tx-end", settings.NEW_CONTAINER),
        ("server-port", settings.NEW_CONTAINER),
        ("admin-server-port", settings.NEW_CONTAINER),
        ("openapi-server-proxy-uri", settings.NEW_CONTAINER),
        ("server-cors-allowed-origins", settings.NEW_CONTAINER),
    ],
)
def test_what_makes_a_change_count(name, reload):
    setting = settings.find(name)
    assert setting.reload == reload
    assert settings.needs([setting]) == settings.NEW_CONTAINER
    assert settings.needs([setting], in_environment=False) == reload
    assert settings.needs([]) == "nothing"
