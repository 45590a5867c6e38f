# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files in every manner in which people write them, and a judge that knows nothing of the editor.

The traits are those that real files were seen to have. They are crossed at random, by a fixed seed, until each value of
a trait has stood beside each value of every other one.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

SEED = 20261124
SERVICE = "web"

# What the service holds of extra_hosts; a leading "=" is where the list's own indentation goes.
HOSTS: dict[str, list[str]] = {
    "absent": [],
    "list": ["extra_hosts:", '=- "a:1.2.3.4"'],
    "list of equals": ["extra_hosts:", "=- a=1.2.3.4", "=- 'b=1.2.3.5'"],
    "list with comments": ["extra_hosts: # why", "=- a:1.2.3.4 # x", "=# between", "=- 'b:::1'", "=# after"],
    "wide dashes": ["extra_hosts:", "=-   a:1.2.3.4"],
    "flow": ['extra_hosts: ["a:1.2.3.4"]'],
    "empty flow": ["extra_hosts: []"],
    "flow on lines": ["extra_hosts: [", "    'a:1.2.3.4', # one", "    'b:1.2.3.4' # two", "  ]"],
    "flow below its key": ["extra_hosts:", "  [", "    'a:1.2.3.4',", "  ]"],
    "mapping": ["extra_hosts:", "  a: 1.2.3.4"],
    "quoted mapping": ["extra_hosts:", '  "a": "1.2.3.4" # x'],
    "flow mapping": ["extra_hosts: {a: 1.2.3.4}"],
    "empty flow mapping": ["extra_hosts: {}"],
}
# What stands beside it, above or below.
NEIGHBOURS: dict[str, list[str]] = {
    "nothing": [],
    "ports": ["ports:", "=- 22:22", '=- "8080:80"'],
    "literal": ["command: |", "  echo a", "", "  echo b"],
    "literal that keeps": ["command: |+", "  echo a", "  ", ""],
    "folded": ["command: >-", "  echo a", " "],
    "tabs": ["dns:\t1.2.3.4\t# tab", "#\tcomment\twith tabs"],
    "trailing blanks": ["restart: always   ", "tty: yes "],
    "wide": ["labels:", "  note: " + "x" * 300],
    "numbers": ["user: 0444", "mem_limit: 1_000", "on: off"],
    "quoted keys": ['"dns": 1.2.3.4', "'hostname': h"],
    "null": ["environment:", "  A:", "  B: ~"],
    "flow": ["healthcheck: {test: [CMD, curl, '-f', \"http://x/#y\"], interval: 10s}"],
    "bracket below": ["volumes:", "  [", "    'a:/a',", "    'b:/b'", "  ]"],
    "tags": ["environment: !override", "  A: b", "dns: !reset null"],
    "comments": ["# one", "expose: # two", "=# three", "=- 80 # four", "  # five"],
    "networks": ["networks:", "  inner:", "    aliases: [a]", "    ipv4_address: 10.0.0.2"],
    "text": ["environment:", "=- 'A=é €'", '=- "B=\\u00e9 # no comment"', "=- C=${X:-a:b}"],
    "long": ["environment:"] + ["  KEY_%d: value %d" % (number, number) for number in range(30)],
}
# Who else is there, and whether the service shares what is to change with him.
SHARING: dict[str, tuple[list[str], list[str], list[str], bool]] = {
    # above the services, in the service, below it; and whether the edit has to be refused
    "alone": ([], [], [], False),
    "another": ([], [], ["db:", "  image: y", "  ports:", "  - 22:22"], False),
    "flow neighbour": ([], [], ["db: {image: y, ports: ['22:22']}"], False),
    "merges a field": (["x-base: &base", "  restart: always"], ["<<: *base"], ["db:", "  <<: *base"], False),
    "merges two": (
        ["x-one: &one {restart: always}", "x-two: &two", "  tty: true"],
        ["<<: [*one, *two]"],
        ["db:", "  <<: [*two, *one]"],
        False,
    ),
    "merges twice": (["x-one: &one {a: b}", "x-two: &two {c: d}"], ["<<: *one", "<<: *two"], [], False),
    "alias inside": (["x-list: &list [a, b]"], ["cap_add: *list"], ["db: {cap_add: *list}"], False),
    "list under merge": (
        ["x-one: &one {a: b}", "x-list: &list [*one]"],
        ["<<: *list"],
        ["db: {<<: *list}"],
        False,
    ),
    "is merged": ([], [], ["db:", "  <<: *web", "  image: y"], True),
    "is an alias": ([], [], ["db: *web"], True),
    "is extended": ([], [], ["db:", "  extends: web", "  image: y"], True),
    "is extended in a mapping": ([], [], ["db:", "  extends: {service: web}"], True),
}
NEWLINES = {"lf": "\n", "crlf": "\r\n", "mixed": ""}
HEADS = {
    "nothing": [],
    "comment": ["# the stack", ""],
    "marker": ["---"],
    "directive": ["%YAML 1.1", "---"],
    "version": ['version: "3.8"', ""],
}
TAILS = {"nothing": [], "comment": ["# the end"], "volumes": ["", "volumes:", "  a: {}"], "blanks": ["", ""]}
TRAITS: dict[str, list[Any]] = {
    "hosts": list(HOSTS),
    "neighbour": list(NEIGHBOURS),
    "order": ["above", "below"],
    "sharing": list(SHARING),
    "indent": [1, 2, 3, 4],
    "offset": [0, 1, 2, 3, 4, 7],
    "newline": list(NEWLINES),
    "head": list(HEADS),
    "tail": list(TAILS),
    "final": [True, False],
    "bom": [False, True],
    "blank": [False, True],
}


