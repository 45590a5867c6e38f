# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of services: in the compose file, in env files, and which of them."""

import pathlib
from typing import Any, Dict, Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.dotenv import read_dotenv, set_dotenv
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.environment import (
    plan_environment,
    read_environment,
    readers_of,
    reference_of,
    variables_in,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.model import Model
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.placement import (
    EnvironmentState,
    make_plan,
    masked,
    place_variables,
    present_variables,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError, StateError
from ansible_collections.bulkhead.stack.plugins.modules.compose_environment import read_urls, wanted_variables

HEAD = "services:\n  web:\n    image: x\n    environment:\n"


@pytest.mark.parametrize(
    ("before", "variables", "after"),
    [
        ("      A: 1 # why\n", {"A": "2"}, '      A: "2" # why\n'),
        ("      A: 'x'\n", {"A": "it's"}, "      A: 'it''s'\n"),
        ("      A: old\n", {"A": "new"}, "      A: new\n"),
        ("      A:\n      B: x\n", {"A": "new"}, '      A: "new"\n      B: x\n'),
        ("      A: ${X:-y}\n", {"A": "${Z}"}, "      A: ${Z}\n"),
        ("      A: x\n", {"B": "yes"}, '      A: x\n      B: "yes"\n'),
        ("      A: x\n      B: y\n", {"A": None}, "      B: y\n"),
        ("      - A=x\n", {"A": "y"}, "      - A=y\n"),
        ('      - "A=x" # why\n', {"A": "a: b"}, '      - "A=a: b" # why\n'),
        ("      - A=x\n", {"A": "a: b"}, '      - "A=a: b"\n'),
        ("      - A\n", {"A": "y"}, "      - A=y\n"),
        ("      - A=x\n", {"B": "y=z"}, "      - A=x\n      - B=y=z\n"),
        ("      - A=x\n      - B=y\n", {"B": None, "C": "z"}, "      - A=x\n      - C=z\n"),
    ],
)
def test_one_variable(before: str, variables: Dict[str, Optional[str]], after: str) -> None:
    outcome = plan_environment(Document((HEAD + before).encode()), ["web"], variables)
    assert outcome.document is not None
    assert outcome.document.text == HEAD + after
    assert plan_environment(outcome.document, ["web"], variables).document is None


def test_a_variable_beside_a_merged_map_wins() -> None:
    text = "x-env: &env\n  A: x\n"
    text += "services:\n  web:\n    environment:\n      <<: *env\n      B: y\n  db:\n    environment: *env\n"
    outcome = plan_environment(Document(text.encode()), ["web"], {"A": "z"})
    assert outcome.document is not None
    model = Model(outcome.document)
    assert read_environment(model, "web") == {"A": "z", "B": "y"}
    assert read_environment(model, "db") == {"A": "x"}
    with pytest.raises(StateError, match="merges"):
        plan_environment(Document(text.encode()), ["web"], {"A": None})


def test_a_shared_environment_is_refused() -> None:
    text = "x-env: &env\n  A: x\nservices:\n  web:\n    environment: *env\n  db:\n    environment: *env\n"
    with pytest.raises(ConflictError, match="db"):
        plan_environment(Document(text.encode()), ["web"], {"A": "z"})
    outcome = plan_environment(Document(text.encode()), ["*"], {"A": "z"})
    assert outcome.document is not None
    assert outcome.document.text == text.replace("A: x", "A: z")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("${A}", "A"),
        ("$A", "A"),
        ("${A:-x}", "A"),
        ("${A-}", "A"),
        ("${A:?no}", "A"),
        ("${A:+x}", None),
        ("x${A}", None),
        ("", None),
    ],
)
def test_references(text: str, name: Optional[str]) -> None:
    assert reference_of(text) == name


def test_names_in_a_text() -> None:
    assert variables_in("a ${A:-${B}} $$C $D") == ["A", "B", "D"]


