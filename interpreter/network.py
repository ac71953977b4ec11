"""Where routes meet: the links at which a packet may have to wait for another.

A link takes a packet a cycle. One that a single flow uses is never late, for its producer is slower. Neither is one whose
flows all come over the same link before it: that one has put them in a row, a packet a cycle. So packets can queue only
where flows come together from several ways, and only these links are servers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rdflow.dsl.netlist import Gate, Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.flows import Wires, flows, wires
from rdflow.interpreter.mapped import Stage
from rdflow.interpreter.route import Route, Switch

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Link:
    """From a switch to the next, one of the network's kinds of wires, on a socket."""

    socket: int
    wires: Wires
    start: Switch
    end: Switch

    @property
    def name(self) -> str:
        (row, column), (next_row, next_column) = self.start, self.end
        socket = f"{self.socket}: " if self.socket else ""
        return f"link[{socket}{self.wires.name.lower()} {row},{column}-{next_row},{next_column}]"


@dataclass(frozen=True)
class Ways:
    """The links that flows cross, queue by queue and hop by hop.

    `links`: each once, in the order in which they are first crossed. `queue`, `link`: by crossing, their numbers. `flow`:
    by queue, -1 where it is none.
    """

    links: list[Link]
    queue: Ints
    link: Ints
    flow: Ints


def ways_of(netlist: Netlist, routes: Sequence[Route]) -> Ways:
    """The links of every queue's route; none where it is no flow, or leads to another socket."""
    numbers: dict[tuple[int, int, Switch, Switch], int] = {}
    known: dict[tuple[int, int, Route], list[int]] = {}
    queues: list[int] = []
    crossed: list[int] = []
    flow_of = flows(netlist)
    for q, (queue, route) in enumerate(zip(netlist.queues, routes, strict=True)):
        socket = netlist.actors[queue.source].socket
        if flow_of[q] < 0 or netlist.actors[queue.sink].socket != socket:
            continue
        key = (socket, int(wires(queue)), route)
        if key not in known:
            links = ((*key[:2], a, b) for a, b in pairwise(route))
            known[key] = [numbers.setdefault(link, len(numbers)) for link in links]
        crossed += known[key]
        queues += [q] * len(known[key])
    found = [Link(socket, Wires(kind), start, end) for socket, kind, start, end in numbers]
    return Ways(found, *(np.array(table, np.int64) for table in (queues, crossed, flow_of)))


@dataclass(frozen=True, slots=True)
class Crossing:
    """A link that a route crosses and flows share: its place in `Meetings.links`, and how many hops come before it."""

    link: int
    hops: int


@dataclass(frozen=True)
class Meetings:
    """The links where flows meet; by queue those that it crosses, in order, and the first queue of its flow (or -1)."""

    links: list[Link]
    crossings: list[tuple[Crossing, ...]]
    flows: list[int]


def meetings(netlist: Netlist, routes: Sequence[Route]) -> Meetings:
    """Where the flows of a kernel meet on their routes."""
    ways = ways_of(netlist, routes)
    first = np.diff(ways.queue, prepend=-1) != 0
    before = np.where(first, -1 - ways.flow[ways.queue], np.roll(ways.link, 1))  # the link before, or whose way begins
    origins = np.unique(np.stack((ways.link, before)), axis=1)[0]
    shared = np.bincount(origins, minlength=len(ways.links)) > 1
    number = np.cumsum(shared) - 1
    start = np.maximum.accumulate(np.where(first, np.arange(first.size), 0))
    crossings: list[tuple[Crossing, ...]] = [()] * len(netlist.queues)
    for i in np.flatnonzero(shared[ways.link]).tolist():
        crossing = Crossing(int(number[ways.link[i]]), i - int(start[i]))
        crossings[ways.queue[i]] = (*crossings[ways.queue[i]], crossing)
    met = [link for link, many in zip(ways.links, shared.tolist(), strict=True) if many]
    return Meetings(met, crossings, _first_queues(ways.flow.tolist()))


def through_links(crossed: Sequence[tuple[int, int]], latency: int, packets: int) -> tuple[int, tuple[Stage, ...]]:
    """The stages of a queue that crosses links, each given as its server and the cycles from the push to it.

    A token that waits nowhere is ready after `latency`, with its first packet (the consumer takes a cycle for each).
    Returned are the cycles to the first stage (to the end, without links) and all stages.
    """
    if not crossed:
        return latency, ()
    ends = [at for _, at in crossed[1:]]
    stages = [Stage(link, end - at - 1) for (link, at), end in zip(crossed, ends, strict=False)]
    link, at = crossed[-1]
    return crossed[0][1], (*stages, Stage(link, latency - at - packets))


def _first_queues(numbers: Sequence[int]) -> list[int]:
    """By queue the lowest number of a queue of the same flow."""
    first: dict[int, int] = {}
    return [first.setdefault(flow, q) if flow >= 0 else -1 for q, flow in enumerate(numbers)]


def traffic(netlist: Netlist, routes: Sequence[Route], pushes: Sequence[int]) -> dict[Link, int]:
    """Packets over every link that carries any, from the tokens that each queue was given.

    A flow's queues behind ports with the same gate get the same packets, which cross a link once: the most of them
    count. Behind other gates they are taken as others.
    """
    return carried(netlist, ways_of(netlist, routes), pushes)


def carried(netlist: Netlist, ways: Ways, pushes: Sequence[int]) -> dict[Link, int]:
    """The same by the links of all queues."""
    if not ways.links:
        return {}
    gate, port = _ports(netlist)
    packets = np.array(pushes, np.int64) * np.fromiter((q.packets for q in netlist.queues), np.int64)
    keys = (port[ways.queue], gate[ways.queue], ways.flow[ways.queue], ways.link)
    order = np.lexsort(keys)
    of_port, of_gate, of_flow, of_link = (key[order] for key in keys)
    by_gate = _changes(of_link, of_flow, of_gate)
    by_port = np.flatnonzero(by_gate | _changes(of_port))
    sums = np.add.reduceat(packets[ways.queue][order], by_port)
    starts = np.flatnonzero(by_gate[by_port])
    most = np.maximum.reduceat(sums, starts)
    total = np.zeros(len(ways.links), np.int64)
    np.add.at(total, of_link[by_port][starts], most)
    return dict(zip(ways.links, total.tolist(), strict=True))


def _ports(netlist: Netlist) -> tuple[Ints, Ints]:
    """By queue a number for the gate behind which it gets its tokens, and the output port of its actor."""
    gates: dict[Gate, int] = {}
    gate, port = np.zeros((2, len(netlist.queues)), np.int64)
    for actor in netlist.actors:
        for number, out in enumerate(actor.outputs):
            for queue in out.queues:
                gate[queue] = gates.setdefault(out.gate, len(gates))
                port[queue] = number
    return gate, port


def _changes(*keys: Ints) -> npt.NDArray[np.bool_]:
    """Where one of these is another than at the place before; the first place counts."""
    found = np.zeros(keys[0].size, np.bool_)
    for key in keys:
        found[1:] |= key[1:] != key[:-1]
    found[:1] = True
    return found
