# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one copy: dump under a hidden name, count in the same snapshot, sync, verify, then rename.

The manifest gets its name last: a dump without one was never finished.
"""

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from .._core.errors import BulkheadError, OutsideError, StateError, VerificationError
from .._core.sessions import CLIENT_KEEPALIVES
from .._core.sql import Sql
from .._core.text import format_size, iso_utc
from .catalogue import ENCRYPTED_SUFFIX, GLOBALS_SUFFIX, MANIFEST_SUFFIX, Copy, partial_name
from .compression import Compression, Tools, choose_compression, probe_tools
from .directory import DirectoryDump, find_place
from .inventory import list_objects
from .log import DUMPED, record
from .manifest import CUSTOM, DIRECTORY, FORMAT_VERSION, manifest_bytes, restore_command
from .ports import Encryptor, Folder, Server, Tell, ignore
from .snapshot import Snapshot, count_rows, database_facts, open_snapshot, sample_rows
from .verify import HashedFile, first_lines, verify_archive, verify_directory

_RESERVE_BYTES = 8 * 1024 * 1024
# The stages that run beside another one aren't told of.
_SHOWN = ("dump", "reference", "sync", "verify", "encrypt", "prune", "check", "restore", "compare")

# Every stage reports its own status on a descriptor of its own: dash has no pipefail.
_DUMP_WRAPPED = r"""
exec 3>&1
failed=$(
  {
    { "$@" 3>&- 4>&- || echo "pg_dump=$?" >&4; } |
    { zstd -q $BULKHEAD_ZSTD -c >&3 4>&- || echo "zstd=$?" >&4; }
  } 4>&1
)
[ -z "$failed" ] || { echo "failed stages: $failed" >&2; exit 1; }
"""

_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class DumpRequest:
    """One copy to be made; jobs: how many dump it in directory format, by default one for each core of the server's."""

    database: str
    stem: str
    taken_at: datetime
    run: str
    compression: str = "auto"
    verify: str = "read"
    with_globals: bool = True
    data_only_tables: Tuple[str, ...] = ()
    label: str = ""
    lock_timeout_s: int = 60
    encryptor: Optional[Encryptor] = None
    format: str = CUSTOM
    jobs: Optional[int] = None


@dataclass
class Stopwatch:
    """Seconds by stage; whoever listens hears of each."""

    tell: Tell = ignore
    seconds: Dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        start = time.monotonic()
        if name in _SHOWN:
            self.tell({"doing": name})
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)


class _HashingSink:
    """Takes a program's output into a file and its hash."""

    def __init__(self, folder: Folder, final_name: str, tell: Tell = ignore, expected_bytes: int = 0) -> None:
        self.final_name = final_name
        self.name = name = partial_name(final_name)
        self.size_bytes = 0
        self._hash = hashlib.sha256()
        self._writer = folder.create(name)
        self._tell = tell
        self._expected_bytes = expected_bytes
        self._began = time.monotonic()

    def __call__(self, data: bytes) -> None:
        self._writer.write(data)
        self._hash.update(data)
        self.size_bytes += len(data)
        if self._tell is not ignore:
            report = {"doing": "dump", "bytes_done": self.size_bytes, "bytes_total": self._expected_bytes}
            self._tell(dict(report, seconds=round(time.monotonic() - self._began, 1)))

    def finish(self) -> None:
        self._writer.finish()

    def close(self) -> None:
        self._writer.close()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


# A file of a copy in the making, or the folder that its dump is.
_Part = Union[_HashingSink, DirectoryDump]


class Cluster:
    """What is the same for all databases of a cluster in one run: asked for once, by whoever comes first."""

    def __init__(self) -> None:
        self._tools_lock, self._globals_lock = threading.Lock(), threading.Lock()
        self._tools: Optional[Tools] = None
        self._globals: Optional[bytes] = None

    def tools(self, ask: Callable[[], Tools]) -> Tools:
        """Return what the server's side offers."""
        with self._tools_lock:
            if self._tools is None:
                self._tools = ask()
            return self._tools

    def globals(self, dump: Callable[[], bytes]) -> bytes:
        """Return the roles as SQL; where they can't be dumped the next one tries again."""
        with self._globals_lock:
            if self._globals is None:
                self._globals = dump()
            return self._globals


def application_name(run: str) -> str:
    """Return the name under which a run's sessions show in pg_stat_activity."""
    return "bulkhead/" + run


def end_sessions(server: Server, run: str) -> None:
    """End what a run left working in the server, as far as we may: killed, its pg_dump lives on in the container."""
    try:
        server.rows(Sql(_END_SESSIONS, values=(application_name(run),)))
    except OutsideError:
        # The server itself may be gone; then so are the sessions.
        return


