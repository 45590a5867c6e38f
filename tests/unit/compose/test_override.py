# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The override file: made, edited, and gone again."""

from typing import Dict, List, Optional

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.outcome import Edited
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.override import (
    plan_override_environment,
    plan_override_hosts,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.service import (
    add_service,
    has_service,
    remove_service,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, StateError

HOSTS: Dict[str, Optional[str]] = {"host.docker.internal": "host-gateway"}
BASE = (
    b"services:\n  web:\n    image: x\n    environment: {A: x}\n  db:\n    image: y\n    extra_hosts: ['h:1.1.1.1']\n"
)


def hosts(
    data: Optional[bytes], services: List[str], present: bool, wanted: Optional[Dict[str, Optional[str]]] = None
) -> Edited:
    return plan_override_hosts([Document(BASE)], data, services, wanted or HOSTS, present, "override")


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"services:\n    other:\n        image: z\n",
        b"# mine\nvolumes: {}\n",
        b"services:\r\n  web:\r\n    restart: always\r\n    ports:\r\n    - 1:2",
        b"services:\n  web:\n    extra_hosts:\n      - a:1.1.1.1\n",
    ],
)
def test_added_and_taken_back(data: Optional[bytes]) -> None:
    first = hosts(data, ["web", "db"], True)
    assert first.changed
    assert first.changed_services == ["web", "db"]
    assert first.data is not None
    assert first.data.count(b"host.docker.internal") == 2
    assert not hosts(first.data, ["*"], True).changed
    last = hosts(first.data, ["*"], False)
    assert last.data == data
    assert not hosts(data, ["*"], False).changed


def test_a_file_of_comments_is_kept() -> None:
    edited = hosts(b"# mine\n", ["web"], True)
    assert edited.data is not None
    assert edited.data.startswith(b"# mine\nservices:\n  web:\n")


def test_what_the_base_file_says() -> None:
    with pytest.raises(ConflictError, match=r"1\.1\.1\.1"):
        hosts(None, ["db"], True, {"h": "2.2.2.2"})
    with pytest.raises(StateError, match="mode=inline"):
        hosts(None, ["db"], False, {"h": "1.1.1.1"})
    assert not hosts(None, ["db"], True, {"h": "1.1.1.1"}).changed


def test_variables() -> None:
    bases = [Document(BASE)]
    first = plan_override_environment(bases, None, ["web"], {"A": "z", "B": "1"}, "override")
    assert first.data == b'services:\n  web:\n    environment:\n      A: "z"\n      B: "1"\n'
    assert not plan_override_environment(bases, first.data, ["web"], {"A": "z"}, "override").changed
    last = plan_override_environment(bases, first.data, ["web"], {"A": None, "B": None}, "override")
    assert last.changed
    assert last.data is None
    with pytest.raises(StateError, match="mode=inline"):
        plan_override_environment(bases, None, ["web"], {"A": None}, "override")


DEFINITION = {
    "image": "postgrest/postgrest:v12",
    "restart": "unless-stopped",
    "environment": {"PGRST_DB_URI": "postgres://a:${PW}@db/x", "PGRST_SERVER_PORT": 3000, "EMPTY": "", "YES": "yes"},
    "ports": ["127.0.0.1:3002:3000"],
    "read_only": True,
    "healthcheck": {"test": ["CMD", "true"]},
    "networks": {"default": None},
}


@pytest.mark.parametrize(
    "data", [None, b"services:\n    web:\n        image: x", b"services: {web: {image: x}}\n", b"x-a: 1\n"]
)
def test_a_service(data: Optional[bytes]) -> None:
    added = add_service(data, "rest-2", DEFINITION)
    assert has_service(added, "rest-2", DEFINITION)
    assert add_service(added, "rest-2", DEFINITION) == added
    changed = add_service(added, "rest-2", dict(DEFINITION, image="other"))
    assert has_service(changed, "rest-2", dict(DEFINITION, image="other"))
    assert not has_service(changed, "rest-2", DEFINITION)
    assert remove_service(added, "rest-2") == data
    assert remove_service(added, "nobody") == added
