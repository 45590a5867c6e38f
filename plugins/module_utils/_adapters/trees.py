# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and folders, of this host or out of an engine's archive, as members of a tar archive: read piece by piece."""

import io
import os
import stat
import tarfile
from typing import Any, Iterable, Iterator, Tuple

from .._core.errors import ConflictError, OutsideError

_CHUNK_BYTES = 1024 * 1024
_TYPES = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}
Member = Tuple[tarfile.TarInfo, Iterable[bytes]]


def host_members(path: str) -> Iterator[Member]:
    """Yield a file or a folder of this host with all that is in it, sorted; links in it stay links.

    Sockets and devices are passed over. Each member's content must be read before the next is asked for.

    Raises:
        OutsideError: something can't be read. ConflictError: it changes meanwhile.
    """
    # What is named may be a link itself: what it leads to is meant.
    waiting = [(os.path.realpath(path), "")]
    while waiting:
        place, name = waiting.pop()
        try:
            found = os.lstat(place)
            kind = _TYPES.get(stat.S_IFMT(found.st_mode))
            if kind is None:
                continue
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid = kind, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
            info.mtime = int(found.st_mtime)
            if kind == tarfile.SYMTYPE:
                info.linkname = os.readlink(place)
            if kind == tarfile.REGTYPE:
                info.size = found.st_size
                yield info, _content(place, found)
                continue
            yield info, ()
            if kind == tarfile.DIRTYPE:
                inside = sorted(os.listdir(place), reverse=True)
                waiting += [(os.path.join(place, item), "%s/%s" % (name, item) if name else item) for item in inside]
        except OSError as error:
            raise _error(place, error) from error


def _content(path: str, found: os.stat_result) -> Iterator[bytes]:
    """Yield exactly what a file held when it was looked at."""
    try:
        # It may have been replaced: by a link, which would lead elsewhere, or by what one would wait for.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            rest = found.st_size
            while rest:
                chunk = os.read(handle, min(rest, _CHUNK_BYTES))
                if not chunk:
                    raise _changed(path)
                rest -= len(chunk)
                yield chunk
            if _identity(os.fstat(handle)) != _identity(found):
                raise _changed(path)
        finally:
            os.close(handle)
    except OSError as error:
        raise _error(path, error) from error


def _identity(found: os.stat_result) -> Tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def archive_members(chunks: Iterable[bytes], what: str) -> Iterator[Member]:
    """Yield what is in an engine's archive of one folder, which is its first member.

    Arguments:
        what: the folder, for messages.

    Raises:
        OutsideError: it is cut off. What the chunks raise comes through.
    """
    try:
        stream = io.BufferedReader(_Chunks(chunks), _CHUNK_BYTES)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            while True:
                member = tar.next()
                if member is None:
                    return
                # It remembers every member otherwise.
                tar.members = []  # type: ignore[attr-defined]
                yield _without_root(member), _pieces(tar, member, what) if member.isreg() else ()
    except (tarfile.TarError, EOFError) as error:
        raise _cut_off(what) from error


def _without_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member as it lies in its folder; what else its header said (its longer name) isn't carried along."""
    info = tarfile.TarInfo(member.name.partition("/")[2])
    info.type = tarfile.REGTYPE if member.isreg() else member.type
    info.mode, info.uid, info.gid, info.mtime = member.mode, member.uid, member.gid, int(member.mtime)
    info.size = member.size if member.isreg() else 0
    info.linkname = member.linkname.partition("/")[2] if member.islnk() else member.linkname
    info.devmajor, info.devminor = member.devmajor, member.devminor
    return info


def _pieces(tar: tarfile.TarFile, member: tarfile.TarInfo, what: str) -> Iterator[bytes]:
    """Yield exactly what a member says it holds."""
    try:
        content = tar.extractfile(member)
        rest = member.size
        while content is not None and rest:
            chunk = content.read(min(rest, _CHUNK_BYTES))
            if not chunk:
                raise _cut_off(what)
            rest -= len(chunk)
            yield chunk
    except (tarfile.TarError, EOFError) as error:
        raise _cut_off(what) from error


def _cut_off(what: str) -> OutsideError:
    return OutsideError("%s can't be read: what the engine sent of it is cut off." % what, "Run this again.")


class _Chunks(io.RawIOBase):
    """Chunks as a file that is read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._held = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Put in as much as there is at once; nothing at the end."""
        while not self._held:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._held = memoryview(chunk)
        taken = min(len(buffer), len(self._held))
        buffer[:taken] = self._held[:taken]
        self._held = self._held[taken:]
        return taken


def _changed(path: str) -> ConflictError:
    return ConflictError(
        "%s changed while it was read." % path,
        "Run this again. If something writes to it all the time, name what matters beside it.",
    )


def _error(path: str, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError):
        return _changed(path)
    return OutsideError(
        "%s can't be read: %s." % (path, (error.strerror or str(error)).lower()), "Run this as a user who may read it."
    )
