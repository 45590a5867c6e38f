#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a second PostgREST a route of its own in its gateway, like the one that is there."""

DOCUMENTATION = r"""
module: gateway_route
short_description: Give a second PostgREST instance a route in nginx, Kong or Envoy
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Copies the route of a gateway's configuration for another path and another upstream, and puts the copy right behind
    it, between two comments that mark it. What asks for keys is copied as it is, so the same keys open both routes.
  - Of nginx it is a C(location) block. Of Kong's declarative file it is a service with its routes and plugins. Of Envoy
    it is each route of the path (Supabase has one for the API's description, and one for all else) and what its filters
    permit for that path in the file of its listeners, and the cluster in the file of its clusters.
  - Where a plugin of Kong's or a filter of Envoy's treats the old path in a way that can't be copied, the module fails
    and writes nothing, so that the new route is never more open than the old one.
  - Inside the copy, the old path (in rewrites too) and the old upstream give way to the new ones. The original and
    everything else keep every byte. Removing the route gives back the file as it was.
  - nginx is reloaded, never restarted, so no request is lost. It is reloaded when the file changes, and when its
    workers are older than the file, as after a run that was interrupted. The module ends when the new workers serve.
  - Kong without a database and Envoy, as Supabase runs them, read their files when they start. Their container is
    started again, and requests fail meanwhile. Where it doesn't come up, the old file is put back and it is started
    with that.
extends_documentation_fragment:
  - bulkhead.stack.attributes
options:
  kind:
    description:
      - Which gateway it is.
    type: str
    choices: [nginx, kong, envoy]
    default: nginx
  container:
    description:
      - The container in which the gateway runs.
    type: str
    required: true
  path:
    description:
      - The configuration file, on the host. Of Envoy that of its listeners, in Supabase C(lds.template.yaml).
      - The file is replaced, so nginx' container must have its folder mounted. A file that is mounted by itself would
        not change in there, and is refused. Kong and Envoy are started again, which makes their mounts anew.
    type: path
    required: true
  clusters_path:
    description:
      - The file of Envoy's clusters, in Supabase C(cds.yaml). Needed with O(kind=envoy). It may be the same file.
    type: path
  like:
    description:
      - Path of the route that is copied, as it stands in the file.
    type: str
    default: /rest/v1/
  route:
    description:
      - What goes before that path. With V(/archon) the new route is C(/archon/rest/v1/).
    type: str
    required: true
  service:
    description:
      - Where the new route leads, a host, or host and port. Without a port it is the original's.
      - Needed with O(state=present).
    type: str
  like_service:
    description:
      - Where the original leads, of Envoy the name of its cluster. By default the file says it. Of no use with
        O(kind=kong).
    type: str
  state:
    description:
      - Whether the route is to be there.
    type: str
    choices: [present, absent]
    default: present
  validate:
    description:
      - Whether C(nginx -t) in the container must accept the file. Where it doesn't, the old file is put back. The
        others say it by not coming up.
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
  - Routes in nginx are tested with a real nginx. For Kong and Envoy the edits are held to files of Supabase's shape,
    and were never run with the real gateways here, since no package registry ships these.
  - A copied route of Envoy keeps the name of the original, since Supabase's filter tells by it which routes need a key.
  - A gateway with a health check is up when that says so. One without is up when it ran on for some seconds.
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

- name: The same with Kong
  bulkhead.stack.gateway_route:
    kind: kong
    container: supabase-kong
    path: /srv/supabase/volumes/api/kong.yml
    route: /archon
    service: rest-archon

- name: The same with Envoy
  bulkhead.stack.gateway_route:
    kind: envoy
    container: supabase-envoy
    path: /srv/supabase/volumes/api/envoy/lds.template.yaml
    clusters_path: /srv/supabase/volumes/api/envoy/cds.yaml
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
  description: Path of the route.
  returned: success
  type: str
  sample: /archon/rest/v1/
validated:
  description: Whether the gateway accepted the new content - V(yes) or V(no), where it wasn't asked.
  returned: success
  type: str
  sample: 'yes'
reloaded:
  description: Whether the gateway was told to load the configuration, Kong and Envoy by a new start.
  returned: success
  type: bool
  sample: true
backup_file:
  description: The copy of the old content. An empty text where none was asked for or needed.
  returned: success
  type: str
  sample: ''
changes:
  description: What changes, the files, or the gateway alone where it only reads them again.
  returned: success
  type: list
  elements: str
  sample: [/srv/supabase/volumes/api/default.conf]
"""

import os
import time
from typing import Any, Dict, List, Optional, Union

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
    StateError,
    VerificationError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.inspection import started_at
