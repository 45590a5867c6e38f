# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgREST's settings: how each is written, what it may be, and what it takes for a change to count.

PostgREST ignores a name it doesn't know and takes the default for a number or truth value it can't read, both without a
word. So both are found here.

The table is of versions 12 to 16: from the list of parameters in PostgREST's documentation, "Configuration", of
versions 12, 13, 14 and 16; from its CHANGELOG up to 16.5, which says since when and until when a setting is known; from
what its source reads out of the database (``dbSettingsNames``); and from servers of version 13 and 14. What that
documentation calls reloadable counts after a reload of the settings, and what the schema cache is made from after a
reload of that.
"""

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from .._core.errors import InputError
from .._core.text import nearest
from . import uri

PREFIX = "PGRST_"
APP_SETTINGS = "app.settings."
MINIMUM_SECRET_LENGTH = 32
OLDEST, NEWEST = 12, 16

TEXT, INTEGER, BOOLEAN, MODE = "text", "integer", "boolean", "mode"

# What makes a new value count where it is set in a file or in the database. In the environment nothing does but
# a new container. The schema cache is made from settings: those are read again first.
NOTHING = "nothing"
RELOAD_CONFIG = "reload config"
RELOAD_SCHEMA = "reload schema"
NEW_CONTAINER = "new container"
_BY_STRENGTH = (NOTHING, RELOAD_CONFIG, RELOAD_SCHEMA, NEW_CONTAINER)

_REFERENCE = re.compile(r"\$(\{|[A-Za-z_])")
# Of Postgres' own: PostgREST 16 ends at once, older ones find no table there.
_NEVER_SERVED = ("pg_catalog", "information_schema")
# The tag of an image of PostgREST's own, in whatever registry: v14.1, 12.2.3.
_TAG = re.compile(r"(?:^|/)postgrest:v?(\d+)(?:[.-]|@|\Z)")
_TRUTH = {"true": "true", "false": "false", "yes": "true", "no": "false", "on": "true", "off": "false"}


@dataclass(frozen=True)
class Setting:
    """One documented setting.

    Arguments:
        name: as in PostgREST's documentation: ``db-schemas``.
        kind: text, integer, boolean, or mode (of a file, octal).
        reload: what makes a change count where it is set elsewhere than in the environment.
        in_database: whether ``ALTER ROLE authenticator SET pgrst.…`` reaches it.
        choices: the texts that it may be; none where any may.
        secret: whether a value written out must never be shown.
        aliases: older names that still work.
        until: the last major version that knows it; 0 where the newest does.
        since: the first major version, of 12 and later, that knows it.
        reload_since: the first one in which a reload makes it count. database_since: that takes it from the database.
        instead: the name of what took its place.
        text_until: the last one in which a truth value was a text of ``choices``.
    """

    name: str
    kind: str = TEXT
    reload: str = RELOAD_CONFIG
    in_database: bool = True
    choices: Tuple[str, ...] = ()
    secret: bool = False
    aliases: Tuple[str, ...] = ()
    since: int = OLDEST
    until: int = 0
    reload_since: int = OLDEST
    database_since: int = OLDEST
    instead: str = ""
    text_until: int = 0

    @property
    def parameter(self) -> Tuple[str, str]:
        """Its name in the database, as an identifier of two parts: ``pgrst.db_schemas``."""
        return ("pgrst", self.name.replace("-", "_"))

    def reload_in(self, version: Optional[int]) -> str:
        """Return what makes a change count outside of the environment; where the version is unknown, in the newest."""
        return NEW_CONTAINER if version is not None and version < self.reload_since else self.reload

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
    # 12.2.12 and later ones of 12.
    _fixed("admin-server-config-enabled", BOOLEAN, until=12),
    _fixed("admin-server-host", since=13),
    _fixed("admin-server-port", INTEGER),
    _fixed("admin-server-unix-socket", since=16),
    _fixed("admin-server-unix-socket-mode", MODE, since=16),
    Setting("client-error-verbosity", choices=("verbose", "minimal"), since=16),
    Setting("db-aggregates-enabled", BOOLEAN),
    Setting("db-anon-role"),
    Setting("db-channel", in_database=False),
    Setting("db-channel-enabled", BOOLEAN, in_database=False, reload_since=16),
    Setting("db-config", BOOLEAN, in_database=False),
    Setting("db-extra-search-path", reload=RELOAD_SCHEMA),
    # The schema cache holds the settings of functions that it allows.
    Setting("db-hoisted-tx-settings", reload=RELOAD_SCHEMA),
    Setting("db-max-rows", INTEGER, aliases=("max-rows",)),
    Setting("db-plan-enabled", BOOLEAN),
    _fixed("db-pool", INTEGER),
    _fixed("db-pool-acquisition-timeout", INTEGER),
    Setting("db-pool-automatic-recovery", BOOLEAN, in_database=False),
    _fixed("db-pool-max-idletime", INTEGER, aliases=("db-pool-timeout",)),
    _fixed("db-pool-max-lifetime", INTEGER),
    Setting("db-pre-config"),
    Setting("db-pre-request", aliases=("pre-request",)),
    Setting("db-prepared-statements", BOOLEAN),
    Setting("db-root-spec", aliases=("root-spec",)),
    Setting("db-schemas", reload=RELOAD_SCHEMA, aliases=("db-schema",)),
    # In versions under development only.
    Setting("db-timezone-enabled", BOOLEAN, since=15, until=15),
    _fixed("db-tx-end", choices=("commit", "commit-allow-override", "rollback", "rollback-allow-override")),
    _fixed("db-uri", secret=True),
    # Gone since 12, and in Supabase's compose file still.
    Setting("db-use-legacy-gucs", BOOLEAN, until=11),
    Setting("jwt-aud"),
    # 16.4 mended that it wasn't taken from the database.
    Setting("jwt-cache-max-entries", INTEGER, since=14, database_since=16),
    Setting("jwt-cache-max-lifetime", INTEGER, until=13, instead="jwt-cache-max-entries"),
    Setting("jwt-role-claim-key", aliases=("role-claim-key",)),
    Setting("jwt-secret", secret=True),
    Setting("jwt-secret-is-base64", BOOLEAN, aliases=("secret-is-base64",)),
    Setting("log-level", in_database=False, choices=("crit", "error", "warn", "info", "debug"), reload_since=16),
    Setting("log-query", BOOLEAN, in_database=False, choices=("disabled", "main-query"), since=13, text_until=13),
    Setting("openapi-mode", choices=("follow-privileges", "ignore-privileges", "disabled")),
    Setting("openapi-security-active", BOOLEAN),
    # The database's value of these two is taken at the start only.
    Setting("openapi-server-proxy-uri", reload=NEW_CONTAINER),
    Setting("server-cors-allowed-origins", reload=NEW_CONTAINER),
    _fixed("server-host"),
    _fixed("server-port", INTEGER),
    _fixed("server-reuseport", BOOLEAN, since=16),
    Setting("server-timing-enabled", BOOLEAN),
    Setting("server-trace-header"),
    _fixed("server-unix-socket"),
    _fixed("server-unix-socket-mode", MODE),
    Setting("url-use-legacy-target-names", BOOLEAN, since=16),
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


def major_of(image: str) -> Optional[int]:
    """Return the major version that an image's tag tells, 14 of ``postgrest/postgrest:v14.1``; else None."""
    found = _TAG.search(image)
    return int(found.group(1)) if found else None


