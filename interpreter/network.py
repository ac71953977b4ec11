"""Where routes meet: the links at which a packet may have to wait for another.

A link takes a packet a cycle. One that a single flow uses is never late, for its producer is slower. Neither is one whose
flows all come over the same link before it: that one has put them in a row, a packet a cycle. So packets can queue only
where flows come together from several ways, and only these links are servers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rdflow.dsl.netlist import Gate, Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.flows import Wires, flows, wires
from rdflow.interpreter.mapped import Stage
from rdflow.interpreter.route import Route, Switch


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
    numbers = flows(netlist)
    origins: dict[Link, set[object]] = defaultdict(set)
    ways = [tuple(links(netlist, routes, q, numbers)) for q in range(len(netlist.queues))]
    for flow, way in zip(numbers, ways, strict=True):
        before: object = flow
        for link in way:
            origins[link].add(before)
            before = link
    shared = {link: n for n, link in enumerate(l for l, befores in origins.items() if len(befores) > 1)}
    crossings = [tuple(Crossing(shared[l], i) for i, l in enumerate(way) if l in shared) for way in ways]
    return Meetings(list(shared), crossings, _first_queues(numbers))


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


def links(netlist: Netlist, routes: Sequence[Route], queue: int, flow_of: Sequence[int]) -> Iterator[Link]:
    """The links of a queue's route; none where it is no flow, or leads to another socket."""
    ends = netlist.queues[queue]
    socket = netlist.actors[ends.source].socket
    if flow_of[queue] >= 0 and netlist.actors[ends.sink].socket == socket:
        yield from (Link(socket, wires(ends), a, b) for a, b in pairwise(routes[queue]))


def _first_queues(numbers: Sequence[int]) -> list[int]:
    """By queue the lowest number of a queue of the same flow."""
    first: dict[int, int] = {}
    return [first.setdefault(flow, q) if flow >= 0 else -1 for q, flow in enumerate(numbers)]


def traffic(netlist: Netlist, routes: Sequence[Route], pushes: Sequence[int]) -> dict[Link, int]:
    """Packets over every link that carries any, from the tokens that each queue was given.

    A flow's queues behind ports with the same gate get the same packets, which cross a link once: the most of them
    count. Behind other gates they are taken as others.
    """
    gates = {q: (n, p.gate) for a in netlist.actors for n, p in enumerate(a.outputs) for q in p.queues}
    numbers = flows(netlist)
    by_port: dict[tuple[Link, int, Gate], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for q, queue in enumerate(netlist.queues):
        port, gate = gates[q] if q in gates else (q, Gate())
        for link in links(netlist, routes, q, numbers):
            by_port[link, numbers[q], gate][port] += pushes[q] * queue.packets
    total: dict[Link, int] = defaultdict(int)
    for (link, _, _), ports in by_port.items():
        total[link] += max(ports.values())
    return dict(total)
