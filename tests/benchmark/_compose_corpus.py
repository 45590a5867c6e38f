# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files in every manner in which people write them, and a judge that knows nothing of the editor.

The traits are those that real files were seen to have. They are crossed by a fixed seed until each value of a trait has
stood beside each value of every other one. What has to be refused stands apart, so that it hides no edit.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

SEED = 20261124
SERVICE = "web"
HOST, ADDRESS = "host.docker.internal", "host-gateway"
VARIABLE, VALUE = "NEW", "a: b #c"
NETWORK = "outer"
KEYS = ("extra_hosts", "environment", "networks")
EDIT, ALREADY = "edit", "already"


@dataclass(frozen=True)
class Form:
    """One manner to write a part of a file.

    Arguments:
        inside: lines of the service: ``=`` begins one of a list, ``>`` one of a mapping, each with its indentation;
            ``|`` one of a text on several lines, above which no comment can stand.
        above: lines above the services. below: lines of other services.
        expected: what becomes of an edit, by key: ``edit``, ``already``, or the name of the error that refuses it.
        carried: words that a new key has to repeat, for it takes the place of an inherited one.
        null: the keys that are a null here: Compose refuses such a file, and nothing can give the null back.
    """

    inside: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    expected: dict[str, str] = field(default_factory=dict)
    carried: tuple[str, ...] = ()
    null: tuple[str, ...] = ()


def _hosts(*inside: str, outcome: str = EDIT, **others: Any) -> Form:
    return Form(inside, expected={"extra_hosts": outcome}, **others)


def _variables(*inside: str, outcome: str = EDIT, **others: Any) -> Form:
    return Form(inside, expected={"environment": outcome}, **others)


def _mode(mode: str, outcome: str) -> Form:
    return Form(("network_mode: %s" % mode,), expected={"extra_hosts": outcome, "networks": "StateError"})


def _shared(inside: tuple[str, ...], below: tuple[str, ...]) -> Form:
    return Form(inside, (), below, dict.fromkeys(KEYS, "ConflictError"))


