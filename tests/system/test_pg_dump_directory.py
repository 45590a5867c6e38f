"""Dumps in directory format: written by parallel jobs of a server in a container that sees the folder of the copies."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import eventually

IMAGE = os.environ.get("BULKHEAD_POSTGRES17_IMAGE", "bulkhead/postgres:17")
MODULES = "ansible_collections.bulkhead.stack.plugins.modules."
WAIT_SECONDS = 30.0

SETUP = """
CREATE TABLE archon_settings (id serial PRIMARY KEY, value text);
INSERT INTO archon_settings (value) SELECT 'setting ' || g FROM generate_series(1, 45) AS g;
CREATE TABLE "Odd ""Näme" (a int);
CREATE SCHEMA other;
CREATE TABLE other.pages AS SELECT g AS id, sha512(g::text::bytea) AS hash FROM generate_series(1, 2000) AS g;
CREATE TABLE other.archon_settings_id_seq (line text);
INSERT INTO other.archon_settings_id_seq
VALUES ('SELECT pg_catalog.setval(''public.archon_settings_id_seq'', 7, true);');
SELECT lo_from_bytea(0, 'a large object');
"""
# Random bytes can't be compressed, and gzip takes its time to find that out.
LARGE = """
CREATE TABLE large (id int, data bytea);
ALTER TABLE large ALTER data SET STORAGE EXTERNAL;
INSERT INTO large SELECT g, b.data FROM generate_series(1, 2500) AS g, LATERAL
    (SELECT string_agg(sha512((random()::text || g || i)::bytea), '') AS data
       FROM generate_series(1, 250) AS i) AS b;
"""
CONTENT = """
SELECT (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM archon_settings t),
       (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM other.pages t), (SELECT count(*) FROM "Odd ""Näme")
"""


class Host:
    """This host with a server in a container, which sees two of its folders: one of them read-only."""

    def __init__(self, folder: Path, start_server: Any, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment, PYTHONPATH=environment["ANSIBLE_COLLECTIONS_PATH"])
        for name in ("backups", "read-only"):
            (folder / name).mkdir(mode=0o700)
        mounts = ("-v", "%s:/backups" % (folder / "backups"), "-v", "%s:/read-only:ro" % (folder / "read-only"))
        # On the loopback address a server that is gone refuses at once.
        self.server = start_server(IMAGE, "--publish", "127.0.0.1::5432", *mounts)
        for database, text in (("archon_db", SETUP), ("large_db", LARGE)):
            self.server.sql("postgres", "CREATE DATABASE " + database)
            self.server.sql(database, text)

    def start(self, module: str, prefix: tuple[str, ...] = (), **options: Any) -> "subprocess.Popen[str]":
        arguments = self.folder / (uuid.uuid4().hex + ".json")
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
        command = [*prefix, sys.executable, "-m", MODULES + module, str(arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def sessions(self, query: str = "%") -> bool:
        found = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'bulkhead/%%' AND query LIKE '%s'" % query
        return bool(self.server.sql("postgres", found))


class Copies:
    """The copies of one test, in a folder of its own that the server sees."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.name = uuid.uuid4().hex[:8]
        self.dest = host.folder / "backups" / self.name

    def rotate_later(self, prefix: tuple[str, ...] = (), **options: Any) -> "subprocess.Popen[str]":
        wanted = {"container": self.host.server.name, "database": "archon_db", "format": "directory"}
        return self.host.start("pg_dump_rotate", prefix, **dict(wanted, dest=str(self.dest), **options))

    def rotate(self, **options: Any) -> dict[str, Any]:
        return result_of(self.rotate_later(**options))

    def info(self, **options: Any) -> dict[str, Any]:
        return result_of(self.host.start("pg_dump_info", folders={"archon_db": str(self.dest)}, **options))

    def files(self) -> list[str]:
        return sorted(path.name for path in self.dest.iterdir() if not path.name.endswith((".lock", ".jsonl")))


