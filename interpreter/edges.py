"""What pulls on units: edges between sites that exchange tokens, weighted by how many packets a cycle they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import isqrt

from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.allocate import KINDS, UnitCopy
from rdflow.interpreter.flows import Wires, flows, wires
from rdflow.interpreter.rates import Rates

FULL = 64
"""the weight of a packet a cycle"""
LEAST_PULL = 8
"""the weight of a stream that carries hardly anything, in wire length: its latency still counts"""
LEAST_LOAD = 16
"""the same in load: who shares a link waits, however seldom"""
HOP = 64
"""the cost of a hop for a weight of 1; two full streams on one link cost as much as 7 hops of one"""
TIED = 4 * FULL
"""the weight between the sites of one unit"""


@dataclass(frozen=True, slots=True)
class Edge:
    """From cell to cell: `pull` is the cost of a hop, `load` what each of its two ways with one corner carries."""

    source: int
    sink: int
    pull: int
    load: int
    network: int


@dataclass(frozen=True)
class Cells:
    """What takes one site each: by cell its kind (an index of KINDS), by copy its first cell; the edges between."""

    kinds: list[int]
    first: list[int]
    edges: list[Edge]


def cells(netlist: Netlist, copies: Sequence[UnitCopy], rates: Rates, crowded: bool = False) -> Cells:
    """The cells of all copies, the first of each where its queues begin and end; `crowded`: see `floorplan.is_crowded`."""
    kinds: list[int] = []
    first: list[int] = []
    ties: list[Edge] = []
    for copy in copies:
        first.append(len(kinds))
        kinds += [KINDS.index(kind) for kind, count in copy.needs for _ in range(count)]
        ties += [Edge(first[-1], cell, HOP * TIED, 0, 0) for cell in range(first[-1] + 1, len(kinds))]
    of = {actor: first[i] for i, copy in enumerate(copies) for actor in copy.actors}
    return Cells(kinds, first, [*ties, *_merged(_streams(netlist, of, rates, crowded))])


def _streams(netlist: Netlist, of: dict[int, int], rates: Rates, crowded: bool) -> Iterable[tuple[int, Edge]]:
    """An edge for each queue between cells, the queues of a flow to the same cell as one; and the
    socket of its sink.

    A tree to n sinks spread over an area is about sqrt(n) times shorter than n wires (Beardwood, Halton and Hammersley,
    1959), so the sinks of a multicast weigh that much less each. What is dealt is split already. In a `crowded`
    kernel streams that carry hardly anything load links as one where they come together: hundreds of partial sums are no
    more than their packets.
    """
    numbers = flows(netlist)
    port = {q: i for actor in netlist.actors for i, out in enumerate(actor.outputs) for q in out.queues}
    crowding = rates.crowding
    carried: dict[tuple[int, int, int, int, int], int] = {}
    casts: dict[int, set[int]] = {}
    for q, queue in enumerate(netlist.queues):
        source, sink, flow = of[queue.source], of[queue.sink], numbers[q] if numbers[q] >= 0 else -1 - q
        key = (flow, netlist.actors[queue.sink].socket, source, sink, int(wires(queue)))
        if source != sink:
            carried[key] = max(carried.get(key, 0), crowding[q])
            casts.setdefault(flow, set()).add(port.get(q, 0))
    meeting = Counter((socket, sink) for _, socket, _, sink, _ in carried)
    for (flow, socket, source, sink, network), packets in carried.items():
        share = isqrt(FULL * FULL * len(casts[flow]))
        rate = 0 if network == Wires.CONTROL else FULL * FULL * packets // (rates.cycles * share)
        least = FULL * LEAST_LOAD // (share * (meeting[socket, sink] if crowded else 1))
        load = 0 if network == Wires.CONTROL else max(1, rate, least)
        yield socket, Edge(source, sink, HOP * (LEAST_PULL + rate), load, network % Wires.CONTROL)


def _merged(edges: Iterable[tuple[int, Edge]]) -> list[Edge]:
    """Edges between the same cells as one, as strong as on the socket where they are strongest: sockets are alike."""
    found: dict[tuple[int, int, int], dict[int, tuple[int, int]]] = {}
    for socket, edge in edges:
        sums = found.setdefault((edge.source, edge.sink, edge.network), {})
        pull, load = sums.get(socket, (0, 0))
        sums[socket] = pull + edge.pull, load + edge.load
    return [Edge(source, sink, *max(sums.values()), net) for (source, sink, net), sums in found.items()]
