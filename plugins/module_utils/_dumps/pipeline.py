# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one copy: dump under a hidden name, count in the same snapshot, sync, verify, then rename.

The manifest gets its name last: a dump without one was never finished.
"""

import hashlib
import re
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from .._core.errors import BulkheadError, OutsideError, StateError, VerificationError
from .._core.sql import Sql
from .._core.text import format_size, iso_utc
from .catalogue import ENCRYPTED_SUFFIX, GLOBALS_SUFFIX, MANIFEST_SUFFIX, Copy, partial_name
from .inventory import list_objects
from .log import DUMPED, record
from .manifest import FORMAT_VERSION, manifest_bytes, restore_command
from .ports import Encryptor, Folder, Server, Tell, ignore
from .snapshot import Snapshot, count_rows, database_facts, open_snapshot, sample_rows
from .verify import HashedFile, first_lines, verify_archive

_RESERVE_BYTES = 8 * 1024 * 1024
# The stages that run beside another one aren't told of.
_SHOWN = ("dump", "reference", "sync", "verify", "encrypt", "prune")

# pg_dump names an unknown or left-out method before it looks for a server; else it can't reach this one.
_PROBE = r"""
pg_dump --version || exit 1
if command -v zstd >/dev/null 2>&1; then echo zstd-program; fi
case $(pg_dump --format=custom --compress=zstd --host=/nonexistent --file=/dev/null 2>&1) in
  *"connection to server"*) echo zstd-built-in ;;
esac
exit 0
"""

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

_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Compression:
    """How an archive is compressed, always before it leaves the server's side."""

    name: str
    suffix: str
    argument: str
    zstd: str = ""

    @property
    def wrapped(self) -> bool:
        """Whether the program zstd compresses what pg_dump writes."""
        return bool(self.zstd)

    @property
    def by(self) -> str:
        """Return the options that decide how small a dump gets."""
        return "pg_dump %s%s" % (self.argument, " | zstd %s" % self.zstd if self.zstd else "")


@dataclass(frozen=True)
class Tools:
    """What the server's side offers."""

    client_version: str
    zstd_program: bool
    zstd_built_in: bool


@dataclass(frozen=True)
class DumpRequest:
    """One copy to be made."""

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


def probe_tools(server: Server) -> Tools:
    """Ask the server's side for its pg_dump and its zstd."""
    found = server.run_client(["sh", "-c", _PROBE], connect=False)
    said = found.stdout.decode("utf-8", "replace").splitlines()
    if found.rc != 0 or not said:
        raise StateError(
            "There is no pg_dump beside the server: %s." % first_lines(found.stderr),
            "Dumps are made by the server's own pg_dump; use an image that has it.",
        )
    version = re.search(r"\d+(?:\.\d+|\w+)?", said[0])
    return Tools(version.group(0) if version else said[0], "zstd-program" in said, "zstd-built-in" in said)


def choose_compression(wanted: str, tools: Tools, sample: Callable[[], bytes]) -> Compression:
    """Return the quickest compression that this server's side has.

    Arguments:
        sample: returns rows of the kind that is to be dumped; asked only where it matters.

    Raises:
        StateError: zstd is demanded and isn't there.
    """
    if wanted in ("auto", "zstd"):
        if tools.zstd_built_in:
            # Level 2 is both quicker and smaller than 3 on embeddings, for the reason given at _DUMP_WRAPPED.
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


