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
