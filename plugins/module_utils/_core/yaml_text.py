# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data as YAML text, by PyYAML: a host without it is told so when it is needed, not when a module is loaded."""

from typing import Any, Optional

from .errors import OutsideError

try:
    import yaml
except ImportError as import_error:
    YAML_IMPORT_ERROR: Optional[ImportError] = import_error
else:
    YAML_IMPORT_ERROR = None


def dump(value: Any, width: int = 10**6, flow: bool = False) -> str:
    """Return a value as YAML, in the order that it has.

    Arguments:
        width: characters, from which on a text is broken.
        flow: whether collections are written in brackets and braces.

    Raises:
        OutsideError: PyYAML is missing.
    """
    if YAML_IMPORT_ERROR is not None:
        raise OutsideError(
            "The Python library PyYAML is missing on this host: %s." % YAML_IMPORT_ERROR,
            "Install Debian's python3-yaml, or `pip install pyyaml`, for the Python that Ansible uses here.",
        )
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=width, default_flow_style=flow))
