# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with services: do they run, do they reach what they must, and whose rows do they get."""

import shlex
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set
from urllib.parse import urlsplit

from .kinds import evidence, finding
from .view import View

Row = Dict[str, Any]
_SESSIONS = "SELECT datname, usename, application_name, client_addr FROM pg_stat_activity"
_MAKE_INSTANCE = "ansible-playbook bulkhead.stack.site --tags isolate,postgrest"
# So many restarts, the last of them so short ago, are a loop.
_RESTARTS, _YOUNG_S = 3, 600


def look_at_services(view: View) -> List[Row]:
    """Add what is found, and return the document's rows of the services."""
    rows = []
    for index, item in enumerate(view.wanted["services"]):
        seen = view.services[index] if index < len(view.services) else {}
        served = served_from(view, seen)
        container = view.container(item["container"])
        rows.append(
            {
                "service": item["name"],
                "container": item["container"],
                "state": seen.get("state") or (container or {}).get("state"),
                "health": seen.get("health") or (container or {}).get("health"),
                "resolves": seen.get("resolves") if item["reaches_host"] else None,
                "served_from": ", ".join(served) if served else None,
                "wanted_database": item.get("database"),
            }
        )
        if _runs(view, item, seen, "service"):
            _answers(view, item, seen)
        if served and item.get("database") and served != [item["database"]]:
            text = "Its data is served from %s, not from %s." % (", ".join(served), item["database"])
            shown = evidence("sql", _SESSIONS, ", ".join(served))
            view.add(finding("wrong-database", item["name"], text, shown))
    _instances(view)
    _probes(view)
    _sessions(view)
    _neighbours(view)
    return rows


def served_from(view: View, seen: Mapping[str, Any]) -> Optional[List[str]]:
    """Return the databases in which the instance sits that a service asks, by its URL's path; None where unknown."""
    name = asked_instance(view, seen)
    return instance_databases(view, name) or None if name else None


def asked_instance(view: View, seen: Mapping[str, Any]) -> Optional[str]:
    """Return the PostgREST instance whose route a service's URL has, or None."""
    url = next((value for value in (seen.get("variables") or {}).values() if value), None)
    if url is None:
        return None
    path = urlsplit(url).path.rstrip("/")
    return next((item["name"] for item in view.wanted["instances"] if item["route"].rstrip("/") == path), None)


def addresses_of(view: View, answers: Sequence[Row], index: int, container: str) -> Set[str]:
    """Return the addresses of a container: as it was asked, else as the engine lists them."""
    answer = answers[index] if index < len(answers) else {}
    return set(answer.get("addresses") or (view.container(container) or {}).get("addresses") or ())


def instance_databases(view: View, name: str) -> List[str]:
    """Return the databases in which an instance of PostgREST has sessions."""
    for index, item in enumerate(view.wanted["instances"]):
        if item["name"] == name:
            addresses = addresses_of(view, view.instances, index, item["container"])
            return sorted(
                {
                    session["database"]
                    for _cluster, session in view.sessions()
                    if session["application"].startswith("PostgREST") and session["address"] in addresses
                }
            )
    return []


def _runs(view: View, item: Row, seen: Mapping[str, Any], of: str) -> bool:
    """Whether a container is up; where it isn't, that is a finding."""
    name, container = item["name"], item["container"]
    known = view.container(container)
    if not seen and view.containers is None:
        view.not_seen("%s %s" % (of, name), "neither could it be asked, nor does the engine tell its state")
        return False
    state = seen.get("state") or (known or {}).get("state") or "absent"
    inspect = "docker inspect --format '{{json .State}}' %s" % container
    restarts = (known or {}).get("restarts") or 0
    up_s = (known or {}).get("up_s")
    if state == "restarting" or (restarts >= _RESTARTS and up_s is not None and up_s < _YOUNG_S):
        text = "Its container keeps restarting: %d times so far." % restarts
        shown = evidence("command", "docker inspect --format '{{.RestartCount}}' %s" % container, restarts)
        view.add(finding("restart-loop", name, text, shown, of=of, container=container))
        return False
    if known and seen.get("state") and known["state"] != seen["state"]:
        reason = "its container was %s, and %s a moment later" % (known["state"], seen["state"])
        view.not_seen("%s %s" % (of, name), reason)
    if state != "running":
        text = "Its container is %s." % ("not there" if state == "absent" else state)
        code = (known or {}).get("exit_code")
        shown = evidence("command", inspect, state if code is None else "%s, exit status %s" % (state, code))
        found = finding("service-down", name, text, shown, of=of, container=container)
        if state == "absent" and item.get("path"):
            # What isn't there can't be started; an instance may be one that is only to come.
            up = "docker compose -f %s up -d" % shlex.quote(item["path"])
            found["remedy"] = _MAKE_INSTANCE if of == "postgrest" else up
        view.add(found)
        return False
    if (seen.get("health") or (known or {}).get("health")) == "unhealthy":
        shown = evidence("command", inspect, "unhealthy")
        view.add(finding("service-unhealthy", name, "Its container is unhealthy.", shown, of=of, container=container))
    return True


