"""AGCUs that send tokens to other sockets, and actors that hand tokens on."""

from __future__ import annotations

from rdflow.dsl.axes import Digit
from rdflow.dsl.drafts import Draft, Endpoint, Source
from rdflow.dsl.netlist import ALWAYS, Affine, In, Loop, Port, Row, UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.source import Span


class Senders:
    """The AGCUs that send the tokens of a stream to other sockets, one for each copy of which another socket reads."""

    def __init__(self, nets: Nets, source: Source):
        self.nets, self.source = nets, source
        self.unit = -1
        self.found: dict[int, Endpoint] = {}

    def endpoint(self, number: int) -> Endpoint:
        """The sender of the endpoint of that number."""
        if number not in self.found:
            self.found[number] = send(self.nets, self._unit(), self.source, self.source.endpoints[number])
        return self.found[number]

    def _unit(self) -> int:
        nets, name = self.nets, self.source.name
        if self.unit < 0:
            copies = -(-len(self.source.endpoints) // nets.sockets)
            line = nets.kernel.stream(name)
            self.unit = nets.unit(sender(f"{name}.send", line.span, nets.kernel.writer.order(line.order), copies))
        return self.unit


def sender(name: str, span: Span, order: str, copies: int) -> UnitInfo:
    """The row of the unit table for AGCUs that send."""
    return UnitInfo(name, "agcu", "send", span, order, copies, agcus=1)


def send(nets: Nets, unit: int, source: Source, endpoint: Endpoint) -> Endpoint:
    """An AGCU that takes the tokens of one endpoint in their order, to put them on links."""
    digits, loops = kept(endpoint)
    draft = nets.counted(nets.netlist.units[unit].name, unit, "send", digits, loops, endpoint.draft.space)
    draft.bounded(endpoint.draft.bounds(loops))
    return passed(nets, source.name, endpoint, draft, source.width, source.packets)


def passed(nets: Nets, stream: str, endpoint: Endpoint, draft: Draft, width: int, size: int) -> Endpoint:
    """An actor that hands on each token of an endpoint as it is."""
    taken(nets, stream, endpoint, draft, width, size)
    out = draft.temp()
    draft.rows.append(Row("copy", out, (In(len(draft.inputs) - 1),), width))
    return Endpoint(draft, ALWAYS, out.index)


def taken(nets: Nets, stream: str, endpoint: Endpoint, draft: Draft, width: int, size: int) -> None:
    """An actor that takes each token of an endpoint, from its last port."""
    queue = nets.queue(endpoint.draft, draft, width, stream, packets=size)
    endpoint.draft.outputs.append(Port((queue,), endpoint.gate, -(-size // endpoint.firings), source=endpoint.source))
    draft.inputs.append(Port((queue,), ALWAYS, size))


def kept(endpoint: Endpoint) -> tuple[tuple[Digit | None, ...], tuple[Loop, ...]]:
    """The loops of an endpoint's actor that count its tokens: not those that it pushes only the last iteration of."""
    draft = endpoint.draft
    left = [i for i in range(len(draft.loops)) if not endpoint.gate.last >> i & 1]

    def seen(affine: Affine, outside: int) -> Affine:
        by_loop = affine.by_loop + (0,) * (len(draft.loops) - len(affine.by_loop))
        ends = sum(c * (draft.loops[i].size - 1) for i, c in enumerate(by_loop) if i not in left)
        return affine._replace(const=affine.const + ends, by_loop=tuple(by_loop[i] for i in left[:outside]))

    loops = enumerate(draft.loops[i] for i in left)
    shorter = (l if l.limit is None else l._replace(limit=seen(l.limit, i), base=seen(l.base, i)) for i, l in loops)
    return tuple(draft.digits[i] for i in left), tuple(shorter)
