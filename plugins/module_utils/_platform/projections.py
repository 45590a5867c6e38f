# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projections of a validated description: what each phase has to do, as options of its modules."""

import posixpath
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from .validate import repointing_variables

Thing = Dict[str, Any]


def project(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what each phase has to do, by its name, with paths resolved."""
    isolate = _isolate(platform, profiles)
    instances = _postgrest(platform)
    return {
        "dns": _dns(platform),
        "isolate": isolate,
        "access": _access(platform),
        # One that is repointed is another database's from then on: that is a part of the switch.
        "postgrest": [item for item in instances if not item["repoint"]],
        "switch": _switch(platform, profiles, isolate, instances),
        "kept": _kept(platform),
        "drop": _drop(platform),
        "backup": _backup(platform),
        "copies": _copies(platform),
        "audit": _audit(platform, profiles),
        "metrics": _metrics(platform, profiles),
        "consolidate": _consolidate(platform, profiles),
    }


def connection(platform: Mapping[str, Any], cluster: str) -> Thing:
    """Return a cluster's connection options, absent ones left out."""
    options = platform["clusters"][cluster]
    names = {
        "container": "container",
        "host": "login_host",
        "port": "login_port",
        "unix_socket": "login_unix_socket",
        "superuser": "login_user",
        "password": "login_password",
        "maintenance_database": "login_db",
    }
    return {option: options[field] for field, option in names.items() if options.get(field) is not None}


def database_name(platform: Mapping[str, Any], key: str) -> str:
    """Return the name that a database has on its server."""
    return str(platform["databases"][key].get("name") or key)


def backup_folder(platform: Mapping[str, Any], key: str) -> str:
    """Return the folder that holds a database's copies."""
    backup = platform["databases"][key].get("backup") or {}
    return str(backup.get("folder") or posixpath.join(platform["backup_root"], key))


def password_path(platform: Mapping[str, Any], key: str) -> str:
    """Return the file that holds the password of a database's owner."""
    given = platform["databases"][key].get("owner_password_file")
    return str(given or posixpath.join(platform["state_dir"], "secrets", key + ".password"))


def journal_path(platform: Mapping[str, Any], key: str) -> str:
    """Return the file that holds the journal of a database's isolation."""
    return posixpath.join(platform["state_dir"], "journal", key + ".jsonl")


def folder_of(item: Mapping[str, Any]) -> str:
    return posixpath.dirname(item["compose_file"])


def _resolve(item: Mapping[str, Any], path: str) -> str:
    return posixpath.normpath(posixpath.join(folder_of(item), path))


def compose_of(item: Mapping[str, Any]) -> Thing:
    """Return a compose project's options, for our modules."""
    options: Thing = {"path": item["compose_file"]}
    if item.get("project"):
        options["project_name"] = item["project"]
    for field in ("files", "env_files"):
        if item.get(field):
            options[field] = [_resolve(item, path) for path in item[field]]
    return options


def _slug(item: Mapping[str, Any]) -> str:
    return str(item.get("project") or posixpath.basename(folder_of(item)))


def service_name(name: str, service: Mapping[str, Any]) -> str:
    return str(service.get("service") or name)


def container_name(name: str, service: Mapping[str, Any]) -> str:
    return str(service.get("container") or name)


def by_project(services: Mapping[str, Thing]) -> List[Dict[str, Thing]]:
    """Return services in groups of one compose project each, in the description's order."""
    groups: Dict[Any, Dict[str, Thing]] = {}
    for name, service in services.items():
        groups.setdefault((service["compose_file"], service.get("project")), {})[name] = service
    return list(groups.values())


def _dns(platform: Mapping[str, Any]) -> List[Thing]:
    concerned = {
        name: service
        for name, service in platform["services"].items()
        if service["reaches_host"] or service.get("reaches") or service.get("networks")
    }
    result = []
    for group in by_project(concerned):
        first = next(iter(group.values()))
        result.append(
            {
                "compose": compose_of(first),
                "services": [service_name(name, service) for name, service in group.items() if service["reaches_host"]],
                "networks": _attachments(group),
                "profiles": first.get("profiles") or [],
                "probes": [probe for name, service in group.items() for probe in _probes(name, service)],
                "journal": posixpath.join(platform["state_dir"], "journal", "dns-%s.jsonl" % _slug(first)),
            }
        )
    return result


def _attachments(group: Mapping[str, Thing]) -> List[Thing]:
    """Return which services of a project are to be on which networks, as options of ``compose_networks``."""
    found: List[Thing] = []
    for name, service in group.items():
        networks = []
        for item in service.get("networks") or []:
            network: Thing = {"name": item["name"]}
            declared = {"external": item["external"], "name": item["network"], "driver": item["driver"]}
            if any(declared.values()):
                network["declare"] = {key: value for key, value in declared.items() if value}
            if item["aliases"]:
                network["aliases"] = item["aliases"]
            networks.append(network)
        same = next((entry for entry in found if entry["networks"] == networks), None)
        if same is not None:
            same["services"].append(service_name(name, service))
        elif networks:
            found.append({"services": [service_name(name, service)], "networks": networks})
    return found


def _probes(name: str, service: Mapping[str, Any]) -> List[Thing]:
    """Return the questions that a service's container has to answer."""
    container = container_name(name, service)
    probes: List[Thing] = [{"container": container}] if service["reaches_host"] else []
    for url in service.get("reaches") or []:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        probes.append({"container": container, "host": parts.hostname, "port": port, "url": url})
    return probes


def _isolate(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> List[Thing]:
    result = []
    for key, database in platform["databases"].items():
        if not database.get("owner"):
            continue
        home = next((service for service in platform["services"].values() if service.get("database") == key), None)
        expect = {name: value for name, value in (database.get("expect") or {}).items() if value is not None}
        if database.get("expect_tables"):
            expect["tables"] = database["expect_tables"]
        options: Thing = {
            **connection(platform, database["cluster"]),
            "database": database_name(platform, key),
            "owner": database["owner"],
            "strategy": database["strategy"],
            "adopt": database["adopt"],
            "extensions": database.get("extensions") or [],
            "connect_roles": database.get("connect_roles") or [],
            "prelude": database.get("prelude") or "none",
            "migrations": [_located(home, item) for item in database.get("migrations") or []],
            "expect": expect,
            "data": database["data"],
            "search_path": database.get("search_path") or [],
            "default_privileges": database.get("default_privileges") or [],
            "status_file": posixpath.join(platform["state_dir"], "status", key + ".json"),
            "journal": journal_path(platform, key),
        }
        for field in ("encoding", "lc_collate", "lc_ctype", "conn_limit", "target_schema"):
            if database.get(field) is not None:
                options[field] = database[field]
        if database.get("owner_password"):
            options["owner_password"] = database["owner_password"]
        else:
            options["owner_password_file"] = password_path(platform, key)
        if database.get("legacy"):
            options["legacy"] = {
                field: value for field, value in database["legacy"].items() if value is not None and field != "keep_for"
            }
        result.append(
            {
                "key": key,
                "options": options,
                "journal": options["journal"],
                "connection": connection(platform, database["cluster"]),
                "safety": _safety(platform, key, database),
                "switched": bool(_users(platform, key, profiles)),
                # While services write, a copy is a rehearsal; the phase switch takes the one that counts.
                "rehearsal": database["data"] == "copy" and bool(_users(platform, key, profiles)),
            }
        )
    return result


def _located(home: Optional[Thing], migration: Any) -> Any:
    """Return a migration with its path, which is relative to the compose file of the service that it is of."""
    if isinstance(migration, str):
        return _resolve(home, migration) if home else migration
    return dict(migration, path=_located(home, migration["path"]))


def _safety(platform: Mapping[str, Any], key: str, database: Thing) -> List[Thing]:
    """Return the dumps to take before anything is changed: the shared database, the new one, the legacy rows alone."""
    root = posixpath.join(platform["backup_root"], "before-isolation")
    common: Thing = dict(
        connection(platform, database["cluster"]), retention={"last": 5}, verify="read", label="before-isolation"
    )
    name, recipients = database_name(platform, key), recipients_of(platform)
    own = dict(common, database=name, dest=posixpath.join(root, key), encrypt_to=recipients.get(name, []))
    dumps = [{"reference": False, "options": own}]
    legacy = database.get("legacy")
    if legacy:
        shared_name = legacy["database"]
        shared = dict(common, database=shared_name, dest=posixpath.join(root, shared_name))
        shared["encrypt_to"] = recipients.get(shared_name, [])
        # Which tables these are the plan knows: the dump of their rows alone is for reference.
        before = {"reference": True, "options": shared}
        # Where it stays in the shared database there is no other.
        dumps = [before] if database["strategy"] != "database" else [before, *dumps]
    return dumps


def recipients_of(platform: Mapping[str, Any]) -> Dict[str, List[str]]:
    """Return to whom dumps are encrypted, by the database's name on the server, whichever phase makes them."""
    found: Dict[str, List[str]] = {}
    for key, item in platform["databases"].items():
        known = found.setdefault(database_name(platform, key), [])
        recipients = (item.get("backup") or {}).get("encrypt_to") or []
        known += [recipient for recipient in recipients if recipient not in known]
    return {name: recipients for name, recipients in found.items() if recipients}


def _access(platform: Mapping[str, Any]) -> List[Thing]:
    """Return, for each cluster, the databases that are listed but stay as they are: who may connect to them."""
    result = []
    for name in platform["clusters"]:
        databases = {
            database_name(platform, key): item.get("connect_roles") or []
            for key, item in platform["databases"].items()
            if item["cluster"] == name and item["restrict_connect"] and not item.get("owner")
        }
        if databases:
            options = dict(
                connection(platform, name),
                databases=[{"name": item, "connect_roles": roles} for item, roles in databases.items()],
                journal=posixpath.join(platform["state_dir"], "journal", "access-%s.jsonl" % name),
            )
            result.append({"cluster": name, "options": options})
    return result


def _postgrest(platform: Mapping[str, Any]) -> List[Thing]:
    result = []
    for name, instance in platform["postgrest"].items():
        if not any(item.get("postgrest") == name for item in platform["services"].values()):
            continue
        database = platform["databases"][instance["database"]]
        config: Thing = dict(
            compose_of(instance),
            service=instance["service"],
            mode=instance["mode"],
            settings=instance.get("settings") or {},
        )
        if instance.get("extends"):
            config["extends"] = instance["extends"]
            config["container_name"] = instance.get("container") or instance["service"]
        if instance.get("extends") or instance["repoint"]:
            config["database"] = database_name(platform, instance["database"])
            # The instance that is there serves schemas which a service's own database hasn't (Supabase: storage).
            if not {"db-schemas", "PGRST_DB_SCHEMAS"} & set(config["settings"]):
                config["settings"] = dict(config["settings"], **{"db-schemas": "public"})
        if instance.get("files") and instance["mode"] == "override":
            config["override_path"] = config["files"][-1]
        journal = journal_path(platform, instance["database"])
        result.append(
            {
                "name": name,
                "key": instance["database"],
                "cluster": database["cluster"],
                "config": dict(config, journal=journal),
                "connection": connection(platform, database["cluster"]),
                "journal": journal,
                "probe": _probe(platform, instance),
                "gateway": _gateway(instance, journal),
                "repoint": instance["repoint"],
            }
        )
    return result


def _switch(
    platform: Mapping[str, Any], profiles: Mapping[str, Any], isolate: List[Thing], instances: List[Thing]
) -> List[Thing]:
    """Return, for each database, how the services that are to use it get there, and how that is proven."""
    result = []
    for key, database in platform["databases"].items():
        users = _users(platform, key, profiles)
        if not users:
            continue
        options = next((item["options"] for item in isolate if item["key"] == key), None)
        journal = journal_path(platform, key)
        settings = _settings(platform, users, options or {}, profiles, journal)
        copies = options is not None and options["data"] == "copy"
        repointed = {item["name"]: item for item in instances if item["key"] == key and item["repoint"]}
        moved = {
            name: item
            for name, item in users.items()
            # Who only asks the instance that is repointed has nothing to set, but must not write while rows are copied.
            if _is_set(settings, name, item) or (copies and item.get("postgrest") in repointed)
        }
        result.append(
            {
                "key": key,
                "cluster": database["cluster"],
                "journal": journal,
                "connection": connection(platform, database["cluster"]),
                "isolation": options,
                "legacy": (options or {}).get("legacy") or {},
                "copies": copies,
                "repoints": [{"config": item["config"], "probe": item["probe"]} for item in repointed.values()],
                "projects": [project_services(group) for group in by_project(moved)],
                "settings": settings,
                "edits": [
                    {"path": _resolve(user, edit["file"]), "edits": [_edit(edit)], "journal": journal}
                    for user in users.values()
                    for edit in user.get("edits") or []
                ],
                "health": [user["health_url"] for user in users.values() if user.get("health_url")],
                "ready": [
                    {"container": container_name(name, user), "pattern": user["ready_log"]}
                    for name, user in users.items()
                    if user.get("ready_log")
                ],
                "probes": [item["probe"] for item in instances if item["key"] == key and item["probe"]],
                "archive": _archive(platform, key, database.get("legacy") or {}),
            }
        )
    return result


def _users(platform: Mapping[str, Any], key: str, profiles: Mapping[str, Any]) -> Dict[str, Thing]:
    """Return the services that are to be brought to a database, in the description's order."""
    instances = {name for name, item in platform["postgrest"].items() if item["database"] == key}
    return {
        name: item
        for name, item in platform["services"].items()
        if item.get("postgrest") in instances
        or (item.get("database") == key and item["repoint"] and repointing_variables(profiles, item))
    }


def project_services(group: Mapping[str, Thing]) -> Thing:
    """Return what stops and starts the services of one compose project, in order."""
    first = next(iter(group.values()))
    folder = folder_of(first)
    return {
        "compose": compose_of(first),
        "services": [service_name(name, item) for name, item in group.items()],
        "profiles": first.get("profiles") or [],
        "stop": [
            {"argv": item["stop"], "chdir": folder} for item in reversed(list(group.values())) if item.get("stop")
        ],
        "start": [{"argv": item["start"], "chdir": folder} for item in group.values() if item.get("start")],
    }


def _edit(edit: Mapping[str, Any]) -> Thing:
    return {"before": edit["before"], "after": edit["after"]}


def _settings(
    platform: Mapping[str, Any], users: Mapping[str, Thing], options: Thing, profiles: Mapping[str, Any], journal: str
) -> List[Thing]:
    """Return, for each compose project, which services' variables are to hold what, as options of a module."""
    result: List[Thing] = []
    for group in by_project(users):
        for name, item in group.items():
            variables, variables_from = _variables(platform, item, options, profiles)
            same = next((entry for entry in result if _same_setting(entry, item, variables, variables_from)), None)
            if same is not None:
                same["services"].append(service_name(name, item))
            elif variables or variables_from:
                result.append(
                    dict(
                        compose_of(item),
                        services=[service_name(name, item)],
                        variables=variables,
                        variables_from=variables_from,
                        journal=journal,
                    )
                )
    return result


def _is_set(settings: List[Thing], name: str, item: Thing) -> bool:
    """Whether any of a service's variables is set: others have no reason to be stopped."""
    return any(
        setting["path"] == item["compose_file"] and service_name(name, item) in setting["services"]
        for setting in settings
    )


def _same_setting(entry: Thing, item: Thing, variables: Thing, variables_from: Thing) -> bool:
    compose = compose_of(item)
    return all(entry.get(name) == compose.get(name) for name in ("path", "project_name")) and (
        (entry["variables"], entry["variables_from"]) == (variables, variables_from)
    )


def _variables(platform: Mapping[str, Any], item: Thing, options: Thing, profiles: Mapping[str, Any]) -> Any:
    """Return the variables of a service, and those whose value a file holds."""
    variables: Dict[str, str] = {}
    variables_from: Dict[str, str] = {}
    instance = platform["postgrest"].get(item.get("postgrest")) or {}
    url = (instance.get("gateway") or {}).get("url")
    reads = (profiles.get(str(item.get("profile"))) or {}).get("rest_url_variable")
    if url and reads:
        variables[reads] = url
    names = repointing_variables(profiles, item) if item["repoint"] else None
    if names:
        variables.update({names["name"]: options["database"], names["user"]: options["owner"]})
        if options.get("owner_password"):
            variables[names["password"]] = options["owner_password"]
        else:
            variables_from[names["password"]] = options["owner_password_file"]
    return variables, variables_from


def _archive(platform: Mapping[str, Any], key: str, legacy: Mapping[str, Any]) -> Optional[Thing]:
    """Return the entry of the register for the archive of a database's legacy, as options of a module."""
    if not legacy.get("archive_schema"):
        return None
    return {
        "path": register_path(platform),
        "kind": "archive",
        "name": legacy["archive_schema"],
        "cluster": platform["databases"][key]["cluster"],
        "database": legacy["database"],
        "keep_for": "%ds" % legacy["keep_for"],
        "reason": "what %s held before it moved to %s" % (legacy["database"], database_name(platform, key)),
    }


def register_path(platform: Mapping[str, Any]) -> str:
    """Return the file that says what is kept until when."""
    return posixpath.join(platform["state_dir"], "register.jsonl")


def audit_path(platform: Mapping[str, Any]) -> str:
    """Return the file that says what destructive things were done."""
    return posixpath.join(platform["state_dir"], "audit.jsonl")


def _kept(platform: Mapping[str, Any]) -> Thing:
    return {
        "register": register_path(platform),
        "audit_log": audit_path(platform),
        "backup_root": platform["backup_root"],
        "encrypt_to": recipients_of(platform),
        "clusters": [{"name": name, "connection": connection(platform, name)} for name in platform["clusters"]],
    }


def _drop(platform: Mapping[str, Any]) -> List[Thing]:
    """Return, for each database, how it is dropped, and what the description still has that uses it."""
    # A service inside of a shared database is no database, and uses the one that it is in.
    return [
        {
            "key": key,
            "connection": connection(platform, item["cluster"]),
            "options": {
                "database": database_name(platform, key),
                "dest": backup_folder(platform, key),
                "services": _named_with(platform, key),
                "register": register_path(platform),
                "cluster": item["cluster"],
                "audit_log": audit_path(platform),
            },
        }
        for key, item in platform["databases"].items()
        if item["strategy"] == "database"
    ]


def users_of(platform: Mapping[str, Any], key: str) -> Tuple[Dict[str, Thing], Dict[str, Thing]]:
    """Return the services and the PostgREST instances that the description brings to a database, by whatever key."""

    def place(other: str) -> Any:
        return platform["databases"][other]["cluster"], database_name(platform, other)

    instances = {name: item for name, item in platform["postgrest"].items() if place(item["database"]) == place(key)}
    services = {
        name: item
        for name, item in platform["services"].items()
        if item.get("postgrest") in instances or (item.get("database") and place(item["database"]) == place(key))
    }
    return services, instances


def _named_with(platform: Mapping[str, Any], key: str) -> List[str]:
    services, instances = users_of(platform, key)
    return [*services, *("PostgREST instance %s" % name for name in instances)]


def _probe(platform: Mapping[str, Any], instance: Thing) -> Optional[Thing]:
    """Return how an instance is asked, as options of a module."""
    probe = instance.get("probe")
    if not probe:
        return None
    options = dict(
        connection(platform, platform["databases"][instance["database"]]["cluster"]),
        url=probe["url"],
        database=database_name(platform, instance["database"]),
        instance=instance.get("container") or instance["service"],
    )
    options.update({name: probe[name] for name in ("table", "anonymous_url", "ready_url") if probe.get(name)})
    apikey = probe.get("apikey_from")
    if apikey:
        options.update(apikey_file=_resolve(instance, apikey["file"]), apikey_variable=apikey["variable"])
        if apikey.get("anonymous_variable"):
            options["anonymous_apikey_variable"] = apikey["anonymous_variable"]
    return options


def _gateway(instance: Thing, journal: str) -> Optional[Thing]:
    gateway = instance.get("gateway")
    if not gateway:
        return None
    return {
        "kind": gateway["kind"],
        "container": gateway["container"],
        "path": _resolve(instance, gateway["file"]),
        "clusters_path": _resolve(instance, gateway["clusters_file"]) if gateway.get("clusters_file") else None,
        "like": gateway["like"],
        "route": gateway["route"],
        "service": instance["service"],
        "journal": journal,
    }


def _backup(platform: Mapping[str, Any]) -> Thing:
    databases, passwords = [], {}
    for key, database in platform["databases"].items():
        backup = database.get("backup")
        if not backup:
            continue
        retention = {rule: value for rule, value in backup["retention"].items() if value is not None}
        retention.update({rule: "%ds" % retention[rule] for rule in ("within", "unverified") if rule in retention})
        options = dict(
            connection(platform, database["cluster"]),
            database=database_name(platform, key),
            dest=backup_folder(platform, key),
            mount=platform["backup_mount"],
            schedule=backup["schedule"],
            timezone=platform["timezone"],
            retention=retention,
            verify=backup["verify"],
            format=backup["format"],
            dump_jobs=backup["dump_jobs"],
            compression=backup["compression"],
            globals=backup["globals"],
            shrink_ratio=backup["shrink_ratio"],
            encrypt_to=backup["encrypt_to"],
        )
        # The module hides what is in its passwords, and shows the rest.
        password = options.pop("login_password", None)
        if password is not None:
            passwords[key] = password
        databases.append({"key": key, "options": options, "before": backup["before"], "after": backup["after"]})
    return {
        "databases": databases,
        "passwords": passwords,
        "log": posixpath.join(platform["state_dir"], "backup.jsonl"),
        "status_dir": posixpath.join(platform["state_dir"], "status"),
    }


def _copies(platform: Mapping[str, Any]) -> Thing:
    dumped = {key: item for key, item in platform["databases"].items() if item.get("backup")}
    return {
        "folders": {key: backup_folder(platform, key) for key in dumped},
        "names": {key: database_name(platform, key) for key in dumped},
        "schedules": {key: item["backup"]["schedule"] for key, item in dumped.items()},
        "rpo": {key: "%ds" % item["rpo"] for key, item in dumped.items() if item.get("rpo")},
        "timezone": platform["timezone"],
        "listing": posixpath.join(platform["state_dir"], "copies.txt"),
    }


def _question(container: str, reaches_host: bool, variables: List[str]) -> Thing:
    """Return what to ask a container. One that needn't reach the host is asked for its own name: that costs nothing."""
    question: Thing = {"container": container, "variables": variables}
    return question if reaches_host else dict(question, host="localhost")


def _audit(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> Thing:
    # Whose a table is doesn't depend on what is described: Supabase's schemas are its own wherever they are found.
    tenants = {name: profile["owns"] for name, profile in profiles.items() if profile.get("owns")}
    services = [_audited_service(platform, profiles, name, item) for name, item in platform["services"].items()]
    instances = [_audited_instance(platform, name, item) for name, item in platform["postgrest"].items()]
    copies = _copies(platform)
    return {
        "described": True,
        "timezone": platform["timezone"],
        "clusters": [{"name": name, "connection": connection(platform, name)} for name in platform["clusters"]],
        "tenants": tenants,
        "services": services,
        "questions": [_question(item["container"], item["reaches_host"], item["variables"]) for item in services]
        + [_question(item["container"], False, []) for item in instances],
        # What else is asked from inside, after those: of which service, and what.
        "probes": [
            {"service": name, "question": probe}
            for name, item in platform["services"].items()
            for probe in _probes(name, item)
            if probe.get("url")
        ],
        "instances": instances,
        "databases": {
            key: {
                "name": database_name(platform, key),
                "cluster": item["cluster"],
                "folder": backup_folder(platform, key),
                "rpo": item.get("rpo"),
                "rto": item.get("rto"),
                "criticality": item["criticality"],
                "owner": item.get("owner"),
                "extensions": [
                    extension if isinstance(extension, str) else extension["name"]
                    for extension in item.get("extensions") or []
                ],
                "dumped": bool(item.get("backup")),
            }
            for key, item in platform["databases"].items()
            # A service inside of a shared database is no database.
            if item["strategy"] == "database"
        },
        "folders": copies["folders"],
        "names": copies["names"],
        "schedules": copies["schedules"],
        "rpo": copies["rpo"],
        "neighbours": platform["neighbours"],
        "accepted": platform["accepted"],
        "host": _audited_host(platform, services, instances),
    }


def _audited_service(platform: Mapping[str, Any], profiles: Mapping[str, Any], name: str, service: Thing) -> Thing:
    profile = profiles.get(str(service.get("profile"))) or {}
    variable, key = profile.get("rest_url_variable"), service.get("database")
    return {
        "name": name,
        "container": container_name(name, service),
        "reaches_host": service["reaches_host"],
        "health_url": service.get("health_url"),
        "profile": service.get("profile"),
        "database": database_name(platform, key) if key else None,
        "key": key,
        "cluster": platform["databases"][key]["cluster"] if key else None,
        "postgrest": service.get("postgrest"),
        "platform": bool((profile.get("owns") or {}).get("platform")),
        "path": service["compose_file"],
        "variables": [variable] if variable else [],
    }


def _audited_instance(platform: Mapping[str, Any], name: str, item: Thing) -> Thing:
    gateway = item.get("gateway") or {}
    return {
        "name": name,
        "container": item.get("container") or item["service"],
        "route": gateway.get("route", ""),
        "gateway": gateway.get("container"),
        "database": database_name(platform, item["database"]),
        "key": item["database"],
        "cluster": platform["databases"][item["database"]]["cluster"],
        "path": item["compose_file"],
    }


def _audited_host(platform: Mapping[str, Any], services: List[Thing], instances: List[Thing]) -> Thing:
    """Return what is to be read of the host, as options of a module."""
    containers = [item["container"] for item in [*services, *instances]]
    containers += [item["gateway"] for item in instances if item["gateway"]]
    containers += [item["container"] for item in platform["clusters"].values() if item.get("container")]
    projects: List[Thing] = []
    for item in [*platform["services"].values(), *platform["postgrest"].values()]:
        options = compose_of(item)
        options.pop("project_name", None)
        if options not in projects:
            projects.append(options)
    urls = {"service " + item["name"]: item["health_url"] for item in services if item["health_url"]}
    urls.update({"neighbour " + name: item["url"] for name, item in platform["neighbours"].items()})
    return {"containers": list(dict.fromkeys(containers)), "projects": projects, "urls": urls}


def _metrics(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> Thing:
    return {
        "clusters": [dict(connection(platform, name), name=name) for name in platform["clusters"]],
        "databases": [
            {
                "key": key,
                "name": database_name(platform, key),
                "cluster": item["cluster"],
                "criticality": item["criticality"],
                "rpo_s": item.get("rpo"),
                "rto_s": item.get("rto"),
                "folder": backup_folder(platform, key) if item.get("backup") else None,
                "schedule": (item.get("backup") or {}).get("schedule"),
            }
            for key, item in platform["databases"].items()
            # A service inside of a shared database is no database, unless it is dumped by itself.
            if item["strategy"] == "database" or item.get("backup")
        ],
        "tenants": {name: profile["owns"] for name, profile in profiles.items() if profile.get("owns")},
        "timezone": platform["timezone"],
        "restores": posixpath.join(platform["state_dir"], "restores.jsonl"),
        "folder": posixpath.join(platform["state_dir"], "metrics"),
    }


def _consolidate(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> Thing:
    """Return what a decision on the clusters is made from, as options of a module."""
    # A service inside of a shared database is no database: it goes where that goes.
    databases = {key: item for key, item in platform["databases"].items() if item["strategy"] == "database"}
    services = []
    for name, service in platform["services"].items():
        profile = profiles.get(str(service.get("profile"))) or {}
        services.append(
            {
                "name": name,
                "container": container_name(name, service),
                "profile": service.get("profile"),
                # Of these the tag says which version of the program runs.
                "images": list(profile.get("images") or []),
                "minimum_postgres": service["minimum_postgres"],
                "postgres": profile.get("postgres") or {},
            }
        )
    return {
        "options": {
            "clusters": [dict(connection(platform, name), name=name) for name in platform["clusters"]],
            "databases": [
                {
                    "key": key,
                    "name": database_name(platform, key),
                    "cluster": item["cluster"],
                    "criticality": item["criticality"],
                    "services": list(users_of(platform, key)[0]),
                    "schedule": (item.get("backup") or {}).get("schedule"),
                    "folder": backup_folder(platform, key) if item.get("backup") else None,
                }
                for key, item in databases.items()
            ],
            "services": services,
        },
    }
