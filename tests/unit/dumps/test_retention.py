"""Which copies stay and which go."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, Optional
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._core.schedule import parse_schedule
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import Catalogue, Copy, stem
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.log import Log
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.retention import (
    Retention,
    Verdict,
    decide,
    parse_retention,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.rotate import RotateRequest, plan_rotation

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
UTC = timezone.utc


def copy_at(moment: datetime, level: str = "read", problem: str = "") -> Copy:
    name = stem("db", moment)
    return Copy("db", name, name + ".dump", moment, 1, (name + ".dump",), level, problem)


def judge(copies: list[Copy], options: dict[str, Any], zone: Any = UTC, waits: str = "") -> list[Verdict]:
    return decide(copies, parse_retention(options), NOW, zone, waits)


def kept(verdicts: list[Verdict]) -> list[datetime]:
    return [verdict.copy.taken_at for verdict in verdicts if verdict.keep]


def every(step: timedelta, count: int) -> list[Copy]:
    return [copy_at(NOW - number * step) for number in range(count)]


def test_last() -> None:
    copies = every(timedelta(hours=6), 10)
    assert kept(judge(copies, {"last": 3})) == [copy.taken_at for copy in copies[:3]]
    assert judge(copies, {"last": 3})[1].reason == "last 2 of 3"
    assert judge(copies, {"keep": 3}) == judge(copies, {"last": 3})


def test_within() -> None:
    assert len(kept(judge(every(timedelta(hours=6), 20), {"within": "1d"}))) == 5


def test_without_a_rule_everything_stays() -> None:
    assert len(kept(judge(every(timedelta(days=1), 50), {}))) == 50
    assert parse_retention({"last": None}).keeps_everything


def test_grandfather_father_son() -> None:
    verdicts = judge(every(timedelta(hours=6), 4 * 800), {"daily": 7, "weekly": 4, "monthly": 12, "yearly": 2})
    dates = [moment.strftime("%m-%d %H") for moment in kept(verdicts)]
    assert dates[:7] == ["11-23 12", "11-22 18", "11-21 18", "11-20 18", "11-19 18", "11-18 18", "11-17 18"]
    # Weeks of 23, 16, 9 and 2 November; the months before; the end of the year before.
    assert dates[7:] == [
        "11-15 18", "11-08 18", "10-31 18", "09-30 18", "08-31 18", "07-31 18", "06-30 18", "05-31 18", "04-30 18",
        "03-31 18", "02-28 18", "01-31 18", "12-31 18",
    ]  # fmt: skip
    assert verdicts[0].reason == "daily 1 of 7, weekly 1 of 4, monthly 1 of 12, yearly 1 of 2"


def test_a_gap_uses_up_no_rule() -> None:
    copies = [copy_at(NOW - timedelta(days=days)) for days in (0, 30, 60, 90)]
    assert len(kept(judge(copies, {"daily": 3}))) == 3


def test_days_begin_where_people_live() -> None:
    # 23:30 UTC is the next day in Berlin.
    copies = [copy_at(datetime(2026, 11, 22, hour, 30, tzinfo=UTC)) for hour in (22, 23)]
    assert len(kept(judge(copies, {"daily": 2}))) == 1
    assert len(kept(judge(copies, {"daily": 2}, zone=ZoneInfo("Europe/Berlin")))) == 2


def test_only_verified_copies_are_counted() -> None:
    copies = [
        copy_at(NOW, "", "it has no manifest"),
        copy_at(NOW - timedelta(hours=1), "hashed"),
        copy_at(NOW - timedelta(hours=2)),
        copy_at(NOW - timedelta(hours=3)),
    ]
    verdicts = judge(copies, {"last": 1})
    assert [verdict.keep for verdict in verdicts] == [True, True, True, False]
    assert verdicts[0].reason == "not counted: it has no manifest"
    assert verdicts[1].reason == "not counted: verified only as far as hashed"


def test_a_copy_dated_in_the_future_neither_counts_nor_goes() -> None:
    verdicts = judge([copy_at(NOW + timedelta(days=1)), copy_at(NOW), copy_at(NOW - timedelta(days=1))], {"last": 1})
    assert [verdict.keep for verdict in verdicts] == [True, True, False]


def test_the_newest_verified_copy_stays_though_no_rule_wants_it() -> None:
    verdicts = judge([copy_at(NOW - timedelta(days=40)), copy_at(NOW - timedelta(days=50))], {"within": "7d"})
    assert [verdict.keep for verdict in verdicts] == [True, False]
    assert verdicts[0].reason == "the newest verified copy always stays"


def test_the_newest_drilled_copy_stays_though_no_rule_wants_it() -> None:
    copies = every(timedelta(days=1), 5)
    copies[3] = copy_at(NOW - timedelta(days=3), "drilled")
    copies[4] = copy_at(NOW - timedelta(days=4), "drilled")
    verdicts = judge(copies, {"last": 1})
    assert [verdict.keep for verdict in verdicts] == [True, False, False, True, False]
    assert verdicts[3].reason == "the newest drilled copy always stays"


def test_what_was_never_verified_goes_on_a_term_of_its_own() -> None:
    young, old = copy_at(NOW - timedelta(days=20), "hashed"), copy_at(NOW - timedelta(days=31), "", "cut off")
    newest = copy_at(NOW - timedelta(days=1))
    verdicts = judge([newest, young, old], {"last": 7})
    assert [verdict.keep for verdict in verdicts] == [True, True, False]
    assert verdicts[1].reason == "not counted: verified only as far as hashed"
    assert verdicts[2].reason == "not counted: cut off, and older than 30 d"
    assert len(kept(judge([newest, young, old], {"last": 7, "unverified": "10d"}))) == 1
    assert len(kept(judge([newest, young, old], {}))) == 3
    # Nothing newer was verified, or the log doesn't know it: it may be all that there is, or somebody else's.
    assert len(kept(judge([young, old], {"last": 7}))) == 2
    foreign = replace(old, logged=False)
    assert len(kept(judge([newest, foreign], {"last": 1}))) == 2


def test_nothing_goes_while_something_waits_for_a_person() -> None:
    verdicts = judge(every(timedelta(days=1), 3), {"last": 1}, waits="the last run failed")
    assert all(verdict.keep for verdict in verdicts)
    assert verdicts[2].reason == "no rule of the retention wants it, but nothing is removed: the last run failed"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"keep": 0}, "keep is 0: that would keep nothing"),
        ({"last": -1}, "last is -1"),
        ({"daily": 0}, "daily is 0"),
        ({"last": True}, "last is True"),
        ({"last": "many"}, "no whole number"),
        ({"last": 1.5}, "no whole number"),
        ({"within": "long"}, "is no duration"),
        ({"dayly": 3}, "Did you mean daily"),
        ({"keep": 3, "last": 3}, "both keep and last"),
    ],
)
def test_retention_that_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_retention(options)
    assert named in str(caught.value)


numbers = st.none() | st.integers(1, 20)
retentions = st.builds(
    Retention,
    last=numbers,
    within_s=st.none() | st.integers(1, 10_000_000),
    hourly=numbers,
    daily=numbers,
    weekly=numbers,
    monthly=numbers,
    yearly=numbers,
)
copies_of_any_kind = st.lists(
    st.tuples(st.integers(-100_000, 100_000_000), st.sampled_from(["drilled", "read", "hashed", ""])),
    max_size=60,
    unique_by=lambda x: x[0],
).map(lambda found: [copy_at(NOW - timedelta(seconds=age), level, "" if level else "bad") for age, level in found])


@given(copies_of_any_kind, retentions)
def test_what_always_holds(copies: list[Copy], retention: Retention) -> None:
    verdicts = decide(copies, retention, NOW, UTC)
    assert sorted(verdict.copy.stem for verdict in verdicts) == sorted(copy.stem for copy in copies)
    assert all(verdict.reason for verdict in verdicts)
    good = [copy for copy in copies if copy.is_good("read") and copy.taken_at <= NOW]
    gone = [verdict.copy for verdict in verdicts if not verdict.keep]
    if good:
        newest = max(good, key=lambda copy: copy.taken_at)
        assert newest not in gone
        # What never was verified goes only where something newer was.
        assert all(copy in good or copy.taken_at < newest.taken_at for copy in gone)
    else:
        assert not gone
    drilled = [copy for copy in good if copy.level == "drilled"]
    if drilled:
        assert max(drilled, key=lambda copy: copy.taken_at) not in gone
    assert all(verdict.keep for verdict in decide(copies, retention, NOW, UTC, "the last run failed"))
    # A second pass over what stayed removes nothing more.
    again = decide([verdict.copy for verdict in verdicts if verdict.keep], retention, NOW, UTC)
    assert all(verdict.keep for verdict in again)
    counted = [verdict for verdict in verdicts if verdict.keep and verdict.copy in good]
    if retention.last:
        assert len(counted) >= min(retention.last, len(good))
    if retention == Retention(last=retention.last) and retention.last:
        assert len(counted) == min(retention.last, len(good))


@given(copies_of_any_kind, retentions, retentions)
def test_more_rules_never_keep_fewer(copies: list[Copy], one: Retention, other: Retention) -> None:
    def most(first: Optional[int], second: Optional[int]) -> Optional[int]:
        return max(first or 0, second or 0) or None

    both = Retention(*(most(getattr(one, name), getattr(other, name)) for name in Retention.__dataclass_fields__))
    if one.keeps_everything:
        return
    stay = {verdict.copy.stem for verdict in decide(copies, one, NOW, UTC) if verdict.keep}
    stay_with_both = {verdict.copy.stem for verdict in decide(copies, both, NOW, UTC) if verdict.keep}
    assert stay <= stay_with_both


def test_a_plan_counts_the_dump_that_is_due() -> None:
    copies = tuple(reversed(every(timedelta(days=1), 3)))
    request = RotateRequest("db", Retention(last=3), None, UTC, "run")
    rotation = plan_rotation(request, Catalogue("db", copies, (), ()), NOW + timedelta(hours=1))
    assert [copy.taken_at for copy in rotation.pruned] == [NOW - timedelta(days=2)]
    plan = rotation.plan("/backups/db")
    assert plan.changed
    assert plan.diff()[0]["before"] == "backup_db_20261121_120000\n"
    assert plan.diff()[0]["after"] == "backup_db_20261123_130000\n"


def test_a_hold_and_a_failure_keep_everything_until_they_end() -> None:
    copies = tuple(reversed(every(timedelta(days=1), 3)))
    request = RotateRequest("db", Retention(last=1), parse_schedule("@yearly"), UTC, "run")
    for log in (Log(hold="it is small"), Log(failure="it was killed")):
        rotation = plan_rotation(request, Catalogue("db", copies, (), (), log), NOW)
        assert (rotation.pruned, rotation.plan("/backups/db").changed) == ([], False)
    held = Catalogue("db", copies, (), (), Log(hold="it is small"))
    rotation = plan_rotation(replace(request, acknowledge=True), held, NOW)
    assert len(rotation.pruned) == 2
    assert rotation.plan("/backups/db").diff()[1]["before"] == "it is small\n"
    # A dump that is due comes first: only when it succeeded something is removed.
    due = plan_rotation(replace(request, schedule=None), Catalogue("db", copies, (), (), Log(failure="killed")), NOW)
    assert len(due.pruned) == 3
