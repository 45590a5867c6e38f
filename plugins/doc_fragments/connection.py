# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say which cluster is meant, and as whom."""


class ModuleDocFragment:
    """Goes with CONNECTION_SPEC in module_utils/_core/argspec.py."""

    DOCUMENTATION = r"""
options:
  container:
    description:
      - Name of the container in which the Postgres server runs.
      - Its address, user and password are found by inspection, and its own client programs are used.
      - Exactly one of O(container) and O(login_host) or O(login_unix_socket) is needed.
    type: str
  login_host:
    description:
      - Host name or address of a Postgres server that isn't a container of this host's engine.
      - The client programs of the host on which the module runs are used.
    type: str
  login_port:
    description:
      - Port of the server, with O(login_host) or O(login_unix_socket). By default V(5432).
    type: int
  login_unix_socket:
    description:
      - Folder of the server's Unix socket, instead of O(login_host).
    type: path
  login_user:
    description:
      - Role to log in as. By default the container's E(POSTGRES_USER), else V(postgres).
      - In Supabase's images the superuser is V(supabase_admin).
    type: str
  login_password:
    description:
      - Password of O(login_user). By default the container's E(POSTGRES_PASSWORD) or E(POSTGRES_PASSWORD_FILE).
      - It is handed to client programs in their environment, never as an argument.
    type: str
  login_db:
    description:
      - Database in which statements run that concern the whole cluster.
    type: str
    default: postgres
  docker_host:
    description:
      - URL of the container engine. By default E(DOCKER_HOST), else the local socket.
    type: str
requirements:
  - psycopg2 for the Python that runs the module
  - docker, the Python library, where O(container) is used
"""
