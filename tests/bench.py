# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the benchmarks: ``make bench``, or ``make bench ONLY=site``.

Each file ``tests/benchmark/<name>.py`` is one benchmark and has a function ::

    def figures() -> Iterable[Tuple[str, str, str, bool]]:

that yields, as soon as each is known: what was measured, the value with its unit, the bound as text, whether it holds.
It brings up what it needs, and takes it down again where it had to; what it can't measure it raises.
"""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import traceback
from typing import Iterable, List, Tuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(sys.executable).parent

Figure = Tuple[str, str, str, bool]


def benchmarks() -> List[pathlib.Path]:
    """Return the files, by name; those that begin with an underscore are shared by the others."""
    return sorted(path for path in (ROOT / "tests" / "benchmark").glob("*.py") if not path.stem.startswith("_"))


def chosen(only: str) -> List[pathlib.Path]:
    """Return the benchmarks that ``ONLY`` names, or all. Raises ValueError for a name that is none."""
    known = {path.stem: path for path in benchmarks()}
    wanted = [name for name in re.split(r"[,\s]+", only) if name]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError("ONLY=%s names no benchmark; there are: %s" % (",".join(unknown), ", ".join(known) or "none"))
    return [path for name, path in known.items() if not wanted or name in wanted]


def figures_of(path: pathlib.Path) -> Iterable[Figure]:
    """Load a benchmark and return its figures."""
    spec = importlib.util.spec_from_file_location("bulkhead_benchmark_%s" % path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError("%s can't be loaded" % path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Iterable[Figure] = module.figures()
    return found


def prepare_environment() -> None:
    """Let what a benchmark starts find the environment's programs, and this checkout as bulkhead.stack."""
    path = subprocess.run([str(ROOT / "scripts/collections-path.sh")], check=True, stdout=subprocess.PIPE, text=True)
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = path.stdout.strip()
    os.environ["PATH"] = "%s%s%s" % (BIN, os.pathsep, os.environ.get("PATH", os.defpath))
    # What several benchmarks share, and the collection itself.
    sys.path[:0] = [str(ROOT / "tests" / "benchmark"), os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[0]]
    os.chdir(ROOT)


def main() -> int:
    """Print a line for each figure; the exit status says whether all of them hold."""
    try:
        paths = chosen(os.environ.get("ONLY", ""))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    prepare_environment()
    count = short = 0
    for path in paths:
        before = count
        try:
            for name, value, bound, holds in figures_of(path):
                count += 1
                short += not holds
                print("%-60s %14s   %-24s %s" % (name, value, bound, "holds" if holds else "falls short"), flush=True)
        except Exception:  # noqa: BLE001 - whatever keeps it from measuring is told, and the others go on
            traceback.print_exc()
            print("%-60s %14s   %-24s %s" % (path.stem, "-", "measured", "falls short"), flush=True)
            count, short = count + 1, short + 1
        if count == before:
            print("%-60s %14s   %-24s %s" % (path.stem, "0 figures", "at least one", "falls short"), flush=True)
            count, short = count + 1, short + 1
    print("%d hold, %d fall short" % (count - short, short))
    return 1 if short or not count else 0


if __name__ == "__main__":
    sys.exit(main())
