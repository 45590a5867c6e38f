# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that an instance serves the wanted database: readiness alone proves neither role nor database.

The steps go from the inside out: the container, ``/live``, ``/ready``, a request as the anonymous role, one with a key
through the gateway, and the instance's own sessions. What fails first is what is told; only then is it asked why.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple
from urllib.parse import quote, urlsplit

from .._core.errors import VerificationError
from . import diagnosis
from .diagnosis import Case, Cause, Facts, Question
from .process import Process, header_of_schema, scrubbed, split_table, table_in

CONTAINER, LIVE, READY, ANONYMOUS, KEY, SESSIONS = "container", "live", "ready", "anonymous", "key", "sessions"
# No step of its own: what `anonymous` or `key` is called where only the schema cache is to blame.
CACHE = "cache"

# What the admin server is.
PRESENT, ABSENT, UNREACHABLE = "present", "absent", "unreachable"

_GATEWAY_CANNOT = (502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
_CODE = re.compile(r"^(PGRST[0-9A-Z]{3}|[0-9A-Z]{5})\Z")
_KEY_EXPIRED = "PGRST303"


class Reply(NamedTuple):
    """What a request met.

    Arguments:
        status: 0 where nobody answered. body: the answer's object, empty where it is none.
        error: why nobody answered. is_reachable: whether anybody could have: an address may be none of this host's.
        location: where a redirect leads.
    """

    status: int
    body: Mapping[str, Any] = {}
    error: str = ""
    is_reachable: bool = True
    location: str = ""

    @property
    def code(self) -> str:
        """PostgREST's code, or Postgres' state; empty where somebody else answered."""
        code = str(self.body.get("code") or "")
        return code if _CODE.match(code) else ""

    @property
    def message(self) -> str:
        """What it says."""
        return str(self.body.get("message") or "")

    def seen(self) -> str:
        """Return it in a few words."""
        if not self.status:
            return self.error or "no answer"
        return " ".join(part for part in (str(self.status), self.code) if part)


class Outside(Protocol):
    """What the proof needs of the world; the module makes it of adapters."""

    def inspect(self) -> Process:
        """Return what the instance's container says now."""

    def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Ask, without following redirects."""

    def sessions(self, addresses: Sequence[str]) -> List[str]:
        """Return the databases in which sessions from these addresses are."""

    def facts(self, process: Process, question: Question) -> Optional[Facts]:
        """Return what the catalogues say; None where they can't be asked."""

    def log(self) -> str:
        """Return the last lines of the container's log."""


def ask_directly(
    get: Callable[[str, Mapping[str, str]], Reply], process: Process, port: int, path: str, headers: Mapping[str, str]
) -> Tuple[str, Reply]:
    """Ask an instance at the first of its own addresses that this host reaches; return the URL and what came of it."""
    url, reply = "", Reply(0, error="it has no address that others reach", is_reachable=False)
    for address in process.addresses if process.listens_outside else ():
        url = process.url(port, path, address)
        reply = get(url, headers)
        if reply.is_reachable:
            break
    return url, reply


@dataclass(frozen=True)
class Wanted:
    """What is to be proven.

    Arguments:
        database: the database that the instance is to serve.
        url, key: a request through the gateway that must answer 200 with the key.
        table: one that must answer 200 to a request without a token, at the instance's own address.
        anonymous_url, anonymous_key: a request that must answer 200 without a token; the key is the gateway's alone.
        ready_url: where ``/ready`` is asked instead of at the container's address.
    """

    database: str
    url: str
    key: str = field(default="", repr=False)
    table: str = ""
    anonymous_url: str = ""
    anonymous_key: str = field(default="", repr=False)
    ready_url: str = ""

    @property
    def key_headers(self) -> Dict[str, str]:
        """The headers of a request with the key."""
        return {"apikey": self.key, "Authorization": "Bearer " + self.key} if self.key else {}

    @property
    def anonymous_headers(self) -> Dict[str, str]:
        """The headers of a request without a token."""
        return {"apikey": self.anonymous_key} if self.anonymous_key else {}


@dataclass(frozen=True)
class Step:
    """A step of the proof, and what was seen.

    Arguments:
        holds: whether it went as it must. reply: the answer, where the step is a request.
        by_gateway: whether it went through the gateway.
    """

    name: str
    holds: bool
    seen: str
    url: str = ""
    reply: Optional[Reply] = None
    by_gateway: bool = False
    databases: Tuple[str, ...] = ()

    def result(self, secrets: Sequence[str]) -> Dict[str, Any]:
        """Return it as the module tells it."""
        found: Dict[str, Any] = {"name": self.name, "holds": self.holds, "seen": scrubbed(self.seen, secrets)}
        if self.url:
            found["url"] = scrubbed(self.url, secrets)
        return found


@dataclass
class Proof:
    """How far a proof has come: the steps of the last round, and what holds for all rounds."""

    wanted: Wanted
    outside: Outside
    process: Process = field(default_factory=lambda: Process("", ""))
    steps: List[Step] = field(default_factory=list)
    admin: str = ABSENT
    # A container's address may be none of this host's (a rootless engine, Docker Desktop): it is asked only once.
    is_direct: bool = True
    unreachable: str = ""

    @property
    def failed(self) -> Optional[Step]:
        """The step that doesn't hold."""
        return next((step for step in self.steps if not step.holds), None)

    def look(self) -> Optional[Step]:
        """Take every step until one doesn't hold; return that, or None."""
        self.steps = []
        self.process = self.outside.inspect()
        if not self.process.runs:
            return self._add(Step(CONTAINER, False, self.process.status))
        self._add(Step(CONTAINER, True, self.process.status))
        for step in (self._live, self._ready, self._direct_anonymous, self._anonymous, self._key, self._sessions):
            failed = step()
            if failed is not None:
                return failed
        return None

    def _add(self, step: Step) -> Optional[Step]:
        self.steps.append(step)
        return None if step.holds else step

    def _request(self, name: str, url: str, headers: Mapping[str, str], by_gateway: bool = False) -> Optional[Step]:
        reply = self.outside.get(url, headers)
        return self._add(Step(name, reply.status == 200, reply.seen(), url, reply, by_gateway))

    def direct(self, port: int, path: str, headers: Mapping[str, str]) -> Tuple[str, Optional[Reply]]:
        """Ask the instance itself, at the first of its addresses that this host reaches; None where there is none."""
        if not self.is_direct:
            return "", None
        url, reply = ask_directly(self.outside.get, self.process, port, path, headers)
        if reply.is_reachable:
            return url, reply
        before, self.process = self.process, self.outside.inspect()
        if self.process != before:
            # It had an address when it was looked at, and has ended since.
            return url, Reply(0, error="it has just ended")
        # Of one that the engine starts again and again it can't be told whether this host would reach it.
        self.is_direct, self.unreachable = bool(before.restarts), reply.error
        return url, None

    def _admin(self, name: str) -> Optional[Step]:
        if self.wanted.ready_url:
            self.admin = PRESENT
            # /live is beside /ready.
            url = self.wanted.ready_url
            if name == LIVE and not url.endswith("/ready"):
                return None
            return self._request(name, url[: -len("ready")] + "live" if name == LIVE else url, {})
        if self.process.admin_port is None:
            self.admin = ABSENT
            return None
        url, reply = self.direct(self.process.admin_port, "/" + name, {})
        if reply is None:
            self.admin = UNREACHABLE
            return None
        self.admin = PRESENT
        return self._add(Step(name, reply.status == 200, reply.seen(), url, reply))

    def _live(self) -> Optional[Step]:
        return self._admin(LIVE)

    def _ready(self) -> Optional[Step]:
        return self._admin(READY)

    def _direct_anonymous(self) -> Optional[Step]:
        if not self.wanted.table:
            return None
        schema, table = split_table(self.wanted.table)
        path = "/%s?limit=0" % quote(table, safe="")
        url, reply = self.direct(self.process.server_port, path, header_of_schema(schema))
        if reply is None:
            return None
        return self._add(Step(ANONYMOUS, reply.status == 200, reply.seen(), url, reply))

    def _anonymous(self) -> Optional[Step]:
        if not self.wanted.anonymous_url:
            return None
        return self._request(ANONYMOUS, self.wanted.anonymous_url, self.wanted.anonymous_headers, True)

    def _key(self) -> Optional[Step]:
        return self._request(KEY, self.wanted.url, self.wanted.key_headers, True)

    def _sessions(self) -> Optional[Step]:
        databases = tuple(sorted(set(self.outside.sessions(self.process.addresses))))
        holds = databases == (self.wanted.database,)
        return self._add(Step(SESSIONS, holds, ", ".join(databases) or "none", databases=databases))

    def beside(self, step: Step) -> Optional[Reply]:
        """Ask the instance itself what was asked through the gateway; None where this host doesn't reach it."""
        parts = urlsplit(step.url)
        table = table_in(step.url)
        path = "/%s" % quote(table, safe="") + ("?" + parts.query if table and parts.query else "")
        headers = {} if step.name == ANONYMOUS else self.wanted.key_headers
        return self.direct(self.process.server_port, path, headers)[1]

    def warnings(self) -> List[str]:
        """Return what isn't wrong, but keeps the proof from being whole."""
        name = self.process.name
        if self.admin == ABSENT:
            return [
                "Instance %s has no admin-server-port in its environment: whether it is alive and ready can't be asked."
                " Set it, for example to 3001, with postgrest_config: {settings: {admin-server-port: 3001}}." % name
            ]
        if not self.is_direct or self.admin == UNREACHABLE:
            return [
                "This host doesn't reach container %s at %s (%s): only what goes through the gateway was asked."
                " Publish its admin-server-port on 127.0.0.1, and name the URL of /ready as ready_url."
                % (name, " or ".join(self.process.addresses) or "any address", self.unreachable or "another machine's")
            ]
        return []

    def secrets(self) -> List[str]:
        """Return the texts that must not be shown."""
        return [self.wanted.key, self.wanted.anonymous_key, *self.process.secrets()]

    def result(self) -> Dict[str, Any]:
        """Return the steps as the module tells them."""
        secrets = self.secrets()
        return {"admin": self.admin, "steps": [step.result(secrets) for step in self.steps]}

    def error(self) -> VerificationError:
        """Return what is wrong, why, and what mends it. It asks once more, and the catalogues too."""
        step = self.failed
        if step is None:
            raise ValueError("nothing failed")
        beside = self.beside(step) if step.by_gateway and step.reply is not None else None
        failed, cause = judge(step, self.wanted, self.case(step), beside)
        secrets = self.secrets()
        return VerificationError(
            scrubbed(cause.why + ".", secrets), scrubbed(cause.remedy, secrets), failed_step=failed, **self.result()
        )

    def case(self, step: Step) -> Case:
        """Return all that is known of the instance; the one place that asks the catalogues and reads the log."""
        schema, table = split_table(self.wanted.table)
        if step.by_gateway or not table:
            schema, table = "", table_in(step.url or self.wanted.url)
        # What its db-uri names is what it reads; what is wanted may be another one.
        database = self.process.database or self.wanted.database
        question = Question(database, table, schema, diagnosis.role_of(self.wanted.key))
        # libpq puts pieces of a URI that it can't read into its message: no mask would find them.
        log = "" if self.process.uri_problem[0] else scrubbed(self.outside.log(), self.secrets())
        return Case(self.process, question, self.outside.facts(self.process, question), log)


def judge(step: Step, wanted: Wanted, case: Case, beside: Optional[Reply] = None) -> Tuple[str, Cause]:
    """Return what a step that doesn't hold is called, and its cause as a sentence with its remedy.

    Arguments:
        beside: what the instance itself answers to a request that failed at the gateway; None where it wasn't asked.
    """
    name = case.process.name
    if step.name == CONTAINER:
        cause = diagnosis.why_it_ends(case)
        return CONTAINER, Cause("Instance %s %s: %s" % (name, _state(case.process), cause.why), cause.remedy)
    if step.name == LIVE:
        cause = diagnosis.why_it_ends(case)
        return LIVE, Cause(
            "Instance %s isn't alive (/live: %s)%s: %s" % (name, step.seen, _again(case.process), cause.why),
            cause.remedy,
        )
    if step.name == READY:
        cause = diagnosis.why_not_ready(case)
        return READY, Cause("Instance %s isn't ready (/ready: %s): %s" % (name, step.seen, cause.why), cause.remedy)
    if step.name == SESSIONS:
        return SESSIONS, _wrong_sessions(step, wanted, case)
    reply = step.reply or Reply(0)
    if step.by_gateway:
        found = _at_gateway(step, reply, case, beside)
        if found is not None:
            return step.name, found
    return _refused(step, reply, case, wanted)


def _again(process: Process) -> str:
    return ", and was started again %d times" % process.restarts if process.restarts else ""


def _state(process: Process) -> str:
    if process.status == "restarting":
        return "ends with status %d%s" % (process.exit_code, _again(process))
    if process.status == "created":
        return "was never started"
    return "isn't running: it is %s since %s, with exit status %d" % (
        process.status,
        process.finished_at,
        process.exit_code,
    )


def _at_gateway(step: Step, reply: Reply, case: Case, beside: Optional[Reply]) -> Optional[Cause]:
    """Return what the gateway is to blame for; None where the answer is the instance's own."""
    name = case.process.name
    itself = ""
    if beside is not None and beside.status == 200:
        itself = " Instance %s itself answers." % name
    elif beside is not None:
        itself = " Instance %s itself answers with %s." % (name, beside.seen())
    is_away = case.process.restarts > 0 if beside is None else not beside.status
    if reply.status in _GATEWAY_CANNOT and not reply.code and is_away:
        cause = diagnosis.why_it_ends(case)
        return Cause(
            "The gateway doesn't reach instance %s (%d), which doesn't listen%s: %s"
            % (name, reply.status, _again(case.process), cause.why),
            cause.remedy,
        )
    if not reply.status:
        return Cause(
            "Nobody answers at %s: %s" % (step.url, reply.error.rstrip(".") or "no answer"),
            "See whether the gateway runs and publishes that port.%s" % itself,
        )
    if reply.code:
        return None
    if reply.status == 404:
        return Cause(
            "The gateway has no such route (404): %s" % step.url,
            "Add it with gateway_route, and reload the gateway.%s" % itself,
        )
    if reply.status in (401, 403):
        return Cause(
            "The gateway refuses the key (%d)" % reply.status,
            "Give the key that the gateway knows%s.%s"
            % (" (apikey_variable)" if step.name == KEY else " (anonymous_apikey_variable)", itself),
        )
    if reply.status in _GATEWAY_CANNOT:
        return Cause(
            "The gateway doesn't reach the instance (%d): %s" % (reply.status, step.url),
            "Compare the route's host and port with instance %s, port %d, and see whether both are on one network.%s"
            % (name, case.process.server_port, itself),
        )
    if reply.status in _REDIRECTS:
        return Cause(
            "The request is answered with %d, which leads to %s" % (reply.status, reply.location or "nowhere"),
            "Name that URL: a key isn't carried elsewhere.",
        )
    return Cause(
        "The request is answered with %d: %s" % (reply.status, reply.message.rstrip(".") or "no message"),
        "See the logs of the gateway and of instance %s.%s" % (name, itself),
    )


def _refused(step: Step, reply: Reply, case: Case, wanted: Wanted) -> Tuple[str, Cause]:
    of_key = step.name == KEY and bool(wanted.key)
    role = case.question.key_role if of_key else ""
    if not of_key:
        role = case.process.anonymous_role if case.facts is None else case.facts.anonymous_role
    if not reply.status:
        cause = diagnosis.why_it_ends(case)
        return step.name, Cause("Nobody answers at %s: %s" % (step.url, cause.why), cause.remedy)
    if reply.code == "PGRST205" and case.process.database not in ("", wanted.database):
        return SESSIONS, _wrong_database(case.process.database, wanted.database)
    cause = diagnosis.why_refused(case, reply.code, reply.message, role, of_key, wanted.key if of_key else "")
    who = "with the key" if of_key else "without a token"
    return (
        CACHE if reply.code == "PGRST205" else step.name,
        Cause(
            "Instance %s answers a request %s with %d: %s" % (case.process.name, who, reply.status, cause.why),
            cause.remedy,
        ),
    )


def _wrong_sessions(step: Step, wanted: Wanted, case: Case) -> Cause:
    if not step.databases:
        return Cause(
            "The instance has no session in any database of this server",
            "See whether its db-uri leads to this server, without a pooler between, and its log.",
        )
    wrong = ", ".join(database for database in step.databases if database != wanted.database)
    named = case.process.database
    if named and named != wanted.database:
        return _wrong_database(wrong, wanted.database)
    return Cause(
        "The instance is connected to %s, not to %s" % (wrong, wanted.database),
        "Give it a new container: its environment can't change while it runs.",
    )


def _wrong_database(found: str, wanted: str) -> Cause:
    return Cause(
        "The instance is connected to %s, not to %s: its db-uri says so" % (found, wanted),
        "Name the other one with postgrest_config: database. %s" % diagnosis.NEW_CONTAINER,
    )


def is_final(step: Step) -> bool:
    """Return whether waiting can't mend it: a key that has expired stays so."""
    return step.reply is not None and step.reply.code == _KEY_EXPIRED and "expired" in step.reply.message.lower()


def prove(proof: Proof, clock: Callable[[], float], pause: Callable[[], None], timeout_s: float) -> Dict[str, Any]:
    """Look until everything holds; return the steps, and how long that took.

    Raises:
        VerificationError: the time is over. It says what failed last, why, and what mends it.
    """

    def look() -> Optional[VerificationError]:
        failed = proof.look()
        wrong = None if failed is None else VerificationError("The step %s fails." % failed.name)
        if failed is not None and wrong is not None and is_final(failed):
            raise wrong
        return wrong

    try:
        waited = wait_for(look, clock, pause, timeout_s)
    except VerificationError:
        raise proof.error() from None
    return {**proof.result(), **waited}


def wait_for(
    ask: Callable[[], Optional[VerificationError]],
    clock: Callable[[], float],
    pause: Callable[[], None],
    timeout_s: float,
) -> Dict[str, Any]:
    """Ask until nothing is wrong. Raises the last VerificationError when the time is over."""
    began = clock()
    while True:
        wrong = ask()
        if wrong is None:
            return {"waited_s": round(clock() - began, 2)}
        if clock() - began >= timeout_s:
            raise wrong
        pause()
