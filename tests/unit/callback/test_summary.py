# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback summary: what real playbooks print with it, and the table by itself."""

import os
import pathlib
import pty
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.plugin_utils.phases import (
    Phase,
    duration,
    ends_of,
    kept_changes,
    message_lines,
    outcome,
    printable,
    table,
    things_changed,
)

PLAY = """
- name: First
  hosts: all
  gather_facts: false
  roles: [files]
  tasks:
    - name: Tell
      ansible.builtin.debug: {msg: "one\\ntwo\\n"}
    - name: Tell a list
      ansible.builtin.debug: {msg: [a, {b: [c, true]}]}
    - name: Tell a variable
      ansible.builtin.debug: {var: inventory_hostname}
    - name: Tell each
      ansible.builtin.debug: {msg: "item {{ item }}"}
      loop: [1, 2]
    - name: Tell a secret
      ansible.builtin.debug: {msg: "hush-{{ 'in' ~ 'side' }}"}
      no_log: true
    - name: Warn
      ansible.builtin.file: {path: "{{ place }}", state: touch, mode: "0600", unsafe_writes: true}
      no_log: true
    - name: Skipped
      ansible.builtin.command: {argv: ["true"]}
      when: false
    - name: Goes wrong and is ignored
      ansible.builtin.fail: {msg: no matter}
      ignore_errors: true
    - name: Goes wrong half-way
      ansible.builtin.file: {path: "{{ item }}", state: touch, mode: "0600"}
      loop: ["{{ place }}.half", "{{ place }}.half/below"]
      ignore_errors: true
    - name: Is warned
      bulkhead.stack.document_blocks:
        blocks: {x: text}
        documents: [{path: "{{ place }}.md", blocks: [x], create: false}]
- name: Second
  hosts: all
  gather_facts: false
  tasks:
    - name: Caught
      block:
        - name: Breaks
          ansible.builtin.fail: {msg: this is why}
      rescue:
        - name: Mend
          ansible.builtin.debug: {msg: mended}
- name: Third
  hosts: all
  gather_facts: false
  tasks:
    - name: Taken back
      block:
        - name: Breaks too
          ansible.builtin.fail: {msg: this is why too}
      rescue:
        - name: Give up
          ansible.builtin.fail: {msg: it was taken back}
"""
ROLE = """
- name: Write
  ansible.builtin.copy: {content: "new line\\n", dest: "{{ place }}.{{ item }}", mode: "0600"}
  loop: [x, y]
"""


class Run:
    """Plays in a folder of their own, with two hosts."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        hosts = {name: {"place": str(folder / name)} for name in ("one", "two")}
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": local}}))
        (folder / "play.yml").write_text(PLAY)
        tasks = folder / "roles" / "files" / "tasks"
        tasks.mkdir(parents=True)
        (tasks / "main.yml").write_text(ROLE)
        root = pathlib.Path(__file__).resolve().parents[3]
        found = subprocess.run(
            [root / "scripts" / "collections-path.sh"], check=True, stdout=subprocess.PIPE, text=True
        )
        self.environment = dict(
            os.environ,
            ANSIBLE_COLLECTIONS_PATH=found.stdout.strip(),
            ANSIBLE_STDOUT_CALLBACK="bulkhead.stack.summary",
            ANSIBLE_NOCOLOR="true",
            ANSIBLE_PIPELINING="true",
        )
        self.command = [
            str(pathlib.Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            "inventory.yml",
            "play.yml",
        ]

    def play(self, *arguments: str, **environment: str) -> str:
        """Run the plays; return what is printed."""
        done = subprocess.run(
            [*self.command, *arguments], env=dict(self.environment, **environment), cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Run:
    """Return plays that weren't run yet."""
    return Run(tmp_path_factory.mktemp("callback"))


@pytest.fixture(scope="module")
def printed(run: Run) -> str:
    """Return what a real run prints, with diffs."""
    return run.play("--diff")


def rows(text: str) -> "dict[str, str]":
    """Return the closing table's rows by phase; what a phase changed stands in further lines of it."""
    found: "dict[str, str]" = {}
    name = ""
    for entry in text.split("SUMMARY *", 1)[1].split("PLAY RECAP")[0].splitlines()[1:]:
        if entry and not entry.startswith((" ", "-")):
            name = entry.split("  ")[0]
        found[name] = found.get(name, "") + entry + "\n"
    return found


def test_the_table(printed: str, run: Run) -> None:
    found = rows(printed)
    assert list(found) == ["phase", "files", "First", "Second", "Third"]
    # Of two hosts, each with two files.
    assert "4 changed" in found["files"]
    assert re.search(r"\d s +(one|two): %s/" % run.folder, found["files"])
    for host in ("one", "two"):
        assert re.search(r" %s: %s/%s.y$" % (host, run.folder, host), found["files"], re.MULTILINE)
    # What no_log hides is told by its task's name.
    assert "one: Warn" in found["First"]
    # What a loop did before it failed was done.
    assert "two: Goes wrong half-way" in found["First"]
    assert "rescued" in found["Second"]
    assert "failed, taken back" in found["Third"]


def test_a_line_when_a_phase_ends(printed: str) -> None:
    assert re.search(r"^files +4 changed +[0-9.]+ s$", printed, re.MULTILINE)
    assert printed.index("\nfiles ") < printed.index("Tell [one]:") < printed.index("\nFirst ")


