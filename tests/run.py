# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests of this checkout: ``make test``, or ``make test ONLY=unit,lint``; tests/README.md names the parts.

Nothing may quietly not run: a test that is skipped, expected to fail or left out counts as failed, and so does a part
without tests. What ansible-test itself leaves out is listed with its reason.
"""

import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable, Dict, FrozenSet, Iterable, List, Optional, Sequence, Set, Tuple
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "tests" / "output"
LOGS = OUTPUT / "logs"
BIN = pathlib.Path(sys.executable).parent
NAMESPACE, NAME = "bulkhead", "stack"
COLLECTION = "%s.%s" % (NAMESPACE, NAME)

# Longer than any part takes on two cores by far; it only ends what hangs.
LIMIT_S = 1800
STOP_WAIT_S = 60

# Left out by ansible-test on a machine where they can't run; these must never be among them.
REQUIRED_SANITY = ("compile", "import", "validate-modules", "pep8", "yamllint", "pylint")
# The oldest that targets have, Debian 12's, Debian 13's: what runs on these runs on those between.
TARGET_PYTHONS = ("3.9", "3.11", "3.13")

# A file that ansible-test keeps where it would download it: the wheels that each Python carries do the same.
GET_PIP = """\
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip", "--upgrade"], check=True)
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", *arguments]).returncode)
"""
# ansible-core 2.18 and 2.19 ask for the first, 2.20 for the second.
GET_PIP_VERSIONS = ("24_2", "25_2")

# What a scenario's log must show; the others of its sequence are counted where they ran.
REQUIRED_PHASES = ("syntax", "check", "converge", "idempotence", "verify")
# Every restore restores: a second one that does nothing would be wrong. What "postgrest" runs is checked and run twice
# by "site"; what is its own, an instance that is repointed, is run twice by its tests.
LEFT_OUT = {
    "consolidate": ("check", "idempotence"),
    "disaster": ("idempotence",),
    "postgrest": ("check", "idempotence"),
    "tenants": ("check", "idempotence"),
}
PHASE = re.compile(r"^\w+\s+\[(?P<scenario>[\w.-]+) > (?P<phase>\w+)\] Executed: (?P<outcome>\w+)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Result:
    """What came of one item.

    Arguments:
        passed: how many tests passed.
        problems: one sentence for each test that failed.
        notes: what is worth a line though nothing failed.
    """

    passed: int = 0
    problems: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)


class Report:
    """The lines on the terminal and the count; parts report from several threads."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self._lock = threading.Lock()

    def add(self, item: str, result: Result, began: float, log: Optional[pathlib.Path] = None) -> None:
        """Count one item and print its line; the whole log too where something failed."""
        with self._lock:
            self.passed += result.passed
            self.failed += len(result.problems)
            print(
                "%-6s %6.1f s  %s: %d passed%s"
                % (
                    "FAILED" if result.problems else "ok",
                    time.monotonic() - began,
                    item,
                    result.passed,
                    ", %d failed" % len(result.problems) if result.problems else "",
                )
            )
            for note in result.notes:
                print("                 %s" % note)
            if result.problems:
                if log is not None and log.exists():
                    print("---- %s" % log.relative_to(ROOT))
                    print(log.read_text(errors="replace").rstrip("\n"))
                    print("---- end of %s" % log.relative_to(ROOT))
                for problem in result.problems:
                    print("       - %s" % problem)
            sys.stdout.flush()


# --- tasks ----------------------------------------------------------------------------------------------------------

Part = Callable[[Dict[str, str], Report], None]

# Names and ports of the demo's stack; what drills leave on a machine, which is counted.
DEMO, DRILLS = "the demo's stack", "drills"


@dataclass
class Task:
    """What one worker does at a time.

    Arguments:
        item: its name.
        work: does it, and reports.
        uses: what it needs for itself of what a machine has once.
    """

    item: str
    work: Part
    uses: FrozenSet[str] = frozenset()


