# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move rewrites of a dump: each rule with what it touches, and with what looks alike and stays."""

from typing import Any, Dict, List, Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._versions.rewrite import RULES, Rewriting


def rewriting(target: int = 15, **more: Any) -> Rewriting:
    """Return what is rewritten for a server that has the role owner."""
    described: Dict[str, Any] = {
        "owners": {"postgres": 'own"er', "Old One": 'own"er'},
        "strangers": frozenset(["stranger", "A TO B"]),
        "settings": frozenset(["work_mem", "search_path"]),
    }
    return Rewriting(target, **{**described, **more})


def one(statement: str, target: int = 15) -> Optional[str]:
    """Return what takes a statement's place."""
    return rewriting(target).statement(statement, {})


@pytest.mark.parametrize(
    ("target", "before", "after"),
    [
        (16, "SET transaction_timeout = 0", None),
        (16, "GRANT SELECT,MAINTAIN ON TABLE t TO r", "GRANT SELECT ON TABLE t TO r"),
        (16, 'GRANT MAINTAIN ON TABLE "a ON b" TO "MAINTAIN"', None),
        (16, "GRANT MAINTAIN ON TABLE t TO r WITH GRANT OPTION", None),
        (16, "REVOKE SELECT,INSERT,MAINTAIN,DELETE ON TABLE t FROM r", "REVOKE SELECT,INSERT,DELETE ON TABLE t FROM r"),
        (16, "REVOKE GRANT OPTION FOR MAINTAIN ON TABLE t FROM r", None),
        (
            16,
            "REVOKE GRANT OPTION FOR SELECT,MAINTAIN ON TABLE t FROM r",
            "REVOKE GRANT OPTION FOR SELECT ON TABLE t FROM r",
        ),
        (16, 'ALTER DEFAULT PRIVILEGES FOR ROLE "x" IN SCHEMA "s" GRANT MAINTAIN ON TABLES TO "r"', None),
        (
            16,
            'ALTER DEFAULT PRIVILEGES FOR ROLE "x" GRANT SELECT,MAINTAIN ON TABLES TO "r"',
            'ALTER DEFAULT PRIVILEGES FOR ROLE "x" GRANT SELECT ON TABLES TO "r"',
        ),
        (
            14,
            "CREATE DATABASE \"a LOCALE_PROVIDER\" WITH TEMPLATE = template0 LOCALE_PROVIDER = libc LOCALE = 'C'",
            "CREATE DATABASE \"a LOCALE_PROVIDER\" WITH TEMPLATE = template0 LOCALE = 'C'",
        ),
        (14, 'CREATE UNLOGGED SEQUENCE "s"\n    START 1', 'CREATE SEQUENCE "s"\n    START 1'),
        (14, 'ALTER SEQUENCE "s"."q" SET LOGGED', None),
        (14, 'ALTER SEQUENCE "s"."q" SET UNLOGGED', None),
        (13, 'ALTER TABLE ONLY "s"."t" ALTER COLUMN "a ""SET" SET COMPRESSION lz4', None),
        (
            18,
            'CREATE UNLOGGED TABLE "t" (\n    "a" integer\n)\nPARTITION BY LIST ("a")',
            'CREATE TABLE "t" (\n    "a" integer\n)\nPARTITION BY LIST ("a")',
        ),
    ],
)
def test_a_rule_is_for_older_servers_alone(target: int, before: str, after: Optional[str]) -> None:
    assert one(before, target) == after
    assert one(before, target + 1 if target < 18 else target - 1) == before


