# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgREST's settings: how each is written, what it may be, and what it takes for a change to count.

PostgREST ignores a name it doesn't know and takes the default for a number or truth value it can't read, both without a
word. So both are found here. From its documentation, "Configuration", and from servers of version 13 and 14.
"""

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from .._core.errors import InputError
from .._core.text import nearest

PREFIX = "PGRST_"
APP_SETTINGS = "app.settings."
MINIMUM_SECRET_LENGTH = 32

TEXT, INTEGER, BOOLEAN = "text", "integer", "boolean"

# What makes a new value count where it is set in a file or in the database. In the environment nothing does but
# a new container.
RELOAD_CONFIG = "reload config"
NEW_CONTAINER = "new container"

_REFERENCE = re.compile(r"\$(\{|[A-Za-z_])")
_TRUTH = {"true": "true", "false": "false", "yes": "true", "no": "false", "on": "true", "off": "false"}


@dataclass(frozen=True)
class Setting:
    """One documented setting.

    Arguments:
        name: as in PostgREST's documentation: ``db-schemas``.
        kind: text, integer or boolean.
        reload: what makes a change count where it is set elsewhere than in the environment.
        in_database: whether ``ALTER ROLE authenticator SET pgrst.…`` reaches it.
        choices: the texts that it may be; none where any may.
        secret: whether a value written out must never be shown.
        aliases: older names that still work.
        until: the last major version that knows it; 0 where the newest does.
        since: the first major version, of 12 and later, that knows it.
    """

    name: str
    kind: str = TEXT
    reload: str = RELOAD_CONFIG
    in_database: bool = True
    choices: Tuple[str, ...] = ()
    secret: bool = False
    aliases: Tuple[str, ...] = ()
    since: int = 12
    until: int = 0

    @property
    def variable(self) -> str:
        """Its environment variable: ``PGRST_DB_SCHEMAS``."""
        return variable_name(self.name)

    @property
    def variables(self) -> Tuple[str, ...]:
        """Its environment variable, and those of its older names."""
        return tuple(variable_name(name) for name in (self.name,) + self.aliases)


def variable_name(name: str) -> str:
    """Return the environment variable of a setting's name."""
    return PREFIX + re.sub(r"[-.]", "_", name).upper()


def _fixed(name: str, kind: str = TEXT, **more: Any) -> Setting:
    return Setting(name, kind, NEW_CONTAINER, False, **more)


SETTINGS: Tuple[Setting, ...] = (
    _fixed("admin-server-host", since=13),
    _fixed("admin-server-port", INTEGER),
    Setting("client-error-verbosity", choices=("verbose", "minimal"), since=14),
    Setting("db-aggregates-enabled", BOOLEAN),
    Setting("db-anon-role"),
    Setting("db-channel", in_database=False),
    Setting("db-channel-enabled", BOOLEAN, in_database=False),
    Setting("db-config", BOOLEAN, in_database=False),
    Setting("db-extra-search-path"),
    Setting("db-hoisted-tx-settings"),
    Setting("db-max-rows", INTEGER, aliases=("max-rows",)),
    Setting("db-plan-enabled", BOOLEAN),
    _fixed("db-pool", INTEGER),
    _fixed("db-pool-acquisition-timeout", INTEGER),
    _fixed("db-pool-automatic-recovery", BOOLEAN),
    _fixed("db-pool-max-idletime", INTEGER, aliases=("db-pool-timeout",)),
    _fixed("db-pool-max-lifetime", INTEGER),
    Setting("db-pre-config"),
    Setting("db-pre-request", aliases=("pre-request",)),
    Setting("db-prepared-statements", BOOLEAN),
    Setting("db-root-spec", aliases=("root-spec",)),
    Setting("db-schemas", aliases=("db-schema",)),
    Setting("db-timezone-enabled", BOOLEAN, since=14),
    _fixed("db-tx-end", choices=("commit", "commit-allow-override", "rollback", "rollback-allow-override")),
    _fixed("db-uri", secret=True),
    # Gone since 12, and in Supabase's compose file still.
    Setting("db-use-legacy-gucs", BOOLEAN, until=11),
    Setting("jwt-aud"),
    Setting("jwt-cache-max-entries", INTEGER, since=14),
    Setting("jwt-cache-max-lifetime", INTEGER, until=13),
    Setting("jwt-role-claim-key", aliases=("role-claim-key",)),
    Setting("jwt-secret", secret=True),
    Setting("jwt-secret-is-base64", BOOLEAN, aliases=("secret-is-base64",)),
    Setting("log-level", in_database=False, choices=("crit", "error", "warn", "info", "debug")),
    Setting("log-query", in_database=False, since=13),
    Setting("openapi-mode", choices=("follow-privileges", "ignore-privileges", "disabled")),
    Setting("openapi-security-active", BOOLEAN),
    _fixed("openapi-server-proxy-uri"),
    _fixed("server-cors-allowed-origins"),
    _fixed("server-host"),
    _fixed("server-port", INTEGER),
    Setting("server-timing-enabled", BOOLEAN),
    Setting("server-trace-header"),
    _fixed("server-unix-socket"),
    _fixed("server-unix-socket-mode"),
)

_BY_VARIABLE: Dict[str, Setting] = {variable: setting for setting in SETTINGS for variable in setting.variables}
_NAMES = tuple(setting.name for setting in SETTINGS)


