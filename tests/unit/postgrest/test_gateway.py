# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's second route: what is copied, what is replaced, and that removing it gives back every byte."""

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import ConflictError, InputError
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import gateway

DEMO = rb"""# Gateway { in front of PostgREST.
map $http_apikey $key_ok {
    default 0;
    "{odd;}" 1;  # } a brace in a comment
}

server {
    listen 8000;

    location = /health {
        return 200 '{"status":"ok"}';
    }

    location /rest/v1/ {
        default_type application/json;
        if ($key_ok = 0) {
            return 401 '{"message":"No API key found in request"}';
        }
        # the upstream is rest:3000 }
        set $rest http://rest:3000;
        rewrite ^/rest/v1/(.*)$ /$1 break;
        proxy_pass $rest;
        proxy_set_header Authorization $authorization;
        proxy_set_header X-Forwarded-Prefix /rest/v1;
    }

    # location /other/rest/v1/ { set $rest http://other-rest:3000; }

    location / {
        return 404 '{"message":"no Route matched with those values"}';
    }
}
"""

DEMO_COPY = rb"""
    # bulkhead: route /archon (begin)
    location /archon/rest/v1/ {
        default_type application/json;
        if ($key_ok = 0) {
            return 401 '{"message":"No API key found in request"}';
        }
        # the upstream is rest-archon:3000 }
        set $rest http://rest-archon:3000;
        rewrite ^/archon/rest/v1/(.*)$ /$1 break;
        proxy_pass $rest;
        proxy_set_header Authorization $authorization;
        proxy_set_header X-Forwarded-Prefix /archon/rest/v1;
    }
    # bulkhead: route /archon (end)
"""

MINIMAL = b"server {\n  location /rest/v1/ {\n    proxy_pass http://rest:3000/;\n  }\n}\n"

TWO_PLACES = MINIMAL.replace(b"    proxy_pass", b"    if ($a) { proxy_pass http://b:1; }\n    proxy_pass")


def add(data, route="/archon", service="rest-archon", like="/rest/v1/", like_service=None):
    return gateway.add_route(data, like, route, service, like_service)


def test_the_block_is_copied_with_its_path_and_its_upstream_replaced():
    result = add(DEMO)
    place = DEMO.index(b"\n    # location /other")
    assert result == DEMO[:place] + DEMO_COPY + DEMO[place:]


@pytest.mark.parametrize(
    "data",
    [
        DEMO,
        DEMO.replace(b"\n", b"\r\n"),
        DEMO.replace(b"    ", b"\t"),
        MINIMAL,
        MINIMAL.replace(b"\n", b"\r\n"),
        MINIMAL.replace(b"  }\n}", b"  } # the end }\n}"),
        MINIMAL.replace(b"  }\n}", b"  }\n\n\n}"),
        MINIMAL.replace(
            b"  }\n}", b"  }\n}\nserver {\n\tlocation /rest/v1/ {\n\t\tproxy_pass http://rest:3000/;\n\t}\n}"
        ),
        # A snippet that another file includes: no server around it, and no last line break.
        b"location /rest/v1/ {\n  proxy_pass http://rest:3000/;\n}",
        b"location /rest/v1/ {\r\n  proxy_pass http://rest:3000/;\r\n}",
        b"location /rest/v1/ {\n  proxy_pass http://rest:3000/;\n}\n",
        b"# gr\xf6\xdfe, in latin-1\n" + MINIMAL,
        "# größe, in UTF-8\n".encode("utf-8") + MINIMAL,
    ],
)
def test_adding_twice_is_adding_once_and_removing_gives_back_every_byte(data):
    once = add(data)
    assert once != data
    assert add(once) == once
    assert gateway.remove_route(once, "/archon") == data
    assert gateway.remove_route(data, "/archon") == data
    assert (b"\r\n" in once) == (b"\r\n" in data)
    assert once.count(b"\n") - once.count(b"\r\n") == 0 or b"\r\n" not in data


