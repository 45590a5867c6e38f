# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the users and the admins of the three programs in stack/compose.yaml do.

Usage: programs.py prepare|upgrade PROGRAM... | use PROGRAM MARK | read PROGRAM FACTS

A program is synapse, airflow or tryton. ``use`` prints, as JSON, the facts that ``read`` takes later. A wrong answer
of a program ends it with that answer.
"""

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Tuple

USER = "anna"
PASSWORD = "password-of-anna"
WAIT_S = 90
Facts = Dict[str, Any]


class ProgramError(Exception):
    """A program didn't do what its user asked of it."""


def call(method: str, url: str, body: Any = None, authorization: Optional[str] = None) -> Any:
    """Return what a program answers to a request, read as JSON."""
    headers = {"Content-Type": "application/json"}
    if authorization is not None:
        headers["Authorization"] = authorization
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        raise ProgramError("%s %s: %s %s" % (method, url, error.code, text)) from None
    except (OSError, ValueError) as error:
        raise ProgramError("%s %s: %s" % (method, url, error)) from None


def same(what: str, seen: Any, expected: Any) -> None:
    """Raise where a program shows something else than was put in."""
    if seen != expected:
        raise ProgramError("%s: %r instead of %r" % (what, seen, expected))


def quoted(text: str) -> str:
    """Return a text as a part of a URL's path."""
    return urllib.parse.quote(text, safe="")


