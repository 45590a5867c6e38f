# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of finding: its identifier, its name, how grave it is, what it means, and what mends it."""

import shlex
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

SEVERITIES = ("critical", "high", "medium", "low", "note")
_MOST_SHOWN = 500

_PLAY = "ansible-playbook bulkhead.stack.%s"
_SITE = _PLAY % "site" + " --tags %s"
# What a finding has put together as a whole: a sentence, or the command that a client is started with.
_WHOLE = ("edit", "psql")


@dataclass(frozen=True)
class Kind:
    """One kind of finding.

    Arguments:
        id: for machines; it never changes its meaning.
        name: for people, and for ``accepted`` in a description.
        severity: how grave it is where nothing makes it graver.
        of: what kind of thing it is about.
        meaning: what it means for the reader.
        remedy: what mends it; ``{thing}`` and other fields stand for what the finding fills in, quoted for a shell.
    """

    id: str
    name: str
    severity: str
    of: str
    meaning: str
    remedy: str


_TABLE = (
    # What goes down together, and who gets in.
    Kind(
        "BH101",
        "blast-radius",
        "critical",
        "database",
        "Whoever drops, restores or fills up this database takes services along that have nothing to do with it.",
        _SITE % "isolate,postgrest",
    ),
    Kind(
        "BH102",
        "database-unseen",
        "high",
        "database",
        "Nothing is known of what it holds: it may be fine or not.",
        "{psql} -c {sql}",
    ),
    Kind(
        "BH103",
        "cluster-unseen",
        "critical",
        "cluster",
        "Nothing is known of any of its databases. If the services can't reach it either, all of them are down.",
        "{edit}",
    ),
    Kind(
        "BH104",
        "public-connect",
        "medium",
        "database",
        "A service that is broken into reaches this database with its own password.",
        _SITE % "isolate",
    ),
    Kind(
        "BH105",
        "superuser-login",
        "high",
        "service",
        "No wall between databases holds a superuser: whoever breaks into this service owns the whole cluster, and"
        " where the server runs as such, the files of its container.",
        _SITE % "isolate,postgrest",
    ),
    Kind(
        "BH106",
        "cross-database",
        "medium",
        "database",
        "If the other database moves or is dropped, this one breaks, and nobody would look for the reason there.",
        "Before either database moves or is dropped, replace it. " + _PLAY % "drop" + " names what leads to one.",
    ),
    # The description against reality.
    Kind(
        "BH201",
        "database-missing",
        "medium",
        "database",
        "Its backups fail, and its services find nothing.",
        _SITE % "isolate",
    ),
    Kind(
        "BH202",
        "database-undescribed",
        "low",
        "database",
        "Nobody backs it up, drills it, or has decided who may connect.",
        "Describe {database} under databases, then: " + _PLAY % "site" + " --check",
    ),
    Kind(
        "BH203",
        "owner-differs",
        "medium",
        "database",
        "Its service may lack rights that it needs, or another role may do with it as it likes.",
        "Set adopt: true of {key} under databases, then: " + _SITE % "isolate",
    ),
    Kind(
        "BH204",
        "extension-missing",
        "medium",
        "database",
        "What the service stores with this extension can't be made or restored here.",
        _SITE % "isolate",
    ),
    Kind(
        "BH205",
        "service-undescribed",
        "low",
        "service",
        "It is stopped by no switch, checked by no audit, and missing in the runbook.",
        "Describe it under services: docker inspect {container}",
    ),
    Kind(
        "BH206",
        "compose-file-missing",
        "medium",
        "file",
        "Each phase that edits this file ends there; a service that is lost can't be started anew from it.",
        "ls -l {path}",
    ),
    Kind(
        "BH207",
        "acceptance-unmatched",
        "note",
        "description",
        "It was mended, or it is written for another thing: as it stands it would hide the next one.",
        "{edit}",
    ),
    # Services, and what lies between them and their database.
    Kind(
        "BH301",
        "service-down",
        "high",
        "service",
        "It serves nobody.",
        "docker start {container} && docker logs --tail 50 {container}",
    ),
    Kind(
        "BH302",
        "service-unhealthy",
        "high",
        "service",
        "Its container runs, and its own check says that it doesn't work.",
        "docker inspect --format '{{{{json .State.Health}}}}' {container}",
    ),
    Kind(
        "BH303",
        "restart-loop",
        "high",
        "service",
        "It ends as soon as it has started: between two starts it may look well.",
        "docker logs --tail 50 {container}",
    ),
    Kind(
        "BH304",
        "host-unreachable",
        "high",
        "service",
        "Whatever it asks of the host, its database included, it doesn't get.",
        _SITE % "dns",
    ),
    Kind(
        "BH305",
        "unreachable",
        "high",
        "service",
        "It doesn't get what it needs from there.",
        _SITE % "dns",
    ),
    Kind(
        "BH306",
        "wrong-database",
        "high",
        "service",
        "It reads and writes rows in another's database, and its own copies don't hold them.",
        _SITE % "isolate,postgrest",
    ),
    Kind(
        "BH307",
        "postgrest-database",
        "high",
        "postgrest",
        "Everyone who asks this instance gets another database's rows.",
        _SITE % "postgrest",
    ),
    Kind(
        "BH308",
        "neighbour-absent",
        "note",
        "neighbour",
        "What is optional is absent: services run without it, with less to offer.",
        "curl -fsS {url}",
    ),
    Kind(
        "BH309",
        "health-failed",
        "high",
        "service",
        "Its container runs, and it doesn't answer as it must.",
        "curl -fsS {url}",
    ),
    # Copies and drills.
    Kind(
        "BH401",
        "no-verified-backup",
        "high",
        "backup",
        "If it is lost now it is lost for good: a copy that was never read back is none.",
        _PLAY % "backup",
    ),
    Kind(
        "BH402",
        "rpo-missed",
        "high",
        "backup",
        "If it is lost now more is lost than was agreed.",
        _PLAY % "backup",
    ),
    Kind(
        "BH403",
        "backup-failing",
        "high",
        "backup",
        "The copies that are there get older, and the retention removes none until a run succeeds.",
        _PLAY % "backup",
    ),
    Kind(
        "BH404",
        "drill-missing",
        "low",
        "backup",
        "How long a restore takes, and whether it gives back all there was, nobody knows yet.",
        _PLAY % "drill",
    ),
    Kind(
        "BH405",
        "drill-failed",
        "high",
        "backup",
        "The copy was read, and restored it isn't what the database was.",
        _PLAY % "drill",
    ),
    Kind(
        "BH406",
        "rto-missed",
        "high",
        "backup",
        "A restore takes longer than was agreed, even where nobody has to be called first.",
        _PLAY % "drill",
    ),
    Kind(
        "BH407",
        "retention-held",
        "medium",
        "backup",
        "No copy is removed until somebody has looked: the disk fills up, or rows were lost.",
        _PLAY % "backup" + " -e {extra}",
    ),
    Kind(
        "BH408",
        "copy-incomplete",
        "medium",
        "backup",
        "After the loss of the whole volume the rows come back, and not all that is needed to use them.",
        _PLAY % "backup",
    ),
    Kind(
        "BH409",
        "copy-damaged",
        "medium",
        "backup",
        "It doesn't count as a copy any more, and something or somebody is at work in that folder.",
        _PLAY % "backup" + " && ls -l {folder}",
    ),
    Kind(
        "BH410",
        "backup-undescribed",
        "medium",
        "backup",
        "It says how much may be lost, and nothing sees to it.",
        "{edit}",
    ),
    Kind(
        "BH411",
        "kept-over",
        "low",
        "database",
        "It takes up room, and its name may be mistaken for what is in use.",
        _PLAY % "expire",
    ),
    # Files, ports and secrets.
    Kind(
        "BH501",
        "secret-in-compose",
        "medium",
        "file",
        "Compose files are shown, copied and committed; whoever reads this one has the secret.",
        "{edit}",
    ),
    Kind(
        "BH502",
        "env-file-readable",
        "medium",
        "file",
        "Every user and every program of this host reads the secrets in it.",
        "chmod o-rwx {path}",
    ),
    Kind(
        "BH503",
        "port-published",
        "low",
        "service",
        "Whoever reaches this host reaches it. Docker's rules come before those of ufw and firewalld.",
        "{edit}",
    ),
    # The servers themselves.
    Kind(
        "BH601",
        "postgres-cve",
        "high",
        "cluster",
        "Known ways to break in or to crash it are open. A newer minor needs no dump and no migration.",
        "{edit}",
    ),
    Kind(
        "BH602",
        "postgres-end-near",
        "medium",
        "cluster",
        "After that day no security fix comes out for it.",
        "Restore into a newer major; what a drill says of it: " + _PLAY % "drill",
    ),
    Kind(
        "BH603",
        "postgres-end-over",
        "high",
        "cluster",
        "No security fix comes out for it any more.",
        "Restore into a newer major; what a drill says of it: " + _PLAY % "drill",
    ),
    Kind(
        "BH604",
        "fsync-off",
        "critical",
        "cluster",
        "A power cut may leave every database of this cluster damaged beyond repair.",
        "{psql} -c 'ALTER SYSTEM RESET fsync' -c 'SELECT pg_reload_conf()'",
    ),
    Kind(
        "BH605",
        "full-page-writes-off",
        "high",
        "cluster",
        "A power cut may leave half-written pages that no recovery mends.",
        "{psql} -c 'ALTER SYSTEM RESET full_page_writes' -c 'SELECT pg_reload_conf()'",
    ),
    Kind(
        "BH606",
        "checksums-off",
        "low",
        "cluster",
        "A disk that gives back other bytes isn't noticed, and the damage goes into the copies.",
        "{edit}",
    ),
    Kind(
        "BH607",
        "trust-authentication",
        "high",
        "cluster",
        "Whoever reaches the port is whoever they say they are, superuser included, without a password.",
        "{edit}",
    ),
)

