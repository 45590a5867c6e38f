# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit against a real server, real containers and real copies: every planted fault is found, and nothing else.

The tests run in their order on one host: a clean one, on which nothing is found; then each fault is planted, and shown
to be there by a question of the test's own; then the audit has to name exactly these.
"""

import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._audit.report import report

from .conftest import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = "ansible_collections.bulkhead.stack.plugins.modules"
IMAGE = os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15")
AUDITOR = "only-to-look"
COMPOSE = """services:
  archon-server:
    image: archon
    environment:
      DATABASE_URL: postgres://archon:${ARCHON_PASSWORD}@db:5432/archon_db
      POSTGRES_PASSWORD_FILE: /run/secrets/archon
      OPENAI_API_KEY: ${OPENAI_API_KEY:-}
      MAX_TOKENS: "4096"
"""
ROLES = """
CREATE ROLE archon LOGIN PASSWORD 'pw'; CREATE ROLE authenticator LOGIN PASSWORD 'pw';
CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'pw'; CREATE ROLE n8n LOGIN PASSWORD 'pw';
CREATE ROLE auditor LOGIN PASSWORD 'only-to-look' IN ROLE pg_monitor;
ALTER ROLE auditor SET default_transaction_read_only = on;
GRANT SELECT ON pg_hba_file_rules TO auditor; GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO auditor;
CREATE SCHEMA auth; CREATE TABLE auth.users (id int);
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'far.example', dbname 'archon_db');
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
"""
# Whatever a role could write, anywhere in the database that it is asked in.
WRITABLE = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_toast' AND has_schema_privilege(n.oid, 'USAGE')
   AND c.oid <> 'pg_settings'::regclass
   AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
UNION ALL SELECT nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'CREATE')
UNION ALL SELECT datname FROM pg_database WHERE has_database_privilege(oid, 'CREATE')
UNION ALL SELECT rolname FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole OR rolcreatedb)
UNION ALL SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('pg_write_all_data', 'pg_write_server_files',
  'pg_execute_server_program') AND pg_has_role(r.oid, 'MEMBER')
"""


def docker(*arguments: str) -> str:
    """Run a docker command; return its output."""
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Fine(http.server.BaseHTTPRequestHandler):
    """A program that is well."""

    def do_GET(self) -> None:
        """Say so."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing else."""


