# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgREST instance as its container shows it: whether it runs, where it listens, and what it was told."""

import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple
from urllib.parse import unquote, urlsplit

from .._core.inspection import addresses_of, environment_of
from . import uri
from .gateway import for_display
from .settings import PREFIX, find

DEFAULT_PORT = 3000
DEFAULT_CHANNEL = "pgrst"
# What db-uri says where it is taken over from Supabase.
DEFAULT_LOGIN = "authenticator"

_MASK = "********"
# What is shorter is also a part of common words: it is masked where it stands alone.
_SHORTEST_MASKED_EVERYWHERE = 8
_LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
# What only keeps us from changing the database: to the process itself it is fine.
_HARMLESS = ("several hosts", "a database too", "no database", "read from a file")


@dataclass(frozen=True)
class Process:
    """What one inspection says of an instance.

    Arguments:
        name: the container's. status: as the engine has it: ``running``, ``restarting``, ``exited`` …
        exit_code: of its last end. restarts: how often the engine has started it again.
        finished_at: when it last ended. addresses: its own, on the networks that it is on.
        environment: its variables, secrets and all; never shown.
    """

    name: str
    status: str
    exit_code: int = 0
    restarts: int = 0
    finished_at: str = ""
    addresses: Tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, inspection: Mapping[str, Any]) -> "Process":
        """Return what ``docker inspect`` says."""
        state = inspection["State"]
        return cls(
            str(inspection.get("Name", "")).lstrip("/"),
            str(state.get("Status")),
            int(state.get("ExitCode") or 0),
            int(inspection.get("RestartCount") or 0),
            str(state.get("FinishedAt") or "")[:19],
            tuple(addresses_of(inspection)),
            environment_of(inspection),
        )

    @property
    def runs(self) -> bool:
        """Whether it runs. One that the engine is about to start again doesn't, though the engine says so too."""
        return self.status == "running"

    def setting(self, name: str) -> str:
        """Return a setting's value in the environment, also under an older name; empty where it isn't set."""
        return next((self.environment[item] for item in find(name).variables if self.environment.get(item)), "")

    @property
    def admin_port(self) -> Optional[int]:
        """The port of /live and /ready; None where it has none."""
        return _port(self.setting("admin-server-port"))

    @property
    def server_port(self) -> int:
        """The port of requests."""
        return _port(self.setting("server-port")) or DEFAULT_PORT

    @property
    def listens_outside(self) -> bool:
        """Whether others than itself reach it by its address."""
        return self.setting("server-host") not in _LOCAL_HOSTS and not self.setting("server-unix-socket")

    @property
    def schemas(self) -> Tuple[str, ...]:
        """The schemas that it serves; requests that name none mean the first."""
        return schemas_of(self.setting("db-schemas")) or ("public",)

    @property
    def anonymous_role(self) -> str:
        """The role of requests without a token; empty where there is none."""
        return self.setting("db-anon-role")

    @property
    def channel(self) -> str:
        """The channel on which it is told to reload; empty where it listens on none."""
        enabled = self.setting("db-channel-enabled").lower() not in ("false", "no", "off", "0")
        return (self.setting("db-channel") or DEFAULT_CHANNEL) if enabled else ""

    @property
    def reads_database_settings(self) -> bool:
        """Whether settings of the database count."""
        return self.setting("db-config").lower() not in ("false", "no", "off", "0")

    @property
    def database(self) -> str:
        """The database that its db-uri names; empty where that can't be told."""
        return uri.database_of(self.setting("db-uri")) or ""

    @property
    def uri_problem(self) -> Tuple[str, str]:
        """What is wrong with its db-uri, and what mends it; empty texts where nothing is."""
        text = self.setting("db-uri")
        if not text:
            return "it has none", "Set it with postgrest_config: database."
        parsed = uri.parse(text)
        if parsed.database is None and not any(harmless in parsed.problem for harmless in _HARMLESS):
            return parsed.problem, parsed.remedy
        return "", ""

    @property
    def login(self) -> str:
        """The role as which it logs in."""
        return uri.user_of(self.setting("db-uri")) or DEFAULT_LOGIN

    def secrets(self) -> List[str]:
        """Return the texts of its environment that must not be shown."""
        found = []
        for variable, text in self.environment.items():
            if variable.startswith(PREFIX + "APP_SETTINGS_"):
                found.append(text)
        found += [self.setting("jwt-secret")]
        text = self.setting("db-uri")
        span = uri.parse(text).password
        if span is not None:
            found += [text[span[0] : span[1]], unquote(text[span[0] : span[1]])]
        return found

    def url(self, port: int, path: str, address: str) -> str:
        """Return the URL of a path at one of its addresses."""
        return "http://%s:%d%s" % ("[%s]" % address if ":" in address else address, port, path)


def _port(text: str) -> Optional[int]:
    # PostgREST takes its default for what it can't read.
    return int(text) if re.match(r"^\d{1,5}\Z", text.strip()) else None


def schemas_of(text: str) -> Tuple[str, ...]:
    """Return the schemas that a value of ``db-schemas`` names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Return a text that can be shown: without these secrets, and without what looks like one."""
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        alone = r"(?<![A-Za-z0-9])%s(?![A-Za-z0-9])" if len(secret) < _SHORTEST_MASKED_EVERYWHERE else "%s"
        text = re.sub(alone % re.escape(secret), _MASK, text)
    return for_display(text.encode("utf-8"))


def split_table(table: str) -> Tuple[str, str]:
    """Return schema and name of a table; the schema is empty where it isn't named."""
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else ("", table)


def table_in(url: str) -> str:
    """Return the table that a request's URL asks for; empty where it asks for none, such as a function's."""
    parts = [unquote(part) for part in urlsplit(url).path.split("/") if part]
    if not parts or urlsplit(url).path.endswith("/") or "rpc" in parts[-2:]:
        return ""
    return parts[-1]


def header_of_schema(schema: str) -> Dict[str, str]:
    """Return the header that names a request's schema, where one is named."""
    return {"Accept-Profile": schema} if schema else {}
