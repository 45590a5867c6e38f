# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that nobody thought of: made by Hypothesis, dumped in a random manner, edited and taken back."""

from typing import Any, Dict, Optional

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.environment import plan_environment
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.extra_hosts import plan_absent, plan_present
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError
from ansible_collections.bulkhead.stack.tests.unit.compose.strategies import Made, made_files, texts

HOSTS: Dict[str, Optional[str]] = {"host.docker.internal": "host-gateway"}
ENTRY = "host.docker.internal:host-gateway"


def meaning(document: Document) -> Any:
    return yaml.safe_load(document.text)["services"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=made_files(), pure=st.booleans())
def test_any_file(made: Made, pure: bool) -> None:
    document = Document(made.data, pure=pure)
    after = plan_present(document, [made.service], HOSTS).document
    assert after is not None
    expected = meaning(document)
    expected[made.service]["extra_hosts"] = [ENTRY]
    assert meaning(after) == expected
    assert plan_present(after, [made.service], HOSTS).document is None
    back = plan_absent(after, [made.service], HOSTS).document
    assert back is not None
    assert back.data == made.data


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=made_files(), value=texts, pure=st.booleans())
def test_any_variable(made: Made, value: str, pure: bool) -> None:
    document = Document(made.data, pure=pure)
    after = plan_environment(document, [made.service], {"NEW": value}).document
    assert after is not None
    expected = meaning(document)
    expected[made.service]["environment"] = {"NEW": value}
    assert meaning(after) == expected
    assert plan_environment(after, [made.service], {"NEW": value}).document is None
    back = plan_environment(after, [made.service], {"NEW": None}).document
    assert back is not None
    assert back.data == made.data


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=made_files(shared=True))
def test_what_is_shared_is_refused_and_nothing_else(made: Made) -> None:
    document = Document(made.data)
    sharers = sorted({*made.sharers, *made.list_sharers})
    if sharers:
        with pytest.raises(ConflictError) as caught:
            plan_present(document, [made.service], HOSTS)
        assert caught.value.details["shared_with"] == sharers
    asked = [made.service, *sharers]
    after = plan_present(document, asked, HOSTS).document
    assert after is not None
    expected = meaning(document)
    for name in asked:
        expected[name] = {**expected[name], "extra_hosts": [*expected[name].get("extra_hosts", []), ENTRY]}
    assert meaning(after) == expected
    back = plan_absent(after, asked, HOSTS).document
    assert back is not None
    assert back.data == made.data
