"""SQL as pg_dump and pg_dumpall wrote it: whole statements, a database under another name, the roles that lack."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import quoted_name, quoted_value
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.statements import (
    Roles,
    as_dumped,
    missing_roles,
    of_database,
    read_roles,
    statements,
    tokens,
    without_tablespace,
)

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
VERSIONS = ("15.20", "17.12")
ODD, PLAIN = 'DATABASE "odd" it\'s', "plain"
NEW_LINE, SAY_HI, TWO_WORDS = "new\nline -- not a comment", 'say "hi" $body$', "two words; DROP ROLE archon;"
ALL_ROLES = {
    "DATABASE", "archon", "database", "größe_日本", "loner", "manager", NEW_LINE, "o'brien", "postgres", "readers",
    SAY_HI, TWO_WORDS, "writers",
}  # fmt: skip
PREDEFINED = {"pg_monitor", "pg_read_all_data"}
ROLE_COMMENT = """COMMENT ON ROLE archon IS E'its; owner''s role
\\\\connect nowhere
-- CREATE ROLE intruder;
CREATE ROLE intruder; $x$ "quoted" \\\\''backslash\\\\'"""


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8")


@pytest.fixture(params=VERSIONS, ids=lambda version: "pg_dumpall-" + version)
def cluster(request: pytest.FixtureRequest) -> Roles:
    """The roles of the captured cluster, as each version wrote them."""
    return read_roles(golden("pg_dumpall-%s-globals.sql" % request.param))


def made_by(lines: list[str]) -> list[str]:
    return [tokens(line)[2].value for line in lines if line.startswith("CREATE ROLE")]


def memberships(lines: list[str]) -> list[tuple[str, str]]:
    return [
        (found[1].value, found[3].value)
        for found in map(tokens, lines)
        if found[0].is_keyword("GRANT") and found[2].is_keyword("TO")
    ]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("pg_*.sql")), ids=lambda path: path.stem)
