"""The sockets of a node: the links between them, and what a kernel takes of each.

Every socket is wired to every other: a pair has floor(ports / (sockets of the node - 1)) ports each way, 1 of 10 on a
node of 8 sockets, 3 of 10 on one of 4, all 10 on one of 2. The port of an AGCU leads to the port at the same place on
the other socket, and from there packets go on over that socket's mesh.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.netlist import Netlist, Queue, TensorUse
from rdflow.interpreter.machine import BURST, Machine
from rdflow.interpreter.mapped import QueueTiming, Server, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

DENOMINATOR = 16
"""of cycles a packet: as for memory channels"""


def ports_a_peer(machine: Machine) -> int:
    """Ports from a socket to each other socket of its node."""
    return machine.links.ports // max(1, machine.node.sockets - 1)


def cycles_per_packet(machine: Machine) -> Fraction:
    """Of a link between two sockets: the nearest fraction with a small denominator to 64 B over the ports' bandwidth. Where a
    peer has no port, as of one: `node_errors` says so."""
    asked = Fraction(BURST * machine.socket.clock, max(1, ports_a_peer(machine)) * machine.links.bandwidth)
    return max(asked.limit_denominator(DENOMINATOR), Fraction(1, DENOMINATOR))


def is_link(queue: Queue) -> bool:
    return isinstance(queue.server, tuple) and queue.server[0] == "link"


def link_timing(queue: Queue, machine: Machine, wire: int, first_server: int) -> QueueTiming:
    """The cycles of a queue from one socket to another; `wire` from the port to the consumer. `first_server`: of links.

    A PMU beside the consumer keeps room for the tokens, where the queue does not say for how many.
    """
    first, tail = machine.agcu.latency, machine.cycles(machine.links.latency) + wire
    slots = queue.slots if queue.slots is not None else link_room(queue, machine, wire)
    assert isinstance(queue.server, tuple)
    return QueueTiming(first + tail, tail, slots, first, (Stage(first_server + queue.server[1], tail),))


def link_room(queue: Queue, machine: Machine, wire: int) -> int:
    """Tokens: a FIFO, and what is under way until a credit is back, so that one stream can fill a link."""
    token = cycles_per_packet(machine) * queue.packets
    there_and_back = machine.agcu.latency + 2 * (machine.cycles(machine.links.latency) + wire) + token
    return max(2, ceil(there_and_back / token) + -(-machine.pcu.fifo // queue.packets))


def beside_links(netlist: Netlist) -> set[int]:
    """Queues within a socket into ports that take turns between them and links: their tokens wait as long, and need as
    much room."""
    ports = (port.queues for actor in netlist.actors for port in actor.inputs if len(port.queues) > 1)
    return {q for queues in ports if any(is_link(netlist.queues[q]) for q in queues) for q in queues}


def link_servers(netlist: Netlist, machine: Machine) -> list[Server]:
    """A server for each ordered pair of sockets, those of a socket with itself never used."""
    if netlist.sockets == 1:
        return []
    service = cycles_per_packet(machine)
    pairs = ((i, j) for i in range(netlist.sockets) for j in range(netlist.sockets))
    return [Server(f"p2p[{i},{j}]", service.numerator, service.denominator) for i, j in pairs]


def shard(use: TensorUse, values: NDArray[Any], socket: int) -> NDArray[Any]:
    """The part of a tensor's values that a socket has, as a view: all of it where the tensor is not sharded."""
    if use.sharded is None:
        return values
    return values[(*(slice(None) for _ in range(use.sharded)), slice(socket, socket + 1))]


def received(netlist: Netlist, machine: Machine) -> dict[int, int]:
    """By actor the bytes of scratchpad that are kept for what is on its way over links (with no wire behind them)."""
    beside = beside_links(netlist)
    found: dict[int, int] = {}
    for number, queue in enumerate(netlist.queues):
        if number in beside or is_link(queue):
            room = link_room(queue, machine, 0) if queue.slots is None else queue.slots
            found[queue.sink] = found.get(queue.sink, 0) + room * queue.packets * BURST
    return found


def node_errors(netlist: Netlist, machine: Machine) -> list[Diagnostic]:
    """RDF209 where a kernel has more sockets than the node, or a socket too few ports to reach them."""
    wanted, there = netlist.sockets, machine.node.sockets
    if wanted > there:
        message = f"kernel `{netlist.kernel}` is sharded over {wanted} sockets, the machine has {there}"
        help = f"shard over {there}, or take a larger node: `--machine-set node.sockets={wanted}`"
    elif wanted > 1 and not ports_a_peer(machine):
        message = f"a socket of {machine.links.ports} ports cannot reach {there - 1} others"
        help = f"`--machine-set links.ports={there - 1}`, or a smaller node: `--machine-set node.sockets={wanted}`"
    else:
        return []
    notes = ("a digit on the sockets has a value for each, and every socket has a link to every other",)
    spans = [unit.span for unit in netlist.units[:1]]
    return [Diagnostic("RDF209", message, tuple(Label(span, "in this kernel") for span in spans), notes, help)]
