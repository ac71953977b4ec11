"""Flows: what leaves a unit once and may reach several others. The network carries a flow as a tree."""

from __future__ import annotations

from enum import IntEnum

from rdflow.dsl.netlist import Netlist, Queue
from rdflow.interpreter.allocate import within_unit


class Wires(IntEnum):
    """The three networks between units (Plasticine): vectors of up to 64 bytes, single words, tokens without data."""

    VECTOR = 0
    SCALAR = 1
    CONTROL = 2


def wires(queue: Queue) -> Wires:
    """The network that a queue between units takes, by the lanes of its tokens."""
    return (Wires.CONTROL, Wires.SCALAR)[queue.width] if queue.width < 2 else Wires.VECTOR


def flows(netlist: Netlist) -> list[int]:
    """By queue the number of its flow, -1 for queues inside a unit and for tokens without data.

    Queues of one flow leave the same actor with the same temporary. Those pushed in one firing carry the same packets
    (a multicast), which cross a link that their routes share once; those of a deal never cross it in the same cycle.
    """
    temporary = {q: port.source for actor in netlist.actors for port in actor.outputs for q in port.queues}
    numbers: dict[tuple[int, int], int] = {}
    return [
        -1
        if queue.width == 0 or within_unit(netlist, queue.source, queue.sink)
        else numbers.setdefault((queue.source, temporary[q]), len(numbers))
        for q, queue in enumerate(netlist.queues)
    ]
