# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module, role and playbook has what a user and the next author need, and a test that names it."""

import ast
import importlib
import pathlib
import re
from typing import Any, Dict, List

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))

# This file names them all, and tests none of them.
TEST_FOLDERS = ("tests/unit", "tests/system", "molecule")

# What a module and a role must promise.
ATTRIBUTES = ("check_mode", "diff_mode", "idempotent")
FRAGMENT_PREFIX = "bulkhead.stack."


def constants(module: str) -> Dict[str, str]:
    """Return the texts that a module assigns at its top."""
    tree = ast.parse((ROOT / "plugins" / "modules" / (module + ".py")).read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = node.value.value
    return found


def attributes(documentation: Dict[str, Any]) -> Dict[str, Any]:
    """Return a module's attributes, with those of this collection's fragments beneath its own."""
    found: Dict[str, Any] = {}
    for name in documentation.get("extends_documentation_fragment", []):
        if name.startswith(FRAGMENT_PREFIX):
            file, _dot, part = name[len(FRAGMENT_PREFIX) :].partition(".")
            plugin = importlib.import_module("ansible_collections.bulkhead.stack.plugins.doc_fragments." + file)
            text = getattr(plugin.ModuleDocFragment, (part or "documentation").upper())
            for attribute, promise in yaml.safe_load(text).get("attributes", {}).items():
                found.setdefault(attribute, {}).update(promise)
    for attribute, promise in documentation.get("attributes", {}).items():
        found.setdefault(attribute, {}).update(promise)
    return found


def assert_promises(promised: Dict[str, Any]) -> None:
    """Hold the attributes complete, with the reason of each that isn't kept in full."""
    assert set(ATTRIBUTES) <= set(promised)
    for name in ATTRIBUTES:
        support = promised[name]["support"]
        assert support in ("full", "partial", "none", "N/A"), name
        assert support == "full" or promised[name].get("details"), "%s: %s without a reason" % (name, support)


def load(path: pathlib.Path) -> Any:
    """Return a YAML file's content."""
    with open(path) as stream:
        return yaml.safe_load(stream)


def naming_tests(pattern: str) -> List[str]:
    """Return the tests and scenarios in which a name stands as a word."""
    word = re.compile(r"\b(?:%s)\b" % pattern)
    found = []
    for folder in TEST_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".yml", ".yaml", ".j2") and path != pathlib.Path(__file__).resolve():
                if word.search(path.read_text()):
                    found.append(str(path.relative_to(ROOT)))
    return found


def test_there_is_something_to_look_at() -> None:
    assert MODULES
    assert ROLES
    assert PLAYBOOKS


@pytest.mark.parametrize("module", MODULES)
def test_module_is_documented(module: str) -> None:
    texts = constants(module)
    documentation = yaml.safe_load(texts["DOCUMENTATION"])
    assert documentation["module"] == module
    assert_promises(attributes(documentation))
    examples = yaml.safe_load(texts["EXAMPLES"])
    assert any("bulkhead.stack.%s" % module in task for task in examples)
    assert yaml.safe_load(texts["RETURN"])


@pytest.mark.parametrize("module", MODULES)
def test_module_has_a_test(module: str) -> None:
    assert naming_tests(module), "no unit test, system test or scenario names %s" % module


def test_action_group_lists_every_module() -> None:
    assert load(ROOT / "meta" / "runtime.yml")["action_groups"]["all"] == MODULES


@pytest.mark.parametrize("role", ROLES)
def test_role_is_described(role: str) -> None:
    folder = ROOT / "roles" / role
    assert (folder / "README.md").is_file(), "%s has no README.md" % role
    specs = load(folder / "meta" / "argument_specs.yml")["argument_specs"]
    assert "main" in specs
    for entry_point, spec in specs.items():
        assert spec.get("short_description"), "%s, %s: no short_description" % (role, entry_point)
        assert_promises(spec.get("attributes", {}))


@pytest.mark.parametrize("role", ROLES)
def test_role_defaults_are_those_of_its_specs(role: str) -> None:
    folder = ROOT / "roles" / role
    specs = load(folder / "meta" / "argument_specs.yml")["argument_specs"]
    documented: Dict[str, Any] = {}
    for spec in specs.values():
        for name, option in spec.get("options", {}).items():
            if "default" in option:
                # Two entry points may share an option; they can't differ on it.
                assert documented.setdefault(name, option["default"]) == option["default"], name
    defaults: Dict[str, Any] = {}
    for path in sorted((folder / "defaults").rglob("*.yml")):
        defaults.update(load(path) or {})
    assert defaults == documented


@pytest.mark.parametrize("role", ROLES)
def test_role_options_have_a_prefix(role: str) -> None:
    names = set()
    for spec in load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"].values():
        names |= set(spec.get("options", {}))
    for path in (ROOT / "roles" / role / "defaults").rglob("*.yml"):
        names |= set(load(path) or {})
    # Of the collection, for what several roles share; of the role, for its own.
    assert sorted(name for name in names if not name.startswith(("bulkhead_", role + "_"))) == []


@pytest.mark.parametrize("role", ROLES)
def test_role_has_a_test(role: str) -> None:
    playbooks = [path.stem for path in PLAYBOOKS if re.search(r"\bbulkhead\.stack\.%s\b" % role, path.read_text())]
    # By its full name, or by its file's.
    ways = [r"bulkhead\.stack\.%s" % role, *(r"(?:bulkhead\.stack\.|playbooks/)%s" % name for name in playbooks)]
    named = naming_tests("|".join(ways))
    assert named, "no scenario or test names the role %s, or a playbook that uses it" % role


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_playbook_holds_no_logic(path: pathlib.Path) -> None:
    plays = load(path)
    assert isinstance(plays, list)
    assert plays
    for play in plays:
        assert play.get("name"), "a play without a name"
        assert "ansible.builtin.import_playbook" in play or "hosts" in play
        assert not {"tasks", "pre_tasks", "post_tasks", "handlers", "vars"} & set(play), "logic belongs into a role"
