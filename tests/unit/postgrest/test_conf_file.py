# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgREST's configuration file: one value changes, everything else stays byte for byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.conf_file import ConfFile, conf_value
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.settings import find

CONF = b"""## by hand
db-uri = "postgres://authenticator:$(PASSWORD)@db/app"   # the app's
db-schemas="public, api" # both

server-port =   3000
# db-max-rows = 10
app.settings.some_key = "a \\"quoted\\" # text"
log-level = "info"
"""


def conf(data=CONF):
    return ConfFile(data, "/srv/postgrest.conf")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("db-uri", "postgres://authenticator:$(PASSWORD)@db/app"),
        ("db-schemas", "public, api"),
        ("server-port", "3000"),
        ("app.settings.some_key", 'a "quoted" # text'),
        ("db-max-rows", None),
        ("jwt-secret", None),
    ],
)
def test_a_setting_is_read(name, value):
    assert conf().get(find(name)) == value


@pytest.mark.parametrize(
    ("name", "value", "before", "after"),
    [
        ("db-schemas", "public", b'"public, api" # both', b'"public" # both'),
        ("server-port", "8000", b"  3000\n", b"  8000\n"),
        ("log-level", "warn", b'"info"', b'"warn"'),
        ("log-level", 'say "x" \\', b'"info"', b'"say \\"x\\" \\\\"'),
        ("app.settings.some_key", "other", b'"a \\"quoted\\" # text"', b'"other"'),
    ],
)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_only_the_value_changes(name, value, before, after, newline):
    data = CONF.replace(b"\n", newline)
    changed = conf(data).with_value(find(name), value)
    assert changed == CONF.replace(before, after).replace(b"\n", newline)
    assert conf(changed).get(find(name)) == value
    assert conf(changed).with_value(find(name), value) == changed


@pytest.mark.parametrize(
    ("data", "after"),
    [
        (b"", b"db-max-rows = 5\n"),
        (b"# nothing", b"# nothing\ndb-max-rows = 5\n"),
        (b"db-pool = 1\r\n", b"db-pool = 1\r\ndb-max-rows = 5\r\n"),
        (b"max-rows = 3\n", b"max-rows = 5\n"),
        (b'db-max-rows = "3"\n', b'db-max-rows = "5"\n'),
    ],
)
def test_what_is_not_there_goes_to_the_end_and_an_older_name_stays(data, after):
    assert conf(data).with_value(find("db-max-rows"), "5") == after


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("db-schemas", b'db-schemas="public, api" # both\n'),
        ("log-level", b'log-level = "info"\n'),
        ("jwt-secret", b""),
    ],
)
def test_a_setting_goes_with_its_line(name, line):
    assert conf().with_value(find(name), None) == CONF.replace(line, b"")


def test_the_last_line_without_its_end_goes_too():
    assert conf(b"db-pool = 1\ndb-max-rows = 5").with_value(find("db-max-rows"), None) == b"db-pool = 1\n"


def test_a_setting_that_stands_twice_is_a_conflict():
    with pytest.raises(ConflictError) as refused:
        conf(b"db-pool = 1\n# between\ndb-pool = 2\n")
    assert "db-pool twice, in lines 1 and 3" in refused.value.message


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"db-pool = 1\ngroup {\n  x = 1\n}\n", "Line 2"),
        (b'import "other.conf"\n', "Line 1"),
        (b'db-schemas = "open\n', "Line 1"),
        (b"db-pool = 1 2\n", "Line 1"),
        (b"db-pool\n", "Line 1"),
        (b"db-schemas = [a, b]\n", "Line 1"),
        (b"x = \xff\n", "isn't UTF-8"),
    ],
)
def test_what_is_of_another_form_is_refused_and_not_shown(data, says):
    with pytest.raises(InputError) as refused:
        conf(data)
    assert says in refused.value.message
    assert "/srv/postgrest.conf" in refused.value.message


def test_no_message_holds_a_value():
    with pytest.raises(InputError) as refused:
        conf(b'jwt-secret = "hunter2hunter2\n')
    assert "hunter2" not in str(refused.value)


def test_names_that_postgrest_ignores_are_told():
    assert conf(b'db-shemas = "public"\nmax-rows = 1\nanything.else = 2\n').unknown() == ["db-shemas", "anything.else"]


@pytest.mark.parametrize(
    ("value", "written"),
    [("plain", "plain"), ("a$b", "a$$b"), ("a$$b", "a$$b"), ("$(NAME)", "$(NAME)"), ("$(A)$x$(B)", "$(A)$$x$(B)")],
)
def test_a_dollar_of_a_value_is_doubled_and_a_variable_stays(value, written):
    assert conf_value(find("jwt-aud"), value) == written


def test_what_compose_replaces_is_refused():
    with pytest.raises(InputError) as refused:
        conf_value(find("jwt-secret"), "${JWT_SECRET}")
    assert "Write $(VARIABLE)" in str(refused.value)


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@settings(max_examples=60, deadline=None)
@given(value=TEXT, comment=TEXT, newline=st.sampled_from(["\n", "\r\n"]))
def test_any_value_is_read_as_it_was_written(value, comment, newline):
    before = "# %s%sdb-pool = 1 # %s%s" % (comment, newline, comment, newline)
    written = conf(before.encode()).with_value(find("jwt-aud"), value)
    assert written.startswith(before.encode())
    assert conf(written).get(find("jwt-aud")) == value
    assert conf(written).with_value(find("jwt-aud"), None) == before.encode()