_KNOWN = ("x-known: &known", "  extra_hosts: ['a:1.2.3.4']")
_HELD = ("x-held: &held", "  environment: {A: b}")
HOSTS: dict[str, Form] = {
    "absent": Form(),
    "list": _hosts("extra_hosts:", '=- "a:1.2.3.4"'),
    "list of equals": _hosts("extra_hosts:", "=- a=1.2.3.4", "=- 'b=1.2.3.5'"),
    "list with comments": _hosts("extra_hosts: # why", "=- a:1.2.3.4 # x", "=# between", "=- 'b:::1'", "=# after"),
    "list with blank lines": _hosts("extra_hosts:", "", "=- a:1.2.3.4", "", "=- b:1.2.3.5"),
    "wide dashes": _hosts("extra_hosts:", "=-   a:1.2.3.4"),
    "anchored list": _hosts("extra_hosts: &own", "=- a:1.2.3.4"),
    "quoted key": _hosts('"extra_hosts":', "=- a:1.2.3.4"),
    "tagged": _hosts("extra_hosts: !override", "=- a:1.2.3.4"),
    "flow": _hosts('extra_hosts: ["a:1.2.3.4"]'),
    "flow with blanks": _hosts("extra_hosts: [ 'a:1.2.3.4' , b:1.2.3.5 ]  # two"),
    "flow with a last comma": _hosts("extra_hosts: ['a:1.2.3.4', ]"),
    "empty flow": _hosts("extra_hosts: []"),
    "flow on lines": _hosts("extra_hosts: [", "    'a:1.2.3.4', # one", "    'b:1.2.3.4' # two", "  ]"),
    "flow below its key": _hosts("extra_hosts:", "  [", "    'a:1.2.3.4',", "  ]"),
    "mapping": _hosts("extra_hosts:", ">a: 1.2.3.4"),
    "quoted mapping": _hosts("extra_hosts:", '>"a": "1.2.3.4" # x', ">'b': '::1'"),
    "mapping of lists": _hosts("extra_hosts:", ">a: [1.2.3.4, '::1']"),
    "mapping that merges": _hosts("extra_hosts:", "><<: *hosts", ">b: ::1", above=("x-hosts: &hosts {a: 1.2.3.4}",)),
    "flow mapping": _hosts("extra_hosts: {a: 1.2.3.4}"),
    "empty flow mapping": _hosts("extra_hosts: {}"),
    "alias": _hosts("extra_hosts: *hosts", above=("x-hosts: &hosts", "  - a:1.2.3.4")),
    "alias of a mapping": _hosts("extra_hosts: *hosts", above=("x-hosts: &hosts {a: 1.2.3.4}",)),
    "inherited": _hosts("<<: *known", above=_KNOWN, below=("other: {<<: *known}",), carried=("a", "1.2.3.4")),
    "inherited alone": _hosts("<<: *known", above=_KNOWN),
}
HOSTS_APART: dict[str, Form] = {
    "null": _hosts("extra_hosts:", null=("extra_hosts",)),
    "null with a comment": _hosts("extra_hosts: # none yet", null=("extra_hosts",)),
    "tilde": _hosts("extra_hosts: ~", null=("extra_hosts",)),
    "the word null": _hosts("extra_hosts: null # x", null=("extra_hosts",)),
    "there": _hosts("extra_hosts:", "=- %s:%s" % (HOST, ADDRESS), outcome=ALREADY),
    "there with equals": _hosts("extra_hosts: ['%s=%s']" % (HOST, ADDRESS), outcome=ALREADY),
    "there in capitals": _hosts("extra_hosts: ['%s:%s']" % (HOST.upper(), ADDRESS), outcome=ALREADY),
    "there in a mapping": _hosts("extra_hosts:", '>"%s": %s' % (HOST, ADDRESS), outcome=ALREADY),
    "there by an alias": _hosts(
        "extra_hosts: *hosts", above=("x-hosts: &hosts ['%s:%s']" % (HOST, ADDRESS),), outcome=ALREADY
    ),
    "there by a merge": _hosts(
        "<<: *known",
        above=("x-known: &known", "  extra_hosts: {%s: %s}" % (HOST, ADDRESS)),
        below=("other: {<<: *known}",),
        outcome=ALREADY,
    ),
    "another's address": _hosts("extra_hosts:", "=- %s=1.2.3.4" % HOST, outcome="ConflictError"),
    "another's address in a mapping": _hosts("extra_hosts: {%s: 1.2.3.4}" % HOST, outcome="ConflictError"),
    "shared list": _hosts(
        "extra_hosts: *hosts",
        above=("x-hosts: &hosts", "  - a:1.2.3.4"),
        below=("other:", "  extra_hosts: *hosts"),
        outcome="ConflictError",
    ),
    "anchor of another's": _hosts(
        "extra_hosts: &own", "=- a:1.2.3.4", below=("other:", "  extra_hosts: *own"), outcome="ConflictError"
    ),
    "reset": _hosts("extra_hosts: !reset null", outcome="StateError"),
    "text": _hosts("extra_hosts: a:1.2.3.4", outcome="StateError"),
    "twice": Form(("extra_hosts: [a]", "extra_hosts: [b]"), expected=dict.fromkeys(KEYS, "InputError")),
}
ENVIRONMENTS: dict[str, Form] = {
    "absent": Form(),
    "mapping": _variables("environment:", ">A: b # c", ">D: 'e'"),
    "values": _variables("environment:", ">A:", ">B: ~", ">C: yes", ">D: 0444"),
    "list": _variables("environment:", "=- A=b", "=# why", "=- C"),
    "texts": _variables("environment:", "=- 'A=é €'", '=- "B=\\u00e9 # no comment"', "=- C=${X:-a:b}"),
    "long": _variables("environment:", *(">KEY_%d: value %d" % (number, number) for number in range(30))),
    "flow mapping": _variables("environment: {A: b, 'C': \"d\"}"),
    "flow list": _variables("environment: [ 'A=b', C ]"),
    "empty": _variables("environment: {}"),
    "tagged": _variables("environment: !override", ">A: b"),
    "merges": _variables("environment:", "><<: *variables", ">C: d", above=("x-env: &variables {A: b}",)),
    "alias": _variables("environment: *variables", above=("x-env: &variables", "  A: b")),
    "inherited alone": _variables("<<: *held", above=_HELD),
}
ENVIRONMENTS_APART: dict[str, Form] = {
    "null": _variables("environment:", null=("environment",)),
    "there": _variables("environment:", ">%s: '%s'" % (VARIABLE, VALUE), outcome=ALREADY),
    "there in a list": _variables("environment:", '=- "%s=%s"' % (VARIABLE, VALUE), outcome=ALREADY),
    "shared": _variables(
        "environment: *variables",
        above=("x-env: &variables", "  A: b"),
        below=("second: {environment: *variables}",),
        outcome="ConflictError",
    ),
    "inherited": _variables("<<: *held", above=_HELD, below=("second: {<<: *held}",), outcome="ConflictError"),
}
_INNER = ("networks:", "  inner: {}", "")
NETWORKS: dict[str, Form] = {
    "absent": Form(),
    "short": Form(("networks:", "=- inner", "=- default"), _INNER),
    "flow": Form(("networks: [inner]",), _INNER),
    "nulls": Form(("networks:", ">inner:", ">default: # x"), _INNER),
    "long": Form(("networks:", ">inner:", ">  aliases: [a]", ">  ipv4_address: 10.0.0.2"), _INNER),
    "host": _mode("host", EDIT),
    "bridge": _mode("bridge", EDIT),
}
NETWORKS_APART = {
    "another's": _mode("service:db", "StateError"),
    "a container's": _mode('"container:db"', "StateError"),
    "none": _mode("none", "StateError"),
}
# What else the service says.
NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "ports": ("ports:", "=- 22:22", '=- "8080:80"'),
    "list of mappings": ("ports:", "=- target: 80", "=  published: 8080", "=-   target: 81"),
    "literal": ("command: |", "|  echo a", "", "|  echo b"),
    "literal that keeps": ("command: |+", "|  echo a", "|  ", ""),
    "literal with its indentation": ("command: |2-", "|    echo a", "|  echo b"),
    "folded": ("command: >-", "|  echo a", "| "),
    "text on lines": ("command: echo a", "|  b", "|  c", 'entrypoint: "a', '|  b"'),
    "tabs": ("dns:\t1.2.3.4\t# tab", "#\tcomment\twith tabs", "tty: true\t"),
    "trailing blanks": ("restart: always   ", "tty: yes "),
    "wide": ("labels:", ">note: " + "x" * 300),
    "numbers": ("user: 0444", "mem_limit: 1_000", "privileged: off"),
    "quoted keys": ('"dns": 1.2.3.4', "'hostname': h"),
    "flow": ("healthcheck: {test: [CMD, curl, '-f', \"http://x/#y\"], interval: 10s}",),
    "bracket below": ("volumes:", "  [", "    'a:/a',", "    'b:/b'", "  ]"),
    "tags": ("dns: !reset null", "ports: !override", '=- "1:1"'),
    "comments": ("# one", "expose: # two", "=# three", "=- 80 # four", "  # five"),
    "deep": ("build:", ">args:", ">>A: b", ">labels:", ">= - c", "deploy:", ">resources:", ">>limits: {cpus: '1'}"),
}
# Who else is there, and whether the service shares what is to change with him.
SHARING: dict[str, Form] = {
    "alone": Form(),
    "another": Form(below=("db:", "  image: y", "  ports:", "  - 22:22")),
    "several": Form(below=("db:", "  image: y", "", "", "cache: {}", "# last", "queue:", "  image: z")),
    "flow neighbour": Form(below=("db: {image: y, ports: ['22:22']}",)),
    "merges a field": Form(("<<: *base",), ("x-base: &base", "  restart: always"), ("db:", "  <<: *base")),
    "merges by the tag": Form(("!!merge <<: *base",), ("x-base: &base {restart: always}",), ("db: {<<: *base}",)),
    "merges two": Form(
        ("<<: [*one, *two]",),
        ("x-one: &one {restart: always}", "x-two: &two", "  tty: true", "  init: true"),
        ("db:", "  <<: [*two, *one]"),
    ),
    "merges twice": Form(("<<: *one", "<<: *two"), ("x-one: &one {tty: true}", "x-two: &two {init: true}")),
    "merges in a chain": Form(
        ("<<: *two",), ("x-one: &one", "  tty: true", "x-two: &two", "  <<: *one"), ("db: {<<: *two}",)
    ),
    "alias inside": Form(("cap_add: *list",), ("x-list: &list [a, b]",), ("db: {cap_add: *list}",)),
    "list under merge": Form(("<<: *list",), ("x-one: &one {tty: true}", "x-list: &list [*one]"), ("db: {<<: *list}",)),
    "extends": Form(("extends: base",), (), ("base:", "  image: z", "  ports: ['1:1']")),
    "extends in a mapping": Form(("extends:", ">service: base"), (), ("base: {image: z}", "db: {extends: base}")),
    "extends a file": Form(("extends: {file: other.yml, service: db}",), (), ("db: {image: y}",)),
}
SHARING_APART: dict[str, Form] = {
    "is merged": _shared((), ("db:", "  <<: *web", "  image: y")),
    "is an alias": _shared((), ("db: *web",)),
    "is extended": _shared((), ("db:", "  extends: web", "  image: y")),
    "is extended in a mapping": _shared((), ("db:", "  extends: {service: web}")),
    "is extended by who is extended": _shared((), ("db: {extends: cache}", "cache: {extends: web}")),
}
# Whole files, and what becomes of any edit.
SHAPES: dict[str, tuple[str, str]] = {
    "flow service": ("services:\n  web: {image: x} # y\n  db: {image: y}\n", EDIT),
    "flow service on lines": (
        "services:\n  web: {\n    image: x, # one\n    dns: [a,\n      b]\n  }\n  db: {}\n",
        EDIT,
    ),
    "flow with a last comma": ("services:\n  web: {\n    image: x,\n  }\n", EDIT),
    "flow services": ("services: {web: {image: x}, db: {image: y}}\n", EDIT),
    "one line of JSON": ('{"services": {"web": {"image": "x"}, "db": {"image": "y"}}}\n', EDIT),
    "JSON": ('{\n  "services": {\n    "web": {\n      "image": "x"\n    },\n    "db": {"image": "y"}\n  }\n}\n', EDIT),
    "JSON by tabs": ('{\n\t"services": {\n\t\t"web": {\n\t\t\t"image": "x"\n\t\t}\n\t}\n}\n', EDIT),
    "empty service": ("services:\n  web: {}\n  db: {}\n", EDIT),
    "question mark": ("services:\n  ? web\n  : image: x\n    tty: true\n", EDIT),
    "services that merge": ("x-more: &more\n  db: {image: y}\nservices:\n  <<: *more\n  web:\n    image: x\n", EDIT),
    "an end": ("services:\n  web:\n    image: x\n...\n", EDIT),
    "an end and a comment": ("services:\n  web:\n    image: x\n... # end\n# more\n", EDIT),
    "includes": ("include:\n  - other.yml\nservices:\n  web:\n    image: x\n", EDIT),
    "empty mappings": ("services:\n  web:\n    image: x\n    build: {}\n    ports: []\nvolumes: {}\n", EDIT),
    "blanks at the end": ("services:\n  web:\n    image: x\n  \n    \n", EDIT),
    "spaces at the end": ("services:\n  web:\n    image: x\n    dns: [1.2.3.4]\n    ", EDIT),
    "tagged service": ("services:\n  web: !override\n    image: x\n", EDIT),
    "anchored service": ("services:\n  web: &web # mine\n    image: x\n", EDIT),
    "quoted services": ('"services":\n  "web":\n    "image": "x"\n', EDIT),
    "deep comments": ("services:\n  web:\n    image: x\n      # deep\n    # same\n  # low\n# none\n  db: {}\n", EDIT),
    "null service": ("services:\n  web:\n  db: {image: y}\n", "null"),
    "null service at the end": ("services:\n  db: {image: y}\n  web: # mine\n", "null"),
    "the word null": ("services:\n  web: ~ # mine\n  db: {image: y}\n", "null"),
    "two documents": ("services:\n  web: {}\n---\nservices:\n  web: {}\n", "InputError"),
    "template": ("services:\n{% if x %}\n  web:\n{% endif %}\n", "InputError"),
    "template of a value": ("services:\n  web:\n    image: {{ image }}:{{ tag }}\n", "InputError"),
    "no YAML": ("services:\n  web:\n    image: [\n", "InputError"),
    "tabs before keys": ("services:\n  web:\n\timage: x\n", "InputError"),
    "unknown alias": ("services:\n  web: *nowhere\n", "InputError"),
    "service twice": ("services:\n  web:\n    image: x\n  web:\n    image: y\n", "InputError"),
    "services twice": ("services:\n  web: {}\nservices:\n  db: {}\n", "InputError"),
    "no services": ("volumes: {}\n", "InputError"),
    "services by an alias": ("x-all: &all {web: {image: x}}\nservices: *all\n", "InputError"),
    "a list": ("- web\n- db\n", "InputError"),
    "nothing": ("", "InputError"),
    "only comments": ("# nothing\n", "InputError"),
    "another service": ("services:\n  wep: {}\n", "InputError"),
    "a service by a merge": ("x-more: &more {web: {image: x}}\nservices:\n  <<: *more\n  db: {}\n", "InputError"),
    "text for a service": ("services:\n  web: nginx\n", "StateError"),
    "list for a service": ("services:\n  web: [image, x]\n", "StateError"),
}
NEWLINES = {"lf": "\n", "crlf": "\r\n", "mixed": ""}
HEADS = {
    "nothing": (),
    "comment": ("# the stack", ""),
    "marker": ("---",),
    "marker with a comment": ("--- # the stack",),
    "directive": ("%YAML 1.1", "---"),
    "version": ('version: "3.8"', ""),
}
TAILS = {
    "nothing": (),
    "comment": ("# the end",),
    "volumes": ("", "volumes:", "  a: {}"),
    "blanks": ("", ""),
    "field": ("x-last: {a: b}",),
    "end": ("...",),
}
_FILE: dict[str, list[Any]] = {"newline": list(NEWLINES), "final": [True, False], "bom": [False, True]}
TRAITS: dict[str, list[Any]] = {
    "hosts": list(HOSTS),
    "environment": list(ENVIRONMENTS),
    "networks": list(NETWORKS),
    "neighbour": list(NEIGHBOURS),
    "sharing": list(SHARING),
    "last": list(range(4)),
    "key": ["web:", '"web":', "'web':", "web: # mine", "web:  "],
    "comments": ["none", "same", "deep", "low", "everywhere"],
    "indent": [1, 2, 3, 4],
    "others": [1, 2, 4],
    "offset": [0, 1, 2, 3, 4, 7],
    "beside": ["same", 0, 2, 5],
    "head": list(HEADS),
    "tail": list(TAILS),
    "blank": [False, True],
    **_FILE,
}
APART: dict[str, dict[str, Form]] = {
    "hosts": HOSTS_APART,
    "environment": ENVIRONMENTS_APART,
    "networks": NETWORKS_APART,
    "sharing": SHARING_APART,
}


