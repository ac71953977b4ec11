"""Kernels whose launch could not be read: they are checked with the lengths that their declarations say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rdflow.dsl import syntax
from rdflow.dsl.program import Program
from rdflow.dsl.steps import LaunchSpec


def declared_specs(program: Program, launched: Iterable[LaunchSpec]) -> Iterator[LaunchSpec]:
    """A signature for each own kernel that is not launched, where every axis of its parameters has a length of its own."""
    known = {spec.kernel for spec in launched if not spec.home} | set(program.brought)
    for name, kernel in program.kernels.items():
        shapes = [_shape(program, parameter) for parameter in kernel.parameters]
        if name not in known and None not in shapes:
            yield LaunchSpec(name, tuple(shape or None for shape in shapes))


def _shape(program: Program, parameter: syntax.KernelParameter) -> tuple[int, ...] | None:
    """The lengths of a tensor; of a number none; None where an axis is the launch's to say."""
    if not isinstance(parameter.type, syntax.TensorType):
        return ()
    axes = [program.axes.get(place.term.axis.text) for place in parameter.type.places]
    return tuple(axis.length for axis in axes if axis is not None) if None not in axes else None
