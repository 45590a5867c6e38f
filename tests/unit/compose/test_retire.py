# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services behind a profile: in every form, with who depends on them, and back again."""

import itertools
from typing import Any, Dict, List, Optional

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.dependence import (
    checked_dependencies,
    checked_previous,
    checked_profile,
    restored_problem,
    retired_problem,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.edit import matches
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.outcome import Edited
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.retire import (
    Retired,
    plan_inline_restored,
    plan_inline_retired,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.retire_override import (
    plan_override_restored,
    plan_override_retired,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.style import Tagged
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    BulkheadError,
    ConflictError,
    InputError,
    StateError,
)

HEALTHY = {"condition": "service_healthy"}


class Tags(yaml.SafeLoader):
    """A reader to which Compose's tags are part of what is said."""


def tagged(loader: Any, node: Any) -> Any:
    plain = {yaml.ScalarNode: lambda item: None, yaml.SequenceNode: loader.construct_sequence}
    return (node.tag, plain[type(node)](node))


Tags.add_constructor("!reset", tagged)
Tags.add_constructor("!override", tagged)


def after(data: Optional[bytes]) -> Any:
    return yaml.load(data or b"", Tags)


def retired(data: bytes, services: List[str], more: bool = False, pure: bool = False) -> Retired:
    return plan_inline_retired([Document(data, pure=pure)], services, "retired", more)


def restored(edited: Retired, services: List[str]) -> Edited:
    assert edited.data is not None
    return plan_inline_restored(
        [Document(edited.data)], services, "retired", edited.removed_profiles, edited.removed_depends_on
    )


# What `web` says of others, and what it says once `old` is retired; `%s` is a list's offset, `@` a step of a mapping.
SHAPES: Dict[str, List[str]] = {
    "none": [],
    "list": ["depends_on:", "%s- db", "%s- old"],
    "commented": ["depends_on: # why", "%s# one", "%s- 'db' # x", "%s# two", '%s- "old" # y', "%s# three"],
    "flow": ["depends_on: [db, old]"],
    "flow spaced": ["depends_on: [ 'db', 'old' ]"],
    "flow lines": ["depends_on: [", "@db,", "@old", "]"],
    "only": ["depends_on:", "%s- old"],
    "mapping": ["depends_on:", "@db:", "@@condition: service_started", "@old:", "@@condition: service_healthy"],
    "mapping flow": ["depends_on: {db: {condition: service_started}, old: {condition: service_healthy}}"],
    "mapping only": ["depends_on:", "@old:", "@@condition: service_completed_successfully", "@@restart: true"],
    "mapping inner flow": ["depends_on:", "@db: {condition: service_started}", "@old: {condition: service_healthy}"],
}
# An entry comes back without the comment beside it, and in block style.
NOT_THE_SAME_BYTES = ("commented", "mapping inner flow")


def build(shape: List[str], indent: int, offset: int, newline: str, final: bool) -> bytes:
    step, inner = " " * indent, " " * (2 * indent)
    lines = ["# top", "services:", step + "old:", inner + "image: 'y' # kept"]
    lines += [inner + "environment:", inner + " " * offset + "- A=b"]
    lines += ["", step + "db: {image: z}", "", step + "web:", inner + "image: x"]
    lines += [inner + line.replace("%s", " " * offset).replace("@", step) for line in shape]
    return (newline.join(lines) + (newline if final else "")).encode()


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("indent", [1, 2, 3, 4])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_retired_and_back(name: str, indent: int, newline: str) -> None:
    for offset, final, pure in itertools.product((0, 2, 4), (True, False), (True, False)):
        data = build(SHAPES[name], indent, offset, newline, final)
        done = retired(data, ["old"], pure=pure)
        before, now = after(data)["services"], after(done.data)["services"]
        assert done.changed_services == (["old"] if name == "none" else ["old", "web"])
        assert now["old"].pop("profiles") == ["retired"]
        gone = before["web"].pop("depends_on", [])
        rest = now["web"].pop("depends_on", None) or []
        assert list(rest) == [one for one in gone if one != "old"]
        assert now == before
        assert done.removed_profiles == {}
        says = gone["old"] if isinstance(gone, dict) else {}
        assert done.removed_depends_on == ({} if name == "none" else {"web": {"old": says}})
        assert done.data is not None and data.count(b"\r") - done.data.count(b"\r") == (
            data.count(b"\n") - done.data.count(b"\n") if newline == "\r\n" else 0
        )
        again = retired(done.data, ["old"])
        assert (again.changed, again.data, again.removed_depends_on) == (False, done.data, {})
        back = restored(done, ["old"])
        assert after(back.data) == after(data)
        assert back.changed_services == done.changed_services
        if name not in NOT_THE_SAME_BYTES:
            assert back.data == data, back.data
        twice = restored(Retired(back.data, True, [], [], done.removed_depends_on), ["old"])
        assert not twice.changed


def test_nothing_but_its_lines_changes() -> None:
    data = (
        b"\xef\xbb\xbfservices:\r\n  old: # tab\t\r\n    image: y   \n    labels:\n    - a=b # c\n\n  # about web\n"
        b"  web:\n    depends_on:\n      # db is fast\n      - db\n\n      # old is slow\n      - old  # x\n"
        b"      - last\n    ports: ['22:22']\n  db: &d {image: z}\n  last: {image: w}"
    )
    done = retired(data, ["old"])
    assert done.data is not None
    assert done.data.decode() == data.decode().replace("      - old  # x\n", "").replace(
        "    - a=b # c\n", "    - a=b # c\n    profiles:\n    - retired\n"
    )
    assert done.removed_depends_on == {"web": {"old": {}}}
    # What comes back stands at the end.
    assert after(restored(done, ["old"]).data)["services"]["web"]["depends_on"] == ["db", "last", "old"]


def test_an_emptied_key_goes_and_its_comments_stay() -> None:
    plain = b"services:\n  web:\n    depends_on: [old]\n    image: x\n  old: {image: y}\n"
    assert retired(plain, ["old"]).data == b"services:\n  web:\n    image: x\n  old: {image: y, profiles: [retired]}\n"
    commented = b"services:\n  web:\n    depends_on:\n      # needs it\n      - old\n  old: {image: y}\n"
    done = retired(commented, ["old"])
    assert done.data is not None
    assert b"# needs it" in done.data
    assert not after(done.data)["services"]["web"]["depends_on"]
    assert after(restored(done, ["old"]).data) == after(commented)


def test_a_service_without_any_other_key_stays_a_mapping() -> None:
    done = retired(b"services:\n  web:\n    depends_on: [old]\n  old:\n    image: y\n", ["old"])
    assert after(done.data)["services"] == {"web": {}, "old": {"image": "y", "profiles": ["retired"]}}
    assert after(restored(done, ["old"]).data)["services"]["web"] == {"depends_on": ["old"]}


def test_dependencies_through_anchors_and_merges() -> None:
    listed = (
        b"x-d: &d [db, old]\nservices:\n  web: {depends_on: *d}\n  api: {depends_on: *d}\n  db: {}\n  old: {image: y}\n"
    )
    done = retired(listed, ["old"])
    assert done.data is not None and done.data.startswith(b"x-d: &d [db]\n")
    assert done.removed_depends_on == {"web": {"old": {}}, "api": {"old": {}}}
    assert done.changed_services == ["web", "api", "old"]
    assert restored(done, ["old"]).data == listed
    only = listed.replace(b"[db, old]", b"[old]")
    done = retired(only, ["old"])
    assert done.data is not None and done.data.startswith(b"x-d: &d []\n")
    assert restored(done, ["old"]).data == only
    merged = (
        b"x-d: &d\n  old: {condition: service_healthy}\nservices:\n  web:\n    depends_on:\n      <<: *d\n"
        b"      db: {condition: service_started}\n  api:\n    depends_on: *d\n  db: {}\n  old: {image: y}\n"
    )
    done = retired(merged, ["old"])
    assert after(done.data)["services"]["web"]["depends_on"] == {"db": {"condition": "service_started"}}
    assert not after(done.data)["services"]["api"]["depends_on"]
    assert done.removed_depends_on == {"web": {"old": HEALTHY}, "api": {"old": HEALTHY}}
    assert after(restored(done, ["old"]).data)["services"] == after(merged)["services"]


def test_dependencies_in_what_services_merge_and_extend() -> None:
    common = (
        b"x-c: &c\n  image: x\n  depends_on: [old, db]\nservices:\n  web:\n    <<: *c\n  api: {<<: *c}\n  db: {}\n"
        b"  old: {image: y}\n"
    )
    done = retired(common, ["old"])
    assert [after(done.data)["services"][name]["depends_on"] for name in ("web", "api")] == [["db"], ["db"]]
    assert sorted(done.removed_depends_on) == ["api", "web"]
    assert not retired(done.data or b"", ["old"]).changed
    # An own key replaces the merged one: it can't go where that one would then hold.
    own = (
        b"x-c: &c {depends_on: [db]}\nservices:\n  web:\n    <<: *c\n    depends_on: [old]\n  db: {}\n"
        b"  old: {image: y}\n"
    )
    done = retired(own, ["old"])
    assert after(done.data)["services"]["web"]["depends_on"] == []
    assert restored(done, ["old"]).data == own
    extended = (
        b"services:\n  web: {depends_on: [old]}\n  two: {extends: web}\n"
        b"  three:\n    extends: {service: web}\n    depends_on: [old, db]\n  db: {}\n  old: {image: y}\n"
    )
    done = retired(extended, ["old"])
    services = after(done.data)["services"]
    assert (services["web"], services["two"]) == ({}, {"extends": "web"})
    assert services["three"]["depends_on"] == ["db"]
    assert done.removed_depends_on == {name: {"old": {}} for name in ("web", "two", "three")}
    assert done.changed_services == ["web", "two", "three", "old"]
    back = restored(done, ["old"])
    assert after(back.data)["services"]["web"]["depends_on"] == ["old"]
    assert after(back.data)["services"]["two"] == {"extends": "web"}


def test_what_compose_accepts_is_left() -> None:
    data = (
        b"services:\n  web: {depends_on: {old: {condition: service_started, required: false}}}\n"
        b"  job: {profiles: [retired], depends_on: [old]}\n  older: {depends_on: [old]}\n  old: {image: y}\n"
        b"  tool: {profiles: [debug], depends_on: [old]}\n"
    )
    done = retired(data, ["old", "older"])
    services = after(done.data)["services"]
    assert services["web"]["depends_on"] == {"old": {"condition": "service_started", "required": False}}
    assert (services["job"]["depends_on"], services["older"]["depends_on"]) == (["old"], ["old"])
    # It starts with another profile, and `old` doesn't.
    assert "depends_on" not in services["tool"]
    assert done.removed_depends_on == {"tool": {"old": {}}}
    assert done.changed_services == ["older", "old", "tool"]
    assert restored(done, ["old", "older"]).data == data


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"links: ['old:db']", r"web links to it \(links\)"),
        (b"network_mode: service:old", r"web uses its network \(network_mode\)"),
        (b"network_mode: 'service:old'", r"network_mode"),
        (b"volumes_from: [old:ro]", r"web mounts its volumes \(volumes_from\)"),
        (b"pid: service:old", r"shares its processes"),
        (b"ipc: service:old", r"shares its memory"),
    ],
)
def test_who_takes_something_of_it_is_named(line: bytes, says: str) -> None:
    data = b"services:\n  web:\n    " + line + b"\n    depends_on: [old]\n  old: {image: y}\n"
    with pytest.raises(StateError, match=says):
        retired(data, ["old"])
    with pytest.raises(StateError, match=says):
        plan_override_retired([Document(data)], None, ["old"], "retired", False, "override")
    assert retired(data, ["old", "web"]).changed
    extending = data.replace(b"  old:", b"  two: {extends: web}\n  old:")
    with pytest.raises(StateError, match="two"):
        retired(extending, ["old", "web"])


