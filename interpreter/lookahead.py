"""How far actors may run ahead of the servers, exactly.

At the end of a window every request that arrives sooner than the shortest way to its server takes from there is served:
none to come can get in before it. Any other token is still before its last stage, or at it; its last service and what
follows are to come. So no token is ready within a window of their sum that has not been served. (The ways between
stages do not count: a token may be past them.)

Servers that no queue joins know nothing of each other, so each group of joined servers has a shortest way of its own.
The engine knows one: the times of a group are moved on by the difference, and back behind the last stage.

That is for the actors beside a server. Others are further from what is served, behind them or before them: they need not
come as far as the end of a window, and may go beyond it. So they are visited less often, for more firings (where sockets
run apart: fast-forward, which compares states, wants all actors at the same cycle).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.records import dataclass
from rdflow.interpreter.leaders import Leaders
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Stage

WINDOW = 16384  # cycles that actors run ahead where no server forbids it: fastest of those tried
AHEAD = 512  # cycles beyond the end of a window, at most: requests of later rounds of the calendar are passed over

Cycles = NDArray[np.int64]


@dataclass(frozen=True)
class Lookahead:
    """`window`: cycles that actors may run ahead, at most `most`. `reach`: from a push to the nearest server, in every
    group. `longest`: to the first server, at most. `shifts`: by queue, by how much the times at its servers are moved."""

    window: int
    reach: int
    longest: int
    shifts: list[int]


def lookahead(mapped: Mapped, most: int) -> Lookahead:
    """The lookahead of a mapped netlist; `most` where nothing is served."""
    groups = _groups(mapped)
    ways: dict[int, int] = {}
    waits: dict[int, int] = {}
    for number, timing in enumerate(mapped.queues):
        if timing.stages:
            group = groups[_servers(mapped, number, timing.stages[-1])[0]]
            ways[group] = min(ways.get(group, most), timing.first)
            wait = _service(mapped, number, timing) + timing.stages[-1].after
            waits[group] = min(waits.get(group, most), wait)
    reach = max(ways.values(), default=0)
    shifts = [
        reach - ways[groups[_servers(mapped, q, t.stages[0])[0]]] if t.stages else 0
        for q, t in enumerate(mapped.queues)
    ]
    window = max(1, min((ways[g] + waits[g] for g in ways), default=most))
    longest = max((t.first + s for t, s in zip(mapped.queues, shifts, strict=True) if t.stages), default=0)
    return Lookahead(min(window, most), reach, longest, shifts)


def _groups(mapped: Mapped) -> list[int]:
    """By server its group: the servers that queues join are in one."""
    leaders = Leaders(len(mapped.servers))
    for number, timing in enumerate(mapped.queues):
        joined = [s for stage in timing.stages for s in _servers(mapped, number, stage)]
        for server in joined[1:]:
            leaders.join(joined[0], server)
    return leaders.all()


def _servers(mapped: Mapped, queue: int, stage: Stage) -> range:
    """The servers that a stage may be."""
    if stage.server != BY_ADDRESS:
        return range(stage.server, stage.server + 1)
    actor = mapped.netlist.actors[mapped.netlist.queues[queue].source]
    burst = actor.burst
    assert burst is not None, "a queue through memory has bursts"
    first, count, _ = mapped.channels[burst.tensor]
    first += actor.socket * mapped.socket_servers
    return range(first, first + count)


def _service(mapped: Mapped, queue: int, timing: QueueTiming) -> int:
    """Cycles of a token's service at its last stage, at least."""
    packets = mapped.netlist.queues[queue].packets
    servers = (mapped.servers[s] for s in _servers(mapped, queue, timing.stages[-1]))
    return min(ceil(packets * s.numerator / s.denominator) for s in servers)


# -- of each actor -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Freedom:
    """By actor how many cycles its firings may be behind the end of a window, and beyond it.

    lag: no server is nearer to any actor than `Lookahead.reach`. From a firing of this one, what it sends or gives back
    takes so many cycles more to come to a server, through other actors or not: sooner it changes nothing of what is served.
    ahead: a token that has not been served is ready so many cycles after the end of the window, at the earliest.
    """

    lag: Cycles
    ahead: Cycles


def freedom(mapped: Mapped, look: Lookahead) -> Freedom:
    """How far the actors of a kernel may stray from the windows of its lookahead."""
    count = len(mapped.netlist.actors)
    way, ahead = np.full(count, look.reach + AHEAD), np.full(count, AHEAD)
    for number, (queue, timing) in enumerate(zip(mapped.netlist.queues, mapped.queues, strict=True)):
        if timing.stages:
            shift = look.shifts[number]
            way[queue.source] = min(way[queue.source], timing.first + shift)
            ready = look.reach + _service(mapped, number, timing) + timing.stages[-1].after - shift
            ahead[queue.sink] = min(ahead[queue.sink], ready - look.window)
    return Freedom(_shortest(way, np.array([*_steps(mapped)], np.int64).reshape(-1, 3)) - look.reach, ahead)


def _steps(mapped: Mapped) -> Iterator[tuple[int, int, int]]:
    """From which actor to which a firing matters, and after how many cycles at least: by a token, or by room for one.

    Room counts where there can be too little. A unit's tokens for free and for full tiles are never more than tiles.
    """
    queues = mapped.netlist.queues
    free = {(queue.source, queue.sink) for queue in queues if queue.initial}
    for queue, timing in zip(queues, mapped.queues, strict=True):
        source, sink = queue.source, queue.sink
        if not timing.stages:
            yield source, sink, timing.latency
        if (source, sink) not in free and (sink, source) not in free:
            yield sink, source, timing.credit


def _shortest(way: Cycles, steps: Cycles) -> Cycles:
    """By actor its own way, or a step to another one and the shortest from there."""
    actor, other, cycles = steps.T
    while True:
        found = way.copy()
        np.minimum.at(found, actor, way[other] + cycles)
        if (found == way).all():
            return found
        way = found
