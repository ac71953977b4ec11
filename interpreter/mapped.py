"""The mapped netlist: every queue has its cycles, every tensor its addresses, every shared resource its service time."""

from __future__ import annotations

from dataclasses import field

from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass

BY_ADDRESS = -2
"""`Stage.server`: the memory channel that the burst's address selects. Only as the first stage of a queue."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A server that the tokens of a queue visit, and the cycles from there on.

    `after`: from the end of service of the token's first packet to its arrival at the next stage (at least 0; a server
    before others takes at least a cycle a packet); at the last stage, from the end of the whole service to ready.
    """

    server: int
    after: int


@dataclass(frozen=True, slots=True)
class QueueTiming:
    """Cycles of a queue.

    A token pushed by a firing at cycle t is ready at t + latency; the slot of a token popped at t is free at t + credit.
    With stages (`latency` is not used then) it arrives at the first at t + first. At each, service starts at
    max(arrival, the server is free) and takes packets * service; it ends at the ceiling of that.
    `slots`: tokens from the push to the return of the credit: floor((FIFO + pipeline + 2 x hops) / packets), at least 2.
    `flow`: the number of the first queue of its flow; -1 is its own.
    """

    latency: int
    credit: int
    slots: int
    first: int = 1
    stages: tuple[Stage, ...] = ()
    flow: int = -1


@dataclass(frozen=True, slots=True)
class Server:
    """A shared resource: a memory channel, a PMU's write port, a link. Cycles a packet as a fraction with a small
    denominator.

    Tokens are served in order of arrival; those that arrive in the same cycle in rotating order after the last flow
    served (by its number, cyclically), within a flow by queue. A `shared` server is a link: tokens of one flow that
    arrive in the same cycle are the same packets, served once, and all of them go on.
    """

    name: str
    numerator: int = 1
    denominator: int = 1
    shared: bool = False


@dataclass
class Mapped:
    """`channels[tensor]`: (first server, count, base address): a burst at byte b of tensor t goes to server
    first + ((base + b) // 64) % count; on socket k the first server is k * socket_servers more."""

    netlist: Netlist
    queues: list[QueueTiming]
    servers: list[Server] = field(default_factory=list)
    channels: list[tuple[int, int, int]] = field(default_factory=list)
    socket_servers: int = 0
