"""The loops of a kernel's actors, and where its axes, its bounds and its copies end them."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, Linear
from rdflow.dsl.checked import Kernel
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.netlist import Affine, Loop
from rdflow.dsl.orders import Bound, Order, Scalar
from rdflow.dsl.sockets import Space
from rdflow.dsl.source import NOWHERE


class Nests:
    """The loop nests of one kernel."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        self.granules = {root: kernel.granule(root) for root in kernel.lengths}
        self.found: dict[tuple[tuple[Digit, ...], Order], list[Loop | None]] = {}

    def padded(self, root: str) -> int:
        """The length of an axis that loops run to: a whole number of rounds over all copies."""
        granule = self.granules[root]
        return -(-self.kernel.lengths[root] // granule) * granule

    def loops(self, digits: tuple[Digit, ...], order: Order, space: Space) -> tuple[Loop, ...]:
        """Loops that end where their axis or its bound ends, tile by tile. Those without a limit are made once for all
        copies."""
        nest = self.found.get((digits, order))
        if nest is None:
            first = (self._loop(digits, i, order, space) for i in range(len(digits)))
            nest = self.found[digits, order] = [loop if loop.limit is None else None for loop in first]
        return tuple(self._loop(digits, i, order, space) if loop is None else loop for i, loop in enumerate(nest))

    def _loop(self, digits: tuple[Digit, ...], index: int, order: Order, space: Space) -> Loop:
        digit = digits[index]
        root, end = digit.root, self.padded(digit.root)
        bound: Bound | None = order.bound(root)
        covers = digit.stride * digit.extent
        top = covers >= self.kernel.lengths[root]
        if isinstance(bound, Scalar):
            bound = Linear(self.kernel.lengths[root])  # the most that its tokens say
        launched = bound.arguments if isinstance(bound, Linear) else ()
        steps = bound is not None and not top and whole_steps(bound, covers)
        if steps and not launched:
            bound = None  # it never ends inside of this loop
        whole = end % (digit.stride if top else covers) == 0
        if bound is None and whole:
            return Loop(digit.extent)
        if bound is not None and not top and not launched and bound.high > end:
            raise CompileError([too_far(self.kernel, root, bound)], self.kernel.program.source)
        outside = digits[:index]
        terms = {d: d.stride for d in (*outside, *space) if d.root == root}
        base = affine(Linear.of(0, terms), outside, space)
        limit = Affine(end) if bound is None else affine(bound, outside, space)
        granule = self.granules[root] if bound is not None else 1
        unlimited = (covers, None if whole else end) if steps and launched else None
        return Loop(digit.extent, digit.stride, limit, base, granule, unlimited=unlimited)


def affine(linear: Linear, loops: Sequence[Digit | None], space: Space) -> Affine:
    """A linear form over digits as one over loops that count them; the digits of a copy are constants."""
    const = linear.const + sum(c * space[d] for d, c in linear.terms if d in space and d not in loops)
    by_digit = dict(linear.terms)
    return Affine(const, tuple(by_digit.get(d, 0) if d is not None else 0 for d in loops), linear.arguments)


def ends_by_number(order: Order, digit: Digit | None) -> bool:
    """Whether the loop of a digit is bounded by a number, the text's or a launch's."""
    bound = order.bound(digit.root) if digit is not None else None
    return isinstance(bound, Linear) and not bound.terms


def whole_steps(bound: Linear, step: int) -> bool:
    """Whether a bound is a whole number of steps whatever its counters; with arguments: whether it may be in a launch."""
    return all(v % step == 0 for v in (0 if bound.arguments else bound.const, *(c for _, c in bound.terms)))


def too_far(kernel: Kernel, root: str, bound: Linear) -> Diagnostic:
    axis = kernel.program.spans.get(root, NOWHERE)
    return Diagnostic(
        "RDF024",
        f"a bound on `{root}` reaches {bound.high}, but the axis has {kernel.lengths[root]}",
        (Label(axis, f"`{root}` ends at {kernel.lengths[root]}"),),
        ("a counter stops at its register's value; it does not know where the tensor ends",),
        f"bound it by what exists, or make `{root}` longer",
    )
