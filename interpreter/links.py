"""The links of the mesh: what each carries, of which streams, and what to say where that is too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rdflow.dsl.diagnostics import Diagnostic, Label, Severity
from rdflow.dsl.netlist import Actor, Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.network import Link, Ways, carried, ways_of
from rdflow.interpreter.rates import Rates
from rdflow.interpreter.route import Route

NAMED = 6  # streams of a link that a message names


@dataclass(frozen=True, slots=True)
class Load:
    """What passes a link: by flow the queues, the packets in a whole run, those of a multicast once, and `rate`, packets
    a cycle of a run without a wait: an estimate, and the most that there can be."""

    link: Link
    flows: tuple[tuple[int, ...], ...]
    packets: int
    rate: float

    @property
    def shared(self) -> bool:
        return len(self.flows) > 1


def loads(netlist: Netlist, rates: Rates, routes: Sequence[Route]) -> list[Load]:
    """Every link that carries packets, the most loaded first."""
    ways = ways_of(netlist, routes)
    passing = _passing(ways)
    tokens = [count // queue.packets for count, queue in zip(rates.packets, netlist.queues, strict=True)]
    made = [
        Load(link, queues, count, rates.rate(count))
        for (link, count), queues in zip(carried(netlist, ways, tokens).items(), passing, strict=True)
    ]
    return sorted(made, key=lambda load: (-load.packets, load.link.name))


def _passing(ways: Ways) -> list[tuple[tuple[int, ...], ...]]:
    """By link the queues that cross it, by flow, both in their order."""
    found: list[dict[int, list[int]]] = [{} for _ in ways.links]
    flow = ways.flow[ways.queue].tolist()
    for queue, link, number in zip(ways.queue.tolist(), ways.link.tolist(), flow, strict=True):
        found[link].setdefault(number, []).append(queue)
    return [tuple(map(tuple, by_flow.values())) for by_flow in found]


def _source(netlist: Netlist, queue: int) -> Actor:
    return netlist.actors[netlist.queues[queue].source]


def streams(netlist: Netlist, load: Load) -> list[str]:
    """What passes a link: `x to h`, with the number of flows of that name where there are several."""
    names: Counter[str] = Counter()
    for queues in load.flows:
        sinks = dict.fromkeys(netlist.units[netlist.actors[netlist.queues[q].sink].unit].name for q in queues)
        names[f"`{netlist.units[_source(netlist, queues[0]).unit].name}` to {_listed(sinks)}"] += 1
    return [f"{name} ({count} copies)" if count > 1 else name for name, count in names.items()]


def _listed(names: dict[str, None]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# -- too much ----------------------------------------------------------------------------------------------------------


def crowded(netlist: Netlist, found: Sequence[Load]) -> list[Diagnostic]:
    """RDF210, a warning, where a link is to carry more than a packet a cycle: for the most loaded one."""
    over = [load for load in found if load.rate > 1]
    if not over:
        return []
    worst = over[0]
    spans = list(dict.fromkeys(netlist.units[_source(netlist, queues[0]).unit].span for queues in worst.flows))
    where = f"from switch {worst.link.start} to {worst.link.end}"
    others = f", and {len(over) - 1} more carry above 1" if len(over) > 1 else ""
    named = streams(netlist, worst)
    more = f", and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return [
        Diagnostic(
            "RDF210",
            f"kernel `{netlist.kernel}` wants {worst.rate:.2f} packets a cycle on one link of the network, which carries 1",
            tuple(Label(span, "shares the link") for span in spans[:2]),
            (f"the link {where} carries {'; '.join(named[:NAMED])}{more}{others}",),
            "read fewer streams in one line (a line has four links to its switch), or make fewer copies that all read "
            "one another",
            Severity.WARNING,
        )
    ]
