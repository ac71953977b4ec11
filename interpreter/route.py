"""Routes: the switches that every queue passes, negotiated so that few streams share a link and none carries too much.

Routes need not be in dimension order: a token leaves only when its consumer has a slot for it, so it never waits on a
link for room, and routes cannot block one another in a ring.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from rdflow.dsl.netlist import Netlist
from rdflow.interpreter.flows import Wires, flows, wires
from rdflow.interpreter.negotiate import Flow, Negotiation, Sink
from rdflow.interpreter.rates import Rates

Switch = tuple[int, int]  # row and column on the socket
Route = tuple[Switch, ...]
ALIKE = attrgetter("switch", "packets", "port", "gate")
"""of a sink: what sockets with the same flows have in common"""


def hops(way: Route) -> int:
    """Links that a packet crosses, at least one: from the unit to its switch. None inside a unit."""
    return max(1, len(way) - 1) if way else 0


def straight(start: Switch, end: Switch) -> Route:
    """The switches from one to the other, both included, along the row first."""
    (row, column), (last_row, last_column) = start, end
    across = [(row, c) for c in _steps(column, last_column)]
    down = [(r, last_column) for r in _steps(row, last_row)]
    return (*across, *down[1:])


def _steps(first: int, last: int) -> range:
    step = 1 if last >= first else -1
    return range(first, last + step, step)


def routes(
    netlist: Netlist,
    rates: Rates,
    ends: Sequence[tuple[Switch, Switch] | None],
    mesh: tuple[int, int],
    compiled: bool = False,
    crowded: bool = False,
) -> tuple[list[Route], int, int]:
    """The route of each queue, the most rounds that a network was negotiated in, and the packets too many on links, over
    all networks that differ.

    `ends`: by queue the switches of its source and its sink, None inside a unit, where the route is empty. `mesh`: rows
    and columns of switches. `compiled`: there is much to do; `crowded`: see `floorplan.is_crowded`. Tokens without data
    have wires of their own, which are as short as they can be. Sockets with the same flows get the same routes, negotiated
    once.
    """
    found: list[Route] = [()] * len(ends)
    settled: dict[tuple[object, ...], list[list[Route]]] = {}
    rounds = over = 0
    for of_mesh in _flows(netlist, rates, ends, mesh[1]):
        shape = tuple((flow.source, tuple(map(ALIKE, flow.sinks))) for flow in of_mesh)
        if shape not in settled:
            negotiation = Negotiation(of_mesh, *mesh, rates.cycles, compiled, crowded)
            negotiation.settle()
            settled[shape], rounds = negotiation.ways(), max(rounds, negotiation.rounds)
            over += negotiation.score()[0]
        for flow, ways in zip(of_mesh, settled[shape], strict=True):
            for sink, way in zip(flow.sinks, ways, strict=True):
                found[sink.queue] = way
    ways_of = zip(found, ends, strict=True)
    return [way or (straight(*end) if end is not None else ()) for way, end in ways_of], rounds, over


def _flows(
    netlist: Netlist, rates: Rates, ends: Sequence[tuple[Switch, Switch] | None], columns: int
) -> Iterable[list[Flow]]:
    """The flows that stay on a socket, by network and socket, each with its sinks, the nearest first."""
    port = {q: (i, out.gate) for actor in netlist.actors for i, out in enumerate(actor.outputs) for q in out.queues}
    sources: dict[int, int] = {}
    crowding = rates.crowding
    meshes: dict[tuple[Wires, int], dict[int, list[Sink]]] = {}
    for q, (queue, flow, end) in enumerate(zip(netlist.queues, flows(netlist), ends, strict=True)):
        socket = netlist.actors[queue.source].socket
        if flow < 0 or end is None or netlist.actors[queue.sink].socket != socket:
            continue
        (row, column), (last_row, last_column) = end
        sources[flow] = row * columns + column
        far = abs(row - last_row) + abs(column - last_column)
        sink = Sink(far, last_row * columns + last_column, crowding[q], q, *port[q])
        meshes.setdefault((wires(queue), socket), {}).setdefault(flow, []).append(sink)
    for of_mesh in meshes.values():
        yield [Flow(sources[flow], tuple(sorted(sinks))) for flow, sinks in of_mesh.items()]
