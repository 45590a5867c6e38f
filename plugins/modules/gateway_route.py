#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a second PostgREST a route of its own in an nginx gateway, like the one that is there."""

DOCUMENTATION = r"""
module: gateway_route
short_description: Give a second PostgREST instance a route in an nginx gateway
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Copies a C(location) block of an nginx configuration for another path and another upstream, and puts the copy right
    behind it, between two comments that mark it. Lines that ask for keys are copied as they are, so the same keys open
    both routes.
  - Inside the copy, the old path (in rewrites too) and the old upstream give way to the new ones. The original and
    everything else keep every byte. Removing the route gives back the file as it was.
  - nginx is reloaded, never restarted, so no request is lost. It is reloaded when the file changes, and when its
    workers are older than the file, as after a run that was interrupted. The module ends when the new workers serve.
extends_documentation_fragment:
  - bulkhead.stack.attributes
options:
  container:
    description:
      - The container in which nginx runs.
    type: str
    required: true
  path:
    description:
      - The configuration file, on the host.
      - The file is replaced, so the container must have its folder mounted. A file that is mounted by itself would not
        change in there, and is refused.
    type: path
    required: true
  like:
    description:
      - Path of the location that is copied, as it stands in the file.
    type: str
    default: /rest/v1/
  route:
    description:
      - What goes before that path. With V(/archon) the new location is C(/archon/rest/v1/).
    type: str
    required: true
  service:
    description:
      - Where the new route leads, a host, or host and port. Without a port it is the original's.
      - Needed with O(state=present).
    type: str
  like_service:
    description:
      - Where the original leads. By default its C(proxy_pass) says it.
    type: str
  state:
    description:
      - Whether the route is to be there.
    type: str
    choices: [present, absent]
    default: present
  validate:
    description:
      - Whether C(nginx -t) in the container must accept the file. Where it doesn't, the old file is put back.
    type: bool
    default: true
  backup:
    description:
      - Whether to keep a copy of the old content beside the file. Its name ends in C(~), so C(*.conf) doesn't match.
    type: bool
    default: false
  journal:
    description:
      - A file of JSON lines. Before the file is written, an entry with a private copy of its old content goes there.
    type: path
  docker_host:
    description:
      - URL of the container engine. By default E(DOCKER_HOST), else the local socket.
    type: str
requirements:
  - docker, the Python library
notes:
  - nginx looks up a host that is written into C(proxy_pass) when it loads its configuration. So the new service must
    run before its route is added. Where the location uses a variable and a C(resolver), the order doesn't matter.
seealso:
  - module: bulkhead.stack.postgrest_config
"""

EXAMPLES = r"""
- name: Route /archon/rest/v1/ to the second PostgREST
  bulkhead.stack.gateway_route:
    container: supabase-ai-gateway
    path: /srv/supabase/volumes/api/default.conf
    like: /rest/v1/
    route: /archon
    service: rest-archon

- name: Take the route away again
  bulkhead.stack.gateway_route:
    container: supabase-ai-gateway
    path: /srv/supabase/volumes/api/default.conf
    route: /archon
    state: absent
"""

RETURN = r"""
path_written:
  description: The file that was written, or would be. An empty text where nothing changes.
  returned: success
  type: str
  sample: /srv/supabase/volumes/api/default.conf
location:
  description: Path of the route's location.
  returned: success
  type: str
  sample: /archon/rest/v1/
validated:
  description: Whether nginx accepted the new content - V(yes) or V(no), where it wasn't asked.
  returned: success
  type: str
  sample: 'yes'
reloaded:
  description: Whether nginx was told to load the new configuration.
  returned: success
  type: bool
  sample: true
backup_file:
  description: The copy of the old content. An empty text where none was asked for or needed.
  returned: success
  type: str
  sample: ''
changes:
  description: What changes, the file, or nginx alone where it is only reloaded.
  returned: success
  type: list
  elements: str
  sample: [/srv/supabase/volumes/api/default.conf]
"""

