# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A URL that holds a database's place: escaped, and with what the one before had of its own."""

from typing import Dict, Optional
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.database_url import PARTS, database_url
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError

PLACE = {"host": "db", "port": "5432", "database": "app_db", "user": "app", "password": "secret"}
PLAIN = "postgresql://app:secret@db:5432/app_db"


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        (None, PLAIN),
        ("", PLAIN),
        ("postgresql://a:b@c:1/d", PLAIN),
        ("postgresql://a:b@c/d?schema=public&connection_limit=5", PLAIN + "?schema=public&connection_limit=5"),
        ("postgresql://a:b@c/d?", PLAIN),
        # The default of a reference ends with its brace.
        ("${DATABASE_URL:-postgresql://a:b@c/d?sslmode=disable}", PLAIN + "?sslmode=disable"),
        ("${DATABASE_URL:?is missing}", PLAIN),
        ("${DATABASE_URL}", PLAIN),
        # A reference in it would be another service's.
        ("postgresql://a:b@c/d?schema=${SCHEMA}", PLAIN),
        # Its driver is the program's.
        ("postgres://a:b@c/d", "postgres" + PLAIN[len("postgresql") :]),
        ("postgresql+asyncpg://a:b@c/d?ssl=off", "postgresql+asyncpg" + PLAIN[len("postgresql") :] + "?ssl=off"),
        ("${URL:-postgresql+psycopg2://a:b@c/d}", "postgresql+psycopg2" + PLAIN[len("postgresql") :]),
        ("mysql://a:b@c/d", PLAIN),
    ],
)
def test_what_stays_of_the_one_before(current: Optional[str], wanted: str) -> None:
    assert database_url("DATABASE_URL", current, PLACE) == wanted


@given(
    st.fixed_dictionaries(
        {
            part: st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
            for part in ("user", "password", "database")
        }
    )
)
def test_whatever_is_in_a_part_comes_out_again(parts: Dict[str, str]) -> None:
    found = urlsplit(database_url("URL", None, {**PLACE, **parts}))
    assert (found.hostname, found.port, found.query, found.fragment) == ("db", 5432, "", "")
    assert [unquote(part or "") for part in (found.username, found.password, found.path[1:])] == [
        parts["user"],
        parts["password"],
        parts["database"],
    ]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_missing_is_named(part: str) -> None:
    for parts in ({**PLACE, part: ""}, {name: value for name, value in PLACE.items() if name != part}):
        with pytest.raises(InputError, match="The URL for DIRECT_URL lacks %s" % part) as caught:
            database_url("DIRECT_URL", None, parts)
        assert "secret" not in str(caught.value)
