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
    "compression": {"type": "str", "choices": ["auto", "zstd", "gzip", "none"], "default": "auto"},
    "globals": {"type": "bool", "default": True},
    "data_only_tables": {"type": "list", "elements": "str", "default": []},
    "label": {"type": "str"},
    "shrink_ratio": {"type": "float", "default": 0.5},
    "acknowledge": {"type": "bool", "default": False},
    "lock_timeout": {"type": "str", "default": "1m"},
    "encrypt_to": {"type": "list", "elements": "str", "default": []},
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
