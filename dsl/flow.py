"""What cannot happen: nodes that fire, channels of bounded room, and what follows if one of them never fires again.

A program deadlocks if and only if some node waits, by a chain of waits for tokens and for room, for itself. The chain is
found without running: suppose that a node never makes its k-th firing. Each neighbour is then bounded by the tokens that
it gets and the room that it has, each of their neighbours by them, and so on. If these bounds keep the node itself from
its k-th firing, it never makes it. What is bounded is exact, and nodes or channels that are left out only widen the
bounds: what is called stuck here is stuck in every run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from rdflow.dsl.axes import Digit
from rdflow.dsl.needs import Needs
from rdflow.dsl.netlist import Loop
from rdflow.dsl.records import dataclass

FAR = 1 << 62
"""no bound"""
VISITS = 12
"""visits a node may take on average in one question before it is dropped: bounds that creep are not worth their time"""

Ranges = Mapping[Digit, tuple[int, int]]
"""the iterations of a loop, from the first to before the second, in which a port takes part; a negative end counts from the last"""


@dataclass(frozen=True, slots=True)
class Pulses:
    """The firings in which a port moves a token.

    A digit a loop: (firings inside, tokens inside, low, high); tokens move where every counter is in low .. high - 1.
    `reach`: the firings that this holds for, as far as the loops have the lengths of their first round.
    """

    loops: tuple[tuple[int, int, int, int], ...]
    total: int
    reach: int
    ends: bool

    def tokens(self, firings: int) -> int:
        """Tokens moved in the first firings."""
        if firings >= self.reach:
            return self.total if self.ends or firings == self.reach else FAR
        count = 0
        for inside, each, low, high in self.loops:
            counter, firings = divmod(firings, inside)
            if counter < low:
                return count
            if counter >= high:
                return count + (high - low) * each
            count += (counter - low) * each
        return count

    def firings(self, tokens: int) -> int:
        """The most firings that move no more than these tokens."""
        if tokens >= self.total:
            return FAR
        firings = 0
        for inside, each, low, _ in self.loops:
            counter, tokens = divmod(tokens, each)
            firings += (low + counter) * inside
        return firings


@dataclass(frozen=True, slots=True)
class Blocks:
    """A port that takes several tokens at once, at each of its moments those that `need` adds, round after round."""

    moments: Pulses
    need: Needs

    @property
    def total(self) -> int:
        return self._sum(self.moments.total)

    def _sum(self, moments: int) -> int:
        rounds, rest = divmod(moments, self.need.iterations)
        return rounds * self.need.blocks + self.need.sum(rest)

    def tokens(self, firings: int) -> int:
        moments = self.moments.tokens(firings)
        return FAR if moments == FAR else self._sum(moments)

    def firings(self, tokens: int) -> int:
        if tokens >= FAR:
            return FAR
        rounds, rest = divmod(tokens, self.need.blocks)
        taken = bisect_right(range(self.need.iterations + 1), rest, key=self.need.sum) - 1
        return self.moments.firings(rounds * self.need.iterations + taken)


@dataclass(frozen=True)
class Node:
    """One copy of an actor: its loops, whose lengths are those of their first round where bounds make them differ.

    `fixed`: the loops that must stand at 0 for these lengths to hold.
    """

    number: int
    line: int
    digits: tuple[Digit, ...]
    sizes: tuple[int, ...]
    fixed: int
    space: Mapping[Digit, int]
    pipeline: int
    pulsed: dict[tuple[tuple[int, int], ...], Pulses] = field(default_factory=dict)

    def pulses(self, ranges: Mapping[int, tuple[int, int]]) -> Pulses:
        """The firings in which every loop of `ranges` (by number) is within its range."""
        key = tuple(self._range(i, ranges.get(i)) for i in range(len(self.sizes)))
        if key not in self.pulsed:
            self.pulsed[key] = self._pulses(key)
        return self.pulsed[key]

    def _range(self, loop: int, wanted: tuple[int, int] | None) -> tuple[int, int]:
        size = self.sizes[loop]
        low, high = wanted if wanted is not None else (0, size)
        low, high = (low if low >= 0 else size + low), (high if high > 0 else size + high)
        high = min(high, size)
        if loop < self.fixed:
            return (0, 1) if low <= 0 < high else (0, 0)
        return low, max(low, high)

    def _pulses(self, ranges: Sequence[tuple[int, int]]) -> Pulses:
        found: list[tuple[int, int, int, int]] = []
        inside = each = 1
        for loop in reversed(range(len(ranges))):
            low, high = ranges[loop]
            size = self.sizes[loop] if loop >= self.fixed else 1
            if size > 1 or (low, high) != (0, 1):
                _wrap(found, (inside, each, low, high), size)
            inside *= size
            each *= high - low
        return Pulses(tuple(reversed(found)), each, inside, self.fixed == 0)


def _wrap(loops: list[tuple[int, int, int, int]], outer: tuple[int, int, int, int], size: int) -> None:
    """Put a loop around those found (innermost first): into one with the last where both run fully, or both once."""
    inside, _, low, high = outer
    if loops:
        inner_inside, inner_each, inner_low, inner_high = loops[-1]
        inner_size = inside // inner_inside
        whole = (low, high) == (0, size) and (inner_low, inner_high) == (0, inner_size)
        if whole or high - low == inner_high - inner_low == 1:
            start = low * inner_size + inner_low
            loops[-1] = (inner_inside, inner_each, start, start + (high - low) * (inner_high - inner_low))
            return
    loops.append(outer)


@dataclass(frozen=True, slots=True)
class Channel:
    """Tokens from a node to a node: when one pushes and the other pops, and how many have room. FAR: more than there are."""

    source: int
    sink: int
    push: Pulses
    pop: Pulses | Blocks
    room: int
    initial: int
    stream: str
    """empty: credits and blocks inside of a unit"""
    tensor: str = ""
    """of tokens by which loads and stores of it wait for each other, which belong to no stream"""

    @property
    def between(self) -> bool:
        """Whether it joins two units."""
        return bool(self.stream or self.tensor)


Tie = tuple[int, bool, int, Pulses | Blocks, Pulses | Blocks, int]
"""channel, whether room and not tokens bind, the neighbour, this end, the other end, tokens or places at the start"""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a node stops after `firings`: no tokens on a channel, or no room in it (`full`), because another one stopped."""

    node: int
    firings: int
    channel: int = -1
    full: bool = False
    because: Wait | None = None

    def chain(self) -> Iterator[Wait]:
        """This wait and those behind it, down to the node that was supposed to stop."""
        wait: Wait | None = self
        while wait is not None:
            yield wait
            wait = wait.because


