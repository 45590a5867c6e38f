# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a dump on their way: whatever the chunks and the rows look like, and whichever side fails."""

import hashlib
import threading
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.stream import Rows, pump

PLAIN = b"1\ta\n2\t\\N\n"
# Data that looks like a command, an end, and another table.
ALIKE = b'\\\\.\n\\N\t\\\\.\nCOPY "a"."b" ("c") FROM stdin;\n\n--\n\\\\restrict x\n;\'"\n'
SPECIAL = b"""COMMENT ON LARGE OBJECT 1 IS 'it''s
\\.
COPY "a"."b" ("c") FROM stdin;
\\restrict
"';
"""
DUMP = b"".join(
    [
        b"--\n-- it's \"a\n\n\\restrict abc\nSET client_encoding = 'UTF8';\n",
        b'COPY "public"."plain" ("a", "b") FROM stdin;\n' + PLAIN + b"\\.\n\n\n",
        b'COPY "public"."empty" ("a") FROM stdin;\n\\.\n',
        b'COPY "odd ""one"".x"."it\'s ) FROM stdin;" ("a"", ""b", "(c)") FROM stdin;\n' + ALIKE + b"\\.\n",
        b'COPY "public"."none"  FROM stdin;\n\n\n\\.\n',
        b'COPY "new\nline"."x" ("a\nb") FROM stdin;\n' + PLAIN + b"\\.\n",
        SPECIAL,
        b"SELECT pg_catalog.lowrite(0, '\\x27');\n",
        b"\\unrestrict abc\n",
    ]
)
TABLES: Dict[Tuple[str, str], Tuple[Tuple[str, ...], bytes]] = {
    ("public", "plain"): (("a", "b"), PLAIN),
    ("public", "empty"): (("a",), b""),
    ('odd "one".x', "it's ) FROM stdin;"): (('a", "b', "(c)"), ALIKE),
    ("public", "none"): ((), b"\n\n"),
    ("new\nline", "x"): (("a\nb",), PLAIN),
}


def commands_out(line: bytes) -> bytes:
    """Take psql's own commands out, as a move does."""
    return b"" if line.startswith(b"\\") else line


def run(chunks: List[bytes]) -> Tuple[bytes, Rows]:
    """Feed chunks; return what was passed on, and what was read."""
    rows = Rows(commands_out)
    passed = b"".join([rows.feed(chunk) for chunk in chunks])
    return passed + rows.finish(), rows


def check(chunks: List[bytes]) -> None:
    """Hold what comes out against what the dump has."""
    passed, rows = run(chunks)
    assert passed == DUMP.replace(b"\\restrict abc\n", b"").replace(b"\\unrestrict abc\n", b"")
    assert list(rows.sent) == list(TABLES)
    for table, (columns, data) in TABLES.items():
        assert rows.sent[table] == (columns, len(data), hashlib.sha256(data).hexdigest())


def test_cut_at_every_byte() -> None:
    for cut in range(len(DUMP) + 1):
        check([DUMP[:cut], DUMP[cut:]])


def test_byte_by_byte() -> None:
    check([DUMP[index : index + 1] for index in range(len(DUMP))])


@given(st.lists(st.integers(0, len(DUMP)), max_size=12))
def test_cut_anywhere(cuts: List[int]) -> None:
    places = [0, *sorted(cuts), len(DUMP)]
    check([DUMP[start:end] for start, end in zip(places, places[1:])])


def test_a_row_larger_than_a_chunk() -> None:
    row = b"x" * 100000 + b"\n"
    dump = b'COPY "a"."b" ("c") FROM stdin;\n' + row * 3 + b"\\.\n"
    passed, rows = run([dump[start : start + 999] for start in range(0, len(dump), 999)])
    assert passed == dump
    assert rows.sent[("a", "b")] == (("c",), 3 * len(row), hashlib.sha256(row * 3).hexdigest())
    assert rows.size_bytes == len(dump)


@pytest.mark.parametrize("ended", [b"", b"1\n", b"1\n2", b"1\n\\.", b"\\\\.\n"])
def test_a_dump_that_ends_among_rows(ended: bytes) -> None:
    rows = Rows(commands_out)
    rows.feed(b'COPY "a"."b" ("c") FROM stdin;\n' + ended)
    with pytest.raises(OutsideError, match=r"among the rows of a\.b"):
        rows.finish()


def test_a_last_line_without_its_end() -> None:
    assert run([b"SELECT 1;\nSELECT 2;"])[0] == b"SELECT 1;\nSELECT 2;"


