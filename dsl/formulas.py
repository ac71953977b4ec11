"""Traffic and work of a kernel as formulas over its axes: what the checked program says, before any run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import prod

from rdflow.dsl.axes import Digit, size, without
from rdflow.dsl.checked import Compute, Kernel, Load, Result, Store, TensorView, bounds_of
from rdflow.dsl.compute_pcus import flops
from rdflow.dsl.inside import visited
from rdflow.dsl.orders import BYTES, Order
from rdflow.dsl.records import dataclass
from rdflow.dsl.sockets import chips, count

Factor = tuple[str, int]  # an axis (or digits of one) as it is written, and how many values it has


@dataclass(frozen=True, slots=True)
class Formula:
    """A sum of products: a coefficient and its factors each."""

    terms: tuple[tuple[int, tuple[Factor, ...]], ...]

    @property
    def value(self) -> int:
        return sum(coefficient * prod(size for _, size in factors) for coefficient, factors in self.terms)

    @property
    def text(self) -> str:
        """`2 x q x k x d + q x k`."""
        return " + ".join(" x ".join([str(c), *(name for name, _ in f)][c == 1 and bool(f) :]) for c, f in self.terms)


@dataclass(frozen=True, slots=True)
class Traffic:
    """A line that loads or stores: bytes by formula, those of elements inside of all bounds, those of a token.

    `again`: the part of the formula that does not index the tensor, which is therefore moved that many times. `ragged`:
    streams bound it too, of which a formula knows nothing.
    """

    unit: str
    tensor: str
    formula: Formula
    again: Formula
    bounded: int
    token: int
    ragged: bool


@dataclass(frozen=True, slots=True)
class Work:
    """A compute line: FLOPs by formula; in a firing `inside`, and `outside` in a token of each result."""

    unit: str
    formula: Formula
    inside: int
    outside: tuple[tuple[str, int], ...]
    ragged: bool


def traffic(kernel: Kernel) -> Iterator[Traffic]:
    """Every load and store of a kernel, in order."""
    for line in kernel.lines:
        if isinstance(line, Load):
            yield _traffic(kernel, line.stream.name, line.view, line.stream.order)
        elif isinstance(line, Store):
            yield _traffic(kernel, f"store.{line.source.name}", line.view, line.source.order)


def _traffic(kernel: Kernel, unit: str, view: TensorView, order: Order) -> Traffic:
    each = BYTES[view.tensor.dtype]
    indexing = {d for index in view.indices for d in index.digits}
    indexing |= {d for gather in view.gathers if gather is not None for d in gather.order.digits}
    again = without(order.digits, indexing)
    repeated = (*factors(kernel, again), *_everywhere(kernel, order.sockets))
    formula = Formula(((each, (*factors(kernel, without(order.digits, again)), *repeated)),))
    inside = visited(kernel, order) * each * prod(n for _, n in _everywhere(kernel, order.sockets))
    again_too, token = Formula(((1, repeated),)), order.width * each
    return Traffic(unit, view.tensor.name, formula, again_too, inside, token, bool(order.scalars))


def _everywhere(kernel: Kernel, sockets: Sequence[Digit]) -> tuple[Factor, ...]:
    """What is not sharded runs on every socket."""
    total = count(kernel)
    return (("sockets", total),) if total > 1 and not sockets else ()


def work(kernel: Kernel) -> Iterator[Work]:
    """Every line of a kernel that computes, in order."""
    for line in kernel.lines:
        if isinstance(line, Compute):
            found = _work(kernel, line)
            if found.formula.value:
                yield found


def _work(kernel: Kernel, line: Compute) -> Work:
    nest = (*line.nest, *line.copies, *line.sockets, *line.lanes, *line.stages)
    firing = size((*line.lanes, *line.stages))
    terms, inside, outside = [], 0, []
    for result in line.results:
        each, after = operations(result)
        order = result.stream.order
        terms.append((each, (*factors(kernel, nest), *_everywhere(kernel, line.sockets))))
        terms.append((after, (*factors(kernel, order.digits), *_everywhere(kernel, order.sockets))))
        inside += each * firing
        outside.append((result.stream.name, after * order.width))
    formula = Formula(tuple((c, f) for c, f in terms if c))
    return Work(line.stream.name, formula, inside, tuple(outside), bool(bounds_of(line)))


def flops_of(kernel: Kernel, routed: bool = True) -> dict[str, int]:
    """Floating-point operations of a whole run, by line, on all sockets. Not `routed`: with places that stay empty."""
    total = count(kernel)
    lines = (line for line in kernel.lines if isinstance(line, Compute))
    return {l.stream.name: line_flops(kernel, l, routed) * (1 if chips(l) else total) for l in lines}


def line_flops(kernel: Kernel, line: Compute, routed: bool = True) -> int:
    """Elements of the nest times operations inside, results times those outside, where a line stands once."""
    nest = replace(line.order, lanes=(*line.lanes, *line.stages))
    total = 0
    for result in line.results:
        inside, outside = operations(result)
        total += inside * visited(kernel, nest, routed) + outside * visited(kernel, result.stream.order, routed)
    return total


def operations(result: Result) -> tuple[int, int]:
    """FLOPs of an element of the nest, and of a result after the reduction."""
    inside = sum(flops(op) for op in result.ops if not op.at_result)
    outside = sum(flops(op) for op in result.ops if op.at_result)
    if result.reduction is None:
        return inside + outside, 0
    return inside + int(result.reduction.op != "last"), outside


def factors(kernel: Kernel, digits: Iterable[Digit]) -> tuple[Factor, ...]:
    """Digits as factors, axis by axis: a whole axis by its name and length."""
    found = []
    given = tuple(digits)
    for root in dict.fromkeys(d.root for d in given):
        own = tuple(sorted((d for d in given if d.root == root), key=lambda d: -d.stride))
        found.append((" x ".join(kernel.writer.digits(own)), min(size(own), kernel.lengths[root])))
    return tuple(found)
