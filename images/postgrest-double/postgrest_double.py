"""A small double of PostgREST. This is NOT PostgREST.

Scenarios need something that fails, retries, reloads and answers as PostgREST does, and no package registry ships the
server. This program keeps to what was read off PostgREST 13 and 14: which situation answers which status and code, when
the process ends, and how it retries and reloads. It reads and writes rows of single tables; README.md lists what it
covers. What it doesn't cover it refuses with 501 and says so, instead of answering something half right.
"""

import base64
import difflib
import hashlib
import hmac
import json
import os
import re
import select
import signal
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

NAME = "PostgREST double"
VERSION = "1"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
RETRY_CAP_SECONDS = 32
DEBOUNCE_SECONDS = 0.1
CLOCK_SKEW_SECONDS = 30
ENUMS: dict[str, tuple[str, ...]] = {
    "log_level": ("crit", "error", "warn", "info", "debug"),
    "openapi_mode": ("follow-privileges", "ignore-privileges", "disabled"),
    "db_tx_end": ("commit", "commit-allow-override", "rollback", "rollback-allow-override"),
}
# The settings that a reload may take from the database. The URI, the ports and the pool are the process's for life.
RELOADABLE = (
    "db_schemas",
    "db_anon_role",
    "db_extra_search_path",
    "db_max_rows",
    "db_use_legacy_gucs",
    "jwt_secret",
    "jwt_aud",
)


def log(message: str) -> None:
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S %z")
    print(f"{stamp}: {message}", file=sys.stderr, flush=True)


def die(message: str) -> None:
    """End the whole process at once, from whichever thread noticed."""
    log(message)
    os._exit(1)


# --- settings -------------------------------------------------------------------------------------------------------


def as_int(text: Optional[str], default: Optional[int]) -> Optional[int]:
    """A bad number silently becomes the default, as with the real server."""
    try:
        return int(text) if text is not None else default
    except ValueError:
        return default


def as_bool(text: Optional[str], default: bool) -> bool:
    """A bad boolean silently becomes the default, as with the real server."""
    return {
        "true": True,
        "yes": True,
        "on": True,
        "1": True,
        "false": False,
        "no": False,
        "off": False,
        "0": False,
    }.get((text or "").strip().lower(), default)


def read_config_file(path: str) -> dict[str, str]:
    """The settings of a configuration file, by the names that they have in the database; ValueError for a bad one."""
    found = {}
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            match = re.fullmatch(
                r'\s*(?:([A-Za-z][\w.-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"#]+))\s*)?(?:#.*)?', line.rstrip("\r\n")
            )
            if not match:
                raise ValueError(f"line {number} is no setting")
            name, quoted, bare = match.groups()
            if not name:
                continue
            if quoted is not None:
                text = re.sub(r"\\(.)", r"\1", quoted)
                # A variable of the process, and a dollar of its own.
                text = re.sub(
                    r"\$\$|\$\((\w+)\)", lambda m: os.environ.get(m.group(1), "") if m.group(1) else "$", text
                )
            else:
                text = bare
            found[name.replace("-", "_").replace("app.settings.", "app_settings_")] = text
    return found