def test_the_same_words_of_something_else_are_no_reason() -> None:
    data = (
        b"services:\n  web: {network_mode: 'container:old', volumes_from: ['container:old'], links: [older:old]}\n"
        b"  old: {image: y}\n  older: {image: z}\n"
    )
    assert retired(data, ["old"]).changed_services == ["old"]


def test_who_shares_its_definition_is_named() -> None:
    anchored = b"services:\n  old: &o\n    image: y\n  two: *o\n  three:\n    <<: *o\n    image: z\n"
    with pytest.raises(ConflictError, match="three, two"):
        retired(anchored, ["old"])
    assert retired(anchored, ["old", "two", "three"]).changed_services == ["old", "two", "three"]
    extended = b"services:\n  old: {image: y}\n  two: {extends: old}\n"
    with pytest.raises(ConflictError, match="two"):
        retired(extended, ["old"])
    both = retired(extended, ["old", "two"])
    assert after(both.data)["services"] == {
        "old": {"image": "y", "profiles": ["retired"]},
        "two": {"extends": "old"},
    }
    assert restored(both, ["old", "two"]).data == extended
    # A list of profiles in an anchor.
    shared = b"x-p: &p [later]\nservices:\n  old: {profiles: *p}\n  two: {profiles: *p}\n"
    with pytest.raises(ConflictError, match="two"):
        retired(shared, ["old"], more=True)
    # The service merges what others do: the key is its own.
    merged = b"x-c: &c {image: y}\nservices:\n  old:\n    <<: *c\n  two:\n    <<: *c\n"
    done = retired(merged, ["old"])
    assert after(done.data)["services"]["two"] == {"image": "y"}
    assert restored(done, ["old"]).data == merged