@dataclass(frozen=True)
class Case:
    """One file.

    Arguments:
        name: its traits. service: the one that is asked for.
        expected: by key: ``edit``, ``already``, or the name of the error that refuses the edit.
        carried: words that a new ``extra_hosts`` has to repeat.
        null: the keys that can't be given back, for they were a null or those of one: Compose refuses such a file.
    """

    name: str
    data: bytes
    service: str
    expected: dict[str, str]
    carried: tuple[str, ...] = ()
    null: tuple[str, ...] = ()

    def form_of(self, key: str) -> str:
        """Return how a key is written, or the whole file where it has a shape of its own."""
        traits = self.name.split(" / ")
        return traits[KEYS.index(key)] if len(traits) == len(TRAITS) else traits[0]

    def is_for_all(self, key: str) -> bool:
        """Return whether an edit of all services at once is to come about: nobody who shares is left out then."""
        if self.merges_services or (key == "networks" and b"extends:" in self.data):
            # Not all services stand in the file; whom a service extends would bring it on to `default` too.
            return False
        if "services that merge" in self.name:
            # Those that come by the merge can't be edited in their place, and "all" would not be all.
            return False
        return self.expected[key] in (EDIT, "ConflictError") and not self.null and "another's address" not in self.name

    @property
    def merges_services(self) -> bool:
        """Whether some services come from elsewhere, so that nobody can ask for all of them."""
        return self.name.startswith("services that merge")