def connection_text(database: str) -> str:
    """Return a client program's conninfo text for a database, with when to give a server up that is gone.

    A bare name with an equals sign would itself be read as one.
    """
    quoted = database.replace("\\", "\\\\").replace("'", "\\'")
    return " ".join(["dbname='%s'" % quoted, *("%s=%d" % item for item in CLIENT_KEEPALIVES.items())])


def check_space(folder: Folder, facts: Dict[str, Any], last: Optional[Copy], times: int = 1) -> None:
    """Refuse a dump that can't fit.

    Arguments:
        times: how many times it lies there for a moment: one that is encrypted twice.
        last: the newest good copy: its size, grown as the database grew. Without one, half of the database's size
            (what isn't dumped, the indexes, and compression take most databases below that).

    Raises:
        StateError: the folder's file system has less than is needed.
    """
    size_now = int(facts["database_size_bytes"])
    if last is not None and last.manifest is not None:
        size_then = int(last.manifest.get("database_size_bytes") or size_now) or 1
        needed, source = int(last.size_bytes * 1.1 * max(1.0, size_now / size_then)), "the last copy's size"
    else:
        needed, source = size_now // 2, "the database's size"
    needed *= times
    free = folder.free_bytes()
    if free < needed + _RESERVE_BYTES:
        raise StateError(
            "Folder %s has %s free, and this dump needs about %s (by %s). Nothing was begun."
            % (folder.path, format_size(free), format_size(needed + _RESERVE_BYTES), source),
            "Free some space there, or name another folder.",
        )


def make_copy(
    server: Server, folder: Folder, request: DumpRequest, last: Optional[Copy], watch: Stopwatch, cluster: Cluster
) -> Tuple[Dict[str, Any], List[str]]:
    """Make one copy; return its manifest and the names of its files, the dump first.

    Arguments:
        last: the newest good copy. cluster: what other databases of this run know already.

    Raises:
        BulkheadError: it could not be made or isn't good; nothing of it is left.
    """
    started = time.monotonic()
    if request.encryptor is not None:
        request.encryptor.check()
    work = _Work(server, folder, request, watch, cluster, last)
    try:
        manifest = work.make(started)
    except BaseException:
        work.undo()
        raise
    return manifest, work.names


