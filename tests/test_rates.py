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


TURNS = """
axis t = 64, n = 128, c = 4
tensor X: f32[t, n] in hbm input
tensor Y: f32[t, n] in hbm output
kernel k {
    x = load X as [t, n/L | n%L]
    z = pmu x as [t; n/L, c | n%L]
    y = pcu sum(c) z as f32 [t, n/L | n%L]
    w = pmu y as [t; n/L | n%L]
    v = pcu w * 2.0
    b = pmu v as [t; n/L | n%L]
    store b -> Y
}
"""


def test_units_that_take_turns_are_reckoned_with_while_they_work() -> None:
    """Between two holds `v` works a quarter of the time: its streams count four times. Memory is read ahead, all the time."""
    program = rdflow.loads(TURNS)
    netlist = program.execution().compile(next(iter(program.checked.kernels))).netlist
    found = rates_of(netlist, program.machine)
    streams = {q.stream: (found.packets[i], found.crowding[i]) for i, q in enumerate(netlist.queues) if q.width}
    tokens, packets = 64 * 4, 2  # of 32 values in f32
    assert found.cycles == packets * tokens * 4, "`z` replays each token for c"
    assert streams["w"] == streams["v"] == (packets * tokens, packets * tokens * 4)
    assert streams["z"] == (found.cycles, found.cycles)
    assert streams["y"] == (packets * tokens, packets * tokens), "as long as its sum takes"
    assert all(packets == dense for packets, dense in (streams["x"], streams["b"]))
