"""Which compression a dump gets, by what the server's side has and what the rows are like."""

from __future__ import annotations

import hashlib

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import StateError
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.compression import Tools, choose_compression

NUMBERS = ",".join(
    "%.7f" % (int(hashlib.sha256(b"%d" % n).hexdigest()[:6], 16) / 0xFFFFFF) for n in range(5000)
).encode()
ALIKE = b"".join(b"(%d,0,0,%s)\n" % (n, b" " * 84) for n in range(300))
WORDS = " ".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(2000)).translate(
    {48 + n: 103 + n for n in range(10)}
)


def ask(_nothing: object = None) -> bytes:
    raise AssertionError("the rows matter to the program zstd only")


@pytest.mark.parametrize(
    ("rows", "argument", "zstd"),
    [
        (NUMBERS, "--compress=0", "-T0 -1 --zstd=mml=6"),
        (ALIKE, "--compress=1", "-T0 -1"),
        (WORDS.encode(), "--compress=0", "-T0 -3 --zstd=mml=7"),
        # An empty database.
        (b"", "--compress=0", "-T0 -3 --zstd=mml=7"),
    ],
)
def test_rows_decide_where_the_program_zstd_compresses(rows: bytes, argument: str, zstd: str) -> None:
    for wanted in ("auto", "zstd"):
        found = choose_compression(wanted, Tools("15.14", True, False), lambda: rows)
        assert (found.name, found.suffix, found.argument, found.zstd) == ("zstd_wrapped", ".dump.zst", argument, zstd)
        assert found.by == "pg_dump %s | zstd %s" % (argument, zstd)


def test_what_the_server_has_comes_first() -> None:
    assert choose_compression("auto", Tools("17.6", True, True), ask).argument == "--compress=zstd:2"
    without = choose_compression("auto", Tools("15.14", False, False), ask)
    assert (without.name, without.argument, without.wrapped) == ("gzip", "--compress=1", False)
    assert choose_compression("gzip", Tools("17.6", True, True), ask).argument == "--compress=1"
    assert choose_compression("none", Tools("17.6", True, True), ask).argument == "--compress=0"
    with pytest.raises(StateError, match="Neither pg_dump 15.14 nor its image knows zstd"):
        choose_compression("zstd", Tools("15.14", False, False), ask)
