"""The mapped netlist: every queue has its cycles, every tensor its addresses, every shared resource its service time."""

from __future__ import annotations

from dataclasses import dataclass, field

from rdflow.dsl.netlist import Netlist


@dataclass(frozen=True, slots=True)
class QueueTiming:
    """Cycles of a queue.

    A token pushed by a firing at cycle t is ready at t + latency; the slot of a token popped at t is free at t + credit.
    Where the queue passes a server: it arrives there at t + first; service starts at max(arrival, the server is free)
    and takes packets * service; it is ready at ceil(end of service) + tail. (`latency` is not used then.)
    `slots`: tokens from the push to the return of the credit: floor((FIFO + pipeline + 2 x hops) / packets), at least 2.
    """

    latency: int
    credit: int
    slots: int
    first: int = 1
    tail: int = 0


@dataclass(frozen=True, slots=True)
class Server:
    """A shared resource: a memory channel, a PMU's write port. Cycles a packet as a fraction with a small denominator.

    Tokens are served in order of arrival; those that arrive in the same cycle in rotating order after the last queue
    served (by queue number, cyclically).
    """

    name: str
    numerator: int = 1
    denominator: int = 1


@dataclass
class Mapped:
    """`channels[tensor]`: (first server, count, base address): a burst at byte b of tensor t goes to server
    first + ((base + b) // 64) % count. `port_server`: the server number of netlist server ("port", 0); ("port", n) is
    port_server + n."""

    netlist: Netlist
    queues: list[QueueTiming]
    servers: list[Server] = field(default_factory=list)
    channels: list[tuple[int, int, int]] = field(default_factory=list)
    port_server: int = 0