def cases(least: int = 1200) -> list[Case]:
    """Return the files: at least so many that can be edited, in which every two traits' values meet, and the others."""
    source = random.Random(SEED)
    found = [build(**traits) for traits in _covering(TRAITS, source, least)]
    for trait, forms in APART.items():
        for name in forms:
            found += [build(**{**_some(TRAITS, source), trait: name}) for _turn in range(8)]
    heads = [head for head in HEADS if head != "version"]
    found += [_whole(**traits) for traits in _covering({"shape": list(SHAPES), "head": heads, **_FILE}, source)]
    return found


def _some(traits: dict[str, list[Any]], source: random.Random) -> dict[str, Any]:
    return {trait: source.choice(values) for trait, values in traits.items()}


def _covering(traits: dict[str, list[Any]], source: random.Random, least: int = 0) -> list[dict[str, Any]]:
    def pairs(chosen: dict[str, Any]) -> set[tuple[str, Any, str, Any]]:
        return {(one, chosen[one], other, chosen[other]) for one, other in itertools.combinations(traits, 2)}

    # A dict and no set: its order is the same in every run.
    missing = {
        (one, first, other, second): None
        for one, other in itertools.combinations(traits, 2)
        for first in traits[one]
        for second in traits[other]
    }
    found: list[dict[str, Any]] = []
    while missing or len(found) < least:
        chosen = _some(traits, source)
        if missing:
            # One pair that hasn't met yet does so in each candidate; the one in which most others meet is taken.
            one, first, other, second = next(iter(missing))
            candidates = [{**_some(traits, source), one: first, other: second} for _turn in range(6)]
            chosen = max(candidates, key=lambda candidate: len(pairs(candidate) & missing.keys()))
        for pair in pairs(chosen):
            missing.pop(pair, None)
        found.append(chosen)
    return found


