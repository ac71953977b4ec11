"""Deadlocks of a kernel: loops of waits, found in its flow, and how they are put into words (A12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rdflow.dsl.axes import Digit
from rdflow.dsl.checked import Hold, Kernel, Line, Load, Route, name_of
from rdflow.dsl.flow import FAR, Channel, Flow, Wait
from rdflow.dsl.flow_build import build
from rdflow.dsl.flow_builder import FIFO
from rdflow.dsl.flow_ends import neighbours
from rdflow.dsl.records import dataclass
from rdflow.dsl.sockets import Space
from rdflow.dsl.turns import multicasts, turns


@dataclass(frozen=True)
class Deadlock:
    """A loop of waits: each node of `loop` waits for the next, the last for the first. `needs`: the firing that each cannot make."""

    kernel: Kernel
    flow: Flow
    loop: tuple[Wait, ...]
    needs: tuple[int, ...]

    def line(self, place: int) -> Line:
        return self.kernel.lines[self.flow.nodes[self.loop[place % len(self.loop)].node].line]

    def name(self, place: int) -> str:
        return name_of(self.line(place))

    def channel(self, place: int) -> Channel:
        return self.flow.channels[self.loop[place % len(self.loop)].channel]

    @property
    def fork(self) -> int:
        """The place of a node that waits for room while the one before it waits for its tokens."""
        places = [i for i, wait in enumerate(self.loop) if wait.full and not self.loop[i - 1].full]
        same = [i for i in places if self.channel(i).stream == self.channel(i - 1).stream]
        return next(iter(same or places), 0)

    def copied(self) -> tuple[Digit, ...]:
        """The digits along which two copies of one line are in the loop."""
        spaces: dict[int, dict[Digit, int]] = {}
        for wait in self.loop:
            node = self.flow.nodes[wait.node]
            first = spaces.setdefault(node.line, dict(node.space))
            differ = tuple(d for d, v in node.space.items() if first.get(d, v) != v)
            if differ:
                return differ
        return ()

    def space(self, place: int) -> Space:
        return dict(self.flow.nodes[self.loop[place % len(self.loop)].node].space)

    @property
    def at_memory(self) -> int | None:
        """The place of a load that waits for a store, or of a store that waits for a load."""
        return next((i for i in range(len(self.loop)) if self.channel(i).tensor), None)

    def waits(self) -> str:
        """The loop in words."""
        parts = []
        for i, wait in enumerate(self.loop):
            channel = self.channel(i)
            what = "room in the queue to" if wait.full else "tokens of"
            other = self.copy(i + 1)
            if channel.tensor:
                done = "read" if isinstance(self.line(i + 1), Load) else "written"
                parts.append(f"{self.copy(i)} waits until {other} has {done} `{channel.tensor}`")
            elif channel.stream:
                parts.append(f"{self.copy(i)} waits for {what} {other}")
        return "the loop of waits: " + "; ".join(parts)

    def notes(self) -> list[str]:
        names = ", ".join(f"`{name}`" for name in self.kernel.bounding)
        size = [f"this is so where the loops that {names} bounds run to the end of their axes"] if names else []
        return [self.waits(), *size]

    def twice(self) -> Line:
        """A line of which two copies are in the loop."""
        lines = [self.flow.nodes[w.node].line for w in self.loop]
        return self.kernel.lines[next((n for n in lines if lines.count(n) > 1), lines[0])]

    def copy(self, place: int) -> str:
        node = self.flow.nodes[self.loop[place % len(self.loop)].node]
        number = [str(v) for v in node.space.values()] if self.copied() else []
        return f"`{self.name(place)}`" + (f" (copy {', '.join(number)})" if number else "")


def deadlocks(kernel: Kernel) -> Iterator[Deadlock]:
    """One deadlock for each place where a stream finds no room, shortest loops first."""
    flow = build(kernel, neighbours(_coupling(kernel)))
    joins = flow.joins()
    flow.prune()
    found = [d for node, channels in joins.items() if (d := _ask(kernel, flow, node, channels)) is not None]
    told: set[tuple[str, str]] = set()
    for deadlock in sorted(found, key=lambda d: len(d.loop)):
        copied = deadlock.copied()
        place = ("copies", copied[0].root) if copied else (deadlock.channel(deadlock.fork).stream, "")
        if deadlock.at_memory is not None:
            place = ("memory", deadlock.channel(deadlock.at_memory).tensor)
        if place not in told:
            told.add(place)
            yield deadlock


def _coupling(kernel: Kernel) -> frozenset[Digit]:
    """Digits along which copies are dealt to or gathered from in long turns, and tied to each other in another way too.

    A hold of one tile has room for all that it is dealt.
    """
    found = [t for t in turns(kernel) if not _whole(kernel.lines[t.read.line])]
    ties = [t.digit for t in found] + [d for _, d in multicasts(kernel)]
    return frozenset(t.digit for t in found if t.tokens > FIFO and ties.count(t.digit) > 1)


def _ask(kernel: Kernel, flow: Flow, node: int, channels: Sequence[Channel]) -> Deadlock | None:
    """Whether a node gets to the firings that take in the first token of each of its inputs, or the second."""
    later = (0,) if any(flow.nodes[node].space.values()) else (0, 1)
    firings = {c.pop.firings(tokens) + 1 for c in channels for tokens in later}
    for firing in sorted(f for f in firings if f < FAR):
        wait = flow.stuck(node, firing)
        if wait is not None:
            loop = tuple(wait.chain())[:-1]
            return Deadlock(kernel, flow, loop, _needs(flow, loop, firing))
    return None


def _whole(line: Line) -> bool:
    return isinstance(line, Hold | Route) and line.tile == 0


def _needs(flow: Flow, loop: Sequence[Wait], firing: int) -> tuple[int, ...]:
    """The firing that each node of the loop would have to make for the one before it."""
    needs = [firing]
    for wait in loop[:-1]:
        channel = flow.channels[wait.channel]
        mine, other = (channel.push, channel.pop) if wait.full else (channel.pop, channel.push)
        start = -channel.room if wait.full else -channel.initial
        needs.append(other.firings(mine.tokens(needs[-1]) + start - 1) + 1)
    return tuple(needs)
