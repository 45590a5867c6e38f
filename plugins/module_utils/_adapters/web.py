# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP requests, through requests."""

from typing import Any, Dict, Mapping, Optional, Tuple

from .._core.errors import OutsideError

try:
    import requests
except ImportError as import_error:
    REQUESTS_IMPORT_ERROR: Optional[ImportError] = import_error
else:
    REQUESTS_IMPORT_ERROR = None


def get_json(url: str, headers: Mapping[str, str], timeout_s: float = 10) -> Tuple[int, Dict[str, Any]]:
    """Return status and body of a GET; a body that is no JSON object counts as an empty one.

    Raises:
        OutsideError: nobody answered.
    """
    if REQUESTS_IMPORT_ERROR is not None:
        raise OutsideError("The Python library requests is missing on this host.", "Install Debian's python3-requests.")
    try:
        # What proxies the environment names is for the world outside, not for a container next door.
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(url, headers=dict(headers), timeout=timeout_s)
    except requests.exceptions.RequestException as error:
        cause = str(getattr(error, "args", [""])[0])
        raise OutsideError(
            "%s can't be reached (%s)." % (url, cause.rsplit(":", 1)[-1].strip(" ')") or type(error).__name__)
        ) from error
    try:
        body = response.json()
    except ValueError:
        body = {}
    return response.status_code, body if isinstance(body, dict) else {}