def guarded(task: Task, env: Dict[str, str], report: Report) -> None:
    """Do a task; one that breaks has failed, and the others go on."""
    began = time.monotonic()
    try:
        task.work(env, report)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and counts
        report.add(task.item, Result(problems=["%s: %s: %s" % (task.item, type(error).__name__, error)]), began)


def work_off(tasks: Sequence[Task], env: Dict[str, str], report: Report, workers: int) -> List[Task]:
    """Do tasks side by side, in their order as far as what they use is free; return those that weren't begun."""
    waiting = list(tasks)
    in_use: Set[str] = set()
    changed = threading.Condition()

    def take() -> Optional[Task]:
        with changed:
            while waiting and not _stopping.is_set():
                task = next((task for task in waiting if not task.uses & in_use), None)
                if task is not None:
                    waiting.remove(task)
                    in_use.update(task.uses)
                    return task
                # Whoever uses what is wanted is at work, and tells.
                changed.wait()
            return None

    def work() -> None:
        task = take()
        while task is not None:
            guarded(task, env, report)
            with changed:
                in_use.difference_update(task.uses)
                changed.notify_all()
            task = take()

    with ThreadPoolExecutor(workers) as pool:
        for worker in [pool.submit(work) for _number in range(workers)]:
            worker.result()
    return waiting


# --- commands -------------------------------------------------------------------------------------------------------

_running: Set["subprocess.Popen[bytes]"] = set()
_stopping = threading.Event()


def environment() -> Dict[str, str]:
    """Return the environment of every command: this checkout's collections, none of the caller's settings."""
    foreign = ("ANSIBLE_", "MOLECULE_", "PYTEST_", "COMPOSE_", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MYPY")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = subprocess.run([str(ROOT / "scripts/collections-path.sh")], check=True, stdout=subprocess.PIPE, text=True)
    env.update(
        PATH="%s%s%s" % (BIN, os.pathsep, env.get("PATH", os.defpath)),
        ANSIBLE_COLLECTIONS_PATH=path.stdout.strip(),
        # Molecule's and ansible-lint's own files; the user's ~/.ansible stays as it is.
        ANSIBLE_HOME=str(cache() / "work" / "ansible-home"),
        ANSIBLE_NOCOLOR="1",
        NO_COLOR="1",
        PYTHONUNBUFFERED="1",
    )
    return env


def cache() -> pathlib.Path:
    """Return the folder of scripts/bootstrap.sh: the environment that runs this stands in it."""
    return pathlib.Path(sys.prefix).parent


def checkout_key() -> str:
    """Return a name for this checkout: clones share the cache."""
    return hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]


