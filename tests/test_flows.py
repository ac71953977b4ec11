"""Flows: a multicast is one, a deal is one, two results are two; what stays inside a unit is none."""

from rdflow.dsl.netlist import ALWAYS, Actor, Loop, Netlist, Port, Queue, UnitInfo
from rdflow.dsl.source import NOWHERE
from rdflow.interpreter.flows import Wires, flows, wires


def netlist() -> Netlist:
    """A producer of temporaries 0 (to two units, and dealt to two more) and 1, and a token without data."""
    ends = [(1, 32, 0), (2, 32, 0), (3, 32, 0), (4, 32, 0), (1, 32, 1), (1, 0, -1)]
    queues = [Queue(0, sink, width) for sink, width, _ in ends]
    outputs = (
        Port((0,), ALWAYS, source=0),
        Port((1,), ALWAYS, source=0),
        Port((2, 3), ALWAYS, source=0),
        Port((4,), ALWAYS, source=1),
        Port((5,), ALWAYS),
    )
    units = [UnitInfo(f"u{i}", "pcu", "pcu", NOWHERE, "[]", 1, pcus=1) for i in range(5)]
    actors = [Actor("u0", 0, "pcu", (Loop(4),), (), outputs)]
    actors += [Actor(f"u{i}", i, "pcu", (Loop(4),), (), ()) for i in range(1, 5)]
    return Netlist("k", units, actors, queues)


def test_queues_that_carry_one_temporary_are_one_flow() -> None:
    assert flows(netlist()) == [0, 0, 0, 0, 1, -1]


def test_the_network_of_a_queue_follows_from_its_lanes() -> None:
    assert [wires(Queue(0, 1, width)) for width in (0, 1, 2, 32)] == [
        Wires.CONTROL,
        Wires.SCALAR,
        Wires.VECTOR,
        Wires.VECTOR,
    ]
