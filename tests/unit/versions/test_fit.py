# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of what a database uses and what a server offers; real servers are in the system's tests."""

from typing import Any, Dict, List

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.sql import Sql
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.catalogue import KINDS, changed_in
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.fit import MOST_OBJECTS, compare, page
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.offer import (
    Offer,
    normal_locale,
    offer_of,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.uses import Name, Seen, Uses, read_uses


def uses(version: int = 170012, **more: Any) -> Uses:
    """Return what a database of a 17 uses, which has what 17 added and nothing else."""
    described: Dict[str, Any] = {
        "database": "langfuse",
        "version": version,
        "system_identifier": "1",
        "size_bytes": 1000,
        "encoding": "UTF8",
        "provider": "c",
        "collate": "C",
        "ctype": "C",
        "builtins": {kind: changed_in(17, kind)[0] | {"old(text)"} for kind in KINDS},
        "seen": (),
        "names": (),
        "extensions": {"plpgsql": "1.0"},
    }
    return Uses(**{**described, **more})


def live(described: Uses, major: int, **more: Any) -> Offer:
    """Return what a live server offers that has what its major has."""
    facts: Dict[str, Any] = {
        "version": major * 10000 + 3,
        "live": True,
        "system_identifier": "2",
        "extensions": {"plpgsql": "1.0"},
        "collations": frozenset(["de_DE"]),
        "locales": frozenset(["de_DE.utf8"]),
        "icu": True,
        "encoding": "UTF8",
        "tablespaces": frozenset(["pg_default"]),
    }
    return offer_of(described, major)._replace(**{**facts, **more})


def findings(described: Uses, offer: Offer, free_bytes: int = 10**9) -> List[Any]:
    """Return row, grade and object of each finding."""
    return [(item.feature, item.grade, item.object) for item in compare(described, offer, free_bytes).findings]


def test_nothing_to_say() -> None:
    fit = compare(uses(), live(uses(), 17), 10**9)
    assert (fit.verdict, fit.findings, fit.unseen) == ("fits", (), ())
    assert page(fit) == ["langfuse (17.12) at PostgreSQL 17.3: fits; 0 blocks, 0 converts, 0 harmless"]


def test_a_finding_says_it_all() -> None:
    described = uses(names=(Name("function", "random(integer, integer)", "view public.dice"),))
    fit = compare(described, offer_of(described, 15))
    (finding,) = fit.findings
    assert finding.feature == "random-range"
    assert finding.grade == "blocks"
    assert finding.object == "view public.dice"
    assert finding.evidence == "calls random(integer, integer)"
    assert finding.source == "https://www.postgresql.org/docs/release/17.0/"
    assert finding.tested is True
    assert "[blocks] view public.dice: random() within bounds" in page(fit)
    assert fit.to_json()["counts"] == {"blocks": 1, "converts": 0, "harmless": 0}


def test_a_name_that_no_family_has_is_told_with_its_major() -> None:
    described = uses(names=(Name("function", "pg_basetype(regtype)", "view public.v"),))
    (finding,) = compare(described, offer_of(described, 16)).findings
    assert (finding.feature, finding.source) == ("function", "https://www.postgresql.org/docs/release/17.0/")


def test_a_text_that_calls_what_its_own_server_has_not_either_says_nothing() -> None:
    described = uses(names=(Name("called", "array_sort", "function public.f()"),))
    assert findings(described, live(described, 15)) == []


def test_of_one_row_not_more_than_fifty_are_told() -> None:
    seen = tuple(Seen("nulls-not-distinct", "index public.i%03d" % number, "x") for number in range(MOST_OBJECTS + 7))
    described = uses(seen=seen)
    found = findings(described, live(described, 14))
    assert len(found) == MOST_OBJECTS + 1
    assert found[-1] == ("nulls-not-distinct", "blocks", "7 more objects")
    exact = uses(seen=seen[:MOST_OBJECTS])
    assert len(findings(exact, live(exact, 14))) == MOST_OBJECTS


def test_what_blocks_comes_first() -> None:
    seen = (Seen("maintain", "table public.a", "x"), Seen("large-objects", "2 large objects", "x"))
    described = uses(seen=(*seen, Seen("virtual-column", "column a", "x"), Seen("sql-body", "function f()", "x")))
    assert [grade for dummy, grade, thing in findings(described, live(described, 13))] == [
        "blocks",
        "converts",
        "harmless",
    ]


def test_extensions() -> None:
    described = uses(extensions={"plpgsql": "1.0", "vector": "0.8.0", "pg_trgm": "1.9", "hstore": "1.8"})
    offer = live(described, 15, extensions={"plpgsql": "1.0", "pg_trgm": "1.10", "hstore": "1.7"})
    assert findings(described, offer) == [
        ("extension-missing", "blocks", "extension vector"),
        ("extension-version", "converts", "extension hstore"),
        ("extension-version", "harmless", "extension pg_trgm"),
    ]
    bare = compare(described, offer_of(described, 15))
    assert bare.findings == ()
    assert (
        "A major alone doesn't say which extensions a server has: hstore 1.8, pg_trgm 1.9, vector 0.8.0." in bare.unseen
    )
    old = uses(version=130023, extensions={"plpython2u": "1.0"}, builtins={kind: frozenset() for kind in KINDS})
    assert findings(old, offer_of(old, 15)) == [("extension-missing", "blocks", "extension plpython2u")]
    assert findings(old, offer_of(old, 14)) == []


def test_settings() -> None:
    names = (
        Name("setting", "transaction_timeout", "database langfuse"),
        Name("setting", "app.tenant", "database langfuse"),
        Name("function setting", "transaction_timeout", "function public.f()"),
    )
    described = uses(names=names)
    assert findings(described, live(described, 15)) == [
        ("function-setting", "blocks", "function public.f()"),
        ("setting", "converts", "database langfuse"),
    ]
    # A role that may not see every setting of its server finds none missing.
    offer = live(described, 17)
    blind = offer._replace(builtins={**offer.builtins, "setting": frozenset()})
    assert findings(described, blind) == []


def test_locales_and_encodings() -> None:
    described = uses(collate="de_DE.UTF-8", ctype="fr_FR.utf8", names=(Name("collation", "fr_FR", "column a"),))
    assert findings(described, live(described, 17)) == [
        ("collation-missing", "blocks", "column a"),
        ("locale-missing", "blocks", "database langfuse"),
    ]
    assert any("de_DE.UTF-8, fr_FR.utf8" in text for text in compare(described, offer_of(described, 16)).unseen)
    icu = uses(provider="i", names=(Name("locale", "i:", "collation public.a"), Name("locale", "c:xx", "collation b")))
    assert findings(icu, live(icu, 17, icu=False)) == [
        ("collation-missing", "blocks", "collation b"),
        ("collation-missing", "blocks", "collation public.a"),
        ("locale-missing", "blocks", "database langfuse"),
    ]
    assert findings(uses(encoding="LATIN1"), live(uses(), 17)) == [("encoding", "converts", "database langfuse")]
    assert normal_locale("en_US.UTF-8") == normal_locale("en_US.utf8") == "en_US.utf8"


def test_room() -> None:
    assert findings(uses(), live(uses(), 17), 1299) == [("free-space", "blocks", "database langfuse")]
    assert findings(uses(), live(uses(), 17), 1300) == []


def test_tablespaces_and_columns() -> None:
    described = uses(
        names=(
            Name("tablespace", "fast", "table public.t"),
            Name("relation", "pg_wait_events", "view public.w"),
            Name("column", "pg_wait_events.name", "view public.w"),
        )
    )
    # Of a view that isn't there no column is told.
    assert findings(described, live(described, 16)) == [
        ("relation", "blocks", "view public.w"),
        ("tablespace", "converts", "table public.t"),
    ]


def test_values_that_nobody_reads_are_told() -> None:
    assert any("infinity of interval" in text for text in compare(uses(), offer_of(uses(), 16)).unseen)
    assert not any("infinity" in text for text in compare(uses(), offer_of(uses(), 17)).unseen)


def test_one_cluster_is_no_target() -> None:
    with pytest.raises(InputError, match="one cluster"):
        compare(uses(), live(uses(), 17, system_identifier="1"))
    # Where it can't be known nothing is refused.
    assert findings(uses(system_identifier=""), live(uses(), 17, system_identifier="")) == []


@pytest.mark.parametrize("major", [12, 19])
def test_a_major_that_the_table_does_not_know(major: int) -> None:
    with pytest.raises(InputError, match="There is no target PostgreSQL %d" % major):
        offer_of(uses(), major)


class Old:
    """A server of a major that the table doesn't know."""

    def rows(self, statement: Sql) -> List[Dict[str, object]]:
        """Answer the first question."""
        return [{"version": 120022, "superuser": True, "may_identify": True}]


def test_a_source_that_the_table_does_not_know() -> None:
    with pytest.raises(StateError, match="The server of database a is PostgreSQL 12"):
        read_uses(Old(), "a")
