"""What has been evaluated so far: streams by name, tensors by name and version."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace

from rdflow.dsl.axes import Digit, Linear
from rdflow.dsl.checked import Kernel, Stream
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.evaluate_arrays import Array, Fixed, Numbers, affine, below, constant, every
from rdflow.dsl.orders import Bound, Order
from rdflow.dsl.program import Tensor
from rdflow.dsl.records import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream as it was evaluated: all of it, or the slice at `fixed`."""

    stream: Stream
    array: Array
    fixed: Fixed


@dataclass
class Frame:
    """A kernel's values. In a carried loop a frame of its own holds one iteration: `fixed` are the loop's digits."""

    kernel: Kernel
    versions: dict[tuple[str, int], Numbers]
    entries: dict[str, Entry] = field(default_factory=dict)
    fixed: Fixed = field(default_factory=dict)

    @property
    def lengths(self) -> Mapping[str, int]:
        return self.kernel.lengths

    def inside(self, fixed: Fixed) -> Frame:
        """A frame for one iteration: it sees all of this one, and what it defines stays in it (stores do not)."""
        return Frame(self.kernel, self.versions, dict(self.entries), {**self.fixed, **fixed})

    def define(self, stream: Stream, array: Array) -> None:
        self.entries[stream.name] = Entry(stream, array, self.fixed)

    def read(self, stream: Stream, whole: Collection[Digit] = ()) -> Array:
        """A stream under the digits that `stream.order` calls it by; `whole`: digits that are not fixed here."""
        entry = self.entries[stream.name]
        names = dict(zip(entry.stream.order.digits, stream.order.digits, strict=True))
        if any(d in names and (names[d] != d or d in whole) for d in entry.fixed):
            label = Label(stream.span, "renamed or moved along the loop that a carry runs over")
            message = f"a view of `{stream.name}` leads out of the iteration that a carry is in"
            raise CompileError([Diagnostic("RDF040", message, (label,))], self.kernel.program.source)
        return entry.array.renamed(names).at({d: v for d, v in self.fixed.items() if d not in whole})

    def limit(self, bound: Bound) -> Array:
        """The values of a bound over its digits."""
        if isinstance(bound, Linear):
            return affine(bound, self.fixed)
        own = self.kernel.stream(bound.name)
        names = dict(zip(own.order.digits, bound.digits, strict=True))
        return self.read(replace(own, order=own.order.renamed(names, {})))

    def defined(
        self, digits: Iterable[Digit], bounds: Iterable[tuple[str, Bound]], roots: Iterable[str]
    ) -> Array | None:
        """Which elements over `digits` lie within the lengths of these axes and within bounds; None if all do.

        A bound over digits that are gone (reduced further up) no longer says anything.
        """
        own = set(digits)
        present = {d.root for d in own}
        limits = [(r, self.limit(b)) for r, b in bounds if r in present and set(b.digits) <= own.union(self.fixed)]
        limits += [(r, constant(self.lengths[r])) for r in roots if _padded(own, r, self.lengths[r])]
        return every(below(own, root, limit, self.fixed) for root, limit in limits)

    def defined_in(self, order: Order) -> Array | None:
        """Which elements of a stream exist."""
        return self.defined(order.digits, order.bounds, self.lengths)

    def tensor(self, tensor: Tensor, version: int) -> Numbers:
        """A version of a tensor; a new one starts as a copy of the one before."""
        key = (tensor.name, version)
        if key not in self.versions:
            self.versions[key] = self.tensor(tensor, version - 1).copy()
        return self.versions[key]


def _padded(digits: Iterable[Digit], root: str, length: int) -> bool:
    return sum((d.extent - 1) * d.stride for d in digits if d.root == root) >= length
