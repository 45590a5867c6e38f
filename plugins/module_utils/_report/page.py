# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's document as what its pages show: every text chosen, every number in words, everything in its order."""

from datetime import tzinfo
from typing import Any, Dict, List, Mapping, Sequence

from .._core.errors import InputError
from .._core.schedule import parse_timezone
from .._core.text import format_duration, format_size
from .days import Calendar, moment, time_text
from .escape import Code, Raw, block, for_html, for_markdown
from .graph import picture
from .mermaid import mermaid
from .words import (
    EVERY_ROLE,
    FRESH,
    GRANTED,
    NO_COPY,
    NO_COPY_WANTED,
    NOT_REACHED,
    REACHED,
    SEVERITIES,
    TOO_OLD,
    UNKNOWN,
    UNMEASURED,
    UNSEEN,
    VERDICTS,
    State,
    counted,
    enumeration,
    state_of,
)

SCHEMA = 1
FORMS = ("html", "markdown")
_HOW = {"sql": "SQL", "command": "Command", "file": "File"}
# What evidence shows is a proof and no listing; of many reasons the first ones tell enough.
_MOST_SHOWN, _MOST_SHOWN_LINES, _MOST_REASONS = 1500, 15, 6
# So many findings are open at first; the others are a line each, and open by a click.
_OPEN_AT_FIRST = 20


def pages(document: Mapping[str, Any], form: str) -> Dict[str, Any]:
    """Return what a template of the audit shows, its texts escaped for that form.

    Arguments:
        document: what the audit has put together.
        form: ``html`` or ``markdown``.

    Raises:
        InputError: the document is of another version, or there is no such form.
    """
    if form not in FORMS:
        raise InputError("There is no form %r of the audit's report." % (form,), "There are: %s." % ", ".join(FORMS))
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, Mapping) else None
        raise InputError(
            "The audit's document has schema %r; these pages show schema %d." % (found, SCHEMA),
            "Make it anew with the audit of this version.",
        )
    escaped: Dict[str, Any] = (for_html if form == "html" else for_markdown)(_view(document))
    return escaped


def _view(document: Mapping[str, Any]) -> Dict[str, Any]:
    zone = parse_timezone(document.get("timezone") or "UTC")
    now = moment(document["made_at"])
    open_ones = _findings([item for item in document["findings"] if not item.get("accepted")])
    accepted = _findings([item for item in document["findings"] if item.get("accepted")], len(open_ones))
    unseen = [{"thing": str(item["thing"]), "reason": str(item["reason"])} for item in document["unseen"]]
    pictures = _pictures(document)
    databases = [_database(item) for item in sorted(document["databases"], key=_gravity)]
    calendar = Calendar(now, zone).shown(document["calendar"])
    return {
        "host": str(document["host"]),
        "made_at": time_text(now.astimezone(zone)),
        "timezone": str(document.get("timezone") or "UTC"),
        "described": bool(document["described"]),
        "summary": _summary(open_ones, unseen),
        "counts": [
            dict(state.shown(), number=sum(item["severity"]["key"] == key for item in open_ones))
            for key, state in SEVERITIES.items()
        ],
        "unseen": unseen,
        "findings": open_ones,
        "rules": _rules(open_ones),
        "accepted": accepted,
        "pictures": pictures,
        "databases": databases,
        "calendar": calendar,
        "services": [_service(item) for item in document["services"]],
        "kept": [_kept(item, zone) for item in document["kept"]],
    }


def _summary(findings: Sequence[Mapping[str, Any]], unseen: Sequence[Any]) -> str:
    parts = []
    for key, state in SEVERITIES.items():
        number = sum(item["severity"]["key"] == key for item in findings)
        if number:
            parts.append("%d %s" % (number, state.word))
    if parts:
        text = "%s: %s." % (counted(len(findings), "finding", "findings"), enumeration(parts))
    elif unseen:
        text = "No findings in what could be seen."
    else:
        text = "No findings."
    if unseen:
        text += " %s not be looked at." % counted(len(unseen), "thing could", "things could")
    return text


def _findings(items: Sequence[Mapping[str, Any]], before: int = 0) -> List[Dict[str, Any]]:
    ranks = list(SEVERITIES)
    # A severity that nobody knows comes first: it is more likely new than harmless.
    ordered = sorted(items, key=lambda item: ranks.index(item["severity"]) if item["severity"] in ranks else -1)
    shown = []
    for number, item in enumerate(ordered, before + 1):
        evidence = item.get("evidence") or {}
        accepted = item.get("accepted") or {}
        given = _short(str(evidence.get("shown") or ""))
        query, remedy = str(evidence.get("query") or ""), str(item.get("remedy") or "")
        shown.append({
            "anchor": "finding-%d" % number,
            "open": number <= _OPEN_AT_FIRST,
            "id": str(item["id"]),
            "name": str(item["name"]),
            "severity": state_of(SEVERITIES, item["severity"]).shown(),
            "kind": str(item["kind"]),
            "thing": str(item["thing"]),
            "text": str(item["text"]),
            "meaning": str(item.get("meaning") or ""),
            "how": _HOW.get(str(evidence.get("how")), "Seen in"),
            "query": Code(query),
            "query_block": block(query, "sql" if evidence.get("how") == "sql" else "text") if query else Raw(""),
            "shown": Code(given),
            "shown_block": block(given, "text") if given else Raw(""),
            "remedy": Code(remedy),
            "remedy_block": block(remedy, "sh") if remedy else Raw(""),
            "reason": str(accepted.get("reason") or ""),
            "until": str(accepted.get("until") or ""),
        })  # fmt: skip
    return shown


