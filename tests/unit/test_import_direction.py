# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One direction: modules and filters know domains, domains know ``_core``, and only ``_adapters`` the outside."""

import ast
import pathlib
import sys
from typing import Iterator, List, Set, Tuple

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULE_UTILS = ROOT / "plugins" / "module_utils"
COLLECTION = ("ansible_collections", "bulkhead", "stack", "plugins", "module_utils")

# Not a domain: everyone's, and the one that touches the outside.
CORE, ADAPTERS = "_core", "_adapters"

# One domain may know another only where that is listed here, with the reason.
ALLOWED = {
    # What isolation has begun is written down as it goes, so that it can be undone.
    ("_isolation", "_journal"),
    # What is restored is a copy: its manifest says what the database must hold, and how that is read.
    ("_restore", "_dumps"),
    # A recovery begins with a copy; what else it needs stands in compose files and their env files.
    ("_recovery", "_dumps"),
    ("_recovery", "_compose"),
    # Half of the metrics are of copies.
    ("_metrics", "_dumps"),
    # Copies and drills are what the audit measures objectives against; secrets stand in compose files.
    ("_audit", "_dumps"),
    ("_audit", "_compose"),
    # Releases, their holes and their ends are what the room of versions knows.
    ("_audit", "_versions"),
    # A move compares what it moved as a drill does.
    ("_versions", "_restore"),
    ("_versions", "_dumps"),
    # Rows are hashed, and verifiers made, as isolation does; what a move makes is written down as it goes.
    ("_versions", "_isolation"),
    ("_versions", "_journal"),
    # What documents say of a restore is what the runbook says.
    ("_documents", "_recovery"),
    # Which majors of PostgreSQL there are is known to the room of versions.
    ("_platform", "_versions"),
    # A decision is told on a page of Markdown, which is made of what the runbook is made of.
    ("_versions", "_recovery"),
    # What a description accepts is a finding of the audit's.
    ("_platform", "_audit"),
    # An instance of PostgREST is a service of a compose file: its settings stand there.
    ("_postgrest", "_compose"),
}

# Beside the standard library: reading YAML changes nothing outside.
ALLOWED_LIBRARIES = {"yaml"}

# Parts of the standard library that reach files, programs, sockets or the surroundings.
OUTSIDE = {
    "asyncio",
    "fcntl",
    "ftplib",
    "getpass",
    "glob",
    "grp",
    "http",
    "io",
    "multiprocessing",
    "os",
    "pathlib",
    "platform",
    "pty",
    "pwd",
    "select",
    "shutil",
    "signal",
    "smtplib",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
}
# Names that open a file, or import by a name that this test can't see.
OUTSIDE_CALLS = {"open", "__import__", "exec", "eval", "compile", "input"}
# Of ansible.module_utils only these, which are functions and constants.
ALLOWED_ANSIBLE = ("ansible.module_utils.common.text", "ansible.module_utils.parsing")


def rooms() -> List[str]:
    """Return the rooms of module_utils."""
    return sorted(path.name for path in MODULE_UTILS.iterdir() if path.is_dir() and path.name != "__pycache__")


def domains() -> List[str]:
    """Return the rooms that are domains."""
    return [room for room in rooms() if room not in (CORE, ADAPTERS)]


def imports(path: pathlib.Path) -> Iterator[Tuple[int, Tuple[str, ...]]]:
    """Yield the line and the full name of each import of a file, wherever in the file it stands."""
    package = COLLECTION + path.relative_to(MODULE_UTILS).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            named = base + (tuple(node.module.split(".")) if node.module else ())
            for alias in node.names:
                # `from ... import _adapters` names a room as well.
                yield node.lineno, (*named, alias.name)


def objection(room: str, name: Tuple[str, ...]) -> str:
    """Return why a file of a room must not import a name; an empty text where it may."""
    if name[: len(COLLECTION)] == COLLECTION:
        target = name[len(COLLECTION)] if len(name) > len(COLLECTION) else ""
        if target in (room, CORE) or (room, target) in ALLOWED:
            return ""
        return "%s must not know %s" % (room, target or "module_utils as a whole")
    if name[0] == "ansible_collections":
        return "%s must not know %s" % (room, ".".join(name[:4]))
    if name[0] == "ansible":
        return "" if ".".join(name).startswith(ALLOWED_ANSIBLE) else "%s belongs into a module" % ".".join(name)
    if name[0] in OUTSIDE or name[:2] == ("urllib", "request"):
        return "%s touches the outside: an adapter's work" % name[0]
    if name[0] in sys.stdlib_module_names or name[0] in ALLOWED_LIBRARIES:
        return ""
    return "%s is not of the standard library" % name[0]


def objections(room: str) -> List[str]:
    """Return each mistake of a room's files with its place."""
    found: Set[str] = set()
    for path in sorted((MODULE_UTILS / room).rglob("*.py")):
        place = path.relative_to(ROOT)
        for line, name in imports(path):
            reason = objection(room, name)
            if reason:
                found.add("%s:%d: %s" % (place, line, reason))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OUTSIDE_CALLS:
                found.add("%s:%d: %s() touches the outside" % (place, node.lineno, node.func.id))
    return sorted(found)


@pytest.mark.parametrize("room", [CORE, *domains()])
def test_room_knows_only_what_it_may(room: str) -> None:
    assert objections(room) == []


def test_adapters_know_domains_but_no_module() -> None:
    found = []
    for path in sorted((MODULE_UTILS / ADAPTERS).rglob("*.py")):
        for line, name in imports(path):
            other_plugin = name[:4] == COLLECTION[:4] and name[: len(COLLECTION)] != COLLECTION
            if name[-1] == "AnsibleModule" or other_plugin:
                found.append("%s:%d: %s" % (path.relative_to(ROOT), line, ".".join(name)))
    assert found == []


def test_every_file_is_in_a_room() -> None:
    assert [path.name for path in MODULE_UTILS.glob("*.py") if path.name != "__init__.py"] == []
    assert {CORE, ADAPTERS} < set(rooms())


def test_every_exception_is_needed() -> None:
    used = {
        (room, name[len(COLLECTION)])
        for room in domains()
        for path in (MODULE_UTILS / room).rglob("*.py")
        for _line, name in imports(path)
        if name[: len(COLLECTION)] == COLLECTION and len(name) > len(COLLECTION)
    }
    assert used >= ALLOWED


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("from .._adapters.docker import Docker", "must not know _adapters"),
        ("from .. import _adapters", "must not know _adapters"),
        ("from ..._other import thing", "must not know"),
        ("from .._dumps.due import decide_due", "must not know _dumps"),
        ("def late():\n    import os.path", "os touches the outside"),
        ("try:\n    import psycopg2\nexcept ImportError:\n    pass", "psycopg2 is not of the standard library"),
        ("from urllib.request import urlopen", "urllib touches the outside"),
        ("import requests", "requests is not of the standard library"),
        ("from ansible.module_utils.basic import AnsibleModule", "belongs into a module"),
        (
            "from ansible_collections.bulkhead.stack.plugins.module_utils._adapters import files",
            "must not know _adapters",
        ),
        ("from ansible_collections.community.docker.plugins.module_utils import version", "must not know"),
        ("import re\nimport yaml\nfrom .._core.errors import InputError\nfrom .model import Model", ""),
    ],
)
def test_the_walk_sees_a_wrong_import(
    source: str, reason: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "_compose"
    room.mkdir()
    (room / "file.py").write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "MODULE_UTILS", tmp_path)
    found = [objection("_compose", name) for _line, name in imports(room / "file.py")]
    assert (reason in "".join(found)) if reason else not any(found)
