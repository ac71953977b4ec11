"""A program with its declarations resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace

from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.axes import Axis
from rdflow.dsl.libraries import Brought, Layers, Library
from rdflow.dsl.pools import Pool, homes
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source, Span

LANES = 32
STAGES = 8
PREDEFINED: dict[str, Value] = {"L": LANES, "ST": STAGES, "H": LANES // 2}
"""ST is that of the usual machine: `declare` is told the stages of another."""
TIERS = ("hbm", "ddr")
Shapes = tuple[tuple[int, ...] | None, ...]  # lengths of tensor arguments, by parameter
SCALARS = ("int32", "f32")  # what an argument register holds

Resolve = Callable[[str], Source | None]


@dataclass(frozen=True)
class Tensor:
    """A tensor: its axes from the slowest to the fastest, where it lives, and whether a user gives or gets it."""

    name: str
    dtype: str
    axes: tuple[Axis, ...]
    sharded: tuple[bool, ...]
    tier: str
    direction: str | None
    span: Span

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(a.length for a in self.axes)

    @property
    def given(self) -> bool:
        """Whether a user gives it: where nobody does, it is random."""
        return self.direction in ("input", "input output")


@dataclass
class Program:
    """A module with its declarations resolved. Kernels and the schedule are still trees: they are checked by launch."""

    source: Source
    module: syntax.Module
    names: dict[str, Value] = field(default_factory=dict)
    params: dict[str, Value] = field(default_factory=dict)
    axes: dict[str, Axis] = field(default_factory=dict)
    roots: dict[str, int] = field(default_factory=dict)
    ragged: set[str] = field(default_factory=set)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    kernels: dict[str, syntax.Kernel] = field(default_factory=dict)
    layers: Layers = field(default_factory=dict)
    libraries: dict[str, Library] = field(default_factory=dict)  # by the names of their files
    brought: dict[str, Brought] = field(default_factory=dict)  # the kernels that are from libraries
    pools: dict[str, Pool] = field(default_factory=dict)
    schedule: syntax.Schedule | None = None
    spans: dict[str, Span] = field(default_factory=dict)
    stages: int = STAGES  # of a unit: rows of a systolic array, operations without a chain
    constant: dict[tuple[str, Shapes], frozenset[str]] = field(default_factory=dict)
    """by kernel and lengths, the scalar parameters whose numbers decide how it is built: found by its check"""
    library_missing: bool = False  # a `use` failed: unknown layers may be its layers

    @property
    def lengths(self) -> dict[str, int]:
        """Lengths of all axes by name."""
        return {name: axis.length for name, axis in self.axes.items()}

    @property
    def held(self) -> dict[str, Tensor]:
        """All that has values: the tensors, and those of the experts of each kind as one (`expert.Wq`)."""
        stacked = [kind.stacked(name) for _, kind in homes(self.pools) for name in kind.program.tensors]
        return {**self.tensors, **{tensor.name: tensor for tensor in stacked}}

    def beside(self, kernel: str) -> Program:
        """What a kernel's tree is read with: this program, as if its text were the file that the kernel is from."""
        return replace(self, source=self.brought[kernel].source) if kernel in self.brought else self

    def home(self, name: str) -> Program:
        """The program of a launch: this one, or that of an expert."""
        return self if not name else next(kind.program for _, kind in homes(self.pools) if kind.home == name)
