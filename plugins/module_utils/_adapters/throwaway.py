# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throwaway servers for drills: of the very image of the live one, without a network, reached by a socket alone.

Each carries the process that made it as a label: what a killed drill has left is known by that, and the next one
removes it.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Dict, Iterator, List, Mapping, Optional

from .._core.errors import OutsideError, StateError
from .._core.text import format_size
from .docker import Docker
from .postgres import Endpoint, Postgres
from .table_copy import CopyingPostgres

LABEL = "bulkhead.stack.drill"
_PROCESS, _FOLDER, _NAMESPACE = LABEL + ".process", LABEL + ".folder", LABEL + ".namespace"
_DATA, _SOCKET, _COPIES = "/bulkhead/data", "/bulkhead/socket", "/bulkhead/copies"
# Its name says which process made it: one that is killed early leaves nothing else.
_FOLDER_NAME = re.compile(r"bulkhead-drill-(?P<namespace>\d+)-(?P<number>\d+)-(?P<ticks>\d+)-\w+")
# Whether a process of another namespace lives (of cron's host, seen from AWX's container) can't be told from here.
_FOREIGN_LIFE_S = 86400
_READY_S = 60
# A socket's path may have so many bytes (sys/un.h).
_SOCKET_PATH_BYTES = 107
# A bare cluster: none of the image's own scripts, which would make roles and databases of their own.
_START = """
set -e
data=$1/cluster
initdb --pgdata="$data" --username="$2" --auth=trust --encoding=UTF8 --locale=C --no-sync >/dev/null
cat "$3" >> "$data/postgresql.conf"
exec postgres -D "$data"
"""


class ThrowawayPostgres(CopyingPostgres):
    """A throwaway server; it sees the copies' folder where that was mounted for it."""

    copies = ""

    def path_beside_server(self, path: str) -> Optional[str]:
        """Return where a path of this host lies for the client programs, or None where they don't see it."""
        return _COPIES if self.copies and os.path.realpath(path) == os.path.realpath(self.copies) else None


class Throwaways:
    """Makes throwaway servers like one live server.

    Arguments:
        engine: the live server's; a local one. container: the live server's. user: its first superuser.
    """

    def __init__(self, engine: Docker, container: str, user: str) -> None:
        if not engine.is_local:
            raise StateError(
                "A throwaway server is reached by a socket, and the engine is on another machine.",
                "Run the drill on the engine's own host, or name a server of your own as target.",
            )
        self._engine = engine
        inspection = engine.inspect(container)
        self.image = str(inspection["Image"])
        self._shm_size = inspection["HostConfig"].get("ShmSize")
        declared = ((engine.image_or_none(self.image) or {}).get("Config") or {}).get("Volumes") or {}
        # A volume takes over whose a folder of the image is: this one is the server's.
        self._own_folder = next(iter(sorted(declared)), "/var/lib/postgresql/data")
        self._user = user

    def remove_leftovers(self) -> List[str]:
        """Remove what killed drills have left; return a sentence for each container."""
        told, gone = [], set()
        for item in self._engine.containers([LABEL]):
            foreign = item["labels"].get(_NAMESPACE) != _namespace()
            if _is_old(item["created"]) if foreign else not _lives(item["labels"].get(_PROCESS, "")):
                self._engine.remove_by_force(item["id"])
                _remove_folder(item["labels"].get(_FOLDER, ""))
                gone.add(item["labels"][LABEL])
                told.append("The throwaway server %s of a killed drill was removed." % ", ".join(item["names"]))
        for volume in self._engine.volumes(LABEL):
            ours = volume["labels"].get(_NAMESPACE) == _namespace()
            if volume["labels"].get(LABEL) in gone or (ours and not _lives(volume["labels"].get(_PROCESS, ""))):
                self._engine.remove_volume(volume["name"])
        for folder in _left_folders():
            _remove_folder(folder)
        return told

    def check_disk(self, needed_bytes: int) -> None:
        """Refuse a volume that the engine's disk can't hold. Raises StateError."""
        folder = str(self._engine.about()[1].get("DockerRootDir") or "/")
        try:
            found = os.statvfs(folder)
        except OSError:
            # An engine in a machine of its own: its disk can't be seen from here.
            return
        free = found.f_bavail * found.f_frsize
        if free < needed_bytes:
            raise StateError(
                "The engine's disk has %s free, and this drill needs about %s."
                % (format_size(free), format_size(needed_bytes)),
                "Free some space there, or give drills more memory.",
            )

    @contextmanager
    def server(
        self, run: str, settings: Mapping[str, str], size_bytes: int, in_memory: bool, copies: str
    ) -> Iterator[ThrowawayPostgres]:
        """Yield a throwaway server that answers; whatever happens, nothing of it is left.

        Arguments:
            run: the name of the drill. settings: lines of its postgresql.conf.
            size_bytes: how large its data may get; in_memory: whether in memory, else in a volume.
            copies: a folder that it must see, for copies of directory format; empty for none.
        """
        labels = {LABEL: run, _PROCESS: _myself(), _NAMESPACE: _namespace()}
        volume = container = ""
        folder = _make_folder()
        try:
            labels[_FOLDER] = folder
            socket = os.path.join(folder, "socket")
            os.mkdir(socket)
            # The server's user is another one; nobody else gets through the folder around it.
            os.chmod(socket, 0o777)
            _write_settings(os.path.join(socket, "drill.conf"), settings)
            binds = ["%s:%s" % (socket, _SOCKET)] + (["%s:%s:ro" % (copies, _COPIES)] if copies else [])
            host: Dict[str, Any] = {"binds": binds, "shm_size": self._shm_size}
            data = _DATA
            if in_memory:
                host["tmpfs"] = {_DATA: "size=%d,mode=1777" % size_bytes}
            else:
                self.check_disk(size_bytes)
                volume, data = self._engine.make_volume(labels), self._own_folder
                binds.append("%s:%s" % (volume, data))
            argv = ["sh", "-c", _START, "bulkhead-drill", data, self._user, _SOCKET + "/drill.conf"]
            container = self._engine.start_server(
                self.image, argv, host, labels, {"PGHOST": _SOCKET, "PGPORT": "5432"}, "postgres"
            )
            endpoint = Endpoint(socket, 5432, self._user, "", "postgres", container)
            postgres = ThrowawayPostgres(endpoint, self._engine, "bulkhead/" + run)
            if copies:
                # They are their owner's alone, and even root has no rights but an owner's there.
                postgres.copies, postgres.client_user = copies, str(os.stat(copies).st_uid)
            try:
                self._wait(postgres, container)
                yield postgres
            finally:
                postgres.close()
        finally:
            if container:
                self._engine.remove_by_force(container)
            if volume:
                self._engine.remove_volume(volume)
            _remove_folder(folder)

    @contextmanager
    def clients(self, run: str, of: Postgres, network: str) -> Iterator[Postgres]:
        """Yield another server with this image's client programs: they run in a container of their own beside it.

        Arguments:
            run: as of ``server``. of: the server that they log in to.
            network: whose network they are in: ``container:<identifier>``, or ``host``.
        """
        labels = {LABEL: run, _PROCESS: _myself(), _NAMESPACE: _namespace()}
        host, port = ("127.0.0.1", 5432) if network != "host" else (of.endpoint.host, of.endpoint.port)
        container = self._engine.start_server(
            self.image, ["sleep", "infinity"], {}, labels, {"PGHOST": host, "PGPORT": str(port)}, "postgres", network
        )
        postgres = Postgres(replace(of.endpoint, container=container), self._engine, "bulkhead/" + run)
        try:
            yield postgres
        finally:
            postgres.close()
            self._engine.remove_by_force(container)

    def _wait(self, postgres: Postgres, container: str) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                postgres.connect().close()
                return
            except OutsideError as error:
                state = (self._engine.inspect_or_none(container) or {}).get("State") or {}
                if not state.get("Running"):
                    raise OutsideError(
                        "The throwaway server ended before it answered: %s."
                        % (self._engine.last_words(container).rstrip(".") or "it said nothing"),
                        "See whether its settings or preloaded libraries need something that only the live one has.",
                    ) from error
                if time.monotonic() > deadline:
                    raise OutsideError("The throwaway server didn't answer within %d s." % _READY_S) from error
                time.sleep(0.05)