from ansible_collections.bulkhead.stack.plugins.module_utils._core.plan import Change, Plan
from ansible_collections.bulkhead.stack.plugins.module_utils._journal.journal import gateway_entry
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import (
    gateway,
    gateway_envoy,
    gateway_kong,
    gateway_yaml,
    workers,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.proof import wait_for

RELOAD_TIMEOUT_S = 15
# Kong takes its time; one without a health check has come up when it still runs after SETTLED_S.
START_TIMEOUT_S = 60
SETTLED_S = 4.0
POLL_S = 0.05


def planned_changes(options: Dict[str, Any]) -> List[FileChange]:
    """Return what the gateway's files are to hold, and what they hold now."""
    path, kind = options["path"], options["kind"]
    before = read_bytes(path)
    alone = kind != "envoy" or os.path.realpath(options["clusters_path"]) == os.path.realpath(path)
    if options["state"] == "absent":
        remove = gateway.remove_route if kind == "nginx" else gateway_yaml.remove
        # The route first: one to a cluster that isn't there is refused.
        names = [path] if alone else [path, options["clusters_path"]]
        contents = [read_bytes(name) for name in names]
        return [FileChange(name, data, remove(data, options["route"])) for name, data in zip(names, contents)]
    if kind == "nginx":
        after = gateway.add_route(
            before, options["like"], options["route"], options["service"], options["like_service"]
        )
        return [FileChange(path, before, after)]
    wanted = gateway_yaml.wanted_route(options["like"], options["route"], options["service"])
    if kind == "kong":
        return [FileChange(path, before, gateway_kong.add_to_kong(before, wanted))]
    cluster = options["like_service"] or gateway_envoy.cluster_of(before, options["like"])
    if alone:
        return [FileChange(path, before, gateway_envoy.add_to_envoy(before, wanted, cluster))]
    clusters = read_bytes(options["clusters_path"])
    return [
        FileChange(options["clusters_path"], clusters, gateway_envoy.add_cluster(clusters, wanted, cluster)),
        FileChange(path, before, gateway_envoy.add_to_envoy(before, wanted)),
    ]


class Nginx:
    """Takes a file up while it runs."""

    shown = staticmethod(gateway.for_display)
    restarts = False

    def __init__(self, engine: Docker, options: Dict[str, Any]) -> None:
        self.engine = engine
        self.options = options
        self.container = options["container"]

    def require_visible(self, path: str) -> None:
        """Raise StateError where the container wouldn't see a file that replaces this one."""
        target = os.path.realpath(path)
        mounts = self.engine.require_running(self.container).get("Mounts") or []
        if any(os.path.realpath(mount.get("Source") or "/nowhere") == target for mount in mounts):
            raise StateError(
                "%s is mounted into container %s by itself: it would go on with the old file." % (path, self.container),
                "Mount the folder that holds it instead.",
            )

    def is_behind(self, changed_at: float) -> bool:
        """Return whether it serves what it read before a file changed."""
        return workers.is_older_than(self._workers(), changed_at, time.time())

    def take_up(self) -> str:
        """Let nginx check and load its configuration, and wait until that serves; return its complaint."""
        problem = self._run("-t") if self.options["validate"] else ""
        before = self._workers()
        problem = problem or self._run("-s", "reload")
        if problem or not before:
            return problem

        def ask() -> Optional[VerificationError]:
            if workers.has_reloaded(before, self._workers()):
                return None
            return VerificationError("its workers weren't replaced within %d seconds; see its log" % RELOAD_TIMEOUT_S)

        try:
            wait_for(ask, time.monotonic, lambda: time.sleep(POLL_S), RELOAD_TIMEOUT_S)
        except VerificationError as error:
            return error.message
        return ""

    def _run(self, *arguments: str) -> str:
        done = self.engine.run(self.container, ["nginx", *arguments])
        if done.rc == 0:
            return ""
        said = done.stderr + done.stdout.decode("utf-8", "replace")
        lines = [line for line in said.splitlines() if "[emerg]" in line] or said.split("\n")
        return gateway.for_display(" ".join(lines).encode()).strip() or "exit status %d" % done.rc

    def _workers(self) -> List[workers.Worker]:
        done = self.engine.run(self.container, workers.COMMAND)
        return workers.parse_workers(done.stdout.decode("utf-8", "replace"))


class AtItsStart:
    """Takes a file up when it starts: Kong without a database and Envoy, as Supabase runs them."""

    shown = staticmethod(gateway_yaml.for_display)
    restarts = True

    def __init__(self, engine: Docker, options: Dict[str, Any]) -> None:
        self.engine = engine
        self.container = options["container"]

    def require_visible(self, path: str) -> None:
        """Raise StateError where the container doesn't have the file: a mount is made anew at each start."""
        target = os.path.realpath(path)
        mounts = self.engine.require_running(self.container).get("Mounts") or []
        sources = [os.path.realpath(mount.get("Source") or "/nowhere") for mount in mounts]
        if not any(target == source or target.startswith(source.rstrip("/") + "/") for source in sources):
            raise StateError(
                "%s isn't mounted into container %s." % (path, self.container), "Name the file that the gateway reads."
            )

    def is_behind(self, changed_at: float) -> bool:
        """Return whether it started before a file changed."""
        began = started_at(self.engine.require_running(self.container))
        return began is not None and int(began) + 1 < changed_at <= time.time()

    def take_up(self) -> str:
        """Start it again, and wait until it is well; return what went wrong."""
        self.engine.restart(self.container)
        first = self.engine.inspect(self.container)["State"]["StartedAt"]
        began = time.monotonic()

        def ask() -> Optional[VerificationError]:
            state = self.engine.inspect(self.container)["State"]
            health = (state.get("Health") or {}).get("Status")
            # Docker itself may have started it once more.
            if state.get("Restarting") or not state.get("Running") or state["StartedAt"] != first:
                raise StateError("it ends: %s" % (self.engine.last_words(self.container) or "its log is empty"))
            if health == "healthy" or (health is None and time.monotonic() - began >= SETTLED_S):
                return None
            return VerificationError("it isn't healthy after %d seconds" % START_TIMEOUT_S)

        try:
            wait_for(ask, time.monotonic, lambda: time.sleep(POLL_S), START_TIMEOUT_S)
        except (StateError, VerificationError) as error:
            return gateway_yaml.for_display(error.message.encode())
        return ""


Gateway = Union[Nginx, AtItsStart]


def complaint_of(server: Gateway) -> str:
    """Let a gateway take its files up; return what went wrong."""
    try:
        return server.take_up()
    except BulkheadError as error:
        return error.message.rstrip(".")


def put_back(changes: List[FileChange]) -> None:
    """Give files the content that they had, the last one first."""
    for change in reversed(changes):
        write_atomically(change.path, change.before or b"", change.after)


def apply(server: Gateway, options: Dict[str, Any], changes: List[FileChange]) -> str:
    """Write the files and let the gateway take them up; put the old ones back where it refuses.

    Returns the path of a backup.
    """
    kept = ""
    written = [change for change in changes if change.after != change.before]
    if written and options["journal"]:
        entry = gateway_entry(options["container"], server.restarts)
        append_json_line(os.path.abspath(options["journal"]), entry)
    for count, change in enumerate(written):
        try:
            kept = write_change(change, options["journal"], options["backup"]) or kept
        except BulkheadError:
            put_back(written[:count])
            raise
    problem = complaint_of(server)
    if not problem:
        return kept
    back = ""
    put_back(written)
    if written:
        back = " The old file is back, and it goes on with that."
        if server.restarts:
            again = complaint_of(server)
            back = " The old file is back, and it %s." % ("runs with that" if not again else "doesn't run: " + again)
    raise VerificationError(
        "%s in container %s refuses %s: %s.%s"
        % (
            "nginx" if options["kind"] == "nginx" else options["kind"].capitalize(),
            options["container"],
            options["path"],
            problem.rstrip("."),
            back,
        ),
        "See whether the file was right before, and whether %s can be reached from there."
        % (options["service"] or "everything that it names"),
    )


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Edit the files and let the gateway take them up; return the module's result."""
    changes = planned_changes(options)
    engine = Docker(options["docker_host"])
    try:
        server: Gateway = Nginx(engine, options) if options["kind"] == "nginx" else AtItsStart(engine, options)
        plan = Plan()
        for change in changes:
            server.require_visible(change.path)
            if change.after != change.before:
                before, after = (server.shown(data or b"") for data in (change.before, change.after))
                plan.add(Change(change.path, before, after))
        if not plan.changed and any(server.is_behind(os.stat(change.path).st_mtime) for change in changes):
            what = "%s in container %s" % (options["kind"], options["container"])
            plan.add(Change(what, "an older configuration", "the file's configuration"))
        result: Dict[str, Any] = {"backup_file": "", "location": options["route"] + options["like"]}
        done = plan.changed and not check_mode
        written = [change.path for change in changes if change.after != change.before]
        if done:
            result["backup_file"] = apply(server, options, changes)
        return dict(
            plan.result(),
            path_written=options["path"] if options["path"] in written else "",
            validated="yes" if done and (options["validate"] or server.restarts) else "no",
            reloaded=done,
            **result,
        )
    finally:
        engine.close()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "kind": {"type": "str", "choices": ["nginx", "kong", "envoy"], "default": "nginx"},
            "container": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "clusters_path": {"type": "path"},
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
        required_if=[("state", "present", ["service"]), ("kind", "envoy", ["clusters_path"])],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module.params, module.check_mode))
    except BulkheadError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