def find(name: str) -> Setting:
    """Return the setting that a name means.

    Arguments:
        name: ``db-schemas``, ``PGRST_DB_SCHEMAS`` or, as in the database, ``pgrst.db_schemas``. What follows
            ``app.settings.`` may be anything.

    Raises:
        InputError: there is no such setting; the message has the nearest name.
    """
    plain = name.strip()
    lowered = plain.lower()
    for prefix in ("pgrst_", "pgrst."):
        if lowered.startswith(prefix):
            plain, lowered = plain[len(prefix) :], lowered[len(prefix) :]
            break
    key = re.sub(r"[-.]", "_", lowered)
    if key.startswith("app_settings_") and len(key) > len("app_settings_"):
        return Setting(APP_SETTINGS + key[len("app_settings_") :], in_database=False, secret=True)
    found = _BY_VARIABLE.get(PREFIX + key.upper())
    if found is not None:
        return found
    near = _nearest(key)
    raise InputError(
        "PostgREST has no setting %s: it would ignore it without a word." % name,
        "Did you mean %s?" % near if near else "See the list of parameters in its documentation, `Configuration`.",
    )


def _nearest(key: str) -> Optional[str]:
    shaped = key.replace("_", "-")
    known = [alias for setting in SETTINGS for alias in (setting.name,) + setting.aliases]
    # `schemas`, `anon-role`: what was left out is the group's name.
    endings = [name for name in _NAMES if name.endswith("-" + shaped)]
    near = endings[0] if len(endings) == 1 else nearest(shaped, known)
    return None if near is None else _BY_VARIABLE[variable_name(near)].name


def unknown_variables(variables: Iterable[str]) -> List[Tuple[str, Optional[str]]]:
    """Return those ``PGRST_`` variables that PostgREST doesn't know, each with the nearest that it does know."""
    unknown = []
    for variable in variables:
        if not variable.startswith(PREFIX):
            continue
        try:
            find(variable)
        except InputError:
            near = _nearest(variable[len(PREFIX) :].lower())
            unknown.append((variable, None if near is None else variable_name(near)))
    return unknown


def normal_value(setting: Setting, value: Any) -> str:
    """Return a setting's value as text, as an environment variable holds it.

    ``${…}`` is Compose's own and stays as it is written.

    Raises:
        InputError: the setting can't be that.
    """
    if isinstance(value, (dict, type(None))):
        raise InputError("%s is to be a text." % setting.name, "Write it in quotes; an empty text is ''.")
    if isinstance(value, (list, tuple)):
        value = ",".join(str(item) for item in value)
    if isinstance(value, bool):
        value = "true" if value else "false"
    text = str(value)
    if "\n" in text or "\0" in text:
        raise InputError("%s holds a line break." % setting.name, "Write it in one line.")
    if _REFERENCE.search(text.replace("$$", "")):
        return text
    if setting.kind == BOOLEAN:
        if text.lower() not in _TRUTH:
            raise InputError(
                "%s is %r, and is to be true or false." % (setting.name, text), "PostgREST would take its default."
            )
        return _TRUTH[text.lower()]
    if setting.kind == INTEGER and not re.match(r"^\d+\Z", text):
        raise InputError(
            "%s is %r, and is to be a whole number." % (setting.name, text), "PostgREST would take its default."
        )
    if setting.choices and text not in setting.choices:
        near = nearest(text, setting.choices)
        raise InputError(
            "%s can't be %s." % (setting.name, text),
            "%sIt is one of %s." % ("Did you mean %s? " % near if near else "", ", ".join(setting.choices)),
        )
    if (
        setting.name == "jwt-secret"
        and not text.startswith(("@", "{"))
        and len(text.encode("utf-8")) < MINIMUM_SECRET_LENGTH
    ):
        raise InputError(
            "jwt-secret is shorter than %d characters: PostgREST would end at once." % MINIMUM_SECRET_LENGTH,
            "Make a longer one, for example with `openssl rand -hex 32`.",
        )
    return text


def parse(settings: Mapping[str, Any]) -> Dict[Setting, str]:
    """Return the settings that were asked for, with their values as text.

    Raises:
        InputError: one or more are wrong; the message has every one.
    """
    parsed: Dict[Setting, str] = {}
    mistakes: List[InputError] = []
    for name, value in settings.items():
        try:
            setting = find(str(name))
            text = normal_value(setting, value)
            if parsed.get(setting, text) != text:
                raise InputError("%s is asked for twice, with two values." % setting.name, "Keep one of them.")
            parsed[setting] = text
        except InputError as mistake:
            mistakes.append(mistake)
    ports = {setting.name: text for setting, text in parsed.items() if setting.name.endswith("-port")}
    if "admin-server-port" in ports and ports["admin-server-port"] == ports.get("server-port", "3000"):
        mistakes.append(
            InputError(
                "admin-server-port is the server's own port: PostgREST would end at once.", "Choose another one."
            )
        )
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise InputError(
            "%d settings are wrong:\n%s" % (len(mistakes), "\n".join("  - %s" % mistake for mistake in mistakes))
        )
    return parsed


def needs(settings: Iterable[Setting], in_environment: bool = True) -> str:
    """Return what it takes until a change of these settings counts."""
    strongest = "nothing"
    for setting in settings:
        if in_environment or setting.reload == NEW_CONTAINER:
            return NEW_CONTAINER
        strongest = setting.reload
    return strongest
