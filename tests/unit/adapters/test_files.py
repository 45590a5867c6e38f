# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the target: written whole or not at all."""

import json
import os
import pathlib
import resource
import signal
import stat
import subprocess
import sys

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.files import (
    append_json_line,
    make_private_folder,
    read_bytes,
    read_bytes_or_none,
    read_json_lines,
    sha256,
    write_atomically,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError, OutsideError


def mode_of(path: pathlib.Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "new"
    write_atomically(str(path), b"\x00data\r\n", None)
    assert path.read_bytes() == b"\x00data\r\n"
    assert mode_of(path) == 0o600
    assert os.listdir(tmp_path) == ["new"]


def test_a_new_file_gets_the_mode_that_is_asked_for(tmp_path: pathlib.Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(str(tmp_path / "new"), b"x", None, 0o644)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new") == 0o644


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o444])
def test_the_mode_of_a_file_that_is_there_is_kept(tmp_path: pathlib.Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(str(path), b"new", b"old", 0o600)
    assert path.read_bytes() == b"new"
    assert mode_of(path) == mode
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_followed_to_its_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "file"
    real.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to("real/file")
    write_atomically(str(link), b"new", b"old")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]
    assert os.listdir(tmp_path / "real") == ["file"]


@pytest.mark.parametrize("expected", [None, b"", b"older"])
def test_what_someone_else_wrote_meanwhile_is_not_overwritten(tmp_path: pathlib.Path, expected: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"theirs")
    with pytest.raises(ConflictError, match="changed by someone else meanwhile"):
        write_atomically(str(path), b"ours", expected)
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_is_gone_meanwhile_is_a_conflict(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConflictError):
        write_atomically(str(tmp_path / "file"), b"new", b"old")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OutsideError, match="can't be written: there is no such file"):
        write_atomically(str(tmp_path / "gone" / "file"), b"x", None)
    assert os.listdir(tmp_path) == []


def test_a_folder_is_no_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "folder").mkdir()
    for expected in (None, b""):
        with pytest.raises(InputError, match="it is a folder"):
            write_atomically(str(tmp_path / "folder"), b"x", expected)
    assert os.listdir(tmp_path) == ["folder"]


# With a limit on a file's size every write fails half-way, for root as well: as on a full disk.
LIMITED = """
import sys
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import files
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import OutsideError
try:
    files.write_atomically(sys.argv[1], b"x" * 100000, b"old")
except OutsideError as error:
    print(error)
"""


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_other(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-B", "-c", LIMITED, str(path)],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        preexec_fn=limit,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert "can't be written: file too large; it is as it was" in done.stdout
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_reading_says_why_it_failed(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_bytes(str(tmp_path / "gone"))
    with pytest.raises(InputError, match="it is a folder"):
        read_bytes(str(tmp_path))
    assert read_bytes_or_none(str(tmp_path / "gone")) is None
    (tmp_path / "file").write_bytes(b"\xff\x00")
    assert read_bytes_or_none(str(tmp_path / "file")) == b"\xff\x00"


def test_a_folder_that_is_made_is_private_and_one_that_is_there_stays_as_it_is(tmp_path: pathlib.Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    (tmp_path / "there").chmod(0o755)
    make_private_folder(str(tmp_path / "there" / "made"))
    make_private_folder(str(tmp_path / "there" / "made"))
    assert mode_of(tmp_path / "there") == 0o755
    assert mode_of(tmp_path / "there" / "made") == 0o700


def test_a_folder_below_a_file_can_not_be_made(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutsideError, match="can't be made"):
        make_private_folder(str(tmp_path / "file" / "folder"))


def test_a_journal_is_private_and_is_appended_to(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state" / "journal" / "x.jsonl"
    append_json_line(str(path), {"kind": "sql", "what": "ä\n'\""})
    append_json_line(str(path), {"kind": "completed"})
    assert mode_of(path) == 0o600
    assert mode_of(path.parent) == 0o700
    assert read_json_lines(str(path)) == [{"kind": "sql", "what": "ä\n'\""}, {"kind": "completed"}]
    assert path.read_bytes().count(b"\n") == 2


def test_a_journal_that_is_a_folder_can_not_be_written(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OutsideError, match="can't be written: it is a folder"):
        append_json_line(str(tmp_path), {"kind": "sql"})


def test_a_line_that_was_cut_off_is_left_out(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.jsonl"
    whole = json.dumps({"kind": "sql", "id": "1"}).encode()
    path.write_bytes(whole + b"\n" + whole[:-3])
    assert read_json_lines(str(path)) == [{"kind": "sql", "id": "1"}]


def test_a_journal_that_is_not_there_is_empty(tmp_path: pathlib.Path) -> None:
    assert read_json_lines(str(tmp_path / "gone.jsonl")) == []
    (tmp_path / "empty").write_bytes(b"\n\n")
    assert read_json_lines(str(tmp_path / "empty")) == []


def test_a_hash() -> None:
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
