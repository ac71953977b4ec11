"""What limits a kernel, and the waits that lead to it from the output, with the share of the cycles of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass

if TYPE_CHECKING:
    from rdflow.interpreter.bandwidth import Carrier
    from rdflow.interpreter.figures import TierProfile, UnitProfile

SATURATED = 0.85  # busier than this, a tier is what limits
EQUAL = 0.97  # of the busiest: as busy as it
LATENCY = 0.5  # where nothing is busier than this, latencies limit
LITTLE = 0.005  # a smaller share of the cycles is no wait worth following
LINKS = ("mesh link", "socket link")
"""carriers that limit where they are saturated, in runs where anything waited for one"""
BOUNDS = {"pcu": "compute", "pmu": "sram", "agcu": "agcu"}
WAITS = {
    "starved": "waits {} for",
    "blocked": "is blocked {} by",
    "memory": "waits {} for",
    "link": "waits {} for links from",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """One of the waits: a unit is in a state of waiting for this share of its cycles, mostly because of `on`, another
    unit or a memory tier. Counters say for how long; that it is because of this neighbour is inferred from what the
    neighbours do meanwhile."""

    unit: str
    state: str
    share: float
    on: str


@dataclass(frozen=True, slots=True)
class Limit:
    """The limiter (a unit or a tier), what kind of bound that is, the waits from the output to it, and all in a sentence."""

    limiter: str
    bound: str
    waits: tuple[Wait, ...]
    why: str


def limit(
    netlist: Netlist,
    units: tuple[UnitProfile, ...],
    tiers: Mapping[str, TierProfile],
    carriers: Sequence[Carrier] = (),
) -> Limit:
    """The busiest tier or link if it is saturated and busier than any unit, or a tier that is saturated at all; else
    the busiest unit that the output waits for."""
    if not any(u.total for u in units):
        return Limit("", "latency", (), "nothing ran")
    tier = max(tiers, key=lambda t: tiers[t].busy)
    most = max(u.utilization for u in units)
    links = [c for c in carriers if c.kind in LINKS] if any(u.link for u in units) else []
    link = max(links, key=lambda c: c.utilization, default=None)
    if link is not None and link.utilization > max(SATURATED, tiers[tier].busy, most / EQUAL):
        waits = _Waits(netlist, units, set()).found()
        return Limit(
            link.name,
            "link",
            waits,
            _sentence(f"`{link.name}` moves {link.utilization:.0%} of its peak", waits, units, ""),
        )
    if tiers[tier].busy > SATURATED or tiers[tier].busy >= most:
        waits = _Waits(netlist, units, set()).found()
        share = f"{tier.upper()} moves {tiers[tier].utilization:.0%} of its peak"
        return Limit(tier, tier, waits, _sentence(share, waits, units, tier))
    equal = {i for i, u in enumerate(units) if u.utilization >= EQUAL * most}
    waits = _Waits(netlist, units, equal if most >= LATENCY else set()).found()
    limiter = _limiter(units, equal, waits)
    bound = BOUNDS[limiter.kind] if most >= LATENCY else "latency"
    also = [u.name for i, u in enumerate(units) if i in equal and u.kind == limiter.kind and u is not limiter]
    return Limit(limiter.name, bound, waits, _sentence(_busy(limiter, also, bound), waits, units, limiter.name))


def _limiter(units: tuple[UnitProfile, ...], equal: set[int], waits: tuple[Wait, ...]) -> UnitProfile:
    """Of the busiest: a PCU before a PMU before an AGCU; of these the one that the last wait is for, else the first."""
    first = max((units[i] for i in sorted(equal)), key=lambda u: (u.kind == "pcu", u.kind == "pmu"))
    ends = {units[i].name: units[i] for i in equal if units[i].kind == first.kind}
    return ends.get(waits[-1].on, first) if waits else first


# -- following ---------------------------------------------------------------------------------------------------------


class _Waits:
    """Follows waits over the units of a kernel. `ends`: units at which to stop."""

    def __init__(self, netlist: Netlist, units: tuple[UnitProfile, ...], ends: set[int]):
        self.netlist, self.units, self.ends = netlist, units, ends
        self.before: list[set[int]] = [set() for _ in units]
        self.after: list[set[int]] = [set() for _ in units]
        for queue in netlist.queues:
            source, sink = netlist.actors[queue.source].unit, netlist.actors[queue.sink].unit
            if source != sink:
                self.before[sink].add(source)
                self.after[source].add(sink)

    def found(self) -> tuple[Wait, ...]:
        unit, seen, waits = self.start(), set[int](), list[Wait]()
        while unit not in self.ends and unit not in seen:
            seen.add(unit)
            here = self.units[unit]
            state = max(WAITS, key=lambda s: getattr(here, s))
            share = getattr(here, state) / here.total if here.total else 0.0
            on = self.cause(unit, state, seen)
            if share < LITTLE or on is None:
                break
            waits.append(Wait(here.name, state, share, on if isinstance(on, str) else self.units[on].name))
            if isinstance(on, str):
                break
            unit = on
        return tuple(waits)

    def start(self) -> int:
        """The store that ends last; without one the unit that does."""
        stores = [i for i, u in enumerate(self.units) if u.verb == "store"]
        return min(stores or range(len(self.units)), key=lambda i: (self.units[i].idle, -i))

    def cause(self, unit: int, state: str, seen: set[int]) -> int | str | None:
        """What a unit waits for: a tier, or the neighbour that does not itself wait for this unit and is busiest."""
        if state == "memory" or state == "blocked" and not self.after[unit]:
            return self.tier(unit)
        upstream = state in ("starved", "link")
        neighbours = self.before[unit] if upstream else self.after[unit]
        other = "blocked" if upstream else "starved"

        def rank(i: int) -> tuple[bool, float, float]:
            u = self.units[i]
            return i not in seen, -(getattr(u, other) / u.total if u.total else 0.0), u.utilization

        return max(sorted(neighbours), key=rank, default=None)

    def tier(self, unit: int) -> str | None:
        tensors = (a.burst.tensor for _, a in self.netlist.actors_of(unit) if a.burst is not None)
        return next((self.netlist.tensors[t].tier for t in tensors), None)


# -- saying ------------------------------------------------------------------------------------------------------------


def _busy(limiter: UnitProfile, also: list[str], bound: str) -> str:
    share = f"`{limiter.name}` is busy {limiter.utilization:.1%} of the cycles"
    if bound == "latency":
        return f"nothing is busier than {limiter.utilization:.1%}"
    names = " and ".join(filter(None, (", ".join(f"`{n}`" for n in also[:-1]), *(f"`{n}`" for n in also[-1:]))))
    return f"{share}, as {'are' if len(also) > 1 else 'is'} {names}" if also else share


def _sentence(share: str, waits: tuple[Wait, ...], units: tuple[UnitProfile, ...], limiter: str) -> str:
    """The share of the limiter, then the waits from the output on: `a` waits 9% for `b`, which waits .."""
    by_name = {u.name: u for u in units}
    parts = [f"{WAITS[w.state].format(f'{w.share:.0%}')} {_name(w.on, w.on in by_name)}" for w in waits]
    if not parts:
        return f"{share}, and the output keeps step with it"
    last = waits[-1].on
    told = f"{share}; `{waits[0].unit}` " + ", which ".join(parts)
    if last in by_name and last != limiter and last not in {w.unit for w in waits}:
        told += f", which is busy {by_name[last].utilization:.0%}"
    return told


def _name(of: str, unit: bool) -> str:
    return f"`{of}`" if unit else of.upper()