def test_a_fresh_table_is_emptied_in_the_transaction_that_fills_it() -> None:
    fresh = {('odd "one".x', "it's ) FROM stdin;"), ("public", "none"), ("new\nline", "x")}
    for cut in range(len(DUMP) + 1):
        rows = Rows(commands_out, fresh)
        passed = rows.feed(DUMP[:cut]) + rows.feed(DUMP[cut:]) + rows.finish()
        assert b'COPY "public"."plain" ("a", "b") FROM stdin;\n' + PLAIN + b"\\.\n\n" in passed
        odd = b'"odd ""one"".x"."it\'s ) FROM stdin;"'
        assert (
            b"BEGIN;\nTRUNCATE ONLY " + odd + b";\nCOPY " + odd
            + b' ("a"", ""b", "(c)") FROM stdin WITH (FREEZE);\n' + ALIKE + b"\\.\nCOMMIT;\n"
            in passed
        )  # fmt: skip
        none = b'TRUNCATE ONLY "public"."none";\nCOPY "public"."none"  FROM stdin WITH (FREEZE);\n\n\n\\.\nCOMMIT;\n'
        assert none in passed
        assert passed.count(b"BEGIN;") == passed.count(b"COMMIT;") == len(fresh)
        assert {name: sent.size_bytes for name, sent in rows.sent.items()} == {
            name: len(data) for name, (_columns, data) in TABLES.items()
        }


class Ended(NamedTuple):
    """What a program leaves."""

    rc: int
    stdout: bytes
    stderr: str


def result(rc: int, said: str = "") -> Ended:
    """Return what a program leaves."""
    return Ended(rc, b"", said)


def dumping(chunks: List[bytes], rc: int = 0) -> Callable[..., Ended]:
    """Return a program that writes chunks."""

    def dump(sink: Callable[[bytes], Any]) -> Ended:
        for chunk in chunks:
            sink(chunk)
        return result(rc, "dump")

    return dump


def loading(into: List[bytes], rc: int = 0) -> Callable[[Iterator[bytes]], Ended]:
    """Return a program that reads all."""

    def load(chunks: Iterator[bytes]) -> Ended:
        into.extend(chunks)
        return result(rc, "load")

    return load


def pumped(*arguments: Any) -> Any:
    """Pump in a thread that may not take for ever; return or raise what came of it."""
    found: List[Any] = []

    def work() -> None:
        try:
            found.append(pump(*arguments, Rows(commands_out)))
        except Exception as error:  # noqa: BLE001 - raised below
            found.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert found, "it hangs"
    if isinstance(found[0], Exception):
        raise found[0]
    assert "dump" not in {other.name for other in threading.enumerate()}
    return found[0]


def test_all_goes_through() -> None:
    into: List[bytes] = []
    dumped, loaded = pumped(dumping([b"SELECT 1;\n"] * 500), loading(into))
    assert (dumped.rc, loaded.rc, b"".join(into)) == (0, 0, b"SELECT 1;\n" * 500)


def test_the_loader_ends_early() -> None:
    def load(chunks: Iterator[bytes]) -> Ended:
        next(chunks)
        return result(3, "no space left")

    dumped, loaded = pumped(dumping([b"SELECT 1;\n"] * 5000), load)
    assert loaded.rc == 3 and dumped is loaded


def test_the_loader_cannot_be_run() -> None:
    def load(chunks: Iterator[bytes]) -> Ended:
        raise OutsideError("no psql")

    with pytest.raises(OutsideError, match="no psql"):
        pumped(dumping([b"SELECT 1;\n"] * 5000), load)


def test_the_dump_fails() -> None:
    into: List[bytes] = []
    dumped, loaded = pumped(dumping([b'COPY "a"."b" ("c") FROM stdin;\n1\n'], rc=1), loading(into))
    assert (dumped.rc, loaded.rc) == (1, 0)


def test_the_dump_ends_in_the_middle_and_says_nothing() -> None:
    with pytest.raises(OutsideError, match="among the rows"):
        pumped(dumping([b'COPY "a"."b" ("c") FROM stdin;\n1\n']), loading([]))


def swallowing(chunks: Iterator[bytes]) -> Ended:
    """Read all, and tell nobody what went wrong: a program's feeder is a thread of its own."""
    try:
        list(chunks)
    except OutsideError:
        return result(0)
    return result(0)


@pytest.mark.parametrize("load", [loading([]), swallowing])
@pytest.mark.parametrize("error", [OutsideError("the engine is gone"), ValueError("the engine is gone")])
def test_the_dump_breaks_off(load: Any, error: Exception) -> None:
    def dump(sink: Callable[[bytes], Any]) -> Ended:
        sink(b"SELECT 1;\n")
        raise error

    with pytest.raises((OutsideError, ValueError), match="the engine is gone"):
        pumped(dump, load)


def test_nobody_swallows_an_end_in_the_middle() -> None:
    with pytest.raises(OutsideError, match="among the rows"):
        pumped(dumping([b'COPY "a"."b" ("c") FROM stdin;\n1\n']), swallowing)


def test_both_fail() -> None:
    def dump(sink: Callable[[bytes], Any]) -> Ended:
        raise OutsideError("no pg_dump")

    def load(chunks: Iterator[bytes]) -> Ended:
        list(chunks)
        raise AssertionError("fed with something")

    with pytest.raises(OutsideError, match="no pg_dump"):
        pumped(dump, load)
