# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifiers, against the example of RFC 7677 and what Postgres stores."""

import base64

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._isolation.scram import make_verifier, matches

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
# RFC 7677, section 3: user "user", password "pencil".
PENCIL = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_a_password_is_prepared_as_a_client_prepares_it() -> None:
    salt = b"0123456789abcdef"
    assert make_verifier("\ufb01x", salt) == make_verifier("fix", salt)


def test_the_example_of_the_rfc() -> None:
    assert make_verifier("pencil", SALT) == PENCIL
    assert make_verifier("pencil", SALT, 4096) == PENCIL


def test_a_verifier_holds_for_its_password_only() -> None:
    assert matches("pencil", PENCIL)
    assert not matches("Pencil", PENCIL)
    assert not matches("", PENCIL)


def test_another_number_of_iterations_is_read_off_the_verifier() -> None:
    verifier = make_verifier("pencil", b"0123456789abcdef", 5000)
    assert verifier.startswith("SCRAM-SHA-256$5000:")
    assert verifier != PENCIL
    assert matches("pencil", verifier)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "md5a3556571e93b0d20722ba62be61e8c2d",
        "pencil",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$4096",
        "SCRAM-SHA-256$x:W22ZaJ0SNY7soEsUEjb6gQ==$a:b",
        "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$a:b",
        "SCRAM-SHA-256$4096:no base64!$a:b",
        PENCIL[:-1],
        PENCIL + "=",
    ],
)
def test_what_is_no_verifier_of_it_does_not_match(stored: str) -> None:
    assert not matches("pencil", stored)


def test_a_verifier_does_not_tell_the_password() -> None:
    assert "pencil" not in PENCIL
    assert make_verifier("pencil", SALT) != make_verifier("pencil", SALT[::-1])