@dataclass(frozen=True)
class Case:
    """One file: its traits as a name, its bytes, and whether giving the service a host has to be refused."""

    name: str
    data: bytes
    refused: bool


def cases(least: int = 1200) -> list[Case]:
    """Return at least so many files, in which every two traits' values have met."""
    source = random.Random(SEED)
    missing = {
        (one, first, other, second)
        for one, other in itertools.combinations(TRAITS, 2)
        for first in TRAITS[one]
        for second in TRAITS[other]
    }
    found: list[Case] = []
    while missing or len(found) < least:
        # Of some candidates the one in which most pairs meet that haven't met yet.
        candidates = [{trait: source.choice(values) for trait, values in TRAITS.items()} for _try in range(12)]
        chosen = max(candidates, key=lambda traits: len(_pairs(traits) & missing))
        missing -= _pairs(chosen)
        found.append(build(**chosen))
    return found


def _pairs(traits: dict[str, Any]) -> set[tuple[str, Any, str, Any]]:
    return {(one, traits[one], other, traits[other]) for one, other in itertools.combinations(traits, 2)}


def build(
    *,
    hosts: str,
    neighbour: str,
    order: str,
    sharing: str,
    indent: int,
    offset: int,
    newline: str,
    head: str,
    tail: str,
    final: bool,
    bom: bool,
    blank: bool,
) -> Case:
    """Return the file with these traits."""
    above, inside, below, refused = SHARING[sharing]
    step = " " * indent
    key = "web: &web" if sharing in ("is merged", "is an alias") else "web:"
    parts = [NEIGHBOURS[neighbour], HOSTS[hosts]] if order == "above" else [HOSTS[hosts], NEIGHBOURS[neighbour]]
    lines = HEADS[head] + above + ["services:", step + key]
    for line in ["image: x", *inside, *itertools.chain(*parts)]:
        text = " " * offset + line[1:] if line.startswith("=") else line
        lines.append(2 * step + text if text.strip() else text)
    for line in ([""] if blank and below else []) + below:
        lines.append(step + line if line else line)
    lines += TAILS[tail]
    ends = ["\n", "\r\n"] if newline == "mixed" else [NEWLINES[newline]]
    text = "".join(line + end for line, end in zip(lines, itertools.cycle(ends)))
    if not final:
        text = text.rstrip("\r\n") if text.strip() else text
    traits = (hosts, neighbour, order, sharing, indent, offset, newline, head, tail, final, bom, blank)
    return Case(" / ".join(str(trait) for trait in traits), (b"\xef\xbb\xbf" if bom else b"") + text.encode(), refused)


# Lines that turn up in files which several people edited.
_JUNK = [b"# c", b"        # deep", b"  # two", b"", b"   ", b"\t", b"    # four", b"#no"]
_ENDS = [b" ", b"  # t", b" # x: y", b"\t# t", b"\t"]