@pytest.mark.parametrize(
    "statement",
    [
        "SET transaction_timeout = 5",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$\nSET transaction_timeout = 0\n$$",
        "CREATE FUNCTION f() RETURNS void AS $$ BEGIN\nGRANT MAINTAIN ON t TO r;\nALTER SEQUENCE s SET LOGGED;\nEND $$",
        "CREATE FUNCTION f() RETURNS void AS $$\nALTER TABLE t OWNER TO postgres;\n$$",
        'GRANT SELECT ON TABLE "GRANT MAINTAIN ON" TO "MAINTAIN"',
        'GRANT SELECT("MAINTAIN") ON TABLE "t" TO "r"',
        "COMMENT ON TABLE t IS 'x OWNER TO postgres'",
        "COMMENT ON TABLE t IS 'GRANT MAINTAIN ON t TO postgres'",
        "COMMENT ON SEQUENCE s IS 'CREATE UNLOGGED SEQUENCE '",
        'CREATE TABLE "CREATE UNLOGGED SEQUENCE " (\n    "a" text DEFAULT \' LOCALE_PROVIDER = libc\'\n)',
        'CREATE UNLOGGED TABLE "t" (\n    "a" text DEFAULT \'x\'\n)',
        'CREATE POLICY "to postgres" ON "t" USING (("a" = \'TO stranger\'))',
        "CREATE VIEW v AS SELECT 'SET UNLOGGED'",
        "ALTER TABLE ONLY t ALTER COLUMN a SET STORAGE EXTERNAL",
    ],
)
@pytest.mark.parametrize("target", [13, 15, 17])
def test_what_only_looks_alike_stays(statement: str, target: int) -> None:
    assert one(statement, target) == statement


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('ALTER TABLE "t" OWNER TO "postgres"', 'ALTER TABLE "t" OWNER TO "own""er"'),
        ('ALTER TABLE "x OWNER TO p" OWNER TO "Old One"', 'ALTER TABLE "x OWNER TO p" OWNER TO "own""er"'),
        ("ALTER TABLE t OWNER TO postgres", 'ALTER TABLE t OWNER TO "own""er"'),
        ('ALTER TABLE "t" OWNER TO "other"', 'ALTER TABLE "t" OWNER TO "other"'),
        # Only a superuser may own these.
        ('ALTER EVENT TRIGGER "e" OWNER TO "postgres"', None),
        ('ALTER FOREIGN DATA WRAPPER "f" OWNER TO "postgres"', None),
        ('ALTER PUBLICATION "p" OWNER TO "postgres"', None),
        ('ALTER PUBLICATION "p" OWNER TO "other"', 'ALTER PUBLICATION "p" OWNER TO "other"'),
        # Grants.
        ('GRANT SELECT ON TABLE "t" TO "stranger"', None),
        ('REVOKE ALL ON TABLE "TO" FROM "stranger"', None),
        ('GRANT SELECT ON TABLE "stranger" TO "other"', 'GRANT SELECT ON TABLE "stranger" TO "other"'),
        ('GRANT SELECT ON TABLE "t" TO "A TO B"', None),
        (
            'GRANT ALL ON SCHEMA "s" TO "postgres" WITH GRANT OPTION',
            'GRANT ALL ON SCHEMA "s" TO "own""er" WITH GRANT OPTION',
        ),
        ('GRANT USAGE ON SCHEMA "postgres" TO PUBLIC', 'GRANT USAGE ON SCHEMA "postgres" TO PUBLIC'),
        (
            'ALTER DEFAULT PRIVILEGES FOR ROLE "postgres" IN SCHEMA "TO" GRANT SELECT ON TABLES TO "Old One"',
            'ALTER DEFAULT PRIVILEGES FOR ROLE "own""er" IN SCHEMA "TO" GRANT SELECT ON TABLES TO "own""er"',
        ),
        ('ALTER DEFAULT PRIVILEGES FOR ROLE "stranger" GRANT SELECT ON TABLES TO "other"', None),
        ('SET SESSION AUTHORIZATION "postgres"', 'SET SESSION AUTHORIZATION "own""er"'),
        ('CREATE USER MAPPING FOR "postgres" SERVER "s"', 'CREATE USER MAPPING FOR "own""er" SERVER "s"'),
        ('CREATE USER MAPPING FOR "stranger" SERVER "s"', None),
        # Policies.
        (
            'CREATE POLICY "p" ON "t" FOR SELECT TO "stranger", "postgres", "other" USING (("a" = \'x\'))',
            'CREATE POLICY "p" ON "t" FOR SELECT TO "own""er", "other" USING (("a" = \'x\'))',
        ),
        (
            'CREATE POLICY "p" ON "t" TO "postgres", "Old One" WITH CHECK (true)',
            'CREATE POLICY "p" ON "t" TO "own""er" WITH CHECK (true)',
        ),
        ('CREATE POLICY "p" ON "t" TO "stranger" USING (true)', None),
        ('CREATE POLICY "p" ON "t" TO PUBLIC USING (true)', 'CREATE POLICY "p" ON "t" TO PUBLIC USING (true)'),
        # Settings.
        ('ALTER DATABASE "d" SET "work_mem" TO \'5MB\'', 'ALTER DATABASE "d" SET "work_mem" TO \'5MB\''),
        ('ALTER DATABASE "d" SET "transaction_timeout" TO \'5s\'', None),
        ('ALTER DATABASE "d" SET "Search_Path" TO \'a\'', 'ALTER DATABASE "d" SET "Search_Path" TO \'a\''),
        ('ALTER DATABASE "d" SET "app.secret" TO \'x\'', 'ALTER DATABASE "d" SET "app.secret" TO \'x\''),
        (
            'ALTER ROLE "postgres" IN DATABASE "d" SET "work_mem" TO \'1\'',
            'ALTER ROLE "own""er" IN DATABASE "d" SET "work_mem" TO \'1\'',
        ),
        ('ALTER ROLE "stranger" IN DATABASE "d" SET "work_mem" TO \'1\'', None),
    ],
)
def test_roles_and_settings(before: str, after: Optional[str]) -> None:
    assert one(before, 17) == after