def result_of(process: "subprocess.Popen[str]") -> dict[str, Any]:
    stdout, stderr = process.communicate(timeout=WAIT_SECONDS)
    assert stdout, stderr
    assert "Traceback" not in stderr, stderr
    found: dict[str, Any] = json.loads(stdout)
    return found


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, start_server: Any, environment: dict[str, str]) -> Host:
    return Host(tmp_path_factory.mktemp("directory"), start_server, environment)


@pytest.fixture
def copies(host: Host) -> Copies:
    return Copies(host)


def test_parallel_jobs_dump_what_one_would(copies: Copies) -> None:
    server = copies.host.server
    check = copies.rotate(_ansible_check_mode=True, clock="2026-11-23T02:00:00Z")
    assert not copies.dest.exists()
    result = copies.rotate(clock="2026-11-23T02:00:00Z", data_only_tables=["public.archon_*"])
    assert (check["changed"], check["diff"]) == (True, result["diff"])
    manifest = result["manifest"]
    stem = "backup_archon_db_20261123_020000"
    assert copies.files() == [
        stem + ".dump.dir",
        stem + ".globals.sql",
        stem + ".manifest.json",
        stem + ".reference.dump",
    ]
    dump = copies.dest / (stem + ".dump.dir")
    assert (result["dump"], manifest["file"], manifest["format"]) == (str(dump), dump.name, "directory")
    assert manifest == json.loads(Path(result["manifest_path"]).read_bytes())
    cores = subprocess.run(["docker", "exec", server.name, "nproc"], check=True, stdout=subprocess.PIPE, text=True)
    assert manifest["jobs"] == int(cores.stdout)
    assert (manifest["compression"], manifest["verified"]["level"]) == ("zstd", "read")
    assert stat.S_IMODE(dump.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in dump.iterdir()} == {0o600}
    there = sorted((path.name, path.stat().st_size, sha256_of(path)) for path in dump.iterdir())
    assert [(file["name"], file["size_bytes"], file["sha256"]) for file in manifest["files"]] == there
    assert len([name for name, _size, _hash in there if name.endswith(".dat.zst")]) >= 4
    assert manifest["size_bytes"] == sum(size for _name, size, _hash in there)
    script = "LC_ALL=C sha256sum * | sha256sum"
    printed = subprocess.run(["sh", "-c", script], cwd=dump, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert printed.split()[0] == manifest["sha256"]
    assert {table["name"]: table["rows"] for table in manifest["tables"]} == {
        "archon_settings": 45,
        'Odd "Näme': 0,
        "pages": 2000,
        "archon_settings_id_seq": 1,
    }
    assert [(item["name"], item["value"]) for item in manifest["sequences"]] == [("archon_settings_id_seq", 45)]
    assert not copies.host.sessions()
    # The manifest's own command, with the stock tools.
    server.sql("postgres", "CREATE DATABASE restored")
    command = manifest["restore"].replace("--dbname=DATABASE", "--username=postgres --dbname=restored")
    argv = ["docker", "exec", "-w", "/backups/" + copies.name, server.name, "sh", "-c", command]
    assert "--jobs=%d " % manifest["jobs"] in command
    subprocess.run(argv, check=True)
    assert server.sql("restored", CONTENT) == server.sql("archon_db", CONTENT)
    assert server.sql("restored", "SELECT convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata") == (
        "a large object"
    )
    assert server.sql("restored", "SELECT nextval('archon_settings_id_seq')") == "46"


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_bits_that_flipped_in_one_file_are_found(copies: Copies) -> None:
    older = copies.rotate(clock="2026-11-21T00:00:00Z", dump_jobs=1, verify="hashed")
    newer = copies.rotate(clock="2026-11-22T00:00:00Z", dump_jobs=3, compression="gzip", globals=False)
    assert [found["manifest"]["verified"]["level"] for found in (older, newer)] == ["hashed", "read"]
    assert [found["manifest"]["jobs"] for found in (older, newer)] == [1, 3]
    assert older["manifest"]["sequences"] == newer["manifest"]["sequences"]
    assert newer["manifest"]["compression"] == "gzip"
    at: dict[str, Any] = {"clock": "2026-11-22T06:00:00Z", "verify": "hashed"}
    whole = copies.info(checksums="all", **at)
    assert [copy["problem"] for copy in whole["copies"]] == [None, None]
    assert whole["copies"][0]["size_bytes"] == newer["manifest"]["size_bytes"]
    largest = max(Path(newer["dump"]).iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 4
    largest.write_bytes(content)
    assert copies.info(**at)["newest_verified"]["archon_db"]["path"] == newer["dump"]
    found = copies.info(checksums="newest", **at)
    assert found["copies"][0]["problem"] == "its bytes aren't those that were written"
    assert found["newest_verified"]["archon_db"]["path"] == older["dump"]
    # Neither does a copy count that somebody has put something into.
    (Path(older["dump"]) / "notes").symlink_to("/etc/hostname")
    found = copies.info(**at)
    assert found["copies"][1]["problem"] == "it isn't a folder of regular files alone"


def test_the_retention_removes_folders_whole(copies: Copies) -> None:
    options: dict[str, Any] = {"schedule": "@daily", "retention": {"last": 1}}
    first = copies.rotate(clock="2026-11-21T00:00:00Z", **options)
    again = copies.rotate(clock="2026-11-21T09:00:00Z", docker_host="unix:///nonexistent", **options)
    assert (again["changed"], again["dump"]) == (False, None)
    check = copies.rotate(clock="2026-11-22T00:00:00Z", _ansible_check_mode=True, **options)
    second = copies.rotate(clock="2026-11-22T00:00:00Z", **options)
    assert check["pruned"] == second["pruned"] == [first["dump"]]
    assert {name.split(".")[0] for name in copies.files()} == {"backup_archon_db_20261122_000000"}
    # The next one in custom format: one takes the other's place.
    third = copies.rotate(clock="2026-11-23T00:00:00Z", format="custom", **options)
    assert (third["pruned"], third["hold"]) == ([second["dump"]], None)
    assert [name for name in copies.files() if ".dir" in name] == []


# What can't be.


def test_what_can_not_be_asked_for_is_refused_before_anything(copies: Copies) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"dump_jobs": 0}, "dump_jobs is 0"),
        ({"dump_jobs": 2, "format": "custom"}, "Say format=directory"),
        ({"encrypt_to": ["age1x"]}, "Use format=custom"),
        ({"format": "tar"}, "must be one of"),
    ]
    started = [(copies.rotate_later(**options), message) for options, message in cases]
    for process, message in started:
        assert message in result_of(process)["msg"]
    assert not copies.dest.exists()


