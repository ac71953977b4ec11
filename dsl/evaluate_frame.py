"""What has been evaluated so far: streams by name, tensors by name and version."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rdflow.dsl.axes import Digit
from rdflow.dsl.checked import Kernel, Stream
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.evaluate_arrays import Fixed, Numbers, Tokens
from rdflow.dsl.program import Tensor


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream as it was evaluated: all of it, or the slice at `fixed`."""

    stream: Stream
    tokens: Tokens
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

    def define(self, stream: Stream, tokens: Tokens) -> None:
        self.entries[stream.name] = Entry(stream, tokens, self.fixed)

    def read(self, stream: Stream, whole: Collection[Digit] = ()) -> Tokens:
        """A stream under the digits that `stream.order` calls it by; `whole`: digits that are not fixed here."""
        entry = self.entries[stream.name]
        names = dict(zip(entry.stream.order.digits, stream.order.digits, strict=True))
        if any(d in names and (names[d] != d or d in whole) for d in entry.fixed):
            label = Label(stream.span, "renamed or moved along the loop that a carry runs over")
            message = f"a view of `{stream.name}` leads out of the iteration that a carry is in"
            raise CompileError([Diagnostic("RDF040", message, (label,))], self.kernel.program.source)
        return entry.tokens.renamed(names).at({d: v for d, v in self.fixed.items() if d not in whole})

    def tensor(self, tensor: Tensor, version: int) -> Numbers:
        """A version of a tensor; a new one starts as a copy of the one before."""
        key = (tensor.name, version)
        if key not in self.versions:
            self.versions[key] = self.tensor(tensor, version - 1).copy()
        return self.versions[key]
