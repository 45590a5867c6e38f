# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a document says of a host is what servers and containers said; where the description differs, that too."""

import copy
from typing import Any, Dict, List

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import DescriptionError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._documents.containers import read_definition
from ansible_collections.bulkhead.stack.plugins.module_utils._documents.model import documentation
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.documents import project_documents
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.spec import BLOCKS
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate

PROFILES: Dict[str, Any] = {"archon": {"owns": {"tables": "public.archon_*"}}}
DESCRIPTION: Dict[str, Any] = {
    "clusters": {"main": {"container": "db", "password": "hunter2"}},
    "databases": {
        "postgres": {"cluster": "main", "backup": {"schedule": "@daily", "retention": {"last": 3, "within": "7d"}}},
        "archon_db": {"cluster": "main", "holds": "Archon|x", "owner": "archon", "rpo": "1d"},
        "gone_db": {"cluster": "main"},
    },
    "services": {
        "archon-server": {
            "compose_file": "/srv/archon/compose.yml",
            "database": "archon_db",
            "profile": "archon",
            "reaches_host": True,
        },
        "other": {"compose_file": "/srv/other/compose.yml"},
    },
    "neighbours": {"qdrant": {"url": "http://localhost:6333"}, "mail": {"url": "http://localhost:1", "required": True}},
    "documents": ["/srv/README.md", {"path": "/srv/CLAUDE.md", "blocks": ["backups"]}],
}


def database(name: str, **more: Any) -> Dict[str, Any]:
    """Return a database as the server tells it."""
    return {"name": name, "owner": "postgres", "tables": 1, "size_bytes": 1, "tenants": {}, "groups": [], **more}


def container(**more: Any) -> Dict[str, Any]:
    """Return a container's definition."""
    found: Dict[str, Any] = {"image": "pg:15", "networks": ["a"], "network_mode": "a", "published": [], "hosts": []}
    return {**found, "variables": ["POSTGRES_PASSWORD"], **more}


CLUSTER = {
    "version": "15.1",
    "databases": [
        database("archon_db"),
        database("postgres", tenants={"archon": 11}, groups=[{"label": "public.x_*"}], archived={"old_archive": 2}),
        database("stray"),
    ],
}
CONTAINERS = {"db": container(published=["5433:5432"]), "archon-server": container(networks=["b"]), "other": None}


def model(description: Any = None, cluster: Any = None, containers: Any = None) -> Dict[str, Any]:
    """Return the blocks' views."""
    wanted = project_documents(validate(copy.deepcopy(description or DESCRIPTION), PROFILES), PROFILES)
    return documentation(wanted, [cluster or CLUSTER], containers or CONTAINERS, "here", "/inv")


def test_there_is_a_view_of_each_block() -> None:
    assert tuple(model()) == BLOCKS


def test_where_the_tables_are_is_read_off_the_server() -> None:
    view = model()["architecture"]
    assert "`archon-server`: described as `archon_db`, found in `postgres`." in view["differences"]
    moved = {
        "version": "15.1",
        "databases": [database("archon_db", owner="archon", tenants={"archon": 11}), database("postgres")],
    }
    later = model(cluster=moved)["architecture"]
    assert not [line for line in later["differences"] if "archon" in line]
    assert any("archon_db" in row and "| `archon`" in row for row in later["databases"])
    both = {"version": "15.1", "databases": [*moved["databases"], CLUSTER["databases"][1]]}
    assert any(
        "found in `archon_db` and `postgres`" in line for line in model(cluster=both)["architecture"]["differences"]
    )


def test_what_else_differs_is_said() -> None:
    differences = model()["architecture"]["differences"]
    assert "Database `archon_db`: its owner is described as `archon`, found was `postgres`." in differences
    assert "Database `gone_db`: described, and not on server `main`." in differences
    assert "Database `stray`: on server `main`, and not described." in differences
    nowhere = {"version": "15.1", "databases": [database("postgres")]}
    assert any("were found nowhere" in line for line in model(cluster=nowhere)["architecture"]["differences"])


def test_sizes_counts_and_dates_stay_out() -> None:
    later: Any = copy.deepcopy(CLUSTER)
    for item in later["databases"]:
        item.update(size_bytes=10**9, tables=99, tenants=dict.fromkeys(item["tenants"], 99))
    assert model(cluster=later) == model()


