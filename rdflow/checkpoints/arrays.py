"""The values of a program's tensors from the weights of a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from math import prod
from typing import TYPE_CHECKING, Any

from rdflow.checkpoints.folder import Folder
from rdflow.checkpoints.matching import Piece
from rdflow.checkpoints.shapes import arranged
from rdflow.dsl.diagnostics import CompileError, Diagnostic

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any]"]
COPIES = 2  # of a tensor while a program runs: a word of 4 bytes for each number here, and one in the engine


def refuse_too_many(pieces: Iterable[Piece], memory: int | None) -> None:
    """Raise CompileError (RDF320) where so many bytes of memory cannot hold the numbers of all tensors; None: not known."""
    tensors = {piece.tensor.name: prod(piece.tensor.shape) for piece in pieces}
    numbers = sum(tensors.values())
    if memory is not None and 4 * COPIES * numbers > memory:
        message = f"a run with values needs {4 * COPIES * numbers / 1e9:,.0f} GB for {numbers / 1e9:,.1f} G numbers"
        note = f"this computer has {memory / 1e9:,.0f} GB; every number is a word of 4 bytes, in the tensors and in the engine"
        help = "profile the program, which takes no values: `rdflow profile`; or take fewer layers with `--set`"
        raise CompileError([Diagnostic("RDF320", message, (), (note,), help)])


def physical_memory() -> int | None:
    """Bytes of this computer, where the system says so."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def read(pieces: Iterable[Piece], folder: Folder, say: Callable[[str], None] = lambda text: None) -> Arrays:
    """The tensors, float32 words as the engine has them: bf16 and f16 weights exactly, rounded where the tensor is bf16
    and the weight is not. One weight at a time is beside them in memory."""
    import numpy as np

    from rdflow.dsl.numerics import bf16

    pieces = list(pieces)
    whole = sum(prod(piece.stored.shape) for piece in pieces)
    found: Arrays = {}
    done = 0
    for piece in pieces:
        tensor, stored = piece.tensor, piece.stored
        say(f"reading weights: `{stored.name}`  {done / 1e6:,.0f} of {whole / 1e6:,.0f} M numbers")
        if tensor.name not in found:
            found[tensor.name] = np.empty(tensor.shape, np.float32)
        axes = [axis.name for axis in tensor.axes]
        values = arranged(folder.read(stored.name), piece.factors, [name for name in axes if name not in piece.index])
        rounding = tensor.dtype == "bf16" and stored.dtype != "BF16"
        found[tensor.name][tuple(piece.index.get(name, slice(None)) for name in axes)] = (
            bf16(values) if rounding else values
        )
        done += prod(stored.shape)
    return found