def _answers(view: View, item: Row, seen: Mapping[str, Any]) -> None:
    name = item["name"]
    if item["reaches_host"] and seen:
        if seen.get("resolves") is False:
            text = "host.docker.internal doesn't resolve inside it: %s" % (seen.get("error") or "no such name.")
            command = "docker exec %s getent hosts host.docker.internal" % item["container"]
            view.add(
                finding("host-unreachable", name, text, evidence("command", command, seen.get("error") or "no answer"))
            )
        elif seen.get("resolves") is None:
            view.not_seen("service %s" % name, "nothing in its container can tell whether the host's name resolves")
    answer = view.urls.get("service %s" % name)
    if answer and answer.get("status") != 200:
        given = "it answers with %s" % answer["status"] if answer.get("status") else str(answer.get("error"))
        shown = evidence("command", "curl -fsS %s" % answer["url"], given)
        text = "It doesn't answer for its health: %s" % (given if given.endswith(".") else given + ".")
        view.add(finding("health-failed", name, text, shown, url=answer["url"]))


def _instances(view: View) -> None:
    for index, item in enumerate(view.wanted["instances"]):
        seen = view.instances[index] if index < len(view.instances) else {}
        if not item.get("database") or not _runs(view, item, seen, "postgrest"):
            continue
        served = instance_databases(view, item["name"])
        if served and served != [item["database"]]:
            text = "It is connected to %s, not to %s." % (", ".join(served), item["database"])
            view.add(finding("postgrest-database", item["name"], text, evidence("sql", _SESSIONS, ", ".join(served))))


def _probes(view: View) -> None:
    for wanted, seen in zip(view.wanted.get("probes") or [], view.probes):
        name, url = wanted["service"], wanted["question"]["url"]
        if seen.get("layer") == "unknown":
            view.not_seen("service %s" % name, "nothing in its container can tell whether it reaches %s" % url)
        # A container that doesn't run is told as that.
        elif seen.get("layer") not in ("ok", "container", None):
            text = "It doesn't reach %s (%s): %s" % (url, seen["layer"], seen.get("error") or "no answer.")
            command = "docker exec %s wget -qO- %s" % (wanted["question"]["container"], url)
            view.add(finding("unreachable", name, text, evidence("command", command, seen.get("error") or "no answer")))


def _sessions(view: View) -> None:
    """Who sits in a database as a superuser, and who does that nobody has described."""
    described = view.described_containers()
    services = {item["container"]: item for item in view.wanted["services"]}
    superusers = {cluster["name"]: seen.get("superusers") or [] for cluster, seen in view.read_clusters()}
    strangers: Dict[str, Set[str]] = {}
    owners: Dict[str, Set[str]] = {}
    for cluster, session in view.sessions():
        container = view.container_at(session["address"])
        if container and container not in described:
            strangers.setdefault(container, set()).add(session["database"])
        item = services.get(container)
        if item and not item.get("platform") and session["role"] in superusers[cluster]:
            owners.setdefault(item["name"], set()).add("%s in %s" % (session["role"], session["database"]))
    for name, roles in sorted(owners.items()):
        text = "It logs in as a superuser: %s." % ", ".join(sorted(roles))
        view.add(finding("superuser-login", name, text, evidence("sql", _SESSIONS, ", ".join(sorted(roles)))))
    if view.wanted.get("described", True):
        for container, databases in sorted(strangers.items()):
            text = "It uses %s, and the description doesn't have it." % ", ".join(sorted(databases))
            shown = evidence("sql", _SESSIONS, ", ".join(sorted(databases)))
            view.add(finding("service-undescribed", container, text, shown, container=container))


def _neighbours(view: View) -> None:
    for name, item in view.wanted["neighbours"].items():
        answer = view.urls.get("neighbour %s" % name)
        if answer is None or (answer.get("status") or 599) < 400:
            continue
        given = "it answers with %s." % answer["status"] if answer.get("status") else str(answer.get("error"))
        severity = "high" if item["required"] else "note"
        text = "It doesn't answer: %s" % given
        if not item["required"]:
            text += " It is optional."
        shown = evidence("command", "curl -fsS %s" % answer["url"], given)
        found = finding("neighbour-absent", name, text, shown, severity, url=answer["url"])
        if item["required"]:
            found["meaning"] = "What the description requires is absent: services that need it don't work."
        view.add(found)
