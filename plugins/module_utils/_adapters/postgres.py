# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Postgres cluster: SQL through psycopg2, its client programs where the server is.

A container is resolved by inspection: its published port, else its address on a network. User and password come
from the options, else from the container's own environment (the official image's POSTGRES_USER, POSTGRES_PASSWORD).
"""

import contextlib
import os
import secrets
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from .._core.errors import BulkheadError, InputError, OutsideError, StateError
from .._core.inspection import environment_of
from .._core.sessions import CLIENT_KEEPALIVES
from .._core.sql import Secret, Sql
from . import locks
from .docker import Docker, ExecResult
from .mounts import folders_in_container, path_in_container

try:
    import psycopg2
    import psycopg2.extensions
    import psycopg2.extras
    from psycopg2 import sql as pg_sql
except ImportError as import_error:
    PSYCOPG2_IMPORT_ERROR: Optional[ImportError] = import_error
else:
    PSYCOPG2_IMPORT_ERROR = None

SERVER_PORT = "5432/tcp"


@dataclass(frozen=True)
class Endpoint:
    """Where a cluster answers, and as whom we speak to it. The password never shows."""

    host: str
    port: int
    user: str
    password: str = field(repr=False, default="")
    database: str = "postgres"
    container: str = ""

    def describe(self) -> str:
        """Return the endpoint as a person names it."""
        place = "%s port %d" % (self.host, self.port)
        return "container %s (%s)" % (self.container, place) if self.container else place


def resolve_endpoint(options: Dict[str, Any], engine: Optional[Docker]) -> Endpoint:
    """Return the endpoint that a module's connection options name.

    Arguments:
        options: container, login_host, login_port, login_unix_socket, login_user, login_password, login_db.
        engine: the container engine; needed where a container is named.

    Raises:
        InputError: neither or both of a container and a host are named.
        StateError: the container doesn't run, or has no address.
    """
    container = options.get("container")
    direct = options.get("login_unix_socket") or options.get("login_host")
    if bool(container) == bool(direct):
        raise InputError(
            "%s a container and a host are named." % ("Both" if container else "Neither"),
            "Name one cluster: container, or login_host (or login_unix_socket).",
        )
    user = options.get("login_user") or ""
    password = options.get("login_password") or ""
    database = options.get("login_db") or "postgres"
    if not container:
        return Endpoint(str(direct), int(options.get("login_port") or 5432), user or "postgres", password, database)
    if engine is None:
        raise InputError("Container %s is named, but no engine was given." % container)
    found = engine.require_running(container)
    environment = environment_of(found)
    user = user or environment.get("POSTGRES_USER") or "postgres"
    if not password:
        password = environment.get("POSTGRES_PASSWORD") or ""
        secret_file = environment.get("POSTGRES_PASSWORD_FILE")
        if not password and secret_file:
            password = engine.run(container, ["cat", secret_file]).stdout.decode("utf-8").strip()
    host, port = container_address(found)
    return Endpoint(host, port, user, password, database, container)


def container_address(inspection: Dict[str, Any]) -> Tuple[str, int]:
    """Return host and port under which a container's server is reached from the engine's host.

    Raises:
        StateError: it publishes no port and has no address on any network.
    """
    name = str(inspection.get("Name", "")).lstrip("/")
    settings = inspection["NetworkSettings"]
    for binding in (settings.get("Ports") or {}).get(SERVER_PORT) or []:
        host = binding.get("HostIp") or "127.0.0.1"
        return ("127.0.0.1" if host in ("0.0.0.0", "::") else host, int(binding["HostPort"]))
    if inspection["HostConfig"].get("NetworkMode") == "host":
        return ("127.0.0.1", 5432)
    for network in (settings.get("Networks") or {}).values():
        if network.get("IPAddress"):
            return (network["IPAddress"], 5432)
    raise StateError(
        "Container %s publishes no port 5432 and has no address on a network." % name,
        "Attach it to a bridge network, publish the port on 127.0.0.1, or use login_host.",
    )


class Postgres:
    """One cluster: a cached connection per database, statements composed by psycopg2.sql.

    Arguments:
        endpoint: where, and as whom.
        engine: the container engine, where the server is a container: its own client programs are used.
        application_name: what pg_stat_activity shows; the clients in the container carry it too.
    """

    def __init__(self, endpoint: Endpoint, engine: Optional[Docker] = None, application_name: str = "bulkhead") -> None:
        if PSYCOPG2_IMPORT_ERROR is not None:
            raise OutsideError(
                "The Python library psycopg2 is missing on this host: %s." % PSYCOPG2_IMPORT_ERROR,
                "Install Debian's python3-psycopg2, or `pip install psycopg2-binary`, for Ansible's Python here.",
            )
        self.endpoint = endpoint
        self._engine = engine
        self._application_name = application_name
        self._connections: Dict[str, Any] = {}
        self._locks: Any = None
        # Where nobody's work is: a database in which there is a session can't be renamed.
        self.locks_in = "postgres"
        # As whom the client programs run in a container; by default as its own user.
        self.client_user = ""

    @property
    def maintenance_database(self) -> str:
        """The database in which cluster-wide statements run."""
        return self.endpoint.database

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        if self._locks is not None:
            self._locks.close()
            self._locks = None

    def disconnect(self, database: str) -> None:
        """Close the connection to one database, so that it can be dropped or renamed."""
        connection = self._connections.pop(database, None)
        if connection is not None:
            connection.close()

    def connect(self, database: str = "", user: str = "", password: str = "") -> Any:
        """Return a new psycopg2 connection in autocommit mode; the caller closes it.

        Raises:
            OutsideError: the server refused; the message says what mends it.
        """
        database = database or self.maintenance_database
        try:
            connection = psycopg2.connect(
                host=self.endpoint.host,
                port=self.endpoint.port,
                user=user or self.endpoint.user,
                password=password or self.endpoint.password,
                dbname=database,
                application_name=self._application_name,
                connect_timeout=10,
                **CLIENT_KEEPALIVES,
            )
            # Names are quoted by psycopg2 as UTF-8. In a database without an encoding nothing is converted.
            if connection.info.parameter_status("server_encoding") != "SQL_ASCII":
                connection.set_client_encoding("UTF8")
        except psycopg2.OperationalError as error:
            raise _connection_error(error, self.endpoint, database, user or self.endpoint.user) from error
        connection.autocommit = True
        return connection

    def password_holds(self, role: str, password: Secret, database: str) -> bool:
        """Return whether a role can log in with a password, and only with that.

        Raises:
            StateError: any password would do here, so that nothing can be proven.
        """
        if self._logs_in(role, secrets.token_urlsafe(16), database):
            raise StateError(
                "The server lets role %s in from here without a password (pg_hba.conf says trust)." % role,
                "Give a login_user that is a superuser: the verifier can be read then; or mend pg_hba.conf.",
            )
        return self._logs_in(role, password.value, database)

    def _logs_in(self, role: str, password: str, database: str) -> bool:
        try:
            self.connect(database, role, password).close()
        except OutsideError as error:
            if "password authentication failed" in error.message:
                return False
            # It comes after the password was accepted.
            if "permission denied for database" in error.message or "not permitted to log in" in error.message:
                return True
            raise
        return True

    def _connection(self, database: str) -> Any:
        database = database or self.maintenance_database
        connection = self._connections.get(database)
        if connection is None or connection.closed:
            connection = self._connections[database] = self.connect(database)
        return connection

    def execute(self, statement: Sql) -> None:
        """Run one statement in its database, committed at once."""
        with self._cursor(statement.database) as cursor:
            self._run(cursor, statement)

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows as dictionaries."""
        with self._cursor(statement.database) as cursor:
            self._run(cursor, statement)
            return [dict(row) for row in cursor.fetchall()]

    def value(self, statement: Sql) -> Any:
        """Run one query; return the first column of its first row, or None."""
        found = self.rows(statement)
        return next(iter(found[0].values())) if found else None

    @contextmanager
    def transaction(
        self, database: str, isolation: str = "READ COMMITTED", read_only: bool = False
    ) -> Iterator["Transaction"]:
        """Open a transaction on a connection of its own: committed at the end, rolled back where something fails."""
        connection = self.connect(database)
        try:
            connection.set_session(isolation_level=isolation, readonly=read_only, autocommit=False)
            yield Transaction(self, connection)
            connection.commit()
        except psycopg2.Error as error:
            raise statement_error(error, None) from error
        finally:
            connection.close()

    @contextmanager
    def _cursor(self, database: str) -> Iterator[Any]:
        with self._connection(database).cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            yield cursor

    @staticmethod
    def _run(cursor: Any, statement: Sql) -> None:
        try:
            cursor.execute(compose(statement), _values(statement) or None)
        except psycopg2.Error as error:
            raise statement_error(error, statement) from error

    # The client programs: where the server is.

    @property
    def in_container(self) -> bool:
        """Whether the client programs run inside the server's container."""
        return bool(self.endpoint.container)

    def run_client(
        self,
        argv: Sequence[str],
        stdin: Optional[Iterable[bytes]] = None,
        sink: Optional[Callable[[bytes], Any]] = None,
        connect: bool = True,
    ) -> ExecResult:
        """Run psql, pg_dump, pg_restore or a shell script of ours beside the server, as the endpoint's user.

        Arguments:
            argv: the command; where it must log in, it finds host, port and user in PGHOST, PGPORT, PGUSER.
            stdin: chunks to feed. sink: gets stdout; without one it is collected.
            connect: whether the command logs in at all.
        """
        environment = {"PGAPPNAME": self._application_name, "PGCONNECT_TIMEOUT": "10", "LC_ALL": "C"}
        if connect:
            self._lock_connection()
            environment["PGUSER"] = self.endpoint.user
            if self.endpoint.password:
                environment["PGPASSWORD"] = self.endpoint.password
        if self.in_container and self._engine is not None:
            return self._engine.run(
                self.endpoint.container, argv, environment, self.client_user, stdin=stdin, sink=sink
            )
        environment["PGHOST"] = self.endpoint.host
        environment["PGPORT"] = str(self.endpoint.port)
        return _run_local(argv, environment, stdin, sink)

    def path_beside_server(self, path: str) -> Optional[str]:
        """Return where a path of this host lies for the client programs, or None where they don't see it."""
        if not self.in_container or self._engine is None:
            return os.path.realpath(path)
        # An engine on another machine mounts that one's folders.
        return path_in_container(self._engine.inspect(self.endpoint.container), path) if self._engine.is_local else None

    def seen_beside_server(self) -> str:
        """Say which folders of this host the client programs see."""
        if not self.in_container or self._engine is None:
            return "they run on this host"
        if not self._engine.is_local:
            return "container %s runs on another machine" % self.endpoint.container
        seen = folders_in_container(self._engine.inspect(self.endpoint.container))
        return "container %s sees %s" % (self.endpoint.container, ", ".join(seen) or "no folder of this host")

    @contextmanager
    def client_folder(self) -> Iterator["ClientFolder"]:
        """Make a folder beside the client programs; it is removed afterwards, with what it holds."""
        if not self.in_container or self._engine is None:
            with tempfile.TemporaryDirectory(prefix="bulkhead-") as local:
                yield ClientFolder(local, None, "")
            return
        container = self.endpoint.container
        said = self._engine.run(container, ["sh", "-c", "id -u && mktemp -d /tmp/bulkhead-XXXXXX"]).stdout.split()
        path = said[1].decode("utf-8") if len(said) == 2 else ""
        if not path:
            raise OutsideError(
                "No temporary folder can be made in container %s: its /tmp is read-only or full." % container
            )
        try:
            yield ClientFolder(path, self._engine, container, int(said[0]))
        finally:
            # The container may be gone by now, and the folder with it.
            with contextlib.suppress(OutsideError):
                self._engine.run(container, ["rm", "-rf", path])

    @contextmanager
    def client_file(self, data: bytes, suffix: str) -> Iterator[str]:
        """Put a file beside the client programs, whole; yield its path there; remove it afterwards."""
        with self.client_folder() as folder:
            yield folder.put("file" + suffix, data)

    # One run at a time.

    def _lock_connection(self) -> Any:
        """Return the session that says that this run lives, and that holds its locks."""
        if self._locks is None or self._locks.closed:
            self._locks = locks.lock_database(self.connect, self.locks_in, self.maintenance_database)
            locks.mark_run(self._locks, self._application_name)
        return self._locks

    @contextmanager
    def working_on(
        self, database: str, others: Sequence[str], timeout_s: int, only_looking: bool = False
    ) -> Iterator[List[str]]:
        """Keep other runs off a database, and end what killed runs left in it.

        Arguments:
            others: more databases in which a killed run may have left something.
            timeout_s: how long to wait for another run, in seconds.
            only_looking: whether nothing will be changed: then nobody is kept off, and nothing is ended.

        Yields: a sentence for each session that was ended.

        Raises:
            ConflictError: another run works on it still.
        """
        if only_looking:
            yield []
            return
        connection = self._lock_connection()
        with locks.hold(connection, database, timeout_s):
            yield locks.end_leftovers(connection, self._application_name, (database, *others))


