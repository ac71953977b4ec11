"""Nests with fewer loops fire alike: ports, queues and addresses, firing by firing; counters come apart again."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from rdflow.dsl.netlist import ALWAYS, Actor, Affine, Burst, Gate, Loop, Port
from rdflow.interpreter.fuse import apart, fused

SIZES = (1, 2, 3, 4)


@st.composite
def actors(draw: st.DrawFn) -> Actor:
    """Nests whose gates ask for runs of loops, and whose affines are often those of a flat walk."""
    loops = draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=4))
    masks = st.sampled_from([0, *((1 << len(loops)) - (1 << level) for level in range(len(loops) + 1)), 1, 2])

    def affine() -> Affine:
        walk = [1] * len(loops)
        for level in reversed(range(len(loops) - 1)):
            walk[level] = walk[level + 1] * loops[level + 1]
        strides = [draw(st.sampled_from([1, 0, 7])) * w for w in walk]
        return Affine(draw(st.integers(0, 3)), tuple(strides[: draw(st.integers(0, len(strides)))]))

    def port() -> Port:
        gate = Gate(*(mask & (1 << len(loops)) - 1 for mask in draw(st.tuples(masks, masks, masks, masks))))
        return Port(tuple(range(draw(st.sampled_from([1, 400])))), gate, select=affine())

    ports = tuple(port() for _ in range(draw(st.integers(1, 3))))
    burst = draw(st.sampled_from([None, Burst(0, affine())]))
    return Actor("a", 0, "pcu", tuple(Loop(size) for size in loops), ports, (), burst=burst)


def firings(actor: Actor) -> list[tuple[object, ...]]:
    """What every port and the burst do, firing by firing."""
    found = []
    for counters in product(*(range(loop.size) for loop in actor.loops)):
        first = sum(1 << l for l, c in enumerate(counters) if c == 0)
        last = sum(1 << l for l, c in enumerate(counters) if c == actor.loops[l].size - 1)
        used = [p.select.at(counters) if p.gate.open(first, last) and len(p.queues) > 1 else 0 for p in actor.inputs]
        gates = [p.gate.open(first, last) for p in actor.inputs]
        found.append((gates, used, actor.burst and actor.burst.address.at(counters)))
    return found


@settings(max_examples=300, deadline=None, database=None)
@given(actors())
def test_a_fused_nest_fires_alike(actor: Actor) -> None:
    nest = fused(actor)
    assert firings(nest) == firings(actor)
    own = product(*(range(loop.size) for loop in actor.loops))
    of_the_nest = product(*(range(loop.size) for loop in nest.loops))
    assert [apart(counters, nest, actor) for counters in of_the_nest] == list(own)


def test_what_is_one_walk_is_one_loop() -> None:
    """Not where a port asks for one of the loops alone, a bound runs along, or a table counts."""
    walk = Actor("a", 0, "request", (Loop(4), Loop(3), Loop(2)), (), (), burst=Burst(0, Affine(0, (384, 128, 64))))
    assert fused(walk).loops == (Loop(24),) and fused(walk).burst == Burst(0, Affine(0, (64,)))
    gated = replace(walk, inputs=(Port((0,), Gate(first=6)),))
    assert [loop.size for loop in fused(gated).loops] == [4, 6] and fused(gated).inputs[0].gate == Gate(first=2)
    bounded = replace(walk, burst=None, loops=(Loop(4), Loop(3), Loop(2, limit=Affine(1, (1,)))))
    assert fused(bounded).loops == bounded.loops
    counted = replace(walk, burst=None, inputs=(Port((0,), ALWAYS, counts=(1, 2, 1), counted=1),))
    assert fused(counted).loops == counted.loops
