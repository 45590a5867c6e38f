# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container engine, through the docker SDK: inspect, run a command inside, put a file in.

Commands are lists and never see a TTY: one corrupts a binary stream.
"""

import calendar
import contextlib
import io
import os
import socket as socket_module
import struct
import tarfile
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._core.errors import BulkheadError, InputError, OutsideError, StateError
from .._core.text import nearest

try:
    import docker
    import docker.errors
    import requests.exceptions
except ImportError as import_error:
    DOCKER_IMPORT_ERROR: Optional[ImportError] = import_error
else:
    DOCKER_IMPORT_ERROR = None

# Docker's stream protocol: a byte for the stream, three of padding, four for the length (Engine API, "attach").
_FRAME = struct.Struct(">BxxxL")
_STDERR = 2
_KEPT_STDERR_BYTES = 64 * 1024
# What marks a container that only asks a question, and for how long it may at the most.
THROWAWAY_LABEL = "bulkhead.stack.throwaway"
_THROWAWAY_LIFE_S = 600


@dataclass(frozen=True)
class ExecResult:
    """What a command inside a container left: its exit status and its output (stdout unless it went to a sink)."""

    rc: int
    stdout: bytes
    stderr: str


class Docker:
    """A connection to one engine.

    Arguments:
        docker_host: the engine's URL; by default what DOCKER_HOST says, else the local socket.
    """

    def __init__(self, docker_host: Optional[str] = None) -> None:
        if DOCKER_IMPORT_ERROR is not None:
            raise OutsideError(
                "The Python library docker is missing on this host: %s." % DOCKER_IMPORT_ERROR,
                "Install Debian's python3-docker, or `pip install docker`, for the Python that Ansible uses here.",
            )
        self._url = docker_host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        try:
            self._client = docker.DockerClient(base_url=self._url, version="auto", timeout=60)
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise OutsideError(
                "The container engine at %s doesn't answer: %s." % (self._url, str(error).rstrip(".")),
                "Start it (`systemctl start docker`), or name another one with docker_host.",
            ) from error
        self._api = self._client.api

    @property
    def is_local(self) -> bool:
        """Whether the engine is reached over a socket of this machine's: its files and addresses are ours then."""
        return self._url.startswith(("unix://", "http+unix://"))

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def inspect(self, container: str) -> Dict[str, Any]:
        """Return what ``docker inspect`` says of a container.

        Raises:
            StateError: there is no such container; the message names those that there are.
        """
        found = self.inspect_or_none(container)
        if found is None:
            names = sorted(name for item in self.containers() for name in item["names"])
            near = nearest(container, names)
            raise StateError(
                "There is no container %s." % container,
                "Did you mean %s?" % near if near else "There are: %s." % (", ".join(names) or "none at all"),
            )
        return found

    def inspect_or_none(self, container: str) -> Optional[Dict[str, Any]]:
        """Return what ``docker inspect`` says of a container, or None where there is none of that name."""
        try:
            found: Dict[str, Any] = self._api.inspect_container(container)
            return found
        except docker.errors.NotFound:
            return None
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("Container %s can't be inspected: %s." % (container, error)) from error

    def require_running(self, container: str) -> Dict[str, Any]:
        """Return the inspection of a container that runs.

        Raises:
            StateError: it doesn't exist, or doesn't run; the message says since when and with which exit status.
        """
        found = self.inspect(container)
        state = found["State"]
        if not state.get("Running"):
            raise StateError(
                "Container %s isn't running: it is %s since %s, with exit status %s."
                % (container, state.get("Status"), str(state.get("FinishedAt"))[:19], state.get("ExitCode")),
                "Start it (`docker start %s`), or see why it ended (`docker logs --tail 50 %s`)."
                % (container, container),
            )
        return found

    def containers(self, labels: Sequence[str] = ()) -> List[Dict[str, Any]]:
        """Return all containers, running or not, from one request.

        Each has id, names, state, image (its identifier), ports as the engine lists them, created (seconds since 1970)
        and labels.

        Arguments:
            labels: only those that carry all of these (``key`` or ``key=value``).
        """
        try:
            listed = self._api.containers(all=True, filters={"label": list(labels)} if labels else None)
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("The engine at %s can't list its containers: %s." % (self._url, error)) from error
        return [
            {
                "id": item["Id"],
                "names": [name.lstrip("/") for name in item.get("Names") or []],
                "state": item.get("State"),
                "image": item.get("ImageID") or item.get("Image"),
                "ports": item.get("Ports") or [],
                "created": item.get("Created") or 0,
                "labels": item.get("Labels") or {},
            }
            for item in listed
        ]

    def log_since_start(self, container: str) -> Iterator[bytes]:
        """Yield the lines that a container has written since it was last started, those of both streams, as they are.

        Raises:
            StateError: there is no such container.
        """
        started = str(self.inspect(container)["State"].get("StartedAt", "")).rstrip("Z").encode("ascii")
        rest = b""
        try:
            # Its own timestamps tell to the nanosecond what the API's ``since`` tells to the second.
            seconds = calendar.timegm(time.strptime(started[:19].decode("ascii"), "%Y-%m-%dT%H:%M:%S"))
            for chunk in self._api.logs(container, stream=True, follow=False, timestamps=True, since=max(0, seconds)):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    written, text = line.split(b" ", 1) if b" " in line else (line, b"")
                    if written.rstrip(b"Z").ljust(29, b"0") >= started.ljust(29, b"0"):
                        yield text
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("The log of %s can't be read: %s." % (container, error)) from error

    def remove_containers(self, labels: Sequence[str]) -> List[str]:
        """Remove the containers that carry all of these labels, running or not; return their names."""
        if not labels:
            raise InputError("Containers are removed by label only, and no label was given.")
        removed = []
        for item in self.containers(labels):
            try:
                self._api.remove_container(item["id"], force=True, v=True)
            except docker.errors.NotFound:
                continue
            except (docker.errors.APIError, requests.exceptions.RequestException) as error:
                raise OutsideError("Container %s can't be removed: %s." % (item["names"], error)) from error
            removed.extend(item["names"])
        return removed

    def remove_container(self, container: str) -> None:
        """Remove a container that is stopped, with those of its volumes that have no name."""
        try:
            self._api.remove_container(container, v=True)
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("Container %s can't be removed: %s." % (container, error)) from error

    def run(
        self,
        container: str,
        argv: Sequence[str],
        environment: Optional[Dict[str, str]] = None,
        user: str = "",
        stdin: Optional[Iterable[bytes]] = None,
        sink: Optional[Callable[[bytes], Any]] = None,
    ) -> ExecResult:
        """Run a command inside a container and wait for its end.

        Arguments:
            argv: the command as a list; nothing secret in it.
            environment: more variables for the command: the place for a password.
            stdin: chunks to feed; its end closes the command's input.
            sink: gets stdout chunk by chunk as it comes; without one stdout is collected.

        Raises:
            OutsideError: the engine refused or the connection broke. A command that fails is no error here.
            BulkheadError: what stdin was to be fed with couldn't be had whole.
        """
        collected: List[bytes] = []
        unfed: List[BulkheadError] = []
        errors: List[bytes] = []
        out = sink or collected.append
        try:
            created = self._api.exec_create(
                container, list(argv), stdin=stdin is not None, environment=environment, user=user, tty=False
            )
            stream = self._api.exec_start(created["Id"], socket=True, tty=False)
            raw: Any = getattr(stream, "_sock", stream)
            raw.settimeout(None)
            feeder = None
            if stdin is not None:
                feeder = threading.Thread(target=_feed, args=(raw, stdin, unfed), daemon=True)
                feeder.start()
            try:
                _read_frames(raw, out, errors)
            finally:
                # A command that ended before it had read everything: closing alone leaves who still feeds it waiting.
                with contextlib.suppress(OSError):
                    raw.shutdown(socket_module.SHUT_RDWR)
                stream.close()
            if feeder is not None:
                feeder.join(timeout=10)
            rc = self._api.exec_inspect(created["Id"])["ExitCode"]
        except (docker.errors.APIError, requests.exceptions.RequestException, ConnectionError) as error:
            raise OutsideError(
                "`%s` can't be run in container %s: %s." % (argv[0], container, str(error).rstrip("."))
            ) from error
        if unfed:
            raise unfed[0]
        # A container that is killed takes the command along, and the engine then knows no exit status.
        return ExecResult(
            -1 if rc is None else int(rc), b"".join(collected), b"".join(errors).decode("utf-8", "replace")
        )

    def about(self) -> Tuple[Dict[str, Any], Dict[str, Any]]:
        """Return what ``docker version`` and ``docker info`` say of the engine."""
        try:
            return self._api.version(), self._api.info()
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("The engine at %s doesn't say what it is: %s." % (self._url, error)) from error

    def network_or_none(self, name: str) -> Optional[Dict[str, Any]]:
        """Return what ``docker network inspect`` says of a network, or None where there is none of that name."""
        try:
            found: Dict[str, Any] = self._api.inspect_network(name)
            return found
        except docker.errors.NotFound:
            return None
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("Network %s can't be inspected: %s." % (name, error)) from error

    def has_volume(self, name: str) -> bool:
        """Whether there is a volume of that name."""
        try:
            self._api.inspect_volume(name)
            return True
        except docker.errors.NotFound:
            return False
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("Volume %s can't be inspected: %s." % (name, error)) from error

    def image_or_none(self, image: str) -> Optional[Dict[str, Any]]:
        """Return what ``docker image inspect`` says of an image, or None where the engine has none of that name."""
        try:
            found: Dict[str, Any] = self._api.inspect_image(image)
            return found
        except docker.errors.NotFound:
            return None
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("Image %s can't be inspected: %s." % (image, error)) from error

    def run_throwaway(
        self,
        image: str,
        argv: Sequence[str],
        settings: Mapping[str, Any],
        networks: Sequence[str] = (),
        environment: Optional[Dict[str, str]] = None,
        timeout_s: int = 60,
    ) -> Tuple[int, str, str]:
        """Run a command in a container of its own, without capabilities, volumes or ports; it is removed in the end.

        Arguments:
            image: one that the engine has. argv: takes the place of the image's entrypoint and command.
            settings: more of the container's HostConfig, as the engine's API names it.
            networks: networks beside the one that the settings name.

        Returns: exit status, output and errors, as texts.

        Raises:
            OutsideError: it can't be made or started, or doesn't end in time.
        """
        limits = self._api.create_host_config(
            cap_drop=["ALL"], read_only=True, security_opt=["no-new-privileges"], mem_limit="128m", pids_limit=64
        )
        # Labels of the image's own are inherited: Compose might take the container for one of its project.
        labels = dict.fromkeys(((self.image_or_none(image) or {}).get("Config") or {}).get("Labels") or {}, "")
        container = ""
        try:
            container = self._api.create_container(
                image,
                command=list(argv[1:]),
                entrypoint=[argv[0]],
                environment=environment,
                labels={**labels, THROWAWAY_LABEL: "true"},
                healthcheck={"test": ["NONE"]},
                host_config={**limits, **settings},
            )["Id"]
            for network in networks:
                self._api.connect_container_to_network(container, network)
            self._api.start(container)
            status = self._api.wait(container, timeout=timeout_s)["StatusCode"]
            logs = [self._api.logs(container, stdout=out, stderr=not out) for out in (True, False)]
            return int(status), logs[0].decode("utf-8", "replace"), logs[1].decode("utf-8", "replace")
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError(
                "A throwaway container of image %s can't ask: %s." % (image, str(error).rstrip("."))
            ) from error
        finally:
            if container:
                with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
                    self._api.remove_container(container, force=True, v=True)

    def start_server(
        self,
        image: str,
        argv: Sequence[str],
        settings: Mapping[str, Any],
        labels: Mapping[str, str],
        environment: Dict[str, str],
        user: str,
        network: str = "none",
    ) -> str:
        """Start a container of our own that goes on running; return its identifier.

        Arguments:
            image: one that the engine has. argv: takes the place of the image's entrypoint and command.
            settings: more of the container's HostConfig, as ``create_host_config`` takes it.

        Raises:
            OutsideError: it can't be made or started; nothing of it is left.
        """
        # Labels of the image's own are inherited: Compose might take the container for one of its project.
        inherited = dict.fromkeys(((self.image_or_none(image) or {}).get("Config") or {}).get("Labels") or {}, "")
        container = ""
        try:
            container = self._api.create_container(
                image,
                command=list(argv[1:]),
                entrypoint=[argv[0]],
                environment=environment,
                user=user,
                labels={**inherited, **labels},
                healthcheck={"test": ["NONE"]},
                host_config=self._api.create_host_config(
                    network_mode=network, cap_drop=["ALL"], security_opt=["no-new-privileges"], **settings
                ),
            )["Id"]
            self._api.start(container)
            return container
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            if container:
                self.remove_by_force(container)
            raise OutsideError(
                "A throwaway server of image %s can't be started: %s." % (image, str(error).rstrip("."))
            ) from error

    def restart(self, container: str, grace_s: int = 10) -> None:
        """Stop a container and start it again: what it reads when it starts, its mounts included, it reads anew."""
        try:
            self._api.restart(container, timeout=grace_s)
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError(
                "Container %s can't be started again: %s." % (container, str(error).rstrip("."))
            ) from error

    def signal(self, container: str, signal: str) -> None:
        """Send a signal, by its name (``SIGUSR2``), to a container's first process."""
        try:
            self._api.kill(container, signal=signal)
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError(
                "Container %s can't be sent %s: %s." % (container, signal, str(error).rstrip("."))
            ) from error

    def remove_by_force(self, container: str) -> None:
        """Remove a container of our own, running or not, with its volumes; one that is gone, or going, is no error."""
        try:
            self._api.remove_container(container, force=True, v=True)
        except docker.errors.NotFound:
            return
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            # Another run may be removing the same leftover.
            if getattr(error, "status_code", None) != 409 or "in progress" not in str(error):
                raise OutsideError("Container %s can't be removed: %s." % (container, error)) from error

    def last_words(self, container: str) -> str:
        """Return the last lines of a container's log, as one line; empty where it has none."""
        with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
            text = self._api.logs(container, tail=5).decode("utf-8", "replace")
            return "; ".join(line.strip() for line in text.splitlines() if line.strip())
        return ""

    def make_volume(self, labels: Mapping[str, str]) -> str:
        """Make a volume that carries labels; return its name."""
        try:
            return str(self._api.create_volume(labels=dict(labels))["Name"])
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("A volume can't be made: %s." % error) from error

    def volumes(self, label: str) -> List[Dict[str, Any]]:
        """Return name and labels of the volumes that carry a label (``key`` or ``key=value``)."""
        try:
            found = self._api.volumes(filters={"label": [label]}).get("Volumes") or []
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("The engine at %s can't list its volumes: %s." % (self._url, error)) from error
        return [{"name": item["Name"], "labels": item.get("Labels") or {}} for item in found]

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is gone is no error."""
        try:
            self._api.remove_volume(name, force=True)
        except docker.errors.NotFound:
            return
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("Volume %s can't be removed: %s." % (name, error)) from error

    def remove_old_throwaways(self) -> None:
        """Remove throwaway containers that a killed run has left: those older than any question takes."""
        for item in self.containers([THROWAWAY_LABEL]):
            if item["created"] < time.time() - _THROWAWAY_LIFE_S:
                with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
                    self._api.remove_container(item["id"], force=True, v=True)

    def archive(self, container: str, path: str) -> Iterator[bytes]:
        """Yield a folder of a container, running or not, as a tar archive, piece by piece."""
        try:
            yield from self._api.get_archive(container, path)[0]
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError(
                "%s of container %s can't be read: %s." % (path, container, str(error).rstrip("."))
            ) from error

    def mounting(self, volume: str) -> List[Tuple[str, str]]:
        """Return the containers, running or not, that mount a volume: the name of each, and where it mounts it."""
        try:
            listed = self._api.containers(all=True, filters={"volume": volume})
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("The engine at %s can't list its containers: %s." % (self._url, error)) from error
        return [
            (item["Names"][0].lstrip("/") if item.get("Names") else item["Id"], mount["Destination"])
            for item in listed
            for mount in item.get("Mounts") or []
            # The filter takes a path of a mount as well.
            if mount.get("Type") == "volume" and mount.get("Name") == volume
        ]

    def put_file(self, container: str, path: str, data: bytes, mode: int = 0o600, uid: int = 0) -> None:
        """Write one file, whole, into a running container; its folder must exist."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            member = tarfile.TarInfo(os.path.basename(path))
            member.size, member.mode, member.uid, member.gid = len(data), mode, uid, uid
            tar.addfile(member, io.BytesIO(data))
        try:
            self._api.put_archive(container, os.path.dirname(path) or "/", archive.getvalue())
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise OutsideError("%s can't be written into container %s: %s." % (path, container, error)) from error


