#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for the line of a container's log that means it is ready."""

DOCUMENTATION = r"""
module: container_log_info
short_description: Wait for a line in a container's log
version_added: 0.1.0
description:
  - A container's health and a service's URL answer before all of it works. Some programs say in their log when it does.
  - Only what was written since the container was last started counts.
extends_documentation_fragment:
  - bulkhead.stack.attributes
  - bulkhead.stack.attributes.info
options:
  container:
    description: The container.
    type: str
    required: true
  pattern:
    description: A regular expression that the line must hold somewhere.
    type: str
    required: true
  timeout:
    description: Seconds to wait for it.
    type: int
    default: 60
  docker_host:
    description: URL of the container engine. By default E(DOCKER_HOST), else the local socket.
    type: str
author:
  - bulkhead.stack authors (@bulkhead-stack)
"""

EXAMPLES = r"""
- name: Archon has found its tables
  bulkhead.stack.container_log_info:
    container: archon-server
    pattern: Database schema initialization complete
"""

RETURN = r"""
waited_s:
  description: Seconds until the line was there.
  returned: success
  type: float
  sample: 0.4
"""

import re
import time
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    InputError,
    VerificationError,
)


def wait(options: Dict[str, Any]) -> Dict[str, Any]:
    """Wait for the line; return the module's result."""
    try:
        pattern = re.compile(options["pattern"].encode("utf-8"))
    except re.error as error:
        raise InputError("pattern is no regular expression: %s." % error, "Correct it.") from error
    began = time.monotonic()
    engine = Docker(options["docker_host"])
    try:
        while True:
            lines = 0
            for line in engine.log_since_start(options["container"]):
                if pattern.search(line):
                    return {"waited_s": round(time.monotonic() - began, 1)}
                lines += 1
            if time.monotonic() - began > options["timeout"]:
                raise VerificationError(
                    "The log of %s doesn't say %r; waited %d s, and read %d lines of it."
                    % (options["container"], options["pattern"], options["timeout"], lines),
                    "See `docker logs %s`." % options["container"],
                )
            time.sleep(0.5)
    finally:
        engine.close()


def main() -> None:
    """Wire options and adapter."""
    module = AnsibleModule(
        {
            "container": {"type": "str", "required": True},
            "pattern": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 60},
            "docker_host": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = wait(module.params)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