def test_other_profiles_are_replaced_only_where_that_is_asked_for() -> None:
    for written in (b" [later, more]", b"\n    - later # a\n    # b\n    - 'more'", b"\n      - 'later'\n      - more"):
        data = b"services:\n  old:\n    image: y\n    profiles:" + written + b"\n    tty: true\n"
        with pytest.raises(ConflictError, match="later, more already") as refused:
            retired(data, ["old"])
        assert refused.value.details == {"profiles": ["later", "more"]}
        done = retired(data, ["old"], more=True)
        assert after(done.data)["services"]["old"]["profiles"] == ["retired"]
        assert done.removed_profiles == {"old": ["later", "more"]}
        back = restored(done, ["old"])
        assert after(back.data) == after(data)
        assert (back.data or b"").count(b"# a") == data.count(b"# a")
        half = data.replace(b"more", b"retired")
        kept = retired(half, ["old"], more=True)
        assert kept.removed_profiles == {"old": ["later"]}
        assert after(kept.data)["services"]["old"]["profiles"] == ["retired"]
        # Without being told what was there, just the profile goes.
        out = plan_inline_restored([Document(half)], ["old"], "retired", {}, {})
        assert after(out.data)["services"]["old"]["profiles"] == ["later"]
    merged = b"x-c: &c {profiles: [later]}\nservices:\n  old:\n    <<: *c\n    image: y\n  two:\n    <<: *c\n"
    done = retired(merged, ["old"], more=True)
    assert [after(done.data)["services"][name]["profiles"] for name in ("old", "two")] == [["retired"], ["later"]]
    assert restored(done, ["old"]).data == merged
    # Compose adds a base's profiles to the service's own: no edit of the service takes one away.
    extended = b"services:\n  base: {profiles: [later]}\n  old: {extends: base}\n"
    with pytest.raises(ConflictError, match="from what it extends"):
        retired(extended, ["old"], more=True)
    empty = retired(b"services:\n  old:\n    profiles: []\n", ["old"])
    assert empty.data == b"services:\n  old:\n    profiles: [retired]\n"


