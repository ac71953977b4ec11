"""One socket for all that are alike: the same counters as with all of them, and never where one of them differs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rdflow
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.netlist import Loop
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import Counters, Status, advance, build, counters, one_for_all
from rdflow.interpreter.launched import Compiled, Counted
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.states import states
from rdflow.interpreter.symmetry import symmetry

REDUCED = """
param G = 4, N = 4096, P = 1, M = 3
axis g = G, n = N, m = M
tensor X: f32[g @socket, m, n] in hbm input
tensor W: bf16[g @socket, n] in hbm input
tensor Y: f32[m, n] in hbm output
kernel k {
    x = load X @P            as [g @socket, m, n/H @P | n%H]
    w = pmu load W           as [; g @socket, m, n/H @P | n%H]
    y = pcu sum(g) (x * w)   as [m, n/H @P | n%H]
    z = pmu y                as [m; n/H @P | n%H]
    store z @P -> Y
}
"""
LAYER = {"T": 64, "C": 256, "F": 256, "R": 2, "W": 8, "Z": 4, "D": 2}
ALIKE = [
    pytest.param("", {"G": 2}, id="two sockets"),
    pytest.param("", {"G": 4, "P": 2, "N": 8192}, id="four sockets, two copies"),
    pytest.param("", {"G": 8, "N": 8192}, id="eight sockets"),
    pytest.param("", {"G": 5, "N": 5 * 65 * 16, "M": 1}, id="five sockets, an odd number of rounds"),
    pytest.param("llama_prefill_layer", {**LAYER, "G": 2}, id="a prompt's layer on two"),
    pytest.param("llama_prefill_layer", {**LAYER, "T": 128, "C": 512, "G": 8}, id="a prompt's layer on eight"),
]


def execution(name: str, one: bool, **params: int) -> Execution:
    program = rdflow.load(name, **params) if name else rdflow.loads(REDUCED, **params)
    return program.execution(one_for_all=one)


def mapped(**params: int) -> Mapped:
    ran = execution("", False, **params)
    return ran.compile(ran.begin().call.spec).mapped


def same(one: Counted, all_: Counted) -> bool:
    names = [field.name for field in fields(Counters)]
    arrays = ((getattr(one.counters, name), getattr(all_.counters, name)) for name in names)
    return one.cycles == all_.cycles and all(map(np.array_equal, *zip(*arrays, (one.states, all_.states), strict=True)))


@pytest.mark.parametrize(("name", "params"), ALIKE)
def test_one_socket_counts_what_all_of_them_count(name: str, params: dict[str, int]) -> None:
    one, every = execution(name, True, **params), execution(name, False, **params)
    one.advance()
    every.advance()
    assert one.launched[0].image.alike is not None and every.launched[0].image.alike is None
    assert len(one.launched[0].image.tables.actors) * params["G"] == len(every.launched[0].image.tables.actors)
    assert same(one.launched[0].counted, every.launched[0].counted)
    assert one.launched[0].firings == every.launched[0].firings


def test_one_socket_stands_anywhere_as_all_of_them_do() -> None:
    found = mapped(G=4)
    alike = symmetry(found)
    assert alike is not None
    one, every = one_for_all(alike), build(found)
    for cycle in (1, 100, 777, 1500):
        advance(one, cycle)
        advance(every, cycle)
        assert np.array_equal(states(one), states(every))
        assert np.array_equal(counters(one).pushes, counters(every).pushes)


def test_messages_that_are_dealt_token_by_token_are_not_alike() -> None:
    """Token i goes to socket i, whoever has it: the first one gets its token first."""
    assert symmetry(mapped(G=4, N=256)) is None
    assert symmetry(mapped(G=1)) is None


def test_what_differs_on_one_socket_is_seen() -> None:
    found = mapped(G=2)
    assert symmetry(found) is not None
    for number in range(len(found.queues)):
        queues = list(found.queues)
        queues[number] = replace(queues[number], slots=queues[number].slots + 1)
        assert symmetry(replace(found, queues=queues)) is None, number
    for number, actor in enumerate(found.netlist.actors):
        actors = list(found.netlist.actors)
        actors[number] = replace(actor, interval=actor.interval + 1)
        assert symmetry(replace(found, netlist=replace(found.netlist, actors=actors))) is None, number


@given(data=st.data())
def test_netlists_that_count_as_alike_are(data: Any) -> None:
    """A change on some sockets: either it is seen, or all sockets have it and one of them still counts the same."""
    found = mapped(G=2, M=1, N=2048)
    change, on = data.draw(st.sampled_from(CHANGES)), data.draw(st.sets(st.integers(0, 1), min_size=1))
    at = data.draw(st.integers(0, len(found.netlist.queues) - 1))
    source = found.netlist.queues[at].source
    twins = [q for q, queue in enumerate(found.netlist.queues) if _name(found, queue.source) == _name(found, source)]
    queues = list(found.queues)
    for q in twins:
        if found.netlist.actors[found.netlist.queues[q].source].socket in on:
            queues[q] = change(queues[q])
    changed = replace(found, queues=queues)
    alike = symmetry(changed)
    assert (alike is not None) == (len(on) == 2 or queues == found.queues)
    if alike is not None:
        one, every = one_for_all(alike), build(changed)
        assert advance(one) is advance(every) is Status.FINISHED
        assert same(Counted.of(one), Counted.of(every))


CHANGES = [
    lambda timing: replace(timing, latency=timing.latency + 3),
    lambda timing: replace(timing, credit=timing.credit + 2),
    lambda timing: replace(timing, slots=timing.slots + 5),
    lambda timing: replace(timing, first=timing.first + 1),
]


def _name(found: Mapped, actor: int) -> tuple[int, str]:
    own = found.netlist.actors[actor]
    return own.unit, own.kind


def _short(compiled: Compiled) -> Compiled:
    """Every socket asks its memory for a burst less than it takes."""
    netlist = compiled.netlist
    actors = [
        replace(a, loops=(replaced(a.loops[0]), *a.loops[1:])) if a.name.startswith("x.request") else a
        for a in netlist.actors
    ]
    return replace(compiled, mapped=replace(compiled.mapped, netlist=replace(netlist, actors=actors)))


def replaced(loop: Loop) -> Loop:
    return loop._replace(size=loop.size - 1)


def test_a_deadlock_is_told_as_of_all_sockets() -> None:
    told = []
    for one in (True, False):
        ran = execution("", one, G=2)
        ran.begin()
        ran = ran.again(_short)
        with pytest.raises(CompileError) as raised:
            ran.advance()
        assert (ran.launched[0].image.alike is not None) == one
        told.append([repr(d) for d in raised.value.diagnostics])
    assert told[0] == told[1] and "RDF401" in told[0][0]
