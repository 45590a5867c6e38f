# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps in directory format as they lie in their folder: found, read, renamed and removed without following a link."""

import os
import pathlib
import subprocess

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.dump_folder import DumpFolder
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, OutsideError
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.verify import HashedFile

NAME = "backup_db_20261123_120000.dump.dir"
HIDDEN = ".%s.partial" % NAME
REMOVED = ".%s.removed.partial" % NAME


def dump(folder: pathlib.Path, name: str = NAME) -> pathlib.Path:
    """Make a folder as pg_dump does; return it."""
    made = folder / name
    made.mkdir()
    for file, content in (("toc.dat", b"contents"), ("3001.dat.gz", b"rows"), ("10.dat.gz", b"")):
        (made / file).write_bytes(content)
    return made


def test_a_folder_of_our_names_counts_with_its_files(tmp_path: pathlib.Path) -> None:
    dump(tmp_path)
    dump(tmp_path, HIDDEN)
    dump(tmp_path, REMOVED)
    dump(tmp_path, "somebody's")
    dump(tmp_path, "backup_db.dump.dir")
    (tmp_path / "notes.txt").write_bytes(b"x")
    assert sorted(DumpFolder(str(tmp_path)).entries()) == [(HIDDEN, 12), (REMOVED, 12), (NAME, 12), ("notes.txt", 1)]


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe", "file"])
def test_a_folder_with_anything_else_is_no_dump(tmp_path: pathlib.Path, kind: str) -> None:
    made = tmp_path / NAME
    if kind == "file":
        made.write_bytes(b"x")
    else:
        dump(tmp_path)
        odd = made / "4.dat.gz"
        makers = {
            "link": lambda: odd.symlink_to(made / "toc.dat"),
            "dangling": lambda: odd.symlink_to("/nonexistent"),
            "folder": odd.mkdir,
            "pipe": lambda: os.mkfifo(odd),
        }
        makers[kind]()
    folder = DumpFolder(str(tmp_path))
    assert folder.entries() == [(NAME, -1)]
    with pytest.raises(OutsideError, match="not a directory" if kind == "file" else "more than regular files"):
        HashedFile(folder, NAME).hexdigest()
    folder.remove(NAME)
    assert list(tmp_path.iterdir()) == []


def test_its_hash_is_what_stock_tools_print(tmp_path: pathlib.Path) -> None:
    made = dump(tmp_path)
    script = "LC_ALL=C sha256sum * | sha256sum"
    printed = subprocess.run(["sh", "-c", script], cwd=made, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert HashedFile(DumpFolder(str(tmp_path)), NAME).hexdigest() == printed.split()[0]
    (made / "10.dat.gz").write_bytes(b"\0")
    assert HashedFile(DumpFolder(str(tmp_path)), NAME).hexdigest() != printed.split()[0]


def test_a_link_is_neither_listed_nor_read_nor_followed(tmp_path: pathlib.Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    made = dump(elsewhere)
    backups = tmp_path / "backups"
    backups.mkdir()
    (backups / NAME).symlink_to(made)
    (backups / "backup_db_20261123_120001.dump").symlink_to(made / "toc.dat")
    folder = DumpFolder(str(backups))
    assert folder.entries() == []
    with pytest.raises(OutsideError):
        list(folder.chunks("backup_db_20261123_120001.dump"))
    folder.remove(NAME)
    assert not (backups / NAME).is_symlink()
    assert len(list(made.iterdir())) == 3


def test_a_folder_that_is_there_is_never_replaced(tmp_path: pathlib.Path) -> None:
    dump(tmp_path, HIDDEN)
    folder = DumpFolder(str(tmp_path))
    (tmp_path / NAME).mkdir()
    with pytest.raises(ConflictError, match="is there already"):
        folder.rename(HIDDEN, NAME)
    assert list((tmp_path / NAME).iterdir()) == []
    (tmp_path / NAME).rmdir()
    folder.rename(HIDDEN, NAME)
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize("name", [NAME, HIDDEN, REMOVED])
def test_a_folder_goes_whole(tmp_path: pathlib.Path, name: str) -> None:
    dump(tmp_path, name)
    if name != REMOVED:
        # What a removal that was cut off has left.
        dump(tmp_path, REMOVED)
    folder = DumpFolder(str(tmp_path))
    folder.remove(name)
    assert folder.entries() == []
    assert list(tmp_path.iterdir()) == []
    folder.remove(name)


def test_half_a_dump_never_has_a_final_name(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump(tmp_path)
    folder = DumpFolder(str(tmp_path))

    def unlink(*_arguments: object, **_more: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "unlink", unlink)
        with pytest.raises(OutsideError, match="can't be removed: input/output error"):
            folder.remove(NAME)
    assert os.listdir(tmp_path) == [REMOVED]
    folder.remove(REMOVED)
    assert os.listdir(tmp_path) == []