def test_what_other_files_of_the_project_say() -> None:
    base = Document(b"services:\n  web: {image: x}\n  old: {image: y}\n", "base.yml")
    needs = Document(b"services:\n  web: {depends_on: [old]}\n", "more.yml")
    with pytest.raises(ConflictError, match="web depends on old in more.yml, not in base.yml"):
        plan_inline_retired([base, needs], ["old"], "retired")
    profiled = Document(b"services:\n  old: {profiles: [later]}\n", "more.yml")
    with pytest.raises(ConflictError, match="later already"):
        plan_inline_retired([base, profiled], ["old"], "retired")
    with pytest.raises(ConflictError, match="another file of the project"):
        plan_inline_retired([base, profiled], ["old"], "retired", True)
    done = Document(b"services:\n  old: {profiles: [retired]}\n", "more.yml")
    assert not plan_inline_retired([base, done], ["old"], "retired").changed
    with pytest.raises(StateError, match="from another place"):
        plan_inline_restored([base, done], ["old"], "retired", {}, {})
    needing = Document(b"services:\n  web: {depends_on: [old, db]}\n  old: {image: y}\n  db: {image: z}\n", "base.yml")
    reset = Document(b"services:\n  web: {depends_on: {old: !reset null}}\n", "more.yml")
    assert plan_inline_retired([needing, reset], ["old"], "retired").changed_services == ["old"]