def connection_text(database: str) -> str:
    """Return a conninfo text for a database: a bare name with an equals sign would itself be read as one."""
    return "dbname='%s'" % database.replace("\\", "\\\\").replace("'", "\\'")


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
        self._compression = Compression("none", "", "")
        self._watch = watch
        self._cluster = cluster
        self._last = last
        self._sinks: List[_HashingSink] = []
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
            with self._watch.stage("snapshot"):
                snapshot = open_snapshot(transaction, request.lock_timeout_s)
                objects = list_objects(transaction, request.stem)
                compression = self._compression = choose_compression(
                    request.compression, tools, lambda: sample_rows(transaction)
                )
            dump_sink = self._sink(
                request.stem + compression.suffix, self._watch.tell, self._last.size_bytes if self._last else 0
            )
            globals_sink = self._sink(request.stem + GLOBALS_SUFFIX) if request.with_globals else None
            reference_sink = (
                self._sink(request.stem + ".reference" + compression.suffix) if request.data_only_tables else None
            )

            def beside() -> List[Dict[str, Any]]:
                with self._watch.stage("counts"):
                    counted = count_rows(transaction)
                if globals_sink is not None:
                    with self._watch.stage("globals"):
                        self._dump_globals(globals_sink)
                return counted

            with self._watch.stage("dump"):
                tables = self._together(lambda: self._dump(snapshot, dump_sink, []), beside)
            if reference_sink is not None:
                with self._watch.stage("reference"):
                    patterns = ["--table=" + pattern for pattern in request.data_only_tables]
                    self._dump(snapshot, reference_sink, ["--data-only"] + patterns)
        with self._watch.stage("sync"):
            for sink in self._sinks:
                sink.finish()
        objects["sequences"] = self._verify([dump_sink] + ([reference_sink] if reference_sink else []), objects)
        plain = dump_sink
        if request.encryptor is not None:
            with self._watch.stage("encrypt"):
                dump_sink = self._encrypt(dump_sink)
                globals_sink = self._encrypt(globals_sink) if globals_sink else None
                reference_sink = self._encrypt(reference_sink) if reference_sink else None
        duration_s = time.monotonic() - started
        manifest: Dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "database": request.database,
            "file": dump_sink.final_name,
            "format": "custom",
            "compression": compression.name,
            "compressed_by": compression.by,
            "restore": restore_command(dump_sink.final_name, compression.name, request.encryptor is not None),
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
            "size_bytes": dump_sink.size_bytes,
            "sha256": dump_sink.sha256,
            "tables": tables,
            **objects,
            "encryption": _encryption_facts(request.encryptor, plain),
            "globals": _file_facts(globals_sink),
            "reference": _file_facts(reference_sink),
            "label": request.label or None,
            "verified": {"level": request.verify, "at": iso_utc(request.taken_at + timedelta(seconds=duration_s))},
            "duration_s": round(duration_s, 3),
        }
        if request.data_only_tables:
            manifest["reference"]["tables"] = list(request.data_only_tables)
        self._publish(manifest)
        return manifest

    def _verify(self, archives: List[_HashingSink], objects: Dict[str, Any]) -> List[Dict[str, Any]]:
        """Verify the archives; return the sequences as the first one sets them."""
        told: List[Dict[str, Any]] = []
        with self._watch.stage("verify"):
            for archive in archives:
                wanted = objects["sequences"] if archive is archives[0] else []
                told += verify_archive(
                    self._folder,
                    archive.name,
                    archive.sha256,
                    self._request.verify,
                    self._compression.wrapped,
                    self._server,
                    wanted,
                )
        return told

    def _encrypt(self, plain: _HashingSink) -> _HashingSink:
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

    def _dump(self, snapshot: Snapshot, sink: _HashingSink, more: Sequence[str]) -> None:
        argv = [
            "pg_dump",
            "--format=custom",
            self._compression.argument,
            "--snapshot=" + snapshot.name,
            "--lock-wait-timeout=%ds" % self._request.lock_timeout_s,
            "--no-password",
            "--dbname=" + connection_text(self._request.database),
        ] + list(more)
        if self._compression.wrapped:
            script = _DUMP_WRAPPED.replace("$BULKHEAD_ZSTD", self._compression.zstd)
            argv = ["sh", "-c", script, "bulkhead-dump"] + argv
        self._client("pg_dump of database %s" % self._request.database, argv, sink)

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


def _encryption_facts(encryptor: Optional[Encryptor], plain: _HashingSink) -> Any:
    if encryptor is None:
        return None
    facts = {"method": "age", "recipients": list(encryptor.recipients)}
    return dict(facts, plain_size_bytes=plain.size_bytes, plain_sha256=plain.sha256)
