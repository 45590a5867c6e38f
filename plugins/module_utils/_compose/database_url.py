# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A variable that holds a database's whole URL: the same with another host, database, role and password."""

import re
from typing import Mapping, Optional
from urllib.parse import quote

from .._core.errors import InputError

PARTS = ("host", "port", "database", "user", "password")
# A default in Compose's ${NAME:-…} ends with a brace.
# A program may name its driver there: postgresql+asyncpg.
_SCHEME = re.compile(r"(?:^|[^A-Za-z0-9+])(?P<scheme>postgres(?:ql)?(?:\+[a-z0-9_]+)?)://")
_QUERY = re.compile(r"^[^?]*://[^?]*\?(?P<query>[^}\s]*)")


def database_url(name: str, current: Optional[str], parts: Mapping[str, str]) -> str:
    """Return the value for a variable, as a compose file or an env file writes it.

    Arguments:
        name: the variable. current: what it is written as now; its scheme stays, and what follows its question mark,
            unless a reference is in it.
        parts: all of PARTS, as they are: they are escaped here.

    Raises:
        InputError: a part is missing.
    """
    missing = [part for part in PARTS if not parts.get(part)]
    if missing:
        raise InputError("The URL for %s lacks %s." % (name, ", ".join(missing)), "Name all of: %s." % ", ".join(PARTS))
    user, password, database = (quote(parts[part], safe="") for part in ("user", "password", "database"))
    scheme = _SCHEME.search(current or "")
    place = (user, password, parts["host"], parts["port"], database)
    url = (scheme.group("scheme") if scheme else "postgresql") + "://%s:%s@%s:%s/%s" % place
    found = _QUERY.match(current or "")
    query = found.group("query") if found else ""
    return url + ("?" + query if query and "$" not in query else "")
