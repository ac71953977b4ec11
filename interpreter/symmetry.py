"""Sockets that are alike: in a run without values one of them stands for all.

A kernel that is cut over n sockets often does the same on each. If turning the sockets around by one (socket i becomes
i + 1, modulo n) leaves the mapped netlist as it is, up to the names of actors, queues and servers, then a run in which
every socket starts alike stays alike: in each cycle socket k does what socket 0 does, and what socket 0 sends to the
socket d further on arrives when it gets what the socket d before it sent. So its own tokens may stand for those, and one
socket is executed instead of n. Nothing is assumed of a kernel: every actor, port, queue and server is compared, and the
order of the queues, by which a server takes turns. Counters of all sockets come from those of the first, unchanged.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rdflow.dsl.netlist import Actor, Netlist, Port, Queue
from rdflow.dsl.records import dataclass
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Symmetry:
    """What stands for a mapped netlist. `one`: its first socket, whose queues to others come back to itself. By actor and by
    queue of the netlist, which of `one` stands for it; by server, whose number in both is the same."""

    one: Mapped
    sockets: int
    actors: Ints
    queues: Ints
    servers: Ints


def symmetry(mapped: Mapped) -> Symmetry | None:
    """Where one socket can stand for all; None where sockets differ, or there is one."""
    if mapped.netlist.sockets == 1:
        return None
    try:
        return _Turn(mapped).symmetry()
    except _Differs:
        return None


class _Differs(Exception):
    """Some socket is not as the first one."""


def _same(alike: bool) -> None:
    if not alike:
        raise _Differs


class _Turn:
    """The comparison of all sockets with the first one."""

    def __init__(self, mapped: Mapped):
        self.mapped, self.netlist = mapped, mapped.netlist
        self.sockets = self.netlist.sockets
        self.socket = [actor.socket for actor in self.netlist.actors]
        self.own: list[list[int]] = [[] for _ in range(self.sockets)]
        self.place: list[int] = []
        for number, socket in enumerate(self.socket):
            self.place.append(len(self.own[socket]))
            self.own[socket].append(number)
        self.stands = [-1] * len(self.netlist.queues)  # by queue: the one of the first socket
        self.server = list(range(len(mapped.servers)))  # by server: the first socket's

    def symmetry(self) -> Symmetry:
        _same(len({len(own) for own in self.own}) == 1)
        for own in self.own:
            for first, actor in zip(self.own[0], own, strict=True):
                self._actor(self.netlist.actors[first], self.netlist.actors[actor])
        _same(min(self.stands, default=0) >= 0)
        for first, actor in ((f, a) for own in self.own for f, a in zip(self.own[0], own, strict=True)):
            self._inputs(self.netlist.actors[first], self.netlist.actors[actor])
        for number, queue in enumerate(self.netlist.queues):
            self._queue(number, queue)
        self._order()
        self._channels()
        self._one_each()
        return self._folded()

    # -- comparing -----------------------------------------------------------------------------------------------------

    def _actor(self, first: Actor, actor: Actor) -> None:
        """What decides when it fires, and which queues of the first socket stand for those that it pushes to."""
        _same(_timing(first) == _timing(actor))
        _same(len(first.inputs) == len(actor.inputs) and len(first.outputs) == len(actor.outputs))
        for one, port in zip(first.inputs + first.outputs, actor.inputs + actor.outputs, strict=True):
            _same(_shape(one) == _shape(port))
        for one, port in zip(first.outputs, actor.outputs, strict=True):
            for stands, queue in zip(one.queues, port.queues, strict=True):
                self.stands[queue] = stands

    def _inputs(self, first: Actor, actor: Actor) -> None:
        """It pops what the first one pops, in the same order."""
        for one, port in zip(first.inputs, actor.inputs, strict=True):
            stand = zip(one.queues, port.queues, strict=True)
            _same(all(self.stands[a] == self.stands[b] for a, b in stand))

    def _queue(self, number: int, queue: Queue) -> None:
        """It leads as far on, to the same actor there, and takes the same cycles past servers that are alike."""
        stands = self.stands[number]
        first = self.netlist.queues[stands]
        _same(self.place[first.source] == self.place[queue.source] and self.place[first.sink] == self.place[queue.sink])
        _same(self._distance(first) == self._distance(queue))
        _same((first.width > 0, first.packets, first.initial) == (queue.width > 0, queue.packets, queue.initial))
        _same((first.server == "memory") == (queue.server == "memory"))
        one, other = self.mapped.queues[stands], self.mapped.queues[number]
        _same(_cycles(one) == _cycles(other))
        _same((self.stands[one.flow], one.flow < 0) == (self.stands[other.flow], other.flow < 0))
        for a, b in zip(one.stages, other.stages, strict=True):
            if b.server != BY_ADDRESS:
                self._server(a.server, b.server)

    def _distance(self, queue: Queue) -> int:
        return (self.socket[queue.sink] - self.socket[queue.source]) % self.sockets

    def _server(self, first: int, server: int) -> None:
        """The first socket's server stands for this one, and for no other of its socket."""
        one, other = self.mapped.servers[first], self.mapped.servers[server]
        _same((one.numerator, one.denominator, one.shared) == (other.numerator, other.denominator, other.shared))
        _same(self.server[server] in (server, first))
        self.server[server] = first

    def _order(self) -> None:
        """Queues of a socket come in the order of those that stand for them: servers take turns by it."""
        source = np.array([self.socket[queue.source] for queue in self.netlist.queues])
        stands = np.array(self.stands)
        _same(all(bool((np.diff(stands[source == socket]) > 0).all()) for socket in range(self.sockets)))

    def _channels(self) -> None:
        """Memory channels of a socket stand for those of the others, which bursts find by their addresses."""
        size = self.mapped.socket_servers
        for socket in range(1, self.sockets):
            for channel in range(size):
                self._server(channel, socket * size + channel)

    def _one_each(self) -> None:
        """No two servers of a socket have the same one stand for them."""
        pairs = zip(self.netlist.queues, self.mapped.queues, strict=True)
        passed = {(self.socket[q.source], stage.server) for q, timing in pairs for stage in timing.stages}
        own = {(socket, server) for socket, server in passed if server != BY_ADDRESS}
        _same(len({(socket, self.server[server]) for socket, server in own}) == len(own))

    # -- folding -------------------------------------------------------------------------------------------------------

    def _folded(self) -> Symmetry:
        kept = sorted(set(self.stands))
        number = np.full(len(self.stands), -1)
        number[kept] = np.arange(len(kept))
        queues = number[self.stands]
        own = self.own[0]
        actors = [self._with(self.netlist.actors[a], queues) for a in own]
        netlist: Netlist = replace(
            self.netlist, actors=actors, queues=[self._within(self.netlist.queues[q]) for q in kept], sockets=1
        )
        timings = [self.mapped.queues[q] for q in kept]
        timings = [replace(t, flow=int(queues[t.flow])) if t.flow >= 0 else t for t in timings]
        one = replace(self.mapped, netlist=netlist, queues=timings)
        return Symmetry(one, self.sockets, np.array(self.place), queues, np.array(self.server))

    def _with(self, actor: Actor, queues: Ints) -> Actor:
        """An actor of the first socket: it pops its own tokens for those of the sockets before it."""
        inputs, outputs = (
            tuple(replace(port, queues=tuple(queues[list(port.queues)].tolist())) for port in ports)
            for ports in (actor.inputs, actor.outputs)
        )
        return replace(actor, inputs=inputs, outputs=outputs)

    def _within(self, queue: Queue) -> Queue:
        return replace(queue, source=self.place[queue.source], sink=self.place[queue.sink])


def _timing(actor: Actor) -> tuple[object, ...]:
    """What decides when it fires, beside its ports."""
    return actor.unit, actor.kind, actor.loops, actor.interval, actor.tile_level, actor.burst


def _shape(port: Port) -> tuple[object, ...]:
    counts = (port.counts, port.counted, port.blocks)
    return len(port.queues), port.gate, port.packets, port.select, *counts


def _cycles(timing: QueueTiming) -> tuple[object, ...]:
    after = [stage.after for stage in timing.stages]
    by_address = [stage.server == BY_ADDRESS for stage in timing.stages]
    return timing.latency, timing.credit, timing.slots, timing.first, after, by_address
