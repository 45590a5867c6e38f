# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container reaches a host, layer by layer: container, name, port, HTTP; and what mends it where it ends."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from .extra_hosts import split_entry

# Programs for the container: names, ports and URLs are their arguments, never part of their text.
PYTHON_RESOLVE = "import socket,sys\nprint(socket.getaddrinfo(sys.argv[1],None,0,socket.SOCK_STREAM)[0][4][0])"
PYTHON_CONNECT = (
    "import socket,sys\n"
    "try:\n socket.create_connection((sys.argv[1],int(sys.argv[2])),5).close()\n"
    "except socket.timeout: sys.exit(28)\n"
    "except ConnectionRefusedError: sys.exit(7)\n"
    "except OSError as error: sys.exit(str(error))"
)
PYTHON_HTTP = (
    "import sys,urllib.request,urllib.error\n"
    "try: print(urllib.request.build_opener().open(sys.argv[1],timeout=10).getcode())\n"
    "except urllib.error.HTTPError as error: print(error.code)\n"
    "except Exception as error: sys.exit(str(error))"
)
BASH_CONNECT = 'exec 3<>"/dev/tcp/$0/$1"'
_ABSENT = (126, 127)
_REFUSED, _TIMED_OUT = 7, 28


class Prober(Protocol):
    """What asks from inside a container."""

    def run(self, container: str, argv: Sequence[str]) -> Tuple[int, str, str]:
        """Return exit status, output and errors of a command; 127 where the container has no such program."""

    def hosts_file(self, container: str) -> Optional[str]:
        """Return the container's /etc/hosts, or None where it can't be read."""


@dataclass(frozen=True)
class Question:
    """Whether this container reaches this host, on this port, under this URL."""

    container: str
    host: str
    port: Optional[int] = None
    url: Optional[str] = None
    variables: Sequence[str] = ()


def ask(question: Question, inspection: Optional[Mapping[str, Any]], prober: Prober) -> Dict[str, Any]:
    """Return one answer: how far the container comes, and what mends it there.

    Arguments:
        inspection: what ``docker inspect`` says; None where there is no such container.
    """
    answer: Dict[str, Any] = {
        "container": question.container,
        "host": question.host,
        "port": question.port,
        "url": question.url,
        "service": None,
        "addresses": [],
        "variables": {},
        "state": "absent",
        "health": None,
        "asked_in": None,
        "resolves": None,
        "address": None,
        "http_status": None,
        "layer": "container",
        "error": "There is no container %s." % question.container,
        "remedy": "Start its service: docker compose up -d.",
    }
    if inspection is None:
        return answer
    state = inspection["State"]
    answer["service"] = (inspection["Config"].get("Labels") or {}).get("com.docker.compose.service")
    networks = (inspection.get("NetworkSettings") or {}).get("Networks") or {}
    answer["addresses"] = [network["IPAddress"] for network in networks.values() if network.get("IPAddress")]
    environment = dict(item.partition("=")[::2] for item in inspection["Config"].get("Env") or [])
    answer["variables"] = {name: environment[name] for name in question.variables or () if name in environment}
    answer["state"] = state.get("Status")
    answer["health"] = (state.get("Health") or {}).get("Status")
    if state.get("Status") != "running":
        return _from_definition(question, inspection, answer)
    answer["asked_in"] = "container"
    resolved = _resolve(question, prober)
    if resolved is None:
        answer.update(
            resolves=None,
            layer="resolve",
            error="The container has no program that resolves names, and "
            "its /etc/hosts doesn't name %s." % question.host,
            remedy=_hosts_remedy(question, answer["service"]),
        )
        return answer
    answer["address"], error = resolved
    answer["resolves"] = bool(answer["address"])
    if not answer["address"]:
        in_definition = _defined_address(question.host, inspection)
        remedy = _hosts_remedy(question, answer["service"])
        if in_definition:
            remedy = "The container's definition names it at %s: see /etc/hosts in the container." % in_definition
        answer.update(layer="resolve", error=error, remedy=remedy)
        return answer
    if question.port is not None:
        problem = _connect(question, question.port, prober)
        if problem is None:
            answer.update(
                layer="port",
                error="unknown: the container has no program that opens a connection.",
                remedy="Ask from another container of the same network.",
            )
            return answer
        if problem:
            answer.update(layer="port", error=problem[0], remedy=problem[1])
            return answer
    if question.url:
        status, error = _http(question, question.url, prober)
        answer["http_status"] = status
        if status is None or status >= 500:
            answer.update(
                layer="http",
                error=error or "%s answers with status %s." % (question.url, status),
                remedy="See the logs of what listens there.",
            )
            return answer
    answer.update(layer="ok", error="", remedy="")
    return answer