def collections_root(env: Dict[str, str]) -> pathlib.Path:
    """Return the folder in which ``ansible_collections/bulkhead/stack`` is this checkout."""
    return pathlib.Path(env["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[0])


def dependencies(env: Dict[str, str]) -> pathlib.Path:
    """Return the folder in which scripts/bootstrap.sh has put the collections that this one depends on."""
    return pathlib.Path(env["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[1])


def run(
    argv: Sequence[str], log: pathlib.Path, env: Dict[str, str], cwd: pathlib.Path = ROOT, cleans_up: bool = False
) -> int:
    """Run a command with its output in a log, appended, and return its exit status; 124 where it hung.

    Once all is being ended, only what cleans up is begun.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if _stopping.is_set() and not cleans_up:
        return 130
    with open(log, "ab") as stream:
        stream.write(("$ %s\n" % " ".join(argv)).encode())
        stream.flush()
        try:
            process = subprocess.Popen(
                argv,
                cwd=str(cwd),
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        except OSError as error:
            stream.write(("%s\n" % error).encode())
            return 127
        _running.add(process)
        try:
            return process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            stop(process)
            stream.write(("It was ended: it ran for more than %d s.\n" % LIMIT_S).encode())
            return 124
        finally:
            _running.discard(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a command and what it started: as Ctrl-C would, and where that doesn't help, at once."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_WAIT_S)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def command(item: str, argv: Sequence[str], env: Dict[str, str], report: Report, cwd: pathlib.Path = ROOT) -> bool:
    """Run a command that is one test: it passes with exit status 0."""
    began = time.monotonic()
    log = log_of(item)
    status = run(argv, log, env, cwd)
    report.add(item, Result(1) if status == 0 else Result(problems=["%s: exit status %d" % (item, status)]), began, log)
    return status == 0


def log_of(item: str) -> pathlib.Path:
    """Return the log of an item of the report."""
    return LOGS / ("%s.log" % item.replace(": ", "-").replace(" ", "-"))


def known_files() -> List[str]:
    """Return the files that git knows of or would add, as paths from the root; deleted ones are left out."""
    listing = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=str(ROOT), check=True, stdout=subprocess.PIPE
    ).stdout
    names = sorted({name for name in os.fsdecode(listing).split("\0") if name})
    return [name for name in names if os.path.lexists(ROOT / name)]


# --- pytest ---------------------------------------------------------------------------------------------------------


def junit_cases(folder: pathlib.Path) -> Iterable[Tuple[str, ElementTree.Element]]:
    """Yield each test of the reports in a folder with its name."""
    for path in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            yield "%s::%s" % (case.get("classname", ""), case.get("name", "")), case


def pytest_result(folder: pathlib.Path) -> Result:
    """Count the tests of pytest's reports: what was skipped or expected to fail has failed."""
    result = Result()
    failed: Dict[str, str] = {}
    passed: List[str] = []
    for name, case in junit_cases(folder):
        verdict = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        if verdict is None:
            passed.append(name)
        else:
            reason = (verdict.get("message") or "").strip().splitlines()
            failed[name] = "%s: %s%s" % (name, verdict.tag, " (%s)" % reason[0] if reason else "")
    # A test whose teardown failed stands there twice.
    result.passed = sum(name not in failed for name in passed)
    result.problems = list(failed.values())
    return result


def tests(item: str, place: str) -> Part:
    """Return what runs the tests of a folder or a file by a pytest of their own."""

    def run_tests(env: Dict[str, str], report: Report) -> None:
        began = time.monotonic()
        log = log_of(item)
        junit = fresh(OUTPUT / "junit" / log.stem)
        argv = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "--durations=5", place]
        status = run(argv, log, dict(env, BULKHEAD_JUNIT_DIR=str(junit)))
        result = pytest_result(junit)
        if not result.passed and not result.problems:
            result.problems.append("%s: no tests were run (exit status %d)" % (item, status))
        elif status != 0 and not result.problems:
            result.problems.append("%s: exit status %d" % (item, status))
        report.add(item, result, began, log)

    return run_tests


# What a machine has once, by the word that shows that a file of tests uses it.
USED_BY_FILES = {"stack: Any": DEMO, "pg_restore_verify": DRILLS, "pg_database_move": DRILLS}
# A run of a playbook takes about as long as so many characters of other tests.
PLAYBOOK_LENGTH = 5000


def system_tasks() -> List[Task]:
    """Return a task for each file of the system's tests, those that take long first."""
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "system").rglob("test_*.py")}
    lengths = {path: len(text) + PLAYBOOK_LENGTH * text.count("play(") for path, text in texts.items()}
    tasks = []
    for path in sorted(texts, key=lambda path: (-lengths[path], str(path))):
        item = "system: %s" % path.name
        uses = frozenset(thing for word, thing in USED_BY_FILES.items() if word in texts[path])
        tasks.append(Task(item, tests(item, str(path.relative_to(ROOT))), uses))
    return tasks or [Task("system", tests("system", "tests/system"))]


def fresh(folder: pathlib.Path) -> pathlib.Path:
    """Return a folder, emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# --- lint -----------------------------------------------------------------------------------------------------------


def shell_files() -> List[str]:
    """Return the shell scripts among the known files: by their name, or by their first line."""
    found = []
    for name in known_files():
        path = ROOT / name
        if name.endswith(".sh"):
            found.append(name)
        elif "." not in path.name and path.is_file() and os.access(path, os.X_OK):
            with open(path, "rb") as stream:
                if re.match(rb"#!\s*\S*(\bsh|\bbash|env bash|env sh)\b", stream.readline()):
                    found.append(name)
    return found


def lint(env: Dict[str, str], report: Report) -> None:
    """Run each linter over the checkout."""
    collections = collections_root(env)
    inside = "ansible_collections/%s/%s" % (NAMESPACE, NAME)
    mypy = ["mypy", "--config-file", "%s/pyproject.toml" % inside]
    command("lint: yamllint", ["yamllint", "--strict", "."], env, report)
    command("lint: ruff", ["ruff", "check", "--no-cache", "."], env, report)
    command("lint: shellcheck", ["shellcheck", "-x", *shell_files()], env, report)
    command("lint: mypy", [*mypy, "%s/plugins" % inside], env, report, collections)
    runners = ["%s/tests/%s.py" % (inside, name) for name in ("run", "bench")]
    command("lint: mypy tests", [*mypy, *runners], env, report, collections)
    command("lint: ansible-lint", ["ansible-lint", "--offline", "--strict", "--nocolor"], env, report)


# --- sanity ---------------------------------------------------------------------------------------------------------


def copy_known_files(target: pathlib.Path) -> None:
    """Copy what git knows of: ansible-test refuses a link, and must not find what only this machine has."""
    fresh(target)
    for name in known_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)


def link_pythons(folder: pathlib.Path) -> None:
    """Gather this machine's Pythons under their own names.

    ansible-test takes each ``python3.X`` on the PATH at its word, and a version manager's shim that stands for an
    unselected version makes it stop.
    """
    fresh(folder)
    places = [pathlib.Path(place) for place in os.environ.get("PATH", os.defpath).split(os.pathsep)]
    managed = pathlib.Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")) / "versions"
    for version in TARGET_PYTHONS:
        name = "python%s" % version
        of_manager = sorted(managed.glob("%s.*/bin/%s" % (version, name)))
        for candidate in [BIN / name, *(place / name for place in places), *of_manager]:
            if not os.access(candidate, os.X_OK):
                continue
            probe = subprocess.run(
                [str(candidate), "-c", "import ensurepip, sys, venv; print(sys.executable)"],
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                text=True,
            )
            if probe.returncode == 0:
                (folder / name).symlink_to(probe.stdout.strip())
                break


def sanity_home(folder: pathlib.Path) -> pathlib.Path:
    """Return a home of its own for ansible-test, with pip's settings of the real one."""
    downloads = folder / ".ansible" / "test" / "cache"
    downloads.mkdir(parents=True, exist_ok=True)
    for version in GET_PIP_VERSIONS:
        (downloads / ("get_pip_%s.py" % version)).write_text(GET_PIP)
    for settings in (".config/pip", ".pip"):
        real, link = pathlib.Path.home() / settings, folder / settings
        if real.is_dir() and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(real)
    return folder


def sanity(env: Dict[str, str], report: Report) -> None:
    """Run ansible-test's sanity tests in a copy, without a file of exceptions."""
    began = time.monotonic()
    log = LOGS / "sanity.log"
    work = cache() / "work" / checkout_key()
    collections = work / "ansible_collections"
    checkout = collections / NAMESPACE / NAME
    copy_known_files(checkout)
    for folder in (dependencies(env) / "ansible_collections").iterdir():
        link = collections / folder.name
        if folder.is_dir() and not link.is_symlink():
            link.symlink_to(folder)
    shared = cache() / "work" / "ansible-test"
    shared.mkdir(parents=True, exist_ok=True)
    # Its environments take longer to make than all its tests, so that clones share them: one at a time.
    with open(shared / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status = ansible_test(checkout, shared, env, log)
    result = sanity_result(checkout / "tests" / "output" / "junit")
    for path in sorted((checkout / "tests" / "sanity").glob("ignore*.txt")):
        result.problems.append("sanity: %s makes exceptions" % path.name)
    if status != 0 and not result.problems:
        result.problems.append("sanity: exit status %d" % status)
    report.add("sanity", result, began, log)


def ansible_test(checkout: pathlib.Path, shared: pathlib.Path, env: Dict[str, str], log: pathlib.Path) -> int:
    """Run the sanity tests in the copy, and return the exit status."""
    link_pythons(shared / "pythons")
    # Without the shims: ansible-test would take one for an interpreter.
    places = [place for place in env["PATH"].split(os.pathsep) if not place.rstrip("/").endswith("shims")]
    path = os.pathsep.join([str(shared / "pythons"), *places])
    sanity_env = dict(env, HOME=str(sanity_home(shared / "home")), PATH=path)
    # It lists what to test by asking git; there is no need of a commit.
    run(["git", "init", "-q", "."], log, sanity_env, checkout)
    return run(["ansible-test", "sanity", "--venv", "--color", "no", "--junit"], log, sanity_env, checkout)


def sanity_result(folder: pathlib.Path) -> Result:
    """Count ansible-test's reports: one test each, once for each Python where it takes several."""
    result = Result()
    ran: Set[str] = set()
    left_out: Dict[str, List[str]] = {}
    for name, case in junit_cases(folder):
        test = name.split("::")[1]
        skipped, failure = case.find("skipped"), case.find("failure")
        if failure is not None:
            count = len((failure.text or "").splitlines())
            result.problems.append("sanity %s: %d finding%s" % (test, count, "" if count == 1 else "s"))
        elif skipped is None:
            result.passed += 1
        if skipped is None:
            ran.add(test.split("-python-")[0])
        else:
            left_out.setdefault((skipped.text or "no reason given").strip(), []).append(test)
    for reason, tests in sorted(left_out.items()):
        result.notes.append("left out by ansible-test: %s: %s" % (", ".join(sorted(tests)), reason))
    for test in REQUIRED_SANITY:
        if test not in ran:
            result.problems.append("sanity %s: didn't run" % test)
    return result


# --- build ----------------------------------------------------------------------------------------------------------


def build(env: Dict[str, str], report: Report) -> None:
    """Build the tarball, install it where nothing else is, and read all of it from there."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-build-") as name:
        folder = pathlib.Path(name)
        outside = dict(env, ANSIBLE_COLLECTIONS_PATH=str(dependencies(env)))
        argv = ["ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT)]
        if not command("build: tarball", argv, outside, report, folder):
            return
        (tarball,) = folder.glob("*.tar.gz")
        tarball_holds_known_files(tarball, report)

        installed = folder / "installed"
        argv = ["ansible-galaxy", "collection", "install", "--offline", str(tarball), "-p", str(installed)]
        if not command("build: install", argv, outside, report, folder):
            return
        # A command's working directory is searched too: an empty one.
        empty = fresh(folder / "empty")
        inside = dict(env, ANSIBLE_COLLECTIONS_PATH="%s%s%s" % (installed, os.pathsep, dependencies(env)))
        copy = installed / "ansible_collections" / NAMESPACE / NAME
        argv = ["ansible-galaxy", "collection", "verify", "--offline", COLLECTION, "-p", str(installed)]
        command("build: verify", argv, inside, report, empty)
        read_modules(copy, inside, report, empty)
        check_playbooks(copy, inside, report, empty)


def tarball_holds_known_files(tarball: pathlib.Path, report: Report) -> None:
    """Hold the tarball against git: nothing that a tool has left in the checkout may be given to others."""
    began = time.monotonic()
    known = set(known_files()) | {"MANIFEST.json", "FILES.json"}
    with tarfile.open(tarball) as archive:
        foreign = sorted(member.name for member in archive if not member.isdir() and member.name not in known)
    problems = ["build: the tarball holds %s, which git doesn't know" % file for file in foreign]
    report.add("build: contents", Result(0 if foreign else 1, problems), began)


def read_modules(copy: pathlib.Path, env: Dict[str, str], report: Report, cwd: pathlib.Path) -> None:
    """Read the documentation of the installed modules."""
    began = time.monotonic()
    log = LOGS / "build-ansible-doc.log"
    names = ["%s.%s" % (COLLECTION, path.stem) for path in module_files(copy)]
    result = Result(problems=[] if names else ["build: no module is installed"])
    read_each(["ansible-doc", "--type", "module", "--json"], names, result, log, env, cwd)
    report.add("build: ansible-doc", result, began, log)


def check_playbooks(copy: pathlib.Path, env: Dict[str, str], report: Report, cwd: pathlib.Path) -> None:
    """Check the syntax of the installed playbooks, by the names that a user types."""
    began = time.monotonic()
    log = LOGS / "build-playbooks.log"
    names = ["%s.%s" % (COLLECTION, path.stem) for path in sorted((copy / "playbooks").glob("*.yml"))]
    result = Result(problems=[] if names else ["build: no playbook is installed"])
    read_each(["ansible-playbook", "--syntax-check", "-i", "localhost,"], names, result, log, env, cwd)
    report.add("build: playbooks", result, began, log)


def read_each(
    argv: List[str], names: List[str], result: Result, log: pathlib.Path, env: Dict[str, str], cwd: pathlib.Path
) -> None:
    """Let a command read all of these, by one start; where it refuses, one by one, to say which."""
    if names and run([*argv, *names], log, env, cwd) == 0:
        result.passed += len(names)
        return
    for name in names:
        if run([*argv, name], log, env, cwd) == 0:
            result.passed += 1
        else:
            result.problems.append("build: %s %s" % (argv[0], name))
    if names and not result.problems:
        result.problems.append("build: %s refuses these together: %s" % (argv[0], ", ".join(names)))


def module_files(collection: pathlib.Path) -> List[pathlib.Path]:
    """Return the modules of a collection."""
    return sorted(path for path in (collection / "plugins" / "modules").glob("*.py") if path.stem != "__init__")


# --- scenarios ------------------------------------------------------------------------------------------------------


def scenarios() -> List[str]:
    """Return the scenarios' names; a ``default`` without a converge.yml only lends its create and destroy."""
    found = []
    for path in sorted((ROOT / "molecule").glob("*/molecule.yml")):
        folder = path.parent
        if folder.name != "default" or (folder / "converge.yml").exists():
            found.append(folder.name)
    return found


# What a machine has once, by the scenario that uses it; one that isn't named uses the demo's stack.
MATRIX_PORT = "port 18008"
USED_BY_SCENARIOS = {
    "consolidate": frozenset([DRILLS]),
    "disaster": frozenset([DEMO, MATRIX_PORT]),
    "metrics": frozenset([DRILLS]),
    "tenants": frozenset([MATRIX_PORT]),
}


def scenario_task(name: str) -> Task:
    """Return the task that runs a scenario."""
    return Task(name, lambda env, report: scenario(name, env, report), USED_BY_SCENARIOS.get(name, frozenset([DEMO])))


def scenario(name: str, env: Dict[str, str], report: Report) -> None:
    """Run one scenario from creation to destruction: its phases and its verifier's tests count."""
    began = time.monotonic()
    log = log_of("scenario: %s" % name)
    junit = fresh(OUTPUT / "junit" / ("scenario-%s" % name))
    # From here, roles, playbooks and modules are found by their full names, as from an installed collection.
    cwd = collections_root(env) / "ansible_collections" / NAMESPACE / NAME
    molecule_env = dict(env, BULKHEAD_JUNIT_DIR=str(junit))
    status = run(["molecule", "test", "-s", name], log, molecule_env, cwd)
    if status == 124 or _stopping.is_set():
        # It was ended on the way; what it had created is still there.
        run(["molecule", "destroy", "-s", name], log, molecule_env, cwd, cleans_up=True)
    result = pytest_result(junit)
    if not result.passed and not result.problems:
        result.problems.append("%s: no test verifies it" % name)
    phases = phase_outcomes(name, log)
    for phase, outcomes in phases.items():
        if all(outcome == "Successful" for outcome in outcomes):
            result.passed += 1
        else:
            result.problems.append("%s: %s: %s" % (name, phase, ", ".join(outcomes)))
    for phase in REQUIRED_PHASES:
        if phase not in phases and phase not in LEFT_OUT.get(name, ()):
            result.problems.append("%s: %s didn't run" % (name, phase))
    if status != 0 and not result.problems:
        result.problems.append("%s: exit status %d" % (name, status))
    report.add(name, result, began, log)


def phase_outcomes(name: str, log: pathlib.Path) -> Dict[str, List[str]]:
    """Return what Molecule's log says of each phase, in order; destruction is done before and after, and is one."""
    phases: Dict[str, List[str]] = {}
    for line in log.read_text(errors="replace").splitlines():
        match = PHASE.match(COLOUR.sub("", line))
        if match and match.group("scenario") == name and match.group("outcome").lower() not in ("missing", "disabled"):
            phases.setdefault(match.group("phase"), []).append(match.group("outcome"))
    return phases


# --- all of it ------------------------------------------------------------------------------------------------------

# Those of one task each.
SINGLE: Dict[str, Part] = {"lint": lint, "sanity": sanity, "unit": tests("unit", "tests/unit"), "build": build}


def chosen(only: str) -> List[str]:
    """Return the parts that ``ONLY`` names, or all of them. Raises ValueError for a name that is none."""
    known = [*SINGLE, "system", *scenarios()]
    wanted = [name for name in re.split(r"[,\s]+", only) if name]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError("ONLY=%s names no part; there are: %s" % (",".join(unknown), ", ".join(known)))
    return [name for name in known if not wanted or name in wanted]


def run_parts(names: Sequence[str], report: Report) -> None:
    """Run the parts with these names."""
    tasks = [Task(name, SINGLE[name]) for name in names if name in SINGLE]
    tasks += [scenario_task(name) for name in names if name not in SINGLE and name != "system"]
    if "system" in names:
        tasks += system_tasks()
    # Those that can only run one after the other take longest: they begin first, and a worker is always with them.
    tasks.sort(key=lambda task: DEMO not in task.uses)
    # One more than can compute: much of a test is waiting for a server.
    left = work_off(tasks, environment(), report, (os.cpu_count() or 1) + 1)
    if left or _stopping.is_set():
        problem = "interrupted; not begun: %s" % (", ".join(task.item for task in left) or "nothing")
        report.add("all", Result(problems=[problem]), time.monotonic())
    if not scenarios() and not os.environ.get("ONLY"):
        report.add("scenarios", Result(problems=["molecule/ holds no scenario"]), time.monotonic())


def interrupted(number: int, frame: object) -> None:
    """End what runs, so that each part comes to its own end and cleans up."""
    _stopping.set()
    for process in list(_running):
        try:
            os.killpg(process.pid, signal.SIGINT)
        except ProcessLookupError:
            continue


def main() -> int:
    """Run what was asked for; the exit status says whether all of it passed."""
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    report = Report()
    began = time.monotonic()
    try:
        names = chosen(os.environ.get("ONLY", ""))
    except ValueError as error:
        report.add("ONLY", Result(problems=[str(error)]), began)
    else:
        fresh(LOGS)
        run_parts(names, report)
        if not report.passed and not report.failed:
            report.add("all", Result(problems=["nothing was run"]), began)
    print("in %.0f s; logs: %s" % (time.monotonic() - began, LOGS.relative_to(ROOT)))
    print("%d passed, %d failed" % (report.passed, report.failed))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
