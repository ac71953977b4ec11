"""The scratchpad of a split or a merge: how the slots of a tile are numbered, and the table of its pages (A8)."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, Linear, size, strides
from rdflow.dsl.checked import Route
from rdflow.dsl.records import dataclass


@dataclass(frozen=True)
class Pages:
    """How the slots of a tile are numbered.

    `experts`, `outer`, `inner`: digits of the expert, of the number of its page, and of the place in the page, of those
    that one scratchpad has, each from the slowest. `count`: pages that the worst routing takes.
    """

    experts: tuple[Digit, ...]
    outer: tuple[Digit, ...]
    inner: tuple[Digit, ...]
    count: int

    @property
    def shared(self) -> bool:
        """Whether several experts share the pages; one alone takes them in order, without a table."""
        return bool(self.experts)

    @property
    def places(self) -> int:
        """Of a page."""
        return size(self.inner)

    # the table: counters, the next free page, pages by expert and number, then what a split or a merge adds

    @property
    def next(self) -> int:
        return size(self.experts)

    @property
    def first(self) -> int:
        return self.next + 1

    @property
    def words(self) -> int:
        return self.first + (size(self.experts) * size(self.outer) if self.shared else 0)

    def page(self) -> Linear:
        """The entry of a page: by the loops and copies over experts and places."""
        return Linear.of(self.first, strides((*self.experts, *self.outer)))


def pages(
    route: Route, experts: Sequence[Digit], places: Sequence[Digit], lanes: Sequence[Digit], tokens: int
) -> Pages:
    """The pages of a scratchpad that has these digits, of which `lanes` are on those of a token that is read or written.

    Pages of an expert begin at least the lowest digit of their number apart: n tokens take n over that, rounded up.
    """
    slowest = sorted(places, key=lambda d: -d.stride)
    top = max((d.stride * d.extent for d in places if d in lanes), default=1)
    outer = tuple(d for d in slowest if d.stride >= top)
    inner = tuple(d for d in slowest if d.stride < top)
    own = tuple(sorted(experts, key=lambda d: -d.stride))
    apart = outer[-1].stride if outer else route.places
    worst = min(size(own) * size(outer), (tokens + size(own) * (apart - 1)) // apart, tokens)
    return Pages(own, outer, inner, max(1, worst) if own else size(outer))