@dataclass(frozen=True)
class ClientFolder:
    """A folder beside the client programs; they run as the user that made it."""

    path: str
    _engine: Optional[Docker]
    _container: str
    _uid: int = 0

    def put(self, name: str, data: bytes) -> str:
        """Write a file into it, whole; return its path."""
        path = self.path + "/" + name
        if self._engine is not None:
            self._engine.put_file(self._container, path, data, uid=self._uid)
        else:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
                stream.write(data)
        return path


class Transaction:
    """Statements that stand or fall together, on a connection of their own."""

    def __init__(self, owner: Postgres, connection: Any) -> None:
        self._owner = owner
        self.connection = connection

    def execute(self, statement: Sql) -> int:
        """Run one statement; return the number of rows it touched."""
        with self.connection.cursor() as cursor:
            self._owner._run(cursor, statement)
            return int(cursor.rowcount)

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows as dictionaries."""
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            self._owner._run(cursor, statement)
            return [dict(row) for row in cursor.fetchall()]


def compose(statement: Sql) -> Any:
    """Return the statement as psycopg2.sql composes it: identifiers quoted by the library."""
    # psycopg2 doesn't double a percent sign in an identifier, and reads it as a placeholder where there are values.
    mark = "%%" if statement.values else "%"
    names = [
        pg_sql.Identifier(*(part.replace("%", mark) for part in ((name,) if isinstance(name, str) else name)))
        for name in statement.names
    ]
    return pg_sql.SQL(statement.text).format(*names)


def _values(statement: Sql) -> Tuple[Any, ...]:
    return tuple(value.value if isinstance(value, Secret) else value for value in statement.values)


def _run_local(
    argv: Sequence[str],
    environment: Dict[str, str],
    stdin: Optional[Iterable[bytes]],
    sink: Optional[Callable[[bytes], Any]],
) -> ExecResult:
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, **environment),
        )
    except OSError as error:
        raise OutsideError(
            "`%s` can't be run on this host: %s." % (argv[0], error.strerror),
            "Install the Postgres client programs (Debian: postgresql-client), or name the server's container.",
        ) from error
    collected: List[bytes] = []
    errors: List[bytes] = []
    out = sink or collected.append

    unfed: List[BulkheadError] = []

    def feed() -> None:
        assert_stdin: Any = process.stdin
        # The command may end before it has read everything; its exit status says why.
        with contextlib.suppress(OSError):
            try:
                for chunk in stdin or ():
                    assert_stdin.write(chunk)
            except BulkheadError as error:
                unfed.append(error)
            finally:
                assert_stdin.close()

    def keep_errors() -> None:
        stream: Any = process.stderr
        errors.append(stream.read())

    threads = [threading.Thread(target=keep_errors, daemon=True)]
    if stdin is not None:
        threads.append(threading.Thread(target=feed, daemon=True))
    for thread in threads:
        thread.start()
    stream: Any = process.stdout
    while True:
        chunk = stream.read(256 * 1024)
        if not chunk:
            break
        out(chunk)
    rc = process.wait()
    for thread in threads:
        thread.join(timeout=10)
    if unfed:
        raise unfed[0]
    return ExecResult(rc, b"".join(collected), b"".join(errors).decode("utf-8", "replace"))


def _connection_error(error: Exception, endpoint: Endpoint, database: str, user: str) -> OutsideError:
    text = str(error).strip().splitlines()[-1] if str(error).strip() else "no answer"
    remedy = "See whether the server runs and listens there."
    if "password authentication failed" in text or "no password supplied" in text:
        remedy = "Give the right login_password for role %s%s." % (
            user,
            " (the container's POSTGRES_PASSWORD only counts when its volume was made)" if endpoint.container else "",
        )
    elif "does not exist" in text and "role" in text:
        remedy = "Give a login_user that exists (Supabase's superuser is supabase_admin)."
    elif "does not exist" in text:
        remedy = "Create the database first, or correct its name."
    elif "pg_hba" in text:
        remedy = "Let pg_hba.conf admit role %s from this host." % user
    return OutsideError(
        "Role %s can't connect to database %s at %s: %s." % (user, database, endpoint.describe(), text.rstrip(".")),
        remedy,
    )


def statement_error(error: Any, statement: Optional[Sql]) -> OutsideError:
    text = (getattr(error, "pgerror", None) or str(error)).strip()
    first = text.splitlines()[0].replace("ERROR:  ", "") if text else type(error).__name__
    where = "" if statement is None else " while running `%s`" % " ".join(statement.display().split())[:300]
    return OutsideError(
        "The server refused%s: %s." % (where, first.rstrip(".")), None, sqlstate=getattr(error, "pgcode", None)
    )