KINDS: Dict[str, Kind] = {kind.name: kind for kind in _TABLE}


def known_words() -> List[str]:
    """Return what a description may call a kind of finding: identifiers and names."""
    return [kind.id for kind in _TABLE] + list(KINDS)


def named(word: str) -> Optional[Kind]:
    """Return the kind that an identifier or a name means, or None."""
    return next((kind for kind in _TABLE if word in (kind.id, kind.name)), None)


def evidence(how: str, query: str, shown: Any) -> Dict[str, str]:
    """Return what shows a finding: ``sql``, ``command`` or ``file``, what to ask there, and what it gave."""
    text = str(shown)
    return {
        "how": how,
        "query": " ".join(query.split()),
        "shown": text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…",
    }


def finding(
    name: str, thing: str, text: str, shown: Dict[str, str], severity: str = "", of: str = "", **fields: Any
) -> Dict[str, Any]:
    """Return a finding of a kind.

    Arguments:
        text: what is, in one sentence.
        shown: the evidence.
        severity, of: where this one is graver, or of another kind of thing.
        fields: what the remedy's fields stand for; ``edit`` is a sentence of one's own.
    """
    kind = KINDS[name]
    quoted = {key: value if key in _WHOLE else shlex.quote(str(value)) for key, value in fields.items()}
    return {
        "id": kind.id,
        "name": kind.name,
        "severity": severity or kind.severity,
        "thing": thing,
        "kind": of or kind.of,
        "text": text,
        "meaning": kind.meaning,
        "evidence": shown,
        "remedy": kind.remedy.format(thing=shlex.quote(thing), **quoted),
        "accepted": None,
    }
