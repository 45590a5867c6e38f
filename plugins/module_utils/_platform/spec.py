# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a description may hold: each field once, with its type.

The walker in validate.py reads these; nothing else knows a field's name by heart. Ansible's own argument specs stop at
fixed names and mix paths into sentences; a description is made of named things and reports every mistake by its path.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple


@dataclass(frozen=True)
class Field:
    """One field of a thing.

    Arguments:
        kind: str, int, bool, ratio (0 to below 1), duration, date, schedule, list, dict, any; or map (of named things,
            each as ``fields`` has it).
        required: whether it must be there.
        default: its value where it is absent.
        choices: the values that it may have.
        elements: the kind of a list's items: str, or list for lists of texts.
        fields: what a dict, each thing of a map, or each item of a list may hold; None lets a dict hold anything. An
            item of a list may also be a text: its ``text_is``.
        text_is: of a list of dicts, the field that a text stands for.
    """

    kind: str = "str"
    required: bool = False
    default: Any = None
    choices: Tuple[str, ...] = ()
    elements: str = "str"
    fields: Optional[Dict[str, "Field"]] = field(default=None)
    text_is: str = "name"


CRITICALITIES = ("low", "medium", "high", "critical")

CLUSTER = {
    "container": Field(),
    "host": Field(),
    "port": Field("int"),
    "unix_socket": Field(),
    "superuser": Field(),
    "password": Field(),
    "maintenance_database": Field(default="postgres"),
    # Where its container is defined, and what made its databases when its volume was empty: for the consolidation.
    "compose_file": Field(),
    "service": Field(),
    "project": Field(),
    "files": Field("list"),
    "env_files": Field("list"),
    "init_scripts": Field("list", default=[]),
}

RETENTION = {name: Field("int") for name in ("keep", "last", "hourly", "daily", "weekly", "monthly", "yearly")}
RETENTION["within"] = Field("duration")
RETENTION["unverified"] = Field("duration")

BACKUP = {
    "schedule": Field("schedule", required=True),
    "retention": Field("dict", fields=RETENTION, default={"last": 7}),
    "verify": Field(choices=("hashed", "read"), default="read"),
    "format": Field(choices=("custom", "directory"), default="custom"),
    "dump_jobs": Field("int"),
    "compression": Field(choices=("auto", "zstd", "gzip", "none"), default="auto"),
    "folder": Field(),
    "accept_gap": Field(),
    "globals": Field("bool", default=True),
    "shrink_ratio": Field("ratio", default=0.5),
    "encrypt_to": Field("list", default=[]),
    # Commands on the host around a dump that is due, each as a list of its words.
    "before": Field("list", elements="list", default=[]),
    "after": Field("list", elements="list", default=[]),
}

EXPECT = {
    "tables": Field("list"),
    "columns": Field("dict"),
    "policies": Field("int"),
    "functions": Field("list"),
    "triggers": Field("list"),
    "rows": Field("dict"),
    "roles": Field("dict"),
}

LEGACY = {
    "database": Field(required=True),
    "tables": Field("any"),
    "schemas": Field("list"),
    "owner": Field(),
    "include": Field("list"),
    "exclude": Field("list"),
    "archive_schema": Field(),
    # How long an archive is kept, by default: 30 days.
    "keep_for": Field("duration", default=30 * 86400),
}

DEFAULT_PRIVILEGE = {
    "role": Field(required=True),
    "schema": Field(default="public"),
    "objects": Field(choices=("tables", "sequences", "functions", "types"), default="tables"),
    "privileges": Field("list", required=True),
}

# What a database is useless without: a variable of its service, a file, or what only a person can look for.
NEED = {
    "what": Field(),
    "variable": Field(),
    "env_file": Field(),
    "file": Field(),
    "note": Field(default=""),
}

# A volume by its name, a folder by its path, or whatever is mounted at a path in the service's container.
VOLUME = {
    "name": Field(),
    "target": Field(),
    "note": Field(default=""),
}

RECOVERY = {
    "needs": Field("list", fields=NEED, text_is="variable", default=[]),
    "volumes": Field("list", fields=VOLUME, default=[]),
    # Whether they are taken along with the copies, encrypted.
    "save": Field("bool", default=False),
    "probe": Field(),
    "checklist": Field("list", default=[]),
}

# Where a database could live, how it would be reached there, and what becomes of its own server.
CONSOLIDATE = {
    "to": Field(required=True),
    "name": Field(),
    "owner": Field(required=True),
    "host": Field(),
    "port": Field("int", default=5432),
    "leave_out_roles": Field("list", default=[]),
    "keep_for": Field("duration", default=30 * 86400),
}

