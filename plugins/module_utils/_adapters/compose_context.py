# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compose file with its project, as the options of ``compose_file`` name it: read, asked about, written."""

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._compose.attachments import Attachment, engine_name
from .._compose.dependence import Dependencies
from .._compose.display import shown
from .._compose.document import Document
from .._compose.extra_hosts import Hosts, normal_address, split_entry
from .._compose.model import Model, extenders_elsewhere
from .._compose.outcome import Edited
from .._compose.placement import EnvironmentState, service_env_paths
from .._compose.resolved import Wanted
from .._core.errors import ConflictError, InputError
from .._core.inspection import environment_of
from .._core.plan import Change, Plan
from .._journal.journal import containers_entry
from .compose_cli import OFF, ComposeCli
from .compose_files import FileChange, write_change
from .compose_project import (
    including_project,
    open_engine,
    override_path_of,
    override_warning,
    project_of,
    service_containers,
)
from .files import append_json_line, read_bytes, read_bytes_or_none

# How a container ends that someone stopped: it is to stay so.
_STOPPED = (0, 137, 143)


class ComposeContext:
    """What a module that edits compose files works with.

    Arguments:
        options: the module's options; those of ``COMPOSE_FILE_SPEC`` are used.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self.path = os.path.abspath(options["path"])
        self.document = Document(read_bytes(self.path), self.path)
        self._engine = open_engine(options.get("docker_host"))
        self.project = project_of(
            self._engine, self.path, options.get("project_name"), options.get("files"), options.get("env_files")
        )
        including = including_project(self._engine, self.path)
        # What its containers belong to: Compose is asked about the file's own project, but another may include it.
        self.running = including or self.project
        self.is_override = options["mode"] == "override"
        self.warnings: List[str] = []
        self.override_path = ""
        self.override: Optional[bytes] = None
        if self.is_override:
            self.override_path = override_path_of(self.project, self.path, options.get("override_path"))
            if os.path.realpath(self.override_path) == os.path.realpath(self.path):
                raise InputError("override_path is the compose file itself.", "Name another file, or set mode=inline.")
            self.override = read_bytes_or_none(self.override_path)
            warning = override_warning(self.project, self.path, self.override_path, including)
            if warning:
                self.warnings.append(warning)

    def close(self) -> None:
        """Give back the engine's connections."""
        if self._engine is not None:
            self._engine.close()

    @property
    def target(self) -> str:
        """The file that is to be written."""
        return self.override_path if self.is_override else self.path

    def documents(self, without_override: bool = True) -> List[Document]:
        """Return the project's compose files that have services: the named one first, the override left out."""
        skipped = {os.path.realpath(self.path)}
        if without_override and self.override_path:
            skipped.add(os.path.realpath(self.override_path))
        documents = [self.document]
        paths = list(self.project.files)
        if not without_override and self.override_path and self.override is not None:
            paths.append(self.override_path)
        for path in paths:
            data = read_bytes_or_none(path)
            if data is None or not data.strip() or os.path.realpath(path) in skipped:
                continue
            skipped.add(os.path.realpath(path))
            document = Document(data, path)
            services = document.root.get("services") if document.root is not None else None
            if services is not None and services.kind == "mapping":
                documents.append(document)
        return documents

    def project_after(self) -> Dict[str, Any]:
        """Return the project as ``docker compose`` and docker_compose_v2 take it, once the edit is written."""
        files = list(self.running.files)
        if (
            self.running is self.project
            and self.is_override
            and os.path.realpath(self.override_path) not in [os.path.realpath(path) for path in files]
        ):
            files.append(self.override_path)
        return {
            "name": self.running.name,
            "directory": self.running.directory,
            "files": [path for path in files if path != self.override_path or os.path.exists(path)],
            "env_files": list(self.running.env_files),
        }

    def without_extenders(self, services: Sequence[str]) -> List[str]:
        """Return those of the services that extend none of this file.

        What extends one by the file's name is read from the file as it still is while Compose is asked about the new
        content.
        """
        bases = Model(self.document).bases
        return [service for service in services if service not in bases]

    def environment_state(self, services: Sequence[str]) -> EnvironmentState:
        """Return the env files that these services' variables may stand in."""
        documents = self.documents(without_override=False)
        paths = self.project.env_files or (os.path.join(self.project.directory, ".env"),)
        own: Dict[str, Optional[bytes]] = {}
        for document in documents:
            model = Model(document)
            for service in services:
                if service in model.nodes:
                    for path in service_env_paths(self.project.directory, model, service):
                        own[path] = read_bytes_or_none(path)
        return EnvironmentState(
            documents, self.project.directory, {path: read_bytes_or_none(path) for path in paths}, own
        )

    def apply(
        self,
        changes: Sequence[FileChange],
        wanted: Wanted,
        services: Sequence[str],
        check_mode: bool,
        created: bool = False,
    ) -> Dict[str, Any]:
        """Let Compose read the new contents, write the journal, then the files.

        Arguments:
            changes: none is no change. wanted: in what Compose may read the project otherwise.
            services: those that get new containers because of it. created: they have none yet.

        Returns: ``validated`` with its reason and ``backup_files``, for the module's result.
        """
        result: Dict[str, Any] = {"validated": OFF, "backup_files": []}
        if not changes:
            return result
        # A service's own env_file is named inside a compose file: Compose can't be given another one to look at.
        known = [self.target, *(self.project.env_files or (os.path.join(self.project.directory, ".env"),))]
        checked = [change for change in changes if change.path in known]
        if self._options["validate"] and checked:
            cli = ComposeCli(self._options.get("docker_host"))
            result["validated"], reason = cli.validate(self.project, checked, wanted)
            if reason:
                result["validated_reason"] = reason
        if check_mode:
            return result
        self._journal_containers(services, created)
        written = [write_change(change, self._options.get("journal"), self._options["backup"]) for change in changes]
        result["backup_files"] = [path for path in written if path]
        return result

    def carry_out(
        self, planned: Edited, wanted: Wanted, check_mode: bool, renewed: Optional[Sequence[str]] = None
    ) -> Dict[str, Any]:
        """Write the edited file, as ``apply`` does; return the result of a module that edits one file.

        Arguments:
            renewed: the services that get new containers because of it; by default all that change.
        """
        others = extenders_elsewhere(self.documents(), planned.changed_services) if planned.changed else []
        if others and not self.is_override:
            raise ConflictError(
                "%s extends what is to be edited in %s, and would change too." % (", ".join(others), self.path),
                "Use mode=override.",
                shared_with=others,
            )
        before = self.override if self.is_override else self.document.data
        plan = Plan(warnings=self.warnings + planned.warnings)
        changes: List[FileChange] = []
        if planned.changed:
            plan.add(Change(self.target, shown(before, self.target), shown(planned.data, self.target)))
            changes.append(FileChange(self.target, before, planned.data))
        services = planned.changed_services if renewed is None else renewed
        done = self.apply(changes, wanted, services, check_mode)
        backups = done.pop("backup_files")
        return dict(
            plan.result(),
            changed_services=planned.changed_services,
            path_written=self.target if changes else "",
            backup_file=backups[0] if backups else "",
            warnings=plan.warnings,
            project=self.project_after(),
            **done,
        )

    def _journal_containers(self, services: Sequence[str], created: bool) -> None:
        """Write down, before a file changes, that these services get new containers because of it.

        Arguments:
            created: they have none yet.
        """
        journal = self._options.get("journal")
        if journal and services:
            project = self.running
            names = sorted(set(services))
            entry = containers_entry(project.name, project.directory, project.files, project.env_files, names, created)
            append_json_line(os.path.abspath(journal), entry)

    def _live(self, services: Sequence[str]) -> Dict[str, List[Dict[str, Any]]]:
        found = service_containers(
            self._engine, self.running, self.running.files[0] if self.running.files else self.path
        )
        return {
            service: [
                item
                for item in found[service]
                if item["State"].get("Status") in ("running", "restarting", "paused")
                or item["State"].get("ExitCode") not in _STOPPED
            ]
            for service in services
            if service in found
        }

    def with_containers(self, services: Sequence[str]) -> List[str]:
        """Return those of the services that have a container."""
        return [service for service, containers in self._live(services).items() if containers]

    def pending_dependencies(self, services: Sequence[str], wanted: Dependencies, present: bool) -> List[str]:
        """Return the services of which a container was made with these dependencies, or without one that is wanted.

        Arguments:
            wanted: dependencies by service; with ``present`` the containers are to have them, else none of them.
        """
        pending = []
        for service, containers in self._live(services).items():
            names = set(wanted.get(service, ()))
            for item in containers:
                # One text: db:service_started:false,cache:service_healthy:true
                label = ((item.get("Config") or {}).get("Labels") or {}).get("com.docker.compose.depends_on")
                held = {part.partition(":")[0] for part in (label or "").split(",")}
                if label is not None and (names - held if present else names & held):
                    pending.append(service)
                    break
        return pending

    def stopped(self, services: Sequence[str]) -> List[str]:
        """Return those of the services that have containers, none of which runs."""
        found = service_containers(
            self._engine, self.running, self.running.files[0] if self.running.files else self.path
        )
        running = self.with_containers(services)
        return [service for service in services if found.get(service) and service not in running]

    def pending_hosts(self, services: Sequence[str], hosts: Hosts, present: bool) -> List[str]:
        """Return the services of which a container was made with other hosts than the wanted ones."""
        pending = []
        for service, containers in self._live(services).items():
            for item in containers:
                entries = [split_entry(text) for text in item["HostConfig"].get("ExtraHosts") or []]
                held = {(entry[0].lower(), normal_address(entry[1])) for entry in entries if entry is not None}
                names = {name for name, _address in held}
                matching = [
                    host.lower() in names if address is None else (host.lower(), normal_address(address)) in held
                    for host, address in hosts.items()
                ]
                if not all(matching) if present else any(matching):
                    pending.append(service)
                    break
        return pending

    def pending_networks(self, services: Sequence[str], attachments: Sequence[Attachment], present: bool) -> List[str]:
        """Return the services of which a container isn't on the networks, or still is."""
        documents = self.documents(without_override=False)
        names = {item: engine_name(documents, self.running.name, item) for item in attachments}
        pending = []
        for service, containers in self._live(services).items():
            for item in containers:
                networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
                there = [
                    name in networks
                    and set(network.options.get("aliases") or []) <= set((networks[name] or {}).get("Aliases") or [])
                    for network, name in names.items()
                    if name is not None
                ]
                if not all(there) if present else any(name in networks for name in names.values()):
                    pending.append(service)
                    break
        return pending

    def pending_variables(self, services: Sequence[str], variables: Mapping[str, Optional[str]]) -> List[str]:
        """Return the services of which a container was made with another value; references are not compared."""
        wanted = {name: value for name, value in variables.items() if value is None or "$" not in value}
        pending = []
        for service, containers in self._live(services).items():
            for item in containers:
                held = environment_of(item)
                if any(held.get(name) != value for name, value in wanted.items()):
                    pending.append(service)
                    break
        return pending
