# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container reaches a host, layer by layer: container, name, route, port, HTTP.

It is asked from inside the container. Where its image has nothing to ask with, a throwaway container asks in the same
network namespace; where it doesn't stay up, one with the same networks, DNS and extra_hosts does.
"""

from typing import Any, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from .._core.inspection import environment_of
from .reachability_model import HOST_NAMES, Question, Surroundings, defined_address, network_mode, service_of
from .reachability_programs import Facts, programs, read_facts
from .reachability_verdict import judge

# What a shell and an engine answer where an image can't run a program.
_NOT_RUNNABLE = (126, 127)
# A paused container can't be asked, but its namespace is there.
_HAS_NAMESPACE = ("running", "paused")


class Prober(Surroundings, Protocol):
    """What asks, inside a container or in a throwaway one."""

    def run(self, container: str, argv: Sequence[str]) -> Tuple[int, str, str]:
        """Return exit status, output and errors of a command; 127 where the container has no such program."""

    def probe_images(self, inspection: Mapping[str, Any], in_namespace: bool) -> List[str]:
        """Return the images that a throwaway container may be made of, the best first; all are on the engine."""

    def throwaway(
        self, inspection: Mapping[str, Any], image: str, in_namespace: bool, argv: Sequence[str]
    ) -> Tuple[int, str, str]:
        """Run a command in a throwaway container and remove it; as ``run``.

        Arguments:
            inspection: the container that it stands for.
            in_namespace: whether it joins that one's network namespace; else it gets the same networks, DNS and hosts.
        """


def ask(
    question: Question, inspection: Optional[Mapping[str, Any]], prober: Prober, throwaway: bool = True
) -> Dict[str, Any]:
    """Return one answer: how far the container comes, and what mends it there.

    Arguments:
        inspection: what ``docker inspect`` says; None where there is no such container.
        throwaway: whether throwaway containers may be made.
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
        "route": None,
        "http_status": None,
        "listeners": None,
        "layer": "container",
        "error": "There is no container %s." % question.container,
        "remedy": "Start its service: docker compose up -d.",
    }
    if inspection is None:
        return answer
    answer.update(_description(question, inspection))
    facts = Facts()
    why: List[str] = []
    if answer["state"] == "running":
        facts, why = _inside(question, prober)
        if facts.untold(question.port, question.url):
            # One that keeps restarting runs at times: what it is now says whether there is a namespace to join.
            inspection = prober.inspect(question.container) or inspection
            answer.update(_description(question, inspection))
    answer["asked_in"] = "container" if answer["state"] == "running" else "definition"
    if throwaway and facts.untold(question.port, question.url):
        found, reasons = _in_throwaway(question, inspection, prober, answer["state"] in _HAS_NAMESPACE)
        if found is None and answer["state"] == "running" and inspection.get("RestartCount"):
            # It was gone again before it could be joined.
            answer["state"] = "restarting"
            found, reasons = _in_throwaway(question, inspection, prober, False)
        why += reasons
        if found is not None:
            facts = found
            answer["asked_in"] = "throwaway"
    running = answer["state"] == "running"
    if not running and facts.untold(question.port, question.url):
        return _from_definition(question, inspection, answer, why)
    verdict = judge(question, inspection, facts, prober, why)
    answer.update(
        resolves=facts.resolves,
        address=facts.address,
        route=facts.route,
        http_status=facts.http_status,
        listeners=verdict.listeners,
        layer=verdict.layer,
        error=verdict.error,
        remedy=verdict.remedy,
    )
    if not running and verdict.layer == "ok":
        answer.update(
            layer="container",
            error="Container %s is %s, with exit status %s; one like it does reach %s."
            % (question.container, answer["state"], inspection["State"].get("ExitCode"), question.url or question.host),
            remedy="See why: docker logs --tail 50 %s." % question.container,
        )
    return answer


def _description(question: Question, inspection: Mapping[str, Any]) -> Dict[str, Any]:
    state = inspection["State"]
    networks = (inspection.get("NetworkSettings") or {}).get("Networks") or {}
    environment = environment_of(inspection)
    return {
        "service": service_of(inspection),
        "addresses": [network["IPAddress"] for network in networks.values() if network.get("IPAddress")],
        "variables": {name: environment[name] for name in question.variables or () if name in environment},
        "state": state.get("Status"),
        "health": (state.get("Health") or {}).get("Status"),
    }


def _inside(question: Question, prober: Prober) -> Tuple[Facts, List[str]]:
    """Ask with what the container's image has; the next program only where one can't be run."""
    errors = ""
    for argv in programs(question.host, question.port, question.url):
        status, output, errors = prober.run(question.container, argv)
        if status not in _NOT_RUNNABLE:
            facts = read_facts(output, question.host, question.port, question.url)
            missing = facts.untold(question.port, question.url)
            return facts, ["Its image lacks the programs to ask with."] if missing else []
    return Facts(), ["Neither sh nor python3 can be run in it%s." % (": %s" % errors.rstrip(".") if errors else "")]


def _in_throwaway(
    question: Question, inspection: Mapping[str, Any], prober: Prober, in_namespace: bool
) -> Tuple[Optional[Facts], List[str]]:
    """Return what a throwaway container found out, of the first image that can tell; else None, and why not."""
    why: List[str] = []
    images = prober.probe_images(inspection, in_namespace)
    for image in images:
        for argv in programs(question.host, question.port, question.url):
            status, output, errors = prober.throwaway(inspection, image, in_namespace, argv)
            if status in _NOT_RUNNABLE:
                if errors:
                    why.append("A throwaway container of %s can't be run: %s." % (image, errors.rstrip(".")))
                continue
            facts = read_facts(output, question.host, question.port, question.url)
            if not facts.untold(question.port, question.url):
                return facts, []
            break
    if not images:
        why.append("No image of this engine was to be used for a throwaway container.")
    return None, why[-2:]


def _from_definition(
    question: Question, inspection: Mapping[str, Any], answer: Dict[str, Any], why: Sequence[str]
) -> Dict[str, Any]:
    """Nothing can be asked: what the container was made with says whether it knows the name."""
    address = defined_address(question.host, inspection)
    state = inspection["State"]
    service = answer["service"]
    # Any other name may be one that DNS knows.
    lacks = not address and question.host.lower() in HOST_NAMES
    answer.update(
        asked_in="definition",
        resolves=True if address else False if lacks else None,
        address=address,
        layer="resolve" if lacks else "container",
        error=" ".join(
            [
                "Container %s is %s, with exit status %s%s."
                % (
                    question.container,
                    state.get("Status"),
                    state.get("ExitCode"),
                    ", and its definition doesn't name %s" % question.host if lacks else "",
                ),
                *why,
            ]
        ),
        remedy="See why: docker logs --tail 50 %s." % question.container,
    )
    if lacks:
        answer["remedy"] = (
            "Give %s the entry %s:host-gateway in extra_hosts (bulkhead.stack.compose_extra_hosts), then "
            "docker compose up -d%s."
            % ("service %s" % service if service else "it", question.host, " %s" % service if service else "")
        )
    return answer


def joins_another(inspection: Mapping[str, Any]) -> Optional[str]:
    """Return the container whose network namespace a container shares, or None."""
    mode = network_mode(inspection)
    return mode.partition(":")[2] if mode.startswith("container:") else None
