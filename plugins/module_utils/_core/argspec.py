# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share; the doc fragments ``connection`` and ``compose_file`` document them."""

from typing import Any, Dict

CONNECTION_SPEC: Dict[str, Any] = {
    "container": {"type": "str"},
    "login_host": {"type": "str"},
    "login_port": {"type": "int"},
    "login_unix_socket": {"type": "path"},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "login_db": {"type": "str", "default": "postgres"},
    "docker_host": {"type": "str"},
}

RETENTION_SPEC: Dict[str, Any] = {
    "last": {"type": "int"},
    "keep": {"type": "int"},
    "within": {"type": "str"},
    "hourly": {"type": "int"},
    "daily": {"type": "int"},
    "weekly": {"type": "int"},
    "monthly": {"type": "int"},
    "yearly": {"type": "int"},
    "unverified": {"type": "str", "default": "30d"},
}

# What pg_dump_rotate takes beside a connection and a clock; a run over several databases takes it for each.
ROTATE_SPEC: Dict[str, Any] = {
    "database": {"type": "str", "required": True},
    "dest": {"type": "path", "required": True},
    "mount": {"type": "path"},
    "retention": {"type": "dict", "default": {}, "options": RETENTION_SPEC},
    "schedule": {"type": "str"},
    "timezone": {"type": "str", "default": "UTC"},
    "verify": {"type": "str", "choices": ["hashed", "read"], "default": "read"},
    "format": {"type": "str", "choices": ["custom", "directory"], "default": "custom"},
    "dump_jobs": {"type": "int"},
    "compression": {"type": "str", "choices": ["auto", "zstd", "gzip", "none"], "default": "auto"},
    "globals": {"type": "bool", "default": True},
    "data_only_tables": {"type": "list", "elements": "str", "default": []},
    "label": {"type": "str"},
    "shrink_ratio": {"type": "float", "default": 0.5},
    "acknowledge": {"type": "bool", "default": False},
    "lock_timeout": {"type": "str", "default": "1m"},
    "encrypt_to": {"type": "list", "elements": "str", "default": []},
}

# Of one database: what a recovery needs besides its dump, and where that usually is.
RECOVERY_NEEDS_SPEC: Dict[str, Any] = {
    "key": {"type": "str", "required": True, "no_log": False},
    "needs": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "variable": {"type": "str"},
            "env_file": {"type": "path"},
            "file": {"type": "path"},
            "what": {"type": "str"},
            "note": {"type": "str", "default": ""},
        },
        "required_one_of": [("variable", "file", "what")],
    },
    "volumes": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str"}, "target": {"type": "str"}, "note": {"type": "str", "default": ""}},
        "required_one_of": [("name", "target")],
    },
    "services": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "service": {"type": "str", "required": True},
            "container": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "project_name": {"type": "str"},
            "files": {"type": "list", "elements": "path"},
            "env_files": {"type": "list", "elements": "path"},
        },
    },
    "server": {"type": "str"},
}

COMPOSE_FILE_SPEC: Dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "mode": {"type": "str", "choices": ["inline", "override"], "default": "inline"},
    "override_path": {"type": "path"},
    "project_name": {"type": "str"},
    "files": {"type": "list", "elements": "path"},
    "env_files": {"type": "list", "elements": "path"},
    "validate": {"type": "bool", "default": True},
    "backup": {"type": "bool", "default": False},
    "journal": {"type": "path"},
    "docker_host": {"type": "str"},
}
