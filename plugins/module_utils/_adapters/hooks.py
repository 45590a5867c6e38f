# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the user's, around what we do."""

import os
import subprocess
from typing import Mapping, Sequence

from .._core.errors import OutsideError
from .._core.text import format_duration

_LIMIT_S = 3600


def run_hook(command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Run a command to its end, without a shell, and with nothing to read.

    Raises:
        OutsideError: it can't be started, fails, or takes longer than an hour.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env=dict(os.environ, **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_LIMIT_S,
            check=False,
        )
    except OSError as error:
        raise OutsideError(
            "Hook `%s` can't be run: %s." % (words[0], (error.strerror or str(error)).lower())
        ) from error
    except subprocess.TimeoutExpired as error:
        raise OutsideError("Hook `%s` hadn't ended after %s." % (words[0], format_duration(_LIMIT_S))) from error
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said = lines[-1].rstrip(".") if lines else "it said nothing"
        raise OutsideError("Hook `%s` failed with exit status %d: %s." % (words[0], done.returncode, said))
