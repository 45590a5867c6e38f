"""Each program works on a database of its own, and its owner owns: used, upgraded, used again."""

import importlib.util
import json
import os
import pathlib
import re

import pytest

PROGRAMS = ("synapse", "airflow", "tryton")
FOLDER = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "tenants"
# What belongs to one of them and doesn't lie in an archive: tables, sequences, views, indexes, types, functions.
TRACES = """
SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) IN ('synapse', 'airflow', 'tryton')
   AND relnamespace::regnamespace::text NOT LIKE '%_archive' AND relnamespace::regnamespace::text NOT LIKE 'pg_toast%'
 UNION ALL SELECT proname FROM pg_proc WHERE pg_get_userbyid(proowner) IN ('synapse', 'airflow', 'tryton')
   AND pronamespace::regnamespace::text NOT LIKE '%_archive'
 UNION ALL SELECT typname FROM pg_type WHERE pg_get_userbyid(typowner) IN ('synapse', 'airflow', 'tryton')
   AND typnamespace::regnamespace::text NOT LIKE '%_archive' AND typnamespace::regnamespace::text NOT LIKE 'pg_toast%'
"""


@pytest.fixture(scope="session")
def programs():
    path = pathlib.Path(__file__).resolve().parents[1] / "programs.py"
    spec = importlib.util.spec_from_file_location("programs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def ask(sql):
    return lambda database, statement: sql(database, statement, container="tenants-db")


def test_a_second_run_changes_nothing(play):
    assert re.search(r"\bchanged=0\b.* failed=0\b", play("site", "--skip-tags", "docs"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_its_container_and_its_sessions_are_on_its_own_database(program, ask, inspect):
    assert "DATABASE_NAME=%s" % program in inspect("tenants-%s" % program)["Config"]["Env"]
    sessions = "SELECT DISTINCT datname FROM pg_stat_activity WHERE usename = '%s'" % program
    assert set(ask("postgres", sessions)) <= {program}


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_was_made_before_is_found_again(program, programs):
    programs.read(program, json.loads((FOLDER / ("%s.json" % program)).read_text()))


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_is_used_upgraded_and_used_again(program, programs):
    facts = programs.use(program, "after")
    programs.upgrade(program)
    programs.read(program, facts)
    programs.read(program, programs.use(program, "upgraded"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_nobody_else_may_enter(program, ask):
    for role in PROGRAMS:
        allowed = ask("postgres", "SELECT has_database_privilege('%s', '%s', 'CONNECT')" % (role, program))
        assert allowed == ["t" if role == program else "f"], role


def test_the_shared_database_holds_no_trace_of_them_but_the_archives(ask):
    assert ask("postgres", TRACES) == []
    held = "SELECT nspname, count(*) > 60 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
    held += " WHERE relkind = 'r' AND nspname LIKE '%_archive' GROUP BY 1 ORDER BY 1"
    assert ask("postgres", held) == ["airflow_archive|t", "synapse_archive|t", "tryton_archive|t"]


def test_supabases_own_is_as_it_was(ask):
    counts = "SELECT (SELECT count(*) FROM auth.refresh_tokens), (SELECT count(*) FROM storage.objects)"
    assert ask("postgres", counts) == ["20|20"]


def test_what_is_kept_stands_in_the_register():
    kept = [json.loads(line) for line in (FOLDER / "state" / "register.jsonl").read_text().splitlines()]
    assert {entry["name"] for entry in kept} == {"synapse_archive", "airflow_archive", "tryton_archive"}


def test_safety_dumps_came_first():
    folder = FOLDER / "backups" / "before-isolation"
    assert list((folder / "postgres").glob("backup_*.dump*"))
