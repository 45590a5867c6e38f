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
        ("db-schemas", "public,pg_catalog", "pg_catalog"),
        ("server-unix-socket-mode", "888", "a mode"),
        ("db-uri", "postgres://a:p@ss@db/x", "an @ that isn't encoded"),
        ("db-uri", "postgres://a:p/ss@db/x", "probably one of the password"),
        ("db-uri", "postgres://a:100%@db/x", "Write %25"),
        ("db-uri", "postgres://a@one,two/x", "several hosts"),
        ("db-uri", "host=one,two dbname=x", "several hosts"),
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
        ("db-schemas", settings.RELOAD_SCHEMA),
        ("db-extra-search-path", settings.RELOAD_SCHEMA),
        ("db-max-rows", settings.RELOAD_CONFIG),
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


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("postgrest/postgrest:v14.1", 14),
        ("docker.io/postgrest/postgrest:v12.2.12", 12),
        ("registry.example:5000/mirror/postgrest:13.0.8", 13),
        ("postgrest/postgrest:v14", 14),
        ("postgrest/postgrest:v14.1@sha256:0123", 14),
        ("postgrest/postgrest:v15-prerelease", 15),
        ("postgrest/postgrest", None),
        ("postgrest/postgrest:latest", None),
        ("postgrest/postgrest:devel", None),
        ("bulkhead/postgrest-double:1", None),
        ("my-postgrest:14", None),
        ("postgrest/postgrest:${TAG}", None),
        ("", None),
    ],
)
def test_the_version_is_of_the_images_tag(image, version):
    assert settings.major_of(image) == version


@pytest.mark.parametrize(
    ("name", "value", "version", "says"),
    [
        ("jwt-cache-max-lifetime", 60, 14, "What it has instead is jwt-cache-max-entries"),
        ("jwt-cache-max-entries", 10, 13, "What it has instead is jwt-cache-max-lifetime"),
        ("admin-server-config-enabled", True, 13, "the last one that has it is 12"),
        ("admin-server-host", "!4", 12, "the first one that has it is 13"),
        ("client-error-verbosity", "minimal", 14, "the first one that has it is 16"),
        ("db-use-legacy-gucs", False, 12, "the last one that has it is 11"),
        ("log-query", True, 13, "one of disabled, main-query"),
        ("log-query", "main-query", 14, "true or false"),
        ("db-max-rows", 5, 11, "older than the settings that are known here"),
    ],
)
def test_what_a_version_does_not_know_is_refused(name, value, version, says):
    wanted = settings.parse({name: value})
    with pytest.raises(InputError) as refused:
        settings.check_version(wanted, version)
    assert name in refused.value.message or version == 11
    assert "PostgREST %d" % version in str(refused.value)
    assert says in str(refused.value)
    settings.check_version(wanted, None)
    if version != 11:
        settings.check_version(dict.fromkeys(wanted), version)


def test_what_a_version_does_not_know_is_told_all_at_once():
    with pytest.raises(InputError) as refused:
        settings.check_version(settings.parse({"admin-server-host": "!4", "log-query": "disabled"}), 12)
    assert "admin-server-host" in str(refused.value)
    assert "log-query" in str(refused.value)


@pytest.mark.parametrize("version", [12, 13, 14, 15, 16])
def test_what_every_version_knows_is_taken_by_each(version):
    wanted = {"db-schemas": "public", "db-max-rows": 5, "jwt-secret": "x" * 32, "app.settings.jwt_exp": 3600}
    settings.check_version(settings.parse(wanted), version)


def test_null_is_a_setting_that_is_to_go():
    assert settings.parse({"db-max-rows": None}) == {settings.find("db-max-rows"): None}


@pytest.mark.parametrize(("version", "needs"), [(14, settings.NEW_CONTAINER), (16, settings.RELOAD_CONFIG)])
def test_a_reload_may_come_with_a_version_only(version, needs):
    assert settings.needs([settings.find("log-level")], in_environment=False, version=version) == needs


def test_of_several_needs_one_covers_the_others():
    found = [settings.find("db-max-rows"), settings.find("db-schemas")]
    assert settings.needs(found, in_environment=False) == settings.RELOAD_SCHEMA
    assert settings.needs([*found, settings.find("db-pool")], in_environment=False) == settings.NEW_CONTAINER


@pytest.mark.parametrize(
    ("name", "parameter"),
    [("db-schemas", ("pgrst", "db_schemas")), ("PGRST_MAX_ROWS", ("pgrst", "db_max_rows"))],
)
def test_a_setting_has_its_name_in_the_database(name, parameter):
    assert settings.find(name).parameter == parameter


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("db-uri", "postgres://a:hunter2@db/x", "postgres://a:********@db/x"),
        ("jwt-secret", "x" * 32, "********"),
        ("jwt-secret", "${JWT_SECRET}", "${JWT_SECRET}"),
        ("jwt-secret", "@/run/secrets/jwt", "@/run/secrets/jwt"),
        ("app.settings.key", "hunter2", "********"),
        ("db-schemas", "public", "public"),
    ],
)
def test_a_value_is_shown_without_its_secret(name, text, shown):
    assert settings.shown_value(settings.find(name), text) == shown