def test_a_list_becomes_a_mapping_where_more_is_said() -> None:
    data = b"services:\n  web:\n    depends_on:\n    - db # fast\n  db: {image: z}\n  old: {image: y}\n"
    done = plan_inline_restored([Document(data)], ["old"], "retired", {}, {"web": {"old": HEALTHY}})
    assert done.changed_services == ["web"]
    assert after(done.data)["services"]["web"]["depends_on"] == {
        "db": {"condition": "service_started"},
        "old": HEALTHY,
    }
    assert b"db: # fast" in (done.data or b"")
    started = {"web": {"old": {"condition": "service_started", "required": True}}}
    assert after(plan_inline_restored([Document(data)], ["old"], "retired", {}, started).data)["services"]["web"][
        "depends_on"
    ] == ["db", "old"]
    mapped = data.replace(b"- db # fast", b"  db: {condition: service_healthy}")
    done = plan_inline_restored([Document(mapped)], ["old"], "retired", {}, {"web": {"old": {}}})
    assert after(done.data)["services"]["web"]["depends_on"]["old"] == {"condition": "service_started"}
    shared = b"x-d: &d [db]\nservices:\n  web: {depends_on: *d}\n  api: {depends_on: *d}\n  db: {}\n  old: {image: y}\n"
    with pytest.raises(ConflictError, match="api"):
        plan_inline_restored([Document(shared)], ["old"], "retired", {}, {"web": {"old": {}}})


# Stacks that nobody thought of.


@st.composite
def stacks(draw: Any) -> Dict[str, Any]:
    """Return a strategy for stacks whose services depend on each other, some of them by the same node."""
    names = ["one", "two", "three", "four"][: draw(st.integers(2, 4))]
    says = st.fixed_dictionaries(
        {"condition": st.sampled_from(["service_started", "service_healthy"])}, optional={"restart": st.just(True)}
    )
    known: List[Any] = []
    stack: Dict[str, Any] = {}
    for name in names:
        others = draw(st.lists(st.sampled_from([other for other in names if other != name]), unique=True))
        value = draw(st.sampled_from([None, others, {other: draw(says) for other in others}, *known]))
        service = {"image": name, **({"depends_on": value} if value else {})}
        if draw(st.booleans()):
            service["profiles"] = draw(st.lists(st.sampled_from(["later", "more"]), min_size=1, unique=True))
        known += [value] if value else []
        stack[name] = {key: service[key] for key in draw(st.permutations(list(service)))}
    return stack


@given(data=st.data(), stack=stacks())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_stack_is_as_it_was_when_it_comes_back(data: Any, stack: Dict[str, Any]) -> None:
    flow = data.draw(st.sampled_from([None, False, True]))
    newline = data.draw(st.sampled_from(["\n", "\r\n"]))
    indent, width = data.draw(st.integers(2, 6)), data.draw(st.sampled_from([20, 1000]))
    text = yaml.safe_dump(
        {"services": stack}, sort_keys=False, default_flow_style=flow, indent=indent, line_break=newline, width=width
    ).encode()
    chosen = data.draw(st.lists(st.sampled_from(sorted(stack)), min_size=1, max_size=2, unique=True))
    done = retired(text, chosen, more=True)
    now = after(done.data)["services"]
    for name, service in stack.items():
        own = now[name]
        if name in chosen:
            assert own["profiles"] == ["retired"]
            assert done.removed_profiles.get(name, []) == service.get("profiles", [])
            continue
        assert own.get("profiles") == service.get("profiles")
        gone = [other for other in service.get("depends_on", ()) if other in chosen]
        assert list(own.get("depends_on") or []) == [
            other for other in service.get("depends_on", ()) if other not in gone
        ]
        assert sorted(done.removed_depends_on.get(name, {})) == sorted(gone)
    assert not retired(done.data or b"", chosen, more=True).changed
    back = after(restored(done, chosen).data)["services"]
    for name, service in stack.items():
        for key in {*service, *back[name]}:
            held, found = service.get(key), back[name].get(key)
            # What comes back stands at the end of a list, and so the order is another one.
            assert type(held) is type(found)
            assert sorted(held) == sorted(found) if isinstance(held, list) else held == found


