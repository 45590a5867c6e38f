# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook is read off the description alone: every database, in the order in which it is brought back."""

import copy
import pathlib
import re
import shlex
from typing import Any, Dict, List

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._platform.recovery import project_recovery
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.markdown import code, plain, table
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.plays import play
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.runbook import runbook

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROFILES: Dict[str, Any] = {
    path.stem: yaml.safe_load(path.read_text())[path.stem]
    for path in (ROOT / "roles" / "platform" / "vars" / "profiles").glob("*.yml")
}
DESCRIPTION: Dict[str, Any] = {
    "clusters": {
        "main": {"container": "db", "superuser": "supabase_admin", "password": "hunter2"},
        "far": {"host": "db.example", "port": 5433},
    },
    "databases": {
        "odd": {"cluster": "far", "name": 'it\'s "odd"', "criticality": "low", "backup": {"schedule": "@daily"}},
        "n8n_db": {"cluster": "main", "rto": "10m", "backup": {"schedule": "@daily", "encrypt_to": ["age1x"]}},
        "erp": {
            "cluster": "main",
            "criticality": "critical",
            "backup": {"schedule": "@daily", "globals": False},
            "recovery": {"probe": "SELECT true;", "volumes": ["store/"], "needs": [{"file": "key.pem"}]},
        },
        "bare": {"cluster": "main"},
    },
    "services": {
        "n8n": {"profile": "n8n", "compose_file": "/srv/n8n/compose.yml", "database": "n8n_db"},
        "erp": {"compose_file": "/srv/erp/compose.yml", "database": "erp"},
    },
    "contacts": [{"name": "Ada <script>|", "phone": "+49 30 1"}, {"name": "Ben", "note": "next door"}],
}


def wanted(description: Any = None) -> Dict[str, Any]:
    """Return the projection of a description."""
    return project_recovery(validate(copy.deepcopy(description or DESCRIPTION), PROFILES))


@pytest.fixture(scope="module")
def text() -> str:
    return runbook(wanted(), "my-host", "/srv/my inventories/mine")