class Host:
    """A host with one server, its services' containers, their files and copies."""

    def __init__(self, server: Any, folder: pathlib.Path, environment: dict[str, str]) -> None:
        self.server = server
        self.folder = folder
        self.environment = environment
        self.mark = uuid.uuid4().hex[:8]
        self.containers: list[str] = []
        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fine)
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.web.server_address[1]}/health"
        self.address = server.address()
        self.backups = folder / "backups"
        self.state = folder / "state"

    def name(self, short: str) -> str:
        """Return the name of a container of this test's."""
        return f"bulkhead-test-{self.mark}-{short}"

    def container(self, short: str, command: str, *options: str) -> str:
        """Start a container in place of an older one of that name."""
        name = self.name(short)
        if name in self.containers:
            docker("rm", "-f", "-v", name)
        else:
            self.containers.append(name)
        docker(
            "run", "-d", "--name", name, "--label", "bulkhead.test=true", "--entrypoint", "bash", *options, IMAGE,
            "-c", command,
        )  # fmt: skip
        return name

    def client(self, short: str, database: str, user: str, application: str, *options: str) -> str:
        """Start a container that is connected to a database, and return once it is."""
        command = f"exec psql -h {self.address} -U {user} -d {database} -c 'SELECT pg_sleep(3600)'"
        variables = ["-e", "PGPASSWORD=pw", "-e", f"PGAPPNAME={application}"]
        name = self.container(short, command, *variables, *options)
        sessions = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND usename = '{user}'"
        eventually(short, lambda: self.sql(sessions + f" AND application_name = '{application}'") != "0")
        return name

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run SQL as the server's superuser."""
        said: str = self.server.sql(database, statement)
        return said

    def module(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a module as Ansible would; return its result, failed or not."""
        path = self.folder / "arguments.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        variables = dict(self.environment, PYTHONPATH=self.environment["ANSIBLE_COLLECTIONS_PATH"])
        done = subprocess.run(
            [sys.executable, "-m", f"{MODULES}.{name}", str(path)],
            env=variables, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout.strip(), done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def dump(self, key: str, database: str, **options: Any) -> dict[str, Any]:
        """Take a copy as the phase backup does."""
        dest = str(self.backups / key)
        return self.module("pg_dump_rotate", container=self.server.name, database=database, dest=dest, **options)

    def newest(self, key: str) -> pathlib.Path:
        """Return the newest dump of a database."""
        return max((self.backups / key).glob("backup_*.dump*"))

    def drill(self, key: str, passed: bool, seconds: float) -> pathlib.Path:
        """Write the verdict of a drill of the newest copy, as a drill does."""
        stem = self.newest(key).name.partition(".dump")[0]
        manifest = (self.backups / key / f"{stem}.manifest.json").read_bytes()
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        verdict = {"format_version": 1, "passed": passed, "at": at, "seconds": seconds}
        verdict["manifest_sha256"] = hashlib.sha256(manifest).hexdigest()
        path = self.backups / key / f"{stem}.drill_{time.strftime('%Y%m%d_%H%M%S', time.gmtime())}.json"
        path.write_text(json.dumps(verdict))
        return path

    def platform(self) -> dict[str, Any]:
        """Return the description of the clean host."""
        backup = {"schedule": "0 2 * * *"}
        return {
            "state_dir": str(self.state),
            "backup_root": str(self.backups),
            "clusters": {
                "main": {"container": self.server.name, "superuser": "auditor", "password": AUDITOR},
            },
            "databases": {
                "postgres": {"cluster": "main", "criticality": "critical", "rpo": "24h", "rto": "1h", "backup": backup},
                "archon_db": {
                    "cluster": "main", "owner": "archon", "extensions": ["pgcrypto"], "rpo": "24h", "rto": "15m",
                    "backup": backup,
                },
            },
            "services": {
                "archon-server": {
                    "profile": "archon", "container": self.name("archon"), "database": "archon_db",
                    "compose_file": str(self.folder / "archon" / "docker-compose.yml"), "postgrest": "archon",
                    "reaches_host": True, "health_url": self.url,
                },
            },
            "postgrest": {
                "archon": {
                    "compose_file": str(self.folder / "archon" / "docker-compose.yml"), "service": "rest",
                    "container": self.name("rest"), "database": "archon_db",
                },
            },
            "neighbours": {"qdrant": {"url": self.url, "required": True}},
        }  # fmt: skip

    def audit(self, platform: dict[str, Any], **cluster: Any) -> dict[str, Any]:
        """Return the audit's document."""
        return report(*self.look(platform, **cluster))

    def look(self, platform: dict[str, Any], **cluster: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what is wanted, and what the modules see that the role calls."""
        profiles: dict[str, Any] = {}
        for path in sorted((ROOT / "roles" / "platform" / "vars" / "profiles").glob("*.yml")):
            profiles.update(yaml.safe_load(path.read_text()))
        described = self.module("platform_info", platform=platform, profiles=profiles)
        assert not described.get("failed"), described
        wanted = described["phases"]["audit"]
        folders = {"folders": wanted["folders"], "names": wanted["names"]}
        questions = wanted["questions"] + [probe["question"] for probe in wanted["probes"]]
        seen = {
            "clusters": [
                self.module(
                    "pg_blast_radius_info", tenants=wanted["tenants"], **{**item["connection"], **cluster}
                )
                for item in wanted["clusters"]
            ],
            "copies": self.module(
                "pg_dump_info", schedules=wanted["schedules"], rpo=wanted["rpo"], **folders
            ),
            "host": self.module("audit_host_info", **wanted["host"], **folders),
            "reached": self.module("compose_reachability_info", services=questions, throwaway=False),
            "kept": self.module("kept_info", path=described["phases"]["kept"]["register"]),
            "hostname": "here",
        }  # fmt: skip
        return wanted, seen

    def remove(self) -> None:
        """Take it all away, but for the server."""
        self.web.shutdown()
        self.web.server_close()
        for name in self.containers:
            docker("rm", "-f", "-v", name)


@pytest.fixture(scope="module")
def host(start_server: Any, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Host]:
    """Yield a host on which all is well."""
    server = start_server(IMAGE, "-e", "POSTGRES_INITDB_ARGS=--data-checksums")
    host = Host(server, tmp_path_factory.mktemp("audit"), environment)
    try:
        host.sql(ROLES)
        host.sql("CREATE DATABASE archon_db OWNER archon")
        host.sql("REVOKE CONNECT, TEMPORARY ON DATABASE archon_db FROM PUBLIC")
        host.sql("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")
        host.sql("GRANT CONNECT ON DATABASE archon_db TO authenticator, auditor")
        host.sql(
            "CREATE EXTENSION pgcrypto; SET ROLE archon; CREATE TABLE archon_settings (id int, filler text)",
            "archon_db",
        )
        (host.folder / "archon").mkdir()
        (host.folder / "archon" / "docker-compose.yml").write_text(COMPOSE)
        env_file = host.folder / "archon" / ".env"
        env_file.write_text("ARCHON_PASSWORD=a-real-secret\n")
        env_file.chmod(0o600)
        for key in ("postgres", "archon_db"):
            assert host.dump(key, key)["changed"]
            host.drill(key, True, 12.5)
        host.client("archon", "archon_db", "archon", "archon", "--add-host", "host.docker.internal:host-gateway",
                    "-e", "SUPABASE_URL=http://host.docker.internal:8000", "-p", "127.0.0.1::8181")  # fmt: skip
        host.client("rest", "archon_db", "authenticator", "PostgREST 13.0.8")
        yield host
    finally:
        host.remove()


def found_in(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return name, thing and severity of each finding."""
    return {(item["name"], item["thing"], item["severity"]) for item in document["findings"]}


def test_nothing_is_found_where_all_is_well(host: Host) -> None:
    wanted, seen = host.look(host.platform())
    document = report(wanted, seen)
    assert found_in(document) == set()
    assert document["unseen"] == []
    assert document["text"][-1] == "No findings."
    assert {row["database"]: row["verdict"] for row in document["databases"]} == {
        "archon_db": "contained",
        "postgres": "contained",
    }
    (service,) = document["services"]
    assert (service["state"], service["resolves"], service["served_from"]) == ("running", True, "archon_db")
    lines = {(edge["from"], edge["to"]): edge for edge in document["graph"]["edges"]}
    assert lines["postgrest:archon", "database:main/archon_db"]["connections"] == 1
    assert lines["service:archon-server", "database:main/archon_db"]["connections"] == 1
    assert {edge["status"] for edge in lines.values()} == {"ok"}
    after = {(edge["from"], edge["to"]) for edge in document["wanted_graph"]["edges"]}
    assert {("service:archon-server", "postgrest:archon"), ("postgrest:archon", "database:main/archon_db")} < after
    (row,) = [row for row in document["calendar"] if row["database"] == "archon_db"]
    assert [(copy["state"], row["gaps"]) for copy in row["copies"]] == [("read", [])]
    assert [(drill["ok"], drill["seconds"]) for drill in row["drills"]] == [(True, 12.5)]
    # The same a year later: the major is near its end, and then past it.
    for now, name in (("2027-08-01T00:00:00Z", "postgres-end-near"), ("2028-01-01T00:00:00Z", "postgres-end-over")):
        later = report(wanted, {**seen, "host": {**seen["host"], "now": now}})
        assert found_in(later) == {(name, "main", "medium" if "near" in name else "high")}


def test_a_role_that_may_write_nothing_suffices(host: Host) -> None:
    for database in ("postgres", "archon_db"):
        assert host.server.sql(database, WRITABLE, "auditor", AUDITOR) == ""
        refused = subprocess.run(
            ["docker", "exec", "-e", f"PGPASSWORD={AUDITOR}", host.server.name, "psql", "-h", "127.0.0.1",
             "-U", "auditor", "-d", database, "-c", "SET default_transaction_read_only = off",
             "-c", "CREATE TABLE public.x ()"],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert "permission denied" in refused.stderr
    # All else in this file is asked as that role: here that it saw as much as a superuser does.
    login = {"login_user": "postgres", "login_password": host.server.password}
    by_role, by_superuser = host.audit(host.platform()), host.audit(host.platform(), **login)
    assert by_role["findings"] == by_superuser["findings"] == []
    assert by_role["unseen"] == by_superuser["unseen"] == []
    assert by_role["graph"]["edges"] == by_superuser["graph"]["edges"]
    for one, other in zip(by_role["databases"], by_superuser["databases"]):
        assert {**one, "size_bytes": 0, "newest_verified_age_s": 0} == {
            **other,
            "size_bytes": 0,
            "newest_verified_age_s": 0,
        }


def plant_in_databases(host: Host, platform: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Plant faults in the server; return what has to be found."""
    databases = platform["databases"]
    host.sql("CREATE TABLE archon_settings (id int); CREATE TABLE archon_tasks (id int)")
    assert host.sql("SELECT count(*) FROM pg_tables WHERE schemaname IN ('auth', 'public')") == "3"
    host.sql("CREATE DATABASE mixed OWNER n8n")
    host.sql("SET ROLE n8n; CREATE TABLE public.one_a (id int); CREATE TABLE public.one_b (id int)", "mixed")
    host.sql("CREATE TABLE public.archon_x (id int)", "mixed")
    host.sql("REVOKE CONNECT ON DATABASE mixed FROM PUBLIC; GRANT CONNECT ON DATABASE mixed TO auditor")
    assert host.sql("SELECT count(DISTINCT tableowner) FROM pg_tables WHERE schemaname = 'public'", "mixed") == "2"
    host.sql("CREATE DATABASE walled")
    host.sql("REVOKE CONNECT ON DATABASE walled FROM PUBLIC")
    assert host.sql("SELECT has_database_privilege('auditor', 'walled', 'CONNECT')") == "f"
    host.sql("GRANT CONNECT ON DATABASE archon_db TO PUBLIC")
    assert host.sql("SELECT has_database_privilege('n8n', 'archon_db', 'CONNECT')") == "t"
    host.sql("CREATE SERVER near FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'localhost', dbname 'archon_db')")
    host.sql("CREATE DATABASE owned OWNER boss")
    host.sql("REVOKE CONNECT ON DATABASE owned FROM PUBLIC; GRANT CONNECT ON DATABASE owned TO auditor")
    assert host.sql("SELECT rolsuper FROM pg_database JOIN pg_roles r ON r.oid = datdba WHERE datname = 'owned'") == "t"
    host.sql("ALTER DATABASE archon_db OWNER TO n8n")
    assert host.sql("SELECT count(*) FROM pg_extension WHERE extname = 'vector'", "archon_db") == "0"
    databases["archon_db"]["extensions"].append("vector")
    databases["owned"] = {"cluster": "main", "owner": "boss"}
    databases["ghost"] = {"cluster": "main", "backup": {"schedule": "0 2 * * *"}}
    databases["walled"] = {"cluster": "main"}
    for setting in ("fsync", "full_page_writes"):
        host.sql(f"ALTER SYSTEM SET {setting} = off")
    rule = "echo 'host all all 10.9.9.0/24 trust' >> \"$PGDATA/pg_hba.conf\""
    docker("exec", host.server.name, "sh", "-c", rule)
    host.sql("SELECT pg_reload_conf()")
    eventually("the server's new settings", lambda: host.sql("SHOW full_page_writes") == "off")
    assert host.sql("SHOW fsync") == "off"
    assert host.sql("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust' AND address ~ '^10'") == "1"
    return {
        ("blast-radius", "postgres", "critical"),
        ("blast-radius", "mixed", "high"),
        ("database-unseen", "walled", "high"),
        ("public-connect", "archon_db", "medium"),
        ("cross-database", "postgres", "medium"),
        ("superuser-login", "owned", "high"),
        ("database-missing", "ghost", "medium"),
        ("database-undescribed", "mixed", "low"),
        ("owner-differs", "archon_db", "medium"),
        ("extension-missing", "archon_db", "medium"),
        ("fsync-off", "main", "critical"),
        ("full-page-writes-off", "main", "high"),
        ("trust-authentication", "main", "high"),
    }


def plant_in_services(host: Host, platform: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Plant faults in containers; return what has to be found."""
    services, compose_file = platform["services"], platform["services"]["archon-server"]["compose_file"]
    free = host.url.replace("/health", "").rpartition(":")[0] + ":9"
    assert subprocess.run(["bash", "-c", "</dev/tcp/127.0.0.1/9"], check=False, capture_output=True).returncode != 0

    def add(short: str, **fields: Any) -> str:
        services[short] = {"container": host.name(short), "compose_file": compose_file, **fields}
        return host.name(short)

    add("gone", health_url=f"{free}/health")
    add("sick")
    host.container(
        "sick", "exec sleep 3600", "--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1"
    )
    add("loop")
    host.container("loop", "exit 3", "--restart", "always")
    add("lost", reaches_host=True, reaches=[f"http://{host.address}:9/"], health_url=f"{free}/health")
    lost = host.container("lost", "exec sleep 3600")
    asked = subprocess.run(["docker", "exec", lost, "getent", "hosts", "host.docker.internal"], check=False)
    assert asked.returncode != 0
    add("boss", database="archon_db")
    host.client("boss", "archon_db", "boss", "boss")
    host.client("stranger", "mixed", "n8n", "stranger")
    host.client("rest", "postgres", "authenticator", "PostgREST 13.0.8")
    add("open")
    host.container("open", "exec sleep 3600", "-p", "0.0.0.0::8080")
    add("server")
    host.container("server", "exec sleep 3600", "-p", "0.0.0.0::5432")
    for short in ("open", "server"):
        assert "0.0.0.0:" in docker("port", host.name(short))
    state = "{{.State.Health.Status}}"
    eventually("the sick one", lambda: docker("inspect", "-f", state, host.name("sick")) == "unhealthy")
    count = "{{.RestartCount}}"
    eventually("the loop", lambda: int(docker("inspect", "-f", count, host.name("loop"))) >= 3)
    platform["neighbours"] = {
        "qdrant": {"url": f"{free}/healthz", "required": True},
        "searx": {"url": f"{free}/", "required": False},
    }
    return {
        ("service-down", "gone", "high"),
        ("service-unhealthy", "sick", "high"),
        ("restart-loop", "loop", "high"),
        ("host-unreachable", "lost", "high"),
        ("unreachable", "lost", "high"),
        ("health-failed", "lost", "high"),
        ("superuser-login", "boss", "high"),
        ("service-undescribed", host.name("stranger"), "low"),
        ("wrong-database", "archon-server", "high"),
        ("postgrest-database", "archon", "high"),
        ("port-published", "open", "low"),
        ("port-published", "server", "high"),
        ("neighbour-absent", "qdrant", "high"),
        ("neighbour-absent", "searx", "note"),
    }


def plant_in_files(host: Host, platform: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Plant faults in files; return what has to be found."""
    compose_file = host.folder / "archon" / "docker-compose.yml"
    text = COMPOSE + "      JWT_SECRET: written-out-here\n    env_file: [open.env, dull.env]\n"
    compose_file.write_text(text)
    open_file = host.folder / "archon" / "open.env"
    open_file.write_text("API_KEY=written-out-there\n")
    open_file.chmod(0o644)
    dull = host.folder / "archon" / "dull.env"
    dull.write_text("LOG_LEVEL=debug\n")
    dull.chmod(0o644)
    missing = host.folder / "nowhere" / "docker-compose.yml"
    assert not missing.exists()
    platform["services"]["sick"]["compose_file"] = str(missing)
    platform["accepted"] = [
        {"finding": "BH503", "thing": "nothing", "reason": "a test", "until": "2099-01-01"},
        {"finding": "port-published", "thing": "open", "reason": "it is a website", "until": "2099-01-01"},
        {"finding": "BH101", "thing": "mixed", "reason": "until the move", "until": "2026-01-01"},
    ]
    return {
        ("secret-in-compose", str(compose_file), "medium"),
        ("env-file-readable", str(open_file), "medium"),
        ("compose-file-missing", str(missing), "medium"),
        ("acceptance-unmatched", "accepted[0]", "note"),
    }


def plant_in_copies(host: Host, platform: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Plant faults in copies and drills; return what has to be found."""
    databases = platform["databases"]
    backup = {"schedule": "0 2 * * *", "accept_gap": "a test"}
    # A copy that is older than it may be, whose last drill took too long, and that has no roles beside it.
    assert host.dump("postgres", "postgres", globals=False)["changed"]
    host.drill("postgres", True, 90000)
    databases["postgres"].update(rpo="1s", backup=backup)
    # A first copy that was cut off, a second with almost nothing in it, and a drill that failed.
    damaged = host.newest("archon_db")
    host.sql("INSERT INTO archon_settings SELECT n, md5(n::text) FROM generate_series(1, 20000) n", "archon_db")
    assert host.dump("archon_db", "archon_db")["changed"]
    host.sql("TRUNCATE archon_settings", "archon_db")
    assert host.dump("archon_db", "archon_db")["changed"]
    host.drill("archon_db", False, 10)
    damaged.write_bytes(damaged.read_bytes()[:-10])
    # One whose database isn't there, and one that was never drilled.
    failed = host.dump("ghost", "ghost")
    assert failed["failed"], failed
    databases["owned"].update(rto="1h", backup=backup)
    assert host.dump("owned", "owned")["changed"]
    databases["walled"]["rpo"] = "24h"
    register = {"path": str(host.state / "register.jsonl"), "kind": "archive", "name": "old", "cluster": "main"}
    host.module("kept_register", database="postgres", keep_for="1d", clock="2026-01-01T00:00:00Z", **register)
    return {
        ("rpo-missed", "postgres", "critical"),
        ("rto-missed", "postgres", "high"),
        ("copy-incomplete", "postgres", "medium"),
        ("copy-damaged", "archon_db", "medium"),
        ("retention-held", "archon_db", "medium"),
        ("drill-failed", "archon_db", "high"),
        ("no-verified-backup", "ghost", "high"),
        ("backup-failing", "ghost", "high"),
        ("drill-missing", "owned", "low"),
        ("backup-undescribed", "walled", "medium"),
        ("kept-over", "old", "low"),
    }


@pytest.fixture(scope="module")
def planted(host: Host) -> tuple[dict[str, Any], set[tuple[str, str, str]]]:
    """Plant every fault; return the description with which they are looked for, and what has to be found."""
    platform = host.platform()
    expected: set[tuple[str, str, str]] = set()
    for plant in (plant_in_databases, plant_in_services, plant_in_files, plant_in_copies):
        expected |= plant(host, platform)
    return platform, expected


@pytest.fixture(scope="module")
def document(host: Host, planted: Any) -> dict[str, Any]:
    """Return the document of the host with all its faults."""
    return host.audit(planted[0])


def test_every_planted_fault_is_found_and_nothing_else(document: dict[str, Any], planted: Any) -> None:
    _platform, expected = planted
    found = found_in(document)
    print("\n%-22s %-60s %-8s %s" % ("FINDING", "THING", "SEVERITY", "PLANTED, FOUND"))
    for item in sorted(expected | found):
        verdict = "both" if item in expected & found else "MISSED" if item in expected else "INVENTED"
        print("%-22s %-60s %-8s %s" % (*item, verdict))
    hits = len(found & expected)
    print("recall %d of %d, precision %d of %d" % (hits, len(expected), hits, len(found)))
    assert found == expected
    assert len(expected) >= 25
    for item in document["findings"]:
        assert item["evidence"]["query"] and item["evidence"]["shown"], item
        assert item["remedy"] and item["meaning"], item
        assert "written-out" not in str(item)
    # Near misses: a reference, a path and a number in the compose file; secrets in a file of mode 0600, and a file
    # without any; a port of 127.0.0.1; trust for the server itself; a foreign server elsewhere; PUBLIC in the
    # platform's own database; the older copy's drill.
    shown = str(document["findings"])
    for near in ("MAX_TOKENS", "PASSWORD_FILE", "OPENAI_API_KEY", "/.env", "dull.env", "127.0.0.1/32", "far.example"):
        assert near not in shown, near
    assert not {
        item for item in found if item[:2] in {("public-connect", "postgres"), ("port-published", "archon-server")}
    }


def test_what_is_accepted_counts_until_its_day(document: dict[str, Any]) -> None:
    findings = {(item["name"], item["thing"]): item for item in document["findings"]}
    assert findings["port-published", "open"]["accepted"] == {"reason": "it is a website", "until": "2099-01-01"}
    over = findings["blast-radius", "mixed"]
    assert over["accepted"] is None
    assert "It was accepted until 2026-01-01 (until the move)." in over["text"]


def test_the_graph_shows_who_sits_in_anothers_database(document: dict[str, Any]) -> None:
    edges = {(edge["from"], edge["to"]): edge["status"] for edge in document["graph"]["edges"]}
    assert edges["postgrest:archon", "database:main/postgres"] == "foreign"
    assert edges["service:archon-server", "postgrest:archon"] == "foreign"
    assert edges["service:archon-server", "database:main/archon_db"] == "ok"
    assert edges["service:archon-server", "database:main/postgres"] == "foreign"
    nodes = {node["id"]: node["status"] for node in document["graph"]["nodes"]}
    assert nodes["database:main/walled"] == "unseen"
    assert nodes["database:main/ghost"] == nodes["service:gone"] == "absent"
    for drawn in (document["graph"], document["wanted_graph"]):
        ids = {node["id"] for node in drawn["nodes"]}
        assert {edge[end] for edge in drawn["edges"] for end in ("from", "to")} <= ids
    assert [item["thing"] for item in document["unseen"]] == ["database walled of cluster main"]


def test_the_playbook_writes_for_machines_and_fails_where_it_is_asked_to(host: Host, planted: Any) -> None:
    inventory = host.folder / "inventory.yml"
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "bulkhead_platform": planted[0],
    }
    inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": variables}}}))
    paths = {form: host.folder / f"audit.{form}" for form in ("json", "sarif", "junit", "html", "markdown")}
    command = [
        "ansible-playbook",
        "bulkhead.stack.audit",
        "-i",
        str(inventory),
        "-e",
        "bulkhead_audit_fail_on=critical",
    ]
    for form, path in paths.items():
        command += ["-e", f"bulkhead_audit_{form}={path}"]
    done = subprocess.run(command, env=host.environment, capture_output=True, text=True, check=False, timeout=120)
    said = " ".join(done.stdout.split())
    assert done.returncode == 2, done.stdout
    assert "finding(s) are critical or graver" in said
    assert AUDITOR not in done.stdout
    document = json.loads(paths["json"].read_text())
    assert found_in(document) == planted[1]
    assert {item["severity"] for item in document["failing"]} == {"critical"}
    sarif = json.loads(paths["sarif"].read_text())
    (run,) = sarif["runs"]
    assert sarif["version"] == "2.1.0"
    assert len(run["results"]) == len(document["findings"])
    assert sum("suppressions" in result for result in run["results"]) == 1
    secret = next(result for result in run["results"] if result["ruleId"] == "BH501")
    assert secret["locations"][0]["physicalLocation"]["region"]["startLine"] == COMPOSE.count("\n") + 1
    suites = ElementTree.fromstring(paths["junit"].read_text())
    assert len(suites.findall("./testsuite/testcase/failure")) == len(document["findings"]) - 1
    assert len(suites.findall("./testsuite/testcase/skipped")) == 1
    for page in (paths["html"].read_text(), paths["markdown"].read_text()):
        assert all(item["id"] in page for item in document["findings"])
    assert {path.stat().st_mode & 0o777 for path in paths.values()} == {0o600}


def test_what_can_not_be_seen_is_not_called_fine(host: Host) -> None:
    """Last in this file: the server stands still."""
    docker("pause", host.server.name)
    try:
        begin = time.monotonic()
        document = host.audit(host.platform())
        assert time.monotonic() - begin < 30
    finally:
        docker("unpause", host.server.name)
    assert ("cluster-unseen", "main", "critical") in found_in(document)
    (unseen,) = document["unseen"]
    assert unseen["thing"] == "cluster main" and "no answer within 5 s" in unseen["reason"]
    statuses = {node["id"]: node["status"] for node in document["graph"]["nodes"]}
    assert statuses["cluster:main"] == statuses["database:main/archon_db"] == "unseen"
    assert "What could not be seen, and may be fine or not:" in document["text"]


def test_without_an_engine_it_says_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(host.environment, "DOCKER_HOST", "unix:///nowhere/docker.sock")
    document = host.audit(host.platform())
    things = {item["thing"] for item in document["unseen"]}
    assert {"cluster main", "the container engine", "services from inside", "service archon-server"} <= things
    assert not {item["name"] for item in document["findings"]} & {"service-down", "wrong-database"}
