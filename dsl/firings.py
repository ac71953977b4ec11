"""How often a nest runs."""

from __future__ import annotations

from itertools import product
from math import prod

from rdflow.dsl.netlist import Actor

ENUMERATED = 200_000  # iterations of loops that steer the ends of others, counted one by one


def firings(actor: Actor) -> int:
    """Iterations of the nest, where loops may end early by the counters of loops outside; by a stream they do not."""
    steering = {
        level
        for loop in actor.loops
        if loop.limit is not None
        for affine in (loop.limit, loop.base)
        for level, coefficient in enumerate(affine.by_loop)
        if coefficient
    }
    sizes = [range(loop.size) if level in steering else range(1) for level, loop in enumerate(actor.loops)]
    free = prod(loop.size for i, loop in enumerate(actor.loops) if i not in steering and loop.limit is None)
    limited = [i for i, loop in enumerate(actor.loops) if loop.limit is not None]
    if not limited or prod(map(len, sizes)) > ENUMERATED:
        return prod(loop.size for loop in actor.loops)
    total = 0
    for counters in product(*sizes):
        ends = {i: actor.loops[i].iterations(counters) for i in limited}
        if all(counters[i] < end for i, end in ends.items()):
            total += prod(end for i, end in ends.items() if i not in steering)
    return total * free
