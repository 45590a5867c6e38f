"""Which copy is restored, what roles it needs, and whether a server can take it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError, StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import Catalogue, Copy, stem
from ansible_collections.bulkhead.stack.plugins.module_utils._restore.choose import (
    Wanted,
    check_server,
    choose_copy,
    grantee,
    needed_roles,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
FOLDER = "/backups/archon_db"


def copy_at(hours: float, level: str = "read", problem: str = "") -> Copy:
    """Return a copy that was taken so many hours ago."""
    moment = NOW - timedelta(hours=hours)
    name = stem("archon_db", moment)
    files = tuple(name + suffix for suffix in (".dump.zst", ".globals.sql", ".manifest.json"))
    return Copy("archon_db", name, files[0], moment, 1, files, "" if problem else level, problem)


def chosen(copies: list[Copy], **wanted: Any) -> Copy:
    ordered = tuple(sorted(copies, key=lambda copy: copy.taken_at))
    return choose_copy(Catalogue("archon_db", ordered, (), ()), Wanted(**wanted), NOW, FOLDER)


COPIES = [copy_at(hours) for hours in (50, 30, 10)]
BROKEN = copy_at(5, problem="a drill of it failed at 2026-11-24T08:00:00Z")


def test_the_newest_verified_one() -> None:
    assert chosen([*COPIES, copy_at(1, "hashed"), copy_at(2, problem="it has no manifest")]) == COPIES[2]
    assert chosen([*COPIES, copy_at(1, "hashed")], level="hashed").level == "hashed"
    assert chosen([*COPIES, copy_at(60, "drilled")], level="drilled").level == "drilled"


@pytest.mark.parametrize(
    "name",
    [
        COPIES[0].stem,
        COPIES[0].dump,
        COPIES[0].files[1],
        COPIES[0].files[2],
        "%s/%s" % (FOLDER, COPIES[0].dump),
        "../archon_db/%s/" % COPIES[0].dump,
    ],
)
def test_named_by_stem_file_or_path(name: str) -> None:
    assert chosen(COPIES, copy=name) == COPIES[0]


def test_before_a_moment() -> None:
    assert chosen(COPIES, before=NOW - timedelta(hours=20)) == COPIES[1]
    # That very moment counts.
    assert chosen(COPIES, before=COPIES[1].taken_at) == COPIES[1]
    assert chosen(COPIES, before=NOW + timedelta(days=9)) == COPIES[2]
    with pytest.raises(StateError, match="no verified copy of archon_db in /backups/archon_db from before") as error:
        chosen(COPIES, before=NOW - timedelta(days=9))
    assert "2026-11-15T12:00:00Z" in str(error.value)
    assert "%s: taken at 2026-11-24T02:00:00Z" % COPIES[2].stem in str(error.value)


def test_one_dated_in_the_future_is_never_the_newest() -> None:
    future = copy_at(-2)
    assert chosen([*COPIES, future]) == COPIES[2]
    with pytest.raises(StateError, match="%s: taken at 2026-11-24T14:00:00Z" % future.stem):
        chosen([future])


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(InputError, match="no copy backup_archon_db_20261124_020001 of archon_db") as error:
        chosen(COPIES, copy="backup_archon_db_20261124_020001")
    assert "Did you mean %s?" % COPIES[2].stem in str(error.value)
    with pytest.raises(InputError) as error:
        chosen(COPIES, copy="yesterday")
    assert "The newest are: %s." % ", ".join(copy.stem for copy in reversed(COPIES)) in str(error.value)
    with pytest.raises(InputError, match="The newest are: none at all"):
        chosen([], copy="yesterday")


def test_no_copies_at_all() -> None:
    with pytest.raises(
        StateError, match="no verified copy of archon_db in /backups/archon_db: it holds no copy at all"
    ):
        chosen([])


def test_the_reasons_are_told() -> None:
    with pytest.raises(StateError) as error:
        chosen([copy_at(1, "hashed"), copy_at(2, problem="it has no manifest"), BROKEN])
    said = str(error.value)
    assert "%s: verified only as far as hashed" % copy_at(1).stem in said
    assert "%s: it has no manifest" % copy_at(2).stem in said
    assert "%s: a drill of it failed at 2026-11-24T08:00:00Z" % BROKEN.stem in said
    assert said.index(copy_at(1).stem) < said.index(copy_at(2).stem) < said.index(BROKEN.stem)
    with pytest.raises(StateError) as error:
        chosen([copy_at(hours, problem="of %d" % hours) for hours in range(9)])
    assert str(error.value).count("backup_archon_db") == 5


def test_a_named_one_must_be_good() -> None:
    with pytest.raises(StateError, match="%s is no good one: it has no manifest" % copy_at(2).stem):
        chosen([*COPIES, copy_at(2, problem="it has no manifest")], copy=copy_at(2).stem)
    with pytest.raises(StateError, match="no good one: verified only as far as hashed"):
        chosen([copy_at(2, "hashed")], copy=copy_at(2).stem)
    with pytest.raises(StateError, match="a drill of it failed"):
        chosen([BROKEN], copy=BROKEN.stem)


def test_one_whose_drill_failed_is_drilled_again_if_it_is_named() -> None:
    assert chosen([*COPIES, BROKEN], copy=BROKEN.stem, again=True) == BROKEN
    assert chosen([*COPIES, BROKEN], again=True) == COPIES[2]
    with pytest.raises(StateError, match="it has no manifest"):
        chosen([copy_at(2, problem="it has no manifest")], copy=copy_at(2).stem, again=True)


@pytest.mark.parametrize(
    ("entry", "role"),
    [
        ("archon=arwd/postgres", "archon"),
        ("=U/postgres", ""),
        ('"two words"=r/archon', "two words"),
        ('"say ""hi"""=r/"say ""hi"""', 'say "hi"'),
        ('"a=b/c"=r*w/archon', "a=b/c"),
        ('""""=r/x', '"'),
        ("größe=r/x", "größe"),
    ],
)
def test_whom_an_entry_is_for(entry: str, role: str) -> None:
    assert grantee(entry) == role


