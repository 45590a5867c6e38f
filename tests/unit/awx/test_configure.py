# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No AWX is at hand: each task of awx/configure.yml is held to the argument spec of its module."""

import json
import pathlib
import subprocess
from typing import Any, Dict, List

import pytest
import yaml

AWX = pathlib.Path(__file__).resolve().parents[3] / "awx"
TASKS: List[Dict[str, Any]] = yaml.safe_load((AWX / "configure.yml").read_text())[0]["tasks"]
MODULES = sorted({key for task in TASKS for key in task if key.startswith("awx.awx.")})
TYPES = {"str": str, "bool": bool, "int": int, "list": list, "dict": dict}


@pytest.fixture(scope="module")
def specs() -> Dict[str, Dict[str, Any]]:
    """Return the documented options of the modules, which awx.awx's own tests hold to their argument specs."""
    argv = ["ansible-doc", "--json", "--type", "module", *MODULES]
    shown = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)
    return {name: shown[name]["doc"]["options"] for name in MODULES}


@pytest.mark.parametrize("task", TASKS, ids=[task["name"] for task in TASKS])
def test_a_task_fits_its_module(task: Dict[str, Any], specs: Dict[str, Dict[str, Any]]) -> None:
    (module,) = [key for key in task if key != "name"]
    options = specs[module]
    for name, value in task[module].items():
        assert name in options, "%s has no option %s" % (module, name)
        if "{{" in str(value):
            continue
        assert isinstance(value, TYPES[options[name].get("type", "str")]), name
        if options[name].get("choices"):
            assert value in options[name]["choices"], name
    for name, option in options.items():
        assert name in task[module] or not option.get("required"), "%s needs %s" % (module, name)


@pytest.mark.parametrize(("playbook", "role"), [("backup.yml", "backup"), ("drop.yml", "database_drop")])
def test_a_survey_asks_for_variables_of_the_role(playbook: str, role: str) -> None:
    templates = [task["awx.awx.job_template"] for task in TASKS if "awx.awx.job_template" in task]
    (template,) = [template for template in templates if template["playbook"] == playbook]
    specs = yaml.safe_load((AWX.parent / "roles" / role / "meta" / "argument_specs.yml").read_text())
    known = specs["argument_specs"]["main"]["options"]
    questions = template["survey_spec"]["spec"]
    asked = {question["variable"] for question in questions}
    assert asked and asked <= set(known)
    assert {name for name, option in known.items() if option.get("required")} <= asked
    for question in questions:
        assert question.get("choices") == known[question["variable"]].get("choices")
    assert (AWX / "project" / playbook).is_file()
