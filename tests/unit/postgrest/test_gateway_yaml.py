# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes in files of Kong's and Envoy's, in the shape that Supabase gives them: held to golden files, byte for byte."""

import pathlib
import re
from typing import Any, Callable

import pytest
import yaml

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import gateway_envoy, gateway_kong, gateway_yaml

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden" / "gateway"
WANTED = gateway_yaml.wanted_route("/rest/v1/", "/archon", "rest-archon")
Edit = Callable[[bytes], bytes]


def kong(data: bytes) -> bytes:
    """Return a declarative file with the route."""
    return gateway_kong.add_to_kong(data, WANTED)


def listeners(data: bytes) -> bytes:
    """Return a file of listeners with the route."""
    return gateway_envoy.add_to_envoy(data, WANTED)


def clusters(data: bytes) -> bytes:
    """Return a file of clusters with the new one."""
    return gateway_envoy.add_cluster(data, WANTED, "rest")


FILES = [("kong.yml", kong), ("envoy-lds.yaml", listeners), ("envoy-cds.yaml", clusters)]
every_file = pytest.mark.parametrize(("name", "edit"), FILES, ids=[name for name, _edit in FILES])


def before(name: str) -> bytes:
    """Return a file as it is."""
    return (GOLDEN / name).read_bytes()


@every_file
def test_the_route_is_written_as_the_golden_file_has_it(name: str, edit: Edit) -> None:
    assert edit(before(name)) == (GOLDEN / ("after-" + name)).read_bytes()


@every_file
@pytest.mark.parametrize("form", ["as it is", "four spaces", "blank lines", "CRLF", "no last line end", "BOM"])
def test_a_second_time_changes_nothing_and_removal_gives_it_back(name: str, edit: Edit, form: str) -> None:
    data = before(name)
    if form == "CRLF":
        data = data.replace(b"\n", b"\r\n")
    elif form == "four spaces":
        data = re.sub(rb"^ +", lambda found: found.group() * 2, data, flags=re.MULTILINE)
        data = data.replace(b"- ", b"-   ")
    elif form == "blank lines":
        # Supabase's own file has lines of blanks between its routes.
        data = data.replace(b"\n\n", b"\n    \n")
    elif form == "no last line end":
        data = data.rstrip(b"\n")
    elif form == "BOM":
        data = b"\xef\xbb\xbf" + data
    after = edit(data)
    assert after != data
    if form != "four spaces":
        assert yaml.safe_load(after) == yaml.safe_load((GOLDEN / ("after-" + name)).read_bytes())
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