def test_tabs_and_line_endings_of_the_block_are_kept():
    data = b"server {\r\n\tlocation /rest/v1/ {\r\n\t\tproxy_pass http://rest:3000/;\r\n\t}\r\n}\r\n"
    assert add(data) == (
        b"server {\r\n\tlocation /rest/v1/ {\r\n\t\tproxy_pass http://rest:3000/;\r\n\t}\r\n"
        b"\r\n\t# bulkhead: route /archon (begin)\r\n"
        b"\tlocation /archon/rest/v1/ {\r\n\t\tproxy_pass http://rest-archon:3000/;\r\n\t}\r\n"
        b"\t# bulkhead: route /archon (end)\r\n"
        b"}\r\n"
    )


def test_two_routes_stand_beside_each_other_and_go_one_by_one():
    first = add(MINIMAL, "/archon", "rest-archon")
    both = add(first, "/other", "rest-other:3333")
    assert b"location /archon/rest/v1/ {" in both
    assert b"location /other/rest/v1/ {\n    proxy_pass http://rest-other:3333/;" in both
    assert add(both, "/archon", "rest-archon") == both
    assert add(both, "/other", "rest-other:3333") == both
    assert gateway.remove_route(both, "/other") == first
    assert gateway.remove_route(gateway.remove_route(both, "/archon"), "/other") == MINIMAL


def test_another_service_changes_the_block_in_its_place():
    first = add(DEMO)
    assert add(first, service="rest-two") == add(DEMO, service="rest-two")


def test_a_change_of_the_original_reaches_the_copy():
    first = add(DEMO)
    line = b"        proxy_set_header Authorization $authorization;\n"
    changed = first.replace(line, line + b"        proxy_buffering off;\n", 1)
    assert add(changed).count(b"proxy_buffering off;") == 2


def test_a_block_that_somebody_moved_stays_where_it_is():
    first = add(DEMO)
    moved = gateway.remove_route(first, "/archon").replace(b"    location / {", DEMO_COPY[1:] + b"    location / {")
    assert moved != first
    assert add(moved) == moved


def test_each_server_gets_its_own():
    data = MINIMAL + MINIMAL.replace(b"rest:3000", b"rest:4000")
    result = add(data)
    assert result.count(b"location /archon/rest/v1/ {") == 2
    assert b"http://rest-archon:3000/" in result
    assert b"http://rest-archon:4000/" in result