def test_readers() -> None:
    text = "services:\n  a:\n    image: x:${TAG}\n"
    text += "  b:\n    environment:\n      - X=${TAG_2}\n  c:\n    environment:\n      X: $TAG\n"
    assert readers_of(Model(Document(text.encode())), "TAG") == ["a", "c"]


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("A=x # why\nB=y\n", "z", "A=z # why\nB=y\n"),
        ("A='x'\r\n", "z", "A='z'\r\n"),
        ('A="x"', "z\nq", 'A="z\\nq"'),
        ("export A = x\n", "z", "export A = z\n"),
        ("A=1\nA=2\n", "3", "A=1\nA=3\n"),
        ("A=3\n", "3", "A=3\n"),
        ("B=y", "z", "B=y\nA=z"),
        ("B=y\n", "a b$c", "B=y\nA='a b$c'\n"),
        ("", "z", "A=z\n"),
        ("# A=x\n", "it's", '# A=x\nA="it\'s"\n'),
        ('B="two\nA=lines"\n', "z", 'B="two\nA=lines"\nA=z\n'),
        ("A=\n", "z", "A=z\n"),
        ("A= # none\n", "z", "A= z # none\n"),
        ("A=x\nB=y\n", None, "B=y\n"),
        ("A=x\n", "${B}", "A=${B}\n"),
    ],
)
def test_env_files(before: str, value: Optional[str], after: str) -> None:
    result = set_dotenv(before.encode(), "A", value).decode()
    assert read_dotenv(result.encode()).get("A") == value
    assert result == after
    assert set_dotenv(result.encode(), "A", value).decode() == result


def state(compose: str, env: str, own: Optional[Dict[str, bytes]] = None) -> EnvironmentState:
    return EnvironmentState([Document(compose.encode(), "/p/compose.yml")], "/p", {"/p/.env": env.encode()}, own or {})


TWO = (
    "services:\n  web:\n    environment:\n      A: ${A}\n      L: literal\n  db:\n    environment:\n      A: ${A:-x}\n"
)


def test_a_reference_changes_the_env_file_and_names_who_reads_it_too() -> None:
    known = state(TWO, "A=old\n")
    with pytest.raises(ConflictError, match="db"):
        place_variables(known, ["web"], {"A": "new"}, "auto", False)
    placed = place_variables(known, ["web", "db"], {"A": "new"}, "auto", False)
    assert placed.env_files == {"/p/.env": {"A": "new"}}
    assert placed.compose == {}
    assert placed.previous == {"web": {"A": "old"}, "db": {"A": "old"}}
    allowed = place_variables(known, ["web"], {"A": "new"}, "auto", True)
    assert allowed.shared_with == {"A": ["db"]}
    assert allowed.changed_services(["web"]) == ["web", "db"]
    plan = make_plan(known, placed, None, known.documents)
    assert [change.data for change in plan] == [(b"A=old\n", b"A=new\n")]


def test_a_literal_changes_in_place() -> None:
    known = state(TWO, "")
    placed = place_variables(known, ["web"], {"L": "other", "NEW": "1"}, "auto", False)
    assert placed.compose == {"web": {"L": "other", "NEW": "1"}}
    plan = make_plan(known, placed, None, known.documents)
    assert list(plan)[0].data[1] == TWO.replace("L: literal\n", 'L: other\n      NEW: "1"\n').encode()
    with pytest.raises(StateError):
        place_variables(known, ["web"], {"L": "other"}, "env_file", False)


def test_an_env_file_of_the_service_is_changed_there() -> None:
    text = "services:\n  web:\n    env_file: ./web.env\n  db:\n    env_file:\n      - path: web.env\n"
    known = state(text, "", {"/p/web.env": b"A=1\n"})
    placed = place_variables(known, ["web", "db"], {"A": "2"}, "auto", False)
    assert placed.env_files == {"/p/web.env": {"A": "2"}}
    with pytest.raises(ConflictError, match="db"):
        place_variables(known, ["web"], {"A": "2"}, "auto", False)