import os
import time
from typing import Any, Dict, List, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.compose_files import FileChange, write_change
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.docker import Docker
from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.files import (
    append_json_line,
    read_bytes,
    write_atomically,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    OutsideError,
    StateError,
    VerificationError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.journal import gateway_entry
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import gateway, workers
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import wait_for

RELOAD_TIMEOUT_S = 15
POLL_S = 0.05


def wanted_content(options: Dict[str, Any], before: bytes) -> bytes:
    """Return what the file is to hold."""
    if options["state"] == "absent":
        return gateway.remove_route(before, options["route"])
    return gateway.add_route(before, options["like"], options["route"], options["service"], options["like_service"])


def require_visible(engine: Docker, container: str, path: str) -> None:
    """Raise StateError where the container wouldn't see a file that replaces this one."""
    target = os.path.realpath(path)
    mounts = engine.require_running(container).get("Mounts") or []
    if any(os.path.realpath(mount.get("Source") or "/nowhere") == target for mount in mounts):
        raise StateError(
            "%s is mounted into container %s by itself: it would go on with the old file." % (path, container),
            "Mount the folder that holds it instead.",
        )


def nginx(engine: Docker, options: Dict[str, Any], *arguments: str) -> str:
    """Run nginx in the container; return its complaint, or an empty text where it has none."""
    done = engine.run(options["container"], ["nginx", *arguments])
    if done.rc == 0:
        return ""
    said = done.stderr + done.stdout.decode("utf-8", "replace")
    lines = [line for line in said.splitlines() if "[emerg]" in line] or said.split("\n")
    return gateway.for_display(" ".join(lines).encode()).strip() or "exit status %d" % done.rc


def workers_of(engine: Docker, container: str) -> List[workers.Worker]:
    """Return nginx' workers; none where the container has no shell to ask."""
    done = engine.run(container, workers.COMMAND)
    return workers.parse_workers(done.stdout.decode("utf-8", "replace"))


def reload(engine: Docker, options: Dict[str, Any]) -> str:
    """Let nginx check and load its configuration, and wait until that serves; return its complaint."""
    problem = nginx(engine, options, "-t") if options["validate"] else ""
    before = workers_of(engine, options["container"])
    problem = problem or nginx(engine, options, "-s", "reload")
    if problem or not before:
        return problem

    def ask() -> Optional[VerificationError]:
        if workers.has_reloaded(before, workers_of(engine, options["container"])):
            return None
        return VerificationError("its workers weren't replaced within %d seconds; see its log" % RELOAD_TIMEOUT_S)

    try:
        wait_for(ask, time.monotonic, lambda: time.sleep(POLL_S), RELOAD_TIMEOUT_S)
    except VerificationError as error:
        return error.message
    return ""


def apply(engine: Docker, options: Dict[str, Any], change: FileChange) -> str:
    """Write the file and let nginx load it; put the old one back where it refuses. Return the backup's path."""
    kept = ""
    if change.after != change.before:
        if options["journal"]:
            append_json_line(os.path.abspath(options["journal"]), gateway_entry(options["container"]))
        kept = write_change(change, options["journal"], options["backup"])
    try:
        problem = reload(engine, options)
    except OutsideError as error:
        problem = str(error)
    if not problem:
        return kept
    back = ""
    if change.after != change.before:
        write_atomically(change.path, change.before or b"", change.after)
        back = " The old file is back, and nginx goes on with it."
    raise VerificationError(
        "nginx in container %s refuses %s: %s.%s" % (options["container"], change.path, problem.rstrip("."), back),
        "See whether the file was right before (`nginx -t`), and whether %s can be reached from there."
        % (options["service"] or "everything that it names"),
    )


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Edit the file and reload nginx; return the module's result."""
    before = read_bytes(options["path"])
    after = wanted_content(options, before)
    engine = Docker(options["docker_host"])
    try:
        require_visible(engine, options["container"], options["path"])
        plan = Plan()
        if after != before:
            plan.add(Change(options["path"], gateway.for_display(before), gateway.for_display(after)))
        elif workers.is_older_than(
            workers_of(engine, options["container"]), os.stat(options["path"]).st_mtime, time.time()
        ):
            plan.add(
                Change(
                    "nginx in container " + options["container"], "an older configuration", "the file's configuration"
                )
            )
        result: Dict[str, Any] = {"backup_file": "", "location": options["route"] + options["like"]}
        done = plan.changed and not check_mode
        if done:
            result["backup_file"] = apply(engine, options, FileChange(options["path"], before, after))
        return dict(
            plan.result(),
            path_written=options["path"] if after != before else "",
            validated="yes" if done and options["validate"] else "no",
            reloaded=done,
            **result,
        )
    finally:
        engine.close()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "like": {"type": "str", "default": "/rest/v1/"},
            "route": {"type": "str", "required": True},
            "service": {"type": "str"},
            "like_service": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "validate": {"type": "bool", "default": True},
            "backup": {"type": "bool", "default": False},
            "journal": {"type": "path"},
            "docker_host": {"type": "str"},
        },
        required_if=[("state", "present", ["service"])],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module.params, module.check_mode))
    except BulkheadError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