@pytest.mark.parametrize(
    ("inside", "copied"),
    [
        (b"proxy_pass http://rest:3000/;", b"proxy_pass http://rest-archon:3000/;"),
        (b'proxy_pass "http://rest:3000/";', b'proxy_pass "http://rest-archon:3000/";'),
        # The upstream's own path is none of the gateway's.
        (b"proxy_pass http://rest:3000/rest/v1/;", b"proxy_pass http://rest-archon:3000/rest/v1/;"),
        (b"proxy_pass http://rest;", b"proxy_pass http://rest-archon;"),
        (b"proxy_pass http://rest:3000$request_uri;", b"proxy_pass http://rest-archon:3000$request_uri;"),
        (b"set $up rest:3000; proxy_pass http://$up;", b"set $up rest-archon:3000; proxy_pass http://$up;"),
        (b"set $up http://rest:3000; proxy_pass ${up}/x;", b"set $up http://rest-archon:3000; proxy_pass ${up}/x;"),
        (
            b"rewrite ^/rest/v1/(.*)$ /$1 break; proxy_pass http://rest:3000;",
            b"rewrite ^/archon/rest/v1/(.*)$ /$1 break; proxy_pass http://rest-archon:3000;",
        ),
        (
            b'rewrite "^/rest/v1/(.{2,})$" /$1 break; proxy_pass http://rest:3000;',
            b'rewrite "^/archon/rest/v1/(.{2,})$" /$1 break; proxy_pass http://rest-archon:3000;',
        ),
        (
            rb"rewrite ^\/rest\/v1\/(.*)$ /$1 break; proxy_pass http://rest:3000;",
            rb"rewrite ^\/archon\/rest\/v1\/(.*)$ /$1 break; proxy_pass http://rest-archon:3000;",
        ),
        (
            b"rewrite ^/rest/v1(/.*)?$ $1 break; proxy_pass http://rest:3000;",
            b"rewrite ^/archon/rest/v1(/.*)?$ $1 break; proxy_pass http://rest-archon:3000;",
        ),
        (
            b"proxy_redirect / $scheme://$host/rest/v1/; proxy_pass http://rest:3000/;",
            b"proxy_redirect / $scheme://$host/archon/rest/v1/; proxy_pass http://rest-archon:3000/;",
        ),
        # Near misses stay.
        (
            b"proxy_set_header X-A /rest/v10; proxy_set_header X-B /interest/v1; proxy_pass http://rest:3000/;",
            b"proxy_set_header X-A /rest/v10; proxy_set_header X-B /interest/v1; proxy_pass http://rest-archon:3000/;",
        ),
        (
            b"proxy_set_header X-A my-rest:3000; proxy_set_header X-B rest:30001; proxy_pass http://rest:3000/;",
            b"proxy_set_header X-A my-rest:3000; proxy_set_header X-B rest:30001; proxy_pass http://rest-archon:3000/;",
        ),
        (
            b"proxy_set_header Host rest:3000; proxy_pass http://rest:3000/;",
            b"proxy_set_header Host rest-archon:3000; proxy_pass http://rest-archon:3000/;",
        ),
        (
            b"location ~ ^/rest/v1/rpc/ { proxy_pass http://rest:3000; } proxy_pass http://rest:3000/;",
            b"location ~ ^/archon/rest/v1/rpc/ { proxy_pass http://rest-archon:3000; } proxy_pass http://rest-archon:3000/;",
        ),
    ],
)
def test_what_is_replaced_inside_the_block(inside, copied):
    data = b"server {\nlocation /rest/v1/ {\n" + inside + b"\n}\n}\n"
    assert b"location /archon/rest/v1/ {\n" + copied + b"\n}\n" in add(data)


def test_a_port_of_the_service_replaces_the_old_one():
    assert b"http://rest-archon:3333/;" in add(MINIMAL, service="rest-archon:3333")


def test_the_original_may_be_a_prefix_that_ends_the_search():
    data = MINIMAL.replace(b"location /rest", b"location ^~ /rest")
    assert b"location ^~ /archon/rest/v1/ {" in add(data)


def test_braces_in_quotes_in_words_and_in_comments_are_no_braces():
    data = (
        b"server {\nlocation /rest/v1/ {\n"
        b"# } } {\n"
        b'set $a "}\\"}"; set $b \'}\'; set $c a}b; set $d ${a}x; set $e x#y};\n'
        b'proxy_pass http://rest:3000/;\n}\nlocation /b { return 200 "{"; }\n}\n'
    )
    copied = add(data)
    assert gateway.remove_route(copied, "/archon") == data
    assert copied.count(b"set $c a}b;") == 2


def test_an_upstream_group_needs_another_group_or_a_port():
    data = b"upstream rest { server one:3000; }\nupstream two { server two:3000; }\n" + MINIMAL.replace(
        b"rest:3000", b"rest"
    )
    with pytest.raises(InputError) as refused:
        add(data)
    assert "upstream group" in refused.value.message
    assert b"http://rest-archon:3000/;" in add(data, service="rest-archon:3000")
    assert b"http://two/;" in add(data, service="two")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"server {\n}\n", "There is no location /rest/v1/"),
        (MINIMAL.replace(b"/rest/v1/", b"/rest/v1"), "Did you mean /rest/v1?"),
        (MINIMAL[:-2], "never closed"),
        (MINIMAL + b"}\n", "never opened"),
        (b"server { listen 80 }\n", "no semicolon"),
        (b"listen 80\n", "no semicolon"),
        (b"server { return 200 'open; }\n", "never closed"),
        (b";\n", "without a directive"),
        (b"server { location /rest/v1/ {\n proxy_pass http://rest:3000/;\n }\n}\n", "lines of its own"),
        (b"server {\n location /rest/v1/ {\n proxy_pass http://rest:3000/;\n } }\n", "lines of its own"),
        (b"server {\n location /rest/v1/ {\n return 200;\n }\n}\n", "no proxy_pass"),
        (b"server {\nset $up http://rest:3000;\n location /rest/v1/ {\n proxy_pass $up;\n }\n}\n", "set outside"),
        (
            TWO_PLACES,
            "several places",
        ),
    ],
)
def test_what_can_not_be_copied_is_refused_with_its_cause(data, says):
    with pytest.raises(InputError) as refused:
        add(data)
    assert says in str(refused.value)
    assert refused.value.remedy or "never closed" in says


