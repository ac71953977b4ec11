"""Shorter nests do the same: firing by firing, the same ports take part, the same queues, words and bursts are touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import rdflow
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.launched import launched_netlist
from rdflow.dsl.netlist import Actor, Affine, Gate, Index, Mem, Operand

DECODE = {"C": 32, "F": 64, "U": 40, "NL": 2, "G": 2, "R": 2, "W": 8, "POS": 20}
PREFILL = {"T": 64, "C": 32, "F": 64, "G": 2, "R": 2, "W": 8}
PROGRAMS: list[tuple[str, dict[str, int]]] = [
    ("attention_causal", {"S": 64, "D": 32}),
    ("llama_decode", DECODE),
    ("llama_prefill_layer", PREFILL),
    ("transpose", {}),
]
Firing = tuple[object, ...]


def counted(actor: Actor, outside: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """The counters of every firing, and the bits of the loops that are at their first and at their last iteration."""
    level = len(outside)
    if level == len(actor.loops):
        yield outside, 0, 0
        return
    size = actor.loops[level].iterations(outside)
    for i in range(size):
        for counters, first, last in counted(actor, (*outside, i)):
            yield counters, first | (i == 0) << level, last | (i == size - 1) << level


def what(operand: Operand, at: tuple[int, ...]) -> object:
    match operand:
        case Index(affine=affine, lanes=lanes):
            return affine.at(at), lanes
        case Mem():
            dynamic = [(what(inner, at), stride) for inner, stride in operand.dynamic]
            return operand.memory, operand.address.at(at), operand.lanes, operand.bank, operand.banks, dynamic
    return operand


def firings(actor: Actor) -> Iterator[Firing]:
    """Everything that follows from the counters, firing by firing; `tile` says when a round of the inner loops begins."""
    inner = ((1 << len(actor.loops)) - 1) >> actor.tile_level << actor.tile_level
    for counters, first, last in counted(actor):

        def opened(gate: Gate, first: int = first, last: int = last) -> bool:
            return gate.open(first, last)

        def value(affine: Affine, at: tuple[int, ...] = counters) -> int:
            return affine.at(at)

        ports = [
            (opened(p.gate), p.queues, value(p.select), p.counts[counters[p.counted]] if p.counts else 1)
            for p in actor.inputs + actor.outputs
        ]
        rows = [
            (r.op, what(r.out, counters), [what(a, counters) for a in r.args], opened(r.gate), opened(r.init))
            for r in actor.rows
        ]
        yield ports, rows, value(actor.burst.address) if actor.burst else None, first & inner == inner


@pytest.mark.parametrize(("name", "sizes"), PROGRAMS)
def test_firings_stay_what_they_were(name: str, sizes: dict[str, int]) -> None:
    """One copy of each kind of actor of each unit, over 2,000 firings: the others differ in constants."""
    kernel = next(iter(rdflow.load(name, **sizes).checked.kernels.values()))
    numbers = {parameter: sizes["POS"] for parameter in kernel.scalars}
    long, short = (launched_netlist(n, kernel, numbers) for n in (elaborate(kernel), coalesce(elaborate(kernel))))
    seen, shorter = set(), 0
    for before, after in zip(long.actors, short.actors, strict=True):
        if (before.unit, before.kind) not in seen:
            seen.add((before.unit, before.kind))
            shorter += len(after.loops) < len(before.loops)
            for one, other, _ in zip(firings(before), firings(after), range(2000), strict=False):
                assert one == other, before.name
    assert shorter > len(seen) // 3


def test_no_two_loops_that_count_as_one_are_left() -> None:
    kernel = next(iter(rdflow.load("llama_decode", **DECODE).checked.kernels.values()))
    once = coalesce(elaborate(kernel))
    actors = list(once.actors)
    assert coalesce(once).actors == actors