def test_what_somebody_wrote_cannot_end_a_cell_and_nothing_is_secret() -> None:
    text = str(model())
    assert r"Archon\\|x" in text
    assert "hunter2" not in text


def test_the_way_to_the_server() -> None:
    view = model()["connections"]
    assert any("`db:5432`" in row and "`5433:5432`" in row for row in view["servers"])
    assert view["differences"] == [
        "`archon-server` shares no network with its database's server: it gets there over the host alone."
    ]
    alone = dict(CONTAINERS, db=container(networks=["bridge"]))
    assert any("by its address alone" in row for row in model(containers=alone)["connections"]["servers"])
    near = dict(CONTAINERS, **{"archon-server": container()})
    assert model(containers=near)["connections"]["differences"] == []


def test_containers_that_are_not_there() -> None:
    views = model()
    assert views["inventory"]["differences"] == ["There is no container `other`."]
    assert views["environment"]["differences"] == ["There is no container `other`."]


def test_the_host_by_its_name() -> None:
    view = model()["dns"]
    assert view["ask"] == "docker exec archon-server getent hosts host.docker.internal"
    assert len(view["differences"]) == 1
    named = dict(CONTAINERS, **{"archon-server": container(hosts=["host.docker.internal"])})
    assert model(containers=named)["dns"]["differences"] == []


def test_backups_and_neighbours() -> None:
    views = model()
    rows: List[str] = views["backups"]["databases"]
    assert any("`@daily`" in row and "the newest 3" in row and "all of 7 d" in row for row in rows)
    assert views["backups"]["undumped"] == "`archon_db` and `gone_db`"
    rows = views["neighbours"]["neighbours"]
    assert any("qdrant" in row and "optional" in row for row in rows)
    assert any("mail" in row and "required" in row for row in rows)
    assert [item["name"] for item in views["restore"]["databases"]] == ["`postgres`"]


def test_a_cluster_that_was_not_read_is_an_error() -> None:
    wanted = project_documents(validate(copy.deepcopy(DESCRIPTION), PROFILES), PROFILES)
    with pytest.raises(InputError, match="0 of 1 clusters"):
        documentation(wanted, [], {}, "here", "/inv")


def test_documents_of_the_description() -> None:
    wanted = project_documents(validate(copy.deepcopy(DESCRIPTION), PROFILES), PROFILES)
    assert [(item["path"], item["blocks"]) for item in wanted["files"]] == [
        ("/srv/README.md", list(BLOCKS)), ("/srv/CLAUDE.md", ["backups"])
    ]  # fmt: skip


def test_mistakes_in_documents_are_named() -> None:
    documents = [{"path": "README.md", "blocks": ["backup"]}, "/a.md", "/a.md"]
    with pytest.raises(DescriptionError) as error:
        validate(dict(copy.deepcopy(DESCRIPTION), documents=documents), PROFILES)
    assert error.value.mistakes == [
        "documents[0].path: README.md is no absolute path.",
        "documents[0].blocks[0]: there is no block backup; did you mean backups?",
        "documents[2].path: is documents[1] once more; name it once, with all its blocks.",
    ]


def test_of_a_container_only_names_of_variables_are_told() -> None:
    inspection = {
        "Config": {"Image": "pg:15", "Env": ["PATH=/bin", "KEY=hunter2", "LANG=de"], "Labels": None},
        "HostConfig": {
            "NetworkMode": "a",
            "ExtraHosts": ["host.docker.internal:host-gateway"],
            "PortBindings": {
                "5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5433"}, {"HostIp": "127.0.0.1", "HostPort": ""}],
                "53/udp": [{"HostPort": "53"}],
                "80/tcp": [{"HostPort": "0"}],
            },
        },
        "NetworkSettings": {"Networks": {"b": {}, "a": {}}},
    }
    found = read_definition(inspection, {"Config": {"Env": ["PATH=/bin", "LANG=C"]}})
    assert found["variables"] == ["KEY", "LANG"]
    assert found["published"] == ["53:53/udp", "127.0.0.1:5433:5432", "127.0.0.1::5432", "80"]
    assert (found["networks"], found["hosts"]) == (["a", "b"], ["host.docker.internal"])
    assert "hunter2" not in str(found)
    assert "PATH" in read_definition(inspection, None)["variables"]
