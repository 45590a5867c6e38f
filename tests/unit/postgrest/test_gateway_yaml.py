# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes in files of Kong's and Envoy's, in the shape that Supabase gives them: held to golden files, byte for byte."""

import pathlib
from typing import Callable

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import gateway_yaml

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden" / "gateway"
WANTED = gateway_yaml.wanted_route("/rest/v1/", "/archon", "rest-archon")
Edit = Callable[[bytes], bytes]


def kong(data: bytes) -> bytes:
    """Return a declarative file with the route."""
    return gateway_yaml.add_to_kong(data, WANTED)


def listeners(data: bytes) -> bytes:
    """Return a file of listeners with the route."""
    return gateway_yaml.add_to_envoy(data, WANTED)


def clusters(data: bytes) -> bytes:
    """Return a file of clusters with the new one."""
    return gateway_yaml.add_cluster(data, WANTED, "rest")


FILES = [("kong.yml", kong), ("envoy-lds.yaml", listeners), ("envoy-cds.yaml", clusters)]
every_file = pytest.mark.parametrize(("name", "edit"), FILES, ids=[name for name, _edit in FILES])


def before(name: str) -> bytes:
    """Return a file as it is."""
    return (GOLDEN / name).read_bytes()


@every_file
def test_the_route_is_written_as_the_golden_file_has_it(name: str, edit: Edit) -> None:
    assert edit(before(name)) == (GOLDEN / ("after-" + name)).read_bytes()


@every_file
@pytest.mark.parametrize("form", ["as it is", "CRLF", "no last line end", "BOM"])
def test_a_second_time_changes_nothing_and_removal_gives_it_back(name: str, edit: Edit, form: str) -> None:
    data = before(name)
    if form == "CRLF":
        data = data.replace(b"\n", b"\r\n")
    elif form == "no last line end":
        data = data.rstrip(b"\n")
    elif form == "BOM":
        data = b"\xef\xbb\xbf" + data
    after = edit(data)
    assert after != data
    assert edit(after) == after
    assert gateway_yaml.remove(after, "/archon") == data
    # Another route stands beside it, and each goes alone.
    assert gateway_yaml.remove(after, "/other") == after


def test_kongs_copy_has_the_plugins_of_the_original() -> None:
    services = {item["name"]: item for item in yaml.safe_load(kong(before("kong.yml")))["services"]}
    original, copy = services["rest-v1"], services["rest-v1-archon"]
    assert copy["plugins"] == original["plugins"]
    assert (copy["url"], copy["routes"][0]["paths"]) == ("http://rest-archon:3000/", ["/archon/rest/v1/"])
    assert copy["_comment"] == "rows: /archon/rest/v1/* -> http://rest-archon:3000/*"
    assert copy["routes"][0]["name"] != original["routes"][0]["name"]