@dataclass(frozen=True)
class Settings:
    raw: Mapping[str, str]
    app: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, environ: Mapping[str, str], path: Optional[str] = None) -> "Settings":
        """The environment's settings, on top of those of a configuration file where there is one."""
        raw = read_config_file(path) if path else {}
        raw.update({name[6:].lower(): value for name, value in environ.items() if name.startswith("PGRST_")})
        app = {name[13:]: value for name, value in raw.items() if name.startswith("app_settings_")}
        return cls({name: value for name, value in raw.items() if not name.startswith("app_settings_")}, app)

    def reread(self, path: str) -> "Settings":
        """These settings with those of the file as it is now, as far as they may change in a running process."""
        fresh = Settings.read(os.environ, path)
        raw = {k: v for k, v in self.raw.items() if k not in RELOADABLE}
        raw.update({k: v for k, v in fresh.raw.items() if k in RELOADABLE})
        return Settings(raw, fresh.app)

    def overlaid(self, of_database: Mapping[str, str]) -> "Settings":
        """These settings with those of the database on top, as far as they may change in a running process."""
        raw = {**self.raw, **{k: v for k, v in of_database.items() if k in RELOADABLE}}
        app = {**self.app, **{k[13:]: v for k, v in of_database.items() if k.startswith("app.settings.")}}
        return Settings(raw, app)

    @property
    def db_uri(self) -> str:
        return self.raw.get("db_uri", "postgresql://")

    @property
    def schemas(self) -> list[str]:
        return [name.strip() for name in self.raw.get("db_schemas", "public").split(",") if name.strip()]

    @property
    def search_path(self) -> list[str]:
        return [name.strip() for name in self.raw.get("db_extra_search_path", "public").split(",") if name.strip()]

    @property
    def anon_role(self) -> Optional[str]:
        return self.raw.get("db_anon_role") or None

    @property
    def jwt_secret(self) -> Optional[str]:
        return self.raw.get("jwt_secret") or None

    @property
    def max_rows(self) -> Optional[int]:
        return as_int(self.raw.get("db_max_rows"), None)

    @property
    def legacy_gucs(self) -> bool:
        return as_bool(self.raw.get("db_use_legacy_gucs"), False)

    @property
    def db_config(self) -> bool:
        return as_bool(self.raw.get("db_config"), True)

    @property
    def channel(self) -> Optional[str]:
        enabled = as_bool(self.raw.get("db_channel_enabled"), True)
        return (self.raw.get("db_channel") or "pgrst") if enabled else None

    @property
    def host(self) -> str:
        # The real server's "!4" and the like mean "any address".
        value = self.raw.get("server_host", "!4")
        return "0.0.0.0" if value.startswith("!") or value == "*" else value

    @property
    def port(self) -> int:
        return as_int(self.raw.get("server_port"), 3000) or 3000

    @property
    def admin_port(self) -> Optional[int]:
        return as_int(self.raw.get("admin_server_port"), None)

    @property
    def pool_size(self) -> int:
        return max(1, as_int(self.raw.get("db_pool"), 10) or 10)

    def problem(self) -> Optional[str]:
        """What the real server refuses to start with."""
        for name, allowed in ENUMS.items():
            value = self.raw.get(name)
            if value and value not in allowed:
                return f"Invalid {name.replace('_', '-')}. Check your configuration."
        if self.jwt_secret is not None and len(self.jwt_secret) < 32:
            return "The JWT secret must be at least 32 characters long."
        if self.admin_port is not None and self.admin_port == self.port:
            return "admin-server-port cannot be the same as server-port"
        return None

    def dump(self) -> str:
        """What /config shows: secrets and all, as the real one does."""
        known = {
            "db-uri": self.db_uri,
            "db-schemas": ",".join(self.schemas),
            "db-extra-search-path": ",".join(self.search_path),
            "db-anon-role": self.anon_role or "",
            "db-max-rows": "" if self.max_rows is None else str(self.max_rows),
            "db-channel": self.channel or "",
            "db-channel-enabled": str(self.channel is not None).lower(),
            "db-config": str(self.db_config).lower(),
            "db-pool": str(self.pool_size),
            "db-use-legacy-gucs": str(self.legacy_gucs).lower(),
            "jwt-secret": self.jwt_secret or "",
            "server-host": self.raw.get("server_host", "!4"),
            "server-port": str(self.port),
            "admin-server-port": "" if self.admin_port is None else str(self.admin_port),
        }
        known.update({f"app.settings.{name}": value for name, value in self.app.items()})
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in sorted(known.items()))


# --- errors ---------------------------------------------------------------------------------------------------------


class RefusalError(Exception):
    """An answer that is no success: status, code, message, details, hint."""

    def __init__(
        self, status: int, code: str, message: str, details: Optional[str] = None, hint: Optional[str] = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "details": details, "hint": hint, "message": message}


def not_covered(what: str) -> RefusalError:
    return RefusalError(501, "DOUBLE", f"{what} is not covered by this double of PostgREST")


STATUS_OF_STATE = {
    "23503": 409, "23505": 409, "25006": 405, "42883": 404, "42P01": 404, "42P17": 500, "53400": 500, "57P01": 503,
    "P0001": 400,
}  # fmt: skip
STATUS_OF_CLASS = {
    "08": 503, "09": 500, "0L": 403, "0P": 403, "25": 500, "28": 403, "2D": 500, "38": 500, "39": 500, "3B": 500,
    "40": 500, "53": 503, "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0": 500, "XX": 500,
}  # fmt: skip


def refusal_of(error: psycopg2.Error, authenticated: bool) -> RefusalError:
    state = error.pgcode or ""
    diag = error.diag
    message = diag.message_primary or str(error).strip()
    if state == "42501":
        status = 403 if authenticated else 401
    elif state == "22023" and re.match(r'role ".*" does not exist$', message):
        status = 401
    else:
        status = STATUS_OF_STATE.get(state, STATUS_OF_CLASS.get(state[:2], 400))
    return RefusalError(status, state, message, diag.message_detail, diag.message_hint)


def connection_is_lost(error: psycopg2.Error) -> bool:
    state = error.pgcode
    if state is None:
        return isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
    return state.startswith("08") or state in ("57P01", "57P02", "57P03")