def _short(text: str) -> str:
    lines = text.strip("\n").split("\n")
    left = len(lines) - _MOST_SHOWN_LINES
    if left > 0:
        return "%s\n… (%s)" % (_cut("\n".join(lines[:_MOST_SHOWN_LINES])), counted(left, "more line", "more lines"))
    return _cut("\n".join(lines))


def _cut(text: str) -> str:
    more = len(text) - _MOST_SHOWN
    return text if more <= 0 else "%s… (%s)" % (text[:_MOST_SHOWN], counted(more, "more letter", "more letters"))


def _rules(findings: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """Return what was found how often; nothing where the findings themselves are few enough to read."""
    found: Dict[str, List[Mapping[str, Any]]] = {}
    if len(findings) > _OPEN_AT_FIRST:
        for item in findings:
            found.setdefault(item["id"], []).append(item)
    return [dict(items[0], number=len(items)) for items in found.values()]


def _pictures(document: Mapping[str, Any]) -> List[Dict[str, Any]]:
    wanted = document.get("wanted_graph")
    drawn = [
        picture(
            document["graph"],
            "is",
            "Before: as it is" if wanted else "As it is",
            "What the audit saw. The thicker a line, the more connections; their number stands where it begins.",
        )
    ]
    if wanted:
        drawn.append(
            picture(
                wanted,
                "wanted",
                "After: as described",
                "What the description wants, and bulkhead.stack.site brings about.",
            )
        )
    return [dict(one, mermaid=mermaid(one)) for one in drawn]


def _gravity(item: Mapping[str, Any]) -> Any:
    verdicts = list(VERDICTS)
    verdict = item.get("verdict")
    rank = verdicts.index(verdict) if verdict in verdicts else 0
    return (rank, str(item["cluster"]), str(item["database"]))


def _database(item: Mapping[str, Any]) -> Dict[str, Any]:
    reasons = [str(reason) for reason in item.get("reasons") or []]
    if len(reasons) > _MOST_REASONS:
        reasons = reasons[:_MOST_REASONS] + ["and %d more" % (len(reasons) - _MOST_REASONS)]
    size = item.get("size_bytes")
    # Of what nobody has looked into, nothing is said that sounds fine.
    seen = item.get("verdict") is not None
    sessions = counted(int(item.get("sessions") or 0), "session", "sessions") if seen else "sessions not seen"
    may_connect = UNSEEN if not seen else EVERY_ROLE if item.get("public_connect") else GRANTED
    return {
        "database": str(item["database"]),
        "cluster": str(item["cluster"]),
        "verdict": state_of(VERDICTS, item.get("verdict")).shown(),
        "reasons": reasons,
        "tenants": _tables(item.get("tenants") or {}) or ["none" if seen else "not seen"],
        "archived": _tables(item.get("archived") or {}),
        "services": [str(name) for name in item.get("services") or []] or ["no service known"],
        "connections": [_connection(connection) for connection in item.get("connections") or []],
        "sessions": sessions,
        "may_connect": may_connect.shown(),
        "size": "size not known" if size is None else format_size(size),
        "criticality": str(item.get("criticality") or "not stated"),
        "newest_copy": _copy(item),
    }


def _tables(owners: Mapping[str, Any]) -> List[str]:
    return ["%s: %s" % (name, counted(int(tables), "table", "tables")) for name, tables in owners.items()]


def _connection(item: Mapping[str, Any]) -> str:
    place = " from %s" % item["address"] if item.get("address") else ""
    return "%s as %s%s (%s)" % (item["application"], item["role"], place, item["sessions"])


def _copy(item: Mapping[str, Any]) -> Dict[str, Any]:
    age, rpo = item.get("newest_verified_age_s"), item.get("rpo_s")
    wanted = "RPO %s" % format_duration(rpo) if rpo else "no RPO stated"
    if age is None:
        return dict((NO_COPY if rpo else NO_COPY_WANTED).shown(), text=wanted)
    text = "%s old, %s" % (format_duration(age), wanted)
    return dict((UNMEASURED if not rpo else FRESH if age <= rpo else TOO_OLD).shown(), text=text)


def _service(item: Mapping[str, Any]) -> Dict[str, Any]:
    resolves = item.get("resolves")
    reach = UNKNOWN if resolves is None else REACHED if resolves else NOT_REACHED
    served, wanted = str(item.get("served_from") or ""), str(item.get("wanted_database") or "")
    running = item.get("state") == "running" and item.get("health") in (None, "", "none", "healthy")
    state = (
        "%s, %s" % (item.get("state"), item["health"]) if item.get("health") else str(item.get("state") or "not seen")
    )
    return {
        "service": str(item["service"]),
        "container": str(item.get("container") or ""),
        "state": dict(
            (State("up", "✔", "", "good") if running else State("down", "▲", "", "warn")).shown(), text=state
        ),
        "reach": reach.shown(),
        "served_from": served or "not known",
        "wanted": wanted or "not stated",
    }


def _kept(item: Mapping[str, Any], zone: tzinfo) -> Dict[str, Any]:
    return {
        "kind": str(item["kind"]),
        "name": str(item["name"]),
        "database": str(item.get("database") or ""),
        "until": time_text(moment(item["until"]).astimezone(zone)) if item.get("until") else "",
        "reason": str(item.get("reason") or ""),
        "over": bool(item.get("over")),
    }
