"""Loop nests: affines, gates, and the step to the next firing."""

from numba import njit
from numpy import uintp

from rdflow.interpreter.kernel.options import HELPER


@njit(**HELPER)
def affine_at(affine, offset, loops, loop, depth):
    """Value of the affine at `offset` for the counters of the nest."""
    value = affine[uintp(offset)]
    for l in range(depth):
        value += affine[uintp(offset + 1 + l)] * loops[uintp(loop + l)].counter
    return value


@njit(**HELPER)
def is_open(gate, at_first, at_last):
    """The gate of a port or a row."""
    return (
        at_first & gate.first == gate.first
        and at_last & gate.last == gate.last
        and (gate.not_first == 0 or at_first & gate.not_first != gate.not_first)
        and (gate.not_last == 0 or at_last & gate.not_last != gate.not_last)
    )


@njit(**HELPER)
def iterations(bound, size, affine, loops, loop, outer):
    """How often a bounded loop runs this time; its `outer` loops have their counters."""
    limit = min(affine_at(affine, bound.limit, loops, loop, outer), bound.token)
    base = affine_at(affine, bound.base, loops, loop, outer)
    reach = max(-(-limit // bound.granule), base // bound.granule + 1) * bound.granule - base
    return max(1, min(size, -(-reach // bound.stride)))


@njit(**HELPER)
def restart(actor, level, loops, bounds, affine):
    """Put the loops from `level` inwards at their first iteration."""
    for l in range(level, actor.depth):
        loop = loops[uintp(actor.loop + l)]
        loop.counter = 0
        if loop.bound >= 0:
            loop.iterations = iterations(bounds[uintp(loop.bound)], loop.size, affine, loops, actor.loop, l)
        mark(actor, loop, l)


@njit(**HELPER)
def mark(actor, loop, level):
    """Keep `at_first` and `at_last` up to date for one loop."""
    bit = 1 << level
    first = bit if loop.counter == 0 else 0
    last = bit if loop.counter == loop.iterations - 1 else 0
    actor.at_first = (actor.at_first & ~bit) | first
    actor.at_last = (actor.at_last & ~bit) | last


@njit(**HELPER)
def carry(actor, loops, bounds, affine):
    """The innermost loop has ended: step the loops outside. True when the nest has ended."""
    level = actor.depth - 2
    while level >= 0:
        loop = loops[uintp(actor.loop + level)]
        loop.counter += 1
        if loop.counter < loop.iterations:
            break
        level -= 1
    if level < 0:
        return True
    if level < actor.tile_level:
        actor.tiles += 1
    if level < actor.turned:
        actor.turned = level
        actor.turn = actor.last
    mark(actor, loops[uintp(actor.loop + level)], level)
    restart(actor, level + 1, loops, bounds, affine)
    return False


@njit(**HELPER)
def step(actor, inner, fired, loops, bounds, affine):
    """Go on by `fired` iterations of the innermost loop, at most to its end. True when the nest has ended."""
    inner.counter += fired
    if inner.counter == inner.iterations:
        return carry(actor, loops, bounds, affine)
    if actor.tile_level == actor.depth:
        actor.tiles += fired
    mark(actor, inner, actor.depth - 1)
    return False


@njit(**HELPER)
def stretch(actor, inner):
    """Iterations of the innermost loop from here on in which the same rows take part (and ports, where these are split)."""
    i = inner.counter
    if i == 0 and actor.split_first:
        return 1
    if actor.split_last and i < inner.iterations - 1:
        return inner.iterations - 1 - i
    return inner.iterations - i
