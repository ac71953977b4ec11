"""What a launch's tensors are in memory: the program's own, slices that it is given, or an expert's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.launch_arguments import TensorArgument
from rdflow.dsl.program import Program
from rdflow.dsl.steps import LaunchCall, Read

if TYPE_CHECKING:  # a check does without NumPy
    from numpy.typing import NDArray

    Array = NDArray[Any]


def sliced(program: Program, argument: TensorArgument, memory: Mapping[str, Array]) -> Array:
    """The part of a tensor that an argument's view leaves free, to be written through."""
    fixed = dict(argument.fixed)
    axes = program.tensors[argument.tensor].axes
    return memory[argument.tensor][(*(fixed.get(a.name, slice(None)) for a in axes), ...)]


def argument_of(program: Program, call: LaunchCall, name: str) -> TensorArgument | None:
    """What a launch is given for a tensor of its kernel, if anything."""
    parameters = program.home(call.spec.home).kernels[call.spec.kernel].parameters
    found = (a for p, a in zip(parameters, call.arguments, strict=False) if p.name.text == name)
    return next(found, None) or dict(call.bound).get(name)


def view_of(program: Program, call: LaunchCall, name: str, memory: Mapping[str, Array]) -> Array:
    """A tensor of a launch's kernel in memory."""
    argument = argument_of(program, call, name)
    if argument is not None:
        return sliced(program, argument, memory)
    home, number = place_of(program, call, name)
    return memory[home] if call.expert is None else memory[home][number, ...]


def place_of(program: Program, call: LaunchCall, name: str) -> tuple[str, Any]:
    """Which tensor in memory that is, and what of it."""
    argument = argument_of(program, call, name)
    if argument is not None:
        return argument.tensor, argument.fixed
    if call.expert is None:
        return name, ()
    kind = program.pools[call.expert.pool].kind(call.expert.number)
    return f"{kind.label}.{name}", call.expert.number - kind.first


def number(program: Program, read: Read, memory: Mapping[str, Array]) -> Value:
    """The element of a tensor that a schedule reads."""
    found: Value = sliced(program, read.element, memory).item()
    return found