def test_task_lines_are_gone_and_all_else_is_there(printed: str) -> None:
    assert not re.search(r"^(ok|changed|skipping): ", printed, re.MULTILINE)
    assert "TASK [Skipped]" not in printed
    assert "+new line" in printed
    assert "fatal: [two]: FAILED! => " in printed
    assert "this is why" in printed
    assert "no matter" in printed and "...ignoring" in printed
    assert re.search(r"^one +: ok=\d+ .*failed=1 .*rescued=2", printed, re.MULTILINE)


def test_messages_are_text(printed: str) -> None:
    assert "Tell [one]:\n  one\n  two\n\n" in printed
    assert "Tell a list [one]:\n  - a\n  - b:\n      - c\n      - true\n" in printed
    assert "Tell a variable [two]:\n  inventory_hostname: two\n" in printed
    assert printed.count("item 1") == printed.count("item 2") == 2


def test_warnings_are_shown(printed: str) -> None:
    words = " ".join(printed.split())
    assert "one.md has no marks for block x, and create is false" in words
    assert "[WARNING]" in words


def test_secrets_stay_hidden(printed: str) -> None:
    assert "hush" not in printed


def test_check_mode_says_would_and_shows_the_diff(run: Run) -> None:
    for path in run.folder.glob("*.[xy]"):
        path.unlink()
    text = run.play(
        "--check", "--diff", "--limit", "one", BULKHEAD_SUMMARY_WIDTH="60", BULKHEAD_SUMMARY_SHOW_UNCHANGED="false"
    )
    assert "2 would change" in rows(text)["files"]
    assert "+new line" in text
    assert all(len(entry) <= 60 for row in rows(text).values() for entry in row.splitlines())
    assert "hush" not in text


def test_with_v_each_task_is_shown(run: Run) -> None:
    text = run.play("-v", "--limit", "one")
    assert "TASK [Tell]" in text
    assert re.search(r"^skipping: \[one\]", text, re.MULTILINE)
    assert "SUMMARY" in text
    assert "hush" not in text


def test_on_a_terminal_a_phase_is_named_when_it_begins(run: Run) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*run.command, "--limit", "one"], env=run.environment, cwd=run.folder, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    read = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        read += piece
    os.close(ours)
    assert process.wait() == 2
    text = read.decode().replace("\r", "")
    assert text.index("files ...") < text.index("\nfiles  ")


def test_what_a_result_says_that_it_changed() -> None:
    assert things_changed({"changed": False, "changes": ["x"]}, "task") == []
    assert things_changed({"changed": True, "changes": ["role a", "database b"]}, "task") == ["role a", "database b"]
    assert things_changed({"changed": True, "diff": {"after_header": "/a", "before_header": "b"}}, "task") == ["/a"]
    assert things_changed({"changed": True, "diff": [{"prepared": "x"}], "changes": 3}, "task") == ["task"]
    items = [{"changed": True, "changes": ["x"]}, {"changed": False, "changes": ["y"]}, {"changed": True}]
    assert things_changed({"changed": True, "results": items}, "task") == ["x"]
    assert things_changed({"changed": True, "censored": "hidden"}, "task") == ["task"]


def test_what_a_failed_loop_had_changed() -> None:
    items = [{"changed": True, "changes": ["x"]}, {"changed": True, "failed": True, "changes": ["y"]}]
    assert kept_changes({"failed": True, "results": items}, "task") == ["x"]
    assert kept_changes({"failed": True, "results": [{"changed": True}, {"failed": True}]}, "task") == ["task"]
    assert kept_changes({"failed": True, "changed": True}, "task") == []
    assert kept_changes({"failed": True, "results": items[1:]}, "task") == []


def test_many_changes_are_counted() -> None:
    phase = Phase("isolate", 61.0)
    phase.add_changes("here", ["table %d" % number for number in range(20)])
    lines = table([phase, Phase("idle")], {"here": {}}, False, False, 120)
    assert [entry.split("  ")[-1].strip() for entry in lines[2:]] == ["table %d" % number for number in range(8)] + [
        "and 12 more"
    ]
    assert "20 changed  1 min 01 s" in lines[2]
    assert len(table([phase, Phase("idle")], {"here": {}}, False, True, 120)) == len(lines) + 1
    assert table([Phase("idle")], {}, False, False, 120) == []


def test_how_a_phase_ended() -> None:
    first, second = Phase("first", failures={"one": [1], "two": [2]}), Phase("second", failures={"one": [3, 4]})
    assert outcome(first, {}, False) == "failed"
    recap = {"one": {"failures": 1, "rescued": 2}, "two": {"failures": 0, "rescued": 1}, "three": {"failures": 0}}
    ends = ends_of([first, second], recap)
    assert ends == {"one": 4, "two": 0, "three": 0}
    assert outcome(first, ends, False) == "failed, rescued"
    assert outcome(second, ends, False) == "failed, taken back"
    assert outcome(first, ends_of([first], {"one": {"unreachable": 1}, "two": {}}), False) == "failed"
    assert outcome(Phase("x"), {}, True) == "as it should be"
    assert (duration(3.24), duration(754.0)) == ("3.2 s", "12 min 34 s")


def test_a_line_break_or_a_colour_in_a_name_stays_in_its_row() -> None:
    phase = Phase("x")
    phase.add_changes("here", ["a\nb\x1b[31m"])
    assert [entry for entry in table([phase], {}, False, True, 120) if "\n" in entry or "\x1b" in entry] == []
    assert printable("a\x1b[31m\x07\tü") == "a [31m \tü"
    assert list(message_lines({"a": None, "b": [[1, 2], {}], "c": []})) == [
        "a: null", "b:", "  - - 1", "    - 2", "  - ", "c: []"
    ]  # fmt: skip