# The override file.

BASE = (
    b"services:\n  web:\n    image: x\n    depends_on:\n      old: {condition: service_healthy}\n"
    b"      db: {condition: service_started}\n  api:\n    image: x\n    depends_on: [old]\n  db:\n    image: z\n"
    b"  old:\n    image: y\n"
)


def override(data: Optional[bytes], base: bytes = BASE, more: bool = False) -> Retired:
    return plan_override_retired([Document(base)], data, ["old"], "retired", more, "override")


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"services:\n    other:\n        image: z\n",
        b"# mine\nvolumes: {}\n",
        b"services:\r\n  web:\r\n    restart: always\r\n    ports:\r\n    - 1:2",
        b"services:\n  web:\n    depends_on:\n      other: {condition: service_started}\n  old: {tty: true}\n",
        b"services:\n  web: {depends_on: {other: {condition: service_started}}}\n  old:\n    ports: ['22:22']\n",
    ],
)
def test_an_override_takes_away_and_gives_back(data: Optional[bytes]) -> None:
    done = override(data)
    assert sorted(done.changed_services) == ["api", "old", "web"]
    assert done.removed_depends_on == {"web": {"old": HEALTHY}, "api": {"old": {}}}
    services = after(done.data)["services"]
    assert services["old"]["profiles"] == ["retired"]
    assert services["web"]["depends_on"]["old"] == services["api"]["depends_on"]["old"] == ("!reset", None)
    assert not override(done.data).changed
    back = plan_override_restored(
        [Document(BASE)], done.data, ["old"], "retired", {}, done.removed_depends_on, "override"
    )
    assert back.data == data
    assert sorted(back.changed_services) == ["api", "old", "web"]
    again = plan_override_restored(
        [Document(BASE)], back.data, ["old"], "retired", {}, done.removed_depends_on, "override"
    )
    assert not again.changed


def test_two_come_back_into_a_mapping_that_was_emptied() -> None:
    data = (
        b"services:\n  web:\n    depends_on: &d\n      old: {condition: service_healthy}\n"
        b"      db: {condition: service_started}\n  api: {depends_on: *d}\n  old: {image: y}\n  db: {image: z}\n"
    )
    done = retired(data, ["old", "db"])
    assert after(done.data)["services"]["api"]["depends_on"] == {}
    assert after(restored(done, ["old", "db"]).data) == after(data)


def test_an_override_replaces_profiles_by_a_tag() -> None:
    base = BASE + b"    profiles: [later]\n"
    with pytest.raises(ConflictError, match="later"):
        override(None, base)
    done = override(None, base, more=True)
    assert after(done.data)["services"]["old"] == {"profiles": ("!override", ["retired"])}
    assert done.removed_profiles == {"old": ["later"]}
    assert not override(done.data, base).changed
    back = plan_override_restored(
        [Document(base)], done.data, ["old"], "retired", done.removed_profiles, done.removed_depends_on, "override"
    )
    assert back.data is None


@pytest.mark.parametrize(
    "data",
    [
        b"services:\n  web: {depends_on: [other]}\n",
        b"services:\n  web: {depends_on: !override {old: {condition: service_started}}}\n",
        b"services:\n  web: {depends_on: {old: {condition: service_started}}}\n",
        b"services:\n  old: {profiles: []}\n",
        b"x-w: &w {tty: true}\nservices:\n  web: *w\n  other: *w\n",
    ],
)
def test_what_an_override_says_already_is_not_rewritten(data: bytes) -> None:
    with pytest.raises(StateError, match="written in override already"):
        override(data)


