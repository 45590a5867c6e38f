"""pg_dump_rotate and pg_dump_info on a real server in a real container, with faults that come from outside.

Without a Docker engine or without the image these tests fail: a backup that was never tried is none.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import docker
import psycopg2
import pytest

from .conftest import eventually

ROOT = Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
LABELS = {"bulkhead.test": "true"}
PASSWORD = "only-for-this-test"
WAIT_SECONDS = 30.0
MODULES = "ansible_collections.bulkhead.stack.plugins.modules."

SETUP = """
CREATE TABLE archon_settings (id serial PRIMARY KEY, value text);
INSERT INTO archon_settings (value) SELECT 'setting ' || g FROM generate_series(1, 45) AS g;
CREATE TABLE "Odd ""Name" (a int);
CREATE SCHEMA other;
CREATE TABLE other.parent (id int) PARTITION BY LIST (id);
CREATE TABLE other.child PARTITION OF other.parent FOR VALUES IN (1, 2);
INSERT INTO other.parent VALUES (1), (2), (2);
CREATE TABLE guarded (id int);
INSERT INTO guarded VALUES (1), (2);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
CREATE VIEW seen AS SELECT * FROM archon_settings;
CREATE SEQUENCE other."Odd ""Sequence'";
CREATE TABLE other.archon_settings_id_seq (line text);
INSERT INTO other.archon_settings_id_seq
VALUES ('SELECT pg_catalog.setval(''public.archon_settings_id_seq'', 7, true);');
CREATE POLICY mine ON guarded TO PUBLIC USING (id = 1);
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER telling BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION told('a-key-of-a-webhook');
GRANT SELECT ON guarded TO PUBLIC;
ALTER DATABASE archon_db SET app.jwt_secret = 'a-key-that-signs';
"""
ROWS = {
    ("other", "archon_settings_id_seq"): 1,
    ("other", "child"): 3,
    ("public", 'Odd "Name'): 0,
    ("public", "archon_settings"): 45,
    ("public", "guarded"): 2,
}


class Server:
    """One container with a server, its port published on the loopback address."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.name = "bulkhead-test-" + uuid.uuid4().hex[:8]
        self._network = client.networks.create(self.name, labels=LABELS)
        try:
            self.container = client.containers.run(
                IMAGE,
                name=self.name,
                network=self.name,
                labels=LABELS,
                detach=True,
                environment={"POSTGRES_PASSWORD": PASSWORD},
                ports={"5432/tcp": ("127.0.0.1", None)},
            )
        except BaseException:
            self._network.remove()
            raise

    def close(self) -> None:
        self.container.remove(force=True, v=True)
        self._network.remove()

    def connect(self, database: str = "postgres") -> Any:
        self.container.reload()
        port = int(self.container.ports["5432/tcp"][0]["HostPort"])
        connection = psycopg2.connect(
            host="127.0.0.1", port=port, user="postgres", password=PASSWORD, dbname=database, connect_timeout=5
        )
        connection.autocommit = True
        return connection

    def sql(self, text: str, database: str = "postgres") -> list[Any]:
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def wait(self) -> None:
        eventually("the server answers", lambda: self.sql("SELECT 1"), WAIT_SECONDS)

    def dumping(self) -> bool:
        """Whether a pg_dump of ours is in the middle of a table's rows."""
        return bool(
            self.sql("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'bulkhead/%' AND query LIKE 'COPY %'")
        )

    def sessions(self) -> bool:
        return bool(self.sql("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'bulkhead/%'"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server(docker.from_env())
    try:
        found.wait()
        found.sql("CREATE DATABASE archon_db")
        found.sql(SETUP, "archon_db")
        found.sql("CREATE ROLE archon LOGIN PASSWORD 'only-for-this-test'")
        found.sql("CREATE DATABASE owned_db OWNER archon")
        found.sql("CREATE DATABASE large_db")
        # Random bytes can't be compressed: a dump as large as it is slow, of a size that is known.
        found.sql(
            """
            CREATE TABLE large (id int, data bytea);
            ALTER TABLE large ALTER data SET STORAGE EXTERNAL;
            INSERT INTO large SELECT g, b.data FROM generate_series(1, 4000) AS g, LATERAL
                (SELECT string_agg(sha512((random()::text || g || i)::bytea), '') AS data
                   FROM generate_series(1, 250) AS i) AS b;
            """,
            "large_db",
        )
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("import")
    namespace = folder / "ansible_collections" / "bulkhead"
    namespace.mkdir(parents=True)
    (namespace / "stack").symlink_to(ROOT)
    inherited = os.environ.get("PYTHONPATH")
    return dict(os.environ, PYTHONPATH=os.pathsep.join([str(folder)] + ([inherited] if inherited else [])))


class Modules:
    """Runs the modules as Ansible does: a process each, its options in a file."""

    def __init__(self, folder: Path, environment: dict[str, str], server: Server) -> None:
        self.folder = folder
        self.dest = folder / "backups" / "archon_db"
        self.path = os.environ["PATH"]
        self._environment = environment
        self._server = server

    def start(self, module: str, **options: Any) -> "subprocess.Popen[str]":
        arguments = self.folder / (uuid.uuid4().hex + ".json")
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
        return subprocess.Popen(
            [sys.executable, "-m", MODULES + module, str(arguments)],
            env=dict(self._environment, PATH=self.path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rotate_later(self, **options: Any) -> "subprocess.Popen[str]":
        wanted = {"container": self._server.name, "database": "archon_db", "dest": str(self.dest)}
        return self.start("pg_dump_rotate", **dict(wanted, **options))

    def rotate(self, **options: Any) -> dict[str, Any]:
        return result_of(self.rotate_later(**options))

    def fails(self, **options: Any) -> str:
        result = self.rotate(**options)
        assert result.get("failed"), result
        assert PASSWORD not in json.dumps(result)
        return str(result["msg"])

    def info(self, **options: Any) -> dict[str, Any]:
        return result_of(self.start("pg_dump_info", **dict({"folders": {"archon_db": str(self.dest)}}, **options)))

    def files(self) -> list[str]:
        return sorted(path.name for path in self.dest.iterdir() if not path.name.endswith((".lock", ".jsonl")))

    def log(self, database: str = "archon_db") -> list[dict[str, Any]]:
        lines = (self.dest / f"catalogue_{database}.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def result_of(process: "subprocess.Popen[str]") -> dict[str, Any]:
    stdout, stderr = process.communicate(timeout=WAIT_SECONDS)
    assert stdout, stderr
    assert "Traceback" not in stderr, stderr
    found: dict[str, Any] = json.loads(stdout)
    return found


@pytest.fixture
def modules(tmp_path: Path, environment: dict[str, str], server: Server) -> Modules:
    return Modules(tmp_path, environment, server)


def test_a_first_dump_is_verified_and_counts_what_it_holds(modules: Modules, server: Server) -> None:
    check = modules.rotate(_ansible_check_mode=True, clock="2026-11-23T02:00:00Z")
    assert not modules.dest.exists()
    result = modules.rotate(clock="2026-11-23T02:00:00Z", label="before-isolate", data_only_tables=["public.archon_*"])
    assert result["changed"]
    assert (check["changed"], check["diff"]) == (True, result["diff"])
    manifest = result["manifest"]
    assert {(table["schema"], table["name"]): table["rows"] for table in manifest["tables"]} == ROWS
    sequences = [
        [item[key] for key in ("name", "value", "is_called", "column_value")] for item in manifest["sequences"]
    ]
    assert sequences == [["Odd \"Sequence'", 1, False, None], ["archon_settings_id_seq", 45, True, 45]]
    assert {item["owner"] for item in manifest["sequences"]} == {"postgres"}
    assert [item["name"] for item in manifest["indexes"]] == ["archon_settings_pkey"]
    assert manifest["row_security"] == [{"schema": "public", "table": "guarded", "forced": True}]
    assert [(item["table"], item["name"]) for item in manifest["policies"]] == [("guarded", "mine")]
    assert [(item["table"], item["name"]) for item in manifest["triggers"]] == [("guarded", "telling")]
    assert [item["name"] for item in manifest["functions"]] == ["told"]
    assert [item["name"] for item in manifest["views"]] == ["seen"]
    assert [item["name"] for item in manifest["settings"]] == ["app.jwt_secret"]
    assert {"kind": "relation", "schema": "public", "name": "guarded"}.items() <= manifest["grants"][0].items()
    assert "=r/postgres" in manifest["grants"][0]["acl"]
    assert {table["owner"] for table in manifest["tables"]} == {"postgres"}
    assert "a-key-" not in json.dumps(result)
    assert manifest["verified"]["level"] == "read"
    assert manifest["label"] == "before-isolate"
    assert manifest == json.loads(Path(result["manifest_path"]).read_bytes())
    stem = "backup_archon_db_20261123_020000"
    suffix = ".dump.zst" if manifest["compression"] == "zstd_wrapped" else ".dump"
    wanted = [suffix, ".globals.sql", ".manifest.json", ".reference" + suffix]
    assert modules.files() == sorted(stem + part for part in wanted)
    assert result["dump"] == str(modules.dest / (stem + suffix))
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in modules.dest.iterdir())
    assert stat.S_IMODE(modules.dest.stat().st_mode) == 0o700
    assert "CREATE ROLE archon" in (modules.dest / (stem + ".globals.sql")).read_text()
    assert PASSWORD not in json.dumps(result)
    assert not server.sessions()


def test_the_stock_tools_restore_it(modules: Modules, server: Server) -> None:
    result = modules.rotate()
    server.sql("CREATE DATABASE restored")
    try:
        command = result["manifest"]["restore"].replace("--dbname=DATABASE", "--username=postgres --dbname=restored")
        file = result["manifest"]["file"]
        copied = subprocess.run(["docker", "cp", result["dump"], "%s:/tmp/%s" % (server.name, file)], check=True)
        assert copied.returncode == 0
        argv = ["docker", "exec", "-w", "/tmp", server.name, "sh", "-c", command]
        subprocess.run(argv, check=True)
        assert server.sql("SELECT count(*) FROM archon_settings", "restored") == [(45,)]
        assert server.sql("SELECT nextval('public.archon_settings_id_seq')", "restored") == [(46,)]
    finally:
        server.sql("DROP DATABASE restored")


def test_a_second_run_changes_nothing_and_asks_no_engine(modules: Modules) -> None:
    options = {"schedule": "0 2 * * *", "retention": {"last": 2}}
    assert modules.rotate(clock="2026-11-23T09:00:00Z", **options)["changed"]
    before = modules.files()
    for check_mode in (True, False):
        again = modules.rotate(
            clock="2026-11-24T01:59:59Z", docker_host="unix:///nonexistent", _ansible_check_mode=check_mode, **options
        )
        assert (again["changed"], again["due"], again["dump"]) == (False, False, None)
        assert again["next_due"] == "2026-11-24T02:00:00Z"
    assert modules.files() == before


def test_rotation_keeps_and_prunes_whole_sets(modules: Modules) -> None:
    options: dict[str, Any] = {"schedule": "@daily", "retention": {"keep": 2}}
    for day in (20, 21, 22):
        modules.rotate(clock="2026-11-%dT00:00:00Z" % day, **options)
    foreign = modules.dest / "backup_archon_db_x_20200101_000000.dump"
    foreign.write_bytes(b"another database's")
    before = modules.files()
    check = modules.rotate(clock="2026-11-23T00:00:00Z", _ansible_check_mode=True, **options)
    assert modules.files() == before
    result = modules.rotate(clock="2026-11-23T00:00:00Z", **options)
    assert (check["diff"], check["pruned"]) == (result["diff"], result["pruned"])
    assert [Path(path).name[:32] for path in result["pruned"]] == ["backup_archon_db_20261121_000000"]
    stems = {name.split(".")[0] for name in modules.files()}
    assert stems == {"backup_archon_db_20261122_000000", "backup_archon_db_20261123_000000", foreign.stem}
    assert foreign.read_bytes() == b"another database's"
    assert not [name for name in modules.files() if "20261121" in name]


def test_a_truncated_copy_counts_for_nothing(modules: Modules) -> None:
    options: dict[str, Any] = {"schedule": "@daily", "retention": {"last": 1}}
    first = modules.rotate(clock="2026-11-21T00:00:00Z", **dict(options, retention={}))
    second = modules.rotate(clock="2026-11-22T00:00:00Z", **dict(options, retention={}))
    with open(second["dump"], "r+b") as stream:
        stream.truncate(second["manifest"]["size_bytes"] - 7)
    info = modules.info(clock="2026-11-22T06:00:00Z", rpo={"archon_db": "24h"}, schedules={"archon_db": "@daily"})
    assert [copy["verified"] for copy in info["copies"]] == [False, True]
    assert "its manifest says" in info["copies"][0]["problem"]
    assert info["newest_verified"]["archon_db"]["path"] == first["dump"]
    assert info["rpo_met"] == {"archon_db": False}
    assert info["gaps"]["archon_db"] == [{"from": "2026-11-21T00:00:00Z", "to": None, "seconds": 108000}]
    assert info["findings"] == {"archon_db": []}
    assert "RECOVERY POINT OBJECTIVE MISSED" in "\n".join(info["table"])
    later = modules.info(clock="2026-11-22T07:00:00Z", rpo={"archon_db": "24h"}, schedules={"archon_db": "@daily"})
    # What changes with the hour alone isn't in the listing.
    assert (later["listing"], later["table"] == info["table"]) == (info["listing"], False)
    assert info["due"]["archon_db"]["due"]
    result = modules.rotate(clock="2026-11-22T06:00:00Z", _ansible_check_mode=True, **options)
    assert result["due"]
    # The dump that is due will be the one to keep; the cut-off one is neither counted nor removed.
    assert result["pruned"] == [first["dump"]]
    assert any("its manifest says" in copy["reason"] for copy in result["kept"])


def test_a_copy_that_was_changed_or_put_there_counts_for_nothing_and_stays(modules: Modules) -> None:
    first = modules.rotate(clock="2026-11-21T00:00:00Z")
    foreign = modules.folder / "elsewhere"
    modules.dest, here = foreign, modules.dest
    other = modules.rotate(clock="2026-11-22T00:00:00Z")
    modules.dest = here
    for path in foreign.glob("backup_*"):
        path.rename(here / path.name)
    manifest = Path(first["manifest_path"])
    manifest.write_text(manifest.read_text().replace('"read"', '"hashed"'))
    copies = modules.info(clock="2026-11-22T06:00:00Z")["copies"]
    assert [copy["verified"] for copy in copies] == [False, False]
    assert "isn't in this catalogue's log" in copies[0]["problem"]
    assert "was changed after it was written" in copies[1]["problem"]
    late = {"retention": {"last": 1, "unverified": "1d"}, "clock": "2026-12-22T00:00:00Z"}
    assert modules.rotate(**late)["pruned"] == [first["dump"]]
    assert (here / Path(other["dump"]).name).exists()


def test_a_much_smaller_dump_holds_the_retention_until_someone_looked(modules: Modules, server: Server) -> None:
    server.sql("CREATE DATABASE shrinking")
    options: dict[str, Any] = {"database": "shrinking", "schedule": "@daily", "retention": {"last": 1}}
    try:
        server.sql("CREATE TABLE t AS SELECT sha512(g::text::bytea) AS h FROM generate_series(1, 2000) g", "shrinking")
        first = modules.rotate(clock="2026-11-20T00:00:00Z", **options)
        server.sql("DELETE FROM t", "shrinking")
        second = modules.rotate(clock="2026-11-21T00:00:00Z", **options)
        assert second["pruned"] == []
        assert Path(first["dump"]).name in second["hold"]
        assert "until somebody acknowledges" in json.dumps(second["warnings"])
        third = modules.rotate(clock="2026-11-22T00:00:00Z", **options)
        assert (third["pruned"], len(third["kept"])) == ([], 3)
        check = modules.rotate(clock="2026-11-22T06:00:00Z", acknowledge=True, _ansible_check_mode=True, **options)
        last = modules.rotate(clock="2026-11-22T06:00:00Z", acknowledge=True, **options)
        assert (check["pruned"], check["diff"]) == (last["pruned"], last["diff"])
        assert last["pruned"] == [first["dump"], second["dump"]]
        assert last["hold"] is None
        # Compressed in another way sizes say nothing, and the rows do.
        server.sql("INSERT INTO t SELECT sha512(g::text::bytea) FROM generate_series(1, 2000) g", "shrinking")
        modules.rotate(clock="2026-11-23T00:00:00Z", **options)
        server.sql("DELETE FROM t", "shrinking")
        # Acknowledged is what was, not what comes.
        again = modules.rotate(clock="2026-11-24T00:00:00Z", acknowledge=True, compression="gzip", **options)
        assert "has 0 rows, and" in again["hold"]
        assert again["pruned"] == []
        twice = modules.rotate(clock="2026-11-24T06:00:00Z", acknowledge=True, **options)
        assert len(twice["pruned"]) == 1
        events = [line["event"] for line in modules.log("shrinking")]
        assert events[:6] == ["dumped", "dumped", "held", "dumped", "acknowledged", "pruned"]
        assert events[6:] == ["dumped", "pruned", "dumped", "held", "acknowledged", "pruned"]
    finally:
        server.sql("DROP DATABASE shrinking")


def test_bits_that_flipped_are_found(modules: Modules) -> None:
    older = modules.rotate(clock="2026-11-21T00:00:00Z")
    newer = modules.rotate(clock="2026-11-22T00:00:00Z")
    with open(newer["dump"], "r+b") as stream:
        stream.seek(newer["manifest"]["size_bytes"] // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 4]))
    at = "2026-11-22T06:00:00Z"
    assert modules.info(clock=at)["newest_verified"]["archon_db"]["path"] == newer["dump"]
    for checksums in ("newest", "all"):
        found = modules.info(clock=at, checksums=checksums)
        assert found["newest_verified"]["archon_db"]["path"] == older["dump"]
        assert found["copies"][0]["problem"] == "its bytes aren't those that were written"


def test_a_clock_that_was_set_back(modules: Modules) -> None:
    options: dict[str, Any] = {"schedule": "@daily", "retention": {"last": 1}}
    ahead = modules.rotate(clock="2027-11-22T00:00:00Z", **options)
    result = modules.rotate(clock="2026-11-22T00:00:00Z", **options)
    assert (result["due"], result["pruned"]) == (True, [])
    assert "was the clock set back?" in json.dumps(result["warnings"])
    assert any("dated in the future" in copy["reason"] for copy in result["kept"])
    assert Path(ahead["dump"]).exists()


def test_two_runs_at_once(modules: Modules) -> None:
    modules.rotate(verify="hashed")
    before = modules.files()
    with open(modules.dest / ".backup_archon_db.lock", "r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "Another run is at work" in modules.fails()
    assert modules.files() == before


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compressions(modules: Modules, compression: str) -> None:
    result = modules.rotate(compression=compression, globals=False)
    assert result["manifest"]["verified"]["level"] == "read"
    assert result["manifest"]["globals"] is None
    assert "no service could log in" in modules.info()["findings"]["archon_db"][0]


def new_identity(folder: Path) -> tuple[Path, str]:
    """Make a key; return its file and its public key."""
    identity = folder / "identity"
    subprocess.run(["age-keygen", "-o", str(identity)], check=True, capture_output=True)
    shown = subprocess.run(["age-keygen", "-y", str(identity)], check=True, stdout=subprocess.PIPE, text=True)
    return identity, shown.stdout.strip()


def test_copies_are_encrypted_after_they_were_read(modules: Modules, server: Server) -> None:
    identity, public = new_identity(modules.folder)
    result = modules.rotate(encrypt_to=[public], data_only_tables=["public.archon_*"])
    manifest = result["manifest"]
    assert (manifest["verified"]["level"], manifest["encryption"]["recipients"]) == ("read", [public])
    assert [name for name in modules.files() if not name.endswith((".age", ".manifest.json"))] == []
    assert len(modules.files()) == 4
    for path in modules.dest.glob("*.age"):
        assert path.read_bytes().startswith(b"age-encryption.org/v1")
    assert hashlib.sha256(Path(result["dump"]).read_bytes()).hexdigest() == manifest["sha256"]
    # The manifest's own command, with the stock tools: what is decrypted here goes on in the container.
    decrypt, *rest = manifest["restore"].split(" | ")
    plain = subprocess.run(
        decrypt.replace("IDENTITY", str(identity)).split(), cwd=modules.dest, check=True, stdout=subprocess.PIPE
    ).stdout
    assert hashlib.sha256(plain).hexdigest() == manifest["encryption"]["plain_sha256"]
    server.sql("CREATE DATABASE decrypted")
    try:
        command = " | ".join(rest).replace("--dbname=DATABASE", "--username=postgres --dbname=decrypted")
        subprocess.run(["docker", "exec", "-i", server.name, "sh", "-c", command], input=plain, check=True)
        assert server.sql("SELECT count(*) FROM archon_settings", "decrypted") == [(45,)]
    finally:
        server.sql("DROP DATABASE decrypted")
    info = modules.info(checksums="all")
    assert (info["copies"][0]["how"], info["orphans"], info["findings"]) == (
        "read",
        {"archon_db": []},
        {"archon_db": []},
    )
    again = modules.rotate(encrypt_to=[public], retention={"last": 1})
    assert again["pruned"] == [result["dump"]]
    assert len(modules.files()) == 3


def test_what_can_not_be_encrypted_is_not_begun(modules: Modules) -> None:
    identity, public = new_identity(modules.folder)
    assert "is no public key that age knows" in modules.fails(encrypt_to=[public, "age1nonsense"])
    assert "is no public key" in modules.fails(encrypt_to=["--output=/etc/passwd"])
    secret = identity.read_text().splitlines()[-1]
    message = modules.fails(encrypt_to=[secret])
    assert ("is a secret key" in message, secret in message) == (True, False)
    empty = modules.folder / "bin"
    empty.mkdir()
    modules.path = str(empty)
    assert "Install it (Debian: age)" in modules.fails(encrypt_to=[public])
    assert modules.files() == []


# What the user got wrong.


def test_bad_options(modules: Modules, tmp_path: Path) -> None:
    a_file = tmp_path / "a file"
    a_file.write_text("")
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    elsewhere = tmp_path / "link"
    elsewhere.symlink_to(tmp_path)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"dest": str(a_file)}, "isn't a folder"),
        ({"dest": str(dangling)}, "isn't a folder"),
        ({"dest": str(elsewhere)}, "is a link to %s" % tmp_path),
        ({"mount": str(tmp_path)}, "isn't mounted"),
        ({"mount": "/proc"}, "lies on another device than /proc"),
        ({"shrink_ratio": 1.5}, "shrink_ratio is 1.5"),
        ({"retention": {"keep": 0}}, "that would keep nothing"),
        ({"database": "../archon_db"}, "can't be part of a file name"),
        ({"schedule": "0 25 * * *"}, "in the field for the hour"),
        ({"timezone": "Europe/Berlim"}, "There is no time zone"),
        ({"clock": "yesterday"}, "is no moment"),
        ({"lock_timeout": "soon"}, "is no duration"),
    ]
    started = [(modules.rotate_later(**options), message) for options, message in cases]
    for process, message in started:
        assert message in result_of(process)["msg"]
    assert not modules.dest.exists()


def test_wrong_connections(modules: Modules, server: Server) -> None:
    assert "Give the right login_password" in modules.fails(login_password="wrong")
    assert "Create the database first" in modules.fails(database="archon_bd")
    assert "Did you mean %s?" % server.name in modules.fails(container=server.name + "x")
    assert "no matching tables" in modules.fails(data_only_tables=["public.nothing_*"])
    assert "may not read" in modules.fails(login_user="archon", login_password=PASSWORD)
    message = modules.fails(login_user="archon", login_password=PASSWORD, database="owned_db")
    assert "leave the roles out with globals=false" in message
    assert modules.files() == []
    assert not server.sessions()


# Faults from outside.


def test_a_locked_table_is_a_timeout_and_no_hang(modules: Modules, server: Server) -> None:
    holder = server.connect("archon_db")
    try:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE archon_settings IN ACCESS EXCLUSIVE MODE")
        assert "timeout" in modules.fails(lock_timeout="1s")
    finally:
        holder.close()
    assert modules.files() == []
    assert not server.sessions()


def test_nobody_waits_for_a_view_that_was_looked_at(modules: Modules, server: Server) -> None:
    server.sql("CREATE DATABASE views")
    server.sql("CREATE TABLE held (a int); CREATE MATERIALIZED VIEW seen AS SELECT 1 AS a", "views")
    holder = server.connect("views")
    try:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        process = modules.rotate_later(database="views")
        # pg_dump and the count wait for that table, after the module has looked at the view.
        waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'bulkhead/%' AND wait_event_type = 'Lock'"
        eventually("somebody waits", lambda: server.sql(waiting), WAIT_SECONDS)
        # Whoever had to wait for us here would keep pg_dump waiting behind it, and us for pg_dump: for good.
        server.sql("SET lock_timeout = '5s'; REFRESH MATERIALIZED VIEW seen", "views")
    finally:
        holder.close()
    assert result_of(process)["changed"]
    server.sql("DROP DATABASE views")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "bulkhead-test", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(modules: Modules, server: Server) -> None:
    large = {"database": "large_db", "verify": "hashed", "globals": False}
    with small_disk(modules.dest, "20m"):
        assert "Nothing was begun" in modules.fails(**large)
        assert modules.files() == []
    modules.dest = modules.folder / "larger"
    with small_disk(modules.dest, "46m"):
        # Half of the database's size would fit, its rows, which can't be compressed, don't.
        assert "no space left on device" in modules.fails(**large)
        assert modules.files() == []
        eventually("the server is rid of our pg_dump", lambda: not server.sessions(), WAIT_SECONDS)
        assert modules.rotate(verify="hashed")["changed"]


def test_a_killed_module_is_cleaned_up_after(modules: Modules, server: Server) -> None:
    process = modules.rotate_later(database="large_db")
    eventually("pg_dump copies rows", server.dumping, WAIT_SECONDS)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=WAIT_SECONDS)
    assert any(name.endswith(".partial") for name in modules.files())
    result = modules.rotate(database="large_db", verify="hashed")
    assert result["changed"]
    assert {name.split(".")[0] for name in modules.files()} == {Path(result["dump"]).name.split(".")[0]}
    eventually("the server is rid of both runs", lambda: not server.sessions(), WAIT_SECONDS)


def test_a_killed_server_leaves_the_good_copies_and_nothing_else(modules: Modules, server: Server) -> None:
    good = modules.rotate(database="large_db", clock="2026-11-22T00:00:00Z")
    before = modules.files()
    process = modules.rotate_later(
        database="large_db", verify="hashed", retention={"within": "1h"}, clock="2026-11-23T00:00:00Z"
    )
    eventually("pg_dump copies rows", server.dumping, WAIT_SECONDS)
    server.container.kill()
    result = result_of(process)
    assert result.get("failed"), result
    assert "failed" in result["msg"]
    assert modules.files() == before
    assert "isn't running" in modules.fails(database="large_db")
    server.container.start()
    server.wait()
    assert modules.log("large_db")[-1]["event"] == "failed"
    # Due or not: after a failure nothing goes before a dump succeeded.
    waiting = modules.rotate(
        database="large_db", schedule="@yearly", retention={"within": "1h"}, clock="2026-11-23T00:00:00Z"
    )
    assert (waiting["changed"], len(waiting["kept"])) == (False, 1)
    assert waiting["last_failure"]
    after = modules.rotate(database="large_db", retention={"last": 1})
    assert after["pruned"] == [good["dump"]]


def test_a_server_that_restarts_in_mid_dump(modules: Modules, server: Server) -> None:
    process = modules.rotate_later(database="large_db")
    eventually("pg_dump copies rows", server.dumping, WAIT_SECONDS)
    server.container.restart(timeout=0)
    assert result_of(process).get("failed")
    assert modules.files() == []
    server.wait()
    assert [line["event"] for line in modules.log("large_db")] == ["failed"]
    assert modules.rotate(database="large_db", verify="hashed")["changed"]


def test_another_container_that_restarts_is_nothing_to_it(modules: Modules, server: Server) -> None:
    neighbour = Server(docker.from_env())
    try:
        neighbour.wait()
        process = modules.rotate_later(database="large_db")
        eventually("pg_dump copies rows", server.dumping, WAIT_SECONDS)
        neighbour.container.restart(timeout=0)
        result = result_of(process)
        assert result["manifest"]["verified"]["level"] == "read", result
    finally:
        neighbour.close()


def test_rows_are_counted_in_the_dumps_own_snapshot(modules: Modules, server: Server) -> None:
    server.sql("CREATE DATABASE busy")
    server.sql("CREATE TABLE t (id serial PRIMARY KEY, v text)", "busy")
    server.sql("INSERT INTO t (v) SELECT repeat('x', 200) FROM generate_series(1, 50000)", "busy")
    over = threading.Event()
    written: list[int] = []

    def write() -> None:
        connection = server.connect("busy")
        with connection.cursor() as cursor:
            while not over.is_set():
                cursor.execute("INSERT INTO t (v) SELECT 'new' FROM generate_series(1, 50) RETURNING id")
                written.append(cursor.fetchall()[-1][0])
                cursor.execute("DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY random() LIMIT 7)")
        connection.close()

    writers = [threading.Thread(target=write) for _number in range(2)]
    for writer in writers:
        writer.start()
    try:
        eventually("rows are written", lambda: len(written) > 4, WAIT_SECONDS)
        before = len(written)
        result = modules.rotate(database="busy")
        during = len(written) - before
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert during > 0
    server.sql("CREATE DATABASE restored_busy")
    try:
        with open(result["dump"], "rb") as stream:
            restore = "zstd -dc | pg_restore -U postgres --exit-on-error -d restored_busy"
            if not result["dump"].endswith(".zst"):
                restore = restore.partition("| ")[2]
            subprocess.run(["docker", "exec", "-i", server.name, "sh", "-c", restore], stdin=stream, check=True)
        rows = {table["name"]: table["rows"] for table in result["manifest"]["tables"]}
        assert server.sql("SELECT count(*) FROM t", "restored_busy") == [(rows["t"],)]
        value = server.sql("SELECT last_value FROM t_id_seq", "restored_busy")[0][0]
        assert result["manifest"]["sequences"][0]["value"] == value
        # Sequences follow no snapshot: it is at least where the newest row that was dumped had it.
        assert value >= server.sql("SELECT max(id) FROM t", "restored_busy")[0][0]
    finally:
        server.sql("DROP DATABASE restored_busy")
        server.sql("DROP DATABASE busy")


def multiply(modules: Modules, count: int) -> list[str]:
    """Make so many older copies of the one that is there, an hour apart, each in the log; return their stems."""
    manifest_path = next(modules.dest.glob("*.manifest.json"))
    manifest = json.loads(manifest_path.read_bytes())
    stem = manifest_path.name[: -len(".manifest.json")]
    others = [path for path in modules.dest.glob(stem + ".*") if path != manifest_path]
    moment = datetime.fromisoformat(manifest["taken_at"].rstrip("Z"))
    stems = []
    with open(modules.dest / "catalogue_archon_db.jsonl", "a") as log:
        for number in range(1, count + 1):
            taken = moment - timedelta(hours=number)
            made = taken.strftime("backup_archon_db_%Y%m%d_%H%M%S")
            for path in others:
                os.link(path, modules.dest / path.name.replace(stem, made))
            changed = dict(manifest, file=manifest["file"].replace(stem, made), taken_at=taken.isoformat() + "Z")
            content = (json.dumps(changed, indent=1, sort_keys=True) + "\n").encode()
            (modules.dest / (made + ".manifest.json")).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            entry = {"event": "dumped", "stem": made, "manifest_sha256": digest, "at": changed["taken_at"]}
            log.write(json.dumps(entry) + "\n")
            stems.append(made)
    return stems


def test_killed_in_mid_prune(modules: Modules) -> None:
    newest = modules.rotate(clock="2026-11-22T00:00:00Z")
    stems = multiply(modules, 2000)
    options: dict[str, Any] = {"schedule": "@daily", "retention": {"last": 10}, "clock": "2026-11-22T06:00:00Z"}
    check = modules.rotate(_ansible_check_mode=True, **options)
    assert len(check["pruned"]) == 1991
    process = modules.rotate_later(**options)
    there = 3 * 2001
    eventually("some are gone", lambda: len(os.listdir(modules.dest)) < there, WAIT_SECONDS)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=WAIT_SECONDS)
    left = len(modules.files())
    assert left > 3 * 10, "it was killed too late to show anything"
    result = modules.rotate(**options)
    assert {name.split(".")[0] for name in modules.files()} == {Path(newest["dump"]).name.split(".")[0], *stems[:9]}
    assert len(modules.files()) == 3 * 10
    assert result["changed"] or result["due"] is False
    info = modules.info(clock="2026-11-22T06:00:00Z")
    assert (len(info["copies"]), info["orphans"]) == (10, {"archon_db": []})