def _feed(raw: Any, chunks: Iterable[bytes], unfed: List[BulkheadError]) -> None:
    """Send the chunks, then close our direction only: the command sees the end of its input."""
    try:
        for chunk in chunks:
            raw.sendall(chunk)
    except OSError:
        # The command ended before it had read everything; its exit status says why.
        return
    except BulkheadError as error:
        # This is a thread of its own: whoever waits for the command raises it.
        unfed.append(error)
    finally:
        # Also where the chunks ran into an error of their own: the command must not wait for more.
        with contextlib.suppress(OSError):
            raw.shutdown(socket_module.SHUT_WR)


def _read_frames(raw: Any, out: Callable[[bytes], Any], errors: List[bytes]) -> None:
    """Read the multiplexed stream to its end; stderr is kept up to a limit."""
    buffer = bytearray()
    kept = 0
    stream, missing = 0, 0
    while True:
        received = raw.recv(256 * 1024)
        if not received:
            return
        buffer += received
        position = 0
        while True:
            if not missing:
                if len(buffer) - position < _FRAME.size:
                    break
                stream, missing = _FRAME.unpack_from(buffer, position)
                position += _FRAME.size
                if not missing:
                    continue
            taken = min(missing, len(buffer) - position)
            if not taken:
                break
            piece = bytes(buffer[position : position + taken])
            position += taken
            missing -= taken
            if stream != _STDERR:
                out(piece)
            elif kept < _KEPT_STDERR_BYTES:
                errors.append(piece)
                kept += len(piece)
        del buffer[:position]
