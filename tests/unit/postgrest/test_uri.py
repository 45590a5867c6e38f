# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The value of db-uri: which part is the database, and what may not be touched."""

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import uri

SUPABASE = "postgres://authenticator:${POSTGRES_PASSWORD}@${POSTGRES_HOST}:${POSTGRES_PORT}/${POSTGRES_DB}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SUPABASE, SUPABASE.replace("${POSTGRES_DB}", "archon_db")),
        ("postgres://a:b@db:5432/postgres", "postgres://a:b@db:5432/archon_db"),
        ("postgresql://a:b@db/postgres", "postgresql://a:b@db/archon_db"),
        ("postgresql://a@db/postgres?sslmode=require", "postgresql://a@db/archon_db?sslmode=require"),
        ("postgres://a:b@db/x?options=-c%20a/b@c", "postgres://a:b@db/archon_db?options=-c%20a/b@c"),
        # What is percent-encoded stays so.
        ("postgres://a:p%40s%2Fs%3A%25@db/postgres", "postgres://a:p%40s%2Fs%3A%25@db/archon_db"),
        ("postgres://a:b@%2Fvar%2Frun%2Fpostgresql/postgres", "postgres://a:b@%2Fvar%2Frun%2Fpostgresql/archon_db"),
        ("postgres://a:b@db/my%20db", "postgres://a:b@db/archon_db"),
        # A password may hold a colon, a question mark and an equals sign as they are.
        ("postgres://a:b:c=d?e@db/postgres", "postgres://a:b:c=d?e@db/archon_db"),
        ("postgres://a:b@[::1]:5432/postgres", "postgres://a:b@[::1]:5432/archon_db"),
        ("postgres://user@/postgres", "postgres://user@/archon_db"),
        ("postgres:///postgres?host=/run/postgresql", "postgres:///archon_db?host=/run/postgresql"),
        # What Compose replaces is opaque, whatever it holds.
        ("postgres://a:${P:-x/y@z}@db/postgres", "postgres://a:${P:-x/y@z}@db/archon_db"),
        ("postgres://a:${P:-${Q:-/@}}@db/${D:-postgres}", "postgres://a:${P:-${Q:-/@}}@db/archon_db"),
        ("postgres://a:$P@$H:$PORT/$D", "postgres://a:$P@$H:$PORT/archon_db"),
        ("postgres://a:${P:?set it / now}@db/postgres", "postgres://a:${P:?set it / now}@db/archon_db"),
        ("postgres://a:b$$c@db/post$$gres", "postgres://a:b$$c@db/archon_db"),
        ("${SCHEME_FREE:+}", None),
        ("host=db port=5432 dbname=postgres user=a", "host=db port=5432 dbname=archon_db user=a"),
        ("dbname = 'postgres' host=db", "dbname = 'archon_db' host=db"),
        ("host=db password='a b\\'c dbname=x' dbname=postgres", "host=db password='a b\\'c dbname=x' dbname=archon_db"),
        ("dbname=first dbname=second", "dbname=first dbname=archon_db"),
        ("host=${H} password=${P} dbname=${D}", "host=${H} password=${P} dbname=archon_db"),
        ("host=${H:-a b} dbname=postgres", "host=${H:-a b} dbname=archon_db"),
    ],
)
def test_only_the_database_changes(before, after):
    if after is None:
        with pytest.raises(InputError):
            uri.change_parts(before, "archon_db")
        return
    changed = uri.change_parts(before, "archon_db")
    assert changed == after
    assert uri.database_of(changed) == "archon_db"
    assert uri.change_parts(changed, "archon_db") == changed


@pytest.mark.parametrize(
    ("before", "database", "after"),
    [
        ("postgres://a@db/postgres", "my db", "postgres://a@db/my%20db"),
        ("postgres://a@db/postgres", "a/b?c%d", "postgres://a@db/a%2Fb%3Fc%25d"),
        ("postgres://a@db/postgres", "a$b", "postgres://a@db/a%24b"),
        ("postgres://a@db/postgres", "größe", "postgres://a@db/gr%C3%B6%C3%9Fe"),
        ("postgres://a@db/postgres", "${ARCHON_DB}", "postgres://a@db/${ARCHON_DB}"),
        ("postgres://a@db/postgres", "${ARCHON_DB:-archon}", "postgres://a@db/${ARCHON_DB:-archon}"),
        ("dbname=postgres", "my db", "dbname='my db'"),
        ("dbname=postgres", "it's", "dbname='it\\'s'"),
        ("dbname=postgres", "a\\b", "dbname='a\\\\b'"),
        ("dbname=postgres", "a$b", "dbname='a$$b'"),
        ("dbname='postgres'", "plain", "dbname='plain'"),
    ],
)
def test_the_new_name_is_written_as_the_form_wants_it(before, database, after):
    changed = uri.change_parts(before, database)
    assert changed == after
    assert uri.database_of(changed) == database
    assert uri.change_parts(changed, database) == changed


