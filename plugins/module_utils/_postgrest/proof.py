# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that an instance serves the wanted database: readiness alone proves neither role nor database."""

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from .._core.errors import VerificationError

# What a request's answer says, and what mends it: PostgREST's documented error codes, seen on versions 13 and 14.
_REMEDIES = {
    "PGRST002": "The instance can't read its database: see whether that exists, and the schemas it is to serve.",
    "PGRST205": "The instance doesn't know the table: reload its schema cache (NOTIFY pgrst, 'reload schema').",
    "PGRST301": "The key isn't signed with the instance's JWT secret.",
    "PGRST302": "The instance has no anonymous role, and the request carried no token.",
    "PGRST303": "The key has expired.",
    "22023": "The role that the key or db-anon-role names doesn't exist.",
    "42501": "The role isn't granted to authenticator, or not the table to the role.",
}


def judge(
    answer: Optional[Tuple[int, Mapping[str, Any]]], sessions: List[str], database: str, error: str = ""
) -> Optional[VerificationError]:
    """Return None where the instance serves the database, else what is wrong and what mends it.

    Arguments:
        answer: status and body (where that is an object) of a request that must succeed; None: nobody answered.
        sessions: the databases that the instance's own sessions are in.
        error: why nobody answered.
    """
    if answer is None:
        return VerificationError("Nobody answers: %s." % error, "See whether the gateway runs and publishes that port.")
    status, body = answer
    if status == 404 and "code" not in body:
        return VerificationError(
            "The gateway has no such route (404).", "Add it with gateway_route, and reload the gateway."
        )
    if status != 200:
        code = str(body.get("code") or "")
        if status == 401 and not code:
            return VerificationError("The gateway refuses the key (401).", "Give the key that the gateway knows.")
        return VerificationError(
            "The request is answered with %d %s: %s."
            % (status, code, str(body.get("message") or "no message").rstrip(".")),
            _REMEDIES.get(code, "See the instance's log."),
        )
    wrong = sorted(set(sessions) - {database})
    if wrong:
        return VerificationError(
            "The instance is connected to %s, not to %s." % (", ".join(wrong), database),
            "Give it a new container: its environment can't change while it runs.",
        )
    if not sessions:
        return VerificationError("The instance has no session in any database.", "See its log.")
    return None


def wait_for(
    ask: Callable[[], Optional[VerificationError]],
    clock: Callable[[], float],
    pause: Callable[[], None],
    timeout_s: float,
) -> Dict[str, Any]:
    """Ask until nothing is wrong. Raises the last VerificationError when the time is over."""
    began = clock()
    while True:
        wrong = ask()
        if wrong is None:
            return {"waited_s": round(clock() - began, 2)}
        if clock() - began >= timeout_s:
            raise wrong
        pause()