def manager_of(data: bytes) -> Any:
    """Return the connection manager of a file of listeners."""
    return yaml.safe_load(data)["resources"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def test_envoys_copies_ask_for_the_keys_that_the_originals_do() -> None:
    after = manager_of(listeners(before("envoy-lds.yaml")))
    routes = after["route_config"]["virtual_hosts"][0]["routes"]
    names = [route.get("name") for route in routes]
    # The filter that asks for keys knows the protected routes by their names.
    openapi, rows = "rest-v1-openapi-protected", "rest-v1-protected"
    assert names == [None, openapi, openapi, rows, rows, None]
    for original, copy in ((routes[1], routes[2]), (routes[3], routes[4])):
        assert copy["typed_per_filter_config"] == original["typed_per_filter_config"]
        assert copy["route"] == dict(original["route"], cluster="rest-archon")
    assert gateway_envoy.cluster_of(before("envoy-lds.yaml"), "/rest/v1/") == "rest"


def test_envoys_filters_permit_the_new_path_as_the_old_one() -> None:
    def allowed(data: bytes) -> list[str]:
        policy = manager_of(data)["http_filters"][1]["typed_config"]["rules"]["policies"]["apikey"]
        return [item["url_path"]["path"]["prefix"] for item in policy["permissions"]]

    data = before("envoy-lds.yaml")
    assert allowed(listeners(data)) == ["/auth/v1/", "/rest/v1/", "/archon/rest/v1/", "/graphql/v1"]
    # One that permits more than the route, and one that says how the path is asked in another way.
    data = data.replace(b"prefix: /rest/v1/  # rows", b"prefix: /rest/")
    assert allowed(listeners(data)) == ["/auth/v1/", "/rest/", "/archon/rest/", "/graphql/v1"]


def test_envoys_listeners_and_clusters_may_be_one_file() -> None:
    data = b"static_resources:\n  listeners:\n"
    data += re.sub(rb"^(?=.)", b"  ", before("envoy-lds.yaml").partition(b"\n")[2], flags=re.MULTILINE)
    data += b"  clusters:\n"
    data += re.sub(rb"^(?=.)", b"  ", before("envoy-cds.yaml").partition(b"\n")[2], flags=re.MULTILINE)
    after = gateway_envoy.add_to_envoy(data, WANTED, "rest")
    names = [cluster["name"] for cluster in yaml.safe_load(after)["static_resources"]["clusters"]]
    assert names == ["auth", "rest", "rest-archon"]
    assert gateway_envoy.add_to_envoy(after, WANTED, "rest") == after
    assert gateway_yaml.remove(after, "/archon") == data


def test_another_port_is_written_where_there_is_one() -> None:
    wanted = gateway_yaml.wanted_route("/rest/v1/", "/archon", "rest-archon:3100")
    assert b"url: http://rest-archon:3100/ " in gateway_kong.add_to_kong(before("kong.yml"), wanted)
    assert b"port_value: 3100" in gateway_envoy.add_cluster(before("envoy-cds.yaml"), wanted, "rest")
    split = b"services:\n  - name: a\n    host: rest\n    port: 3000\n    routes:\n"
    split += b"      - name: b\n        paths: [/rest/v1/]\n"
    after = yaml.safe_load(gateway_kong.add_to_kong(split, wanted))["services"][1]
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
        (kong, b"  - name: rest-v1\n", b"  - &s\n    name: rest-v1\n", "it has the anchor s"),
        (kong, b'        paths:\n          - "/rest/v1/"', b"        paths: *p", "by an alias"),
        (
            kong,
            b'        strip_path: true\n        paths:\n          - "',
            b'        strip_path: false\n        paths:\n          - "',
            "isn't stripped",
        ),
        (kong, b"      - name: key-auth\n", b"      - name: key-auth\n        id: 1\n", "it has an id"),
        (
            kong,
            b"acls:",
            b"plugins:\n  - name: jwt\n    route: rest-v1-all\nacls:",
            "belongs to rest-v1-all by its name",
        ),
        (kong, b"- name: auth-v1-all", b"- name: rest-v1-all-archon", "has the name rest-v1-all-archon already"),
        (kong, b"  - name: rest-v1\n", b"  - \n    name: rest-v1\n", "doesn't begin a line of its own"),
        (kong, b"services:", b"services: [", "is not YAML"),
        (listeners, b"prefix: /auth/v1/", b"prefix: /arch", "would take the requests of /archon/rest/v1/"),
        (
            listeners,
            b"  prefix: /auth/v1/\n",
            b"  path_separated_prefix: /archon\n",
            "with the prefix /archon, would take",
        ),
        (listeners, b"prefix: /auth/v1/", b"prefix: /archon/rest/v1/", "has a route /archon/rest/v1/ already"),
        (
            listeners,
            b"                          cluster: rest\n",
            b"                          weighted: 1\n",
            "leads to no cluster",
        ),
        (
            listeners,
            b"                          prefix_rewrite: /\n                        request",
            b"                        request",
            "its path isn't rewritten",
        ),
        (listeners, b"http_filters:", b"other_filters:", "it has no http_filters"),
        (
            listeners,
            b"local name = ",
            b'local rows = "/rest/v1/"; local name = ',
            "treats the path /rest/v1/ in a way of its own",
        ),
        (
            listeners,
            b"prefix: /graphql/v1",
            b"safe_regex: {regex: '^/(rest|graphql)/v1/'}",
            "treats the path /rest/v1/ in a way",
        ),
        (
            listeners,
            b"- url_path:\n" + b" " * 32 + b"path:\n" + b" " * 34 + b"prefix: /rest/v1/  # rows",
            b"- not_rule: {url_path: {path: {prefix: /rest/v1/}}}",
            "a permission with not_rule",
        ),
        (clusters, b"    name: auth\n", b"    name: rest-archon\n", "has a cluster rest-archon already"),
        (clusters, b"    name: rest\n", b"    name: api\n", "There is no cluster rest"),
        (clusters, b"                    port_value: 3000\n", b"", "no address or no port_value"),
    ],
)
def test_what_cannot_be_copied_is_said_and_nothing_written(edit: Edit, old: bytes, new: bytes, says: str) -> None:
    name = next(name for name, known in FILES if known is edit)
    data = before(name)
    if b"*p" in new:
        data = data.replace(b"        paths:\n          - /auth/v1/", b"        paths: &p\n          - /rest/v1/")
        data = data.replace(b"  - name: auth-v1\n", b"  - name: rest-v1-too\n")
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
        assert gateway_envoy.cluster_of(before("envoy-lds.yaml"), path) == "rest"
        return
    with pytest.raises(InputError, match=cluster):
        gateway_envoy.cluster_of(before("envoy-lds.yaml"), path)