class Program:
    """What is the same for all: a container, and a port on this machine that leads into it."""

    name = ""
    port = 0
    # A request that it answers as soon as it serves.
    health: Tuple[str, str, Any] = ("GET", "/", None)

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def inside(self, *argv: str, stdin: str = "") -> str:
        """Return what a command in the container prints; with its errors, for they are the reason where it fails."""
        done = subprocess.run(
            ["docker", "exec", "--interactive", "tenants-%s" % self.name, *argv],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ProgramError("%s: %s: exit status %d\n%s" % (self.name, argv[0], done.returncode, done.stdout))
        return done.stdout

    def wait(self) -> None:
        """Return when the program serves."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                method, path, body = self.health
                call(method, self.url(path), body)
                return
            except ProgramError as error:
                if time.monotonic() > deadline:
                    raise ProgramError("%s doesn't serve after %d s: %s" % (self.name, WAIT_S, error)) from None
            time.sleep(0.3)

    def prepare(self) -> None:
        """Do what has to be done once, before anybody can log in."""
        raise NotImplementedError

    def use(self, mark: str) -> Facts:
        """Make something that bears the mark, and return what is to be found again."""
        raise NotImplementedError

    def read(self, facts: Facts) -> None:
        """Find again what was made."""
        raise NotImplementedError

    def upgrade(self) -> None:
        """Do what the program's next version would do to its tables, by its own commands."""
        raise NotImplementedError


class Synapse(Program):
    """A home server: its user talks in a room."""

    name = "synapse"
    port = 18008
    health = ("GET", "/_matrix/client/versions", None)
    configuration = "/data/homeserver.yaml"
    # An index that an earlier version has asked for in the same way.
    index = "users_have_local_media"

    def prepare(self) -> None:
        """Register a user. The tables are there: Synapse makes them when it starts."""
        self.inside(
            *("python3", "-m", "synapse._scripts.register_new_matrix_user", "--config", self.configuration),
            *("--user", USER, "--password", PASSWORD, "--no-admin", "http://127.0.0.1:8008"),
        )

    def use(self, mark: str) -> Facts:
        """Say something in a new room."""
        token = self._log_in()
        room = self._call("POST", "/createRoom", {"name": mark, "preset": "private_chat"}, token)["room_id"]
        message = {"msgtype": "m.text", "body": "Hello %s" % mark}
        path = "/rooms/%s/send/m.room.message/%s" % (quoted(room), quoted(mark))
        event = self._call("PUT", path, message, token)["event_id"]
        facts = {"room": room, "name": mark, "event": event, "body": message["body"]}
        self.read(facts)
        return facts

    def read(self, facts: Facts) -> None:
        """Read the room's name and what was said in it."""
        token = self._log_in()
        room = "/rooms/%s" % quoted(facts["room"])
        same("the room's name", self._call("GET", room + "/state/m.room.name", None, token)["name"], facts["name"])
        event = self._call("GET", "%s/event/%s" % (room, quoted(facts["event"])), None, token)
        same("the message", event["content"]["body"], facts["body"])
        if facts["room"] not in self._call("GET", "/joined_rooms", None, token)["joined_rooms"]:
            raise ProgramError("%s is no longer in the room %s" % (USER, facts["room"]))

    def upgrade(self) -> None:
        """Ask for an index, as a file of changes to the schema does, and have it made."""
        self.inside("python3", "-", self.index, stdin=ASK_FOR_INDEX)
        self.inside(
            *("python3", "-m", "synapse._scripts.update_synapse_database"),
            *("--database-config", self.configuration, "--run-background-updates"),
        )
        left = self.inside("python3", "-", self.index, stdin=INDEX_IS_MADE)
        same("the index %s" % self.index, left.strip(), "made")

    def _call(self, method: str, path: str, body: Any, token: str) -> Any:
        return call(method, self.url("/_matrix/client/v3" + path), body, "Bearer %s" % token)

    def _log_in(self) -> str:
        user = {"type": "m.id.user", "user": USER}
        body = {"type": "m.login.password", "identifier": user, "password": PASSWORD}
        return str(call("POST", self.url("/_matrix/client/v3/login"), body)["access_token"])


CONNECT = """
import os, sys, psycopg2
names = {"host": "HOST", "dbname": "NAME", "user": "USER", "password": "PASSWORD"}
connection = psycopg2.connect(**{name: os.environ["DATABASE_" + part] for name, part in names.items()})
connection.autocommit = True
cursor = connection.cursor()
"""
ASK_FOR_INDEX = (
    CONNECT
    + """
cursor.execute("DROP INDEX %s" % sys.argv[1])
cursor.execute("INSERT INTO background_updates (update_name, progress_json) VALUES (%s, '{}')", sys.argv[1:])
"""
)
INDEX_IS_MADE = (
    CONNECT
    + """
cursor.execute("SELECT to_regclass(%s) IS NOT NULL AND NOT EXISTS (SELECT FROM background_updates)", sys.argv[1:])
print("made" if cursor.fetchone()[0] else "missing")
"""
)


class Airflow(Program):
    """A scheduler's API server: its user keeps a pool, a variable and a connection, and lets somebody else in."""

    name = "airflow"
    port = 18080
    health = ("GET", "/api/v2/monitor/health", None)
    # The release before, whose tables differ.
    before = "3.2.0"

    def prepare(self) -> None:
        """Make the first user. The tables are there: the container makes them when it starts."""
        self.inside(
            *("airflow", "users", "create", "--role", "Admin", "--username", USER, "--password", PASSWORD),
            *("--firstname", "Anna", "--lastname", "Admin", "--email", "anna@tenants.test"),
        )

    def use(self, mark: str) -> Facts:
        """Make one of each."""
        token = self._log_in(USER)
        self._call("POST", "/api/v2/pools", {"name": mark, "slots": 7}, token)
        self._call("POST", "/api/v2/variables", {"key": mark, "value": "value of %s" % mark}, token)
        connection = {"connection_id": mark, "conn_type": "http", "host": "%s.test" % mark, "password": PASSWORD}
        self._call("POST", "/api/v2/connections", connection, token)
        user = {"username": mark, "password": PASSWORD, "email": "%s@tenants.test" % mark}
        names = {"first_name": mark, "last_name": "User", "roles": [{"name": "Admin"}]}
        self._call("POST", "/auth/fab/v1/users", {**user, **names}, token)
        facts = {"mark": mark, "slots": 7, "value": "value of %s" % mark, "host": connection["host"]}
        self.read(facts)
        return facts

    def read(self, facts: Facts) -> None:
        """Log in as the one who was let in, and see the rest."""
        mark = quoted(facts["mark"])
        self._log_in(USER)
        token = self._log_in(facts["mark"])
        same("the pool's slots", self._call("GET", "/api/v2/pools/%s" % mark, None, token)["slots"], facts["slots"])
        # Encrypted in the database.
        variable = self._call("GET", "/api/v2/variables/%s" % mark, None, token)
        same("the variable", variable["value"], facts["value"])
        connection = self._call("GET", "/api/v2/connections/%s" % mark, None, token)
        same("the connection's host", connection["host"], facts["host"])

    def upgrade(self) -> None:
        """Go back to the release before, and forth again: at its own release there is nothing to migrate."""
        self.inside("airflow", "db", "downgrade", "--to-version", self.before, "--yes")
        self.inside("airflow", "db", "migrate")

    def _call(self, method: str, path: str, body: Any, token: str) -> Any:
        return call(method, self.url(path), body, "Bearer %s" % token)

    def _log_in(self, user: str) -> str:
        answer = call("POST", self.url("/auth/token"), {"username": user, "password": PASSWORD})
        return str(answer["access_token"])


class Tryton(Program):
    """An ERP: its user keeps the addresses of a party."""

    name = "tryton"
    port = 18069
    health = ("POST", "/", {"id": 0, "method": "common.server.version", "params": []})
    user = "admin"

    def prepare(self) -> None:
        """Make the tables of the modules, and set the admin's password."""
        self._admin("--update", "account", "--activate-dependencies", "--email", "admin@tenants.test")

    def use(self, mark: str) -> Facts:
        """Make a party with an address; its code is the next number of a sequence."""
        session = self._log_in()
        address = {"street": "1 %s Road" % mark, "city": "Test"}
        party = {"name": mark, "addresses": [["create", [address]]]}
        (number,) = self._model("party.party.create", [[party]], session)
        (made,) = self._model("party.party.read", [[number], ["code"]], session)
        if not made["code"]:
            raise ProgramError("the party %s has no code" % mark)
        facts = {"party": number, "name": mark, "code": made["code"], **address}
        self.read(facts)
        return facts

    def read(self, facts: Facts) -> None:
        """Read the party, and its address by itself; find it by a part of its name."""
        session = self._log_in()
        (party,) = self._model("party.party.read", [[facts["party"]], ["name", "code", "addresses"]], session)
        same("the party's name", party["name"], facts["name"])
        same("the party's code", party["code"], facts["code"])
        (address,) = self._model("party.address.read", [party["addresses"], ["street", "city"]], session)
        same("the street", address["street"], facts["street"])
        same("the city", address["city"], facts["city"])
        pattern = "%%%s%%" % facts["name"][1:]
        found = self._model("party.party.search", [[["name", "ilike", pattern]]], session)
        if facts["party"] not in found:
            raise ProgramError("no party is found by %s" % pattern)

    def upgrade(self) -> None:
        """Update all modules."""
        self._admin("--all")

    def _admin(self, *options: str) -> None:
        # The password comes in by the standard input, where it is asked for.
        script = 'TRYTONPASSFILE=/dev/stdin exec trytond-admin --database "$DATABASE_NAME" "$@"'
        self.inside("sh", "-c", script, "trytond-admin", *options, stdin=PASSWORD)

    def _call(self, method: str, params: List[Any], authorization: Optional[str] = None) -> Any:
        database = self.inside("printenv", "DATABASE_NAME").strip()
        body = {"id": 0, "method": method, "params": params}
        answer = call("POST", self.url("/%s/" % quoted(database)), body, authorization)
        if "error" in answer:
            raise ProgramError("%s: %s" % (method, answer["error"]))
        return answer["result"]

    def _model(self, method: str, params: List[Any], session: str) -> Any:
        return self._call("model.%s" % method, [*params, {}], session)

    def _log_in(self) -> str:
        number, key = self._call("common.db.login", [self.user, {"password": PASSWORD}])[:2]
        return "Session %s" % base64.b64encode(("%s:%s:%s" % (self.user, number, key)).encode()).decode()


PROGRAMS: Dict[str, Program] = {program.name: program for program in (Synapse(), Airflow(), Tryton())}


def _of(program: str) -> Program:
    found = PROGRAMS[program]
    found.wait()
    return found


def prepare(program: str) -> None:
    """Do what has to be done once, before anybody can log in."""
    _of(program).prepare()


def use(program: str, mark: str) -> Facts:
    """Log in, make something that bears the mark (lowercase letters) and needs sequences, and return its facts."""
    return _of(program).use(mark)


def read(program: str, facts: Facts) -> None:
    """Log in and find again what ``use`` has made; raise ProgramError where anything is missing or other."""
    _of(program).read(facts)


def upgrade(program: str) -> None:
    """Change the tables by the program's own commands, as only their owner may; raise with their output."""
    _of(program).upgrade()


def main(argv: List[str]) -> None:
    """Run one command; prepare and upgrade at once for all programs that are named."""
    command, names = (argv + [""])[0], argv[1:]
    if command in ("prepare", "upgrade") and names and set(names) <= set(PROGRAMS):
        with ThreadPoolExecutor() as pool:
            list(pool.map(prepare if command == "prepare" else upgrade, names))
    elif command == "use" and len(names) == 2 and names[0] in PROGRAMS:
        print(json.dumps(use(names[0], names[1])))
    elif command == "read" and len(names) == 2 and names[0] in PROGRAMS:
        read(names[0], json.loads(names[1]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ProgramError as error:
        sys.exit(str(error))
