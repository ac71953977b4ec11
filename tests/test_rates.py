"""Rates: what nests and gates say is what a run does, to the packet."""

import pytest
from sketch import Sketch

import rdflow
from rdflow.dsl.firings import firings, iterations, moments
from rdflow.dsl.netlist import Affine, Gate, Loop
from rdflow.interpreter.image import counters
from rdflow.interpreter.rates import rates_of

PROGRAMS = ("hello", "attention", "attention_causal", "softmax", "topk_router", "online_softmax", "monarch_fft_unfused")


@pytest.mark.parametrize("name", PROGRAMS)
def test_firings_and_packets_are_those_of_a_run(name: str) -> None:
    program = rdflow.load(name)
    execution = program.execution()
    execution.advance()
    for launched in execution.launched:
        netlist, counted = launched.compiled.netlist, counters(launched.image)
        assert [firings(actor) for actor in netlist.actors] == counted.firings.tolist()
        found = rates_of(netlist, program.machine)
        assert found.packets == [int(n) * q.packets for n, q in zip(counted.pushes, netlist.queues, strict=True)]
        assert 0.3 * launched.image.cycles < found.cycles <= launched.image.cycles


def test_a_triangle_is_counted() -> None:
    triangle = (Loop(10), Loop(10, limit=Affine(1, (1,))), Loop(3))
    assert iterations(triangle) == 3 * 55


def test_gates_open_at_ends() -> None:
    sketch = Sketch()
    sketch.unit("a", "pcu", pcus=1)
    actor = sketch.netlist.actors[0]
    actor = type(actor)(actor.name, 0, "pcu", (Loop(5), Loop(4), Loop(3)), (), ())
    gates = (Gate(), Gate(last=0b110), Gate(first=0b100), Gate(not_first=0b010), Gate(first=0b100, not_last=0b001))
    assert [moments(actor, gate) for gate in gates] == [60, 5, 20, 45, 16]
    assert moments(actor, Gate(first=1, last=1)) == 0
