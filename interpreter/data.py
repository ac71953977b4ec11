"""Values of tensors as the engine takes them: given by a user, or random with a fixed seed."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.numerics import bf16
from rdflow.dsl.program import Program, Tensor
from rdflow.interpreter.host_memory import refuse_too_many

Array = NDArray[Any]
SEED = 0
FLOATS = ("bf16", "f32")
RANGES = {"bool": (0, 1), "int8": (-128, 127), "int32": (-(2**31), 2**31 - 1)}


NONE: Mapping[str, Array] = {}


def prepared(
    program: Program,
    inputs: Mapping[str, Any],
    seed: int = SEED,
    ready: Mapping[str, Array] = NONE,
    only: Collection[str] | None = None,
) -> dict[str, Array]:
    """A float32 or int32 array for every tensor of a program (or `only` for some): inputs as given, missing ones random,
    the rest zero. `ready` arrays have the form of `stored` already, and are taken as they are.

    Raises CompileError with every input that has a wrong name, shape or dtype (RDF301 to RDF303), or where this computer
    cannot hold them all (RDF320).
    """
    tensors = program.held
    refuse_too_many(t for t in tensors.values() if only is None or t.name in only)
    mistakes = [_unknown(program, name) for name in inputs if name not in tensors]
    found: dict[str, Array] = {}
    for tensor in (t for t in tensors.values() if only is None or t.name in only):
        given = inputs.get(tensor.name)
        if given is None and tensor.name in ready:
            found[tensor.name] = ready[tensor.name]
            continue
        if given is None or isinstance(given, int):
            own = seed if given is None else given
            found[tensor.name] = random(tensor, own) if tensor.given or given is not None else zeros(tensor)
            continue
        array = _array(tensor, given)
        if isinstance(array, Diagnostic):
            mistakes.append(array)
        else:
            found[tensor.name] = stored(tensor, array)
    if mistakes:
        raise CompileError(mistakes, program.source)
    return found


def stored(tensor: Tensor, array: Array) -> Array:
    """An array in the form of its tensor's dtype: bf16 rounded to nearest even and kept as float32."""
    if tensor.dtype == "bf16":
        return bf16(array.astype(np.float32))
    return np.array(array, np.float32 if tensor.dtype == "f32" else np.int32, order="C")


def random(tensor: Tensor, seed: int = SEED) -> Array:
    """Standard normal floats, integers from 0 to 7; every tensor has a generator of its own, from the seed and its name."""
    generator = np.random.default_rng([seed, zlib.crc32(tensor.name.encode())])
    if tensor.dtype in FLOATS:
        return stored(tensor, generator.standard_normal(tensor.shape, dtype=np.float32))
    high = 2 if tensor.dtype == "bool" else 8
    return generator.integers(0, high, tensor.shape, dtype=np.int32)


def zeros(tensor: Tensor) -> Array:
    return np.zeros(tensor.shape, np.float32 if tensor.dtype in FLOATS else np.int32)


def _unknown(program: Program, name: str) -> Diagnostic:
    from difflib import get_close_matches

    near = get_close_matches(name, list(program.held), n=1)
    help = f"did you mean `{near[0]}`?" if near else f"tensors of this program: {', '.join(program.held)}"
    return Diagnostic("RDF301", f"the program has no tensor `{name}`", (), (), help)


def _array(tensor: Tensor, given: Any) -> Array | Diagnostic:
    """What a user gives as an array of the tensor's shape and kind, or what is wrong with it. Lists of lists are taken, too."""
    try:
        array = np.asarray(given)
    except ValueError:
        label = Label(tensor.span, f"`{tensor.name}` is {tensor.dtype}{list(tensor.shape)}")
        message = f"the values for `{tensor.name}` are lists of different lengths"
        return Diagnostic("RDF302", message, (label,), (), "give as many numbers in each row, or an array")
    return _mistake(tensor, array) or array


def _mistake(tensor: Tensor, array: Array) -> Diagnostic | None:
    label = Label(tensor.span, f"`{tensor.name}` is {tensor.dtype}{list(tensor.shape)}")
    if array.shape != tensor.shape:
        message = f"the values for `{tensor.name}` have shape {array.shape}, the tensor has {tensor.shape}"
        return Diagnostic(
            "RDF302", message, (label,), (), "transpose or cut the array, or change the params that give the lengths"
        )
    whole = array.dtype.kind in "iub"
    floating = array.dtype.kind == "f" or array.dtype.name in ("bfloat16", "float16")
    if tensor.dtype in FLOATS and not (floating or whole) or tensor.dtype not in FLOATS and not whole:
        message = f"the values for `{tensor.name}` are {array.dtype}, the tensor is {tensor.dtype}"
        return Diagnostic(
            "RDF303",
            message,
            (label,),
            (),
            f"convert them: array.astype({'float' if tensor.dtype in FLOATS else 'int'})",
        )
    if tensor.dtype in RANGES and array.size:
        low, high = RANGES[tensor.dtype]
        if array.min() < low or array.max() > high:
            message = f"the values for `{tensor.name}` go from {array.min()} to {array.max()}, {tensor.dtype} from {low} to {high}"
            return Diagnostic("RDF303", message, (label,), (), "clip or rescale the array before")
    return None
