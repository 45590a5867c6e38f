# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of a role: given, read from a file of this host, or made for it."""

import os
import secrets
from typing import Any, Mapping, Optional

from .._core.sql import Secret
from . import files


def read_password(options: Mapping[str, Any], check_mode: bool) -> Optional[Secret]:
    """Return the owner's password: the one given, that of the file, or a new one that the file then holds.

    Arguments:
        options: owner_password, owner_password_file.
    """
    path = options["owner_password_file"]
    if options["owner_password"] or not path:
        return Secret(options["owner_password"]) if options["owner_password"] else None
    content = files.read_bytes_or_none(path)
    if content is not None:
        return Secret(content.decode("utf-8").strip())
    made = secrets.token_urlsafe(32)
    if not check_mode:
        files.make_private_folder(os.path.dirname(path))
        files.write_atomically(path, (made + "\n").encode("ascii"), None)
    return Secret(made)
