# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projections of a validated description: what each phase has to do, as options of its modules."""

import posixpath
from typing import Any, Dict, List, Mapping, Optional
from urllib.parse import urlsplit

from .validate import repointing_variables

Thing = Dict[str, Any]


def project(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> Dict[str, Any]:
    """Return ``dns``, ``isolate``, ``postgrest``, ``backup`` and ``audit``, with paths resolved."""
    return {
        "dns": _dns(platform),
        "isolate": _isolate(platform, profiles),
        "postgrest": _postgrest(platform, profiles),
        "backup": _backup(platform),
        "audit": _audit(platform, profiles),
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


def journal_path(platform: Mapping[str, Any], key: str) -> str:
    """Return the file that holds the journal of a database's isolation."""
    return posixpath.join(platform["state_dir"], "journal", key + ".jsonl")


def _folder(item: Mapping[str, Any]) -> str:
    return posixpath.dirname(item["compose_file"])


def _resolve(item: Mapping[str, Any], path: str) -> str:
    return posixpath.normpath(posixpath.join(_folder(item), path))


def _compose(item: Mapping[str, Any]) -> Thing:
    """Return a compose project's options, for our modules."""
    options: Thing = {"path": item["compose_file"]}
    if item.get("project"):
        options["project_name"] = item["project"]
    for field in ("files", "env_files"):
        if item.get(field):
            options[field] = [_resolve(item, path) for path in item[field]]
    return options


def _slug(item: Mapping[str, Any]) -> str:
    return str(item.get("project") or posixpath.basename(_folder(item)))


def _service_name(name: str, service: Mapping[str, Any]) -> str:
    return str(service.get("service") or name)


def _container_name(name: str, service: Mapping[str, Any]) -> str:
    return str(service.get("container") or name)


def _by_project(services: Mapping[str, Thing]) -> List[Dict[str, Thing]]:
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
    for group in _by_project(concerned):
        first = next(iter(group.values()))
        result.append(
            {
                "compose": _compose(first),
                "services": [
                    _service_name(name, service) for name, service in group.items() if service["reaches_host"]
                ],
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
            same["services"].append(_service_name(name, service))
        elif networks:
            found.append({"services": [_service_name(name, service)], "networks": networks})
    return found


def _probes(name: str, service: Mapping[str, Any]) -> List[Thing]:
    """Return the questions that a service's container has to answer."""
    container = _container_name(name, service)
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
        for field in ("encoding", "lc_collate", "lc_ctype", "conn_limit"):
            if database.get(field) is not None:
                options[field] = database[field]
        if database.get("owner_password"):
            options["owner_password"] = database["owner_password"]
        else:
            options["owner_password_file"] = database.get("owner_password_file") or posixpath.join(
                platform["state_dir"], "secrets", key + ".password"
            )
        if database.get("legacy"):
            options["legacy"] = {field: value for field, value in database["legacy"].items() if value is not None}
        result.append(
            {
                "key": key,
                "options": options,
                "journal": options["journal"],
                "connection": connection(platform, database["cluster"]),
                "safety": _safety(platform, key, database),
                "switches": _repoint(platform, key, options, profiles),
            }
        )
    return result


def _located(home: Optional[Thing], migration: Any) -> Any:
    """Return a migration with its path, which is relative to the compose file of the service that it is of."""
    if isinstance(migration, str):
        return _resolve(home, migration) if home else migration
    return dict(migration, path=_located(home, migration["path"]))


def _repoint(platform: Mapping[str, Any], key: str, options: Thing, profiles: Mapping[str, Any]) -> List[Thing]:
    """Return, for each compose project and program, what its services' variables are to say of this database."""
    users = {
        name: item
        for name, item in platform["services"].items()
        if item.get("database") == key and item.get("repoint") and repointing_variables(profiles, item)
    }
    result: List[Thing] = []
    for group in _by_project(users):
        programs: Dict[str, Dict[str, Thing]] = {}
        for name, item in group.items():
            programs.setdefault(str(item["profile"]), {})[name] = item
        for named in programs.values():
            first = next(iter(named.values()))
            variables = repointing_variables(profiles, first) or {}
            switch: Thing = {
                "compose": _compose(first),
                "services": [_service_name(name, item) for name, item in named.items()],
                "variables": {variables["name"]: options["database"], variables["user"]: options["owner"]},
                "variables_from": {},
                "profiles": first.get("profiles") or [],
                "health": [item["health_url"] for item in named.values() if item.get("health_url")],
            }
            if options.get("owner_password"):
                switch["variables"][variables["password"]] = options["owner_password"]
            else:
                switch["variables_from"][variables["password"]] = options["owner_password_file"]
            result.append(switch)
    return result


def _safety(platform: Mapping[str, Any], key: str, database: Thing) -> List[Thing]:
    """Return the dumps to take before anything is changed: the shared database, the new one, the legacy rows alone."""
    root = posixpath.join(platform["backup_root"], "before-isolation")
    common: Thing = dict(
        connection(platform, database["cluster"]), retention={"last": 5}, verify="read", label="before-isolation"
    )
    name = database_name(platform, key)
    dumps = [dict(common, database=name, dest=posixpath.join(root, key))]
    legacy = database.get("legacy")
    if legacy:
        shared = dict(common, database=legacy["database"], dest=posixpath.join(root, legacy["database"]))
        tables = legacy.get("tables") or []
        patterns = [tables] if isinstance(tables, str) else list(tables)
        patterns += ["%s.*" % schema for schema in legacy.get("schemas") or []]
        dumps.insert(0, dict(shared, data_only_tables=patterns) if patterns else shared)
    return dumps


def _postgrest(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> List[Thing]:
    result = []
    for name, instance in platform["postgrest"].items():
        users = {key: item for key, item in platform["services"].items() if item.get("postgrest") == name}
        if not users:
            continue
        database = platform["databases"][instance["database"]]
        config: Thing = dict(
            _compose(instance),
            service=instance["service"],
            mode=instance["mode"],
            database=database_name(platform, instance["database"]),
            settings=instance.get("settings") or {},
            container_name=instance.get("container") or instance["service"],
        )
        if instance.get("extends"):
            config["extends"] = instance["extends"]
            # The instance that it is based on serves schemas which a service's own database hasn't (Supabase: storage).
            if not {"db-schemas", "PGRST_DB_SCHEMAS"} & set(config["settings"]):
                config["settings"] = dict(config["settings"], **{"db-schemas": "public"})
        if instance.get("files") and instance["mode"] == "override":
            config["override_path"] = config["files"][-1]
        entry: Thing = {
            "name": name,
            "key": instance["database"],
            "config": config,
            "connection": connection(platform, database["cluster"]),
            "journal": journal_path(platform, instance["database"]),
            "probe": _probe(instance),
            "gateway": _gateway(instance),
            "switches": _switches(instance, users, profiles),
            "health": [
                {"name": key, "url": item["health_url"]} for key, item in users.items() if item.get("health_url")
            ],
            "isolation": next(
                (item["options"] for item in _isolate(platform, profiles) if item["key"] == instance["database"]), None
            ),
        }
        result.append(entry)
    return result


def _probe(instance: Thing) -> Optional[Thing]:
    probe = instance.get("probe")
    if not probe:
        return None
    apikey = probe.get("apikey_from")
    return {
        "url": probe["url"],
        "apikey_file": _resolve(instance, apikey["file"]) if apikey else None,
        "apikey_variable": apikey["variable"] if apikey else None,
    }


def _gateway(instance: Thing) -> Optional[Thing]:
    gateway = instance.get("gateway")
    if not gateway:
        return None
    return {
        "container": gateway["container"],
        "path": _resolve(instance, gateway["file"]),
        "like": gateway["like"],
        "route": gateway["route"],
        "service": instance["service"],
    }


def _switches(instance: Thing, users: Mapping[str, Thing], profiles: Mapping[str, Any]) -> List[Thing]:
    """Return, for each compose project and variable, the services in which it is to hold the gateway's new URL."""
    url = (instance.get("gateway") or {}).get("url")
    result: List[Thing] = []
    for group in _by_project(users) if url else []:
        readers: Dict[str, Dict[str, Thing]] = {}
        for key, item in group.items():
            variable = (profiles.get(str(item.get("profile"))) or {}).get("rest_url_variable")
            if variable:
                readers.setdefault(variable, {})[key] = item
        for variable, named in readers.items():
            first = next(iter(named.values()))
            names = [_service_name(key, item) for key, item in named.items()]
            result.append(
                {
                    "compose": _compose(first),
                    "services": names,
                    "variables": {variable: url},
                    "profiles": first.get("profiles") or [],
                }
            )
    return result


def _backup(platform: Mapping[str, Any]) -> List[Thing]:
    result = []
    for key, database in platform["databases"].items():
        backup = database.get("backup")
        if not backup:
            continue
        retention = {rule: value for rule, value in backup["retention"].items() if value is not None}
        if "within" in retention:
            retention["within"] = "%ds" % retention["within"]
        options = dict(
            connection(platform, database["cluster"]),
            database=database_name(platform, key),
            dest=backup_folder(platform, key),
            schedule=backup["schedule"],
            timezone=platform["timezone"],
            retention=retention,
            verify=backup["verify"],
            compression=backup["compression"],
        )
        result.append({"key": key, "options": options})
    return result


def _question(container: str, reaches_host: bool, variables: List[str]) -> Thing:
    """Return what to ask a container. One that needn't reach the host is asked for its own name: that costs nothing."""
    question: Thing = {"container": container, "variables": variables}
    return question if reaches_host else dict(question, host="localhost")


def _audit(platform: Mapping[str, Any], profiles: Mapping[str, Any]) -> Thing:
    # Whose a table is doesn't depend on what is described: Supabase's schemas are its own wherever they are found.
    tenants = {name: profile["owns"] for name, profile in profiles.items() if profile.get("owns")}
    services = []
    for name, service in platform["services"].items():
        variable = (profiles.get(service.get("profile")) or {}).get("rest_url_variable")
        services.append(
            {
                "name": name,
                "container": _container_name(name, service),
                "reaches_host": service["reaches_host"],
                "health_url": service.get("health_url"),
                "profile": service.get("profile"),
                "database": database_name(platform, service["database"]) if service.get("database") else None,
                "variables": [variable] if variable else [],
            }
        )
    return {
        "clusters": [{"name": name, "connection": connection(platform, name)} for name in platform["clusters"]],
        "tenants": tenants,
        "services": services,
        "questions": [_question(item["container"], item["reaches_host"], item["variables"]) for item in services]
        + [_question(item.get("container") or item["service"], False, []) for item in platform["postgrest"].values()],
        "instances": [
            {
                "name": name,
                "container": item.get("container") or item["service"],
                "route": (item.get("gateway") or {}).get("route", ""),
            }
            for name, item in platform["postgrest"].items()
        ],
        "databases": {
            key: {
                "name": database_name(platform, key),
                "cluster": item["cluster"],
                "folder": backup_folder(platform, key),
                "rpo": item.get("rpo"),
                "rto": item.get("rto"),
                "criticality": item["criticality"],
            }
            for key, item in platform["databases"].items()
        },
        "folders": {
            key: backup_folder(platform, key) for key, item in platform["databases"].items() if item.get("backup")
        },
        "names": {
            key: database_name(platform, key) for key, item in platform["databases"].items() if item.get("backup")
        },
        "neighbours": platform["neighbours"],
    }
