# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that edit compose files; ``module_utils/_core/argspec.py`` holds their types."""


class ModuleDocFragment:
    """Options of the modules that edit compose files."""

    DOCUMENTATION = r"""
options:
  path:
    description:
      - The compose file.
    type: path
    required: true
  mode:
    description:
      - With V(inline) the compose file itself is edited, byte for byte outside the lines that change.
      - With V(override) the change goes to an override file. Use this where the compose file belongs to a git clone.
    type: str
    choices: [inline, override]
    default: inline
  override_path:
    description:
      - The override file, for O(mode=override).
      - By default the one that Compose finds beside O(path); it is made where there is none.
    type: path
  project_name:
    description:
      - The project's name. By default the project's containers say it.
    type: str
  files:
    description:
      - All compose files of the project, in order. By default the project's containers say them.
    type: list
    elements: path
  env_files:
    description:
      - The project's env files, in order. By default the project's containers say them, else it is C(.env).
    type: list
    elements: path
  validate:
    description:
      - Whether C(docker compose config) must accept the new content before it replaces the file, and read nothing but
        the asked-for change out of it, services behind profiles included.
      - Where it refuses the content that is there in the same way, the file is written all the same,
        and RV(ignore:validated) says V(skipped).
    type: bool
    default: true
  backup:
    description:
      - Whether to keep a copy of the old content beside the file.
    type: bool
    default: false
  journal:
    description:
      - A file of JSON lines. Before a file is written, an entry with a private copy of its old content goes there.
    type: path
  docker_host:
    description:
      - The URL of the container engine. By default what E(DOCKER_HOST) says, else the local socket.
      - Without an engine the file is edited all the same; RV(ignore:pending_services) is then empty.
    type: str
requirements:
  - PyYAML
  - C(docker compose), with O(validate=true)
  - the Python library docker, to see which containers need to be made anew
notes:
  - C(docker compose restart) never applies an edit. C(docker compose up -d SERVICE) does.
"""