def test_roles_without_which_it_cant_be_restored() -> None:
    manifest = {
        "owner": "archon",
        "schemas": [{"name": "public", "owner": "pg_database_owner"}],
        "tables": [{"owner": "archon"}, {"owner": "Odd Owner"}],
        "sequences": [{"owner": "counter"}],
        "views": [{"owner": "viewer"}],
        "functions": [{"owner": "worker"}],
        "grants": [
            {"kind": "relation", "name": "t", "acl": ["=r/archon", '"say ""hi"""=r/archon', "reader=r/archon"]},
            {"kind": "default", "name": "of two words r", "acl": ["pg_monitor=r/x"]},
        ],
        "settings": [{"role": None, "name": "x"}, {"role": "tuned", "name": "y"}],
    }
    assert needed_roles(manifest) == sorted(
        ["archon", "Odd Owner", "counter", "viewer", "worker", 'say "hi"', "reader", "of two words", "tuned"]
    )
    assert needed_roles({"tables": [{"schema": "public", "name": "t", "rows": 1}]}) == []


def server(number: int) -> dict[str, Any]:
    return {"server_version": "%d.%d" % (number // 10000, number % 10000), "server_version_num": number}


def test_a_server_must_be_able_to_take_it() -> None:
    manifest = {"cluster": server(150014), "extensions": [{"name": "vector"}, {"name": "pg_trgm"}]}
    there = ["plpgsql", "vector", "pg_trgm"]
    for number in (150014, 150001, 150020):
        check_server(manifest, server(number), there, False)
    check_server(manifest, server(170012), there, True)
    with pytest.raises(StateError, match=r"of PostgreSQL 15.14, and this server is 17.12, another major") as error:
        check_server(manifest, server(170012), there, False)
    assert "major_upgrade=true" in str(error.value)
    for leave in (False, True):
        with pytest.raises(StateError, match=r"is 14.20: an older one can't .* version 15 or newer"):
            check_server(manifest, server(140020), there, leave)
    with pytest.raises(StateError, match=r"needs extension vector, which this server hasn't\. .* install it\."):
        check_server(manifest, server(150014), there[2:], False)
    with pytest.raises(StateError, match=r"needs extensions pg_trgm, vector, .* install them\."):
        check_server(manifest, server(150014), [], False)
    # An older manifest doesn't say of which version it is.
    check_server({"tables": []}, server(130001), [], False)
