"""Drafts of actors, and the ends of streams: where tokens leave one and enter another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace

from rdflow.dsl.axes import Digit, Linear, size
from rdflow.dsl.nests import affine
from rdflow.dsl.netlist import Actor, Affine, Burst, Gate, Loop, Port, Row, Temp, ends, starts
from rdflow.dsl.orders import Scalar, packets
from rdflow.dsl.records import dataclass
from rdflow.dsl.sockets import SOCKET, Space


@dataclass
class Draft:
    """An actor that still gains ports. `digits`: the digit of each loop (None: bursts of a token). `space`: which copy it is."""

    number: int
    name: str
    unit: int
    kind: str
    digits: tuple[Digit | None, ...]
    loops: tuple[Loop, ...]
    space: Space
    stages: int = 1
    interval: int = 1
    tile_level: int = 0
    burst: Burst | None = None
    copy: int | None = None
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    temps: int = 0
    scalars: dict[Scalar, int] = field(default_factory=dict)
    """the input ports of the streams that bound its loops; they are connected at the end, when all drafts are known"""

    def scalar(self, scalar: Scalar) -> int:
        """The number of the input port of a stream that is a bound: made when first asked for."""
        if scalar not in self.scalars:
            self.scalars[scalar] = len(self.inputs)
            self.inputs.append(Port((), Gate()))
        return self.scalars[scalar]

    def bounds(self, loops: Iterable[Loop]) -> list[Scalar | None]:
        """The streams that bound some of its loops."""
        names = {port: scalar for scalar, port in self.scalars.items()}
        return [names.get(loop.port) for loop in loops]

    def bounded(self, bounds: Iterable[Scalar | None]) -> None:
        """Give each loop the port of the stream that bounds it, if one does."""
        self.loops = tuple(
            l if b is None else l._replace(port=self.scalar(b)) for l, b in zip(self.loops, bounds, strict=True)
        )

    @property
    def socket(self) -> int:
        return self.space.get(SOCKET, 0)

    def temp(self) -> Temp:
        """A fresh scratch vector."""
        self.temps += 1
        return Temp(self.temps - 1)

    def mask(self, digits: Iterable[Digit]) -> int:
        """The bits of the loops that count these digits."""
        wanted = set(digits)
        return sum(1 << i for i, d in enumerate(self.digits) if d in wanted)

    def starts(self, level: int) -> Gate:
        """Open at the start of each iteration of the first `level` loops."""
        return starts(level, len(self.loops))

    def ends(self, level: int) -> Gate:
        """Open at the end of each iteration of the first `level` loops."""
        return ends(level, len(self.loops))

    def affine(self, linear: Linear) -> Affine:
        """A linear form over digits as one over this actor's loops; copy digits are constants."""
        return affine(linear, self.digits, self.space)

    def finish(self) -> Actor:
        return Actor(
            self.name,
            self.unit,
            self.kind,
            self.loops,
            tuple(self.inputs),
            tuple(self.outputs),
            tuple(self.rows),
            self.interval,
            self.stages,
            self.tile_level,
            self.burst,
            self.socket,
            self.copy,
        )


@dataclass(frozen=True)
class Endpoint:
    """Where tokens of a stream leave: an actor, the gate of its pushes, the scratch vector pushed, the firings that a
    token takes (its packets pass in all of them)."""

    draft: Draft
    gate: Gate
    source: int
    firings: int = 1


@dataclass(frozen=True)
class Source:
    """A stream in the netlist: its endpoints, one a copy of its unit; lanes and dtype of a token.

    `everywhere`: it has no digit on the sockets, so each socket has all of it, and readers take it from their own.
    """

    name: str
    lanes: tuple[Digit, ...]
    dtype: str
    endpoints: tuple[Endpoint, ...]
    everywhere: bool = True

    @property
    def width(self) -> int:
        return size(self.lanes)

    @property
    def packets(self) -> int:
        """Of a token."""
        return packets(self.width, self.dtype) if self.lanes else 1

    def renamed(self, pairs: Mapping[Digit, Digit]) -> Source:
        """The same tokens under other axes (a rename in a view is wiring)."""
        if not pairs:
            return self
        endpoints = tuple(Endpoint(_renamed(e.draft, pairs), e.gate, e.source, e.firings) for e in self.endpoints)
        return replace(self, lanes=tuple(pairs.get(d, d) for d in self.lanes), endpoints=endpoints)


def _renamed(draft: Draft, pairs: Mapping[Digit, Digit]) -> Draft:
    """A draft seen under other axes; it shares the lists of the draft itself, so ports are added to both."""
    digits = tuple(pairs.get(d, d) if d is not None else None for d in draft.digits)
    space = {pairs.get(d, d): v for d, v in draft.space.items()}
    return replace(draft, digits=digits, space=space, scalars={s.renamed(pairs): n for s, n in draft.scalars.items()})


@dataclass
class Sink:
    """Where tokens enter: an actor, the gate of its pops, the port server that they pass, the firings that a token takes,
    the number of the port where it has one already."""

    draft: Draft
    gate: Gate
    server: tuple[str, int] | None = None
    firings: int = 1
    port: int = -1

    def enter(self, queues: tuple[int, ...], packets: int, select: Affine) -> None:
        """Pop from these queues, of which `select` picks one a firing. `packets`: of a token."""
        port = Port(queues, self.gate, -(-packets // self.firings), select)
        if self.port >= 0:
            self.draft.inputs[self.port] = port
        else:
            self.draft.inputs.append(port)


def by_copy_of(source: Source, space: Space) -> Callable[[Space], Sequence[int]]:
    """The numbers of the endpoints that have the same values as a copy in every digit that both have, and are on its
    socket where the stream is on all of them.

    All endpoints have the same copy digits, and so have all copies that are asked about: `space` is one of them.
    """
    endpoints = source.endpoints
    own = endpoints[0].draft.space if endpoints else {}
    shared = tuple(d for d in own if d in space and (d != SOCKET or source.everywhere))
    index: dict[tuple[int, ...], list[int]] = {}
    for number, endpoint in enumerate(endpoints):
        index.setdefault(tuple(endpoint.draft.space[d] for d in shared), []).append(number)
    return lambda copy: index.get(tuple(copy[d] for d in shared), [])
