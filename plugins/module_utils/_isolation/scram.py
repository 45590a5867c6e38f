# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM-SHA-256 verifiers, computed here so that a password never travels in a statement.

Format and arithmetic: RFC 5802 section 3, RFC 7677, and PostgreSQL's "pg_authid" (rolpassword).
"""

import base64
import hashlib
import hmac
import unicodedata
from typing import Optional

ITERATIONS = 4096


def make_verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """Return what rolpassword holds for this password: ``SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>``."""
    # What clients do before they answer: of SASLprep (RFC 4013) this is the part that changes characters.
    prepared = unicodedata.normalize("NFKC", password)
    salted = hashlib.pbkdf2_hmac("sha256", prepared.encode("utf-8"), salt, iterations)
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    encode = base64.b64encode
    return "SCRAM-SHA-256$%d:%s$%s:%s" % (
        iterations,
        encode(salt).decode("ascii"),
        encode(stored_key).decode("ascii"),
        encode(server_key).decode("ascii"),
    )


def matches(password: str, verifier: Optional[str]) -> bool:
    """Return whether a stored verifier is one of this password: the same salt gives the same verifier."""
    if not verifier or not verifier.startswith("SCRAM-SHA-256$"):
        return False
    try:
        iterations, salt = verifier.split("$")[1].split(":")
        computed = make_verifier(password, base64.b64decode(salt), int(iterations))
    except (ValueError, IndexError):
        return False
    return hmac.compare_digest(computed, verifier)
