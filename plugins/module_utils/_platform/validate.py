# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a description in one pass: every mistake by its path, or the description with its defaults filled in."""

from datetime import date
from typing import Any, Dict, List, Mapping, Optional
from urllib.parse import urlsplit

from .._audit.kinds import known_words, named
from .._core.errors import DescriptionError, InputError
from .._core.schedule import parse_schedule
from .._core.text import format_duration, nearest, parse_duration
from .._versions.releases import END_OF_LIFE
from .spec import BLOCKS, PLATFORM, Field

_TYPE_NAMES = {
    "str": "a text",
    "int": "a whole number",
    "ratio": "a number from 0 to below 1",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
}


def validate(description: Any, profiles: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """Return the description with profiles and defaults filled in; durations are seconds.

    Arguments:
        description: what the inventory's ``bulkhead_platform`` holds.
        profiles: what is known of programs, by name (``roles/platform/vars/profiles``); the description wins.

    Raises:
        DescriptionError: with every mistake, each behind its path.
    """
    mistakes: List[str] = []
    known = profiles or {}
    platform = _read(Field("dict", fields=PLATFORM), _with_profiles(description, known), "", mistakes)
    if isinstance(platform, dict):
        _check_references(platform, known, mistakes)
        _check_clusters(platform, mistakes)
        _check_databases(platform, mistakes)
        _check_recovery(platform, mistakes)
        _check_strategies(platform, known, mistakes)
        _check_minimums(platform, mistakes)
        _check_schedules(platform, mistakes)
        _check_accepted(platform, mistakes)
        _check_documents(platform, mistakes)
    if mistakes:
        raise DescriptionError(mistakes)
    return dict(platform)


def _with_profiles(description: Any, profiles: Mapping[str, Any]) -> Any:
    """Fill in what the profiles of its services know about a database; what is said in the description wins."""
    if not isinstance(description, dict) or not isinstance(description.get("databases"), dict):
        return description
    services = description.get("services")
    filled = {name: dict(item) if isinstance(item, dict) else item for name, item in description["databases"].items()}
    complete_services: Any = dict(services) if isinstance(services, dict) else services
    for name, service in (services or {}).items() if isinstance(services, dict) else ():
        profile = profiles.get(str(service.get("profile"))) if isinstance(service, dict) else None
        if not isinstance(profile, dict):
            continue
        own = (profile.get("services") or {}).get(service.get("service") or name) or {}
        complete_services[name] = {**(profile.get("service") or {}), **own, **service}
        database = filled.get(service.get("database"))
        if isinstance(database, dict) and isinstance(profile.get("recovery"), dict):
            _fill_recovery(database, (description["databases"][service["database"]] or {}).get("recovery"), profile)
        # Only a database that is to be isolated is filled in: one that merely is backed up has no owner named.
        if isinstance(database, dict) and database.get("owner"):
            known = profile.get("database") or {}
            # Inside of a shared database nothing is made; what must be there must be there all the same.
            fields = known if database.get("strategy", "database") == "database" else set(known) & {"expect_tables"}
            for field in fields:
                database.setdefault(field, known[field])
    return dict(
        description, databases=filled, **({"services": complete_services} if isinstance(services, dict) else {})
    )


def _fill_recovery(database: Dict[str, Any], described: Any, profile: Mapping[str, Any]) -> None:
    """Add what the program's recovery needs, but for fields that the description has itself.

    It is needed wherever the rows lie: also where the database has no owner, and beside what another program needs.
    """
    if described is not None and not isinstance(described, dict):
        return
    recovery = dict(database.get("recovery") or {})
    for field, known in profile["recovery"].items():
        if (described or {}).get(field) is None:
            held = recovery.get(field) or []
            recovery[field] = held + [item for item in known if item not in held]
    database["recovery"] = recovery


def _read(field: Field, value: Any, path: str, mistakes: List[str]) -> Any:
    """Return the value as its field says, or None after a mistake was noted."""
    where = path or "bulkhead_platform"
    if field.kind == "map":
        if not isinstance(value, dict):
            mistakes.append("%s: must be a mapping of named things." % where)
            return None
        item = Field("dict", fields=field.fields)
        return {str(name): _read(item, entry, "%s.%s" % (path, name), mistakes) for name, entry in value.items()}
    if field.kind == "any":
        return value
    if field.kind == "dict":
        return _read_dict(field, value, path, mistakes)
    if field.kind == "list":
        return _read_list(field, value, where, mistakes)
    try:
        return _read_scalar(field, value, where, mistakes)
    except InputError as error:
        mistakes.append("%s: %s" % (where, error))
        return None


def _read_dict(field: Field, value: Any, path: str, mistakes: List[str]) -> Any:
    where = path or "bulkhead_platform"
    if value is None and path:
        value = {}
    if not isinstance(value, dict):
        mistakes.append("%s: must be a mapping, not %s." % (where, type(value).__name__))
        return None
    if field.fields is None:
        return dict(value)
    prefix = path + "." if path else ""
    for name in value:
        if name not in field.fields:
            near = nearest(str(name), field.fields)
            hint = "did you mean %s?" % near if near else "known are: %s." % ", ".join(field.fields)
            mistakes.append("%s%s: no such field; %s" % (prefix, name, hint))
    result = {}
    for name, inner in field.fields.items():
        if value.get(name) is not None:
            result[name] = _read(inner, value[name], prefix + name, mistakes)
        elif inner.required:
            mistakes.append("%s%s: is missing." % (prefix, name))
        else:
            result[name] = inner.default
    return result


def _read_list(field: Field, value: Any, where: str, mistakes: List[str]) -> Any:
    if not isinstance(value, list):
        mistakes.append("%s: must be a list, not %s." % (where, type(value).__name__))
        return None
    if field.fields is not None:
        item = Field("dict", fields=field.fields)
        named = [entry if isinstance(entry, dict) else {field.text_is: entry} for entry in value]
        return [_read(item, entry, "%s[%d]" % (where, index), mistakes) for index, entry in enumerate(named)]
    if field.elements == "list":
        item = Field("list")
        return [_read(item, entry, "%s[%d]" % (where, index), mistakes) for index, entry in enumerate(value)]
    for index, entry in enumerate(value):
        if not isinstance(entry, (str, int)) or isinstance(entry, bool):
            mistakes.append("%s[%d]: must be a text." % (where, index))
    return [str(entry) for entry in value]


def _read_scalar(field: Field, value: Any, where: str, mistakes: List[str]) -> Any:
    if field.kind == "duration":
        return parse_duration(value)
    if field.kind == "date":
        return _read_date(value)
    if field.kind == "bool":
        if isinstance(value, bool):
            return value
    elif field.kind == "ratio":
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1:
            return float(value)
    elif field.kind == "int":
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.isascii() and value.strip().isdigit():
            return int(value)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        text = str(value)
        if field.choices and text not in field.choices:
            near = nearest(text, field.choices)
            raise InputError(
                "%s is none of %s%s" % (text, ", ".join(field.choices), "; did you mean %s?" % near if near else ".")
            )
        return text
    mistakes.append("%s: must be %s, not %r." % (where, _TYPE_NAMES.get(field.kind, "a text"), value))
    return None


def _read_date(value: Any) -> str:
    """Return a day as text: YAML makes a date of its own of what is written without quotes."""
    if isinstance(value, date):
        return value.isoformat()[:10]
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise InputError("%r is no day." % (value,), "Write it like 2027-01-31.") from error


def _things(platform: Mapping[str, Any], kind: str) -> Dict[str, Dict[str, Any]]:
    """Return those things of a kind that could be read at all."""
    return {name: item for name, item in (platform.get(kind) or {}).items() if isinstance(item, dict)}


def _refer(path: str, name: Optional[str], kind: str, known: Mapping[str, Any], mistakes: List[str]) -> None:
    if name is not None and name not in known:
        near = nearest(name, known)
        hint = "did you mean %s?" % near if near else "there are: %s." % (", ".join(known) or "none")
        mistakes.append("%s: there is no %s %s; %s" % (path, kind, name, hint))


def _check_consolidate(
    name: str,
    database: Mapping[str, Any],
    platform: Mapping[str, Any],
    profiles: Mapping[str, Any],
    mistakes: List[str],
) -> None:
    """Whether a database can be moved as is said, and its services be pointed to the new place."""
    wanted, where = database.get("consolidate"), "databases.%s.consolidate" % name
    if not isinstance(wanted, dict):
        return
    clusters = platform.get("clusters") or {}
    _refer("%s.to" % where, wanted.get("to"), "cluster", clusters, mistakes)
    if wanted.get("to") is not None and wanted["to"] == database.get("cluster"):
        mistakes.append("%s.to: is the cluster that it is in already." % where)
    target = clusters.get(str(wanted.get("to"))) or {}
    if not wanted.get("host") and not target.get("container"):
        mistakes.append("%s.host: is missing: under which name do the services reach that cluster?" % where)
    for key, service in _things(platform, "services").items():
        if service.get("database") == name and not database_variables(profiles, service):
            mistakes.append(
                "services.%s.database_variables: are needed, since %s is to move: which variables of the service hold"
                " the database's url, or its host, port, name, user and password?" % (key, name)
            )


def _check_repoint(
    name: str,
    service: Mapping[str, Any],
    databases: Mapping[str, Any],
    profiles: Mapping[str, Any],
    mistakes: List[str],
) -> None:
    where = "services.%s.repoint" % name
    if not (databases.get(str(service.get("database"))) or {}).get("owner"):
        mistakes.append("%s: needs a database with an owner." % where)
    if repointing_variables(profiles, service) is None:
        known = ", ".join(sorted(item for item in profiles if repointing_variables(profiles, {"profile": item})))
        mistakes.append(
            "%s: needs database_variables that say which variables hold name, user and password of the database, or a"
            " profile that does; those are: %s." % (where, known or "none")
        )


def database_variables(profiles: Mapping[str, Any], service: Mapping[str, Any]) -> Mapping[str, str]:
    """Return which variables of a service hold what of its database: url, host, port, name, user and password."""
    profile = profiles.get(str(service.get("profile"))) or {}
    found: Mapping[str, str] = service.get("database_variables") or profile.get("database_variables") or {}
    return found


def repointing_variables(profiles: Mapping[str, Any], service: Mapping[str, Any]) -> Optional[Mapping[str, str]]:
    """Return which variables of a program hold ``name``, ``user`` and ``password`` of its database.

    None where its profile doesn't say, or where one URL may hold all three.
    """
    variables = database_variables(profiles, service)
    complete = {"name", "user", "password"} <= set(variables) and "url" not in variables
    return {part: variables[part] for part in ("name", "user", "password")} if complete else None


def _check_references(platform: Mapping[str, Any], profiles: Mapping[str, Any], mistakes: List[str]) -> None:
    clusters, databases = platform.get("clusters") or {}, platform.get("databases") or {}
    for name, database in _things(platform, "databases").items():
        _refer("databases.%s.cluster" % name, database.get("cluster"), "cluster", clusters, mistakes)
        _check_consolidate(name, database, platform, profiles, mistakes)
        legacy = database.get("legacy") or {}
        is_own = database.get("strategy") == "database"
        if is_own and legacy.get("database") is not None and legacy["database"] == (database.get("name") or name):
            mistakes.append("databases.%s.legacy.database: is the database itself." % name)
    for name, service in _things(platform, "services").items():
        _refer("services.%s.database" % name, service.get("database"), "database", databases, mistakes)
        _refer(
            "services.%s.postgrest" % name,
            service.get("postgrest"),
            "PostgREST instance",
            platform.get("postgrest") or {},
            mistakes,
        )
        if service.get("stop") and not service.get("start"):
            mistakes.append("services.%s.start: is missing; who is stopped in its own way is started so." % name)
        if service.get("repoint"):
            _check_repoint(name, service, databases, profiles, mistakes)
        for index, url in enumerate(service.get("reaches") or []):
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                mistakes.append("services.%s.reaches[%d]: %s is no URL of a host." % (name, index, url))
        for index, network in enumerate(service.get("networks") or []):
            if network and network.get("external") and network.get("driver"):
                mistakes.append(
                    "services.%s.networks[%d]: an external network has its driver already; leave one out."
                    % (name, index)
                )
        if profiles:
            _refer("services.%s.profile" % name, service.get("profile"), "profile", profiles, mistakes)
    for name, instance in _things(platform, "postgrest").items():
        _refer("postgrest.%s.database" % name, instance.get("database"), "database", databases, mistakes)
        if instance.get("files") and instance.get("mode") == "override" and len(instance["files"]) < 2:
            mistakes.append(
                "postgrest.%s.files: Compose reads just these; name the override file as the last of them." % name
            )
        gateway = instance.get("gateway") or {}
        if gateway and (gateway.get("kind") == "envoy") != bool(gateway.get("clusters_file")):
            mistakes.append(
                "postgrest.%s.gateway.clusters_file: is for envoy, which needs it: the file that has its clusters."
                % name
            )
        if instance.get("repoint"):
            _check_repointed_instance(name, instance, platform, profiles, mistakes)


def _check_repointed_instance(
    name: str,
    instance: Mapping[str, Any],
    platform: Mapping[str, Any],
    profiles: Mapping[str, Any],
    mistakes: List[str],
) -> None:
    """One PostgREST serves one database: who is repointed leaves all behind that read the old one through it."""
    where = "postgrest.%s.repoint" % name
    for field, reason in (
        ("extends", "adds a second instance, and the first stays where it is"),
        ("gateway", "is a second route, and here the old one stays"),
    ):
        if instance.get(field):
            mistakes.append("%s: %s %s; leave one of the two out." % (where, field, reason))
    same = {
        other
        for other, item in _things(platform, "postgrest").items()
        if item.get("database") != instance.get("database")
        and (item.get("compose_file"), item.get("service")) == (instance.get("compose_file"), instance.get("service"))
    }
    readers = [
        "services.%s" % other
        for other, service in _things(platform, "services").items()
        if service.get("postgrest") in same
        # The platform's own programs ask the instance of their project, without saying so.
        or (
            service.get("compose_file") == instance.get("compose_file")
            and service.get("database") not in (None, instance.get("database"))
            and ((profiles.get(str(service.get("profile"))) or {}).get("owns") or {}).get("platform")
        )
    ]
    readers += ["postgrest.%s" % other for other in sorted(same)]
    if readers:
        mistakes.append(
            "%s: %s of %s serves another database for %s as well; use extends to add a second instance."
            % (where, instance.get("service"), instance.get("compose_file"), ", ".join(readers))
        )


def _check_clusters(platform: Mapping[str, Any], mistakes: List[str]) -> None:
    for name, cluster in _things(platform, "clusters").items():
        if bool(cluster.get("container")) == bool(cluster.get("host") or cluster.get("unix_socket")):
            mistakes.append("clusters.%s: name either container, or host (or unix_socket)." % name)


def _check_databases(platform: Mapping[str, Any], mistakes: List[str]) -> None:
    for name, database in _things(platform, "databases").items():
        actual = database.get("name") or name
        if any(mark in word for mark in ("/", "..", "\0") for word in (actual, name)):
            mistakes.append("databases.%s: a name with a slash or two dots can't name a backup folder." % name)
        if len(actual.encode("utf-8")) > 63:
            mistakes.append("databases.%s: Postgres cuts names after 63 bytes; this one has more." % name)
        if not database.get("owner"):
            for field in ("migrations", "legacy", "extensions", "owner_password", "owner_password_file", "prelude"):
                if database.get(field):
                    mistakes.append("databases.%s.owner: is missing, and %s needs one." % (name, field))
                    break
        _check_isolation(name, database, mistakes)
        for table, least in ((database.get("expect") or {}).get("rows") or {}).items():
            if not isinstance(least, int) or isinstance(least, bool):
                mistakes.append("databases.%s.expect.rows.%s: must be a whole number, not %r." % (name, table, least))
        retention = (database.get("backup") or {}).get("retention")
        if isinstance(retention, dict):
            if not any(retention.get(rule) for rule in retention if rule != "unverified"):
                mistakes.append(
                    "databases.%s.backup.retention: would keep nothing; say last: N, or within, daily, …" % name
                )
            if any(isinstance(value, int) and value < 0 for value in retention.values()):
                mistakes.append("databases.%s.backup.retention: a count below nothing." % name)
        _check_format(name, database.get("backup") or {}, mistakes)


def _check_format(name: str, backup: Mapping[str, Any], mistakes: List[str]) -> None:
    jobs, in_directory = backup.get("dump_jobs"), backup.get("format") == "directory"
    if isinstance(jobs, int) and jobs < 1:
        mistakes.append(
            "databases.%s.backup.dump_jobs: at least 1; without it, as many as the server has cores." % name
        )
    elif jobs is not None and not in_directory:
        mistakes.append("databases.%s.backup.dump_jobs: only a dump with format: directory has jobs." % name)
    if in_directory and backup.get("encrypt_to"):
        mistakes.append("databases.%s.backup.encrypt_to: a dump with format: directory can't be encrypted." % name)


def _check_recovery(platform: Mapping[str, Any], mistakes: List[str]) -> None:
    """Whether what a recovery needs can be looked for, and whether who is to be called can be."""
    for name, database in _things(platform, "databases").items():
        recovery = database.get("recovery") or {}
        for index, need in enumerate(recovery.get("needs") or []):
            where = "databases.%s.recovery.needs[%d]" % (name, index)
            if need is None:
                continue
            if not (need.get("variable") or need.get("file") or need.get("what")):
                mistakes.append("%s: say what is needed: a variable, a file, or what it is in words." % where)
            elif need.get("variable") and need.get("file"):
                mistakes.append("%s: has a variable and a file; the file that holds a variable is env_file." % where)
            elif need.get("env_file") and not need.get("variable"):
                mistakes.append("%s.env_file: needs a variable; a whole file is file." % where)
        for index, volume in enumerate(recovery.get("volumes") or []):
            if volume is not None and not (volume.get("name") or volume.get("target")):
                mistakes.append("databases.%s.recovery.volumes[%d]: needs a name or a target." % (name, index))
        if recovery.get("save"):
            _check_save(name, database, recovery, mistakes)
    for index, contact in enumerate(platform.get("contacts") or []):
        if contact is not None and not (contact.get("phone") or contact.get("email") or contact.get("note")):
            mistakes.append("contacts[%d]: needs a phone, an email, or a note that says how to reach them." % index)


def _check_save(name: str, database: Mapping[str, Any], recovery: Mapping[str, Any], mistakes: List[str]) -> None:
    where = "databases.%s.recovery.save" % name
    if not (database.get("backup") or {}).get("encrypt_to"):
        mistakes.append("%s: needs backup.encrypt_to: secrets are never written plain." % where)
    needs = [need for need in recovery.get("needs") or [] if need and (need.get("variable") or need.get("file"))]
    if not needs and not recovery.get("volumes"):
        mistakes.append("%s: there is nothing to save: name variables or files in needs, or volumes." % where)


def _check_isolation(name: str, database: Mapping[str, Any], mistakes: List[str]) -> None:
    """What the fields of a database that may be a text, a list or a mapping say, and what they need of each other."""
    for field, known in (("extensions", ("name", "schema")), ("migrations", ("path", "transaction"))):
        found = database.get(field) or []
        if not isinstance(found, list):
            mistakes.append("databases.%s.%s: must be a list, not %s." % (name, field, type(found).__name__))
            continue
        for index, item in enumerate(found):
            if not isinstance(item, str) and not (
                isinstance(item, Mapping) and known[0] in item and set(item) <= {*known}
            ):
                mistakes.append(
                    "databases.%s.%s[%d]: must be a text, or a mapping of %s."
                    % (name, field, index, " and ".join(known))
                )
    legacy = database.get("legacy") or {}
    if legacy and not (legacy.get("tables") or legacy.get("schemas") or legacy.get("owner")):
        mistakes.append("databases.%s.legacy: say which tables are meant: tables, schemas or owner." % name)
    if database.get("strategy") != "database":
        _check_inside(name, database, mistakes)
    if database.get("data") != "copy":
        return
    if not legacy:
        mistakes.append("databases.%s.legacy: is missing, and data: copy needs it." % name)


# What says how a database is made, or where its rows come from.
_OF_A_DATABASE = (
    "migrations",
    "extensions",
    "prelude",
    "encoding",
    "lc_collate",
    "lc_ctype",
    "conn_limit",
    "search_path",
) + ("default_privileges", "adopt", "backup")


def _check_inside(name: str, database: Mapping[str, Any], mistakes: List[str]) -> None:
    """What a service that stays in a shared database needs, and what can't be said of it."""
    where, strategy = "databases.%s" % name, database["strategy"]
    if not database.get("owner"):
        mistakes.append("%s.owner: is missing, and strategy %s needs one." % (where, strategy))
    legacy = database.get("legacy") or {}
    if not legacy:
        mistakes.append("%s.legacy: is missing, and strategy %s needs it." % (where, strategy))
    elif legacy.get("database") != (database.get("name") or name):
        mistakes.append("%s.legacy.database: with strategy %s it is the database itself." % (where, strategy))
    for field in _OF_A_DATABASE:
        if database.get(field) not in (None, False, "none"):
            mistakes.append("%s.%s: with strategy %s no database is made; leave it out." % (where, field, strategy))
    if database.get("data") == "copy":
        mistakes.append("%s.data: with strategy %s no rows move." % (where, strategy))
    if legacy.get("archive_schema"):
        mistakes.append("%s.legacy.archive_schema: with strategy %s nothing is put aside." % (where, strategy))


def _check_strategies(platform: Mapping[str, Any], profiles: Mapping[str, Any], mistakes: List[str]) -> None:
    """Whether a program can live in the way that is chosen for it."""
    databases = platform.get("databases") or {}
    for name, service in _things(platform, "services").items():
        known = (profiles.get(str(service.get("profile"))) or {}).get("can_live_in")
        strategy = (databases.get(str(service.get("database"))) or {}).get("strategy")
        if known and strategy and strategy not in known:
            mistakes.append(
                "databases.%s.strategy: %s (services.%s) can't live in a %s; it can in: %s."
                % (service["database"], service["profile"], name, strategy, ", ".join(known))
            )


def _check_minimums(platform: Mapping[str, Any], mistakes: List[str]) -> None:
    """Whether what a service needs of PostgreSQL is a major, and not a version's number."""
    for name, service in _things(platform, "services").items():
        least = service.get("minimum_postgres")
        if least is not None and least not in END_OF_LIFE:
            mistakes.append(
                "services.%s.minimum_postgres: %d is no major of PostgreSQL that is known; write it like 15."
                % (name, least)
            )


def _check_accepted(platform: Mapping[str, Any], mistakes: List[str]) -> None:
    """Whether there are such findings, and none is accepted twice with two different ends."""
    seen: Dict[Any, int] = {}
    for index, item in enumerate(platform.get("accepted") or []):
        if item is None or not item.get("finding"):
            continue
        kind = named(item["finding"])
        if kind is None:
            near = nearest(item["finding"], known_words())
            mistakes.append(
                "accepted[%d].finding: there is no finding %s; %s"
                % (index, item["finding"], "did you mean %s?" % near if near else "docs/audit.md lists them all.")
            )
            continue
        first = seen.setdefault((kind.id, item.get("thing")), index)
        if first != index:
            mistakes.append("accepted[%d]: is accepted[%d] once more; leave one of the two out." % (index, first))


def _check_documents(platform: Mapping[str, Any], mistakes: List[str]) -> None:
    """Whether each document is one file, named once, with blocks that there are."""
    seen: Dict[str, int] = {}
    for index, item in enumerate(platform.get("documents") or []):
        path = (item or {}).get("path")
        if not path:
            continue
        where = "documents[%d]" % index
        if not path.startswith("/"):
            mistakes.append("%s.path: %s is no absolute path." % (where, path))
        first = seen.setdefault(path, index)
        if first != index:
            mistakes.append("%s.path: is documents[%d] once more; name it once, with all its blocks." % (where, first))
        for number, block in enumerate(item.get("blocks") or []):
            if block not in BLOCKS:
                near = nearest(block, BLOCKS)
                hint = "did you mean %s?" % near if near else "there are: %s." % ", ".join(BLOCKS)
                mistakes.append("%s.blocks[%d]: there is no block %s; %s" % (where, number, block, hint))


def _check_schedules(platform: Mapping[str, Any], mistakes: List[str]) -> None:
    timezone = str(platform.get("timezone") or "UTC")
    for name, database in _things(platform, "databases").items():
        backup = database.get("backup") or {}
        if not backup.get("schedule"):
            continue
        path = "databases.%s.backup.schedule" % name
        try:
            gap_s = parse_schedule(backup["schedule"], timezone).widest_gap_s()
        except InputError as error:
            mistakes.append("%s: %s" % (path, error))
            continue
        rpo_s = database.get("rpo")
        if rpo_s and gap_s > rpo_s and not backup.get("accept_gap"):
            mistakes.append(
                "%s: leaves up to %s between two dumps, and the RPO is %s. Dump more often, state a longer rpo,"
                " or accept it with a reason in backup.accept_gap."
                % (path, format_duration(gap_s), format_duration(rpo_s))
            )