@pytest.fixture
def late_disk(copies: Copies) -> Iterator[Path]:
    """Mount a disk below the folder that the server sees, which sees the empty folder instead."""
    folder = copies.host.folder / "backups" / ("late-" + copies.name)
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "bulkhead-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        assert list(folder.iterdir()) == []


def test_a_folder_that_the_server_does_not_see(copies: Copies, late_disk: Path) -> None:
    host = copies.host
    cases = [
        (host.folder / "elsewhere", "container %s sees %s (as /backups)" % (host.server.name, host.folder / "backups")),
        (host.folder / "read-only" / "archon_db", "Read-only file system"),
        (late_disk, "start it anew"),
    ]
    started = []
    for copies.dest, message in cases:
        started.append((copies.rotate_later(), copies.dest, message))
    for process, copies.dest, message in started:
        result = result_of(process)
        assert result.get("failed"), result
        assert (message in result["msg"], "format=custom" in result["msg"]) == (True, True), result["msg"]
        assert copies.files() == []
    # It needs no mount.
    assert copies.rotate(format="custom", verify="hashed", globals=False)["changed"]


def test_a_container_of_another_user(copies: Copies, start_server: Any) -> None:
    copies.dest = copies.host.folder / "of-another"
    copies.dest.mkdir(mode=0o700)
    server = start_server(IMAGE, "--user", "postgres", "-v", "%s:/backups" % copies.dest)
    options = {"container": server.name, "database": "postgres", "clock": "2026-11-23T02:00:00Z"}
    assert "give the folder to that user" in copies.rotate(**options)["msg"]
    copies.dest.chmod(0o777)
    # As it is for somebody who isn't root.
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    assert "can't be read by this user" in result_of(copies.rotate_later(prefix, **options))["msg"]
    assert copies.files() == []
    found = copies.rotate(**options)
    assert found["manifest"]["verified"]["level"] == "read", found
    assert Path(found["dump"]).stat().st_uid != 0