def _from_definition(question: Question, inspection: Mapping[str, Any], answer: Dict[str, Any]) -> Dict[str, Any]:
    """A container that doesn't stay up can't be asked: what it was made with says whether it knows the name."""
    address = _defined_address(question.host, inspection)
    state = inspection["State"]
    answer.update(asked_in="definition", resolves=bool(address), address=address)
    if not address:
        answer.update(
            layer="resolve",
            error="Container %s is %s, and its definition doesn't name %s."
            % (question.container, state.get("Status"), question.host),
            remedy=_hosts_remedy(question, answer["service"]),
        )
        return answer
    answer.update(
        layer="container",
        error="Container %s is %s, with exit status %s."
        % (question.container, state.get("Status"), state.get("ExitCode")),
        remedy="See why: docker logs --tail 50 %s." % question.container,
    )
    return answer


def _defined_address(host: str, inspection: Mapping[str, Any]) -> Optional[str]:
    for text in inspection["HostConfig"].get("ExtraHosts") or []:
        entry = split_entry(text)
        if entry is not None and entry[0].lower() == host.lower():
            return entry[1]
    return None


def _hosts_remedy(question: Question, service: Optional[str]) -> str:
    return (
        "Give %s the entry %s:host-gateway in extra_hosts (bulkhead.stack.compose_extra_hosts), "
        "then docker compose up -d%s."
        % (
            "service %s" % service if service else "it",
            question.host,
            " " + service if service else "",
        )
    )


def _resolve(question: Question, prober: Prober) -> Optional[Tuple[Optional[str], str]]:
    """Return address and error; None where nothing in the container can tell."""
    # `getent hosts` asks the resolver for an IPv6 address first, even where /etc/hosts knows the name.
    for argv in (["getent", "ahosts", question.host], ["python3", "-c", PYTHON_RESOLVE, question.host]):
        rc, output, errors = prober.run(question.container, argv)
        if rc in _ABSENT:
            continue
        words = output.split()
        if rc == 0 and words:
            return words[0], ""
        reason = errors.strip().splitlines()[-1:] or ["the name is unknown"]
        return None, "%s doesn't resolve %s: %s." % (question.container, question.host, reason[0].rstrip("."))
    content = prober.hosts_file(question.container)
    for line in (content or "").splitlines():
        words = line.partition("#")[0].split()
        if question.host.lower() in [word.lower() for word in words[1:]]:
            return words[0], ""
    return None


def _connect(question: Question, port: int, prober: Prober) -> Optional[Tuple[str, ...]]:
    """Return error and remedy; an empty tuple where the port accepts, None where nothing can tell."""
    tools: List[List[str]] = [
        ["python3", "-c", PYTHON_CONNECT, question.host, str(port)],
        ["timeout", "5", "bash", "-c", BASH_CONNECT, question.host, str(port)],
        [
            "curl",
            "-s",
            "-o",
            "/dev/null",
            "--connect-timeout",
            "5",
            "--max-time",
            "5",
            "http://%s:%d/" % (question.host, port),
        ],
        ["nc", "-z", "-w", "5", question.host, str(port)],
    ]
    for argv in tools:
        rc, _output, errors = prober.run(question.container, argv)
        if rc in _ABSENT or (
            argv[0] == "timeout" and "bash" in errors and "No such file" in errors and "/dev/tcp" not in errors
        ):
            continue
        if rc == 0:
            return ()
        if rc == _TIMED_OUT or (argv[0] == "timeout" and rc in (124, 143)):
            return (
                "Port %d of %s doesn't answer: the packets are dropped." % (port, question.host),
                "Let the firewall admit the containers, for example: ufw allow in on docker0 to any port %d proto tcp; "
                "firewall-cmd --zone=docker --add-port=%d/tcp." % (port, port),
            )
        if argv[0] == "curl" and rc != _REFUSED:
            return ()
        return (
            "Port %d of %s refuses connections." % (port, question.host),
            "See whether something listens there on 0.0.0.0 or on the bridge's address: what listens on 127.0.0.1 only "
            "can't be reached from a container (ss -ltn 'sport = :%d')." % port,
        )
    return None


def _http(question: Question, url: str, prober: Prober) -> Tuple[Optional[int], str]:
    """Return the status of an answer, or None and why there is none."""
    tools: List[List[str]] = [
        ["python3", "-c", PYTHON_HTTP, url],
        ["curl", "-s", "-S", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", url],
        ["wget", "-q", "-S", "-T", "10", "-O", "/dev/null", url],
    ]
    for argv in tools:
        rc, output, errors = prober.run(question.container, argv)
        if rc in _ABSENT:
            continue
        for word in (output + " " + errors).split():
            if len(word) == 3 and word.isdigit() and word != "000":
                return int(word), ""
        reason = (errors.strip().splitlines() or ["no answer"])[-1]
        if rc == 0:
            # busybox' wget doesn't say the status, but only ends well where it was a good one.
            return 200, ""
        return None, "%s gives no answer: %s." % (url, reason.rstrip("."))
    return None, "unknown: the container has no program that speaks HTTP."
