# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder that holds the copies of a database: private files, a lock, and renames that survive a power cut."""

import errno
import fcntl
import json
import os
import shutil
import stat
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .._core.errors import ConflictError, InputError, OutsideError
from .._dumps.catalogue import is_directory, removed_name
from .files import (
    append_json_line,
    make_private_folder,
    read_bytes_or_none,
    read_json_lines,
    sync_folder,
    write_atomically,
)

_CHUNK_BYTES = 1024 * 1024


class DumpFolder:
    """One folder; every name that its methods take is a plain file name within it.

    A dump in directory format is a folder in it; before the name of one of its files stands that folder's.

    Arguments:
        mount: the mount point on which it must lie, where there is one.

    Raises:
        InputError: it is a file or a link, or lies on another device.
    """

    def __init__(self, path: str, mount: Optional[str] = None) -> None:
        self._path = os.path.abspath(path)
        if os.path.lexists(self._path) and not os.path.isdir(self._path):
            raise InputError(
                "%s is to hold dumps, but it isn't a folder." % self._path, "Name a folder, or move that file away."
            )
        if os.path.islink(self._path):
            raise InputError(
                "%s is to hold dumps, but it is a link to %s." % (self._path, os.path.realpath(self._path)),
                "Name the folder itself: a link can lead elsewhere tomorrow.",
            )
        if mount:
            _check_mount(self._path, mount)

    @property
    def path(self) -> str:
        """Where it is."""
        return self._path

    def _at(self, name: str) -> str:
        return os.path.join(self._path, name)

    def entries(self) -> List[Tuple[str, int]]:
        """Return name and size of its regular files; links are passed over: what they name isn't ours.

        A dump in directory format has the size of its files together, or -1 where it isn't a folder of regular files.
        """
        try:
            with os.scandir(self._path) as found:
                sizes = [(item.name, _size(item)) for item in found]
                return [(name, size) for name, size in sizes if size is not None]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._error("Folder %s can't be read" % self._path, error) from error

    def warnings(self) -> List[str]:
        """Say where others may read or write here."""
        try:
            mode = stat.S_IMODE(os.stat(self._path).st_mode)
        except OSError:
            return []
        if mode & 0o077:
            return ["Folder %s has mode %04o: others reach the dumps in it. `chmod 0700` it." % (self._path, mode)]
        return []

    def make(self) -> None:
        """Make it, 0700, where it is missing, and see that it can be written."""
        make_private_folder(self._path)
        if not os.access(self._path, os.W_OK | os.X_OK):
            raise OutsideError(
                "Folder %s can't be written by this user." % self._path, "Correct its owner, or run this as its owner."
            )

    def read(self, name: str) -> bytes:
        """Return a small file whole."""
        try:
            with open(self._at(name), "rb", buffering=0) as stream:
                return stream.readall()
        except OSError as error:
            raise self._error("%s can't be read" % self._at(name), error) from error

    def json_lines(self, name: str) -> List[Dict[str, Any]]:
        """Return the lines of a file of JSON lines; none where there is no such file."""
        return read_json_lines(self._at(name))

    def append_json_line(self, name: str, line: Dict[str, Any]) -> None:
        """Append one line, synced."""
        append_json_line(self._at(name), line)

    def replace(self, name: str, data: bytes) -> None:
        """Write a small file, 0600, whole or not at all, in the place of the one that is there."""
        write_atomically(self._at(name), data, read_bytes_or_none(self._at(name)))

    def files(self, name: str) -> List[Tuple[str, int]]:
        """Return name and size of the files of a dump in directory format, sorted by the bytes of their names."""
        try:
            found = _regular_files(self._at(name))
        except OSError as error:
            raise self._error("%s can't be read" % self._at(name), error) from error
        if found is None:
            raise OutsideError("%s holds more than regular files: that isn't what pg_dump wrote." % self._at(name))
        return found

    def sync_files(self, name: str) -> None:
        """Make the files of a dump in directory format survive a power cut."""
        try:
            for file, _size_bytes in self.files(name):
                # It syncs whatever it is given.
                sync_folder(os.path.join(self._at(name), file))
            sync_folder(self._at(name))
        except OSError as error:
            raise self._error("%s can't be synced" % self._at(name), error) from error

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a large file piece by piece."""
        try:
            with open(self._at(name), "rb", buffering=0, opener=_open_no_link) as stream:
                while True:
                    chunk = stream.read(_CHUNK_BYTES)
                    if not chunk:
                        return
                    yield chunk
        except OSError as error:
            raise self._error("%s can't be read" % self._at(name), error) from error

    def create(self, name: str) -> "FileWriter":
        """Open a new file, 0600."""
        try:
            return FileWriter(self._at(name))
        except OSError as error:
            raise self._error("%s can't be made" % self._at(name), error) from error

    def rename(self, old: str, new: str) -> None:
        """Give a file or a folder its final name; one that is there is never replaced."""
        try:
            # link() refuses a name that is taken, which rename() would replace.
            os.link(self._at(old), self._at(new))
            os.unlink(self._at(old))
        except FileExistsError as error:
            raise ConflictError("%s is there already; it was left as it is." % self._at(new)) from error
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise self._error("%s can't be renamed to %s" % (self._at(old), new), error) from error
            # A folder has no hard links, nor has FAT or some network file systems. The lock keeps our own runs apart.
            if os.path.lexists(self._at(new)):
                raise ConflictError("%s is there already; it was left as it is." % self._at(new)) from error
            os.rename(self._at(old), self._at(new))

    def remove(self, name: str) -> None:
        """Remove a file, or a dump in directory format whole; one that is gone already is no error."""
        try:
            if is_directory(name) and stat.S_ISDIR(os.lstat(self._at(name)).st_mode):
                self._remove_directory(name)
            else:
                os.unlink(self._at(name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error("%s can't be removed" % self._at(name), error) from error

    def _remove_directory(self, name: str) -> None:
        # Hidden first: half a dump never has a final name. A pg_dump that outlived its run finds its folder no more.
        doomed = removed_name(name)
        if doomed != name:
            if os.path.lexists(self._at(doomed)):
                shutil.rmtree(self._at(doomed))
            os.rename(self._at(name), self._at(doomed))
            sync_folder(self._path)
        shutil.rmtree(self._at(doomed))

    def sync(self) -> None:
        """Make renames and removals survive a power cut."""
        try:
            sync_folder(self._path)
        except OSError as error:
            raise self._error("Folder %s can't be synced" % self._path, error) from error

    def free_bytes(self) -> int:
        """Return how much this user may still write there."""
        found = os.statvfs(self._path)
        return (found.f_bfree if os.geteuid() == 0 else found.f_bavail) * found.f_frsize

    @contextmanager
    def lock(self, name: str) -> Iterator["LockFile"]:
        """Hold the lock while the block runs; the kernel gives it back when this process ends, however it ends."""
        try:
            handle = os.open(self._at(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._error("Lock %s can't be opened" % self._at(name), error) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConflictError(
                    "Another run is at work on these copies: it holds %s. Nothing was done." % self._at(name),
                    "Run this again when it has ended.",
                ) from error
            yield LockFile(handle)
        finally:
            os.close(handle)

    @staticmethod
    def _error(what: str, error: OSError) -> OutsideError:
        return OutsideError("%s: %s." % (what, _reason(error)))


class FileWriter:
    """A new file, 0600, that is being written."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._closed = False

    def write(self, data: bytes) -> None:
        """Append all of it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            raise self._error(error) from error

    def finish(self) -> None:
        """Make it survive a power cut, and close it."""
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise self._error(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Close it as it is."""
        if not self._closed:
            self._closed = True
            os.close(self._handle)

    def _error(self, error: OSError) -> OutsideError:
        return OutsideError(
            "%s can't be written: %s." % (self._path, _reason(error)),
            "Free some space there, or name another folder." if error.errno in (errno.ENOSPC, errno.EDQUOT) else None,
        )