def test_an_override_gives_nothing_back_that_stands_elsewhere() -> None:
    inline = BASE + b"    profiles: [retired]\n"
    with pytest.raises(StateError, match="mode=inline"):
        plan_override_restored([Document(inline)], None, ["old"], "retired", {}, {}, "override")
    with pytest.raises(StateError, match="mode=inline"):
        plan_override_restored([Document(BASE)], None, ["old"], "retired", {}, {"db": {"old": {}}}, "override")
    with pytest.raises(StateError, match="later"):
        plan_override_restored([Document(BASE)], None, ["old"], "retired", {"old": ["later"]}, {}, "override")


def test_a_tag_is_part_of_a_value() -> None:
    node = Document(b"a: !reset null\nb: !override [x]\nc: [x]\n").root
    assert node is not None
    first, second, third = (value for _key, value in node.pairs)
    assert matches(first, Tagged("!reset", None)) and not matches(first, None)
    assert matches(second, Tagged("!override", ["x"])) and not matches(second, Tagged("!reset", ["x"]))
    assert not matches(third, Tagged("!override", ["x"]))
    assert not matches(second, Tagged("!override", ["y"]))


# What Compose makes of it.


def test_what_compose_would_read_is_judged() -> None:
    held: Dict[str, Any] = {"old": {"profiles": ["retired"]}, "web": {"depends_on": {"old": {"required": False}}}}
    assert retired_problem({"services": held}, ["old"], "retired") == ""
    held["old"]["profiles"].append("later")
    assert "retired, later" in retired_problem({"services": held}, ["old"], "retired")
    held["old"]["profiles"].remove("later")
    held["web"]["depends_on"]["old"]["required"] = True
    assert "web would still depend on old" in retired_problem({"services": held}, ["old"], "retired")
    assert retired_problem({"services": held}, ["old"], "retired", ["web"]) == ""
    held["web"] = {"network_mode": "service:old"}
    assert "network_mode" in retired_problem({"services": held}, ["old"], "retired")
    held["web"]["profiles"] = ["retired"]
    assert retired_problem({"services": held}, ["old"], "retired") == ""
    assert "still have the profile" in restored_problem({"services": held}, ["old"], "retired", {})
    back = {"services": {"old": {}, "web": {"depends_on": {"old": {}}}}}
    assert restored_problem(back, ["old"], "retired", {"web": {"old": {}}}) == ""
    assert "web would not depend on db" in restored_problem(back, ["old"], "retired", {"web": {"old": {}, "db": {}}})


@pytest.mark.parametrize("name", ["", "a", "-x", "two words", "x,y"])
def test_names_that_are_no_profile(name: str) -> None:
    with pytest.raises(InputError):
        checked_profile(name)


def test_dependencies_as_they_are_asked_for() -> None:
    assert checked_dependencies({"web": ["old"], "api": {"old": None, "db": HEALTHY}}) == {
        "web": {"old": {}},
        "api": {"old": {}, "db": HEALTHY},
    }
    for wrong in (
        "old",
        {},
        {"old": "healthy"},
        {"old": {"condition": "up"}},
        {"old": {"restart": "no"}},
        {"o": {"x": 1}},
    ):
        with pytest.raises(InputError):
            checked_dependencies({"web": wrong})
    assert checked_previous({"old": ["later"]}) == {"old": ["later"]}
    with pytest.raises(InputError):
        checked_previous({"old": "later"})
    data = Document(b"services: {web: {image: x}, old: {image: y}}\n")
    for wanted in ({"wep": {"old": {}}}, {"web": {"odl": {}}}):
        with pytest.raises(InputError, match="no service"):
            plan_inline_restored([data], ["old"], "retired", {}, wanted)


@pytest.mark.parametrize(
    "text",
    [
        "services: {old: text}",
        "services: {old: {profiles: later}}",
        "services: {old: {image: y}, web: {depends_on: old}}",
        "services: {old: {image: y, image: z}}",
        "services: {new: {image: y}}",
    ],
)
def test_what_is_no_service(text: str) -> None:
    data = text.encode()
    if "depends_on" in text:
        # Compose refuses a text there: it names nobody.
        assert retired(data, ["old"]).changed_services == ["old"]
        return
    with pytest.raises(BulkheadError):
        retired(data, ["old"])