DATABASE = {
    "cluster": Field(required=True),
    "name": Field(),
    "holds": Field(default=""),
    "criticality": Field(choices=CRITICALITIES, default="medium"),
    "rpo": Field("duration"),
    "rto": Field("duration"),
    "strategy": Field(choices=("database", "schema", "prefix"), default="database"),
    "target_schema": Field(),
    "owner": Field(),
    "owner_password": Field(),
    "owner_password_file": Field(),
    "adopt": Field("bool", default=False),
    "connect_roles": Field("list"),
    "restrict_connect": Field("bool", default=True),
    "extensions": Field("any"),
    "prelude": Field(choices=("none", "postgrest")),
    "migrations": Field("any"),
    "data": Field(choices=("fresh", "copy"), default="fresh"),
    "encoding": Field(),
    "lc_collate": Field(),
    "lc_ctype": Field(),
    "conn_limit": Field("int"),
    "search_path": Field("list"),
    "default_privileges": Field("list", fields=DEFAULT_PRIVILEGE),
    "expect": Field("dict", fields=EXPECT),
    "expect_tables": Field("list"),
    "legacy": Field("dict", fields=LEGACY),
    "backup": Field("dict", fields=BACKUP),
    "recovery": Field("dict", fields=RECOVERY),
    "consolidate": Field("dict", fields=CONSOLIDATE),
}

# A text stands for the name alone: a network that the compose files declare.
NETWORK = {
    "name": Field(required=True),
    "external": Field("bool", default=False),
    "network": Field(),
    "driver": Field(),
    "aliases": Field("list"),
}

# An edit of a file of the service's authors, such as a launcher that names the database.
EDIT = {
    "file": Field(required=True),
    "before": Field(required=True),
    "after": Field(required=True),
}

SERVICE = {
    "profile": Field(),
    "container": Field(),
    "service": Field(),
    "compose_file": Field(required=True),
    "project": Field(),
    "files": Field("list"),
    "profiles": Field("list"),
    "env_files": Field("list"),
    "database": Field(),
    "postgrest": Field(),
    "repoint": Field("bool", default=False),
    "reaches_host": Field("bool", default=False),
    "reaches": Field("list"),
    "networks": Field("list", fields=NETWORK),
    "health_url": Field(),
    "ready_log": Field(),
    "start": Field("list"),
    "stop": Field("list"),
    "edits": Field("list", fields=EDIT),
    "database_variables": Field("dict"),
    # The oldest major of PostgreSQL that it runs with.
    "minimum_postgres": Field("int"),
}

GATEWAY = {
    "kind": Field(choices=("nginx", "kong", "envoy"), default="nginx"),
    "container": Field(required=True),
    "file": Field(required=True),
    "clusters_file": Field(),
    "like": Field(default="/rest/v1/"),
    "route": Field(required=True),
    "url": Field(required=True),
}

APIKEY_FROM = {"file": Field(required=True), "variable": Field(required=True), "anonymous_variable": Field()}

PROBE = {
    "url": Field(required=True),
    "table": Field(),
    "anonymous_url": Field(),
    "ready_url": Field(),
    "apikey_from": Field("dict", fields=APIKEY_FROM),
}

POSTGREST = {
    "compose_file": Field(required=True),
    "project": Field(),
    "files": Field("list"),
    "env_files": Field("list"),
    "service": Field(required=True),
    "container": Field(),
    "extends": Field(),
    "database": Field(required=True),
    "repoint": Field("bool", default=False),
    "mode": Field(choices=("override", "inline"), default="override"),
    "settings": Field("dict"),
    "gateway": Field("dict", fields=GATEWAY),
    "probe": Field("dict", fields=PROBE),
}

# Whom to call on the bad day.
CONTACT = {
    "name": Field(required=True),
    "role": Field(default=""),
    "phone": Field(default=""),
    "email": Field(default=""),
    "note": Field(default=""),
}

NEIGHBOUR = {"url": Field(required=True), "required": Field("bool", default=False)}

# A finding of the audit that somebody has decided to live with, and until when.
ACCEPTED = {
    "finding": Field(required=True),
    "thing": Field(required=True),
    "reason": Field(required=True),
    "until": Field("date", required=True),
}

# What a document can hold, in the order in which it is added.
BLOCKS = ("architecture", "connections", "inventory", "environment", "dns", "neighbours", "backups", "restore")

# A file of the user's that has marked blocks; without a list it has all.
DOCUMENT = {
    "path": Field(required=True),
    "blocks": Field("list"),
    "comments": Field(choices=("auto", "markdown", "html", "text", "hash"), default="auto"),
    "create": Field("bool", default=True),
    "state": Field(choices=("present", "absent"), default="present"),
}

PLATFORM = {
    "timezone": Field(default="UTC"),
    "backup_root": Field(default="/backups"),
    "backup_mount": Field(),
    "state_dir": Field(default="/var/lib/bulkhead"),
    "clusters": Field("map", required=True, fields=CLUSTER),
    "databases": Field("map", default={}, fields=DATABASE),
    "services": Field("map", default={}, fields=SERVICE),
    "postgrest": Field("map", default={}, fields=POSTGREST),
    "neighbours": Field("map", default={}, fields=NEIGHBOUR),
    "contacts": Field("list", default=[], fields=CONTACT),
    "accepted": Field("list", default=[], fields=ACCEPTED, text_is="finding"),
    "documents": Field("list", default=[], fields=DOCUMENT, text_is="path"),
}
