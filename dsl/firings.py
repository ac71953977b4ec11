"""How often a nest runs, and how often a gate in it is open.

Exact where the ends of loops follow from counters, but for gates at the last iteration of a loop that shortens others:
they are counted as at its first one.
"""

from __future__ import annotations

from functools import cache
from math import prod

from rdflow.dsl.netlist import Actor, Gate, Loop

ENUMERATED = 200_000  # iterations of loops that steer the ends of others, counted one by one


def firings(actor: Actor) -> int:
    """Iterations of the nest, where loops may end early by the counters of loops outside; by a stream they do not."""
    return iterations(actor.loops)


def moments(actor: Actor, gate: Gate) -> int:
    """The firings in which a gate is open."""
    return _moments(actor.loops, gate)


@cache
def _moments(loops: tuple[Loop, ...], gate: Gate) -> int:
    found = 0
    for first in {0, gate.not_first}:
        for last in {0, gate.not_last}:
            both = _standing(loops, gate.first | first, gate.last | last)
            found += -both if bool(first) != bool(last) else both
    return found


def _standing(loops: tuple[Loop, ...], first: int, last: int) -> int:
    """Iterations with some loops at their first counter and some at their last."""
    if any(first & last >> level & 1 and loop.size > 1 for level, loop in enumerate(loops)):
        return 0
    fixed = first | last
    return iterations(tuple(Loop(1) if fixed >> level & 1 else loop for level, loop in enumerate(loops)))


@cache
def iterations(loops: tuple[Loop, ...]) -> int:
    """Iterations of a nest. All loops count in full where more than ENUMERATED would have to be looked at."""
    last = max((level for level, loop in enumerate(loops) if loop.limit is not None), default=-1)
    inside = prod(loop.size for loop in loops[last + 1 :])
    steering = _steering(loops)
    if last < 0 or prod(loops[level].size for level in steering) > ENUMERATED:
        return inside * prod(loop.size for loop in loops[: last + 1])
    return inside * _counted(loops[: last + 1], steering, ())


def _counted(loops: tuple[Loop, ...], steering: frozenset[int], counters: tuple[int, ...]) -> int:
    """Iterations of the loops inside, given the counters outside."""
    level = len(counters)
    if level == len(loops):
        return 1
    size = loops[level].iterations(counters)
    if level not in steering:
        return size * _counted(loops, steering, (*counters, 0))
    return sum(_counted(loops, steering, (*counters, i)) for i in range(size))


def _steering(loops: tuple[Loop, ...]) -> frozenset[int]:
    """Loops on whose counters the length of another one depends."""
    affines = (affine for loop in loops if loop.limit is not None for affine in (loop.limit, loop.base))
    return frozenset(level for affine in affines for level, factor in enumerate(affine.by_loop) if factor)
