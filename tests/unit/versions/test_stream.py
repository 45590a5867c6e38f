# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data section of a dump on its way: whatever the chunks and the rows look like, and whichever side fails."""

import threading
from typing import Any, Callable, Iterator, List, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._versions.stream import Lines, pump

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


def commands_out(line: bytes) -> bytes:
    """Take psql's own commands out, as a move does."""
    return b"" if line.startswith(b"\\") else line


def run(chunks: List[bytes]) -> bytes:
    """Feed chunks; return what was passed on."""
    lines = Lines(commands_out)
    passed = b"".join([lines.feed(chunk) for chunk in chunks])
    return passed + lines.finish()


def check(chunks: List[bytes]) -> None:
    """Hold what comes out against what the dump has."""
    assert run(chunks) == DUMP.replace(b"\\restrict abc\n", b"").replace(b"\\unrestrict abc\n", b"")


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
    assert run([dump[start : start + 999] for start in range(0, len(dump), 999)]) == dump


@pytest.mark.parametrize("ended", [b"", b"1\n", b"1\n2", b"1\n\\.", b"\\\\.\n"])
def test_a_dump_that_ends_among_rows(ended: bytes) -> None:
    lines = Lines(commands_out)
    lines.feed(b'COPY "a"."b" ("c") FROM stdin;\n' + ended)
    with pytest.raises(OutsideError, match='among the rows of "a"."b"'):
        lines.finish()


def test_a_last_line_without_its_end() -> None:
    assert run([b"SELECT 1;\nSELECT 2;"]) == b"SELECT 1;\nSELECT 2;"


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
            found.append(pump(*arguments, Lines(commands_out)))
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