def mangled(count: int) -> Iterator[bytes]:
    """Return so many files of the corpus with a few lines put in, changed, moved or lost, all of them readable yet."""
    source = random.Random(SEED)
    known = [case.data for case in cases()]
    made = 0
    while made < count:
        lines = source.choice(known).split(b"\n")
        for _change in range(source.randint(1, 5)):
            place, kind = source.randrange(len(lines)), source.random()
            if kind < 0.5:
                lines.insert(place, source.choice(_JUNK))
            elif kind < 0.7:
                lines[place] = lines[place].rstrip(b"\r") + source.choice(_ENDS)
            elif kind < 0.8 and len(lines) > 1:
                del lines[place]
            elif kind < 0.9:
                lines[place] = b" " * source.randint(0, 3) + lines[place]
            else:
                lines.insert(place, source.choice(lines))
        data = b"\n".join(lines)
        try:
            services = written(data)
            whole = all(isinstance(service, dict) for service in services.values())
            meaning(data)
        except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            continue
        # What Compose itself refuses is no case: a service that is nothing, a file that ends in half a line end.
        if whole and SERVICE in services and not data.endswith(b"\r"):
            made += 1
            yield data


# The judge.


class _Loader(yaml.SafeLoader):
    """PyYAML's own reader, which knows Compose's tags."""


def _tagged(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None


_Loader.add_multi_constructor("!", _tagged)


def written(data: bytes) -> dict[str, Any]:
    """Return the services as PyYAML reads them, merges followed.

    A list under ``<<`` is no mapping to PyYAML where an alias stands for it: its items are then written out.
    """
    text = data.decode("utf-8-sig").replace("<<: *list", "<<: [*one]").replace("\t", " ")
    services: dict[str, Any] = yaml.load(text, Loader=_Loader)["services"]  # noqa: S506
    return services


def meaning(data: bytes) -> dict[str, Any]:
    """Return what each service is, merges and ``extends`` followed; read by PyYAML alone."""
    services = written(data)
    return {name: _extended(services, name) for name in services}


def _extended(services: dict[str, Any], name: str) -> dict[str, Any]:
    own = dict(services[name] or {})
    base = own.pop("extends", None)
    if base is None:
        return own
    inherited = _extended(services, base["service"] if isinstance(base, dict) else base)
    hosts = [*_hosts(inherited), *_hosts(own)]
    return {**inherited, **own, **({"extra_hosts": hosts} if hosts else {})}


def _hosts(service: dict[str, Any]) -> Iterator[str]:
    hosts = service.get("extra_hosts") or []
    yield from ("%s:%s" % pair for pair in hosts.items()) if isinstance(hosts, dict) else hosts


def has(services: dict[str, Any], name: str, host: str, address: str) -> bool:
    """Return whether a service knows a host at an address."""
    written = [text.replace("=", ":", 1) if "=" in text.partition(":")[0] else text for text in _hosts(services[name])]
    return "%s:%s" % (host, address) in written


def is_pure(before: bytes, after: bytes, most: int) -> bool:
    """Return whether all old bytes are there, in order, and no more than ``most`` new ones."""
    rest = iter(after)
    return len(after) - len(before) <= most and all(byte in rest for byte in before)


def large(lines: int) -> bytes:
    """Return a plain stack of about so many lines."""
    text = ["# stack", "services:"]
    number = 0
    while len(text) < lines - 16:
        number += 1
        text += [
            "  s%d:" % number,
            "    image: registry.example/team/s%d:1.2.%d # pinned" % (number, number),
            "    restart: unless-stopped",
            "    depends_on: [s1]",
            "    environment:",
            '      DATABASE_URL: "postgresql://u:${PASSWORD}@db:5432/s%d"' % number,
            "      LOG_LEVEL: info",
            '      PORT: "80"',
            "    ports:",
            '      - "%d:80"' % (8000 + number),
            "    volumes:",
            "      - data%d:/data" % number,
            "    healthcheck:",
            '      test: ["CMD", "curl", "-f", "http://localhost/health"]',
            "      interval: 10s",
            "",
        ]
    text += ["volumes:"] + ["  data%d: {}" % one for one in range(1, 5)]
    return ("\n".join(text) + "\n").encode()
