"""Streams that bound loops: how they reach every actor that runs such a loop (A6).

Each of these actors has a port of its own for the stream; the producer multicasts to all of them, like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rdflow.dsl.axes import Digit, renames, size
from rdflow.dsl.checked import Compute, Hold, Kernel, bounds_of, sources_of, streams_of
from rdflow.dsl.drafts import Draft, Sink, Source
from rdflow.dsl.joins import connect
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import Scalar

SPARE = 16  # tokens by which the readers of a stream may be apart, beside those of a round


def connect_scalars(nets: Nets) -> None:
    """Give the ports that drafts have for the bounds of their loops their queues. All drafts must be there."""
    for scalar, drafts in _groups(nets.drafts):
        apart = tokens_apart(nets.kernel, scalar)
        slots = apart + SPARE if apart > 1 else None
        connect(nets, _source(nets, scalar), [_sink(d, scalar) for d in drafts], slots=slots)


def _groups(drafts: Iterable[Draft]) -> Iterator[tuple[Scalar, list[Draft]]]:
    """The drafts that a bound reaches together: at most one for each copy of a unit, so that it may be dealt to them."""
    found: dict[tuple[Scalar, int, str, tuple[Digit, ...]], list[dict[tuple[int, ...], Draft]]] = {}
    for draft in drafts:
        copy = tuple(draft.space.values())
        for scalar in draft.scalars:
            rounds = found.setdefault((scalar, draft.unit, draft.kind, tuple(draft.space)), [])
            free = next((r for r in rounds if copy not in r), None)
            if free is None:
                rounds.append(free := {})
            free[copy] = draft
    for (scalar, _, _, _), rounds in found.items():
        yield from ((scalar, list(r.values())) for r in rounds)


def _source(nets: Nets, scalar: Scalar) -> Source:
    """The stream under the names that the bound has for its digits."""
    own = nets.kernel.stream(scalar.name).order.digits
    return nets.sources[scalar.name].renamed(renames(own, scalar.digits))


def _sink(draft: Draft, scalar: Scalar) -> Sink:
    level = scalar.level(draft.digits, draft.space)
    assert level is not None, "checked: the loops of a bound are outside of what it bounds"
    return Sink(draft, draft.starts(level), port=draft.scalars[scalar])


def tokens_apart(kernel: Kernel, scalar: Scalar) -> int:
    """Tokens that one reader of a bound may need before another needs its first.

    A hold gives nothing before a tile is written, a reduction nothing before its last iteration. What reads them, and all
    that follows, needs the bounds of that tile or round again, while those that come first are multicast: they must have
    room. Tiles and rounds are runs of inner loops of the bound, so the longest covers the others.
    """
    outer = len(scalar.time)
    for digits in _rounds(kernel, scalar):
        outer = next((i for i, d in enumerate(scalar.time[:outer]) if d in digits), outer)
    return size(scalar.time[outer:])


def _rounds(kernel: Kernel, scalar: Scalar) -> Iterator[set[Digit]]:
    """The loops that lines behind a bound take in as a whole before they give anything."""
    reached: set[str] = set()
    for line in kernel.lines:
        behind = any(s.name in reached or scalar in dict(s.order.scalars).values() for s in sources_of(line))
        if behind and isinstance(line, Hold) and not line.queue:
            yield set(line.source.order.time) - set(line.stream.order.time[: line.tile])
        if behind and isinstance(line, Compute):
            yield set(line.reduced)
        if behind or scalar.name in bounds_of(line):
            reached.update(s.name for s in streams_of(line))