def test_the_service_to_replace_can_be_named():
    data = TWO_PLACES
    result = add(data, like_service="rest:3000")
    assert result.count(b"http://b:1") == 2
    assert b"http://rest-archon:3000/;" in result
    with pytest.raises(InputError) as refused:
        add(MINIMAL, like_service="nobody:3000")
    assert "doesn't lead to nobody:3000" in refused.value.message


@pytest.mark.parametrize("modifier", [b"", b"= ", b"^~ "])
def test_a_location_of_that_path_that_is_not_ours_is_a_conflict(modifier):
    data = MINIMAL.replace(b"\n}\n", b"\n  location " + modifier + b"/archon/rest/v1/ {\n    return 200;\n  }\n}\n")
    with pytest.raises(ConflictError) as refused:
        add(data)
    assert "/archon/rest/v1/" in refused.value.message
    assert gateway.remove_route(data, "/archon") == data


def test_that_location_in_a_comment_or_in_another_server_is_no_conflict():
    data = b"# location /archon/rest/v1/ { }\n" + MINIMAL + b"server {\n location /archon/rest/v1/ { return 200; }\n}\n"
    assert gateway.remove_route(add(data), "/archon") == data


@pytest.mark.parametrize("mark", gateway.marks("/archon"))
def test_a_mark_without_the_other_is_a_conflict(mark):
    data = MINIMAL + mark.encode() + b"\n"
    with pytest.raises(ConflictError):
        add(data)
    with pytest.raises(ConflictError):
        gateway.remove_route(data, "/archon")


def test_a_mark_inside_a_text_is_no_mark():
    data = MINIMAL.replace(b"\n}\n", b'\n  add_header X "# bulkhead: route /archon (begin)";\n}\n')
    assert gateway.remove_route(add(data), "/archon") == data


@pytest.mark.parametrize("route", ["", "/", "archon", "/archon/", "/a b", "/a;b", "/a{b", "/$a", "/a//b", "/a\n"])
def test_what_is_no_route_is_refused(route):
    with pytest.raises(InputError):
        add(MINIMAL, route=route)


@pytest.mark.parametrize("service", ["", "http://rest", "rest:", "rest:abc", "a b", "rest;", "rest/x", "rest\n"])
def test_what_is_no_service_is_refused(service):
    with pytest.raises(InputError):
        add(MINIMAL, service=service)


def test_a_whole_site_can_be_the_original():
    data = b"server {\n  location / {\n    proxy_pass http://rest:3000;\n  }\n}\n"
    result = add(data, like="/")
    assert b"location /archon/ {\n    proxy_pass http://rest-archon:3000;" in result
    assert add(result, like="/") == result


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        (b'if ($http_apikey != "s3cr3t-key-value") {', "s3cr3t-key-value"),
        (b'proxy_set_header Authorization "Bearer eyJhbGciOi.eyJyb2xlIjoi.c2lnbmF0dXJl";', "c2lnbmF0dXJl"),
        (b'proxy_set_header Authorization "Basic dXNlcjpwYXNzd29yZA==";', "dXNlcjpwYXNzd29yZA"),
        (b"proxy_pass http://user:hunter2@rest:3000;", "hunter2"),
        (b"eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.AAAA-_BBBB 1;", "AAAA-_BBBB"),
    ],
)
def test_a_diff_shows_no_secret(written, hidden):
    shown = gateway.for_display(b"server {\n" + written + b"\n}\n")
    assert hidden not in shown
    assert "********" in shown


def test_a_diff_shows_everything_else():
    assert gateway.for_display(DEMO) == DEMO.decode()