@pytest.mark.parametrize("written", ["postgres://a@db/my%20db", "postgres://a@db/m%79%20db", "dbname='my db'"])
def test_a_name_that_is_right_stays_as_it_is_written(written):
    assert uri.change_parts(written, "my db") == written


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("postgres://a:b@one,two/postgres", "several hosts"),
        ("postgres://a:b@one:5432,two:5433/postgres", "several hosts"),
        ("postgres:///postgres?host=one,two", "several hosts"),
        ("host=one,two dbname=postgres", "several hosts"),
        ("postgres://a:b@db", "names no database"),
        ("postgres://a:b@db:5432?sslmode=require", "names no database"),
        ("postgres://a:b@db/", "names no database"),
        ("postgres://a:b@db/?sslmode=require", "names no database"),
        ("postgresql://", "names no database"),
        ("host=db user=a", "names no database"),
        ("host=db dbname=''", "names no database"),
        ("postgres://a:p@ss@db/postgres", "an @ that isn't encoded"),
        ("postgres://a:p/ss@db/postgres", "a / stands where none may be"),
        ("postgres://a:p%ss@db/postgres", "a % that begins no percent-encoding"),
        ("postgres://a:100%@db/postgres", "a % that begins no percent-encoding"),
        ("postgres://a:b@db/postgres?dbname=other", "its parameters name a database too"),
        ("mysql://a:b@db/postgres", "isn't a URI of postgres://"),
        ("${DATABASE_URL}", "a variable as a whole"),
        ("${DATABASE_URL:-postgres://a:b@db/postgres}", "a variable as a whole"),
        ("@/etc/postgrest/uri", "read from a file"),
        ("postgres", "neither a URI nor keywords"),
        ("host=db ='x", "no keyword with a value"),
        ("host=db password='open dbname=postgres", "no keyword with a value"),
    ],
)
def test_what_can_not_be_changed_is_refused_with_its_cause(text, says):
    with pytest.raises(InputError) as refused:
        uri.change_parts(text, "archon_db", where="PGRST_DB_URI of service rest")
    assert says in refused.value.message
    assert "PGRST_DB_URI of service rest" in refused.value.message
    assert refused.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "postgres://a:verysecret@one,two/postgres",
        "postgres://a:very@secret@db/postgres",
        "postgres://a:verysecret%zz@db/postgres",
        "postgres://a:very/secret@db/postgres",
        "host=db password=verysecret user=a",
        "host=db password='verysecret",
        "verysecret",
    ],
)
def test_no_message_holds_a_secret(text):
    with pytest.raises(InputError) as refused:
        uri.change_parts(text, "archon_db")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("database", ["", "a\nb", "a\0b"])
def test_what_is_no_name_is_refused(database):
    with pytest.raises(InputError):
        uri.change_parts("postgres://a@db/postgres", database)


@pytest.mark.parametrize(
    ("text", "database"),
    [
        (SUPABASE, "${POSTGRES_DB}"),
        ("postgres://a@db/my%20db", "my db"),
        ("dbname='it\\'s'", "it's"),
        ("postgres://a@db", None),
        ("${ALL}", None),
    ],
)
def test_the_database_is_told(text, database):
    assert uri.database_of(text) == database


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (SUPABASE, SUPABASE),
        ("postgres://a:secret@db/postgres", "postgres://a:********@db/postgres"),
        ("postgres://a:sec@ret@db/postgres", "postgres://a:********@db/postgres"),
        ("postgres://a:${P:-secret}@db/postgres", "postgres://a:********@db/postgres"),
        ("postgres://a:${P:?is needed}@db/postgres", "postgres://a:${P:?is needed}@db/postgres"),
        ("postgres://a:x${P}@db/postgres", "postgres://a:********@db/postgres"),
        (
            "postgres://a@db/postgres?password=secret&sslmode=require",
            "postgres://a@db/postgres?password=********&sslmode=require",
        ),
        ("host=db password='my secret' dbname=x", "host=db password=******** dbname=x"),
        ("host=db dbname=x", "host=db dbname=x"),
    ],
)
def test_a_password_is_masked_and_a_variable_is_not(text, shown):
    assert uri.masked(text) == shown