@dataclass
class Flow:
    """The nodes and channels of a kernel, or of a part of it."""

    nodes: list[Node] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    ties: list[list[Tie]] = field(default_factory=list)
    """by node: what bounds its neighbours"""

    def node(
        self, line: int, digits: Sequence[Digit], loops: Sequence[Loop], space: Mapping[Digit, int], pipeline: int
    ) -> Node:
        """A new node."""
        sizes = tuple(loop.iterations((0,) * i) for i, loop in enumerate(loops))
        node = Node(len(self.nodes), line, tuple(digits), sizes, _varying(loops), dict(space), pipeline)
        self.nodes.append(node)
        self.ties.append([])
        return node

    def channel(
        self,
        source: Node,
        sink: Node,
        push: Pulses,
        pop: Pulses | Blocks,
        room: int,
        initial: int = 0,
        stream: str = "",
        tensor: str = "",
    ) -> None:
        """A new channel."""
        number = len(self.channels)
        self.channels.append(Channel(source.number, sink.number, push, pop, room, initial, stream, tensor))
        self.ties[source.number].append((number, False, sink.number, push, pop, initial))
        if room < FAR:
            self.ties[sink.number].append((number, True, source.number, pop, push, room))

    def joins(self) -> dict[int, list[Channel]]:
        """The nodes that read several channels of other units, on a cycle of units: a wait that closes passes one."""
        found: dict[int, list[Channel]] = {}
        for number in self._cyclic():
            channel = self.channels[number]
            found.setdefault(channel.sink, []).append(channel)
        return {node: channels for node, channels in found.items() if len(channels) > 1}

    def prune(self) -> None:
        """Take out the channels that no cycle of units passes."""
        kept = self._cyclic()
        self.ties = [[t for t in ties if t[0] in kept or not self.channels[t[0]].between] for ties in self.ties]

    def _cyclic(self) -> set[int]:
        """The channels between units that are left when units with one channel are taken off again and again."""
        unit = self._units()
        left: dict[int, set[int]] = {u: set() for u in unit}
        between = [i for i, c in enumerate(self.channels) if c.between and unit[c.source] != unit[c.sink]]
        for number in between:
            channel = self.channels[number]
            left[unit[channel.source]].add(number)
            left[unit[channel.sink]].add(number)
        ready = [u for u, numbers in left.items() if len(numbers) == 1]
        while ready:
            for number in left[ready.pop()].copy():
                channel = self.channels[number]
                for end in (unit[channel.source], unit[channel.sink]):
                    left[end].discard(number)
                    if len(left[end]) == 1:
                        ready.append(end)
        return set().union(*left.values())

    def _units(self) -> list[int]:
        """A number for the unit of each node: nodes that exchange credits are one."""
        unit = list(range(len(self.nodes)))
        for channel in self.channels:
            if not channel.between:
                first = min(unit[channel.source], unit[channel.sink])
                unit[channel.source] = unit[channel.sink] = first
        return unit

    def stuck(self, node: int, firing: int) -> Wait | None:
        """The waits by which a node never makes a firing (1 is the first); None if nothing here proves it."""
        bounds = [FAR] * len(self.nodes)
        bounds[node] = firing
        waits: dict[int, Wait] = {node: Wait(node, firing - 1)}
        work = deque([node])
        waiting = {node}
        for _ in range(VISITS * len(self.nodes)):
            if not work:
                return None
            here = work.popleft()
            waiting.discard(here)
            wait = waits[here]
            for channel, full, other, near, far, more in self.ties[here]:
                tokens = near.tokens(wait.firings) + more
                if tokens >= far.total:
                    continue
                firings = far.firings(tokens)
                if firings >= bounds[other]:
                    continue
                found = Wait(other, firings, channel, full, wait)
                if other == node:
                    return found
                if other not in waiting:
                    waiting.add(other)
                    work.append(other)
                bounds[other], waits[other] = firings, found
        return None


def _varying(loops: Sequence[Loop]) -> int:
    """The number of outer loops on whose counters the length of a loop further in depends."""
    found = 0
    for loop in loops:
        if loop.limit is not None:
            for terms in (loop.limit.by_loop, loop.base.by_loop):
                found = max([found, *(i + 1 for i, c in enumerate(terms) if c)])
    return found