def blocks(markdown: str) -> Dict[str, str]:
    """Return the blocks of commands by name."""
    return dict(re.findall(r"^<!-- command: (.+?) -->\n```sh\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL))


def test_sections_come_in_their_order(text: str) -> None:
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 1. Stop and look",
        "## 2. Which case is it?",
        "## 3. Commands",
        "## 4. Verify",
        "## 5. Roll back",
        "## 6. Whom to call",
        "## 7. Afterwards",
    ]


def test_the_most_critical_comes_first(text: str) -> None:
    assert [item["key"] for item in wanted()["databases"]] == ["erp", "n8n_db", "bare", "odd"]
    assert text.index("#### erp") < text.index("#### n8n_db") < text.index("#### odd")


def test_nothing_in_it_is_secret_dated_or_active(text: str) -> None:
    assert "hunter2" not in text + repr(wanted())
    # The only date is the example of a copy's name.
    assert set(re.findall(r"\b20\d\d-?\d\d-?\d\d", text)) <= {"20261124"}
    assert "<script>" not in text
    assert "Ada \\<script\\>\\|" in text


def test_what_each_database_needs(text: str) -> None:
    n8n = text.partition("#### n8n_db")[2].partition("####")[0]
    assert "- [ ] `N8N_ENCRYPTION_KEY`. Without it n8n comes up and every credential is empty." in n8n
    assert "- [ ] what is mounted at `/home/node/.n8n`." in n8n
    erp = text.partition("#### erp")[2].partition("####")[0]
    assert "- [ ] `/srv/erp/key.pem`\n- [ ] the folder `/srv/erp/store`\n" in erp
    assert "**`bare` is not dumped.**" in text
    assert "Copies of `erp` have no roles beside them" in text


def test_commands_name_what_is_here(text: str) -> None:
    found = blocks(text)
    assert found["restore erp"] == (
        "ansible-playbook bulkhead.stack.restore -i '/srv/my inventories/mine' -e bulkhead_restore_database=erp\n"
    )
    assert "-e bulkhead_restore_identity_file=IDENTITY_FILE" in found["restore n8n_db"]
    assert "-e bulkhead_restore_identity_file=IDENTITY_FILE" in found["restore-all"]
    assert "-e bulkhead_drill_identity_file=IDENTITY_FILE" in found["drill n8n_db"]
    assert "identity" not in found["drill erp"]
    # Where the rows of one table go there must be a database already: its own.
    assert found["table erp"].endswith('-e \'{"bulkhead_restore_tables": ["SCHEMA.TABLE"]}\'\n')
    assert "bulkhead_restore_as" not in found["table erp"]
    assert found["probe erp"].startswith("docker exec -i db psql -U supabase_admin -XAtq -v ON_ERROR_STOP=1 -d erp <<")
    assert found["probe erp"].endswith("\nSELECT true;\nSQL\n")
    assert found["stock-stop erp"] == "docker stop erp\n"
    restore = found["stock-restore-zst n8n_db"].splitlines()[-1]
    assert restore == (
        "age --decrypt --identity=IDENTITY_FILE DUMP_FILE | docker exec -i db sh -c "
        "'zstd -dc | pg_restore -U supabase_admin --exit-on-error --create --dbname=template1'"
    )


def test_the_newest_recovery_set_is_opened_where_it_is_saved(text: str) -> None:
    assert "open-set" not in text
    assert "NEW_FOLDER" not in text
    description = copy.deepcopy(DESCRIPTION)
    description["databases"]["n8n_db"]["recovery"] = {"save": True}
    description["databases"]["odd"].update(
        backup={"schedule": "@daily", "encrypt_to": ["age1x"]}, recovery={"save": True, "needs": ["KEY"]}
    )
    saved = runbook(wanted(description), "h", "i")
    found = blocks(saved)
    digits = "[0-9]" * 8 + "_" + "[0-9]" * 6
    assert found["open-set n8n_db"] == (
        "mkdir -m 0700 NEW_FOLDER\n"
        'age --decrypt -i IDENTITY_FILE "$(ls /backups/n8n_db/recovery_n8n_db_%s.tar.age | tail -n 1)"'
        " | tar -x -C NEW_FOLDER\n" % digits
    )
    assert "open-set erp" not in found
    assert "`N8N_ENCRYPTION_KEY`, `/home/node/.n8n`. Its recovery set has them (3.2)" in saved
    # A name that needs quotes, within those of the shell's.
    (line,) = [item for item in found["open-set odd"].splitlines() if item.startswith("age")]
    assert shlex.split(line.partition("$(")[2].partition(')"')[0])[1].startswith('/backups/odd/recovery_it\'s "odd"_[')


def test_a_server_that_is_no_container_and_a_name_that_needs_quotes(text: str) -> None:
    found = blocks(text)
    assert found["databases far"] == "psql -h db.example -p 5433 -U postgres -X -d template1 -l\n"
    assert "start far" not in found
    assert 'ALTER DATABASE "it\'s ""odd""" RENAME TO "it\'s ""odd""_broken";' in found["stock-aside odd"]
    assert "WHERE datname = 'it''s \"odd\"';" in found["stock-who odd"]
    # One command, so that it is zstd that gets the file.
    restore = "pg_restore -h db.example -p 5433 -U postgres --exit-on-error --create --dbname=template1"
    line = found["stock-restore-zst odd"].splitlines()[-1]
    assert line == "sh -c 'zstd -dc | %s' < DUMP_FILE" % restore
    assert shlex.split(found["look odd"])[-1] == '{"bulkhead_restore_as": "it\'s \\"odd\\"_look"}'


def test_it_changes_with_the_description_alone(text: str) -> None:
    assert runbook(wanted(), "my-host", "/srv/my inventories/mine") == text
    other = dict(DESCRIPTION, contacts=[])
    assert "**Nobody is named.**" in runbook(wanted(other), "my-host", "/srv/my inventories/mine")


def test_a_description_without_anything() -> None:
    text = runbook(wanted({"clusters": {"main": {"container": "db"}}}), "h", "i")
    assert "No database of the description is dumped" in text


def test_a_service_inside_of_a_shared_database_is_brought_back_from_there() -> None:
    description = yaml.safe_load((ROOT / "inventories/archon-prefix/group_vars/bulkhead/platform.yml").read_text())
    text = runbook(wanted(description["bulkhead_platform"]), "h", "i")
    assert "**`archon`** stays inside of `postgres`" in text


@pytest.mark.parametrize("name", ["archon", "demo"])
def test_our_own_inventories(name: str) -> None:
    path = ROOT / "inventories" / name / "group_vars" / "bulkhead" / "platform.yml"
    docs = wanted(yaml.safe_load(path.read_text())["bulkhead_platform"])
    found = blocks(runbook(docs, "h", "i"))
    dumped: List[str] = [item["key"] for item in docs["databases"] if item["folder"]]
    assert [item.partition(" ")[2] for item in found if item.startswith("restore ")] == dumped
    assert docs["contacts"]


def test_variables_of_a_play() -> None:
    assert play("restore", "i", a="b", c=True, d=["e"]) == (
        'ansible-playbook bulkhead.stack.restore -i i -e a=b -e c=true -e \'{"d": ["e"]}\''
    )
    # What Ansible's own reader would take apart is JSON.
    assert play("restore", "i", a="b c") == 'ansible-playbook bulkhead.stack.restore -i i -e \'{"a": "b c"}\''


def test_a_table_and_what_stands_in_it() -> None:
    assert table(["a", "bcde"], [["1", ""], ["x|y", code("p|q")]]) == [
        "| a    | bcde   |",
        "| ---- | ------ |",
        "| 1    | -      |",
        "| x\\|y | `p\\|q` |",
    ]
    assert plain("a\n| *b* <c>") == "a \\| \\*b\\* \\<c\\>"
    assert code("a`b") == "`` a`b ``"


def test_every_playbook_is_there_and_takes_what_it_is_given(text: str) -> None:
    roles = {"restore": "database_restore", "drill": "database_drill", "rollback": "database_rollback"}
    for command in blocks(text).values():
        for playbook in re.findall(r"ansible-playbook bulkhead\.stack\.(\w+)", command):
            assert (ROOT / "playbooks" / ("%s.yml" % playbook)).is_file()
            given = set(re.findall(r"\bbulkhead_(?:restore|drill|rollback)_\w+", command))
            if given:
                specs = yaml.safe_load((ROOT / "roles" / roles[playbook] / "meta" / "argument_specs.yml").read_text())
                assert given <= set(specs["argument_specs"]["main"]["options"])
