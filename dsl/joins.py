"""What a connection between two lines does: one to one, multicast, deal, gather, slice (A2)."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, Linear, strides
from rdflow.dsl.drafts import Draft, Endpoint, Sink, Source, by_copy_of
from rdflow.dsl.netlist import Affine, Port
from rdflow.dsl.nets import Nets
from rdflow.dsl.senders import Senders

ByCopy = dict[tuple[int, ...], int]  # queues by the values of the digits that choose among them


def connect(
    nets: Nets, source: Source, sinks: Sequence[Sink], slots: int | None = None, not_last: Sequence[Digit] = ()
) -> None:
    """Join every copy of a producer with the copies of a consumer that share its digits.

    Adds one input port to each sink. `not_last`: digits whose last iteration the producer keeps to itself (a carry).
    Tokens for other sockets leave through a unit of their own, which sends them over the links.
    """
    if sinks:
        _Connection(nets, source, sinks, slots).run(not_last)


class _Connection:
    """A producer and one consumer while they are joined."""

    def __init__(self, nets: Nets, source: Source, sinks: Sequence[Sink], slots: int | None):
        self.nets, self.source, self.sinks, self.slots = nets, source, sinks, slots
        self.width, self.size = source.width, source.packets
        self.dealt = _dealt(source, sinks)
        self.producers = by_copy_of(source, sinks[0].draft.space)
        self.senders = Senders(nets, source)
        self.outputs: dict[tuple[int, bool, tuple[int, ...]], ByCopy] = {}
        """the queues of an endpoint, or of its sender, that one port chooses from"""

    def run(self, not_last: Sequence[Digit]) -> None:
        for sink in self.sinks:
            self._enter(sink)
        for (number, away, _), by_copy in self.outputs.items():
            self._leave(self._endpoint(number, away), by_copy, not_last)

    def _endpoint(self, number: int, away: bool) -> Endpoint:
        return self.senders.endpoint(number) if away else self.source.endpoints[number]

    def _enter(self, sink: Sink) -> None:
        """One input port, with a queue from each copy of the producer that the sink reads."""
        found: ByCopy = {}
        gathered: tuple[Digit, ...] = ()
        for number in self.producers(sink.draft.space):
            away = self.source.endpoints[number].draft.socket != sink.draft.socket
            draft = self._endpoint(number, away).draft
            queue = self._queue(draft, sink, away)
            gathered = tuple(d for d in draft.space if d not in sink.draft.space and d in sink.draft.digits)
            found[tuple(draft.space[d] for d in gathered)] = queue
            self._output(number, away, sink.draft)[tuple(sink.draft.space[d] for d in self.dealt)] = queue
        sink.enter(_ordered(found), self.size, _select(sink.draft, gathered))

    def _queue(self, draft: Draft, sink: Sink, away: bool) -> int:
        server = self.nets.link(draft, sink.draft) if away else sink.server
        name, slots = self.source.name, self.slots
        return self.nets.queue(draft, sink.draft, self.width, name, self.size, slots, server=server)

    def _output(self, number: int, away: bool, sink: Draft) -> ByCopy:
        """The queues of the port that pushes to a sink: those to all copies that it deals to, else to this one alone."""
        others = tuple(v for d, v in sink.space.items() if d not in self.dealt)
        return self.outputs.setdefault((number, away, others if self.dealt else (sink.number,)), {})

    def _leave(self, endpoint: Endpoint, by_copy: ByCopy, not_last: Sequence[Digit]) -> None:
        draft, gate = endpoint.draft, endpoint.gate
        if not_last:
            gate = gate._replace(not_last=draft.mask(not_last))
        packets = -(-self.size // endpoint.firings)
        select = _select(draft, self.dealt)
        draft.outputs.append(Port(_ordered(by_copy), gate, packets, select, source=endpoint.source))


def _dealt(source: Source, sinks: Sequence[Sink]) -> tuple[Digit, ...]:
    """The loops of a producer that choose the copy of the consumer."""
    if not source.endpoints:
        return ()
    return tuple(d for d in source.endpoints[0].draft.digits if d is not None and d in sinks[0].draft.space)


def _ordered(by_copy: ByCopy) -> tuple[int, ...]:
    return tuple(by_copy[k] for k in sorted(by_copy))


def _select(draft: Draft, digits: tuple[Digit, ...]) -> Affine:
    """Mixed radix number of some loops' counters, the last digit fastest."""
    return draft.affine(Linear.of(0, strides(digits))) if digits else Affine()
