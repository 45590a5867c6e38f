# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP requests, through requests."""

import re
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

from .._compose.dotenv import read_dotenv
from .._core.errors import InputError, OutsideError
from .files import read_bytes

try:
    import requests
except ImportError as import_error:
    REQUESTS_IMPORT_ERROR: Optional[ImportError] = import_error
else:
    REQUESTS_IMPORT_ERROR = None


def read_key(path: Optional[str], variable: Optional[str]) -> str:
    """Return the key that a dotenv file's variable holds; an empty text where no file is named.

    Raises:
        InputError: the file has no such variable, or what it holds is no key.
    """
    if not path:
        return ""
    found = read_dotenv(read_bytes(path), path).get(variable or "")
    if not found:
        raise InputError("%s holds no %s." % (path, variable), "Name the variable that holds the key.")
    if not found.isascii() or not found.isprintable() or " " in found:
        # The library would say so itself, with the key in its message.
        raise InputError("%s of %s holds what no header may." % (variable, path), "Write the key alone, in one line.")
    return found


def key_headers(key: str) -> Dict[str, str]:
    """Return the headers in which a gateway of Supabase's kind and PostgREST look for a key; none for an empty one."""
    return {"apikey": key, "Authorization": "Bearer " + key} if key else {}


# How errors of the network say that an address is none that this host can reach.
_NO_WAY = ("No route to host", "Network is unreachable", "Host is unreachable", "Connection timed out")
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")


class Answer(NamedTuple):
    """What came of a request.

    Arguments:
        status: 0 where nobody answered. body: the answer's JSON object, empty where it is none.
        location: where a redirect leads. error: why nobody answered.
        is_reachable: whether anybody could have: an address may be none that this host reaches.
    """

    status: int
    body: Dict[str, Any] = {}
    location: str = ""
    error: str = ""
    is_reachable: bool = True


def get_json(url: str, headers: Mapping[str, str], timeout_s: float = 10) -> Tuple[int, Dict[str, Any]]:
    """Return status and body of a GET; a body that is no JSON object counts as an empty one.

    Raises:
        OutsideError: nobody answered.
    """
    answer = _get(url, headers, timeout_s, timeout_s, True)
    if not answer.status:
        raise OutsideError("%s can't be reached (%s)." % (url, answer.error))
    return answer.status, answer.body


def ask(url: str, headers: Mapping[str, str], timeout_s: float, connect_timeout_s: float) -> Answer:
    """Return what comes of a GET. Redirects aren't followed: what the headers hold is for this server alone.

    Raises:
        OutsideError: the library is missing.
    """
    return _get(url, headers, timeout_s, connect_timeout_s, False)


def _get(url: str, headers: Mapping[str, str], timeout_s: float, connect_timeout_s: float, follow: bool) -> Answer:
    if REQUESTS_IMPORT_ERROR is not None:
        raise OutsideError("The Python library requests is missing on this host.", "Install Debian's python3-requests.")
    try:
        # What proxies the environment names is for the world outside, not for a container next door.
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(
                url, headers=dict(headers), timeout=(connect_timeout_s, timeout_s), allow_redirects=follow
            )
    except requests.exceptions.RequestException as error:
        text = str(getattr(error, "args", [""])[0])
        no_way = isinstance(error, requests.exceptions.ConnectTimeout) or any(words in text for words in _NO_WAY)
        cause = _ERRNO.sub("", text.rsplit(":", 1)[-1].strip(" '\")"))
        return Answer(0, error=cause or type(error).__name__, is_reachable=not no_way)
    try:
        body = response.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    return Answer(response.status_code, body, response.headers.get("Location") or "")
