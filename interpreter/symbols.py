"""Symbols: what a program keeps in memory, from which step of the schedule to which, and what it moves of each.

A tensor of the program is a symbol; so is what every expert of a pool has for itself. Sizes are those of one socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from math import prod

from rdflow.dsl import syntax
from rdflow.dsl.check import Checked
from rdflow.dsl.checked import Kernel, Load, Store
from rdflow.dsl.launch_arguments import TensorArgument
from rdflow.dsl.launches import respecified
from rdflow.dsl.orders import BYTES
from rdflow.dsl.pools import Kind
from rdflow.dsl.program import Tensor
from rdflow.dsl.records import dataclass
from rdflow.dsl.slices import argument_of
from rdflow.dsl.source import Span
from rdflow.dsl.steps import CopyCall, LaunchCall, Read, Step
from rdflow.dsl.unknown import Unknown

BEFORE = -1  # the step before the first one


@dataclass(frozen=True, slots=True)
class Symbol:
    """A tensor: bytes on a socket, the tier that it is declared in, the steps from which to which it is needed, how often
    it is used, and the bytes that all uses move."""

    name: str
    size: int
    tier: str
    first: int
    last: int
    uses: int
    moved: int
    span: Span

    def overlaps(self, other: Symbol) -> bool:
        """Whether there is a step at which both are needed."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an expert keeps for itself: bytes that are only read, and bytes that it writes, on a socket."""

    read_only: int
    mutable: int

    @property
    def size(self) -> int:
        return self.read_only + self.mutable


@dataclass(frozen=True, slots=True)
class Use:
    """A tensor in a step: what is read of it and written to it, in bytes on a socket."""

    tensor: str
    read: int
    written: int


def bytes_of(tensor: Tensor, fixed: Iterable[str] = ()) -> int:
    """Bytes of a tensor, or of a slice of it, on a socket."""
    names = set(fixed)
    own = zip(tensor.axes, tensor.sharded, strict=True)
    return prod(a.length for a, sharded in own if not sharded and a.name not in names) * BYTES[tensor.dtype]


def symbols(checked: Checked) -> list[Symbol]:
    """The tensors of a program that its schedule uses, in the order of their declaration."""
    steps, repeated = checked.steps.steps, checked.steps.repeated
    end = len(steps)
    ages: dict[str, list[int]] = {}
    moved: dict[str, list[int]] = {}
    given: set[str] = set()
    for number, step in enumerate(steps):
        for use in uses(checked, step):
            if use.tensor not in ages and use.read:
                given.add(use.tensor)
            ages.setdefault(use.tensor, []).append(number)
            moved.setdefault(use.tensor, []).append(use.read + use.written)
            if step.overlaps:
                ages[use.tensor].append(_met_again(checked, steps, number, use.tensor))
    found = []
    for tensor in checked.program.tensors.values():
        if tensor.name not in ages:
            continue
        first, last = _stretched(min(ages[tensor.name]), max(ages[tensor.name]), repeated)
        first = BEFORE if tensor.given or tensor.name in given else first
        last = end if "output" in (tensor.direction or "") else last
        counted = moved[tensor.name]
        found.append(
            Symbol(tensor.name, bytes_of(tensor), tensor.tier, first, last, len(counted), sum(counted), tensor.span)
        )
    return found


def _met_again(checked: Checked, steps: list[Step], number: int, tensor: str) -> int:
    """The step that waits for an `async` one, as it touches the same tensor; the end where there is none."""
    later = range(number + 1, len(steps))
    return next((i for i in later if any(u.tensor == tensor for u in uses(checked, steps[i]))), len(steps))


def _stretched(first: int, last: int, repeated: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """What a loop of unknown length touches is needed for all of it."""
    for start, stop in repeated:
        if start <= last and first < stop:
            first, last = min(first, start), max(last, stop - 1)
    return first, last


def uses(checked: Checked, step: Step) -> Iterator[Use]:
    """The tensors of the program that a step touches."""
    program = checked.program
    match step:
        case LaunchCall():
            for name, loads, stores in touched(checked, step):
                argument = argument_of(program, step, name)
                if argument is None and step.expert is not None:
                    continue
                size = _bytes(checked, argument or TensorArgument(name))
                yield Use(argument.tensor if argument else name, loads * size, stores * size)
        case CopyCall(source, target):
            yield Use(source.tensor, _bytes(checked, source), 0)
            yield Use(target.tensor, 0, _bytes(checked, target))
        case Read(element):
            yield Use(element.tensor, _bytes(checked, element), 0)


def _bytes(checked: Checked, argument: TensorArgument) -> int:
    return bytes_of(checked.program.tensors[argument.tensor], (name for name, _ in argument.fixed))


def touched(checked: Checked, call: LaunchCall) -> tuple[tuple[str, int, int], ...]:
    """The tensors of a launch's kernel, with how often it has a line that loads and stores each. Where a number that
    nobody knows decides how it is built: all that it may reach, as if loaded and stored."""
    spec = respecified(checked.program, call).spec
    if not any(isinstance(value, Unknown) for _, value in spec.constants):
        return _touched(checked.kernel(spec))
    home = checked.program.home(spec.home)
    own = [p.name.text for p in home.kernels[spec.kernel].parameters if isinstance(p.type, syntax.TensorType)]
    return tuple((name, 1, 1) for name in own or home.tensors)


def _touched(kernel: Kernel) -> tuple[tuple[str, int, int], ...]:
    """The tensors of a kernel, with how often it has a line that loads and stores each; those loaded first come first."""
    found: dict[str, list[int]] = {}
    for line in kernel.lines:
        if isinstance(line, Load | Store):
            found.setdefault(line.view.tensor.name, [0, 0])[isinstance(line, Store)] += 1
    return tuple((name, loads, stores) for name, (loads, stores) in found.items())


def footprint(checked: Checked, kind: Kind, calls: Iterable[LaunchCall], turn: int) -> Footprint:
    """What each expert of a kind keeps, in whole turns over the channels: its tensors, but for those that it is given by
    every launch whose kernel has them. Those that one of its kernels writes are mutable."""
    own = {
        (respecified(checked.program, c).spec, tuple(name for name, _ in c.bound)): c
        for c in calls
        if c.spec.home == kind.home
    }
    given = set.intersection(*(set(names) for _, names in own)) if own else set()
    kept: set[str] = set()
    written: set[str] = set()
    for (_, names), call in own.items():
        for name, _, stores in touched(checked, call):
            (given if name in names else kept).add(name)
            if stores:
                written.add(name)
    sizes = {n: padded(bytes_of(t), turn) for n, t in kind.program.tensors.items() if n not in given - kept}
    mutable = sum(size for name, size in sizes.items() if name in written)
    return Footprint(sum(sizes.values()) - mutable, mutable)


@cache
def padded(size: int, turn: int) -> int:
    """Bytes up to the next turn over all channels."""
    return -(-size // turn) * turn