def _lines(text: tuple[str, ...], indent: int, offset: int) -> list[str]:
    """Return a service's lines with the indentation of its lists and mappings, without the service's own."""
    lines = []
    for line in text:
        depth = len(line) - len(line.lstrip(">"))
        line = line[depth:]
        if line.startswith("="):
            line = " " * offset + line[1:]
        lines.append(" " * indent * depth + line)
    return lines


def build(
    *,
    hosts: str,
    environment: str,
    networks: str,
    neighbour: str,
    sharing: str,
    last: int,
    key: str,
    comments: str,
    indent: int,
    others: int,
    offset: int,
    beside: Any,
    head: str,
    tail: str,
    blank: bool,
    newline: str,
    final: bool,
    bom: bool,
) -> Case:
    """Return the file with these traits."""
    forms = [
        {**HOSTS, **HOSTS_APART}[hosts],
        {**ENVIRONMENTS, **ENVIRONMENTS_APART}[environment],
        {**NETWORKS, **NETWORKS_APART}[networks],
        {**SHARING, **SHARING_APART}[sharing],
    ]
    shared = forms[3]
    anchored = any("*web" in line for line in shared.below)
    # One of the four parts is the service's last one; what it merges or extends stands first.
    parts = [_lines(forms[0].inside, indent, offset)]
    apart = offset if beside == "same" else beside
    parts += [_lines(text, indent, apart) for text in (forms[1].inside, forms[2].inside, NEIGHBOURS[neighbour])]
    parts = parts[last + 1 :] + parts[: last + 1]
    inside = ["image: x", *_lines(shared.inside, indent, offset), *itertools.chain(*parts)]
    above, below = [line for form in forms for line in form.above], [line for form in forms for line in form.below]
    step = " " * indent
    lines = [*HEADS[head], *above, "services:", step + (key.replace(":", ": &web", 1) if anchored else key)]
    for line in inside:
        text = line.lstrip("|")
        text = 2 * step + text if text.strip() else text
        if comments == "everywhere" and line.strip() and not line.startswith("|"):
            lines.append(text[: len(text) - len(text.lstrip(" "))] + "# above " + line.strip()[:1])
        lines.append(text)
    if comments in ("same", "deep", "low"):
        lines.append({"same": 2 * step, "deep": 2 * step + "  ", "low": step}[comments] + "# comment")
    for line in ([""] if blank and below else []) + below:
        # Another service's indentation needn't be this one's.
        depth = len(line) - len(line.lstrip(" "))
        lines.append(step + " " * (depth // 2 * others) + line.lstrip(" ") if line else line)
    lines += TAILS[tail]
    expected = {one: _expected(one, forms) for one in KEYS}
    name = " / ".join(
        str(trait)
        for trait in (hosts, environment, networks, neighbour, sharing, last, key, comments, indent, others, offset)
        + (beside, head, tail, blank, newline, final, bom)
    )
    null = tuple(one for form in forms for one in form.null)
    return Case(name, _encoded(lines, newline, final, bom), SERVICE, expected, forms[0].carried, null)


def _expected(key: str, forms: list[Form]) -> str:
    """Return what becomes of an edit: what is no proper file is seen first, then what needs no edit."""
    found = [form.expected.get(key, EDIT) for form in forms]
    for outcome in ("InputError", "StateError", ALREADY, "ConflictError"):
        if outcome in found:
            return outcome
    return EDIT


def _whole(*, shape: str, head: str, newline: str, final: bool, bom: bool) -> Case:
    text, outcome = SHAPES[shape]
    null = KEYS if outcome == "null" else ()
    lines = [*HEADS[head], *text.split("\n")[:-1]]
    if not text.endswith("\n"):
        # What it ends with is no whole line.
        lines, final = [*HEADS[head], *text.split("\n")], False
    expected = dict.fromkeys(KEYS, EDIT if null else outcome)
    name = " / ".join(str(trait) for trait in (shape, head, newline, final, bom))
    return Case(name, _encoded(lines, newline, final, bom), SERVICE, expected, (), null)


def _encoded(lines: list[str], newline: str, final: bool, bom: bool) -> bytes:
    ends = ["\n", "\r\n"] if newline == "mixed" else [NEWLINES[newline]]
    text = "".join(line + end for line, end in zip(lines, itertools.cycle(ends)))
    if not final:
        text = re.sub(r"\r?\n$", "", text)
    return (b"\xef\xbb\xbf" if bom else b"") + text.encode()


# Lines that turn up in files which several people edited, and what turns up at a line's end.
_JUNK = [b"# c", b"        # deep", b"  # two", b"", b"   ", b"\t", b"    # four", b"#no"]
_ENDS = [b" ", b"  # t", b" # x: y", b"\t# t", b"\t"]


def mangled(count: int, seed: int = SEED) -> Iterator[bytes]:
    """Return so many files of the corpus with a few lines put in, changed, moved or lost, all of them readable yet."""
    source = random.Random(seed)
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
        # What Compose itself refuses is no case: a service that is nothing, a file that ends in half a line end.
        if not data.endswith(b"\r") and _is_readable(data):
            made += 1
            yield data


def _is_readable(data: bytes) -> bool:
    try:
        services = meaning(data)
        for key in KEYS:
            for service in services.values():
                entries(service, key)
        return SERVICE in services and all(isinstance(service, dict) for service in written(data)["services"].values())
    except (yaml.YAMLError, TypeError, ValueError, LookupError, AttributeError, RecursionError):
        return False


# The judge.


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's reader of values, which knows Compose's tags; libyaml reads tabs as Compose does."""


class _PureLoader(yaml.SafeLoader):
    """The same on PyYAML's own parser, which has no code in common with libyaml."""


def _tagged(loader: Any, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None


for _loader in (_Loader, _PureLoader):
    _loader.add_multi_constructor("!", _tagged)


def written(data: bytes, pure: bool = False) -> dict[str, Any]:
    """Return a file as PyYAML reads it, merges followed; fields that mean nothing by themselves are left out."""
    values = yaml.load(data.decode("utf-8-sig"), Loader=_PureLoader if pure else _Loader)  # noqa: S506
    return {key: value for key, value in values.items() if not str(key).startswith("x-")}


def meaning(data: bytes, pure: bool = False) -> dict[str, Any]:
    """Return what each service is, merges and ``extends`` followed; read by PyYAML alone."""
    services = written(data, pure)["services"]
    return {name: _extended(services, name) for name in services}


def _extended(services: dict[str, Any], name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    own = dict(services[name] or {})
    base = own.get("extends")
    base = base.get("service") if isinstance(base, dict) and "file" not in base else base
    if not isinstance(base, str) or base not in services or base in seen:
        return own
    inherited = _extended(services, base, (*seen, name))
    both = {**inherited, **own}
    for key in KEYS:
        if key in inherited and key in own:
            both[key] = [*entries(inherited, key), *entries(own, key)]
    return both


def entries(service: dict[str, Any], key: str) -> list[str]:
    """Return what a service says under a key, each entry as one text: ``host:address``, ``name=value``, a network."""
    value = service.get(key) or []
    if key == "networks":
        return [str(name) for name in value]
    if isinstance(value, dict):
        mark = ":" if key == "extra_hosts" else "="
        pairs = [(name, one) for name, held in value.items() for one in (held if isinstance(held, list) else [held])]
        return [str(name) if one is None else "%s%s%s" % (name, mark, one) for name, one in pairs]
    texts = [str(text) for text in value]
    if key == "environment":
        return texts
    return [text.replace("=", ":", 1) if "=" in text.partition(":")[0] else text for text in texts]


def is_null(data: bytes, service: str, key: str) -> bool:
    """Return whether a key, or a service with it, is there as a null."""
    held = written(data)["services"][service]
    return held is None or (key in held and held[key] is None)


WANTED = {
    "extra_hosts": ["%s:%s" % (HOST, ADDRESS)],
    "environment": ["%s=%s" % (VARIABLE, VALUE)],
    "networks": [NETWORK],
}
_WORD = re.compile(rb"[\w$][\w.$-]*")


def lost_or_strange(before: bytes, after: bytes, words: tuple[str, ...]) -> str:
    """Return what an edit did to the bytes beside putting an entry in, or nothing.

    Arguments:
        words: those that the entry may bring; beside them it has marks, blanks and line ends.
    """
    rest = iter(after)
    if not all(byte in rest for byte in before):
        return "bytes are gone"
    old, new = Counter(_WORD.findall(before)), Counter(_WORD.findall(after))
    strange = sorted(set(new - old) - {word.encode() for word in words})
    if strange or old - new:
        return "other words came: %r" % (strange or list(old - new))
    if (b"\r\n" not in before and b"\r" in after) or (before.count(b"\n") == before.count(b"\r\n") > 0 < _bare(after)):
        return "a line end of another kind came"
    if len(re.findall(rb"[ \t]\r?$", after, re.M)) > len(re.findall(rb"[ \t]\r?$", before, re.M)):
        return "blanks came at a line's end"
    return ""


def _bare(data: bytes) -> int:
    return data.count(b"\n") - data.count(b"\r\n")


def words_of(key: str, carried: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the words that an edit of a key may bring."""
    return {
        "extra_hosts": ("extra_hosts", HOST, ADDRESS, *carried),
        "environment": ("environment", VARIABLE, "a", "b", "c"),
        "networks": ("networks", NETWORK, "default", "external", "true", "null", "inner"),
    }[key]


def wrong_meaning(before: bytes, after: bytes, services: list[str], key: str, pure: bool = False) -> str:
    """Return what an edit did to what a file means beside giving these services an entry, or nothing."""
    if _others(before, key, pure) != _others(after, key, pure):
        return "the file beside its services"
    old, new = meaning(before, pure), meaning(after, pure)
    if list(old) != list(new):
        return "the services' names"
    for name in old:
        if name not in services:
            if old[name] != new[name]:
                return "leak: %s" % name
            continue
        if {one: value for one, value in old[name].items() if one != key} != {
            one: value for one, value in new[name].items() if one != key
        }:
            return "another key of %s" % name
        came = Counter(entries(new[name], key)) - Counter(entries(old[name], key))
        went = Counter(entries(old[name], key)) - Counter(entries(new[name], key))
        wanted = set(WANTED[key]) - set(entries(old[name], key))
        if key == "networks" and not old[name].get(key):
            wanted.add("default")
        if set(came) != wanted or went:
            return "%s of %s: %s came, %s went" % (key, name, sorted(came), sorted(went))
    return ""


def _others(data: bytes, key: str, pure: bool) -> dict[str, Any]:
    """Return what stands beside the services; an edit of networks may declare its own."""
    values = {one: value for one, value in written(data, pure).items() if one != "services"}
    if key == "networks":
        declared = {name: value for name, value in (values.pop(key, None) or {}).items() if name != NETWORK}
        return {**values, **({key: declared} if declared else {})}
    return values


def large(lines: int, services: int = 0) -> bytes:
    """Return a plain stack of about so many lines, or of so many services."""
    text = ["# stack", "services:"]
    number = 0
    while number < services if services else len(text) < lines - 16:
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