def test_kongs_names_that_must_not_be_there_twice_get_the_suffix() -> None:
    data = before("kong.yml").replace(
        b"      - name: key-auth\n", b"      - name: key-auth\n        instance_name: keys\n"
    )
    copy = yaml.safe_load(kong(data))["services"][2]
    assert copy["plugins"][1]["instance_name"] == "keys-archon"
    # Paths in flow style, and a prefix of two parts.
    data = data.replace(b'        paths:\n          - "/rest/v1/"', b"        paths: [ '/rest/v1/', /rows ]")
    wanted = gateway_yaml.wanted_route("/rest/v1/", "/a/b", "rest-b")
    after = gateway_kong.add_to_kong(data, wanted)
    assert b"        paths: [ '/a/b/rest/v1/', /a/b/rows ]" in after
    assert yaml.safe_load(after)["services"][2]["name"] == "rest-v1-a-b"


def test_a_path_begins_with_a_slash() -> None:
    with pytest.raises(InputError, match="a path begins with a slash"):
        gateway_yaml.wanted_route("~/rest/v1", "/archon", "rest-archon")


def test_credentials_are_not_shown() -> None:
    shown = gateway_yaml.for_display(before("kong.yml"))
    assert "written-out-for-the-test" not in shown
    assert "key: ********" in shown
    assert "$SUPABASE_ANON_KEY" in shown
    assert "${SERVICE_ROLE_KEY}" in gateway_yaml.for_display(before("envoy-lds.yaml"))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("    password: 'two words # and more'  # kept", "    password: '********'  # kept"),
        ("    password: two words  # kept", "    password: ********  # kept"),
        ("    password: $2y$10$abc", "    password: ********"),
        ("    password: $DASHBOARD_PASSWORD", "    password: $DASHBOARD_PASSWORD"),
        ("    password: '${DASHBOARD_PASSWORD}'", "    password: '${DASHBOARD_PASSWORD}'"),
        ('  - {key: abc, secret: "d e"}', '  - {key: ********, secret: "********"}'),
        ("    client_secret: abc\r", "    client_secret: ********\r"),
        ("      - keys: none", "      - keys: none"),
        ("    inline_string: 'admin:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc='", "    inline_string: 'admin:{SHA}********'"),
        ("  local ANON_KEY = 'abc' -- here", "  local ANON_KEY = '********' -- here"),
        ("  local ANON_KEY = '${ANON_KEY}'", "  local ANON_KEY = '${ANON_KEY}'"),
        ("  if apikey == ANON_KEY then", "  if apikey == ANON_KEY then"),
        ("  return 'sb_secret_abc'", "  return 'sb_secret_********'"),
    ],
)
def test_a_credential_is_masked_however_it_is_written(written: str, shown: str) -> None:
    assert gateway_yaml.for_display(("a: b\n%s\nc: d\n" % written).encode()) == "a: b\n%s\nc: d\n" % shown