def test_what_a_stranger_has_granted_goes_with_it() -> None:
    given = [
        'GRANT SELECT ON TABLE "t" TO "a"',
        'SET SESSION AUTHORIZATION "stranger"',
        'GRANT SELECT ON TABLE "t" TO "b"',
        "RESET SESSION AUTHORIZATION",
        'SET SESSION AUTHORIZATION "other"',
        'GRANT SELECT ON TABLE "t" TO "c"',
        "RESET SESSION AUTHORIZATION",
    ]
    told: List[str] = []
    kept = rewriting().rewritten(given, told)
    assert [line for line in kept if "GRANT" in line] == [given[0], given[5]]
    # Whoever isn't set isn't reset.
    assert kept == [given[0], *given[4:]]
    assert told == []


def test_each_rule_that_was_used_is_told_with_how_often() -> None:
    given = ["SET transaction_timeout = 0", "SELECT 1", "SET transaction_timeout = 0"]
    given += ['ALTER DATABASE "d" SET "new_one" TO 1', "GRANT MAINTAIN ON TABLE t TO r"]
    told: List[str] = []
    assert rewriting().rewritten(given, told) == ["SELECT 1"]
    titles = {rule.name: rule.title for rule in RULES}
    assert told == [
        titles["transaction-timeout"] + " (2 times)",
        "setting new_one, which the server hasn't, is left out",
        titles["maintain"],
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"SET transaction_timeout = 0;\n", b""),
        (b"\\restrict abc\n", b""),
        (b"\\! rm -rf /\n", b""),
        (b"\n", b"\n"),
        (b"-- Name: t; Type: TABLE DATA\n", b"-- Name: t; Type: TABLE DATA\n"),
        (b"SELECT pg_catalog.setval('s', 1, true);\n", b"SELECT pg_catalog.setval('s', 1, true);\n"),
        (b'ALTER LARGE OBJECT 1 OWNER TO "postgres";\n', b'ALTER LARGE OBJECT 1 OWNER TO "own""er";\n'),
        (b'GRANT SELECT ON LARGE OBJECT 1 TO "stranger";\n', b""),
        (b"COMMENT ON LARGE OBJECT 1 IS '\xe4\xff';\n", b"COMMENT ON LARGE OBJECT 1 IS '\xe4\xff';\n"),
        (b"COMMENT ON LARGE OBJECT 1 IS ';;\n;';\n", b"COMMENT ON LARGE OBJECT 1 IS ';;\n;';\n"),
    ],
)
def test_lines_between_rows(before: bytes, after: bytes) -> None:
    assert rewriting().line(before) == after


def test_every_rule_says_where_it_is_written() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.source == "https://www.postgresql.org/docs/release/%d.0/" % rule.first