def test_secrets_are_masked() -> None:
    assert masked("DB_PASSWORD", "x") == "********"
    assert masked("DB_PASSWORD", "${X}") == "${X}"
    assert masked("DATABASE_URL", "postgres://me:pw@db/x") == "postgres://me:********@db/x"
    assert masked("DATABASE_URL", "postgres://me:${PW}@db/x") == "postgres://me:${PW}@db/x"
    assert masked("PORT", "5432") == "5432"
    known = state("services:\n  web:\n    environment:\n      API_TOKEN: abc\n", "")
    plan = make_plan(known, place_variables(known, ["web"], {"API_TOKEN": "def"}, "auto", False), None, known.documents)
    shown = str(plan.result())
    assert plan.changed
    assert "abc" not in shown
    assert "def" not in shown
    assert plan.diff()[0]["before"] != plan.diff()[0]["after"]


def test_which_variables_services_have() -> None:
    text = (
        "services:\n  web:\n    env_file: web.env\n    environment:\n"
        "      URL: ${URL:-postgresql://a@b/c?x=1}\n      PASSED:\n      OWN: over\n"
        "  worker:\n    environment:\n      - WORKER=${W}/x\n  db:\n    environment:\n      NOT_ASKED: x\n"
    )
    known = state(text, "PASSED=from project\nW=1\n", {"/p/web.env": b"OWN=under\nFILE=y\n"})
    assert present_variables(known, ["web", "worker"]) == {
        "FILE": "y",
        # What stands in the service wins over its env file.
        "OWN": "over",
        # The project's env file hasn't it: its default counts.
        "URL": "${URL:-postgresql://a@b/c?x=1}",
        "PASSED": "from project",
        "WORKER": "${W}/x",
    }
    with_url = state(text, "URL=postgresql://z@b/c?y=2\n", {"/p/web.env": b""})
    assert present_variables(with_url, ["web"])["URL"] == "postgresql://z@b/c?y=2"
    assert present_variables(known, ["db"]) == {"NOT_ASKED": "x"}


PLACE = {"host": "db", "port": "5432", "database": "d", "user": "u", "password": "p$w"}


def test_only_what_is_set_is_changed() -> None:
    present = {"URL": "postgresql://a:b@c/d?schema=x", "HOST": None}
    given = {"HOST": "db", "NAME": "d"}
    wanted = wanted_variables(given, {"URL": PLACE, "DIRECT_URL": PLACE}, present, True)
    # What Compose would take for a reference is doubled.
    assert wanted == {"HOST": "db", "URL": "postgresql://u:p%24w@db:5432/d?schema=x"}
    everything = wanted_variables(given, {"DIRECT_URL": PLACE}, present, False)
    assert everything == {"HOST": "db", "NAME": "d", "DIRECT_URL": "postgresql://u:p%24w@db:5432/d"}
    with pytest.raises(InputError, match="any of these variables: NAME, URL") as caught:
        wanted_variables({"NAME": "d"}, {"URL": PLACE}, {"OTHER": "x"}, True)
    assert "p$w" not in str(caught.value)


def test_what_urls_are_given(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    given: Dict[str, Any] = {"host": "db", "port": 5432, "database": "d", "user": "u", "password_from": str(path)}
    assert read_urls({"URL": given}, False) == {"URL": dict(PLACE, password="secret")}
    missing = dict(given, password_from=str(tmp_path / "no"))
    assert read_urls({"URL": missing}, True)["URL"]["password"] == "********"
    for wrong, words in (
        (dict(given, hots="x"), "urls.URL has an unknown hots"),
        ({"host": "db"}, "urls.URL has no password_from"),
        ("postgresql://", "urls.URL has no password_from"),
    ):
        with pytest.raises(InputError, match=words):
            read_urls({"URL": wrong}, False)
