"""The balance of a kernel's paths, before anything runs: deadlocks, copies that wait for each other, holds too shallow (A12).

The run is the exact judge. An error here is a proof that the run would stop; what this page does not see, the run tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rdflow.dsl.axes import Digit, size
from rdflow.dsl.balance_memory import memory_wait
from rdflow.dsl.checked import Compute, Hold, Kernel, Line, Load, Route, Store, Stream, sources_of, space_of
from rdflow.dsl.depths import Shallow, deepen
from rdflow.dsl.flow import FAR, Channel, Flow, Wait
from rdflow.dsl.flow_build import build
from rdflow.dsl.flow_builder import FIFO
from rdflow.dsl.flow_ends import neighbours
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.sockets import Space
from rdflow.dsl.source import Span
from rdflow.dsl.turns import Turn, multicasts, producers, turns, wasted


def balance(kernel: Kernel, report: Reporter) -> None:
    """Report paths that starve each other (RDF050 to RDF053, RDF056), and deepen holds beside longer paths."""
    for shallow in deepen(kernel):
        _shallow(kernel, shallow, report)
    found = list(_deadlocks(kernel))
    for deadlock in found:
        deadlock.tell(report)
    if not found:
        for turn in _once(wasted(kernel)):
            _wasted(kernel, turn, report)


# -- deadlocks ---------------------------------------------------------------------------------------------------------


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
        return _name(self.line(place))

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

    def tell(self, report: Reporter) -> None:
        copied, place = self.copied(), self.at_memory
        if place is not None:
            memory_wait(self, place, report)
        elif copied:
            self._coupled(copied[0], report)
        else:
            self._unheld(report)

    def waits(self) -> str:
        """The loop in words."""
        parts = []
        for i, wait in enumerate(self.loop):
            channel = self.channel(i)
            what = "room in the queue to" if wait.full else "tokens of"
            other = self._copy(i + 1)
            if channel.tensor:
                done = "read" if isinstance(self.line(i + 1), Load) else "written"
                parts.append(f"{self._copy(i)} waits until {other} has {done} `{channel.tensor}`")
            elif channel.stream:
                parts.append(f"{self._copy(i)} waits for {what} {other}")
        return "the loop of waits: " + "; ".join(parts)

    def notes(self) -> list[str]:
        names = ", ".join(f"`{name}`" for name in self.kernel.bounding)
        size = [f"this is so where the loops that {names} bounds run to the end of their axes"] if names else []
        return [self.waits(), *size]

    def _twice(self) -> Line:
        """A line of which two copies are in the loop."""
        lines = [self.flow.nodes[w.node].line for w in self.loop]
        return self.kernel.lines[next((n for n in lines if lines.count(n) > 1), lines[0])]

    def _copy(self, place: int) -> str:
        node = self.flow.nodes[self.loop[place % len(self.loop)].node]
        number = [str(v) for v in node.space.values()] if self.copied() else []
        return f"`{self.name(place)}`" + (f" (copy {', '.join(number)})" if number else "")

    # -- a missing hold ------------------------------------------------------------------------------------------------

    def _unheld(self, report: Reporter) -> None:
        """One path must take in more of a stream than the other can keep."""
        fork = self.fork
        source, waiting, blocked = self.channel(fork).stream, self.name(fork - 1), self.name(fork + 1)
        if not source or self.channel(fork - 1).stream != source:
            self._circular(report)
            return
        stream = self.kernel.stream(source)
        needed = self.channel(fork - 1).pop.tokens(self.needs[fork - 1])
        join, tile = self._join(), self._tile(stream, needed)
        over = ", ".join(self.kernel.writer.digits(stream.order.time[tile:]))
        message = (
            f"deadlock: `{source}` feeds both `{waiting}` and `{blocked}`; `{waiting}` needs all {needed} tokens over `{over}` before "
            f"`{join}` may go on, and the queue to `{blocked}` holds {FIFO} packets"
        )
        labels = [
            (_span(self.line(fork + 1)), f"`{blocked}` cannot take in more of `{source}` until `{join}` goes on"),
            (stream.span, f"`{source}` is {self.kernel.writer.order(stream.order)}"),
            (_span(self.line(fork - 1)), f"`{waiting}` takes in {needed} tokens of `{source}` first"),
        ]
        report.add("RDF050", message, labels, self.notes(), self.cure(stream, self.line(fork + 1), tile, needed))

    def _circular(self, report: Reporter) -> None:
        """A loop of waits without one stream that goes both ways."""
        names = dict.fromkeys(self.name(i) for i in range(len(self.loop)))
        message = f"deadlock: {', '.join(f'`{n}`' for n in names)} wait for each other"
        labels = [(_span(line), "waits") for line in {id(x): x for x in map(self.line, range(len(self.loop)))}.values()]
        report.add(
            "RDF050", message, labels, self.notes(), "hold the stream that finds no room: `x = pmu s as [tile; ..]`"
        )

    def _join(self) -> str:
        """The node that starves while its other input is full."""
        return next(
            (self.name(i) for i in range(len(self.loop)) if not self.loop[i].full and self.loop[i - 1].full),
            self.name(0),
        )

    def _tile(self, stream: Stream, needed: int) -> int:
        """The most outer loops of a stream such that what lies inside them is at least what is needed."""
        time = stream.order.time
        return max((t for t in range(len(time)) if size(time[t:]) >= needed), default=0)

    def cure(self, stream: Stream, reader: Line, tile: int, needed: int) -> str:
        inside = max(1, size(stream.order.time[tile:]))
        if isinstance(reader, Hold):
            return f"let `{_name(reader)}` keep more: a tile of at least {inside} tokens, or `depth {-(-needed // max(1, self._kept(reader))) + 1}`"
        name = f"{stream.name}b"
        order = self.kernel.writer.order(stream.order, tile)
        return f"hold it: `{name} = pmu {stream.name} as {order}`, and read `{name}` in `{_name(reader)}`"

    def _kept(self, hold: Hold) -> int:
        return size(hold.source.order.time[hold.tile :])

    # -- copies that move together -------------------------------------------------------------------------------------

    def _coupled(self, digit: Digit, report: Reporter) -> None:
        """Copies of one multicast, dealt to or gathered from in turns longer than the queues."""
        lines = {self.flow.nodes[w.node].line for w in self.loop}
        shared = next((r for r, d in multicasts(self.kernel) if d == digit and r.line in lines), None)
        near = [t for t in turns(self.kernel) if t.digit == digit and (t.read.line in lines or t.producer in lines)]
        longest = max(near, key=lambda t: t.tokens, default=None)
        shortest = min(near, key=lambda t: t.tokens, default=None)
        over = terms(self.kernel, digit)
        copies = self.kernel.lines[shared.line] if shared is not None else self._twice()
        labels = [(_span(copies), f"copies along `{over}`")]
        message = f"deadlock: the copies of `{_name(copies)}` along `{over}` wait for each other"
        if longest is not None:
            message += f": `{longest.read.stream.name}` is {longest.verb} them in turns of {longest.tokens} tokens"
            labels.append(
                (
                    _span(self.kernel.lines[longest.read.line]),
                    f"`{longest.read.stream.name}` is {longest.verb} copies here",
                )
            )
        if shared is not None:
            message += f", and each token of `{shared.stream.name}` goes to all at once"
            labels.append((shared.stream.span, f"`{shared.stream.name}` has no `{over}`: it is multicast"))
        elif shortest is not None and shortest is not longest:
            message += f", but `{shortest.read.stream.name}` is {shortest.verb} them in turns of {shortest.tokens}"
            labels.append(
                (
                    _span(self.kernel.lines[shortest.read.line]),
                    f"`{shortest.read.stream.name}` is {shortest.verb} copies here",
                )
            )
        cure = path_cure(self.kernel, digit)
        if longest is not None and isinstance(self.kernel.lines[longest.producer], Load):
            cure = f"load with the copies, on a line of its own: `load .. as [.., {over}, ..]`, and hold that"
        report.add("RDF051", message, labels, self.notes(), cure)


def terms(kernel: Kernel, digit: Digit) -> str:
    """A digit of copies as the user writes it: `q/L @8`."""
    return kernel.writer.run((digit,)).split("%")[0] + f" @{digit.extent}"


def path_cure(kernel: Kernel, digit: Digit) -> str:
    """The lines that need the copies: those that have the digit in time or copies and do not merely replay over it."""
    names = [_name(kernel.lines[i]) for i in copied_path(kernel, digit)]
    if not names:
        return "deal and gather in turns that the queues hold, or hold the streams in between"
    every = ", ".join(f"`{n}`" for n in names)
    return f"carry `@{digit.extent}` along the path from `{names[0]}` to `{names[-1]}`: {every}"


def copied_path(kernel: Kernel, digit: Digit) -> list[int]:
    """The lines from the first scratchpad that has the digit to the last unit that computes with it."""
    number = producers(kernel)
    found: set[int] = set()
    for i, line in enumerate(kernel.lines):
        if isinstance(line, Load | Store) or digit not in line.stream.order.digits + space_of(line):
            continue
        if any(d.root == digit.root for s in sources_of(line) for d in s.order.digits):
            found.add(i)
    onwards = {i for i in found if isinstance(kernel.lines[i], Compute)}
    for i in sorted(found, reverse=True):
        if i in onwards:
            onwards.update(number[s.name] for s in sources_of(kernel.lines[i]) if number[s.name] in found)
    return sorted(onwards)


def _deadlocks(kernel: Kernel) -> Iterator[Deadlock]:
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


# -- warnings ----------------------------------------------------------------------------------------------------------


def _once(found: Iterator[Turn]) -> Iterator[Turn]:
    """The longest turn of each stream and digit."""
    best: dict[tuple[str, Digit], Turn] = {}
    for turn in found:
        key = (turn.read.stream.name, turn.digit)
        if key not in best or best[key].tokens < turn.tokens:
            best[key] = turn
    yield from best.values()


def _wasted(kernel: Kernel, turn: Turn, report: Reporter) -> None:
    """Copies that work one after another."""
    over, n = terms(kernel, turn.digit), turn.digit.extent
    name = turn.read.stream.name
    copied = kernel.lines[turn.producer if turn.gathered else turn.read.line]
    reader = kernel.lines[turn.read.line]
    report.warn(
        "RDF052",
        f"the copies along `{over}` are worth {turn.factor():.2f}: `{name}` is {turn.verb} them in turns of {turn.tokens} tokens",
        [
            (_span(copied), f"{n} copies"),
            (_span(reader), f"`{name}` is read here in the order {kernel.writer.order(turn.read.order)}"),
        ],
        notes=[f"a queue holds {FIFO} packets: while one copy has its turn the others stand"],
        help=f"gather with a pmu, which takes tokens in any order, carry `@{n}` on, or move the digit further inside",
    )


def _shallow(kernel: Kernel, shallow: Shallow, report: Reporter) -> None:
    """A depth that the user gave and that stops the path beside."""
    hold = kernel.lines[shallow.line]
    assert isinstance(hold, Hold | Route)
    name = hold.stream.name
    labels: list[tuple[Span, str]] = [(_span(hold), f"depth {hold.depth}")]
    if shallow.fork != shallow.line:
        labels.append((_span(kernel.lines[shallow.fork]), "the paths part here"))
        labels.append(
            (
                _span(kernel.lines[shallow.join]),
                f"and meet here; the other keeps {shallow.needed - 2} tiles more on the way",
            )
        )
        why = "the shorter path must keep as many tiles as the longer has on the way"
    else:
        why = "one tile is written and read in turn; with two, one is written while the other is read"
    report.warn(
        "RDF053",
        f"`{name}` with depth {hold.depth} slows the kernel down about {shallow.factor:.2f} times",
        labels,
        notes=[why],
        help=f"`depth {shallow.needed}`, or leave the depth out",
    )


def _name(line: Line) -> str:
    return f"store {line.source.name}" if isinstance(line, Store) else line.stream.name


def _span(line: Line) -> Span:
    return line.span if isinstance(line, Store) else line.stream.span