@pytest.mark.parametrize(
    ("before", "parts", "after"),
    [
        (SUPABASE, {"user": "api"}, SUPABASE.replace("authenticator", "api")),
        (SUPABASE, {"host": "db2"}, SUPABASE.replace("${POSTGRES_HOST}", "db2")),
        (SUPABASE, {"host": "${HOST}"}, SUPABASE.replace("${POSTGRES_HOST}", "${HOST}")),
        (
            SUPABASE,
            {"database": "x", "user": "y", "host": "z"},
            "postgres://y:${POSTGRES_PASSWORD}@z:${POSTGRES_PORT}/x",
        ),
        # The password and what is percent-encoded stay as they are written.
        ("postgres://a:p%40s%2Fs@db:5432/x", {"user": "b"}, "postgres://b:p%40s%2Fs@db:5432/x"),
        ("postgres://a:p%40s@db/x?sslmode=require", {"host": "d"}, "postgres://a:p%40s@d/x?sslmode=require"),
        ("postgres://a@db/my%20db", {"host": "d"}, "postgres://a@d/my%20db"),
        ("postgres://a:b@[::1]:5432/x", {"host": "db"}, "postgres://a:b@db:5432/x"),
        ("postgres://a:b@db:5432/x", {"host": "fd00::5"}, "postgres://a:b@[fd00::5]:5432/x"),
        ("postgres://a:b@db/x", {"host": "/run/postgresql"}, "postgres://a:b@%2Frun%2Fpostgresql/x"),
        ("postgres:///x?host=/run/postgresql", {"host": "db"}, "postgres:///x?host=db"),
        ("postgres:///x?user=a", {"user": "b"}, "postgres:///x?user=b"),
        ("postgres://db/x", {"user": "b"}, "postgres://b@db/x"),
        ("postgres:///x", {"host": "db"}, "postgres://db/x"),
        ("postgres://a:b@db/x", {"user": "a role"}, "postgres://a%20role:b@db/x"),
        ("host=db user=a password='p w' dbname=x", {"user": "b"}, "host=db user=b password='p w' dbname=x"),
        ("host=db user=a dbname=x", {"host": "d"}, "host=d user=a dbname=x"),
        ("host='db' dbname=x", {"host": "d"}, "host='d' dbname=x"),
        ("host=db dbname=x", {"user": "it's"}, "host=db dbname=x user='it\\'s'"),
        ("dbname=x", {"host": "/run/postgresql"}, "dbname=x host='/run/postgresql'"),
        ("host=${H} dbname=${D}", {"host": "d"}, "host=d dbname=${D}"),
    ],
)
def test_only_the_parts_that_are_asked_for_change(before, parts, after):
    changed = uri.change_parts(before, **parts)
    assert changed == after
    assert uri.change_parts(changed, **parts) == changed


@pytest.mark.parametrize(
    ("text", "parts", "says"),
    [
        ("postgres://a:b@one,two/x", {"host": "db"}, "several hosts"),
        ("postgres://a:b@one,two/x", {"user": "c"}, "several hosts"),
        ("host=one,two dbname=x", {"user": "c"}, "several hosts"),
        ("postgres://a:very@secret@db/x", {"user": "c"}, "an @ that isn't encoded"),
        ("postgres://a:verysecret%zz@db/x", {"host": "c"}, "a % that begins no percent-encoding"),
        ("${DATABASE_URL}", {"user": "c"}, "a variable as a whole"),
        ("@/etc/uri", {"host": "c"}, "read from a file"),
        ("", {"user": "c"}, "empty"),
        ("postgres://a@db/x?hostaddr=10.0.0.1", {"host": "c"}, "hostaddr"),
        ("host=db hostaddr=10.0.0.1 dbname=x", {"host": "c"}, "hostaddr"),
        ("postgres://a@db/x", {"host": "one,two"}, "no name of a host"),
        ("postgres://a@db/x", {"user": ""}, "no name of a role"),
        ("postgres://a@db/x", {"host": "a\nb"}, "no name of a host"),
    ],
)
def test_a_part_that_can_not_be_changed_is_refused(text, parts, says):
    with pytest.raises(InputError) as refused:
        uri.change_parts(text, **parts)
    assert says in refused.value.message
    assert "secret" not in str(refused.value)


def test_a_uri_without_a_database_can_have_another_host():
    assert uri.change_parts("postgres://a:b@db", host="d") == "postgres://a:b@d"


@pytest.mark.parametrize(
    ("text", "user"),
    [
        (SUPABASE, "authenticator"),
        ("postgres://a%20b:c@db/x", "a b"),
        ("postgres://${U}:c@db/x", None),
        ("host=db user='a b' dbname=x", "a b"),
        ("host=db dbname=x", None),
        ("postgres://db/x", None),
    ],
)
def test_the_role_is_told(text, user):
    assert uri.user_of(text) == user