class LockFile:
    """The note inside a lock file that is held."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def read(self) -> Dict[str, Any]:
        """Return the note; empty where there is none, or where it was cut off."""
        data = os.pread(self._handle, 1024 * 1024, 0)
        try:
            found = json.loads(data) if data.strip() else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, note: Dict[str, Any]) -> None:
        """Replace the note, synced."""
        data = json.dumps(note).encode("utf-8") if note else b""
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, data, 0)
            os.fsync(self._handle)
        except OSError as error:
            raise OutsideError("The lock file can't be written: %s." % _reason(error)) from error


def _size(item: "os.DirEntry[str]") -> Optional[int]:
    """Return the size of a regular file, or of the files of a dump in directory format; None for all else."""
    try:
        if item.is_file(follow_symlinks=False):
            return -1 if is_directory(item.name) else item.stat(follow_symlinks=False).st_size
        if not is_directory(item.name) or not item.is_dir(follow_symlinks=False):
            return None
        files = _regular_files(item.path)
        return -1 if files is None else sum(size_bytes for _name, size_bytes in files)
    except FileNotFoundError:
        # Another run has removed it meanwhile.
        return None


def _regular_files(path: str) -> Optional[List[Tuple[str, int]]]:
    """Return name and size of a folder's files, sorted by the bytes of their names; None where it holds more."""
    with os.scandir(path) as found:
        items = sorted(found, key=lambda item: os.fsencode(item.name))
    if not all(item.is_file(follow_symlinks=False) for item in items):
        return None
    return [(item.name, item.stat(follow_symlinks=False).st_size) for item in items]


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _check_mount(path: str, mount: str) -> None:
    if not os.path.ismount(mount):
        raise InputError(
            "%s isn't mounted, and %s would fill another disk." % (mount, path), "Mount it, or correct the mount point."
        )
    there = path
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if os.stat(there).st_dev != os.stat(mount).st_dev:
        raise InputError(
            "%s lies on another device than %s." % (path, mount), "Name a folder below it, or correct the mount point."
        )


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
