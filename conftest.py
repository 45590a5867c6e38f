# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every pytest of this checkout, a scenario's too: the collection's name, the report that tests/run.py counts."""

import os
import pathlib
import subprocess
import sys
from typing import Sequence

import pytest

ROOT = pathlib.Path(__file__).resolve().parent


def _make_importable() -> None:
    """Let ``import ansible_collections.bulkhead.stack…`` find this checkout, and no installed copy."""
    script = ROOT / "scripts" / "collections-path.sh"
    path = subprocess.run([str(script)], check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()
    sys.path[:0] = [folder for folder in path.split(os.pathsep) if folder not in sys.path]


_make_importable()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Write one report a session where tests/run.py asks for it: a scenario may verify more than once."""
    folder = os.environ.get("BULKHEAD_JUNIT_DIR")
    if folder:
        config.option.xmlpath = os.path.join(folder, "%d.xml" % os.getpid())


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Refuse to leave tests out when all are to be run; a report doesn't show them."""
    if items and os.environ.get("BULKHEAD_JUNIT_DIR"):
        raise pytest.UsageError("deselected: " + ", ".join(item.nodeid for item in items))