# --- JSON web tokens ------------------------------------------------------------------------------------------------


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(token: str, settings: Settings) -> dict[str, Any]:
    if settings.jwt_secret is None:
        raise RefusalError(500, "PGRST300", "Server lacks JWT secret")
    parts = token.split(".")
    if not token:
        raise RefusalError(401, "PGRST301", "Empty JWT is sent in Authorization header")
    if len(parts) != 3:
        raise RefusalError(401, "PGRST301", f"Expected 3 parts in JWT; got {len(parts)}")
    try:
        header = json.loads(unpadded(parts[0]))
        claims = json.loads(unpadded(parts[1]))
        signature = unpadded(parts[2])
    except ValueError:
        raise RefusalError(401, "PGRST301", "JWT cryptographic operation failed") from None
    if not isinstance(header, dict) or header.get("alg") != "HS256":
        raise RefusalError(401, "PGRST301", "Wrong or unsupported encoding algorithm")
    expected = hmac.new(settings.jwt_secret.encode(), f"{parts[0]}.{parts[1]}".encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(expected, signature):
        raise RefusalError(
            401, "PGRST301", "No suitable key or wrong key type", "None of the keys was able to decode the JWT"
        )
    if not isinstance(claims, dict):
        raise RefusalError(401, "PGRST303", "Parsing claims failed")
    now = time.time()
    for name in ("exp", "nbf", "iat"):
        if name in claims and not isinstance(claims[name], (int, float)):
            raise RefusalError(401, "PGRST303", f"The JWT '{name}' claim must be a number")
    if "exp" in claims and claims["exp"] + CLOCK_SKEW_SECONDS < now:
        raise RefusalError(401, "PGRST303", "JWT expired")
    if "nbf" in claims and claims["nbf"] - CLOCK_SKEW_SECONDS > now:
        raise RefusalError(401, "PGRST303", "JWT not yet valid")
    if "iat" in claims and claims["iat"] - CLOCK_SKEW_SECONDS > now:
        raise RefusalError(401, "PGRST303", "JWT issued at future")
    audience = settings.raw.get("jwt_aud")
    if audience and claims.get("aud") not in (None, audience) and audience not in (claims.get("aud") or []):
        raise RefusalError(401, "PGRST303", "JWT not in audience")
    return claims


# --- the database ---------------------------------------------------------------------------------------------------

Tables = dict[tuple[str, str], list[str]]


class TerminatedError(psycopg2.OperationalError):
    """The server had ended this session while it was idle: the real server answers 57P01 to the next request."""


def connect(uri: str) -> Any:
    connection = psycopg2.connect(uri, fallback_application_name=f"{NAME} {VERSION}", connect_timeout=10)
    connection.autocommit = True
    return connection


def credentials_are_wrong(error: psycopg2.Error) -> bool:
    """Whether it is useless to try again: the real server ends itself then."""
    text = str(error)
    return any(
        part in text
        for part in ("password authentication failed", "no password supplied", "is not permitted to log in")
    ) or bool(re.search(r'FATAL:\s+role ".*" does not exist', text))


def read_database_settings(connection: Any) -> dict[str, str]:
    with connection.cursor() as cursor:
        # The row of this database comes last and so beats the one for all databases.
        cursor.execute(
            "SELECT unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s"
            " JOIN pg_catalog.pg_roles r ON r.oid = s.setrole AND r.rolname = session_user"
            " LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase"
            " WHERE s.setdatabase = 0 OR d.datname = current_database() ORDER BY s.setdatabase"
        )
        pairs = (row[0].partition("=") for row in cursor.fetchall())
        return {name[6:]: value for name, _mark, value in pairs if name.startswith("pgrst.")}


def read_tables(connection: Any, schemas: list[str]) -> Tables:
    with connection.cursor() as cursor:
        # Refused with 3F000 by the server where a schema doesn't exist.
        cursor.execute("SELECT pg_catalog.quote_ident(n)::regnamespace FROM unnest(%s::text[]) n", (schemas,))
        cursor.execute(
            "SELECT n.nspname, c.relname, array_agg(a.attname::text ORDER BY a.attnum)"
            " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE n.nspname = ANY (%s::text[]) AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition"
            " GROUP BY 1, 2",
            (schemas,),
        )
        return {(row[0], row[1]): row[2] for row in cursor.fetchall()}


def was_terminated(connection: Any) -> bool:
    """Whether the server's last word waits on an idle connection. A statement would only say that the line is dead."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    with suppress(psycopg2.Error):
        connection.poll()
    return bool(connection.closed) or any("terminating connection" in notice for notice in connection.notices)


class Pool:
    """A few connections that are opened when they are needed and kept."""

    def __init__(self, uri: str, size: int) -> None:
        self.uri = uri
        self.size = size
        self.idle: list[Any] = []
        self.slots = threading.BoundedSemaphore(size)
        self.lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[Any]:
        if not self.slots.acquire(timeout=10):
            raise RefusalError(504, "PGRST003", "Timed out acquiring connection from connection pool.")
        try:
            with self.lock:
                connection = self.idle.pop() if self.idle else None
            if connection is not None and was_terminated(connection):
                connection.close()
                raise TerminatedError("terminating connection due to administrator command")
            connection = connection or connect(self.uri)
            try:
                yield connection
            finally:
                if connection.closed or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                    connection.close()
                else:
                    with self.lock:
                        self.idle.append(connection)
        finally:
            self.slots.release()

    def drop_idle(self) -> None:
        with self.lock:
            connections, self.idle = self.idle, []
        for connection in connections:
            connection.close()


class State:
    """What the process knows: its settings, its schema cache, and the one thread that keeps both fresh."""

    def __init__(self, start: Settings, path: Optional[str] = None) -> None:
        self.start = start
        self.path = path
        self.settings = start
        self.pool = Pool(start.db_uri, start.pool_size)
        self.tables: Optional[Tables] = None
        self.listening = False
        self.loads = {"SUCCESS": 0, "FAIL": 0}
        self.load_seconds = 0.0
        self.wake_reader, self.wake_writer = os.pipe()

    @property
    def ready(self) -> bool:
        return self.tables is not None and self.listening

    def poke(self, what: bytes) -> None:
        """Ask the keeper for a reload (`s`chema, `c`onfig) or tell it that the database is lost (`x`)."""
        os.write(self.wake_writer, what)

    def lost(self) -> None:
        self.tables = None
        self.pool.drop_idle()
        self.poke(b"x")

    def load_settings(self, connection: Any) -> None:
        if self.path:
            try:
                self.start = self.settings = self.start.reread(self.path)
            except (OSError, ValueError) as error:
                log(f"Failed re-loading config: {error}")
                return
        if self.start.db_config:
            self.settings = self.start.overlaid(read_database_settings(connection))
        if self.path or self.start.db_config:
            log("Config reloaded")

    def load_tables(self, connection: Any) -> None:
        began = time.monotonic()
        try:
            tables = read_tables(connection, self.settings.schemas)
        except psycopg2.Error:
            self.tables = None
            raise
        self.load_seconds = time.monotonic() - began
        self.tables = tables
        self.loads["SUCCESS"] += 1
        log(f"Schema cache loaded {len(tables)} Relations in {self.load_seconds * 1000:.1f} milliseconds")

    def keep(self) -> None:
        """Connect, load, listen; when any of it fails, wait 1, 2, 4, 8 … seconds and begin again. Never returns."""
        wait = 1
        while True:
            try:
                connection = connect(self.start.db_uri)
                # What the pool still holds is of the server as it was before.
                self.pool.drop_idle()
                try:
                    self.load_settings(connection)
                    if self.settings.channel:
                        with connection.cursor() as cursor:
                            cursor.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self.settings.channel)))
                        log(f'Listening for database notifications on the "{self.settings.channel}" channel')
                    self.load_tables(connection)
                    self.listening = True
                    wait = 1
                    self.listen(connection)
                finally:
                    self.listening = False
                    connection.close()
            except psycopg2.Error as error:
                if credentials_are_wrong(error):
                    die(f"Fatal error encountered. {str(error).strip()}")
                self.loads["FAIL"] += 1
                log(f"Failed to load the schema cache. {error.pgcode or ''} {str(error).strip()}")
            log(f"Attempting to reconnect to the database in {wait} seconds...")
            time.sleep(wait)
            wait = min(wait * 2, RETRY_CAP_SECONDS)
            # What was asked for while it was down is done by the fresh start: nothing shortens the wait.
            while select.select([self.wake_reader], [], [], 0)[0]:
                os.read(self.wake_reader, 4096)

    def listen(self, connection: Any) -> None:
        while True:
            wanted = self.wanted(connection, None)
            if wanted:
                # Several messages in a row cause one reload.
                time.sleep(DEBOUNCE_SECONDS)
                wanted |= self.wanted(connection, 0)
            if "lost" in wanted:
                raise psycopg2.OperationalError("the database went away")
            if "config" in wanted:
                self.load_settings(connection)
            if "schema" in wanted:
                self.load_tables(connection)

    def wanted(self, connection: Any, timeout: Optional[float]) -> set[str]:
        """What notifications and signals ask for; raises when the connection is gone."""
        readable = select.select([connection, self.wake_reader], [], [], timeout)[0]
        wanted = set()
        if self.wake_reader in readable:
            names = {"s": "schema", "c": "config", "x": "lost"}
            wanted |= {names[letter] for letter in os.read(self.wake_reader, 4096).decode()}
        if connection in readable:
            connection.poll()
            while connection.notifies:
                payload = connection.notifies.pop(0).payload
                wanted |= {"reload schema": {"schema"}, "": {"schema"}, "reload config": {"config"}}.get(payload, set())
        return wanted


# --- a request, taken apart -----------------------------------------------------------------------------------------

OPERATORS = {
    "eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "LIKE", "ilike": "ILIKE",
}  # fmt: skip
IS_VALUES = {
    "null": "IS NULL", "not_null": "IS NOT NULL", "true": "IS TRUE", "false": "IS FALSE", "unknown": "IS UNKNOWN",
}  # fmt: skip
LOWER_FIRST = "The lower boundary must be lower than or equal to the upper boundary in the Range header."
RESERVED = ("select", "order", "limit", "offset", "columns", "on_conflict", "and", "or", "not.and", "not.or")


def parse_error(message: str, details: Optional[str] = None) -> RefusalError:
    return RefusalError(400, "PGRST100", message, details)


def split_list(text: str) -> list[str]:
    """`a,"b,c",d` as three values; inside quotes a backslash takes the next character as it is."""
    values, current, quoted, index = [], "", False, 0
    while index < len(text):
        char = text[index]
        if quoted and char == "\\" and index + 1 < len(text):
            index += 1
            current += text[index]
        elif char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            values.append(current)
            current = ""
        else:
            current += char
        index += 1
    return [*values, current] if text else []


def column_names(text: str, parameter: str) -> list[str]:
    names = split_list(text)
    for name in names:
        if re.search(r"[()]|->|::|:|^\.\.\.", name):
            raise not_covered(f"'{name}' in {parameter}=")
    return [name.strip() for name in names]


def filter_sql(column: str, condition: str) -> sql.Composable:
    negated = condition.startswith("not.")
    operator, dot, value = (condition[4:] if negated else condition).partition(".")
    if not dot:
        raise parse_error(f'"failed to parse filter ({condition})"')
    if re.search(r"->|\.", column):
        raise not_covered(f"a filter on '{column}'")
    left = sql.SQL("t.{}").format(sql.Identifier(column))
    if operator in OPERATORS:
        literal = value.replace("*", "%") if operator in ("like", "ilike") else value
        test: sql.Composable = sql.SQL("{} {} {}").format(left, sql.SQL(OPERATORS[operator]), sql.Literal(literal))
    elif operator == "is":
        if value.lower() not in IS_VALUES:
            raise parse_error(f'"failed to parse filter (is.{value})"')
        test = sql.SQL("{} {}").format(left, sql.SQL(IS_VALUES[value.lower()]))
    elif operator == "in":
        if not (value.startswith("(") and value.endswith(")")):
            raise parse_error(f'"failed to parse filter (in.{value})"')
        members = [sql.Literal(member) for member in split_list(value[1:-1])]
        test = sql.SQL("{} IN ({})").format(left, sql.SQL(", ").join(members)) if members else sql.SQL("false")
    else:
        raise not_covered(f"the operator '{operator}'")
    return sql.SQL("NOT ({})").format(test) if negated else test


def order_sql(text: str) -> sql.Composable:
    terms: list[sql.Composable] = []
    for term in text.split(","):
        name, *words = term.split(".")
        allowed = {"asc": "ASC", "desc": "DESC", "nullsfirst": "NULLS FIRST", "nullslast": "NULLS LAST"}
        if not name or any(word not in allowed for word in words) or "(" in term or "->" in name:
            raise parse_error(f'"failed to parse order ({text})"')
        terms.append(
            sql.SQL(" ").join([sql.SQL("t.{}").format(sql.Identifier(name)), *(sql.SQL(allowed[w]) for w in words)])
        )
    return sql.SQL(" ORDER BY ") + sql.SQL(", ").join(terms)


@dataclass
class Query:
    """The parts of a request's query string and headers that a statement is made of."""

    select: list[str]
    where: sql.Composable
    order: sql.Composable
    limit: Optional[int]
    offset: int
    columns: Optional[list[str]]
    prefer: dict[str, str]
    singular: bool

    @classmethod
    def of(cls, text: str, headers: Mapping[str, str], ranged: bool) -> "Query":
        pairs = urllib.parse.parse_qsl(text, keep_blank_values=True)
        single = {name: value for name, value in pairs if name in RESERVED}
        for name in ("and", "or", "not.and", "not.or", "on_conflict"):
            if name in single:
                raise not_covered(f"{name}=")
        filters = [filter_sql(name, value) for name, value in pairs if name not in RESERVED]
        prefer = {
            part.strip().partition("=")[0]: part.strip().partition("=")[2]
            for part in headers.get("Prefer", "").split(",")
            if part.strip()
        }
        if "resolution" in prefer:
            raise not_covered("Prefer: resolution")
        if prefer.get("count", "exact") != "exact":
            raise not_covered(f"Prefer: count={prefer['count']}")
        numbers = {name: as_int(single.get(name), None) for name in ("limit", "offset")}
        for name, number in numbers.items():
            if name in single and (number is None or number < 0):
                raise parse_error(f'"failed to parse {name} ({single[name]})"')
        limit, offset = numbers["limit"], numbers["offset"] or 0
        match = re.match(r"(?:items=)?(\d+)-(\d*)$", headers.get("Range", "")) if ranged else None
        if match:
            first, last = int(match.group(1)), match.group(2)
            if last and int(last) < first:
                raise RefusalError(416, "PGRST103", "Requested range not satisfiable", LOWER_FIRST)
            offset += first
            if last:
                limit = int(last) - first + 1 if limit is None else min(limit, int(last) - first + 1)
        return cls(
            select=[] if single.get("select", "*") in ("", "*") else column_names(single["select"], "select"),
            where=sql.SQL(" WHERE ") + sql.SQL(" AND ").join(filters) if filters else sql.SQL(""),
            order=order_sql(single["order"]) if single.get("order") else sql.SQL(""),
            limit=limit,
            offset=offset,
            columns=column_names(single["columns"], "columns") if "columns" in single else None,
            prefer=prefer,
            singular="application/vnd.pgrst.object" in headers.get("Accept", ""),
        )

    @property
    def selected(self) -> sql.Composable:
        names = [
            sql.SQL("t.*") if name == "*" else sql.SQL("t.{}").format(sql.Identifier(name)) for name in self.select
        ]
        return sql.SQL(", ").join(names) if names else sql.SQL("t.*")

    @property
    def returning(self) -> sql.Composable:
        """As `selected`; an UPDATE ... FROM would else return the columns of its source too."""
        return sql.SQL(" RETURNING ") + self.selected


def payload_of(body: bytes, query: Query, known: list[str], table: str) -> tuple[list[dict[str, Any]], list[str]]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        raise RefusalError(400, "PGRST102", "Empty or invalid json") from None
    rows = document if isinstance(document, list) else [document]
    if not all(isinstance(row, dict) for row in rows):
        raise RefusalError(400, "PGRST102", "Empty or invalid json")
    if query.columns is not None:
        columns = query.columns
    else:
        columns = list(rows[0]) if rows else []
        if any(set(row) != set(columns) for row in rows):
            raise RefusalError(400, "PGRST102", "All object keys must match")
    for column in columns:
        if column not in known:
            raise RefusalError(
                400, "PGRST204", f"Could not find the '{column}' column of '{table}' in the schema cache"
            )
    return rows, columns


@dataclass
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Request:
    """One request against one table, as one transaction."""

    def __init__(self, state: State, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        self.state = state
        self.settings = state.settings
        self.method = method
        self.headers = headers
        self.body = body
        url = urllib.parse.urlsplit(target)
        self.path = urllib.parse.unquote(url.path)
        self.query_text = url.query
        self.claims: dict[str, Any] = {}
        self.authenticated = False

    def answer(self) -> Answer:
        if self.method == "OPTIONS":
            return Answer(200, headers={"Allow": "OPTIONS,GET,HEAD,POST,PATCH,DELETE"})
        tables = self.state.tables
        if tables is None:
            raise RefusalError(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")
        role = self.role()
        if self.method not in ("GET", "HEAD", "POST", "PATCH", "DELETE"):
            if self.method == "PUT":
                raise not_covered("PUT")
            raise RefusalError(405, "PGRST117", f"Unsupported HTTP method: {self.method}")
        schema = self.schema()
        if self.path == "/":
            return self.transaction(role, schema, lambda cursor: self.root(cursor, schema, tables))
        if self.path.startswith("/rpc/"):
            raise not_covered("calling functions")
        name = self.path[1:]
        if "/" in name:
            raise RefusalError(404, "PGRST125", "Invalid path specified in request URL")
        if (schema, name) not in tables:
            near = difflib.get_close_matches(name, [t for s, t in tables if s == schema], 1, 0.6)
            raise RefusalError(
                404,
                "PGRST205",
                f"Could not find the table '{schema}.{name}' in the schema cache",
                hint=f"Perhaps you meant the table '{schema}.{near[0]}'" if near else None,
            )
        query = Query.of(self.query_text, self.headers, self.method in ("GET", "HEAD"))
        known = tables[(schema, name)]
        table = sql.Identifier(schema, name)
        if self.method in ("GET", "HEAD"):
            return self.transaction(role, schema, lambda cursor: self.read(cursor, table, query))
        if self.method == "DELETE":
            if self.query_text == "" and self.body:
                raise not_covered("a DELETE with a body")
            statement: sql.Composable = sql.SQL("DELETE FROM {} t{}").format(table, query.where)
        else:
            statement = self.writing(table, query, known, name)
        return self.transaction(role, schema, lambda cursor: self.write(cursor, statement, query, name))

    def role(self) -> str:
        scheme, _space, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self.claims = claims_of(token.strip(), self.settings)
            role = self.claims.get("role")
            if isinstance(role, str) and role:
                self.authenticated = True
                return role
        if self.settings.anon_role is None:
            raise RefusalError(401, "PGRST302", "Anonymous access is disabled")
        self.claims = {**self.claims, "role": self.settings.anon_role}
        return self.settings.anon_role

    def schema(self) -> str:
        header = "Accept-Profile" if self.method in ("GET", "HEAD") else "Content-Profile"
        schemas = self.settings.schemas
        wanted = self.headers.get(header) or schemas[0]
        if wanted not in schemas:
            hint = f"Only the following schemas are exposed: {', '.join(schemas)}"
            raise RefusalError(406, "PGRST106", f"Invalid schema: {wanted}", hint=hint)
        return wanted

    def transaction(self, role: str, schema: str, work: Any) -> Answer:
        try:
            with self.state.pool.connection() as connection, connection.cursor() as cursor:
                reading = self.method in ("GET", "HEAD")
                cursor.execute("BEGIN READ ONLY" if reading else "BEGIN")
                try:
                    cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
                    for name, value in self.variables(schema):
                        cursor.execute("SELECT set_config(%s, %s, true)", (name, value))
                    answer: Answer = work(cursor)
                    cursor.execute("COMMIT")
                except BaseException:
                    # On a broken connection there is nothing to roll back, and the first error is the one to tell.
                    with suppress(psycopg2.Error):
                        cursor.execute("ROLLBACK")
                    raise
                return answer
        except psycopg2.Error as error:
            if connection_is_lost(error):
                log(f"Lost the database: {error.pgcode or ''} {str(error).strip()}")
                self.state.lost()
                if isinstance(error, TerminatedError):
                    raise RefusalError(503, "57P01", str(error)) from None
                if error.pgcode is None:
                    message = "Database connection error. Retrying the connection."
                    raise RefusalError(503, "PGRST000", message, str(error).strip()) from None
            raise refusal_of(error, self.authenticated) from None

    def variables(self, schema: str) -> list[tuple[str, str]]:
        """The settings that functions such as auth.role() read."""
        lower = {name.lower(): value for name, value in self.headers.items()}
        path = [schema, *(name for name in self.settings.search_path if name != schema)]
        variables = [
            ("search_path", ", ".join('"' + name.replace('"', '""') + '"' for name in path)),
            ("request.jwt.claims", json.dumps(self.claims)),
            ("request.method", self.method),
            ("request.path", self.path),
            ("request.headers", json.dumps(lower)),
        ]
        if self.settings.legacy_gucs:
            for name, value in self.claims.items():
                if re.match(r"[A-Za-z_][A-Za-z0-9_]*$", name):
                    text = value if isinstance(value, str) else json.dumps(value)
                    variables.append((f"request.jwt.claim.{name}", text))
        variables += [(f"app.settings.{name}", value) for name, value in self.settings.app.items()]
        return variables

    def root(self, cursor: Any, schema: str, tables: Tables) -> Answer:
        names = sorted(name for s, name in tables if s == schema)
        cursor.execute(
            "SELECT n FROM unnest(%s::text[]) n WHERE has_table_privilege(format('%%I.%%I', %s, n),"
            " 'SELECT, INSERT, UPDATE, DELETE')",
            (names, schema),
        )
        verbs: dict[str, Any] = {"get": {}, "post": {}, "patch": {}, "delete": {}}
        paths = {"/": {"get": {}}, **{f"/{row[0]}": verbs for row in cursor.fetchall()}}
        description = {
            "swagger": "2.0",
            "info": {"title": f"{NAME}: a double, not PostgREST", "version": VERSION},
            "paths": paths,
        }
        return Answer(
            200, json.dumps(description).encode(), {"Content-Type": "application/openapi+json; charset=utf-8"}
        )

    def read(self, cursor: Any, table: sql.Composable, query: Query) -> Answer:
        limit = query.limit
        if self.settings.max_rows is not None:
            limit = self.settings.max_rows if limit is None else min(limit, self.settings.max_rows)
        rows = sql.SQL("SELECT {} FROM {} t{}{}{} OFFSET {}").format(
            query.selected,
            table,
            query.where,
            query.order,
            sql.SQL("") if limit is None else sql.SQL(" LIMIT {}").format(sql.Literal(limit)),
            sql.Literal(query.offset),
        )
        cursor.execute(sql.SQL("SELECT count(*), coalesce(json_agg(r), '[]')::text FROM ({}) r").format(rows))
        count, text = cursor.fetchone()
        total: Optional[int] = None
        if query.prefer.get("count") == "exact":
            cursor.execute(sql.SQL("SELECT count(*) FROM {} t{}").format(table, query.where))
            total = cursor.fetchone()[0]
            if query.offset > 0 and query.offset >= total:
                details = f"An offset of {query.offset} was requested, but there are only {total} rows."
                raise RefusalError(416, "PGRST103", "Requested range not satisfiable", details)
        answer = self.rows(200 if total is None or count >= total else 206, text, count, query)
        answer.headers["Content-Range"] = content_range(query.offset, count, total)
        return answer

    def rows(self, status: int, text: str, count: int, query: Query) -> Answer:
        if not query.singular:
            return Answer(status, text.encode(), {"Content-Type": "application/json; charset=utf-8"})
        if count != 1:
            details = f"The result contains {count} rows"
            raise RefusalError(406, "PGRST116", "Cannot coerce the result to a single JSON object", details)
        kind = "application/vnd.pgrst.object+json; charset=utf-8"
        return Answer(status, json.dumps(json.loads(text)[0]).encode(), {"Content-Type": kind})

    def writing(self, table: sql.Composable, query: Query, known: list[str], name: str) -> sql.Composable:
        rows, columns = payload_of(self.body, query, known, name)
        names = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
        if self.method == "POST":
            if not columns:
                if rows and query.columns is None:
                    return sql.SQL("INSERT INTO {} AS t DEFAULT VALUES").format(table)
                return sql.SQL("INSERT INTO {} AS t SELECT * FROM {} WHERE false").format(table, table)
            insert = sql.SQL(
                "INSERT INTO {table} AS t ({names}) SELECT {values}"
                " FROM json_populate_recordset(null::{table}, {rows}::json) p"
            )
            values = sql.SQL(", ").join(sql.SQL("p.{}").format(sql.Identifier(column)) for column in columns)
            return insert.format(table=table, names=names, values=values, rows=sql.Literal(json.dumps(rows)))
        if len(rows) != 1:
            raise RefusalError(400, "PGRST102", "Empty or invalid json")
        if not columns:
            return sql.SQL("DELETE FROM {} t WHERE false").format(table)
        sets = sql.SQL(", ").join(sql.SQL("{0} = p.{0}").format(sql.Identifier(column)) for column in columns)
        return sql.SQL("UPDATE {} t SET {} FROM json_populate_record(null::{}, {}::json) p{}").format(
            table, sets, table, sql.Literal(json.dumps(rows[0])), query.where
        )

    def write(self, cursor: Any, statement: sql.Composable, query: Query, name: str) -> Answer:
        wants_rows = query.prefer.get("return") == "representation"
        status = 201 if self.method == "POST" else 200 if wants_rows else 204
        if not wants_rows:
            # No RETURNING: a role that may write and not read must be able to.
            cursor.execute(statement)
            answer, count = Answer(status), cursor.rowcount
        else:
            cursor.execute(
                sql.SQL("WITH r AS ({}{}) SELECT count(*), coalesce(json_agg(r), '[]')::text FROM r").format(
                    statement, query.returning
                )
            )
            count, text = cursor.fetchone()
            answer = self.rows(status, text, count, query)
        total = count if query.prefer.get("count") == "exact" else None
        if self.method == "POST":
            answer.headers["Content-Range"] = f"*/{'*' if total is None else total}"
        else:
            answer.headers["Content-Range"] = content_range(0, count, total)
        if "return" in query.prefer:
            answer.headers["Preference-Applied"] = f"return={query.prefer['return']}"
        return answer


def content_range(offset: int, count: int, total: Optional[int]) -> str:
    span = f"{offset}-{offset + count - 1}" if count else "*"
    return f"{span}/{'*' if total is None else total}"


# --- HTTP -----------------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: State

    def version_string(self) -> str:
        return f"postgrest-double/{VERSION} (a double, not PostgREST)"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: a scenario's log should show what the process does by itself."""

    def send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.status != 204:
            self.wfile.write(answer.body)


class ApiHandler(Handler):
    def handle_request(self) -> None:
        # HTTP header names are case-insensitive; so are those of email.message.Message, which this is.
        headers: Any = self.headers
        body = self.rfile.read(int(headers.get("Content-Length") or 0))
        try:
            answer = Request(self.state, self.command, self.path, headers, body).answer()
        except RefusalError as refusal:
            answer = Answer(refusal.status, json.dumps(refusal.body).encode())
            answer.headers["Content-Type"] = "application/json; charset=utf-8"
            if refusal.status == 401:
                answer.headers["WWW-Authenticate"] = "Bearer"
        self.send(answer)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = do_PUT = do_OPTIONS = handle_request  # noqa: N815


class AdminHandler(Handler):
    def do_GET(self) -> None:
        state = self.state
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        if self.path == "/live":
            answer = Answer(200)
        elif self.path == "/ready":
            answer = Answer(200 if state.ready else 503)
        elif self.path == "/config":
            answer = Answer(200, state.settings.dump().encode(), plain)
        elif self.path == "/schema_cache":
            tables = {f"{schema}.{name}": columns for (schema, name), columns in (state.tables or {}).items()}
            answer = Answer(200, json.dumps({"dbTables": tables}).encode(), {"Content-Type": "application/json"})
        elif self.path == "/metrics":
            free = len(state.pool.idle)
            lines = [
                "# TYPE pgrst_schema_cache_loads_total counter",
                *(f'pgrst_schema_cache_loads_total{{status="{k}"}} {float(v)}' for k, v in state.loads.items()),
                "# TYPE pgrst_schema_cache_query_time_seconds gauge",
                f"pgrst_schema_cache_query_time_seconds {state.load_seconds:.6f}",
                "# TYPE pgrst_db_pool_available gauge",
                f"pgrst_db_pool_available {float(free)}",
                "# TYPE pgrst_db_pool_max gauge",
                f"pgrst_db_pool_max {float(state.pool.size)}",
            ]
            answer = Answer(200, ("\n".join(lines) + "\n").encode(), plain)
        else:
            answer = Answer(404)
        self.send(answer)

    do_HEAD = do_GET  # noqa: N815 - the base class asks for this name


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve(host: str, port: int, kind: type[Handler], state: State) -> None:
    handler = type(kind.__name__, (kind,), {"state": state})
    try:
        server = Server((host, port), handler)
    except OSError as error:
        die(f"{NAME}: cannot listen on port {port}: {error}")
        raise
    threading.Thread(target=server.serve_forever, daemon=True).start()


def ask_ready(settings: Settings) -> int:
    """`--ready`: the exit status says whether the running server is ready, for health checks."""
    if settings.admin_port is None:
        print("ERROR: Admin server is not enabled. Please set admin-server-port", file=sys.stderr)
        return 1
    try:
        url = f"http://127.0.0.1:{settings.admin_port}/ready"
        with urllib.request.urlopen(url, timeout=5) as response:
            return 0 if response.status == 200 else 1
    except OSError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1


def main(arguments: list[str]) -> int:
    path = next((argument for argument in arguments if not argument.startswith("-")), None)
    try:
        settings = Settings.read(os.environ, path)
    except (OSError, ValueError) as error:
        log(f"Error in config {error}")
        return 1
    if "--ready" in arguments:
        return ask_ready(settings)
    log(f"Starting {NAME} {VERSION}: a double for tests, this is not PostgREST ...")
    problem = settings.problem()
    if problem:
        log(problem)
        return 1
    # Blocked before any thread starts, so that only this thread gets them, by sigwait: nothing delays the end.
    # In its container they are blocked from the first instruction on, see the Dockerfile.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    state = State(settings, path)
    # In this order: /live must not answer before requests can be taken.
    serve(settings.host, settings.port, ApiHandler, state)
    if settings.admin_port is not None:
        serve(settings.host, settings.admin_port, AdminHandler, state)
    log(f"Listening on port {settings.port}")
    threading.Thread(target=state.keep, daemon=True).start()
    while True:
        caught = signal.sigwait(SIGNALS)
        if caught == signal.SIGUSR1:
            state.poke(b"s")
        elif caught == signal.SIGUSR2:
            state.poke(b"c")
        else:
            os._exit(130)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