def _make_folder() -> str:
    ticks = _started(os.getpid()).partition(" ")[0] or "0"
    prefix = "bulkhead-drill-%s-%d-%s-" % (_namespace(), os.getpid(), ticks)
    folder = tempfile.mkdtemp(prefix=prefix)
    if len(os.path.join(folder, "socket/.s.PGSQL.5432").encode("utf-8")) > _SOCKET_PATH_BYTES:
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix=prefix, dir="/tmp")  # noqa: S108 - made 0700, of a name of its own
    return folder


def _left_folders() -> Iterator[str]:
    """Yield our own folders whose process ended."""
    for root in sorted({tempfile.gettempdir(), "/tmp"}):  # noqa: S108 - where _make_folder makes them
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(root)):
                found = _FOLDER_NAME.fullmatch(entry.name)
                if found and entry.is_dir(follow_symlinks=False) and entry.stat().st_uid == os.geteuid():
                    foreign = found.group("namespace") != _namespace()
                    ticks = _started(int(found.group("number"))).partition(" ")[0]
                    if _is_old(entry.stat().st_mtime) if foreign else ticks != found.group("ticks"):
                        yield entry.path


def _remove_folder(folder: str) -> None:
    # A label names it: nothing else is ever removed by one.
    if os.path.basename(folder).startswith("bulkhead-drill-"):
        shutil.rmtree(folder, ignore_errors=True)


def _write_settings(path: str, settings: Mapping[str, str]) -> None:
    lines = ["%s = '%s'\n" % (name, value.replace("'", "''")) for name, value in settings.items()]
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as stream:
        stream.writelines([*lines, "unix_socket_directories = '%s'\n" % _SOCKET])


def _myself() -> str:
    return "%d %s" % (os.getpid(), _started(os.getpid()))


def _namespace() -> str:
    """Return the number of the namespace in which this process has its own (pid_namespaces(7)); 0 where none shows."""
    with contextlib.suppress(OSError):
        return re.sub(r"\D", "", os.readlink("/proc/self/ns/pid")) or "0"
    return "0"


def _is_old(made: float) -> bool:
    return made < time.time() - _FOREIGN_LIFE_S


def _lives(process: str) -> bool:
    """Whether a process that a label names lives still: its number may be another one's by now."""
    number, _space, started = process.partition(" ")
    return number.isdigit() and bool(started) and _started(int(number)) == started


def _started(number: int) -> str:
    """Return when a process was started, in ticks since the boot, and which boot (proc(5)); empty where it ended."""
    with contextlib.suppress(OSError, IndexError):
        with open("/proc/%d/stat" % number, encoding="ascii", errors="replace") as stream:
            ticks = stream.read().rpartition(")")[2].split()[19]
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return "%s %s" % (ticks, stream.read().strip())
    return ""


def available_memory() -> int:
    """Return how much memory could be had now, in bytes (``MemAvailable``); 0 where it isn't told."""
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/meminfo", encoding="ascii") as stream:
            for line in stream:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    return 0
