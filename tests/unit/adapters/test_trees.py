# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and folders as members of an archive: in one order, links as links, and no silence where something changes."""

import io
import os
import pathlib
import socket
import tarfile
from typing import Any, Callable, Dict, List, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.trees import archive_members, host_members
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, OutsideError


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "root"
    (root / "b" / "empty").mkdir(parents=True)
    (root / "a").write_bytes(b"a" * 3000000)
    (root / "b" / "file").write_text("file")
    (root / "b" / "file").chmod(0o640)
    (root / "c").symlink_to("/etc/passwd")
    (root / os.fsdecode(b"\xff")).write_text("odd")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))
    return root


def listed(members: Any) -> List[Tuple[str, bytes, int, str, bytes]]:
    """Return what members are, their content whole."""
    return [(info.name, info.type, info.mode, info.linkname, b"".join(chunks)) for info, chunks in members]


def test_a_folder(folder: pathlib.Path) -> None:
    found = listed(host_members(str(folder)))
    assert [item[0] for item in found] == ["", "a", "b", "b/empty", "b/file", "c", os.fsdecode(b"\xff")]
    by_name = {item[0]: item for item in found}
    assert by_name["a"][4] == b"a" * 3000000
    assert by_name["b/file"][2] == 0o640
    # A link inside stays one: what it leads to isn't meant.
    assert (by_name["c"][1], by_name["c"][3]) == (tarfile.SYMTYPE, "/etc/passwd")
    (folder.parent / "link").symlink_to(folder)
    assert listed(host_members(str(folder.parent / "link"))) == found
    assert listed(host_members(str(folder / "b" / "file"))) == [("", tarfile.REGTYPE, 0o640, "", b"file")]


def grow(path: pathlib.Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def shrink(path: pathlib.Path) -> None:
    os.truncate(path, 3)


def replace(path: pathlib.Path) -> None:
    os.replace(path, str(path) + "~")
    path.write_bytes(b"b" * 3000000)


def remove(path: pathlib.Path) -> None:
    path.unlink()


@pytest.mark.parametrize("meddle", [grow, shrink, replace, remove])
def test_a_file_that_changes(folder: pathlib.Path, meddle: Callable[[pathlib.Path], None]) -> None:
    members = host_members(str(folder))
    next(members)
    info, chunks = next(members)
    assert info.name == "a"
    meddle(folder / "a")
    with pytest.raises(ConflictError, match="/root/a changed while it was read. Run this again."):
        list(chunks)


def test_a_file_that_became_a_link_is_not_followed(folder: pathlib.Path) -> None:
    members = host_members(str(folder))
    next(members)
    _info, chunks = next(members)
    (folder / "a").unlink()
    (folder / "a").symlink_to("/etc/passwd")
    with pytest.raises(OutsideError, match="/root/a can't be read"):
        list(chunks)


def archive(*names: str, **contents: bytes) -> bytes:
    """Return an archive as an engine sends it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            data = contents.get(name.rpartition("/")[2], b"")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("./hard")
        link.type, link.linkname = tarfile.LNKTYPE, "./" + names[1][2:]
        tar.addfile(link)
    return stream.getvalue()


def pieces(data: bytes, size: int) -> List[bytes]:
    """Return data in pieces, with empty ones between."""
    found = [data[start : start + size] for start in range(0, len(data), size)]
    return [piece for whole in found for piece in (whole, b"")]


@pytest.mark.parametrize("size", [1, 700, 10**9])
def test_an_archive_in_whatever_pieces(size: int) -> None:
    long_name = "n" * 150
    data = archive("./", "./one", "./" + long_name, one=b"1" * 1000, **{long_name: b"x"})
    found: Dict[str, Any] = {item[0]: item for item in listed(archive_members(pieces(data, size), "Volume v"))}
    assert list(found) == ["", "one", long_name, "hard"]
    assert (found["one"][4], found[long_name][4], found["hard"][3]) == (b"1" * 1000, b"x", "one")


@pytest.mark.parametrize("left", [0, 100, 1500, 2000])
def test_an_archive_that_is_cut_off(left: int) -> None:
    data = archive("./", "./one", one=b"1" * 5000)
    with pytest.raises(OutsideError, match="Volume v can't be read: what the engine sent of it is cut off."):
        listed(archive_members([data[:left]], "Volume v"))
