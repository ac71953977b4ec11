"""What a launch costs at lengths that are simulated, and between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rdflow.dsl.records import dataclass
from rdflow.interpreter.machine import Machine

POINTS = 6  # lengths, or steps, that are simulated of many


@dataclass
class Cost:
    """A launch: its cycles alone, and beside a copy (simulated when asked for). `path`: it reaches DDR itself."""

    what: str
    by: str | None
    configured: int
    cycles: int
    path: bool
    beside: Callable[[], int]

    def loads(self, machine: Machine) -> tuple[int, int]:
        """Cycles of its program load and of its argument load."""
        arguments = machine.cycles(machine.launch.arguments)
        return machine.boundary_cycles(self.configured) - arguments, arguments


@dataclass
class Stretch:
    """Steps of an answer, summed up: by step, cycles of program load, of argument load and of execution up to there."""

    loads: list[int]
    arguments: list[int]
    cycles: list[int]


def points(values: Sequence[int], most: int | None = None) -> tuple[int, ...]:
    """Those of some numbers in order that are simulated: all, or `most` of them (None: POINTS), at least two, each about as
    many times the one before."""
    many = POINTS if most is None else most
    if len(values) <= many:
        return tuple(values)
    low, high = values[0], values[-1]
    ratio = high / low if low > 0 else 1.0
    steps = [i / (many - 1) for i in range(many)]
    wanted = [low * ratio**step if low > 0 else low + (high - low) * step for step in steps]
    return tuple(sorted({min(values, key=lambda v: (abs(v - w), v)) for w in wanted}))


def mixed(low: Cost, high: Cost, ends: tuple[int, int], at: int) -> Cost:
    """A launch between two that are simulated: linear in what lies between them, to whole cycles."""

    def between(a: int, b: int) -> int:
        return a + ((b - a) * (at - ends[0]) * 2 + (ends[1] - ends[0])) // (2 * (ends[1] - ends[0]))

    cycles = between(low.cycles, high.cycles)
    beside = lambda: between(low.beside(), high.beside())  # noqa: E731
    return Cost(high.what, high.by, high.configured, cycles, high.path, beside)


def missing(values: Sequence[int], simulated: Sequence[int], what: str) -> str | None:
    """What is interpolated, in words; None where all is simulated."""
    left = len(values) - len(simulated)
    if not left:
        return None
    listed = ", ".join(f"{value:,}" for value in simulated)
    return f"{what.format(listed)} are simulated, the {left:,} others are interpolated"
