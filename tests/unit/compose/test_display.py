# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diff shows of a compose file: its lines, and none of its secrets."""

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.display import shown


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("PGRST_DB_URI: postgres://a:hunter2@db/postgres", "PGRST_DB_URI: postgres://a:********@db/postgres"),
        ("PGRST_DB_URI: postgres://a:${P}@db/postgres", None),
        ("PGRST_DB_URI: host=db password=hunter2 user=a", "PGRST_DB_URI: host=db password=******** user=a"),
        ("PGRST_JWT_SECRET: '0123456789abcdef'", "PGRST_JWT_SECRET: '********'"),
        ('PGRST_JWT_SECRET_IS_BASE64: "true"', None),
        ("JWT_SECRET: ${JWT_SECRET:?}", None),
        ("API_KEY: |\n        one\n        two", "API_KEY: |\n********\n********"),
        ("TOKEN: &token abc # why", "TOKEN: &token ******** # why"),
        ("LEVEL: info", None),
        ("PASSWORD:", None),
    ],
)
def test_a_variable(line: str, seen: "str | None") -> None:
    text = "# stack\r\nservices:\n  web:\n    environment:\n      %s\n  db: {image: x}\n"
    assert shown((text % line).encode(), "x") == text % (line if seen is None else seen)


def test_a_list_a_command_and_a_build_argument() -> None:
    data = (
        b"services:\n  db:\n    environment: [POSTGRES_PASSWORD=hunter2, A=b]\n"
        b"    command: [run, '--dsn=postgres://a:hunter2@db/x']\n    build: {args: {NPM_TOKEN: hunter2}}\n"
    )
    text = shown(data, "x")
    assert "hunter2" not in text
    assert text.count("********") == 3
    assert "A=b" in text


def test_no_file_is_no_text() -> None:
    assert shown(None, "x") == ""
