"""What a schedule does, one thing after the other: steps, with everything that stood for a number made one."""

from __future__ import annotations

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.launch_arguments import TensorArgument
from rdflow.dsl.pools import Expert
from rdflow.dsl.program import Shapes
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Span


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """A kernel with the lengths of its tensor parameters and the numbers that decide how it is built: one mapping each.

    `home`: the program of an expert whose kernel it is. `tiers`: parameters and bound tensors that are not in HBM.
    """

    kernel: str
    shapes: Shapes = ()
    constants: tuple[tuple[str, Value], ...] = ()
    home: str = ""
    tiers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchCall:
    """A launch as it happens: what is launched on what. `scalars`: its numbers, by parameter. `bound`: tensors of an
    expert's program that are given.

    `overlaps`: it is `async`, as for all steps.
    """

    spec: LaunchSpec
    arguments: tuple[TensorArgument | None, ...]
    by: str | None
    span: Span
    expert: Expert | None = None
    bound: tuple[tuple[str, TensorArgument], ...] = ()
    overlaps: bool = False
    scalars: tuple[tuple[str, Value], ...] = ()

    @property
    def numbers(self) -> dict[str, Value]:
        return dict(self.scalars)


@dataclass(frozen=True, slots=True)
class CopyCall:
    """A tensor, or a slice of one, copied to another."""

    source: TensorArgument
    target: TensorArgument
    span: Span
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class Activation:
    """An expert that is to be in the cache of its pool."""

    expert: Expert
    span: Span
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """A value that the schedule reads: the element of a tensor."""

    element: TensorArgument
    span: Span
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """The schedule waits until so many seconds after its start."""

    until: float
    span: Span
    overlaps: bool = False


Step = LaunchCall | CopyCall | Activation | Read | Pause