def normal_value(setting: Setting, value: Any) -> str:
    """Return a setting's value as text, as an environment variable holds it.

    ``${…}`` is Compose's own and stays as it is written.

    Raises:
        InputError: the setting can't be that; the message has no secret.
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
    if setting.name == "db-uri":
        _check_uri(text)
    if _REFERENCE.search(text.replace("$$", "")):
        return text
    if setting.kind == BOOLEAN:
        if text.lower() not in _TRUTH and text not in setting.choices:
            raise InputError(
                "%s is %r, and is to be true or false." % (setting.name, text), "PostgREST would take its default."
            )
        return _TRUTH.get(text.lower(), text)
    if setting.kind == INTEGER and not re.match(r"^\d+\Z", text):
        raise InputError(
            "%s is %r, and is to be a whole number." % (setting.name, text), "PostgREST would take its default."
        )
    if setting.kind == MODE and not re.match(r"^[67][0-7]{2}\Z", text):
        raise InputError(
            "%s is %r, and is to be a mode from 600 to 777." % (setting.name, text), "PostgREST would end at once."
        )
    if setting.choices and text not in setting.choices:
        near = nearest(text, setting.choices)
        raise InputError(
            "%s can't be %s." % (setting.name, text),
            "%sIt is one of %s." % ("Did you mean %s? " % near if near else "", ", ".join(setting.choices)),
        )
    if setting.name == "db-schemas":
        never = [name.strip() for name in text.split(",") if name.strip() in _NEVER_SERVED]
        if never:
            raise InputError("PostgREST doesn't serve schema %s." % never[0], "Take it out of db-schemas.")
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


def _check_uri(text: str) -> None:
    parsed = uri.parse(text)
    if parsed.is_broken:
        raise InputError("db-uri can't be that: %s." % parsed.problem, parsed.remedy)


def parse(settings: Mapping[str, Any]) -> Dict[Setting, Optional[str]]:
    """Return the settings that were asked for, with their values as text; None is one that is to be removed.

    Raises:
        InputError: one or more are wrong; the message has every one.
    """
    parsed: Dict[Setting, Optional[str]] = {}
    mistakes: List[InputError] = []
    for name, value in settings.items():
        try:
            setting = find(str(name))
            text = None if value is None else normal_value(setting, value)
            if parsed.get(setting, text) != text:
                raise InputError("%s is asked for twice, with two values." % setting.name, "Keep one of them.")
            parsed[setting] = text
        except InputError as mistake:
            mistakes.append(mistake)
    ports = {setting.name: text for setting, text in parsed.items() if setting.name.endswith("-port") and text}
    if "admin-server-port" in ports and ports["admin-server-port"] == ports.get("server-port", "3000"):
        mistakes.append(
            InputError(
                "admin-server-port is the server's own port: PostgREST would end at once.", "Choose another one."
            )
        )
    _raise_all(mistakes)
    return parsed


def check_version(settings: Mapping[Setting, Optional[str]], version: Optional[int]) -> None:
    """Refuse settings that a version doesn't know; one that is to be removed may be unknown.

    Arguments:
        version: the major one; where it is None, nothing is refused.

    Raises:
        InputError: one or more are unknown; the message has every one, with the name that it has there.
    """
    if version is None:
        return
    mistakes = [_unknown_in(setting, version) for setting, text in settings.items() if text is not None]
    mistakes += [_wrong_kind_in(setting, text, version) for setting, text in settings.items()]
    _raise_all([mistake for mistake in mistakes if mistake is not None])


def _unknown_in(setting: Setting, version: int) -> Optional[InputError]:
    if version < OLDEST:
        return InputError(
            "PostgREST %d is older than the settings that are known here, of %d to %d." % (version, OLDEST, NEWEST),
            "Name the right version.",
        )
    if setting.since <= version and (not setting.until or version <= setting.until):
        return None
    if setting.until and version > setting.until:
        when = "the last one that has it is %d" % setting.until
        other = setting.instead
    else:
        when = "the first one that has it is %d" % setting.since
        other = next((item.name for item in SETTINGS if item.instead == setting.name), "")
    return InputError(
        "PostgREST %d has no setting %s: %s." % (version, setting.name, when),
        "What it has instead is %s." % other if other else "Leave it out, or correct version.",
    )


def _wrong_kind_in(setting: Setting, text: Optional[str], version: int) -> Optional[InputError]:
    if not setting.text_until or text is None or _REFERENCE.search(text.replace("$$", "")):
        return None
    if version <= setting.text_until and text not in setting.choices:
        said = "one of %s" % ", ".join(setting.choices)
    elif version > setting.text_until and text in setting.choices:
        said = "true or false"
    else:
        return None
    return InputError("%s is %s, and in PostgREST %d is to be %s." % (setting.name, text, version, said))


def _raise_all(mistakes: List[InputError]) -> None:
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise InputError(
            "%d settings are wrong:\n%s" % (len(mistakes), "\n".join("  - %s" % mistake for mistake in mistakes))
        )


def needs(settings: Iterable[Setting], in_environment: bool = True, version: Optional[int] = None) -> str:
    """Return what it takes until a change of these settings counts."""
    found = [NEW_CONTAINER if in_environment else setting.reload_in(version) for setting in settings]
    return strongest(found)


def strongest(found: Iterable[str]) -> str:
    """Return that of several needs which covers the others."""
    return max(found, key=_BY_STRENGTH.index, default=NOTHING)


def shown_value(setting: Setting, text: str) -> str:
    """Return a value as it may be shown: secrets are masked, references to them stay as they are written."""
    if setting.name == "db-uri":
        return uri.masked(text)
    if not setting.secret or not text or text.startswith("@") or uri.is_only_references(text):
        return text
    return uri.MASK