def test_envoys_copies_ask_for_the_keys_that_the_originals_do() -> None:
    after = yaml.safe_load(listeners(before("envoy-lds.yaml")))
    manager = after["resources"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    names = [route.get("name") for route in routes]
    assert names == [
        None,
        "rest-v1-openapi-protected",
        "rest-v1-openapi-protected-archon",
        "rest-v1-protected",
        "rest-v1-protected-archon",
        None,
    ]
    for original, copy in ((routes[1], routes[2]), (routes[3], routes[4])):
        assert copy["typed_per_filter_config"] == original["typed_per_filter_config"]
        assert copy["route"] == dict(original["route"], cluster="rest-archon")
    assert gateway_yaml.cluster_of(before("envoy-lds.yaml"), "/rest/v1/") == "rest"


def test_another_port_is_written_where_there_is_one() -> None:
    wanted = gateway_yaml.wanted_route("/rest/v1/", "/archon", "rest-archon:3100")
    assert b"url: http://rest-archon:3100/ " in gateway_yaml.add_to_kong(before("kong.yml"), wanted)
    assert b"port_value: 3100" in gateway_yaml.add_cluster(before("envoy-cds.yaml"), wanted, "rest")
    split = b"services:\n  - name: a\n    host: rest\n    port: 3000\n    routes:\n"
    split += b"      - name: b\n        paths: [/rest/v1/]\n"
    after = yaml.safe_load(gateway_yaml.add_to_kong(split, wanted))["services"][1]
    assert (after["host"], after["port"], after["routes"][0]["paths"]) == ("rest-archon", 3100, ["/archon/rest/v1/"])


@pytest.mark.parametrize(
    ("edit", "old", "new", "says"),
    [
        (kong, b'"/rest/v1/"', b'"/rest/v1"', "Did you mean /rest/v1?"),
        (
            kong,
            b'"/rest/v1/"',
            b"/x/",
            "There is no route /rest/v1/ in Kong's declarative file. It has: /, /auth/v1/, /x/.",
        ),
        (kong, b"  - name: rest-v1\n", b"  - id: 1\n    name: rest-v1\n", "it has an id"),
        (kong, b"    url: http://rest:3000/ ", b"    url: $REST ", "no host that can be told"),
        (kong, b"    url: http://rest:3000/ ", b"    retries: 1 ", "neither url nor host"),
        (kong, b"      - name: rest-v1-all\n        strip_path", b"      - strip_path", "it has no name"),
        (
            kong,
            b"    plugins:\n      - name: cors\n      - name: key-auth",
            b"    plugins: &p\n      - name: key-auth",
            "anchor p",
        ),
        (kong, b"  - name: rest-v1\n", b"  - \n    name: rest-v1\n", "doesn't begin a line of its own"),
        (kong, b"services:", b"services: [", "is not YAML"),
        (listeners, b"prefix: /auth/v1/", b"prefix: /arch", "would take the requests of /archon/rest/v1/"),
        (listeners, b"prefix: /auth/v1/", b"prefix: /archon/rest/v1/", "has a route /archon/rest/v1/ already"),
        (
            listeners,
            b"                          cluster: rest\n",
            b"                          weighted: 1\n",
            "leads to no cluster",
        ),
        (clusters, b"    name: auth\n", b"    name: rest-archon\n", "has a cluster rest-archon already"),
        (clusters, b"    name: rest\n", b"    name: api\n", "There is no cluster rest"),
        (clusters, b"                    port_value: 3000\n", b"", "no address or no port_value"),
    ],
)
def test_what_cannot_be_copied_is_said_and_nothing_written(edit: Edit, old: bytes, new: bytes, says: str) -> None:
    name = next(name for name, known in FILES if known is edit)
    data = before(name)
    assert old in data
    with pytest.raises((InputError, ConflictError)) as caught:
        edit(data.replace(old, new))
    assert says in str(caught.value)


def test_a_route_of_that_path_that_is_somebody_elses_stays() -> None:
    with pytest.raises(ConflictError, match="has a route /archon/rest/v1/ already, and it isn't marked as ours"):
        kong(before("kong.yml").replace(b"- /auth/v1/", b"- /archon/rest/v1/"))


def test_a_mark_without_its_counterpart_is_refused() -> None:
    after = kong(before("kong.yml"))
    broken = after.replace(b"  # bulkhead: route /archon (end)\n", b"")
    with pytest.raises(ConflictError, match="without its counterpart"):
        kong(broken)


@pytest.mark.parametrize(("path", "cluster"), [("/nothing/", "can't be told"), ("/rest/v1/", "")])
def test_the_cluster_of_a_route(path: str, cluster: str) -> None:
    if not cluster:
        assert gateway_yaml.cluster_of(before("envoy-lds.yaml"), path) == "rest"
        return
    with pytest.raises(InputError, match=cluster):
        gateway_yaml.cluster_of(before("envoy-lds.yaml"), path)


def test_credentials_are_not_shown() -> None:
    shown = gateway_yaml.for_display(before("kong.yml"))
    assert "written-out-for-the-test" not in shown
    assert "key: ********" in shown
    assert "$SUPABASE_ANON_KEY" in shown
    assert "${SERVICE_ROLE_KEY}" in gateway_yaml.for_display(before("envoy-lds.yaml"))
