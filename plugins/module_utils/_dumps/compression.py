# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a dump is compressed: by what the server's side has, and where that is the program zstd by what rows are like."""

import re
import zlib
from dataclasses import dataclass
from typing import Callable

from .._core.errors import StateError
from .catalogue import DIRECTORY_SUFFIX
from .manifest import CUSTOM, DIRECTORY
from .ports import Server
from .verify import first_lines

# pg_dump names an unknown or left-out method before it looks for a server; else it can't reach this one.
_PROBE = r"""
pg_dump --version || exit 1
if command -v zstd >/dev/null 2>&1; then echo zstd-program; fi
case $(pg_dump --format=custom --compress=zstd --host=/nonexistent --file=/dev/null 2>&1) in
  *"connection to server"*) echo zstd-built-in ;;
esac
echo "cores=$(nproc 2>/dev/null || echo 1)"
"""

# Short matches in the digits of embeddings cost more than they save: with 7 bytes as the shortest, 18,000 rows of 768
# dimensions take 62 MB instead of 69 (gzip -6: 67), pgbench's rows 3.0 instead of 3.3, and text 4 % more.
_ZSTD = "-T0 -3 --zstd=mml=7"
# Rows of numbers have little but such matches: 178 MB of embeddings take 0.66 s and 62.9 MB instead of 1.00 and 62.4.
_ZSTD_OF_NUMBERS = "-T0 -1 --zstd=mml=6"
_DIGITS = b"0123456789.,-"
# Rows that are almost alike: without compression pg_dump writes each as a block of its own, and what it saves is lost
# again in the pipe. Deflated first, pgbench's 450 MB take 0.87 s and 0.55 MB instead of 1.28 s and 3.0 MB.
_ZSTD_OF_DEFLATED = "-T0 -1"
_ALIKE = 10


@dataclass(frozen=True)
class Compression:
    """How an archive is compressed, always before it leaves the server's side."""

    name: str
    suffix: str
    argument: str
    zstd: str = ""
    format: str = CUSTOM

    @property
    def wrapped(self) -> bool:
        """Whether the program zstd compresses what pg_dump writes."""
        return bool(self.zstd)

    @property
    def by(self) -> str:
        """Return the options that decide how small a dump gets."""
        argument = self.argument if self.format == CUSTOM else "--format=%s %s" % (self.format, self.argument)
        return "pg_dump %s%s" % (argument, " | zstd %s" % self.zstd if self.zstd else "")


@dataclass(frozen=True)
class Tools:
    """What the server's side offers."""

    client_version: str
    zstd_program: bool
    zstd_built_in: bool
    cores: int = 1


def probe_tools(server: Server) -> Tools:
    """Ask the server's side for its pg_dump, its zstd and its cores."""
    found = server.run_client(["sh", "-c", _PROBE], connect=False)
    said = found.stdout.decode("utf-8", "replace").splitlines()
    if found.rc != 0 or not said:
        raise StateError(
            "There is no pg_dump beside the server: %s." % first_lines(found.stderr),
            "Dumps are made by the server's own pg_dump; use an image that has it.",
        )
    version = re.search(r"\d+(?:\.\d+|\w+)?", said[0])
    cores = re.search(r"^cores=(\d+)$", "\n".join(said), re.MULTILINE)
    return Tools(
        version.group(0) if version else said[0],
        "zstd-program" in said,
        "zstd-built-in" in said,
        int(cores.group(1)) if cores else 1,
    )


def choose_compression(
    wanted: str, tools: Tools, sample: Callable[[], bytes], archive_format: str = CUSTOM
) -> Compression:
    """Return the quickest compression that this server's side has.

    Arguments:
        sample: returns rows of the kind that is to be dumped; asked only where it matters.
        archive_format: in directory format pg_dump itself compresses each file: no other program can.

    Raises:
        StateError: zstd is demanded and isn't there.
    """
    if archive_format == DIRECTORY:
        return _choose_for_files(wanted, tools)
    if wanted in ("auto", "zstd"):
        if tools.zstd_built_in:
            # Level 2 is both quicker and smaller than 3 on embeddings, for the reason given at _ZSTD.
            return Compression("zstd", ".dump", "--compress=zstd:2")
        if tools.zstd_program:
            rows = sample()
            if len(rows) > _ALIKE * len(zlib.compress(rows, 1)):
                return Compression("zstd_wrapped", ".dump.zst", "--compress=1", _ZSTD_OF_DEFLATED)
            mostly_numbers = 2 * len(rows.translate(None, _DIGITS)) < len(rows)
            return Compression(
                "zstd_wrapped", ".dump.zst", "--compress=0", _ZSTD_OF_NUMBERS if mostly_numbers else _ZSTD
            )
        if wanted == "zstd":
            raise StateError(
                "Neither pg_dump %s nor its image knows zstd." % tools.client_version,
                "Use compression=auto or gzip, or an image with the program zstd.",
            )
    if wanted == "none":
        return Compression("none", ".dump", "--compress=0")
    return Compression("gzip", ".dump", "--compress=1")


def _choose_for_files(wanted: str, tools: Tools) -> Compression:
    if wanted in ("auto", "zstd") and tools.zstd_built_in:
        return Compression("zstd", DIRECTORY_SUFFIX, "--compress=zstd:2", format=DIRECTORY)
    if wanted == "zstd":
        raise StateError(
            "pg_dump %s can't compress a dump in directory format with zstd." % tools.client_version,
            "Use compression=auto or gzip, format=custom, or an image with pg_dump 16 or newer.",
        )
    if wanted == "none":
        return Compression("none", DIRECTORY_SUFFIX, "--compress=0", format=DIRECTORY)
    return Compression("gzip", DIRECTORY_SUFFIX, "--compress=1", format=DIRECTORY)