def test_statements_come_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = statements(text)
    known = ("SET", "SELECT", "CREATE", "ALTER", "COMMENT", "GRANT", "REVOKE")
    assert {statement.split()[0] for statement in found} <= set(known)
    # Nothing but comments, psql's own commands and white space is left over between them.
    left = text
    for statement in found:
        assert left.count(statement + ";")
        left = left.replace(statement + ";", "", 1)
    lines = [line for line in left.splitlines() if line and not line.startswith("--")]
    assert [line for line in lines if not line.startswith("\\")] == []
    assert {line.split()[0] for line in lines} <= {"\\restrict", "\\unrestrict", "\\encoding", "\\connect"}
    assert {"\\restrict", "\\unrestrict"} <= {line.split()[0] for line in lines}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_stands_in_literals_and_names_ends_nothing(version: str) -> None:
    found = statements(golden("pg_dumpall-%s-globals.sql" % version))
    assert ROLE_COMMENT in found
    assert "COMMENT ON ROLE \"o'brien\" IS 'GRANT readers TO loner;'" in found
    assert 'CREATE ROLE "two words; DROP ROLE archon;"' in found
    assert 'CREATE ROLE "new\nline -- not a comment"' in found
    assert "ALTER ROLE archon SET application_name TO E'a\\\\b; \"c\" ''d'''" in found
    assert not any(statement.startswith("CREATE ROLE intruder") for statement in found)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_of_an_odd_name_gets_another(version: str) -> None:
    found = of_database(golden("pg_restore-%s-create-odd.sql" % version), ODD, 'new "one"')
    new = '"new ""one"""'
    assert found == [
        "CREATE DATABASE %s WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8'"
        % new,
        "ALTER DATABASE %s OWNER TO archon" % new,
        # What the comment says of the database stays as it was written.
        'COMMENT ON DATABASE %s IS \'the database "DATABASE ""odd"" it\'\'s"; ALTER DATABASE plain OWNER TO loner;\n'
        "\\connect plain\n-- its comment'" % new,
        "ALTER DATABASE %s CONNECTION LIMIT = 7" % new,
        "ALTER DATABASE %s SET search_path TO '$user', 'a;b', 'public'" % new,
        "ALTER DATABASE %s SET application_name TO E'ALTER DATABASE plain \\\\ it''s'" % new,
        "ALTER ROLE \"two words; DROP ROLE archon;\" IN DATABASE %s SET statement_timeout TO '5s'" % new,
        "ALTER ROLE \"DATABASE\" IN DATABASE %s SET work_mem TO '8MB'" % new,
        "ALTER ROLE database IN DATABASE %s SET application_name TO 'IN DATABASE plain'" % new,
        "REVOKE CONNECT,TEMPORARY ON DATABASE %s FROM PUBLIC" % new,
        'GRANT CONNECT ON DATABASE %s TO "o\'brien"' % new,
        'GRANT CREATE ON DATABASE %s TO "DATABASE" WITH GRANT OPTION' % new,
        "GRANT TEMPORARY ON DATABASE %s TO database" % new,
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_name_in_a_literal_stays(version: str) -> None:
    text = golden("pg_restore-%s-create-plain.sql" % version)
    found = of_database(text, PLAIN, PLAIN)
    assert len(found) == 12
    renamed = of_database(text, PLAIN, "other")
    assert [line.replace('DATABASE "plain"', 'DATABASE "other"', 1) for line in found] == renamed
    assert "ALTER DATABASE plain \\\\ it''s" in "".join(renamed)
    assert "'IN DATABASE plain'" in "".join(renamed)
    assert of_database(text, "another", "other") == []
    assert of_database(text, "Plain", "other") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_drill_needs_no_tablespace(version: str) -> None:
    made = of_database(golden("pg_restore-%s-create-plain.sql" % version), PLAIN, PLAIN)[0]
    assert made.endswith(' TABLESPACE = "fast; disk"')
    assert without_tablespace(made) + ' TABLESPACE = "fast; disk"' == made
    other = of_database(golden("pg_restore-%s-create-odd.sql" % version), ODD, "TABLESPACE = x")[0]
    assert without_tablespace(other) == other


def test_a_role_called_database_isnt_the_database() -> None:
    # It is written without quotes: DATABASE is no reserved word.
    text = "ALTER ROLE database IN DATABASE set SET work_mem TO '1MB';\nALTER ROLE database SET role TO 'x';\n"
    assert of_database(text, "set", "y") == ["ALTER ROLE database IN DATABASE \"y\" SET work_mem TO '1MB'"]


def test_all_roles_are_read(cluster: Roles) -> None:
    assert set(cluster.made) == ALL_ROLES
    kinds = [line.split()[0] for line in cluster.made["archon"]]
    assert kinds == ["CREATE", "ALTER", "COMMENT", "ALTER", "ALTER", "GRANT"]
    verifier = re.search(r"PASSWORD '(SCRAM-SHA-256\$4096:[^']+)'$", cluster.made["archon"][1])
    assert verifier is not None
    assert cluster.made["archon"][-1] == "GRANT ALL ON PARAMETER work_mem TO archon"
    assert cluster.made[TWO_WORDS][1].endswith("CONNECTION LIMIT 3 VALID UNTIL '2030-01-01 00:00:00+00'")
    assert cluster.made[TWO_WORDS][2].endswith("SET statement_timeout TO '30s'")
    assert len(cluster.granted) == 9
    assert ("pg_monitor", "archon") in {(role, member) for role, member, _line in cluster.granted}
    assert (TWO_WORDS, NEW_LINE) in {(role, member) for role, member, _line in cluster.granted}


def test_tablespaces_are_left_out(cluster: Roles) -> None:
    everything = [line for lines in cluster.made.values() for line in lines]
    everything += [line for _role, _member, line in cluster.granted]
    assert not [line for line in everything if "TABLESPACE" in line]
    assert "nobody" not in cluster.made


def test_a_missing_role_comes_with_what_it_is_a_member_of(cluster: Roles) -> None:
    lines = missing_roles(cluster, ["archon"], {"postgres", *PREDEFINED})
    assert made_by(lines) == ["archon", "readers", "writers"]
    assert memberships(lines) == [("pg_monitor", "archon"), ("readers", "writers"), ("writers", "archon")]
    assert "GRANT ALL ON PARAMETER work_mem TO archon" in lines
    # Memberships come after the roles.
    assert memberships(lines[-3:]) == memberships(lines)


def test_a_role_that_is_there_is_never_touched(cluster: Roles) -> None:
    assert missing_roles(cluster, sorted(ALL_ROLES), ALL_ROLES | PREDEFINED) == []
    assert missing_roles(cluster, [], set()) == []
    for there in (ALL_ROLES - {"readers"}, ALL_ROLES - {"archon", "o'brien"}):
        lines = missing_roles(cluster, sorted(ALL_ROLES), there | PREDEFINED)
        assert set(made_by(lines)) == ALL_ROLES - there
        own = [line for name in ALL_ROLES - there for line in cluster.made[name]]
        granted = [line for _role, _member, line in cluster.granted]
        assert set(lines) <= {*own, *granted}


def test_a_role_that_is_made_gets_its_members_back(cluster: Roles) -> None:
    lines = missing_roles(cluster, ["readers"], ALL_ROLES - {"readers"} | PREDEFINED)
    assert set(memberships(lines)) == {
        ("readers", "loner"),
        ("readers", "manager"),
        ("readers", "o'brien"),
        ("readers", "writers"),
    }
    # The grantor must have its right first: in the order in which pg_dumpall writes them where that matters.
    if any("INHERIT" in line for _role, _member, line in cluster.granted):
        found = memberships(lines)
        assert found.index(("readers", "manager")) < found.index(("readers", "loner"))
    # A membership of two that are there both was somebody's decision.
    assert ("writers", "archon") not in memberships(lines)


def test_a_member_that_isnt_there_is_passed_over(cluster: Roles) -> None:
    lines = missing_roles(cluster, ["readers"], {"postgres", "writers"})
    assert made_by(lines) == ["readers"]
    assert memberships(lines) == [("readers", "writers")]


def test_options_of_memberships_stay() -> None:
    newer = read_roles(golden("pg_dumpall-17.12-globals.sql"))
    lines = missing_roles(newer, list(ALL_ROLES), {"postgres", *PREDEFINED})
    assert 'GRANT writers TO "say ""hi"" $body$" WITH INHERIT FALSE GRANTED BY postgres' in lines
    assert "GRANT readers TO manager WITH ADMIN OPTION, INHERIT TRUE GRANTED BY postgres" in lines
    assert 'GRANT readers TO "o\'brien" WITH ADMIN OPTION, INHERIT TRUE GRANTED BY manager' in lines
    older = read_roles(golden("pg_dumpall-15.20-globals.sql"))
    lines = missing_roles(older, list(ALL_ROLES), {"postgres", *PREDEFINED})
    assert 'GRANT readers TO "o\'brien" WITH ADMIN OPTION GRANTED BY manager' in lines


def test_a_grantor_that_isnt_there_isnt_named(cluster: Roles) -> None:
    lines = missing_roles(cluster, ["o'brien"], {"postgres"})
    assert set(made_by(lines)) == {"o'brien", "readers", SAY_HI, "writers"}
    (line,) = [line for line in lines if line.startswith('GRANT readers TO "o\'brien"')]
    assert "WITH ADMIN OPTION" in line
    assert "GRANTED BY" not in line
    assert "GRANTED BY manager" in "".join(missing_roles(cluster, ["o'brien"], {"postgres", "manager"}))


def test_all_that_the_dump_has_but_for_the_login(cluster: Roles) -> None:
    lines = as_dumped(cluster, {"postgres", "archon"}, "postgres")
    assert set(made_by(lines)) == ALL_ROLES - {"postgres", "archon"}
    assert set(cluster.made["archon"][1:]) <= set(lines)
    assert not [line for line in lines if line.startswith("ALTER ROLE postgres")]
    assert len(memberships(lines)) == len(cluster.granted)


# As Postgres allows them: anything but the byte 0.
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
AWKWARD = st.text(st.sampled_from("'\"\\$;-a\n \u00e9"), min_size=1, max_size=12)


def literal(text: str) -> str:
    """Quote a literal as pg_dump does: with backslashes doubled where there are any (appendStringLiteral)."""
    plain = quoted_value(text)
    return " E" + plain.replace("\\", "\\\\") if "\\" in text else plain


def body(text: str) -> str:
    """Quote a text by dollar signs as pg_dump does (appendStringLiteralDQ)."""
    tag = "_"
    while "$" + tag in text:
        tag += "X"
    return "$%s$%s$%s$" % (tag, text, tag)


PART = st.one_of(
    (NAMES | AWKWARD).map(quoted_name),
    (NAMES | AWKWARD).map(literal),
    AWKWARD.map(body),
    st.sampled_from(["DATABASE", "role", "a$b$c", "größe", "=", "(1.5,", "TO"]),
)
STATEMENT = st.lists(PART, max_size=6).map(lambda parts: " ".join(["GRANT", *parts]))


@given(st.lists(STATEMENT, max_size=5), st.sampled_from(["\n", "\n\n-- it's; a \"comment $x$\n", "\n\\connect 'x;\n"]))
def test_whatever_is_quoted_comes_back(wanted: list[str], between: str) -> None:
    text = between + "".join(statement + ";" + between for statement in wanted)
    assert statements(text) == wanted


@given(NAMES | AWKWARD, NAMES | AWKWARD, NAMES | AWKWARD)
def test_only_the_databases_own_name_is_replaced(database: str, other: str, text: str) -> None:
    role, comment = quoted_name(other), literal(text)
    shape = "COMMENT ON DATABASE %s IS {0};\nALTER ROLE {1} IN DATABASE %s SET application_name TO {0};\n"
    shape = shape.replace("{0}", comment.replace("%", "%%")).replace("{1}", role.replace("%", "%%"))
    script = shape % (quoted_name(database), quoted_name(database))
    new = 'new "name"; %s'
    assert of_database(script, database, new) == statements(shape % (quoted_name(new), quoted_name(new)))


@given(NAMES | AWKWARD)
def test_a_quoted_name_is_one_token(name: str) -> None:
    (token,) = tokens(quoted_name(name))
    assert (token.value, token.quoted) == (name, True)
