# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order and place in a layered drawing: few crossings, short lines, nothing on anything else."""

from typing import Dict, List, Mapping, Sequence, Tuple

# More sweeps change little: each one is the barycentre heuristic (Sugiyama, Tagawa and Toda, 1981).
_SWEEPS = 12

Layers = List[List[str]]
Lines = Sequence[Tuple[str, str]]


def crossings(layers: Sequence[Sequence[str]], lines: Lines) -> int:
    """Return how often lines between neighbouring layers cross."""
    place = {name: (index, at) for index, layer in enumerate(layers) for at, name in enumerate(layer)}
    between: Dict[int, List[Tuple[int, int]]] = {}
    for first, second in lines:
        (left, upper), (_right, lower) = sorted((place[first], place[second]))
        between.setdefault(left, []).append((upper, lower))
    count = 0
    for ends in between.values():
        # A line crosses those that were before it and end further down; a Fenwick tree counts them.
        size = max(lower for _upper, lower in ends) + 1
        tree = [0] * (size + 1)
        for seen, (_upper, lower) in enumerate(sorted(ends)):
            at, above = lower + 1, 0
            while at:
                above += tree[at]
                at -= at & -at
            count += seen - above
            at = lower + 1
            while at <= size:
                tree[at] += 1
                at += at & -at
    return count


def order(layers: Layers, lines: Lines, group: Mapping[str, str]) -> Layers:
    """Return the layers reordered for few crossings. What has a group stays beside the others of it."""
    near: Dict[str, List[str]] = {name: [] for layer in layers for name in layer}
    for first, second in lines:
        near[first].append(second)
        near[second].append(first)
    layer_of = {name: index for index, layer in enumerate(layers) for name in layer}
    best: Layers = []
    fewest = -1
    # Which of two knots gets undone depends on where one begins: from the left, from the right, and mirrored.
    for turned in (False, True):
        for begin in (0, 1):
            start = [list(reversed(layer)) if turned else list(layer) for layer in layers]
            current = [_together(layer, {name: float(at) for at, name in enumerate(layer)}, group) for layer in start]
            for sweep in range(begin, _SWEEPS + begin):
                found = crossings(current, lines)
                if fewest < 0 or found < fewest:
                    best, fewest = [list(layer) for layer in current], found
                _sweep(current, near, layer_of, group, to_the_right=sweep % 2 == 0)
    last = len(layers) - 1
    runs = [range(first, -1, -1) for first in range(last, 0, -1)] + [range(first, last + 1) for first in range(last)]
    for _round in range(_SWEEPS):
        before = fewest
        for run in runs:
            current = [list(layer) for layer in best]
            for index in run:
                _swap_neighbours(current, index, near, group)
            found = crossings(current, lines)
            if found < fewest:
                best, fewest = current, found
        if fewest == before:
            break
    return best


def _swap_neighbours(current: Layers, index: int, near: Mapping[str, List[str]], group: Mapping[str, str]) -> None:
    """Swap those of a layer that cross no more for it: an equal swap hands a knot on to where it may come undone."""
    layer = current[index]
    sides = [
        {name: at for at, name in enumerate(current[other])}
        for other in (index - 1, index + 1)
        if 0 <= other < len(current)
    ]
    for at in range(len(layer) - 1):
        first, second = layer[at], layer[at + 1]
        if group.get(first) != group.get(second):
            continue
        as_is = after = 0
        for places in sides:
            upper = [places[name] for name in near[first] if name in places]
            lower = [places[name] for name in near[second] if name in places]
            as_is += sum(one > other for one in upper for other in lower)
            after += sum(one < other for one in upper for other in lower)
        if after <= as_is:
            layer[at], layer[at + 1] = second, first


def _sweep(
    current: Layers,
    near: Mapping[str, List[str]],
    layer_of: Mapping[str, int],
    group: Mapping[str, str],
    to_the_right: bool,
) -> None:
    """Bring each layer into the order of what it is connected to in the one before."""
    side = -1 if to_the_right else 1
    indices = range(1, len(current)) if to_the_right else range(len(current) - 2, -1, -1)
    for index in indices:
        place = {name: at for at, name in enumerate(current[index + side])}
        wanted = {}
        for at, name in enumerate(current[index]):
            ends = [place[other] for other in near[name] if layer_of[other] == index + side]
            # Who has nobody on that side stays about where it is.
            own = at * len(place) / max(1, len(current[index]))
            wanted[name] = sum(ends) / len(ends) if ends else own
        current[index] = _together(current[index], wanted, group)


def _together(layer: Sequence[str], wanted: Mapping[str, float], group: Mapping[str, str]) -> List[str]:
    members: Dict[str, List[str]] = {}
    for name in layer:
        members.setdefault(group.get(name, " " + name), []).append(name)
    mean = {key: sum(wanted[name] for name in names) / len(names) for key, names in members.items()}
    ordered = sorted(members, key=lambda key: mean[key])
    return [name for key in ordered for name in sorted(members[key], key=lambda name: wanted[name])]


def place(wanted: Sequence[float], distance: Sequence[float]) -> List[float]:
    """Return places as near as can be to the wanted ones (least squares), each at least so far after the one before.

    Arguments:
        wanted: where each would like to be, in the order that it has to have.
        distance: how far each must be from the one before; the first one's isn't looked at.
    """
    # With the distances taken off, places only may not fall: neighbours that would are pooled at their mean.
    offset, offsets = 0.0, []
    for index, step in enumerate(distance):
        offset += step if index else 0.0
        offsets.append(offset)
    pools: List[Tuple[float, int]] = []
    for target, base in zip(wanted, offsets):
        total, count = target - base, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, others = pools.pop()
            total, count = total + more, count + others
        pools.append((total, count))
    means = [total / count for total, count in pools for _one in range(count)]
    return [mean + base for mean, base in zip(means, offsets)]
