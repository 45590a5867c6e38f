# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order and place: counted by hand, and against what is plainly right for any drawing."""

import itertools
from typing import Dict, List, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bulkhead.stack.plugins.module_utils._report.order import crossings, order, place

Drawing = Tuple[List[List[str]], List[Tuple[str, str]], Dict[str, str]]


def by_hand(layers: List[List[str]], lines: List[Tuple[str, str]]) -> int:
    at = {name: (index, position) for index, layer in enumerate(layers) for position, name in enumerate(layer)}
    count = 0
    for one, other in itertools.combinations(lines, 2):
        (left, upper), (_right, upper_end) = sorted((at[one[0]], at[one[1]]))
        (other_left, lower), (_other_right, lower_end) = sorted((at[other[0]], at[other[1]]))
        count += left == other_left and (upper - lower) * (upper_end - lower_end) < 0
    return count


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    layers = [["%d.%d" % (index, number) for number in range(size)] for index, size in enumerate(sizes)]
    lines = []
    for left, right in zip(layers, layers[1:]):
        pairs = st.tuples(st.sampled_from(left), st.sampled_from(right))
        lines += draw(st.lists(pairs, max_size=10, unique=True))
    group = {name: draw(st.sampled_from("ab")) for name in layers[-1]}
    return layers, lines, group


@settings(max_examples=60)
@given(drawing=drawings())
def test_crossings_are_counted_as_by_hand(drawing: Drawing) -> None:
    layers, lines, _group = drawing
    assert crossings(layers, lines) == by_hand(layers, lines)


@settings(max_examples=60)
@given(drawing=drawings())
def test_an_order_loses_nothing_and_crosses_no_more(drawing: Drawing) -> None:
    layers, lines, group = drawing
    found = order(layers, lines, group)
    assert [sorted(layer) for layer in found] == [sorted(layer) for layer in layers]
    together = [key for key, _members in itertools.groupby(found[-1], key=lambda name: group[name])]
    assert len(together) == len(set(together))
    assert by_hand(order(layers, lines, {}), lines) <= by_hand(layers, lines)


def test_a_knot_that_the_barycentre_leaves_is_undone() -> None:
    layers = [["a", "b", "c"], ["k", "b1", "c1"], ["r", "b2", "c2"], ["x", "y"]]
    lines = [
        ("a", "k"), ("k", "r"), ("r", "y"), ("b", "b1"), ("b1", "b2"), ("b2", "x"), ("c", "c1"), ("c1", "c2"),
        ("c2", "y"),
    ]  # fmt: skip
    assert crossings(layers, lines) == 1
    assert crossings(order(layers, lines, {}), lines) == 0


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 20)), min_size=1, max_size=8),
    st.integers(0, 7),
    st.sampled_from([-0.5, 0.5]),
)
def test_places_keep_their_distance_and_none_can_be_bettered(
    wishes: List[Tuple[int, int]], moved: int, step: float
) -> None:
    wanted = [float(wish) for wish, _distance in wishes]
    distance = [float(step) for _wish, step in wishes]
    found = place(wanted, distance)
    assert all(after - before >= gap - 1e-6 for before, after, gap in zip(found, found[1:], distance[1:]))

    def cost(places: List[float]) -> float:
        return sum((at - wish) ** 2 for at, wish in zip(places, wanted))

    # Whoever moves alone, or with all behind or before him, as far as he may, only gets further from what was wanted.
    index = moved % len(found)
    for members in (range(index, index + 1), range(index, len(found)), range(index + 1)):
        other = [at + step if number in members else at for number, at in enumerate(found)]
        if all(after - before >= gap for before, after, gap in zip(other, other[1:], distance[1:])):
            assert cost(other) >= cost(found) - 1e-6