class _Work:
    """One copy in the making."""

    def __init__(
        self,
        server: Server,
        folder: Folder,
        request: DumpRequest,
        watch: Stopwatch,
        cluster: Cluster,
        last: Optional[Copy],
    ) -> None:
        self.names: List[str] = []
        self._server = server
        self._folder = folder
        self._request = request
        self._watch = watch
        self._cluster = cluster
        self._last = last
        self._sinks: List[_Part] = []
        self._renamed: List[str] = []

    def make(self, started: float) -> Dict[str, Any]:
        request = self._request
        with ExitStack() as stack:
            with self._watch.stage("look"), ThreadPoolExecutor(1, "probe") as pool:
                probing = pool.submit(self._cluster.tools, lambda: probe_tools(self._server))
                transaction = stack.enter_context(self._server.transaction(request.database, "REPEATABLE READ", True))
                facts = database_facts(transaction)
                check_space(self._folder, facts, self._last, 1 if request.encryptor is None else 2)
                tools = probing.result()
                jobs = (request.jobs or tools.cores) if request.format == DIRECTORY else 0
                place = find_place(self._server, self._folder, request.stem, request.run) if jobs else ""
            with self._watch.stage("snapshot"):
                snapshot = open_snapshot(transaction, request.lock_timeout_s)
                objects = list_objects(transaction, request.stem)
                sample = partial(sample_rows, transaction)
                compression = choose_compression(request.compression, tools, sample, request.format)
                streamed = choose_compression(request.compression, tools, sample) if jobs else compression
            dump = self._part(request.stem + compression.suffix, place)
            globals_sink = self._sink(request.stem + GLOBALS_SUFFIX) if request.with_globals else None
            reference_sink = (
                self._sink(request.stem + ".reference" + streamed.suffix) if request.data_only_tables else None
            )

            def beside() -> List[Dict[str, Any]]:
                with self._watch.stage("counts"):
                    counted = count_rows(transaction)
                if globals_sink is not None:
                    with self._watch.stage("globals"):
                        self._dump_globals(globals_sink)
                return counted

            with self._watch.stage("dump"):
                tables = self._together(lambda: self._dump(snapshot, dump, compression, jobs), beside)
            if reference_sink is not None:
                with self._watch.stage("reference"):
                    patterns = ["--table=" + pattern for pattern in request.data_only_tables]
                    self._dump(snapshot, reference_sink, streamed, 0, ["--data-only"] + patterns)
        with self._watch.stage("sync"):
            for sink in self._sinks:
                sink.finish()
        with self._watch.stage("verify"):
            objects["sequences"] = self._verify(dump, compression, objects["sequences"])
            if reference_sink is not None:
                self._verify(reference_sink, streamed, [])
        plain = dump
        if request.encryptor is not None:
            with self._watch.stage("encrypt"):
                dump = self._encrypt(dump)
                globals_sink = self._encrypt(globals_sink) if globals_sink else None
                reference_sink = self._encrypt(reference_sink) if reference_sink else None
        duration_s = time.monotonic() - started
        manifest: Dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "database": request.database,
            "file": dump.final_name,
            "format": request.format,
            "compression": compression.name,
            "compressed_by": compression.by,
            "restore": restore_command(dump.final_name, compression.name, request.encryptor is not None, jobs),
            "taken_at": iso_utc(request.taken_at),
            "snapshot_at": snapshot.at,
            "wal_position": snapshot.wal_position,
            "cluster": {
                "system_identifier": facts["system_identifier"],
                "server_version": facts["server_version"],
                "server_version_num": facts["server_version_num"],
            },
            "client_version": tools.client_version,
            "owner": facts["owner"],
            "encoding": facts["encoding"],
            "lc_collate": facts["lc_collate"],
            "lc_ctype": facts["lc_ctype"],
            "database_size_bytes": facts["database_size_bytes"],
            "size_bytes": dump.size_bytes,
            "sha256": dump.sha256,
            "tables": tables,
            **objects,
            "encryption": _encryption_facts(request.encryptor, plain),
            "globals": _file_facts(globals_sink),
            "reference": _file_facts(reference_sink),
            "label": request.label or None,
            "verified": {"level": request.verify, "at": iso_utc(request.taken_at + timedelta(seconds=duration_s))},
            "duration_s": round(duration_s, 3),
        }
        if isinstance(dump, DirectoryDump):
            manifest.update(files=dump.files, jobs=jobs)
        if request.data_only_tables:
            manifest["reference"]["tables"] = list(request.data_only_tables)
        self._publish(manifest)
        return manifest

    def _verify(
        self, archive: _Part, compression: Compression, sequences: List[Dict[str, Any]]
    ) -> List[Dict[str, Any]]:
        """Verify an archive; return the sequences as it sets them."""
        folder, server, level = self._folder, self._server, self._request.verify
        if isinstance(archive, DirectoryDump):
            return verify_directory(folder, archive.name, archive.path, archive.sha256, level, server, sequences)
        return verify_archive(folder, archive.name, archive.sha256, level, compression.wrapped, server, sequences)

    def _encrypt(self, plain: _Part) -> _HashingSink:
        """Encrypt a file that was verified; the plain one is removed."""
        sink = self._sink(plain.final_name + ENCRYPTED_SUFFIX)
        if self._request.encryptor is not None:
            self._request.encryptor.encrypt(self._folder.chunks(plain.name), sink)
        sink.finish()
        if HashedFile(self._folder, sink.name).hexdigest() != sink.sha256:
            raise VerificationError("%s isn't on the disk what was written." % sink.final_name)
        self._folder.remove(plain.name)
        self.names.remove(plain.final_name)
        self._sinks.remove(plain)
        return sink

    def undo(self) -> None:
        """Leave nothing of a copy that failed."""
        end_sessions(self._server, self._request.run)
        for sink in self._sinks:
            sink.close()
        for name in [sink.name for sink in self._sinks] + self._renamed:
            self._folder.remove(name)

    def _part(self, name: str, place: str) -> _Part:
        """Begin the dump itself: a file, or where the server's programs see our folder a folder in it."""
        if not place:
            return self._sink(name, self._watch.tell, self._last.size_bytes if self._last else 0)
        dump = DirectoryDump(self._folder, name, place)
        self.names.append(name)
        self._sinks.append(dump)
        return dump

    def _sink(self, name: str, tell: Tell = ignore, expected_bytes: int = 0) -> _HashingSink:
        sink = _HashingSink(self._folder, name, tell, expected_bytes)
        self.names.append(name)
        self._sinks.append(sink)
        return sink

    def _publish(self, manifest: Dict[str, Any]) -> None:
        with self._watch.stage("sync"):
            request, folder = self._request, self._folder
            sink = self._sink(request.stem + MANIFEST_SUFFIX)
            sink(manifest_bytes(manifest))
            sink.finish()
            for name in self.names:
                if name == self.names[-1]:
                    # Before the manifest has its name: a copy that counts is in the log, whatever happens here.
                    record(
                        folder,
                        request.database,
                        DUMPED,
                        request.taken_at,
                        stem=request.stem,
                        manifest_sha256=sink.sha256,
                        size_bytes=manifest["size_bytes"],
                        duration_s=manifest["duration_s"],
                    )
                self._renamed.append(name)
                folder.rename(partial_name(name), name)
            folder.sync()

    def _dump(
        self, snapshot: Snapshot, archive: _Part, compression: Compression, jobs: int, more: Sequence[str] = ()
    ) -> None:
        argv = [
            "pg_dump",
            "--format=" + compression.format,
            compression.argument,
            "--snapshot=" + snapshot.name,
            "--lock-wait-timeout=%ds" % self._request.lock_timeout_s,
            "--no-password",
            "--dbname=" + connection_text(self._request.database),
        ] + list(more)
        what = "pg_dump of database %s" % self._request.database
        if isinstance(archive, DirectoryDump):
            self._client(what, archive.command(argv, jobs), lambda _word: None)
            return
        if compression.wrapped:
            script = _DUMP_WRAPPED.replace("$BULKHEAD_ZSTD", compression.zstd)
            argv = ["sh", "-c", script, "bulkhead-dump"] + argv
        self._client(what, argv, archive)

    def _dump_globals(self, sink: _HashingSink) -> None:
        sink(self._cluster.globals(self._read_globals))

    def _read_globals(self) -> bytes:
        argv = ["pg_dumpall", "--globals-only", "--no-password"]
        argv.append("--database=" + self._server.maintenance_database)
        chunks: List[bytes] = []
        self._client("pg_dumpall of the roles", argv, chunks.append)
        return b"".join(chunks)

    def _client(self, what: str, argv: Sequence[str], sink: Callable[[bytes], Any]) -> None:
        came: List[bool] = []

        def pass_on(data: bytes) -> None:
            if not came:
                came.append(True)
            sink(data)

        found = self._server.run_client(argv, sink=pass_on)
        if found.rc == 0 and came:
            return
        said = first_lines(found.stderr)
        if not found.stderr.strip():
            said = "it said nothing; was its container stopped?"
        remedy = None
        if "permission denied" in found.stderr and "pg_authid" in found.stderr:
            remedy = "Use a superuser (Supabase's is supabase_admin), or leave the roles out with globals=false."
        elif "lock timeout" in found.stderr or "statement timeout" in found.stderr:
            remedy = "Something holds a table locked: see pg_locks, or raise lock_timeout."
        elif "could not obtain lock" in found.stderr:
            remedy = (
                "Somebody waits to change that table, so no second job may read it: run this again, or with one job."
            )
        elif "too many clients" in found.stderr or "remaining connection slots" in found.stderr:
            remedy = "Each job takes a connection: lower dump_jobs, or raise max_connections."
        elif "version mismatch" in found.stderr:
            remedy = "Use the server's own pg_dump: name its container."
        raise OutsideError(
            "%s failed with exit status %d: %s. Nothing of it was kept, and no copy was removed."
            % (what, found.rc, said),
            remedy,
        )

    def _together(self, dump: Callable[[], None], beside: Callable[[], List[Dict[str, Any]]]) -> List[Dict[str, Any]]:
        """Run the dump in a thread of its own and the rest here; where one fails, the other is ended."""
        failed: List[str] = []

        def guarded(name: str, work: Callable[[], Any]) -> Any:
            try:
                return work()
            except BaseException:
                failed.append(name)
                end_sessions(self._server, self._request.run)
                raise

        with ThreadPoolExecutor(1, "dump") as pool:
            dumping = pool.submit(guarded, "dump", dump)
            try:
                found: List[Dict[str, Any]] = guarded("beside", beside)
            except BulkheadError:
                if failed[0] == "dump":
                    # What failed first is the cause; the rest failed because its session was ended.
                    dumping.result()
                raise
            dumping.result()
        return found


def _file_facts(sink: Optional[_HashingSink]) -> Any:
    return None if sink is None else {"file": sink.final_name, "size_bytes": sink.size_bytes, "sha256": sink.sha256}


def _encryption_facts(encryptor: Optional[Encryptor], plain: _Part) -> Any:
    if encryptor is None:
        return None
    facts = {"method": "age", "recipients": list(encryptor.recipients)}
    return dict(facts, plain_size_bytes=plain.size_bytes, plain_sha256=plain.sha256)