# Faults from outside.


def in_the_middle(copies: Copies) -> Callable[[], bool]:
    """Return whether pg_dump copies rows into its hidden folder."""
    return lambda: bool(list(copies.dest.glob(".*.dump.dir.partial/*.gz"))) and copies.host.sessions("COPY %large%")


def test_a_killed_server_leaves_nothing(copies: Copies) -> None:
    host = copies.host
    options = {"database": "large_db", "compression": "gzip", "globals": False}
    process = copies.rotate_later(**options)
    eventually("pg_dump copies rows", in_the_middle(copies), WAIT_SECONDS)
    subprocess.run(["docker", "kill", host.server.name], check=True, stdout=subprocess.PIPE)
    result = result_of(process)
    assert result.get("failed"), result
    assert copies.files() == []
    subprocess.run(["docker", "start", host.server.name], check=True, stdout=subprocess.PIPE)
    host.server.wait()
    after = copies.rotate(**options)
    assert after["manifest"]["verified"]["level"] == "read", after
    assert {name.split(".")[0] for name in copies.files()} == {Path(after["dump"]).name.split(".")[0]}


def test_a_killed_module_is_cleaned_up_after(copies: Copies) -> None:
    process = copies.rotate_later(database="large_db", compression="gzip", globals=False)
    eventually("pg_dump copies rows", in_the_middle(copies), WAIT_SECONDS)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=WAIT_SECONDS)
    assert [name for name in copies.files() if not name.endswith(".partial")] == []
    # Its pg_dump lives on in the container, and is still writing.
    after = copies.rotate(database="large_db", verify="hashed", compression="none")
    assert after["manifest"]["format"] == "directory", after
    eventually("the server is rid of both runs", lambda: not copies.host.sessions(), WAIT_SECONDS)
    assert {name.split(".")[0] for name in copies.files()} == {Path(after["dump"]).name.split(".")[0]}
    assert [line["event"] for line in read_log(copies)] == ["failed", "dumped"]


def read_log(copies: Copies) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (copies.dest / "catalogue_large_db.jsonl").read_text().splitlines()]


def test_it_is_drilled_and_restored_in_place(copies: Copies) -> None:
    server = copies.host.server
    copies.rotate()
    before = server.sql("archon_db", CONTENT)
    options = {"container": server.name, "databases": [{"key": "archon_db", "folder": str(copies.dest)}]}
    drill = result_of(copies.host.start("pg_restore_verify", **options))
    assert not drill.get("failed"), drill
    assert drill["verdicts"]["archon_db"]["passed"]
    server.sql("archon_db", "TRUNCATE archon_settings")
    wanted = {
        "container": server.name,
        "database": "archon_db",
        "folder": str(copies.dest),
        "level": "drilled",
        "jobs": 2,
    }
    restored = result_of(copies.host.start("pg_restore_database", **wanted))
    assert not restored.get("failed"), restored
    assert (restored["jobs"], server.sql("archon_db", CONTENT)) == (2, before)
    server.sql("postgres", f'DROP DATABASE "{restored["aside"]}"')
